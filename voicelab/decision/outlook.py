"""What a test is expected to do: how much longer it may take, under the estimate so far and under an effect that matters.

Reading it changes no validity: it says nothing that the evidence doesn't hold, and nothing stops by it.
"""

import math
from typing import NamedTuple

import numpy as np

from voicelab.decision.rules import switched_on
from voicelab.decision.state import State
from voicelab.decision.stats import compare, detectable
from voicelab.decision.stats.forecast import Forecast
from voicelab.decision.stats.moments import means

MOSTLY = 0.8
"""Chance with which the declared sessions find the difference that is taken to matter where the rule names none."""


class Outlook(NamedTuple):
    """How much longer a test may take if a difference is the true one.

    Attributes:
        supposed: `so far`: the estimate so far, with its uncertainty; `matters`: the smallest difference that matters.
        difference: That difference, of the leader and its hardest rival; positive where the leader is ahead.
        sessions: Sessions still to come, over all variants: median, and the range of 8 of 10; None beyond the test's end.
        undecided: Chance that the test ends without a decision; without a horizon, within a hundred times the sessions so far.
    """

    supposed: str
    difference: float
    sessions: tuple[int | None, int | None, int | None]
    undecided: float


def outlook_of(monitor: State, smallest: float | None) -> list[Outlook]:
    """Return how much longer a test may take; empty where it has stopped, or nothing can be said yet.

    Args:
        monitor: The test.
        smallest: The smallest difference that matters, above 0; None for no such outlook.
    """
    if monitor.stopped or monitor.rule.max_confidence is None or monitor.leader is None or monitor.evidence is None:
        return []
    if len(monitor.weights) < 2:  # noqa: PLR2004 - nothing to compare
        return []
    leader, rival = deciding_pair(monitor)
    strata = monitor.strata(leader, rival)
    contrast = compare.contrast(strata, monitor.kind or "float")
    if not compare.is_burnt_in(strata, 2) or not contrast.se or not monitor.evidence.by_moments:
        return []
    alpha = 1 - monitor.rule.max_confidence / 100
    sign = 1.0 if monitor.rule.direction == "maximize" else -1.0
    # All sessions count towards the test's end, those of this pair alone towards its evidence.
    share = sum(float(monitor.counts[arm]) for arm in (leader, rival)) / max(1, monitor.sessions)
    supposed = [("so far", None)] + ([] if smallest is None else [("matters", sign * smallest)])
    found = []
    for name, difference in supposed:
        forecast = monitor.evidence.forecast(strata, (leader, rival), alpha, difference)
        shown = float(contrast.difference) if difference is None else difference
        found.append(Outlook(name, shown, _of_all(forecast, share, monitor), forecast.undecided))
    return found


def _of_all(forecast: Forecast, share: float, monitor: State) -> tuple[int | None, int | None, int | None]:
    ends = forecast.median, forecast.low, forecast.high
    if monitor.rule.has_horizon:
        return ends
    return tuple(None if end is None else round(end / max(share, 1e-9)) for end in ends)  # type: ignore[return-value]  # three


def smallest_that_matters(monitor: State) -> float | None:
    """Return the smallest difference that matters: the rule's, or what its declared sessions find in 8 of 10 tests.

    None where neither is known.
    """
    rule, kind = monitor.rule, monitor.kind
    if rule.smallest is not None:
        return rule.smallest
    if not rule.has_horizon or rule.max_iterations is None or rule.max_confidence is None or kind is None:
        return None
    shares = np.array(list(switched_on(monitor.weights).values()))
    arms = [arm for arm in monitor.moments if float(arm.n) > 1]
    if not arms or len(shares) < 2:  # noqa: PLR2004 - the others were switched on later
        return None
    n = sum(float(arm.n) for arm in arms)
    level = sum(float(arm.n) * float(means(arm)) for arm in arms) / n
    # Rates have the spread that their level gives them; means that of the sessions so far.
    sd = None if kind == "binary" else math.sqrt(sum(float(arm.within) for arm in arms) / n)
    if (sd is None and not 0 < level < 1) or sd == 0:
        return None
    effect = detectable.smallest_found(rule.max_iterations, level, sd, shares, MOSTLY, rule.max_confidence)
    return effect if math.isfinite(effect) else None


def deciding_pair(monitor: State) -> tuple[int, int]:
    """Return the leader, and the rival that it is hardest to beat; the default where that is the criterion."""
    leader = monitor.variants.index(monitor.leader) if monitor.leader else 0
    rivals = [arm for arm in range(len(monitor.variants)) if arm != leader]
    if monitor.rule.criterion == "vs_default" and leader != monitor.default_arm:
        return leader, monitor.default_arm
    return leader, max(rivals, key=lambda arm: float(monitor.pairs[leader, arm]))
