"""The sessions of one test from a session log; and which sessions are not counted, and why.

Each table is read once, as Arrow's columns, and joined by session_index in numpy: a frame of millions of rows is made of
no more than what is asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from voicelab.analysis.kinds import MOST_LEVELS, AskedKind, as_asked, asked_kinds, kind_of, read_all, read_one, split
from voicelab.analysis.sessions import CRASHED, NO_NUMBER, UNWRITTEN, TestData, Values, all_written
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.records import SESSIONS, unwritten_value
from voicelab.decision.rules import StopRule, Target, switched_on
from voicelab.log import Log

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_EXPOSURES = ("session_index", "test", "variant", "assignment", "declaration")
_OUTCOMES = ("session_index", "outcome", "type", "value", "text", "written")


def from_log(
    log: Log,
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
    exposures = log.columns("exposures", _EXPOSURES)
    test, exposures = _of_test(exposures, test)
    declarations = _Categories(exposures.column("declaration"))
    declaration = json.loads(declarations.names[declarations.codes[0]])
    warnings = _declaration_warnings(test, declarations, declaration)
    own = StopRule.from_stop(declaration["stop"]) if declaration["stop"] else StopRule()
    rule = _with_a_valid_method(rule or own, own, declarations, warnings)
    recorded = _Outcomes(log.columns("outcomes", _OUTCOMES), log.columns("late", _OUTCOMES))
    outcome = next(iter(outcomes), None) or rule.target_outcome or _only_outcome(recorded)
    sessions = log.columns(
        "sessions", ["session_index", "status", "source", *_stored(by, guardrails, outcomes, outcome)]
    )
    _check_sources(sessions, mix)
    assignment = _Categories(exposures.column("assignment"))
    drawn = assignment.are("random")
    random = exposures.filter(pa.array(drawn))
    indexes = random.column("session_index").to_numpy()
    reading = _OutcomeReader(
        log, recorded, sessions, indexes, declaration["conversion_metrics"], asked_kinds(kind, outcome)
    )
    values, written, found = reading.outcome(outcome, warnings)
    weights, off = _weights_in(declarations, random, declaration)
    source = str(log.manifest.get("source", "")) + (" callers" if log.manifest.get("source") == "simulated" else "")
    if log.manifest.get("has_truth"):
        source += ", effects you specified"
    data = TestData(
        test=test,
        weights=weights,
        rule=rule,
        outcome=outcome,
        kind=found,
        arms=_arms(test, random, weights),
        values=values,
        written=written,
        crashed=_Categories(reading.session_column("status")).are("error"),
        indexes=indexes,
        epochs=_epochs(declarations, drawn),
        others=reading.others(outcome, outcomes[1:], guardrails, warnings),
        segments=None if by is None else reading.segments(by),
        excluded=_not_drawn(assignment, drawn),
        warnings=warnings,
        source=source,
        switched_off=off,
    )
    _count_values(data)
    return data


class _Categories:
    """A column of text that repeats: the code of each row, -1 where there is none, and the text of each code."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        whole = column.unify_dictionaries().combine_chunks()
        self.codes: Ints = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        self.names: list[str] = whole.dictionary.to_pylist()

    def are(self, name: str) -> Bools:
        """Return which rows hold a text."""
        if name not in self.names:
            return np.zeros(len(self.codes), dtype=np.bool_)
        return np.asarray(self.codes == self.names.index(name))

    @property
    def in_use(self) -> list[str]:
        """The different texts, in order of their first rows."""
        codes, first = np.unique(self.codes, return_index=True)
        return [self.names[code] for code in codes[np.argsort(first)] if code >= 0]

    @property
    def texts(self) -> pd.Series:
        """The text of each row; None where there is none."""
        return pd.Series(np.array([*self.names, None], dtype=object)[self.codes])


def _of_test(exposures: pa.Table, test: str | None) -> tuple[str, pa.Table]:
    """Return a test, the only one if none is named, and its exposures."""
    column = _Categories(exposures.column("test"))
    tests = sorted(column.in_use)
    if test is None and len(tests) == 1:
        test = tests[0]
    if test is None or test not in tests:
        has = f"It has: {', '.join(tests)}." if tests else "No session reached a test."
        raise InputError(f"The log has no test {test!r}. {has}{did_you_mean(str(test), tests)}")
    return test, exposures if len(tests) == 1 else exposures.filter(pa.array(column.are(test)))


_REASONS = {
    "forced": "forced: a person chose the variant",
    "default_after_stop": "served the default after the stop",
    "unassigned": "no variant found",
}


def _not_drawn(assignment: _Categories, drawn: Bools) -> dict[str, int]:
    """Return how many sessions did not get a random variant, by reason."""
    if drawn.all():
        return {}
    reasons = assignment.texts[~drawn].value_counts()
    return {_REASONS.get(str(reason), str(reason)): int(n) for reason, n in reasons.items()}


def _stored(by: str | None, guardrails: Sequence[str], outcomes: Sequence[str], target: str | None) -> list[str]:
    """Return which columns of the table of sessions are asked for."""
    asked = [name for name in (by, *guardrails, *outcomes, target) if name is not None]
    stored = dict.fromkeys(split(name, SESSIONS)[0] for name in asked)
    return [name for name in stored if name in SESSIONS and name not in {"session_index", "status", "source"}]


def _check_sources(sessions: pa.Table, mix: bool) -> None:
    sources = sorted(_Categories(sessions.column("source")).in_use)
    if len(sources) > 1 and not mix:
        raise InputError(
            f"The log mixes sessions of several sources ({', '.join(sources)}), which are not alike. Analyse them apart, "
            "or together on purpose by mix=True."
        )


def _with_a_valid_method(rule: StopRule, own: StopRule, declarations: _Categories, warnings: list[str]) -> StopRule:
    """Return the rule, without its horizon's method where the horizon was changed after the declaration."""
    declared = {
        StopRule.from_stop(stop).max_iterations for text in declarations.in_use if (stop := json.loads(text)["stop"])
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
    declarations: _Categories, random: pa.Table, declaration: Mapping[str, Any]
) -> tuple[dict[str, float], list[str]]:
    """Return the declared weights of the variants that were ever switched on or drawn, and the other variants."""
    on = {variant for text in declarations.in_use for variant in switched_on(json.loads(text)["variants"])}
    on |= set(_Categories(random.column("variant")).in_use)
    weights = {variant: weight for variant, weight in declaration["variants"].items() if variant in on}
    return weights, [variant for variant in declaration["variants"] if variant not in on]


def _epochs(declarations: _Categories, drawn: Bools) -> list[tuple[int, Mapping[str, float]]]:
    """Return where the weights change among the counted sessions, and to what."""
    weights = [json.loads(text)["variants"] for text in declarations.names]
    # Declarations that differ in something else than weights are one epoch.
    written = [json.dumps(own) for own in weights]
    same = np.array([written.index(text) for text in written], dtype=np.int64)[declarations.codes[drawn]]
    return [(int(at), weights[same[at]]) for at in np.flatnonzero(same[1:] != same[:-1]) + 1]


def _arms(test: str, random: pa.Table, variants: Mapping[str, float]) -> Ints:
    arm_of = {variant: arm for arm, variant in enumerate(variants)}
    column = _Categories(random.column("variant"))
    if unknown := [name for name in column.in_use if name not in arm_of]:
        raise InputError(
            f"Sessions got the variant {unknown[0]!r}, which the first declaration of {test!r} doesn't name "
            f"({', '.join(arm_of)}). Analyse the sessions before and after the change apart."
        )
    return np.array([arm_of.get(name, 0) for name in column.names], dtype=np.int64)[column.codes]


def _declaration_warnings(test: str, declarations: _Categories, declaration: Mapping[str, Any]) -> list[str]:
    warnings = []
    if len(declarations.in_use) > 1:
        warnings.append(
            f"The declaration of {test!r} changed between sessions; the first one counts, and where weights changed "
            "sessions are compared only with others under the same weights."
        )
    total = sum(declaration["variants"].values())
    if abs(total - 1) > 1e-6:  # noqa: PLR2004 - weights are shares
        warnings.append(f"The weights of {test!r} sum to {total:g}; they are taken as shares of that.")
    return warnings


# --- outcomes --------------------------------------------------------------------------------------------------------


class _Outcomes:
    """What all sessions wrote, and what was added late."""

    def __init__(self, written: pa.Table, late: pa.Table) -> None:
        self._rows = pa.concat_tables([written, late])
        self._first_late = len(written)
        self._outcome = _Categories(self._rows.column("outcome"))
        self.names = sorted(self._outcome.in_use)

    def of(self, name: str) -> "_Rows":
        """Return the rows of an outcome in order of sessions, none if there are none."""
        mine = self._outcome.are(name)
        # Filtered, not taken: taking joins the texts of all outcomes first, which may be more than Arrow can join.
        rows = self._rows.filter(pa.array(mine))
        index = rows.column("session_index").to_numpy()
        if (index[1:] < index[:-1]).any():
            order = np.argsort(index, kind="stable")
            rows, index = rows.take(order), index[order]
        return _Rows(rows, index, bool(mine[self._first_late :].any()))


def _only_outcome(recorded: _Outcomes) -> str | None:
    names = recorded.names
    if len(names) > 1:
        raise InputError(f"The test names no target outcome. Choose one: outcome={' or '.join(map(repr, names))}.")
    return names[0] if names else None


@dataclass(frozen=True)
class _Rows:
    """What was written of one outcome: its rows, the session of each, and whether any was added late."""

    rows: pa.Table
    index: Ints
    late: bool

    @property
    def types(self) -> _Categories:
        """The type of each row."""
        return _Categories(self.rows.column("type"))

    @property
    def written(self) -> Bools:
        """Whether each row was written, and not only declared."""
        return np.asarray(self.rows.column("written").fill_null(False).to_numpy())

    def at(self, sessions: Ints) -> pa.Array:
        """Return the row of each of some sessions; null where there is none."""
        if not len(self.index):
            return pa.nulls(len(sessions), pa.int64())
        row = np.minimum(np.searchsorted(self.index, sessions), len(self.index) - 1)
        return pa.array(row, mask=self.index[row] != sessions)


@dataclass(frozen=True)
class _OutcomeReader:
    """Reads outcomes of the counted sessions.

    Attributes:
        log: The log.
        recorded: What all its sessions wrote.
        sessions: Columns of the table of sessions.
        indexes: Index of each counted session, in order.
        conversions: The test's conversion metrics.
        asked: Kinds that are asked for.
    """

    log: Log
    recorded: _Outcomes
    sessions: pa.Table
    indexes: Ints
    conversions: list[str]
    asked: Mapping[str, AskedKind]

    def outcome(self, name: str | None, warnings: list[str]) -> Values:
        """Return an outcome, or a level of one."""
        if name is None:
            return self._nothing
        base, level = split(name, self.recorded.names)
        own = self.recorded.of(base)
        if not len(own.index):
            return self._session_column(name)
        if level is not None or self._is_text(own, base):
            return all_written(*read_one(self._column(own, base), name, {base: "string"}, warnings))
        return self._numbers(own, name, warnings)

    def _numbers(self, own: _Rows, name: str, warnings: list[str]) -> Values:
        types = own.types
        kind = Target(name, self.conversions).kind_in(types.names[code] for code in types.codes)
        if len(np.unique(types.codes[own.written])) > 1:
            counts = ", ".join(f"{n:,} {t}" for t, n in types.texts[own.written].value_counts().items())
            warnings.append(f"The outcome {name!r} holds values of several types ({counts}); it is read as {kind}.")
        at = own.at(self.indexes)
        values = own.rows.column("value").take(at).to_numpy().astype(np.float64, copy=False)
        if (asked := self.asked.get(name)) is not None:
            kind = as_asked(kind_of(values, name), name, asked)
        if own.late:
            # Unknown, not zero: the outcome was added afterwards for the sessions in which it was known.
            return all_written(values, kind)
        written = own.rows.column("written").take(at).fill_null(False).to_numpy()
        return Values(values, written, kind)

    def others(
        self, target: str | None, named: Sequence[str], guardrails: Sequence[str], warnings: list[str]
    ) -> dict[str, Values]:
        """Return the other outcomes, all of them unless they are named, those of text by level; and the guardrails."""
        found: dict[str, Values] = {}
        for name in dict.fromkeys(named or self.recorded.names):
            base, level = split(name, self.recorded.names)
            own = self.recorded.of(base)
            if len(own.index) and level is None and self._is_text(own, name):
                column = self._column(own, name)
                # A note or a transcript is no outcome with levels, unless it is asked for.
                if named or column.nunique() <= MOST_LEVELS:
                    levels = read_all(column, name, {name: "string"}, warnings)
                    found |= {level: all_written(*read) for level, read in levels.items() if level != target}
            elif name != target:
                found[name] = self.outcome(name, [])
        return found | {name: self.outcome(name, []) for name in guardrails}

    @property
    def _nothing(self) -> Values:
        return Values(np.full(len(self.indexes), np.nan), np.zeros(len(self.indexes), dtype=np.bool_), None)

    def _is_text(self, own: _Rows, name: str) -> bool:
        asked = self.asked.get(name)
        return asked == "string" if asked else own.types.in_use[0] == "string" and name not in self.conversions

    def _column(self, own: _Rows, base: str) -> pd.Series:
        """Return what was written as text, or as numbers; nothing where nothing was: such a session has no level."""
        at = own.at(self.indexes)
        column = own.rows.column("text" if own.types.in_use[0] == "string" else "value").take(at).to_pandas()
        return column.where(own.rows.column("written").take(at).fill_null(False).to_numpy()).rename(base)

    def session_column(self, name: str) -> pa.ChunkedArray:
        """Return a column of the table of sessions, of the counted ones."""
        index = self.sessions.column("session_index").to_numpy()
        column = self.sessions.column(name).take(np.searchsorted(index, self.indexes))
        return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column

    def segments(self, by: str) -> npt.NDArray[np.object_]:
        """Return the segment of each counted session."""
        if by in SESSIONS:
            column = self.session_column(by).to_pandas()
        else:
            # A variant or an outcome beside the sessions: rare, and rather as the frame has it than quick.
            frame = self.log.sessions()
            if by not in frame.columns:
                raise InputError(
                    f"The log's sessions have no column {by!r}.{did_you_mean(by, map(str, frame.columns))}"
                )
            column = frame.set_index("session_index")[by].reindex(self.indexes)
        names: npt.NDArray[np.object_] = column.astype("string").fillna("(missing)").to_numpy(dtype=object)
        return names

    def _session_column(self, name: str) -> Values:
        numeric = [column for column, type_ in SESSIONS.items() if type_ in {"int32", "int64", "float64"}]
        base, level = split(name, SESSIONS)
        if base in (numeric if level is None else SESSIONS):
            column = self.session_column(base).to_pandas().rename(base)
            return all_written(*read_one(column, name, self.asked, []))
        if known := self.recorded.names:
            near = did_you_mean(name, [*known, *numeric])
            raise InputError(f"The log has no outcome {name!r}. It has: {', '.join(known)}.{near}")
        return self._nothing


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
