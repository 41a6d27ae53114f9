"""Pictures of a session log: how its sessions ended, how long they took, what went wrong, where callers dropped off.

What is drawn is a frame with one row a session (`LogFacts.sessions`); with a test each of its variants is a row or a line.
"""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.records import STATUSES
from voicelab.plots import style
from voicelab.plots.by_variant import ridges

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_COLOURS = {
    "completed": style.GREEN,
    "transferred": style.SKY,
    "hangup": style.ORANGE,
    "timeout": style.PURPLE,
    "error": style.VERMILLION,
}
_WORDS = {"hangup": "caller hung up", "timeout": "timed out", "error": "broken off by an error"}
_DROPPED = ("hangup", "timeout", "error")
_MOST_ERRORS = 8
_ROOM_FOR_A_NUMBER = 0.06
_PARTS = (("statuses",), ("turns", "durations"), ("drop_off", "errors"))
"""What stands beside each other in the overview."""


@dataclass(frozen=True)
class LogFacts:
    """What pictures of a log are drawn from.

    Attributes:
        sessions: One row a session: status, n_turns (the opening counts), duration_s, variant (what it is grouped by).
        errors: One row a message and variant: message, variant, sessions in which it came; the commonest first.
        groups: The variants in order; one entry for all sessions where there is no test.
        context: What stands below the titles.
        of: What the groups are, for labels: `variant` or nothing.
    """

    sessions: "pd.DataFrame"
    errors: "pd.DataFrame"
    groups: Sequence[str]
    context: str
    of: str = ""

    def colour(self, group: str) -> str:
        """Return the colour of a group."""
        return style.CYCLE[list(self.groups).index(group) % len(style.CYCLE)]


def plot_log(facts: LogFacts, kind: str = "overview", ax: "Axes | None" = None) -> "Axes | list[Axes]":
    """Draw a log.

    Args:
        facts: What is drawn.
        kind: A key of `LOG_KINDS`, or `overview`: all of them in one figure.
        ax: Axes to draw into; None for new ones. The overview makes a figure of its own.

    Returns:
        The axes; of the overview a list of them.

    Raises:
        InputError: there is no such kind, no session, or axes are given for the overview.
    """
    if not len(facts.sessions):
        raise InputError("The log has no sessions: there is nothing to draw.")
    if kind == "overview":
        if ax is not None:
            raise InputError(f"The overview is a figure of its own: name what to draw into ax, {', '.join(LOG_KINDS)}.")
        return _overview(facts)
    function = LOG_KINDS.get(kind) if isinstance(kind, str) else None
    if function is None:
        known = ["overview", *LOG_KINDS]
        raise InputError(f"kind is {kind!r}, must be {', '.join(known)}.{did_you_mean(str(kind), known)}")
    return function(facts, ax)


class Pictures(list[Any]):
    """The axes of a figure, in a list that says in a word what it is: a notebook shows it beside the figure."""

    def __repr__(self) -> str:
        return f"<{len(self)} Axes of one figure>"


def _overview(facts: LogFacts) -> "list[Axes]":
    import matplotlib.pyplot as plt

    rows = len(facts.groups)
    heights = [1.2 + 0.4 * rows, max(2.4, 1.4 + 0.5 * rows), 2.9]
    figure = plt.figure(figsize=(10.5, sum(heights)), layout="constrained", facecolor="none")
    # Each part with a layout of its own: a legend beside one takes no room from the others.
    parts = figure.subfigures(len(_PARTS), 1, height_ratios=heights)
    return Pictures(
        LOG_KINDS[kind](facts, ax)
        for part, kinds in zip(parts, _PARTS, strict=True)
        for kind, ax in zip(kinds, part.subplots(1, len(kinds), squeeze=False)[0], strict=True)
    )


def statuses(facts: LogFacts, ax: "Axes | None" = None) -> "Axes":
    """Draw how the sessions ended, in percent; one row a variant."""
    ax = style.new_axes(ax, len(facts.groups) + 1)
    found = facts.sessions.groupby(["variant", "status"], observed=True).size().unstack(fill_value=0)
    shares = found.div(found.sum(axis=1), axis=0).reindex(list(facts.groups))
    left = np.zeros(len(shares))
    for status in [own for own in STATUSES if own in shares.columns]:
        values = shares[status].to_numpy(dtype=np.float64)
        ax.barh(
            range(len(shares)),
            values,
            left=left,
            height=0.6,
            color=_COLOURS[status],
            alpha=0.8,
            label=_WORDS.get(status, status),
        )
        for y, (start, value) in enumerate(zip(left, values, strict=True)):
            if value >= _ROOM_FOR_A_NUMBER:
                ax.text(
                    start + value / 2, y, f"{100 * value:.0f} %", ha="center", va="center", color="#0b0d10", fontsize=9
                )
        left += np.nan_to_num(values)
    ax.set_xlim(0, 1)
    style.percent_axis(ax, "x")
    sizes = found.sum(axis=1)
    style.name_rows(ax, [f"{style.short(group, 24)} ({sizes.get(group, 0):,})" for group in facts.groups])
    style.legend(ax)
    return style.finish(ax, "How sessions ended", facts.context, "sessions, %", facts.of, grid="x")


def turns(facts: LogFacts, ax: "Axes | None" = None) -> "Axes":
    """Draw how many turns the sessions had, the opening included; one row a variant."""
    return _histograms(facts, "n_turns", "Turns, the line is the mean", "turns of a session", ax)


def durations(facts: LogFacts, ax: "Axes | None" = None) -> "Axes":
    """Draw how long the sessions took; one row a variant."""
    return _histograms(facts, "duration_s", "Duration, the line is the mean", "duration of a session, seconds", ax)


def _histograms(facts: LogFacts, column: str, title: str, label: str, ax: "Axes | None") -> "Axes":
    frame = facts.sessions[["variant", column]].rename(columns={column: "value"}).assign(sessions=1)
    names = [name for name in facts.groups if (frame["variant"] == name).any()]
    ax = style.new_axes(ax, 1.6 * max(2, len(names)))
    colours = {name: facts.colour(name) for name in names}
    note = ridges(ax, frame.dropna(subset=["value"]), names, colours)
    return style.finish(ax, title, facts.context, label + note, facts.of, grid="x")


def errors(facts: LogFacts, ax: "Axes | None" = None) -> "Axes":
    """Draw in how many sessions the commonest errors came, each variant in its colour."""
    title, label = "Commonest errors", "sessions with the error"
    frame = facts.errors
    if not len(frame):
        ax = style.new_axes(ax, 2)
        ax.set_xticks([])
        ax.set_yticks([])
        style.say(ax, "no session had an error")
        return style.finish(ax, title, facts.context, "", "", grid="x")
    by_message = frame.groupby("message")["sessions"].sum().sort_values(ascending=False, kind="stable")
    shown = list(by_message.index[:_MOST_ERRORS])
    ax = style.new_axes(ax, 1.3 * len(shown))
    left = np.zeros(len(shown))
    for group in facts.groups:
        own = frame[frame["variant"] == group].groupby("message")["sessions"].sum().reindex(shown).fillna(0.0)
        ax.barh(
            range(len(shown)),
            own,
            left=left,
            height=0.55,
            color=facts.colour(group),
            alpha=0.8,
            label=style.short(group),
        )
        left += own.to_numpy()
    for y, total in enumerate(left):
        ax.annotate(
            f"{total:,.0f}", (total, y), (5, 0), "data", "offset points", va="center", color=style.INK, fontsize=8.5
        )
    style.name_rows(ax, [])
    ax.set_yticks(range(len(shown)), [style.plain(textwrap.fill(style.short(text, 60), 32)) for text in shown])
    ax.set_ylim(len(shown) - 0.4, -0.6)
    ax.set_xlim(0, 1.15 * left.max())
    if len(facts.groups) > 1:
        style.legend(ax, "lower right")
    rest = len(by_message) - len(shown)
    more = f" · {rest:,} more in log.errors()" if rest else ""
    return style.finish(ax, title, facts.context + more, label, "", grid="x")


def drop_off(facts: LogFacts, ax: "Axes | None" = None) -> "Axes":
    """Draw how many of the sessions reached each turn, and of how many the caller or an error made an end there."""
    from matplotlib.ticker import MaxNLocator

    ax = style.new_axes(ax)
    longest = int(facts.sessions["n_turns"].max())
    most = max(2, min(longest, int(facts.sessions["n_turns"].quantile(0.995)) + 1))
    at = np.arange(1, most + 1)
    width = 0.7 / len(facts.groups)
    for number, group in enumerate(facts.groups):
        own = facts.sessions[facts.sessions["variant"] == group]
        if not len(own):
            continue
        ended, dropped = own["n_turns"].to_numpy(), own["status"].isin(_DROPPED).to_numpy()
        reached = [(ended >= turn).mean() for turn in at]
        lost = [((ended == turn) & dropped).mean() for turn in at]
        colour = facts.colour(group)
        ax.step(at, reached, where="mid", color=colour, linewidth=2, label=style.short(group))
        ax.bar(at + width * (number - (len(facts.groups) - 1) / 2), lost, width=0.9 * width, color=colour, alpha=0.45)
    ax.set_xlim(0.5, most + 0.5)
    ax.set_ylim(0, 1.03)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    style.percent_axis(ax, "y")
    if len(facts.groups) > 1:
        style.legend(ax, "upper right")
    context = f"{facts.context} · line: reached the turn · bar: hung up, timed out or broke off in it"
    beyond = f" (up to {longest:,})" if most < longest else ""
    return style.finish(ax, "Drop-off by turn", context, f"turn, the opening is the first{beyond}", "sessions, %")


LOG_KINDS: dict[str, Callable[[LogFacts, "Axes | None"], "Axes"]] = {
    "statuses": statuses,
    "turns": turns,
    "durations": durations,
    "errors": errors,
    "drop_off": drop_off,
}
