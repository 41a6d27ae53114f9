"""What a cluster costs: `python benchmarks/cluster.py [SESSIONS] [--quick]`.

A LocalCluster of Dask with two workers of one thread beside two worker processes of the lab's own, in turns, in the same
run: sessions a second, and CPU of all processes. Start-up is excluded, and said by itself.
"""

import sys
import tempfile
import time
import warnings
from pathlib import Path

import distributed
from figures import Figures, arguments
from handlers import TEXTS, five_turns
from scale import cpu_s

import voicelab as vl

WORKERS = 2


def simulate(sessions: int, folder: Path, executor: distributed.Client | None) -> tuple[float, float]:
    """Return wall and CPU seconds."""
    wall, cpu = time.perf_counter(), cpu_s()
    vl.simulate(
        five_turns,
        vl.Script(TEXTS),
        sessions=sessions,
        seed=2,
        log=folder,
        workers=None if executor else WORKERS,
        executor=executor,
        progress=False,
    )
    return time.perf_counter() - wall, cpu_s() - cpu


def in_turns(sessions: int, rounds: int, root: Path, client: distributed.Client) -> dict[bool, tuple[float, float]]:
    """Return the wall and CPU seconds of all rounds together, by whether they ran on the cluster."""
    taken = {False: (0.0, 0.0), True: (0.0, 0.0)}
    for n in range(rounds):
        for on_cluster in (n % 2 == 0, n % 2 == 1):  # neither is always the first
            wall, cpu = simulate(sessions // rounds, root / f"{n}-{on_cluster}", client if on_cluster else None)
            before = taken[on_cluster]
            taken[on_cluster] = before[0] + wall, before[1] + cpu
    return taken


def main() -> int:
    given = arguments(__doc__, "sessions", 200_000, 16_000)
    figures, rounds = Figures(given.quick), 2 if given.quick else 10
    with tempfile.TemporaryDirectory() as folder:
        started, root = cpu_s(), Path(folder)
        with (
            distributed.LocalCluster(
                WORKERS, threads_per_worker=1, dashboard_address=None, local_directory=folder, host="127.0.0.1"
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            simulate(4_000 * WORKERS, root / "warm-cluster", client)
            figures.shown("a cluster's start and its first 8,000 sessions, CPU s", cpu_s() - started)
            simulate(4_000 * WORKERS, root / "warm", None)
            taken = in_turns(given.sessions, rounds, root, client)
    (wall, cpu), (cluster_wall, cluster_cpu) = taken[False], taken[True]
    figures.at_least("rate on a LocalCluster, over that of own processes", wall / cluster_wall, 0.85)
    figures.at_most("CPU of all processes, over that of own processes", cluster_cpu / cpu, 1 / 0.85)
    figures.shown("own processes, sessions a second", given.sessions / wall)
    figures.shown("own processes, sessions a CPU second", given.sessions / cpu)
    return figures.exit_code()


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    sys.exit(main())
