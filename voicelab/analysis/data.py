"""The sessions of one test as arrays, from a log or a DataFrame; and which sessions are not counted, and why."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.errors import InputError, did_you_mean
from voicelab.monitor import Monitor
from voicelab.rules import Kind, StopRule, Target

UNWRITTEN = "completed without writing the outcome: counted as 0"
_AT_ONCE = 1 << 18
CRASHED = "crashed (status error)"


def chunk_of(variants: int) -> int:
    """Return how many sessions are weighed at once: what they take, a number for every pair, fits the processor's cache."""
    return max(256, (1 << 19) // variants**2)


class Values(NamedTuple):
    """One outcome of the counted sessions.

    Attributes:
        values: What was written, shape (T,), numbers or booleans as they came: millions take no more than they need.
        written: Whether it was written; what was not counts as 0.
        kind: Its kind, None if no session declared or wrote it.
    """

    values: npt.NDArray[Any]
    written: npt.NDArray[np.bool_]
    kind: Kind | None


@dataclass
class TestData:
    """The counted sessions of a test, in order.

    Attributes:
        test: The test's name.
        weights: Its variants and weights, as configured.
        rule: Its stop rule.
        outcome: The outcome it is judged by; None if it names none and there is no other.
        kind: Kind of the outcome; None if no session declared or wrote it.
        arms: Arm of each session.
        values: Value of the outcome, where written.
        written: Whether it was written.
        crashed: Whether the session ended with status `error`.
        indexes: Index of each session.
        epochs: Where other weights begin: position of the first session, and the weights.
        others: Other outcomes and guardrails, by name.
        segments: Segment of each session, if it was asked for.
        excluded: Sessions that are not counted, by reason.
        warnings: What needs care.
        source: Where the sessions are from.
    """

    test: str
    weights: Mapping[str, float]
    rule: StopRule
    outcome: str | None
    kind: Kind | None
    arms: npt.NDArray[np.integer]
    values: npt.NDArray[Any]
    written: npt.NDArray[np.bool_]
    crashed: npt.NDArray[np.bool_]
    indexes: npt.NDArray[np.integer]
    epochs: list[tuple[int, Mapping[str, float]]] = field(default_factory=list)
    others: dict[str, Values] = field(default_factory=dict)
    segments: npt.NDArray[np.object_] | None = None
    excluded: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    source: str = ""

    def leave_out_unwritten(self) -> None:
        """Have sessions that didn't write the outcome left out, instead of counting as 0."""
        unwritten = ~self.written
        self.values = np.where(unwritten, np.nan, self.values)
        self.written = np.ones_like(self.written)
        for reason in [reason for reason in self.excluded if reason == UNWRITTEN or reason.startswith(CRASHED)]:
            del self.excluded[reason]
        if unwritten.any():
            self.excluded["didn't write the outcome: left out, because of missing='exclude'"] = int(unwritten.sum())

    def shown_to(self, monitor: Monitor, values: Values, part: Any = slice(None)) -> int | None:
        """Have a monitor take sessions by one of their outcomes; return the position of the one that stops it."""
        return monitor.extend(*self.seen(values, part), self.indexes[part])

    def seen(self, values: Values, part: Any) -> tuple[Any, Any, Any, Any]:
        """Return arm, value of an outcome, whether it was written and whether it crashed, of some of the sessions."""
        numbers = values.values[part].astype(np.float64, copy=False)
        return self.arms[part], numbers, values.written[part], self.crashed[part]

    def cut(self, end: int) -> None:
        """Keep the sessions before a position alone."""
        for name in ("arms", "values", "written", "crashed", "indexes"):
            setattr(self, name, getattr(self, name)[:end])
        self.segments = None if self.segments is None else self.segments[:end]
        self.others = {
            name: Values(others.values[:end], others.written[:end], others.kind) for name, others in self.others.items()
        }


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


def from_frame(
    frame: pd.DataFrame,
    variant: str,
    outcomes: Sequence[str],
    weights: Mapping[Any, Any] | None,
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
) -> TestData:
    """Return sessions from a DataFrame with one row a session, in order of completion.

    Args:
        frame: The sessions.
        variant: Column of the variant.
        outcomes: Columns of outcomes, numbers or booleans: the first is judged by, the others are reported.
        weights: Configured weights; None for equal ones, with a warning.
        rule: The stop rule.
        by: Column to report segments of.
        guardrails: Numeric columns that must not get worse.

    Raises:
        InputError: a column is missing, or holds something else; a variant without a weight.
    """
    outcome = outcomes[0]
    for column in (variant, *outcomes, *guardrails, *([] if by is None else [by])):
        if column not in frame.columns:
            raise InputError(f"The frame has no column {column!r}.{did_you_mean(str(column), map(str, frame.columns))}")
    if not len(frame):
        raise InputError("The frame is empty: there is no session to decide by.")
    if "session_id" in frame.columns and (twice := frame["session_id"].duplicated()).any():
        raise InputError(
            f"{int(twice.sum()):,} session ids stand more than once, e.g. {frame.loc[twice, 'session_id'].iloc[0]!r}. Give "
            "one row a session: frame.drop_duplicates('session_id', keep='last')."
        )
    warnings: list[str] = []
    names = frame[variant]
    assigned = names.notna().to_numpy()
    found = [str(name) for name in pd.unique(names[assigned])]
    if weights is None:
        weights = dict.fromkeys(sorted(found), 1.0)
        warnings.append("No weights were given: equal ones are assumed. Give weights={variant: weight}.")
    missing = sorted(set(found) - {str(name) for name in weights})
    if missing:
        raise InputError(f"The variant {missing[0]!r} has no weight; weights names {', '.join(map(str, weights))}.")
    kept = frame if assigned.all() else frame[assigned]
    values, kind = _numbers(kept[outcome], outcome)
    arm_of = {str(name): arm for arm, name in enumerate(weights)}
    missing_values = int(kept[outcome].isna().sum())
    data = TestData(
        test=variant,
        weights={str(name): weight for name, weight in weights.items()},
        rule=rule or StopRule(),
        outcome=outcome,
        kind=kind,
        arms=_arms(kept[variant], arm_of),
        values=values,
        # A missing value in a frame is unknown, not a session that wrote nothing.
        written=_everywhere(True, len(kept)),
        crashed=_everywhere(False, len(kept)),
        indexes=np.flatnonzero(assigned) if len(kept) < len(frame) else np.arange(len(kept), dtype=np.uint32),
        others={
            name: _all_written(*_numbers(kept[name], name)) for name in dict.fromkeys([*outcomes[1:], *guardrails])
        },
        segments=None if by is None else kept[by].astype("string").fillna("(missing)").to_numpy(dtype=object),
        warnings=warnings,
        source="your data",
    )
    if not assigned.all():
        data.excluded["no variant found"] = int((~assigned).sum())
    if missing_values:
        data.excluded["the outcome is missing"] = missing_values
    return data


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


def _arms(names: pd.Series, arm_of: Mapping[str, int]) -> npt.NDArray[np.integer]:
    """Return the arm of each name; each different name is looked up once."""
    if isinstance(names.dtype, pd.CategoricalDtype):
        codes, different = names.cat.codes.to_numpy(), names.cat.categories
    else:
        codes, different = pd.factorize(names)
    # A category may have no session, and no weight then.
    arms = np.array([arm_of.get(str(name), 0) for name in different], dtype=np.min_scalar_type(-len(arm_of)))
    return np.asarray(arms[codes])


def _all_written(values: npt.NDArray[Any], kind: Kind) -> Values:
    """Return values of a frame: what is missing there is unknown, not a session that wrote nothing."""
    return Values(values, _everywhere(True, len(values)), kind)


def _everywhere(value: bool, n: int) -> npt.NDArray[np.bool_]:  # noqa: FBT001 - it is the value
    """Return an array of one value that takes no memory."""
    return np.broadcast_to(np.bool_(value), n)


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
        values, kind = _numbers(_indexed(sessions, outcome, random), outcome)
        return values, np.ones(len(random), dtype=np.bool_), kind
    if known:
        near = did_you_mean(outcome, [*known, *numeric])
        raise InputError(f"The log has no outcome {outcome!r}. It has: {', '.join(known)}.{near}")
    return np.full(len(random), np.nan), np.zeros(len(random), dtype=np.bool_), None


def _indexed(sessions: pd.DataFrame, column: str, random: pd.DataFrame) -> pd.Series:
    return sessions.set_index("session_id")[column].reindex(random["session_id"])


def _numbers(values: pd.Series, name: str) -> tuple[npt.NDArray[Any], Kind]:
    """Return a column's numbers, in their own type where that is numpy's, and their kind."""
    if isinstance(values.dtype, np.dtype) and values.dtype.kind in "biuf":
        numbers = values.to_numpy()
        return numbers, "binary" if values.dtype.kind == "b" else _kind_of(numbers)
    known = values.dropna()
    if pd.api.types.is_bool_dtype(known) or (
        len(known) and known.dtype == object and known.map(lambda v: isinstance(v, bool)).all()
    ):
        return values.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan), "binary"
    if not pd.api.types.is_numeric_dtype(known):
        try:
            known = pd.to_numeric(known)
        except (ValueError, TypeError):
            raise InputError(f"The outcome {name!r} holds text, must hold numbers or booleans.") from None
    numbers = pd.to_numeric(values).to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers, _kind_of(numbers)


def _kind_of(numbers: npt.NDArray[Any]) -> Kind:
    """Return the kind of numbers: binary if all are 0 or 1, count if all are whole and none below 0."""
    largest = -1.0
    for first in range(0, len(numbers), _AT_ONCE):
        part = numbers[first : first + _AT_ONCE]
        if part.dtype.kind == "f":
            part = part[np.isfinite(part)]
        if len(part) and (part.min() < 0 or (part.dtype.kind == "f" and (part != np.floor(part)).any())):
            return "float"
        largest = max(largest, float(part.max(initial=0)) if len(part) else largest)
    return "float" if largest < 0 else "binary" if largest <= 1 else "count"


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


def read_columns(data: Any, columns: Sequence[str | None]) -> pd.DataFrame:
    """Return columns of whatever DuckDB reads, in its order of rows.

    Args:
        data: A path, or an object such as a Polars or pyarrow table.
        columns: The columns; None is left out.

    Raises:
        InputError: DuckDB can't read it, or a column is missing.
    """
    import duckdb

    wanted = [column for column in dict.fromkeys(columns) if column is not None]
    with duckdb.connect() as connection:
        try:
            if isinstance(data, str | Path):
                source = (
                    connection.sql("SELECT * FROM read_parquet(?)", params=[str(data)])
                    if str(data).endswith(".parquet")
                    else connection.sql("SELECT * FROM read_csv(?)", params=[str(data)])
                )
            else:
                source = connection.sql("SELECT * FROM data")
        except duckdb.Error as error:
            what = repr(str(data)) if isinstance(data, str | Path) else f"a {type(data).__name__}"
            raise InputError(
                f"data is {what}, which can't be read ({str(error).splitlines()[0]}). Give a session log (vl.open_log), a "
                "DataFrame, a Polars or pyarrow table, or the path of a Parquet or CSV file."
            ) from None
        for column in wanted:
            if column not in source.columns:
                raise InputError(f"The data has no column {column!r}.{did_you_mean(column, source.columns)}")
        names = ", ".join(f'"{column.replace(chr(34), chr(34) * 2)}"' for column in wanted)
        table = source.project(names).to_arrow_table()
        # Names of variants repeat: as categories ten million of them take a number each.
        frame: pd.DataFrame = table.to_pandas(strings_to_categorical=True, self_destruct=True)
        return frame
