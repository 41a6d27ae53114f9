"""Ratios of two columns, added up by DuckDB: sums of the products of both say all that a comparison of ratios asks."""

from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np

from voicelab.analysis.added_up import Sessions
from voicelab.analysis.summed_columns import Relation, SumColumn
from voicelab.analysis.summed_moments import OutcomeSums
from voicelab.base.errors import InputError
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.stats.ratios import OF_RATIO

_PRODUCTS = ("x", "x * x", "x * x * x", "y", "y * y", "y * y * y", "x * y", "x * x * y", "x * y * y")
"""Of what lies above and below the line, in the order of the rows of `RatioMoments`."""


class AskedColumns(NamedTuple):
    """The columns that are added up, and what they are asked for.

    Attributes:
        columns: The columns, the target's first.
        at: By outcome, where its column stands; of a ratio those above and below the line.
    """

    columns: list[SumColumn]
    at: dict[str, tuple[int, ...]]

    @classmethod
    def of(
        cls, relation: Relation, outcomes: Sequence[str], guardrails: Sequence[str], known: Container[str]
    ) -> "AskedColumns":
        """Return the columns of outcomes; of the others a text is asked for by its levels.

        Raises:
            InputError: one of them is a quantile, which no sums tell.
        """
        made = cls([], {})
        for name in [*outcomes, *guardrails]:
            asked = parse_outcome(name, known)
            if asked.form == "quantile":
                raise InputError(
                    f"{asked.text!r} is a quantile, which no sums tell: leave out path=False, so that the values are read."
                )
            if asked.form == "ratio":
                made._add(asked.text, [relation.one(part) for part in asked.names])
            elif name in outcomes[1:]:
                for column in relation.all_of(name):
                    made._add(column.name, [column])
            else:
                made._add(name, [relation.one(name)])
        return made

    def _add(self, name: str, columns: list[SumColumn]) -> None:
        self.at[name] = tuple(range(len(self.columns), len(self.columns) + len(columns)))
        self.columns.extend(columns)

    @property
    def ratios(self) -> dict[str, tuple[int, int]]:
        """Those that are ratios."""
        return {name: (at[0], at[1]) for name, at in self.at.items() if len(at) > 1}


Cells = dict[tuple[Any, int], tuple[float, ...]]
"""Rows of the moments of a ratio, by variant as the database names it, and epoch."""


def ratios_added_up(sessions: Sessions, ratios: Mapping[str, tuple[int, int]], warnings: list[str]) -> dict[str, Cells]:
    """Return what the sessions come to by each ratio, of those that have both of its parts.

    Raises:
        InputError: the database can't add them up, or something below the line is below 0.
    """
    return {name: _added_up(sessions, name, *at, warnings) for name, at in ratios.items()}


def _added_up(sessions: Sessions, name: str, above: int, below: int, warnings: list[str]) -> Cells:
    x, y = (sessions.columns[at].distance(f"x{at}") for at in (above, below))
    both = f"x{above} IS NOT NULL AND x{below} IS NOT NULL AND variant IS NOT NULL"
    rows = (
        sessions.values().filter(both).project(f"variant, epoch, {x}::DOUBLE AS x, {y}::DOUBLE AS y, x{below} AS raw")
    )
    sums = ", ".join(f"sum({product})" for product in _PRODUCTS)
    try:
        found = rows.aggregate(
            f"variant, epoch, count(*), {sums}, sum((raw = 0)::INTEGER), min(raw)", "variant, epoch"
        ).fetchall()
    except duckdb.Error as error:
        raise InputError(f"The ratio {name!r} can't be added up ({str(error).splitlines()[0]}).") from None
    least = min((row[-1] for row in found), default=0)
    if least < 0:
        raise InputError(
            f"The denominator of {name!r} is below 0, e.g. {float(least):g}: a ratio is of sums, and what it is counted by must "
            "be 0 or more (words, seconds, turns)."
        )
    empty, n = (sum(int(row[at]) for row in found) for at in (-2, 2))
    if 0 < empty < n:
        warnings.append(f"{name!r}: in {empty:,} sessions what is below the line is 0. They count among the sessions.")
    return {(variant, epoch): tuple(map(float, numbers[:OF_RATIO])) for variant, epoch, *numbers in found}


def ratio_sums(
    cells: Cells, columns: Sequence[SumColumn], at: tuple[int, int], arm_of: Mapping[Any, int], shape: tuple[int, int]
) -> OutcomeSums:
    """Return the sums of a ratio by epoch and arm.

    Args:
        cells: What the database says.
        columns: The columns.
        at: Where those above and below the line stand.
        arm_of: Arm of each variant, as the database names it.
        shape: Epochs and arms.
    """
    epochs, k = shape
    parts = np.zeros((epochs, OF_RATIO, k))
    for (variant, epoch), numbers in cells.items():
        parts[epoch, :, arm_of[variant]] += numbers
    return OutcomeSums("ratio", parts, np.tile([columns[own].centre for own in at], (k, 1)))
