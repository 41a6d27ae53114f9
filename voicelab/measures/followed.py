"""What came after an interruption: the agent went on, repeated what was heard, started over, or ignored it."""

from collections.abc import Sequence
from typing import Literal

from voicelab.measures.row_facts import words_of
from voicelab.measures.timeline import AgentSound, FromCaller, Timeline

Followed = Literal["went_on", "repeated", "started_over", "ignored"]
FOLLOWED: tuple[Followed, ...] = ("went_on", "repeated", "started_over", "ignored")
_ALIKE = 4
"""So many words in a row are no chance."""


def followed(timeline: Timeline, interruption: FromCaller, stopped: AgentSound, next_seq: int | None) -> Followed:
    """Return what the agent did after it was interrupted.

    Args:
        timeline: The session's.
        interruption: The caller's words or keys.
        stopped: What the agent was saying.
        next_seq: The row of the caller's next words; None if there are none.
    """
    answer: list[str] = []
    heard: list[str] = []
    begun: Sequence[str] = ()
    any_sound = False
    for sound in timeline.agent:
        if sound.seq > interruption.seq and (next_seq is None or sound.seq < next_seq):
            answer += words_of(sound.speech.key)
            any_sound = any_sound or not sound.pause
        elif sound.turn == stopped.turn and sound.seq <= stopped.seq:
            begun = begun or words_of(sound.speech.key)
            heard += words_of(sound.speech.heard)
    if not any_sound:
        ends = timeline.ended_seq
        ended = ends is not None and ends > interruption.seq and (next_seq is None or ends < next_seq)
        return "went_on" if ended else "ignored"
    n = min(_ALIKE, len(begun))
    if n and answer[:n] == list(begun[:n]):
        return "started_over"
    return "repeated" if _has_in_common(answer, heard) else "went_on"


def _has_in_common(answer: Sequence[str], heard: Sequence[str]) -> bool:
    """Return whether some words in a row stand in both."""
    runs = {tuple(heard[at : at + _ALIKE]) for at in range(len(heard) - _ALIKE + 1)}
    return bool(runs) and any(tuple(answer[at : at + _ALIKE]) in runs for at in range(len(answer) - _ALIKE + 1))
