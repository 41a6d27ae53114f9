"""Quantiles of the few values of one session."""

from collections.abc import Sequence


def spread(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the median of some values and their 95th percentile, between two values in proportion; None of no values."""
    if not values:
        return None, None
    ordered = sorted(values)
    last = len(ordered) - 1
    if ordered[0] == ordered[last]:
        return ordered[0], ordered[0]
    return _quantile(ordered, last / 2), _quantile(ordered, 0.95 * last)


def _quantile(ordered: Sequence[float], at: float) -> float:
    below = min(int(at), len(ordered) - 2)
    low = ordered[below]
    return low + (at - below) * (ordered[below + 1] - low)
