"""Runs one session in a process of its own, which may end as it likes: what it wrote until then is kept, and where it was.

The process is the driver's child, also where shards run in an executor of the user's: so how it ended is known, it can be
killed, and nobody else's machine is put at risk twice. It writes each row to a file as soon as the session has it, and a
`Trace` holds the line that the handler's code is at: no signal has to be caught for that, and none could be.
"""

import contextlib
import faulthandler
import gc
import math
import os
import pickle
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from voicelab.base.records import PortabilityNote, SessionRows
from voicelab.log import disk
from voicelab.log.write import SPECULATIVE, cannot_write
from voicelab.runs.jobs import Job
from voicelab.runtime.tracebacks import is_users_file
from voicelab.simulation.fitness import CPU_MARGIN
from voicelab.simulation.journal import (
    Journal,
    Trace,
    check_written,
    may_be_unwritten,
    read_journal,
    read_trace,
    telling_unwritten,
)
from voicelab.simulation.lone_process import LoneProcesses, Process, payload_here, serve_forks
from voicelab.simulation.oversight import LOOK_S, LOOKS, Oversight
from voicelab.simulation.verdict_rows import Place
from voicelab.simulation.worker import ShardTask, load_job, prepare_process, run_sessions

FOLDER = "alone"
_ROWS, _JOURNAL, _TRACE, _OVERDUE = "rows", "journal", "trace", "overdue"
_THREADS_S = 2.0
_TRACED = 5
"""How many times as long a session may compute that is watched line by line."""
_ROOM = 16_384
"""Bytes that are kept free for the line that a session is at when its time is up."""
_SIGXCPU = getattr(signal, "SIGXCPU", None)
_WHERE = signal.SIGRTMAX - 1 if hasattr(signal, "SIGRTMAX") else None
"""Asks where a process is, also one that ignores the signal of the system."""


@dataclass(frozen=True)
class Outcome:
    """What became of a session that ran alone.

    Attributes:
        rows: Its rows, where its process lived; else what it had written until the process ended, None if nothing.
        lived: Whether the process lived.
        how: How it ended, in words; empty if it lived.
        kind: `death`, `cpu` or `still`; empty if it lived.
        place: Where the handler's code was when it ended, where that is known.
        offence: What the session did to its process beside, in words; empty if nothing.
        failure: What the session's end failed with, as data of an error; None if it didn't.
        notes: Portability notes.
    """

    rows: SessionRows | None
    lived: bool = True
    how: str = ""
    kind: str = ""
    place: Place | None = None
    offence: str = ""
    failure: dict[str, Any] | None = None
    notes: list[PortabilityNote] = field(default_factory=list)


def run_alone(packed_job: bytes, task: ShardTask, processes: LoneProcesses, cpu_s: float, *, traced: bool) -> Outcome:
    """Run the one session of a task in a process of its own.

    Args:
        packed_job: The job.
        task: The session, as a shard of one.
        processes: Starts the process.
        cpu_s: Processor time that it may use, in seconds.
        traced: Whether to watch each line, which takes several times as long.

    Raises:
        LogError: there is no place for what it writes.
    """
    folder = task.root / SPECULATIVE / task.staging / FOLDER
    try:
        disk.remove_tree(folder)
        disk.make(folder)
        may_be_unwritten(folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        with processes.started((packed_job, task, folder, traced)) as process:
            how, kind = _end_of(process, folder, cpu_s * (_TRACED if traced else 1))
        return _outcome(folder, how, kind)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _outcome(folder: Path, how: str, kind: str) -> Outcome:
    with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
        outcome: Outcome = pickle.loads((folder / _ROWS).read_bytes())  # noqa: S301 - our own child wrote it just now
        return outcome
    try:
        check_written(folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    place = read_trace(folder / _TRACE) or _overdue_at(folder / _OVERDUE)
    return Outcome(read_journal(folder / _JOURNAL), lived=False, how=how, kind=kind or "death", place=place)


def _end_of(process: Process, folder: Path, cpu_s: float) -> tuple[str, str]:
    """Wait for the process, and return how it ended, in words, and the kind of verdict that this makes."""
    oversight = Oversight(LOOKS, cpu_s)
    while True:
        try:
            status = process.wait(LOOK_S)
        except subprocess.TimeoutExpired:
            begun = (folder / _OVERDUE).exists()  # until then it loads the handler, which may take what it likes
            found = "still" if _is_stopped(process.pid) else oversight.look(process.pid, begun, process.pid)
            if found == "still":
                return "", "still"
            if found and begun:
                _ask_where(process)
                return "", "cpu"
            continue
        if status >= 0:
            return f"with exit status {status}", ""
        with contextlib.suppress(ValueError):
            name = signal.Signals(-status).name
            return f"by {name}", "cpu" if -status == _SIGXCPU else ""
        return f"by signal {-status}", ""


def _ask_where(process: Process) -> None:
    """Have a process write where it is, before it is ended."""
    if _WHERE is not None:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.kill(process.pid, _WHERE)
            process.wait(LOOK_S)


def _is_stopped(pid: int) -> bool:
    """Return whether a process has been stopped by a signal, and waits to be continued."""
    if not hasattr(os, "waitid"):
        return False
    with contextlib.suppress(OSError, IndexError):
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        return stat.rpartition(")")[2].split()[0] == "T"
    with contextlib.suppress(ChildProcessError):
        return os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None
    return False


# --- in the process ----------------------------------------------------------------------------------------------------


def main() -> None:
    """Run the session that standard input names, in a process that was started for it."""
    payload = payload_here()
    prepare_process()
    _run_here(payload)


def serve_sessions() -> None:
    """Fork for each session that standard input names."""
    prepare_process()
    gc.freeze()  # a collection would copy what forks share
    serve_forks(_run_here)


def _run_here(payload: Any) -> None:
    """Run a session and leave what became of it in the folder that the driver has named."""
    packed_job, task, folder, traced = payload
    with telling_unwritten(folder):
        outcome = _run(load_job(packed_job), task, folder, traced=traced)
        _wait_for_threads()
        unfinished = folder / f"{_ROWS}.tmp"
        unfinished.write_bytes(pickle.dumps(outcome, protocol=5))
        unfinished.replace(folder / _ROWS)
    os._exit(0)


def _wait_for_threads() -> None:
    """Give threads that the session has left behind the time to do what may end the process."""
    deadline = time.monotonic() + _THREADS_S
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.name.startswith("voicelab"):
            thread.join(max(0.0, deadline - time.monotonic()))


def _run(job: Job, task: ShardTask, folder: Path, *, traced: bool) -> Outcome:
    notes: list[PortabilityNote] = []
    journal = Journal(folder / _JOURNAL)
    _end_by_system(job.options.limits.cpu_s * (_TRACED if traced else 1), folder / _OVERDUE)
    with Trace(folder / _TRACE) if traced else contextlib.nullcontext():
        ran = run_sessions(
            job, replace(task, alone=True), notes, apart=True, on_session=journal.follow, events=journal.events
        )
    outcome = Outcome(ran.rows[0] if ran.rows else read_journal(folder / _JOURNAL), notes=notes)
    if ran.stopped is not None:
        outcome = replace(outcome, offence=ran.stopped.offence, failure=ran.stopped.failure)
    return outcome


def _end_by_system(cpu_s: float, path: Path) -> None:
    """Have the system end this process when a session has used up its time and no exception reaches it: a call of C."""
    file = path.open("wb", buffering=0)
    file.write(bytes(_ROOM))  # where the disk is full later on, what is written over it still finds room
    file.seek(0)
    if _SIGXCPU is None:
        return
    import resource

    # Of all threads: the system gives the signal to whichever runs at that moment.
    faulthandler.register(_SIGXCPU, file, all_threads=True, chain=True)
    if _WHERE is not None:
        faulthandler.register(_WHERE, file, all_threads=True)
    used = math.ceil(time.process_time() + CPU_MARGIN * cpu_s + 1)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used, hard))


def _overdue_at(path: Path) -> Place | None:
    """Return the innermost line of the user's in what `faulthandler` has written: of the session's thread, which is last."""
    place = None
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8", errors="replace").rstrip("\0").splitlines():
            if not line.startswith(" "):
                place = None  # the next thread
            head, _, function = line.strip().rpartition(" in ")
            file, _, number = head.removeprefix('File "').rpartition('", line ')
            if place is None and number.isdigit() and is_users_file(file):
                place = file, int(number), function
    return place
