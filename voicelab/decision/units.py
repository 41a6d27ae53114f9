"""Units whose sessions go together, such as callers who call again: what is known of each.

A unit's sessions are alike, so that ten of one caller say less than one of each of ten. What counts is the unit's sum,
as one observation: its variance between units is the one that chance has. Sources: Liang & Zeger 1986; Deng, Knoblich &
Lu 2018.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Units:
    """Number and sum of each unit's values within the present epoch of weights; units are whole numbers from 0 on.

    A unit that was seen in an epoch before keeps the variant that it was assigned then, under other weights: what it
    does later belongs to neither epoch, and is left out.

    Attributes:
        returning: Sessions that were left out for that reason.
    """

    def __init__(self) -> None:
        self._n = np.zeros(0)
        self._sum = np.zeros(0)
        # Epoch in which a unit was first seen; -1 before.
        self._epoch_of = np.zeros(0, dtype=np.int64)
        self._epoch = 0
        self.returning = 0

    def new_epoch(self) -> None:
        """Begin an epoch."""
        self._epoch += 1

    def are_new(self, units: Ints) -> Bools:
        """Return which sessions are the first of their unit, without taking them."""
        self._make_room(units)
        _, first = np.unique(units, return_index=True)
        found = np.zeros(len(units), dtype=np.bool_)
        found[first] = True
        return found & (self._epoch_of[units] < 0)

    def add(self, units: Ints, worth: Floats, valid: Bools) -> tuple[Bools, list[Floats]]:
        """Take sessions in order.

        Args:
            units: Unit of each session, shape (T,).
            worth: Its value, measured from a centre.
            valid: Which of them count.

        Returns:
            Which of them count after all, and what each adds to the seven rows of moments.
        """
        self._make_room(units)
        new = self._epoch_of[units] < 0
        self._epoch_of[units[new]] = self._epoch
        here = self._epoch_of[units] == self._epoch
        self.returning += int((~here).sum())
        valid = valid & here
        n, total = np.zeros(len(units)), np.zeros(len(units))
        at = np.flatnonzero(valid)
        # The sessions of a unit one after the other, those of all units at once: the floats are those of single sessions.
        order = at[np.argsort(units[at], kind="stable")]
        mine = units[order]
        starts = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]]) if len(mine) else np.zeros(0, dtype=np.int64)
        counts = np.diff(np.r_[starts, len(mine)])
        for rank in range(int(counts.max(initial=0))):
            now = order[starts[counts > rank] + rank]
            n[now], total[now] = self._n[units[now]], self._sum[units[now]]
            self._n[units[now]] += 1.0
            self._sum[units[now]] += worth[now]
        after = total + worth
        return valid, [
            np.ones_like(worth),
            worth,
            after**2 - total**2,
            after**3 - total**3,
            (n + 1) * after - n * total,
            2 * n + 1,
            (n == 0) * 1.0,
        ]

    def state_of(self, units: Ints) -> tuple[Any, ...]:
        """Return what is known of some units, to be put back by `restore`."""
        self._make_room(units)
        these = np.unique(units)
        return these, self._n[these], self._sum[these], self._epoch_of[these], self.returning

    def restore(self, state: tuple[Any, ...]) -> None:
        """Put back what was known of some units."""
        these, n, total, epoch_of, self.returning = state
        self._n[these], self._sum[these], self._epoch_of[these] = n, total, epoch_of

    def _make_room(self, units: Ints) -> None:
        more = int(units.max(initial=-1)) + 1 - len(self._n)
        if more > 0:
            more = max(more, len(self._n))
            self._n = np.concatenate([self._n, np.zeros(more)])
            self._sum = np.concatenate([self._sum, np.zeros(more)])
            self._epoch_of = np.concatenate([self._epoch_of, np.full(more, -1)])

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        known = int(np.flatnonzero(self._epoch_of >= 0).max(initial=-1)) + 1
        return {
            "n": self._n[:known].tolist(),
            "sum": self._sum[:known].tolist(),
            "epoch_of": self._epoch_of[:known].tolist(),
            "epoch": self._epoch,
            "returning": self.returning,
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Units":
        """Return the units that `to_json` wrote."""
        made = cls()
        made._n, made._sum = (np.array(state[name], dtype=np.float64) for name in ("n", "sum"))
        made._epoch_of = np.array(state["epoch_of"], dtype=np.int64)
        made._epoch, made.returning = state["epoch"], state["returning"]
        return made
