"""What the sessions of a test say about each pair of variants, at every look: what the methods have in common.

`evidence_with_horizon.Horizon` is the group-sequential boundary over a declared number of sessions;
`evidence_without_horizon.EProcess` needs no number, or has bounds to bet by. Both are fed chunk by chunk and give the same
floats as if they had been fed one by one: a decision on the run and one afterwards must not differ in the last digit, or
a test might stop at one session in the one and at another in the other.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from voicelab.decision.rules import Kind, StopRule
from voicelab.decision.stats import eprocess
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.forecast import Forecast
from voicelab.decision.stats.moments import Moments, means
from voicelab.decision.stats.stagewise import Estimate
from voicelab.decision.tally import Sums, Tally

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Setting:
    """What evidence is gathered under.

    Attributes:
        rule: The stop rule.
        kind: Kind of the outcome.
        with_units: Whether sessions belong to units that may come again.
        bounds: Lowest and highest value of the outcome, where they are declared.
        default: Arm that the rule compares the others with.
        weights_known: Whether the weights are those that the arms were drawn with: bets are fair under no others.
    """

    rule: StopRule
    kind: Kind
    with_units: bool = False
    bounds: tuple[float, float] | None = None
    default: int = 0
    weights_known: bool = True

    @property
    def sign(self) -> float:
        """1 where more is better, else -1."""
        return 1.0 if self.rule.direction == "maximize" else -1.0

    @property
    def plain_rates(self) -> bool:
        """Whether sessions are independent successes and failures."""
        return self.kind == "binary" and not self.with_units


class Path(NamedTuple):
    """How the evidence goes on through a chunk; it changes at few sessions, and only those are told.

    Attributes:
        at: Positions in the chunk at which something changes, in order, shape (C,); the first is 0.
        p: p-value that the rule stops by from there on, shape (C,).
        pairs: p-value of "the first beats the second" for every ordered pair after the last session, shape (k, k).
        best: Adjusted p-value of "it beats every other" for each variant, shape (k,).
    """

    at: Ints
    p: Floats
    pairs: Floats
    best: Floats


class Evidence(Protocol):
    """The evidence of one method, O(k^2) numbers."""

    method: str
    by_moments: bool
    """Whether `interval` follows from moments alone, so that it can be told of any session of the past."""

    def extend(self, arms: Ints, values: Floats, sums: Sums, probabilities: Floats | None = None) -> Path:
        """Take sessions in order.

        Args:
            arms: Arm of each session, shape (T,).
            values: What it counts as; NaN for one that is left out, and for all but the first of a unit.
            sums: Moments of the epoch's arms after each session.
            probabilities: Probability of every arm in each session, shape (T, k); by default the weights.
        """

    def look(self, sums: Sums) -> Path:
        """Judge by the moments alone, for many sessions that are added at once: one look, at their end."""

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do."""

    def add(self, arm: int, value: float, sums: Tally) -> Path | None:
        """Add one session; the same floats as `extend` without arrays of one element, which cost ten times as much.

        Args:
            arm: Its arm.
            value: What it counts as.
            sums: What the sessions come to, this one included.

        Returns:
            The path of one step, or None if nothing changes.
        """

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Be told that the weights change: the moments of the epoch that ends are complete."""

    def interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the interval of the difference of two arms that holds at every look; infinite before it can be told.

        Args:
            strata: The moments of both arms in each epoch; each number may be an array over looks.
            pair: The arms.
            alpha: Error probability.
        """

    def lift_interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return that of the logarithm of the ratio of their means."""

    def estimate(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> Estimate | None:
        """Return the median-unbiased estimate of a test that has stopped, or None where there is no such estimate.

        Of few sessions its interval is infinite.

        Args:
            strata: The moments of both arms in each epoch, as they were where the pair first reached its threshold; at the
                stop if it never did.
            pair: The arms.
            alpha: Error probability of the interval.
        """

    def crossing(self, pair: tuple[int, int]) -> tuple[Floats, int] | None:
        """Return the moments of the epoch in which a pair first reached its threshold, (rows, k), and the epochs before."""

    def forecast(
        self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float, difference: float | None
    ) -> Forecast:
        """Return how much longer the comparison is expected to take.

        Args:
            strata: The moments of both arms in each epoch.
            pair: The arms.
            alpha: Error probability.
            difference: The true difference that is supposed; None for the estimate so far, with its uncertainty.
        """

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the interval of an arm's mean that holds at every look; infinite before it can be told."""

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""


def mean_and_error(moments: Moments) -> tuple[float, float]:
    """Return an arm's mean and its standard error: infinite while there are few values, or none that differ.

    Of rare values a few sessions show none, or too few to tell how much they vary.
    """
    # Below the burn-in the variance is a guess, and an interval made of it would promise more than it holds.
    known = float(moments.independent) >= eprocess.BURN_IN
    variance = float(moments.variance_of_mean) if known else 0.0
    return float(means(moments)), math.sqrt(variance) if variance > 0 else math.inf
