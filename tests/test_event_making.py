"""What the SDK's events say of themselves stays as the SDK has it, to the letter, however quickly it is found."""

import _thread
import asyncio
import pickle
import queue
import sys

import harness
import pytest
from primfunctions.events import LogEvent

import voicelab as vl
from voicelab.callers.actions import as_input
from voicelab.runtime import sdk

_OWN = LogEvent._capture_user_location


class Own(LogEvent):
    """A log event that asks the SDK itself for its place."""

    _capture_user_location = _OWN


# Each line makes an event twice, where it stands: by the SDK's own way and by the lab's.
SITUATIONS = '''
import asyncio, functools

def asked():
    return [make("a line").data.get("location", "nowhere") for make in makers]

def nested():
    def inner():
        def innermost():
            return asked()
        return innermost()
    return inner()

def deep(n):
    return asked() if n == 0 else deep(n - 1)

def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args)
    return wrapper

@decorated
def with_decorator():
    return [make("a line").data.get("location", "nowhere") for make in makers]

class Noted:
    def __init__(self):
        self.places = asked()
    @property
    def place(self):
        return asked()

class Subclass:
    """An event of the user's own, with an __init__ of its own."""
    places = None
    def __init__(self):
        made = []
        for base in makers:
            class Mine(base):
                def __init__(self, message):
                    super().__init__(
                        message
                    )
            made.append(Mine("a line").data.get("location", "nowhere"))
        self.places = made

def over_lines():
    return [make(
        "a line",
        attributes={"a": 1},
    ).data.get("location", "nowhere") for make in makers]

async def asynchronous():
    await asyncio.sleep(0)
    return asked()

async def yielding():
    yield asked()
    await asyncio.sleep(0)
    yield asked()

async def in_tasks():
    found = [await asynchronous(), await asyncio.create_task(asynchronous())]
    found += await asyncio.gather(asynchronous(), asynchronous())
    found += [places async for places in yielding()]
    found.append(await asyncio.to_thread(asked))
    return found

def everywhere():
    found = [asked(), nested(), deep(1), deep(30), with_decorator(), Noted().places, Noted().place, Subclass().places]
    found += [over_lines(), (lambda: asked())(), eval("asked()"), *[asked() for _ in range(2)], *(asked() for _ in "a")]
    found += [*map(lambda _: asked(), "ab"), max([1], key=lambda _: found.append(asked()) or 1) and asked()]
    space = {}
    exec(compile("def cell(): return asked()", "<cell 3>", "exec"), globals(), space)
    found.append(space["cell"]())
    found += asyncio.run(in_tasks())
    return found
'''
FILES = [
    "/home/ann/agent/main.py",
    "main.py",
    "cell 7",
    "<ipython-input-3>",
    "/usr/lib/agent.py",
    "/System/agent.py",
    "/opt/venv/lib/site-packages/agent/main.py",
    "/home/ann/my_asyncio_agent.py",
    "/home/ann/generators/main.py",
    "runtime.py",
    "/home/ann/events.py",
    "C:\\agents\\main.py",
    "",
]


def everywhere(file):
    space = {"makers": (Own, LogEvent)}
    exec(compile(SITUATIONS, file, "exec"), space)
    return space["everywhere"]()


@pytest.fixture(autouse=True)
def hosted():
    with sdk.hosted():
        assert LogEvent._capture_user_location is not _OWN
        yield
    assert LogEvent._capture_user_location is _OWN


@pytest.mark.parametrize("file", FILES)
def test_a_logged_line_has_the_place_that_the_sdk_finds(file):
    found = everywhere(file)
    assert [lab for _, lab in found] == [own for own, _ in found]
    assert len(found) > 25
    assert ("main.py:5" in found[0]) == (file in FILES[:2])


@pytest.mark.parametrize("file", FILES)
def test_also_on_a_stack_that_holds_nothing_else(file):
    # A thread of the lowest kind begins with the code itself: where all of it is infrastructure, the SDK looks again.
    found = queue.SimpleQueue()
    _thread.start_new_thread(lambda: found.put(everywhere(file)), ())
    assert all(own == lab for own, lab in found.get(timeout=120))
    source = "def look(n): return look(n - 1) if n else [make('a').data.get('location', 'nowhere') for make in makers]"
    space = {"makers": (Own, LogEvent), "put": found.put}
    exec(compile(f"{source}\ndef looks():\n    put([look(n) for n in range(12)])", file, "exec"), space)
    _thread.start_new_thread(space["looks"], ())
    assert all(own == lab for own, lab in found.get(timeout=120))


def test_also_where_the_interpreter_shortens_stacks(monkeypatch):
    for limit in (0, 1, 3, 1000):
        monkeypatch.setattr(sys, "tracebacklimit", limit, raising=False)
        assert all(own == lab for own, lab in everywhere("main.py"))


def test_a_line_that_a_handler_logs_has_its_own_place():
    played = harness.play(harness.agent('yield LogEvent("one")\nyield LogEvent("two", location="there")'))
    # `agent` puts eight lines in front.
    places = [event.data["location"] for event in played.kind("log") if event.turn == 0][:2]
    own = [line for line in places if line != "there"]
    assert places[1] == "there"
    assert own == [own[0]]
    assert own[0].rpartition(":")[2].isdigit()


def test_an_event_that_somebody_sends_is_dated_when_it_arrives():
    event = sdk.CustomEvent("paid")
    body = 'if event.name == "paid":\n    yield LogEvent(event.timestamp, location="here")'
    played = [harness.play(harness.agent(body), ["hello", event], seed=1) for _ in range(2)]
    assert [p.logs for p in played] == [["2026-01-05T09:00:00+00:00"]] * 2


def test_an_event_that_nobody_takes_any_more_is_told_by_what_it_says():
    played = harness.play(
        harness.agent("yield StopEvent()"), [vl.at(1, sdk.CustomEvent("paid", {"n": 1})), vl.at(0, "hello")]
    )
    dropped = [e.data["input"] for e in played.named("input_dropped")]
    assert all("0x" not in text for text in dropped)
    assert (
        repr(as_input(sdk.CustomEvent("paid", {"n": 1})))
        == "Send(CustomEvent('paid', {'n': 1, 'custom': True}), after_s=0.0)"
    )


def test_two_scripts_with_the_same_events_are_one():
    one, other = (pickle.dumps(as_input(sdk.CustomEvent("paid"))) for _ in range(2))
    assert one == other


def test_a_task_that_waits_for_all_tasks_is_told_that_it_would_wait_for_itself():
    text = harness.IMPORTS + (
        "async def look(context):\n"
        "    await context.wait_for_all_tasks()\n"
        "async def handler(event, context):\n"
        "    if event.name == 'start':\n"
        "        context.create_task(look(context), name='look')\n"
        "        await context.wait_for_all_tasks()\n"
        "        yield TextToSpeechEvent('all done')\n"
    )
    played = harness.play(text, ["hello"])
    assert [e.data["message"] for e in played.errors] == [
        "RuntimeError: Background task 'look' called context.wait_for_all_tasks(), and would wait for itself: call it in the "
        "handler."
    ]
    assert played.said == ["all done"]
    assert played.status == "completed"


def test_a_loop_is_reset_though_what_it_drops_wakes_something_up():
    async def abandoned():
        try:
            yield 1
        finally:
            await asyncio.sleep(1)

    async def main(loop):
        generator = abandoned()
        await anext(generator)
        loop.call_soon(lambda held: held, generator)
        del generator
        loop.reset()
        return loop.time()

    assert harness.on_virtual_loop(main) == 0.0
