"""The promise holds where it is made: a small part of `benchmarks/calibration.py`, and that its judge would tell if it didn't."""

import sys
from collections import Counter
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
TESTS = 200

# One of each kind of setting whose promise was once broken.
SETTINGS = [
    "rate 0.02 (to 0.4), 95/5, M = 300",
    "rate 0.02 (to 0.6), 95/5, M = 300, 99 %",
    "rate 0.3 (to 0.36), 50/50, M = 500",
    "three tied at .30 (one at .40), 33/33/34, best, M = 500",
    "eight: seven at .30, one at .02; an equal pair shown as different, M = 400",
    "margin .05, rates .15 and .20 (.35), 70/30, M = 300",
    "rate .15 that rises to .50 (lift .4), M = 300",
    "guardrail, normal, level +2 sd (1.2), M = 600",
    "always .1 against 1 in 10 (.4), 50/50, M = 300",
    "normal, sd 1 and 4 (+4), 95/5, M = 300",
    "counts of mean .3 (.55), 50/50, M = 300",
    "lognormal of equal means, log-sd 0.3 and 1.5, 70/30, M = 300",
    "rates .3 (0.5), 5 calls a caller",
    "20 % of one arm's failures missing: false winners without a word",
    "rate .15 (.35), 70/30, 1,000 sessions",
]


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        import calibration
        import calibration_cells
        import calibration_report
        import calibration_runs
        import figures
    finally:
        sys.path.remove(str(BENCHMARKS))

    by_name = {cell.name: cell for cell in calibration_cells.CELLS}

    class Modules:
        grid, cells = calibration_cells.CELLS, by_name
        judge, measured = staticmethod(calibration.judge), staticmethod(calibration.measured)
        counts_of = staticmethod(calibration_runs.counts_of)
        Figures, report, tasks = figures.Figures, calibration_report, staticmethod(calibration.tasks)

    return Modules


@pytest.mark.no_cover
@pytest.mark.parametrize("name", SETTINGS)
def test_the_promise_holds(benchmark, capsys, name):
    cell = benchmark.cells[name]
    null = Counter() if cell.null is cell.effect else benchmark.counts_of(cell, False, TESTS, 0)
    effect = benchmark.counts_of(cell, True, TESTS // 4, 0) if cell.effect else Counter()
    figures = benchmark.Figures()
    benchmark.judge(figures, benchmark.measured(cell, null, effect))
    assert not figures.missed, capsys.readouterr().out


def counts(**share):
    """Return counts of 2,000 tests, of which so many percent were ..."""
    found = Counter(tests=2_000, intervals=2_000, held=2_000, sessions=2_000)
    found.update(
        {what.replace("_", " ").replace("wrong unmarked", "wrong, unmarked"): 20 * n for what, n in share.items()}
    )
    return found


GOOD = {"right": 80, "by_one_look": 85, "by_both": 80}


@pytest.mark.parametrize(
    ("null", "effect", "missed"),
    [
        ({}, GOOD, []),
        ({"wrong": 6.2, "wrong_unmarked": 6.2}, GOOD, []),  # three errors of 2,000 tests are 1.46
        ({"wrong": 7, "wrong_unmarked": 7}, GOOD, ["false"]),
        ({"held": -8}, GOOD, ["interval held"]),
        ({"marked": 1}, GOOD, ["doubted"]),
        ({}, GOOD | {"held": -8}, ["interval held, with the effect"]),
        ({}, {"right": 70, "by_one_look": 85, "by_both": 70}, ["found"]),  # one that would pass by never stopping
        ({}, GOOD | {"wrong": 7}, ["another one named"]),
    ],
)
def test_what_breaks_the_promise_is_told(benchmark, null, effect, missed):
    cell = benchmark.cells["rate 0.15 (to 0.3), 70/30, M = 300"]
    figures = benchmark.Figures()
    benchmark.judge(figures, benchmark.measured(cell, counts(**null), counts(**effect)))
    assert [name.split(": ")[-1].strip() for name in figures.missed] == missed
    assert figures.exit_code() == (1 if missed else 0)


def test_there_is_no_hiding_behind_a_doubt(benchmark):
    figures = benchmark.Figures()
    doubted = benchmark.cells["lognormal of equal means, log-sd 0.3 and 1.5, 70/30, M = 300"]
    # Doubted stops have no bound, those without a doubt have it.
    found = benchmark.measured(doubted, counts(marked=95, wrong=30, held=-30), Counter())
    assert found.is_approximate
    benchmark.judge(figures, found)
    assert not figures.missed
    benchmark.judge(figures, benchmark.measured(doubted, counts(marked=95, wrong=30, wrong_unmarked=7), Counter()))
    assert len(figures.missed) == 1
    # Where weights change, no doubt excuses anything.
    strict = benchmark.cells["guardrail, normal, level +2 sd (1.2), M = 600"]
    benchmark.judge(figures, benchmark.measured(strict, counts(marked=95, wrong=30), Counter()))
    assert len(figures.missed) == 2


def test_the_grid_is_whole_and_each_cell_draws_its_own_numbers(benchmark):
    cells = benchmark.grid
    assert len(cells) == len({(cell.group, cell.name) for cell in cells}) >= 60
    played = Counter()
    for number, with_effect, n, _ in benchmark.tasks(cells, 2_000):
        played[number, with_effect] += n
    both = {number for number, cell in enumerate(cells) if cell.null is cell.effect}
    assert all(played[number, number in both] == 2_000 for number in range(len(cells)))
    # Whoever could pass by never stopping has a floor of power; the sample ratio's is the known answer of test_stats.
    without = [cell.name for cell in cells if cell.effect is None and cell.claims != "shares"]
    assert all("lognormal" in name or "zeros" in name or "skewed" in name or "level" in name for name in without)


def test_the_report_is_written_from_what_was_measured(benchmark, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark.report, "DOCS", tmp_path)
    cells = [benchmark.cells["rate 0.15 (to 0.3), 70/30, M = 300"], benchmark.cells["95 % zeros, 90/10, M = 1,000"]]
    found = [
        benchmark.measured(cells[0], counts(wrong=4, wrong_unmarked=4), counts(**GOOD)),
        benchmark.measured(cells[1], counts(marked=100, wrong=9), Counter()),
    ]
    benchmark.report.write(found, 2_000)
    text = (tmp_path / "calibration.md").read_text()
    assert (
        "| rate 0.15 (to 0.3), 70/30, M = 300 | 4.0 ± 0.4 | 5 | 0.0 | 100.0 / 100.0 |  |  | 80.0 ± 0.9 | 85.0 |" in text
    )
    assert text.index("## Approximate") < text.index("95 % zeros")
    assert "<svg" in (tmp_path / "calibration.svg").read_text()
