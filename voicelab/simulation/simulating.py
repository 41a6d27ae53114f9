"""`vl.simulate`: checks what it is given, runs the sessions and returns their log."""

import contextlib
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base import checks
from voicelab.base.errors import InputError, SimulationError
from voicelab.base.session_limits import Limits
from voicelab.callers import CallerLike, as_caller
from voicelab.handlers import HandlerLike, VariablesLike
from voicelab.log import lock as locks
from voicelab.log.clear import clear
from voicelab.log.lock import Lock
from voicelab.log.manifest import check_run, write_manifest
from voicelab.log.parts import Part
from voicelab.log.write import drop_speculative, make_folder, settled_shards, staging
from voicelab.predicates import EvaluatorsLike
from voicelab.record.session_record import SessionRecord
from voicelab.runs.findings import Findings, known_to, tell, warn
from voicelab.runs.jobs import play, warn_of_unknown_tests
from voicelab.runs.options import ParametersLike, SessionOptions
from voicelab.runtime.patching import replaced_by_mock
from voicelab.simulation import lifeline
from voicelab.simulation.driver import Driver, Plan
from voicelab.simulation.executors import Executor, LostExecutorError, Remote, accepted, default_workers
from voicelab.simulation.log_folder import existing_log, is_replaced, kept_facts, log_folder, open_folder, whole_parts
from voicelab.simulation.numbers_asked import refuse_misspelt_target
from voicelab.simulation.pool import Pool
from voicelab.simulation.progress import Progress
from voicelab.simulation.recheck import Recheck
from voicelab.simulation.simulation_run import SimulationRun
from voicelab.simulation.stops import Watch, settled_facts
from voicelab.simulation.suspects import Suspects
from voicelab.simulation.worker import ShardReport
from voicelab.world.http import HttpLike, refuse_recording
from voicelab.world.model import ModelLike
from voicelab.world.world import MISNAMED, World

if TYPE_CHECKING:
    import tempfile

    from distributed import Client

    from voicelab.log.read import Log
    from voicelab.speech import PhoneLine
    from voicelab.speech.protocols import SpeechToTextLike, TextToSpeechLike
    from voicelab.world.telephone import Telephone


_SESSIONS = 10_000
"""Sessions of a simulation that says nothing else."""


def simulate(
    handler: HandlerLike,
    callers: CallerLike,
    sessions: int | None = None,
    seed: int = 0,
    log: str | Path | None = None,
    parameters: ParametersLike = None,
    variables: VariablesLike | None = None,
    environment: str | None = None,
    variants: Mapping[str, str] | str | None = None,
    start: datetime | str | None = None,
    world: World | None = None,
    stopping: bool = True,
    audio: "PhoneLine | None" = None,
    executor: "Executor | Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    configuration: Mapping[str, Any] | None = None,
    tts: "TextToSpeechLike" = "auto",
    stt: "SpeechToTextLike" = "auto",
    phrases: Sequence[str] | None = None,
    language: str | None = None,
    input_data: Mapping[str, Any] | None = None,
    direction: str = "inbound",
    model: ModelLike | None = None,
    shared_data: Mapping[str, Any] | None = None,
    http: HttpLike | None = None,
    patches: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    evaluators: EvaluatorsLike = None,
    check: bool = False,
) -> "Log":
    """Simulate sessions and return their log.

    The same seed, handler, callers, world and library versions give byte-identical shards, for any number of workers.

    Args:
        handler: A handler, or what `vl.load_handler` takes.
        callers: A caller, a mixture of them, or a list of inputs.
        sessions: How many; None for 10,000, or for all callers of a `vl.Replay`.
        seed: Everything random follows from it.
        log: Folder of the log; None for a temporary one that lives as long as the returned log.
        parameters: What the handler reads with `context.get_data`: a dict for all sessions, a DataFrame with one row a
            session, `vl.draw_rows(frame)` for one of another length, or a function of the session's index.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`.
        variants: `{test: variant}` forces variants; forced sessions decide nothing.
        start: Date and time at which every session begins.
        world: What lies between caller and agent.
        stopping: Honour the tests' own stop rules, as if each were decided after every session in order.
        audio: A line, `vl.PhoneLine(...)`: callers really speak over it, are cut into turns and recognised, and what
            was recognised reaches the handler. None for callers in text.
        executor: Where shards run: a client of Dask, or anything else whose `submit(function, bytes)` returns a
            `concurrent.futures.Future`; see docs/cluster.md. None for child processes.
        workers: Child processes; None for one a processor. Of an executor: the shards that it runs at a time, if it
            doesn't tell itself.
        progress: Show the progress line.
        resume: Go on with an unfinished log, or start a new one. What is there is compared with its checksums, and run
            again where it is damaged, also in a finished log.
        overwrite: Replace a log of other sessions.
        configuration: Arguments of the SDK's `Configuration`, such as `{"timeout": 8}`.
        tts: With `audio`: what speaks, `auto` for an engine that works offline.
        stt: With `audio`: what recognises.
        phrases: With `audio`: what the recogniser is told to expect, besides what the callers may say.
        language: With `audio`: what the callers speak, such as `de-DE`; None for the engines' own language.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        direction: `inbound`, or `outbound` where the agent calls: as evaluators and `log.sessions()` see it.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request.
        shared_data: What it reads with `primfunctions.shared_data`, by key.
        http: What answers its requests over HTTP: `vl.Http({pattern: reply})`, or `vl.Http.replay(path)`.
        patches: `{"module.function": replacement}` for whatever else it uses and shall not; a name of its own file stands
            without a module. In worker processes too.
        limits: How much one session may take: `vl.Limits(cpu_s=60)`; None for the usual limits.
        evaluators: What is asked of each session when it has ended: paths of the platform's evaluators, or predicates by
            name. What they come to are outcomes by the evaluators' names, which a test may be stopped by.
        check: Run one session in a hundred again when all have ended, in another process, and say where the first event
            differs and why, if one does: the wall clock, chance without a seed, the order of a set, a global that survives.

    Returns:
        The log.

    Raises:
        InputError: an argument is not allowed.
        ShippingError: something can't be sent to a worker process.
        LogError: `log` holds something else; the message names `resume=True` or `overwrite=True`.
        SimulationError: the run can't go on; what was logged stays, and `resume=True` goes on from there.
    """
    callers = as_caller(callers)
    sessions = (callers.n_callers or _SESSIONS) if sessions is None else checks.whole("sessions", sessions)
    switches = {"stopping": stopping, "progress": progress, "resume": resume, "overwrite": overwrite, "check": check}
    for name, value in switches.items():
        checks.switch(name, value)
    if workers is not None:
        checks.whole("workers", workers)
    remote = None if executor is None else accepted(executor, workers)
    if variants == "each":
        raise InputError("variants='each' is for vl.run; give {test: variant} here, or leave it out to draw variants.")
    options = SessionOptions.checked(
        handler,
        callers,
        variables=variables,
        environment=environment,
        parameters=parameters,
        sessions=sessions,
        telephone=None if audio is None else _telephone(audio, tts, stt, phrases, language, world),
        seed=seed,
        variants=variants,
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
    refuse_recording(
        options.http, "Record with vl.Console or vl.run(..., clock='wall'), then http=vl.Http.replay(path)."
    )
    refuse_misspelt_target(options)
    _warn_of_mocks()
    run = SimulationRun(options, sessions, stopping=stopping)
    folder, temporary = log_folder(log)
    options.callers.refuse_folder(folder)
    finished, packed = existing_log(folder, run, resume=resume, overwrite=overwrite), None
    if finished is None:
        packed = run.packed()
        n_workers = min(workers or default_workers(), run.plan(folder).n_shards)
        make_folder(folder)
        what = f"vl.simulate of {options.handler.name!r}, {sessions:,} sessions"
        with locks.hold(folder, what, locks.ENDING_S) as lock:
            # Whoever held the lock until now may have changed what is there.
            finished = existing_log(folder, run, resume=resume, overwrite=overwrite)
            if finished is None:
                if is_replaced(folder, run, resume=resume, overwrite=overwrite):
                    clear(folder)
                run_into(run, folder, lock, packed, remote, n_workers, partial(Progress, shown=progress), check=check)
                finished = open_folder(folder)
                tell_of(finished)
    if check and packed is None:
        tell(["check=True has run nothing again: the log was finished already."])
    options.handler.tell_notes()
    if options.variants:
        warn_of_unknown_tests(options.variants, finished.sql("SELECT DISTINCT test FROM exposures")["test"].tolist())
    return with_rerun(finished, run, temporary)


def run_into(
    run: SimulationRun,
    folder: Path,
    lock: Lock,
    packed: bytes,
    remote: Remote | None,
    workers: int,
    progress: Callable[[int, int], Progress],
    *,
    check: bool = False,
) -> None:
    """Run the sessions of a run that its log doesn't hold yet, and finish the log.

    Args:
        run: The run.
        folder: The log's folder.
        lock: Its lock, held.
        packed: Of `run.packed()`.
        remote: An executor of the user's; None for child processes.
        workers: How many of these.
        progress: Returns the progress line, given the number of sessions and how many of them are logged already.
        check: Whether one session in a hundred is run again.

    Raises:
        VoicelabError: as `simulate`.
    """

    def look_at_folder() -> None:
        lock.check()
        check_run(folder, run.job.run_id)

    plan = run.plan(folder, check=check)
    recheck = Recheck(plan, packed, run.options.limits.cpu_s) if check else None
    suspects = Suspects(run.job, packed, folder.absolute())
    pool = Pool(packed, remote, workers, suspects)
    manifest = run.manifest(pool.at_a_time()) | kept_facts(folder)
    write_manifest(folder, manifest)
    # Not before the manifest calls the log unfinished: where this ends in the middle, resume=True goes on again.
    kept = whole_parts(folder, sys.stderr.write)
    watch = Watch(stopping=run.stopping)
    totals = _Totals(run.options)
    started = time.perf_counter()
    with staging(folder) as name, progress(plan.sessions, n_settled(plan)) as line:

        def count(report: ShardReport) -> None:
            totals.add(report)
            if recheck is not None:
                recheck.add(report)
            for note in report.notes:
                run.options.handler.add_note(note)

        def facts(part: Part) -> ShardReport:
            return settled_facts(folder, part)

        try:
            staged = replace(plan, staging=name)
            with lifeline.terminating(), contextlib.closing(suspects), contextlib.closing(pool):
                Driver(staged, pool, watch, line, lambda: 2 * pool.at_a_time() + 2, look_at_folder, count).run(
                    kept, facts
                )
        except (KeyboardInterrupt, lifeline.Terminated):
            sys.stderr.write(f"\nStopped: {_kept(plan)}\n")
            raise
        except LostExecutorError as error:
            raise SimulationError(f"{error} {_kept(plan)}") from error
    look_at_folder()
    drop_speculative(folder)
    seconds = round(time.perf_counter() - started, 3)
    found = [] if recheck is None else recheck.remarks(watch.stops)
    manifest |= {
        "status": "finished",
        "seconds": seconds,
        "decisions": watch.decisions(),
        **totals.manifest([*suspects.remarks(), *found]),
    }
    write_manifest(folder, manifest)


def tell_of(log: "Log", side: str = "") -> None:
    """Say what a person should know of a run that has just ended.

    Args:
        log: Its log.
        side: Of a comparison which version's it is, `old` or `new`.
    """
    # A run without an error asks the log nothing: to connect to it takes as long as hundreds of sessions.
    failures = log.error_summary if log.manifest["n_errors"] else None
    serious = failures is not None and failures.serious
    # What `truth` misspells was warned of after the first shard.
    remarks = [remark for remark in log.manifest["remarks"] if not remark.startswith(MISNAMED)]
    found = [*([failures.sentence] if serious else []), *remarks]  # type: ignore[union-attr]
    if side:  # the remarks of a manifest are those of a run by itself
        found = [f"The {side} version: {said}".replace("log.session(", f"comparison.{side}.session(") for said in found]
    tell(found)


def _kept(plan: Plan) -> str:
    """Return what there is to say of a run that has ended early."""
    return (
        f"{n_settled(plan):,} of {plan.sessions:,} sessions are logged in {plan.root}. The same call with "
        "resume=True goes on from there."
    )


def n_settled(plan: Plan) -> int:
    """Return how many of a plan's sessions are settled."""
    shards = settled_shards(plan.root)
    last_is_short = plan.n_shards * plan.shard_size - plan.sessions if plan.n_shards - 1 in shards else 0
    return len(shards) * plan.shard_size - last_is_short


def _warn_of_mocks() -> None:
    names = replaced_by_mock()
    if names:
        warnings.warn(
            f"unittest.mock has replaced {', '.join(names)} in this process alone: worker processes run the original. "
            f"Give patches={{{names[0]!r}: replacement}}, which reaches them, or http=vl.Http({{...}}) for requests over HTTP.",
            stacklevel=3,
        )


class _Totals:
    """What settled shards come to, for the manifest and for whoever started the run.

    Args:
        options: What the sessions are made of.
    """

    def __init__(self, options: SessionOptions) -> None:
        self._options = options
        self._statuses: Counter[str] = Counter()
        self._findings = Findings()

    def add(self, report: ShardReport) -> None:
        first = not self._findings.n_sessions
        self._statuses.update(report.statuses)
        self._findings.merge(report.findings)
        world = self._options.world
        if first and world is not None and world.truth:
            # At once: a study of a misspelt effect may take an hour.
            warn(world.misnamed(*known_to(self._findings)))

    def remarks(self) -> list[str]:
        """Return what should be said of the run, a sentence each."""
        world, findings = self._options.world, self._findings
        misnamed = () if world is None else world.misnamed(*known_to(findings))
        return [
            *misnamed,
            *findings.remarks(self._options, in_log=True),
            *findings.unreached_targets(self._options),
        ]

    def manifest(self, remarks: Sequence[str]) -> dict[str, Any]:
        world, findings = self._options.world, self._findings
        return {
            "statuses": dict(self._statuses),
            "n_errors": findings.n_errors,
            "otherwise_share": findings.otherwise_share,
            "truth": {} if world is None else world.specified(*known_to(findings)),
            "remarks": [*remarks, *self.remarks()],
        }


def _telephone(
    audio: "PhoneLine",
    tts: "TextToSpeechLike",
    stt: "SpeechToTextLike",
    phrases: Sequence[str] | None,
    language: str | None,
    world: World | None,
) -> "Telephone":
    # Workers import this package; those of a simulation in text load no engines of speech.
    from voicelab.world import telephone

    return telephone.checked(audio, tts, stt, phrases, language, mishears=world is not None and world.mishears)


def with_rerun(log: "Log", run: SimulationRun, temporary: "tempfile.TemporaryDirectory[str] | None") -> "Log":
    """Give a log the way to run its sessions again, and its temporary folder to keep."""

    def rerun(index: int, stops: Mapping[str, int]) -> SessionRecord:
        return play(run.job, index, {test: False for test, at in stops.items() if at < index})

    return log.with_rerun(rerun, temporary)
