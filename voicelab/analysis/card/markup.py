"""Building blocks of the result card: escaped text, tables, intervals drawn on a common scale."""

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from voicelab.analysis.card.formats import is_known, written
from voicelab.base.accepted_types import Cell

_HEIGHT = 30
MOST_ROWS = 60
"""Rows of a table that are shown."""


def text(value: Cell) -> str:
    """Return text for between tags."""
    return html.escape(str(value), quote=False)


def attribute(value: Cell) -> str:
    """Return text for between the double quotes of an attribute."""
    return text(value).replace('"', "&quot;")


def figure(value: str) -> str:
    """Return a written number with the minus of typographers, which is as wide as a plus."""
    return text(value).replace("-", "−")


def dim(content: str) -> str:
    """Return markup in quiet letters."""
    return f'<span class="dim">{content}</span>'


def name_html(variant: Cell, role: str = "") -> str:
    """Return a name that a person gave, cut where it is too long."""
    return f'<span class="name {role}" title="{attribute(variant)}">{text(variant)}</span>'


def estimate_in_words(value: float | None, low: float | None, high: float | None, style: str) -> str:
    """Return a value and its interval in words."""
    if not is_known(value):
        return "no value"
    if not (is_known(low) and is_known(high)):
        return f"{written(value, style)}, no interval yet"
    return f"{written(value, style)}, interval {written(low, style)} to {written(high, style)}"


@dataclass(frozen=True)
class Head:
    """A head of a column: its markup, and whether what stands below is text, a number or drawn."""

    content: str
    style: str = "num"


def table(heads: Sequence[Head], rows: Iterable[tuple[str, Sequence[str]]], foot: str = "") -> str:
    """Return a table that scrolls where it is too tall or too wide.

    Args:
        heads: Heads of the columns.
        rows: Class and cells (markup) of each row.
        foot: A line below (markup).
    """
    top = "".join(f'<th class="{head.style}">{head.content}</th>' for head in heads)
    body = "".join(
        f'<tr class="{kind}">'
        + "".join(f'<td class="{head.style}">{cell}</td>' for head, cell in zip(heads, cells, strict=True))
        + "</tr>"
        for kind, cells in rows
    )
    below = f'<div class="small dim">{foot}</div>' if foot else ""
    return f'<div class="scroll"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>{below}'


def section(title: str, content: str, remark: str = "") -> str:
    """Return a part of the card with its title and a quiet remark beside it."""
    return f'<div class="part"><b>{text(title)}</b> <span class="dim small">{text(remark)}</span></div>{content}'


@dataclass(frozen=True)
class Scale:
    """A scale that the intervals of a table share.

    Attributes:
        low: Its left end.
        high: Its right end.
        ticks: Round values on it.
        mark: A value to compare with, drawn through every row: 0, or the mean of the default.
        factor: What ticks are multiplied with when written: 100 for shares.
        width: Of the drawing, in pixels.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    mark: float | None
    factor: float
    width: int = 228

    @classmethod
    def over(cls, values: Iterable[Any], mark: float | None, factor: float, width: int = 228) -> "Scale":
        """Return a scale that holds all values and the mark."""
        known = [float(value) for value in (*values, mark) if is_known(value)]
        low, high = (min(known), max(known)) if known else (0.0, 1.0)
        if high - low < 1e-12 * max(1.0, abs(high)):
            low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
        return cls(low, high, _round_values(low, high), mark, factor, width)

    def at(self, value: float) -> str:
        """Return where a value lies, in percent of the width."""
        share = (value - self.low) / (self.high - self.low)
        return f"{4 + 92 * min(1.0, max(0.0, share)):.2f}%"

    def head(self) -> str:
        """Return the written ticks."""
        labels = "".join(
            f'<text x="{self.at(tick)}" y="11" text-anchor="middle">{figure(f"{self.factor * tick:.6g}")}</text>'
            for tick in self.ticks
        )
        return f'<svg width="{self.width}" height="14" aria-hidden="true">{labels}</svg>'

    def draw(
        self,
        value: float | None,
        low: float | None,
        high: float | None,
        said: str,
        wider: tuple[Any, Any] = (None, None),
    ) -> str:
        """Return a value and its interval drawn; what is not known is left out.

        Args:
            value: The estimate.
            low: Lower end of the interval.
            high: Upper end.
            said: The same in words, for a pointer that rests on it and for screen readers.
            wider: Ends of another interval, drawn as a thin line.
        """
        lines = "".join(_upright(self.at(tick), "grid") for tick in self.ticks)
        lines += _upright(self.at(self.mark), "mark") if self.mark is not None else ""
        if is_known(wider[0]) and is_known(wider[1]):
            lines += f'<line x1="{self.at(wider[0])}" x2="{self.at(wider[1])}" y1="15" y2="15" class="thin"/>'
        if low is not None and high is not None and is_known(low) and is_known(high):
            lines += f'<line x1="{self.at(low)}" x2="{self.at(high)}" y1="15" y2="15" class="reach"/>'
        if value is not None and is_known(value):
            lines += f'<circle cx="{self.at(value)}" cy="15" r="4.5" class="dot"/>'
        return (
            f'<svg width="{self.width}" height="{_HEIGHT}" role="img" aria-label="{attribute(said)}">'
            f"<title>{text(said)}</title>{lines}</svg>"
        )


def scale_of(columns: list[Any], mark: float | None, kind: str | None, width: int = 228) -> Scale:
    """Return a scale that columns of values share, in percent for rates."""
    values = [value for column in columns for value in column]
    return Scale.over(values, mark, 100.0 if kind == "binary" else 1.0, width)


def _upright(x: str, kind: str) -> str:
    return f'<line x1="{x}" x2="{x}" y1="0" y2="{_HEIGHT}" class="{kind}"/>'


def _round_values(low: float, high: float) -> tuple[float, ...]:
    """Return three to five round values between two, 1, 2 or 5 times a power of ten apart."""
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(float(f"{at * step:.12g}") for at in range(first, last + 1))


def bar(share: float, tick: float | None = None) -> str:
    """Return a bar that is filled by a share from 0 to 1, with a tick at another share."""
    full = min(1.0, max(0.0, share))
    mark = f'<u style="left:{100 * tick:.2f}%"></u>' if tick is not None else ""
    return f'<div class="bar"><i style="transform:scaleX({full:.4f})"></i>{mark}</div>'


STYLE = """<style>
.vl-card{--fb:#fff;--fi:#1d232e;--fd:#5c6675;--fl:#e3e6ec}
@media (prefers-color-scheme:dark){.vl-card{--fb:#15181e;--fi:#e7e9ee;--fd:#a0a9b8;--fl:#2e343f}}
.vl-card{--bg:var(--jp-layout-color1,var(--vscode-editor-background,var(--fb)));
--ink:var(--jp-content-font-color1,var(--vscode-editor-foreground,var(--fi)));
--dim:var(--jp-content-font-color2,var(--vscode-descriptionForeground,var(--fd)));
--line:var(--jp-border-color2,var(--vscode-panel-border,var(--fl)));
--good:#00936b;--calm:#1f78c8;--bad:#d55e00;--odd:#9a7200;--tone:var(--calm);
box-sizing:border-box;width:880px;max-width:100%;padding:18px 20px 14px 25px;border:1px solid var(--line);
box-shadow:inset 5px 0 0 var(--tone);
border-radius:12px;background:var(--bg);color:var(--ink);overflow:hidden;
font:13.5px/1.5 var(--jp-ui-font-family,system-ui,-apple-system,"Segoe UI",sans-serif)}
@supports (color:color-mix(in srgb,red,blue)){.vl-card{--good:color-mix(in srgb,#009e73 82%,var(--ink));
--calm:color-mix(in srgb,#1c7ed6 80%,var(--ink));--bad:color-mix(in srgb,#e2600a 86%,var(--ink));
--odd:color-mix(in srgb,#b98500 72%,var(--ink))}}
.vl-card.winner{--tone:var(--good)}.vl-card.inconclusive{--tone:var(--odd)}.vl-card.invalid_srm{--tone:var(--bad)}
.vl-card .pill,.vl-card .chip{display:inline-block;border-radius:99px;padding:1px 10px;font-size:12px;margin-right:6px}
.vl-card .pill{background:var(--tone);color:var(--bg);font-weight:700}
.vl-card.doubted{--tone:var(--odd);--good:var(--odd)}.vl-card .pill.doubt{background:none;color:var(--tone);
box-shadow:inset 0 0 0 1.5px var(--tone)}
.vl-card .doubts{margin-top:10px;border-left:3px solid var(--odd);background:rgba(230,159,0,.15);padding:6px 11px;
border-radius:0 7px 7px 0;overflow-wrap:anywhere}.vl-card .longer{margin:10px 0 14px;overflow-wrap:anywhere}
.vl-card .chip{border:1px solid var(--line);color:var(--dim)}
.vl-card .tag{border-radius:4px;padding:0 5px;font-size:11px;font-weight:400;
margin-left:6px;border:1px solid var(--line);color:var(--dim)}
.vl-card .verdict{font-size:21px;line-height:1.3;font-weight:650;margin:9px 0 2px;overflow-wrap:anywhere}
.vl-card .next{font-size:14.5px;overflow-wrap:anywhere}
.vl-card .dim{color:var(--dim)}.vl-card .small{font-size:12px;overflow-wrap:anywhere}
.vl-card .tiles{display:flex;flex-wrap:wrap;gap:10px 26px;margin:14px 0 4px}
.vl-card .tile{flex:1 1 200px;min-width:0}.vl-card .tile b{display:block;font-size:19px;line-height:1.35;font-weight:650;
overflow:hidden;text-overflow:ellipsis;white-space:nowrap;font-variant-numeric:tabular-nums}
.vl-card .bar{position:relative;height:7px;border-radius:9px;background:var(--line);margin:5px 0}
.vl-card .bar i{display:block;height:7px;border-radius:9px;background:var(--tone);transform-origin:left}
.vl-card .bar u{position:absolute;top:-3px;height:13px;width:2px;background:var(--ink)}
.vl-card .part{margin:16px 0 0}.vl-card .scroll{display:grid;overflow:auto;max-height:34em;margin-top:4px;
scrollbar-width:thin;scrollbar-color:var(--dim) transparent}
.vl-card table{border-collapse:collapse;margin:0;font-size:13px;font-variant-numeric:tabular-nums}
.vl-card.vl-card tr:nth-child(n){background:none}.vl-card td,.vl-card th{padding:0 8px;border:0;white-space:nowrap;
border-bottom:1px solid var(--line);vertical-align:middle;text-align:right;height:31px;line-height:1.35}
.vl-card thead th{font-weight:400;font-size:12px;color:var(--dim);position:sticky;top:0;background:var(--bg);z-index:1;
vertical-align:bottom;padding-bottom:3px;padding-top:5px;height:auto}.vl-card thead{border:0}
.vl-card td.txt,.vl-card th.txt,.vl-card th.drawn,.vl-card td.drawn{text-align:left}
.vl-card td:first-child,.vl-card th:first-child{padding-left:0}.vl-card td:last-child,.vl-card th:last-child{padding-right:2px}
.vl-card .name{display:inline-block;max-width:17em;overflow:hidden;text-overflow:ellipsis;vertical-align:middle}
.vl-card svg{display:block;overflow:visible;color:var(--calm)}.vl-card svg text{font-size:11px;fill:var(--dim)}
.vl-card svg .grid{stroke:var(--line)}.vl-card svg .mark{stroke:var(--dim);stroke-dasharray:2 3}
.vl-card svg .thin{stroke:currentColor;stroke-width:1.6}
.vl-card svg .reach{stroke:currentColor;stroke-width:6;stroke-linecap:round;opacity:.36}.vl-card svg .dot{fill:currentColor}
.vl-card .lead svg{color:var(--good)}.vl-card .lead .name:not(.rival){color:var(--good);font-weight:650}
.vl-card .two td{padding-top:5px;padding-bottom:5px}.vl-card .ends{font-size:12.5px;padding-left:4%}
.vl-card .base svg{color:var(--dim)}.vl-card .harm svg{color:var(--bad)}
.vl-card .harm .name:not(.rival){color:var(--bad);font-weight:650}
.vl-card .said{font-weight:650;color:var(--dim)}.vl-card .said.harmed{color:var(--bad)}.vl-card .said.held{color:var(--good)}
.vl-card .warn{margin-top:8px;border-left:3px solid #e69f00;background:rgba(230,159,0,.13);padding:5px 11px;
border-radius:0 7px 7px 0;overflow-wrap:anywhere}
.vl-card .end{margin-top:14px;padding-top:9px;border-top:1px solid var(--line)}
.vl-card details summary{cursor:pointer}
.vl-card{container-type:inline-size}@container (max-width:700px){.vl-card svg{width:96px}
.vl-card td,.vl-card th{padding:0 5px}.vl-card .two td:not(.txt),.vl-card thead th{white-space:normal}
.vl-card .name{max-width:10em}}
</style>"""
