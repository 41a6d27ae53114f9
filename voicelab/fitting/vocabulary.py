"""The words that a handler listens for, as far as they stand in its source, or in the patterns of its language model.

An agent that asks "How can I help?" doesn't say what it understands. Its source does: `if "refund" in text`.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from voicelab.handlers import SourceText
from voicelab.handlers.source import parse

_LISTENS = frozenset({"search", "match", "fullmatch", "findall", "compile", "startswith", "endswith", "count", "find"})
_DECLARES = frozenset({"add_test", "experiment", "add"})
# Names of events, roles and settings, which handlers compare with as well.
_NOT_SAID = frozenset({
    "start", "text", "dtmf", "timeout", "stop", "custom", "user", "assistant", "agent", "system", "tool", "speech", "nova",
    "boolean", "integer", "float", "string", "count", "name", "data", "source", "digits", "formal", "casual", "",
    "content_sentence", "tool_call", "production", "development",
})  # fmt: skip
_STORED = frozenset({"get_data", "get_test", "get_variant", "get_outcome"})
_UNFINISHED = {"for": "two", "at": "seven", "of": "two", "on": "Friday", "to": "you", "in": "Springfield"}
"""How a phrase goes on that a pattern finds the beginning of: `table for`."""
_MOST_WORDS, _MOST_CHARACTERS, _MOST = 5, 40, 60


def words_heard(sources: Iterable[SourceText], patterns: Iterable[str] = (), values: Iterable[Any] = ()) -> list[str]:
    """Return what a handler may listen for, the likeliest first, at most 60.

    Args:
        sources: Its source.
        patterns: The patterns of the language model that answers for it.
        values: What else may be asked for: parameters of the session.
    """
    compared: list[str] = []
    listed: list[str] = []
    for source in sources:
        tree = parse(source.text)
        if tree is not None:
            state = _names_of_state(tree)
            for node in _in_order(tree, state):
                compared += _compared(node, state)
                listed += _listed(node)
    modelled = [word for pattern in patterns for word in words_of_pattern(pattern)]
    given = [str(value) for value in values if isinstance(value, str | int) and not isinstance(value, bool)]
    said = (word.strip() for word in (*modelled, *compared, *listed, *given))
    return list(dict.fromkeys(word for word in said if _could_be_said(word)))[:_MOST]


def words_of_pattern(pattern: str) -> list[str]:
    """Return words that a regular expression finds: its alternatives, without what isn't text."""
    plain = re.sub(r"\[[^\]]*\]|\(\?[:=!<][=!]?|\\[bBAZ]|[()^$?*+]|\{[\d,]*\}", "", pattern.replace(r"\d+", "12345"))
    plain = re.sub(r"\\d", "5", plain)
    plain = re.sub(r"\\s|\\W|\.", " ", plain)
    return [_finished(" ".join(part.replace("\\", "").split())) for part in plain.split("|")]


def _finished(phrase: str) -> str:
    """Return a phrase as people would say it: `table for two`, `two people`."""
    words = phrase.split()
    if phrase.lower() in {"people", "persons", "guests", "adults"}:
        return f"two {phrase}"
    return f"{phrase} {_UNFINISHED[words[-1]]}" if len(words) > 1 and words[-1] in _UNFINISHED else phrase


def _in_order(tree: ast.AST, state: frozenset[str]) -> Iterator[ast.AST]:
    """Yield nodes in the order of the source, without the declarations of tests, whose variants nobody says."""
    yield tree
    if isinstance(tree, ast.Match) and _is_state(tree.subject, state):
        children: list[ast.AST] = [statement for case in tree.cases for statement in case.body]
    else:
        children = [*ast.iter_child_nodes(tree)]
    for child in children:
        if not (isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in _DECLARES):
            yield from _in_order(child, state)


def _names_of_state(tree: ast.AST) -> frozenset[str]:
    """Return the names that hold what the handler itself has stored: `step = context.get_data("step")`."""
    return frozenset(
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_state(node.value, frozenset())
        for target in node.targets
        if isinstance(target, ast.Name)
    )


def _is_state(node: ast.AST, names: frozenset[str]) -> bool:
    """Return whether an expression is what the handler itself has stored, or a part of it."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr in _STORED or _is_state(node.func.value, names)
    if isinstance(node, ast.Attribute | ast.Subscript):
        return _is_state(node.value, names)
    return isinstance(node, ast.Name) and node.id in names


def _compared(node: ast.AST, state: frozenset[str]) -> list[str]:
    if isinstance(node, ast.Compare):
        # `step == "size"` looks at the handler's own state; `"size" in step` may look at words that it has stored.
        whole = isinstance(node.ops[0], ast.Eq | ast.NotEq) and any(_is_state(side, state) for side in node.comparators)
        if whole or _is_state(node.left, state):
            return []
        return [text for side in (node.left, *node.comparators) for text in _texts(side)]
    if isinstance(node, ast.MatchValue):
        return _texts(node.value)
    if isinstance(node, ast.comprehension):  # any(word in text for word in ("refund", "money back"))
        return _texts(node.iter)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LISTENS and node.args:
        return [word for text in _texts(node.args[0]) for word in words_of_pattern(text)]
    return []


def _listed(node: ast.AST) -> list[str]:
    """Return the texts of a list or a dict that is given a name: a menu, a table of prices."""
    if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(
        node.value, ast.Dict | ast.Set | ast.Tuple | ast.List
    ):
        return _texts(node.value)
    return []


def _texts(node: ast.AST | None) -> list[str]:
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, ast.Dict):
        return [text for key in node.keys for text in _texts(key)]
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        return [text for item in node.elts for text in _texts(item)]
    return []


def _could_be_said(word: str) -> bool:
    plain = len(word) <= _MOST_CHARACTERS and len(word.split()) <= _MOST_WORDS
    # What ends like a sentence is said by the agent.
    return (
        plain
        and not (len(word) == 1 and word.isalpha())
        and word[-1:].isalnum()
        and word.lower() not in _NOT_SAID
        and bool(re.fullmatch(r"[\w' .,&+-]+", word))
        and "_" not in word
    )
