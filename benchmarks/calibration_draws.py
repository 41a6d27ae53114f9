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


# --- ratios: what is above and below the line, shape (T, 2) ----------------------------------------------------------


def word_errors(*rates: float, own: float = 0.0, silent: float = 0.0) -> Draw:
    """Word errors over words: sessions of 20 words on average, lognormal; a share of them without any.

    Args:
        rates: Errors a word, of each arm.
        own: How much the callers' own rates differ: 0 for not at all, an intraclass correlation.
        silent: Share of sessions without a word.
    """

    def values(rng, arms, units):
        n = len(arms)
        words = rng.poisson(rng.lognormal(np.log(20) - 0.5, 1.0, n)) * (rng.random(n) >= silent)
        rate = np.array(rates)[arms]
        if own:
            strength = 1 / own - 1
            rate = rng.beta(rate * strength, (1 - rate) * strength)
        return np.stack([rng.binomial(words, rate), words], axis=1).astype(float)

    return Draw(rates, values)


def talk_over(*shares: float, alike: float) -> Draw:
    """Seconds of talking over each other over those of the call: lognormal both, their logarithms correlated."""
    sd_x, sd_y = 1.0, 0.7
    # E[x] / E[y] of two lognormals is what is asked for.
    level = np.log(100) + sd_y**2 / 2 - sd_x**2 / 2

    def values(rng, arms, units):
        one, two = rng.normal(size=(2, len(arms)))
        above = level + np.log(np.array(shares)[arms]) + sd_x * (alike * one + np.sqrt(1 - alike**2) * two)
        return np.exp(np.stack([above, np.log(100) + sd_y * one], axis=1))

    return Draw(shares, values)


# --- quantiles: `means` are the true ones -----------------------------------------------------------------------------


def with_quantiles(draw: Draw, *true: float) -> Draw:
    """Return the draw with the true quantile of each arm in place of its means."""
    return Draw(true, draw.values)


def two_bumps(*slow: float) -> Draw:
    """Answer times of about a second, and one in ten of about 10 + `slow` seconds; their 95 % quantile is in the middle of those."""

    def values(rng, arms, units):
        n = len(arms)
        late = rng.normal(10 + np.array(slow)[arms], 2.0)
        return np.where(rng.random(n) < 0.1, late, rng.normal(1, 0.3, n))

    return Draw(tuple(10 + own for own in slow), values)


def rounded_up(draw: Draw) -> Draw:
    """Return the draw in whole seconds."""
    return Draw(draw.means, lambda rng, arms, units: np.ceil(draw.values(rng, arms, units)))


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
