"""Runs the modules of one loaded handler, apart from those of every other.

Two projects may both have a `helpers.py`. Their modules never stand in `sys.modules` under that name: each workspace
keeps its own, and the code in it gets an `__import__` that looks there first, at load and later, inside functions.
`sys.modules` knows them by a name of their own (`voicelab_1a2b3c4d.helpers`) only because dataclasses and typing look
modules up there. That name depends on nothing but the source, so that it may appear in a session's log.
"""

import builtins
import contextlib
import importlib.util
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from voicelab.base.errors import HandlerError, did_you_mean
from voicelab.base.masking import is_hidden_in, without_hidden
from voicelab.handlers import names, source
from voicelab.handlers.notes import Note
from voicelab.handlers.source import Place, Prepared
from voicelab.runtime import sdk
from voicelab.runtime.tracebacks import hint_of


class Workspace:
    """The modules of one handler.

    Args:
        key: A hash of the handler's sources.
        folder: Where its own modules are; None for text.
        texts: Sources of its modules that are read already, by relative name: what is imported later, inside a
            function, is then of the same state.
        strict: Supply no names, and leave every error as it is.
        notebook: The user's namespace, in which missing names are looked up first.
        note: Takes the portability notes.
    """

    def __init__(
        self,
        key: str,
        folder: Path | None = None,
        texts: Mapping[str, str] | None = None,
        *,
        strict: bool,
        notebook: Mapping[str, Any] | None = None,
        note: Note,
    ) -> None:
        self.key = key[:8]
        self.package = f"voicelab_{self.key}"
        self.supplied: list[tuple[ModuleType, names.Supplied]] = []
        self._folder = folder
        self._texts = texts or {}
        self._strict = strict
        self._notebook = notebook or {}
        self._note = note
        # For imports inside functions, which threads of the handler may run at once; one import may begin another.
        self._lock = threading.RLock()
        self._modules: dict[str, ModuleType] = {}
        self._outsiders: dict[str, bool] = {}

    def prepare(self, file: str, text: str) -> Prepared:
        """Compile the source of the handler itself.

        Args:
            file: The name of its file, relative to the folder.
            text: Its text.

        Raises:
            HandlerError: it is no Python (SyntaxError if strict).
        """
        return source.prepare(text, Place(file, self.key), self._note, strict=self._strict, entry=True)

    def run(self, module: str, file: str, prepared: Prepared) -> ModuleType:
        """Run the source of the handler itself, as a module of this name within the workspace.

        Raises:
            HandlerError: it raises (its own error if strict).
        """
        try:
            return self._run(module, prepared, Place(file, self.key), self._folder and self._folder / file)
        except HandlerError:
            raise
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
                raise  # Ctrl-C, which reaches the main thread alone
            # What lies behind an error is shown with it, and can't be masked.
            tells = is_hidden_in("".join(traceback.format_exception(error)))
            if self._strict and not tells:
                if hint := hint_of(error, str(error)):
                    error.add_note(f"voicelab: {hint}.")
                raise
            raise HandlerError(self._explain(error, file, prepared)) from None if tells else error

    def refresh(self) -> None:
        """Give names that come from the notebook the values that they have there now."""
        for module, supplied in self.supplied:
            for name in supplied.live:
                if name in self._notebook:
                    module.__dict__[name] = supplied.values[name] = self._notebook[name]

    def from_notebook(self) -> dict[str, Any]:
        """Return the names that came from the notebook, with their values."""
        return {
            name: value
            for _, supplied in self.supplied
            for name, value in supplied.values.items()
            if name in self._notebook
        }

    # --- running ---

    def _run(
        self, module: str, prepared: Prepared, place: Place, path: Path | None, *, package: bool = False
    ) -> ModuleType:
        made = self._made(module, path, package=package)
        values = made.__dict__
        # Text has no modules of its own: its imports go straight to Python.
        if self._folder is not None:
            values["__builtins__"] = self._builtins
        supplied = names.Supplied()
        if not self._strict:
            known = self._starred(prepared, made)
            supplied = names.supply_missing(names.global_names(prepared.code), known, self._notebook)
            values.update(supplied.values)
        for name, line in names.imported(prepared.tree):
            rejected = None if self._owns(name) else names.sandbox_note(name, place.file, line)
            if rejected:
                self._note(rejected)
        # Known before it runs, as in Python, so that modules that import each other find one another half made; forgotten if
        # it fails, so that the next import says again what is wrong.
        self._modules[module] = sys.modules[made.__name__] = made
        try:
            exec(prepared.code, values)  # noqa: S102 - running the user's handler is what it is for
        except BaseException:
            del self._modules[module]
            sys.modules.pop(made.__name__, None)
            raise
        if supplied.lines:
            self.supplied.append((made, supplied))
            for note in names.import_notes(supplied, place.file):
                self._note(note)
        return made

    def _made(self, module: str, path: Path | None, *, package: bool) -> ModuleType:
        full = f"{self.package}.{module}" if module else self.package
        made = ModuleType(full)
        made.__package__ = full if package else full.rpartition(".")[0]
        if path is not None:
            made.__file__ = str(path)
        if package and path is not None:
            made.__path__ = [str(path.parent)]
        return made

    def _starred(self, prepared: Prepared, module: ModuleType) -> set[str]:
        """Return the names that `import *` will bring, so that they aren't reported as missing."""
        known: set[str] = set()
        for name, level in names.starred(prepared.tree):
            with contextlib.suppress(Exception):  # the user's own import will say what is wrong
                found = self._import(name, {"__package__": module.__package__}, None, ("*",), level)
                known.update(getattr(found, "__all__", [n for n in vars(found) if not n.startswith("_")]))
        return known

    # --- importing ---

    @property
    def _builtins(self) -> dict[str, Any]:
        return {**vars(builtins), "__import__": self._import}

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """Stand in for `__import__` in the handler's own modules."""
        local = self._local(name, (globals or {}).get("__package__") or "", level)
        if local is None:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        module = self._load(local)
        if not fromlist:
            return self._load(local.partition(".")[0])
        for item in getattr(module, "__all__", ()) if "*" in fromlist else fromlist:
            if not hasattr(module, item) and hasattr(module, "__path__"):
                submodule = f"{local}.{item}".lstrip(".")
                if self._find(submodule):
                    self._load(submodule)
        return module

    def _local(self, name: str, package: str, level: int) -> str | None:
        """Return a module's name within this workspace, or None for a module from elsewhere."""
        if level:
            full = importlib.util.resolve_name("." * level + name, package)
            if full == self.package:
                return ""
            return full.removeprefix(f"{self.package}.") if full.startswith(f"{self.package}.") else None
        return name if self._owns(name) else None

    def _owns(self, name: str) -> bool:
        top = name.partition(".")[0]
        if top in self._modules:
            return True
        if top not in self._outsiders:
            found = self._find(top)
            # As in Python, a folder without __init__.py gives way to an installed package of that name.
            self._outsiders[top] = found is None or (found.is_dir() and importlib.util.find_spec(top) is not None)
        return not self._outsiders[top]

    def _find(self, module: str) -> Path | None:
        if self._folder is None or not module:
            return None
        return find(self._folder, module)

    def _load(self, module: str) -> ModuleType:
        with self._lock:
            if module in self._modules:
                return self._modules[module]
            # Packages first, from the outside inwards: what is in them hangs on them as an attribute.
            parent, _, leaf = module.rpartition(".")
            if not module:
                return self._keep("", self._folder)
            above = self._load(parent)
            if module in self._modules:  # the package has imported it meanwhile
                return self._modules[module]
            path = self._find(module)
            if path is None or self._folder is None:
                raise ModuleNotFoundError(f"No module named {module!r}", name=module)
            if path.is_dir():
                loaded = self._keep(module, path)
            else:
                place = Place(path.relative_to(self._folder).as_posix(), self.key)
                text = self._texts[place.file] if place.file in self._texts else source.read_source(path)
                prepared = source.prepare(text, place, self._note, strict=self._strict, entry=False)
                loaded = self._run(module, prepared, place, path, package=path.name == "__init__.py")
            setattr(above, leaf, loaded)
            return loaded

    def _keep(self, module: str, folder: Path | None) -> ModuleType:
        """Make the module of a folder without code."""
        made = self._made(module, folder and folder / "__init__.py", package=True)
        self._modules[module] = sys.modules[made.__name__] = made
        del made.__file__
        return made

    # --- errors ---

    def _explain(self, error: BaseException, file: str, prepared: Prepared) -> str:
        prefix = Place("", self.key).filename
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(prefix)]
        where, line = (frames[-1].filename.removeprefix(prefix), frames[-1].line) if frames else (file, None)
        number = f":{frames[-1].lineno}" if frames else ""
        error_name, message, hint = type(error).__name__, str(error), ""
        if isinstance(error, NameError) and error.name:
            hint = self._hint_for(error.name, prepared)
        elif isinstance(error, ModuleNotFoundError) and error.name and self._folder is not None:
            hint = did_you_mean(error.name, modules_in(self._folder))
        shown = f"\n    {line}" if line else ""
        return without_hidden(f"{where}{number}: {error_name}{': ' if message else ''}{message}{hint}{shown}")

    def _hint_for(self, name: str, prepared: Prepared) -> str:
        if name in {"event", "context"}:
            return f". {name} is known inside the handler alone: async def handler(event, context)."
        known = {*sdk.NAMES, *dir(builtins), *self._notebook, *names.global_names(prepared.code).defined}
        return "." + did_you_mean(name, sorted(known - {name}))


def find(folder: Path, module: str) -> Path | None:
    """Return the file of a module, or the folder of a package without code, or None."""
    path = folder.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
        if file.is_file():
            return file
    return path if path.is_dir() else None


def modules_in(folder: Path) -> list[str]:
    """Return the names of the modules and packages that lie in a folder."""
    return sorted({p.stem for p in folder.glob("*.py")} | {p.parent.name for p in folder.glob("*/__init__.py")})
