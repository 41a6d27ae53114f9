"""What the values of an arm come to: counts, sums, sums of squares and cubes, also where callers call more than once."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

PLAIN = 3
"""Rows of the moments of a rate: number, sum, sum of squares. A rate's cubes are its sums."""
WITH_CUBES = 4
"""Rows of those of numbers, the sum of cubes beside them."""
OF_UNITS = 10
"""Rows where sessions of one unit (a caller) go together: see `Moments`."""


class Moments(NamedTuple):
    """What an arm's values come to; a plain tuple of the first three will do wherever moments are taken.

    Values far from 0 (seconds since 1970) would leave no digits for their variance: what is summed is their distance
    from a value near them. An arm's first value is near enough whatever follows, since it is part of the variance.

    Where sessions of one unit (a caller who calls again) go together, squares and cubes are those of the units' sums.

    Attributes:
        n: Number of values, any shape.
        total: Sum of their distances from the centre, the same shape.
        squares: Sum of the squares of these.
        centre: What they are measured from.
        cubes: Sum of their third powers; None where it is not known.
        cross: Of units: sum of the number of a unit's values times their sum; None without units.
        sizes: Of units: sum of the squared number of values.
        units: Number of units; None without units, where each session is one.
        cross_squares: Of units: sum of the number of a unit's values times the square of their sum.
        sizes_cross: Of units: sum of the squared number times their sum.
        sizes_cubes: Of units: sum of the third power of the number.
    """

    n: Any
    total: Any
    squares: Any
    centre: Any = 0.0
    cubes: Any = None
    cross: Any = None
    sizes: Any = None
    units: Any = None
    cross_squares: Any = None
    sizes_cross: Any = None
    sizes_cubes: Any = None

    @property
    def independent(self) -> Any:
        """Number of units, or of values where each is one: what says how well a variance is known."""
        return self.n if self.units is None else self.units

    @property
    def within(self) -> Any:
        """Sum of squares around the mean, of the units' sums; anything where there is no value."""
        if self.cross is None:
            # Rounding can leave it a hair below 0 where the values hardly differ.
            return np.maximum(self.squares - self.total**2 / self.n, 0.0)
        # The sum over units of (sum of the unit - its number x the mean) squared, multiplied out: a unit counts as one
        # observation, of whatever size, and the mean is still that of all sessions.
        mean = self.total / self.n
        return np.maximum(self.squares - 2 * mean * self.cross + mean**2 * self.sizes, 0.0)

    @property
    def variance_of_mean(self) -> Any:
        """Squared standard error of the mean, robust against units whose values go together (CR1); NaN for one unit."""
        g = np.asarray(self.independent)
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.within / self.n**2 * (g / (g - 1))

    @property
    def third(self) -> Any:
        """Sum of third powers around the mean, of the units' sums; 0 where cubes are not known."""
        if self.cubes is None:
            return np.zeros_like(self.total)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = self.total / self.n
        if self.cross_squares is not None:
            # As `within`: of each unit's sum less its number x the mean, so that units of many sessions are no skewness.
            linear = self.cubes - 3 * mean * self.cross_squares
            return linear + 3 * mean**2 * self.sizes_cross - mean**3 * self.sizes_cubes
        return self.cubes - 3 * mean * self.squares + 3 * mean**2 * self.total - mean * mean * mean * self.n


def moments_of(parts: Floats, centre: Any) -> Moments:
    """Return the moments of an arm from their rows.

    Args:
        parts: Number, sum, sum of squares; for numbers the sum of cubes; with units what follows in `Moments` too:
            shape (3, ...), (4, ...) or (10, ...).
        centre: What the values are measured from.
    """
    n, total, squares = parts[:PLAIN]
    if len(parts) == PLAIN:
        return Moments(n, total, squares, centre, total)
    return Moments(n, total, squares, centre, *parts[PLAIN:])


def powers(values: Floats, rows: int) -> list[Floats]:
    """Return what values add to each row of moments, those of units left out: 1, v, v^2 and v^3."""
    squares = values * values
    # Not a power of 3, whose last digit need not be that of a single number's.
    return [np.ones_like(values), values, squares, squares * values][: min(rows, WITH_CUBES)]


def means(arm: Moments) -> Floats:
    """Return the mean of an arm, 0 where it is empty."""
    arm = Moments(*arm)
    mean: Floats = _mean_distance(arm.n, arm.total) + np.where(np.asarray(arm.n) > 0, arm.centre, 0.0)
    return mean


def difference(a: Moments, b: Moments) -> Floats:
    """Return mean of a minus mean of b, to more digits than the means have where they are far from 0."""
    a, b = Moments(*a), Moments(*b)
    apart: Floats = (_mean_distance(a.n, a.total) - _mean_distance(b.n, b.total)) + (a.centre - b.centre)
    return apart


def _mean_distance(n: Any, total: Any) -> Floats:
    mean: Floats = np.divide(total, n, out=np.zeros_like(total, dtype=np.float64), where=np.asarray(n) > 0)
    return mean
