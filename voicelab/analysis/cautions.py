"""What needs care in a result: a sentence each, for `Result.warnings`."""

import numpy as np
import pandas as pd

from voicelab.analysis.planning import minimum_detectable_effect
from voicelab.analysis.row_order import about_first, about_order
from voicelab.analysis.sessions import TestData
from voicelab.decision.doubts import not_known_yet, nothing_varies_within
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopDecision, quantile_of, switched_on
from voicelab.decision.stats import fixed, sample_ratio

_UNEVEN = 0.001
"""p-value from which crashes are said to differ between variants."""
_ALIKE = 10
"""Sessions of a variant that may all come out alike without a word."""
_HARDLY = 0.3
"""Smallest detectable effect, as a share of the rate, from which a test is said to be too small."""


_NO_VARIATION = "There is no variation within the variants: each has one and the same outcome in every session."
_NO_SPREAD = (
    "The difference is a fact about these sessions; how far it may be from that of others can't be said, so that it has no "
    "confidence, no interval and no p-value."
)
_ONE_SESSION = (
    "Where an agent that always does the same meets callers who all say the same, that is one session many times over, and "
    "the confidence, which counts each as a session of its own, means nothing."
)
_DIFFERENT_CALLERS = "Let different callers call, such as a mix of personas."


def warnings_of(monitor: Monitor, data: TestData, decision: StopDecision, compared: pd.DataFrame) -> list[str]:
    """Return what needs care, a sentence each.

    Args:
        monitor: The test.
        data: Its sessions.
        decision: What is decided.
        compared: `Result.comparisons`.
    """
    found = [f"The rule's {remark}" for remark in data.rule.remarks]
    if data.outcome is not None and not monitor.recorded:
        fit = (
            " vl.personas.fit(handler) makes callers who answer what this agent asks; its answers= takes what it has not found."
            if "simulated" in data.source
            else ""
        )
        found.append(f"The target outcome {data.outcome!r} was never recorded: there is no confidence.{fit}")
    elif (unknown := not_known_yet(monitor)) is not None:
        found.append(unknown)
    elif not monitor.varied and any(float(arm.n) for arm in monitor.moments):  # without any value that is what is said
        found.append("The outcome never varies: nothing can be compared.")
    elif nothing_varies_within(monitor):
        found.append(f"{_NO_VARIATION} {_NO_SPREAD} {_DIFFERENT_CALLERS}")
    elif _all_or_none(monitor, data) and not _is_one_conversation(monitor, data):
        found.append(f"{_NO_VARIATION} {_ONE_SESSION} {_DIFFERENT_CALLERS}")
    found += _too_small(monitor, data) + _uneven_crashes(data)
    if decision.conclusion == "winner" and decision.reason == "confidence" and data.rule.method != "fixed":
        found.append(_flattered(monitor, data, compared))
    if data.rule.criterion == "any_difference" and len(monitor.variants) > 2:  # noqa: PLR2004 - a pair has one difference
        found.append("criterion='any_difference' finds that variants differ; it does not license serving the leader.")
    if data.rule.method == "fixed":
        found.append(
            "method='fixed' holds for one look at a number of sessions settled beforehand. Looked at after every session "
            "it stops falsely in a third to two thirds of tests without any effect."
        )
    return found


def about_shares(monitor: Monitor, data: TestData) -> list[str]:
    """Return what else may have upset the shares than the assignment."""
    ratio, found = monitor.ratio, list[str]()
    first = ratio.first_alarm
    if first is not None and data.advice is not None:
        if data.groups is None and first.counts.sum() < ratio.counts.sum():
            found.append(about_order(data.advice))
        if data.switched:
            found.append(about_first(str(data.unit), data.advice))
    if ratio.doubtful and monitor.trace is None:
        found.append(_about_doubtful_shares(sample_ratio.fixed_p_value(ratio.counts, ratio.promised)))
    return found


def _about_doubtful_shares(p_value: float) -> str:
    """Return the sentence that one look at the shares would raise the alarm, and the check for many looks doesn't."""
    return (
        f"The variants' shares of sessions are unlikely under their weights (p {p_value:.2g} if this is the only look). The "
        "check that may be looked at again and again raises no alarm by the sums of now alone: leave out path=False, which "
        "checks after every session, and find the reason before reading the outcomes."
    )


def doubts_of_one_conversation(monitor: Monitor, data: TestData) -> list[str]:
    """Return what is to be said before the verdict on simulated sessions that are one conversation many times over."""
    return [f"{_NO_VARIATION} {_ONE_SESSION} {_DIFFERENT_CALLERS}"] if _is_one_conversation(monitor, data) else []


def _is_one_conversation(monitor: Monitor, data: TestData) -> bool:
    return data.source.startswith("simulated") and _all_or_none(monitor, data)


def _all_or_none(monitor: Monitor, data: TestData) -> bool:
    """Return whether each variant's sessions all succeed or all fail, and there are enough of them to wonder."""
    if data.kind != "binary" or not monitor.recorded or not monitor.varied:
        return False
    arms = [(float(arm.n), float(arm.total)) for arm in monitor.moments if float(arm.n)]
    return all(total in {0.0, n} for n, total in arms) and max(n for n, _ in arms) >= _ALIKE


def _flattered(monitor: Monitor, data: TestData, compared: pd.DataFrame) -> str:
    """Return the sentence that an early stop flatters, and what to trust instead."""
    flattered = "After an early stop the difference is overestimated on average"
    if compared["difference_mue"].notna().any():
        return (
            f"{flattered}: the estimate at the stop is as often too high as too low and flatters less, but among tests with "
            "a winner it is still too high on average."
        )
    if not compared["difference_cs_lower"].notna().any():
        return f"{flattered}, and no interval is known to hold for it: how large it is, another test must say."
    why = (
        "a margin"
        if monitor.rule.margin
        else f"a quantile ({data.kind})"
        if quantile_of(data.kind) is not None
        else "bets on bounded values"
        if monitor.limits.ends is not None and data.kind != "binary"
        else "a stop that no declared number of sessions bounds"
        if not monitor.rule.has_horizon
        else "so many variants"
    )
    return f"{flattered}, and with {why} there is no estimate that makes up for it: trust the interval, not its middle."


def _uneven_crashes(data: TestData) -> list[str]:
    """Return a warning if sessions crash more often with one variant than with another: then leaving them out misleads."""
    if not data.crashed.any():
        return []
    sessions = np.bincount(data.arms, minlength=len(data.weights)).astype(float)
    crashed = np.bincount(data.arms[data.crashed], minlength=len(data.weights)).astype(float)
    reached = sessions > 0
    if reached.sum() < 2:  # noqa: PLR2004 - a comparison needs two
        return []
    p = fixed.several_rates(list(crashed[reached]), list(sessions[reached]))
    if p > _UNEVEN:
        return []
    shares = ", ".join(
        f"{name} {crashes / n:.1%}" for name, crashes, n in zip(data.weights, crashed, sessions, strict=True) if n
    )
    return [f"Sessions crash unevenly ({shares}; p {p:.2g}): look at log.errors() before reading the outcomes."]


def _too_small(monitor: Monitor, data: TestData) -> list[str]:
    """Return a warning if the declared number of sessions can hardly decide."""
    n, total = (float(sum(part)) for part in zip(*(moments[:2] for moments in monitor.moments), strict=True))
    rule = data.rule
    if data.kind != "binary" or not rule.has_horizon or rule.max_confidence is None or not 0 < total < n:
        return []
    if len(switched_on(monitor.weights)) < 2:  # noqa: PLR2004 - the others were switched on later
        return []
    rate = total / n
    effect = minimum_detectable_effect(
        rate, rule.max_iterations or 1, weights=monitor.weights, max_confidence=rule.max_confidence
    )
    if effect <= _HARDLY * rate:
        return []
    found = "no difference at all" if effect == float("inf") else f"only a difference of {100 * effect:.1f} points"
    return [
        f"At a rate of {100 * rate:.1f} % the declared {rule.max_iterations:,} sessions find {found} in 8 of 10 tests. "
        "vl.required_sessions(...) says how many a smaller one needs."
    ]
