"""`voicelab say`: a conversation of one turn a command, with a file as all that stays."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import voicelab as vl
from voicelab.cli import main

ROOT = Path(__file__).parent.parent
CLINIC = str(ROOT / "data/agents/clinic")
AGENT = """
async def handler(event, context):
    if event.name == "start":
        yield TextToSpeechEvent(text=f"Hello {context.get_data('name', 'you')}, how can I help you today?", voice="nova")
    elif event.name == "timeout":
        yield TextToSpeechEvent(text="Are you still there?", voice="nova")
    elif event.name == "dtmf":
        yield TextToSpeechEvent(text="You pressed " + event.data["digits"], voice="nova")
    elif event.name == "text" and "bye" in event.data["text"]:
        context.set_outcome("done", 1)
        yield StopEvent()
    elif event.name == "text" and "broken" in event.data["text"]:
        raise RuntimeError("it broke")
    elif event.name == "text":
        yield TextToSpeechEvent(text="You said: " + event.data["text"], voice="nova")
    elif event.name == "stop":
        print("cleaning up")
"""


@pytest.fixture
def talk(tmp_path, capsys, monkeypatch):
    """Return a function of a command line after STATE, which returns its document."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handler.py").write_text(AGENT)

    def say(*arguments, code=0):
        assert main(["say", "talk.json", *arguments, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    return say


def words(document):
    return [f"{line['who']}: {line['text']}" for line in document["lines"] if line["who"] in {"agent", "caller"}]


def test_each_command_prints_what_happened_since_the_last_and_the_session_is_that_of_the_whole_script(talk, tmp_path):
    begun = talk("--handler", "handler.py", "--seed", "7", "--parameters", '{"name": "Ann"}')
    assert words(begun) == ["agent: Hello Ann, how can I help you today?"]
    assert words(talk("one")) == ["caller: one", "agent: You said: one"]
    assert words(talk("--press", "1")) == ["agent: You pressed 1"]
    assert words(talk("--silence", "7")) == ["agent: Are you still there?"]
    assert words(talk("two")) == ["caller: two", "agent: You said: two"]
    shown = talk("--show")
    script = ["one", vl.press("1"), vl.silence(7), "two"]
    record = vl.run(tmp_path / "handler.py", script, seed=7, parameters={"name": "Ann"})
    whole = [f"{line.who}: {line.text}" for line in record.lines() if line.who in {"agent", "caller"}]
    assert words(shown) == whole
    assert shown["ended"] is None
    assert not any("cleaning up" in line["text"] for line in shown["lines"])  # it goes on


def test_an_interruption_shows_what_was_cut_off(talk):
    talk("--handler", "handler.py")
    since = talk("--interrupt", "wait", "--after-s", "0.5")
    assert [line["label"] for line in since["lines"][:2]] == ["interrupted", "interrupts"]
    assert since["lines"][0]["lost"]
    assert words(since)[-1] == "agent: You said: wait"


def test_a_conversation_that_has_ended_takes_nothing_more_until_its_last_input_is_taken_back(talk):
    talk("hello", "--handler", "handler.py")
    ended = talk("bye")
    assert ended["ended"].startswith("the agent ended it at ")
    assert ended["outcomes"] == {"done": 1}
    assert "--undo takes the last input back" in talk("hello?", code=1)["error"]["message"]
    assert [entry["say"] for entry in talk("--undo")["inputs"]] == ["hello"]
    assert talk("--hang-up")["status"] == "hangup"
    talk("--undo")
    assert words(talk("again")) == ["caller: again", "agent: You said: again"]


def test_an_edited_handler_meets_the_same_caller_and_the_first_other_answer_is_named(talk, tmp_path):
    talk("one", "--handler", "handler.py")
    (tmp_path / "handler.py").write_text(AGENT.replace("You said: ", "I heard: "))
    found = talk("two")
    assert found["differs"] == {"answer": 1, "before": "You said: one", "now": "I heard: one"}
    assert words(found) == ["caller: two", "agent: I heard: two"]
    assert talk("three")["differs"] is None


def test_an_error_of_the_handler_is_shown_and_mended_by_mending_the_handler(talk, tmp_path):
    talk("--handler", "handler.py")
    found = talk("a broken one")
    assert "it broke" in found["errors"][0]["message"]
    assert any(line["who"] == "error" for line in found["lines"])
    (tmp_path / "handler.py").write_text(AGENT.replace('"broken" in', '"never" in'))
    mended = talk("--show")
    assert mended["errors"] == []
    assert "it broke" in mended["differs"]["before"]


def test_from_another_folder_the_handler_is_found_again(talk, tmp_path, monkeypatch):
    talk("--handler", "handler.py")
    (tmp_path / "sub").mkdir()
    (tmp_path / "talk.json").rename(tmp_path / "sub" / "talk.json")
    monkeypatch.chdir(tmp_path / "sub")
    assert words(talk("one")) == ["caller: one", "agent: You said: one"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give what the caller does"),
        (["a", "--press", "1"], "Give one of say, press"),
        (["--undo", "--show"], "Give one of undo, show"),
        (["a", "--after-s", "1"], "give --interrupt TEXT"),
        (["--press", "x"], "must be one or more of 0-9"),
        (["--silence", "-1"], "seconds is -1.0"),
        ([""], "The caller's words are ''"),
        (["a", "--seed", "3"], "--seed is given when a conversation begins"),
        (["--handler", "handler.py"], "is there already. --overwrite begins anew"),
        (["--undo"], "There is nothing to take back"),
        (["--handler", "handler.py", "--overwrite", "--parameters", '{"a": NaN}'], "is no JSON: NaN is no number"),
        (["--handler", "handler.py", "--overwrite", "--parameters", '{"a": 1e999}'], "is no JSON: 1e999 is no number"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_changes_nothing(talk, tmp_path, arguments, message):
    talk("--handler", "handler.py")
    before = (tmp_path / "talk.json").read_text()
    assert message in talk(*arguments, code=1)["error"]["message"]
    assert (tmp_path / "talk.json").read_text() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "There is no conversation 'talk.json' yet"),
        ("", "or is damaged"),
        ("{", "or is damaged"),
        ("[1]", "holds no conversation"),
        ('{"inputs": []}', "holds no conversation"),
        ('{"voicelab_conversation": 9}', "has the format 9, and this version of voicelab reads 1"),
        ('{"voicelab_conversation": 1, "handler": "x"}', "a part of the conversation is missing"),
        (
            '{"voicelab_conversation": 1, "handler": "x", "options": {}, "inputs": [{"dance": 1}], "agent": []}',
            "is no input",
        ),
        ('{"voicelab_conversation": 1, "handler": "x", "options": {}, "inputs": [3], "agent": []}', "is no input"),
        (
            '{"voicelab_conversation": 1, "handler": "clinic", "options": {"sed": 3}, "inputs": [], "agent": []}',
            "is damaged: it begins with 'sed'",
        ),
        (
            '{"voicelab_conversation": 1, "handler": "gone.py", "options": {}, "inputs": [], "agent": []}',
            "no such file",
        ),
        (
            '{"voicelab_conversation": 1, "handler": "clinic", "options": {"strict": "x"}, "inputs": [], "agent": []}',
            "strict is 'x', must be True or False",
        ),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_and_stays(talk, tmp_path, text, message):
    if text is not None:
        (tmp_path / "talk.json").write_text(text)
    assert message in talk("hello", code=1)["error"]["message"]
    assert (tmp_path / "talk.json").exists() == (text is not None)
    assert text is None or (tmp_path / "talk.json").read_text() == text


@pytest.mark.parametrize("name", ["handler.py", ".", "device"])
def test_only_a_conversation_is_overwritten(talk, tmp_path, name, capsys):
    if name == "device":
        os.mkfifo(tmp_path / name)
    assert main(["say", name, "--handler", "handler.py", "--overwrite", "--json"]) == 1
    assert "no conversation" in json.loads(capsys.readouterr().out)["error"]["message"]
    assert (tmp_path / "handler.py").read_text() == AGENT
    assert name != "device" or (tmp_path / name).is_fifo()


def test_a_link_to_a_conversation_stays_one(talk, tmp_path):
    (tmp_path / "kept.json").touch()
    (tmp_path / "talk.json").symlink_to("kept.json")
    talk("--handler", "handler.py", "--overwrite")
    talk("one")
    assert (tmp_path / "talk.json").is_symlink()
    assert json.loads((tmp_path / "kept.json").read_text())["inputs"] == [{"say": "one"}]


def test_two_commands_at_once_lose_no_input(talk, tmp_path):
    talk("--handler", "handler.py")
    code = "import sys; from voicelab.cli import main; sys.exit(main())"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, "say", "talk.json", text], cwd=tmp_path, stdout=subprocess.DEVNULL
        )
        for text in ("one", "two")
    ]
    assert [process.wait(60) for process in both] == [0, 0]
    assert sorted(entry["say"] for entry in talk("--show")["inputs"]) == ["one", "two"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["handler.py", "talk.json"]


def test_it_is_read_as_text_by_people(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["say", "talk.json", "hello", "--handler", CLINIC, "--seed", "1"]) == 0
    capsys.readouterr()
    assert main(["say", "talk.json", "yes please"]) == 0
    out = capsys.readouterr().out
    assert "agent  You are booked for Tuesday at three." in out
    assert "ended  the agent ended it at 0:" in out
    assert "outcomes  booked = 1" in out
