"""Turns what was gathered into the rows of a session log: sessions in order of their end, each with its events."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from voicelab.base.accepted_types import Json
from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode
from voicelab.base.records import RUNNING, EventRow, Label, Row, SessionRows, table_row
from voicelab.voicerun.declare import Declarations, SeenTests, outcomes
from voicelab.voicerun.entries import Entry
from voicelab.voicerun.event_order import OrderedEvents, events_in_order
from voicelab.voicerun.export_values import first, mapping, number, short_seconds, snake_keys, text_of, wall_seconds
from voicelab.voicerun.gather import Draft, Gathered, context_facts
from voicelab.voicerun.known_later import KnownLater
from voicelab.voicerun.platform_tests import PlatformTests

if TYPE_CHECKING:
    from voicelab.voicerun.stored_rows import Stored

# How the platform says that a session ended, in the log's words; anything else stays as it is.
_STATUSES = {
    "completed": "completed", "complete": "completed", "ended": "completed", "finished": "completed",
    "success": "completed", "hangup": "hangup", "transferred": "transferred", "timeout": "timeout",
    "failed": "error", "error": "error", "crashed": "error",
}  # fmt: skip


@dataclass
class _Session:
    draft: Draft
    events: OrderedEvents
    texts: list[str]
    status: str
    ended: bool
    duration_s: float
    end_s: float | None


class Assembled:
    """The sessions of an import in order of their end; their rows wait on the disk until they are written.

    Args:
        gathered: What the files say.
        seen: Takes what the sessions say of their tests.
        run_id: Id of the import.
        done: Told after each session.

    Attributes:
        later: What is known of them later.
        began_s: When the first of them began, in seconds since 1970; None if nothing says it.
    """

    def __init__(self, gathered: Gathered, seen: SeenTests, run_id: str, done: Callable[[], None]) -> None:
        self._gathered = gathered
        self._seen = seen
        self.later = KnownLater()
        self.began_s: float | None = None
        order: list[tuple[float | None, Stored]] = []
        for draft in gathered.drafts():
            session = _settled(draft)
            seen.take(draft.tests)
            self.later.take(draft)
            if session.end_s is not None:
                began_s = session.end_s - session.duration_s
                self.began_s = began_s if self.began_s is None else min(self.began_s, began_s)
            order.append((session.end_s, gathered.store.put(_rows(session, run_id))))
            done()
        # Those whose end nobody says come last, in the order of the files.
        order.sort(key=lambda one: (one[0] is None, one[0] or 0.0))
        if unknown := sum(end_s is None for end_s, _ in order):
            gathered.report.warn(
                f"The end of {unknown:,} of {len(order):,} sessions is not known: they stand last, in the order of the files. "
                "Give the session list too (vr session list --json)."
            )
        self._order = [place for _, place in order]

    def __len__(self) -> int:
        return len(self._order)

    def declared(self, conversions: Sequence[str]) -> Declarations:
        """Return the tests that the sessions were in.

        Args:
            conversions: Conversion metrics that the caller names.

        Raises:
            InputError: weights are given for another test, or not for every variant.
        """
        return Declarations(self._seen, conversions, self._gathered.platform, self._gathered.report)

    def rows(self, first: int, last: int, declarations: Declarations) -> list[SessionRows]:
        """Return the rows of the sessions from one index to before another."""
        named = list(dict.fromkeys(name for names in declarations.conversions.values() for name in names))
        return [
            _finished(self._gathered.store.get(place), index, declarations, named)
            for index, place in enumerate(self._order[first:last], first)
        ]


def _settled(draft: Draft) -> _Session:
    events = events_in_order(draft)
    texts = [encode(entry.data) for entry in events.entries]
    for entry, text in zip(events.entries, texts, strict=True):
        draft.tests.see(entry, text)
    said = text_of(first(draft.facts, ("status",)) or "").lower()
    duration_s = _duration(draft, events)
    return _Session(
        draft,
        events,
        texts,
        _STATUSES.get(said, said or "completed"),
        said not in RUNNING,
        duration_s,
        _end(draft, events, duration_s),
    )


def _duration(draft: Draft, events: OrderedEvents) -> float:
    """Return the length of a session in seconds: as its record says it (milliseconds), else that of its events."""
    usage = snake_keys(mapping(draft.facts.get("usage")))
    ms = short_seconds(first(usage, ("session_duration",)))
    return ms / 1000 if ms is not None and ms >= 0 else events.length_s or 0.0


def _end(draft: Draft, events: OrderedEvents, duration_s: float) -> float | None:
    ended = wall_seconds(first(draft.facts, ("ended_at", "completed_at", "end_time")))
    if ended is not None:
        return ended
    began = wall_seconds(first(draft.facts, ("started_at", "created_at", "start_time")))
    if began is not None:
        return began + duration_s
    return None if events.start_s is None else events.start_s + (events.length_s or 0.0)


class _Waiting(NamedTuple):
    """A session's rows, but for what hangs on all sessions: its index, and how it was drawn in each test."""

    facts: dict[str, Any]
    events: list[EventRow]
    metrics: list[Row]
    tests: PlatformTests
    ended: bool


def _finished(waiting: _Waiting, index: int, declarations: Declarations, conversions: Sequence[str]) -> SessionRows:
    tests, crashed = waiting.tests, waiting.facts["status"] == "error"
    masker = _masker(frozenset(tests.variables))
    return SessionRows(
        table_row("sessions", session_index=index, **waiting.facts),
        waiting.events,
        declarations.exposures(tests, index, ended=waiting.ended, masker=masker),
        outcomes(tests, waiting.metrics, conversions, index, crashed=crashed, masker=masker),
        waiting.metrics,
    )


def _rows(session: _Session, run_id: str) -> _Waiting:
    draft, tests = session.draft, session.draft.tests
    masker = _masker(frozenset(tests.variables))
    timed = list(zip(session.events.entries, session.events.times, session.events.turns, strict=True))
    events = [
        _event(entry, time_s, turn, text, masker)
        for (entry, time_s, turn), text in zip(timed, session.texts, strict=True)
    ]
    metrics = [
        row
        for seq, (entry, time_s, turn) in enumerate(timed)
        if (row := _metric(seq, entry, time_s, turn, masker)) is not None
    ]
    errors = [entry for entry in session.events.entries if entry.name == "error"]
    facts = draft.facts
    facts_of_session: dict[str, Any] = {
        "run_id": run_id,
        "session_id": draft.session_id,
        "source": "imported",
        "caller": text_of(first(facts, ("track", "caller")) or "caller"),
        "status": session.status,
        "n_errors": len(errors),
        "error": masker.text(errors[0].data["message"]) if errors else None,
        "n_turns": 1 + max(session.events.turns, default=0),
        "n_replies": 0,
        "n_otherwise": 0,
        "duration_s": session.duration_s,
        "environment": text_of(
            first(facts, ("environment", "environment_id")) or tests.context.get("environment") or "unknown"
        ),
        "direction": text_of(first(facts, ("direction",)) or "unknown"),
        "origin": text_of(first(facts, ("origin",)) or "unknown"),
        "tags": masker.json(encode(_list_of(facts.get("tags")))),
        "parameters": masker.json(encode(context_facts(draft, "input_data"))),
        "data": masker.json(encode(mapping(tests.context.get("data")))),
        "output_data": masker.json(encode(context_facts(draft, "output_data"))),
    }
    # What its rows hold already is not kept twice.
    return _Waiting(facts_of_session, events, metrics, replace(tests, context={}), session.ended)


def _list_of(value: Json) -> list[Any]:
    """Return a list as it is; a single value as the only one in it."""
    return value if isinstance(value, list) else [value] if value else []


def _event(entry: Entry, time_s: float, turn: int, text: str, masker: Masker) -> EventRow:
    label: Label = (entry.kind, masker.name(entry.name), entry.background, entry.task and masker.name(entry.task))
    return (time_s, turn, label, masker.json(text))


def _metric(seq: int, entry: Entry, time_s: float, turn: int, masker: Masker) -> Row | None:
    """Return the row of a metric; None for anything else, and for one whose value is no number (its event stays)."""
    value = number(first(entry.data, ("value", "duration_ms", "latency_ms"))) if entry.kind == "metric" else None
    if value is None:
        return None
    parts = entry.name.split(".", 2)
    kind, name = (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "metrics" else ("gauge", entry.name)  # noqa: PLR2004 - metrics.<type>.<name>
    tags = {str(tag): text_of(text) for tag, text in (entry.tags or {}).items()}
    return table_row(
        "metrics",
        seq=seq,
        time_s=time_s,
        turn=turn,
        type=kind,
        metric=masker.text(name),
        value=value,
        tags=masker.json(encode(tags)),
    )


@functools.lru_cache(maxsize=8)
def _masker(variables: frozenset[str]) -> Masker:
    """Return the masker of a session's variables: those of one agent's sessions are nearly always the same."""
    return Masker(variables)
