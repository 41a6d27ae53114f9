"""The log of one session while it runs: every event a tuple, its data written as JSON at once.

Data is encoded when it is recorded, because handlers go on changing the dicts that they have yielded. The values of
variables are masked here, in the one place that everything recorded passes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from voicelab.inputs import HALF_A_CHARACTER
from voicelab.records import EventRow, Label, Row

_dumps = orjson.dumps
MASK = "••••••"
_SECRET_LENGTH = 6
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def plain(value: Any) -> Any:
    """Return a form of a value that JSON can hold and that is the same in every process (no addresses, sets sorted)."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return _ADDRESS.sub("", str(value))


def encode(value: Any) -> str:
    """Return a value as JSON text; what JSON doesn't know is written as text."""
    try:
        return orjson.dumps(value, default=plain).decode()
    except TypeError:
        return orjson.dumps(_with_text_keys(value), default=plain).decode()


def _with_text_keys(value: Any, depth: int = 0) -> Any:
    if depth > 50:  # noqa: PLR2004 - deeper than anybody nests on purpose: a structure that contains itself
        return "…"
    if isinstance(value, Mapping):
        return {_whole(str(key)): _with_text_keys(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_with_text_keys(item, depth + 1) for item in items]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:  # noqa: PLR2004 - JSON's 64 bits
        return str(value)
    return _whole(value) if isinstance(value, str) else value


def _whole(text: str) -> str:
    """Return a text without the halves of characters that broken decoding leaves, which no file can hold."""
    return text if text.isascii() else HALF_A_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


def maskable(variables: Mapping[str, str]) -> list[str]:
    """Return the texts to mask: values of six characters or more, as they are and as JSON writes them, longest first."""
    values = {str(value) for value in variables.values() if len(str(value)) >= _SECRET_LENGTH}
    return sorted(values | {encode(value)[1:-1] for value in values}, key=lambda text: (-len(text), text))


class Recorder:
    """Collects the rows of one session, in the column order of `voicelab.records`.

    Args:
        secrets: Texts that must not appear in any row (see `maskable`).
    """

    __slots__ = ("_secrets", "error", "events", "exposures", "metrics", "n_errors")

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self.events: list[EventRow] = []
        self.metrics: list[Row] = []
        self.exposures: list[Row] = []
        self.n_errors = 0
        self.error: str | None = None
        self._secrets = tuple(secrets)

    def add(self, time_s: float, turn: int, label: Label, data: Any) -> None:
        """Record an event."""
        try:
            text = _dumps(data, plain).decode()
        except TypeError:
            text = encode(data)
        if self._secrets:
            text = self.masked(text)
            kind, name, background, task = label
            label = (kind, self.masked(name), background, task and self.masked(task))
        self.events.append((time_s, turn, label, text))

    def amend(self, seq: int, facts: Mapping[str, Any], time_s: float | None = None) -> None:
        """Add to the data of an event, once it is known what became of it, and when it really was."""
        planned_s, turn, label, data = self.events[seq]
        text = self.masked(encode({**orjson.loads(data), **facts}))
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
        self.metrics.append((seq, time_s, turn, type, self.masked(name), float(value), self.text(tags)))

    def text(self, value: Any) -> str:
        """Return a value as JSON text, masked."""
        return self.masked(encode(value))

    def masked(self, text: str) -> str:
        """Return a text as it may be written: whole characters, and no values of variables."""
        text = _whole(text)
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
