"""What goes wrong in a session: exceptions of its handler and tasks, and limits that it reaches, each as a row of its log.

An ordinary exception is a row, and the session goes on. What is no `Exception` (SystemExit, KeyboardInterrupt, a class of
the handler's own) would end a thread or a process: here it ends its session, with status `error`. A limit ends it with
status `timeout`, that of memory with `error`: what ran out of memory has failed, in whatever it was doing.
"""

import asyncio
import traceback
from typing import Any, NoReturn

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.errors import ForcedVariantError
from voicelab.base.session_limits import LimitReached, reached
from voicelab.runtime.cpu_limit import CLEANUP_CPU_S
from voicelab.runtime.driving import Work
from voicelab.runtime.tracebacks import UsersLine, describe, suspended_at, waiting_at
from voicelab.session.rows import add_error
from voicelab.session.session_state import Session
from voicelab.session.turns import end_conversation


def stop_handler(s: Session) -> None:
    """Stop the handler (`Session.stop_handler`), and an input that it has not taken yet: it still cleans up before that."""
    s.inbox.clear()
    cut_short(s)


def cut_short(s: Session) -> None:
    """Listen to the handler no more, and cancel it."""
    if not s.cut:
        s.cut = True
        # What the handler itself yields can end its turn too: then it is stopped at that yield, not cancelled.
        if asyncio.current_task() is not s.task:
            s.task.cancel()


def end_at_once(s: Session, status: str) -> None:
    """End the session with a status, which holds where it had ended with another before."""
    if s.status is None:
        s.status = status
    end_conversation(s, s.now(), status)
    if s.answering:
        cut_short(s)


# --- exceptions ------------------------------------------------------------------------------------------------------


def record_failure(s: Session, error: BaseException) -> None:
    """Record an exception of the handler, or of the session itself.

    Raises:
        ForcedVariantError: that is what it is, a mistake of whoever started the session.
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    if issubclass(type(error), ForcedVariantError):
        raise error
    record_exception(s, error, s.turn)


def record_exception(s: Session, error: BaseException, turn: int, task: str | None = None) -> None:
    """Record what a background task raised, or that it was cancelled by its timeout; the handler's without a `task`.

    Raises:
        KeyboardInterrupt: somebody pressed Ctrl-C.
    """
    kind = type(error)  # what `isinstance` would ask as well, `__class__`, is the handler's own
    if issubclass(kind, LimitReached):
        end_over_cpu(s)
        return
    if is_ctrl_c(error):
        raise error
    make_room = s.settings.make_room
    if make_room is not None and issubclass(kind, MemoryError) and not s.is_limited:
        make_room()
        _ran_out_of_memory(s, error, task)
        return
    s.outputs_left -= 1
    if s.outputs_left < 0:  # tasks that fail one after another
        if not s.is_limited:
            s.is_limited = True
            limit_reached(s, "outputs", None, task)
        return
    add_error(s, s.now(), turn, describe(error) | _of(task), task)
    if not issubclass(kind, Exception | asyncio.CancelledError):
        end_at_once(s, "error")


def _ran_out_of_memory(s: Session, error: BaseException, task: str | None) -> None:
    # What the handler's calls hold goes first: else the row might find no memory either.
    traceback.clear_frames(error.__traceback__)
    s.is_limited = True
    described = describe(error)
    place = UsersLine(described["file"], described["line"]) if "line" in described else None
    _record_reached(s, "memory_mb", place, task)
    end_at_once(s, "error")


def record_given_up(s: Session, work: Work, task: str | None, turn: int) -> None:
    """Record that cancelled work goes on and is not driven any further; `task` is None for the handler's."""
    what = "The handler" if task is None else f"Background task {task!r}"
    error = TimeoutError(
        f"{what} went on for {work.grace_s:g} s after it was cancelled{waiting_at(work.running)}, and was given up. "
        "A bare `except:` swallows asyncio.CancelledError: write `except Exception:`."
    )
    add_error(s, s.now(), turn, describe(error) | _of(task), task)


# --- limits ----------------------------------------------------------------------------------------------------------


def limit_reached(s: Session, name: str, place: UsersLine | None, task: str | None = None) -> None:
    """Record a limit that the session has reached, and end it.

    Args:
        s: The session.
        name: The limit's name.
        place: The line of the code that reached it, None if it isn't known.
        task: The background task whose code it was, None for the handler's.
    """
    _record_reached(s, name, place, task)
    end_at_once(s, "timeout")


def too_much(s: Session, name: str, place: UsersLine | None, task: str | None = None) -> NoReturn:
    """End the session, which has reached a limit, and the code that went beyond it."""
    if not s.is_limited:
        s.is_limited = True
        limit_reached(s, name, place, task)
    raise LimitReached


def look_into(s: Session, place: UsersLine | None, task: str | None = None) -> None:
    """Say what became of what could not be recorded as it was meant: its text is used up, or can't be had."""
    s.trouble = False
    if s.problems:
        problems, s.problems = s.problems, []
        _record_unwritable(s, problems[0], place, task)
    if s.chars_left < 0 and not s.is_limited:
        s.is_limited, s.outputs_left = True, 0
        limit_reached(s, "text_chars", place, task)


def _record_unwritable(s: Session, what: str, place: UsersLine | None, task: str | None) -> None:
    if s.is_unwritable:
        return
    s.is_unwritable = True
    message = f"TypeError: {what}, so that it stands in the log as this"
    add_error(s, s.now(), s.turn, {"message": message} | _at(place) | {"traceback": message} | _of(task), task)
    end_at_once(s, "error")


def _record_reached(s: Session, name: str, place: UsersLine | None, task: str | None) -> None:
    where = "" if place is None else f", at {place}"
    _record_limit(s, name, reached(s.settings.limits, name, where), place, task)


def _record_limit(s: Session, name: str, text: str, place: UsersLine | None, task: str | None = None) -> None:
    message = f"{'MemoryError' if name == 'memory_mb' else 'TimeoutError'}: {text}"
    data = {"message": message, "limit": name} | _at(place) | {"traceback": message} | _of(task)
    add_error(s, s.now(), s.turn, data, task)


# --- processor time --------------------------------------------------------------------------------------------------


def used_up_cpu(s: Session, place: tuple[str, int] | None) -> None:
    """Be told, in the middle of whatever the session's code does, that its processor time is used up."""
    if not s.is_over_cpu:
        s.is_over_cpu, s.cpu_place = True, None if place is None else UsersLine(*place)
        # Whoever catches the exception ends the session; where nobody does, the loop, as soon as it has its turn.
        s.loop.call_soon(end_over_cpu, s)


def end_over_cpu(s: Session) -> None:
    """End the session if its processor time is used up; later its cleanup has a little of its own."""
    if s.guard is None or not s.is_over_cpu:
        return
    s.is_over_cpu = False
    place = s.cpu_place or suspended_at(s.stream)
    stage = s.guard.caught()
    if stage == 1:
        limit_reached(s, "cpu_s", place)
    elif stage == 2:  # noqa: PLR2004 - the time for cleanup; once is enough to say of what goes on behind it
        where = "" if place is None else f", at {place}"
        text = f"The session's cleanup reached its limit of {CLEANUP_CPU_S:g} s of processor time{where}."
        _record_limit(s, "cpu_s", text, place)


def _of(task: str | None) -> dict[str, Any]:
    return {} if task is None else {"task": task}


def _at(place: UsersLine | None) -> dict[str, Any]:
    return {} if place is None else {"file": place.file, "line": place.line}
