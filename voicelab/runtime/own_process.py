"""Refuses what would split, stop or end the process that a session shares with others: forks, signals, trace functions.

The interpreter tells of these calls before it makes them, so that the error is raised in the handler's own line. It doesn't
tell of `os._exit`, nor of what code of C does: there a simulation loses its worker, and runs the session alone; in `vl.run` and
the console it is the user's own process that ends.
"""

import os
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from voicelab.base.errors import OwnProcessError

_FORKS = frozenset({"os.fork", "os.forkpty"})
_SIGNALS = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})
# What they are given is called at each line, of the engine too: one that raises stops the engine itself, where neither an
# exception nor a limit reaches it.
_TRACES = frozenset({"sys.settrace", "sys.setprofile", "sys.monitoring.register_callback"})
EVENTS = _FORKS | _SIGNALS | _TRACES


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
    if event in _TRACES:
        _refuse_trace(event, sys._getframe(2))
        return
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


def _refuse_trace(event: str, caller: FrameType) -> None:
    """Refuse a trace function of the session's own; a debugger's or a coverage's is set by code that isn't the user's."""
    # Not at the top: what it imports is isolated by what imports this.
    from voicelab.runtime.tracebacks import is_users

    if is_users(caller.f_code):
        raise OwnProcessError(
            f"{event}(...) would watch all that runs in the process that this session shares with others, the engine too. "
            "Trace or profile from outside: set it before vl.run(...)."
        )
