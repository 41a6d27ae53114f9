"""What makes a decision about means, or rates of units, approximate: said before a winner is named, with what to do.

No method holds for every distribution of an unbounded mean: however many sessions there were, the next may bring a value
that outweighs them all (Bahadur & Savage 1956). Rates, and means with declared bounds or a cap, are exact.
"""

from voicelab.decision.drift import DOUBTFUL
from voicelab.decision.rules import quantile_of
from voicelab.decision.state import State
from voicelab.decision.stats import quantiles, scores
from voicelab.decision.stats.moments import Moments

_REMEDY = "declare what a value can be at most (cap=..., or bounds=(lowest, highest)), or judge by a rate"
_TIME = (
    "give epochs, weights=[(0, {...}), (first row, {...}), ...], so that sessions are compared with those of their time"
)


def nothing_varies_within(monitor: State) -> bool:
    """Return whether numbers differ between variants and never within one: then nothing says how far chance moves them.

    Sessions of a deterministic agent whose callers all say the same are such: one session, many times over.
    """
    by_bets = monitor.evidence is None or not (monitor.evidence.by_moments or quantile_of(monitor.kind) is not None)
    if monitor.kind in {None, "binary"} or by_bets or not monitor.varied:
        return False
    return not monitor.tally.varies_within


def not_known_yet(monitor: State) -> str | None:
    """Return why a ratio or a quantile can't be told yet, as a sentence; None where it can be, and of other outcomes."""
    if not monitor.recorded or monitor.kind in {None, "binary", "count", "float"}:
        return None
    empty = [name for name, own in zip(monitor.variants, monitor.moments, strict=True) if not float(own.n)]
    with_sessions = [name for name, n in zip(monitor.variants, monitor.counts, strict=True) if n and name in empty]
    if not with_sessions:
        return None
    named = ", ".join(with_sessions)
    if monitor.kind == "ratio":
        told = dict(zip(monitor.variants, monitor.tally.total[0], strict=True))
        if not any(float(told[name]) for name in with_sessions):
            return f"Not known yet: no session of {named} has a value both above and below the line of the ratio."
        return f"Not known yet: nothing is below the line of the ratio in any session of {named}."
    fewest = quantiles.fewest(quantile_of(monitor.kind) or 0.5)
    return f"Not known yet: {monitor.kind} takes at least {fewest:,} values in each variant, and there are fewer of {named}."


def doubts_of(monitor: State) -> list[str]:
    """Return a sentence for what makes the comparison approximate; none for rates of sessions and bounded outcomes."""
    exact = monitor.limits.ends is not None and not monitor.rule.margin
    if quantile_of(monitor.kind) is not None:
        return []  # shares of sessions above a value are compared, whatever the values are
    if monitor.kind == "binary":
        return _doubts_of_rates(monitor)
    if monitor.kind is None or exact or not monitor.varied or nothing_varies_within(monitor):
        return []
    reasons = _reasons(monitor)
    sentences = [f"Approximate: {' and '.join(reasons)}. The promise holds if you {_REMEDY}."] if reasons else []
    if monitor.drift.share > DOUBTFUL:
        sentences.append(
            f"Approximate: the outcome's level drifts over the test ({monitor.drift.share:.0%} of its variance lies between "
            f"times). To be sure, {_TIME}."
        )
    return sentences


def _doubts_of_rates(monitor: State) -> list[str]:
    """Return a sentence if a few callers make up most of a variant: the robust error of so few is too small.

    Bets take each unit's first session alone, and are exact.
    """
    by_bets = monitor.evidence is None or (monitor.evidence.method != "horizon" and not monitor.rule.margin)
    if monitor.tally.units is None or by_bets or not monitor.varied:
        return []
    effective = {name: _effective(own) for name, own in zip(monitor.variants, monitor.moments, strict=True) if own.n}
    fewest = min(effective, key=lambda name: effective[name])
    if effective[fewest] >= scores.FEW:
        return []
    return [
        f"Approximate: the units of {fewest} weigh as {effective[fewest]:.0f} of equal numbers of sessions, few for an error "
        "of units. The promise holds if you keep the first session of each alone."
    ]


def _effective(moments: Moments) -> float:
    """Return how many units of equal numbers of sessions weigh as much as an arm's. Source: Kish 1965.

    Of two arms of rates whose callers call unequally often 16 % of tests stopped falsely with fewer than 10, 8 % with 10
    to 30, and 5 % with more (13,677 simulated tests of 400 to 2,000 sessions).
    """
    return float(moments.n) ** 2 / float(moments.sizes)


def _reasons(monitor: State) -> list[str]:
    """Return what is to be said of the variants that the leader is compared with."""
    leader = monitor.variants.index(monitor.leader) if monitor.leader else 0
    moments = monitor.moments
    with_values = [arm for arm, own in enumerate(moments) if arm != leader and own.n]
    if not moments[leader].n or not with_values:
        return []
    bits = 0
    for arm in with_values:
        bits |= int(scores.doubt(moments[leader], moments[arm]))
    fewest = min([leader, *with_values], key=lambda arm: float(moments[arm].independent))
    few = f"{monitor.variants[fewest]} has {int(moments[fewest].independent):,} {_counted(monitor)}, few for a mean"
    return [words for bit, words in ((1, few), (2, "the values are too skewed for so few sessions")) if bits & bit]


def _counted(monitor: State) -> str:
    return "sessions" if monitor.tally.units is None else "units"
