"""Comparing two arms by their moments: standard error, information, and the sum over epochs of constant weights."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.moments import Moments, difference, means
from voicelab.decision.stats.ratios import by_own_ratio, by_pooled_ratio

Floats = npt.NDArray[np.float64]
Stratum = tuple[Moments, Moments]
"""The moments of two arms within one epoch of constant weights."""

BURN_IN = {"binary": 1, "count": 10, "float": 10, "ratio": 10}
"""Sessions (with units: units) an arm needs before it is compared."""


def pooled_and_welch(a: Moments, b: Moments) -> tuple[Floats, Floats]:
    """Return the squared standard error of a difference of means, with one common variance and with two.

    Anything where an arm has less than two values; with units both are robust against their values going together.
    """
    a, b = Moments(*a), Moments(*b)
    with np.errstate(divide="ignore", invalid="ignore"):
        n, g = a.n + b.n, a.independent + b.independent
        # Plain sessions: (sum of squares within) / (n - 2) * (1 / n_a + 1 / n_b).
        common = (a.within + b.within) / n * (g / (g - 2)) * (1 / a.n + 1 / b.n)
        return common, a.variance_of_mean + b.variance_of_mean


def standard_error(a: Moments, b: Moments, kind: str) -> Floats:
    """Return the standard error of the difference of two means.

    For rates it is pooled. For counts and floats it is the larger of pooled and Welch's: Welch's alone stops falsely on
    skewed values with a small arm, the pooled one alone where the variances differ.

    Args:
        a: Moments of the first arm.
        b: Moments of the second arm.
        kind: `binary`, `count` or `float`; rates of units, whose sessions go together, are compared as floats are.
    """
    a, b = Moments(*a), Moments(*b)
    # Pooled for rates: were the variants equal, they would have one rate, and the error is that of a test of equality.
    # Estimated apart it would be 0 while an arm has no success at all, and any difference infinitely sure.
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "binary" and a.units is None:
            rate = (a.total + b.total) / (a.n + b.n)
            se = np.sqrt(np.maximum(rate * (1 - rate), 0.0) * (1 / a.n + 1 / b.n))
        else:
            # fmax takes the one that is a number, where an arm with a single value has no variance of its own.
            se = np.sqrt(np.fmax(*pooled_and_welch(a, b)))
    # 0 says "not known": whoever divides by it asks first.
    return np.where(np.isfinite(se), se, 0.0)


def agresti_caffo(a: Moments, b: Moments) -> tuple[Any, Any]:
    """Return difference and standard error of two rates after adding one success and one failure to each arm.

    Source: Agresti & Caffo 2000; without it intervals near 0 and 1 cover far too seldom.
    """
    # The four sessions that are made up pull both rates to one half: where there was no success yet, the error isn't 0.
    n_a, n_b = a[0] + 2, b[0] + 2
    p_a, p_b = (a[1] + 1) / n_a, (b[1] + 1) / n_b
    return p_a - p_b, np.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b)


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


def hybrid_interval(a: Moments, b: Moments, reach: Any) -> tuple[Any, Any]:
    """Return the interval of a difference of two rates that is made of the score interval of each.

    Where an arm is small a rate's own error hangs on the rate: the score interval of each arm knows that, and so does the
    interval of their difference. Source: Newcombe 1998, method 10.

    Args:
        a: Moments of the first arm, numbers or arrays over looks.
        b: Moments of the second arm.
        reach: Standard errors to each side, of that shape.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        (rate_a, low_a, high_a), (rate_b, low_b, high_b) = (_score_ends(arm, reach) for arm in (a, b))
        apart = rate_a - rate_b
        low = apart - np.sqrt((rate_a - low_a) ** 2 + (high_b - rate_b) ** 2)
        high = apart + np.sqrt((high_a - rate_a) ** 2 + (rate_b - low_b) ** 2)
    return low, high


def _score_ends(arm: Moments, reach: Any) -> tuple[Any, Any, Any]:
    """Return a rate and the ends of its score interval (as `score_interval`), over any number of looks."""
    n, reach = np.asarray(arm.n, dtype=np.float64), np.asarray(reach, dtype=np.float64)
    rate, spread = arm.total / n, reach**2 / n
    middle = (rate + spread / 2) / (1 + spread)
    half = np.sqrt(rate * (1 - rate) * spread + spread**2 / 4) / (1 + spread)
    return rate, np.maximum(middle - half, 0.0), np.minimum(middle + half, 1.0)


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
    a, b = by_pooled_ratio(a, b)
    share = np.where(_known(a, b, kind), information(a[0], b[0]), 0.0)
    apart = np.where(share > 0, difference(a, b), 0.0)
    return np.stack([share * apart, (share * standard_error(a, b, kind)) ** 2, share])


def _known(a: Moments, b: Moments, kind: str) -> Floats:
    # A difference of numbers has no error that is known before each arm has two of them.
    known: Floats = np.minimum(Moments(*a).independent, Moments(*b).independent) >= (1 if kind == "binary" else 2)
    return known


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


class Contrast(NamedTuple):
    """Two arms compared over all epochs, at one look or at many: numbers, or arrays of one shape.

    Attributes:
        difference: Difference of the means: the average over epochs, weighted by the information that each brings.
        centre: What an interval for it is built around: for rates that of Agresti & Caffo.
        se: Standard error of the centre; 0 where it is not known.
        null_se: Standard error were the arms equal, by which they are tested.
        mean_a: Mean of the first arm, averaged in the same way.
        mean_b: Mean of the second.
        relative_variance: Variance of the logarithm of mean_a / mean_b (delta method); infinite where a mean is 0.
        information: n_a n_b / (n_a + n_b), added up; 0 where nothing can be compared.
    """

    difference: Floats
    centre: Floats
    se: Floats
    null_se: Floats
    mean_a: Floats
    mean_b: Floats
    relative_variance: Floats
    information: Floats


def contrast(strata: Sequence[Stratum], kind: str) -> Contrast:
    """Return the comparison of two arms over all epochs.

    Args:
        strata: The moments of both arms in each epoch; each number may be an array over looks.
        kind: Kind of the outcome.
    """
    pairs = [(Moments(*by_own_ratio(a)), Moments(*by_own_ratio(b))) for a, b in strata]
    tested = [by_pooled_ratio(a, b) for a, b in strata] if kind == "ratio" else pairs
    rates = kind == "binary" and pairs[0][0].units is None
    known = [_known(a, b, kind) for a, b in pairs]
    brought = [np.where(there, information(a.n, b.n), 0.0) for (a, b), there in zip(pairs, known, strict=True)]
    total = np.asarray(sum(brought), dtype=np.float64)
    shares = [np.divide(own, total, out=np.zeros_like(total), where=total > 0) for own in brought]

    def averaged(of: Callable[[Moments, Moments], Any], power: int = 1, moments: Sequence[Stratum] = pairs) -> Floats:
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = [
                np.where(share > 0, share**power * of(a, b), 0.0) for share, (a, b) in zip(shares, moments, strict=True)
            ]
        return np.asarray(sum(parts), dtype=np.float64)

    null_variance = averaged(lambda a, b: standard_error(a, b, kind) ** 2, 2, tested)
    variance = null_variance if tested is pairs else averaged(lambda a, b: standard_error(a, b, kind) ** 2, 2)
    apart = averaged(difference)
    mean_a, mean_b = averaged(lambda a, _: means(a)), averaged(lambda _, b: means(b))
    variance_a, variance_b = (averaged(lambda *pair, at=at: _variance(pair[at], rates=rates), 2) for at in (0, 1))
    return Contrast(
        apart,
        averaged(lambda a, b: agresti_caffo(a, b)[0]) if rates else apart,
        np.sqrt(averaged(lambda a, b: agresti_caffo(a, b)[1] ** 2, 2) if rates else variance),
        np.sqrt(null_variance),
        mean_a,
        mean_b,
        _relative(variance_a, mean_a) + _relative(variance_b, mean_b),
        total,
    )


def _variance(arm: Moments, *, rates: bool) -> Floats:
    """Return the variance of an arm's mean, infinite where a single value can't tell."""
    if rates:
        rate = arm.total / arm.n
        return np.asarray(rate * (1 - rate) / arm.n)
    return np.where(np.asarray(arm.independent) > 1, arm.variance_of_mean, np.inf)


def _relative(variance: Floats, mean: Floats) -> Floats:
    # By the standard error over the mean: the square of a tiny mean is 0.
    error = np.sqrt(variance)
    return np.divide(error, mean, out=np.full_like(error, np.inf), where=mean != 0) ** 2


def is_burnt_in(strata: Sequence[Stratum], enough: int) -> Any:
    """Return whether each of two arms has enough sessions (with units: units), over all epochs; 2 at least."""
    of_a, of_b = (reduce(np.add, [np.asarray(pair[at].independent) for pair in strata]) for at in (0, 1))
    return np.minimum(of_a, of_b) >= max(enough, 2)


def interval(contrast: Contrast, reach: Any, ready: Any) -> tuple[Any, Any]:
    """Return the differences at most so many standard errors away; infinite where it isn't ready or nothing is known."""
    known = np.asarray(ready) & (contrast.se > 0)
    half = np.where(known, np.where(known, reach, 1.0) * contrast.se, np.inf)
    return contrast.centre - half, contrast.centre + half


def log_ratio_interval(contrast: Contrast, reach: Any, ready: Any) -> tuple[Any, Any]:
    """Return the logarithms of the ratios of two means at most so many standard errors away; else infinite."""
    mean_a, mean_b, variance = contrast.mean_a, contrast.mean_b, contrast.relative_variance
    known = np.asarray(ready) & (np.minimum(mean_a, mean_b) > 0) & (variance > 0) & np.isfinite(variance)
    middle = np.log(np.where(known, mean_a, 1.0)) - np.log(np.where(known, mean_b, 1.0))
    half = np.where(known, np.where(known, reach, 1.0) * np.sqrt(np.where(known, variance, 1.0)), np.inf)
    return middle - half, middle + half
