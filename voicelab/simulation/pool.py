"""Where shards run: child processes of our own, or anything with `submit`; a worker that dies costs nothing but time.

A worker that dies takes others' shards with it: all that were under way are lost. Each has left a note of the session that
it was at, and `suspects` finds out whether one of those ended its worker. Where none did, their shards run again one at a
time, with nothing else under way. Only a shard that loses its worker then is charged with it.
"""

import contextlib
import os
import pickle
import secrets
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from voicelab.base.errors import SimulationError, VoicelabError
from voicelab.runtime.tracebacks import describe
from voicelab.simulation import lifeline
from voicelab.simulation.executors import HASH_SEED, Executor, LostExecutorError, Remote, is_called_off, is_lost
from voicelab.simulation.oversight import LOOK_S
from voicelab.simulation.suspects import Suspects
from voicelab.simulation.worker import ShardReport, ShardTask, run_shard, shard_packed

_MOST_DEATHS = 3
"""Workers that a shard may lose while it runs alone, and refusals in a row of an executor that has nothing to do."""
_MOST_CALLED_OFF = 20
"""Times that one shard may be called off by the user's executor."""
_ENVIRON = {"PYTHONHASHSEED": HASH_SEED}
_NO_LEAK_CHECK = {"LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"}
"""Where psutil happens to be installed, loky ends processes that grow, and says so; here `fitness` sees to that."""


class StuckError(Exception):
    """The session of a worker of the user's executor comes to no end, and its shard is not waited for."""

    def __init__(self) -> None:
        super().__init__("its session comes to no end")


class Pool:
    """Runs shards, and runs those again that a dying worker took with it.

    Args:
        packed_job: The job, packed once for all shards.
        remote: An executor of the user's; None for child processes of our own.
        workers: Child processes.
        suspects: Finds out which session ended a worker; None where nobody does.
    """

    def __init__(
        self, packed_job: bytes, remote: Remote | None, workers: int, suspects: Suspects | None = None
    ) -> None:
        # A run of its own, also of the same job: what a handler keeps in its module must not come from the run before.
        self._run = secrets.token_hex(8)
        self._packed_job = packed_job
        self._own = remote is None
        self._remote = remote
        # Somebody else's processes may be on another machine, where these would be wrong, or nobody's business.
        self._environ = {**os.environ, **_ENVIRON} if self._own else None
        self._workers = workers
        self._executor: Any = remote
        self._running: dict[Future[bytes], ShardTask] = {}
        self._waiting: deque[ShardTask] = deque()
        self._suspects: list[ShardTask] = []
        self._alone: ShardTask | None = None
        self._deaths: Counter[int] = Counter()
        self._called_off: Counter[int] = Counter()
        self._refusals = 0
        self._unexplained: Counter[tuple[int, int]] = Counter()
        self._examiner = suspects
        self._stale = False
        self._left_programs = False

    def at_a_time(self) -> int:
        """Return how many shards run at a time."""
        return self._workers if self._remote is None else self._remote.at_a_time()

    def submit(self, task: ShardTask) -> None:
        """Take a shard to be run."""
        self._waiting.append(self._prepared(task))
        self._start()

    def finished(self) -> list[tuple[ShardTask, ShardReport]]:
        """Wait for one shard or more, and return what has come back: nothing, if only workers were lost, or for a while.

        Raises:
            SimulationError: a shard failed for a reason of its own, or its worker died again and again.
            LostExecutorError: the user's executor gives nothing back any more.
        """
        self._start()
        results: list[tuple[ShardTask, ShardReport]] = []
        lost: list[tuple[ShardTask, Exception]] = []
        failed: list[tuple[ShardTask, Exception]] = []
        done = self._wait()
        while done:
            for future in done:
                task = self._running.pop(future)
                try:
                    report: ShardReport = pickle.loads(future.result())  # noqa: S301 - it comes from our own worker
                except Exception as error:
                    if isinstance(error, VoicelabError):
                        raise
                    (lost if is_lost(error) else failed).append((task, error))
                else:
                    results.append((task, report))
                    self._left_programs |= report.left_programs
                    if self._remote is not None:
                        self._remote.heed(report.hash_seed)
                    self._suspects = [suspect for suspect in self._suspects if suspect is not task]
            # A pool of our own breaks as a whole: what else was under way is lost in the same moment.
            done = wait(self._running)[0] if lost and self._own and self._running else set()
        for task, failure in failed:
            self._fail(task, failure)
        if lost and self._remote is not None:
            self._remote.check()  # who is closed calls off whatever it is given, and would be given it for ever
        self._lose(lost)
        return [whole for whole in results if not self._goes_on(*whole)]

    def _wait(self) -> set[Future[bytes]]:
        """Wait until a shard comes back, and see to it meanwhile that each goes on; return what has come back."""
        done = wait(self._running, timeout=LOOK_S, return_when=FIRST_COMPLETED)[0]
        if not done and self._remote is not None:
            self._remote.check()
        stuck = [] if done or self._examiner is None else self._examiner.stuck(list(self._running.values()))
        if stuck and self._own:
            self._executor.shutdown(wait=False, kill_workers=True)
        elif stuck:
            self._lose([(self._take_back(task), StuckError()) for task in stuck])
        return done

    def _take_back(self, task: ShardTask) -> ShardTask:
        """Wait no more for a shard of the user's executor."""
        future = next(future for future, running in self._running.items() if running is task)
        del self._running[future]
        future.cancel()
        return task

    def _goes_on(self, task: ShardTask, report: ShardReport) -> bool:
        """Have a shard that its worker has stopped in the middle of go on; return False if it is whole."""
        if report.stopped is None:
            return False
        assert self._examiner is not None  # noqa: S101 - no worker stops without
        if self._own and report.stopped.why != "suspect":
            self._stale = True
        rest = self._examiner.prepared(self._examiner.go_on(task, report))
        if rest.most is None:
            self._waiting.appendleft(rest)
        else:
            self._suspects.insert(0, rest)
        return True

    def _fail(self, task: ShardTask, error: Exception) -> None:
        """Have a shard that raised what nothing here raises run again: a session may have broken what its worker needs.

        Raises:
            SimulationError: it fails where no session has run, or the worker is somebody else's.
        """
        again = self._examiner.failed(task) if self._own and self._examiner is not None else None
        if again is None:
            new = "" if self._own else " with a new executor and"
            message = describe(error)["message"]
            message = message if self._examiner is None else self._examiner.masked(message)
            raise SimulationError(
                f"The worker of {_sessions(task)} failed with {message}. What was logged before stays; go on"
                f"{new} with resume=True. A handler that replaces what its process needs may be the reason."
            ) from error
        self._stale = True
        others = [suspect for suspect in self._suspects if suspect is not task]
        if again.careful:
            self._suspects = [self._prepared(again), *others]
        else:
            self._suspects = others
            self._waiting.appendleft(self._prepared(again))

    def _start(self) -> None:
        """Start what may run now: everything, or as long as there are suspects one of them alone."""
        if self._stale:
            if self._running:
                return  # what is under way ends in its process first
            if self._executor is not None:  # it may have broken, and be gone, before a shard of it came back as failed
                self._executor.shutdown(wait=False, kill_workers=True)
            self._executor, self._stale = None, False
        if self._suspects:
            if not self._running:
                self._alone = self._suspects[0]
                self._run_one(self._alone)
            return
        while self._waiting and self._run_one(self._waiting[0]):
            self._waiting.popleft()

    def _run_one(self, task: ShardTask) -> bool:
        """Start a shard; return False if the executor has broken and what is under way has to come back first."""
        packed = shard_packed(self._run, self._packed_job, task, self._environ)
        while True:
            if self._executor is None:
                self._executor = _child_processes(self._workers)
            try:
                future = self._executor.submit(run_shard, packed)
            except Exception as error:  # noqa: BLE001 - as above
                self._refuse(error)
                if self._running:
                    return False
            else:
                self._refusals = 0
                self._running[future] = task
                return True

    def _refuse(self, error: Exception) -> None:
        """Take note that a worker died before a shard could be submitted: no shard is charged with that."""
        if not is_lost(error):
            raise error
        if self._own:
            self._stale = False
            self._executor = None  # a broken pool takes no more work: the next shard gets a new one
        if self._running:
            return
        self._refusals += 1
        if self._refusals >= _MOST_DEATHS:
            among = f" One of {_sessions(*self._suspects)} may have ended it." if self._suspects else ""
            raise SimulationError(
                f"The executor takes no more work: a worker of it died ({error}).{among} What was logged before stays; go "
                "on with a new executor and resume=True."
            ) from error

    def _lose(self, lost: list[tuple[ShardTask, Exception]]) -> None:
        """Take note of shards whose workers died; which session did that is found out where it can be."""
        if not lost:
            return
        if self._own:
            self._executor, self._stale = None, False
        errors = {task.number: error for task, error in lost}
        tasks = sorted((task for task, _ in lost), key=lambda task: task.number)
        suspects = tasks if self._examiner is None else self._examiner.lost(tasks)
        for task in tasks:
            if not self._own and is_called_off(errors[task.number]):
                self._repeat(task, errors[task.number])
            elif task in suspects:
                self._charge(task, errors[task.number])
            else:
                self._begin_again(task, errors[task.number])

    def _begin_again(self, task: ShardTask, error: Exception) -> None:
        """Run a shard again that hadn't begun, or of which is known by now what ended its worker."""
        self._suspects = [suspect for suspect in self._suspects if suspect is not task]
        self._deaths.pop(task.number, None)
        if self._own and self._examiner is not None:
            known = task.number, self._examiner.n_verdicts
            self._unexplained[known] += 1
            if self._unexplained[known] >= _MOST_DEATHS:
                # Again and again, and no verdict has come of it: a session spoils what sends the shard's report.
                self._fail(task, error)
                self._stale = False  # its worker is gone
                return
        self._waiting.appendleft(self._prepared(task))

    def _prepared(self, task: ShardTask) -> ShardTask:
        return task if self._examiner is None else self._examiner.prepared(task)

    def _charge(self, task: ShardTask, error: Exception) -> None:
        """Count a loss that nothing explains: first as one of several, then alone, and that again and again."""
        if task is not self._alone:
            self._suspects = sorted([*self._suspects, task], key=lambda suspect: suspect.number)
            return
        self._deaths[task.number] += 1
        if self._deaths[task.number] >= _MOST_DEATHS:
            raise SimulationError(
                f"A worker process died {_MOST_DEATHS} times on {_sessions(task)}, each time with nothing else under way "
                f"({error}). What was logged before stays; the handler may end its process or be short of memory."
            ) from error

    def _repeat(self, task: ShardTask, error: Exception) -> None:
        """Run a shard again that the user's executor called off: no worker died of it, so that nothing is suspected."""
        self._called_off[task.number] += 1
        if self._called_off[task.number] >= _MOST_CALLED_OFF:
            raise LostExecutorError(
                f"The executor has called {_sessions(task)} off {_MOST_CALLED_OFF} times."
            ) from error
        if task not in self._suspects:
            self._waiting.appendleft(task)

    def close(self) -> None:
        """End what sessions have started and left behind in workers that go on; the workers with it."""
        if self._own and self._left_programs and self._executor is not None:
            self._executor.shutdown(wait=True, kill_workers=True)
            self._executor = None

    def cancel(self) -> None:
        """Stop what is under way, as far as it can be stopped."""
        self._waiting.clear()
        if not self._own:
            for future in self._running:
                with contextlib.suppress(Exception):  # whatever an executor does that is gone
                    future.cancel()
        elif self._executor is not None and self._running:
            self._executor.shutdown(wait=False, kill_workers=True)  # it tells the futures itself
        self._running.clear()


def _sessions(*tasks: ShardTask) -> str:
    return "sessions " + ", ".join(f"{task.first} to {task.stop - 1}" for task in tasks)


def _child_processes(workers: int) -> Executor:
    import loky

    # loky doesn't import the main module again, so that a plain script without a main guard simulates too.
    executor: Executor = loky.get_reusable_executor(
        max_workers=workers,
        env={**_ENVIRON, **_NO_LEAK_CHECK},
        initializer=lifeline.begin_worker,
        initargs=(os.getpid(),),
        timeout=120,
        kill_workers=True,
    )
    return executor
