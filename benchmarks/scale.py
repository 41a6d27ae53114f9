"""How a simulation scales: `python benchmarks/scale.py [SESSIONS] [--quick]`.

CPU a session at all of the sessions over that at a tenth of them, the driver's memory on the way, and two workers over
one: in CPU, and in time beside two processes that only count. What its log costs to open, to read and to verify. Start-up is excluded: the worker processes are warm before
the clock starts.
"""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pandas as pd
from figures import Figures, arguments
from handlers import TEXTS, five_turns

import voicelab as vl


def cpu_s() -> float:
    """Return the CPU time of this process and its children, running ones included, in seconds."""
    own = os.times()
    total = own.user + own.system
    tick = os.sysconf("SC_CLK_TCK")
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            total += (int(fields[11]) + int(fields[12])) / tick
    return total


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Memory:
    """Samples the driver's memory while sessions are settled."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._start = time.perf_counter()

    def __enter__(self):
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.samples.append((time.perf_counter() - self._start, resident_mb()))

    def __exit__(self, *_):
        self._stop.set()


def simulate(sessions: int, workers: int, folder: str) -> tuple[float, float, Memory]:
    """Return wall seconds, CPU seconds, and memory samples."""
    script = vl.Script(TEXTS)
    handler = vl.load_handler(five_turns)
    vl.simulate(handler, script, sessions=2_000 * workers, seed=1, workers=workers, progress=False)  # warm
    wall, cpu = time.perf_counter(), cpu_s()
    with Memory() as memory:
        vl.simulate(handler, script, sessions=sessions, seed=2, log=folder, workers=workers, progress=False)
    return time.perf_counter() - wall, cpu_s() - cpu, memory


def cpu_of(work, times: int = 3) -> float:
    """Return the least CPU seconds of this process that something takes."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def by_hand(folder: str) -> None:
    """Read with pandas what `log.sessions()` is made of."""
    for table in ("sessions", "exposures", "outcomes"):
        pd.read_parquet(f"{folder}/{table}")


def read(folder: str, sessions: int, figures: Figures) -> None:
    """Measure how a log of so many sessions is opened, read and verified."""
    log = vl.open_log(folder)
    log.sessions()  # files are compared with their checksums once
    middle = log.session(sessions // 2).session_id
    figures.at_most("log.sessions(), over pandas reading the same files", cpu_of(log.sessions) / cpu_of(lambda: by_hand(folder)), 2, target=1.5)  # fmt: skip
    figures.shown(
        "opening a log of a million such sessions, CPU s", cpu_of(lambda: vl.open_log(folder)) / sessions * 1e6
    )
    figures.shown("log.session(id), the first, CPU ms", 1000 * cpu_of(lambda: vl.open_log(folder).session(middle)))
    figures.shown("log.session(id), the next ones, CPU ms", 1000 * cpu_of(lambda: log.session(middle)))
    figures.shown("log.verify() of a million such sessions, CPU s", cpu_of(log.verify) / sessions * 1e6)


def counting_s(processes: int) -> float:
    """Return the wall seconds that processes side by side take to count, each as far."""
    start = time.perf_counter()
    counting = [
        subprocess.Popen([sys.executable, "-S", "-c", "for _ in range(30_000_000): pass"]) for _ in range(processes)
    ]
    for process in counting:
        process.wait()
    return time.perf_counter() - start


def growth_of_memory(memory: Memory) -> float:
    """Return the driver's most memory over its most in the first third of the time."""
    end_s = memory.samples[-1][0]
    early = max(mb for at, mb in memory.samples if at <= max(end_s / 3, memory.samples[0][0]))
    return max(mb for _, mb in memory.samples) / early


def main() -> int:
    given = arguments(__doc__, "sessions", 100_000, 10_000)
    sessions, figures = given.sessions, Figures(given.quick)
    with tempfile.TemporaryDirectory() as root:
        _, few_cpu, _ = simulate(sessions // 10, 1, f"{root}/few")
        one_wall, one_cpu, memory = simulate(sessions, 1, f"{root}/one")
        read(f"{root}/one", sessions, figures)
        machine = 2 * counting_s(1) / counting_s(2)
        two_wall, two_cpu, _ = simulate(sessions, 2, f"{root}/two")
    figures.at_most("CPU a session, over that of a tenth of the sessions", one_cpu / few_cpu / 10, 1.15, target=1.05)
    figures.at_most("driver's memory, over that in the first third", growth_of_memory(memory), 1.1)
    figures.at_most("CPU of two workers, over that of one", two_cpu / one_cpu, 1.25)
    figures.at_least("two workers over one, over two that only count", one_wall / two_wall / machine, 0.7, target=0.9)
    figures.shown("two workers over one", one_wall / two_wall)
    figures.shown("one worker, sessions a second", sessions / one_wall)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
