"""A handler as the text of a program that has it: its path, its text, or the source of its function with what that names."""

import ast
import inspect
import json
import os
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from voicelab.base.errors import InputError
from voicelab.base.masking import Masker
from voicelab.handlers import Handler
from voicelab.handlers.check import plain_function
from voicelab.handlers.samples import sample_agents
from voicelab.handlers.source_hash import functions_of, references


class HandlerText(NamedTuple):
    """A handler in a program.

    Attributes:
        imports: Lines of imports.
        lines: What stands above its use.
        expression: What stands for it in a call.
    """

    imports: tuple[str, ...]
    lines: str
    expression: str


def handler_text(handler: Handler, folder: Path | None) -> HandlerText:
    """Return a handler as a program has it.

    Args:
        handler: The handler.
        folder: Folder of the program, from which a handler in a file is found; None for its whole path.

    Raises:
        InputError: it has no source that can be read.
    """
    path = handler.path or _file_of(plain_function(handler.function))
    if path is not None:
        return _by_path(path, folder)
    function = plain_function(handler.function)
    masker = Masker(handler.secrets)
    if handler.text is not None:
        imports, lines = _definitions(handler.from_notebook, "__main__")
        text = masker.text("\n".join([*imports, *lines, handler.text.strip("\n"), ""]))
        return HandlerText((), f"HANDLER = {_literal(text)}\n", "HANDLER")
    functions = functions_of(function) if isinstance(function, FunctionType) else []
    try:
        sources = [textwrap.dedent(inspect.getsource(one)) for one in reversed(functions)]
    except (OSError, TypeError):
        sources = []
    if not sources:
        raise InputError(
            f"The source of {handler.name!r} can't be read, so that no test can hold it. Load it from a file or a text: "
            "vl.load_handler('handler.py')."
        )
    named = {name: value for one in functions for name, value in references(one).items()}
    own = {one.__name__: one for one in functions}
    imports, lines = _definitions({k: v for k, v in named.items() if k not in own}, function.__module__)
    return HandlerText(
        tuple(imports), masker.text("\n\n".join(["\n".join(lines), *sources]).lstrip()), function.__name__
    )


def _by_path(path: Path, folder: Path | None) -> HandlerText:
    sample = next((name for name, at in sample_agents().items() if at.resolve() == path.resolve()), None)
    if sample is not None:
        return HandlerText((), "", json.dumps(sample))
    if folder is None:
        return HandlerText((), f"HANDLER = {str(path)!r}\n", "HANDLER")
    relative = os.path.relpath(path, folder.resolve()).replace(os.sep, "/")
    return HandlerText(
        ("from pathlib import Path",), f"HANDLER = Path(__file__).resolve().parent / {relative!r}\n", "HANDLER"
    )


def _file_of(function: Any) -> Path | None:
    """Return the file whose handler a function is, if `vl.load_handler` would find it there."""
    module = inspect.getmodule(function)
    file = getattr(module, "__file__", None)
    if module is None or module.__name__ == "__main__":  # a script does more than define its handler
        return None
    is_its = getattr(module, "handler", None) is function
    return Path(file) if is_its and file and file.endswith(".py") and Path(file).is_file() else None


def _definitions(values: Mapping[str, Any], module: str) -> tuple[list[str], list[str]]:
    """Return lines that import, and lines that define, what a handler names."""
    imports: list[str] = []
    lines: list[str] = []
    for name, value in sorted(values.items()):
        if isinstance(value, ModuleType):
            imports.append(f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}"))
        elif (home := getattr(value, "__module__", None)) not in {None, module, "__main__"} and _is_there(home, value):
            own = value.__name__
            imports.append(f"from {home} import {own}" + ("" if own == name else f" as {name}"))
        else:
            lines += _definition(name, value)
    return imports, lines


def _is_there(module: str | None, value: Any) -> bool:
    own = getattr(value, "__name__", "")
    found = inspect.getmodule(value)
    return bool(own) and found is not None and found.__name__ == module and getattr(found, own, None) is value


def _definition(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, type | FunctionType):
        try:
            yield textwrap.dedent(inspect.getsource(value))
        except (OSError, TypeError):
            yield f"# {name} has no source: give it here."
        return
    text = repr(value)
    try:
        known = ast.literal_eval(text) == value
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        known = False
    yield f"{name} = {text}" if known else f"# {name} is {type(value).__name__}, which can't be written: give it here."


def _literal(text: str) -> str:
    if "'''" not in text and "\\" not in text and not text.endswith("'"):
        return f"'''\n{text}'''"
    return "(\n" + "".join(f"    {line!r}\n" for line in text.splitlines(keepends=True)) + ")"
