"""An executor of the user's, as a run sees it: how much it takes at a time, whether it is still there, what its errors mean.

Anything with `submit` will do that returns futures of `concurrent.futures`. Dask is known by name: its client is taken as it
is, it tells how many workers there are, and a scheduler that is lost for good is noticed also where no future says so.
"""

import contextlib
import os
import sys
import time
import warnings
import weakref
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Future, InvalidStateError
from typing import Any, Protocol

from voicelab.base.errors import InputError, SimulationError
from voicelab.base.masking import shown

_COUNT_S = 5.0
"""How long the number of a cluster's workers is kept before it is asked for again."""
_ANSWER_S = 10.0
"""How long a scheduler may take to tell it."""
_NOBODY_S = 60.0
"""After how long without any worker that is said."""
_IDLE_S = 60.0
"""How long a cluster with workers may have nothing to do while work is waited for, before it is taken for lost there."""
HASH_SEED = "6640"
"""PYTHONHASHSEED of processes that run shards: the order of sets would else differ between them. Dask gives its workers this
one, whatever it is told."""
_OVER = "cannot schedule new futures after"  # what executors of concurrent.futures say that were shut down


class Executor(Protocol):
    """Anything that runs a function of bytes elsewhere, e.g. `dask.distributed.Client(...)`."""

    def submit(self, fn: Callable[[bytes], bytes], argument: bytes, /) -> Future[bytes]:
        """Run the function elsewhere."""


class LostExecutorError(SimulationError):
    """An executor takes no more work and gives nothing back: the run can go on with another one only."""


class Remote:
    """An executor of the user's.

    Args:
        executor: Has `submit`.
        workers: Shards that it runs at a time; None if it tells itself.
    """

    def __init__(self, executor: Executor, workers: int | None) -> None:
        self._executor = executor
        self._workers = workers
        self._is_warned = False

    def heed(self, hash_seed: str | None) -> None:
        """Warn once of a worker whose order of sets may be another than that of the next.

        Args:
            hash_seed: Its PYTHONHASHSEED.
        """
        if hash_seed != HASH_SEED and not self._is_warned:
            self._is_warned = True
            warnings.warn(
                f"The executor's processes were started without PYTHONHASHSEED={HASH_SEED}: where a handler goes through a "
                "set of texts, its order differs between processes, and so may the log. Start them with it, as "
                "docs/cluster.md says.",
                stacklevel=2,
            )

    def submit(self, fn: Callable[[bytes], bytes], argument: bytes) -> Future[bytes]:
        """Run a function of bytes elsewhere.

        Raises:
            LostExecutorError: it takes no more work.
            InputError: what it returns is no future.
            Exception: whatever else it raises.
        """
        try:
            future = self._submit(fn, argument)
        except RuntimeError as error:
            if isinstance(error, BrokenExecutor) or _OVER not in str(error):
                raise
            raise LostExecutorError(f"The executor takes no more work ({error}).") from error
        if not isinstance(future, Future):
            raise InputError(
                f"executor.submit returned {_kind(future)}, must return a concurrent.futures.Future, as the executors of "
                "concurrent.futures, loky and mpi4py.futures and Dask's client.get_executor() do."
            )
        return future

    def _submit(self, fn: Callable[[bytes], bytes], argument: bytes) -> Future[bytes]:
        return self._executor.submit(fn, argument)

    def at_a_time(self) -> int:
        """Return how many shards it runs at a time, as far as that is known."""
        if self._workers is not None:
            return self._workers
        found = getattr(self._executor, "_max_workers", None)  # loky and all of concurrent.futures have it
        return found if isinstance(found, int) and found > 0 else default_workers()

    def check(self) -> None:
        """Make sure that what is under way can still come back; called every few seconds in which nothing does.

        Raises:
            LostExecutorError: it can't.
        """


class _Dask(Remote):
    """A cluster of Dask.

    Args:
        executor: Of `client.get_executor()`.
        client: The client.
        workers: As of `Remote`.
    """

    def __init__(self, executor: Any, client: Any, workers: int | None) -> None:
        super().__init__(executor, workers)
        self._cluster: Any = executor
        self._client = client
        self._counted = 0
        self._counted_at = float("-inf")
        self._seen_at = self._busy_at = time.monotonic()
        self._told = False
        self._given: weakref.WeakSet[Future[bytes]] = weakref.WeakSet()

    def _submit(self, fn: Callable[[bytes], bytes], argument: bytes) -> Future[bytes]:
        self.check()
        try:
            # Not pure: Dask would answer a shard that is run again with what became of it the first time.
            future: Future[bytes] = self._cluster.submit(fn, argument, pure=False)
        except Exception:
            self.check()
            raise
        self._given.add(future)
        return future

    def at_a_time(self) -> int:
        """Return how many worker processes there are: shards of one process take turns, however many threads it has."""
        return self._workers if self._workers is not None else max(self._n_workers(), 1)

    def _n_workers(self) -> int:
        now = time.monotonic()
        if now - self._counted_at >= _COUNT_S:
            self._counted_at = now
            # A scheduler that is busy or being looked for tells nothing: the last number will do.
            with contextlib.suppress(Exception):
                self._counted = len(self._client.nthreads(callback_timeout=_ANSWER_S))
        return self._counted

    def check(self) -> None:
        """Make sure that neither the scheduler nor the work is lost, and say it where there is no worker for long."""
        if self._client.status in {"closing", "closed"}:
            raise LostExecutorError(
                "The connection to Dask's scheduler is lost: it was closed, or didn't come back within Dask's "
                "distributed.comm.timeouts.connect."
            )
        now = time.monotonic()
        if self._client.status != "running" or self._n_workers():
            self._seen_at, self._told = now, False
        elif now - self._seen_at >= _NOBODY_S and not self._told:
            self._told = True
            sys.stderr.write("\nDask's cluster has no workers: the run goes on as soon as one joins.\n")
        self._call_off_what_is_lost(now)

    def _call_off_what_is_lost(self, now: float) -> None:
        """Call off what is waited for though no worker of the cluster has had anything to do for long: it runs again.

        Nothing else tells: an error on the way from Dask's future to ours, say, is logged by Dask and ends with that.
        """
        waited_for = [future for future in self._given if not future.done()]
        if not waited_for or self._client.status != "running" or not self._counted or self._is_busy():
            self._busy_at = now
        elif now - self._busy_at >= _IDLE_S:
            self._busy_at = now
            for future in waited_for:
                with contextlib.suppress(InvalidStateError):  # it has come back in this moment
                    future.set_exception(CancelledError("the cluster knows nothing of it"))

    def _is_busy(self) -> bool:
        try:
            keys = self._client.sync(self._client.scheduler.processing, workers=None, callback_timeout=_ANSWER_S)
        except Exception:  # noqa: BLE001 - as for the number of workers: who doesn't tell may be busy
            return True
        return any(keys.values())


def default_workers() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def accepted(executor: Any, workers: int | None) -> Remote:
    """Return what a user gives as `executor`.

    Args:
        executor: As given.
        workers: Shards that it runs at a time; None if it tells itself.

    Raises:
        InputError: it is none, or isn't open.
    """
    distributed: Any = sys.modules.get("distributed")  # who has a client has it loaded
    if distributed is not None:
        if isinstance(executor, distributed.cfexecutor.ClientExecutor):
            return _Dask(executor, _open(executor._client), workers)
        if isinstance(executor, distributed.Client):
            return _Dask(_open(executor).get_executor(), executor, workers)
        if isinstance(executor, distributed.deploy.Cluster):
            raise InputError(
                f"executor is {_kind(executor)}: give a client of it, executor=dask.distributed.Client(cluster)."
            )
    if isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        raise InputError(
            f"executor is {shown(executor)}, must have a method submit(function, bytes) that returns a "
            f"concurrent.futures.Future, or be None.{_hint(executor)}"
        )
    return Remote(executor, workers)


def _open(client: Any) -> Any:
    if client.asynchronous:
        raise InputError("executor is an asynchronous client of Dask: give one without asynchronous=True.")
    if client.status in {"closing", "closed"}:
        raise InputError("executor is a client of Dask that is closed: connect another one.")
    return client


def _hint(executor: Any) -> str:
    if isinstance(executor, type):
        return f" It is a class: give an object of it, e.g. {executor.__name__}()."
    if isinstance(executor, str):
        return f" For a cluster of Dask: executor=dask.distributed.Client({executor!r})."
    if isinstance(executor, int):
        return " How many processes there are says workers=."
    return ""


def _kind(value: Any) -> str:
    name = type(value).__qualname__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def is_lost(error: Exception) -> bool:
    """Return whether an exception means that the worker went away, rather than that the work failed."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"BrokenExecutor", "TerminatedWorkerError", "ShutdownExecutorError", "KilledWorker"}) or (
        is_called_off(error)
    )


def is_called_off(error: Exception) -> bool:
    """Return whether an exception means that the work was called off, as by `client.restart()`: no worker died of it."""
    return isinstance(error, CancelledError)
