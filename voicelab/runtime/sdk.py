"""The only module that imports primfunctions: its names, and its process-wide state led to the session that calls.

The SDK keeps process-wide state (`metrics`, `logger`, `tracer`, the connections to the platform) and dates its events
itself. `hosted()` leads all of it to the session of the calling code, without changing the SDK's code; only the
decorator `tracer.tool` is led there for good. What events get as they are made is in `voicelab.runtime.event_making`, what a
handler gets as `context` in `voicelab.runtime.context`.
"""

import asyncio
import contextlib
import copy
import copyreg
import functools
import gc
import importlib
import importlib.metadata
import inspect
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, ParamSpec, Protocol

import primfunctions.completions as _completion_names
import primfunctions.completions.client as _completions
import primfunctions.events as sdk_events
import primfunctions.shared_data.client as _shared_data
from primfunctions.configuration import Configuration
from primfunctions.context import Context
from primfunctions.events import (
    AudioEvent,
    CustomEvent,
    DTMFEvent,
    ErrorEvent,
    Event,
    InputAllowedEvent,
    InterruptEvent,
    LogEvent,
    SilenceEvent,
    StartEvent,
    StopEvent,
    STTUpdateSettingsEvent,
    TextEvent,
    TextToSpeechEvent,
    TimeoutEvent,
    TransferSessionEvent,
)
from primfunctions.experiment import Experiment, ExperimentContext
from primfunctions.logger import Logger, logger
from primfunctions.metrics import Metrics, metrics
from primfunctions.tracer import Tracer
from primfunctions.utils.streaming import PUNCTUATION_BY_LANGUAGE, clean_text_for_speech, update_sentence_buffer

from voicelab.base.accepted_types import Given
from voicelab.runtime import environment, event_making, isolation
from voicelab.runtime.clock import refuse
from voicelab.runtime.current_context import CONTEXT, log_tool
from voicelab.runtime.event_making import date_text
from voicelab.runtime.http import libraries

P = ParamSpec("P")

__all__ = [
    "FOLDER",
    "NAMES",
    "RENAMED",
    "VERSION",
    "AudioEvent",
    "Configuration",
    "Context",
    "CustomEvent",
    "DTMFEvent",
    "ErrorEvent",
    "Event",
    "Experiment",
    "ExperimentContext",
    "InputAllowedEvent",
    "InterruptEvent",
    "LogEvent",
    "STTUpdateSettingsEvent",
    "SilenceEvent",
    "StartEvent",
    "StopEvent",
    "TextEvent",
    "TextToSpeechEvent",
    "TimeoutEvent",
    "TransferSessionEvent",
    "close_connections",
    "date_text",
    "deliverable",
    "hosted",
    "in_sentences",
    "serve_clients",
    "start_event",
    "supply",
    "text_event",
]

VERSION: str = importlib.metadata.version("primfunctions")
FOLDER = str(Path(str(sdk_events.__file__)).parent)
"""Where the SDK's code lies."""


RENAMED = {"StopAction": "StopEvent"}
"""Names that the platform's guides give events as they import them, and use elsewhere without saying so."""


def _public_names() -> dict[str, str]:
    names = {
        name: sdk_events.__name__
        for name, value in vars(sdk_events).items()
        if inspect.isclass(value) and issubclass(value, Event)
    }
    names |= {
        name: _completion_names.__name__
        for name, value in vars(_completion_names).items()
        if inspect.isclass(value)
        or (("completion" in name or "conversation" in name) and callable(value))
        or name == "configure_provider"
    }
    names |= dict.fromkeys(RENAMED, sdk_events.__name__)
    names |= {"TTSProvider": sdk_events.__name__, "TextToSpeechIdentifier": sdk_events.__name__}
    names |= {"Context": "primfunctions.context", "Configuration": "primfunctions.configuration"}
    return names | {name: f"primfunctions.{name}" for name in ("metrics", "logger", "tracer")}


NAMES: Mapping[str, str] = _public_names()
"""The names that a handler may expect to find, and the module of the SDK that exports each."""


def supply(name: str) -> Any:
    """Return what the SDK exports under a name of `NAMES`.

    Raises:
        KeyError: the SDK has no such name.
    """
    return getattr(importlib.import_module(NAMES[name]), RENAMED.get(name, name))


# --- events ----------------------------------------------------------------------------------------------------------


def text_event(source: str, text: str) -> TextEvent:
    """Return a TextEvent as the SDK makes it, past the look for the guide's spellings: that is for handlers."""
    event = TextEvent.__new__(TextEvent)
    _begin_text_event(event, source, text)
    return event


_begin_text_event = TextEvent.__init__
"""The SDK's own, as long as `hosted` has not put another in its place."""


def start_event() -> StartEvent:
    """Return a StartEvent with data of its own."""
    event = StartEvent()
    event.data = {}
    return event


def deliverable(event: Event) -> Event:
    """Return a copy of an input event that no other session shares; the SDK's defaults are shared by all events."""
    fresh = copy.copy(event)
    fresh.data = copy.deepcopy(event.data)
    fresh.timestamp = Event(event.name).timestamp  # it was made before its session, on a day of the real world
    return fresh


@contextlib.contextmanager
def _added(owner: type, **values: Any) -> Iterator[None]:
    """Give a class attributes that it hasn't, and take them back at the end."""
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name in values:
            delattr(owner, name)


# --- process-wide state ----------------------------------------------------------------------------------------------


# `metrics` and `logger` hand on to an `_impl` where the platform has set one, and print where it has not. What stands there
# meanwhile asks at each call whose code is calling: with an `_impl` for each session the last one to begin would get all.


class _MetricsRouter:
    def record(self, type: str, name: str, value: float, tags: Mapping[str, str] | None) -> None:
        context = CONTEXT.get()
        if context is None:
            sys.stdout.write(f"[metric:{type}] {name}={value}{f' {tags}' if tags else ''}\n")
        else:
            context.record_metric(str(type), name, value, tags)


class _LoggerRouter:
    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(message: Given, attributes: Mapping[str, Any] | None = None) -> None:
            context = CONTEXT.get()
            if context is None:
                sys.stdout.write(f"[{level}] {message}\n")
            else:
                context.logged(level, message, attributes)

        return log


# --- traced tools ----------------------------------------------------------------------------------------------------

# `tracer.tool` decorates while code loads: in a notebook's cell long before any session, in a module that others have
# imported already. What only `hosted()` put in place would miss those calls, so the decorator is one that logs for good.
# Outside sessions its functions just run, as the SDK's own do, and the tracer itself stays free for whoever uses it.


def _logging_calls(function: Callable[P, Any], label: str) -> Callable[P, Any]:
    """Return a function that logs each call in the session that makes it."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def traced_async(*args: P.args, **kwargs: P.kwargs) -> Any:
            log_tool(label)
            return await function(*args, **kwargs)

        return traced_async

    @functools.wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> Any:
        log_tool(label)
        return function(*args, **kwargs)

    return traced


def _decorating(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method `Tracer.tool` with the calls of what it decorates logged."""

    @functools.wraps(original)
    def tool(
        self: Tracer, function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any
    ) -> Any:
        decorate = original(self, name=name, **options)

        def decorated(function: Callable[..., Any]) -> Any:
            return decorate(_logging_calls(function, str(name or getattr(function, "__name__", "tool"))))

        return decorated if function is None else decorated(function)

    return tool


def _log_decorated_before() -> None:
    """Have the functions logged that were decorated before this module was there; the names given to them are lost.

    The SDK's wrappers share one piece of code, by which they are found; each calls what stands in a cell of its own.
    """

    async def awaited() -> None:
        """Stand for all coroutine functions."""

    # The SDK keeps no list of what it has decorated; the garbage collector knows who holds its code.
    samples = [Tracer().tool(_log_decorated_before), Tracer().tool(awaited)]
    for wrapper in gc.get_referrers(*(sample.__code__ for sample in samples)):
        if inspect.isfunction(wrapper):
            function: Any = getattr(wrapper, "__wrapped__", None)
            for cell in wrapper.__closure__ or ():
                if cell.cell_contents is function:
                    cell.cell_contents = _logging_calls(function, getattr(function, "__name__", "tool"))


_log_decorated_before()
Tracer.tool = _decorating(Tracer.tool)


# --- the platform's services -----------------------------------------------------------------------------------------

_served: ContextVar[Mapping[Any, Any]] = ContextVar("voicelab_services", default={})  # noqa: B039 - never changed
_connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, Any]] = weakref.WeakKeyDictionary()


class Posting(Protocol):
    """As much of a connection of aiohttp as the SDK's client of language models uses."""

    def post(self, url: str, *, json: Mapping[str, Any]) -> contextlib.AbstractAsyncContextManager[Any]: ...


class Getting(Protocol):
    """As much of one as its client of shared data uses."""

    def get(self, url: str) -> contextlib.AbstractAsyncContextManager[Any]: ...


class _Client(Protocol):
    """One of the SDK's clients: a module that keeps one connection."""

    _session: Any
    _ensure_session: Callable[[], Any]


def serve_clients(*, completions: Posting | None, shared_data: Getting | None) -> None:
    """Let objects answer what the calling context and the tasks that it makes ask the platform for.

    Args:
        completions: Stands in for the connection of `primfunctions.completions` (see `voicelab.runtime.context.services`); with
            None the SDK says that it is not configured.
        shared_data: The same for `primfunctions.shared_data`.
    """
    served = {_completions: completions, _shared_data: shared_data}
    _served.set({client: connection for client, connection in served.items() if connection is not None})
    for client in _served.get():
        # Otherwise the SDK says that it is not configured, before it asks for a connection at all.
        client.configure("", "")


def _connecting(client: _Client) -> Callable[[], Any]:
    """Return what the SDK's client shall call for its connection: it keeps one a process, and each loop needs its own.

    A connection that failed needs no other in its place: aiohttp opens a new socket for the next request.
    """
    # The original, although `hosted` puts the result in its place: it makes the real connections of wall-clock sessions.
    make = client._ensure_session

    def connection() -> Any:
        served, scope = _served.get().get(client), isolation.SCOPE.get()
        if served is not None:
            return served
        if scope is not None and scope.virtual:
            refuse("A service of the platform, with no model= or shared_data= to answer for it,")
        of_loop = _connections.setdefault(asyncio.get_running_loop(), {})
        # The client reuses what stands in its own global variable: the present loop's, however the loops take turns.
        client._session = of_loop.get(client)
        of_loop[client] = client_session = make()  # the same again, unless it is closed
        # What the SDK asks the platform for is none of the handler's own requests.
        setattr(client_session.connector, libraries.GOES_OUT, True)
        return client_session

    return connection


async def close_connections() -> None:
    """Close the SDK's connections of the running loop, before it is closed itself."""
    for connection in _connections.pop(asyncio.get_running_loop(), {}).values():
        await connection.close()


def in_sentences(pieces: Iterable[str], options: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield pieces of text as they come, each with the sentence that it completes, as the SDK cuts them.

    What is left at the end comes as a sentence with an empty piece.

    Args:
        pieces: The pieces.
        options: The wire form of the SDK's `StreamOptions`.
    """
    marks = PUNCTUATION_BY_LANGUAGE.get(options.get("punctuation_language"), options.get("punctuation_marks"))
    clean, least = options.get("clean_sentences", True), options.get("min_sentence_length", 6)
    buffer = ""
    for piece in pieces:
        buffer, sentence = update_sentence_buffer(piece, buffer, marks, clean, least)
        yield piece, sentence
    rest = clean_text_for_speech(buffer) if clean else buffer
    if rest.strip():
        yield "", rest


def event_classes() -> list[type]:
    """Return the SDK's own classes of events."""
    return [v for v in vars(sdk_events).values() if isinstance(v, type) and v.__module__ == sdk_events.__name__]


@contextlib.contextmanager
def hosted() -> Iterator[None]:
    """Make the SDK and the process ready to host sessions (see `voicelab.runtime.isolation`); nests and overlaps freely."""
    with isolation.isolated(), environment.telling(), _libraries.applied(), _sdk.applied():
        yield


replaced = isolation.replaced
_libraries = isolation.SharedPatches(lambda: (libraries.led_to_exchanges(),))
_sdk = isolation.SharedPatches(
    lambda: (
        replaced(sdk_events, datetime=event_making.SessionDatetime()),
        replaced(LogEvent, _capture_user_location=event_making.place_logged_at),
        *(
            replaced(event, __init__=event_making.accepting_guide_spelling(event.__init__))
            for event in (TextToSpeechEvent, AudioEvent)
        ),
        replaced(TextEvent, __init__=event_making.accepting_data(TextEvent.__init__)),
        *(_added(event, text=property(event_making.guide_text)) for event in (TextEvent, TextToSpeechEvent)),
        replaced(metrics, _impl=_MetricsRouter()),
        replaced(logger, _impl=_LoggerRouter()),
        *(
            # The client calls the one before a first attempt, the other before the next.
            replaced(client, _ensure_session=connection, _reset_session=connection)
            for client, connection in ((client, _connecting(client)) for client in (_completions, _shared_data))
        ),
    )
)


# --- pickling --------------------------------------------------------------------------------------------------------


def _rebuild_configuration(arguments: dict[str, Any]) -> Configuration:
    return Configuration(**arguments)


# The SDK's Configuration defines `__dict__` as a method, so that it neither pickles nor copies; and a copied singleton
# in a worker would report to nobody.
copyreg.pickle(Configuration, lambda c: (_rebuild_configuration, (c.__dict__(),)))
copyreg.pickle(Metrics, lambda _: "metrics")
copyreg.pickle(Logger, lambda _: "logger")
copyreg.pickle(Tracer, lambda _: "tracer")
