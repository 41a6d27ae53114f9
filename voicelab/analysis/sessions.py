"""The sessions of one test as arrays: what an analysis is made of, wherever they come from.

`from_frame` makes it from a DataFrame, `from_log` from a session log, `from_sums` from sums that DuckDB adds up.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.row_order import by_moment, in_looks
from voicelab.base.errors import InputError
from voicelab.decision.guardrails import Direction
from voicelab.decision.intake import level_of
from voicelab.decision.limits import OutcomeLimits
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import Kind, StopRule, word_of
from voicelab.decision.stats import closed

UNWRITTEN = "completed without writing the outcome: counted as 0"
NO_NUMBER = "the outcome is missing, or no finite number: left out"
NOT_APPLICABLE = "the outcome is a measure for which there was no chance: left out"
CRASHED = "crashed (status error)"
_HISTOGRAM_VALUES = 5000


def chunk_of(variants: int) -> int:
    """Return how many sessions are weighed at once: what they take, a number for every pair, fits the processor's cache.

    Of many variants no number for every pair is kept, and it is calls that cost time, not sessions.
    """
    return (1 << 19) // variants**2 if variants <= closed.MOST_ENUMERATED else 1 << 13


@dataclass(frozen=True)
class OtherTest:
    """A test that the same sessions reached.

    Attributes:
        variants: Its variants, its default first.
        index: Index of each session whose variant was drawn at random, in order.
        arms: Position of that variant.
        epochs: Which of its weights they were drawn by.
    """

    variants: list[str]
    index: npt.NDArray[np.int64]
    arms: npt.NDArray[np.int64]
    epochs: npt.NDArray[np.int64]


class Values(NamedTuple):
    """One outcome of the counted sessions.

    Attributes:
        values: What was written, shape (T,), numbers or booleans as they came: millions take no more than they need. Of a
            ratio above and below the line, shape (T, 2).
        written: Whether it was written, of the same shape; what was not counts as 0.
        kind: Its kind, None if no session declared or wrote it.
    """

    values: npt.NDArray[Any]
    written: npt.NDArray[np.bool_]
    kind: Kind | None


@dataclass
class TestData:
    """The counted sessions of a test, in order.

    Attributes:
        test: The test's name.
        weights: Its variants and weights, as configured.
        rule: Its stop rule.
        outcome: The outcome it is judged by; None if it names none and there is no other.
        kind: Kind of the outcome; None if no session declared or wrote it.
        arms: Arm of each session.
        values: Value of the outcome, where written.
        written: Whether it was written.
        crashed: Whether the session ended with status `error`.
        indexes: Index of each session.
        epochs: Where other weights begin: position of the first session, and the weights.
        others: Other outcomes and guardrails, by name.
        segments: Segment of each session, if it was asked for.
        excluded: Sessions that are not counted, by reason.
        warnings: What needs care.
        source: Where the sessions are from.
        switched_off: Variants of weight 0 without a session; they are not among those that are compared.
        units: Unit of each session, such as its caller, a whole number from 0 on; None where each is its own.
        unit: What the units are called.
        probabilities: The probability of every arm in each session, shape (T, k); None where the weights say it.
        limits: Declared bounds or cap of the outcome it is judged by.
        weights_known: False where the weights are only the shares that the sessions have.
        advice: What would give the sessions an order (`order=...`); None where theirs is known.
        groups: In how many groups of one variant each the sessions stand, so that their order says nothing; None where it
            is that of time.
        moments: Of grouped sessions that were sorted by a time that repeats, the number of each session's time, from 0 on.
        other_tests: Other tests that the sessions reached, by name.
        directions: Which way is better, of outcomes of which it is known.
        switched: Whether units had several variants, so that the order says which was their first.
    """

    test: str
    weights: Mapping[str, float]
    rule: StopRule
    outcome: str | None
    kind: Kind | None
    arms: npt.NDArray[np.integer]
    values: npt.NDArray[Any]
    written: npt.NDArray[np.bool_]
    crashed: npt.NDArray[np.bool_]
    indexes: npt.NDArray[np.integer]
    epochs: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    others: dict[str, Values] = field(default_factory=dict)
    segments: npt.NDArray[np.object_] | None = None
    excluded: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    source: str = ""
    switched_off: list[str] = field(default_factory=list)
    units: npt.NDArray[np.int64] | None = None
    unit: str | None = None
    probabilities: npt.NDArray[np.float64] | None = None
    limits: OutcomeLimits = field(default_factory=OutcomeLimits)
    weights_known: bool = True
    advice: str | None = None
    groups: int | None = None
    moments: npt.NDArray[np.int64] | None = None
    switched: bool = False
    other_tests: Mapping[str, OtherTest] = field(default_factory=dict)
    directions: Mapping[str, Direction] = field(default_factory=dict)

    def new_monitor(
        self, rule: StopRule, kind: Kind | None, *, limits: OutcomeLimits | None = None, trace: bool = False
    ) -> Monitor:
        """Return a monitor of the test that has seen no session.

        Args:
            rule: When it stops.
            kind: Kind of the outcome that it watches.
            limits: Its declared bounds or cap.
            trace: Keep the path.
        """
        limits = limits or OutcomeLimits()
        return Monitor(
            rule,
            self.weights,
            kind=kind,
            test=self.test,
            bounds=limits.bounds,
            cap=limits.cap,
            with_units=self.units is not None,
            with_probabilities=self.probabilities is not None,
            trace=trace,
            weights_known=self.weights_known,
        )

    def parts(
        self, step: int, mine: npt.NDArray[np.integer] | None = None
    ) -> Iterator[tuple[Mapping[str, float] | None, slice | npt.NDArray[np.integer]]]:
        """Yield the sessions in order, some at a time and none of two epochs, with the weights where an epoch begins.

        Args:
            step: How many at most.
            mine: Positions of those that are chosen, in order; by default all.
        """
        n = len(self.arms) if mine is None else len(mine)
        begins = {(at if mine is None else int(np.searchsorted(mine, at))): weights for at, weights in self.epochs}
        edges = sorted({0, *(at for at in begins if at < n), n})
        for start, end in itertools.pairwise(edges):
            for first in range(start, end, step):
                part = slice(first, min(first + step, end))
                yield begins.get(first) if first == start else None, part if mine is None else mine[part]

    def leave_out_unwritten(self) -> None:
        """Have sessions that didn't write the outcome left out, instead of counting as 0."""
        unwritten = ~self.written
        self.values = np.where(unwritten, np.nan, self.values)
        self.written = np.ones_like(self.written)
        for reason in [reason for reason in self.excluded if reason == UNWRITTEN or reason.startswith(CRASHED)]:
            del self.excluded[reason]
        if unwritten.any():
            n = int(unwritten.reshape(len(unwritten), -1).any(axis=1).sum())
            self.excluded["didn't write the outcome: left out, because of missing='exclude'"] = n

    def limit(self, limits: OutcomeLimits) -> None:
        """Have the outcome it is judged by lie within declared bounds, or cut it at a cap.

        Raises:
            InputError: values lie beyond the bounds, or a cap would cut most of them.
        """
        if limits.ends is None or self.kind is None:
            return
        if self.kind not in {"binary", "count", "float"}:
            raise InputError(
                f"bounds= and cap= are for means, and {self.outcome!r} is a {word_of(self.kind)}: leave them out."
            )
        if self.kind == "binary":
            self.warnings.append(f"{self.outcome!r} is a rate, which has its bounds: bounds= and cap= change nothing.")
            return
        values = self.values.astype(np.float64)
        counted = np.isfinite(values) & self.written
        cut = int((counted & ((values < limits.ends[0]) | (values > limits.ends[1]))).sum()) if limits.cap else 0
        if cut > counted.sum() / 2:
            raise InputError(
                f"cap={limits.cap!r} lies inside most of the data: {cut:,} of {int(counted.sum()):,} values of {self.outcome!r} "
                "lie beyond it. Give one that few values reach, or judge by the rate of those that do."
            )
        self.values = np.where(counted, limits.applied(np.where(counted, values, np.nan)), values)
        if cut:
            self.warnings.append(
                f"{cut:,} values of {self.outcome!r} lie beyond the cap: the effect is that on the capped outcome."
            )
        self.outcome, self.limits = f"{self.outcome}{limits.words}", limits

    def shown_to(
        self, monitor: Monitor, values: Values, part: slice | npt.NDArray[np.integer] = slice(None)
    ) -> int | None:
        """Have a monitor take sessions by one of their outcomes; return the position of the one that stops it."""
        indexes: npt.NDArray[np.int64] = self.indexes[part]  # type: ignore[assignment]  # a monitor takes smaller ones too
        return monitor.extend(*self.seen(values, part), indexes, **self.drawn(part))

    def shown_at_once(self, monitor: Monitor, values: Values, mine: npt.NDArray[np.integer] | None = None) -> None:
        """Have a monitor take one look at all sessions, or at those that are chosen: it doesn't hang on their order."""
        part: slice | npt.NDArray[np.integer] = slice(None) if mine is None else mine
        if not len(self.arms[part]):
            return
        drawn = self.drawn(part)
        monitor.skim(*self.seen(values, part), **drawn)
        arms = self.arms[part]
        # A unit is assigned once, at whichever of its sessions.
        once = slice(None) if drawn["units"] is None else np.unique(drawn["units"], return_index=True)[1]
        k = len(monitor.variants)
        moments = np.zeros(len(arms), dtype=np.int64) if self.moments is None else self.moments[part]
        looks = in_looks(by_moment(moments[once], arms[once], k))
        for counts in looks:
            monitor.ratio.look(counts)
        monitor.ratio.end_at_one_look(len(looks))
        monitor.counts = monitor.counts + np.bincount(arms, minlength=k)
        monitor.settle()

    def drawn(self, part: slice | npt.NDArray[np.integer]) -> dict[str, Any]:
        """Return unit and probabilities of some of the sessions, as a monitor takes them."""
        return {
            "units": None if self.units is None else self.units[part],
            "probabilities": None if self.probabilities is None else self.probabilities[part],
        }

    def seen(self, values: Values, part: slice | npt.NDArray[np.integer]) -> tuple[Any, Any, Any, Any]:
        """Return arm, value of an outcome, whether it was written and whether it crashed, of some of the sessions."""
        numbers = values.values[part].astype(np.float64, copy=False)
        return self.arms[part], numbers, values.written[part], self.crashed[part]

    def cut(self, end: int) -> None:
        """Keep the sessions before a position alone."""
        for name in ("arms", "values", "written", "crashed", "indexes"):
            setattr(self, name, getattr(self, name)[:end])
        for name in ("segments", "units", "probabilities"):
            kept = getattr(self, name)
            setattr(self, name, None if kept is None else kept[:end])
        self.epochs = [(at, weights) for at, weights in self.epochs if at < end]
        self.others = {
            name: Values(others.values[:end], others.written[:end], others.kind) for name, others in self.others.items()
        }

    def value_counts(self) -> pd.DataFrame:
        """Return how often each variant has each value of the outcome, for a picture of the distributions.

        Columns variant, value, sessions; for more than a few thousand different values those of evenly spread sessions.
        """
        step = max(1, len(self.arms) // _HISTOGRAM_VALUES)
        value = np.where(self.written[::step], self.values[::step], 0.0)
        if value.ndim > 1:  # of a ratio what each session has
            value = level_of(value)
        frame = pd.DataFrame({"variant": np.array(list(self.weights))[self.arms[::step]], "value": value})
        frame = frame[np.isfinite(frame["value"])]
        return frame.groupby(["variant", "value"], sort=False).size().rename("sessions").reset_index()


def all_written(values: npt.NDArray[Any], kind: Kind | None) -> Values:
    """Return values of which a missing one is unknown, not a session that wrote nothing."""
    return Values(values, np.broadcast_to(np.bool_(True), values.shape), kind)


def everywhere(value: bool, n: int) -> npt.NDArray[np.bool_]:
    """Return an array of one value that takes no memory."""
    return np.broadcast_to(np.bool_(value), n)
