"""A declared horizon, watched continuously: the group-sequential boundary of O'Brien-Fleming shape.

With z_t the statistic of a comparison and tau_t its share of the information that the horizon will bring, B_t = z_t
sqrt(tau_t) behaves like Brownian motion on [0, 1]. The p-value after t sessions is the chance that |B| would have been as
large as its running maximum anywhere on the way to the horizon. It is valid at every look.

Sources: the reflection principle for sup |B|; O'Brien & Fleming 1979; Jennison & Turnbull, Group Sequential Methods.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ODD = tuple((2.0 * at + 1, (-1.0) ** at) for at in range(8))
_ROOT = math.sqrt(2)
_SMALL = 1.0
_CERTAIN = 0.2


# Why one number, the running maximum of |B|, is enough: a fixed-sample z test asks how far the statistic is now, and each
# further look is another chance to be far by luck. Here every look is in the reckoning already: p is the chance that B
# would have come as far at ANY moment up to the horizon. So stopping at the first moment costs nothing, and looking
# more often than once a session couldn't either.
#
# Why B and not z: z sqrt(tau) has independent increments whose variance is the information that each session adds, as
# Brownian motion has, whatever the outcome's distribution (its sums are normal by the central limit theorem, which is
# why counts and floats have a burn-in, see `compare.BURN_IN`). The boundary |B| >= c asks |z| >= c / sqrt(tau): hardly
# to be reached early, when estimates are wild, and close to the fixed-sample 1.96 at the end (2.24). That is the shape
# of O'Brien & Fleming, and the reason why little power is lost.
def crossing_p_value(c: Any) -> Floats:
    """Return the probability that |B| exceeds c somewhere on [0, 1], for a standard Brownian motion.

    The alternating sum over normal tails converges fast for large c, its Fourier dual for small c.

    Args:
        c: Running maxima of |B|, any shape, from 0 on.

    Returns:
        p-values of the same shape; 1 at c = 0.
    """
    from scipy.special import erfc

    c = np.asarray(c, dtype=np.float64)
    # Each series is evaluated where it converges, and elsewhere at a harmless number: no branch for each element.
    # Both series are exact; eight terms are enough only on their own side of 1, where the ninth is below a float's reach.
    large, small = np.maximum(c, _SMALL), np.clip(c, _CERTAIN, _SMALL)
    tails, inside = np.zeros_like(c), np.zeros_like(c)
    # Term by term, so that `p_value_of` adds up in the same order.
    for odd, sign in _ODD:
        tails = tails + sign * erfc(odd * large / _ROOT)
        inside = inside + sign / odd * np.exp(-((math.pi * odd / small) ** 2) / 8)
    p = np.where(c >= _SMALL, 2 * tails, 1 - 4 / math.pi * inside)
    # Below 0.2 the probability to stay inside is under 1e-12.
    return np.where(c < _CERTAIN, 1.0, np.clip(p, 0.0, 1.0))


def p_value_of(c: float) -> float:
    """Return `p_value` of one number, to the last digit, at a tenth of its cost."""
    from scipy.special import erfc

    if c < _CERTAIN:
        return 1.0
    total = 0.0
    if c >= _SMALL:
        terms = erfc(np.array([odd * c / _ROOT for odd, _ in _ODD])).tolist()
        for (_, sign), term in zip(_ODD, terms, strict=True):
            total += sign * term
        return min(1.0, max(0.0, 2 * total))
    terms = np.exp(np.array([-((math.pi * odd / c) * (math.pi * odd / c)) / 8 for odd, _ in _ODD])).tolist()
    for (odd, sign), term in zip(_ODD, terms, strict=True):
        total += sign / odd * term
    return min(1.0, max(0.0, 1 - 4 / math.pi * total))


def thresholds(alphas: Any) -> Floats:
    """Return, for each alpha, the c at which `p_value(c)` is alpha; any shape, by bisection."""
    alphas = np.asarray(alphas, dtype=np.float64)
    low, high = np.full(alphas.shape, _CERTAIN), np.full(alphas.shape, 10.0)
    # Bisection, since there is no inverse in closed form and p falls strictly: it can't miss, nor leave the bracket.
    for _ in range(44):  # down to 1e-12, below what a float can tell apart
        middle = (low + high) / 2
        above = crossing_p_value(middle) > alphas
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    return (low + high) / 2


@lru_cache(maxsize=64)
def threshold(alpha: float) -> float:
    """Return the c at which `p_value(c)` is alpha; 2.2414 for 0.05.

    Args:
        alpha: Error probability, between 0 and 1.
    """
    return float(thresholds(alpha))


def share_of(information: Any, w_a: float, w_b: float, horizon: int) -> Floats:
    """Return tau: the share of the horizon's information that two arms hold, at most 1.

    Args:
        information: n_a n_b / (n_a + n_b) of their sessions, added up over epochs; any shape.
        w_a: Weight of the first arm; the weights of all arms sum to 1.
        w_b: Weight of the second arm.
        horizon: Declared number of sessions, over all arms.
    """
    # The horizon's information is what the declared sessions bring if they are shared out as the weights say. Chance may
    # share them out better than that: beyond 1 Brownian motion on [0, 1] says nothing any more, so tau stops there.
    share: Floats = np.minimum(1.0, np.asarray(information, dtype=np.float64) / (horizon * w_a * w_b / (w_a + w_b)))
    return share


def repeated_interval(estimate: float, se: float, tau: float, alpha: float) -> tuple[float, float]:
    """Return the interval that holds at every look, with probability 1 - alpha.

    Args:
        estimate: Estimate of a difference, a mean or the logarithm of a ratio.
        se: Its standard error (for differences of rates, Agresti-Caffo's).
        tau: Share of the horizon's information.
        alpha: Error probability.
    """
    if tau <= 0 or not math.isfinite(se):
        return -math.inf, math.inf
    # The differences d that |B| would not have refused now: |estimate - d| / se * sqrt(tau) < c, solved for d.
    half = threshold(alpha) / math.sqrt(tau) * se
    return estimate - half, estimate + half
