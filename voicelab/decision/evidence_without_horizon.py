"""The evidence of a test that may go on for as long as it likes: see `voicelab.decision.stats.eprocess` for the mathematics.

Rates and means with declared bounds have bets that are exact (`voicelab.decision.stats.betting`), for which every session
is needed, and only the first of a unit counts; other means are judged by their moments.

For every pair of variants it keeps the stakes of its bets, and for every intersection of hypotheses (see
`voicelab.decision.stats.closed`) the largest average of e-values so far.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from voicelab.decision import pair_peaks
from voicelab.decision.evidence import Floats, Ints, Path, Setting, mean_and_error
from voicelab.decision.pair_peaks import Looks, PairPeaks
from voicelab.decision.stats import closed, compare, criteria, eprocess, scores
from voicelab.decision.stats.betting import BoundedPairBets
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.forecast import Forecast, without_horizon
from voicelab.decision.stats.moments import Moments
from voicelab.decision.stats.ratios import by_own_ratio, by_pooled_ratio
from voicelab.decision.stats.stagewise import Estimate
from voicelab.decision.tally import Bools, Sums, Tally


class EProcess:
    """Evidence without a horizon.

    Args:
        weights: Weights of the arms, shape (k,).
        setting: What is judged, and by which rule.
    """

    def __init__(self, weights: Floats, setting: Setting) -> None:
        k = len(weights)
        rule = setting.rule
        self._weights = weights
        self._setting = setting
        # Without the weights there is no fair bet, and rates are judged by their means, as at one look at sums.
        has_bets = setting.bounds is not None or (setting.kind == "binary" and setting.weights_known)
        self._exact = rule.margin == 0 and has_bets
        self._pairs = [(i, j) for i in range(k) for j in range(i + 1, k)]
        self._bets: dict[tuple[int, int], Any] = (
            {pair: self._new_bets(pair) for pair in self._pairs} if self._exact else {}
        )
        self._bounded = self._exact and setting.bounds is not None
        self.by_moments = not self._bounded
        self.method = "bounded-mean bets" if self._bounded else "e-process"
        self.g = eprocess.prior_weight(rule.max_iterations or eprocess.EXPECTED_STOP)
        # Log E of the ordered pairs, but of those that are stale: it is averaged over the priors when it is needed.
        self._now = [[0.0] * k for _ in range(k)]
        self._stale: set[tuple[int, int]] = set()
        self._shares = self._shares_of_pairs()
        # Evidence of the means in the epochs that are over: sessions are compared with others of their epoch alone, and
        # the product of bets on different sessions is a bet.
        self._past = np.zeros((k, k))
        self._peaks: closed.Peaks = {}
        self._bounds: closed.Peaks = {}
        self._many = PairPeaks(k, rule.criterion, setting.default, _p_of) if k > closed.MOST_ENUMERATED else None

    def _new_bets(self, pair: tuple[int, int]) -> Any:
        rule, k = self._setting.rule, len(self._weights)
        if self._setting.bounds is None:
            return eprocess.PairBets()
        # Several variants share what they can be sure of, so that each pair has further to go.
        target = 2 / (1 - (rule.max_confidence or 95.0) / 100) * (k - 1)
        share = float(sum(self._weights[arm] for arm in pair))
        expected = rule.max_iterations * share if rule.max_iterations and share else None
        return BoundedPairBets(self._setting.bounds, expected, target)

    def extend(self, arms: Ints, values: Floats, sums: Sums, probabilities: Floats | None = None) -> Path:
        """Take sessions in order."""
        # Rates have a bet that is exact in every sample. A margin leaves it no equality to be fair under, so there, and for
        # counts and floats, the evidence is that of the means.
        k = len(self._weights)
        if self._many is None:
            return self._reported(self._exact_path(arms, values, probabilities)) if self._exact else self.look(sums)
        if not self._exact:
            return self._means_of_many(self._many, sums, pair_peaks.at_own_sessions(arms, k))
        paths = [(pair, mine, both) for pair, mine, _, both in self._bets_placed(arms, values, probabilities)]
        sizes = [len(mine) for _, mine, _ in paths]
        i, j = (np.repeat([pair[end] for pair, _, _ in paths], sizes).astype(np.int64) for end in (0, 1))
        at = np.concatenate([mine for _, mine, _ in paths] or [np.zeros(0, dtype=np.int64)])
        log_e = np.concatenate([both for *_, both in paths] or [np.zeros((2, 0))], axis=1)
        return self._peaks_of_many(self._many, len(arms), Looks(at, i, j), log_e)

    def look(self, sums: Sums) -> Path:
        """Judge by the moments: by means, also where the outcome is binary, since exact bets need every session."""
        if self._many is not None:
            looks = pair_peaks.at_every_pair(sums.parts.shape[1], len(self._weights))
            return self._means_of_many(self._many, sums, looks)
        return self._reported(self._mean_path(sums))

    def _means_of_many(self, many: PairPeaks, sums: Sums, looks: Looks) -> Path:
        at, i, j = looks
        log_e = self._mean_log_e(sums.at(at, i), sums.at(at, j)) + np.stack([self._past[i, j], self._past[j, i]])
        return self._peaks_of_many(many, sums.parts.shape[1], looks, log_e)

    def _peaks_of_many(self, many: PairPeaks, n: int, looks: Looks, log_e: Floats) -> Path:
        return many.extend(n, looks, log_e[0], log_e[1], eprocess.mean_of_e(list(log_e)))

    def _mean_log_e(self, one: Moments, other: Moments) -> Floats:
        """Return log E of "the first beats the second" and of the reverse, shape (2, ...)."""
        one, other = by_pooled_ratio(one, other)
        both = eprocess.mean_log_e(one, other, self.g, self._setting.rule.margin, self._setting.kind)
        return np.stack(both if self._setting.sign > 0 else both[::-1])

    def _reported(self, log_e: Floats) -> Path:
        self._now = log_e[-1].tolist()
        self._bounds.clear()
        # What is reported is the largest so far, of every intersection: it moves at few sessions, and only those are reported.
        running = closed.running_e(log_e, self._peaks)
        moved = np.zeros(len(log_e), dtype=np.bool_)
        moved[0] = True
        for path in running.values():
            moved[1:] |= path[1:] != path[:-1]
        at = np.flatnonzero(moved)
        reported = {members: path[at] for members, path in running.items()}
        k = len(self._weights)
        return self._path(at, closed.pairs_by_e(reported, k), closed.best_by_e(reported, k))

    def _path(self, at: Ints, pairs: Floats, best: Floats) -> Path:
        p = criteria.stopping_p_value(pairs, best, self._setting.rule.criterion, self._setting.default)
        return Path(at, p, pairs[-1], best[-1])

    def _exact_path(self, arms: Ints, values: Floats, probabilities: Floats | None) -> Floats:
        """Return log E of every ordered pair after each session, shape (T, k, k)."""
        k = len(self._weights)
        self._refresh()
        # Each pair's path lies together in memory.
        log_e = np.empty((k, k, len(arms))).transpose(2, 0, 1)
        log_e[:] = self._now
        for (i, j), mine, ours, (first, second) in self._bets_placed(arms, values, probabilities):
            # Each session sees the evidence of the pair's last one.
            last, start = np.cumsum(ours)[mine[0] :] - 1, mine[0]
            log_e[start:, i, j] = first[last]
            log_e[start:, j, i] = second[last]
        return log_e

    def _bets_placed(
        self, arms: Ints, values: Floats, probabilities: Floats | None
    ) -> Iterator[tuple[tuple[int, int], Ints, Bools, Floats]]:
        """Yield each pair that has sessions: where they are, which ones, and log E of both directions after each."""
        valid = ~np.isnan(values)
        # A pair bets on its own sessions alone, with weights of the two: what other arms do can't move it.
        of_arm = [(arms == arm) & valid for arm in range(len(self._weights))]
        for (i, j), bets in self._bets.items():
            ours = of_arm[i] | of_arm[j]
            mine = np.flatnonzero(ours)
            if len(mine):
                shares = np.array(self._shares[i, j]) if probabilities is None else _of_two(probabilities[mine], i, j)
                both = bets.extend((arms[mine] == j).astype(np.int64), values[mine], shares)
                yield (i, j), mine, ours, both if self._setting.sign > 0 else both[::-1]

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do: exact bets, among few enough arms to go through their intersections."""
        return self._exact and self._setting.plain_rates and len(self._weights) <= closed.MOST_ENUMERATED

    def add(self, arm: int, value: float, sums: Tally) -> Path | None:
        """Add one session; what it is worth is averaged over the priors only when some evidence may have grown."""
        del sums
        mine, is_second = _pairs_of(len(self._weights), arm)
        bets = [self._bets[pair] for pair in mine]
        gains = eprocess.add_session(bets, is_second, value, [self._shares[pair] for pair in mine])
        by_pair = {}
        for (i, j), (first, second) in zip(mine, gains, strict=True):
            forward, back = (first, second) if self._setting.sign > 0 else (second, first)
            if forward is not None:
                by_pair[i, j] = forward
            if back is not None:
                by_pair[j, i] = back
        self._stale.update(mine)
        k = len(self._weights)
        # Most sessions change no largest average: a bound shows that for a few additions, without a single logarithm.
        growing = closed.may_grow(self._bounds, self._peaks, by_pair, k, arm)
        if not growing:
            return None
        self._refresh()
        if not closed.grow(self._now, self._bounds, self._peaks, growing):
            return None
        pairs, best = closed.p_values_of(self._peaks, k)
        return self._path(np.zeros(1, dtype=np.int64), pairs[np.newaxis], best[np.newaxis])

    def _refresh(self) -> None:
        """Have `_now` hold the present evidence of every pair."""
        if self._stale:
            stale = list(self._stale)
            self._stale.clear()
            found = eprocess.means_of_e([log_e for pair in stale for log_e in self._bets[pair].log_e])
            for at, (i, j) in enumerate(stale):
                first, second = found[2 * at : 2 * at + 2]
                self._now[i][j], self._now[j][i] = (first, second) if self._setting.sign > 0 else (second, first)

    def _mean_path(self, sums: Sums) -> Floats:
        log_e = self._epoch_path(sums)
        return log_e + self._past

    def _epoch_path(self, sums: Sums) -> Floats:
        """Return the evidence of the present epoch alone, shape (T, k, k)."""
        k = len(self._weights)
        log_e = np.zeros((k, k, sums.parts.shape[1])).transpose(2, 0, 1)
        for i, j in self._pairs:
            log_e[:, i, j], log_e[:, j, i] = self._mean_log_e(sums.of(i), sums.of(j))
        return log_e

    def new_epoch(self, weights: Floats, sums: Sums) -> None:
        """Bet with the new weights from now on."""
        self._weights = weights
        self._shares = self._shares_of_pairs()
        # Exact bets need no strata: each was placed with the weights of its moment.
        i, j = np.triu_indices(len(weights), 1)
        last = np.full(len(i), sums.parts.shape[1] - 1)
        forward, back = self._mean_log_e(sums.at(last, i), sums.at(last, j))
        self._past = self._past.copy()
        self._past[i, j] += forward
        self._past[j, i] += back

    def _shares_of_pairs(self) -> dict[tuple[int, int], tuple[float, float]]:
        """Return the probability of either arm of a pair among the sessions of the two."""
        w = self._weights.tolist()
        # Of two arms that are both switched off there are no sessions, whatever their shares.
        return {(i, j): (w[i] / (w[i] + w[j] or 1.0), w[j] / (w[i] + w[j] or 1.0)) for i, j in self._pairs}

    def interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the confidence sequence."""
        if self._bounded:
            first, second = pair
            low, high = self._bets[min(pair), max(pair)].interval(alpha)
            return (low, high) if first < second else (-high, -low)
        contrast = compare.contrast(strata, self._setting.kind)
        reach, ready = self._reach(strata, alpha), self._is_burnt_in(strata)
        if len(strata) == 1 and not self._setting.plain_rates:
            low, high = scores.mean_reach(
                by_own_ratio(strata[0][0]), by_own_ratio(strata[0][1]), np.where(ready, reach, np.inf)
            )
        else:
            low, high = compare.interval(contrast, reach, ready)
        return (np.maximum(low, -1.0), np.minimum(high, 1.0)) if self._setting.kind == "binary" else (low, high)

    def lift_interval(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> tuple[Any, Any]:
        """Return the confidence sequence of the logarithm of the ratio."""
        del pair
        if self._bounded:
            return -np.inf, np.inf
        contrast = compare.contrast(strata, self._setting.kind)
        return compare.log_ratio_interval(contrast, self._reach(strata, alpha), self._is_burnt_in(strata))

    def _is_burnt_in(self, strata: Sequence[Stratum]) -> Any:
        # As for the evidence; a rate's error is known by its rate.
        enough = compare.BURN_IN["binary"] if self._setting.plain_rates else eprocess.BURN_IN
        return compare.is_burnt_in(strata, enough)

    def _reach(self, strata: Sequence[Stratum], alpha: float) -> Any:
        """Return how many standard errors an interval reaches to each side."""
        return eprocess.reach(sum(a.n + b.n for a, b in strata), self.g, alpha)

    def estimate(self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float) -> Estimate | None:
        """Return None: without a horizon there is no order of ends, and the confidence sequence is all there is."""
        del strata, pair, alpha
        return None

    def crossing(self, pair: tuple[int, int]) -> tuple[Floats, int] | None:
        """Return None: it is of no use without an order of ends."""
        del pair
        return None

    def forecast(
        self, strata: Sequence[Stratum], pair: tuple[int, int], alpha: float, difference: float | None
    ) -> Forecast:
        """Return how much longer the comparison is expected to take."""
        contrast = compare.contrast(strata, self._setting.kind)
        n = round(float(sum(a.n + b.n for a, b in strata)))
        log_e = None
        if self._exact:
            self._refresh()
            (i, j) = pair
            log_e = float(np.logaddexp(self._now[i][j], self._now[j][i]) - np.log(2))
        return without_horizon(float(contrast.difference), float(contrast.null_se), n, self.g, alpha, difference, log_e)

    def mean_interval(self, moments: Moments, arm: int, alpha: float) -> tuple[float, float]:
        """Return the confidence sequence; an exact one for a rate."""
        n = float(moments.n)
        if self._setting.plain_rates:
            return eprocess.rate_sequence(float(moments.total), n, alpha)
        mean, se = mean_and_error(moments)
        # Of an arm that is switched off by now, any weight of the prior holds.
        weight = float(self._weights[arm]) or 1 / len(self._weights)
        return eprocess.confidence_sequence(mean, se, n, self.g * weight, alpha)

    def to_json(self) -> dict[str, Any]:
        """Return the state as JSON's types."""
        self._refresh()
        return {
            "weights": self._weights.tolist(),
            "bets": [self._bets[pair].state() for pair in self._pairs] if self._exact else None,
            "now": self._now,
            "past": self._past.tolist(),
            "many": self._many and self._many.to_json(),
            "peaks": [[sorted(members), peak] for members, peak in self._peaks.items()],
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up the state that `to_json` wrote."""
        self._weights, self._past = (np.array(state[name], dtype=np.float64) for name in ("weights", "past"))
        self._shares = self._shares_of_pairs()
        if self._many is not None:
            self._many.restore(state["many"])
        self._now = [list(row) for row in state["now"]]
        self._peaks = {frozenset(map(tuple, members)): peak for members, peak in state["peaks"]}
        for pair, bets in zip(self._pairs, state["bets"] or (), strict=False):
            self._bets[pair] = type(self._bets[pair]).from_state(bets)


def _p_of(log_e: Floats) -> Floats:
    return np.asarray(np.exp(-log_e))


def _of_two(probabilities: Floats, i: int, j: int) -> Floats:
    """Return the probabilities of two arms among the sessions of the two, shape (T, 2)."""
    own = probabilities[:, [i, j]]
    shares: Floats = own / own.sum(axis=1, keepdims=True)
    return shares


@lru_cache(maxsize=64)
def _pairs_of(k: int, arm: int) -> tuple[list[tuple[int, int]], list[bool]]:
    """Return the pairs that an arm belongs to, and whether it is their second."""
    mine = [(i, j) for i in range(k) for j in range(i + 1, k) if arm in (i, j)]
    return mine, [pair[1] == arm for pair in mine]
