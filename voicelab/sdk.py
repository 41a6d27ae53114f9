"""The only module that imports primfunctions: its names, its traps closed, and the guide's spellings made to work.

The SDK keeps process-wide state (`metrics`, `logger`, `tracer`), shares default arguments between sessions, draws
variants from the global generator and times tasks out without a word. `SessionContext` and `hosted()` close these for
one session each, without changing the SDK's code: a `SessionContext` talks to a `Host`, which is the session engine.
`LabContext` adds the spellings of the Developer Guide that the SDK doesn't know; `strict` handlers don't get it.
"""

import asyncio
import bisect
import contextlib
import copy
import copyreg
import functools
import importlib
import importlib.metadata
import inspect
import itertools
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import primfunctions.events as sdk_events
from primfunctions.configuration import Configuration
from primfunctions.context import Context
from primfunctions.events import (
    AudioEvent,
    CustomEvent,
    DTMFEvent,
    Event,
    StartEvent,
    StopEvent,
    TextEvent,
    TextToSpeechEvent,
    TimeoutEvent,
)
from primfunctions.experiment import Experiment, ExperimentContext
from primfunctions.logger import Logger, logger
from primfunctions.metrics import Metrics, metrics
from primfunctions.tracer import Tracer, tracer

from voicelab import isolation
from voicelab.errors import ForcedVariantError, InputError, did_you_mean
from voicelab.work import CLEANUP_S, Work, faulty, faulty_work

__all__ = [
    "FOLDER",
    "NAMES",
    "VERSION",
    "Configuration",
    "Contexts",
    "CustomEvent",
    "DTMFEvent",
    "Event",
    "Host",
    "LabContext",
    "SessionContext",
    "StartEvent",
    "StopEvent",
    "TextEvent",
    "TextToSpeechEvent",
    "TimeoutEvent",
    "check_weights",
    "deliverable",
    "hosted",
    "start_event",
    "supply",
]

VERSION: str = importlib.metadata.version("primfunctions")
TASK_TIMEOUT_S = 30
FOLDER = str(Path(str(sdk_events.__file__)).parent)
"""Where the SDK's code lies."""


def _public_names() -> dict[str, str]:
    names = {
        name: sdk_events.__name__
        for name, value in vars(sdk_events).items()
        if inspect.isclass(value) and issubclass(value, Event)
    }
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
    return getattr(importlib.import_module(NAMES[name]), name)


class Host(Protocol):
    """What a context reports to: the session that it belongs to."""

    run_tests: Mapping[str, bool]
    forced: Mapping[str, str]
    terminal: bool

    @property
    def turn(self) -> int:
        """The present turn."""

    def uniform(self, stream: str) -> float:
        """Return the session's number from [0, 1) for a stream."""

    def declare(self, test: str, variants: Mapping[Any, float], stop: Any, metrics: list[str]) -> str:
        """Check a test's declaration and return it as JSON text; raise InputError if it can't be meant."""

    def expose(self, test: str, variant: Any, weights: Mapping[Any, float], assignment: str, declaration: str) -> None:
        """Take the variant that the session got."""

    def emitted(self, event: Event) -> None:
        """Take an event that the context itself sends (output data, log lines)."""

    def task_emitted(self, event: Any, stream: Any, task: str, turn: int) -> None:
        """Take what a background task yields from its stream."""

    def task_failed(self, error: BaseException, task: str, turn: int) -> None:
        """Take the exception of a background task."""

    def gave_up(self, work: Work, task: str | None, turn: int) -> None:
        """Be told that cancelled work goes on and is not driven any further; `task` is None for the handler's."""

    def task_done(self) -> None:
        """Be told that a background task has ended."""

    def measured(self, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Take a metric."""

    def logged(self, level: str, message: Any, attributes: Any) -> None:
        """Take a line of the SDK's logger."""

    def note(self, rule: str, frame: FrameType | None, **facts: Any) -> None:
        """Take a portability note about the line that a frame is at."""

    def fault(self, task: str) -> BaseException | None:
        """Return the exception that the world raises in a task, or None."""


CONTEXT: ContextVar["SessionContext | None"] = ContextVar("voicelab_context", default=None)


# --- tests and outcomes ----------------------------------------------------------------------------------------------


class SessionExperiments(ExperimentContext):
    """The SDK's experiments with each test's variant drawn from a stream of its own, or forced."""

    def __init__(self, host: Host) -> None:
        super().__init__(run_experiment=dict(host.run_tests))
        self._host = host
        self.written: set[str] = set()

    def add(
        self,
        name: str,
        variants: dict[Any, float],
        conversion_metrics: list[str] | None = None,
        description: str = "",
        stop: dict[str, Any] | None = None,
    ) -> Any:
        """Declare a test, draw its variant and report both; later declarations of the same test change nothing."""
        if name not in self.experiments:
            declaration = self._host.declare(name, variants, stop, conversion_metrics or [])
            experiment = Experiment(
                name, variants, conversion_metrics, description, stop, self.run_experiment.get(name, True)
            )
            assignment = self._assign(experiment)
            self._host.expose(name, experiment.value, variants, assignment, declaration)
            self.experiments[name] = experiment
        return super().add(name, variants, conversion_metrics, description, stop)

    def _assign(self, experiment: Experiment) -> str:
        forced = self._host.forced.get(experiment.name)
        if forced is not None:
            experiment.value = _variant_named(experiment, forced)
            return "forced"
        if experiment.value is not None:
            return "default_after_stop"
        cumulative = list(itertools.accumulate(experiment.variants.values()))
        at = self._host.uniform(f"test:{experiment.name}") * cumulative[-1]
        index = min(bisect.bisect_right(cumulative, at), len(cumulative) - 1)
        experiment.value = list(experiment.variants)[index]
        return "random"

    def set_outcome(self, name: str, value: Any) -> Any:
        """Set an outcome."""
        previous = super().set_outcome(name, value)
        self.written.add(name)
        return previous

    def trigger_outcome(self, name: str) -> Any:
        """Count an outcome up, or set it True."""
        previous = super().trigger_outcome(name)
        self.written.add(name)
        return previous

    def reset_outcome(self, name: str) -> Any:
        """Set an outcome back."""
        previous = super().reset_outcome(name)
        self.written.add(name)
        return previous

    def record_conversion(self, metric_name: str, metric_type: str, value: float) -> None:
        """Add a conversion metric to its outcome."""
        super().record_conversion(metric_name, metric_type, value)
        self.written.add(metric_name)


def check_weights(name: str, variants: Any) -> None:
    """Refuse variants that can't be drawn from.

    Raises:
        InputError: no variants, one named None, or a weight that is not above 0.
    """
    if not isinstance(variants, Mapping) or not variants:
        raise InputError(
            f"Test {name!r} has the variants {variants!r}, must be a dict of at least one variant and its weight, "
            "e.g. {'formal': 0.5, 'casual': 0.5}."
        )
    if None in variants:
        raise InputError(f"Test {name!r} has a variant named None, which the SDK draws again at every read. Rename it.")
    for variant, weight in variants.items():
        number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight) or weight <= 0:
            raise InputError(
                f"Test {name!r}: the weight of {variant!r} is {weight!r}, must be a number above 0. "
                "Leave a variant out instead of giving it no weight."
            )


def _variant_named(experiment: Experiment, forced: str) -> Any:
    for variant in experiment.variants:
        if variant == forced or str(variant) == str(forced):
            return variant
    known = ", ".join(repr(str(v)) for v in experiment.variants)
    raise ForcedVariantError(
        f"variants={{{experiment.name!r}: {forced!r}}} forces a variant that the test doesn't have; it has {known}."
        + did_you_mean(str(forced), map(str, experiment.variants))
    )


# --- the context -----------------------------------------------------------------------------------------------------


class SessionContext(Context):
    """The SDK's context for one session: nothing shared with any other, tasks that fail aloud.

    Args:
        host: The session.
        data: Parameters of the session; copied, and read by the handler with `get_data`.
        variables: The organisation's and environment's variables.
        environment: Name of the environment.
        configuration: Arguments of the SDK's `Configuration`.
        input_data: What the caller of the entrypoint passed in.
        session_id: The session's id.
        agent_id: The agent's id.
    """

    def __init__(
        self,
        host: Host,
        *,
        data: Mapping[str, Any] | None = None,
        variables: Mapping[str, str] | None = None,
        environment: str = "",
        configuration: Mapping[str, Any] | None = None,
        input_data: Mapping[str, Any] | None = None,
        session_id: str = "",
        agent_id: str = "",
    ) -> None:
        self._configuration: Configuration | None
        # Deep copies and fresh objects throughout: the SDK's defaults are shared by every context of the process.
        super().__init__(
            agent_id=agent_id,
            session_id=session_id,
            environment=environment,
            configuration=None,
            data=copy.deepcopy(dict(data)) if data else {},
            input_data=copy.deepcopy(dict(input_data)) if input_data else None,
            variables=dict(variables) if variables else {},
            on_event=host.emitted,
        )
        self._host = host
        self._configuration_arguments = configuration or {}
        self._experiments = self.testing = SessionExperiments(host)
        self.transcript_parts: list[dict[str, Any]] = self._transcript
        self._metric_tags: dict[str, str] = {}
        self._conversions: set[str] = set()
        # Every task that still runs, also those that were cancelled and forgotten by name.
        self.running: dict[asyncio.Task[None], Work] = {}

    @property
    def configuration(self) -> Configuration:
        """The session's own configuration, made when it is first asked for."""
        if self._configuration is None:
            self._configuration = Configuration(**self._configuration_arguments)
        return self._configuration

    @configuration.setter
    def configuration(self, configuration: Configuration | None) -> None:
        self._configuration = configuration

    @property
    def experiments(self) -> SessionExperiments:
        """The tests and outcomes of the session."""
        return self._experiments

    # The tests of the SDK, without its process-wide registration of tags and callbacks.

    def experiment(
        self,
        name: str,
        variants: dict[Any, float],
        conversion_metrics: list[str] | None = None,
        description: str = "",
        stop: dict[str, Any] | None = None,
    ) -> Any:
        """Declare a test and return the session's variant of it."""
        variant = self._experiments.add(name, variants, conversion_metrics or [], description, stop)
        self.on_event(
            sdk_events.LogEvent(f"Experiment '{name}' selected variant '{variant}'", location="context.experiment")
        )
        self._metric_tags[f"experiment_{name}"] = str(variant)
        # One entry a metric: a handler that declares its test at every event must not count each conversion again.
        self._conversions.update(conversion_metrics or [])
        return variant

    def record_metric(self, type: str, name: str, value: float, tags: Mapping[str, str] | None) -> None:
        """Take a metric that the handler records: tag it, log it, and add a conversion to its outcome."""
        self._host.measured(type, name, value, {**self._metric_tags, **(tags or {})})
        if name in self._conversions:
            self._experiments.record_conversion(name, type, value)

    # Background tasks: named readably, stamped with the turn that made them, never silent about their end.

    def create_task(
        self, handler: Any, name: str | None = None, interruptible: bool = False, timeout: float | None = TASK_TIMEOUT_S
    ) -> dict[str, Any]:
        """Run a coroutine or async generator beside the conversation.

        Returns:
            The SDK's entry: a dict of task, timeout_task, interruptible and timeout.

        Raises:
            RuntimeError: the session is ending and the task is interruptible, or it has ended.
            TypeError: something that can't run, or a timeout that is no number.
        """
        _check_task(handler, timeout)
        if self._host.terminal and interruptible:
            if inspect.iscoroutine(handler):
                handler.close()
            raise RuntimeError("Context task registration is closed or not eligible for session cleanup")
        if name and name in self.tasks:
            self.cancel_task(name)
        name = name or self._free_name(handler)
        turn = self._host.turn
        work = Work(lambda work: self._host.gave_up(work, name, turn), CLEANUP_S)
        task = asyncio.create_task(self._run_task(work, handler, name, turn), name=name)
        self.running[task] = work
        timer = timeout is not None and asyncio.get_running_loop().call_later(
            timeout, self._time_out, name, task, timeout, turn
        )

        def ended(_: Any) -> None:
            del self.running[task]
            if timer:
                timer.cancel()
            if inspect.iscoroutine(handler) and not work.given_up:
                handler.close()  # cancelled before it began, it would be reported as never awaited
            self._host.task_done()

        task.add_done_callback(ended)
        # The SDK waits for the task in a second task; the first one serves for both here.
        entry = {"task": task, "timeout_task": task, "interruptible": interruptible, "timeout": timeout}
        self.tasks[name] = entry
        return entry

    def _free_name(self, handler: Any) -> str:
        base = getattr(handler, "__name__", None) or type(handler).__name__
        names = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in self.tasks)

    async def _run_task(self, work: Work, handler: Any, name: str, turn: int) -> None:
        host = self._host
        isolation.TASK.set(name)
        try:
            fault = host.fault(name)
            if not hasattr(handler, "__aiter__"):
                await work.wait(handler if fault is None else faulty_work(handler, fault))
                return
            stream = handler if fault is None else faulty(handler, fault)
            await work.hear(stream, host.task_emitted, handler, name, turn)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001 - whatever a task raises is a row of the log, and the session goes on
            host.task_failed(error, name, turn)
        finally:
            if hasattr(handler, "aclose") and not work.given_up:
                await work.wait(handler.aclose())

    def _time_out(self, name: str, task: asyncio.Task[None], timeout: float, turn: int) -> None:
        if not task.done():
            limit = TimeoutError(f"Background task {name!r} was cancelled after its timeout of {timeout:g} s")
            self._host.task_failed(limit, name, turn)
            task.cancel()

    def cancel_task(self, name: str) -> None:
        """Cancel a task and forget it."""
        entry = self.tasks.pop(name, None)
        if entry is not None:
            entry["task"].cancel()


def _check_task(handler: Any, timeout: Any) -> None:
    """Refuse what `create_task` can't run, before anything of it runs."""
    if not (hasattr(handler, "__await__") or hasattr(handler, "__aiter__")):
        raise TypeError(
            f"create_task() was given {handler!r}, must be a coroutine or an async generator: call the function, e.g. "
            "context.create_task(look_up(context))."
        )
    number = isinstance(timeout, int | float) and not isinstance(timeout, bool)
    if timeout is not None and not (number and timeout >= 0):
        if inspect.iscoroutine(handler):
            handler.close()  # it would be reported as never awaited
        raise TypeError(
            f"create_task() was given timeout={timeout!r}, must be seconds from 0 on, or None for no limit."
        )


class LabContext(SessionContext):
    """A `SessionContext` that also understands the Developer Guide's spellings, with a note for each."""

    def add_test(self, name: str, options: dict[Any, float], description: Any = "", stop: Any = None) -> Any:
        """Declare a test, as the guide does."""
        self._host.note("add_test", sys._getframe(1))
        if isinstance(description, dict):
            self._host.note("positional_stop", sys._getframe(1))
        return self._experiments.add(name, options, description=description, stop=stop or None)

    def get_test(self, name: str) -> Any:
        """Return the session's variant of a test."""
        self._host.note("get_test", sys._getframe(1))
        return self._variant(name)

    def get_experiment(self, name: str) -> Any:
        """Return the session's variant of a test."""
        return self._variant(name)

    def _variant(self, name: str) -> Any:
        if name not in self._experiments.experiments:
            known = self._experiments.experiments
            declared = f"Declared so far: {', '.join(known)}." if known else "No test is declared yet in this session."
            raise InputError(f"Experiment '{name}' not found. {declared}{did_you_mean(name, known)}")
        return self._experiments.get(name)

    def add_outcome(self, name: str, type: str, description: str = "") -> None:
        """Declare an outcome, as the guide does."""
        self._host.note("add_outcome", sys._getframe(1))
        self._experiments.add_manual_outcome(name, type, description)

    def get_outcome(self, name: str, default: Any = None) -> Any:
        """Return an outcome's value, or the default before it was set for the first time."""
        if default is not None:
            self._host.note("get_outcome_default", sys._getframe(1))
            if name not in self._experiments.written:
                return default
        return self._experiments.get_outcome(name)

    def set_outcome(self, name: str, value: Any) -> Any:
        """Set an outcome; the first time declares it by the type of its value."""
        if name not in self._experiments.outcomes:
            self._host.note("undeclared_outcome", sys._getframe(1), name=name)
            self._experiments.add_manual_outcome(name, _type_of(value))
        if isinstance(value, float) and value > 1 and "rate" in str(name):
            self._host.note("rate_above_one", sys._getframe(1), name=name)
        return self._experiments.set_outcome(name, value)

    def trigger_outcome(self, name: str) -> Any:
        """Count an outcome up, or set it True; the first time declares it as boolean."""
        if name not in self._experiments.outcomes:
            self._host.note("undeclared_outcome", sys._getframe(1), name=name)
            self._experiments.add_manual_outcome(name, "boolean")
        return self._experiments.trigger_outcome(name)

    def create_task(
        self,
        handler: Any,
        name: str | None = None,
        interruptible: bool = False,
        timeout: float | None = TASK_TIMEOUT_S,
        background_task_name: str | None = None,
    ) -> dict[str, Any]:
        """Run a coroutine or async generator beside the conversation; `background_task_name` is the guide's `name`."""
        if background_task_name is not None:
            self._host.note("background_task_name", sys._getframe(1))
        elif name is None:
            self._host.note("unnamed_task", sys._getframe(1))
        return super().create_task(handler, name or background_task_name, interruptible, timeout)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    return "string" if isinstance(value, str) else "float"


class _Nobody:
    """The host of the context that others are copied from."""

    run_tests: Mapping[str, bool] = {}

    def emitted(self, event: Event) -> None:
        """Take nothing."""


_NOBODY: Any = _Nobody()


class Contexts:
    """Makes the contexts of a run's sessions.

    The SDK's constructor runs once; every session gets what it left behind, with containers of its own. That takes a
    third of the time, and holds for whatever else the SDK's constructor will set.

    Args:
        strict: Leave out the tolerance for the guide's spellings.
        arguments: Those of `SessionContext` that all sessions have in common.
    """

    def __init__(self, *, strict: bool, **arguments: Any) -> None:
        self._class = SessionContext if strict else LabContext
        self._input_data = dict(arguments.get("input_data") or {})
        prototype = vars(self._class(_NOBODY, **arguments))
        self._containers = {name: value for name, value in prototype.items() if type(value) in {dict, list, set}}
        self._rest = {name: value for name, value in prototype.items() if name not in self._containers}

    def make(self, host: Host, session_id: str, data: Mapping[str, Any] | None) -> SessionContext:
        """Return the context of a session and make it the one that `metrics` and `logger` report to.

        Args:
            host: The session.
            session_id: The session's id.
            data: Its parameters; copied.
        """
        context = object.__new__(self._class)
        own = context.__dict__
        own.update(self._rest)
        for name, value in self._containers.items():
            own[name] = value.copy()
        context.transcript_parts = context._transcript
        context.session_id = session_id
        context.on_event = host.emitted
        context._host = host
        context._experiments = context.testing = SessionExperiments(host)
        if data:
            context.data = copy.deepcopy(dict(data))
        if self._input_data:
            context.input_data = copy.deepcopy(self._input_data)
        CONTEXT.set(context)
        return context


# --- events ----------------------------------------------------------------------------------------------------------


def start_event() -> StartEvent:
    """Return a StartEvent with data of its own."""
    event = StartEvent()
    event.data = {}
    return event


def deliverable(event: Event) -> Event:
    """Return a copy of an input event that no other session shares; the SDK's defaults are shared by all events."""
    fresh = copy.copy(event)
    fresh.data = copy.deepcopy(event.data)
    return fresh


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@functools.lru_cache(maxsize=4096)
def _stamp(ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=ns // 1000)).isoformat()


class _SessionDatetime:
    """Stands in for `datetime` in the SDK's events: asking time-machine for each event takes half of a session.

    An event asks for `now(...)` and then for `isoformat()`; dates are written once for each instant, and kept, since
    sessions have many instants in common.
    """

    def now(self, tz: Any = None) -> Any:
        scope = isolation.SCOPE.get()
        return datetime.now(tz) if scope is None or not scope.virtual else self

    def isoformat(self) -> str:
        return _stamp(isolation.SCOPE.get().time_ns())  # type: ignore[union-attr]


def _accepting_guide_spelling(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def __init__(self: Any, *args: Any, interruptable: Any = _UNSET, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if interruptable is not _UNSET:
            context = CONTEXT.get()
            if isinstance(context, LabContext):
                context._host.note("interruptable", sys._getframe(1))
                kwargs["interruptible"] = interruptable
            else:
                kwargs["interruptable"] = interruptable
        original(self, *args, **kwargs)

    return __init__


_UNSET: Any = object()


# --- process-wide state ----------------------------------------------------------------------------------------------


class _MetricsRouter:
    def record(self, type: Any, name: str, value: float, tags: Mapping[str, str] | None) -> None:
        context = CONTEXT.get()
        if context is None:
            sys.stdout.write(f"[metric:{type}] {name}={value}{f' {tags}' if tags else ''}\n")
        else:
            context.record_metric(str(type), name, value, tags)


class _LoggerRouter:
    def __getattr__(self, level: str) -> Callable[..., None]:
        def log(message: Any, attributes: Any = None) -> None:
            context = CONTEXT.get()
            if context is None:
                sys.stdout.write(f"[{level}] {message}\n")
            else:
                context._host.logged(level, message, attributes)

        return log


class _TracerRouter:
    """Logs the calls of functions that are decorated with `tracer.tool`, in sessions; elsewhere they just run."""

    def tool(self, function: Callable[..., Any], *, name: str | None, **_: Any) -> Callable[..., Any]:
        label = str(name or getattr(function, "__name__", "tool"))
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def traced_async(*args: Any, **kwargs: Any) -> Any:
                _log_tool(label)
                return await function(*args, **kwargs)

            return traced_async

        @functools.wraps(function)
        def traced(*args: Any, **kwargs: Any) -> Any:
            _log_tool(label)
            return function(*args, **kwargs)

        return traced


def _log_tool(label: str) -> None:
    context = CONTEXT.get()
    if context is not None:
        context._host.logged("tool", label, None)


@contextlib.contextmanager
def hosted() -> Iterator[None]:
    """Make the SDK and the process ready to host sessions (see `voicelab.isolation`); nests and overlaps freely."""
    with isolation.hosted(), _sdk.applied():
        yield


replaced = isolation.replaced
_sdk = isolation.SharedPatches(
    lambda: (
        replaced(sdk_events, datetime=_SessionDatetime()),
        replaced(TextToSpeechEvent, __init__=_accepting_guide_spelling(TextToSpeechEvent.__init__)),
        replaced(AudioEvent, __init__=_accepting_guide_spelling(AudioEvent.__init__)),
        replaced(metrics, _impl=_MetricsRouter()),
        replaced(logger, _impl=_LoggerRouter()),
        replaced(tracer, _impl=_TracerRouter()),
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
