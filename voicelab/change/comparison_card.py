"""How a comparison of two versions shows itself: the verdict first, then every outcome, then where conversations part."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from voicelab.analysis.card.formats import MISSING, from_to, is_known, styles_of, written
from voicelab.analysis.card.formats import confidence as as_confidence
from voicelab.analysis.card.markup import (
    STYLE,
    Head,
    attribute,
    bar,
    estimate_in_words,
    figure,
    name_html,
    scale_of,
    section,
    table,
    text,
)
from voicelab.change.diverging import LATER, SAME, Divergence
from voicelab.change.version_verdict import VersionDecision

_STATUS = {"better": "Better", "worse": "Worse", "held": "Not worse", "undecided": "No decision"}
# The style sheet's classes for a winner, a doubtful end and a wrong one.
_TONE = {"better": "winner", "held": "winner", "worse": "invalid_srm", "undecided": "inconclusive"}
_VERDICTS = {"harmed": "harmed", "held": "held", "unknown": "not yet known"}
_MOST_GROUPS = 10
_ENDS = ("", "_cs_lower", "_cs_upper")


@dataclass(frozen=True)
class ComparisonShown:
    """What is shown of a comparison.

    Attributes:
        decision: The decision.
        differences: One row an outcome.
        divergence: How the conversations differ.
        warnings: What needs care.
        n_pairs: Sessions that both versions ran.
        horizon: Pairs that were declared; None where none were.
        versions: Names of both handlers.
    """

    decision: VersionDecision
    differences: pd.DataFrame
    divergence: Divergence
    warnings: list[str]
    n_pairs: int
    horizon: int | None
    versions: tuple[str, str]


def comparison_card(shown: ComparisonShown) -> str:
    """Return a comparison as a card in HTML."""
    decision = shown.decision
    verdict, _, rest = decision.sentence.partition(": ")
    parts = [
        f'<div><span class="pill">{_STATUS[decision.conclusion]}</span><span class="chip">simulated callers, the same in both '
        "versions</span></div>",
        f'<div class="verdict">{text(verdict)}.</div><div class="next">{text(rest).replace("-&gt;", "→")}</div>',
        f'<div class="tiles">{_tiles(shown)}</div>',
        *(f'<div class="warn">{text(warning)}</div>' for warning in shown.warnings),
        _outcomes(shown),
        _conversations(shown),
        f'<div class="end small dim">{text(_method(shown))}</div>',
    ]
    return (
        f'<div class="vl-card {_TONE[decision.conclusion]}" role="group" aria-label="{attribute(decision.sentence)}">'
        f"{STYLE}{''.join(parts)}</div>"
    )


def _tiles(shown: ComparisonShown) -> str:
    decision, row = shown.decision, shown.differences.iloc[0]
    n = shown.n_pairs
    of = f"{n:,}" if shown.horizon is None else f"{n:,} of {shown.horizon:,}"
    stood = f"decided after {decision.sessions:,}" if decision.decided else "no decision in these"
    style = styles_of(row["kind"])["difference"]
    interval = from_to(row["difference_cs_lower"], row["difference_cs_upper"], style)
    unpaired = row["unpaired_sessions"]
    more = (
        f"; without pairs as narrow after {unpaired:,} sessions, not {2 * row['pairs']:,}" if is_known(unpaired) else ""
    )
    tiles = [
        ("pairs of sessions", of, bar(n / shown.horizon) if shown.horizon else "", stood),
        ("confidence", as_confidence(decision.confidence), bar(decision.confidence / 100), "valid after every pair"),
        (
            f"difference of {row['outcome']}",
            written(row["difference"], style),
            "",
            f"95 %, at every look: {interval}{more}",
        ),
    ]
    return "".join(
        f'<div class="tile"><span class="small dim">{text(label)}</span><b title="{attribute(value)}">{figure(value)}</b>{drawn}'
        f'<div class="small dim">{figure(remark)}</div></div>'
        for label, value, drawn, remark in tiles
    )


def _outcomes(shown: ComparisonShown) -> str:
    heads = [
        Head("outcome", "txt"),
        Head("old"),
        Head("new"),
        Head("difference"),
        Head("interval valid at every look", "drawn"),
        Head("from / to"),
        Head("one alone<br>old / new"),
        Head("verdict,<br>they differ", "txt"),
    ]
    body = []
    for row in shown.differences.to_dict("records"):
        style, value_style = styles_of(row["kind"])["difference"], styles_of(row["kind"])["value"]
        value, low, high = (row[f"difference{end}"] for end in _ENDS)
        edge = 0.0 if not row["margin"] else -row["margin"] if row["direction"] == "maximize" else row["margin"]
        scale = scale_of([[edge, 0.0, value, low, high]], edge, row["kind"], 150)
        ends = f"{figure(written(low, style)).removesuffix(' points')}<br>{figure(written(high, style))}"
        alone = f"{row['old_only']:,} / {row['new_only']:,}" if is_known(row["old_only"]) else MISSING
        body.append(
            (
                f"two{' lead' if row['role'] == 'target' else ''}{' harm' if row['verdict'] in {'harmed', 'worse'} else ''}",
                [
                    f"{name_html(row['outcome'])}<br><span class='dim small'>{text(_role(row))}</span>",
                    figure(written(row["old"], value_style)),
                    figure(written(row["new"], value_style)),
                    figure(written(value, style)),
                    scale.draw(value, low, high, estimate_in_words(value, low, high, style)),
                    f'<span class="ends">{ends}</span>',
                    alone,
                    _verdict(row),
                ],
            )
        )
    return section("Outcomes", table(heads, body), "the dashed line is what is asked for: no difference, or the margin")


def _role(row: dict[str, Any]) -> str:
    said = [row["role"]]
    if row["margin"]:
        style = styles_of(row["kind"])["difference"]
        verb = "fall" if row["direction"] == "maximize" else "grow"
        said.append(f"may {verb} by {written(row['margin'], style).removeprefix('+')}")
    if row["excluded"]:
        said.append(f"{row['excluded']:,} pairs left out")
    return ", ".join(said)


def _verdict(row: dict[str, Any]) -> str:
    sure = f"<span class='dim small'>{as_confidence(row['confidence'])}</span>"
    word = _word(row)
    # The colours of the guardrails' verdicts.
    tone = {"worse": "harmed", "better": "held"}.get(str(row["verdict"]), str(row["verdict"]))
    return f'<span class="said {attribute(tone)}">{text(word)}</span><br>{sure}' if word else sure


def _word(row: dict[str, Any]) -> str:
    """Return the verdict on an outcome in words; nothing of a check."""
    if row["role"] == "check":
        return ""
    return _STATUS[row["verdict"]].lower() if row["role"] == "target" else _VERDICTS[row["verdict"]]


def _conversations(shown: ComparisonShown) -> str:
    found = shown.divergence
    same = same_conversations(shown)
    if not len(found.groups):
        return section("Conversations", "", same)
    kind = shown.differences.iloc[0]["kind"]
    style = styles_of(kind)
    heads = [
        Head("old says", "txt"),
        Head("new says", "txt"),
        Head("sessions"),
        Head(f"{name_html(found.outcome)}<br>old / new"),
        Head("e.g. session"),
    ]
    rows = [
        (
            "",
            [
                name_html(row["old_event"]),
                name_html(row["new_event"]),
                f"{row['sessions']:,} ({written(row['share'], 'percent')})",
                f"{written(row['old'], style['value'])} / {written(row['new'], style['value'])}",
                f"{row['session_index']:,}",
            ],
        )
        for row in found.groups.head(_MOST_GROUPS).to_dict("records")
    ]
    rest = len(found.groups) - len(rows)
    foot = f"{rest:,} more in .diverging" if rest else ""
    return section("First event that differs", table(heads, rows, foot), f"{same}; .session(17) shows one side by side")


def same_conversations(shown: ComparisonShown) -> str:
    """Return how many conversations are alike."""
    n = shown.n_pairs
    these = "conversation is" if n == 1 else "conversations are"
    return f"{shown.divergence.n_same:,} of {n:,} {these} the same, to the last word and its time"


def _method(shown: ComparisonShown) -> str:
    watched = (
        f"a declared horizon of {shown.horizon:,} pair{'s' if shown.horizon != 1 else ''}, watched after each (O'Brien-Fleming)"
        if shown.horizon is not None
        else "e-processes, which hold for as long as one likes"
    )
    return (
        f"{shown.versions[0]} against {shown.versions[1]}, each session run by both with the same draws; differences are new "
        f"minus old, by {watched}. The tests' own stop rules are off."
    )


def comparison_text(shown: ComparisonShown) -> str:
    """Return a comparison as plain text."""
    lines = [shown.decision.sentence, *shown.warnings, ""]
    rows = [("outcome", "", "old", "new", "difference", "always from .. to", "old only / new only", "verdict")]
    for row in shown.differences.to_dict("records"):
        style, value = styles_of(row["kind"])["difference"], styles_of(row["kind"])["value"]
        rows.append(
            (
                row["outcome"],
                _role(row),
                written(row["old"], value),
                written(row["new"], value),
                written(row["difference"], style),
                from_to(row["difference_cs_lower"], row["difference_cs_upper"], style),
                f"{row['old_only']:,} / {row['new_only']:,}" if is_known(row["old_only"]) else "",
                _word(row),
            )
        )
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += ["", *(f"  {line}" for line in divergence_lines(shown))]
    return "\n".join([*lines, "", _method(shown)])


def divergence_lines(shown: ComparisonShown) -> list[str]:
    """Return a line for each of the most frequent first events that differ."""
    found, kind = shown.divergence, shown.differences.iloc[0]["kind"]
    value = styles_of(kind)["value"]
    lines = [f"{same_conversations(shown)}."]
    for row in found.groups.head(_MOST_GROUPS).to_dict("records"):
        what = (
            f"{SAME}, {LATER}"
            if (row["old_event"], row["new_event"]) == (SAME, LATER)
            else f"`{row['old_event']}` -> `{row['new_event']}`"
        )
        became = f", {found.outcome} {written(row['old'], value)} -> {written(row['new'], value)}"
        n = row["sessions"]
        lines.append(f"{what} in {n:,} session{'s' if n != 1 else ''}{became}, e.g. session {row['session_index']:,}")
    return lines
