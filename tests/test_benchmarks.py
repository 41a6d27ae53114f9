"""The benchmarks fail where they miss what is required of them."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
HELPERS = {
    "engine_process",
    "figures",
    "handlers",
    "calibration_cells",
    "calibration_draws",
    "calibration_report",
    "calibration_runs",
    "speech_ears",
}
RECORDINGS = {"turn_ends"}
"""What needs people's recordings, of which none is kept here."""


@pytest.fixture
def figures_of(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import figures

    return figures.Figures


@pytest.mark.parametrize(
    ("asked", "measured", "quick", "code"),
    [
        ("at_least", 0.5, False, 0),
        ("at_least", 0.49, False, 1),
        ("at_least", 0.49, True, 0),  # a quick run is noisier
        ("at_least", 0.3, True, 1),
        ("at_most", 0.5, False, 0),
        ("at_most", 0.51, False, 1),
        ("at_most", 0.51, True, 0),
        ("at_most", 0.8, True, 1),
        ("at_least", float("nan"), False, 1),
        ("at_most", float("nan"), True, 1),
    ],
)
def test_a_figure_that_misses_what_is_required_is_an_exit_code(figures_of, capsys, asked, measured, quick, code):
    figures = figures_of(quick)
    getattr(figures, asked)("speed", measured, 0.5, target=0.9)
    assert figures.exit_code() == code
    said = capsys.readouterr().out
    assert ("MISSED" in said, "missed: speed" in said) == (code == 1, code == 1)
    assert "target 0.9" in said


def test_one_miss_among_many_figures_counts(figures_of):
    figures = figures_of()
    figures.at_most("a", 2.0, 1.0)
    figures.at_most("b", 0.5, 1.0)
    assert figures.missed == ["a"]
    assert figures.exit_code() == 1


def test_a_benchmark_that_measured_nothing_has_failed(figures_of):
    figures = figures_of()
    figures.shown("cost", 1.0)
    assert figures.exit_code() == 1


def test_a_process_that_misses_ends_with_1():
    code = "import sys, figures\nf = figures.Figures()\nf.at_most('x', 2.0, 1.0)\nsys.exit(f.exit_code())"
    assert subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=False).returncode == 1


def test_make_runs_every_benchmark_and_each_ends_with_its_figures():
    made = (BENCHMARKS.parent / "Makefile").read_text()
    [names] = [line.split(":=")[1].split() for line in made.splitlines() if line.startswith("BENCHMARKS :=")]
    assert set(names) == {path.stem for path in BENCHMARKS.glob("*.py")} - HELPERS - RECORDINGS
    for name in names:
        text = (BENCHMARKS / f"{name}.py").read_text()
        assert "return figures.exit_code()" in text
        assert "sys.exit(main())" in text


def test_the_engine_is_measured_against_an_older_version_or_says_why_not(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import engine

    monkeypatch.setattr(engine, "BASE", "0" * 40)
    with pytest.raises(engine.NoVersionError, match="git fetch --unshallow"):
        engine.beside_an_older_version(1)
    with engine.EngineProcess(BENCHMARKS.parent) as process:
        assert all(process.cpu_us(what, 3) > 0 for what in engine.GATES)
