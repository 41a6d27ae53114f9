"""Where shards run: a worker that dies costs nothing but time, and only a shard that dies alone is charged with it."""

import pickle
from collections import Counter
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest

import voicelab as vl
from voicelab.base.errors import SimulationError
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation import pool as pools
from voicelab.simulation import suspects
from voicelab.simulation.alone import Outcome
from voicelab.simulation.executors import LostExecutorError, Remote
from voicelab.simulation.fitness import Stopped
from voicelab.simulation.pool import Pool
from voicelab.simulation.suspects import Suspects
from voicelab.simulation.worker import ShardReport, ShardTask

pytestmark = pytest.mark.filterwarnings("ignore::voicelab.base.errors.GuideCompatWarning")

HANDLER = "async def handler(event, context):\n    yield\n"


class Fragile:
    """An executor in one thread: it runs what it has taken when `run` is called, and breaks where a shard kills it.

    Args:
        kills: Shards that kill their worker, and how often.
        breaks: Whether a death breaks it for good, as it does a process pool; else it loses only what was under way.
        ran: Counts the shards that it ran through.
    """

    made: list["Fragile"]

    def __init__(self, kills, ran, *, breaks=True):
        self.kills, self.ran, self.breaks = kills, ran, breaks
        self.taken, self.broken = [], False

    def submit(self, function, packed):
        if self.broken:
            raise BrokenProcessPool("it is broken")
        future = Future()
        self.taken.append((future, pickle.loads(pickle.loads(packed)[2])[2].number))
        return future

    def run(self):
        while self.taken:
            number = self.taken[0][1]
            if self.kills[number] > 0:
                self.kills[number] -= 1
                lost, self.taken = self.taken, []
                self.broken = self.breaks
                for future, _ in lost:
                    future.set_exception(BrokenProcessPool("a worker died"))
                return
            future, number = self.taken.pop(0)
            self.ran[number] += 1
            future.set_result(pickle.dumps(ShardReport(number)))
            if number % 2:
                return  # so that some are still under way when others are taken


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run 12 shards, at most 6 under way, and return how often each came back."""

    def run(kills, *, foreign=None):
        ran, current = Counter(), []

        def new(_):
            current[:] = [Fragile(kills, ran)]
            return current[0]

        monkeypatch.setattr(pools, "_child_processes", new)
        monkeypatch.setattr(pools, "wait", lambda futures, **_: (current[0].run(), _done(futures))[1])
        if foreign is not None:
            foreign.kills, foreign.ran = kills, ran
            current.append(foreign)
        pool, came, submitted = Pool(b"", foreign and Remote(foreign, 2), 2), Counter(), 0
        while sum(came.values()) < 12:
            while submitted < 12 and submitted - sum(came.values()) < 6:
                pool.submit(ShardTask(tmp_path, submitted, "all", 10 * submitted, 10 * submitted + 10, {}))
                submitted += 1
            came.update(task.number for task, _ in pool.finished())
        return came

    return run


def _done(futures):
    return {future for future in futures if future.done()}, set()


@pytest.mark.parametrize("number", range(12))
def test_a_worker_that_dies_once_costs_nothing_but_time(run, number):
    assert run(Counter({number: 1})) == Counter(range(12))


def test_workers_that_die_on_many_shards_cost_nothing_but_time(run):
    assert run(Counter(dict.fromkeys(range(12), 2))) == Counter(range(12))


@pytest.mark.parametrize("number", range(12))
def test_only_the_shard_that_always_kills_its_worker_is_named(run, number):
    named = f"died 3 times on sessions {10 * number} to {10 * number + 9}, each time with nothing else under way"
    with pytest.raises(SimulationError, match=named):
        run(Counter({number: 1000}))


@pytest.mark.parametrize("number", range(12))
def test_the_users_own_executor_is_treated_alike_where_it_goes_on(run, number):
    assert run(Counter({number: 1}), foreign=Fragile(None, None, breaks=False)) == Counter(range(12))
    with pytest.raises(SimulationError, match=f"on sessions {10 * number} to {10 * number + 9}, each time"):
        run(Counter({number: 1000}), foreign=Fragile(None, None, breaks=False))


def test_a_users_executor_that_is_broken_for_good_is_said_with_all_that_may_have_broken_it(run):
    with pytest.raises(SimulationError, match=r"takes no more work.*One of sessions 0 to 9, .*may have.*resume=True"):
        run(Counter({0: 1}), foreign=Fragile(None, None))


def test_a_submission_that_is_refused_once_is_repeated(run):
    executor = Fragile(None, None, breaks=False)
    submit, calls = executor.submit, []

    def refuse(function, packed):
        calls.append(packed)
        if len(calls) in (1, 5, 9):
            raise BrokenProcessPool("not now")
        return submit(function, packed)

    executor.submit = refuse
    assert run(Counter(), foreign=executor) == Counter(range(12))


def test_an_error_of_the_shards_own_ends_the_run_as_it_is(run):
    class Failing(Fragile):
        def submit(self, function, packed):
            raise ValueError("of its own")

    with pytest.raises(ValueError, match="of its own"):
        run(Counter(), foreign=Failing(None, None))


class Failing:
    """An executor that returns the report of a whole shard, unless this shard is to fail."""

    def __init__(self, fails, tasks, error=None):
        self.fails, self.tasks = fails, tasks
        self.error = error or TypeError("'NoneType' object is not callable")

    def submit(self, function, packed):
        task = pickle.loads(pickle.loads(packed)[2])[2]
        self.tasks.append(task)
        future = Future()
        start = task.first + (len(pickle.loads(task.before)) if task.before else 0)
        stop = task.stop if task.most is None else min(start + task.most, task.stop)
        report = ShardReport(task.number)
        if task.most is not None:
            report.stopped, report.before = Stopped(stop, "full"), pickle.dumps([None] * (stop - task.first))
        if self.fails(task, set(range(start, stop)) - set(task.given)):
            future.set_exception(self.error)
        else:
            future.set_result(pickle.dumps(report))
        return future

    def shutdown(self, **_):
        pass


@pytest.mark.parametrize("error", [None, BrokenProcessPool("it left no note")])
@pytest.mark.parametrize(("guilty", "named"), [(17, [17]), (10, [10]), (39, [39]), (None, [])])
def test_a_session_that_has_its_worker_fail_is_found_and_the_shard_goes_on(monkeypatch, tmp_path, guilty, named, error):
    examined, tasks, once = [], [], [True]

    def fails(task, sessions):
        return once.pop() if guilty is None and once else guilty in sessions

    monkeypatch.setattr(pools, "_child_processes", lambda _: Failing(fails, tasks, error))
    found = Suspects(Job(SessionOptions(vl.load_handler(HANDLER), vl.Script(["yes"]))), b"", tmp_path)
    monkeypatch.setattr(suspects, "run_alone", lambda job, one, *_, **__: examined.append(one.first) or Outcome(None))
    pool = Pool(b"", None, 1, found)
    pool.submit(ShardTask(tmp_path, 0, "all", 10, 40, {}, staging="run"))
    came = []
    while not came:
        came = pool.finished()
    assert examined == named == found.sessions_of("apart")
    assert [report.stopped for _, report in came] == [None]
    assert len(tasks) < 14


def test_a_shard_that_fails_whatever_runs_is_named_with_what_to_do(monkeypatch, tmp_path):
    tasks = []
    monkeypatch.setattr(pools, "_child_processes", lambda _: Failing(lambda *_: True, tasks))
    found = Suspects(Job(SessionOptions(vl.load_handler(HANDLER), vl.Script(["yes"]))), b"", tmp_path)
    pool = Pool(b"", None, 1, found)
    pool.submit(ShardTask(tmp_path, 0, "all", 10, 40, {}, staging="run"))
    assert [pool.finished(), pool.finished()] == [[], []]
    with pytest.raises(SimulationError, match="sessions 10 to 39 failed with TypeError: 'None.*resume=True") as error:
        pool.finished()
    assert isinstance(error.value.__cause__, TypeError)
    assert [task.most for task in tasks] == [None, None, 0]


def test_an_executor_that_is_closed_and_calls_off_whatever_it_is_given_ends_the_run(tmp_path, monkeypatch):
    class Closed:
        n_given = 0

        def submit(self, function, work):
            self.n_given += 1
            assert self.n_given < 100, "it is given the same work for ever"
            future = Future()
            future.cancel()
            future.set_running_or_notify_cancel()
            return future

    def check(self):
        raise LostExecutorError("It is closed.")

    monkeypatch.setattr(Remote, "check", check)
    with pytest.raises(SimulationError, match="It is closed"):
        vl.simulate("clinic", ["hello"], 3, log=tmp_path / "log", executor=Closed(), workers=1, progress=False)
