"""The result of an analysis: frames, the decision, and how they show themselves."""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from voicelab.rules import Kind, StopDecision, StopRule


@dataclass(frozen=True)
class Column:
    """A column of a displayed table: where it comes from, its head, and how it is written."""

    key: str
    head: str
    style: str


_VARIANTS = (
    Column("variant", "variant", "text"),
    Column("sessions", "sessions", "count"),
    Column("share", "share", "percent"),
    Column("weight", "weight", "percent"),
    Column("mean", "{mean}", "{value}"),
    Column("mean_ci_lower", "95 % from", "{value}"),
    Column("mean_ci_upper", "to", "{value}"),
)
_COMPARISONS = (
    Column("variant", "variant", "text"),
    Column("baseline", "against", "text"),
    Column("difference", "difference", "{difference}"),
    Column("difference_cs_lower", "always from", "{difference}"),
    Column("difference_cs_upper", "to", "{difference}"),
    Column("confidence", "confidence", "confidence"),
    Column("p_value_fixed", "fixed-sample p", "p"),
)


@dataclass(frozen=True, repr=False)
class Result:
    """The analysis of one test.

    Attributes:
        variants: One row a variant: sessions, weight, share, n (sessions with a value), conversions, mean, interval of
            the mean (fixed-sample, 95 %), is_default.
        comparisons: One row a pair: difference (variant minus baseline), its interval that holds at every look
            (`_cs_`), lift, p_value and p_value_adjusted (both valid at every look), confidence in percent, and the
            fixed-sample companions (`_fixed`, `_ci_`), which hold for one look alone.
        srm: Sample ratio: n, observed, expected, p_value_fixed, p_value (valid at every look), alarm.
        decision: What to do.
        path: The confidence after so many sessions, thinned for display.
        excluded: Sessions that are not counted, or counted with a value they didn't write, by reason.
        warnings: What needs care, a sentence each.
        outcome: The outcome that the test is judged by.
        kind: Its kind: binary, count, float; None if it was never recorded.
        source: Where the sessions are from.
        rule: The stop rule.
    """

    variants: pd.DataFrame
    comparisons: pd.DataFrame
    srm: dict[str, Any]
    decision: StopDecision
    path: pd.DataFrame
    excluded: pd.DataFrame
    warnings: list[str]
    outcome: str | None
    kind: Kind | None
    source: str
    rule: StopRule

    def to_frame(self) -> pd.DataFrame:
        """Return the variants, each with its comparison against the default (or the first variant)."""
        against = self.comparisons.drop_duplicates("variant").drop(columns="baseline")
        return self.variants.merge(against, on="variant", how="left")

    @property
    def head(self) -> list[str]:
        """The facts under the verdict."""
        decision = self.decision
        confidence = (
            "no confidence" if decision.confidence is None else f"confidence {_confidence(decision.confidence)}"
        )
        valid = "one look only" if self.rule.method == "fixed" else "valid at every look"
        of = f" of {self.rule.max_iterations:,}" if self.rule.max_iterations else ""
        facts = [
            self.source,
            f"test {decision.test}",
            f"outcome {self.outcome}" if self.outcome else "no outcome",
            confidence if decision.confidence is None else f"{confidence}, {valid}",
            f"{'decided at' if decision.should_stop else 'after'} {decision.sessions:,}{of} sessions",
            f"reason: {decision.reason}" if decision.should_stop else "",
        ]
        return [fact for fact in facts if fact]

    @property
    def method(self) -> str:
        """Which method was used, and why."""
        shares = "shares disagree with the weights" if self.srm["alarm"] else "shares agree with the weights"
        if self.rule.method == "fixed":
            return f"Method: fixed-sample test, because the rule asks for it · {shares}"
        if self.rule.max_iterations is None:
            return f"Method: none, since no number of sessions is declared · {shares}"
        pairs = len(self.comparisons)
        closed = f", closed over {pairs} pairs" if pairs > 1 else ""
        return (
            f"Method: group-sequential boundary over the declared {self.rule.max_iterations:,} sessions{closed} · "
            f"{shares} (p {_p(self.srm['p_value'])})"
        )

    def __repr__(self) -> str:
        decision = self.decision
        confidence = "none" if decision.confidence is None else _confidence(decision.confidence)
        return f"Result({decision.test}: {decision.conclusion}, leader {decision.leader}, confidence {confidence})"

    def __str__(self) -> str:
        parts = [self.decision.sentence, " · ".join(self.head), "", _text_table(*self._table(_VARIANTS, self.variants))]
        parts += ["", _text_table(*self._table(_COMPARISONS, self.comparisons))]
        if len(self.excluded):
            parts += ["", *(f"{row.sessions:>8,}  {row.reason}" for row in self.excluded.itertuples())]
        parts += ["", *(f"! {warning}" for warning in self.warnings)] if self.warnings else []
        return "\n".join([*parts, "", self.method])

    def _repr_html_(self) -> str:
        excluded = "; ".join(f"{row.sessions:,} {row.reason}" for row in self.excluded.itertuples())
        warned = "".join(
            f"<div style='border-left:3px solid #f59e0b;background:rgba(245,158,11,.13);padding:4px 10px;margin-top:6px'>"
            f"{html.escape(warning)}</div>"
            for warning in self.warnings
        )
        dim = "opacity:.7;font-size:90%;margin-top:6px"
        return (
            "<div style='font-family:var(--jp-ui-font-family,system-ui,sans-serif);max-width:860px;padding:12px 16px;"
            "border:1px solid var(--jp-border-color2,#d8dce3);border-radius:12px;"
            "color:var(--jp-ui-font-color1,CanvasText)'>"
            f"<div style='font-size:125%;font-weight:600'>{html.escape(self.decision.sentence)}</div>"
            f"<div style='opacity:.7'>{html.escape(' · '.join(self.head))}</div>"
            f"{_html_table(*self._table(_VARIANTS, self.variants))}"
            f"{_html_table(*self._table(_COMPARISONS, self.comparisons))}{warned}"
            f"<div style='{dim}'>{html.escape(self.method)}"
            f"{'<br>Not as usual: ' + html.escape(excluded) if excluded else ''}</div></div>"
        )

    def _table(self, columns: Sequence[Column], frame: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
        binary = self.kind == "binary"
        names = {"mean": "rate" if binary else "mean"}
        styles = {"value": "percent" if binary else "number", "difference": "points" if binary else "signed"}
        heads = [column.head.format(**names) for column in columns]
        rows = []
        for row in frame.to_dict("records"):
            cells = [_written(row[column.key], column.style.format(**styles)) for column in columns]
            if row.get("is_default"):
                cells[0] += " (default)"
            rows.append(cells)
        return heads, rows


def _written(value: Any, style: str) -> str:
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "–"
    return str(_STYLES[style](value))


def _confidence(value: float) -> str:
    # Never 100 %: no amount of data gives certainty.
    return f"{min(value, 99.99):.2f} %" if value > 99.9 else f"{value:.1f} %"  # noqa: PLR2004 - a second decimal there


def _p(value: float) -> str:
    return "< .0001" if value < 0.0001 else f"{value:.4f}"  # noqa: PLR2004 - four decimals


_STYLES: dict[str, Any] = {
    "text": str,
    "count": "{:,}".format,
    "percent": "{:.1%}".format,
    "number": "{:,.3g}".format,
    "signed": "{:+,.3g}".format,
    "points": lambda value: f"{100 * value:+.1f} points",
    "confidence": _confidence,
    "p": _p,
}


def _text_table(heads: list[str], rows: list[list[str]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(heads, *rows, strict=True)]
    lines = []
    for cells in [heads, *rows]:
        first, *rest = zip(cells, widths, strict=True)
        lines.append("  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]).rstrip())
    return "\n".join(lines)


def _html_table(heads: list[str], rows: list[list[str]]) -> str:
    def cells(tag: str, texts: list[str]) -> str:
        align = ["left", *["right"] * (len(texts) - 1)]
        return "".join(
            f"<{tag} style='text-align:{a};padding:3px 8px;font-weight:400'>{html.escape(t)}</{tag}>"
            for a, t in zip(align, texts, strict=True)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        "<table style='border-collapse:collapse;margin-top:8px;font-variant-numeric:tabular-nums'>"
        f"<thead style='opacity:.7'><tr>{cells('th', heads)}</tr></thead><tbody>{body}</tbody></table>"
    )
