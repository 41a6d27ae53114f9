"""The parts of a log: which files hold which shards.

A run settles shard by shard, each a file a table: `part-000007.parquet`. `compact` joins neighbours: the part
`part-000000-000099.parquet` holds shards 0 to 99, and stands for whatever part of those is still beside it. So a log is
whole at every moment while its parts are exchanged.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

CHECKSUMS = "checksums"
"""The folder of the checksums, one file a part."""
# Of ten million shards: a longer number isn't one that a run has come to, and a list of all before it would fill the memory.
_NAME = re.compile(r"part-(\d{6,7})(?:-(\d{6,7}))?\.parquet")


@dataclass(frozen=True, order=True)
class Part:
    """A part of a log: neighbouring shards in one file a table.

    Attributes:
        first: Number of its first shard.
        last: Number of its last shard.
    """

    first: int
    last: int

    @property
    def name(self) -> str:
        """Name of its files, without the ending."""
        return f"part-{self.first:06d}" + (f"-{self.last:06d}" if self.last > self.first else "")

    @property
    def shards(self) -> range:
        """Numbers of its shards."""
        return range(self.first, self.last + 1)

    def file(self, root: Path, table: str) -> Path:
        """Return where one of its tables stands."""
        return root / table / f"{self.name}.parquet"

    def checksums(self, root: Path) -> Path:
        """Return where its checksums stand."""
        return root / CHECKSUMS / f"{self.name}.json"


def settled_parts(root: Path) -> list[Part]:
    """Return the parts of a log in order: those whose sessions are there, which are moved last."""
    found = numbered(root / "sessions")
    # The widest of those that begin at a shard comes first, and stands for all that it holds.
    parts: list[Part] = []
    for part in sorted(found, key=lambda part: (part.first, -part.last)):
        if not parts or part.last > parts[-1].last:
            parts.append(part)
    return parts


def strays(root: Path, table: str) -> list[Path]:
    """Return the files of a table, or of the checksums, that no reader reads: others stand for them, or were never settled."""
    settled = set(settled_parts(root))
    left = [part for part in numbered(root / table) if part not in settled]
    return [part.checksums(root) if table == CHECKSUMS else part.file(root, table) for part in left]


def shards_of(parts: Iterable[Part]) -> list[int]:
    """Return the numbers of all shards in some parts."""
    return [number for part in parts for number in part.shards]


def numbered(folder: Path) -> list[Part]:
    """Return the parts of which a folder of the log has files."""
    names = [path.name.replace(".json", ".parquet") for path in folder.glob("part-*")]
    return [Part(int(m[1]), int(m[2] or m[1])) for m in map(_NAME.fullmatch, names) if m]
