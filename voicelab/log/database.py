"""A log's tables as DuckDB sees them: views of their files on one connection, kept as long as the log.

Connecting costs as much as a dozen queries. What a query reads is never older than the query: a view holds the names of
files, not what is in them, and the late outcomes' files are listed anew each time.
"""

import contextlib
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from voicelab.base.errors import LogError
from voicelab.log import late
from voicelab.log.schema import SCHEMAS
from voicelab.log.write import shard_path

_open: "weakref.WeakSet[Database]" = weakref.WeakSet()


class Database:
    """The tables of a log; threads may query it at once, and a copy or a pickle of it connects for itself.

    Args:
        root: The log's folder.
        shards: Numbers of the shards to read.
    """

    def __init__(self, root: Path, shards: Sequence[int]) -> None:
        self._root = root
        self._shards = shards
        self._lock = threading.Lock()
        self._connection: Any = None
        self._late: list[str] = []
        _open.add(self)

    def query(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return DuckDB's result of a query over the tables and `late`, the outcomes that were added afterwards.

        Raises:
            LogError: the files can't be read.
        """
        try:
            with self._lock:
                # A cursor is a connection of its own to the same views: threads don't wait for each other's queries.
                cursor = self._connected().cursor()
            return cursor.execute(sql, values or {})
        except duckdb.Error as error:
            raise LogError(f"{self._root} can't be read: {error}.") from None

    def close(self) -> None:
        """Give up the connection; the next query makes another one."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def unlock(self) -> None:
        """Forget a lock that a thread holds which is not in this process."""
        self._lock = threading.Lock()

    def _connected(self) -> Any:
        if self._connection is None:
            self._connection = _connect()
            self._late = []
            for table in SCHEMAS:
                self._show(table, [str(shard_path(self._root, table, number)) for number in self._shards])
            self._show("late", [])
        parts = [str(path) for path in late.parts(self._root)]
        if parts != self._late:
            self._show("late", parts)
            self._late = parts
        return self._connection

    def _show(self, name: str, files: list[str]) -> None:
        if files:
            self._connection.read_parquet(files).create_view(name)
        elif name == "late":
            self._connection.execute("CREATE VIEW late AS SELECT * FROM outcomes WHERE false")
        else:
            self._connection.from_arrow(_plain(SCHEMAS[name]).empty_table()).create(name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (self._root, self._shards)


def _connect() -> Any:
    connection = duckdb.connect()
    # It would keep what was read in memory, for queries that are rarely the same. DuckDB before 1.3 has none.
    with contextlib.suppress(duckdb.Error):
        connection.execute("SET enable_external_file_cache = false")
    return connection


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema with text where it has categories, as DuckDB reads them from files."""
    return pa.schema([(f.name, f.type.value_type if pa.types.is_dictionary(f.type) else f.type) for f in schema])


def _close_all() -> None:
    for database in list(_open):
        database.close()


def _unlock_all() -> None:
    for database in list(_open):
        database.unlock()


# DuckDB's threads don't live on in a forked child, whose exit then crashes over them: nothing is left open to inherit.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_all, after_in_child=_unlock_all)
