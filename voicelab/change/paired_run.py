"""Runs both versions over the same sessions, block by block, and looks after each block at every pair in it.

Old first, then new: both runs have the seed in common, and what a session draws hangs on seed, index and stream alone. So
session 17 has the same caller with the same whims in both, the same world, and the same draw of each A/B test.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from voicelab.base.progress_line import progress_line
from voicelab.runs.options import SessionOptions
from voicelab.simulation.executors import Remote
from voicelab.simulation.growing import GrowingLog
from voicelab.simulation.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Callable
    from tempfile import TemporaryDirectory

    from voicelab.log import Log

SIDES = ("old", "new")
_GROWTH = 2
"""Sessions of a block's end over those of its beginning: as many again at most are run beyond what was needed."""


@dataclass(frozen=True)
class HowToRun:
    """How the sessions are run.

    Attributes:
        folder: Where the logs lie, each in a folder of its own.
        most: Pairs at most.
        remote: An executor of the user's; None for child processes.
        workers: How many of these.
        progress: Show the progress line.
        resume: Go on with unfinished logs.
        overwrite: Replace logs of other sessions.
    """

    folder: Path
    most: int
    remote: Remote | None
    workers: int
    progress: bool
    resume: bool
    overwrite: bool


def run_pairs(
    options: dict[str, SessionOptions],
    how: HowToRun,
    temporary: "TemporaryDirectory[str] | None",
    look: "Callable[[Log, Log], str | None]",
) -> "tuple[Log, Log]":
    """Run pairs until a look at them says that they are enough, or all are run; return both logs.

    Args:
        options: What the sessions of each version are made of, by side.
        how: How they are run.
        temporary: The folder that the logs lie in, if it is to go with them.
        look: Returns what to say of both logs as they are; None if no more is needed.

    Raises:
        VoicelabError: as `vl.simulate`.
    """
    with contextlib.ExitStack() as held:
        growing = {
            side: GrowingLog(options[side], how.folder / side, how.most, how.remote, how.workers) for side in SIDES
        }
        for side, log in growing.items():
            log.begin(held, f"vl.compare, the {side} version", resume=how.resume, overwrite=how.overwrite)
        # An unfinished log is first finished as it was begun.
        n = max(log.begun for log in growing.values())
        line = held.enter_context(PairLine(how.most, n, shown=how.progress))
        step = growing["old"].shard_size
        while True:
            for log in growing.values():
                log.grow(n, line.of_version)
            if n:
                said = look(*(log.opened() for log in growing.values()))
                if said is None or n >= how.most:
                    break
                line.says(said)
            n = min(how.most, max(n + step, -(-int(n * _GROWTH) // step) * step))
        old, new = (log.opened(temporary) for log in growing.values())
        return old, new


class PairLine:
    """One progress line for both versions: a session of either is half a pair.

    Args:
        total: Pairs at most.
        done: Pairs that were logged before.
        shown: Whether to show it.
    """

    def __init__(self, total: int, done: int, *, shown: bool) -> None:
        self._bar: Any = progress_line(total, done, "pairs") if shown else None
        self._halves = 0

    def says(self, said: str) -> None:
        """Take how the comparison stands."""
        if self._bar is not None:
            self._bar.set_postfix_str(said, refresh=False)

    def count(self, sessions: int) -> None:
        """Count sessions of either version."""
        self._halves += sessions
        if self._bar is not None and self._halves > 1:
            self._bar.update(self._halves // 2)
            self._halves %= 2

    def of_version(self, total: int, done: int) -> "OneVersion":
        """Return what a version's run reports to."""
        return OneVersion(self, total, done)

    def __enter__(self) -> "PairLine":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.close()


class OneVersion(Progress):
    """The progress of one version's run, which is counted on the line of both.

    Args:
        line: That line.
        total: Sessions of the version so far.
        done: Those that were logged before.
    """

    def __init__(self, line: PairLine, total: int, done: int) -> None:
        super().__init__(total, done, shown=False)
        self._line = line

    def settled(self, sessions: int, errors: int, standings: Any) -> None:
        """Count sessions that are logged for good."""
        super().settled(sessions, errors, standings)
        self._line.count(sessions)
