"""Turns what was gathered into the rows of a session log: sessions in order of their end, each with its events."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.base.masking import Masker
from voicelab.base.plain_json import encode
from voicelab.base.records import RUNNING, EventRow, Label, Row, SessionRows, table_row
from voicelab.voicerun.declare import Declarations, outcomes
from voicelab.voicerun.entries import Entry
from voicelab.voicerun.event_order import OrderedEvents, events_in_order
from voicelab.voicerun.export_values import first, mapping, number, short_seconds, snake_keys, text_of, wall_seconds
from voicelab.voicerun.gather import Draft, Gathered, context_facts

# How the platform says that a session ended, in the log's words; anything else stays as it is.
_STATUSES = {
    "completed": "completed", "complete": "completed", "ended": "completed", "finished": "completed",
    "success": "completed", "hangup": "hangup", "transferred": "transferred", "timeout": "timeout",
    "failed": "error", "error": "error", "crashed": "error",
}  # fmt: skip


@dataclass
class _Session:
    draft: Draft
    events: OrderedEvents
    status: str
    ended: bool
    duration_s: float
    end_s: float | None


def assemble(
    gathered: Gathered, weights: Mapping[str, Mapping[str, float]], conversions: Sequence[str], run_id: str
) -> tuple[list[SessionRows], Declarations]:
    """Return the rows of all sessions, in order of their end, and the tests that they were in.

    Args:
        gathered: What the files say.
        weights: Weights by test and variant, from the caller.
        conversions: Conversion metrics that the caller names.
        run_id: Id of the import.

    Raises:
        InputError: weights are given for another test, or not for every variant.
    """
    sessions = [_settled(draft) for draft in gathered.drafts.values()]
    # Those whose end nobody says come last, in the order of the files.
    sessions.sort(key=lambda session: (session.end_s is None, session.end_s or 0.0))
    if unknown := sum(session.end_s is None for session in sessions):
        gathered.report.warn(
            f"The end of {unknown:,} of {len(sessions):,} sessions is not known: they stand last, in the order of the files. "
            "Give the session list too (vr session list --json)."
        )
    tests = [session.draft.tests for session in sessions]
    declarations = Declarations(tests, weights, conversions, gathered.platform, gathered.report)
    named = [name for names in declarations.conversions.values() for name in names]
    rows = [
        _rows(session, index, declarations, list(dict.fromkeys(named)), run_id)
        for index, session in enumerate(sessions)
    ]
    return rows, declarations


def _settled(draft: Draft) -> _Session:
    events = events_in_order(draft)
    for entry in events.entries:
        draft.tests.see(entry)
    said = text_of(first(draft.facts, ("status",)) or "").lower()
    duration_s = _duration(draft, events)
    return _Session(
        draft,
        events,
        _STATUSES.get(said, said or "completed"),
        said not in RUNNING,
        duration_s,
        _end(draft, events, duration_s),
    )


def _duration(draft: Draft, events: OrderedEvents) -> float:
    """Return the length of a session in seconds: as its record says it (milliseconds), else that of its events."""
    usage = snake_keys(mapping(draft.facts.get("usage")))
    ms = short_seconds(first(usage, ("session_duration",)))
    return ms / 1000 if ms is not None and ms >= 0 else events.length_s or 0.0


def _end(draft: Draft, events: OrderedEvents, duration_s: float) -> float | None:
    ended = wall_seconds(first(draft.facts, ("ended_at", "completed_at", "end_time")))
    if ended is not None:
        return ended
    began = wall_seconds(first(draft.facts, ("started_at", "created_at", "start_time")))
    if began is not None:
        return began + duration_s
    return None if events.start_s is None else events.start_s + (events.length_s or 0.0)


def _rows(
    session: _Session, index: int, declarations: Declarations, conversions: list[str], run_id: str
) -> SessionRows:
    draft, tests = session.draft, session.draft.tests
    masker = _masker(frozenset(tests.variables))
    timed = list(zip(session.events.entries, session.events.times, session.events.turns, strict=True))
    events = [_event(entry, time_s, turn, masker) for entry, time_s, turn in timed]
    metrics = [
        row
        for seq, (entry, time_s, turn) in enumerate(timed)
        if (row := _metric(seq, entry, time_s, turn, masker)) is not None
    ]
    errors = [entry for entry in session.events.entries if entry.name == "error"]
    facts = draft.facts
    row = table_row(
        "sessions",
        run_id=run_id,
        session_id=draft.session_id,
        session_index=index,
        source="imported",
        caller=text_of(first(facts, ("track", "caller")) or "caller"),
        status=session.status,
        n_errors=len(errors),
        error=masker.text(errors[0].data["message"]) if errors else None,
        n_turns=1 + max(session.events.turns, default=0),
        n_replies=0,
        n_otherwise=0,
        duration_s=session.duration_s,
        environment=text_of(
            first(facts, ("environment", "environment_id")) or tests.context.get("environment") or "unknown"
        ),
        direction=text_of(first(facts, ("direction",)) or "unknown"),
        origin=text_of(first(facts, ("origin",)) or "unknown"),
        tags=masker.json(encode(_list_of(facts.get("tags")))),
        parameters=masker.json(encode(context_facts(draft, "input_data"))),
        data=masker.json(encode(mapping(tests.context.get("data")))),
        output_data=masker.json(encode(context_facts(draft, "output_data"))),
    )
    return SessionRows(
        row,
        events,
        declarations.exposures(tests, index, ended=session.ended, masker=masker),
        outcomes(tests, metrics, conversions, index, crashed=session.status == "error", masker=masker),
        metrics,
    )


def _list_of(value: Json) -> list[Any]:
    """Return a list as it is; a single value as the only one in it."""
    return value if isinstance(value, list) else [value] if value else []


def _event(entry: Entry, time_s: float, turn: int, masker: Masker) -> EventRow:
    label: Label = (entry.kind, masker.text(entry.name), entry.background, entry.task and masker.text(entry.task))
    return (time_s, turn, label, masker.json(encode(entry.data)))


def _metric(seq: int, entry: Entry, time_s: float, turn: int, masker: Masker) -> Row | None:
    """Return the row of a metric; None for anything else, and for one whose value is no number (its event stays)."""
    parts = entry.name.split(".", 2)
    value = number(first(entry.data, ("value", "duration_ms", "latency_ms")))
    if entry.kind != "metric" or value is None:
        return None
    kind, name = (parts[1], parts[2]) if len(parts) == 3 and parts[0] == "metrics" else ("gauge", entry.name)  # noqa: PLR2004 - metrics.<type>.<name>
    tags = {str(tag): text_of(text) for tag, text in entry.tags.items()}
    return table_row(
        "metrics",
        seq=seq,
        time_s=time_s,
        turn=turn,
        type=kind,
        metric=masker.text(name),
        value=value,
        tags=masker.json(encode(tags)),
    )


@functools.lru_cache(maxsize=8)
def _masker(variables: frozenset[str]) -> Masker:
    """Return the masker of a session's variables: those of one agent's sessions are nearly always the same."""
    return Masker(variables)
