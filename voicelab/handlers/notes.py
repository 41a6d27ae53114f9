"""Portability notes where people look: one folded table a handler in a notebook, one line elsewhere."""

import html
import warnings
from collections.abc import Callable, Iterable, Sequence

from voicelab.base.errors import GuideCompatWarning
from voicelab.base.notebook import in_notebook
from voicelab.base.records import PortabilityNote

Note = Callable[[PortabilityNote], None]
"""Takes the notes that are made while a handler is loaded."""
_HEADS = ("line", "written", "SDK", "platform")
_FAILS = "unchanged code raises"
_CELL = "style='text-align:left;vertical-align:top'"


class Notes:
    """The portability notes of a handler: in a notebook a folded table, as text a line each.

    Args:
        name: The handler's name.
        notes: Its notes.
    """

    def __init__(self, name: str, notes: Sequence[PortabilityNote]) -> None:
        self._name = name
        self._notes = notes

    def __repr__(self) -> str:
        return "\n".join([f"{self.headline}:", *(f"  {note}" for note in self._notes)])

    def _repr_html_(self) -> str:
        return notes_html(self._notes, self.headline)

    @property
    def headline(self) -> str:
        """How many there are, and how many of them the platform would fail at."""
        return f"{self._name}: {count_of(self._notes)}"


def count_of(notes: Sequence[PortabilityNote]) -> str:
    """Return how many notes there are, and how many of them the platform would fail at, in words."""
    failing = len(_failing(notes))
    words = "1 portability note" if len(notes) == 1 else f"{len(notes)} portability notes"
    if not failing:
        return words
    which = f"of which {failing}" if failing < len(notes) else "which" if failing == 1 else "all of which"
    return f"{words}, {which} would fail on the platform"


def show_notes(name: str, notes: Sequence[PortabilityNote]) -> None:
    """Say once what a handler spells differently from the SDK: a folded table in a notebook, else one warning."""
    if not notes:
        return
    told = Notes(name, notes)
    if in_notebook():
        from IPython.display import display

        display(told)
        return
    first = (_failing(notes) or notes)[0]
    more = "" if len(notes) == 1 else f" {told.headline}; the first is this one, handler.notes has all."
    text = f"{first.written}; the SDK: {first.sdk} ({first.platform}).{more}"
    # An empty registry, or Python would show the warning for only one handler of a name; angle brackets, or it would
    # quote the line of any file of that name.
    warnings.warn_explicit(text, GuideCompatWarning, f"<{first.file}>", first.line, registry={})


def notes_html(notes: Iterable[PortabilityNote], headline: str) -> str:
    """Return portability notes as a folded table, or an empty string."""
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td {_CELL}>{html.escape(cell)}</td>" for cell in (f"{n.file}:{n.line}", n.written, n.sdk, n.platform)
        )
        + "</tr>"
        for n in notes
    )
    heads = "".join(f"<th {_CELL}>{head}</th>" for head in _HEADS)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"<details><summary>{html.escape(headline)}</summary>{table}</details>" if rows else ""


def _failing(notes: Iterable[PortabilityNote]) -> list[PortabilityNote]:
    return [note for note in notes if note.platform.startswith(_FAILS)]
