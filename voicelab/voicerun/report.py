"""What an import understood of each file, and what it didn't: kept in the log's manifest, and said as warnings."""

import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicelab.base.plain_json import whole_characters

_SHOWN = 5


@dataclass
class FileReport:
    """The report of one file.

    Attributes:
        file: The file.
        kind: What it was recognised as.
        rows: How many rows it holds.
        sessions: The sessions that it speaks of.
        session_id_from: Where their ids are from: `file` or `file name`.
        merged: Rows that another file holds too, so that they are no events of their own.
        unknown_keys: Keys that stand in `extra`, with the number of rows.
        not_understood: What could not be read, with the number of rows; said as a warning.
        without_value: Rulings that came to nothing, or are of sessions that nothing else speaks of, with their number.
        notes: What else was noticed.
    """

    file: Path
    kind: str
    rows: int = 0
    sessions: set[str] = field(default_factory=set)
    session_id_from: str = "file"
    merged: int = 0
    unknown_keys: Counter[str] = field(default_factory=Counter)
    not_understood: Counter[str] = field(default_factory=Counter)
    without_value: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON's types."""
        return {
            "file": str(self.file),
            "kind": self.kind,
            "rows": self.rows,
            "sessions": len(self.sessions),
            "session_id_from": self.session_id_from,
            "merged": self.merged,
            "unknown_keys": dict(self.unknown_keys),
            "not_understood": dict(self.not_understood),
            "without_value": dict(self.without_value),
            "notes": list(self.notes),
        }


class Report:
    """The report of an import."""

    def __init__(self) -> None:
        self.files: list[FileReport] = []
        self.warnings: list[str] = []

    def add(self, file: Path, kind: str, rows: int) -> FileReport:
        """Return the report of a new file."""
        self.files.append(FileReport(file, kind, rows))
        return self.files[-1]

    def warn(self, sentence: str) -> None:
        """Note what needs care in the import as a whole."""
        sentence = whole_characters(sentence)
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def close(self) -> None:
        """Take up what the files say; call it once, at the end."""
        for report in self.files:
            if report.not_understood:
                parts = [f"{what} ({n:,} times)" if n > 1 else what for what, n in report.not_understood.items()]
                self.warn(f"{report.file}: not understood: {'; '.join(parts[:_SHOWN])}{_more(parts)}.")
            if report.without_value:
                counted = "; ".join(f"{n:,} {what}" for what, n in report.without_value.items())
                self.warn(f"{report.file}: {counted}.")

    def say(self, stacklevel: int) -> None:
        """Issue the warnings.

        Args:
            stacklevel: As of `warnings.warn`, seen from the caller.
        """
        for sentence in self.warnings:
            warnings.warn(sentence, stacklevel=stacklevel + 1)


def _more(parts: list[str]) -> str:
    return f"; and {len(parts) - _SHOWN} more" if len(parts) > _SHOWN else ""
