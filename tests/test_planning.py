"""Planning promises: the analytic figures are those of simulation, and each function undoes the other."""

import numpy as np
import pytest

import voicelab as vl
from voicelab import plots
from voicelab.analysis import sample_sizes
from voicelab.base.errors import InputError
from voicelab.decision.stats import detectable


@pytest.mark.parametrize(
    ("baseline", "effect", "sessions", "power"),
    [(0.30, 0.06, 500, 0.27), (0.30, 0.06, 1926, 0.77), (0.30, 0.10, 712, 0.74), (0.05, 0.02, 4426, 0.78)],
)
def test_power_is_that_of_the_method_measured_by_simulation(baseline, effect, sessions, power):
    even = np.array([0.5, 0.5])
    assert detectable.chance_to_win(sessions, baseline, effect, None, even, 95) == pytest.approx(power, abs=0.035)


@pytest.mark.parametrize(("sessions", "power"), [(500, 0.255), (1000, 0.576), (3000, 0.991)])
def test_power_among_three_variants(sessions, power):
    assert detectable.chance_to_win(sessions, 0.3, 0.1, None, np.full(3, 1 / 3), 95) == pytest.approx(power, abs=0.05)


def test_sessions_and_effect_undo_each_other():
    sessions = vl.required_sessions(0.3, 0.06)
    assert vl.minimum_detectable_effect(0.3, sessions) == pytest.approx(0.06, rel=0.01)
    assert vl.required_sessions(10, 1.0, sd=4) < vl.required_sessions(10, 0.5, sd=4)
    assert vl.required_sessions(0.3, 0.1, weights=3) > vl.required_sessions(0.3, 0.1)
    assert vl.required_sessions(0.3, 0.1, weights={"a": 0.1, "b": 0.9}) > vl.required_sessions(0.3, 0.1)
    assert vl.minimum_detectable_effect(0.99, 10) == float("inf")


def test_a_plan_can_be_drawn():
    assert plots.sample_size(sample_sizes(0.3, points=5), kind="binary").get_xlabel()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"baseline": 0.3, "effect": 0.8}, "come to 1.1, and a rate ends at 1"),
        ({"baseline": 0.3, "effect": 0}, "must be above 0"),
        ({"baseline": 30, "effect": 1}, "mean 0.3, which is 30 %.*give sd="),
        ({"baseline": 3, "effect": 1, "sd": -1}, "sd is -1"),
        ({"baseline": 0.3, "effect": 0.1, "power": 80}, "between 0 and 1"),
        ({"baseline": 0.3, "effect": 0.1, "weights": 1}, "at least two"),
        ({"baseline": 0.3, "effect": 0.1, "max_confidence": 0.95}, "Did you mean 95"),
        ({"baseline": float("nan"), "effect": 0.1}, "must be a number"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        vl.required_sessions(**given)


def test_calibration_counts_false_stops_and_power():
    rule = vl.StopRule(max_iterations=400, max_confidence=95)
    frame = vl.calibrate(rule, effect=0.3, replications=60)
    equal, better = frame.to_dict("records")
    assert equal["stopped"] <= 0.15
    assert better["stopped"] == 1.0
    assert better["wrong"] == 0.0
    assert better["sessions"] < 400
    assert plots.calibration(frame[frame["bound"].notna()]).get_xlabel()


def test_a_handlers_own_test_is_calibrated():
    def text(stop):
        return (
            "async def handler(event, context):\n"
            "    if event.name == 'start':\n"
            "        context.add_outcome('x', 'boolean')\n"
            f"        context.add_test('t', {{'a': 0.5, 'b': 0.5}}, stop={stop})\n"
            "        yield\n"
        ).replace("        yield\n", "    return\n    yield\n")

    stop = {"max_iterations": 100, "max_confidence": 90, "target_outcome": "x", "default": "a"}
    assert len(vl.calibrate(text(stop), replications=5)) == 2
    with pytest.raises(InputError, match="never names a winner"):
        vl.calibrate(text({"max_iterations": 100, "default": "a"}), replications=5)
    with pytest.raises(InputError, match="declares no test"):
        vl.calibrate("async def handler(event, context):\n    return\n    yield\n")
