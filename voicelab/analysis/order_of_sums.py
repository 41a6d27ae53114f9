"""What is known of the order of the rows whose sums decide: nothing, that of a time, or that of a time that repeats."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voicelab.analysis.added_up import Cells, Sessions
from voicelab.analysis.row_order import (
    about_groups,
    are_grouped,
    are_made_by_ties,
    check_sums_will_do,
    groups_of,
    hidden_changes,
    in_looks,
)
from voicelab.decision.rules import StopRule

Floats = npt.NDArray[np.float64]


class Order(NamedTuple):
    """What is known of the order of the rows.

    Attributes:
        advice: What would give them an order (`order=...`); None where theirs is known.
        groups: In how many groups of one variant each they stand, so that their order says nothing; None where it is that
            of time.
        looks: Sessions, or units, of each arm at each time, where rows that were sorted by time stand in groups; shape
            (looks, k).
    """

    advice: str | None = None
    groups: int | None = None
    looks: Floats | None = None


def order_of(
    sessions: Sessions,
    cells: Cells,
    rule: StopRule,
    warnings: list[str],
    advice: str | None,
    at_times: Callable[[Sessions], Floats] | None,
) -> Order:
    """Return what is known of the order of the rows, with a warning where they stand in groups of one variant each.

    Args:
        sessions: The sessions.
        cells: What they come to.
        rule: The stop rule.
        warnings: Gets what needs care.
        advice: See `from_frame`.
        at_times: Counts the sessions, or units, of each arm at each time; None of rows that nobody sorted.

    Raises:
        InputError: the rule asks which sessions came first.
    """
    counts = [sum(cell.sessions for (own, _), cell in cells.of.items() if own == name) for name in cells.variants]
    groups = groups_of(sessions.source, sessions.drawn, cells.sessions)
    if not are_grouped(groups, np.array(counts)):
        return Order(advice)
    looks = None
    if at_times is not None:
        looks = in_looks(at_times(sessions))
        hidden = hidden_changes(at_times(replace(sessions, unit=None)))
        # The sums alone would not see that one variant came first and then the other: the order, which is known, does.
        if advice is None or not are_made_by_ties(groups, hidden, np.array(counts)):
            return Order(looks=looks)
    assert advice is not None  # noqa: S101 - of rows that nobody sorted it is known
    check_sums_will_do(rule, cells.sessions, groups)
    warnings.append(about_groups(groups, cells.sessions, advice))
    return Order(advice, groups, looks)
