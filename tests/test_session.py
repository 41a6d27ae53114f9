"""A session does what the platform does: the guide's samples speak, tasks run beside, errors are rows, endings are clean."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import orjson
import pytest
from harness import IMPORTS, Limits, agent, play, play_many, says

from voicelab import sdk
from voicelab.base.errors import ForcedVariantError, InputError
from voicelab.base.records import STATUSES, TABLES
from voicelab.callers.actions import Say, at, hang_up, interrupt, press, silence

pytestmark = pytest.mark.usefixtures("road")

SAMPLES = Path(__file__).parent / "samples"
PACE = 0.06


def sample(number):
    return next(SAMPLES.glob(f"{number:02}_*.py"))


def seconds(text):
    return len(text) * PACE


# --- the guide's samples ---------------------------------------------------------------------------------------------


def test_sample_1_answers_every_event_with_voice_nova():
    played = play(sample(1), ["hi", silence(13)])
    assert played.said == ["Hello!", "You said: hi", "Are you still there?", "Are you still there?", "Goodbye!"]
    assert {e.data["voice"] for e in played.speech} == {"nova"}
    assert played.input_names == ["start", "text", "timeout", "timeout", "stop"]
    assert played.status == "completed"


def test_sample_2_speaks_plays_and_waits():
    played = play(sample(2))
    names = [e.name for e in played.kind("output")]
    assert names == ["text_to_speech", "audio", "silence"]
    assert played.said == ["Hello, how can I help you?"]
    assert "interruptable" in played.rules
    assert played.errors == []


def test_sample_3_reads_and_sets_data():
    assert play(sample(3), variables={"OPENAI_API_KEY": "sk-123456"}).data == {"user_name": "John"}


GREETINGS = {
    "formal": "Good day! How may I assist you?",
    "casual": "Hey there! What's up?",
    "friendly": "Hi! I'm here to help!",
}


def test_sample_4_greets_as_the_variant_says():
    for played in play_many(sample(4), sessions=30):
        [exposure] = played.exposures
        assert played.said == [GREETINGS[exposure["variant"]]]


@pytest.mark.parametrize("variant", GREETINGS)
def test_sample_4_greets_as_the_forced_variant_says(variant):
    played = play(sample(4), variants={"greeting_variant": variant})
    assert played.said == [GREETINGS[variant]]
    assert [(e["variant"], e["assignment"]) for e in played.exposures] == [(variant, "forced")]


def test_sample_5_adds_up_its_outcome():
    played = play(sample(5), ["I want to BUY it", "purchase", "no thanks"])
    assert played.outcomes["conversion_rate"]["value"] == pytest.approx(0.2, abs=1e-9)
    assert played.errors == []


def test_sample_6_takes_custom_events():
    inputs = [sdk.CustomEvent("payment_processed", {"amount": 100.0}), sdk.CustomEvent("other", {"amount": 1})]
    played = play(sample(6), inputs)
    assert played.said == ["Payment of 100.0 processed"]
    assert played.input_names == ["start", "payment_processed", "other", "stop"]


def test_sample_7_names_the_colour_of_the_variant():
    for played in play_many(sample(7), sessions=20):
        assert played.said == [f"The button is {played.exposures[0]['variant']}."]


def test_sample_8_tells_what_its_task_has_done():
    played = play(sample(8), ["how is it", silence(12), "and now?"])
    hello, still, done, again = played.said
    assert hello == "Hello! I'll start processing your data in the background."
    assert still == "The data is still processing."
    assert again == "Starting new task..."
    finished = next(e for e in played.kind("log") if e.data["message"] == "Background task done")
    asked = played.inputs[-2]
    assert asked.data["text"] == "and now?"
    ago = int(asked.time_s - finished.time_s)
    assert done == f"The data is done processing. Completion was {ago} seconds ago."


@pytest.mark.parametrize("number", range(1, 9))
def test_no_sample_fails_and_each_begins_and_ends_once(number):
    played = play(sample(number), ["hello", "buy"])
    assert played.errors == []
    assert played.input_names[0] == "start"
    assert played.input_names.count("start") == played.input_names.count("stop") == 1
    assert played.input_names[-1] == "stop"


# --- rows ------------------------------------------------------------------------------------------------------------


def test_rows_have_the_columns_of_the_log():
    played = play(
        agent(
            "context.experiment('t', {'a': 1.0}, conversion_metrics=['m'])\nmetrics.counter('m')\nyield LogEvent('x')"
        )
    )
    assert list(played.session) == list(TABLES["sessions"])
    for table in ("exposures", "outcomes", "metrics"):
        assert played.rows[table]
        assert {tuple(row) for row in played.rows[table]} == {tuple(TABLES[table])}


def test_outputs_stand_in_the_order_they_were_yielded_with_the_same_turn():
    body = 'if event.name == "text":\n    yield TextToSpeechEvent("A")\n    yield LogEvent("B")\n    yield CustomEvent("C")\n'
    played = play(agent(body), ["go"])
    outputs = [(e.name, e.turn) for e in played.events if e.kind in {"output", "log"}]
    assert outputs == [("text_to_speech", 1), ("log", 1), ("C", 1)]
    assert [e.seq for e in played.events] == list(range(len(played.events)))


def test_turns_count_delivered_inputs_but_the_final_stop():
    played = play(sample(1), ["hi", press("1"), sdk.CustomEvent("x"), silence(6)])
    assert [(e.name, e.turn) for e in played.inputs] == [
        ("start", 0),
        ("text", 1),
        ("dtmf", 2),
        ("x", 3),
        ("timeout", 4),
        ("stop", 4),
    ]
    assert played.session["n_turns"] == 5


def test_each_turn_ends_once_with_its_length():
    played = play(agent(says("Hello!") + says("a bit longer", "text")), ["hi", "ho"])
    ends = played.named("turn_end")
    assert [e.turn for e in ends] == [0, 1, 2]
    assert [e.data["duration"] for e in ends] == [360, 720, 720]


def test_the_transcript_is_what_was_said_and_heard_in_order():
    played = play(agent(says("Hello!") + says("ok", "text")), ["hi", "bye"])
    assert played.transcript == [
        ("agent", "Hello!"),
        ("user", "hi"),
        ("agent", "ok"),
        ("user", "bye"),
        ("agent", "ok"),
    ]


def test_the_handler_reads_the_transcript():
    handler = agent(
        says("Hello!") + "if event.name == 'text':\n    context.set_data('seen', context.get_transcript())\n"
    )
    assert play(handler, ["hi"]).data["seen"] == [
        {"role": "assistant", "content": "Hello!", "interrupted": False},
        {"role": "user", "content": "hi", "interrupted": False},
    ]


def test_text_said_at_the_very_end_of_speech_stands_after_it():
    played = play(agent(says("Hello!") + says("ok", "text")), [at(seconds("Hello!"), "hi")])
    assert played.transcript[:2] == [("agent", "Hello!"), ("user", "hi")]


def test_text_said_as_a_slow_handler_finishes_stands_after_what_was_said():
    body = "if event.name == 'start':\n    yield TextToSpeechEvent('Hello!')\n    await asyncio.sleep(1)\n"
    played = play(agent(body), [at(1.0, "hi")])
    assert played.transcript == [("agent", "Hello!"), ("user", "hi")]


def test_a_cancelled_task_that_a_handler_awaits_ends_no_run():
    body = """
    if event.name == "start":
        entry = context.create_task(asyncio.sleep(10), name="x")
        context.cancel_task("x")
        await entry["task"]
    """
    assert play(agent(body), ["hi"]).status == "completed"


def test_a_handler_without_yield_is_awaited():
    played = play(agent("context.set_data('n', context.get_data('n', 0) + 1)"), ["a"])
    assert played.data == {"n": 3}
    assert played.errors == []


@pytest.mark.parametrize("given", ["'text'", "None", "5", "TextToSpeechEvent", "{'name': 'log'}"])
def test_a_yield_that_is_no_event_is_an_error_that_names_file_and_line(given):
    text = agent(f"if event.name == 'text':\n    yield {given}\nelse:\n    yield TextToSpeechEvent('hi')")
    line = next(n for n, source in enumerate(text.splitlines(), 1) if f"yield {given}" in source)
    played = play(text, ["go", "on"])
    assert [f"handler.py:{line}" in e.data["message"] for e in played.errors] == [True, True]
    assert played.session["n_errors"] == 2
    assert played.status == "completed"


def test_a_function_that_returns_no_coroutine_is_an_error():
    played = play(lambda event, context: [])
    assert "async def" in played.errors[0].data["message"]


def test_data_is_logged_as_it_was_when_it_was_yielded():
    body = """
    if event.name == "start":
        payload = {"n": 1}
        yield CustomEvent("a", {"list": payload})
        payload["n"] = 2
        yield CustomEvent("b", {"list": payload})
    """
    played = play(agent(body))
    assert [e.data["list"]["n"] for e in played.named("a", "b")] == [1, 2]


def test_data_that_json_does_not_know_is_text():
    body = "yield CustomEvent('a', {'set': {3, 1, 2}, 'object': object(), 'bytes': b'abc', 'big': 2**70, 1: 'key'})"
    data = play(agent(body)).named("a")[0].data
    assert data["set"] == [1, 2, 3]
    assert "0x" not in data["object"]
    assert data["bytes"] == "3 bytes"
    assert data["1"] == "key"


# --- time ------------------------------------------------------------------------------------------------------------


def test_a_silence_event_delays_the_next_output():
    body = "if event.name == 'start':\n    yield SilenceEvent(2000)\n    yield TextToSpeechEvent('After two seconds')\n"
    played = play(agent(body))
    assert played.speech[0].time_s == pytest.approx(2.0)


@pytest.mark.parametrize("duration", ["-1", "'2'", "None", "float('nan')", "float('inf')", "True"])
def test_a_silence_that_is_none_is_an_error(duration):
    played = play(agent(f"if event.name == 'start':\n    yield SilenceEvent({duration})\n"))
    assert "milliseconds" in played.errors[0].data["message"]


@pytest.mark.parametrize(("speed", "expected"), [(1.0, 1.0), (2.0, 0.5), (0.5, 2.0), (99.0, 1.0), (None, 1.0)])
def test_speech_takes_time_by_its_length_and_speed(speed, expected):
    played = play(agent(says("x" * 50, speed=speed)))
    assert played.session["duration_s"] == pytest.approx(50 * PACE * expected)


def test_the_first_word_of_speech_comes_when_the_one_before_is_over():
    played = play(agent("if event.name == 'start':\n" + "".join(f"    yield TextToSpeechEvent('{'x' * 10}')\n" * 3)))
    assert [e.time_s for e in played.speech] == pytest.approx([0.0, 0.6, 1.2])


def test_a_wav_file_takes_as_long_as_it_is(tmp_path):
    import wave

    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\0\0" * 12_000)
    played = play(agent(f"if event.name == 'start':\n    yield AudioEvent({str(path)!r})\n"))
    assert played.session["duration_s"] == pytest.approx(1.5)
    assert "audio_needs_url" in played.rules


def test_a_missing_audio_file_is_a_placeholder_and_the_session_goes_on():
    played = play(
        agent("if event.name == 'start':\n    yield AudioEvent('/nowhere.mp3')\n" + says("ok", "text")), ["hi"]
    )
    [audio] = played.named("audio")
    assert "placeholder" in audio.data["remark"]
    assert played.said == ["ok"]


def test_silence_is_told_with_its_count_and_length():
    played = play(agent(""), [silence(16), "hi", silence(6)])
    assert [(e.time_s, e.data) for e in played.named("timeout")] == [
        (5.0, {"count": 1, "ms_since_input": 5000}),
        (10.0, {"count": 2, "ms_since_input": 10_000}),
        (15.0, {"count": 3, "ms_since_input": 15_000}),
        (21.0, {"count": 1, "ms_since_input": 5000}),
    ]


@pytest.mark.parametrize(("timeout", "times"), [(8, [8.0, 16.0]), (0, [])])
def test_the_length_of_silence_is_configured(timeout, times):
    played = play(agent(""), [silence(20)], configuration={"timeout": timeout})
    assert [e.time_s for e in played.named("timeout")] == times


def test_silence_counts_from_the_end_of_speech():
    played = play(agent(says("x" * 100)), [silence(6)])
    assert [e.time_s for e in played.named("timeout")] == [11.0]


def test_a_timeout_may_be_sent_by_hand():
    played = play(sample(1), [sdk.TimeoutEvent(7, 9000)])
    assert played.inputs[1].data == {"count": 7, "ms_since_input": 9000}
    assert played.said[1] == "Are you still there?"


def test_a_silent_task_does_not_hold_the_timer_and_a_speaking_one_postpones_it():
    body = """
    async def silent():
        await asyncio.sleep(20)
    async def speaking():
        await asyncio.sleep(3)
        yield TextToSpeechEvent("x" * 10)
    if event.name == "start":
        context.create_task(silent(), name="silent")
        context.create_task(speaking(), name="speaking")
    """
    played = play(agent(body), [silence(9)])
    [timeout] = played.named("timeout")
    assert timeout.time_s == pytest.approx(8.6)
    assert timeout.data == {"count": 1, "ms_since_input": 8600}


# --- interruptions ---------------------------------------------------------------------------------------------------

LONG = "one two three four five six seven eight nine ten"


def test_words_over_speech_cut_it_and_are_told_of_it():
    played = play(agent(says(LONG) + says("ok", "text")), [interrupt("wait", after_s=1.0), "go on"])
    cut, *_ = played.speech
    assert cut.data["interrupted"] is True
    assert cut.data["played_s"] == pytest.approx(1.0)
    heard = cut.data["heard"]
    assert LONG.startswith(heard)
    assert LONG[len(heard)] == " "
    text, after = played.named("text")
    assert text.data["previous_turn_interrupted"] is True
    assert text.data["previous_turn_agent_transcript"] == heard
    assert text.time_s == pytest.approx(1.0 + seconds("wait"))
    assert "previous_turn_interrupted" not in after.data
    assert played.transcript[:2] == [("agent", heard), ("user", "wait")]
    assert played.named("transcript_part")[0].data["interrupted"] is True
    assert len(played.named("turn_interrupted")) == 1


@pytest.mark.parametrize("given", ["interruptible=False", "interruptable=False"])
def test_speech_that_may_not_be_interrupted_is_heard_out(given):
    body = f"if event.name == 'start':\n    yield TextToSpeechEvent({LONG!r}, {given})\n" + says("ok", "text")
    played = play(agent(body), [interrupt("wait", after_s=1.0)])
    assert "interrupted" not in played.speech[0].data
    assert played.transcript == [("agent", LONG), ("user", "wait"), ("agent", "ok")]
    [text] = played.named("text")
    assert text.time_s == pytest.approx(seconds(LONG))
    assert "previous_turn_interrupted" not in text.data
    assert played.named("input_held")[0].data["reason"] == "not_interruptible"


def test_words_cancel_a_handler_that_works_and_its_finally_runs_in_its_own_turn():
    body = """
    if event.name == "text":
        try:
            await asyncio.sleep(10)
            yield TextToSpeechEvent("too late")
        except asyncio.CancelledError:
            context.set_data("cancelled", event.data["text"])
            raise
        finally:
            context.set_data("closed", context.get_data("closed", 0) + 1)
    """
    played = play(agent(body), ["slow", at(3.0, "wait")])
    assert played.data == {"cancelled": "slow", "closed": 2}
    assert [e.time_s for e in played.named("text")] == [0.0, 3.0]
    assert played.said == ["too late"]
    assert played.errors == []
    assert played.named("text")[1].data["previous_turn_interrupted"] is True


def test_an_abandoned_handlers_finally_runs_in_its_own_session():
    body = """
    try:
        if event.name == "start":
            yield TextToSpeechEvent("x" * 100)
            await asyncio.sleep(60)
    finally:
        context.set_data("closed", context.session_id)
    """
    played = play_many(agent(body), [interrupt("wait", after_s=1)], 5)
    assert [p.data["closed"] for p in played] == [p.session["session_id"] for p in played]
    assert {p.status for p in played} == {"completed"}


def test_a_handler_that_swallows_its_cancellation_does_not_take_the_session_along():
    body = """
    if event.name == "text":
        while True:
            try:
                await asyncio.sleep(10)
            except asyncio.CancelledError:
                break
        yield TextToSpeechEvent("swallowed")
    """
    played = play(agent(body), ["slow", at(3.0, hang_up())])
    assert played.status == "hangup"
    assert all(e.data.get("spoken") is False for e in played.speech)


def test_words_cancel_interruptible_tasks_alone():
    body = """
    async def task(name):
        try:
            await asyncio.sleep(4)
            context.set_data(name, "done")
        except asyncio.CancelledError:
            context.set_data(name, "cancelled")
            raise
    if event.name == "start":
        context.create_task(task("yes"), name="yes", interruptible=True)
        context.create_task(task("no"), name="no")
        yield TextToSpeechEvent("x" * 100)
    """
    played = play(agent(body), [interrupt("wait", after_s=1), silence(6)])
    assert played.data == {"yes": "cancelled", "no": "done"}
    assert played.errors == []


def test_a_custom_event_never_interrupts():
    body = "if event.name == 'start':\n    await asyncio.sleep(4)\n    yield TextToSpeechEvent('done')\n" + says(
        "pong", "ping"
    )
    played = play(agent(body), [at(1.0, sdk.CustomEvent("ping"))])
    assert played.said == ["done", "pong"]
    assert played.named("turn_interrupted") == []
    assert played.named("ping")[0].time_s == pytest.approx(4.0)


def test_the_input_gate_holds_words_until_the_handler_has_finished():
    body = """
    if event.name == "start":
        yield InputAllowedEvent(False)
        await asyncio.sleep(5)
        yield TextToSpeechEvent("x" * 10)
    """
    played = play(agent(body), [at(1.0, "hello")])
    assert played.named("input_held")[0].data["reason"] == "input_not_allowed"
    assert played.named("text")[0].time_s == pytest.approx(5.6)
    assert played.named("turn_interrupted") == []


def test_the_input_gate_that_is_opened_again_lets_words_interrupt():
    body = """
    if event.name == "start":
        yield InputAllowedEvent(False)
        await asyncio.sleep(2)
        yield InputAllowedEvent(True)
        await asyncio.sleep(10)
    """
    played = play(agent(body), [at(3.0, "hello")])
    assert played.named("text")[0].time_s == pytest.approx(3.0)
    assert len(played.named("turn_interrupted")) == 1


def test_the_agent_clears_its_own_speech_and_goes_on():
    body = """
    if event.name == "start":
        yield TextToSpeechEvent("x" * 100)
        await asyncio.sleep(1)
        yield InterruptEvent()
        yield TextToSpeechEvent("better")
    """
    played = play(agent(body))
    assert played.speech[0].data["interrupted"] is True
    assert played.speech[1].time_s == pytest.approx(1.0)
    assert played.status == "completed"


def test_speech_with_replace_takes_the_place_of_what_is_queued():
    body = "if event.name == 'start':\n    yield TextToSpeechEvent('x' * 100)\n    yield TextToSpeechEvent('new', replace=True)\n"
    played = play(agent(body))
    assert played.speech[0].data["spoken"] is False
    assert played.transcript == [("agent", "new")]
    assert played.session["duration_s"] == pytest.approx(seconds("new"))


def test_a_caller_who_is_speaking_is_not_told_to_be_silent():
    body = says("legal", interruptible=False) + says("Are you there?", "timeout")
    story = "x" * 200
    played = play(agent(body), [at(0.1, Say(story, "speech"))])
    assert played.named("timeout") == []


def test_times_of_rows_stand_in_the_order_of_what_happened():
    """Outputs are stamped when they are heard; everything else never goes back in time."""
    body = (
        says("first turn")
        + "if event.name == 'ping':\n    yield TextToSpeechEvent('second turn', interruptible=False)\n"
    )
    played = play(agent(body), [at(0.1, sdk.CustomEvent("ping")), at(0.8, "hello")])
    times = [e.time_s for e in played.events if e.kind in {"input", "system"}]
    assert times == sorted(times)


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_each_kind_of_input_arrives_as_its_event():
    inputs = [
        "typed",
        Say("spoken", "speech"),
        press("12#"),
        sdk.DTMFEvent("*"),
        sdk.TextEvent("speech", "an event"),
        sdk.CustomEvent("paid", {"amount": 1}),
        sdk.supply("VoicemailDetectionEvent")("leave a message", 0.9, "beep"),
    ]
    played = play(agent(""), inputs)
    assert [(e.name, e.data) for e in played.inputs[1:-1]] == [
        ("text", {"source": "text", "text": "typed", "language": None}),
        ("text", {"source": "speech", "text": "spoken", "language": None}),
        ("dtmf", {"digits": "12#"}),
        ("dtmf", {"digits": "*"}),
        ("text", {"source": "speech", "text": "an event", "language": None}),
        ("paid", {"amount": 1, "custom": True}),
        ("voicemail_detection", {"transcript": "leave a message", "confidence": 0.9, "reason": "beep"}),
    ]


def test_spoken_words_arrive_when_they_have_been_said():
    played = play(agent(says("Hello!")), [Say("x" * 50, "speech", after_s=1.0)])
    assert played.named("text")[0].time_s == pytest.approx(seconds("Hello!") + 1.0 + 3.0)


def test_a_voicemail_detection_does_not_cut_the_greeting():
    event = sdk.supply("VoicemailDetectionEvent")("leave a message")
    played = play(agent(says(LONG) + says("I'll call again", "voicemail_detection")), [at(1.0, event)])
    assert played.transcript == [("agent", LONG), ("agent", "I'll call again")]
    assert played.named("turn_interrupted") == []


def test_keys_interrupt_as_words_do():
    played = play(agent(says(LONG) + says("ok", "dtmf")), [at(1.0, press("1"))])
    assert played.speech[0].data["interrupted"] is True
    assert played.named("dtmf")[0].data["digits"] == "1"


def test_an_event_is_copied_before_each_delivery():
    event = sdk.CustomEvent("x", {"list": []})
    played = play_many(agent("if event.name == 'x':\n    event.data['list'].append(1)\n"), [event, event], 3)
    assert event.data == {"list": [], "custom": True}
    assert {str(e.data["list"]) for p in played for e in p.named("x")} == {"[]"}


def test_parameters_are_the_sessions_data_and_no_session_changes_them():
    parameters = {"customerName": "Alice", "list": []}
    body = "if event.name == 'start':\n    context.get_data('list').append(1)\n    yield LogEvent(context.get_data('customerName'))\n"
    played = play_many(agent(body), sessions=3, parameters=parameters)
    assert [p.logs for p in played] == [["Alice"]] * 3
    assert [p.data["list"] for p in played] == [[1]] * 3
    assert parameters == {"customerName": "Alice", "list": []}


def test_the_environment_is_the_contexts_and_the_rows():
    played = play(agent("context.set_data('e', context.environment)"), environment="staging")
    assert (played.data["e"], played.session["environment"]) == ("staging", "staging")


def test_data_is_a_sessions_own():
    body = """
    seen = context.get_data("user_name", "Guest")
    context.set_data("user_name", "John")
    context.set_data("seen", [*context.get_data("seen", []), seen])
    """
    assert [p.data["seen"] for p in play_many(agent(body), ["a"], 3)] == [["Guest", "John", "John"]] * 3


# --- background tasks ------------------------------------------------------------------------------------------------


def test_creating_a_task_returns_at_once_and_tasks_overlap():
    body = """
    async def task(name, seconds):
        yield LogEvent(f"{name} begins")
        await asyncio.sleep(seconds)
        yield LogEvent(f"{name} ends")
    if event.name == "start":
        context.create_task(task("a", 3), name="a")
        context.create_task(task("b", 2), name="b")
        yield TextToSpeechEvent("hi")
    if event.name == "text":
        yield TextToSpeechEvent("still processing")
    """
    played = play(agent(body), ["well?", silence(4)])
    assert played.logs == ["a begins", "b begins", "b ends", "a ends"]
    assert [e.time_s for e in played.kind("log")] == [0.0, 0.0, 2.0, 3.0]
    assert played.named("turn_end")[0].time_s < 1
    answer = played.speech[1]
    assert answer.data["text"] == "still processing"
    assert answer.time_s < 2


def test_events_of_a_task_are_stamped_with_background_name_and_the_turn_that_made_it():
    body = """
    async def task():
        yield LogEvent("a")
        await asyncio.sleep(3)
        yield TextToSpeechEvent("b")
    if event.name == "text" and event.data["text"] == "first":
        context.create_task(task(), name="lookup")
        yield LogEvent("of the handler")
    """
    played = play(agent(body), ["first", "second", silence(4)])
    rows = {e.data.get("message", e.data.get("text")): e for e in played.events if e.kind in {"log", "output"}}
    assert (rows["of the handler"].background, rows["of the handler"].task_name) == (False, None)
    for name in "ab":
        assert (rows[name].background, rows[name].task_name, rows[name].turn) == (True, "lookup", 1)


def test_of_three_quick_inputs_the_last_is_answered_though_the_handler_cleans_up_after_each():
    body = """
    if event.name == "text":
        try:
            await asyncio.sleep(3)
            yield TextToSpeechEvent("answer to " + event.data["text"])
        finally:
            await asyncio.sleep(1)
    """
    played = play(agent(body), [at(1, "a"), at(1.5, "b"), at(2, "c")])
    assert [(e.data["text"], e.turn) for e in played.speech] == [("answer to c", 3)]
    assert [e.time_s for e in played.named("turn_interrupted")] == [1.5, 2.0]


def test_who_waited_too_long_to_cut_in_does_not_cut_into_a_later_answer():
    body = """
    if event.name == "start":
        yield TextToSpeechEvent("Hi there.")
    if event.name == "text":
        yield TextToSpeechEvent("long answer " * 20)
    """
    played = play(agent(body), [interrupt("first", after_s=5), "second", "third"])
    assert not played.named("turn_interrupted")


def test_a_task_without_a_limit_runs_and_what_is_no_task_is_refused_before_it_runs():
    body = """
    async def task():
        await asyncio.sleep(1)
        yield TextToSpeechEvent("from the task")
    if event.name == "start":
        context.create_task(task(), name="unlimited", timeout=None)
        for wrong in (lambda: context.create_task(task), lambda: context.create_task(task(), timeout="5")):
            try:
                wrong()
            except TypeError as error:
                print(error)
    """
    played = play(agent(body), [silence(3)])
    assert [e.data["text"] for e in played.speech] == ["from the task"]
    assert "call the function" in played.logs[0]
    assert "must be seconds from 0 on, or None" in played.logs[1]


def test_an_outcome_that_was_only_declared_has_the_default_that_is_asked_for():
    body = """
    if event.name == "start":
        context.add_outcome("score", "float")
        print(context.get_outcome("score", 5.0))
        context.set_outcome("score", 1.0)
        print(context.get_outcome("score", 5.0))
    """
    assert play(agent(body)).logs == ["5.0", "1.0"]


def test_what_a_task_prints_and_logs_has_its_name():
    body = """
    async def within():
        print("from within")
    async def task():
        print("a")
        logger.info("b")
        await asyncio.gather(within())
    if event.name == "start":
        context.create_task(task(), name="lookup")
        await asyncio.sleep(1)
        print("of the handler")
    """
    played = play(agent(body))
    names = {e.data["message"]: (e.background, e.task_name) for e in played.kind("log")}
    assert names == dict.fromkeys(("a", "b", "from within"), (True, "lookup")) | {"of the handler": (False, None)}


def test_task_names_are_given_or_readable_and_distinct_and_never_random():
    body = """
    async def lookup():
        await asyncio.sleep(1)
    if event.name == "start":
        context.create_task(lookup())
        context.create_task(lookup())
        context.create_task(lookup(), name="mine")
        context.create_task(lookup(), background_task_name="guide's")
        context.set_data("names", list(context.tasks))
    """
    played = play(agent(body))
    assert played.data["names"] == ["lookup", "lookup-2", "mine", "guide's"]
    assert played.rules.count("unnamed_task") == 2
    assert played.rules.count("background_task_name") == 1


def test_a_task_of_the_same_name_takes_the_place_of_the_first():
    body = """
    async def task(n):
        await asyncio.sleep(2)
        yield LogEvent(str(n))
    if event.name == "start":
        context.create_task(task(1), name="x")
        context.create_task(task(2), name="x")
    """
    assert play(agent(body), [silence(3)]).logs == ["2"]


def test_a_cancelled_task_says_nothing_more():
    body = """
    async def task():
        await asyncio.sleep(2)
        yield LogEvent("no")
    if event.name == "start":
        context.create_task(task(), name="x")
    if event.name == "text":
        context.cancel_task("x")
    """
    played = play(agent(body), ["stop it", silence(3)])
    assert (played.logs, played.errors) == ([], [])


def test_tasks_share_data_with_the_handler():
    body = """
    async def task():
        context.set_data("from_task", context.get_data("from_handler"))
        yield LogEvent("done")
    if event.name == "start":
        context.set_data("from_handler", 1)
        context.create_task(task(), name="x")
    """
    assert play(agent(body), ["hi"]).data == {"from_handler": 1, "from_task": 1}


# --- errors: the session goes on -------------------------------------------------------------------------------------

ANSWER = "if event.name == 'text':\n    yield TextToSpeechEvent('answered')\n"


def test_a_handler_that_raises_is_an_error_row_and_the_next_text_is_answered():
    body = "if event.name == 'start':\n    yield TextToSpeechEvent('hi')\n    {}['missing']\n" + ANSWER
    text = agent(body)
    line = next(n for n, source in enumerate(text.splitlines(), 1) if "missing" in source)
    played = play(text, ["hello"])
    [error] = played.errors
    assert error.data["message"] == "KeyError: 'missing'"
    assert (error.data["file"], error.data["line"]) == ("handler.py", line)
    assert f"handler.py:{line} in handler" in error.data["traceback"]
    assert (error.kind, error.turn, error.background) == ("output", 0, False)
    assert played.said == ["hi", "answered"]
    assert (played.status, played.session["n_errors"]) == ("completed", 1)
    assert played.session["error"] == "KeyError: 'missing'"


def test_a_task_that_raises_is_an_error_row_with_its_name_and_the_session_goes_on():
    body = """
    async def lookup():
        yield LogEvent("a")
        raise KeyError("oops")
    if event.name == "start":
        context.create_task(lookup(), name="lookup")
    """
    played = play(agent(body + "\n" + "    " + ANSWER.replace("\n", "\n    ")), ["hello"])
    [error] = played.errors
    assert error.data["message"] == "KeyError: 'oops'"
    assert (error.background, error.task_name, error.data["task"]) == (True, "lookup", "lookup")
    assert "in lookup" in error.data["traceback"]
    assert played.said == ["answered"]


@pytest.mark.parametrize(("option", "limit"), [("", 30), (", timeout=7", 7)])
def test_a_task_that_takes_too_long_is_an_error_row_with_its_name(option, limit):
    body = f"""
    async def slow():
        try:
            await asyncio.sleep(100)
        finally:
            context.set_data("closed", True)
    if event.name == "start":
        context.create_task(slow(), name="slow"{option})
    """
    played = play(agent(body + "\n" + "    " + ANSWER.replace("\n", "\n    ")), [silence(limit + 1), "hello"])
    [error] = played.errors
    assert "slow" in error.data["message"]
    assert f"{limit} s" in error.data["message"]
    assert (error.time_s, error.background, error.task_name) == (limit, True, "slow")
    assert played.data == {"closed": True}
    assert played.said == ["answered"]


def test_a_task_that_yields_no_event_is_an_error_row():
    body = """
    async def task():
        yield 5
    if event.name == "start":
        context.create_task(task(), name="odd")
    """
    [error] = play(agent(body), ["x"]).errors
    assert error.task_name == "odd"
    assert "handler.py:" in error.data["message"]


def test_errors_show_the_users_own_lines_wherever_the_project_lies(tmp_path):
    """A folder called voicelab (a clone of the lab, say) is a user's folder like any other."""
    folder = tmp_path / "voicelab" / "agents"
    folder.mkdir(parents=True)
    (folder / "handler.py").write_text(agent("if event.name == 'start':\n    1 / 0\n"))
    namespace = {}
    exec(compile((folder / "handler.py").read_text(), str(folder / "handler.py"), "exec"), namespace)
    for handler in (folder / "handler.py", namespace["handler"]):
        [error] = play(handler).errors
        assert error.data.get("file") == "handler.py"


@pytest.mark.parametrize("where", ["handler", "task"])
@pytest.mark.parametrize(
    "error", ["SystemExit(3)", "KeyboardInterrupt()", "GeneratorExit()", "BaseException('all')", "Own()"]
)
def test_what_is_no_exception_ends_its_session_and_nothing_else(error, where):
    raising = f"raise {error}" if where == "handler" else "context.create_task(fail())\nawait asyncio.sleep(1)"
    body = f"if event.data.get('text') == 'leave':\n{indented(raising)}\n" + says("ok", "text")
    fails = f"class Own(BaseException):\n    pass\n\nasync def fail():\n    raise {error}\n"
    handler = f"{agent(body)}\n{fails}"
    one, other = play(handler, ["leave", "hi"]), play(handler, ["hi"])
    assert (one.status, other.status) == ("error", "completed")
    assert (one.said, other.said) == ([], ["ok"])
    assert one.session["error"].startswith(error.split("(")[0])
    assert one.errors[0].data["line"] > 1
    assert one.input_names == ["start", "text", "stop"]


def test_cancelled_error_raised_by_the_handler_itself_is_no_lost_run():
    played = play(agent("if event.name == 'start':\n    raise asyncio.CancelledError\n" + says("ok", "text")), ["hi"])
    assert played.said == ["ok"]
    assert played.session["n_errors"] == 1


def test_a_caller_that_fails_is_a_session_with_status_error():
    class Broken:
        name = "broken"

        def begin(self, rng):
            return self

        def reply(self, heard):
            raise RuntimeError("no words")

    played = play(agent(says("hi")), Broken())
    assert played.status == "error"
    assert "no words" in played.session["error"]


def test_a_forced_variant_that_does_not_exist_ends_the_run():
    with pytest.raises(ForcedVariantError, match="Did you mean 'formal'"):
        play(sample(4), variants={"greeting_variant": "frmal"})


def test_a_blocking_sleep_is_noted_with_its_line_once():
    text = agent("time.sleep(1)\n")
    line = next(n for n, source in enumerate(text.splitlines(), 1) if "time.sleep" in source)
    played = play_many(text, ["a", "b"], 3)
    notes = [n for n in played[0].notes if n.rule == "blocking_call"]
    assert [(n.file, n.line) for n in notes] == [("handler.py", line)]
    assert "time.sleep(1)" in notes[0].written
    assert "asyncio.to_thread" in notes[0].sdk


# --- the end of a session --------------------------------------------------------------------------------------------


def test_the_agents_stop_lets_its_speech_be_heard_and_speaks_the_closing_words():
    body = """
    if event.name == "text":
        yield TextToSpeechEvent("one moment")
        yield StopEvent(closing_speech="Thanks and goodbye")
    """
    played = play(agent(body), ["end", "too late"])
    assert played.status == "completed"
    assert played.transcript == [("user", "end"), ("agent", "one moment Thanks and goodbye")]
    assert played.session["duration_s"] == pytest.approx(seconds("one moment") + seconds("Thanks and goodbye"))
    assert played.input_names == ["start", "text", "stop"]


def test_the_closing_words_cant_be_interrupted():
    body = "if event.name == 'start':\n    yield StopEvent(closing_speech='x' * 50)\n"
    played = play(agent(body), [at(1.0, "wait")])
    assert played.session["duration_s"] == pytest.approx(3.0)
    [dropped] = played.named("input_dropped")
    assert "wait" in dropped.data["input"]
    assert played.named("text") == []


def test_a_stop_that_clears_speech_goes_straight_to_its_closing_words():
    body = "if event.name == 'start':\n    yield TextToSpeechEvent('x' * 100)\n    yield StopEvent('bye', clear_speech=True)\n"
    played = play(agent(body))
    assert played.transcript == [("agent", "bye")]
    assert played.session["duration_s"] == pytest.approx(seconds("bye"))


def test_what_the_handler_yields_after_its_stop_is_not_spoken():
    body = "if event.name == 'start':\n    yield StopEvent()\n    yield TextToSpeechEvent('too late')\n"
    played = play(agent(body))
    assert played.speech[0].data["spoken"] is False
    assert played.transcript == []


def test_a_handler_that_goes_on_after_its_stop_is_cut_when_all_has_been_heard():
    body = "if event.name == 'start':\n    yield StopEvent('bye')\n    await asyncio.sleep(100)\n    context.set_data('x', 1)\n"
    played = play(agent(body))
    assert played.session["duration_s"] == pytest.approx(seconds("bye"))
    assert played.data == {}
    assert played.errors == []


@pytest.mark.parametrize(
    ("inputs", "body", "status"),
    [
        (["hi"], says("hello"), "completed"),
        (["hi", hang_up()], says("hello"), "hangup"),
        (["hi"], "if event.name == 'text':\n    yield StopEvent()\n", "completed"),
        (["hi"], "if event.name == 'text':\n    yield TransferSessionEvent(phone_number='+15550100')\n", "transferred"),
        ([silence(100)], says("hello"), "timeout"),
    ],
)
def test_a_session_ends_in_one_of_the_known_ways(inputs, body, status):
    played = play(agent(body), inputs, limits=Limits(conversation_s=50))
    assert played.status == status
    assert status in STATUSES
    assert played.input_names.count("stop") == 1
    assert played.inputs[-1].name == "stop"


def test_a_caller_who_hangs_up_over_speech_has_heard_its_beginning():
    played = play(agent(says(LONG)), [at(1.0, hang_up())])
    assert played.status == "hangup"
    assert played.session["duration_s"] == pytest.approx(1.0)
    assert played.speech[0].data["interrupted"] is True
    assert LONG.startswith(played.transcript[0][1])


def test_a_caller_who_hangs_up_stops_a_working_handler():
    body = "if event.name == 'start':\n    await asyncio.sleep(60)\n    context.set_data('done', 1)\n"
    played = play(agent(body), [at(2.0, hang_up())])
    assert (played.status, played.session["duration_s"], played.data) == ("hangup", 2.0, {})


def test_a_transfer_speaks_its_closing_words_first():
    body = "if event.name == 'start':\n    yield TransferSessionEvent(phone_number='+15550100', closing_speech='one moment')\n"
    played = play(agent(body))
    assert played.status == "transferred"
    assert played.transcript == [("agent", "one moment")]
    assert played.named("transfer_session")[0].data["phone_number"] == "+15550100"


def test_speech_at_the_final_stop_is_recorded_and_not_spoken():
    played = play(agent(says("Goodbye!", "stop") + says("hi")))
    last = played.speech[-1]
    assert (last.data["text"], last.data["spoken"]) == ("Goodbye!", False)
    assert played.transcript == [("agent", "hi")]
    assert played.session["duration_s"] == pytest.approx(seconds("hi"))


def test_the_final_stop_may_log_and_set_output():
    body = "if event.name == 'stop':\n    yield LogEvent('bye')\n    context.set_output({'booked': True})\n    metrics.counter('ended')\n"
    played = play(agent(body))
    assert played.logs == ["bye"]
    [patch] = played.named("context_patch")
    assert "spoken" not in patch.data
    assert played.output_data == {"booked": True}
    assert [m["metric"] for m in played.metrics] == ["ended"]


def test_output_data_is_a_context_patch_and_a_column():
    played = play(agent("if event.name == 'start':\n    context.set_output({'a': 1})\n"))
    assert played.named("context_patch")[0].data == {"output_data": {"a": 1}}
    assert played.output_data == {"a": 1}


def test_cleanup_waits_for_tasks_and_is_no_part_of_the_conversation():
    body = """
    async def save():
        await asyncio.sleep(20)
        yield LogEvent("saved")
    if event.name == "start":
        context.create_task(save(), name="save")
    """
    played = play(agent(body))
    assert played.logs == ["saved"]
    assert played.session["duration_s"] == 0.0
    assert played.errors == []


def test_cleanup_ends_after_thirty_seconds_shared_by_the_handler_and_its_tasks():
    body = """
    async def save():
        try:
            await asyncio.sleep(60)
        finally:
            context.set_data("closed", True)
    if event.name == "start":
        context.create_task(save(), name="save", timeout=100)
    if event.name == "stop":
        await asyncio.sleep(20)
        yield LogEvent("stopped")
    """
    played = play(agent(body))
    [error] = played.errors
    assert error.time_s == pytest.approx(30.0)
    assert "save" in error.data["message"]
    assert "30 s" in error.data["message"]
    assert played.logs == ["stopped"]
    assert played.data == {"closed": True}


def test_a_final_stop_that_takes_too_long_is_cut_after_thirty_seconds_naming_its_line():
    text = agent("if event.name == 'stop':\n    await asyncio.sleep(100)\n")
    line = next(n for n, source in enumerate(text.splitlines(), 1) if "asyncio.sleep" in source)
    [error] = play(text).errors
    assert error.time_s == pytest.approx(30.0)
    assert f"handler.py:{line}" in error.data["message"]


def test_an_interruptible_task_is_cancelled_at_the_end_and_none_may_be_made():
    body = """
    async def task():
        await asyncio.sleep(10)
        yield LogEvent("no")
    if event.name == "start":
        context.create_task(task(), name="a", interruptible=True)
    if event.name == "stop":
        try:
            context.create_task(task(), name="b", interruptible=True)
        except RuntimeError as error:
            yield LogEvent("refused")
    """
    played = play(agent(body))
    assert played.logs == ["refused"]


def test_a_task_made_by_a_task_is_waited_for():
    body = """
    async def inner():
        await asyncio.sleep(3)
        yield LogEvent("inner done")
    async def outer():
        await asyncio.sleep(3)
        context.create_task(inner(), name="inner")
        yield LogEvent("outer done")
    if event.name == "start":
        context.create_task(outer(), name="outer")
    """
    assert play(agent(body)).logs == ["outer done", "inner done"]


# --- limits ----------------------------------------------------------------------------------------------------------


def test_the_limit_of_time_ends_a_session_whose_handler_never_returns():
    text = agent("if event.name == 'start':\n    await asyncio.sleep(10**6)\n")
    played = play(text, limits=Limits(conversation_s=60))
    assert (played.status, played.session["duration_s"]) == ("timeout", 60.0)
    assert "handler.py:" in played.session["error"]


def test_the_limit_of_outputs_ends_a_session_that_floods():
    body = "if event.name == 'start':\n    while True:\n        yield LogEvent('x')\n"
    played = play(agent(body), limits=Limits(outputs=100))
    assert played.status == "timeout"
    assert len(played.logs) == 100
    assert "100 outputs" in played.session["error"]


@pytest.mark.parametrize(
    "body",
    [
        "while True:\n    yield LogEvent('x')\n",
        "if event.name == 'start':\n    context.create_task(flood(), name='flood')\nyield TextToSpeechEvent(text='on')\n",
    ],
    ids=["the handler", "a task"],
)
def test_what_yields_for_ever_is_ended_after_the_end_too(body):
    flood = "async def flood():\n    while True:\n        yield LogEvent('y')\n"
    played = play(f"{agent(body)}\n{flood}", ["hello"], limits=Limits(outputs=100))
    assert played.status == "timeout"
    assert re.search(r"its limit of 100 outputs, at handler.py:\d+", played.session["error"])
    assert len(played.logs) <= 100


def test_a_handler_that_spins_without_time_passing_is_ended(monkeypatch):
    monkeypatch.setattr("voicelab.runtime.clock._SPIN_LIMIT", 1000)
    played = play(agent("while True:\n    await asyncio.sleep(0)\n"), limits=Limits(conversation_s=60))
    assert played.status == "timeout"


SWALLOWS = "while True:\n    try:\n        await asyncio.sleep({})\n    except:\n        pass\n"


def indented(code, by=4):
    return textwrap.indent(code, " " * by)


@pytest.mark.parametrize("nap_s", [1, 0])
def test_a_handler_that_swallows_every_cancellation_is_given_up(nap_s):
    body = "yield TextToSpeechEvent('hi')\nif event.data.get('text') == 'loop':\n" + indented(SWALLOWS.format(nap_s))
    played = play(agent(body), ["loop", interrupt("stop it", after_s=1.0), "bye"])
    (error,) = played.errors
    assert "went on for 30 s" in error.data["message"]
    assert "handler.py:" in error.data["message"]
    assert played.input_names == ["start", "text", "text", "text", "stop"]
    assert played.status == "completed"


def test_a_handler_that_swallows_the_session_limit_is_given_up():
    body = "if event.name == 'text':\n" + indented(SWALLOWS.format(1))
    played = play(agent(body), ["loop", "bye"], limits=Limits(conversation_s=60))
    assert (played.status, played.session["duration_s"]) == ("timeout", 60.0)
    assert [e.time_s for e in played.errors] == [60.0, 90.0]


def test_a_handler_that_never_ends_its_cleanup_is_given_up():
    finally_ = "try:\n    yield TextToSpeechEvent('bye')\nfinally:\n" + indented(SWALLOWS.format(1))
    played = play(agent("if event.name == 'stop':\n" + indented(finally_)))
    assert [round(e.time_s) for e in played.errors] == [30, 31]
    assert played.status == "completed"


@pytest.mark.parametrize("first", ["", "yield LogEvent('x')\n"], ids=["coroutine", "generator"])
def test_a_task_that_swallows_every_cancellation_is_given_up(first):
    task = (
        "async def work():\n" + indented(first + SWALLOWS.format(1)) + "context.create_task(work(), 'w', timeout={})\n"
    )
    body = "if event.name == 'start':\n" + indented(task)
    timed_out = play(agent(body.format(3)), [silence(40)])
    assert [round(e.time_s) for e in timed_out.errors] == [3, 33]
    unlimited = play(agent(body.format(None)))
    assert ["cleanup is limited to 30 s" in e.data["message"] for e in unlimited.errors] == [True]
    assert unlimited.status == timed_out.status == "completed"


@pytest.mark.parametrize("start", ["await work()", "context.kept = asyncio.create_task(work())"])
def test_a_process_ends_though_work_in_it_was_given_up(start):
    handler = agent("async def work():\n" + indented(SWALLOWS.format(1)) + f"if event.name == 'text':\n    {start}\n")
    script = f"import voicelab as vl\nprint(vl.run({handler!r}, ['loop', vl.at(3, vl.hang_up())]).status)\n"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout == "hangup\n"


@pytest.mark.parametrize("then", ["await asyncio.sleep(1)", "return"])
def test_a_handler_that_cancels_its_own_task_has_failed_and_the_session_goes_on(then):
    body = f"yield TextToSpeechEvent('hi')\nif event.name == 'text':\n    asyncio.current_task().cancel()\n    {then}\n"
    for played in play_many(agent(body), ["one", "two"], sessions=2):
        assert played.input_names == ["start", "text", "text", "stop"]
        assert len(played.errors) == (0 if then == "return" else 2)
        assert played.status == "completed"


def test_work_may_use_time_limits_of_its_own_for_as_long_as_it_likes():
    timed = "try:\n    async with asyncio.timeout(1):\n        await asyncio.sleep(9)\nexcept TimeoutError:\n    await asyncio.sleep(60)\n"
    played = play(
        agent("if event.name == 'text':\n" + indented(timed) + "    yield TextToSpeechEvent('done')\n"), ["go"]
    )
    assert (played.said, played.errors) == (["done"], [])


def test_half_a_character_is_written_as_a_replacement():
    body = """
if event.name == 'start':
    yield TextToSpeechEvent('so \\ud83d it')
    print('\\ud83d')
    context.set_outcome('said', '\\ud83d')
    raise ValueError('\\ud83d')
"""
    played = play(agent(body), ["hi"])
    assert (played.status, played.said) == ("completed", ["so \ufffd it"])
    assert played.session["error"] == "ValueError: \ufffd"
    assert played.outcomes["said"]["text"] == "\ufffd"


def test_streamed_pieces_are_joined_with_one_space():
    body = "if event.name == 'start':\n    for piece in ('Sure, ', ' I can', '', ' ', 'help. '):\n        yield TextToSpeechEvent(piece)\n"
    played = play(agent(body), ["thanks"])
    assert [p.data["content"] for p in played.named("transcript_part") if p.data["role"] == "agent"] == [
        "Sure, I can help."
    ]


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRET = 'sk-"quoted"\\and-long'


def texts_in(value):
    """Return all texts in lists and dicts, keys included."""
    if isinstance(value, dict):
        return [text for item in value.items() for text in texts_in(list(item))]
    return [text for item in value for text in texts_in(item)] if isinstance(value, list) else [str(value)]


SECRET_PLACES = {
    "the data of events": "yield LogEvent(key)\nyield TextToSpeechEvent(key * 3)\nyield CustomEvent('x', {key: [key]})",
    "the name of an event": "yield CustomEvent(key)",
    "prints and log lines": "print(key)\nlogger.info(key, {'k': key})",
    "session data": "context.set_data('key', key)\ncontext.set_data(key, 1)",
    "output data": "context.set_output({'key': key, key: 1})",
    "errors": "raise ValueError(key)",
    "the value of an outcome": "context.set_outcome('text', key)",
    "the name of an outcome": "context.set_outcome(key, 1)",
    "tags of a metric": "metrics.counter('m', tags={'key': key, key: 'x'})",
    "the name of a metric": "metrics.counter(key)",
    "a test and its variant": "context.experiment(key, {key: 1.0}, conversion_metrics=[key])",
    "the name of a task": "async def work():\n    yield LogEvent('x')\ncontext.create_task(work(), name=key)",
    "a portability note": "context.set_outcome(key, 1)\ncontext.add_test(key, {'a': 3})",
}


@pytest.mark.parametrize("place", SECRET_PLACES)
def test_a_variables_value_is_masked_in(place):
    body = "if event.name == 'start':\n    key = context.variables['KEY']\n" + textwrap.indent(
        SECRET_PLACES[place], "    "
    )
    played = play(agent(body), variables={"KEY": SECRET})
    texts = [*texts_in(orjson.loads(played.everything)), *map(str, played.notes)]
    for form in (SECRET, orjson.dumps(SECRET).decode()[1:-1]):
        assert [text for text in texts if form in text] == []


def test_a_variables_value_is_masked_in_what_the_caller_brings():
    body = "context.set_data('none', context.variables.get('UNKNOWN'))"
    played = play(agent(body), [f"it is {SECRET}"], variables={"KEY": SECRET}, parameters={"k": SECRET, SECRET: 1})
    assert played.data["none"] is None
    assert "quoted" not in played.everything


@pytest.mark.parametrize(("value", "masked"), [("12345", False), ("123456", True)])
def test_values_of_six_characters_or_more_are_masked(value, masked):
    played = play(agent("yield LogEvent(context.variables['V'])"), variables={"V": value})
    assert (value not in played.logs[0]) is masked


def test_the_handler_itself_sees_the_value():
    played = play(agent("context.set_data('n', len(context.variables['V']))"), variables={"V": "123456"})
    assert played.data == {"n": 6}


# --- log lines -------------------------------------------------------------------------------------------------------


def test_the_sdks_logger_and_tracer_are_rows():
    text = IMPORTS + (
        "@tracer.tool\ndef lookup(x):\n    return x + 1\n"
        "async def handler(event, context):\n"
        "    if event.name == 'start':\n"
        "        logger.info('one')\n        logger.error('two', {'id': 1})\n        yield LogEvent(str(lookup(1)))\n"
    )
    played = play(text)
    rows = [e.data for e in played.kind("log")]
    assert rows[0] == {"message": "one", "level": "info"}
    assert rows[1] == {"message": "two", "level": "error", "attributes": {"id": 1}}
    assert rows[-1]["message"] == "2"


def test_a_log_event_names_its_line():
    text = agent("if event.name == 'start':\n    yield LogEvent('x')\n")
    line = next(n for n, source in enumerate(text.splitlines(), 1) if "LogEvent('x')" in source)
    assert play(text).kind("log")[0].data["location"] == f"handler.py:{line}"


# --- determinism -----------------------------------------------------------------------------------------------------

BUSY = agent("""
async def task():
    yield LogEvent("working " + str(uuid.uuid4()))
    await asyncio.sleep(random.random() * 10)
    context.set_data("done", time.time())
    yield LogEvent("done")

if event.name == "start":
    context.experiment("greeting", {"a": 0.5, "b": 0.5}, conversion_metrics=["booked"])
    context.create_task(task(), name="task")
    yield TextToSpeechEvent("Hello " + random.choice(["you", "there", "caller"]) + "?")
if event.name == "text":
    await asyncio.sleep(random.random())
    metrics.counter("booked", value=random.randint(0, 1))
    yield CustomEvent("ids", {"set": {str(uuid.uuid4()) for _ in range(3)}, "token": secrets.token_hex(4)})
    yield TextToSpeechEvent("Would you like anything else?")
    if random.random() < 0.1:
        raise ValueError("now and then")
""")


def busy(sessions, first=0, seed=5):
    from voicelab.callers import mix, personas
    from voicelab.world.world import World

    return play_many(
        BUSY,
        mix((personas.cooperative, 0.5), (personas.interrupter, 0.5)),
        sessions,
        first=first,
        seed=seed,
        world=World(0.1, (0.0, 0.3), 0.05),
    )


def test_the_same_seed_gives_equal_rows():
    assert [p.rows for p in busy(20)] == [p.rows for p in busy(20)]


def test_an_error_that_shows_an_object_shows_no_address():
    played = play(agent("raise ValueError(object())"))
    assert "0x" not in played.everything


def test_another_seed_gives_others():
    assert [p.rows for p in busy(5)] != [p.rows for p in busy(5, seed=6)]


def test_a_session_alone_equals_the_same_session_of_a_run():
    run = busy(30)
    for index in (0, 7, 29):
        assert busy(1, first=index)[0].rows == run[index].rows


def test_a_session_leaves_nothing_behind_for_the_next():
    """Timers, tasks and a swallowed cancellation of one session don't reach the one after it."""
    body = """
    async def forever():
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                if context.get_data("n"):
                    raise
                context.set_data("n", 1)
    if event.name == "start":
        context.create_task(forever(), name="forever")
        yield TextToSpeechEvent("hi")
    """
    first, *others = play_many(agent(body), ["x"], 4)
    assert [p.events for p in others] == [first.events] * 3


# --- real time -------------------------------------------------------------------------------------------------------


def test_a_tiny_conversation_in_real_time():
    body = """
    if event.name == "start":
        context.set_data("real", abs(time.time() - 0) > 1.7e9)
        yield TextToSpeechEvent("a")
    if event.name == "text":
        await asyncio.sleep(0.02)
        yield TextToSpeechEvent("b")
    """
    played = play(agent(body), ["hi", press("1")], clock="wall", configuration={"timeout": 0})
    assert played.said == ["a", "b"]
    assert played.input_names == ["start", "text", "dtmf", "stop"]
    assert played.status == "completed"
    assert played.session["duration_s"] >= 2 * PACE + 0.02 - 0.01


def test_words_over_speech_in_real_time():
    speech = "x " * 20_000
    played = play(agent(says(speech)), [interrupt("a", after_s=0.1)], clock="wall")
    assert played.speech[0].data["interrupted"] is True
    assert played.session["duration_s"] < seconds(speech)


def test_an_input_error_in_a_session_is_a_row_that_says_what_is_allowed():
    [error] = play(agent("if event.name == 'start':\n    yield TextToSpeechEvent(5)\n")).errors
    assert InputError.__name__ in error.data["message"]
    assert "must be a str" in error.data["message"]


def test_words_that_still_wait_when_the_session_ends_are_on_record():
    body = (
        "if event.name == 'start':\n    yield TextToSpeechEvent('legal notice', interruptible=False)\n"
        "    await asyncio.sleep(.3)\n    yield StopEvent('bye')\n"
    )
    played = play(agent(body), [at(0.1, "I have a question")])
    [dropped] = played.named("input_dropped")
    assert "I have a question" in dropped.data["input"]


def test_what_a_caller_still_wanted_to_say_does_not_hold_up_the_cleanup():
    # The caller is in the middle of its words when the agent ends the session, and a task goes on during the cleanup.
    body = """
    async def save():
        await asyncio.sleep(20)
        yield LogEvent("saved")
    if event.name == "text":
        context.create_task(save(), name="save")
        yield StopEvent(closing_speech="Good bye, and thank you for calling.")
    """
    played = play(agent(body), ["bye", interrupt("no, please wait, there is more that I have to say", after_s=1.5)])
    assert played.session["status"] == "completed"
    assert played.logs == ["saved"]
