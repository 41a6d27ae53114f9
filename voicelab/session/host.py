"""What a session is to the code that runs in it: the host of the SDK's context, the scope of the process's state, and whose
processor time is watched.

Tests, outcomes, metrics, log lines, prints and portability notes arrive here, and become rows of the session.
"""

import asyncio
import random
import sys
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

from voicelab.base.plain_json import encode, written_text
from voicelab.base.records import Label, table_row
from voicelab.decision.rules import StopRule, why_unmet
from voicelab.runtime import sdk
from voicelab.runtime.context import refuse_undrawable
from voicelab.runtime.driving import Work
from voicelab.runtime.isolation import TASK, mask_outside
from voicelab.runtime.sdk import date_text
from voicelab.runtime.tracebacks import file_name, is_users, users_frame, users_line
from voicelab.session.agent import Stream, pass_note_on, perform
from voicelab.session.early_end import (
    look_into,
    record_exception,
    record_given_up,
    too_much,
    used_up_cpu,
)
from voicelab.session.rows import (
    add_metric,
    add_row,
    declaration_text,
    hide,
    no_text_for,
    tell_aside,
)
from voicelab.session.session_state import Session

_LOG = ("log", "log", False, None)
_PRINT = ("log", "print", False, None)
_COMPLETION = ("log", "completion", False, None)
_DECISION = ("log", "decision", False, None)
_HTTP = ("log", "http", False, None)

_MOST_ASKED = 100
_MOST_PIECES = 1000
"""Pieces of a line that is printed bit by bit; what has more counts each as an output."""


def _of_task(label: Label) -> Label:
    """Return a label with the background task whose code is running, if it is one's."""
    task = TASK.get()
    return label if task is None else (label[0], label[1], True, task)


class SessionHost:
    """A session as its handler, the SDK and the process see it.

    A handler may keep its context, and with it this, beyond the session's end: what it says then goes into lists that nobody
    reads any more.

    Args:
        session: The session.
    """

    __slots__ = (
        "_date",
        "_dated_s",
        "_random",
        "_session",
        "_start_ns",
        "forced",
        "loop",
        "now",
        "run_tests",
        "uniform",
        "virtual",
        "withdraw",
    )

    def __init__(self, session: Session) -> None:
        self._session = session
        self.loop = session.loop
        self.now = session.now
        self.run_tests = session.run_tests
        self.forced = session.settings.forced
        self.uniform = session.seeds.uniform
        self.virtual = session.clock.virtual
        # Takes back an exception of the guard's that is still to come, see `cpu_limit.Watched`.
        self.withdraw: Callable[[], object] = bool  # in C: in a function of Python's it would be raised at once
        self._start_ns = session.settings.start_ns
        self._random: random.Random | None = None
        self._dated_s, self._date = -1.0, ""

    @property
    def turn(self) -> int:
        """The present turn."""
        return self._session.turn

    @property
    def terminal(self) -> bool:
        """Whether the conversation is over, and the handler cleans up."""
        return self._session.terminal

    # --- what the SDK's context hands over ---

    def emitted(self, event: sdk.Event) -> None:
        """Take an event that the context sends by itself."""
        perform(self._session, None, self._session.turn, None, event)

    def task_emitted(self, event: object, stream: Stream, turn: int, task: str) -> None:
        """Take what a background task yields."""
        if isinstance(event, sdk.Event):
            event.background, event.background_task_name, event.turn = True, task, turn
        perform(self._session, stream, turn, task, event)
        self._session.clock.wake()

    def task_failed(self, error: BaseException, task: str, turn: int) -> None:
        """Record what a background task raised, or that it was cancelled by its timeout."""
        record_exception(self._session, error, turn, task)

    def gave_up(self, work: Work, task: str | None, turn: int) -> None:
        """Record that cancelled work goes on and is not driven any further."""
        record_given_up(self._session, work, task, turn)

    def task_done(self) -> None:
        """Look again: cleanup may be waiting for the task."""
        self._session.clock.wake()

    def fault(self, task: str) -> BaseException | None:
        """Return what the world raises in a background task, or None."""
        surroundings = self._session.surroundings
        return None if surroundings is None else surroundings.fault(task)

    def used_up_cpu(self, place: tuple[str, int] | None) -> None:
        """Be told that the session has used up its processor time."""
        used_up_cpu(self._session, place)

    # --- tests, metrics, log lines, notes ---

    def declare(
        self, test: str, variants: Mapping[Any, float], stop: Mapping[str, Any] | None, metrics: list[str]
    ) -> str:
        """Return a test's declaration as JSON text, refusing a stop rule that can't be meant."""
        text = declaration_text(
            self._session, {"variants": variants, "stop": stop or {}, "conversion_metrics": metrics}
        )
        key = f"{test}:{text}"
        if key not in self._session.settings.checked:
            self._check(test, variants, stop, sys._getframe(1))
            self._session.settings.checked.add(key)
        return text

    def _check(
        self, test: str, variants: Mapping[Any, float], stop: Mapping[str, Any] | None, line: FrameType | None
    ) -> None:
        """Refuse a declaration that can't be meant, and note at its line what of it won't do what it seems to."""
        refuse_undrawable(test, variants)
        for key, value in StopRule.from_stop(stop).unmet if stop else ():
            self.note(f"unmet_{key}", line, name=test, value=value, why=why_unmet(key, value))
        if stop and stop.get("default") not in variants:
            self.note("default_not_a_variant", line, name=test, default=stop.get("default"))
        total = sum(variants.values())
        if abs(total - 1) > 1e-6:  # noqa: PLR2004 - as the analysis counts it
            self.note("weights_sum", line, name=test, total=total)

    def expose(self, test: str, variant: Any, weights: Mapping[Any, float], assignment: str, declaration: str) -> None:
        """Log that the session has reached a test, with the variant it got."""
        self._count()
        weight = float(weights.get(variant, 0.0))
        row = table_row(
            "exposures",
            session_index=self._session.index,
            test=self._session.masker.text(test),
            variant=self._session.masker.text(str(variant)),
            weight=weight,
            assignment=assignment,
            probability=weight / sum(weights.values()) if assignment == "random" else 1.0,
            declaration=declaration,
        )
        self._session.exposures.append(row)

    def measured(self, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Record a metric."""
        self._count()
        if self._session.terminal:
            self.note("metric_after_end", sys._getframe(1), name=name)
        add_metric(self._session, self.now(), type, name, value, tags)

    def _log(self, label: Label, data: Mapping[str, Any]) -> None:
        """Record a line that the session's code writes."""
        self._count()
        add_row(self._session, self.now(), self._session.turn, _of_task(label), data)
        if self._session.trouble:
            look_into(self._session, users_line(users_frame(sys._getframe(1))), TASK.get())

    def _count(self, amount: int = 1) -> None:
        self._session.outputs_left -= amount
        if self._session.outputs_left < 0:
            too_much(self._session, "outputs", users_line(users_frame(sys._getframe(1))), TASK.get())

    def logged(self, level: str, message: object, attributes: Mapping[str, Any] | None) -> None:
        """Record a line of the SDK's logger or a call of a traced tool."""
        data: dict[str, Any] = {"message": str(message), "level": level}
        if attributes:
            data["attributes"] = attributes
        self._log(_LOG, data)

    def asked(self, data: Mapping[str, Any]) -> None:
        """Record a request to a language model, for words or for decisions, and what it answered."""
        self._log(_DECISION if "questions" in data else _COMPLETION, data)

    def requested(self, data: Mapping[str, Any]) -> None:
        """Record a request over HTTP, and what it was answered."""
        self._log(_HTTP, data)

    def unanswered(self, request: str, row: Mapping[str, Any] | None = None) -> None:
        """Remember a request that nothing answers: a handler that catches every error would pass over it in silence."""
        if row is not None:
            self.requested(row)
        tell_aside(self._session, "unanswered", request)

    def hide(self, secrets: frozenset[str]) -> None:
        """Mask secrets that were found in a request, from now on, wherever they turn up."""
        hide(self._session, secrets)

    def read_secret(self, value: str) -> None:
        """Mask a key that the handler has read from the environment: here from the start, and in the sessions to come.

        A module or a client that the handler has made with it may go on to show it in them, and nobody reads it again.
        """
        self._session.settings.masker = self._session.settings.masker.also([value])
        mask_outside([value])
        hide(self._session, [value])

    def note(self, rule: str, frame: FrameType | None, **facts: Any) -> None:
        """Pass a portability note on, once for each line of code."""
        pass_note_on(self._session, rule, frame, **facts)

    def stored(self, key: object, value: object, frame: FrameType) -> None:
        """Look at a value of a class of its own that the handler stores: later nobody knows the line any more."""
        problems: list[str] = []
        encode({written_text(key): value}, problems)
        if problems:
            no_text_for(self._session, problems[0])
            look_into(self._session, users_line(users_frame(frame)), TASK.get())

    def asked_in_vain(self, key: object, frame: FrameType) -> None:
        """Remember data that the handler asked for and that isn't there, and the line."""
        name = str(key)
        if name not in self._session.asked and len(self._session.asked) < _MOST_ASKED:
            at = users_frame(frame)
            self._session.asked[name] = "" if at is None else f"{file_name(at.f_code.co_filename)}:{at.f_lineno}"

    # --- the process's own, as `voicelab.runtime.isolation` asks for it ---

    @property
    def random(self) -> random.Random:
        """The session's generator, seeded when it is first used (seeding takes a tenth of a session)."""
        if self._random is None:
            self._random = self._session.seeds.random("handler")
        return self._random

    def time_ns(self) -> int:
        """Return the session's date and time in nanoseconds since 1970."""
        return self._start_ns + int(self.now() * 1e9 + 0.5)

    def isoformat(self) -> str:
        """Return the session's date and time as text, written anew when time has passed."""
        now_s = self.now()
        if now_s != self._dated_s:
            self._dated_s, self._date = now_s, date_text(self._start_ns + int(now_s * 1e9 + 0.5))
        return self._date

    def advance(self, seconds: float) -> None:
        """Let virtual time pass for a call that blocks."""
        loop: Any = asyncio.get_running_loop()
        loop.advance(seconds)

    def print(self, text: str) -> None:
        """Log what the handler prints, a line a row."""
        if "\n" not in text:
            self._count(len(self._session.printed) > _MOST_PIECES)
            self._session.printed.append(text)
            return
        first, *lines = text.split("\n")
        for line in ("".join((*self._session.printed, first)), *lines[:-1]):
            self._session.printed.clear()
            self._log(_PRINT, {"message": line})
        if lines[-1]:
            self._session.printed.append(lines[-1])

    def masked(self, text: str) -> str:
        """Return a text as it may leave the session."""
        return self._session.masker.text(text)

    def blocked(self, call: str, frame: FrameType) -> None:
        """Note a call that blocks the conversation; one in a thread of its own, or in its place, doesn't."""
        loop = asyncio._get_running_loop()
        if loop is None or getattr(loop, "is_offloading", False):
            return
        self.note("blocking_call", frame, call=call)

    def is_own(self, frame: FrameType) -> bool:
        """Return whether a frame is of the user's code, as `isolation.Scope`."""
        return is_users(frame.f_code)
