"""Small valid inputs, of which the mutations are made: what is nearly right gets furthest."""

from typing import Any

from fuzz.judge import SECRET

STOP = {"max_iterations": 100, "max_confidence": 95, "target_outcome": "booked", "default": "formal"}


def _debug(at: float, kind: str, name: str, data: Any, **more: Any) -> dict[str, Any]:
    return {"event": "debug", "type": kind, "name": name, "data": data, "turn": 0, "_clientTime": at, **more}


def context(session_id: str, variant: str, booked: bool) -> dict[str, Any]:
    """Return a serialized context."""
    test = {
        "name": "greeting",
        "options": {"formal": 0.5, "casual": 0.5},
        "value": variant,
        "stop": {**STOP, "running": True},
    }
    return {
        "session_id": session_id,
        "environment": "production",
        "variables": {"KEY": SECRET},
        "data": {"name": "Ann", "n": 3},
        "testing": {
            "tests": {"greeting": test},
            "outcomes": {
                "booked": {"name": "booked", "type": "boolean", "value": booked},
                "note": {"name": "note", "type": "string", "value": "ok"},
            },
            "runTest": {},
            "experiments": {"greeting": {"name": "greeting", "conversionMetrics": ["booked"]}},
        },
    }


def debugger(session_id: str = "s1", variant: str = "formal", booked: bool = True, at: float = 100.0) -> list[Any]:
    """Return a debugger's export of a session."""
    return [
        _debug(at, "input", "start", {}),
        _debug(
            at + 0.5,
            "output",
            "text_to_speech",
            {"text": "Hello", "voice": "nova", "interruptible": True, "duration_s": 0.8},
        ),
        _debug(at + 1, "output", "audio", {"path": "https://a/b.wav"}),
        _debug(at + 1.2, "output", "silence", {"duration": 300}),
        _debug(at + 1.5, "system", "recognition", {"audio_s": 1.2, "recognition_s": 0.1, "text": "book it"}),
        _debug(at + 2, "input", "text", {"text": "book it", "source": "speech", "said": "book it"}, turn=1),
        _debug(at + 2.1, "system", "latency", {"recognition_ms": 100, "end_of_turn_ms": 300}, turn=1),
        _debug(at + 2.2, "metric", "metrics.counter.booked", {"value": 1}, tags={"experiment_greeting": variant}),
        _debug(at + 2.3, "log", "log", {"message": f"Experiment 'greeting' selected variant '{variant}'"}),
        _debug(at + 2.4, "system", "turn_interrupted", {}, turn=1),
        _debug(at + 2.5, "system", "turn_end", {"duration": 400}, turn=1),
        _debug(at + 2.6, "input", "timeout", {"count": 1, "ms_since_input": 5000}, turn=2),
        _debug(at + 2.7, "input", "dtmf", {"digits": "1"}, turn=3),
        _debug(at + 2.8, "output", "error", {"message": "boom", "file": "handler.py", "line": 3}, turn=3),
        _debug(at + 2.9, "log", "log", {"message": "task"}, background=True, background_task_name="lookup"),
        {"label": "rtvi-ai", "type": "bot-started-speaking", "data": {}, "_clientTime": at + 3},
        _debug(at + 3.1, "input", "order", {"item": "pizza"}, turn=3),
        _debug(at + 3.2, "system", "input_gate", {"allowed": False, "reason": "speech"}),
        _debug(at + 3.5, "output", "transfer_session", {"phone_number": "+1415"}, turn=3),
        _debug(at + 4, "output", "context", context(session_id, variant, booked), turn=3),
    ]


EVENTS = {
    "data": [
        {"timestamp": "2026-03-01T10:00:00Z", "name": "start", "data": {}, "session_id": "e1"},
        {"timestamp": "2026-03-01T10:00:01.5Z", "name": "text_to_speech", "data": {"text": "Hi"}, "session_id": "e1"},
        {
            "timestamp": "2026-03-01T10:00:03Z",
            "name": "text",
            "data": {"text": "hello", "source": "speech"},
            "session_id": "e1",
        },
        {"timestamp": 1772359205, "name": "stop", "data": {"closing_speech": "Bye"}, "session_id": "e1"},
    ],
    "metadata": {"page": 1, "limit": 50, "total": 4},
}
TRANSCRIPT = {
    "data": [
        {"timestamp": "2026-03-01T10:00:01Z", "data": {"role": "assistant", "content": "Hello"}},
        {"timestamp": "2026-03-01T10:00:05Z", "data": {"role": "user", "content": "Hi"}},
    ],
    "metadata": {"page": 1, "limit": 50, "total": 2, "session_id": "a1"},
}
SESSIONS = {
    "data": [
        {"id": "a1", "status": "completed", "direction": "inbound", "origin": "phone", "tags": ["vip"], "track": "web", "created_at": "2026-03-01T10:00:00Z",
         "usage": {"sessionDuration": 61000}, "input_data": {"customerName": "Ann"}, "output_data": {"ok": True}},
        {"id": "s1", "status": "failed", "direction": "inbound", "origin": "phone", "created_at": "2026-03-01T09:00:00Z", "ended_at": 1772359300000},
    ],
    "metadata": {"page": 1, "limit": 50, "total": 2},
}  # fmt: skip
METRICS = {
    "result": [
        {
            "metric": {
                "metric_name": "booked",
                "metric_type": "counter",
                "experiment_greeting": "casual",
                "session_id": "a1",
            },
            "value": [1772359260, "1"],
        },
        {"metric": {"metric_name": "wait", "metric_type": "gauge", "session_id": "a1"}, "value": [1772359261, "2.5"]},
    ]
}
EXPERIMENT = {
    "name": "greeting", "sessionCount": 2, "completed": False, "conversionMetrics": ["booked"], "stopConditions": {**STOP},
    "variants": [{"name": "casual", "sessionCount": 1}, {"name": "formal", "sessionCount": 1}], "significance": {},
}  # fmt: skip
EVALUATIONS = {
    "data": [
        {
            "id": "v1",
            "session_id": "s1",
            "evaluator_id": "polite",
            "evaluator_name": "polite",
            "status": "complete",
            "success": True,
            "ruling": "so",
        },
        {"id": "v2", "session_id": "a1", "evaluator_id": "polite", "status": "skipped", "success": None},
    ],
    "metadata": {"page": 1, "limit": 50, "total": 2},
}
TRACE = {
    "data": {
        "trace": {"durationMs": 1500, "totalCostUsd": "0.01"},
        "spans": [{"spanId": "a", "name": "llm", "startTime": 1}],
    },
    "session_id": "s1",
}


def exports() -> dict[str, Any]:
    """Return valid exports by the names of their files."""
    return {
        "s1": debugger(),
        "s2": debugger("s2", "casual", False, 300.0),
        "events": EVENTS,
        "a1_transcript": TRANSCRIPT,
        "sessions": SESSIONS,
        "a1_metrics": METRICS,
        "experiment": EXPERIMENT,
        "evaluations": EVALUATIONS,
        "s1_trace": TRACE,
        "ctx": context("s1", "formal", True),
    }
