"""What the agent says, as it is queued and as it is heard."""

from typing import NamedTuple

NEVER = float("inf")
"""The time of what doesn't happen by itself, in seconds."""


class Utterance(NamedTuple):
    """One item of the speech queue.

    Attributes:
        turn: The turn it belongs to.
        text: Its words; None for audio and silence.
        start_s: When it begins to play.
        end_s: When it has been played.
        interruptible: Whether the caller may speak over it.
        row: The runner's own mark (where the item stands in the log).
    """

    turn: int
    text: str | None
    start_s: float
    end_s: float
    interruptible: bool
    row: int

    def heard_by(self, now: float) -> str:
        """Return the whole words that have been played by a time."""
        if not self.text or now <= self.start_s:
            return ""
        if now >= self.end_s:
            return self.text
        reached = int(len(self.text) * (now - self.start_s) / (self.end_s - self.start_s))
        return self.text[:reached].rpartition(" ")[0]


def joined(pieces: list[str]) -> str:
    """Return pieces of speech as one text; streamed ones often bring their own spaces along."""
    return pieces[0] if len(pieces) == 1 else " ".join([stripped for piece in pieces if (stripped := piece.strip())])
