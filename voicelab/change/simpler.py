"""What is simpler than something: fewer words, fewer keys, rounder times, plain text in place of an interruption.

Each function yields what could stand in a value's place, the boldest first; all of it is simpler in one order, `input_weight`, so
that whoever goes on from what still fails comes to an end.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from voicelab.base.checks import is_number
from voicelab.callers.actions import At, Custom, HangUp, Input, Interrupt, Press, Say, Send, Silence

T = TypeVar("T")
_ROUND_S = (0, 1, 2, 3, 5, 6, 8, 10, 15, 20, 30, 60, 120, 300)
_DEFAULT_AFTER_S = 1.0
_KINDS: tuple[type, ...] = (Say, Press, HangUp, Silence, Custom, Send, Interrupt, At)


def fewer(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield what is left of a sequence without a stretch of it: halves first, then ever shorter stretches, from the end on."""
    size = (len(items) + 1) // 2
    while size and len(items) > 1:
        for end in range(len(items), 0, -size):
            left = [*items[: max(0, end - size)], *items[end:]]
            if left:
                yield left
        size = 0 if size == 1 else (size + 1) // 2


def simpler_inputs(given: Input) -> Iterator[Input]:
    """Yield inputs that are simpler than one."""
    for found in _simpler(given):
        if input_weight(found) < input_weight(given):
            yield found


def simpler_values(given: Any) -> Iterator[Any]:
    """Yield values of JSON that are simpler than one."""
    for found in _values(given):
        if value_weight(found) < value_weight(given):
            yield found


def rounder(seconds: float) -> Iterator[float]:
    """Yield rounder times than one, none of them longer than its next whole second."""
    yield from (float(at) for at in _ROUND_S if at <= math.ceil(seconds))
    yield float(math.ceil(seconds))
    yield round(seconds, 1)


def input_weight(action: Input) -> tuple[float, ...]:
    """Return how much there is to an input, to be compared."""
    if isinstance(action, At):
        return (_KINDS.index(At), time_weight(action.time_s), *input_weight(action.input))
    after_s = getattr(action, "after_s", 0.0)
    if isinstance(action, Say | Interrupt):
        spoken = action.source == "speech" and isinstance(action, Say)
        return (_KINDS.index(type(action)), spoken, len(action.text.split()), len(action.text), time_weight(after_s))
    if isinstance(action, Press):
        return (_KINDS.index(Press), len(action.digits), time_weight(after_s))
    if isinstance(action, Silence):
        return (_KINDS.index(Silence), -1.0 if action.seconds is None else time_weight(action.seconds))
    if isinstance(action, Custom):
        return (_KINDS.index(Custom), *value_weight(action.data), time_weight(after_s))
    return (_KINDS.index(type(action)), time_weight(after_s))


def value_weight(value: Any) -> tuple[float, ...]:
    """Return how much there is to a value, to be compared."""
    if isinstance(value, Mapping):
        return (1.0 + len(value) + sum(sum(value_weight(item)) for item in value.values()),)
    if isinstance(value, list | tuple):
        return (1.0 + len(value) + sum(sum(value_weight(item)) for item in value),)
    if isinstance(value, str):
        return (float(len(value)),)
    if isinstance(value, bool) or not is_number(value):
        return (float(bool(value)),)
    return (_number_weight(value),)


def _simpler(given: Input) -> Iterator[Input]:
    if isinstance(given, At):
        yield given.input
        yield from (At(at, given.input) for at in rounder(given.time_s))
        yield from (At(given.time_s, one) for one in simpler_inputs(given.input))
        return
    if isinstance(given, Interrupt):
        yield Say(given.text)
        yield from (replace(given, after_s=at) for at in (_DEFAULT_AFTER_S, *rounder(given.after_s)))
    if isinstance(given, Say):
        yield Say(given.text)
        yield replace(given, source="text")
    if isinstance(given, Say | Interrupt):
        yield from (replace(given, text=" ".join(words)) for words in fewer(given.text.split()))
    if isinstance(given, Press):
        yield from (replace(given, digits="".join(digits)) for digits in fewer(given.digits))
    if isinstance(given, Silence) and given.seconds is not None:
        yield Silence()
        yield from (Silence(at) for at in rounder(given.seconds))
    if isinstance(given, Custom):
        yield from (replace(given, data=data) for data in simpler_values(given.data))
    if isinstance(given, Say | Press | HangUp | Send | Custom) and given.after_s:
        yield from (replace(given, after_s=at) for at in rounder(given.after_s))


def _values(given: Any) -> Iterator[Any]:
    if isinstance(given, bool):
        yield False
    elif isinstance(given, str):
        words = given.split()
        yield from ("", *(" ".join(some) for some in fewer(words)))
    elif is_number(given):
        yield from (type(given)(0), type(given)(1), type(given)(round(given)), round(given, 1))
    elif isinstance(given, Mapping):
        yield {}
        yield from (dict(some) for some in fewer(list(given.items())))
        yield from _inside(dict(given), given.items(), lambda whole, key, value: {**whole, key: value})
    elif isinstance(given, list | tuple):
        yield []
        yield from (list(some) for some in fewer(given))
        yield from _inside(list(given), enumerate(given), lambda whole, at, one: [*whole[:at], one, *whole[at + 1 :]])


def _inside(whole: Any, items: Any, put: Callable[[Any, Any, Any], Any]) -> Iterator[Any]:
    for key, value in items:
        yield from (put(whole, key, one) for one in simpler_values(value))


def time_weight(seconds: float) -> float:
    """Return less for whole seconds than for tenths, and less for tenths than for what is no round time."""
    if seconds == round(seconds):
        return seconds / 1e6
    return (1.0 if seconds == round(seconds, 1) else 2.0) + seconds / 1e6


def _number_weight(number: float) -> float:
    size = min(abs(number), 1e12)
    digits = 0.0 if number == round(number) else 1.0 if number == round(number, 1) else 2.0
    return digits + size / 1e12 + (0.0 if size <= 1 else 0.5) + (0.25 if number < 0 else 0.0)
