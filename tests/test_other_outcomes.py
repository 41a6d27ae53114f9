"""What stands beside the decision: other outcomes, guardrails, segments; changed declarations, mixed sources, other data."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from test_analyze import declaration, session, write_log

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.records import SESSIONS
from voicelab.cli import main

RULE = vl.StopRule(max_iterations=2000, max_confidence=95, default="a")
EVEN = {"a": 0.5, "b": 0.5}


@pytest.fixture
def frame():
    rng = np.random.default_rng(4)
    arm = rng.integers(0, 2, 2000)
    return pd.DataFrame(
        {
            "session_id": [f"s{index}" for index in range(2000)],
            "variant": np.array(["a", "b"])[arm],
            "bought": rng.random(2000) < np.where(arm, 0.5, 0.3),
            "asked": rng.poisson(np.where(arm, 1.0, 1.0)),
            "duration_s": rng.normal(np.where(arm, 70.0, 60.0), 10.0),
            "n_errors": rng.poisson(0.1, 2000),
            "caller": np.where(rng.random(2000) < 0.7, "patient", "hurried"),
        }
    )


def analysed(frame, **more):
    return vl.analyze(frame, **{"outcome": "bought", "weights": EVEN, "rule": RULE} | more)


def test_a_guardrail_that_grows_is_a_warning_and_one_that_does_not_is_none(frame):
    result = analysed(frame, guardrails=["duration_s", "n_errors"])
    assert dict(result.guardrails.set_index("outcome")["harmed"]) == {"duration_s": True, "n_errors": False}
    [warning] = [w for w in result.warnings if "Guardrail" in w]
    assert "duration_s grows with b" in warning
    assert "the winner" in warning
    assert "Guardrails" in result._repr_html_()
    assert analysed(frame).guardrails is None


def test_other_outcomes_are_reported_with_holm_and_never_stop(frame):
    result = analysed(frame, outcome=["bought", "asked", "duration_s"])
    assert result.decision == analysed(frame).decision
    outcomes = result.outcomes.set_index("outcome")
    assert set(outcomes.index) == {"asked", "duration_s"}
    assert (outcomes["p_value_adjusted"] >= outcomes["p_value"].astype(float)).all()
    assert outcomes.loc["duration_s", "confidence"] > 95 > outcomes.loc["asked", "confidence"]


def test_segments_compare_within_themselves(frame):
    segments = analysed(frame, by="caller").segments.set_index("segment")
    counted = analysed(frame).decision.sessions
    assert segments["sessions"].sum() == counted
    own = frame[:counted][frame["caller"][:counted] == "hurried"].groupby("variant")["bought"].mean()
    assert segments.loc["hurried", "difference"] == pytest.approx(own["b"] - own["a"])
    with pytest.raises(InputError, match="no column 'callr'.*caller"):
        analysed(frame, by="callr")


def test_lift_and_its_interval(frame):
    [row] = analysed(frame, rule=vl.StopRule(max_iterations=2000, default="a")).comparisons.to_dict("records")
    means = frame.groupby("variant")["bought"].mean()
    assert row["lift"] == pytest.approx(means["b"] / means["a"] - 1)
    assert row["lift_cs_lower"] < row["lift"] < row["lift_cs_upper"]
    assert row["difference_cs_lower"] < row["difference_ci_lower"] < row["difference"] < row["difference_cs_upper"]


def test_the_path_leads_to_the_decision(frame):
    result = analysed(frame)
    assert result.path["sessions"].iloc[-1] <= result.decision.sessions
    assert result.path["confidence"].iloc[-1] == pytest.approx(result.decision.confidence)
    assert (result.path["confidence"].diff().dropna() >= -1e-9).all()
    assert len(result.path) < 2500
    for kind in ("confidence", "difference", "boundary", "variants", "shares", "distribution"):
        assert result.plot(kind).get_xlabel()
    with pytest.raises(InputError, match="kind is 'confidense'"):
        result.plot("confidense")


@pytest.mark.parametrize("shape", ["parquet", "csv", "arrow"])
def test_whatever_duckdb_reads_gives_the_same_result(frame, shape, tmp_path):
    path = tmp_path / f"sessions.{shape}"
    if shape == "parquet":
        frame.to_parquet(path)
    elif shape == "csv":
        frame.to_csv(path, index=False)
    data = pa.Table.from_pandas(frame) if shape == "arrow" else path
    result = analysed(data)
    assert result.decision == analysed(frame).decision
    with pytest.raises(InputError, match="no column 'buys'"):
        analysed(data, outcome="buys")
    with pytest.raises(InputError, match="can't be read"):
        analysed(tmp_path / "nowhere.parquet")


@pytest.mark.parametrize("rule", [RULE, vl.StopRule(max_confidence=95, default="a"), vl.StopRule(default="a")])
@pytest.mark.parametrize("shape", ["parquet", "frame"])
def test_one_look_at_the_sums_says_what_the_sessions_say(frame, rule, shape, tmp_path):
    frame = frame.assign(asked=frame["asked"] + 1.7e9)
    frame.loc[3, "variant"] = None
    frame["note"] = np.where(frame["bought"], "yes", "no")
    path = tmp_path / "sessions.parquet"
    frame.to_parquet(path)
    data = path if shape == "parquet" else frame
    # Judged like the sums: without an earlier look, which could have stopped the test.
    asked = {"outcome": ["bought", "asked", "duration_s", "note"], "guardrails": ["n_errors"], "rule": rule}
    sums = analysed(data, path=False, **asked)
    whole = analysed(frame, **asked | {"rule": vl.StopRule(default="a")})
    same = ["difference", "lift", "p_value_fixed", "difference_ci_lower", "difference_ci_upper"]
    for one, other in ((sums.comparisons, whole.comparisons), (sums.outcomes, whole.outcomes)):
        for column in same:
            assert list(one[column]) == pytest.approx(list(other[column]), rel=1e-5, abs=1e-9)
    assert list(sums.outcomes["outcome"]) == ["asked", "duration_s", "note=no", "note=yes"]
    for column in ("variant", "sessions", "share", "n", "conversions"):
        assert list(sums.variants[column]) == list(whole.variants[column])
    assert list(sums.variants["mean"]) == pytest.approx(list(whole.variants["mean"]))
    assert dict(sums.excluded.set_index("reason")["sessions"]) == {"no variant found": 1}
    assert sums.guardrails["difference"].iloc[0] == pytest.approx(whole.guardrails["difference"].iloc[0])
    assert sums.srm["p_value"] >= whole.srm["p_value"]
    assert sums.srm["observed"] == whole.srm["observed"]
    assert "one look at the sums" in sums.method
    assert len(sums.path) == 0
    assert "nan" not in sums._repr_html_().lower().replace("nano", "")


def test_one_look_is_the_decision_as_of_now(frame):
    stopped = analysed(frame).decision
    assert stopped.stopped_at < 1000
    now = analysed(frame, path=False).decision
    assert (now.winner, now.reason, now.stopped_at) == ("b", "both", 2000)
    assert now.stopped_session_index is None
    # No session beyond the declared number counts, which is known without an order among the first.
    rule = vl.StopRule(max_iterations=50, max_confidence=99.9, default="a")
    declared = analysed(frame, rule=rule, path=False)
    assert dict(declared.variants.set_index("variant")["n"]) == dict(frame[:50].groupby("variant").size())
    assert (declared.decision.reason, declared.decision.stopped_at) == ("iterations", 50)
    assert dict(declared.excluded.set_index("reason")["sessions"]) == {"after the declared number of sessions": 1950}
    # Evidence that was there, and is gone, doesn't count.
    undone = pd.concat([frame[:600], frame[:600].assign(bought=~frame["bought"][:600])])
    undone["session_id"] = range(len(undone))
    assert analysed(undone).decision.winner == "b"
    assert analysed(undone, path=False).decision.conclusion == "continue"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "caller"}, "by= can't be reported"),
        ({"outcome": "caller"}, "holds text, which has no mean: name the level"),
        ({"outcome": "caller=angry"}, "no level 'angry'. It has: hurried, patient"),
        ({"outcome": "buys"}, "no column 'buys'"),
        ({"outcome": "duration_s", "kind": "count"}, "has values below 0 or with a fraction"),
        ({"outcome": []}, "Name the column"),
        ({"weights": {"a": 1.0}}, "The variant 'b' has no weight"),
    ],
)
def test_one_look_refuses_what_it_cannot_add_up(frame, arguments, message):
    with pytest.raises(InputError, match=message):
        analysed(frame, path=False, **arguments)


def test_one_look_leaves_missing_and_infinite_values_out(frame):
    frame["duration_s"] = frame["duration_s"].where(frame.index % 7 > 0)
    frame.loc[1, "duration_s"] = np.inf
    result = analysed(frame, outcome="duration_s", path=False)
    known = frame[np.isfinite(frame["duration_s"])]
    assert list(result.variants["mean"]) == pytest.approx(list(known.groupby("variant")["duration_s"].mean()))
    assert result.excluded["sessions"].sum() == len(frame) - len(known)


# --- kinds and levels ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [True, False])
def test_an_outcome_is_read_as_the_kind_that_is_asked_for(frame, path):
    assert analysed(frame, outcome="asked", path=path).kind == "count"
    assert analysed(frame, outcome="asked", kind="float", path=path).kind == "float"
    rate = analysed(frame, outcome="asked", kind="binary", path=path)
    assert rate.kind == "binary"
    seen = frame if not path else frame[: rate.decision.sessions]
    assert rate.variants["mean"].tolist() == pytest.approx((seen["asked"] > 0).groupby(seen["variant"]).mean().tolist())
    level = analysed(frame, outcome="asked=2", kind={"asked": "string"}, path=path)
    seen = frame if not path else frame[: level.decision.sessions]
    assert level.variants["mean"].tolist() == pytest.approx(
        (seen["asked"] == 2).groupby(seen["variant"]).mean().tolist()
    )
    others = analysed(frame, outcome=["bought", "asked"], kind={"asked": "binary"}, path=path).outcomes
    assert list(others["kind"]) == ["binary"]
    with pytest.raises(InputError, match="kind is 'rate', must be"):
        analysed(frame, kind="rate", path=path)


def test_a_text_is_judged_by_one_level_and_reported_by_all(frame):
    frame["ending"] = np.where(frame["bought"], "booked", np.where(frame["n_errors"] > 0, "failed", None))
    result = analysed(frame, outcome=["ending=booked", "ending", "asked"])
    known = frame[: result.decision.sessions].dropna(subset="ending")
    assert result.kind == "binary"
    assert result.variants["mean"].tolist() == pytest.approx(
        (known["ending"] == "booked").groupby(known["variant"]).mean().tolist()
    )
    assert set(result.outcomes["outcome"]) == {"ending=booked", "ending=failed", "asked"}
    # Holm's method goes over the levels of all outcomes.
    p = result.outcomes["p_value"].astype(float)
    assert result.outcomes["p_value_adjusted"].min() == pytest.approx(min(1.0, len(p) * p.min()))
    with pytest.raises(InputError, match="holds text, which has no mean: name the level.*ending=booked"):
        analysed(frame, outcome="ending")
    with pytest.raises(InputError, match="no level 'boked'. It has: booked, failed. Did you mean 'booked'"):
        analysed(frame, outcome="ending=boked")


def test_many_levels_are_cut_with_a_warning(frame):
    frame["street"] = [f"street {index % 50}" for index in range(len(frame))]
    for path in (True, False):
        result = analysed(frame, outcome=["bought", "street"], path=path)
        assert result.outcomes["outcome"].nunique() == 20
        assert "30 more levels" in " ".join(result.warnings)


@pytest.mark.parametrize("path", [True, False])
def test_values_whose_squares_are_no_numbers_are_refused(frame, path):
    frame["duration_s"] = frame["duration_s"] * 1e200
    with pytest.raises(InputError, match="too large to compare"):
        analysed(frame, outcome="duration_s", path=path)


@pytest.mark.parametrize("path", [True, False])
def test_sessions_without_any_variant_are_no_record(frame, path):
    result = analysed(frame.assign(variant=None), path=path)
    assert result.decision.confidence is None
    assert dict(result.excluded.set_index("reason")["sessions"]) == {"no variant found": 2000}


def test_true_in_letters_is_read_and_reported(frame):
    frame["odd"] = [True, "true", 1, 0, "FALSE"] * 400
    result = analysed(frame, outcome="odd")
    assert result.kind == "binary"
    assert result.variants["conversions"].sum() == pytest.approx(0.6 * result.decision.sessions, abs=3)
    assert "values of several types (bool, int, str)" in " ".join(result.warnings)


def test_the_text_outcomes_of_a_log_are_counted_by_level(tmp_path):
    text = declaration(stop={"max_iterations": 500, "target_outcome": "booked", "default": "a"})
    endings = ["booked", "refused", "booked", "lost", None]
    sessions = [
        session(
            i,
            exposures=[("t", "ab"[i % 2], "random", text)],
            outcomes=[("booked", "boolean", float(i % 3 == 0), None, True)]
            + ([("ending", "string", None, endings[i % 5], True)] if endings[i % 5] else []),
        )
        for i in range(100)
    ]
    log = write_log(tmp_path, sessions)
    assert {"ending=booked", "ending=refused", "ending=lost"} <= set(vl.analyze(log).outcomes["outcome"])
    result = vl.analyze(log, outcome="ending=booked")
    assert (result.kind, list(result.variants["n"]), list(result.variants["conversions"])) == (
        "binary",
        [40, 40],
        [20, 20],
    )
    assert result.excluded["sessions"].tolist() == [20]  # no ending was written
    assert vl.analyze(log, outcome="booked", kind="float").kind == "float"
    with pytest.raises(InputError, match="name the level that counts.*ending=booked"):
        vl.analyze(log, outcome="ending")
    with pytest.raises(InputError, match="path=False is for frames"):
        vl.analyze(log, path=False)


def test_session_ids_that_stand_twice_are_refused(frame):
    with pytest.raises(InputError, match=r"1 session ids stand more than once, e\.g\. 's0'"):
        analysed(pd.concat([frame, frame[:1]]))


def test_missing_outcomes_can_be_left_out(tmp_path):
    text = declaration(stop={"max_iterations": 50, "target_outcome": "booked", "default": "a"})
    sessions = [
        session(i, exposures=[("t", "ab"[i % 2], "random", text)], outcomes=[("booked", "boolean", 1.0, None, True)] * (i % 3 == 0))
        for i in range(12)
    ]  # fmt: skip
    log = write_log(tmp_path, sessions)
    assert dict(vl.analyze(log).variants["n"]) == {0: 6, 1: 6}
    left_out = vl.analyze(log, missing="exclude")
    assert dict(left_out.variants["n"]) == {0: 2, 1: 2}
    assert list(left_out.variants["mean"]) == [1.0, 1.0]
    assert "left out, because of missing='exclude'" in " ".join(left_out.excluded["reason"])


def test_a_changed_horizon_and_changed_weights_are_said_and_handled(tmp_path):
    def one(index, variants, horizon):
        text = declaration(
            variants, stop={"max_iterations": horizon, "max_confidence": 95, "target_outcome": "x", "default": "a"}
        )
        outcome = ("x", "boolean", float(index % 2), None, True)
        return session(index, exposures=[("t", "ab"[index % 2], "random", text)], outcomes=[outcome])

    for name in ("horizon", "weights"):
        (tmp_path / name).mkdir()
    log = write_log(tmp_path / "horizon", [one(i, None, 500 if i < 40 else 5000) for i in range(80)])
    result = vl.analyze(log)
    assert result.rule.method == "e-process"
    assert any("max_iterations was changed after the declaration (500, 5000)" in w for w in result.warnings)
    assert "e-process" in result.method
    log = write_log(
        tmp_path / "weights", [one(i, {"a": 0.5, "b": 0.5} if i < 40 else {"a": 0.6, "b": 0.4}, 500) for i in range(80)]
    )
    result = vl.analyze(log)
    assert "stratified over 2 epochs" in result.method
    assert any("declaration of 't' changed" in w for w in result.warnings)


def test_sources_are_not_mixed_by_accident(tmp_path):
    text = declaration(stop={"max_iterations": 50, "target_outcome": "x", "default": "a"})
    sessions = [session(i, exposures=[("t", "ab"[i % 2], "random", text)]) for i in range(6)]
    at = list(SESSIONS).index("source")
    sessions[0].session = (*sessions[0].session[:at], "typed", *sessions[0].session[at + 1 :])
    log = write_log(tmp_path, sessions)
    with pytest.raises(InputError, match=r"simulated, typed.*mix=True"):
        vl.analyze(log)
    assert vl.analyze(log, mix=True).decision.sessions == 6


def test_the_command_writes_the_card_and_json(tmp_path, capsys):
    text = declaration(stop={"max_iterations": 40, "max_confidence": 95, "target_outcome": "x", "default": "a"})
    sessions = [
        session(i, exposures=[("t", "ab"[i % 2], "random", text)], outcomes=[("x", "boolean", float(i % 2), None, True)])
        for i in range(60)
    ]  # fmt: skip
    (tmp_path / "log").mkdir()
    write_log(tmp_path / "log", sessions)
    card = tmp_path / "card.html"
    asked = ["analyze", str(tmp_path / "log"), "t", "--json", "--html", str(card), "--guardrail", "duration_s"]
    assert main(asked) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["decision"]["winner"] == "b"
    assert {row["variant"]: row["mean"] for row in result["variants"]} == {"a": 0.0, "b": 1.0}
    assert result["decision"]["sentence"] in card.read_text()
    assert main([*asked[:4], "--guardrail", "duration_s=0.5", "--guardrail", "status=completed=-0.1"]) == 0
    guardrails = json.loads(capsys.readouterr().out)["guardrails"]
    assert [(row["outcome"], row["margin"], row["direction"]) for row in guardrails] == [
        ("duration_s", 0.5, "minimize"), ("status=completed", 0.1, "maximize"),
    ]  # fmt: skip
    assert main([*asked[:3], "--method", "fixed"]) == 0
    assert "fixed-sample test" in capsys.readouterr().out
    assert main([*asked[:3], "--html", str(tmp_path / "no" / "card.html")]) == 1


def test_crashes_that_differ_between_variants_are_a_warning(tmp_path):
    text = declaration(stop={"max_iterations": 500, "target_outcome": "x", "default": "a"})

    def one(index, status):
        outcome = ("x", "boolean", float(index % 3 == 0), None, True)
        return session(index, status=status, exposures=[("t", "ab"[index % 2], "random", text)], outcomes=[outcome])

    uneven = [one(i, "error" if i % 2 and i % 3 == 0 else "completed") for i in range(200)]
    [warning] = [w for w in vl.analyze(write_log(tmp_path, uneven)).warnings if "crash" in w]
    assert "a 0.0%, b 33.0%" in warning


def test_many_variants_are_compared_and_too_many_refused():
    rng = np.random.default_rng(1)
    many = pd.DataFrame({"variant": [f"v{n:04}" for n in rng.integers(0, 30, 900)], "y": rng.random(900) < 0.3})
    names = sorted(many["variant"].unique())
    result = vl.analyze(many, outcome="y", weights=dict.fromkeys(names, 1.0), rule=vl.StopRule(max_iterations=900))
    assert len(result.comparisons) == 30 * 29 / 2
    many = pd.DataFrame({"variant": [f"v{n:05}" for n in range(10_000)], "y": [0, 1] * 5000})
    with pytest.raises(InputError, match="10,000 variants, at most 100"):
        vl.analyze(many, outcome="y", weights=dict.fromkeys(many["variant"], 1.0))


@pytest.mark.parametrize(
    ("texts", "kind"), [(["true", "False", " TRUE ", "false"], "binary"), (["3", "1.5", "2", None], "float")]
)
def test_texts_of_numbers_are_read_as_numbers_with_and_without_the_path(texts, kind):
    frame = pd.DataFrame({"variant": ["a", "a", "b", "b"] * 25, "told": texts * 25})
    whole, sums = (
        vl.analyze(frame, variant="variant", outcome="told", weights={"a": 1, "b": 1}, path=path)
        for path in (True, False)
    )
    assert whole.kind == sums.kind == kind
    pd.testing.assert_frame_equal(whole.variants[["variant", "n"]], sums.variants[["variant", "n"]])
    assert whole.decision.confidence == pytest.approx(sums.decision.confidence)
