"""Whether what one test does hangs on the variant of another: the difference of differences, valid at every look.

Both tests draw at random, so that each one's own answer holds whatever the other does: it is an average over the other's
variants. How far that average is from what happens beside a single one of them is the interaction.

    (mean of variant with the other's variant - mean of baseline with it) - (the same with the other's baseline)

The evidence is that of means without a horizon, a normal mixture (Robbins 1970; see `eprocess`), over the larger of the
error with one common variance and that of four; rates count with one success and one failure more in each of the four
(Agresti & Caffo 2000), so that a cell without any success has an error. Sessions are compared within epochs of constant
weights, each weighted by the information that it brings.
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import eprocess

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BURN_IN = eprocess.BURN_IN
"""Sessions that each of the four cells needs."""


class Interaction(NamedTuple):
    """A difference of differences.

    Attributes:
        sessions: Sessions that it rests on.
        difference: The estimate; None where a cell has too few sessions, or nothing varies.
        lower: Lower end of its interval that holds at every look.
        upper: Upper end.
        p_value: Valid at every look.
    """

    sessions: int
    difference: float | None = None
    lower: float | None = None
    upper: float | None = None
    p_value: float | None = None


def interaction(
    values: Floats, first: Ints, second: Ints, epochs: Ints, kind: str, expected_stop: float, alpha: float = 0.05
) -> Interaction:
    """Return the interaction of two pairs of variants.

    Args:
        values: The outcome of each session, shape (T,).
        first: 1 for the first test's variant, 0 for its baseline, shape (T,).
        second: 1 for the other test's variant, 0 for its baseline, shape (T,).
        epochs: Epoch of constant weights of each session, whole numbers from 0 on, shape (T,).
        kind: `binary`, `count` or `float`.
        expected_stop: Sessions at which it is most sensitive.
        alpha: Error of the interval.
    """
    n_epochs = int(epochs.max()) + 1 if len(epochs) else 0
    cell = (epochs * 2 + first) * 2 + second
    # From a value near them, which cancels in a difference of differences; of a rate the hits are needed as they are.
    centre = float(values.mean()) if len(values) and kind != "binary" else 0.0
    n, total, squares = (
        np.bincount(cell, weights=power, minlength=4 * n_epochs).reshape(n_epochs, 4)
        for power in (np.ones_like(values), values - centre, (values - centre) ** 2)
    )
    unknown = Interaction(len(values))
    if not len(values) or n.sum(axis=0).min() < BURN_IN:
        return unknown
    usable = n.min(axis=1) >= (1 if kind == "binary" else 2)
    n, total, squares = n[usable], total[usable], squares[usable]
    if not len(n):
        return unknown
    apart, variance = _of_epochs(n, total, squares, kind)
    information = 1 / (1 / n).sum(axis=1)
    weight = information / information.sum()
    estimate, se = float(weight @ apart), math.sqrt(float(weight**2 @ variance))
    if se <= 0:
        return unknown
    g = eprocess.prior_weight(expected_stop)
    sessions = float(n.sum())
    low, high = eprocess.confidence_sequence(estimate, se, sessions, g, alpha)
    log_e = 0.5 * math.log(g / (g + sessions)) + 0.5 * (estimate / se) ** 2 * sessions / (sessions + g)
    return Interaction(int(sessions), estimate, float(low), float(high), math.exp(-max(0.0, log_e)))


def _of_epochs(n: Floats, total: Floats, squares: Floats, kind: str) -> tuple[Floats, Floats]:
    """Return the difference of differences within each epoch, and its squared standard error."""
    mean = total / n
    apart = mean[:, 3] - mean[:, 1] - mean[:, 2] + mean[:, 0]
    if kind == "binary":
        rate = (total + 1) / (n + 2)
        own = rate * (1 - rate)
        common = ((total.sum(axis=1) + 1) / (n.sum(axis=1) + 2))[:, None]
        pooled = np.broadcast_to(common * (1 - common), n.shape)
    else:
        within = np.maximum(squares - total**2 / n, 0.0)
        own = within / (n - 1)
        pooled = np.broadcast_to((within.sum(axis=1) / np.maximum(n.sum(axis=1) - 4, 1))[:, None], n.shape)
    return apart, np.maximum((own / n).sum(axis=1), (pooled / n).sum(axis=1))
