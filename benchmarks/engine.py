"""CPU per session of the session engine, beside its yardsticks: `python benchmarks/engine.py [ROUNDS] [--quick]`.

Yardsticks: the bare generator (the handler driven by a plain loop with the SDK's own context: no runtime, no log), and
the SDK's TestRunner in virtual time. Each round runs all of them in turn, in one process; the figures are medians of the
rounds' ratios, in sessions per CPU-second.
"""

import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

from figures import Figures, arguments
from handlers import TEXTS, five_turns, five_turns_and_a_task
from primfunctions.configuration import Configuration
from primfunctions.context import Context
from primfunctions.events import StartEvent, StopEvent, TextEvent
from primfunctions.test_runner import TestRunner

import voicelab as vl
from voicelab.log.write import stage_shard
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.runtime.clock import VirtualLoop
from voicelab.simulation.worker import ShardTask, collect_seldom, run_sessions

SESSIONS = 1_000
# What is reached (medians of 15 rounds: .33, .27, .49, .44, .73), less a quarter for noise; and the target.
FIGURES = {
    "engine / bare": (0.24, 0.65),
    "engine + Parquet / bare": (0.2, 0.55),
    "engine / bare, background task": (0.37, 0.65),
    "engine + Parquet / bare, background task": (0.32, 0.55),
    "engine / TestRunner, background task": (0.55, 1.0),
}


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


async def bare(handler) -> None:
    for _ in range(SESSIONS):
        context = Context(data={}, variables={}, configuration=Configuration())
        for event in [StartEvent(), *[TextEvent("text", text) for text in TEXTS], StopEvent()]:
            async for _output in handler(event, context):
                pass
        if context.tasks:
            await context.wait_for_all_tasks()
            context.cancel_all_tasks()


async def runner(handler) -> None:
    for _ in range(SESSIONS):
        test = TestRunner(handler, configuration=Configuration())
        await test.start()
        await test.run(TEXTS)
        await test.stop()
        await test.context.wait_for_all_tasks()
        test.context.cancel_all_tasks()


class Engine:
    """The engine as a worker process runs it."""

    def __init__(self, handler) -> None:
        self._job = Job(SessionOptions(vl.load_handler(handler), vl.Script(TEXTS)))

    def run(self):
        return run_sessions(self._job, ShardTask(Path(), 0, "x", 0, SESSIONS, {}), []).rows

    def run_and_write(self, folder: Path) -> None:
        stage_shard(folder, 0, "x", self.run())


def one_round(handler) -> dict[str, float]:
    engine = Engine(handler)
    times = {"bare": cpu_us(lambda: in_virtual_time(bare(handler)))}
    times["engine"] = cpu_us(engine.run)
    with tempfile.TemporaryDirectory() as folder:
        times["engine + Parquet"] = cpu_us(lambda: engine.run_and_write(Path(folder)))
    times["TestRunner"] = cpu_us(lambda: in_virtual_time(runner(handler)))
    return times


def ratios(rounds: int) -> dict[str, list[float]]:
    """Return the figures of each round, after one to warm up."""
    found: dict[str, list[float]] = {name: [] for name in FIGURES}
    for number in range(rounds + 1):
        for handler, suffix in ((five_turns, ""), (five_turns_and_a_task, ", background task")):
            times = one_round(handler)
            if number == 0:
                continue
            for what in ("engine", "engine + Parquet"):
                found[f"{what} / bare{suffix}"].append(times["bare"] / times[what])
            if suffix:
                found[f"engine / TestRunner{suffix}"].append(times["TestRunner"] / times["engine"])
            shown = ", ".join(f"{name} {us:.0f}" for name, us in times.items())
            print(f"round {number}{suffix}: CPU us a session: {shown}", flush=True)
    return found


def main() -> int:
    given = arguments(__doc__, "rounds", 15, 2)
    warnings.simplefilter("ignore")
    collect_seldom()  # for everything measured alike
    figures = Figures(given.quick)
    for name, values in ratios(given.rounds).items():
        floor, target = FIGURES[name]
        figures.at_least(name, statistics.median(values), floor, target=target)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
