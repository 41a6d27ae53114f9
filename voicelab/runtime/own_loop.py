"""Runs a session on an event loop of its own, also where a loop runs already: a notebook's cell."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from voicelab.base.ctrl_c import heeded, is_ctrl_c
from voicelab.runtime import sdk
from voicelab.runtime.cpu_limit import cpu_limited
from voicelab.runtime.driving import STOPPED, end_leftovers

T = TypeVar("T")
_STOPPED_BY_HANDLER = "Event loop stopped before Future completed."


def in_own_loop(
    main: Callable[[], Coroutine[Any, Any, T]], make_loop: Callable[[], asyncio.AbstractEventLoop], cpu_s: float
) -> T:
    """Run a coroutine to its end on a loop of its own, also where a loop runs already (a notebook's cell).

    Args:
        main: Makes the coroutine.
        make_loop: Makes the loop.
        cpu_s: Seconds of processor time that a session on it may use.
    """

    def run_here() -> T:
        with heeded(), cpu_limited(cpu_s):
            return run_limited()

    def run_limited() -> T:
        loop = make_loop()
        try:
            task = loop.create_task(main())
            started.append((loop, task))
            return until_done(loop, task)
        finally:
            loop.run_until_complete(end_leftovers())
            loop.run_until_complete(sdk.close_connections())
            loop.close()

    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []
    if asyncio._get_running_loop() is None:
        return run_here()
    return _in_thread(run_here, started)


def until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T]) -> T:
    """Run a loop until a Task is done, also where others of the loop's raise what asyncio lets through."""
    while True:
        try:
            return loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit) as error:
            # Of a task or a callback that a handler has started by itself: its session goes on.
            if task.done() or is_ctrl_c(error):
                raise
        except RuntimeError as error:
            if task.done() or str(error) != _STOPPED_BY_HANDLER:
                raise


def _in_thread(run_here: Callable[[], T], started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]]) -> T:
    outcome: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            outcome.append(run_here())
        except BaseException as error:  # noqa: BLE001 - it is raised again in the caller's thread
            errors.append(error)

    thread = threading.Thread(target=target, name="voicelab session", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        for loop, task in started:
            with contextlib.suppress(RuntimeError):  # the loop may have closed meanwhile
                loop.call_soon_threadsafe(task.cancel, STOPPED)
        raise
    if errors:
        raise errors[0]
    return outcome[0]
