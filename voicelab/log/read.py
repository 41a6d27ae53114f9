"""Reads a session log: frames by DuckDB, single sessions as records."""

import html
import operator
import warnings
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cached_property, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from voicelab.base.errors import InputError, LogError, VoicelabError, did_you_mean
from voicelab.base.html_page import write_page
from voicelab.base.masking import shown
from voicelab.base.paths import path_of
from voicelab.base.records import TABLES, SessionRows, from_event_rows
from voicelab.log import late, lock, verify
from voicelab.log.checksums import is_as_sealed
from voicelab.log.error_summary import ErrorSummary, summarize_errors
from voicelab.log.evaluating import EVALUATED, check_names, evaluations, keep, keeps, named
from voicelab.log.failures import FailureSource, asked_failures, failures_frame
from voicelab.log.frames import Frames
from voicelab.log.manifest import read_manifest
from voicelab.log.marks import rows_with
from voicelab.log.parts import Part
from voicelab.log.schema import SCHEMAS, UNREADABLE
from voicelab.log.session_rows import check_rows
from voicelab.log.verify import Verification
from voicelab.predicates import EvaluatorLike, Evaluators, as_evaluators
from voicelab.predicates.session_view import BY_NAME
from voicelab.record.failure import FailureLike
from voicelab.record.session_record import SessionRecord

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.plots.result_like import AxesLike

Rerun = Callable[[int, Mapping[str, int]], SessionRecord]


def open_log(path: str | Path, *, strict: bool = True) -> "Log":
    """Open a session log.

    Args:
        path: Its folder.
        strict: Refuse a log that is damaged, as far as its files' lengths tell; every file is compared with its checksum
            before it is used. False reads the whole log through, and leaves out the sessions that are concerned, with one
            warning that says how many; analysis says it too. Where all checksums are lost, and nothing else, the sessions are
            read, and counted in the warning as not verified.

    Raises:
        LogError: the folder is no log, was written with another schema, or is damaged.
    """
    root = path_of("path", path, "runs/greeting")
    manifest = read_manifest(root)
    found = verify.look(root, manifest) if strict else verify.read_through(root, manifest)
    damaged = [one for one in found.damage if one.file != "manifest.json"]
    if damaged and strict:
        one = damaged[0]
        advice = verify.HOW_TO_MEND if one.part is not None else "log.add_outcomes() can add outcomes again."
        raise LogError(
            f"{root / one.file} {one.problem}. It concerns {one.sessions}. All else can be read: "
            f"vl.open_log({str(root)!r}, strict=False) leaves out what is damaged, and {advice}"
        )
    found, unverified = verify.with_unverified(root, found)
    told = [verify.told_of_unverified(unverified)] if unverified else []
    told += [verify.told_of(left)] if (left := [one for one in found.damage if one.file != "manifest.json"]) else []
    if told:
        warnings.warn(f"{root}: {' '.join(told)} log.verify() names each file.", stacklevel=2)
    if not is_as_sealed(manifest):
        warnings.warn(f"{root / 'manifest.json'} isn't as it was written: its checksum differs.", stacklevel=2)
    return Log(root, manifest, found)


class Log(Frames):
    """A session log, read only; made by `open_log` or `vl.simulate`.

    Args:
        path: Its folder.
        manifest: Its manifest.
        found: What of it is whole, and what isn't.
        rerun: Runs a session again, given its index and the stops of tests.
        keep: Something to keep alive as long as the log: its temporary folder.
    """

    def __init__(
        self,
        path: Path,
        manifest: dict[str, Any],
        found: Verification,
        rerun: Rerun | None = None,
        keep: TemporaryDirectory[str] | None = None,
    ) -> None:
        super().__init__(path, found.parts, {path / one.file for one in found.damage if one.part is None})
        self.manifest = manifest
        self._found = found
        self._ids_of: dict[Part, tuple[Any, Any]] = {}
        self._rerun = rerun
        self._keep = keep

    @property
    def finished(self) -> bool:
        """Whether the run that writes it has come to its end."""
        return bool(self.manifest.get("status") == "finished")

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.manifest.get("run_id"))

    @property
    def n_missing(self) -> int:
        """How many sessions were left out since their part of the log is damaged; `verify` says more."""
        return self._found.n_missing

    def verify(self) -> Verification:
        """Read the whole log through, and return what of it isn't as it was written: files, problems and sessions.

        `.sound` is True if nothing is wrong, `.damage` says what is, `.to_frame()` as a table.
        """
        return verify.read_through(self.path, read_manifest(self.path))

    def decisions(self) -> "pd.DataFrame":
        """Return one row a test with a stop rule: its decision as it was made while the sessions ran."""
        import pandas as pd

        from voicelab.decision.rules import StopDecision

        columns = list(StopDecision.__dataclass_fields__)
        return pd.DataFrame(list(self.manifest.get("decisions", {}).values()), columns=columns)

    @cached_property
    def error_summary(self) -> ErrorSummary | None:
        """The sessions that had an error, and the commonest of these; None if no session had one."""
        # What the run itself has counted costs no query; exports count nothing.
        return None if self.manifest.get("n_errors") == 0 else summarize_errors(self._query)

    def failures(self, *failures: FailureLike) -> "pd.DataFrame":
        """Return how sessions failed, one row a cause, the commonest first, each with a session to open and to shrink.

        failure, cause (of errors the exception and the line; of all else the agent's last sentence, its numbers as `#`, after the
        path of a predicate that isn't met), n_sessions, share (of all sessions), by_variant and by_caller (sessions by name, as
        dicts), session_id and session_index of the shortest of them, the row `seq` at which it failed, and its message.

        Args:
            failures: What is a failure: `"errors"`, an exception's name, `"status == hangup"`, `"booked < 1"` (an outcome, a
                measure, or duration_s, n_turns, n_errors), the name of an outcome or an evaluator, which fails where it is
                False, an evaluator, or a predicate that must be met. None given: errors, the statuses `error` and `timeout`
                of sessions without one, and the evaluators that the log has.

        Raises:
            InputError: it is none of these, or no session has such an outcome.

        Example:
            >>> import voicelab as vl
            >>> log = vl.simulate("clinic", vl.personas.impatient, sessions=20, progress=False)
            >>> log.failures("status == hangup").columns[:3].tolist()
            ['failure', 'cause', 'n_sessions']
        """
        evaluators = [*self.manifest.get("evaluators", ()), *self.manifest.get(EVALUATED, ())]
        asked = asked_failures(failures, self._outcome_names, evaluators)
        return failures_frame(asked, FailureSource(self._query, self.sessions, self._evaluated, self._count()))

    # --- one session ---

    def session(self, session: str | int) -> SessionRecord:
        """Return the record of one session.

        Args:
            session: Its id or its index.

        Raises:
            InputError: there is no such session.
        """
        part, index = self.find(session)
        try:
            rows = self._rows(part, index)
            measured = self._measured.stored_row(part, index)
        except UNREADABLE as error:
            raise LogError(f"{self.path} can't be read: {error}.") from None
        check_rows(rows, f"Session {index} of {self.path}")
        (own,) = rows.pop("sessions")
        events = from_event_rows(rows.pop("events"))
        others = (rows["exposures"], rows["outcomes"], rows["metrics"])
        record = SessionRecord.from_rows(SessionRows(own, events, *others, measures=measured))
        record.manifest = self.manifest
        if self._rerun is not None:
            record.origin = partial(_origin_of, self.rerun, index)
        return record

    def rerun(self, session: str | int) -> SessionRecord:
        """Run a session again in this process, the same to the event, to be stepped through.

        Args:
            session: Its id or its index.

        Raises:
            InputError: there is no such session.
            LogError: the log was opened from its folder, which doesn't hold the handler.
        """
        _, index = self.find(session)
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
            taken = self._outcome_names
            known = self._query("SELECT session_id, session_index FROM sessions").df()
            late.add(self.path, frame, known=known, taken=taken)

    def evaluate(self, evaluator: EvaluatorLike, name: str | None = None) -> "pd.DataFrame":
        """Ask an evaluator of every session; what it comes to is an outcome from now on, by the evaluator's name.

        So it can be analysed: `vl.analyze(log, outcome="polite")`, and `guardrails=["complained"]` of what must not grow.
        Sessions that its precondition leaves out are left out there. Asked again, it changes nothing.

        Args:
            evaluator: The path of an evaluator, or of a folder of them, such as `templates/evaluator.yaml`; or a predicate of
                the platform's language, such as `{"turn_count": {"$gte": 3}}`.
            name: Name of the outcome, in place of the evaluator's own. A predicate has no name: without this one the log
                stays as it is.

        Returns:
            One row a session: session_id, status (`complete`, `skipped`, `not run`), success (True, False, None),
            failed_path, reason. Of several evaluators one below another, with their names in a column `evaluator`.

        Raises:
            InputError: it is no evaluator, or the log has an outcome of its name.
            LogError: the log can't be read or written.
        """
        asked = named(as_evaluators(evaluator), name)
        for one in asked:
            for remark in one.remarks:
                warnings.warn(remark, stacklevel=2)
        with lock.hold(self.path, "evaluators", lock.BRIEFLY_S) if keeps(asked) else nullcontext():
            check_names(read_manifest(self.path), asked, self._outcome_names)
            found = self._evaluated(asked)
            if keeps(asked):
                names = ("session_index", "outcome", "value")
                keep(self.path, asked, found, pa.concat_tables([self.columns(t, names) for t in ("outcomes", "late")]))
        return found.drop(columns="session_index")

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
        return plot_log(facts_of(test, tests, str(self.manifest.get("source", "")), self._query), kind, ax)

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
        return Log(self.path, self.manifest, self._found, rerun, keep)

    def _evaluated(self, asked: Evaluators) -> "pd.DataFrame":
        """Return what evaluators come to in each session."""
        for table in ("sessions", "events", *(["outcomes"] if BY_NAME in asked.looked.fields else [])):
            self._checked.table(table)
        try:
            return evaluations(self.path, self._parts, asked, self._measured.part)
        except UNREADABLE as error:
            raise LogError(f"{self.path} can't be read: {error}.") from None

    @property
    def _outcome_names(self) -> list[str]:
        return [*self._outcomes, *self._late_names]

    @property
    def _late_names(self) -> list[str]:
        """Names of the outcomes that were added afterwards."""
        return late.outcome_names(late.parts(self.path))

    def find(self, session: str | int) -> tuple[Part, int]:
        """Return a session's part, and its index."""
        if isinstance(session, str):
            found = self._with_id(session)
            if found is not None:
                return found
        elif (
            not isinstance(session, bool) and hasattr(session, "__index__") and (index := operator.index(session)) >= 0
        ):
            # Also numpy's numbers, of a frame.
            shard = index // int(self.manifest.get("shard_size", 1))
            at = bisect_left(self._parts, shard, key=lambda part: part.last)
            if at < len(self._parts) and self._parts[at].first <= shard:
                return self._parts[at], index
        raise self._no_session(session)

    def check_part(self, part: Part, table: str) -> None:
        """Make sure that a file is as it was written, before it is used for the first time.

        Raises:
            LogError: it isn't.
        """
        self._checked.part(part, table)

    def _with_id(self, session_id: str) -> tuple[Part, int] | None:
        """Return where the session with an id is."""
        for part, checksums in self._checksums.items():
            # What an earlier version wrote has no marks: each of its ids is looked at.
            if checksums is None or checksums.marks is None or rows_with(checksums.marks, session_id):
                ids, indexes = self._ids(part)
                at = pc.index(ids, session_id).as_py()
                if at >= 0:
                    return part, int(indexes[at].as_py())
        return None

    def _ids(self, part: Part) -> tuple[Any, Any]:
        """Return ids and indexes of a part's sessions, kept for the next ones that are looked up: 24 bytes a session."""
        if part not in self._ids_of:
            self._checked.part(part, "sessions")
            try:
                read = self._part("sessions", part, ["session_id", "session_index"])
            except UNREADABLE as error:
                raise LogError(f"{self.path} can't be read: {error}.") from None
            self._ids_of[part] = read.column("session_id"), read.column("session_index")
        return self._ids_of[part]

    def _rows(self, part: Part, index: int) -> dict[str, list[Any]]:
        """Return a session's rows by table."""
        for table in TABLES:
            self._checked.part(part, table)
        with pq.ParquetFile(part.file(self.path, "sessions")) as file:
            at = pc.index(file.read(columns=["session_index"]).column(0), index).as_py()
            if at < 0:
                raise self._no_session(index)
            # In a part of several groups of rows, each holds the same sessions in every table.
            group, first = 0, 0
            while part.last > part.first and at >= first + file.metadata.row_group(group).num_rows:
                first += file.metadata.row_group(group).num_rows
                group += 1
            own = file.read_row_group(group) if part.last > part.first else file.read()
        session_id = own.column("session_id")[at - first]
        rows = {}
        for table in TABLES:
            found = own if table == "sessions" else self._group(part, table, group)
            found = found.filter(pc.equal(found.column("session_id").cast(pa.string()), session_id.cast(pa.string())))
            names = [name for name in SCHEMAS[table].names if name in TABLES[table]]
            rows[table] = [tuple(row[name] for name in names) for row in found.to_pylist()]
        return rows

    def _group(self, part: Part, table: str, group: int) -> pa.Table:
        with pq.ParquetFile(part.file(self.path, table)) as file:
            return file.read_row_group(group) if part.last > part.first else file.read()

    def _no_session(self, session: str | int) -> InputError:
        missing = f", and {self.n_missing:,} are damaged and left out" if self.n_missing else ""
        return InputError(
            f"There is no session {session!r} in {self.path}: it has {self._count():,} sessions{missing}. Give a "
            "session_id, or an index from 0 on."
        )

    def __repr__(self) -> str:
        state = "" if self.finished else ", unfinished"
        unknown = self.manifest.get("weights_unknown")
        state += f", weights unknown: {', '.join(unknown)}" if unknown else ""
        failed = "" if self.error_summary is None else f", {self.error_summary.in_short}"
        return f"Log({str(self.path)!r}, {self._count():,} sessions{state}{failed})"

    def _count(self) -> int:
        if all(self._checksums.values()):
            return sum(checksums.tables["sessions"].rows for checksums in self._checksums.values() if checksums)
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
        cells = _failed_row(self.error_summary) + "".join(
            f"<tr><th style='text-align:left;font-weight:400;opacity:.7'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(str(value))}</td></tr>"
            for name, value in facts.items()
            if value
        )
        return f"<b>Session log</b> {html.escape(str(self.path))}<table>{cells}</table>"


def _origin_of(rerun: Callable[[int], SessionRecord], index: int) -> Any:
    """Return what a session was played from: of a session that is run again that is known."""
    origin = rerun(index).origin
    return None if origin is None else origin()


def _failed_row(failures: ErrorSummary | None) -> str:
    """Return the card's row of errors, in red where they are many."""
    if failures is None:
        return ""
    # A red that is read on white and on black alike.
    style = "color:#d1403a;font-weight:600" if failures.serious else ""
    words = html.escape(failures.sentence if failures.serious else failures.in_short)
    head = "<th style='text-align:left;font-weight:400;opacity:.7'>errors</th>"
    return f"<tr>{head}<td style='text-align:left;{style}'>{words}</td></tr>"


def unknown_name(what: str, name: str, known: list[str]) -> VoicelabError:
    """Return the error for a test or outcome that a log doesn't have."""
    listed = f" It has: {', '.join(known)}." if known else " It has none."
    return InputError(f"The log has no {what} {shown(name)}.{listed}{did_you_mean(name, known)}")
