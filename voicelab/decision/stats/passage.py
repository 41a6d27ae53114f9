"""When Brownian motion with drift first leaves a band: the closed forms behind `stagewise` and `forecast`.

B starts at 0 inside the band from -down to up. Without drift its chances follow from reflection: each path that has
crossed an edge has a mirror image that is as likely. A band has two edges, and mirrors that face each other show images
of images: hence a sum over all integers k, of which a few terms are enough. A drift weights each path by a factor that
depends on where and when it ends alone (Girsanov's theorem), so that the sum stays, and each term gets its factor.

Sources: Siegmund, Sequential Analysis, 1985, chapter III; Borodin & Salminen, Handbook of Brownian Motion, 2002.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NEGLIGIBLE = 4.5
"""Images further away than this many widths of the band, in standard deviations, are below a float's reach."""


# Every term is a product of something huge and something tiny when the drift is large: exp(2 drift up) alone is beyond
# a float at a drift of 160. Their logarithms are added before the exponential is taken, and no term exceeds 1.
#
# An uncertain drift needs no numerical integration: a term is exp(g drift) Phi(h drift - a), and of a normal drift that
# has a closed mean. g drift turns the normal's weight into that of a normal further on, which moves the mean by g times
# the variance, and Phi of a normal variable is Phi of its mean over sqrt(1 + its variance).
def crossing(drift: Any, up: Any, down: Any, time: Any, uncertainty: Any = 0.0) -> Floats:
    """Return the probability that Brownian motion reaches `up` within a time, and not `-down` before.

    Args:
        drift: Its drift for one unit of time; the mean of it if it is uncertain. Any shape that broadcasts, as the others.
        up: Distance of the upper edge, from 0 on.
        down: Distance of the lower edge, from 0 on; not both 0.
        time: How long, above 0.
        uncertainty: Variance of the drift, normally distributed; 0 if it is known.
    """
    from scipy.special import log_ndtr

    root = np.sqrt(time)
    # In units of the standard deviation that the time brings.
    drift, up, width = drift * root, up / root, (up + down) / root
    variance = uncertainty * root**2
    spread = np.sqrt(1 + variance)
    total = np.zeros(np.broadcast_shapes(*(np.shape(part) for part in (drift, up, width, variance))))
    for k in _images(width):
        # The k-th image of the upper edge; those beyond the lower edge are taken off.
        away, sign = np.abs(up + 2 * k * width), 1.0 if k >= 0 else -1.0
        for towards, weight in ((1.0, up - away), (-1.0, up + away)):
            log = weight * drift + weight**2 * variance / 2
            total = total + sign * np.exp(log + log_ndtr((towards * (drift + weight * variance) - away) / spread))
    # Rounding may leave it a hair outside.
    return np.clip(total, 0.0, 1.0)


def staying_above(drift: Any, level: Any, edge: Any) -> Floats:
    """Return the probability that Brownian motion stays between -edge and edge for one unit of time and ends above a level.

    Args:
        drift: Its drift for the unit of time.
        level: The level, between -edge and edge.
        edge: Distance of either edge, above 0.
    """
    from scipy.special import log_ndtr

    # On the side where both tails are small their difference keeps its digits, and nothing huge is multiplied by it.
    side = np.where(np.asarray(drift) > 0, 1.0, -1.0)
    total = np.zeros(np.broadcast_shapes(np.shape(drift), np.shape(level), np.shape(edge)))
    for k in _images(2 * edge):
        for image, sign in ((4 * k * edge, 1.0), ((4 * k + 2) * edge, -1.0)):
            tails = [log_ndtr(side * (end - image - drift)) for end in (edge, level)]
            total = total + sign * side * (np.exp(drift * image + tails[0]) - np.exp(drift * image + tails[1]))
    return np.clip(total, 0.0, 1.0)


def _images(width: Any) -> range:
    """Return which images count, for a band of so many standard deviations."""
    most = math.ceil(_NEGLIGIBLE / float(np.min(width)))
    return range(-most, most + 1)
