"""What `voicelab doctor` found, as people read it: a mark, a name, its version and what it is, group by group."""

import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from voicelab.base.version import __version__

OK, MISSING, BROKEN = "ok", "missing", "broken"
"""The states of what was looked at."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: `versions`, `voices`, `ears`, `turns`, `sound` or `files`.
        name: Of the thing.
        state: `ok`, `missing` (nothing needs it) or `broken`.
        required: Whether nothing works without it.
        version: Of the package behind it.
        detail: What was found, in words.
        fix: The lines to type, one under the other, or nothing.
    """

    group: str
    name: str
    state: str
    required: bool = False
    version: str = ""
    detail: str = ""
    fix: str = ""


_TITLES = {
    "versions": "Packages",
    "voices": "Voices",
    "ears": "Ears",
    "turns": "Where a turn ends",
    "sound": "Microphone and loudspeaker",
    "files": "Files",
}
# The mark in letters that every terminal has, and its colour (as ECMA-48 numbers them).
_MARKS = {OK: ("✓", "ok", "32"), MISSING: ("–", "--", "33"), BROKEN: ("✗", "!!", "31")}
_BOLD, _DIM = "1", "2"
_NARROW, _WIDE = 72, 118


def report(checks: Sequence[Check], where: str) -> str:
    """Return it as text, coloured where the terminal shows colours.

    Args:
        checks: What was found.
        where: The machine, in words.
    """
    paint = _painter()
    width = min(max(shutil.get_terminal_size((100, 24)).columns, _NARROW), _WIDE)
    names = max(len(check.name) for check in checks)
    versions = max(len(check.version) for check in checks)
    lines = [f"{paint(_BOLD, f'voicelab {__version__}')}  {paint(_DIM, where)}"]
    for group, title in _TITLES.items():
        found = [check for check in checks if check.group == group]
        if found:
            lines += ["", paint(_BOLD, title)]
            lines += [line for check in found for line in _lines(check, names, versions, width, paint)]
    return "\n".join([*lines, "", *_what_to_type(checks, paint)])


def _lines(check: Check, names: int, versions: int, width: int, paint: "_Paint") -> list[str]:
    sign, plain, colour = _MARKS[check.state]
    mark = sign if _has(sign) else plain
    head = f"{check.name:<{names}}  {check.version:<{versions}}  "
    indent = 2 + len(mark) + 2 + len(head)
    first, *rest = textwrap.wrap(check.detail, max(width - indent, 30), break_on_hyphens=False) or [""]
    whole = f"  {paint(colour, mark)}  {head}{paint(_DIM, first) if first else ''}".rstrip()
    return [whole, *(" " * indent + paint(_DIM, line) for line in rest)]


def _what_to_type(checks: Sequence[Check], paint: "_Paint") -> list[str]:
    fixes: dict[str, list[str]] = {}
    for check in checks:
        if check.fix and check.state != OK:
            fixes.setdefault(check.fix, []).append(check.name)
    if not fixes:
        return [paint(_MARKS[OK][2], "Nothing is missing.")]
    longest = max(len(line) for fix in fixes for line in fix.splitlines())
    lines = [paint(_BOLD, "What is missing, and what to type")]
    for fix, names in fixes.items():
        first, *more = fix.splitlines()
        lines += [f"  {first:<{longest}}   {paint(_DIM, ', '.join(names))}", *(f"  {line}" for line in more)]
    return lines


class _Paint:
    """Colours text, or leaves it as it is."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, colour: str, text: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._colours else text


def _painter() -> _Paint:
    # NO_COLOR: https://no-color.org
    return _Paint(colours=sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb")


def _has(sign: str) -> bool:
    """Return whether the terminal's encoding has a sign."""
    try:
        sign.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
