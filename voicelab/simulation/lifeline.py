"""What ends a worker process with its driver, however that ended; and what makes SIGTERM of the driver a Ctrl-C.

A driver that ends in order shuts its workers down. One that is killed can't, so that each of its processes looks after
itself. On Linux the system kills it when its parent ends, which reaches a process that is stopped, or spins in a call that
lets no other thread run. Elsewhere a thread of its own looks whether the parent is still there. Processes of an executor
of the user's are the user's: nothing here touches them.
"""

import contextlib
import ctypes
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from multiprocessing import util
from types import FrameType
from typing import Any

from voicelab.base.notebook import in_notebook
from voicelab.simulation import left_programs

_LOOK_S = 0.5
_PR_SET_PDEATHSIG = 1
_TERMINATED = 128 + 15
"""What a shell says of a process that SIGTERM has ended."""


class Terminated(SystemExit):
    """The driver was asked to end by SIGTERM: what Ctrl-C does is done, and the process ends with the status of SIGTERM."""

    def __init__(self) -> None:
        super().__init__(_TERMINATED)


def begin_worker(driver: int) -> None:
    """Make a new child process a worker.

    Args:
        driver: The driver's process number.
    """
    left_programs.end_with_this()
    end_with(driver)
    leave_no_thread_waiting()
    # Only now: to load what a worker needs takes a while, in which the driver may end. The collector would go through all that
    # is loaded again and again, a seventh of that while, and find nothing.
    gc.disable()
    from voicelab.simulation.worker import prepare_process

    gc.enable()
    prepare_process()


def end_with(driver: int) -> None:
    """Have this process end when its driver ends.

    Args:
        driver: The driver's process number; this process is a child of it.
    """
    end_with_parent()
    _end_if_orphaned(driver)
    # The stop-watch of the thread is the machine's: a session replaces `time.sleep` for its own context alone.
    threading.Thread(target=_watch, args=(driver, os._exit), name="voicelab lifeline", daemon=True).start()


def end_with_parent() -> None:
    """Have the system end this process when its parent ends, where it can (Linux)."""
    if sys.platform == "linux":
        # Sent when the thread ends that has started this process: it is one that runs the simulation, or waits for it.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(driver: int, end: Any, wait: Any = time.sleep, parent: Any = os.getppid) -> None:
    # Bound as it starts: handlers may replace what modules hold.
    while parent() == driver:
        wait(_LOOK_S)
    end(1)


def _end_if_orphaned(driver: int) -> None:
    if os.getppid() != driver:
        os._exit(1)


def leave_no_thread_waiting() -> None:
    """Have this process end without waiting for threads and processes that handlers have left behind."""
    # Python waits for them at exit, without end, and the driver at its own exit for this process. A finalizer of
    # multiprocessing runs before that wait; whatever has to be sent is sent by then.
    util.Finalize(None, _leave, exitpriority=0)


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(0)


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Have SIGTERM end what runs meanwhile as Ctrl-C does.

    A handler of the user's own is left alone, and so are a notebook's kernel and threads other than the main one, where
    Python sets no handlers.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or in_notebook()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is _terminate:  # else the user has set one meanwhile
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
