"""When the gate was closed, and why (see `voicelab.callers.gate`), as the rows of its changes say."""

from dataclasses import dataclass

from voicelab.base.records import Event

Closed = tuple[float, float | None, str]
"""From, to (None while it lasts), and why."""


@dataclass(slots=True)
class _Shut:
    """A time in which the gate is closed for one reason."""

    seq: int
    start_s: float
    reason: str
    end_s: float | None = None


class GateTimes:
    """The times at which the gate was closed, by the row that says so."""

    def __init__(self) -> None:
        self._shut: dict[int, _Shut] = {}
        self._now: _Shut | None = None

    def take(self, event: Event) -> set[int]:
        """Take an event; return the rows whose times that changes."""
        if event.name == "input_gate":
            changed = self.end(event.time_s)
            if not event.data.get("allowed"):
                self._now = self._shut[event.seq] = _Shut(event.seq, event.time_s, event.data.get("reason", ""))
                changed.add(event.seq)
            return changed
        if self._now is not None and event.kind == "input" and event.name in {"text", "dtmf"}:
            return self.end(event.time_s)  # it has come in: a log that doesn't say that the gate was opened again
        return set()

    def end(self, time_s: float) -> set[int]:
        """Let the gate be open from now on, or the session end; return the rows whose times that changes."""
        shut, self._now = self._now, None
        if shut is None:
            return set()
        shut.end_s = time_s
        return {shut.seq}

    def closed(self, seq: int) -> list[Closed]:
        """Return the time in which a row says that the gate is closed; nothing where it is no such row, or no time."""
        shut = self._shut.get(seq)
        if shut is None or (shut.end_s is not None and shut.end_s <= shut.start_s):
            return []
        return [(shut.start_s, shut.end_s, shut.reason)]
