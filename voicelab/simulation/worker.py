"""What runs in a worker process: the sessions of one shard, one after another in virtual time, written to the log.

Interleaving sessions would buy nothing where waiting costs nothing, and cost 2.6 times the time. Neither pandas nor
statsmodels is imported here.
"""

import asyncio
import contextlib
import gc
import os
import pickle
import secrets
import signal
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from voicelab.base.errors import SimulationError
from voicelab.base.records import PortabilityNote, SessionRows, column
from voicelab.log.write import is_staging, stage_shard
from voicelab.runs.findings import Findings
from voicelab.runs.jobs import Job, hosting
from voicelab.runs.options import Rows
from voicelab.runtime import sdk
from voicelab.runtime.clock import VirtualClock, VirtualLoop
from voicelab.runtime.cpu_limit import cpu_limited
from voicelab.runtime.driving import end_leftovers, in_own_context
from voicelab.runtime.own_loop import until_done
from voicelab.simulation.pickling import unpack
from voicelab.simulation.same_versions import process_here, refuse_others, versions_here

_STATUS, _INDEX = column("sessions", "status"), column("sessions", "session_index")


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
    """

    root: Path
    number: int
    tag: str
    first: int
    stop: int
    stops: Mapping[str, int]
    parameters: Rows | None = None
    staging: str = ""


@dataclass
class ShardReport:
    """What the driver needs to know of a shard.

    Attributes:
        number: Number of the shard.
        statuses: Sessions by status.
        findings: What is to be told after the run.
        exposures: Rows of the table `exposures`.
        outcomes: Rows of the table `outcomes`.
        crashed: Indexes of sessions with status error.
        notes: Portability notes that are new in this process.
        hash_seed: The process's PYTHONHASHSEED.
        staged: The tag under which it is staged.
    """

    number: int
    statuses: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    exposures: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: list[tuple[Any, ...]] = field(default_factory=list)
    crashed: list[int] = field(default_factory=list)
    notes: list[PortabilityNote] = field(default_factory=list)
    hash_seed: str | None = None
    staged: str = ""


# The job of the run that this process works for: it is the same for all its shards.
_jobs: dict[str, Job] = {}
# The environment variables that the driver had in the last run.
_drivers: dict[str, str] = {}
# Held by the shard that runs in this process. A worker of several threads gets no more done for them, since Python runs one
# at a time; taking turns, each shard has the process to itself, with all that a handler keeps in its modules.
_turn = threading.Lock()


def prepare_process() -> None:
    """Make a child process of our own a worker: Ctrl-C is left to the driver, and pandas is left out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    collect_seldom()
    # pyarrow imports pandas when it converts its first list, half a second and 60 MB for nothing; having failed to
    # once, it goes without. A handler can still import pandas.
    if "pandas" not in sys.modules:
        sys.meta_path.insert(0, _without_pandas)
        pa.array([])
        sys.meta_path.remove(_without_pandas)


def collect_seldom() -> None:
    """Have the garbage collector look less often: rows are many, live until their shard is written, and hold no cycles."""
    gc.set_threshold(20_000, 20, 20)


class _WithoutPandas:
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        del path, target
        if name == "pandas":
            raise ImportError(name)


_without_pandas: Any = _WithoutPandas()


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
            return pickle.dumps(_report_of(job, task), protocol=5)


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
    """Load the job of a run, in the place of that of the run before.

    Args:
        run: Name of the run.
        packed_job: Its job.
        environ: As of `shard_packed`.
        freeze: Whether the collector leaves alone from now on what there is; not where a user goes on working in the
            process and drops things of his.
    """
    _jobs.clear()
    if environ is not None:
        _follow(environ)
    with sdk.hosted():  # what is bound while it loads must be the session's own
        job: Job = unpack(packed_job)
    _jobs[run] = job
    gc.unfreeze()  # the job of the run before is garbage by now
    gc.collect()
    if freeze:
        gc.freeze()
    return job


def _report_of(job: Job, task: ShardTask) -> ShardReport:
    """Run and stage a shard, and return what the driver needs to know of it."""
    # The same shard may run twice at once: an executor gives it to another worker when one doesn't answer, and that one
    # wakes up again. Each has a place of its own, and the driver takes the one that it is told of.
    tag = f"{task.tag}-{secrets.token_hex(4)}"
    report = ShardReport(task.number, hash_seed=os.environ.get("PYTHONHASHSEED"))
    report.staged = f"{task.staging}/{tag}" if task.staging else tag
    sessions = run_sessions(job, task, report.notes)
    stage_shard(task.root, task.number, report.staged, sessions)
    _summarise(sessions, report)
    return report


def _follow(environ: Mapping[str, str]) -> None:
    """Set the environment as the driver has it now: a process outlives its run, and may have been started long before."""
    for name in _drivers.keys() - environ.keys():
        os.environ.pop(name, None)
    _drivers.clear()
    _drivers.update(environ)
    os.environ.update(environ)


def run_sessions(job: Job, task: ShardTask, notes: list[PortabilityNote]) -> list[SessionRows]:
    """Run the sessions of a shard and return their rows.

    Args:
        job: What the sessions are made of.
        task: Which sessions.
        notes: Takes portability notes.
    """
    settings = job.settings(notes.append)

    async def main() -> list[SessionRows]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)  # noqa: S101 - of this function's own making
        rows = []
        for index in range(task.first, task.stop):
            loop.reset()
            stopped = {test: False for test, at in task.stops.items() if at < index}
            own = None if task.parameters is None else task.parameters[index - task.first]
            session = job.session(settings, VirtualClock(loop), index, stopped, own)
            rows.append(await in_own_context(session.run()))
            if loop.busy:
                await end_leftovers()
            session.forget()
        return rows

    options = job.options
    with hosting(options), cpu_limited(options.limits.cpu_s):
        loop = VirtualLoop()
        try:
            return until_done(loop, loop.create_task(main()))
        finally:
            loop.reset()
            loop.run_until_complete(end_leftovers())
            loop.close()


def _summarise(sessions: Sequence[SessionRows], report: ShardReport) -> None:
    for rows in sessions:
        session = rows.session
        report.statuses[session[_STATUS]] += 1
        report.findings.add(rows)
        if rows.exposures:
            report.exposures.extend(rows.exposures)
            report.outcomes.extend(rows.outcomes)
            if session[_STATUS] == "error":
                report.crashed.append(session[_INDEX])
