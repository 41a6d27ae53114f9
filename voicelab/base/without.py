"""Imports a library without what it would import as well if that is installed, and doesn't need here."""

import contextlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def without(name: str) -> Iterator[None]:
    """Have nobody import a module meanwhile that isn't imported yet, as if it were not installed."""
    if name in sys.modules:
        yield
        return
    finder = _Without(name)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Without:
    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        del path, target
        if name == self._name:
            raise ImportError(name)
        return None
