"""Imports run one way, from room to room; no room hides a public function; heavy libraries stay where they belong."""

import ast
import re
from collections import defaultdict

import pytest

import voicelab as vl
from tests.imports import (
    DOORS,
    PACKAGE,
    ROOMS,
    edges_between_modules,
    edges_between_rooms,
    imported,
    modules,
    reachable,
    room_of,
    without_shortcuts,
)

MODULES = modules()
# Library -> the only rooms or doors that import it.
ONLY = {
    "primfunctions": {"runtime"},
    "time_machine": {"runtime"},
    "loky": {"simulation"},
    "cloudpickle": {"simulation"},
    "duckdb": {"log", "analysis"},
    "statsmodels": {"decision", "analysis"},
    "matplotlib": {"plots"},
    "IPython": {"handlers", "widgets"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
    "pytest": {"testing", "cli"},
}


def test_nothing_lies_at_the_top_but_rooms_and_doors():
    top = {room_of(name) for name in MODULES}
    assert top == set(ROOMS) | DOORS


def test_no_room_bears_the_name_of_a_public_function():
    functions = {name for name in vl.__all__ if callable(getattr(vl, name))}
    assert not functions & set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_rooms_with_a_smaller_number(room):
    upwards = {other for other in edges_between_rooms()[room] if ROOMS[other] >= ROOMS[room]}
    assert not upwards, f"{room} ({ROOMS[room]}) imports from {upwards}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_does_not_import_the_doors(room):
    for module, others in edges_between_modules().items():
        if room_of(module) == room:
            assert not {room_of(other) for other in others} & DOORS, module


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_no_circle_of_imports(room):
    inside = {
        module: {other for other in others if room_of(other) == room}
        for module, others in edges_between_modules().items()
        if room_of(module) == room
    }
    circles = sorted(module for module in inside if module in reachable(inside, module))
    assert not circles


def test_each_modules_name_exists_once():
    paths = defaultdict(list)
    for name, path in MODULES.items():
        if path.name != "__init__.py":
            paths[path.stem].append(name)
    assert not {stem: names for stem, names in paths.items() if len(names) > 1}


def test_each_public_class_and_function_stands_in_one_module():
    places = defaultdict(set)
    for module, path in MODULES.items():
        if room_of(module) in DOORS:  # they pass on what a room has, by its name
            continue
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                places[statement.name].add(module)
    public = {name: modules for name, modules in places.items() if not name.startswith("_")}
    assert not {name: modules for name, modules in public.items() if len(modules) > 1}


def test_a_circle_would_be_seen():
    assert "a" in reachable({"a": {"b"}, "b": {"a"}}, "a")


@pytest.mark.parametrize("name", MODULES)
def test_libraries_stay_in_their_rooms(name):
    for library in {other.split(".")[0] for other in imported(MODULES[name])} & ONLY.keys():
        assert room_of(name) in ONLY[library], f"{name} imports {library}"


def test_only_one_module_knows_the_sdk():
    knows = {name for name, path in MODULES.items() if any(n.split(".")[0] == "primfunctions" for n in imported(path))}
    assert knows == {"voicelab.runtime.sdk"}


# --- docs/architecture.md --------------------------------------------------------------------------------------------

PAGE = PACKAGE.parent / "docs" / "architecture.md"


def drawing() -> str:
    """Return the drawing as it should be: an arrow for each import between rooms that no longer way replaces."""
    arrows = without_shortcuts(edges_between_rooms())
    lines = [f"    {room} --> {other}" for room in ROOMS for other in sorted(arrows[room], key=list(ROOMS).index)]
    return "flowchart BT\n" + "\n".join(lines) + "\n"


def test_the_drawing_shows_the_imports_as_they_are():
    drawn = re.search(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert drawn, "docs/architecture.md has no drawing"
    assert drawn.group(1) == drawing(), f"Paste this drawing into docs/architecture.md:\n{drawing()}"


def test_the_page_names_every_room_with_its_number():
    rows = re.findall(r"^\| (\d) \| `(\w+)/` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert {room: int(number) for number, room in rows} == ROOMS


def test_every_room_begins_with_a_tour_that_names_its_files():
    for room in ROOMS:
        folder = PACKAGE / room
        head = (folder / "__init__.py").read_text(encoding="utf-8").split('"""')[1]
        files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
        missing = {name for name in files if not re.search(rf"\b{name}\b", head)}
        assert not missing, f"the tour of {room}/ doesn't name {sorted(missing)}"
