"""Time and memory of the analysis on ten million sessions, beside DuckDB computing the sums alone, and of single updates: `python benchmarks/analysis.py [MILLIONS]`.

Each measurement runs in a process of its own, so that peaks of memory are its own; medians of three rounds.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import duckdb

ROUNDS = 3
SINGLES = 20_000
REQUIRED = {"without the path": 2.0, "with the full path": 25.0}
OUTCOMES = ["booked", "asked", "duration_s"]
WEIGHTS = dict.fromkeys(("formal", "casual", "friendly"), 1 / 3)


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


def analyzed(path: str, *, whole: bool, horizon: int | None) -> None:
    import voicelab as vl

    rule = vl.StopRule(max_iterations=horizon, max_confidence=99.9, default="formal")
    result = vl.analyze(path, outcome=OUTCOMES, weights=WEIGHTS, rule=rule, path=whole)
    assert result.decision.sessions > 0
    assert len(result.comparisons) + len(result.outcomes) == 9  # three pairs of each outcome


def tea_tasting(path: str) -> None:
    import ibis
    import tea_tasting as tt

    experiment = tt.Experiment({name: tt.Mean(name) for name in OUTCOMES}, variant="variant")
    table = ibis.duckdb.connect().read_parquet(path)
    table = table.mutate(booked=table.booked.cast("int"))
    assert len(experiment.analyze(table, control="formal", all_variants=True)) == 2


WORK = {
    "sums": sums,
    "without the path": partial(analyzed, whole=False, horizon=10**9),
    "the same, no horizon": partial(analyzed, whole=False, horizon=None),
    "tea-tasting": tea_tasting,
    "with the full path": partial(analyzed, whole=True, horizon=10**9),
    "full, no horizon": partial(analyzed, whole=True, horizon=None),
}
"""tea-tasting is left out where it isn't installed (it needs Ibis with DuckDB)."""


def measured(name: str, path: Path) -> tuple[float, float]:
    """Return seconds and peak memory in MB of one piece of work in a fresh process, imports left out."""
    done = subprocess.run(
        [sys.executable, __file__, "--run", name, str(path)], capture_output=True, check=True, text=True
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak


def run(name: str, path: str) -> None:
    import statsmodels.stats.proportion  # noqa: F401 - a cost of the first call, not of the work

    import voicelab.analysis  # noqa: F401 - as above

    if name == "tea-tasting":
        import ibis  # noqa: F401 - as above
        import tea_tasting  # noqa: F401 - as above

    start = time.perf_counter()
    WORK[name](path)
    seconds = time.perf_counter() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def update_times(*, horizon: int | None, rates: tuple[float, ...]) -> tuple[float, float]:
    """Return microseconds a session takes one by one, and in one batch, for a binary outcome of three variants."""
    import numpy as np

    from voicelab.decision.monitor import Monitor
    from voicelab.decision.rules import StopRule

    rng = np.random.default_rng(1)
    arms = rng.integers(0, 3, SINGLES)
    hits = rng.random(SINGLES) < np.array(rates)[arms]
    rule = StopRule(max_iterations=horizon, default="formal")
    single, batch = (Monitor("t", WEIGHTS, rule) for _ in range(2))
    for monitor in (single, batch):
        monitor.know("binary")
    sessions = [(list(WEIGHTS)[arm], hit) for arm, hit in zip(arms, hits.tolist(), strict=True)]
    start = time.perf_counter()
    for variant, hit in sessions:
        single.update(variant, hit)
    one_by_one = time.perf_counter() - start
    everywhere = np.ones(SINGLES, dtype=bool)
    start = time.perf_counter()
    batch.extend(arms, hits.astype(float), everywhere, ~everywhere, np.arange(SINGLES))
    together = time.perf_counter() - start
    assert single.decision() == batch.decision()
    return 1e6 * one_by_one / SINGLES, 1e6 * together / SINGLES


def updates() -> None:
    for method, horizon in (("horizon", 10**6), ("no horizon", None)):
        for what, rates in (("A/A", (0.3, 0.3, 0.3)), ("A/B", (0.3, 0.33, 0.36))):
            times = [update_times(horizon=horizon, rates=rates) for _ in range(ROUNDS)]
            one, together = (statistics.median(part) for part in zip(*times, strict=True))
            print(
                f"update, {method}, {what}: {one:.1f} us one by one, at most 25; {together:.2f} us in a batch, at most 3"
            )


def main(millions: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.parquet"
        make(path, int(millions * 1e6))
        works = [name for name in WORK if name != "tea-tasting" or (find_spec("tea_tasting") and find_spec("ibis"))]
        rounds = [{name: measured(name, path) for name in works} for _ in range(ROUNDS)]
    base = statistics.median(r["sums"][0] for r in rounds)
    for name in works:
        seconds = statistics.median(r[name][0] for r in rounds)
        peak = max(r[name][1] for r in rounds)
        required = f", at most {REQUIRED[name]:g}" if name in REQUIRED else ""
        print(f"{name:20} {seconds:7.2f} s  {seconds / base:6.1f} times the sums{required}  peak {peak:,.0f} MB")
    updates()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*sys.argv[2:4])
    else:
        main(float(sys.argv[1]) if len(sys.argv) > 1 else 10)
