"""What a simulation shows while it runs: the progress line, and in a notebook how each test stands."""

import math
from types import SimpleNamespace

import IPython.display  # noqa: F401 - a kernel has it loaded
import pytest

import voicelab as vl
from voicelab.base import progress_line
from voicelab.decision.outlook import Outlook
from voicelab.decision.rules import StopDecision
from voicelab.simulation import progress_card
from voicelab.simulation.progress import Progress
from voicelab.simulation.progress_card import LiveCard, Standing

STOP = {"max_iterations": 4000, "max_confidence": 95, "target_outcome": "booked", "default": "formal"}


async def handler(event, context):
    if event.name == "start":
        context.add_outcome("booked", "boolean")
        context.add_test("greeting", {"formal": 0.5, "casual": 0.5}, stop=STOP)
        yield vl.sdk.TextToSpeechEvent(text="Hello.")


TRUTH = vl.World(truth={"greeting": {"booked": {"formal": 0.2, "casual": 0.5}}})


@pytest.fixture
def shown(monkeypatch):
    """Return what a notebook is told to show, oldest first."""
    seen = []

    def display(content, display_id):
        seen.append(content.data)
        return SimpleNamespace(update=lambda newer: seen.append(newer.data))

    monkeypatch.setattr(progress_card, "in_notebook", lambda: True)
    monkeypatch.setattr("IPython.display.display", display)
    return seen


def test_a_notebook_sees_how_the_tests_stand_and_at_last_what_was_decided(tmp_path, shown):
    log = vl.simulate(handler, ["hi"], sessions=2000, seed=1, world=TRUTH, workers=1, log=tmp_path / "log")
    decision = log.decisions().iloc[0]
    assert decision["winner"] == "casual"
    assert len(shown) >= 1
    assert "★ casual" in shown[-1]
    assert decision["sentence"].split(".")[0][:40] in shown[-1]
    counted = int(decision["sessions"])
    assert f"{counted:,} of 4,000 counted sessions" in shown[-1]


def test_no_card_without_a_test_or_where_no_progress_is_wanted(tmp_path, shown):
    async def plain(event, context):
        if event.name == "start":
            yield vl.sdk.TextToSpeechEvent(text="Hello.")

    vl.simulate(plain, ["hi"], sessions=20, workers=1, log=tmp_path / "plain")
    vl.simulate(handler, ["hi"], sessions=20, world=TRUTH, workers=1, log=tmp_path / "quiet", progress=False)
    assert shown == []


def test_the_line_says_who_leads_and_when_it_stopped(tmp_path, capsys):
    vl.simulate(handler, ["hi"], sessions=2000, seed=1, world=TRUTH, workers=1, log=tmp_path / "log")
    line = capsys.readouterr().err
    assert "0 errors" in line
    assert "greeting: stopped at session" in line


def test_a_file_of_output_has_lines_that_say_rate_and_time_left(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress_line.time, "monotonic", lambda: now[0])
    with Progress(1_000_000, 600_000, shown=True) as line:
        now[0] = 20.0  # reading back is no part of the rate
        line.read_back(3)
        for _ in range(7):
            now[0] += 10.0
            line.settled(40_000, 1, [])
    assert capsys.readouterr().err.splitlines() == [
        "600,000 of 1,000,000 sessions are logged already: they are read back.",
        "720,000 of 1,000,000 sessions (72%), 4,000 a second, 1 min 10 s left, 6 errors",
        "840,000 of 1,000,000 sessions (84%), 4,000 a second, 40 s left, 9 errors",
        "880,000 of 1,000,000 sessions (88%), 4,000 a second, 30 s left, 10 errors",
    ]
    with Progress(10, 0, shown=False) as line:
        line.settled(10, 0, [])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min 0 s"), (3_599, "59 min 59 s"), (90_000, "25 h 0 min")]
)
def test_times_are_said_in_the_units_of_people(seconds, words):
    assert progress_line.in_two_units(seconds) == words


def test_names_that_people_give_stay_text():
    rule = vl.StopRule.from_stop({"max_iterations": 10, "default": "<b>"})
    decision = StopDecision("<script>", False, "continue", "none", None, "<b>", 51.2, None, None, 3, None, {}, "Go on.")
    markup = progress_card.as_html([Standing(decision, rule, "count", (("<b>", 3, 1.5), ("a", 0, math.nan)))])
    assert "<script>" not in markup
    assert "<b>, " not in markup
    assert "&lt;b&gt; leads, 51 % sure" in markup
    assert "<td>1.5</td>" in markup
    assert "<td>–</td>" in markup


def test_outside_a_notebook_there_is_no_card(monkeypatch):
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: pytest.fail("it was shown"))
    LiveCard(shown=True).show([object()], last=True)


def going_on(outlook, conclusion="continue"):
    rule = vl.StopRule.from_stop(STOP)
    decision = StopDecision("t", False, conclusion, "none", None, "casual", 51.2, None, None, 3, None, {}, "Go on.")
    return Standing(decision, rule, "binary", (("casual", 3, 0.5), ("formal", 2, 0.4)), outlook)


def test_the_card_says_how_much_longer_until_the_test_stops():
    outlook = [Outlook("matters", 0.05, (1200, 700, None), 0.3)]
    markup = progress_card.as_html([going_on(lambda: outlook)])
    assert "5.0 points, is true: about 1,200 more sessions" in markup
    assert "30 % chance that the 4,000 end without a decision" in markup
    assert "changes nothing that the confidence promises" in markup
    assert "longer" not in progress_card.as_html([going_on(list)]).split("</style>")[1]
    assert "more sessions" not in progress_card.as_html([going_on(lambda: outlook, "invalid_srm")])


def test_a_forecast_is_made_only_when_the_card_is_drawn(shown, monkeypatch):
    asked = []
    now = [0.0]
    outlook = lambda: asked.append(now[0]) or []
    monkeypatch.setattr(progress_card.time, "monotonic", lambda: now[0])
    card = LiveCard(shown=True)
    for at in range(100):
        now[0] = at / 100
        card.show([going_on(outlook)])
    assert len(asked) == len(shown) == 4
    LiveCard(shown=False).show([going_on(lambda: pytest.fail("it was asked"))], last=True)


def test_a_running_simulation_forecasts_its_tests(tmp_path, shown):
    even = vl.World(truth={"greeting": {"booked": {"formal": 0.3, "casual": 0.3}}})
    vl.simulate(handler, ["hi"], sessions=400, seed=1, world=even, workers=1, log=tmp_path / "log")
    assert "If the smallest difference that matters" in shown[-1]
    assert "If the difference so far" in shown[-1]
    assert "of the 4,000" in shown[-1] or "that the 4,000 end without a decision" in shown[-1]
