"""How plots look: colours, axes, labels.

Colours are those of Okabe & Ito (2008), which colour-blind people tell apart. A picture can't know the theme of the page
that it will stand on, which may change after it is drawn: backgrounds are transparent and letters of a grey that reads on
white (4 to 1) and on black (5 to 1), so that one PNG fits light and dark notebooks, slides and files alike.
"""

import textwrap
from typing import TYPE_CHECKING, Any, Literal

from voicelab.base.accepted_types import Cell
from voicelab.base.errors import InputError
from voicelab.decision.rules import quantile_of
from voicelab.plots.result_like import ResultLike, Source

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BLUE, GREEN, VERMILLION = "#0072B2", "#009E73", "#D55E00"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
INK = "#777F8B"
# Jupyter puts a white box behind a transparent figure whose tick labels are all darker than half-way, and a black one
# where all are lighter: that would be a glaring box in one theme or the other. These two greys, which no eye tells apart,
# lie on either side of half-way, and so it leaves the figure as it is.
_INK_BEYOND_HALF = "#7A828E"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
GREYS = (INK, _INK_BEYOND_HALF)
"""What stands for ink that reads on any background."""
_OURS = "voicelab"
"""Label of axes that are drawn here."""
_OF_A_TITLE, _LETTERS_AN_INCH = 10.8, 16.0
"""Letters to an inch of a title, and of the line below it."""
_UNITS = {"_ms": "milliseconds", "_s": "seconds", "_min": "minutes"}


def new_axes(ax: "Axes | None", rows: float | None = None) -> "Axes":
    """Return the given axes, or those of a new figure.

    Args:
        ax: Axes to draw into; None for new ones.
        rows: Rows of a plot that has one a variant or segment: they settle its height.

    Raises:
        InputError: ax is something else.
    """
    if ax is None:
        import matplotlib.pyplot as plt

        height = 3.8 if rows is None else min(16.0, 1.5 + 0.38 * max(rows, 2))
        _, ax = plt.subplots(figsize=(7.4, height), layout="constrained", facecolor="none")
        ax.set_facecolor("none")
    elif not hasattr(ax, "transAxes"):
        raise InputError(f"ax is {ax!r}, must be the Axes of a matplotlib figure, or None for a new one.")
    else:
        _follow_theme(ax)
    drawn: Axes = ax
    return drawn


def _follow_theme(ax: "Axes") -> None:
    """Make the figure of given axes transparent too, unless somebody chose its colour or has drawn in other axes of it.

    Axes of it that are still empty get grey letters, so that what is drawn there reads on any background.
    """
    import matplotlib as mpl
    from matplotlib.colors import same_color, to_rgba

    figure = ax.figure
    others = [other for other in figure.axes if other is not ax and other.get_label() != _OURS]
    colour = figure.get_facecolor()
    chosen = to_rgba(colour)[3] > 0 and not same_color(colour, mpl.rcParams["figure.facecolor"])
    if chosen or any(other.has_data() for other in others):
        return
    figure.set_facecolor("none")
    for own in (ax, *others):
        own.set_facecolor("none")
        own.tick_params(axis="x", colors=_INK_BEYOND_HALF)
        own.tick_params(axis="y", colors=INK)
        for text in (own.title, own.xaxis.label, own.yaxis.label):
            text.set_color(INK)
        for spine in own.spines.values():
            spine.set_color(INK)


def finish(ax: "Axes", title: str, context: str, x: str, y: str, *, grid: Literal["x", "y"] = "y") -> "Axes":
    """Give axes their title, labels and quiet lines.

    Args:
        ax: The axes.
        title: What the plot shows.
        context: Source, test and outcome, in small letters under the title.
        x: Label of the x axis, with its unit.
        y: Label of the y axis, with its unit.
        grid: Axis with grid lines: `x` or `y`.
    """
    width = _inches(ax)
    lines = textwrap.wrap(context, max(24, int(_LETTERS_AN_INCH * width))) if context else []
    # A title of a narrow plot goes on in a second line rather than into the plot beside it.
    title = "\n".join(textwrap.wrap(title, max(20, int(_OF_A_TITLE * width))))
    ax.set_title(
        plain(title), loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=10 + 12 * len(lines) if lines else 8
    )
    if lines:
        ax.annotate(
            plain("\n".join(lines)),
            (0, 1),
            (0, 7),
            "axes fraction",
            "offset points",
            fontsize=8.5,
            color=INK,
            va="bottom",
        )
    ax.set_xlabel(plain(x), color=INK, fontsize=9.5)
    ax.set_ylabel(plain(y), color=INK, fontsize=9.5)
    ax.tick_params(axis="x", colors=_INK_BEYOND_HALF, labelsize=9, length=0)
    ax.tick_params(axis="y", colors=INK, labelsize=9, length=0)
    for side, spine in ax.spines.items():
        spine.set_visible(side == ("bottom" if grid == "y" else ""))
        spine.set_color(INK)
        spine.set_alpha(0.5)
    ax.set_axisbelow(True)
    ax.grid(visible=True, axis=grid, color=INK, alpha=0.16, linewidth=0.8)
    ax.set_label(_OURS)
    return ax


def _inches(ax: "Axes") -> float:
    """Return about how wide axes are, before a layout settles it: it leaves less room beside them than the default."""
    return float(1.15 * ax.bbox.width / ax.figure.dpi)


def legend(ax: "Axes", inside: str | None = None) -> None:
    """Show the legend to the right of the axes, or inside, in a corner that is free, such as `upper right`."""
    place: dict[str, Any] = {"loc": inside} if inside else {"loc": "upper left", "bbox_to_anchor": (1.01, 1.0)}
    ax.legend(**place, frameon=False, fontsize=8.5, labelcolor=INK)


def name_rows(ax: "Axes", names: list[str]) -> None:
    """Name the rows of axes, the first on top."""
    ax.set_yticks(range(len(names)), [plain(short(name, 48)) for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)


def say(ax: "Axes", text: str) -> None:
    """Write in the middle of axes why there is nothing to draw."""
    ax.text(0.5, 0.5, plain(text), transform=ax.transAxes, ha="center", va="center", color=INK, style="italic")


def note(ax: "Axes", x: float, text: str, colour: str = INK) -> None:
    """Mark a place on the x axis by a line with a text at its foot, on the side that has room."""
    ax.axvline(x, color=colour, linestyle=(0, (2, 2)), linewidth=1.2)
    low, high = ax.get_xlim()
    left = x > (low + high) / 2
    ax.annotate(
        plain(text), (x, 0.04), (-6 if left else 6, 0), ("data", "axes fraction"), "offset points",
        ha="right" if left else "left", va="bottom", color=colour, fontsize=9,
    )  # fmt: skip


def percent_axis(ax: "Axes", axis: str) -> None:
    """Write the shares on an axis as bare percentages; the unit stands in its label."""
    getattr(ax, f"{axis}axis").set_major_formatter(lambda value, _: f"{round(100 * value, 6) + 0.0:g}")


def role_colour(result: ResultLike, variant: str) -> str:
    """Return a variant's colour: green for the leader, grey for the default, blue for the rest."""
    if variant == result.decision.leader:
        return GREEN
    return INK if variant == result.rule.default else BLUE


# --- words -----------------------------------------------------------------------------------------------------------


def context_of(source: "Source") -> str:
    """Return source, test and outcome of a result in one line; nothing for a frame."""
    if is_frame(source):
        return ""
    return " · ".join(str(fact) for fact in (source.source, source.decision.test, source.outcome) if fact)


def outcome_label(outcome: str | None, kind: str | None, what: str = "mean of") -> str:
    """Return an outcome's label with its unit: % of sessions for a binary one, else by its name's ending."""
    name = short(outcome or "outcome", 40)
    if kind == "binary":
        return f"{name}, % of sessions"
    if kind == "ratio":
        return name
    if quantile_of(kind) is not None:
        return f"{name}, of sessions"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "per session")
    return f"{what} {name}, {unit}".strip()


def difference_label(outcome: str | None, kind: str | None) -> str:
    """Return the label of a difference, with its unit."""
    name = short(outcome or "the outcome", 40)
    if kind == "binary":
        return f"difference in {name}, percentage points"
    unit = next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), "in the outcome's unit")
    return f"difference in {name}, {unit}"


def short(text: Cell, length: int = 28) -> str:
    """Return a name, cut where it is too long for a label."""
    text = str(text)
    return text if len(text) <= length else f"{text[: length - 1]}…"


def plain(text: str) -> str:
    """Return text that matplotlib doesn't take for mathematics."""
    return text.replace("$", r"\$")


# --- frames ----------------------------------------------------------------------------------------------------------


def is_frame(source: "Source") -> bool:
    """Return whether this is a DataFrame, rather than a result."""
    return hasattr(source, "columns") and hasattr(source, "iterrows")


def frame_of(source: "Source", attribute: str, numbers: tuple[str, ...], texts: tuple[str, ...], advice: str) -> Any:
    """Return the frame to draw, with numbers as floats.

    Args:
        source: The frame, or a result that has it.
        attribute: Where a result has it.
        numbers: Columns of numbers that it must have.
        texts: Other columns that it must have.
        advice: How to come by one.

    Raises:
        InputError: there is no such frame, a column is missing, or it is empty.
    """
    frame: Any = source if is_frame(source) else getattr(source, attribute, None)
    if frame is None:
        raise InputError(f"The result has no {attribute.replace('_', ' ')} to plot. {advice}")
    missing = [column for column in (*texts, *numbers) if column not in frame.columns]
    if missing:
        raise InputError(f"The frame has no column {missing[0]!r}, must have {', '.join((*texts, *numbers))}. {advice}")
    if not len(frame):
        raise InputError(f"There are no rows to plot. {advice}")
    return frame.assign(**{column: as_floats(frame[column]) for column in numbers}).reset_index(drop=True)


def as_floats(column: "pd.Series") -> "pd.Series":
    """Return a column as floats, with NaN for what is no finite number."""
    import numpy as np
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").astype("float64")
    return values.where(np.isfinite(values))
