"""The workflow runs what `make test` runs, on every system and Python that the package says it supports."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
JOBS = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())["jobs"]
MAKEFILE = (ROOT / "Makefile").read_text()


def commands(job):
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def recipe(target):
    """Return the commands of a target, without where their programs lie."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    return [line.replace("$(BIN)/", "").strip() for line in found[1].splitlines()]


def test_every_target_that_is_made_exists():
    targets = {
        word for job in JOBS for command in commands(job) if command.startswith("make ") for word in command.split()[1:]
    }
    assert "test" in targets
    for target in targets:
        assert re.search(rf"^{re.escape(target.replace('.venv', '$(VENV)'))}:", MAKEFILE, re.MULTILINE), target


def test_windows_sets_up_and_runs_what_make_test_does():
    packages, javascript, client, *checks = commands("windows")
    assert packages.endswith('-e ".[test]"')
    assert {javascript, client} < set(recipe(re.escape("$(VENV)/.installed-test")))
    assert checks == recipe("test")


def test_all_pythons_that_are_supported_are_tested_on_three_systems():
    low, high = re.findall(
        r"3\.(\d+)", tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    )
    pythons = [f"3.{minor}" for minor in range(int(low), int(high))]
    assert [JOBS[job]["strategy"]["matrix"]["python"] for job in ("test", "windows")] == [pythons, pythons]
    systems = [*JOBS["test"]["strategy"]["matrix"]["os"], JOBS["windows"]["runs-on"]]
    assert {system.partition("-")[0] for system in systems} == {"ubuntu", "macos", "windows"}


def test_once_a_week_the_newest_primfunctions_is_installed_before_the_tests():
    made, newest, tested = commands("newest-primfunctions")
    assert made == "make .venv/.installed-test"
    assert {"--upgrade", "--no-deps", "primfunctions"} <= set(newest.split())
    assert tested == "make test"
