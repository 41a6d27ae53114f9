"""A scenario: who calls a handler, what is expected of the session, and how often it must be so."""

import inspect
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import GuideCompatWarning, InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.callers import CallerLike
from voicelab.change.replay import Replay
from voicelab.handlers import HandlerLike, load_handler, set_outcomes
from voicelab.runs.findings import Findings
from voicelab.runs.jobs import Job, opening_alone, play, run
from voicelab.runs.options import SessionOptions
from voicelab.testing.asked_session import AskedSession
from voicelab.testing.expectations import Expectation, Unmet
from voicelab.testing.scenario_result import FailedRun, RunKind, ScenarioResult

_OF_HANDLER = ("strict", "variables", "environment", "tenant")
OPTIONS = tuple(
    key
    for key in dict.fromkeys([*inspect.signature(run).parameters, *_OF_HANDLER])
    if key not in {"handler", "inputs", "seed", "clock"}
)
"""Options of the sessions, as `vl.run` has them, and of how the handler is loaded."""


class Scenario:
    """Who calls a handler, and what is expected of the session; run many times, each with a seed of its own.

    Args:
        handler: A handler, or what `vl.load_handler` takes.
        callers: A list of inputs, or any caller; the opening alone without one.
        expect: What is expected, one map each, such as `{"said": "booked", "within_s": 3}`.
        name: Its name.
        runs: How often it is run; None for once, and where the callers of a log are played again for each of them.
        least_pass_rate: The share of runs that must be as expected, from 0 to 1.
        seed: Of the first run, 0 for None; each further one has the next. Callers of a log keep the seed of their run.
        place: The file and the line where it is written; empty for one in Python.
        options: Options of `vl.run` by name, and `strict` and `tenant` of `vl.load_handler`.

    Raises:
        InputError: something can't be meant.

    Example:
        >>> from voicelab.testing import Scenario
        >>> Scenario("clinic", ["hello", "yes please"], expect=[{"said": "Tuesday"}], runs=20).run()
        ScenarioResult(flaky, 11 of 20 runs pass)
    """

    def __init__(
        self,
        handler: HandlerLike,
        callers: CallerLike = (),
        expect: Sequence[Mapping[str, Any] | Expectation] = (),
        *,
        name: str = "scenario",
        runs: int | None = None,
        least_pass_rate: float = 1.0,
        seed: int | None = None,
        place: str = "",
        **options: Any,
    ) -> None:
        if isinstance(expect, str | Mapping) or not isinstance(expect, Sequence) or not expect:
            raise InputError(f"expect is {shown(expect)}, must be a list of expectations, e.g. [{{'said': 'booked'}}].")
        for key in options:
            if key not in OPTIONS:
                raise InputError(
                    f"There is no option {key!r}.{did_you_mean(key, OPTIONS)} There are: {', '.join(OPTIONS)}."
                )
        self.handler = handler
        self.callers = callers
        self.expect = tuple(one if isinstance(one, Expectation) else Expectation.read(one) for one in expect)
        self.name = checks.name("name", name)
        self.replay = callers if isinstance(callers, Replay) else None
        own_runs, own_seed = (1, 0) if self.replay is None else (len(self.replay.indexes), self.replay.seed)
        self.runs = own_runs if runs is None else checks.whole("runs", runs)
        self.least_pass_rate = checked_pass_rate(least_pass_rate)
        self.seed = own_seed if seed is None else checks.seed(seed)
        self.place = place
        self.options = options
        self._prepared: SessionOptions | None = None

    def prepared(self) -> SessionOptions:
        """Load the handler, check the options, and return what its sessions are made of.

        Raises:
            InputError: an option is not allowed.
            HandlerError: the handler can't be loaded.
        """
        if self._prepared is None:
            own = {key: value for key, value in self.options.items() if key in _OF_HANDLER and value is not None}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", GuideCompatWarning)
                self._prepared = SessionOptions.checked(
                    load_handler(self.handler, **own),
                    opening_alone(self.callers),
                    environment=own.get("environment"),
                    seed=self.seed,
                    sessions=None if self.replay is None else self.runs,
                    **{key: value for key, value in self.options.items() if key not in _OF_HANDLER},
                )
        return self._prepared

    def run(self, seed: int | None = None) -> ScenarioResult:
        """Run it as often as it says, and return what came of it.

        Args:
            seed: Run it once, with this seed; of callers of a log the one of the session with this index.

        Raises:
            InputError: an option is not allowed, or there is no such outcome.
            HandlerError: the handler can't be loaded.
        """
        options = self.prepared()
        known = set_outcomes(options.handler.sources)
        findings, failed, outcomes, first, applied = Findings(), [], set(known), None, [0] * len(self.expect)
        n_runs = 0
        for number, job, index in self._plays(options, seed):
            n_runs += 1
            record = play(job, index, findings=findings)
            session = AskedSession(record, known)
            outcomes.update(session.values)
            answers = [expectation.asked_of(session) for expectation in self.expect]
            applied = [n + (not isinstance(a, Unmet) or a.applies) for n, a in zip(applied, answers, strict=True)]
            if unmet := [answer for answer in answers if isinstance(answer, Unmet) and answer.applies]:
                failed.append(FailedRun(number, tuple(unmet)))
                first = first or record
        self._refuse_unknown(outcomes)
        if seed is None and 0 in applied:
            raise InputError(
                f"{_names(self.expect[applied.index(0)])} is not applicable in any run: nothing was asked."
            )
        remarks = findings.remarks(options) if failed else []
        kind: RunKind = "seed" if self.replay is None else "session"
        return ScenarioResult(
            self.name, self.place, n_runs, tuple(failed), self.least_pass_rate, first, tuple(remarks), kind
        )

    def _plays(self, options: SessionOptions, only: int | None) -> Iterator[tuple[int, Job, int]]:
        """Yield of each run its number, the job and the session's index in it."""
        if self.replay is None:
            seeds = range(self.seed, self.seed + self.runs) if only is None else [checks.seed(only)]
            yield from ((seed, Job(replace(options, seed=seed)), 0) for seed in seeds)
            return
        job = Job(options)
        logged = {self.replay.stream_index(index): index for index in range(self.runs)}
        if only is not None and only not in logged:
            raise InputError(f"There is no session {only} among those that are played again: {self.replay!r}.")
        yield from ((number, job, index) for number, index in logged.items() if only in {None, number})

    def check(self) -> None:
        """Run it, and raise an AssertionError with the conversation if it doesn't pass."""
        __tracebackhide__ = True
        result = self.run()
        if not result.passed:
            raise AssertionError(str(result))

    def _refuse_unknown(self, outcomes: set[str]) -> None:
        """Refuse an outcome that no session has and the handler sets nowhere."""
        for expectation in self.expect:
            if expectation.kind == "no_failure":
                expectation.operand.check_name(outcomes)
            for name in expectation.operand if expectation.kind == "outcome" else ():
                if name not in outcomes:
                    raise InputError(
                        f"No session has an outcome {name!r}.{did_you_mean(name, outcomes)} There are: "
                        f"{', '.join(sorted(outcomes))}."
                    )

    def __repr__(self) -> str:
        times = "" if self.runs == 1 else f", {self.runs} runs"
        return f"Scenario({self.name!r}{times})"


def _names(expectation: Expectation) -> str:
    return " and ".join(expectation.operand)


def checked_pass_rate(given: Given) -> float:
    """Return a least pass rate.

    Raises:
        InputError: it is no share.
    """
    if checks.is_number(given) and 1 < given <= 100:  # noqa: PLR2004 - percent
        raise InputError(
            f"least_pass_rate is {shown(given)}, must be a share from 0 to 1. Did you mean {given / 100:g}?"
        )
    return checks.probability("least_pass_rate", given)


__all__ = ["OPTIONS", "Scenario", "checked_pass_rate"]
