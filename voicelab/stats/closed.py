"""Closed testing for `best`: the leader must beat every rival, and chance gets no credit for the number of variants.

"a is no better than b" is rejected when every intersection of such hypotheses that contains it is. An intersection of
equalities is a partition of the variants into blocks of equals; it is tested by Bonferroni over the pairs inside its
blocks. With two variants that is the pair's own p, with three max(p of the pair, 3 times the smallest p).
Source: Marcus, Peritz & Gabriel 1976; Shaffer 1986.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Pair = tuple[int, int]

_MOST_ENUMERATED = 6


def beats_all(p: dict[Pair, Floats], k: int) -> Floats:
    """Return, for each variant, the adjusted p-value of "it beats every other".

    Args:
        p: p-value of "the first beats the second" for every ordered pair; arrays of one shape (T,).
        k: Number of variants.

    Returns:
        Array of shape (k, T).
    """
    if k == 1:
        return np.ones((1, 1))
    return np.array(
        [np.maximum.reduce([beats(p, k, a, b) for b in range(k) if b != a]) for a in range(k)],
    )


def beats(p: dict[Pair, Floats], k: int, a: int, b: int) -> Floats:
    """Return the adjusted p-value of "a beats b" among k variants; arguments as for `beats_all`."""
    adjusted = p[a, b]
    for pairs in _intersections(k):
        if _ordered(a, b) in pairs:
            smallest = np.minimum.reduce([np.minimum(p[i, j], p[j, i]) for i, j in sorted(pairs)])
            adjusted = np.maximum(adjusted, len(pairs) * smallest)
    return np.minimum(adjusted, 1.0)


def _ordered(a: int, b: int) -> Pair:
    return (a, b) if a < b else (b, a)


@lru_cache(maxsize=16)
def _intersections(k: int) -> tuple[frozenset[Pair], ...]:
    """Return the pairs that each intersection hypothesis with more than one pair holds equal."""
    if k > _MOST_ENUMERATED:
        # The number of partitions explodes; Bonferroni over all pairs is valid for each of them, if conservative.
        return (frozenset((a, b) for a in range(k) for b in range(a + 1, k)),)
    found = set()
    for blocks in _partitions(list(range(k))):
        pairs = frozenset(_ordered(a, b) for block in blocks for a in block for b in block if a < b)
        if len(pairs) > 1:
            found.add(pairs)
    return tuple(sorted(found, key=sorted))


def _partitions(items: list[int]) -> Iterator[list[list[int]]]:
    if not items:
        yield []
        return
    first, rest = items[0], items[1:]
    for blocks in _partitions(rest):
        yield [[first], *blocks]
        for at in range(len(blocks)):
            yield [*blocks[:at], [first, *blocks[at]], *blocks[at + 1 :]]
