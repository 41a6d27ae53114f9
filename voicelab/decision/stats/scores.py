"""The normal score of a difference."""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import compare
from voicelab.decision.stats.moments import Moments, difference

Floats = npt.NDArray[np.float64]


def rate_score(n_a: Floats, hits_a: Floats, n_b: Floats, hits_b: Floats) -> Floats:
    """Return z."""
    return rate_score_beyond(Moments(n_a, hits_a, hits_a), Moments(n_b, hits_b, hits_b), 0.0)


def rate_score_of(n_a: float, hits_a: float, n_b: float, hits_b: float) -> float:
    """Return z of one look."""
    rate = (hits_a + hits_b) / (n_a + n_b)
    se = math.sqrt(max(rate * (1 - rate), 0.0) * (1 / n_a + 1 / n_b))
    return (hits_a / n_a - hits_b / n_b) / se if se else 0.0


def rate_score_beyond(a: Moments, b: Moments, margin: float) -> Floats:
    """Return z of a difference above the margin."""
    se = compare.standard_error(a, b, "binary")
    ready = (np.minimum(a.n, b.n) >= 1) & (se > 0)
    apart = difference(a, b) - margin
    return np.divide(apart, se, out=np.zeros_like(apart), where=ready)


def mean_score(a: Moments, b: Moments, margin: float = 0.0) -> Floats:
    """Return z."""
    se = compare.standard_error(a, b, "float")
    ready = (np.minimum(a.independent, b.independent) >= compare.BURN_IN["float"]) & (se > 0)
    apart = difference(a, b) - margin
    return np.divide(apart, se, out=np.zeros_like(apart), where=ready)


def mean_reach(a: Moments, b: Moments, z: Any) -> tuple[Any, Any]:
    """Return the interval."""
    se = compare.standard_error(a, b, "float")
    known = (np.minimum(a.independent, b.independent) >= compare.BURN_IN["float"]) & (se > 0)
    half = np.where(known, np.where(known, z, 1.0) * se, np.inf)
    middle = difference(a, b)
    return middle - half, middle + half


def doubt(arm: Moments) -> str | None:
    """Return why an arm's mean is doubtful, if it is."""
    n = float(arm.independent)
    if n < 30:  # noqa: PLR2004
        return "few"
    within = float(arm.within)
    if within <= 0:
        return None
    skewness = float(arm.third) / n / (within / n) ** 1.5
    return "skewed" if n < 25 * skewness**2 else None
