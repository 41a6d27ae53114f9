"""Simulates in waves: shards run speculatively, the driver decides every test in the order of sessions, and only what
is settled enters the log.

A test's stop rule is honoured exactly as if it were decided after every session in index order, for any number of
workers. Shards run ahead with the stops known so far. When the scan finds that a test stops at some session, that shard
is run again with the stop known, and the shards beyond it are thrown away. The sessions up to the stop come out the same.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicelab.base.errors import LogError, SimulationError
from voicelab.log.parts import Part
from voicelab.log.write import settle_shard
from voicelab.runs.options import Rows
from voicelab.simulation.pool import Pool
from voicelab.simulation.progress import Progress
from voicelab.simulation.stops import Watch
from voicelab.simulation.worker import ShardReport, ShardTask, only


@dataclass(frozen=True)
class Plan:
    """Which sessions there are, and how they are cut into shards.

    Attributes:
        root: The log's folder.
        sessions: Sessions in all.
        shard_size: Sessions a shard.
        parameters: One dict a session, where they come from a table.
        staging: Where the run's shards are staged, of `log.write.staging`.
        checked: Indexes of the sessions that are run again after the run, in order.
    """

    root: Path
    sessions: int
    shard_size: int
    parameters: Rows | None = None
    staging: str = ""
    checked: Sequence[int] = ()

    @property
    def n_shards(self) -> int:
        """Number of shards."""
        return -(-self.sessions // self.shard_size)

    def task(self, number: int, stops: dict[str, int]) -> ShardTask:
        """Return the work of a shard, given the stops that are known."""
        first = number * self.shard_size
        stop = min(first + self.shard_size, self.sessions)
        tag = "-".join(str(at) for at in sorted(stops.values())) or "all"
        own = None if self.parameters is None else self.parameters[first:stop]
        # A worker may stand in another folder than this process, and a handler may go to yet another.
        digested = tuple(self.checked[bisect_left(self.checked, first) : bisect_left(self.checked, stop)])
        return ShardTask(
            self.root.absolute(), number, tag, first, stop, dict(stops), own, self.staging, digested=digested
        )

    def one(self, index: int, stops: dict[str, int]) -> ShardTask:
        """Return the work of one session, as it is run alone."""
        return only(self.task(index // self.shard_size, stops), index)


class Driver:
    """Runs the shards of a plan that are not settled yet, be they the last ones or damaged ones in between.

    Args:
        plan: The sessions.
        pool: Where shards run.
        watch: Decides the tests.
        progress: The progress line.
        ahead: Returns how many shards may be under way or wait for the scan, which may change as workers come and go.
        check: Raises if the log's folder is no longer this run's; called before each shard is settled.
        on_settled: Called with the report of each settled shard.
    """

    def __init__(
        self,
        plan: Plan,
        pool: Pool,
        watch: Watch,
        progress: Progress,
        ahead: Callable[[], int],
        check: Callable[[], None],
        on_settled: Callable[[ShardReport], None],
    ) -> None:
        self._plan = plan
        self._pool = pool
        self._watch = watch
        self._progress = progress
        self._ahead = ahead
        self._check = check
        self._on_settled = on_settled
        self._waiting: dict[int, tuple[ShardTask, ShardReport]] = {}

    def run(self, kept: Sequence[Part], facts: Callable[[Part], ShardReport]) -> None:
        """Run and settle all shards that aren't settled already.

        Args:
            kept: The parts of the log that are settled.
            facts: Returns the report of such a part; it is asked for in its turn, since tests are decided in order.
        """
        try:
            self._run({part.first: part for part in kept}, facts)
        except BaseException as error:
            self._pool.cancel()
            if isinstance(error, SimulationError | LogError):
                self._check()  # what a worker says of a folder that isn't there any more is no more than a sign of that
            raise

    def _run(self, kept: Mapping[int, Part], facts: Callable[[Part], ShardReport]) -> None:
        scan = upcoming = 0
        while scan < self._plan.n_shards:
            ahead = self._ahead()
            while upcoming < self._plan.n_shards and upcoming - scan < ahead:
                if upcoming in kept:
                    upcoming = kept[upcoming].last
                else:
                    self._submit(upcoming)
                upcoming += 1
            if scan in kept:
                report = facts(kept[scan])
                self._watch.replay(report)
                self._on_settled(report)
                self._progress.read_back(report.findings.n_errors)
                scan = kept[scan].last + 1
                continue
            for task, report in self._pool.finished():
                self._waiting[task.number] = (task, report)
            while scan in self._waiting and self._scan(scan):
                scan += 1

    def _submit(self, number: int) -> None:
        self._pool.submit(self._plan.task(number, self._watch.stops))

    def _scan(self, number: int) -> bool:
        """Decide the tests over a shard and settle it; return False if it has to run again."""
        task, report = self._waiting.pop(number)
        if task.stops != self._watch.stops:
            self._submit(number)  # it ran before a stop was found
            return False
        if self._watch.scan(report):
            self._submit(number)
            return False
        self._check()
        settle_shard(self._plan.root, number, report.staged)
        self._on_settled(report)
        self._progress.settled(task.stop - task.first, report.findings.n_errors, self._watch.standings())
        return True
