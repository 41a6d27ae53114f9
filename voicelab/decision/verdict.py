"""What the state of a test says: who leads, who wins, what to do, and what makes it doubtful."""

import math
from collections.abc import Iterable

import numpy as np

from voicelab.decision import stopping
from voicelab.decision.doubts import doubts_of, not_known_yet, nothing_varies_within
from voicelab.decision.rules import Conclusion, Reason, StopDecision
from voicelab.decision.state import State
from voicelab.decision.stats import compare, criteria, fixed
from voicelab.decision.stats.moments import means
from voicelab.decision.wording import sentence


def leader_of(monitor: State) -> str | None:
    """Return the variant that is ahead of every other, None before there are values that differ and can be compared."""
    if not monitor.recorded or not monitor.varied:
        return None
    if not any(float(own.n) for own in monitor.moments):
        return None
    arm = _leading(monitor, range(len(monitor.weights)))
    # Over epochs: no two variants ever had sessions under the same weights.
    return None if monitor.tally.past and math.isinf(_lead(monitor, arm, 1.0)) else monitor.variants[arm]


def _leading(monitor: State, arms: Iterable[int]) -> int:
    sign = 1.0 if monitor.rule.direction == "maximize" else -1.0
    if monitor.tally.past:
        return max(arms, key=lambda arm: _lead(monitor, arm, sign))
    moments = monitor.moments
    return max(arms, key=lambda arm: sign * float(means(moments[arm])) if moments[arm].n else -math.inf)


def _lead(monitor: State, arm: int, sign: float) -> float:
    """Return how far an arm is ahead of its nearest rival: over epochs means are not compared, differences are."""
    kind, rivals = monitor.kind or "float", range(len(monitor.weights))
    found = [compare.contrast(monitor.strata(arm, rival), kind) for rival in rivals if rival != arm]
    return min((sign * float(own.difference) for own in found if own.information > 0), default=-math.inf)


def winner_of(monitor: State) -> str | None:
    """Return the variant that the rule's criterion names with the rule's confidence, or None."""
    rule = monitor.rule
    if rule.max_confidence is None or not monitor.recorded:
        return None
    alpha = 1 - rule.max_confidence / 100
    if rule.criterion == "vs_default":
        arms = criteria.winners_against_default(monitor.pairs, monitor.default_arm, alpha)
        return monitor.variants[_leading(monitor, arms)] if arms else None
    # One difference among several says nothing of the leader: it must still beat every rival.
    sure = np.flatnonzero(monitor.best <= alpha)
    return monitor.variants[_leading(monitor, map(int, sure))] if len(sure) else None


def decision_of(monitor: State) -> StopDecision:
    """Return the decision of the present state."""
    rule, stopped, winner = monitor.rule, monitor.stopped, winner_of(monitor)
    full = stopping.is_full(rule, monitor.sessions)
    sure = monitor.recorded and stopping.is_sure(rule, monitor.p_value)
    reason: Reason = "none"
    if stopped:
        reason = "both" if full and sure else "iterations" if full else "confidence"
    conclusion: Conclusion = "continue"
    # First of all: where variants don't get their shares, sessions are lost, and no comparison of the rest holds.
    if monitor.ratio.alarm:
        conclusion = "invalid_srm"
    elif stopped:
        conclusion = "winner" if winner else "inconclusive"
    decision = StopDecision(
        test=monitor.test,
        should_stop=stopped,
        conclusion=conclusion,
        reason=reason,
        winner=winner,
        leader=leader_of(monitor),
        confidence=fixed.confidence_of(monitor.p_value)
        if monitor.recorded and not nothing_varies_within(monitor) and not_known_yet(monitor) is None
        else None,
        stopped_at=monitor.sessions if stopped else None,
        stopped_session_index=monitor.stopped_index,
        sessions=monitor.sessions,
        serve=rule.default if stopped else None,
        run_test={monitor.test: not stopped},
        sentence=sentence(monitor, conclusion, winner),
    )
    return decision.with_doubts(*doubts_of(monitor)) if conclusion in {"winner", "inconclusive"} else decision
