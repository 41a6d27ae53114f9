"""The sessions of one test from a DataFrame, or from what DuckDB reads: one row a session."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from voicelab.analysis.asked_values import n_sessions, parts_of, read_asked
from voicelab.analysis.callers_again import as_first_assigned, looks_like_callers, units_of
from voicelab.analysis.drawing import Weights, check_drawn, checked_epochs, probabilities_in, read_drawing
from voicelab.analysis.frame_columns import (
    as_weighed,
    checked_columns,
    column_of,
    more_than_one_row,
    no_column,
    no_variants,
    variants_in,
)
from voicelab.analysis.kinds import Read, read_all, read_one, split
from voicelab.analysis.row_order import (
    about_groups,
    are_grouped,
    are_made_by_ties,
    by_moment,
    by_time,
    groups_in,
    hidden_changes,
)
from voicelab.analysis.sessions import TestData, all_written, everywhere
from voicelab.base import checks
from voicelab.base.accepted_types import FrameLike
from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.rules import StopRule, switched_on, weight_shares
from voicelab.log.queries import quoted


def from_frame(
    frame: pd.DataFrame,
    variant: str,
    outcomes: Sequence[str],
    weights: Weights | None,
    rule: StopRule | None,
    *,
    by: str | None = None,
    guardrails: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    unit: str | None = None,
    advice: str | None = None,
    moments: npt.NDArray[np.int64] | None = None,
) -> TestData:
    """Return sessions from a DataFrame with one row a session, in order of completion.

    Args:
        frame: The sessions.
        variant: Column of the variant.
        outcomes: Columns of outcomes, or `column=level`: the first is judged by, the others are reported.
        weights: Configured weights, epochs of them, or columns of probabilities; None for equal ones, with a warning.
        rule: The stop rule.
        by: Column to report segments of.
        guardrails: Numeric columns that must not get worse.
        kinds: Kinds that are asked for, by column.
        unit: Column of what sessions belong to, such as the caller.
        advice: What gives the rows an order, to be said where they stand in groups and their sums are judged; None where
            their order is known.
        moments: Where they are sorted by a time, the number of each row's, from 0 on.

    Raises:
        InputError: a column is missing, or holds something else; a variant without a weight.
    """
    outcome, kinds = outcomes[0], kinds or {}
    columns = checked_columns(frame, variant, parts_of([*outcomes, *guardrails], frame.columns), by, unit)
    drawing = read_drawing(weights)
    warnings: list[str] = []
    codes, names = variants_in(column_of(frame, variant))
    assigned = codes >= 0
    kept = frame if assigned.all() else frame[assigned]
    codes = codes[assigned]
    found = sorted({names[code] for code in np.flatnonzero(np.bincount(codes, minlength=len(names)))})
    configured_weights = drawing.any_weights(found)
    weighed = as_weighed(found, configured_weights)
    shares, off = configured(configured_weights, list(weighed.values()), warnings)

    def read(name: str) -> Read:
        return read_one(column_of(kept, columns[name]), name, kinds, warnings)

    values, kind = read_asked(outcome, frame.columns, read, warnings)
    arm_of = {name: arm for arm, name in enumerate(shares)}
    # A category may have no session, and no weight then.
    arms = np.array([arm_of.get(weighed.get(name, name), 0) for name in names], dtype=np.min_scalar_type(-len(arm_of)))
    others: dict[str, Read] = {}
    for name in outcomes[1:]:
        if parse_outcome(name, frame.columns).form == "plain":
            others |= read_all(column_of(kept, columns[name]), name, kinds, warnings)
        else:
            others[name] = read_asked(name, frame.columns, read, warnings)
    for name in guardrails:
        others[name] = read_asked(name, frame.columns, read, warnings)
    arms = arms[codes]
    probabilities = None
    if drawing.columns:
        probabilities = probabilities_in(kept, drawing.columns, list(shares))
        check_drawn(arms, probabilities, list(shares))
        shares = dict(zip(shares, probabilities.mean(axis=0).tolist(), strict=True))
        _only_rates(others, guardrails, warnings)
    units, drawn = None, arms
    if unit is not None:
        units = units_of(column_of(kept, unit), unit, warnings)
        arms = as_first_assigned(arms, units, unit, warnings)
    elif callers := looks_like_callers(kept, [variant, by, *columns.values(), *drawing.columns.values()]):
        warnings.append(callers)
    data = TestData(
        test=variant,
        weights=drawing.first_weights(shares),
        rule=rule or StopRule(),
        outcome=outcome,
        kind=kind,
        arms=arms,
        values=values,
        # A missing value in a frame is unknown, not a session that wrote nothing.
        written=all_written(values, kind).written,
        crashed=everywhere(False, len(kept)),
        indexes=np.flatnonzero(assigned) if len(kept) < len(frame) else np.arange(len(kept), dtype=np.uint32),
        others={name: all_written(*read) for name, read in others.items()},
        segments=None
        if by is None
        else column_of(kept, by).astype("string").fillna("(missing)").to_numpy(dtype=object),
        warnings=warnings,
        source="your data",
        switched_off=off,
        # An epoch begins at the first counted session from its row on.
        epochs=[(int(assigned[:row].sum()), own) for row, own in checked_epochs(drawing, len(frame), list(shares))],
        units=units,
        unit=unit,
        probabilities=probabilities,
        advice=advice,
        switched=units is not None and bool((arms != drawn).any()),
    )
    data.groups, data.moments = _groups(data, drawn, None if moments is None else moments[assigned])
    data.excluded |= _left_out(values, int((~assigned).sum()))
    numbers_of = {outcome: values} | {name: numbers for name, (numbers, _) in others.items()}
    warnings += [no_value(name) for name, numbers in numbers_of.items() if not np.isfinite(numbers).any()]
    return data


def _groups(
    data: TestData, drawn: npt.NDArray[np.integer], moments: npt.NDArray[np.int64] | None
) -> tuple[int | None, npt.NDArray[np.int64] | None]:
    """Return in how many groups of one variant each the rows stand, with a warning, and the times that they were sorted by.

    Both are None where they don't, or where the times say that they came like this.
    """
    # Epochs begin at a row, and probabilities are those of each row's moment: who gives them says that rows are in order.
    if data.advice is None or data.epochs or data.probabilities is not None:
        return None, None
    groups, counts = groups_in(drawn), np.bincount(drawn)
    if not are_grouped(groups, counts):
        return None, None
    if moments is not None:
        hidden = hidden_changes(by_moment(moments, drawn, len(counts)))
        if not are_made_by_ties(groups, hidden, counts):
            data.advice = None
            return None, None
    data.warnings.append(about_groups(groups, len(drawn), data.advice))
    return groups, moments


def _left_out(values: npt.NDArray[Any], without_variant: int) -> dict[str, int]:
    """Return how many sessions are not counted, by reason."""
    missing, infinite = (n_sessions(test(values)) if values.dtype.kind == "f" else 0 for test in (np.isnan, np.isinf))
    reasons = {
        "no variant found": without_variant,
        "the outcome is missing": missing,
        "the outcome is infinite: left out": infinite,
    }
    return {reason: n for reason, n in reasons.items() if n}


def _only_rates(others: dict[str, Read], guardrails: Sequence[str], warnings: list[str]) -> None:
    """Leave out other outcomes that only a comparison of means could judge, which probabilities of each session forbid."""
    for name in [name for name, (_, kind) in others.items() if kind != "binary"]:
        if name in guardrails:
            raise InputError(
                f"The guardrail {name!r} is a mean, which can't be compared where each session has probabilities of its own: "
                "leave it out, or judge it by a rate (kind='binary', or a column such as duration_s > 300)."
            )
        del others[name]
        warnings.append(
            f"{name!r} is left out: its means can't be compared where each session has probabilities of its own."
        )


def no_value(name: str) -> str:
    """Return the warning that an outcome or guardrail has no value at all."""
    return f"{name!r} has no value in any session: nothing can be said of it."


def configured(
    weights: Mapping[Any, Any] | None, found: Sequence[str], warnings: list[str]
) -> tuple[dict[str, Any], list[str]]:
    """Return the weight of each variant, equal ones with a warning where none are given; and those switched off.

    Raises:
        InputError: a variant that was found has no weight, or weight 0.
    """
    if weights is None:
        weights = dict.fromkeys(sorted(found), 1.0)
        warnings.append("No weights were given: equal ones are assumed. Give weights={variant: weight}.")
    if not isinstance(weights, Mapping):
        raise InputError(f"weights is a {type(weights).__name__}, must be a dict such as {{'a': 0.5, 'b': 0.5}}.")
    if found:
        weight_shares(weights)
    missing = sorted(set(found) - {str(name) for name in weights})
    if missing:
        raise InputError(f"The variant {missing[0]!r} has no weight; weights names {', '.join(map(str, weights))}.")
    on = {str(name): weight for name, weight in switched_on(weights).items()}
    off = [name for name in map(str, weights) if name not in on]
    drawn = sorted(set(found) & set(off))
    if drawn:
        raise InputError(
            f"The weight of {drawn[0]!r} is 0, so that no session can have got it, and some have: give the weight that it "
            "was drawn with."
        )
    return on, off


def read_columns(data: FrameLike, columns: Sequence[str | None]) -> tuple[pd.DataFrame, str]:
    """Return columns of whatever DuckDB reads, in its order of rows, and what would sort them by time.

    Args:
        data: A path, or an object such as a Polars or pyarrow table.
        columns: The columns, that of the variant first and that of an outcome second; None is left out.

    Raises:
        InputError: DuckDB can't read it, or a column is missing or not named.
    """
    import duckdb

    variant = checks.name("variant", columns[0])
    named = [checks.name("The name of a column", column) for column in columns if column is not None]
    with duckdb.connect() as connection:
        if any(parse_outcome(name).form != "plain" for name in named):
            named = parts_of(named, opened(connection, data, []).columns)
        source = opened(connection, data, named)
        types = types_of(source)
        wanted = dict.fromkeys(split(column, source.columns)[0] for column in named)
        names = [f"{variant_sql(c, types[c]) if c == variant else quoted(c)} AS {quoted(c)}" for c in wanted]
        try:
            table = source.project(", ".join(names)).to_arrow_table()
        except duckdb.Error as error:
            raise _unreadable(data, error) from None
        # Names of variants repeat: as categories ten million of them take a number each.
        frame: pd.DataFrame = table.to_pandas(strings_to_categorical=True, self_destruct=True)
    if types[variant] in INTEGERS:
        frame[variant] = frame[variant].astype("Int64")  # floats where one is missing
    return frame, by_time(types)


def columns_in(data: FrameLike) -> list[str]:
    """Return the columns of whatever DuckDB reads.

    Raises:
        InputError: DuckDB can't read it.
    """
    import duckdb

    if isinstance(data, pd.DataFrame):
        return list(map(str, data.columns))
    with duckdb.connect() as connection:
        return list(opened(connection, data, []).columns)


INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT",
            "UHUGEINT"}  # fmt: skip


def types_of(source: "duckdb.DuckDBPyRelation") -> dict[str, str]:
    """Return the type of each column of a relation, by the name that DuckDB gives it; of lists `LIST`."""
    names = {name: str(type_) for name, type_ in zip(source.columns, source.types, strict=True)}
    return {name: "LIST" if type_.endswith("]") else type_.partition("(")[0] for name, type_ in names.items()}


def variant_sql(column: str, type_: str) -> str:
    """Return the SQL expression of the names of variants, or of a value whose text is the name: as `variants_in`.

    Raises:
        InputError: no variants are called by such values.
    """
    if type_ in {"LIST", "STRUCT", "MAP", "UNION"}:
        raise no_variants(column, type_.lower())
    name = quoted(column)
    if type_ in {"VARCHAR", "ENUM", "BOOLEAN", *INTEGERS}:
        return name
    if type_ in {"FLOAT", "DOUBLE"}:
        return f"nullif({name}::VARCHAR, 'nan')"
    # Not in the time zone of whoever looks.
    zoned = f"make_timestamp(epoch_us({name}))::VARCHAR || '+00:00'"
    return zoned if type_ == "TIMESTAMP WITH TIME ZONE" else f"{name}::VARCHAR"


def opened(connection: "duckdb.DuckDBPyConnection", data: FrameLike, columns: Sequence[str]) -> Any:
    """Return whatever DuckDB reads as a relation of a connection that has these columns.

    Raises:
        InputError: DuckDB can't read it, or a column is missing.
    """
    import duckdb

    try:
        if isinstance(data, str | Path):
            read = connection.read_parquet if str(data).endswith(".parquet") else connection.read_csv
            path = path_of("data", data, "sessions.parquet")
            if path.exists() and not path.is_file():  # a folder, or a device that can be read without end
                raise InputError(
                    f"data is {str(data)!r}, which is no file. Give a session log, or a Parquet or CSV file."
                )
            source = read(str(data))  # a pattern too, or whatever else DuckDB finds by a name
        else:
            source = connection.sql("SELECT * FROM data")
    except duckdb.Error as error:
        raise _unreadable(data, error) from None
    for name in columns:
        column, _ = split(checks.name("The name of a column", name), source.columns)
        if column not in source.columns:
            variants = [own for own in source.columns if own not in columns] if name == columns[0] else []
            raise no_column(column, source.columns, variants)
    if "session_id" in source.columns:
        more = source.aggregate("session_id, count(*) - 1 AS more", "session_id").filter(
            "more > 0 AND session_id IS NOT NULL"
        )
        n, example = more.aggregate("sum(more), any_value(session_id)").fetchall()[0]
        if n:
            raise more_than_one_row(int(n), example)
    return source


def _unreadable(data: object, error: Exception) -> InputError:
    """Return the error that DuckDB can't read something."""
    reason = str(error).splitlines()[0]
    kind = type(data).__name__
    if isinstance(data, str | Path):
        what = f"{str(data)!r}, which can't be read ({reason})"
    elif hasattr(data, "__arrow_c_stream__"):
        return InputError(f"A column of the {kind} can't be read ({reason}): leave it out, or convert it.")
    else:
        what = f"a value of type {kind}"
    return InputError(
        f"data is {what}. Give a session log (vl.open_log), a DataFrame, a Polars or pyarrow table, or the path of a "
        "Parquet or CSV file."
    )
