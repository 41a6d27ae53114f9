"""Watches one test session by session; the same state decides a simulation on the run and a log afterwards.

Feeding sessions one by one, in chunks or all at once gives exactly the same state: sums are carried on by adding to the
first value of the next chunk, as one long cumulative sum would.
"""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.decision import stopping
from voicelab.decision.evidence import Evidence, Floats, Ints, Path, Sums
from voicelab.decision.evidence_with_horizon import Horizon
from voicelab.decision.evidence_without_horizon import EProcess
from voicelab.decision.rules import Conclusion, Kind, Reason, StopDecision, StopRule, weight_shares
from voicelab.decision.stats import criteria
from voicelab.decision.stats.compare import Moments, means
from voicelab.decision.stats.sample_ratio import SampleRatio
from voicelab.decision.stats.snapshots import Snapshots
from voicelab.decision.stats.values import session_values
from voicelab.decision.wording import sentence

Bools = npt.NDArray[np.bool_]


class _Weighed(NamedTuple):
    """What weighing sessions changes: kept before a chunk, to go back to where the rule stops in its middle."""

    evidence: Evidence | None
    epoch: Floats
    centres: Floats
    centred: Bools
    pairs: Floats
    best: Floats
    p: float


class Monitor:
    """The state of one test, O(k^2) for k variants; it can be pickled and copied.

    Args:
        test: The test's name.
        weights: Its variants and their weights.
        rule: When it stops.
        trace: Keep how confidence and moments went, for a plot.

    Attributes:
        kind: Kind of the target outcome, None until it is known (`know`).
        sessions: Counted sessions so far.
        stopped_index: Index of the session that stopped the test, None before.
        stopped: Whether the rule is fulfilled.
        recorded: Whether any session wrote the target outcome.
        pairs: p-value of "the first beats the second" for every ordered pair, valid at every look, shape (k, k).
        best: Adjusted p-value of "it beats every other" for each variant, shape (k,).
    """

    def __init__(self, test: str, weights: Mapping[Any, Any], rule: StopRule, *, trace: bool = False) -> None:
        self.test = test
        self.weights = weight_shares(weights)
        self.rule = rule
        self.kind: Kind | None = None
        self.sessions = 0
        self._arms = {variant: arm for arm, variant in enumerate(self.weights)}
        self.stopped_index: int | None = None
        self.stopped = False
        k = len(self.weights)
        self.ratio = SampleRatio(np.array(list(self.weights.values())))
        self.trace: list[tuple[Ints, Floats]] | None = [] if trace else None
        self.snapshots = Snapshots()
        self.pairs = np.ones((k, k))
        self.best = np.ones(k)
        self.evidence: Evidence | None = None
        # The p-value that the rule stops by: the smallest so far, since evidence once had stays had.
        self._p = 1.0
        # Sums of the present epoch of weights apart from those of the epochs before: comparisons stay inside an epoch.
        self._epoch = np.zeros((3, k))
        self._past = np.zeros((3, k))
        # What an arm's values are measured from: its first one; 0 for binary outcomes.
        self._centres = np.zeros(k)
        self._centred = np.zeros(k, dtype=np.bool_)
        self.recorded = False
        # Sessions from before the kind was known: none of them wrote the outcome.
        self._held: list[tuple[Ints, Bools]] = []

    @property
    def variants(self) -> list[str]:
        """The variants, in the order of the arms."""
        return list(self.weights)

    @property
    def moments(self) -> list[Moments]:
        """Number, sum and sum of squares of each arm, measured from its centre."""
        return self.moments_of(self._past + self._epoch)

    def moments_of(self, parts: Floats) -> list[Moments]:
        """Return the moments of each arm from their parts, shape (3, k), such as those of a snapshot."""
        return [
            Moments(n, total, squares, centre) for n, total, squares, centre in zip(*parts, self._centres, strict=True)
        ]

    def know(self, kind: Kind) -> None:
        """Learn the kind of the target outcome, before the first session that declares or writes it is fed."""
        if self.kind is not None:
            return
        self.kind = kind
        weights = np.array(list(self.weights.values()))
        method = Horizon if self.rule.has_horizon else EProcess
        self.evidence = method(weights, self.rule, kind)
        for arms, crashed in self._held:
            nothing = np.zeros(len(arms))
            self._weigh(arms, session_values(nothing, nothing > 0, crashed, kind))
        self._held.clear()

    def new_weights(self, weights: Mapping[Any, Any]) -> None:
        """Begin an epoch: from the next session on the variants are drawn with other weights.

        Sessions are compared within their epoch; see `voicelab.decision.stats.compare.stratum`.
        """
        shares = weight_shares(weights)
        array = np.array([shares[variant] for variant in self.variants])
        self.ratio.new_epoch(array)
        if self.evidence is not None:
            self.evidence.new_epoch(array, Sums(self._epoch[:, np.newaxis], self._centres))
        self._past, self._epoch = self._past + self._epoch, np.zeros_like(self._epoch)

    def update(
        self, variant: str, value: float | None, *, crashed: bool = False, index: int | None = None
    ) -> int | None:
        """Take one session; see `extend`.

        Args:
            variant: The variant it got.
            value: What it wrote as the target outcome, None for nothing.
            crashed: Whether it ended with status `error`.
            index: Its index; by default one session after the other.
        """
        arm = self._arms[variant]
        if self._adds_singly and not self.stopped:
            return self._add_binary(arm, value, self.sessions if index is None else index)
        return self.extend(
            np.array([arm]),
            np.array([np.nan if value is None else float(value)]),
            np.array([value is not None]),
            np.array([crashed]),
            np.array([self.sessions if index is None else index]),
        )

    @property
    def _adds_singly(self) -> bool:
        return self.kind == "binary" and self.trace is None and bool(self.evidence and self.evidence.adds_singly)

    def _add_binary(self, arm: int, value: float | None, index: int) -> int | None:
        """Do what `extend` does for one session of a binary outcome: a crash without a value is a failure there."""
        assert self.evidence is not None  # noqa: S101 - the caller has asked
        self.recorded = self.recorded or value is not None
        if value is None or math.isfinite(value):
            hit = 1.0 if value is not None and value > 0 else 0.0
            epoch = self._epoch
            epoch[0, arm] += 1.0
            if hit:
                epoch[1, arm] += 1.0
                epoch[2, arm] += 1.0
            path = self.evidence.add(arm, hit, epoch)
            if path is not None:
                self.pairs, self.best = path.pairs[-1], path.best[-1]
                self._p = min(self._p, float(self._criterion(path)[0]))
        self.ratio.add(arm)
        self.sessions += 1
        if stopping.is_fulfilled(self.rule, self.sessions, self._p):
            self.stopped, self.stopped_index = True, index
        return 0 if self.stopped else None

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
        if self.stopped or not len(arms):
            return None
        if self.kind is None:
            # No evidence without a value, but the declared number may stop the test; kept, since they will count as 0.
            nothing = np.array([0]), np.ones(1)
            stop = stopping.first_stop(self.rule, self.sessions, len(arms), *nothing)
            n_taken = min(len(arms), stop + 1)
            self._held.append((arms[:n_taken].copy(), crashed[:n_taken].copy()))
        else:
            stop = self._extend_known(arms, session_values(values, written, crashed, self.kind))
            n_taken = min(len(arms), stop + 1)
            self.recorded = self.recorded or bool(written[:n_taken].any())
        # All of them, also those that the outcome leaves out: the assignment doesn't hang on what came of it.
        self.ratio.extend(arms[:n_taken])
        self.sessions += n_taken
        if stop >= len(arms):
            return None
        self.stopped, self.stopped_index = True, int(indexes[stop])
        return stop

    def skim(self, arms: Ints, values: Floats, written: Bools, crashed: Bools) -> None:
        """Take many sessions with one look at their end, for what never stops a test.

        Evidence that is looked at more seldom is no larger than it could be. The shares of the variants are not watched.

        Args:
            arms: Arm of each session, shape (T,).
            values: Value of the outcome.
            written: Whether the session wrote it.
            crashed: Whether it ended with status `error`.
        """
        assert self.kind is not None  # noqa: S101 - asked of outcomes that were written
        k = len(self.weights)
        counted = session_values(values, written, crashed, self.kind)
        worth = self._centre(arms, counted)
        valid = ~np.isnan(worth)
        if not valid.all():
            arms, worth = arms[valid], worth[valid]
        sums = [np.bincount(arms, part, k) for part in (None, worth, worth**2)]
        self.look(self._epoch + np.array(sums, dtype=np.float64), self._centres, len(counted))
        self.recorded = self.recorded or bool(written.any())

    def look(self, parts: Floats, centres: Floats, sessions: int) -> None:
        """Judge by the moments of all sessions of the epoch, whatever led to them: one look, with no path before it.

        Args:
            parts: Number, sum and sum of squares of each arm, shape (3, k).
            centres: What the values of each arm are measured from, shape (k,).
            sessions: Counted sessions that have joined.
        """
        assert self.evidence is not None  # noqa: S101 - as above
        self._epoch, self._centres = parts, centres
        self.sessions += sessions
        if len(self.weights) > 1:
            self._judged(self.evidence.look(Sums(parts[:, np.newaxis], centres)))

    def settle(self) -> None:
        """Stop the test if its rule is fulfilled by now, whichever session it was that fulfilled it."""
        self.recorded = self.sessions > 0
        self.stopped = stopping.is_fulfilled(self.rule, self.sessions, self._p)

    def _extend_known(self, arms: Ints, counted: Floats) -> int:
        """Weigh sessions through the one that stops the test; return its position, or a number beyond the last."""
        # A single session is never taken in part, and a rule that never stops takes every chunk whole.
        in_part = len(arms) > 1 and stopping.can_stop(self.rule)
        # Weighed whole, and again up to the stop if there is one: nothing of what came after is in the evidence.
        before = copy.deepcopy(self._weighed) if in_part else None
        at, p = self._weigh(arms, counted)
        stop = stopping.first_stop(self.rule, self.sessions, len(arms), at, p)
        if before is not None and stop + 1 < len(arms):
            self.evidence, self._epoch, self._centres, self._centred, self.pairs, self.best, self._p = before
            arms, counted = arms[: stop + 1], counted[: stop + 1]
            at, p = self._weigh(arms, counted)
        if self.trace is not None:
            self.trace.append((self.sessions + at + 1, p))
        return stop

    @property
    def _weighed(self) -> _Weighed:
        return _Weighed(self.evidence, self._epoch, self._centres, self._centred, self.pairs, self.best, self._p)

    def _weigh(self, arms: Ints, counted: Floats) -> tuple[Ints, Floats]:
        """Add sessions to the evidence; return where the stopping p-value changes, and what it is from there on."""
        assert self.evidence is not None  # noqa: S101 - the kind is known
        k = len(self.weights)
        valid = ~np.isnan(counted)
        worth = np.where(valid, self._centre(arms, counted), 0.0)
        # A session adds to the sums of its own arm: one cumulative sum gives the moments after every session at once.
        steps = np.zeros((3, k, len(arms))).transpose(0, 2, 1)
        steps[:, np.arange(len(arms)), arms] = valid, worth, worth**2
        # Carried on by adding to the first step, so that chunks and single sessions give the same floats.
        steps[:, 0] += self._epoch
        sums = np.cumsum(steps, axis=1, out=steps)
        self._epoch = sums[:, -1].copy()
        if self.trace is not None:
            self.snapshots.extend(self.sessions + 1, sums, self._past)
        if k == 1:
            return np.zeros(1, dtype=np.int64), np.ones(1)
        path = self.evidence.extend(arms, counted, Sums(sums, self._centres))
        return path.at, self._judged(path)

    def _judged(self, path: Path) -> Floats:
        """Take what the evidence says; return the stopping p-value at each of its changes."""
        self.pairs, self.best = path.pairs[-1], path.best[-1]
        p = self._criterion(path)
        p[0] = min(p[0], self._p)
        p = np.minimum.accumulate(p)
        self._p = float(p[-1])
        return p

    def _criterion(self, path: Path) -> Floats:
        return criteria.stopping_p_value(path.pairs, path.best, self.rule.criterion, self.default_arm)

    def _centre(self, arms: Ints, counted: Floats) -> Floats:
        """Return the values measured from their arms' centres; an arm's first value is its centre, but for rates."""
        # A rate's squares are its sums, exactly, as long as 0 and 1 are measured from 0.
        if self.kind == "binary":
            return counted
        for arm in np.flatnonzero(~self._centred):
            first = np.flatnonzero((arms == arm) & ~np.isnan(counted))[:1]
            if len(first):
                self._centres[arm], self._centred[arm] = counted[first[0]], True
        return counted - self._centres[arms]

    @property
    def default_arm(self) -> int:
        """The arm that the others are compared with: the rule's default, or the first."""
        default = self.rule.default
        return self.variants.index(default) if default in self.weights else 0

    # --- what it says ---

    def pair_p_value_adjusted(self, a: int, b: int) -> float:
        """Return the p-value of the direction between two arms that the data points to, adjusted for the other pairs."""
        return criteria.adjusted_p_value(self.pairs, self.rule.criterion, self.default_arm, a, b)

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""
        n, total, squares = self._past + self._epoch
        if self.kind == "binary":
            return bool(0 < total.sum() < n.sum())
        # Measured from an arm's first value, values that never vary have no squares.
        return bool((squares > 0).any() or len(np.unique(self._centres[n > 0])) > 1)

    @property
    def confidence(self) -> float | None:
        """Percent, below 100; None if the target was never recorded."""
        if not self.recorded:
            return None
        # No amount of data gives certainty; p may be too small for a float to tell 1 - p from 1.
        return min(100 * (1 - self._p), float(np.nextafter(100.0, 0.0)))

    @property
    def leader(self) -> str | None:
        """The variant with the best mean, None before there are values that differ."""
        if not self.recorded or not self.varied:
            return None
        return self.variants[self._leading(range(len(self.weights)))]

    def _leading(self, arms: Iterable[int]) -> int:
        sign = 1.0 if self.rule.direction == "maximize" else -1.0
        n, total, squares = self._past + self._epoch
        moments = Moments(n, total, squares, self._centres)
        scores = np.where(moments.n > 0, sign * means(moments), -np.inf)
        return max(arms, key=lambda arm: float(scores[arm]))

    @property
    def winner(self) -> str | None:
        """The variant that the rule's criterion names with the rule's confidence, or None."""
        if self.rule.max_confidence is None or not self.recorded:
            return None
        alpha = 1 - self.rule.max_confidence / 100
        if self.rule.criterion == "vs_default":
            arms = criteria.winners_against_default(self.pairs, self.default_arm, alpha)
            return self.variants[self._leading(arms)] if arms else None
        # One difference among several says nothing of the leader: it must still beat every rival.
        sure = np.flatnonzero(self.best <= alpha)
        return self.variants[self._leading(map(int, sure))] if len(sure) else None

    def decision(self) -> StopDecision:
        """Return the decision of the present state."""
        stopped, winner = self.stopped, self.winner
        full = stopping.is_full(self.rule, self.sessions)
        sure = self.recorded and stopping.is_sure(self.rule, self._p)
        reason: Reason = "none"
        if stopped:
            reason = "both" if full and sure else "iterations" if full else "confidence"
        conclusion: Conclusion = "continue"
        # First of all: where variants don't get their shares, sessions are lost, and no comparison of the rest holds.
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
            sentence=sentence(self, conclusion, winner),
        )
