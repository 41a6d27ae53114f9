"""Rows and notes that say what the platform does: declarations, voicemail, what comes too late, events by class."""

import pytest
from harness import agent
from primfunctions.events import VoicemailDetectionEvent

import voicelab as vl

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")


def test_notes_about_a_declaration_name_its_line_each():
    text = agent(
        "if event.name == 'start':\n"
        "    context.experiment('one', {'a': 1, 'b': 1})\n"
        "    context.add_test('two', {'a': 3, 'b': 1},\n"
        "        stop={'max_iterations': 5, 'default': 'c'})\n"
    )
    lines = [n for n, line in enumerate(text.splitlines(), 1) if "context." in line]
    noted = {(note.rule, note.line) for note in vl.run(text).notes if note.rule not in {"add_test", "get_test"}}
    assert noted == {("weights_sum", lines[0]), ("weights_sum", lines[1]), ("default_not_a_variant", lines[1])}


def test_a_voicemail_is_in_the_background_for_handler_and_log_alike():
    text = agent("if event.name == 'voicemail_detection':\n    context.set_data('background', event.background)\n")
    record = vl.run(text, [VoicemailDetectionEvent("leave a message", 0.9)])
    [row] = [event for event in record.events if event.name == "voicemail_detection"]
    assert row.kind == "input"
    assert row.background is record.data["background"] is True


def test_an_event_that_waits_for_speech_is_dropped_after_the_end():
    text = agent(
        "if event.name == 'stop':\n"
        "    yield ExternalEvent('a', 's', 'late', {}, after_speech=True)\n"
        "    yield ExternalEvent('a', 's', 'at once', {})\n"
    )
    rows = {event.data["name"]: event.data for event in vl.run(text).events if event.name == "external_event"}
    assert rows["late"]["dropped"] == "the session has ended"
    assert rows["late"]["spoken"] is False
    assert "dropped" not in rows["at once"]
    assert "spoken" not in rows["at once"]


@pytest.mark.parametrize("metric", ["metrics.counter('sold')", "yield MetricEvent('counter', 'sold', {'value': 1})"])
def test_a_metric_after_the_end_is_noted_at_its_line_and_one_before_is_not(metric):
    text = agent(f"if event.name == 'start':\n    {metric}\nif event.name == 'stop':\n    {metric}\n")
    last = max(n for n, line in enumerate(text.splitlines(), 1) if metric in line)
    notes = [note for note in vl.run(text).notes if note.rule == "metric_after_end"]
    assert [(note.file, note.line) for note in notes] == [("handler.py", last)]
    assert "sold" in notes[0].written


def test_an_event_does_what_its_class_does_whatever_it_is_called():
    text = agent(
        "if event.name == 'start':\n"
        "    for made, name in ((SilenceEvent(1500), 'text_to_speech'), (CustomEvent('stop', {}), 'stop'),\n"
        "                       (CustomEvent('error', {}), 'error'), (CustomEvent('log', {}), 'log')):\n"
        "        made.name = name\n"
        "        yield made\n"
        "    yield TextToSpeechEvent('Hello.')\n"
    )
    record = vl.run(text, ["hi"])
    assert (record.status, record.n_errors) == ("completed", 0)
    [spoken] = [e for e in record.events if e.name == "text_to_speech" and "text" in e.data]
    assert spoken.time_s == pytest.approx(1.5)
    assert [e.data["text"] for e in record.events if e.kind == "input" and e.name == "text"] == ["hi"]


def test_a_class_derived_from_the_sdks_does_what_that_does():
    text = agent(
        "class Pause(SilenceEvent):\n    pass\n"
        "if event.name == 'start':\n    yield Pause(2000)\n    yield TextToSpeechEvent('Hello.')\n"
    )
    [spoken] = [e for e in vl.run(text).events if e.name == "text_to_speech"]
    assert spoken.time_s == pytest.approx(2.0)
