"""Ratios and quantiles of outcomes that were read by their names: what a log and a frame have in common."""

from collections.abc import Callable, Container, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.analysis.sessions import Values, all_written
from voicelab.decision.asked_outcome import AskedOutcome, parse_outcome
from voicelab.decision.intake import check_denominators
from voicelab.decision.rules import Kind, asked_kind

Read = tuple[npt.NDArray[Any], Kind]
"""Values and kind of an outcome."""


def parts_of(names: Iterable[str], known: Container[str] = ()) -> list[str]:
    """Return the outcomes that some are made of, each once: of ratios and quantiles what stands in them.

    Args:
        names: Outcomes as they were asked for.
        known: Names that there are: such a one is a name, whatever it looks like.
    """
    return list(dict.fromkeys(part for name in names for part in parse_outcome(name, known).names))


def combined(asked: AskedOutcome, parts: Sequence[Values], warnings: list[str]) -> Values:
    """Return the values of what was asked for, from those of its parts.

    Args:
        asked: What was asked for.
        parts: The outcomes in it, in order.
        warnings: Gets what needs care.

    Raises:
        InputError: a quantile of yes and no, or a ratio with a denominator below 0.
    """
    if asked.form == "ratio":
        return _ratio(asked, parts, warnings)
    return _quantile(asked, parts[0]) if asked.form == "quantile" else parts[0]


def _ratio(asked: AskedOutcome, parts: Sequence[Values], warnings: list[str]) -> Values:
    values = np.stack([part.values.astype(np.float64) for part in parts], axis=1)
    written = np.stack([np.asarray(part.written) for part in parts], axis=1)
    if all(part.kind is None for part in parts):
        return Values(values, written, None)
    below = values[written[:, 1], 1]
    check_denominators(repr(asked.text), below)
    nothing, above = (values[:, 1] == 0) & written[:, 1], (values[:, 0] != 0) & written[:, 0]
    if nothing.any() and not nothing.all():
        adds = (
            f"; {int((nothing & above).sum()):,} of them add to what is above the line"
            if (nothing & above).any()
            else ""
        )
        warnings.append(
            f"{asked.text!r}: in {int(nothing.sum()):,} sessions {asked.divided_by} is 0. They count among the sessions{adds}; "
            "the ratio is that of sums, not of what each session has."
        )
    return Values(values, written, "ratio")


def _quantile(asked: AskedOutcome, part: Values) -> Values:
    if part.kind is None:
        return part
    return Values(part.values, part.written, asked_kind(asked, part.kind))


def read_asked(name: str, known: Container[str], read: Callable[[str], Read], warnings: list[str]) -> Read:
    """Return values and kind of what was asked for of a frame, of which a missing value is unknown.

    Args:
        name: What was asked for.
        known: The columns.
        read: Returns values and kind of one outcome by its name.
        warnings: Gets what needs care.
    """
    asked = parse_outcome(name, known)
    if asked.form == "plain":
        return read(name)
    parts = [all_written(*read(part)) for part in asked.names]
    values, _, kind = combined(asked, parts, warnings)
    assert kind is not None  # noqa: S101 - columns have kinds
    return values, kind


def n_sessions(are: npt.NDArray[np.bool_]) -> int:
    """Return how many sessions are so, of a ratio those of which one of its parts is."""
    return int((are if are.ndim == 1 else are.any(axis=1)).sum())
