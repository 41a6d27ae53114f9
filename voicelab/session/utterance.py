"""What the agent says, as it is queued and as it is heard."""

from dataclasses import dataclass
from typing import Any, NamedTuple

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


@dataclass(slots=True)
class Cut:
    """What was cut last, until whoever plays it says how much of it was really heard.

    Attributes:
        items: What was cleared from the queue.
        heard: What counts as heard of each, by row.
        said: What the caller has heard without its having been reported, piece by piece (`Session.said` until it is).
        at: Where in it these items begin.
        turn: The session's turn when they were cut.
        part: Where the transcript says it: the row's seq, and the part in the context's list; None until it is reported.
    """

    items: list[Utterance]
    heard: dict[int, str]
    said: list[str]
    at: int
    turn: int
    part: tuple[int, dict[str, Any]] | None = None

    def settle(self, row: int, heard: str) -> bool:
        """Take what was really heard of an item into what was said; return whether that changes anything."""
        n_pieces = len(self._pieces())
        was, self.heard[row] = self.heard[row], heard
        self.said[self.at : self.at + n_pieces] = self._pieces()
        return heard != was

    def _pieces(self) -> list[str]:
        return [text for item in self.items if (text := self.heard[item.row])]


def joined(pieces: list[str]) -> str:
    """Return pieces of speech as one text; streamed ones often bring their own spaces along."""
    return pieces[0] if len(pieces) == 1 else " ".join([stripped for piece in pieces if (stripped := piece.strip())])
