"""Writes what `calibration` measured: docs/calibration.md and docs/calibration.svg."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from calibration_cells import Cell, monte_carlo_error

if TYPE_CHECKING:
    from collections import Counter

DOCS = Path(__file__).parent.parent / "docs"

WHOLE = 2_000
"""Tests of each setting in a whole run."""
MOSTLY = 0.5
"""Share of tests with a doubt from which a cell is approximate."""


@dataclass(frozen=True)
class Measured:
    """What the tests of one cell came to.

    Attributes:
        cell: The cell.
        null: Counts of the tests without a difference (see `calibration_runs.counts_of`).
        effect: Counts of those with one; empty without.
        missed: Which figures lie beyond what is required, as `calibration.judge` names them.
    """

    cell: Cell
    null: "Counter[str]"
    effect: "Counter[str]"
    missed: tuple[str, ...] = ()

    def share(self, what: str, of: str = "tests", effect: bool = False) -> float:
        """Return a share in percent; NaN of nothing."""
        counts = self.effect if effect else self.null
        return 100 * counts[what] / counts[of] if counts[of] else float("nan")

    @property
    def is_approximate(self) -> bool:
        """Whether most tests say of themselves that they are, and the cell makes no promise all the same."""
        return not self.cell.strict and self.null["marked"] > MOSTLY * self.null["tests"]

    @property
    def kept(self) -> str:
        """Which false stops have the bound: those that carry no doubt; where the cell is strict, all."""
        return "wrong" if self.cell.strict else "wrong, unmarked"

    def with_error(self, what: str, effect: bool = False) -> str:
        """Return a share with its Monte-Carlo error."""
        counts = self.effect if effect else self.null
        share = self.share(what, effect=effect)
        return f"{share:.1f} ± {100 * monte_carlo_error(share / 100, counts['tests']):.1f}"


_INTRO = """# Calibration: what was promised, and what {tests:,} tests did

Made by `python benchmarks/calibration.py`, which runs it again; {replications:,} tests of each setting without any
difference between its variants{fewer}.{short} All of them went through the `Monitor` that decides tests, with a look after every
session. Everything is seeded, each setting by its name: whoever runs it again finds the same figures.

- **false stops**: tests that named a winner (or what else the setting is about) though there is none, in percent, with the
  Monte-Carlo error; the bound is what the rule leaves to error. {few_hits}
- **doubted**: tests whose decision says that it is approximate. A rate, and a mean with bounds or a cap, never does.
- **interval held**: tests whose interval, said to hold at every look, held at every look up to the declared number of
  sessions, without and with the effect; at least 94 are required.
- **estimate too high**: of the median-unbiased estimates at the stop, those above the truth where there is an effect; 45 to
  55 are allowed, but for rates where an arm expects fewer than five hits, whose estimates take but a few values. Beside it how often
  the interval that belongs to the estimate held the truth, of which nothing is required.
- **found**: tests with an effect that named the right variant, and what one look at all sessions would have found by the usual
  test (pooled z or Fisher's for rates, Welch's t for means, Cochran's over epochs, cluster-robust z for callers, adjusted for
  several variants in the same way). At least nine tenths of that are required, or what had been measured before, less a point.
  Three settings find less than nine tenths and are held to what was reached: marks from 1 to 5 in a small arm, which pay for
  taking their skewness into account; 15 sessions with four times the spread, which pay for Student's t; and a pair among
  eight variants, for which a fifth of the error is kept.
  In settings without a horizon the effects are so large that one look nearly always finds them: who may look forever pays
  for it. Effects stand in brackets.
"""
_FEW_HITS = (
    "5.5 instead of 5 stands where not even one hit is to be expected in the smaller arm: there a test says something by its "
    "first hit, or nothing."
)


def write(found: Sequence[Measured], replications: int) -> None:
    """Write the report and its picture."""
    kept = [each for each in found if not each.is_approximate]
    approximate = [each for each in found if each.is_approximate]
    tests = sum(each.null["tests"] + (each.effect["tests"] if each.effect is not each.null else 0) for each in found)
    smallest = min(each.effect["tests"] for each in found if each.effect)
    fewer = f", and {smallest:,} or more of each with one" if smallest < replications else ", and as many with one"
    short = f" A whole run has {WHOLE:,} of each: with fewer, errors are wider." if replications < WHOLE else ""
    lines = [
        _INTRO.format(tests=tests, replications=replications, fewer=fewer, short=short, few_hits=_FEW_HITS),
        _verdict(found),
        "",
    ]
    lines += ["![False stops of each setting beside its bound](calibration.svg)", ""]
    for group, cells in groupby(kept, key=lambda each: each.cell.group):
        lines += [f"## {group}", "", *_table(_PROMISED, cells), ""]
    if approximate:
        lines += [
            "## Approximate, and said so by the decision",
            "",
            _APPROXIMATE_INTRO,
            *_table(_APPROXIMATE, approximate),
        ]
    (DOCS / "calibration.md").write_text("\n".join(lines).rstrip() + "\n")
    draw(kept, DOCS / "calibration.svg")


_APPROXIMATE_INTRO = """Most of these tests carry a doubt before their verdict. No bound is promised for them: this is what was measured. Those
that carry none keep the bound all the same (last column).
"""


def _verdict(found: Sequence[Measured]) -> str:
    n = sum(len(each.missed) for each in found)
    if not n:
        return "No figure lies beyond what is required by more than three Monte-Carlo errors."
    return f"**{n} figures lie beyond what is required by more than three Monte-Carlo errors**: they stand in bold."


# --- tables ----------------------------------------------------------------------------------------------------------


def _false(each: Measured) -> str:
    more = each.null["wrong"] != each.null[each.kept]
    return each.with_error(each.kept) + (f" ({each.share('wrong'):.1f} with doubted ones)" if more else "")


def _held(each: Measured) -> str:
    effects = (False, True) if each.effect is not each.null else (False,)
    names = {False: "interval held", True: "interval held, with the effect"}
    parts = [_bold(each, names[effect], _plain(each.share("held", "intervals", effect))) for effect in effects]
    return " / ".join(part for part in parts if part)


_Column = tuple[str, str, Callable[[Measured], str]]
"""Its head, the figure that it shows, and the text of a cell."""
_SETTING: _Column = ("setting", "", lambda each: each.cell.name)
_DOUBTED: _Column = ("doubted, %", "doubted", lambda each: _plain(each.share("marked")))
_POWER: tuple[_Column, ...] = (
    ("found, %", "found", lambda each: each.with_error("right", effect=True) if each.effect else ""),
    ("by one look, %", "", lambda each: _plain(each.share("by one look", effect=True))),
)
_PROMISED: tuple[_Column, ...] = (
    _SETTING,
    ("false stops, %", "false", _false),
    ("bound", "", lambda each: f"{each.cell.bound_percent:g}"),
    _DOUBTED,
    ("interval held, %", "", _held),
    ("estimate too high, %", "estimate too high", lambda each: _plain(each.share("above", "estimates", effect=True))),
    ("its interval held, %", "", lambda each: _plain(each.share("its interval held", "its intervals", effect=True))),
    *_POWER,
)
_APPROXIMATE: tuple[_Column, ...] = (
    _SETTING,
    ("false stops, %", "", lambda each: each.with_error("wrong")),
    _DOUBTED,
    ("interval held, %", "", lambda each: _plain(each.share("held", "intervals"))),
    *_POWER,
    ("false without a doubt, %", "false", lambda each: each.with_error("wrong, unmarked")),
)


def _table(columns: Sequence[_Column], cells: Iterable[Measured]) -> list[str]:
    rows = [[head for head, _, _ in columns], ["---"] * len(columns)]
    rows += [[_bold(each, figure, text(each)) for _, figure, text in columns] for each in cells]
    return [f"| {' | '.join(row)} |" for row in rows]


def _bold(each: Measured, figure: str, text: str) -> str:
    return f"**{text}**" if text and figure in each.missed else text


def _plain(number: float) -> str:
    return f"{number:.1f}" if number == number else ""  # noqa: PLR0124 - NaN is not


def draw(kept: Sequence[Measured], path: Path) -> None:
    """Draw false stops beside their bounds."""
    import matplotlib as mpl

    mpl.use("Agg")
    # Text stays text: a tenth of the size. The salt keeps names of parts the same from run to run.
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "calibration", "font.family": "sans-serif"}
    import matplotlib.pyplot as plt
    import pandas as pd

    from voicelab import plots
    from voicelab.decision.stats.fixed import wilson
    from voicelab.plots import style

    rows = []
    for each in kept:
        n, wrong = each.null["tests"], each.null[each.kept]
        low, high = wilson(wrong, n)
        rows.append((each.cell.name, wrong / n, low, high, each.cell.bound_percent / 100))
    frame = pd.DataFrame(rows, columns=["setting", "false_stops", "low", "high", "bound"])
    figure, ax = plt.subplots(figsize=(9.5, 1.2 + 0.2 * len(frame)), layout="constrained", facecolor="none")
    ax.set_facecolor("none")
    plots.calibration(frame, ax)
    ax.set_yticks(range(len(frame)), [style.plain(name) for name in frame["setting"]])
    ax.tick_params(labelsize=8)
    ax.set_ylabel("")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
