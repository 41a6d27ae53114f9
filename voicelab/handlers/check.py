"""Says whether something is a handler, and if not, why and where."""

import ast
import functools
import inspect
from pathlib import PurePath
from types import CellType
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.base.errors import HandlerError
from voicelab.handlers.source import Definition, definitions

_WRITE = "write `async def handler(event, context):`"
_MOST_WRAPPERS = 100


def check_source(tree: ast.Module, file: str) -> None:
    """Check what can be seen without running a module.

    Raises:
        HandlerError: it defines its handler twice, or without `async`.
    """
    found = [node for node in definitions(tree) if node.name == "handler"]
    if len(found) > 1:
        lines = " and ".join(f"{file}:{node.lineno}" for node in found)
        raise HandlerError(f"There are {len(found)} functions named handler, at {lines}. Keep one.")
    # A decorator may well make an asynchronous function of it.
    if found and isinstance(found[0], ast.FunctionDef) and not found[0].decorator_list:
        raise HandlerError(f"{file}:{found[0].lineno}: the handler is a plain `def`; {_WRITE}.")


def check_found(values: dict[str, Any], tree: ast.Module, file: str) -> Any:
    """Return the handler of a module that has been run.

    Raises:
        HandlerError: there is none, or it is no handler.
    """
    if "handler" not in values:
        raise HandlerError(_nothing_found(definitions(tree), file))
    lines = [node.lineno for node in definitions(tree) if node.name == "handler"]
    return check_handler(values["handler"], f"{file}:{lines[0]}" if lines else file)


def check_handler(handler: Given, where: str = "") -> Any:
    """Return a handler if it can be called with an event and a context and is asynchronous.

    Args:
        handler: What should be one.
        where: Its file and line, for the message.

    Raises:
        HandlerError: it is none.
    """
    where = where or place_of(handler)
    at = f"{where}: " if where else ""
    if not callable(handler) or inspect.isclass(handler):
        raise HandlerError(f"{at}the handler is {type(handler).__name__}, which is no function; {_WRITE}.")
    if not _may_be_async(handler):
        raise HandlerError(f"{at}the handler {name_of(handler)!r} is a plain `def`; {_WRITE}.")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return handler
    try:
        signature.bind("event", "context")
    except TypeError as error:
        raise HandlerError(
            f"{at}the handler takes {signature}, must take two arguments, event and context ({error}); {_WRITE}."
        ) from None
    return handler


def name_of(handler: Given) -> str:
    """Return a function's name, also of one that is wrapped or an object."""
    while isinstance(handler, functools.partial):
        handler = handler.func
    return str(getattr(handler, "__name__", None) or type(handler).__name__)


def plain_function(handler: Given) -> Any:
    """Return the innermost function that was written with `def`."""
    for _ in range(_MOST_WRAPPERS):  # an object may claim to have any attribute
        if isinstance(handler, functools.partial):
            handler = handler.func
        elif inspect.ismethod(handler):
            handler = handler.__func__
        elif hasattr(handler, "__wrapped__"):
            handler = handler.__wrapped__
        elif not inspect.isfunction(handler) and inspect.ismethod(call := getattr(handler, "__call__", None)):  # noqa: B004
            handler = call
        else:
            break
    return handler


def place_of(handler: Given) -> str:
    """Return the file and line of a function, or an empty string."""
    code = getattr(plain_function(handler), "__code__", None)
    return f"{PurePath(code.co_filename).name}:{code.co_firstlineno}" if code else ""


def _may_be_async(handler: Given) -> bool:
    function = plain_function(handler)
    if inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function):
        return True
    if not inspect.isfunction(function):
        return True
    # A wrapper without functools.wraps returns what the function in its closure returns; a lambda may do so, too.
    wraps = any(callable(cell.cell_contents) for cell in function.__closure__ or () if _is_filled(cell))
    return (wraps or function.__name__ == "<lambda>") and not inspect.isgeneratorfunction(function)


def _is_filled(cell: CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - reading it is the test
    except ValueError:
        return False
    return True


def _nothing_found(found: list[Definition], file: str) -> str:
    if not found:
        return f"{file} has no function named handler, and no other; {_WRITE}."
    listed = ", ".join(f"{node.name} (line {node.lineno})" for node in found)
    candidates = [n for n in found if isinstance(n, ast.AsyncFunctionDef) and len(n.args.args) == 2]  # noqa: PLR2004
    hint = f"rename {candidates[0].name} to handler" if len(candidates) == 1 else _WRITE
    return f"{file} has no function named handler. Functions found: {listed}; {hint}."
