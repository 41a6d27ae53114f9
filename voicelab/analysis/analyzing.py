"""`vl.analyze`: the decision of a test, with everything that it rests on."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from voicelab.analysis.data import TestData, from_frame, from_log
from voicelab.analysis.result import Result
from voicelab.errors import InputError
from voicelab.monitor import Monitor
from voicelab.rules import Kind, StopRule, check_weights
from voicelab.stats import boundary, compare, fixed, sample_ratio
from voicelab.stats.compare import Moments

_PATH_POINTS = 400


def analyze(
    data: Any,
    test: str | None = None,
    *,
    variant: str = "variant",
    outcome: str | None = None,
    weights: Mapping[Any, Any] | None = None,
    rule: StopRule | None = None,
    missing: Literal["default"] = "default",
) -> Result:
    """Decide a test.

    The confidence is that of a group-sequential boundary over the declared number of sessions, watched continuously: it
    stays true however often one looks. The leader has to beat every rival. Method: see `voicelab.stats.boundary`.

    Args:
        data: A session log; or a DataFrame with one row a session, in order of completion.
        test: The test's name (logs); may be left out if there is only one.
        variant: Column of the variant (frames).
        outcome: The outcome to judge by; for logs the test's own target unless given, and also a numeric column of
            `log.sessions()` such as `duration_s`; for frames a column.
        weights: Configured weights of the variants (frames).
        rule: The stop rule; for logs the test's own unless given.
        missing: `default`: a completed session that didn't write the outcome counts as 0.

    Returns:
        The result; it shows itself.

    Raises:
        InputError: a test, outcome or column doesn't exist, or holds something that can't be compared.

    Example:
        >>> import pandas as pd, voicelab as vl
        >>> frame = pd.DataFrame({"variant": ["a", "b"] * 200, "bought": [0, 1, 0, 0] * 100})
        >>> rule = vl.StopRule(max_iterations=400, max_confidence=95, default="a")
        >>> vl.analyze(frame, outcome="bought", weights={"a": 0.5, "b": 0.5}, rule=rule).decision.winner
        'b'
    """
    if missing != "default":
        raise InputError(f"missing is {missing!r}, must be 'default'.")
    if rule is not None and not isinstance(rule, StopRule):
        raise InputError(f"rule is {rule!r}, must be vl.StopRule(...).")
    if hasattr(data, "exposures"):
        sessions = from_log(data, test, outcome, rule)
    elif isinstance(data, pd.DataFrame):
        if outcome is None:
            raise InputError(f"Name the column of the outcome: outcome={' or '.join(map(repr, data.columns))}.")
        sessions = from_frame(data, variant, outcome, weights, rule)
    else:
        raise InputError(f"data is a {type(data).__name__}, must be a session log (vl.open_log) or a DataFrame.")
    return _decided(sessions)


def check_srm(counts: Mapping[Any, int], weights: Mapping[Any, float]) -> dict[str, Any]:
    """Check whether variants have the shares of sessions that their weights promise, for one look at final counts.

    Args:
        counts: Sessions of each variant.
        weights: Configured weight of each variant.

    Returns:
        n, observed and expected sessions by variant, and the p-value of Pearson's chi-square test. For a check that
        may be looked at after every session use `vl.analyze(...).srm`.

    Raises:
        InputError: counts and weights name different variants, or a value is not allowed.
    """
    shares = check_weights(weights)
    given = {str(variant): count for variant, count in counts.items()}
    if set(given) != set(shares):
        raise InputError(f"counts names {sorted(given)}, weights {sorted(shares)}: name the same variants.")
    for variant, count in given.items():
        if isinstance(count, bool) or not isinstance(count, int | np.integer) or count < 0:
            raise InputError(f"The count of {variant!r} is {count!r}, must be a whole number from 0 on.")
    total = sum(given.values())
    observed = np.array([given[variant] for variant in shares], dtype=np.float64)
    return {
        "n": total,
        "observed": {variant: given[variant] for variant in shares},
        "expected": {variant: share * total for variant, share in shares.items()},
        "p_value_fixed": sample_ratio.fixed_p_value(observed, np.array(list(shares.values()))),
    }


def _decided(data: TestData) -> Result:
    monitor = Monitor(data.test, data.weights, data.rule, trace=True)
    if len(monitor.variants) < 2:  # noqa: PLR2004 - a comparison needs two
        raise InputError(
            f"The test {data.test!r} has one variant, {monitor.variants[0]!r}: there is nothing to compare."
        )
    if data.kind is not None:
        monitor.know(data.kind)
    position = monitor.extend(data.arms, data.values, data.written, data.crashed, data.indexes)
    after = 0 if position is None else len(data.arms) - position - 1
    if after:
        data.excluded["after the rule was fulfilled"] = after
    fixed_decision = _fixed_decision(monitor, data) if data.rule.method == "fixed" else None
    decision = fixed_decision or monitor.decision()
    warnings = [*data.warnings, *data.rule.shortcomings(), *_warnings(monitor, data, decision)]
    return Result(
        variants=_variants(monitor, data),
        comparisons=_comparisons(monitor, data),
        srm=_srm(monitor),
        decision=decision,
        path=_path(monitor),
        excluded=pd.DataFrame(list(data.excluded.items()), columns=["reason", "sessions"]),
        warnings=warnings,
        outcome=data.outcome,
        kind=data.kind,
        source=data.source,
        rule=data.rule,
    )


def _fixed_decision(monitor: Monitor, data: TestData) -> Any:
    """Return the decision of one look with the fixed-sample test."""
    from dataclasses import replace

    decision = monitor.decision()
    if data.kind is None or monitor.leader is None:
        return decision
    leader = monitor.variants.index(monitor.leader)
    rivals = [arm for arm in range(len(monitor.variants)) if arm != leader]
    p = max(fixed.p_value(monitor.moments[leader], monitor.moments[arm], data.kind) for arm in rivals)
    confidence = 100 * (1 - p)
    reached = data.rule.max_confidence is not None and confidence >= data.rule.max_confidence
    if not reached:
        return replace(decision, confidence=confidence)
    full = decision.should_stop
    return replace(
        decision,
        confidence=confidence,
        should_stop=True,
        conclusion="winner",
        reason="both" if full else "confidence",
        winner=monitor.leader,
        stopped_at=monitor.sessions,
        serve=data.rule.default,
        run_test={data.test: False},
        sentence=f"Stop: {monitor.leader} beats every other variant, if this was the only look at the data.",
    )


def _warnings(monitor: Monitor, data: TestData, decision: Any) -> list[str]:
    found = []
    if data.outcome is not None and not data.written.any():
        found.append(f"The target outcome {data.outcome!r} was never recorded: there is no confidence.")
    elif not monitor.varied:
        found.append("The outcome never varies: nothing can be compared, the confidence is 0.")
    if data.rule.max_iterations is None and data.rule.method != "fixed":
        found.append(
            "No number of sessions is declared, so that there is no confidence that holds at every look: give "
            "rule=vl.StopRule(max_iterations=...). The fixed-sample numbers hold for one look alone."
        )
    if decision.conclusion == "winner" and decision.reason == "confidence" and data.rule.method != "fixed":
        found.append("After an early stop the difference is overestimated on average: trust the interval.")
    if data.rule.method == "fixed":
        found.append(
            "method='fixed' holds for one look at a number of sessions settled beforehand. Looked at after every session "
            "it stops falsely in a third to two thirds of tests without any effect."
        )
    return found


# --- frames ----------------------------------------------------------------------------------------------------------


def _variants(monitor: Monitor, data: TestData) -> pd.DataFrame:
    rows = []
    counts = np.bincount(data.arms[: monitor.sessions], minlength=len(monitor.variants))
    total = max(1, int(counts.sum()))
    for arm, (name, weight) in enumerate(monitor.weights.items()):
        moments = monitor.moments[arm]
        n, hits = float(moments[0]), float(moments[1])
        low, high = _interval(moments, data.kind)
        rows.append(
            {
                "variant": name,
                "sessions": int(counts[arm]),
                "weight": weight,
                "share": counts[arm] / total,
                "n": int(n),
                "conversions": int(hits) if data.kind == "binary" else None,
                "mean": hits / n if n else None,
                "mean_ci_lower": low,
                "mean_ci_upper": high,
                "is_default": name == data.rule.default,
            }
        )
    return pd.DataFrame(rows)


def _interval(moments: Moments, kind: Kind | None) -> tuple[float | None, float | None]:
    n = float(moments[0])
    if kind is None or n == 0:
        return None, None
    low, high = fixed.wilson(float(moments[1]), n) if kind == "binary" else fixed.mean_interval(moments)
    return _finite(low), _finite(high)


def _comparisons(monitor: Monitor, data: TestData) -> pd.DataFrame:
    names = monitor.variants
    order = sorted(range(len(names)), key=lambda arm: names[arm] != data.rule.default)
    rows = [_comparison(monitor, data, a, b) for at, a in enumerate(order) for b in order[at + 1 :]]
    return pd.DataFrame(rows)


def _comparison(monitor: Monitor, data: TestData, baseline: int, arm: int) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(_COMPARISON)
    row |= {"baseline": monitor.variants[baseline], "variant": monitor.variants[arm]}
    a, b = monitor.moments[arm], monitor.moments[baseline]
    if data.kind is None or min(float(a[0]), float(b[0])) < 2:  # noqa: PLR2004 - a variance needs two values
        return row
    difference = float(compare.means(a)) - float(compare.means(b))
    mean = float(compare.means(b))
    p_fixed = fixed.p_value(a, b, data.kind)
    low, high = fixed.difference_interval(a, b, data.kind)
    row |= {
        "difference": difference,
        "lift": difference / mean if mean else None,
        "p_value_fixed": p_fixed,
        "confidence_fixed": 100 * (1 - p_fixed),
        "difference_ci_lower": low,
        "difference_ci_upper": high,
    }
    if data.rule.max_iterations is not None:
        row |= _valid_at_every_look(monitor, data, arm, baseline)
    return row


_COMPARISON = (
    "baseline", "variant", "difference", "difference_cs_lower", "difference_cs_upper", "lift", "p_value",
    "p_value_adjusted", "confidence", "p_value_fixed", "confidence_fixed", "difference_ci_lower", "difference_ci_upper",
)  # fmt: skip


def _valid_at_every_look(monitor: Monitor, data: TestData, arm: int, baseline: int) -> dict[str, Any]:
    a, b = monitor.moments[arm], monitor.moments[baseline]
    assert data.rule.max_iterations is not None  # noqa: S101 - the caller has asked
    w = list(monitor.weights.values())
    tau = float(boundary.information_share(a[0], b[0], w[arm], w[baseline], data.rule.max_iterations))
    if data.kind == "binary":
        centre, se = compare.agresti_caffo(a, b)
    else:
        centre = float(compare.means(a)) - float(compare.means(b))
        se = float(compare.standard_error(a, b, str(data.kind)))
    alpha = 1 - (data.rule.max_confidence or 95.0) / 100
    low, high = boundary.repeated_interval(centre, se, tau, alpha)
    # Of the two directions the one that the data points to; adjusted by closed testing over all pairs.
    p = min(monitor.pair_p_value(arm, baseline), monitor.pair_p_value(baseline, arm))
    adjusted = monitor.pair_p_value_adjusted(arm, baseline)
    return {
        "difference_cs_lower": _finite(low),
        "difference_cs_upper": _finite(high),
        "p_value": p,
        "p_value_adjusted": adjusted,
        "confidence": min(100 * (1 - adjusted), math.nextafter(100.0, 0.0)),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _srm(monitor: Monitor) -> dict[str, Any]:
    ratio = monitor.ratio
    checked = check_srm(dict(zip(monitor.variants, map(int, ratio.counts), strict=True)), monitor.weights)
    return {**checked, "p_value": ratio.p_value, "alarm": ratio.alarm}


def _path(monitor: Monitor) -> pd.DataFrame:
    parts: Sequence[Any] = monitor.trace or []
    confidence = np.concatenate(parts) if parts else np.empty(0)
    sessions = np.arange(1, len(confidence) + 1)
    # Thinned for display; the decision has seen every session.
    keep = np.unique(np.linspace(0, len(confidence) - 1, min(len(confidence), _PATH_POINTS)).astype(int))
    return pd.DataFrame({"sessions": sessions[keep], "confidence": confidence[keep]})
