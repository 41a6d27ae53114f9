"""The variants of a test, one row each: sessions, mean, and the intervals of the mean."""

import math

import numpy as np
import pandas as pd

from voicelab.analysis.comparing import finite
from voicelab.analysis.sessions import TestData
from voicelab.decision.monitor import Monitor
from voicelab.decision.stats import fixed
from voicelab.decision.stats.moments import Moments, means

_NONE = (None, None)


def variant_frame(monitor: Monitor, data: TestData) -> pd.DataFrame:
    """Return one row a variant; columns as `Result.variants` says."""
    rows = []
    total = max(1, int(monitor.counts.sum()))
    promised = monitor.ratio.promised
    for arm, (name, weight) in enumerate(monitor.weights.items()):
        moments = monitor.moments[arm]
        mean, one_look, every_look = _mean(monitor, data, arm, moments)
        plain = data.kind == "binary" and data.probabilities is None
        rows.append(
            {
                "variant": name,
                "sessions": int(monitor.counts[arm]),
                "weight": None
                if not monitor.weights_known
                else float(promised[arm] / promised.sum())
                if len(data.epochs) or data.probabilities is not None
                else weight,
                "share": monitor.counts[arm] / total,
                "n": int(moments.n) if data.probabilities is None else None,
                "conversions": int(moments.total) if plain else None,
                "mean": mean,
                "mean_cs_lower": every_look[0],
                "mean_cs_upper": every_look[1],
                "mean_ci_lower": one_look[0],
                "mean_ci_upper": one_look[1],
                "sd": _sd(moments, data.kind),
                "is_default": name == data.rule.default,
            }
        )
    return pd.DataFrame(rows)


def _sd(moments: Moments, kind: str | None) -> float | None:
    """Return the standard deviation of what sessions say of the mean, by which tests are planned; None of rates and units.

    Of a ratio it is that of the linearised values, of a quantile what as many sessions would have whose mean it were.
    """
    n = float(moments.n)
    if kind in {None, "binary"} or moments.units is not None or n < 2:  # noqa: PLR2004 - a variance needs two values
        return None
    return finite(math.sqrt(float(moments.within) / (n - 1)))


_Ends = tuple[float | None, float | None]


def _mean(monitor: Monitor, data: TestData, arm: int, moments: Moments) -> tuple[float | None, _Ends, _Ends]:
    """Return the mean of a variant, its interval for one look, and the one that holds at every look."""
    if data.kind is None or monitor.evidence is None or not float(moments.n):
        return None, _NONE, _NONE
    if data.probabilities is not None:
        # Sessions are weighed by the probability of the variant they got (Hajek 1971): no interval is known to hold.
        return float(means(moments)), _NONE, _NONE
    if monitor.tally.past:
        return _over_epochs(monitor, arm)
    alpha = 1 - (monitor.rule.max_confidence or 95.0) / 100
    low, high = monitor.evidence.mean_interval(moments, arm, alpha)
    return float(means(moments)), _one_look(moments, data.kind), (finite(low), finite(high))


def _one_look(moments: Moments, kind: str) -> _Ends:
    if moments.units is not None:
        se = math.sqrt(float(moments.variance_of_mean)) if float(moments.independent) > 1 else 0.0
        mean = float(means(moments))
        _, (low, high) = fixed.by_error(0.0, 0.0, mean, se, float(moments.independent) - 1)
    elif kind == "binary":
        low, high = fixed.wilson(float(moments.total), float(moments.n))
    else:
        low, high = fixed.mean_interval(moments)
    return finite(low), finite(high)


def _over_epochs(monitor: Monitor, arm: int) -> tuple[float, _Ends, _Ends]:
    """Return the mean over epochs, each with the share that it has of all sessions, for one look.

    Variants that were weighed differently early and late would otherwise be compared as early with late sessions.
    """
    epochs = list(monitor.tally.of_arm(arm))
    shares = np.array([sessions for _, sessions in epochs])
    shares = shares / shares.sum()
    mean = float(shares @ np.array([float(means(moments)) for moments, _ in epochs]))
    variance = sum(
        share**2 * (float(moments.variance_of_mean) if float(moments.independent) > 1 else math.inf)
        for share, (moments, _) in zip(shares.tolist(), epochs, strict=True)
    )
    if not 0 < variance < math.inf:
        return mean, _NONE, _NONE
    freedom = sum(float(moments.independent) - 1 for moments, _ in epochs)
    _, (low, high) = fixed.by_error(0.0, 0.0, mean, math.sqrt(variance), freedom)
    return mean, (finite(low), finite(high)), _NONE
