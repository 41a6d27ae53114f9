"""The SDK's context for one session: nothing shared with any other, tasks that fail aloud."""

import asyncio
import contextvars
import copy
import inspect
import itertools
import sys
from collections.abc import AsyncIterable, Mapping
from types import FrameType
from typing import Any

from voicelab.base.accepted_types import Cell, Given
from voicelab.base.plain_json import whole_characters, written_text
from voicelab.runtime import isolation
from voicelab.runtime.context.experiments import SessionExperiments
from voicelab.runtime.context.ports import Host
from voicelab.runtime.current_context import CONTEXT
from voicelab.runtime.driving import CLEANUP_S, Background, Work, finished, listen
from voicelab.runtime.sdk import Configuration, Context, LogEvent

TASK_TIMEOUT_S = 30
_PLAIN = frozenset({str, int, float, bool, type(None), list, dict, tuple})


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

    knows_guide = False

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

    def get_data(self, key: str, default: Any = None) -> Any:
        """Return a parameter, or what the handler has stored; what is missing is told after the run."""
        if key in self.data:
            return self.data[key]
        if default is None:
            self._host.asked_in_vain(key, sys._getframe(1))
        return default

    def set_data(self, key: str, value: Any) -> None:
        """Store a value; one that can't be logged is told of here, where the line is known."""
        self.data[key] = value
        if type(value) not in _PLAIN:
            self._host.stored(key, value, sys._getframe(1))

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
        self.on_event(LogEvent(f"Experiment '{name}' selected variant '{variant}'", location="context.experiment"))
        self._metric_tags[f"experiment_{name}"] = str(variant)
        # One entry a metric: a handler that declares its test at every event must not count each conversion again.
        self._conversions.update(conversion_metrics or [])
        return variant

    def record_metric(self, type: str, name: str, value: float, tags: Mapping[str, str] | None) -> None:
        """Take a metric that the handler records: tag it, log it, and add a conversion to its outcome."""
        self._host.measured(type, name, value, {**self._metric_tags, **(tags or {})})
        if name in self._conversions:
            self._experiments.record_conversion(name, type, value)

    def logged(self, level: str, message: Given, attributes: Mapping[str, Any] | None) -> None:
        """Take a line of the SDK's logger, or the call of a traced tool."""
        self._host.logged(level, message, attributes)

    def note(self, rule: str, frame: FrameType | None, **facts: Cell) -> None:
        """Take a portability note about the line that a frame is at."""
        self._host.note(rule, frame, **facts)

    # Background tasks: named readably, stamped with the turn that made them, never silent about their end.

    def create_task(
        self,
        handler: Background,
        name: str | None = None,
        interruptible: bool = False,
        timeout: float | None = TASK_TIMEOUT_S,
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
        name = whole_characters(written_text(name)) if name else self._free_name(handler)
        turn = self._host.turn
        work = Work(handler, lambda work: self._host.gave_up(work, name, turn), CLEANUP_S)
        variables = contextvars.copy_context()
        task = asyncio.create_task(self._run_task(work, handler, name, turn), name=name, context=variables)
        self.running[task] = work
        timer = timeout is not None and asyncio.get_running_loop().call_later(
            timeout, self._time_out, name, task, timeout, turn
        )

        def ended(_: asyncio.Task[None]) -> None:
            del self.running[task]
            # A Task keeps its context variables when it has ended, and with this one the context that keeps the Task: they
            # would wait for the garbage collector, hundreds of them, and each look for tasks left behind pass them all.
            variables.run(CONTEXT.set, None)
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

    def _free_name(self, handler: Background) -> str:
        base = getattr(handler, "__name__", None) or type(handler).__name__
        names = itertools.chain([base], (f"{base}-{n}" for n in itertools.count(2)))
        return next(name for name in names if name not in self.tasks)

    async def _run_task(self, work: Work, handler: Background, name: str, turn: int) -> None:
        host, own = self._host, asyncio.current_task()
        isolation.TASK.set(name)
        try:
            fault = host.fault(name)
            if isinstance(handler, AsyncIterable):
                await work.drive(listen(handler, lambda event: host.task_emitted(event, handler, turn, name), fault))
            else:
                await work.drive(finished(handler, fault))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            host.withdraw()
            if isinstance(error, GeneratorExit) and (
                asyncio._get_running_loop() is None or asyncio.current_task() is not own
            ):
                raise  # thrown in by whoever frees it
            host.task_failed(error, name, turn)
        finally:
            if hasattr(handler, "aclose") and not work.given_up:
                await work.drive(finished(handler.aclose()))

    def _time_out(self, name: str, task: asyncio.Task[None], timeout: float, turn: int) -> None:
        if not task.done():
            limit = TimeoutError(f"Background task {name!r} was cancelled after its timeout of {timeout:g} s")
            self._host.task_failed(limit, name, turn)
            task.cancel()

    async def wait_for_all_tasks(self) -> None:
        """Wait until every task has ended.

        Raises:
            RuntimeError: one of the tasks calls it. It would wait for itself, and nothing could cancel it any more.
        """
        own = asyncio.current_task()
        if own in self.running:
            raise RuntimeError(
                f"Background task {own.get_name()!r} called context.wait_for_all_tasks(), and would wait for itself: call "
                "it in the handler."
            )
        await super().wait_for_all_tasks()

    def cancel_task(self, name: str) -> None:
        """Cancel a task and forget it."""
        entry = self.tasks.pop(name, None)
        if entry is not None:
            entry["task"].cancel()


def _check_task(handler: Given, timeout: float | None) -> None:
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
