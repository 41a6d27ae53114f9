"""What a front end shows of a live session, as plain data (`voicelab.live.page_messages` lists it)."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import orjson

from voicelab.base.checks import is_number
from voicelab.base.masking import MASK
from voicelab.base.records import SESSIONS, Event, EventRow, PortabilityNote, Row, SessionRows
from voicelab.callers.gate import in_words
from voicelab.record.caller_as_script import script_of
from voicelab.record.lanes import Span
from voicelab.record.lines import lines_in_order, lines_of, text_line
from voicelab.record.script_text import messages_of, python_of
from voicelab.session.live_end import LiveEnd

_PARTS = {
    "end_of_turn_ms": "end of turn",
    "recognition_ms": "recognition",
    "handler_ms": "handler",
    "synthesis_ms": "synthesis",
    "playback_ms": "playback",
}


def event_of(seq: int, row: EventRow) -> Event:
    """Return an event of a session that is still in memory."""
    time_s, turn, (kind, name, background, task_name), text = row
    return Event(seq, time_s, turn, kind, name, orjson.loads(text), background, task_name)  # type: ignore[arg-type]


def event_view(event: Event, spans: Iterable[Span], why: str) -> dict[str, Any]:
    """Return an event with the lines of conversation and the spans of the timeline that it makes, and why it came when it did."""
    return {
        "seq": event.seq,
        "time_s": round(event.time_s, 3),
        "turn": event.turn,
        "kind": event.kind,
        "name": event.name,
        "data": event.data,
        "background": event.background,
        "task_name": event.task_name,
        "lines": [
            {"who": line.who, "text": line.text, "lost": line.lost, "label": line.label, "time_s": line.time_s}
            for line in lines_of(event)
        ],
        "spans": [span_view(span) for span in spans],
        "why": why,
    }


def span_view(span: Span) -> dict[str, Any]:
    """Return a span of the timeline; its times to the millisecond."""
    end_s = None if span.end_s is None else round(span.end_s, 3)
    return asdict(span) | {"start_s": round(span.start_s, 3), "end_s": end_s}


def latency_view(events: Iterable[EventRow]) -> list[dict[str, Any]]:
    """Return the latency of each turn: its total and its parts, in milliseconds."""
    told = ((turn, orjson.loads(data)) for _, turn, label, data in events if label[1] == "latency")
    # An event of another system's may bear the name and say something else.
    measured = [(turn, data) for turn, data in told if all(is_number(data.get(key)) for key in ("total_ms", *_PARTS))]
    return [
        {
            "turn": turn,
            "total_ms": data["total_ms"],
            "parts": [{"name": name, "ms": data[key]} for key, name in _PARTS.items()],
        }
        for turn, data in measured
    ]


def script_view(rows: Iterable[EventRow], status: str) -> dict[str, str]:
    """Return what the caller did as scripts, in Python and as a JSON array of messages, and what was said as text."""
    events = [event_of(seq, row) for seq, row in enumerate(rows)]
    script = script_of(events, status)
    said = [text_line(line) for line in lines_in_order(events) if line.who in {"agent", "caller"}]
    return {"python": python_of(script), "messages": messages_of(script), "transcript": "\n".join(said)}


def no_session() -> dict[str, Any]:
    """Return the state of a session before there is any."""
    return {
        "outcomes": {},
        "metrics": [],
        "data": {},
        "output_data": {},
        "parameters": {},
        "gate": {"open": True, "reason": ""},
        "latency": [],
        "status": None,
        "duration_s": None,
    }


def session_view(session: LiveEnd, events: Iterable[EventRow], *, hidden: bool) -> dict[str, Any]:
    """Return the state of a running session; of a blind one without what may tell the variant."""
    state = no_session() | {"latency": latency_view(events)}
    state["gate"] = {"open": not session.gate, "reason": in_words(session.gate)}
    if hidden:
        return state
    return state | {
        "outcomes": _outcomes(session.outcomes),
        "metrics": _metrics(session.metrics),
        **session.data(),
    }


def rows_view(rows: SessionRows, *, hidden: bool) -> dict[str, Any]:
    """Return the state of a session that has ended."""
    facts = dict(zip(SESSIONS, rows.session, strict=True))
    state = no_session() | {"latency": latency_view(rows.events)}
    state |= {"status": facts["status"], "duration_s": facts["duration_s"]}
    if hidden:
        return state
    return state | {
        "outcomes": _outcomes(rows.outcomes),
        "metrics": _metrics(rows.metrics),
        "data": orjson.loads(facts["data"]),
        "output_data": orjson.loads(facts["output_data"]),
        "parameters": orjson.loads(facts["parameters"]),
    }


def _outcomes(rows: Iterable[Row]) -> dict[str, Any]:
    values = {}
    for _, name, kind, value, text, _ in rows:
        values[name] = text if kind == "string" else bool(value) if kind == "boolean" else value
    return values


def _metrics(rows: Iterable[Row]) -> list[dict[str, Any]]:
    return [{"type": kind, "name": name, "value": value} for _, _, _, kind, name, value, _ in rows]


def notes_view(notes: Iterable[PortabilityNote]) -> list[dict[str, Any]]:
    """Return portability notes."""
    return [
        {"line": note.line, "rule": note.rule, "text": f"{note.written}; the SDK: {note.sdk} ({note.platform})"}
        for note in notes
    ]


def variables_view(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the names of variables, their values masked whatever their length."""
    return dict.fromkeys(variables, MASK)
