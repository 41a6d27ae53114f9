"""How long the agent takes to answer, from the end of the caller's speech to the first sound, part by part."""

from dataclasses import dataclass


@dataclass
class _Turn:
    ended_s: float
    segmented_s: float
    words_s: float
    output_s: float | None = None
    ready_s: float | None = None
    done: bool = False


class AnswerTimes:
    """The moments of each turn that its latency is made of; all times in seconds of the session."""

    def __init__(self) -> None:
        self._turns: dict[int, _Turn] = {}
        self._speech_ended: tuple[float, float] | None = None

    def speech_ended(self, ended_s: float, segmented_s: float) -> None:
        """The caller's last sound was at one time, and known to be the last at another."""
        self._speech_ended = (ended_s, segmented_s)

    def words_delivered(self, turn: int, now: float) -> None:
        """The words reached the handler."""
        ended_s, segmented_s = self._speech_ended or (now, now)
        self._speech_ended = None
        self._turns[turn] = _Turn(ended_s, segmented_s, now)

    def output_yielded(self, turn: int, now: float) -> None:
        """The handler yielded something that is heard."""
        times = self._turns.get(turn)
        if times is not None and times.output_s is None:
            times.output_s = now

    def sound_ready(self, turn: int, now: float) -> None:
        """The first sound of it was there."""
        times = self._turns.get(turn)
        if times is not None and times.ready_s is None:
            times.ready_s = now

    def sound_heard(self, turn: int, now: float) -> dict[str, float] | None:
        """The first sound was heard; return the turn's latency in milliseconds by part, once."""
        times = self._turns.get(turn)
        if times is None or times.done or times.output_s is None:
            return None
        times.done = True
        ready_s = min(now, times.ready_s or now)
        moments = [times.ended_s, times.segmented_s, times.words_s, times.output_s, ready_s, max(now, ready_s)]
        parts = {
            name: round(1000 * (after - before), 1)
            for name, before, after in zip(PARTS, moments, moments[1:], strict=False)
        }
        return {f"{name}_ms": ms for name, ms in parts.items()} | {"total_ms": round(sum(parts.values()), 1)}


PARTS = ("end_of_turn", "recognition", "handler", "synthesis", "playback")
"""The parts of a latency, in order: until the caller was known to have finished, until there were words, until the
handler yielded, until there was sound, until it was heard."""
