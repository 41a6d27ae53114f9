"""What runs in a worker process: the sessions of one shard, one after another in virtual time, written to the log.

Interleaving sessions would buy nothing where waiting costs nothing, and cost 2.6 times the time. Neither pandas nor
statsmodels is imported here.
"""

import asyncio
import contextlib
import faulthandler
import gc
import os
import pickle
import secrets
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa

from voicelab.base.ctrl_c import is_ctrl_c
from voicelab.base.errors import SimulationError, VoicelabError
from voicelab.base.records import EventRow, PortabilityNote, SessionRows, column
from voicelab.base.without import without
from voicelab.log.write import is_staging, stage_shard
from voicelab.runs.findings import Findings
from voicelab.runs.jobs import Job, hosting
from voicelab.runs.options import Rows
from voicelab.runtime import sdk
from voicelab.runtime.clock import StandstillError, VirtualClock, VirtualLoop
from voicelab.runtime.cpu_limit import cpu_limited
from voicelab.runtime.driving import end_leftovers, in_own_context
from voicelab.runtime.own_loop import until_done
from voicelab.runtime.tracebacks import describe
from voicelab.session.engine import let_go, run_session
from voicelab.session.session_state import Session
from voicelab.simulation.fitness import Fitness, Stopped, begin_run, no_core
from voicelab.simulation.left_programs import any_left
from voicelab.simulation.note import Note, note_path, noting
from voicelab.simulation.numbers_asked import numbers_asked, session_number
from voicelab.simulation.pickling import unpack
from voicelab.simulation.same_versions import process_here, refuse_others, versions_here

_STATUS, _INDEX = column("sessions", "status"), column("sessions", "session_index")
_DECLARATION = column("exposures", "declaration")


@dataclass(frozen=True)
class ShardTask:
    """The sessions of one shard.

    Attributes:
        root: The log's folder.
        number: Number of the shard, from 0.
        tag: Ending of the name under which it is staged.
        first: Index of its first session.
        stop: Index after its last session.
        stops: Tests that have stopped: `{test: index of the session after which}`.
        parameters: One dict a session, where they come from a table.
        staging: Where the run's shards are staged, of `log.write.staging`.
        before: Pickled rows of its first sessions, which another process has run; empty for none.
        given: Rows of sessions that have run alone, by index.
        careful: Index up to which the process is looked at after every session.
        alone: Whether it is one session, in a process that ends with it.
        most: Sessions after which the worker stops, to find the one that makes it fail; None for no such number.
        digested: Indexes of sessions that are run again after the run, to be compared.
    """

    root: Path
    number: int
    tag: str
    first: int
    stop: int
    stops: Mapping[str, int]
    parameters: Rows | None = None
    staging: str = ""
    before: bytes = b""
    given: Mapping[int, SessionRows] = field(default_factory=dict)
    careful: int = 0
    alone: bool = False
    most: int | None = None
    digested: tuple[int, ...] = ()

    @property
    def note_path(self) -> Path:
        """Where its worker notes which session it is at."""
        return note_path(self.root, self.staging, self.number, self.tag)


def only(task: ShardTask, index: int) -> ShardTask:
    """Return the task of one session of a shard, which runs alone."""
    own = None if task.parameters is None else task.parameters[index - task.first : index - task.first + 1]
    one = replace(task, first=index, stop=index + 1, parameters=own, before=b"", given={}, digested=())
    return replace(one, alone=True)


@dataclass
class ShardReport:
    """What the driver needs to know of a shard.

    Attributes:
        number: Number of the shard.
        statuses: Sessions by status.
        findings: What is to be told after the run.
        exposures: Rows of the table `exposures`.
        outcomes: Rows of the table `outcomes`.
        numbers: What stop rules ask for beside the outcomes: values by name and index, None where there was no chance.
        crashed: Indexes of sessions with status error.
        notes: Portability notes that are new in this process.
        hash_seed: The process's PYTHONHASHSEED.
        stopped: Why the shard isn't whole; None if it is.
        before: Then the pickled rows of its sessions as far as they are good.
        staged: The tag under which it is staged.
        left_programs: Whether programs go on that its process has started; of a worker of our own.
        digests: What the rows of sessions come to that are run again after the run, by index.
    """

    number: int
    statuses: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    exposures: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: list[tuple[Any, ...]] = field(default_factory=list)
    numbers: dict[str, dict[int, float | None]] = field(default_factory=dict)
    crashed: list[int] = field(default_factory=list)
    notes: list[PortabilityNote] = field(default_factory=list)
    hash_seed: str | None = None
    stopped: Stopped | None = None
    before: bytes = b""
    staged: str = ""
    left_programs: bool = False
    digests: dict[int, bytes] = field(default_factory=dict)


# The jobs of the runs that this process works for, by name of the run: a job is the same for all shards of a run.
_jobs: dict[str, Job] = {}
_MOST_JOBS = 3
"""Runs that a process of somebody else's cluster may work for in turns without loading their jobs again."""
# The environment variables that the driver had in the last run.
_drivers: dict[str, str] = {}
# Held by the shard that runs in this process. A worker of several threads gets no more done for them, since Python runs one
# at a time; taking turns, each shard has the process to itself, with all that a handler keeps in its modules.
_turn = threading.Lock()


def prepare_process() -> None:
    """Make a child process of our own a worker: Ctrl-C is left to the driver, and pandas is left out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    no_core()
    # loky would write where a process dies to the user's screen; what there is to say of it stands in the session's rows.
    faulthandler.enable(Path(os.devnull).open("wb"))  # noqa: SIM115 - for as long as the process lives
    collect_seldom()
    # pyarrow imports pandas when it converts its first list, half a second and 60 MB for nothing; having failed to
    # once, it goes without. A handler can still import pandas.
    with without("pandas"):
        pa.array([])


def collect_seldom() -> None:
    """Have the garbage collector look less often: rows are many, live until their shard is written, and hold no cycles.

    A shard has as many, so that it looks once in a shard or never, in place of a twentieth of the time; what sessions leave
    behind in cycles stays some MB longer, and is collected before a worker counts as full (`Fitness`).
    """
    gc.set_threshold(100_000, 20, 20)


def shard_packed(run: str, packed_job: bytes, task: ShardTask, environ: Mapping[str, str] | None) -> bytes:
    """Return what `run_shard` takes.

    Args:
        run: Name of the run.
        packed_job: The job, as `pickling.pack` returns it.
        task: The shard.
        environ: The driver's environment variables if the process is one of its own, else None.
    """
    body = pickle.dumps((run, packed_job, task, environ), protocol=5)
    # The versions outside: another version of this package, or of Python, might read nothing else.
    return pickle.dumps((dict(versions_here()), process_here(), body), protocol=5)


def run_shard(packed: bytes) -> bytes:
    """Run and stage one shard, when no other runs in this process.

    Args:
        packed: Of `shard_packed`.

    Returns:
        A pickled `ShardReport`.

    Raises:
        SimulationError: this process has other versions than the driver, or doesn't see the log's folder.
    """
    versions, driver, body = pickle.loads(packed)  # noqa: S301 - it comes from the driver
    refuse_others(versions)
    run, packed_job, task, environ = pickle.loads(body)  # noqa: S301 - as above
    with _turn:
        _check_folder(task)
        with contextlib.nullcontext() if environ is not None else _as_a_guest():
            job = _jobs.get(run) or _loaded(run, packed_job, environ, freeze=driver != process_here())
            _jobs[run] = _jobs.pop(run)  # the last of them has run last
            return pickle.dumps(
                _report_of(job, task, own=environ is not None, apart=driver != process_here()), protocol=5
            )


def _check_folder(task: ShardTask) -> None:
    """Make sure that the log's folder is there, with the place that the run has made in it for what is staged.

    Where it is missing the run has ended meanwhile, or is on a machine with another disk: better said before than after the
    shard has run.
    """
    if task.staging and not is_staging(task.root, task.staging):
        raise SimulationError(
            f"A worker ({process_here()}) doesn't find the folder of the log, {task.root}, or not the one that this run "
            "writes: it has to be on a disk that all machines share, at the same path on each. Give it as log=."
        )


@contextlib.contextmanager
def _as_a_guest() -> Iterator[None]:
    """Have the process as a worker of our own has it, and leave it as it was: it is somebody else's."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _loaded(run: str, packed_job: bytes, environ: Mapping[str, str] | None, *, freeze: bool) -> Job:
    """Load the job of a run, in the place of those of runs before.

    Args:
        run: Name of the run.
        packed_job: Its job.
        environ: As of `shard_packed`.
        freeze: Whether the collector leaves alone from now on what there is; not where a user goes on working in the
            process and drops things of his.
    """
    kept = _MOST_JOBS - 1 if environ is None else 0
    for oldest in list(_jobs)[: max(len(_jobs) - kept, 0)]:
        del _jobs[oldest]
    if environ is not None:
        _follow(environ)
    job = _jobs[run] = load_job(packed_job, freeze=freeze)
    return job


def _report_of(job: Job, task: ShardTask, *, own: bool, apart: bool) -> ShardReport:
    """Run and stage a shard, and return what the driver needs to know of it.

    Args:
        job: What the sessions are made of.
        task: Which sessions.
        own: Whether this process is the driver's own, to be replaced when it is unfit.
        apart: Whether it is another process than the driver.
    """
    # The same shard may run twice at once: an executor gives it to another worker when one doesn't answer, and that one
    # wakes up again. Each has a place of its own, and the driver takes the one that it is told of.
    tag = f"{task.tag}-{secrets.token_hex(4)}"
    report = ShardReport(task.number, hash_seed=os.environ.get("PYTHONHASHSEED"))
    report.staged = f"{task.staging}/{tag}" if task.staging else tag
    with noting(task.note_path) as note:
        ran = run_sessions(job, task, report.notes, note, own=own, apart=apart)
    report.left_programs = own and apart and any_left()
    if ran.stopped is not None:
        report.stopped, report.before = ran.stopped, pickle.dumps(ran.rows, protocol=5)
        return report
    try:
        stage_shard(task.root, task.number, report.staged, ran.rows)
    except Exception:
        if not own or not ran.fresh:
            raise
        # What a session did to this process may be why: another one, in which none has run, writes the rows.
        report.stopped, report.before = Stopped(task.stop, "full"), pickle.dumps(ran.rows, protocol=5)
    else:
        _summarise(ran.rows, report)
        report.digests = {
            index: digest_of(ran.rows[index - task.first]) for index in task.digested if index not in task.given
        }
    return report


def load_job(packed: bytes, *, freeze: bool = True) -> Job:
    """Return the job of a run, whose handler is loaded for this process.

    Args:
        packed: The job.
        freeze: As in `_loaded`.
    """
    with sdk.hosted():  # what is bound while it loads must be the session's own
        job: Job = unpack(packed)
    if freeze:
        gc.unfreeze()  # the job of the run before is garbage by now
        gc.collect()
        gc.freeze()
    begin_run()
    return job


def _follow(environ: Mapping[str, str]) -> None:
    """Set the environment as the driver has it now: a process outlives its run, and may have been started long before."""
    for name in _drivers.keys() - environ.keys():
        os.environ.pop(name, None)
    _drivers.clear()
    _drivers.update(environ)
    os.environ.update(environ)


@dataclass
class Ran:
    """What has run of a shard.

    Attributes:
        rows: The rows of its sessions, from the first on.
        stopped: Why that isn't all of them; None if it is.
        fresh: How many of them have run in this process.
    """

    rows: list[SessionRows]
    stopped: Stopped | None = None
    fresh: int = 0


def run_sessions(
    job: Job,
    task: ShardTask,
    notes: list[PortabilityNote],
    note: Note | None = None,
    *,
    own: bool = False,
    apart: bool = False,
    on_session: Callable[[Session], None] | None = None,
    events: list[EventRow] | None = None,
) -> Ran:
    """Run the sessions of a shard and return their rows.

    Args:
        job: What the sessions are made of.
        task: Which sessions.
        notes: Takes portability notes.
        note: Where the session that is under way is noted; None where nobody examines what a session has done.
        own: Whether this process is the driver's own, to be replaced when it is unfit.
        apart: Whether it is another process than the driver: then its memory is limited.
        on_session: Takes each session before it runs.
        events: Takes the events of a session that runs alone, as they come; None for a plain list.
    """
    job.options.callers.prepare(range(task.first, task.stop))
    settings = job.settings(notes.append)
    ran = Ran(pickle.loads(task.before) if task.before else [])  # noqa: S301 - it comes from the driver
    fitness = Fitness(job.options.limits, note, task.stop - 1, task.careful, own=own, apart=apart, alone=task.alone)
    if fitness.limits_memory:
        settings.make_room = fitness.make_room

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)  # noqa: S101 - of this function's own making
        for index in _indexes(task, task.first + len(ran.rows)):
            if index in task.given:
                ran.rows.append(task.given[index])
                continue
            fitness.begin(index)
            loop.reset()
            stopped = {test: False for test, at in task.stops.items() if at < index}
            own_parameters = None if task.parameters is None else task.parameters[index - task.first]
            session = job.session(settings, VirtualClock(loop), index, stopped, own_parameters, events=events)
            if on_session is not None:
                on_session(session)
            fitness.runs(index)
            rows = await in_own_context(run_session(session))
            if loop.busy:
                await end_leftovers()
            let_go(session)
            ran.rows.append(rows)
            ran.fresh += 1
            ran.stopped = fitness.after(index, rows)
            if ran.stopped is not None:
                return

    options = job.options
    with hosting(options), fitness.limited(), cpu_limited(options.limits.cpu_s):
        loop = VirtualLoop()
        try:
            until_done(loop, loop.create_task(main()))
        except BaseException as error:
            examined = note is not None or task.alone
            if not examined or is_ctrl_c(error) or (fitness.index is None and not (own and ran.fresh)):
                raise
            if fitness.index is None:  # no session could be made any more, in a process in which some have run
                ran.stopped = fitness.changed(task.first + len(ran.rows)) or Stopped(task.first + len(ran.rows), "full")
                return _good(ran, task)
            # First of all: what was replaced may be why it failed, and must not be met by what says so.
            ran.stopped = fitness.changed(fitness.index)
            if ran.stopped is None and isinstance(error, VoicelabError) and not isinstance(error, StandstillError):
                raise
            ran.stopped = ran.stopped or Stopped(fitness.index, "failed", failure=describe(error))
        finally:
            loop.reset()
            loop.run_until_complete(end_leftovers())
            loop.close()
    return _good(ran, task)


def _indexes(task: ShardTask, start: int) -> range:
    return range(start, task.stop if task.most is None else min(start + task.most, task.stop))


def _good(ran: Ran, task: ShardTask) -> Ran:
    """Drop the rows of sessions that run again, and say where no more were to run."""
    if ran.stopped is None and task.first + len(ran.rows) < task.stop:
        ran.stopped = Stopped(task.first + len(ran.rows), "full")
    if ran.stopped is not None and not task.alone:
        del ran.rows[ran.stopped.at - task.first :]
    return ran


def digest_of(rows: SessionRows) -> bytes:
    """Return what all rows of a session come to: the same where the session went the same way."""
    parts = (rows.session, rows.events, rows.exposures, rows.outcomes, rows.metrics)
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _summarise(sessions: Sequence[SessionRows], report: ShardReport) -> None:
    for rows in sessions:
        session = rows.session
        report.statuses[session[_STATUS]] += 1
        report.findings.add(rows)
        if rows.exposures:
            report.exposures.extend(rows.exposures)
            report.outcomes.extend(rows.outcomes)
            for name in {name for row in rows.exposures for name in numbers_asked(row[_DECLARATION])}:
                report.numbers.setdefault(name, {})[session[_INDEX]] = session_number(name, rows)
            if session[_STATUS] == "error":
                report.crashed.append(session[_INDEX])
