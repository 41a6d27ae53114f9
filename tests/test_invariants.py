"""What holds in every session, whatever the handler yields and the caller does: random handlers, callers and worlds."""

import asyncio
import itertools
from collections import Counter

import harness
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from primfunctions.events import (
    AudioEvent,
    CustomEvent,
    InputAllowedEvent,
    InterruptEvent,
    LogEvent,
    SilenceEvent,
    StopEvent,
    TextEvent,
    TextToSpeechEvent,
    TransferSessionEvent,
)

import voicelab as vl
from voicelab.base.pace import speech_seconds
from voicelab.record.why import Reasons

# --- what a handler may do at an event, one step after another ---


def yields(make):
    """Return a step that yields one event; `make` is given a number that is new at each call of the handler."""

    async def step(context, call):
        del context
        yield make(call)

    return step


def waits(seconds):
    async def step(context, call):
        del context, call
        await asyncio.sleep(seconds)
        return
        yield

    return step


async def fails(context, call):
    del context
    raise ValueError(f"call {call}")
    yield


async def cleans_up_slowly(context, call):
    del context
    try:
        yield TextToSpeechEvent(text=f"call {call} begins something")
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(0.4)


async def gives_up_waiting(context, call):
    del context, call
    try:
        async with asyncio.timeout(0.4):
            await asyncio.sleep(1)
    except TimeoutError:
        yield LogEvent("too late")


async def background(call):
    for step in range(3):
        await asyncio.sleep(0.7 * step + 0.2)
        yield TextToSpeechEvent(text=f"call {call} from behind {step}") if step % 2 else LogEvent("behind")


def starts_a_task(*, interruptible):
    async def step(context, call):
        context.create_task(background(call), name=f"task {call} {interruptible}", interruptible=interruptible)
        return
        yield

    return step


def once_it_is_late(make):
    """Return a step that ends the session, but not at once."""

    async def step(context, call):
        del context
        if call > 2:
            yield make()

    return step


STEPS = [
    yields(lambda call: TextToSpeechEvent(text=f"call {call} says this")),
    yields(lambda call: TextToSpeechEvent(text=f"call {call} goes on " + "and on " * 8)),
    yields(lambda call: TextToSpeechEvent(text=f"call {call} must be heard", interruptible=False)),
    yields(lambda call: TextToSpeechEvent(text=f"call {call} instead", replace=True)),
    yields(lambda call: TextToSpeechEvent(text=f"call {call} in haste", speed=2.0)),
    yields(lambda _: TextToSpeechEvent(text="")),
    yields(lambda _: AudioEvent("https://example.com/tune.mp3")),
    yields(lambda _: SilenceEvent(800)),
    yields(lambda _: LogEvent("a line")),
    yields(lambda call: CustomEvent("shown", {"call": call})),
    yields(lambda _: InterruptEvent()),
    yields(lambda _: InputAllowedEvent(False)),
    yields(lambda _: InputAllowedEvent(True)),
    waits(0.5),
    waits(7),
    fails,
    cleans_up_slowly,
    gives_up_waiting,
    starts_a_task(interruptible=False),
    starts_a_task(interruptible=True),
    once_it_is_late(lambda: StopEvent(closing_speech="good bye to you")),
    once_it_is_late(lambda: StopEvent(clear_speech=True)),
    once_it_is_late(lambda: TransferSessionEvent(phone_number="+1")),
]
EVENTS = ["start", "text", "timeout", "dtmf", "stop", "custom"]
programs = st.fixed_dictionaries(
    {event: st.lists(st.lists(st.sampled_from(STEPS), max_size=3), min_size=1, max_size=3) for event in EVENTS}
)


def handler_of(program):
    async def handler(event, context):
        call = context.get_data("calls", 0)
        context.set_data("calls", call + 1)
        answers = program.get(event.name, program["custom"])
        for step in answers[call % len(answers)]:
            async for output in step(context, call):
                yield output

    return handler


# --- what a caller may do ---

INPUTS = [
    "hello there",
    "one more thing",
    TextEvent("speech", "these are spoken words"),
    CustomEvent("signal", {"a": 1}),
    vl.press("12"),
    vl.interrupt("stop it", after_s=0.0),
    vl.interrupt("no, wait", after_s=0.6),
    vl.silence(),
    vl.silence(1),
    vl.silence(6),
    vl.silence(12),
    vl.hang_up(),
    vl.at(1.5, "words at a time"),
    vl.at(4.0, vl.press("9")),
    vl.at(9.0, vl.hang_up()),
]
callers = st.lists(st.sampled_from(INPUTS), min_size=1, max_size=7) | st.sampled_from(list(vl.personas))
worlds = st.sampled_from([None, vl.World(recognition_errors=0.2, handler_delay_s=(0, 0.5), handler_faults=0.1)])


def rows(record):
    return [(e.time_s, e.turn, e.kind, e.name, e.data, e.task_name) for e in record.events]


@settings(max_examples=150, deadline=None)
@given(programs, callers, worlds, st.integers(0, 2**32))
def test_what_holds_in_every_session(program, caller, world, seed):
    record = vl.run(handler_of(program), caller, seed=seed, world=world)
    assert record.status in {"completed", "hangup", "transferred", "timeout"}
    assert rows(record) == rows(harness.play(handler_of(program), caller, seed=seed, world=world)), "simulated"
    # In the order in which session/turns.py lists them.
    every_turn_ends_once(record)
    inputs_and_turns_stand_in_order_of_time(record)
    nobody_speaks_over_himself(record)
    who_is_interrupted_is_silent(record)
    only_what_was_said_is_heard(record)
    no_words_come_in_at_a_closed_gate(record)
    only_the_handlers_own_errors(record)
    each_row_is_explained(record)


def each_row_is_explained(record):
    reasons = Reasons()
    for event in record.events:
        reasons.take(event)
    assert all(reasons.why(event.seq).endswith(".") for event in record.events)


def only_the_handlers_own_errors(record):
    own = ("ValueError: call", "SimulatedFault", "TimeoutError", "RuntimeError: Context task registration is closed")
    assert [e.data["message"] for e in record.errors if not e.data["message"].startswith(own)] == []


def every_turn_ends_once(record):
    begun = {e.turn for e in record.events if e.kind == "input" and e.name != "stop"}
    ended = Counter(e.turn for e in record.events if e.name == "turn_end")
    assert ended == Counter(begun)


def inputs_and_turns_stand_in_order_of_time(record):
    times = [e.time_s for e in record.events if e.kind in {"input", "system"}]
    assert times == sorted(times)


def spoken(record):
    return [e for e in record.events if e.name == "text_to_speech" and e.data.get("spoken") is not False]


def end_s(speech):
    data = speech.data
    whole = speech_seconds(data["text"], data["speed"])
    return speech.time_s + (data["played_s"] if data.get("interrupted") else whole)


def nobody_speaks_over_himself(record):
    spans = sorted((e.time_s, end_s(e)) for e in spoken(record))
    assert all(later >= end - 1e-6 for (_, end), (later, _) in itertools.pairwise(spans))


def who_is_interrupted_is_silent(record):
    interruptions = [e for e in record.events if e.name == "turn_interrupted"]
    for cut in interruptions:
        assert all(end_s(e) <= cut.time_s + 1e-6 for e in spoken(record) if e.seq < cut.seq)


def only_what_was_said_is_heard(record):
    assert all(e.data["text"].startswith(e.data.get("heard", "")) for e in spoken(record))
    words = {word for e in spoken(record) for word in e.data["text"].split()}
    parts = [e.data for e in record.events if e.name == "transcript_part"]
    heard = {word for part in parts if part["role"] == "agent" for word in part["content"].split()}
    assert heard <= words


def no_words_come_in_at_a_closed_gate(record):
    why = ""
    for event in record.events:
        if event.name == "input_gate":
            assert event.data.get("reason", "") != why, "nothing has changed"
            assert bool(event.data.get("reason")) != event.data["allowed"]
            why = event.data.get("reason", "")
        elif event.kind == "input" and event.name in {"text", "dtmf"}:
            assert not why
        elif event.name == "input_held":
            assert event.data["reason"] == why


def test_a_broken_session_would_be_seen():
    record = vl.run(handler_of({event: [[STEPS[1]]] for event in EVENTS}), ["hello there"])
    speech = spoken(record)
    speech[1].data["text"] = "other words"
    with pytest.raises(AssertionError):
        only_what_was_said_is_heard(record)
    record.events.remove(next(e for e in record.events if e.name == "turn_end"))
    with pytest.raises(AssertionError):
        every_turn_ends_once(record)


def test_a_gate_that_was_passed_would_be_seen():
    program = {event: [[STEPS[2]]] for event in EVENTS}
    record = vl.run(handler_of(program), [vl.interrupt("hello there", after_s=0.5)])
    no_words_come_in_at_a_closed_gate(record)
    record.events.remove(next(e for e in record.events if e.name == "input_gate" and e.data["allowed"]))
    with pytest.raises(AssertionError):
        no_words_come_in_at_a_closed_gate(record)
