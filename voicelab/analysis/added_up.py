"""Adds up the sessions of a test in DuckDB: by variant and epoch of weights, and by unit where units may come again.

Sums of third powers leave no digits where values are far from 0, so that values are measured from a centre: a value that
is among a column's first. Where an arm's own values turn out to lie far from it, they are added up once more, around
their mean.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from voicelab.analysis.kinds import LARGEST, SMALLEST
from voicelab.analysis.summed_columns import FLOATS, SumColumn, number_sql
from voicelab.base.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_ROW = "voicelab_row"
_FAR = 1e-3
"""Standard deviation, as a share of the distance from the centre, below which an arm needs a centre of its own."""
_HARDLY = 1e-9
"""Standard deviation, as a share of the mean, below which values may be one and the same."""


@dataclass(frozen=True)
class Sessions:
    """The sessions as the database sees them.

    Attributes:
        source: The relation, one row a session.
        drawn: Expression of the variant.
        columns: The outcomes.
        starts: First row of each epoch of weights, 0 for the first.
        unit: Expression of the unit, NULL where there is none; None without units.
        most: How many sessions with a variant count, the first ones; None for all.
    """

    source: duckdb.DuckDBPyRelation
    drawn: str
    columns: Sequence[SumColumn]
    starts: Sequence[int] = (0,)
    unit: str | None = None
    most: int | None = None

    def first(self, most: int) -> "Sessions":
        """Return the first sessions that have a variant alone."""
        return replace(self, most=most)

    def values(self, *more: str) -> duckdb.DuckDBPyRelation:
        """Return variant, epoch, further expressions and, as x0, x1, ..., the finite values of the outcomes."""
        epoch = " + ".join(f"({_ROW} >= {start})::INTEGER" for start in self.starts[1:]) or "0"
        finite = (f"{column.finite} AS x{at}" for at, column in enumerate(self.columns))
        return self._rows.project(", ".join([f"{self.drawn} AS variant", f"{epoch} AS epoch", *more, *finite]))

    @property
    def _rows(self) -> duckdb.DuckDBPyRelation:
        rows = self.source
        # Numbered before any is left out, since epochs begin at rows of the data.
        if len(self.starts) > 1 or self.unit is not None:
            rows = rows.project(f"*, row_number() OVER () - 1 AS {_ROW}")
        return rows if self.most is None else rows.filter(f"({self.drawn}) IS NOT NULL").limit(self.most)


class Added(NamedTuple):
    """What the values of an outcome come to in one variant and epoch.

    Attributes:
        n: Number of values.
        total: Sum of their distances from the centre.
        squares: Sum of the squares of these.
        cubes: Sum of their third powers.
        lowest: The lowest value, None where nobody asked.
        highest: The highest one.
        whole: Whether all are whole.
    """

    n: int
    total: float
    squares: float
    cubes: float
    lowest: float | None
    highest: float | None
    whole: bool


class Cell(NamedTuple):
    """What the database says of one variant in one epoch: its sessions, and each outcome."""

    sessions: int
    outcomes: list[Added]


class Cells(NamedTuple):
    """What the database says of all of them.

    Attributes:
        of: By variant, as the database names it, and epoch.
        centres: What the values of each outcome are measured from, by variant; those of `SumColumn.centre` are left out.
        unassigned: Sessions without a variant.
    """

    of: dict[tuple[Any, int], Cell]
    centres: list[dict[Any, float]]
    unassigned: int

    @property
    def sessions(self) -> int:
        """Sessions that have a variant."""
        return sum(cell.sessions for cell in self.of.values())

    @property
    def variants(self) -> list[Any]:
        """The variants, as the database names them."""
        return list(dict.fromkeys(variant for variant, _ in self.of))

    def outcome(self, at: int, variant: Any = None) -> list[Added]:
        """Return an outcome in each cell, or in those of one variant, that has values."""
        mine = [cell.outcomes[at] for (own, _), cell in self.of.items() if variant is None or own == variant]
        return [added for added in mine if added.n]


def added_up(sessions: Sessions) -> Cells:
    """Return what the sessions come to by variant and epoch.

    Raises:
        InputError: the database can't add them up.
    """
    parts = ["count(*)"]
    for at, column in enumerate(sessions.columns):
        parts += _aggregates(f"x{at}", column)
    values = sessions.values()
    cells: dict[tuple[Any, int], Cell] = {}
    unassigned, width = 0, len(Added._fields)
    for variant, epoch, n, *numbers in _aggregated(values, parts):
        if variant is None:
            unassigned += n
        else:
            added = [Added(*numbers[at : at + width]) for at in range(0, len(numbers), width)]
            cells[variant, epoch] = Cell(n, added)
    found = Cells(cells, [{} for _ in sessions.columns], unassigned)
    for at, column in enumerate(sessions.columns):
        if column.type_ != "BOOLEAN" and any(_needs_a_look(found, at, column, name) for name in found.variants):
            look_again(values, at, column, found)
    return found


def _aggregated(values: duckdb.DuckDBPyRelation, parts: Sequence[str]) -> list[tuple[Any, ...]]:
    try:
        found: list[tuple[Any, ...]] = values.aggregate(
            f"variant, epoch, {', '.join(parts)}", "variant, epoch"
        ).fetchall()
    except duckdb.Error as error:
        raise InputError(f"The outcomes can't be added up ({str(error).splitlines()[0]}).") from None
    return found


def _aggregates(x: str, column: SumColumn) -> tuple[str, ...]:
    """Return the expressions of the fields of `Added`: what a column's first values show is not asked of millions."""
    if column.type_ == "BOOLEAN":
        # What is 0 or 1 is its own square.
        return f"count({x})", *[f"coalesce(sum({x}), 0)"] * 3, "0", "1", "true"
    if column.has_fractions:
        extremes = "NULL", "NULL", "false"
    else:
        whole = f"bool_and({x} = floor({x}))" if column.type_ in {*FLOATS, "DECIMAL"} else "true"
        extremes = f"min({x})", f"max({x})", whole
    return f"count({x})", *_powers(column.distance(x)), *extremes


def _powers(away: str) -> tuple[str, str, str]:
    sums = (f"coalesce(sum({' * '.join([away] * power)}), 0)" for power in (1, 2, 3))
    return tuple(sums)  # type: ignore[return-value]  # three


def _needs_a_look(cells: Cells, at: int, column: SumColumn, variant: Any) -> bool:
    """Return whether an arm has to be measured from a centre of its own, or may be of a size that has no square.

    Rare, so that millions of other values aren't asked for their extremes.
    """
    added = cells.outcome(at, variant)
    n = sum(own.n for own in added)
    total, squares = (math.fsum(part) if all(map(math.isfinite, part)) else math.nan for part in _sums_of(added))
    if not n:
        return False
    if not math.isfinite(total) or not math.isfinite(squares):
        return True
    away = total / n
    sd = math.sqrt(max(squares / n - away * away, 0.0))
    mean = away + column.centre
    fits = sd > _FAR * abs(away) and sd > _HARDLY * abs(mean)
    return not fits or not SMALLEST < math.hypot(mean, sd) < LARGEST / math.sqrt(n)


def _sums_of(added: Sequence[Added]) -> tuple[list[float], list[float]]:
    return [own.total for own in added], [own.squares for own in added]


def look_again(values: duckdb.DuckDBPyRelation, at: int, column: SumColumn, cells: Cells) -> None:
    """Add up an outcome once more, each arm around its own mean, and ask for its extremes; changes the cells."""
    ends: dict[Any, tuple[float, float]] = {}
    for name, epoch, lowest, highest in _aggregated(values, [f"min(x{at})", f"max(x{at})"]):
        if name is not None and lowest is not None:
            own = cells.of[name, epoch].outcomes
            own[at] = own[at]._replace(lowest=lowest, highest=highest)
            least, most = ends.get(name, (lowest, highest))
            ends[name] = min(least, lowest), max(most, highest)
    for name, (lowest, highest) in ends.items():
        added = cells.outcome(at, name)
        mean = column.centre + sum(own.total for own in added) / sum(own.n for own in added)
        # Within them, since a mean of values that never vary isn't exactly that value; and of huge ones it isn't finite.
        cells.centres[at][name] = min(max(mean, lowest), highest) if math.isfinite(mean) else lowest
    if not ends:
        return
    for name, epoch, total, squares, cubes in _aggregated(
        values, _powers(f"(x{at} - {by_variant(cells.centres[at], float)})")
    ):
        if name is not None:
            own = cells.of[name, epoch].outcomes
            own[at] = own[at]._replace(total=total, squares=squares, cubes=cubes)


def by_variant(values: Mapping[Any, float], type_: type) -> str:
    """Return the SQL expression of a number by variant."""
    written = number_sql if type_ is float else str
    cases = " ".join(f"WHEN {_literal(name)} THEN {written(value)}" for name, value in values.items())
    return f"CASE variant {cases} END"


def _literal(name: Any) -> str:
    return "'" + name.replace("'", "''") + "'" if isinstance(name, str) else str(name)


def sessions_at_times(sessions: Sessions, arm_of: Mapping[Any, int], k: int, by: str) -> Floats:
    """Return how many sessions, or units that come first, each arm has at each time, shape (times, k).

    Args:
        sessions: The sessions, sorted by the time.
        arm_of: Arm of each variant, as the database names it.
        k: Number of arms.
        by: Expression of the time.
    """
    moment = f"dense_rank() OVER (ORDER BY {by}) - 1 AS moment"
    if sessions.unit is not None:
        values = sessions.values(moment, f"{sessions.unit} AS unit", _ROW).filter("variant IS NOT NULL")
        first = f"min({_ROW} * {k} + {by_variant(arm_of, int)}) % {k} AS arm, min(moment) AS moment"
        own = f"unit, CASE WHEN unit IS NULL THEN {_ROW} END"
        rows = values.aggregate(first, own)
    else:
        rows = (
            sessions.values(moment).filter("variant IS NOT NULL").project(f"{by_variant(arm_of, int)} AS arm, moment")
        )
    table = rows.aggregate("moment, arm, count(*) AS n", "moment, arm").fetchnumpy()
    moments, arms = (table[name].astype(np.int64) for name in ("moment", "arm"))
    counts = np.zeros((int(moments.max(initial=-1)) + 1, k))
    counts[moments, arms] = table["n"]
    return counts


def in_blocks(sessions: Sessions, length: int) -> Floats:
    """Return number, sum and sum of squares of the first outcome in blocks of consecutive sessions, shape (3, blocks).

    Args:
        sessions: The sessions; those without a variant are left out.
        length: Sessions of a block.
    """
    column = sessions.columns[0]
    rows = sessions.source.filter(f"({sessions.drawn}) IS NOT NULL")
    rows = rows if sessions.most is None else rows.limit(sessions.most)
    blocks = rows.project(
        f"(row_number() OVER () - 1) // {length} AS block, {column.distance(f'({column.finite})')} AS away"
    )
    sums = blocks.aggregate("count(away), coalesce(sum(away), 0), coalesce(sum(away * away), 0)", "block").fetchall()
    return np.array(sums, dtype=np.float64).reshape(-1, 3).T


class ByUnit(NamedTuple):
    """What the sessions of each unit come to, in each epoch in which it has some.

    Attributes:
        arm: Arm that the unit was first assigned, shape (U,).
        epoch: The epoch.
        first: Whether the unit was first seen in it.
        sessions: The unit's sessions there.
        n: Of each outcome, the number of the unit's values there, shape (outcomes, U).
        total: Sum of their distances from `SumColumn.centre`, the same shape.
    """

    arm: Ints
    epoch: Ints
    first: npt.NDArray[np.bool_]
    sessions: Ints
    n: Floats
    total: Floats


class UnitsSeen(NamedTuple):
    """How many units and sessions there are.

    Attributes:
        unknown: Sessions without a unit.
        units: Units, those of one session each that have no id among them.
        changed: Units that got another variant later.
        elsewhere: Sessions of theirs that did.
    """

    unknown: int
    units: int
    changed: int
    elsewhere: int


def added_up_by_unit(sessions: Sessions, arm_of: Mapping[Any, int]) -> tuple[ByUnit, UnitsSeen]:
    """Return what the sessions come to by unit.

    Args:
        sessions: The sessions, with units.
        arm_of: Arm of each variant, as the database names it.
    """
    values = sessions.values(f"{sessions.unit} AS unit", _ROW).filter("variant IS NOT NULL")
    arm = by_variant(arm_of, int)
    table = _of_units(sessions, values, arm, len(arm_of)).fetchnumpy()
    known = table["known"].astype(np.bool_)
    if unknown := int(table["sessions"][~known].sum()):
        # Sessions without a unit came as one: each is its own.
        alone = _of_unknown(sessions, values.filter("unit IS NULL"), arm).fetchnumpy()
        table = {name: np.concatenate([table[name][known], alone[name]]) for name in alone}
    n, total = (
        np.array([table[f"{part}{at}"] for at in range(len(sessions.columns))], dtype=np.float64) for part in "ns"
    )
    first = table["first"].astype(np.bool_)
    arms, epochs, counts = (table[name].astype(np.int64) for name in ("arm", "epoch", "sessions"))
    changed = int((table["changed"].astype(np.bool_) & first).sum())
    elsewhere = _sessions_elsewhere(values.filter("unit IS NOT NULL")) if changed else 0
    seen = UnitsSeen(unknown, int(first.sum()), changed, elsewhere)
    return ByUnit(arms, epochs, first, counts, n, total), seen


def _of_units(sessions: Sessions, values: duckdb.DuckDBPyRelation, arm: str, n_arms: int) -> duckdb.DuckDBPyRelation:
    """Return a row for each unit and epoch."""
    # Row and arm in one number: its least says which arm a unit was first assigned, at a fraction of what arg_min costs.
    parts = [f"min({_ROW} * {n_arms} + {arm}) AS began, min({arm}) AS low, max({arm}) AS high, count(*) AS sessions"]
    parts += [
        f"count(x{at}) AS n{at}, coalesce(sum({column.distance(f'x{at}')}), 0) AS s{at}"
        for at, column in enumerate(sessions.columns)
    ]
    over, first = "", "true"
    if len(sessions.starts) == 1:
        rows = values.aggregate(f"unit, 0 AS epoch, {', '.join(parts)}", "unit")
    else:
        rows = values.aggregate(f"unit, epoch, {', '.join(parts)}", "unit, epoch")
        over, first = " OVER (PARTITION BY unit)", "epoch = min(epoch) OVER (PARTITION BY unit)"
        began, low, high = (f"{f}({name}){over}" for f, name in (("min", "began"), ("min", "low"), ("max", "high")))
        rows = rows.project(f"* REPLACE ({began} AS began, {low} AS low, {high} AS high), {first} AS first")
        first = "first"
    own = f"(began % {n_arms})::BIGINT AS arm, epoch, {first} AS first, sessions, low <> high AS changed, "
    own += "unit IS NOT NULL AS known"
    return rows.project(", ".join([own, *_asked(sessions)]))


def _of_unknown(sessions: Sessions, unknown: duckdb.DuckDBPyRelation, arm: str) -> duckdb.DuckDBPyRelation:
    """Return a row for each session without a unit, as for a unit that never came again."""
    parts = [
        f"(x{at} IS NOT NULL)::BIGINT AS n{at}, coalesce({column.distance(f'x{at}')}, 0) AS s{at}"
        for at, column in enumerate(sessions.columns)
    ]
    own = f"({arm})::BIGINT AS arm, epoch, true AS first, 1::BIGINT AS sessions, false AS changed"
    return unknown.project(", ".join([own, *parts])).project(
        ", ".join(["arm, epoch, first, sessions, changed", *_asked(sessions)])
    )


def _asked(sessions: Sessions) -> list[str]:
    return [f"n{at}, s{at}" for at in range(len(sessions.columns))]


def _sessions_elsewhere(known: duckdb.DuckDBPyRelation) -> int:
    """Return how many sessions got another variant than the first of their unit."""
    by_variants = known.aggregate(f"unit, variant, min({_ROW}) AS began, count(*) AS n", "unit, variant")
    later = by_variants.project("n, began > min(began) OVER (PARTITION BY unit) AS later").filter("later")
    return int(later.aggregate("sum(n)").fetchall()[0][0])
