"""Where shards run: child processes of our own, or anything with `submit`; a worker that dies costs nothing but time.

A worker that dies takes others' shards with it: all that were under way are lost, and which of them killed it nobody
says. They are suspects, and run again one at a time, with nothing else under way. Only a shard that loses its worker
then is charged with it.
"""

import os
import pickle
import secrets
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

from voicelab.base.errors import SimulationError
from voicelab.simulation import lifeline
from voicelab.simulation.worker import ShardReport, ShardTask, run_shard

_MOST_DEATHS = 3
"""Workers that a shard may lose while it runs alone, and refusals in a row of an executor that has nothing to do."""
_HASH_SEED = {"PYTHONHASHSEED": "0"}
"""Fixed: the order of sets would else differ between processes."""


class Executor(Protocol):
    """Anything that runs a function of bytes elsewhere, e.g. `dask.distributed.Client(...).get_executor()`."""

    def submit(self, fn: Callable[[bytes], bytes], argument: bytes, /) -> Future[bytes]:
        """Run the function elsewhere."""


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Runs shards, and runs those again that a dying worker took with it.

    Args:
        packed_job: The job, packed once for all shards.
        executor: An executor of the user's; None for child processes of our own.
        workers: Child processes.
    """

    def __init__(self, packed_job: bytes, executor: Executor | None, workers: int) -> None:
        # A run of its own, also of the same job: what a handler keeps in its module must not come from the run before.
        self._run = secrets.token_hex(8)
        self._packed_job = packed_job
        self._own = executor is None
        # Somebody else's processes may be on another machine, where these would be wrong, or nobody's business.
        self._environ = {**os.environ, **_HASH_SEED} if self._own else None
        self._workers = workers
        self._executor: Any = executor
        self._running: dict[Future[bytes], ShardTask] = {}
        self._waiting: deque[ShardTask] = deque()
        self._suspects: list[ShardTask] = []
        self._alone: ShardTask | None = None
        self._deaths: Counter[int] = Counter()
        self._refusals = 0

    def submit(self, task: ShardTask) -> None:
        """Take a shard to be run."""
        self._waiting.append(task)
        self._start()

    def finished(self) -> list[tuple[ShardTask, ShardReport]]:
        """Wait for one shard or more, and return what has come back: nothing, if only workers were lost.

        Raises:
            SimulationError: a shard failed for a reason of its own, or its worker died again and again.
        """
        self._start()
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        results = []
        for future in done:
            task = self._running.pop(future)
            try:
                results.append((task, pickle.loads(future.result())))  # noqa: S301 - it comes from our own worker
            except Exception as error:  # noqa: BLE001 - executors have exceptions of their own for a lost worker
                self._lose(task, error)
            else:
                self._suspects = [suspect for suspect in self._suspects if suspect is not task]
        return results

    def _start(self) -> None:
        """Start what may run now: everything, or as long as there are suspects one of them alone."""
        if self._suspects:
            if not self._running:
                self._alone = self._suspects[0]
                self._run_one(self._alone)
            return
        while self._waiting and self._run_one(self._waiting[0]):
            self._waiting.popleft()

    def _run_one(self, task: ShardTask) -> bool:
        """Start a shard; return False if the executor has broken and what is under way has to come back first."""
        packed = pickle.dumps((self._run, self._packed_job, task, self._environ), protocol=5)
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
        if not _lost(error):
            raise error
        if self._own:
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

    def _lose(self, task: ShardTask, error: Exception) -> None:
        if not _lost(error):
            raise error
        if self._own:
            self._executor = None
        if task is not self._alone:
            self._suspects = sorted([*self._suspects, task], key=lambda suspect: suspect.number)
            return
        self._deaths[task.number] += 1
        if self._deaths[task.number] >= _MOST_DEATHS:
            raise SimulationError(
                f"A worker process died {_MOST_DEATHS} times on {_sessions(task)}, each time with nothing else under way "
                f"({error}). What was logged before stays; the handler may end its process or be short of memory."
            ) from error

    def cancel(self) -> None:
        """Stop what is under way, as far as it can be stopped."""
        self._waiting.clear()
        if not self._own:
            for future in self._running:
                future.cancel()
        elif self._executor is not None and self._running:
            self._executor.shutdown(wait=False, kill_workers=True)  # it tells the futures itself
        self._running.clear()


def _sessions(*tasks: ShardTask) -> str:
    return "sessions " + ", ".join(f"{task.first} to {task.stop - 1}" for task in tasks)


def _lost(error: Exception) -> bool:
    """Return whether an exception means that the worker went away, rather than that the work failed."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(
        names & {"BrokenExecutor", "TerminatedWorkerError", "ShutdownExecutorError", "KilledWorker", "CancelledError"}
    )


def _child_processes(workers: int) -> Executor:
    import loky

    # loky doesn't import the main module again, so that a plain script without a main guard simulates too.
    executor: Executor = loky.get_reusable_executor(
        max_workers=workers,
        env=_HASH_SEED,
        initializer=lifeline.begin_worker,
        initargs=(os.getpid(),),
        timeout=120,
        kill_workers=True,
    )
    return executor
