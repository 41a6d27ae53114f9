"""Ends a session that uses too much processor time, by an exception raised into its thread, wherever its code is.

`while True: pass` gives nothing a turn: no timer of its loop runs, no cancellation reaches it. So another thread looks at
the clock of processor time that the system keeps for the session's thread. A busy machine doesn't move that clock, nor
does waiting: the verdict is about the session alone.

How it is raised. Python raises an exception that is set for a thread (`PyThreadState_SetAsyncExc`) the next time that
thread comes to a jump backwards, a call or a return of one. This thread holds the interpreter's lock while it looks and
sets it, so the other one stands at such a place, and what the look has found is true when it goes on:

- It is set only where the innermost frames are the session's own code, or a library's that it calls. The engine is never
  cut in the middle of what it keeps together. Where it runs just then, the next look comes in a moment.
- Code of C that lets go of the lock may end later, back in the engine. There the exception is one more that a handler
  raises: whoever calls a handler catches it, and takes back what is still to come (`Watched.withdraw`).
- Code that waits again and again, a moment each time, is hardly ever found at work. It gives its loop a turn, though: the
  session is told there.
- It is no `Exception`, so that `except Exception:` lets it pass. A bare `except:` swallows it. So it is raised again, and
  at last each one has the next set as it is made: that is raised in the `except:` itself, out of the loop around it.

A session begins with one addition, no look at any clock: the watcher sees that the number has changed, and counts from
that look on. So it allows a little more than the limit, never less.
"""

import asyncio
import contextlib
import ctypes
import functools
import operator
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Protocol

from voicelab.base.session_limits import LimitReached
from voicelab.runtime.isolation import SCOPE
from voicelab.runtime.tracebacks import UsersLine, is_users, is_voicelabs, users_frame, users_line

CLEANUP_CPU_S = 1.0
"""Processor time that a session has for its end when it has used up its own, in seconds."""

_LONGEST_LOOK_S = 0.25
_LOOKS = 20.0  # in the time that a session may take
_NEXT_TRY_S = 0.005
_LEAST_S = 0.02  # of processor time, from one exception to the next
_SINGLE = 3  # exceptions that are raised one by one, before each brings the next
_LONGEST_CHAIN = 200

_set_exception = ctypes.pythonapi.PyThreadState_SetAsyncExc


class CpuLimitReached(LimitReached):
    """A session has used up its processor time; raised inside its own code, and told to it as it is made."""

    def __init__(self) -> None:
        guard = _current()
        super().__init__(f"the session has used its {guard.limit_s:g} s of processor time" if guard else "")
        scope = SCOPE.get()
        if guard is not None and scope is not None:
            # In the context of the code that it is raised in: so a task that a handler has started by itself, where the
            # exception would end up in a future that nobody reads, ends its session too.
            scope.used_up_cpu(guard.place)


class _Persistent(CpuLimitReached):
    """One that has the next of its kind set as it is made, for code that swallows them."""

    def __init__(self) -> None:
        super().__init__()
        guard = _current()
        if guard is not None and guard.chain_left > 0:
            guard.chain_left -= 1
            guard.throw(ctypes.py_object(_Persistent))


class _Nothing(StopIteration):
    """Raised in the place of an exception that is taken back: it ends an iteration, and nobody sees it."""


def _step() -> None:
    """Give Python a place at which it raises what is set for this thread."""


def _taking_back(throw: Callable[[object], int]) -> Callable[[], object]:
    """Return what takes back an exception that is set for a thread and not raised yet, to be called in that thread.

    To take back is not enough: until an exception is raised, Python up to 3.12 looks for one at every call and jump. That
    costs a seventh of the speed of all that the thread does, and under a debugger, a profiler or coverage it never gets
    past the beginning of the next function. So another is set in its place, raised in `_step`, and ends the iteration in
    which `all` calls the two. All else is C: in a function of Python's the exception would be raised as it begins.
    """
    steps = (functools.partial(throw, ctypes.py_object(_Nothing)), _step)
    return map(all, iter(functools.partial(map, operator.call, steps), None)).__next__


class Watched(Protocol):
    """A session whose processor time is watched."""

    loop: asyncio.AbstractEventLoop
    withdraw: Callable[[], object]
    """Takes back an exception that is set and not raised yet; to be called first where one is caught. It does nothing until
    the guard, before the first one that it sets, puts its own in the place."""

    def used_up_cpu(self, place: tuple[str, int] | None) -> None:
        """See `isolation.Scope`."""


class Guard:
    """Watches the processor time of one thread, in which sessions run one after another.

    Args:
        limit_s: Seconds of processor time that a session may use.
        whole: Whether all that the thread does counts; else only while the session's own code is found at work.

    Attributes:
        limit_s: As given.
        place: Where the session's code was when its time was up, None until then, or where it isn't known.
        chain_left: How many more exceptions may each bring the next.
    """

    def __init__(self, limit_s: float, *, whole: bool = True) -> None:
        self.limit_s = limit_s
        self.place: UsersLine | None = None
        self.chain_left = 0
        self._whole = whole
        self._thread = threading.get_ident()
        self._clock_s = cpu_clock(self._thread) or time.process_time  # waiting doesn't move that one either
        thread = ctypes.c_ulong(self._thread)
        self.throw = functools.partial(_set_exception, thread)
        self._take_back = _taking_back(self.throw)
        self._thrown = False
        # Written by the session's thread, compared by the watcher's.
        self._number = self._stage = 0
        self._session: Watched | None = None
        self._seen = (-1, 0)
        self._read_s = self._used_s = 0.0
        self._raised = 0

    def begin_session(self, session: Watched) -> None:
        """Begin a session: what the thread uses from now on is its own, until the next begins."""
        self.settle()
        self._session = session
        self._number += 1
        self._stage = 0

    def settle(self) -> None:
        """Take back an exception that is set; in the session's thread."""
        if self._thrown:
            self._thrown = False
            self._take_back()

    def release(self) -> None:
        """Let go of the last session: the watcher may still hold the guard."""
        self._session = None

    def caught(self) -> int:
        """Be told that a session ends: what it uses from now on is its cleanup; return how often it was told."""
        self._stage += 1
        return self._stage

    @property
    def look_s(self) -> float:
        """Seconds to the next look."""
        return _NEXT_TRY_S if self._raised else max(_NEXT_TRY_S, min(_LONGEST_LOOK_S, self.limit_s / _LOOKS))

    @property
    def _allowed_s(self) -> float:
        if self._stage == 0:
            return self.limit_s
        return min(self.limit_s, CLEANUP_CPU_S) if self._stage == 1 else _LEAST_S

    def look(self) -> None:
        """Count what the thread has used since the last look, and raise the exception where it is too much.

        Called by the watcher, and quick: it holds the interpreter's lock for 5 ms at least.
        """
        read_s, frame = self._clock_s(), sys._current_frames().get(self._thread)
        used_s, self._read_s = read_s - self._read_s, read_s
        if (self._number, self._stage) != self._seen:
            self._seen = (self._number, self._stage)
            self._used_s, self._raised, self.chain_left = 0.0, 0, 0
            return
        at = users_frame(frame)
        if self._number and (self._whole or at is not None):
            self._used_s += used_s
        if self._used_s < self._allowed_s:
            return
        if not self._raised:
            self._raised, self.place = 1, users_line(at)
            self._tell_in_loop()
        if _can_be_cut(frame):
            self._raised += 1
            self.place = self.place or users_line(at)
            self._used_s = self._allowed_s - min(_LEAST_S, self._allowed_s / 2)  # for the next try, if it is swallowed
            self.chain_left = _LONGEST_CHAIN
            self._thrown = True
            if self._session is not None:
                self._session.withdraw = self._take_back
            self.throw(ctypes.py_object(CpuLimitReached if self._raised <= _SINGLE + 1 else _Persistent))

    def _tell_in_loop(self) -> None:
        if self._session is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: the session is over
                self._session.loop.call_soon_threadsafe(self._tell, self._number, self._stage)

    def _tell(self, number: int, stage: int) -> None:
        # An exception may have told it meanwhile: by now it cleans up, in a time of its own, or another one runs.
        if self._session is not None and (number, stage) == (self._number, self._stage):
            self._session.used_up_cpu(self.place)


def _can_be_cut(frame: FrameType | None) -> bool:
    """Return whether a session's own code runs, or a library's that it calls, and not the engine within or without it."""
    while frame is not None and not is_users(frame.f_code):
        if is_voicelabs(frame.f_code):
            return False
        frame = frame.f_back
    return frame is not None and users_frame(frame) is not None


def cpu_clock(thread: int) -> Callable[[], float] | None:
    """Return what reads a thread's processor time in seconds, from any thread; None where the system has no such clock.

    Args:
        thread: Its identifier, of a thread that runs.
    """
    # Of that thread alone: the process's own time counts numpy's and other sessions' threads as well.
    if not hasattr(time, "pthread_getcpuclockid"):
        return None
    return functools.partial(time.clock_gettime, time.pthread_getcpuclockid(thread))


# --- the guards of this process --------------------------------------------------------------------------------------


class _Local(threading.local):
    guard: Guard | None = None


_local = _Local()


def _current() -> Guard | None:
    return _local.guard


def begin_session(session: Watched) -> Guard | None:
    """Begin a session in the calling thread and return what watches it; None where nothing does."""
    guard = _local.guard
    if guard is not None:
        guard.begin_session(session)
    return guard


@contextlib.contextmanager
def cpu_limited(limit_s: float, *, whole: bool = True) -> Iterator[None]:
    """Watch the sessions that run in the calling thread meanwhile, each from `begin_session` to the next.

    Args:
        limit_s: Seconds of processor time that each may use.
        whole: Whether all that the thread does counts; False where it has other work between, such as sound.
    """
    guard, outer = Guard(limit_s, whole=whole), _local.guard
    _local.guard = guard
    watcher = _watching()
    watcher.add(guard)
    try:
        yield
    finally:
        watcher.remove(guard)
        guard.settle()
        guard.release()
        _local.guard = outer


class _Watcher:
    """One thread that looks at all guards of the process; it sleeps where there are none, and ends with the process."""

    def __init__(self) -> None:
        self._guards: set[Guard] = set()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="voicelab processor time", daemon=True)
        self._thread.start()

    def add(self, guard: Guard) -> None:
        self._guards.add(guard)
        self._woken.set()

    def remove(self, guard: Guard) -> None:
        self._guards.discard(guard)

    @property
    def alive(self) -> bool:
        """Whether it watches; not in a process that was forked from one in which it does."""
        return self._thread.is_alive()

    def _watch(self) -> None:
        while True:
            self._woken.wait(min((guard.look_s for guard in tuple(self._guards)), default=None))
            self._woken.clear()
            for guard in tuple(self._guards):
                # Not where it has just been removed: its thread may be gone, and its clock with it.
                if guard in self._guards:
                    guard.look()


_watcher: _Watcher | None = None
_starting = threading.Lock()


def _watching() -> _Watcher:
    global _watcher  # noqa: PLW0603 - one for the process, made when it is first needed
    with _starting:
        if _watcher is None or not _watcher.alive:
            _watcher = _Watcher()
        return _watcher
