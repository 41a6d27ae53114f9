"""Time and memory of the analysis on ten million sessions, beside DuckDB computing the sums alone: `python benchmarks/analysis.py [MILLIONS]`.

Each measurement runs in a process of its own, so that peaks of memory are its own; medians of three rounds.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROUNDS = 3
REQUIRED = {"with the full path": 25.0}


def make(path: Path, sessions: int) -> None:
    """Write sessions of three variants with three outcomes."""
    duckdb.sql(
        f"""COPY (SELECT ['formal', 'casual', 'friendly'][1 + (hash(i) % 3)::INTEGER] AS variant,
        (hash(i * 7) % 1000) < 300 AS booked, (hash(i * 11) % 5)::INTEGER AS asked,
        (hash(i * 13) % 100000) / 1000.0 AS duration_s FROM range({sessions}) t(i)) TO '{path}' (FORMAT parquet)"""
    )


def sums(path: str) -> None:
    outcomes = ", ".join(f"sum({c}::DOUBLE), sum({c}::DOUBLE ** 2)" for c in ("booked", "asked", "duration_s"))
    duckdb.sql(f"SELECT variant, count(*), {outcomes} FROM '{path}' GROUP BY variant").fetchall()


def with_the_full_path(path: str) -> None:
    import voicelab as vl

    rule = vl.StopRule(max_iterations=10**9, max_confidence=99.9, default="formal")
    weights = dict.fromkeys(("formal", "casual", "friendly"), 1 / 3)
    vl.analyze(path, outcome=["booked", "asked", "duration_s"], weights=weights, rule=rule)


WORK = {"sums": sums, "with the full path": with_the_full_path}


def measured(name: str, path: Path) -> tuple[float, float]:
    """Return CPU seconds and peak memory in MB of one piece of work in a fresh process, imports left out."""
    done = subprocess.run(
        [sys.executable, __file__, "--run", name, str(path)], capture_output=True, check=True, text=True
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def run(name: str, path: str) -> None:
    import statsmodels.stats.proportion  # noqa: F401 - a cost of the first call, not of the work

    import voicelab.analysis  # noqa: F401 - as above

    start = time.perf_counter()
    WORK[name](path)
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def main(millions: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.parquet"
        make(path, int(millions * 1e6))
        rounds = [{name: measured(name, path) for name in WORK} for _ in range(ROUNDS)]
    base = statistics.median(r["sums"][0] for r in rounds)
    for name in WORK:
        seconds = statistics.median(r[name][0] for r in rounds)
        peak = max(r[name][1] for r in rounds)
        required = f", at most {REQUIRED[name]:g}" if name in REQUIRED else ""
        print(f"{name:20} {seconds:7.2f} s  {seconds / base:6.1f} times the sums{required}  peak {peak:,.0f} MB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*sys.argv[2:4])
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
