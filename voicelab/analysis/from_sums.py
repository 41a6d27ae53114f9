"""The sums of a test's sessions, added up by DuckDB in one pass: for one look at millions of them.

The evidence of a test depends on the order of its sessions only through its running maximum. At a single look, now, it
follows from counts, means and variances: it is valid, and no larger than that of the whole path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.card.formats import is_known
from voicelab.analysis.drawing import Weights
from voicelab.analysis.frame_columns import as_weighed, handed_over
from voicelab.analysis.from_frame import INTEGERS, configured, no_value, opened, types_of, variant_sql
from voicelab.analysis.kinds import (
    LARGEST,
    MOST_LEVELS,
    SMALLEST,
    as_asked,
    check_size,
    check_types,
    holds_words,
    more_levels,
    needs_level,
    no_level,
    split,
)
from voicelab.analysis.missing import Missing
from voicelab.analysis.numerals import sql_is_number, sql_label, sql_number
from voicelab.analysis.sessions import NO_NUMBER, TestData, Values
from voicelab.base import checks
from voicelab.base.accepted_types import FrameLike
from voicelab.base.errors import InputError
from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import Kind, StopRule
from voicelab.log.queries import quoted

Floats = npt.NDArray[np.float64]

_FLOATS = {"FLOAT", "DOUBLE"}
_NUMBERS = {"BOOLEAN", "DECIMAL", *INTEGERS, *_FLOATS}
_TEXTS = {"VARCHAR", "ENUM", "UUID"}
_SAMPLE = 1024
_HARDLY = 1e-9
"""Standard deviation, as a share of the mean, below which values may be one and the same."""
_NOTHING = np.zeros(0)
_NOWHERE = np.zeros(0, dtype=np.bool_)
_NO_ARMS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class OutcomeSums:
    """What the values of an outcome come to.

    Attributes:
        kind: Kind of the outcome.
        parts: Number, sum and sum of squares of each arm, measured from its centre, shape (3, k).
        centres: The mean of each arm, or 0 for rates, shape (k,).
    """

    kind: Kind
    parts: Floats
    centres: Floats


@dataclass(frozen=True)
class Totals:
    """The sessions of a test, added up.

    Attributes:
        data: The test, without its sessions.
        counts: Sessions of each arm, shape (k,).
        outcomes: OutcomeSums of the target and of the other outcomes.
    """

    data: TestData
    counts: Floats
    outcomes: dict[str, OutcomeSums]
    missing: Missing | None = None

    def monitor(self, outcome: str, rule: StopRule) -> Monitor:
        """Return a monitor that has had one look at an outcome, after all sessions."""
        sums = self.outcomes[outcome]
        monitor = Monitor(rule, self.data.weights, test=self.data.test)
        monitor.know(sums.kind)
        monitor.ratio.look(self.counts)
        monitor.look(sums.parts, sums.centres, self.counts)
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
) -> Totals:
    """Return the sums of whatever DuckDB reads, one row a session, in order of completion.

    Args:
        data: A path, a DataFrame or an object such as a Polars or pyarrow table.
        variant: Column of the variant.
        outcomes: Columns of outcomes, or `column=level`: the first is judged by, the others are reported.
        weights: Configured weights; None for equal ones, with a warning.
        rule: The stop rule; sessions beyond its number of sessions are not counted.
        guardrails: Numeric columns that must not get worse.
        kinds: Kinds that are asked for, by column.

    Raises:
        InputError: it can't be read; a column is missing, or holds something else; a variant without a weight.
    """
    if unit is not None or (weights is not None and not isinstance(weights, Mapping)):
        raise InputError("path=False with epochs or units: not yet.")
    rule, warnings = rule or StopRule(), list[str]()
    names = [*outcomes, *guardrails]
    checks.name("variant", variant)
    if isinstance(data, pd.DataFrame):
        data = handed_over(data, variant, names, kinds or {}, warnings)
    with duckdb.connect() as connection:
        source = opened(connection, data, [variant, *names])
        types = types_of(source)
        relation = _Relation(source, types, kinds or {}, warnings)
        target, *rest = outcomes
        columns = [
            relation.one(target),
            *(c for name in rest for c in relation.all_of(name)),
            *map(relation.one, guardrails),
        ]
        drawn = variant_sql(variant, types[variant])
        rows, unassigned = _added_up(source, drawn, columns)
        everything = sum(row.sessions for row in rows.values())
        if not everything + unassigned:
            raise InputError("The frame is empty: there is no session to decide by.")
        most = None if rule.needs_both else rule.max_iterations
        if most is not None and everything > most:
            rows, _ = _added_up(source.filter(f"({drawn}) IS NOT NULL").limit(most), drawn, columns)
    totals = _of_rows(rows, variant, columns, weights, rule, warnings)
    counted = int(totals.counts.sum())
    left_out = {
        "no variant found": unassigned,
        NO_NUMBER: counted - int(totals.outcomes[target].parts[0].sum()),
        "after the declared number of sessions": everything - counted,
    }
    totals.data.excluded |= {reason: n for reason, n in left_out.items() if n}
    warnings += [no_value(name) for name, sums in totals.outcomes.items() if not sums.parts[0].any()]
    return totals


class _Column(NamedTuple):
    """An outcome as the database sees it: its name, the expression of its value, the type of that, the kind asked for."""

    name: str
    value: str
    type_: str
    asked: str | None = None


class _Relation(NamedTuple):
    """What outcomes are read from: the relation, the types of its columns, the kinds asked for, and warnings."""

    source: duckdb.DuckDBPyRelation
    types: Mapping[str, str]
    asked: Mapping[str, str]
    warnings: list[str]

    def one(self, name: str) -> _Column:
        """Return an outcome of numbers, or a level of one."""
        base, level = split(name, self.types)
        is_text = self._is_text(base)
        if level is not None:
            known = self._levels(base)
            if level not in known:
                raise no_level(base, level, known)
            return self._level(base, level)
        if is_text:
            raise needs_level(base, self._levels(base))
        number, type_ = self._number(base)
        if self.asked.get(base) == "binary" and type_ != "BOOLEAN":
            finite = f"CASE WHEN isfinite({number}) THEN {number} > 0 END"
            return _Column(name, finite if type_ in _FLOATS else f"{number} > 0", "BOOLEAN")
        return _Column(name, number, type_, self.asked.get(base))

    def all_of(self, name: str) -> list[_Column]:
        """Return an outcome, or the most frequent levels of one that holds text."""
        base, level = split(name, self.types)
        if level is not None or not self._is_text(base):
            return [self.one(name)]
        known = self._levels(base)
        if len(known) > MOST_LEVELS:
            self.warnings.append(more_levels(base, len(known) - MOST_LEVELS))
        return [self._level(base, level) for level in known[:MOST_LEVELS]]

    def _number(self, base: str) -> tuple[str, str]:
        """Return the expression of a column's numbers, and their type."""
        if self.types[base] in _NUMBERS:
            return quoted(base), self.types[base]
        if self.types[base] not in _TEXTS:
            return "NULL::DOUBLE", "DOUBLE"  # nothing at all, since `_is_text` refuses anything else
        if self.asked.get(base) and (word := self._a_word(base)) is not None:
            raise holds_words(base, word)
        return sql_number(quoted(base)), "DOUBLE"

    def _a_word(self, base: str) -> str | None:
        """Return a text of a column that is no number."""
        words = self.source.filter(f"{quoted(base)} IS NOT NULL AND NOT {sql_is_number(quoted(base))}")
        found = words.limit(1).project(f"{quoted(base)}::VARCHAR").fetchall()
        return str(found[0][0]) if found else None

    def _is_text(self, base: str) -> bool:
        if self.types[base] not in _NUMBERS | _TEXTS:
            some = self.source.filter(f"{quoted(base)} IS NOT NULL").limit(1).project(quoted(base))
            check_types(some.to_arrow_table().to_pandas()[base], base)
        asked = self.asked.get(base)
        if asked or self.types[base] in _NUMBERS:
            return asked == "string"
        return self.types[base] in _TEXTS and self._a_word(base) is not None

    def _label(self, base: str) -> str:
        return sql_label(quoted(base), self.types[base])

    def _levels(self, base: str) -> list[str]:
        labels = self.source.project(f"{self._label(base)} AS level")
        counted = labels.filter("level IS NOT NULL").aggregate("level, count(*) AS n", "level")
        return [str(level) for level, _ in counted.order("n DESC, level").fetchall()]

    def _level(self, base: str, level: str) -> _Column:
        escaped = level.replace("'", "''")
        return _Column(f"{base}={level}", f"({self._label(base)}) = '{escaped}'", "BOOLEAN")


class _Added(NamedTuple):
    """What the database says of one outcome's values in one variant, in the order of its columns."""

    n: int
    total: int | None
    mean: float | None
    variance: float | None
    lowest: float | None
    highest: float | None
    whole: bool


class _OfVariant(NamedTuple):
    """What the database says of one variant.

    Attributes:
        sessions: Its sessions.
        outcomes: Its values, outcome by outcome.
    """

    sessions: int
    outcomes: list[_Added]


_Rows = dict[str, _OfVariant]


def _added_up(source: duckdb.DuckDBPyRelation, drawn: str, columns: Sequence[_Column]) -> tuple[_Rows, int]:
    """Return for each variant its sessions and, for each outcome, what `_sums` reads; and the sessions without one."""
    first = source.limit(_SAMPLE).project(", ".join(column.value for column in columns)).fetchall()
    values, parts = [f"{drawn} AS variant"], ["count(*)"]
    for at, (_, value, type_, _) in enumerate(columns):
        x = f"x{at}"
        finite = f"CASE WHEN isfinite({value}) THEN {value} END" if type_ in _FLOATS else f"({value})"
        values.append(f"{finite}{'::INTEGER' if type_ == 'BOOLEAN' else '::DOUBLE'} AS {x}")
        parts += [f"count({x})", *_aggregates(x, type_, [row[at] for row in first])]
    try:
        finite_values = source.project(", ".join(values))
        found = finite_values.aggregate(f"variant, {', '.join(parts)}", "variant").fetchall()
    except duckdb.Error as error:
        raise InputError(f"The outcomes can't be added up ({str(error).splitlines()[0]}).") from None
    rows: _Rows = {}
    unassigned = 0
    width = len(_Added._fields)
    for name, sessions, *numbers in found:
        if name is not None:
            added = [_Added(*numbers[at : at + width]) for at in range(0, len(numbers), width)]
            rows[str(name)] = _OfVariant(sessions, added)
        else:
            unassigned += sessions
    for at in range(len(columns)):
        if any(_hides_its_size(row.outcomes[at]) for row in rows.values()):
            _look_for_extremes(finite_values, at, rows)
    return rows, unassigned


def _hides_its_size(added: _Added) -> bool:
    """Return whether the least and the largest value must be known besides mean and variance.

    DuckDB's average of values that never vary isn't exactly that value, and of very large or small ones the squares
    overflow or are 0. Rare, so that millions of other values aren't asked for their extremes.
    """
    if not added.n or added.mean is None or added.variance is None or added.lowest is not None:
        return False
    if not math.isfinite(added.mean) or not math.isfinite(added.variance):
        return True
    size = math.hypot(added.mean, math.sqrt(added.variance))
    varies = math.sqrt(added.variance) > _HARDLY * abs(added.mean)
    return not varies or not SMALLEST < size < LARGEST / math.sqrt(added.n)


def _look_for_extremes(values: duckdb.DuckDBPyRelation, at: int, rows: _Rows) -> None:
    found = values.aggregate(f"variant, min(x{at}), max(x{at})", "variant").fetchall()
    for name, lowest, highest in found:
        if name is not None:
            outcomes = rows[str(name)].outcomes
            outcomes[at] = outcomes[at]._replace(lowest=lowest, highest=highest)


def _aggregates(x: str, type_: str, first: Sequence[Any]) -> tuple[str, ...]:
    """Return the sum, mean, variance, least and largest of a column, and whether all are whole; what needs asking.

    Args:
        x: The column.
        type_: Its type in the database.
        first: Its first values: what they show needs no question to millions.
    """
    if type_ == "BOOLEAN":
        return f"sum({x})", "NULL", "NULL", "0", "1", "true"
    moments = f"avg({x})", f"var_pop({x})"
    if type_ not in {*_FLOATS, "DECIMAL"}:
        return "NULL", *moments, f"min({x})", f"max({x})", "true"
    if any(is_known(value) and (value < 0 or value != math.floor(value)) for value in first):
        return "NULL", *moments, "NULL", "NULL", "false"
    return "NULL", *moments, f"min({x})", f"max({x})", f"bool_and({x} = floor({x}))"


def _of_rows(
    rows: _Rows,
    variant: str,
    columns: Sequence[_Column],
    weights: Mapping[Any, Any] | None,
    rule: StopRule,
    warnings: list[str],
) -> Totals:
    weighed = as_weighed(list(rows), weights)
    rows = {weighed[name]: row for name, row in rows.items()}
    shares, off = configured(weights, list(rows), warnings)
    outcomes = {column.name: _sums(rows, at, column, list(shares)) for at, column in enumerate(columns)}
    counts = np.array([float(rows[name].sessions) if name in rows else 0.0 for name in shares])
    target = columns[0].name
    data = TestData(
        test=variant,
        weights=shares,
        rule=rule,
        outcome=target,
        kind=outcomes[target].kind,
        arms=_NO_ARMS,
        values=_NOTHING,
        written=_NOWHERE,
        switched_off=off,
        crashed=_NOWHERE,
        indexes=_NO_ARMS,
        others={column.name: Values(_NOTHING, _NOWHERE, outcomes[column.name].kind) for column in columns[1:]},
        warnings=warnings,
        source="your data",
    )
    return Totals(data, counts, outcomes)


def _sums(rows: _Rows, at: int, column: _Column, variants: Sequence[str]) -> OutcomeSums:
    """Return the sums of one outcome, and its kind: binary if all values are 0 or 1, count if whole and none below 0."""
    own = {name: row.outcomes[at] for name, row in rows.items() if row.outcomes[at].n}
    extremes = [size for added in own.values() for size in (added.lowest, added.highest) if size is not None]
    if extremes and column.type_ != "BOOLEAN":
        check_size(column.name, max(map(abs, extremes)))
    whole = bool(own) and all(added.whole and (added.lowest or 0) >= 0 for added in own.values())
    kind: Kind = "float" if not whole else "binary" if max(extremes) <= 1 else "count"
    kind = as_asked(kind, column.name, column.asked)
    parts, centres = np.zeros((3 if kind == "binary" else 4, len(variants))), np.zeros(len(variants))
    for arm, name in enumerate(variants):
        if name not in own:
            continue
        added = own[name]
        if kind == "binary" or added.mean is None or added.variance is None:
            # What is 0 or 1 is its own square.
            hits = added.total if added.total is not None else round((added.mean or 0.0) * added.n)
            parts[:3, arm] = added.n, hits, hits
        elif added.lowest is not None and added.lowest == added.highest:
            parts[0, arm], centres[arm] = added.n, added.lowest
        else:
            parts[:, arm], centres[arm] = (added.n, 0.0, added.variance * added.n, 0.0), added.mean
    return OutcomeSums(kind, parts, centres)
