"""Processes of one session each, as clean as a new one and started in a hundredth of the time.

To start Python and import what a session needs takes a second and a half of processor time. On Linux that is done once for a
run: a process that has loaded it, and has done nothing else, forks for each session. No thread of Python runs in it but one, so
that nothing is lost in a fork, and it is started anew rather than forked from the driver, which may hold anything. Elsewhere
each session's process is started anew.
"""

import contextlib
import os
import pickle
import select
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from voicelab.base.errors import SimulationError
from voicelab.simulation import left_programs, lifeline
from voicelab.simulation.executors import HASH_SEED

_FORKS = sys.platform == "linux"
_SIGKILL = 9
_LENGTH = struct.Struct("<q")
_CODE = "import sys; sys.path[:] = {path!r}; from voicelab.simulation.{module} import {main}; {main}()"


class Process(Protocol):
    """A process of one session."""

    @property
    def pid(self) -> int:
        """Its number."""

    def wait(self, timeout: float, /) -> int:
        """Return its exit status, negative for a signal.

        Raises:
            subprocess.TimeoutExpired: it goes on.
        """


class Entries(NamedTuple):
    """What runs in processes of one session each.

    Attributes:
        module: A module of this room.
        main: Its function that takes what a new process is sent.
        server: Its function that forks for each request.
    """

    module: str
    main: str
    server: str


SESSIONS = Entries("alone", "main", "serve_sessions")
RERUNS = Entries("again", "rerun_main", "serve_reruns")


class LoneProcesses:
    """Starts processes of one session each; to be closed.

    Args:
        entries: What runs in them.
        hash_seed: PYTHONHASHSEED of the processes: the order of their sets.
    """

    def __init__(self, entries: Entries = SESSIONS, hash_seed: str = HASH_SEED) -> None:
        self._entries = entries
        self._hash_seed = hash_seed
        self._server: subprocess.Popen[bytes] | None = None

    def close(self) -> None:
        """End what starts them."""
        if self._server is not None:
            _end(self._server)
            self._server = None

    @contextlib.contextmanager
    def started(self, payload: Any) -> Iterator[Process]:
        """Have a process meanwhile, which is ended at the end.

        Args:
            payload: What it is to take, beside the environment that is the driver's now.
        """
        surroundings = (sys.path[:], dict(os.environ) | {"PYTHONHASHSEED": self._hash_seed}, Path.cwd())
        packed = pickle.dumps((surroundings, payload), protocol=5)
        if not _FORKS:
            process = self._new(self._entries.main)
            try:
                _send(process.stdin, packed)
                yield process
            finally:
                _end(process)
            return
        forked = self._forked(packed)
        try:
            yield forked
        finally:
            if not forked.end():
                self.close()

    def _forked(self, packed: bytes) -> "_Forked":
        if self._server is None or self._server.poll() is not None:
            self.close()
            self._server = self._new(self._entries.server)
        _send(self._server.stdin, packed)
        try:
            return _Forked(self._server)
        except EOFError as error:
            raise SimulationError(
                "A process to run a session alone in could not be started: the machine may be short of memory or of "
                "processes. What was logged before stays; go on with resume=True."
            ) from error

    def _new(self, main: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(  # noqa: S603 - Python itself, with code of our own
            [sys.executable, "-c", _CODE.format(path=sys.path, module=self._entries.module, main=main)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if main == self._entries.server else subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONHASHSEED": self._hash_seed},
            bufsize=0,
        )


class _Forked:
    """A process that the server has forked, and waits for."""

    def __init__(self, server: "subprocess.Popen[bytes]") -> None:
        assert server.stdout is not None  # noqa: S101 - as asked for below
        self._answers = server.stdout
        self._status: int | None = None
        self._serves = True
        self.pid = self._answer()

    def wait(self, timeout: float, /) -> int:
        """Return its exit status, as `Process.wait`."""
        if self._status is None:
            if not select.select([self._answers], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired("a session", timeout)
            self._take_status()
        assert self._status is not None  # noqa: S101 - it was just taken
        return self._status

    def end(self) -> bool:
        """Kill it if it goes on; return whether the server can fork another."""
        if self._status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, _SIGKILL)
            self._take_status()
        return self._serves

    def _take_status(self) -> None:
        try:
            self._status = self._answer()
        except EOFError:  # a session that ends its parent has ended itself as well
            self._status, self._serves = -_SIGKILL, False

    def _answer(self) -> int:
        return int(_LENGTH.unpack(_exactly(self._answers, _LENGTH.size))[0])


def _send(stream: IO[bytes] | None, packed: bytes) -> None:
    assert stream is not None  # noqa: S101 - as asked for above
    data = memoryview(_LENGTH.pack(os.getpid()) + _LENGTH.pack(len(packed)) + packed)
    with contextlib.suppress(BrokenPipeError):
        while data:
            data = data[stream.write(data) :]


def _end(process: "subprocess.Popen[bytes]") -> None:
    # Not by closing its input: a process that the user has forked from the driver may hold that open.
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = stream.read(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


# --- in the process ------------------------------------------------------------------------------------------------------


def payload_here() -> Any:
    """Return what the driver has sent to a process that was started for it alone, which ends with the driver."""
    driver, packed = _request(sys.stdin.buffer)
    left_programs.end_with_this()
    lifeline.end_with(driver)
    return _unpacked(packed)


def _request(stream: IO[bytes]) -> tuple[int, bytes]:
    driver = _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0]
    return driver, _exactly(stream, _LENGTH.unpack(_exactly(stream, _LENGTH.size))[0])


def _unpacked(packed: bytes) -> Any:
    # First of all what the driver imports from: what it sends may need it.
    (path, environ, folder), payload = pickle.loads(packed)  # noqa: S301 - it comes from the driver
    sys.path[:] = path
    os.environ.clear()
    os.environ.update(environ)
    with contextlib.suppress(OSError):
        os.chdir(folder)
    return payload


def serve_forks(run: Callable[[Any], None]) -> None:
    """Fork for each payload that the driver sends, and tell it how the fork has ended; until there is no driver.

    Args:
        run: Takes the payload, in the fork.
    """
    lifeline.end_with_parent()
    requests, answers = os.fdopen(os.dup(0), "rb", 0), os.dup(1)
    with Path(os.devnull).open("r+b", 0) as nothing:
        for number in (0, 1):
            os.dup2(nothing.fileno(), number)
    server = os.getpid()
    warnings.simplefilter(
        "ignore"
    )  # that to fork beside the threads of a numerical library is risky: none of them works
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            driver, packed = _request(requests)
            if os.getppid() != driver:  # it ended before this process could ask to end with it
                return
            pid = os.fork()
            if not pid:
                warnings.resetwarnings()
                requests.close()
                os.close(answers)
                left_programs.end_with_this()
                lifeline.end_with(server)
                try:
                    run(_unpacked(packed))  # it ends the process itself
                finally:
                    os._exit(1)  # whatever is raised must not go on as the server
            os.write(answers, _LENGTH.pack(pid))
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            os.write(answers, _LENGTH.pack(status))
