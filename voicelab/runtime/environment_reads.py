"""Which keys and passwords of the environment a handler's own source reads: those that it spells out, or any.

A name that is put together when it is needed can't be read off the source, so that any may be meant. So it is where the
environment as a whole goes somewhere: `dict(os.environ)`, `f(os.environ)`. To ask which names there are reads no value.
"""

import ast
import re
import textwrap
from collections.abc import Iterable

ENDINGS = ("KEY", "TOKEN", "SECRET", "PASSWORD")
ANY = ("*",)
"""Instead of names: whichever there are."""

_SPELLED_OUT = re.compile(rf"[A-Za-z_]\w*(?:{'|'.join(ENDINGS)})\b", re.IGNORECASE)
_READS = re.compile(r"environ|getenv|dotenv")
_ENVIRONMENTS = {"environ", "environb"}
_GETENV = {"getenv", "getenvb"}
_BY_NAME = {"get", "pop", "setdefault", "__getitem__"}
_OF_NAMES = {"list", "tuple", "set", "len", "sorted", "iter"}


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """Return the names of secrets that sources spell out, if any of them reads the environment; or `ANY`."""
    texts = list(texts)
    if not any(map(_READS.search, texts)):
        return ()
    if any(map(_may_read_any, texts)):
        return ANY
    return tuple(sorted({name for text in texts for name in _SPELLED_OUT.findall(text)}))


def _may_read_any(text: str) -> bool:
    try:
        tree = ast.parse(textwrap.dedent(text))
    except (SyntaxError, ValueError, RecursionError):
        return bool(_READS.search(text))  # part of something larger, such as a method
    harmless = {id(node) for user in ast.walk(tree) for node in _harmless(user)}
    return any(_named(node) in _ENVIRONMENTS | _GETENV and id(node) not in harmless for node in ast.walk(tree))


def _harmless(user: ast.AST) -> list[ast.AST]:
    """Return the nodes that a node uses as an environment, or to read it, by a name that stands there or for names alone."""
    match user:
        case ast.Subscript(value=found, slice=ast.Constant()):
            return [found]
        case ast.Subscript(value=found, ctx=ast.Store() | ast.Del()):
            return [found]
        case ast.Call(func=ast.Attribute(value=found, attr=method), args=[ast.Constant(), *_]) if method in _BY_NAME:
            return [found]
        case ast.Attribute(value=found, attr="keys"):
            return [found]
        case ast.Call(func=ast.Name(id=name), args=[found]) if name in _OF_NAMES:
            return [found]
        case ast.Call(func=found, args=[ast.Constant(), *_]) if _named(found) in _GETENV:
            return [found]
        case ast.Compare(ops=[ast.In() | ast.NotIn()], comparators=[found]) | ast.For(iter=found):
            return [found]
    return []


def _named(node: ast.AST) -> str:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        # By another name, or by getattr(os, "environ"): who knows.
        case ast.alias(name=name, asname=str()) | ast.Constant(value=str(name)):
            return name
    return ""
