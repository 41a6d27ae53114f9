"""Sessions as a monitor takes them, and the checks of one that a service hands over."""

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.rules import Kind, quantile_of

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_ROUNDING = 1e-6
"""How far probabilities may be from adding up to 1."""


class Fed(NamedTuple):
    """Counted sessions in order.

    Attributes:
        arms: Arm of each session, shape (T,).
        crashed: Whether it ended with status `error`.
        units: Its unit, a whole number from 0 on; None without units.
        probabilities: The probability of every arm in it, shape (T, k); None where the weights say it.
    """

    arms: Ints
    crashed: Bools
    units: Ints | None = None
    probabilities: Floats | None = None

    def first(self, n: int) -> "Fed":
        """Return the first n of them."""
        return Fed(*(None if part is None else part[:n] for part in self))  # type: ignore[arg-type]  # as they were


_KINDS = ("binary", "count", "float", "ratio")


def checked_kind(kind: Any) -> Kind:
    """Return a kind of outcomes.

    Raises:
        InputError: it is none.
    """
    if isinstance(kind, str) and (kind in _KINDS or quantile_of(kind) is not None):
        return kind  # type: ignore[return-value]  # as it was just seen
    raise InputError(f"kind is {shown(kind)}, must be {', '.join(map(repr, _KINDS))}, or a quantile such as 'p95'.")


def check_form(kind: Kind, limits: OutcomeLimits, *, with_units: bool, with_probabilities: bool) -> None:
    """Refuse what a ratio or a quantile can't be asked with.

    Raises:
        InputError: units, bounds, a cap, or probabilities of each session.
    """
    if kind in {"binary", "count", "float"}:
        return
    what = "A ratio" if kind == "ratio" else f"A quantile ({kind})"
    if with_units:
        way_out = (
            "give one row a caller with the sums of both, whose ratio is the same"
            if kind == "ratio"
            else "keep the first session of each caller"
        )
        raise InputError(f"{what} can't be judged by units (unit=...): {way_out}.")
    if limits.ends is not None:
        raise InputError(f"{what} has no use for bounds= and cap=, which are for means: leave them out.")
    if with_probabilities:
        raise InputError(
            f"{what} can't be compared where each session has probabilities of its own: judge by a rate, or under weights "
            "that stay."
        )


def level_of(counted: Floats) -> Floats:
    """Return what each session says of the level of the outcome: of a ratio its own, NaN where nothing is below the line."""
    if counted.ndim == 1:
        return counted
    above, below = counted.T
    level: Floats = np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0)
    return level


def checked_value(value: Any) -> float:
    """Return what a session wrote as a number; NaN for nothing.

    Raises:
        InputError: it is no number.
    """
    try:
        if not isinstance(value, str | bytes):
            return math.nan if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"The value is {value!r}, must be a number, a boolean or None.")


def checked_parts(value: Any) -> tuple[float, float]:
    """Return what a session wrote above and below the line of a ratio; NaN for nothing.

    Raises:
        InputError: it is no pair, or below 0 below the line.
    """
    if value is None:
        return math.nan, math.nan
    parts = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(parts, tuple | list) or len(parts) != 2:  # noqa: PLR2004 - above and below the line
        raise InputError(
            f"The value is {shown(value)}, must be a pair for a ratio: what is above and below the line, e.g. (3, 40)."
        )
    above, below = map(checked_value, parts)
    check_denominators("the value", np.array([below]))
    return above, below


def check_denominators(name: str, below: Floats) -> None:
    """Check that nothing below the line of a ratio is below 0: ratios of sums mean nothing then.

    Raises:
        InputError: something is.
    """
    negative = below < 0
    if negative.any():
        n = int(negative.sum())
        raise InputError(
            f"The denominator of {name} is below 0 in {n:,} session{'' if n == 1 else 's'}, e.g. {float(below[negative][0]):g}: "
            "a ratio is of sums, and what it is counted by must be 0 or more (words, seconds, turns)."
        )


def check_count(value: float) -> None:
    """Check that a count is one.

    Raises:
        InputError: it is below 0, or not whole.
    """
    if math.isfinite(value) and (value < 0 or value != math.floor(value)):
        raise InputError(
            f"The value is {value:g}, must be a whole number from 0 on: the outcome is a count. Is it a float?"
        )


def checked_unit(unit: Any) -> Hashable:
    """Return what a session belongs to.

    Raises:
        InputError: it is nothing, or neither text nor a number.
    """
    if isinstance(unit, np.generic):
        unit = unit.item()
    # What JSON gives back as it was.
    if not isinstance(unit, str | int | float) or (isinstance(unit, float) and not math.isfinite(unit)):
        raise InputError(f"The session's unit is {unit!r}: give unit=..., text or a number such as the caller's id.")
    return unit


def checked_probabilities(given: Mapping[Any, Any] | None, variants: Sequence[str], arm: int) -> Floats:
    """Return the probability of every arm in a session, shape (1, k).

    Raises:
        InputError: they are not one for each variant from 0 to 1, don't add up to 1, or that of its own arm is 0.
    """
    if not isinstance(given, Mapping):
        raise InputError(f"probabilities is {given!r}, must be the probability of each variant by its name.")
    named = {str(variant): p for variant, p in given.items()}
    if set(named) != set(variants):
        raise InputError(f"probabilities names {sorted(named)}: name each variant ({', '.join(variants)}).")
    row = np.array([[checked_value(named[variant]) for variant in variants]])
    if not (row >= 0).all() or abs(row.sum() - 1) > _ROUNDING:
        raise InputError(
            f"The probabilities {named} add up to {row.sum():g}: they must be from 0 to 1 and add up to 1."
        )
    if not row[0, arm]:
        raise InputError(f"The session could not have got {variants[arm]!r}: its probability is 0.")
    return row
