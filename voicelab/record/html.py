"""A session as a card in a notebook: plain HTML without scripts, its style on the elements themselves."""

import html
from collections.abc import Iterable, Mapping

from voicelab.record.lines import Line, clock_text

_INK = "var(--jp-ui-font-color1, inherit)"
_DIM = "opacity:.65;font-size:85%"
_STYLES = {
    "agent": "align-self:flex-start;background:rgba(15,143,108,.13);border-radius:12px 12px 12px 3px;max-width:85%",
    "caller": "align-self:flex-end;background:rgba(47,111,222,.15);border-radius:12px 12px 3px 12px;max-width:85%",
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
    rows = "".join(_html_line(line) for line in lines)
    facts = "".join(
        f"<div><span style='{_DIM}'>{html.escape(name)}</span> {html.escape(text)}</div>"
        for name, text in summary.items()
    )
    return (
        f"<div style='font-family:var(--jp-ui-font-family,system-ui,sans-serif);color:{_INK};max-width:900px'>"
        f"<div role='log' style='display:flex;flex-direction:column;gap:6px'>{rows}</div>"
        f"{drawing}<div style='margin-top:8px'>{facts}</div></div>"
    )


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
