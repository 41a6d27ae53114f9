"""Callers who call again: the units that sessions belong to."""

import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.base.errors import InputError

Ints = npt.NDArray[np.int64]

_LIKE_A_CALLER = re.compile(
    r"^(caller|customer|user|client|patient|contact|member|account|visitor|person|phone|ani|msisdn|from)"
    r"(_?(id|number|no|key|hash|phone))?$",
    re.IGNORECASE,
)


RETURNING = "the unit was first seen in an earlier epoch of weights: left out"
"""Why a session is excluded: its variant was drawn under the weights of another epoch."""


def units_of(column: pd.Series, name: str, warnings: list[str]) -> Ints:
    """Return the unit of each session, numbered from 0 on; one without an id is its own.

    Args:
        column: The ids.
        name: What they are called.
        warnings: Joined by a sentence where ids are missing, or none comes twice.

    Raises:
        InputError: it is the id of the session.
    """
    codes, different = codes_of(column, name)
    unknown = codes < 0
    if unknown.any():
        codes = np.where(unknown, different + np.cumsum(unknown) - 1, codes)
    units = different + int(unknown.sum())
    warnings += about_units(name, int(unknown.sum()), units, len(codes))
    return np.asarray(codes, dtype=np.int64)


def codes_of(column: pd.Series, name: str) -> tuple[Ints, int]:
    """Return the number of each session's unit, -1 where it has no id, and how many units with an id there are.

    Raises:
        InputError: it is the id of the session, or holds no ids.
    """
    check_unit(name)
    try:
        codes, different = pd.factorize(column)
    except TypeError:
        raise no_ids(name) from None
    return np.asarray(codes, dtype=np.int64), len(different)


def check_unit(name: str) -> None:
    """Refuse the session's own id as a unit.

    Raises:
        InputError: it is that.
    """
    if name == "session_id":
        raise InputError(
            "unit='session_id' names each session, not who called: give the column of the caller, such as 'caller_id', or "
            "leave unit out if nobody calls twice."
        )


def no_ids(name: str) -> InputError:
    """Return the error that a column holds nothing that could be an id."""
    return InputError(f"The unit {name!r} holds lists or dicts: give a column of ids, text or numbers.")


def about_units(name: str, unknown: int, units: int, sessions: int) -> list[str]:
    """Return a sentence where ids are missing, and one where none comes twice.

    Args:
        name: What the ids are called.
        unknown: Sessions without one.
        units: Units, such sessions among them.
        sessions: All sessions.
    """
    found = []
    if unknown:
        found.append(f"{unknown:,} sessions have no {name}: each is taken for a caller of its own.")
    if sessions and units == sessions:
        found.append(f"No {name} comes twice: unit={name!r} changes nothing, if it isn't the id of the session.")
    return found


def as_first_assigned(
    arms: npt.NDArray[np.integer], units: Ints, name: str, warnings: list[str]
) -> npt.NDArray[np.integer]:
    """Return the arm that each session's unit got at first; units that got another later are counted in a sentence."""
    n = int(units.max(initial=-1)) + 1
    # Written from the last session to the first, so that what stays is each unit's first.
    first = np.zeros(n, dtype=arms.dtype)
    first[units[::-1]] = arms[::-1]
    assigned = first[units]
    changed = arms != assigned
    if changed.any():
        warnings.append(about_changes(name, len(np.unique(units[changed])), n, int(changed.sum())))
    return np.asarray(assigned)


def about_changes(name: str, changed: int, units: int, sessions: int) -> str:
    """Return the sentence that units changed their variant, in so many sessions."""
    return (
        f"{changed:,} of {units:,} units ({name}) got another variant later, in {sessions:,} sessions: all of theirs are "
        "analysed as first assigned."
    )


def looks_like_callers(frame: pd.DataFrame, named: Iterable[str | None]) -> str | None:
    """Return a sentence if a column looks like who called, and some called more than once; `named` are other columns."""
    for column in map(str, frame.columns):
        if column in set(named) or not _LIKE_A_CALLER.match(column):
            continue
        try:
            ids = frame[column].dropna()
            again = int(ids.duplicated().sum())
        except (TypeError, ArithmeticError):  # lists, a signalling NaN: nobody asked for this column
            continue
        # As many ids as there may be of people; a column of a few kinds of callers is none.
        if again and ids.nunique() > max(20, len(ids) // 20):
            return (
                f"The column {column!r} looks like who called, and {again:,} sessions are calls of somebody who had called "
                f"before. If a caller keeps the variant, give unit={column!r}: else such sessions count for more than they say."
            )
    return None
