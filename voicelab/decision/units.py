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

_FEW = 16
"""Sessions of a unit that are taken one after the other, those of all units at once."""


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
        # Where a unit was met first, for `are_new` alone.
        self._at = np.zeros(0, dtype=np.int64)
        self.returning = 0

    def new_epoch(self) -> None:
        """Begin an epoch."""
        self._epoch += 1

    def are_new(self, units: Ints) -> Bools:
        """Return which sessions are the first of their unit, without taking them."""
        self._make_room(units)
        # Written from the last session to the first, so that what stays of each unit is its first: no sorting.
        at = np.arange(len(units))
        self._at[units[::-1]] = at[::-1]
        found: Bools = (self._at[units] == at) & (self._epoch_of[units] < 0)
        return found

    def add(self, units: Ints, worth: Floats, valid: Bools) -> tuple[Bools, list[Floats]]:
        """Take sessions in order.

        Args:
            units: Unit of each session, shape (T,).
            worth: Its value, measured from a centre.
            valid: Which of them count.

        Returns:
            Which of them count after all, and what each adds to the rows of moments.
        """
        self._make_room(units)
        new = self._epoch_of[units] < 0
        self._epoch_of[units[new]] = self._epoch
        here = self._epoch_of[units] == self._epoch
        self.returning += len(here) - int(np.count_nonzero(here))
        valid = valid & here
        n, total = self._before(units, worth, np.flatnonzero(valid))
        more, after = n + 1, total + worth
        return valid, [
            np.ones_like(worth),
            worth,
            after**2 - total**2,
            after * after * after - total * total * total,
            more * after - n * total,
            2 * n + 1,
            (n == 0) * 1.0,
            more * after**2 - n * total**2,
            more**2 * after - n**2 * total,
            3 * n * more + 1,
        ]

    def _before(self, units: Ints, worth: Floats, at: Ints) -> tuple[Floats, Floats]:
        """Return number and sum of its unit's values before each session, and take those that are at some positions."""
        n, total = np.zeros(len(units)), np.zeros(len(units))
        # The sessions of a unit one after the other, those of all units at once: the floats are those of single sessions.
        # Unit and position in one number, which is sorted many times faster than units by a sort that keeps their order.
        bits = max(1, len(units).bit_length())
        order = np.sort((units[at].astype(np.int64) << bits) | at) & ((1 << bits) - 1)
        mine = units[order]
        starts = np.flatnonzero(np.r_[True, mine[1:] != mine[:-1]]) if len(mine) else np.zeros(0, dtype=np.int64)
        counts = np.diff(np.r_[starts, len(mine)])
        n[order] = self._n[mine] + (np.arange(len(mine)) - np.repeat(starts, counts))
        own = mine[starts]
        self._n[own] += counts
        for rank in range(min(int(counts.max(initial=0)), _FEW)):
            live = counts > rank
            own, starts, counts = own[live], starts[live], counts[live]
            now = order[starts + rank]
            total[now] = self._sum[own]
            self._sum[own] += worth[now]
        # Of a unit with many (everybody whose number is withheld) the same by one cumulative sum.
        for unit, start, count in zip(own, starts, counts, strict=True):
            if count > _FEW:
                now = order[start + _FEW : start + count]
                sums = np.cumsum(np.r_[self._sum[unit], worth[now]])
                total[now], self._sum[unit] = sums[:-1], sums[-1]
        return n, total

    def state_of(self, units: Ints) -> tuple[Any, ...]:
        """Return what is known of some units, to be put back by `restore`."""
        self._make_room(units)
        return units, self._n[units], self._sum[units], self._epoch_of[units], self.returning

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
            self._at = np.zeros(len(self._n), dtype=np.int64)

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
        made._at = np.zeros(len(made._n), dtype=np.int64)
        made._epoch, made.returning = state["epoch"], state["returning"]
        return made
