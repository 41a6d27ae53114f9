"""Decides the tests of a running simulation, shard by shard, as if after every session."""

import copy
import functools
import json
import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq

from voicelab.base.errors import InputError
from voicelab.base.named_numbers import MEASURED, NUMBERS
from voicelab.base.records import EXPOSURES, OUTCOMES, column
from voicelab.decision.asked_outcome import AskedOutcome, parse_outcome
from voicelab.decision.intake import Bools, Floats, check_denominators
from voicelab.decision.monitor import Monitor
from voicelab.decision.outlook import Outlook, outlook_of, smallest_that_matters
from voicelab.decision.rules import Kind, StopRule, Target, asked_kind, switched_on
from voicelab.decision.stats.moments import means
from voicelab.log.measured_parts import settled_measures
from voicelab.log.parts import Part
from voicelab.log.schema import STORED_SCHEMAS, without_categories
from voicelab.simulation.numbers_asked import numbers_asked
from voicelab.simulation.progress_card import Standing
from voicelab.simulation.worker import ShardReport

_INDEX, _TEST, _VARIANT, _ASSIGNMENT, _DECLARATION = (
    column("exposures", name) for name in ("session_index", "test", "variant", "assignment", "declaration")
)
_OF, _OUTCOME, _TYPE, _VALUE, _WRITTEN = (
    column("outcomes", name) for name in ("session_index", "outcome", "type", "value", "written")
)

_OF_SESSION = ("session_index", "status", "caller", "n_errors", "n_replies", "n_otherwise")


class _Part(NamedTuple):
    """What a test's target is made of: the target itself, or one of those in a ratio or a quantile."""

    target: Target
    # What each session has of it without writing it; None where it is an outcome that sessions write.
    number: Kind | None = None


@dataclass
class _Watched:
    """A test under watch."""

    monitor: Monitor
    asked: AskedOutcome | None
    parts: list[_Part]
    # Index after the last session that the monitor has seen.
    seen: int = 0


class Watch:
    """The stop rules of all tests of a run.

    Args:
        stopping: Whether they are honoured at all.

    Attributes:
        stops: Tests that have stopped: `{test: index of the session after which}`.
    """

    def __init__(self, *, stopping: bool) -> None:
        self.stops: dict[str, int] = {}
        self._stopping = stopping
        self._tests: dict[str, _Watched] = {}

    def scan(self, report: ShardReport) -> dict[str, int]:
        """Take the sessions of the next shard, through the first that stops a test.

        Sessions that were taken before, when the shard ran with fewer stops known, are not taken again.

        Returns:
            The tests that stop, all at the same session; empty if the whole shard was taken.
        """
        if not self._stopping:
            return {}
        data = self._by_test(report)
        # On copies first: a test that stops makes void what the others saw of later sessions.
        ends = {test: self._trial(test, rows) for test, rows in data.items()}
        first = min((end for end in ends.values() if end is not None), default=None)
        for test, rows in data.items():
            self._feed(self._tests[test], rows, first)
        stopped = {test: end for test, end in ends.items() if end is not None and end == first}
        self.stops |= stopped
        return stopped

    def replay(self, report: ShardReport) -> None:
        """Take a shard that was settled before, stops included."""
        while self.scan(report):
            pass

    def standings(self) -> list[Standing]:
        """Return how each test that has a stop rule stands."""
        return [_standing(watched.monitor) for watched in self._tests.values()]

    def decisions(self) -> dict[str, Any]:
        """Return the decision of each test that has a stop rule."""
        return {test: watched.monitor.decision.to_json() for test, watched in self._tests.items()}

    def _by_test(self, report: ShardReport) -> dict[str, dict[str, Any]]:
        rows: dict[str, list[Any]] = {}
        for row in report.exposures:
            rows.setdefault(row[_TEST], []).append(row)
        data = {}
        for test, exposures in rows.items():
            declaration = json.loads(exposures[0][_DECLARATION])
            if test not in self._tests and declaration["stop"]:
                rule = StopRule.from_stop(declaration["stop"])
                # An outcome that sessions write themselves comes before a measure of its name.
                written = {row[_OUTCOME] for row in report.outcomes}
                asked = parse_outcome(rule.target_outcome, written) if rule.target_outcome else None
                parts = [
                    _Part(
                        Target(name, declaration["conversion_metrics"]),
                        None if name in written else NUMBERS.get(name or ""),
                    )
                    for name in (asked.names if asked else (None,))
                ]
                monitor = Monitor(rule, switched_on(declaration["variants"]), test=test)
                self._tests[test] = _Watched(monitor, asked, parts)
            if test in self._tests and test not in self.stops:
                data[test] = self._arrays(test, exposures, report)
        for test, watched in self._tests.items():
            _refuse_late_names(test, watched, report)
        return data

    def _arrays(self, test: str, exposures: list[Any], report: ShardReport) -> dict[str, Any]:
        watched = self._tests[test]
        arm_of = {variant: arm for arm, variant in enumerate(watched.monitor.variants)}
        # A variant that the first declaration switches off, with weight 0, is none of the rule's to stop by.
        drawn = [
            row
            for row in exposures
            if row[_ASSIGNMENT] == "random" and row[_INDEX] >= watched.seen and row[_VARIANT] in arm_of
        ]
        crashed = set(report.crashed)
        indexes = [row[_INDEX] for row in drawn]
        values, written = _read(watched, report, indexes)
        return {
            "arms": np.array([arm_of[row[_VARIANT]] for row in drawn], dtype=np.int64),
            "values": values,
            "written": written,
            "crashed": np.array([index in crashed for index in indexes], dtype=np.bool_),
            "indexes": np.array(indexes, dtype=np.int64),
        }

    def _trial(self, test: str, rows: dict[str, Any]) -> int | None:
        monitor = copy.deepcopy(self._tests[test].monitor)
        monitor.extend(**rows)
        return monitor.stopped_index

    def _feed(self, watched: _Watched, rows: dict[str, Any], end: int | None) -> None:
        indexes = rows["indexes"]
        if not len(indexes):
            return
        n_taken = len(indexes) if end is None else int(np.searchsorted(indexes, end, side="right"))
        watched.monitor.extend(**{name: values[:n_taken] for name, values in rows.items()})
        if n_taken:
            watched.seen = int(indexes[n_taken - 1]) + 1


def _refuse_late_names(test: str, watched: _Watched, report: ShardReport) -> None:
    """Refuse an outcome whose name stood for something else in the sessions before: it would be read for them too.

    Raises:
        InputError: there is one.
    """
    names = {part.target.outcome for part in watched.parts if part.number is not None}
    if watched.asked is not None and watched.asked.form != "plain":
        names.add(watched.asked.text)
    late = next((row for row in report.outcomes if row[_OUTCOME] in names), None)
    if late is not None:
        raise InputError(
            f"Session {late[_OF]} is the first to set the outcome {late[_OUTCOME]!r}, and the test {test!r} has been judged by "
            "what each session has under this name without setting it. Give the outcome another name, or set it in every session."
        )


def _read(watched: _Watched, report: ShardReport, indexes: Sequence[int]) -> tuple[Floats, Bools]:
    """Return the target's values of some sessions, and whether they wrote them; of a ratio those of both parts, (T, 2)."""
    found = [_values(part, report) for part in watched.parts]
    values = [
        np.array([own.get(index) for index in indexes], dtype=np.float64) for own, _, _ in found
    ]  # None becomes NaN
    written = [
        np.array([those is None or index in those for index in indexes], dtype=np.bool_) for _, those, _ in found
    ]
    kinds = [kind for *_, kind in found if kind is not None]
    asked = watched.asked
    if kinds and not watched.monitor.stopped:
        watched.monitor.know(kinds[0] if asked is None else asked_kind(asked, kinds[0]))
    if asked is None or asked.form != "ratio":
        return values[0], written[0]
    check_denominators(repr(asked.text), values[1][written[1]])
    return np.stack(values, axis=1), np.stack(written, axis=1)


def _values(part: _Part, report: ShardReport) -> tuple[Mapping[int, float | None], Container[int] | None, Kind | None]:
    """Return values by index, which sessions wrote it (None if it is none that they write), and its kind, if it is known."""
    target = part.target
    if part.number is not None:
        return report.numbers.get(target.outcome or "", {}), None, part.number
    outcomes = [row for row in report.outcomes if row[_OUTCOME] == target.outcome]
    written = {row[_OF]: row[_VALUE] for row in outcomes if row[_WRITTEN]}
    return written, written, target.kind_in(row[_TYPE] for row in outcomes)


def _standing(monitor: Monitor) -> Standing:
    variants = tuple(
        (name, int(moments.n), float(means(moments)) if moments.n else math.nan)
        for name, moments in zip(monitor.variants, monitor.moments, strict=True)
    )
    return Standing(monitor.decision, monitor.rule, monitor.kind, variants, functools.partial(_outlook, monitor))


def _outlook(monitor: Monitor) -> list[Outlook]:
    return outlook_of(monitor, smallest_that_matters(monitor))


def settled_facts(root: Path, part: Part) -> ShardReport:
    """Return what the driver needs to know of a part of the log that is settled."""

    def rows(table: str, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        # By columns, and as plain text: a resumed million would else take a minute for this alone.
        found = pq.read_table(part.file(root, table), columns=list(names)).cast(
            without_categories(STORED_SCHEMAS[table], names)
        )
        return zip(*(column.to_pylist() for column in found.columns), strict=True)

    report = ShardReport(part.first)
    report.exposures = list(rows("exposures", EXPOSURES))
    report.outcomes = list(rows("outcomes", OUTCOMES))
    report.findings.add_rows(report.exposures, report.outcomes)
    asked = {name for row in report.exposures for name in numbers_asked(row[_DECLARATION])}
    measures = settled_measures(root, part) if asked & MEASURED.keys() else None
    for name in asked:
        if measures is not None and name in MEASURED:
            columns = (measures.column(of).to_pylist() for of in ("session_index", name))
            report.numbers[name] = dict(zip(*columns, strict=True))
        else:
            report.numbers[name] = dict(rows("sessions", ("session_index", name)))
    # What the sessions said beside their rows is gone; of a log that has some, nothing is wrong that needs saying twice.
    report.findings.speaks = True
    for index, status, caller, *counts in rows("sessions", _OF_SESSION):
        report.statuses[status] += 1
        report.findings.count(caller, *counts)
        if status == "error":
            report.crashed.append(index)
    return report
