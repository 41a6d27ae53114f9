"""A session's trace: the spans that an import brought, else those of its turns, speeches and background tasks.

session
├─ turn 0: start
│  └─ text_to_speech
├─ turn 1: text
│  ├─ text_to_speech
│  └─ error
└─ task look_up
"""

from collections.abc import Iterator, Mapping
from typing import Any

from voicelab.base.records import Event
from voicelab.record.lanes import Lanes
from voicelab.record.session_record import SessionRecord
from voicelab.serving.answer import Answer
from voicelab.serving.asked import NotThereError, Page, iso

TRACED = ("trace", "span")
"""Names of events that an imported trace has become."""
_ROOT = "session"
_PLAYED = {"text_to_speech", "audio"}
_SHOWN = 200


def trace_of(record: SessionRecord, began_s: float, page: Page) -> Answer:
    """Answer a page of a session's spans.

    Args:
        record: The session.
        began_s: When it began, in seconds since 1970.
        page: Which page.
    """
    spans = [{key: value for key, value in span.items() if key != "attributes"} for span in _spans(record, began_s)]
    totals = next((event.data.get("trace") for event in record.events if event.name == "trace"), None)
    trace = totals if isinstance(totals, Mapping) else {"durationMs": 1000 * record.duration_s, "totalCostUsd": None}
    shown = spans[page.offset : page.offset + page.limit]
    return page.answer({"trace": trace, "spans": shown}, len(spans))


def span_of(record: SessionRecord, began_s: float, span_id: str) -> Answer:
    """Answer one span, with its attributes.

    Raises:
        NotThereError: the session has none of this id.
    """
    found = next((span for span in _spans(record, began_s) if span.get("spanId") == span_id), None)
    if found is None:
        raise NotThereError(f"Span not found: {span_id}")
    return Answer(200, {"data": found})


def _spans(record: SessionRecord, began_s: float) -> list[dict[str, Any]]:
    imported = [event.data for event in record.events if event.name == "span"]
    return imported or list(_of_turns(record, began_s))


def _of_turns(record: SessionRecord, began_s: float) -> Iterator[dict[str, Any]]:
    def span(span_id: str, parent: str | None, name: str, start_s: float, end_s: float, **more: Any) -> dict[str, Any]:
        return {
            "spanId": span_id,
            "parentId": parent,
            "name": name,
            "startTime": iso(began_s + start_s),
            "endTime": iso(began_s + end_s),
            "durationMs": round(1000 * (end_s - start_s), 3),
            "statusCode": "OK",
            "costUsd": None,
            "preview": None,
        } | more

    events = sorted(record.events, key=lambda event: event.time_s)
    failed = "ERROR" if record.status == "error" else "OK"
    yield span(_ROOT, None, _ROOT, 0.0, record.duration_s, statusCode=failed, preview=record.status, attributes={})
    turns: dict[int, list[Event]] = {}
    tasks: dict[str, list[Event]] = {}
    for event in events:
        if event.task_name:
            tasks.setdefault(event.task_name, []).append(event)
        else:
            turns.setdefault(event.turn, []).append(event)
    for turn, own in turns.items():
        given = next((event for event in own if event.kind == "input"), own[0])
        ends = [event.time_s for event in own if event.name == "turn_end"] or [_end_s(event) for event in own]
        wrong = [event for event in own if event.name == "error"]
        yield span(
            f"turn-{turn}", _ROOT, f"turn {turn}: {given.name}", given.time_s, max(given.time_s, *ends),
            statusCode="ERROR" if wrong else "OK", preview=_preview(given), turnNumber=turn, eventName=given.name,
            attributes=given.data,
        )  # fmt: skip
        for event in own:
            if event.name in _PLAYED or event in wrong:
                yield span(
                    f"event-{event.seq}", f"turn-{turn}", event.name, event.time_s, _end_s(event),
                    statusCode="ERROR" if event in wrong else "OK", preview=_preview(event), turnNumber=turn,
                    eventName=event.name, attributes=event.data,
                )  # fmt: skip
    for at, (name, own) in enumerate(tasks.items()):
        wrong = [event for event in own if event.name == "error"]
        yield span(
            f"task-{at}", _ROOT, f"task {name}", own[0].time_s, max(map(_end_s, own)),
            statusCode="ERROR" if wrong else "OK", preview=f"{len(own)} events", attributes={"task": name},
        )  # fmt: skip


def _end_s(event: Event) -> float:
    """Return when an event is over: when it has been played, or was cut; at once for all others."""
    return (Lanes().end_s(event) or event.time_s) if event.name in _PLAYED else event.time_s


def _preview(event: Event) -> str | None:
    text = event.data.get("text", event.data.get("message"))
    return text[:_SHOWN] if isinstance(text, str) else None
