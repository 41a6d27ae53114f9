"""What the sessions of a test say about each pair of variants, at every look: one class for each of the two methods.

`Horizon` is the group-sequential boundary over a declared number of sessions; `EProcess` needs no horizon. Both are fed
chunk by chunk and give the same floats as if they had been fed one by one.
"""

import math
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from voicelab.rules import Kind, StopRule
from voicelab.stats import boundary, closed, compare, eprocess
from voicelab.stats.compare import Moments

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


class Evidence(Protocol):
    """The evidence of one method, O(k^2) numbers."""

    method: str

    def extend(self, arms: Ints, values: Floats, sums: Floats) -> Path:
        """Take sessions in order.

        Args:
            arms: Arm of each session, shape (T,).
            values: What it counts as; NaN for one that is left out.
            sums: Moments of the epoch's arms after each session, shape (3, T, k).
        """

    def new_epoch(self, weights: Floats, moments: Floats) -> None:
        """Be told that the weights change: the moments of the epoch that ends, shape (3, k), are complete."""

    def factor(self, a: Moments, b: Moments, pair: tuple[int, int], alpha: float) -> float:
        """Return by how many standard errors the interval that holds at every look reaches to each side."""


class Horizon:
    """A declared horizon, watched continuously.

    Args:
        weights: Weights of the arms, shape (k,).
        rule: The stop rule, with its `max_iterations`.
        kind: Kind of the outcome.
    """

    method = "horizon"

    def __init__(self, weights: Floats, rule: StopRule, kind: Kind) -> None:
        k = len(weights)
        assert rule.max_iterations is not None  # noqa: S101 - the monitor chooses this method only then
        self._weights = weights
        self._horizon = rule.max_iterations
        self._kind = kind
        self._sign = 1.0 if rule.direction == "maximize" else -1.0
        self._margin = rule.margin
        self.peaks = np.zeros((k, k))
        # Of the epochs that are over, for each pair: sum of I d, of (I se)^2 and of I (Cochran, Mantel & Haenszel).
        self._past = np.zeros((3, k, k))

    def extend(self, arms: Ints, values: Floats, sums: Floats) -> Path:
        """Take sessions in order."""
        del arms, values
        b = self._brownian(sums)
        b[0] = np.maximum(b[0], self.peaks)
        peaks = np.maximum.accumulate(b, axis=0)
        moved = (peaks[1:] != peaks[:-1]).any(axis=(1, 2))
        at = np.concatenate([[0], np.flatnonzero(moved) + 1])
        self.peaks = peaks[-1].copy()
        return self._told(at, peaks[at])

    def _told(self, at: Ints, peaks: Floats) -> Path:
        pairs = boundary.p_value(peaks)
        k = len(self._weights)
        best = closed.beats_all({(i, j): pairs[:, i, j] for i in range(k) for j in range(k) if i != j}, k)
        return Path(at, pairs, np.broadcast_to(best.T, (len(at), k)))

    @property
    def takes_singly(self) -> bool:
        """Whether `take` will do: a binary outcome without margin and without epochs."""
        return self._kind == "binary" and not self._margin and not self._past.any()

    def take(self, arm: int, n: list[float], hits: list[float]) -> Path | None:
        """Take one session; the same floats as `extend` without arrays of one element, which cost ten times as much.

        Args:
            arm: Its arm.
            n: Sessions of each arm, this one included.
            hits: Successes of each arm.

        Returns:
            The path of one step, or None if nothing changes.
        """
        moved = False
        for other in range(len(n)):
            i, j = (arm, other) if arm < other else (other, arm)
            if i == j or not n[i] or not n[j]:
                continue
            rate = (hits[i] + hits[j]) / (n[i] + n[j])
            se = math.sqrt(max(rate * (1 - rate), 0.0) * (1 / n[i] + 1 / n[j]))
            if not se:
                continue
            w_i, w_j = float(self._weights[i]), float(self._weights[j])
            share = n[i] * n[j] / (n[i] + n[j]) / (self._horizon * w_i * w_j / (w_i + w_j))
            b = self._sign * ((hits[i] / n[i] - hits[j] / n[j]) / se) * math.sqrt(min(1.0, share))
            for a, c, value in ((i, j, b), (j, i, -b)):
                if value > self.peaks[a, c]:
                    self.peaks[a, c] = value
                    moved = True
        return self._told(np.zeros(1, dtype=np.int64), self.peaks[np.newaxis]) if moved else None

    def _brownian(self, sums: Floats) -> Floats:
        """Return B of every ordered pair after each session, shape (T, k, k)."""
        k = len(self._weights)
        b = np.zeros((sums.shape[1], k, k))
        for i in range(k):
            for j in range(i + 1, k):
                one: Moments = tuple(sums[:, :, i])
                other: Moments = tuple(sums[:, :, j])
                root = np.sqrt(self._share(one[0], other[0], i, j))
                z, per_margin = self._z(one, other, i, j)
                z *= self._sign
                b[:, i, j] = (z - self._margin * per_margin) * root
                b[:, j, i] = (-z - self._margin * per_margin) * root
        return b

    def _share(self, n_i: Floats, n_j: Floats, i: int, j: int) -> Floats:
        past = self._past[2, i, j]
        w = self._weights
        if not past:
            return boundary.information_share(n_i, n_j, w[i], w[j], self._horizon)
        share: Floats = np.minimum(
            1.0, (past + compare.information(n_i, n_j)) * (w[i] + w[j]) / (self._horizon * w[i] * w[j])
        )
        return share

    def _z(self, one: Moments, other: Moments, i: int, j: int) -> tuple[Floats, Floats]:
        """Return z of the difference, and the reciprocal of its standard error: both 0 where nothing can be said."""
        if self._past[2, i, j]:
            difference, se = compare.stratified(one, other, self._kind, self._past[:, i, j])
            # As much information as two arms hold at the end of the burn-in.
            enough = self._past[2, i, j] + compare.information(one[0], other[0]) >= compare.BURN_IN[self._kind] / 2
            ready = enough & (se > 0)
        else:
            se = compare.standard_error(one, other, self._kind)
            ready = (np.minimum(one[0], other[0]) >= compare.BURN_IN[self._kind]) & (se > 0)
            difference = compare.means(one) - compare.means(other)
        z = np.divide(difference, se, out=np.zeros_like(difference), where=ready)
        per_margin = np.divide(1.0, se, out=np.zeros_like(difference), where=ready) if self._margin else z * 0.0
        return z, per_margin

    def new_epoch(self, weights: Floats, moments: Floats) -> None:
        """Close an epoch; the horizon's information stays that of the first weights, as it was declared."""
        del weights
        k = len(self._weights)
        for i in range(k):
            for j in range(k):
                if i != j:
                    self._past[:, i, j] += compare.stratum(tuple(moments[:, i]), tuple(moments[:, j]), self._kind)

    def factor(self, a: Moments, b: Moments, pair: tuple[int, int], alpha: float) -> float:
        """Return the half width of the repeated interval in standard errors."""
        share = float(self._share(a[0], b[0], *pair))
        return boundary.threshold(alpha) / share**0.5 if share > 0 else float("inf")


class EProcess:
    """Evidence without a horizon.

    Args:
        weights: Weights of the arms, shape (k,).
        rule: The stop rule.
        kind: Kind of the outcome.
    """

    method = "e-process"

    def __init__(self, weights: Floats, rule: StopRule, kind: Kind) -> None:
        k = len(weights)
        self._weights = weights
        self._exact = kind == "binary" and rule.margin == 0
        self._sign = 1.0 if rule.direction == "maximize" else -1.0
        self._margin = rule.margin
        self._bets = {(i, j): eprocess.PairBets() for i in range(k) for j in range(i + 1, k)} if self._exact else {}
        self.g = eprocess.prior_weight(rule.max_iterations or eprocess.EXPECTED_STOP)
        self._now = np.zeros((k, k))
        self._past = np.zeros((3, k))
        self._peaks: dict[frozenset[tuple[int, int]], float] = {}

    def extend(self, arms: Ints, values: Floats, sums: Floats) -> Path:
        """Take sessions in order."""
        log_e = self._exact_path(arms, values) if self._exact else self._mean_path(sums)
        self._now = log_e[-1]
        running = closed.running_e(log_e, self._peaks)
        moved = np.zeros(len(arms), dtype=np.bool_)
        moved[0] = True
        for path in running.values():
            moved[1:] |= path[1:] != path[:-1]
        at = np.flatnonzero(moved)
        told = {members: path[at] for members, path in running.items()}
        k = len(self._weights)
        return Path(at, closed.pairs_by_e(told, k), closed.best_by_e(told, k))

    def _exact_path(self, arms: Ints, values: Floats) -> Floats:
        """Return log E of every ordered pair after each session, shape (T, k, k)."""
        k = len(self._weights)
        log_e = np.empty((len(arms), k, k))
        log_e[:] = self._now
        for (i, j), bets in self._bets.items():
            mine = np.flatnonzero(((arms == i) | (arms == j)) & ~np.isnan(values))
            if not len(mine):
                continue
            w = self._weights[[i, j]]
            both = bets.extend((arms[mine] == j).astype(np.int64), values[mine], w / w.sum())
            first, second = both if self._sign > 0 else both[::-1]
            # Each session sees the evidence of the pair's last one.
            last = np.searchsorted(mine, np.arange(len(arms)), side="right") - 1
            seen = last >= 0
            log_e[seen, i, j] = first[last[seen]]
            log_e[seen, j, i] = second[last[seen]]
        return log_e

    def _mean_path(self, sums: Floats) -> Floats:
        k = len(self._weights)
        total = sums + self._past[:, np.newaxis]
        log_e = np.zeros((sums.shape[1], k, k))
        for i in range(k):
            for j in range(i + 1, k):
                both = eprocess.mean_log_e(tuple(total[:, :, i]), tuple(total[:, :, j]), self.g, self._margin)
                log_e[:, i, j], log_e[:, j, i] = both if self._sign > 0 else both[::-1]
        return log_e

    def new_epoch(self, weights: Floats, moments: Floats) -> None:
        """Bet with the new weights from now on."""
        self._weights = weights
        self._past = self._past + moments

    def factor(self, a: Moments, b: Moments, pair: tuple[int, int], alpha: float) -> float:
        """Return the half width of the confidence sequence in standard errors."""
        del pair
        return float(eprocess.interval_factor(float(a[0]) + float(b[0]), self.g, alpha))
