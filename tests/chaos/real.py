"""Schedules of real processes: runs that are killed, stopped, interrupted, short of disk, damaged and begun twice.

Each run is a process of its own (`one_run`) that says which shards it has settled; a fault comes when it has said so for
the shard that the schedule names, or has ended before. What the machine does in between is chance that no seed repeats:
the model holds for all of it.
"""

import contextlib
import functools
import importlib.util
import io
import json
import os
import random
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chaos import machine
from chaos.disk import harm
from chaos.model import MANIFEST, Expected, Promises, check, check_whole, expected_of, files_of
from chaos.runs import LARGE, handler_of, shrunk_to, simulate
from chaos.schedule import Schedule, Step, require
from chaos.starter import Started
from chaos.workers import Here
from voicelab.base.errors import LogError
from voicelab.log import Log, open_log
from voicelab.log.compact import compact
from voicelab.log.manifest import read_manifest

KIND = "real"
FAULTS = (
    "kill_driver",
    "kill_workers",
    "kill_all",
    "terminate",
    "interrupt",
    "stop_driver",
    "stop_worker",
    "second_run",
)
_REFUSED = "is being written by"
_SPACE_KB = (20, 100, 300)
_NAMES = {"terminate": signal.SIGTERM, "interrupt": signal.SIGINT}


@functools.cache
def offers() -> str:
    """Return what there is of the machine, and what stands in for what there isn't."""
    small = (
        "a tmpfs of their own, which fills up and turns read-only"
        if machine.can_mount()
        else ("a limit on files' lengths in place of a full disk; no read-only disk, since none can be mounted here")
    )
    dying = "sessions die" if _can_die() else "no session dies, since this voicelab doesn't run suspects alone"
    return f"real: processes are signalled, logs lie on {small}; the clock is set in the process; {dying}"


def _can_die() -> bool:
    return importlib.util.find_spec("voicelab.simulation.suspects") is not None


def draw(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    chance = random.Random(f"real {seed}")
    main = "dying" if chance.random() < 0.2 else "first"
    steps = [Step("run", _run(chance, main, first=True))]
    for _ in range(chance.choice([0, 1, 1, 2])):
        what = chance.choices(["run", "damage", "compact"], [5, 3, 1])[0]
        if what == "run":
            steps.append(Step("run", _run(chance, main)))
        elif what == "compact":
            steps.append(Step("compact", {"fault": chance.choice([None, "kill_driver", "interrupt"])}))
        else:
            how = chance.choice(["flipped", "cut", "zeros", "garbage", "removed"])
            steps.append(
                Step("damage", {"files": chance.choice([1, 2, 5]), "how": how, "chance": chance.getrandbits(32)})
            )
    return Schedule(KIND, seed, tuple(steps))


def _run(chance: random.Random, main: str, *, first: bool = False) -> dict[str, Any]:
    other = not first and chance.random() < 0.1
    how: dict[str, Any] = {
        "which": "second" if other else main,
        "overwrite": other,
        "workers": chance.choice([1, 2, 2, 3]),
        "hours": chance.choice([0, 0, 0, -30_000, 30_000]),
    }
    kind = chance.choice([*FAULTS, *FAULTS, "full", "read_only", None])
    if kind in FAULTS:
        how |= {"fault": kind, "after": chance.randrange(-1, LARGE.n_shards), "times": chance.choice([1, 1, 2, 3])}
    elif kind == "full":
        how |= {"fault": kind, "room_kb": chance.choice(_SPACE_KB)}
    elif kind is not None:
        how |= {"fault": kind}
    return how


def run(schedule: Schedule) -> None:
    """Run a schedule.

    Raises:
        Failed: the log, an error or a process isn't as it has to be.
    """
    names = {"first", "second", *(step.how.get("which", "first") for step in schedule.steps)}
    with machine.disk("16m") as folder:
        _Processes(folder, {which: undisturbed(which) for which in names if which != "dying" or _can_die()}).run(
            schedule
        )


@functools.cache
def undisturbed(which: str) -> Expected:
    """Return what a run leaves when nothing happens."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        shrunk_to(LARGE, patch)
        return expected_of(Path(folder) / "log", LARGE, lambda log: _gone_on_with(which, log))


def _gone_on_with(which: str, log: Path) -> Log:
    """Go on with a run to its end, undisturbed: in this process where that survives it, which changes no byte."""
    if which != "dying":
        with contextlib.redirect_stderr(io.StringIO()):
            return simulate(handler_of(LARGE), LARGE, which, log, executor=Here(), resume=True)
    options = {"resume": True, "workers": 1}
    one = _Run({"do": "run", "which": which, "log": str(log), "options": options}, Promises({}), "")
    status = one.until_ended()
    require(status == 0, f"undisturbed, it ended with {status}: {one.error()} {one.process.stderr.read()}")
    return open_log(log)


class _Run:
    """A run's process, and what it says.

    Args:
        given: What it is to do.
        promises: Take what it settles.
        run_id: Of its sessions.
        limit: The longest file that it may write, in bytes; None for any.
    """

    def __init__(self, given: dict[str, Any], promises: Promises, run_id: str, limit: int | None = None) -> None:
        self._promises, self._run_id = promises, run_id
        self.process = Started(given, limit)
        self.said: list[dict[str, Any]] = []

    def until_settled(self, number: int) -> bool:
        """Wait until a shard is settled, or the run has begun for -1; return False if it ended before."""
        return any(what.get("settled", -1) >= number for what in self._lines())

    def until_ended(self) -> int:
        """Wait for its end, and return its status."""
        for _ in self._lines():
            pass
        return self.process.wait(machine.LIMIT_S)

    def error(self) -> str:
        """Return the error that it ended with, or nothing."""
        return next((str(what["error"]) for what in self.said if "error" in what), "")

    def workers(self) -> list[int]:
        """Return the numbers of its workers."""
        return sorted(set(machine.processes(self.process.pid)) - {self.process.pid})

    def signal(self, number: int) -> None:
        """Send its driver a signal."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, number)

    def _lines(self) -> Iterator[dict[str, Any]]:
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):  # cut off in the middle
                what = json.loads(line)
                self.said.append(what)
                if "settled" in what:
                    self._promises.settled(self._run_id, what["settled"])
                yield what


class _Processes:
    """What a schedule happens to.

    Args:
        disk: Where the log lies.
        runs: What undisturbed runs leave, by name.
    """

    def __init__(self, disk: Path, runs: dict[str, Expected]) -> None:
        self._disk = disk
        self._log = disk / "log"
        self._runs = runs
        self._promises = Promises({run.run_id: run for run in runs.values()})
        self._sessions: list[int] = []
        self._joined = False

    def run(self, schedule: Schedule) -> None:
        """Do all steps, and go on with the log to its end."""
        try:
            for step in schedule.steps:
                getattr(self, f"do_{step.do}")(**step.how)
            self._end()
        except (KeyboardInterrupt, SystemExit):
            for session in self._sessions:
                machine.end(session)
            raise
        finally:
            left = [number for session in self._sessions for number in machine.until_gone(session)]
        require(not left, f"processes are left: {left}")

    def _end(self) -> None:
        which = next((name for name, run in self._runs.items() if run.run_id == self._held()), "first")
        with pytest.MonkeyPatch.context() as patch:
            shrunk_to(LARGE, patch)
            _gone_on_with(which, self._log)
            if self._joined:
                compact(self._log)
        check_whole(self._log, self._runs[which], joined=self._joined)

    def do_run(self, which, overwrite=False, workers=2, hours=0, fault=None, after=0, times=1, room_kb=0):
        which = which if which in self._runs else "first"
        run = self._runs[which]
        of_another = self._held() not in (None, run.run_id)
        if overwrite and of_another:
            self._promises.forget(replaced=self._held())
        one, was_locked = None, (self._log / "_lock").exists()
        with self._trouble(fault, room_kb) as limit:
            options = {"resume": True, "overwrite": overwrite, "workers": workers}
            given = {"do": "run", "which": which, "log": str(self._log), "hours": hours, "options": options}
            one = self._start(given, run.run_id, limit)
            if fault in FAULTS and one.until_settled(after):
                for _ in range(times):
                    getattr(self, f"_{fault}")(one)
            status = one.until_ended()
        self._judge(one, status, fault, run, refusable=of_another and not overwrite, was_locked=was_locked)

    def _judge(
        self, one: _Run, status: int, fault: str | None, run: Expected, *, refusable: bool, was_locked: bool
    ) -> None:
        told = one.process.stderr.read()
        said = f"{fault}: status {status}, {one.error()!r}\n{told[-2000:]}"
        refused = one.error().startswith("LogError")
        refusable |= fault in ("full", "read_only", "second_run")
        killed = fault in ("kill_driver", "kill_all") and status == -signal.SIGKILL
        stopped = (fault == "terminate" and status in (143, -signal.SIGTERM)) or (
            fault == "interrupt" and status in (1, 130, -signal.SIGINT)
        )
        require(status == 0 or killed or stopped or (refused and refusable), said)
        require(f"{os.sep}voicelab{os.sep}" not in told or fault == "interrupt", f"an error from inside: {said}")
        if fault not in ("kill_driver", "kill_all"):
            # It has ended in order, and so have its workers by then, or soon after.
            left = machine.until_gone(one.process.pid)
            require(not left, f"processes are left: {left}")
        if not killed:
            # What a killed run left stays where this one was stopped before it came to the log.
            own = not (fault == "read_only" or (stopped and was_locked))
            require(not own or not (self._log / "_lock").exists(), f"a run that ended keeps its lock: {said}")
        check(self._log, self._promises)
        if status == 0:
            for number in range(LARGE.n_shards):
                self._promises.settled(run.run_id, number)
            check(self._log, self._promises)
            require(not self._promises.harmed, f"success, and damage is left: {self._promises.harmed}")

    def do_compact(self, fault=None):
        self._joined = True
        one = self._start({"do": "compact", "log": str(self._log)}, self._held() or "")
        if fault and one.until_settled(-1):
            getattr(self, f"_{fault}")(one)
        status = one.until_ended()
        told = one.process.stderr.read()
        require(status in (0, 1) or fault, f"compacting ended with {status}: {told}")
        require(not one.error() or one.error().startswith("LogError"), one.error())
        check(self._log, self._promises)

    def do_damage(self, files, how, chance):
        draws = random.Random(chance)
        there = sorted(name for name in files_of(self._log) if name != MANIFEST)
        for name in draws.sample(there, min(files, len(there))):
            harm(self._log / name, how, draws)
            self._promises.harm(name)

    # --- faults ---

    def _kill_driver(self, one: _Run) -> None:
        one.signal(signal.SIGKILL)

    def _kill_all(self, one: _Run) -> None:
        for number in (*one.workers(), one.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _kill_workers(self, one: _Run) -> None:
        for number in one.workers()[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def _terminate(self, one: _Run) -> None:
        one.signal(signal.SIGTERM)

    def _interrupt(self, one: _Run) -> None:
        one.signal(signal.SIGINT)

    def _stop_driver(self, one: _Run) -> None:
        self._stop(one, one.process.pid)

    def _stop_worker(self, one: _Run) -> None:
        for number in one.workers()[:1]:
            self._stop(one, number)

    def _stop(self, one: _Run, number: int) -> None:
        """Stop a process, look at the log meanwhile, and let it go on."""
        # The driver too while the log is looked at: what it settles in between would be there for one look and not for another.
        stopped = dict.fromkeys([number, one.process.pid])
        for each in stopped:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGSTOP)
        try:
            if all(machine.until_stopped(each) for each in stopped):
                with contextlib.suppress(LogError):
                    read_manifest(self._log)
                    check(self._log, self._promises)
        finally:
            for each in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGCONT)

    def _second_run(self, one: _Run) -> None:
        given = {"do": "run", "which": "first", "log": str(self._log), "options": {"resume": True, "workers": 1}}
        other = self._start(given, self._runs["first"].run_id)
        status = other.until_ended()
        foreign = "holds another run" in other.error()
        require(
            status == 0 or _REFUSED in other.error() or foreign,
            f"a second run: {other.error()!r} {other.process.stderr.read()}",
        )

    @contextlib.contextmanager
    def _trouble(self, fault: str | None, room_kb: int) -> Iterator[int | None]:
        """Have a disk in trouble while a run lasts, and yield the longest file if that stands in for it."""
        how = {"full": f"size={machine.used_kb(self._disk) + room_kb}k", "read_only": "ro"}.get(fault or "")
        if how is None:
            yield None
        elif machine.remount(self._disk, how):
            yield None
            require(machine.remount(self._disk, "rw,size=16m"), "the disk stays in trouble")
        else:
            yield room_kb * 20 if fault == "full" else None

    def _start(self, given: dict[str, Any], run_id: str, limit: int | None = None) -> _Run:
        one = _Run(given, self._promises, run_id, limit)
        self._sessions.append(one.process.pid)
        return one

    def _held(self) -> str | None:
        try:
            return str(read_manifest(self._log).get("run_id"))
        except LogError:
            return None
