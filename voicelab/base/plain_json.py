"""Any value as JSON text: the one encoder of everything that is logged, simulated or imported."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from voicelab.base.accepted_types import Given

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_HALF_A_CHARACTER = re.compile("[\ud800-\udfff]")
_DEEPEST = 50
"""Deeper than anybody nests on purpose: a structure that contains itself."""


def encode(value: Given) -> str:
    """Return a value as JSON text; what JSON doesn't know is written as text."""
    try:
        return orjson.dumps(value, _plain).decode()
    except TypeError:
        return orjson.dumps(_with_text_keys(value), _plain).decode()


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


def _with_text_keys(value: Given, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {whole_characters(str(key)): _with_text_keys(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [_with_text_keys(item, depth + 1) for item in items]
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 63:  # noqa: PLR2004 - JSON's 64 bits
        return str(value)
    return whole_characters(value) if isinstance(value, str) else value
