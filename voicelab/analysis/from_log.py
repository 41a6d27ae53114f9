"""The sessions of one test from a session log; and which sessions are not counted, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.kinds import (
    MOST_LEVELS,
    AskedKind,
    as_asked,
    asked_kinds,
    numbers_of,
    read_all,
    read_one,
    split,
)
from voicelab.analysis.sessions import CRASHED, NO_NUMBER, UNWRITTEN, TestData, Values
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.records import unwritten_value
from voicelab.decision.rules import Kind, StopRule, Target, switched_on


def from_log(
    log: Any,
    test: str | None,
    outcomes: Sequence[str],
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
    mix: bool = False,
    kind: AskedKind | Mapping[str, AskedKind] | None = None,
) -> TestData:
    """Return a test's sessions from a session log.

    Args:
        log: The log.
        test: The test; None for the only one.
        outcomes: The outcome to judge by, and others to report; by default the test's target, and all of them.
        rule: The stop rule; None for the test's own.
        by: Column of `log.sessions()` to report segments of.
        guardrails: Numeric columns of `log.sessions()`, or outcomes.
        mix: Allow sessions of several sources.
        kind: Kind that is asked for of the target, or kinds by outcome.

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
    reading = _Reading(log, random, declaration["conversion_metrics"], asked_kinds(kind, outcome))
    values, written, found = reading.outcome(outcome, warnings)
    status = _indexed(sessions, "status", random)
    weights, off = _weights_in(rows, random, declaration)
    arm_of = {variant: arm for arm, variant in enumerate(weights)}
    source = str(log.manifest.get("source", "")) + (" callers" if log.manifest.get("source") == "simulated" else "")
    if log.manifest.get("has_truth"):
        source += ", effects you specified"
    data = TestData(
        test=test,
        weights=weights,
        rule=rule,
        outcome=outcome,
        kind=found,
        arms=random["variant"].map(arm_of).to_numpy(dtype=np.int64),
        values=values,
        written=written,
        crashed=(status == "error").to_numpy(dtype=np.bool_),
        indexes=random["session_index"].to_numpy(dtype=np.int64),
        epochs=_epochs(random),
        others=reading.others(outcome, outcomes[1:], guardrails, warnings),
        segments=None if by is None else _segments_of(sessions, by, random),
        excluded={_REASONS.get(reason, reason): int(n) for reason, n in excluded.items()},
        warnings=warnings,
        source=source,
        switched_off=off,
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


def _weights_in(
    rows: pd.DataFrame, random: pd.DataFrame, declaration: Mapping[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """Return the declared weights of the variants that were ever switched on or drawn, and the other variants."""
    on = {variant for text in rows["declaration"].unique() for variant in switched_on(json.loads(text)["variants"])}
    on |= set(random["variant"].astype(str).unique())
    weights = {variant: weight for variant, weight in declaration["variants"].items() if variant in on}
    return weights, [variant for variant in declaration["variants"] if variant not in on]


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


@dataclass(frozen=True)
class _Reading:
    """What outcomes are read from.

    Attributes:
        log: The log.
        random: Exposures of the counted sessions, in order.
        conversions: The test's conversion metrics.
        asked: Kinds that are asked for.
    """

    log: Any
    random: pd.DataFrame
    conversions: list[str]
    asked: Mapping[str, AskedKind]

    def outcome(self, name: str | None, warnings: list[str]) -> Values:
        """Return an outcome, or a level of one."""
        if name is None:
            return self._nothing
        rows, known = self._rows(name)
        if not len(rows):
            return self._session_column(name, known)
        base, level = split(name, known)
        if level is not None or self._is_text(rows, base):
            return _all_written(*read_one(self._column(rows, base), name, {base: "string"}, warnings))
        kind = Target(name, self.conversions).kind_in(rows["type"].astype(str))
        if rows.loc[rows["written"], "type"].nunique() > 1:
            counts = ", ".join(f"{n:,} {t}" for t, n in rows.loc[rows["written"], "type"].value_counts().items())
            warnings.append(f"The outcome {name!r} holds values of several types ({counts}); it is read as {kind}.")
        by_id = self._by_id(rows)
        values = by_id["value"].to_numpy(dtype=np.float64)
        if (asked := self.asked.get(name)) is not None:
            kind = as_asked(numbers_of(by_id["value"], name)[1], name, asked)
        if rows["late"].any():
            # Unknown, not zero: the outcome was added afterwards for the sessions in which it was known.
            return _all_written(values, kind)
        return Values(values, by_id["written"].astype("boolean").fillna(False).to_numpy(dtype=np.bool_), kind)

    def others(
        self, target: str | None, named: Sequence[str], guardrails: Sequence[str], warnings: list[str]
    ) -> dict[str, Values]:
        """Return the other outcomes, all of them unless they are named, those of text by level; and the guardrails."""
        everything = sorted(self.log.outcomes()["outcome"].astype(str).unique())
        found: dict[str, Values] = {}
        for name in dict.fromkeys(named or everything):
            rows, known = self._rows(name)
            if len(rows) and split(name, known)[1] is None and self._is_text(rows, name):
                column = self._column(rows, name)
                # A note or a transcript is no outcome with levels, unless it is asked for.
                if named or column.nunique() <= MOST_LEVELS:
                    levels = read_all(column, name, {name: "string"}, warnings)
                    found |= {level: _all_written(*read) for level, read in levels.items() if level != target}
            elif name != target:
                found[name] = self.outcome(name, [])
        return found | {name: self.outcome(name, []) for name in guardrails}

    @property
    def _nothing(self) -> Values:
        return Values(np.full(len(self.random), np.nan), np.zeros(len(self.random), dtype=np.bool_), None)

    def _rows(self, name: str) -> tuple[pd.DataFrame, list[str]]:
        """Return the rows of an outcome or of the outcome of a level, in order, and the names of all outcomes."""
        rows = self.log.outcomes()
        known = sorted(rows["outcome"].astype(str).unique())
        return rows[rows["outcome"] == split(name, known)[0]].sort_values("session_index"), known

    def _is_text(self, rows: pd.DataFrame, name: str) -> bool:
        asked = self.asked.get(name)
        return asked == "string" if asked else rows["type"].iloc[0] == "string" and name not in self.conversions

    def _by_id(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.drop_duplicates("session_id").set_index("session_id").reindex(self.random["session_id"])

    def _column(self, rows: pd.DataFrame, base: str) -> pd.Series:
        """Return what was written as text, or as numbers; nothing where nothing was: such a session has no level."""
        by_id = self._by_id(rows)
        written = by_id["text"] if rows["type"].iloc[0] == "string" else by_id["value"]
        return written.where(by_id["written"].astype("boolean").fillna(False)).rename(base)

    def _session_column(self, name: str, known: list[str]) -> Values:
        sessions = self.log.sessions()
        own = [str(column) for column in sessions.columns if not str(column).startswith(("outcome.", "variant."))]
        numeric = [str(c) for c in sessions.select_dtypes("number").columns if str(c) in own]
        base, level = split(name, own)
        if base in (numeric if level is None else own):
            return _all_written(*read_one(_indexed(sessions, base, self.random), name, self.asked, []))
        if known:
            near = did_you_mean(name, [*known, *numeric])
            raise InputError(f"The log has no outcome {name!r}. It has: {', '.join(known)}.{near}")
        return self._nothing


def _all_written(values: npt.NDArray[Any], kind: Kind | None) -> Values:
    """Return values of which a missing one is unknown, not a session that wrote nothing."""
    return Values(values, np.ones(len(values), dtype=np.bool_), kind)


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
            how = "left out" if unwritten_value(data.kind, crashed=True) is None else "counted as a failure"
            data.excluded[f"{CRASHED} without the outcome: {how}"] = crashed
    odd = int((data.written & ~np.isfinite(data.values)).sum())
    if odd:
        data.excluded[NO_NUMBER] = odd
