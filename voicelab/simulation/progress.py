"""The line that a simulation shows while it runs: sessions, rate, errors, each test's leader and what has stopped."""

from collections.abc import Sequence
from types import TracebackType
from typing import Any

from voicelab.simulation.progress_card import LiveCard, Standing


class Progress:
    """A progress line, and in a notebook the live card below it; or neither.

    Args:
        total: Sessions in all.
        done: Sessions that were logged before.
        shown: Whether to show it.
    """

    def __init__(self, total: int, done: int, *, shown: bool) -> None:
        from tqdm.auto import tqdm

        self._errors = 0
        self._standings: Sequence[Standing] = ()
        self._bar: Any = tqdm(total=total, initial=done, unit=" sessions", unit_scale=True, disable=not shown)
        self._card = LiveCard(shown=shown)

    def settled(self, sessions: int, errors: int, standings: Sequence[Standing]) -> None:
        """Count sessions that are logged for good, and take how each test stands."""
        self._errors += errors
        self._standings = standings
        self._bar.update(sessions)
        self._show()

    def _show(self) -> None:
        said = [(standing.decision.test, standing.in_words()) for standing in self._standings]
        facts = [f"{self._errors:,} errors", *(f"{test}: {words}" for test, words in said if words)]
        self._bar.set_postfix_str(", ".join(facts), refresh=False)
        self._card.show(self._standings)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        self._card.show(self._standings, last=True)
