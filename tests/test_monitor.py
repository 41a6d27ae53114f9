"""The public monitor: fed as sessions end, written as JSON and read again, with clear errors at its door."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import voicelab as vl
from voicelab.base.errors import InputError

EVEN = {"a": 0.5, "b": 0.5}
HORIZON = vl.StopRule(max_iterations=400, max_confidence=90, default="a")
OPEN = vl.StopRule(max_confidence=90, default="a")

MADE = {
    "rate, horizon": (HORIZON, {"kind": "binary"}),
    "rate, no horizon": (OPEN, {"kind": "binary"}),
    "mean, horizon": (HORIZON, {"kind": "float"}),
    "mean, no horizon": (OPEN, {"kind": "count"}),
    "units, horizon": (HORIZON, {"kind": "float", "with_units": True}),
    "units, no horizon": (OPEN, {"kind": "binary", "with_units": True}),
    "bounds": (HORIZON, {"kind": "float", "bounds": (0, 5)}),
    "cap": (OPEN, {"kind": "float", "cap": 3}),
    "probabilities": (OPEN, {"kind": "binary", "with_probabilities": True}),
    "not known yet": (HORIZON, {}),
    "a margin": (vl.StopRule(max_iterations=400, max_confidence=90, margin=0.1), {"kind": "binary"}),
}


def sessions(n, seed=1, *, kind, with_units=False, with_probabilities=False, **_):
    """Yield the arguments of `update`."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        p = float(rng.uniform(0.2, 0.8)) if with_probabilities else 0.5
        arm = int(rng.random() < 1 - p)
        value = {"binary": bool(rng.random() < 0.3 + 0.1 * arm), "count": int(rng.poisson(2)), None: None}.get(
            kind, float(rng.integers(0, 6))
        )
        more = {"unit": f"caller {rng.integers(0, 60)}"} if with_units else {}
        more |= {"probabilities": {"a": p, "b": 1 - p}} if with_probabilities else {}
        yield ("ab"[arm], value), more


@pytest.mark.parametrize("name", MADE)
def test_a_monitor_that_was_written_and_read_goes_on_as_if_it_had_never_stopped_running(name):
    rule, made = MADE[name]
    made = {"kind": None} | made
    whole, broken = vl.Monitor(rule, EVEN, **made), vl.Monitor(rule, EVEN, **made)
    for at, (session, more) in enumerate(sessions(160, **made)):
        whole.update(*session, **more)
        broken.update(*session, **more)
        if at in {3, 60, 61}:
            text = broken.to_json()
            assert "NaN" not in text
            assert "Infinity" not in text
            broken = vl.Monitor.from_json(text)
    assert broken.decision == whole.decision
    assert (broken.pairs == whole.pairs).all()
    assert broken.ratio.p_value == whole.ratio.p_value
    assert broken.to_json() == whole.to_json()
    if whole.evidence is not None and made["kind"] is not None:
        pair = whole.strata(1, 0)
        ends = [tuple(map(float, own.evidence.interval(pair, (1, 0), 0.1))) for own in (broken, whole)]
        assert ends[0] == ends[1]


def test_epochs_survive_json():
    whole = vl.Monitor(HORIZON, EVEN, kind="float")
    for session, _ in sessions(90, kind="float"):
        whole.update(*session)
    whole.new_weights({"a": 0.2, "b": 0.8})
    again = vl.Monitor.from_json(whole.to_json())
    for session, _ in sessions(90, seed=2, kind="float"):
        whole.update(*session)
        again.update(*session)
    assert again.decision == whole.decision
    assert (again.pairs == whole.pairs).all()


@given(
    st.lists(st.tuples(st.integers(0, 1), st.integers(0, 8), st.floats(-3, 3)), min_size=2, max_size=80),
    st.integers(1, 79),
)
@settings(max_examples=40, deadline=None)
def test_units_fed_singly_or_in_chunks_give_the_same_floats(drawn, cut):
    # A unit keeps its variant.
    arm_of = {}
    rows = [(arm_of.setdefault(unit, arm), unit, value) for arm, unit, value in drawn]
    single, chunks = (vl.Monitor(HORIZON, EVEN, kind="float", with_units=True) for _ in range(2))
    for arm, unit, value in rows:
        single.update("ab"[arm], value, unit=unit)
    codes = {}
    arms, units, values = (
        np.array(part) for part in zip(*[(a, codes.setdefault(u, len(codes)), v) for a, u, v in rows], strict=True)
    )
    everywhere = np.ones(len(rows), dtype=np.bool_)
    for part in (slice(0, cut), slice(cut, None)):
        if len(arms[part]):
            fed = arms[part], values[part], everywhere[part], ~everywhere[part], np.arange(len(rows))[part]
            chunks.extend(*fed, units=units[part])
    assert (single.pairs == chunks.pairs).all()
    assert (single.tally.epoch == chunks.tally.epoch).all()
    assert single.ratio.p_value == chunks.ratio.p_value


def test_a_stop_in_the_middle_of_a_chunk_leaves_nothing_of_what_came_after():
    rng = np.random.default_rng(4)
    units = rng.integers(0, 80, 400)
    arms = np.array([unit % 2 for unit in units])
    values = rng.normal(arms * 2.0, 1.0)
    single, whole = (vl.Monitor(HORIZON, EVEN, kind="float", with_units=True) for _ in range(2))
    codes = {}
    coded = np.array([codes.setdefault(unit, len(codes)) for unit in units.tolist()])
    everywhere = np.ones(400, dtype=np.bool_)
    stop = whole.extend(arms, values, everywhere, ~everywhere, np.arange(400), units=coded)
    assert stop is not None
    for arm, value, unit in zip(arms, values, units.tolist(), strict=True):
        if single.update("ab"[arm], value, unit=unit):
            break
    assert (single.sessions, single.decision) == (stop + 1, whole.decision)
    assert (single.tally.epoch == whole.tally.epoch).all()


def test_after_its_stop_it_takes_no_more():
    monitor = vl.Monitor(vl.StopRule(max_iterations=2, default="a"), EVEN, kind="binary")
    assert monitor.update("a", True) is False
    assert monitor.update("b", False) is True
    before = monitor.to_json()
    assert monitor.update("a", True) is False
    assert monitor.to_json() == before


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (({"variant": "c", "value": 1}), "no variant 'c'; weights names a, b"),
        (({"variant": "a", "value": "much"}), "value is 'much', must be a number"),
        (({"variant": "a", "value": 9.0}), "beyond the bounds 0 to 5"),
    ],
)
def test_bad_sessions_are_refused_and_nothing_is_lost(arguments, words):
    monitor = vl.Monitor(HORIZON, EVEN, kind="float", bounds=(0, 5))
    monitor.update("a", 2.0)
    before = monitor.to_json()
    with pytest.raises(InputError, match=words):
        monitor.update(arguments["variant"], arguments["value"])
    assert monitor.to_json() == before


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: vl.Monitor("rule", EVEN), "must be vl.StopRule"),
        (lambda: vl.Monitor(OPEN, {}), "weights is empty"),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="text"),
            "kind is 'text', must be 'binary', 'count', 'float', 'ratio', or a quantile",
        ),
        (lambda: vl.Monitor(OPEN, EVEN, bounds=(1, 1)), "bounds is"),
        (lambda: vl.Monitor(OPEN, EVEN, bounds=(0, 1), cap=3), "both given"),
        (lambda: vl.Monitor(OPEN, EVEN, cap=float("nan")), "cap is"),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="float", with_probabilities=True),
            "Probabilities of each session are for rates",
        ),
        (lambda: vl.Monitor(OPEN, EVEN).update("a", 1), "kind of the outcome is not known"),
        (lambda: vl.Monitor(OPEN, EVEN, kind="count").update("a", -1), "must be a whole number from 0 on"),
        (lambda: vl.Monitor(OPEN, EVEN, kind="count").update("a", 2.5), "must be a whole number from 0 on"),
        (lambda: vl.Monitor(OPEN, EVEN, kind="float").update("a", b"1"), "must be a number, a boolean or None"),
        (lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_units=True).update("a", True), "session's unit is None"),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_probabilities=True).update(
                "a", True, probabilities={"a": 1}
            ),
            "name each variant",
        ),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_probabilities=True).update(
                "a", True, probabilities={"a": 0.5, "b": 0.6}
            ),
            "add up to 1.1",
        ),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_probabilities=True).update(
                "a", True, probabilities={"a": 0.0, "b": 1.0}
            ),
            "could not have got",
        ),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_probabilities=True).update("a", 1, probabilities=[0.5]),
            "the probability of each variant",
        ),
        (lambda: vl.Monitor(OPEN, EVEN, kind="binary").update("a", True, unit="caller 1"), "with_units=True"),
        (lambda: vl.Monitor(OPEN, EVEN, kind="binary").update("a", 1, probabilities=EVEN), "with_probabilities=True"),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_units=True).update("a", True, unit=["c"]),
            "text or a number",
        ),
        (
            lambda: vl.Monitor(OPEN, EVEN, kind="binary", with_units=True).update("a", 1, unit=float("nan")),
            "text or a nu",
        ),
        (lambda: vl.Monitor(OPEN, ["a", "b"]), "the weight of each variant"),
        (lambda: vl.Monitor(OPEN, EVEN).new_weights({"a": 1}), "name the same variants"),
        (lambda: vl.Monitor(OPEN, EVEN).outlook(-0.1), "smallest is -0.1"),
        (lambda: vl.Monitor.from_json(json.dumps({"version": 1})), "This is no monitor"),
        (lambda: vl.Monitor.from_json("{}"), "This is no monitor"),
        (lambda: vl.Monitor.from_json("nonsense"), "This is no monitor"),
        (lambda: vl.Monitor.from_json(json.dumps({"version": 99})), "another version"),
        (lambda: vl.StopRule(smallest=0), "smallest is 0"),
    ],
)
def test_a_monitor_that_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()


def test_numbers_may_name_variants():
    monitor = vl.Monitor(OPEN, {1: 0.5, 2: 0.5}, kind="binary")
    monitor.update(1, True)
    monitor.update("2", False)
    assert list(monitor.counts) == [1, 1]


def test_the_outlook_is_empty_once_it_has_stopped_and_changes_nothing():
    monitor = vl.Monitor(vl.StopRule(max_iterations=600, max_confidence=95, default="a"), EVEN, kind="binary")
    for session, _ in sessions(200, kind="binary"):
        monitor.update(*session)
    before = monitor.to_json()
    so_far, matters = monitor.outlook(0.1)
    assert (so_far.supposed, matters.supposed) == ("so far", "matters")
    assert 0 < matters.undecided < 1
    assert monitor.to_json() == before
    for session, _ in sessions(500, seed=3, kind="binary"):
        monitor.update(*session)
    assert monitor.stopped
    assert monitor.outlook(0.1) == []


def test_a_unit_that_changes_its_variant_counts_for_its_first_as_in_a_frame():
    rng = np.random.default_rng(2)
    rows = [(int(rng.integers(60)), "ab"[rng.integers(2)], bool(rng.random() < 0.3)) for _ in range(600)]
    rule = vl.StopRule(max_iterations=4000, max_confidence=95, default="a")
    kept, written = (vl.Monitor(rule, EVEN, kind="binary", with_units=True) for _ in range(2))
    for unit, variant, value in rows:
        kept.update(variant, value, unit=unit)
        written.update(variant, value, unit=np.int64(unit))
        written = vl.Monitor.from_json(written.to_json())
    frame = pd.DataFrame(rows, columns=["caller", "variant", "bought"])
    result = vl.analyze(frame, outcome="bought", unit="caller", weights=EVEN, rule=rule)
    assert kept.decision.confidence == result.decision.confidence
    assert list(kept.counts) == list(result.variants["sessions"])
    assert kept.reassigned == sum(frame["variant"] != frame.groupby("caller")["variant"].transform("first"))
    assert written.to_json() == kept.to_json()


def test_one_variant_has_no_outlook():
    monitor = vl.Monitor(OPEN, {"a": 1}, kind="binary")
    for n in range(100):
        monitor.update("a", n % 3 == 0)
    assert monitor.outlook(0.1) == []


def test_an_index_of_numpy_is_written_as_json():
    monitor = vl.Monitor(vl.StopRule(max_iterations=1), EVEN, kind="binary")
    monitor.update("a", True, index=np.int64(5))
    assert vl.Monitor.from_json(monitor.to_json()).stopped_index == 5
