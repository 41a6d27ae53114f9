"""A hash of callers and worlds that is the same in every process, to tell whether a log belongs to a run."""

import hashlib
import re
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from voicelab.handlers.fingerprint import of_function

_PLAIN = (str, bytes, int, float, bool, type(None))


def fingerprint(*values: Any) -> str:
    """Return the SHA-256 of values by what they hold: functions by their source, objects by class and state."""
    return hashlib.sha256(_described(values, set()).encode()).hexdigest()


def _described(value: Any, outer: set[int]) -> str:
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in outer:
        return "itself"
    inner = outer | {id(value)}
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_described(k, inner)}:{_described(v, inner)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(_described(item, inner) for item in value) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ",".join(sorted(_described(item, inner) for item in value)) + "}"
    if isinstance(value, re.Pattern):
        return f"/{value.pattern}/{value.flags}"
    if isinstance(value, FunctionType):
        return of_function(value)
    kind = value if isinstance(value, type) else type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    return name if kind is value else f"{name}({_described(value.__getstate__(), inner)})"
