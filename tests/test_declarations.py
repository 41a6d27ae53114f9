"""What the SDK accepts of a test's declaration: variants that are switched off, conditions that nothing fulfils."""

import math
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from primfunctions.experiment import Experiment

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule, switched_on
from voicelab.decision.stats.sample_ratio import SampleRatio, fixed_p_value
from voicelab.simulation.progress_card import Standing, as_html

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")

SELLS = """from primfunctions.events import StopEvent, TextToSpeechEvent
from primfunctions.metrics import metrics
import random

async def handler(event, context):
    if event.name == "start":
        variant = context.experiment(
            "e",
            {variants},
            conversion_metrics=["sold"],
            stop={stop},
        )
        if random.random() < {{"a": 0.2, "b": 0.7}}.get(variant, 0.9):
            metrics.counter("sold")
        yield TextToSpeechEvent(f"This is {{variant}}.")
        yield StopEvent()
"""
DECLARED_AT = 7
HORIZON = {"max_iterations": 100, "max_confidence": 95, "target_metric": "sold", "default": "a"}


def sells(variants, stop=HORIZON):
    return SELLS.format(variants=variants, stop=stop)


def simulated(folder, variants, stop=HORIZON, sessions=150):
    return vl.simulate(sells(variants, stop), ["hi"], sessions, log=folder / "log", seed=3, workers=1, progress=False)


# --- variants that are switched off ----------------------------------------------------------------------------------


@pytest.mark.parametrize("variants", [{"a": 1.0, "off": 0}, {"off": 0.0, "a": 3}, {"off": 0, "a": 1, "out": 0}])
def test_a_variant_of_weight_0_gets_no_session(variants):
    assert Experiment("e", variants).select() == "a"
    record = vl.run(sells(variants))
    assert (record.status, record.n_errors, record.variants) == ("completed", 0, {"e": "a"})


def test_not_even_the_last_number_below_one_draws_a_variant_of_weight_0():
    from voicelab.runtime.context.experiments import SessionExperiments

    class Host:
        def __init__(self):
            self.forced, self.run_tests, self.drawn = {}, {}, []

        def uniform(self, stream):
            return math.nextafter(1.0, 0.0)

        def declare(self, *declared):
            return ""

        def expose(self, test, variant, *facts):
            self.drawn.append(variant)

    # Three tenths times the largest number below 1 are rounded up to three tenths.
    weights = {"a": 0.1, "b": 0.2, "off": 0.0}
    host = Host()
    SessionExperiments(host).add("e", weights)
    assert host.drawn == ["b"]


def test_only_weights_that_are_all_0_are_refused():
    record = vl.run(sells({"a": 0, "b": 0.0}))
    assert "every weight is 0" in record.errors[0].data["message"]
    with pytest.raises(ValueError, match="greater than zero"):
        Experiment("e", {"a": 0, "b": 0.0}).select()


def test_a_variant_that_is_switched_off_can_be_forced_and_is_run_by_each():
    handler = sells({"a": 1.0, "off": 0})
    assert vl.run(handler, variants={"e": "off"}).variants == {"e": "off"}
    assert list(vl.run(handler, variants="each")) == ["a", "off"]


def test_a_simulated_test_with_a_variant_off_is_decided_between_the_others(tmp_path):
    log = simulated(tmp_path, {"a": 0.5, "off": 0, "b": 0.5})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = vl.analyze(log)
        html = result._repr_html_()
        for kind in ("shares", "variants", "confidence"):
            plt.close(result.plot(kind).figure)
    assert (result.decision.conclusion, result.decision.winner) == ("winner", "b")
    assert log.manifest["decisions"]["e"]["winner"] == "b"
    assert list(result.variants["variant"]) == ["a", "b"]
    assert not result.srm["alarm"]
    assert 0 < result.srm["p_value_fixed"] <= 1
    assert any("Switched off by weight 0" in warning and "off" in warning for warning in result.warnings)
    assert "Switched off" in html


def test_sessions_forced_onto_a_variant_that_is_off_are_counted_apart(tmp_path):
    log = vl.simulate(
        sells({"a": 1, "b": 1, "off": 0}), ["hi"], 20, log=tmp_path / "log", variants={"e": "off"}, progress=False
    )
    assert set(log.exposures()["variant"]) == {"off"}
    assert vl.analyze(log).excluded["sessions"].tolist() == [20]


def test_with_all_variants_off_but_one_there_is_nothing_to_compare(tmp_path):
    log = simulated(tmp_path, {"a": 1, "off": 0})
    assert log.manifest["decisions"]["e"]["reason"] == "iterations"
    with pytest.raises(InputError, match=r"one variant that is not switched off .*off.*nothing to compare"):
        vl.analyze(log)


def test_frames_take_a_weight_of_0_for_a_variant_without_sessions():
    frame = pd.DataFrame({"variant": ["a", "b"] * 200, "bought": [0, 1, 0, 0] * 100})
    weights = {"a": 0.5, "b": 0.5, "off": 0}
    rule = vl.StopRule(max_iterations=400, max_confidence=95, default="off")
    for path in (True, False):
        result = vl.analyze(frame, outcome="bought", weights=weights, rule=rule, path=path)
        assert result.decision.winner == "b"
        assert any("default 'off' is switched off" in warning for warning in result.warnings)
        with pytest.raises(InputError, match="weight of 'b' is 0, so that no session can have got it"):
            vl.analyze(frame, outcome="bought", weights={"a": 1, "b": 0}, path=path)


def test_weights_may_switch_variants_on_and_off_from_session_to_session(tmp_path):
    weights = [{"a": 0.5, "b": 0.5, "c": 0, "d": 0}, {"a": 0.5, "b": 0, "c": 0.5, "d": 0}]
    log = vl.simulate(
        sells('context.get_data("weights")', {"max_iterations": 1000, "target_metric": "sold", "default": "a"}),
        ["hi"],
        80,
        log=tmp_path / "log",
        parameters=lambda index: {"weights": weights[index >= 40]},
        workers=1,
        progress=False,
    )
    result = vl.analyze(log)
    assert result.variants.set_index("variant")["sessions"].gt(0).to_dict() == {"a": True, "b": True, "c": True}
    assert not result.srm["alarm"]
    assert "not compared: d" in " ".join(result.warnings)


@pytest.mark.parametrize("method", ["auto", "e-process"])
@pytest.mark.parametrize("kind", ["binary", "float"])
@pytest.mark.parametrize("weights", [{"a": 0.5, "b": 0.5, "c": 0.0}, {"a": 1.0, "b": 0.0, "c": 0.0}])
def test_a_variant_that_is_switched_on_and_off_while_the_test_runs_is_compared(method, kind, weights):
    rule = StopRule(max_iterations=1000, max_confidence=95, method="e-process" if method == "e-process" else "auto")
    rng = np.random.default_rng(1)
    monitor = Monitor(rule, weights, test="e")
    monitor.know(kind)
    epochs = [weights, {"a": 0.2, "b": 0.4, "c": 0.4}, {"a": 0.0, "b": 0.5, "c": 0.5}]
    with np.errstate(all="raise", under="ignore"):
        for number, epoch in enumerate(epochs):
            if number:
                monitor.new_weights(epoch)
            arms = rng.choice(3, 200, p=list(epoch.values()))
            values = (rng.random(200) < 0.3).astype(float)
            everywhere = np.ones(200, dtype=bool)
            monitor.extend(arms, values, everywhere, ~everywhere, np.arange(200) + 200 * number)
            for arm in range(3):
                low, high = monitor.evidence.mean_interval(monitor.moments[arm], arm, 0.05)
                assert low <= high
    assert monitor.sessions == 600
    assert not monitor.ratio.alarm
    assert monitor.decision.conclusion == "continue"


def test_a_session_of_a_variant_that_is_off_contradicts_the_weights():
    weights = np.array([0.5, 0.5, 0.0])
    arms = np.array([0, 1] * 20 + [2])
    whole, single, looked = (SampleRatio(weights) for _ in range(3))
    with np.errstate(all="raise", under="ignore"):
        whole.extend(arms)
        for arm in arms:
            single.add(int(arm))
        looked.look(np.bincount(arms).astype(float))
    assert whole.alarm
    assert single.alarm
    assert looked.alarm
    assert whole.p_value == single.p_value == looked.p_value == fixed_p_value(np.bincount(arms), weights) == 0.0
    assert vl.check_srm({"a": 20, "b": 0}, {"a": 1, "b": 0})["p_value_fixed"] == 1.0
    assert vl.check_srm({"a": 20, "b": 1}, {"a": 1, "b": 0})["p_value_fixed"] == 0.0


def test_plans_count_the_variants_that_are_on():
    two = vl.required_sessions(0.3, 0.1, weights={"a": 1, "b": 1})
    assert vl.required_sessions(0.3, 0.1, weights={"a": 1, "off": 0, "b": 1}) == two
    with pytest.raises(InputError, match="two variants that are not switched off"):
        vl.required_sessions(0.3, 0.1, weights={"a": 1, "off": 0})
    rows = vl.calibrate(sells({"a": 0.5, "off": 0, "b": 0.5}), replications=5, effect=0.3)
    assert rows["stopped"].iloc[1] > 0


# --- conditions that nothing fulfils ---------------------------------------------------------------------------------

UNMET = [
    ({"max_iterations": 0}, "max_iterations is 0, which can't be met", "declare the number of sessions"),
    ({"max_confidence": 100}, "max_confidence is 100, which can't be met", "no amount of data reaches it"),
    ({"max_confidence": 0.95}, "max_confidence is 0.95, which can't be met", "Did you mean 95?"),
    ({"max_confidence": 0}, "max_confidence is 0, which can't be met", "counted in percent"),
]


@pytest.mark.parametrize(("condition", "message", "hint"), UNMET)
def test_a_condition_that_the_sdk_accepts_is_noted_once_at_its_line_and_stops_nothing(
    condition, message, hint, tmp_path
):
    stop = {"target_metric": "sold", "default": "a", **condition}
    assert Experiment("e", {"a": 1, "b": 1}, stop=stop).stop[next(iter(condition))] == next(iter(condition.values()))
    handler = vl.load_handler(sells({"a": 0.5, "b": 0.5}, stop))
    log = vl.simulate(handler, ["hi"], 60, log=tmp_path / "log", seed=3, workers=1, progress=False)
    [key] = condition
    [note] = [note for note in handler.note_list if note.rule == f"unmet_{key}"]
    assert (note.file, note.line) == ("handler.py", DECLARED_AT)
    assert "can't be met" in note.written
    assert hint in note.sdk
    assert not log.sessions()["n_errors"].any()
    result = vl.analyze(log)
    for said in (log.manifest["decisions"]["e"]["sentence"], result.decision.sentence, *_saying(result, key)):
        assert message in said
        assert hint in said
    assert not result.decision.should_stop
    assert result.decision.sentence.startswith("Go on: nothing stops the test.")
    assert result.rule.to_stop()[key] == condition[key]
    assert message in result._repr_html_().replace("&#x27;", "'")


def _saying(result, key):
    found = [warning for warning in result.warnings if key in warning]
    assert len(found) == 1
    return found


def test_what_can_be_met_still_stops_a_test():
    rule = StopRule.from_stop({"max_iterations": 50, "max_confidence": 100, "target_metric": "sold", "default": "a"})
    monitor = _fed(rule, 60)
    assert monitor.decision.stopped_at == 50
    assert "sessions are done" in monitor.decision.sentence


@pytest.mark.parametrize(
    "stop", [{"max_iterations": 50, "max_confidence": 100}, {"max_iterations": 0, "max_confidence": 95}]
)
def test_where_both_conditions_are_asked_for_one_that_cant_be_met_lets_the_test_run_on(stop):
    rule = StopRule.from_stop({**stop, "stop_on": 2, "target_metric": "sold", "default": "a"})
    monitor = _fed(rule, 400)
    assert not monitor.stopped
    assert "nothing stops the test" in monitor.decision.sentence
    shown = as_html([Standing(monitor.decision, rule, "binary", (("a", 200, 0.1), ("b", 200, 0.9)))])
    assert "be met" in shown


def _fed(rule, sessions):
    monitor = Monitor(rule, {"a": 0.5, "b": 0.5}, test="e")
    monitor.know("binary")
    for at in range(sessions):
        monitor.update("ab"[at % 2], float(at % 2 and at % 10 > 1))
    return monitor


def test_rules_made_by_hand_are_refused_as_before():
    for options in ({"max_iterations": 0}, {"max_confidence": 100}, {"max_confidence": 0.95}, {"max_confidence": 0}):
        with pytest.raises(InputError):
            StopRule(**options)


def test_switched_on_keeps_the_order_and_what_is_no_weight():
    assert switched_on({"b": 1, "off": 0, "a": 0.5}) == {"b": 1, "a": 0.5}
    assert switched_on({"a": False, "b": "0"}) == {"a": False, "b": "0"}
