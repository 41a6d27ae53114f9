"""Callers who call again: their sessions don't count as many, in whatever order they come."""

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.base.errors import InputError

WEIGHTS = {"a": 0.7, "b": 0.3}
RULE = vl.StopRule(max_iterations=900, max_confidence=95, default="a")


def calls(seed, *, in_order=False, callers=180, each=5, effect=0.0):
    """Return calls of callers who keep their variant, whose outcomes are correlated by .4."""
    rng = np.random.default_rng(seed)
    variant = rng.random(callers) < 0.3
    own = rng.normal(size=callers)
    rate = rng.beta(0.15 * 1.5, 0.85 * 1.5, callers)
    who = np.repeat(np.arange(callers), each)
    who = who if in_order else rng.permutation(who)
    return pd.DataFrame(
        {
            "variant": np.where(variant, "b", "a")[who],
            "caller_id": [f"caller {at}" for at in who],
            "seconds": 100 + np.sqrt(0.4) * own[who] + np.sqrt(0.6) * rng.normal(size=len(who)) + effect * variant[who],
            "booked": rng.random(len(who)) < rate[who],
        }
    )


@pytest.mark.parametrize("rule", [RULE, vl.StopRule(max_confidence=95, default="a")], ids=["horizon", "no horizon"])
@pytest.mark.parametrize("outcome", ["seconds", "booked"])
def test_callers_who_keep_their_variant_make_no_winner(rule, outcome):
    runs, stops, missed = 25, 0, 0
    for seed in range(runs):
        frame = calls(seed, in_order=seed % 2 == 0, callers=90, each=10)
        result = vl.analyze(frame, outcome=outcome, weights=WEIGHTS, rule=rule, unit="caller_id")
        shown = result.comparisons.iloc[0]
        stops += result.decision.winner is not None
        low, high = shown["difference_cs_lower"], shown["difference_cs_upper"]
        missed += low is not None and not low <= 0 <= high  # none before each arm has its 25 callers
    # Without unit= it is a third.
    assert max(stops, missed) / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_an_effect_is_still_found():
    won = [
        vl.analyze(
            calls(seed, effect=1.0), outcome="seconds", weights=WEIGHTS, rule=RULE, unit="caller_id"
        ).decision.winner
        for seed in range(12)
    ]
    assert won.count("b") >= 10


def test_the_error_is_the_cluster_robust_one():
    frame = calls(3)
    shown = vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=vl.StopRule(), unit="caller_id")
    parts = []
    for name in ("a", "b"):
        own = frame[frame["variant"] == name]
        residuals = (own["seconds"] - own["seconds"].mean()).groupby(own["caller_id"]).sum()
        g = len(residuals)
        parts.append((own["seconds"].mean(), (residuals**2).sum() / len(own) ** 2 * g / (g - 1), g))
    (mean_a, variance_a, _), (mean_b, variance_b, _) = parts
    row = shown.comparisons.iloc[0]
    assert row["difference"] == pytest.approx(mean_b - mean_a)
    half = (row["difference_ci_upper"] - row["difference_ci_lower"]) / 2
    assert half >= 1.96 * np.sqrt(variance_a + variance_b) * 0.999  # Welch's, or the pooled one if that is larger
    assert half <= 1.3 * 1.96 * np.sqrt(variance_a + variance_b)
    interval = shown.variants.iloc[0]
    assert (interval["mean_ci_upper"] - interval["mean_ci_lower"]) / 2 == pytest.approx(
        1.96 * np.sqrt(variance_a), rel=0.03
    )


def test_one_call_each_is_as_without_a_unit():
    frame = calls(1, each=1, callers=400)
    plain = vl.analyze(frame.drop(columns="caller_id"), outcome="seconds", weights=WEIGHTS, rule=RULE)
    units = vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=RULE, unit="caller_id")
    for column in ("difference", "difference_cs_lower", "p_value", "p_value_adjusted"):
        assert units.comparisons[column][0] == pytest.approx(plain.comparisons[column][0], rel=1e-6)
    assert any("comes twice" in warning for warning in units.warnings)


def test_without_a_horizon_a_rate_is_judged_by_each_callers_first_call():
    frame = calls(5)
    rule = vl.StopRule()
    first = frame.drop_duplicates("caller_id")
    alone = vl.analyze(first.drop(columns="caller_id"), outcome="booked", weights=WEIGHTS, rule=rule)
    units = vl.analyze(frame, outcome="booked", weights=WEIGHTS, rule=rule, unit="caller_id")
    assert units.comparisons["p_value"][0] == pytest.approx(alone.comparisons["p_value"][0])
    assert units.srm["n"] == alone.srm["n"] == len(first)
    assert int(units.variants["sessions"].sum()) == len(frame)


def test_a_caller_who_got_another_variant_is_named_and_analysed_as_first_assigned():
    frame = calls(2)
    changed = frame.copy()
    again = changed.index[changed["caller_id"].duplicated() & (changed["caller_id"] == changed["caller_id"][0])]
    changed.loc[again, "variant"] = "b" if changed["variant"][0] == "a" else "a"
    before = vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=RULE, unit="caller_id")
    after = vl.analyze(changed, outcome="seconds", weights=WEIGHTS, rule=RULE, unit="caller_id")
    assert after.comparisons["difference"][0] == pytest.approx(before.comparisons["difference"][0])
    assert any("1 of 180 units (caller_id) got another variant later" in warning for warning in after.warnings)


def test_a_column_that_looks_like_who_called_gets_a_sentence():
    frame = calls(2)
    said = vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=RULE).warnings
    assert any("'caller_id' looks like who called" in warning for warning in said)
    for quiet in (
        frame.drop_duplicates("caller_id"),
        frame.rename(columns={"caller_id": "colour"}),
        frame.assign(caller_id=np.where(frame.index % 2, "persona", "script")),
    ):
        said = vl.analyze(quiet, outcome="seconds", weights=WEIGHTS, rule=RULE).warnings
        assert not any("looks like who called" in warning for warning in said)


def test_units_that_cannot_be_are_refused():
    frame = calls(1).assign(lists=[[1]] * 900)
    frame["session_id"] = [f"s{at}" for at in range(len(frame))]
    for unit, words in (
        ("session_id", "names each session, not who called"),
        ("nobody", "no column 'nobody'"),
        ("lists", "holds lists"),
        ("variant", "is the variant or an outcome"),
        ("seconds", "is the variant or an outcome"),
        (5, "unit is 5"),
    ):
        with pytest.raises(InputError, match=words):
            vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=RULE, unit=unit)


def test_a_session_without_a_caller_is_its_own():
    frame = calls(1)
    frame.loc[frame.index % 3 == 0, "caller_id"] = None
    result = vl.analyze(frame, outcome="seconds", weights=WEIGHTS, rule=RULE, unit="caller_id")
    assert any("300 sessions have no caller_id" in warning for warning in result.warnings)


def test_a_log_names_its_callers_by_their_data_or_parameters(tmp_path):
    async def handler(event, context):
        if event.name == "start":
            context.set_data("caller_id", context.get_data("who"))
            context.add_outcome("liked", "boolean")
            variant = context.add_test("greeting", {"warm": 0.5, "cold": 0.5})
            context.set_outcome("liked", variant == "warm")
            yield vl.sdk.TextToSpeechEvent(text="Good day.", voice="nova")

    who = pd.DataFrame({"who": [f"c{at // 3}" for at in range(60)]})
    log = vl.simulate(handler, vl.Script(["yes"]), 60, progress=False, parameters=who, log=tmp_path / "log")
    by_data = vl.analyze(log, outcome="liked", unit="caller_id")
    by_parameter = vl.analyze(log, outcome="liked", unit="who")
    assert by_data.srm["n"] == by_parameter.srm["n"] == 20
    with pytest.raises(InputError, match="a log holds the weights"):
        vl.analyze(log, outcome="liked", weights={"warm": 0.1, "cold": 0.9})
    with pytest.raises(
        InputError, match="No session has 'nobody' in its data or parameters. They have: caller_id, who"
    ):
        vl.analyze(log, outcome="liked", unit="nobody")


def heavy(seed, *, busy):
    """Return 800 calls without an effect, of callers of whom some call far more often than others, or all alike."""
    rng = np.random.default_rng(seed)
    sizes = np.minimum(np.ceil(rng.pareto(1.3, 800)).astype(int), 80) if busy else np.full(800, 4)
    who = rng.permutation(np.repeat(np.arange(800), sizes)[:800])
    variant = np.where(rng.random(800) < 0.4, "b", "a")[who]
    return pd.DataFrame({"variant": variant, "caller_id": who, "booked": rng.random(800) < rng.beta(1, 2, 800)[who]})


def test_a_few_callers_who_make_up_most_calls_are_a_doubt():
    rule, weights = vl.StopRule(max_iterations=800, max_confidence=95, default="a"), {"a": 0.6, "b": 0.4}
    silent = runs = 0
    for seed in range(60):
        result = vl.analyze(heavy(seed, busy=True), outcome="booked", weights=weights, rule=rule, unit="caller_id")
        silent += result.decision.winner is not None and not result.decision.doubts
        runs += bool(result.decision.doubts)
    # Without a word it were 10 % that name a winner.
    assert silent <= 3
    assert runs > 40
    assert "weigh as" in result.decision.doubts[0]
    even = vl.analyze(heavy(1, busy=False), outcome="booked", weights=weights, rule=rule, unit="caller_id")
    assert even.decision.should_stop
    assert not even.decision.doubts
    # Bets take first calls alone, and are exact.
    patient = vl.StopRule(max_confidence=20, default="a")
    bets = vl.analyze(heavy(1, busy=True), outcome="booked", weights=weights, rule=patient, unit="caller_id")
    assert not bets.decision.doubts
