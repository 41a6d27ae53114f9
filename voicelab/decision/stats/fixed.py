"""Fixed-sample companions: right for one look at a number of sessions that was settled beforehand, wrong for peeking."""

import math

import numpy as np

from voicelab.decision.stats import compare
from voicelab.decision.stats.moments import Moments, difference
from voicelab.decision.stats.ratios import by_own_ratio, by_pooled_ratio

_SMALL = 5


def two_rates(a: Moments, b: Moments) -> float:
    """Return the two-sided p-value for two rates: the pooled z test, Fisher's exact where an expected count is below 5.

    Args:
        a: Moments of the first arm.
        b: Moments of the second arm.
    """
    from scipy.stats import fisher_exact
    from statsmodels.stats.proportion import proportions_ztest

    n = np.array([float(a[0]), float(b[0])])
    hits = np.array([float(a[1]), float(b[1])])
    if n.min() < 1 or hits.sum() in {0.0, n.sum()}:
        return 1.0
    rate = hits.sum() / n.sum()
    if (n * min(rate, 1 - rate)).min() < _SMALL:
        return float(fisher_exact([[hits[0], n[0] - hits[0]], [hits[1], n[1] - hits[1]]])[1])
    return float(proportions_ztest(hits, n)[1])


def two_means(a: Moments, b: Moments) -> float:
    """Return the two-sided p-value of Welch's t test for two means; 1 where neither arm's values vary."""
    from scipy.special import stdtr

    if min(float(a[0]), float(b[0])) < 2:  # noqa: PLR2004 - a variance needs two values
        return 1.0
    apart, se, df = _welch(a, b)
    return min(1.0, 2 * float(stdtr(df, -abs(apart) / se))) if se else 1.0


def _welch(a: Moments, b: Moments) -> tuple[float, float, float]:
    """Return difference, standard error and degrees of freedom (Welch & Satterthwaite) of two means."""
    (_, sd_a), (_, sd_b) = _mean_sd(a), _mean_sd(b)
    n_a, n_b = float(a[0]), float(b[0])
    of_a, of_b = sd_a / math.sqrt(n_a), sd_b / math.sqrt(n_b)
    apart, se = float(difference(a, b)), math.hypot(of_a, of_b)
    if not se:
        return apart, 0.0, n_a + n_b - 2
    # By shares of the variance: its square, the fourth power of the values, is beyond the floats from 1e77 on.
    share = (of_a / se) ** 2
    return apart, se, 1 / (share**2 / (n_a - 1) + (1 - share) ** 2 / (n_b - 1))


def p_value(a: Moments, b: Moments, kind: str) -> float:
    """Return the two-sided fixed-sample p-value of two arms, for outcomes of a kind."""
    return two_rates(a, b) if kind == "binary" else two_means(*by_pooled_ratio(a, b))


def by_error(
    apart: float, null_se: float, centre: float, se: float, freedom: float, alpha: float = 0.05
) -> tuple[float, tuple[float, float]]:
    """Return the two-sided p-value and the interval of a difference whose standard error is known: over epochs, of units.

    Args:
        apart: Difference of the means.
        null_se: Its standard error were they equal.
        centre: What the interval is built around.
        se: Standard error of that.
        freedom: Degrees of freedom of Student's t.
        alpha: Error probability of the interval.
    """
    from scipy.special import stdtr, stdtrit

    freedom = max(freedom, 1.0)
    p = min(1.0, 2 * float(stdtr(freedom, -abs(apart) / null_se))) if null_se else 1.0
    half = float(stdtrit(freedom, 1 - alpha / 2)) * se if se else math.inf
    return p, (centre - half, centre + half)


def several_rates(hits: list[float], n: list[float]) -> float:
    """Return the p-value of Pearson's chi-square test that all rates are equal."""
    from scipy.stats import chi2_contingency

    table = np.array([hits, np.array(n) - np.array(hits)])
    if (table.sum(axis=1) == 0).any():
        return 1.0
    return float(chi2_contingency(table, correction=False)[1])


def wilson(hits: float, n: float, alpha: float = 0.05) -> tuple[float, float]:
    """Return Wilson's interval for a rate."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(hits, n, alpha=alpha, method="wilson")
    return float(low), float(high)


def mean_interval(arm: Moments, alpha: float = 0.05) -> tuple[float, float]:
    """Return the t interval for a mean; infinite with fewer than two values, or where they don't vary."""
    from scipy.stats import t

    n = float(arm[0])
    if n < 2:  # noqa: PLR2004 - a variance needs two values
        return -np.inf, np.inf
    mean, sd = _mean_sd(arm)
    if not sd:
        return -np.inf, np.inf
    half = float(t.ppf(1 - alpha / 2, n - 1)) * sd / np.sqrt(n)
    return mean - half, mean + half


def difference_interval(a: Moments, b: Moments, kind: str, alpha: float = 0.05) -> tuple[float, float]:
    """Return the fixed-sample interval for mean(a) - mean(b): Agresti-Caffo for rates, Welch's t for numbers.

    The latter excludes 0 exactly where `two_means` is below alpha; infinite where neither arm's values vary.
    """
    from scipy.special import ndtri, stdtrit

    if kind == "binary":
        apart, se = compare.agresti_caffo(a, b)
        reach = float(ndtri(1 - alpha / 2))
    else:
        apart, se, df = _welch(by_own_ratio(a), by_own_ratio(b))
        reach = float(stdtrit(df, 1 - alpha / 2)) if se else math.inf
    half = reach * se if se else math.inf
    return apart - half, apart + half


def confidence_of(p_value: float) -> float:
    """Return the confidence of a p-value in percent: below 100, since no amount of data gives certainty."""
    return min(100 * (1 - p_value), math.nextafter(100.0, 0.0))


def _mean_sd(arm: Moments) -> tuple[float, float]:
    arm = Moments(*map(float, Moments(*arm)[:4]))
    variance = float(arm.within) / (arm.n - 1) if arm.n > 1 else 0.0
    return arm.total / arm.n + arm.centre, float(np.sqrt(variance))
