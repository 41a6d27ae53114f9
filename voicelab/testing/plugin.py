"""What pytest is told: files of scenarios are tests, and two fixtures.

It is loaded in every project where voicelab is installed, and so loads nothing else before it is needed.
"""

import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from voicelab.testing.file_endings import ENDINGS

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from voicelab.record.session_record import SessionRecord
    from voicelab.testing.expecting import Expecting
    from voicelab.testing.scenario_result import ScenarioResult

RECORDS: "pytest.StashKey[list[SessionRecord]]" = pytest.StashKey()
"""The sessions that a test has run by the fixture `run_handler`."""
_LABS_OWN = ("voicelab", "run_handler")
"""Words of which a test that asks the lab has one."""
_MOST_SHOWN = 3


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option by which a run of a scenario is repeated."""
    group = parser.getgroup("voicelab", "scenarios of voice agents")
    group.addoption(
        "--voicelab-seed",
        type=int,
        metavar="SEED",
        help="run each scenario once, with this seed; it is also the seed of the fixture run_handler",
    )
    group.addoption(
        "--voicelab-alone",
        action="store_true",
        help="leave tests alone that mention neither voicelab nor run_handler",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the tests of others alone, where that is asked for."""
    is_test = collection_path.suffix == ".py" and collection_path.name != "conftest.py"
    if not is_test or not config.getoption("--voicelab-alone"):
        return None
    try:
        text = collection_path.read_text(encoding="utf-8", errors="replace")
        return None if any(word in text for word in _LABS_OWN) else True
    except OSError:
        return None


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take files of scenarios for tests."""
    if not file_path.name.endswith(ENDINGS):
        return None
    from voicelab.testing.scenario_items import ScenarioFile

    made: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return made


class _RunHandler:
    """Runs sessions, and keeps their records for the report of a test that fails."""

    def __init__(self, folder: Path, seed: int | None, records: "list[SessionRecord]") -> None:
        self._folder = folder
        self._seed = seed
        self._records = records

    def __call__(self, handler: Any, inputs: Any = (), **options: Any) -> "SessionRecord":
        """Run one session, as `vl.run` does, and return its record.

        Args:
            handler: What `vl.run` takes; a path may be one as seen from the test's file.
            inputs: What the caller does.
            options: Options of `vl.run`.
        """
        from voicelab.runs.jobs import run

        if isinstance(handler, str) and "\n" not in handler and (self._folder / handler).exists():
            handler = self._folder / handler
        if self._seed is not None:
            options["seed"] = self._seed
        record = run(handler, inputs, **options)
        self._records += record.values() if isinstance(record, Mapping) else [record]
        return record  # type: ignore[return-value]  # side by side for variants='each' alone

    def __repr__(self) -> str:
        return "run_handler"


@pytest.fixture(name="run_handler")
def run_handler_of(request: pytest.FixtureRequest) -> _RunHandler:
    """Return what runs a session as `vl.run` does; if the test fails, its conversations are shown."""
    records: list[SessionRecord] = []
    request.node.stash[RECORDS] = records
    return _RunHandler(request.path.parent, request.config.getoption("--voicelab-seed"), records)


@pytest.fixture(name="expect")
def expect_of() -> "type[Expecting] | Any":
    """Return `voicelab.testing.expect`, which asks a record one thing after another."""
    from voicelab.testing.expecting import expect

    return expect


# Not `wrapper=True`, which older pytests would refuse, and with it every project's tests.
@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, Any, None]:
    """Show the conversations of a test that fails, but for one that its own error shows."""
    report: pytest.TestReport = (yield).get_result()
    result: ScenarioResult | None = getattr(item, "scenario_result", None)
    if call.when == "call" and result is not None:
        report.voicelab = result.to_dict()  # type: ignore[attr-defined]  # being JSON's types it reaches the driver of xdist
    if report.failed and call.excinfo is not None and "voicelab.record.session_record" in sys.modules:
        shown = getattr(call.excinfo.value, "record", None)
        for record in _records(item, call.excinfo)[-_MOST_SHOWN:]:
            if record is not shown:
                report.sections.append((f"conversation with {record.caller}", str(record)))


def _records(item: pytest.Item, excinfo: "pytest.ExceptionInfo[BaseException]") -> "list[SessionRecord]":
    """Return the sessions of a test: those that it has run by the fixture, and those that it had in its hands."""
    from voicelab.record.session_record import SessionRecord

    own = [entry.frame.f_locals for entry in excinfo.traceback if Path(str(entry.path)) == item.path]
    held = [value for found in own for value in found.values() if isinstance(value, SessionRecord)]
    return list({id(record): record for record in [*item.stash.get(RECORDS, []), *held]}.values())


def pytest_terminal_summary(terminalreporter: "TerminalReporter") -> None:
    """Say in a line what came of the scenarios, where there were any."""
    found = [
        report.voicelab for each in terminalreporter.stats.values() for report in each if hasattr(report, "voicelab")
    ]
    if found and terminalreporter.verbosity >= -1:
        terminalreporter.line(summary_of(found))


def summary_of(scenarios: Sequence[Mapping[str, Any]]) -> str:
    """Return how many scenarios came to which verdict, and of how many sessions that is known.

    Args:
        scenarios: What `ScenarioResult.to_dict` says of each.
    """
    verdicts = [scenario["verdict"] for scenario in scenarios]
    if len(verdicts) == 1:
        what = f"1 scenario: {verdicts[0]}"
    else:
        names = {"passes": "pass", "fails": "fail"}
        counts = [
            f"{verdicts.count(v)} {names.get(v, v)}" for v in ("passes", "flaky", "broken", "fails") if v in verdicts
        ]
        what = f"{len(verdicts)} scenarios: {', '.join(counts)}"
    sessions = sum(scenario["n_runs"] for scenario in scenarios)
    return f"{what} ({sessions:,} session{'' if sessions == 1 else 's'})"
