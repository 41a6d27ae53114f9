"""`--json`: every command has it, and prints one document on stdout and nothing else."""

import argparse
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import voicelab as vl
from tests.reading_stub import AGENT, served
from voicelab.cli import doctor_command, main, parser_of_commands

ROOT = Path(__file__).parent.parent
CLINIC = str(ROOT / "data/agents/clinic")
LOUD = """import sys
print("as it is loaded")
sys.__stdout__.write("past Python's own stdout\\n")

async def handler(event, context):
    print("in a session")
    if event.name == "text":
        context.set_outcome("answered", 1)
        yield TextToSpeechEvent(text="Yes.", voice="nova")
"""


def commands(parser, *names):
    """Yield each command of a parser with its own parser: `log info`, `run`, ..."""
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield " ".join(names), parser
    for name, own in (item for group in groups for item in group.choices.items()):
        yield from commands(own, *names, name)


COMMANDS = dict(commands(parser_of_commands()))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json(command):
    assert "--json" in {option for action in COMMANDS[command]._actions for option in action.option_strings}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    folder = tmp_path_factory.mktemp("json") / "log"
    assert main(["simulate", CLINIC, "-n", "30", "--workers", "1", "--quiet", "--log", str(folder)]) == 0
    return folder


DOCUMENTS = {
    "demo": (["-n", "100"], {"conversation", "simulation", "result"}),
    "run": (
        [CLINIC, "--say", "hello"],
        {"session", "events", "outcomes", "exposures", "metrics", "notes", "conversation"},
    ),
    "say": (
        ["{new}", "hello", "--handler", CLINIC],
        {
            "state",
            "handler",
            "inputs",
            "lines",
            "ended",
            "status",
            "time_s",
            "variants",
            "outcomes",
            "errors",
            "differs",
        },
    ),
    "simulate": (
        [CLINIC, "-n", "20", "--workers", "1", "--quiet", "--log", "{new}"],
        {"log", "sessions", "seed", "handler", "statuses", "n_errors", "callers", "tests", "remarks", "notes"},
    ),
    "analyze": (["{log}", "--outcome", "booked"], {"test", "decision", "variants"}),
    "evaluate": (["{log}", '{"turn_count": {"$gte": 2}}', "--name", "e"], {"log", "evaluators", "sessions", "notes"}),
    "export": (["{log}", "--session", "3", "--output", "{new}"], {"session", "file"}),
    "import": (["{exports}", "--log", "{new}", "--quiet"], {"log", "sessions", "files", "exposures", "notes"}),
    "log info": (["{log}"], {"log", "sessions", "finished", "statuses", "tables", "tests", "version"}),
    "log check": (["{log}"], {"log", "sound", "checksums", "files", "bytes", "damage"}),
    "log compact": (["{log}"], {"log", "files_before", "files"}),
    "log redact": (["{log}", "{new}", "--pattern", "Tuesday"], {"log", "copy", "masked", "recordings_left_out"}),
    "failures": (["{log}", "--failure", "booked < 1"], {"log", "failures"}),
    "shrink": (
        [CLINIC, "{log}", "3", "--failure", "n_turns > 1"],
        {
            "session_id",
            "failure",
            "cause",
            "seq",
            "script",
            "call",
            "n_inputs",
            "n_runs",
            "finished",
            "conversation",
            "test",
        },
    ),
    "compare": (
        [CLINIC, CLINIC, "-n", "30", "--max-drop", "booked=0.5", "--workers", "1", "--quiet"],
        {"conclusion", "passed", "sentence", "confidence", "pairs", "differences"},
    ),
    "call": (["a1", "+14155550123", "--curl"], {"curl"}),
}
"""Of each command arguments that need no network, and what its document has among others."""
ELSEWHERE = {
    "doctor": "test_the_doctors_document_stands_alone_where_it_fails",
    "serve": "test_a_server_says_at_once_where_it_listens",
    "pull": "test_what_was_pulled_is_one_document",
    "compare": "test_versions.py::test_json_is_one_document",
    # It asks pytest, in a process of its own.
    "test": "test_plugin.py::test_its_json_is_one_document_and_its_commands_repeat_what_failed",
}


def test_each_commands_document_is_looked_at():
    assert set(COMMANDS) == {*DOCUMENTS, *ELSEWHERE}
    for name in ELSEWHERE.values():
        module, _, test = name.rpartition("::")
        assert test in globals() or test in (Path(__file__).parent / module).read_text(encoding="utf-8")


@pytest.mark.parametrize("command", DOCUMENTS)
def test_a_command_prints_one_document(command, log, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VOICERUN_API_KEY", "key")
    arguments, fields = DOCUMENTS[command]
    exports = tmp_path / "export.json"
    if "{exports}" in arguments:
        assert main(["export", str(log), "--session", "1", "--output", str(exports)]) == 0
    filled = [text.replace("{log}", str(log)).replace("{new}", str(tmp_path / "new")) for text in arguments]
    filled = [text.replace("{exports}", str(exports)) for text in filled]
    capsys.readouterr()
    assert main([*command.split(), *filled, "--json"]) == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert fields <= document.keys()


def test_the_doctors_document_stands_alone_where_it_fails(monkeypatch, capsys):
    monkeypatch.setattr("voicelab.cli.doctor_command._NEEDED", (("nowhere", "nowhere_at_all", ""),))
    monkeypatch.setattr("voicelab.speech.registry.engine_rows", list)
    for name in ("_turns", "_sound"):
        monkeypatch.setattr(doctor_command, name, lambda *_: [])
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["ok"] is False
    assert "nowhere" in err  # said once more for people: the document is out already


def test_what_was_pulled_is_one_document(log, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("VOICERUN_API_KEY", "vr-key-of-nobody")
    small = vl.simulate(CLINIC, ["hello"], sessions=2, workers=1, progress=False, log=tmp_path / "small")
    monkeypatch.setattr("voicelab.voicerun.patient_requests.time.sleep", lambda seconds: None)
    with served(small) as (url, _):
        line = ["pull", AGENT, str(tmp_path / "exports"), "--log", str(tmp_path / "back"), "--base-url", url, "--quiet"]
        assert main([*line, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["import"]["sessions"] == 2
    assert Path(document["exports"]).is_dir()


def process_of(*arguments, cwd):
    code = "import sys; from voicelab.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_server_says_at_once_where_it_listens(tmp_path):
    (tmp_path / "handler.py").write_text(LOUD)
    with process_of("serve", "handler.py", "--tts", "off", "--json", cwd=tmp_path) as process:
        lines = [process.stdout.readline() for _ in range(5)]
        process.send_signal(signal.SIGINT)
        document = json.loads("".join(lines) + process.communicate(timeout=60)[0])
    assert document["url"].startswith("http://127.0.0.1:")
    assert (document["pid"], process.returncode) == (process.pid, 0)


def test_nothing_that_a_handler_or_a_worker_prints_comes_between(tmp_path):
    (tmp_path / "handler.py").write_text(LOUD)
    asked = ("simulate", "handler.py", "-n", "20", "--workers", "2", "--log", "log", "--json")
    with process_of(*asked, cwd=tmp_path) as process:
        out, err = process.communicate(timeout=120)
    assert (process.returncode, json.loads(out)["sessions"]) == (0, 20)
    assert "as it is loaded" in err
    assert "past Python's own stdout" in err


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes")
@pytest.mark.parametrize("asked", [["run", CLINIC, "--json"], ["run", CLINIC], ["log", "check", "nowhere", "--json"]])
def test_who_hears_no_more_changes_neither_the_exit_code_nor_stderr(asked, tmp_path):
    code = "import sys; sys.stdin.readline(); from voicelab.cli import main; sys.exit(main())"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", code, *asked], cwd=tmp_path, text=True, **pipes) as process:
        process.stdout.close()
        process.stdin.write("\n")
        process.stdin.close()
        err = process.stderr.read()
    assert (process.returncode, err) == (int("nowhere" in asked), "")


@pytest.mark.parametrize(
    ("arguments", "error", "exit_code"),
    [
        (["run", "nowhere.py"], "InputError", 1),
        (["log", "info", "nowhere"], "LogError", 1),
        (["analyze", "nowhere", "--weights", "{"], "LogError", 1),
        (["run", CLINIC, "--say", "a", "--script", "b"], "InputError", 1),
        (["call", "a1", "nobody"], "InputError", 1),
        (["run", CLINIC, "--sya", "hi"], "MisuseError", 2),
        (["anlyze"], "MisuseError", 2),
        (["simulate", CLINIC], "MisuseError", 2),
    ],
)
def test_an_error_is_a_document_with_its_exit_code(arguments, error, exit_code, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VOICERUN_API_KEY", "key")
    if exit_code == 1:
        assert main([*arguments, "--json"]) == 1
    else:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--json"])
        assert ended.value.code == exit_code
    out, err = capsys.readouterr()
    found = json.loads(out)["error"]
    assert (found["type"], found["exit_code"], err) == (error, exit_code, "")
    assert found["message"]


def test_a_damaged_log_is_told_as_data_and_fails(log, tmp_path, capsys):
    copy = tmp_path / "copy"
    assert main(["log", "redact", str(log), str(copy), "--pattern", "Tuesday"]) == 0
    next((copy / "events").iterdir()).write_bytes(b"")
    capsys.readouterr()
    assert main(["log", "check", str(copy), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["sound"], found["damage"][0]["n_sessions"]) == (False, 30)


def test_numbers_that_are_none_are_null(capsys):
    import numpy as np
    import pandas as pd

    from voicelab.cli.output import json_alone, say_json

    with json_alone():
        print("elsewhere")
        say_json(
            {"a": [float("nan"), np.float64("inf"), np.int64(3), pd.NA, pd.NaT, Path("x"), {2: None}, {"b"}, "\udcff"]}
        )
    out, err = capsys.readouterr()
    assert json.loads(out) == {"a": [None, None, 3, None, None, "x", {"2": None}, ["b"], "\udcff"]}
    assert out.encode()
    assert err == "elsewhere\n"
