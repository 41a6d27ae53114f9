"""The operators of the platform's predicates: what each asks of a value, and what it says where the value doesn't fit.

The platform documents thirteen of them in a table, and what it leaves open is decided here, once:

- A field that is missing is no value at all. It equals nothing, null included (deep equality knows the two apart), is in
  no list and holds nothing.
- `$ne`, `$nin` and `$ninc` match exactly where `$eq`, `$in` and `$inc` don't: of a missing field too.
- Nothing is converted: true is not 1, "3" is not 3, and what isn't a number isn't above or below one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from voicelab.base.accepted_types import Given
from voicelab.base.checks import is_number

_LONGEST = 60
"""Characters of a value that a reason quotes."""


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING: Final = _Missing()
"""What stands at a path that isn't there."""


def equal(one: Given, other: Given) -> bool:
    """Return whether two values of JSON are equal, however deep: 1 is 1.0, and neither is true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def quoted_json(value: Given) -> str:
    """Return a value as a reason quotes it: as JSON, cut where it is long."""
    if value is MISSING:
        return "missing"
    try:
        text = orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except TypeError:  # it contains itself, or a number beyond 64 bits
        text = repr(value)
    if len(text) <= _LONGEST:
        return text
    if isinstance(value, list):
        return f"an array of {len(value):,}"
    return text[:_LONGEST] + "…"


@dataclass(frozen=True)
class Operator:
    """What an operator asks.

    Attributes:
        matches: Whether a value, or `MISSING`, fits an operand.
        takes: Whether something is an operand of it.
        operand: What its operands are, in words.
        asked: What a value has to do, before the operand: `must be at least`.
        misfit: What is wrong with a value of another kind, in words; an empty text where its kind is right.
    """

    matches: Callable[[Given, Given], bool]
    takes: Callable[[Given], bool]
    operand: str
    asked: str
    misfit: Callable[[Given, Given], str] = lambda _value, _operand: ""

    def reason(self, path: str, value: Given, operand: Given) -> str:
        """Return why a value at a path doesn't match."""
        wrong = "" if value is MISSING else self.misfit(value, operand)
        return f"{path or 'the value'} is {quoted_json(value)}{wrong}, {self.asked} {quoted_json(operand)}"


def _holds(value: Given, operand: Given) -> bool:
    return isinstance(value, list) and any(equal(item, operand) for item in value)


def _is_in(value: Given, operand: Given) -> bool:
    return value is not MISSING and isinstance(operand, list) and any(equal(value, item) for item in operand)


def _contains(value: Given, operand: Given) -> bool:
    return isinstance(value, str) and str(operand) in value


def _contains_in_any_case(value: Given, operand: Given) -> bool:
    return isinstance(value, str) and str(operand).lower() in value.lower()


def _compared(compare: Callable[[float, float], bool]) -> Callable[[Given, Given], bool]:
    def matches(value: Given, operand: Given) -> bool:
        return is_number(value) and is_number(operand) and compare(value, operand)

    return matches


def _anything(operand: Given) -> bool:
    del operand
    return True


def _is_list(operand: Given) -> bool:
    return isinstance(operand, list)


def _is_text(operand: Given) -> bool:
    return isinstance(operand, str)


def _no_number(value: Given, operand: Given) -> str:
    del operand
    return "" if is_number(value) else ", which is no number"


def _no_text(value: Given, operand: Given) -> str:
    del operand
    if isinstance(value, list):
        return ", which is no text but an array ($any asks its elements)"
    return "" if isinstance(value, str) else ", which is no text"


def _no_array(value: Given, operand: Given) -> str:
    del operand
    return "" if isinstance(value, list) else ", which is no array"


def _array_itself(value: Given, operand: Given) -> str:
    del operand
    return ", an array as a whole ($any asks its elements)" if isinstance(value, list) else ""


def _array_of_it(value: Given, operand: Given) -> str:
    whole = isinstance(value, list) and not isinstance(operand, list)
    return ", an array as a whole ($inc asks its elements)" if whole else ""


_COMPARING = {
    "$gt": (lambda value, operand: value > operand, "must be above"),
    "$gte": (lambda value, operand: value >= operand, "must be at least"),
    "$lt": (lambda value, operand: value < operand, "must be below"),
    "$lte": (lambda value, operand: value <= operand, "must be at most"),
}

OPERATORS: dict[str, Operator] = {
    "$eq": Operator(equal, _anything, "any value", "must be", _array_of_it),
    "$ne": Operator(lambda value, operand: not equal(value, operand), _anything, "any value", "must not be"),
    **{
        name: Operator(_compared(compare), is_number, "a number", asked, _no_number)
        for name, (compare, asked) in _COMPARING.items()
    },
    "$in": Operator(_is_in, _is_list, "a list", "must be one of", _array_itself),
    "$nin": Operator(lambda value, operand: not _is_in(value, operand), _is_list, "a list", "must be none of"),
    "$inc": Operator(_holds, _anything, "any value", "must hold", _no_array),
    "$ninc": Operator(lambda value, operand: not _holds(value, operand), _anything, "any value", "must not hold"),
    "$contains": Operator(_contains, _is_text, "text", "must contain", _no_text),
    "$icontains": Operator(_contains_in_any_case, _is_text, "text", "must contain, in any case,", _no_text),
}
ANY = "$any"
"""The operator whose operand is a predicate of its own: some element of an array matches it."""
NAMES = (*OPERATORS, ANY)

INSTEAD = {
    "$and": "list the fields in one predicate: all of them must match",
    "$or": "$in takes several values of one field; else write an evaluator for each",
    "$nor": "$nin takes several values of one field; else write an evaluator for each",
    "$not": "the opposites are $ne, $nin and $ninc",
    "$regex": "$icontains and $contains look for a part of a text",
    "$exists": "$eq and $ne compare a field's value; no operator asks whether it is there",
    "$all": "$inc asks for one value of an array; write an evaluator for each",
    "$elemMatch": "$any asks whether some element of an array matches",
    "$size": "$any asks whether some element matches; no operator counts them",
}
"""What to write for operators that people know from elsewhere."""
