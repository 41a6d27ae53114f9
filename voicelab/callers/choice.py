"""A weighted choice."""

import bisect
import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from voicelab import checks
from voicelab.errors import InputError


class Choice:
    """A choice among weighted items, by one random number.

    Args:
        weights: The items and their weights; pairs, where an item may stand twice.
        what: What is chosen, for messages.

    Raises:
        InputError: no items, or a weight that is not above 0.
    """

    __slots__ = ("_bounds", "items")

    def __init__(self, weights: Mapping[Any, float] | Sequence[tuple[Any, float]], what: str) -> None:
        pairs = list(weights.items()) if isinstance(weights, Mapping) else list(weights)
        if not pairs:
            raise InputError(f"{what}: there is nothing to choose from.")
        for item, weight in pairs:
            checks.weight(f"{what}: the weight of {item!r}", weight)
        self.items = tuple(item for item, _ in pairs)
        self._bounds = list(itertools.accumulate(weight for _, weight in pairs))

    def pick(self, rng: random.Random) -> Any:
        """Return one item."""
        if len(self.items) == 1:
            return self.items[0]
        at = bisect.bisect_right(self._bounds, rng.random() * self._bounds[-1])
        return self.items[min(at, len(self.items) - 1)]
