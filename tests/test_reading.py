"""VoiceRun's own command line reads a session log; what it writes is read back as the same sessions."""

import json
import re

import pytest

import voicelab as vl
from tests.reading_stub import AGENT, served
from voicelab import voicerun
from voicelab.log.append import LiveLog
from voicelab.serving.reading import Reading

SHORT = {"short": {"turn_count": {"$lte": 4}}}
ALWAYS = ["--start", "2026-01-01T00:00:00Z", "--end", "2026-02-01T00:00:00+00:00"]


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading") / "log"
    callers = vl.mix((vl.personas.interrupter, 0.5), (vl.personas.impatient, 0.5))
    return vl.simulate("clinic", callers, sessions=7, seed=3, workers=1, log=folder, progress=False, evaluators=SHORT)


@pytest.fixture
def vr(tmp_path, monkeypatch):
    """The platform's command line, in this process: a function of an address that returns one of arguments."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VOICERUN_API_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path)
    import typer
    from click.testing import CliRunner
    from vr_cli import cli
    from vr_cli.entities import agent_session
    from vr_cli.utils import utils

    command = typer.main.get_command(cli.app)  # made of all its commands: once, not for each call

    def at(url):
        for module in (utils, agent_session):
            monkeypatch.setattr(module, "API_BASE_URL", url)
        return lambda *arguments: CliRunner().invoke(command, list(arguments))

    return at


def exported(vr, log, folder):
    """Export a log by the platform's command line, as a person would, the events in several pages."""
    folder.mkdir()

    def write(name, *arguments):
        result = vr(*arguments, "--json")
        assert result.exit_code == 0, result.output
        (folder / f"{name}.json").write_text(result.stdout)

    write("sessions", "session", "list", AGENT)
    for sid in log.sessions()["session_id"]:
        for page in "12":
            write(f"{sid}_events_{page}", "session", "events", AGENT, sid, "--limit", "30", "--page", page)
    for sid in log.sessions()["session_id"][:2]:
        write(f"{sid}_transcript", "session", "transcript", AGENT, sid)
        write(f"{sid}_trace", "session", "trace", sid)
        write(f"{sid}_metrics", "metrics", "session", sid)
    write("evaluations", "evaluation", "list", AGENT)
    write("greeting", "experiments", "describe", "greeting", "--agent", AGENT)


def check_same(log, back, own_outcomes=("booked", "short")):
    """Assert that a log was read back, but for what exports don't say."""
    one, other = log.sessions(), back.sessions()
    same = ["session_id", "caller", "status", "n_errors", "n_turns", "environment", "direction", "origin", "tags"]
    same += ["parameters", "data", "output_data", "variant.greeting", *(f"outcome.{name}" for name in own_outcomes)]
    for column in same:
        assert one[column].tolist() == other[column].tolist(), column
    assert one["duration_s"].tolist() == pytest.approx(other["duration_s"].tolist())
    for at in one["session_index"]:
        expected = sorted(log.session(at).events, key=lambda event: event.time_s)
        found = [e for e in back.session(at).events if e.name not in {"trace", "span", "evaluation"}]
        assert [(e.kind, e.name, e.turn, e.data, e.background, e.task_name) for e in found] == [
            (e.kind, e.name, e.turn, e.data, e.background, e.task_name) for e in expected
        ]
        assert [e.time_s for e in found] == pytest.approx([e.time_s for e in expected], abs=2e-6)


def test_what_the_command_line_exports_is_read_back_as_the_same_sessions(log, vr, tmp_path):
    with served(log) as (url, _):
        exported(vr(url), log, tmp_path / "exports")
    back = voicerun.read(tmp_path / "exports", tmp_path / "back")
    check_same(log, back)
    mine, platforms = vl.analyze(log, "greeting"), vl.analyze(back, "greeting")
    assert platforms.decision.sentence == mine.decision.sentence
    assert platforms.platform["stopConditions"]["current_iterations"] == mine.decision.sessions
    # What a trace says is an outcome, and none is there twice.
    assert {"outcome.trace_duration_s", "outcome.span_text_to_speech_s"} <= set(back.sessions().columns)
    assert not [name for name in back.sessions().columns if "known later" in name]


@pytest.mark.parametrize(
    "command",
    [
        f"session list {AGENT} --table",
        "session info SESSION --table",
        f"session events {AGENT} SESSION --table",
        f"session transcript {AGENT} SESSION --table",
        "session trace SESSION --table",
        "session span SESSION turn-1 --table",
        "metrics names --table",
        "metrics tags --metric booked --table",
        "metrics session SESSION --table",
        f"experiments list --agent {AGENT} --table",
        f"experiments describe greeting --agent {AGENT} --table",
        f"experiments funnel greeting --agent {AGENT} --table",
        f"evaluation list {AGENT} --session SESSION --table",
    ],
)
def test_every_table_of_the_command_line_is_drawn(log, vr, command):
    session = log.metrics()["session_id"][0]
    with served(log) as (url, _):
        result = vr(url)(*command.replace("SESSION", session).split())
    assert result.exit_code == 0, result.output
    assert "rror:" not in result.output
    assert len(result.output.splitlines()) > 1, result.output


def test_the_numbers_of_a_test_are_those_of_its_analysis(log, vr):
    result = vl.analyze(log, "greeting")
    with served(log) as (url, _):
        ask = vr(url)
        described = json.loads(ask("experiments", "describe", "greeting", "--agent", AGENT, "--json").stdout)
        funnel = json.loads(ask("experiments", "funnel", "greeting", "--agent", AGENT, "--json").stdout)
        over_time = ["experiments", "timeseries", "greeting", "--metric", "booked", "--agent", AGENT, "--json"]
        series = json.loads(ask(*over_time, *ALWAYS, "--step", "4w").stdout)["result"]
        metric = json.loads(ask("metrics", "timeseries", "booked", *ALWAYS, "--step", "4w", "--json").stdout)["result"]
    means = dict(zip(result.variants["variant"], result.variants["mean"], strict=True))
    assert {v["name"]: v["conversions"]["booked"]["rate"] for v in described["variants"]} == means
    assert {row["variant"]: row["metrics"]["booked"]["rate"] for row in funnel["funnel"]} == means
    # All sessions lie in one step: its mean is the test's.
    assert {s["metric"]["variant"]: float(s["values"][0][1]) for s in series} == pytest.approx(means)
    assert described["stopConditions"]["current_confidence"] == result.decision.confidence
    assert described["completed"] == result.decision.should_stop
    assert funnel["totalSessions"] == result.variants["sessions"].sum()
    [point] = metric[0]["values"]
    assert float(point[1]) == log.metrics(where="metric = 'booked'")["value"].sum()


def test_lists_are_paged_and_filtered_and_a_wrong_question_is_said(log):
    reading = Reading(log, AGENT, "clinic")

    def listed(**query):
        return reading.answer(f"/v1/agents/{AGENT}/sessions", query)

    sessions = log.sessions()
    pages = [listed(page=str(number), limit="3").body for number in (1, 2, 3, 4)]
    assert [row["id"] for page in pages for row in page["data"]] == sessions["session_id"].tolist()
    assert pages[3] == {"data": [], "metadata": {"page": 4, "limit": 3, "total": 7}}
    status = sessions["status"].mode()[0]
    some = listed(**{"filters[status]": status}).body
    assert some["metadata"]["total"] == (sessions["status"] == status).sum() < 7
    third = pages[0]["data"][2]["createdAt"]
    later = listed(**{"filters[createdAt][$gte]": third}).body["metadata"]["total"]
    before = listed(**{"filters[createdAt][$lt]": third}).body["metadata"]["total"]
    assert (before, later) == (2, 5)
    for wrong, said in (
        ({"filters[statu]": "completed"}, "Did you mean"),
        ({"filters[createdAt][$near]": third}, r"\$gte"),
        ({"filters[createdAt][$gte]": "yesterday"}, "must be a time"),
        ({"page": "0"}, "whole number from 1"),
        ({"limit": "all"}, "whole number from 1"),
    ):
        answer = listed(**wrong)
        assert answer.status == 400
        assert re.search(said, answer.body["error"]), answer.body
    for path in (
        "/v1/sessions/nobody/events",
        "/v1/sessions/..%2f..%2fmanifest/recording",
        "/v1/experiments/nothing",
        "/v1/evaluations/none.00",
        f"/v1/sessions/{sessions['session_id'][0]}/span/none",
    ):
        assert reading.answer(path, {}).status == 404, path
    for path in ("/v1/agents", "/v1", "/else", "/v1/sessions/x/events/more", "/v1/custom-metrics/else"):
        assert reading.answer(path, {}) is None, path
    [ruling] = reading.answer(f"/v1/sessions/{sessions['session_id'][3]}/evaluations", {}).body["data"]
    assert ruling["success"] is bool(sessions["outcome.short"][3])
    assert reading.answer(f"/v1/evaluations/{ruling['id']}", {}).body["data"] == ruling


def test_without_a_log_every_list_is_empty():
    reading = Reading(None, AGENT, "clinic")
    for path in (f"/v1/agents/{AGENT}/sessions", "/v1/custom-metrics/names", "/v1/experiments"):
        assert reading.answer(path, {}).body["data"] == []
    assert reading.answer("/v1/sessions/one", {}).status == 404


def test_a_log_that_grows_is_read_as_it_is(log, tmp_path):
    growing = LiveLog(tmp_path / "live", log.run_id, {"source": "typed"})
    reading = Reading(vl.open_log(tmp_path / "live"), AGENT, "clinic")
    path = f"/v1/agents/{AGENT}/sessions"
    assert reading.answer(path, {}).body["metadata"]["total"] == 0
    for at in (0, 1):
        growing.add(growing.claim(), log.session(at).rows())
        rows = reading.answer(path, {}).body["data"]
        assert [row["id"] for row in rows] == log.sessions()["session_id"][: at + 1].tolist()
    assert rows[0]["createdAt"][:16] == vl.open_log(tmp_path / "live").manifest["created_at"][:16]
    growing.keep_audio(rows[0]["id"], b"RIFF....")
    sound = reading.answer(f"/v1/sessions/{rows[0]['id']}/recording", {})
    assert (sound.status, sound.body, sound.content_type) == (200, b"RIFF....", "audio/wav")
    assert reading.answer(f"/v1/sessions/{rows[1]['id']}/recording", {}).status == 404
