"""CPU and memory of the analysis on ten million sessions, of reading a log, and of updates: `python benchmarks/analysis.py [MILLIONS] [--quick]`.

Yardsticks: DuckDB computing the sums alone; for updates, the sums kept one by one in plain Python. Each measurement of
the analysis runs in a process of its own, so that peaks of memory are its own; medians of three rounds.
"""

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import duckdb
from figures import Figures, arguments

ROUNDS = 3
SINGLES = 20_000
GREETING = Path(__file__).parent.parent / "data" / "logs" / "greeting"
READING = 2.0
# CPU over that of the yardstick: what is reached, and half as much again for noise.
MOST = {"without the path": 2.0, "with the full path": 10.0}
MOST_UPDATE = {"horizon": (130.0, 7.0), "no horizon": (360.0, 14.0)}
MOST_UPDATE_FLOAT = (220.0, 15.0)
MANY, FEW, OF_MANY = 40, 4, 8_000
MOST_MANY = {True: 12.0, False: 5.0}
"""CPU of 40 variants over that of 4, with the path and without."""
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
    """Return CPU seconds and peak memory in MB of one piece of work in a fresh process, imports left out."""
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

    start = time.process_time()
    WORK[name](path)
    seconds = time.process_time() - start
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))


def cpu_us(work: Callable[[], object]) -> float:
    """Return the CPU time of some work, in microseconds a session."""
    start = time.process_time()
    work()
    return 1e6 * (time.process_time() - start) / SINGLES


def plain_sums(sessions: list[tuple[str, bool]]) -> None:
    kept = {name: [0, 0.0, 0.0] for name in WEIGHTS}
    for variant, hit in sessions:
        mine, value = kept[variant], float(hit)
        mine[0] += 1
        mine[1] += value
        mine[2] += value * value


def update_times(*, horizon: int | None, rates: tuple[float, ...], kind: str = "binary") -> tuple[float, float]:
    """Return CPU a session one by one and in one batch, over the sums', for an outcome of three variants.

    A float is spread around the rate of its variant, and skewed.
    """
    import numpy as np

    from voicelab.decision.monitor import Monitor
    from voicelab.decision.rules import StopRule

    rng = np.random.default_rng(1)
    arms = rng.integers(0, 3, SINGLES)
    hits = rng.random(SINGLES) < np.array(rates)[arms]
    if kind == "float":
        hits = np.array(rates)[arms] + rng.lognormal(0, 0.5, SINGLES)
    rule = StopRule(max_iterations=horizon, default="formal")
    single, batch = (Monitor(rule, WEIGHTS, test="t") for _ in range(2))
    for monitor in (single, batch):
        monitor.know(kind)
    sessions = [(list(WEIGHTS)[arm], hit) for arm, hit in zip(arms, hits.tolist(), strict=True)]
    everywhere = np.ones(SINGLES, dtype=bool)
    base = cpu_us(lambda: plain_sums(sessions))
    one_by_one = cpu_us(lambda: [single.update(variant, hit) for variant, hit in sessions])
    together = cpu_us(lambda: batch.extend(arms, hits.astype(float), everywhere, ~everywhere, np.arange(SINGLES)))
    assert single.decision == batch.decision
    return one_by_one / base, together / base


def nine_outcomes(folder: Path) -> Path:
    """Return a copy of the shipped log with eight outcomes more: three rates, two counts, two floats, and text."""
    import numpy as np
    import pandas as pd

    import voicelab as vl

    log = vl.open_log(shutil.copytree(GREETING, folder / "greeting"))
    ids, rng = log.sessions()["session_id"], np.random.default_rng(1)
    n = len(ids)
    more = {f"rate_{at}": rng.random(n) < 0.3 for at in range(3)} | {
        f"count_{at}": rng.poisson(2, n) for at in range(2)
    }
    more |= {f"float_{at}": rng.lognormal(0, 1, n) for at in range(2)} | {"ending": rng.choice(["a", "b", "c"], n)}
    log.add_outcomes(pd.DataFrame({"session_id": ids, **more}))
    return log.path


def reading_costs(path: Path) -> tuple[float, float]:
    """Return milliseconds of CPU that reading a log for its analysis takes, and those that the monitors take."""
    import voicelab as vl
    from voicelab.analysis import analyzing
    from voicelab.decision.monitor import Monitor

    spent = dict.fromkeys(("from_log", "extend", "skim"), 0.0)

    def timed(owner, name):
        function = getattr(owner, name)

        def wrapped(*args, **options):
            start = time.process_time()
            try:
                return function(*args, **options)
            finally:
                spent[name] += time.process_time() - start

        return patch.object(owner, name, wrapped)

    log = vl.open_log(path)
    with timed(analyzing, "from_log"), timed(Monitor, "extend"), timed(Monitor, "skim"):
        vl.analyze(log)  # what is loaded with the first
        spent.update(dict.fromkeys(spent, 0.0))
        for _ in range(10):
            assert (
                len(vl.analyze(log).outcomes) == 30
            )  # three pairs of seven outcomes and of three levels of the eighth
    return 100 * spent["from_log"], 100 * (spent["extend"] + spent["skim"])


def reading(figures: Figures, folder: Path) -> None:
    path = nine_outcomes(folder)
    costs = [reading_costs(path) for _ in range(ROUNDS)]
    ratio = statistics.median(read / watched for read, watched in costs)
    figures.at_most("reading a log of 2,000 sessions and 9 outcomes, over its statistics", ratio, READING)


def updates(figures: Figures) -> None:
    for method, horizon in (("horizon", 10**6), ("no horizon", None)):
        for what, rates in (("A/A", (0.3, 0.3, 0.3)), ("A/B", (0.3, 0.33, 0.36))):
            times = [update_times(horizon=horizon, rates=rates) for _ in range(ROUNDS)]
            one, together = (statistics.median(part) for part in zip(*times, strict=True))
            figures.at_most(f"update one by one, {method}, {what}", one, MOST_UPDATE[method][0])
            figures.at_most(f"update in a batch, {method}, {what}", together, MOST_UPDATE[method][1])

    times = [update_times(horizon=10**6, rates=(0.3, 0.3, 0.3), kind="float") for _ in range(ROUNDS)]
    one, together = (statistics.median(part) for part in zip(*times, strict=True))
    figures.at_most("update one by one, horizon, a float", one, MOST_UPDATE_FLOAT[0])
    figures.at_most("update in a batch, horizon, a float", together, MOST_UPDATE_FLOAT[1])


def analysis_time(variants: int, kind: str, horizon: int | None, *, path: bool) -> float:
    """Return CPU seconds of the whole analysis of equal variants."""
    import numpy as np
    import pandas as pd

    import voicelab as vl

    rng = np.random.default_rng(1)
    names = [f"v{at:02}" for at in range(variants)]
    values = rng.random(OF_MANY) < 0.3 if kind == "binary" else rng.normal(10, 3, OF_MANY)
    frame = pd.DataFrame({"variant": np.array(names)[rng.integers(0, variants, OF_MANY)], "outcome": values})
    rule = vl.StopRule(max_iterations=horizon, max_confidence=99.9, default=names[0])
    start = time.process_time()
    result = vl.analyze(frame, outcome="outcome", weights=dict.fromkeys(names, 1 / variants), rule=rule, path=path)
    assert len(result.comparisons) == variants * (variants - 1) // 2
    return time.process_time() - start


def many_variants(figures: Figures) -> None:
    analysis_time(FEW, "binary", None, path=False)  # what is loaded with the first
    for path, bound in MOST_MANY.items():
        for kind in ("binary", "float"):
            for method, horizon in (("horizon", OF_MANY + 1), ("no horizon", None)):
                few, many = (
                    statistics.median(analysis_time(k, kind, horizon, path=path) for _ in range(ROUNDS))
                    for k in (FEW, MANY)
                )
                how = "with the path" if path else "by sums"
                figures.at_most(f"{MANY} variants over {FEW}, {kind}, {method}, {how}", many / few, bound)


def main() -> int:
    given = arguments(__doc__, "millions", 10.0, 0.5)
    figures = Figures(given.quick)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sessions.parquet"
        make(path, int(given.millions * 1e6))
        compared = [] if given.quick else ["the same, no horizon", "full, no horizon"]
        if find_spec("tea_tasting") and find_spec("ibis"):
            compared.append("tea-tasting")
        works = [name for name in WORK if name in {"sums", *MOST, *compared}]
        rounds = [{name: measured(name, path) for name in works} for _ in range(1 if given.quick else ROUNDS)]
        reading(figures, Path(folder))
    base = statistics.median(r["sums"][0] for r in rounds)
    figures.shown("the sums, CPU", base, "s")
    for name in works:
        times = statistics.median(r[name][0] for r in rounds) / base
        if name in MOST:
            figures.at_most(f"{name}, over the sums", times, MOST[name])
        else:
            figures.shown(f"{name}, over the sums", times)
        figures.shown(f"{name}, peak of memory", max(r[name][1] for r in rounds), "MB")
    updates(figures)
    many_variants(figures)
    return figures.exit_code()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--run"]:
        run(*sys.argv[2:4])
    else:
        sys.exit(main())
