"""What belongs to the whole process and must belong to one session: the time, chance, print, sleep and the network.

A handler calls `time.time()`, `random.random()`, `uuid.uuid4()`, `print()`. While `isolated()` is entered these look at
the ContextVar `SCOPE`: inside a session they use that session's clock, seeds and log; everywhere else in the process
(another cell, another thread, a live console) they stay what they were.

Why a ContextVar. Sessions of one process share its modules, and a notebook's kernel may run a simulation beside a live
console. To replace `time.time` for the length of a session would replace it for all of them. So each function is
replaced once by one that first asks whose code is calling: asyncio gives every Task a copy of its maker's context, hence
whatever a session starts, in however many Tasks, sees the session's scope, and nothing else does. A thread starts with
an empty context, and so in real time, unless it was started by `asyncio.to_thread`, which hands the context on.

What can't be led this way is named instead: functions of C that were bound to the process's generator before
(`binds_shared_random`), and generators that a module keeps for itself (`shared_generators`).
"""

import contextlib
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from types import BuiltinFunctionType, FrameType
from typing import Any, Protocol, TextIO

import _time_machine

from voicelab.base.masking import Masker, without_hidden
from voicelab.base.without import without
from voicelab.runtime import own_process
from voicelab.runtime.clock import refuse

with without("pytest"):  # for which time-machine has a fixture, and which takes a third of a second to import
    import time_machine


class Scope(Protocol):
    """What a session puts in place of the process's own."""

    virtual: bool
    """Whether the session runs in virtual time."""

    @property
    def random(self) -> random.Random:
        """The session's own generator."""

    def now(self) -> float:
        """Return the seconds since the session began."""

    def time_ns(self) -> int:
        """Return the session's date and time in nanoseconds since 1970."""

    def isoformat(self) -> str:
        """Return the session's date and time as text."""

    def advance(self, seconds: float) -> None:
        """Let virtual time pass for a call that blocks."""

    def print(self, text: str) -> None:
        """Take what the handler prints."""

    def masked(self, text: str) -> str:
        """Return a text as it may leave the session."""

    def blocked(self, call: str, frame: FrameType) -> None:
        """Be told of a call that blocks the conversation, and of the frame it is made from."""

    def is_own(self, frame: FrameType) -> bool:
        """Return whether a frame is of the session's own code, not of a library."""

    def read_secret(self, value: str) -> None:
        """Be told of the value of a key or password that was read from the environment."""

    def used_up_cpu(self, place: tuple[str, int] | None) -> None:
        """Be told that the session has used up its processor time, and the file and line of its code, if they are known.

        Called wherever that code was: whatever is done about it is done later.
        """

    def unanswered(self, request: str, row: Mapping[str, Any] | None = None) -> None:
        """Be told of a request that nothing answers, by method and address, and of its row if it has none yet."""


SCOPE: ContextVar[Scope | None] = ContextVar("voicelab_session", default=None)
TASK: ContextVar[str | None] = ContextVar("voicelab_task", default=None)
"""Name of the background task that the calling code belongs to."""


class SharedPatches:
    """Patches of the process that any number of nested or concurrent users share: the first applies, the last undoes.

    Args:
        patches: Returns the context managers to enter, in order.
    """

    # Counted, not stacked: two runs in two threads may end in either order, and a stack would then restore what the other
    # still needs.
    def __init__(self, patches: Callable[[], Iterable[contextlib.AbstractContextManager[None]]]) -> None:
        self._patches = patches
        self._lock = threading.RLock()
        self._users = 0
        self._stack = contextlib.ExitStack()

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Have the patches in place meanwhile."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                for patch in self._patches():
                    self._stack.enter_context(patch)
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if self._users == 0:
                    self._stack.close()


def isolated() -> contextlib.AbstractContextManager[None]:
    """Make the process ready to host sessions; nested and concurrent uses share one set of patches."""
    return _process.applied()


@contextlib.contextmanager
def replaced(owner: Any, **values: Any) -> Iterator[None]:
    """Replace attributes of a module, class or object, and restore them at the end."""
    before = {name: getattr(owner, name) for name in values}
    for name, value in values.items():
        setattr(owner, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


# --- the date and the stop-watches -----------------------------------------------------------------------------------


class _SessionTraveller(time_machine.Traveller):
    """Answers time-machine's patched `time.time` and `datetime.now` from the session of the calling context."""

    def time_ns(self) -> int:
        scope = SCOPE.get()
        if scope is None or not scope.virtual:
            return _time_machine.original_time_ns()  # type: ignore[no-any-return]
        return scope.time_ns()


@contextlib.contextmanager
def _session_dates() -> Iterator[None]:
    travel = time_machine.travel(0, tick=True)
    travel.start()
    # time-machine moves the clock of the whole process; putting a traveller of our own on its stack is what keeps
    # every other thread on real time. The stack is a private matter of time-machine: tests/test_isolation.py guards it.
    time_machine.traveller_stack[-1] = _SessionTraveller(0, None, tick=True)
    try:
        yield
    finally:
        travel.stop()


def _stopwatch(original: Callable[[], Any], unit: float) -> Callable[[], Any]:
    def stopwatch() -> Any:
        scope = SCOPE.get()
        if scope is None or not scope.virtual:
            return original()
        ns = scope.time_ns()
        return ns if unit == 1 else ns / unit

    stopwatch.__name__ = stopwatch.__qualname__ = original.__name__
    return stopwatch


@contextlib.contextmanager
def _session_stopwatches() -> Iterator[None]:
    seconds = ("monotonic", "perf_counter")
    watches = {name: _stopwatch(getattr(time, name), 1e9) for name in seconds}
    watches |= {f"{name}_ns": _stopwatch(getattr(time, f"{name}_ns"), 1) for name in seconds}
    with replaced(time, **watches):
        yield


@contextlib.contextmanager
def _session_sleep() -> Iterator[None]:
    original = time.sleep

    def sleep(seconds: float, /) -> None:
        """Sleep; in a session it is reported, and in virtual time it costs virtual time alone."""
        scope = SCOPE.get()
        if scope is None:
            original(seconds)
            return
        scope.blocked(f"time.sleep({seconds:g})", sys._getframe(1))
        if scope.virtual and seconds >= 0:
            scope.advance(float(seconds))
        else:
            original(seconds)

    with replaced(time, sleep=sleep):
        yield


# --- chance ----------------------------------------------------------------------------------------------------------


class _SessionRandom(random.Random):
    """The class that the process's shared generator takes on: inside a session it is that session's generator.

    Functions bound before (`from random import choice`) keep working, because they look their generator's methods up
    at each call.
    """

    def random(self) -> float:
        scope = SCOPE.get()
        return super().random() if scope is None else scope.random.random()

    def getrandbits(self, k: int, /) -> int:
        scope = SCOPE.get()
        return super().getrandbits(k) if scope is None else scope.random.getrandbits(k)

    def seed(self, a: Any = None, version: int = 2) -> None:
        scope = SCOPE.get()
        if scope is None:
            super().seed(a, version)
        else:
            scope.random.seed(a, version)

    def getstate(self) -> tuple[Any, ...]:
        scope = SCOPE.get()
        return super().getstate() if scope is None else scope.random.getstate()

    def setstate(self, state: tuple[Any, ...]) -> None:
        scope = SCOPE.get()
        if scope is None:
            super().setstate(state)
        else:
            scope.random.setstate(state)

    @property
    def gauss_next(self) -> float | None:
        """The half of a Gaussian pair that is kept for the next call, of the session or of the process."""
        scope = SCOPE.get()
        kept: float | None = self.__dict__.get("gauss_next") if scope is None else scope.random.gauss_next  # type: ignore[attr-defined]
        return kept

    @gauss_next.setter
    def gauss_next(self, value: float | None) -> None:
        scope = SCOPE.get()
        if scope is None:
            self.__dict__["gauss_next"] = value
        else:
            scope.random.gauss_next = value  # type: ignore[attr-defined]


shared_random: random.Random = random._inst


def binds_shared_random(function: Callable[..., Any]) -> bool:
    """Return whether a function's module holds a C function of the shared generator (`from random import random`).

    Those were bound to the generator itself and can't be led to a session's.
    """
    values = list(getattr(function, "__globals__", {}).values())
    return any(isinstance(v, BuiltinFunctionType) and getattr(v, "__self__", None) is shared_random for v in values)


def shared_generators(function: Callable[..., Any]) -> list[str]:
    """Return the names of the generators that a function's module holds: what they give depends on the sessions before."""
    values = getattr(function, "__globals__", {})
    return [
        name
        for name, value in values.items()
        if hasattr(value, "bit_generator")
        or (isinstance(value, random.Random) and value is not shared_random and type(value) is not random.SystemRandom)
    ]


@contextlib.contextmanager
def _session_random() -> Iterator[None]:
    # The generator changes its class, not its place: everybody who holds it, or a bound method of it, goes on holding it.
    before, seed = shared_random.__class__, random.Random.seed

    def seed_by_session(self: random.Random, a: Any = None, version: int = 2) -> None:
        scope = SCOPE.get()
        seed(self, scope.random.getrandbits(64) if a is None and scope is not None else a, version)

    bound = [name for name, value in vars(random).items() if getattr(value, "__self__", None) is shared_random]
    shared_random.__class__ = _SessionRandom
    try:
        with (
            replaced(random, **{name: getattr(shared_random, name) for name in bound}),
            replaced(random.Random, seed=seed_by_session),
        ):
            yield
    finally:
        shared_random.__class__ = before


@contextlib.contextmanager
def _session_bytes() -> Iterator[None]:
    original = os.urandom

    def urandom(size: int, /) -> bytes:
        scope = SCOPE.get()
        return original(size) if scope is None else scope.random.randbytes(size)

    # `uuid` reads `os.urandom`; `secrets` and `random.SystemRandom` read `random._urandom`.
    with replaced(os, urandom=urandom), replaced(random, _urandom=urandom):
        yield


# --- print and the network -------------------------------------------------------------------------------------------


class _SessionOutput:
    """Stands in for `sys.stdout` and `sys.stderr`: what a session prints goes to its log, its complaints out masked."""

    # Not `print` itself: libraries, `logging` and `warnings` write to the streams without it.

    def __init__(self, original: TextIO, *, is_logged: bool) -> None:
        self._original = original
        self._is_logged = is_logged

    def write(self, text: str) -> int:
        scope = SCOPE.get()
        if scope is None:
            text = without_hidden(text)  # of a handler that is being loaded
            self._original.write(text if self._is_logged else _outside.masker.text(text))
        elif self._is_logged:
            scope.print(text)
        else:
            self._original.write(scope.masked(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


@contextlib.contextmanager
def _session_output() -> Iterator[None]:
    originals = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    stand_ins = {
        name: _SessionOutput(original, is_logged=name == "stdout")
        for name, original in originals.items()
        if original is not None  # as in a process without a console
    }
    for name, stand_in in stand_ins.items():
        setattr(sys, name, stand_in)
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if getattr(sys, name) is stand_in:  # else somebody has redirected it meanwhile, and will restore it
                setattr(sys, name, originals[name])


class _Outside:
    """What is masked where no session is known: the tracebacks of a handler's threads, and of Tasks that nobody awaits."""

    masker = Masker()


_outside = _Outside()


def mask_outside(values: Iterable[str]) -> None:
    """Mask values from now on in what goes to `sys.stderr` outside sessions, while the process hosts any."""
    _outside.masker = _outside.masker.also(values)


def output() -> contextlib.AbstractContextManager[None]:
    """Have what is printed masked meanwhile, and logged within sessions; nests and overlaps freely."""
    return _output.applied()


_output = SharedPatches(lambda: (_session_output(),))


_NETWORK_EVENTS = frozenset({"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"})


_LOOKED_AT = _NETWORK_EVENTS | own_process.EVENTS


def _refuse(event: str, args: tuple[Any, ...]) -> None:
    if event not in _LOOKED_AT:  # nearly always, and several times a session
        return
    if event in own_process.EVENTS:
        scope = SCOPE.get()
        # A debugger's trace function, or a coverage's, is set by code that isn't the session's.
        if scope is not None and (event not in own_process.TRACES or scope.is_own(sys._getframe(1))):
            own_process.keep_whole(event, args)
    if event in _NETWORK_EVENTS:
        scope = SCOPE.get()
        if scope is not None and scope.virtual:
            target = args[1] if event in {"socket.connect", "socket.sendto"} else args[0]
            parts = target[:2] if isinstance(target, tuple) else (target,)
            refuse(f"{event} ({':'.join(map(_host_text, parts))})")


def _host_text(part: Any) -> str:
    return part.decode("utf-8", "replace") if isinstance(part, bytes | bytearray) else str(part)


@contextlib.contextmanager
def _session_network() -> Iterator[None]:
    # The interpreter tells of every connection, whichever library opens it: replacing `socket.socket` would miss those
    # that are written in C or have bound the class before. Such a hook can't be taken back, so it is installed once;
    # outside sessions it does nothing.
    if not _audit.installed:
        sys.addaudithook(_refuse)
        _audit.installed = True
    yield


class _Audit:
    installed = False


_audit = _Audit()

_process = SharedPatches(
    lambda: (
        _session_dates(),
        _session_stopwatches(),
        _session_sleep(),
        _session_random(),
        _session_bytes(),
        output(),
        _session_network(),
        own_process.waiting_for_no_thread(lambda: SCOPE.get() is not None),
    )
)
