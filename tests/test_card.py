"""The result card: the verdict first, everything escaped, no number that isn't one."""

import html
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import voicelab as vl
from voicelab.analysis.card.formats import STYLES, written
from voicelab.analysis.card.markup import Scale
from voicelab.analysis.card.result_card import result_card

EVIL = "<script>alert('x')</script>"


def analysed(names=("formal", "casual", "friendly"), rates=None, n=900, seed=4, outcome="user_satisfied", **more):
    rng = np.random.default_rng(seed)
    arms = rng.integers(0, len(names), n)
    rates = np.array(rates or [0.3 + 0.25 * (at == 1) for at in range(len(names))])
    frame = pd.DataFrame({"variant": np.array(names, dtype=object)[arms], outcome: rng.random(n) < rates[arms]})
    rule = vl.StopRule(**{"max_iterations": 800, "max_confidence": 95, "default": names[-1]} | more)
    return vl.analyze(frame, outcome=outcome, weights=dict.fromkeys(names, 1 / len(names)), rule=rule)


def extended(result, **more):
    facts = {name: getattr(result, name) for name in result.__dataclass_fields__} | more
    return SimpleNamespace(**facts)


def stretched(k):
    """A result of k variants, made from one of two: closed testing over 1,225 pairs is not what is tested here."""
    two = analysed(names=("wording 0", "wording 1"), rates=[0.3, 0.5], default="wording 0")
    rows = [two.variants.iloc[[min(at, 1)]].assign(variant=f"wording {at}") for at in range(k)]
    names = [f"wording {at}" for at in range(k)]
    pairs = [two.comparisons.assign(baseline=a, variant=b) for at, a in enumerate(names) for b in names[at + 1 :]]
    return replace(two, variants=pd.concat(rows, ignore_index=True), comparisons=pd.concat(pairs, ignore_index=True))


class Reader(HTMLParser):
    """Reads the visible text, and checks that tags close."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.tags = [], [], set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.seen.append(data)


def text_of(markup):
    reader = Reader()
    reader.feed(markup)
    assert reader.open == []
    assert not reader.tags & {"script", "link", "img", "iframe"}
    return "\n".join(reader.seen)


def assert_sound(markup):
    text = text_of(markup)
    assert not re.search(r"\bnan\b|\bNone\b|\binf\b|<NA>|(?<!\d)100\.0+ %", text, flags=re.IGNORECASE), text
    assert "http" not in markup
    assert "nan" not in markup.lower()
    assert "None" not in markup
    return text


def test_the_verdict_comes_first():
    result = analysed()
    text = assert_sound(result_card(result))
    assert result.decision.conclusion == "winner"
    assert text.strip().startswith("Winner")
    assert html.escape(result.decision.sentence, quote=False) in result_card(result)
    assert text.index("Stop: casual beats") < text.index("sessions")
    assert f"{result.decision.sessions} of 800" in text


def test_texts_are_escaped():
    result = analysed(names=(EVIL, "b & c", '"quoted"'), outcome="<b>outcome</b>", rates=[0.2, 0.6, 0.3])
    markup = result_card(result)
    assert "<script" not in markup
    assert "<b>outcome" not in markup
    text = assert_sound(markup)
    assert EVIL in text
    assert "b & c" in text


def test_every_number_of_the_pairs_is_the_results():
    result = analysed()
    text = text_of(result_card(result)).replace("−", "-")
    leader = result.decision.leader
    deciding = 0
    for row in result.comparisons.to_dict("records"):
        if leader in {row["variant"], row["baseline"]}:
            sign = 1 if row["variant"] == leader else -1
            deciding += 1
            assert written(sign * row["difference"], "points") in text
            assert written(row["confidence"], "confidence") in text
            assert written(row["p_value_fixed"], "p") in text
    assert deciding == 2
    assert "1 other pair" in text


def test_the_other_way_round_swaps_the_ends():
    result = analysed(names=("good", "bad"), rates=[0.6, 0.3], default="good")
    row = result.comparisons.iloc[0]
    assert (row["variant"], result.decision.leader) == ("bad", "good")
    text = text_of(result_card(result)).replace("−", "-")
    assert written(-row["difference_cs_upper"], "points").removesuffix(" points") in text
    assert written(-row["difference_cs_lower"], "points") in text


def test_roles_are_marked():
    text = text_of(result_card(analysed())).split("\n")
    assert ("friendly", "default") in list(itertools.pairwise(text))
    assert "winner" in text


@pytest.mark.parametrize("k", [2, 20, 50])
def test_many_variants_scroll(k):
    text = assert_sound(result_card(stretched(k)))
    assert all(f"wording {at}" in text for at in range(k))
    assert text.count("over \n") == k - 1


def test_thousands_of_variants_are_cut():
    result = analysed()
    many = pd.concat([result.variants] * 2000, ignore_index=True)
    markup = result_card(SimpleNamespace(**{**vars(extended(result)), "variants": many}))
    assert len(markup) < 200_000
    assert "5,940 more variants" in markup


def test_inconclusive_continue_and_invalid_have_their_own_colours():
    assert "vl-card continue" in result_card(analysed(n=50))
    assert "vl-card inconclusive" in result_card(analysed(rates=[0.3, 0.3, 0.3], seed=1))
    frame = pd.DataFrame({"variant": ["a"] * 300 + ["b"] * 10, "y": [0, 1] * 155})
    result = vl.analyze(frame, outcome="y", weights={"a": 0.5, "b": 0.5}, rule=vl.StopRule(max_iterations=900))
    assert "vl-card invalid_srm" in result_card(result)
    assert "Don't decide" in assert_sound(result_card(result))


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"variant": ["a", "b"] * 30, "y": [True, True] * 30}),
        pd.DataFrame({"variant": ["a", "b"] * 30, "y": [0, 0] * 30}),
        pd.DataFrame({"variant": ["a", "b"], "y": [1, 0]}),
        pd.DataFrame({"variant": ["a"] * 20, "y": [1, 0] * 10}),
        pd.DataFrame({"variant": ["a", "b"] * 30, "y": [np.nan, 2.5, np.inf, -3.0, 1e9, 4.0] * 10}),
        pd.DataFrame({"variant": ["a", "b"] * 300, "y": [0, 1] * 300}),
    ],
    ids=["all true", "all zero", "two sessions", "an empty arm", "odd numbers", "as clear as can be"],
)
@pytest.mark.parametrize("rule", [vl.StopRule(max_iterations=500, max_confidence=95, default="a"), vl.StopRule()])
def test_odd_data_shows_no_odd_numbers(frame, rule):
    assert_sound(result_card(vl.analyze(frame, outcome="y", weights={"a": 0.5, "b": 0.5}, rule=rule)))


def test_no_confidence_is_said():
    result = analysed(max_iterations=None)
    if result.decision.confidence is None:
        text = text_of(result_card(result))
        assert "the warnings say why" in text
        assert "no number of sessions is declared" in text


def test_what_stands_beside_the_target_is_shown_where_it_is():
    guardrails = pd.DataFrame(
        {
            "outcome": ["n_errors", "duration_s"], "variant": ["casual"] * 2, "baseline": [EVIL, "friendly"],
            "difference": [0.12, np.nan], "difference_cs_lower": [0.01, None], "difference_cs_upper": [0.23, np.inf],
            "confidence": [96.2, None], "harmed": [True, False], "kind": ["count", "float"], "direction": ["minimize"] * 2,
            "margin": [0.0, 5.0], "excluded": [0, None], "confidence_held": [0.0, None], "verdict": ["harmed", "unknown"],
        }
    )  # fmt: skip
    segments = pd.DataFrame(
        {"segment": ["inbound", EVIL], "variant": ["casual"] * 2, "difference": [0.17, None],
         "difference_cs_lower": [0.02, None], "difference_cs_upper": [0.3, None]}
    )  # fmt: skip
    result = extended(
        analysed(), guardrails=guardrails, segments=segments, platform={"confidence": 97.0, "winner": EVIL}
    )
    text = assert_sound(result_card(result))
    for said in (
        "Guardrails",
        "+0.01",
        "+0.23",
        "96.2 %",
        "not yet known",
        "Segments",
        "+17.0 points",
        "platform's own numbers",
    ):
        assert said in text
    assert "<script" not in result_card(result)
    assert "Guardrails" not in result_card(analysed())


def test_other_outcomes_are_shown_against_the_default():
    rng = np.random.default_rng(3)
    names = np.array(["a", "b", "c"])[rng.integers(0, 3, 900)]
    frame = pd.DataFrame({"variant": names, "booked": rng.random(900) < 0.3, "asked": rng.poisson(2.0, 900),
                          "ending": rng.choice([EVIL, "lost"], 900)})  # fmt: skip
    rule = vl.StopRule(max_iterations=2000, max_confidence=95, default="b")
    result = vl.analyze(frame, outcome=["booked", "asked", "ending"], weights=dict.fromkeys("abc", 1 / 3), rule=rule)
    text = assert_sound(result_card(result))
    assert "Other outcomes" in text
    rows = result.outcomes[result.outcomes["baseline"] == "b"]
    assert len(rows) == 6
    for row in rows.to_dict("records"):
        style = "points" if row["kind"] == "binary" else "signed"
        assert written(row["difference"], style).replace("-", "−") in text
        assert row["outcome"] in text
    assert "3 other pairs in result.outcomes" in text
    # Each outcome has a scale of its own.
    assert result_card(result).count('class="mark"') >= 6
    assert "Other outcomes" not in result_card(analysed())


def test_the_intervals_of_the_variants_are_those_that_hold_at_every_look():
    result = analysed(max_confidence=90)
    assert "90 % interval\nvalid at every look" in text_of(result_card(result))
    for row in result.variants.to_dict("records"):
        low, high = row["mean_cs_lower"], row["mean_cs_upper"]
        assert 0 < low < row["mean_ci_lower"] < row["mean"] < row["mean_ci_upper"] < high < 1
        assert f"interval {written(low, 'percent')} to {written(high, 'percent')}" in result_card(result)


def test_exclusions_warnings_method_and_source_are_shown():
    result = analysed()
    text = text_of(result_card(result))
    assert "after the rule was fulfilled" in text
    assert all(warning in text for warning in result.warnings)
    assert result.method in text
    assert "Source: your data" in text


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, np.float64("nan"), float("inf")])
def test_what_is_not_known_is_a_dash(style, value):
    assert written(value, style) == "–"


@pytest.mark.parametrize(
    ("value", "style", "expected"),
    [
        (100.0, "confidence", "99.99 %"), (99.96, "confidence", "99.96 %"), (95.24, "confidence", "95.2 %"),
        (1.0, "percent", "100 %"), (1e-6, "percent", "< 0.01 %"), (-0.0003, "points", "-0.03 points"), (0.9999, "percent", "> 99.9 %"), (0.0004, "percent", "0.04 %"), (0.0, "percent", "0.0 %"),
        (-0.0001, "points", "-0.01 points"), (0.0, "points", "0.0 points"), (0.187, "points", "+18.7 points"), (-0.05, "points", "-5.0 points"),
        (1234.5, "number", "1,234"), (0.1234, "number", "0.123"), (-0.0, "signed", "0"), (63.2, "signed", "+63.2"),
        (0.00001, "p", "< .0001"), (12345, "count", "12,345"), (True, "flag", "yes"), (-0.2, "lift", "-20.0 %"),
    ],
)  # fmt: skip
def test_numbers_are_written_for_people(value, style, expected):
    assert written(value, style) == expected


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3e-5, 2e-5), (1e6, 5e6), (0.31, 0.31), (0.0, 0.0)])
def test_scales_have_a_few_round_ticks(low, high):
    scale = Scale.over([low, high, None, float("nan")], None, 1.0)
    assert 2 <= len(scale.ticks) <= 6
    assert scale.low <= low <= high <= scale.high
    assert scale.at(scale.low) < scale.at(scale.high)


# --- doubts, the estimate at the stop, how much longer, what is missing ----------------------------------------------

HALVES = {"formal": 0.5, "casual": 0.5}


def two(n=2000, lift=0.12, seed=1, rule=None, weights=None, **more):
    rng = np.random.default_rng(seed)
    arm = rng.choice(list(HALVES), n)
    frame = pd.DataFrame({"variant": arm, "booked": (rng.random(n) < np.where(arm == "casual", 0.3 + lift, 0.3)) * 1.0})
    own = vl.StopRule(**{"max_iterations": 2000, "max_confidence": 95, "default": "formal"} | (rule or {}))
    frame = more.pop("change", lambda given, rng: given)(frame, rng)
    return vl.analyze(frame, outcome="booked", weights=weights or HALVES, rule=own, **more)


def skewed():
    rng = np.random.default_rng(3)
    late = rng.integers(0, 2, 400)
    values = rng.lognormal(3 + 0.55 * late, 1.1)
    frame = pd.DataFrame({"variant": np.where(late, "casual", "formal"), "duration_s": values})
    rule = vl.StopRule(max_iterations=400, max_confidence=95, default="formal")
    return vl.analyze(frame, outcome="duration_s", weights=HALVES, rule=rule)


def failures_lost(frame, rng):
    """A quarter of one variant's failures are missing."""
    lost = (frame["variant"] == "casual") & (frame["booked"] == 0) & (rng.random(len(frame)) < 0.25)
    return frame.assign(booked=frame["booked"].where(~lost))


def lost_unevenly():
    return two(lift=0.06, seed=5, change=failures_lost, missing="exclude")


@pytest.mark.parametrize(
    ("made", "mark", "word"),
    [
        (skewed, "Approximate", "winner, approximate"),
        (lost_unevenly, "Outcomes are missing unevenly", "winner, doubtful"),
    ],
    ids=["approximate", "missing unevenly"],
)  # fmt: skip
def test_a_winner_with_a_doubt_is_never_shown_without(made, mark, word):
    result = made()
    assert result.decision.conclusion == "winner"
    (doubt,) = result.decision.doubts
    text = assert_sound(result_card(result))
    # The badge and the whole sentence, remedy included, come before the winner.
    assert text.strip().startswith(f"{mark}\nWinner")
    assert doubt in text.replace("\n", "")
    assert text.replace("\n", "").index(doubt) < text.replace("\n", "").index("Stop: casual beats")
    assert 'class="vl-card winner doubted"' in result_card(result)
    assert f'aria-label="{mark}' in result_card(result)
    # In the tile and in the table of variants too.
    assert text.split("\n").count(word) == 2
    assert "winner" not in text.split("\n")
    lines = str(result).split("\n")
    assert lines[:2] == [doubt, result.decision.verdict]
    assert f"{mark[0].lower()}{mark[1:]}, winner" in repr(result)


def test_what_is_approximate_is_not_called_valid():
    text = text_of(result_card(skewed()))
    assert "approximate at every look" in text
    assert "valid at every look" not in text
    assert "approximate at every look" in str(skewed())
    assert "pproximate" not in text_of(result_card(two()))
    assert "doubted" not in result_card(two()).split("</style>")[1]


@pytest.mark.parametrize("default", ["formal", "casual"])
def test_the_estimate_at_the_stop_comes_first_and_the_interval_beside_it(default):
    result = two(rule={"default": default})
    row = result.comparisons.iloc[0]
    sign = 1 if row["variant"] == "casual" else -1
    assert result.decision.winner == "casual"
    ends = sorted(sign * row[f"difference_mue_{end}"] for end in ("lower", "upper"))
    always = sorted(sign * row[f"difference_cs_{end}"] for end in ("lower", "upper"))
    text = text_of(result_card(result)).replace("−", "-")
    estimate = written(sign * row["difference_mue"], "points")
    assert 0 < sign * row["difference_mue"] < sign * row["difference"]
    assert f"{estimate} over formal at the stop" in text
    for low, high in (ends, always):
        assert f"{written(low, 'points').removesuffix(' points')} to {written(high, 'points')}" in text
    assert text.index(estimate) < text.index(f"plain: {written(sign * row['difference'], 'points')}")
    assert "doesn't remove the winner's curse" in text
    assert 'class="thin"' in result_card(result)
    head = next(line for line in str(result).split("\n") if "fixed-sample" in line)
    assert head.index("at the stop") < head.index("difference") < head.index("always from")


def test_of_several_variants_the_estimate_is_called_approximate():
    text = text_of(result_card(analysed()))
    assert "Of several variants it is approximate" in text
    assert "Of several variants" not in text_of(result_card(two()))


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (lambda: two(lift=0.16, rule={"max_iterations": None}), "a stop that no declared number of sessions bounds"),
        (lambda: two(lift=0.3, rule={"margin": 0.02}), "a margin"),
    ],
    ids=["no horizon", "margin"],
)
def test_without_an_estimate_the_bias_is_said(made, why):
    result = made()
    assert result.decision.conclusion == "winner"
    text = assert_sound(result_card(result))
    assert "at the stop" not in text
    assert f"with {why} there is no estimate that makes up for it: trust the interval" in text
    assert "at the stop" not in str(result)


def test_while_a_test_goes_on_the_card_says_how_much_longer():
    result = two(400, 0.03)
    text = assert_sound(result_card(result))
    assert "How much longer?" in text
    assert "If the smallest difference that matters" in text
    assert "Reading this changes nothing that the confidence promises." in text
    assert text.index("How much longer?") < text.index("The pairs that decide")
    assert "How much longer?" not in text_of(result_card(two()))


def test_the_worst_case_of_what_is_missing_is_shown():
    result = lost_unevenly()
    row = result.comparisons.iloc[0]
    low, high = (written(row[f"difference_worst_{end}"], "points") for end in ("lower", "upper"))
    text = text_of(result_card(result)).replace("−", "-")
    assert f"at worst: {low.removesuffix(' points')} to {high}" in text
    assert "whatever the missing outcomes are" in text
    assert "at worst from" in str(result)
    assert low in str(result)
    assert "at worst" not in str(two()) + text_of(result_card(two()))


def test_what_a_test_was_made_of_stands_in_its_method():
    def known(frame, rng):
        return frame.assign(
            caller_id=rng.integers(0, 300, len(frame)), p=0.5, stars=rng.integers(1, 6, len(frame)), seconds=rng.gamma(2, 90, len(frame))
        )  # fmt: skip

    epochs = [(0, HALVES), (200, {"formal": 0.2, "casual": 0.8})]
    drawn = two(400, 0.0, weights=epochs, change=later_mostly_casual)
    assert "stratified over 2 epochs of weights" in text_of(result_card(drawn))
    assert "sessions of one caller_id together" in text_of(result_card(two(400, 0.0, change=known, unit="caller_id")))
    frame = known(pd.DataFrame({"variant": ["formal", "casual"] * 200}), np.random.default_rng(1))
    capped = vl.analyze(frame, outcome="seconds", weights=HALVES, rule=vl.StopRule(max_iterations=900), cap=300)
    assert "outcome seconds capped at 300" in text_of(result_card(capped))
    assert "bets on means between 0 and 300" in text_of(result_card(capped))


def later_mostly_casual(frame, rng):
    return frame.assign(variant=np.where(rng.random(400) < np.repeat([0.5, 0.8], 200), "casual", "formal"))


def test_weights_that_changed_are_shown_as_what_they_promised():
    epochs = [(0, HALVES), (200, {"formal": 0.2, "casual": 0.8})]
    result = two(400, 0.0, weights=epochs, change=later_mostly_casual)
    assert dict(zip(result.variants["variant"], result.variants["weight"], strict=True)) == pytest.approx(
        {"formal": 0.35, "casual": 0.65}
    )
    assert result.srm["expected"] == pytest.approx({"formal": 140.0, "casual": 260.0})
    assert result.srm["p_value_fixed"] > 0.01
    text = text_of(result_card(result))
    assert "/ 35.0 %" in text
    assert "for one look" in text


def test_where_no_interval_is_known_none_is_spoken_of():
    result = two(400, 0.0, weights={"casual": "p"}, change=lambda frame, rng: frame.assign(p=0.5))
    text = assert_sound(result_card(result))
    assert "no interval" in text
    assert "% interval" not in text
    assert "95 % interval" in text_of(result_card(two(400, 0.0)))
