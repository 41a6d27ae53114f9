"""Quantiles of two arms compared: what 95 of 100 sessions stay at or below, say, and how sure it is that they differ.

Under a horizon by exceedance: were the arms equal, the sessions above the pooled quantile would fall to them as balls out
of an urn, and two rates are compared, whatever the distribution is (the median test of Mood 1950, at any quantile). Where the
arms' shapes differ around it the error is that of the two densities (`unlike_shapes`).

Without a horizon by confidence sequences for quantiles: a value is no quantile of an arm once the share of its sessions up
to there is too far from what the quantile says, by a mixture of beta distributions that no number of looks misleads
(Howard & Ramdas 2022, with the mixtures one-sided so that ties do no harm). That the quantile of one arm is at most that of
another says that some value lies between both: the evidence against it is the least, over all values, of the product.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.scores import rate_score_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FIRST = 10
"""Sessions before the first look."""
_LOOKS = 200
"""Looks at quantiles up to a horizon, spread evenly on the scale of the logarithm."""
_GROWTH = 1.05
"""Without a horizon each look has so many times the sessions of the one before."""
_WINDOW, _AROUND = 0.2, 10
"""How many values to each side of the quantile tell the densities there: a share of those beyond it, and at least so many."""
_WIDE, _ROOM = 12.0, 60
"""How far from the quantile values are asked for evidence: what lies beyond is refuted by more than anybody asks for."""
_HALVINGS, _DIGITS = 60, 13


def fewest(quantile: float) -> int:
    """Return how many values it takes that a quantile is more than the largest or the smallest of them."""
    return math.ceil(round(1 / min(quantile, 1 - quantile), 6))


def looks_within(before: int, after: int, horizon: int | None) -> list[int]:
    """Return the numbers of sessions at which quantiles are looked at, above one number and up to another.

    They hang on the horizon alone, so that sessions fed one by one and all at once are looked at alike.
    """
    if horizon is not None:
        return [look for look in _looks_until(horizon) if before < look <= after]
    found: list[int] = []
    at = max(0, int(math.log(max(before, _FIRST) / _FIRST, _GROWTH)) - 1)
    while (look := math.ceil(_FIRST * _GROWTH**at)) <= after:
        if look > before and (not found or look > found[-1]):
            found.append(look)
        at += 1
    return found


@lru_cache(maxsize=32)
def _looks_until(horizon: int) -> tuple[int, ...]:
    first = min(_FIRST, horizon)
    return tuple(np.unique(np.rint(np.geomspace(first, horizon, _LOOKS)).astype(int)).tolist())


def rank_of(n: int, quantile: float) -> int:
    """Return the position, from 0 on, of the quantile among n sorted values: the least that enough are at or below."""
    return min(n - 1, max(0, math.ceil(round(quantile * n, 9)) - 1))


# --- under a horizon -------------------------------------------------------------------------------------------------


def exceedance(a: Floats, b: Floats, quantile: float) -> tuple[int, int]:
    """Return how many values of each arm lie above the quantile of both together.

    Values at the quantile itself count as above where that comes nearer to the share that should, or none is above: it is
    settled by both arms together, which says nothing of either.

    Args:
        a: Values of the first arm, at least one in both together.
        b: Values of the second.
        quantile: Share at or below it.
    """
    both = np.concatenate([a, b])
    rank = rank_of(len(both), quantile)
    at = np.partition(both, rank)[rank]
    above, from_there = int((both > at).sum()), int((both >= at).sum())
    wanted, every = (1 - quantile) * len(both), len(both)
    # Of none, and of all of them, nothing can be said.
    nearer = wanted - above <= from_there - wanted
    if from_there == every or (above and nearer):
        return int((a > at).sum()), int((b > at).sum())
    return int((a >= at).sum()), int((b >= at).sum())


def unlike_shapes(a: Floats, b: Floats, quantile: float) -> float:
    """Return by how much, relatively, unlike shapes make the variance of an exceedance larger than equal ones would.

    The pooled quantile is itself uncertain, and where it moves, more of the arm with the higher density there crosses it.
    With g the density of each arm over that of both, the variance is 1 + the weighted variance of g times as large: that is
    Pearson's statistic of how the values around the quantile fall to the arms, over their number, less what chance brings.

    Args:
        a: Values of the first arm.
        b: Those of the second.
        quantile: Share at or below it.
    """
    both = np.sort(np.concatenate([a, b]))
    rank, half = rank_of(len(both), quantile), max(_AROUND, round(_WINDOW * min(quantile, 1 - quantile) * len(both)))
    low, high = both[max(0, rank - half)], both[min(len(both) - 1, rank + half)]
    near_a, near_b = (float(((own >= low) & (own <= high)).sum()) for own in (a, b))
    near, share = near_a + near_b, len(a) / len(both)
    chi_square = (near_a - near * share) ** 2 / (near * share * (1 - share))
    return max(0.0, chi_square - 1.0) / near


def quantile_score(a: Floats, b: Floats, quantile: float) -> float:
    """Return the normal score of "the quantile of the first arm is above that of the second", each with values.

    That of exceedance, which is exact while the arms are equal, made smaller where their shapes differ (equal medians, sd 1
    and 3, 300 sessions: 8 % false stops without).
    """
    above_a, above_b = exceedance(a, b, quantile)
    z = rate_score_of(float(len(a)), float(above_a), float(len(b)), float(above_b))
    return z / math.sqrt(1 + unlike_shapes(a, b, quantile)) if z else 0.0


def quantile_reach(values: Floats, quantile: float, reach: float) -> tuple[float, float]:
    """Return the values whose share of sessions up to there is at most so many standard errors from the quantile's.

    Args:
        values: Of an arm, sorted.
        quantile: Share at or below it.
        reach: Standard errors to each side.

    Returns:
        Both ends, infinite where no value of the arm bounds them.
    """
    n = len(values)
    half = reach * math.sqrt(quantile * (1 - quantile) * n) if n else math.inf
    low, high = quantile * n - half, quantile * n + half
    lower = float(values[math.ceil(low) - 1]) if math.isfinite(low) and math.ceil(low) >= 1 else -math.inf
    upper = float(values[math.floor(high)]) if math.isfinite(high) and math.floor(high) < n else math.inf
    return lower, upper


def difference_reach(a: Floats, b: Floats, quantile: float, reach: float) -> tuple[float, float]:
    """Return the interval of the difference of two quantiles, made of that of each: a square root of squares (MOVER).

    Source: Zou & Donner 2008. Each arm has its own density at its quantile, however different their shapes are.

    Args:
        a: Values of the first arm, sorted.
        b: Those of the second.
        quantile: Share at or below it.
        reach: Standard errors to each side.
    """
    at_a, at_b = (float(own[rank_of(len(own), quantile)]) for own in (a, b))
    (low_a, high_a), (low_b, high_b) = (quantile_reach(own, quantile, reach) for own in (a, b))
    apart = at_a - at_b
    return apart - math.hypot(at_a - low_a, high_b - at_b), apart + math.hypot(high_a - at_a, at_b - low_b)


def quantile_error(values: Floats, quantile: float) -> float:
    """Return the standard error of an arm's quantile, by how far values around it lie apart; 0 where they don't.

    Source: Siddiqui 1960; Bloch & Gastwirth 1968.

    Args:
        values: Of an arm, sorted.
        quantile: Share at or below it.
    """
    n = len(values)
    spread = math.sqrt(n * quantile * (1 - quantile))
    rank, half = rank_of(n, quantile), max(1, round(spread))
    low, high = max(0, rank - half), min(n - 1, rank + half)
    return float(values[high] - values[low]) / (high - low) * spread if high > low else 0.0


# --- without a horizon -----------------------------------------------------------------------------------------------


def log_e_of_shares(n: int, counts: Any, quantile: float, g: float, *, fewer: bool) -> Floats:
    """Return log E against "the share of sessions up to a value is what the quantile says", for some numbers of them.

    The mixture over shares below the quantile's (or above) of a beta distribution around it: under any share that is not
    below (above) it is a supermartingale, since a session up to there is less likely the smaller the share.

    Args:
        n: Values of the arm.
        counts: How many of them lie up to the value, any shape.
        quantile: The share that there should be.
        g: Weight of the prior in sessions.
        fewer: Whether it is evidence that there are too few of them; else too many.
    """
    from scipy.special import betainc, betaincc, betaln, xlog1py, xlogy

    counts = np.asarray(counts, dtype=np.float64)
    a, b = g * quantile, g * (1 - quantile)
    side = betainc if fewer else betaincc
    with np.errstate(divide="ignore"):
        mixed = betaln(a + counts, b + n - counts) + np.log(side(a + counts, b + n - counts, quantile))
    own = betaln(a, b) + math.log(float(side(a, b, quantile)))
    found: Floats = np.asarray(mixed - own - xlogy(counts, quantile) - xlog1py(n - counts, -quantile))
    return found


def log_e_above(a: Floats, b: Floats, quantile: float, g: float) -> float:
    """Return log E against "the quantile of the first arm is at most that of the second".

    Args:
        a: Values of the first arm, sorted.
        b: Those of the second.
        quantile: Share at or below it.
        g: Weight of the prior in sessions, for each arm.
    """
    n_a, n_b = len(a), len(b)
    if not n_a or not n_b:
        return 0.0
    # The first arm has too few values up to one that is none of its quantiles yet, the second too many below it. Between
    # two values of the first arm nothing is less refuted than the lower one, so that those alone are asked.
    near = _WIDE * math.sqrt(n_a * quantile * (1 - quantile)) + _ROOM
    first, last = max(0, math.floor(quantile * n_a - near)), min(n_a, math.ceil(quantile * n_a + near))
    these = a[first:last]
    up_to = np.searchsorted(a, these, side="right")
    below = np.searchsorted(b, these, side="left")
    if first == 0:
        up_to, below = np.append(up_to, 0), np.append(below, 0)
    together = log_e_of_shares(n_a, up_to, quantile, g, fewer=True)
    together = together + log_e_of_shares(n_b, below, quantile, g, fewer=False)
    return float(together.min())


def quantile_sequence(values: Floats, quantile: float, g: float, alpha: float) -> tuple[float, float]:
    """Return the confidence sequence of an arm's quantile: it holds at every look, with probability 1 - alpha.

    Args:
        values: Of the arm, sorted.
        quantile: Share at or below it.
        g: Weight of the prior in sessions.
        alpha: Error probability, half of it for each end.
    """
    n = len(values)
    if not n:
        return -math.inf, math.inf
    counts = np.arange(n + 1)
    limit = math.log(2 / alpha)
    too_few = log_e_of_shares(n, counts, quantile, g, fewer=True) >= limit
    too_many = log_e_of_shares(n, counts, quantile, g, fewer=False) >= limit
    # The least number of values up to the quantile that is not refuted, and the largest below it.
    least, most = int(np.argmin(too_few)), n - int(np.argmin(too_many[::-1]))
    return (float(values[least - 1]) if least else -math.inf), (float(values[most]) if most < n else math.inf)


def difference_sequence(a: Floats, b: Floats, quantile: float, g: float, alpha: float) -> tuple[float, float]:
    """Return the confidence sequence of the difference of two quantiles: what the evidence for either side doesn't refute.

    Args:
        a: Values of the first arm, sorted.
        b: Those of the second.
        quantile: Share at or below it.
        g: Weight of the prior in sessions, for each arm.
        alpha: Error probability, half of it for each end.
    """
    if not len(a) or not len(b):
        return -math.inf, math.inf
    limit = math.log(2 / alpha)
    least, most = float(a[0] - b[-1]) - 1.0, float(a[-1] - b[0]) + 1.0
    low = _last(lambda by: log_e_above(a, b + by, quantile, g) >= limit, least, most)
    high = _last(lambda by: log_e_above(b, a - by, quantile, g) >= limit, most, least)
    return low, high


def _last(refuted: Any, out: float, within: float) -> float:
    """Return where "refuted" ends between one difference and another; an infinity where it never begins."""
    scale = abs(out) + abs(within)
    if not refuted(out):
        return -math.inf if out < within else math.inf
    for _ in range(_HALVINGS):
        middle = (out + within) / 2
        if middle in {out, within}:
            break
        out, within = (middle, within) if refuted(middle) else (out, middle)
    # The digits that are left of differences as large as the first are rounding: 0 is to be 0.
    return round(out / scale, _DIGITS) * scale
