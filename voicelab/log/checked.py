"""Files are read through once before they are used: what isn't as it was written ends a query rather than making numbers."""

from collections.abc import Collection, Mapping
from pathlib import Path

from voicelab.base.errors import LogError
from voicelab.log import late
from voicelab.log.checksums import Checksum, Checksums, DamagedError, read_checksums
from voicelab.log.parts import Part
from voicelab.log.verify import MISSING, file_damage


class Checked:
    """The files of a log that were compared with their checksums.

    Args:
        root: The log's folder.
        parts: Its parts that are read, with what their files have to be; None where nobody wrote it.
        left_out: Files of late outcomes that are not read, since they are damaged.
    """

    def __init__(self, root: Path, parts: Mapping[Part, Checksums | None], left_out: Collection[Path] = ()) -> None:
        self._root = root
        self._parts = parts
        self._left_out = left_out
        self._done: set[Path] = set()

    def table(self, table: str) -> None:
        """Make sure that all files of a table, or of `late`, are as they were written.

        Raises:
            LogError: one isn't; which, and what to do.
        """
        if table == "late":
            for path in self.late_parts():
                self._file(path, "outcomes", _of_late(late.checksums(self._root, path)))
        else:
            for part in self._parts:
                self.part(part, table)

    def late_parts(self) -> list[Path]:
        """Return the files of late outcomes that there are by now, in order."""
        return [path for path in late.parts(self._root) if path not in self._left_out]

    def part(self, part: Part, table: str) -> None:
        """Make sure that one file is as it was written, as `table`."""
        checksums = self._parts[part]
        self._file(part.file(self._root, table), table, None if checksums is None else checksums.tables.get(table))

    def _file(self, path: Path, table: str, own: Checksum | None) -> None:
        if path in self._done:
            return
        # A file without a checksum shows itself when it is decoded, as far as it can.
        problem = None if own is None else file_damage(path, table, own, through=True)
        if problem == MISSING:
            raise LogError(f"{path} {MISSING}. If the log was compacted or replaced meanwhile, open it again.")
        if problem:
            raise LogError(
                f"{path} {problem}. log.verify() names everything that is damaged and the sessions concerned; "
                f"vl.open_log({str(self._root)!r}, strict=False) leaves those out; vl.simulate() with resume=True runs the "
                "damaged shards of a simulation again."
            )
        self._done.add(path)


def _of_late(path: Path) -> Checksum | None:
    try:
        checksums = read_checksums(path)
    except DamagedError:
        raise LogError(f"{path} isn't as it was written. log.verify() names all that is damaged.") from None
    return None if checksums is None else checksums.tables.get("outcomes")
