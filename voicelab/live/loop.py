"""The event loop of a live session, on a thread of its own."""

import asyncio
import contextlib
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVarTuple

from voicelab.base.records import PortabilityNote
from voicelab.runtime import sdk
from voicelab.runtime.driving import CLEANUP_S, end_leftovers
from voicelab.runtime.watchdog import watching

_LONGEST_END_S = CLEANUP_S + 5.0
"""When a session's end and cleanup are over by themselves."""

Arguments = TypeVarTuple("Arguments")


class _PacedSelector(selectors.DefaultSelector):
    pace = 1.0

    def select(self, timeout: float | None = None) -> Any:
        return super().select(timeout / self.pace if timeout and timeout > 0 else timeout)


class PacedLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds can pass faster than real ones, for conversations without sound."""

    def __init__(self) -> None:
        self._paced = _PacedSelector()
        self._mark_s = self._mark_real_s = time.monotonic()
        super().__init__(self._paced)

    def time(self) -> float:
        """Return the loop's time in seconds."""
        return self._mark_s + (time.monotonic() - self._mark_real_s) * self._paced.pace

    def set_pace(self, pace: float) -> None:
        """Let the loop's seconds pass `pace` times as fast as real ones from now on."""
        self._mark_s, self._mark_real_s = self.time(), time.monotonic()
        self._paced.pace = pace


class LoopThread:
    """A thread that runs a `PacedLoop` until it is closed.

    Args:
        name: The thread's name.
    """

    def __init__(self, name: str) -> None:
        self.loop = PacedLoop()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, function: Callable[[*Arguments], object], *args: *Arguments) -> None:
        """Call a function on the loop, soon; after `close`, do nothing."""
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self.loop.call_soon_threadsafe(function, *args)

    def watching(self, add_note: Callable[[PortabilityNote], None]) -> contextlib.AbstractContextManager[None]:
        """Name calls that hold the loop up, meanwhile; called on the loop.

        Args:
            add_note: Takes a note for each.
        """
        return watching(self.loop, add_note)

    def close(self, first: Callable[[], object] = lambda: None, patience_s: float = 2.0) -> None:
        """Stop the loop when what runs on it has ended.

        Args:
            first: Called on the loop before: what makes its work end.
            patience_s: How long to wait for that; what takes longer, such as a handler's cleanup, goes on by itself.
        """
        self.post(self._wind_up, first)
        # A console may be freed on this very thread, just as it sends.
        if threading.current_thread() is not self._thread:
            self._thread.join(patience_s)

    def _wind_up(self, first: Callable[[], object]) -> None:
        first()
        if not self._ending:
            self._ending = True
            self.loop.create_task(self._stop_when_done())

    async def _stop_when_done(self) -> None:
        own, end_s = asyncio.current_task(), self.loop.time() + _LONGEST_END_S
        while others := [task for task in asyncio.all_tasks() if task is not own]:
            left_s = end_s - self.loop.time()
            if left_s <= 0:
                break
            await asyncio.wait(others, timeout=left_s)
        self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            while not self._run_until_stopped():
                pass
        finally:
            self.loop.run_until_complete(end_leftovers())
            self.loop.run_until_complete(sdk.close_connections())
            self.loop.close()

    def _run_until_stopped(self) -> bool:
        try:
            self.loop.run_forever()
        except (KeyboardInterrupt, SystemExit):
            # Raised by a task of a handler's own: asyncio lets these through the loop, and the session goes on.
            return False
        return True
