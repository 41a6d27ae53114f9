"""The sessions of a log as predicates see them, part by part: nothing is read that no predicate looks at.

What is asked of single events costs most: a hundred thousand sessions have millions. So of those that are asked of, by
their names, first the raw text of their data is searched for what must stand in it; what is left is asked once for each
different text; and of a session only the first event that matches is handed on, since one is all that is asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.log.named_outcomes import NamedOutcomes
from voicelab.log.parts import Part
from voicelab.predicates import Looked, View
from voicelab.predicates.predicate import AskedOfEvents
from voicelab.predicates.session_view import TURN_END, seen_event, view_of

Ints = npt.NDArray[np.int64]


def session_views(
    root: Path, parts: Sequence[Part], looked: Looked, measured: Callable[[Part], pa.Table]
) -> Iterator[tuple[int, str, View]]:
    """Yield index, id and view of each session.

    Args:
        root: The log's folder.
        parts: Its parts.
        looked: What is looked at.
        measured: Returns the table of measures of a part.
    """
    reads_events = not looked.fields.isdisjoint({"events", "turn_count"})
    for part in parts:
        named = NamedOutcomes(root, part, looked, measured)
        with (
            pq.ParquetFile(part.file(root, "sessions")) as sessions,
            pq.ParquetFile(part.file(root, "events")) as events,
        ):
            # In a part of several shards each group of rows holds the same sessions in every table.
            groups: Sequence[int | None] = range(sessions.num_row_groups) if part.last > part.first else [None]
            for group in groups:
                own = _read(sessions, group, ["session_index", "session_id", *looked.columns])
                seen = _Events(events, group, own.column("session_id"), looked) if reads_events else None
                yield from _of_group(own, seen, looked, named)


def _of_group(
    sessions: pa.Table, seen: "_Events | None", looked: Looked, named: NamedOutcomes
) -> Iterator[tuple[int, str, View]]:
    names = sessions.column_names
    for at, cells in enumerate(zip(*map(_listed, sessions.columns), strict=True)):
        turn_count, events = (0, []) if seen is None else seen.of(at)
        facts = dict(zip(names, cells, strict=True))
        yield cells[0], cells[1], view_of(looked, facts, turn_count, events, named.of(facts))


class _Events:
    """The events of a group of sessions, as far as they are looked at.

    Args:
        file: The table of events.
        group: Its group of rows; None for all.
        ids: The ids of the group's sessions.
        looked: What is looked at.
    """

    def __init__(self, file: pq.ParquetFile, group: int | None, ids: pa.ChunkedArray, looked: Looked) -> None:
        wanted = ["time_s", *(["data"] if looked.data else [])] if "events" in looked.fields else []
        rows = _read(file, group, ["session_id", "name", *wanted])
        session, self._names = _codes(rows.column("session_id")), _codes(rows.column("name"))
        place = pc.index_in(pa.array(session.texts, pa.string()), ids.cast(pa.string())).to_numpy(zero_copy_only=False)
        self._at: Ints = place.astype(np.int64)[session.codes]
        self._rows = rows
        self._turns: list[int] = np.bincount(self._at[self._names.are([TURN_END])], minlength=len(ids)).tolist()
        self._first = [0] * (len(ids) + 1)
        self._events: list[dict[str, Any]] = []
        if "events" in looked.fields:
            kept = np.unique(np.concatenate([self._asked(one) for one in looked.asked])) if looked.asked else None
            self._keep(np.arange(len(self._at)) if kept is None else kept, len(ids))

    def of(self, at: int) -> tuple[int, list[dict[str, Any]]]:
        """Return the completed turns of a session, and its events."""
        return self._turns[at], self._events[self._first[at] : self._first[at + 1]]

    def _keep(self, kept: Ints, n_sessions: int) -> None:
        if (np.diff(self._at[kept]) < 0).any():
            kept = kept[np.argsort(self._at[kept], kind="stable")]
        self._events = list(self._seen(kept, timed=True))
        self._first = np.searchsorted(self._at[kept], np.arange(n_sessions + 1)).tolist()

    def _seen(self, rows: Ints, *, timed: bool) -> Iterator[dict[str, Any]]:
        names = [self._names.texts[code] for code in self._names.codes[rows]]
        times = self._rows.column("time_s").to_numpy()[rows].tolist() if timed else [None] * len(rows)
        if "data" not in self._rows.column_names:
            return map(seen_event, names, [None] * len(rows), times)
        return map(seen_event, names, map(orjson.loads, self._data(rows).to_pylist()), times)

    def _data(self, rows: Ints) -> pa.ChunkedArray:
        # Filtered, not taken: taking joins the texts of all rows first, which may be more than Arrow can join.
        mask = np.zeros(len(self._at), dtype=np.bool_)
        mask[rows] = True
        found = self._rows.column("data").filter(pa.array(mask))
        return found if (np.diff(rows) > 0).all() else found.take(pa.array(np.argsort(np.argsort(rows))))

    def _asked(self, asked: AskedOfEvents) -> Ints:
        """Return the first row of each session that matches what is asked of single events."""
        rows = np.arange(len(self._at)) if asked.names is None else np.flatnonzero(self._names.are(asked.names))
        of_each: Ints = np.arange(len(rows))
        if asked.data:
            data = self._data(rows)
            for needle, in_case in asked.needles:
                found = _may_hold(data, needle, in_case=in_case)
                rows, data = rows[found], data.filter(pa.array(found))
            of_each = _distinct(data)
        matches = asked.condition.matches
        if asked.timestamp:
            hit = np.fromiter(map(matches, self._seen(rows, timed=True)), np.bool_, len(rows))
        else:
            # One question for each different event: names and data say all that is asked of.
            key = of_each * len(self._names.texts) + self._names.codes[rows] if asked.data else self._names.codes[rows]
            _, first, again = np.unique(key, return_index=True, return_inverse=True)
            order = np.argsort(first)
            seen = self._seen(rows[first[order]], timed=False)
            once = np.empty(len(first), dtype=np.bool_)
            once[order] = np.fromiter(map(matches, seen), np.bool_, len(first))
            hit = once[again]
        rows = rows[hit]
        _, first = np.unique(self._at[rows], return_index=True)
        return np.asarray(rows[first], dtype=np.int64)


def _may_hold(data: pa.ChunkedArray, needle: str, *, in_case: bool) -> npt.NDArray[np.bool_]:
    """Return which texts of JSON may hold some letters and digits: those that do, and those that write some as codes."""
    found = pc.match_substring(data, needle, ignore_case=not in_case)
    # A capital I with a dot is an i and a dot in small letters.
    for escape in ("\\u", *(() if in_case else ("\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",))):
        found = pc.or_(found, pc.match_substring(data, escape))
    return np.asarray(found.to_numpy(), dtype=np.bool_)


def _distinct(data: pa.ChunkedArray) -> Ints:
    """Return a number for each text, the same for the same."""
    return np.asarray(_codes(data.dictionary_encode()).codes, dtype=np.int64)


class _Codes:
    """A column of texts that repeat, as numbers."""

    def __init__(self, codes: Ints, texts: Sequence[str]) -> None:
        self.codes = codes
        self.texts = texts

    def are(self, names: Any) -> npt.NDArray[np.bool_]:
        """Return which rows hold one of some texts."""
        wanted = np.array([text in names for text in self.texts], dtype=np.bool_)
        return wanted[self.codes] if len(wanted) else np.zeros(len(self.codes), dtype=np.bool_)


def _codes(column: pa.ChunkedArray) -> _Codes:
    whole = column.unify_dictionaries().combine_chunks()
    return _Codes(whole.indices.to_numpy(zero_copy_only=False), whole.dictionary.to_pylist())


def _listed(column: pa.ChunkedArray) -> list[Any]:
    if not pa.types.is_dictionary(column.type) or column.null_count:
        listed: list[Any] = column.to_pylist()
        return listed
    codes = _codes(column)
    return [codes.texts[code] for code in codes.codes.tolist()]


def _read(file: pq.ParquetFile, group: int | None, columns: Sequence[str]) -> pa.Table:
    names = list(columns)
    return file.read(columns=names) if group is None else file.read_row_group(group, columns=names)
