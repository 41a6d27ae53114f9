"""Files of an import, looked through once: what each is and speaks of. Its rows are read again when their session is put
together, so that they don't all have to be in memory at once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError
from voicelab.voicerun import files, shapes
from voicelab.voicerun.entries import contexts_of, session_of
from voicelab.voicerun.export_values import first, snake_keys, text_of
from voicelab.voicerun.shapes import Export
from voicelab.voicerun.stored_rows import Stored, StoredRows


@dataclass(frozen=True)
class LookedThrough:
    """One file, without its rows.

    Attributes:
        file: The file.
        kind: What it was recognised as.
        session_id: The session that it names: itself, by one of its rows, or by a context in them.
        page: Number of the page, where it is one of several.
        total: How many rows all pages have together.
        n_rows: How many it has.
        digest: The same for files with the same rows.
        timed: Whether a row has a time.
        parts: How many rows it has of which session (None: of one that they don't name), and where these are stored if it
            speaks of several.
    """

    file: Path
    kind: str
    session_id: str | None
    page: int | None
    total: int | None
    n_rows: int
    digest: bytes
    timed: bool
    parts: dict[str | None, tuple[int, Stored | None]]

    def rows(self, part: Stored | None, store: StoredRows) -> list[Any]:
        """Return the rows of one of its parts.

        Raises:
            InputError: the file isn't there any more, or holds something else by now.
        """
        if part is not None:
            stored: list[Any] = store.get(part)
            return stored
        rows = shapes.recognise(self.file, files.load(self.file)[0]).rows
        if len(rows) != self.n_rows or _digest(_content(rows)) != self.digest:
            raise InputError(
                f"{self.file} was changed while it was read. Read the exports again when they are complete; nothing was written."
            )
        return rows


def look_through(export: Export, store: StoredRows) -> LookedThrough:
    """Return what a file speaks of.

    Args:
        export: The file with its rows.
        store: Takes the rows of a file that speaks of several sessions.
    """
    by_session: dict[str | None, list[Any]] = {}
    for row in export.rows:
        by_session.setdefault(session_of(row), []).append(row)
    # Of what is known later none may be read twice, and there is little of it.
    several = len(by_session) > 1 or export.kind in shapes.KNOWN_LATER
    content = _content(export.rows)
    return LookedThrough(
        export.file,
        export.kind,
        _own_id(export, by_session, content),
        export.page,
        export.total,
        len(export.rows),
        _digest(content),
        any(map(_has_time, export.rows)),
        {session: (len(rows), store.put(rows) if several else None) for session, rows in by_session.items()}
        or {None: (0, store.put([]))},
    )


def _own_id(export: Export, by_session: Mapping[str | None, list[Any]], content: bytes) -> str | None:
    if export.session_id is not None:
        return export.session_id
    named = next((session for session in by_session if session is not None), None)
    if named is not None:
        return named
    # They all name the same; the session's end, where most of them stand, is looked at first.
    for row in reversed(export.rows) if b"testing" in content else ():
        for context in contexts_of(row):
            if session := first(snake_keys(context), ("session_id",)):
                return text_of(session)
    return None


def _content(rows: list[Any]) -> bytes:
    """Return rows as bytes, the same for the same rows however their file is laid out."""
    try:
        return orjson.dumps(rows)
    except (TypeError, ValueError):  # a number of many digits, half a character
        return json.dumps(rows).encode()


def _digest(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()


def _has_time(row: Json) -> bool:
    return isinstance(row, Mapping) and any(row.get(key) is not None for key in ("_clientTime", "timestamp"))
