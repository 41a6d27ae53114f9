"""The console's kernel half without a browser: messages through the widget, its display, its end."""

import asyncio
import functools
import gc
import json
import sys
import threading
import warnings
import weakref
from pathlib import Path

import ipywidgets
import pytest

import voicelab as vl
from voicelab.base.errors import HandlerError, InputError, LogError
from voicelab.widgets import cell, holding
from voicelab.widgets.cell import close_former, reach_during_cells

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")


async def echo(event, context):
    if event.name == "start":
        yield vl.sdk.TextToSpeechEvent(text="Hello <i>you</i>.", voice="nova")
    elif event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text=f"You said {event.data['text']}.", voice="nova")


PATIENCE_S = 120


class Wired:
    """A console whose messages are kept."""

    def __init__(self, *args, **options):
        self.sent = []
        self.news = threading.Condition()
        self.console = vl.Console(*args, **{"tts": "off", "stt": "off", "seed": 1, **options})
        self.console.send = self._take

    def _take(self, message, buffers=None):
        with self.news:
            self.sent.append(message)
            self.news.notify_all()

    def give(self, **message):
        self.console._handle_custom_msg({"engine": "page", **message}, [])

    def wait(self, there, seconds=PATIENCE_S):
        with self.news:
            assert self.news.wait_for(lambda: any(there(message) for message in self.sent), seconds), self.sent[-3:]

    def phase(self, phase):
        self.wait(lambda m: m["k"] in {"state", "all"} and m["state"].get("phase") == phase)

    def over(self):
        """Wait until the console, which was closed, has ended: on a busy machine this takes longer than `close` waits."""
        thread = self.console._talk._thread._thread
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def wired():
    made = []

    def make(*args, **options):
        made.append(Wired(*args, **options))
        return made[-1]

    yield make
    for one in made:
        one.console.close()


def shows(text):
    return lambda m: m["k"] == "events" and any(line["text"] == text for e in m["events"] for line in e["lines"])


def test_a_conversation_through_the_widgets_messages(wired):
    one = wired(echo)
    one.give(k="hello")
    one.wait(lambda m: m["k"] == "all")
    one.give(k="connect")
    one.phase("live")
    one.give(k="set", name="speed", value=20)
    one.give(k="say", text="hi")
    one.wait(shows("You said hi."))
    one.give(k="hang_up")
    one.phase("ended")
    record = one.console.record
    assert record.status == "hangup"
    assert [part["content"] for part in record.transcript if part["role"] == "user"] == ["hi"]
    assert repr(one.console).startswith("Console(echo, last: SessionRecord(hangup")
    assert json.loads(record.to_json())["session"]["source"] == "typed"


def test_every_message_is_json(wired):
    one = wired("data/agents/clinic")
    one.give(k="hello")
    one.give(k="connect")
    one.phase("live")
    one.give(k="hang_up")
    one.phase("ended")
    json.dumps(one.sent)


def test_closing_ends_the_session_and_logs_it(tmp_path):
    one = Wired(echo, log=tmp_path / "log")
    one.give(k="connect")
    one.phase("live")
    one.console.close()
    one.over()
    assert list(vl.open_log(tmp_path / "log").sessions()["status"]) == ["hangup"]


def test_the_static_copy_has_the_conversation_escaped(wired):
    one = wired(echo)
    assert one.console._static() == f"<div class='vl-static-{one.console.key}'></div>"
    one.give(k="connect")
    one.wait(shows("Hello <i>you</i>."))
    one.give(k="hang_up")
    one.phase("ended")
    copy = one.console._static()
    assert "&lt;i&gt;you&lt;/i&gt;" in copy
    assert "<i>you" not in copy


def test_a_session_from_elsewhere_is_opened_beside_ones_own(wired, tmp_path):
    one = wired(echo, log=tmp_path / "log")
    record = vl.run(echo, ["good morning"], seed=1)
    assert record.rows() == type(record).from_rows(record.rows()).rows()
    one.give(k="hello")
    one.console.show(record)
    one.wait(lambda m: m["k"] == "all" and "You said good morning." in str(m["events"]))
    assert "You said good morning." in one.console._static()
    assert one.console.record is None
    one.give(k="connect")
    one.phase("live")
    one.console.show(record)
    one.wait(lambda m: "A session is running: hang up first" in str((m.get("state") or {}).get("message")))
    one.give(k="hang_up")
    one.phase("ended")
    assert one.console.record.status == "hangup"
    assert len(vl.open_log(tmp_path / "log").sessions()) == 1  # what was opened is not logged
    with pytest.raises(InputError, match="must be what vl.run or log.session"):
        one.console.show("a")
    one.console.close()
    with pytest.raises(InputError, match="console is closed"):
        one.console.show(record)


@pytest.mark.parametrize(
    ("args", "options", "error", "hint"),
    [
        ((5,), {}, InputError, "must be a function"),
        (("no/such.py",), {}, InputError, "no"),
        (("async def handler(event):\n    yield 1\n",), {}, HandlerError, "handler"),
        ((echo,), {"tts": "pikko"}, InputError, "Did you mean 'pico'"),
        ((echo,), {"variants": "warm"}, InputError, "must be {test: variant}"),
        ((echo,), {"keep_audio": True}, InputError, "give log="),
        ((echo,), {"input_data": [17]}, InputError, "must be a dict whose keys"),
    ],
)
def test_a_console_that_can_not_be_is_refused_at_the_door(args, options, error, hint):
    with pytest.raises(error, match=hint):
        vl.Console(*args, **{"tts": "off", "stt": "off", **options})


def test_a_log_of_something_else_is_refused_at_the_door(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "file.txt").write_text("x")
    with pytest.raises(LogError, match="no session log"):
        vl.Console(echo, log=tmp_path / "other", tts="off", stt="off")


# --- cells ---


class _Shell:
    def __init__(self):
        self.parent_header = {"metadata": {"cellId": "cell-1"}}
        self.execution_count = 1


class _Widget:
    closed = False

    def close(self):
        self.closed = True


def test_a_cell_run_again_closes_what_it_made_before(monkeypatch):
    shell = _Shell()
    monkeypatch.setattr(cell, "_shell", lambda: shell)
    monkeypatch.setattr(cell, "_by_cell", {})
    first, beside, second = _Widget(), _Widget(), _Widget()
    close_former(first)
    close_former(beside)
    assert not first.closed
    shell.execution_count = 2
    close_former(second)
    assert first.closed
    assert beside.closed
    shell.parent_header = {"metadata": {"cellId": "cell-2"}}
    close_former(_Widget())
    assert not second.closed


def test_a_cell_run_again_with_a_wrong_argument_leaves_no_session_behind(monkeypatch, wired, tmp_path):
    shell = _Shell()
    monkeypatch.setattr(cell, "_shell", lambda: shell)
    monkeypatch.setattr(cell, "_by_cell", {})
    one = wired(echo, log=tmp_path / "log")
    one.give(k="connect")
    one.phase("live")
    shell.execution_count = 2
    with pytest.raises(InputError):
        vl.Console(echo, tts="pikko")
    one.over()
    assert list(vl.open_log(tmp_path / "log").sessions()["status"]) == ["hangup"]


# --- what handlers do to the thread that runs them ---


def test_a_cleanup_that_takes_longer_than_close_waits_is_logged_all_the_same(tmp_path, monkeypatch):
    go_on = asyncio.Event()

    async def slow(event, context):
        if event.name == "stop":
            await go_on.wait()

    one = Wired(slow, log=tmp_path / "log")
    one.give(k="connect")
    one.phase("live")
    thread = one.console._talk._thread
    monkeypatch.setattr(thread, "close", functools.partial(thread.close, patience_s=0.01))
    one.console.close()
    one.console.close()  # twice is no worse
    assert thread._thread.is_alive()
    thread.post(go_on.set)
    thread._thread.join(PATIENCE_S)
    assert not thread._thread.is_alive()
    assert list(vl.open_log(tmp_path / "log").sessions()["status"]) == ["hangup"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("kind", ["handler", "task", "own task"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_would_end_a_process_ends_its_session_and_the_console_goes_on(wired, kind, error):
    async def leave():
        raise error

    async def leaver(event, context):
        if event.name == "text":
            yield vl.sdk.TextToSpeechEvent(text="Still here.", voice="nova")
            if event.data["text"] == "leave":
                if kind == "handler":
                    raise error
                if kind == "task":
                    context.create_task(leave(), name="leave")
                else:
                    asyncio.get_running_loop().create_task(leave())

    one = wired(leaver)
    one.give(k="connect")
    one.phase("live")
    one.give(k="say", text="leave")
    if kind == "own task":  # which the session knows nothing of
        one.wait(shows("leave"))
        one.give(k="say", text="hello")
        one.wait(
            lambda m: m["k"] == "events" and any(e["turn"] >= 2 and e["name"] == "text_to_speech" for e in m["events"])
        )
        one.give(k="hang_up")
        one.phase("ended")
        assert one.console.record.n_errors == 0
        return
    one.phase("ended")
    record = one.console.record
    assert (record.status, record.n_errors) == ("error", 1)
    assert record.errors[0].data["message"].startswith(error.__name__)
    goes_on(one)


def goes_on(one):
    """Have another conversation at a console."""
    del one.sent[:]
    one.give(k="connect")
    one.phase("live")
    one.give(k="say", text="hello")
    one.wait(shows("Still here."))
    one.give(k="hang_up")
    one.phase("ended")
    assert one.console.record.status == "hangup"


def test_a_session_that_spins_ends_as_timeout_and_the_console_goes_on(wired):
    async def spinner(event, context):
        if event.name == "text":
            yield vl.sdk.TextToSpeechEvent(text="Still here.", voice="nova")
            while event.data["text"] == "spin":
                pass

    one = wired(spinner, limits=vl.Limits(cpu_s=0.3))
    one.give(k="connect")
    one.phase("live")
    one.give(k="say", text="spin")
    one.phase("ended")
    record = one.console.record
    assert (record.status, record.n_errors) == ("timeout", 1)
    assert record.errors[0].data["limit"] == "cpu_s"
    goes_on(one)


def test_a_call_that_holds_everything_up_is_named_while_it_does(wired):
    go_on = threading.Event()

    async def blocks(event, context):
        if event.name == "start":
            go_on.wait(120)
            yield vl.sdk.TextToSpeechEvent(text="At last.", voice="nova")

    one = wired(blocks)
    one.give(k="hello")
    one.give(k="connect")
    one.wait(lambda m: m["k"] == "state" and "go_on.wait(120)" in ((m["state"].get("message") or {}).get("text") or ""))
    go_on.set()
    one.wait(shows("At last."))


def test_switches_that_another_cell_sets_meanwhile_stay_and_what_a_handler_replaces_is_said(wired):
    async def replaces(event, context):
        if event.name == "text":
            json.dumps_all = None
            yield vl.sdk.TextToSpeechEvent(text="Done.", voice="nova")

    one, before = wired(replaces), sys.getrecursionlimit()
    one.give(k="connect")
    one.phase("live")
    one.give(k="say", text="go")
    one.wait(shows("Done."))
    sys.setrecursionlimit(before + 1)
    try:
        one.give(k="hang_up")
        one.phase("ended")
        assert sys.getrecursionlimit() == before + 1
    finally:
        sys.setrecursionlimit(before)
    assert not hasattr(json, "dumps_all")
    changed = [note.written.split()[0] for note in one.console.record.notes if note.rule == "process_changed"]
    assert changed == ["json.dumps_all"]


# --- messages and cells ---


def test_messages_of_the_page_do_not_wait_for_the_shell_that_runs_a_cell():
    class Comm:
        def _reply_subshell_for(self, data, default):
            return "main"

    widget = _Widget()
    widget.comm = Comm()
    reach_during_cells(widget)
    assert widget.comm._reply_subshell_for({}, "subshell") == "subshell"
    widget.comm = object()
    reach_during_cells(widget)  # an older kernel has no such thing


def test_a_console_that_nobody_holds_ends():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = vl.Console(echo, tts="off", stt="off")
        thread = one._talk._thread._thread
        gone = weakref.ref(one._talk)
        one.close()
    del one
    gc.collect()
    thread.join(PATIENCE_S)
    gc.collect()
    assert not thread.is_alive()
    assert gone() is None


def talked(console):
    """Have a session with a console, and return what must be freed with it, weakly held."""
    done, calls = threading.Event(), []

    def send(message, buffers=None):
        if console_ended(message):
            done.set()
        elif (call := console._talk._call) is not None and call.begun and not calls:
            calls.extend([weakref.ref(call), weakref.ref(call._session.context)])
            receive({"engine": "page", "k": "hang_up"})

    console.send = send
    receive = functools.partial(console._handle_custom_msg, buffers=[])
    for message in ({"k": "hello"}, {"k": "connect"}):
        receive({"engine": "page", **message})
    assert done.wait(PATIENCE_S)
    talk, settled = console._talk, threading.Event()
    talk._thread.post(settled.set)
    assert settled.wait(PATIENCE_S)
    console.send = lambda message, buffers=None: None
    return [*(weakref.ref(one) for one in (console, talk, console.record)), *calls]


def console_ended(message):
    return message["k"] == "state" and message["state"].get("phase") == "ended"


def left_of(held):
    gc.collect()
    return [one() for one in held if one() is not None]


def test_a_console_that_was_closed_is_freed_with_its_last_session():
    console = vl.Console(echo, tts="off", stt="off")
    held = talked(console)
    console.close()
    assert console.record is not None
    del console
    assert left_of(held) == []


def test_a_console_that_nobody_names_is_freed_and_ends_its_talk():
    console = vl.Console(echo, tts="off", stt="off")
    held, thread = talked(console), console._talk._thread._thread
    del console
    assert left_of(held[:1]) == []
    thread.join(20)
    assert not thread.is_alive()
    assert left_of(held) == []


def test_a_console_that_a_page_shows_is_kept_until_it_is_closed(capsys):
    console = vl.Console(echo, tts="off", stt="off")
    held = talked(console)
    console._ipython_display_()
    del console
    assert left_of(held[:1]) != []
    held[0]().close()
    assert left_of(held) == []


OURS = ("voicelab", "ipywidgets", "anywidget", "comm", "asyncio", "threading", "concurrent")


def held_by_process():
    """Return what grows with each console that stays: threads, descriptors, widgets by id, objects of these modules."""
    for thread in threading.enumerate():
        if thread.name == "voicelab console echo":
            thread.join(PATIENCE_S)
    gc.collect()
    descriptors = list(Path("/proc/self/fd").iterdir()) if Path("/proc/self/fd").is_dir() else []
    objects = [one for one in gc.get_objects() if str(type(one).__module__).startswith(OURS)]
    return threading.active_count(), len(descriptors), len(ipywidgets.widgets.widget._instances), len(objects)


@pytest.mark.no_cover  # the same lines again and again
def test_many_consoles_that_were_shown_talked_to_and_dropped_leave_nothing_but_the_last_few(capsys):
    held = []

    def talk_and_drop(n):
        for _ in range(n):
            console = vl.Console(echo, tts="off", stt="off")
            held.append(talked(console))
            console._ipython_display_()

    def close_all():
        for parts in held:
            if parts[0]() is not None:
                parts[0]().close()

    talk_and_drop(10)
    close_all()
    before = held_by_process()
    talk_and_drop(30)
    gc.collect()  # once: of a process with thousands of tests it takes most of a second
    assert [any(one() is not None for one in parts) for parts in held] == [False] * 32 + [True] * holding.MOST_SHOWN
    close_all()
    # A console that stays shows in each of these at least once; a few come and go by themselves (pipes, a thread's pool).
    growth = [after - at_first for after, at_first in zip(held_by_process(), before, strict=True)]
    assert max(growth) < len(held[10:]) // 2, growth


def test_a_shown_console_that_a_variable_names_is_never_ended_for_others(capsys):
    mine = vl.Console(echo, tts="off", stt="off")
    mine._ipython_display_()
    others = [vl.Console(echo, tts="off", stt="off") for _ in range(holding.MOST_SHOWN)]
    for other in others:
        other._ipython_display_()
    (kept,) = map(weakref.ref, others[:1])
    del others, other
    gc.collect()
    talked(mine)
    assert kept() is not None
    for key in list(holding._shown):
        if (one := ipywidgets.widgets.widget._instances.get(key)) is not None:
            one.close()
    mine.close()


def test_a_console_in_a_box_is_kept_by_the_box():
    box = ipywidgets.VBox([vl.Console(echo, tts="off", stt="off")])
    (console,) = map(weakref.ref, box.children)
    assert left_of([console]) != []
    assert ipywidgets.widgets.widget._instances[console().model_id].key == console().key
    console().close()
    box.close()
    del box
    assert left_of([console]) == []
