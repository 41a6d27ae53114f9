"""How plots look: colours, axes, labels.

Colours are those of Okabe & Ito (2008), which colour-blind people tell apart. Backgrounds are transparent and letters of
a grey that reads on white and on black, so that a plot fits light and dark notebooks alike.
"""

from typing import TYPE_CHECKING, Any, Literal

from voicelab.base.accepted_types import Cell
from voicelab.base.errors import InputError
from voicelab.plots.result_like import ResultLike, Source

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

BLUE, GREEN, VERMILLION = "#0072B2", "#009E73", "#D55E00"
PURPLE, ORANGE, SKY = "#CC79A7", "#E69F00", "#56B4E9"
INK = "#737B87"
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, INK)
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
    drawn: Axes = ax
    return drawn


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
    ax.set_title(plain(title), loc="left", fontsize=11.5, fontweight="bold", color=INK, pad=22 if context else 8)
    if context:
        ax.annotate(
            plain(context), (0, 1), (0, 7), "axes fraction", "offset points", fontsize=8.5, color=INK, va="bottom"
        )
    ax.set_xlabel(plain(x), color=INK, fontsize=9.5)
    ax.set_ylabel(plain(y), color=INK, fontsize=9.5)
    ax.tick_params(colors=INK, labelsize=9, length=0)
    for side, spine in ax.spines.items():
        spine.set_visible(side == ("bottom" if grid == "y" else ""))
        spine.set_color(INK)
        spine.set_alpha(0.5)
    ax.set_axisbelow(True)
    ax.grid(visible=True, axis=grid, color=INK, alpha=0.16, linewidth=0.8)
    return ax


def legend(ax: "Axes") -> None:
    """Show the legend to the right of the axes."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8.5, labelcolor=INK)


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
