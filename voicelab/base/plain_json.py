"""Any value as JSON text: the one encoder of everything that is logged, simulated or imported."""

import itertools
import re
from collections.abc import Mapping
from typing import Any

import orjson

from voicelab.base.accepted_types import Given
from voicelab.base.ctrl_c import is_ctrl_c

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_DEEPEST = 50
"""Deeper than anybody nests on purpose: a structure that contains itself."""
_MOST_ITEMS = 250_000
_MOST_CHARACTERS = 10_000_000
"""More than a log is for; and orjson, which reserves eight bytes for each, crashes where it doesn't get its memory."""
_FEW, _SHORT = 1_000, 10_000
_CONTAINERS = frozenset({dict, list, tuple})
_SCALARS = frozenset({int, float, bool, type(None)})
_LONGEST_QUOTE = 500
_LONGEST_INTEGER = 3_000
"""In bits: Python itself refuses to write integers of more than 4,300 digits, and a nearer end does nobody harm."""


def encode(value: Given, problems: list[str] | None = None) -> str:
    """Return a value as JSON text; what JSON doesn't know is written as text.

    Nothing that a value does stops it: where its text can't be had (`__str__` raises), the text says so.

    Args:
        value: Any value.
        problems: Takes a sentence for each part whose text couldn't be had.
    """
    try:
        # Most data is a dict of a few short texts and numbers: it is looked at here, where that costs no call.
        if type(value) is dict and len(value) <= _FEW:
            for part in value.values():
                kind = type(part)
                if kind is str:
                    if len(part) > _SHORT:
                        break
                elif kind is not bool and part is not None and kind not in _SCALARS:
                    break
            else:
                return orjson.dumps(value, _plain).decode()
        if not _is_huge(value):
            return orjson.dumps(value, _plain).decode()
    except TypeError:
        pass
    found: list[str] = []
    text = orjson.dumps(_with_text_keys(value, found, [_MOST_ITEMS, _MOST_CHARACTERS])).decode()
    if problems is not None:
        problems += found
    return text


def _is_huge(value: Given) -> bool:
    """Return whether a value holds more than anybody means to write, as one that holds itself twice does."""
    left, characters, waiting = _MOST_ITEMS, _MOST_CHARACTERS, [value]
    while waiting:
        item: Any = waiting.pop()
        kind = type(item)
        if kind in _CONTAINERS:
            left -= len(item) + 1
            if left < 0:
                return True
            # Numbers, which most items of the larger structures are, needn't be looked at one by one.
            waiting += [part for part in (item.values() if kind is dict else item) if type(part) not in _SCALARS]
        elif isinstance(item, str):
            characters -= str.__len__(item)
            if characters < 0:
                return True
    return False


def written_text(value: Given) -> str:
    """Return a value as text, whatever its `__str__` does."""
    try:
        return _text(value)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return _no_text(value, error)


def repr_of(value: Given) -> str:
    """Return a value as a message quotes it, whatever its `__repr__` does."""
    try:
        text = str.__str__(repr(value))
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        return _no_text(value, error)
    return text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}… ({len(text):,} characters)"


def _text(value: Given) -> str:
    if isinstance(value, int) and value.bit_length() > _LONGEST_INTEGER:
        return f"an integer of about {int(value.bit_length() * 0.30103) + 1:,} digits"
    return str.__str__(str(value))  # a subclass of str may be anything but a text


def _no_text(value: Given, error: BaseException) -> str:
    return f"<{class_name(value)}: its text can't be had, {class_name(error)}>"


def class_name(value: Given) -> str:
    """Return the name of a value's class, whatever the class does."""
    return str(type.__dict__["__name__"].__get__(type(value)))


def has_half_a_character(text: str) -> bool:
    """Return whether a text holds one of the halves of characters that broken decoding leaves."""
    return not text.isascii() and _HALF_A_CHARACTER.search(text) is not None


def whole_characters(text: str) -> str:
    """Return a text without halves of characters, which no file can hold."""
    return text if text.isascii() else _HALF_A_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", text)


def _plain(value: Given) -> Any:
    """Return a form of a value that JSON can hold and that is the same in every process (no addresses, sets sorted)."""
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes"
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        return value.item()
    if hasattr(value, "tolist"):
        return value.tolist()
    return _ADDRESS.sub("", str(value))


def _with_text_keys(value: Given, problems: list[str], left: list[int], depth: int = 0) -> Any:
    """Return a form of a value that JSON holds, of at most so many items and characters, whatever is in it."""
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        return "…"
    try:
        return _made_plain(value, problems, left, depth)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        text = _no_text(value, error)
        problems.append(text)
        return text


def _made_plain(value: Given, problems: list[str], left: list[int], depth: int) -> Any:
    if value is None or isinstance(value, bool | float):
        return value if value is None or isinstance(value, bool) else float.__float__(value)
    if isinstance(value, int):
        number = int.__int__(value)
        return number if number.bit_length() <= 63 else _text(number)  # noqa: PLR2004 - JSON's 64 bits
    if isinstance(value, str):
        return _of_at_most(str.__str__(value), left)
    if isinstance(value, Mapping):
        return {
            whole_characters(_key(key, problems)): _with_text_keys(item, problems, left, depth + 1)
            for key, item in itertools.islice(value.items(), left[0] + 1)
        }
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [
            _with_text_keys(item, problems, left, depth + 1)
            for item in itertools.islice(list.__iter__(items) if isinstance(items, list) else items, left[0] + 1)
        ]
    try:
        return orjson.loads(orjson.dumps(value))  # dates, and what else it knows
    except TypeError:
        return _with_text_keys(_plain(value), problems, left, depth + 1)


def _of_at_most(text: str, left: list[int]) -> str:
    """Return a text as far as there are characters left."""
    kept = text[: left[1]]
    left[1] -= len(kept)
    return whole_characters(kept if len(kept) == len(text) else f"{kept}… ({len(text):,} characters)")


def _key(key: Given, problems: list[str]) -> str:
    try:
        return _text(key)
    except BaseException as error:
        if is_ctrl_c(error):
            raise
        problems.append(_no_text(key, error))
        return problems[-1]
