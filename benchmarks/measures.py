"""What the measures of a session cost: `python benchmarks/measures.py [ROUNDS] [--quick]`.

Of a session as a worker process runs and writes it, the measures are the share of its processor time that is spent on taking
them and on their table: a ratio of CPU times of the same process, which holds on any machine. From a log without the table
it is the CPU time that a session takes, in microseconds, the least of the rounds.
"""

import sys
import tempfile
import time
from pathlib import Path

from engine import Engine
from figures import Figures, arguments
from handlers import five_turns, five_turns_and_a_task

import voicelab as vl
from voicelab.log.measured_parts import computed_measures
from voicelab.log.parts import Part
from voicelab.log.write import _arrow, settle_shard, stage_shard, write_table
from voicelab.measures import measures_of
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation.worker import collect_seldom

REQUIRED_SHARE = 0.05
REQUIRED_US = 40.0


class Calls(Engine):
    """Sessions of a handler with a caller."""

    def __init__(self, handler, caller) -> None:
        self._job = Job(SessionOptions(vl.load_handler(handler), caller))


def cpu_s(work) -> tuple[float, object]:
    """Return the processor time of some work, and what it returns."""
    started = time.process_time()
    made = work()
    return time.process_time() - started, made


def share_of_a_session(engine, folder: Path, rounds: int) -> float:
    """Return the share of a session's processor time that its measures take; of each part the least of the rounds."""
    parts = []
    for _ in range(rounds + 1):
        run_s, rows = cpu_s(engine.run)
        measure_s, _ = cpu_s(lambda: [measures_of(one) for one in rows])  # noqa: B023 - at once
        table_s, _ = cpu_s(lambda: write_table([_arrow("measures", rows)], folder / "measures.parquet", "measures"))  # noqa: B023
        write_s, _ = cpu_s(lambda: stage_shard(folder, 0, "x", rows))  # noqa: B023
        parts.append((run_s, measure_s, table_s, write_s))
    run_s, measure_s, table_s, write_s = map(min, zip(*parts, strict=True))
    # `stage_shard` writes the table too.
    return (measure_s + table_s) / (run_s + measure_s + write_s)


def us_from_a_log(engine, folder: Path, rounds: int) -> float:
    """Return how long the measures of a session take from its log, in microseconds of processor time."""
    rows = engine.run()
    stage_shard(folder, 0, "log", rows)
    settle_shard(folder, 0, "log")
    times = [cpu_s(lambda: computed_measures(folder, Part(0, 0)))[0] for _ in range(rounds + 1)]
    return min(times) / len(rows) * 1e6


def main() -> int:
    given = arguments(__doc__, "rounds", 7, 3)
    figures = Figures(given.quick)
    collect_seldom()
    engines = {
        "five turns": Engine(five_turns),
        "background task": Engine(five_turns_and_a_task),
        "clinic agent, cooperative": Calls("clinic", vl.personas.cooperative),
        "clinic agent, impatient": Calls("clinic", vl.personas.impatient),
    }
    for name, engine in engines.items():
        with tempfile.TemporaryDirectory() as folder:
            share = share_of_a_session(engine, Path(folder), given.rounds)
        if "impatient" in name:  # who interrupts whenever he can
            figures.shown(f"share of a session, {name}", share, target=REQUIRED_SHARE)
        else:
            figures.at_most(f"share of a session, {name}", share, REQUIRED_SHARE)
    for name in ("five turns", "clinic agent, cooperative", "clinic agent, impatient"):
        with tempfile.TemporaryDirectory() as folder:
            took_us = us_from_a_log(engines[name], Path(folder), given.rounds)
        if "impatient" in name:
            figures.shown(f"from a log, {name}", took_us, "us", target=REQUIRED_US)
        else:
            figures.at_most(f"from a log, {name}", took_us, REQUIRED_US, "us")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
