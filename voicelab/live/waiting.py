"""What was typed while the agent speaks: it waits until the agent has spoken, can be sent at once, or taken back."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class WaitingWords:
    """Typed words that wait.

    Attributes:
        number: Tells them from others of the session.
        text: The words.
    """

    number: int
    text: str


class Waiting:
    """The words that wait in one session, in the order in which they were typed.

    Args:
        on_change: Told that others wait now.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._words: list[WaitingWords] = []
        self._last = 0
        self._on_change = on_change

    def __bool__(self) -> bool:
        return bool(self._words)

    def add(self, text: str) -> None:
        """Have words wait behind those that wait already."""
        self._last += 1
        self._words.append(WaitingWords(self._last, text))
        self._on_change()

    def take(self, number: int | None = None) -> str | None:
        """Return words that wait no longer, the first ones unless told which; None where there are none."""
        for at, words in enumerate(self._words):
            if number in {None, words.number}:
                self._on_change()
                return self._words.pop(at).text
        return None

    def view(self) -> list[dict[str, Any]]:
        """Return what waits, as plain data."""
        return [asdict(words) for words in self._words]
