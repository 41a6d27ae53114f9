"""The values that an outcome can have: declared bounds, and caps beyond which a value counts as the cap."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError

Floats = npt.NDArray[np.float64]

_ROUNDING = 1e-9


@dataclass(frozen=True)
class OutcomeLimits:
    """Declared limits of an outcome.

    Args:
        bounds: Lowest and highest value that there can be.
        cap: Value above which an outcome counts as this one, with 0 as the lowest; or both ends.

    Raises:
        InputError: they are no pair of different numbers in order, or both are given.
    """

    bounds: tuple[float, float] | None = None
    cap: float | tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.bounds is not None and self.cap is not None:
            raise InputError(
                "bounds and cap are both given: bounds say that no value lies beyond them, a cap cuts those that do."
            )
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _pair("bounds", self.bounds, "(1, 5)"))
        if self.cap is not None:
            both = self.cap if isinstance(self.cap, tuple | list) else (0.0, self.cap)
            object.__setattr__(self, "cap", _pair("cap", both, "600, or (0, 600)"))

    @property
    def ends(self) -> tuple[float, float] | None:
        """Lowest and highest value that counts; None if nothing is declared."""
        return self.bounds if self.cap is None else self.cap  # type: ignore[return-value]  # a pair since it was checked

    @property
    def words(self) -> str:
        """What is to be added to the name of the outcome; empty without a cap."""
        if self.cap is None:
            return ""
        low, high = self.ends or (0.0, 0.0)
        return f" capped at {high:g}" if not low else f" capped to {low:g} to {high:g}"

    def applied(self, values: Floats) -> Floats:
        """Return the values as they count.

        Args:
            values: Any shape; NaN stays.

        Raises:
            InputError: a value lies beyond the bounds.
        """
        if self.ends is None:
            return values
        low, high = self.ends
        if self.cap is not None:
            return np.clip(values, low, high)
        room = _ROUNDING * (high - low)
        beyond = (values < low - room) | (values > high + room)
        if beyond.any():
            raise InputError(
                f"{int(beyond.sum()):,} values lie beyond the bounds {low:g} to {high:g}, e.g. {float(values[beyond][0]):g}. "
                "Give bounds that hold for every value, or cap=... to cut what lies beyond."
            )
        return np.clip(values, low, high)


def _pair(what: str, given: Given, example: str) -> tuple[float, float]:
    pair = tuple(given) if isinstance(given, tuple | list) else ()
    numbers = all(
        isinstance(end, int | float | np.number) and not isinstance(end, bool) and math.isfinite(end) for end in pair
    )
    if len(pair) != 2 or not numbers or not pair[0] < pair[1]:  # noqa: PLR2004 - a pair
        raise InputError(f"{what} is {given!r}, must be the lowest and the highest value, e.g. {what}={example}.")
    return float(pair[0]), float(pair[1])
