"""One session costs itself alone: how much it may take, and what it does to others when it takes more."""

import asyncio
import builtins
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import thread as pools
from dataclasses import replace
from pathlib import Path

import pytest
from harness import IMPORTS, agent, play, says

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.base.plain_json import encode
from voicelab.base.records import column
from voicelab.log.write import SPECULATIVE
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.runtime.process_state import ProcessState
from voicelab.runtime.tracebacks import users_frame
from voicelab.session import rows
from voicelab.simulation import worker
from voicelab.simulation.worker import ShardTask, run_sessions

SILENT = "async def handler(event, context):\n    return\n    yield\n"

# --- at the door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cpu_s", "memory_mb", "conversation_s", "outputs", "text_chars", "deaths"])
@pytest.mark.parametrize("value", [0, -1, True, False, None, float("nan"), float("inf"), "10", [10]])
def test_a_limit_is_a_number_above_0(name, value):
    with pytest.raises(InputError, match=rf"^Limits\({name}=\) is .*, must be a "):
        vl.Limits(**{name: value})


@pytest.mark.parametrize("name", ["memory_mb", "outputs", "text_chars", "deaths"])
def test_what_is_counted_is_a_whole_number(name):
    with pytest.raises(InputError, match=rf"Limits\({name}=\) is 2.5, must be a whole number from 1 on"):
        vl.Limits(**{name: 2.5})


@pytest.mark.parametrize("name", ["cpu_s", "conversation_s"])
def test_no_limit_is_longer_than_a_system_takes(name):
    with pytest.raises(InputError, match=r"is 1e\+300, must be a number of seconds above 0, at most 1e9"):
        vl.Limits(**{name: 1e300})
    assert getattr(vl.Limits(**{name: 1e9}), name) == 1e9


def test_no_session_gets_more_memory_than_the_machine_has():
    with pytest.raises(InputError, match=r"is 1,000,000,000, more than this machine has \([\d,]+ MB\)"):
        vl.Limits(memory_mb=10**9)


def test_a_small_machine_refuses_no_default(monkeypatch):
    monkeypatch.setattr("voicelab.base.session_limits._machine_mb", lambda: 512)
    assert vl.Limits().memory_mb == 1024
    with pytest.raises(InputError, match="more than this machine has"):
        vl.Limits(memory_mb=1025)


@pytest.mark.parametrize("given", [10, {"cpu_s": 10}, "10 s"])
def test_limits_are_given_as_limits(given):
    with pytest.raises(InputError, match=r"^limits is .*, must be vl\.Limits"):
        vl.run(SILENT, limits=given)


def test_limits_can_not_be_changed_and_show_what_is_unusual():
    limits = vl.Limits(cpu_s=60, outputs=5)
    with pytest.raises(AttributeError):
        limits.cpu_s = 1
    assert repr(limits) == "Limits(cpu_s=60.0, outputs=5)"
    assert repr(vl.Limits()) == "Limits()"


# --- processor time --------------------------------------------------------------------------------------------------

SPINS = {
    "a loop": "while True: pass",
    "a loop that swallows": "while True:\n    try:\n        while True: pass\n    except: pass",
    "one that swallows twice": (
        "while True:\n    try:\n        while True:\n            try:\n                while True: pass\n"
        "            except BaseException: continue\n    except: pass"
    ),
    "a library": "max(range(10**9), key=lambda n: [i for i in range(100)])",
    "a task": "context.create_task(spin())\nawait asyncio.sleep(5)",
    "a task of its own": "task = asyncio.create_task(spin())\nawait asyncio.sleep(5)",
    "cleanup": "try:\n    await asyncio.sleep(9999)\nfinally:\n    while True: pass",
    "short naps": "while True:\n    await asyncio.sleep(0.0001)",
}
SPIN = "\nasync def spin():\n    while True: pass\n"


def spinning(code):
    body = f"if event.data.get('text') == 'spin':\n{textwrap.indent(code, '    ')}\n{says('ok', 'text')}"
    return agent(body) + SPIN


@pytest.mark.parametrize("code", SPINS.values(), ids=SPINS.keys())
def test_a_session_that_uses_too_much_processor_time_ends_at_its_line_and_the_next_is_as_ever(code):
    limits = vl.Limits(cpu_s=0.1, conversation_s=100)
    one, other = (play(spinning(code), inputs, limits=limits) for inputs in (["spin", "hi"], ["hi"]))
    assert (one.status, other.status) == ("timeout", "completed")
    row = next(error for error in one.errors if error.data.get("limit") == "cpu_s")
    assert re.search(
        r"limit of 0.1 s of processor time, at handler.py:\d+\. .* limits=vl\.Limits\(cpu_s=1\)", row.data["message"]
    )
    assert row.data["line"] > IMPORTS.count("\n")
    assert (other.said, other.errors) == (["ok"], [])
    assert one.n_errors == len(one.errors)  # none is told of when the session has ended


def test_waiting_uses_no_processor_time():
    body = (
        "if event.name == 'text':\n    await asyncio.sleep(0.3)\n    yield TextToSpeechEvent(text='ok', voice='nova')\n"
    )
    played = play(agent(body), ["hi"], clock="wall", limits=vl.Limits(cpu_s=0.2))
    assert (played.status, played.said) == ("completed", ["ok"])


PROFILED = """
import sys, voicelab as vl
from handlers import fails, spins
vl.run(fails, ["hi"])
vl.run(spins, ["hi"], limits=vl.Limits(cpu_s=0.1))
sys.settrace(lambda frame, event, arg: None)
print(vl.run(spins, ["hi"], limits=vl.Limits(cpu_s=0.1)).status)
sys.settrace(None)
calls = []
sys.setprofile(lambda frame, event, arg: calls.append(event))
for number in range(3):
    [number for _ in range(3)]
sys.setprofile(None)
print("profiled", len(calls) > 3)
"""


def test_a_debugger_and_a_profiler_work_in_and_after_sessions_that_have_used_up_their_processor_time(tmp_path):
    # In a process of its own: where Python has been left looking for an exception, neither ever comes to an end.
    (tmp_path / "handlers.py").write_text(
        "async def fails(event, context):\n    raise ValueError\n    yield\n\n"
        "async def spins(event, context):\n    while True: pass\n    yield\n",
        encoding="utf-8",
    )
    (tmp_path / "profiled.py").write_text(PROFILED, encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(Path(vl.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "profiled.py"],
        cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.stdout == "timeout\nprofiled True\n", done.stderr


# --- counts ----------------------------------------------------------------------------------------------------------


def ended_by(code, name, **limits):
    """Play a session whose handler does something bad when it hears `bad`, and return it with the row of the limit."""
    played = play(misbehaving(code), ["bad", "hi"], limits=vl.Limits(**limits))
    assert played.status == "timeout"
    (row,) = played.errors
    assert row.data["limit"] == name
    assert f"limits=vl.Limits({name}=" in row.data["message"]
    return played, row


def misbehaving(code):
    return (
        agent(f"if event.data.get('text') == 'bad':\n{textwrap.indent(code, '    ')}\n{says('ok', 'text')}") + CLASSES
    )


CLASSES = """
class Broken:
    def __str__(self): raise ValueError("no text")
    __repr__ = __str__

class Worse:
    def __str__(self): raise BaseException("no text")
    __repr__ = __eq__ = __hash__ = __str__

class BrokenError(Exception):
    def __str__(self): raise ValueError("no text")
    __repr__ = __str__

class Liar(Exception):
    @property
    def __class__(self): raise SystemExit
    @property
    def args(self): raise SystemExit
    def __str__(self): raise SystemExit

class Weird:
    def __await__(self): return self
    def __iter__(self): return self
    def __next__(self): return 42

async def leave(error):
    raise error
"""


@pytest.mark.parametrize(
    "code",
    [
        "while True: yield LogEvent('x')",
        "for n in range(10**6): print(n)",
        "for n in range(10**6): logger.info('x')",
        "for n in range(10**6): metrics.counter('x')",
    ],
)
def test_a_session_puts_out_as_much_as_its_limit_and_no_more(code):
    played, row = ended_by(code, "outputs", outputs=50)
    assert sum(event.kind in {"log", "metric"} for event in played.events) == 50
    assert "limit of 50 outputs, at handler.py:" in row.data["message"]
    assert row.data["line"] > 1


def test_a_session_writes_no_more_text_than_its_limit():
    written = agent("if event.name == 'text':\n    yield LogEvent('x' * 1000)\n")
    chars = sum(len(data) for _, _, label, data in played_rows(written) if label[1] != "turn_end")
    for more, status in ((0, "completed"), (-1, "timeout")):
        assert play(written, ["hi"], limits=vl.Limits(text_chars=chars + more)).status == status


def played_rows(handler):
    job = Job(SessionOptions.checked(handler, ["hi"]))
    return run_sessions(job, ShardTask(Path(), 0, "", 0, 1, {}), []).rows[0].events


LONG_TEXTS = {
    "speech": "yield TextToSpeechEvent(text='x' * 10**7, voice='nova')",
    "print": "print('x' * 10**7)",
    "data": "context.set_data('big', 'x' * 10**7)",
    "keys": "for n in range(10**5): context.set_data(str(n), n)",
    "outcome": "context.set_outcome('big', 'x' * 10**7)",
}


@pytest.mark.parametrize("code", LONG_TEXTS.values(), ids=LONG_TEXTS.keys())
def test_a_text_of_ten_million_characters_fills_neither_log_nor_page(code):
    played, _ = ended_by(code, "text_chars", text_chars=100_000)
    assert len(played.record._repr_html_()) < 200_000
    assert len(str(played.session)) < 20_000
    if code == LONG_TEXTS["speech"]:
        assert played.said[0].endswith("x… (10,000,000 characters)")


@pytest.mark.parametrize("data", ["x" * 30_000_000, ["x" * 1_000_000] * 30, {1: {"a": "x" * 30_000_000}}])
def test_no_row_holds_more_text_than_an_encoder_bears_in_the_memory_of_a_session(data):
    # orjson reserves eight bytes a character, and ends the process where the system refuses them.
    text = encode({"data": data})
    assert 10_000_000 <= len(text) < 10_010_000
    assert "… (" in text


def test_the_limit_of_the_conversation_is_a_row_also_where_nobody_says_anything():
    played = play(agent(says("hello")), [vl.silence(100)], limits=vl.Limits(conversation_s=50))
    assert (played.status, played.session["duration_s"]) == ("timeout", 50)
    assert "limit of 50 s of conversation" in played.session["error"]


# --- whatever a handler raises, returns, or does ---------------------------------------------------------------------

BAD = {  # what it does: the session's status, and what its error says
    "context.set_data('i', Broken())": ("error", "<Broken: its text can't be had, ValueError>"),
    "context.set_data('i', [Worse()])": ("error", "<Worse: its text can't be had, BaseException>"),
    "context.set_data('i', 10**5000)": ("completed", None),
    "context.set_outcome('i', 10**5000)": ("error", "an integer of about 5,001 digits"),
    "yield LogEvent(Broken())": ("error", "its text can't be had"),
    "yield Broken()": ("completed", "(Broken), which is no event"),
    "raise BrokenError()": ("completed", "BrokenError: <BrokenError: its text can't be had"),
    "raise Liar()": ("error", "SystemExit"),
    "raise ValueError('x' * 10**7)": ("completed", "… (10,000,000 characters)"),
    "raise BaseExceptionGroup('all', [KeyboardInterrupt()])": ("error", "BaseExceptionGroup"),
    "def down(n): return down(n + 1) + 1\ndown(0)": ("completed", "RecursionError"),
    "await Weird()": ("completed", "Task got bad yield: 42"),
    "for task in asyncio.all_tasks(): task.cancel()\nawait asyncio.sleep(1)": ("completed", "CancelledError"),
    "asyncio.get_running_loop().stop()\nawait asyncio.sleep(1)": ("completed", None),
    "asyncio.create_task(leave(SystemExit()))\nawait asyncio.sleep(1)": ("completed", None),
    "event = LogEvent('x')\nevent.name = Broken()\nyield event": ("completed", "an event's name is some text"),
    "event = LogEvent('x')\nevent.name = '\\ud800'\nyield event": ("completed", None),
    "event = LogEvent('x')\nevent.data = 5\nyield event": ("completed", "its data a dict"),
    "context.data = None": ("completed", None),
    "context._experiments = None": ("error", "'NoneType' object has no attribute"),
    "d = []\nfor n in range(60): d = [d, d]\ncontext.set_data('d', d)": ("completed", None),
    "context.create_task(leave(ValueError()), name=5)": ("completed", "ValueError"),
}


@pytest.mark.parametrize("code", BAD, ids=lambda code: code[:40])
def test_a_handler_that_does_its_worst_costs_itself_alone(code):
    status, said = BAD[code]
    bad, good = (play(misbehaving(code), [text]) for text in ("bad", "hi"))
    assert bad.status == status
    assert (said or "") in (bad.session["error"] or "")
    assert bad.record._repr_html_()
    assert (good.status, good.said, good.errors) == ("completed", ["ok"], [])


POSIX = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no such timer")

# --- the process -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import json\njson.loads = None", "json.loads"),
        ("import builtins\nbuiltins.sorted = None", "builtins.sorted"),
        ("import builtins\nbuiltins.answer = 42", "builtins.answer"),
        ("random.Random.random = lambda self: 0.5", "random.Random.random"),
        ("asyncio.sleep = None", "asyncio.sleep"),
        ("TextToSpeechEvent.__init__ = None", "primfunctions.events.TextToSpeechEvent.__init__"),
        ("import sys\nsys.setrecursionlimit(5000)", "sys.setrecursionlimit"),
        ("import gc\ngc.disable()", "gc.disable"),
        ("import gc\ngc.callbacks.append(print)", "gc.callbacks"),
        ("import pickle\npickle.dumps = None", "pickle.dumps"),
        ("import sys\nsys.meta_path.clear()", "sys.meta_path"),
        pytest.param("import signal\nsignal.setitimer(0, 1000)", "signal.setitimer", marks=POSIX),
        pytest.param("import signal\nsignal.signal(signal.SIGALRM, print)", "signal.signal", marks=POSIX),
    ],
)
def test_what_a_session_replaces_in_its_process_is_put_back_and_said(code, name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        record = vl.run(misbehaving(code), ["bad"])
        assert [note.written.split()[0] for note in record.notes if note.rule == "process_changed"] == [name]
        assert vl.run(misbehaving(code), ["hi"]).status == "completed"
    assert ProcessState().changed() == []


def test_what_a_library_in_cpp_shares_in_its_process_is_no_change_by_the_session(monkeypatch):
    state = ProcessState()
    monkeypatch.setattr(builtins, "__pybind11_internals_v4_test__", object(), raising=False)
    assert state.changed() == []
    monkeypatch.setattr(builtins, "mine", object(), raising=False)
    assert state.changed() == ["builtins.mine"]


@pytest.mark.parametrize("name", ["settrace", "setprofile"])
def test_a_function_that_watches_the_whole_process_is_refused_at_its_line(name):
    record = vl.run(misbehaving(f"import sys\nsys.{name}(lambda *args: None)"), ["bad", "hi"])
    assert record.status == "completed"
    assert [f"sys.{name}(...) would watch" in error.data["message"] for error in record.errors] == [True]
    assert f"sys.{name}(" in record.errors[0].data["traceback"]
    assert vl.run(misbehaving("event.name"), ["hi"]).status == "completed"


@pytest.mark.parametrize(
    ("more", "why", "said"),
    [("", "failed", "Virtual time stands still"), ("import json\njson.dumps = None\n", "unfit", "json.dumps")],
)
def test_a_session_that_makes_time_stand_still_ends_no_run(more, why, said):
    still = "loop = asyncio.get_running_loop()\nloop._due = lambda: float('inf')\nawait loop.create_future()"
    job = Job(SessionOptions.checked(misbehaving(more + still), ["bad"]))
    stopped = run_sessions(job, ShardTask(Path(), 0, "", 0, 1, {}, alone=True), []).stopped
    assert stopped.why == why
    assert said in f"{stopped.offence}{stopped.failure}"


def test_a_session_replaces_its_loops_methods_for_itself_alone():
    given = "if context.get_data('first'): asyncio.get_running_loop().call_later = None\nawait asyncio.sleep(1)"
    job = Job(SessionOptions.checked(misbehaving(given), ["bad"]))
    task = ShardTask(Path(), 0, "", 0, 2, {}, parameters=[{"first": True}, {"first": False}])
    first, second = run_sessions(job, task, []).rows
    assert first.session[column("sessions", "error")]
    assert second.session[column("sessions", "error")] is None


def test_rows_that_a_process_can_not_write_after_its_sessions_are_written_by_another(tmp_path, monkeypatch):
    def refuses(*_):
        raise OSError("File too large")

    monkeypatch.setattr(worker, "stage_shard", refuses)
    worker.begin_run()
    job = Job(SessionOptions.checked(SILENT, ["hi"]))
    (tmp_path / SPECULATIVE / "s").mkdir(parents=True)
    task = ShardTask(tmp_path, 0, "a", 0, 3, {}, staging="s")
    report = worker._report_of(job, task, own=True, apart=False)
    assert (report.stopped.at, report.stopped.why) == (3, "full")
    with pytest.raises(OSError, match="File too large"):  # there no session can have been the reason
        worker._report_of(job, replace(task, before=report.before), own=True, apart=False)


def test_the_process_waits_for_no_thread_that_a_session_leaves_behind():
    go_on = threading.Event()

    async def leaves(event, context):
        if event.name == "text":
            threading.Thread(target=go_on.wait, name="left alone").start()
            ThreadPoolExecutor(1, thread_name_prefix="left in a pool").submit(go_on.wait)
            yield vl.sdk.TextToSpeechEvent(text="ok", voice="nova")

    try:
        assert vl.run(leaves, ["hi"]).n_errors == 0
        left = [thread for thread in threading.enumerate() if thread.name.startswith("left")]
        assert [thread.daemon for thread in left] == [True, True]
        assert not any(thread in pools._threads_queues for thread in left)
    finally:
        go_on.set()
    assert threading.Thread.start.__module__ == "threading"


def test_a_long_text_of_the_callers_is_looked_at_before_it_is_written(monkeypatch):
    """Unlooked at, 100 MB of it end the process: the encoder crashes where it doesn't get eight bytes a character."""
    written = []
    monkeypatch.setattr(rows, "dumps", lambda value: written.append(value) or encode(value).encode())
    record = vl.run(SILENT, ["x" * 20_000, "short"])
    assert record.status == "completed"
    texts = [value["text"] for value in written if "text" in value]
    assert texts == ["short"]
    assert all(len(value.get("content", "")) < 10_000 for value in written)


def test_between_two_steps_of_a_loop_no_line_is_to_blame_not_even_of_whoever_runs_the_session():
    seen = []

    class Loop(asyncio.SelectorEventLoop):
        def _run_once(self):
            seen.append(users_frame(sys._getframe(1)))  # as the watcher may find the thread: in run_forever itself
            super()._run_once()

    loop = Loop()
    try:
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        loop.close()
    assert seen
    assert set(seen) == {None}
