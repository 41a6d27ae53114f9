"""docs/agents.md: its loop runs as it stands, and it names what the commands print."""

import argparse
import json
import re
import shlex
import shutil
from pathlib import Path

from tests.test_json_output import COMMANDS
from voicelab.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "agents.md").read_text(encoding="utf-8")
LOOP = PAGE[PAGE.index("## The loop") : PAGE.index("## One turn a command")]
BLOCK = re.compile(r"```(python|json|diff|console)\n(.*?)```", re.DOTALL)
FILES = {"python": "agent.py", "json": "caller.json"}


def patched(text, diff):
    """Return a text in which the lines of a diff that begin with + stand for those that begin with -."""
    old, new = ("".join(f"{line[1:]}\n" for line in diff.splitlines() if line[0] == sign) for sign in "-+")
    assert text.count(old) == 1
    return text.replace(old, new)


def test_the_loop_runs_as_it_is_written(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    documents = []
    for kind, text in BLOCK.findall(LOOP):
        if kind in FILES:
            Path(FILES[kind]).write_text(text)
        elif kind == "diff":
            Path("agent.py").write_text(patched(Path("agent.py").read_text(), text))
        for line in text.splitlines() if kind == "console" else ():
            command, _, comment = line.partition("  # exit ")
            program, *arguments = shlex.split(command)
            if program == "cp":
                shutil.copy(*arguments)
                continue
            try:
                code = main(arguments)
            except SystemExit as error:
                code = error.code
            printed = capsys.readouterr()
            assert code == int(comment or 0), (line, printed)
            documents.append(json.loads(printed.out))
    run, said, simulated, failed, shrunk, tested, shown, gone_on, passed, compared = documents
    assert run["session"]["status"] == "completed"
    assert said["errors"][0]["message"] == "KeyError: 'week'"
    assert (simulated["n_errors"], simulated["remarks"]) == (100, [])
    assert failed["failures"][0]["n_sessions"] == 100
    assert shrunk["n_inputs"] < shrunk["n_inputs_before"]
    assert (tested["passed"], passed["passed"]) == (False, True)
    assert shown["differs"]["now"] == "Sorry, which day?"
    assert gone_on["outcomes"] == {"booked": True}
    assert (compared["passed"], compared["pairs"]) == (True, 200)
    assert Path("out.xml").exists()


def test_every_command_has_its_row_and_every_option_of_say():
    rows = set(re.findall(r"^\| `([a-z ]+)` \|", PAGE, re.MULTILINE))
    assert rows == set(COMMANDS)
    options = {option for action in COMMANDS["say"]._actions for option in action.option_strings}
    told = set(re.findall(r"(--[a-z-]+)", PAGE))
    assert options - told <= {"-h", "--help", "--overwrite"}
    assert isinstance(COMMANDS["say"], argparse.ArgumentParser)
