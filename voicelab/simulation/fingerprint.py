"""A hash of what a run's sessions are made of, the same in every process, to tell whether a log belongs to a run."""

import copyreg
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from types import FunctionType
from typing import Any

from voicelab.base.session_limits import Limits
from voicelab.handlers import Handler
from voicelab.handlers.source_hash import of_function
from voicelab.runs.options import SessionOptions

VERSION = 4
"""How fingerprints are computed and which rows sessions come to; stands in the manifest beside one. A run is gone on with by
the same version alone: raise it where the engine writes other rows for the same job."""

_PLAIN = (str, bytes, int, float, bool, type(None))
# The seed stands in a run's identity by itself.
_NO_PARTS = frozenset({"seed"})


def of_options(options: SessionOptions) -> dict[str, str]:
    """Return the fingerprint of each option that the sessions of a run follow from, besides its seed.

    Every field counts, also one that is new, and each by its name: the same value for two of them makes two runs.

    Args:
        options: What the sessions are made of.
    """
    parts = {field.name: getattr(options, field.name) for field in fields(options) if field.name not in _NO_PARTS}
    parts["handler"] = _of_handler(options.handler)
    parts["limits"] = _of_limits(options.limits)
    parts["callers"] = options.callers.identity
    return {name: fingerprint(part) for name, part in parts.items()}


def _of_handler(handler: Handler) -> dict[str, Any]:
    """Return what sessions can know of their handler: not the folder it lies in, nor the notes about it."""
    return {
        "source": handler.fingerprint,
        "name": handler.name,
        "environment": handler.environment,
        "strict": handler.strict,
        "variables": dict(handler.variables),
    }


def _of_limits(limits: Limits) -> dict[str, Any]:
    """Return the limits that end sessions: how many deaths a run bears changes no row of those that are settled."""
    return {field.name: getattr(limits, field.name) for field in fields(limits) if field.name != "deaths"}


def fingerprint(value: Any) -> str:
    """Return the SHA-256 of a value by what it holds: functions by their source, objects by class and state."""
    return hashlib.sha256(_described(value, set()).encode()).hexdigest()


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
    if isinstance(value, FunctionType):
        return of_function(value)
    if isinstance(value, type):
        return _name(value)
    return f"{_name(type(value))}({_described(_made_from(value), inner)})"


def _made_from(value: Any) -> Any:
    """Return what `pickle` would make an object from again.

    Its state alone would not do: dates, decimals, numpy's numbers, methods and partial functions have none.
    """
    reduce: Callable[[Any], Any] = copyreg.dispatch_table.get(type(value), _reduced)
    try:
        made = reduce(value)
    except Exception:  # noqa: BLE001 - a lock, a connection: nothing that could be the same elsewhere
        return None
    if isinstance(made, str):
        return made
    maker, *parts = made
    return [_name(maker), *(list(part) if isinstance(part, Iterator) else part for part in parts)]


def _reduced(value: Any) -> Any:
    return value.__reduce_ex__(4)


def _name(made: Callable[..., Any]) -> str:
    return f"{made.__module__}.{getattr(made, '__qualname__', '')}"
