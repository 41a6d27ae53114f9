"""A session as a card in a notebook: plain HTML without scripts, its style on the elements themselves."""

import html
from collections.abc import Iterable, Mapping

from voicelab.record.lines import Line, clock_text

_INK = "var(--jp-ui-font-color1, inherit)"
_DIM = "opacity:.65;font-size:85%"
# As wide as the cell lets it be, but no wider than eyes go back and forth between agent and caller.
_CARD = f"font-family:var(--jp-ui-font-family,system-ui,sans-serif);color:{_INK};max-width:1400px"
_STYLES = {
    "agent": "align-self:flex-start;background:rgba(15,143,108,.13);border-radius:12px 12px 12px 3px;max-width:min(85%,48em)",
    "caller": "align-self:flex-end;background:rgba(47,111,222,.15);border-radius:12px 12px 3px 12px;max-width:min(85%,48em)",
    # Orange background and border, as the platform's debugger marks background tasks; the name stands there as text.
    "task": "align-self:stretch;background:rgba(245,158,11,.16);border:1px solid rgb(245,158,11);border-radius:8px",
    "error": "align-self:stretch;background:rgba(214,69,61,.10);border-left:3px solid rgb(214,69,61)",
    "note": "align-self:stretch;opacity:.7",
}


def card(lines: Iterable[Line], summary: Mapping[str, str], drawing: str) -> str:
    """Return a session as HTML: its conversation, its timeline, what came of it.

    Args:
        lines: The conversation.
        summary: Names and texts for the foot.
        drawing: The timeline, as SVG.
    """
    return f"<div style='{_CARD}'>{_conversation(lines)}{drawing}{_facts(summary)}</div>"


def cards_side_by_side(cards: Mapping[str, tuple[Iterable[Line], Mapping[str, str], str]]) -> str:
    """Return several sessions: their conversations side by side, and below each other their timelines, on one scale.

    A timeline that is as narrow as a column could not be read, and times are compared one above the other.

    Args:
        cards: By the name of each what `card` takes.
    """
    columns = "".join(
        f"<div style='flex:1 1 260px;min-width:0'><b>{html.escape(name)}</b>{_conversation(lines)}{_facts(summary)}</div>"
        for name, (lines, summary, _) in cards.items()
    )
    drawings = "".join(
        f"<div style='margin-top:14px'><b>{html.escape(name)}</b>{drawing}</div>"
        for name, (*_, drawing) in cards.items()
    )
    return (
        f"<div style='{_CARD}'><div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start'>{columns}</div>"
        f"{drawings}</div>"
    )


def _conversation(lines: Iterable[Line]) -> str:
    rows = "".join(_html_line(line) for line in lines)
    return f"<div role='log' style='display:flex;flex-direction:column;gap:6px'>{rows}</div>"


def _facts(summary: Mapping[str, str]) -> str:
    facts = "".join(
        f"<div><span style='{_DIM}'>{html.escape(name)}</span> {html.escape(text)}</div>"
        for name, text in summary.items()
    )
    return f"<div style='margin-top:8px'>{facts}</div>"


def _html_line(line: Line) -> str:
    name = f"<b>{html.escape(line.label)}</b> " if line.who == "task" else ""
    label = "" if line.who == "task" else line.label
    lost = (
        f" <span title='not heard' style='text-decoration:line-through;opacity:.6'>{html.escape(line.lost)}</span>"
        if line.lost
        else ""
    )
    meta = " · ".join(filter(None, [line.who, clock_text(line.time_s), html.escape(label)]))
    return (
        f"<div class='vl-{line.who}' style='padding:5px 10px;{_STYLES[line.who]}'>{name}{html.escape(line.text)}{lost}"
        f"<div style='{_DIM}'>{meta}</div></div>"
    )
