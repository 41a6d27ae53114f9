"""Stop rules: what they take, what they refuse, what they decide."""

import numpy as np
import pytest

from voicelab.base.errors import InputError
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopDecision, StopRule, Target


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"max_iterations": -5}, "max_iterations is -5"),
        ({"max_iterations": True}, "max_iterations is True"),
        ({"max_iterations": 500.0}, "max_iterations is 500.0"),
        ({"max_confidence": 0.95}, r"must be above 1 and below 100 \(percent\). Did you mean 95\?"),
        ({"max_confidence": 100}, "no amount of data reaches"),
        ({"max_confidence": True}, "max_confidence is True"),
        ({"max_confidence": float("nan")}, "max_confidence is nan"),
        ({"stop_on": "both"}, "'any' or 'all'"),
        ({"direction": "up"}, "'maximize' or 'minimize'"),
        ({"criterion": "worst"}, "'best'"),
        ({"method": "bayes"}, "must be 'auto' or"),
        ({"margin": "much"}, "margin is"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        StopRule(**options)


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        ({"default": "a", "max_iteration": 5}, "Did you mean 'max_iterations'"),
        ({"max_iterations": 5}, "no 'default'"),
        ({"default": "a", "max_confidence": 95}, "no target"),
        ({"default": "a", "stop_on": 3}, "1 .whichever"),
        ([], "must be a dict"),
    ],
)
def test_a_stop_dict_that_cannot_be_meant_is_refused(stop, message):
    with pytest.raises(InputError, match=message):
        StopRule.from_stop(stop)


@pytest.mark.parametrize("target", ["target_outcome", "target_metric"])
def test_the_stop_dicts_of_guide_and_sdk(target):  # G17
    stop = {"max_iterations": 500, "max_confidence": 95, target: "user_satisfied", "default": "friendly"}
    rule = StopRule.from_stop(stop)
    assert (rule.max_iterations, rule.max_confidence, rule.target_outcome, rule.default) == (
        500,
        95,
        "user_satisfied",
        "friendly",
    )
    assert rule.stop_on == "any"
    assert StopRule.from_stop(rule.to_stop()) == rule


@pytest.mark.parametrize(
    ("rule", "horizon"),
    [
        (StopRule(max_confidence=95), False),
        (StopRule(max_confidence=95, max_iterations=9, stop_on="all"), False),
        (StopRule(max_confidence=95, max_iterations=9), True),
        (StopRule(max_iterations=9, stop_on="all"), True),
        (StopRule(max_confidence=95, max_iterations=9, method="e-process"), False),
    ],
)
def test_a_horizon_is_a_declared_number_of_sessions_that_is_never_passed(rule, horizon):
    assert rule.has_horizon is horizon


def feed(monitor, arms, values, written=True, crashed=False):
    n = len(arms)
    return monitor.extend(
        np.array(arms), np.array(values, dtype=float), np.full(n, written), np.full(n, crashed), np.arange(n)
    )


def test_iterations_stop_where_they_say_and_serve_the_default():  # G18, G20, G22
    rule = StopRule(max_iterations=4, target_outcome="x", default="blue")
    monitor = Monitor(rule, {"red": 0.5, "blue": 0.5}, test="button")
    assert feed(monitor, [0, 1, 0, 1, 0, 1], [np.nan] * 6, written=False) == 3
    decision = monitor.decision
    assert (decision.should_stop, decision.reason, decision.stopped_at, decision.stopped_session_index) == (
        True,
        "iterations",
        4,
        3,
    )
    assert (decision.serve, decision.run_test, decision.confidence) == ("blue", {"button": False}, None)
    assert "never recorded" in decision.sentence
    assert StopDecision.from_json(decision.to_json()) == decision


def test_a_winner_that_is_not_the_default_is_said_to_be_so():
    rule = StopRule(max_iterations=400, max_confidence=90, target_outcome="x", default="red")
    monitor = Monitor(rule, {"red": 0.5, "blue": 0.5}, test="button")
    monitor.know("binary")
    feed(monitor, [0, 1] * 200, [0, 1] * 200)
    decision = monitor.decision
    assert (decision.conclusion, decision.reason, decision.winner) == ("winner", "confidence", "blue")
    assert "change it to blue" in decision.sentence


def test_less_is_better_where_the_rule_says_so():
    rule = StopRule(max_iterations=400, max_confidence=90, target_outcome="x", default="a", direction="minimize")
    monitor = Monitor(rule, {"a": 0.5, "b": 0.5}, test="t")
    monitor.know("float")
    rng = np.random.default_rng(1)
    feed(monitor, [0, 1] * 200, rng.normal([5, 9] * 200, 1))
    assert monitor.decision.winner == "a"


def test_no_variation_is_no_confidence():
    rule = StopRule(max_iterations=50, max_confidence=95, target_outcome="x", default="a")
    monitor = Monitor(rule, {"a": 0.5, "b": 0.5}, test="t")
    monitor.know("binary")
    feed(monitor, [0, 1] * 10, [1.0] * 20)
    assert monitor.decision.confidence == 0.0
    assert monitor.decision.leader is None


def test_sessions_from_before_the_kind_was_known_count():
    rule = StopRule(max_iterations=50, target_outcome="x", default="a")
    for kind, expected in (("binary", 4), ("float", 2)):
        monitor = Monitor(rule, {"a": 0.5, "b": 0.5}, test="t")
        feed(monitor, [0, 1], [np.nan] * 2, written=False)
        feed(monitor, [0, 1], [np.nan] * 2, written=False, crashed=True)
        monitor.know(kind)
        assert sum(float(m[0]) for m in monitor.moments) == expected
        assert monitor.sessions == 4


def test_shares_that_disagree_with_the_weights_invalidate_the_test():
    monitor = Monitor(StopRule(max_iterations=5000, target_outcome="x", default="a"), {"a": 0.5, "b": 0.5}, test="t")
    monitor.know("binary")
    feed(monitor, [0] * 200 + [1] * 60, [0, 1] * 130)
    assert monitor.decision.conclusion == "invalid_srm"


@pytest.mark.parametrize(
    ("kind", "types"), [("binary", ["boolean"]), ("count", ["integer"]), ("float", ["float"]), (None, [])]
)
def test_the_kind_of_an_outcome_is_that_of_its_first_value(kind, types):
    assert Target("x", []).kind_in(types) == kind


def test_a_conversion_is_binary_and_text_is_no_target():
    assert Target("x", ["x"]).kind_in(["integer"]) == "binary"
    with pytest.raises(InputError, match="text"):
        Target("x", []).kind_in(["string"])
