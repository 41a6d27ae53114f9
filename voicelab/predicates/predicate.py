"""A predicate of the platform's language, read once and asked of many sessions.

    {"turn_count": {"$gte": 3}, "events": {"$any": {"name": "transcript_part", "data.content": {"$icontains": "refund"}}}}

An object whose keys are fields: each must match, in the order in which they are written; the first that doesn't is the
failed path. A key with dots walks nested objects. What stands at a field is

- an object of operators (`$gte`), all of which must match;
- an object of fields, which is a predicate of what stands there;
- anything else: the value has to equal it, or, where a single value meets an array, the array has to hold it.

It is read into a tree of conditions. Whether one matches is asked millions of times, and why it doesn't once a session:
so these are two methods, of which the first makes no text.
"""

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Protocol

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.named_numbers import MEASURED
from voicelab.predicates.operators import ANY, INSTEAD, MISSING, NAMES, OPERATORS, Operator, equal, quoted_json

_DEEPEST = 50
_MOST_PARTS = 10_000
"""More than anybody writes: a YAML file whose parts refer to each other again and again."""


class Mismatch(NamedTuple):
    """Why a value doesn't match.

    Attributes:
        path: The field that doesn't, with dots; empty for the value itself.
        reason: What it is, and what it must be.
    """

    path: str
    reason: str


class Condition(Protocol):
    """What is asked of a value."""

    def matches(self, value: Given) -> bool:
        """Return whether a value, or `MISSING`, matches."""

    def mismatch(self, value: Given, path: str) -> Mismatch:
        """Return why a value at a path doesn't match; asked only where it doesn't."""

    def paths(self) -> set[str]:
        """Return the paths that are looked at, below the value; an empty one for the value as a whole."""


@dataclass(frozen=True)
class _Test:
    """An operator with its operand."""

    operator: Operator
    operand: Given

    def matches(self, value: Given) -> bool:
        return self.operator.matches(value, self.operand)

    def mismatch(self, value: Given, path: str) -> Mismatch:
        return Mismatch(path, self.operator.reason(path, value, self.operand))

    def paths(self) -> set[str]:
        return {""}


@dataclass(frozen=True)
class _Equals:
    """A single value that stands for itself: what is there equals it, or is an array that holds it."""

    operand: Given

    def matches(self, value: Given) -> bool:
        if isinstance(value, list):
            return any(equal(item, self.operand) for item in value)
        return equal(value, self.operand)

    def mismatch(self, value: Given, path: str) -> Mismatch:
        operator = OPERATORS["$inc" if isinstance(value, list) else "$eq"]
        return Mismatch(path, operator.reason(path, value, self.operand))

    def paths(self) -> set[str]:
        return {""}


@dataclass(frozen=True)
class _Field:
    """What is asked of what stands at a path."""

    path: str
    condition: Condition

    @cached_property
    def _steps(self) -> list[str]:
        return self.path.split(".")

    def _at(self, value: Given) -> Given:
        for step in self._steps:
            # Objects alone are walked: the elements of an array are asked by $any.
            value = value.get(step, MISSING) if isinstance(value, dict) else MISSING
        return value

    def matches(self, value: Given) -> bool:
        return self.condition.matches(self._at(value))

    def mismatch(self, value: Given, path: str) -> Mismatch:
        return self.condition.mismatch(self._at(value), f"{path}.{self.path}" if path else self.path)

    def paths(self) -> set[str]:
        return {f"{self.path}.{path}" if path else self.path for path in self.condition.paths()}


@dataclass(frozen=True)
class _All:
    """Conditions that all have to match, the first that doesn't decides; none of them asks nothing."""

    conditions: tuple[Condition, ...]

    def matches(self, value: Given) -> bool:
        return all(condition.matches(value) for condition in self.conditions)

    def mismatch(self, value: Given, path: str) -> Mismatch:
        return next(c.mismatch(value, path) for c in self.conditions if not c.matches(value))

    def paths(self) -> set[str]:
        return set[str]().union(*(condition.paths() for condition in self.conditions))


@dataclass(frozen=True)
class _AnyElement:
    """Some element of an array has to match."""

    condition: Condition
    written: str

    def matches(self, value: Given) -> bool:
        matches = self.condition.matches
        return isinstance(value, list) and any(matches(item) for item in value)

    def mismatch(self, value: Given, path: str) -> Mismatch:
        where = path or "the value"
        if isinstance(value, list):
            return Mismatch(path, f"{where} has no element that matches {self.written}")
        wrong = "" if value is MISSING else ", which is no array"
        return Mismatch(
            path, f"{where} is {quoted_json(value)}{wrong}, must have an element that matches {self.written}"
        )

    def paths(self) -> set[str]:
        return {""}


class Predicate:
    """A question to a session that is answered by yes or no, in the platform's language.

    Args:
        written: The predicate, as JSON or YAML hold it.
        what: What it is called in messages.

    Raises:
        InputError: it is none: an unknown operator, an operand that the operator doesn't take, a key that is no text.
    """

    def __init__(self, written: Mapping[str, Any], what: str = "The predicate") -> None:
        if not isinstance(written, Mapping):
            raise InputError(
                f"{what} is {quoted_json(written)}, must be a predicate: an object whose keys are fields of a session, e.g. "
                '{"turn_count": {"$gte": 3}}.'
            )
        self.written = dict(written)
        self._condition = _Reader(what).predicate(written, "")

    def mismatch(self, session: Mapping[str, Any]) -> Mismatch | None:
        """Return why a session doesn't match; None if it does.

        Args:
            session: Its view, as `session_view` makes it.
        """
        return None if self._condition.matches(session) else self._condition.mismatch(session, "")

    @property
    def fields(self) -> set[str]:
        """Fields of a session that it looks at, by their first name; empty among them for the session as a whole."""
        return {path.partition(".")[0] for path in self._condition.paths()}

    def names_in(self, field: str) -> frozenset[str] | None:
        """Return the names below a field that holds values by name; None where it is looked at as a whole."""
        paths = self._condition.paths()
        if "" in paths or field in paths:
            return None
        return frozenset(path.removeprefix(f"{field}.") for path in paths if path.startswith(f"{field}."))

    def asks_of_events(self) -> "list[AskedOfEvents] | None":
        """Return what it asks of single events; None where it looks at the list of events as a whole."""
        asked = []
        for path, condition in _split(self._condition, ""):
            if path != "events":
                if path == "" or path.startswith("events."):
                    return None
                continue
            if not isinstance(condition, _AnyElement):
                return None
            inner = condition.condition
            asked.append(AskedOfEvents(inner, _names(inner), inner.paths(), _needles(inner)))
        return asked

    def unknown_paths(self, known: Mapping[str, Iterable[str] | None], by_name: str = "") -> list[str]:
        """Return the paths that no session has, each with the nearest that it has.

        Args:
            known: A session's fields; of those that are arrays of objects, the fields of the elements.
            by_name: The field that holds values by names, which may be any.
        """
        found = []
        for path, condition in _split(self._condition, ""):
            first, _, rest = path.partition(".")
            if path and (first not in known or (rest and first != by_name)):
                found.append(f"No session has {path!r}.{_hint(first, rest, known, by_name)}")
            elif isinstance(condition, _AnyElement) and (inner := known.get(first)):
                own = sorted({p.partition(".")[0] for p in condition.condition.paths()} - {"", *inner})
                found += [f"No element of {first} has {name!r}.{_nearest_path(name, inner)}" for name in own]
        return found

    def __repr__(self) -> str:
        return f"Predicate({quoted_json(self.written)})"


class AskedOfEvents(NamedTuple):
    """What is asked of single events, of which some has to match.

    Attributes:
        condition: What is asked.
        names: The names that such an event can have; None for any.
        paths: Paths that are looked at.
        needles: What stands in the data of every event that matches, written as JSON; and whether in that case alone.
    """

    condition: Condition
    names: frozenset[str] | None
    paths: set[str]
    needles: list[tuple[str, bool]]

    @property
    def data(self) -> bool:
        """Whether the event's data is looked at."""
        return any(path in {"", "data"} or path.startswith("data.") for path in self.paths)

    @property
    def timestamp(self) -> bool:
        """Whether the event's time is looked at."""
        return not self.paths.isdisjoint({"", "timestamp"})


def _split(condition: Condition, path: str) -> Iterable[tuple[str, Condition]]:
    """Yield the single conditions of a tree, with the path that each is asked of."""
    if isinstance(condition, _All):
        for part in condition.conditions:
            yield from _split(part, path)
    elif isinstance(condition, _Field):
        yield from _split(condition.condition, f"{path}.{condition.path}" if path else condition.path)
    else:
        yield path, condition


def _names(condition: Condition) -> frozenset[str] | None:
    """Return the names that an event must have one of to match; None if it may have any."""
    for path, part in _split(condition, ""):
        if path == "name" and isinstance(part, _Equals) and isinstance(part.operand, str):
            return frozenset([part.operand])
        if path == "name" and isinstance(part, _Test):
            if part.operator is OPERATORS["$eq"] and isinstance(part.operand, str):
                return frozenset([part.operand])
            if part.operator is OPERATORS["$in"] and isinstance(part.operand, list):
                return frozenset(item for item in part.operand if isinstance(item, str))
    return None


def _hint(first: str, rest: str, known: Mapping[str, Iterable[str] | None], by_name: str) -> str:
    if by_name and not rest and first in MEASURED:
        return f" Did you mean {f'{by_name}.{first}'!r}?"
    if f"${rest}" in NAMES:
        return f" Did you mean '${rest}'?"
    if known.get(first):
        return f" {first} is an array: $any asks its elements, e.g. {{'{first}': {{'$any': {{'{rest}': ...}}}}}}."
    return "" if first in known else did_you_mean(first, known)


# Characters that JSON writes in one way.
_PLAIN = re.compile(r"[A-Za-z0-9 .,:!?@_-]+")


def _needles(condition: Condition) -> list[tuple[str, bool]]:
    """Return what stands in the data of every event that matches, the longest first."""
    found = []
    for path, part in _split(condition, ""):
        operand, operator = getattr(part, "operand", None), getattr(part, "operator", None)
        if not path.startswith("data.") or part.matches(MISSING):
            continue
        if _PLAIN.fullmatch(key := path.rpartition(".")[2]):
            found.append((f'"{key}"', True))
        if not isinstance(operand, str) or not _PLAIN.fullmatch(operand):
            continue
        if isinstance(part, _Equals) or operator in (OPERATORS["$eq"], OPERATORS["$inc"]):
            found.append((f'"{operand}"', True))
        elif operator in (OPERATORS["$contains"], OPERATORS["$icontains"]):
            found.append((operand, operator is OPERATORS["$contains"]))
    return sorted(found, key=lambda needle: -len(needle[0]))


def _nearest_path(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known) or f" What an event says stands in its data: 'data.{name}'."


# --- reading ---------------------------------------------------------------------------------------------------------


class _Reader:
    """Reads a predicate into conditions.

    Args:
        what: What it is called in messages.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._n_parts = 0

    def predicate(self, written: Mapping[Any, Any], path: str, depth: int = 0) -> Condition:
        """Return what an object asks: fields and operators, in the order in which they stand."""
        self._count(depth)
        parts = tuple(self._part(key, value, path, depth) for key, value in written.items())
        return parts[0] if len(parts) == 1 else _All(parts)

    def _count(self, depth: int) -> None:
        self._n_parts += 1
        if depth > _DEEPEST or self._n_parts > _MOST_PARTS:
            raise InputError(f"{self._what} has too many parts, or too deep in each other, to be meant.")

    def _part(self, key: Given, value: Given, path: str, depth: int) -> Condition:
        if not isinstance(key, str) or not key:
            raise InputError(f"{self._what} has the key {key!r}{_below(path)}, must be text: quote it in YAML.")
        if key.startswith("$"):
            return self._operator(key, value, path, depth)
        if "" in key.split("."):
            raise InputError(f"{self._what} has the path {key!r}, of which a part is empty. Write it like 'data.role'.")
        below = f"{path}.{key}" if path else key
        return _Field(key, self._value(value, below, depth))

    def _value(self, value: Given, path: str, depth: int) -> Condition:
        if isinstance(value, Mapping):
            return self.predicate(value, path, depth + 1)
        self._refuse_no_json(value, path)
        return _Test(OPERATORS["$eq"], list(value)) if isinstance(value, list | tuple) else _Equals(value)

    def _operator(self, name: str, operand: Given, path: str, depth: int) -> Condition:
        if name == ANY:
            return _AnyElement(self._value(operand, f"{path}[]", depth), quoted_json(operand))
        if name not in OPERATORS:
            nearest = max(NAMES, key=lambda known: difflib.SequenceMatcher(None, name, known).ratio())
            instead = f"Instead: {INSTEAD[name]}" if name in INSTEAD else f"Did you mean {nearest!r}?"
            raise InputError(
                f"{self._what} has the operator {name!r}{_below(path)}, which the platform doesn't know. "
                f"{instead}{'.' if name in INSTEAD else ''} There are: {', '.join(NAMES)}."
            )
        operand = list(operand) if isinstance(operand, tuple) else operand
        self._refuse_no_json(operand, path)
        operator = OPERATORS[name]
        if not operator.takes(operand):
            raise InputError(
                f"{self._what} has {name}: {quoted_json(operand)}{_below(path)}: {name} takes {operator.operand}."
            )
        return _Test(operator, operand)

    def _refuse_no_json(self, value: Given, path: str, depth: int = 0) -> None:
        self._count(depth)
        if isinstance(value, Mapping | list):
            for item in value.values() if isinstance(value, Mapping) else value:
                self._refuse_no_json(item, path, depth + 1)
        elif not (isinstance(value, str | bool | None) or _is_json_number(value)):
            raise InputError(
                f"{self._what} has {value!r}{_below(path)}, which is no value of JSON: text, numbers, true, false, null, "
                "lists and objects are."
            )


def _is_json_number(value: Given) -> bool:
    if isinstance(value, int):
        return value.bit_length() < 64  # noqa: PLR2004 - bits of a number in JSON
    return isinstance(value, float) and math.isfinite(value)


def _below(path: str) -> str:
    return f" at {path}" if path else ""
