"""The log of one session while it runs: every event a tuple, its data written as JSON at once.

Data is encoded when it is recorded, because handlers go on changing the dicts that they have yielded. The values of
variables are masked here, in the one place that everything recorded passes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode
from voicelab.base.records import Aside, EventRow, Label, Row, column, table_row

# Where the handler's own words stand in rows.
_OF_METRICS = {column("metrics", "metric"): Masker.text, column("metrics", "tags"): Masker.json}
_OF_EXPOSURES = {
    column("exposures", "test"): Masker.text,
    column("exposures", "variant"): Masker.text,
    column("exposures", "declaration"): Masker.json,
}


class Recorder:
    """Collects the rows of one session, in the column order of `voicelab.base.records`.

    Args:
        masker: Masks what must not appear in any row.
    """

    __slots__ = ("_masker", "_masks", "aside", "error", "events", "exposures", "metrics", "n_errors")

    def __init__(self, masker: Masker) -> None:
        self.events: list[EventRow] = []
        self.metrics: list[Row] = []
        self.exposures: list[Row] = []
        self.aside: list[Aside] = []
        self.n_errors = 0
        self.error: str | None = None
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

    def add(self, time_s: float, turn: int, label: Label, data: Mapping[str, Any]) -> None:
        """Record an event."""
        text = encode(data)
        if self._masks:
            text = self._masker.json(text)
            kind, name, background, task = label
            masked = self._masker.name
            label = (kind, masked(name), background, task and masked(task))
        self.events.append((time_s, turn, label, text))

    def amend(self, seq: int, facts: Mapping[str, Any], time_s: float | None = None) -> None:
        """Add to the data of an event, once it is known what became of it, and when it really was."""
        planned_s, turn, label, data = self.events[seq]
        text = self.text({**orjson.loads(data), **facts})
        self.events[seq] = (planned_s if time_s is None else time_s, turn, label, text)

    def add_error(self, time_s: float, turn: int, data: dict[str, Any], task: str | None = None) -> None:
        """Record an error of the handler, or of a background task, as the SDK's `error` event."""
        self.n_errors += 1
        if self.error is None:
            self.error = self.masked(str(data["message"]))
        self.add(time_s, turn, ("output", "error", task is not None, task), data)

    def add_metric(self, time_s: float, turn: int, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Record a metric, as an event and as a row of its own."""
        seq = len(self.events)
        self.add(time_s, turn, ("metric", f"metrics.{type}.{name}", False, None), {"value": value, "tags": tags})
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

    def text(self, value: Any) -> str:
        """Return a value as JSON text, masked."""
        return self._masker.json(encode(value))

    def masked(self, text: str) -> str:
        """Return a text as it may be written: whole characters, and no values of variables."""
        return self._masker.text(text)
