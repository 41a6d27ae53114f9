"""The columns of a DataFrame, checked, and handed over to DuckDB so that it reads them as pandas does.

DuckDB knows no complex numbers, periods, sparse columns or categories of anything but text, and guesses the type of a
column of objects from a sample. What it would read otherwise, or not at all, is read here, by the functions that read
the sessions one after the other: both ways of an analysis then see the same values.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import InvalidOperation
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.callers_again import codes_of
from voicelab.analysis.kinds import check_types, is_text, labels_of, numbers_of, split
from voicelab.base import checks
from voicelab.base.accepted_types import Cell
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.plain_json import has_half_a_character

UNIT = "voicelab_unit"
MOST_NAMED = 12
"""Columns that a message names."""
_AS_IT_IS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8"}


class Columns(NamedTuple):
    """The columns of a frame or file that are asked for; arguments of `vl.analyze`."""

    variant: str
    outcomes: Sequence[str]
    guardrails: Sequence[str]
    by: str | None
    unit: str | None
    order: str | None

    def check(self, known: Sequence[str], *, rows: int | None = None) -> None:
        """Refuse an empty frame, and one of which no outcome is named, with the columns that there are.

        Raises:
            InputError: it is empty, has no column of the variant, or no outcome is named.
        """
        checks.name("variant", self.variant)
        if rows == 0:
            raise empty()
        if self.variant not in known:
            raise no_column(self.variant, known, not_outcomes=[name for name in known if name not in self.outcomes])
        if not self.outcomes:
            raise no_outcome(known, [self.variant, *self.guardrails, self.by, self.unit, self.order])


def checked_columns(
    frame: pd.DataFrame, variant: str, names: Iterable[str], by: str | None = None, unit: str | None = None
) -> dict[str, str]:
    """Return the column of each outcome, after a look at all columns that are asked for, and at the ids of sessions.

    Args:
        frame: The sessions.
        variant: Column of the variant.
        names: Columns of outcomes, or `column=level`.
        by: Column to report segments of.
        unit: Column of what sessions belong to.

    Raises:
        InputError: a column is missing or stands there twice, there is no session, or one has several rows.
    """
    checks.name("variant", variant)
    columns = {name: split(name, frame.columns)[0] for name in names}
    named = [checks.name(what, name) for what, name in (("by", by), ("unit", unit)) if name is not None]
    wanted = [variant, *columns.values(), *named]
    if not len(frame):
        raise empty()
    for column in wanted:
        if column not in frame.columns:
            raise no_column(column, list(map(str, frame.columns)))
    for column in (*wanted, "session_id"):
        if int((frame.columns == column).sum()) > 1:
            raise InputError(f"The frame has more than one column {column!r}: keep one, or rename the others.")
    if "session_id" in frame.columns:
        _check_ids(column_of(frame, "session_id").dropna())
    return columns


def empty() -> InputError:
    """Return the error that there are no rows."""
    return InputError("The frame is empty: there is no session to decide by. Give one row a session.")


def no_column(column: str, known: Sequence[str], not_outcomes: Sequence[str] = ()) -> InputError:
    """Return the error that there is no such column, with those that there are.

    Args:
        column: What was asked for.
        known: The columns.
        not_outcomes: Of that of the variant, those that it may be.
    """
    name_it = f" Name that of each session's variant, e.g. variant={not_outcomes[0]!r}." if not_outcomes else ""
    return InputError(f"There is no column {column!r}. {there_are(known)}{did_you_mean(column, known) or name_it}")


def no_outcome(columns: Sequence[str], others: Iterable[str | None]) -> InputError:
    """Return the error that no outcome is named, with the columns that may be one.

    Args:
        columns: The columns.
        others: Those that are something else: the variant, the unit, ...
    """
    left = [column for column in columns if column not in {*others, "session_id", "session_index", "run_id"}]
    if not left:
        return InputError(
            f"outcome= is missing, and no column is left that could be one. {there_are(columns)} Add a column of what came of "
            "each session."
        )
    shown = " or ".join(map(repr, left[:MOST_NAMED]))
    return InputError(
        f"Name the column of the outcome to judge by: outcome={shown}{' ...' if left[MOST_NAMED:] else ''}."
    )


def there_are(columns: Sequence[str]) -> str:
    """Return which columns there are, in a sentence."""
    more = f" and {len(columns) - MOST_NAMED} more" if len(columns) > MOST_NAMED else ""
    return f"There are: {', '.join(columns[:MOST_NAMED])}{more}." if columns else "There is none."


def _check_ids(ids: pd.Series) -> None:
    try:
        twice = ids.duplicated()
    except TypeError:  # lists and the like
        twice = ids.astype(str).duplicated()
    if twice.any():
        raise more_than_one_row(int(twice.sum()), ids[twice].iloc[0])


def more_than_one_row(n: int, example: Cell) -> InputError:
    """Return the error that sessions have more than one row."""
    return InputError(
        f"{n:,} session ids stand more than once, e.g. {example!r}. Give one row a session; of a DataFrame "
        "frame.drop_duplicates('session_id', keep='last')."
    )


def column_of(frame: pd.DataFrame, name: str) -> pd.Series:
    """Return a column; a sparse one, or one of numbers that pandas can't tell apart, as plain numbers.

    Raises:
        InputError: it holds a signalling NaN, or half a character, which nothing can be done with.
    """
    column = frame[name]
    if isinstance(column.dtype, pd.SparseDtype):
        column = column.sparse.to_dense()
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.str[1:] not in _AS_IT_IS:
        with np.errstate(over="ignore"):
            return column.astype(np.float64)
    if isinstance(dtype, np.dtype) and not dtype.isnative:
        return column.astype(dtype.newbyteorder("="))
    if pd.api.types.is_object_dtype(dtype):
        try:
            column.isna()
        except InvalidOperation:
            raise InputError(
                f"The column {name!r} holds Decimal('sNaN'): write None where a value is missing."
            ) from None
    _check_characters(column)
    return column


def _check_characters(column: pd.Series) -> None:
    """Refuse text that no file and no other library can hold; broken decoding leaves it.

    Raises:
        InputError: it holds half a character.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = pd.Series(column.cat.categories, name=column.name)
    if not pd.api.types.is_object_dtype(column.dtype):
        return
    try:
        different = column.unique()
    except TypeError:  # lists and the like
        return
    broken = next((value for value in different if isinstance(value, str) and has_half_a_character(value)), None)
    if broken is not None:
        raise InputError(
            f"The column {str(column.name)!r} holds {shown(broken)}, with half a character that broken decoding has left: read "
            "the data again in their own encoding, or write column.str.encode('utf-8', 'replace').str.decode('utf-8')."
        )


def variants_in(column: pd.Series) -> tuple[npt.NDArray[np.integer], list[str]]:
    """Return the code of each session's variant, -1 where it has none, and the name of each code.

    Raises:
        InputError: it holds lists or other things that can't be told apart.
    """
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), _written(column.cat.categories)
    try:
        codes, different = pd.factorize(column)
    except TypeError:
        raise no_variants(str(column.name), type(next(iter(column.dropna()), None)).__name__) from None
    return codes, _written(different)


def _written(different: Any) -> list[str]:
    # An index hands out float32 as Python's floats, which have more digits.
    is_float = isinstance(different.dtype, np.dtype) and different.dtype.kind == "f"
    return list(map(str, np.asarray(different) if is_float else different))


def no_variants(column: str, type_: str) -> InputError:
    """Return the error that a column holds nothing that variants could be called by."""
    return InputError(
        f"The column {column!r} holds values of type {type_}; the name of a variant must be text or a number."
    )


def as_weighed(found: Sequence[str], weights: Mapping[Any, Any] | None) -> dict[str, str]:
    """Return the name under which each variant that was found is weighed.

    pandas turns whole numbers into 1.0, 2.0 where one is missing: they are the variants 1 and 2 of the weights.
    """
    weighed = set(map(str, weights)) if isinstance(weights, Mapping) else set()
    names = {}
    for name in found:
        other = name[:-2] if name.endswith(".0") else f"{name}.0"
        names[name] = other if name not in weighed and other in weighed and other not in found else name
    return names


def handed_over(
    frame: pd.DataFrame,
    variant: str,
    names: Sequence[str],
    asked: Mapping[str, str],
    warnings: list[str],
    unit: str | None = None,
) -> pd.DataFrame:
    """Return the columns of a DataFrame that an analysis asks for, as DuckDB reads them.

    Args:
        frame: The sessions.
        variant: Column of the variant.
        names: Columns of outcomes, or `column=level`.
        asked: Kinds that are asked for, by column.
        warnings: Gets what needs care.
        unit: Column of what sessions belong to; it is handed over as `UNIT`, numbers in place of ids.

    Raises:
        InputError: see `checked_columns`; or a column holds neither numbers nor text.
    """
    columns = checked_columns(frame, variant, names, unit=unit)
    by_level = {column for name, column in columns.items() if name != column}
    handed = {variant: _named(column_of(frame, variant))}
    for column in dict.fromkeys(columns.values()):
        values = column_of(frame, column)
        check_types(values, column)
        if column == variant:
            continue
        if not _is_as_it_is(values):
            if column in by_level or is_text(values, asked.get(column)):
                values = labels_of(values)
            else:
                values = pd.Series(numbers_of(values, column, warnings)[0], index=values.index)
        handed[column] = values
    if unit is not None:
        codes, _ = codes_of(column_of(frame, unit), unit)
        handed[UNIT] = pd.Series(codes, index=frame.index).astype("Int64").mask(codes < 0)
    return pd.DataFrame(handed, copy=False)


def _named(column: pd.Series) -> pd.Series:
    """Return a column of variants by their names, unless DuckDB calls them the same."""
    if _is_as_it_is(column) and not (isinstance(column.dtype, np.dtype) and column.dtype.kind == "f"):
        return column
    codes, names = variants_in(column)
    return pd.Series(pd.Series([*names, None], dtype="str").array.take(codes), index=column.index)


def _is_as_it_is(column: pd.Series) -> bool:
    """Return whether DuckDB reads a column as pandas does."""
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return isinstance(dtype.categories.dtype, pd.StringDtype)
    if isinstance(dtype, np.dtype):
        return dtype.str[1:] in _AS_IT_IS and dtype.isnative
    as_numpy = getattr(dtype, "numpy_dtype", None)  # of pandas' own and of Arrow's numbers
    return isinstance(dtype, pd.StringDtype) or (as_numpy is not None and as_numpy.str[1:] in _AS_IT_IS)
