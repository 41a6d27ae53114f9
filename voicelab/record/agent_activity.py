"""What the agent was at, at any time of a session: speaking, working without a sound, or neither; and what was heard of it."""

from collections.abc import Sequence
from typing import Literal

from voicelab.base.records import Event
from voicelab.record.lanes import Lanes, is_played

_GAP_S = 0.05
"""Outputs so near to each other are one speech, in seconds."""
_ROUNDING_S = 1e-6
"""What sums of times may be off, in seconds."""


class AgentActivity:
    """The agent's side of a session.

    Args:
        events: Its events, made readable.
    """

    def __init__(self, events: Sequence[Event]) -> None:
        self._events = events
        lanes = Lanes()
        played = [(e.time_s, lanes.end_s(e) or e.time_s, e.seq) for e in events if is_played(e)]
        self._played = sorted((start, end, seq) for start, end, seq in played if end > start)
        self._unplayed = [e.time_s for e in events if e.data.get("interrupted") and e.data.get("played_s") == 0]
        self._has_turns = any(event.name == "turn_end" for event in events)
        self._has_parts = any(_is_part(event) for event in events)

    def at(
        self, time_s: float, seq: int, *, interrupts: bool, leaves: bool
    ) -> tuple[Literal["silence", "speech", "work"], float]:
        """Return what the agent is at, and since when.

        Args:
            time_s: The time, in seconds.
            seq: The row before which it is asked.
            interrupts: Whether what happens just then interrupts the agent.
            leaves: Whether the caller leaves just then, in the middle of the agent's turn or not.
        """
        ends_now = interrupts or leaves
        run = self._speech_at(time_s, seq, ends_now=ends_now)
        if run is not None:
            return "speech", run
        n_open, since_s = 0, 0.0
        for event in self._events[:seq]:
            if event.time_s > time_s:
                continue
            if event.kind == "input":
                n_open, since_s = n_open + self._has_turns, event.time_s
            elif event.name == "turn_end" and not (ends_now and event.time_s == time_s):
                n_open, since_s = max(0, n_open - 1), event.time_s
        if leaves and n_open and (since_s == time_s or self._ended_at(time_s)):
            n_open, since_s = 0, time_s  # it ended by itself just then
        ended_s = max((end for _, end, of in self._played if end <= time_s and of < seq), default=0.0)
        return ("work", since_s) if n_open or interrupts else ("silence", max(since_s, ended_s))

    def between(self, from_s: float, from_seq: int, to_s: float, to_seq: int) -> tuple[int, int, str]:
        """Return how often the agent finished between two acts of the caller, the silences it was told of, and what was heard."""
        own = [e for e in self._events[max(from_seq, 0) : to_seq] if e.time_s <= to_s]
        n_timeouts = sum(e.kind == "input" and e.name == "timeout" for e in own)
        heard = [str(e.data.get("content", "")) for e in own if _is_part(e)]
        if not self._has_parts:
            heard = [str(e.data.get("text", "")) for e in own if e.kind == "output" and e.name == "text_to_speech"]
        finished = {e.time_s for e in own if e.name == "turn_end"}
        finished |= {
            end for _, end, of in self._played if from_s < end <= to_s and of < to_seq and not self._goes_on(end)
        }
        return len(finished), n_timeouts, " ".join(heard)

    def _speech_at(self, time_s: float, seq: int, *, ends_now: bool) -> float | None:
        """Return when the speech that plays at a time has begun; None where nothing plays."""
        if ends_now and any(start >= time_s for start in self._unplayed):
            return time_s
        begun = [(start, end) for start, end, of in self._played if start <= time_s and of < seq]
        if not begun:
            return None
        playing = any(time_s < end - _ROUNDING_S for _, end in begun)
        if not playing and not (ends_now and self._cut_at(time_s)):
            return None
        at = len(begun) - 1
        begin_s = begun[at][0]
        said_s = max((e.time_s for e in self._events[:seq] if e.kind == "input" and e.time_s <= begin_s), default=0.0)
        while at > 0 and begun[at - 1][0] >= said_s and begun[at - 1][1] >= begin_s - _GAP_S:
            at -= 1
            begin_s = begun[at][0]
        return begin_s

    def _ended_at(self, time_s: float) -> bool:
        """Return whether something has been played to its end just then."""
        return any(end == time_s and not self._is_cut(seq) for _, end, seq in self._played)

    def _cut_at(self, time_s: float) -> bool:
        return any(abs(end - time_s) <= _ROUNDING_S and self._is_cut(seq) for _, end, seq in self._played)

    def _is_cut(self, seq: int) -> bool:
        return bool(self._events[seq].data.get("interrupted"))

    def _goes_on(self, end_s: float) -> bool:
        return any(start <= end_s + _GAP_S and end > end_s for start, end, _ in self._played)


def _is_part(event: Event) -> bool:
    return event.name == "transcript_part" and event.data.get("role") == "agent"
