"""An executor in this process that runs shards in whatever order, loses workers, repeats results and refuses work."""

import random
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from chaos.schedule import require

_MOST_EMPTY = 100


class KilledWorker(Exception):
    """What Dask raises for a shard that lost its workers, by name."""


class WorkerDied(BaseException):
    """A worker dies in the middle of its work: nothing in it is cleared up."""


@dataclass(eq=False)
class Taken:
    """A shard that was submitted."""

    future: Future
    function: Callable[[bytes], bytes]
    packed: bytes


class Workers:
    """Runs what is submitted when it is waited for.

    Args:
        chance: Decides the order, who dies and what is repeated.
        rates: How often `dies`, `refuses` and `repeats`.
        own: Whether these stand for child processes of the lab's own, of which one that dies takes all with it.
        work: Runs a function as a worker; what it raises of `WorkerDied` means that the worker is gone.
        point: Called where something may happen in the driver.
    """

    def __init__(self, chance: random.Random, rates: dict[str, float], own: bool, work, point) -> None:
        self._chance = chance
        self._rates = rates
        self._own = own
        self._work = work
        self._point = point
        self._broken = False
        self.taken: list[Taken] = []
        self.n_lost = 0
        self._n_empty = 0

    def submit(self, function: Callable[[bytes], bytes], packed: bytes) -> Future:
        """Take a shard."""
        self._point("submit")
        if self._broken or self._happens("refuses"):
            self.n_lost += 1
            raise BrokenProcessPool("a worker died")
        self.taken.append(Taken(Future(), function, packed))
        return self.taken[-1].future

    def new(self) -> "Workers":
        """Return these as a new pool, after one that broke."""
        self._broken = False
        return self

    def shutdown(self, **_: Any) -> None:
        """Let go of what was taken."""
        self.taken.clear()

    def wait(self, futures: Any, **_: Any) -> tuple[set[Future], set[Future]]:
        """Run one shard or more of these."""
        if not futures:
            self._n_empty += 1
            require(self._n_empty < _MOST_EMPTY, "a run waits for nothing, for ever")
            return set(), set()
        while not any(future.done() for future in futures):
            self._point("wait")
            self._one()
        done = {future for future in futures if future.done()}
        return done, set(futures) - done

    def _one(self) -> None:
        one = self._chance.choice(self.taken)
        dies = self._happens("dies")
        if dies and self._chance.random() < 0.5:
            self._lose(one)
            return
        try:
            result = self._work(one)
            if self._happens("repeats"):
                result = self._work(one)
        except WorkerDied:
            self._lose(one)
        except Exception as error:  # what the shard itself raises goes to the driver
            self.taken.remove(one)
            one.future.set_exception(error)
        else:
            if dies:
                self._lose(one)
                return
            self.taken.remove(one)
            one.future.set_result(result)

    def _lose(self, one: Taken) -> None:
        self.n_lost += 1
        lost = self.taken if self._own else [one]
        self.taken = [] if self._own else [other for other in self.taken if other is not one]
        self._broken = self._own
        for other in lost:
            other.future.set_exception(BrokenProcessPool("gone") if self._own else KilledWorker("gone"))

    def _happens(self, what: str) -> bool:
        return self._chance.random() < self._rates.get(what, 0.0)


class Here:
    """An executor that runs each shard at once, in this process."""

    def submit(self, function: Callable[[bytes], bytes], packed: bytes) -> Future:
        """Run a shard."""
        done: Future = Future()
        done.set_result(function(packed))
        return done
