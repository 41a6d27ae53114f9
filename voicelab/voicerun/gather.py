"""Brings together what different files say of the same session."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.plain_json import encode
from voicelab.base.records import OWN_FACTS
from voicelab.voicerun import naming, shapes
from voicelab.voicerun.entries import Entry, contexts_of, read_entry, read_metric, session_of
from voicelab.voicerun.export_values import first, mapping, snake_keys, text_of
from voicelab.voicerun.platform_tests import PlatformTests
from voicelab.voicerun.report import FileReport, Report
from voicelab.voicerun.shapes import Export

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


@dataclass
class Gathered:
    """Everything that was read.

    Attributes:
        drafts: The sessions, in the order in which they were met.
        platform: The platform's own numbers by test.
        report: What was not understood.
    """

    drafts: dict[str, Draft] = field(default_factory=dict)
    platform: dict[str, dict[str, Any]] = field(default_factory=dict)
    report: Report = field(default_factory=Report)

    def draft(self, session_id: str) -> Draft:
        """Return a session, a new one if it hasn't been met."""
        return self.drafts.setdefault(session_id, Draft(session_id))


def gather(exports: Sequence[Export]) -> Gathered:
    """Return what the files say, session by session.

    Args:
        exports: The files, recognised.

    Raises:
        InputError: two files contradict each other.
    """
    gathered = Gathered()
    reports = {export.file: gathered.report.add(export.file, export.kind, len(export.rows)) for export in exports}
    _note_not_imported(exports, gathered.report, reports)
    _take_sessions([e for e in exports if e.kind == shapes.SESSIONS], gathered, reports)
    _take_platform([e for e in exports if e.kind in {shapes.EXPERIMENT, shapes.FUNNEL}], gathered, reports)
    _take_streams([e for e in exports if e.kind in {*shapes.STREAMS, shapes.CONTEXT}], gathered, reports)
    return gathered


def _note_not_imported(exports: Sequence[Export], report: Report, reports: Mapping[Path, FileReport]) -> None:
    """Note what holds nothing for a log; of files that are no exports there is a warning too, one for all."""
    foreign = [export for export in exports if export.kind == shapes.FOREIGN]
    for export in exports:
        if export.kind == "empty":
            reports[export.file].notes.append("holds no rows")
        elif export in foreign:
            reports[export.file].rows = 0
            reports[export.file].notes.append(f"no export that voicelab knows ({export.rows[0]}): left out")
        elif export.kind in shapes.NOT_IMPORTED:
            reports[export.file].notes.append("known, and holds nothing that a session log keeps")
    if foreign:
        named = ", ".join(f"{export.file.name} ({export.rows[0]})" for export in foreign[:_SHOWN])
        more = f" and {len(foreign) - _SHOWN:,} more" if len(foreign) > _SHOWN else ""
        report.warn(
            f"Left out, since voicelab doesn't know what they are: {named}{more}. It reads what these write, each with --json: "
            f"{', '.join(shapes.KINDS)}."
        )


# --- records of sessions ---------------------------------------------------------------------------------------------


def _take_sessions(exports: Sequence[Export], gathered: Gathered, reports: Mapping[Path, FileReport]) -> None:
    listed: dict[str, tuple[Path, dict[str, Any]]] = {}
    shown: dict[str, tuple[Path, dict[str, Any]]] = {}
    for export in exports:
        report = reports[export.file]
        for row in export.rows:
            facts = snake_keys(row) if isinstance(row, Mapping) else {}
            named = first(facts, ("id", "session_id"))
            if named is None:
                report.not_understood["a row that is no session"] += 1
                continue
            # A record by itself is `info`, which says more than the list does.
            by_kind = shown if len(export.rows) == 1 and export.total is None else listed
            _take_record(text_of(named), facts, export.file, by_kind, report)
    for by_kind in (listed, shown):
        for session_id, (_, facts) in by_kind.items():
            draft = gathered.draft(session_id)
            draft.facts.update({key: value for key, value in facts.items() if value is not None})
            for context in contexts_of(facts):
                draft.tests.learn(context)
    _check_list_total(exports, listed, gathered.report)


def _take_record(
    session_id: str,
    facts: dict[str, Any],
    file: Path,
    taken: dict[str, tuple[Path, dict[str, Any]]],
    report: FileReport,
) -> None:
    report.sessions.add(session_id)
    other, before = taken.setdefault(session_id, (file, facts))
    if before is facts:
        return
    if before != facts:
        where = f"twice in {file}" if other == file else f"in {other} and in {file}"
        raise InputError(
            f"The session {session_id!r} stands {where}, with different values. Give one record of each session: leave out "
            "the older export, or export the list again."
        )
    report.notes.append(f"the session {session_id!r} stands there twice, the same both times: taken once")


def _check_list_total(exports: Sequence[Export], listed: Mapping[str, Any], report: Report) -> None:
    total = max((export.total or 0 for export in exports), default=0)
    if len(listed) < total:
        report.warn(
            f"The session list has {len(listed):,} of {total:,} sessions: export the other pages too and give all files, or "
            "the analysis is of a part."
        )


# --- the platform's own numbers --------------------------------------------------------------------------------------


def _take_platform(exports: Sequence[Export], gathered: Gathered, reports: Mapping[Path, FileReport]) -> None:
    for export in exports:
        for row in export.rows:
            if not isinstance(row, Mapping):
                reports[export.file].not_understood["a row that is no test"] += 1
                continue
            name = first(snake_keys(row), ("experiment_name",) if export.kind == shapes.FUNNEL else ("name",))
            numbers = {"funnel": row} if export.kind == shapes.FUNNEL else dict(row)
            kept = gathered.platform.setdefault(text_of(name), {})
            # `describe` says more than `list`, whichever comes first.
            richer = {**kept, **numbers} if len(numbers) >= len(kept) else {**numbers, **kept}
            gathered.platform[text_of(name)] = richer


# --- events ----------------------------------------------------------------------------------------------------------


def _take_streams(exports: Sequence[Export], gathered: Gathered, reports: Mapping[Path, FileReport]) -> None:
    sessions = _sessions_of(exports, gathered, reports)
    copies = _join_copies(exports, sessions, gathered, reports)
    dropped = _repeated(exports, sessions, reports)
    for file in [file for file in dropped if file not in copies]:
        gathered.report.warn(f"{file}: {reports[file].notes[-1]}.")
    rows: Counter[tuple[str, str]] = Counter()
    totals: dict[tuple[str, str], int] = {}
    n_evaluations = max((export.total or 0 for export in exports if export.kind == shapes.EVALUATION), default=0)
    exports = _with_each_ruling_once(exports, reports)
    if (given := sum(len(export.rows) for export in exports if export.kind == shapes.EVALUATION)) < n_evaluations:
        gathered.report.warn(
            f"The list of evaluations has {given:,} of {n_evaluations:,} rows: export the other pages too and give all files."
        )
    # What is known later comes last: it makes no session of one that nothing else speaks of.
    for export in sorted(exports, key=lambda e: (e.kind in shapes.KNOWN_LATER, e.page or 0)):
        if export.file in dropped:
            continue
        report = reports[export.file]
        for session_id, own in _by_session(export, sessions[export.file]):
            if export.kind in shapes.KNOWN_LATER and session_id not in gathered.drafts:
                report.without_value["rows of sessions that no other file speaks of: left out"] += len(own)
                continue
            report.sessions.add(session_id)
            draft = gathered.draft(session_id)
            if export.kind == shapes.CONTEXT:
                for context in contexts_of(own):
                    draft.tests.learn(context)
                continue
            draft.streams.setdefault(export.kind, []).extend(_without_own(draft, _entries(export.kind, own, report)))
            rows[session_id, export.kind] += len(own)
        if export.total is not None and export.kind != shapes.EVALUATION:
            totals[sessions[export.file], export.kind] = export.total
    for (session_id, kind), total in totals.items():
        if rows[session_id, kind] < total:
            gathered.report.warn(
                f"Session {session_id!r} has {rows[session_id, kind]:,} of {total:,} rows of {kind}: export the other pages too "
                "and give all files."
            )


def _with_each_ruling_once(exports: Sequence[Export], reports: Mapping[Path, FileReport]) -> list[Export]:
    """Return the files, of evaluations only rows that none before has: a session's list repeats the agent's."""
    seen: set[str] = set()
    left = []
    for export in exports:
        if export.kind == shapes.EVALUATION:
            rows = []
            for row in export.rows:
                known = encode(row.get("id")) if isinstance(row, Mapping) and row.get("id") is not None else encode(row)
                reports[export.file].merged += known in seen
                rows += [] if known in seen else [row]
                seen.add(known)
            export = replace(export, rows=rows)
        left.append(export)
    return left


def _sessions_of(exports: Sequence[Export], gathered: Gathered, reports: Mapping[Path, FileReport]) -> dict[Path, str]:
    """Return the session of each file, or of those of its rows that name none."""
    own = {export.file: _own_id(export) for export in exports}
    nameless = [export for export in exports if own[export.file] is None]
    named = {file: {session_id} for file, session_id in own.items() if session_id is not None}
    for report in reports.values():
        if report.kind == shapes.SESSIONS:
            named[report.file] = set(report.sessions)
    by_neighbours = naming.only_ids(nameless, named)
    rest = [export for export in nameless if export.file not in by_neighbours]
    found = {
        **by_neighbours,
        **naming.name_sessions(rest, {*gathered.drafts, *(name for names in named.values() for name in names)}),
    }
    for export in nameless:
        reports[export.file].session_id_from = "file name"
        if export.file in by_neighbours:
            reports[export.file].session_id_from = "the files beside it"
    return {file: session_id if session_id is not None else found[file] for file, session_id in own.items()}


def _join_copies(
    exports: Sequence[Export], sessions: dict[Path, str], gathered: Gathered, reports: Mapping[Path, FileReport]
) -> set[Path]:
    """Give files that hold the same rows under another name the session of the first, where their times show that it is one.

    Returns the files of which that is said.

    Args:
        exports: The files.
        sessions: The session of each; copies get that of the first.
        gathered: Its report takes the warnings.
        reports: The files' reports.
    """
    named = {export.file for export in exports if reports[export.file].session_id_from == "file"}
    known = {*gathered.drafts, *(sessions[file] for file in named)}
    firsts: dict[tuple[str, int | None, str], Export] = {}
    said: set[Path] = set()
    for export in exports:
        if export.file in named or export.kind not in {shapes.DEBUG, shapes.EVENTS, shapes.TRANSCRIPT}:
            continue
        first = firsts.setdefault((export.kind, export.page, _digest(export.rows)), export)
        one, other = sessions[first.file], sessions[export.file]
        if one == other or {one, other} <= known:
            continue
        if not any(map(_has_time, export.rows)):
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


def _digest(rows: list[Any]) -> str:
    return blake2b(encode(rows).encode(), digest_size=16).hexdigest()


def _has_time(row: Any) -> bool:
    return isinstance(row, Mapping) and any(row.get(key) is not None for key in ("_clientTime", "timestamp"))


def _own_id(export: Export) -> str | None:
    """Return the session that a file names: itself, by one of its rows, or by a context in them."""
    if export.session_id is not None:
        return export.session_id
    named = next((found for found in map(session_of, export.rows) if found is not None), None)
    if named is not None:
        return named
    for context in (found for row in export.rows for found in contexts_of(row)):
        if session := first(snake_keys(context), ("session_id",)):
            return text_of(session)
    return None


def _repeated(exports: Sequence[Export], sessions: dict[Path, str], reports: Mapping[Path, FileReport]) -> list[Path]:
    """Return the files that repeat another.

    Raises:
        InputError: two files are the same part of a session, with different rows.
    """
    dropped = []
    for one, other in naming.doubled(exports, sessions):
        if encode(one.rows) != encode(other.rows):
            page = "" if one.page is None else f", page {one.page}"
            raise InputError(
                f"{one.file} and {other.file} are two different exports ({one.kind}{page}) of one session, "
                f"{sessions[one.file]!r}. Leave one of them out; or, if they are two sessions, name the files by their ids."
            )
        reports[other.file].notes.append(f"the same as {one.file}: taken once")
        dropped.append(other.file)
    return dropped


def _by_session(export: Export, otherwise: str) -> Iterable[tuple[str, list[Any]]]:
    by_session: dict[str, list[Any]] = {}
    for row in export.rows:
        by_session.setdefault(session_of(row) or otherwise, []).append(row)
    return by_session.items() if by_session else [(otherwise, [])]


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
        draft.facts = {**known, **draft.facts}  # what the platform itself says of the session comes first
    return left


def _read(kind: str, rows: Sequence[Any], report: FileReport) -> list[Entry]:
    if kind in shapes.KNOWN_LATER:
        # Without a time of their own: what is found out afterwards stands at the session's end.
        return [Entry("evaluation" if kind == shapes.EVALUATION else "trace", "system", mapping(row)) for row in rows]
    entries = [read_entry(row, report, "transcript_part" if kind == shapes.TRANSCRIPT else "unknown") for row in rows]
    times = [entry.wall_s for entry in entries if entry.wall_s is not None]
    # Some lists have the newest row first.
    backwards = len(times) > 1 and times[0] > times[-1] and all(entry.client_s is None for entry in entries)
    return entries[::-1] if backwards else entries


def context_facts(draft: Draft, key: str) -> dict[str, Any]:
    """Return an object that a session's record or its context holds."""
    return mapping(first(draft.facts, (key,))) or mapping(draft.tests.context.get(key))
