"""Handlers load from text, files, folders and functions; every mistake is named with its file and line."""

import ast
import asyncio
import functools
import inspect
import os
import pickle
import re
import subprocess
import sys
import textwrap
import traceback
import types
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cloudpickle
import pytest
from hypothesis import given
from hypothesis import strategies as st

import voicelab as vl
from voicelab import sdk
from voicelab.base.errors import GuideCompatWarning, HandlerError, InputError
from voicelab.base.records import PortabilityNote
from voicelab.handlers import load_cell, load_handler

SAMPLES = Path(__file__).parent / "samples"
GUIDE = Path(__file__).parent.parent
START = types.SimpleNamespace(name="start", data={})
TEXT = types.SimpleNamespace(name="text", data={"text": "hi"})

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")


def answers(handler, event=START, context=None):
    """Return what a handler yields for an event."""

    async def collect():
        made = handler(event, context)
        if hasattr(made, "__aiter__"):
            return [item async for item in made]
        await made
        return []

    return asyncio.run(collect())


def rules(handler):
    return [(note.line, note.rule) for note in handler.note_list]


def load_error(text, **options):
    with pytest.raises(HandlerError) as caught:
        load_handler(textwrap.dedent(text), **options)
    return str(caught.value)


def write(folder: Path, **files: str) -> Path:
    """Write files into a folder; `__` in a name is a slash, `_dot_` a leading dot."""
    for name, text in files.items():
        path = folder / (name.replace("_dot_", ".").replace("__", "/") + ("" if "yaml" in name else ".py"))
        path = Path(str(path).replace("_yaml", ".yaml"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def say(expression: str) -> str:
    return f"async def handler(event, context):\n    yield {expression}\n"


# --- the guide's samples ---------------------------------------------------------------------------------------------

SAMPLE_RULES = {
    "01_basic_structure": [],
    "02_event_example": [(4, "fragment")],
    "03_context": [(2, "fragment")],
    "04_tests": [(1, "missing_import"), (2, "missing_import"), (18, "missing_import")],
    "05_outcomes": [(1, "missing_import"), (2, "missing_import")],
    "06_custom_events": [(4, "fragment"), (10, "missing_import")],
    "07_stop_conditions": [(2, "margin"), (2, "missing_import"), (3, "missing_import"), (19, "missing_import")],
    "08_background_tasks": [(n, "missing_import") for n in (6, 7, 21, 22, 23, 30)],
}
SAMPLE_ERRORS = {
    "02_event_example": (SyntaxError, "'yield' outside function"),
    "03_context": (NameError, "'context' is not defined"),
    "04_tests": (NameError, "'Event' is not defined"),
    "05_outcomes": (NameError, "'Event' is not defined"),
    "06_custom_events": (SyntaxError, "'yield' outside function"),
    "07_stop_conditions": (IndentationError, "unexpected indent"),
    "08_background_tasks": (NameError, "'Context' is not defined"),
}


@pytest.mark.parametrize("name", SAMPLE_RULES)
def test_a_sample_loads_as_printed_from_text_and_file(name):
    path = SAMPLES / f"{name}.py"
    from_text, from_file = load_handler(path.read_text()), load_handler(path)

    assert rules(from_text) == rules(from_file) == SAMPLE_RULES[name]
    assert (from_text.name, from_file.name) == ("handler", name)
    assert {note.file for note in from_file.note_list} <= {f"{name}.py"}


@pytest.mark.parametrize("name", SAMPLE_ERRORS)
def test_strict_reproduces_the_sdks_own_error(name):
    kind, message = SAMPLE_ERRORS[name]
    with pytest.raises(kind, match=message) as caught:
        load_handler(SAMPLES / f"{name}.py", strict=True)
    assert type(caught.value) is kind


def test_the_first_sample_is_portable():
    handler = load_handler(SAMPLES / "01_basic_structure.py", strict=True)
    assert handler.strict
    assert [e.data["text"] for e in answers(handler, sdk.StartEvent())] == ["Hello!"]
    assert [e.data["text"] for e in answers(handler, sdk.TextEvent("text", "hi"))] == ["You said: hi"]


def test_a_fragment_that_does_not_mention_event_is_the_opening():
    handler = load_handler("yield 'hello'\nyield 'world'\n")
    assert answers(handler, START) == ["hello", "world"]
    assert answers(handler, TEXT) == []


def test_a_fragment_that_mentions_event_runs_at_every_event():
    handler = load_handler("import json\nif event.name == 'text':\n    yield event.data['text']\n")
    assert answers(handler, START) == []
    assert answers(handler, TEXT) == ["hi"]


def test_a_fragment_without_yield_is_a_coroutine():
    handler = load_handler((SAMPLES / "03_context.py").read_text())
    context = types.SimpleNamespace(data={}, variables={})
    context.get_data = context.data.get
    context.set_data = context.data.__setitem__
    assert answers(handler, START, context) == []
    assert context.data == {"user_name": "John"}


def test_a_fragments_imports_may_be_star_or_future_imports():
    handler = load_handler("from __future__ import annotations\nx = 1\nfrom math import *\nyield floor(1.5) + x\n")
    assert answers(handler) == [2]
    assert rules(handler) == [(2, "fragment")]


# --- names -----------------------------------------------------------------------------------------------------------


def test_the_note_gives_the_exact_import_line():
    handler = load_handler(say("LogEvent('a')"))
    assert [note.sdk for note in handler.note_list] == ["from primfunctions.events import LogEvent"]


@pytest.mark.parametrize(
    "definition",
    [
        "LogEvent = str",
        "from builtins import str as LogEvent",
        "def LogEvent(x): return x",
        "class LogEvent(str): pass",
    ],
)
def test_the_users_definitions_win(definition):
    handler = load_handler(definition + "\n" + say("LogEvent('a')"))
    assert answers(handler) == ["a"]
    assert rules(handler) == []


def test_names_of_a_star_import_are_not_missing():
    handler = load_handler("from primfunctions.events import *\n" + say("LogEvent('a')"))
    assert rules(handler) == []


def test_local_names_are_not_missing():
    handler = load_handler(
        "class LogEvent_:\n    TextEvent = 1\n    other = TextEvent\n"
        "async def handler(event, context):\n    StartEvent = 1\n    yield [Event for Event in (1,)], StartEvent\n"
    )
    assert rules(handler) == []


def test_a_name_that_nobody_knows_is_the_users_own_error_at_run_time():
    handler = load_handler(say("prices"))
    with pytest.raises(NameError, match="prices"):
        answers(handler)


def test_a_name_that_nobody_knows_at_definition_is_named_with_the_nearest():
    message = load_error("\nasync def handler(event: Evnt, context):\n    yield 1\n")
    assert message.startswith("handler.py:2: NameError: name 'Evnt' is not defined. Did you mean 'Event'")
    assert "async def handler(event: Evnt, context):" in message


def test_names_come_from_the_notebook_first_and_stay_current():
    notebook = {"LogEvent": str, "price": 1}
    handler = load_cell("shop", say("LogEvent(price)"), notebook)
    assert answers(handler) == ["1"]
    before = handler.fingerprint
    notebook["price"] = 2
    assert answers(handler) == ["2"]
    assert handler.fingerprint != before
    [note] = handler.note_list
    assert (note.file, note.rule) == ("shop.py", "notebook_name")
    assert note.written == "LogEvent, price are defined in the notebook alone"


def test_modules_of_the_notebook_are_noted_as_imports():
    import collections

    handler = load_cell(
        "a",
        say("c.Counter(), collections, OrderedDict"),
        {"c": collections, "collections": collections, "OrderedDict": collections.OrderedDict},
    )
    [note] = handler.note_list
    assert note.sdk == "from collections import OrderedDict; import collections; import collections as c"


# --- lines -----------------------------------------------------------------------------------------------------------


def test_log_events_and_tracebacks_show_the_users_lines():
    text = (SAMPLES / "07_stop_conditions.py").read_text() + "\n          yield LogEvent('x')\n          1 / 0\n"
    handler = load_handler(text)
    context = types.SimpleNamespace(add_test=lambda *a, **k: None, get_test=lambda name: "red")
    found = []

    async def drive():
        async for event in handler(sdk.StartEvent(), context):
            found.append(event)

    with pytest.raises(ZeroDivisionError) as caught:
        asyncio.run(drive())
    line = text.splitlines().index("          yield LogEvent('x')") + 1
    assert found[-1].data["location"] == f"handler.py:{line}"
    last = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (Path(last.filename).name, last.lineno, last.line) == ("handler.py", line + 1, "1 / 0")
    assert "add_test" in inspect.getsource(handler.function)


def test_two_texts_of_the_same_name_keep_their_own_lines():
    first, second = load_handler(say("1 / 0")), load_handler(say("[][0]"))
    for handler, line in ((first, "yield 1 / 0"), (second, "yield [][0]")):
        with pytest.raises((ZeroDivisionError, IndexError)) as caught:
            answers(handler)
        assert traceback.extract_tb(caught.value.__traceback__)[-1].line == line


@given(
    margin=st.sampled_from(["", " ", "  ", "\t", "   \t"]),
    comment=st.sampled_from(["", "# note\n", "\n\n", "  # in\n"]),
)
def test_any_margin_is_taken_off_and_lines_are_kept(margin, comment):
    text = comment + textwrap.indent(say("'''a\nb'''"), margin)
    handler = load_handler(text)
    assert answers(handler) == ["a\nb"]
    assert handler.function.__code__.co_firstlineno == comment.count("\n") + 1
    assert [rule for _, rule in rules(handler)] == (["margin"] if margin else [])


# --- errors ----------------------------------------------------------------------------------------------------------


def test_a_syntax_error_shows_file_line_text_and_caret():
    message = load_error("\nasync def handler(event, context):\n    x = = 1\n    yield x\n")
    assert message == "handler.py:3: SyntaxError: invalid syntax.\n    x = = 1\n        ^"


def test_a_syntax_error_below_a_margin_shows_the_users_line():
    with pytest.raises(HandlerError, match=r"handler\.py:3: SyntaxError: invalid syntax"):
        load_handler("# a\n  async def handler(event, context):\n    x = = 1\n")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("def handler(event, context):\n    return []\n", ["handler.py:1", "plain `def`", "async def handler"]),
        ("def handler(event, context):\n    yield 1\n", ["handler.py:1", "plain `def`"]),
        (say(1) + "\n\n" + say(2), ["2 functions named handler", "handler.py:1 and handler.py:5"]),
        ("import json\nx = {}['a']\n" + say(1), ["handler.py:2", "KeyError: 'a'", "x = {}['a']"]),
        ("import jsn_\n" + say(1), ["handler.py:1", "ModuleNotFoundError: No module named 'jsn_'"]),
        ("raise SystemExit(3)\n" + say(1), ["handler.py:1", "SystemExit: 3"]),
        ("async def greet(event, context):\n    yield 1\n", ["greet (line 1)", "rename greet to handler"]),
        ("x = 1\ny = 2\n", ["handler.py has no function named handler", "async def handler"]),
        ("async def handler(event):\n    yield 1\n", ["handler.py:1", "takes (event)", "two arguments"]),
        ("async def handler(*, event, context):\n    yield 1\n", ["handler.py:1", "two arguments"]),
        ("handler = 3\nx = 1\n", ["the handler is int"]),
        ("class handler:\n    pass\n", ["which is no function"]),
        ("%pip install x\n" + say(1), ["handler.py:1", "Notebook commands"]),
        (say(1) + "yield 2\n", ["handler.py:3", "'yield' outside function"]),
        ("async def handler(event, context):\n    yield 1\n    return 2\n", ["handler.py:3", "'return' with value"]),
        ("x = context.get_data('a')\n" + say(1), ["handler.py:1", "context is known inside the handler alone"]),
        ("a\0b\n", ["handler.py", "null bytes"]),
        ("\n", ["has no function named handler"]),
    ],
)
def test_each_mistake_is_named(text, parts):
    with pytest.raises(HandlerError) as caught:
        load_handler(text)
    for part in parts:
        assert part in str(caught.value)


def test_an_error_at_import_keeps_its_cause():
    with pytest.raises(HandlerError) as caught:
        load_handler("x = 1 / 0\n" + say(1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("source", [3, None, ["x"], type("A", (), {})])
def test_other_sources_are_refused(source):
    with pytest.raises(InputError, match="must be a function, source text, or the path"):
        load_handler(source)


def test_a_path_that_does_not_exist_names_the_nearest(tmp_path):
    write(tmp_path, handler=say(1))
    with pytest.raises(InputError, match=r"no such file or folder. Did you mean 'handler.py'"):
        load_handler(str(tmp_path / "handlr.py"))
    with pytest.raises(InputError, match="the handler.s text, which has several lines"):
        load_handler("yield TextToSpeechEvent('a')" * 500)
    (tmp_path / "notes.txt").write_text("a")
    with pytest.raises(InputError, match=r"no \.py file"):
        load_handler(tmp_path / "notes.txt")


# --- functions -------------------------------------------------------------------------------------------------------


async def plain_handler(event, context):
    yield "plain"


def undecorated(function):
    def inner(event, context):
        return function(event, context)

    return inner


def wrapped(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)

    return inner


class AsyncCall:
    async def __call__(self, event, context):
        yield "object"


class Methods:
    async def answer(self, event, context):
        yield "method"


async def with_option(option, event, context):
    yield option


async def silent(event, context):
    pass


@pytest.mark.parametrize(
    ("function", "name", "said"),
    [
        (plain_handler, "plain_handler", ["plain"]),
        (undecorated(plain_handler), "inner", ["plain"]),
        (wrapped(plain_handler), "plain_handler", ["plain"]),
        (lambda event, context: plain_handler(event=event, context=context), "<lambda>", ["plain"]),
        (AsyncCall(), "AsyncCall", ["object"]),
        (Methods().answer, "answer", ["method"]),
        (functools.partial(with_option, "option"), "with_option", ["option"]),
        (silent, "silent", []),
    ],
)
def test_functions_that_are_asynchronous_in_any_way_are_handlers(function, name, said):
    handler = load_handler(function)
    assert handler.name == name
    assert answers(handler) == said
    assert len(handler.fingerprint) == 64


@pytest.mark.parametrize("function", [lambda event: None, print, undecorated(3), functools.partial(with_option)])
def test_functions_that_are_none_are_refused(function):
    if function is print:
        assert load_handler(print).name == "print"  # its signature says nothing against it
        return
    with pytest.raises(HandlerError):
        load_handler(function)


def test_a_sync_function_is_refused_with_its_line():
    def handler(event, context):
        return []

    line = inspect.getsourcelines(handler)[1]
    with pytest.raises(HandlerError, match=rf"test_handlers\.py:{line}: .*plain `def`"):
        load_handler(handler)


def test_a_decorated_handler_in_text_is_accepted():
    text = (
        "def twice(f):\n    def inner(event, context):\n        return f(event, context)\n    return inner\n\n@twice\n"
    )
    assert answers(load_handler(text + say(1))) == [1]


def test_a_functions_fingerprint_covers_what_it_refers_to():
    def made(n, text="a"):
        async def handler(event, context, text=text):
            yield n

        return load_handler(handler).fingerprint

    assert made(1) == made(1)
    assert len({made(1), made(2), made(1, "b")}) == 3


def test_a_functions_fingerprint_covers_tables_and_helpers():
    import numpy as np

    def made(table, helper):
        async def handler(event, context):
            yield helper(table)

        return load_handler(handler).fingerprint

    assert made(np.arange(3), len) == made(np.arange(3), len)
    assert len({made(np.arange(3), len), made(np.arange(4), len), made(np.arange(3), undecorated)}) == 3


def test_a_handler_is_returned_as_it_is_or_with_new_variables():
    handler = load_handler(say("context"), variables={"A": "1"})
    assert load_handler(handler) is handler
    other = load_handler(handler, variables={"B": 2})
    assert other.variables == {"A": "1", "B": "2"}
    assert handler.variables == {"A": "1"}
    assert other.fingerprint == handler.fingerprint
    with pytest.raises(NameError):
        load_handler(load_handler(SAMPLES / "04_tests.py"), strict=True)


# --- projects --------------------------------------------------------------------------------------------------------

TWO_HELPERS = {
    "handler": """
        from helpers import WHO
        import tools.greet

        async def handler(event, context):
            from helpers import late
            import lazy
            yield WHO, tools.greet.hello(), late(), lazy.WHO
        """,
    "tools____init__": "from . import greet\nfrom .greet import hello\n",
    "tools__greet": "import helpers\nfrom helpers import WHO\ndef hello():\n    return 'hello ' + helpers.WHO\n",
}


def project(folder, who):
    helpers = f"WHO = {who!r}\ndef late():\n    import lazy\n    return lazy.WHO\n"
    return write(folder, **TWO_HELPERS, helpers=helpers, lazy="import helpers\nWHO = 'lazy ' + helpers.WHO\n")


def test_two_projects_with_modules_of_the_same_names_do_not_mix(tmp_path):
    before, path_before = set(sys.modules), list(sys.path)
    first, second = (load_handler(project(tmp_path / who, who)) for who in "ab")

    for handler, who in ((second, "b"), (first, "a"), (second, "b")):
        assert answers(handler) == [(who, f"hello {who}", f"lazy {who}", f"lazy {who}")]
    assert (first.name, second.name) == ("a", "b")
    added = set(sys.modules) - before
    assert added
    assert all(name.startswith("voicelab_") for name in added)
    assert sys.path == path_before


def test_each_load_has_fresh_modules(tmp_path):
    write(
        tmp_path,
        handler="import counter\n" + say("counter.add()"),
        counter="N = [0]\ndef add():\n    N[0] += 1\n    return N[0]\n",
    )
    first, second = load_handler(tmp_path), load_handler(tmp_path)
    assert [answers(first), answers(first), answers(second)] == [[1], [2], [1]]


def test_a_projects_module_goes_before_an_installed_one_but_a_bare_folder_does_not(tmp_path):
    write(
        tmp_path, handler="import random, json\n" + say("random.MINE, json.dumps(1)"), random="MINE = 1\n", json__x=""
    )
    assert answers(load_handler(tmp_path)) == [(1, "1")]


def test_folders_without_code_are_packages(tmp_path):
    write(
        tmp_path,
        handler="from parts import one\nimport parts.two as two\n" + say("one.N + two.N"),
        parts__one="N = 1\n",
        parts__two="from .one import N\nN += 1\n",
    )
    assert answers(load_handler(tmp_path)) == [3]


def test_a_module_that_is_imported_later_is_of_the_state_that_was_loaded(tmp_path):
    write(tmp_path, handler=say("__import__('late').N"), late="N = 1\n")
    handler = load_handler(tmp_path)
    write(tmp_path, late="N = 2\n")
    assert answers(handler) == [1]


def test_circular_imports_work_as_in_python(tmp_path):
    write(
        tmp_path,
        handler="import a\n" + say("a.b.VALUE"),
        a="import b\nVALUE = 1\n",
        b="import a\ndef get():\n    return a.VALUE\nVALUE = 2\n",
    )
    assert answers(load_handler(tmp_path)) == [2]


def test_dataclasses_and_enums_work_in_text_and_helpers(tmp_path):
    text = (
        "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    n: int = 1\n"
    )
    assert answers(load_handler(text + say("A().n"))) == [1]
    write(tmp_path, handler="from shapes import A\n" + say("A().n"), shapes=text)
    assert answers(load_handler(tmp_path)) == [1]


def test_helpers_get_missing_names_and_the_lab_notes_them(tmp_path):
    write(tmp_path, handler="import lines\n" + say("lines.log()"), lines="def log():\n    return LogEvent('a')\n")
    handler = load_handler(tmp_path)
    assert answers(handler)[0].data["location"] == "lines.py:2"
    assert [(n.file, n.line, n.rule) for n in handler.note_list] == [("lines.py", 2, "missing_import")]
    with pytest.raises(NameError):
        answers(load_handler(tmp_path, strict=True))


def test_errors_in_helpers_name_the_helpers_line(tmp_path):
    write(tmp_path, handler="import helpers\n" + say(1), helpers="\nx = 1 / 0\n")
    with pytest.raises(HandlerError, match=r"helpers\.py:2: ZeroDivisionError"):
        load_handler(tmp_path)
    write(tmp_path, helpers="\nx = = 1\n")
    with pytest.raises(HandlerError, match=r"helpers\.py:2: SyntaxError"):
        load_handler(tmp_path)
    write(tmp_path, handler="import helprs\n" + say(1))
    with pytest.raises(HandlerError, match=r"handler\.py:1: ModuleNotFoundError.*Did you mean 'helpers'"):
        load_handler(tmp_path)


def test_an_optional_import_may_fail(tmp_path):
    write(
        tmp_path,
        handler="try:\n    import helpers\nexcept ImportError:\n    helpers = None\n" + say("helpers"),
        helpers="import nowhere_at_all\n",
    )
    assert answers(load_handler(tmp_path)) == [None]


def test_a_file_finds_the_modules_beside_it_and_its_own_path(tmp_path):
    write(
        tmp_path,
        agent="import helpers\nfrom pathlib import Path\n" + say("helpers.N, Path(__file__).name"),
        helpers="N = 1\n",
    )
    handler = load_handler(tmp_path / "agent.py")
    assert answers(handler) == [(1, "agent.py")]
    before = handler.fingerprint
    (tmp_path / "unrelated.py").write_text("")
    assert load_handler(tmp_path / "agent.py").fingerprint == before
    (tmp_path / "helpers.py").write_text("N = 2\n")
    assert load_handler(tmp_path / "agent.py").fingerprint != before


def test_a_folder_without_handler_says_what_it_has(tmp_path):
    write(tmp_path, agent=say(1))
    with pytest.raises(HandlerError, match=r"has no handler\.py.*It has agent\.py"):
        load_handler(tmp_path)


# --- variables -------------------------------------------------------------------------------------------------------


def voicerun_project(folder, **values):
    return write(
        folder,
        handler=say(1),
        _dot_voicerun__agent_yaml="apiVersion: voicerun/v1\nname: booking\n",
        **{f"_dot_voicerun__{k}": v for k, v in values.items()},
    )


def test_values_are_overlaid_in_order(tmp_path):
    folder = voicerun_project(
        tmp_path,
        values_yaml="variables:\n  A: base\n  B: base\n  C: base\n  N: 007\n  T: yes\n  E:\n",
        **{"values.production_yaml": "variables:\n  B: production\n  C: production\n"},
    )
    (folder / ".env").write_text("# comment\nexport C='from env'\nHOME_DIR=${HOME}\n")

    assert load_handler(folder).name == "booking"
    base = {"A": "base", "B": "base", "C": "base", "N": "007", "T": "yes", "E": ""}
    assert load_handler(folder).variables == base
    production = load_handler(folder, environment="production")
    assert production.variables == {**base, "B": "production", "C": "production"}
    from_env = load_handler(folder, variables=folder / ".env", environment="production")
    assert from_env.variables == {**base, "B": "production", "C": "from env", "HOME_DIR": "${HOME}"}
    assert load_handler(folder, variables=".env").variables["C"] == "from env"
    assert load_handler(from_env, variables={"C": "dict"}).variables["C"] == "dict"


@pytest.fixture
def chart(tmp_path):
    """Return a project with two tenants, whose values hold placeholders of the organization's secrets."""
    return voicerun_project(
        tmp_path,
        values_yaml=(
            "variables:\n  A: base\n  B: base\n  # {{ Secrets.organization.KEY }}\n"
            '  K: "{{ Secrets.organization.KEY }}"\n  H: "Bearer {{Secrets.organization.TOKEN}}"\n'
        ),
        **{
            "values.development_yaml": "variables:\n  B: development\n",
            "tenants__millers__values_yaml": "variables:\n  A: millers\n",
            "tenants__millers__values.production_yaml": "variables:\n  B: production of millers\n",
            "tenants__counter__values_yaml": "variables: {}\n",
        },
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, ("base", "development")),
        # A tenant's environments are its own: the project's values.development.yaml is none of them.
        ({"tenant": "millers"}, ("millers", "base")),
        ({"tenant": "millers", "environment": "production"}, ("millers", "production of millers")),
        ({"tenant": "counter", "environment": "production"}, ("base", "base")),
    ],
)
def test_a_tenants_values_lie_over_the_projects(chart, arguments, expected):
    variables = load_handler(chart, **arguments).variables
    assert (variables["A"], variables["B"]) == expected
    changed = load_handler(load_handler(chart), **arguments)
    assert (changed.variables["A"], changed.variables["B"]) == expected
    assert pickle.loads(pickle.dumps(changed)).tenant == arguments.get("tenant")


@pytest.mark.parametrize(
    ("source", "tenant", "message"),
    [
        (None, "miller", "no tenant 'miller'. Did you mean 'millers'"),
        (None, "../tenants/millers", "There are: counter, millers"),
        (say(1), "millers", "only project folders have tenants"),
    ],
)
def test_a_tenant_that_there_is_not_is_refused(chart, source, tenant, message):
    with pytest.raises(InputError, match=message):
        load_handler(source or chart, tenant=tenant)


def test_an_environment_that_names_no_file_is_refused(chart):
    with pytest.raises(HandlerError, match="can't be read: File name too long"):
        load_handler(chart, environment="a" * 400)


def test_secrets_of_the_organization_come_from_variables_or_the_environment_and_others_are_noted(chart, monkeypatch):
    monkeypatch.setenv("TOKEN", "sk-token-of-the-organization")
    handler = load_handler(chart)
    assert handler.variables["H"] == "Bearer sk-token-of-the-organization"
    # Masked by itself too: what a text holds besides is no part of it.
    assert "sk-token-of-the-organization" in handler.secrets
    (note,) = handler.note_list
    assert (note.file, note.line) == (".voicerun/values.yaml", 5)
    assert "secret KEY, which is not known here" in note.written
    assert "variables={'KEY': ...}" in note.sdk
    given = load_handler(handler, variables={"KEY": "sk-given"})
    assert given.variables["K"] == "sk-given"
    assert not given.note_list


def test_a_placeholder_without_quotes_is_explained(tmp_path):
    voicerun_project(tmp_path, values_yaml="variables:\n  K: {{ Secrets.organization.KEY }}\n")
    with pytest.raises(HandlerError, match=r"values\.yaml:2: .*needs quotes"):
        load_handler(tmp_path)


def test_the_environment_of_the_process_is_never_read(tmp_path, monkeypatch):
    monkeypatch.setenv("VOICELAB_SECRET", "sk-123456")
    (tmp_path / ".env").write_text("A=${VOICELAB_SECRET}\n")
    assert "sk-123456" not in str(dict(load_handler(say(1), variables=str(tmp_path / ".env")).variables).values())


def test_values_are_never_shown():
    handler = load_handler(say(1), variables={"OPENAI_API_KEY": "sk-secret"})
    shown = [
        repr(handler),
        handler._repr_html_(),
        repr(handler.variables),
        str(handler.variables),
        f"{handler.variables}",
    ]
    assert not any("sk-secret" in text for text in shown)
    assert all("OPENAI_API_KEY" in text for text in shown)
    assert handler.variables == {"OPENAI_API_KEY": "sk-secret"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ("variables:\n  A: 1\n  B: [sk-secret\n", r"\.voicerun/values\.yaml:4: no YAML"),
        ("variables: [sk-secret, b]\n", r"\.voicerun/values\.yaml: `variables` is a list, must be a map"),
        ("variables:\n  A: {b: sk-secret}\n", r"the variable 'A' is a map, must be a single value"),
        ("- sk-secret\n", r"\.voicerun/values\.yaml holds a list"),
    ],
)
def test_broken_values_are_named_without_their_contents(tmp_path, values, message):
    voicerun_project(tmp_path, values_yaml=values)
    with pytest.raises(HandlerError, match=message) as caught:
        load_handler(tmp_path)
    assert "sk-secret" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"A": None}, r"variables\['A'\] is of type NoneType, must be text"),
        ({"A": ["sk-secret"]}, r"variables\['A'\] is of type list"),
        ({3: "sk-secret"}, "name of type int"),
        (["sk-secret"], "variables is a list"),
        ("missing.env", "there is no such file"),
    ],
)
def test_bad_variables_are_refused_without_their_values(variables, message):
    with pytest.raises(InputError, match=message) as caught:
        load_handler(say(1), variables=variables)
    assert "sk-secret" not in str(caught.value)


def test_a_broken_env_file_names_the_line(tmp_path):
    (tmp_path / ".env").write_text("A=1\nB='sk-secret\n")
    with pytest.raises(InputError, match=r"\.env:2: the line is not of the form NAME=value") as caught:
        load_handler(say(1), variables=tmp_path / ".env")
    assert "sk-secret" not in str(caught.value)


# --- notes -----------------------------------------------------------------------------------------------------------


def test_notes_are_told_in_one_and_each_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        handler = load_handler(say("LogEvent('a')"))
        handler.add_note(PortabilityNote("handler.py", 9, "weights_sum", "a", "b", "works"))
        for _ in range(2):
            handler.tell_notes()
        handler.derived(variables={"A": "b"}, strict=False, environment="development").tell_notes()
        handler.add_note(PortabilityNote("handler.py", 1, "interruptable", "x", "y", "unchanged code raises TypeError"))
        handler.tell_notes()
    assert [w.category for w in caught] == [GuideCompatWarning] * 2
    first, second = (str(w.message) for w in caught)
    assert (caught[0].filename, caught[0].lineno) == ("<handler.py>", 2)
    assert "LogEvent" in first  # what fails on the platform is named before what works
    assert "handler: 2 portability notes, of which 1 would fail on the platform; the first is this one" in first
    assert second == "x; the SDK: y (unchanged code raises TypeError)."
    assert list(handler.notes.columns) == ["file", "line", "rule", "written", "sdk", "platform"]
    assert list(handler.notes["rule"]) == ["interruptable", "missing_import", "weights_sum"]
    assert list(load_handler(say(1)).notes.columns) == list(handler.notes.columns)
    assert "3 portability notes, of which 2 would fail on the platform" in repr(handler)
    assert handler._repr_html_().count("<details>") == 1


def test_samples_are_loaded_by_name_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert all(Path(path).exists() for path in vl.samples().path)
    assert load_handler("clinic").name == "clinic"
    with pytest.raises(
        InputError, match=f"no such file or folder in {re.escape(str(tmp_path))}. Did you mean 'clinic'"
    ):
        load_handler("clinik")
    write(tmp_path / "clinic", handler=say(1))  # a folder of that name comes first
    assert load_handler("clinic").project == tmp_path / "clinic"


SKILLS = """from primfunctions.events import Event, StartEvent, TextEvent, TextToSpeechEvent
from primfunctions.actions import (
    AudioEvent, StopEvent as StopAction,
)
from primfunctions.context import Context, context

async def handler(event: Event, ctx: Context):
    if isinstance(event, StartEvent):
        tts = TextToSpeechEvent(text="Hello!")
        context.set_data("said", tts.text)
        await asyncio.sleep(len([SystemMessage(content="hi")]))
        yield tts
    if isinstance(event, TextEvent):
        yield TextToSpeechEvent(text=TextEvent(data={"text": "you said "}).text + event.text)
        yield StopAction(closing_speech="Goodbye!")
"""
"""The spellings that the platform's guides for coding agents teach and its SDK lacks."""


def test_spellings_that_the_sdk_lacks_work_with_a_note_each():
    handler = load_handler(SKILLS)
    record = vl.run(handler, ["hello"])
    assert [event.data["text"] for event in record.events if event.name == "text_to_speech"] == [
        "Hello!", "you said hello", "Goodbye!",
    ]  # fmt: skip
    assert record.data == {"said": "Hello!"}
    assert rules(handler) == [
        (2, "sdk_import"), (5, "sdk_import"), (10, "event_text"), (11, "missing_import"), (14, "event_text"),
        (14, "text_event_data"),
    ]  # fmt: skip
    assert handler.note_list[0].sdk == "from primfunctions.events import AudioEvent, StopEvent as StopAction"
    assert not hasattr(sdk.TextEvent, "text")  # outside sessions the SDK is what it was


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        ("", "", "primfunctions.events has these names"),
        ("primfunctions.actions", "primfunctions.events", "context is the handler's second argument"),
    ],
)
def test_strict_leaves_the_sdks_error_and_adds_what_to_write(old, new, hint):
    with pytest.raises(ImportError) as caught:
        load_handler(SKILLS.replace(old, new) if old else SKILLS, strict=True)
    assert caught.value.__notes__ == [f"voicelab: {hint}."]


def test_strict_sessions_show_what_to_write():
    text = SKILLS.replace("primfunctions.actions", "primfunctions.events").replace("Context, context", "Context")
    opening, answer = vl.run(load_handler(text.replace("context.set", "ctx.set"), strict=True), ["hi"]).errors
    assert "'TextToSpeechEvent' object has no attribute 'text' (write event.data['text'])" in opening.data["message"]
    assert "missing 2 required positional arguments: 'source' and 'text' (write TextEvent(" in answer.data["message"]


@pytest.mark.parametrize("strict", [False, True])
def test_modules_that_the_sandbox_rejects_are_noted(strict, tmp_path):
    text = "import json, os\nfrom subprocess import run\n" + say(1) + "    import socket as s\n"
    handler = load_handler(text, strict=strict)
    assert rules(handler) == [(1, "sandbox_import"), (2, "sandbox_import"), (5, "sandbox_import")]
    write(tmp_path, handler="import socket\n" + say(1), socket="")
    assert rules(load_handler(tmp_path)) == []


def test_a_functions_imports_are_noted():
    async def handler(event, context):
        import socket

        yield os, socket

    assert [note.written for note in load_handler(handler).note_list] == ["import os", "import socket"]


@pytest.mark.parametrize(
    ("text", "binds"),
    [
        ("import numpy as np\n" + say(1), True),
        (say(1) + "    from numpy.random import rand\n", True),
        ("import random\n" + say(1), False),
        (say("np.random.rand()"), True),
    ],
)
def test_handlers_that_can_draw_from_numpy_say_so(text, binds):
    import numpy as np

    assert load_cell("a", text, {"np": np}).binds_numpy_random is binds


def test_functions_that_can_draw_from_numpy_say_so(tmp_path):
    import numpy as np

    async def handler(event, context):
        yield np.random.rand()  # noqa: NPY002 - the global generator is the subject

    async def other(event, context):
        from numpy.random import rand

        yield rand()  # noqa: NPY002 - the global generator is the subject

    assert not load_handler(plain_handler).binds_numpy_random
    assert load_handler(other).binds_numpy_random
    assert load_handler(handler).binds_numpy_random
    write(tmp_path, handler=say(1) + "    import lazy\n", lazy="import numpy\n")
    assert load_handler(tmp_path).binds_numpy_random


# --- workers ---------------------------------------------------------------------------------------------------------

WORKER = """
import asyncio, pickle, sys, types, warnings
warnings.simplefilter("error")
handler = pickle.load(sys.stdin.buffer)
async def main():
    return [x async for x in handler(types.SimpleNamespace(name="start", data={}), None)]
print(repr((asyncio.run(main()), handler.fingerprint, dict(handler.variables), handler.strict, handler.environment,
            [n.rule for n in handler.note_list], "pandas" in sys.modules)))
"""


def in_worker(handler):
    environment = {**os.environ, "PYTHONPATH": str(GUIDE)}
    done = subprocess.run(
        [sys.executable, "-c", WORKER],
        input=cloudpickle.dumps(handler),
        capture_output=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return eval(done.stdout)


def as_here(handler):
    return (
        answers(handler),
        handler.fingerprint,
        dict(handler.variables),
        handler.strict,
        handler.environment,
        [n.rule for n in handler.note_list],
        False,
    )


def test_a_handler_from_text_reaches_a_worker_with_its_notebook():
    def helper(n):
        return n + factor

    factor = 2
    helper.__module__ = "__main__"
    notebook = {"price": 20, "double": helper, "unused": object(), "unpicklable": sys._getframe()}
    handler = load_cell("shop", "  " + say("double(price), Event is not None").replace("\n", "\n  "), notebook)
    assert {note.rule for note in handler.note_list} == {"margin", "notebook_name", "missing_import"}
    handler.variables["KEY"] = "value"
    assert in_worker(handler) == as_here(handler)


def test_a_project_and_a_function_reach_a_worker(tmp_path):
    folder = project(tmp_path / "agent", "me")
    handler = load_handler(folder, variables={"A": "1"}, environment="production")
    assert in_worker(handler) == as_here(handler)

    here = "here"

    async def closure(event, context):
        yield here

    closure.__module__ = "__main__"
    assert in_worker(load_handler(closure)) == as_here(load_handler(closure))


def test_text_and_files_need_no_more_than_pickle():
    handler = load_handler(SAMPLES / "01_basic_structure.py", strict=True)
    again = pickle.loads(pickle.dumps(handler))
    assert (again.fingerprint, again.name, again.strict) == (handler.fingerprint, handler.name, True)


def test_the_example_in_the_docstring_runs():
    import doctest

    from voicelab import handlers

    found = doctest.testmod(handlers)
    assert (found.failed, found.attempted) == (0, 2)


def test_a_file_that_has_changed_is_refused_in_the_worker(tmp_path):
    write(tmp_path, handler="import helpers\n" + say(1), helpers="")
    shipped = pickle.dumps(load_handler(tmp_path))
    (tmp_path / "helpers.py").write_text("x = 1\n")
    with pytest.raises(HandlerError, match="has changed since it was loaded"):
        pickle.loads(shipped)
    (tmp_path / "handler.py").unlink()
    with pytest.raises(HandlerError, match="isn't there any more"):
        pickle.loads(shipped)


def test_handlers_are_loaded_in_several_threads_at_once():
    text = (
        "async def handler(event, context):\n"
        + "".join(f"    x{n} = [{n}, ({n},)]\n" for n in range(300))
        + "    return\n    yield\n"
    )
    with ThreadPoolExecutor(4) as threads:
        loaded = list(threads.map(lambda _: load_handler(text), range(40)))
    assert len({handler.fingerprint for handler in loaded}) == 1


def test_a_tree_is_made_again_where_other_threads_disturbed_it(monkeypatch):
    from voicelab.handlers import source

    refusals = iter([SystemError("AST constructor recursion depth mismatch")] * 3)
    parse = ast.parse

    def disturbed(*args, **options):
        for error in refusals:
            raise error
        return parse(*args, **options)

    monkeypatch.setattr(source.ast, "parse", disturbed)
    assert source.parse("x = 1") is not None
