"""The sessions of one test from a session log; and which sessions are not counted, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.data import CRASHED, UNWRITTEN, TestData, Values, numbers_of
from voicelab.errors import InputError, did_you_mean
from voicelab.rules import Kind, StopRule, Target


def from_log(
    log: Any,
    test: str | None,
    outcomes: Sequence[str],
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
    mix: bool = False,
) -> TestData:
    """Return a test's sessions from a session log.

    Args:
        log: The log.
        test: The test; None for the only one.
        outcomes: The outcome to judge by, and others to report; by default the test's target, and all numeric ones.
        rule: The stop rule; None for the test's own.
        by: Column of `log.sessions()` to report segments of.
        guardrails: Numeric columns of `log.sessions()`, or outcomes.
        mix: Allow sessions of several sources.

    Raises:
        InputError: the log has no such test, outcome or column, or sessions of several sources.
    """
    exposures = log.exposures()
    tests = sorted(exposures["test"].astype(str).unique())
    if test is None and len(tests) == 1:
        test = tests[0]
    if test is None or test not in tests:
        has = f"It has: {', '.join(tests)}." if tests else "No session reached a test."
        raise InputError(f"The log has no test {test!r}. {has}{did_you_mean(str(test), tests)}")
    rows = exposures[exposures["test"] == test].sort_values("session_index")
    declaration = json.loads(rows["declaration"].iloc[0])
    warnings = _declaration_warnings(test, rows, declaration)
    own = StopRule.from_stop(declaration["stop"]) if declaration["stop"] else StopRule()
    rule = _with_a_valid_method(rule or own, own, rows, warnings)
    outcome = next(iter(outcomes), None) or rule.target_outcome or _only_outcome(log)
    sessions = log.sessions()
    _check_sources(sessions, mix)
    random = rows[rows["assignment"] == "random"]
    excluded = rows.loc[rows["assignment"] != "random", "assignment"].astype(str).value_counts().to_dict()
    values, written, kind = _outcome_of(log, random, outcome, declaration["conversion_metrics"], warnings)
    status = _indexed(sessions, "status", random)
    arm_of = {variant: arm for arm, variant in enumerate(declaration["variants"])}
    source = str(log.manifest.get("source", "")) + (" callers" if log.manifest.get("source") == "simulated" else "")
    if log.manifest.get("has_truth"):
        source += ", effects you specified"
    data = TestData(
        test=test,
        weights=declaration["variants"],
        rule=rule,
        outcome=outcome,
        kind=kind,
        arms=random["variant"].map(arm_of).to_numpy(dtype=np.int64),
        values=values,
        written=written,
        crashed=(status == "error").to_numpy(dtype=np.bool_),
        indexes=random["session_index"].to_numpy(dtype=np.int64),
        epochs=_epochs(random),
        others=_others_of(log, random, outcome, outcomes[1:], guardrails, declaration["conversion_metrics"]),
        segments=None if by is None else _segments_of(sessions, by, random),
        excluded={_REASONS.get(reason, reason): int(n) for reason, n in excluded.items()},
        warnings=warnings,
        source=source,
    )
    _count_values(data)
    return data


_REASONS = {
    "forced": "forced: a person chose the variant",
    "default_after_stop": "served the default after the stop",
    "unassigned": "no variant found",
}


def _check_sources(sessions: pd.DataFrame, mix: bool) -> None:
    sources = sorted(sessions["source"].dropna().astype(str).unique())
    if len(sources) > 1 and not mix:
        raise InputError(
            f"The log mixes sessions of several sources ({', '.join(sources)}), which are not alike. Analyse them apart, "
            "or together on purpose by mix=True."
        )


def _with_a_valid_method(rule: StopRule, own: StopRule, rows: pd.DataFrame, warnings: list[str]) -> StopRule:
    """Return the rule, without its horizon's method where the horizon was changed after the declaration."""
    declared = {
        StopRule.from_stop(stop).max_iterations
        for text in rows["declaration"].unique()
        if (stop := json.loads(text)["stop"])
    }
    if own.max_iterations is None or not rule.has_horizon or {rule.max_iterations} == declared:
        return rule
    numbers = ", ".join(str(m) for m in sorted(declared | {rule.max_iterations}, key=str))
    warnings.append(
        f"max_iterations was changed after the declaration ({numbers}): a boundary over a changed horizon stops falsely, "
        "so the confidence is that of the method without a horizon."
    )
    return replace(rule, method="e-process")


def _epochs(random: pd.DataFrame) -> list[tuple[int, Mapping[str, float]]]:
    """Return where the weights change, and to what."""
    weights = random["declaration"].map(
        {text: json.dumps(json.loads(text)["variants"]) for text in random["declaration"].unique()}
    )
    changes = np.flatnonzero((weights != weights.shift()).to_numpy())
    return [(int(at), json.loads(weights.iloc[at])) for at in changes[1:]]


def _segments_of(sessions: pd.DataFrame, by: str, random: pd.DataFrame) -> npt.NDArray[np.object_]:
    if by not in sessions.columns:
        raise InputError(f"The log's sessions have no column {by!r}.{did_you_mean(by, map(str, sessions.columns))}")
    names: npt.NDArray[np.object_] = (
        _indexed(sessions, by, random).astype("string").fillna("(missing)").to_numpy(dtype=object)
    )
    return names


def _others_of(
    log: Any,
    random: pd.DataFrame,
    target: str | None,
    named: Sequence[str],
    guardrails: Sequence[str],
    conversions: list[str],
) -> dict[str, Values]:
    """Return the other outcomes (all numeric ones unless they are named) and the guardrails."""
    kinds = log.outcomes().groupby("outcome", observed=True)["type"].first().astype(str)
    numeric = [str(name) for name, type_ in kinds.items() if type_ != "string"]
    wanted = dict.fromkeys([*(named or numeric), *guardrails])
    return {
        name: Values(*_outcome_of(log, random, name, conversions, []))
        for name in wanted
        if name != target or name in guardrails
    }


def _declaration_warnings(test: str, rows: pd.DataFrame, declaration: dict[str, Any]) -> list[str]:
    warnings = []
    if rows["declaration"].nunique() > 1:
        warnings.append(
            f"The declaration of {test!r} changed between sessions; the first one counts, and where weights changed "
            "sessions are compared only with others under the same weights."
        )
    total = sum(declaration["variants"].values())
    if abs(total - 1) > 1e-6:  # noqa: PLR2004 - weights are shares
        warnings.append(f"The weights of {test!r} sum to {total:g}; they are taken as shares of that.")
    return warnings


def _only_outcome(log: Any) -> str | None:
    names = sorted(log.outcomes()["outcome"].astype(str).unique())
    if len(names) > 1:
        raise InputError(f"The test names no target outcome. Choose one: outcome={' or '.join(map(repr, names))}.")
    return names[0] if names else None


def _outcome_of(
    log: Any, random: pd.DataFrame, outcome: str | None, conversions: list[str], warnings: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], Kind | None]:
    """Return values, whether each was written, and the kind of the outcome, for the counted sessions."""
    nothing = np.full(len(random), np.nan)
    if outcome is None:
        return nothing, np.zeros(len(random), dtype=np.bool_), None
    all_rows = log.outcomes()
    rows = all_rows[all_rows["outcome"] == outcome].sort_values("session_index")
    if not len(rows):
        return _session_column(log, random, outcome, sorted(all_rows["outcome"].astype(str).unique()))
    kind = Target(outcome, conversions).kind_in(rows["type"].astype(str))
    if rows.loc[rows["written"], "type"].nunique() > 1:
        counts = ", ".join(f"{n:,} {t}" for t, n in rows.loc[rows["written"], "type"].value_counts().items())
        warnings.append(f"The outcome {outcome!r} holds values of several types ({counts}); it is read as {kind}.")
    by_id = rows.drop_duplicates("session_id").set_index("session_id")
    values = by_id["value"].reindex(random["session_id"]).to_numpy(dtype=np.float64)
    written = by_id["written"].reindex(random["session_id"]).astype("boolean").fillna(False).to_numpy(dtype=np.bool_)
    if rows["late"].any():
        # Unknown, not zero: the outcome was added afterwards for the sessions in which it was known.
        return values, np.ones(len(random), dtype=np.bool_), kind
    return values, written, kind


def _session_column(
    log: Any, random: pd.DataFrame, outcome: str, known: list[str]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_], Kind | None]:
    sessions = log.sessions()
    numeric = [str(c) for c in sessions.select_dtypes("number").columns if not str(c).startswith("outcome.")]
    if outcome in numeric:
        values, kind = numbers_of(_indexed(sessions, outcome, random), outcome)
        return values, np.ones(len(random), dtype=np.bool_), kind
    if known:
        near = did_you_mean(outcome, [*known, *numeric])
        raise InputError(f"The log has no outcome {outcome!r}. It has: {', '.join(known)}.{near}")
    return np.full(len(random), np.nan), np.zeros(len(random), dtype=np.bool_), None


def _indexed(sessions: pd.DataFrame, column: str, random: pd.DataFrame) -> pd.Series:
    return sessions.set_index("session_id")[column].reindex(random["session_id"])


def _count_values(data: TestData) -> None:
    """Note how many sessions count with a value that they didn't write, or don't count at all."""
    unwritten = ~data.written
    if data.kind is not None and data.written.any():
        completed = int((unwritten & ~data.crashed).sum())
        crashed = int((unwritten & data.crashed).sum())
        if completed:
            data.excluded[UNWRITTEN] = completed
        if crashed:
            how = "counted as a failure" if data.kind == "binary" else "left out"
            data.excluded[f"{CRASHED} without the outcome: {how}"] = crashed
    odd = int((data.written & ~np.isfinite(data.values)).sum())
    if odd:
        data.excluded["the outcome is missing, or no finite number: left out"] = odd
