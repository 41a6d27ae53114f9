"""Reads who imports whom, for the tests of the layers and of the drawing in docs/architecture.md."""

import ast
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "voicelab"

# A room imports only from rooms with a smaller number.
ROOMS = {
    "base": 0,
    "runtime": 1, "decision": 1, "callers": 1, "predicates": 1,
    "speech": 1, "handlers": 2, "measures": 2, "plots": 2,
    "session": 3, "record": 3, "world": 3,
    "log": 4,
    "runs": 5,
    "simulation": 6, "live": 6, "analysis": 6, "voicerun": 7, "fitting": 6,
    "widgets": 7, "worlds": 7,
    "serving": 8, "change": 8,
    "testing": 9,
}  # fmt: skip
# The doors: what people and the command line import first. They import from any room.
DOORS = {"__init__", "cli"}


def modules() -> dict[str, Path]:
    """Return every module by its dotted name."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> str:
    """Return the room of a module, or its own name where it lies at the top."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of each import, lazy ones and those for type checkers included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_of(name: str, known: Iterable[str]) -> str | None:
    """Return the module that an imported name is, or lies in; None for another library's."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        if ".".join(parts[:length]) in known:
            return ".".join(parts[:length])
    return None


@cache
def edges_between_modules() -> dict[str, set[str]]:
    """Return for each module the modules of the package that it imports."""
    known = modules()
    graph: dict[str, set[str]] = {}
    for module, path in known.items():
        found = {module_of(name, known) for name in imported(path)}
        graph[module] = {other for other in found if other is not None and other != module}
    return graph


def edges_between_rooms() -> dict[str, set[str]]:
    """Return for each room the rooms that it imports from."""
    graph: dict[str, set[str]] = {room: set() for room in ROOMS}
    for module, others in edges_between_modules().items():
        if (room := room_of(module)) in ROOMS:
            graph[room] |= {room_of(other) for other in others} - {room} - DOORS
    return graph


def reachable(graph: Mapping[str, set[str]], start: str) -> set[str]:
    """Return what can be reached from a node by one arrow or more."""
    found: set[str] = set()
    waiting = list(graph.get(start, ()))
    while waiting:
        node = waiting.pop()
        if node not in found:
            found.add(node)
            waiting += graph.get(node, ())
    return found


def without_shortcuts(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return a graph without the arrows that a longer way replaces (its transitive reduction)."""
    return {
        node: {other for other in others if not any(other in reachable(graph, between) for between in others - {other})}
        for node, others in graph.items()
    }
