"""The values of each arm whose quantile is asked for: no sums say what 95 of 100 sessions stay at or below.

It stands in for `voicelab.decision.tally.Tally`. Where moments are asked for they are those of as many values with the
quantile as their mean and its standard error as theirs, by how far the values around it lie apart.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from voicelab.base.errors import InputError
from voicelab.decision.rules import Kind
from voicelab.decision.stats import quantiles
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import Moments
from voicelab.decision.tally import Floats, Ints, Tally


class QuantileTally(Tally):
    """The values of k arms, in order of sessions.

    Args:
        k: Number of arms.
        kind: The kind of the outcome, such as `p95`.
        quantile: Share of the sessions at or below the quantile.
    """

    def __init__(self, k: int, kind: Kind, quantile: float) -> None:
        super().__init__(k, kind)
        self.quantile = quantile
        # With room for more, so that one session after the other costs no more than all at once.
        self._values = np.zeros(16)
        self._arms = np.zeros(16, dtype=np.int64)
        self._n = 0
        self._sorted: dict[int, Floats] = {}

    def of_arm_until(self, arm: int, sessions: int) -> Floats:
        """Return the values that an arm had after the first sessions, in order of sessions."""
        values = self._values[: min(sessions, self._n)]
        own: Floats = values[(self._arms[: len(values)] == arm) & ~np.isnan(values)]
        return own

    def sorted_values(self, arm: int) -> Floats:
        """Return the values of an arm, sorted."""
        if arm not in self._sorted:
            self._sorted[arm] = np.sort(self.of_arm_until(arm, self._n))
        return self._sorted[arm]

    def extend(self, arms: Ints, counted: Floats, units: Ints | None = None, weights: Floats | None = None) -> Any:
        """Add sessions in order; arguments as for `Tally.extend`. Returns itself: there are no sums."""
        del units, weights
        end = self._n + len(counted)
        if end > len(self._values):
            room = max(end, 2 * len(self._values)) - self._n
            self._values = np.concatenate([self._values[: self._n], np.zeros(room)])
            self._arms = np.concatenate([self._arms[: self._n], np.zeros(room, dtype=np.int64)])
        self._values[self._n : end], self._arms[self._n : end] = counted, arms
        self._n = end
        self._sorted = {}
        known = ~np.isnan(counted)
        self.epoch = self.epoch.copy()
        self.epoch[0] += np.bincount(arms[known], minlength=self.epoch.shape[1])
        return self

    def add_up(self, arms: Ints, counted: Floats, units: Ints | None = None) -> None:
        """Add sessions, for one look at their end."""
        self.extend(arms, counted, units)

    def arms(self) -> list[Moments]:
        """Return the moments of each arm; none of one that has too few values for the quantile."""
        return [self._moments_of(self.sorted_values(arm)) for arm in range(self.epoch.shape[1])]

    def _moments_of(self, values: Floats) -> Moments:
        n = len(values)
        if n < quantiles.fewest(self.quantile):
            return Moments(*map(np.float64, (0.0, 0.0, 0.0, 0.0, 0.0)))
        at = values[quantiles.rank_of(n, self.quantile)]
        error = quantiles.quantile_error(values, self.quantile)
        return Moments(*map(np.float64, (n, 0.0, error**2 * n * (n - 1), at, 0.0)))

    def strata(self, arm: Any, baseline: Any, epoch: Floats | None = None, n_past: int | None = None) -> list[Stratum]:
        """Return the moments of two arms, or of one of each of many pairs."""
        del epoch, n_past
        every = self.arms()
        if np.ndim(arm) == 0:
            return [(every[int(arm)], every[int(baseline)])]
        return [(_stacked([every[at] for at in arm]), _stacked([every[at] for at in baseline]))]

    def strata_after(self, sessions: int, arm: int, baseline: int) -> Stratum:
        """Return the moments of two arms as they were after some sessions."""
        of_a, of_b = (self._moments_of(np.sort(self.of_arm_until(own, sessions))) for own in (arm, baseline))
        return of_a, of_b

    def of_arm(self, arm: int) -> Iterator[tuple[Moments, float]]:
        """Yield the moments of an arm, with the sessions of all arms."""
        yield self.arms()[arm], float(self.epoch[0].sum())

    def new_epoch(self) -> None:
        """Refuse other weights.

        Raises:
            InputError: always.
        """
        raise InputError(
            f"The weights change, and a quantile ({self.kind}) is compared under weights that stay: analyse the sessions before "
            "and after the change apart, or judge by a mean or a rate."
        )

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""
        known = self._values[: self._n][~np.isnan(self._values[: self._n])]
        return bool(len(known) and known.min() < known.max())

    @property
    def varies_within(self) -> bool:
        """Whether the values of any arm differ."""
        every = map(self.sorted_values, range(self.epoch.shape[1]))
        return any(len(own) > 0 and own[0] < own[-1] for own in every)

    def copy(self) -> "QuantileTally":
        """Return a copy that goes its own way."""
        made = object.__new__(QuantileTally)
        made.__dict__.update(self.__dict__)
        made._values, made._arms, made._sorted = self._values.copy(), self._arms.copy(), {}
        return made

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types: every value, None for a session that is left out."""
        values = [None if value != value else value for value in self._values[: self._n].tolist()]  # noqa: PLR0124 - NaN
        return {
            "kind": self.kind, "quantile": self.quantile, "k": self.epoch.shape[1], "values": values,
            "arms": self._arms[: self._n].tolist(),
        }  # fmt: skip

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "QuantileTally":
        """Return the tally that `to_json` wrote."""
        made = cls(state["k"], state["kind"], state["quantile"])
        made.extend(np.array(state["arms"], dtype=np.int64), np.array(state["values"], dtype=np.float64))
        return made


def _stacked(arms: list[Moments]) -> Moments:
    n, total, squares, centre, cubes = (np.array([float(own[part]) for own in arms]) for part in range(5))
    return Moments(n, total, squares, centre, cubes)
