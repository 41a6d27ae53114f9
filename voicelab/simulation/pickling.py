"""Sends a job to worker processes: by value what lives in the notebook, and with the variable's name what can't go."""

import io
import pickle
import random
from collections import ChainMap
from collections.abc import Iterator
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any, ClassVar

import cloudpickle

from voicelab.base.errors import ShippingError
from voicelab.runtime.isolation import shared_random
from voicelab.world.http_replies import Patterns


def _with_its_file(code: CodeType) -> tuple[Any, ...]:
    """Return how code is made again, with the name of its file, which cloudpickle leaves out: errors have to name it."""
    maker, arguments = cloudpickle.Pickler.dispatch_table[CodeType](code)
    return maker, tuple(code.co_filename if part == _NO_FILE else part for part in arguments)


_NO_FILE = "<dynamic-code>"


class _Pickler(cloudpickle.Pickler):
    """Ships what is defined in the notebook by value; the process's shared generator stays the worker's own."""

    dispatch_table: ClassVar[Any] = ChainMap({CodeType: _with_its_file}, cloudpickle.Pickler.dispatch_table)

    def reducer_override(self, obj: Any) -> Any:
        if obj is shared_random:
            return getattr, (random, "_inst")
        if isinstance(obj, BuiltinFunctionType) and getattr(obj, "__self__", None) is shared_random:
            # `from random import random`: a copy of the generator would draw the same numbers in every session.
            return getattr, (random, obj.__name__)
        return super().reducer_override(obj)


def pack(job: Any) -> bytes:
    """Return a job as bytes.

    Raises:
        ShippingError: something in it can't be pickled; the message names the variable.
    """
    try:
        return _pickled(job)
    except Exception as error:  # noqa: BLE001 - whatever pickling says is told with the variable's name
        where = " → ".join(_path_to_culprit(job)) or type(job).__name__
        raise ShippingError(
            f"{where} can't be sent to a worker process: {error}. Make it inside the function that uses it (for "
            "each session), or put it into a module that the function imports."
        ) from None


def unpack(packed: bytes) -> Any:
    """Return what `pack` packed, in a worker process.

    Raises:
        ShippingError: it needs a module that can't be imported there.
    """
    try:
        return pickle.loads(packed)  # noqa: S301 - it comes from the driver
    except (ImportError, AttributeError) as error:
        raise ShippingError(
            f"A worker process can't load the handler or the callers: {error}. Install the module that they are in, "
            "define them in the notebook, or give the path of the handler's file."
        ) from None


def _pickled(value: Any) -> bytes:
    with io.BytesIO() as file:
        _Pickler(file).dump(value)
        return file.getvalue()


def _path_to_culprit(value: Any, seen: frozenset[int] = frozenset()) -> list[str]:
    """Return the names that lead from a value to what in it can't be pickled."""
    for name, part in _parts(value):
        if id(part) in seen:
            continue
        try:
            _pickled(part)
        except Exception:  # noqa: BLE001 - any failure to pickle is what is looked for
            return [name, *_path_to_culprit(part, seen | {id(value), id(part)})]
    return []


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value holds, with a name for each."""
    if isinstance(value, FunctionType):
        closure = zip(value.__code__.co_freevars, value.__closure__ or (), strict=True)
        yield from ((f"the variable {name!r}", cell.cell_contents) for name, cell in closure)
        yield from _named_globals(value)
    elif isinstance(value, Patterns):
        for pattern in value.items:
            yield from ((f"the reply to {pattern.text!r}", reply) for reply in pattern.choice.items)
    elif isinstance(value, dict):
        yield from ((f"[{key!r}]", item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    elif not isinstance(value, ModuleType | type):
        state = _state(value)
        yield from ((f"{type(value).__name__}.{name}", item) for name, item in state.items())


def _named_globals(function: FunctionType) -> Iterator[tuple[str, Any]]:
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        codes.extend(constant for constant in code.co_consts if hasattr(constant, "co_names"))
        for name in code.co_names:
            part = function.__globals__.get(name)
            if part is not None and not isinstance(part, ModuleType):
                yield f"the variable {name!r}", part


def _state(value: Any) -> dict[str, Any]:
    state = getattr(value, "__dict__", None)
    if isinstance(state, dict) and state:
        return state
    try:
        reduced = value.__reduce_ex__(2)
    except Exception:  # noqa: BLE001 - it can't be taken apart: it is the culprit itself
        return {}
    return {str(index): part for index, part in enumerate(reduced) if index and part is not None}
