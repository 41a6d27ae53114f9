"""What a test's decision says in a sentence: what to do next."""

from voicelab.decision.rules import Conclusion
from voicelab.decision.state import State


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
            "wrong with the assignment or the logging. Find out what before reading the outcomes."
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
    return _on_the_way(monitor)


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
    if monitor.leader is None:
        return "the outcome never varied, so nothing can be said"
    return f"{monitor.leader} leads, but not clearly enough"


def _on_the_way(monitor: State) -> str:
    remarks = "".join(f" The rule's {remark}" for remark in monitor.rule.remarks)
    so_far = "Go on: nothing stops the test." if monitor.rule.never_stops else _so_far(monitor)
    return f"{so_far}{remarks}"


def _so_far(monitor: State) -> str:
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
    if rule.max_iterations is None:
        if rule.max_confidence is None:
            return "Go on: the rule has neither max_iterations nor max_confidence, so nothing stops the test."
        return f"Go on: {yet}; nothing but confidence stops this test, so that it may run for ever: declare max_iterations."
    left = rule.max_iterations - monitor.sessions
    if left <= 0:
        return f"Go on: the declared {rule.max_iterations:,} sessions are done, and the rule waits for confidence too; {yet}."
    return f"Go on: {left:,} of {rule.max_iterations:,} sessions are left, and {yet}."
