"""The frame of all sessions with nothing left out, put together column by column from the files.

It says what the query of `queries.sessions` says, at a third of its cost: there every text of every row passes through
DuckDB. What is asked with a condition, some columns or a limit goes that way, since it reads less.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from voicelab.base.records import unwritten_value
from voicelab.log.schema import SCHEMAS, without_categories

if TYPE_CHECKING:
    import pandas as pd

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


def whole_sessions(
    columns: Callable[[str, Sequence[str]], pa.Table], tests: Sequence[str], outcomes: Mapping[str, str]
) -> "pd.DataFrame":
    """Return one row a session, with its variants and outcomes.

    Args:
        columns: Returns columns of a table, in order of session_index.
        tests: Names of the tests.
        outcomes: Names of the outcomes, and `string` for those that hold text.
    """
    names = SCHEMAS["sessions"].names
    sessions = columns("sessions", names).cast(without_categories(SCHEMAS["sessions"], names))
    index = sessions.column("session_index").to_numpy()
    crashed = pc.equal(sessions.column("status"), "error").to_numpy(zero_copy_only=False)
    exposures = columns("exposures", ["session_index", "test", "variant"])
    for test in tests:
        rows, at = _rows_of(exposures, "test", test, index)
        sessions = sessions.append_column(f"variant.{test}", _greatest(rows.column("variant"), at, len(index)))
    recorded = columns("outcomes", ["session_index", "outcome", "value", "text", "written"])
    for name, kind in outcomes.items():
        rows, at = _rows_of(recorded, "outcome", name, index)
        sessions = sessions.append_column(f"outcome.{name}", _outcome(rows, at, kind, crashed))
    frame: pd.DataFrame = sessions.to_pandas()
    return frame


def _rows_of(table: pa.Table, column: str, name: str, index: Ints) -> tuple[pa.Table, Ints]:
    """Return the rows whose column says a name, and the position of each one's session; those of no session are left out."""
    names = table.column(column).combine_chunks()
    named = pc.equal(names.indices, pc.index(names.dictionary, name))
    rows = table if pc.all(named).as_py() else table.filter(named)
    own = rows.column("session_index").to_numpy()
    at = np.minimum(np.searchsorted(index, own), max(len(index) - 1, 0))
    known = index[at] == own if len(index) else np.zeros(len(own), dtype=np.bool_)
    return (rows, at) if known.all() else (rows.filter(pa.array(known)), at[known])


def _greatest(texts: pa.ChunkedArray, at: Ints, n: int) -> pa.Array:
    """Return the greatest text of each of n sessions, given the session of each text; null where there is none."""
    encoded = texts if pa.types.is_dictionary(texts.type) else texts.dictionary_encode()
    encoded = encoded.unify_dictionaries().combine_chunks()
    order = pc.sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    greatest = np.full(n, -1, dtype=np.int64)
    np.maximum.at(greatest, at[codes >= 0], rank[codes[codes >= 0]])
    return encoded.dictionary.take(pa.array(order)).take(pa.array(greatest, mask=greatest < 0))


def _outcome(rows: pa.Table, at: Ints, kind: str, crashed: Bools) -> pa.Array:
    """Return what each session wrote of an outcome, or counts as having written."""
    written = rows.column("written").fill_null(False).to_numpy()
    rows, at = rows.filter(pa.array(written)), at[written]
    if kind == "string":
        return _greatest(rows.column("text"), at, len(crashed))
    valid = rows.column("value").is_valid().to_numpy()
    values: Any = np.full(len(crashed), -np.inf)
    there, was_written = np.zeros(len(crashed), dtype=np.bool_), np.zeros(len(crashed), dtype=np.bool_)
    there[at[valid]], was_written[at] = True, True
    with np.errstate(invalid="ignore"):  # a handler may have written nan
        np.maximum.at(values, at[valid], rows.column("value").to_numpy()[valid])
    # One that was written as None is missing. What a crashed session counts as is for the analysis, which knows the kind.
    counted = ~there & ~was_written & ~crashed
    values[counted] = unwritten_value(kind, crashed=False)
    return pa.array(values, mask=~(there | counted))
