"""Two tests of the same sessions: their interaction is found where there is one, at its level, and stops nothing."""

import json

import numpy as np
import pytest
from test_analyze import declaration, session, write_log

import voicelab as vl
from voicelab.decision.stats.interaction import BURN_IN, interaction

STOP = {"max_iterations": 4000, "max_confidence": 95, "target_outcome": "booked", "default": "a"}
RATES = ((0.3, 0.3), (0.3, 0.6))


def drawn(rng, n, share=0.5):
    return (rng.random((2, n)) < share).astype(np.int64)


def together(values, first, second, epochs=None, kind="float"):
    epochs = np.zeros(len(values), dtype=np.int64) if epochs is None else epochs
    return interaction(np.asarray(values, dtype=np.float64), first, second, epochs, kind, 500)


def log_of(folder, n=800, rates=RATES, how=lambda index: "random", text=None):
    """Return a log of two tests whose variants are drawn apart, and an outcome by both of them."""
    rng = np.random.default_rng(5)
    first, second = drawn(rng, n)
    booked = rng.random(n) < np.array(rates)[first, second]
    texts = declaration(stop=STOP), text or declaration({"x": 0.5, "y": 0.5}, stop={**STOP, "default": "x"})
    return write_log(
        folder,
        [
            session(
                index,
                exposures=[
                    ("t", "ab"[first[index]], "random", texts[0]),
                    ("u", "xy"[second[index]], how(index), texts[1]),
                ],
                outcomes=[("booked", "boolean", float(booked[index]), None, True)],
            )
            for index in range(n)
        ],
    )


def test_the_difference_of_differences_is_that_of_the_means():
    rng = np.random.default_rng(1)
    first, second = drawn(rng, 400)
    values = 1e9 + 3 * first + 5 * second + 2 * first * second + rng.normal(size=400)
    found = together(values, first, second)
    means = [[values[(first == a) & (second == b)].mean() for b in (0, 1)] for a in (0, 1)]
    assert found.difference == pytest.approx(means[1][1] - means[0][1] - means[1][0] + means[0][0], abs=1e-5)
    assert found.lower < 2 < found.upper
    assert found.p_value < 1e-6


def test_the_interval_is_a_p_value_turned_round():
    rng = np.random.default_rng(2)
    first, second = drawn(rng, 500)
    values = rng.random(500) < 0.3
    found = together(values, first, second, kind="binary")
    # What lies at the end of the 95 % interval has a p-value of 5 %.
    at_the_end = together(values + found.lower * 0.0, first, second, kind="binary")
    assert at_the_end.lower <= 0 <= at_the_end.upper
    assert at_the_end.p_value > 0.05
    shifted = together(values - found.lower * first * second, first, second)
    assert shifted.p_value == pytest.approx(0.05, rel=0.3)


@pytest.mark.parametrize("missing", ["cell", "variation", "sessions"])
def test_nothing_is_said_where_nothing_is_known(missing):
    rng = np.random.default_rng(3)
    first, second = drawn(rng, 400)
    values = rng.normal(size=400)
    if missing == "cell":
        kept = (first == 0) | (second == 0) | (np.cumsum(first * second) < BURN_IN)
        first, second, values = first[kept], second[kept], values[kept]
    elif missing == "variation":
        values = np.zeros(400)
    else:
        first, second, values = first[:0], second[:0], values[:0]
    assert together(values, first, second)[1:] == (None, None, None, None)


def test_intervals_miss_the_truth_less_often_than_they_may():
    """Looked at 10 times each, with main effects of both tests and no interaction; 60 times, of which 5 % are 3."""
    rng = np.random.default_rng(4)
    missed = 0
    for _ in range(60):
        first, second = drawn(rng, 1000, 0.3)
        values = rng.random(1000) < 0.2 + 0.1 * first + 0.3 * second
        looks = [together(values[:n], first[:n], second[:n], kind="binary") for n in range(100, 1001, 100)]
        missed += any(look.difference is not None and not look.lower <= 0 <= look.upper for look in looks)
    assert missed <= 3


def test_weights_and_a_level_that_change_together_make_no_interaction():
    rng = np.random.default_rng(6)
    n = 4000
    epochs = (np.arange(n) >= 0.8 * n).astype(np.int64)
    first, second = ((rng.random(n) < np.where(epochs, 0.8, 0.2)).astype(np.int64) for _ in range(2))
    values = rng.random(n) < np.where(epochs, 0.7, 0.2)
    assert together(values, first, second, epochs, "binary").p_value > 0.05
    assert together(values, first, second, None, "binary").p_value < 0.05  # pooled over epochs there seems to be one


def test_an_interaction_is_reported_and_stops_nothing(tmp_path):
    log = log_of(tmp_path)
    result = vl.analyze(log, "t")
    (row,) = result.interactions.to_dict("records")
    assert (row["other_test"], row["variant"], row["other_variant"]) == ("u", "b", "y")
    assert row["difference_cs_lower"] > 0
    assert row["confidence"] > 95
    assert result.warnings[-1].startswith(
        "Interaction: what b does hangs on the test u. With y its difference from a is"
    )
    assert "Other tests at the same time" in str(result)
    assert "Other tests at the same time" in result._repr_html_()
    assert json.loads(json.dumps(result.to_json()))["interactions"][0]["baseline"] == "a"
    # Seen from the other test it is the same one.
    assert vl.analyze(log, "u").interactions["difference"].item() == pytest.approx(row["difference"], abs=0.05)
    # The decision is that of the test alone.
    sessions, exposures = log.sessions(), log.exposures().query("test == 't'").set_index("session_index")["variant"]
    frame = sessions.assign(
        variant=sessions["session_index"].map(exposures), booked=sessions["outcome.booked"].astype(bool)
    )
    alone = vl.analyze(frame, outcome="booked", weights={"a": 0.5, "b": 0.5}, rule=result.rule)
    assert alone.decision.confidence == result.decision.confidence
    assert alone.interactions is None


def test_only_sessions_count_that_drew_both_at_random(tmp_path):
    off = declaration({"x": 0.5, "y": 0.5, "off": 0.0}, stop={**STOP, "default": "x"})
    log = log_of(tmp_path, how=lambda index: "random" if index < 300 else "default_after_stop", text=off)
    assert vl.analyze(log, "t").interactions[["sessions", "other_variant"]].to_numpy().tolist() == [[300, "y"]]
