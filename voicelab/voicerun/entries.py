"""One row of an export as one event of a session log, whatever the platform calls it; no row is dropped."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.base.records import EventKind
from voicelab.voicerun.export_values import (
    first,
    mapping,
    number,
    short_seconds,
    snake,
    snake_keys,
    text_of,
    unpacked,
    wall_seconds,
    whole_number,
)
from voicelab.voicerun.report import FileReport

SYSTEM = {
    *("transcript_part", "turn_end", "turn_interrupted", "input_gate", "pipeline_frame", "mark", "mark_sent"),
    *("mark_callback", "clear", "context", "context_update", "session_end", "handler_end", "initialize", "testing"),
}
INPUTS = {"start", "text", "timeout", "dtmf", "voicemail_detection", "stop"}
_BY_TYPE: dict[str, EventKind] = {"input": "input", "output": "output", "metric": "metric", "log": "log"}
_ROLES = {"assistant": "agent", "bot": "agent", "ai": "agent", "caller": "user", "human": "user", "customer": "user"}

# What a row may say itself; all else is kept in `extra`.
_KNOWN = {
    *("event", "label", "type", "direction", "name", "data", "turn", "timestamp", "_client_time", "session_id", "tags"),
    *("background", "background_task_name", "task_name"),
}
_UNDERSTOOD = {"_playback"}
"""What is kept as it is, too, and not told as unknown."""
# What the log's readers count on in an event's data: name -> key -> what stands there if nothing does.
_NEEDED: dict[str, dict[str, Any]] = {
    "text": {"text": "", "source": "speech"},
    "text_to_speech": {"text": ""},
    "error": {"message": ""},
    "transcript_part": {"role": "unknown", "content": ""},
    "dtmf": {"digits": ""},
}
_NUMBERS: dict[str, tuple[str, Callable[[Json], float | None]]] = {
    "turn_end": ("duration", number),
    "error": ("line", whole_number),
}
_TIDIED = frozenset({*_NEEDED, *_NUMBERS, "log"})
_OF_TASKS = frozenset({
    *("background", "Background", "background_task_name", "backgroundTaskName", "BackgroundTaskName"),
    *("task_name", "taskName"),
})  # fmt: skip
"""What rows and their data may say of background tasks by, however it is spelled."""
_MOST_TURNS = 10**6
_LATEST_S = 1e11
LEAST_EPOCH = 1e9
"""A time above is in seconds since 1970, below it is in seconds since something else."""
SPAN = "span"
"""Name of the events that the spans of a trace become."""


@dataclass(slots=True)
class Entry:
    """One event, not yet placed in its session.

    Attributes:
        name: The SDK's wire name.
        kind: `input`, `output`, `log`, `metric` or `system`.
        data: Its data.
        turn: Its turn, where the row says it.
        client_s: `_clientTime`: seconds on the clock of who exported.
        wall_s: Its timestamp: seconds since 1970.
        begins_s: How many seconds after the row it began to play.
        background: Whether a background task made it.
        task: The task's name.
        tags: Tags of a metric; None for what is none.
        report: That of the file it is from; None for what no file has as a row of its own.
    """

    name: str
    kind: EventKind
    data: dict[str, Any]
    turn: int | None = None
    client_s: float | None = None
    wall_s: float | None = None
    begins_s: float = 0.0
    background: bool = False
    task: str | None = None
    tags: dict[str, Any] | None = None
    report: FileReport | None = None


def session_of(row: Json) -> str | None:
    """Return the session that a row names itself."""
    if type(row) is not dict:
        return None
    found = row.get("session_id", row.get("sessionId"))
    if found is None and isinstance(row.get("metric"), dict):
        found = first(snake_keys(row["metric"]), ("session_id",))
    return None if found is None else text_of(found)


def read_entry(row: Json, report: FileReport, otherwise: str = "unknown") -> Entry:
    """Return a row of `vr debug`, `vr session events` or `vr session transcript` as an event.

    Args:
        row: The row.
        report: Where it is noted what was not understood.
        otherwise: Name of a row that has none.
    """
    if type(row) is not dict:  # as JSON's objects are
        report.not_understood[f"a row that is no object ({type(row).__name__})"] += 1
        return Entry("unknown", "system", {"extra": {"value": row}})
    known, others = _layout(tuple(row))
    facts = dict(zip(known, row.values(), strict=True))
    data = mapping(facts.get("data"))
    given = facts.get("name")
    if given is None:
        given = first(facts, ("type", "event"))
    if given is None and otherwise == "unknown":
        report.not_understood["a row without name, type and event"] += 1
    name = otherwise if given is None else text_of(given)
    extra = {key: row[key] for key in others} if others else {}
    for key in others:
        if key not in _UNDERSTOOD:
            report.unknown_keys[key] += 1
    if name == "debug" and isinstance(data.get("event_name"), str):
        name, data, extra = _unwrapped(data, facts, extra)
    entry = Entry(name, _kind(name, facts, data), data)
    # A hundred megabytes are a few hundred thousand rows: of most of them there is nothing to see to.
    if not (_OF_TASKS.isdisjoint(facts) and _OF_TASKS.isdisjoint(data)):
        _read_background(entry, facts)
    _read_times(entry, facts, extra, report)
    if entry.kind == "metric":
        entry.tags = _tags(entry, facts)
    if extra or name in _TIDIED:
        _tidy(entry, extra)
    if extra:
        data["extra" if "extra" not in data else "extra_of_row"] = extra
    return entry


@lru_cache(maxsize=4096)
def _layout(keys: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Return what the keys of a row say, and those that are none that is known: most rows of an export are laid out alike."""
    names = [snake(key) for key in keys]
    return names, [key for name, key in zip(names, keys, strict=True) if name not in _KNOWN]


def read_metric(row: Json, report: FileReport) -> Entry:
    """Return a row of `vr metrics session` as the event of a metric."""
    if not isinstance(row, Mapping) or not isinstance(row.get("metric"), Mapping):
        return read_entry(row, report)
    facts = snake_keys(row["metric"])
    own = {"metric_name", "metric_type", "session_id"}
    tags = {str(key): value for key, value in row["metric"].items() if snake(key) not in own}
    name = f"metrics.{text_of(facts.get('metric_type') or 'gauge')}.{text_of(facts.get('metric_name'))}"
    pair = row["value"] if isinstance(row.get("value"), list) else [None, row.get("value")]
    at, value = pair if len(pair) == 2 else (None, pair)  # noqa: PLR2004 - a pair
    data: dict[str, Any] = {"value": value if number(value) is None else number(value), "tags": tags}
    if extra := {
        str(key): item for key, item in row.items() if key not in {"metric", "value", "session_id", "sessionId"}
    }:
        data["extra"] = extra
        report.unknown_keys.update(extra.keys())
    return Entry(name, "metric", data, wall_s=wall_seconds(at), tags=tags)


def spans_of_trace(row: Json) -> list[Entry]:
    """Return a trace as events: its totals, which stand at the session's end, and each span where it began."""
    facts = mapping(row)
    spans = [mapping(span) for span in facts.pop("spans", None) or ()]
    entries = [Entry("trace", "system", facts)]
    return entries + [Entry(SPAN, "system", span, wall_s=_began_s(span)) for span in spans]


def _began_s(span: Mapping[str, Any]) -> float | None:
    """Return when a span began; None for a number that counts from another beginning than 1970."""
    found = wall_seconds(snake_keys(span).get("start_time"))
    return None if found is None or found < LEAST_EPOCH else found


def _unwrapped(
    data: dict[str, Any], facts: dict[str, Any], extra: dict[str, Any]
) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Return what an SDK DebugEvent tells of: the event's name and data; its context stays in extra."""
    facts["direction"] = data.get("direction")
    rest = {key: value for key, value in data.items() if key not in {"event_name", "event_data", "direction"}}
    return data["event_name"], mapping(data.get("event_data")), {**extra, **rest}


def _kind(name: str, facts: Mapping[str, Any], data: Mapping[str, Any]) -> EventKind:
    said, direction = facts.get("type"), facts.get("direction")
    kind = _BY_TYPE.get(said if type(said) is str else str(said))
    if kind is None and direction is not None:
        kind = _BY_TYPE.get(str(direction))
    if name in SYSTEM or name.startswith("bot-"):
        return "system"
    if name == "log" or name.startswith("metrics."):
        return "log" if name == "log" else "metric"
    if kind is not None:
        return kind
    if "type" in facts or "event" in facts:
        return "system"
    # Events of a session are listed without a direction.
    if name == "stop" and data.get("closing_speech"):
        return "output"
    return "input" if name in INPUTS else "output"


def _read_background(entry: Entry, facts: Mapping[str, Any]) -> None:
    """Take background flags from the row or from its data."""
    inside = {snake(key): key for key in entry.data}
    found = [facts.get("background")]
    if isinstance(entry.data.get(inside.get("background", "")), bool):
        found.append(entry.data.pop(inside["background"]))
    task = first(facts, ("background_task_name", "task_name"))
    if "background_task_name" in inside:
        own = entry.data.pop(inside["background_task_name"])
        task = own if task is None else task
    said = next((flag for flag in found if flag is not None), None)
    entry.task = None if task is None else text_of(task)
    entry.background = entry.task is not None if said is None else bool(said)


def _read_times(entry: Entry, facts: Mapping[str, Any], extra: dict[str, Any], report: FileReport) -> None:
    client_s, turn = facts.get("_client_time"), facts.get("turn")
    if (
        type(client_s) is float
        and -LEAST_EPOCH < client_s < _LATEST_S
        and type(turn) is int
        and 0 <= turn < _MOST_TURNS
    ):
        entry.client_s, entry.turn = client_s, turn
        if facts.get("timestamp") is None:
            return
    turn = whole_number(turn)
    entry.turn = turn if turn is not None and 0 <= turn < _MOST_TURNS else None
    entry.client_s = short_seconds(facts.get("_client_time"))
    entry.wall_s = wall_seconds(facts.get("timestamp"))
    for key, value in (("turn", entry.turn), ("_client_time", entry.client_s), ("timestamp", entry.wall_s)):
        if value is None and facts.get(key) is not None:
            extra[key] = facts[key]
            report.not_understood[f"a {key.lstrip('_')} such as {facts[key]!r}"] += 1


def _tags(entry: Entry, facts: Mapping[str, Any]) -> dict[str, Any]:
    tags = mapping(facts.get("tags")) or mapping(entry.data.get("tags"))
    return tags or {key: value for key, value in entry.data.items() if key.startswith("experiment_")}


def _tidy(entry: Entry, extra: dict[str, Any]) -> None:
    """Make the data what the log's readers count on; whatever doesn't fit moves to extra."""
    data = entry.data
    if entry.name == "transcript_part":
        data["role"] = _ROLES.get(str(data.get("role")).lower(), data.get("role"))
    for key, value in _NEEDED.get(entry.name, {}).items():
        if key == "message" and key not in data and "value" in data:
            data[key] = data.pop("value")
        if not isinstance(data.get(key), str):
            if data.get(key) is not None:
                extra[key] = data[key]
            data[key] = value
    if entry.name == "log" and "message" not in data and isinstance(data.get("value"), str):
        data["message"] = data.pop("value")
    key, read = _NUMBERS.get(entry.name, ("", number))
    if key and data.get(key) is not None and read(data[key]) is None:
        extra[key] = data.pop(key)
    if extra and isinstance(extra.get("_playback"), dict):
        _take_playback(entry, snake_keys(extra["_playback"]))


def _take_playback(entry: Entry, playback: Mapping[str, Any]) -> None:
    """Say of speech that the debugger has played what a session of the lab says: how long, and whether it was cut.

    What the row itself says comes first.
    """
    data = entry.data
    played_ms, received_ms = (number(playback.get(f"{which}_duration_ms")) for which in ("played", "received"))
    if playback.get("interrupted") is True or playback.get("status") == "interrupted":
        data.setdefault("interrupted", True)
        if played_ms is not None and played_ms >= 0:
            data.setdefault("played_s", played_ms / 1000)
            if not played_ms:
                data.setdefault("spoken", False)
    elif playback.get("status") == "complete" and received_ms:
        data.setdefault("duration_s", received_ms / 1000)
    elif played_ms:  # it was exported while it played
        data.setdefault("played_s", played_ms / 1000)
    segments = playback.get("segments")
    first_one = segments[0] if isinstance(segments, list) and segments else None
    began_s = short_seconds(snake_keys(first_one).get("start_client_time")) if isinstance(first_one, Mapping) else None
    if began_s is not None and entry.client_s is not None:
        entry.begins_s = max(0.0, began_s - entry.client_s)


# --- what rows say of tests ------------------------------------------------------------------------------------------

_SELECTED = re.compile(r"Experiment '(.*)' selected variant '(.*)'", re.DOTALL)
# These speak of other sessions.
_OTHERS = {"external_event", "merge_session", "start_session", "transfer_session"}
_DEEPEST = 5
_MAY_HOLD = {dict, list}


def selected_in(entry: Entry) -> tuple[str, str] | None:
    """Return test and variant of the SDK's log line, where an entry is one."""
    if entry.name != "log":
        return None
    message = entry.data.get("message")
    found = _SELECTED.search(message) if isinstance(message, str) else None
    return None if found is None else (found[1], found[2])


def contexts_in(entry: Entry) -> list[dict[str, Any]]:
    """Return the serialized contexts that an entry holds, as objects with a key `testing`."""
    return [] if entry.name in _OTHERS else contexts_of(entry.data)


def contexts_of(value: Json, depth: int = 0) -> list[dict[str, Any]]:
    """Return the objects with a key `testing` in a value, however deep they stand in it."""
    if isinstance(value, str):
        value = unpacked(value) if '"testing"' in value else None
    if depth > _DEEPEST or not isinstance(value, dict | list):
        return []
    if isinstance(value, dict) and "testing" in value:
        testing = unpacked(value["testing"])
        if isinstance(testing, Mapping) and {"tests", "outcomes", "runTest", "experiments"} & set(testing):
            return [{**value, "testing": dict(testing)}]
    found = []
    for item in value.values() if isinstance(value, dict) else value:
        # Most values are numbers and short texts, of which no call is made.
        if type(item) in _MAY_HOLD or (type(item) is str and '"testing"' in item):
            found += contexts_of(item, depth + 1)
    return found
