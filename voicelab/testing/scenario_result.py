"""What came of a scenario: how many runs were as expected, whether it is flaky or broken, and the first that failed."""

import html
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from voicelab.predicates.operators import quoted_json
from voicelab.record.session_record import SessionRecord
from voicelab.testing.expectations import Unmet
from voicelab.testing.expecting import explained_failure

Verdict = Literal["passes", "fails", "flaky", "broken"]
RunKind = Literal["seed", "session"]
"""What the number of a run is: its seed, or the index of the logged session that is played again."""
_REACH = 1.959963984540054
"""Standard errors to each side of an interval of 95 %."""
_MOST_SEEDS = 8


@dataclass(frozen=True)
class FailedRun:
    """A run that isn't as expected.

    Attributes:
        number: Its seed; of a session that is played again its index in the log.
        unmet: What isn't.
    """

    number: int
    unmet: tuple[Unmet, ...]


@dataclass(frozen=True, repr=False)
class ScenarioResult:
    """What came of the runs of a scenario.

    Attributes:
        name: The scenario's name.
        place: File and line where it is written; empty for one in Python.
        n_runs: How many runs there were.
        failed: Those that weren't as expected, in order of their seeds.
        least_pass_rate: The share that must be.
        record: The first session that wasn't; None where all were.
        remarks: What else should be known of the runs, a sentence each.
        kind: What the numbers of its runs are.
    """

    name: str
    place: str
    n_runs: int
    failed: tuple[FailedRun, ...]
    least_pass_rate: float
    record: SessionRecord | None
    remarks: tuple[str, ...] = ()
    kind: RunKind = "seed"

    @property
    def n_passed(self) -> int:
        """How many runs were as expected."""
        return self.n_runs - len(self.failed)

    @property
    def pass_rate(self) -> float:
        """Their share."""
        return self.n_passed / self.n_runs

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 % for the share of all runs that would be as expected."""
        from voicelab.decision.stats.compare import score_interval

        return score_interval(self.n_passed, self.n_runs, _REACH)

    @property
    def passed(self) -> bool:
        """Whether the share that was as expected is at least the one that must be."""
        return self.pass_rate >= self.least_pass_rate

    @property
    def verdict(self) -> Verdict:
        """`passes`; `flaky` where some runs were as expected and too few; `broken` where none was; `fails` of a single run."""
        if self.passed:
            return "passes"
        if self.n_runs == 1:
            return "fails"
        return "flaky" if self.n_passed else "broken"

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs that failed; of sessions that were played again their indices in the log."""
        return [run.number for run in self.failed]

    @property
    def again(self) -> str:
        """The command that runs the first one that failed again; empty where none did, or nothing is in a file."""
        if not self.failed or not self.place:
            return ""
        file = as_seen_from_here(self.place.rpartition(":")[0])
        return f"voicelab test {shlex.quote(f'{file}::{self.name}')} --seed {self.seeds[0]}"

    @property
    def sentence(self) -> str:
        """The verdict in a line."""
        if self.n_runs == 1:
            return self.verdict
        low, high = self.interval
        must = "" if self.least_pass_rate == 1 and self.passed else f", must be at least {self.least_pass_rate:.0%}"
        unsure = "; so few runs can't tell" if low < self.least_pass_rate <= high and self.least_pass_rate < 1 else ""
        return (
            f"{self.verdict}: {self.n_passed} of {self.n_runs} runs pass, {self.pass_rate:.0%} (95% interval {low:.0%} to "
            f"{high:.0%}){must}{unsure}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON's types: what `voicelab test --json` prints of a scenario."""
        first = self.failed[0].unmet if self.failed else ()
        return {
            "name": self.name,
            "place": self.place,
            "verdict": self.verdict,
            "passed": self.passed,
            "n_runs": self.n_runs,
            "n_passed": self.n_passed,
            "pass_rate": self.pass_rate,
            "pass_rate_lower": self.interval[0],
            "pass_rate_upper": self.interval[1],
            "least_pass_rate": self.least_pass_rate,
            f"failed_{self.kind}s": self.seeds,
            "unmet": [
                {"expected": dict(one.expected), "message": one.message, "seqs": list(one.seqs)} for one in first
            ],
            "session": None if self.record is None else str(self.record),
            "again": self.again or None,
        }

    def __str__(self) -> str:
        head = self.sentence
        if self.record is None:
            return head
        parts = [head] if self.n_runs > 1 else []
        if self.n_runs > 1:
            parts += [*self._causes(), "", f"{self.kind.capitalize()} {self.seeds[0]}, the first that fails:"]
        parts += [explained_failure(self.record, self.failed[0].unmet)]
        parts += [f"     note  {remark}" for remark in self.remarks]
        parts += ["", f"Again: {self.again}"] if self.again else []
        return "\n".join(parts)

    def _causes(self) -> list[str]:
        """Return what runs failed by, the commonest first, with the seeds."""
        causes: dict[str, list[int]] = {}
        for run in self.failed:
            for one in run.unmet:
                cause = ", ".join(f"{key}: {quoted_json(value)}" for key, value in one.expected.items())
                causes.setdefault(cause, []).append(run.number)
        ordered = sorted(causes.items(), key=lambda cause: -len(cause[1]))
        return [f"  {len(seeds):>4} fail by  {cause}  ({self.kind}s {_listed(seeds)})" for cause, seeds in ordered]

    def __repr__(self) -> str:
        return f"ScenarioResult({self.verdict}, {self.n_passed} of {self.n_runs} runs pass)"

    def _repr_html_(self) -> str:
        session = "" if self.record is None else self.record._repr_html_()
        unmet = "".join(f"<div>{html.escape(one.message)}</div>" for run in self.failed[:1] for one in run.unmet)
        return f"<div><b>{html.escape(self.name)}</b> {html.escape(self.sentence)}</div>{unmet}{session}"


def _listed(seeds: Sequence[int]) -> str:
    more = len(seeds) - _MOST_SEEDS
    return ", ".join(map(str, seeds[:_MOST_SEEDS])) + (f" and {more} more" if more > 0 else "")


def as_seen_from_here(file: str | Path) -> str:
    """Return a path as it is written from the working folder, where it lies below that."""
    try:
        return str(Path(file).absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)


__all__ = ["FailedRun", "RunKind", "ScenarioResult", "Verdict", "as_seen_from_here"]
