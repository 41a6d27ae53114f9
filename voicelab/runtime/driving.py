"""What a handler or a background task does, driven step by step: so that it can be cut short, given up, or made to fail.

Cancelling only asks: code with a bare `except:` in an endless loop swallows every CancelledError, and an `await` on it
would never return. `Work` stands between it and the event loop, and stops driving what goes on too long.

How it stands between. A coroutine is a generator underneath: `send(None)` runs it to its next wait, and it hands out the
future it waits for. Usually the Task takes that future; here the generators of `Work` take it first and hand it on
(`yield waiting`), so that whatever the Task sends or throws back passes through `rest`. There lies all control: the
first CancelledError starts the time for cleanup; when that is over the next exception is not thrown in any more, and
the stranger's code is left where it stands.

Why not a Task for each turn, with `asyncio.wait(timeout=)` around it: that costs half of the engine's speed, and the
order in which the Task's callbacks run would become part of what a session logs.
"""

import asyncio
import contextvars
import ctypes
import types
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Coroutine, Generator
from typing import Any, TypeAlias

Background: TypeAlias = Awaitable[Any] | AsyncIterable[Any]
"""What can run beside a conversation: a coroutine, an async generator, or what else awaits or yields."""

CLEANUP_S = 30.0
"""How long a cancelled turn or task may clean up, and how long a session may at its end, in seconds."""

STOPPED = "the run is stopped"
"""Message of the cancellations that end a session itself, whatever it does; any other is meant for its handler."""

_tasks_given_up: set[asyncio.Task[Any]] = set()


def _keep_for_ever(*work: Any) -> None:
    """Never free work that was given up, not even as the process ends: to free it, Python would throw into it again.

    A bare `except:` swallows that GeneratorExit as well, and where no loop runs any more it swallows the next error, and
    the next: the process would never end.
    """
    for item in work:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))


class Work:
    """The guard around a handler that waits, or around one background task.

    Args:
        running: The generator or awaitable that is driven.
        give_up: Told of the work when it has gone on for `grace_s` after it was cancelled, just before it is stopped.
        grace_s: How long cancelled work may clean up, in seconds.

    Attributes:
        running: As given.
        given_up: Whether it is not driven any more: the next exception thrown in stays outside.
        grace_s: As given.
    """

    __slots__ = ("_give_up", "_timer", "given_up", "grace_s", "running")

    def __init__(self, running: Background, give_up: Callable[["Work"], None], grace_s: float) -> None:
        self.running = running
        self._give_up = give_up
        self._timer: asyncio.TimerHandle | None = None
        self.grace_s = grace_s
        self.given_up = False

    @types.coroutine
    def drive(self, step: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
        """Drive work that has not begun, and return its value.

        Args:
            step: The coroutine, of `listen` or `finished`.

        Raises:
            CancelledError: the work was cancelled, or given up.
            BaseException: whatever it raises.
        """
        try:
            waiting = step.send(None)
        except StopIteration as done:  # most work never waits
            return done.value
        return (yield from self.rest(step, waiting))

    @types.coroutine
    def rest(self, step: Coroutine[Any, Any, Any], waiting: "asyncio.Future[Any] | None") -> Generator[Any, Any, Any]:
        """Go on with work that has begun to wait, as `drive`.

        Args:
            step: The coroutine.
            waiting: What it waits for, as its first `send(None)` has returned.
        """
        try:
            while True:
                try:
                    value = yield waiting
                except GeneratorExit:
                    step.close()
                    raise
                except BaseException as error:
                    if self.given_up:
                        # Not thrown in: the code has swallowed one cancellation and would swallow this one too.
                        _keep_for_ever(step, self.running)
                        raise
                    if isinstance(error, asyncio.CancelledError):
                        self._limit_cleanup()
                    waiting = step.throw(error)
                else:
                    waiting = step.send(value)
        except StopIteration as done:
            return done.value
        finally:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _limit_cleanup(self) -> None:
        task = asyncio.current_task()
        if self._timer is None and task is not None and task.cancelling():
            self._timer = asyncio.get_running_loop().call_later(self.grace_s, self._time_is_up, task)

    def _time_is_up(self, task: asyncio.Task[Any]) -> None:
        self._timer = None
        if task.cancelling():  # else it was a time limit of the work's own, such as asyncio.timeout()
            self._give_up(self)
            self.stop(task)

    def stop(self, task: asyncio.Task[Any]) -> None:
        """Drive the work no further, whatever it still does; its Task is cancelled once more to hear of it."""
        self.given_up = True
        task.cancel()


async def listen(stream: AsyncIterable[Any], take: Callable[[Any], object], fault: BaseException | None = None) -> None:
    """Hand each event that an async generator yields to `take`, until it ends, or `take` returns something true.

    Args:
        stream: The generator, or what else `async for` takes.
        take: Takes an event.
        fault: Raised inside the generator at its first `yield`; None for nothing.
    """
    events: AsyncIterable[Any] = stream if fault is None else faulty(stream, fault)
    ended = False
    try:
        async for event in events:
            if take(event):
                break
        else:
            ended = True
    except GeneratorExit:
        ended = True  # it was given up, and is freed with the process; nothing can be awaited then
        raise
    finally:
        if not ended and hasattr(events, "aclose"):
            # In this Task, now: an abandoned generator would run its `finally` in some later session.
            await events.aclose()


async def finished(work: Awaitable[Any], fault: BaseException | None = None) -> Any:
    """Return what an awaitable comes to; a fault is raised inside it at its first wait, or at its end if it never waits."""
    return await (work if fault is None else _faulty_work(work, fault))


@types.coroutine
def in_own_context(work: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Await a coroutine in a copy of the present context, as a Task of its own would run it, without the Task."""
    # A Task of its own would do the same, and cost every session its making and its callbacks.
    context = contextvars.copy_context()
    send, given = work.send, None
    try:
        while True:
            waiting = context.run(send, given)
            try:
                given = yield waiting
                send = work.send
            except GeneratorExit:
                work.close()
                raise
            except BaseException as error:  # noqa: BLE001 - whatever is thrown in goes on to the coroutine
                send, given = work.throw, error
    except StopIteration as done:
        return done.value


async def end_leftovers(grace_s: float = 1.0) -> None:
    """Cancel what handlers started on this loop by themselves and left behind; what goes on after that is given up."""
    own = asyncio.current_task()
    leftovers = [task for task in asyncio.all_tasks() if task is not own and task not in _tasks_given_up]
    if not leftovers:
        return
    for task in leftovers:
        task.cancel(STOPPED)
    _, pending = await asyncio.wait(leftovers, timeout=grace_s)
    for task in pending:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is said where the task is cancelled
        _tasks_given_up.add(task)
        _keep_for_ever(task)


async def faulty(stream: Any, fault: BaseException) -> AsyncIterator[Any]:
    """Yield what a generator yields, raising a fault inside it at its first `yield`, where its own code can catch it."""
    try:
        async for event in stream:
            yield event
            break
        else:
            return
        yield await stream.athrow(fault)
        async for event in stream:
            yield event
    except StopAsyncIteration:
        return
    finally:
        await stream.aclose()


async def _faulty_work(work: Awaitable[Any], fault: BaseException) -> None:
    """Run a coroutine, raising a fault inside it at its first `await` that waits, or at its end if it never waits."""
    await _faulty_steps(work.__await__(), fault)


@types.coroutine
def _faulty_steps(work: Generator[Any, Any, Any], fault: BaseException) -> Generator[Any, Any, None]:
    try:
        waited_for = next(work)
    except StopIteration:
        raise fault from None
    try:
        if waited_for is not None:
            # Nobody waits for it any more; left alone, a failed future would complain when it is freed.
            waited_for.cancel()
        waiting = work.throw(fault)
        while True:
            try:
                value = yield waiting
            except BaseException as error:  # noqa: BLE001 - whatever is thrown in goes on to the coroutine
                waiting = work.throw(error)
            else:
                waiting = work.send(value)
    except StopIteration:
        return
