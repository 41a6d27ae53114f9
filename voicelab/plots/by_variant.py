"""How variants compare: means, shares, distributions, segments, funnels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from voicelab.decision.wording import holds
from voicelab.plots import style
from voicelab.plots.result_like import ResultLike, Source

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd
    from matplotlib.axes import Axes

_BINS = 40


def variants(result: ResultLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the mean of each variant with its interval, the default and the leader marked.

    Args:
        result: What `vl.analyze` returned.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: mean of the outcome, one row a variant.
    """
    rows = result.variants
    ax = style.new_axes(ax, len(rows))
    interval, when = _interval_of(result)
    if result.kind == "binary":
        style.percent_axis(ax, "x")
    means = style.as_floats(rows["mean"])
    default = means[rows["is_default"].astype(bool)].dropna()
    if len(default):
        ax.axvline(default.iloc[0], color=style.INK, linewidth=1, linestyle=(0, (2, 2)))
    lows, highs = (style.as_floats(rows[f"mean_{interval}_{end}"]) for end in ("lower", "upper"))
    for y, (name, mean, low, high) in enumerate(zip(rows["variant"], means, lows, highs, strict=True)):
        _draw_interval(ax, y, mean, low, high, style.role_colour(result, name))
    style.name_rows(ax, [_named(result, name) for name in rows["variant"]])
    if not means.notna().any():
        style.say(ax, "the outcome was never recorded")
    label = style.outcome_label(result.outcome, result.kind)
    level = (result.rule.max_confidence if interval == "cs" else None) or 95.0
    title = f"Variants with their {level:g} % intervals, {when}"
    if not (lows.notna() & highs.notna()).any():
        title = "Variants, without intervals"
    return style.finish(ax, title, style.context_of(result), label, "variant", grid="x")


def shares(result: ResultLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the share of sessions that each variant got against its weight.

    Args:
        result: What `vl.analyze` returned.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: share of counted sessions, one row a variant.
    """
    rows = result.variants
    ax = style.new_axes(ax, len(rows))
    y = np.arange(len(rows))
    alarm = bool(result.srm.get("alarm"))
    colour = style.VERMILLION if alarm else style.BLUE
    ax.barh(y, rows["share"], height=0.5, color=colour, alpha=0.75)
    known = bool(rows["weight"].notna().all())
    weights = rows["weight"] if known else rows["share"]
    if known:
        ax.vlines(weights, y - 0.38, y + 0.38, color=style.INK, linewidth=2.5)
    ax.set_xlim(0, 1.2 * max(rows["share"].max(), weights.max()))
    for at, (share, weight, sessions) in enumerate(zip(rows["share"], weights, rows["sessions"], strict=True)):
        ax.annotate(
            f"{sessions:,}", (max(share, weight), at), (6, 0), "data", "offset points",
            va="center", color=style.INK, fontsize=8.5,
        )  # fmt: skip
    style.percent_axis(ax, "x")
    style.name_rows(ax, [_named(result, name) for name in rows["variant"]])
    title = "Shares disagree with the weights: don't decide" if alarm else "Shares agree with the weights"
    title = title if known else "Shares; the weights are unknown, so nothing is checked"
    context = f"{style.context_of(result)} · bar: share{', stroke: weight' if known else ''}, number: sessions"
    return style.finish(ax, title, context, "share of counted sessions, %", "variant", grid="x")


def distribution(source: "Source", ax: "Axes | None" = None, *, kind: str | None = None) -> "Axes":
    """Draw the distribution of the outcome by variant: a histogram each, bars for a binary outcome.

    Args:
        source: A result (one of counts or floats has the frame as its attribute `values`); or a frame with columns
            variant and value, and optionally sessions: how often that value came.
        ax: Axes to draw into; None for new ones.
        kind: For frames: `binary`, `count` or `float`; seen from the values unless given.

    Returns:
        The axes: the outcome, one row a variant.

    Raises:
        InputError: there are no values.
    """
    if not style.is_frame(source) and source.kind in {"binary", None}:
        return _bars(source, ax)
    frame = style.frame_of(
        source,
        "values",
        ("value",),
        ("variant",),
        "Give a DataFrame with columns variant and value, one row a session.",
    )
    frame = frame.assign(sessions=frame["sessions"] if "sessions" in frame.columns else 1)
    frame = frame.dropna(subset=["value"])
    names = _order(source, frame)
    ax = style.new_axes(ax, 1.6 * len(names))
    if not len(frame):
        style.say(ax, "no session has a value")
        return style.finish(ax, "Distribution by variant", style.context_of(source), "value", "variant", grid="x")
    if style.is_frame(source) and (kind or _kind_of(frame["value"])) == "binary":
        return _rates(ax, frame, names)
    return _ridges(ax, source, frame, names)


def segments(source: "Source", ax: "Axes | None" = None, *, kind: str | None = None) -> "Axes":
    """Draw the difference within each segment, with its interval that holds at every look.

    Args:
        source: A result of `vl.analyze(..., by=...)`; or a frame with columns segment, variant, difference,
            difference_cs_lower and difference_cs_upper.
        ax: Axes to draw into; None for new ones.
        kind: For frames: `binary` where differences are of shares.

    Returns:
        The axes: difference, one row a segment.

    Raises:
        InputError: there are no segments.
    """
    numbers = ("difference", "difference_cs_lower", "difference_cs_upper")
    frame = style.frame_of(source, "segments", numbers, ("segment", "variant"), "Give by= to vl.analyze.")
    outcome, kind = (None, kind) if style.is_frame(source) else (source.outcome, source.kind)
    names = list(dict.fromkeys(frame["segment"].astype(str)))
    arms = list(dict.fromkeys(frame["variant"].astype(str)))
    ax = style.new_axes(ax, len(names) * max(1.0, 0.45 * len(arms)))
    ax.axvline(0, color=style.INK, linewidth=1.2)
    step = 0.8 / len(arms)
    for row in frame.itertuples():
        at = arms.index(str(row.variant))
        y = names.index(str(row.segment)) + step * (at - (len(arms) - 1) / 2)
        colour = style.CYCLE[at % len(style.CYCLE)]
        _draw_interval(ax, y, row.difference, row.difference_cs_lower, row.difference_cs_upper, colour)
    if len(arms) > 1:
        for at, arm in enumerate(arms):
            ax.plot([], [], "o", color=style.CYCLE[at % len(style.CYCLE)], label=style.plain(style.short(arm, 20)))
        style.legend(ax)
    if kind == "binary":
        style.percent_axis(ax, "x")
    style.name_rows(ax, names)
    who = f"{style.short(arms[0])}: difference" if len(arms) == 1 else "Difference"
    return style.finish(
        ax, f"{who} by segment, intervals valid at every look", style.context_of(source),
        style.difference_label(outcome, kind), "segment", grid="x",
    )  # fmt: skip


# --- parts -----------------------------------------------------------------------------------------------------------


def _interval_of(result: ResultLike) -> tuple[str, str]:
    """Return which interval the variants have, and when it holds."""
    rows = result.variants
    if "mean_cs_lower" in rows.columns and rows["mean_cs_lower"].notna().any():
        return "cs", holds(result.decision.doubts)
    return "ci", "for one look"


def _draw_interval(ax: "Axes", y: float, mean: float, low: float, high: float, colour: str) -> None:
    if low == low and high == high:  # noqa: PLR0124 - not NaN
        ax.plot([low, high], [y, y], color=colour, linewidth=6, alpha=0.35, solid_capstyle="round")
    if mean == mean:  # noqa: PLR0124 - not NaN
        ax.plot([mean], [y], "o", color=colour, markersize=7.5)
    else:
        ax.annotate("no value", (0.01, y), xycoords=("axes fraction", "data"), va="center", color=style.INK, fontsize=9)


def _named(result: ResultLike, name: str) -> str:
    roles = [role for role, who in (("default", result.rule.default), ("leads", result.decision.leader)) if who == name]
    return f"{style.short(name, 20)} ({', '.join(roles)})" if roles else name


def _order(source: "Source", frame: "pd.DataFrame") -> list[str]:
    found = set(frame["variant"].astype(str))
    if style.is_frame(source):
        return sorted(found)
    return [name for name in source.variants["variant"] if name in found]


def _kind_of(values: "pd.Series") -> str:
    return "binary" if values.isin([0.0, 1.0]).all() else "float"


def _bars(result: ResultLike, ax: "Axes | None") -> "Axes":
    rows = result.variants
    ax = style.new_axes(ax, len(rows))
    colours = [style.role_colour(result, name) for name in rows["variant"]]
    _draw_bars(ax, style.as_floats(rows["mean"]), colours)
    style.name_rows(ax, [_named(result, name) for name in rows["variant"]])
    if result.kind is None:
        style.say(ax, "the outcome was never recorded")
    return style.finish(
        ax, "Share of sessions with the outcome, by variant", style.context_of(result),
        style.outcome_label(result.outcome, "binary"), "variant", grid="x",
    )  # fmt: skip


def _rates(ax: "Axes", frame: "pd.DataFrame", names: list[str]) -> "Axes":
    weighted = frame.assign(hits=frame["value"] * frame["sessions"]).groupby(frame["variant"].astype(str))
    rates = (weighted["hits"].sum() / weighted["sessions"].sum()).reindex(names)
    _draw_bars(ax, rates, [style.CYCLE[at % len(style.CYCLE)] for at in range(len(names))])
    style.name_rows(ax, names)
    return style.finish(
        ax, "Share of sessions with the outcome, by variant", "", "sessions with the outcome, %", "variant", grid="x"
    )


def _draw_bars(ax: "Axes", rates: "pd.DataFrame", colours: list[str]) -> None:
    y = np.arange(len(rates))
    ax.barh(y, 1.0, height=0.55, color=style.INK, alpha=0.15)
    ax.barh(y, rates.fillna(0.0), height=0.55, color=colours, alpha=0.85)
    ax.set_xlim(0, 1)
    style.percent_axis(ax, "x")


def _ridges(ax: "Axes", source: "Source", frame: "pd.DataFrame", names: list[str]) -> "Axes":
    colours = {name: style.CYCLE[0] if style.is_frame(source) else style.role_colour(source, name) for name in names}
    note = ridges(ax, frame, names, colours)
    if not style.is_frame(source):
        style.name_rows(ax, [_named(source, name) for name in names])
    outcome = None if style.is_frame(source) else source.outcome
    label = style.outcome_label(outcome, "float", "value of" if outcome else "")
    title = "Distribution by variant, the line is the mean"
    return style.finish(ax, title, style.context_of(source), label + note, "variant", grid="x")


def ridges(ax: "Axes", frame: "pd.DataFrame", names: list[str], colours: Mapping[str, str]) -> str:
    """Draw a histogram a row, all to one scale, with the mean marked.

    Args:
        ax: Axes to draw into.
        frame: Columns variant, value and sessions: how often that value came.
        names: The variants, from top to bottom.
        colours: The colour of each.

    Returns:
        What the label of the x axis should add: how much is not shown.
    """
    values, counts = frame["value"].to_numpy(), frame["sessions"].to_numpy(dtype=np.float64)
    edges, cut = _edges(values, counts)
    rows = []
    for name in names:
        own = (frame["variant"].astype(str) == name).to_numpy()
        heights, _ = np.histogram(values[own], bins=edges, weights=counts[own])
        rows.append((heights / counts[own].sum(), np.average(values[own], weights=counts[own])))
    tallest = max(heights.max() for heights, _ in rows) or 1.0
    for y, (name, (heights, mean)) in enumerate(zip(names, rows, strict=True)):
        top = y + 0.4 - 0.85 * heights / tallest
        ax.stairs(top, edges, baseline=y + 0.4, fill=True, color=colours[name], alpha=0.55)
        if mean <= edges[-1]:
            ax.plot([mean, mean], [y + 0.4, y - 0.45], color=style.INK, linewidth=1.4)
    ax.set_xlim(edges[0], edges[-1])
    if edges[0] % 1 == 0.5 and edges[1] - edges[0] == 1:  # noqa: PLR2004 - a bin for each whole number
        from matplotlib.ticker import MaxNLocator

        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style.name_rows(ax, names)
    return f" (the {100 * cut:.1f} % above are not shown)" if cut else ""


def _edges(values: "npt.NDArray[np.float64]", counts: "npt.NDArray[np.float64]") -> tuple[Any, float]:
    """Return the edges of the bins, and the share of sessions above them; whole numbers get a bin each, if few."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(counts[order]) / counts.sum()
    low, high = float(values[order[0]]), float(values[order[-1]])
    most = float(values[order[np.searchsorted(share, 0.99)]])
    if most > low and high - low > 1.4 * (most - low):
        high = most
    whole = bool((values == np.floor(values)).all())
    if whole and high - low < _BINS:
        edges = np.arange(low - 0.5, high + 1.0)
    elif high > low:
        edges = np.linspace(low, high, _BINS + 1)
    else:
        # One and the same value: a bar around it, with room on both sides.
        around = 0.5 * abs(low) or 1.0
        edges = np.array([low - around, low - 0.1 * around, low + 0.1 * around, low + around])
    return edges, float(counts[values > edges[-1]].sum() / counts.sum())


def funnel(source: "Source", ax: "Axes | None" = None) -> "Axes":
    """Draw the share of sessions that reached each conversion metric, a line a variant.

    Args:
        source: A frame with columns variant, metric and rate, metrics in their order; or a result with it as its
            attribute `funnel`.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: metrics in order, share of sessions in percent.

    Raises:
        InputError: there is no such frame.
    """
    advice = "The test must declare conversion metrics."
    frame = style.frame_of(source, "funnel", ("rate",), ("variant", "metric"), advice)
    metrics = list(dict.fromkeys(frame["metric"].astype(str)))
    names = list(dict.fromkeys(frame["variant"].astype(str)))
    rates = {
        name: rows.drop_duplicates("metric").set_index("metric")["rate"].reindex(metrics)
        for name, rows in frame.assign(metric=frame["metric"].astype(str)).groupby(frame["variant"].astype(str))
    }
    draw = _funnel_lines if len(names) <= len(style.CYCLE) else _funnel_rows
    return draw(ax, source, {name: rates[name] for name in names}, metrics)


_FUNNEL = "Funnel: share of sessions that reached each metric"


def _funnel_lines(ax: "Axes | None", source: "Source", rates: dict[str, Any], metrics: list[str]) -> "Axes":
    ax = style.new_axes(ax)
    for colour, (name, own) in zip(style.CYCLE, rates.items(), strict=False):
        label = style.plain(style.short(name, 20))
        ax.plot(range(len(metrics)), own, marker="o", markersize=5, linewidth=2, label=label, color=colour)
    slant: dict[str, Any] = {"rotation": 20, "ha": "right"} if len(metrics) > 5 else {}  # noqa: PLR2004 - as many stand side by side
    ax.set_xticks(range(len(metrics)), [style.plain(style.short(metric, 22)) for metric in metrics], **slant)
    ax.set_ylim(0, 1.08 * max((own.max() for own in rates.values() if own.notna().any()), default=1.0) or 1.0)
    style.percent_axis(ax, "y")
    style.legend(ax)
    return style.finish(ax, _FUNNEL, style.context_of(source), "conversion metric, in order", "sessions, %")


def _funnel_rows(ax: "Axes | None", source: "Source", rates: dict[str, Any], metrics: list[str]) -> "Axes":
    """Draw a row a variant and a dot a metric: more lines than that can't be told apart."""
    ax = style.new_axes(ax, len(rates))
    rows = list(rates.values())
    ax.hlines(
        range(len(rows)),
        [own.min() for own in rows],
        [own.max() for own in rows],
        color=style.INK,
        linewidth=1,
        alpha=0.5,
    )
    for at, metric in enumerate(metrics):
        label = style.plain(style.short(metric, 20))
        ax.plot(
            [own[metric] for own in rows],
            range(len(rows)),
            "o",
            markersize=7,
            color=style.CYCLE[at % len(style.CYCLE)],
            label=label,
        )
    style.name_rows(ax, list(rates))
    ax.set_xlim(left=0)
    style.percent_axis(ax, "x")
    style.legend(ax)
    return style.finish(ax, _FUNNEL, style.context_of(source), "sessions, %", "variant", grid="x")
