"""A log that grows while it is looked at: more sessions of the same run, until whoever looks has seen enough.

After each step the log is a finished one of so many sessions, as `vl.simulate` would have written it. That a session
hangs on nothing but seed and index is what lets a run be continued: the first thousand are those of any longer run.
"""

import copy
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from voicelab.log import lock as locks
from voicelab.log.clear import clear, is_blank
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.parts import settled_parts
from voicelab.log.write import make_folder, remove_part
from voicelab.runs.options import SessionOptions
from voicelab.simulation.executors import Remote
from voicelab.simulation.log_folder import existing_log, is_replaced, open_folder
from voicelab.simulation.progress import Progress
from voicelab.simulation.simulating import run_into, with_rerun
from voicelab.simulation.simulation_run import AUDIO_SHARD_SIZE, SimulationRun

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory

    from voicelab.log.read import Log

SHARD_SIZE = 500
"""Sessions a shard of a log that grows: small, so that little is run beyond what is needed."""


class GrowingLog:
    """A log that more sessions are added to.

    Args:
        options: What its sessions are made of.
        folder: Where it lies, or will.
        most: The most sessions that it may come to hold.
        remote: An executor of the user's; None for child processes.
        workers: How many of these.

    Attributes:
        begun: Sessions of the log as it was found, run or to be run; 0 of none.
    """

    def __init__(self, options: SessionOptions, folder: Path, most: int, remote: Remote | None, workers: int) -> None:
        self._options = options
        self._folder = folder
        self._remote = remote
        self._longest = SimulationRun(options, most, stopping=False, shard_size=self.shard_size)
        self._workers = min(workers, self._longest.plan(folder).n_shards)
        self._packed = self._longest.packed()
        self._lock: locks.Lock | None = None
        self._n_before = 0
        self.begun = 0

    @property
    def shard_size(self) -> int:
        """Sessions a shard."""
        return SHARD_SIZE if self._options.telephone is None else AUDIO_SHARD_SIZE

    def _run(self, sessions: int) -> SimulationRun:
        # All but the number is the same, and to hash the options anew takes as long as ten sessions.
        run = copy.copy(self._longest)
        run.sessions = sessions
        return run

    def begin(self, held: ExitStack, what: str, *, resume: bool, overwrite: bool) -> None:
        """Look at what lies in the folder, and keep others from writing there.

        Args:
            held: Gives the folder back when it ends.
            what: What it is held for, as others are told.
            resume: Go on with an unfinished log.
            overwrite: Replace a log of other sessions.

        Raises:
            LogError: the folder holds something else, or an unfinished log that is not to be resumed.
        """
        make_folder(self._folder)
        self._lock = held.enter_context(locks.hold(self._folder, what, locks.ENDING_S))
        if is_blank(self._folder):
            return
        manifest = read_manifest(self._folder)
        sessions = manifest.get("sessions")
        # The run that lies there may be this one with another number of sessions.
        there = self._run(sessions if isinstance(sessions, int) and sessions > 0 else 1)
        if is_replaced(self._folder, there, resume=resume, overwrite=overwrite):
            clear(self._folder)
            return
        self.begun = there.sessions
        if manifest.get("status") != "finished" or any(manifest.get(k) != v for k, v in there.identity().items()):
            existing_log(self._folder, there, resume=resume, overwrite=overwrite)
        else:
            self._n_before = there.sessions

    def grow(self, sessions: int, progress: Callable[[int, int], Progress]) -> None:
        """Run sessions until the log holds so many.

        Args:
            sessions: How many in all.
            progress: Returns the progress line, given the number of sessions and how many of them are logged already.

        Raises:
            VoicelabError: as `vl.simulate`.
        """
        if sessions <= self._n_before:
            return
        assert self._lock is not None  # noqa: S101 - `begin` comes first
        if self._n_before % self.shard_size:
            # Its last shard is a short one, which is run again as a longer one.
            write_manifest(self._folder, read_manifest(self._folder) | {"status": "running"})
            remove_part(self._folder, settled_parts(self._folder)[-1])
        run_into(self._run(sessions), self._folder, self._lock, self._packed, self._remote, self._workers, progress)
        self._n_before = sessions

    def opened(self, temporary: "TemporaryDirectory[str] | None" = None) -> "Log":
        """Return the log, with the way to run its sessions again.

        Args:
            temporary: The folder that it lies in, if that is to go with it.
        """
        return with_rerun(open_folder(self._folder), self._run(max(self._n_before, 1)), temporary)
