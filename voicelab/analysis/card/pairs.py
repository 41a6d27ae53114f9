"""The pairs of variants on the result card: those that the criterion looks at, and how far they lie apart."""

from collections.abc import Mapping
from typing import Any

from voicelab.analysis.card.formats import from_to, is_known, lift_text, styles_of, written
from voicelab.analysis.card.markup import (
    MOST_ROWS,
    Head,
    Scale,
    dim,
    estimate_in_words,
    figure,
    name_html,
    scale_of,
    section,
    table,
    text,
)
from voicelab.decision.wording import holds, marks
from voicelab.plots.result_like import ResultLike

_INTERVALS = ("cs", "ci", "mue", "worst")
_CRITERIA = {
    "best": "the leader has to beat every rival",
    "vs_default": "each variant against the default",
    "any_difference": "any two variants that differ",
}
_AT_THE_STOP = (
    "The estimate at the stop is median-unbiased: as often too high as too low, for a pair that was fixed beforehand. It "
    "flatters less than the plain difference; it doesn't remove the winner's curse: among tests with a winner it is still "
    "too high on average."
)
_OF_SEVERAL = (
    "Of several variants it is approximate: each pair is estimated where it was first sure by itself, also where the test "
    "went on."
)
_AT_WORST = "At worst: the difference whatever the missing outcomes are, each taken as the lowest or highest value."


def turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison the other way round; a lift has another base then, and is left out."""
    other = dict(row) | {"variant": row["baseline"], "baseline": row["variant"], "lift": None}
    for of in _INTERVALS:
        low, high = f"difference_{of}_lower", f"difference_{of}_upper"
        other[low], other[high] = negative(row.get(high)), negative(row.get(low))
    for value in ("difference", "difference_mue"):
        other[value] = negative(row.get(value))
    return other


def negative(value: float | None) -> float | None:
    """Return the number below 0 that is as large, None where there is none."""
    return -value if value is not None and is_known(value) else None


def against(result: ResultLike, variant: str) -> dict[str, dict[str, Any]]:
    """Return the comparisons of a variant by the other one, each as the variant minus the other."""
    rows = result.comparisons.to_dict("records")
    own = [row for row in rows if row["variant"] == variant]
    own += [turned(row) for row in rows if row["baseline"] == variant]
    return {row["baseline"]: row for row in own}


def deciding(result: ResultLike) -> list[dict[str, Any]]:
    """Return the pairs that the criterion looks at, the least certain first: it is the one that holds the test up."""
    leader, rule = result.decision.leader, result.rule
    if rule.criterion == "best" and leader is not None:
        rows = list(against(result, leader).values())
    elif rule.criterion == "vs_default" and rule.default is not None:
        rows = [turned(row) for row in against(result, rule.default).values()]
    else:
        rows = list(result.comparisons.to_dict("records"))
    rows = [row for row in rows if is_known(row.get("difference"))]
    rows.sort(key=lambda row: row["confidence"] if is_known(row.get("confidence")) else -1.0)
    return rows[:MOST_ROWS]


def pairs_table(result: ResultLike) -> str:
    """Return the pairs that decide, each with its difference on a common scale."""
    rows = deciding(result)
    if not rows:
        return ""
    styles, doubts = styles_of(result.kind), result.decision.doubts
    ended = any(is_known(row.get("difference_mue")) for row in rows)
    shown = ("", "_cs_lower", "_cs_upper", *(("_mue", "_mue_lower", "_mue_upper") if ended else ()))
    scale = scale_of([[row.get(f"difference{end}") for end in shown] for row in rows], 0.0, result.kind, 176)
    level = f"{result.rule.max_confidence or 95.0:g} % interval"
    unit = "points" if result.kind == "binary" else "difference"
    drawn = f"{unit}, {level}<br>{holds(doubts)}"
    if not any(is_known(row.get("difference_cs_lower")) for row in rows):
        drawn = unit
    elif ended:
        drawn = f"{unit}, {level}<br>at the stop (thick) and<br>{holds(doubts)} (thin)"
    heads = [
        Head("pair", "txt"),
        Head("estimate<br>at the stop" if ended else "difference"),
        Head(f"{drawn}{scale.head()}", "drawn"),
        Head("confidence" + (",<br>approximate" if "Approximate" in marks(doubts) else "")),
        Head("fixed-sample p,<br>one look"),
    ]
    body = [
        ("two lead" if row["variant"] == result.decision.leader else "two", _pair(row, scale, styles)) for row in rows
    ]
    rest = len(result.comparisons) - len(rows)
    feet = [f"{rest:,} other pair{'s' if rest > 1 else ''} in result.comparisons"] if rest else []
    feet += [_AT_THE_STOP] if ended else []
    feet += [_OF_SEVERAL] if ended and len(result.variants) > 2 else []  # noqa: PLR2004 - a pair
    feet += [_AT_WORST] if any(is_known(row.get("difference_worst_lower")) for row in rows) else []
    return section(
        "The pairs that decide", table(heads, body, "<br>".join(feet)), _CRITERIA.get(result.rule.criterion, "")
    )


def _pair(row: Mapping[str, Any], scale: Scale, styles: Mapping[str, str]) -> list[str]:
    style = styles["difference"]
    cells = _estimated_at_the_stop if is_known(row.get("difference_mue")) else _as_seen
    return [
        f"{name_html(row['variant'])}<br>{dim('over ' + name_html(row['baseline'], 'rival'))}",
        *cells(row, scale, style),
        f"<b>{text(written(row.get('confidence'), 'confidence'))}</b>",
        dim(text(written(row.get("p_value_fixed"), "p"))),
    ]


def _as_seen(row: Mapping[str, Any], scale: Scale, style: str) -> list[str]:
    """Return the difference with the interval that holds at every look: the number, and the drawing above its ends."""
    value, low, high = (row.get(f"difference{end}") for end in ("", "_cs_lower", "_cs_upper"))
    relative = f"<br>{dim(_relative(row))}" if _relative(row) else ""
    drawn = scale.draw(value, low, high, estimate_in_words(value, low, high, style))
    ends = figure(from_to(low, high, style)) if is_known(low) or is_known(high) else dim("no interval")
    return [figure(written(value, style)) + relative, drawn + _ends(ends, _at_worst(row, style))]


def _estimated_at_the_stop(row: Mapping[str, Any], scale: Scale, style: str) -> list[str]:
    """Return the estimate at the stop first, what is known at every look beside it."""
    value, low, high = (row.get(f"difference_mue{end}") for end in ("", "_lower", "_upper"))
    always = row.get("difference_cs_lower"), row.get("difference_cs_upper")
    every_look = from_to(*always, style)
    said = f"at the stop: {estimate_in_words(value, low, high, style)}; at every look: {every_look}"
    plain = ",<br>".join(
        part for part in (f"plain: {figure(written(row.get('difference'), style))}", _relative(row)) if part
    )
    ends = figure(from_to(low, high, style)) if is_known(low) else dim("no interval of its own")
    return [
        f"{figure(written(value, style))}<br>{dim(plain)}",
        scale.draw(value, low, high, said, always)
        + _ends(ends, dim("every look: " + figure(every_look)), _at_worst(row, style)),
    ]


def _relative(row: Mapping[str, Any]) -> str:
    return figure(lift_text(row["lift"])) + " relative" if is_known(row.get("lift")) else ""


def _ends(*lines: str) -> str:
    return f'<div class="ends">{"<br>".join(line for line in lines if line)}</div>'


def _at_worst(row: Mapping[str, Any], style: str) -> str:
    low, high = row.get("difference_worst_lower"), row.get("difference_worst_upper")
    return dim("at worst: " + figure(from_to(low, high, style))) if is_known(low) else ""
