"""Writes shards: staged under `_spec/`, and moved into place when every session in them is settled.

Whatever is unfinished has a name that starts with `_`, which every reader of Parquet folders skips. A shard counts as
settled when its file in `sessions/` is there: that one is moved last, after the checksums of all its files.
"""

import contextlib
import itertools
import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.base.errors import LogError
from voicelab.base.records import STORED, EventRow, Label, Row, SessionRows, column
from voicelab.log import disk
from voicelab.log.checksums import Checksum, Checksums, checksums_json
from voicelab.log.disk import sync as _sync
from voicelab.log.marks import marked
from voicelab.log.parts import CHECKSUMS, Part, settled_parts, shards_of
from voicelab.log.schema import STORED_SCHEMAS, columns
from voicelab.measures import measures_of

SHARD_SIZE = 2_000
"""Sessions a shard: part of what makes two logs byte-identical, and so not an option."""
SPECULATIVE = "_spec"
_SESSION_ID = column("sessions", "session_id")
_CHECKSUMS = "checksums.json"
_GONE = ".gone"


def make_folder(folder: Path) -> None:
    """Make a log's folder, if it isn't there.

    Raises:
        LogError: it can't be made.
    """
    try:
        disk.make_folders(folder)
        _sync(folder.parent)  # a run that was killed may have made it and not come to that
    except OSError as error:
        raise LogError(f"The folder {folder} can't be made: {error.strerror}.") from None


def stage_shard(root: Path, number: int, tag: str, sessions: Sequence[SessionRows]) -> None:
    """Write the tables of a shard where readers don't look.

    Args:
        root: The log's folder.
        number: Number of the shard.
        tag: Tells shards of one number apart that ran with different stops; begins with `name/` where it belongs into
            the folder that `staging` has made.
        sessions: The sessions, in order.

    Raises:
        LogError: the disk is full, or the folder can't be written.
    """
    stage_part(root, Part(number, number), tag, {table: [_arrow(table, sessions)] for table in STORED})


def stage_part(root: Path, part: Part, tag: str, tables: Mapping[str, Iterable[pa.Table]]) -> None:
    """Write the tables of a part where readers don't look, and their checksums.

    Args:
        root: The log's folder.
        part: The part.
        tag: As in `stage_shard`.
        tables: Each table as the groups of rows that its file is to have.

    Raises:
        LogError: as `stage_shard`.
    """
    folder = _staged(root, part, tag)
    unfinished = folder.with_name(folder.name + ".tmp")
    try:
        disk.remove_tree(unfinished)
        # Never the log's folder itself: one that was removed meanwhile would come back with nothing but this in it.
        # Nor that of a run, which is gone when the run has ended.
        if folder.parent.name == SPECULATIVE:
            disk.make(folder.parent)
        disk.make(unfinished)
        marks = bytearray()
        runs: set[str] = set()
        written = {}
        for table, groups in tables.items():
            noted = marked(of_runs(groups, runs), marks) if table == "sessions" else groups
            written[table] = write_table(noted, unfinished / f"{table}.parquet", table)
        with disk.NewFile(unfinished / _CHECKSUMS) as file:
            run = runs.pop() if len(runs) == 1 else None
            file.write(checksums_json(part.name, Checksums(written, bytes(marks), run)))
        disk.remove_tree(folder)
        disk.rename(unfinished, folder)
        _sync(folder.parent)
    except (OSError, pa.ArrowException) as error:
        disk.remove_tree(unfinished)
        raise cannot_write(folder, error) from None


def settle_shard(root: Path, number: int, tag: str) -> None:
    """Move a staged shard into place; after an interruption in the middle, the same call completes it.

    Args:
        root: The log's folder.
        number: Number of the shard.
        tag: As staged.

    Raises:
        LogError: it can't be moved.
    """
    settle_part(root, Part(number, number), tag)


def settle_part(root: Path, part: Part, tag: str) -> None:
    """Move a staged part into place, as `settle_shard`."""
    staged = _staged(root, part, tag)
    if not (staged.is_dir() or part.file(root, "sessions").exists()):
        raise LogError(f"{staged} isn't there: whoever ran these sessions wrote them elsewhere, or they were removed.")
    # sessions last: its presence is the mark that a part is settled. All else has to be on the disk by then.
    moves = [(staged / f"{table}.parquet", part.file(root, table)) for table in STORED if table != "sessions"]
    moves += [(staged / _CHECKSUMS, part.checksums(root)), (staged / "sessions.parquet", part.file(root, "sessions"))]
    try:
        for source, target in moves:
            disk.make(target.parent)
            if source.exists():
                disk.rename(source, target)
                _sync(target.parent)
        disk.remove_folder(staged)
    except OSError as error:
        raise cannot_write(staged, error) from None


def sync_settled(root: Path) -> None:
    """Make the parts that are there outlast a loss of power.

    Whoever settled them may have been killed before he came to that, and nobody else would: to be called before they are
    built upon.

    Raises:
        LogError: the disk doesn't do it.
    """
    try:
        for name in (*STORED, CHECKSUMS):
            if (root / name).is_dir():
                _sync(root / name)
    except OSError as error:
        raise cannot_write(root, error) from None


def remove_part(root: Path, part: Part) -> None:
    """Take a part out of the log: it doesn't count as settled from the first moment on.

    Raises:
        LogError: it can't be removed.
    """
    try:
        for path in (part.file(root, "sessions"), *(part.file(root, t) for t in STORED), part.checksums(root)):
            if path.parent.is_dir():
                disk.remove(path)
                _sync(path.parent)
    except OSError as error:
        raise LogError(f"{error.filename} can't be removed: {error.strerror}.") from None


def drop_speculative(root: Path, tag: str | None = None) -> None:
    """Throw away what is staged and was never settled.

    Args:
        root: The log's folder.
        tag: Only what was staged with it; None for all, the claims of consoles too.
    """
    folder = root / SPECULATIVE
    for run in folder.glob("run-*") if tag is None else ():
        _end_staging(run)
    for path in [folder] if tag is None else folder.glob(f"*-{tag}*"):
        disk.remove_tree(path)
    with contextlib.suppress(OSError):
        disk.remove_folder(folder)  # if nothing else is staged


@contextlib.contextmanager
def staging(root: Path) -> Iterator[str]:
    """Have a folder for what a run stages, and yield its name.

    It ends at one stroke, with all that is in it. A worker that comes late, having been cut off or stopped meanwhile, finds
    no place any more, and leaves nothing behind.

    Args:
        root: The log's folder.

    Raises:
        LogError: it can't be made.
    """
    name = f"run-{secrets.token_hex(8)}"
    folder = root / SPECULATIVE / name
    try:
        disk.make(folder.parent)
        disk.make(folder)
    except OSError as error:
        raise cannot_write(folder, error) from None
    try:
        yield name
    finally:
        _end_staging(folder)
        with contextlib.suppress(OSError):
            disk.remove_folder(folder.parent)


def is_staging(root: Path, name: str) -> bool:
    """Return whether the folder is there that `staging` has made."""
    return (root / SPECULATIVE / name).is_dir()


def _end_staging(folder: Path) -> None:
    gone = folder if folder.suffix == _GONE else folder.with_name(folder.name + _GONE)
    with contextlib.suppress(OSError):
        if gone != folder:
            disk.rename(folder, gone)
    disk.remove_tree(gone)


def settled_shards(root: Path) -> list[int]:
    """Return the numbers of the settled shards, in order."""
    return shards_of(settled_parts(root))


def cannot_write(path: Path, error: Exception) -> LogError:
    """Return the error for something that can't be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return LogError(f"{path} can't be written: {reason}. What is logged already is untouched.")


def write_table(groups: Iterable[pa.Table], path: Path, table: str) -> Checksum:
    """Write a table's file of groups of rows, and return what it has to be from now on."""
    categories = [name for name, kind in columns(table).items() if kind == "category"]
    # Statistics would help a reader to skip shards; they cost as much as the compression, and shards are small.
    how = {"compression": "zstd", "compression_level": 1, "use_dictionary": categories, "write_statistics": False}
    with disk.NewFile(path) as file:
        n_rows = 0
        with pq.ParquetWriter(file, STORED_SCHEMAS[table], **how) as writer:
            for group in groups:
                writer.write_table(group, row_group_size=max(group.num_rows, 1))
                n_rows += group.num_rows
    return Checksum(n_rows, file.n_bytes, file.sha256)


def of_runs(groups: Iterable[pa.Table], runs: set[str]) -> Iterator[pa.Table]:
    """Yield groups of rows of the table `sessions` as they come, and put the ids of their runs into `runs`."""
    for group in groups:
        runs.update(pc.unique(group.column("run_id")).to_pylist())
        yield group


def _staged(root: Path, part: Part, tag: str) -> Path:
    run, _, own = tag.rpartition("/")
    return root / SPECULATIVE / run / f"{part.name.removeprefix('part-')}-{own}"


# --- rows to arrays --------------------------------------------------------------------------------------------------


def _arrow(table: str, sessions: Sequence[SessionRows]) -> pa.Table:
    schema = STORED_SCHEMAS[table]
    if table == "sessions":
        return _from_rows([rows.session for rows in sessions], schema)
    if table == "measures":
        for rows in sessions:
            rows.measures = rows.measures or measures_of(rows)  # kept for who decides by them
        per_session: list[list[Any]] = [[rows.measures] for rows in sessions]
    else:
        per_session = [getattr(rows, table) for rows in sessions]
    counts = np.fromiter(map(len, per_session), np.int64, len(per_session))
    ids = pa.array([rows.session[_SESSION_ID] for rows in sessions], pa.string())
    session_id = _repeated(ids, np.repeat(np.arange(len(sessions), dtype=np.int32), counts))
    flat = list(itertools.chain.from_iterable(per_session))
    own = _from_events(flat, counts, schema) if table == "events" else _from_rows(flat, schema, "session_id").columns
    return pa.table([session_id, *own], schema=schema)


def _from_rows(rows: list[Row], schema: pa.Schema, leave_out: str | None = None) -> pa.Table:
    fields = [field for field in schema if field.name != leave_out]
    values = list(zip(*rows, strict=True)) if rows else [()] * len(fields)
    arrays = [pa.array(column, field.type) for column, field in zip(values, fields, strict=True)]
    return pa.table(arrays, schema=pa.schema(fields))


def _from_events(events: list[EventRow], counts: npt.NDArray[np.int64], schema: pa.Schema) -> list[pa.Array]:
    """Return the columns of events: nearly all that a log holds, and so not by way of rows.

    Args:
        events: Those of all sessions, one session after another.
        counts: Events of each session.
        schema: Of the table.
    """
    n = len(events)
    first = np.cumsum(counts) - counts
    times, turns, labels, data = zip(*events, strict=True) if events else ((), (), (), ())
    numbers: dict[Label, int] = defaultdict(itertools.count().__next__)  # the next number for one that is new
    codes = np.fromiter(map(numbers.__getitem__, labels), np.int32, n)
    arrays = {
        "seq": pa.array(np.arange(n, dtype=np.int32) - np.repeat(first, counts).astype(np.int32)),
        "time_s": pa.array(times, pa.float64()),
        "turn": pa.array(turns, pa.int32()),
        "data": pa.array(data, pa.string()),
    }
    for at, name in enumerate(_LABEL):
        values = pa.array(
            [label[at] for label in numbers], schema.field(name).type if name == "background" else pa.string()
        )
        arrays[name] = values.take(pa.array(codes)) if name == "background" else _repeated(values, codes)
    return [arrays[field.name] for field in schema if field.name != "session_id"]


_LABEL = ("kind", "name", "background", "task_name")


def _repeated(values: pa.Array, codes: npt.NDArray[np.int32]) -> pa.Array:
    """Return the values at some positions, as categories."""
    encoded = values.dictionary_encode()
    return pa.DictionaryArray.from_arrays(encoded.indices.take(pa.array(codes)), encoded.dictionary)
