"""Runs one session: performs what turn-taking decides, calls the handler, and hears what it yields.

One asyncio Task a session. The handler runs inside that Task; an interruption cancels the Task and takes the
cancellation back (`uncancel`), which costs half as much as a Task a turn. While the handler works, the clock calls
`_ring` when something else falls due: the caller's next action, the end of a closing speech, the session's limit.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from voicelab.base.errors import HandlerError
from voicelab.base.plain_json import repr_of
from voicelab.base.records import Row, SessionRows, table_row
from voicelab.base.seeds import Seeds
from voicelab.base.session_limits import LimitReached
from voicelab.callers.actions import Action, Interrupt, Recognised, Say, Unheard
from voicelab.callers.protocol import Conversation
from voicelab.runtime import sdk
from voicelab.runtime.clock import Clock
from voicelab.runtime.context import Services
from voicelab.runtime.cpu_limit import begin_session
from voicelab.runtime.driving import CLEANUP_S, STOPPED, Work
from voicelab.runtime.isolation import SCOPE
from voicelab.runtime.tracebacks import suspended_at, waiting_at
from voicelab.session.agent_side import AgentSide, Stream
from voicelab.session.caller_side import CallerSide, SoundPath
from voicelab.session.effects import START, SessionEffects
from voicelab.session.host import RunSettings, Surroundings
from voicelab.session.recorder import Recorder
from voicelab.session.turns import TurnTaking
from voicelab.session.utterance import Utterance

T = TypeVar("T")
_LAST_S = 1.0
"""How long the handler and its tasks may go on when even the time for cleanup is over, in seconds."""
_NONE: Mapping[str, bool] = {}

_STOP = ("input", "stop", False, None)
_OUTCOME_SPECIFIED = ("system", "outcome_specified", False, None)


class Session(SessionEffects):
    """One conversation between a caller and a handler.

    Args:
        settings: What all sessions of the run have in common.
        clock: The session's clock, at 0.
        seeds: The session's streams of chance.
        conversation: The caller in this session.
        index: Index of the session in its run.
        session_id: The session's id.
        caller: Name of the caller.
        surroundings: What lies between caller and agent; None for nothing.
        parameters: What the handler reads with `get_data`.
        run_tests: Tests that have been stopped, as the SDK's `runTest`.
        telephone: Makes sound of the caller's words; None where they are text.
        services: Answers in the place of services; None where nothing does.
    """

    __slots__ = (
        "_caller_name",
        "_conversation",
        "_limit_s",
        "_parameters",
        "_perform",
        "_services",
        "_task",
        "session_id",
    )

    def __init__(
        self,
        settings: RunSettings,
        clock: Clock,
        seeds: Seeds,
        conversation: Conversation,
        *,
        index: int = 0,
        session_id: str = "",
        caller: str = "script",
        surroundings: Surroundings | None = None,
        parameters: Mapping[str, Any] | None = None,
        run_tests: Mapping[str, bool] | None = None,
        telephone: SoundPath | None = None,
        services: Services | None = None,
    ) -> None:
        super().__init__(settings, clock, seeds, index, run_tests or _NONE, surroundings)
        self.session_id = session_id
        self._caller_name = caller
        self._conversation = conversation
        self._parameters = parameters
        self._services = services
        self.turns = turns = TurnTaking(self, settings.timeout_s)
        recognise = partial(_heard_as, surroundings) if surroundings is not None and surroundings.mishears else None
        self._caller = CallerSide(conversation, turns, self.unheard, recognise, telephone)
        self._perform: Callable[..., None] = AgentSide(self, turns, self._caller).perform
        self._inbox = []
        self._limit_s = settings.limits.conversation_s
        self._work = Work(self._give_up, CLEANUP_S)
        self._unwatched()

    async def run(self) -> SessionRows:
        """Run the session to its end and return its rows."""
        SCOPE.set(self)
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]
        self.loop = self._task.get_loop()
        self._guard = begin_session(self)
        self.context = self.settings.contexts.make(self, self.session_id, self._parameters)
        self._transcript = self.context.transcript_parts
        if self._services is not None:
            self._services.open(self)
        self._clock.attend(self._due, self._ring)
        for part in (self._converse, self._clean_up):
            try:
                await part()
            except BaseException as error:
                self.withdraw()
                if self._is_stopped(error):
                    raise
                self.failed(error)
                self.end_at_once("error")
        return self._rows()

    def forget(self) -> None:
        """Let go of everything, when nothing of the session runs any more.

        What a session consists of refers to the session, and the session to it. Taken apart they are freed at once;
        left to the garbage collector, sessions take a sixth longer. The context stays whole: a handler that keeps it in
        its module can go on using it, and the session behind it answers, but what it is told is recorded nowhere.
        """
        self.turns.forget()
        # The rows of the one before are in the log.
        self.recorder = Recorder(self.settings.masker, self.settings.limits.text_chars)
        self._perform = _perform_nothing
        del self.context, self._caller, self._work, self._services

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the handler reads with `get_data`."""
        return self._parameters or {}

    # --- what a live caller and a voice do, on the session's own loop ---

    def act(self, action: Action | Recognised) -> None:
        """Do what the caller does now: words (complete as they come), keys, a custom event, hanging up."""
        if self.turns.ended is None:
            self._caller.act(action, self.now())
            self._look_again()

    def speak(self) -> None:
        """Take the caller's first sound, before its words are known."""
        if self.turns.ended is None:
            self.turns.speak(self.now())
            self._look_again()

    def hush(self) -> None:
        """Take back a first sound that turned out to be no words."""
        if self.turns.ended is None:
            self.turns.hush(self.now())
            self._look_again()

    def playing(self, row: int, start_s: float, end_s: float, **facts: str | float) -> Utterance | None:
        """Be told by the voice when an event plays; return it as it is queued now, or None if it has been cut.

        Args:
            row: The event's seq.
            start_s: When it begins to play.
            end_s: When it has been played.
            facts: What else the event's data shall say, such as the engine that spoke.
        """
        if self.turns.ended is not None:
            return None
        item = self.turns.retime(row, start_s, end_s)
        if item is not None:
            facts["duration_s"] = round(item.end_s - item.start_s, 3)
            self.recorder.amend(row, facts, time_s=item.start_s)
            self._look_again()
        return item

    def ask_caller_again(self) -> None:
        """Have a caller that waits be asked once more as soon as the agent has finished: it has something to say now."""
        self._caller.answered = True
        self._look_again()

    def _look_again(self) -> None:
        self._clock.changed()
        self._clock.wake()

    # --- the conversation ---

    async def _converse(self) -> None:
        turns, caller, clock, inbox, now = self.turns, self._caller, self._clock, self._inbox, self.now
        turns.begin(0.0, START)
        while turns.ended is None:
            if inbox:
                await self._answer(inbox.pop(0))
                if not self._work.cut:
                    if not turns.allowed:
                        self.opened(now())
                    turns.finish(now())
                caller.answered = True
            elif (turns.queue and now() < caller.next_at) or not caller.move(now()):
                if not clock.jump(self._due()):
                    await clock.wait()
                time_s = now()
                if time_s < self._limit_s:
                    turns.advance(time_s)
                else:
                    self.limit_reached("conversation_s", None)

    def _due(self) -> float:
        """Return when something happens by itself next, in seconds."""
        caller = self._caller
        due = self.turns.deadline()
        if caller.next_at < due:  # noqa: PLR1730 - `min` would take longer than all the rest
            due = caller.next_at
        if caller.plan_at < due and caller.due() < due:
            due = caller.plan_at
        return due if due < self._limit_s else self._limit_s  # noqa: FURB136 - as above

    def _ring(self) -> None:
        """Do what falls due while the handler works; the clock calls this beside the session's Task."""
        now, turns = self.now(), self.turns
        if now >= self._limit_s:
            self._limit_s = float("inf")
            waiting = waiting_at(self._work.running)
            if self.terminal:
                limit = f"cleanup is limited to {CLEANUP_S:g} s"
                self.failed(TimeoutError(f"The handler was cancelled{waiting}: {limit}"))
                self._cancel_handler()
            else:
                self.limit_reached("conversation_s", suspended_at(self._work.running))
        elif turns.ending is not None and now >= turns.deadline():
            turns.end(now, turns.ending)
        else:
            self._caller.move(now)
            self._clock.changed()

    async def _answer(self, event: sdk.Event) -> None:
        """Have the handler take an input; `_work.cut` tells afterwards whether it was cancelled."""
        work = self._work
        work.cut = work.given_up = False
        self._answering = True
        self._clock.changed()
        try:
            fault = None if self._surroundings is None else await self._fault_after_delay(self._surroundings)
            answer = self._function(event, self.context)
            if hasattr(answer, "__aiter__"):
                await work.hear(answer, self._perform, event.turn, None, fault)
            elif hasattr(answer, "__await__"):
                await work.wait(answer, fault)
            else:
                raise HandlerError(
                    f"The handler returned {repr_of(answer)}; it must be an `async def` that yields events."
                )
        except asyncio.CancelledError as error:
            if self._is_stopped(error):
                raise
            if not work.cut:
                self.failed(error)  # the handler raised it, or cancelled its own Task
        except BaseException as error:
            self.withdraw()
            if self._is_stopped(error):
                raise
            self.failed(error)
        finally:
            self._answering = False
            if self._task.cancelling():
                await self._take_cancellation_back()

    def _is_stopped(self, error: BaseException) -> bool:
        """Return whether an exception ends the session's coroutine itself, whatever runs in it."""
        if isinstance(error, GeneratorExit):  # thrown in by whoever frees it; else its own Task drives it
            return asyncio._get_running_loop() is None or asyncio.current_task() is not self._task
        # By identity: what a handler puts into an error of its own may claim to be equal to anything.
        return isinstance(error, asyncio.CancelledError) and len(error.args) == 1 and error.args[0] is STOPPED

    async def _take_cancellation_back(self) -> None:
        """Make the session's Task one that nobody has asked to cancel."""
        while self._task.cancelling():
            self._task.uncancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(0)  # a handler that cancels its own Task and returns leaves the cancellation to come

    async def _fault_after_delay(self, surroundings: Surroundings) -> BaseException | None:
        """Let the world's delay pass, and return what it raises inside the handler, or None."""
        delay_s = surroundings.delay_s()
        if delay_s:
            await asyncio.sleep(delay_s)
        return surroundings.fault("handler")

    # --- the end ---

    async def _clean_up(self) -> None:
        """Tell the handler that the session has ended, and let it and its tasks finish within 30 s."""
        now = self.now()
        self.terminal = True
        self._limit_s = now + CLEANUP_S
        self._work.grace_s = _LAST_S
        self._caller.leave()
        self.context.cancel_interruptible_tasks()
        stop = sdk.StopEvent()
        stop.turn = max(0, self.turns.turn)
        self.recorder.add(now, stop.turn, _STOP, stop.data)
        await self._answer(stop)
        if self.context.running:
            await self._finish_tasks()
        if self._surroundings is not None:
            surroundings = self._surroundings
            self._whatever_is_there(lambda: self._apply_truth(surroundings), None)
        if self._printed:
            with contextlib.suppress(LimitReached):
                self.print("\n")

    async def _finish_tasks(self) -> None:
        context = self.context
        while context.running and self.now() < self._limit_s:
            await self._clock.wait()
        if context.running:
            names = ", ".join(task.get_name() for task in context.running)
            self.failed(TimeoutError(f"Cancelled: {names}; cleanup is limited to {CLEANUP_S:g} s"))
            self._limit_s = float("inf")
            for task in context.running:
                task.cancel()
            # Their `finally` blocks run now, in this session.
            await asyncio.wait(context.running, timeout=_LAST_S)
            for task, work in context.running.items():
                work.stop(task)
        if context.running:
            await asyncio.wait(context.running)

    def _apply_truth(self, surroundings: Surroundings) -> None:
        experiments = self.context.experiments
        variants = {name: str(test.value) for name, test in experiments.experiments.items()}
        for name, value in surroundings.outcomes(variants):
            if name not in experiments.outcomes:
                experiments.add_manual_outcome(name, "boolean" if isinstance(value, bool) else "float")
                self.recorder.tell("made_up", name)
            elif name in experiments.written and (own := experiments.get_outcome(name)) != value:
                # The conversation may say the opposite of the outcome: whoever reads it must know why.
                facts = {"outcome": name, "value": value, "handler": own}
                self.recorder.add(self.now(), self.turn, _OUTCOME_SPECIFIED, facts)
            experiments.set_outcome(name, value)

    # --- cutting short ---

    def cancel_turn(self, time_s: float, turn: int) -> None:
        """Cancel the handler, and an input that it has not taken yet: it still cleans up behind the one before."""
        del time_s, turn
        self._inbox.clear()
        self._cancel_handler()

    def _cancel_handler(self) -> None:
        if not self._work.cut:
            self._work.cut = True
            # What the handler itself yields can end its turn too: then it is stopped at that yield, not cancelled.
            if asyncio.current_task() is not self._task:
                self._task.cancel()

    def _give_up(self, work: Work) -> None:
        self.gave_up(work, None, self.turn)

    # --- what the SDK's context hands over ---

    def emitted(self, event: sdk.Event) -> None:
        """Take an event that the context sends by itself."""
        self._perform(event, None, self.turn)

    def task_emitted(self, event: object, stream: Stream, turn: int, task: str) -> None:
        """Take what a background task yields."""
        if isinstance(event, sdk.Event):
            event.background, event.background_task_name, event.turn = True, task, turn
        self._perform(event, stream, turn, task)
        self._clock.wake()

    def _whatever_is_there(self, read: Callable[[], T], otherwise: T) -> T:
        """Return what is read of the context, which the handler may have damaged."""
        try:
            return read()
        except BaseException as error:
            self.withdraw()
            if self._is_stopped(error):
                raise
            self.failed(error)
            self.end_at_once("error")
            return otherwise

    def _rows(self) -> SessionRows:
        recorder, context = self.recorder, self.context
        kept = context.data if isinstance(context.data, dict) else {}
        for key, where in self._asked.items():
            recorder.tell(*(("stored", key) if key in kept else ("asked", key, where)))
        data = self._whatever_is_there(lambda: recorder.kept(context.data), "{}")
        output_data = self._whatever_is_there(lambda: recorder.kept(context.output_data), "{}")
        none: list[Row] = []
        outcomes = self._whatever_is_there(lambda: self.outcome_rows(context), none)
        if recorder.trouble:
            self.look_into(None)
        rows = self._as_rows(data, output_data, outcomes)
        if self.settings.evaluators:
            rows.outcomes = self.settings.evaluators.outcomes(rows)
        return rows

    def so_far(self) -> SessionRows:
        """Return the rows of the session as they are now, without a status: for whoever can't wait until it has ended."""
        data, outcomes = "{}", []
        with contextlib.suppress(Exception):  # what the handler has damaged is said when the session ends
            data, outcomes = self.recorder.text(self.context.data), self.outcome_rows(self.context)
        return self._as_rows(data, "{}", outcomes)

    def _as_rows(self, data: str, output_data: str, outcomes: list[Row]) -> SessionRows:
        recorder, settings = self.recorder, self.settings
        session = table_row(
            "sessions",
            run_id=settings.run_id,
            session_id=self.session_id,
            session_index=self.index,
            source=settings.source,
            caller=self._caller_name,
            status=self._status or self.turns.ended,
            n_errors=recorder.n_errors,
            error=recorder.error,
            n_turns=self.turns.turn + 1,
            n_replies=getattr(self._conversation, "n_replies", 0),
            n_otherwise=getattr(self._conversation, "n_otherwise", 0),
            duration_s=self.turns.ended_s,
            environment=settings.environment,
            direction="inbound",
            origin="simulation" if settings.source == "simulated" else "debugger",
            tags="[]",
            parameters=recorder.text(self._parameters) if self._parameters else "{}",
            data=data,
            output_data=output_data,
        )
        return SessionRows(
            session,
            recorder.events,
            recorder.exposures,
            outcomes,
            recorder.metrics,
            recorder.aside,
        )


def _perform_nothing(event: object, stream: Stream, turn: int, task: str | None = None) -> None:
    """Stand in for the agent's side of a session that is over."""


def _heard_as(surroundings: Surroundings, said: Say | Interrupt) -> Say | Interrupt | Recognised | Unheard:
    """Return the caller's words as the world's recogniser gives them to the agent."""
    text = surroundings.recognised(said.text)
    if text == said.text:
        return said
    return Recognised(text, said.text, {}, said.source) if text else Unheard({"said": said.text})
