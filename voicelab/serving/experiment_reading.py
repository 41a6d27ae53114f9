"""A/B tests as the platform shows them. Every number is one of `vl.analyze`'s: what stops a test there, stops it here."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from voicelab.analysis import Result, analyze
from voicelab.analysis.from_log import from_log
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.records import unwritten_value
from voicelab.log import Log
from voicelab.log.declarations import read_declaration
from voicelab.serving.answer import Answer
from voicelab.serving.asked import NotThereError, Steps, iso, needed, steps_of
from voicelab.serving.followed_log import BEGAN, FollowedLog
from voicelab.serving.metric_reading import at_step

_TESTS = """
SELECT test, count(*) FILTER (assignment = 'random') AS sessions, max(session_index) AS last,
    list(DISTINCT variant ORDER BY variant) FILTER (variant IS NOT NULL) AS variants, first(declaration) AS declaration
FROM exposures GROUP BY test ORDER BY test
"""


class ExperimentReading:
    """What is answered of tests.

    Args:
        log: The log.
    """

    def __init__(self, log: FollowedLog) -> None:
        self._log = log

    def all(self) -> Answer:
        """Answer all tests. One that can't be decided, such as without an outcome, is listed with what it has."""
        found = []
        for row in self._tests().values():
            result = self._result_or_none(row["test"])
            ended_s = self._log.began_s(row["last"] + 1)
            found.append(
                {
                    "name": row["test"],
                    "sessionCount": row["sessions"] if result is None else int(result.variants["sessions"].sum()),
                    "variants": [{"name": name} for name in read_declaration(row["declaration"])["variants"]],
                    "completed": False if result is None else result.decision.should_stop,
                    "lastUpdated": iso(ended_s),
                }
            )
        return Answer(200, {"data": found})

    def describe(self, test: str) -> Answer:
        """Answer a test: its variants, how sure it is, and what would stop it.

        Raises:
            InputError: it can't be analysed.
            NotThereError: there is no such test.
        """
        results = self._results(test)
        result = next(iter(results.values()))
        decision, rule = result.decision, result.rule
        conditions = {
            "current_iterations": decision.sessions,
            "max_iterations": rule.max_iterations,
            "current_confidence": decision.confidence or 0.0,
            "max_confidence": rule.max_confidence,
            "target_outcome": result.outcome,
        }
        variants = [
            {
                "name": row.variant,
                "sessionCount": int(row.sessions),
                "conversions": {name: {"rate": _mean_of(other, row.variant)} for name, other in results.items()},
            }
            for row in result.variants.itertuples()
        ]
        return Answer(
            200,
            {
                "data": {
                    "name": test,
                    "sessionCount": int(result.variants["sessions"].sum()),
                    "completed": decision.should_stop,
                    "conversionMetrics": self._declared(test)["conversion_metrics"],
                    "stopConditions": {name: value for name, value in conditions.items() if value is not None},
                    "variants": variants,
                    "significance": {
                        name: found for name, other in results.items() if (found := _significance(other)) is not None
                    },
                    "winner": decision.winner,
                    "sentence": decision.sentence,
                }
            },
        )

    def funnel(self, test: str) -> Answer:
        """Answer how many of a test's sessions convert, variant by variant, and the lift over the default.

        Raises:
            InputError: it can't be analysed.
            NotThereError: there is no such test.
        """
        results = self._results(test)
        result = next(iter(results.values()))
        frames = {name: other.to_frame().set_index("variant") for name, other in results.items()}
        funnel = [
            {
                "variant": row.variant,
                "sessions": int(row.sessions),
                "metrics": {name: _converted(frame.loc[row.variant]) for name, frame in frames.items()},
                "lift": {
                    name: lift
                    for name, frame in frames.items()
                    if (lift := _number(frame.loc[row.variant].get("lift"))) is not None
                },
            }
            for row in result.variants.itertuples()
        ]
        return Answer(
            200,
            {
                "data": {
                    "experimentName": test,
                    "totalSessions": int(result.variants["sessions"].sum()),
                    "conversionMetrics": list(results),
                    "funnel": funnel,
                }
            },
        )

    def timeseries(self, test: str, query: Mapping[str, str]) -> Answer:
        """Answer an outcome's mean over time, variant by variant, over the sessions that the analysis counts.

        Raises:
            InputError: outcome or time are missing, or none, or it can't be analysed.
            NotThereError: there is no such test.
        """
        self._check(test)
        outcome, steps = needed(query, "metricName"), steps_of(query)
        data = from_log(self._log.now, test, [outcome], None)
        # What wasn't written counts as in the analysis; nothing of it is left out there that isn't here.
        unwritten, crashed = (
            np.nan if (value := unwritten_value(str(data.kind), crashed=is_crashed)) is None else value
            for is_crashed in (False, True)
        )
        began = {row["session_index"]: row["began_s"] for row in self._log.query(
            f"WITH {BEGAN} SELECT session_index, began_s FROM began WHERE began_s BETWEEN $start_s AND $end_s",
            start_s=steps.start_s, end_s=steps.end_s,
        )}  # fmt: skip
        counted = pd.DataFrame(
            {
                "arm": data.arms,
                "value": np.where(data.written, data.values, np.where(data.crashed, crashed, unwritten)).astype(float),
                "began_s": [began.get(index) for index in data.indexes.tolist()],
            }
        ).dropna()
        counted["step"] = ((counted["began_s"] - steps.start_s) // steps.step_s).astype(float)
        means = counted.groupby(["arm", "step"])["value"].mean()
        result = [
            {
                "metric": {"experiment_name": test, "metric_name": outcome, "variant": name},
                "values": _points(means, arm, steps),
            }
            for arm, name in enumerate(data.weights)
        ]
        return Answer(
            200, {"data": {"resultType": "matrix", "result": [series for series in result if series["values"]]}}
        )

    # --- inside ---

    def _tests(self) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = self._log.kept(
            "tests", lambda log: {row["test"]: row for row in log.rows(_TESTS)}
        )
        return found

    def _check(self, test: str) -> None:
        tests = self._tests()
        if test not in tests:
            raise NotThereError(f"Experiment not found: {test}.{did_you_mean(test, list(tests))}")

    def _declared(self, test: str) -> dict[str, Any]:
        return read_declaration(self._tests()[test]["declaration"])

    def _results(self, test: str) -> dict[str, Result]:
        """Return the test's analysis by what it is judged by, and by each of its conversion metrics."""
        self._check(test)
        judged = self._result(test, None)
        results = {judged.outcome: judged} if judged.outcome else {}
        for name in self._declared(test)["conversion_metrics"]:
            if name not in results:
                results[name] = self._result(test, name)
        return {str(name): result for name, result in results.items()} or {"": judged}

    def _result(self, test: str, outcome: str | None) -> Result:
        def analysed(log: Log) -> Result:
            return analyze(log, test, outcome=outcome)

        found: Result = self._log.kept((test, outcome), analysed)
        return found

    def _result_or_none(self, test: str) -> Result | None:
        try:
            return self._result(test, None)
        except InputError:
            return None


def _mean_of(result: Result, variant: str) -> float | None:
    row = result.variants.set_index("variant").loc[variant]
    return _number(row["mean"])


def _converted(row: Any) -> dict[str, Any]:
    conversions = _number(row["conversions"])
    found = {} if conversions is None else {"conversions": int(conversions)}
    return found | {"rate": _number(row["mean"])}


def _significance(result: Result) -> dict[str, Any] | None:
    """Return how sure a result is; None where nothing can be said, which the command line shows as no row."""
    confidence = result.decision.confidence
    if confidence is None:
        return None
    p_values = result.comparisons["p_value_adjusted"].dropna()
    p_value = float(p_values.min()) if len(p_values) else 1.0
    return {"confidence": confidence, "pValue": p_value, "significance": result.decision.conclusion}


def _points(means: "pd.Series[float]", arm: int, steps: Steps) -> list[list[Any]]:
    own = means[means.index.get_level_values("arm") == arm]
    return [
        [at_step(steps, step), f"{value:.15g}"]
        for step, value in zip(own.index.get_level_values("step"), own, strict=True)
    ]


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)
