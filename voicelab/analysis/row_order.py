"""In which order the rows of a frame stand: by a column, as they came, or in groups of one variant each.

An export sorted by variant, or one file a variant put below the other, says nothing of the order in which the sessions
ended. Read as time it would be a test that ran one variant first and then the other, and the check of the shares, which
looks after every session, would raise its alarm at once. Of such rows the sums alone are judged: they don't hang on the
order. Of rows sorted by a time that repeats, the order of the rows of one time is as unknown, that of the times is not:
groups are excused where such rows may make them, and the check of the shares looks after each time all the same.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import bdtr

from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.rules import StopRule
from voicelab.log.queries import quoted

_BY_CHANCE = 1e-6
"""Probability of so few changes from row to row below which variants were not drawn in this order."""
_ROWS_A_GROUP = 20
"""Rows that groups have at least, on average: of shorter ones the check of the shares makes nothing."""
_LOOKS = 1000
"""Looks that the check of the shares takes at most: fewer than there are times keep its promise too."""
_FIRST = 200_000
"""Rows of a database that are looked at before all of them are."""
_TIMES = ("DATE", "TIMESTAMP", "TIME")
_NAMED_LIKE_TIMES = {"started_at", "ended_at", "created_at", "timestamp", "session_index"}
_NUMBERS = ("INT", "FLOAT", "DOUBLE", "DECIMAL", "BOOLEAN")


# Were the variants drawn row by row, two neighbours would differ with the probability q that two rows at random do, and
# the changes would be nearly binomial: of 2,000 rows about 1,000. One variant after the other there are as many groups
# as variants, of several such files as many as variants times files.
def are_grouped(groups: int, counts: npt.NDArray[Any]) -> bool:
    """Return whether rows stand in groups of one variant each that no drawing makes.

    Args:
        groups: Stretches of rows of one variant.
        counts: Rows of each variant.
    """
    sizes = np.asarray(counts, dtype=np.float64)
    sizes = sizes[sizes > 0]
    n = float(sizes.sum())
    if len(sizes) < 2 or (groups > len(sizes) and groups * _ROWS_A_GROUP > n):  # noqa: PLR2004 - one variant is one group
        return False
    differ = 1 - float(((sizes / n) ** 2).sum())
    return bool(bdtr(groups - 1, int(n) - 1, differ) < _BY_CHANCE)


# Mixed at random, m rows of one time would change their variant about m times the probability that two of them differ.
# With these changes on top the groups are those of a drawing where only the order of such rows was unknown. An assignment
# that was broken leaves as few groups as before: there is nothing to mix in a time of one variant.
def are_made_by_ties(groups: int, hidden: float, counts: npt.NDArray[Any]) -> bool:
    """Return whether groups may come of the unknown order of rows of the same time.

    Args:
        groups: Stretches of rows of one variant.
        hidden: Changes of the variant that the rows of each time would have if they were mixed (see `hidden_changes`).
        counts: Rows of each variant.
    """
    return not are_grouped(groups + int(hidden), counts)


def hidden_changes(by_moment: npt.NDArray[Any]) -> float:
    """Return how many changes of the variant mixed rows of the same time would have, given rows by time and variant."""
    sizes = np.maximum(by_moment.sum(axis=1), 1)
    return float((sizes - (by_moment.astype(np.float64) ** 2).sum(axis=1) / sizes).sum())


def by_moment(moments: npt.NDArray[Any], arms: npt.NDArray[Any], k: int) -> npt.NDArray[np.float64]:
    """Return how many rows each arm has at each time, shape (times, k)."""
    n = int(moments.max(initial=-1)) + 1
    return np.bincount(moments * k + arms, minlength=n * k).reshape(n, k).astype(np.float64)


def in_looks(by_moment: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return rows by time and variant, of many times some together: what the check of the shares looks at."""
    n = len(by_moment)
    if n <= _LOOKS:
        return by_moment
    starts = np.unique(-(-np.arange(_LOOKS) * n // _LOOKS))
    return np.add.reduceat(by_moment, starts, axis=0)


def groups_in(arms: npt.NDArray[Any]) -> int:
    """Return how many stretches of rows of one variant there are."""
    return int((arms[1:] != arms[:-1]).sum()) + bool(len(arms))


def groups_of(source: "duckdb.DuckDBPyRelation", drawn: str, n: int) -> int:
    """Return how many stretches of rows of one variant a relation has, or, where the first rows have many, of these alone.

    Args:
        source: The relation.
        drawn: Expression of the variant.
        n: Its rows that have a variant.
    """
    rows = source.filter(f"({drawn}) IS NOT NULL").project(f"({drawn}) AS drawn")
    first = _changes(rows.limit(_FIRST))
    # So many groups among the first rows are too many in all: a look at every row would cost as much as the sums.
    return first if n <= _FIRST or first * _ROWS_A_GROUP > n else _changes(rows)


def _changes(rows: "duckdb.DuckDBPyRelation") -> int:
    changes = rows.project("drawn IS DISTINCT FROM lag(drawn) OVER () AS changed").filter("changed")
    return int(changes.aggregate("count(*)").fetchall()[0][0])


def about_groups(groups: int, n: int, advice: str) -> str:
    """Return the sentence that rows in groups are decided by their sums.

    Args:
        groups: Stretches of rows of one variant.
        n: Rows.
        advice: What gives them an order: `by_time`, or `finer_than`.
    """
    return (
        f"The rows are in groups ({groups:,} stretches of one variant each in {n:,} rows), which is no order of time: the sums "
        f"decide, without a path. Give {advice} if there is a time. Should the sessions really have come like this, the "
        "variants were not drawn at random, and no comparison of them holds. What the sums say is as of now: the confidence "
        "may be lower than that of the sessions in their order, in which earlier evidence counts too."
    )


def about_order(advice: str) -> str:
    """Return the sentence that the alarm about the shares may come from the order of the rows."""
    return f"Rows are read in the order in which they stand. If the sessions ended in another, give {advice}."


def about_first(unit: str, advice: str) -> str:
    """Return the sentence that the alarm about the shares may come from units that switched, and the order of the rows."""
    return (
        f"Units ({unit}) that had several variants count for that of the first row of theirs. Rows that are sorted by variant, "
        f"and not by time, make it the same variant for all of them, which alone raises the alarm about the shares: give "
        f"{advice}."
    )


def by_time(types: Mapping[str, str]) -> str:
    """Return how to sort sessions: by the column that may hold when they happened, given the type of each."""
    like_times = (
        name for name, type_ in types.items() if type_.upper().startswith(_TIMES) or name in _NAMED_LIKE_TIMES
    )
    return f"order={next(like_times, 'column')!r}"


def finer_than(column: str) -> str:
    """Return how to sort sessions of which many have the same value in the column that they are sorted by."""
    return f"a finer column than order={column!r}"


def types_in(frame: pd.DataFrame) -> dict[str, str]:
    """Return the type of each column of a frame, of times as a database calls them."""
    is_time = pd.api.types.is_datetime64_any_dtype
    return {str(name): "TIMESTAMP" if is_time(type_) else str(type_) for name, type_ in frame.dtypes.items()}


def check_sums_will_do(rule: StopRule, n: int, groups: int, *, limits: bool = False) -> None:
    """Refuse what needs the order of the sessions, where rows stand in groups.

    Args:
        rule: The stop rule.
        n: Rows that have a variant.
        groups: Stretches of rows of one variant.
        limits: Whether bounds or a cap are given.

    Raises:
        InputError: the rule counts fewer sessions than there are, or bets need each of them.
    """
    grouped = f"the rows are in groups ({groups:,} stretches of one variant each in {n:,} rows)"
    if limits:
        raise InputError(
            f"bounds= and cap= bet on every session in the order in which they ended, and {grouped}: give order='column', a "
            "column of the time."
        )
    if rule.max_iterations is not None and n > rule.max_iterations and not rule.needs_both:
        raise InputError(
            f"The rule counts the first {rule.max_iterations:,} sessions, and {grouped}, so that which came first can't be "
            "told: give order='column', a column of the time, or a rule with max_iterations of all that there are."
        )


# --- order= ----------------------------------------------------------------------------------------------------------


def sorted_by(frame: pd.DataFrame, column: str) -> tuple[pd.DataFrame, str | None, npt.NDArray[np.int64]]:
    """Return a frame sorted by a column of times or numbers, what would sort it better, None if nothing, and its times.

    Times are counted from 0 on, one number for each row.

    Rows of the same time stay as they are: of a whole day they may stand in groups.

    Raises:
        InputError: there is no such column, or it holds something else, or nothing in some row.
    """
    if column not in frame.columns:
        raise _no_column(column, map(str, frame.columns))
    values = frame[column]
    if isinstance(values, pd.DataFrame):
        raise InputError(f"The frame has more than one column {column!r}: keep one, or rename the others.")
    try:
        if missing := int(values.isna().sum()):
            raise _without_a_value(column, missing)
        if not _is_sortable(values):
            values = _parsed(values, column)
        at = np.argsort(values.to_numpy(), kind="stable")
    except (TypeError, ArithmeticError) as error:  # decimals that signal
        raise InputError(f"{column!r} holds values that can't be compared ({error}): give times or numbers.") from None
    times = values.to_numpy()[at]
    moments = np.zeros(len(times), dtype=np.int64)
    moments[1:] = np.cumsum(times[1:] != times[:-1])
    repeats = int(moments.max(initial=-1)) + 1 < len(moments)
    return frame.iloc[at], finer_than(column) if repeats else None, moments


def _is_sortable(values: pd.Series) -> bool:
    types = pd.api.types
    known = types.is_datetime64_any_dtype, types.is_timedelta64_dtype, types.is_numeric_dtype
    return any(bool(is_one(values)) for is_one in known)


def _parsed(values: pd.Series, column: str) -> pd.Series:
    values = values.astype(object)
    numbers = pd.to_numeric(values, errors="coerce")
    if numbers.notna().all():
        return numbers
    times = pd.to_datetime(values, errors="coerce", format="ISO8601", utc=True)
    if times.notna().all():
        return times
    raise _no_order(column, values[times.isna()].iloc[0])


def relation_by(source: "duckdb.DuckDBPyRelation", column: str) -> "tuple[duckdb.DuckDBPyRelation, str | None, str]":
    """Return what `sorted_by` returns, of a relation, with an expression that sorts its rows in place of their times.

    Raises:
        InputError: see there.
    """
    types = {name: str(type_) for name, type_ in zip(source.columns, source.types, strict=True)}
    if column not in types:
        raise _no_column(column, source.columns)
    name, type_ = quoted(column), types[column]
    nothing = f"{name} IS NULL" + (f" OR isnan({name})" if type_ in {"FLOAT", "DOUBLE"} else "")
    if missing := source.filter(nothing).aggregate("count(*)").fetchall()[0][0]:
        raise _without_a_value(column, int(missing))
    if type_.startswith(_TIMES) or any(part in type_ for part in _NUMBERS):
        return _sorted(source, name, column)
    for as_type in ("DOUBLE", "TIMESTAMP"):
        read = f"TRY_CAST({name}::VARCHAR AS {as_type})"
        others = source.filter(f"{read} IS NULL").limit(1).project(f"{name}::VARCHAR").fetchall()
        if not others:
            return _sorted(source, read, column)
    raise _no_order(column, others[0][0])


def _sorted(
    source: "duckdb.DuckDBPyRelation", by: str, column: str
) -> "tuple[duckdb.DuckDBPyRelation, str | None, str]":
    row = "voicelab_position"
    rows, different = source.aggregate(f"count(*), count(DISTINCT {by})").fetchall()[0]
    ordered = source.project(f"*, row_number() OVER () AS {row}").order(f"{by}, {row}").project(f"* EXCLUDE ({row})")
    return ordered, finer_than(column) if different < rows else None, by


def _no_column(column: str, known: Iterable[str]) -> InputError:
    return InputError(f"order is {column!r}, and there is no such column.{did_you_mean(column, list(known))}")


def _without_a_value(column: str, rows: int) -> InputError:
    return InputError(
        f"order is {column!r}, which has no value in {rows:,} rows: leave these out, or sort by another column."
    )


def _no_order(column: str, example: Any) -> InputError:
    return InputError(
        f"order is {column!r}, which holds neither numbers nor times, e.g. {str(example)[:60]!r}: give a column of numbers, "
        "of times, or of text such as 2026-03-01T09:30:00."
    )
