"""What an outcome is asked for by: a name, the ratio of two, or a quantile across sessions.

`"booked"` is an outcome by its name (or a level of one, `"ending=booked"`), `"word_errors / words"` the sum of the one over
that of the other, `"p95(answer_s_median)"` what 95 of 100 sessions stay at or below.
"""

import re
from collections.abc import Container
from dataclasses import dataclass
from typing import Literal

from voicelab.base import checks
from voicelab.base.errors import InputError

_PERCENT = 100
_QUANTILE = re.compile(r"p(\d+(?:\.\d+)?)\((.*)\)", re.DOTALL)
_MEANT_ONE = re.compile(r"(?:p|q|quantile|percentile|median)[\d.]*\((.*)\)", re.DOTALL | re.IGNORECASE)
_OVER = re.compile(r"(?:^|\s+)/(?:\s+|$)")
"""A slash that stands apart: `a/b` is a name."""


@dataclass(frozen=True)
class AskedOutcome:
    """What is asked for.

    Attributes:
        text: How it is written: the name by which results show it.
        name: The outcome; of a ratio the one above the line.
        divided_by: Of a ratio, the outcome below the line.
        quantile: Of a quantile, the share of sessions that stay at or below it, between 0 and 1.
    """

    text: str
    name: str
    divided_by: str | None = None
    quantile: float | None = None

    @property
    def form(self) -> Literal["plain", "ratio", "quantile"]:
        """Which of the three it is."""
        return "ratio" if self.divided_by is not None else "plain" if self.quantile is None else "quantile"

    @property
    def names(self) -> tuple[str, ...]:
        """The outcomes that it is made of, each to be resolved by its name."""
        return (self.name,) if self.divided_by is None else (self.name, self.divided_by)


def parse_outcome(text: str, known: Container[str] = (), what: str = "outcome") -> AskedOutcome:
    """Return what a text asks for.

    Args:
        text: A name, `"a / b"` (with spaces around the slash) or `"p95(a)"`.
        known: Names that there are: such a one is a name, whatever it looks like.
        what: How the argument is called in the message.

    Raises:
        InputError: it is no text, a part is missing, or the quantile is none between 0 and 100.

    Example:
        >>> parse_outcome("word_errors / words").names, parse_outcome("p95(answer_s_median)").quantile
        (('word_errors', 'words'), 0.95)
    """
    checks.name(what, text)
    if text in known:
        return AskedOutcome(text, text)
    parts = [part.strip() for part in _OVER.split(text)]
    found = _QUANTILE.fullmatch(text.strip())
    if found is None and len(parts) == 1:
        return _named(text, what)
    if found is not None:
        return _quantile_of(text, found[1], found[2].strip(), what)
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004 - one above the line and one below
        raise InputError(
            f"{what} is {text!r}, which is no ratio: write two outcomes with a slash between, 'word_errors / words'."
        )
    above, below = parts
    for part in parts:
        if _MEANT_ONE.fullmatch(part):
            raise InputError(f"{what} is {text!r}: a ratio is of two outcomes by their names, not of quantiles.")
    if above == below:
        raise InputError(f"{what} is {text!r}, which is 1 in every session: name two different outcomes.")
    return AskedOutcome(f"{above} / {below}", above, below)


def _named(text: str, what: str) -> AskedOutcome:
    meant = _MEANT_ONE.fullmatch(text.strip())
    if meant is not None:
        one = f"p50({meant[1].strip()})" if text.lower().strip().startswith("median") else f"p95({meant[1].strip()})"
        raise InputError(
            f"{what} is {text!r}: a quantile is written {one!r}, of what is at most so in 95 of 100 sessions."
        )
    return AskedOutcome(text, text)


def _quantile_of(text: str, percent: str, name: str, what: str) -> AskedOutcome:
    share = round(float(percent) / _PERCENT, 12)
    if not name:
        raise InputError(
            f"{what} is {text!r}, which names no outcome: write one between the brackets, 'p95(duration_s)'."
        )
    if not 0 < share < 1:
        raise InputError(
            f"{what} is {text!r}: a quantile lies between p0 and p100, which are the least and the largest value that there "
            "happened to be. Write 'p95(...)', or 'p99.9(...)'."
        )
    if _OVER.search(name) or _MEANT_ONE.fullmatch(name):
        raise InputError(f"{what} is {text!r}: a quantile is of one outcome by its name, 'p95(duration_s)'.")
    return AskedOutcome(f"p{percent}({name})", name, quantile=share)
