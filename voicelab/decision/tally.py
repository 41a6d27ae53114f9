"""What the sessions of each arm come to, epoch by epoch: the sums that all evidence and everything shown are made of.

Feeding sessions one by one, in chunks or all at once gives exactly the same floats: sums are carried on by adding to the
first value of the next chunk, as one long cumulative sum would.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision.rules import Kind
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import OF_UNITS, PLAIN, WITH_CUBES, Moments, moments_of, powers
from voicelab.decision.stats.ratios import OF_RATIO, by_own_ratio, ratio_moments, ratio_rows
from voicelab.decision.stats.values import are_counted
from voicelab.decision.units import Units

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Sums(NamedTuple):
    """Moments of all arms, one look after the other.

    Attributes:
        parts: Rows of moments (see `voicelab.decision.stats.moments` and `.ratios`), shape (3, 4, 10 or 11, T, k).
        centres: What each arm's values are measured from, shape (k,); of a ratio those above and below the line, (k, 2).
    """

    parts: Floats
    centres: Floats

    def of(self, arm: int) -> Moments:
        """Return the moments of an arm at every look, each shape (T,)."""
        moments: Moments = arm_moments(self.parts[:, :, arm], self.centres[arm])
        return moments

    def at(self, looks: Ints, arms: Ints) -> Moments:
        """Return the moments of one arm at each of some looks, each shape (N,)."""
        moments: Moments = arm_moments(self.parts[:, looks, arms], self.centres[arms])
        return moments


def arm_moments(parts: Floats, centre: Any) -> Any:
    """Return the moments of an arm from their rows; of a ratio `RatioMoments`, which whoever compares arms linearises."""
    return ratio_moments(parts, centre) if len(parts) == OF_RATIO else moments_of(parts, centre)


class Tally:
    """The moments of k arms, those of the present epoch of weights apart from those of each epoch before.

    Args:
        k: Number of arms.
        kind: Kind of the outcome.
        with_units: Whether sessions belong to units, such as callers who call again.

    Attributes:
        epoch: Moments of the present epoch, shape (rows, k).
        past: Moments of the epochs before, each of that shape.
        centres: What an arm's values are measured from: its first one; 0 for rates. Shape (k,).
        units: What is known of each unit; None without.
    """

    def __init__(self, k: int, kind: Kind, *, with_units: bool = False) -> None:
        self.kind = kind
        plain = {"binary": PLAIN, "ratio": OF_RATIO}.get(kind, WITH_CUBES)
        self._rows = OF_UNITS if with_units else plain
        self.epoch = np.zeros((self._rows, k))
        self.past: list[Floats] = []
        self.centres = np.zeros((k, 2) if kind == "ratio" else k)
        self._centred = np.zeros(k, dtype=np.bool_)
        self.units = Units() if with_units else None

    @property
    def total(self) -> Floats:
        """Moments of all epochs together, shape (rows, k): for counting, never for comparing arms."""
        return np.sum([*self.past, self.epoch], axis=0) if self.past else self.epoch

    def arms(self) -> list[Moments]:
        """Return the moments of each arm over all epochs: for counting, never for comparing arms."""
        return [by_own_ratio(arm_moments(self.total[:, arm], centre)) for arm, centre in enumerate(self.centres)]

    def strata(self, arm: Any, baseline: Any, epoch: Floats | None = None, n_past: int | None = None) -> list[Stratum]:
        """Return the moments of two arms in each epoch.

        Args:
            arm: One arm, or one of each of many pairs, shape (P,).
            baseline: The other.
            epoch: Moments of the last epoch, as they were at some session or, shape (rows, T, k), at many; by default as now.
            n_past: Epochs before that one; by default all.
        """
        past = self.past if n_past is None else self.past[:n_past]
        last = self.epoch if epoch is None else epoch
        return [
            (arm_moments(parts[..., arm], self.centres[arm]), arm_moments(parts[..., baseline], self.centres[baseline]))
            for parts in (*past, last)
        ]

    def of_arm(self, arm: int) -> Iterator[tuple[Moments, float]]:
        """Yield the moments of an arm in each epoch that has sessions of it, with the sessions of all arms there."""
        for parts in (*self.past, self.epoch):
            if parts[0, arm]:
                yield by_own_ratio(arm_moments(parts[:, arm], self.centres[arm])), float(parts[0].sum())

    def new_epoch(self) -> None:
        """Begin an epoch: its sums stand apart from those before."""
        self.past = [*self.past, self.epoch]
        self.epoch = np.zeros_like(self.epoch)
        if self.units is not None:
            self.units.new_epoch()

    def add(self, arm: int, value: float) -> None:
        """Add one session without a unit; the same floats as `extend`."""
        if self.kind != "binary":
            if not self._centred[arm]:
                self.centres, self._centred = self.centres.copy(), self._centred.copy()
                self.centres[arm], self._centred[arm] = value, True
            worth = value - float(self.centres[arm])
            squares = worth * worth
            self.epoch[:, arm] += (1.0, worth, squares, squares * worth)
            return
        self.epoch[0, arm] += 1.0
        if value:
            self.epoch[1, arm] += 1.0
            self.epoch[2, arm] += 1.0

    def extend(self, arms: Ints, counted: Floats, units: Ints | None = None, weights: Floats | None = None) -> Sums:
        """Add sessions in order.

        Args:
            arms: Arm of each session, shape (T,).
            counted: What it counts as; NaN for one that is left out. Of a ratio above and below the line, shape (T, 2).
            units: Unit of each session, a whole number from 0 on.
            weights: What each session counts for, by default 1.

        Returns:
            The moments of the present epoch after each session.
        """
        k = self.epoch.shape[1]
        valid = are_counted(counted)
        worth = self._worth(arms, counted, valid)
        # A session adds to the sums of its own arm: one cumulative sum gives the moments after every session at once.
        steps = np.zeros((self._rows, k, len(arms))).transpose(0, 2, 1)
        added: Any = self._added(worth, counted)
        if self.units is not None and units is not None:
            valid, added = self.units.add(units, worth, valid)
        for row, step in enumerate(added):
            steps[row, np.arange(len(arms)), arms] = step * valid if weights is None else step * valid * weights
        # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
        steps[:, 0] += self.epoch
        sums = np.cumsum(steps, axis=1, out=steps)
        self.epoch = sums[:, -1].copy()
        return Sums(sums, self.centres)

    def add_up(self, arms: Ints, counted: Floats, units: Ints | None = None) -> None:
        """Add many sessions at once, for one look at their end."""
        k = self.epoch.shape[1]
        valid = are_counted(counted)
        worth = self._worth(arms, counted, valid)
        added: Any = self._added(worth, counted)
        if self.units is not None and units is not None:
            valid, added = self.units.add(units, worth, valid)
        if not valid.all():
            arms, added = arms[valid], [step[valid] for step in added]
        self.epoch = self.epoch + np.array([np.bincount(arms, step, k) for step in added])

    def _worth(self, arms: Ints, counted: Floats, valid: Bools) -> Floats:
        """Return the values measured from their arms' centres, 0 for a session that is left out."""
        kept = valid if counted.ndim == 1 else valid[:, np.newaxis]
        return np.where(kept, self._centred_at_first(arms, counted), 0.0)

    def _added(self, worth: Floats, counted: Floats) -> list[Floats]:
        return ratio_rows(worth, counted) if self.kind == "ratio" else powers(worth, self._rows)

    def _centred_at_first(self, arms: Ints, counted: Floats) -> Floats:
        """Return the values measured from their arms' centres; an arm's first value is its centre, but for rates."""
        # A rate's squares are its sums, exactly, as long as 0 and 1 are measured from 0.
        if self.kind == "binary":
            return counted
        if not self._centred.all():
            self.centres, self._centred = self.centres.copy(), self._centred.copy()
            for arm in np.flatnonzero(~self._centred):
                first = np.flatnonzero((arms == arm) & are_counted(counted))[:1]
                if len(first):
                    self.centres[arm], self._centred[arm] = counted[first[0]], True
        return counted - self.centres[arms]

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""
        if self.kind == "ratio":
            known = [arm for arm in self.arms() if arm.n]
            return len({float(arm.centre) for arm in known}) > 1 or any(float(arm.within) > 0 for arm in known)
        n, total, squares = self.total[:PLAIN]
        if self.kind == "binary":
            return bool(0 < total.sum() < n.sum())
        # Measured from an arm's first value, values that never vary have no squares.
        return bool((squares > 0).any() or len(np.unique(self.centres[n > 0])) > 1)

    @property
    def varies_within(self) -> bool:
        """Whether the values of any arm differ."""
        return any(float(arm.n) and float(arm.within) for arm in self.arms())

    def copy(self) -> "Tally":
        """Return a copy that goes its own way; units are shared, which `Units.add` can take back."""
        made = object.__new__(Tally)
        made.__dict__.update(self.__dict__)
        return made

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {
            "kind": self.kind,
            "epoch": self.epoch.tolist(),
            "past": [parts.tolist() for parts in self.past],
            "centres": self.centres.tolist(),
            "centred": self._centred.tolist(),
            "units": None if self.units is None else self.units.to_json(),
        }

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> "Tally":
        """Return the tally that `to_json` wrote."""
        epoch = np.array(state["epoch"], dtype=np.float64)
        made = cls(epoch.shape[1], state["kind"], with_units=state["units"] is not None)
        made.epoch, made.past = epoch, [np.array(parts, dtype=np.float64) for parts in state["past"]]
        made.centres = np.array(state["centres"], dtype=np.float64)
        made._centred = np.array(state["centred"], dtype=np.bool_)
        if state["units"] is not None:
            made.units = Units.from_json(state["units"])
        return made
