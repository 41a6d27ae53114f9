"""Evidence promises: known answers, validity at every look, and the same floats however the sessions are fed."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule
from voicelab.decision.stats import boundary, closed, compare, criteria, eprocess, moments
from voicelab.decision.stats.sample_ratio import SampleRatio

EVEN = {"a": 0.5, "b": 0.5}
THREE = {"a": 0.33, "b": 0.33, "c": 0.34}


def feed(monitor, arms, values, start=0):
    arms, values = np.asarray(arms, dtype=np.int64), np.asarray(values, dtype=np.float64)
    everywhere = np.ones(len(arms), dtype=np.bool_)
    return monitor.extend(arms, values, everywhere, ~everywhere, np.arange(start, start + len(arms)))


def watched(rule, weights=EVEN, kind="binary"):
    monitor = Monitor(rule, weights, test="t")
    monitor.know(kind)
    return monitor


def winners(rule, weights, draw, length, runs, kind="binary", seed=1):
    """Return the winner of each of many tests, looked at after every session."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(runs):
        monitor = watched(rule, weights, kind)
        arms = rng.choice(len(weights), length, p=list(weights.values()))
        feed(monitor, arms, draw(rng, arms))
        found.append(monitor.decision.winner)
    return found


def share(found):
    return sum(winner is not None for winner in found) / len(found)


# --- the e-process ---------------------------------------------------------------------------------------------------


def test_fifty_alternating_pairs_have_the_known_evidence():
    arms = np.tile([0, 1], 50)
    bets = eprocess.PairBets()
    bets.extend(arms, arms.astype(float), np.array([0.5, 0.5]))
    # The past always says that the second is better, so that every bet of this direction is placed.
    assert bets.log_e[1][eprocess.PRIORS.index(50.0)] == pytest.approx(26.18601, abs=1e-5)


@pytest.mark.no_cover
@pytest.mark.parametrize(("weights", "rate"), [((0.5, 0.5), 0.3), ((0.3, 0.7), 0.6)])
def test_the_expected_e_value_of_either_direction_is_one_when_the_rates_are_equal(weights, rate):
    expected = np.zeros(2)
    for arms in itertools.product((0, 1), repeat=6):
        for hits in itertools.product((0.0, 1.0), repeat=6):
            chance = np.prod([weights[a] * (rate if y else 1 - rate) for a, y in zip(arms, hits, strict=True)])
            expected += chance * np.exp(
                eprocess.PairBets().extend(np.array(arms), np.array(hits), np.array(weights))[:, -1]
            )
    assert expected == pytest.approx([1.0, 1.0], abs=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0])), min_size=1, max_size=150),
    st.integers(1, 149),
    st.sampled_from(["binary", "float"]),
    st.sampled_from([0.0, 0.05]),
)
@settings(max_examples=30, deadline=None)
def test_without_a_horizon_too_chunks_and_single_sessions_give_the_same_floats(sessions, cut, kind, margin):
    arms, values = zip(*sessions, strict=True)
    rule = StopRule(max_confidence=80, target_outcome="x", default="a", margin=margin)
    whole, chunks, single = (watched(rule, THREE, kind) for _ in range(3))
    feed(whole, arms, values)
    feed(chunks, arms[:cut], values[:cut])
    feed(pickle.loads(pickle.dumps(chunks)), [0], [1.0])  # a copy goes its own way
    chunks = pickle.loads(pickle.dumps(chunks))
    feed(chunks, arms[cut:], values[cut:], start=cut)
    for index, (arm, value) in enumerate(sessions):
        single.update("abc"[arm], value, index=index)
    assert whole.decision == chunks.decision == single.decision
    assert (whole.pairs == chunks.pairs).all()
    assert (whole.pairs == single.pairs).all()


@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0.0, 1.0, 1.0, None])), min_size=2, max_size=120),
    st.integers(2, 4),
    st.sampled_from(
        [
            StopRule(max_confidence=90),
            StopRule(max_confidence=60, max_iterations=50, stop_on="all", direction="minimize"),
            StopRule(max_confidence=90, max_iterations=100),
            StopRule(max_confidence=90, criterion="vs_default", default="a"),
            StopRule(max_confidence=90, criterion="any_difference"),
        ]
    ),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_single_sessions_and_chunks_may_follow_each_other(sessions, k, rule, every):
    weights = dict(zip("abcd"[:k], [0.4, 0.3, 0.2, 0.1], strict=False))
    sessions = [(arm % k, value) for arm, value in sessions]
    arms = np.array([arm for arm, _ in sessions])
    values = np.array([np.nan if value is None else value for _, value in sessions])
    written = np.array([value is not None for _, value in sessions])
    whole, mixed = watched(rule, weights), watched(rule, weights)
    whole.extend(arms, values, written, ~written & False, np.arange(len(arms)))
    at = 0
    while at < len(sessions):
        end = at + 1 + at % every
        if end == at + 1:
            mixed.update("abcd"[arms[at]], sessions[at][1], index=at)
        else:
            part = slice(at, end)
            mixed.extend(arms[part], values[part], written[part], ~written[part] & False, np.arange(len(arms))[part])
        at = end
    assert whole.decision == mixed.decision
    assert (whole.pairs == mixed.pairs).all()
    assert (whole.best == mixed.best).all()
    assert whole.ratio.p_value == mixed.ratio.p_value


@given(
    st.integers(0, 2**32),
    st.sampled_from([1, 3, 600]),
    st.sampled_from([1.7e9, -3e7, 1e12]),
    st.sampled_from([StopRule(max_iterations=200), StopRule()]),
)
@settings(max_examples=25, deadline=None)
def test_values_far_from_0_are_judged_like_the_same_ones_near_it(seed, distinct, far, rule):
    rng = np.random.default_rng(seed)
    arms = rng.integers(0, 2, rng.integers(60, 121))
    # On a grid that both have digits for; of few distinct ones an arm may have one alone.
    values = rng.choice(rng.integers(-320, 321, distinct), len(arms)) / 64
    near, shifted = watched(rule, EVEN, "float"), watched(rule, EVEN, "float")
    feed(near, arms, values)
    feed(shifted, arms, values + far)
    assert shifted.pairs == pytest.approx(near.pairs, rel=1e-6)
    assert shifted.varied == near.varied
    single = watched(rule, EVEN, "float")
    for index, arm in enumerate(arms):
        single.update("ab"[arm], float(values[index] + far))
    assert (single.pairs == shifted.pairs).all()
    for a, b in zip(near.moments, shifted.moments, strict=True):
        if a.n:
            assert float(moments.means(b)) - far == pytest.approx(float(moments.means(a)), abs=1e-3)


def test_a_first_value_far_from_the_others_spoils_nothing():
    rng = np.random.default_rng(2)
    values = rng.normal(0, 1, 2001)
    arms = np.tile([0, 1], 1001)[:2001]
    values[0] = 1e7  # of the first arm
    monitor = watched(StopRule(max_iterations=4000), EVEN, "float")
    feed(monitor, arms, values)
    a, b = monitor.moments
    assert float(a.within) == pytest.approx(values[arms == 0].var() * a.n, rel=1e-9)
    assert float(b.within) == pytest.approx(values[arms == 1].var() * b.n, rel=1e-9)


def test_many_sessions_at_one_look_have_the_evidence_of_that_look():
    rng = np.random.default_rng(8)
    arms, values = rng.integers(0, 3, 900), rng.normal(5, 2, 900)
    rule = StopRule(max_iterations=2000)
    everywhere = np.ones(900, dtype=np.bool_)
    at_once, path = watched(rule, THREE, "float"), watched(rule, THREE, "float")
    at_once.skim(arms, values, everywhere, ~everywhere)
    feed(path, arms, values)
    assert (at_once.pairs >= path.pairs - 1e-12).all()  # what there was before is not seen
    for a, b in zip(at_once.moments, path.moments, strict=True):
        assert float(moments.means(a)) == pytest.approx(float(moments.means(b)))
        assert float(a.within) == pytest.approx(float(b.within))


def test_the_sample_ratio_depends_on_counts_alone():
    arms = np.random.default_rng(1).choice(3, 5000, p=[0.3, 0.3, 0.4])
    watching, looking = (SampleRatio(np.array([0.33, 0.33, 0.34])) for _ in range(2))
    log_e = watching.extend(arms)
    looking.look(np.bincount(arms))
    assert looking.peak == pytest.approx(max(0.0, log_e[-1]), abs=1e-8)
    assert looking.peak > 0
    assert looking.peak <= watching.peak + 1e-8


def test_the_names_of_the_arms_make_no_difference():
    rng = np.random.default_rng(3)
    arms, hits = rng.integers(0, 3, 600), rng.random(600) < 0.4
    for rule in (StopRule(max_iterations=900), StopRule()):
        p = []
        for order in ([0, 1, 2], [2, 0, 1]):
            monitor = watched(rule, dict.fromkeys("abc", 1 / 3))
            feed(monitor, np.array(order)[arms], hits)
            p.append(sorted(monitor.best))
        assert p[0] == pytest.approx(p[1])


def test_holm_is_that_of_the_textbook():
    adjusted = closed.holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])


# --- false stops and power, looked at after every session ------------------------------------------------------------

NO_HORIZON = StopRule(max_confidence=95, target_outcome="x", default="a")


def rate(*rates):
    return lambda rng, arms: rng.random(len(arms)) < np.array(rates)[arms]


FLOATS = {
    "skewed": lambda rng, arms: rng.lognormal(0, 1.5, len(arms)),
    "nearly all zero": lambda rng, arms: (rng.random(len(arms)) < 0.05) * rng.lognormal(0, 1, len(arms)),
    "unequal variances": lambda rng, arms: rng.normal(0, np.where(arms, 1.0, 3.0)),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("weights", [EVEN, {"a": 0.9, "b": 0.1}])
def test_without_a_horizon_equal_variants_seldom_win(weights):
    assert share(winners(NO_HORIZON, weights, rate(0.3, 0.3), 1500, 200)) <= 0.05 + 0.03


@pytest.mark.parametrize("values", FLOATS)
@pytest.mark.parametrize("rule", [NO_HORIZON, StopRule(max_iterations=800, max_confidence=95)])
def test_odd_floats_seldom_win(rule, values):
    assert share(winners(rule, {"a": 0.9, "b": 0.1}, FLOATS[values], 800, 150, kind="float")) <= 0.07 + 0.04


@pytest.mark.no_cover
def test_three_tied_variants_seldom_have_a_best():
    rule = StopRule(max_iterations=600, max_confidence=95)
    assert share(winners(rule, THREE, rate(0.3, 0.3, 0.3), 600, 200)) <= 0.03 + 0.03
    assert share(winners(NO_HORIZON, THREE, rate(0.3, 0.3, 0.3), 600, 100)) <= 0.05 + 0.04


def test_a_variant_that_is_better_wins_without_a_horizon():
    found = winners(NO_HORIZON, EVEN, rate(0.3, 0.5), 1500, 60)
    assert found.count("b") >= 57
    assert "a" not in found


@pytest.mark.parametrize("criterion", ["vs_default", "any_difference"])
def test_the_other_criteria_keep_their_error_too(criterion):
    rule = StopRule(max_iterations=600, max_confidence=95, criterion=criterion, default="a")
    rng = np.random.default_rng(2)
    stops = 0
    for _ in range(200):
        monitor = watched(rule, THREE)
        arms = rng.choice(3, 600, p=list(THREE.values()))
        feed(monitor, arms, rng.random(600) < 0.3)
        stops += monitor.decision.reason in {"confidence", "both"}
    assert stops / 200 <= 0.05 + 0.035


def test_any_difference_stops_and_names_no_winner_among_three():
    rule = StopRule(max_iterations=5000, max_confidence=95, criterion="any_difference", default="a")
    monitor = watched(rule, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    arms = np.tile([0, 1, 2], 400)
    feed(monitor, arms, np.tile([0, 1, 1], 400))
    decision = monitor.decision
    assert (decision.should_stop, decision.conclusion, decision.winner) == (True, "inconclusive", None)
    assert "does not beat every rival" in decision.sentence


def test_the_default_wins_when_it_beats_every_variant():
    rule = StopRule(max_iterations=5000, max_confidence=95, criterion="vs_default", default="a")
    monitor = watched(rule, {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    feed(monitor, np.tile([0, 1, 2], 300), np.tile([1, 0, 0], 300))
    assert monitor.decision.winner == "a"


def test_a_margin_asks_for_more_and_a_negative_one_settles_near_ties():
    arms = np.tile([0, 1], 2000)
    hits = np.random.default_rng(5).random(4000) < np.where(arms, 0.36, 0.30)
    outcome = {}
    for margin in (0.0, 0.10):
        monitor = watched(StopRule(max_iterations=4000, max_confidence=95, margin=margin))
        feed(monitor, arms, hits)
        outcome[margin] = monitor.decision.winner
    assert outcome == {0.0: "b", 0.10: None}
    tied = np.random.default_rng(6).random(4000) < 0.3
    monitor = watched(StopRule(max_iterations=4000, max_confidence=95, margin=-0.10))
    feed(monitor, arms, tied)
    assert monitor.decision.winner in {"a", "b"}
    assert "by no other variant by more than 0.1" in monitor.decision.sentence


def test_waiting_for_both_runs_past_the_declared_number():
    rule = StopRule(max_iterations=50, max_confidence=95, stop_on="all", default="a")
    monitor = watched(rule)
    position = feed(monitor, np.tile([0, 1], 400), np.tile([0, 1, 0, 0, 1, 1], 134)[:800])
    assert position is None or position >= 49
    clear = watched(rule)
    assert feed(clear, np.tile([0, 1], 400), np.tile([0, 1], 400)) == 49
    assert clear.decision.reason == "both"


# --- weights that change ---------------------------------------------------------------------------------------------


@pytest.mark.no_cover
def test_weights_that_change_while_the_base_rate_drifts_do_not_make_a_winner():
    rng = np.random.default_rng(8)
    stops, runs = 0, 100
    for _ in range(runs):
        monitor = watched(StopRule(max_iterations=1000, max_confidence=95))
        feed(monitor, rng.choice(2, 500), rng.random(500) < 0.3)
        monitor.new_weights({"a": 0.1, "b": 0.9})
        feed(monitor, rng.choice(2, 500, p=[0.1, 0.9]), rng.random(500) < 0.5, start=500)
        stops += monitor.decision.winner is not None
    assert stops / runs <= 0.07 + 0.05


def test_one_stratum_is_the_plain_comparison():
    a, b = (np.array(float(v)) for v in (100, 30, 30)), (np.array(float(v)) for v in (90, 40, 40))
    a, b = tuple(a), tuple(b)
    difference, se = compare.stratified(a, b, "binary", np.zeros(3))
    assert difference / se == pytest.approx(float(moments.difference(a, b) / compare.standard_error(a, b, "binary")))


def test_what_was_fed_before_the_outcome_was_known_counts_the_same():
    early, late = watched(NO_HORIZON), Monitor(NO_HORIZON, EVEN, test="t")
    arms, hits = np.tile([0, 1], 100), np.concatenate([np.zeros(40), np.tile([0, 1], 80)])
    written = np.arange(200) >= 40
    nobody = np.zeros(200, dtype=np.bool_)
    early.extend(arms, hits, written, nobody, np.arange(200))
    late.extend(arms[:40], hits[:40], written[:40], nobody[:40], np.arange(40))
    late.know("binary")
    late.extend(arms[40:], hits[40:], written[40:], nobody[40:], np.arange(40, 200))
    assert early.decision == late.decision


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0, None, float("nan")])), min_size=1, max_size=150),
    st.sampled_from(["best", "vs_default", "any_difference"]),
)
@settings(max_examples=60, deadline=None)
def test_single_sessions_under_a_horizon_give_the_same_floats_as_all_at_once(sessions, criterion):
    rule = StopRule(max_iterations=120, max_confidence=80, target_outcome="x", default="a", criterion=criterion)
    single, whole = watched(rule, THREE), watched(rule, THREE)
    for index, (arm, value) in enumerate(sessions):
        single.update("abc"[arm], value, index=index)
    arms = np.array([arm for arm, _ in sessions])
    values = np.array([np.nan if value is None else value for _, value in sessions])
    written = np.array([value is not None for _, value in sessions])
    whole.extend(arms, values, written, np.zeros(len(arms), dtype=np.bool_), np.arange(len(arms)))
    assert single.decision == whole.decision
    assert (single.pairs == whole.pairs).all()
    assert single.ratio.p_value == whole.ratio.p_value


SHAPES = {
    "normal": lambda rng, arms: rng.normal(5 + 0.2 * arms, 1 + arms),
    "skewed": lambda rng, arms: rng.lognormal(0, 1.2, len(arms)),
    "nearly all zero": lambda rng, arms: (rng.random(len(arms)) < 0.1) * rng.lognormal(0, 1, len(arms)),
    "constant at first": lambda rng, arms: np.where(np.arange(len(arms)) < 60, 3.0, rng.normal(3, 1, len(arms))),
    "tiny": lambda rng, arms: rng.normal(0, 1e-90, len(arms)),
    "huge": lambda rng, arms: rng.normal(0, 1e60, len(arms)),
    "far from 0": lambda rng, arms: 1.7e9 + rng.normal(0, 2, len(arms)),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("k", "direction"), [(2, "maximize"), (3, "minimize")])
def test_single_numbers_under_a_horizon_give_the_same_floats_as_all_at_once(shape, k, direction):
    rule = StopRule(max_iterations=700, max_confidence=99.9, direction=direction, default="a")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        arms = rng.integers(0, k, 500)
        values = SHAPES[shape](rng, arms)
        written, crashed = rng.random(500) > 0.03, rng.random(500) < 0.02
        whole, single = (watched(rule, dict.fromkeys("abc"[:k], 1 / k), "float") for _ in range(2))
        whole.extend(arms, np.where(written, values, np.nan), written, crashed, np.arange(500))
        for at in range(500):
            single.update("abc"[arms[at]], float(values[at]) if written[at] else None, crashed=bool(crashed[at]))
        assert single.adds_singly
        assert (whole.evidence.peaks == single.evidence.peaks).all()
        assert (whole.pairs == single.pairs).all()
        assert whole.decision == single.decision
        assert whole.drift.share == pytest.approx(single.drift.share, rel=1e-6, abs=1e-12)


# --- many variants ---------------------------------------------------------------------------------------------------


def family(rates, runs, length, seed=5):
    """Return how often a truly equal pair is shown as sure, a winner named, a wrong one, and one less sure of a pair."""
    k, rng = len(rates), np.random.default_rng(seed)
    rates = np.array(rates)
    equal = (rates[:, None] == rates) & ~np.eye(k, dtype=np.bool_)
    found = dict.fromkeys(("equal", "winner", "wrong", "less sure"), 0)
    for _ in range(runs):
        monitor = watched(StopRule(max_iterations=length, max_confidence=95), {f"v{i}": 1 / k for i in range(k)})
        arms = rng.integers(0, k, length)
        feed(monitor, arms, rng.random(length) < rates[arms])
        adjusted, winner = monitor.p_values_adjusted(), monitor.decision.winner
        found["equal"] += bool((adjusted[equal] <= 0.05).any())
        if winner is not None:
            arm = monitor.variants.index(winner)
            found["winner"] += 1
            found["wrong"] += bool((rates >= rates[arm]).sum() > 1)
            found["less sure"] += bool((np.delete(adjusted[arm], arm) > 0.05).any())
    return {name: count / runs for name, count in found.items()}


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "rates",
    [[0.3] * 7 + [0.1], [0.5] * 2 + [0.2] * 6, [0.3] * 11 + [0.05]],
    ids=["one of 8 worse", "two of 8 best", "one of 12 worse"],
)
def test_pairs_of_many_variants_are_sure_together(rates):
    found = family(rates, 150, 100 * len(rates))
    assert max(found["equal"], found["wrong"]) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 150)
    assert found["less sure"] == 0


def test_the_best_of_many_variants_is_found():
    found = family([0.45] + [0.2] * 7, 40, 1500)
    assert found["winner"] >= 0.9
    assert found["wrong"] == found["less sure"] == 0


@pytest.mark.parametrize("criterion", ["best", "vs_default", "any_difference"])
@pytest.mark.parametrize("rule", [{"max_iterations": 400}, {}], ids=["horizon", "no horizon"])
@pytest.mark.parametrize("kind", ["binary", "float"])
def test_many_variants_too_give_the_same_floats_however_they_are_fed(criterion, rule, kind):
    k, rng = 8, np.random.default_rng(3)
    rule = StopRule(max_confidence=99.99, criterion=criterion, default="v2", **rule)
    whole, parts = (watched(rule, {f"v{i}": 1 / k for i in range(k)}, kind) for _ in range(2))
    arms = rng.integers(0, k, 390)
    values = (rng.random(390) < 0.1 + 0.1 * arms) if kind == "binary" else rng.normal(0.3 * arms, 1)
    feed(whole, arms, values)
    at = 0
    while at < 390:
        end = min(390, at + 1 + at % 60)
        feed(parts, arms[at:end], values[at:end], start=at)
        if at % 3 == 0:
            parts = Monitor.from_json(parts.to_json())
        at = end
    assert (whole.pairs == parts.pairs).all()
    assert whole.decision == parts.decision
    assert whole.pairs.min() < 0.2
    # What the rule stops by is made of how far the pairs came, and of nothing else.
    expected = criteria.stopping_p_value(whole.pairs[np.newaxis], whole.best[np.newaxis], criterion, 2)[0]
    assert whole.p_value <= expected
    if criterion != "vs_default":
        assert whole.p_value == expected


def test_what_equality_allows_is_what_shaffer_says():
    assert closed._most_equal(4).tolist() == [6, 3, 3, 3, 2, 1]  # Shaffer 1986, table 1
    assert closed._most_equal(5).tolist() == [10, 6, 6, 6, 6, 4, 4, 3, 2, 1]


def test_floats_under_weights_that_change_at_once_wait_for_the_burn_in():
    monitor = watched(StopRule(max_iterations=400, max_confidence=95), kind="float")
    feed(monitor, [0, 1], [1.0, 9.0])
    monitor.new_weights({"a": 0.4, "b": 0.6})
    feed(monitor, [0, 1, 0, 1, 0, 1], [1.0, 9.0, 1.1, 9.1, 1.2, 9.2], start=2)
    assert (monitor.pairs == 1).all()
    feed(monitor, [0, 1] * 12, [1.0, 9.0, 1.1, 9.1] * 6, start=8)
    assert monitor.pairs.min() < 0.2


def test_averages_of_many_e_values_do_not_depend_on_how_many_are_averaged_at_once():
    log_e = np.random.default_rng(2).normal(0, 5, (12, 300))
    whole = eprocess.mean_of_e(log_e)
    assert (whole == np.concatenate([eprocess.mean_of_e(log_e[:, at : at + 1]) for at in range(300)])).all()


# --- intervals that hold at every look -------------------------------------------------------------------------------


def test_the_exact_interval_of_a_rate_inverts_its_mixture():
    from scipy.special import betaln, xlog1py, xlogy

    for hits, n in ((0, 30), (7, 50), (50, 50), (300, 1000)):
        low, high = eprocess.rate_sequence(hits, n, 0.05)
        assert 0 <= low <= hits / n <= high <= 1
        mixture = betaln(hits + 0.5, n - hits + 0.5) - betaln(0.5, 0.5)
        for end in {low, high} - {0.0, 1.0}:
            assert mixture - xlogy(hits, end) - xlog1py(n - hits, -end) == pytest.approx(np.log(20), abs=1e-6)
    assert eprocess.rate_sequence(0, 0, 0.05) == (0.0, 1.0)


def test_an_interval_of_scores_is_wilsons_at_one_look():
    assert compare.score_interval(120, 1000, 1.959964) == pytest.approx((0.1013, 0.1416), abs=5e-5)
    assert compare.score_interval(0, 50, 2.0)[0] == 0.0
    assert compare.score_interval(5, 10, np.inf) == (0.0, 1.0)


@pytest.mark.no_cover
@pytest.mark.parametrize("rule", [StopRule(max_iterations=600), StopRule()], ids=["horizon", "no horizon"])
@pytest.mark.parametrize("kind", ["binary", "float"])
def test_intervals_hold_at_every_look(rule, kind):
    rng = np.random.default_rng(21)
    truth = (0.2, 0.3) if kind == "binary" else (5.0, 6.0)
    missed = {"mean": 0, "difference": 0}
    runs = 40
    for _ in range(runs):
        arms = rng.integers(0, 2, 600)
        centre = np.array(truth)[arms]
        values = (rng.random(600) < centre) * 1.0 if kind == "binary" else rng.normal(centre, 2.0)
        monitor = watched(rule, EVEN, kind)
        wrong = dict.fromkeys(missed, False)
        for first in range(0, 600, 40):
            feed(monitor, arms[first : first + 40], values[first : first + 40])
            a, b = monitor.moments
            low, high = monitor.evidence.mean_interval(a, 0, 0.05)
            wrong["mean"] |= not low <= truth[0] <= high
            if min(a.n, b.n) < compare.BURN_IN[kind]:
                continue
            low, high = monitor.evidence.interval(monitor.strata(1, 0), (1, 0), 0.05)
            wrong["difference"] |= not low <= truth[1] - truth[0] <= high
        missed = {name: missed[name] + wrong[name] for name in missed}
    assert max(missed.values()) / runs <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / runs)


def test_one_p_value_is_that_of_an_array():
    c = np.linspace(0, 9, 500)
    assert [boundary.p_value_of(value) for value in c.tolist()] == boundary.crossing_p_value(c).tolist()
