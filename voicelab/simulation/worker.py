"""What runs in a worker process: the sessions of one shard, one after another in virtual time, written to the log.

Interleaving sessions would buy nothing where waiting costs nothing, and cost 2.6 times the time. Neither pandas nor
statsmodels is imported here.
"""

import asyncio
import gc
import os
import pickle
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from voicelab.base.records import PortabilityNote, SessionRows, column
from voicelab.log.write import stage_shard
from voicelab.runs.findings import Findings
from voicelab.runs.jobs import Job
from voicelab.runs.options import Rows
from voicelab.runtime import sdk
from voicelab.runtime.clock import VirtualClock, VirtualLoop
from voicelab.runtime.driving import end_leftovers, in_own_context
from voicelab.runtime.patching import patched
from voicelab.simulation.pickling import unpack

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
    """

    root: Path
    number: int
    tag: str
    first: int
    stop: int
    stops: Mapping[str, int]
    parameters: Rows | None = None


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
    """

    number: int
    statuses: Counter[str] = field(default_factory=Counter)
    findings: Findings = field(default_factory=Findings)
    exposures: list[tuple[Any, ...]] = field(default_factory=list)
    outcomes: list[tuple[Any, ...]] = field(default_factory=list)
    crashed: list[int] = field(default_factory=list)
    notes: list[PortabilityNote] = field(default_factory=list)
    hash_seed: str | None = None


# The job of the run that this process works for: it is the same for all its shards.
_jobs: dict[str, Job] = {}
# The environment variables that the driver had in the last run.
_drivers: dict[str, str] = {}


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


def run_shard(packed: bytes) -> bytes:
    """Run and stage one shard.

    Args:
        packed: Pickled: the name of the run, the packed job, a `ShardTask`, and the driver's environment variables if
            this process is one of its own (else None).

    Returns:
        A pickled `ShardReport`.
    """
    run, packed_job, task, environ = pickle.loads(packed)  # noqa: S301 - it comes from the driver
    job = _jobs.get(run)
    if job is None:
        _jobs.clear()
        if environ is not None:
            _follow(environ)
        with sdk.hosted():  # what is bound while it loads must be the session's own
            job = _jobs[run] = unpack(packed_job)
        gc.collect()
        gc.freeze()
    report = ShardReport(task.number, hash_seed=os.environ.get("PYTHONHASHSEED"))
    sessions = run_sessions(job, task, report.notes)
    stage_shard(task.root, task.number, task.tag, sessions)
    _summarise(sessions, report)
    return pickle.dumps(report, protocol=5)


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
    with sdk.hosted(), patched(options.patches, options.handler.function):
        loop = VirtualLoop()
        try:
            return loop.run_until_complete(main())
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
