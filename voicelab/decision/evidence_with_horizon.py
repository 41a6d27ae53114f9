"""The evidence of a test with a declared number of sessions: see `voicelab.decision.stats.boundary` for the mathematics.

For every ordered pair of variants it keeps one number, the largest B so far. That is all: B of the next session follows
from the sums, and what counts is only how far B ever came.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from voicelab.decision import pair_peaks
from voicelab.decision.evidence import Floats, Ints, Path, Setting, mean_and_error
from voicelab.decision.first_crossings import FirstCrossings
from voicelab.decision.pair_peaks import Looks, PairPeaks
from voicelab.decision.stats import boundary, closed, compare, criteria, scores, single_scores, stagewise
from voicelab.decision.stats.compare import Contrast, Stratum
from voicelab.decision.stats.forecast import Forecast, drift_of, with_horizon
from voicelab.decision.stats.moments import Moments
from voicelab.decision.stats.ratios import by_own_ratio, by_pooled_ratio
from voicelab.decision.stats.single_scores import Arm
from voicelab.decision.stats.stagewise import Estimate
from voicelab.decision.tally import Sums, Tally

_NO_END = np.asarray(-np.inf)
_UNKNOWN = "unknown"
"""In place of an arm whose moments have changed."""


class _Singly(NamedTuple):
    """What `Horizon.add` keeps as plain numbers: the peaks, the weights, and what is known of each arm."""

    peaks: list[list[float]]
    weights: list[float]
    arms: list[Arm | str | None]


class Horizon:
    """A declared horizon, watched continuously.

    Args:
        weights: Weights of the arms, shape (k,).
        setting: What is judged, and by which rule, with its `max_iterations`.
    """

    method = "horizon"
    by_moments = True

    def __init__(self, weights: Floats, setting: Setting) -> None:
        k = len(weights)
        assert setting.rule.max_iterations is not None  # noqa: S101 - the monitor chooses this method only then
        # An arm that is switched off at first, with weight 0, may be on later. A weight of 1 plans more information for
        # it than any number of sessions holds, so that its evidence is never taken for more than it is.
        self._weights = np.where(weights > 0, weights, 1.0)
        self._horizon = setting.rule.max_iterations
        self._setting = setting
        self.peaks = np.zeros((k, k))
        self._p = [[1.0] * k for _ in range(k)]
        # Of the epochs that are over, for each pair: sum of I d, of (I se)^2 and of I (Cochran, Mantel & Haenszel).
        self._past = np.zeros((3, k, k))
        self._strata = False
        self._singly: _Singly | None = None
        rule, default = setting.rule, setting.default
        sure = rule.max_confidence
        self._crossings = FirstCrossings(math.inf if sure is None else boundary.threshold(1 - sure / 100))
        self._many = (
            PairPeaks(k, rule.criterion, default, boundary.crossing_p_value) if k > closed.MOST_ENUMERATED else None
        )

    def extend(self, arms: Ints, values: Floats, sums: Sums, probabilities: Floats | None = None) -> Path:
        """Take sessions in order."""
        del values, probabilities
        if self._many is not None:
            return self._of_many(self._many, sums, pair_peaks.at_own_sessions(arms, len(self._weights)))
        return self.look(sums)

    def look(self, sums: Sums) -> Path:
        """Judge by the moments."""
        self._singly = None
        if self._many is not None:
            looks = pair_peaks.at_every_pair(sums.parts.shape[1], len(self._weights))
            return self._of_many(self._many, sums, looks)
        return self.risen(self._brownian(sums), sums.parts)

    def risen(self, b: Floats, parts: Floats) -> Path:
        """Take B of every ordered pair at looks, shape (T, k, k), overwritten, and the moments there, shape (rows, T, k)."""
        k = len(self._weights)
        # The running maximum, so that confidence never falls: a test that was sure once has been decided, and what B does
        # afterwards is what it does after any stop.
        b[0] = np.maximum(b[0], self.peaks)
        peaks = np.maximum.accumulate(b, axis=0, out=b)
        moved = (peaks[1:] != peaks[:-1]).any(axis=(1, 2))
        at = np.concatenate([[0], np.flatnonzero(moved) + 1])
        self.peaks = peaks[-1].copy()
        self._crossings.note(peaks, parts)
        # The p-value is costly and the maximum moves at few sessions: it is asked for there alone. The two-sided one, though
        # it is of one direction: each pair is looked at from both sides, and whoever leads was chosen by looking.
        pairs = boundary.crossing_p_value(peaks[at])
        self._p = pairs[-1].tolist()
        best = closed.beats_all({(i, j): pairs[:, i, j] for i in range(k) for j in range(k) if i != j}, k)
        return self._path(at, pairs, np.broadcast_to(best.T, (len(at), k)))

    def _path(self, at: Ints, pairs: Floats, best: Floats) -> Path:
        p = criteria.stopping_p_value(pairs, best, self._setting.rule.criterion, self._setting.default)
        return Path(at, p, pairs[-1], best[-1])

    def _of_many(self, many: PairPeaks, sums: Sums, looks: Looks) -> Path:
        at, i, j = looks
        forward, back = self._both_ways(sums.at(at, i), sums.at(at, j), i, j)
        return many.extend(sums.parts.shape[1], looks, forward, back)

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do: sessions without units, without margin and epochs, of few variants."""
        kind = self._setting.kind in {"binary", "count", "float"}
        plain = kind and not self._setting.with_units and not self._setting.rule.margin and not self._strata
        return plain and self._many is None

    def add(self, arm: int, value: float, sums: Tally) -> Path | None:
        """Take one session."""
        del value
        if self._singly is None:
            # What is asked for at every session, as plain numbers.
            self._singly = _Singly(self.peaks.tolist(), self._weights.tolist(), [_UNKNOWN] * len(self._weights))
        scored = self._rates_of(arm, sums.epoch) if self._setting.plain_rates else self._means_of(arm, sums)
        moved = False
        for i, j, z, root in scored:
            b = self._setting.sign * z * root
            for a, c, value in ((i, j, b), (j, i, -b)):
                if value > self._singly.peaks[a][c]:
                    self._singly.peaks[a][c] = self.peaks[a, c] = value
                    self._p[a][c] = boundary.p_value_of(value)
                    moved = True
        if not moved:
            return None
        self._crossings.note(self.peaks[np.newaxis], sums.epoch[:, np.newaxis])
        return self._path(np.zeros(1, dtype=np.int64), np.array([self._p]), np.array([closed.beats_all_of(self._p)]))

    def _rates_of(self, arm: int, parts: Floats) -> Iterator[tuple[int, int, float, float]]:
        """Yield score and root of the share of each pair of an arm."""
        n, hits = parts[0].tolist(), parts[1].tolist()
        for other in range(len(n)):
            i, j = (arm, other) if arm < other else (other, arm)
            if i != j and n[i] and n[j]:
                z = scores.rate_score_of(n[i], hits[i], n[j], hits[j])
                if z:
                    yield i, j, z, self._root_of(n[i], n[j], i, j)

    def _means_of(self, arm: int, sums: Tally) -> Iterator[tuple[int, int, float, float]]:
        """Yield score and root of the share of each pair of an arm, of those that may have come further than before."""
        assert self._singly is not None  # noqa: S101 - `add` has made it
        arms, peaks = self._singly.arms, self._singly.peaks
        arms[arm] = _UNKNOWN
        for at, known in enumerate(arms):
            if isinstance(known, str):
                n, total, squares, cubes = sums.epoch[:, at].tolist()
                arms[at] = single_scores.arm_of(n, total, squares, cubes, float(sums.centres[at]))
        for other in range(len(arms)):
            i, j = (arm, other) if arm < other else (other, arm)
            if i == j:
                continue
            one, two = arms[i], arms[j]
            if one is None or two is None:
                z = self._by_arrays(sums, i, j)
                if z:
                    yield i, j, z, self._root_of(float(sums.epoch[0, i]), float(sums.epoch[0, j]), i, j)
                continue
            root = self._root_of(one.n, two.n, i, j)  # type: ignore[union-attr]  # none is unknown any more
            above, ahead, behind = single_scores.most(one, two)  # type: ignore[arg-type]  # as above
            first, second = (i, j) if above == (self._setting.sign > 0) else (j, i)
            if ahead * root > peaks[first][second] or behind * root > peaks[second][first]:
                yield i, j, single_scores.mean_score_of(one, two), root  # type: ignore[arg-type]  # as above

    def _by_arrays(self, sums: Tally, i: int, j: int) -> float:
        """Return the score of numbers that are beyond plain formulas: too few, constant, or of extreme size."""
        if min(sums.epoch[0, i], sums.epoch[0, j]) < scores.BURN_IN:
            return 0.0
        now = Sums(sums.epoch[:, np.newaxis], sums.centres)
        return float(scores.mean_score(now.of(i), now.of(j))[0])

    def _root_of(self, n_i: float, n_j: float, i: int, j: int) -> float:
        assert self._singly is not None  # noqa: S101 - `add` has made it
        w_i, w_j = self._singly.weights[i], self._singly.weights[j]
        return math.sqrt(min(1.0, n_i * n_j / (n_i + n_j) / (self._horizon * w_i * w_j / (w_i + w_j))))

    def _brownian(self, sums: Sums) -> Floats:
        """Return B of every ordered pair after each session, shape (T, k, k)."""
        k = len(self._weights)
        b = np.zeros((k, k, sums.parts.shape[1])).transpose(2, 0, 1)
        for i in range(k):
            for j in range(i + 1, k):
                b[:, i, j], b[:, j, i] = self._both_ways(sums.of(i), sums.of(j), i, j)
        return b

    def _both_ways(self, one: Moments, other: Moments, i: Any, j: Any) -> tuple[Floats, Floats]:
        """Return B of "the first beats the second" and of the reverse, for looks at one pair or at one pair each."""
        margin, sign = self._setting.rule.margin, self._setting.sign
        root = sign * np.sqrt(self._share_of(self._past[2, i, j] + compare.information(one.n, other.n), (i, j)))
        ahead = self._score(one, other, self._past[:, i, j], margin * sign) * root
        # A margin asks both directions for more: without one they are one statistic, looked at from both sides.
        behind = self._score(one, other, self._past[:, i, j], -margin * sign) * root if margin else ahead
        return ahead, -behind

    def _score(self, one: Moments, other: Moments, past: Floats, margin: float) -> Floats:
        """Return the normal score of "the difference is above the margin" at every look; 0 where nothing can be said."""
        kind = self._setting.kind
        if np.any(past[2]):
            difference, se = compare.stratified(one, other, kind, past)
            # As much information as two arms hold at the end of the burn-in.
            ready = past[2] + compare.information(one.n, other.n) >= compare.BURN_IN[kind] / 2
            z = np.divide(difference - margin, se, out=np.zeros_like(difference), where=ready & (se > 0))
            return z if np.all(past[2]) else np.where(past[2] > 0, z, self._score_of_epoch(one, other, margin))
        return self._score_of_epoch(one, other, margin)

    def _score_of_epoch(self, one: Moments, other: Moments, margin: float) -> Floats:
        if not self._setting.plain_rates:
            if self._setting.kind == "ratio":
                return scores.cautious_mean_score(*by_pooled_ratio(one, other), margin)
            return scores.mean_score(one, other, margin)
        if margin:
            return scores.rate_score_beyond(one, other, margin)
        return scores.rate_score(one.n, one.total, other.n, other.total)

    def _share_of(self, information: Any, pair: tuple[Any, Any]) -> Floats:
        """Return the share of the horizon's information; after a change of weights the goal stays what was declared."""
        w_i, w_j = (self._weights[arm] for arm in pair)
        return boundary.share_of(information, w_i, w_j, self._horizon)

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Close an epoch; the horizon's information stays that of the first weights, as it was declared."""
        del weights
        self._strata = True
        self._crossings.new_epoch()
        i, j = np.nonzero(~np.eye(len(self._weights), dtype=np.bool_))
        last = np.full(len(i), sums.parts.shape[1] - 1)
        self._past[:, i, j] += compare.stratum(sums.at(last, i), sums.at(last, j), self._setting.kind)

    def interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the repeated interval."""
        kind = self._setting.kind
        contrast = compare.contrast(strata, kind)
        reach = self._reach(contrast, pair, alpha)
        if len(strata) == 1 and not self._setting.plain_rates:
            low, high = scores.mean_reach(by_own_ratio(strata[0][0]), by_own_ratio(strata[0][1]), reach)
            if kind == "ratio":
                plain = compare.interval(contrast, reach, compare.is_burnt_in(strata, compare.BURN_IN[kind]))
                low, high = np.fmin(low, plain[0]), np.fmax(high, plain[1])
        else:
            low, high = compare.interval(contrast, reach, compare.is_burnt_in(strata, compare.BURN_IN[kind]))
            if len(strata) == 1:
                # The wider of two that are each too narrow somewhere: Agresti-Caffo's with a large effect in a small arm.
                wide = compare.hybrid_interval(*strata[0], reach)
                low, high = np.fmin(low, wide[0]), np.fmax(high, wide[1])
        return (np.maximum(low, -1.0), np.minimum(high, 1.0)) if kind == "binary" else (low, high)

    def lift_interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the repeated interval of the logarithm of the ratio."""
        contrast = compare.contrast(strata, self._setting.kind)
        ready = compare.is_burnt_in(strata, compare.BURN_IN[self._setting.kind])
        return compare.log_ratio_interval(contrast, self._reach(contrast, pair, alpha), ready)

    def _reach(self, contrast: Contrast, pair: tuple[int, int], alpha: float) -> Floats:
        """Return how many standard errors an interval reaches to each side."""
        with np.errstate(divide="ignore"):
            return boundary.threshold(alpha) / np.sqrt(self._share_of(contrast.information, pair))

    def estimate(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> Estimate | None:
        """Return the median-unbiased estimate and its interval, by stagewise ordering."""
        if self._many is not None or self._setting.rule.margin:
            return None
        contrast = compare.contrast(strata, self._setting.kind)
        score, share = self._standing(strata, pair)
        if not score or not contrast.se:
            return None
        # The error that the test was made with, so that its threshold is met by the score itself.
        tested = abs(float(contrast.difference) / score)
        c = boundary.threshold(alpha)
        crossed = abs(score) * math.sqrt(share) >= c
        found = stagewise.estimate(float(contrast.difference), float(contrast.se), tested, share, c, crossed, alpha)
        # Its interval held in 81 to 89 of 100 tests of so few sessions where 95 were promised: the repeated one alone then.
        # The estimate stays: left out of early stops, which are those of large differences, the others' would be too low
        # in all but 0 to 40 of 100 tests.
        return found if compare.is_burnt_in(strata, scores.FEW) else Estimate(found.value, _NO_END, -_NO_END)

    def crossing(self, pair: tuple[int, int]) -> tuple[Floats, int] | None:
        """Return the moments of the epoch in which a pair first reached its threshold, and the epochs before."""
        return self._crossings.of(pair)

    def forecast(
        self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float, difference: float | None
    ) -> Forecast:
        """Return how much longer the comparison is expected to take."""
        contrast = compare.contrast(strata, self._setting.kind)
        score, share = self._standing(strata, pair)
        # All sessions, since that is what the horizon counts: at the pace at which information has come so far.
        n = round(share * self._horizon)
        drift = None
        if difference is not None and contrast.se and share:
            drift = drift_of(difference, float(contrast.se), share)
        return with_horizon(score * math.sqrt(share), share, boundary.threshold(alpha), self._horizon, n, drift)

    def _standing(self, strata: Sequence[Stratum], pair: tuple[int, int]) -> tuple[float, float]:
        """Return the score of a pair, and its share of the horizon's information."""
        *before, (one, other) = ((_as_arrays(a), _as_arrays(b)) for a, b in strata)
        past = np.sum([np.zeros((3, 1)), *(compare.stratum(*arms, self._setting.kind) for arms in before)], axis=0)
        gathered = past[2] + compare.information(one.n, other.n)
        return float(self._score(one, other, past[:, 0], 0.0)[0]), float(self._share_of(gathered, pair)[0])

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the repeated interval; for a rate that of its score, which says something at 0 and 1 too."""
        n = float(moments.n)
        share = min(1.0, n / (self._horizon * float(self._weights[arm])))
        if self._setting.plain_rates and n:
            return compare.score_interval(float(moments.total), n, boundary.threshold(alpha) / math.sqrt(share))
        mean, se = mean_and_error(moments)
        return boundary.repeated_interval(mean, se, share, alpha)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {
            "weights": self._weights.tolist(),
            "peaks": self.peaks.tolist(),
            "past": self._past.tolist(),
            "strata": self._strata,
            "many": self._many and self._many.to_json(),
            "crossings": self._crossings.to_json(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        self._singly = None
        self._weights, self.peaks, self._past = (
            np.array(state[name], dtype=np.float64) for name in ("weights", "peaks", "past")
        )
        self._strata = state["strata"]
        self._crossings.restore(state["crossings"])
        if self._many is not None:
            self._many.restore(state["many"])
        self._p = [[boundary.p_value_of(b) if b > 0 else 1.0 for b in row] for row in self.peaks.tolist()]


def _as_arrays(arm: Moments) -> Moments:
    """Return the moments of one look as arrays of one element."""
    return type(arm)(*(None if part is None else np.atleast_1d(part) for part in arm))
