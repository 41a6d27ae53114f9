"""What a handler's source says without running: the tests that it declares, and the keys that it stores."""

import ast
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from voicelab.handlers.source import parse


class SourceText(NamedTuple):
    """A piece of a handler's source.

    Attributes:
        file: The file's name as it is shown.
        text: The text; as many lines before it are empty as stand before it in the file.
    """

    file: str
    text: str


_DECLARES = frozenset({"add_test", "experiment"})
_SETS = frozenset({"set_outcome", "trigger_outcome", "counter", "histogram", "gauge", "timer", "summary", "record"})
_STORES = frozenset({"set_data", "setdefault"})


def declared_tests(sources: Iterable[SourceText]) -> dict[str, str]:
    """Return the tests that are declared by a name that stands in the source, with file and line of each."""
    found: dict[str, str] = {}
    for file, call, method, name in _named_calls(sources):
        # `context.experiments.add(...)` is the SDK's third way; `add` alone would be any set's.
        by_add = (
            method == "add" and isinstance(call.func, ast.Attribute) and "experiments" in ast.unparse(call.func.value)
        )
        if method in _DECLARES or by_add:
            found.setdefault(name, f"{file}:{call.lineno}")
    return found


def set_outcomes(sources: Iterable[SourceText]) -> set[str]:
    """Return the outcomes that the handler sets somewhere, by itself or as a metric."""
    return {name for _, _, method, name in _named_calls(sources) if method in _SETS}


def lone_targets(sources: Iterable[SourceText]) -> dict[str, str]:
    """Return the targets of stop rules whose names stand nowhere else in the source, with file and line of each.

    None where a name that is set is made while the handler runs: then it may be any.
    """
    sources, found, elsewhere = list(sources), dict[str, str](), set[str]()
    for source in sources:
        values: set[ast.expr] = set()
        for node in _nodes([source]):
            if isinstance(node, ast.Dict):
                values |= {value for key, value in zip(node.keys, node.values, strict=True) if _names_a_target(key)}
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SETS:
                if not node.args or not isinstance(node.args[0], ast.Constant):
                    return {}
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                if node in values:
                    found.setdefault(node.value, f"{source.file}:{node.lineno}")
                else:
                    elsewhere.add(node.value)
    return {name: where for name, where in found.items() if name not in elsewhere}


def _names_a_target(key: ast.expr | None) -> bool:
    return isinstance(key, ast.Constant) and key.value in {"target_outcome", "target_metric"}


def stored_keys(sources: Iterable[SourceText]) -> set[str]:
    """Return the keys that the handler stores itself, whenever it comes to that."""
    sources = list(sources)
    found = {name for _, _, method, name in _named_calls(sources) if method in _STORES}
    for node in _nodes(sources):
        # A key that is set without a method.
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant):
            found.add(str(node.slice.value))
    return found


def _named_calls(sources: Iterable[SourceText]) -> Iterator[tuple[str, ast.Call, str, str]]:
    """Yield each call of a method whose first argument is a name in quotes: file, call, method, name."""
    for source in sources:
        for node in _nodes([source]):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            named = [k.value for k in node.keywords if k.arg in {"name", "key"}]
            first = next(iter([*node.args, *named]), None)
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                yield source.file, node, node.func.attr, first.value


def _nodes(sources: Iterable[SourceText]) -> Iterator[ast.AST]:
    for source in sources:
        tree = parse(source.text)
        if tree is not None:
            yield from ast.walk(tree)
