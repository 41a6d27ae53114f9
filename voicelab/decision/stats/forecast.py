"""How much longer? The sessions that a test is expected to need still, and the chance that it ends undecided.

Asked for a comparison as it stands, and a drift: how fast its evidence is supposed to grow from here. That may be known
(the difference that one cares for), or be the estimate so far, which is itself uncertain: then the drift is taken as
normal around the estimate with the estimate's own variance (all that the sessions tell; no prior), and the range covers
both what chance will do and how wrong the estimate may be.

A forecast reads the test and changes nothing in it: whoever looks at one may stop or go on by the rule as before.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.passage import crossing

Floats = npt.NDArray[np.float64]

QUANTILES = (0.5, 0.1, 0.9)
"""Shares of all continuations that are decided by the median, by the low and by the high number of sessions."""
LIMIT = 100
"""How many times the sessions so far a test without a horizon is followed."""

_BETWEEN_LOOKS = 0.5826
_PATHS = 2000
_STEPS = 96
_SEED = 17


class Forecast(NamedTuple):
    """When a comparison will be decided, in sessions still to come; None where that is beyond the test's end.

    Attributes:
        median: As likely to be decided before as after.
        low: Decided by then with a chance of 10 %.
        high: Decided by then with a chance of 90 %.
        undecided: Chance that the test ends without a decision, 0 to 1.
    """

    median: int | None
    low: int | None
    high: int | None
    undecided: float


def drift_of(difference: float, se: float, tau: float) -> float:
    """Return the drift, at tau = 1, that a true difference gives.

    Args:
        difference: The true difference that is supposed.
        se: Standard error of the difference at present, above 0.
        tau: Share of the horizon's information at present, above 0.
    """
    return difference / (se * math.sqrt(tau))


# What is to come is a Brownian motion that starts where B is now, with an edge on either side: a new test with a shorter
# horizon and lopsided edges, for which `crossing` has the chance of a decision by any time. Its inverse is sought.
#
# Between two looks B may have been over the edge and back, which nobody sees. By a well-known correction the edge lies
# .5826 standard deviations of one session's step further off. Source: Chernoff 1965; Siegmund 1985, chapter X.
def with_horizon(b: float, tau: float, c: float, horizon: int, n: int, drift: float | None = None) -> Forecast:
    """Return the forecast of a comparison that has a declared horizon.

    Args:
        b: B at present.
        tau: Share of the horizon's information at present.
        c: The threshold on |B|, above 0.
        horizon: Declared number of sessions.
        n: Sessions so far.
        drift: Drift at tau = 1, see `drift_of`; None for the estimate so far, with its uncertainty.
    """
    if abs(b) >= c:
        return Forecast(0, 0, 0, 0.0)
    left = horizon - n
    if left <= 0 or tau >= 1 or (drift is None and tau <= 0):
        # Over, or nothing is known yet.
        return Forecast(None, None, None, 1.0)
    # Information grows as it has grown so far: with missing values that is slower than declared.
    pace = tau / n if tau > 0 and n > 0 else 1 / horizon
    left = min(left, math.ceil((1 - tau) / pace))
    uncertainty = 0.0 if drift is not None else 1 / tau
    drift = b / tau if drift is None else drift
    beyond = _BETWEEN_LOOKS * math.sqrt(pace)
    up, down = c - b + beyond, c + b + beyond

    def decided(sessions: Any) -> Floats:
        time = np.minimum(sessions * pace, 1 - tau)
        # Either edge: the lower one is the upper one of the mirror image.
        return crossing(drift, up, down, time, uncertainty) + crossing(-drift, down, up, time, uncertainty)

    end = float(decided(float(left)))
    # To the session: the fewest by which the chance is as large as wanted.
    low, high = np.zeros(len(QUANTILES)), np.full(len(QUANTILES), float(left))
    while np.any(high - low > 1):
        # Rounded up, so that 0 sessions are never asked about.
        middle = np.ceil((low + high) / 2)
        enough = decided(middle) >= QUANTILES
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    median, early, late = (
        int(sessions) if share <= end else None for sessions, share in zip(high, QUANTILES, strict=True)
    )
    return Forecast(median, early, late, max(0.0, 1.0 - end))


# Without a horizon the threshold grows with the sessions, and nothing is closed any more. A few thousand paths are followed
# on a grid that widens as they go; always the same random numbers, so that a forecast moves only when its test does. From
# one point of the grid to the next the chance to have been over the threshold in between is known (Brownian bridge
# against a straight edge): each path carries its chance to be undecided still, which is surer than to throw dice for it.
def without_horizon(
    estimate: float,
    se: float,
    n: int,
    g: float,
    alpha: float,
    difference: float | None = None,
    log_e: float | None = None,
) -> Forecast:
    """Return the forecast of a comparison without a horizon, watched by the mixture of `eprocess.confidence_sequence`.

    It is followed up to `LIMIT` times the sessions so far: None and `undecided` refer to that end. The exact bets on binary
    outcomes are slower than the mixture; with `log_e` the forecast of them is about right, if still a little early.

    Args:
        estimate: Difference at present.
        se: Its standard error.
        n: Sessions that it rests on.
        g: Weight of the prior in sessions.
        alpha: Error probability.
        difference: The true difference that is supposed; None for the estimate so far, with its uncertainty.
        log_e: Evidence at present, the logarithm of both directions' average, if it isn't that of the mixture.
    """
    if n <= 0 or not 0 < se < math.inf:
        return Forecast(None, None, None, 1.0)
    # In units in which a session adds 1 to the variance: the sum of so many steps, and its threshold.
    now = estimate / se * math.sqrt(n)
    wanted = math.log(1 / alpha)
    if log_e is not None:
        # Bets that had to learn the rates have earned less than the mixture does on what was seen. What they are behind
        # stays lost: it is added to what the mixture has to reach. They go on learning and lose a little more: of tests on
        # rates 37 to 38 % were decided by the median told (31 without this), 83 to 86 % by the high number.
        wanted += (math.log(g / (g + n)) + now**2 / (n + g)) / 2 - log_e
    if abs(now) >= float(_edge(np.array(float(n)), g, wanted)):
        return Forecast(0, 0, 0, 0.0)
    times = np.geomspace(n, LIMIT * n, _STEPS + 1)
    steps, spare = _dice()
    # What is uncertain is the drift per session, by 1 / n.
    drift = now / n + spare / math.sqrt(n) if difference is None else difference / (se * math.sqrt(n)) + 0.0 * spare
    gaps = np.diff(times)
    path = np.empty((len(times), len(spare)))
    path[0] = now
    np.cumsum(steps * np.sqrt(gaps)[:, np.newaxis] + gaps[:, np.newaxis] * drift, axis=0, out=path[1:])
    path[1:] += now
    edge = (_edge(times, g, wanted) + _BETWEEN_LOOKS)[:, np.newaxis]
    undecided = np.ones(len(spare))
    for side in (edge - path, edge + path):
        room = np.maximum(side, 0.0)
        over = np.exp(-2 * room[:-1] * room[1:] / gaps[:, np.newaxis])
        undecided = undecided * np.cumprod(1 - over, axis=0)
    decided = np.concatenate([[0.0], 1 - undecided.mean(axis=1)])
    # Between the points of the grid: in proportion.
    median, early, late = (
        math.ceil(np.interp(share, decided, times) - n) if share <= decided[-1] else None for share in QUANTILES
    )
    return Forecast(median, early, late, float(1 - decided[-1]))


def _edge(n: Floats, g: float, wanted: float) -> Floats:
    """Return how large a sum of n steps of variance 1 must be for the mixture's log E to be what is wanted."""
    edge: Floats = np.sqrt(np.maximum((n + g) * (2 * wanted + np.log((n + g) / g)), 0.0))
    return edge


@lru_cache(maxsize=1)
def _dice() -> tuple[Floats, Floats]:
    """Return standard normals: a step for each gap of the grid and each path, and one more for each path."""
    random = np.random.default_rng(_SEED)
    half = random.standard_normal((_STEPS + 1, _PATHS // 2))
    # Each path with its mirror image, which takes a good part of the chance out of the result.
    both = np.concatenate([half, -half], axis=1)
    return both[1:], both[0]


# A guardrail is held when evidence against "worse by the margin" is large, and with it the average of both sides' (see
# `closed.pairs_by_e`). In the middle of its range, unharmed, either side moves away from its margin at the same pace, and
# what lifts the one side lowers the other. Paths on a grid fine enough to forget what happens between its points.
_PACES = (0.02, 40.0)
_GRID = 600
_GUARDED_PATHS = 4000


def sessions_until_held(margin: float, sd: float, share: float, power: float, g: float, alpha: float) -> float:
    """Return how many sessions of two arms it takes until a guardrail that isn't harmed is known to be held.

    Args:
        margin: By how much it may be worse, above 0.
        sd: Standard deviation of the outcome, above 0.
        share: Share of the first arm among the two.
        power: Chance that it is known by then.
        g: Weight of the evidence's prior in sessions.
        alpha: Error probability.
    """
    from scipy.special import log_ndtr

    pace = margin / sd * math.sqrt(share * (1 - share))
    # Where the evidence is expected to be about large enough.
    scale = (2 * math.log(2 / alpha) + math.log1p(2 * math.log(2 / alpha) / pace**2 / g)) / pace**2
    times = scale * np.geomspace(*_PACES, _GRID)
    random = np.random.default_rng(_SEED)
    half = random.standard_normal((_GRID, _GUARDED_PATHS // 2))
    steps = np.concatenate([half, -half], axis=1) * np.sqrt(np.diff(times, prepend=0.0))[:, np.newaxis]
    chance = np.cumsum(steps, axis=0)
    n = times[:, np.newaxis]
    sides = []
    for side in (pace * n + chance, pace * n - chance):
        z = side / np.sqrt(n)
        sides.append(
            0.5 * np.log(g / (g + n)) + 0.5 * z**2 * n / (n + g) + math.log(2) + log_ndtr(z * np.sqrt(n / (n + g)))
        )
    wanted = -math.log(alpha)
    enough = np.maximum.accumulate(sides[0], axis=0) >= wanted
    enough &= np.maximum.accumulate(np.logaddexp(*sides) - math.log(2), axis=0) >= wanted
    return float(np.interp(power, enough.mean(axis=1), times))
