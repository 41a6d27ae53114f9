"""One look at the sums says what the sessions say at their last look: epochs, units, what is missing, and its doubts."""

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError

EVEN = {"a": 0.5, "b": 0.5}
EPOCHS = [(0, EVEN), (700, {"a": 0.3, "b": 0.7}), (1500, {"a": 0.8, "b": 0.2})]
N = 2400
LAST_LOOK = vl.StopRule(default="a")
NEARLY_FULL = vl.StopRule(max_iterations=N, default="a")
"""Sessions without a variant don't count, so that nothing stops the test."""
SAME = [
    "difference",
    "lift",
    "difference_cs_lower",
    "difference_cs_upper",
    "lift_cs_lower",
    "lift_cs_upper",
    "p_value_fixed",
    "difference_ci_lower",
    "difference_ci_upper",
    "difference_worst_lower",
    "difference_worst_upper",
]
BOTH_WAYS = pytest.mark.parametrize("path", [True, False], ids=["path", "sums"])


def drawn(weights, rng):
    """Return arms as they are drawn under weights that may change."""
    epochs = weights if isinstance(weights, list) else [(0, weights)]
    starts = [row for row, _ in epochs]
    share = np.array([own["b"] for _, own in epochs])[np.searchsorted(starts, np.arange(N), side="right") - 1]
    return rng.random(N) < share


def frame(weights=EVEN, *, missing=False, keep=True):
    """Return sessions of callers who call again: three in four as they were assigned at first, or all of them."""
    rng = np.random.default_rng(8)
    arm, caller = drawn(weights, rng), rng.integers(0, 600, N)
    _, first, back = np.unique(caller, return_index=True, return_inverse=True)
    if keep:
        arm = arm[first][back]
    mood = rng.normal(0, 1, 600)[caller]
    data = pd.DataFrame(
        {
            "variant": np.where(arm, "b", "a"),
            "rate": rng.random(N) < 0.3 + 0.05 * arm,
            "count": rng.poisson(np.exp(0.3 * mood)),
            "float": rng.lognormal(0.5 * mood, 1.0),
            "time": 1.7e9 + rng.normal(60 + arm, 10),
            "caller_id": [f"c{one}" for one in caller],
        }
    )
    # Neither a variant nor a caller: such sessions have a row, and are callers of their own.
    data.loc[[3, 900, 901], "variant"] = None
    data.loc[::40, "caller_id"] = None
    if missing:
        lost = rng.random(N) < np.where(arm, 0.15, 0.05)
        data[["rate", "count", "float", "time"]] = data[["rate", "count", "float", "time"]].astype(float)
        data.loc[lost, ["rate", "count", "float", "time"]] = np.nan
    return data


def analyzed(data, path, **more):
    return vl.analyze(data, path=path, **({"weights": EVEN, "rule": LAST_LOOK} | more))


def numbers(column):
    return pd.to_numeric(column).to_numpy(dtype=float)


def agree(one, other):
    for column in SAME:
        np.testing.assert_allclose(
            numbers(one.comparisons[column]), numbers(other.comparisons[column]), rtol=1e-5, atol=1e-8, err_msg=column
        )
    for column in ("sessions", "share", "n", "conversions", "mean", "mean_cs_lower", "mean_ci_lower"):
        np.testing.assert_allclose(numbers(one.variants[column]), numbers(other.variants[column]), rtol=1e-6)


@pytest.mark.parametrize("outcome", ["rate", "count", "float", "time"])
@pytest.mark.parametrize("weights", [EVEN, EPOCHS], ids=["one epoch", "epochs"])
@pytest.mark.parametrize("unit", [None, "caller_id"], ids=["sessions", "units"])
@pytest.mark.parametrize("missing", [False, True], ids=["whole", "missing"])
@pytest.mark.parametrize("rule", [LAST_LOOK, NEARLY_FULL], ids=["no horizon", "horizon"])
def test_both_ways_agree_at_the_last_look(outcome, weights, unit, missing, rule):
    other = "count" if outcome != "count" else "float"
    asked = {"outcome": [outcome, other], "weights": weights, "unit": unit, "rule": rule}
    data = frame(weights, missing=missing, keep=unit is not None)
    whole, sums = (analyzed(data, path, **asked) for path in (True, False))
    agree(sums, whole)
    assert sums.warnings == whole.warnings
    # Bets on rates see every session, of units the first ones: where there is no horizon they are another method.
    if outcome != "rate" or rule is NEARLY_FULL:
        assert (sums.comparisons["confidence"] <= whole.comparisons["confidence"] + 1e-9).all()
    if rule is NEARLY_FULL:
        without_p = [[doubt.split("; p ")[0] for doubt in result.decision.doubts] for result in (sums, whole)]
        assert without_p[0] == without_p[1]
        assert any("missing unevenly" in doubt for doubt in without_p[0]) == missing
    assert sums.srm["observed"] == whole.srm["observed"]
    assert sums.srm["expected"] == pytest.approx(whole.srm["expected"])
    assert sums.srm["p_value"] >= whole.srm["p_value"] * (1 - 1e-9)
    for column in SAME[:8]:
        np.testing.assert_allclose(
            numbers(sums.outcomes[column]), numbers(whole.outcomes[column]), rtol=1e-5, atol=1e-8
        )
    reasons = [dict(result.excluded.to_numpy().tolist()) for result in (sums, whole)]
    assert sum(reasons[0].values()) == sum(reasons[1].values())
    assert not sums.comparisons["confidence"].isna().any()


@pytest.mark.parametrize("unit", [None, "caller_id"])
@pytest.mark.parametrize("horizon", [500, 1000, 2000])
def test_the_declared_number_of_sessions_holds_across_epochs(unit, horizon):
    data = frame(EPOCHS, keep=unit is not None)
    # So sure that nothing else stops the test.
    rule = vl.StopRule(max_iterations=horizon, max_confidence=99.999, default="a")
    asked = {"outcome": "float", "weights": EPOCHS, "unit": unit, "rule": rule}
    whole, sums = (analyzed(data, path, **asked) for path in (True, False))
    agree(sums, whole)
    assert sums.decision.sessions == whole.decision.sessions == horizon
    assert sums.method.split(" · ")[0] == whole.method.split(" · ")[0]


@BOTH_WAYS
def test_units_that_change_their_variant_are_analysed_as_first_assigned(path):
    data = frame(EVEN, keep=False)
    known = data[data["variant"].notna()].reset_index(drop=True)
    unit = known["caller_id"].where(known["caller_id"].notna(), "alone" + known.index.astype(str))
    first = known["variant"].groupby(unit).transform("first")
    moved = first != known["variant"]
    result = analyzed(data, path, outcome="float", unit="caller_id")
    sentence = (
        f"{unit[moved].nunique():,} of {unit.nunique():,} units (caller_id) got another variant later, in "
        f"{int(moved.sum()):,} sessions"
    )
    assert any(warning.startswith(sentence) for warning in result.warnings)
    assert list(result.variants["mean"]) == pytest.approx(list(known["float"].groupby(first).mean()))
    assert any("60 sessions have no caller_id" in warning for warning in result.warnings)
    assert result.srm["observed"] == dict(first.groupby(unit).first().value_counts()[["a", "b"]])


@BOTH_WAYS
def test_a_units_sessions_in_a_later_epoch_are_left_out_and_counted(path):
    data = frame(EPOCHS)
    known = data[data["variant"].notna() & data["caller_id"].notna()]
    epoch = np.searchsorted([0, 700, 1500], known.index, side="right")
    later = epoch != pd.Series(epoch, known.index).groupby(known["caller_id"]).transform("min")
    result = analyzed(data, path, outcome="float", weights=EPOCHS, unit="caller_id")
    reasons = dict(result.excluded.to_numpy().tolist())
    assert reasons["the unit was first seen in an earlier epoch of weights: left out"] == int(later.sum()) > 0


@pytest.mark.parametrize("shape", ["parquet", "csv"])
def test_files_are_read_by_unit_and_epoch_too(shape, tmp_path):
    data = frame(EPOCHS)
    path = tmp_path / f"sessions.{shape}"
    data.to_parquet(path) if shape == "parquet" else data.to_csv(path, index=False)
    asked = {"outcome": "float", "weights": EPOCHS, "unit": "caller_id"}
    agree(analyzed(path, False, **asked), analyzed(data, True, **asked))


def test_ids_that_are_numbers_with_gaps_are_ids():
    data = frame(EVEN)
    data["caller_id"] = data["caller_id"].str[1:].astype(float)
    asked = {"outcome": "float", "unit": "caller_id"}
    agree(analyzed(data, False, **asked), analyzed(data, True, **asked))


@pytest.mark.parametrize("away", [0.0, 1.7e9, -1e12])
@pytest.mark.parametrize("late", [False, True], ids=["steady", "first values far off"])
def test_skewness_is_right_wherever_values_lie(away, late):
    rng = np.random.default_rng(3)
    values = rng.lognormal(0, 1.0, N)
    if late:
        values[:1100] += 1e7
    data = pd.DataFrame({"variant": np.where(np.arange(N) % 2, "b", "a"), "y": values + away})
    whole, sums = (analyzed(data, path, outcome="y") for path in (True, False))
    for column in ("difference_cs_lower", "difference_cs_upper"):
        assert list(sums.comparisons[column]) == pytest.approx(list(whole.comparisons[column]), rel=1e-3, abs=1e-3)


def test_an_arm_far_from_the_others_has_a_centre_of_its_own():
    rng = np.random.default_rng(3)
    arm = np.arange(N) % 2
    data = pd.DataFrame({"variant": np.where(arm, "b", "a"), "y": rng.lognormal(0, 1.0, N) + 1e9 * arm})
    agree(analyzed(data, False, outcome="y"), analyzed(data, True, outcome="y"))


@BOTH_WAYS
def test_what_is_too_skewed_or_too_few_is_called_approximate(path):
    rng = np.random.default_rng(3)
    arm = rng.random(400) < 0.5
    data = pd.DataFrame({"variant": np.where(arm, "b", "a"), "y": rng.lognormal(0, np.where(arm, 2.5, 0.5))})
    rule = vl.StopRule(max_iterations=400, max_confidence=99.9999, default="a")
    assert "too skewed for so few sessions" in analyzed(data, path, outcome="y", rule=rule).decision.sentence


@BOTH_WAYS
def test_a_level_that_drifts_is_called_approximate(path):
    rng = np.random.default_rng(3)
    data = pd.DataFrame({"variant": np.where(np.arange(N) % 2, "b", "a"), "y": rng.normal(np.linspace(0, 5, N), 1.0)})
    data.loc[5, "variant"] = None
    rule = vl.StopRule(max_iterations=N - 1, max_confidence=99.9999, default="a")
    # By the levels 0 to 5 alone it would be 68 %.
    share = 0.67
    assert (
        f"level drifts over the test ({share:.0%} of its"
        in analyzed(data, path, outcome="y", rule=rule).decision.sentence
    )


@BOTH_WAYS
def test_an_arm_without_any_value_is_named_before_a_winner(path):
    data = frame(EVEN, keep=False)
    data["variant"] = np.where(np.arange(N) % 8 == 0, "c", data["variant"].fillna("a"))
    data["float"] = data["float"].where(data["variant"] != "c") + 3 * (data["variant"] == "b")
    weights = {"a": 7, "b": 7, "c": 2}
    decision = analyzed(data, path, outcome="float", weights=weights).decision
    assert decision.sentence.startswith("c has no value in any of its 300 sessions")


@BOTH_WAYS
@pytest.mark.parametrize("whole", [False, True], ids=["bool", "int"])
def test_a_rate_of_none_against_all_is_nearly_sure(path, whole):
    arm = np.arange(400) % 2
    data = pd.DataFrame({"variant": np.where(arm, "b", "a"), "y": arm if whole else arm == 1})
    result = analyzed(data, path, outcome="y", rule=vl.StopRule(max_confidence=95, default="a"))
    assert result.decision.winner == "b"
    assert result.decision.confidence < 100
    if not path:
        assert result.decision.confidence > 99.99


def test_each_unit_is_counted_once_by_the_sample_ratio():
    result = analyzed(frame(EPOCHS), False, outcome="rate", weights=EPOCHS, unit="caller_id")
    assert sum(result.srm["observed"].values()) < 700 < result.decision.sessions


REFUSED = {
    "probabilities": ({"weights": {"a": "float"}}, "read session by session: leave out path=False"),
    "session": ({"unit": "session_id"}, "unit='session_id' names each session"),
    "no column": ({"unit": "caller"}, "no column 'caller'"),
    "lists": ({"unit": "lists"}, "holds lists or dicts"),
    "late": ({"weights": [(0, EVEN), (N, EVEN)]}, "begins at row 2,400, and there are 2,400 rows"),
    "short": ({"weights": [(0, EVEN), (7, EVEN)]}, "from row 0 has 7 sessions"),
    "order": ({"weights": [(0, EVEN), (900, EVEN), (300, EVEN)]}, "out of order"),
}


@pytest.mark.parametrize(("more", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_added_up_is_refused(more, message):
    data = frame().assign(session_id=range(N), lists=[[1]] * N)
    with pytest.raises(InputError, match=message):
        analyzed(data, False, outcome="rate", **more)


@BOTH_WAYS
def test_ids_that_come_once_and_columns_of_callers_get_a_sentence(path):
    data = frame().assign(once=range(N))
    assert any("No once comes twice" in w for w in analyzed(data, path, outcome="rate", unit="once").warnings)
    assert any("'caller_id' looks like who called" in w for w in analyzed(data, path, outcome="rate").warnings)
