"""Keeps what a long series was at a few hundred evenly spread points, however long it becomes."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_WANTED = 400


class Snapshots:
    """The moments of the arms at evenly spread sessions.

    Attributes:
        kept: Number of sessions, the moments of the present epoch after them, shape (rows, k), and the epochs before it.
    """

    def __init__(self) -> None:
        self.kept: list[tuple[int, Floats, int]] = []
        self._every = 1

    def extend(self, first: int, sums: Floats, n_past: int) -> None:
        """Take sessions in order; what was kept from the first of them on is replaced.

        Args:
            first: Number of the first session, from 1 on.
            sums: Moments of the present epoch after each session, shape (rows, T, k).
            n_past: Epochs before it.
        """
        wanted = np.arange(-(-first // self._every) * self._every, first + sums.shape[1], self._every)
        if len(wanted) > 2 * _WANTED:
            self._every *= -(-len(wanted) // _WANTED)
            wanted = wanted[wanted % self._every == 0]
        self.kept = [kept for kept in self.kept if kept[0] < first and kept[0] % self._every == 0]
        self.kept += [(int(n), sums[:, n - first].copy(), n_past) for n in wanted]
        while len(self.kept) > 2 * _WANTED:
            self._every *= 2
            self.kept = [kept for kept in self.kept if kept[0] % self._every == 0]
