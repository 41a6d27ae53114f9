"""Exports of VoiceRun become a session log: every shape, both key styles, nothing dropped, nothing guessed."""

import json

import pytest

import voicelab as vl
from voicelab import voicerun
from voicelab.base.errors import InputError, LogError
from voicelab.cli import main
from voicelab.voicerun import files

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


CUT = [
    '[{"event": "debug", "type": "inp',
    '{"data": [{"timestamp": 1, "name": "start", "data": {}}, {"timest',
    '[{"id": "a1", "direction": "inbound", "origin": "pho',
    '{"result": [{"metric": {"metric_name": "book',
    '{"session_id": "s2", "testing": {"tests"',
]


@pytest.mark.parametrize("cut", CUT)
def test_an_export_that_was_cut_is_refused_and_nothing_is_written(exports, tmp_path, cut):
    write(exports, fine=call("s1", "formal", True), cut=cut)
    with pytest.raises(InputError, match=r"cut\.json is no complete JSON.*export was cut"):
        voicerun.read(exports, tmp_path / "log")
    assert not (tmp_path / "log").exists()


def test_a_file_that_is_no_json_refuses_no_folder(exports, tmp_path):
    write(
        exports,
        s1=call("s1", "formal", True),
        empty="",
        tsconfig='{\n  // strict\n  "strict": true\n}',
        deep="[" * 200_000,
    )
    (exports / "latin.json").write_bytes(b'{"name": "caf\xe9"}')
    others = {"empty.json": "it is empty", "tsconfig.json": "it is no JSON", "deep.json": "nested too deeply",
              "latin.json": "it is no text in UTF-8"}  # fmt: skip
    with pytest.warns(UserWarning, match="Left out") as noted:
        log = voicerun.read(exports, tmp_path / "log")
    [said] = [str(w.message) for w in noted if "empty.json" in str(w.message)]
    notes = {own["file"]: " ".join(own["notes"]) for own in log.manifest["imports"]}
    for name, why in others.items():
        assert name in said
        assert why in notes[name]
        assert why in said
    assert list(log.sessions()["session_id"]) == ["s1"]
    # Whoever names a file means it.
    for name, message in (("empty", "is empty"), ("tsconfig", "no complete JSON"), ("latin", "is no text")):
        with pytest.raises(InputError, match=message):
            voicerun.read([exports / "s1.json", exports / f"{name}.json"], tmp_path / "other")


def test_json_lines_hold_any_letter(exports, tmp_path):
    rows = nameless(1.0, "a\u2028b\x85c")
    (exports / "x1.jsonl").write_text(
        "\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    log = voicerun.read(exports, tmp_path / "log")
    assert log.session("x1").events[1].data["text"] == "a\u2028b\x85c"


def test_a_test_of_which_no_variant_is_known_says_what_to_export(exports, tmp_path):
    for n in range(3):
        rows = call(f"s{n}", None, True, 100.0 * n)
        rows[-1]["data"]["testing"]["tests"]["greeting"] = {"name": "greeting"}
        write(exports, **{f"s{n}": rows})
    with pytest.warns(UserWarning, match="No variant of 'greeting' is known: .*vr session events") as noted:
        log = voicerun.read(exports, tmp_path / "log")
    assert not [w for w in noted if "={}" in str(w.message) or "{'greeting': {}}" in str(w.message)]
    for options in ({}, {"rule": vl.StopRule(max_iterations=100)}, {"weights": EVEN}):
        with pytest.raises(InputError, match="No session drew a variant of 'greeting'.*vr session events"):
            vl.analyze(log, "greeting", outcome="booked", **options)


SELECTED = "Experiment 'greeting' selected variant '{}'"


def quiet(session_id, variant, booked, at):
    """Return events of a session that says its variant in a log line alone, and its outcome in a metric."""
    rows = [
        {"timestamp": at, "name": "start", "data": {}},
        {"timestamp": at + 1, "name": "log", "data": {"message": SELECTED.format(variant)}},
    ]
    metric = {"metric_name": "booked", "metric_type": "counter", "session_id": session_id}
    counted = [{"metric": metric, "value": [at + 2, "1"]}] if booked else []
    return {"data": rows, "session_id": session_id}, {"result": counted}


def described(**stop):
    return {"name": "greeting", "sessionCount": 60, "completed": False, "conversionMetrics": ["booked"],
            "stopConditions": {"current_iterations": 60, "current_confidence": 20.5, **stop},
            "variants": [{"name": "formal", "sessionCount": 30}, {"name": "casual", "sessionCount": 30}], "significance": {}}  # fmt: skip


def without_weights(folder, **stop):
    """Write 60 sessions of which no export says the weights: 12 of 20 formal ones book, 8 of 40 casual ones."""
    for n in range(60):
        formal = n % 3 == 0
        events, metrics = quiet(
            f"s{n}", "formal" if formal else "casual", n % (5 if not formal else 2) == 0, 1e9 + 100 * n
        )
        write(folder, **{f"s{n}_events": events, f"s{n}_metrics": metrics})
    return write(folder, described=described(**stop))


def test_weights_that_nobody_says_are_unknown_and_the_rule_is_the_platforms(exports, tmp_path):
    without_weights(exports, max_iterations="1000", max_confidence=95, target_outcome="booked")
    with pytest.warns(UserWarning, match=r"Weights unknown: no export says those of 'greeting' \(casual, formal\)"):
        log = voicerun.read(exports, tmp_path / "log")
    assert "weights unknown: greeting" in repr(log)
    assert "weights unknown" in log._repr_html_()
    assert log.exposures()["weight"].isna().all()
    assert dict(log.exposures()["assignment"].value_counts()) == {"random": 60}
    result = vl.analyze(log, "greeting")
    assert (result.rule.max_iterations, result.rule.max_confidence, result.outcome) == (1000, 95, "booked")
    # Sums and a boundary need no weights: the decision is that of the shares, but for the check of them.
    shares = vl.analyze(log, "greeting", weights={"casual": 2, "formal": 1})
    assert result.comparisons.equals(shares.comparisons)
    assert shares.srm["p_value"] == 1.0
    assert result.srm == {
        "n": 60, "observed": {"casual": 40, "formal": 20}, "expected": None, "p_value_fixed": None, "p_value": None, "alarm": False,
    }  # fmt: skip
    sentence = "decided without a check that the variants got their shares"
    assert sentence in str(result)
    assert sentence in result._repr_html_()
    assert "weights unknown, shares not checked" in result.method
    assert result.to_json()["variants"][0]["weight"] is None
    assert "unknown" in result.plot("shares").get_title(loc="left")


def test_weights_are_asked_for_where_the_method_bets_with_them(exports, tmp_path):
    without_weights(exports)
    log = voicerun.read(exports, tmp_path / "log")
    with pytest.raises(InputError, match=r"decided by bets, which need them.*weights=\{'casual': 0.5, 'formal': 0.5\}"):
        vl.analyze(log, "greeting")
    given = {"casual": 2 / 3, "formal": 1 / 3}
    assert vl.analyze(log, "greeting", weights=given).srm["expected"] == {"casual": 40, "formal": 20}
    horizon = vl.StopRule(max_iterations=60, max_confidence=95)
    assert vl.analyze(log, "greeting", rule=horizon).decision.confidence is not None
    assert vl.analyze(log, "greeting", rule=vl.StopRule(max_confidence=90, method="fixed")).decision.winner == "formal"
    seconds = vl.analyze(log, "greeting", outcome="duration_s", guardrails=["n_errors"])  # means need none either
    assert seconds.kind == "float"
    with pytest.raises(InputError, match="bounds= or cap="):
        vl.analyze(log, "greeting", outcome="duration_s", cap=100)
    for wrong, message in [
        ({"casual": 1}, "no variant 'formal'"),
        ([(0, given)], "by variant for a log"),
        ({}, "at least one"),
    ]:
        with pytest.raises(InputError, match=message):
            vl.analyze(log, "greeting", weights=wrong)
    command = ["analyze", str(tmp_path / "log"), "greeting"]
    assert main(command) == 1
    assert main([*command, "--weights", json.dumps(given)]) == 0
    assert main([*command, "--weights", "{"]) == 1
    # Given when it is read they are the log's own.
    named = voicerun.read(exports, tmp_path / "named", weights={"greeting": given})
    assert set(named.exposures()["weight"].round(2)) == {0.67, 0.33}
    with pytest.raises(InputError, match="a log holds the weights"):
        vl.analyze(named, "greeting", weights=given)


def test_a_foreign_file_refuses_no_folder(exports, tmp_path):
    write(exports, s1=call("s1", "formal", True), names=["booked", "calls"], tags={"experiment_greeting": ["formal"]},
          span={"data": {"spanId": "x", "name": "llm", "startTime": 1, "attributes": {"cost.usd": 0.1}}})  # fmt: skip
    with pytest.warns(UserWarning, match="Left out") as noted:
        log = voicerun.read(exports, tmp_path / "log")
    [said] = [str(w.message) for w in noted if "Left out" in str(w.message)]
    assert all(name in said for name in ("names.json", "tags.json", "span.json"))
    notes = {own["file"]: own["notes"] for own in log.manifest["imports"]}
    assert notes["s1.json"] == []
    assert notes["names.json"] == ["no export that voicelab knows (it holds str): left out"]
    assert len(log.sessions()) == 1
    (exports / "s1.json").unlink()
    with pytest.raises(InputError, match="speaks of a session.*names.json: no export that voicelab knows"):
        voicerun.read(exports, tmp_path / "other")


def nameless(at, text="hello"):
    return [debug(at, "input", "start", {}), debug(at + 0.5, "output", "text_to_speech", {"text": text})]


def test_the_same_export_under_two_names_is_one_session_said_aloud(exports, tmp_path):
    write(exports, one=nameless(5.0), **{"one (1)": nameless(5.0)}, other=nameless(6.0))
    with pytest.warns(
        UserWarning, match=r"one \(1\).json and .*one.json hold the same session.*counted once, as 'one'"
    ):
        log = voicerun.read(exports, tmp_path / "log")
    assert set(log.sessions()["session_id"]) == {"one", "other"}
    assert len(log.session("other").events) == 2
    # Without times two sessions may well be alike: then they are two, and it is said.
    alike = [{"timestamp": None, "name": "text", "data": {"text": "hi"}}]
    for name in ("one", "one (1)", "other"):
        (exports / f"{name}.json").unlink()
    write(exports, x_events=alike, y_events=alike)
    with pytest.warns(UserWarning, match="counted as two sessions"):
        assert len(voicerun.read(exports, tmp_path / "alike").sessions()) == 2


def test_two_sessions_that_a_list_names_are_two_however_alike(exports, tmp_path):
    rows = [{"timestamp": 1e9, "name": "start", "data": {}}]
    facts = {"status": "completed", "direction": "inbound", "created_at": "2026-03-01T10:00:00Z"}
    write(exports, list=[{"id": "a1", **facts}, {"id": "a2", **facts}], a1_events=rows, a2_events=rows)
    log = voicerun.read(exports, tmp_path / "log")
    assert [len(log.session(name).events) for name in ("a1", "a2")] == [1, 1]


def test_half_a_character_in_an_id_is_no_crash(exports, tmp_path):
    rows = [
        {
            "timestamp": 1e9,
            "name": "log",
            "data": {"message": SELECTED.format("a\ud800")},
            "odd\udc00": 1,
            "session_id": "s\ud800",
        }
    ]
    write(exports, x=rows, list=[{"id": "t\udfff", "status": "x", "direction": "\ud800", "origin": "web", "environment": "\ud801"}],
          described=described() | {"name": "greeting", "note": "\ud800"}, foreign={"\ud800": 1})  # fmt: skip
    with pytest.warns(UserWarning, match="Weights unknown: no export says those of 'greeting' .a\ufffd, ") as caught:
        log = voicerun.read(exports, tmp_path / "log")
    assert all(str(warning.message).encode() for warning in caught)
    assert set(log.sessions()["session_id"]) == {"s\ufffd", "t\ufffd"}
    assert log.session("s\ufffd").variants == {"greeting": "a\ufffd"}


def ruling(number, session_id, success, status="complete"):
    return {"id": f"e{number}", "session_id": session_id, "evaluator_id": "polite", "eval_type": "judge",
            "status": status, "success": success, "ruling": "because"}  # fmt: skip


def test_of_an_evaluator_that_was_asked_again_the_latest_ruling_counts(exports, tmp_path):
    write(exports, s1=call("s1", "formal", True))
    later, earlier = (ruling(n, "s1", n == 2) | {"created_at": f"2026-03-0{n}T00:00:00Z"} for n in (2, 1))
    for number, rows in enumerate(([later, earlier], [earlier, later])):
        write(exports, evaluations=rows)
        with pytest.warns(UserWarning, match="rule otherwise than an earlier one .* the latest counts"):
            outcomes = voicerun.read(exports, tmp_path / f"log{number}").outcomes()
        assert outcomes.set_index("outcome")["value"]["polite"] == 1.0


def test_rulings_and_traces_are_outcomes_of_the_sessions_that_have_them(exports, tmp_path):
    for n in range(8):
        write(exports, **{f"s{n}": call(f"s{n}", "formal" if n % 2 else "casual", n % 3 == 0, 100.0 * n)})
    rulings = [ruling(n, f"s{n}", n in {1, 3, 5}) for n in range(6)]
    rulings += [ruling(6, "s6", None, "skipped"), ruling(7, "gone", True)]
    write(
        exports,
        evaluations={"data": rulings, "metadata": {"page": 1, "limit": 50, "total": 8}},
        s1_evaluations=rulings[1:2],
    )
    for n in range(6):
        totals = {"durationMs": 1500, "totalCostUsd": f"{0.01 * n}"}
        spans = [{"spanId": "a", "name": "llm", "startTime": 1}]
        write(exports, **{f"s{n}_trace": {"data": {"trace": totals, "spans": spans}}})
    with pytest.warns(UserWarning, match="1 evaluations skipped: no ruling|1 rows of sessions that no other file"):
        log = voicerun.read(exports, tmp_path / "log")
    assert len(log.sessions()) == 8
    result = vl.analyze(log, "greeting", outcome="polite", guardrails=["trace_cost_usd"])
    assert dict(result.variants.set_index("variant")["mean"]) == {"formal": 1.0, "casual": 0.0}
    assert dict(result.variants.set_index("variant")["n"]) == {
        "formal": 3,
        "casual": 3,
    }  # s6 was skipped, s7 has none
    # Of six sessions with a cost: .00, .02 and .04 of casual ones, .01, .03 and .05 of formal ones.
    assert abs(result.guardrails["difference"].iloc[0]) == pytest.approx(0.01)
    [event] = [event for event in log.session("s1").events if event.name == "evaluation"]
    assert event.data["ruling"] == "because"
    assert vl.analyze(log, "greeting").outcome == "booked"


def test_rows_that_two_files_hold_are_counted_once_and_said(exports, tmp_path):
    said = {"timestamp": 1e9 + 1, "data": {"role": "agent", "content": "Hello"}}
    events = [
        {"timestamp": 1e9, "name": "start", "data": {}},
        {"timestamp": 1e9 + 1, "name": "transcript_part", "data": {"role": "agent", "content": "Hello"}},
    ]
    write(exports, s1_events={"data": events, "session_id": "s1"}, s1_transcript={"data": [said], "session_id": "s1"})
    log = voicerun.read(exports, tmp_path / "log")
    imports = {own["file"]: (own["rows"], own["merged"]) for own in log.manifest["imports"]}
    assert imports == {"s1_events.json": (2, 0), "s1_transcript.json": (1, 1)}
    assert len(log.events()) == 2 == sum(rows - merged for rows, merged in imports.values())


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


def test_what_the_debugger_played_is_said_as_of_sessions_held_here(exports, tmp_path):
    def played(at, text, began=0.0, **playback):
        segments = [{"start_client_time": at + began, "end_client_time": at + 3}]
        return debug(at, "output", "text_to_speech", {"text": text}, _playback={"segments": segments, **playback})

    cut = {"status": "interrupted", "interrupted": True, "received_duration_ms": 4000}
    write(
        exports,
        s1=[
            debug(100.0, "input", "start", {}),
            played(100.0, "whole", began=0.25, status="complete", interrupted=False, received_duration_ms=2000),
            played(103.0, "cut", played_duration_ms=1500, **cut),
            played(104.0, "unheard", played_duration_ms=0, **cut),
            played(105.0, "odd", status=7, interrupted="no", received_duration_ms="much", segments=3),
            context_row(106.0, "s1"),
        ],
    )
    log = voicerun.read(exports, tmp_path / "log")
    whole, cut, unheard, odd = [event for event in log.session("s1").events if event.name == "text_to_speech"]
    assert (whole.time_s, whole.data["duration_s"]) == (0.25, 2.0)
    assert (cut.data["interrupted"], cut.data["played_s"]) == (True, 1.5)
    assert (unheard.data["played_s"], unheard.data["spoken"]) == (0.0, False)
    assert not {"played_s", "interrupted", "duration_s"} & odd.data.keys()
    assert odd.data["extra"]["_playback"]["status"] == 7
    assert log.manifest["imports"][0]["unknown_keys"] == {}


def context_row(at, session_id):
    return debug(at, "output", "context", context("formal", True, session_id=session_id))


def test_spans_of_a_trace_are_events_and_their_means_outcomes(exports, tmp_path):
    def span(number, name, at, ms, parent="root"):
        began = f"2026-03-01T10:00:{at:02}Z"
        return {"spanId": str(number), "parentId": parent, "name": name, "startTime": began, "durationMs": ms}

    at = 1772359200.0  # 2026-03-01T10:00:00Z
    for sid in ("s1", "s2"):
        write(exports, **{sid: call(sid, "formal", True, at)})
    spans = [
        span(0, "session", 0, 9000, None),
        span(1, "llm 1", 1, 400),
        span(2, "llm 2", 3, 600),
        span(3, "??", 2, "x"),
    ]
    write(exports, s1_trace={"data": {"trace": {"durationMs": 9000}, "spans": spans}})
    log = voicerun.read(exports, tmp_path / "log")
    sessions = log.sessions().set_index("session_id")
    assert sessions["outcome.span_llm_s"]["s1"] == 0.5
    assert sessions["outcome.trace_duration_s"]["s1"] == 9.0
    assert [name for name in sessions.columns if "span_" in name] == ["outcome.span_llm_s"]
    found = [(e.time_s, e.data["name"]) for e in log.session("s1").events if e.name == "span"]
    assert found == [(0.0, "session"), (1.0, "llm 1"), (2.0, "??"), (3.0, "llm 2")]
    assert len(log.session("s2").events) == 5


def test_a_file_of_many_sessions_is_read_once_and_long_sessions_make_short_shards(exports, tmp_path, monkeypatch):
    rows = [row | {"session_id": f"m{n}"} for n in range(30) for row in call(f"m{n}", "formal", True, 100.0 * n)]
    (exports / "all.jsonl").write_text("\n".join(map(json.dumps, rows)))
    loaded = []
    monkeypatch.setattr("voicelab.voicerun.files.load", lambda file, load=files.load: loaded.append(file) or load(file))
    monkeypatch.setattr(
        "voicelab.voicerun.import_exports._SHARD_BYTES", (exports / "all.jsonl").stat().st_size // 10 + 1
    )
    log = voicerun.read(exports, tmp_path / "log")
    assert len(loaded) == 1
    assert log.manifest["shard_size"] == 3
    assert len(list((tmp_path / "log" / "sessions").iterdir())) == 10
    assert log.sessions()["session_id"].tolist() == [f"m{n}" for n in range(30)]
    assert log.session("m17").events[2].data["text"] == "book it"
    assert vl.analyze(log, "greeting", weights=None).variants["sessions"].sum() == 30


@pytest.mark.parametrize("later", [lambda rows: rows[:-1], lambda rows: [*rows[:-1], rows[0]]])
def test_an_export_that_changes_while_it_is_read_is_refused(exports, tmp_path, monkeypatch, later):
    write(exports, s1=call("s1", "formal", True), s2=call("s2", "formal", True))

    seen, whole = [], files.load

    def load(file):
        seen.append(file)
        found, lines = whole(file)
        return (later(found) if seen.count(file) > 1 else found), lines

    monkeypatch.setattr("voicelab.voicerun.files.load", load)
    with pytest.raises(InputError, match="was changed while it was read"):
        voicerun.read(exports, tmp_path / "log")
    assert not (tmp_path / "log").exists()
