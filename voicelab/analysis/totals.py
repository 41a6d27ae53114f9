"""The sums of a test's sessions, added up by DuckDB in one pass: for one look at millions of them.

The evidence of a test depends on the order of its sessions only through its running maximum. At a single look, now, it
follows from counts, means and variances: it is valid, and no larger than that of the whole path.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt

from voicelab.analysis.data import TestData, Values, configured, opened
from voicelab.analysis.formats import is_known
from voicelab.errors import InputError
from voicelab.monitor import Monitor
from voicelab.rules import Kind, StopRule

Floats = npt.NDArray[np.float64]

_NUMBERS = {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER",
            "UBIGINT", "UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL"}  # fmt: skip
_FLOATS = {"FLOAT", "DOUBLE"}
_SAMPLE = 1024
_NOTHING = np.zeros(0)
_NOWHERE = np.zeros(0, dtype=np.bool_)
_NO_ARMS = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Sums:
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
        outcomes: Sums of the target and of the other outcomes.
    """

    data: TestData
    counts: Floats
    outcomes: dict[str, Sums]

    def monitor(self, outcome: str, rule: StopRule) -> Monitor:
        """Return a monitor that has had one look at an outcome, after all sessions."""
        sums = self.outcomes[outcome]
        monitor = Monitor(self.data.test, self.data.weights, rule)
        monitor.know(sums.kind)
        monitor.ratio.look(self.counts)
        monitor.look(sums.parts, sums.centres, int(self.counts.sum()))
        monitor.settle()
        return monitor


def read_totals(
    data: Any,
    variant: str,
    outcomes: Sequence[str],
    weights: Mapping[Any, Any] | None,
    rule: StopRule | None,
    guardrails: Sequence[str] = (),
) -> Totals:
    """Return the sums of whatever DuckDB reads, one row a session, in order of completion.

    Args:
        data: A path, a DataFrame or an object such as a Polars or pyarrow table.
        variant: Column of the variant.
        outcomes: Columns of outcomes, numbers or booleans: the first is judged by, the others are reported.
        weights: Configured weights; None for equal ones, with a warning.
        rule: The stop rule; sessions beyond its number of sessions are not counted.
        guardrails: Numeric columns that must not get worse.

    Raises:
        InputError: it can't be read; a column is missing, or holds something else; a variant without a weight.
    """
    rule = rule or StopRule()
    names = list(dict.fromkeys([*outcomes, *guardrails]))
    with duckdb.connect() as connection:
        source = opened(connection, data, [variant, *names])
        types = dict(zip(source.columns, map(str, source.types), strict=True))
        for name in names:
            if types[name].partition("(")[0] not in _NUMBERS:
                raise InputError(f"The outcome {name!r} holds text, must hold numbers or booleans.")
        rows, unassigned = _added_up(source, variant, names, types)
        everything = sum(row[0] for row in rows.values())
        if not everything + unassigned:
            raise InputError("The frame is empty: there is no session to decide by.")
        most = None if rule.needs_both else rule.max_iterations
        if most is not None and everything > most:
            column = _quoted(variant)
            there = f"NOT isnan({column})" if types[variant] in _FLOATS else f"{column} IS NOT NULL"
            rows, _ = _added_up(source.filter(there).limit(most), variant, names, types)
    totals = _of_rows(rows, variant, names, outcomes[0], weights, rule)
    data, counted = totals.data, int(totals.counts.sum())
    left_out = {
        "no variant found": unassigned,
        "the outcome is missing, or no finite number: left out": counted
        - int(totals.outcomes[outcomes[0]].parts[0].sum()),
        "after the declared number of sessions": everything - counted,
    }
    data.excluded |= {reason: n for reason, n in left_out.items() if n}
    return totals


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


_Rows = dict[str, list[Any]]


def _added_up(source: Any, variant: str, names: Sequence[str], types: Mapping[str, str]) -> tuple[_Rows, int]:
    """Return for each variant its sessions and, for each outcome, what `_sums` reads; and the sessions without one."""
    columns = [f"{_quoted(variant)} AS variant"]
    parts = ["count(*)"]
    first = source.limit(_SAMPLE).project(", ".join(map(_quoted, names))).fetchall()
    for at, name in enumerate(names):
        column, type_ = _quoted(name), types[name].partition("(")[0]
        x = f"x{at}"
        value = f"CASE WHEN isfinite({column}) THEN {column} END" if type_ in _FLOATS else column
        columns.append(f"{value}{'::INTEGER' if type_ == 'BOOLEAN' else '::DOUBLE'} AS {x}")
        parts += [f"count({x})", *_aggregates(x, type_, [row[at] for row in first])]
    found = source.project(", ".join(columns)).aggregate(f"variant, {', '.join(parts)}", "variant").fetchall()
    rows: _Rows = {}
    unassigned = 0
    for name, *numbers in found:
        if is_known(name):
            rows[str(name)] = numbers
        else:
            unassigned += numbers[0]
    return rows, unassigned


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
        return "NULL", *moments, "0", "2", "false"
    return "NULL", *moments, f"min({x})", f"max({x})", f"bool_and({x} = floor({x}))"


def _of_rows(
    rows: _Rows,
    variant: str,
    names: Sequence[str],
    target: str,
    weights: Mapping[Any, Any] | None,
    rule: StopRule,
) -> Totals:
    warnings: list[str] = []
    shares = configured(weights, list(rows), warnings)
    outcomes = {name: _sums(rows, at, list(shares)) for at, name in enumerate(names)}
    counts = np.array([float(rows[name][0]) if name in rows else 0.0 for name in shares])
    others = [name for name in names if name != target or names.count(name) > 1]
    data = TestData(
        test=variant,
        weights=shares,
        rule=rule,
        outcome=target,
        kind=outcomes[target].kind,
        arms=_NO_ARMS,
        values=_NOTHING,
        written=_NOWHERE,
        crashed=_NOWHERE,
        indexes=_NO_ARMS,
        others={name: Values(_NOTHING, _NOWHERE, outcomes[name].kind) for name in others},
        warnings=warnings,
        source="your data",
    )
    return Totals(data, counts, outcomes)


def _sums(rows: _Rows, at: int, variants: Sequence[str]) -> Sums:
    """Return the sums of one outcome, and its kind: binary if all values are 0 or 1, count if whole and none below 0."""
    first = 1 + 7 * at
    own = {name: row[first : first + 7] for name, row in rows.items() if row[first]}
    lowest = min((row[4] for row in own.values()), default=-1.0)
    highest = max((row[5] for row in own.values()), default=0.0)
    whole = lowest >= 0 and all(row[6] for row in own.values())
    kind: Kind = "float" if not whole else "binary" if highest <= 1 else "count"
    parts, centres = np.zeros((3, len(variants))), np.zeros(len(variants))
    for arm, name in enumerate(variants):
        if name not in own:
            continue
        n, total, mean, variance = own[name][:4]
        if kind == "binary":
            parts[:, arm] = n, *((round(mean * n) if total is None else total),) * 2
        else:
            parts[:, arm], centres[arm] = (n, 0.0, variance * n), mean
    return Sums(kind, parts, centres)
