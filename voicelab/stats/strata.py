"""Comparing two arms over epochs of different weights: only differences within an epoch count.

Pooled over epochs, a base rate that drifts while the weights change looks like a difference between the arms. Here each
epoch's difference counts by its information n_a n_b / (n_a + n_b), and so does its standard error.
Source: Cochran 1954; Mantel & Haenszel 1959.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.stats import compare
from voicelab.stats.compare import Moments

Floats = npt.NDArray[np.float64]


class Stratified(NamedTuple):
    """A comparison over epochs; each of any one shape.

    Attributes:
        difference: Mean of the first arm minus mean of the second, averaged over epochs by information.
        se: Its standard error.
        information: Sum of n_a n_b / (n_a + n_b) over epochs.
        z: difference / se; 0 during the burn-in and without variation.
    """

    difference: Floats
    se: Floats
    information: Floats
    z: Floats


def stratify(moments: Floats, a: int, b: int, kind: str) -> Stratified:
    """Compare two arms over epochs.

    The burn-in is that of `compare.z_statistic`, over all epochs that count. An epoch of counts or floats counts once
    each arm has two sessions in it: before, it would bring a difference whose error nobody knows.

    Args:
        moments: Number, sum and sum of squares of each epoch's arms, shape (E, 3, ..., k).
        a: The first arm.
        b: The second arm.
        kind: `binary`, `count` or `float`.

    Returns:
        Arrays of the shape that stands for the dots.
    """
    one, other = _moments(moments, a), _moments(moments, b)
    fewest = 1 if kind == "binary" else 2
    counts = np.minimum(one[0], other[0]) >= fewest
    share = np.where(counts, compare.information(one[0], other[0]), 0.0)
    difference = compare.means(one) - compare.means(other)
    se = compare.standard_error(one, other, kind)
    information = share.sum(axis=0)
    known = information > 0
    mean = _divide((share * difference).sum(axis=0), information, known)
    error = _divide(np.sqrt(((share * se) ** 2).sum(axis=0)), information, known)
    sessions = [np.where(counts, arm[0], 0.0).sum(axis=0) for arm in (one, other)]
    ready = (np.minimum(*sessions) >= compare.BURN_IN[kind]) & (error > 0)
    return Stratified(mean, error, information, _divide(mean, error, ready))


def _moments(moments: Floats, arm: int) -> Moments:
    moments = np.asarray(moments, dtype=np.float64)
    return moments[:, 0, ..., arm], moments[:, 1, ..., arm], moments[:, 2, ..., arm]


def _divide(above: Floats, below: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=where)
