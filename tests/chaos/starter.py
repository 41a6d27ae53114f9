"""Starts runs in a hundredth of the time: forks them from a process that has loaded the lab, and has done nothing else.

To start Python and load the lab takes longer than a whole run of a schedule. A run that is forked is a process of its own
all the same, in a session of its own: its workers, which it starts anew as everywhere, are found by the session's number.
"""

import contextlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO, Any

_TESTS = Path(__file__).parent.parent
_LONGEST = 1 << 16


class Started:
    """A run's process.

    Args:
        given: What `one_run` is to do.
        limit: The longest file that it may write, in bytes; None for any.

    Attributes:
        pid: Its number, which is that of its session too.
        stdout: What it says.
        stderr: What it says of errors.
    """

    def __init__(self, given: dict[str, Any], limit: int | None) -> None:
        ends = [os.pipe() for _ in range(3)]
        self.stdout, self.stderr, self._watcher = (_reader(end) for end, _ in ends)
        try:
            asked = json.dumps({"given": given, "limit": limit}).encode()
            socket.send_fds(_server()[0], [asked], [theirs for _, theirs in ends])
        finally:
            for _, theirs in ends:
                os.close(theirs)
        self.pid = int(self._watcher.readline())

    def wait(self, seconds: float) -> int:
        """Return its exit status, negative for a signal.

        Raises:
            TimeoutError: it goes on.
        """
        if not select.select([self._watcher], [], [], seconds)[0]:
            raise TimeoutError(f"process {self.pid} goes on")
        return int(self._watcher.readline())


def _reader(end: int) -> IO[str]:
    return os.fdopen(end, encoding="utf-8", errors="replace")


@cache
def _server() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), *sys.path])}
    with theirs:
        # It ends when nobody holds our end of the socket any more.
        return ours, subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "chaos.one_run"], stdin=theirs, env=environ
        )


# --- in the process ------------------------------------------------------------------------------------------------------


def serve() -> dict[str, Any]:
    """Fork for each run that is asked for, and return in the fork what it is to do; end when nobody asks any more."""
    asking = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so that watchers leave nothing behind
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the shell is for whoever asks
    while True:
        asked, pipes, *_ = socket.recv_fds(asking, _LONGEST, 3)
        if not asked:
            sys.exit(0)
        if not os.fork():
            asking.close()
            return _watched(json.loads(asked), *pipes)
        for pipe in pipes:
            os.close(pipe)


def _watched(asked: dict[str, Any], out: int, err: int, watcher: int) -> dict[str, Any]:
    """Fork a run, and tell whoever has asked its number and, when it ends, its status; return in the fork."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    run = os.fork()
    if run:
        os.close(out)
        os.close(err)
        with contextlib.suppress(BrokenPipeError):
            os.write(watcher, f"{run}\n".encode())
            status = os.waitstatus_to_exitcode(os.waitpid(run, 0)[1])
            os.write(watcher, f"{status}\n".encode())
        os._exit(0)
    os.setsid()
    os.close(watcher)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for own, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(own, number)
        os.close(own)
    if asked["limit"] is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (asked["limit"], asked["limit"]))
    return asked["given"]
