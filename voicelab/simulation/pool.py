"""Where shards run: child processes of our own, or anything with `submit`; a worker that dies costs nothing but time."""

import os
import pickle
import secrets
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Protocol

from voicelab.errors import SimulationError
from voicelab.simulation.worker import ShardReport, ShardTask, prepare_process, run_shard

_MOST_RETRIES = 3
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
        self._retries: dict[int, int] = {}

    def submit(self, task: ShardTask) -> None:
        """Start a shard."""
        if self._executor is None:
            self._executor = _child_processes(self._workers)
        packed = pickle.dumps((self._run, self._packed_job, task, self._environ), protocol=5)
        future = self._executor.submit(run_shard, packed)
        self._running[future] = task

    @property
    def n_running(self) -> int:
        """How many shards are under way."""
        return len(self._running)

    def finished(self) -> list[tuple[ShardTask, ShardReport]]:
        """Wait for one shard or more, and return what has come back.

        Raises:
            SimulationError: a shard failed for a reason of its own, or its worker died again and again.
        """
        done, _ = wait(self._running, return_when=FIRST_COMPLETED)
        results = []
        for future in done:
            task = self._running.pop(future)
            try:
                results.append((task, pickle.loads(future.result())))  # noqa: S301 - it comes from our own worker
            except Exception as error:  # noqa: BLE001 - executors have exceptions of their own for a lost worker
                self._again(task, error)
        return results

    def _again(self, task: ShardTask, error: Exception) -> None:
        if not _lost(error):
            raise error
        tries = self._retries[task.number] = self._retries.get(task.number, 0) + 1
        if tries > _MOST_RETRIES:
            raise SimulationError(
                f"A worker process died {tries} times on sessions {task.first} to {task.stop - 1} ({error}). "
                "What was logged before stays; it may be short of memory: try fewer workers."
            ) from error
        if self._own:
            self._executor = None  # a broken pool takes no more work: the next submit makes a new one
        self.submit(task)

    def cancel(self) -> None:
        """Stop what is under way, as far as it can be stopped."""
        for future in self._running:
            future.cancel()
        if self._own and self._executor is not None and self._running:
            self._executor.shutdown(wait=False, kill_workers=True)
        self._running.clear()


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
        max_workers=workers, env=_HASH_SEED, initializer=prepare_process, timeout=120, kill_workers=True
    )
    return executor
