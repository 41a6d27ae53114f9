"""Secrets are planted in every place and form that a handler can put them; then every byte that is left is searched."""

import base64
import contextlib
import io
import json
import os
import re
import subprocess
import sys
import traceback
import warnings
from pathlib import Path

import pytest
from test_console import Wired

import voicelab as vl
from voicelab.base.errors import VoicelabError

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# By where the handler has it from; each is found by its own marks.
PLANTED = {
    "VARIABLE": 'vär"A1b\\c+d/Zq7',
    "LOADED_API_KEY": 'lo"ad+Ed\\/Kq8Xy',
    "SESSION_TOKEN": 'se"ss+Io\\/Nw9Vz',
    "COMPUTED_SECRET": 'co"mp+Ut\\/Ed4Rs',
    "WHOLE_PASSWORD": 'wh"ol+E_\\/En5Vt',
}

HANDLER = """
import asyncio, base64, copy, json, logging, os, sys, threading, urllib.parse, warnings
from primfunctions.events import CustomEvent, LogEvent, TextToSpeechEvent

print("loading", os.environ["LOADED_API_KEY"])
print("loading", os.getenv("LOADED_API_KEY"), file=sys.stderr)
LOADED = os.environ.get("LOADED_API_KEY")

def forms(secret):
    yield secret
    yield json.dumps(secret)
    yield json.dumps({"outer": json.dumps({"inner": [secret]})})
    yield repr(secret)
    yield repr([{"key": secret}])
    yield urllib.parse.quote(secret, safe="")
    yield urllib.parse.quote_plus(json.dumps(secret))
    yield base64.b64encode(secret.encode()).decode()
    yield base64.b64encode(("user:" + secret).encode()).decode()

class Client:
    def __init__(self, key):
        self.key = key
    def __repr__(self):
        return f"Client({self.key!r})"

def all_of_it(context):
    yield context.variables["VARIABLE"]
    yield LOADED
    yield os.environ["SESSION_TOKEN"]
    yield os.environ["COMPUTED" + chr(95) + "SECRET"]
    found = dict(os.environ.items())
    yield found["WHOLE" + chr(95) + "PASSWORD"]

async def background(text):
    raise RuntimeError("in the background: " + text)

async def handler(event, context):
    if event.name == "start":
        # Before it is read: rows are masked from their start.
        with open(os.environ["PLANTED"], encoding="utf-8") as file:
            planted = json.load(file)
        for secret in planted.values():
            yield LogEvent(secret)
        for secret in all_of_it(context):
            for form in forms(secret):
                yield LogEvent(form)
                yield LogEvent({"deep": [{"key": form, form: 1}]})
                yield CustomEvent(name=form, data={"key": form})
                print(form)
                print(form, file=sys.stderr)
                logging.getLogger("handler").error("failed with %s", form)
                warnings.warn("warned of " + form)
                context.set_data(form, {"nested": [form]})
            yield TextToSpeechEvent(text="Your key is " + secret, voice="nova")
            yield LogEvent(repr(Client(secret)))
            context.set_outcome("note " + secret, secret)
            vl_metrics.gauge("metric " + secret, value=1.0, tags={"tag": secret, secret: "tag"})
            context.experiment("test " + secret, {secret: 0.5, "other": 0.5})
            context.create_task(background(secret), name="task " + secret)
            with suppressed():
                raise_with(secret)
            thread = threading.Thread(target=raise_with, args=(secret,))
            thread.start()
            thread.join()
            asyncio.ensure_future(background(secret))
    elif event.name == "text":
        error = ValueError("bad key " + LOADED)
        error.add_note("note " + os.environ["SESSION_TOKEN"])
        try:
            raise KeyError(context.variables["VARIABLE"])
        except KeyError as cause:
            raise error from cause
"""
EXTRA = """
from primfunctions.metrics import metrics as vl_metrics
import contextlib

def suppressed():
    return contextlib.suppress(ZeroDivisionError)

def raise_with(secret):
    raise ZeroDivisionError(secret)
"""


def marks(secret):
    """Return what of a secret no form hides: runs of its letters, and the middle of its base64 at each place."""
    found = [run for run in re.split(r'["+\\/]', secret) if len(run) > 3]
    for n_before in range(3):
        found.append(base64.b64encode(bytes(n_before) + secret.encode()).decode()[4:-4])
    return found


def assert_clean(where, text):
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    for name, secret in PLANTED.items():
        for mark in marks(secret):
            at = data.find(mark.encode())
            assert at < 0, f"{name} is in {where}: ...{data[max(0, at - 150) : at + 60]!r}"


def assert_folder_clean(folder):
    import pyarrow.parquet as pq

    for path in Path(folder).rglob("*"):
        if path.is_file():
            assert_clean(path, path.read_bytes())
            if path.suffix == ".parquet":  # what is compressed
                assert_clean(path, json.dumps(pq.read_table(path).to_pylist(), default=str, ensure_ascii=False))


@pytest.fixture
def planted(tmp_path, monkeypatch):
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VARIABLE")
    (tmp_path / "planted.json").write_text(json.dumps(PLANTED))
    monkeypatch.setenv("PLANTED", str(tmp_path / "planted.json"))
    file = tmp_path / "agent.py"
    file.write_text(EXTRA + HANDLER)
    return file


@contextlib.contextmanager
def whatever_is_said(where):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), warnings.catch_warnings():
        warnings.simplefilter("always")
        yield
    assert_clean(f"stdout of {where}", out.getvalue())
    assert_clean(f"stderr of {where}", err.getvalue())


def shown(record):
    yield repr(record)
    yield str(record)
    yield record._repr_html_()
    yield record.to_json()
    yield repr(record.data)
    yield repr(record.errors)
    yield repr(record.outcomes)
    yield record.to_frame().to_json() if hasattr(record, "to_frame") else ""
    yield "".join(map(repr, record.events))


VARIABLES = {"VARIABLE": PLANTED["VARIABLE"]}


def test_no_secret_is_in_anything_that_a_run_leaves(planted):
    with whatever_is_said("vl.run"):
        record = vl.run(planted, ["hello"], variables=VARIABLES)
    assert "background" in record._repr_html_()
    for number, text in enumerate(shown(record)):
        assert_clean(f"record {number}", text)


def test_no_secret_is_in_a_log_its_frames_or_what_the_command_and_its_workers_say(planted, tmp_path):
    secrets_file = tmp_path / "variables.env"
    secrets_file.write_text(f"VARIABLE='{PLANTED['VARIABLE']}'\n".replace("\\", "\\\\"))
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, voicelab as vl\n"
        "if __name__ == '__main__':\n"
        "    log = vl.simulate(sys.argv[1], ['hello'], sessions=4, workers=2, variables=eval(sys.argv[3]), log=sys.argv[2])\n"
        "    for frame in (log.sessions(), log.events(), log.outcomes(), log.metrics(), log.exposures(), log.errors()):\n"
        "        print(frame.to_csv())\n"
        "    print(repr(log), log._repr_html_(), log.manifest, repr(log.session(1)), log.session(1)._repr_html_())\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script), str(planted), str(tmp_path / "log"), repr(VARIABLES)],
        capture_output=True, timeout=240, check=False, env={**os.environ, "PYTHONPATH": str(Path(vl.__file__).parents[1])},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr.decode()[-3000:]
    assert b"ZeroDivisionError" in ran.stderr  # of threads, for which no session is known
    assert_clean("stdout", ran.stdout)
    assert_clean("stderr", ran.stderr)
    assert_folder_clean(tmp_path / "log")
    assert len(vl.open_log(tmp_path / "log").sessions()) == 4


def test_no_secret_is_in_what_a_console_sends_shows_or_logs(planted, tmp_path, capsys):
    one = Wired(planted, variables=VARIABLES, log=tmp_path / "log", keep_audio=True, tts="browser")
    try:
        for message in ({"k": "hello"}, {"k": "connect"}):
            one.give(**message)
        one.phase("live")
        one.give(k="say", text="hello")
        one.wait(lambda m: m["k"] == "events" and "bad key" in json.dumps(m))
        one.give(k="variable", name="VARIABLE", value=PLANTED["VARIABLE"])
        one.give(k="next", name="parameters", text='{"bad": ' + PLANTED["VARIABLE"])
        one.give(k="download", what="json")
        one.give(k="script")
        one.give(k="hang_up")
        one.phase("ended")
        one.give(k="hello")
        one.console._ipython_display_()
    finally:
        one.console.close()
        one.over()
    for message in one.sent:
        assert_clean(f"message {message['k']}", json.dumps(message, default=repr, ensure_ascii=False))
    assert_clean(
        "console", repr(one.console) + one.console._static() + json.dumps(one.console._talk.state(), default=repr)
    )
    assert_folder_clean(tmp_path / "log")
    said = capsys.readouterr()
    assert_clean("output", said.out + said.err)


LOADED = "import os\nKEY = os.environ['LOADED_API_KEY']\n"
GOOD = "async def handler(event, context):\n    yield None\n"
LONG = "x" * 5_000
ERRORS = {
    "at loading": (LOADED + "raise ValueError('bad ' + KEY)\n" + GOOD, {}),
    "behind another": (
        LOADED + "try:\n    {}[KEY]\nexcept KeyError as error:\n    raise ValueError('no key') from error\n" + GOOD,
        {},
    ),
    "in a note": (
        LOADED + "error = ValueError('no key')\nerror.add_note(repr({KEY: 1}))\nraise error\n" + GOOD,
        {},
    ),
    "a line that is no Python": (f"x = {PLANTED['VARIABLE']!r} oops\n" + GOOD, {}),
    **{
        name: (LOADED + GOOD, {name: {1: [PLANTED["VARIABLE"], PLANTED["LOADED_API_KEY"], LONG]}})
        for name in ("model", "parameters", "shared_data", "http", "input_data", "patches")
    },
}


@pytest.mark.parametrize(("text", "options"), ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("run", [vl.run, vl.Console], ids=["run", "Console"])
def test_no_secret_is_in_an_error_and_what_lies_behind_it(planted, text, options, run):
    with pytest.raises(VoicelabError) as told:
        run(text, *([["hello"]] if run is vl.run else []), variables=VARIABLES, **options)
    assert_clean("the error", "".join(traceback.format_exception(told.value)))
    assert_clean("its repr", repr(told.value))
    assert len(str(told.value)) < 500


def test_no_secret_is_in_a_notebook(planted, tmp_path):
    import nbformat
    from nbclient import NotebookClient

    cells = [
        f"import os, voicelab as vl\nhandler = vl.load_handler({str(planted)!r}, variables=vl.load_handler({str(planted)!r}).variables)",
        "record = vl.run(handler, ['hello'], variables={'VARIABLE': open(os.environ['PLANTED']).read() and "
        "__import__('json').load(open(os.environ['PLANTED']))['VARIABLE']})\nrecord",
        "record.errors",
        "log = vl.simulate(handler, ['hello'], sessions=2, workers=1, variables={'VARIABLE': "
        "__import__('json').load(open(os.environ['PLANTED']))['VARIABLE']})\nlog",
        "log.sessions()",
        "vl.load_handler(open(os.environ['PLANTED'] + '.py').read())",
        # What the notebook read before the handler was made.
        "MINE = os.environ['SESSION_TOKEN']\nasync def own(event, context):\n    yield vl.sdk.LogEvent(f'with {MINE}')\n"
        "vl.run(own, ['hello'])",
        "vl.Console(handler, tts='off', stt='off')",
    ]
    Path(os.environ["PLANTED"] + ".py").write_text(LOADED + "raise ValueError(KEY)\n" + GOOD)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(book, timeout=240, kernel_name="python3", allow_errors=True).execute()
    failed = [cell for cell in book.cells if any(output.output_type == "error" for output in cell.outputs)]
    assert [cell.source for cell in failed] == [cells[5]]
    assert_clean("the notebook", nbformat.writes(book))


def test_what_was_not_read_and_what_is_short_or_named_otherwise_stays(planted, monkeypatch):
    for name, value in {
        "OTHER_KEY": "unread-value-42",
        "SHORT_KEY": "short-value",
        "READ_NAME": "read-value-4217",
    }.items():
        monkeypatch.setenv(name, value)
    text = (
        "import os\nfrom primfunctions.events import LogEvent\nasync def handler(event, context):\n"
        "    if event.name == 'start':\n"
        "        os.environ['SHORT_KEY'], os.environ['READ_NAME'], list(os.environ), 'OTHER' in os.environ\n"
        "        yield LogEvent('unread-value-42 short-value read-value-4217')\n"
    )
    assert "unread-value-42 short-value read-value-4217" in str(vl.run(text))
