"""Exports of VoiceRun become a session log: every shape, both key styles, nothing dropped, nothing guessed."""

import json

import pytest

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError, LogError
from voicelab.cli import main

EVEN = {"formal": 0.5, "casual": 0.5}
STOP = {"max_iterations": 100, "max_confidence": 95, "target_outcome": "booked", "default": "formal"}


def context(variant, booked, running=True, camel=False, **more):
    testing = {
        "tests": {
            "greeting": {"name": "greeting", "options": EVEN, "value": variant, "stop": {**STOP, "running": running}}
        },
        "outcomes": {"booked": {"name": "booked", "type": "boolean", "value": booked}},
        "runTest": {} if running else {"greeting": False},
        "metadata": {},
    }
    return {"sessionId" if camel else "session_id": more.pop("session_id", None), "testing": testing, **more}


def debug(at, kind, name, data, **more):
    return {"event": "debug", "type": kind, "name": name, "data": data, "turn": 0, "_clientTime": at, **more}


def call(session_id, variant, booked, at=100.0, **more):
    """Return a debugger's export of one session."""
    return [
        debug(at, "input", "start", {}),
        debug(at + 0.5, "output", "text_to_speech", {"text": "Hello", "voice": "nova"}),
        debug(at + 2, "input", "text", {"text": "book it", "source": "speech"}, turn=1),
        {"label": "rtvi-ai", "type": "bot-started-speaking", "data": {}, "_clientTime": at + 3},
        debug(at + 4, "output", "context", context(variant, booked, session_id=session_id, **more), turn=1),
    ]


def write(folder, **documents):
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / f"{name}.json").write_text(text)
    return folder


@pytest.fixture
def exports(tmp_path):
    folder = tmp_path / "exports"
    folder.mkdir()
    return folder


def test_debugger_exports_become_a_log_that_is_analysed(exports, tmp_path):
    facts = [("s1", "formal", True), ("s2", "casual", True), ("s3", "formal", False), ("s4", "casual", True)]
    write(exports, **{sid: call(sid, variant, booked, 100.0 * n) for n, (sid, variant, booked) in enumerate(facts)})
    write(exports, s5=call("s5", "formal", True, 900.0, running=False))  # served after the platform's own stop
    write(exports, s6=[debug(1000.0, "input", "start", {}, session_id="s6")])  # says nothing of the test
    log = voicerun.read(exports, tmp_path / "log")
    assert set(log.sessions()["source"]) == {"imported"}
    assert len(log.sessions()) == 6
    result = vl.analyze(log, "greeting")
    variants = result.variants.set_index("variant")
    assert dict(variants["n"]) == {"formal": 2, "casual": 2}
    assert dict(variants["mean"]) == {"formal": 0.5, "casual": 1.0}
    reasons = " ".join(result.excluded["reason"])
    assert "served the default after the stop" in reasons
    assert "no variant found" in reasons
    record = log.session("s1")
    assert [e.name for e in record.events][:3] == ["start", "text_to_speech", "text"]
    assert record.events[2].time_s == pytest.approx(2.0)
    assert record.outcomes["booked"] is True


def test_lists_events_transcripts_and_metrics_of_a_session_come_together(exports, tmp_path):
    write(
        exports,
        sessions={
            "data": [
                {"id": "a1", "status": "completed", "direction": "inbound", "origin": "phone", "tags": ["vip"],
                 "created_at": "2026-03-01T10:00:00Z", "usage": {"sessionDuration": 61000}},
                {"id": "a2", "status": "failed", "direction": "inbound", "origin": "phone",
                 "created_at": "2026-03-01T09:00:00Z", "usage": {"sessionDuration": 5000}},
            ],
            "metadata": {"page": 1, "limit": 50, "total": 3},
        },
        a1_transcript={
            "data": [
                {"timestamp": "2026-03-01T10:00:01Z", "data": {"role": "assistant", "content": "Hello"}},
                {"timestamp": "2026-03-01T10:00:05Z", "data": {"role": "user", "content": "Hi"}},
            ],
            "metadata": {"page": 1, "limit": 50, "total": 2},
        },
        a1_metrics={
            "result": [
                {"metric": {"metric_name": "booked", "metric_type": "counter", "experiment_greeting": "casual"},
                 "value": [1772359260, "1"]}
            ]
        },
        experiment={"name": "greeting", "sessionCount": 2, "completed": False, "conversionMetrics": ["booked"],
                    "stopConditions": {}, "variants": [{"name": "casual", "sessionCount": 2}], "significance": {}},
    )  # fmt: skip
    with pytest.warns(UserWarning, match="2 of 3 sessions"):
        log = voicerun.read(exports, tmp_path / "log", weights={"greeting": EVEN})
    sessions = log.sessions().set_index("session_id")
    assert list(sessions.index) == ["a2", "a1"]  # in order of their end
    assert dict(sessions["status"]) == {"a2": "error", "a1": "completed"}
    assert sessions.loc["a1", "duration_s"] == 61.0
    roles = [e.data["role"] for e in log.session("a1").events if e.name == "transcript_part"]
    assert roles == ["agent", "user"]
    assert dict(log.exposures().set_index("session_id")["assignment"]) == {"a2": "unassigned", "a1": "random"}
    assert log.session("a1").outcomes["booked"] == 1
    assert vl.analyze(log, "greeting", outcome="booked").platform["sessionCount"] == 2


def test_unknown_keys_are_kept_and_told(exports, tmp_path):
    write(exports, x1=[debug(1.0, "output", "text_to_speech", {"text": "hi"}, shade="blue")])
    log = voicerun.read(exports, tmp_path / "log")
    [event] = log.session("x1").events
    assert event.data["extra"] == {"shade": "blue"}
    assert log.manifest["imports"][0]["unknown_keys"] == {"shade": 1}


def test_the_values_of_variables_are_masked(exports, tmp_path):
    write(exports, x1=call("x1", "formal", True, variables={"KEY": "topsecret99"}, data={"note": "topsecret99"}))
    log = voicerun.read(exports, tmp_path / "log")
    assert "topsecret99" not in log.events()["data"].str.cat()
    assert "topsecret99" not in json.dumps(log.session("x1").data)


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ({"cut": '[{"event": "debug", "type": "inp'}, "cut"),
        ({"empty": ""}, "is empty"),
        ({"other": {"hello": ["world"]}}, "other"),
    ],
)
def test_what_is_no_export_is_refused_and_nothing_is_written(exports, tmp_path, documents, message):
    write(exports, fine=call("s1", "formal", True), **documents)
    with pytest.raises(InputError, match=message):
        voicerun.read(exports, tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_weights_that_nobody_says_are_asked_for_by_name(exports, tmp_path):
    write(exports, s1=[debug(1.0, "log", "log", {"message": "Experiment 'greeting' selected variant 'formal'"})])
    with pytest.raises(InputError, match=r"weights=\{'greeting'"):
        voicerun.read(exports, tmp_path / "log")
    log = voicerun.read(exports, tmp_path / "log", weights={"greeting": EVEN})
    assert log.session("s1").variants == {"greeting": "formal"}


def test_a_log_that_is_there_is_not_touched(exports, tmp_path):
    write(exports, s1=call("s1", "formal", True))
    voicerun.read(exports, tmp_path / "log")
    with pytest.raises(LogError, match="overwrite=True"):
        voicerun.read(exports, tmp_path / "log")
    assert len(voicerun.read(exports, tmp_path / "log", overwrite=True).sessions()) == 1
    with pytest.raises(InputError, match="There is no file"):
        voicerun.read(tmp_path / "nowhere.json", tmp_path / "other")


def test_the_command_imports(exports, tmp_path, capsys):
    write(exports, s1=call("s1", "formal", True))
    assert main(["import", str(exports), "--log", str(tmp_path / "log")]) == 0
    assert "1 sessions from 1 files" in capsys.readouterr().out
    assert main(["import", str(exports), "--log", str(tmp_path / "log")]) == 1
    assert main(["import", str(exports), "--log", str(tmp_path / "other"), "--weights", "{"]) == 1
