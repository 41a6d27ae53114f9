"""Hashes of handlers: the same code gives the same fingerprint in every process."""

import ast
import contextlib
import functools
import hashlib
import inspect
import pickle
import textwrap
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.handlers import names, source, workspace
from voicelab.handlers.check import plain_function

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_SKIPPED = frozenset({"__pycache__", "site-packages", "node_modules", "venv"})


def of_texts(texts: Mapping[str, str]) -> str:
    """Return the fingerprint of sources by file name."""
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(f"{name}\0{text}\0".encode())
    return digest.hexdigest()


def of_values(values: Mapping[str, Any]) -> str:
    """Return the fingerprint of named values, functions with what they refer to."""
    seen: set[int] = set()
    return of_texts({name: _described(value, seen) for name, value in values.items()})


def of_function(function: Callable[..., Any]) -> str:
    """Return the fingerprint of a function: its source, its defaults, its closure and the globals that it names."""
    return of_values({"handler": function})


def project_sources(folder: Path) -> dict[str, str]:
    """Return the Python files of a folder by relative name; hidden and installed ones are left out."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        relative = path.relative_to(folder)
        if not any(part.startswith(".") or part in _SKIPPED for part in relative.parts):
            found[relative.as_posix()] = source.read_source(path)
    return found


def reachable_sources(file: Path) -> dict[str, str]:
    """Return a file and the modules beside it that it imports, directly or not, by relative name."""
    folder = file.parent
    found: dict[str, str] = {}
    waiting = [file]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(folder).as_posix()
        if name not in found:
            found[name] = source.read_source(path)
            tree = source.parse(found[name])
            waiting += _imported_files(tree, path, folder) if tree else []
    return found


def _imported_files(tree: ast.Module, path: Path, folder: Path) -> list[Path]:
    files = []
    package = path.relative_to(folder).parent.parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            modules = [base, *(f"{base}.{alias.name}".lstrip(".") for alias in node.names)]
        else:
            continue
        for module in filter(None, modules):
            parts = module.split(".")
            levels = (".".join(parts[:n]) for n in range(1, len(parts) + 1))
            files += [f for f in (workspace.find(folder, level) for level in levels) if f and f.is_file()]
    return files


def _described(value: Given, seen: set[int]) -> str:
    """Describe a value in a way that is the same in every process."""
    if isinstance(value, _PLAIN):
        return repr(value)
    if id(value) in seen:
        return "again"
    seen.add(id(value))
    for classes, describe in _DESCRIBED.items():
        if isinstance(value, classes):
            return describe(value, seen)
    function = plain_function(value)
    if isinstance(function, FunctionType):
        return _described_function(function, seen) + "\0" + _described(getattr(value, "__dict__", None), seen)
    return _described_object(value)


def _described_class(value: type, seen: set[int]) -> str:  # noqa: ARG001 - has the others' form
    return _source(value) if value.__module__ == "__main__" else f"class {value.__module__}.{value.__qualname__}"


def _described_object(value: Given) -> str:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    try:
        return f"{name} {hashlib.sha256(pickle.dumps(value, protocol=5)).hexdigest()}"
    except Exception:  # noqa: BLE001 - a connection, a lock: nothing that could be the same elsewhere
        return name


def _described_partial(value: functools.partial[Any], seen: set[int]) -> str:
    return "\0".join(_described(part, seen) for part in (value.func, value.args, value.keywords))


def _described_dict(value: dict[Any, Any], seen: set[int]) -> str:
    return "{" + ",".join(f"{_described(k, seen)}:{_described(v, seen)}" for k, v in value.items()) + "}"


def _described_items(value: Iterable[Any], seen: set[int]) -> str:
    return f"{type(value).__name__}[" + ",".join(_described(v, seen) for v in value) + "]"


def _described_set(value: Iterable[Any], seen: set[int]) -> str:
    return "set[" + ",".join(sorted(_described(v, seen) for v in value)) + "]"


def _described_function(function: FunctionType, seen: set[int]) -> str:
    parts = [_source(function) or _described_code(function.__code__)]
    parts += [_described(v, seen) for v in (function.__defaults__, function.__kwdefaults__)]
    for name, value in sorted(references(function).items()):
        # What is imported from elsewhere is a matter of versions; what is defined beside the handler belongs to it.
        is_code = inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value)
        is_own = not is_code or getattr(value, "__module__", None) == function.__module__
        parts.append(f"{name}={_described(value, seen) if is_own else names.module_of(value)}")
    return "\0".join(parts)


_DESCRIBED: dict[Any, Callable[[Any, set[int]], str]] = {
    ModuleType: lambda module, _: f"module {module.__name__}",
    type: _described_class,
    functools.partial: _described_partial,
    dict: _described_dict,
    (list, tuple): _described_items,
    (set, frozenset): _described_set,
}


def functions_of(function: FunctionType) -> list[FunctionType]:
    """Return a function and those of its own module that it refers to, directly or not."""
    found: dict[int, FunctionType] = {}
    waiting = [function]
    while waiting:
        one = waiting.pop()
        if id(one) not in found:
            found[id(one)] = one
            named = (plain_function(value) for value in references(one).values() if callable(value))
            waiting += [f for f in named if isinstance(f, FunctionType) and f.__module__ == function.__module__]
    return list(found.values())


def references(function: FunctionType) -> dict[str, Any]:
    """Return the globals and the outer variables that a function names, with their values."""
    found = dict(globals_of(function))
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        with contextlib.suppress(ValueError):  # not assigned yet
            found[name] = cell.cell_contents
    return found


def globals_of(function: FunctionType) -> dict[str, Any]:
    """Return the globals that a function names, with their values."""
    named: set[str] = set()
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        named.update(code.co_names)
        waiting += [c for c in code.co_consts if isinstance(c, CodeType)]
    return {name: function.__globals__[name] for name in named if name in function.__globals__}


def _source(value: FunctionType | type) -> str:
    try:
        return textwrap.dedent(inspect.getsource(value))
    except (OSError, TypeError):
        return ""


def _described_code(code: CodeType) -> str:
    constants = [_described_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return f"{code.co_code.hex()} {constants} {code.co_names} {code.co_varnames}"
