"""The handler that goes through steps of a case: one function a kind of step, found by the step's name."""

import asyncio
import contextlib
import datetime
import random
import time
import urllib.request
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
from primfunctions import events as sdk
from primfunctions import shared_data
from primfunctions.completions import configure_provider, generate_chat_completion
from primfunctions.logger import logger
from primfunctions.metrics import metrics
from primfunctions.tracer import tracer

Steps = list[list[Any]]
AGENTS = ["clinic"]
"""Agents of the package that are called besides, by people and in worlds of chance."""


class OwnError(BaseException):
    """What no handler should raise."""


class OwnSpeech(sdk.TextToSpeechEvent):
    """An event of the user's own."""


class Thing:
    """A value that no JSON knows."""

    def __repr__(self) -> str:
        return "a thing"


class ReturnEarly(Exception):
    """Ends the answer at this step, wherever it stands."""


def _meant(value: Any) -> Any:
    """Return what a value of a case stands for."""
    return Thing() if value == "object" else value


class Answer:
    """One call of the handler, or of a task: what its steps need to know.

    Args:
        event: The input.
        context: The session's context.
        call: How often the handler has been called before.
    """

    def __init__(self, event: Any, context: Any, call: int) -> None:
        self.event, self.context, self.call = event, context, call

    async def go(self, steps: Steps) -> AsyncIterator[Any]:
        """Yield what the steps yield."""
        for name, *arguments in steps:
            async for output in STEPS[name](self, *arguments):
                yield output


Step = Callable[..., AsyncIterator[Any]]
STEPS: dict[str, Step] = {}


def _step(name: str) -> Callable[[Step], Step]:
    def named(function: Step) -> Step:
        STEPS[name] = function
        return function

    return named


def _yields(name: str, make: Callable[..., Any]) -> None:
    async def step(at: Answer, *arguments: Any) -> AsyncIterator[Any]:
        del at
        yield make(*arguments)

    STEPS[name] = step


def _does(name: str, do: Callable[..., Any]) -> None:
    async def step(at: Answer, *arguments: Any) -> AsyncIterator[Any]:
        do(at.context, *arguments)
        return
        yield

    STEPS[name] = step


def _tells(name: str, ask: Callable[..., Any]) -> None:
    """Add a step that asks for something and yields what it got, so that it stands in the rows."""

    async def step(at: Answer, *arguments: Any) -> AsyncIterator[Any]:
        yield sdk.LogEvent(f"{name}: {ask(at, *arguments)!r}")

    STEPS[name] = step


# --- yields ---

_yields("speech", lambda text, options: sdk.TextToSpeechEvent(text, **options))
_yields("subclass", OwnSpeech)
_yields("audio", lambda path, options: sdk.AudioEvent(path, **options))
_yields("silence", sdk.SilenceEvent)
_yields("stop", lambda options: sdk.StopEvent(**options))
_yields("transfer", lambda options: sdk.TransferSessionEvent(**options))
_yields("interrupt", sdk.InterruptEvent)
_yields("allow", sdk.InputAllowedEvent)
_yields("listen", lambda options: sdk.STTUpdateSettingsEvent(**options))
_yields("custom", sdk.CustomEvent)
_yields("log", lambda text, options: sdk.LogEvent(text, **options))
_yields("error", sdk.ErrorEvent)
_yields("no event", lambda given: given)


def _event(name: Any, data: Any) -> sdk.Event:
    return sdk.Event(name, data and {key: _meant(value) for key, value in data.items()})


_yields("event", _event)


@_step("flood")
async def _flood(at: Answer, n: int) -> AsyncIterator[Any]:
    for number in range(n):
        yield sdk.LogEvent(f"line {number}", location="flood")


@_step("sees")
async def _sees(at: Answer) -> AsyncIterator[Any]:
    event, context = at.event, at.context
    dated = None if "sent" in event.data else event.timestamp
    seen = [event.name, event.data, event.turn, dated, event.background, context.session_id, sorted(context.tasks)]
    yield sdk.LogEvent(f"sees {seen}")


# --- context ---

_does("set", lambda context, key, value: context.set_data(key, _meant(value)))
_does("output", lambda context, given: context.set_output(given))
_does("experiment", lambda context, name, variants, names, stop: context.experiment(name, variants, names, stop=stop))
_does("add test", lambda context, name, variants, stop: context.add_test(name, variants, stop=stop))
_does("add outcome", lambda context, name, kind: context.add_outcome(name, kind))
_does("set outcome", lambda context, name, value: context.set_outcome(name, _meant(value)))
_does("trigger", lambda context, name: context.trigger_outcome(name))
_does("reset", lambda context, name: context.reset_outcome(name))
_does("message", lambda context, text: context.add_user_message(text))
_does("cancel task", lambda context, name: context.cancel_task(name))
_does("cancel tasks", lambda context: context.cancel_all_tasks())
_does("counter", lambda context, name, value, tags: metrics.counter(name, value=value, tags=tags))
_does("gauge", lambda context, name, value: metrics.gauge(name, value=value))
_does("histogram", lambda context, name, value: metrics.histogram(name, value=value))
_does("logger", lambda context, level, text, attributes: getattr(logger, level)(text, attributes))
_does("print", lambda context, text: print(text, end=""))
_tells("get", lambda at, key: at.context.get_data(key))
_tells("variant", lambda at, name: at.context.get_experiment(name))
_tells("outcome", lambda at, name: at.context.get_outcome(name))
_tells("transcript", lambda at: at.context.get_transcript())
_tells(
    "chance",
    lambda at: (random.random(), str(uuid.uuid4()), time.time(), time.monotonic(), str(datetime.datetime.now())),
)


@tracer.tool
def look_up(key: Any) -> str:
    """Stand for a tool."""
    return f"found {key}"


_tells("tool", lambda at, key: look_up(key))


@_step("complete")
async def _complete(at: Answer, text: str) -> AsyncIterator[Any]:
    configure_provider("openai", voicerun_managed=True)
    request = {"provider": "openai", "model": "gpt-5-mini", "messages": [{"role": "user", "content": text}]}
    yield sdk.LogEvent(f"completion: {(await generate_chat_completion(request)).message.content}")


@_step("http")
async def _http(at: Answer, url: str, library: str) -> AsyncIterator[Any]:
    if library == "httpx":
        async with httpx.AsyncClient() as client:
            yield sdk.LogEvent(f"http: {(await client.get(url)).text}")
    else:
        with urllib.request.urlopen(url) as answer:
            yield sdk.LogEvent(f"http: {answer.read()!r}")


@_step("shared")
async def _shared(at: Answer, key: str) -> AsyncIterator[Any]:
    yield sdk.LogEvent(f"shared: {await shared_data.get(key)!r}")


# --- what takes its time, and what fails ---


@_step("wait")
async def _wait(at: Answer, seconds: float) -> AsyncIterator[Any]:
    await asyncio.sleep(seconds)
    return
    yield


_does("block", lambda context, seconds: time.sleep(seconds))


@_step("thread")
async def _thread(at: Answer, seconds: float) -> AsyncIterator[Any]:
    await asyncio.to_thread(time.sleep, seconds)
    return
    yield


_ERRORS: dict[str, Callable[[str], BaseException]] = {
    **{
        name: getattr(__import__("builtins"), name)
        for name in ("ValueError", "KeyError", "TimeoutError", "RuntimeError")
    },
    **{name: getattr(__import__("builtins"), name) for name in ("StopAsyncIteration", "GeneratorExit", "SystemExit")},
    "CancelledError": asyncio.CancelledError,
    "OwnError": OwnError,
    "GroupError": lambda text: ExceptionGroup(text, [ValueError("one"), KeyError("two")]),
}


@_step("raise")
async def _raise(at: Answer, name: str) -> AsyncIterator[Any]:
    raise _ERRORS[name](f"call {at.call}")
    yield


@_step("return")
async def _return(at: Answer) -> AsyncIterator[Any]:
    raise ReturnEarly
    yield


@_step("never")
async def _never(at: Answer) -> AsyncIterator[Any]:
    await asyncio.Event().wait()
    yield sdk.LogEvent("after for ever")


@_step("stubborn")
async def _stubborn(at: Answer, times: int, seconds: float) -> AsyncIterator[Any]:
    for _ in range(times):
        try:
            await asyncio.sleep(seconds or 1)
        except:  # noqa: E722 - what cancels is swallowed
            yield sdk.LogEvent("stays")


@_step("cancels itself")
async def _cancels_itself(at: Answer) -> AsyncIterator[Any]:
    asyncio.current_task().cancel()  # type: ignore[union-attr]
    yield sdk.LogEvent("has cancelled itself")


@_step("wait for tasks")
async def _wait_for_tasks(at: Answer) -> AsyncIterator[Any]:
    own = asyncio.current_task()
    if all(entry["task"] is not own for entry in at.context.tasks.values()):  # it would wait for itself
        await at.context.wait_for_all_tasks()
    yield sdk.LogEvent("all tasks are done")


@_step("leaves a task")
async def _leaves_a_task(at: Answer, seconds: float) -> AsyncIterator[Any]:
    async def later() -> None:
        await asyncio.sleep(seconds)
        at.context.set_data("later", seconds)

    at.context.kept = asyncio.create_task(later())
    return
    yield


@_step("try")
async def _try(at: Answer, steps: Steps, at_the_end: Steps) -> AsyncIterator[Any]:
    try:
        async for output in at.go(steps):
            yield output
    finally:
        async for output in at.go(at_the_end):
            yield output


@_step("swallow")
async def _swallow(at: Answer, steps: Steps) -> AsyncIterator[Any]:
    try:
        async for output in at.go(steps):
            yield output
    except:  # noqa: E722 - as above
        yield sdk.LogEvent("swallowed")


@_step("catch")
async def _catch(at: Answer, steps: Steps) -> AsyncIterator[Any]:
    try:
        async for output in at.go(steps):
            yield output
    except Exception as error:
        yield sdk.LogEvent(f"caught {error!r}")


@_step("within")
async def _within(at: Answer, seconds: float, steps: Steps) -> AsyncIterator[Any]:
    try:
        async with asyncio.timeout(seconds):
            async for output in at.go(steps):
                yield output
    except TimeoutError:
        yield sdk.LogEvent("too late")


@_step("abandon")
async def _abandon(at: Answer, steps: Steps) -> AsyncIterator[Any]:
    async for output in at.go(steps):
        yield output
        break


@_step("late")
async def _late(at: Answer, calls: int, steps: Steps) -> AsyncIterator[Any]:
    if at.call >= calls:
        async for output in at.go(steps):
            yield output


@_step("beside")
async def _beside(at: Answer, one: float, other: float) -> AsyncIterator[Any]:
    await asyncio.gather(asyncio.sleep(one), asyncio.sleep(other))
    yield sdk.LogEvent("both")


@_step("task")
async def _task(at: Answer, options: dict[str, Any], kind: str, steps: Steps) -> AsyncIterator[Any]:
    async def coroutine() -> None:
        async for _output in at.go(steps):
            pass

    async def generator() -> AsyncIterator[Any]:
        with contextlib.suppress(ReturnEarly):
            async for output in at.go(steps):
                yield output

    at.context.create_task(coroutine() if kind == "coroutine" else generator(), **options)
    return
    yield


# --- the handler ---


def handler_of(program: dict[str, list[Steps]], shape: str) -> Callable[[Any, Any], Any]:
    """Return a handler that goes through a program.

    Args:
        program: For each event the answers that it gives in turn.
        shape: `generator`, as handlers are; `coroutine`, which says nothing; or `function`, which returns a generator.
    """

    def answer(event: Any, context: Any) -> AsyncIterator[Any]:
        call = context.data.get("calls", 0)
        context.data["calls"] = call + 1
        answers = program.get(event.name) or program.get("custom") or [[]]
        return Answer(event, context, call).go(answers[call % len(answers)])

    async def handler(event: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for output in answer(event, context):
                yield output
        except ReturnEarly:
            return

    async def coroutine(event: Any, context: Any) -> None:
        async for _output in handler(event, context):
            pass

    def function(event: Any, context: Any) -> AsyncIterator[Any]:
        return handler(event, context)

    return {"generator": handler, "coroutine": coroutine, "function": function}[shape]
