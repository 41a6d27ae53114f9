"""What a declared number of sessions finds: the chance that a difference is found, and the smallest that mostly is."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import boundary

Floats = npt.NDArray[np.float64]


def chance_to_win(
    sessions: int, baseline: float, effect: float, sd: float | None, shares: Floats, max_confidence: float
) -> float:
    """Return the probability that the first variant wins, being better than each of the others, which are equal.

    A pair: reflection principle with drift. All rivals at once: their statistics share the winner's sessions, which
    correlates them; the chance that all of them cross is taken from the normal distribution with that correlation.

    Args:
        sessions: Declared number of sessions, over all variants.
        baseline: Rate or mean of the others.
        effect: By how much the first is better.
        sd: Standard deviation of a count or float; None for a rate.
        shares: Weights of the variants, shape (k,), summing to 1.
        max_confidence: Confidence in percent at which the test stops.
    """
    from scipy.special import ndtr, ndtri

    c = boundary.threshold(1 - max_confidence / 100)
    # Sessions come one by one, and overshoot the boundary a little less often than a continuous path: Siegmund 1985.
    discrete = [c + 0.583 / math.sqrt(sessions * (shares[0] + w)) for w in shares[1:]]
    pairs = [
        _crossing(_drift(sessions, baseline, effect, sd, shares[0], w), at, ndtr)
        for w, at in zip(shares[1:], discrete, strict=True)
    ]
    if len(pairs) == 1:
        return pairs[0]
    quantiles = ndtri(np.clip(pairs, 1e-15, 1 - 1e-15))
    shared = np.array([w / (w + shares[0]) for w in shares[1:]])  # the part of a pair's variance that the winner brings
    x, weight = _nodes()
    inside = ndtr((quantiles + np.sqrt(shared) * x[:, np.newaxis]) / np.sqrt(1 - shared)).prod(axis=1)
    return float((weight * inside).sum() / weight.sum())


def smallest_found(
    sessions: int, baseline: float, sd: float | None, shares: Floats, power: float, max_confidence: float
) -> float:
    """Return the smallest difference that is found with a given chance; infinity if a rate can't grow that much.

    Args:
        sessions: As for `chance_to_win`, as are the next three.
        baseline: Rate or mean of the others.
        sd: Standard deviation.
        shares: Weights of the variants.
        power: The chance.
        max_confidence: Confidence in percent.
    """
    most = 1 - baseline if sd is None else sd * 100
    if most <= 0 or chance_to_win(sessions, baseline, most, sd, shares, max_confidence) < power:
        return math.inf
    low, high = 0.0, most
    while high - low > 1e-9 * most:
        middle = (low + high) / 2
        found = chance_to_win(sessions, baseline, middle, sd, shares, max_confidence) >= power
        low, high = (low, middle) if found else (middle, high)
    return high


@lru_cache(maxsize=1)
def _nodes() -> tuple[Any, Any]:
    """Return points and weights of Gauss-Hermite's rule for an average over a normal distribution."""
    return np.polynomial.hermite_e.hermegauss(60)


def _drift(sessions: int, baseline: float, effect: float, sd: float | None, w_a: float, w_b: float) -> float:
    information = sessions * w_a * w_b / (w_a + w_b)
    if sd is None:
        rate = (w_a * (baseline + effect) + w_b * baseline) / (w_a + w_b)
        sd = math.sqrt(max(rate * (1 - rate), 1e-12))
    return effect * math.sqrt(information) / sd


def _crossing(drift: float, c: float, ndtr: Callable[[float], float]) -> float:
    """Return the probability that a Brownian motion with this drift reaches c on [0, 1]."""
    tail = math.exp(min(2 * c * drift, 700.0)) * float(ndtr(-drift - c)) if drift < 20 else 0.0  # noqa: PLR2004 - certain by then
    return min(1.0, float(ndtr(drift - c)) + tail)
