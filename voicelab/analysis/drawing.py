"""How a frame's variants were drawn: under weights that stay, by epochs of weights, or with probabilities of each session."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.base.errors import InputError, did_you_mean
from voicelab.decision.rules import is_off

Floats = npt.NDArray[np.float64]
Weights = Mapping[Any, Any] | Sequence[tuple[int, Mapping[Any, Any]]]
"""Weights by variant; or epochs, (first row, weights by variant); or the column of its probabilities by variant."""

_LEAST = 20
"""Sessions that an epoch has at least, unless it is the last, which may just have begun."""
_ROUNDING = 1e-6
_EXAMPLE = "weights=[(0, {'a': 0.5, 'b': 0.5}), (1200, {'a': 0.1, 'b': 0.9})]"


@dataclass(frozen=True)
class Drawing:
    """How variants were drawn.

    Attributes:
        weights: Weights of the variants, those of the first epoch; None where none were given, or columns were.
        epochs: Where other weights begin: first row of the frame, and the weights.
        columns: The column of probabilities by variant; of two variants one is enough.
    """

    weights: Mapping[Any, Any] | None
    epochs: list[tuple[int, Mapping[Any, Any]]] = field(default_factory=list)
    columns: dict[Any, str] = field(default_factory=dict)

    def any_weights(self, found: Sequence[str]) -> Mapping[Any, Any] | None:
        """Return a weight of each variant, above 0 if it was ever switched on; None where nothing is known.

        Raises:
            InputError: a variant that was found has no column of probabilities.
        """
        if self.columns:
            unnamed = [name for name in found if name not in set(map(str, self.columns))]
            if len(unnamed) > 1 or (unnamed and len(self.columns) > 1):
                raise InputError(
                    f"weights names no column of probabilities for the variant {unnamed[0]!r}: name one for each variant; of "
                    "two variants one column alone will do."
                )
            return dict.fromkeys([*map(str, self.columns), *unnamed], 1.0)
        if self.weights is None or not self.epochs:
            return self.weights
        later = [weights for _, weights in self.epochs]
        return {
            variant: next((own[variant] for own in (self.weights, *later) if not is_off(own.get(variant, 0))), 0)
            for variant in self.weights
        }

    def first_weights(self, compared: Mapping[str, Any]) -> dict[str, Any]:
        """Return the weights that the variants that are compared have at first."""
        if not self.epochs or self.weights is None:
            return dict(compared)
        first = {str(variant): weight for variant, weight in self.weights.items()}
        return {name: first[name] for name in compared}


def read_drawing(given: Weights | None) -> Drawing:
    """Return how variants were drawn, as an argument says it.

    Raises:
        InputError: it is none of the three forms, or its epochs are out of order.
    """
    if given is None:
        return Drawing(None)
    if isinstance(given, Mapping):
        columns = {variant: column for variant, column in given.items() if isinstance(column, str)}
        if columns and len(columns) < len(given):
            raise InputError(
                "weights names columns of probabilities for some variants and numbers for others: name a column for each; "
                "of two variants one column alone will do, weights={'a': 'p_a'}."
            )
        return Drawing(None, columns=columns) if columns else Drawing(given)
    if not isinstance(given, list | tuple) or not given or not all(map(_is_epoch, given)):
        raise InputError(
            f"weights is {given!r}, must be weights by variant, epochs such as {_EXAMPLE}, or columns of probabilities by "
            "variant."
        )
    return _of_epochs([(int(row), weights) for row, weights in given])


def _is_epoch(item: Any) -> bool:
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[1], Mapping):  # noqa: PLR2004 - a pair
        return False
    return bool(isinstance(item[0], int | np.integer) and not isinstance(item[0], bool) and item[0] >= 0)


def _of_epochs(epochs: list[tuple[int, Mapping[Any, Any]]]) -> Drawing:
    if epochs[0][0] != 0:
        raise InputError(f"The first epoch of weights begins at row {epochs[0][0]:,}, must begin at row 0.")
    names = set(map(str, epochs[0][1]))
    for (first, _), (then, weights) in itertools.pairwise(epochs):
        if then <= first:
            raise InputError(
                f"The epochs of weights overlap or are out of order: row {then:,} comes after row {first:,}. Give the first "
                "row of each, in order."
            )
        if set(map(str, weights)) != names:
            own, first_own = (", ".join(map(str, named)) for named in (weights, epochs[0][1]))
            raise InputError(
                f"The epoch from row {then:,} names {own}, the first {first_own}: name the same variants, those that got no "
                "sessions with weight 0."
            )
    return Drawing(epochs[0][1], epochs=epochs[1:])


def checked_epochs(drawing: Drawing, rows: int, compared: Sequence[str]) -> list[tuple[int, dict[str, Any]]]:
    """Return the epochs after the first, for a frame of so many rows: first row, and weights of the variants compared.

    Raises:
        InputError: one begins beyond the last row, or is too short to compare anything within it.
    """
    starts = [0, *(first for first, _ in drawing.epochs)]
    for first, then in itertools.pairwise(starts):
        if then >= rows:
            raise InputError(f"An epoch of weights begins at row {then:,}, and there are {rows:,} rows.")
        if then - first < _LEAST:
            raise InputError(
                f"The epoch of weights from row {first:,} has {then - first} sessions, and sessions are compared within their "
                f"epoch: at least {_LEAST} are needed. Leave so few of them out, or join them to the epoch of the same weights."
            )
    epochs = [(row, {str(variant): weight for variant, weight in own.items()}) for row, own in drawing.epochs]
    return [(row, {name: own[name] for name in compared}) for row, own in epochs]


def probabilities_in(frame: pd.DataFrame, columns: Mapping[Any, str], variants: Sequence[str]) -> Floats:
    """Return the probability of each variant in each session, shape (T, k), in the order of the variants.

    Raises:
        InputError: a column is missing or holds something else than probabilities, or they don't add up to 1.
    """
    own: dict[str, Floats] = {}
    for variant, column in columns.items():
        if column not in frame.columns:
            near = did_you_mean(column, map(str, frame.columns))
            raise InputError(f"The frame has no column {column!r}, which weights names for {variant!r}.{near}")
        p = pd.to_numeric(frame[column], errors="coerce").to_numpy(dtype=np.float64)
        if (bad := ~((p >= 0) & (p <= 1))).any():
            raise InputError(
                f"The column {column!r} of probabilities holds {str(frame[column][bad].iloc[0])!r} in {int(bad.sum()):,} "
                "sessions: each must be a number from 0 to 1."
            )
        own[str(variant)] = p
    if missing := [name for name in variants if name not in own]:
        own[missing[0]] = 1 - next(iter(own.values()))
    table = np.stack([own[name] for name in variants], axis=1)
    total = table.sum(axis=1)
    if (off := np.abs(total - 1) > _ROUNDING).any():
        raise InputError(
            f"The probabilities don't add up to 1 in {int(off.sum()):,} sessions, e.g. {float(total[off][0]):g} in row "
            f"{int(np.flatnonzero(off)[0]):,}: name a column for every variant that could be drawn."
        )
    return table


def check_drawn(arms: npt.NDArray[np.integer], table: Floats, variants: Sequence[str]) -> None:
    """Check that every session could get the variant that it got.

    Raises:
        InputError: some session got a variant whose probability was 0.
    """
    never = np.flatnonzero(table[np.arange(len(arms)), arms] <= 0)
    if len(never):
        raise InputError(
            f"{len(never):,} sessions got a variant whose probability was 0, e.g. {variants[int(arms[never[0]])]!r} in row "
            f"{int(never[0]):,}: give the probabilities that they were drawn with."
        )
