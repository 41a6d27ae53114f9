"""What the sessions of a test say about each pair of variants, at every look: what the two methods have in common.

`evidence_with_horizon.Horizon` is the group-sequential boundary over a declared number of sessions;
`evidence_without_horizon.EProcess` needs no number. Both are fed chunk by chunk and give the same floats as if they had
been fed one by one: a decision on the run and one afterwards must not differ in the last digit, or a test might stop at
one session in the one and at another in the other.
"""

import math
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from voicelab.decision.stats import compare, eprocess
from voicelab.decision.stats.compare import Moments

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Path(NamedTuple):
    """How the evidence goes on through a chunk; it changes at few sessions, and only those are told.

    Attributes:
        at: Positions in the chunk at which something changes, in order, shape (C,).
        pairs: p-value of "the first beats the second" for every ordered pair from there on, shape (C, k, k).
        best: Adjusted p-value of "it beats every other" for each variant, shape (C, k).
    """

    at: Ints
    pairs: Floats
    best: Floats


class Sums(NamedTuple):
    """Moments of all arms, one look after the other.

    Attributes:
        parts: Number, sum and sum of squares, shape (3, T, k).
        centres: What each arm's values are measured from, shape (k,).
    """

    parts: Floats
    centres: Floats

    def of(self, arm: int) -> Moments:
        """Return the moments of an arm at every look, each shape (T,)."""
        n, total, squares = self.parts[:, :, arm]
        return Moments(n, total, squares, self.centres[arm])


class Evidence(Protocol):
    """The evidence of one method, O(k^2) numbers."""

    method: str

    def extend(self, arms: Ints, values: Floats, sums: Sums) -> Path:
        """Take sessions in order.

        Args:
            arms: Arm of each session, shape (T,).
            values: What it counts as; NaN for one that is left out.
            sums: Moments of the epoch's arms after each session.
        """

    def look(self, sums: Sums) -> Path:
        """Judge by the moments alone, for many sessions that are added at once: one look, at their end."""

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do."""

    def add(self, arm: int, hit: float | None, parts: Floats) -> Path | None:
        """Add one session; the same floats as `extend` without arrays of one element, which cost ten times as much.

        Args:
            arm: Its arm.
            hit: Its binary outcome, None if it is left out.
            parts: Moments of the epoch's arms, this session included, shape (3, k).

        Returns:
            The path of one step, or None if nothing changes.
        """

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Be told that the weights change: the moments of the epoch that ends are complete."""

    def interval(
        self, estimate: float, se: float, n: tuple[float, float], pair: tuple[int, int], alpha: float
    ) -> tuple[float, float]:
        """Return the interval of a comparison of two arms of n sessions that holds at every look."""

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the interval of an arm's mean that holds at every look; infinite before it can be told."""


def mean_and_error(moments: Moments) -> tuple[float, float]:
    """Return an arm's mean and its standard error: infinite while there are few values, or none that differ.

    Of rare values a few sessions show none, or too few to tell how much they vary.
    """
    n = float(moments.n)
    # Below the burn-in the variance is a guess, and an interval made of it would promise more than it holds.
    within = float(moments.within) if n >= eprocess.BURN_IN else 0.0
    return float(compare.means(moments)), math.sqrt(within / (n - 1) / n) if within > 0 else math.inf
