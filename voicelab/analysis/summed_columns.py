"""The outcomes of a test as DuckDB sees them: each an expression of numbers, and where they are measured from."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from voicelab.analysis.from_frame import INTEGERS
from voicelab.analysis.kinds import MOST_LEVELS, check_types, holds_words, more_levels, needs_level, no_level, split
from voicelab.analysis.numerals import sql_is_number, sql_label, sql_number
from voicelab.base.errors import InputError
from voicelab.log.queries import quoted

FLOATS = {"FLOAT", "DOUBLE"}
_NUMBERS = {"BOOLEAN", "DECIMAL", *INTEGERS, *FLOATS}
_TEXTS = {"VARCHAR", "ENUM", "UUID"}
_SAMPLE = 1024


class SumColumn(NamedTuple):
    """An outcome as the database sees it.

    Attributes:
        name: The outcome, or `column=level`.
        value: Expression of its value.
        type_: Type of that.
        asked: The kind that is asked for.
        centre: What its values are measured from: one of the first.
        has_fractions: Whether one of the first has a fraction or is below 0, so that none needs to be looked at for that.
    """

    name: str
    value: str
    type_: str
    asked: str | None = None
    centre: float = 0.0
    has_fractions: bool = False

    @property
    def finite(self) -> str:
        """Expression of its value where that is finite, else NULL; of booleans 0 and 1."""
        finite = (
            f"CASE WHEN isfinite({self.value}) THEN {self.value} END" if self.type_ in FLOATS else f"({self.value})"
        )
        return f"{finite}{'::INTEGER' if self.type_ == 'BOOLEAN' else '::DOUBLE'}"

    def distance(self, x: str) -> str:
        """Return the expression of how far a value is from the centre."""
        return f"({x} - {number_sql(self.centre)})" if self.centre else x


def number_sql(value: float) -> str:
    """Return a float in SQL to its last digit; without the cast one with a point is a decimal there."""
    return f"'{value!r}'::DOUBLE"


def measured(source: duckdb.DuckDBPyRelation, columns: Sequence[SumColumn]) -> list[SumColumn]:
    """Return columns with what their first values show: where to measure from, and whether there are fractions.

    Raises:
        InputError: the database can't read them.
    """
    try:
        first = source.limit(_SAMPLE).project(", ".join(column.finite for column in columns)).fetchall()
    except duckdb.Error as error:
        raise InputError(f"The outcomes can't be added up ({str(error).splitlines()[0]}).") from None
    found = []
    for at, column in enumerate(columns):
        seen = sorted(float(row[at]) for row in first if row[at] is not None)
        # One in the middle, since the first may lie anywhere; and a value itself, so that those that never vary are all 0.
        centre = seen[len(seen) // 2] if seen and column.type_ != "BOOLEAN" else 0.0
        fractions = any(value < 0 or value != math.floor(value) for value in seen)
        found.append(column._replace(centre=centre, has_fractions=fractions))
    return found


class Relation(NamedTuple):
    """What outcomes are read from: the relation, the types of its columns, the kinds asked for, and warnings."""

    source: duckdb.DuckDBPyRelation
    types: Mapping[str, str]
    asked: Mapping[str, str]
    warnings: list[str]

    def one(self, name: str) -> SumColumn:
        """Return an outcome of numbers, or a level of one."""
        base, level = split(name, self.types)
        is_text = self._is_text(base)
        if level is not None:
            known = self._levels(base)
            if level not in known:
                raise no_level(base, level, known)
            return self._level(base, level)
        if is_text:
            raise needs_level(base, self._levels(base))
        number, type_ = self._number(base)
        if self.asked.get(base) == "binary" and type_ != "BOOLEAN":
            finite = f"CASE WHEN isfinite({number}) THEN {number} > 0 END"
            return SumColumn(name, finite if type_ in FLOATS else f"{number} > 0", "BOOLEAN")
        return SumColumn(name, number, type_, self.asked.get(base))

    def all_of(self, name: str) -> list[SumColumn]:
        """Return an outcome, or the most frequent levels of one that holds text."""
        base, level = split(name, self.types)
        if level is not None or not self._is_text(base):
            return [self.one(name)]
        known = self._levels(base)
        if len(known) > MOST_LEVELS:
            self.warnings.append(more_levels(base, len(known) - MOST_LEVELS))
        return [self._level(base, level) for level in known[:MOST_LEVELS]]

    def _number(self, base: str) -> tuple[str, str]:
        """Return the expression of a column's numbers, and their type."""
        if self.types[base] in _NUMBERS:
            return quoted(base), self.types[base]
        if self.types[base] not in _TEXTS:
            return "NULL::DOUBLE", "DOUBLE"  # nothing at all, since `_is_text` refuses anything else
        if self.asked.get(base) and (word := self._a_word(base)) is not None:
            raise holds_words(base, word)
        return sql_number(quoted(base)), "DOUBLE"

    def _a_word(self, base: str) -> str | None:
        """Return a text of a column that is no number."""
        words = self.source.filter(f"{quoted(base)} IS NOT NULL AND NOT {sql_is_number(quoted(base))}")
        found = words.limit(1).project(f"{quoted(base)}::VARCHAR").fetchall()
        return str(found[0][0]) if found else None

    def _is_text(self, base: str) -> bool:
        if self.types[base] not in _NUMBERS | _TEXTS:
            some = self.source.filter(f"{quoted(base)} IS NOT NULL").limit(1).project(quoted(base))
            check_types(some.to_arrow_table().to_pandas()[base], base)
        asked = self.asked.get(base)
        if asked or self.types[base] in _NUMBERS:
            return asked == "string"
        return self.types[base] in _TEXTS and self._a_word(base) is not None

    def _label(self, base: str) -> str:
        return sql_label(quoted(base), self.types[base])

    def _levels(self, base: str) -> list[str]:
        labels = self.source.project(f"{self._label(base)} AS level")
        counted = labels.filter("level IS NOT NULL").aggregate("level, count(*) AS n", "level")
        return [str(level) for level, _ in counted.order("n DESC, level").fetchall()]

    def _level(self, base: str, level: str) -> SumColumn:
        escaped = level.replace("'", "''")
        return SumColumn(f"{base}={level}", f"({self._label(base)}) = '{escaped}'", "BOOLEAN")
