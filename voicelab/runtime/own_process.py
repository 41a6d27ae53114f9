"""Refuses what would split, stop or end the process that a session shares with others: forks, signals, trace functions.

The interpreter tells of these calls before it makes them, so that the error is raised in the handler's own line. It doesn't
tell of `os._exit`, nor of what code of C does: there a simulation loses its worker, and runs the session alone; in `vl.run` and
the console it is the user's own process that ends.

A thread that a session leaves behind doesn't keep the process from ending (`waiting_for_no_thread`).
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import thread as pools
from typing import Any

from voicelab.base.errors import OwnProcessError

_FORKS = frozenset({"os.fork", "os.forkpty"})
_SIGNALS = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})
# What they are given is called at each line, of the engine too: one that raises stops the engine itself, where neither an
# exception nor a limit reaches it.
TRACES = frozenset({"sys.settrace", "sys.setprofile", "sys.monitoring.register_callback"})
EVENTS = _FORKS | _SIGNALS | TRACES


def keep_whole(event: str, args: Sequence[Any]) -> None:
    """Refuse one of `EVENTS` that is about the process, its parent or its group; called for a session's code.

    Raises:
        OwnProcessError: it is about those.
    """
    if event in _FORKS:
        raise OwnProcessError(
            f"{event}() would split the process that this session shares with others. Start a program with "
            "subprocess.run(...), or run the work by vl.offload(...)."
        )
    if event in TRACES:
        raise OwnProcessError(
            f"{event}(...) would watch all that runs in the process that this session shares with others, the engine too. "
            "Trace or profile from outside: set it before vl.run(...)."
        )
    target, number = args
    if number == 0:  # only asks whether there is such a process
        return
    ours = {os.getpid(), os.getppid(), 0, -1}
    if event == "os.killpg":
        ours |= {os.getpgrp()}
    if event == "signal.pthread_kill" or target in ours:
        raise OwnProcessError(
            f"{event}({target}, {int(number)}) would reach the process that this session shares with others. A session ends "
            "by a StopEvent or when the caller hangs up."
        )


@contextlib.contextmanager
def waiting_for_no_thread(in_session: Callable[[], bool]) -> Iterator[None]:
    """Have the process wait at its end for no thread that a session's code starts meanwhile.

    Args:
        in_session: Returns whether the calling code is a session's.
    """
    original = threading.Thread.start
    started: weakref.WeakSet[threading.Thread] = weakref.WeakSet()

    def start(self: threading.Thread) -> None:
        """Start the thread, as a daemon in a session."""
        if in_session():
            with contextlib.suppress(RuntimeError):  # of a thread that can't be started: that is said below
                self.daemon = True
                started.add(self)
        original(self)

    threading.Thread.start = start  # type: ignore[method-assign]
    try:
        yield
    finally:
        threading.Thread.start = original  # type: ignore[method-assign]
        # Pools of threads are waited for beside, daemons or not: a private matter of theirs, which tests/test_limits.py guards.
        for thread in started:
            pools._threads_queues.pop(thread, None)  # type: ignore[attr-defined]
