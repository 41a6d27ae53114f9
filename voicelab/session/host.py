"""What a session is to the code that runs in it: the host of the SDK's context, and the scope of the process's state.

Tests, outcomes, metrics, log lines, prints and portability notes arrive here; the conversation itself is in `runner`.
"""

import asyncio
import itertools
import random
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn, Protocol

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.masking import Masker
from voicelab.base.plain_json import class_name, encode, written_text
from voicelab.base.records import Label, PortabilityNote, Row, table_row, unwritten_value
from voicelab.base.seeds import Seeds
from voicelab.base.session_limits import Limits
from voicelab.decision.rules import StopRule, why_unmet
from voicelab.predicates import Evaluators
from voicelab.runtime import sdk
from voicelab.runtime.clock import Clock
from voicelab.runtime.context import Contexts, SessionContext, refuse_undrawable
from voicelab.runtime.isolation import TASK, binds_shared_random, mask_outside, shared_generators
from voicelab.runtime.portability import make_note
from voicelab.runtime.tracebacks import UsersLine, file_name, is_users, users_frame, users_line
from voicelab.session.recorder import Recorder
from voicelab.session.turns import SILENCE_S, TurnTaking

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


class Voice(Protocol):
    """Plays what the agent says, in a session that somebody listens to."""

    def play(self, row: int, turn: int, event: sdk.Event) -> None:
        """Play an event of the agent: speech, audio or silence; then tell the session by `playing` when."""

    def clear(self) -> None:
        """Stop, and forget what waits."""


class Surroundings(Protocol):
    """What lies between caller and agent in one session; see `voicelab.world.world`."""

    @property
    def mishears(self) -> bool:
        """Whether `recognised` may return anything but the words themselves."""

    def recognised(self, text: str) -> str:
        """Return what the recogniser makes of the caller's words; an empty text where it hears nothing."""

    def delay_s(self) -> float:
        """Return the seconds before the handler gets its next input."""

    def fault(self, where: str) -> BaseException | None:
        """Return an exception to raise in the handler or a task, or None."""

    def outcomes(self, variants: Mapping[str, str]) -> list[tuple[str, Any]]:
        """Return the true outcomes of the session, given its variants."""


@dataclass
class RunSettings:
    """What all sessions of a run have in common.

    Attributes:
        function: The handler.
        add_note: Takes portability notes.
        strict: Whether the guide's spellings are refused.
        variables: The variables that the handler reads; masked in every row.
        secrets: What else is masked.
        environment: Name of the environment.
        configuration: Arguments of the SDK's Configuration, such as `timeout` (seconds of silence).
        input_data: What the handler reads as `context.input_data`.
        forced: Variants chosen by a person, by test.
        start_ns: Date and time that sessions begin at, in nanoseconds since 1970 (virtual time).
        agent: The agent's name.
        run_id: The run's id.
        source: `simulated`, `typed`, `spoken`, ...
        limits: How much a session may take.
        evaluators: What is asked of each session when it has ended.
        make_room: Gives a session that has used up its memory a little more to end with; None where memory isn't limited.
    """

    function: Callable[[Any, Any], Any]
    add_note: Callable[[PortabilityNote], None]
    strict: bool = False
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Iterable[str] = ()
    environment: str = "development"
    configuration: Mapping[str, Any] = field(default_factory=dict)
    input_data: Mapping[str, Any] | None = None
    forced: Mapping[str, str] = field(default_factory=dict)
    start_ns: int = 0
    agent: str = "agent"
    run_id: str = ""
    source: str = "simulated"
    limits: Limits = field(default_factory=Limits)
    evaluators: Evaluators = field(default_factory=Evaluators)
    make_room: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self.masker = Masker([*self.variables.values(), *self.secrets])
        mask_outside(self.masker.values)
        self.timeout_s = float(self.configuration.get("timeout", SILENCE_S))
        self.contexts = Contexts(
            strict=self.strict,
            variables=self.variables,
            environment=self.environment,
            configuration=self.configuration,
            input_data=self.input_data,
            agent_id=self.agent,
        )
        # What was found before: a test is declared in every session and checked once, a note is made once.
        self.checked: set[str] = set()
        self.noted: dict[tuple[Any, ...], Any] = {}
        if binds_shared_random(self.function):
            self.add_note(make_note("random_import", None))
        for name in shared_generators(self.function):
            self.add_note(make_note("shared_generator", None, name=name))


class SessionHost:
    """A session as its handler, the SDK and the process see it.

    Args:
        settings: What all sessions of the run have in common.
        clock: The session's clock, at 0.
        seeds: The session's streams of chance.
        index: Index of the session in its run.
        run_tests: Tests that have been stopped, as the SDK's `runTest`.
        surroundings: What lies between caller and agent; None for nothing.
    """

    __slots__ = (
        "_asked",
        "_clock",
        "_date",
        "_dated_s",
        "_function",
        "_printed",
        "_random",
        "_seeds",
        "_surroundings",
        "context",
        "forced",
        "index",
        "now",
        "outputs_left",
        "recorder",
        "run_tests",
        "settings",
        "terminal",
        "turns",
        "uniform",
        "virtual",
        "voice",
    )

    def __init__(
        self,
        settings: RunSettings,
        clock: Clock,
        seeds: Seeds,
        index: int,
        run_tests: Mapping[str, bool],
        surroundings: Surroundings | None,
    ) -> None:
        self.turns: TurnTaking
        self.context: SessionContext
        self.voice: Voice | None = None
        self.settings = settings
        self.index = index
        self.recorder = Recorder(settings.masker, settings.limits.text_chars)
        self.outputs_left = settings.limits.outputs
        self.run_tests = run_tests
        self.forced = settings.forced
        self.terminal = False
        self.uniform = seeds.uniform
        self.virtual = clock.virtual
        self._clock = clock
        self.now = clock.now
        self._function = settings.function
        self._seeds = seeds
        self._surroundings = surroundings
        self._random: random.Random | None = None
        self._printed: list[str] = []
        self._asked: dict[str, str] = {}
        self._dated_s, self._date = -1.0, ""

    @property
    def turn(self) -> int:
        """The present turn."""
        return self.turns.turn

    # --- tests, metrics, log lines, notes ---

    def declare(
        self, test: str, variants: Mapping[Any, float], stop: Mapping[str, Any] | None, metrics: list[str]
    ) -> str:
        """Return a test's declaration as JSON text, refusing a stop rule that can't be meant."""
        text = self.recorder.declaration({"variants": variants, "stop": stop or {}, "conversion_metrics": metrics})
        key = f"{test}:{text}"
        if key not in self.settings.checked:
            self._check(test, variants, stop, sys._getframe(1))
            self.settings.checked.add(key)
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
            session_index=self.index,
            test=self.recorder.masked(test),
            variant=self.recorder.masked(str(variant)),
            weight=weight,
            assignment=assignment,
            probability=weight / sum(weights.values()) if assignment == "random" else 1.0,
            declaration=declaration,
        )
        self.recorder.exposures.append(row)

    def measured(self, type: str, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Record a metric."""
        self._count()
        if self.terminal:
            self.note("metric_after_end", sys._getframe(1), name=name)
        self.recorder.add_metric(self.now(), self.turn, type, name, value, tags)

    def _log(self, label: Label, data: Mapping[str, Any]) -> None:
        """Record a line that the session's code writes."""
        self._count()
        self.recorder.add(self.now(), self.turn, _of_task(label), data)
        if self.recorder.trouble:
            self.look_into(users_line(users_frame(sys._getframe(1))), TASK.get())

    def _count(self, amount: int = 1) -> None:
        self.outputs_left -= amount
        if self.outputs_left < 0:
            self.too_much("outputs", users_line(users_frame(sys._getframe(1))), TASK.get())

    def too_much(self, name: str, line: UsersLine | None, task: str | None = None) -> NoReturn:
        """End the session, which has reached a limit, and the code that went beyond it."""
        raise NotImplementedError

    def limit_reached(self, name: str, line: UsersLine | None, task: str | None = None) -> None:
        """Record a limit that the session has reached, and end it."""
        raise NotImplementedError

    def look_into(self, line: UsersLine | None, task: str | None = None) -> None:
        """Say what became of a row that could not be recorded as it was meant."""
        raise NotImplementedError

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
        self.recorder.tell("unanswered", request)

    def hide(self, secrets: frozenset[str]) -> None:
        """Mask secrets that were found in a request, from now on, wherever they turn up."""
        self.recorder.hide(secrets)

    def read_secret(self, value: str) -> None:
        """Mask a key that the handler has read from the environment: here from the start, and in the sessions to come.

        A module or a client that the handler has made with it may go on to show it in them, and nobody reads it again.
        """
        self.settings.masker = self.settings.masker.also([value])
        mask_outside([value])
        self.recorder.hide([value])

    def note(self, rule: str, frame: FrameType | None, **facts: Any) -> None:
        """Pass a portability note on, once for each line of code."""
        frame = users_frame(frame)
        key = (rule, *facts.values()) if frame is None else (rule, id(frame.f_code), frame.f_lasti)
        if key not in self.settings.noted:
            self.settings.noted[key] = frame and frame.f_code  # kept, so that its id stays its own
            shown = {name: self.recorder.masked(f) if isinstance(f, str) else f for name, f in facts.items()}
            self.settings.add_note(make_note(rule, frame, **shown))

    def stored(self, key: object, value: object, frame: FrameType) -> None:
        """Look at a value of a class of its own that the handler stores: later nobody knows the line any more."""
        problems: list[str] = []
        encode({written_text(key): value}, problems)
        if problems:
            self.recorder.cannot_write(problems[0])
            self.look_into(users_line(users_frame(frame)), TASK.get())

    def asked_in_vain(self, key: object, frame: FrameType) -> None:
        """Remember data that the handler asked for and that isn't there, and the line."""
        name = str(key)
        if name not in self._asked and len(self._asked) < _MOST_ASKED:
            at = users_frame(frame)
            self._asked[name] = "" if at is None else f"{file_name(at.f_code.co_filename)}:{at.f_lineno}"

    def task_done(self) -> None:
        """Look again: cleanup may be waiting for the task."""
        self._clock.wake()

    def fault(self, task: str) -> BaseException | None:
        """Return what the world raises in a background task, or None."""
        return self._surroundings.fault(task) if self._surroundings is not None else None

    # --- the process's own, as `voicelab.runtime.isolation` asks for it ---

    @property
    def random(self) -> random.Random:
        """The session's generator, seeded when it is first used (seeding takes a tenth of a session)."""
        if self._random is None:
            self._random = self._seeds.random("handler")
        return self._random

    def time_ns(self) -> int:
        """Return the session's date and time in nanoseconds since 1970."""
        return self.settings.start_ns + int(self.now() * 1e9 + 0.5)

    def isoformat(self) -> str:
        """Return the session's date and time as text, written anew when time has passed."""
        now_s = self.now()
        if now_s != self._dated_s:
            self._dated_s, self._date = now_s, sdk.date_text(self.time_ns())
        return self._date

    def advance(self, seconds: float) -> None:
        """Let virtual time pass for a call that blocks."""
        loop: Any = asyncio.get_running_loop()
        loop.advance(seconds)

    def print(self, text: str) -> None:
        """Log what the handler prints, a line a row."""
        if "\n" not in text:
            self._count(len(self._printed) > _MOST_PIECES)
            self._printed.append(text)
            return
        first, *lines = text.split("\n")
        for line in ("".join((*self._printed, first)), *lines[:-1]):
            self._printed.clear()
            self._log(_PRINT, {"message": line})
        if lines[-1]:
            self._printed.append(lines[-1])

    def masked(self, text: str) -> str:
        """Return a text as it may leave the session."""
        return self.recorder.masked(text)

    def blocked(self, call: str, frame: FrameType) -> None:
        """Note a call that blocks the conversation; one in a thread of its own, or in its place, doesn't."""
        loop = asyncio._get_running_loop()
        if loop is None or getattr(loop, "is_offloading", False):
            return
        self.note("blocking_call", frame, call=call)

    def is_own(self, frame: FrameType) -> bool:
        """Return whether a frame is of the user's code, as `isolation.Scope`."""
        return is_users(frame.f_code)

    # --- rows ---

    def outcome_rows(self, context: SessionContext) -> list[Row]:
        """Return the outcomes that were declared or written, as rows of the log."""
        experiments, masked = context.experiments, self.recorder.masked
        most = self.settings.limits.outputs
        if len(experiments.outcomes) > most and self.outputs_left >= 0:
            self.outputs_left = -1
            self.limit_reached("outputs", None)
        return [
            table_row(
                "outcomes",
                session_index=self.index,
                outcome=masked(name),
                **self._value_of(outcome, name in experiments.written),
                written=name in experiments.written,
            )
            for name, outcome in itertools.islice(experiments.outcomes.items(), most)
        ]

    def _value_of(self, outcome: Any, written: bool) -> dict[str, Any]:
        """Return type, value and text, whatever the handler has set."""
        try:
            return self._plain_value_of(outcome, written)
        except BaseException as error:
            if is_ctrl_c(error):
                raise
            text = written_text(outcome.value)
            self.recorder.cannot_write(f"{text}: its value can't be had, {class_name(error)}")
            return {"type": "string", "value": None, "text": self.recorder.cut(text)}

    def _plain_value_of(self, outcome: Any, written: bool) -> dict[str, Any]:
        """Return type, value and text; the type is that of the value, unless the outcome was declared to hold text."""
        value = outcome.value
        if not written:
            declared = {"count": "integer"}.get(outcome.type, outcome.type)
            # Whether the session crashes isn't known yet, and is for the reader: the row says that nothing was written.
            return {"type": declared, "value": unwritten_value(declared, crashed=False), "text": None}
        if hasattr(value, "item"):
            value = value.item()
        if value is None:
            return {"type": {"count": "integer"}.get(outcome.type, outcome.type), "value": None, "text": None}
        if outcome.type == "string" or not isinstance(value, bool | int | float):
            text = str(value).lower() if isinstance(value, bool) else written_text(value)
            return {"type": "string", "value": None, "text": self.recorder.cut(text)}
        kind = "boolean" if isinstance(value, bool) else "integer" if isinstance(value, int) else "float"
        return {"type": kind, "value": float(value), "text": None}
