"""How far two arms lie apart, in standard errors of a normal distribution, also where arms are small or skewed.

The boundary takes z as normally distributed. That is true of large arms. In small ones a rate's chance is that of
drawing hits out of an urn, a mean's that of Student's t, bent by the skewness of the values: each is turned into
the normal score of the same probability here, so that the boundary may go on as if all arms were large.

All functions are pure, over arrays of looks or, those that end in `_of`, over plain numbers, to the same digits.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import compare
from voicelab.decision.stats.moments import Moments, difference

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


# --- Rates ---------------------------------------------------------------------------------------------------------
EXPECTED_HITS = 10.0
"""Expected hits (or failures, the rarer of both) in the smaller arm from which on the normal distribution will do."""
MIDDLE = 0.7
"""How much of the chance of exactly the observed hits doesn't count as "at least as many"."""
MIDDLE_OF_SKEWED = 0.2
"""How much more of it, where the distribution is as skewed as can be and the hits lie on its long side."""
_NEGLIGIBLE = 1e-12
_TABULATED = 20_000


# Why the urn. Were the arms equal, the hits would fall to them as balls drawn from an urn, whatever the rate: given all
# hits, those of one arm are hypergeometric, at every look. With two expected hits that is nothing like a normal
# distribution: one early hit in a small arm lies five "standard errors" out, and is no rare thing
# (7.8 % false stops at a rate of .02, weights .95/.05, when judged by the normal z).
#
# Why a part of the observed hits' own chance is left out. To count it whole (Fisher) is right for one look that hits
# its alpha exactly; counts jump over it, and B, which should creep over its boundary, jumps over that as well. Twice
# cautious: .5 to 1.5 % false stops and a quarter of the power lost. Half of it (Lancaster's mid-p) is still cautious.
# The shares here were found by simulation as the largest that hold in every cell (rates .01 to .98, weights .5/.5 to
# .95/.05, 300 to 2,000 sessions: 5.0 and 1.0 % within error; power .9 of the fixed-sample test's and more). On the long side
# of a skewed distribution, where the boundary's other half can't be reached at all, there is room for more.
def rate_score(n_a: Any, hits_a: Any, n_b: Any, hits_b: Any) -> Floats:
    """Return the normal score of "the rate of a is above that of b"; 0 while nothing can be said.

    From ten expected hits in the smaller arm on it is the z of pooled rates, before that the score of the hypergeometric
    probability. Swapping the arms, or hits and failures, changes its sign alone.

    Args:
        n_a: Sessions of the first arm, any shape.
        hits_a: Its successes, the same shape.
        n_b: Sessions of the second arm.
        hits_b: Its successes.
    """
    n_a, hits_a, n_b, hits_b = (np.asarray(part, dtype=np.float64) for part in (n_a, hits_a, n_b, hits_b))
    n, hits = n_a + n_b, hits_a + hits_b
    rarer = np.minimum(hits, n - hits)
    known = (n_a > 0) & (n_b > 0) & (rarer > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = hits / n
        z = (hits_a / n_a - hits_b / n_b) / np.sqrt(rate * (1 - rate) * (1 / n_a + 1 / n_b))
        few = known & (np.minimum(n_a, n_b) * rarer / n < EXPECTED_HITS)
    z = np.where(known, z, 0.0)
    if few.any():
        z[few] = _urn_scores(n_a[few], hits_a[few], n_b[few], hits_b[few])
    return z


def _urn_scores(n_a: Floats, hits_a: Floats, n_b: Floats, hits_b: Floats) -> Floats:
    """Return the scores of the hypergeometric tails, each of shape (m,)."""
    from scipy.special import gammaln, ndtri

    n, hits = n_a + n_b, hits_a + hits_b
    above = hits_a * n >= n_a * hits
    parts = np.stack([n_a, n_b, hits, n - hits, n, hits_a, n_a - hits_a, hits_b, n_b - hits_b])
    logs = gammaln(parts + 1.0)
    exactly = np.exp(logs[0] + logs[1] + logs[2] + logs[3] - logs[4] - logs[5] - logs[6] - logs[7] - logs[8])
    # Towards the tail two cells of the table grow and two shrink, by one each step.
    up, down = np.where(above, hits_a, hits_b), np.where(above, n_a - hits_a, n_b - hits_b)
    other_up, other_down = np.where(above, n_b - hits_b, n_a - hits_a), np.where(above, hits_b, hits_a)
    term, tail, live = exactly.copy(), exactly.copy(), np.arange(len(exactly))
    step = 0.0
    while live.size:
        step += 1.0
        left, other_left = down[live] - (step - 1.0), other_down[live] - (step - 1.0)
        ratio = left * other_left / ((up[live] + step) * (other_up[live] + step))
        term[live] *= ratio
        tail[live] += term[live]
        live = live[term[live] > _NEGLIGIBLE * tail[live]]
    skewed = (1 - 2 * hits / n) * (1 - 2 * n_a / n)
    middle = MIDDLE + MIDDLE_OF_SKEWED * np.maximum(np.where(above, skewed, -skewed), 0.0)
    # Never across 0: to have more hits than expected is no evidence for fewer.
    scores: Floats = np.maximum(-ndtri(np.maximum(tail - middle * exactly, 1e-300)), 0.0) * np.where(above, 1.0, -1.0)
    # Exactly as many as expected speak for neither.
    return np.where(hits_a * n == n_a * hits, 0.0, scores)


@lru_cache(maxsize=1)
def _log_factorials() -> list[float]:
    from scipy.special import gammaln

    logs: list[float] = gammaln(np.arange(_TABULATED) + 1.0).tolist()
    return logs


def rate_score_of(n_a: float, hits_a: float, n_b: float, hits_b: float) -> float:
    """Return `rate_score` of plain numbers, at a tenth of its cost."""
    n, hits = n_a + n_b, hits_a + hits_b
    rarer = min(hits, n - hits)
    if not (n_a > 0 and n_b > 0 and rarer > 0):
        return 0.0
    if min(n_a, n_b) * rarer / n < EXPECTED_HITS:
        return _urn_score(n_a, hits_a, n_b, hits_b)
    rate = hits / n
    return (hits_a / n_a - hits_b / n_b) / math.sqrt(rate * (1 - rate) * (1 / n_a + 1 / n_b))


def _urn_score(n_a: float, hits_a: float, n_b: float, hits_b: float) -> float:
    from scipy.special import gammaln, ndtri

    n, hits = n_a + n_b, hits_a + hits_b
    if hits_a * n == n_a * hits:
        return 0.0
    above = hits_a * n > n_a * hits
    parts = [n_a, n_b, hits, n - hits, n, hits_a, n_a - hits_a, hits_b, n_b - hits_b]
    if n < _TABULATED:
        table = _log_factorials()
        logs = [table[int(part)] for part in parts]
    else:
        logs = gammaln(np.array(parts) + 1.0).tolist()
    # The logarithms and the exponential are numpy's and scipy's, whose last digit need not be that of `math`.
    exactly = float(np.exp(logs[0] + logs[1] + logs[2] + logs[3] - logs[4] - logs[5] - logs[6] - logs[7] - logs[8]))
    if above:
        up, down, other_up, other_down = hits_a, n_a - hits_a, n_b - hits_b, hits_b
    else:
        up, down, other_up, other_down = hits_b, n_b - hits_b, n_a - hits_a, hits_a
    term = tail = exactly
    step = 0.0
    while True:
        step += 1.0
        left, other_left = down - (step - 1.0), other_down - (step - 1.0)
        term *= left * other_left / ((up + step) * (other_up + step))
        tail += term
        if not term > _NEGLIGIBLE * tail:
            break
    skewed = (1 - 2 * hits / n) * (1 - 2 * n_a / n)
    middle = MIDDLE + MIDDLE_OF_SKEWED * max(skewed if above else -skewed, 0.0)
    score = max(-float(ndtri(max(tail - middle * exactly, 1e-300))), 0.0)
    return score if above else -score


def rate_score_beyond(a: Moments, b: Moments, margin: float) -> Floats:
    """Return z of "the rate of a is above that of b by more than the margin", by the pooled error.

    Args:
        a: Moments of the first arm.
        b: Moments of the second arm.
        margin: What the difference is compared with.
    """
    se = compare.standard_error(a, b, "binary")
    ready = (np.minimum(a.n, b.n) >= compare.BURN_IN["binary"]) & (se > 0)
    apart = difference(a, b) - margin
    return np.divide(apart, se, out=np.zeros_like(apart), where=ready)


# --- Means ---------------------------------------------------------------------------------------------------------
BURN_IN = 10
"""Values an arm needs before its mean is compared."""
PULL = 10.0
"""How many values' worth a small arm's variance is drawn up to the common one, for each unit of squared skewness."""
STRONGEST_PULL = 100.0
FEW = 30
"""Values below which an arm is too small for its mean to be more than approximate."""
SKEWED = 25.0
"""Values an arm needs for each unit of squared skewness. Source: Cochran 1977, with Sugden, Smith & Jones 2000."""
LOPSIDED = 0.1
"""Skewness of the difference (of its sampling distribution) from which on its score is approximate."""
_LARGEST_EXPONENT = 600.0


class _Parts(NamedTuple):
    """A difference and what its score is made of, each of shape (T,)."""

    difference: Any
    se: Any
    df: Any
    skewness: Any
    ready: Any
    worst: Any


# Three things go wrong with (mean a - mean b) / SE in small arms, and each has its remedy.
#
# 1. The SE is itself uncertain: t by Welch's degrees of freedom, in place of the normal distribution (normal values, sd 1 and
#    4, weights .95/.05, 300 sessions: 7.5 -> 3.9 % false stops).
# 2. Skewed values: while the rare large ones are missing, the mean is too low AND the SE too small, so that z is far too
#    negative; once they came, z is too tame. Hall's (1992) cubic takes the skewness of the statistic out of it, and can be
#    inverted in closed form (300 sessions at .7/.3, lognormal of equal means, log-sd .3 and 1.5: 34 -> 11 % false stops;
#    .4 and .8: 8.9 -> 5.6 %).
# 3. Rare large values again: an arm that hasn't met one yet doesn't know its variance, and no formula finds it in its
#    own values. But the other arm may have met some. Its squared skewness says how little a variance from few values is
#    to be believed; so much is a variance below the common one drawn up to it. With normal values that is nothing, and
#    Welch's power stays where the variances differ truly; with skewed ones it is the larger of pooled and Welch's, as
#    long as the arm is small (counts with 5 % of the sessions: Welch alone 9 to 29 % false stops, so 0.1 to 1 %).
def _mean_parts(a: Moments, b: Moments) -> _Parts:
    g_a, g_b = (np.asarray(arm.independent, dtype=np.float64) for arm in (a, b))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        within_a, within_b, third_a, third_b = a.within, b.within, a.third, b.third
        # Of one session: with units, of a session's share in its unit's sum.
        common = (within_a + within_b) / (a.n + b.n) * ((g_a + g_b) / (g_a + g_b - 2))
        squared_a, squared_b = _squared_skewness(g_a, within_a, third_a), _squared_skewness(g_b, within_b, third_b)
        square_a = _drawn_up(a.variance_of_mean, common / a.n, g_a, squared_b, g_b)
        square_b = _drawn_up(b.variance_of_mean, common / b.n, g_b, squared_a, g_a)
        square = square_a + square_b
        share = square_a / square
        df = 1 / (share * share / (g_a - 1) + (1 - share) * (1 - share) / (g_b - 1))
        se = np.sqrt(square)
        # Third cumulants of the means, unbiased, over SE^3: divided one by one, since the third power of a large SE overflows.
        cumulant_a = third_a / (g_a - 1) / (g_a - 2) / g_a * (g_a / a.n) ** 3
        cumulant_b = third_b / (g_b - 1) / (g_b - 2) / g_b * (g_b / b.n) ** 3
        skewness = (cumulant_a - cumulant_b) / se / se / se
    apart = difference(a, b)
    ready = (np.minimum(g_a, g_b) >= BURN_IN) & (se > 0) & np.isfinite(se) & np.isfinite(apart)
    skewness = np.where(np.isfinite(skewness), skewness, 0.0)
    return _Parts(apart, se, df, skewness, ready, np.maximum(squared_a, squared_b))


def _squared_skewness(n: Floats, within: Any, third: Any) -> Any:
    spread = np.sqrt(within / n)
    skewness = third / n / spread / spread / spread
    # No n values are more skewed than n - 1 equal ones and one apart: what is beyond that is rounding.
    return np.where(np.isfinite(skewness), np.minimum(skewness * skewness, n), 0.0)


def _drawn_up(own: Any, common: Any, n: Floats, skewness: Any, n_other: Floats) -> Any:
    """Return an arm's variance, drawn up to the common one if the other arm's values are skewed (squared skewness)."""
    # 6 / n is what normal values show by chance.
    pull = np.minimum(PULL * np.maximum(skewness - 6 / n_other, 0.0), STRONGEST_PULL)
    return own + np.maximum(common - own, 0.0) * pull / (n + pull)


def mean_score(a: Moments, b: Moments, margin: Any = 0.0) -> Floats:
    """Return the normal score of "mean of a - mean of b - margin"; 0 during the burn-in and where nothing varies.

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
        margin: What the difference is compared with.
    """
    parts = _mean_parts(a, b)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # Of whatever size the margin is: a million standard errors say all that there is to say.
        z = score_of_t((parts.difference - margin) / parts.se, parts.skewness, parts.df)
    return np.where(parts.ready & np.isfinite(z), z, 0.0)


def score_of_t(t: Any, skewness: Any, df: Any) -> Any:
    """Return the normal score of a t statistic, its skewness taken out.

    Args:
        t: The statistic, any shape.
        skewness: Skewness of its numerator's sampling distribution.
        df: Degrees of freedom.
    """
    return _to_normal(_unskewed(np.clip(t, -1e6, 1e6), skewness), df)


def cautious_mean_score(a: Moments, b: Moments, margin: Any = 0.0) -> Floats:
    """Return `mean_score`, or the difference over the larger of pooled and Welch's error where that says less.

    For ratios, whose sessions weigh as much as they hold below the line: few of them may outweigh all others (word errors
    of callers with rates of their own, words lognormal, weights .7/.3: 7.0 -> 3.4 % false stops).

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
        margin: What the difference is compared with.
    """
    z, se = mean_score(a, b, margin), compare.standard_error(a, b, "float")
    plain = np.divide(difference(a, b) - margin, se, out=np.zeros_like(z), where=se > 0)
    return np.where(np.sign(z) == np.sign(plain), np.sign(z) * np.minimum(np.abs(z), np.abs(plain)), 0.0)


def mean_reach(a: Moments, b: Moments, z: Any) -> tuple[Floats, Floats]:
    """Return the lowest and the highest difference whose score lies within +-z: what `mean_score` doesn't rule out.

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
        z: Reach of the score, at least 0, of that shape or one number.

    Returns:
        Both ends, of that shape; infinite where nothing can be said.
    """
    parts = _mean_parts(a, b)
    z = np.asarray(z, dtype=np.float64)
    known = parts.ready & np.isfinite(z)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        high = parts.difference - parts.se * _skewed(_to_t(-z, parts.df), parts.skewness)
        low = parts.difference - parts.se * _skewed(_to_t(z, parts.df), parts.skewness)
    return np.where(known & (low == low), low, -math.inf), np.where(known & (high == high), high, math.inf)  # noqa: PLR0124


# Wallace (1959): the normal score of t in closed form, right to .02 from 5 degrees of freedom on, and with an inverse.
def _to_normal(t: Any, df: Any) -> Any:
    return np.sign(t) * (8 * df + 1) / (8 * df + 3) * np.sqrt(df * np.log1p(t * t / df))


def _to_t(z: Any, df: Any) -> Any:
    root = z * (8 * df + 3) / (8 * df + 1)
    return np.sign(z) * np.sqrt(df * np.expm1(np.minimum(root * root / df, _LARGEST_EXPONENT)))


# Hall (1992), On the removal of skewness by transformation: t + a t^2 / 3 + a^2 t^3 / 27 + a / 6, which is
# ((1 + a t / 3)^3 - 1) / a + a / 6 and so rises for every a. The inverse is written without dividing by a, which may be 0.
def _unskewed(t: Any, a: Any) -> Any:
    bent = a * t / 3
    return t * (1 + bent + bent * bent / 3) + a / 6


def _skewed(y: Any, a: Any) -> Any:
    shifted = y - a / 6
    root = np.cbrt(1 + a * shifted)
    return 3 * shifted / (root * root + root + 1)


# No method holds for every distribution of an unbounded mean: what an arm hasn't shown can't be corrected. What it has
# shown says how far to go. The rule is for the smaller arm, and the skewness that of either: where the smaller one has
# met no large value yet, the larger one has.
def doubt(a: Moments, b: Moments) -> npt.NDArray[np.int64]:
    """Return why a comparison of means is only approximate: 0 for no reason, else the sum of 1 (few) and 2 (skewed).

    "Few": an arm has fewer than 30 values. "Skewed": the smaller arm has fewer than 25 values for each unit of the squared
    skewness of either arm, or the difference itself is skewed by more than 0.1.

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
    """
    parts = _mean_parts(a, b)
    smaller = np.minimum(np.asarray(a.independent, dtype=np.float64), np.asarray(b.independent, dtype=np.float64))
    overflown = ~(np.isfinite(a.third) & np.isfinite(b.third))
    skewed = (smaller < SKEWED * parts.worst) | (np.abs(parts.skewness) > LOPSIDED) | overflown
    # During the burn-in there is no score to doubt for its skewness.
    reasons: npt.NDArray[np.int64] = np.where(smaller < FEW, 1, 0) + np.where(skewed & parts.ready, 2, 0)
    return reasons
