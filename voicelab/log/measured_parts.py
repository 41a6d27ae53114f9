"""The table of measures: as it was stored when the sessions ended, or computed from their events where it wasn't.

Logs of earlier versions have no such table, and a later version may measure otherwise: what can be computed is no damage.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.base.records import MEASURES, EventRow, Label, Row
from voicelab.log.checked import Checked
from voicelab.log.checksums import Checksums, read_checksums
from voicelab.log.parts import Part
from voicelab.log.schema import DERIVED_SCHEMAS, UNREADABLE
from voicelab.measures.measuring import measures_from_events, turns_of_timeline
from voicelab.measures.timeline import NAMES, timeline_of

TABLE = "measures"
TURNS = "turn_measures"
_SCHEMA = DERIVED_SCHEMAS[TABLE]
_TURNS = pa.schema(
    [
        ("session_id", pa.string()),
        ("turn", pa.int32()),
        ("answer_s", pa.float64()),
        ("yield_s", pa.float64()),
        ("followed", pa.string()),
    ]
)


def stores_measures(root: Path, part: Part, checksums: Checksums | None) -> bool:
    """Return whether a part has the table of measures as this version writes it.

    Args:
        root: The log's folder.
        part: The part.
        checksums: What its files have to be.
    """
    if checksums is None or TABLE not in checksums.tables:
        return False
    try:
        return bool(pq.read_schema(part.file(root, TABLE)).equals(_SCHEMA))
    except UNREADABLE:
        return True  # whoever reads it says what is wrong with it


class Measured:
    """The measures of a log's parts; what is computed is kept.

    Args:
        root: The log's folder.
        parts: Its parts, with what their files have to be.
        checked: Compares files with their checksums.
    """

    def __init__(self, root: Path, parts: Mapping[Part, Checksums | None], checked: Checked) -> None:
        self._root = root
        self._parts = parts
        self._checked = checked
        self._computed: dict[Part, pa.Table] = {}

    @cached_property
    def stored(self) -> frozenset[Part]:
        """The parts that have the table."""
        return frozenset(part for part, own in self._parts.items() if stores_measures(self._root, part, own))

    def part(self, part: Part) -> pa.Table:
        """Return the table of a part.

        Raises:
            LogError: its files are damaged.
        """
        if part in self.stored:
            self._checked.part(part, TABLE)
            return pq.read_table(part.file(self._root, TABLE), partitioning=None)
        if part not in self._computed:
            for table in ("sessions", "events"):
                self._checked.part(part, table)
            self._computed[part] = computed_measures(self._root, part)
        return self._computed[part]

    def stored_row(self, part: Part, index: int) -> Row | None:
        """Return the measures of a session as they were stored; None where they weren't.

        In a redacted log they say what its masked words don't.

        Raises:
            LogError: the file is damaged.
        """
        if part not in self.stored:
            return None
        self._checked.part(part, TABLE)
        own = pq.read_table(
            part.file(self._root, TABLE),
            columns=list(MEASURES),
            filters=[("session_index", "==", index)],
            partitioning=None,
        )
        return next((tuple(row[name] for name in MEASURES) for row in own.to_pylist()), None)

    def whole(self) -> pa.Table:
        """Return the table of all parts, one after another."""
        return pa.concat_tables([_SCHEMA.empty_table(), *map(self.part, self._parts)]).unify_dictionaries()

    def turns(self) -> pa.Table:
        """Return the measures of all turns that the caller's words or keys began, computed from the events."""
        for part, table in product(self._parts, ("sessions", "events")):
            self._checked.part(part, table)
        tables = [_turns_of_group(*group) for part in self._parts for group in _groups(self._root, part)]
        return pa.concat_tables([_TURNS.empty_table(), *tables])


def settled_measures(root: Path, part: Part) -> pa.Table:
    """Return the measures of the sessions of a part: stored, or computed where an earlier version wrote it.

    Args:
        root: The log's folder.
        part: The part, whose files are sound.
    """
    if stores_measures(root, part, read_checksums(part.checksums(root))):
        return pq.read_table(part.file(root, TABLE), partitioning=None)
    return computed_measures(root, part)


def computed_measures(root: Path, part: Part) -> pa.Table:
    """Return the measures of the sessions of a part, computed from their events.

    Args:
        root: The log's folder.
        part: The part.
    """
    tables = [_of_group(*group) for group in _groups(root, part)]
    return pa.concat_tables(tables).unify_dictionaries() if tables else _SCHEMA.empty_table()


def _groups(root: Path, part: Part) -> Iterator[tuple[pa.Table, Iterator[Sequence[EventRow]]]]:
    """Yield groups of sessions, and the events of each of them."""
    with (
        pq.ParquetFile(part.file(root, "sessions")) as sessions,
        pq.ParquetFile(part.file(root, "events")) as events,
    ):
        # In a part of several shards each group of rows holds the same sessions in every table.
        for group in range(sessions.num_row_groups) if part.last > part.first else [None]:
            own = _read(sessions, group, ["session_id", "session_index", "duration_s", "source"])
            rows = _read(events, group, ["session_id", "time_s", "turn", "kind", "name", "data"])
            yield own, _events_of(rows, own.column("session_id").combine_chunks())


def _turns_of_group(own: pa.Table, rows_of: Iterator[Sequence[EventRow]]) -> pa.Table:
    ids, turns = own.column("session_id").to_pylist(), map(turns_of_timeline, map(timeline_of, rows_of))
    rows = [(session_id, *turn) for session_id, found in zip(ids, turns, strict=True) for turn in found]
    columns = zip(*rows, strict=True) if rows else [()] * len(_TURNS.names)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, _TURNS, strict=True)], schema=_TURNS
    )


def _of_group(own: pa.Table, rows_of: Iterator[Sequence[EventRow]]) -> pa.Table:
    ids = own.column("session_id").combine_chunks()
    facts = zip(*(own.column(name).to_pylist() for name in ("session_index", "duration_s", "source")), strict=True)
    rows = [measures_from_events(next(rows_of), index, duration_s, source) for index, duration_s, source in facts]
    return _as_table(ids, rows)


def _events_of(events: pa.Table, ids: pa.Array) -> Iterator[Sequence[EventRow]]:
    """Yield the events of each session that a measure looks at, in order."""
    names = _encoded(events.column("name"))
    wanted = pc.is_in(names.dictionary, pa.array(sorted(NAMES)))
    events = events.filter(wanted.take(names.indices))
    own = _encoded(events.column("session_id"))
    at = pc.index_in(own.dictionary, ids.cast(pa.string())).to_numpy(zero_copy_only=False)[own.indices.to_numpy()]
    if (np.diff(at) < 0).any():
        order = np.argsort(at, kind="stable")
        at, events = at[order], events.take(pa.array(order))
    rows = list(zip(_numbers(events, "time_s"), _numbers(events, "turn"), _labels(events), _texts(events), strict=True))
    first = np.searchsorted(at, np.arange(len(ids) + 1)).tolist()
    return (rows[begin:end] for begin, end in pairwise(first))


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return encoded.unify_dictionaries().combine_chunks()


def _numbers(events: pa.Table, name: str) -> list[Any]:
    numbers: list[Any] = events.column(name).to_numpy().tolist()
    return numbers


def _labels(events: pa.Table) -> list[Label]:
    """Return the label of each event: one object for all that have the same."""
    kinds, names = _encoded(events.column("kind")), _encoded(events.column("name"))
    all_kinds, all_names = kinds.dictionary.to_pylist(), names.dictionary.to_pylist()
    labels = np.empty(len(all_kinds) * len(all_names), dtype=object)
    for place, (kind, name) in enumerate(product(all_kinds, all_names)):
        labels[place] = (kind, name, False, None)
    found: list[Label] = labels[kinds.indices.to_numpy() * len(all_names) + names.indices.to_numpy()].tolist()
    return found


def _texts(events: pa.Table) -> list[str]:
    """Return the data of each event: the same texts come again and again, and each is made once."""
    data = _encoded(events.column("data"))
    texts: list[str] = data.dictionary.to_numpy(zero_copy_only=False)[data.indices.to_numpy()].tolist()
    return texts


def _as_table(ids: pa.Array, rows: Sequence[Row]) -> pa.Table:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(MEASURES)
    arrays = [pa.array(column, _SCHEMA.field(name).type) for name, column in zip(MEASURES, columns, strict=True)]
    return pa.table([ids.cast(pa.string()).dictionary_encode(), *arrays], schema=_SCHEMA)


def _read(file: pq.ParquetFile, group: int | None, columns: Sequence[str]) -> pa.Table:
    names = list(columns)
    return file.read(columns=names) if group is None else file.read_row_group(group, columns=names)
