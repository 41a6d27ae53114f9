"""How much longer a test may take, as a frame: under the estimate so far, and under the smallest difference that matters."""

import math

import pandas as pd

from voicelab.analysis.planning import minimum_detectable_effect
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import switched_on
from voicelab.decision.stats.moments import means

_COLUMNS = ["supposed", "difference", "sessions", "sessions_low", "sessions_high", "undecided"]


def outlook_frame(monitor: Monitor) -> pd.DataFrame | None:
    """Return what `Result.outlook` holds; None where the test has stopped, or nothing can be said yet."""
    found = monitor.outlook(smallest_that_matters(monitor))
    if not found:
        return None
    rows = [(own.supposed, own.difference, *own.sessions, own.undecided) for own in found]
    return pd.DataFrame(rows, columns=_COLUMNS).astype(dict.fromkeys(_COLUMNS[2:5], "Int64"))


def smallest_that_matters(monitor: Monitor) -> float | None:
    """Return the smallest difference that matters: the rule's, or what its declared sessions find in 8 of 10 tests."""
    rule = monitor.rule
    if rule.smallest is not None:
        return rule.smallest
    if not rule.has_horizon or rule.max_iterations is None or rule.max_confidence is None or monitor.kind is None:
        return None
    if len(switched_on(monitor.weights)) < 2:  # noqa: PLR2004 - the others were switched on later
        return None
    arms = [arm for arm in monitor.moments if float(arm.n) > 1]
    n = sum(float(arm.n) for arm in arms)
    if not arms:
        return None
    level = sum(float(arm.n) * float(means(arm)) for arm in arms) / n
    # Rates have the spread that their level gives them; means that of the sessions so far.
    sd = None if monitor.kind == "binary" else math.sqrt(sum(float(arm.within) for arm in arms) / n)
    if (sd is None and not 0 < level < 1) or sd == 0:
        return None
    effect = minimum_detectable_effect(
        level, rule.max_iterations, sd=sd, weights=monitor.weights, max_confidence=rule.max_confidence
    )
    return effect if math.isfinite(effect) else None
