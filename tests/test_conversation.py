"""The record of a session: what it says, how it shows itself, and how it becomes a script again."""

import pytest

import voicelab as vl
from voicelab.base.records import Event
from voicelab.callers.gate import NOT_ALLOWED
from voicelab.record.lines import lines_in_order, lines_of

AGENT = """
from primfunctions.events import *
import asyncio

async def lookup(context):
    yield LogEvent("<looking> up")
    await asyncio.sleep(2)
    raise KeyError("nothing found")

async def handler(event, context):
    if event.name == "start":
        context.create_task(lookup(context), name="lookup & co")
        context.add_test("tone", {"warm": 0.5, "cool": 0.5}, stop={"max_iterations": 10, "default": "warm"})
        yield TextToSpeechEvent(text="Certainly we have an opening on Tuesday or on Thursday in the morning")
    if event.name == "text":
        context.set_outcome("booked", True)
        yield TextToSpeechEvent(text="<b>fine</b>")
    if event.name == "timeout":
        yield TextToSpeechEvent(text="Still there?")
    if event.name == "stop":
        yield TextToSpeechEvent(text="never heard")
"""
INPUTS = [vl.interrupt("Tuesday!", after_s=1.5), vl.silence(6), "thanks", vl.press("1"), vl.hang_up()]


@pytest.fixture(scope="module")
def record():
    return vl.run(AGENT, INPUTS, seed=3)


def test_a_record_says_what_happened(record):
    assert record.status == "hangup"
    assert record.outcomes == {"booked": True}
    assert set(record.variants) == {"tone"}
    assert record.assignments == {"tone": "random"}
    assert [e.task_name for e in record.errors] == ["lookup & co"]
    assert record.transcript[0] == {
        "role": "agent",
        "content": "Certainly we have an",
        "interrupted": True,
        "time_s": 1.5,
        "turn": 0,
    }
    assert len(record.to_frame()) == len(record.events)


def test_it_prints_as_a_conversation(record):
    text = str(record)
    assert "not heard: opening on Tuesday or on Thursday in the morning" in text
    assert "lookup & co" in text
    assert "handler.py:" in text
    assert "hangup after" in text
    assert "the agent ends the session" not in text
    assert repr(record).startswith("SessionRecord(hangup, ")


def test_it_shows_background_tasks_orange_with_their_name_and_escapes_everything(record):  # G33, G34
    page = record._repr_html_()
    assert "background:rgba(245,158,11,.16);border:1px solid rgb(245,158,11)" in page
    assert "<b>lookup &amp; co</b>" in page
    assert "&lt;b&gt;fine&lt;/b&gt;" in page
    assert "<b>fine" not in page


@pytest.mark.parametrize(
    ("kind", "name", "data", "line"),
    [
        ("input", "timeout", {}, "the caller stays silent, the agent is told (? in a row)"),
        ("input", "dtmf", {}, "the caller presses ?"),
        ("input", "text", {}, ""),
        ("output", "silence", {}, "pause of ? ms"),
        ("output", "audio", {}, "plays ?"),
        ("output", "audio", {"path": "data:audio/wav;base64," + "A" * 1000}, "plays data:audio/wav;base64,AA…"),
        ("output", "background_music", {"url": "data:audio/wav;base64," + "A" * 1000}, 'background_music {"url":"data:audio/wav;base64,AA…"}'),
        ("output", "text_to_speech", {}, ""),
        ("output", "error", {"message": "boom", "line": 3}, "boom (line 3)"),
        ("output", "error", {"message": "boom", "line": 3, "file": "a.py"}, "boom (a.py:3)"),
        ("output", "error", {}, ""),
        ("system", "input_held", {}, "the caller's input waits: ?"),
        ("system", "input_held", {"reason": NOT_ALLOWED}, "the caller's input waits: the agent lets no input in"),
        ("log", "completion", {"message": "hi"}, "? is asked '?': hi"),
    ],
)  # fmt: skip
def test_a_row_of_another_system_is_shown_whatever_it_lacks(kind, name, data, line):
    (shown,) = lines_of(Event(0, 1.0, 0, kind, name, data))
    assert shown.text == line


def test_the_agent_ends_the_session_after_its_words_though_a_voice_needs_time():
    heard, ends = {"text": "Thank you.", "heard": "Thank you."}, {"phone_number": "+1"}
    events = [Event(0, 1.4, 0, "output", "text_to_speech", heard), Event(1, 1.0, 0, "output", "transfer_session", ends)]
    assert [line.text for line in lines_in_order(events)] == ["Thank you.", "the agent transfers the call"]


def test_sound_inside_a_tasks_event_is_named_by_its_beginning():
    event = Event(0, 1.0, 0, "output", "audio", {"path": "data:audio/wav;base64," + "A" * 1000}, True, "music")
    assert [line.text for line in lines_of(event)] == ["plays data:audio/wav;base64,AA…"]


def test_its_script_gives_the_same_conversation(record):
    again = vl.run(AGENT, record.to_script(), seed=3)
    assert [(p["role"], p["content"]) for p in again.transcript] == [
        (p["role"], p["content"]) for p in record.transcript
    ]
    assert again.status == record.status


@pytest.mark.parametrize("end", [[vl.hang_up()], []])
def test_its_script_keeps_the_silence_before_the_end(end):
    record = vl.run(AGENT, ["hello", vl.silence(seconds=12), *end], seed=3)
    again = vl.run(AGENT, record.to_script(), seed=3)
    silences, copied = ([e.time_s for e in r.events if e.name == "timeout"] for r in (record, again))
    assert len(silences) >= 1
    assert (copied, again.duration_s, again.status) == (silences, record.duration_s, record.status)


def test_the_same_caller_with_each_variant_side_by_side():
    both = vl.run(AGENT, ["hello"], variants="each")
    assert list(both) == ["warm", "cool"]
    assert {variant: r.variants["tone"] for variant, r in both.items()} == {"warm": "warm", "cool": "cool"}
    assert {r.assignments["tone"] for r in both.values()} == {"forced"}
    assert "warm" in str(both)
    assert both._repr_html_().count("role='log'") == 2


def test_a_forced_variant_that_is_none_is_refused_and_an_unreached_test_is_said():
    with pytest.raises(vl.VoicelabError, match="Did you mean 'warm'"):
        vl.run(AGENT, ["hello"], variants={"tone": "warmm"})
    with pytest.warns(UserWarning, match="reached such a test .reached: tone..*Did you mean 'tone'"):
        vl.run(AGENT, ["hello"], variants={"tune": "warm"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": "hello"}, "a script is a list"),
        ({"inputs": [""]}, "caller's words"),
        ({"inputs": [5]}, "is no input"),
        ({"clock": "fast"}, "clock is 'fast'"),
        ({"parameters": {"functionId": 1}}, "functionId"),
        ({"run_test": {"tone": "no"}}, "run_test is"),
        ({"variants": "all"}, "variants is 'all'"),
        ({"world": 1}, "vl.World"),
        ({"start": "soon"}, "start is 'soon'"),
    ],
)
def test_bad_arguments_are_refused_at_the_door(options, message):
    with pytest.raises(vl.VoicelabError, match=message):
        vl.run(AGENT, **options)


def test_run_works_where_a_loop_runs_already():
    import asyncio

    async def cell():
        return vl.run(AGENT, ["hello"], seed=1)

    assert asyncio.run(cell()).transcript == vl.run(AGENT, ["hello"], seed=1).transcript


def test_a_stopped_test_serves_its_default():  # G20
    record = vl.run(AGENT, ["hello"], run_test={"tone": False})
    assert (record.variants, record.assignments) == ({"tone": "warm"}, {"tone": "default_after_stop"})


def test_offloaded_work_costs_no_virtual_time():
    handler = """
import voicelab as vl
from primfunctions.events import *

def slow(n):
    return sum(range(n))

async def handler(event, context):
    if event.name == "start":
        context.set_data("sum", await vl.offload(slow, 1000))
"""
    record = vl.run(handler)
    assert record.data == {"sum": 499500}
    assert record.duration_s == 0.0
