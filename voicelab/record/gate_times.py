"""When the gate was closed, and why (see `voicelab.callers.gate`), from the rows that tell of it."""

import bisect
from dataclasses import dataclass

from voicelab.base.records import Event
from voicelab.callers.gate import NOT_ALLOWED, NOT_INTERRUPTIBLE

Closed = tuple[float, float | None, str]
"""From, to (None while it lasts), and why."""


@dataclass(slots=True)
class _Shut:
    """A time in which the agent lets no input in."""

    event: Event
    end_s: float | None = None

    @property
    def start_s(self) -> float:
        return self.event.time_s


class GateTimes:
    """The times at which the gate was closed, by the event that closed it."""

    def __init__(self) -> None:
        self._shut: dict[int, _Shut] = {}
        self._in_order: list[_Shut] = []
        self._open_end: _Shut | None = None
        self._speech: dict[int, tuple[float, float | None]] = {}
        self._near: set[int] = set()  # the speech that a time yet to come may reach over

    def speech(self, seq: int, start_s: float, end_s: float | None, *, closes: bool) -> set[int]:
        """Take when an output plays, and whether it keeps the caller out meanwhile; return what that changes."""
        if closes:
            self._speech[seq] = (start_s, end_s)
            self._near.add(seq)
        elif self._speech.pop(seq, None) is None:
            return set()
        return {seq}

    def take(self, event: Event) -> set[int]:
        """Take an event; return the events whose times that changes."""
        shut = self._open_end
        if shut is None:
            if event.name != "input_allowed" or event.data.get("allowed") or event.data.get("spoken") is False:
                return set()
            self._open_end = self._shut[event.seq] = shut = _Shut(event)
            self._in_order.append(shut)
            self._near = {seq for seq in self._near if self._may_reach(event.time_s, seq)}
            return self._touched(shut)
        return self.end(event.time_s) if _opens(event, shut.event) else set()

    def end(self, time_s: float) -> set[int]:
        """Let the agent let input in again, or the session end; return the events whose times that changes."""
        shut, self._open_end = self._open_end, None
        if shut is None:
            return set()
        touched = self._touched(shut)  # before it ends: also what it has reached over until now
        shut.end_s = time_s
        return touched

    def closed(self, seq: int) -> list[Closed]:
        """Return the times in which an event closed the gate."""
        found: list[Closed] = []
        if seq in self._shut:
            found.append((self._shut[seq].start_s, self._shut[seq].end_s, NOT_ALLOWED))
        if seq in self._speech:
            found += self._speech_alone(*self._speech[seq])
        return [(start_s, end_s, why) for start_s, end_s, why in found if end_s is None or end_s > start_s]

    def _speech_alone(self, start_s: float, end_s: float | None) -> list[Closed]:
        """Return a speech's time without that in which nothing is let in anyway: that is the reason then."""
        found: list[Closed] = []
        first = max(0, bisect.bisect_right(self._in_order, start_s, key=lambda shut: shut.start_s) - 1)
        for shut in self._in_order[first:]:
            if end_s is not None and shut.start_s >= end_s:
                break
            if not _overlap(shut, start_s, end_s):
                continue
            found.append((start_s, max(start_s, shut.start_s), NOT_INTERRUPTIBLE))
            if shut.end_s is None:
                return found
            start_s = max(start_s, shut.end_s)
        return [*found, (start_s, end_s, NOT_INTERRUPTIBLE)]

    def _touched(self, shut: _Shut) -> set[int]:
        return {shut.event.seq} | {
            seq for seq in self._near if seq in self._speech and _overlap(shut, *self._speech[seq])
        }

    def _may_reach(self, time_s: float, seq: int) -> bool:
        end_s = self._speech[seq][1] if seq in self._speech else time_s
        return end_s is None or end_s > time_s


def _overlap(shut: _Shut, start_s: float, end_s: float | None) -> bool:
    return (end_s is None or shut.start_s < end_s) and (shut.end_s is None or start_s < shut.end_s)


def _opens(event: Event, shut: Event) -> bool:
    """Return whether an event tells that input is let in again."""
    if event.name in {"input_allowed", "input_gate"}:
        return bool(event.data.get("allowed"))
    if event.kind == "input" and event.name in {"text", "dtmf"}:
        return True  # it has come in
    # Logs of other systems, and older ones, don't say that the end of the handler opened the gate.
    return event.name == "turn_end" and event.turn == shut.turn and not shut.task_name
