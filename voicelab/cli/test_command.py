"""The command that runs scenarios and tests: `test`, which asks pytest to."""

import argparse
import ast
import contextlib
import re
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.cli.arguments import add_json, command, make_reports_folder, say
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    import pytest

    from voicelab.cli.arguments import Commands

_PLUGIN = "voicelab.testing.plugin"
_NOT_REWRITTEN = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""Of modules that the command has loaded before pytest: no test asserts anything in them."""
_NONE_FOUND, _MISUSED = 5, 2
_OPERATORS = frozenset({"and", "or", "not"})
_EXIT_CODES = {0: 0, 1: 1}
"""Exit codes of pytest's that are ours too; by every other the tests couldn't be asked."""


def add_test(commands: "Commands") -> None:
    """Add `test`."""
    parser = command(
        commands,
        "test",
        _test,
        "Run scenarios, and tests that pytest runs, and say which are flaky and which are broken.",
        "voicelab test scenarios/ --junit report.xml\n  voicelab test 'booking.scenario.yaml::books the slot' --seed 12",
    )
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        help="files of scenarios (*.scenario.yaml), tests, folders, or FILE::NAME (default: the scenarios here and below, and "
        "the tests that import voicelab or take run_handler)",
    )
    parser.add_argument("-k", dest="matching", metavar="TEXT", help="those alone whose names hold TEXT, as pytest's -k")
    parser.add_argument("--seed", type=int, help="run each scenario once, with this seed")
    parser.add_argument("--junit", metavar="FILE", help="write a report of JUnit's there")
    add_json(parser)


def _test(options: argparse.Namespace) -> None:
    try:
        import pytest
    except ImportError:
        raise InputError("voicelab test asks pytest, which isn't installed: pip install pytest") from None
    for path in options.paths:
        _refuse_missing(Path(path.partition("::")[0]))
    arguments = [
        *(options.paths or [".", "--voicelab-alone"]),
        "-p",
        _PLUGIN,
        "-qq",
        "--no-header",
        "-W",
        _NOT_REWRITTEN,
    ]
    if options.matching:
        arguments += ["-k", _expression(options.matching)]
    if options.seed is not None:
        arguments.append(f"--voicelab-seed={options.seed}")
    if options.junit:
        arguments.append(f"--junitxml={options.junit}")
        make_reports_folder(options.junit)
    told = _Told()
    with contextlib.redirect_stdout(sys.stderr) if options.json else contextlib.nullcontext():
        code = int(pytest.main(arguments, plugins=[told]))
    if told.interrupted:
        raise KeyboardInterrupt
    if code == _NONE_FOUND:
        there = " ".join(options.paths) or "this folder and below"
        matching = f" whose name matches {options.matching!r}" if options.matching else ""
        raise InputError(f"There is no test in {there}{matching}: scenarios stand in files *.scenario.yaml.")
    if options.json:
        say_json(told.document(passed=code == 0))
    else:
        say(told.sentence)
    if code:
        raise SystemExit(_MISUSED if told.has_errors else _EXIT_CODES.get(code, _MISUSED))


def _refuse_missing(file: Path) -> None:
    if not file.exists():
        near = did_you_mean(file.name, [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else [])
        raise InputError(f"There is no file or folder {str(file)!r}.{near}")


def _expression(text: str) -> str:
    """Return what pytest's -k takes: of words that are no expression, such as `does not book`, each has to be there."""
    if re.search(r"\b(and|or|not)\b|[()\[\]]", text) and _is_expression(text):
        return text
    return " and ".join(word for word in re.findall(r"\w+", text) if word not in _OPERATORS) or text


def _is_expression(text: str) -> bool:
    """Return whether names, parentheses and the operators stand as in an expression of pytest's, which is one of Python's."""
    names = re.sub(r"[^\s()]+", lambda found: found[0] if found[0] in _OPERATORS else "name", text)
    try:
        ast.parse(names.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


class _Told:
    """What pytest tells of its tests, as they end."""

    def __init__(self) -> None:
        self._scenarios: list[dict[str, Any]] = []
        self._tests: dict[str, dict[str, Any]] = {}
        self._errors: list[dict[str, Any]] = []
        self.interrupted = False

    @property
    def has_errors(self) -> bool:
        """Whether a file couldn't be read; with xdist the others are run all the same, and pytest's exit code is 1."""
        return bool(self._errors)

    def pytest_keyboard_interrupt(self, excinfo: "pytest.ExceptionInfo[BaseException]") -> None:
        """Take note of Ctrl-C, which pytest counts as a code that files that can't be read have as well."""
        self.interrupted = excinfo.type is KeyboardInterrupt  # its subclasses are pytest's own

    def pytest_collectreport(self, report: "pytest.CollectReport") -> None:
        """Take note of a file that can't be read."""
        if report.failed:
            self._errors.append({"id": report.nodeid, "message": report.longreprtext})

    def pytest_runtest_logreport(self, report: "pytest.TestReport") -> None:
        """Take note of a scenario or a test."""
        if found := getattr(report, "voicelab", None):
            self._scenarios.append({"id": report.nodeid, **found})
        elif report.when == "call" or report.outcome != "passed":
            message = None if report.passed else report.longreprtext
            known = self._tests.get(report.nodeid)
            if known is None or report.failed:
                self._tests[report.nodeid] = {"id": report.nodeid, "outcome": report.outcome, "message": message}

    @property
    def sentence(self) -> str:
        """What came of them, in a line."""
        from voicelab.testing.plugin import summary_of

        outcomes = Counter(test["outcome"] for test in self._tests.values())
        parts = [summary_of(self._scenarios)] if self._scenarios else []
        if self._tests:
            counts = ", ".join(f"{n} {outcome}" for outcome, n in sorted(outcomes.items(), reverse=True))
            parts.append(f"{len(self._tests)} test{'' if len(self._tests) == 1 else 's'}: {counts}")
        if self._errors:
            parts.append(f"{len(self._errors)} file{'' if len(self._errors) == 1 else 's'} can't be read")
        return "; ".join(parts) or "nothing was run"

    def document(self, *, passed: bool) -> dict[str, Any]:
        """Return all of it as JSON's types."""
        return {
            "passed": passed,
            "summary": self.sentence,
            "scenarios": self._scenarios,
            "tests": list(self._tests.values()),
            "errors": self._errors,
        }
