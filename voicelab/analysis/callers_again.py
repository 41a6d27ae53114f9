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


def units_of(column: pd.Series, name: str, warnings: list[str]) -> Ints:
    """Return the unit of each session, numbered from 0 in order of appearance; one without an id is its own.

    Args:
        column: The ids.
        name: What they are called.
        warnings: Joined by a sentence where ids are missing, or none comes twice.

    Raises:
        InputError: it is the id of the session.
    """
    if name == "session_id":
        raise InputError(
            "unit='session_id' names each session, not who called: give the column of the caller, such as 'caller_id', or "
            "leave unit out if nobody calls twice."
        )
    try:
        codes, different = pd.factorize(column)
    except TypeError:
        raise InputError(f"The unit {name!r} holds lists or dicts: give a column of ids, text or numbers.") from None
    unknown = codes < 0
    if unknown.any():
        warnings.append(f"{int(unknown.sum()):,} sessions have no {name}: each is taken for a caller of its own.")
        codes = np.where(unknown, len(different) + np.cumsum(unknown) - 1, codes)
    if len(codes) and int(codes.max()) + 1 == len(codes):
        warnings.append(f"No {name} comes twice: unit={name!r} changes nothing, if it isn't the id of the session.")
    return np.asarray(codes, dtype=np.int64)


def as_first_assigned(
    arms: npt.NDArray[np.integer], units: Ints, name: str, warnings: list[str]
) -> npt.NDArray[np.integer]:
    """Return the arm that each session's unit got at first; units that got another later are counted in a sentence."""
    _, first = np.unique(units, return_index=True)
    assigned = arms[first][units]
    changed = arms != assigned
    if changed.any():
        who = len(np.unique(units[changed]))
        warnings.append(
            f"{who:,} of {len(first):,} units ({name}) got another variant later, in {int(changed.sum()):,} sessions: all of "
            "theirs are analysed as first assigned."
        )
    return np.asarray(assigned)


def looks_like_callers(frame: pd.DataFrame, named: Iterable[str | None]) -> str | None:
    """Return a sentence if a column looks like who called, and some called more than once; `named` are other columns."""
    for column in map(str, frame.columns):
        if column in set(named) or not _LIKE_A_CALLER.match(column):
            continue
        ids = frame[column].dropna()
        try:
            again = int(ids.duplicated().sum())
        except TypeError:
            continue
        # As many ids as there may be of people; a column of a few kinds of callers is none.
        if again and ids.nunique() > max(20, len(ids) // 20):
            return (
                f"The column {column!r} looks like who called, and {again:,} sessions are calls of somebody who had called "
                f"before. If a caller keeps the variant, give unit={column!r}: else such sessions count for more than they say."
            )
    return None
