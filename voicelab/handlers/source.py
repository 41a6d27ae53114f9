"""Text to code: margins, fragments and errors of handler source, with every line number kept as the user sees it."""

import ast
import contextlib
import importlib.util
import linecache
import re
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import NoReturn

from voicelab.base.errors import HandlerError
from voicelab.base.masking import without_hidden
from voicelab.base.records import PortabilityNote
from voicelab.handlers import spellings
from voicelab.handlers.notes import Note

ROOT = "<handler>/modules/"
"""Begins the file name of all code of handlers.

The SDK takes files under `/modules/` for the user's in its error messages, and shows a log line's place by file name.
"""

Definition = ast.FunctionDef | ast.AsyncFunctionDef
_ASYNC = ast.Yield | ast.YieldFrom | ast.Await | ast.AsyncFor | ast.AsyncWith | ast.Return
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_LINE_MAGIC = re.compile(r"\s*[%!]")
# Fragments that don't mention `event` are the session's opening; by name, since the SDK may be anything here.
_AT_START = "async def handler(event, context):\n if event.name == 'start':\n  pass\n"
_AT_EVERY_EVENT = "async def handler(event, context):\n pass\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where source text comes from.

    Attributes:
        file: The file's name as it is shown, relative to the project's folder.
        key: Distinguishes handlers whose files have the same name.
    """

    file: str
    key: str

    @property
    def filename(self) -> str:
        """The name that the code is compiled with."""
        return f"{ROOT}{self.key}/{self.file}"


@dataclass(frozen=True, slots=True)
class Prepared:
    """Source that is ready to be executed.

    Attributes:
        code: The compiled module.
        tree: Its syntax tree.
        text: What the tree was read from, without the margin.
        is_fragment: Whether it was wrapped in a handler.
    """

    code: CodeType
    tree: ast.Module
    text: str
    is_fragment: bool = False


def read_source(path: Path) -> str:
    """Return the text of a Python file, in the encoding that it declares.

    Raises:
        HandlerError: it can't be read, or isn't text.
    """
    try:
        return importlib.util.decode_source(path.read_bytes())
    except OSError as error:
        raise HandlerError(f"{path} can't be read: {error.strerror or error}.") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise HandlerError(f"{path} is no Python text: {error}. Save it as UTF-8.") from error


def prepare(text: str, place: Place, note: Note, *, strict: bool, entry: bool) -> Prepared:
    """Compile source text; with the tolerances for a margin and for fragments unless strict.

    Args:
        text: The source.
        place: Where it comes from.
        note: Takes the portability notes.
        strict: Leave every error to Python.
        entry: Whether this is the source of the handler itself, which may be a fragment.

    Raises:
        HandlerError: it is no Python (SyntaxError if strict).
    """
    # Before anything can go wrong, so that Python's own message can quote the line.
    _register(text, place)
    if strict:
        return Prepared(compile(text, place.filename, "exec", dont_inherit=True), _tree(text), text)
    tree, text, margin = _parse(text.removeprefix("\ufeff"), place)
    if margin:
        _register(text, place)
        note(_margin_note(text, margin, place))
    spellings.lead_imports(tree, place.file, note)
    is_fragment = entry and _is_fragment(tree)
    if is_fragment:
        note(_fragment_note(tree, place))
        tree = _wrapped(tree)
    try:
        code = compile(tree, place.filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        _refuse(error, text, place, margin)
    return Prepared(code, tree, text, is_fragment)


def parse(text: str) -> ast.Module | None:
    """Return the syntax tree of a source, without its margin, or None if it has none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler will give Python's warnings about the text
        try:
            return _parse(text.removeprefix("\ufeff"), Place("", ""))[0]
        except HandlerError:
            return None


def definitions(tree: ast.Module) -> list[Definition]:
    """Return the functions that a module defines at its top level."""
    return [node for node in tree.body if isinstance(node, Definition)]


# --- margin ----------------------------------------------------------------------------------------------------------


_one_at_a_time = threading.Lock()
_MOST_TRIES = 5


def _tree(text: str, filename: str = "<unknown>") -> ast.Module:
    """Return the syntax tree of a text.

    CPython (3.11 at least) counts the depth of all trees that are being made in one place for all threads, and two at once
    end with "AST constructor recursion depth mismatch": a console loads its handler while another thread loads one. Other
    code of the process may make trees too, and knows nothing of the lock: then it is tried again.
    """
    with _one_at_a_time:
        for _ in range(_MOST_TRIES - 1):
            with contextlib.suppress(SystemError):
                return ast.parse(text, filename)
        return ast.parse(text, filename)


def _parse(text: str, place: Place) -> tuple[ast.Module, str, str]:
    """Return the tree, the text that it was read from, and the margin that was taken off."""
    margin = ""
    try:
        return _tree(text, place.filename), text, margin
    except IndentationError as error:
        margin = _margin(text)
        if not margin:
            _refuse(error, text, place)
    except (SyntaxError, ValueError) as error:
        _refuse(error, text, place)
    # Lines get shorter and none is dropped or joined, so that each keeps its number. A line that has less of a margin stays
    # as it is: inside a text of several lines that is right, and elsewhere Python says what is wrong with it.
    text = "".join(line.removeprefix(margin) for line in text.splitlines(keepends=True))
    try:
        return _tree(text, place.filename), text, margin
    except (SyntaxError, ValueError) as error:
        _refuse(error, text, place, margin)


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line


def _margin(text: str) -> str:
    _, first = next(_code_lines(text), (0, ""))
    return first[: len(first) - len(first.lstrip())]


def _margin_note(text: str, margin: str, place: Place) -> PortabilityNote:
    line, _ = next(_code_lines(text))
    width = "a tab" if margin == "\t" else f"{len(margin)} characters"
    return PortabilityNote(
        place.file,
        line,
        "margin",
        f"the code is indented by {width} as a whole",
        "no margin",
        "unchanged code raises IndentationError on the platform",
    )


# --- fragments -------------------------------------------------------------------------------------------------------


def _is_fragment(tree: ast.Module) -> bool:
    if any("handler" in _bound(node) for node in _outside_functions(tree)):
        return False
    return any(
        isinstance(node, _ASYNC)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in {"event", "context"})
        for node in _outside_functions(tree)
    )


def _outside_functions(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _SCOPES):
            yield from _outside_functions(child)


def _bound(node: ast.AST) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    if isinstance(node, ast.alias):
        return {(node.asname or node.name).partition(".")[0]}
    return set()


def _wrapped(tree: ast.Module) -> ast.Module:
    imports: list[ast.stmt] = []
    body: list[ast.stmt] = []
    for node in tree.body:
        # `import *` and `from __future__` are only allowed outside functions.
        must_stay = isinstance(node, ast.ImportFrom) and (node.module == "__future__" or node.names[0].name == "*")
        is_import = isinstance(node, ast.Import | ast.ImportFrom)
        (imports if must_stay or (is_import and not body) else body).append(node)
    # The tree is wrapped and not the text, which would move every line down.
    mentions_event = any(isinstance(node, ast.Name) and node.id == "event" for node in ast.walk(tree))
    handler = _tree(_AT_EVERY_EVENT if mentions_event else _AT_START).body[0]
    # What is made needs some place: that of the first statement, which an error in the handler's head would be about.
    for made in ast.walk(handler):
        ast.copy_location(made, body[0])
    assert isinstance(handler, ast.AsyncFunctionDef)  # noqa: S101 - tells the type checker
    if mentions_event:
        handler.body = body
    else:
        assert isinstance(handler.body[0], ast.If)  # noqa: S101 - tells the type checker
        handler.body[0].body = body
    return ast.Module(body=[*imports, handler], type_ignores=[])


def _fragment_note(tree: ast.Module, place: Place) -> PortabilityNote:
    nodes = list(_outside_functions(tree))
    first = next((n for n in tree.body if not isinstance(n, ast.Import | ast.ImportFrom)), tree.body[0])
    fate = "SyntaxError" if any(isinstance(node, _ASYNC) for node in nodes) else "NameError"
    return PortabilityNote(
        place.file,
        first.lineno,
        "fragment",
        "statements stand outside a handler",
        "async def handler(event, context): around them",
        f"unchanged code raises {fate} on the platform",
    )


# --- errors and lines ------------------------------------------------------------------------------------------------


def _register(text: str, place: Place) -> None:
    # Without a modification time linecache keeps the text, whatever files there are.
    linecache.cache[place.filename] = (len(text), None, text.splitlines(keepends=True), place.filename)


def _refuse(error: SyntaxError | ValueError, text: str, place: Place, margin: str = "") -> NoReturn:
    """Raise what Python says about the text, at the user's own line."""
    if not isinstance(error, SyntaxError) or not error.lineno:
        message = error.msg if isinstance(error, SyntaxError) else str(error)
        raise HandlerError(f"{place.file}: {message}.") from None
    lines = text.splitlines()
    line = lines[error.lineno - 1] if error.lineno <= len(lines) else ""
    blank = len(line) - len(line.lstrip())
    caret = max((error.offset or 1) - 1 - blank, 0)
    hint = " Notebook commands can't stand in a handler." if _LINE_MAGIC.match(line) else ""
    if isinstance(error, IndentationError) and margin:
        hint += f" (A margin of {len(margin)} characters was taken off.)"
    shown = f"\n    {without_hidden(line.strip())}\n    {' ' * caret}^" if line.strip() else ""
    raise HandlerError(f"{place.file}:{error.lineno}: {type(error).__name__}: {error.msg}.{hint}{shown}") from None
