"""Imports run one way, down the layers; and heavy libraries are imported only where they belong."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "voicelab"

# A module imports only from smaller numbers. Within a package (a folder) modules may import each other.
LAYERS = {
    "errors": 0, "plain_json": 0,
    "checks": 1, "masking": 1, "records": 1, "inputs": 1, "seeds": 1, "clock": 1, "isolation": 1, "work": 1, "conversation": 1, "timeline": 1, "stats": 1,
    "rules": 2, "choice": 2, "sdk": 2, "context": 2, "speech": 2,
    "evidence": 3, "wording": 3, "log": 3, "session": 3, "handlers": 3, "callers": 3, "world": 3, "model": 3, "own_loop": 3, "telephone": 3,
    "arguments": 4, "jobs": 4, "monitor": 4, "plots": 4,
    "simulation": 5, "notebook": 5, "analysis": 5, "voicerun": 5, "live": 5,
    "widgets": 6,
    "cli": 8, "__init__": 8,
}  # fmt: skip
# Within a layer these few rest on each other in this order.
WITHIN = {
    "jobs": {"arguments"},
    "checks": {"masking"},
    "inputs": {"checks"},
    "isolation": {"clock"},
    "conversation": {"records", "inputs", "timeline"},
    "timeline": {"records", "inputs"},
    "stats": {"records"},
    "context": {"sdk"},
    "clock": set(),
}

# Library -> the only modules that import it.
ONLY = {
    "primfunctions": {"sdk"},
    "time_machine": {"isolation"},
    "loky": {"simulation"},
    "cloudpickle": {"simulation"},
    "duckdb": {"log", "analysis"},
    "statsmodels": {"stats", "analysis"},
    "matplotlib": {"plots"},
    "IPython": {"notebook", "widgets"},
    "anywidget": {"widgets"},
    "ipywidgets": {"widgets"},
}


def unit(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}:{node.lineno}: relative import"
            if node.module == "voicelab":
                yield from (f"voicelab.{alias.name}" for alias in node.names)
            else:
                yield node.module or ""


def test_every_module_has_a_layer():
    assert {unit(path) for path in PACKAGE.rglob("*.py")} - {"__main__"} <= set(LAYERS)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_down_the_layers(path):
    own = unit(path)
    for name in imports(path):
        parts = name.split(".")
        if parts[0] != "voicelab" or len(parts) < 2 or parts[1] not in LAYERS or own in {"cli", "__init__"}:
            continue
        other = parts[1]
        if other == own:
            continue
        assert LAYERS[other] < LAYERS[own] or other in WITHIN.get(own, ()), f"{own} imports {other}"


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_libraries_stay_in_their_rooms(path):
    for name in imports(path):
        library = name.split(".")[0]
        if library in ONLY:
            assert unit(path) in ONLY[library], f"{path.name} imports {library}"
