"""Comparing two arms by their counts, sums and sums of squares: difference, standard error, z."""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Moments(NamedTuple):
    """What an arm's values come to; a plain tuple of the first three will do wherever moments are taken.

    Values far from 0 (seconds since 1970) would leave no digits for their variance: what is summed is their distance
    from a value near them. An arm's first value is near enough whatever follows, since it is part of the variance.

    Attributes:
        n: Number of values, any shape.
        total: Sum of their distances from the centre, the same shape.
        squares: Sum of the squares of these.
        centre: What they are measured from.
    """

    n: Any
    total: Any
    squares: Any
    centre: Any = 0.0

    @property
    def within(self) -> Any:
        """Sum of squares around the mean; anything where there is no value."""
        # Rounding can leave it a hair below 0 where the values hardly differ.
        return np.maximum(self.squares - self.total**2 / self.n, 0.0)


BURN_IN = {"binary": 1, "count": 10, "float": 10}
"""Sessions an arm needs before it is compared."""


def means(arm: Moments) -> Floats:
    """Return the mean of an arm, 0 where it is empty."""
    n, total, _, centre = Moments(*arm)
    mean: Floats = _mean_distance(n, total) + np.where(np.asarray(n) > 0, centre, 0.0)
    return mean


def difference(a: Moments, b: Moments) -> Floats:
    """Return mean of a minus mean of b, to more digits than the means have where they are far from 0."""
    a, b = Moments(*a), Moments(*b)
    apart: Floats = (_mean_distance(a.n, a.total) - _mean_distance(b.n, b.total)) + (a.centre - b.centre)
    return apart


def _mean_distance(n: Any, total: Any) -> Floats:
    mean: Floats = np.divide(total, n, out=np.zeros_like(total, dtype=np.float64), where=np.asarray(n) > 0)
    return mean


def standard_error(a: Moments, b: Moments, kind: str) -> Floats:
    """Return the standard error of the difference of two means.

    For rates it is pooled. For counts and floats it is the larger of pooled and Welch's: Welch's alone stops falsely on
    skewed values with a small arm, the pooled one alone where the variances differ.

    Args:
        a: Moments of the first arm.
        b: Moments of the second arm.
        kind: `binary`, `count` or `float`.
    """
    a, b = Moments(*a), Moments(*b)
    n_a, n_b = a.n, b.n
    # Pooled for rates: were the variants equal, they would have one rate, and the error is that of a test of equality.
    # Estimated apart it would be 0 while an arm has no success at all, and any difference infinitely sure.
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "binary":
            rate = (a.total + b.total) / (n_a + n_b)
            se = np.sqrt(np.maximum(rate * (1 - rate), 0.0) * (1 / n_a + 1 / n_b))
        else:
            pooled = (a.within + b.within) / (n_a + n_b - 2) * (1 / n_a + 1 / n_b)
            welch = a.within / (n_a - 1) / n_a + b.within / (n_b - 1) / n_b
            # fmax takes the one that is a number, where an arm with a single value has no variance of its own.
            se = np.sqrt(np.fmax(pooled, welch))
    # 0 says "not known": whoever divides by it asks first.
    return np.where(np.isfinite(se), se, 0.0)


def agresti_caffo(a: Moments, b: Moments) -> tuple[float, float]:
    """Return difference and standard error of two rates after adding one success and one failure to each arm.

    Source: Agresti & Caffo 2000; without it intervals near 0 and 1 cover far too seldom.
    """
    # The four sessions that are made up pull both rates to one half: where there was no success yet, the error isn't 0.
    n_a, n_b = float(a[0]) + 2, float(b[0]) + 2
    p_a, p_b = (float(a[1]) + 1) / n_a, (float(b[1]) + 1) / n_b
    return p_a - p_b, float(np.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b))


def score_interval(hits: float, n: float, reach: float) -> tuple[float, float]:
    """Return the rates from which the observed one is at most some standard errors away.

    The standard error is that of the rate in question, not of the observed one, so that the interval never leaves [0, 1]
    and says something at 0 and at 1. Source: Wilson 1927.

    Args:
        hits: Successes.
        n: Sessions, at least 1.
        reach: Standard errors to each side.
    """
    if not math.isfinite(reach):
        return 0.0, 1.0
    rate, spread = hits / n, reach**2 / n
    # The quadratic |rate - p| = reach * sqrt(p (1 - p) / n), solved for p.
    middle = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


def information(n_a: Floats, n_b: Floats) -> Floats:
    """Return n_a n_b / (n_a + n_b), the information of two arms; 0 where both are empty."""
    n_a, n_b = np.asarray(n_a, dtype=np.float64), np.asarray(n_b, dtype=np.float64)
    both = n_a + n_b
    return np.divide(n_a * n_b, both, out=np.zeros_like(both), where=both > 0)


# Weights that change. Early sessions went mostly to a, late ones mostly to b, and meanwhile the base rate rose: pooled,
# b looks better although nothing differs (Simpson's paradox; up to 100 % false stops where it was measured). Within an
# epoch of constant weights both arms met the same days, so only differences inside epochs are added, each weighted by the
# information I that it brings: the sum of I d over the sum of I, whose error follows from the sum of (I se)^2.
def stratum(a: Moments, b: Moments, kind: str) -> Floats:
    """Return what one epoch adds to a stratified comparison: I d, (I se)^2 and I, stacked on the first axis.

    Within an epoch the base rate may be anything: only differences inside it count. Source: Cochran 1954; Mantel &
    Haenszel 1959.
    """
    # A difference of numbers has no error that is known before each arm has two of them.
    known = np.minimum(a[0], b[0]) >= (1 if kind == "binary" else 2)
    share = np.where(known, information(a[0], b[0]), 0.0)
    apart = np.where(share > 0, difference(a, b), 0.0)
    return np.stack([share * apart, (share * standard_error(a, b, kind)) ** 2, share])


def stratified(a: Moments, b: Moments, kind: str, past: Floats) -> tuple[Floats, Floats]:
    """Return difference and standard error over all epochs.

    Args:
        a: Moments of the first arm in the present epoch.
        b: Moments of the second arm.
        kind: `binary`, `count` or `float`.
        past: Sum of `stratum` over the epochs before, shape (3,).
    """
    now = stratum(a, b, kind)
    weighted, variance, share = (now[at] + past[at] for at in range(3))
    apart = np.divide(weighted, share, out=np.zeros_like(weighted), where=share > 0)
    se = np.divide(np.sqrt(variance), share, out=np.zeros_like(weighted), where=share > 0)
    return apart, se
