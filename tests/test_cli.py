"""The command line: what it prints, its exit codes, errors in one line."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from voicelab import speech
from voicelab.cli import doctor_command, doctor_report, main, sound_devices
from voicelab.speech.registry import engine_rows

ROOT = Path(__file__).parent.parent
CLINIC = str(ROOT / "data/agents/clinic")


def test_run_prints_a_conversation(capsys):
    assert (
        main(["run", CLINIC, "--say", "hello", "--say", "yes please", "--variant", "greeting=formal", "--seed", "1"])
        == 0
    )
    out = capsys.readouterr().out
    assert "Good day, you have reached the Riverside clinic." in out
    assert "hello" in out
    assert "formal" in out


def test_notes_are_counted_and_listed_where_that_is_asked_for(capsys):
    sample = str(ROOT / "tests/samples/04_tests.py")
    assert main(["run", sample, "--say", "hello"]) == 0
    short = capsys.readouterr().out
    assert "portability note" in short
    assert "(--notes lists them)" in short
    assert main(["run", sample, "--say", "hello", "--notes"]) == 0
    listed = capsys.readouterr().out
    assert "04_tests.py:" in listed
    assert len(listed.splitlines()) > len(short.splitlines())
    assert main(["run", CLINIC, "--say", "hello"]) == 0
    assert "portability" not in capsys.readouterr().out  # the sample agents are written as the SDK spells it


def test_simulate_then_analyze(tmp_path, capsys):
    log = str(tmp_path / "log")
    assert (
        main(
            [
                "simulate",
                CLINIC,
                "-n",
                "60",
                "--log",
                log,
                "--caller",
                "cooperative=2",
                "--caller",
                "hesitant",
                "--workers",
                "1",
                "--quiet",
            ]
        )
        == 0
    )
    assert "hesitant" in capsys.readouterr().out
    assert main(["analyze", log, "greeting"]) == 0
    assert "greeting" in capsys.readouterr().out
    # A persona stands for who called: three callers, so that next to nothing is known.
    assert main(["analyze", log, "greeting", "--unit", "caller"]) == 0
    assert "sessions of one caller together" in capsys.readouterr().out
    assert main(["analyze", log, "greeting", "--unit", "session_id"]) == 1
    assert "names each session, not who called" in capsys.readouterr().err
    # The only test needs no name; the first outcome decides, the others are reported; pages and pictures are files.
    page, picture = tmp_path / "result.html", tmp_path / "shares.svg"
    more = ["--outcome", "booked", "--outcome", "duration_s", "--html", str(page), "--plot", f"shares={picture}"]
    assert main(["analyze", log, *more]) == 0
    out = capsys.readouterr().out
    assert "outcome booked" in out
    assert "Other outcomes" in out
    assert "test greeting" in page.read_text(encoding="utf-8")
    assert "<svg" in picture.read_text(encoding="utf-8")
    for given, message in (
        ("shares", "KIND=FILE"),
        ("share=x.png", "Did you mean 'shares'"),
        ("shares=no/x.png", "written"),
    ):
        assert main(["analyze", log, "--plot", given]) == 1
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.py"], "no such file"),
        (["run", CLINIC, "--variant", "greeting"], "TEST=VARIANT"),
        (["run", CLINIC, "--variant", "greeting=rude"], "'formal', 'casual', 'friendly'"),
        (["run", CLINIC, "--parameters", "{"], "no JSON"),
        (["run", "reminder", "--tenant", "lakside"], "Did you mean 'lakeside'"),
        (["simulate", CLINIC, "--audio", "--log", "x"], "give --spec FILE"),
        (["run", CLINIC, "--parameters", "[1]"], "JSON object"),
        (["run", CLINIC, "--say", "a", "--script", "b"], "not both"),
        (["run", CLINIC, "--script", "b.json"], "no script file"),
        (["simulate", CLINIC, "-n", "0", "--log", "x"], "sessions is 0"),
        (["simulate", CLINIC, "--caller", "nobody", "--log", "x"], "no such persona"),
        (["simulate", CLINIC, "--caller", "silent=much", "--log", "x"], "no number"),
        (["analyze", "nowhere", "greeting"], "nowhere"),
    ],
)
def test_an_error_is_one_line_and_exit_code_1(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert err.startswith("voicelab: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [["dance"], ["run"], ["simulate", CLINIC]])
def test_a_command_line_that_is_off_is_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2


MEETS = """import datetime, urllib.request, json
from primfunctions import shared_data

async def handler(event, context):
    if event.name == "start":
        orders = json.loads(urllib.request.urlopen("https://shop.test/orders").read())
        said = [datetime.datetime.now().date(), context.input_data["order"], orders["n"]]
        yield TextToSpeechEvent(text=" ".join(map(str, said)), voice="nova")
"""


def test_what_sessions_meet_is_json_or_a_file(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("handler.py").write_text(MEETS)
    Path("http.json").write_text('{"GET .*/orders": {"n": 3}}')
    meets = ["--start", "2026-03-02T09:30", "--input-data", '{"order": 17}', "--http", "http.json", "--world", "mobile"]
    assert main(["run", "handler.py", *meets, "--limits", '{"cpu_s": 30}']) == 0
    assert "agent  2026-03-02 17 3" in capsys.readouterr().out
    assert main(["simulate", "handler.py", *meets, "-n", "2", "--workers", "1", "--quiet", "--log", "log"]) == 0
    assert "2 hangup" in capsys.readouterr().out
    for given, message in (
        (["--world", "mobil"], "Did you mean 'mobile'"),
        (["--world", '{"recogniton_errors": 1}'], "Did you mean 'recognition_errors'"),
        (["--http", "htp.json"], "there is no such file"),
        (["--input-data", "{"], "--input-data is no JSON"),
        (["--limits", '{"cpu": 1}'], "limits has no key 'cpu'"),
        (["--start", "soon"], "start is 'soon'"),
        (["--shared-data", "[1]"], "shared_data"),
    ):
        assert main(["run", "handler.py", *given]) == 1
        assert message in capsys.readouterr().err


def test_an_unknown_command_gets_the_nearest_and_none_at_all_the_help(capsys):
    with pytest.raises(SystemExit):
        main(["anlyze", "x"])
    assert "there is no command 'anlyze'. Did you mean 'analyze'?" in capsys.readouterr().err
    assert main([]) == 2
    said = capsys.readouterr().err
    assert "commands:" in said
    assert "voicelab demo" in said


def test_an_unknown_option_gets_the_commands_own_usage_and_the_nearest(capsys):
    with pytest.raises(SystemExit) as error:
        main(["run", CLINIC, "--sya", "hi"])
    assert error.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: voicelab run ")
    assert "there is no --sya hi. Did you mean '--say'" in err


@pytest.mark.parametrize("command", [[], ["run"], ["simulate"], ["analyze"], ["evaluate"], ["demo"]])
def test_help_has_an_example(command, capsys):
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    assert "example" in capsys.readouterr().out


def test_the_demo_tells_a_story(capsys, tmp_path):
    assert main(["demo", "-n", "300", "--log", str(tmp_path / "log")]) == 0
    out = capsys.readouterr().out
    for part in ("1. A conversation with clinic", "2. 300 sessions", "cooperative", "3. Its test", "greeting"):
        assert part in out


def _of_fakes(monkeypatch):
    rows = [row | {"installed": row["name"] == "fake"} for row in engine_rows() if row["name"] in {"fake", "piper"}]
    monkeypatch.setattr("voicelab.cli.doctor_command._NOT_HERE", frozenset({"browser"}))
    monkeypatch.setattr("voicelab.speech.registry.engine_rows", lambda: rows)
    monkeypatch.setattr("voicelab.cli.doctor_command._turns", lambda sound: [])


def test_the_doctor_says_what_works_and_what_to_type(monkeypatch, capsys):
    _of_fakes(monkeypatch)
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "said 'one two three'" in out
    assert "heard 'one two three'" in out
    assert "pip install 'voicelab[piper]'   piper" in out
    assert "\x1b" not in out, "colours are for terminals"


def test_the_doctor_names_smart_turn_and_both_lines_that_install_it(monkeypatch, capsys):
    turns = doctor_command._turns
    _of_fakes(monkeypatch)
    monkeypatch.setattr("voicelab.cli.doctor_command._turns", lambda sound: turns(None))
    monkeypatch.setattr("voicelab.cli.doctor_command._SMART", (("no_runtime", "line one"), ("no_weights", "line two")))
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert "Smart Turn v3.2" in " ".join(out.split())
    assert re.search(r"line one +smart\n +line two\n", out)


def test_the_doctor_sees_that_a_file_keeps_no_audio(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOICELAB_CACHE", str(tmp_path / "file"))
    check = doctor_command._cache()
    assert (check.state, check.fix) == ("broken", "Set VOICELAB_CACHE to a folder that can be written.")


def test_the_doctor_names_what_auto_takes_an_engine_for_and_leaves_out_why():
    about = {row["name"]: doctor_command._about(row) for row in engine_rows() if row["kind"] == "stt" and row["auto"]}
    told = {use for line in about.values() for use in line.partition("auto: ")[2].split(", ")}
    assert told <= {"open English", "expected phrases", "other languages"}
    assert "auto: expected phrases" in about["sphinx"]


@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", "–"), ("cp1252", "–"), ("ascii", "--")])
def test_the_doctors_marks_are_ones_that_the_terminal_has(monkeypatch, encoding, mark):
    said = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", said)
    text = doctor_report.report([doctor_report.Check("voices", "piper", "missing")], "a machine")
    assert f"{mark}  piper" in text
    text.encode(encoding)


def test_sound_devices_are_read_from_what_the_system_tells():
    linux = "00-00: ALC245 Analog : ALC245 Analog : playback 1 : capture 1\n00-03: HDMI 0 : HDMI 0 : playback 1\n"
    assert sound_devices.of_linux(linux) == (["ALC245 Analog"], ["ALC245 Analog", "HDMI 0"])
    assert sound_devices.of_linux("\n") == ([], [])
    items = [
        {"_name": "Built-in Microphone", "coreaudio_device_input": 1},
        {"_name": "Speakers", "coreaudio_device_output": 2},
    ]
    mac = json.dumps({"SPAudioDataType": [{"_items": items}]})
    assert sound_devices.of_mac(mac) == (["Built-in Microphone"], ["Speakers"])


def test_the_doctor_fails_where_something_needed_is_missing(monkeypatch, capsys):
    _of_fakes(monkeypatch)
    monkeypatch.setattr("voicelab.cli.doctor_command._NEEDED", (("nowhere", "nowhere_at_all", ""),))
    monkeypatch.setattr(speech.FakeTextToSpeech, "synthesize", lambda *_, **__: 1 / 0)
    assert main(["doctor", "--json"]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    states = {check["name"]: check["state"] for check in found["checks"] if check["group"] != "ears"}
    assert (found["ok"], states["nowhere"], states["fake"]) == (False, "broken", "broken")
    assert "nowhere" in err
