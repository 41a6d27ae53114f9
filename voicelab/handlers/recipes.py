"""How a handler is loaded, here and again in a worker process: from text, from a path, or a function as it is."""

import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from types import FunctionType, ModuleType
from typing import Any, Protocol

from voicelab.base.errors import HandlerError
from voicelab.handlers import check, names, project, source, source_hash
from voicelab.handlers.notes import Note
from voicelab.handlers.source_text import SourceText
from voicelab.handlers.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Loaded:
    """A handler that can be called.

    Attributes:
        function: The handler.
        fingerprint: Returns the hash of what it is made of.
        binds_numpy_random: Whether its code can draw from numpy's global generator.
        refresh: Brings names that come from the notebook up to date.
        from_notebook: Returns these names with their values.
        sources: Returns its source, piece by piece.
        texts: Returns the texts in variables of the notebook that it names.
    """

    function: Callable[[Any, Any], Any]
    fingerprint: Callable[[], str]
    binds_numpy_random: bool
    refresh: Callable[[], None] = lambda: None
    from_notebook: Callable[[], dict[str, Any]] = dict
    sources: Callable[[], list[SourceText]] = list
    texts: Callable[[], list[str]] = list


class Recipe(Protocol):
    """A way to load a handler."""

    @property
    def shown(self) -> str:
        """What it is loaded from, in a few words."""

    def load(self, note: Note, *, strict: bool, expected: str | None) -> Loaded:
        """Load the handler.

        Args:
            note: Takes the portability notes.
            strict: Leave the tolerances off.
            expected: The fingerprint that the source must have, if it is known.

        Raises:
            HandlerError: it can't be loaded, or is no handler.
        """

    def shipped(self, loaded: Loaded) -> "Recipe":
        """Return the recipe for another process."""


@dataclass(frozen=True, slots=True)
class FunctionRecipe:
    """A function; another process gets the function itself."""

    function: Callable[[Any, Any], Any]

    @property
    def shown(self) -> str:
        """What it is loaded from."""
        return f"function at {check.place_of(self.function)}" if check.place_of(self.function) else "function"

    def load(self, note: Note, *, strict: bool, expected: str | None) -> Loaded:  # noqa: ARG002 - nothing to tolerate
        """Check the function."""
        check.check_handler(self.function)
        plain = check.plain_function(self.function)
        modules: set[str] = set()
        if isinstance(plain, FunctionType):
            for function in source_hash.functions_of(plain):
                modules |= {names.module_of(value) for value in source_hash.references(function).values()}
                modules |= _note_imports_of(function, note)
        return Loaded(
            self.function,
            lambda: source_hash.of_function(self.function),
            names.draws_from_numpy(modules),
            sources=lambda: _sources_of(plain),
            texts=lambda: _texts_of(plain),
        )

    def shipped(self, loaded: Loaded) -> "FunctionRecipe":  # noqa: ARG002 - as the protocol has it
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True)
class TextRecipe:
    """Source text; another process gets the text, and the values that it takes from the notebook.

    Attributes:
        text: The source.
        file: The name that it has in messages.
        notebook: The user's namespace.
    """

    text: str
    file: str = "handler.py"
    notebook: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shown(self) -> str:
        """What it is loaded from."""
        n_lines = len(self.text.splitlines())
        return f"{n_lines} lines of text"

    def load(self, note: Note, *, strict: bool, expected: str | None) -> Loaded:
        """Compile and run the text."""
        own = source_hash.of_texts({"handler": self.text})
        space = Workspace(own, strict=strict, notebook=self.notebook, note=note)
        function, prepared = _opened(space, "handler", self.file, self.text)

        def whole() -> str:
            space.refresh()
            values = space.from_notebook()
            return (
                source_hash.of_texts({"handler": self.text, "notebook": source_hash.of_values(values)})
                if values
                else own
            )

        modules = {module for module, _ in names.imported(prepared.tree)}
        modules |= {names.module_of(value) for value in space.from_notebook().values()}
        binds = names.draws_from_numpy(modules)
        return Loaded(
            function,
            whole if expected is None else lambda: expected,
            binds,
            space.refresh,
            space.from_notebook,
            lambda: [SourceText(self.file, self.text)],
            lambda: list(_texts_in(list(space.from_notebook().values()))),
        )

    def shipped(self, loaded: Loaded) -> "TextRecipe":
        """Return the text with no more of the notebook than it uses."""
        return TextRecipe(self.text, self.file, loaded.from_notebook())


@dataclass(frozen=True, slots=True)
class PathRecipe:
    """A file, or a project folder; another process reads it again.

    Attributes:
        file: The file with the handler.
        folder: The project's folder; None for a file by itself.
    """

    file: Path
    folder: Path | None = None

    @property
    def shown(self) -> str:
        """What it is loaded from."""
        return f"project {self.folder.name}" if self.folder else f"file {self.file.name}"

    def load(self, note: Note, *, strict: bool, expected: str | None) -> Loaded:
        """Read, compile and run the file."""
        if not self.file.is_file():
            raise HandlerError(f"{self.file} isn't there any more, or not on this machine.")
        sources = source_hash.reachable_sources(self.file)
        texts = source_hash.project_sources(self.folder) if self.folder else sources
        found = source_hash.of_texts(texts)
        if expected not in {None, found}:
            raise HandlerError(f"{self.file} or a module of it has changed since it was loaded. Load it again.")
        space = Workspace(found, self.file.parent, texts, strict=strict, note=note)
        function, _ = _opened(space, self.file.stem, self.file.name, sources[self.file.name])
        trees = filter(None, map(source.parse, sources.values()))
        modules = {module for tree in trees for module, _ in names.imported(tree)}
        pieces = [SourceText(*item) for item in sources.items()]
        return Loaded(function, lambda: found, names.draws_from_numpy(modules), sources=lambda: pieces)

    def shipped(self, loaded: Loaded) -> "PathRecipe":  # noqa: ARG002 - as the protocol has it
        """Return itself."""
        return self


def path_recipe(path: Path) -> PathRecipe:
    """Return the recipe for an existing .py file or project folder.

    Raises:
        HandlerError: the folder has no handler.py.
    """
    path = path.resolve()
    return PathRecipe(project.handler_file(path), path) if path.is_dir() else PathRecipe(path)


def _opened(space: Workspace, module: str, file: str, text: str) -> tuple[Any, source.Prepared]:
    prepared = space.prepare(file, text)
    check.check_source(prepared.tree, file)
    made = space.run(module, file, prepared)
    return check.check_found(vars(made), prepared.tree, file), prepared


def _sources_of(plain: Any) -> list[SourceText]:
    """Return the source of a function and of those of its own module that it calls, each at its own lines."""
    found = []
    for function in source_hash.functions_of(plain) if isinstance(plain, FunctionType) else []:
        try:
            lines, first = inspect.getsourcelines(function)
        except (OSError, TypeError):
            continue
        text = "\n" * (first - 1) + textwrap.dedent("".join(lines))
        found.append(SourceText(PurePath(function.__code__.co_filename).name, text))
    return found


def _texts_of(plain: Any) -> list[str]:
    """Return the texts in the variables that a function names, and those that the functions beside it name."""
    functions = source_hash.functions_of(plain) if isinstance(plain, FunctionType) else []
    return [text for function in functions for text in _texts_in(list(source_hash.references(function).values()))]


def _texts_in(value: Any, depth: int = 0) -> Iterator[str]:
    """Yield the texts in a value: in plain containers, and in the attributes of an object such as a service's client."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, type | ModuleType | FunctionType) or depth > _DEEPEST:
        return
    elif isinstance(value, list | tuple | set | frozenset | dict):
        for item in list(value.values()) if isinstance(value, dict) else list(value)[:_MOST_ITEMS]:
            yield from _texts_in(item, depth + 1)
    elif isinstance(attributes := getattr(value, "__dict__", None), dict):
        yield from _texts_in(attributes, depth + 1)


_DEEPEST = 4
_MOST_ITEMS = 1_000
"""A list of data isn't gone through to its end."""


def _note_imports_of(function: FunctionType, note: Note) -> set[str]:
    """Note the imports in a function's body, and the modules of its globals, that the platform rejects."""
    code = function.__code__
    file = PurePath(code.co_filename).name
    found = [
        (value.__name__, code.co_firstlineno)
        for value in source_hash.references(function).values()
        if inspect.ismodule(value)
    ]
    try:
        lines, first = inspect.getsourcelines(function)
    except (OSError, TypeError):
        lines, first = [], 1
    tree = source.parse("".join(lines))
    found += [(module, first + line - 1) for module, line in names.imported(tree)] if tree else []
    for module, line in found:
        rejected = names.sandbox_note(module, file, line)
        if rejected:
            note(rejected)
    return {module for module, _ in found}
