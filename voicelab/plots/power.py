"""What can be known beforehand: the sessions that an effect needs, and whether a rule keeps its bound."""

from typing import TYPE_CHECKING

import numpy as np

from voicelab.plots import style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from voicelab.plots.result_like import Source


def sample_size(
    source: "Source",
    ax: "Axes | None" = None,
    *,
    kind: str | None = None,
    horizon: int | None = None,
) -> "Axes":
    """Draw how many sessions are needed to detect an effect.

    Args:
        source: A frame with columns effect (difference of the means) and sessions; or a result with it as its
            attribute `sample_size`.
        ax: Axes to draw into; None for new ones.
        kind: For frames: `binary` where effects are differences of shares.
        horizon: Declared number of sessions, to be marked with the effect that it can detect; a result's own.

    Returns:
        The axes: detectable effect, sessions needed (logarithmic).

    Raises:
        InputError: there is no such frame.
    """
    frame = style.frame_of(
        source, "sample_size", ("effect", "sessions"), (), "Give one, e.g. made with vl.required_sessions."
    )
    if not style.is_frame(source):
        kind, horizon = source.kind, source.rule.max_iterations
    frame = frame.dropna(subset=["effect", "sessions"]).sort_values("effect")
    ax = style.new_axes(ax)
    ax.set_yscale("log")
    ax.plot(frame["effect"], frame["sessions"], color=style.BLUE, linewidth=2.2, marker="o", markersize=4)
    ax.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    ax.yaxis.set_minor_formatter(lambda value, _: f"{value:,.0f}" if f"{value:.0e}"[0] in "25" else "")
    if horizon is not None:
        _mark_horizon(ax, frame, horizon, kind)
    if kind == "binary":
        style.percent_axis(ax, "x")
    unit = "percentage points" if kind == "binary" else "in the outcome's unit"
    drawn = style.finish(
        ax, "Sessions needed to detect an effect", style.context_of(source),
        f"smallest detectable difference, {unit}", "sessions, all variants together",
    )  # fmt: skip
    drawn.tick_params(which="minor", colors=style.INK, labelsize=9, length=0)
    return drawn


def _mark_horizon(ax: "Axes", frame: "pd.DataFrame", horizon: int, kind: str | None) -> None:
    ax.axhline(horizon, color=style.VERMILLION, linewidth=1.2, linestyle=(0, (4, 2)))
    sessions, effects = np.log(frame["sessions"].to_numpy()[::-1]), frame["effect"].to_numpy()[::-1]
    text = f"declared: {horizon:,}"
    if sessions[0] <= np.log(horizon) <= sessions[-1]:
        effect = float(np.interp(np.log(horizon), sessions, effects))
        text += f", detects {100 * effect:.1f} points" if kind == "binary" else f", detects {effect:.3g}"
        ax.plot([effect], [horizon], "o", color=style.VERMILLION, markersize=8)
    ax.annotate(
        text, (1, horizon), (-4, 5), ("axes fraction", "data"), "offset points",
        ha="right", color=style.VERMILLION, fontsize=9,
    )  # fmt: skip


def calibration(source: "Source", ax: "Axes | None" = None) -> "Axes":
    """Draw how often tests without any effect stopped falsely, against the bound that was promised.

    Args:
        source: A frame with columns setting, false_stops, low, high (its interval) and bound, all shares from 0 to 1;
            or what has it as its attribute `calibration`.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: false stops in percent, one row a setting.

    Raises:
        InputError: there is no such frame.
    """
    numbers = ("false_stops", "bound", "low", "high")
    frame = style.frame_of(source, "calibration", numbers, ("setting",), "vl.calibrate makes one.")
    # A test with a true effect has no false stops: its row of vl.calibrate is that of the power.
    frame = frame.dropna(subset=["bound"]) if frame["bound"].notna().any() else frame
    ax = style.new_axes(ax, len(frame))
    for y, row in enumerate(frame.itertuples()):
        # Only an interval that lies wholly above the bound speaks against it: the rest may be chance.
        colour = style.VERMILLION if row.low > row.bound else style.BLUE
        ax.plot([row.low, row.high], [y, y], color=colour, linewidth=6, alpha=0.35, solid_capstyle="round")
        ax.plot([row.false_stops], [y], "o", color=colour, markersize=7.5)
        ax.plot([row.bound, row.bound], [y - 0.36, y + 0.36], color=style.INK, linewidth=2.5)
    style.name_rows(ax, list(frame["setting"]))
    ax.set_xlim(0, 1.12 * frame[list(numbers)].max().max() or 1.0)
    style.percent_axis(ax, "x")
    surely, somewhat = (int((frame[column] > frame["bound"]).sum()) for column in ("low", "false_stops"))
    title = "False stops stay within their bounds"
    if surely:
        title = f"False stops above their bound: {surely} of {len(frame)}"
    elif somewhat:
        title = f"False stops: {somewhat} of {len(frame)} a little above the bound, none surely so"
    context = "point: false stops · band: what the replications leave open · stroke: the bound"
    return style.finish(ax, title, context, "false stops, % of tests without an effect", "setting", grid="x")
