"""The result card: what a notebook shows of a result, the verdict first.

Every number on it is the result's. One piece of HTML without scripts or anything from outside; colours follow the
notebook's theme.
"""

import re
from typing import Any

from voicelab.analysis.card import other_tables
from voicelab.analysis.card.formats import confidence as as_confidence
from voicelab.analysis.card.formats import from_to, is_known, lift_text, styles_of, written
from voicelab.analysis.card.markup import (
    MOST_ROWS,
    STYLE,
    Head,
    attribute,
    bar,
    estimate_in_words,
    figure,
    name_html,
    scale_of,
    table,
    text,
)
from voicelab.analysis.card.pairs import against, deciding, negative, pairs_table
from voicelab.analysis.how_much_longer import outlook_sentences
from voicelab.decision.rules import word_of
from voicelab.decision.wording import CHANGES_NOTHING, holds, marks
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
        _how_much_longer(result),
        _variants(result),
        "".join(f'<div class="warn">{text(warning)}</div>' for warning in result.warnings),
        pairs_table(result),
        other_tables.outcomes_table(result),
        other_tables.guardrails(getattr(result, "guardrails", None)),
        other_tables.segments_table(result),
        other_tables.interactions_table(result),
        other_tables.platform(getattr(result, "platform", None)),
        _footer(result),
    ]
    state = decision.conclusion + (" doubted" if decision.doubts else "")
    return (
        f'<div class="vl-card {attribute(state)}" role="group" aria-label="{attribute(decision.sentence)}">'
        f"{STYLE}{''.join(parts)}</div>"
    )


# --- the head --------------------------------------------------------------------------------------------------------


def _verdict(result: ResultLike) -> str:
    decision = result.decision
    # The first sentence says it, the rest says what follows from it.
    first, _, rest = decision.verdict.partition(". ")
    first = f"{first}." if rest else first
    follows = f'<div class="next">{text(rest)}</div>' if rest else ""
    facts = [f"test {decision.test}", f"outcome {result.outcome}" if result.outcome else "no outcome"]
    if result.rule.direction == "minimize":
        facts.append("less is better")
    if decision.should_stop:
        facts.append(f"stopped by {_REASONS.get(decision.reason, decision.reason)}")
    return (
        f"<div>{''.join(_pill(mark, 'doubt') for mark in marks(decision.doubts))}"
        f"{_pill(_STATUS.get(decision.conclusion, decision.conclusion))}"
        f'<span class="chip">{text(result.source)}</span></div>'
        f"{''.join(_doubt(doubt) for doubt in decision.doubts)}"
        f'<div class="verdict">{text(first)}</div>'
        f"{follows}"
        f'<div class="dim">{text(" · ".join(facts))}</div>'
    )


def _pill(said: str, kind: str = "") -> str:
    return f'<span class="pill {kind}">{text(said)}</span>'


def _doubt(doubt: str) -> str:
    """Return what is to be read before the verdict."""
    (mark,) = marks([doubt])
    return f'<div class="doubts"><b>{text(mark)}</b>{text(doubt.removeprefix(mark))}</div>'


_REASONS = {
    "iterations": "the number of sessions",
    "confidence": "confidence",
    "both": "confidence and the number of sessions",
    "srm": "the shares of sessions",
}


def _tile(label: str, value: str, drawn: str, *remarks: str) -> str:
    below = "".join(f'<div class="small dim">{text(remark)}</div>' for remark in remarks)
    return (
        f'<div class="tile"><span class="small dim">{text(label)}</span><b title="{attribute(value)}">{text(value)}</b>'
        f"{drawn}{below}</div>"
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
    valid = "for one look only" if result.rule.method == "fixed" else holds(result.decision.doubts)
    wanted = "" if asked is None else f"; the rule asks for {asked:g} %"
    tick = None if asked is None else asked / 100
    return _tile("confidence", as_confidence(value), bar(min(value, 99.99) / 100, tick), valid + wanted)


def _leader(result: ResultLike) -> str:
    leader, default = result.decision.leader, result.rule.default
    own = result.variants[result.variants["variant"] == leader]
    if leader is None or not len(own):
        return _tile("leader", "not yet clear", "", "")
    value = written(own["mean"].iloc[0], styles_of(result.kind)["value"])
    over_default = against(result, leader).get(default or "") if default != leader else None
    label = _is_winner(result) if result.decision.winner == leader else "leader"
    label += "" if result.decision.should_stop else " so far"
    mean = f"{word_of(result.kind)}: {value}"
    ended = _at_the_stop(result)
    if ended:
        return _tile(label, leader, f"<div>{text(ended[0])}</div>", *ended[1:], mean)
    relative = lift_text(over_default["lift"]) if over_default and is_known(over_default.get("lift")) else ""
    return _tile(label, leader, "", mean + (f", {_signed(relative)} relative to {default}" if relative else ""))


def _is_winner(result: ResultLike) -> str:
    """Return the word for a winner, never without its being doubtful."""
    found = marks(result.decision.doubts)
    words = ["approximate"] * ("Approximate" in found) + ["doubtful"] * bool(set(found) - {"Approximate"})
    return ", ".join(["winner", *words])


def _at_the_stop(result: ResultLike) -> list[str]:
    """Return the leader's lead as estimated at the stop, and as it is known at every look; nothing without an estimate."""
    rows = [row for row in deciding(result) if is_known(row.get("difference_mue"))]
    if not rows or rows[0]["variant"] != result.decision.leader:
        return []
    row, style, asked = rows[0], styles_of(result.kind)["difference"], result.rule.max_confidence or 95.0
    ends, always = (
        from_to(row[f"difference_{of}_lower"], row[f"difference_{of}_upper"], style) for of in ("mue", "cs")
    )
    known = is_known(row["difference_mue_lower"])
    return [
        _signed(f"{written(row['difference_mue'], style)} over {row['baseline']} at the stop"),
        _signed(
            f"median-unbiased, {asked:g} %: {ends}"
            if known
            else "median-unbiased; few sessions, no interval of its own"
        ),
        _signed(f"{holds(result.decision.doubts)}: {always}"),
    ]


def _signed(words: str) -> str:
    """Return words with the minus of typographers before each number below 0."""
    return re.sub(r"(?<![\w.])-(?=[\d.])", "−", words)


def _how_much_longer(result: ResultLike) -> str:
    """Return what is still to come, while the test goes on."""
    decision = result.decision
    if decision.should_stop or decision.conclusion != "continue":
        return ""
    found = outlook_sentences(getattr(result, "outlook", None), result.rule, result.kind)
    if not found:
        return ""
    lines = "".join(f"<div>{text(line)}</div>" for line in found)
    return f'<div class="longer"><b>How much longer?</b>{lines}<div class="small dim">{CHANGES_NOTHING}</div></div>'


# --- variants --------------------------------------------------------------------------------------------------------


def _variants(result: ResultLike) -> str:
    frame, styles, default = result.variants, styles_of(result.kind), result.rule.default
    always = "mean_cs_lower" in frame.columns and bool(frame["mean_cs_lower"].notna().any())
    ends = [f"mean_{'cs' if always else 'ci'}_{end}" for end in ("lower", "upper")]
    base = frame.loc[frame["is_default"].astype(bool), "mean"]
    mark = float(base.iloc[0]) if len(base) and is_known(base.iloc[0]) else None
    scale = scale_of([frame[column] for column in ("mean", *ends)], mark, result.kind, 190)
    unit = "rate in %" if result.kind == "binary" else word_of(result.kind)
    asked = (result.rule.max_confidence if always else None) or 95.0
    known = always or bool(frame["mean_ci_lower"].notna().any())
    when = f", {asked:g} % interval {holds(result.decision.doubts) if always else 'for one look'}" if known else ""
    heads = [
        Head("variant", "txt"),
        Head("sessions"),
        Head("share / weight"),
        Head(word_of(result.kind)),
        Head(f"{unit}{when.replace('interval ', 'interval<br>')}{scale.head()}", "drawn"),
    ]
    differences = _against_default(result)
    if differences:
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
        if differences:
            cells.append(figure(written(differences.get(row["variant"]), styles["difference"])))
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
    roles = {
        _is_winner(result): result.decision.winner,
        "leads": result.decision.leader,
        "default": result.rule.default,
    }
    tags = [role for role, who in roles.items() if who == variant]
    if result.decision.winner == variant:
        tags.remove("leads")
    return name_html(variant) + "".join(f'<span class="tag">{tag}</span>' for tag in tags)


def _against_default(result: ResultLike) -> dict[str, Any]:
    """Return the difference to the default by variant."""
    if result.rule.default is None:
        return {}
    return {
        name: negative(row["difference"])
        for name, row in against(result, result.rule.default).items()
        if is_known(row["difference"])
    }


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
