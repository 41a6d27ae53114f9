"""The scores of means for one session at a time: those of `scores.mean_score`, to the last digit, at a tenth of its cost.

A service that decides as sessions end has one number at a time, and arrays of one element cost ten times as much as the
number. Most sessions can't take a comparison further than it was before; a bound shows that with few operations.
"""

import math
from typing import NamedTuple

import numpy as np

from voicelab.decision.stats.scores import BURN_IN, PULL, STRONGEST_PULL

_ROUNDING = 1 + 1e-9
_LEAST, _LARGEST = 1e-150, 1e100
"""Variances between which their powers are numbers above 0."""


class Arm(NamedTuple):
    """What an arm's moments come to.

    Attributes:
        n: Number of values.
        mean: Their mean, measured from the centre.
        centre: What they are measured from.
        within: Sum of squares around the mean.
        variance: Squared standard error of the mean.
        third: Sum of third powers around the mean.
        cumulant: Third cumulant of the mean.
        skewness: Skewness of the mean, without its sign.
    """

    n: float
    mean: float
    centre: float
    within: float
    variance: float
    third: float
    cumulant: float
    skewness: float


def arm_of(n: float, total: float, squares: float, cubes: float, centre: float) -> Arm | None:
    """Return what an arm's moments come to; None while they are too few, don't vary, or are beyond these formulas."""
    if n < BURN_IN:
        return None
    # Operation by operation as `Moments` and `scores` have it: another order would round differently.
    mean = total / n
    within = max(squares - total * total / n, 0.0)
    variance = within / (n * n) * (n / (n - 1))
    third = cubes - 3 * mean * squares + 3 * (mean * mean) * total - mean * mean * mean * n
    if not (_LEAST < variance < _LARGEST and math.isfinite(third)):
        return None
    cumulant = third / (n - 1) / (n - 2) / n
    return Arm(n, mean, centre, within, variance, third, cumulant, abs(cumulant) / variance**1.5)


def mean_score_of(a: Arm, b: Arm) -> float:
    """Return `scores.mean_score` of two arms."""
    n_a, n_b = a.n, b.n
    common = (a.within + b.within) / (n_a + n_b) * ((n_a + n_b) / (n_a + n_b - 2))
    square_a = _drawn_up(a.variance, common / n_a, n_a, _squared_skewness(b), n_b)
    square_b = _drawn_up(b.variance, common / n_b, n_b, _squared_skewness(a), n_a)
    square = square_a + square_b
    share = square_a / square
    df = 1 / (share * share / (n_a - 1) + (1 - share) * (1 - share) / (n_b - 1))
    se = math.sqrt(square)
    skewness = (a.cumulant - b.cumulant) / se / se / se
    t = ((a.mean - b.mean) + (a.centre - b.centre)) / se
    t = min(max(t, -1e6), 1e6)
    bent = skewness * t / 3
    t = t * (1 + bent + bent * bent / 3) + skewness / 6
    # numpy's logarithm, whose last digit need not be that of `math`.
    sign = 1.0 if t > 0 else -1.0 if t < 0 else 0.0
    z = sign * (8 * df + 1) / (8 * df + 3) * math.sqrt(df * float(np.log1p(t * t / df)))
    return z if math.isfinite(z) else 0.0


def _squared_skewness(arm: Arm) -> float:
    spread = math.sqrt(arm.within / arm.n)
    skewness = arm.third / arm.n / spread / spread / spread
    return min(skewness * skewness, arm.n)


def _drawn_up(own: float, common: float, n: float, skewness: float, n_other: float) -> float:
    pull = min(PULL * max(skewness - 6 / n_other, 0.0), STRONGEST_PULL)
    return own + max(common - own, 0.0) * pull / (n + pull)


# The standard error is never below Welch's, which bounds t; the skewness of the difference is never above the larger one
# of both means, since x^1.5 grows faster than x; and what Hall's cubic and Wallace's formula make of a t grows with
# it. The other direction is only reached where t is so small that the cubic's constant outweighs it.
def most(a: Arm, b: Arm) -> tuple[bool, float, float]:
    """Return whether a's mean is above b's, and what the score can be at most in that direction and in the other."""
    apart = (a.mean - b.mean) + (a.centre - b.centre)
    skewness = max(a.skewness, b.skewness)
    t = abs(apart) / math.sqrt(a.variance + b.variance)
    bent = skewness * t / 3
    reached = t * (1 + bent + bent * bent / 3) + skewness / 6
    common = (a.within + b.within) / (a.n + b.n - 2)
    largest = max(a.variance, common / a.n) + max(b.variance, common / b.n)
    other = skewness / 6 - abs(apart) / math.sqrt(largest) / 4
    return apart > 0, reached * _ROUNDING, max(0.0, other * _ROUNDING)
