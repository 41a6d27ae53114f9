"""`vl.analyze`: what counts and what doesn't, and what the result says."""

import json

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.log.manifest import write_manifest
from voicelab.log.write import settle_shard, stage_shard

RULE = vl.StopRule(max_iterations=2000, max_confidence=95, default="a")


def declaration(variants=None, stop=None, conversions=()):
    return json.dumps(
        {"variants": variants or {"a": 0.5, "b": 0.5}, "stop": stop or {}, "conversion_metrics": list(conversions)}
    )


def session(index, *, status="completed", exposures=(), outcomes=()):
    facts = dict.fromkeys(SESSIONS, None) | {
        "run_id": "r", "session_id": f"s{index:03d}", "session_index": index, "source": "simulated", "caller": "script",
        "status": status, "n_errors": 0, "n_turns": 1, "n_replies": 0, "n_otherwise": 0, "duration_s": float(index),
        "environment": "development", "direction": "inbound", "origin": "simulation",
        "tags": "[]", "parameters": "{}", "data": "{}", "output_data": "{}",
    }  # fmt: skip
    return SessionRows(
        tuple(facts.values()),
        exposures=[(index, t, v, 0.5, how, 0.5, text) for t, v, how, text in exposures],
        outcomes=[(index, *outcome) for outcome in outcomes],
    )


def write_log(folder, sessions):
    write_manifest(
        folder, {"status": "finished", "run_id": "r", "shard_size": len(sessions) or 1, "source": "simulated"}
    )
    stage_shard(folder, 0, "all", sessions)
    settle_shard(folder, 0, "all")
    return vl.open_log(folder)


def booked(value, written=True):
    return ("booked", "boolean", float(value), None, written)


@pytest.fixture
def planted(tmp_path):
    """A log with traps: unwritten, crashed, forced, after the stop, two tests, an outcome of mixed types."""
    text = declaration(stop={"max_iterations": 8, "target_outcome": "booked", "default": "a"})
    other = declaration({"x": 0.5, "y": 0.5})

    def one(index, variant, outcomes=(), status="completed", how="random", **more):
        return session(
            index, status=status, exposures=[("t", variant, how, text), *more.get("others", ())], outcomes=outcomes
        )

    return write_log(
        tmp_path,
        [
            one(0, "a", [booked(1)]),
            one(1, "b", [booked(1)]),
            one(2, "a"),  # unwritten: counts as 0
            one(3, "b", [booked(0, False)]),  # declared and never set: counts as 0
            one(4, "a", status="error"),  # crashed: a failure of a binary target
            one(5, "b", [booked(1)], how="forced"),  # doesn't count
            one(6, "b", [booked(1), ("mixed", "integer", 2.0, None, True)], others=[("u", "x", "random", other)]),
            one(7, "a", [booked(1), ("mixed", "float", 0.5, None, True)], others=[("u", "y", "random", other)]),
            one(8, "b", status="hangup"),  # unwritten: counts as 0
            session(9, outcomes=[booked(1)]),  # reached no test
            one(10, "a", [booked(1)], how="default_after_stop"),  # doesn't count
        ],
    )


def test_a_log_with_traps_is_counted_as_by_hand(planted):
    result = vl.analyze(planted, "t")
    variants = result.variants.set_index("variant")
    # a: sessions 0, 2, 4, 7 with 1, 0, 0, 1; b: sessions 1, 3, 6, 8 with 1, 0, 1, 0.
    assert dict(variants["n"]) == {"a": 4, "b": 4}
    assert dict(variants["mean"]) == {"a": 0.5, "b": 0.5}
    assert dict(result.excluded.set_index("reason")["sessions"]) == {
        "forced: a person chose the variant": 1,
        "served the default after the stop": 1,
        "completed without writing the outcome: counted as 0": 3,
        "crashed (status error) without the outcome: counted as a failure": 1,
    }
    assert (result.decision.should_stop, result.decision.reason, result.decision.stopped_at) == (True, "iterations", 8)
    assert result.decision.stopped_session_index == 8
    assert result.decision.serve == "a"


def test_numbers_leave_crashed_sessions_out(planted):
    result = vl.analyze(planted, "t", outcome="mixed", rule=vl.StopRule(max_iterations=8, default="a"))
    assert dict(result.variants.set_index("variant")["n"]) == {"a": 3, "b": 4}
    assert any("several types" in warning for warning in result.warnings)


def test_a_column_of_the_sessions_is_an_outcome_too(planted):
    result = vl.analyze(planted, "t", outcome="duration_s")
    assert dict(result.variants.set_index("variant")["mean"]) == {"a": (0 + 2 + 4 + 7) / 4, "b": (1 + 3 + 6 + 8) / 4}


def test_frame_of_sessions_agrees_with_the_analysis(planted):  # G25
    sessions = planted.sessions()
    counted = sessions[sessions["session_index"].isin([0, 1, 2, 3, 6, 7, 8])]
    means = counted.groupby("variant.t")["outcome.booked"].mean()
    assert dict(means) == {"a": pytest.approx(2 / 3), "b": 0.5}
    assert np.isnan(sessions.set_index("session_index").loc[4, "outcome.booked"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"test": "tt"}, "no test 'tt'. It has: t, u. Did you mean 't'"),
        ({}, "has 2 tests: t, u. Name the one"),
        (
            {"test": "t", "outcome": "book"},
            "no outcome 'book'. It has the outcomes booked, mixed, .*duration_s.*Did you mean 'booked'",
        ),
        ({"test": "u"}, "Choose one: outcome='booked' or 'mixed'"),
        ({"test": "t", "missing": "drop"}, "missing is 'drop'"),
        ({"test": "t", "outcome": 5}, "outcome is 5, must be names"),
        ({"test": "t", "guardrails": "n_errors"}, "guardrails is 'n_errors', must be names"),
        ({"test": "t", "rule": {"max_iterations": 5}}, "must be vl.StopRule"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(planted, arguments, message):
    with pytest.raises(InputError, match=message):
        vl.analyze(planted, **arguments)


def test_a_target_that_was_never_recorded_has_no_confidence(tmp_path):  # G22
    text = declaration(
        stop={"max_iterations": 500, "max_confidence": 95, "target_outcome": "user_satisfied", "default": "a"}
    )
    log = write_log(tmp_path, [session(i, exposures=[("t", "ab"[i % 2], "random", text)]) for i in range(30)])
    result = vl.analyze(log)
    assert result.decision.confidence is None
    assert "never recorded" in result.decision.sentence
    assert any("never recorded" in warning for warning in result.warnings)


# --- frames ----------------------------------------------------------------------------------------------------------


def frame(hits_a, n_a, hits_b, n_b):
    rows = pd.DataFrame(
        {
            "variant": ["a"] * n_a + ["b"] * n_b,
            "bought": [1] * hits_a + [0] * (n_a - hits_a) + [1] * hits_b + [0] * (n_b - hits_b),
        }
    )
    return rows.sample(frac=1, random_state=1)


EVEN = {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(("confidence", "stops"), [(95, True), (96, False)])
def test_one_look_with_the_fixed_sample_test(confidence, stops):  # G19
    rule = vl.StopRule(max_confidence=confidence, default="a", method="fixed")
    decision = vl.analyze(frame(120, 1000, 150, 1000), outcome="bought", weights=EVEN, rule=rule).decision
    assert decision.should_stop is stops
    assert decision.confidence == pytest.approx(95.04, abs=0.005)


def test_the_fixed_numbers_stand_beside_under_their_own_name():
    row = vl.analyze(frame(120, 1000, 150, 1000), outcome="bought", weights=EVEN, rule=RULE).comparisons.iloc[0]
    assert row["p_value_fixed"] == pytest.approx(0.04964, abs=1e-5)
    assert row["p_value"] > row["p_value_fixed"]
    assert row["difference"] == pytest.approx(0.03)
    assert row["lift"] == pytest.approx(0.25)
    assert (
        row["difference_cs_lower"]
        < row["difference_ci_lower"]
        < row["difference_ci_upper"]
        < row["difference_cs_upper"]
    )


@pytest.mark.parametrize(
    "data",
    [frame(0, 50, 0, 50), frame(50, 50, 50, 50), frame(0, 5, 5, 5), frame(1, 1, 0, 1)],
    ids=["none", "all", "opposite", "tiny"],
)
def test_no_display_says_nan_or_100_percent_of_confidence(data):
    result = vl.analyze(data, outcome="bought", weights=EVEN, rule=RULE)
    for shown in (str(result), repr(result), result._repr_html_()):
        assert "nan" not in shown.lower()
        assert "confidence 100" not in shown
        assert "inf" not in shown.replace("information", "")


def test_a_frame_without_rule_has_a_confidence_that_needs_no_horizon():
    result = vl.analyze(frame(120, 1000, 150, 1000), outcome="bought", weights=EVEN)
    assert 0 < result.decision.confidence < 95.04  # the fixed-sample number for one look
    assert "e-process, because no number of sessions is declared" in result.method
    assert "neither max_iterations nor max_confidence" in result.decision.sentence


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda f: f, {"outcome": "buys"}, "no column 'buys'"),
        (lambda f: f, {"outcome": None}, "Name the column"),
        (lambda f: f.iloc[:0], {}, "empty"),
        (lambda f: f.assign(bought="yes"), {}, "holds text"),
        (lambda f: f, {"weights": {"a": 1.0}}, "variant 'b' has no weight"),
        (lambda f: f, {"weights": {"a": 0.5, "b": 0}}, "weight of 'b' is 0"),
        (lambda f: f[f["variant"] == "a"], {"weights": {"a": 1}}, "one variant"),
        (lambda _: 5, {}, "data is a value of type int. Give a session log"),
        (lambda f: f.assign(bought=pd.Timestamp("2026-01-01")), {}, "of type Timestamp"),
        (lambda f: f.assign(bought=1j), {}, "of type complex"),
        (lambda f: f.assign(bought=[[1]] * len(f)), {}, "of type list"),
        (lambda f: pd.concat([f, f[["bought"]]], axis=1), {}, "more than one column 'bought'"),
        (lambda f: f, {"outcome": ["bought", "bought"]}, "names 'bought' twice"),
        (lambda f: f, {"rule": vl.StopRule(criterion="vs_default", default="z")}, "'z' is no variant"),
    ],
)
def test_a_frame_that_cannot_be_analysed_is_refused(change, arguments, message):
    with pytest.raises(InputError, match=message):
        vl.analyze(change(frame(5, 20, 6, 20)), **{"outcome": "bought", "weights": EVEN, **arguments})


@pytest.mark.parametrize("path", [True, False])
@pytest.mark.parametrize("kind", ["frame", "file"])
def test_sessions_that_stand_twice_are_refused(tmp_path, kind, path):
    data = frame(5, 20, 6, 20).assign(session_id=lambda f: ["x", "x", *map(str, range(len(f) - 2))])
    if kind == "file":
        data.to_parquet(tmp_path / "data.parquet")
        data = tmp_path / "data.parquet"
    with pytest.raises(InputError, match="1 session ids stand more than once, e.g. 'x'"):
        vl.analyze(data, outcome="bought", weights=EVEN, path=path)


def test_a_default_that_is_no_variant_is_refused_and_may_be_a_number():
    data = frame(5, 20, 6, 20)
    for path in (True, False):
        with pytest.raises(
            InputError, match=r"default 'aa1' is no variant of 'variant' \(a1, b1\)\. Did you mean 'a1'\?"
        ):
            vl.analyze(
                data.assign(variant=data["variant"] + "1"),
                outcome="bought",
                weights={"a1": 0.5, "b1": 0.5},
                rule=vl.StopRule(max_iterations=100, default="aa1"),
                path=path,
            )
    numbered = data.assign(variant=data["variant"].map({"a": 1, "b": 2}))
    rule = vl.StopRule(max_iterations=100, default=2)
    result = vl.analyze(numbered, outcome="bought", weights={1: 0.5, 2: 0.5}, rule=rule)
    assert dict(zip(result.variants["variant"], result.variants["is_default"], strict=True)) == {"1": False, "2": True}


def test_missing_values_and_missing_variants_are_counted():
    data = frame(10, 100, 20, 100).reset_index(drop=True).astype({"bought": "Int64"})
    data.loc[0:4, "bought"] = pd.NA
    data.loc[5:7, "variant"] = None
    result = vl.analyze(data, outcome="bought", weights=EVEN, rule=RULE)
    assert dict(result.excluded.set_index("reason")["sessions"]) == {"no variant found": 3, "the outcome is missing": 5}
    assert result.variants["n"].sum() == 192


def test_check_srm():
    assert vl.check_srm({"a": 500, "b": 500}, EVEN)["p_value_fixed"] == 1.0
    assert vl.check_srm({"a": 600, "b": 400}, EVEN)["p_value_fixed"] < 1e-9
    for counts, weights in (({"a": 1}, EVEN), ({"a": -1, "b": 2}, EVEN), ({"a": 1, "b": 1}, {"a": 1, "b": -1})):
        with pytest.raises(InputError):
            vl.check_srm(counts, weights)


def test_a_variant_that_the_first_declaration_does_not_name_is_told(tmp_path):
    first, later = declaration(), declaration({"a": 0.5, "c": 0.5})
    log = write_log(
        tmp_path,
        [
            session(index, exposures=[("t", variant, "random", text)], outcomes=[booked(1)])
            for index, (variant, text) in enumerate([("a", first), ("b", first), ("c", later)])
        ],
    )
    with pytest.raises(InputError, match="variant 'c', which the first declaration of 't' doesn't name"):
        vl.analyze(log, "t")


def test_a_frame_with_a_column_exposures_is_no_log():
    frame = pd.DataFrame({"variant": ["a", "b"] * 10, "bought": [0, 1] * 10, "exposures": 1})
    assert vl.analyze(frame, outcome="bought", weights={"a": 0.5, "b": 0.5}).decision.sessions == 20


def test_a_winner_that_waits_for_its_sessions_is_named_and_not_denied():
    frame = pd.DataFrame({"variant": ["a", "b"] * 300, "bought": [0, 1, 0, 0, 0, 1] * 100})
    rule = vl.StopRule(max_iterations=1000, max_confidence=95, default="a", stop_on="all")
    decision = vl.analyze(frame, outcome="bought", weights=EVEN, rule=rule).decision
    assert (decision.winner, decision.conclusion) == ("b", "continue")
    assert decision.sentence == (
        "Go on: b beats every other variant, and the rule waits for the other 400 of its 1,000 sessions too."
    )


def test_the_fixed_sample_test_says_its_doubts_first_and_knows_no_margin():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"variant": ["a", "b"] * 100, "spent": rng.lognormal(0, 2, 200)})
    frame.loc[frame["variant"] == "b", "spent"] *= 30
    rule = vl.StopRule(max_iterations=200, max_confidence=95, default="a", method="fixed")
    decision = vl.analyze(frame, outcome="spent", weights=EVEN, rule=rule).decision
    assert decision.winner == "b"
    assert decision.sentence.startswith("Approximate: ")
    assert decision.verdict == "Stop: b beats every other variant, if this was the only look at the data."
    with pytest.raises(InputError, match="knows no margin"):
        vl.StopRule(max_iterations=200, max_confidence=95, margin=0.1, method="fixed")
