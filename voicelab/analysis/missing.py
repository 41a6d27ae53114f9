"""What is missing: whether outcomes are missing unevenly between variants, and what they could change at worst.

Sessions without a value are left out. Where that happens to one variant more often than to another, and more often to
failures, the rest compares other sessions than it seems to (20 % of one variant's failures missing make a winner of it in
a quarter of tests without any difference).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.sessions import TestData, Values, chunk_of, everywhere
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule
from voicelab.decision.stats.compare import information
from voicelab.decision.stats.values import are_counted, session_values

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_ALPHA = 0.01
"""p-value, valid at every look, from which outcomes are said to be missing unevenly."""


@dataclass(frozen=True)
class Missing:
    """What is missing of the outcome that a test is judged by.

    Attributes:
        missing: Sessions of each arm without a value, in each epoch, shape (epochs, k).
        known: Sessions with one, the same shape.
        totals: Sums of the values, the same shape.
        ends: Lowest and highest value that there can be: declared, or those that were seen.
        p_value: That missingness is the same in every variant; valid at every look.
        declared: Whether the ends were declared.
    """

    missing: Floats
    known: Floats
    totals: Floats
    ends: tuple[float, float]
    p_value: float
    declared: bool

    @property
    def is_uneven(self) -> bool:
        """Whether outcomes are missing more often in one variant than in another."""
        return self.p_value <= _ALPHA

    def worst_case(self, arm: int, baseline: int) -> tuple[float, float] | None:
        """Return the lowest and the highest difference, whatever the missing values are; None without any.

        Every missing value of the one arm is taken as the lowest, every one of the other as the highest, and the other
        way round. Source: Manski 1990.
        """
        if not self.missing[:, [arm, baseline]].any():
            return None
        if not np.isfinite(self.ends).all():
            return None
        sessions = self.missing + self.known
        weights = information(sessions[:, arm], sessions[:, baseline])
        if not weights.any():
            return None

        def mean(of: int, end: float) -> Floats:
            filled = self.totals[:, of] + end * self.missing[:, of]
            return np.divide(filled, sessions[:, of], out=np.zeros_like(filled), where=sessions[:, of] > 0)

        low, high = self.ends
        return (
            float(np.average(mean(arm, low) - mean(baseline, high), weights=weights)),
            float(np.average(mean(arm, high) - mean(baseline, low), weights=weights)),
        )


def missing_in(data: TestData) -> Missing | None:
    """Return what is missing, or None if nothing is, or nothing can be said of the outcome."""
    if data.kind is None or not len(data.arms):
        return None
    counted = session_values(data.values.astype(np.float64, copy=False), data.written, data.crashed, data.kind)
    unknown = ~are_counted(counted)
    if not unknown.any() or unknown.all():
        return None
    k = len(data.weights)
    starts = [0, *(at for at, _ in data.epochs)]
    epoch = np.searchsorted(starts, np.arange(len(counted)), side="right") - 1
    cells = epoch * k + data.arms

    def by_cell(values: Floats | Bools) -> Floats:
        counted: Floats = np.bincount(cells, values, len(starts) * k).astype(np.float64)
        return counted.reshape(len(starts), k)

    limits = data.limits.ends
    if data.kind not in {"binary", "count", "float"}:
        # What the missing ones could change of a ratio or a quantile, nothing bounds.
        counted, limits = np.zeros(len(unknown)), (np.nan, np.nan)
    return Missing(
        missing=by_cell(unknown),
        known=by_cell(~unknown),
        totals=by_cell(np.where(unknown, 0.0, counted)),
        ends=(0.0, 1.0) if data.kind == "binary" else limits or (float(np.nanmin(counted)), float(np.nanmax(counted))),
        p_value=_p_value(data, unknown),
        declared=data.kind == "binary" or limits is not None,
    )


def _p_value(data: TestData, unknown: Bools) -> float:
    """Return the p-value of the same missingness in all variants, by the boundary or the bets of the test itself."""
    rule = rule_of_missing(data.rule)
    values = Values(unknown.astype(np.float64), everywhere(True, len(unknown)), "binary")
    monitor = data.new_monitor(rule, "binary")
    if data.groups is not None:
        data.shown_at_once(monitor, values)
        return monitor.p_value
    for weights, part in data.parts(chunk_of(len(data.weights))):
        if weights is not None:
            monitor.new_weights(weights)
        if data.shown_to(monitor, values, part) is not None:
            break
    return monitor.p_value


def rule_of_missing(rule: StopRule) -> StopRule:
    """Return the rule that missingness is judged by: that of the test, for any difference."""
    return StopRule(max_iterations=rule.max_iterations if rule.has_horizon else None, criterion="any_difference")


def doubts_of_missing(monitor: Monitor, missing: Missing | None, compared: pd.DataFrame) -> list[str]:
    """Return a sentence for each variant without any value, and one if outcomes are missing unevenly.

    Args:
        monitor: What has seen the sessions.
        missing: What is missing.
        compared: `Result.comparisons`.
    """
    counts = dict(zip(monitor.variants, monitor.counts, strict=True))
    known = {name: float(own.n) for name, own in zip(counts, monitor.moments, strict=True)}
    # Where no variant has any, it is the outcome that is named.
    empty = [name for name, n in counts.items() if n and not known[name] and any(known.values())]
    uneven = _uneven(monitor, missing, compared)
    return [
        *(
            f"{name} has no value in any of its {int(counts[name]):,} sessions: nothing can be said of it."
            for name in empty
        ),
        *([uneven] if uneven else []),
    ]


def _uneven(monitor: Monitor, missing: Missing | None, compared: pd.DataFrame) -> str | None:
    """Return the sentence that outcomes are missing unevenly, with the worst case of the pair that misses most; or None."""
    if missing is None or not missing.is_uneven:
        return None
    lost, known = missing.missing.sum(axis=0), missing.known.sum(axis=0)
    shares = ", ".join(
        f"{name} {m / (m + n):.1%}" for name, m, n in zip(monitor.variants, lost, known, strict=True) if m + n
    )
    said = f"Outcomes are missing unevenly ({shares}; p {missing.p_value:.2g}, valid at every look): the sessions that are left"
    if compared["difference_worst_lower"].isna().all():
        return f"{said} may not be alike. Find out why they are missing before you decide."
    # A pair of which nothing is missing has no worst case.
    ends = compared[["difference_worst_lower", "difference_worst_upper"]].astype(float)
    row = compared.loc[(ends["difference_worst_upper"] - ends["difference_worst_lower"]).idxmax()]
    low, high = row["difference_worst_lower"], row["difference_worst_upper"]
    between = (
        f"{100 * low:+.1f} and {100 * high:+.1f} points" if monitor.kind == "binary" else f"{low:.3g} and {high:.3g}"
    )
    range_ = "" if missing.declared else " (if they lie between the lowest and the highest value that was seen)"
    return (
        f"{said} may not be alike. Whatever the missing values are{range_}, the difference of {row['variant']} and "
        f"{row['baseline']} lies between {between}. Find out why they are missing before you decide."
    )
