"""Runs a session on an event loop of its own, also where a loop runs already: a notebook's cell."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from voicelab.runtime import sdk
from voicelab.runtime.driving import STOPPED, end_leftovers

T = TypeVar("T")


def in_own_loop(main: Callable[[], Coroutine[Any, Any, T]], make_loop: Callable[[], asyncio.AbstractEventLoop]) -> T:
    """Run a coroutine to its end on a loop of its own, also where a loop runs already (a notebook's cell).

    Args:
        main: Makes the coroutine.
        make_loop: Makes the loop.
    """

    def run_here() -> T:
        loop = make_loop()
        try:
            task = loop.create_task(main())
            started.append((loop, task))
            return loop.run_until_complete(task)
        finally:
            loop.run_until_complete(end_leftovers())
            loop.run_until_complete(sdk.close_connections())
            loop.close()

    started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_here()
    return _in_thread(run_here, started)


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
