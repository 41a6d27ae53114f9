"""The timeline of a session: bars as wide as what was played, cut where it was interrupted."""

import re

import pytest

import voicelab as vl
from voicelab import sdk
from voicelab.base.records import Event
from voicelab.record import timeline


async def talker(event, context):
    if event.name == "start":
        yield sdk.TextToSpeechEvent(text="Hello <b>there</b>, how may I help you today?", voice="nova")
    elif event.name == "text":
        yield sdk.TextToSpeechEvent(text="Bye.", voice="nova", interruptible=False)


def bars(record, look):
    return [bar for bar in timeline.spans(record.events) if bar.look == look]


def test_speech_is_as_wide_as_it_was_played_and_red_where_it_was_cut():
    record = vl.run(talker, [vl.interrupt("stop", after_s=1.0)])
    first, second = bars(record, "agent")
    assert first.end_s - first.start_s == pytest.approx(1.0)
    (cut,) = bars(record, "cut")
    assert cut.end_s == first.end_s
    assert cut.text.startswith("cut ")
    assert second.end_s - second.start_s == pytest.approx(4 * 0.06)


def test_the_gate_is_closed_while_the_agent_may_not_be_interrupted():
    record = vl.run(talker, ["hi"])
    (gate,) = bars(record, "gate")
    (_, second) = bars(record, "agent")
    assert (gate.start_s, gate.end_s) == (second.start_s, second.end_s)


def test_a_measured_length_counts_more_than_an_assumed_one():
    data = {"text": "x" * 100, "duration_s": 1.25}
    assert timeline.end_s(Event(0, 2.0, 0, "output", "text_to_speech", data)) == 3.25
    assert timeline.end_s(Event(0, 2.0, 0, "output", "text_to_speech", data | {"spoken": False})) == 2.0


def test_the_drawing_is_escaped_and_named():
    drawing = vl.run(talker, ["<script>alert(1)</script>"])._repr_html_()
    assert "<script>" not in drawing
    assert "aria-label='Timeline of the session" in drawing
    assert all(lane in drawing for lane in timeline.LANES)


@pytest.mark.parametrize("seconds", [0.05, 3, 65, 4000])
def test_the_axis_has_a_handful_of_marks(seconds):
    event = Event(0, 0.0, 0, "output", "text_to_speech", {"text": "x", "duration_s": seconds})
    marks = re.findall(r">([\d.]+) s</text>", timeline.svg([event], seconds))
    assert 1 <= len(marks) <= 14


def test_nothing_is_drawn_of_a_session_without_anything_to_draw():
    assert timeline.svg([], 0.0) == ""
