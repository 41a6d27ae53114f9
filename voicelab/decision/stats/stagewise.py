"""The estimate of a test that was watched and stopped: median-unbiased, with an interval that belongs to the stop.

A test stops where the difference happens to look large, so the plain estimate at the stop flatters. What ends are
possible is known, though: B crosses the boundary at some moment, or the test ends with B inside. They are put in order
(an earlier crossing is more extreme than a later one, and any crossing more than an end inside), and the drift is
estimated by that under which an end at least as extreme as the one seen has a chance of one half. So the estimate is too high
in half of all tests. Chances of alpha / 2 and 1 - alpha / 2 give an interval, narrower than the one that holds at every look.

With three variants and more each pair ends for itself, where it first crosses its own (unadjusted) threshold, and else with
the test: that is a stop of its own whatever the test goes on to do. Taken at the test's stop instead, where pairs that crossed
long ago have gone on, the estimate is too high in as few as 40 % of tests (50 % at their own crossing).

It flatters less; it doesn't remove the winner's curse: among the tests that found a winner it is still too high on average.
Sources: Siegmund 1978; Tsiatis, Rosner & Mehta 1984; Emerson & Fleming 1990.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.passage import crossing, staying_above

Floats = npt.NDArray[np.float64]

_HALVINGS = 46


class Estimate(NamedTuple):
    """What a stopped test says of a difference, in the outcome's unit.

    Attributes:
        value: As likely too high as too low.
        lower: Lower end of its interval.
        upper: Upper end.
    """

    value: Floats
    lower: Floats
    upper: Floats


# Why two standard errors: the test asks whether two rates could be one, and divides by the pooled error; how far apart they
# are is a matter of the error that each has on its own. With unequal arms these differ for good: by the pooled error alone
# the interval of .05 against .08 at weights .7/.3 covered 91.9 %, and with one error for the stop and the other
# for the scale the estimate of .15 against .35 was too high in 60 % of the tests. So B is measured in its own error, and the
# threshold, which the stop met in the other, is brought to the same unit: 95.2 % and 51 %.
def estimate(difference: Any, se: Any, tested_se: Any, tau: Any, c: Any, crossed: Any, alpha: float) -> Estimate:
    """Return the estimate of a difference where its comparison ended, and the interval that belongs to the stop.

    Where there is no error to measure by yet, it is the difference itself, between infinities.

    Args:
        difference: Difference there, any shape; less the margin if the rule has one, to be added again afterwards.
        se: Its own standard error: Agresti-Caffo's for rates, Welch's for means.
        tested_se: The standard error that z was made with, see `compare.standard_error`.
        tau: Share of the horizon's information there.
        c: The threshold on |z| sqrt(tau).
        crossed: Whether |z| sqrt(tau) reached it; else the test ended, at the horizon or before.
        alpha: Error probability of the interval.
    """
    difference, se, tested_se, tau = np.broadcast_arrays(difference, se, tested_se, tau)
    known = (se > 0) & np.isfinite(se) & (tested_se > 0) & (tau > 0)
    se, tested_se, tau = (np.where(known, part, 1.0) for part in (se, tested_se, tau))
    unit = se * np.sqrt(tau)
    b = np.where(known, difference, 0.0) / se * np.sqrt(tau)
    chances = np.array([0.5, alpha / 2, 1 - alpha / 2]).reshape(3, *[1] * difference.ndim)
    # All three at once: the search costs as much for one number as for some hundred.
    value, lower, upper = _drift(b, tau, c * tested_se / se, crossed, chances) * unit
    return Estimate(
        np.where(known, value, difference)[()], np.where(known, lower, -np.inf)[()], np.where(known, upper, np.inf)[()]
    )


def median_unbiased(b: Any, tau: Any, c: Any, crossed: Any) -> Floats:
    """Return the drift, at tau = 1, that is as likely too high as too low.

    The difference is drift * sqrt(tau) * the standard error that b was made with.

    Args:
        b: z sqrt(tau) where the comparison ended, any shape.
        tau: Share of the horizon's information there, above 0 and at most 1.
        c: The threshold on |b|, above 0.
        crossed: Whether it ended because |b| reached c; else the test ended with b inside, at the horizon or before.

    Returns:
        Drifts of the same shape.
    """
    return _drift(b, tau, c, crossed, 0.5)


def drift_interval(b: Any, tau: Any, c: Any, crossed: Any, alpha: float) -> tuple[Floats, Floats]:
    """Return the drifts between which the true one lies with probability 1 - alpha, where the test has ended.

    Args:
        b: As for `median_unbiased`, as are the next three.
        tau: Share of the horizon's information.
        c: The threshold.
        crossed: Whether |b| reached it.
        alpha: Error probability.
    """
    return _drift(b, tau, c, crossed, alpha / 2), _drift(b, tau, c, crossed, 1 - alpha / 2)


# Why both edges: of a test that ended inside, the paths that went out by the other edge belong to the ends on that side.
# The usual formula for one edge forgets them. Seen from the side where b is positive that costs little (a drift of 2e-4
# at most where c is 1.96 or more, but 0.17 where it is 1), seen from the other side it shrinks nothing (off by 0.25).
# With the images of `passage` nothing is forgotten, and both sides agree.
#
# Where b is beyond c, the last session has carried it over. The path is then taken as one that was stopped at |b|: as if
# the threshold had been there. Stopped at c, it would be read as worse than it was.
def _drift(b: Any, tau: Any, c: Any, crossed: Any, chance: Any) -> Floats:
    """Return the drift under which an end that lies at least as far up has the chance."""
    b, root = np.asarray(b, dtype=np.float64), np.sqrt(tau)
    # In units of the standard deviation at tau, and from the side where b is positive.
    end, edge = np.abs(b) / root, c / root
    over = np.asarray(crossed) | (end >= edge)
    edge = np.where(over, np.maximum(end, edge), edge)
    end = np.where(over, edge, end)
    # Further up from the one side is further down from the other.
    wanted = np.where(b < 0, 1 - chance, chance)

    def too_high(drift: Floats) -> Any:
        return crossing(drift, edge, edge, 1.0) + staying_above(drift, end, edge) > wanted

    found = _root(too_high, end + 0.0 * wanted)
    drift: Floats = np.where(b < 0, -found, found) / root
    return drift[()]


def _root(too_high: Callable[[Floats], Any], near: Floats) -> Floats:
    """Return where a rising function passes what is wanted: a bracket that is doubled until it holds it, then bisection."""
    reach = 4.0
    while np.any(too_high(near - reach)) or not np.all(too_high(near + reach)):
        reach *= 2
    low, high = near - reach, near + reach
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = too_high(middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return (low + high) / 2
