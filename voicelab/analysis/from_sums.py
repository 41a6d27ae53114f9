"""The sums of a test's sessions, added up by DuckDB in one pass: for one look at millions of them.

The evidence of a test depends on the order of its sessions only through its running maximum. At a single look, now, it
follows from counts, means, variances and skewness, epoch by epoch: it is valid, and of means no larger than that of the
whole path. (Rates without a horizon have bets on every session there, and the evidence of means here.)
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.added_up import (
    Added,
    ByUnit,
    Sessions,
    added_up,
    added_up_by_unit,
    in_blocks,
    look_again,
    sessions_at_times,
)
from voicelab.analysis.asked_values import parts_of
from voicelab.analysis.callers_again import (
    RETURNING,
    about_changes,
    about_units,
    check_unit,
    looks_like_callers,
    no_ids,
)
from voicelab.analysis.drawing import Drawing, Weights, checked_epochs, read_drawing
from voicelab.analysis.frame_columns import UNIT, as_weighed, column_of, handed_over
from voicelab.analysis.from_frame import columns_in, configured, no_value, opened, types_of, variant_sql
from voicelab.analysis.kinds import as_asked, check_size, split
from voicelab.analysis.missing import Missing, rule_of_missing
from voicelab.analysis.order_of_sums import Order, order_of
from voicelab.analysis.row_order import by_time, in_looks, relation_by, sorted_by, types_in
from voicelab.analysis.sessions import NO_NUMBER, TestData, Values
from voicelab.analysis.summed_columns import FLOATS, Relation, SumColumn, measured
from voicelab.analysis.summed_moments import (
    Found,
    OutcomeSums,
    by_cell,
    parts_of_units,
    plain_sums,
    session_counts,
    sums_of_units,
)
from voicelab.analysis.summed_ratios import AskedColumns, ratio_sums, ratios_added_up
from voicelab.base import checks
from voicelab.base.accepted_types import FrameLike
from voicelab.base.errors import InputError
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.drift import Drift
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import Kind, StopRule
from voicelab.log.queries import quoted

Floats = npt.NDArray[np.float64]

_MOMENT = "voicelab_moment"
_NOTHING = np.zeros(0)
_NOWHERE = np.zeros(0, dtype=np.bool_)
_NO_ARMS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Totals:
    """The sessions of a test, added up.

    Attributes:
        data: The test, without its sessions.
        counts: Sessions of each arm in each epoch, shape (epochs, k).
        assigned: Sessions, or units, of each arm that were first seen in the epoch, the same shape.
        outcomes: OutcomeSums of the target and of the other outcomes.
        weights: Weights of each epoch.
        missing: What is missing of the target outcome.
        drift: Whether its level drifts; None for a rate.
        order: What is known of the order of the rows.
    """

    data: TestData
    counts: Floats
    assigned: Floats
    outcomes: dict[str, OutcomeSums]
    weights: list[Mapping[str, Any]] = field(default_factory=list)
    missing: Missing | None = None
    drift: Drift | None = None
    order: Order = field(default_factory=Order)

    def monitor(self, outcome: str, rule: StopRule) -> Monitor:
        """Return a monitor that has had one look at an outcome in each epoch, after all its sessions."""
        monitor = self.looked_at(self.outcomes[outcome], rule)
        if outcome == self.data.outcome and self.drift is not None:
            monitor.drift = self.drift
        return monitor

    def looked_at(self, sums: OutcomeSums, rule: StopRule) -> Monitor:
        """Return a monitor that has had one look in each epoch at some sums."""
        data = self.data
        monitor = Monitor(rule, data.weights, kind=sums.kind, test=data.test, with_units=data.unit is not None)
        for epoch, weights in enumerate(self.weights):
            if not self.counts[epoch].any():
                continue  # the declared number of sessions was reached before, or none of its rows has a variant
            if epoch:
                monitor.new_weights(weights)
            for counts in self.assigned[epoch : epoch + 1] if self.order.looks is None else self.order.looks:
                monitor.ratio.look(counts)
            monitor.look(sums.parts[epoch], sums.centres, self.counts[epoch])
        if data.groups is not None:
            monitor.ratio.end_at_one_look(1 if self.order.looks is None else len(self.order.looks))
        monitor.settle()
        return monitor


def read_totals(
    data: FrameLike,
    variant: str,
    outcomes: Sequence[str],
    weights: Weights | None,
    rule: StopRule | None,
    guardrails: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    unit: str | None = None,
    order: str | None = None,
) -> Totals:
    """Return the sums of whatever DuckDB reads, one row a session, in order of completion.

    Args:
        data: A path, a DataFrame or an object such as a Polars or pyarrow table.
        variant: Column of the variant.
        outcomes: Columns of outcomes, or `column=level`: the first is judged by, the others are reported.
        weights: Configured weights, or epochs of them; None for equal ones, with a warning.
        rule: The stop rule; sessions beyond its number of sessions are not counted.
        guardrails: Numeric columns that must not get worse.
        kinds: Kinds that are asked for, by column.
        unit: Column of what sessions belong to, such as the caller.
        order: Column by which they are sorted first.

    Raises:
        InputError: it can't be read; a column is missing, or holds something else; a variant without a weight; or
            sessions have probabilities of their own.
    """
    rule, warnings = rule or StopRule(), list[str]()
    checks.name("variant", variant)
    asked_for = [*outcomes, *guardrails]
    known = columns_in(data) if any(parse_outcome(name).form != "plain" for name in asked_for) else asked_for
    names = parts_of(asked_for, known)
    if unit is not None:
        check_unit(checks.name("unit", unit))
    drawing = read_drawing(weights)
    if drawing.columns:
        raise InputError(
            "weights names columns of probabilities, which are read session by session: leave out path=False, or give the "
            "weights that the variants had."
        )
    callers, advice, by = None, None, None
    in_frame = isinstance(data, pd.DataFrame)
    if isinstance(data, pd.DataFrame):
        callers = _unnamed_callers(data, variant, names) if unit is None else None
        moments = None
        data, advice, moments = (data, by_time(types_in(data)), None) if order is None else sorted_by(data, order)
        data = handed_over(data, variant, names, kinds or {}, warnings, unit)
        if moments is not None:
            data, by = data.assign(**{_MOMENT: moments}), _MOMENT
    with duckdb.connect() as connection:
        ids = UNIT if isinstance(data, pd.DataFrame) and unit is not None else unit
        source = opened(connection, data, [variant, *names, *([] if ids is None else [ids])])
        if not in_frame:
            asked = (source, by_time(types_of(source)), None) if order is None else relation_by(source, order)
            source, advice, by = asked
        types = types_of(source)
        relation = Relation(source, types, kinds or {}, warnings)
        asked_columns = AskedColumns.of(relation, outcomes, guardrails, known)
        sessions = Sessions(
            source,
            variant_sql(variant, types[variant]),
            measured(source, asked_columns.columns),
            [0, *(row for row, _ in drawing.epochs)],
            None if ids is None else _ids_sql(ids, types[ids], unit or ids),
        )
        found = _added_up(sessions, asked_columns, drawing, rule, unit, warnings, advice, by)
    warnings += [callers] if callers else []
    return _of(found, variant, rule, unit, warnings)


def _unnamed_callers(frame: pd.DataFrame, variant: str, names: Sequence[str]) -> str | None:
    """Return a sentence if a column that nobody named looks like who called, and some called more than once."""
    if variant not in frame.columns or not frame.columns.is_unique:
        return None
    assigned = column_of(frame, variant).notna()
    named = [variant, *(split(name, frame.columns)[0] for name in names)]
    return looks_like_callers(frame if assigned.all() else frame[assigned], named)


def _ids_sql(column: str, type_: str, unit: str) -> str:
    """Return the SQL expression of ids, NULL where there is none.

    Raises:
        InputError: the column holds none.
    """
    if type_ in {"LIST", "STRUCT", "MAP", "UNION"}:
        raise no_ids(unit)
    return f"CASE WHEN NOT isnan({quoted(column)}) THEN {quoted(column)} END" if type_ in FLOATS else quoted(column)


def _added_up(
    sessions: Sessions,
    asked: AskedColumns,
    drawing: Drawing,
    rule: StopRule,
    unit: str | None,
    warnings: list[str],
    advice: str | None,
    by: str | None,
) -> Found:
    """Return what the database says of the sessions that count, sorted by an expression; of advice see `from_frame`."""
    cells = added_up(sessions)
    everything = cells.sessions
    if not everything + cells.unassigned:
        raise InputError("The frame is empty: there is no session to decide by.")
    variants = cells.variants
    configured_weights = drawing.any_weights([str(name) for name in variants])
    weighed = as_weighed([str(name) for name in variants], configured_weights)
    shares, off = configured(configured_weights, list(weighed.values()), warnings)
    kinds = [_kind_of(cells.outcome(at), column) for at, column in enumerate(sessions.columns)]
    later = checked_epochs(drawing, everything + cells.unassigned, list(shares))
    position = {name: arm for arm, name in enumerate(shares)}
    arm_of = {name: position[weighed[str(name)]] for name in variants}
    units, switched = _by_unit(sessions, arm_of, unit, everything, warnings)
    unassigned = cells.unassigned
    at_times = None if by is None else partial(sessions_at_times, arm_of=arm_of, k=len(shares), by=by)
    order = Order(advice) if later else order_of(sessions, cells, rule, warnings, advice, at_times)
    most = None if rule.needs_both else rule.max_iterations
    if most is not None and everything > most:
        sessions = sessions.first(most)
        cells = added_up(sessions)
        units = added_up_by_unit(sessions, arm_of)[0] if units is not None else None
        if order.looks is not None and at_times is not None:
            order = order._replace(looks=in_looks(at_times(sessions)))
    target, first = cells.outcome(0), next(iter(asked.at))
    ratios = ratios_added_up(sessions, asked.ratios, warnings)
    n_known = sum(int(own[0]) for own in ratios[first].values()) if first in ratios else sum(own.n for own in target)
    plain = first not in ratios and kinds[0] != "binary"
    if plain and sum(own.n for own in target) < cells.sessions and any(own.lowest is None for own in target):
        # What is missing could be as low and as high as what is there.
        look_again(sessions.values(), 0, sessions.columns[0], cells)
    return Found(
        columns=sessions.columns,
        kinds=kinds,
        cells=cells,
        units=units,
        arm_of=arm_of,
        shares=[drawing.first_weights(shares), *(own for _, own in later)],
        off=off,
        excluded={
            "no variant found": unassigned,
            NO_NUMBER: cells.sessions - n_known,
            "after the declared number of sessions": everything - cells.sessions,
        },
        ends=(0.0, 1.0) if kinds[0] == "binary" else _ends_of(cells.outcome(0)),
        # A rate's errors hang on its level alone: nothing is asked of the order of its sessions. Rows in groups have none.
        drift=None
        if not plain or order.groups is not None
        else Drift.of_blocks(in_blocks(sessions, Drift.length_of(cells.sessions))),
        order=order,
        switched=switched,
        asked=asked.at,
        ratios=ratios,
    )


def _by_unit(
    sessions: Sessions, arm_of: Mapping[Any, int], unit: str | None, n: int, warnings: list[str]
) -> tuple[ByUnit | None, bool]:
    """Return what the sessions come to by unit, None without, and if some switched; with sentences about what units are."""
    if unit is None:
        return None, False
    units, seen = added_up_by_unit(sessions, arm_of)
    warnings += about_units(unit, seen.unknown, seen.units, n)
    if seen.changed:
        warnings.append(about_changes(unit, seen.changed, seen.units, seen.elsewhere))
    return units, seen.changed > 0


def _ends_of(added: Sequence[Added]) -> tuple[float, float]:
    known = [end for own in added for end in (own.lowest, own.highest) if end is not None]
    return (min(known), max(known)) if known else (0.0, 0.0)


def _kind_of(added: Sequence[Added], column: SumColumn) -> Kind:
    """Return the kind of an outcome: binary if all values are 0 or 1, count if whole and none below 0."""
    extremes = [size for own in added for size in (own.lowest, own.highest) if size is not None]
    if extremes and column.type_ != "BOOLEAN":
        check_size(column.name, max(map(abs, extremes)))
    whole = bool(added) and all(own.whole and (own.lowest or 0) >= 0 for own in added)
    kind: Kind = "float" if not whole else "binary" if max(extremes) <= 1 else "count"
    return as_asked(kind, column.name, column.asked)


def _of(found: Found, variant: str, rule: StopRule, unit: str | None, warnings: list[str]) -> Totals:
    """Return the sums of what the database says."""
    counts = session_counts(found)
    assigned = counts if found.units is None else by_cell(found, found.units.first * 1.0, found.units.first)
    outcomes = {name: _sums_of(found, name, at) for name, at in found.asked.items()}
    target = next(iter(found.asked))
    begins = np.concatenate([[0.0], np.cumsum(counts.sum(axis=1))])
    data = TestData(
        test=variant,
        weights=found.shares[0],
        rule=rule,
        outcome=target,
        kind=outcomes[target].kind,
        arms=_NO_ARMS,
        values=_NOTHING,
        written=_NOWHERE,
        switched_off=found.off,
        crashed=_NOWHERE,
        indexes=_NO_ARMS,
        epochs=[(int(begins[at]), found.shares[at]) for at in range(1, len(found.shares)) if counts[at].any()],
        others={name: Values(_NOTHING, _NOWHERE, sums.kind) for name, sums in outcomes.items() if name != target},
        warnings=warnings,
        source="your data",
        unit=unit,
        advice=found.order.advice,
        groups=found.order.groups,
        switched=found.switched,
    )
    left_out = found.excluded
    if found.units is not None:
        left_out[RETURNING] = int(found.units.sessions[~found.units.first].sum())
    data.excluded |= {reason: n for reason, n in left_out.items() if n}
    for name, sums in outcomes.items():
        if not sums.parts[:, 0].any():
            warnings.append(no_value(name))
    totals = Totals(data, counts, assigned, outcomes, list(found.shares), drift=found.drift, order=found.order)
    return replace(totals, missing=_missing(found, totals, rule))


def _sums_of(found: Found, name: str, at: tuple[int, ...]) -> OutcomeSums:
    if name in found.ratios:
        shape = len(found.shares), len(found.shares[0])
        return ratio_sums(found.ratios[name], found.columns, (at[0], at[1]), found.arm_of, shape)
    return plain_sums(found, at[0]) if found.units is None else sums_of_units(found, at[0], found.units)


def _missing(found: Found, totals: Totals, rule: StopRule) -> Missing | None:
    """Return what is missing of the target, or None if nothing is, or nothing is there."""
    counts, kind = totals.counts, totals.data.kind
    known, values = np.zeros_like(counts), np.zeros_like(counts)
    of_ratio = totals.data.outcome in found.ratios
    if of_ratio:
        known = totals.outcomes[totals.data.outcome or ""].parts[:, 0]
    elif found.units is not None:
        known = by_cell(found, found.units.n[0])
        values = by_cell(found, found.units.total[0]) + known * found.columns[0].centre
    else:
        for (name, epoch), cell in found.cells.of.items():
            added, arm = cell.outcomes[0], found.arm_of[name]
            known[epoch, arm] += added.n
            values[epoch, arm] += added.total + added.n * found.cells.centres[0].get(name, found.columns[0].centre)
    missing = counts - known
    if not missing.any() or not known.any():
        return None
    if found.units is None:
        parts = np.stack([counts, missing, missing], axis=1)
    else:
        sessions = found.units.sessions.astype(np.float64)
        parts = parts_of_units(found, sessions, sessions - found.units.n[0], found.units.first)
    monitor = totals.looked_at(OutcomeSums("binary", parts, np.zeros(counts.shape[1])), rule_of_missing(rule))
    reached = counts.any(axis=1)
    return Missing(
        missing=missing[reached],
        known=known[reached],
        totals=values[reached],
        ends=(np.nan, np.nan) if of_ratio else found.ends,
        p_value=monitor.p_value,
        declared=kind == "binary",
    )
