"""What a schedule without processes happens to: a disk with a log on it, and what was promised of that.

What a run does to its disk and says to its workers is counted. A fault comes before one of these steps: the process or
the machine ends there, is interrupted, finds the disk full, meets a second writer, a reader, or a worker that a killed
run has left behind. After each act the log is held against the model, and in the end gone on with: then it has to be
that of an undisturbed run.
"""

import contextlib
import io
import random
import shutil
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import voicelab as vl
from chaos.disk import FailingDisk, error_of, harm
from chaos.model import LATE, MANIFEST, Expected, Promises, check, check_whole, files_of, leftovers
from chaos.patches import small_handler
from chaos.runs import SMALL, late_outcomes, simulate
from chaos.schedule import Schedule, require
from chaos.wall_clock import Clock
from chaos.workers import Taken, WorkerDied, Workers
from voicelab.base.errors import LogError, SimulationError, VoicelabError
from voicelab.log.compact import compact
from voicelab.log.manifest import read_manifest
from voicelab.log.redact import redact
from voicelab.simulation import driver, simulating
from voicelab.simulation import pool as pools

ENDS = ("killed", "power_lost", "interrupted", "worker_dies")
TROUBLES = ("full", "read_only", "broken")
VISITS = ("second_run", "second_replaces", "compacts", "reads", "orphan", "twin")
"""What happens in the middle of something else, and lets it go on: a twin is the same shard, run by another worker."""
_HARMLESS = ("worker_dies", "second_run", "reads", "orphan", "twin")
_MOST = 20_000
_DEATHS = 3
"""After how many losses a run may give up."""


class Gone(BaseException):
    """The process, or the machine under it, is no more: whatever would still clear up does nothing."""


class World:
    """A disk, and those who write to it.

    Args:
        root: Where the disk lies.
        patch: Takes what is patched meanwhile.
        runs: What undisturbed runs leave, by name.
    """

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, runs: dict[str, Expected]) -> None:
        self._root = root
        self._log = root / "disk" / "log"
        self._runs = runs
        self._promises = Promises({run.run_id: run for run in runs.values()})
        self._clock = Clock(patch)
        self._orphans: deque[Taken] = deque()
        self._workers = self._new_workers()
        self._working: Taken | None = None
        self._fault: str | None = None
        self._due = self._times = self._n = self._n_copies = 0
        self._fired = self._visiting = self._gone = self._joined = False
        self._disk: FailingDisk | None = None
        self._plug: pytest.MonkeyPatch | None = None
        self._log.parent.mkdir()
        patch.setattr(driver, "settle_shard", self._settling(driver.settle_shard))
        patch.setattr(simulating, "clear", self._clearing(simulating.clear))
        patch.setattr(pools, "_child_processes", lambda _: self._workers.new())
        patch.setattr(pools, "wait", self._wait)

    def run(self, schedule: Schedule) -> None:
        """Do all steps, and go on with the log to its end."""
        try:
            self._plug_in()
            for step in schedule.steps:
                getattr(self, f"do_{step.do}")(**step.how)
                check(self._log, self._promises)
            self._end()
        finally:
            self._unplug()

    def _end(self) -> None:
        self.do_orphans()
        which = next((name for name, run in self._runs.items() if run.run_id == self._held()), "first")
        self.do_run(which, resume=True)
        if self._promises.is_refused:
            # That is all that can be asked for: whoever wants the log begins again.
            self._unplug()
            shutil.rmtree(self._log)
            self._plug_in()
            self._promises.forget()
            self.do_run(which, resume=True)
        if self._joined:
            require(self._act(lambda: compact(self._log)) is None, "a whole log isn't compacted")
        check_whole(self._log, self._runs[which], joined=self._joined)

    # --- steps ---

    def do_run(self, which, resume=False, overwrite=False, workers=1, foreign=False, chance=0, rates=(), **fault):
        run, before = self._runs[which], self._held()

        def go() -> None:
            self._workers = self._new_workers(random.Random(chance), dict(rates), own=not foreign)
            how = {"resume": resume, "overwrite": overwrite, "workers": workers}
            simulate(small_handler(), SMALL, which, self._log, executor=self._workers if foreign else None, **how)

        error = self._act(go, **fault)
        if error is None:
            opened = before == run.run_id and not (resume or overwrite)
            self._succeeded(run, resume=resume, opened=opened)
            return
        gave_up = isinstance(error, SimulationError) and self._workers.n_lost >= _DEATHS
        hindered = (self._fired and self._fault not in _HARMLESS) or self._promises.is_refused
        can = (before in (None, run.run_id) and resume) or overwrite
        require(gave_up or hindered or not can, f"failed for nothing: {error!r}")

    def _succeeded(self, run: Expected, *, resume: bool, opened: bool) -> None:
        self._promises.manifest_harmed &= opened  # a finished log that is only opened stays as it is
        for number in range(SMALL.n_shards):
            self._promises.settled(run.run_id, number)
        check(self._log, self._promises)
        if resume:
            left = {name for name in self._promises.harmed if "late" not in name}
            require(not left, f"success, and damage is left: {left}")
            # Whoever came last may leave something, and from a disk in trouble nothing can be removed.
            excused = self._fired and self._fault in (*VISITS, *TROUBLES)
            require(excused or not leftovers(self._log), f"left behind: {leftovers(self._log)}")

    def do_compact(self, **fault):
        self._joined = True
        harmed = bool(self._promises.harmed)
        error = self._act(lambda: compact(self._log), **fault)
        harmed = harmed and bool(self._promises.harmed)  # somebody may have replaced it before it was looked at
        require(error is not None or not harmed or self._promises.manifest_harmed, "a damaged log was compacted")

    def do_late(self, **fault):
        if self._promises.harmed or self._promises.manifest_harmed:
            return  # its sessions aren't known

        def go() -> None:
            log = vl.open_log(self._log)
            number = len(list(self._log.glob("late/part-*")))
            if number < LATE and log.finished:
                log.add_outcomes(late_outcomes(number, self._promises.runs[log.run_id].ids))
                self._promises.late = number + 1

        self._act(go, **fault)

    def do_redact(self, **fault):
        self._n_copies += 1
        copy = self._log.with_name(f"copy-{self._n_copies}")
        before = files_of(self._log)
        error = self._act(lambda: redact(self._log, copy, ["Hello"]), **fault)
        require(self._fired or files_of(self._log) == before, "redact has changed the log")
        if error is None:
            require(vl.open_log(copy).verify().sound, "the redacted copy isn't whole")
            require(len(vl.open_log(copy).sessions()) == SMALL.sessions, "the redacted copy lacks sessions")

    def do_look(self):
        """Read the log as somebody does who looks at it, whatever state it is in."""
        if self._promises.manifest_harmed or self._held() is None:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            log = vl.open_log(self._log, strict=False)
            sessions = log.sessions()["session_index"].tolist()
            require(sessions == sorted(set(sessions)), "sessions are doubled")
            if log.finished:
                require(
                    len(sessions) + log.n_missing == SMALL.sessions, f"{log.n_missing} sessions are said to be missing"
                )
            if log.n_missing and sessions:
                told = vl.analyze(log, "greeting", outcome="booked").warnings
                require(
                    any(f"{log.n_missing} session" in one for one in told), "an analysis doesn't say what is missing"
                )

    def do_clock(self, hours):
        self._clock.hours += hours

    def do_orphans(self):
        while self._orphans:
            with contextlib.suppress(VoicelabError):
                one = self._orphans.popleft()
                one.function(one.packed)

    def do_power(self, chance):
        self._lose_power(random.Random(chance))

    def do_damage(self, manifest, files, how, chance):
        draws = random.Random(chance)
        there = [MANIFEST] if manifest else sorted(files_of(self._log))
        for name in draws.sample(there, min(files, len(there))):
            if (self._log / name).exists():
                harm(self._log / name, how, draws)
                self._promises.harm(name)
        self._plug_in()

    # --- what happens in the middle of a step ---

    def _act(
        self, go: Callable[[], object], fault: str | None = None, at: int = 0, times: int = 1
    ) -> BaseException | None:
        """Do something with a fault in the middle, and return what it ended with."""
        self._fault, self._due, self._times = fault, at, times
        self._n, self._fired, self._gone = 0, False, False
        locked = (self._log / "_lock").exists()  # by somebody who was killed
        try:
            with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                go()
        except Gone as error:
            self._gone = False
            if fault == "power_lost":
                self._lose_power(random.Random(at))
            elif at % 2:
                self._orphans.extend(self._workers.taken)
            return error
        except KeyboardInterrupt as error:
            require(self._fired and fault == "interrupted", "interrupted by nobody")
            require(locked or not (self._log / "_lock").exists(), "an interrupted run keeps its lock")
            return error
        except (LogError, SimulationError) as error:
            return error
        finally:
            self._times = 0
        return None

    def _step(self, doing: str) -> None:
        """Let happen what happens before something is done."""
        if self._gone:
            raise Gone
        if self._visiting:
            return
        self._n += 1
        require(self._n < _MOST, "it does not come to its end")
        if self._fault is None or self._n < self._due or self._times == 0:
            return
        if self._fault in TROUBLES:
            error = None if doing in ("submit", "wait") else error_of(self._fault, doing)
            if error is not None:
                self._happens()
                raise error
        elif self._fault in VISITS:
            self._happens()
            with self._visit() as working:
                self._visited_by(self._fault, working)
        else:
            self._ends(self._fault)

    def _ends(self, fault: str) -> None:
        concerned = {"worker_dies": self._working is not None, "interrupted": self._working is None}
        if not concerned.get(fault, True):
            return  # at the next step of the one that it concerns
        self._happens()
        if fault == "interrupted":
            raise KeyboardInterrupt
        if fault == "worker_dies":
            raise WorkerDied
        self._gone = True
        raise Gone

    def _happens(self) -> None:
        self._fired = True
        self._times -= 1

    @contextlib.contextmanager
    def _visit(self) -> Iterator[Taken | None]:
        """Let others do something whole, and put back who was at work."""
        workers, working = self._workers, self._working
        self._visiting, self._working = True, None
        try:
            yield working
        finally:
            self._visiting, self._workers, self._working = False, workers, working

    def _visited_by(self, who: str, working: Taken | None) -> None:
        if who in ("orphan", "twin"):
            self._orphans.extend([working] if who == "twin" and working is not None else [])
            self.do_orphans()
        elif who == "reads":
            self._read()
        else:
            with contextlib.suppress(LogError):
                if who == "compacts":
                    compact(self._log)
                    self._joined = True
                else:
                    other = who == "second_replaces"
                    self._workers = self._new_workers()
                    simulate(
                        small_handler(), SMALL, "second" if other else "first", self._log, resume=True, overwrite=other
                    )

    def _read(self) -> None:
        """Open the log in the middle of something: nothing that is settled may look damaged."""
        with warnings.catch_warnings(record=True) as said, contextlib.suppress(LogError):
            warnings.simplefilter("always")
            vl.open_log(self._log, strict=False)
        told = [str(one.message) for one in said if "left out" in str(one.message)]
        harmed = self._promises.harmed or self._promises.manifest_harmed or self._promises.replaced
        require(harmed or not told, f"a reader is told of damage that isn't there: {told}")

    def _new_workers(
        self, chance: random.Random | None = None, rates: dict[str, float] | None = None, *, own: bool = True
    ):
        return Workers(chance or random.Random(0), rates or {}, own, self._work, self._step)

    def _wait(self, futures: Any, **how: Any) -> Any:
        return self._workers.wait(futures, **how)

    def _work(self, one: Taken) -> bytes:
        self._working = one
        try:
            return one.function(one.packed)
        finally:
            self._working = None

    # --- the disk ---

    def _lose_power(self, chance: random.Random) -> None:
        """Put in the place of the disk what is left of it when the machine is switched off."""
        self._orphans.clear()
        left = self._root / "left"
        self._disk.after_a_crash(len(self._disk.steps), chance, left)
        self._unplug()
        shutil.rmtree(self._log.parent)
        left.rename(self._log.parent)
        self._plug_in()

    def _plug_in(self) -> None:
        """Have what is there now be on the disk for good."""
        self._unplug()
        self._plug = pytest.MonkeyPatch()
        self._disk = FailingDisk(self._log.parent, self._plug, self._step)

    def _unplug(self) -> None:
        if self._plug is not None:
            self._plug.undo()
            self._plug = None

    def _held(self) -> str | None:
        """Return the id of the run that the log holds, or None if there is none that can be told."""
        try:
            return read_manifest(self._log).get("run_id")
        except LogError:
            return None

    # --- what the runs promise ---

    def _settling(self, settle: Callable[[Path, int, str], None]) -> Callable[[Path, int, str], None]:
        def settled(root: Path, number: int, tag: str) -> None:
            settle(root, number, tag)
            self._promises.settled(read_manifest(root)["run_id"], number)

        return settled

    def _clearing(self, clear: Callable[[Path], None]) -> Callable[[Path], None]:
        def cleared(folder: Path) -> None:
            self._promises.forget(replaced=self._held())
            clear(folder)

        return cleared
