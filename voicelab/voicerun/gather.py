"""Brings together what different files say of the same session."""

import pickle
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from voicelab.base.errors import InputError
from voicelab.base.plain_json import encode
from voicelab.base.records import OWN_FACTS
from voicelab.voicerun import naming, shapes
from voicelab.voicerun.entries import Entry, contexts_of, read_entry, read_metric, spans_of_trace
from voicelab.voicerun.export_values import first, mapping, snake_keys, text_of
from voicelab.voicerun.looked_through import LookedThrough, look_through
from voicelab.voicerun.platform_tests import PlatformTests
from voicelab.voicerun.report import FileReport, Report
from voicelab.voicerun.shapes import Export
from voicelab.voicerun.stored_rows import Stored, StoredRows, packed

_SHOWN = 5


@dataclass
class Draft:
    """What is known of one session.

    Attributes:
        session_id: Its id.
        facts: Its record of `vr session list` and `info`, in snake_case.
        streams: Its events by the kind of export that they are from.
        tests: What it says of its tests.
    """

    session_id: str
    facts: dict[str, Any] = field(default_factory=dict)
    streams: dict[str, list[Entry]] = field(default_factory=dict)
    tests: PlatformTests = field(default_factory=PlatformTests)


class SessionPart(NamedTuple):
    """Rows of one session in one file.

    Attributes:
        file: The file.
        place: Where they are stored; None where the file holds nothing else.
    """

    file: LookedThrough
    place: Stored | None


@dataclass
class Gathered:
    """What the files speak of, session by session; the rows themselves are read when a session is asked for.

    Attributes:
        store: Where rows wait.
        records: Records of the session by its id, packed, later ones over earlier ones; in the order in which sessions were met.
        parts: Where its events are.
        platform: The platform's own numbers by test.
        report: What was not understood.
        reports: The same by file.
    """

    store: StoredRows
    records: dict[str, list[bytes]] = field(default_factory=dict)
    parts: dict[str, list[SessionPart]] = field(default_factory=dict)
    platform: dict[str, dict[str, Any]] = field(default_factory=dict)
    report: Report = field(default_factory=Report)
    reports: dict[Path, FileReport] = field(default_factory=dict)

    def drafts(self) -> Iterator[Draft]:
        """Yield the sessions, one after the other."""
        for session_id, records in self.records.items():
            draft = Draft(session_id)
            for record in records:
                facts = pickle.loads(record)  # noqa: S301 - packed by `_take_record`
                draft.facts.update({key: value for key, value in facts.items() if value is not None})
                for context in contexts_of(facts):
                    draft.tests.learn(context)
            for part in self.parts.get(session_id, ()):
                self._read_part(draft, part)
            yield draft

    def _read_part(self, draft: Draft, part: SessionPart) -> None:
        rows = part.file.rows(part.place, self.store)
        if part.file.kind == shapes.CONTEXT:
            for context in contexts_of(rows):
                draft.tests.learn(context)
            return
        entries = _entries(part.file.kind, rows, self.reports[part.file.file])
        draft.streams.setdefault(part.file.kind, []).extend(_without_own(draft, entries))


def gather(exports: Iterable[Export], store: StoredRows) -> Gathered:
    """Return what the files say, session by session.

    Args:
        exports: The files, recognised; each is looked through as it comes, and its rows are not kept.
        store: Where rows wait.

    Raises:
        InputError: two files contradict each other.
    """
    gathered = Gathered(store)
    records = _Records(gathered)
    streams: list[LookedThrough] = []
    foreign: list[tuple[Path, Any]] = []
    rulings: set[str] = set()
    for export in exports:
        report = gathered.reports[export.file] = gathered.report.add(export.file, export.kind, len(export.rows))
        if export.kind == shapes.SESSIONS:
            records.take(export, report)
        elif export.kind in {shapes.EXPERIMENT, shapes.FUNNEL}:
            _take_platform(export, gathered, report)
        elif export.kind in shapes.NOT_IMPORTED:
            _note_not_imported(export, report)
            foreign += [(export.file, export.rows[0])] if export.kind == shapes.FOREIGN else []
        else:
            streams.append(look_through(_with_new_rulings(export, rulings, report), store))
    _warn_of_foreign(foreign, gathered.report)
    records.close()
    _take_streams(streams, gathered)
    return gathered


def _note_not_imported(export: Export, report: FileReport) -> None:
    """Note what holds nothing for a log."""
    if export.kind == "empty":
        report.notes.append("holds no rows")
    elif export.kind == shapes.FOREIGN:
        report.rows = 0
        report.notes.append(f"no export that voicelab knows ({export.rows[0]}): left out")
    else:
        report.notes.append("known, and holds nothing that a session log keeps")


def _warn_of_foreign(foreign: Sequence[tuple[Path, Any]], report: Report) -> None:
    """Warn of files that are no exports, once for all."""
    if foreign:
        named = ", ".join(f"{file.name} ({looks})" for file, looks in foreign[:_SHOWN])
        more = f" and {len(foreign) - _SHOWN:,} more" if len(foreign) > _SHOWN else ""
        report.warn(
            f"Left out, since voicelab doesn't know what they are: {named}{more}. It reads what these write, each with --json: "
            f"{', '.join(shapes.KINDS)}."
        )


# --- records of sessions ---------------------------------------------------------------------------------------------


class _Records:
    """Takes the records of sessions: of `vr session list`, and those of `vr session info`, which say more."""

    def __init__(self, gathered: Gathered) -> None:
        self._gathered = gathered
        self._listed: dict[str, tuple[Path, bytes]] = {}
        self._shown: dict[str, tuple[Path, bytes]] = {}
        self._total = 0

    def take(self, export: Export, report: FileReport) -> None:
        """Take those of a file.

        Raises:
            InputError: a session stands in two files with different values.
        """
        self._total = max(self._total, export.total or 0)
        for row in export.rows:
            facts = snake_keys(row) if isinstance(row, Mapping) else {}
            named = first(facts, ("id", "session_id"))
            if named is None:
                report.not_understood["a row that is no session"] += 1
                continue
            # A record by itself is `info`, which says more than the list does.
            by_kind = self._shown if len(export.rows) == 1 and export.total is None else self._listed
            _take_record(text_of(named), facts, export.file, by_kind, report)

    def close(self) -> None:
        """Hand over what was taken."""
        for by_kind in (self._listed, self._shown):
            for session_id, (_, record) in by_kind.items():
                self._gathered.records.setdefault(session_id, []).append(record)
        if len(self._listed) < self._total:
            self._gathered.report.warn(
                f"The session list has {len(self._listed):,} of {self._total:,} sessions: export the other pages too and give "
                "all files, or the analysis is of a part."
            )


def _take_record(
    session_id: str, facts: dict[str, Any], file: Path, taken: dict[str, tuple[Path, bytes]], report: FileReport
) -> None:
    report.sessions.add(session_id)
    if session_id not in taken:
        taken[session_id] = file, packed(facts)
        return
    other, before = taken[session_id]
    if pickle.loads(before) != facts:  # noqa: S301 - packed here
        where = f"twice in {file}" if other == file else f"in {other} and in {file}"
        raise InputError(
            f"The session {session_id!r} stands {where}, with different values. Give one record of each session: leave out "
            "the older export, or export the list again."
        )
    report.notes.append(f"the session {session_id!r} stands there twice, the same both times: taken once")


# --- the platform's own numbers --------------------------------------------------------------------------------------


def _take_platform(export: Export, gathered: Gathered, report: FileReport) -> None:
    for row in export.rows:
        if not isinstance(row, Mapping):
            report.not_understood["a row that is no test"] += 1
            continue
        name = first(snake_keys(row), ("experiment_name",) if export.kind == shapes.FUNNEL else ("name",))
        numbers = {"funnel": row} if export.kind == shapes.FUNNEL else dict(row)
        kept = gathered.platform.setdefault(text_of(name), {})
        # `describe` says more than `list`, whichever comes first.
        richer = {**kept, **numbers} if len(numbers) >= len(kept) else {**numbers, **kept}
        gathered.platform[text_of(name)] = richer


# --- events ----------------------------------------------------------------------------------------------------------


def _take_streams(exports: Sequence[LookedThrough], gathered: Gathered) -> None:
    reports = gathered.reports
    sessions = _sessions_of(exports, gathered)
    copies = _join_copies(exports, sessions, gathered)
    dropped = _repeated(exports, sessions, reports)
    for file in [file for file in dropped if file not in copies]:
        gathered.report.warn(f"{file}: {reports[file].notes[-1]}.")
    _check_all_rulings(exports, gathered)
    rows: Counter[tuple[str, str]] = Counter()
    totals: dict[tuple[str, str], int] = {}
    # What is known later comes last: it makes no session of one that nothing else speaks of.
    for export in sorted(exports, key=lambda e: (e.kind in shapes.KNOWN_LATER, e.page or 0)):
        if export.file in dropped:
            continue
        report, known_later = reports[export.file], export.kind in shapes.KNOWN_LATER
        for named, (n_rows, place) in export.parts.items():
            session_id = named or sessions[export.file]
            if known_later and session_id not in gathered.records:
                report.without_value["rows of sessions that no other file speaks of: left out"] += n_rows
                continue
            report.sessions.add(session_id)
            gathered.records.setdefault(session_id, [])
            gathered.parts.setdefault(session_id, []).append(SessionPart(export, place))
            if export.total is not None and not known_later:
                rows[session_id, export.kind] += n_rows
        if export.total is not None and not known_later:
            totals[sessions[export.file], export.kind] = export.total
    for (session_id, kind), total in totals.items():
        if rows[session_id, kind] < total:
            gathered.report.warn(
                f"Session {session_id!r} has {rows[session_id, kind]:,} of {total:,} rows of {kind}: export the other pages too "
                "and give all files."
            )


def _check_all_rulings(exports: Sequence[LookedThrough], gathered: Gathered) -> None:
    own = [export for export in exports if export.kind == shapes.EVALUATION]
    total = max((export.total or 0 for export in own), default=0)
    if (given := sum(export.n_rows for export in own)) < total:
        gathered.report.warn(
            f"The list of evaluations has {given:,} of {total:,} rows: export the other pages too and give all files."
        )


def _with_new_rulings(export: Export, seen: set[str], report: FileReport) -> Export:
    """Return a file, of evaluations only rows that none before has: a session's list repeats the agent's."""
    if export.kind != shapes.EVALUATION:
        return export
    rows = []
    for row in export.rows:
        known = encode(row.get("id")) if isinstance(row, Mapping) and row.get("id") is not None else encode(row)
        report.merged += known in seen
        rows += [] if known in seen else [row]
        seen.add(known)
    return replace(export, rows=rows)


def _sessions_of(exports: Sequence[LookedThrough], gathered: Gathered) -> dict[Path, str]:
    """Return the session of each file, or of those of its rows that name none."""
    reports = gathered.reports
    nameless = [export for export in exports if export.session_id is None]
    named = {export.file: {export.session_id} for export in exports if export.session_id is not None}
    for report in reports.values():
        if report.kind == shapes.SESSIONS:
            named[report.file] = set(report.sessions)
    by_neighbours = naming.only_ids(nameless, named)
    rest = [export for export in nameless if export.file not in by_neighbours]
    known = {*gathered.records, *(name for names in named.values() for name in names)}
    found = {**by_neighbours, **naming.name_sessions(rest, known)}
    for export in nameless:
        reports[export.file].session_id_from = "file name"
        if export.file in by_neighbours:
            reports[export.file].session_id_from = "the files beside it"
    return {e.file: found[e.file] if e.session_id is None else e.session_id for e in exports}


def _join_copies(exports: Sequence[LookedThrough], sessions: dict[Path, str], gathered: Gathered) -> set[Path]:
    """Give files that hold the same rows under another name the session of the first, where their times show that it is one.

    Returns the files of which that is said.

    Args:
        exports: The files.
        sessions: The session of each; copies get that of the first.
        gathered: Its report takes the warnings.
    """
    named = {export.file for export in exports if gathered.reports[export.file].session_id_from == "file"}
    known = {*gathered.records, *(sessions[file] for file in named)}
    firsts: dict[tuple[str, int | None, bytes], LookedThrough] = {}
    said: set[Path] = set()
    for export in exports:
        if export.file in named or export.kind not in {shapes.DEBUG, shapes.EVENTS, shapes.TRANSCRIPT}:
            continue
        first = firsts.setdefault((export.kind, export.page, export.digest), export)
        one, other = sessions[first.file], sessions[export.file]
        if one == other or {one, other} <= known:
            continue
        if not export.timed:
            gathered.report.warn(
                f"{export.file} and {first.file} hold the same rows, which have no times: they are counted as two sessions. "
                "Leave one out if they are one."
            )
            continue
        # The name that others know, else the plain one: a copy's has something added.
        kept, copy = sorted((one, other), key=lambda name: (name not in known, len(name), name))
        gathered.report.warn(
            f"{first.file} and {export.file} hold the same session, row by row and time by time: counted once, as {kept!r}."
        )
        sessions.update({file: kept for file, session in sessions.items() if session == copy})
        said |= {first.file, export.file}
    return said


def _repeated(
    exports: Sequence[LookedThrough], sessions: dict[Path, str], reports: Mapping[Path, FileReport]
) -> list[Path]:
    """Return the files that repeat another.

    Raises:
        InputError: two files are the same part of a session, with different rows.
    """
    dropped = []
    for one, other in naming.doubled(exports, sessions):
        if one.digest != other.digest:
            page = "" if one.page is None else f", page {one.page}"
            raise InputError(
                f"{one.file} and {other.file} are two different exports ({one.kind}{page}) of one session, "
                f"{sessions[one.file]!r}. Leave one of them out; or, if they are two sessions, name the files by their ids."
            )
        reports[other.file].notes.append(f"the same as {one.file}: taken once")
        dropped.append(other.file)
    return dropped


# --- one session -----------------------------------------------------------------------------------------------------


def _entries(kind: str, rows: Sequence[Any], report: FileReport) -> list[Entry]:
    entries = [read_metric(row, report) for row in rows] if kind == shapes.METRICS else _read(kind, rows, report)
    for entry in entries:
        entry.report = report
    return entries


def _without_own(draft: Draft, entries: list[Entry]) -> list[Entry]:
    """Take what voicelab itself has written of a session beside its events; return the events alone."""
    left = []
    for entry in entries:
        facts = entry.data.get(OWN_FACTS)
        if entry.name != "context_update" or not isinstance(facts, Mapping):
            left.append(entry)
            continue
        for context in contexts_of(entry.data):
            draft.tests.learn(context)
        known = snake_keys(facts)
        draft.tests.assignments |= mapping(known.pop("assignments", None))
        draft.tests.at_the_end = True
        draft.facts = {**known, **draft.facts}  # what the platform itself says of the session comes first
    return left


def _read(kind: str, rows: Sequence[Any], report: FileReport) -> list[Entry]:
    if kind == shapes.EVALUATION:
        # Without a time of its own: what is found out afterwards stands at the session's end.
        return [Entry("evaluation", "system", mapping(row)) for row in rows]
    if kind == shapes.TRACE:
        return [entry for row in rows for entry in spans_of_trace(row)]
    entries = [read_entry(row, report, "transcript_part" if kind == shapes.TRANSCRIPT else "unknown") for row in rows]
    times = [entry.wall_s for entry in entries if entry.wall_s is not None]
    # Some lists have the newest row first.
    backwards = len(times) > 1 and times[0] > times[-1] and all(entry.client_s is None for entry in entries)
    return entries[::-1] if backwards else entries


def context_facts(draft: Draft, key: str) -> dict[str, Any]:
    """Return an object that a session's record or its context holds."""
    return mapping(first(draft.facts, (key,))) or mapping(draft.tests.context.get(key))
