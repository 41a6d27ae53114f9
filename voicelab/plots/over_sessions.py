"""What a test looked like on the way: confidence, difference and statistic after so many sessions."""

from typing import TYPE_CHECKING, Any

from voicelab.decision.stats import boundary as horizon
from voicelab.decision.wording import holds
from voicelab.plots import style
from voicelab.plots.result_like import ResultLike

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_ASKED_FOR = 95.0


def confidence_path(result: ResultLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the confidence after every session, with the threshold of the rule and the stop.

    Args:
        result: What `vl.analyze` returned.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: sessions counted, confidence in percent.
    """
    ax = style.new_axes(ax)
    path = _known(result.path, "confidence")
    threshold = result.rule.max_confidence
    ax.set_ylim(0, 102)
    _set_sessions(ax, result)
    ticks = [0.0, 20.0, 40.0, 60.0, 80.0]
    if threshold is not None:
        # No tick at 100, which no amount of data reaches; the threshold is the number to compare with.
        ticks = [tick for tick in ticks if abs(tick - threshold) > 8] + [threshold]  # noqa: PLR2004 - room for a label
        ax.axhline(threshold, color=style.VERMILLION, linewidth=1.2, linestyle=(0, (4, 2)))
        ax.annotate(
            "the rule asks for this", (0, threshold), (4, -4), ("axes fraction", "data"), "offset points",
            color=style.VERMILLION, fontsize=9, va="top",
        )  # fmt: skip
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    if result.decision.confidence is None or not len(path):
        style.say(ax, _why_empty(result))
    else:
        ax.plot(path["sessions"], path["confidence"], color=style.BLUE, linewidth=2, drawstyle="steps-post")
        ax.fill_between(path["sessions"], path["confidence"], step="post", color=style.BLUE, alpha=0.1, linewidth=0)
        _mark_stop(ax, result)
    title = f"Confidence that a variant beats every other, {holds(result.decision.doubts)}"
    if result.rule.method == "fixed":
        title = "Confidence at every look (the rule judges by one look only)"
    return style.finish(ax, title, style.context_of(result), _sessions_label(result), "confidence, %")


def _why_empty(result: ResultLike) -> str:
    sure = result.decision.confidence
    if sure is None:
        return "no confidence: nothing to judge by was recorded"
    return f"one look at the sums: a confidence of {min(sure, 99.99):.1f} %, and no path to it"


def difference_path(result: ResultLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the difference of the leading pair with its interval that holds at every look, and the estimate at the stop.

    Args:
        result: What `vl.analyze` returned; its path has columns difference, difference_cs_lower and
            difference_cs_upper, and `path.attrs["pair"]` may name the variant and its baseline.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: sessions counted, difference.

    Raises:
        InputError: the path has no difference.
    """
    columns = ("sessions", "difference", "difference_cs_lower", "difference_cs_upper")
    path = style.frame_of(result, "path", columns, (), _NO_PATH)
    path = path.dropna(subset=["difference"])
    style.frame_of(path, "path", columns, (), _NO_PATH)
    ax = style.new_axes(ax)
    low, high = path["difference_cs_lower"], path["difference_cs_upper"]
    ax.axhline(0, color=style.INK, linewidth=1.2)
    if known := bool((low.notna() & high.notna()).any()):
        ax.fill_between(path["sessions"], low, high, color=style.BLUE, alpha=0.2, linewidth=0)
    ax.plot(path["sessions"], path["difference"], color=style.BLUE, linewidth=2)
    _set_sessions(ax, result)
    _set_height(ax, path, columns[1:])
    _mark_stop(ax, result)
    _mark_estimate(ax, result)
    if result.kind == "binary":
        style.percent_axis(ax, "y")
    pair = [style.short(name) for name in result.path.attrs.get("pair", ())]
    who = f"{pair[0]} minus {pair[1]}" if pair else "Leading pair"
    level = result.rule.max_confidence or _ASKED_FOR
    title = f"{who}, with its {level:g} % interval, {holds(result.decision.doubts)}"
    if not known:
        title = f"{who}, difference so far, without an interval"
    return style.finish(
        ax,
        title,
        style.context_of(result),
        _sessions_label(result),
        style.difference_label(result.outcome, result.kind),
    )


def boundary(result: ResultLike, ax: "Axes | None" = None) -> "Axes":
    """Draw the statistic of the deciding pair, the running maximum of |B|, against the boundary that stops the test.

    Args:
        result: What `vl.analyze` returned; its path has the column statistic.
        ax: Axes to draw into; None for new ones.

    Returns:
        The axes: sessions counted, the statistic.

    Raises:
        InputError: the path has no statistic.
    """
    path = style.frame_of(result, "path", ("sessions", "statistic"), (), _NO_PATH).dropna(subset=["statistic"])
    style.frame_of(path, "path", ("sessions", "statistic"), (), _NO_PATH)
    ax = style.new_axes(ax)
    level = result.rule.max_confidence or _ASKED_FOR
    c = horizon.threshold(1 - level / 100)
    ax.axhline(c, color=style.VERMILLION, linewidth=1.2, linestyle=(0, (4, 2)))
    ax.plot(path["sessions"], path["statistic"], color=style.BLUE, linewidth=2, drawstyle="steps-post")
    ax.set_ylim(0, 1.12 * max(c, path["statistic"].max()))
    _set_sessions(ax, result)
    several = " · closing over all pairs asks for more than one pair's boundary" if len(result.variants) > 2 else ""  # noqa: PLR2004 - a pair
    ax.annotate(
        f"boundary of one pair at {level:g} %: {c:.3f}", (0, c), (4, 4), ("axes fraction", "data"),
        "offset points", color=style.VERMILLION, fontsize=9,
    )  # fmt: skip
    _mark_stop(ax, result)
    return style.finish(
        ax,
        "Statistic of the deciding pair against its boundary",
        style.context_of(result) + several,
        _sessions_label(result),
        "largest |B| so far, standard deviations",
    )


_NO_PATH = (
    "It comes with a rule that has max_iterations, an outcome that was recorded and varies, and sessions in the order of "
    "time: not with path=False, nor of rows in groups without order=."
)


def _known(path: "pd.DataFrame", column: str) -> Any:
    if column not in path.columns:
        return path.iloc[:0]
    return path.assign(**{column: style.as_floats(path[column])}).dropna(subset=[column])


def _set_sessions(ax: "Axes", result: ResultLike) -> None:
    ax.set_xlim(0, max(1, result.rule.max_iterations or 0, result.decision.sessions) * 1.005)
    ax.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")


def _set_height(ax: "Axes", path: "pd.DataFrame", columns: tuple[str, ...]) -> None:
    """Leave out the first tenth of the way, where the interval is wider than the rest of the picture."""
    late = path[path["sessions"] >= 0.1 * path["sessions"].max()]
    late = late if late[list(columns)].notna().any(axis=None) else path
    low, high = min(0.0, late[list(columns)].min().min()), max(0.0, late[list(columns)].max().max())
    room = 0.08 * (high - low) or 1.0
    ax.set_ylim(low - room, high + room)


def _mark_stop(ax: "Axes", result: ResultLike) -> None:
    if result.decision.stopped_at is not None:
        style.note(ax, result.decision.stopped_at, f"stopped after {result.decision.stopped_at:,}", style.GREEN)


def _mark_estimate(ax: "Axes", result: ResultLike) -> None:
    """Draw the estimate at the stop with its interval, beside the stop, where there is one."""
    rows, pair = result.comparisons, result.path.attrs.get("pair")
    if result.decision.stopped_at is None or pair is None or "difference_mue" not in rows.columns:
        return
    for sign, (arm, baseline) in ((1, pair), (-1, pair[::-1])):
        own = rows[(rows["variant"] == arm) & (rows["baseline"] == baseline)]
        row = own.filter(like="difference_mue").astype(float).dropna()
        if not len(row):
            continue
        value, *ends = (sign * float(row[f"difference_mue{end}"].iloc[0]) for end in ("", "_lower", "_upper"))
        low, high = sorted(ends)
        at = result.decision.stopped_at
        ax.errorbar(
            [at], [value], [[value - low], [high - value]], fmt="o", color=style.GREEN, capsize=4, markersize=7,
            linewidth=2, zorder=4,
        )  # fmt: skip
        left, above = at > sum(ax.get_xlim()) / 2, value >= 0
        # On the side of the value that is away from 0, whose line would cross the words.
        ax.annotate(
            "estimate at the stop,\nmedian-unbiased", (at, value), (-10 if left else 10, 3 if above else -3), "data",
            "offset points", ha="right" if left else "left", va="bottom" if above else "top", color=style.GREEN, fontsize=9,
        )  # fmt: skip


def _sessions_label(result: ResultLike) -> str:
    declared = result.rule.max_iterations
    return "sessions counted" if declared is None else f"sessions counted, of {declared:,} declared"
