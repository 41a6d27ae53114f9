"""`record.shrink`: the shortest conversation that still fails, found by running it.

The session is run again as it was, then taken apart (`removables`): the first of a few ways to do that after which it still fails
the same way, the simplest first, is what `minimizing` begins with. Each candidate is played, and fails only if its cause is the
same as the session's.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from voicelab.base import checks
from voicelab.base.errors import InputError, NotRepeatedError, did_you_mean
from voicelab.base.masking import MASK
from voicelab.base.pace import speech_seconds
from voicelab.base.records import Event
from voicelab.callers.actions import Action, At, HangUp, Interrupt, Say, Silence
from voicelab.change.minimizing import Minimizer
from voicelab.change.removables import (
    DELAY,
    INPUT,
    TRUTH,
    WORLD,
    Bench,
    Removable,
    Removables,
    WatchedWorld,
    parts_of_options,
    with_faults,
    without_kinds,
)
from voicelab.change.repeating import changed_since, not_repeated, played_again, what_is_needed
from voicelab.change.shrunk import Shrunk
from voicelab.handlers import set_outcomes
from voicelab.record.caller_as_script import script_of
from voicelab.record.failure import EXAMPLES, Cause, Failed, Failure, FailureLike
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import opening_alone
from voicelab.runs.options import SessionOptions
from voicelab.runs.origin import Origin

OPTIONS = (
    "variables",
    "environment",
    *(f.name for f in fields(SessionOptions) if f.name not in {"handler", "callers"}),
)
"""What a session may be given beside its handler."""


@dataclass(frozen=True)
class SameFailure:
    """The failure that has to stay the same.

    Attributes:
        failure: What makes a session a failed one.
        failed: How the session failed.
        by_last_words: Whether it is told from others by the agent's last words.
    """

    failure: Failure
    failed: Failed
    by_last_words: bool = False

    def of(self, record: SessionRecord | None) -> Failed | None:
        """Return how a session fails the same way, or None."""
        if record is None:
            return None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a predicate: it was said of the session itself
            return next((failed for failed in self.failure.all_of(record) if self._is_same(failed.cause)), None)

    def _is_same(self, cause: Cause) -> bool:
        if self.failure.kind == "errors" or self.by_last_words:
            return cause == self.failed.cause
        return cause.path == self.failed.cause.path


def shrink(
    record: SessionRecord,
    failure: FailureLike | None = None,
    *,
    handler: Any = None,
    max_runs: int = 2_000,
    options: Mapping[str, Any] | None = None,
) -> Shrunk:
    """Return the shortest conversation that still fails as a session did; see `SessionRecord.shrink`."""
    checks.whole("max_runs", max_runs)
    origin = _origin(record, handler, options or {})
    wanted = _wanted(record, failure, origin)
    failed = wanted.of(record)
    if failed is None:
        raise InputError(f"Session {record.session_id} doesn't fail by {wanted}: it {_ended(record)}. Give {EXAMPLES}.")
    same = SameFailure(wanted, failed)
    watch = None if origin.options.world is None else WatchedWorld(origin.options.world)
    again = played_again(_watched(origin, watch))
    if same.of(again) is None and handler is None:
        raise not_repeated(record, again, failed, wanted.of(again), changed_since(record, origin))
    bench = Bench(origin.options, len(watch.calls[0]) if watch and watch.calls else 1)
    same = replace(same, by_last_words=_is_absence(bench, tuple(parts_of_options(origin, again)), same))
    parts = _parts_that_fail(record, origin, watch, bench, same)
    if parts is None and handler is not None:
        raise not_repeated(record, again, failed, wanted.of(again), changed_since(record, origin))
    if parts is None:
        raise NotRepeatedError(
            f"Session {record.session_id} fails again when it is run again, but not when its caller's inputs are given as a "
            f"script: {_unsaid(record)}. Step through log.rerun({record.session_index}) instead."
        )
    minimizer = Minimizer(lambda some: same.of(bench.play(some)) is not None, max_runs)
    smallest = minimizer.smallest(parts)
    found = bench.play(smallest)
    still = same.of(found)
    if found is None or still is None:
        raise NotRepeatedError(
            f"Session {record.session_id} was made shorter, and at the end its shortest form doesn't fail any more: an earlier "
            "session has left something behind, such as a global of the handler's. vl.simulate(..., check=True) says which."
        )
    return Shrunk(record, found, wanted, still, smallest, bench, minimizer.n_runs, minimizer.finished)


# --- what is asked --------------------------------------------------------------------------------------------------


def _wanted(record: SessionRecord, failure: FailureLike | None, origin: Origin) -> Failure:
    """Return the failure that is meant, with the evaluator that it names."""
    options = origin.options
    if failure is None:
        return _by_itself(record, options)
    wanted = Failure.parse(failure).named_evaluator(options.evaluators)
    wanted.check_name([*record.outcomes, *set_outcomes(options.handler.sources)])
    return wanted


def _unsaid(record: SessionRecord) -> str:
    """Return what a list of inputs doesn't hold of a session's caller."""
    if any(MASK in str(e.data) for e in record.events if e.kind == "input"):
        return "it holds the value of a variable, which is masked in the record"
    return f"{record.caller!r} does something that no list of inputs says"


def _by_itself(record: SessionRecord, options: SessionOptions) -> Failure:
    """Return what a session fails by where nobody says what a failure is."""
    if record.errors:
        return Failure("errors")
    if record.status in {"error", "timeout"}:
        return Failure("status", bound=record.status)
    for evaluator in options.evaluators:
        if record.outcomes.get(evaluator.name) is False:
            return Failure("evaluator", evaluator.name, evaluator=evaluator)
    raise InputError(
        f"Session {record.session_id} {_ended(record)}: say what of it is a failure. failure= is one of {EXAMPLES}."
    )


def _ended(record: SessionRecord) -> str:
    outcomes = ", ".join(f"{name} = {value}" for name, value in record.outcomes.items())
    errors = f"{record.n_errors or 'no'} error{'s' if record.n_errors != 1 else ''}"
    return f"ended as {record.status}, with {errors}{f' and {outcomes}' if outcomes else ''}"


def _is_absence(bench: Bench, options: Removables, same: SameFailure) -> bool:
    """Return whether a session without any input would fail as well, so that there has to be more to the failure."""
    return same.failure.kind != "errors" and same.of(bench.play(options)) is not None


# --- what is run -----------------------------------------------------------------------------------------------------


def _origin(record: SessionRecord, handler: Any, options: Mapping[str, Any]) -> Origin:
    """Return what the session was played from, or is to be played from.

    Raises:
        InputError: nobody here knows.
    """
    if handler is None:
        if options:
            raise InputError(f"{', '.join(options)} belongs to a session that is run by a handler: give handler= too.")
        if record.origin is None:
            raise InputError(what_is_needed(record))
        origin: Origin = record.origin()
        return origin
    if unknown := [name for name in options if name not in OPTIONS]:
        raise InputError(
            f"shrink has no option {unknown[0]!r}.{did_you_mean(unknown[0], OPTIONS)} There are: {', '.join(OPTIONS)}."
        )
    given = dict(options)
    given.setdefault("seed", record.manifest.get("seed", 0))
    given.setdefault("environment", record.environment or None)
    given.setdefault("parameters", record.parameters or None)
    given.setdefault("direction", record.facts.get("direction") or "inbound")
    given.setdefault("variants", record.variants or None)
    script = script_of(record.events, record.status)
    made = SessionOptions.checked(handler, opening_alone(script), **given)
    return Origin(made, index=record.session_index)


def _watched(origin: Origin, watch: WatchedWorld | None) -> Origin:
    if watch is None:
        return origin
    return replace(origin, options=replace(origin.options, world=watch))  # type: ignore[arg-type]  # as much of a world as is asked


# --- taken apart -----------------------------------------------------------------------------------------------------


def _parts_that_fail(
    record: SessionRecord, origin: Origin, watch: WatchedWorld | None, bench: Bench, same: SameFailure
) -> Removables | None:
    """Return the parts of a session, taken apart in the simplest of a few ways after which it still fails; None for none."""
    ways = map(tuple, _ways(record, origin, watch))
    return next((parts for parts in ways if same.of(bench.play(parts)) is not None), None)


def _ways(record: SessionRecord, origin: Origin, watch: WatchedWorld | None) -> Iterator[list[Removable]]:
    options = parts_of_options(origin, record)
    said = inputs_of(record)
    heard = inputs_of(record, heard=True)
    calls = [] if watch is None else watch.calls
    delay = [Removable(DELAY, value=max(watch.delays_s))] if watch and watch.delays_s and max(watch.delays_s) else []
    yield [*options, *(part for part, _ in said)]
    yield [*options, *(part for part, _ in heard)]
    yield [*options, *with_faults(heard, calls)]
    yield [*options, *delay, *with_faults(heard, calls)]
    timed = inputs_of(record, heard=True, timed=True)
    yield [*options, *with_faults(timed, calls)]
    yield [*options, *delay, *with_faults(timed, calls)]
    world = origin.options.world
    whole = [*without_kinds(options, [TRUTH]), *([] if world is None else [Removable(WORLD, value=world)])]
    if world is not None:
        calm = [
            *without_kinds(options, [TRUTH]),
            Removable(WORLD, value=world.replace(recognition_errors=0.0, confusions={})),
        ]
        yield [*calm, *(part for part, _ in heard)]
        yield [*whole, *(part for part, _ in said)]
    if origin.options.telephone is not None:
        yield [*whole, Removable("option", "telephone", origin.options.telephone), *(part for part, _ in said)]


def inputs_of(record: SessionRecord, *, heard: bool = False, timed: bool = False) -> list[tuple[Removable, int]]:
    """Return a caller's inputs as parts, each with the number of inputs of the handler that it came to.

    Args:
        record: The session.
        heard: In the words that the agent heard, in place of those that were said.
        timed: Each at its own time, whatever the agent does then.
    """
    script = script_of(record.events, record.status)
    delivered = [e for e in record.events if e.kind == "input" and e.name not in {"start", "stop"}]
    waiting = _in_stretches(delivered)
    found: list[tuple[Removable, int]] = []
    for action in script:
        events = [] if isinstance(action, HangUp) else next(waiting, [])
        made: Any = action
        if events and not isinstance(action, Silence):
            made = _as_heard(action, events[0]) if heard else action
            made = At(_began_s(made, events[0]), made) if timed else made
        if timed and isinstance(action, Silence):
            continue  # what comes after it has its time
        found.append((Removable(INPUT, value=made), len(events)))
    if timed and script and isinstance(script[-1], HangUp):
        found[-1] = (Removable(INPUT, value=At(round(record.events[-1].time_s, 3), HangUp())), 0)
    return found


def _in_stretches(delivered: Sequence[Event]) -> Iterator[list[Event]]:
    """Yield inputs one by one, timeouts in a row together: a silence made them."""
    silent: list[Event] = []
    for event in delivered:
        if event.name == "timeout":
            silent.append(event)
            continue
        if silent:
            yield silent
            silent = []
        yield [event]
    if silent:
        yield silent


def _as_heard(action: Action, event: Event) -> Action:
    text = event.data.get("text")
    if isinstance(action, Say | Interrupt) and isinstance(text, str) and text.strip():
        return replace(action, text=text)
    return action


def _began_s(action: Action, event: Event) -> float:
    spoken = isinstance(action, Interrupt) or (isinstance(action, Say) and action.source == "speech")
    text = getattr(action, "text", "")
    return round(max(0.0, event.time_s - (speech_seconds(text) if spoken else 0.0)), 3)
