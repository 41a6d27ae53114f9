"""Joins the files of a log: a run leaves one a table and shard, a console one a table and session.

What stands in them stays the same. Each group of rows of a joined file holds whole sessions, the same ones in every table,
so that a single session is found as fast as before.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base.errors import LogError
from voicelab.base.records import DERIVED, STORED, TABLES
from voicelab.log import disk, lock
from voicelab.log.checksums import KIND, Checksum, Checksums, checksums_json, of_file, read_checksums
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.marks import marked
from voicelab.log.measured_parts import stores_measures
from voicelab.log.parts import CHECKSUMS, Part, settled_parts, strays
from voicelab.log.verify import read_through
from voicelab.log.write import SHARD_SIZE, drop_speculative, of_runs, settle_part, stage_part, sync_settled

SESSIONS = 200_000
"""The most sessions a file: some 40 MB of events. Fewer files gain nothing, longer ones take more to be run again."""
_STAGED = "compact"
# A part, and one of its groups of rows, or None for the whole of it.
_Piece = tuple[Part, int | None]


def compact(root: Path) -> tuple[int, int]:
    """Join the files of a log.

    Wherever this is interrupted the log is whole, and the same call completes it. A log that is open meanwhile has to be
    opened again.

    Args:
        root: The log's folder.

    Returns:
        How many parts it had, and has.

    Raises:
        LogError: it is damaged, unfinished, or written by somebody else; or the disk is full.
    """
    with lock.hold(root, "voicelab log compact", lock.BRIEFLY_S):
        manifest = read_manifest(root)
        if manifest.get("status") != "finished":
            raise LogError(f"{root} is unfinished: it is compacted when its run has ended.")
        found = read_through(root, manifest)
        if found.damage:
            raise LogError(f"{root} is damaged, and stays as it is: voicelab log check {root} says how.")
        drop_speculative(root, _STAGED)
        sync_settled(root)
        _sweep(root)
        before = settled_parts(root)
        try:
            for group in _groups(root, before):
                joined = Part(group[0].first, group[-1].last)
                blocks = list(_blocks(root, group))
                tables = [*TABLES, *(DERIVED if _all_store_measures(root, group) else ())]
                stage_part(root, joined, _STAGED, {table: _read(root, table, blocks) for table in tables})
                settle_part(root, joined, _STAGED)
                _sweep(root)
        finally:
            drop_speculative(root, _STAGED)
        if manifest.get("checksums") is None:
            _add_checksums(root)
            write_manifest(root, manifest | {"checksums": KIND})
        return len(before), len(settled_parts(root))


def _all_store_measures(root: Path, group: Sequence[Part]) -> bool:
    return all(stores_measures(root, part, read_checksums(part.checksums(root))) for part in group)


def _add_checksums(root: Path) -> None:
    """Give checksums to what an earlier version wrote and was not joined."""
    for part in settled_parts(root):
        path = part.checksums(root)
        if path.exists():
            continue
        tables = {table: part.file(root, table) for table in TABLES}
        written = {table: Checksum(pq.read_metadata(file).num_rows, *of_file(file)) for table, file in tables.items()}
        sessions = pq.read_table(tables["sessions"], columns=["session_id", "run_id"])
        marks, runs = bytearray(), set[str]()
        for _ in marked(of_runs([sessions], runs), marks):
            pass
        disk.make(path.parent)
        run = runs.pop() if len(runs) == 1 else None
        whole = checksums_json(part.name, Checksums(written, bytes(marks), run))
        disk.write_whole(path, whole, f"_{path.name}.tmp")


def _sweep(root: Path) -> None:
    """Remove what joined files stand for, and what was left behind in the middle of a move."""
    for table in (*STORED, CHECKSUMS):
        paths = strays(root, table)
        try:
            for path in paths:
                disk.remove(path)
            if paths:
                disk.sync(root / table)
        except OSError as error:
            raise LogError(f"{root / table} can't be tidied up: {error.strerror}. The log is whole.") from None


def _groups(root: Path, parts: Sequence[Part]) -> Iterator[list[Part]]:
    """Yield neighbours that make a file together; a part that stays alone is left as it is."""
    group: list[Part] = []
    n_sessions = 0
    for part in parts:
        n_own = pq.read_metadata(part.file(root, "sessions")).num_rows
        if group and n_sessions + n_own > SESSIONS:
            if len(group) > 1:
                yield group
            group, n_sessions = [], 0
        group.append(part)
        n_sessions += n_own
    if len(group) > 1:
        yield group


def _blocks(root: Path, parts: Sequence[Part]) -> Iterator[list[_Piece]]:
    """Yield what makes a group of rows: about as many sessions as a shard has."""
    block: list[_Piece] = []
    n_sessions = 0
    for part in parts:
        metadata = pq.read_metadata(part.file(root, "sessions"))
        groups: list[int | None] = list(range(metadata.num_row_groups)) if part.last > part.first else [None]
        for group in groups:
            block.append((part, group))
            n_sessions += metadata.num_rows if group is None else metadata.row_group(group).num_rows
            if n_sessions >= SHARD_SIZE:
                yield block
                block, n_sessions = [], 0
    if block:
        yield block


def _read(root: Path, table: str, blocks: Sequence[Sequence[_Piece]]) -> Iterator[pa.Table]:
    for block in blocks:
        pieces = []
        for part, group in block:
            with pq.ParquetFile(part.file(root, table)) as file:
                pieces.append(file.read() if group is None else file.read_row_group(group))
        yield pa.concat_tables(pieces).unify_dictionaries().combine_chunks()
