"""The calls of tools that `tracer.tool` decorates: logged in every session, whichever way the handler came."""

import subprocess
import sys
import textwrap

import pytest
from primfunctions.events import StopEvent
from primfunctions.tracer import Tracer, tracer
from test_console import Wired

import voicelab as vl
from voicelab.handlers import load_cell

TOOLS = """
from primfunctions.tracer import tracer

@tracer.tool
def look_up(number):
    return number + 1

@tracer.tool(name="fetch", description="Fetches")
async def fetch_it(number):
    return number + 1
"""
HANDLER = """
from primfunctions.events import StopEvent

async def handler(event, context):
    if event.name == "start":
        context.set_data("found", look_up(1) + await fetch_it(2))
        yield StopEvent()
"""
CALLS = [{"message": "look_up", "level": "tool"}, {"message": "fetch", "level": "tool"}]


@tracer.tool
def look_up(number):
    return number + 1


@tracer.tool(name="fetch", description="Fetches")
async def fetch_it(number):
    return number + 1


async def with_tools(event, context):
    if event.name == "start":
        context.set_data("found", look_up(1) + await fetch_it(2))
        yield StopEvent()


def _of_function(_):
    return with_tools


def _of_text(_):
    return TOOLS + HANDLER


def _of_file(folder):
    file = folder / "agent.py"
    file.write_text(TOOLS + HANDLER)
    return file


def _of_project(folder):
    (folder / "tools.py").write_text(TOOLS)
    (folder / "handler.py").write_text("from tools import fetch_it, look_up\n" + HANDLER)
    return folder


def _of_cell(_):
    return load_cell("desk", TOOLS + HANDLER, {})


def _of_cell_and_tools_of_the_cell_before(_):
    return load_cell("desk", HANDLER, {"look_up": look_up, "fetch_it": fetch_it})


def _calls(record):
    return [event.data for event in record.events if event.name == "log"]


def _in_console(handler):
    one = Wired(handler)
    try:
        one.give(k="hello")
        one.wait(lambda m: m["k"] == "all")
        one.give(k="connect")
        one.phase("ended")
        return one.console.record
    finally:
        one.console.close()


@pytest.mark.parametrize(
    "made", [_of_function, _of_text, _of_file, _of_project, _of_cell, _of_cell_and_tools_of_the_cell_before]
)
def test_the_calls_of_tools_are_the_same_rows_in_run_simulate_rerun_and_console(made, tmp_path):
    folder = tmp_path / "agent"
    folder.mkdir()
    handler = vl.load_handler(made(folder))
    log = vl.simulate(handler, ["hi"], sessions=1, log=tmp_path / "log", workers=1, seed=1)
    roads = {
        "run": vl.run(handler, seed=1),
        "simulate": log.session(0),
        "rerun": log.rerun(0),
        "console": _in_console(handler),
    }
    assert {name: _calls(record) for name, record in roads.items()} == dict.fromkeys(roads, CALLS)
    assert all(record.data == {"found": 5} for record in roads.values())


BEFORE = """
from primfunctions.tracer import tracer

@tracer.tool
def look_up(number):
    return number + 1

import voicelab as vl
from primfunctions.events import StopEvent

async def handler(event, context):
    if event.name == "start":
        look_up(1)
        yield StopEvent()

print([event.data["message"] for event in vl.run(handler).events if event.name == "log"])
print(look_up(1), tracer._impl)
"""


def test_tools_that_were_decorated_before_the_lab_was_imported_are_logged():
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(BEFORE)], capture_output=True, text=True, check=True, timeout=120
    )
    assert ran.stdout.splitlines() == ["['look_up']", "2 None"]


def test_outside_sessions_tools_just_run_and_the_users_own_tracer_is_asked(capsys):
    seen = []

    class Own:
        def tool(self, function, **options):
            seen.append(options)
            return function

    mine = Tracer()
    mine._impl = Own()

    @mine.tool(name="mine", parameters={"a": 1})
    def tool(number):
        """Add one."""
        return number + 1

    assert tool(1) == look_up(1) == 2
    assert tool.__doc__ == "Add one."
    assert seen == [{"name": "mine", "description": None, "parameters": {"a": 1}}]
    assert tracer._impl is None
    assert capsys.readouterr().out == ""
