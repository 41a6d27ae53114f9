"""What is reported beside the target and never decides: other outcomes, and how they are seen; guardrails are in `guarding`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.comparing import comparisons
from voicelab.analysis.sessions import TestData, Values, chunk_of
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule
from voicelab.decision.stats import closed
from voicelab.decision.stats.values import are_counted, session_values

INTERVAL = ["difference", "difference_cs_lower", "difference_cs_upper"]
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
    never = {"max_iterations": None, "max_confidence": None, "method": "auto", "margin": 0.0}
    return replace(data.rule, **(never | changes))


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
            arm_of = {name: arm for arm, name in enumerate(monitor.variants)}
            pairs = [[arm_of[a], arm_of[b]] for a, b in zip(frame["variant"], frame["baseline"], strict=True)]
            frame["excluded"] = [left_out(data, values, monitor, pair) for pair in pairs]
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


def left_out(data: TestData, values: Values, monitor: Monitor, arms: Sequence[int]) -> int | None:
    """Return how many sessions of some arms have no value of an outcome, and are not compared by it; None if unknown."""
    if values.kind is None:
        return None
    if not len(data.arms):  # the sums alone are there
        return round(sum(float(monitor.counts[arm]) - float(monitor.moments[arm].n) for arm in arms))
    counted = session_values(values.values.astype(np.float64), values.written, data.crashed, values.kind)
    return int((~are_counted(counted) & np.isin(data.arms, arms)).sum())
