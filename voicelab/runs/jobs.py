"""One session from start to end in this process: `vl.run`, and the job that `simulate` runs many times."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Literal, ParamSpec, TypeVar

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import Masker
from voicelab.base.records import EventRow, PortabilityNote, SessionRows
from voicelab.base.seeds import Seeds, session_id
from voicelab.base.session_limits import Limits
from voicelab.callers import CallerLike, Heard, KnownCaller
from voicelab.handlers import Handler, HandlerLike, VariablesLike
from voicelab.predicates import EvaluatorsLike
from voicelab.record.session_record import SessionRecord, SideBySide
from voicelab.runs.drawn_rows import DrawnRows
from voicelab.runs.findings import Findings, known_to, tell, warn
from voicelab.runs.options import SessionOptions
from voicelab.runs.origin import Origin
from voicelab.runtime import patching, sdk
from voicelab.runtime.clock import Clock, VirtualClock, VirtualLoop, WallClock
from voicelab.runtime.context import Services
from voicelab.runtime.own_loop import in_own_loop
from voicelab.runtime.portability import make_note
from voicelab.runtime.process_state import ProcessState
from voicelab.runtime.watchdog import watching
from voicelab.session.engine import let_go, run_session
from voicelab.session.run_settings import RunSettings, as_logged
from voicelab.session.session_state import Session
from voicelab.session.surroundings import Voice
from voicelab.world.http import Http, HttpLike, refuse_recording
from voicelab.world.model import ModelLike
from voicelab.world.traffic import TrafficRecorder
from voicelab.world.world import World

T = TypeVar("T")
P = ParamSpec("P")


@dataclass(frozen=True)
class Job:
    """The sessions of a run, each from start to end; it can be pickled.

    Attributes:
        options: What every session is made of.
        run_id: The run's id.
        source: `simulated`, `typed`, `spoken`, ...
    """

    options: SessionOptions
    run_id: str = "run"
    source: str = "simulated"

    def settings(self, add_note: Callable[[PortabilityNote], None]) -> RunSettings:
        """Return what all sessions have in common, in this process.

        Args:
            add_note: Takes portability notes.
        """
        options, handler = self.options, self.options.handler
        return RunSettings(
            function=handler.function,
            add_note=add_note,
            strict=handler.strict,
            variables=handler.variables,
            secrets=handler.secrets,
            environment=handler.environment,
            configuration=options.configuration,
            input_data=options.input_data,
            direction=options.direction,
            forced=options.variants,
            start_ns=int(options.start.timestamp()) * 10**9,
            agent=handler.name,
            run_id=self.run_id,
            source=self.source,
            limits=options.limits,
            evaluators=options.evaluators,
        )

    def session(
        self,
        settings: RunSettings,
        clock: Clock,
        index: int,
        run_tests: Mapping[str, bool] | None = None,
        parameters: Mapping[str, Any] | None = None,
        voice: Voice | None = None,
        events: list[EventRow] | None = None,
    ) -> Session:
        """Return a session of the run, ready to run.

        Args:
            settings: Of `settings()`.
            clock: The session's clock, at 0.
            index: Index of the session.
            run_tests: Tests that have stopped by then, on top of the job's.
            parameters: The session's own parameters, in place of the job's.
            voice: Plays what the agent says; None where nobody listens.
            events: Takes the rows of the table `events`, as they come; None for a plain list.
        """
        options = self.options
        own, tests = options.parameters_of(index) if parameters is None else options.split(parameters)
        callers = options.callers
        seeds = Seeds(options.seed, callers.stream_index(index))
        caller = callers.of_session(index, seeds)
        if caller.logged is not None:
            settings, own = as_logged(settings, caller.logged, own)
        if options.handler.binds_numpy_random:
            _seed_numpy(seeds.seed("numpy"))
        conversation = caller.begin(seeds.lazy_random("caller"))
        session = Session(
            settings,
            clock,
            seeds,
            conversation,
            index=index,
            session_id=session_id(self.run_id, index),
            caller=caller.name,
            surroundings=None if options.world is None else options.world.begin(seeds),
            parameters=own,
            run_tests={**tests, **run_tests} if run_tests else tests,
            telephone=None if options.telephone is None else options.telephone.begin(seeds, caller.phrases),
            services=self._services(seeds, settings.masker),
            voice=voice,
            events=events,
        )
        if caller.logged is not None:
            conversation.attend(session)
        return session

    def _services(self, seeds: Seeds, masker: Masker) -> Services | None:
        options, http = self.options, self.options.http
        if options.model is None and options.shared_data is None and http is None and not options.patches:
            return None
        return Services(
            model=None if options.model is None else options.model.begin(seeds.lazy_random("model")),
            shared_data=options.shared_data,
            stand_in=http.begin(seeds.sparing_random("http"), masker) if isinstance(http, Http) else None,
            recording=http if isinstance(http, TrafficRecorder) else None,
            patches=options.patches,
            masker=masker,
        )


def run(
    handler: HandlerLike,
    inputs: CallerLike = (),
    seed: int = 0,
    parameters: Mapping[str, Any] | DrawnRows | None = None,
    variables: VariablesLike | None = None,
    environment: str | None = None,
    variants: Mapping[str, str] | Literal["each"] | None = None,
    run_test: Mapping[str, bool] | None = None,
    start: datetime | str | None = None,
    world: World | None = None,
    clock: Literal["virtual", "wall"] = "virtual",
    configuration: Mapping[str, Any] | None = None,
    input_data: Mapping[str, Any] | None = None,
    direction: str = "inbound",
    model: ModelLike | None = None,
    shared_data: Mapping[str, Any] | None = None,
    http: HttpLike | None = None,
    patches: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    evaluators: EvaluatorsLike = None,
) -> SessionRecord | SideBySide:
    """Run one session and return its record.

    Works in a notebook, where a loop runs already, as in a script.

    Args:
        handler: A handler, or what `vl.load_handler` takes.
        inputs: What the caller does: a list of texts, SDK events and `vl.silence()`, `vl.press()`, `vl.interrupt()`,
            `vl.hang_up()`, `vl.at()`; or any caller. Without inputs the session is the opening alone.
        seed: Everything random in the session follows from it.
        parameters: What the handler reads with `context.get_data`: a dict, or `vl.draw_rows(frame)`.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`.
        variants: `{test: variant}` forces variants; `"each"` runs the same caller once for each variant.
        run_test: The SDK's `runTest`: `{test: False}` for a test that has stopped, so that its default is served.
        start: Date and time at which the session begins (virtual time).
        world: What lies between caller and agent.
        clock: `virtual`, where waiting takes no time, or `wall`, for handlers that call real services.
        configuration: Arguments of the SDK's `Configuration`, such as `{"timeout": 8}`.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        direction: `inbound`, or `outbound` where the agent calls: as evaluators and `log.sessions()` see it.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request.
        shared_data: What it reads with `primfunctions.shared_data`, by key.
        http: What answers its requests over HTTP: `vl.Http({pattern: reply})`, or `vl.Http.replay(path)`. With
            `clock="wall"` also `vl.Http.record(path)`, which records the services themselves.
        patches: `{"module.function": replacement}` for whatever else it uses and shall not; a name of its own file stands
            without a module.
        limits: How much one session may take: `vl.Limits(cpu_s=60)`; None for the usual limits.
        evaluators: What is asked of each session when it has ended: paths of the platform's evaluators, or predicates by
            name. What they come to are outcomes by the evaluators' names.

    Returns:
        The record; for `variants="each"` one record for each variant, side by side.

    Raises:
        InputError: an argument is not allowed.
        HandlerError: the handler can't be loaded.

    Example:
        >>> import voicelab as vl
        >>> async def handler(event, context):
        ...     if event.name == "text":
        ...         context.set_data("said", event.data["text"])
        ...         yield vl.sdk.TextToSpeechEvent(text="Thank you.")
        >>> vl.run(handler, ["hello"]).data
        {'said': 'hello'}
    """
    if clock not in {"virtual", "wall"}:
        raise InputError(f"clock is {clock!r}, must be 'virtual' or 'wall'.")
    options = SessionOptions.checked(
        handler,
        opening_alone(inputs),
        variables=variables,
        environment=environment,
        parameters=parameters,
        run_test=run_test,
        seed=seed,
        variants=None if variants == "each" else variants,
        world=world,
        start=start,
        configuration=configuration,
        input_data=input_data,
        direction=direction,
        model=model,
        shared_data=shared_data,
        http=http,
        patches=patches,
        limits=limits,
        evaluators=evaluators,
    )
    if clock == "virtual":
        refuse_recording(options.http, "Use clock='wall', or vl.Console.")
    job = Job(options, source="simulated" if clock == "virtual" else "typed")
    findings = Findings()
    record = _each_variant(job, clock, findings) if variants == "each" else play(job, clock=clock, findings=findings)
    warn_of_unknown_tests(options.variants, findings.declarations)
    if world is not None and world.truth:
        warn(world.misnamed(*known_to(findings)))
    options.handler.tell_notes()
    tell(findings.remarks(options))
    return record


def play(
    job: Job,
    index: int = 0,
    run_tests: Mapping[str, bool] | None = None,
    parameters: Mapping[str, Any] | None = None,
    clock: str = "virtual",
    findings: Findings | None = None,
) -> SessionRecord:
    """Run one session of a job in this process and return its record.

    Args:
        job: What the session is made of.
        index: Its index in the run.
        run_tests: Tests that have stopped by then.
        parameters: The session's own parameters, in place of the job's.
        clock: `virtual` or `wall`.
        findings: Takes note of the session.
    """
    notes: list[PortabilityNote] = []

    def add_note(note: PortabilityNote) -> None:
        notes.append(note)
        job.options.handler.add_note(note)

    settings = job.settings(add_note)
    sessions: list[Session] = []

    async def main() -> SessionRows:
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            return await start(loop, VirtualClock(loop))
        with watching(loop, settings.add_note), contextlib.closing(WallClock(loop)) as wall:
            return await start(loop, wall)

    def start(loop: asyncio.AbstractEventLoop, clock: Clock) -> asyncio.Task[SessionRows]:
        sessions.append(job.session(settings, clock, index, run_tests, parameters))
        return loop.create_task(run_session(sessions[0]))

    with hosting(job.options):
        before = ProcessState()
        try:
            rows = in_own_loop(
                main, VirtualLoop if clock == "virtual" else asyncio.new_event_loop, settings.limits.cpu_s
            )
        finally:
            # Not on the loop: what was replaced may be what it goes by.
            for name in before.restore():
                add_note(make_note("process_changed", None, name=name))
    let_go(sessions[0])
    if findings is not None:
        findings.add(rows)
    known = job.options.handler.note_list
    record = SessionRecord.from_rows(rows, notes=[*known, *(note for note in notes if note not in known)])
    options = job.options
    if parameters is not None:
        own, tests = options.split(parameters)
        options = replace(options, parameters=own, run_test=tests)
    record.origin = partial(Origin, options, job.run_id, index, run_tests or {})
    return record


async def offload(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work beside the conversation: `result = await vl.offload(function, ...)`.

    In real time it runs in a thread, with the session's context; in virtual time at once and in place, where computing
    costs no virtual time, and what waits (`time.sleep`, a request) takes its time beside the conversation.
    `asyncio.to_thread` does the same, here and on the platform, where voicelab isn't installed.

    Args:
        function: A function that blocks: a call of a service, a long computation.
        args: Its arguments.
        kwargs: Its keyword arguments.
    """
    return await asyncio.to_thread(function, *args, **kwargs)


def opening_alone(inputs: CallerLike) -> CallerLike:
    """Return who calls; where the list of inputs is empty, a caller that listens to the opening and does nothing."""
    return _Opening() if isinstance(inputs, list | tuple) and not inputs else inputs


class _Opening(KnownCaller):
    """A caller that listens to the opening and does nothing."""

    name = "script"

    def begin(self, rng: random.Random) -> "_Opening":
        """Return itself: there is nothing to begin."""
        del rng
        return self

    def reply(self, heard: Heard) -> None:
        """Do nothing."""
        del heard

    def interrupts_after(self) -> None:
        """Interrupt nothing."""
        return


# --- each variant ----------------------------------------------------------------------------------------------------

_MOST_COMBINATIONS = 24


def _each_variant(job: Job, clock: str, findings: Findings) -> SideBySide:
    declared = play(job, clock=clock).declared_variants
    if not declared:
        raise InputError("variants='each', but the session reached no test. Declare one, or give inputs that reach it.")
    combinations = list(itertools.product(*declared.values()))
    if len(combinations) > _MOST_COMBINATIONS:
        counts = ", ".join(f"{test} {len(variants)}" for test, variants in declared.items())
        raise InputError(
            f"variants='each' would run {len(combinations)} sessions ({counts}); at most {_MOST_COMBINATIONS}. "
            "Force the variants of all tests but one by variants={test: variant}."
        )
    records = {}
    for combination in combinations:
        forced = dict(zip(declared, combination, strict=True))
        label = combination[0] if len(declared) == 1 else ", ".join(f"{t}={v}" for t, v in forced.items())
        forcing = replace(job, options=replace(job.options, variants=forced))
        records[label] = play(forcing, clock=clock, findings=findings)
    return SideBySide(records)


def warn_of_unknown_tests(forced: Iterable[str], reached: Iterable[str]) -> None:
    """Warn of tests whose variant was forced, and which no session has reached."""
    known = list(reached)
    for test in forced:
        if test not in known:
            reached_tests = ", ".join(known) or "none"
            warn(
                [
                    f"variants forces {test!r}, but no session has reached such a test (reached: {reached_tests})."
                    f"{did_you_mean(test, known)}"
                ]
            )


# --- numpy's global generator ----------------------------------------------------------------------------------------


def _seed_numpy(seed: int) -> None:
    import numpy as np

    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - the handler uses the global generator


@contextlib.contextmanager
def hosting(options: SessionOptions) -> Iterator[None]:
    """Make the process ready for sessions meanwhile."""
    handler = options.handler
    with sdk.hosted(), _numpy_kept(handler), patching.patched(options.patches, handler.function):
        yield


@contextlib.contextmanager
def _numpy_kept(handler: Handler) -> Iterator[None]:
    if not handler.binds_numpy_random:
        yield
        return
    import numpy as np

    state = np.random.get_state()  # noqa: NPY002 - as above
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002 - as above


__all__ = ["Job", "hosting", "offload", "opening_alone", "play", "run"]
