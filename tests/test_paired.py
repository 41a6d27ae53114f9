"""Pairs of two versions: the mathematics of their differences."""

import itertools
import math

import numpy as np
import pytest

from voicelab.decision.stats.paired import BURN_IN, PairedDifferences, unpaired_factor


def signs(new_only, old_only, n):
    return np.array([1.0] * new_only + [-1.0] * old_only + [0.0] * (n - new_only - old_only))


def test_without_a_margin_the_score_is_mcnemars():
    found = PairedDifferences(signs(15, 3, 100), "binary", 100)
    assert found._scores(0.0)[-1] == pytest.approx((15 - 3) / math.sqrt(15 + 3))


def test_with_a_margin_it_is_tangos_as_published():
    # Tango 1998, cross-over trial of contact lenses: 43 pairs alike, one worse, margin .1.
    found = PairedDifferences(signs(0, 1, 44), "binary", 44)
    assert found._scores(-0.1)[-1] == pytest.approx(1.709, abs=0.001)


@pytest.mark.parametrize("d", [-0.2, 0.0, 0.1])
def test_bets_on_rates_are_fair_at_the_edge_of_what_they_bet_against(d):
    up, down = 0.2 + max(d, 0), 0.2 + max(-d, 0)
    chances = {1.0: up, -1.0: down, 0.0: 1 - up - down}
    expected = sum(
        math.prod(chances[one] for one in path)
        * math.exp(PairedDifferences(np.array(path), "binary")._log_bets(d, 1.0)[-1])
        for path in itertools.product(chances, repeat=5)
    )
    assert expected == pytest.approx(1.0)


KINDS = {
    "binary": ("binary", lambda rng, n: rng.choice([1.0, -1.0, 0.0], n, p=[0.025, 0.025, 0.95])),
    "floats": ("float", lambda rng, n: rng.normal(size=n)),
    "skewed": ("float", lambda rng, n: rng.exponential(size=n) - 1),
    "sparse": ("float", lambda rng, n: (rng.exponential(size=n) - 1) * (rng.random(n) < 0.05)),
}


@pytest.mark.parametrize("horizon", [1000, None])
@pytest.mark.parametrize("kind", KINDS)
def test_equal_versions_are_told_apart_in_one_of_twenty_comparisons_at_most(kind, horizon):
    of, draw = KINDS[kind]
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(200):
        found = PairedDifferences(draw(rng, 1000), of, horizon)
        wrong += min(found.above()[-1], found.below()[-1]) <= 0.05
    assert wrong <= 17  # of 10 expected at most, and 2.3 standard errors


@pytest.mark.parametrize("horizon", [800, None])
@pytest.mark.parametrize("kind", KINDS)
def test_swapping_the_versions_changes_the_sign_alone(kind, horizon):
    of, draw = KINDS[kind]
    d = draw(np.random.default_rng(2), 800) + 0.0
    one, other = PairedDifferences(d, of, horizon), PairedDifferences(-d, of, horizon)
    np.testing.assert_allclose(one.above(-0.01), other.below(0.01), atol=1e-9)
    low, high = one.interval(0.05)
    assert other.interval(0.05) == pytest.approx((-high, -low), abs=1e-6)


@pytest.mark.parametrize("horizon", [600, None])
@pytest.mark.parametrize("kind", ["binary", "floats"])
def test_the_interval_holds_what_the_evidence_does_not_refute_now(kind, horizon):
    of, draw = KINDS[kind]
    found = PairedDifferences(draw(np.random.default_rng(5), 600) * 1.0, of, horizon)
    low, high = found.interval(0.05)
    assert low < found.mean < high
    assert found.above(low - 0.05 * (high - low))[-1] <= 0.05


def test_a_p_value_never_grows():
    d = np.random.default_rng(3).normal(0.1, 1, 500)
    for horizon in (500, None):
        assert (np.diff(PairedDifferences(d, "float", horizon).above()) <= 0).all()


def test_numbers_that_never_differ_are_held_once_enough_pairs_are_alike():
    alike = PairedDifferences(np.zeros(1000), "float", widest=1.0)
    p = alike.above(-0.02)
    assert p[50] > 0.05 >= p[-1]
    assert alike.above()[-1] == 1.0  # that none is better stays so
    low, high = alike.interval(0.05)
    assert 0 < high == -low < 0.02


def test_a_few_pairs_that_differ_say_nothing_of_a_mean():
    d = np.zeros(5000)
    d[: BURN_IN - 1] = 3.0
    assert PairedDifferences(d, "float").above()[-1] == 1.0


@pytest.mark.parametrize("horizon", [200, None])
def test_a_difference_that_is_the_same_in_every_pair_is_one(horizon):
    found = PairedDifferences(np.ones(200), "float", horizon)
    assert found.above()[-1] < 0.01
    low, high = found.interval(0.05)
    assert 0 < low < 1 < high


@pytest.mark.parametrize("horizon", [10, None])
def test_nothing_is_known_without_pairs(horizon):
    found = PairedDifferences(np.array([]), "binary", horizon)
    assert found.interval(0.05) == (-math.inf, math.inf)
    assert math.isnan(found.mean)
    assert not len(found.above())


def test_pairs_that_go_together_need_fewer_sessions():
    rng = np.random.default_rng(1)
    old = rng.normal(size=2000)
    assert unpaired_factor(old, old + 0.1 * rng.normal(size=2000)) == pytest.approx(200, rel=0.1)
    assert unpaired_factor(old, rng.normal(size=2000)) == pytest.approx(1, rel=0.1)
    assert unpaired_factor(old, old + 1.0) is None
