"""What is asked of a log's tables: frames with their columns, conditions and limits, queries in SQL, columns as Arrow."""

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base import checks
from voicelab.base.errors import InputError, LogError, did_you_mean
from voicelab.log import late, queries
from voicelab.log.checked import Checked
from voicelab.log.checksums import Checksums
from voicelab.log.database import Database
from voicelab.log.measured_parts import TABLE as MEASURES
from voicelab.log.measured_parts import Measured
from voicelab.log.parts import Part
from voicelab.log.queries import Frame
from voicelab.log.schema import STORED_SCHEMAS, UNREADABLE
from voicelab.log.whole_sessions import whole_sessions

if TYPE_CHECKING:
    import pandas as pd

MAX_ROWS = 5_000_000
"""The most events that become a frame unasked: some 2 GB of it."""
_RELATIONS = (*STORED_SCHEMAS, "late")


class Frames:
    """The frames of a log. All of them take what is pushed down to the files, so that no more is read than is asked for:

    - `columns`: names of the columns to return; None for all.
    - `where`: a condition in SQL over the frame's columns, such as `"turn > 2 AND name = 'error'"`.
    - `limit`: the most rows to return, from the first on.

    Args:
        path: The log's folder.
        parts: Its parts that are read, in order, with what their files have to be; None where nobody wrote it.
        left_out: Files of late outcomes that are not read, since they are damaged.
    """

    def __init__(self, path: Path, parts: Mapping[Part, Checksums | None], left_out: Collection[Path] = ()) -> None:
        self.path = path
        self._checksums = parts
        self._parts = list(parts)
        self._checked = Checked(path, parts, left_out)
        self._measured = Measured(path, parts, self._checked)
        self._database = Database(path, self._parts, self._checked, self._measured)

    def sessions(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a session, in order of `session_index`.

        The table's columns (see `voicelab.base.records.SESSIONS`), `variant.<test>` (text; None where the session didn't
        reach the test) and `outcome.<name>` (float64, text for outcomes that hold text). A numeric outcome that a
        session didn't write is 0, the guide's own default, so that the mean is over all sessions; it is missing where
        the session ended with status `error`, and for outcomes that were added late.

        Args:
            columns: Names of the columns to return; None for all.
            where: A condition in SQL, such as `"status = 'hangup' AND \\"outcome.booked\\" = 1"`.
            limit: The most rows to return.

        Raises:
            InputError: there is no such column, or `where` is no condition.
        """
        tests, outcomes, added = self._tests, self._outcomes, late.outcome_names(self._checked.late_parts())
        if columns is None and where is None and limit is None and not added:
            return whole_sessions(self.columns, tests, outcomes)
        return self._frame(queries.sessions(tests, outcomes, added), columns, where, limit)

    def events(
        self,
        session_id: str | None = None,
        name: str | None = None,
        kind: str | None = None,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        limit: int | None = None,
        max_rows: int | None = MAX_ROWS,
    ) -> "pd.DataFrame":
        """Return one row an event: session_id, seq, time_s, turn, kind, name, data (JSON text), background, task_name.

        Args:
            session_id: Only those of one session.
            name: Only those of a name, such as `text_to_speech`.
            kind: Only those of a kind: input, output, log, metric, system.
            columns: Names of the columns to return; None for all.
            where: A condition in SQL, such as `"turn > 2 AND data ->> '$.text' LIKE '%price%'"`.
            limit: The most rows to return.
            max_rows: Refuse to make a longer frame, which could take all memory; None for one of any length.

        Raises:
            InputError: there is no such column, `where` is no condition, or there are more than `max_rows`.
        """
        frame = queries.events(session_id, name, kind, in_order=self._in_order)
        if max_rows is not None:
            self._check_length(frame, where, limit, checks.whole("max_rows", max_rows))
        return self._frame(frame, columns, where, limit)

    def turns(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a turn; columns, where and limit as in `sessions`.

        session_id, turn, input (the event's name), heard (what the handler received as text), said (what the caller
        said, if the recogniser changed it the words before), agent (what was heard of the agent), interrupted, time_s
        (when the input was delivered), duration_s, modelled_first_output_s (from the input to the handler's first
        output; modelled where the session ran in virtual time), words and word_errors (of what was said, where the caller
        really spoke), answer_s (from the end of the caller's words to the agent's first sound), yield_s and followed (of words
        that interrupted the agent: how long it went on, and whether it then went_on, repeated, started_over or ignored them;
        docs/measures.md). What no words were found in makes no turn: `utterances` has that too.
        """
        return self._frame(queries.TURNS, columns, where, limit)

    def utterances(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row for each thing that a caller really said; columns, where and limit as in `sessions`.

        session_id, turn, time_s, said, heard (empty where nothing was recognised), words, word_errors (compared as
        they are said: "3" is "three"), words_as_written, word_errors_as_written (null in logs that have one count alone,
        which was as written), confidence (of the least certain part; null where the engine gives none), engine, n_parts (turns
        that pauses cut it into: more than 1 is a cut-off), end_of_turn_s (seconds of silence before its end was known). The word
        error rate is the sum of word_errors over that of words.
        """
        return self._frame(queries.UTTERANCES, columns, where, limit)

    def exposures(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a session and test that it reached: test, variant, weight, assignment, probability, ...

        columns, where and limit as in `sessions`.
        """
        return self._frame(queries.EXPOSURES, columns, where, limit)

    def outcomes(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a session and outcome that it declared or wrote; `late` marks those added afterwards.

        type is boolean, integer, float or string; value float64; text for outcomes that hold text; written is False
        where the outcome was declared and never set. columns, where and limit as in `sessions`.
        """
        return self._frame(queries.OUTCOMES, columns, where, limit)

    def metrics(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a metric: session_id, seq, time_s, turn, type, metric, value, tags (JSON text).

        columns, where and limit as in `sessions`.
        """
        return self._frame(queries.METRICS, columns, where, limit)

    def errors(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row an error: session_id, seq, time_s, turn, task_name, message, file, line, traceback.

        columns, where and limit as in `sessions`.
        """
        return self._frame(queries.ERRORS, columns, where, limit)

    def measures(
        self, *, columns: Sequence[str] | None = None, where: str | None = None, limit: int | None = None
    ) -> "pd.DataFrame":
        """Return one row a session with what its conversation was like; columns, where and limit as in `sessions`.

        session_id, answer_s_median, answer_s_p95, first_sound_s, dead_air_s, talk_over_s, yield_s_median,
        n_caller_interruptions, ..., as `docs/measures.md` defines them: null where there was no chance for it. They are
        computed when a session ends; those of a log of an earlier version when they are asked for.
        """
        return self._frame(queries.MEASURES, columns, where, limit)

    # --- SQL ---

    def sql(self, query: str) -> "pd.DataFrame":
        """Return what a query in SQL finds in the log, in DuckDB's dialect.

        The tables are sessions, events, exposures, outcomes, metrics, measures and late (outcomes that were added
        afterwards), with the columns that `docs/log.md` lists; `session_id` stands in all of
        them, JSON is read by `data ->> '$.text'`.

        Args:
            query: One SELECT. It reads nothing but the log.

        Raises:
            InputError: it is none, or isn't right; the message is DuckDB's.
        """
        if not isinstance(query, str) or not query.strip():
            raise InputError(f"query is {query!r}, must be a SELECT, e.g. 'SELECT count(*) FROM events'.")
        found: pd.DataFrame = self._database.ask(query, "log.sql()", _RELATIONS).df()
        return found

    def rows(self, query: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the rows of a query by column: for a few of them less work than a frame, and nothing is NaN.

        Args:
            query: One of voicelab's own, over the tables that `sql` knows.
            values: What stands for `$name` in it.
        """
        found = self._query(query, values)
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

    def relation(self, table: str) -> Any:
        """Return a table of the log as a DuckDB relation: nothing is read before it is asked for.

        `relation.filter("turn > 2").aggregate("kind, count(*)")` is another one; `.df()`, `.arrow()` and `.pl()` read it.
        It is read only, and reads nothing but the log.

        Args:
            table: sessions, events, exposures, outcomes, metrics, measures, or late: outcomes that were added afterwards.

        Raises:
            InputError: there is no such table.
        """
        if table not in _RELATIONS:
            near = did_you_mean(table, list(_RELATIONS)) if isinstance(table, str) else ""
            raise InputError(f"There is no table {table!r}. There are: {', '.join(_RELATIONS)}.{near}")
        return self._database.relation(table)

    # --- columns ---

    def columns(self, table: str, names: Sequence[str]) -> pa.Table:
        """Return columns of a table as they are stored, as Arrow: text that repeats as categories, nothing converted.

        Args:
            table: A name in `voicelab.base.records.STORED`, or `late`: the outcomes that were added afterwards.
            names: Its columns, among them session_index.

        Returns:
            The rows in order of session_index, of one session as they were written.
        """
        if table != MEASURES:
            self._checked.table(table)
        try:
            if table == MEASURES:
                files = [self._measured.whole()]
            elif table == "late":
                files = [late.read_late(self._checked.late_parts())]
            else:
                files = [self._part(table, part, names) for part in self._parts]
        except UNREADABLE as error:
            raise LogError(f"{self.path} can't be read: {error}.") from None
        found = pa.concat_tables([file.select(names) for file in files or [STORED_SCHEMAS[table].empty_table()]])
        index = found.column("session_index").to_numpy()
        if (index[1:] < index[:-1]).any():
            found = found.take(np.argsort(index, kind="stable"))
        return found.unify_dictionaries()

    def _part(self, table: str, part: Part, names: Sequence[str]) -> pa.Table:
        with pq.ParquetFile(part.file(self.path, table)) as file:
            # Threads cost as much as they read, but for a file of many shards.
            return file.read(columns=list(names), use_threads=part.last > part.first)

    # --- inside ---

    @cached_property
    def _in_order(self) -> bool:
        """Whether sessions, and with them their events, lie in order of session_index, as all writers write them."""
        self._checked.table("sessions")
        parts = [self._part("sessions", part, ["session_index"]) for part in self._parts]
        index = pa.concat_tables(parts).column(0).to_numpy() if parts else np.array([])
        return bool((index[1:] > index[:-1]).all())

    # Files are those of the moment in which the log was opened: what stands in them stays.
    @cached_property
    def _tests(self) -> list[str]:
        return [row[0] for row in self._query("SELECT DISTINCT test FROM exposures ORDER BY test").fetchall()]

    @cached_property
    def _outcomes(self) -> dict[str, str]:
        """The outcomes and the type of each: that of most of its rows."""
        rows = self._query(queries.OUTCOME_TYPES).fetchall()
        return dict(rows)

    def _query(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return DuckDB's result of a query over the log's tables."""
        return self._database.query(sql, values)

    def _frame(
        self, frame: Frame, columns: Sequence[str] | None, where: str | None, limit: int | None
    ) -> "pd.DataFrame":
        sql = frame.asked(_names(columns), _condition(where), None if limit is None else checks.whole("limit", limit))
        if columns is None and where is None:
            found = self._query(sql, frame.values)
        else:
            found = self._database.ask(sql, f"log.{frame.name}()", self._names_of(frame), frame.values)
        result: pd.DataFrame = found.df()
        return result

    def _names_of(self, frame: Frame) -> list[str]:
        described = self._query(f"DESCRIBE {frame.asked(None, None, 0)}", frame.values).fetchall()
        return [row[0] for row in described]

    def _check_length(self, frame: Frame, where: str | None, limit: int | None, most: int) -> None:
        if limit is not None and limit <= most:
            return
        (total,) = self._query("SELECT count(*) FROM events").fetchone()
        if total <= most:
            return
        sql = f"SELECT count(*) FROM ({frame.asked(None, _condition(where), limit)})"
        (n_rows,) = self._database.ask(sql, "log.events()", self._names_of(frame), frame.values).fetchone()
        if n_rows > most:
            raise InputError(
                f"That makes a frame of {n_rows:,} events, more than max_rows={most:,}. Ask for fewer by columns=, where= or "
                "limit=, e.g. log.events(where=\"name = 'error'\"); count and group them by log.sql('SELECT ... FROM "
                "events'); or take log.relation('events'), which is read when it is asked for. max_rows=None makes the "
                "frame all the same."
            )


def _names(columns: Sequence[str] | None) -> list[str] | None:
    if columns is None:
        return None
    if isinstance(columns, str) or not columns or not all(isinstance(name, str) for name in columns):
        raise InputError(f"columns is {columns!r}, must be a list of names, e.g. ['session_id', 'turn'].")
    return list(columns)


def _condition(where: str | None) -> str | None:
    if where is not None and (not isinstance(where, str) or not where.strip()):
        raise InputError(f"where is {where!r}, must be a condition in SQL, e.g. \"turn > 2 AND name = 'error'\".")
    return where
