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
    up, adjusted = against_default(pairs, default)
    above = np.where(up, adjusted, 1.0).min(axis=1)
    below = np.where(up.any(axis=1), 1.0, adjusted.max(axis=1))
    return np.asarray(np.minimum(above, below))


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


def adjusted_p_value(pairs: Floats, criterion: str, default: int, a: int, b: int) -> float:
    """Return the p-value of the direction between two arms that the data points to, adjusted for the other pairs.

    By closed testing where the leader must beat every rival, else by Holm's method over the pairs that count.

    Args:
        pairs: p-value of "the first beats the second" for every ordered pair, shape (k, k).
        criterion: `best`, `vs_default` or `any_difference`.
        default: Arm of the default.
        a: One arm.
        b: The other.
    """
    k = len(pairs)
    if criterion == "vs_default" and default in {a, b}:
        others = [arm for arm in range(k) if arm != default]
        _, adjusted = against_default(pairs[np.newaxis], default)
        return float(adjusted[0, others.index(b if a == default else a)])
    if criterion == "best":
        each = {(i, j): pairs[np.newaxis, i, j] for i in range(k) for j in range(k) if i != j}
        return float(min(closed.beats(each, k, a, b)[0], closed.beats(each, k, b, a)[0]))
    order = [(i, j) for i in range(k) for j in range(i + 1, k)]
    p = np.array([min(pairs[i, j], pairs[j, i]) for i, j in order])
    return float(closed.holm(p)[order.index((min(a, b), max(a, b)))])
