"""Adds single sessions to a log as they happen: each is a shard of its own, there as soon as it has ended."""

from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicelab.base.errors import LogError
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.log import disk, lock
from voicelab.log.checksums import KIND
from voicelab.log.clear import is_blank
from voicelab.log.manifest import check_run, read_manifest, write_manifest
from voicelab.log.write import SPECULATIVE, make_folder, settle_shard, settled_shards, stage_shard

_COLUMNS = {name: at for at, name in enumerate(SESSIONS)}


class LiveLog:
    """A log that grows by one session at a time.

    Args:
        folder: Its folder; made if it isn't there.
        run_id: Id of its sessions, where it is new.
        facts: What its manifest says besides, where it is new: handler, callers, versions.

    Raises:
        LogError: the folder holds something else, such as a simulation, or can't be made.
    """

    def __init__(self, folder: Path, run_id: str, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        if is_blank(folder):
            self._begin(run_id, facts)
        manifest = read_manifest(folder)
        if not manifest.get("live"):
            raise LogError(
                f"{folder} holds another log ({manifest.get('sessions')} sessions, source "
                f"{manifest.get('source')}). Sessions that are held live need a folder of their own."
            )
        self.run_id = str(manifest["run_id"])

    def claim(self) -> int:
        """Return the index of the next session; nobody else gets it, in this process or another."""
        check_run(self.folder, self.run_id)
        taken = [int(path.name) for path in self._claims.glob("*") if path.name.isdigit()]
        index = max([*settled_shards(self.folder), *taken], default=-1) + 1
        while True:
            try:
                (self._claims / str(index)).mkdir(parents=True)
            except FileExistsError:
                index += 1
            except OSError as error:
                raise LogError(f"{self.folder} can't be written: {error.strerror}.") from None
            else:
                return index

    def add(self, index: int, rows: SessionRows) -> None:
        """Write a session.

        Args:
            index: As claimed.
            rows: The session's rows; their session_index is `index`.

        Raises:
            LogError: the disk is full, the folder can't be written, or it holds another log by now; the sessions before
                stay readable.
        """
        with self._held():
            check_run(self.folder, self.run_id)
            stage_shard(self.folder, index, "live", [rows])
            settle_shard(self.folder, index, "live")
            manifest = read_manifest(self.folder)
            statuses = Counter(manifest.get("statuses", {}))
            statuses[rows.session[_COLUMNS["status"]]] += 1
            manifest |= {
                "sessions": len(settled_shards(self.folder)),
                "statuses": dict(statuses),
                "n_errors": manifest.get("n_errors", 0) + rows.session[_COLUMNS["n_errors"]],
            }
            write_manifest(self.folder, manifest)

    def keep_audio(self, session_id: str, wav: bytes) -> None:
        """Write what a session sounded like to `audio/<session_id>.wav`, caller left, agent right."""
        path = self.folder / "audio" / f"{session_id}.wav"
        with self._held():
            check_run(self.folder, self.run_id)
            try:
                disk.make(path.parent)
                disk.write_whole(path, wav, f"_{path.name}")
            except OSError as error:
                raise LogError(f"{path} can't be written: {error.strerror}.") from None

    @property
    def _claims(self) -> Path:
        return self.folder / SPECULATIVE / "claims"

    def _held(self) -> AbstractContextManager[lock.Lock]:
        # Others may write sessions to the same log: each waits for the moment that another takes.
        return lock.hold(self.folder, "sessions of a console", lock.BRIEFLY_S)

    def _begin(self, run_id: str, facts: Mapping[str, Any]) -> None:
        make_folder(self.folder)
        with self._held():
            if not is_blank(self.folder):
                return  # another console was first
            manifest = {
                "status": "finished",
                "live": True,
                "run_id": run_id,
                "source": "live",
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "sessions": 0,
                "shard_size": 1,
                "checksums": KIND,
                **facts,
            }
            write_manifest(self.folder, manifest)
