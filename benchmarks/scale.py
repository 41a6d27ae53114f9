"""How a simulation scales: `python benchmarks/scale.py [SESSIONS]` (default 100,000).

CPU a session at a tenth of the sessions and at all of them, the driver's memory on the way, and one worker against two.
Start-up is excluded: the worker processes are warm before the clock starts.
"""

import os
import sys
import tempfile
import threading
import time
from pathlib import Path

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


def main(sessions: int) -> int:
    with tempfile.TemporaryDirectory() as root:
        _, few_cpu, _ = simulate(sessions // 10, 1, f"{root}/few")
        one_wall, many_cpu, memory = simulate(sessions, 1, f"{root}/one")
        two_wall, _, _ = simulate(sessions, 2, f"{root}/two")
    growth = many_cpu / sessions / (few_cpu / (sessions // 10)) - 1
    wall = memory.samples[-1][0]
    early = max((mb for at, mb in memory.samples if at <= 0.3 * wall), default=0.0)
    late = max(mb for at, mb in memory.samples)
    print(f"CPU a session, {sessions // 10:,} to {sessions:,}: {growth:+.1%} (required: under +5 %)")
    print(
        f"driver memory after 30 % of the sessions {early:.0f} MB, at most {late:.0f} MB: {late / early - 1:+.1%} (under +10 %)"
    )
    print(f"two workers against one: {one_wall / two_wall:.2f} times (required: 1.8, on free cores)")
    print(f"one worker: {sessions / one_wall:,.0f} sessions a second")
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
