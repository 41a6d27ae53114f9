"""The criteria for e-values in one call each: `best` by closed testing, `vs_default` and `any_difference` by Holm.

The rules are those of `voicelab.stats.closed`: the current e-values are averaged over an intersection, then the largest
average so far counts. Here they take a chunk and the peaks of the chunks before.
"""

import numpy as np
import numpy.typing as npt

from voicelab.stats import closed

Floats = npt.NDArray[np.float64]
Peaks = dict[frozenset[closed.Pair], float]
"""Largest log E so far of every intersection, a set of ordered pairs; empty before the first session."""


def beats_all(log_e: Floats, peaks: Peaks | None = None) -> tuple[Floats, Peaks]:
    """Return, for each variant, the adjusted p-value of "it beats every other" after each session.

    Args:
        log_e: Log E of "the first beats the second" for every ordered pair, shape (T, k, k).
        peaks: Those that the call for the sessions before returned; they stay as they are.

    Returns:
        p-values of shape (k, T), and the new peaks.
    """
    length, k, _ = log_e.shape
    carried = dict(peaks or {})
    if k == 1 or not length:
        return np.ones((k, length)), carried
    running = closed.running_e(log_e, carried)
    return closed.best_by_e(running, k).T, carried


def two_sided(log_e: Floats, peaks: Peaks | None = None) -> tuple[Floats, Peaks]:
    """Return the p-value of "the two differ" for every pair after each session.

    A pair's two directions are averaged, not the better one taken: that would err in either direction.

    Args:
        log_e: As for `beats_all`.
        peaks: As for `beats_all`; peaks of one function are not for the other.

    Returns:
        Symmetric p-values of shape (T, k, k), 1 on the diagonal, and the new peaks.
    """
    length, k, _ = log_e.shape
    carried = dict(peaks or {})
    p = np.ones((length, k, k))
    for a in range(k):
        for b in range(a + 1, k):
            members = frozenset([(a, b), (b, a)])
            path = closed.mean_of_e(np.stack([log_e[:, a, b], log_e[:, b, a]]))
            path = np.maximum.accumulate(np.concatenate([[carried.get(members, 0.0)], path]))
            carried[members] = float(path[-1])
            p[:, a, b] = p[:, b, a] = np.exp(-path[1:])
    return p, carried


def vs_default(p: Floats, default: int) -> Floats:
    """Return Holm's adjusted p-values of each variant against the default.

    Args:
        p: Two-sided p-values of the pairs, shape (..., k, k).
        default: Arm of the default.

    Returns:
        p-values of shape (..., k - 1), in the order of the other arms.
    """
    others = [arm for arm in range(p.shape[-1]) if arm != default]
    return closed.holm(p[..., others, default])


def any_difference(p: Floats) -> Floats:
    """Return Holm's adjusted p-values of all pairs.

    Args:
        p: Two-sided p-values of the pairs, symmetric, shape (..., k, k).

    Returns:
        Symmetric p-values of the same shape, 1 on the diagonal.
    """
    first, second = np.triu_indices(p.shape[-1], 1)
    adjusted = np.ones_like(p)
    adjusted[..., first, second] = adjusted[..., second, first] = closed.holm(p[..., first, second])
    return adjusted
