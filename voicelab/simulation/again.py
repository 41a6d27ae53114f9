"""Runs sessions again in a process of their own, under conditions that are varied one at a time; for `recheck`.

The process is new, so that nothing of another session is in it; what a session leaves in its handler's modules, and which
files it has written and read, is noted beside its rows.
"""

import contextlib
import gc
import os
import pickle
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from voicelab.base.records import SessionRows
from voicelab.runs.jobs import Job
from voicelab.runtime.isolation import SCOPE
from voicelab.runtime.tracebacks import is_users_file
from voicelab.simulation.fingerprint import fingerprint
from voicelab.simulation.lone_process import LoneProcesses, payload_here, serve_forks
from voicelab.simulation.oversight import LOOK_S, LOOKS, Oversight
from voicelab.simulation.worker import ShardTask, load_job, prepare_process, run_sessions

_ROWS = "rows"
_PINNED_NS = 1_800_000_000 * 10**9
_PINNED_SEED = 20_270_115


@dataclass(frozen=True)
class Conditions:
    """What is held still in a process.

    Attributes:
        clock: Whether the clock that lies outside of sessions stands still.
        chance: Whether chance outside of sessions begins with the same seed.
    """

    clock: bool = False
    chance: bool = False


@dataclass(frozen=True)
class Rerun:
    """What came of sessions that ran again, one after another in one process.

    Attributes:
        rows: Their rows, as far as the process went.
        survivors: Names in the handler's modules whose value the first of them has changed.
        files: Files that sessions wrote and read again.
    """

    rows: Sequence[SessionRows]
    survivors: Sequence[str] = ()
    files: Sequence[str] = field(default_factory=list)


def run_again(
    packed_job: bytes,
    tasks: Sequence[ShardTask],
    processes: LoneProcesses,
    cpu_s: float,
    conditions: Conditions | None = None,
) -> Rerun:
    """Run sessions again, one after another in one process that is new.

    Args:
        packed_job: The job.
        tasks: The sessions, a shard of one each.
        processes: Starts the process, of this module.
        cpu_s: Processor time that each may use, in seconds.
        conditions: What is held still.

    Returns:
        What came of it; without rows where the process ended or came to no end.
    """
    folder = Path(tempfile.mkdtemp(prefix="voicelab-again-"))
    try:
        with processes.started((packed_job, tuple(tasks), folder, conditions or Conditions())) as process:
            oversight = Oversight(LOOKS, cpu_s * len(tasks))
            while not oversight.look(process.pid, 0, process.pid):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_S)
                    break
        with contextlib.suppress(OSError, EOFError, pickle.UnpicklingError):
            rerun: Rerun = pickle.loads((folder / _ROWS).read_bytes())  # noqa: S301 - our own child wrote it just now
            return rerun
        return Rerun([])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# --- in the process ----------------------------------------------------------------------------------------------------


def rerun_main() -> None:
    """Run what standard input names, in a process that was started for it."""
    payload = payload_here()
    prepare_process()
    _run_here(payload)


def serve_reruns() -> None:
    """Fork for each request that standard input names."""
    prepare_process()
    gc.freeze()
    serve_forks(_run_here)


def _run_here(payload: Any) -> None:
    packed_job, tasks, folder, conditions = payload
    _hold_still(conditions)
    files = _Files()
    sys.addaudithook(files.note)
    job = load_job(packed_job)
    rows, survivors, before = [], [], _globals_of(job) if len(tasks) > 1 else {}
    for number, task in enumerate(tasks):
        rows += run_sessions(job, task, [], apart=True).rows
        if not number and before:
            after = _globals_of(job)
            survivors = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    unfinished = folder / f"{_ROWS}.tmp"
    unfinished.write_bytes(pickle.dumps(Rerun(rows, survivors, files.read_back()), protocol=5))
    unfinished.replace(folder / _ROWS)
    os._exit(0)


def _hold_still(conditions: Conditions) -> None:
    """Hold still what lies outside of sessions, where a module that is loaded and a thread are: in this process for good."""
    if conditions.clock:
        import _time_machine

        _time_machine.original_time_ns = lambda: _PINNED_NS
        for name in ("monotonic", "perf_counter", "process_time", "thread_time"):
            setattr(time, name, lambda: 1e6)
            setattr(time, f"{name}_ns", lambda: 10**15)
    if conditions.chance:
        own = random.Random(_PINNED_SEED)
        os.urandom = random._urandom = own.randbytes  # type: ignore[attr-defined]
        random.seed(_PINNED_SEED)
        with contextlib.suppress(ImportError):
            import ssl

            ssl.RAND_bytes = own.randbytes
        if "numpy" in sys.modules:
            sys.modules["numpy"].random.seed(_PINNED_SEED)


class _Files:
    """Notes which files sessions write and read."""

    def __init__(self) -> None:
        self._written: dict[str, None] = {}
        self._read: dict[str, None] = {}

    def note(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Take an event that the interpreter tells of."""
        if event != "open" or SCOPE.get() is None or not isinstance(arguments[0], str | bytes | os.PathLike):
            return
        path, mode, flags = os.fsdecode(arguments[0]), arguments[1] or "", arguments[2] or 0
        writes = bool(set(mode) & set("wax+")) or bool(flags & (os.O_WRONLY | os.O_RDWR))
        reads = "r" in mode or "+" in mode or not writes
        for kept, does in ((self._written, writes), (self._read, reads)):
            if does:
                kept[path] = None

    def read_back(self) -> list[str]:
        """Return the files that were both written and read."""
        return [path for path in self._written if path in self._read and not Path(path).is_dir()]


def _globals_of(job: Job) -> dict[str, str]:
    """Return what each name in the handler's modules holds, as a hash of it."""
    found: dict[str, str] = {}
    modules = [("", getattr(job.options.handler.function, "__globals__", {}))]
    seen = set()
    for prefix, names in modules:
        seen.add(id(names))
        for name, value in list(names.items()):
            if name.startswith("__"):
                continue
            inner = _users_module(value)
            if inner is not None and id(inner[1]) not in seen:
                modules.append(inner)
            elif not isinstance(value, ModuleType | FunctionType):
                with contextlib.suppress(Exception):  # what has no form that could be hashed
                    found[f"{prefix}{name}"] = fingerprint(vars(value) if isinstance(value, type) else value)
    return found


def _users_module(value: Any) -> tuple[str, dict[str, Any]] | None:
    """Return prefix and names of a module of the user's that a value is, or that it was defined in."""
    if isinstance(value, ModuleType):
        file, names, name = getattr(value, "__file__", None), vars(value), value.__name__
    else:
        names = getattr(value, "__globals__", None) or {}
        file, name = names.get("__file__"), names.get("__name__", "")
    if not isinstance(file, str) or not is_users_file(file):
        return None
    return f"{name}.", names
