"""Watches one test chunk by chunk; the same state decides a simulation on the run and a log afterwards.

Feeding sessions one by one, in chunks or all at once gives exactly the same state.
"""

import copy
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from voicelab.base.errors import InputError
from voicelab.base.records import unwritten_value
from voicelab.decision import stopping, verdict
from voicelab.decision.drift import Drift
from voicelab.decision.evidence import Evidence, Path, Setting
from voicelab.decision.evidence_of_quantiles import QuantileEProcess, QuantileHorizon
from voicelab.decision.evidence_with_horizon import Horizon
from voicelab.decision.evidence_without_horizon import EProcess
from voicelab.decision.intake import Bools, Fed, Floats, Ints, check_form, checked_kind, level_of
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.quantile_tally import QuantileTally
from voicelab.decision.rules import Kind, StopDecision, StopRule, quantile_of, weight_shares
from voicelab.decision.stats import criteria
from voicelab.decision.stats.compare import Stratum
from voicelab.decision.stats.moments import Moments
from voicelab.decision.stats.sample_ratio import SampleRatio, UncheckedRatio
from voicelab.decision.stats.snapshots import Snapshots
from voicelab.decision.stats.values import session_values
from voicelab.decision.tally import Sums, Tally


class _Weighed(NamedTuple):
    """What weighing sessions changes: kept before a chunk, to go back to where the rule stops in its middle."""

    evidence: Evidence | None
    tally: Tally
    drift: Drift
    pairs: Floats
    best: Floats
    p: float


class ChunkedMonitor:
    """The state of one test, fed with chunks of sessions; `voicelab.decision.monitor.Monitor` is what services use.

    Args:
        rule: When it stops.
        weights: Its variants and their weights.
        kind: Kind of the outcome; None until it is known (`know`).
        test: The test's name.
        bounds: As for `Monitor`, as are the next three.
        cap: Value beyond which the outcome is cut.
        with_units: Whether sessions belong to units.
        with_probabilities: Whether each session has probabilities of its own.
        trace: Keep how confidence and moments went, for a plot.
        weights_known: Whether the weights are those that variants were drawn with.
    """

    def __init__(
        self,
        rule: StopRule,
        weights: Mapping[Any, Any],
        *,
        kind: Kind | str | None = None,
        test: str = "test",
        bounds: tuple[float, float] | None = None,
        cap: float | tuple[float, float] | None = None,
        with_units: bool = False,
        with_probabilities: bool = False,
        trace: bool = False,
        weights_known: bool = True,
    ) -> None:
        if not isinstance(rule, StopRule):
            raise InputError(f"rule is {rule!r}, must be vl.StopRule(...).")
        self.test = test
        self.weights = weight_shares(weights)
        self.rule = rule
        self.limits = OutcomeLimits(bounds, cap)
        self.kind: Kind | None = None
        self.sessions = 0
        self.stopped_index: int | None = None
        self.stopped = False
        k = len(self.weights)
        self.counts = np.zeros(k)
        self.weights_known = weights_known
        self.ratio = (SampleRatio if weights_known else UncheckedRatio)(np.array(list(self.weights.values())))
        self.trace: list[tuple[Ints, Floats]] | None = [] if trace else None
        self.snapshots = Snapshots()
        self.pairs = np.ones((k, k))
        self.best = np.ones(k)
        self.evidence: Evidence | None = None
        self.tally = Tally(k, "binary")
        self.drift = Drift()
        # The p-value that the rule stops by: the smallest so far, since evidence once had stays had.
        self._p = 1.0
        self.recorded = False
        self.with_units, self.with_probabilities = with_units, with_probabilities
        # Sessions from before the kind was known: none of them wrote the outcome.
        self._held: list[Fed] = []
        if kind is not None:
            self.know(kind)

    @property
    def variants(self) -> list[str]:
        """The variants, in the order of the arms."""
        return list(self.weights)

    @property
    def moments(self) -> list[Moments]:
        """Number, sum and sum of squares of each arm over all epochs: for counting; `strata` are what is compared."""
        return self.tally.arms()

    def strata(self, arm: Any, baseline: Any) -> list[Stratum]:
        """Return the moments of two arms, or of one of each of many pairs, in each epoch of constant weights."""
        return self.tally.strata(arm, baseline)

    def know(self, kind: Kind | str) -> None:
        """Learn the kind of the target outcome, before the first session that declares or writes it is fed.

        Raises:
            InputError: sessions with probabilities of their own have an outcome that only a comparison of means can judge.
        """
        if self.kind is not None:
            return
        self.kind = checked = checked_kind(kind)
        check_form(checked, self.limits, with_units=self.with_units, with_probabilities=self.with_probabilities)
        bounds = None if kind == "binary" else self.limits.ends
        if self.with_probabilities and ((bounds is None and kind != "binary") or self.rule.margin):
            raise InputError(
                "Probabilities of each session are for rates, and for means with bounds=(lowest, highest) or cap=..., without "
                "a margin: other means are only compared under weights that stay, epoch by epoch."
            )
        setting = Setting(self.rule, checked, self.with_units, bounds, self.default_arm, self.weights_known)
        weights, quantile = np.array(list(self.weights.values())), quantile_of(checked)
        # Bets need no horizon, and hold under any probabilities and any values within the bounds.
        horizon = self.rule.has_horizon and bounds is None and not self.with_probabilities
        if quantile is None:
            self.evidence = (Horizon if horizon else EProcess)(weights, setting)
            self.tally = Tally(len(self.weights), checked, with_units=self.with_units)
        else:
            self.evidence = (QuantileHorizon if horizon else QuantileEProcess)(weights, setting, quantile)
            self.tally = QuantileTally(len(self.weights), checked, quantile)
        for held in self._held:
            nothing = np.zeros((len(held.arms), 2) if checked == "ratio" else len(held.arms))
            self._weigh(held, session_values(nothing, nothing > 0, held.crashed, checked))
        self._held.clear()

    def new_weights(self, weights: Mapping[Any, Any]) -> None:
        """Begin an epoch: from the next session on the variants are drawn with other weights.

        Sessions are compared within their epoch; see `voicelab.decision.stats.compare.stratum`.

        Raises:
            InputError: they name other variants than the test has, or a weight is not allowed.
        """
        shares = weight_shares(weights)
        drawn = {variant for variant, share in shares.items() if share}
        if not drawn <= set(self.weights) <= set(shares):
            raise InputError(
                f"The new weights name {', '.join(shares)}, the test has {', '.join(self.weights)}: name the same variants, "
                "those that get no sessions with weight 0."
            )
        array = np.array([shares[variant] for variant in self.variants])
        self.ratio.new_epoch(array)
        if self.evidence is not None:
            self.evidence.new_epoch(array, Sums(self.tally.epoch[:, np.newaxis], self.tally.centres))
        self.tally.new_epoch()

    @property
    def adds_singly(self) -> bool:
        """Whether `add` will do for one session."""
        plain = self.trace is None and not self.with_probabilities and not self.with_units and self.limits.ends is None
        return plain and bool(self.evidence and self.evidence.adds_singly)

    def add(self, arm: int, value: float | None, crashed: bool, index: int) -> None:
        """Do what `extend` does for one session."""
        assert self.evidence is not None  # noqa: S101 - the caller has asked
        assert self.kind is not None  # noqa: S101 - as above
        self.recorded = self.recorded or value is not None
        counted = unwritten_value(self.kind, crashed=crashed) if value is None else value
        counted = counted if counted is not None and math.isfinite(counted) else None
        if self.kind != "binary":
            self.drift.add(counted)
        if counted is not None:
            counted = float(counted > 0) if self.kind == "binary" else counted
            self.tally.add(arm, counted)
            path = self.evidence.add(arm, counted, self.tally)
            if path is not None:
                self.pairs, self.best = path.pairs, path.best
                self._p = min(self._p, float(path.p[0]))
        self.ratio.add(arm)
        self.counts[arm] += 1
        self.sessions += 1
        if stopping.is_fulfilled(self.rule, self.sessions, self._p):
            self.stopped, self.stopped_index = True, index

    def extend(
        self,
        arms: Ints,
        values: Floats,
        written: Bools,
        crashed: Bools,
        indexes: Ints,
        *,
        units: Ints | None = None,
        probabilities: Floats | None = None,
    ) -> int | None:
        """Take counted sessions in order, through the one that stops the test.

        Args:
            arms: Arm of each session, shape (T,).
            values: Value of the target outcome.
            written: Whether the session wrote it.
            crashed: Whether it ended with status `error`.
            indexes: Its index in the run.
            units: Its unit, a whole number from 0 on; only `with_units`.
            probabilities: The probability of every arm in it, shape (T, k); only `with_probabilities`.

        Returns:
            The position of the session that stops the test, or None.
        """
        if self.stopped or not len(arms):
            return None
        fed = Fed(arms, crashed, units, probabilities)
        new = None if units is None or self.tally.units is None else self.tally.units.are_new(units)
        if self.kind is None:
            # No evidence without a value, but the declared number may stop the test; kept, since they will count as 0.
            nothing = np.array([0]), np.ones(1)
            stop = stopping.first_stop(self.rule, self.sessions, len(arms), *nothing)
            n_taken = min(len(arms), stop + 1)
            self._held.append(Fed(*(None if part is None else part.copy() for part in fed.first(n_taken))))  # type: ignore[arg-type]
        else:
            stop = self._extend_known(fed, self.limits.applied(session_values(values, written, crashed, self.kind)))
            n_taken = min(len(arms), stop + 1)
            self.recorded = self.recorded or bool(written[:n_taken].any())
        self._drawn(fed.first(n_taken), None if new is None else new[:n_taken])
        if stop >= len(arms):
            return None
        self.stopped, self.stopped_index = True, int(indexes[stop])
        return stop

    def _drawn(self, fed: Fed, new: Bools | None) -> None:
        """Watch the shares of the variants, and count the sessions.

        All of them, also those that the outcome leaves out: the assignment doesn't hang on what came of it. A unit is
        assigned once, at its first session.
        """
        drawn, probabilities = fed.arms, fed.probabilities
        if new is not None:
            drawn, probabilities = drawn[new], None if probabilities is None else probabilities[new]
        self.ratio.extend(drawn) if probabilities is None else self.ratio.extend(drawn, probabilities)
        self.counts = self.counts + np.bincount(fed.arms, minlength=len(self.weights))
        self.sessions += len(fed.arms)

    def skim(
        self,
        arms: Ints,
        values: Floats,
        written: Bools,
        crashed: Bools,
        *,
        units: Ints | None = None,
        probabilities: Floats | None = None,
        every: int | None = None,
    ) -> None:
        """Take many sessions with few looks, for what never stops a test; arguments as for `extend`.

        Evidence that is looked at more seldom is no larger than it could be. The shares of the variants are not watched.

        Args:
            every: Sessions between two looks; by default there is one look at the end.
        """
        assert self.kind is not None  # noqa: S101 - asked of outcomes that were written
        assert self.evidence is not None  # noqa: S101 - as above
        del probabilities
        counted = session_values(values, written, crashed, self.kind)
        # All looks are judged together: a hundred take hardly longer than one.
        looks = []
        for first in range(0, len(counted), every or len(counted)):
            part = slice(first, first + (every or len(counted)))
            self.tally.add_up(arms[part], counted[part], None if units is None else units[part])
            looks.append(self.tally.epoch)
        self.sessions += len(counted)
        if isinstance(self.tally, QuantileTally):
            self._judged(self.evidence.look(self.tally))  # type: ignore[arg-type]  # its values
        else:
            self._look(np.stack(looks, axis=1))
        self.recorded = self.recorded or bool(written.any())

    def look(self, parts: Floats, centres: Floats, sessions: Floats) -> None:
        """Judge by the moments of all sessions of the epoch, whatever led to them: one look, with no path before it.

        Args:
            parts: Moments of each arm (see `voicelab.decision.stats.moments`), shape (rows, k).
            centres: What the values of each arm are measured from, shape (k,).
            sessions: Counted sessions of each arm that have joined, shape (k,).
        """
        self.tally.epoch, self.tally.centres = parts, centres
        self.counts = self.counts + sessions
        self.sessions += int(sessions.sum())
        self._look(parts[:, np.newaxis])

    def _look(self, parts: Floats) -> None:
        if len(self.weights) > 1 and self.evidence is not None:
            self._judged(self.evidence.look(Sums(parts, self.tally.centres)))

    def settle(self) -> None:
        """Stop the test if its rule is fulfilled by now, whichever session it was that fulfilled it."""
        self.recorded = self.sessions > 0
        self.stopped = stopping.is_fulfilled(self.rule, self.sessions, self._p)

    def _extend_known(self, fed: Fed, counted: Floats) -> int:
        """Weigh sessions through the one that stops the test; return its position, or a number beyond the last."""
        # A single session is never taken in part, and a rule that never stops takes every chunk whole.
        in_part = len(counted) > 1 and stopping.can_stop(self.rule)
        # Weighed whole, and again up to the stop if there is one: nothing of what came after is in the evidence.
        before = self._weighed() if in_part else None
        units = self.tally.units
        of_units = units.state_of(fed.units) if in_part and units is not None and fed.units is not None else None
        at, p = self._weigh(fed, counted)
        stop = stopping.first_stop(self.rule, self.sessions, len(counted), at, p)
        if before is not None and stop + 1 < len(counted):
            self.evidence, self.tally, self.drift, self.pairs, self.best, self._p = before
            if units is not None and of_units is not None:
                units.restore(of_units)
            at, p = self._weigh(fed.first(stop + 1), counted[: stop + 1])
        if self.trace is not None:
            self.trace.append((self.sessions + at + 1, p))
        return stop

    def _weighed(self) -> _Weighed:
        evidence = copy.deepcopy(self.evidence)
        return _Weighed(evidence, self.tally.copy(), self.drift.copy(), self.pairs, self.best, self._p)

    def _weigh(self, fed: Fed, counted: Floats) -> tuple[Ints, Floats]:
        """Add sessions to the evidence; return where the stopping p-value changes, and what it is from there on."""
        assert self.evidence is not None  # noqa: S101 - the kind is known
        bets = counted
        if self.tally.units is not None and fed.units is not None:
            # Bets are fair session by session, and a unit that comes again is no new draw: its first session alone.
            bets = np.where(self.tally.units.are_new(fed.units), counted, np.nan)
        # Weighed by what they were likely to be (Hajek 1971), what is shown of them is not what the draws favoured.
        weights = None if fed.probabilities is None else 1 / fed.probabilities[np.arange(len(fed.arms)), fed.arms]
        sums = self.tally.extend(fed.arms, counted, fed.units, weights)
        if self.kind != "binary":
            self.drift.extend(level_of(counted))
        if self.trace is not None and not isinstance(self.tally, QuantileTally):
            self.snapshots.extend(self.sessions + 1, sums.parts, len(self.tally.past))
        if len(self.weights) == 1:
            return np.zeros(1, dtype=np.int64), np.ones(1)
        path = self.evidence.extend(fed.arms, bets, sums, fed.probabilities)
        return path.at, self._judged(path)

    def _judged(self, path: Path) -> Floats:
        """Take what the evidence says; return the stopping p-value at each of its changes."""
        self.pairs, self.best = path.pairs, path.best
        p = path.p.copy()
        p[0] = min(p[0], self._p)
        p = np.minimum.accumulate(p)
        self._p = float(p[-1])
        return p

    @property
    def default_arm(self) -> int:
        """The arm that the others are compared with: the rule's default, or the first."""
        default = self.rule.default
        return self.variants.index(default) if default in self.weights else 0

    # --- what it says ---

    def p_values_adjusted(self) -> Floats:
        """Return the p-value of the direction between two arms that the data points to, adjusted for the other pairs, (k, k)."""
        return criteria.adjusted_p_values(self.pairs, self.rule.criterion, self.default_arm)

    @property
    def varied(self) -> bool:
        """Whether the values differ at all."""
        return self.tally.varied

    @property
    def p_value(self) -> float:
        """The p-value that the rule stops by, valid at every look."""
        return self._p

    @property
    def leader(self) -> str | None:
        """The variant that is ahead of every other, None before there are values that differ."""
        return verdict.leader_of(self)

    @property
    def winner(self) -> str | None:
        """The variant that the rule's criterion names with the rule's confidence, or None."""
        return verdict.winner_of(self)

    @property
    def decision(self) -> StopDecision:
        """The decision of the present state."""
        return verdict.decision_of(self)
