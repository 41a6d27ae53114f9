"""The moments of each outcome, epoch by epoch and arm by arm, of what DuckDB added up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.analysis.added_up import ByUnit, Cells
from voicelab.analysis.order_of_sums import Order
from voicelab.analysis.summed_columns import SumColumn
from voicelab.decision.drift import Drift
from voicelab.decision.rules import Kind
from voicelab.decision.stats.moments import OF_UNITS, PLAIN, WITH_CUBES

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class OutcomeSums:
    """What the values of an outcome come to.

    Attributes:
        kind: Kind of the outcome.
        parts: Moments of each arm in each epoch (see `voicelab.decision.stats.moments`), shape (epochs, rows, k).
        centres: What the values of each arm are measured from; 0 for rates. Shape (k,).
    """

    kind: Kind
    parts: Floats
    centres: Floats


class Found(NamedTuple):
    """What the database says, and how it is to be read.

    Attributes:
        columns: The outcomes, that which is judged by first.
        kinds: Their kinds.
        cells: Variant by variant and epoch by epoch, of the sessions that count.
        units: Unit by unit, None without units.
        arm_of: Arm of each variant, as the database names it.
        shares: Weights of the variants in each epoch.
        off: Variants that are switched off.
        excluded: Sessions that are not counted, by reason.
        ends: Lowest and highest value of the target.
        drift: Whether the level of the target drifts; None for a rate.
        order: What is known of the order of the rows.
        switched: Whether units had several variants.
        asked: By outcome, the target first, where its column stands; of a ratio those above and below the line.
        ratios: What the sessions come to by each ratio: see `voicelab.analysis.summed_ratios`.
    """

    columns: Sequence[SumColumn]
    kinds: list[Kind]
    cells: Cells
    units: ByUnit | None
    arm_of: dict[Any, int]
    shares: list[dict[str, Any]]
    off: list[str]
    excluded: dict[str, int]
    ends: tuple[float, float]
    drift: Drift | None
    order: Order
    switched: bool
    asked: dict[str, tuple[int, ...]]
    ratios: dict[str, dict[tuple[Any, int], tuple[float, ...]]]


def session_counts(found: Found) -> Floats:
    """Return the sessions of each arm in each epoch."""
    if found.units is not None:
        return by_cell(found, found.units.sessions)
    counts = np.zeros((len(found.shares), len(found.shares[0])))
    for (name, epoch), cell in found.cells.of.items():
        counts[epoch, found.arm_of[name]] += cell.sessions
    return counts


def by_cell(found: Found, values: npt.NDArray[Any], mine: npt.NDArray[np.bool_] | None = None) -> Floats:
    """Return sums of units' values by epoch and arm, shape (epochs, k)."""
    units, k = found.units, len(found.shares[0])
    assert units is not None  # noqa: S101 - asked of units alone
    cells = units.epoch * k + units.arm
    if mine is not None and not mine.all():
        cells, values = cells[mine], values[mine]
    return np.bincount(cells, values, len(found.shares) * k).astype(np.float64).reshape(len(found.shares), k)


def _centres(found: Found, at: int) -> Floats:
    """Return what the values of each arm are measured from."""
    centres = np.full(len(found.shares[0]), 0.0 if found.kinds[at] == "binary" else found.columns[at].centre)
    if found.kinds[at] != "binary":
        for name, own in found.cells.centres[at].items():
            centres[found.arm_of[name]] = own
    return centres


def plain_sums(found: Found, at: int) -> OutcomeSums:
    """Return the sums of one outcome where each session stands for itself."""
    kind, column = found.kinds[at], found.columns[at]
    rows = PLAIN if kind == "binary" else WITH_CUBES
    parts = np.zeros((len(found.shares), rows, len(found.shares[0])))
    for (name, epoch), cell in found.cells.of.items():
        added = cell.outcomes[at]
        if kind == "binary":
            # What is 0 or 1 is its own square, and was measured from one of the two.
            hits = round(added.total + added.n * found.cells.centres[at].get(name, column.centre))
            sums: tuple[float, ...] = (added.n, hits, hits)
        else:
            # Beyond what a float can hold the sum of third powers is none: too large, whatever its sign.
            sums = (added.n, added.total, added.squares, added.cubes if np.isfinite(added.cubes) else np.inf)
        parts[epoch, :, found.arm_of[name]] += sums
    return OutcomeSums(kind, parts, _centres(found, at))


def sums_of_units(found: Found, at: int, units: ByUnit) -> OutcomeSums:
    """Return the sums of one outcome where the sessions of a unit go together."""
    centres = _centres(found, at)
    n = units.n[at]
    total = units.total[at] - n * (centres[units.arm] - found.columns[at].centre)
    counted = units.first & (n > 0)
    return OutcomeSums(found.kinds[at], parts_of_units(found, n, total, counted), centres)


def parts_of_units(found: Found, n: Floats, total: Floats, counted: npt.NDArray[np.bool_]) -> Floats:
    """Return the rows of moments by epoch and arm, shape (epochs, rows, k), from the number and sum of each unit."""
    with np.errstate(over="ignore"):
        squares, sizes = total * total, n * n
        rows = (
            n,
            total,
            squares,
            squares * total,
            n * total,
            sizes,
            np.ones_like(n),
            n * squares,
            sizes * total,
            sizes * n,
        )
    parts = np.stack([by_cell(found, row, counted) for row in rows], axis=1)
    assert parts.shape[1] == OF_UNITS  # noqa: S101 - as moments are read
    parts[:, 3] = np.where(np.isfinite(parts[:, 3]), parts[:, 3], np.inf)
    return parts
