"""What goes wrong in a session: exceptions of its handler and tasks, and limits that it reaches, each as a row of its log.

An ordinary exception is a row, and the session goes on. What is no `Exception` (SystemExit, KeyboardInterrupt, a class of
the handler's own) would end a thread or a process: here it ends its session, with status `error`. A limit ends it with
status `timeout`, that of memory with `error`: what ran out of memory has failed, in whatever it was doing.
"""

import asyncio
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.errors import ForcedVariantError
from voicelab.base.session_limits import LimitReached, reached
from voicelab.runtime.cpu_limit import CLEANUP_CPU_S, Guard
from voicelab.runtime.driving import Work
from voicelab.runtime.tracebacks import UsersLine, describe, suspended_at, waiting_at
from voicelab.session.host import SessionHost


class MayEndEarly(SessionHost):
    """A session to which something happens that nobody wanted."""

    __slots__ = (
        "_answering",
        "_cpu_place",
        "_guard",
        "_limited",
        "_over_cpu",
        "_status",
        "_unwritable",
        "_work",
        "loop",
        "withdraw",
    )

    _answering: bool
    """Whether the handler works on an input."""
    _guard: Guard | None
    """Watches the session's processor time; None where nothing does."""
    withdraw: Callable[[], object]
    """Takes back an exception of the guard's that is still to come, see `cpu_limit.Watched`."""
    _limited: bool
    """Whether it has reached a limit of what it puts out."""
    _over_cpu: bool
    """Whether the session has used up its processor time, and nothing has been done about it yet."""
    _cpu_place: UsersLine | None
    _unwritable: bool
    """Whether a part of it has no text, and a row says so."""
    _work: Work
    loop: asyncio.AbstractEventLoop
    """What the session runs on."""
    _status: str | None
    """The session's status, where it is another than the one with which its turn-taking has ended."""

    def _unwatched(self) -> None:
        self._guard = None
        self.withdraw = bool
        self._answering = self._limited = self._over_cpu = self._unwritable = False
        self._cpu_place = self._status = None

    # --- exceptions ---

    def failed(self, error: BaseException) -> None:
        """Record an exception of the handler, or of the session itself.

        Raises:
            ForcedVariantError: that is what it is, a mistake of whoever started the session.
            KeyboardInterrupt: somebody pressed Ctrl-C.
        """
        if issubclass(type(error), ForcedVariantError):
            raise error
        self._record_failure(error, self.turn)

    def task_failed(self, error: BaseException, task: str, turn: int) -> None:
        """Record what a background task raised, or that it was cancelled by its timeout.

        Raises:
            KeyboardInterrupt: somebody pressed Ctrl-C.
        """
        self._record_failure(error, turn, task)

    def _record_failure(self, error: BaseException, turn: int, task: str | None = None) -> None:
        kind = type(error)  # what `isinstance` would ask as well, `__class__`, is the handler's own
        if issubclass(kind, LimitReached):
            self.end_over_cpu()
            return
        if is_ctrl_c(error):
            raise error
        make_room = self.settings.make_room
        if make_room is not None and issubclass(kind, MemoryError) and not self._limited:
            make_room()
            self._ran_out_of_memory(error, task)
            return
        self.outputs_left -= 1
        if self.outputs_left < 0:  # tasks that fail one after another
            if not self._limited:
                self._limited = True
                self.limit_reached("outputs", None, task)
            return
        self.recorder.add_error(self.now(), turn, describe(error) | _of(task), task)
        if not issubclass(kind, Exception | asyncio.CancelledError):
            self.end_at_once("error")

    def _ran_out_of_memory(self, error: BaseException, task: str | None) -> None:
        # What the handler's calls hold goes first: else the row might find no memory either.
        traceback.clear_frames(error.__traceback__)
        self._limited = True
        described = describe(error)
        place = UsersLine(described["file"], described["line"]) if "line" in described else None
        self._record_reached("memory_mb", place, task)
        self.end_at_once("error")

    def gave_up(self, work: Work, task: str | None, turn: int) -> None:
        """Record that cancelled work goes on and is not driven any further; `task` is None for the handler's."""
        what = "The handler" if task is None else f"Background task {task!r}"
        error = TimeoutError(
            f"{what} went on for {work.grace_s:g} s after it was cancelled{waiting_at(work.running)}, and was given up. "
            "A bare `except:` swallows asyncio.CancelledError: write `except Exception:`."
        )
        self.recorder.add_error(self.now(), turn, describe(error) | _of(task), task)

    # --- limits ---

    def limit_reached(self, name: str, place: UsersLine | None, task: str | None = None) -> None:
        """Record a limit that the session has reached, and end it.

        Args:
            name: The limit's name.
            place: The line of the code that reached it, None if it isn't known.
            task: The background task whose code it was, None for the handler's.
        """
        self._record_reached(name, place, task)
        self.end_at_once("timeout")

    def too_much(self, name: str, line: UsersLine | None, task: str | None = None) -> NoReturn:
        """End the session, which has reached a limit, and the code that went beyond it."""
        if not self._limited:
            self._limited = True
            self.limit_reached(name, line, task)
        raise LimitReached

    def look_into(self, line: UsersLine | None, task: str | None = None) -> None:
        """Say what became of what could not be recorded as it was meant: its text is used up, or can't be had."""
        recorder = self.recorder
        recorder.trouble = False
        if recorder.problems:
            problems, recorder.problems = recorder.problems, []
            self._record_unwritable(problems[0], line, task)
        if recorder.is_full and not self._limited:
            self._limited, self.outputs_left = True, 0
            self.limit_reached("text_chars", line, task)

    def _record_unwritable(self, what: str, line: UsersLine | None, task: str | None) -> None:
        message = f"TypeError: {what}, so that it stands in the log as this"
        at = {} if line is None else {"file": line.file, "line": line.line}
        data = {"message": message} | at | {"traceback": message} | _of(task)
        if not self._unwritable:
            self._unwritable = True
            self.recorder.add_error(self.now(), self.turn, data, task)
            self.end_at_once("error")

    def _record_reached(self, name: str, place: UsersLine | None, task: str | None) -> None:
        where = "" if place is None else f", at {place}"
        self._record_limit(name, reached(self.settings.limits, name, where), place, task)

    def _record_limit(self, name: str, text: str, place: UsersLine | None, task: str | None = None) -> None:
        message = f"{'MemoryError' if name == 'memory_mb' else 'TimeoutError'}: {text}"
        line = {} if place is None else {"file": place.file, "line": place.line}
        data = {"message": message, "limit": name} | line | {"traceback": message} | _of(task)
        self.recorder.add_error(self.now(), self.turn, data, task)

    def used_up_cpu(self, place: tuple[str, int] | None) -> None:
        """Be told, in the middle of whatever the session's code does, that its processor time is used up."""
        if not self._over_cpu:
            self._over_cpu, self._cpu_place = True, None if place is None else UsersLine(*place)
            # Whoever catches the exception ends the session; where nobody does, the loop, as soon as it has its turn.
            self.loop.call_soon(self.end_over_cpu)

    def end_over_cpu(self) -> None:
        """End the session if its processor time is used up; later its cleanup has a little of its own."""
        if self._guard is None or not self._over_cpu:
            return
        self._over_cpu = False
        place = self._cpu_place or suspended_at(self._work.running)
        stage = self._guard.caught()
        if stage == 1:
            self.limit_reached("cpu_s", place)
        elif stage == 2:  # noqa: PLR2004 - the time for cleanup; once is enough to say of what goes on behind it
            where = "" if place is None else f", at {place}"
            text = f"The session's cleanup reached its limit of {CLEANUP_CPU_S:g} s of processor time{where}."
            self._record_limit("cpu_s", text, place)

    def end_at_once(self, status: str) -> None:
        """End the session with a status, which holds where it had ended with another before."""
        if self._status is None:
            self._status = status
        self.turns.end(self.now(), status)
        if self._answering:
            self._cancel_handler()

    def _cancel_handler(self) -> None:
        """Cut the handler's turn short."""
        raise NotImplementedError


def _of(task: str | None) -> dict[str, Any]:
    return {} if task is None else {"task": task}
