"""How a simulation scales: `python benchmarks/scale.py [SESSIONS] [--quick]`, up to a million of them.

All of the sessions run once, by two workers: CPU a session over that of 10,000, the driver's memory on the way, what
checksums cost, and what the log costs to open, read, verify and read back for a resumed run, as for a million of such
sessions. A part of them runs by one worker and by two: in CPU, and in time beside two processes that only count. There
start-up is excluded: the worker processes are warm before the clock starts. It counts in the CPU of 1,000 sessions. How far
it is goes to stderr.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from hashlib import sha256
from pathlib import Path

import pandas as pd
from figures import Figures, arguments
from handlers import TEXTS, five_turns

import voicelab as vl
from voicelab.log.checksums import checksums_json, read_checksums
from voicelab.log.disk import write_whole
from voicelab.log.marks import marks_of
from voicelab.log.parts import settled_parts
from voicelab.log.schema import SCHEMAS
from voicelab.simulation.stops import settled_facts

FEW = 10_000
"""Sessions that the rate at all of them is compared with."""
EARLY = 100_000
"""Sessions after which the driver's memory is to stay."""
PART = 50_000
"""The most sessions that run by one worker and by two."""
A_MILLION = 1_000_000


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


def simulate(sessions: int, workers: int, folder: str, *, progress: bool = False) -> tuple[float, float, Memory]:
    """Return wall seconds, CPU seconds, and memory samples."""
    script = vl.Script(TEXTS)
    handler = vl.load_handler(five_turns)
    vl.simulate(handler, script, sessions=2_000 * workers, seed=1, workers=workers, progress=False)  # warm
    wall, cpu = time.perf_counter(), cpu_s()
    with Memory() as memory:
        vl.simulate(handler, script, sessions=sessions, seed=2, log=folder, workers=workers, progress=progress)
    return time.perf_counter() - wall, cpu_s() - cpu, memory


def say(what: str) -> None:
    sys.stderr.write(f"{what} ...\n")
    sys.stderr.flush()


def cpu_of(work, times: int = 3, before=lambda: None) -> float:
    """Return the least CPU seconds of this process that something takes, given what `before` returns if it returns any."""
    taken = []
    for _ in range(times):
        made = before()
        start = time.process_time()
        work() if made is None else work(made)
        taken.append(time.process_time() - start)
    return min(taken)


def by_hand(folder: str) -> None:
    """Read with pandas what `log.sessions()` is made of."""
    for table in ("sessions", "exposures", "outcomes"):
        pd.read_parquet(f"{folder}/{table}")


def read(folder: str, sessions: int, figures: Figures) -> None:
    """Measure what a log of so many sessions costs to open, to read, to verify and to read back."""
    say("reading the log")
    millions = sessions / A_MILLION

    def opened():
        return vl.open_log(folder)

    log = opened()
    log.sessions()  # files are compared with their checksums once
    middle = log.session(sessions // 2).session_id
    figures.at_most("opening a log of a million such sessions, CPU s", cpu_of(opened) / millions, 0.5)
    figures.at_most("log.sessions(), over pandas reading the same files", cpu_of(log.sessions) / cpu_of(lambda: by_hand(folder)), 1.5)  # fmt: skip
    figures.at_most("log.session(id), the first, CPU ms", 1000 * cpu_of(lambda log: log.session(middle), 5, opened), 50)
    figures.at_most("log.session(id), the next ones, CPU ms", 1000 * cpu_of(lambda: log.session(middle), 5), 50)
    figures.at_most("log.verify() of a million such sessions, CPU s", cpu_of(log.verify) / millions, 3)
    figures.at_most("reading a million back to resume, CPU s", cpu_of(lambda: read_back(folder), 1) / millions, 40)


def read_back(folder: str) -> None:
    for part in settled_parts(Path(folder)):
        settled_facts(Path(folder), part)


def checksums_s(folder: str) -> float:
    """Return the CPU seconds that a worker spends on the checksums of a shard, and on the marks of its ids."""
    root = Path(folder)
    part = settled_parts(root)[0]
    files = [part.file(root, table).read_bytes() for table in SCHEMAS]
    own = read_checksums(part.checksums(root))
    ids = pd.read_parquet(part.file(root, "sessions"), columns=["session_id"])["session_id"].tolist()
    times = 200
    start = time.process_time()
    for _ in range(times):
        for data in files:
            sha256(data).hexdigest()
        marks_of(ids)
        write_whole(root / "_checksums", checksums_json(part.name, own), "_checksums.tmp")
    taken = (time.process_time() - start) / times
    (root / "_checksums").unlink()
    return taken


def counting_s(processes: int) -> float:
    """Return the wall seconds that processes side by side take to count, each as far."""
    start = time.perf_counter()
    counting = [
        subprocess.Popen([sys.executable, "-S", "-c", "for _ in range(30_000_000): pass"]) for _ in range(processes)
    ]
    for process in counting:
        process.wait()
    return time.perf_counter() - start


START = f"""
import voicelab as vl
from handlers import five_turns
vl.simulate(five_turns, vl.Script({TEXTS!r}), sessions=1_000)
"""


def process_tree_s(code: str, compiled: str) -> float:
    """Return the CPU seconds of a new interpreter that runs some code, with all processes that it starts.

    Args:
        code: What it runs.
        compiled: The folder of compiled files.
    """
    # As they are installed: without compiled files each process would compile the package again.
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environ["PYTHONPYCACHEPREFIX"] = compiled
    environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), environ.get("PYTHONPATH", "")])
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        env=environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def start_up(figures: Figures) -> None:
    """Measure a thousand sessions with all that it takes to start, beside what the libraries below take by themselves."""
    say("1,000 sessions in a new process, five times")
    with tempfile.TemporaryDirectory() as compiled:
        process_tree_s(START, compiled)
        libraries = "import pandas, numpy, pyarrow"
        taken = [(process_tree_s(START, compiled), process_tree_s(libraries, compiled)) for _ in range(5)]
    ours, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
    figures.at_most("CPU of 1,000 sessions, start-up included", ours, 2, "s")
    figures.shown(f"   of `{libraries}` beside it", theirs, "s")


def growth_of_memory(memory: Memory, sessions: int) -> float:
    """Return the driver's most memory over its most until the first 100,000 sessions, or a third of fewer."""
    end_s = memory.samples[-1][0]
    until = max(end_s * (EARLY / sessions if sessions > 3 * EARLY else 1 / 3), memory.samples[0][0])
    early = max(mb for at, mb in memory.samples if at <= until)
    return max(mb for _, mb in memory.samples) / early


def main() -> int:
    given = arguments(__doc__, "sessions", 100_000, 10_000)
    sessions, figures = given.sessions, Figures(given.quick)
    few, part = min(FEW, sessions), min(PART, sessions)
    start_up(figures)
    with tempfile.TemporaryDirectory() as root:
        say(f"{few:,} sessions, five times")
        few_cpu = statistics.median(simulate(few, 2, f"{root}/few{n}")[1] for n in range(5)) / few
        say(f"{sessions:,} sessions")
        wall, cpu, memory = simulate(sessions, 2, f"{root}/all", progress=True)
        figures.shown("sessions a second and worker", sessions / wall / 2)
        figures.shown("sessions a CPU second, the driver's too", sessions / cpu)
        figures.at_most(f"CPU a session, over that of {few:,} sessions", cpu / sessions / few_cpu, 1.05)
        figures.at_most("driver's memory, over that in the beginning", growth_of_memory(memory, sessions), 1.05)
        figures.shown("driver's memory", memory.samples[-1][1], "MB")
        figures.at_most("checksums, over the cost of a shard", checksums_s(f"{root}/all") / (2_000 * cpu / sessions), 0.02)  # fmt: skip
        read(f"{root}/all", sessions, figures)
        say(f"{part:,} sessions, by one worker and by two")
        one_wall, one_cpu, _ = simulate(part, 1, f"{root}/one")
        machine = 2 * counting_s(1) / counting_s(2)
        two_wall, two_cpu, _ = simulate(part, 2, f"{root}/two")
    figures.at_most("CPU of two workers, over that of one", two_cpu / one_cpu, 1.25)
    figures.at_least("two workers over one, over two that only count", one_wall / two_wall / machine, 0.7, target=0.9)
    figures.shown("two workers over one", one_wall / two_wall)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
