"""`%%handler NAME` takes the guide's samples as printed, and shows notes and errors in a few lines."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from voicelab.base.errors import HandlerError, InputError
from voicelab.handlers import Handler
from voicelab.handlers.magic import load_ipython_extension

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.py"))


@pytest.fixture
def shell(monkeypatch, tmp_path):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell()
    load_ipython_extension(shell)
    return shell


def run(shell, cell):
    return shell.run_cell(cell)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_a_sample_is_pasted_as_printed(shell, path, capsys):
    assert len(SAMPLES) == 8
    run(shell, "%%handler agent\n" + path.read_text()).raise_error()

    agent = shell.user_ns["agent"]
    assert isinstance(agent, Handler)
    assert agent.name == "agent"
    shown = capsys.readouterr().out
    assert all(f"agent.py:{note.line}" in shown for note in agent.note_list)
    assert bool(agent.note_list) == bool(shown)


def test_nothing_is_shown_without_notes(shell, capsys):
    run(shell, "%%handler agent\nasync def handler(event, context):\n    yield None\n").raise_error()
    assert capsys.readouterr() == ("", "")


def test_names_come_from_the_notebook_and_rerunning_replaces(shell):
    run(shell, "rate = 3\n_own = 4").raise_error()
    run(shell, "%%handler agent\nasync def handler(event, context):\n    yield rate, _own, _\n").raise_error()
    first = shell.user_ns["agent"]
    assert (first.function.__globals__["rate"], first.function.__globals__["_own"]) == (3, 4)
    assert "_" not in first.function.__globals__
    run(shell, "rate = 5").raise_error()
    assert first.function.__globals__["rate"] == 5
    run(shell, "%%handler agent\nasync def handler(event, context):\n    yield 1\n").raise_error()
    assert shell.user_ns["agent"] is not first


def test_errors_fail_the_cell_and_show_one_message(shell, capsys):
    result = run(shell, "%%handler agent\nasync def handler(event, context):\n    yield = 1\n")
    assert isinstance(result.error_in_exec, HandlerError)
    shown = capsys.readouterr().out
    assert "HandlerError: agent.py:2: SyntaxError" in shown
    assert "Traceback" not in shown
    assert "voicelab" not in shown
    assert "agent" not in shell.user_ns


def test_strict_shows_the_sdks_own_error_and_the_users_line(shell, capsys):
    result = run(shell, "%%handler agent --strict\nx = 1\nasync def handler(event: Event, context):\n    yield 1\n")
    assert type(result.error_in_exec) is NameError
    shown = capsys.readouterr().out
    assert 'agent.py", line 2' in shown
    assert "async def handler(event: Event, context):" in shown
    assert "workspace.py" not in shown


@pytest.mark.parametrize("line", ["", "two names", "1st", "class", "agent --loose", "'"])
def test_the_first_line_is_checked(shell, line, capsys):
    result = run(shell, f"%%handler {line}\nasync def handler(event, context):\n    yield 1\n")
    assert isinstance(result.error_in_exec, InputError)
    assert "%%handler NAME" in capsys.readouterr().out
