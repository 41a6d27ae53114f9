"""Who writes a log: one at a time, named to the others, and nobody that is dead."""

import errno
import json
import os
import platform
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
from test_analyze import session, write_log

import voicelab as vl
from voicelab.base.errors import LogError
from voicelab.log import lock
from voicelab.log.append import LiveLog
from voicelab.log.manifest import read_manifest, write_manifest
from voicelab.log.write import stage_shard
from voicelab.simulation import driver, simulation_run

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")
SAYS_HI = "async def handler(event, context):\n    yield TextToSpeechEvent(text='hi')\n"


def simulate(log, sessions=40, **options):
    return vl.simulate(SAYS_HI, ["hi"], sessions, log=log, workers=1, progress=False, **options)


@pytest.fixture(autouse=True)
def small_shards_and_no_patience(monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 10)
    monkeypatch.setattr(lock, "BRIEFLY_S", 0.0)
    monkeypatch.setattr(lock, "ENDING_S", 0.0)


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").mkdir()
    write_log(tmp_path / "log", [session(i) for i in range(5)])
    return tmp_path / "log"


def before_shard(monkeypatch, number, do):
    """Have something happen before a shard is settled."""
    settle = driver.settle_shard

    def patched(root, at, tag):
        if at == number:
            do()
        settle(root, at, tag)

    monkeypatch.setattr(driver, "settle_shard", patched)


HOLDER = """
import sys, pathlib
from voicelab.log import lock
{before}
with lock.hold(pathlib.Path(sys.argv[1]), "a test"):
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(folder: Path, before: str = "") -> subprocess.Popen:
    code = HOLDER.format(before=before)
    process = subprocess.Popen([sys.executable, "-c", code, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"held\n"
    return process


def test_another_process_is_named_and_its_end_frees_the_log(log):
    other = holder(log)
    named = rf"is being written by process {other.pid} on {platform.node()} since 20.*\(a test\). Wait until"
    with pytest.raises(LogError, match=named), lock.hold(log, "mine"):
        pass
    other.communicate()
    with lock.hold(log, "mine"):
        assert json.loads((log / "_lock").read_text())["pid"] == os.getpid()
    assert not (log / "_lock").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="kill -9 is POSIX")
def test_what_a_killed_process_left_is_taken_over_at_once(log):
    other = holder(log)
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert json.loads((log / "_lock").read_text())["pid"] == other.pid
    with lock.hold(log, "mine"):
        assert json.loads((log / "_lock").read_text())["what"] == "mine"
    assert not (log / "_lock").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_forked_child_neither_keeps_nor_frees_its_parents_lock(log):
    with lock.hold(log, "mine") as held:
        child = os.fork()
        if child == 0:
            held.release()
            signal.pause()
        try:
            held.check()
            assert (log / "_lock").exists()
            held.release()
            with lock.hold(log, "mine again"):
                pass
        finally:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def test_another_machines_lock_is_never_taken_over_and_how_to_remove_it_is_said(log):
    (log / "_lock").write_text(
        json.dumps({"pid": 7, "host": "elsewhere", "since": "2026-01-01", "what": "vl.simulate"})
    )
    named = r"process 7 on elsewhere since 2026-01-01.*remove the file .*_lock"
    with pytest.raises(LogError, match=named), lock.hold(log, "mine", wait_s=60):
        pass
    (log / "_lock").unlink()
    with lock.hold(log, "mine"):
        pass


def test_a_run_waits_for_a_killed_process_that_has_not_ended_yet(tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "ENDING_S", 60.0)
    (tmp_path / "log").mkdir()
    ending = lock.hold(tmp_path / "log", "a run that was killed")
    ending.__enter__()
    # The moment at which the run looks again is that at which the other has ended.
    monkeypatch.setattr(lock.time, "sleep", lambda _: ending.__exit__(None, None, None))
    assert len(simulate(tmp_path / "log").sessions()) == 40


@pytest.mark.parametrize("text", ["", "{", "[]", '{"host": ', '{"pid": 1}', '{"host": null}'])
def test_a_torn_lock_that_nobody_holds_is_no_lock(log, text):
    (log / "_lock").write_text(text)
    with lock.hold(log, "mine"):
        pass


def test_a_lock_that_is_a_link_is_not_followed(log, tmp_path):
    (tmp_path / "precious").write_text("precious")
    (log / "_lock").symlink_to(tmp_path / "precious")
    with pytest.raises(LogError, match="it is a link"), lock.hold(log, "mine"):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_of_many_threads_one_at_a_time_holds_a_log(log):
    inside = threading.Lock()

    def write(_):
        with lock.hold(log, "mine", wait_s=120):
            assert inside.acquire(blocking=False)
            inside.release()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(60)))
    assert not (log / "_lock").exists()


@pytest.mark.skipif(not hasattr(lock, "fcntl"), reason="this system's locks have no such errors")
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_that_knows_no_locks_still_tells_who_writes(log, monkeypatch, code):
    def flock(handle, how):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(lock.fcntl, "flock", flock)
    named = f"process {os.getpid()} .*remove the file"
    with lock.hold(log, "mine"), pytest.raises(LogError, match=named), lock.hold(log, "mine too"):
        pass
    with lock.hold(log, "mine"):
        pass


def test_a_run_on_a_disk_without_locks_goes_on_when_what_a_dead_one_left_is_removed(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(lock.fcntl, "flock", none)
    before_shard(monkeypatch, 2, killed)
    with monkeypatch.context() as patch:
        patch.setattr(lock.Lock, "release", lambda _: None)  # nothing is released by who is killed
        with pytest.raises(KeyboardInterrupt):
            simulate(tmp_path / "log")
    monkeypatch.undo()
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 10)
    monkeypatch.setattr(lock.fcntl, "flock", none)
    assert len(vl.open_log(tmp_path / "log").sessions()) == 20
    with pytest.raises(LogError, match=r"can't be seen from here: if it doesn't, remove the file .*_lock"):
        simulate(tmp_path / "log", resume=True)
    (tmp_path / "log" / "_lock").unlink()
    assert len(simulate(tmp_path / "log", resume=True).sessions()) == 40
    assert not (tmp_path / "log" / "_lock").exists()


# --- who holds it ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"resume": True}, {"overwrite": True}, {"overwrite": True, "seed": 1}])
def test_a_second_run_of_a_log_is_refused_by_the_firsts_name(tmp_path, monkeypatch, options):
    refused = []

    def second():
        with pytest.raises(LogError) as error:
            simulate(tmp_path / "log", **options)
        refused.append(str(error.value))

    before_shard(monkeypatch, 2, second)
    assert len(simulate(tmp_path / "log").sessions()) == 40
    assert len(refused) == 1
    assert f"is being written by process {os.getpid()} on" in refused[0]
    assert "vl.simulate of 'handler', 40 sessions" in refused[0]


def test_imports_late_outcomes_and_consoles_wait_for_who_writes(log, tmp_path):
    from test_voicerun import call

    (tmp_path / "s1.json").write_text(json.dumps(call("s1", "formal", True)))
    opened = vl.open_log(log)
    paid = pd.DataFrame({"session_id": ["s001"], "paid": [1.0]})
    live = LiveLog(tmp_path / "live", "run", {})
    with lock.hold(log, "mine"), lock.hold(live.folder, "mine"):
        with pytest.raises(LogError, match=r"is being written by .*\(mine\)"):
            opened.add_outcomes(paid)
        with pytest.raises(LogError, match=r"is being written by .*\(mine\)"):
            vl.voicerun.read(
                tmp_path / "s1.json", log, overwrite=True, weights={"greeting": {"formal": 1, "casual": 1}}
            )
        with pytest.raises(LogError, match=r"is being written by .*\(mine\)"):
            live.add(live.claim(), session(0))
        with pytest.raises(LogError, match=r"is being written by .*\(mine\)"):
            live.keep_audio("0123456789abcdef", b"")
    opened.add_outcomes(paid)
    live.add(live.claim(), session(1))
    assert vl.open_log(log).sessions()["outcome.paid"].sum() == 1
    assert {path.name for path in [*log.iterdir(), *live.folder.iterdir()]} >= {"late"}
    assert not (log / "_lock").exists()


def test_readers_need_no_lock(log):
    with lock.hold(log, "mine"):
        assert len(vl.open_log(log).sessions()) == 5


def test_a_log_is_read_where_nothing_can_be_written(log, monkeypatch):
    def read_only(path, flags, *more, opened=os.open, **options):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *more, **options)

    monkeypatch.setattr(os, "open", read_only)
    before = sorted(log.rglob("*"))
    opened = vl.open_log(log)
    assert (len(opened.sessions()), opened.session("s001").session_index, opened.verify().sound) == (5, 1, True)
    assert len(opened.sql("SELECT * FROM exposures")) == len(opened.exposures())
    with pytest.raises(LogError, match=r"_lock can't be written: Read-only file system"):
        opened.add_outcomes(pd.DataFrame({"session_id": ["s001"], "paid": [1.0]}))
    assert sorted(log.rglob("*")) == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_lock_is_gone_when_a_run_has_ended_in_whatever_way(tmp_path, monkeypatch, error):
    def fail():
        assert (tmp_path / "log" / "_lock").exists()
        raise error

    with monkeypatch.context() as patch:
        before_shard(patch, 2, fail)
        with pytest.raises(error):
            simulate(tmp_path / "log")
    assert not (tmp_path / "log" / "_lock").exists()
    assert simulate(tmp_path / "log", resume=True).finished
    assert {path.name for path in (tmp_path / "log").glob("_*")} == set()


# --- a folder that was replaced all the same ---------------------------------------------------------------------------


def another_run(folder):
    write_manifest(folder, read_manifest(folder) | {"run_id": "another"})


def no_folder(folder):
    folder.rename(folder.with_name("moved"))


def another_folder(folder):
    no_folder(folder)
    folder.mkdir()
    write_log(folder, [session(0)])


def another_lock(folder):
    (folder / "_lock").unlink()
    (folder / "_lock").write_text(json.dumps({"pid": 1, "host": "h", "since": "now", "what": "another run"}))


@pytest.mark.parametrize("replace", [another_run, no_folder, another_folder, another_lock])
@pytest.mark.parametrize("shard", [0, 3], ids=["in the middle", "at the end"])
def test_a_run_whose_folder_was_replaced_never_ends_in_success(tmp_path, monkeypatch, replace, shard):
    folder = tmp_path / "log"
    settle = driver.settle_shard

    def after(root, at, tag):
        settle(root, at, tag)
        if at == shard:
            replace(folder)

    monkeypatch.setattr(driver, "settle_shard", after)
    with pytest.raises(LogError, match="replaced while|can't be written"):
        simulate(folder)
    if replace is another_folder:
        assert len(vl.open_log(folder).sessions()) == 1
    assert not folder.exists() or read_manifest(folder)["status"] == "running" or replace is another_folder


def test_a_folder_that_was_removed_is_not_made_again_by_a_shard_that_comes_late(tmp_path):
    with pytest.raises(LogError, match="can't be written"):
        stage_shard(tmp_path / "log", 0, "all", [session(0)])
    assert not (tmp_path / "log").exists()


def test_a_console_whose_log_was_replaced_keeps_out_of_the_new_one(tmp_path):
    live = LiveLog(tmp_path / "log", "run", {})
    index = live.claim()
    simulate(tmp_path / "log", sessions=5, overwrite=True)
    for write in (lambda: live.add(index, session(0)), live.claim, lambda: live.keep_audio("0" * 16, b"")):
        with pytest.raises(LogError, match="was replaced while run run wrote it"):
            write()
    assert len(vl.open_log(tmp_path / "log").sessions()) == 5
    assert not (tmp_path / "log" / "_spec").exists()
