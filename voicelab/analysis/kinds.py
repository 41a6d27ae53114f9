"""What the values of an outcome are: numbers of a kind, or text, which is counted level by level.

A level is named `outcome=level`, e.g. `ending=booked`: a session that has it is a success, one with another level a
failure, and one without any is left out. Each level is a binary outcome.
"""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.numerals import label_of, number_in, number_of
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.rules import Kind

AskedKind = Literal["binary", "count", "float", "string"]
MOST_LEVELS = 20
"""Levels that are reported of one outcome: the most frequent."""
_OUTCOME_TYPES = (str, bool, np.bool_, Real, Decimal)
_AT_ONCE = 1 << 18
LARGEST = 1e100
"""Numbers beyond have no third power, by which their skewness is told."""
SMALLEST = 1e-100
"""The third powers of smaller numbers are 0."""

_KINDS: dict[str, Kind] = {"binary": "binary", "count": "count", "float": "float"}

Read = tuple[npt.NDArray[Any], Kind]


def asked_kinds(kind: AskedKind | Mapping[str, AskedKind] | None, target: str | None) -> dict[str, AskedKind]:
    """Return the kind that is asked for, by outcome.

    Args:
        kind: A kind for the target, or kinds by outcome.
        target: The outcome to judge by.

    Raises:
        InputError: there is no such kind.
    """
    if kind is None:
        return {}
    asked = dict(kind) if isinstance(kind, Mapping) else _of_target(kind, target)
    for given in asked.values() if isinstance(kind, Mapping) else [kind]:
        if not isinstance(given, str) or given not in {"binary", "count", "float", "string"}:
            raise InputError(
                f"kind is {shown(given)}, must be 'binary', 'count', 'float' or 'string', or kinds by outcome."
            )
    return asked


def _of_target(kind: AskedKind, target: str | None) -> dict[str, AskedKind]:
    """Return a kind for the target; of a ratio or a quantile for what stands in it."""
    return {} if target is None else {base_of(part): kind for part in parse_outcome(target).names}


def base_of(name: str) -> str:
    """Return the outcome of `outcome=level`, or the name itself."""
    return name.partition("=")[0]


def split(name: str, known: Iterable[Any]) -> tuple[str, str | None]:
    """Return an outcome and its level, None for an outcome without; a known name that has an = in it is one."""
    base, equals, level = name.partition("=")
    return (base, level) if equals and name not in set(known) else (name, None)


def read_one(values: pd.Series, name: str, asked: Mapping[str, str], warnings: list[str]) -> Read:
    """Return the numbers of an outcome, or of a level of it.

    Args:
        values: What was written.
        name: The outcome, or `outcome=level`.
        asked: Kinds that are asked for.
        warnings: Gets what needs care.

    Raises:
        InputError: it holds text and no level is named, or there is no such level, or not the kind that is asked for.
    """
    base, level = split(name, [values.name])
    check_types(values, base)
    if level is not None:
        return _has_level(labels_of(values), base, level), "binary"
    if is_text(values, asked.get(base)):
        raise needs_level(base, _most_frequent(labels_of(values))[0])
    numbers, found = numbers_of(values, name, warnings)
    return numbers, as_asked(found, name, asked.get(base))


def read_all(values: pd.Series, name: str, asked: Mapping[str, str], warnings: list[str]) -> dict[str, Read]:
    """Return an outcome by its name; of one that holds text each of its most frequent levels. Arguments: `read_one`."""
    base, level = split(name, [values.name])
    check_types(values, base)
    if level is not None or not is_text(values, asked.get(base)):
        return {name: read_one(values, name, asked, warnings)}
    labels = labels_of(values)
    shown, rest = _most_frequent(labels)
    if rest:
        warnings.append(more_levels(base, rest))
    return {f"{base}={level}": (_has_level(labels, base, level), "binary") for level in shown}


def check_types(values: pd.Series, name: str) -> None:
    """Refuse what is neither a number nor text, such as dates and lists.

    Raises:
        InputError: there is such a value.
    """
    types = pd.api.types
    dtype = values.dtype
    if types.is_bool_dtype(dtype) or (types.is_numeric_dtype(dtype) and dtype.kind != "c"):
        return
    if isinstance(dtype, pd.StringDtype):
        return
    known = values.cat.categories if isinstance(values.dtype, pd.CategoricalDtype) else values.dropna()
    first: dict[type, Any] = {}
    for value in known:
        first.setdefault(type(value), value)
    for kind, value in first.items():
        if not issubclass(kind, _OUTCOME_TYPES):
            raise InputError(
                f"The outcome {name!r} holds values of type {kind.__name__}, e.g. {value!r}; must hold numbers, "
                "booleans or text. Of a date or a length of time give a number, e.g. seconds."
            )


def is_text(values: pd.Series, asked: str | None) -> bool:
    """Return whether an outcome is counted level by level: it is asked for, or it holds text that is no number."""
    if asked is not None:
        return asked == "string"
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        return False
    return any(isinstance(value, str) and number_in(value) is None for value in values.dropna().unique())


def _most_frequent(labels: pd.Series) -> tuple[list[str], int]:
    """Return the most frequent levels of an outcome, and how many others there are."""
    found = labels.value_counts()
    names = sorted((str(name) for name in found.index), key=lambda name: (-int(found[name]), name))
    return names[:MOST_LEVELS], max(0, len(names) - MOST_LEVELS)


def more_levels(name: str, rest: int) -> str:
    """Return the warning that not every level is shown."""
    return f"The outcome {name!r} has {rest:,} more levels than the {MOST_LEVELS} most frequent, which are shown."


def check_size(name: str, largest: float) -> None:
    """Refuse numbers whose variance no float can hold.

    Args:
        name: The outcome.
        largest: Its value that is farthest from 0, without sign.

    Raises:
        InputError: they are too large, or too small.
    """
    if largest > LARGEST or 0 < largest < SMALLEST:
        size, unit = ("large", "larger") if largest > LARGEST else ("small", "smaller")
        raise InputError(
            f"The outcome {name!r} has values about {largest:.1e}, too {size} to compare: give a {unit} unit."
        )


def needs_level(name: str, known: list[str]) -> InputError:
    """Return the error that asks for a level of a text."""
    shown = " or ".join(repr(f"{name}={level}") for level in known[:3])
    return InputError(
        f"The outcome {name!r} holds text, which has no mean: name the level that counts, e.g. outcome={shown}."
    )


def no_level(base: str, level: str, known: Iterable[str]) -> InputError:
    """Return the error that an outcome has no such level."""
    some = ", ".join(sorted(known)[:MOST_LEVELS])
    return InputError(f"The outcome {base!r} has no level {level!r}. It has: {some}.{did_you_mean(level, known)}")


def _has_level(labels: pd.Series, base: str, level: str) -> npt.NDArray[np.float64]:
    known = {str(label) for label in labels.dropna().unique()}
    if level not in known:
        raise no_level(base, level, known)
    return np.asarray((labels == level).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan))


def labels_of(values: pd.Series) -> pd.Series:
    """Return values as text: whole numbers without a point, true and false."""
    codes, different = pd.factorize(values)
    written = np.array([*map(label_of, np.asarray(different)), None], dtype=object)
    return pd.Series(written[codes], index=values.index, name=values.name, dtype="string")


def numbers_of(values: pd.Series, name: str, warnings: list[str] | None = None) -> Read:
    """Return a column's numbers, in their own type where that is numpy's, and their kind."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        numbers = values.to_numpy()
        return numbers, "binary" if values.dtype.kind == "b" else kind_of(numbers, name)
    if pd.api.types.is_bool_dtype(values.dtype):
        return values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), "binary"
    types = {type(value) for value in values.dropna()} if values.dtype == object else set()
    if len(types & {bool, np.bool_, str}) and len(types) > 1 and warnings is not None:
        names = ", ".join(sorted(type_.__name__ for type_ in types))
        warnings.append(f"The outcome {name!r} holds values of several types ({names}); all are read as numbers.")
    # Each different value is read once.
    codes, different = pd.factorize(values)
    if words := [value for value in different if isinstance(value, str) and number_in(value) is None]:
        raise holds_words(name, words[0])
    numbers = np.array([*map(number_of, different), np.nan], dtype=np.float64)[codes]
    return numbers, kind_of(numbers, name)


def holds_words(name: str, word: str) -> InputError:
    """Return the error that numbers are asked for of an outcome that holds text."""
    return InputError(f"The outcome {name!r} holds text, e.g. {word!r}; must hold numbers or booleans.")


def as_asked(found: Kind, name: str, asked: str | None) -> Kind:
    """Return the kind that an outcome is read as: what it was found to be, unless another one is asked for.

    Raises:
        InputError: a count is asked for, and not all values are whole numbers from 0 on.
    """
    if asked == "count" and found == "float":
        raise InputError(
            f"kind is 'count', but the outcome {name!r} has values below 0 or with a fraction. Give kind='float'."
        )
    return _KINDS.get(asked or "", found)


def kind_of(numbers: npt.NDArray[Any], name: str) -> Kind:
    """Return the kind of numbers: binary if all are 0 or 1, count if all are whole and none below 0.

    Raises:
        InputError: numbers are so large or so small that their squares are none.
    """
    least, largest, whole = math.inf, -math.inf, True
    for first in range(0, len(numbers), _AT_ONCE):
        part = numbers[first : first + _AT_ONCE]
        if part.dtype.kind == "f":
            part = part[np.isfinite(part)]
            whole = whole and bool((part == np.floor(part)).all())
        if len(part):
            least, largest = min(least, float(part.min())), max(largest, float(part.max()))
    if least <= largest:
        check_size(name, max(-least, largest))
    return "float" if not whole or not 0 <= least <= largest else "binary" if largest <= 1 else "count"
