"""Comparing two arms by their counts, sums and sums of squares: difference, standard error, z."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Moments = tuple[Floats, Floats, Floats]
"""Number of values, their sum, their sum of squares; each any shape."""

BURN_IN = {"binary": 1, "count": 10, "float": 10}
"""Sessions an arm needs before it is compared."""


def means(arm: Moments) -> Floats:
    """Return the mean of an arm, 0 where it is empty."""
    n, total, _ = arm
    return np.divide(total, n, out=np.zeros_like(total, dtype=np.float64), where=n > 0)


def standard_error(a: Moments, b: Moments, kind: str) -> Floats:
    """Return the standard error of the difference of two means.

    For rates it is pooled. For counts and floats it is the larger of pooled and Welch's: Welch's alone stops falsely on
    skewed values with a small arm, the pooled one alone where the variances differ.

    Args:
        a: Moments of the first arm.
        b: Moments of the second arm.
        kind: `binary`, `count` or `float`.
    """
    (n_a, sum_a, squares_a), (n_b, sum_b, squares_b) = a, b
    with np.errstate(divide="ignore", invalid="ignore"):
        if kind == "binary":
            rate = (sum_a + sum_b) / (n_a + n_b)
            se = np.sqrt(np.maximum(rate * (1 - rate), 0.0) * (1 / n_a + 1 / n_b))
        else:
            within_a = np.maximum(squares_a - sum_a**2 / n_a, 0.0)
            within_b = np.maximum(squares_b - sum_b**2 / n_b, 0.0)
            pooled = (within_a + within_b) / (n_a + n_b - 2) * (1 / n_a + 1 / n_b)
            welch = within_a / (n_a - 1) / n_a + within_b / (n_b - 1) / n_b
            se = np.sqrt(np.fmax(pooled, welch))
    return np.where(np.isfinite(se), se, 0.0)


def z_statistic(a: Moments, b: Moments, kind: str) -> Floats:
    """Return (mean of a minus mean of b) / standard error; 0 during the burn-in and without variation."""
    se = standard_error(a, b, kind)
    ready = (np.minimum(a[0], b[0]) >= BURN_IN[kind]) & (se > 0)
    difference = means(a) - means(b)
    return np.divide(difference, se, out=np.zeros_like(difference), where=ready)


def agresti_caffo(a: Moments, b: Moments) -> tuple[float, float]:
    """Return difference and standard error of two rates after adding one success and one failure to each arm.

    Source: Agresti & Caffo 2000; without it intervals near 0 and 1 cover far too seldom.
    """
    n_a, n_b = float(a[0]) + 2, float(b[0]) + 2
    p_a, p_b = (float(a[1]) + 1) / n_a, (float(b[1]) + 1) / n_b
    return p_a - p_b, float(np.sqrt(p_a * (1 - p_a) / n_a + p_b * (1 - p_b) / n_b))


def information(n_a: Floats, n_b: Floats) -> Floats:
    """Return n_a n_b / (n_a + n_b), the information of two arms; 0 where both are empty."""
    n_a, n_b = np.asarray(n_a, dtype=np.float64), np.asarray(n_b, dtype=np.float64)
    both = n_a + n_b
    return np.divide(n_a * n_b, both, out=np.zeros_like(both), where=both > 0)


def stratum(a: Moments, b: Moments, kind: str) -> Floats:
    """Return what one epoch adds to a stratified comparison: I d, (I se)^2 and I, stacked on the first axis.

    Within an epoch the base rate may be anything: only differences inside it count. Source: Cochran 1954; Mantel &
    Haenszel 1959.
    """
    # A difference of numbers has no error that is known before each arm has two of them.
    known = np.minimum(a[0], b[0]) >= (1 if kind == "binary" else 2)
    share = np.where(known, information(a[0], b[0]), 0.0)
    difference = np.where(share > 0, means(a) - means(b), 0.0)
    return np.stack([share * difference, (share * standard_error(a, b, kind)) ** 2, share])


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
    difference = np.divide(weighted, share, out=np.zeros_like(weighted), where=share > 0)
    se = np.divide(np.sqrt(variance), share, out=np.zeros_like(weighted), where=share > 0)
    return difference, se
