"""What a test's decision says in a sentence: what to do next, what to doubt, how much longer the test may take."""

import re
from collections.abc import Sequence

from voicelab.decision.doubts import not_known_yet, nothing_varies_within
from voicelab.decision.outlook import Outlook
from voicelab.decision.rules import Conclusion, Kind, StopRule
from voicelab.decision.state import State
from voicelab.decision.stats import sample_ratio
from voicelab.decision.stats.forecast import LIMIT

CHANGES_NOTHING = "Reading this changes nothing that the confidence promises."
"""What goes with every outlook."""
_AGREE = 0.05
"""p-value from which the shares of all sessions agree with the weights."""


def sentence(monitor: State, conclusion: Conclusion, winner: str | None) -> str:
    """Return what to do next.

    Args:
        monitor: The test.
        conclusion: What its data says.
        winner: Its winner, if it has one.
    """
    rule = monitor.rule
    after = "" if rule.default is None else f" From now on every session gets the default, {rule.default}"
    if conclusion == "invalid_srm":
        return (
            "Don't decide: the variants' shares of sessions don't agree with their weights, so that something is "
            f"wrong with the assignment or the logging.{_shares_seen(monitor)} Find out what before reading the outcomes."
        )
    if conclusion == "winner":
        change = f"; it is not the winner: change it to {winner}." if rule.default not in {None, winner} else "."
        return f"Stop: {winner} {_beats(monitor, str(winner))}.{after}{change if after else ''}"
    if conclusion == "inconclusive":
        end = f"{after}{'.' if after else ''}"
        if rule.max_iterations is None or monitor.sessions < rule.max_iterations:
            return (
                "Stop: at least two variants differ, which doesn't say that the leader is the best: it does not beat "
                f"every rival yet.{end}"
            )
        return f"Stop: the declared {rule.max_iterations:,} sessions are done; {_found(monitor)}.{end}"
    return _on_the_way(monitor, winner)


def _shares_seen(monitor: State) -> str:
    """Return what the check of the shares saw when it raised the alarm, and whether the shares agree by now."""
    first, ratio = monitor.ratio.first_alarm, monitor.ratio
    if first is None:
        return ""
    arm, n = first.worst, float(first.counts.sum())
    promised = float(first.promised.sum()) or 1.0
    of = f"the first {n:,.0f} sessions, as they come here," if ratio.counts.sum() > n else f"all {n:,.0f} sessions"
    seen = (
        f" {monitor.variants[arm]} had {100 * first.counts[arm] / n:.1f} % of {of} and should have had "
        f"{100 * first.promised[arm] / promised:.1f} %"
    )
    all_agree = ratio.counts.sum() > n and sample_ratio.fixed_p_value(ratio.counts, ratio.promised) > _AGREE
    over_all = f"; over all {monitor.sessions:,} the shares agree, so look at the order" if all_agree else ""
    return f"{seen}{over_all}."


def _beats(monitor: State, winner: str) -> str:
    if monitor.rule.criterion == "vs_default":
        default = monitor.variants[monitor.default_arm]
        return "beats every other variant" if winner == default else f"beats the default, {default}"
    if monitor.rule.margin < 0:
        return f"is beaten by no other variant by more than {-monitor.rule.margin:g}"
    more = f" by more than {monitor.rule.margin:g}" if monitor.rule.margin else ""
    return f"beats every other variant{more}"


def _found(monitor: State) -> str:
    if not monitor.recorded:
        return f"the target outcome {monitor.rule.target_outcome!r} was never recorded, so nothing can be said"
    unknown = not_known_yet(monitor)
    if unknown is not None:
        return _within(unknown)
    if monitor.leader is None:
        if monitor.varied:
            return "no two variants had sessions under the same weights, so nothing can be said"
        if any(float(moments.n) for moments in monitor.moments):
            return "the outcome never varied, so nothing can be said"
        return "no session has a value of the outcome, so nothing can be said"
    if nothing_varies_within(monitor):
        return (
            f"{monitor.leader} leads, but without variation within the variants nothing can be said of other sessions"
        )
    return f"{monitor.leader} leads, but not clearly enough"


def _within(sentence: str) -> str:
    """Return a sentence as the end of another."""
    return f"{sentence[0].lower()}{sentence[1:]}".rstrip(".")


def _on_the_way(monitor: State, winner: str | None) -> str:
    remarks = "".join(f" The rule's {remark}" for remark in monitor.rule.remarks)
    so_far = "Go on: nothing stops the test." if monitor.rule.never_stops else _so_far(monitor, winner)
    return f"{so_far}{remarks}"


def _so_far(monitor: State, winner: str | None) -> str:
    rule = monitor.rule
    if not monitor.recorded:
        target = f" {rule.target_outcome!r}" if rule.target_outcome else ""
        nothing = f"target outcome{target} never recorded"
        if rule.max_iterations is None:
            return f"Go on: {nothing}."
        return f"Go on: {rule.max_iterations - monitor.sessions:,} of {rule.max_iterations:,} sessions are left; {nothing}."
    yet = (
        "no variant differs from the default yet"
        if rule.criterion == "vs_default"
        else "no variant beats every other yet"
    )
    unknown = not_known_yet(monitor)
    if unknown is not None:
        yet = _within(unknown)
    elif nothing_varies_within(monitor):
        yet = "without variation within the variants nothing can be said of other sessions"
    if rule.max_iterations is None:
        if rule.max_confidence is None:
            return "Go on: the rule has neither max_iterations nor max_confidence, so nothing stops the test."
        return f"Go on: {yet}; nothing but confidence stops this test, so that it may run for ever: declare max_iterations."
    left = rule.max_iterations - monitor.sessions
    if winner and left > 0:
        waits = f"and the rule waits for the other {left:,} of its {rule.max_iterations:,} sessions too"
        return f"Go on: {winner} {_beats(monitor, winner)}, {waits}."
    if left <= 0:
        return f"Go on: the declared {rule.max_iterations:,} sessions are done, and the rule waits for confidence too; {yet}."
    return f"Go on: {left:,} of {rule.max_iterations:,} sessions are left, and {yet}."


# --- doubts ---------------------------------------------------------------------------------------------------------


def marks(doubts: Sequence[str]) -> list[str]:
    """Return the beginning of each doubt, once: what is put beside a winner.

    Example:
        >>> marks(["Approximate: the values are skewed.", "Outcomes are missing unevenly (a 1 %, b 9 %): beware."])
        ['Approximate', 'Outcomes are missing unevenly']
    """
    return list(dict.fromkeys(re.split(r"[:(.]", doubt, maxsplit=1)[0].strip() for doubt in doubts))


def holds(doubts: Sequence[str]) -> str:
    """Return when the confidence and the intervals hold."""
    return "approximate at every look" if "Approximate" in marks(doubts) else "valid at every look"


# --- how much longer -------------------------------------------------------------------------------------------------


def how_much_longer(found: Sequence[Outlook], rule: StopRule, kind: Kind | None) -> list[str]:
    """Return a sentence for each outlook, the smallest difference that matters first; `CHANGES_NOTHING` goes with them.

    Args:
        found: What `Monitor.outlook` returned.
        rule: The test's rule.
        kind: Kind of its outcome.
    """
    matters = [own for own in found if own.supposed == "matters"]
    return [_expected(own, rule, kind) for own in (*matters, *(own for own in found if own.supposed != "matters"))]


def _expected(own: Outlook, rule: StopRule, kind: Kind | None) -> str:
    if own.supposed == "matters":
        supposed = f"If the smallest difference that matters, {_size(abs(own.difference), kind)}, is true"
    else:
        sign = "−" if own.difference < 0 else "+"
        supposed = (
            f"If the difference so far, {sign}{_size(abs(own.difference), kind)}, is true, give or take its error"
        )
    both = f"; the rule waits for its {rule.max_iterations:,} sessions too" if rule.needs_both else ""
    return f"{supposed}: {_sessions(own, rule)}; {_chance(own, rule)}{both}."


def _sessions(own: Outlook, rule: StopRule) -> str:
    median, low, high = own.sessions
    if median is None:
        early = "" if low is None else f" (in 1 of 10 such tests one within about {_about(low)} more sessions)"
        return f"probably no decision{early}"
    end = "the end" if rule.has_horizon else "no end in sight"
    reach = f"{_about(low or 0)} to {end if high is None else _about(high)}"
    return f"about {_about(median)} more sessions (in 8 of 10 such tests {reach})"


def _chance(own: Outlook, rule: StopRule) -> str:
    percent = 100 * own.undecided
    chance = "less than 1 %" if percent < 1 else "more than 99 %" if percent > 99 else f"{percent:.0f} %"  # noqa: PLR2004
    if rule.has_horizon and rule.max_iterations is not None:
        return f"{chance} chance that the {rule.max_iterations:,} end without a decision"
    return f"{chance} chance of no decision within {LIMIT} times the sessions so far"


def _about(sessions: int) -> str:
    """Return a number of sessions to three digits: a forecast knows no more."""
    return f"{round(sessions, 3 - len(str(sessions))) if sessions >= 1000 else sessions:,}"  # noqa: PLR2004 - three digits


def _size(difference: float, kind: Kind | None) -> str:
    if kind == "binary":
        return f"{100 * difference:.1f} points"
    return f"{difference:,.0f}" if difference >= 1000 else f"{difference:.3g}"  # noqa: PLR2004 - no decimals from here
