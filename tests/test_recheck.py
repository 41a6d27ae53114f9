"""`simulate(check=True)`: sessions run again, and what makes the difference where they come to other rows."""

import re

import pytest

import voicelab as vl
from voicelab.base.errors import InputError
from voicelab.cli import main
from voicelab.simulation import recheck
from voicelab.simulation.lone_process import LoneProcesses
from voicelab.simulation.recheck import checked_indexes

SPEAKS = """{top}
async def handler(event, context):
    if event.name == "text":
        {body}
        yield TextToSpeechEvent(text=f"It is {{x}}", voice="nova")
"""
N = 120


@pytest.fixture(scope="module")
def processes():
    """Processes for all tests of this file: to start one takes longer than what a test does."""
    kept = {}
    yield kept
    for own in kept.values():
        LoneProcesses.close(own)


@pytest.fixture(autouse=True)
def shared(processes, monkeypatch):
    class Shared(LoneProcesses):
        def __new__(cls, *arguments):
            if arguments not in processes:
                processes[arguments] = super().__new__(cls)
                LoneProcesses.__init__(processes[arguments], *arguments)
            return processes[arguments]

        def __init__(self, *_):
            pass

        def close(self):
            if self._server is not None and self._server.poll() is not None:
                super().close()

    monkeypatch.setattr(recheck, "LoneProcesses", Shared)


def remarks(body, top="", sessions=N, **more):
    """Return what is said of a handler's run."""
    source = SPEAKS.format(body=body, top=top)
    log = vl.simulate(source, ["hi", "there"], sessions=sessions, seed=1, workers=1, progress=False, check=True, **more)
    return log.manifest["remarks"]


IN_THREAD = "import threading, random, time; l = []; t = threading.Thread(target=lambda: l.append({})); t.start(); t.join(); x = l[0]"


@pytest.mark.parametrize(
    ("body", "top", "cause"),
    [
        ("x = T", "import time\nT = time.time()", "the wall clock"),
        ("f = tempfile.NamedTemporaryFile(); x = os.stat(f.name).st_mtime_ns", "import os, tempfile", "the wall clock"),
        ("x = rng.random()", "import numpy\nrng = numpy.random.default_rng()", "a generator that the run's seed"),
        (IN_THREAD.format("random.random()"), "", "a generator that the run's seed"),
        ("x = T, U", "import time, uuid\nT, U = time.time(), uuid.uuid4()", "both the wall clock and a generator"),
        ("x = list({'a', 'b', 'c', 'd', 'e'})", "", "the order of a set"),
        ("count[0] += 1; x = count[0]", "count = [0]", "a global that survives from session to session: count"),
        ("x = handler.n = getattr(handler, 'n', 0) + 1", "", "a global that survives from session to session."),
        ("x = id(object())", "", "an object's address"),
        ("import os; x = os.getpid()", "", "none of what can be held still"),
    ],
)
def test_the_cause_and_the_first_event_that_differs_are_named(body, top, cause):
    (said,) = remarks(body, top)
    which = re.search(r"in session (\d+) event (\d+) \(text_to_speech at .*\) differs: its text .It is (.*). became .It is (.*).\. ", said)  # fmt: skip
    assert which, said
    assert which[3] != which[4]
    assert f"The cause is {cause}" in said
    assert int(which[1]) in checked_indexes(1, N)
    assert f"log.session({which[1]})" in said


def test_a_file_that_sessions_count_in_is_named(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("1")
    (said,) = remarks(
        f"p = pathlib.Path({str(counter)!r}); x = int(p.read_text()) + 1; p.write_text(str(x))", "import pathlib"
    )
    assert f"a file that sessions write and read: {counter}" in said


def test_what_has_changed_outside_since_the_run_is_told_from_the_rest(tmp_path, monkeypatch):
    place = tmp_path / "price"
    place.write_text("10")
    compared = recheck.Recheck.remarks

    def later(self, stops):
        place.write_text("11")
        return compared(self, stops)

    monkeypatch.setattr(recheck.Recheck, "remarks", later)
    (said,) = remarks(f"x = pathlib.Path({str(place)!r}).read_text()", "import pathlib")
    assert "something outside that has changed since the run" in said
    assert "'It is 10' became 'It is 11'" in said


def test_an_outcome_that_differs_where_no_event_does_is_told():
    (said,) = remarks("count[0] += 1; context.set_data('n', count[0]); x = 1", "count = [0]")
    assert "all events are the same, and its data" in said
    assert "survives from session to session: count" in said


CALM = """import random, uuid, secrets, datetime, numpy
        drawn = random.random(), uuid.uuid4(), secrets.token_hex(), datetime.datetime.now(), numpy.random.default_rng().random()
        unsaid = time.process_time(), T
        cache.setdefault("k", 3)
        x = drawn, sorted({"a", "b", "c", "d", "e"}), cache["k"]"""


def test_of_sessions_that_come_out_the_same_nothing_is_said_whatever_they_ask(capfd):
    assert remarks(CALM, "import time\nT = time.time()\ncache = {}") == []
    assert "again" not in capfd.readouterr().err


def test_the_log_is_the_same_to_the_byte_whether_it_is_checked_or_not(tmp_path):
    source = SPEAKS.format(body="import random; x = random.random()", top="")
    for name, check in (("plain", False), ("checked", True)):
        vl.simulate(source, ["hi"], sessions=N, workers=1, progress=False, log=tmp_path / name, check=check)
    shards = [sorted((tmp_path / name).rglob("*.parquet")) for name in ("plain", "checked")]
    assert len(shards[0]) > 3
    for one, other in zip(*shards, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_session_that_ends_its_process_the_second_time_is_named(tmp_path):
    flag = tmp_path / "flag"
    log = tmp_path / "log"
    body = f"x = os._exit(1) if os.path.exists({str(flag)!r}) else 1"
    compared = recheck.Recheck.remarks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recheck.Recheck, "remarks", lambda self, *rest: (flag.write_text(""), compared(self, *rest))[1])
        said = remarks(body, "import os", log=log)
    first = checked_indexes(1, N)[0]
    assert f"Session {first} ended its process when it was run again" in said[0]


def test_one_session_in_a_hundred_is_chosen_and_at_least_one():
    chosen = checked_indexes(7, 1_000)
    assert [index // 100 for index in chosen] == list(range(10))
    assert len({index % 100 for index in chosen}) > 5  # not the same place of each hundred: callers may go round
    assert chosen == checked_indexes(7, 1_000) != checked_indexes(8, 1_000)
    assert checked_indexes(7, 1) == [0]


def test_parameters_of_each_session_and_stopped_tests_are_as_they_were():
    import pandas as pd

    frame = pd.DataFrame({"name": [f"n{index}" for index in range(N)]})
    assert remarks("x = context.get_data('name')", parameters=frame) == []
    test = "context.experiment('t', {'a': 0.5, 'b': 0.5}, stop={'max_iterations': 20, 'default': 'a'})"
    assert not any("again" in remark for remark in remarks(f"x = {test}"))


def test_a_finished_log_has_nothing_to_check_and_that_is_said(tmp_path, capfd):
    for _ in range(2):
        remarks("x = 1", log=tmp_path / "log", sessions=20)
    assert "check=True has run nothing again" in capfd.readouterr().err


def test_it_is_a_switch():
    with pytest.raises(InputError, match="check is 'yes'"):
        vl.simulate("clinic", ["hi"], sessions=1, check="yes")


def test_the_command_takes_it(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "handler.py").write_text(SPEAKS.format(top="count = [0]", body="count[0] += 1; x = count[0]"))
    line = ["simulate", "handler.py", "-n", "20", "--workers", "1", "--quiet", "--log", "log", "--check", "--json"]
    assert main(line) == 0
    out, err = capsys.readouterr()
    assert "survives from session to session: count" in err
    assert "survives from session to session: count" in out
