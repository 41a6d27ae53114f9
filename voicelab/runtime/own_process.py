"""Refuses what would split, stop or end the process that a session shares with others: a fork, and signals to it.

The interpreter tells of these calls before it makes them, so that the error is raised in the handler's own line. It doesn't
tell of `os._exit`, nor of what code of C does: there a simulation loses its worker, and runs the session alone; in `vl.run` and
the console it is the user's own process that ends.
"""

import os
from collections.abc import Sequence
from typing import Any

from voicelab.base.errors import OwnProcessError

_FORKS = frozenset({"os.fork", "os.forkpty"})
_SIGNALS = frozenset({"os.kill", "os.killpg", "signal.pthread_kill"})
EVENTS = _FORKS | _SIGNALS


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
