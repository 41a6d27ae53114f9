"""The two clocks of a session: wall time, and virtual time in which a second of waiting costs nothing.

`VirtualLoop` is an event loop whose time stands still while code runs and jumps, when nothing is left to run, exactly
to the next timer. It has no selector, no sockets and no threads; work sent to an executor runs at once, in place.
A session knows neither kind of loop: it tells its `Clock` what to ask for the next time that matters (`attend`), asks it
for `now`, and waits with `wait`, until that time has come or somebody calls `wake`.

How virtual time works. asyncio keeps two lists: `_ready`, what can run now, and `_scheduled`, a heap of timers. An
ordinary loop that has nothing ready sleeps in its selector until the first timer is due. This one has nothing to sleep
for: all that could happen outside is refused, so the next thing to happen is known, and the loop sets its time to it.
Three rules make that sound:

- Time moves only while nothing is ready. Code that runs between two waits therefore takes no time at all, and a
  session's rows depend on what is said in it, not on how fast the machine is.
- Time never moves backwards, and moves exactly to a date that somebody has named. Every session starts at 0.0, so that
  its dates are the same sums of the same floats whichever sessions this process has run before.
- What is due at the same instant comes in a fixed order: timers by date and then by age, and after them the session's
  own alarm (playback over, silence, the next input). A handler's `asyncio.sleep(2)` and the end of two seconds of
  speech meet in the same order in every run.

A session sets no timers of its own. It has one deadline at a time that changes with every word; a timer for each would
be made and cancelled some ten times a turn. The loop asks for it instead (`attend`), at the one moment that matters.
"""

import asyncio
import contextvars
import functools
import heapq
from collections import deque  # noqa: TC003 - annotates an attribute
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from typing import Any, NoReturn, Protocol, TypeVar, TypeVarTuple

from voicelab.base.errors import SimulationError, VirtualTimeError

# Steps of the loop at one instant before time goes on although something is ready: `while True: await sleep(0)` would
# otherwise hold its session at that instant for ever. No conversation comes near it, and no run depends on the machine.
_SPIN_LIMIT = 100_000
_INSTEAD = (
    "Sessions in virtual time can't reach the outside: a reply would take real time. Let a stand-in answer, "
    "http=vl.Http({...}) for requests by httpx, aiohttp, requests and urllib, and patches={'module.function': replacement} "
    "for whatever else; or use vl.run(..., clock='wall') for a live call."
)

_len, _range = len, range  # a handler may replace builtins, and what drives it must go on to its end

Callback = Callable[[], None]
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


def refuse(call: str) -> NoReturn:
    """Raise the error for real input or output in virtual time.

    Args:
        call: The call that was attempted, for the message.
    """
    raise VirtualTimeError(f"{call} was called in virtual time. {_INSTEAD}")


def _refusing(call: str) -> Any:
    async def refused(*_: Any, **__: Any) -> NoReturn:
        refuse(call)

    return refused


class StandstillError(SimulationError):
    """Nothing would ever happen any more in a loop."""

    def __init__(self) -> None:
        super().__init__("Virtual time stands still: everything waits and no timer is set.")


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time.

    It relies on three private names of `asyncio.BaseEventLoop` (`_ready`, `_scheduled`, `_run_once`), which have been
    the same since Python 3.4; tests/test_clock.py fails where they change.
    """

    def __init__(self) -> None:
        super().__init__()
        # Of the base class, which has no types for them.
        self._ready: deque[asyncio.Handle]
        self._scheduled: list[Any]
        self._stopping: bool
        self._timer_cancelled_count: int
        self._now = 0.0
        self._spins = 0
        self._due: Callable[[], float] = _never
        self._ring: Callback = _nothing
        self._context: contextvars.Context | None = None
        self.is_offloading = False
        # The loop needn't know every async generator from its first step on (2 us for each call of a handler): sessions
        # close their own. Abandoned ones still come to the finalizer.
        self._asyncgen_firstiter_hook = None
        self._n_attributes = 0
        self._own = frozenset(self.__dict__)

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._now

    def reset(self) -> None:
        """Set the time to 0.0 and forget timers that nobody waits for any more.

        Every session starts from 0.0, since sums of floats would otherwise depend on the sessions before it.
        """
        self._now = 0.0
        self._spins = 0
        self._scheduled.clear()
        # What is dropped may be the last to hold an async generator, whose finalizer makes something ready in turn.
        while left := [handle for handle in self._ready if not handle._cancelled]:
            for handle in left:
                handle.cancel()
        self._due, self._ring, self._context = _never, _nothing, None
        self._exception_handler = None
        if len(self.__dict__) != self._n_attributes:
            self._as_its_class_has_it()

    def _as_its_class_has_it(self) -> None:
        """Drop methods that a session has given this one loop: they would be the next session's as well."""
        for name in self.__dict__.keys() - self._own:
            if callable(getattr(type(self), name, None)):
                delattr(self, name)
        self._n_attributes = len(self.__dict__)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: Any = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[T]:
        """Return a Task for a coroutine; there are no task factories and no debug mode here."""
        return asyncio.Task(coro, loop=self, name=name, context=context)

    # asyncio asks for it with each handle that it makes; a function of Python's would take as long as the rest of it.
    get_debug = bool
    """There is no debug mode: False."""

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Run a callback at the next turn of the loop."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def attend(self, due: Callable[[], float], ring: Callback) -> None:
        """Ask `due` for a time whenever nothing is left to run before it, go there and call `ring`.

        Asking when it matters is much cheaper than a timer for each turn of a conversation. Timers that are due at the
        same instant come first.
        """
        self._due, self._ring, self._context = due, ring, contextvars.copy_context()

    def advance(self, seconds: float) -> None:
        """Let time pass without running anything, as a call does that blocks the loop."""
        self._now += max(0.0, seconds)

    def jump(self, when: float) -> bool:
        """Go straight to a time if nothing would happen before; return whether it did."""
        # The short way past `_run_once`, for a session that waits itself: no future is made, no callback run. A timer at
        # the very same instant comes first, as it would in the loop.
        if self._ready or (self._scheduled and self._scheduled[0]._when <= when):
            return False
        if when > self._now:
            self._now = when
            self._spins = 0
        return True

    @property
    def busy(self) -> bool:
        """Whether anything is ready to run or scheduled."""
        return bool(self._ready or self._scheduled)

    def _run_once(self) -> None:
        scheduled = self._scheduled
        # The base class leaves cancelled timers in the heap; one at its head must not make time stop at its date.
        while scheduled and scheduled[0]._cancelled:
            heapq.heappop(scheduled)._scheduled = False
            self._timer_cancelled_count -= 1
        self._spins += 1
        if (not self._ready and not self._stopping) or self._spins > _SPIN_LIMIT:
            self._go_on(scheduled[0]._when if scheduled else float("inf"))
        while scheduled and scheduled[0]._when <= self._now:
            handle = heapq.heappop(scheduled)
            handle._scheduled = False
            self._ready.append(handle)
        # Only what was ready at the beginning: what these callbacks make ready comes in the next step, as in asyncio.
        for _ in _range(_len(self._ready)):
            handle = self._ready.popleft()
            if not handle._cancelled:
                handle._run()

    def _go_on(self, timer_at: float) -> None:
        """Go to what is due next: nothing is left to run now, or it runs for ever (`while True: await sleep(0)`)."""
        self._spins = 0
        due = self._due()
        if due < timer_at:  # a timer at the same instant comes first: the alarm is asked for again in the next step
            self._now = max(self._now, due)
            self.call_soon(self._ring, context=self._context)
        elif timer_at < float("inf"):
            self._now = max(self._now, timer_at)
        elif not self._ready:
            raise StandstillError

    def _write_to_self(self) -> None:
        """Do nothing: this loop never sleeps, so that nothing must wake it."""

    def _process_events(self, event_list: list[Any]) -> None:
        """Do nothing: there is no selector."""

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run the function at once and in place: a thread would take real time and make runs differ.

        What it blocks (`time.sleep`, a request) takes its time beside the conversation, as it would in a thread: the
        result comes when that is over.
        """
        del executor
        future: asyncio.Future[T] = self.create_future()
        began_s, within, self.is_offloading = self._now, self.is_offloading, True
        try:
            finish = functools.partial(_finish, future, func(*args), None)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the function raised belongs to the future
            finish = functools.partial(_finish, future, None, error)
        finally:
            ended_s, self.is_offloading = self._now, within
            if not within:
                self._now = began_s
        if ended_s > self._now:
            self.call_at(ended_s, finish)
        else:
            finish()
        return future

    sock_connect = _refusing("A socket connection")
    create_connection = _refusing("A network connection")
    create_datagram_endpoint = _refusing("A datagram socket")
    create_server = _refusing("A network server")
    subprocess_exec = _refusing("A subprocess")
    subprocess_shell = _refusing("A subprocess")


class Clock(Protocol):
    """What a session needs of time; all times are seconds since the session began."""

    virtual: bool

    def now(self) -> float:
        """Return the seconds since the session began."""

    def attend(self, due: Callable[[], float], ring: Callback) -> None:
        """Call `ring` whenever `due()` is reached; both belong to the session, until its end."""

    def changed(self) -> None:
        """Be told that `due()` may now return another time."""

    def jump(self, when: float) -> bool:
        """Go straight to a time, if the clock can and nothing would happen before; return whether it did."""

    async def wait(self) -> None:
        """Return when `due()` is reached, or earlier when `wake` is called; `ring` is not called meanwhile."""

    def wake(self) -> None:
        """End the present `wait`."""


class _Waiting:
    """The half of a clock that both kinds share: a future that `wake` completes."""

    _waiter: asyncio.Future[None] | None = None

    def wake(self) -> None:
        """End the present `wait`."""
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def _sleep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._waiter = loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class VirtualClock(_Waiting):
    """The clock of a session on a `VirtualLoop`; made when the session begins."""

    virtual = True

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.now = loop.time
        self.jump = loop.jump

    def attend(self, due: Callable[[], float], ring: Callback) -> None:
        """Call `ring` whenever `due()` is reached."""

        # Inside the handler the session can't wait by itself, so the alarm does what is due; while the session waits, it
        # does that itself as soon as it is awake.
        def ring_or_wake() -> None:
            if self._waiter is None:
                ring()
            else:
                self.wake()

        self._loop.attend(due, ring_or_wake)

    def changed(self) -> None:
        """Do nothing: the loop asks when it matters."""

    async def wait(self) -> None:
        """Return when `due()` is reached, or earlier when `wake` is called."""
        await self._sleep(self._loop)


class WallClock(_Waiting):
    """The clock of a session in real time, on any running event loop; the session begins when it attends to it."""

    virtual = False

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._start = loop.time()
        self._due: Callable[[], float] = _never
        self._ring: Callback = _nothing
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> float:
        """Return the seconds since the session began."""
        return self._loop.time() - self._start

    def attend(self, due: Callable[[], float], ring: Callback) -> None:
        """Begin at 0, and call `ring` whenever `due()` is reached."""
        self._start = self._loop.time()
        self._due, self._ring = due, ring
        self.changed()

    def changed(self) -> None:
        """Set the timer anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._due()
        if due < float("inf"):
            # A nanosecond later, or rounding might ring it just before it is due, again and again.
            self._timer = self._loop.call_at(self._start + due + 1e-9, self._on_time)

    def jump(self, when: float) -> bool:
        """Return False: real time can't be skipped."""
        del when
        return False

    def _on_time(self) -> None:
        self._timer = None
        if self._waiter is None:
            self._ring()
        else:
            self.wake()

    async def wait(self) -> None:
        """Return when `due()` is reached, or earlier when `wake` is called."""
        self.changed()
        await self._sleep(self._loop)

    def close(self) -> None:
        """Forget the timer, at the end of the session."""
        self._due = _never
        self.changed()


def _finish(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():  # cancelled meanwhile
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)


def _never() -> float:
    return float("inf")


def _nothing() -> None:
    pass
