"""What a rule asks of the pairs: that one variant beats every other, or the default, or that any two differ."""

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import closed

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def stopping_p_value(pairs: Floats, best: Floats, criterion: str, default: int) -> Floats:
    """Return the p-value by which a criterion is reached, shape (C,).

    Args:
        pairs: p-value of "the first beats the second" for every ordered pair, shape (C, k, k).
        best: Adjusted p-value of "it beats every other" for each variant, shape (C, k).
        criterion: `best`, `vs_default` or `any_difference`.
        default: Arm of the default.
    """
    k = pairs.shape[1]
    if criterion == "best":
        return np.asarray(best.min(axis=1))
    if criterion == "any_difference":
        return np.asarray(np.minimum(1.0, pairs.min(axis=(1, 2)) * (k * (k - 1) / 2)))
    others = [arm for arm in range(k) if arm != default]
    return _by_default(pairs[:, others, default], pairs[:, default, others])


def _by_default(above: Floats, below: Floats) -> Floats:
    """Return the p-value of "some variant beats the default, or it beats them all" from those of both directions."""
    up, adjusted = above <= below, closed.holm(np.minimum(above, below))
    some = np.where(up, adjusted, 1.0).min(axis=1)
    none = np.where(up.any(axis=1), 1.0, adjusted.max(axis=1))
    return np.asarray(np.minimum(some, none))


def against_default(pairs: Floats, default: int) -> tuple[Bools, Floats]:
    """Return which variants lie above the default, and Holm's adjusted p-values, both (C, k - 1)."""
    others = [arm for arm in range(pairs.shape[1]) if arm != default]
    above, below = pairs[:, others, default], pairs[:, default, others]
    return above <= below, closed.holm(np.minimum(above, below))


def winners_against_default(pairs: Floats, default: int, alpha: float) -> list[int]:
    """Return the arms that beat the default, or the default if it beats every other.

    Args:
        pairs: p-value of "the first beats the second" for every ordered pair, shape (k, k).
        default: Arm of the default.
        alpha: Error probability.
    """
    up, adjusted = (part[0] for part in against_default(pairs[np.newaxis], default))
    others = [arm for arm in range(len(pairs)) if arm != default]
    better = [arm for arm, above, p in zip(others, up, adjusted, strict=True) if above and p <= alpha]
    if better:
        return better
    return [default] if not up.any() and adjusted.max() <= alpha else []


def adjusted_p_values(pairs: Floats, criterion: str, default: int) -> Floats:
    """Return, for each pair, the p-value of the direction that the data points to, adjusted for the other pairs.

    By closed testing where the leader must beat every rival, else by Holm's method over the pairs that count.

    Args:
        pairs: p-value of "the first beats the second" for every ordered pair, shape (k, k).
        criterion: `best`, `vs_default` or `any_difference`.
        default: Arm of the default.

    Returns:
        Array of shape (k, k), symmetric, 1 on the diagonal.
    """
    k = len(pairs)
    adjusted = np.ones((k, k))
    i, j = np.triu_indices(k, 1)
    either = np.minimum(pairs[i, j], pairs[j, i])
    if criterion != "best":
        adjusted[i, j] = closed.holm(either)
    elif k > closed.MOST_ENUMERATED:
        best = best_of_many(pairs)
        by_pairs = np.minimum(1.0, closed.shaffer(either, k) / (1 - closed.SHARE_OF_BEST))
        adjusted[i, j] = np.minimum(by_pairs, np.minimum(best[i], best[j]))
    else:
        adjusted[i, j] = closed.either_beats(pairs)
    if criterion == "vs_default":
        others = [arm for arm in range(k) if arm != default]
        to_default = against_default(pairs[np.newaxis], default)[1][0]
        for arm, p in zip(others, to_default, strict=True):
            adjusted[min(arm, default), max(arm, default)] = p
    adjusted[j, i] = adjusted[i, j]
    return adjusted


# --- many variants ---------------------------------------------------------------------------------------------------
# A p-value falls as a pair comes further, so the smallest of several is that of the furthest: what decides is looked
# for among how far the pairs came, and only that is turned into a p-value.
def best_of_many(pairs: Floats) -> Floats:
    """Return the adjusted p-values of "it beats every other" above `closed.MOST_ENUMERATED` variants, shape (k,)."""
    to_rivals = np.where(np.eye(len(pairs), dtype=np.bool_), 0.0, pairs)
    return np.asarray(np.minimum(1.0, to_rivals.max(axis=1) / closed.SHARE_OF_BEST))


def decisive_peaks(peaks: Floats, criterion: str, default: int) -> Floats:
    """Return those of the pairs' peaks that decide, shape (C, m).

    Args:
        peaks: How far each ordered pair came, 0 on the diagonal, shape (C, k, k); overwritten.
        criterion: `best`, `vs_default` or `any_difference`.
        default: Arm of the default.
    """
    n, k = peaks.shape[:2]
    if criterion == "best":
        peaks.reshape(n, -1)[:, :: k + 1] = np.inf
        return np.asarray(peaks.min(axis=2).max(axis=1, keepdims=True))
    if criterion == "any_difference":
        return np.asarray(peaks.reshape(n, -1).max(axis=1, keepdims=True))
    others = [arm for arm in range(k) if arm != default]
    return np.concatenate([peaks[:, others, default], peaks[:, default, others]], axis=1)


def p_value_of_decisive(p: Floats, criterion: str, k: int) -> Floats:
    """Return the p-value by which a criterion is reached from those of `decisive_peaks`, shape (C,)."""
    if criterion == "best":
        return np.asarray(np.minimum(1.0, p[:, 0] / closed.SHARE_OF_BEST))
    if criterion == "any_difference":
        return np.asarray(np.minimum(1.0, p[:, 0] * (k * (k - 1) / 2)))
    return _by_default(p[:, : k - 1], p[:, k - 1 :])
