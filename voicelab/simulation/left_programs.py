"""What ends the programs that sessions have started and left behind: with the run, and with the process that they ran in.

A worker is the first of a group of processes of its own. What a session starts belongs to that group, and so does what that
starts in turn, whoever has waited for it. A watcher beside the worker waits for its end, however it comes (a crash, a kill,
the driver's end), and then ends the group: the dead can't look after what they leave. A worker that a notebook goes on using
has to be replaced at the end of a run whose sessions have left something: `any_left` says so.

A program that leaves its group by itself (`start_new_session=True`, a daemon) is found only as long as its parent, the
worker, lives: `loky` ends a worker's descendants before the worker. Windows has no groups of this kind.
"""

import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import NoReturn

_LOOK_S = 0.5
_TERMINAL = ("SIGTTIN", "SIGTTOU")


def end_with_this() -> None:
    """Make this process the first of a group of its own, and have the group end with it."""
    if not hasattr(os, "fork"):
        return
    with contextlib.suppress(PermissionError):  # the first process of a session is of a group of its own already
        os.setpgid(0, 0)
    # Whoever is in another group than the terminal's is stopped when he reads from it. One that ignores that gets an error,
    # which stands at the handler's line.
    for name in _TERMINAL:
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    worker, ended = os.getpid(), _end_of_this()
    # A grandchild, so that this process has no child: a handler may wait for all of its own.
    child = os.fork()
    if not child:
        try:
            os.setsid()  # before this process goes on: the watcher is none that its sessions have started
            if not os.fork():
                _watch(worker, ended)
        finally:
            os._exit(0)
    with contextlib.suppress(ChildProcessError):  # whose driver ignores its children's ends ignores them too
        os.waitpid(child, 0)
    if ended is not None:
        os.close(ended)


def any_left() -> bool:
    """Return whether programs go on that this process has started, be they its children, or of its group."""
    if not hasattr(os, "fork"):
        return False
    # macOS tells nobody of his children without taking their ends away; the group it has.
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            return True
    return _is_group_shared()


def _is_group_shared() -> bool:
    """Return whether this process's group has others in it: it leaves the group for as long as it takes to ask that."""
    own = os.getpid()
    if os.getpgrp() != own or os.getsid(0) == own:
        return False
    try:
        os.setpgid(0, os.getpgid(os.getppid()))
    except (PermissionError, ProcessLookupError):  # the driver is in another session by now, or gone: who knows
        return True
    try:
        os.killpg(own, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # a program that runs as somebody else
        return True
    finally:
        os.setpgid(0, 0)
    return True


def _end_of_this() -> int | None:
    """Return a descriptor that can be read when this process has ended; None where the system has none."""
    if hasattr(os, "pidfd_open"):
        with contextlib.suppress(OSError):  # an old system
            return os.pidfd_open(os.getpid())
    return None


def _watch(worker: int, ended: int | None) -> NoReturn:
    """Wait until a process has ended, and end its group; in a process that does nothing else."""
    # What it has inherited tells the driver, when it is closed, that the worker is gone; and the output isn't its own.
    first = 0
    if ended is not None:
        os.dup2(ended, first)
        ended, first = 0, 1
    _close_from(first)
    if ended is not None:
        select.select([ended], [], [])
    else:
        while _is_there(worker):
            time.sleep(_LOOK_S)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker, signal.SIGKILL)
    os._exit(0)


def _close_from(first: int) -> None:
    # Those that there are: how many there may be is a thousand million on some machines, and no number on others.
    try:
        numbers = [int(path.name) for path in Path("/dev/fd").iterdir()]
    except OSError:  # a small container
        numbers = list(range(1024))
    for number in numbers:
        if number >= first:
            with contextlib.suppress(OSError):  # closed already: the one of the listing
                os.close(number)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
