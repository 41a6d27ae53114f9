"""Runs one session: the only code here that waits. It calls the handler, has time pass, and sees to the end.

One asyncio Task a session. The handler runs inside that Task; an interruption cancels the Task and takes the
cancellation back (`uncancel`), which costs half as much as a Task a turn. What happens next by itself is known at any time
(`next_due`): the clock jumps there, or waits; and while the handler works, the clock calls `_ring` when it is due.

Most handlers never wait. They are driven without a guard; `driving.Work` is put around one at its first wait.
"""

import asyncio
import contextlib
import sys
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

from voicelab.base.errors import HandlerError
from voicelab.base.named_numbers import MEASURED
from voicelab.base.plain_json import repr_of
from voicelab.base.records import EventRow, Row, SessionRows
from voicelab.base.session_limits import LimitReached
from voicelab.measures import measures_of
from voicelab.runtime import sdk
from voicelab.runtime.cpu_limit import begin_session
from voicelab.runtime.driving import CLEANUP_S, STOPPED, Work, finished, listen
from voicelab.runtime.isolation import SCOPE
from voicelab.runtime.tracebacks import suspended_at, waiting_at
from voicelab.session import rows
from voicelab.session.agent import perform
from voicelab.session.caller import caller_leaves, caller_moves, put_before_handler
from voicelab.session.early_end import (
    cut_short,
    end_at_once,
    limit_reached,
    look_into,
    record_failure,
    record_given_up,
    stop_handler,
)
from voicelab.session.finished_rows import all_rows, outcome_rows
from voicelab.session.host import SessionHost
from voicelab.session.inputs import START
from voicelab.session.playback import tell_gate
from voicelab.session.rows import add_row, kept_text, mask_rows, tell_aside
from voicelab.session.session_state import Session
from voicelab.session.surroundings import Surroundings
from voicelab.session.turns import advance, begin_conversation, end_conversation, handler_finished
from voicelab.session.utterance import NEVER

T = TypeVar("T")
_LAST_S = 1.0
"""How long the handler and its tasks may go on when even the time for cleanup is over, in seconds."""


async def run_session(s: Session) -> SessionRows:
    """Run a session to its end and return its rows; `let_go` comes when nothing of it runs any more."""
    _open(s)
    for part in (_converse, _clean_up):
        try:
            await part(s)
        except BaseException as error:
            s.host.withdraw()
            if _is_stopped(s, error):
                raise
            record_failure(s, error)
            end_at_once(s, "error")
    return _rows(s)


def _open(s: Session) -> None:
    s.task = asyncio.current_task()  # type: ignore[assignment]
    s.loop = s.task.get_loop()
    s.host = host = SessionHost(s)
    SCOPE.set(host)
    s.guard = begin_session(host)
    s.deliver, s.stop_handler, s.grace_s = put_before_handler, stop_handler, CLEANUP_S
    s.context = s.settings.contexts.make(host, s.session_id, s.parameters)
    s.transcript = s.context.transcript_parts
    if s.masker:
        mask_rows(s)
    if s.services is not None:
        s.services.open(host)
    s.clock.attend(partial(next_due, s), partial(_ring, s))


def let_go(s: Session) -> None:
    """Let go of the context, so that both are freed at once: left to the garbage collector, sessions take a sixth longer.

    A handler may keep its context in its module. It stays whole and finds its session, but what it says is recorded
    nowhere, and counts for no limit: it would be another session's handler that the limit's exception ends.
    """
    del s.context, s.host
    s.stream = s.last_cut = None
    s.events, s.metrics, s.exposures, s.aside = [], [], [], []
    s.put = _put_nowhere
    s.outputs_left = s.chars_left = sys.maxsize


def _put_nowhere(row: EventRow) -> None:
    del row


# --- the conversation ------------------------------------------------------------------------------------------------


async def _converse(s: Session) -> None:
    clock, now, inbox = s.clock, s.now, s.inbox
    begin_conversation(s, START)
    while s.ended is None:
        if inbox:
            await _answer(s, inbox.pop(0))
            if not s.cut:
                handler_finished(s, now())
            s.answered = True
        elif (s.queue and not (s.saying or s.timed) and s.cut_in_at == NEVER) or not caller_moves(s, now()):
            if not clock.jump(next_due(s)):
                await clock.wait()
            time_s = now()
            if s.gate_due <= time_s:
                tell_gate(s, time_s)
                if next_due(s) > time_s:
                    continue
            if time_s < s.limit_s:
                advance(s, time_s)
            else:
                limit_reached(s, "conversation_s", None)


def next_due(s: Session) -> float:
    """Return when something happens by itself next, in seconds: every deadline of a session is one of these."""
    due = s.limit_s  # of the conversation, or of the cleanup
    if s.queue:
        if s.queue[-1].end_s < due and (not s.running or s.ending is not None):
            due = s.queue[-1].end_s  # all has been played; while the handler works that matters only to the end
        if s.gate_due < due:  # noqa: PLR1730 - `min` would take longer than all the rest
            due = s.gate_due  # the gate opens or closes, since something has been played
    elif s.ended is None:
        if s.ending is not None:
            return 0.0
        if not s.running:
            if s.silent_since is not None and s.allowed and not s.speaking:
                due = min(due, s.silent_since + s.timeout_s)  # the handler is told of the silence
            if s.plan_at < due and not s.saying:
                due = s.plan_at  # the caller has been silent for as long as it meant to be
    if s.saying and s.saying[0][0] < due:
        due = s.saying[0][0]  # what was said reaches the agent
    if s.timed and s.timed[0][0] < due:
        due = s.timed[0][0]  # what happens at a fixed time
    if s.cut_in_at < due:  # noqa: PLR1730 - as above
        due = s.cut_in_at  # the caller cuts in on what the agent says
    return due


def _ring(s: Session) -> None:
    """Do what falls due while the handler works; the clock calls this beside the session's Task."""
    now = s.now()
    if s.gate_due <= now:
        tell_gate(s, now)
    if now >= s.limit_s:
        s.limit_s = NEVER
        if s.terminal:
            limit = f"cleanup is limited to {CLEANUP_S:g} s"
            record_failure(s, TimeoutError(f"The handler was cancelled{waiting_at(s.stream)}: {limit}"))
            cut_short(s)
        else:
            limit_reached(s, "conversation_s", suspended_at(s.stream))
    elif s.ending is not None and s.ended is None and (not s.queue or s.queue[-1].end_s <= now):
        end_conversation(s, now, s.ending)
    else:
        caller_moves(s, now)
        s.clock.changed()


async def _answer(s: Session, event: sdk.Event) -> None:
    """Have the handler take an input; `cut` tells afterwards whether it was cancelled."""
    s.cut, s.answering = False, True
    if not s.is_virtual:
        s.clock.changed()
    try:
        fault = None if s.surroundings is None else await _fault_after_delay(s.surroundings)
        stream = s.stream = s.function(event, s.context)
        if hasattr(stream, "__aiter__"):
            step = listen(stream, partial(perform, s, stream, event.turn, None), fault)
        else:
            step = _without_events(stream, fault)
        try:
            waiting = step.send(None)
        except StopIteration:
            return
        s.work = Work(stream, partial(_give_up, s), s.grace_s)
        await s.work.rest(step, waiting)
    except asyncio.CancelledError as error:
        if _is_stopped(s, error):
            raise
        if not s.cut:
            record_failure(s, error)  # the handler raised it, or cancelled its own Task
    except BaseException as error:
        s.host.withdraw()
        if _is_stopped(s, error):
            raise
        record_failure(s, error)
    finally:
        s.answering, s.work = False, None
        if s.task.cancelling():
            await _take_cancellation_back(s.task)


def _without_events(answer: Any, fault: BaseException | None) -> Coroutine[Any, Any, Any]:
    """Return the coroutine that waits for a handler that yields nothing."""
    if hasattr(answer, "__await__"):
        return finished(answer, fault)
    raise HandlerError(f"The handler returned {repr_of(answer)}; it must be an `async def` that yields events.")


async def _fault_after_delay(surroundings: Surroundings) -> BaseException | None:
    """Let the world's delay pass, and return what it raises inside the handler, or None."""
    delay_s = surroundings.delay_s()
    if delay_s:
        await asyncio.sleep(delay_s)
    return surroundings.fault("handler")


def _give_up(s: Session, work: Work) -> None:
    record_given_up(s, work, None, s.turn)


def _is_stopped(s: Session, error: BaseException) -> bool:
    """Return whether an exception ends the session's coroutine itself, whatever runs in it."""
    if isinstance(error, GeneratorExit):  # thrown in by whoever frees it; else its own Task drives it
        return asyncio._get_running_loop() is None or asyncio.current_task() is not s.task
    # By identity: what a handler puts into an error of its own may claim to be equal to anything.
    return isinstance(error, asyncio.CancelledError) and len(error.args) == 1 and error.args[0] is STOPPED


async def _take_cancellation_back(task: asyncio.Task[Any]) -> None:
    """Make the session's Task one that nobody has asked to cancel."""
    while task.cancelling():
        task.uncancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)  # a handler that cancels its own Task and returns leaves the cancellation to come


# --- the end ---------------------------------------------------------------------------------------------------------


async def _clean_up(s: Session) -> None:
    """Tell the handler that the session has ended, and let it and its tasks finish within 30 s."""
    now, turn = s.now(), max(0, s.turn)
    s.terminal = True
    s.limit_s = now + CLEANUP_S
    s.grace_s = _LAST_S
    caller_leaves(s)
    s.context.cancel_interruptible_tasks()
    stop = sdk.StopEvent()
    stop.turn = turn
    add_row(s, now, turn, rows.STOP, stop.data)
    await _answer(s, stop)
    if s.context.running:
        await _finish_tasks(s)
    if s.surroundings is not None:
        surroundings = s.surroundings
        _whatever_is_there(s, lambda: _apply_truth(s, surroundings), None)
    if s.printed:
        with contextlib.suppress(LimitReached):
            s.host.print("\n")


async def _finish_tasks(s: Session) -> None:
    context = s.context
    while context.running and s.now() < s.limit_s:
        await s.clock.wait()
    if context.running:
        names = ", ".join(task.get_name() for task in context.running)
        record_failure(s, TimeoutError(f"Cancelled: {names}; cleanup is limited to {CLEANUP_S:g} s"))
        s.limit_s = NEVER
        for task in context.running:
            task.cancel()
        # Their `finally` blocks run now, in this session.
        await asyncio.wait(context.running, timeout=_LAST_S)
        for task, work in context.running.items():
            work.stop(task)
    if context.running:
        await asyncio.wait(context.running)


def _apply_truth(s: Session, surroundings: Surroundings) -> None:
    """Set the outcomes that the world specifies, and say where the handler had set another value."""
    experiments = s.context.experiments
    variants = {name: str(test.value) for name, test in experiments.experiments.items()}
    for name, value in surroundings.outcomes(variants):
        if name not in experiments.outcomes:
            experiments.add_manual_outcome(name, "boolean" if isinstance(value, bool) else "float")
            tell_aside(s, "made_up", name)
        elif name in experiments.written and (own := experiments.get_outcome(name)) != value:
            # The conversation may say the opposite of the outcome: whoever reads it must know why.
            add_row(s, s.now(), s.turn, rows.OUTCOME_SPECIFIED, {"outcome": name, "value": value, "handler": own})
        experiments.set_outcome(name, value)


def _whatever_is_there(s: Session, read: Callable[[], T], otherwise: T) -> T:
    """Return what is read of the context, which the handler may have damaged."""
    try:
        return read()
    except BaseException as error:
        s.host.withdraw()
        if _is_stopped(s, error):
            raise
        record_failure(s, error)
        end_at_once(s, "error")
        return otherwise


def _rows(s: Session) -> SessionRows:
    context = s.context
    if s.asked:
        kept = context.data if isinstance(context.data, dict) else {}
        for key, where in s.asked.items():
            tell_aside(s, *(("stored", key) if key in kept else ("asked", key, where)))
    data = _whatever_is_there(s, lambda: kept_text(s, context.data), "{}")
    output_data = _whatever_is_there(s, lambda: kept_text(s, context.output_data), "{}")
    none: list[Row] = []
    outcomes = _whatever_is_there(s, lambda: outcome_rows(s, context), none)
    if s.trouble:
        look_into(s, None)
    if (logged := getattr(s.conversation, "replay_outcomes", None)) is not None:
        outcomes = [*outcomes, *logged()]
    made = all_rows(s, data, output_data, outcomes)
    if s.settings.evaluators:
        if s.settings.evaluators.looked.names_any(MEASURED):
            made.measures = measures_of(made)
        made.outcomes = s.settings.evaluators.outcomes(made)
    return made
