"""Evidence without a horizon: e-processes, whose reciprocal is a p-value at every look, for as long as one likes.

An e-process bets against "the variants are equal" and multiplies its stake; were they equal, it would exceed 1/alpha at
any time with probability alpha at most (Ville's inequality).

Binary outcomes: each session's bet is the ratio of what the arm's own past predicts to what the weights' mixture of all
arms predicts. Exact, also under base rates that drift and weights that change in a way known beforehand. (The idea of
the 2x2 e-variables of Turner & Gruenwald 2023, with the block replaced by the randomisation weights.)
Counts and floats: the g-prior t statistic and a normal mixture over Welch's statistic, the smaller of both.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from voicelab.stats.compare import Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

PRIORS = (10.0, 50.0, 250.0, 1000.0)
"""Sessions that the common rate counts for when an arm's rate is predicted; the e-values of all four are averaged."""
BURN_IN = 25
"""Sessions an arm needs before its mean is judged."""
EXPECTED_STOP = 1000
"""Sessions at which a test without a horizon is tuned to be most sensitive."""


def log_bets(own: Ints, hits: Floats, n: Floats, s: Floats, weights: Floats, prior: float) -> tuple[Floats, Floats]:
    """Return the log of each session's bet, and the rates that were predicted before it.

    Args:
        own: The arm of each session, shape (T,).
        hits: Its outcome, 0.0 or 1.0, shape (T,).
        n: Sessions of each arm before it, shape (T, k).
        s: Successes of each arm before it, shape (T, k).
        weights: Probability of each arm, shape (k,) or (T, k).
        prior: Sessions that the common rate counts for.

    Returns:
        Log bets of shape (T,), predicted rates of shape (T, k).
    """
    common = ((s.sum(axis=1) + 0.5) / (n.sum(axis=1) + 1))[:, np.newaxis]
    rates = (s + prior * common) / (n + prior)
    mixture = (rates * weights).sum(axis=1)
    predicted = np.take_along_axis(rates, own[:, np.newaxis], axis=1)[:, 0]
    hit = hits > 0
    return np.log(np.where(hit, predicted, 1 - predicted) / np.where(hit, mixture, 1 - mixture)), rates


def before(own: Ints, hits: Floats, n: Floats, s: Floats) -> tuple[Floats, Floats]:
    """Return sessions and successes of each arm before each session, shape (T, k), given those before the first."""
    mine = np.eye(len(n))[own]
    won = mine * hits[:, np.newaxis]
    return n + np.cumsum(mine, axis=0) - mine, s + np.cumsum(won, axis=0) - won


def all_equal(arms: Ints, hits: Floats, weights: Floats, priors: tuple[float, ...] = PRIORS) -> Floats:
    """Return log E against "all variants have the same rate", after each session.

    Args:
        arms: Arm of each session, shape (T,).
        hits: Its outcome, 0.0 or 1.0, shape (T,).
        weights: Probability of each arm, shape (k,) or (T, k), known before each session.
        priors: Sessions that the common rate counts for; the e-values are averaged.
    """
    zero = np.zeros(np.shape(weights)[-1])
    n, s = before(arms, hits, zero, zero)
    paths = [np.cumsum(log_bets(arms, hits, n, s, weights, prior)[0]) for prior in priors]
    return mean_of_e(np.stack(paths))


def mean_of_e(log_e: Floats) -> Floats:
    """Return the log of the average of e-values, over the first axis of their logs."""
    highest = log_e.max(axis=0)
    finite = np.where(np.isfinite(highest), highest, 0.0)
    # One after the other: `sum` orders eight terms and more differently for one session than for many.
    total = np.zeros_like(finite)
    for part in np.exp(log_e - finite):
        total = total + part
    with np.errstate(divide="ignore"):
        average: Floats = finite + np.log(total) - math.log(len(log_e))
    return average


class PairBets:
    """The exact binary e-process between two arms, in both directions, carried from session to session.

    The bet of a direction is placed only while the past says that direction.
    """

    def __init__(self) -> None:
        self.n = np.zeros(2)
        self.s = np.zeros(2)
        # One row for each direction: "the first is better", "the second is better".
        self.log_e = np.zeros((2, len(PRIORS)))

    def extend(self, second: Ints, hits: Floats, weights: Floats) -> Floats:
        """Take sessions of the two arms in order.

        Args:
            second: 1 for a session of the second arm, 0 for the first, shape (T,).
            hits: Outcomes, shape (T,).
            weights: Probabilities of the two arms among the two, shape (2,) or (T, 2).

        Returns:
            Log E of both directions after each session, shape (2, T).
        """
        n, s = before(second, hits, self.n, self.s)
        paths = np.empty((len(PRIORS), 2, len(second)))
        for at, prior in enumerate(PRIORS):
            bets, rates = log_bets(second, hits, n, s, weights, prior)
            for direction, placed in enumerate((rates[:, 0] > rates[:, 1], rates[:, 1] > rates[:, 0])):
                steps = np.where(placed, bets, 0.0)
                # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
                steps[0] += self.log_e[direction, at]
                paths[at, direction] = np.cumsum(steps)
        self.log_e = paths[:, :, -1].T.copy()
        drawn = np.eye(2)[second]
        self.n = self.n + drawn.sum(axis=0)
        self.s = self.s + (drawn * hits[:, np.newaxis]).sum(axis=0)
        return mean_of_e(paths)


def prior_weight(expected_stop: float) -> float:
    """Return g, the prior's weight in sessions that is most sensitive at an expected stop (5 %)."""
    return 0.1218 * expected_stop


def mean_log_e(a: Moments, b: Moments, g: float, margin: float = 0.0) -> tuple[Floats, Floats]:
    """Return log E against "a is not above b by more than the margin", and the same the other way round.

    The two-sided e-value is the smaller of the g-prior's with the pooled variance and a normal mixture over Welch's
    statistic. The direction is brought in by giving the prior one side alone, which multiplies by 2 Phi(z sqrt(n / (n +
    g))): the e-values of both directions have the two-sided one as their average.

    Args:
        a: Moments of the first arm, arrays of one shape.
        b: Moments of the second arm.
        g: Weight of the prior in sessions.
        margin: Smallest superiority that counts.

    Returns:
        Log E of both directions, of that shape; 0 during the burn-in and without variation.
    """
    (n_a, sum_a, squares_a), (n_b, sum_b, squares_b) = a, b
    n = n_a + n_b
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_a, mean_b = sum_a / n_a, sum_b / n_b
        within_a = np.maximum(squares_a - sum_a * mean_a, 0.0)
        within_b = np.maximum(squares_b - sum_b * mean_b, 0.0)
        pooled = (within_a + within_b) / (n - 2) * (1 / n_a + 1 / n_b)
        welch = within_a / (n_a - 1) / n_a + within_b / (n_b - 1) / n_b
    ready = (np.minimum(n_a, n_b) >= BURN_IN) & (pooled > 0) & (welch > 0)
    log_e = np.zeros((2, *np.shape(n)))
    n, pooled, welch = (np.asarray(part)[ready] for part in (n, pooled, welch))
    difference = np.asarray(mean_a - mean_b)[ready]
    shifts = (difference - margin, -difference - margin)
    two_sided = None
    for direction, shifted in enumerate(shifts):
        if two_sided is None or margin:
            two_sided = _two_sided_log_e(shifted**2, n, pooled, welch, g)
        z = shifted / np.sqrt(np.maximum(welch, pooled))
        log_e[direction, ready] = two_sided + math.log(2) + log_ndtr(z * np.sqrt(n / (n + g)))
    return log_e[0], log_e[1]


def _two_sided_log_e(squared: Floats, n: Floats, pooled: Floats, welch: Floats, g: float) -> Floats:
    shrink = g / (g + n)
    v = n - 2
    t2 = squared / pooled / v
    by_t = (v + 1) / 2 * (np.log1p(t2) - np.log1p(shrink * t2))
    by_welch = 0.5 * squared / welch * n / (n + g)
    log_e: Floats = 0.5 * np.log(shrink) + np.minimum(by_t, by_welch)
    return log_e


def interval_factor(n: Any, g: float, alpha: float) -> Floats:
    """Return by how many standard errors a confidence sequence reaches to each side, after n sessions of the pair.

    Inverts the two-sided normal mixture: sqrt((n + g) / n (2 log(1 / alpha) + log((n + g) / g))). Source: Robbins 1970.
    """
    n = np.asarray(n, dtype=np.float64)
    with np.errstate(divide="ignore"):
        factor: Floats = np.sqrt((n + g) / n * (2 * math.log(1 / alpha) + np.log((n + g) / g)))
    return factor
