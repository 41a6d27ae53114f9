"""`executor=`: a cluster of Dask, or whatever else has `submit`; the log is the local one's to the byte, whatever happens.

One cluster of processes and one of threads serve all tests: to start a process takes longest.
"""

import contextlib
import gc
import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import dask
import distributed
import numpy as np
import pytest

import voicelab as vl
from voicelab.base.errors import InputError, LogError, SimulationError
from voicelab.log.write import staging
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation import driver, executors, simulation_run, worker
from voicelab.simulation.pickling import pack
from voicelab.simulation.worker import ShardTask, run_shard, shard_packed

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning"),
    pytest.mark.filterwarnings("ignore:The executor's processes were started without"),
]

HANDLER = """
import random
import numpy as np

words = set("one two three four five six seven".split())

async def handler(event, context):
    if event.name == "start":
        context.add_outcome("booked", "boolean")
        context.add_test("tone", {"a": 0.5, "b": 0.5}, stop={"max_iterations": 55, "default": "a"})
        context.set_data("drawn", [random.random(), float(np.random.random())])
        yield TextToSpeechEvent(text=context.get_test("tone") + " " + "".join(sorted(words)))
    if event.name == "text":
        context.set_outcome("booked", random.random() < 0.4)
"""
SESSIONS = 118
LONG_S = 120.0
"""How long something may take that is waited for, on a machine that does much else."""


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(simulation_run, "SHARD_SIZE", 10)


def simulate(log, handler=HANDLER, **options):
    return vl.simulate(handler, ["hi", "yes"], SESSIONS, seed=5, log=log, progress=False, **options)


def hashes(folder):
    """Return what a log consists of, but for its manifest; nothing unfinished is among it."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.name != "manifest.json"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Return what the log of the run consists of, made here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation_run, "SHARD_SIZE", 10)
        return hashes(simulate(tmp_path_factory.mktemp("local") / "log", workers=1).path)


@contextlib.contextmanager
def connected(address):
    with distributed.Client(address, set_as_default=False, timeout=f"{LONG_S} s") as client:
        yield client


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """Yield the address of a cluster of two processes, one of them with four threads."""
    own = {"local_directory": str(tmp_path_factory.mktemp("dask")), "host": "127.0.0.1", "dashboard": False}
    nannies = {n: {"cls": distributed.Nanny, "options": {"nthreads": n, **own}} for n in (1, 4)}
    scheduler = {"cls": distributed.Scheduler, "options": {"host": "127.0.0.1", "port": 0, "dashboard": False}}
    settings = {"distributed.comm.timeouts.connect": LONG_S}
    with dask.config.set(settings), distributed.SpecCluster(nannies, scheduler, silence_logs="ERROR") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def threads(tmp_path_factory):
    """Yield a cluster of two workers that are threads of this process."""
    with distributed.LocalCluster(
        2,
        threads_per_worker=2,
        processes=False,
        dashboard_address=None,
        host="127.0.0.1",
        protocol="tcp",
        local_directory=str(tmp_path_factory.mktemp("dask")),
        silence_logs="ERROR",
    ) as cluster:
        yield cluster


@pytest.fixture
def at_shard(monkeypatch):
    """Have something done once, just before a shard is settled."""

    def at(number, do):
        settle, done = driver.settle_shard, []

        def settle_after(root, shard, tag):
            if shard == number and not done:
                done.append(shard)
                do()
            settle(root, shard, tag)

        monkeypatch.setattr(driver, "settle_shard", settle_after)

    return at


# --- a cluster ---------------------------------------------------------------------------------------------------------


def test_a_cluster_of_one_and_of_four_threads_writes_the_local_log(processes, tmp_path, monkeypatch, local):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")  # where no worker stands
    with connected(processes) as client:
        assert hashes(simulate("log", executor=client).path) == local
        assert vl.open_log("log").manifest["workers"] == 2


def test_two_runs_at_once_share_a_cluster(processes, tmp_path, local):
    with connected(processes) as client, ThreadPoolExecutor(2) as runs:
        # One through Dask's executor, which would answer the same call with the same result, and repeats what fails.
        given = [client, client.get_executor(pure=True, retries=2)]
        logs = runs.map(lambda n: simulate(tmp_path / str(n), executor=given[n]), range(2))
        assert [hashes(log.path) for log in logs] == [local, local]


def test_a_worker_that_is_killed_in_the_middle_costs_nothing_but_time(processes, tmp_path, at_shard, local):
    with connected(processes) as client:

        def kill():
            workers = client.run(os.getpid)
            os.kill(min(workers.values()), signal.SIGKILL)

        at_shard(3, kill)
        assert hashes(simulate(tmp_path / "log", executor=client).path) == local


def test_the_recipe_of_two_machines_runs(processes, tmp_path, monkeypatch, local):
    text = (Path(__file__).parent.parent / "docs" / "cluster.md").read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "vl.simulate" in block)
    assert code.count("tcp://first:8786") == code.count('"/shared/runs/greeting"') == 1
    code = code.replace("tcp://first:8786", processes).replace("/shared/runs/greeting", str(tmp_path / "log"))
    code = code.replace('"agent/handler.py"', "HANDLER").replace("1_000_000", str(SESSIONS))
    names = {"HANDLER": HANDLER}
    exec(code, names)
    names["client"].close()
    assert len(names["log"].sessions()) == SESSIONS


# --- what happens to a cluster -----------------------------------------------------------------------------------------


def test_work_that_is_called_off_runs_again(threads, tmp_path, at_shard, local):
    with connected(threads.scheduler_address) as client:

        def call_off():
            client.cancel([distributed.Future(key, client) for key in list(client.futures)], force=True)

        at_shard(3, call_off)
        assert hashes(simulate(tmp_path / "log", executor=client).path) == local


def test_workers_may_go_and_come(threads, tmp_path, at_shard, local):
    with connected(threads.scheduler_address) as client:

        def change():
            before = list(client.nthreads())
            threads.scale(3)
            client.wait_for_workers(3, timeout=LONG_S)
            client.retire_workers(before[:1])

        at_shard(3, change)
        assert hashes(simulate(tmp_path / "log", executor=client).path) == local


def test_work_whose_report_gets_lost_runs_again(threads, tmp_path, monkeypatch, local):
    monkeypatch.setattr(executors, "_IDLE_S", 0.0)
    tell, lost = distributed.cfexecutor._cascade_future, []

    def tell_all_but_one(future, ours):
        if lost:
            return tell(future, ours)
        lost.append(ours)
        return None

    monkeypatch.setattr(distributed.cfexecutor, "_cascade_future", tell_all_but_one)
    with connected(threads.scheduler_address) as client:
        assert hashes(simulate(tmp_path / "log", executor=client).path) == local
    with pytest.raises(CancelledError, match="knows nothing of it"):
        lost[0].result(0)


def test_a_client_that_is_closed_ends_the_run_with_what_is_kept(threads, tmp_path, at_shard, local):
    with connected(threads.scheduler_address) as client:
        at_shard(3, client.close)
        with pytest.raises(SimulationError, match=r"scheduler is lost.*[34]0 of 118 sessions are logged .*resume=True"):
            simulate(tmp_path / "log", executor=client)
    assert not list((tmp_path / "log").glob("_*"))
    with connected(threads.scheduler_address) as client:
        assert hashes(simulate(tmp_path / "log", executor=client, resume=True).path) == local


def test_a_scheduler_that_is_killed_ends_the_run_and_one_without_workers_is_said(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(executors, "_NOBODY_S", 0.0)
    monkeypatch.setattr(executors, "_COUNT_S", 0.0)
    file = tmp_path / "scheduler.json"
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    scheduler = subprocess.Popen(
        [*command, "--no-dashboard", "--no-show", "--scheduler-file", str(file)],
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        cwd=tmp_path,
    )
    told = threading.Event()
    write = sys.stderr.write
    monkeypatch.setattr(
        sys.stderr, "write", lambda text: (told.set() if "no workers" in text else None, write(text))[1]
    )
    killer = threading.Thread(target=lambda: (told.wait(LONG_S), scheduler.kill()))
    try:
        with distributed.Client(scheduler_file=str(file), set_as_default=False, timeout=f"{LONG_S} s") as client:
            client._timeout = 0.5  # how long it looks for a scheduler that is gone
            killer.start()
            with pytest.raises(SimulationError, match=r"scheduler is lost.*0 of 118 sessions are logged .*resume=True"):
                simulate(tmp_path / "log", executor=client)
    finally:
        scheduler.kill()
        scheduler.wait()
        killer.join()
    assert told.is_set()
    assert not list((tmp_path / "log").glob("_*"))


# --- whatever has submit -----------------------------------------------------------------------------------------------


class Twice:
    """An executor that runs each shard twice at once, as a cluster does that takes a worker for dead; the second comes late."""

    def __init__(self):
        self.threads = ThreadPoolExecutor(4)
        self.late = []

    def submit(self, function, packed):
        self.late.append(packed)
        self.threads.submit(function, packed)
        return self.threads.submit(function, packed)


def test_a_shard_that_runs_twice_at_once_is_there_once_and_leaves_nothing_behind(tmp_path, local):
    executor = Twice()
    with executor.threads:
        assert hashes(simulate(tmp_path / "log", executor=executor).path) == local
    for packed in executor.late:
        with pytest.raises(SimulationError, match="doesn't find the folder"):
            run_shard(packed)
    assert hashes(tmp_path / "log") == local
    assert not (tmp_path / "log" / "_spec").exists()


def test_a_shard_that_ends_after_its_run_leaves_nothing_behind(tmp_path, monkeypatch):
    stage = worker.stage_shard
    job = pack(Job(SessionOptions(vl.load_handler(HANDLER), vl.Script(["hi"]))))

    def stage_late(root, *shard):
        run.close()
        stage(root, *shard)

    monkeypatch.setattr(worker, "stage_shard", stage_late)
    with contextlib.ExitStack() as run:
        task = ShardTask(tmp_path, 0, "all", 0, 5, {}, staging=run.enter_context(staging(tmp_path)))
        with pytest.raises(LogError, match="can't be written"):
            run_shard(shard_packed("late", job, task, None))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "executor", [lambda: ThreadPoolExecutor(3), lambda: ProcessPoolExecutor(1)], ids=["threads", "processes"]
)
def test_pools_of_the_standard_library_write_the_local_log(tmp_path, executor, local):
    with executor() as own:
        assert hashes(simulate(tmp_path / "log", executor=own).path) == local


def test_a_process_of_somebody_elses_is_left_as_it_was(tmp_path):
    def state():
        return gc.get_threshold(), gc.get_freeze_count(), list(np.random.get_state()[1]), dict(os.environ)  # noqa: NPY002

    before = state()
    with ThreadPoolExecutor(2) as own:
        simulate(tmp_path / "log", executor=own)
    assert state() == before


def test_a_worker_with_other_versions_refuses_and_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "versions_here", lambda: {"voicelab": "0.0.9", "Python": "3.9"})
    named = (
        rf"process {os.getpid()} on .*voicelab {vl.__version__} where this run has 0.0.9, Python .* has 3.9.*Install"
    )
    with ThreadPoolExecutor(1) as own, pytest.raises(SimulationError, match=named):
        simulate(tmp_path / "log", executor=own)


def test_processes_whose_sets_may_have_another_order_are_said(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONHASHSEED", raising=False)
    with ThreadPoolExecutor(1) as own, pytest.warns(UserWarning, match="without PYTHONHASHSEED=6640") as told:
        simulate(tmp_path / "log", executor=own)
    assert sum("PYTHONHASHSEED" in str(warning.message) for warning in told) == 1


class Wrong:
    def submit(self, function, packed):
        return packed


def closed_pool():
    own = ThreadPoolExecutor(1)
    own.shutdown()
    return own


@pytest.mark.parametrize(
    ("executor", "error", "message"),
    [
        (lambda: 5, InputError, "executor is 5, must have a method submit.*workers="),
        (lambda: "tcp://first:8786", InputError, r"Client\('tcp://first:8786'\)"),
        (lambda: ThreadPoolExecutor, InputError, r"It is a class: .*ThreadPoolExecutor\(\)"),
        (Wrong, InputError, "executor.submit returned a bytes, must return a concurrent.futures.Future"),
        (closed_pool, SimulationError, "takes no more work.*0 of 118 sessions"),
    ],
    ids=["a number", "an address", "a class", "no future", "closed"],
)
def test_what_is_no_executor_is_said(tmp_path, executor, error, message):
    with pytest.raises(error, match=message):
        simulate(tmp_path / "log", executor=executor())


def test_what_of_dask_is_no_executor_is_said(threads, tmp_path):
    with pytest.raises(InputError, match=r"a LocalCluster: give a client of it, .*Client\(cluster\)"):
        simulate(tmp_path / "log", executor=threads)
    with connected(threads.scheduler_address) as client:
        pass
    for closed in (client, client.get_executor()):
        with pytest.raises(InputError, match="is a client of Dask that is closed"):
            simulate(tmp_path / "log", executor=closed)
    assert not (tmp_path / "log").exists()


def test_an_executors_workers_say_how_far_a_run_goes_ahead():
    class Own:
        def submit(self, function, packed):
            return Future()

    assert executors.accepted(Own(), 30).at_a_time() == 30
    assert executors.accepted(Own(), None).at_a_time() == executors.default_workers()
    with ThreadPoolExecutor(7) as own:
        assert executors.accepted(own, None).at_a_time() == 7
