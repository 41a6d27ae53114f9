"""Imports that VoiceRun's own guides for coding agents teach and its SDK lacks, led to what they mean.

What such code does at run time (`TextEvent(data=...)`, `event.text`) is in `voicelab.runtime.sdk`.
"""

import ast
from collections.abc import Iterator

from voicelab.base.records import PortabilityNote
from voicelab.handlers.notes import Note

# module, name (None for any): the import to write, what the platform says, and the module that has it here.
_SPELLINGS: dict[tuple[str, str | None], tuple[str, str, str]] = {
    ("primfunctions.actions", None): (
        "from primfunctions.events import {names}",
        "unchanged code raises ModuleNotFoundError on the platform",
        "primfunctions.events",
    ),
    ("primfunctions.context", "context"): (
        "the handler's argument: async def handler(event, context)",
        "unchanged code raises ImportError on the platform",
        "voicelab.runtime.current_context",
    ),
}


def lead_imports(tree: ast.Module, file: str, note: Note) -> None:
    """Lead the imports of a tree that the SDK lacks to where their names are, in place, with a note for each line.

    Args:
        tree: The module.
        file: The name of its file.
        note: Takes the portability notes.
    """
    for parent in ast.walk(tree):
        for field in ("body", "orelse", "finalbody", "handlers"):
            statements = getattr(parent, field, None)
            if isinstance(statements, list):
                statements[:] = [new for old in statements for new in _rewritten(old, file, note)]


def _rewritten(statement: ast.stmt, file: str, note: Note) -> Iterator[ast.stmt]:
    if not isinstance(statement, ast.ImportFrom) or statement.level:
        yield statement
        return
    module = statement.module or ""
    by_spelling: dict[tuple[str, str, str] | None, list[ast.alias]] = {}
    for alias in statement.names:
        spelling = _SPELLINGS.get((module, None)) or _SPELLINGS.get((module, alias.name))
        by_spelling.setdefault(spelling, []).append(alias)
    for spelling, aliases in by_spelling.items():
        here = module
        if spelling is not None:
            sdk, platform, here = spelling
            names = ", ".join(ast.unparse(alias) for alias in aliases)
            written = f"from {module} import {names}"
            note(PortabilityNote(file, statement.lineno, "sdk_import", written, sdk.format(names=names), platform))
        yield ast.copy_location(ast.ImportFrom(here, aliases, 0), statement)
