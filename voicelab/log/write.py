"""Writes shards: staged under `_spec/`, and moved into place when every session in them is settled.

Whatever is unfinished has a name that starts with `_`, which every reader of Parquet folders skips. A shard counts as
settled when its file in `sessions/` is there: that one is moved last.
"""

import contextlib
import itertools
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base.errors import LogError
from voicelab.base.records import TABLES, EventRow, Label, Row, SessionRows, column
from voicelab.log.schema import SCHEMAS, columns

SHARD_SIZE = 2_000
"""Sessions a shard: part of what makes two logs byte-identical, and so not an option."""
SPECULATIVE = "_spec"
_SESSION_ID = column("sessions", "session_id")
# sessions last: its presence is the mark that a shard is settled.
_IN_ORDER = [*(table for table in TABLES if table != "sessions"), "sessions"]


def make_folder(folder: Path) -> None:
    """Make a log's folder, if it isn't there.

    Raises:
        LogError: it can't be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LogError(f"The folder {folder} can't be made: {error.strerror}.") from None


def stage_shard(root: Path, number: int, tag: str, sessions: Sequence[SessionRows]) -> None:
    """Write the tables of a shard where readers don't look.

    Args:
        root: The log's folder.
        number: Number of the shard.
        tag: Tells shards of one number apart that ran with different stops.
        sessions: The sessions, in order.

    Raises:
        LogError: the disk is full, or the folder can't be written.
    """
    folder = root / SPECULATIVE / _staged(number, tag)
    unfinished = folder.with_name(folder.name + ".tmp")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        # Never the log's folder itself: one that was removed meanwhile would come back with nothing but this in it.
        folder.parent.mkdir(exist_ok=True)
        unfinished.mkdir()
        for table in TABLES:
            _write(_arrow(table, sessions), unfinished / f"{table}.parquet")
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
        _sync(folder.parent)
    except (OSError, pa.ArrowException) as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise _cannot_write(folder, error) from None


def settle_shard(root: Path, number: int, tag: str) -> None:
    """Move a staged shard into place; after an interruption in the middle, the same call completes it.

    Args:
        root: The log's folder.
        number: Number of the shard.
        tag: As staged.

    Raises:
        LogError: it can't be moved.
    """
    staged = root / SPECULATIVE / _staged(number, tag)
    try:
        for table in _IN_ORDER:
            target = shard_path(root, table, number)
            target.parent.mkdir(exist_ok=True)
            source = staged / f"{table}.parquet"
            if source.exists():
                source.replace(target)
                _sync(target.parent)
        staged.rmdir()
    except OSError as error:
        raise _cannot_write(staged, error) from None


def drop_speculative(root: Path, tag: str | None = None) -> None:
    """Throw away what is staged and was never settled.

    Args:
        root: The log's folder.
        tag: Only what was staged with it; None for all, the claims of consoles too.
    """
    folder = root / SPECULATIVE
    for path in [folder] if tag is None else folder.glob(f"*-{tag}*"):
        shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):
        folder.rmdir()  # if nothing else is staged


def settled_shards(root: Path) -> list[int]:
    """Return the numbers of the settled shards, in order."""
    return sorted(int(path.stem.removeprefix("part-")) for path in (root / "sessions").glob("part-*.parquet"))


def shard_path(root: Path, table: str, number: int) -> Path:
    """Return where a table of a settled shard stands."""
    return root / table / f"part-{number:06d}.parquet"


def _staged(number: int, tag: str) -> str:
    return f"{number:06d}-{tag}"


def _cannot_write(path: Path, error: Exception) -> LogError:
    reason = getattr(error, "strerror", None) or str(error)
    return LogError(f"{path} can't be written: {reason}. What is logged already is untouched.")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(table: pa.Table, path: Path) -> None:
    categories = [name for name, kind in columns(path.stem).items() if kind == "category"]
    with path.open("wb") as file:
        # Statistics would help a reader to skip shards; they cost as much as the compression, and shards are small.
        pq.write_table(
            table, file, compression="zstd", compression_level=1, use_dictionary=categories, write_statistics=False
        )
        file.flush()
        os.fsync(file.fileno())


# --- rows to arrays --------------------------------------------------------------------------------------------------


def _arrow(table: str, sessions: Sequence[SessionRows]) -> pa.Table:
    schema = SCHEMAS[table]
    if table == "sessions":
        return _from_rows([rows.session for rows in sessions], schema)
    per_session: list[list[Any]] = [getattr(rows, table) for rows in sessions]
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
    numbers: dict[Label, int] = {}
    codes = np.fromiter([numbers.setdefault(label, len(numbers)) for label in labels], np.int32, n)
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
