"""What the sessions of a test say about each pair of variants, at every look: one class for each of the two methods.

`Horizon` is the group-sequential boundary over a declared number of sessions; `EProcess` needs no horizon. Both are fed
chunk by chunk and give the same floats as if they had been fed one by one.
"""

import math
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from voicelab.decision.rules import Kind, StopRule
from voicelab.decision.stats import boundary, closed, compare, eprocess
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
    def takes_singly(self) -> bool:
        """Whether `take` will do."""

    def take(self, arm: int, hit: float | None, parts: Floats) -> Path | None:
        """Take one session; the same floats as `extend` without arrays of one element, which cost ten times as much.

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
        # An arm that is switched off at first, with weight 0, may be on later. A weight of 1 plans more information for
        # it than any number of sessions holds, so that its evidence is never taken for more than it is.
        self._weights = np.where(weights > 0, weights, 1.0)
        self._horizon = rule.max_iterations
        self._kind = kind
        self._sign = 1.0 if rule.direction == "maximize" else -1.0
        self._margin = rule.margin
        self.peaks = np.zeros((k, k))
        self._p = [[1.0] * k for _ in range(k)]
        # Of the epochs that are over, for each pair: sum of I d, of (I se)^2 and of I (Cochran, Mantel & Haenszel).
        self._past = np.zeros((3, k, k))
        self._strata = False

    def extend(self, arms: Ints, values: Floats, sums: Sums) -> Path:
        """Take sessions in order."""
        del arms, values
        return self.look(sums)

    def look(self, sums: Sums) -> Path:
        """Judge by the moments."""
        b = self._brownian(sums)
        b[0] = np.maximum(b[0], self.peaks)
        peaks = np.maximum.accumulate(b, axis=0, out=b)
        moved = (peaks[1:] != peaks[:-1]).any(axis=(1, 2))
        at = np.concatenate([[0], np.flatnonzero(moved) + 1])
        self.peaks = peaks[-1].copy()
        pairs = boundary.p_value(peaks[at])
        self._p = pairs[-1].tolist()
        k = len(self._weights)
        best = closed.beats_all({(i, j): pairs[:, i, j] for i in range(k) for j in range(k) if i != j}, k)
        return Path(at, pairs, np.broadcast_to(best.T, (len(at), k)))

    @property
    def takes_singly(self) -> bool:
        """Whether `take` will do: a binary outcome without margin and without epochs."""
        return self._kind == "binary" and not self._margin and not self._strata

    def take(self, arm: int, hit: float | None, parts: Floats) -> Path | None:
        """Take one session."""
        del hit
        n, hits = parts[0].tolist(), parts[1].tolist()
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
                    self._p[a][c] = boundary.p_value_of(value)
                    moved = True
        if not moved:
            return None
        return Path(np.zeros(1, dtype=np.int64), np.array([self._p]), np.array([closed.beats_all_of(self._p)]))

    def _brownian(self, sums: Sums) -> Floats:
        """Return B of every ordered pair after each session, shape (T, k, k)."""
        k = len(self._weights)
        b = np.zeros((k, k, sums.parts.shape[1])).transpose(2, 0, 1)
        for i in range(k):
            for j in range(i + 1, k):
                one, other = sums.of(i), sums.of(j)
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
            difference = compare.difference(one, other)
        z = np.divide(difference, se, out=np.zeros_like(difference), where=ready)
        per_margin = np.divide(1.0, se, out=np.zeros_like(difference), where=ready) if self._margin else z * 0.0
        return z, per_margin

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Close an epoch; the horizon's information stays that of the first weights, as it was declared."""
        del weights
        self._strata = True
        k = len(self._weights)
        for i in range(k):
            for j in range(k):
                if i != j:
                    self._past[:, i, j] += compare.stratum(sums.of(i), sums.of(j), self._kind)[:, -1]

    def interval(
        self, estimate: float, se: float, n: tuple[float, float], pair: tuple[int, int], alpha: float
    ) -> tuple[float, float]:
        """Return the repeated interval."""
        share = float(self._share(np.asarray(n[0]), np.asarray(n[1]), *pair))
        return boundary.repeated_interval(estimate, se, share, alpha)

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the repeated interval; for a rate that of its score, which says something at 0 and 1 too."""
        n = float(moments.n)
        share = min(1.0, n / (self._horizon * float(self._weights[arm])))
        if self._kind == "binary" and n:
            return compare.score_interval(float(moments.total), n, boundary.threshold(alpha) / math.sqrt(share))
        mean, se = _mean_and_error(moments)
        return boundary.repeated_interval(mean, se, share, alpha)


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
        self._binary = kind == "binary"
        self._exact = self._binary and rule.margin == 0
        self._sign = 1.0 if rule.direction == "maximize" else -1.0
        self._margin = rule.margin
        self._bets = {(i, j): eprocess.PairBets() for i in range(k) for j in range(i + 1, k)} if self._exact else {}
        self.g = eprocess.prior_weight(rule.max_iterations or eprocess.EXPECTED_STOP)
        # Log E of the ordered pairs, but of those that are stale: it is averaged over the priors when it is needed.
        self._now = [[0.0] * k for _ in range(k)]
        self._stale: set[tuple[int, int]] = set()
        self._shares = self._shares_of_pairs()
        self._past = np.zeros((3, k))
        self._peaks: closed.Peaks = {}
        self._bounds: closed.Peaks = {}

    def extend(self, arms: Ints, values: Floats, sums: Sums) -> Path:
        """Take sessions in order."""
        return self._told(self._exact_path(arms, values)) if self._exact else self.look(sums)

    def look(self, sums: Sums) -> Path:
        """Judge by the moments: by means, also where the outcome is binary, since exact bets need every session."""
        return self._told(self._mean_path(sums))

    def _told(self, log_e: Floats) -> Path:
        self._now = log_e[-1].tolist()
        self._bounds.clear()
        running = closed.running_e(log_e, self._peaks)
        moved = np.zeros(len(log_e), dtype=np.bool_)
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
        self._refresh()
        # Each pair's path lies together in memory.
        log_e = np.empty((k, k, len(arms))).transpose(2, 0, 1)
        log_e[:] = self._now
        valid = ~np.isnan(values)
        of_arm = [(arms == arm) & valid for arm in range(k)]
        for (i, j), bets in self._bets.items():
            ours = of_arm[i] | of_arm[j]
            mine = np.flatnonzero(ours)
            if not len(mine):
                continue
            both = bets.extend((arms[mine] == j).astype(np.int64), values[mine], np.array(self._shares[i, j]))
            first, second = both if self._sign > 0 else both[::-1]
            # Each session sees the evidence of the pair's last one.
            last, start = np.cumsum(ours)[mine[0] :] - 1, mine[0]
            log_e[start:, i, j] = first[last]
            log_e[start:, j, i] = second[last]
        return log_e

    @property
    def takes_singly(self) -> bool:
        """Whether `take` will do: exact bets, among few enough arms to go through their intersections."""
        return self._exact and len(self._weights) <= closed.MOST_ENUMERATED

    def take(self, arm: int, hit: float | None, parts: Floats) -> Path | None:
        """Take one session; what it is worth is averaged over the priors only when some evidence may have grown."""
        del parts
        if hit is None:
            return None
        mine, is_second = _pairs_of(len(self._weights), arm)
        bets = [self._bets[pair] for pair in mine]
        gains = eprocess.take(bets, is_second, hit, [self._shares[pair] for pair in mine])
        by_pair = {}
        for (i, j), (first, second) in zip(mine, gains, strict=True):
            forward, back = (first, second) if self._sign > 0 else (second, first)
            if forward is not None:
                by_pair[i, j] = forward
            if back is not None:
                by_pair[j, i] = back
        self._stale.update(mine)
        k = len(self._weights)
        growing = closed.may_grow(self._bounds, self._peaks, by_pair, k, arm)
        if not growing:
            return None
        self._refresh()
        if not closed.grow(self._now, self._bounds, self._peaks, growing):
            return None
        pairs, best = closed.p_values_of(self._peaks, k)
        return Path(np.zeros(1, dtype=np.int64), pairs[np.newaxis], best[np.newaxis])

    def _refresh(self) -> None:
        """Have `_now` hold the present evidence of every pair."""
        if self._stale:
            stale = list(self._stale)
            self._stale.clear()
            found = eprocess.means_of_e([log_e for pair in stale for log_e in self._bets[pair].log_e])
            for at, (i, j) in enumerate(stale):
                first, second = found[2 * at : 2 * at + 2]
                self._now[i][j], self._now[j][i] = (first, second) if self._sign > 0 else (second, first)

    def _mean_path(self, sums: Sums) -> Floats:
        k = len(self._weights)
        total = Sums(sums.parts + self._past[:, np.newaxis], sums.centres)
        log_e = np.zeros((k, k, sums.parts.shape[1])).transpose(2, 0, 1)
        for i in range(k):
            for j in range(i + 1, k):
                both = eprocess.mean_log_e(total.of(i), total.of(j), self.g, self._margin)
                log_e[:, i, j], log_e[:, j, i] = both if self._sign > 0 else both[::-1]
        return log_e

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Bet with the new weights from now on."""
        self._weights = weights
        self._shares = self._shares_of_pairs()
        self._past = self._past + sums.parts[:, -1]

    def _shares_of_pairs(self) -> dict[tuple[int, int], tuple[float, float]]:
        """Return the probability of either arm of a pair among the sessions of the two."""
        w = self._weights.tolist()
        # Of two arms that are both switched off there are no sessions, whatever their shares.
        return {(i, j): (w[i] / (w[i] + w[j] or 1.0), w[j] / (w[i] + w[j] or 1.0)) for i, j in self._bets}

    def interval(
        self, estimate: float, se: float, n: tuple[float, float], pair: tuple[int, int], alpha: float
    ) -> tuple[float, float]:
        """Return the confidence sequence."""
        del pair
        return eprocess.confidence_sequence(estimate, se, sum(n), self.g, alpha)

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the confidence sequence; an exact one for a rate."""
        n = float(moments.n)
        if self._binary:
            return eprocess.rate_sequence(float(moments.total), n, alpha)
        mean, se = _mean_and_error(moments)
        # Of an arm that is switched off by now, any weight of the prior holds.
        weight = float(self._weights[arm]) or 1 / len(self._weights)
        return eprocess.confidence_sequence(mean, se, n, self.g * weight, alpha)


def _mean_and_error(moments: Moments) -> tuple[float, float]:
    """Return an arm's mean and its standard error: infinite while there are few values, or none that differ.

    Of rare values a few sessions show none, or too few to tell how much they vary.
    """
    n = float(moments.n)
    within = float(moments.within) if n >= eprocess.BURN_IN else 0.0
    return float(compare.means(moments)), math.sqrt(within / (n - 1) / n) if within > 0 else math.inf


@lru_cache(maxsize=64)
def _pairs_of(k: int, arm: int) -> tuple[list[tuple[int, int]], list[bool]]:
    """Return the pairs that an arm belongs to, and whether it is their second."""
    mine = [(i, j) for i in range(k) for j in range(i + 1, k) if arm in (i, j)]
    return mine, [pair[1] == arm for pair in mine]
