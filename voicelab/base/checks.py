"""Checks of arguments: each returns the value as it is to be used, or says what was given and what is allowed."""

import math
import operator
from decimal import Decimal
from numbers import Real
from typing import SupportsIndex, TypeGuard

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.masking import shown


def is_number(value: Given) -> TypeGuard[float]:
    """Return whether a value is a finite number, and no boolean."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats, with which nothing can be computed
        return False


def name(what: str, value: Given) -> str:
    """Return a name.

    Raises:
        InputError: it is not some text.
    """
    if not isinstance(value, str) or not value:
        raise InputError(f"{what} is {shown(value)}, must be some text.")
    return value


def names(what: str, value: Given) -> list[str]:
    """Return a list of names.

    Raises:
        InputError: it is no list, or holds something else.
    """
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise InputError(f"{what} is {shown(value)}, must be names, e.g. ['bought', 'n_errors'].")
    return list(value)


def probability(what: str, value: Given) -> float:
    """Return a probability.

    Raises:
        InputError: it is not a number from 0 to 1.
    """
    if not is_number(value) or not 0 <= value <= 1:
        raise InputError(f"{what} is {shown(value)}, must be a number from 0 to 1.")
    return float(value)


def seconds(what: str, value: Given) -> float:
    """Return a length of time in seconds.

    Raises:
        InputError: it is not a number from 0 on.
    """
    if not is_number(value) or value < 0:
        raise InputError(f"{what} is {shown(value)}, must be a number of seconds from 0 on.")
    return float(value)


def span(what: str, value: Given) -> tuple[float, float]:
    """Return a range of seconds; a single number stands for itself.

    Raises:
        InputError: it is no pair of numbers, the first the smaller.
    """
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(map(is_number, pair)) or not 0 <= pair[0] <= pair[1]:  # noqa: PLR2004 - a pair
        raise InputError(f"{what} is {shown(value)}, must be (shortest, longest) in seconds, e.g. (0.4, 1.2).")
    return float(pair[0]), float(pair[1])


def whole(what: str, value: Given, *, least: int = 1) -> int:
    """Return a whole number.

    Raises:
        InputError: it is not a whole number, or less than the least one.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InputError(f"{what} is {shown(value)}, must be a whole number from {least} on.")
    return value


def seed(value: SupportsIndex) -> int:
    """Return a seed.

    Raises:
        InputError: it is not a whole number.
    """
    try:
        whole = operator.index(value)  # numpy's whole numbers too
    except TypeError:
        whole = None
    if whole is None or isinstance(value, bool):
        raise InputError(f"seed is {shown(value)}, must be a whole number, e.g. seed=7.")
    return whole


def switch(what: str, value: Given) -> bool:
    """Return True or False.

    Raises:
        InputError: it is neither.
    """
    if not isinstance(value, bool):
        raise InputError(f"{what} is {shown(value)}, must be True or False.")
    return value


def weight(what: str, value: Given) -> float:
    """Return a weight.

    Raises:
        InputError: it is not a number above 0.
    """
    number = _as_float(value)
    if not 0 < number < math.inf:
        raise InputError(f"{what} is {shown(value)}, must be a number above 0.")
    return number


def is_zero(value: Given) -> bool:
    """Return whether a value is the number 0, of any type of numbers."""
    return _as_float(value) == 0


def _as_float(value: Given) -> float:
    """Return a number of any type (numpy's, decimals, fractions) as a float; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, Real | Decimal):
        return math.nan
    try:
        return float(value)
    except (OverflowError, ValueError):  # a whole number beyond the floats; a signalling NaN
        return math.nan
