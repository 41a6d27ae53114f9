"""Numbers that are written as text, read alike by Python and by DuckDB: here are both, side by side.

A number is digits with a point and an exponent if need be, `nan` (a missing value), `inf`, or `true` and `false`; spaces
around it don't count, nor does case. Neither reads all that the other would: `1_000` or digits of other scripts are text.
"""

import math
import re

import numpy as np

_SPACES = " \t\n\r\f"
_NUMERAL = r"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf|infinity)|true|false"
_IS_NUMERAL = re.compile(_NUMERAL)
_TRUTHS = {"true": 1.0, "false": 0.0}
_DIGITS = {"FLOAT": 7, "DOUBLE": 15}
"""Digits that a level is named by: as many as its type keeps of any decimal number."""


def number_in(text: str) -> float | None:
    """Return the number that a text stands for, infinite beyond the range of floats; None where it is none."""
    trimmed = text.strip(_SPACES).lower()
    if _IS_NUMERAL.fullmatch(trimmed) is None:
        return None
    return _TRUTHS[trimmed] if trimmed in _TRUTHS else float(trimmed)


def number_of(value: object) -> float:
    """Return the number that a cell holds, as one or as text; infinite beyond the range of floats, NaN where it is none."""
    if isinstance(value, str):
        number = number_in(value)
        return math.nan if number is None else number
    try:
        return float(value)  # type: ignore[arg-type]  # what is neither text nor a number was refused
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # a whole number beyond the floats
    except ValueError:  # Decimal's signalling NaN
        return math.nan


def _trimmed(column: str) -> str:
    spaces = " || ".join(f"chr({ord(space)})" for space in _SPACES)
    return f"lower(trim({column}::VARCHAR, {spaces}))"


def sql_is_number(column: str) -> str:
    """Return the SQL expression of `number_in(column) is not None`."""
    return f"regexp_full_match({_trimmed(column)}, '{_NUMERAL}')"


def sql_number(column: str) -> str:
    """Return the SQL expression of `number_in(column)`, for a column of which every text is a number."""
    text = _trimmed(column)
    return f"CASE {text} WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE TRY_CAST({text} AS DOUBLE) END"


def sql_label(column: str, type_: str) -> str:
    """Return the SQL expression of a level's name, NULL where there is none: as `label_of`."""
    if type_ not in _DIGITS:
        return f"{column}::VARCHAR"
    # Of a Parquet file isnan() may trust statistics that leave NaN out.
    return f"nullif(printf('%.{_DIGITS[type_]}g', {column}::DOUBLE + 0.0), 'nan')"


def label_of(value: object) -> str:
    """Return the name of the level that a value stands for: whole numbers without a point, true and false."""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        digits = _DIGITS["FLOAT" if isinstance(value, np.float32) else "DOUBLE"]
        return f"{float(value) + 0.0:.{digits}g}"  # adding 0 turns -0.0 into 0.0
    return str(value)
