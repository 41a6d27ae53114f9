"""What the sessions of a log wrote: read by outcome, in the order of a test's counted sessions."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from voicelab.analysis.asked_values import combined, parts_of
from voicelab.analysis.kinds import MOST_LEVELS, AskedKind, as_asked, kind_of, read_all, read_one, split
from voicelab.analysis.sessions import Values, all_written
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.named_numbers import COLUMNS, MEASURED, NUMBERS
from voicelab.base.records import SESSIONS
from voicelab.decision.asked_outcome import parse_outcome
from voicelab.decision.rules import Target
from voicelab.log import Log
from voicelab.log.measured import measures_table

UNITS_IN = ["data", "parameters"]
"""Columns of the table of sessions in whose keys a unit is looked for."""

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Categories:
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


class Outcomes:
    """What all sessions wrote, and what was added late."""

    def __init__(self, written: pa.Table, late: pa.Table) -> None:
        self._rows = pa.concat_tables([written, late])
        self._first_late = len(written)
        self._outcome = Categories(self._rows.column("outcome"))
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


@dataclass(frozen=True)
class _Rows:
    """What was written of one outcome: its rows, the session of each, and whether any was added late."""

    rows: pa.Table
    index: Ints
    late: bool

    @property
    def types(self) -> Categories:
        """The type of each row."""
        return Categories(self.rows.column("type"))

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
class OutcomeReader:
    """Reads outcomes of the counted sessions.

    Attributes:
        log: The log.
        recorded: What all its sessions wrote.
        sessions: Columns of the table of sessions.
        indexes: Index of each counted session, in order.
        conversions: The test's conversion metrics.
        asked: Kinds that are asked for.
        own_target: The target that the test's rule names: if no session has written anything, it has not been written yet.
    """

    log: Log
    recorded: Outcomes
    sessions: pa.Table
    indexes: Ints
    conversions: list[str]
    asked: Mapping[str, AskedKind]
    own_target: str | None = None

    def outcome(self, name: str | None, warnings: list[str]) -> Values:
        """Return an outcome, or a level of one."""
        if name is None:
            return self._nothing
        asked = parse_outcome(name, self.recorded.names)
        if asked.form != "plain":
            return combined(asked, [self.outcome(part, warnings) for part in asked.names], warnings)
        base, level = split(name, self.recorded.names)
        own = self.recorded.of(base)
        if not len(own.index):
            return self._number(name)
        if level is not None or self._is_text(own, base):
            return all_written(*read_one(self.column(own, base), name, {base: "string"}, warnings))
        return self._numbers(own, name, warnings)

    def _numbers(self, own: _Rows, name: str, warnings: list[str]) -> Values:
        types = own.types
        kind = Target(name, self.conversions).kind_in(types.names[code] for code in types.codes)
        if len(np.unique(types.codes[own.written])) > 1:
            counts = ", ".join(f"{n:,} {t}" for t, n in types.texts[own.written].value_counts().items())
            warnings.append(f"The outcome {name!r} holds values of several types ({counts}); it is read as {kind}.")
        at = own.at(self.indexes)
        values = own.rows.column("value").take(at).to_numpy().astype(np.float64, copy=False)
        found = kind_of(values, name)  # which refuses numbers that have no variance
        if (asked := self.asked.get(name)) is not None:
            kind = as_asked(found, name, asked)
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
                column = self.column(own, name)
                # A note or a transcript is no outcome with levels, unless it is asked for.
                if named or column.nunique() <= MOST_LEVELS:
                    levels = read_all(column, name, {name: "string"}, warnings)
                    found |= {level: all_written(*read) for level, read in levels.items() if level != target}
            elif name != target:
                try:
                    found[name] = self.outcome(name, [])
                except InputError as error:
                    if named:
                        raise
                    warnings.append(f"{error} It is left out.")
        return found | {name: self.outcome(name, []) for name in guardrails}

    @property
    def _nothing(self) -> Values:
        return Values(np.full(len(self.indexes), np.nan), np.zeros(len(self.indexes), dtype=np.bool_), None)

    def _is_text(self, own: _Rows, name: str) -> bool:
        asked = self.asked.get(name)
        return asked == "string" if asked else own.types.in_use[0] == "string" and name not in self.conversions

    def column(self, own: _Rows, base: str) -> pd.Series:
        """Return what was written as text, or as numbers; nothing where nothing was: such a session has no level."""
        at = own.at(self.indexes)
        column = own.rows.column("text" if own.types.in_use[0] == "string" else "value").take(at).to_pandas()
        return column.where(own.rows.column("written").take(at).fill_null(False).to_numpy()).rename(base)

    def session_column(self, name: str) -> pa.ChunkedArray:
        """Return a column of the table of sessions, of the counted ones."""
        index = self.sessions.column("session_index").to_numpy()
        column = self.sessions.column(name).take(np.searchsorted(index, self.indexes))
        return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column

    def units(self, unit: str) -> pd.Series:
        """Return what each counted session belongs to, None where it says nothing.

        Raises:
            InputError: no session has such a column or key.
        """
        if unit in SESSIONS:
            return self.session_column(unit).to_pandas()
        found: npt.NDArray[np.object_] = np.full(len(self.indexes), None, dtype=object)
        keys: set[str] = set()
        for column in UNITS_IN:
            for at, text in enumerate(self.session_column(column).to_pylist()):
                held = json.loads(text) if text else None
                if isinstance(held, dict):
                    keys |= held.keys()
                    if found[at] is None and held.get(unit) is not None:
                        found[at] = str(held[unit])
        if all(own is None for own in found):
            known = sorted(keys)
            has = f"They have: {', '.join(known[:20])}." if known else "They hold nothing."
            raise InputError(f"No session has {unit!r} in its data or parameters. {has}{did_you_mean(unit, known)}")
        return pd.Series(found, name=unit)

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

    def _number(self, name: str) -> Values:
        """Return what sessions have without writing it: a measure, a number of the table of sessions, or a level of its text."""
        base, level = split(name, [*SESSIONS, *MEASURED])
        if level is None and base in NUMBERS:
            column = self._measured(base) if base in MEASURED else self.session_column(base)
            values = column.to_numpy().astype(np.float64, copy=False)  # null becomes NaN: there was no chance for it
            found = kind_of(values, name)  # which refuses numbers that have no variance
            asked = self.asked.get(name)
            return all_written(values, NUMBERS[base] if asked is None else as_asked(found, name, asked))
        if level is not None and base in SESSIONS:
            column = self.session_column(base).to_pandas().rename(base)
            return all_written(*read_one(column, name, self.asked, []))
        if self.recorded.names or self.own_target is None or name not in parts_of([self.own_target]):
            raise self._no_outcome(name)
        return self._nothing

    def _measured(self, name: str) -> pa.ChunkedArray:
        """Return a measure of the counted sessions."""
        index = self._measures.column("session_index").to_numpy()
        return self._measures.column(name).take(np.searchsorted(index, self.indexes))

    @cached_property
    def _measures(self) -> pa.Table:
        return measures_table(self.log)

    def _no_outcome(self, name: str) -> InputError:
        written = self.recorded.names
        near = did_you_mean(name, [*written, *NUMBERS])
        wrote = f"It has the outcomes {', '.join(written)}" if written else "Its sessions wrote none"
        return InputError(
            f"The log has no outcome {name!r}. {wrote}, of each session the numbers {', '.join(COLUMNS)}, and the measures "
            f"of log.measures(), such as dead_air_s.{near}"
        )
