"""Watches one test session by session; the same state decides a simulation on the run and a log afterwards.

Feeding sessions one by one, in chunks or all at once gives exactly the same state: sums are carried on by adding to the
first value of the next chunk, as one long cumulative sum would.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.rules import Conclusion, Kind, Reason, StopDecision, StopRule, check_weights
from voicelab.stats import boundary, closed
from voicelab.stats.compare import Moments, means, z_statistic
from voicelab.stats.sample_ratio import SampleRatio

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NEVER = 1 << 62


def session_values(values: Floats, written: Bools, crashed: Bools, kind: Kind) -> Floats:
    """Return what each session counts as.

    A session that didn't write the outcome counts as 0 (the guide's own default), and so does a crashed one where the
    outcome is binary; a crashed one is left out of counts and floats. NaN and infinity are left out.

    Args:
        values: What was written, shape (T,); anything where nothing was.
        written: Whether it was written.
        crashed: Whether the session ended with status `error`.
        kind: Kind of the outcome.

    Returns:
        Values of shape (T,), NaN for sessions that are left out.
    """
    counted = np.where(written, values, 0.0)
    counted[~np.isfinite(counted)] = np.nan
    if kind == "binary":
        return np.where(np.isnan(counted), np.nan, (counted > 0).astype(np.float64))
    return np.where(crashed & ~written, np.nan, counted)


class Monitor:
    """The state of one test, O(k^2) for k variants.

    Args:
        test: The test's name.
        weights: Its variants and their weights.
        rule: When it stops.
        trace: Keep the confidence after every session, for a plot.

    Attributes:
        kind: Kind of the target outcome, None until it is known (`know`).
        sessions: Counted sessions so far.
        stopped_index: Index of the session that stopped the test, None before.
    """

    def __init__(self, test: str, weights: Mapping[Any, Any], rule: StopRule, *, trace: bool = False) -> None:
        self.test = test
        self.weights = check_weights(weights)
        self.rule = rule
        self.kind: Kind | None = None
        self.sessions = 0
        self.stopped_index: int | None = None
        self.ratio = SampleRatio(np.array(list(self.weights.values())))
        self.trace: list[Floats] | None = [] if trace else None
        k = len(self.weights)
        self._moments = np.zeros((3, k))
        self._peaks = np.zeros((k, k))
        self._recorded = False
        # Sessions from before the kind was known: none of them wrote the outcome.
        self._held = np.zeros((2, k))

    @property
    def variants(self) -> list[str]:
        """The variants, in the order of the arms."""
        return list(self.weights)

    @property
    def moments(self) -> list[Moments]:
        """Number, sum and sum of squares of each arm."""
        return [(n, total, squares) for n, total, squares in self._moments.T]

    def know(self, kind: Kind) -> None:
        """Learn the kind of the target outcome, before the first session that declares or writes it is fed."""
        if self.kind is None:
            self.kind = kind
            completed, crashed = self._held
            self._moments[0] += completed + (crashed if kind == "binary" else 0.0)

    def extend(self, arms: Ints, values: Floats, written: Bools, crashed: Bools, indexes: Ints) -> int | None:
        """Take counted sessions in order, through the one that stops the test.

        Args:
            arms: Arm of each session, shape (T,).
            values: Value of the target outcome.
            written: Whether the session wrote it.
            crashed: Whether it ended with status `error`.
            indexes: Its index in the run.

        Returns:
            The position of the session that stops the test, or None.
        """
        if self.stopped_index is not None or not len(arms):
            return None
        stop = self._horizon(len(arms))
        if self.kind is None:
            take = min(len(arms), stop + 1)
            np.add.at(self._held, (crashed[:take].astype(int), arms[:take]), 1.0)
        else:
            counted = session_values(values, written, crashed, self.kind)
            sums, peaks, p = self._path(arms, counted)
            stop = min(stop, self._confident(p))
            take = min(len(arms), stop + 1)
            self._moments, self._peaks = sums[:, take - 1], peaks[take - 1]
            self._recorded = self._recorded or bool(written[:take].any())
            if self.trace is not None:
                self.trace.append(100 * (1 - p[:, :take].min(axis=0)))
        self.ratio.extend(arms[:take])
        self.sessions += take
        if stop >= len(arms):
            return None
        self.stopped_index = int(indexes[stop])
        return stop

    def _horizon(self, n: int) -> int:
        left = (self.rule.max_iterations or _NEVER) - self.sessions - 1
        return left if left < n else _NEVER

    def _confident(self, p: Floats) -> int:
        if not self.rule.watches_confidence:
            return _NEVER
        alpha = 1 - (self.rule.max_confidence or 0.0) / 100
        reached = np.flatnonzero(p.min(axis=0) <= alpha)
        return int(reached[0]) if len(reached) else _NEVER

    def _path(self, arms: Ints, counted: Floats) -> tuple[Floats, Floats, Floats]:
        """Return moments (3, T, k), running maxima of B (T, k, k) and adjusted p-values (k, T) after each session."""
        k = len(self.weights)
        valid = ~np.isnan(counted)
        worth = np.where(valid, counted, 0.0)
        steps = np.zeros((3, len(arms), k))
        steps[:, np.arange(len(arms)), arms] = valid, worth, worth**2
        steps[:, 0] += self._moments
        sums = np.cumsum(steps, axis=1)
        b = self._brownian(sums)
        b[0] = np.maximum(b[0], self._peaks)
        peaks = np.maximum.accumulate(b, axis=0)
        return sums, peaks, self._adjusted(peaks)

    def _brownian(self, sums: Floats) -> Floats:
        """Return B of every ordered pair after each session, (T, k, k); 0 without a declared horizon."""
        k, horizon = len(self.weights), self.rule.max_iterations
        b = np.zeros((sums.shape[1], k, k))
        if horizon is None or self.kind is None:
            return b
        w = list(self.weights.values())
        sign = 1.0 if self.rule.direction == "maximize" else -1.0
        for i in range(k):
            for j in range(i + 1, k):
                tau = boundary.information_share(sums[0, :, i], sums[0, :, j], w[i], w[j], horizon)
                z = z_statistic(tuple(sums[:, :, i]), tuple(sums[:, :, j]), self.kind)
                b[:, i, j] = sign * z * np.sqrt(tau)
                b[:, j, i] = -b[:, i, j]
        return b

    def _adjusted(self, peaks: Floats) -> Floats:
        k = len(self.weights)
        if k == 1:
            return np.ones((1, len(peaks)))
        pairs = {(i, j): boundary.p_value(peaks[:, i, j]) for i in range(k) for j in range(k) if i != j}
        return closed.beats_all(pairs, k)

    # --- what it says ---

    def pair_p_value(self, a: int, b: int) -> float:
        """Return the p-value of "the first arm beats the second", valid at every look, not adjusted."""
        return float(boundary.p_value(self._peaks[a, b]))

    def pair_p_value_adjusted(self, a: int, b: int) -> float:
        """Return the p-value of the direction between two arms that the data points to, adjusted by closed testing."""
        k = len(self.weights)
        pairs = {(i, j): boundary.p_value(self._peaks[i, j]) for i in range(k) for j in range(k) if i != j}
        return float(min(closed.beats(pairs, k, a, b), closed.beats(pairs, k, b, a)))

    def adjusted_p_values(self) -> Floats:
        """Return the adjusted p-value of "it beats every other" for each arm, shape (k,)."""
        return self._adjusted(self._peaks[np.newaxis])[:, 0]

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""
        n, total, squares = self._moments.sum(axis=1)
        return bool(n * squares - total**2 > 1e-9 * max(1.0, total**2))

    @property
    def confidence(self) -> float | None:
        """Percent, below 100; None if the target was never recorded or there is no horizon to judge by."""
        if not self._recorded or self.rule.max_iterations is None:
            return None
        p = float(self.adjusted_p_values().min())
        return min(100 * (1 - p), float(np.nextafter(100.0, 0.0)))

    @property
    def leader(self) -> str | None:
        """The variant with the best mean, None before there are values that differ."""
        if not self._recorded or not self.varied:
            return None
        sign = 1.0 if self.rule.direction == "maximize" else -1.0
        scores = np.where(
            self._moments[0] > 0, sign * means((self._moments[0], self._moments[1], self._moments[2])), -np.inf
        )
        return self.variants[int(np.argmax(scores))]

    @property
    def winner(self) -> str | None:
        """The variant that beats every other with the rule's confidence, or None."""
        if not self.rule.watches_confidence or not self._recorded:
            return None
        p = self.adjusted_p_values()
        alpha = 1 - (self.rule.max_confidence or 0.0) / 100
        return self.variants[int(np.argmin(p))] if p.min() <= alpha else None

    def decision(self) -> StopDecision:
        """Return the decision of the present state."""
        stopped = self.stopped_index is not None
        winner = self.winner
        full = self.rule.max_iterations is not None and self.sessions >= self.rule.max_iterations
        reason: Reason = "none"
        if stopped:
            reason = "both" if full and winner else "iterations" if full else "confidence"
        conclusion: Conclusion = "continue"
        if self.ratio.alarm:
            conclusion = "invalid_srm"
        elif stopped:
            conclusion = "winner" if winner else "inconclusive"
        return StopDecision(
            test=self.test,
            should_stop=stopped,
            conclusion=conclusion,
            reason=reason,
            winner=winner,
            leader=self.leader,
            confidence=self.confidence,
            stopped_at=self.sessions if stopped else None,
            stopped_session_index=self.stopped_index,
            sessions=self.sessions,
            serve=self.rule.default if stopped else None,
            run_test={self.test: not stopped},
            sentence=self._sentence(conclusion, winner),
        )

    def _sentence(self, conclusion: Conclusion, winner: str | None) -> str:
        rule, leader = self.rule, self.leader
        after = "" if rule.default is None else f" From now on every session gets the default, {rule.default}"
        if conclusion == "invalid_srm":
            return (
                "Don't decide: the variants' shares of sessions don't agree with their weights, so that something is "
                "wrong with the assignment or the logging. Find out what before reading the outcomes."
            )
        if conclusion == "winner":
            change = f"; it is not the winner: change it to {winner}." if rule.default not in {None, winner} else "."
            return f"Stop: {winner} beats every other variant.{after}{change if after else ''}"
        if conclusion == "inconclusive":
            if not self._recorded:
                found = f"the target outcome {rule.target_outcome!r} was never recorded, so nothing can be said"
            elif leader is None:
                found = "the outcome never varied, so nothing can be said"
            else:
                found = f"{leader} leads, but not clearly enough"
            return (
                f"Stop: the declared {rule.max_iterations:,} sessions are done; {found}.{after}{'.' if after else ''}"
            )
        return self._sentence_on_the_way()

    def _sentence_on_the_way(self) -> str:
        rule = self.rule
        if rule.max_iterations is None:
            return "Go on: no number of sessions is declared (max_iterations), so nothing stops the test."
        left = rule.max_iterations - self.sessions
        if not self._recorded:
            target = f" {rule.target_outcome!r}" if rule.target_outcome else ""
            return (
                f"Go on: {left:,} of {rule.max_iterations:,} sessions are left; target outcome{target} never recorded."
            )
        return f"Go on: {left:,} of {rule.max_iterations:,} sessions are left, and no variant beats every other yet."
