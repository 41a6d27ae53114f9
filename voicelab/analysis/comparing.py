"""The pairs of variants compared: difference, lift and their intervals, valid at every look; and how they went."""

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.missing import Missing
from voicelab.analysis.sessions import TestData
from voicelab.decision.monitor import Monitor
from voicelab.decision.outlook import deciding_pair
from voicelab.decision.quantile_tally import QuantileTally
from voicelab.decision.rules import Kind, quantile_of
from voicelab.decision.stats import closed, compare, fixed
from voicelab.decision.stats.boundary import thresholds
from voicelab.decision.stats.compare import Contrast, Stratum

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_MUE = ("difference_mue", "difference_mue_lower", "difference_mue_upper")
_AT_ONE_LOOK = ("p_value_fixed", "confidence_fixed", "difference_ci_lower", "difference_ci_upper")
_OF_ERRORS = ("p_value", "p_value_adjusted", "confidence")
_PATH_POINTS = 400
_COLUMNS = (
    "baseline", "variant", "difference", "difference_cs_lower", "difference_cs_upper", "lift", "lift_cs_lower",
    "lift_cs_upper", "p_value", "p_value_adjusted", "confidence", "p_value_fixed", "confidence_fixed",
    "difference_ci_lower", "difference_ci_upper", "difference_worst_lower", "difference_worst_upper",
    "difference_mue", "difference_mue_lower", "difference_mue_upper",
)  # fmt: skip


def finite(value: Any) -> float | None:
    """Return a number, or None where it is none."""
    return float(value) if math.isfinite(value) else None


def comparisons(monitor: Monitor, kind: Kind | None, missing: Missing | None = None) -> pd.DataFrame:
    """Return one row a pair of variants, those against the default first; columns as `Result.comparisons` says."""
    k = len(monitor.variants)
    order = sorted(range(k), key=lambda arm: arm != monitor.default_arm)
    pairs = [(arm, baseline) for at, baseline in enumerate(order) for arm in order[at + 1 :]]
    rows = compared(monitor, kind, pairs)
    for row, pair in zip(rows, pairs, strict=True):
        worst = None if missing is None else missing.worst_case(*pair)
        row["difference_worst_lower"], row["difference_worst_upper"] = worst or (None, None)
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def compared(monitor: Monitor, kind: Kind | None, pairs: Sequence[tuple[int, int]]) -> list[dict[str, Any]]:
    """Return a row of each pair, an arm and the baseline it is compared with; all at once, since many variants have many."""
    names = monitor.variants
    rows = [dict.fromkeys(_COLUMNS) | {"baseline": names[b], "variant": names[a]} for a, b in pairs]
    if kind is None or monitor.evidence is None:
        return rows
    arm, baseline = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    strata = monitor.strata(arm, baseline)
    shown = compare.is_burnt_in(strata, 2) & (compare.contrast(strata, kind).information > 0)
    at, arm, baseline = np.flatnonzero(shown), arm[shown], baseline[shown]
    found = _columns_of(monitor, kind, arm, baseline) if len(at) else {}
    for name, values in found.items():
        for row, value in zip(at.tolist(), values.tolist(), strict=True):
            rows[row][name] = finite(value)
    if kind != "binary":
        _without_variation(monitor, dict(zip(pairs, rows, strict=True)))
    return rows


def _without_variation(monitor: Monitor, rows: dict[tuple[int, int], dict[str, Any]]) -> None:
    """Leave out of pairs of numbers that are the same in every session what only their variation could tell."""
    assert monitor.evidence is not None  # noqa: S101 - the caller has asked
    varies = [bool(float(own.n) and float(own.within)) for own in monitor.moments]
    unknown = (*_AT_ONE_LOOK, *(_OF_ERRORS if monitor.evidence.by_moments else ()))
    for (arm, baseline), row in rows.items():
        if not varies[arm] and not varies[baseline]:
            row.update(dict.fromkeys(unknown))


def _columns_of(monitor: Monitor, kind: Kind, arm: Ints, baseline: Ints) -> dict[str, Floats]:
    """Return the columns of pairs that can be compared; what isn't finite is not known."""
    assert monitor.evidence is not None  # noqa: S101 - the caller has asked
    strata = monitor.strata(arm, baseline)
    contrast = compare.contrast(strata, kind)
    # Of the two directions the one that the data points to; adjusted as the rule's criterion asks.
    adjusted = monitor.p_values_adjusted()[arm, baseline]
    found = {
        "difference": contrast.difference,
        "p_value": np.minimum(monitor.pairs[arm, baseline], monitor.pairs[baseline, arm]),
        "p_value_adjusted": adjusted,
        "confidence": confidences_of(adjusted),
    }
    if monitor.with_probabilities and monitor.evidence.by_moments:
        # Nothing pooled is shown: sessions of different probabilities are only compared by bets.
        return found
    alpha = 1 - (monitor.rule.max_confidence or 95.0) / 100
    pairs = list(zip(arm.tolist(), baseline.tolist(), strict=True))
    if monitor.evidence.by_moments:
        low, high = monitor.evidence.interval(strata, (arm, baseline), alpha)  # type: ignore[arg-type]  # many pairs at once
    else:
        low, high = np.array([monitor.evidence.interval((), pair, alpha) for pair in pairs], dtype=np.float64).T
    found |= {"difference_cs_lower": low, "difference_cs_upper": high}
    if monitor.with_probabilities:
        return found
    if monitor.stopped and monitor.rule.max_confidence is not None:
        ends = [monitor.evidence.estimate(_when_sure(monitor, pair), pair, alpha) or (math.nan,) * 3 for pair in pairs]
        found |= dict(zip(_MUE, np.array(ends, dtype=np.float64).T, strict=True))
    return found | _lift(monitor, contrast, (arm, baseline), alpha) | _at_one_look(monitor, kind, contrast, pairs)


def _when_sure(monitor: Monitor, pair: tuple[int, int]) -> list[Stratum]:
    """Return the moments of a pair in each epoch where it first reached its threshold; at the stop if it never did."""
    crossed = None if monitor.evidence is None else monitor.evidence.crossing(pair)
    return monitor.tally.strata(*pair, *(crossed or ()))


def confidences_of(p: Floats) -> Floats:
    """Return the confidence of p-values in percent, always below 100."""
    return np.minimum(100 * (1 - p), math.nextafter(100.0, 0.0))


def _at_one_look(
    monitor: Monitor, kind: Kind, contrast: Contrast, pairs: Sequence[tuple[int, int]]
) -> dict[str, Floats]:
    """Return the fixed-sample companions, which hold for one look alone."""
    found = []
    for row, pair in enumerate(pairs):
        strata = monitor.strata(*pair)
        (a, b), *more = strata
        if more or a.units is not None:
            # Over epochs, and of units, by the same difference and errors as the confidence.
            freedom = sum(float(arm.independent) for pair in strata for arm in pair) - 2 * len(strata)
            own = Contrast(*(float(part[row]) for part in contrast))  # type: ignore[arg-type]  # numbers, not arrays
            p, ends = fixed.by_error(own.difference, own.null_se, own.centre, own.se, freedom)  # type: ignore[arg-type]
        else:
            p, ends = fixed.p_value(a, b, kind), fixed.difference_interval(a, b, kind)
        found.append((p, *ends))
    p_values, low, high = np.array(found, dtype=np.float64).T
    return {
        "p_value_fixed": p_values,
        "confidence_fixed": confidences_of(p_values),
        "difference_ci_lower": low,
        "difference_ci_upper": high,
    }


def _lift(monitor: Monitor, contrast: Contrast, pair: tuple[Ints, Ints], alpha: float) -> dict[str, Floats]:
    """Return the relative difference and its interval, on the scale of the logarithm of the ratio (delta method).

    Not known where the baseline's mean is not above 0: there is no relative difference then.
    """
    assert monitor.evidence is not None  # noqa: S101 - the caller has asked
    known = contrast.mean_b > 0
    low, high = monitor.evidence.lift_interval(monitor.strata(*pair), pair, alpha)  # type: ignore[arg-type]  # many at once
    # Beyond these the interval says nothing, and its end is no number.
    told = known & (high - low <= 100) & (high <= 700)  # noqa: PLR2004
    with np.errstate(over="ignore"):
        return {
            "lift": np.divide(contrast.mean_a, contrast.mean_b, out=np.full(known.shape, np.nan), where=known) - 1,
            "lift_cs_lower": np.exp(np.where(told, low, np.nan)) - 1,
            "lift_cs_upper": np.exp(np.where(told, high, np.nan)) - 1,
        }


# --- how it went -----------------------------------------------------------------------------------------------------


def path_frame(monitor: Monitor, kind: Kind | None) -> pd.DataFrame:
    """Return how the test went, thinned for display; the decision has seen every session.

    Columns: sessions, confidence, statistic (what the boundary's threshold is compared with), and of the pair that
    decides (`attrs["pair"]`: variant, baseline) difference, difference_cs_lower, difference_cs_upper.
    """
    columns = ["sessions", "confidence", "statistic", "difference", "difference_cs_lower", "difference_cs_upper"]
    of_quantile = isinstance(monitor.tally, QuantileTally)
    if not monitor.trace or not (monitor.snapshots.kept or of_quantile) or monitor.evidence is None or kind is None:
        return pd.DataFrame(columns=columns, dtype=np.float64)
    changes = np.concatenate([at for at, _ in monitor.trace])
    p = np.concatenate([values for _, values in monitor.trace])
    kept = _thinned([n for n, *_ in monitor.snapshots.kept if n <= monitor.sessions], changes)
    confidence = np.minimum(100 * (1 - p[np.searchsorted(changes, kept, side="right") - 1]), math.nextafter(100.0, 0.0))
    frame = pd.DataFrame({"sessions": kept, "confidence": confidence})
    frame["statistic"] = thresholds(np.maximum(1 - confidence / 100, 1e-12))
    arm, baseline = deciding_pair(monitor)
    alpha = 1 - (monitor.rule.max_confidence or 95.0) / 100
    if isinstance(monitor.tally, QuantileTally):
        differences = _quantile_differences(monitor.tally, kept, (arm, baseline))
    else:
        differences = _differences(monitor, kind, (arm, baseline), alpha)
    for name, values in differences.items():
        frame[name] = frame["sessions"].map(values)
    frame.attrs["pair"] = (monitor.variants[arm], monitor.variants[baseline])
    return frame


def _thinned(snapshots: list[int], changes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    last = changes[-1] if len(changes) else 0
    picked = changes[np.unique(np.linspace(0, len(changes) - 1, min(len(changes), _PATH_POINTS)).astype(int))]
    kept = np.unique(np.concatenate([np.array(snapshots, dtype=np.int64), picked, [last]]))
    return kept[kept > 0]


def _quantile_differences(tally: QuantileTally, kept: Ints, pair: tuple[int, int]) -> dict[str, dict[int, float]]:
    """Return the difference of two quantiles by number of sessions, where both are known."""
    found: dict[int, float] = {}
    for n in kept.tolist():
        a, b = tally.strata_after(n, *pair)
        if float(a.n) and float(b.n):
            found[n] = float(a.centre - b.centre)
    return {"difference": found, "difference_cs_lower": {}, "difference_cs_upper": {}}


def _differences(monitor: Monitor, kind: Kind, pair: tuple[int, int], alpha: float) -> dict[str, dict[int, float]]:
    """Return difference and interval of a pair by number of sessions, where they can be told: all looks of an epoch at once."""
    by_moments = not monitor.with_probabilities and monitor.evidence is not None and monitor.evidence.by_moments
    found: dict[str, dict[int, float]] = {"difference": {}, "difference_cs_lower": {}, "difference_cs_upper": {}}
    for n_past, kept in itertools.groupby(monitor.snapshots.kept, key=lambda snapshot: snapshot[2]):
        looks = [(n, parts) for n, parts, _ in kept]
        strata = monitor.tally.strata(*pair, np.stack([parts for _, parts in looks], axis=1), n_past)
        contrast = compare.contrast(strata, kind)
        shown = compare.is_burnt_in(strata, 2) & (contrast.information > 0)
        ends = monitor.evidence.interval(strata, pair, alpha) if by_moments else (None, None)  # type: ignore[union-attr]
        for name, values in zip(found, (contrast.difference, *ends), strict=True):
            if values is not None:
                told = shown & np.isfinite(values)
                found[name] |= {n: float(value) for (n, _), value, ok in zip(looks, values, told, strict=True) if ok}
    return found


def method_sentence(monitor: Monitor, data: TestData) -> str:
    """Return which method was used, and why."""
    rule = data.rule
    shares = "shares disagree with the weights" if monitor.ratio.alarm else "shares agree with the weights"
    shares = "shares in doubt, though without an alarm" if monitor.ratio.doubtful else shares
    shares = shares if monitor.weights_known else "weights unknown, shares not checked"
    if rule.method == "fixed":
        return f"Method: fixed-sample test, because the rule asks for it · {shares}"
    if monitor.evidence is None:
        return f"Method: none, since the outcome was never recorded · {shares}"
    pairs = len(monitor.variants) * (len(monitor.variants) - 1) // 2
    adjusted = (
        ""
        if pairs == 1
        else ", Holm's adjustment"
        if rule.criterion != "best"
        else f", closed over {pairs} pairs"
        if len(monitor.variants) <= closed.MOST_ENUMERATED
        else f", most of the error for the best variant, the rest Shaffer's over {pairs} pairs"
    )
    epochs = f", stratified over {len(data.epochs) + 1} epochs of weights" if data.epochs else ""
    if monitor.evidence.method == "bounded-mean bets":
        low, high = monitor.limits.ends or (0.0, 1.0)
        name = f"bets on means between {low:g} and {high:g}, exact for any distribution within them"
    elif monitor.evidence.method == "horizon":
        name = f"group-sequential boundary over the declared {rule.max_iterations:,} sessions"
    else:
        why = (
            "each session has probabilities of its own"
            if monitor.with_probabilities
            else "the rule waits for confidence and iterations both"
            if rule.needs_both
            else "the declared number of sessions was changed, or the rule asks for it"
            if rule.max_iterations
            else "no number of sessions is declared"
        )
        name = f"e-process, because {why}"
    if monitor.kind == "ratio":
        name += ", delta method linearised with the pooled ratio"
    elif quantile_of(monitor.kind) is not None:
        how = (
            "by exceedance of the pooled quantile at 200 looks"
            if monitor.evidence.method == "horizon"
            else "by confidence sequences for quantiles, each look at a twentieth more sessions"
        )
        name += f", {monitor.kind} {how}"
    units = "" if data.unit is None else f", sessions of one {data.unit} together"
    # A monitor that keeps no trace has seen the sums alone.
    looks = (
        ""
        if monitor.trace is not None
        else " · one look at the sums, without the path before it: earlier evidence does not count"
    )
    return f"Method: {name}{adjusted}{epochs}{units}{looks} · {shares}"
