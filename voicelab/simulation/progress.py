"""What a simulation shows while it runs: sessions, rate, time left, errors, each test's leader and what has stopped.

A terminal and a notebook get a bar that is drawn anew. Where the output is a file or a pipe, it is a line every so often:
whoever looks into the file of a run that takes an hour wants to read how far it is.
"""

import sys
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from voicelab.base.notebook import in_notebook
from voicelab.simulation.progress_card import LiveCard, Standing

_PERIOD_S = 30.0


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
        self._bar: Any = _bar(total, done) if shown else None
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


class Lines:
    """A line every so often, for output that is no terminal; what tqdm's bars have of methods and arguments.

    Args:
        total: Sessions in all.
        initial: Sessions that were logged before.
    """

    def __init__(self, total: int, initial: int) -> None:
        self._total, self._initial, self._n = total, initial, initial
        self._facts = ""
        self._start = self._last = time.monotonic()

    def unpause(self) -> None:
        """Begin to count time and sessions now."""
        self._start = self._last = time.monotonic()
        self._initial = self._n

    def set_postfix_str(self, facts: str, *, refresh: bool) -> None:
        """Take what is said besides."""
        del refresh
        self._facts = f", {facts}"

    def update(self, sessions: int) -> None:
        """Count sessions, and write a line if the last one is long ago."""
        self._n += sessions
        if time.monotonic() - self._last >= _PERIOD_S:
            self._write()

    def close(self) -> None:
        """Write the last line."""
        self._write()

    def _write(self) -> None:
        self._last = time.monotonic()
        took, run = self._last - self._start, self._n - self._initial
        rate = f", {run / took:,.0f} a second" if run and took else ""
        left = (self._total - self._n) * took / run if run else 0
        when = f", {in_two_units(left)} left" if left else f", in {in_two_units(took)}"
        sys.stderr.write(
            f"{self._n:,} of {self._total:,} sessions ({self._n / self._total:.0%}){rate}{when}{self._facts}\n"
        )
        sys.stderr.flush()


def in_two_units(seconds: float) -> str:
    """Return a time in the two units that a person would say it in."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def _bar(total: int, done: int) -> Any:
    if in_notebook() or sys.stderr.isatty():
        from tqdm.auto import tqdm

        return tqdm(total=total, initial=done, unit=" sessions", unit_scale=True)
    return Lines(total, done)
