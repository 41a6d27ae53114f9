"""What sessions bring in the cells of `calibration`: outcomes of every kind, with and without a difference.

A `Draw` makes the values of one test's sessions, given their arms. What it says of itself, its arms' true means and who
may rightly be named, is what the test is judged by.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Values = Callable[[np.random.Generator, Ints, Ints | None], Floats]
"""Makes the values of sessions in order, given their arms and, where callers call again, their callers."""


@dataclass(frozen=True)
class Draw:
    """Outcomes of sessions.

    Attributes:
        means: True mean of each arm; a drift of the level is common to all.
        values: Makes them.
        right: Arms that may be named as the winner.
    """

    means: tuple[float, ...]
    values: Values
    right: tuple[int, ...] = ()


def best_of(draw: Draw, *, lowest: bool = False) -> Draw:
    """Return the draw with its best arm as the one to be named."""
    best = (np.argmin if lowest else np.argmax)(draw.means)
    return Draw(draw.means, draw.values, (int(best),))


def rates(*means: float, drift: float = 0.0, right: tuple[int, ...] = ()) -> Draw:
    """Successes; the level rises by `drift` over the test."""
    levels = np.array(means)

    def values(rng, arms, units):
        return (rng.random(len(arms)) < levels[arms] + _time(arms) * drift) * 1.0

    return Draw(means, values, right)


def normal(*means: float, sd: tuple[float, float] = (1.0, 1.0), drift: float = 0.0) -> Draw:
    """Normal values, with a standard deviation of each arm, and a level that rises by `drift`."""
    levels = np.array(means)

    def values(rng, arms, units):
        return levels[arms] + _time(arms) * drift + np.array(sd)[arms] * rng.normal(size=len(arms))

    return Draw(means, values)


def _time(arms: Ints) -> Floats:
    return np.arange(len(arms)) / max(1, len(arms) - 1)


def poisson(*means: float) -> Draw:
    """Counts."""
    return Draw(means, lambda rng, arms, units: rng.poisson(np.array(means)[arms]) * 1.0)


def negative_binomial(*means: float, size: float) -> Draw:
    """Counts of variance mean + mean^2 / size."""

    def values(rng, arms, units):
        return rng.negative_binomial(size, size / (size + np.array(means)[arms])) * 1.0

    return Draw(means, values)


def lognormal(*means: float, log_sd: tuple[float, ...]) -> Draw:
    """Durations or costs: lognormal, with a standard deviation of the logarithm of each arm."""
    spread = np.array(log_sd)
    centre = np.log(np.array(means)) - spread**2 / 2
    return Draw(means, lambda rng, arms, units: rng.lognormal(centre[arms], spread[arms]))


def mostly_zero(*means: float) -> Draw:
    """95 % zeros; the rest lognormal with a standard deviation of the logarithm of 1."""
    level = np.array(means) / 0.05 / np.exp(0.5)
    return Draw(
        means, lambda rng, arms, units: (rng.random(len(arms)) < 0.05) * level[arms] * rng.lognormal(0, 1, len(arms))
    )


_SATISFACTION = np.array([0.06, 0.07, 0.12, 0.30, 0.45])
"""Shares of the marks 1 to 5."""


def satisfaction(*lift: float) -> Draw:
    """Marks from 1 to 5, mostly good; a share `lift` of each arm's lower marks is turned into fives."""
    marks = np.arange(1.0, 6.0)
    base = float(_SATISFACTION @ marks)
    means = tuple(base + share * (5 - base) for share in lift)

    def values(rng, arms, units):
        drawn = marks[np.searchsorted(np.cumsum(_SATISFACTION)[:-1], rng.random(len(arms)), side="right")]
        return np.where(rng.random(len(arms)) < np.array(lift)[arms], 5.0, drawn)

    return Draw(means, values)


def betas(*means: float, strength: tuple[float, float]) -> Draw:
    """Values from 0 to 1: beta, with a + b of each arm: small for values near both ends, large for those around the mean."""
    a = np.array(means) * np.array(strength)
    b = np.array(strength) - a
    return Draw(means, lambda rng, arms, units: rng.beta(a[arms], b[arms]))


def steady_or_rare(*means: float) -> Draw:
    """The first arm always has its mean, the second 1 now and then and else 0: shapes as unlike as can be."""

    def values(rng, arms, units):
        return np.where(arms == 0, means[0], (rng.random(len(arms)) < means[1]) * 1.0)

    return Draw(means, values)


# --- callers who call again: values of one caller are alike, with an intraclass correlation --------------------------

ALIKE = 0.4
"""The intraclass correlation of the calls of one caller."""


def rates_of_callers(*means: float) -> Draw:
    """Successes whose rate is each caller's own: beta-binomial."""
    strength = 1 / ALIKE - 1

    def values(rng, arms, units):
        levels = np.array(means)[_arm_of_caller(arms, units)]
        own = rng.beta(levels * strength, (1 - levels) * strength)
        return (rng.random(len(arms)) < own[units]) * 1.0

    return Draw(means, values)


def normal_of_callers(*means: float) -> Draw:
    """Normal values of variance 1 with a level that is each caller's own."""

    def values(rng, arms, units):
        own = np.sqrt(ALIKE) * rng.normal(size=int(units.max()) + 1)
        return np.array(means)[arms] + own[units] + np.sqrt(1 - ALIKE) * rng.normal(size=len(arms))

    return Draw(means, values)


def _arm_of_caller(arms: Ints, units: Ints) -> Ints:
    found = np.zeros(int(units.max()) + 1, dtype=np.int64)
    found[units] = arms
    return found


# --- values that are missing -----------------------------------------------------------------------------------------


def missing(draw: Draw, shares: tuple[float, float], *, failures_only: bool = False) -> Draw:
    """Have a share of each arm's values missing (NaN): of all, or of its failures alone."""

    def values(rng, arms, units):
        found = draw.values(rng, arms, units)
        lost = rng.random(len(arms)) < np.array(shares)[arms]
        return np.where(lost & ((found == 0) | (not failures_only)), np.nan, found)

    return Draw(draw.means, values, draw.right)
