"""Sessions of a log, one after another: a group of them is read once, and each taken out of it when it is asked for."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.base.errors import LogError
from voicelab.base.records import TABLES, EventRow, from_event_rows
from voicelab.log.parts import Part
from voicelab.log.schema import UNREADABLE
from voicelab.log.session_rows import check_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from voicelab.log.read import Log


class OneByOne:
    """Reads sessions by their index, most cheaply in order.

    Args:
        log: The log.
    """

    def __init__(self, log: "Log") -> None:
        self._log = log
        self._key: tuple[Part, int] | None = None
        self._sessions: dict[int, dict[str, Any]] = {}

    def session(self, index: int) -> tuple[dict[str, Any], list[EventRow]]:
        """Return a session's row, by column, and its events.

        Raises:
            InputError: there is no such session.
            LogError: it can't be read.
        """
        log = self._log
        if index not in self._sessions:
            part, _ = log.find(index)
            try:
                self._read(part, index)
            except UNREADABLE as error:
                raise LogError(f"{log.path} can't be read: {error}.") from None
        if index not in self._sessions:
            log.session(index)  # says that there is none
        own = self._sessions[index]
        code = self._texts.get(str(own["session_id"]), -1)
        events = self._events.take(pa.array(np.flatnonzero(self._codes == code))).to_pylist()
        rows: Mapping[str, Any] = {
            "sessions": [tuple(own[name] for name in TABLES["sessions"])],
            "events": [tuple(row[name] for name in TABLES["events"]) for row in events],
        }
        check_rows(rows, f"Session {index} of {log.path}")
        return own, from_event_rows(rows["events"])

    def _read(self, part: Part, index: int) -> None:
        log = self._log
        for table in ("sessions", "events"):
            log.check_part(part, table)
        with pq.ParquetFile(part.file(log.path, "sessions")) as file:
            group = _group_of(file, index) if part.last > part.first else None
            sessions = file.read() if group is None else file.read_row_group(group)
        with pq.ParquetFile(part.file(log.path, "events")) as file:
            events = file.read() if group is None else file.read_row_group(group)
        self._sessions = {row["session_index"]: row for row in sessions.to_pylist()}
        ids = events.column("session_id").cast(pa.string()).dictionary_encode().combine_chunks()
        self._codes = ids.indices.to_numpy(zero_copy_only=False)
        self._texts = {text: code for code, text in enumerate(ids.dictionary.to_pylist())}
        self._events = events.select(list(TABLES["events"]))


def _group_of(file: pq.ParquetFile, index: int) -> int:
    """Return the group of rows in which a session stands."""
    for group in range(file.metadata.num_row_groups):
        if pc.index(file.read_row_group(group, columns=["session_index"]).column(0), index).as_py() >= 0:
            return group
    return 0
