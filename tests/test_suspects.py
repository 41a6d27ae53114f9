"""One session costs itself alone: whatever it does to its process, every other is as if it had not happened."""

import contextlib
import json
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

import voicelab as vl
from voicelab.base.errors import LogError, SimulationError
from voicelab.log.parts import Part
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation import alone, oversight, pool, simulation_run, suspects, verdicts
from voicelab.simulation.alone import Outcome, run_alone
from voicelab.simulation.journal import telling_unwritten
from voicelab.simulation.note import Note
from voicelab.simulation.worker import ShardTask

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")

HANDLER = """
import builtins, ctypes, json, os, re, signal, threading
from primfunctions.events import TextToSpeechEvent

C, KEPT = ctypes.CDLL(None), []

async def handler(event, context):
    does = context.get_data("does")
    if event.name == "start":
        context.add_test("greeting", {"a": 0.5, "b": 0.5})
        context.add_outcome("booked", "boolean")
        yield TextToSpeechEvent(text="Hello " + context.get_test("greeting"))
    if event.name == "text":
        context.set_outcome("booked", "yes" in event.data["text"])
        yield TextToSpeechEvent(text="One moment.")
        if does == "exits": os._exit(3)
        if does == "stops": C.kill(os.getpid(), 19)
        if does == "forks": C.fork()
        if does == "closes": os.closerange(3, 500)
        if does == "computes": re.match("(a+)+$", "a" * 60 + "b")
        if does == "ignores": signal.signal(signal.SIGXCPU, signal.SIG_IGN); re.match("(a+)+$", "a" * 60 + "b")
        if does == "fills": bytearray(4 * 2**30)
        if does == "leaves": threading.Thread(target=lambda: C.sleep(100000)).start()
        if does == "replaces": builtins.len = json.dumps = lambda *args: 1 / 0
        if does == "signals": os.kill(os.getpid(), 9)
        if does == "splits": os.fork()
        yield TextToSpeechEvent(text="Goodbye.")
"""
LINES = {
    does: n for n, line in enumerate(HANDLER.splitlines(), 1) if "if does ==" in line for does in [line.split('"')[1]]
}
DOES = {
    7: "exits",
    40: "replaces",
    52: "stops",
    61: "forks",
    75: "closes",
    88: "computes",
    93: "ignores",
    101: "fills",
    110: "leaves",
    111: "signals",
    112: "splits",
}
FAILED, OVERDUE = {"exits", "closes", "replaces", "fills"}, {"stops", "computes", "ignores"}
N = 120
TABLES = ("sessions", "events", "exposures", "outcomes", "metrics")


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 30)


def simulated(folder, does=None, sessions=N, limits=None, **options):
    # The same run but for what single sessions do: the parameters are a function, so that their rows alone differ.
    own = does or {}
    return vl.simulate(
        HANDLER,
        vl.Script(["yes"]),
        sessions,
        log=folder,
        parameters=lambda index: {"does": own.get(index, "")},
        progress=False,
        limits=limits or vl.Limits(cpu_s=0.5),
        workers=1,
        **options,
    )


def rows_of(log, table):
    """Return the rows of a table as text, of the sessions that do nothing; ids differ from run to run."""
    ids = log.sessions().set_index("session_id")["session_index"]
    frame = getattr(log, table)()
    frame.insert(0, "index", frame["session_id"].map(ids))
    frame = frame[~frame["index"].isin(DOES)]
    return frame.drop(columns=["session_id", "run_id"], errors="ignore").to_csv(index=False).splitlines()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_run, "SHARD_SIZE", 30)
        return simulated(tmp_path_factory.mktemp("undisturbed") / "log")


@pytest.fixture(scope="module")
def disturbed(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_run, "SHARD_SIZE", 30)
        patch.setattr(suspects, "_LOOKS", 2)
        patch.setattr(oversight, "SPARE_S", 1.0)
        return simulated(tmp_path_factory.mktemp("disturbed") / "log", DOES)


def test_every_other_session_is_as_if_it_had_not_happened(undisturbed, disturbed):
    for table in TABLES:
        rows = rows_of(disturbed, table)
        assert rows == rows_of(undisturbed, table)
        assert table == "metrics" or len(rows) > N - len(DOES)


def test_what_a_session_does_to_its_process_is_told_with_its_line(disturbed):
    sessions = disturbed.sessions().set_index("session_index")
    for index, does in DOES.items():
        record = disturbed.session(index)
        assert sessions["status"][index] == (
            "error" if does in FAILED else "timeout" if does in OVERDUE else "completed"
        ), does
        if does in {"forks", "leaves"}:
            assert not record.errors
            continue
        data = record.errors[0].data
        assert data["message"] == sessions["error"][index]
        if does not in {"closes", "replaces"}:
            assert data["line"] == LINES[does], does
        # What was said before is there as well.
        assert [event.data["text"] for event in record.events if event.name == "text_to_speech"][1] == "One moment."
        assert "One moment." in record._repr_html_()


def test_a_session_out_of_memory_ends_with_what_to_write_to_allow_more(disturbed):
    error = disturbed.session(101).errors[-1].data
    assert error["limit"] == "memory_mb"
    assert f"its limit of 1,024 MB of memory, at handler.py:{LINES['fills']}." in error["message"]
    assert "limits=vl.Limits(memory_mb=" in error["message"]


def test_each_culprit_is_said_once_the_run_has_ended(disturbed):
    said = " ".join(disturbed.manifest["remarks"])
    for index in (7, 40, 52, 88):
        assert f"log.session({index})" in said
    assert "2 sessions left their process unfit for others (40, 75)" in said


def test_nothing_of_a_verdict_is_left_where_a_run_stages(disturbed):
    assert not (disturbed.path / "_spec").exists()
    names = sorted(path.name for path in (disturbed.path / "verdicts").iterdir())
    assert names == [f"session-{index:09d}-all.json" for index in (7, 40, 52, 75, 88, 93, 101)]
    assert disturbed.verify().sound


def test_a_resumed_run_keeps_the_verdicts_and_runs_no_such_session_again(disturbed, tmp_path, monkeypatch):
    shutil.copytree(disturbed.path, tmp_path / "log")
    Part(0, 0).file(tmp_path / "log", "sessions").unlink()
    monkeypatch.setattr(suspects, "run_alone", None)
    log = simulated(tmp_path / "log", DOES, resume=True)
    for path in disturbed.path.glob("*/part-*.parquet"):
        assert (log.path / path.parent.name / path.name).read_bytes() == path.read_bytes()


def test_a_verdict_that_was_changed_does_not_count(disturbed, tmp_path):
    shutil.copytree(disturbed.path, tmp_path / "log")
    path = tmp_path / "log" / "verdicts" / "session-000000007-all.json"
    path.write_text(path.read_text().replace("exit status 3", "exit status 4"))
    run_id = disturbed.manifest["run_id"]
    assert [verdict.index for verdict in verdicts.stored(tmp_path / "log", run_id)] == [40, 52, 75, 88, 93, 101]
    assert not verdicts.stored(tmp_path / "log", "another run")
    assert json.loads(path.read_text())["session"] == 7


def test_more_deaths_than_allowed_end_the_run_and_are_named(tmp_path):
    does = {0: "exits", 1: "exits"}
    with pytest.raises(SimulationError, match=r"2 sessions .*limits.deaths=1 .*0, 1.*resume=True.*deaths=10"):
        simulated(tmp_path / "log", does, 3, vl.Limits(cpu_s=1.0, deaths=1))
    # What remains runs in threads of this process, where another death would end the test.
    with ThreadPoolExecutor(1) as executor:
        log = simulated(tmp_path / "log", does, 3, vl.Limits(cpu_s=1.0, deaths=2), resume=True, executor=executor)
    assert list(log.sessions()["status"]) == ["error", "error", "completed"]
    assert "2 sessions ended the process that they ran in (0, 1)" in log.manifest["remarks"][0]


def test_the_line_is_that_of_the_session_whichever_thread_the_signal_reaches(tmp_path):
    dump = tmp_path / "overdue"
    dump.write_text(
        'Current thread 0x1 (most recent call first):\n  File "/home/ann/agent/pool.py", line 3 in waits\n\n'
        'Thread 0x2 (most recent call first):\n  File "/home/ann/agent/main.py", line 7 in price\n'
        '  File "/home/ann/agent/main.py", line 12 in handler\n'
    )
    assert alone._overdue_at(dump) == ("/home/ann/agent/main.py", 7, "price")
    dump.write_text("")
    assert alone._overdue_at(dump) is None


def test_processor_time_is_read_as_ps_writes_it_too():
    assert [oversight.seconds_of(text) for text in ("0:01.25\n", "00:02:03", "1-02:03:04")] == [1.25, 123, 93784]


def test_an_executor_of_the_users_that_a_session_breaks_is_replaced_and_the_run_goes_on(tmp_path):
    with ProcessPoolExecutor(1) as executor, pytest.raises(SimulationError, match="takes no more work"):
        simulated(tmp_path / "log", {1: "exits"}, 3, executor=executor)
    with ProcessPoolExecutor(1) as executor:
        log = simulated(tmp_path / "log", {1: "exits"}, 3, executor=executor, resume=True)
    assert list(log.sessions()["status"]) == ["completed", "error", "completed"]


def test_a_session_that_others_died_beside_is_held_guilty_of_none_of_these_deaths(tmp_path, monkeypatch):
    found = suspects.Suspects(Job(SessionOptions(vl.load_handler(HANDLER), vl.Script(["yes"]))), b"", tmp_path)
    task = ShardTask(tmp_path, 0, "", 0, 30, {}, staging="run")
    task.note_path.parent.mkdir(parents=True)
    dies = {"lived": False, "how": "with exit status 3", "kind": "death"}
    monkeypatch.setattr(
        suspects, "run_alone", lambda job, one, processes, cpu_s, traced: Outcome(None, **dies if one.first else {})
    )
    for index in range(1, 6):
        # Session 0 has left a thread, and so is suspected first whoever ends the worker.
        with task.note_path.open("w+b") as file:
            note = Note(file.fileno())
            note.blame(0)
            note.begin(index)
        assert found.lost([task]) == []
    assert found.sessions_of("death") == [1, 2, 3, 4, 5]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no device that is always full")
def test_a_full_disk_makes_no_verdict_on_the_session_of_which_nothing_could_be_kept(tmp_path):
    class Full:
        """A process whose session could write nothing, and which ends like one that was ended by it."""

        pid = 0

        def __init__(self, folder, device):
            with contextlib.suppress(OSError), telling_unwritten(folder), Path(device).open("wb", buffering=0) as file:
                file.write(b"rows")

        def wait(self, timeout):
            return 1

    class Processes:
        def __init__(self, device):
            self.device = device

        def started(self, payload):
            return contextlib.nullcontext(Full(payload[2], self.device))

    task = ShardTask(tmp_path, 0, "", 0, 1, {}, staging="run")
    task.note_path.parent.mkdir(parents=True)
    with pytest.raises(LogError, match="No space left"):
        run_alone(b"", task, Processes("/dev/full"), 10.0, traced=False)
    # What is no fault of the disk's is the session's.
    assert not run_alone(b"", task, Processes(tmp_path), 10.0, traced=False).lived


def test_a_leak_over_sessions_replaces_the_worker_and_blames_nobody(tmp_path, monkeypatch):
    leak = HANDLER.replace('yield TextToSpeechEvent(text="Goodbye.")', "KEPT.append(bytearray(2**20))").replace(
        'context.get_data("does")', '""'
    )
    made = []
    monkeypatch.setattr(pool, "_child_processes", lambda n, make=pool._child_processes: made.append(n) or make(n))
    limits = vl.Limits(memory_mb=40)
    log = vl.simulate(leak, ["hi"], N, log=tmp_path / "log", workers=1, limits=limits, progress=False)
    assert len(made) > 1
    assert ["Worker processes were replaced 3 times" in remark for remark in log.manifest["remarks"]] == [True]
    assert set(log.sessions()["status"]) == {"completed"}
    assert not log.sessions()["n_errors"].any()
    assert not Path(log.path, "verdicts").exists()
