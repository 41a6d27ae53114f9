"""The evidence of a test with a declared number of sessions: see `voicelab.decision.stats.boundary` for the mathematics.

For every ordered pair of variants it keeps one number, the largest B so far. That is all: B of the next session follows
from the sums, and what counts is only how far B ever came.
"""

import math

import numpy as np

from voicelab.decision.evidence import Floats, Ints, Path, Sums, mean_and_error
from voicelab.decision.rules import Kind, StopRule
from voicelab.decision.stats import boundary, closed, compare
from voicelab.decision.stats.compare import Moments


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
        # The running maximum, so that confidence never falls: a test that was sure once has been decided, and what B does
        # afterwards is what it does after any stop.
        b = self._brownian(sums)
        b[0] = np.maximum(b[0], self.peaks)
        peaks = np.maximum.accumulate(b, axis=0, out=b)
        moved = (peaks[1:] != peaks[:-1]).any(axis=(1, 2))
        at = np.concatenate([[0], np.flatnonzero(moved) + 1])
        self.peaks = peaks[-1].copy()
        # The p-value is costly and the maximum moves at few sessions: it is asked for there alone. The two-sided one, though
        # it is of one direction: each pair is looked at from both sides, and whoever leads was chosen by looking.
        pairs = boundary.crossing_p_value(peaks[at])
        self._p = pairs[-1].tolist()
        k = len(self._weights)
        best = closed.beats_all({(i, j): pairs[:, i, j] for i in range(k) for j in range(k) if i != j}, k)
        return Path(at, pairs, np.broadcast_to(best.T, (len(at), k)))

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do: a binary outcome without margin and without epochs."""
        return self._kind == "binary" and not self._margin and not self._strata

    def add(self, arm: int, hit: float | None, parts: Floats) -> Path | None:
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
                # A margin moves the hypothesis: better by more than that, so z is reduced by the margin in standard errors.
                b[:, i, j] = (z - self._margin * per_margin) * root
                b[:, j, i] = (-z - self._margin * per_margin) * root
        return b

    def _share(self, n_i: Floats, n_j: Floats, i: int, j: int) -> Floats:
        past = self._past[2, i, j]
        w = self._weights
        # After a change of weights what the epochs before have brought counts on; the goal stays what was declared.
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
            # Before the burn-in, and where nothing varies, B stays where it is: no statement rather than a wild one.
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
        mean, se = mean_and_error(moments)
        return boundary.repeated_interval(mean, se, share, alpha)
