"""Values as exports write them: both key styles, JSON inside text, times as text or numbers."""

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.base.plain_json import encode, whole_characters

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LEAST_MILLISECONDS = 1e11
"""A number above is milliseconds since 1970, below it is seconds (the year 5138)."""
_FIRST_S, _LAST_S = -62_135_596_800, 253_402_300_799
"""The years 1 to 9999, in which calendars count, as seconds since 1970."""
_LONGEST_S = 1e12


@lru_cache(maxsize=4096)
def snake(key: str) -> str:
    """Return a key in snake_case, however it is written; a leading underscore stays."""
    return _HUMP.sub("_", str(key)).lower()


def snake_keys(record: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a record with its own keys in snake_case; nested ones stay as they are."""
    return {snake(key): value for key, value in record.items()}


def first(record: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """Return the first value that is there and not None."""
    for key in keys:
        if (value := record.get(key)) is not None:
            return value
    return None


def unpacked(value: Json) -> Any:
    """Return the object or array that a text holds as JSON; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def mapping(value: Json) -> dict[str, Any]:
    """Return an object, also one that is packed in text; anything else, where it says something, under `value`."""
    if type(value) is dict:
        return value.copy()  # JSON's keys are texts
    value = unpacked(value)
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    return {} if value is None or value in ("", []) else {"value": value}


def number(value: Json) -> float | None:
    """Return a finite number, also one that stands as text; None for anything else."""
    if type(value) is float:
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def whole_number(value: Json) -> int | None:
    """Return a whole number that 32 bits hold; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) and abs(found) < 2**31 else None


def short_seconds(value: Json) -> float | None:
    """Return a time on somebody's clock, or a length of time, in seconds; None for anything else, such as 1e300."""
    found = number(value)
    return found if found is not None and abs(found) <= _LONGEST_S else None


def wall_seconds(value: Json) -> float | None:
    """Return a point in time as seconds since 1970: ISO 8601 text, or a number of seconds or milliseconds."""
    if value is None:
        return None
    found = number(value)
    if found is not None:
        found = found / 1000 if abs(found) > _LEAST_MILLISECONDS else found
        return found if _FIRST_S <= found <= _LAST_S else None
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def text_of(value: Json) -> str:
    """Return a scalar as the text that JSON makes of it, without quotes and without halves of characters."""
    return whole_characters(value) if isinstance(value, str) else encode(value)
