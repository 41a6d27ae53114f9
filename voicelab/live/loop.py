"""The event loop of a live session, on a thread of its own."""

import asyncio
import contextlib
import selectors
import threading
import time
from collections.abc import Callable
from typing import Any

from voicelab.jobs import end_leftovers
from voicelab.records import PortabilityNote
from voicelab.session.watchdog import watching


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
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def post(self, function: Callable[..., object], *args: Any) -> None:
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
            patience_s: How long to wait for that; a handler that blocks the loop is left behind.
        """
        if threading.current_thread() is self._thread:
            self.loop.stop()
            return
        self.post(self._wind_up, first)
        self._thread.join(patience_s)
        self.post(self.loop.stop)

    def _wind_up(self, first: Callable[[], object]) -> None:
        first()
        self.loop.create_task(self._stop_when_done())

    async def _stop_when_done(self) -> None:
        own = asyncio.current_task()
        while others := [task for task in asyncio.all_tasks() if task is not own]:
            await asyncio.wait(others)
        self.loop.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_forever()
        finally:
            end_leftovers(self.loop)
            self.loop.close()
