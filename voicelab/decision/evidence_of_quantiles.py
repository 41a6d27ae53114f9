"""The evidence of a test that is decided by a quantile: see `voicelab.decision.stats.quantiles` for the mathematics.

It needs the values, not their sums, and is looked at at numbers of sessions that are evenly spread on the scale of the
logarithm and hang on the rule alone: a test that is fed one by one and all at once is looked at alike. What is decided
there is decided by the boundary and the closed tests of the other outcomes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from voicelab.decision import pair_peaks
from voicelab.decision.evidence import Floats, Ints, Path, Setting
from voicelab.decision.evidence_with_horizon import Horizon
from voicelab.decision.evidence_without_horizon import EProcess
from voicelab.decision.quantile_tally import QuantileTally
from voicelab.decision.stats import boundary, compare, eprocess, quantiles
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import Moments
from voicelab.decision.stats.stagewise import Estimate


class _AtLooks:
    """What both methods have in common: the looks, and the values at each."""

    by_moments = False
    horizon: int | None = None

    def __init__(self, quantile: float, margin: float) -> None:
        self.quantile, self.margin = quantile, margin
        self.taken = 0
        self.tally: QuantileTally | None = None

    def looks(self, tally: QuantileTally, n: int) -> list[int]:
        """Return the looks among the next sessions, which are in the tally already."""
        self.tally = tally
        before, self.taken = self.taken, self.taken + n
        return quantiles.looks_within(before, self.taken, self.horizon)

    def pairs_at(self, tally: QuantileTally, sessions: int) -> list[tuple[int, int, Floats, Floats]]:
        """Return the values of each pair of arms after some sessions."""
        k = tally.epoch.shape[1]
        values = [tally.of_arm_until(arm, sessions) for arm in range(k)]
        return [(i, j, values[i], values[j]) for i in range(k) for j in range(i + 1, k)]


def _on_the_way(found: Floats, looks: Ints, before: int, start: Floats) -> tuple[Floats, Ints]:
    """Return evidence and the positions in a chunk at which it holds, of which the first is 0.

    Args:
        found: Evidence at each look, shape (L, k, k).
        looks: Numbers of sessions, counted from the test's first.
        before: Sessions before the chunk.
        start: Evidence before, shape (k, k).
    """
    at = looks - before - 1
    if len(at) and at[0] == 0:
        return found, at
    return np.concatenate([start[np.newaxis], found]), np.concatenate([np.zeros(1, dtype=np.int64), at])


def _say_nothing(a: Floats, b: Floats, quantile: float) -> bool:
    """Return whether two arms can't be compared: too few values, or each of one value that never varies."""
    if min(len(a), len(b)) < quantiles.fewest(quantile):
        return True
    return bool(a.min() == a.max() and b.min() == b.max())


class QuantileHorizon(_AtLooks, Horizon):
    """A declared horizon; arguments as for `Horizon`."""

    def __init__(self, weights: Floats, setting: Setting, quantile: float) -> None:
        Horizon.__init__(self, weights, setting)
        _AtLooks.__init__(self, quantile, setting.rule.margin)
        self.horizon = setting.rule.max_iterations

    adds_singly = False

    def extend(self, arms: Ints, values: Floats, sums: Any, probabilities: Floats | None = None) -> Path:
        """Take sessions in order."""
        del values, probabilities
        before = self.taken
        looks = self.looks(sums, len(arms))
        return self._judged(sums, looks, before)

    def look(self, sums: Any) -> Path:
        """Judge by all values: one look."""
        self.tally, self.taken = sums, int(sums.epoch[0].sum())
        return self._judged(sums, [self.taken], self.taken - 1)

    def _judged(self, tally: QuantileTally, looks: Sequence[int], before: int) -> Path:
        k = len(self._weights)
        found = np.zeros((len(looks), k, k))
        for row, sessions in enumerate(looks):
            for i, j, of_i, of_j in self.pairs_at(tally, sessions):
                found[row, i, j], found[row, j, i] = self._both(of_i, of_j, i, j)
        b, at = _on_the_way(found, np.asarray(looks, dtype=np.int64), before, np.zeros((k, k)))
        counts = np.zeros((1, len(b), k))
        if self._many is not None:
            where = pair_peaks.at_every_pair(len(b), k)
            forward, back = b[where.at, where.i, where.j], b[where.at, where.j, where.i]
            path = self._many.extend(len(b), where, forward, back)
            return path._replace(at=at[path.at])
        path = self.risen(b, counts)
        return path._replace(at=at[path.at])

    def _both(self, a: Floats, b: Floats, i: int, j: int) -> tuple[float, float]:
        """Return B of "the first beats the second" and of the reverse."""
        if _say_nothing(a, b, self.quantile):
            return 0.0, 0.0
        information = compare.information(np.array(len(a)), np.array(len(b)))
        root = float(np.sqrt(self._share_of(information, (i, j))))
        ahead = self._setting.sign * self._quantile_score(a, b, self.margin * self._setting.sign) * root
        if not self.margin:
            return ahead, -ahead
        return ahead, -self._setting.sign * self._quantile_score(a, b, -self.margin * self._setting.sign) * root

    def _quantile_score(self, a: Floats, b: Floats, margin: float) -> float:
        shifted = b + margin if margin else b
        return quantiles.quantile_score(a, shifted, self.quantile)

    def interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the repeated interval."""
        del strata
        if self.tally is None:
            return -np.inf, np.inf
        a, b = (self.tally.sorted_values(arm) for arm in pair)
        if min(len(a), len(b)) < quantiles.fewest(self.quantile):
            return -np.inf, np.inf
        share = float(self._share_of(compare.information(np.array(len(a)), np.array(len(b))), pair))
        return quantiles.difference_reach(a, b, self.quantile, boundary.threshold(alpha) / np.sqrt(share))

    def lift_interval(self, strata: Sequence[Stratum], pair: Any, alpha: float) -> tuple[Any, Any]:
        """Return the repeated interval of the logarithm of the ratio, by the errors of both quantiles."""
        contrast = compare.contrast(strata, self._setting.kind)
        return compare.log_ratio_interval(contrast, self._reach(contrast, pair, alpha), contrast.information > 0)

    def estimate(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> Estimate | None:
        """Return None: of quantiles no estimate at the stop is known."""
        del strata, pair, alpha
        return None

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the repeated interval of an arm's quantile."""
        if self.tally is None or not float(moments.n) or self.horizon is None:
            return -np.inf, np.inf
        values = self.tally.sorted_values(arm)
        share = min(1.0, len(values) / (self.horizon * float(self._weights[arm])))
        return quantiles.quantile_reach(values, self.quantile, boundary.threshold(alpha) / np.sqrt(share))

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {**super().to_json(), "taken": self.taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        super().restore(state)
        self.taken = state["taken"]


class QuantileEProcess(_AtLooks, EProcess):
    """No horizon; arguments as for `EProcess`."""

    def __init__(self, weights: Floats, setting: Setting, quantile: float) -> None:
        EProcess.__init__(self, weights, setting)
        _AtLooks.__init__(self, quantile, setting.rule.margin)
        self.by_moments = False
        self._last = np.zeros((len(weights), len(weights)))
        # Of each arm: that of two arms together is as for means.
        self._g_of_arm = self.g / 2

    adds_singly = False

    def extend(self, arms: Ints, values: Floats, sums: Any, probabilities: Floats | None = None) -> Path:
        """Take sessions in order."""
        del values, probabilities
        before = self.taken
        return self._judged_by_e(sums, self.looks(sums, len(arms)), before)

    def look(self, sums: Any) -> Path:
        """Judge by all values: one look."""
        self.tally, self.taken = sums, int(sums.epoch[0].sum())
        return self._judged_by_e(sums, [self.taken], self.taken - 1)

    def _judged_by_e(self, tally: QuantileTally, looks: Sequence[int], before: int) -> Path:
        k = len(self._weights)
        found = np.zeros((len(looks), k, k))
        for row, sessions in enumerate(looks):
            for i, j, of_i, of_j in self.pairs_at(tally, sessions):
                found[row, i, j], found[row, j, i] = self._both_log_e(np.sort(of_i), np.sort(of_j))
        log_e, at = _on_the_way(found, np.asarray(looks, dtype=np.int64), before, self._last)
        self._last = log_e[-1].copy()
        if self._many is not None:
            where = pair_peaks.at_every_pair(len(log_e), k)
            both = np.stack([log_e[where.at, where.i, where.j], log_e[where.at, where.j, where.i]])
            path = self._peaks_of_many(self._many, len(log_e), where, both)
        else:
            path = self._reported(log_e)
        return path._replace(at=at[path.at])

    def _both_log_e(self, a: Floats, b: Floats) -> tuple[float, float]:
        """Return log E of "the first beats the second" and of the reverse."""
        margin, q, g = self.margin, self.quantile, self._g_of_arm
        if _say_nothing(a, b, q):
            return 0.0, 0.0
        if self._setting.sign > 0:
            return quantiles.log_e_above(a, b + margin, q, g), quantiles.log_e_above(b, a + margin, q, g)
        return quantiles.log_e_above(b - margin, a, q, g), quantiles.log_e_above(a - margin, b, q, g)

    def interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the confidence sequence."""
        del strata
        if self.tally is None:
            return -np.inf, np.inf
        a, b = (self.tally.sorted_values(arm) for arm in pair)
        return quantiles.difference_sequence(a, b, self.quantile, self._g_of_arm, alpha)

    def lift_interval(self, strata: Sequence[Stratum], pair: Any, alpha: float) -> tuple[Any, Any]:
        """Return the confidence sequence of the logarithm of the ratio, by the errors of both quantiles."""
        del pair
        contrast = compare.contrast(strata, self._setting.kind)
        reach = eprocess.reach(sum(a.n + b.n for a, b in strata), self.g, alpha)
        return compare.log_ratio_interval(contrast, reach, contrast.information > 0)

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the confidence sequence of an arm's quantile."""
        if self.tally is None or not float(moments.n):
            return -np.inf, np.inf
        values = self.tally.sorted_values(arm)
        return quantiles.quantile_sequence(values, self.quantile, self._g_of_arm, alpha)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        return {**super().to_json(), "taken": self.taken, "last": self._last.tolist()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        super().restore(state)
        self.taken, self._last = state["taken"], np.array(state["last"], dtype=np.float64)
