"""How far something is that takes a while: a bar in a terminal and in a notebook, lines where the output is a file.

Whoever looks into the file of a run that takes an hour wants to read how far it is: a bar that is drawn anew is no use there.
"""

import sys
import time
from typing import Any

from voicelab.base.notebook import in_notebook

_PERIOD_S = 30.0


class Lines:
    """A line every so often, for output that is no terminal; what tqdm's bars have of methods and arguments.

    Args:
        total: How many there are in all.
        initial: How many were done before.
        unit: What is counted.
    """

    def __init__(self, total: int, initial: int, unit: str = "sessions") -> None:
        self._total, self._initial, self._n = total, initial, initial
        self._unit = unit
        self._facts = ""
        self._start = self._last = time.monotonic()

    def unpause(self) -> None:
        """Begin to count time and what is done now."""
        self._start = self._last = time.monotonic()
        self._initial = self._n

    def set_postfix_str(self, facts: str, *, refresh: bool) -> None:
        """Take what is said besides."""
        del refresh
        self._facts = f", {facts}"

    def update(self, done: int) -> None:
        """Count what is done, and write a line if the last one is long ago."""
        self._n += done
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
        share = f" ({self._n / self._total:.0%})" if self._total else ""
        sys.stderr.write(f"{self._n:,} of {self._total:,} {self._unit}{share}{rate}{when}{self._facts}\n")
        sys.stderr.flush()


def in_two_units(seconds: float) -> str:
    """Return a time in the two units that a person would say it in."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def progress_line(total: int, done: int = 0, unit: str = "sessions") -> Any:
    """Return a bar or lines, with `update(n)`, `set_postfix_str(facts, refresh=)`, `unpause()` and `close()`.

    Args:
        total: How many there are in all.
        done: How many were done before.
        unit: What is counted.
    """
    if in_notebook() or sys.stderr.isatty():
        from tqdm.auto import tqdm

        return tqdm(total=total, initial=done, unit=f" {unit}", unit_scale=True)
    return Lines(total, done, unit)
