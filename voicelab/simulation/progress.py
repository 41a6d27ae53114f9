"""What a simulation shows while it runs: sessions, rate, time left, errors, each test's leader and what has stopped."""

import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from voicelab.base.progress_line import progress_line
from voicelab.simulation.progress_card import LiveCard, Standing


class Progress:
    """A progress bar, and in a notebook the live card below it; or lines; or neither.

    Args:
        total: Sessions in all.
        done: Sessions that were logged before.
        shown: Whether to show it.
    """

    def __init__(self, total: int, done: int, *, shown: bool) -> None:
        self._errors = 0
        self._standings: Sequence[Standing] = ()
        if shown and done:
            sys.stderr.write(f"{done:,} of {total:,} sessions are logged already: they are read back.\n")
        self._bar: Any = progress_line(total, done) if shown else None
        self._card = LiveCard(shown=shown)

    def read_back(self, errors: int) -> None:
        """Count a part that was logged before: its time is none of the rate's."""
        self._errors += errors
        if self._bar is not None:
            self._bar.unpause()

    def settled(self, sessions: int, errors: int, standings: Sequence[Standing]) -> None:
        """Count sessions that are logged for good, and take how each test stands."""
        self._errors += errors
        self._standings = standings
        if self._bar is not None:
            said = [(standing.decision.test, standing.in_words()) for standing in self._standings]
            facts = [f"{self._errors:,} errors", *(f"{test}: {words}" for test, words in said if words)]
            self._bar.set_postfix_str(", ".join(facts), refresh=False)
            self._bar.update(sessions)
        self._card.show(self._standings)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()
        self._card.show(self._standings, last=True)
