"""Names that handler source uses and nowhere defines: found in the compiled code, supplied by notebook and SDK."""

import ast
import builtins
import dis
import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, ModuleType
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.base.records import PortabilityNote
from voicelab.runtime import sdk

SANDBOX_REJECTS = frozenset({"ctypes", "fcntl", "os", "pty", "shutil", "signal", "socket", "subprocess"})
"""Modules that the platform doesn't let a handler import."""

# Libraries that draw from numpy's global generator.
NUMPY_RANDOM = frozenset({"numpy", "pandas", "scipy", "sklearn"})

_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_OFTEN_FORGOTTEN = frozenset({"asyncio", "json", "random", "re"})
"""Modules of Python that the platform's own examples use without importing them."""
_NAME_ERROR = "unchanged code raises NameError on the platform"


@dataclass(frozen=True, slots=True)
class Names:
    """The global names of a module's code.

    Attributes:
        used: Each name that is read, with the first line that reads it.
        defined: The names that the module itself binds.
        rebound: The names that a function binds (`global x`).
    """

    used: Mapping[str, int]
    defined: frozenset[str]
    rebound: frozenset[str]

    @property
    def missing(self) -> dict[str, int]:
        """The names that are read and neither bound by the module nor Python's own, with their first lines."""
        return {
            name: line
            for name, line in self.used.items()
            if name not in self.defined and not hasattr(builtins, name) and not name.startswith("__")
        }


@dataclass(slots=True)
class Supplied:
    """Values for missing names.

    Attributes:
        values: By name.
        live: The names of the notebook whose values are looked up again before each use.
        lines: The first line that uses each.
    """

    values: dict[str, Any] = field(default_factory=dict)
    live: set[str] = field(default_factory=set)
    lines: dict[str, int] = field(default_factory=dict)


def global_names(code: CodeType) -> Names:
    """Return the global names of a module.

    The compiler has done the scoping, so its own verdict is read instead of working it out again from the tree.
    """
    used: dict[str, int] = {}
    defined: set[str] = set()
    rebound: set[str] = set()
    for block in _blocks(code):
        instructions = list(dis.get_instructions(block))
        # A class's body stores and reads by the same instructions as a module's, but what it binds is its own.
        stored = {i.argval for i in instructions if i.opname in _STORES}
        is_function = bool(block.co_flags & inspect.CO_OPTIMIZED)
        if block is code:
            defined |= stored
        elif is_function:
            rebound |= stored
        local = stored if not is_function and block is not code else set()
        for i in instructions:
            if i.opname in _LOADS and i.argval not in local:
                line = (i.positions.lineno if i.positions else None) or block.co_firstlineno
                used[i.argval] = min(line, used.get(i.argval, line))
    return Names(used, frozenset(defined), frozenset(rebound))


def _blocks(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _blocks(constant)


def supply_missing(names: Names, known: set[str], notebook: Mapping[str, Any]) -> Supplied:
    """Return values for a module's missing names: from the notebook, the SDK and Python; what nobody knows is left out.

    Args:
        names: The module's names.
        known: Names that will be there all the same, such as those of `import *`.
        notebook: The user's namespace.
    """
    supplied = Supplied()
    for name, line in names.missing.items():
        if name in known:
            continue
        # The notebook first, also for a name of the SDK: it is what the user sees there.
        if name in notebook:
            supplied.values[name] = notebook[name]
            # Looked up again, a name that a function rebinds would lose what the handler has counted in it.
            if name not in names.rebound:
                supplied.live.add(name)
        elif name in sdk.NAMES:
            supplied.values[name] = sdk.supply(name)
        elif name in _OFTEN_FORGOTTEN:
            supplied.values[name] = importlib.import_module(name)
        else:
            continue
        supplied.lines[name] = line
    return supplied


def import_notes(supplied: Supplied, file: str) -> Iterator[PortabilityNote]:
    """Give one note for each line that is the first to use supplied names, with the import lines to write."""
    by_line: dict[int, list[str]] = {}
    for name, line in sorted(supplied.lines.items()):
        by_line.setdefault(line, []).append(name)
    for line, names in sorted(by_line.items()):
        imports: dict[str, list[str]] = {}
        rest = []
        for name in names:
            statement = _import_of(name, supplied.values[name])
            if statement:
                imported_as = f"{sdk.RENAMED[name]} as {name}" if name in sdk.RENAMED else name
                imports.setdefault(statement, []).append(imported_as)
            else:
                rest.append(name)
        if imports:
            joined = [
                f"{start} {', '.join(group)}" if start.endswith(" import") else start
                for start, group in sorted(imports.items())
            ]
            used = _are([name for group in imports.values() for name in group], "used without an import")
            yield PortabilityNote(file, line, "missing_import", used, "; ".join(joined), _NAME_ERROR)
        if rest:
            used = _are(rest, "defined in the notebook alone")
            yield PortabilityNote(
                file, line, "notebook_name", used, "a definition in the handler's source", _NAME_ERROR
            )


def _are(names: list[str], what: str) -> str:
    return f"{', '.join(sorted(names))} {'are' if len(names) > 1 else 'is'} {what}"


def _import_of(name: str, value: Given) -> str:
    """Return the import statement that gives a name its value; without the name where several can share it."""
    if name in sdk.NAMES and value is sdk.supply(name):
        return f"from {sdk.NAMES[name]} import"
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" + ("" if value.__name__ == name else f" as {name}")
    module = module_of(value)
    if module and module != "__main__" and getattr(sys.modules[module], name, None) is value:
        return f"from {module} import"
    return ""


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Give the modules that a tree imports from outside its own package, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module, node.lineno


def starred(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Give the modules of `from module import *`, with the number of dots before each."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            yield node.module or "", node.level


def sandbox_note(module: str, file: str, line: int) -> PortabilityNote | None:
    """Return the note about the import of a module that the platform rejects, or None."""
    top = module.partition(".")[0]
    if top not in SANDBOX_REJECTS:
        return None
    return PortabilityNote(
        file,
        line,
        "sandbox_import",
        f"import {module}",
        "context.variables for settings" if top == "os" else "no such module",
        f"the platform's sandbox rejects the module {top}",
    )


def draws_from_numpy(modules: set[str]) -> bool:
    """Return whether any of the imported modules draws from numpy's global generator."""
    return bool({name.partition(".")[0] for name in modules} & NUMPY_RANDOM)


def module_of(value: Given) -> str:
    """Return the name of the module that a value is or comes from."""
    if isinstance(value, ModuleType):
        return value.__name__
    name = getattr(value, "__module__", None) or type(getattr(value, "__self__", None)).__module__
    return name if isinstance(name, str) and name in sys.modules else ""
