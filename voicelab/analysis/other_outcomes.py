"""What is reported beside the target and never decides: other outcomes and guardrails."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.comparing import compared, comparisons
from voicelab.analysis.sessions import TestData, Values, chunk_of
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopDecision, StopRule
from voicelab.decision.stats import closed

_ALPHA = 0.05
_INTERVAL = ["difference", "difference_cs_lower", "difference_cs_upper"]
_MANY = 100_000
"""Sessions from which what never stops a test is not looked at after each of them."""
_LOOKS = 500
_AT_ONCE = 1 << 20


def seen_through(
    data: TestData,
    values: Values,
    rule: StopRule,
    mine: npt.NDArray[np.bool_] | None = None,
    limits: OutcomeLimits | None = None,
) -> Monitor:
    """Return a monitor that has seen the sessions that are chosen (all by default) to their end, and never stops."""
    monitor = data.new_monitor(rule, values.kind, limits=limits)
    sessions = None if mine is None else np.flatnonzero(mine)
    if data.groups is not None:
        data.shown_at_once(monitor, values, sessions)
        return monitor
    n = len(data.arms) if sessions is None else len(sessions)
    # Looked at a few hundred times, evidence is hardly smaller than after every session; bets need every session.
    many = n >= _MANY and values.kind is not None and data.probabilities is None and limits is None
    every = -(-n // _LOOKS)
    step = max(1, _AT_ONCE // every) * every if many else chunk_of(len(data.weights))
    for weights, part in data.parts(step, sessions):
        if weights is not None:
            monitor.new_weights(weights)
        if many:
            monitor.skim(*data.seen(values, part), **data.drawn(part), every=every)
        else:
            data.shown_to(monitor, values, part)
    return monitor


def open_end(data: TestData, **changes: Any) -> StopRule:
    """Return the test's rule without anything that stops it."""
    return replace(data.rule, max_iterations=None, max_confidence=None, method="auto", margin=0.0, **changes)


Seen = Callable[[str, StopRule], Monitor]
"""Returns a monitor that has seen an outcome of all sessions, by a rule that never stops."""


def seen_in(data: TestData) -> Seen:
    """Return how the outcomes of sessions are seen."""
    return lambda name, rule: seen_through(data, data.others[name], rule)


def outcome_frame(data: TestData, guardrails: Sequence[str], seen: Seen) -> pd.DataFrame:
    """Return the other outcomes, each pair of variants a row, adjusted by Holm's method over all of them."""
    frames = []
    for name, values in data.others.items():
        if name in guardrails or values.kind is None:
            continue
        monitor = seen(name, open_end(data))
        if monitor.recorded:
            frame = comparisons(monitor, values.kind)
            frame.insert(0, "outcome", name)
            frame.insert(1, "kind", values.kind)
            frames.append(frame)
    if not frames:
        return pd.DataFrame(columns=["outcome"])
    together = pd.concat([frame.astype(object) for frame in frames], ignore_index=True)
    return adjusted(together)


def adjusted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return comparisons with the confidence of Holm's method over all of them; None where there is no p-value."""
    p = frame["p_value"].astype(float).to_numpy()
    known = np.isfinite(p)
    adjusted = closed.holm(np.where(known, p, 1.0))
    confidence = np.minimum(100 * (1 - adjusted), np.nextafter(100.0, 0.0))
    for name, values in {"p_value_adjusted": adjusted, "confidence": confidence}.items():
        frame[name] = values if known.all() else pd.Series(values, dtype=object).where(known, None)
    return frame


def guardrail_frame(data: TestData, guardrails: Sequence[str], seen: Seen) -> pd.DataFrame | None:
    """Return what every variant does to each guardrail against the default: harmed where it surely grows.

    Holm's method over all of them, at 95 %, valid at every look; None without guardrails.
    """
    if not guardrails:
        return None
    rows = []
    for name in guardrails:
        values = data.others[name]
        monitor = seen(name, open_end(data, criterion="vs_default"))
        default = monitor.default_arm
        arms = [arm for arm in range(len(monitor.variants)) if arm != default]
        for arm, row in zip(arms, compared(monitor, values.kind, [(arm, default) for arm in arms]), strict=True):
            grown = float(monitor.pairs[(arm, default) if data.rule.direction == "maximize" else (default, arm)])
            rows.append(
                {"outcome": name, "kind": values.kind, "variant": row["variant"], "baseline": row["baseline"]}
                | {column: row[column] for column in _INTERVAL}
                | {"p_value": None if row["difference"] is not None and row["p_value"] is None else grown}
            )
    frame = adjusted(pd.DataFrame(rows))
    frame["harmed"] = frame["p_value_adjusted"].astype(float) <= _ALPHA
    return frame


def harm_warnings(guardrails: pd.DataFrame | None, decision: StopDecision) -> list[str]:
    """Return a warning for each harmed guardrail, the winner's first."""
    if guardrails is None:
        return []
    differs = guardrails["difference"].notna() & (guardrails["difference"] != 0)
    unknown = guardrails[differs & guardrails["p_value"].isna()]["outcome"].unique()
    unclear = [
        f"The guardrail {name} never varies within the variants: whether it is harmed can't be said."
        for name in unknown
    ]
    harmed = guardrails[guardrails["harmed"]].to_dict("records")
    return unclear + [
        f"Guardrail harmed: {row['outcome']} grows with {row['variant']} (by {_by(row)} against "
        f"{row['baseline']})"
        + (", which is the winner: think before serving it." if row["variant"] == decision.winner else ".")
        for row in sorted(harmed, key=lambda row: row["variant"] != decision.winner)
    ]


def _by(row: dict[str, Any]) -> str:
    return f"{100 * row['difference']:.1f} points" if row["kind"] == "binary" else f"{row['difference']:.3g}"
