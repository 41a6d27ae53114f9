"""A log's tables as DuckDB sees them: views of their files on one connection, kept as long as the log.

Connecting costs as much as a dozen queries. What a query reads is never older than the query: a view holds the names of
files, not what is in them, and the late outcomes' files are listed anew each time.
"""

import contextlib
import os
import re
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from voicelab.base.errors import InputError, LogError
from voicelab.log.checked import Checked
from voicelab.log.measured_parts import TABLE, TURNS, Measured
from voicelab.log.parts import Part
from voicelab.log.schema import SCHEMAS, STORED_SCHEMAS, without_categories

_open: "weakref.WeakSet[Database]" = weakref.WeakSet()


class Database:
    """The tables of a log; threads may query it at once, and a copy or a pickle of it connects for itself.

    Args:
        root: The log's folder.
        parts: The parts to read.
        checked: Compares files with their checksums.
        measured: Their measures.
    """

    def __init__(self, root: Path, parts: Sequence[Part], checked: Checked, measured: Measured) -> None:
        self._root = root
        self._parts = parts
        self._checked = checked
        self._measures = measured
        self._lock = threading.Lock()
        self._connection: Any = None
        self._late: list[str] = []
        self._measured: set[str] = set()
        _open.add(self)

    def query(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return DuckDB's result of a query over the tables and `late`, the outcomes that were added afterwards.

        Raises:
            LogError: the files can't be read.
        """
        import duckdb

        try:
            return self._run(sql, values)
        except duckdb.Error as error:
            raise LogError(f"{self._root} can't be read: {error}.") from None

    def ask(self, sql: str, what: str, names: Sequence[str], values: Mapping[str, Any] | None = None) -> Any:
        """Return DuckDB's result of a query that a user has written, or a part of it.

        Args:
            sql: The query.
            what: What was asked, for the message.
            names: Names that it may use, for the message.
            values: Its values.

        Raises:
            InputError: it is no single SELECT, or isn't right.
            LogError: the files can't be read.
        """
        import duckdb

        known = f"{what} knows: {', '.join(names)}."
        try:
            kinds = [statement.type for statement in self._cursor().extract_statements(sql)]
            if kinds != [duckdb.StatementType.SELECT]:
                given = ", ".join(kind.name for kind in kinds) or "nothing"
                raise InputError(f"{what} takes one SELECT, and this is {given}: nothing was done. {known}")
            return self._run(sql, values)
        except (duckdb.IOException, duckdb.InternalException, duckdb.OutOfMemoryException) as error:
            raise LogError(f"{self._root} can't be read: {error}.") from None
        except duckdb.Error as error:
            raise InputError(f"{what}: {error} {known}") from None

    def relation(self, table: str) -> Any:
        """Return a table as a DuckDB relation, on a connection that lives as long as it."""
        self._prepare(table)
        return self._cursor().table(table)

    def _run(self, sql: str, values: Mapping[str, Any] | None) -> Any:
        # A table is compared with its checksums when it is first named, be it as a word that means something else.
        for table in (*STORED_SCHEMAS, TURNS, "late"):
            if re.search(rf"\b{table}\b", sql, re.IGNORECASE):
                self._prepare(table)
        return self._cursor().execute(sql, values or {})

    def _prepare(self, table: str) -> None:
        if table not in {TABLE, TURNS}:
            self._checked.table(table)
        elif table not in self._measured:
            self._show_measures() if table == TABLE else self._show_computed(TURNS, self._measures.turns())

    def _cursor(self) -> Any:
        with self._lock:
            # A cursor is a connection of its own to the same views: threads don't wait for each other's queries.
            return self._connected().cursor()

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
        import duckdb  # a tenth of a second, which a simulation that asks nothing of its log doesn't spend

        if self._connection is None:
            self._connection = duckdb.connect()
            self._late, self._measured = [], set()
            for table in SCHEMAS:
                self._show(table, [self._absolute(part.file(self._root, table)) for part in self._parts])
            self._show("late", [])
            self._confine()
        parts = [self._absolute(path) for path in self._checked.late_parts()]
        if parts != self._late:
            self._show("late", parts)
            self._late = parts
        return self._connection

    def _show(self, name: str, files: list[str]) -> None:
        if files:
            self._connection.read_parquet(files).create_view(name, replace=True)
        elif name == "late":
            self._connection.execute("CREATE OR REPLACE VIEW late AS SELECT * FROM outcomes WHERE false")
        else:
            self._connection.from_arrow(without_categories(SCHEMAS[name], SCHEMAS[name].names).empty_table()).create(
                name
            )

    def _show_measures(self) -> None:
        stored = [part for part in self._parts if part in self._measures.stored]
        if not stored or len(stored) < len(self._parts):
            self._show_computed(TABLE, self._measures.whole())
            return
        self._checked.table(TABLE)
        with self._lock:
            self._connected()
            self._show(TABLE, [self._absolute(part.file(self._root, TABLE)) for part in stored])
            self._measured.add(TABLE)

    def _show_computed(self, name: str, table: pa.Table) -> None:
        """Show a table that isn't stored."""
        with self._lock:
            connection = self._connected()
            if name not in self._measured:
                connection.from_arrow(table.cast(without_categories(table.schema, table.schema.names))).create(name)
                self._measured.add(name)

    def _confine(self) -> None:
        """Let queries read the log alone: no other file, no network, no variable of the notebook, for good."""
        import duckdb

        folder = self._absolute(self._root).replace("'", "''")
        settings = {
            # It would keep what was read in memory, for queries that are rarely the same. DuckDB before 1.3 has none.
            "enable_external_file_cache": "false",
            "python_enable_replacements": "false",
            "allowed_directories": f"['{folder}']",
            "enable_external_access": "false",
            "lock_configuration": "true",
        }
        for name, value in settings.items():
            with contextlib.suppress(duckdb.CatalogException):
                self._connection.execute(f"SET {name} = {value}")

    @staticmethod
    def _absolute(path: Path) -> str:
        return str(path.absolute())

    def __reduce__(self) -> tuple[Any, ...]:
        return Database, (self._root, self._parts, self._checked, self._measures)


def _close_all() -> None:
    for database in list(_open):
        database.close()


def _unlock_all() -> None:
    for database in list(_open):
        database.unlock()


# DuckDB's threads don't live on in a forked child, whose exit then crashes over them: nothing is left open to inherit.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_all, after_in_child=_unlock_all)
