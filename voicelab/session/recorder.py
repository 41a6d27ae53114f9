"""The log of one session while it runs: every event a tuple, its data written as JSON at once.

Data is encoded when it is recorded, because handlers go on changing the dicts that they have yielded. The values of
variables are masked here, in the one place that everything recorded passes.
"""

import itertools
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode, encode_flat, whole_characters, written_text
from voicelab.base.records import Aside, EventRow, Label, Row, column, table_row
from voicelab.decision.rules import DECLARATION_NAMES


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


class Recorder:
    """Collects the rows of one session, in the column order of `voicelab.base.records`.

    Args:
        masker: Masks what must not appear in any row.
        text_chars: Characters of text that the session may write; where they are used up, texts are cut.

    Attributes:
        trouble: Whether the text is used up, or a part of what was recorded has no text, and nobody has looked yet.
        problems: A sentence for each part that has no text.
    """

    __slots__ = (
        "_chars_left",
        "_masker",
        "_masks",
        "aside",
        "error",
        "events",
        "exposures",
        "metrics",
        "n_errors",
        "problems",
        "trouble",
    )

    def __init__(self, masker: Masker, text_chars: int) -> None:
        self.events: list[EventRow] = []
        self.metrics: list[Row] = []
        self.exposures: list[Row] = []
        self.aside: list[Aside] = []
        self.n_errors = 0
        self.error: str | None = None
        self.trouble = False
        self.problems: list[str] = []
        self._chars_left = text_chars
        self._masker = masker
        self._masks = bool(masker)

    def hide(self, values: Iterable[str]) -> None:
        """Mask more values, also in what is recorded already: a reply is logged before its key is sent as one."""
        masker = self._masker.also(values)
        if masker is self._masker:
            return
        self._masker, self._masks = masker, bool(masker)
        for seq, (time_s, turn, label, text) in enumerate(self.events):
            if (masked := masker.json(text)) != text:
                self.events[seq] = (time_s, turn, label, masked)
        if self.error is not None:
            self.error = masker.text(self.error)
        self.aside = [tuple(map(masker.text, told)) for told in self.aside]
        for rows, columns in ((self.metrics, _OF_METRICS), (self.exposures, _OF_EXPOSURES)):
            rows[:] = [
                tuple(columns[at](masker, cell) if at in columns else cell for at, cell in enumerate(row))
                for row in rows
            ]

    def add(self, time_s: float, turn: int, label: Label, data: Mapping[str, Any], *, flat: bool = False) -> None:
        """Record an event.

        Args:
            time_s: When it was, in seconds.
            turn: In which turn.
            label: Its kind, name and task.
            data: What it holds.
            flat: Whether that is known to be nothing but short texts and numbers, as in what the engine notes itself.
        """
        text = encode_flat(data) if flat else encode(data, self.problems)
        self._chars_left -= len(text)
        if self._chars_left < 0 or self.problems:
            text = self._with_trouble(data, text)
        if self._masks:
            text = self._masker.json(text)
            kind, name, background, task = label
            masked = self._masker.name
            label = (kind, masked(name), background, task and masked(task))
        self.events.append((time_s, turn, label, text))

    def amend(self, seq: int, facts: Mapping[str, Any], time_s: float | None = None) -> None:
        """Add to the data of an event, once it is known what became of it, and when it really was."""
        planned_s, turn, label, data = self.events[seq]
        amended = {**orjson.loads(data), **facts}
        text = encode(amended)
        self._chars_left -= len(text) - len(data)
        if self._chars_left < 0:
            text = self._with_trouble(amended, text)
        text = self._masker.json(text)
        self.events[seq] = (planned_s if time_s is None else time_s, turn, label, text)

    def cannot_write(self, problem: str) -> None:
        """Be told of a part of the session that has no text."""
        self.problems.append(problem)
        self.trouble = True

    @property
    def is_full(self) -> bool:
        """Whether the session has used up its text."""
        return self._chars_left < 0

    def _with_trouble(self, data: Mapping[str, Any], text: str) -> str:
        self.trouble = True
        return text if self._chars_left >= 0 or len(text) <= _SHORT else encode(_cut(data))

    def kept(self, data: Mapping[str, Any]) -> str:
        """Return the data of the session itself as JSON text, masked, cut where its text is used up."""
        if not data:
            return "{}"
        text = encode(data, self.problems)
        self._chars_left -= len(text)
        if self._chars_left < 0 or self.problems:
            text = self._with_trouble(data, text)
        return self._masker.json(text)

    def add_error(self, time_s: float, turn: int, data: dict[str, Any], task: str | None = None) -> None:
        """Record an error of the handler, or of a background task, as the SDK's `error` event."""
        self.n_errors += 1
        if self.error is None:
            self.error = self.masked(str(data["message"]))
        self.add(time_s, turn, ("output", "error", task is not None, task), data)

    def add_metric(self, time_s: float, turn: int, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Record a metric, as an event and as a row of its own."""
        seq = len(self.events)
        self.add(
            time_s,
            turn,
            ("metric", whole_characters(f"metrics.{type}.{name}"), False, None),
            {"value": value, "tags": tags},
        )
        row = table_row(
            "metrics",
            seq=seq,
            time_s=time_s,
            turn=turn,
            type=type,
            metric=self.masked(name),
            value=float(value),
            tags=self.text(tags),
        )
        self.metrics.append(row)

    def tell(self, *aside: str) -> None:
        """Keep what the run's author should know and no row says, once."""
        masked = tuple(map(self.masked, aside))
        if masked not in self.aside:
            self.aside.append(masked)

    def cut(self, text: str) -> str:
        """Return a text of the handler's own, masked, cut where the session's text is used up."""
        self._chars_left -= len(text)
        if self._chars_left < 0:
            self.trouble = True
            text = _shortened(text)
        return self._masker.text(text)

    def text(self, value: Any) -> str:
        """Return a value as JSON text, masked."""
        return self._masker.json(encode(value))

    def declaration(self, declared: Mapping[str, Any]) -> str:
        """Return a test's declaration as JSON text, its names masked."""
        return _masked_declaration(self._masker, encode(declared))

    def masked(self, text: str) -> str:
        """Return a text as it may be written: whole characters, and no values of variables."""
        return self._masker.text(text)


# --- what is left of a text that is too long -------------------------------------------------------------------------

_SHORT = 1_000
_LONGEST = 200
_MOST_KEYS = 50


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
