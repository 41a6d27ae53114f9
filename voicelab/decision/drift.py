"""Whether the level of an outcome drifts over the test: then the boundary of means is not what it should be.

A mean's standard error is made of all deviations from it; where the level rises meanwhile, they grow with time, so that a
session's share of the information is not what its number says. Only the level of all arms together is looked at, which
says nothing of their differences.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_MOST_BLOCKS = 32
_LEAST_IN_BLOCK = 10
DOUBTFUL = 0.2
"""Share of an outcome's variance that lies between blocks of time from which a comparison of means is approximate."""


class Drift:
    """Number, sum and sum of squares of an outcome in blocks of consecutive sessions, 16 to 32 of them."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, _MOST_BLOCKS))
        self._length = _LEAST_IN_BLOCK
        self._sessions = 0
        self._centre: float | None = None

    @staticmethod
    def length_of(sessions: int) -> int:
        """Return how many consecutive sessions are a block, of so many in all."""
        length = _LEAST_IN_BLOCK
        while sessions > length * _MOST_BLOCKS:
            length *= 2
        return length

    @classmethod
    def of_blocks(cls, sums: Floats) -> "Drift":
        """Return what blocks that were added up elsewhere say, to be read and not extended.

        Args:
            sums: Number, sum and sum of squares of each block, measured from one centre, shape (3, blocks).
        """
        made = cls()
        made._sums = sums
        return made

    def extend(self, values: Floats) -> None:
        """Take sessions in order; NaN is left out."""
        known = ~np.isnan(values)
        if self._centre is None and known.any():
            self._centre = float(values[known][0])
        worth = np.where(known, values - (self._centre or 0.0), 0.0)
        while self._sessions + len(values) > self._length * _MOST_BLOCKS:
            pairs = self._sums.reshape(3, -1, 2).sum(axis=2)
            self._sums = np.concatenate([pairs, np.zeros_like(pairs)], axis=1)
            self._length *= 2
        blocks = (self._sessions + np.arange(len(values))) // self._length
        added = [np.bincount(blocks, step, _MOST_BLOCKS) for step in (known * 1.0, worth, worth**2)]
        self._sums = self._sums + np.array(added)
        self._sessions += len(values)

    def add(self, value: float | None) -> None:
        """Take one session, None if it is left out; the same floats as `extend`."""
        if self._sessions + 1 > self._length * _MOST_BLOCKS:
            self.extend(np.array([np.nan if value is None else value]))
            return
        if value is not None:
            if self._centre is None:
                self._centre = value
            worth = value - self._centre
            self._sums[:, self._sessions // self._length] += (1.0, worth, worth * worth)
        self._sessions += 1

    @property
    def share(self) -> float:
        """Share of the variance that lies between the blocks, beyond what chance brings there (omega squared)."""
        n, total, squares = self._sums[:, self._sums[0] > 0]
        if len(n) < 2 or n.sum() <= len(n):  # noqa: PLR2004 - two blocks at least
            return 0.0
        mean = total.sum() / n.sum()
        within = float(np.maximum(squares - total**2 / n, 0.0).sum())
        between = float((n * (total / n - mean) ** 2).sum())
        by_chance = (len(n) - 1) * within / float(n.sum() - len(n))
        everything = within + between
        return max(0.0, (between - by_chance) / everything) if everything else 0.0

    def copy(self) -> "Drift":
        """Return a copy that goes its own way."""
        made = Drift()
        made.__dict__.update(self.__dict__)
        return made

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {
            "sums": self._sums.tolist(), "length": self._length, "sessions": self._sessions, "centre": self._centre,
        }  # fmt: skip

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Drift":
        """Return what `to_json` wrote."""
        made = cls()
        made._sums = np.array(state["sums"], dtype=np.float64)
        made._length, made._sessions, made._centre = state["length"], state["sessions"], state["centre"]
        return made
