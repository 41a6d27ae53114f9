"""The result card: what a notebook shows of a result, the verdict first.

Every number on it is the result's. One piece of HTML without scripts or anything from outside; colours follow the
notebook's theme.
"""

from collections.abc import Mapping
from typing import Any

from voicelab.analysis.card import other_tables
from voicelab.analysis.card.formats import MISSING, is_known, lift_text, styles_of, written
from voicelab.analysis.card.formats import confidence as as_confidence
from voicelab.analysis.card.markup import (
    MOST_ROWS,
    STYLE,
    Head,
    Scale,
    attribute,
    bar,
    dim,
    estimate_in_words,
    figure,
    name_html,
    scale_of,
    section,
    table,
    text,
)
from voicelab.plots.result_like import ResultLike

_STATUS = {"winner": "Winner", "continue": "Continue", "inconclusive": "Inconclusive", "invalid_srm": "Invalid"}
_IN_SIGHT = 12


def result_card(result: ResultLike) -> str:
    """Return a result as a card in HTML.

    Args:
        result: What `vl.analyze` returned; `guardrails`, `segments` and `platform` are shown where it has them.
    """
    decision = result.decision
    parts = [
        _verdict(result),
        f'<div class="tiles">{_progress(result)}{_confidence(result)}{_leader(result)}</div>',
        _variants(result),
        "".join(f'<div class="warn">{text(warning)}</div>' for warning in result.warnings),
        _pairs(result),
        other_tables.outcomes_table(result),
        other_tables.guardrails(getattr(result, "guardrails", None)),
        other_tables.segments_table(result),
        other_tables.platform(getattr(result, "platform", None)),
        _footer(result),
    ]
    return (
        f'<div class="vl-card {attribute(decision.conclusion)}" role="group" aria-label="{attribute(decision.sentence)}">'
        f"{STYLE}{''.join(parts)}</div>"
    )


# --- the head --------------------------------------------------------------------------------------------------------


def _verdict(result: ResultLike) -> str:
    decision = result.decision
    # The first sentence says it, the rest says what follows from it.
    first, _, rest = decision.sentence.partition(". ")
    first = f"{first}." if rest else first
    follows = f'<div class="next">{text(rest)}</div>' if rest else ""
    facts = [f"test {decision.test}", f"outcome {result.outcome}" if result.outcome else "no outcome"]
    if result.rule.direction == "minimize":
        facts.append("less is better")
    if decision.should_stop:
        facts.append(f"stopped by {_REASONS.get(decision.reason, decision.reason)}")
    return (
        f'<div><span class="pill">{text(_STATUS.get(decision.conclusion, decision.conclusion))}</span>'
        f'<span class="chip">{text(result.source)}</span></div>'
        f'<div class="verdict">{text(first)}</div>'
        f"{follows}"
        f'<div class="dim">{text(" · ".join(facts))}</div>'
    )


_REASONS = {
    "iterations": "the number of sessions",
    "confidence": "confidence",
    "both": "confidence and the number of sessions",
    "srm": "the shares of sessions",
}


def _tile(label: str, value: str, drawn: str, remark: str) -> str:
    return (
        f'<div class="tile"><span class="small dim">{text(label)}</span><b title="{attribute(value)}">{text(value)}</b>'
        f'{drawn}<div class="small dim">{text(remark)}</div></div>'
    )


def _progress(result: ResultLike) -> str:
    decision, declared = result.decision, result.rule.max_iterations
    if declared is None:
        return _tile("sessions", f"{decision.sessions:,}", "", "no number of sessions is declared")
    remark = f"decided at session {decision.stopped_at:,}" if decision.stopped_at else "declared number of sessions"
    done = bar(decision.sessions / declared)
    return _tile("sessions", f"{decision.sessions:,} of {declared:,}", done, remark)


def _confidence(result: ResultLike) -> str:
    value, asked = result.decision.confidence, result.rule.max_confidence
    if value is None or not is_known(value):
        return _tile("confidence", "unknown", "", "the warnings say why" if result.warnings else "")
    valid = "for one look only" if result.rule.method == "fixed" else "valid at every look"
    wanted = "" if asked is None else f"; the rule asks for {asked:g} %"
    tick = None if asked is None else asked / 100
    return _tile("confidence", as_confidence(value), bar(min(value, 99.99) / 100, tick), valid + wanted)


def _leader(result: ResultLike) -> str:
    leader, default = result.decision.leader, result.rule.default
    own = result.variants[result.variants["variant"] == leader]
    if leader is None or not len(own):
        return _tile("leader", "not yet clear", "", "")
    value = written(own["mean"].iloc[0], styles_of(result.kind)["value"])
    against = _against(result, leader).get(default or "") if default != leader else None
    better = f", {_plain(against['lift'])} relative to {default}" if against and is_known(against.get("lift")) else ""
    label = "winner" if result.decision.winner == leader else "leader so far"
    return _tile(label, leader, "", f"{'rate' if result.kind == 'binary' else 'mean'}: {value}{better}")


def _plain(relative: float) -> str:
    return lift_text(relative).replace("-", "−")


# --- variants --------------------------------------------------------------------------------------------------------


def _variants(result: ResultLike) -> str:
    frame, styles, default = result.variants, styles_of(result.kind), result.rule.default
    always = "mean_cs_lower" in frame.columns and bool(frame["mean_cs_lower"].notna().any())
    ends = [f"mean_{'cs' if always else 'ci'}_{end}" for end in ("lower", "upper")]
    base = frame.loc[frame["is_default"].astype(bool), "mean"]
    mark = float(base.iloc[0]) if len(base) and is_known(base.iloc[0]) else None
    scale = scale_of([frame[column] for column in ("mean", *ends)], mark, result.kind)
    unit = "rate in %" if result.kind == "binary" else "mean"
    asked = (result.rule.max_confidence if always else None) or 95.0
    holds = f"{asked:g} % interval {'valid at every look' if always else 'for one look'}"
    heads = [
        Head("variant", "txt"),
        Head("sessions"),
        Head("share / weight"),
        Head("rate" if result.kind == "binary" else "mean"),
        Head(f"{unit}, {holds}{scale.head()}", "drawn"),
    ]
    against = _against_default(result)
    if against:
        heads.append(Head(f"against {name_html(default)}"))
    shown = _shown(result, list(frame.to_dict("records")))
    rows = []
    for row in shown:
        value, low, high = (row[column] for column in ("mean", *ends))
        cells = [
            _named(result, row["variant"]),
            written(row["sessions"], "count"),
            f"{written(row['share'], 'percent').removesuffix(' %')} / {written(row['weight'], 'percent')}",
            figure(written(value, styles["value"])),
            scale.draw(value, low, high, estimate_in_words(value, low, high, styles["value"])),
        ]
        if against:
            cells.append(figure(written(against.get(row["variant"]), styles["difference"])))
        rows.append((_role(result, row["variant"]), cells))
    rest = len(frame) - len(shown)
    return table(heads, rows, f"{rest:,} more variants in result.variants" if rest else "")


def _shown(result: ResultLike, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows to show: all, or, where the table scrolls, leader and default and as many others as can be read."""
    if len(rows) <= _IN_SIGHT:
        return rows
    first = {result.decision.leader, result.rule.default}
    return sorted(rows, key=lambda row: row["variant"] not in first)[:MOST_ROWS]


def _role(result: ResultLike, variant: str) -> str:
    return "lead" if variant == result.decision.leader else "base" if variant == result.rule.default else ""


def _named(result: ResultLike, variant: str) -> str:
    roles = {"winner": result.decision.winner, "leads": result.decision.leader, "default": result.rule.default}
    tags = [role for role, who in roles.items() if who == variant]
    if "winner" in tags:
        tags.remove("leads")
    return name_html(variant) + "".join(f'<span class="tag">{tag}</span>' for tag in tags)


# --- pairs -----------------------------------------------------------------------------------------------------------


def _turned(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a comparison the other way round; a lift has another base then, and is left out."""
    turned = dict(row) | {"variant": row["baseline"], "baseline": row["variant"], "lift": None}
    for low, high in (("difference_cs_lower", "difference_cs_upper"), ("difference_ci_lower", "difference_ci_upper")):
        turned[low], turned[high] = _negative(row.get(high)), _negative(row.get(low))
    turned["difference"] = _negative(row.get("difference"))
    return turned


def _negative(value: float | None) -> float | None:
    return -value if value is not None and is_known(value) else None


def _against(result: ResultLike, variant: str) -> dict[str, dict[str, Any]]:
    """Return the comparisons of a variant by the other one, each as the variant minus the other."""
    rows = result.comparisons.to_dict("records")
    own = [row for row in rows if row["variant"] == variant]
    own += [_turned(row) for row in rows if row["baseline"] == variant]
    return {row["baseline"]: row for row in own}


def _against_default(result: ResultLike) -> dict[str, Any]:
    """Return the difference to the default by variant."""
    if result.rule.default is None:
        return {}
    return {
        name: _negative(row["difference"])
        for name, row in _against(result, result.rule.default).items()
        if is_known(row["difference"])
    }


def _pairs(result: ResultLike) -> str:
    rows = _deciding(result)
    if not rows:
        return ""
    styles = styles_of(result.kind)
    scale = scale_of(
        [[row.get(f"difference{e}") for e in ("", "_cs_lower", "_cs_upper")] for row in rows], 0.0, result.kind, 190
    )
    asked = result.rule.max_confidence or 95.0
    unit = "points" if result.kind == "binary" else "difference"
    heads = [
        Head("pair", "txt"),
        Head("difference"),
        Head(f"{unit}, {asked:g} % interval valid at every look{scale.head()}", "drawn"),
        Head("from / to"),
        Head("confidence"),
        Head("fixed-sample p,<br>one look"),
    ]
    body = [
        ("two lead" if row["variant"] == result.decision.leader else "two", _pair(row, scale, styles)) for row in rows
    ]
    rest = len(result.comparisons) - len(rows)
    foot = f"{rest:,} other pair{'s' if rest > 1 else ''} in result.comparisons" if rest else ""
    return section("The pairs that decide", table(heads, body, foot), _CRITERIA.get(result.rule.criterion, ""))


def _pair(row: Mapping[str, Any], scale: Scale, styles: Mapping[str, str]) -> list[str]:
    value, low, high = (row.get(f"difference{end}") for end in ("", "_cs_lower", "_cs_upper"))
    style = styles["difference"]
    relative = f"<br>{dim(figure(lift_text(row['lift'])) + ' relative')}" if is_known(row.get("lift")) else ""
    ends = f"{figure(written(low, style)).removesuffix(' points')}<br>{figure(written(high, style))}"
    return [
        f"{name_html(row['variant'])}<br>{dim('over ' + name_html(row['baseline'], 'rival'))}",
        figure(written(value, style)) + relative,
        scale.draw(value, low, high, estimate_in_words(value, low, high, style)),
        ends if is_known(low) or is_known(high) else dim(MISSING),
        f"<b>{text(written(row.get('confidence'), 'confidence'))}</b>",
        dim(text(written(row.get("p_value_fixed"), "p"))),
    ]


_CRITERIA = {
    "best": "the leader has to beat every rival",
    "vs_default": "each variant against the default",
    "any_difference": "any two variants that differ",
}


def _deciding(result: ResultLike) -> list[dict[str, Any]]:
    """Return the pairs that the criterion looks at, the least certain first: it is the one that holds the test up."""
    leader, rule = result.decision.leader, result.rule
    if rule.criterion == "best" and leader is not None:
        rows = list(_against(result, leader).values())
    elif rule.criterion == "vs_default" and rule.default is not None:
        rows = [_turned(row) for row in _against(result, rule.default).values()]
    else:
        rows = list(result.comparisons.to_dict("records"))
    rows = [row for row in rows if is_known(row.get("difference"))]
    rows.sort(key=lambda row: row["confidence"] if is_known(row.get("confidence")) else -1.0)
    return rows[:MOST_ROWS]


# --- the foot --------------------------------------------------------------------------------------------------------


def _footer(result: ResultLike) -> str:
    lines = [text(result.method)]
    rows = list(result.excluded.itertuples())
    if rows:
        counted = "; ".join(f"{row.sessions:,} {row.reason}" for row in rows)
        lines.append(f"Not counted as usual: {text(counted)}")
    lines.append(
        f"Source: {text(result.source)}. Confidence limits false stops; it is not the probability of being best."
    )
    return f'<div class="end small dim">{"<br>".join(lines)}</div>'
