"""Ratios of two outcomes, such as word errors over words: by the delta method, linearised with the pooled ratio.

A session brings x above the line and y below it, and an arm's ratio is the sum of the one over that of the other. Sessions
are independent and x and y of one are not, so that what varies is u = x - R y of a session, R being the ratio of both arms
together, up to now. The mean of u over an arm, divided by that of y, is exactly how far the arm's ratio lies from R: means
of u are compared as any means are, with all that holds for skewed and heavy tailed values. Moments of u follow from sums of
products of x and y, so that every look costs the same, however R has changed since the last.

Sources: Cochran 1977 (ratio estimators); Deng, Knoblich & Lu 2018 (delta method in A/B tests).
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats.moments import Moments

Floats = npt.NDArray[np.float64]

BURN_IN = 10
"""Sessions with something below the line that an arm needs before its ratio is compared."""
OF_RATIO = 11
"""Rows of the moments of a ratio: see `RatioMoments`."""
_ROUNDING = 1e-11
"""Share of its parts' squares below which what is left of u is rounding: a ratio that is the same in every session."""


class RatioMoments(NamedTuple):
    """What an arm's values above and below the line come to; each field of one shape.

    Both are measured from a centre, as the values of `Moments` are.

    Attributes:
        n: Number of sessions.
        x: Sum of the values above the line.
        xx: Sum of their squares, and so on for every product up to the third order.
        empty: Sessions with 0 below the line.
        centre_x: What the values above the line are measured from.
        centre_y: What those below it are measured from.
    """

    n: Any
    x: Any
    xx: Any
    xxx: Any
    y: Any
    yy: Any
    yyy: Any
    xy: Any
    xxy: Any
    xyy: Any
    empty: Any
    centre_x: Any = 0.0
    centre_y: Any = 0.0

    @property
    def above(self) -> Any:
        """Sum above the line."""
        return self.x + self.n * self.centre_x

    @property
    def below(self) -> Any:
        """Sum below the line."""
        return self.y + self.n * self.centre_y

    @property
    def independent(self) -> Any:
        """Sessions with something below the line: those that say how much the ratio varies."""
        return self.n - self.empty

    @property
    def units(self) -> None:
        """Each session stands for itself."""
        return None


def ratio_rows(worth: Floats, values: Floats) -> list[Floats]:
    """Return what sessions add to each row of the moments of a ratio.

    Args:
        worth: Values above and below the line, measured from the centres, shape (T, 2).
        values: The values themselves.
    """
    x, y = worth[:, 0], worth[:, 1]
    xx, yy, xy = x * x, y * y, x * y
    empty = (values[:, 1] == 0) * 1.0
    return [np.ones_like(x), x, xx, xx * x, y, yy, yy * y, xy, xx * y, x * yy, empty]


def ratio_moments(parts: Floats, centres: Any) -> RatioMoments:
    """Return the moments of an arm from their rows, shape (11, ...), and the centres of both, shape (..., 2)."""
    centres = np.asarray(centres)
    rows: tuple[Any, ...] = tuple(parts)
    return RatioMoments._make((*rows, centres[..., 0], centres[..., 1]))


def by_pooled_ratio(a: Any, b: Any) -> tuple[Moments, Moments]:
    """Return the moments of two arms by which they are tested: of ratios linearised with their common ratio.

    Anything but ratios comes back as it is.
    """
    if not isinstance(a, RatioMoments):
        return a, b
    pooled = _over(a.above + b.above, a.below + b.below)
    return _linearised(a, pooled, BURN_IN), _linearised(b, pooled, BURN_IN)


def by_own_ratio(arm: Any) -> Moments:
    """Return the moments of an arm as they are shown: of a ratio linearised with the arm's own; others as they are."""
    return _linearised(arm, _over(arm.above, arm.below)) if isinstance(arm, RatioMoments) else arm


def _over(above: Any, below: Any) -> Floats:
    """Return a ratio, NaN where there is nothing below the line."""
    above, below = np.asarray(above, dtype=np.float64), np.asarray(below, dtype=np.float64)
    ratio: Floats = np.divide(above, below, out=np.full(np.shape(below), np.nan), where=below > 0)
    return ratio


def _linearised(arm: RatioMoments, ratio: Floats, enough: int = 1) -> Moments:
    """Return the moments of R + (x - R y) / (mean of y), whose mean is exactly the arm's ratio.

    No value while fewer sessions than are enough have anything below the line.
    """
    known = np.isfinite(ratio) & (np.asarray(arm.below) > 0) & (np.asarray(arm.independent) >= enough)
    r = np.where(known, ratio, 0.0)
    n = np.where(known, arm.n, 0.0)
    scale = np.where(known, arm.below, 1.0) / np.where(known, arm.n, 1.0)
    total = arm.x - r * arm.y
    squares = arm.xx - 2 * r * arm.xy + r * r * arm.yy
    cubes = arm.xxx - 3 * r * arm.xxy + 3 * r * r * arm.xyy - r * r * r * arm.yyy
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(n > 0, total / np.where(n > 0, n, 1.0), 0.0)
        # Around their mean, and in one stroke: nothing of what is subtracted later is lost to rounding now.
        within = squares - n * mean * mean
        third = cubes - 3 * mean * squares + 2 * n * mean * mean * mean
    varies = within > _ROUNDING * (arm.xx + r * r * arm.yy + n * mean * mean)
    within, third = np.where(varies, within, 0.0), np.where(varies, third, 0.0)
    centre = r + (mean + arm.centre_x - r * arm.centre_y) / scale
    nothing = np.zeros_like(within)
    return Moments(
        n,
        nothing,
        np.where(known, within / scale**2, 0.0),
        np.where(known, centre, 0.0),
        np.where(known, third / scale**3, 0.0),
    )
