"""The browser half of the widgets: plain ES modules under `static/`, joined into the one module that anywidget takes.

The modules import each other by name (`import { make } from "./dom.js"`), so that each can be read, checked and tested
alone. A notebook gets one text without a server to load the others from: imports between modules fall away, and so does
`export`, except the `export default` of the entry. So a name at the top of one module must not stand in another.
"""

import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"

_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./([\w-]+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?!default)", re.MULTILINE)


def esm(*parts: str) -> str:
    """Return modules and all that they import as one module, each once and after those it needs.

    Args:
        parts: Names of modules under `static/`; the last is the entry, whose default export is kept.
    """
    order: list[str] = []
    for part in parts:
        _visit(part.removesuffix(".js"), order)
    return "\n".join(f"// {name}.js\n{_bare(name)}" for name in order)


def css() -> str:
    """Return the style sheet that all widgets share."""
    return _read("style.css")


def _visit(name: str, order: list[str]) -> None:
    if name in order:
        return
    for needed in _IMPORT.findall(_read(f"{name}.js")):
        _visit(needed, order)
    order.append(name)


def _bare(name: str) -> str:
    return _EXPORT.sub("", _IMPORT.sub("", _read(f"{name}.js")))


@cache
def _read(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
