"""The rows of a session while they are made: every event a tuple, its data written as JSON at once.

Data is encoded when it is recorded, because handlers go on changing the dicts that they have yielded. What must not show
is masked as a row is put down (`Session.put`), and only in sessions that have something to mask.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import orjson
from orjson import dumps

from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode, whole_characters, written_text
from voicelab.base.records import EventRow, Label, column, table_row
from voicelab.decision.rules import DECLARATION_NAMES
from voicelab.session.session_state import Session

# Labels of the events that the engine itself records: kind, name, background, task.
TEXT: Label = ("input", "text", False, None)
STOP: Label = ("input", "stop", False, None)
SPEECH: Label = ("output", "text_to_speech", False, None)
TRANSCRIPT: Label = ("system", "transcript_part", False, None)
TURN_END: Label = ("system", "turn_end", False, None)
TURN_INTERRUPTED: Label = ("system", "turn_interrupted", False, None)
INPUT_GATE: Label = ("system", "input_gate", False, None)
INPUT_HELD: Label = ("system", "input_held", False, None)
INPUT_DROPPED: Label = ("system", "input_dropped", False, None)
UNHEARD: Label = ("system", "unheard", False, None)
BACKCHANNEL: Label = ("system", "backchannel", False, None)
OUTCOME_SPECIFIED: Label = ("system", "outcome_specified", False, None)

LONG = 10_000
"""Text of so many characters is looked at before it is written: of 100 million the encoder would crash."""


class ToldRows(list[EventRow]):
    """Rows that tell of each that is new or has changed, for whoever can't wait until the session has ended.

    Args:
        tell: Called with a row's seq.
    """

    def __init__(self, tell: Callable[[int], None]) -> None:
        super().__init__()
        self._tell = tell

    def append(self, row: EventRow) -> None:
        """Take a row."""
        super().append(row)
        self._tell(len(self) - 1)

    def __setitem__(self, seq: Any, row: Any) -> None:
        super().__setitem__(seq, row)
        self._tell(seq)

    def __reduce__(self) -> Any:
        return list, (list(self),)


# --- events ----------------------------------------------------------------------------------------------------------


def add_row(s: Session, time_s: float, turn: int, label: Label, data: Mapping[str, Any]) -> None:
    """Record an event, whatever its data holds.

    Args:
        s: The session.
        time_s: When it was, in seconds.
        turn: In which turn.
        label: Its kind, name and task.
        data: What it holds.
    """
    text = encode(data, s.problems)
    s.chars_left -= len(text)
    if s.chars_left < 0 or s.problems:
        text = _with_trouble(s, data, text)
    s.put((time_s, turn, label, text))


def add_flat_row(s: Session, time_s: float, turn: int, label: Label, data: Mapping[str, Any]) -> None:
    """Record an event whose data is known to be nothing but short texts and numbers, as in what the engine notes itself."""
    try:
        text = dumps(data).decode()
    except TypeError:
        text = encode(data)
    s.chars_left -= len(text)
    if s.chars_left < 0:
        text = _with_trouble(s, data, text)
    s.put((time_s, turn, label, text))


def amend(s: Session, seq: int, facts: Mapping[str, Any], time_s: float | None = None) -> None:
    """Add to the data of an event, once it is known what became of it, and when it really was."""
    planned_s, turn, label, data = s.events[seq]
    amended = {**orjson.loads(data), **facts}
    text = encode(amended)
    s.chars_left -= len(text) - len(data)
    if s.chars_left < 0:
        text = _with_trouble(s, amended, text)
    s.events[seq] = (planned_s if time_s is None else time_s, turn, label, s.masker.json(text))


def add_error(s: Session, time_s: float, turn: int, data: dict[str, Any], task: str | None = None) -> None:
    """Record an error of the handler, or of a background task, as the SDK's `error` event."""
    s.n_errors += 1
    if s.error is None:
        s.error = s.masker.text(str(data["message"]))
    add_row(s, time_s, turn, ("output", "error", task is not None, task), data)


def add_metric(s: Session, time_s: float, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
    """Record a metric, as an event and as a row of its own."""
    seq = len(s.events)
    label = ("metric", whole_characters(f"metrics.{type}.{name}"), False, None)
    add_row(s, time_s, s.turn, label, {"value": value, "tags": tags})
    row = table_row(
        "metrics",
        seq=seq,
        time_s=time_s,
        turn=s.turn,
        type=type,
        metric=s.masker.text(name),
        value=float(value),
        tags=masked_json(s, tags),
    )
    s.metrics.append(row)


def tell_aside(s: Session, *aside: str) -> None:
    """Keep what the run's author should know and no row says, once."""
    masked = tuple(map(s.masker.text, aside))
    if masked not in s.aside:
        s.aside.append(masked)


# --- texts beside the events -----------------------------------------------------------------------------------------


def kept_text(s: Session, data: Mapping[str, Any]) -> str:
    """Return the data of the session itself as JSON text, masked, cut where its text is used up."""
    if not data:
        return "{}"
    text = encode(data, s.problems)
    s.chars_left -= len(text)
    if s.chars_left < 0 or s.problems:
        text = _with_trouble(s, data, text)
    return s.masker.json(text)


def own_text(s: Session, text: str) -> str:
    """Return a text of the handler's own, masked, cut where the session's text is used up."""
    s.chars_left -= len(text)
    if s.chars_left < 0:
        s.trouble = True
        text = _shortened(text)
    return s.masker.text(text)


def masked_json(s: Session, value: Any) -> str:
    """Return a value as JSON text, masked."""
    return s.masker.json(encode(value))


def declaration_text(s: Session, declared: Mapping[str, Any]) -> str:
    """Return a test's declaration as JSON text, its names masked."""
    return _masked_declaration(s.masker, encode(declared))


def no_text_for(s: Session, problem: str) -> None:
    """Be told of a part of the session that has no text."""
    s.problems.append(problem)
    s.trouble = True


# --- masking ---------------------------------------------------------------------------------------------------------


def mask_rows(s: Session) -> None:
    """Have rows masked from now on, where there is anything to mask."""
    s.put = partial(_put_masked, s.masker, s.events.append) if s.masker else s.events.append


def _put_masked(masker: Masker, put: Callable[[EventRow], None], row: EventRow) -> None:
    time_s, turn, (kind, name, background, task), text = row
    masked = masker.name
    put((time_s, turn, (kind, masked(name), background, task and masked(task)), masker.json(text)))


def hide(s: Session, values: Iterable[str]) -> None:
    """Mask more values, also in what is recorded already: a reply is logged before its key is sent as one."""
    masker = s.masker.also(values)
    if masker is s.masker:
        return
    s.masker = masker
    mask_rows(s)
    for seq, (time_s, turn, label, text) in enumerate(s.events):
        if (masked := masker.json(text)) != text:
            s.events[seq] = (time_s, turn, label, masked)
    if s.error is not None:
        s.error = masker.text(s.error)
    s.aside = [tuple(map(masker.text, told)) for told in s.aside]
    for rows, columns in ((s.metrics, _OF_METRICS), (s.exposures, _OF_EXPOSURES)):
        rows[:] = [
            tuple(columns[at](masker, cell) if at in columns else cell for at, cell in enumerate(row)) for row in rows
        ]


def _masked_declaration(masker: Masker, text: str) -> str:
    """Return a declaration whose names are masked: its keys and numbers, by which a test is analysed, stay."""
    return masker.json(text, DECLARATION_NAMES, numbers=False)


# Where the handler's own words stand in rows.
_OF_METRICS = {column("metrics", "metric"): Masker.text, column("metrics", "tags"): Masker.json}
_OF_EXPOSURES = {
    column("exposures", "test"): Masker.text,
    column("exposures", "variant"): Masker.text,
    column("exposures", "declaration"): _masked_declaration,
}


# --- what is left of a text that is too long -------------------------------------------------------------------------

_SHORT = 1_000
_LONGEST = 200
_MOST_KEYS = 50


def _with_trouble(s: Session, data: Mapping[str, Any], text: str) -> str:
    s.trouble = True
    return text if s.chars_left >= 0 or len(text) <= _SHORT else encode(_cut(data))


def _cut(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return data with its keys, and the beginnings of what is long in it."""
    cut = {
        _shortened(written_text(key)): _cut_value(value) for key, value in itertools.islice(data.items(), _MOST_KEYS)
    }
    return cut if len(data) <= _MOST_KEYS else cut | {"…": f"{len(data) - _MOST_KEYS:,} more"}


def _cut_value(value: Any) -> Any:
    if isinstance(value, str):
        return _shortened(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    text = encode(value)
    return value if len(text) <= _LONGEST else _shortened(text)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text):,} characters)"
