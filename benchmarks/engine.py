"""What a session costs: `python benchmarks/engine.py [ROUNDS] [--quick]`.

What gates is the sessions that a CPU-second brings, over those of commit 9952bb7, with what is written to the log: each
version runs the same handlers in a process of its own, in turns, and tells its CPU time. That holds on any processor.

Reported beside it, since they differ from one processor to the next: the engine over the bare generator (the handler driven
by a plain loop with the SDK's own context: no runtime, no log), and over the SDK's TestRunner in virtual time. These run in
turn in this process. All figures are medians of the rounds' ratios.
"""

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from engine_process import EngineProcess
from figures import Figures, arguments
from handlers import TEXTS, five_turns, five_turns_and_a_task
from primfunctions.configuration import Configuration
from primfunctions.context import Context
from primfunctions.events import StartEvent, StopEvent, TextEvent
from primfunctions.metrics import metrics
from primfunctions.test_runner import TestRunner

import voicelab as vl
from voicelab.log.write import stage_shard
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.runtime.clock import VirtualLoop
from voicelab.simulation.worker import ShardTask, collect_seldom, run_sessions

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests"))
from same_rows.versions import NoVersionError, extract  # noqa: E402 - the one way to get at an older version lies there

BASE = "9952bb7"
"""The version that gates are held against: before the session engine was rebuilt."""
GATES = {"five turns": 1.4, "background task": 1.4, "clinic agent": 1.6}
"""How many times the sessions of that version, with their log."""
SESSIONS = 1_000
"""Of one measurement, as many as a shard: a run has a cost of its own, some ms, which they share."""
QUICK_SESSIONS = 300
AIMS = {
    "engine / bare": 0.5,
    "engine + Parquet / bare": 0.45,
    "engine / bare, background task": 0.58,
    "engine + Parquet / bare, background task": 0.52,
    "engine / TestRunner, background task": 1.0,
    "engine / bare, clinic agent": 0.75,
}
"""What is shown beside the gates, and where it should get to."""


def cpu_us(work) -> float:
    """Return the CPU time of some work, in microseconds a session."""
    start = time.process_time()
    work()
    return (time.process_time() - start) / SESSIONS * 1e6


def in_virtual_time(main) -> None:
    loop = VirtualLoop()
    try:
        loop.run_until_complete(main)
    finally:
        loop.close()


class Nowhere:
    """Takes the metrics that a bare handler records, which the SDK would print."""

    def record(self, *_) -> None:
        """Do nothing."""


@contextmanager
def metrics_going_nowhere() -> Iterator[None]:
    metrics._impl = Nowhere()
    try:
        yield
    finally:
        metrics._impl = None


async def bare(handler) -> None:
    with metrics_going_nowhere():
        for _ in range(SESSIONS):
            context = Context(data={}, variables={}, configuration=Configuration())
            for event in [StartEvent(), *[TextEvent("text", text) for text in TEXTS], StopEvent()]:
                async for _output in handler(event, context):
                    pass
            if context.tasks:
                await context.wait_for_all_tasks()
                context.cancel_all_tasks()
            metrics._clear_experiment_context()  # the SDK keeps one for all sessions of a process


async def runner(handler) -> None:
    for _ in range(SESSIONS):
        test = TestRunner(handler, configuration=Configuration())
        await test.start()
        await test.run(TEXTS)
        await test.stop()
        await test.context.wait_for_all_tasks()
        test.context.cancel_all_tasks()


class Engine:
    """The engine as a worker process runs it; every version has a class like this one in its benchmarks."""

    def __init__(self, handler) -> None:
        self._job = Job(SessionOptions(vl.load_handler(handler), vl.Script(TEXTS)))

    def run(self):
        return run_sessions(self._job, ShardTask(Path(), 0, "x", 0, SESSIONS, {}), []).rows

    def run_and_write(self, folder: Path) -> None:
        stage_shard(folder, 0, "x", self.run())


# --- beside the bare generator, in one process ---


def one_round(handler, function) -> dict[str, float]:
    engine = Engine(handler)
    times = {"bare": cpu_us(lambda: in_virtual_time(bare(function)))}
    times["engine"] = cpu_us(engine.run)
    with tempfile.TemporaryDirectory() as folder:
        times["engine + Parquet"] = cpu_us(lambda: engine.run_and_write(Path(folder)))
    if function is five_turns_and_a_task:
        times["TestRunner"] = cpu_us(lambda: in_virtual_time(runner(function)))
    return times


def beside_the_bare_generator(rounds: int) -> dict[str, float]:
    """Return the figures that are shown, after one round to warm up."""
    found: dict[str, list[float]] = {name: [] for name in AIMS}
    clinic = vl.load_handler("clinic")
    handlers = {"": five_turns, ", background task": five_turns_and_a_task, ", clinic agent": clinic}
    for number in range(rounds + 1):
        for suffix, handler in handlers.items():
            times = one_round(handler, clinic.function if handler is clinic else handler)
            if number == 0:
                continue
            ratios = {f"{name} / bare{suffix}": times["bare"] / us for name, us in times.items()}
            if "TestRunner" in times:
                ratios[f"engine / TestRunner{suffix}"] = times["TestRunner"] / times["engine"]
            for name in found.keys() & ratios.keys():
                found[name].append(ratios[name])
            shown = ", ".join(f"{name} {us:.0f}" for name, us in times.items())
            print(f"round {number}{suffix}: CPU us a session: {shown}", flush=True)
    return {name: statistics.median(values) for name, values in found.items()}


# --- beside an older version, in turns ---


def beside_an_older_version(rounds: int) -> dict[str, float]:
    """Return how many times the sessions of the older version this one brings a CPU-second, with their log.

    Raises:
        NoVersionError: git or the older version is missing.
    """
    found: dict[str, list[float]] = {name: [] for name in GATES}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        extract(BASE, folder, ("voicelab", "benchmarks", "data/agents"))
        before, now = (stack.enter_context(EngineProcess(version)) for version in (folder, ROOT))
        for number in range(rounds + 1):
            for name in GATES:
                first, second = (before, now) if number % 2 else (now, before)
                us = {version: version.cpu_us(name, SESSIONS) for version in (first, second)}
                if number:
                    found[name].append(us[before] / us[now])
                    told = f"{us[before]:.0f} at {BASE}, {us[now]:.0f} now"
                    print(f"round {number}, {name}: CPU us a session with its log: {told}", flush=True)
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> int:
    global SESSIONS  # noqa: PLW0603 - read by whatever runs sessions, here and in other versions' processes
    given = arguments(__doc__, "rounds", 11, 2)
    SESSIONS = QUICK_SESSIONS if given.quick else SESSIONS
    warnings.simplefilter("ignore")
    figures = Figures(given.quick)
    try:
        for name, times in beside_an_older_version(given.rounds).items():
            figures.at_least(f"sessions, times those of {BASE}, {name}", times, GATES[name])
    except NoVersionError as error:
        print(error)
        figures.at_least(f"sessions, times those of {BASE}", float("nan"), min(GATES.values()))
    collect_seldom()  # for everything measured alike
    for name, ratio in beside_the_bare_generator(given.rounds).items():
        figures.shown(name, ratio, target=AIMS[name])
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
