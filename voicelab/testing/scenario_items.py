"""Scenarios as items of pytest's, and what it prints of one that fails."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from voicelab.base.errors import VoicelabError
from voicelab.testing.marked_conversation import MARK
from voicelab.testing.scenario import Scenario
from voicelab.testing.scenario_file import read_scenarios
from voicelab.testing.scenario_result import ScenarioResult, as_seen_from_here

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from _pytest._code.code import ExceptionInfo
    from _pytest._io import TerminalWriter


class ScenarioFile(pytest.File):
    """A file of scenarios."""

    def collect(self) -> "Iterator[ScenarioItem]":
        """Yield its scenarios."""
        try:
            scenarios = read_scenarios(self.path)
        except VoicelabError as error:
            raise self.CollectError(str(error)) from None
        for scenario in scenarios:
            item: ScenarioItem = ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)
            yield item


class ScenarioItem(pytest.Item):
    """A scenario.

    Args:
        scenario: The scenario.
        given: What pytest gives an item.
    """

    def __init__(self, *, scenario: Scenario, **given: Any) -> None:
        super().__init__(**given)
        self.scenario = scenario
        self.scenario_result: ScenarioResult | None = None

    def setup(self) -> None:
        """Load the handler: one that can't be is an error, and no failure."""
        try:
            self.scenario.prepared()
        except VoicelabError as error:
            raise pytest.fail.Exception(self._placed(error), pytrace=False) from None

    def runtest(self) -> None:
        """Run it as often as it says."""
        result = self.scenario_result = self.scenario.run(self.config.getoption("--voicelab-seed"))
        facts = {"verdict": result.verdict, "runs": result.n_runs, "passed": result.n_passed}
        self.user_properties += [(f"voicelab_{name}", fact) for name, fact in facts.items()]
        if not result.passed:
            raise _NotPassedError(result)

    def repr_failure(self, excinfo: "ExceptionInfo[BaseException]", style: Any = None) -> Any:
        """Return what is printed: the conversation, or what is wrong with the scenario in a sentence."""
        error = excinfo.value
        if isinstance(error, _NotPassedError):
            return _Report(error.result)
        if isinstance(error, VoicelabError):
            return self._placed(error)
        return super().repr_failure(excinfo, style)

    def _placed(self, error: VoicelabError) -> str:
        file, _, line = self.scenario.place.rpartition(":")
        return f"{as_seen_from_here(file)}:{line}: {error}"

    def reportinfo(self) -> "tuple[os.PathLike[str] | str, int | None, str]":
        """Return where it is written."""
        return self.path, int(self.scenario.place.rpartition(":")[2]) - 1, self.name


class _NotPassedError(Exception):
    def __init__(self, result: ScenarioResult) -> None:
        super().__init__(result.sentence)
        self.result = result


class _Report:
    """What pytest prints of a scenario that doesn't pass: plain text, with colours where there are any."""

    def __init__(self, result: ScenarioResult) -> None:
        self._text = str(result)
        # pytest's line in its short summary, and the message in JUnit's file.
        why = "" if result.n_runs > 1 else f": {result.failed[0].unmet[0].message}"
        self.reprcrash = SimpleNamespace(message=f"{result.sentence}{why}")

    def __str__(self) -> str:
        return self._text

    def toterminal(self, tw: "TerminalWriter") -> None:
        """Write it."""
        head = True
        for line in self._text.split("\n"):
            head = head and bool(line)
            marked = line.startswith(MARK) or line.lstrip().startswith("└")
            tw.line(line, red=head or marked, bold=head or marked or line.startswith("Again: "))
