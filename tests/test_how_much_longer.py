"""How much longer a test may take, in words: no number that isn't one, and nothing where there is nothing to say."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.analysis.how_much_longer import outlook_sentences
from voicelab.decision.outlook import Outlook, smallest_that_matters
from voicelab.decision.wording import how_much_longer

RULE = vl.StopRule(max_iterations=2000, max_confidence=95, default="a")
FOUND = Outlook("matters", 0.063, (1283, 770, 1400), 0.414)


def frame(n, lift=0.03, seed=1):
    rng = np.random.default_rng(seed)
    arm = rng.choice(["a", "b"], n)
    return pd.DataFrame({"variant": arm, "booked": rng.random(n) < np.where(arm == "b", 0.3 + lift, 0.3)})


def analysed(n, rule=RULE, **more):
    return vl.analyze(frame(n, **more), outcome="booked", weights={"a": 0.5, "b": 0.5}, rule=rule)


@pytest.mark.parametrize(
    ("found", "rule", "kind", "said"),
    [
        (FOUND, RULE, "binary",
         "If the smallest difference that matters, 6.3 points, is true: about 1,280 more sessions (in 8 of 10 such tests 770 "
         "to 1,400); 41 % chance that the 2,000 end without a decision."),
        (FOUND._replace(sessions=(1283, 770, None)), RULE, "binary", "770 to the end)"),
        (FOUND._replace(sessions=(None, 770, None)), RULE, "binary",
         "probably no decision (in 1 of 10 such tests one within about 770 more sessions); 41 %"),
        (FOUND._replace(sessions=(None, None, None), undecided=1.0), RULE, "binary",
         "true: probably no decision; more than 99 % chance"),
        (FOUND._replace(undecided=0.0), RULE, "binary", "; less than 1 % chance"),
        (FOUND._replace(difference=-12345.6), RULE, "float", "matters, 12,346, is true"),
        (Outlook("so far", -0.031, (5, 1, 9), 0.5), RULE, "binary", "so far, −3.1 points, is true, give or take its error"),
        (Outlook("so far", 0.5, (12345, 1234, None), 0.2), vl.StopRule(max_confidence=95), "count",
         "so far, +0.5, is true, give or take its error: about 12,300 more sessions (in 8 of 10 such tests 1,230 to no end in "
         "sight); 20 % chance of no decision within 100 times the sessions so far."),
        (FOUND, replace(RULE, stop_on="all"), "binary", "; the rule waits for its 2,000 sessions too."),
    ],
)  # fmt: skip
def test_an_outlook_is_told_in_a_sentence(found, rule, kind, said):
    (sentence,) = how_much_longer([found], rule, kind)
    assert said in sentence
    assert not re.search(r"None|nan", sentence)


def test_the_difference_that_matters_comes_first():
    so_far = FOUND._replace(supposed="so far")
    assert [("matters" in said) for said in how_much_longer([so_far, FOUND], RULE, "binary")] == [True, False]


def test_a_result_says_what_its_outlook_holds():
    result = analysed(400)
    said = outlook_sentences(result.outlook, result.rule, result.kind)
    assert len(said) == len(result.outlook) == 2
    row = result.outlook[result.outlook["supposed"] == "matters"].iloc[0]
    assert f"{100 * row['difference']:.1f} points" in said[0]
    assert f"{100 * row['undecided']:.0f} % chance" in said[0]
    assert all(line in str(result) for line in (*said, "How much longer?"))


def test_nothing_is_said_once_a_test_has_stopped_or_must_not_be_read():
    stopped = analysed(2000, lift=0.3)
    assert stopped.decision.should_stop
    lost = frame(400)
    lost = lost[(lost["variant"] == "a") | (np.arange(400) % 4 == 0)]
    invalid = vl.analyze(lost, outcome="booked", weights={"a": 0.5, "b": 0.5}, rule=RULE)
    assert invalid.decision.conclusion == "invalid_srm"
    for result in (stopped, invalid):
        assert "How much longer" not in str(result)
        assert "How much longer" not in result._repr_html_()


def test_what_matters_is_what_the_rule_says_or_what_its_sessions_find():
    def monitor(rule, kind="binary", weights=None):
        made = vl.Monitor(rule, weights or {"a": 0.5, "b": 0.5}, kind=kind)
        rng = np.random.default_rng(2)
        for at in range(200):
            made.update("ab"[at % 2], bool(rng.random() < 0.3) if kind == "binary" else float(rng.normal()))
        return made

    plain = monitor(RULE)
    rate = sum(float(arm.total) for arm in plain.moments) / 200
    assert smallest_that_matters(plain) == pytest.approx(vl.minimum_detectable_effect(rate, 2000), rel=1e-6)
    assert smallest_that_matters(monitor(replace(RULE, smallest=0.01))) == 0.01
    assert smallest_that_matters(monitor(vl.StopRule(max_confidence=95))) is None
    assert smallest_that_matters(vl.Monitor(RULE, {"a": 0.5, "b": 0.5}, kind="binary")) is None
    assert smallest_that_matters(monitor(RULE, "float")) == pytest.approx(
        vl.minimum_detectable_effect(0.0, 2000, sd=1.0), rel=0.15
    )
