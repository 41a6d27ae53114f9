"""The rows of a session log, as data: which tables there are, their columns, and what a finished session hands over.

A session is logged as plain tuples in the order of these columns (a tuple costs a tenth of an object, and a million
sessions make thirty million of them). `SessionRows` is all of one session; `voicelab.log` writes it to Parquet and
reads it back; `voicelab.record.session_record.SessionRecord` shows one session to a person.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal

from voicelab.base.accepted_types import Cell

SCHEMA_VERSION = 1

EventKind = Literal["input", "output", "log", "metric", "system"]
Status = Literal["completed", "hangup", "transferred", "timeout", "error"]
Assignment = Literal["random", "forced", "default_after_stop", "unassigned"]
Source = Literal["simulated", "spoken", "typed", "imported", "rated"]

STATUSES: tuple[Status, ...] = ("completed", "hangup", "transferred", "timeout", "error")
RUNNING = frozenset({"active", "running", "in_progress", "in-progress", "pending", "queued", "started", "ringing"})
"""What the platform calls sessions that have not ended; some of an import may be such."""

OWN_FACTS = "voicelab"
"""Under which key an exported context holds what voicelab alone knows of a session."""

# Column name -> storage type. "category" is text that repeats (stored as a dictionary), "json" is text that holds JSON.
# In every table but `sessions` the writer puts `session_id` (category) in front; it is not part of the tuple.
SESSIONS: dict[str, str] = {
    "run_id": "category",
    "session_id": "text",
    "session_index": "int64",
    "source": "category",
    "caller": "category",
    "status": "category",
    "n_errors": "int32",
    "error": "text",
    "n_turns": "int32",
    "n_replies": "int32",
    "n_otherwise": "int32",
    "duration_s": "float64",
    "environment": "category",
    "direction": "category",
    "origin": "category",
    "tags": "json",
    "parameters": "json",
    "data": "json",
    "output_data": "json",
}
EVENTS: dict[str, str] = {
    "seq": "int32",
    "time_s": "float64",
    "turn": "int32",
    "kind": "category",
    "name": "category",
    "data": "json",
    "background": "bool",
    "task_name": "category",
}
EXPOSURES: dict[str, str] = {
    "session_index": "int64",
    "test": "category",
    "variant": "category",
    "weight": "float64",
    "assignment": "category",
    "probability": "float64",
    # JSON: {"variants": {name: weight}, "stop": {...}, "conversion_metrics": [...]}, as the handler declared the test.
    "declaration": "category",
}
OUTCOMES: dict[str, str] = {
    "session_index": "int64",
    "outcome": "category",
    # boolean, integer, float or string: inferred from the value, since the SDK's own `type` can be wrong.
    "type": "category",
    "value": "float64",
    "text": "text",
    # False: declared by the handler but never set in this session.
    "written": "bool",
}
METRICS: dict[str, str] = {
    "seq": "int32",
    "time_s": "float64",
    "turn": "int32",
    "type": "category",
    "metric": "category",
    "value": "float64",
    "tags": "json",
}
# What a conversation was like (`voicelab.measures`): null where there was no chance for it.
MEASURES: dict[str, str] = {
    "session_index": "int64",
    "answer_s_median": "float64",
    "answer_s_p95": "float64",
    "n_answers": "int32",
    "first_sound_s": "float64",
    "dead_air_s": "float64",
    "dead_air_s_longest": "float64",
    "talk_over_s": "float64",
    "yield_s_median": "float64",
    "n_caller_interruptions": "int32",
    "n_agent_interruptions": "int32",
    "n_false_interruptions": "int32",
    "n_interruptions_went_on": "int32",
    "n_interruptions_repeated": "int32",
    "n_interruptions_started_over": "int32",
    "n_interruptions_ignored": "int32",
    "n_agent_repeats": "int32",
    "n_caller_repeats": "int32",
    "words": "int32",
    "word_errors": "int32",
    "talk_share": "float64",
    "agent_talk_s": "float64",
    "caller_talk_s": "float64",
    "agent_words": "int32",
    "agent_words_per_min": "float64",
    "caller_words_per_min": "float64",
}
TABLES: dict[str, dict[str, str]] = {
    "sessions": SESSIONS,
    "events": EVENTS,
    "exposures": EXPOSURES,
    "outcomes": OUTCOMES,
    "metrics": METRICS,
}
DERIVED: dict[str, dict[str, str]] = {"measures": MEASURES}
"""Tables that follow from the others: where one isn't stored, it is computed."""
STORED: dict[str, dict[str, str]] = {**TABLES, **DERIVED}
"""All tables that a log may store."""

Row = tuple[Any, ...]
Label = tuple[str, str, bool, str | None]
"""Kind, name, background and task_name of an event: many events share one, so it is kept once."""
EventRow = tuple[float, int, Label, str]
"""An event while its session is in memory: time_s, turn, label and data; its place in the list is its seq."""


def table_row(table: str, /, **cells: Cell) -> Row:
    """Return a row of a table from its cells by name, in any order.

    Raises:
        TypeError: a cell is missing, or the table has no such column.
    """
    columns = TABLES[table]
    if len(cells) == len(columns):
        try:
            row: Row = _IN_ORDER[table](cells)
            return row
        except KeyError:
            pass
    missing, unknown = sorted(columns.keys() - cells.keys()), sorted(cells.keys() - columns.keys())
    raise TypeError(f"A row of {table} lacks {missing}, and has no columns {unknown}.")


_IN_ORDER = {table: itemgetter(*columns) for table, columns in TABLES.items()}


def column(table: str, name: str) -> int:
    """Return where a column stands in the rows of a table; look it up once, outside of loops.

    Raises:
        KeyError: the table has no such column.
    """
    return {column: at for at, column in enumerate(TABLES[table])}[name]


def unwritten_value(kind: str, *, crashed: bool) -> float | None:
    """Return what a session counts as that ended without writing an outcome: the one rule, which all others follow.

    It counts as 0 (the guide's own default). Where it crashed, that is known of an outcome of yes or no alone: it was
    no success. A number that a crashed session would have come to isn't known, and no text stands for nothing.

    Args:
        kind: `binary`, `count`, `float` or `string`; or the type of a value: `boolean`, `integer` or `float`.
        crashed: Whether the session ended with status `error`.

    Returns:
        The value, or None: the session is left out.
    """
    if kind == "string" or (crashed and kind not in {"binary", "boolean"}):
        return None
    return 0.0


def event_rows(events: Iterable[EventRow]) -> Iterator[Row]:
    """Return events as rows in the column order of `EVENTS`."""
    for seq, (time_s, turn, (kind, name, background, task_name), data) in enumerate(events):
        yield (seq, time_s, turn, kind, name, data, background, task_name)


def from_event_rows(rows: Iterable[Row]) -> list[EventRow]:
    """Return rows in the column order of `EVENTS` and in order of seq as events."""
    return [
        (time_s, turn, (kind, name, background, task_name), data)
        for _seq, time_s, turn, kind, name, data, background, task_name in rows
    ]


Aside = tuple[str, ...]
"""What a run's author should know of a session and no row says: a kind, and what it is about.

- `asked`, key, file and line: the handler asked for data that nobody had given, and that it didn't store itself later.
- `stored`, key: it asked for data before it stored it itself.
- `unreceived`, event, task: a custom event that a background task yielded, and that reaches nobody.
- `unanswered`, request: a request over HTTP, by method and address, that nothing answered.
- `made_up`, outcome: the world specified an outcome that the handler neither declared nor set.
"""


@dataclass(slots=True)
class SessionRows:
    """All rows of one finished session, in the column order of `TABLES`; events in their short form.

    `aside` is told after the run (`voicelab.runs.findings`), and not stored. `measures` is None until somebody asks for
    them (`voicelab.measures.measures_of`).
    """

    session: Row
    events: list[EventRow] = field(default_factory=list)
    exposures: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    metrics: list[Row] = field(default_factory=list)
    aside: Sequence[Aside] = ()
    measures: Row | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a session, as a person reads it.

    Attributes:
        seq: Position in the session, from 0.
        time_s: Seconds since the session began.
        turn: 0 for the opening, then one more for each input delivered to the handler.
        kind: `input`, `output`, `log`, `metric` or `system`.
        name: The SDK's wire name, such as `text_to_speech`.
        data: The event's data, decoded.
        background: True for an event of a background task.
        task_name: The background task's name, else None.
    """

    seq: int
    time_s: float
    turn: int
    kind: EventKind
    name: str
    data: dict[str, Any]
    background: bool = False
    task_name: str | None = None


@dataclass(frozen=True, slots=True, order=True)
class PortabilityNote:
    """Something that runs here and is spelled or done differently by the SDK or on the platform.

    Attributes:
        file: The handler's file, or its name in the notebook.
        line: Line number in that file, from 1; 0 where no line is known.
        rule: Short stable name of the rule, such as `interruptable`.
        written: What the handler says.
        sdk: What the SDK spells.
        platform: What happens to the unchanged code on the platform.
    """

    file: str
    line: int
    rule: str
    written: str
    sdk: str
    platform: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.written}; the SDK: {self.sdk} ({self.platform})"
