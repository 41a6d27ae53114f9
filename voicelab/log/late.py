"""Outcomes that become known after the sessions, kept beside the log's shards."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base.errors import InputError, LogError
from voicelab.log import disk
from voicelab.log.checksums import Checksums, checksums_json
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.parts import CHECKSUMS
from voicelab.log.schema import SCHEMAS
from voicelab.log.write import write_table

if TYPE_CHECKING:
    import pandas as pd

_PART = re.compile(r"part-\d{6,}\.parquet")
_FOLDER = "late"
COUNT = "late"
"""What a manifest calls the number of files of late outcomes that were added."""


def read_late(paths: Sequence[Path]) -> pa.Table:
    """Return the rows of files of late outcomes, as rows of the table `outcomes`."""
    tables = [pq.read_table(path, schema=SCHEMAS["outcomes"]) for path in paths]
    return pa.concat_tables(tables) if tables else SCHEMAS["outcomes"].empty_table()


def parts(root: Path) -> list[Path]:
    """Return the files of a log's late outcomes, in order."""
    return [path for path in _files(root) if _PART.fullmatch(path.name)]


def foreign(root: Path) -> list[Path]:
    """Return files that lie among the late outcomes and have no part's name."""
    return [path for path in _files(root) if not _PART.fullmatch(path.name)]


def _files(root: Path) -> list[Path]:
    return sorted((root / _FOLDER).glob("part-*.parquet"))


def path(root: Path, number: int) -> Path:
    """Return where a file of late outcomes stands."""
    return root / _FOLDER / f"part-{number:06d}.parquet"


def outcome_names(paths: Sequence[Path]) -> list[str]:
    """Return the names of the outcomes in files of late outcomes."""
    return sorted(read_late(paths).column("outcome").unique().to_pylist())


def add(root: Path, frame: "pd.DataFrame", known: "pd.DataFrame", taken: Sequence[str]) -> None:
    """Add late outcomes to a log; nothing is written if anything is wrong.

    Args:
        root: The log's folder.
        frame: A column session_id, and a column an outcome.
        known: The log's sessions: session_id and session_index.
        taken: Names that outcomes have already.
    """
    if "session_id" not in getattr(frame, "columns", ()):
        raise InputError("add_outcomes() takes a DataFrame with a column 'session_id' and a column an outcome.")
    names = [str(column) for column in frame.columns if column != "session_id"]
    if not names:
        raise InputError("add_outcomes(): there is no outcome beside 'session_id'.")
    if clash := sorted(set(names) & set(taken)):
        raise InputError(f"The log has the outcome {clash[0]!r} already. Give the late one another name.")
    ids = frame["session_id"].astype(str)
    if ids.duplicated().any():
        raise InputError(f"add_outcomes(): session_id {ids[ids.duplicated()].iloc[0]!r} stands there twice.")
    index_of = dict(zip(known["session_id"], known["session_index"], strict=True))
    unknown = [i for i in ids if i not in index_of]
    if unknown:
        raise InputError(f"add_outcomes(): {len(unknown)} sessions are not in the log, the first {unknown[0]!r}.")
    rows = [row for name in names for row in _rows(name, ids, frame[name], index_of)]
    number = len(parts(root))
    write(root, number, _arrow(rows))
    if all(checksums(root, path).exists() for path in parts(root)):  # an earlier version wrote none
        write_manifest(root, read_manifest(root) | {COUNT: number + 1})


def checksums(root: Path, part: Path) -> Path:
    """Return where the checksums of a file of late outcomes stand."""
    return root / CHECKSUMS / f"{part.stem.replace('part', 'late')}.json"


def _rows(name: str, ids: "pd.Series", values: "pd.Series", index_of: dict[str, int]) -> list[tuple[Any, ...]]:
    rows = []
    for session_id, value in zip(ids, values.tolist(), strict=True):
        if value is None or (isinstance(value, float) and math.isnan(value)):
            continue
        kind = {bool: "boolean", int: "integer", float: "float"}.get(type(value), "string")
        number, text = (None, str(value)) if kind == "string" else (float(value), None)
        rows.append((session_id, index_of[session_id], name, kind, number, text, True))
    return rows


def _arrow(rows: list[tuple[Any, ...]]) -> pa.Table:
    schema = SCHEMAS["outcomes"]
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )


def write(root: Path, number: int, table: pa.Table) -> None:
    """Write a file of late outcomes; its checksums are there before it is.

    Args:
        root: The log's folder.
        number: How many were there before.
        table: Rows of the table `outcomes`.

    Raises:
        LogError: it can't be written.
    """
    folder = root / _FOLDER
    part = path(root, number)
    unfinished = folder / f"_part-{number:06d}.tmp"
    try:
        disk.make(folder)
        disk.make(root / CHECKSUMS)
        written = write_table([table], unfinished, "outcomes")
        seal = checksums(root, part)
        checked = Checksums({"outcomes": written}, run=read_manifest(root).get("run_id"))
        disk.write_whole(seal, checksums_json(seal.stem, checked), f"_{seal.name}.tmp")
        disk.rename(unfinished, part)
        disk.sync(folder)
    except OSError as error:
        disk.remove_tree(unfinished)
        raise LogError(f"{folder} can't be written: {error.strerror}.") from None
