"""Recognises what an export is by its shape, whatever its file is called."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.voicerun.export_values import first, snake_keys, text_of, unpacked, whole_number

Record = Mapping[str, Any]

_SESSION_KEYS = {
    *("agent_id", "environment_id", "release_id", "direction", "origin", "track", "input_data", "output_data", "usage"),
    *("status", "tags", "created_at"),
}
# Any tool's records of calls have these.
_COMMON_KEYS = {"status", "tags", "created_at"}

_MARKS = tuple(
    frozenset(marks.split())
    for marks in (
        *(
            "_clientTime",
            "_client_time",
            "event type",
            "evaluator_id",
            "metric_name",
            "experiment_name",
            "session_count",
        ),
        *("timestamp name", "timestamp role", "session_id", "testing tests", "spans"),
    )
)
"""Sets of keys, in snake_case, that tell an export where not all of it can be read."""


@dataclass(frozen=True)
class Export:
    """One file, recognised.

    Attributes:
        file: The file.
        kind: A kind of `KINDS`.
        rows: Its rows.
        session_id: The session that the file as a whole names, if it does.
        page: Number of the page, where the file is one of several.
        total: How many rows all pages have together.
    """

    file: Path
    kind: str
    rows: list[Any]
    session_id: str | None = None
    page: int | None = None
    total: int | None = None


def recognise(file: Path, document: Json) -> Export:
    """Return what a file is; `FOREIGN` if it is no export of VoiceRun, with what it looks like as its only row.

    Args:
        file: The file.
        document: Its content.
    """
    for rows, envelope in _readings(document):
        if not rows:
            return Export(file, "empty", [])
        kind = next((kind for kind, fits in _FITS.items() if any(fits(row) for row in _records(rows))), None)
        if kind is None and _is_page_of_sessions(rows, envelope):
            kind = SESSIONS
        if kind is not None:
            return _export(file, kind, rows, envelope)
    return Export(file, FOREIGN, [_looks(document)])


def looks_like_export(text: str) -> bool:
    """Return whether a text that can't be parsed has an export's keys: of a file that was cut, sessions would be missing.

    Args:
        text: As much of the file as can be read.
    """
    keys = set(snake_keys(dict.fromkeys(re.findall(r'"(\w+)"\s*:', text))))
    return any(marks <= keys for marks in _MARKS) or len(keys & (_SESSION_KEYS - _COMMON_KEYS)) > 1


def _readings(document: Json) -> list[tuple[list[Any], Record]]:
    """Return the ways to read a document: its rows, and what stands around them."""
    if isinstance(document, list):
        return [(document, {})]
    if not isinstance(document, Mapping):
        return []
    for key in ("data", "result"):
        if isinstance(document.get(key), list):
            return [(document[key], document), ([document], {})] if document[key] else [([], document)]
    inner = document.get("data")
    return [([document], {}), *([([inner], document)] if isinstance(inner, Mapping) else [])]


def _export(file: Path, kind: str, rows: list[Any], envelope: Record) -> Export:
    around = snake_keys(envelope)
    metadata = snake_keys(around["metadata"]) if isinstance(around.get("metadata"), Mapping) else {}
    named = first(around, ("session_id",)) or first(metadata, ("session_id",))
    return Export(
        file,
        kind,
        rows,
        None if named is None else text_of(named),
        whole_number(metadata.get("page")),
        whole_number(metadata.get("total")),
    )


def _records(rows: list[Any]) -> Iterator[Record]:
    return (row for row in rows if isinstance(row, dict))


def _looks(document: Json) -> str:
    record = document[0] if isinstance(document, list) and document else document
    if isinstance(record, Mapping) and record:
        return f"its keys: {', '.join(text_of(str(key)) for key in list(record)[:6])}"
    return f"it holds {type(record).__name__}"


# --- the kinds -------------------------------------------------------------------------------------------------------


def _is_debug(row: Record) -> bool:
    return row.get("event") == "debug" or row.get("label") == "rtvi-ai" or "_clientTime" in row


def _is_transcript(row: Record) -> bool:
    said = unpacked(row.get("data"))
    return isinstance(said, Mapping) and {"role", "content"} <= set(said) and "name" not in row


def _is_event(row: Record) -> bool:
    return {"name", "timestamp"} <= set(row)


def _is_evaluation(row: Record) -> bool:
    return "evaluator_id" in snake_keys(row)


def _is_session(row: Record) -> bool:
    keys = set(snake_keys(row))
    known = keys & _SESSION_KEYS
    return bool(keys & {"id", "session_id"}) and len(known) > 1 and bool(known - _COMMON_KEYS)


def _is_page_of_sessions(rows: list[Any], envelope: Record) -> bool:
    """Return whether rows too short to tell stand in the platform's pages."""
    metadata = envelope.get("metadata")
    paged = isinstance(metadata, Mapping) and {"page", "total"} <= set(metadata)
    return paged and any({"id", "status"} <= set(row) for row in _records(rows))


def _is_metric(row: Record) -> bool:
    return isinstance(row.get("metric"), Mapping) and "value" in row and "metric_name" in snake_keys(row["metric"])


def _is_series(row: Record) -> bool:
    return isinstance(row.get("metric"), Mapping) and isinstance(row.get("values"), list)


def _is_experiment(row: Record) -> bool:
    keys = set(snake_keys(row))
    return (
        isinstance(row.get("variants"), list)
        and "name" in keys
        and bool(keys & {"session_count", "conversion_metrics"})
    )


def _is_funnel(row: Record) -> bool:
    return {"experiment_name", "funnel"} <= set(snake_keys(row))


def _is_trace(row: Record) -> bool:
    return isinstance(row.get("spans"), list)


def _is_context(row: Record) -> bool:
    testing = unpacked(row.get("testing"))
    return isinstance(testing, Mapping) and bool({"tests", "outcomes"} & set(testing))


# Kind -> whether a row is of it; the first that fits any row of a file is the file's.
_FITS: dict[str, Callable[[Record], bool]] = {
    "vr debug": _is_debug,
    "vr evaluation list": _is_evaluation,
    "vr experiments describe": _is_experiment,
    "vr experiments funnel": _is_funnel,
    "vr session info or list": _is_session,
    "serialized context": _is_context,
    "vr session transcript": _is_transcript,
    "vr session events": _is_event,
    "vr metrics session": _is_metric,
    "vr metrics timeseries": _is_series,
    "vr session trace": _is_trace,
}
DEBUG, EVENTS, TRANSCRIPT, METRICS = "vr debug", "vr session events", "vr session transcript", "vr metrics session"
SESSIONS, CONTEXT = "vr session info or list", "serialized context"
EVALUATION, TRACE = "vr evaluation list", "vr session trace"
EXPERIMENT, FUNNEL = "vr experiments describe", "vr experiments funnel"
FOREIGN = "unknown"
"""Kind of a file that holds JSON, and nothing that is known."""
NOT_IMPORTED = {"vr metrics timeseries", "empty", FOREIGN}
"""Kinds that hold nothing for a session log."""
KINDS = tuple(kind for kind in _FITS if kind not in NOT_IMPORTED)
KNOWN_LATER = (EVALUATION, TRACE)
"""Kinds that tell of sessions after their end."""
STREAMS = (DEBUG, EVENTS, TRANSCRIPT, METRICS, *KNOWN_LATER)
"""Kinds whose rows are events, the fullest first."""
