"""Reads a session log: frames by DuckDB, single sessions as records."""

import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from voicelab.base.errors import InputError, LogError, VoicelabError, did_you_mean
from voicelab.base.html_page import write_page
from voicelab.base.records import TABLES, SessionRows, from_event_rows
from voicelab.log import late, lock, queries
from voicelab.log.database import Database
from voicelab.log.failures import Failures, find_failures
from voicelab.log.manifest import read_manifest
from voicelab.log.schema import SCHEMAS
from voicelab.log.write import settled_shards, shard_path
from voicelab.record.session_record import SessionRecord

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.plots.result_like import AxesLike

Rerun = Callable[[int, Mapping[str, int]], SessionRecord]


def open_log(path: str | Path, *, strict: bool = True) -> "Log":
    """Open a session log.

    Args:
        path: Its folder.
        strict: Refuse a log with a damaged shard; False leaves that shard out, with a warning.

    Raises:
        LogError: the folder is no log, was written with another schema, or holds a damaged shard.
    """
    if not isinstance(path, str | Path):
        raise InputError(f"path is {path!r}, must be the folder of a session log.")
    root = Path(path)
    manifest = read_manifest(root)
    return Log(root, manifest, _sound_shards(root, strict=strict))


class Log:
    """A session log, read only; made by `open_log` or `vl.simulate`.

    Args:
        path: Its folder.
        manifest: Its manifest.
        shards: Numbers of the shards to read.
        rerun: Runs a session again, given its index and the stops of tests.
        keep: Something to keep alive as long as the log: its temporary folder.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        shards: list[int],
        rerun: Rerun | None = None,
        keep: TemporaryDirectory[str] | None = None,
    ) -> None:
        self.path = path
        self.manifest = manifest
        self._shards = shards
        self._rerun = rerun
        self._keep = keep
        self._database = Database(path, shards)

    @property
    def finished(self) -> bool:
        """Whether the run that writes it has come to its end."""
        return bool(self.manifest.get("status") == "finished")

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.manifest.get("run_id"))

    # --- frames ---

    def sessions(self) -> "pd.DataFrame":
        """Return one row a session, in order of `session_index`.

        The table's columns (see `voicelab.base.records.SESSIONS`), `variant.<test>` (text; None where the session didn't
        reach the test) and `outcome.<name>` (float64, text for outcomes that hold text). A numeric outcome that a
        session didn't write is 0, the guide's own default, so that the mean is over all sessions; it is missing where
        the session ended with status `error`, and for outcomes that were added late.
        """
        return self._frame(queries.sessions(self._tests, self._outcomes, late.outcome_names(self.path)))

    def events(self, session_id: str | None = None, name: str | None = None, kind: str | None = None) -> "pd.DataFrame":
        """Return one row an event: session_id, seq, time_s, turn, kind, name, data (JSON text), background, task_name.

        Args:
            session_id: Only those of one session.
            name: Only those of a name, such as `text_to_speech`.
            kind: Only those of a kind: input, output, log, metric, system.
        """
        return self._frame(*queries.events(session_id, name, kind))

    def turns(self) -> "pd.DataFrame":
        """Return one row a turn.

        session_id, turn, input (the event's name), heard (what the handler received as text), said (what the caller
        said, if the recogniser changed it the words before), agent (what was heard of the agent), interrupted, time_s
        (when the input was delivered), duration_s, modelled_first_output_s (from the input to the handler's first
        output; modelled where the session ran in virtual time), words and word_errors (of what was said, where the caller
        really spoke). What no words were found in makes no turn: `utterances` has that too.
        """
        return self._frame(queries.TURNS)

    def utterances(self) -> "pd.DataFrame":
        """Return one row for each thing that a caller really said, whether words were found in it or not.

        session_id, turn, time_s, said, heard (empty where nothing was recognised), words, word_errors, confidence (of
        the least certain part; null where the engine gives none), engine. The word error rate is the sum of
        word_errors over that of words.
        """
        return self._frame(queries.UTTERANCES)

    def exposures(self) -> "pd.DataFrame":
        """Return one row a session and test that it reached: test, variant, weight, assignment, probability, ..."""
        return self._frame(queries.ordered("exposures", "session_index"))

    def outcomes(self) -> "pd.DataFrame":
        """Return one row a session and outcome that it declared or wrote; `late` marks those added afterwards.

        type is boolean, integer, float or string; value float64; text for outcomes that hold text; written is False
        where the outcome was declared and never set.
        """
        return self._frame(queries.OUTCOMES)

    def metrics(self) -> "pd.DataFrame":
        """Return one row a metric: session_id, seq, time_s, turn, type, metric, value, tags (JSON text)."""
        return self._frame(queries.ordered("metrics", "session_id, seq"))

    def errors(self) -> "pd.DataFrame":
        """Return one row an error: session_id, seq, time_s, turn, task_name, message, file, line, traceback."""
        return self._frame(queries.ERRORS)

    def decisions(self) -> "pd.DataFrame":
        """Return one row a test with a stop rule: its decision as it was made while the sessions ran."""
        import pandas as pd

        from voicelab.decision.rules import StopDecision

        columns = list(StopDecision.__dataclass_fields__)
        return pd.DataFrame(list(self.manifest.get("decisions", {}).values()), columns=columns)

    @cached_property
    def failures(self) -> Failures | None:
        """The sessions that had an error, and the commonest of these; None if no session had one."""
        return find_failures(self._query)

    # --- columns ---

    def columns(self, table: str, names: Sequence[str]) -> pa.Table:
        """Return columns of a table as they are stored, as Arrow: text that repeats as categories, nothing converted.

        Args:
            table: A name in `voicelab.base.records.TABLES`, or `late`: the outcomes that were added afterwards.
            names: Its columns, among them session_index.

        Returns:
            The rows in order of session_index, of one session as they were written.
        """
        try:
            parts = (
                [late.read_late(self.path)] if table == "late" else [self._part(table, n, names) for n in self._shards]
            )
        except (OSError, pa.ArrowException) as error:
            raise LogError(f"{self.path} can't be read: {error}.") from None
        found = pa.concat_tables([part.select(names) for part in parts or [SCHEMAS[table].empty_table()]])
        index = found.column("session_index").to_numpy()
        if (index[1:] < index[:-1]).any():
            found = found.take(np.argsort(index, kind="stable"))
        return found.unify_dictionaries()

    def _part(self, table: str, number: int, names: Sequence[str]) -> pa.Table:
        with pq.ParquetFile(shard_path(self.path, table, number)) as file:
            return file.read(columns=list(names))

    # --- one session ---

    def session(self, session: str | int) -> SessionRecord:
        """Return the record of one session.

        Args:
            session: Its id or its index.

        Raises:
            InputError: there is no such session.
        """
        session_id, index = self._find(session)
        shard = self._shard_of(index)
        rows = {}
        for table in TABLES:
            found = pq.read_table(
                shard_path(self.path, table, shard), schema=SCHEMAS[table], filters=[("session_id", "==", session_id)]
            )
            names = [name for name in found.schema.names if name in TABLES[table]]
            rows[table] = [tuple(row[name] for name in names) for row in found.to_pylist()]
        (own,) = rows.pop("sessions")
        events = from_event_rows(rows.pop("events"))
        return SessionRecord.from_rows(SessionRows(own, events, **rows))

    def rerun(self, session: str | int) -> SessionRecord:
        """Run a session again in this process, the same to the event, to be stepped through.

        Args:
            session: Its id or its index.

        Raises:
            InputError: there is no such session.
            LogError: the log was opened from its folder, which doesn't hold the handler.
        """
        _, index = self._find(session)
        if self._rerun is None:
            raise LogError(
                f"{self.path} doesn't hold the handler and the callers. Call vl.simulate() with the same arguments: a "
                "finished log is opened, not run again, and its sessions can then be rerun."
            )
        decisions = self.manifest.get("decisions", {})
        stops = {test: d["stopped_session_index"] for test, d in decisions.items() if d["should_stop"]}
        return self._rerun(index, stops)

    def add_outcomes(self, frame: "pd.DataFrame") -> None:
        """Add outcomes that became known after the sessions, such as a purchase the day after.

        Args:
            frame: A column `session_id`, and a column an outcome with numbers, booleans or text; missing values are
                left out. Sessions without a value are excluded where the outcome is analysed.

        Raises:
            InputError: no `session_id`, sessions that the log doesn't have, an id twice, or an outcome that it has.
            LogError: somebody else writes the log, or it can't be written.
        """
        with lock.hold(self.path, "late outcomes", lock.BRIEFLY_S):
            taken = [*self._outcomes, *late.outcome_names(self.path)]
            known = self._frame("SELECT session_id, session_index FROM sessions")
            late.add(self.path, frame, known=known, taken=taken)

    # --- display ---

    def plot(self, kind: str = "overview", test: str | None = None, ax: "AxesLike | None" = None) -> Any:
        """Draw the sessions, each variant in its colour where there is a test, and return the matplotlib Axes.

        Args:
            kind: `statuses` (how sessions ended), `turns`, `durations`, `errors` (the commonest), `drop_off` (by turn); or
                `overview`, all of them in one figure, of which a list of Axes is returned.
            test: The test whose variants are told apart; may be left out if there is only one.
            ax: Axes to draw into.

        Raises:
            InputError: there is no such kind or test, or no session.
        """
        from voicelab.log.pictures import facts_of
        from voicelab.plots.of_log import plot_log

        tests = self._tests
        if test is not None and test not in tests:
            raise unknown_name("test", test, tests)
        return plot_log(facts_of(test, tests, str(self.manifest.get("source", "")), self._frame), kind, ax)

    def to_html(self, path: str | Path) -> Path:
        """Write the log's facts and its pictures as a page of their own, and return its path.

        Args:
            path: Where to, such as `log.html`; a file that is there is replaced.

        Raises:
            InputError: it can't be written there.
        """
        from voicelab.plots.as_svg import as_svg

        pictures = as_svg(self.plot()[0].figure.canvas.figure) if self._count() else ""
        pictures = f"<div style='margin-top:28px'>{pictures}</div>"
        return write_page(path, f"Session log {self.path.name}", self._repr_html_() + pictures)

    # --- inside ---

    def with_rerun(self, rerun: Rerun, keep: TemporaryDirectory[str] | None) -> "Log":
        """Return the log with a way to run its sessions again."""
        return Log(self.path, self.manifest, self._shards, rerun, keep)

    @property
    def _tests(self) -> list[str]:
        return [row[0] for row in self._query("SELECT DISTINCT test FROM exposures ORDER BY test").fetchall()]

    @property
    def _outcomes(self) -> dict[str, str]:
        """The outcomes and the type of each: that of most of its rows."""
        rows = self._query(queries.OUTCOME_TYPES).fetchall()
        return dict(rows)

    def _find(self, session: str | int) -> tuple[str, int]:
        by = "session_index" if isinstance(session, int) and not isinstance(session, bool) else "session_id"
        row = self._query(
            f"SELECT session_id, session_index FROM sessions WHERE {by} = $value", {"value": session}
        ).fetchone()
        if row is None:
            count = self._query("SELECT count(*) FROM sessions").fetchall()[0][0]
            raise InputError(
                f"There is no session {session!r} in {self.path}: it has {count:,} sessions. Give a session_id, or an "
                "index from 0 on."
            )
        return row[0], row[1]

    def _shard_of(self, index: int) -> int:
        size = int(self.manifest.get("shard_size", 1))
        return index // size

    def _query(self, sql: str, values: Mapping[str, Any] | None = None) -> Any:
        """Return DuckDB's result of a query over the log's tables."""
        return self._database.query(sql, values)

    def _frame(self, sql: str, values: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        frame: pd.DataFrame = self._query(sql, values).df()
        return frame

    def __repr__(self) -> str:
        state = "" if self.finished else ", unfinished"
        unknown = self.manifest.get("weights_unknown")
        state += f", weights unknown: {', '.join(unknown)}" if unknown else ""
        failed = "" if self.failures is None else f", {self.failures.in_short}"
        return f"Log({str(self.path)!r}, {self._count():,} sessions{state}{failed})"

    def _count(self) -> int:
        return int(self._query("SELECT count(*) FROM sessions").fetchall()[0][0])

    def _repr_html_(self) -> str:
        facts = {
            "sessions": f"{self._count():,}" + ("" if self.finished else " so far: the run is unfinished"),
            "source": f"{self.manifest.get('source')} callers",
            "handler": self.manifest.get("handler"),
            "callers": self.manifest.get("callers"),
            "world": self.manifest.get("world") or "nothing between caller and agent",
            "line": self.manifest.get("audio") or "callers in text",
            "statuses": ", ".join(f"{n:,} {status}" for status, n in self.manifest.get("statuses", {}).items()),
        }
        shares = self.manifest.get("otherwise_share", {})
        if shares:
            facts["replies that no pattern matched"] = ", ".join(
                f"{name} {share:.0%}" for name, share in shares.items()
            )
        if unknown := self.manifest.get("weights_unknown"):
            facts["weights unknown"] = ", ".join(unknown)
        for test, decision in self.manifest.get("decisions", {}).items():
            facts[f"test {test}"] = decision["sentence"]
        facts |= {"": " ".join(self.manifest.get("remarks", ()))}
        cells = _failed_row(self.failures) + "".join(
            f"<tr><th style='text-align:left;font-weight:400;opacity:.7'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in facts.items()
            if value
        )
        return f"<b>Session log</b> {html.escape(str(self.path))}<table>{cells}</table>"


def _failed_row(failures: Failures | None) -> str:
    """Return the card's row of errors, in red where they are many."""
    if failures is None:
        return ""
    # A red that is read on white and on black alike.
    style = "color:#d1403a;font-weight:600" if failures.serious else ""
    words = html.escape(failures.sentence if failures.serious else failures.in_short)
    head = "<th style='text-align:left;font-weight:400;opacity:.7'>errors</th>"
    return f"<tr>{head}<td style='text-align:left;{style}'>{words}</td></tr>"


def _sound_shards(root: Path, *, strict: bool) -> list[int]:
    sound = []
    for number in settled_shards(root):
        damage = _damage(root, number)
        if damage is None:
            sound.append(number)
        elif strict:
            raise LogError(
                f"{damage} The other shards are intact: vl.open_log({str(root)!r}, strict=False) leaves this one out."
            )
        else:
            warnings.warn(f"{damage} Its sessions are left out.", stacklevel=3)
    return sound


def _damage(root: Path, number: int) -> str | None:
    for table, schema in SCHEMAS.items():
        path = shard_path(root, table, number)
        try:
            found = pq.read_schema(path)
        except (OSError, pa.ArrowException) as error:
            reason = "is missing" if isinstance(error, FileNotFoundError) else "is torn, or no Parquet file"
            return f"{path} {reason}."
        if not found.equals(schema):
            return f"{path} holds other columns than the table {table!r} has: it is from elsewhere."
    return None


def unknown_name(what: str, name: str, known: list[str]) -> VoicelabError:
    """Return the error for a test or outcome that a log doesn't have."""
    listed = f" It has: {', '.join(known)}." if known else " It has none."
    return InputError(f"The log has no {what} {name!r}.{listed}{did_you_mean(name, known)}")
