"""The sessions of one test from a DataFrame, or from what DuckDB reads: one row a session."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.kinds import Read, read_all, read_one, split
from voicelab.analysis.sessions import TestData, all_written, everywhere
from voicelab.base.accepted_types import Cell, FrameLike
from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.rules import StopRule, switched_on


def from_frame(
    frame: pd.DataFrame,
    variant: str,
    outcomes: Sequence[str],
    weights: Mapping[Any, Any] | None,
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
) -> TestData:
    """Return sessions from a DataFrame with one row a session, in order of completion.

    Args:
        frame: The sessions.
        variant: Column of the variant.
        outcomes: Columns of outcomes, or `column=level`: the first is judged by, the others are reported.
        weights: Configured weights; None for equal ones, with a warning.
        rule: The stop rule.
        by: Column to report segments of.
        guardrails: Numeric columns that must not get worse.
        kinds: Kinds that are asked for, by column.

    Raises:
        InputError: a column is missing, or holds something else; a variant without a weight.
    """
    outcome, kinds = outcomes[0], kinds or {}
    columns = {name: split(name, frame.columns)[0] for name in [*outcomes, *guardrails]}
    for column in (variant, *columns.values(), *([] if by is None else [by])):
        if column not in frame.columns:
            raise InputError(f"The frame has no column {column!r}.{did_you_mean(str(column), map(str, frame.columns))}")
    for column in (variant, *columns.values()):
        if int((frame.columns == column).sum()) > 1:
            raise InputError(f"The frame has more than one column {column!r}: keep one, or rename the others.")
    if not len(frame):
        raise InputError("The frame is empty: there is no session to decide by.")
    ids = frame["session_id"].dropna() if "session_id" in frame.columns else pd.Series(dtype=object)
    if (twice := ids.duplicated()).any():
        raise _twice(int(twice.sum()), ids[twice].iloc[0])
    warnings: list[str] = []
    names = frame[variant]
    assigned = names.notna().to_numpy()
    found = [str(name) for name in pd.unique(names[assigned])]
    shares, off = configured(weights, found, warnings)
    kept = frame if assigned.all() else frame[assigned]
    values, kind = read_one(kept[columns[outcome]], outcome, kinds, warnings)
    arm_of = {name: arm for arm, name in enumerate(shares)}
    missing_values = int(kept[columns[outcome]].isna().sum())
    others: dict[str, Read] = {}
    for name in outcomes[1:]:
        others |= read_all(kept[columns[name]], name, kinds, warnings)
    for name in guardrails:
        others[name] = read_one(kept[columns[name]], name, kinds, warnings)
    data = TestData(
        test=variant,
        weights=shares,
        rule=rule or StopRule(),
        outcome=outcome,
        kind=kind,
        arms=_arms(kept[variant], arm_of),
        values=values,
        # A missing value in a frame is unknown, not a session that wrote nothing.
        written=everywhere(True, len(kept)),
        crashed=everywhere(False, len(kept)),
        indexes=np.flatnonzero(assigned) if len(kept) < len(frame) else np.arange(len(kept), dtype=np.uint32),
        others={name: all_written(*read) for name, read in others.items()},
        segments=None if by is None else kept[by].astype("string").fillna("(missing)").to_numpy(dtype=object),
        warnings=warnings,
        source="your data",
        switched_off=off,
    )
    if not assigned.all():
        data.excluded["no variant found"] = int((~assigned).sum())
    infinite = int(np.isinf(values).sum()) if values.dtype.kind == "f" else 0
    if missing_values:
        data.excluded["the outcome is missing"] = missing_values
    if infinite:
        data.excluded["the outcome is infinite: left out"] = infinite
    return data


def configured(
    weights: Mapping[Any, Any] | None, found: Sequence[str], warnings: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the weight of each variant, equal ones with a warning where none are given; and those switched off.

    Raises:
        InputError: a variant that was found has no weight, or weight 0.
    """
    if weights is None:
        weights = dict.fromkeys(sorted(found), 1.0)
        warnings.append("No weights were given: equal ones are assumed. Give weights={variant: weight}.")
    missing = sorted(set(found) - {str(name) for name in weights})
    if missing:
        raise InputError(f"The variant {missing[0]!r} has no weight; weights names {', '.join(map(str, weights))}.")
    on = {str(name): weight for name, weight in switched_on(weights).items()}
    off = [name for name in map(str, weights) if name not in on]
    drawn = sorted(set(found) & set(off))
    if drawn:
        raise InputError(
            f"The weight of {drawn[0]!r} is 0, so that no session can have got it, and some have: give the weight that it "
            "was drawn with."
        )
    return on, off


def _arms(names: pd.Series, arm_of: Mapping[str, int]) -> npt.NDArray[np.integer]:
    """Return the arm of each name; each different name is looked up once."""
    if isinstance(names.dtype, pd.CategoricalDtype):
        codes, different = names.cat.codes.to_numpy(), names.cat.categories
    else:
        codes, different = pd.factorize(names)
    # A category may have no session, and no weight then.
    arms = np.array([arm_of.get(str(name), 0) for name in different], dtype=np.min_scalar_type(-len(arm_of)))
    return np.asarray(arms[codes])


def read_columns(data: FrameLike, columns: Sequence[str | None]) -> pd.DataFrame:
    """Return columns of whatever DuckDB reads, in its order of rows.

    Args:
        data: A path, or an object such as a Polars or pyarrow table.
        columns: The columns; None is left out.

    Raises:
        InputError: DuckDB can't read it, or a column is missing.
    """
    import duckdb

    named = [column for column in columns if column is not None]
    with duckdb.connect() as connection:
        source = opened(connection, data, named)
        wanted = dict.fromkeys(split(column, source.columns)[0] for column in named)
        names = ", ".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in wanted)
        table = source.project(names).to_arrow_table()
        # Names of variants repeat: as categories ten million of them take a number each.
        frame: pd.DataFrame = table.to_pandas(strings_to_categorical=True, self_destruct=True)
        return frame


def opened(connection: "duckdb.DuckDBPyConnection", data: FrameLike, columns: Sequence[str]) -> Any:
    """Return whatever DuckDB reads as a relation of a connection that has these columns.

    Raises:
        InputError: DuckDB can't read it, or a column is missing.
    """
    import duckdb

    try:
        if isinstance(data, str | Path):
            read = connection.read_parquet if str(data).endswith(".parquet") else connection.read_csv
            source = read(str(data))
        else:
            source = connection.sql("SELECT * FROM data")
    except duckdb.Error as error:
        # Of an object DuckDB says where in this file it stands, which helps nobody.
        named = isinstance(data, str | Path)
        what = (
            f"{str(data)!r}, which can't be read ({str(error).splitlines()[0]})"
            if named
            else f"a {type(data).__name__}"
        )
        raise InputError(
            f"data is {what}. Give a session log (vl.open_log), a DataFrame, a Polars or pyarrow table, or the path of a "
            "Parquet or CSV file."
        ) from None
    for name in columns:
        column, _ = split(name, source.columns)
        if column not in source.columns:
            raise InputError(f"The data has no column {column!r}.{did_you_mean(column, source.columns)}")
    if "session_id" in source.columns:
        more = source.aggregate("session_id, count(*) - 1 AS more", "session_id").filter(
            "more > 0 AND session_id IS NOT NULL"
        )
        n, example = more.aggregate("sum(more), any_value(session_id)").fetchall()[0]
        if n:
            raise _twice(int(n), example)
    return source


def _twice(n: int, example: Cell) -> InputError:
    """Return the error that sessions have more than one row."""
    return InputError(
        f"{n:,} session ids stand more than once, e.g. {example!r}. Give one row a session; of a DataFrame "
        "frame.drop_duplicates('session_id', keep='last')."
    )
