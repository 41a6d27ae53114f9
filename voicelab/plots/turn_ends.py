"""A picture of where turns end: cut-offs against the time that callers wait, one point a setting."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from voicelab.base.errors import InputError
from voicelab.decision.stats import fixed
from voicelab.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_NEEDED = ("n_parts", "end_of_turn_s")


def endpointing(utterances: "Mapping[str, pd.DataFrame]", ax: "Axes | None" = None) -> "Axes":
    """Draw how many utterances were cut off, with 95 % intervals, against how long callers waited; lower left is better.

    Args:
        utterances: By setting, `log.utterances()` of a simulation with `audio=vl.PhoneLine(endpointing=...)`.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes.

    Raises:
        InputError: there is nothing to draw, or it is no such frame.
    """
    if not isinstance(utterances, Mapping) or not utterances:
        raise InputError("utterances must be {setting: log.utterances()}, e.g. {'0.5 s': log.utterances()}.")
    points = [_point(name, frame) for name, frame in utterances.items()]
    ax = style.new_axes(ax)
    ax.plot(*zip(*sorted((point.waited_s, point.cut) for point in points), strict=True), color=style.INK, linewidth=1)
    for number, point in enumerate(points):
        colour, at = style.CYCLE[number % len(style.CYCLE)], (point.waited_s, point.cut)
        low, high = point.interval
        # Below the rate by rounding alone, where nothing was cut off or everything.
        error = [[max(0.0, point.cut - low)], [max(0.0, high - point.cut)]]
        ax.errorbar(*at, yerr=error, fmt="o", color=colour, markersize=8, capsize=3)
        ax.annotate(style.short(point.name, 32), at, (9, 7), textcoords="offset points", color=style.INK, fontsize=9)
    ax.set_ylim(bottom=0)
    ax.set_xlim(left=0)
    style.percent_axis(ax, "y")
    n = min(point.n for point in points)
    context = f"{n:,} utterances or more each, with 95 % intervals; lower left is better"
    label = "from the last sound until the end of the turn was known, s (median)"
    return style.finish(ax, "Where turns end", context, label, "utterances cut off, %")


@dataclass(frozen=True)
class _Point:
    """A setting: the median wait, the share of utterances cut off with its interval, and of how many."""

    name: str
    waited_s: float
    cut: float
    interval: tuple[float, float]
    n: int


def _point(name: str, frame: "pd.DataFrame") -> _Point:
    missing = [column for column in _NEEDED if column not in getattr(frame, "columns", ())]
    if missing:
        raise InputError(
            f"{name!r} has no column {missing[0]!r}, must be log.utterances() of a simulation with audio=."
        )
    known = frame.dropna(subset=["end_of_turn_s"])
    if not len(known):
        raise InputError(f"{name!r} has no utterance whose end was measured: simulate with audio=vl.PhoneLine(...).")
    n, cut = len(known), int((known["n_parts"] > 1).sum())
    # Wilson's: the usual one has no width where nothing was cut off, which is what a good setting comes to.
    return _Point(str(name), float(known["end_of_turn_s"].median()), cut / n, fixed.wilson(cut, n), n)
