"""A conversation as plain text, with a mark at the rows that something is said of: what a failing test prints."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from voicelab.record.lines import Line, lines_in_order, lines_of, text_line
from voicelab.record.session_record import SessionRecord

MARK = "▶"
_BELOW = "└"
_MARGIN = "  "
_MOST_LINES = 60
_AROUND = 12
"""Lines around a mark that stay where a conversation is cut."""


@dataclass
class _Shown:
    line: Line
    remarks: list[str] = field(default_factory=list)


def conversation_with_marks(
    record: SessionRecord,
    remarks: Mapping[int, Sequence[str]],
    at_end: Iterable[str] = (),
    parts: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return a session's conversation with remarks below the rows that they are about.

    Args:
        record: The session.
        remarks: Remarks by the row's seq.
        at_end: Remarks on what never happened.
        parts: Names of lines below the conversation that are concerned, and what stands in those that it hasn't.
    """
    lines = [_Shown(line) for line in lines_in_order(record.events)]
    for seq, said in sorted(remarks.items()):
        lines[_place(lines, record, seq)].remarks += said
    shown = [text for part in _cut(lines) for text in (_texts(part) if isinstance(part, _Shown) else [part])]
    shown += [f"{MARK} {'':>8}  {_BELOW} {remark}" for remark in at_end]
    below = record.summary
    below |= {part: below.get(part, text or "none") for part, text in parts.items()}
    shown += ["", *(f"{MARK if name in parts else ' '} {name:>9}  {text}" for name, text in below.items())]
    return "\n".join(shown)


def _place(lines: list[_Shown], record: SessionRecord, seq: int) -> int:
    """Return at which line a row is shown; one that no line shows, at the last before it."""
    event = record.events[seq]
    own = list(lines_of(event))
    if own:
        return next((at for at, shown in enumerate(lines) if shown.line == own[0]), len(lines) - 1)
    if not lines:
        lines.append(_Shown(Line(event.time_s, "note", event.name)))
        return 0
    return max((at for at, shown in enumerate(lines) if shown.line.time_s <= event.time_s), default=0)


def _texts(shown: _Shown) -> list[str]:
    margin = f"{MARK} " if shown.remarks else _MARGIN
    return [margin + text_line(shown.line), *(f"{_MARGIN}{'':>8}  {_BELOW} {remark}" for remark in shown.remarks)]


def _cut(lines: list[_Shown]) -> list[_Shown | str]:
    """Return the lines that are shown: of a long conversation its beginning, its end, and those around marks."""
    if len(lines) <= _MOST_LINES:
        return list(lines)
    marks = [at for at, shown in enumerate(lines) if shown.remarks] or [len(lines) - 1]
    ends = [0, len(lines) - 1]
    kept = {at for mark in [*marks, *ends] for at in range(mark - _AROUND, mark + _AROUND // 2 + 1)}
    parts: list[_Shown | str] = []
    left = 0
    for at, shown in enumerate(lines):
        if at in kept:
            if left:
                parts.append(f"{_MARGIN}{'':>8}  … {left} lines")
            parts.append(shown)
            left = 0
        else:
            left += 1
    return parts
