"""The mathematics: known answers, properties, and honest error rates."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule
from voicelab.decision.stats import boundary, closed, compare, fixed, moments, sample_ratio


def arm(n, hits):
    return np.float64(n), np.float64(hits), np.float64(hits)


@pytest.mark.parametrize(("c", "p"), [(1.95996, 0.10), (2.2414027, 0.05), (2.80703, 0.01), (3.48076, 0.001)])
def test_the_largest_excursion_of_brownian_motion_has_its_known_quantiles(c, p):
    assert float(boundary.crossing_p_value(c)) == pytest.approx(p, rel=2e-5)
    assert boundary.threshold(p) == pytest.approx(c, abs=2e-5)


@given(st.floats(0, 8), st.floats(0, 8))
def test_a_larger_excursion_never_has_a_larger_p_value(a, b):
    low, high = sorted((a, b))
    assert boundary.crossing_p_value(low) >= boundary.crossing_p_value(high) - 1e-12


@pytest.mark.parametrize(
    ("a", "b", "p"),
    [
        (arm(99, 12), arm(83, 5), 0.159181),
        (arm(500, 150), arm(500, 180), 0.043637),
        (arm(1000, 120), arm(1000, 150), 0.04964),
        (arm(1000, 118), arm(1000, 150), 0.03568),
        (arm(500, 50), arm(500, 75), 0.01683),
        (arm(100, 10), arm(100, 10), 1.0),
        (arm(50, 0), arm(50, 0), 1.0),
        (arm(50, 0), arm(50, 5), 0.0563),
    ],
)
def test_fixed_sample_p_values_of_two_rates(a, b, p):
    assert fixed.two_rates(a, b) == pytest.approx(p, abs=6e-5)


def test_fixed_sample_companions():
    assert fixed.several_rates([41, 63, 75], [500] * 3) == pytest.approx(0.0034878, abs=1e-6)
    assert fixed.several_rates([40, 50, 70], [500] * 3) == pytest.approx(0.00747, abs=1e-5)
    assert fixed.wilson(120, 1000) == pytest.approx((0.1013, 0.1416), abs=5e-5)


def test_the_sequential_sample_ratio_stops_where_its_source_does():
    drawn = np.random.RandomState(1).multinomial(1, [0.1, 0.3, 0.6], 1000).argmax(axis=1)
    log_e = sample_ratio.SampleRatio(np.array([0.1, 0.4, 0.5])).extend(drawn)
    p = np.minimum(1, np.exp(-np.maximum.accumulate(log_e)))
    assert int(np.argmax(p <= 0.05)) + 1 == 402
    assert p[401] == pytest.approx(0.04845591105969517, abs=1e-11)


def test_closed_testing_of_two_and_three_variants():
    pairs = list(itertools.permutations(range(3), 2))
    p = {pair: np.array([0.01 * (1 + i)]) for i, pair in enumerate(pairs)}
    smallest = min(float(v[0]) for v in p.values())
    for a, b in pairs:
        assert closed.beats(p, 3, a, b)[0] == pytest.approx(max(float(p[a, b][0]), 3 * smallest))
    assert closed.beats({(0, 1): np.array([0.2]), (1, 0): np.array([0.9])}, 2, 0, 1)[0] == 0.2


@given(st.permutations(range(4)), st.lists(st.floats(0.001, 1), min_size=12, max_size=12))
@settings(max_examples=30)
def test_the_names_of_the_variants_change_nothing(order, values):
    pairs = list(itertools.permutations(range(4), 2))
    p = {pair: np.array([value]) for pair, value in zip(pairs, values, strict=True)}
    renamed = {(order[a], order[b]): value for (a, b), value in p.items()}
    before, after = closed.beats_all(p, 4), closed.beats_all(renamed, 4)
    for a in range(4):
        assert before[a] == pytest.approx(after[order[a]])


def test_numbers_take_the_larger_of_two_standard_errors():
    a, b = (np.float64(20), np.float64(0), np.float64(20)), (np.float64(200), np.float64(0), np.float64(200 * 25))
    pooled = np.sqrt((20 + 5000) / 218 * (1 / 20 + 1 / 200))
    assert float(compare.standard_error(a, b, "float")) == pytest.approx(pooled)


# --- the monitor -----------------------------------------------------------------------------------------------------

RULE = StopRule(max_iterations=200, max_confidence=95, target_outcome="x", default="a")


def monitor(kind="binary", rule=RULE, weights=None):
    made = Monitor(rule, weights or {"a": 0.5, "b": 0.5}, test="t")
    if kind:
        made.know(kind)
    return made


def feed(target, arms, values, start=0):
    arms = np.asarray(arms, dtype=np.int64)
    values = np.asarray(values, dtype=np.float64)
    everywhere = np.ones(len(arms), dtype=np.bool_)
    return target.extend(arms, values, everywhere, ~everywhere, np.arange(start, start + len(arms)))


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 1.0, 0.3, 7.0])), min_size=1, max_size=120),
    st.integers(1, 119),
    st.sampled_from(["binary", "count", "float"]),
)
@settings(max_examples=40, deadline=None)
def test_one_by_one_in_chunks_and_all_at_once_decide_the_same(sessions, cut, kind):
    arms, values = zip(*sessions, strict=True)
    rule = StopRule(max_iterations=100, max_confidence=80, target_outcome="x", default="a")
    weights = {"a": 0.2, "b": 0.3, "c": 0.5}
    whole, chunks, single = (monitor(kind, rule, weights) for _ in range(3))
    feed(whole, arms, values)
    feed(chunks, arms[:cut], values[:cut])
    feed(chunks, arms[cut:], values[cut:], start=cut)
    for index, (one, value) in enumerate(sessions):
        feed(single, [one], [value], start=index)
    assert whole.decision == chunks.decision == single.decision
    assert whole.ratio.p_value == chunks.ratio.p_value == single.ratio.p_value


def test_the_confidence_never_falls_and_never_reaches_100():
    rng = np.random.default_rng(5)
    rule = StopRule(max_iterations=3000, target_outcome="x", default="a")
    target = Monitor(rule, {"a": 0.5, "b": 0.5}, test="t", trace=True)
    target.know("binary")
    arms = rng.integers(0, 2, 3000)
    feed(target, arms, rng.random(3000) < np.where(arms, 0.9, 0.1))
    sessions, p = (np.concatenate(parts) for parts in zip(*target.trace, strict=True))
    assert (np.diff(sessions) > 0).all()
    assert (np.diff(p) <= 0).all()
    assert target.decision.confidence < 100


def test_an_early_horizon_is_never_more_certain_than_one_look():
    rng = np.random.default_rng(7)
    for seed in range(20):
        arms = rng.integers(0, 2, 200)
        values = np.random.default_rng(seed).random(200) < np.where(arms, 0.5, 0.3)
        rule = StopRule(max_iterations=200, target_outcome="x", default="a")
        target = monitor("binary", rule)
        feed(target, arms, values)
        one_look = fixed.p_value(target.moments[0], target.moments[1], "binary")
        peaks = min(target.pairs[0, 1], target.pairs[1, 0])
        # The running maximum may have been larger before; at the horizon itself the bound is strict.
        a, b = target.moments
        z = float(moments.difference(a, b) / compare.standard_error(a, b, "binary"))
        assert float(boundary.crossing_p_value(abs(z))) >= one_look - 1e-9
        assert 0 <= peaks <= 1


@pytest.mark.parametrize(("weights", "rate"), [((0.5, 0.5), 0.3), ((0.9, 0.1), 0.3), ((0.5, 0.5), 0.05)])
def test_false_stops_without_any_effect_stay_near_their_bound(weights, rate):
    rng = np.random.default_rng(11)
    stops = 0
    rule = StopRule(max_iterations=500, max_confidence=95, target_outcome="x", default="a")
    runs = 200
    for _ in range(runs):
        target = monitor("binary", rule, dict(zip("ab", weights, strict=True)))
        feed(target, rng.choice(2, 500, p=weights), rng.random(500) < rate)
        stops += target.decision.conclusion == "winner"
    assert stops / runs <= 0.06 + 0.042  # the bound, and two and a half Monte-Carlo errors


def test_a_real_effect_is_found_as_often_as_the_method_promises():
    rng = np.random.default_rng(12)
    won = wrong = 0
    rule = StopRule(max_iterations=712, max_confidence=95, target_outcome="x", default="a")
    runs = 150
    for _ in range(runs):
        target = monitor("binary", rule)
        arms = rng.integers(0, 2, 712)
        feed(target, arms, rng.random(712) < np.where(arms, 0.4, 0.3))
        won += target.decision.winner == "b"
        wrong += target.decision.winner == "a"
    assert won / runs == pytest.approx(0.74, abs=0.11)
    assert wrong <= 1
