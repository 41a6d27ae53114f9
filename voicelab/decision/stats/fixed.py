"""Fixed-sample companions: right for one look at a number of sessions that was settled beforehand, wrong for peeking."""

import numpy as np

from voicelab.decision.stats.moments import Moments

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
    """Return the two-sided p-value of Welch's t test for two means."""
    from scipy.stats import ttest_ind_from_stats

    if min(float(a[0]), float(b[0])) < 2:  # noqa: PLR2004 - a variance needs two values
        return 1.0
    (mean_a, sd_a), (mean_b, sd_b) = _mean_sd(a), _mean_sd(b)
    if sd_a == sd_b == 0:
        return 1.0
    test = ttest_ind_from_stats(mean_a, sd_a, float(a[0]), mean_b, sd_b, float(b[0]), equal_var=False)
    return float(test.pvalue)


def p_value(a: Moments, b: Moments, kind: str) -> float:
    """Return the two-sided fixed-sample p-value of two arms, for outcomes of a kind."""
    return two_rates(a, b) if kind == "binary" else two_means(a, b)


def by_error(
    difference: float, null_se: float, centre: float, se: float, freedom: float, alpha: float = 0.05
) -> tuple[float, tuple[float, float]]:
    """Return the two-sided p-value and the interval of a difference whose standard error is known: over epochs, of units.

    Args:
        difference: Difference of the means.
        null_se: Its standard error were they equal.
        centre: What the interval is built around.
        se: Standard error of that.
        freedom: Degrees of freedom of Student's t.
        alpha: Error probability of the interval.
    """
    from scipy.stats import t

    p = float(2 * t.sf(abs(difference) / null_se, max(freedom, 1.0))) if null_se else 1.0
    half = float(t.ppf(1 - alpha / 2, max(freedom, 1.0))) * se
    return p, (centre - half, centre + half) if se else (-np.inf, np.inf)


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
    """Return the t interval for a mean; infinite with fewer than two values."""
    from scipy.stats import t

    n = float(arm[0])
    if n < 2:  # noqa: PLR2004 - a variance needs two values
        return -np.inf, np.inf
    mean, sd = _mean_sd(arm)
    half = float(t.ppf(1 - alpha / 2, n - 1)) * sd / np.sqrt(n)
    return mean - half, mean + half


def difference_interval(a: Moments, b: Moments, kind: str, alpha: float = 0.05) -> tuple[float, float]:
    """Return the fixed-sample interval for mean(a) - mean(b): Agresti-Caffo for rates, Welch for numbers."""
    from scipy.stats import norm

    from voicelab.decision.stats.compare import agresti_caffo

    if kind == "binary":
        difference, se = agresti_caffo(a, b)
    else:
        (mean_a, sd_a), (mean_b, sd_b) = _mean_sd(a), _mean_sd(b)
        difference, se = mean_a - mean_b, float(np.sqrt(sd_a**2 / float(a[0]) + sd_b**2 / float(b[0])))
    half = float(norm.ppf(1 - alpha / 2)) * se
    return difference - half, difference + half


def _mean_sd(arm: Moments) -> tuple[float, float]:
    arm = Moments(*map(float, Moments(*arm)[:4]))
    variance = float(arm.within) / (arm.n - 1) if arm.n > 1 else 0.0
    return arm.total / arm.n + arm.centre, float(np.sqrt(variance))
