"""A thread of its own for what takes a while: one piece of work after the other, and no process waits for it at its end.

The standard library's pools are waited for when Python ends, without limit: one handler that blocks would keep the process.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any


class OneAtATime:
    """Does pieces of work on a thread of its own.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._closed = False
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def do(self, work: Callable[[], Any]) -> "asyncio.Future[Any]":
        """Have a function called when all before it have been, and return its result to come; called on a loop."""
        future: Future[Any] = Future()
        self._waiting.put((future, work))
        return asyncio.wrap_future(future)

    def close(self) -> None:
        """Do nothing more than what is being done; what waits is cancelled."""
        self._closed = True
        self._waiting.put(None)

    def _work(self) -> None:
        while (waiting := self._waiting.get()) is not None:
            future, work = waiting
            if self._closed:
                future.cancel()
            elif future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except Exception as error:  # noqa: BLE001 - whoever asked is told
                    future.set_exception(error)
                except BaseException as error:  # noqa: BLE001 - it would end the loop that waits
                    future.set_exception(RuntimeError(f"{type(error).__name__}: {error}"))
            del waiting, future, work  # they may hold a session
