"""What the result card shows beside the target: other outcomes, guardrails, segments, the platform's own numbers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from voicelab.analysis.card.formats import MISSING, from_to, is_known, lift_text, styles_of, written
from voicelab.analysis.card.markup import (
    MOST_ROWS,
    Head,
    dim,
    estimate_in_words,
    figure,
    name_html,
    scale_of,
    section,
    table,
    text,
)
from voicelab.base.accepted_types import Cell
from voicelab.plots.result_like import ResultLike

_ENDS = ("", "_cs_lower", "_cs_upper")


def outcomes_table(result: ResultLike) -> str:
    """Return the other outcomes, each pair with the default (all pairs without one), on a scale for each outcome."""
    frame = getattr(result, "outcomes", None)
    if frame is None or not len(frame) or "difference" not in frame.columns:
        return ""
    rows = _against_default(frame.to_dict("records"), result.rule.default)
    by_outcome: dict[str, list[dict[str, Any]]] = {}
    for row in rows[:MOST_ROWS]:
        by_outcome.setdefault(row["outcome"], []).append(row)
    heads = [
        Head("outcome", "txt"),
        Head("variant", "txt"),
        Head("difference"),
        Head("interval valid at every look", "drawn"),
        Head("from / to"),
        Head("confidence"),
    ]
    body = [
        ("two", [name_html(outcome) if at == 0 else "", *cells])
        for outcome, own in by_outcome.items()
        for at, cells in enumerate(_compared(own))
    ]
    rest = len(frame) - len(body)
    foot = f"{rest:,} other pair{'s' if rest > 1 else ''} in result.outcomes" if rest else ""
    remark = "reported beside the target, they never stop the test; confidence is adjusted over all of them"
    return section("Other outcomes", table(heads, body, foot), remark)


def _against_default(rows: list[dict[str, Any]], default: str | None) -> list[dict[str, Any]]:
    against = [row for row in rows if row["baseline"] == default]
    return against or rows


def _compared(rows: list[dict[str, Any]]) -> list[list[str]]:
    """Return the cells of the comparisons of one outcome."""
    kind = rows[0].get("kind")
    style = styles_of(kind)["difference"]
    scale = scale_of([[row.get(f"difference{end}") for end in _ENDS] for row in rows], 0.0, kind, 150)
    cells = []
    for row in rows:
        value, low, high = (row.get(f"difference{end}") for end in _ENDS)
        relative = f"<br>{dim(figure(lift_text(row['lift'])) + ' relative')}" if is_known(row.get("lift")) else ""
        ends = f"{figure(written(low, style)).removesuffix(' points')}<br>{figure(written(high, style))}"
        cells.append(
            [
                f"{name_html(row['variant'])}<br>{dim('over ' + name_html(row['baseline'], 'rival'))}",
                figure(written(value, style)) + relative,
                scale.draw(value, low, high, estimate_in_words(value, low, high, style)),
                ends if is_known(low) or is_known(high) else dim(MISSING),
                text(written(row.get("confidence"), "confidence")),
            ]
        )
    return cells


def guardrails(frame: pd.DataFrame | None) -> str:
    """Return what each variant does to the guardrails: the verdict, and the difference beside what is allowed."""
    if frame is None or not len(frame):
        return ""
    heads = [
        Head("guardrail", "txt"),
        Head("variant", "txt"),
        Head("verdict", "txt"),
        Head("difference"),
        Head("interval valid at every look", "drawn"),
        Head("from / to"),
    ]
    by_outcome: dict[str, list[dict[str, Any]]] = {}
    for row in frame.to_dict("records")[:MOST_ROWS]:
        by_outcome.setdefault(row["outcome"], []).append(row)
    body = [(kind, cells) for own in by_outcome.values() for kind, cells in _guarded(own)]
    rest = len(frame) - len(body)
    foot = f"{rest:,} more row{'s' if rest > 1 else ''} in result.guardrails" if rest else ""
    return section("Guardrails", table(heads, body, foot), GUARDRAILS_REMARK)


GUARDRAILS_REMARK = (
    "they don't stop the test. Harmed: surely worse (Holm over all of them); held: surely worse by less than the margin, if at "
    "all (each by itself, since a variant is clear only if all of them hold)"
)


def allowed_text(row: Mapping[str, Any]) -> str:
    """Return what a guardrail allows, in words."""
    verb = "fall" if row["direction"] == "maximize" else "grow"
    if not row["margin"]:
        return f"must not {verb}"
    return f"may {verb} by {written(row['margin'], styles_of(row['kind'])['difference']).removeprefix('+')}"


def _guarded(rows: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return class and cells of the variants of one guardrail; what is allowed is marked on their scale."""
    kind = rows[0].get("kind")
    style = styles_of(kind)["difference"]
    edge = -rows[0]["margin"] if rows[0]["direction"] == "maximize" else rows[0]["margin"]
    scale = scale_of([[edge, 0.0], *([row.get(f"difference{end}") for end in _ENDS] for row in rows)], edge, kind, 150)
    found = []
    for at, row in enumerate(rows):
        value, low, high = (row.get(f"difference{end}") for end in _ENDS)
        ends = f"{figure(written(low, style)).removesuffix(' points')}<br>{figure(written(high, style))}"
        out = f"{row['excluded']:,.0f} left out" if is_known(row["excluded"]) and row["excluded"] else ""
        cells = [
            f"{name_html(row['outcome'], 'rival')}<br>{dim(text(allowed_text(row)))}" if at == 0 else "",
            f"{name_html(row['variant'])}<br>{dim('over ' + name_html(row['baseline'], 'rival'))}",
            f'<span class="said {row["verdict"]}">{_VERDICTS[row["verdict"]]}</span><br>{dim(_how_sure(row))}',
            figure(written(value, style)) + (f"<br>{dim(out)}" if out else ""),
            scale.draw(value, low, high, estimate_in_words(value, low, high, style)),
            ends if is_known(low) or is_known(high) else dim(MISSING),
        ]
        found.append(("two harm" if row["verdict"] == "harmed" else "two", cells))
    return found


def _how_sure(row: Mapping[str, Any]) -> str:
    harmed, held = (text(written(row[name], "confidence")) for name in ("confidence", "confidence_held"))
    return {"harmed": harmed, "held": held}.get(row["verdict"], f"harmed {harmed}, held {held}")


_VERDICTS = {"harmed": "harmed", "held": "held", "unknown": "not yet known"}


def segments_table(result: ResultLike) -> str:
    """Return each variant against the default within each segment."""
    frame = getattr(result, "segments", None)
    if frame is None or not len(frame) or "difference" not in frame.columns:
        return ""
    rows = frame.to_dict("records")
    styles = styles_of(result.kind)
    scale = scale_of(
        [[row.get(f"difference{e}") for e in ("", "_cs_lower", "_cs_upper")] for row in rows], 0.0, result.kind
    )
    heads = [
        Head("segment", "txt"),
        Head("variant", "txt"),
        Head("difference"),
        Head(f"interval valid at every look{scale.head()}", "drawn"),
    ]
    body = []
    for row in rows[:MOST_ROWS]:
        value, low, high = (row.get(f"difference{end}") for end in ("", "_cs_lower", "_cs_upper"))
        drawn = scale.draw(value, low, high, estimate_in_words(value, low, high, styles["difference"]))
        over = f" {dim('over ' + name_html(row['baseline']))}" if is_known(row.get("baseline")) else ""
        difference = figure(written(value, styles["difference"]))
        body.append(("", [name_html(row["segment"]), name_html(row["variant"]) + over, difference, drawn]))
    rest = len(rows) - len(body)
    return section("Segments", table(heads, body, f"{rest:,} more rows in result.segments" if rest else ""))


def interactions_table(result: ResultLike) -> str:
    """Return by how much each difference is another one beside another variant of another test."""
    frame = getattr(result, "interactions", None)
    if frame is None or not len(frame):
        return ""
    rows = frame.to_dict("records")
    style = styles_of(result.kind)["difference"]
    scale = scale_of([[row.get(f"difference{end}") for end in _ENDS] for row in rows], 0.0, result.kind, 150)
    heads = [
        Head("test", "txt"),
        Head("beside", "txt"),
        Head("variant", "txt"),
        Head("difference changes by"),
        Head(f"interval valid at every look{scale.head()}", "drawn"),
        Head("confidence"),
    ]
    body = []
    for row in rows[:MOST_ROWS]:
        value, low, high = (row.get(f"difference{end}") for end in _ENDS)
        cells = [
            name_html(row["other_test"]),
            f"{name_html(row['other_variant'])}<br>{dim('against ' + name_html(row['other_baseline'], 'rival'))}",
            f"{name_html(row['variant'])}<br>{dim('over ' + name_html(row['baseline'], 'rival'))}",
            figure(written(value, style)),
            scale.draw(value, low, high, estimate_in_words(value, low, high, style)),
            text(written(row.get("confidence"), "confidence")),
        ]
        body.append(("two", cells))
    rest = len(rows) - len(body)
    remark = "each test's answer holds whatever the others do: it is an average over their variants. This stops nothing"
    foot = f"{rest:,} more in result.interactions" if rest else ""
    return section("Other tests at the same time", table(heads, body, foot), remark)


def platform(numbers: pd.DataFrame | Mapping[str, Cell] | Sequence[Mapping[str, Cell]] | None) -> str:
    """Return what an export says itself."""
    if numbers is None or not len(numbers):
        return ""
    if isinstance(numbers, Mapping):
        numbers = pd.DataFrame(list(numbers.items()), columns=["number", "value"])
    frame = numbers if isinstance(numbers, pd.DataFrame) else pd.DataFrame(numbers)
    return section("The platform's own numbers", _frame(frame), "as exported; not computed here")


def _frame(frame: pd.DataFrame) -> str:
    """Return a frame whose columns are not known beforehand; their names say how they are written."""
    lows = {str(c) for c in frame.columns if str(c).endswith("_lower") and f"{str(c)[:-6]}_upper" in frame.columns}
    columns = [str(c) for c in frame.columns if str(c)[:-6] + "_lower" not in lows or str(c) in lows]
    columns = [column for column in columns if column not in {"kind", "harmed"}]
    rows = frame.to_dict("records")
    heads = [Head(text(_title(c, lows)), "txt" if _is_text(row.get(c) for row in rows) else "num") for c in columns]
    body = [("harm" if row.get("harmed") is True else "", [_cell(row, c, lows) for c in columns]) for row in rows]
    rest = len(body) - MOST_ROWS
    return table(heads, body[:MOST_ROWS], f"{rest:,} more rows" if rest > 0 else "")


def _is_text(values: Iterable[Cell]) -> bool:
    return any(isinstance(value, str) for value in values)


def _title(column: str, lows: set[str]) -> str:
    if column not in lows:
        return column.replace("_", " ")
    return "interval valid at every look" if "_cs_" in column else "interval for one look"


def _cell(row: Mapping[str, Any], column: str, lows: set[str]) -> str:
    value = row.get(column)
    if isinstance(value, str):
        return name_html(value)
    style = _style(column, value, row.get("kind"))
    if column in lows:
        return figure(from_to(value, row.get(f"{column[:-6]}_upper"), style))
    return figure(written(value, style))


def _style(column: str, value: Cell, kind: str | None) -> str:
    """Return how a column is written: by its name, the kind of the row's outcome, and the value."""
    if isinstance(value, bool):
        return "flag"
    if value is None or (not isinstance(value, int | float) and not hasattr(value, "dtype")):
        return "text"
    known = styles_of(kind if isinstance(kind, str) else None)
    for beginning, style in (("confidence", "confidence"), ("p_value", "p"), ("lift", "lift"), ("share", "percent"),
                             ("weight", "percent"), ("rate", "percent"), ("difference", known["difference"]),
                             ("mean", known["value"])):  # fmt: skip
        if column.startswith(beginning):
            return style
    return "count" if float(value).is_integer() else "number"
