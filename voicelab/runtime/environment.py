"""Which keys and passwords a handler takes from the process's environment, so that they are masked as variables are.

`os.environ` takes on a class that tells of each value that is read, as the shared generator of `isolation` takes on one of
its own: everybody who holds it goes on holding it, and it stays a mapping of texts that behaves as it did. Every way to a
value passes `__getitem__`: `get`, `os.getenv`, `items`, `values`, `copy`, `|`; whoever goes through all values has read them
all. What a program in C or a child process reads isn't noticed.

What is told counts for whoever reads: a handler that is being loaded, or the session of the calling code. A session alone
would not do, though. One that finds a key in a module's variable has not read it, yet shows it; and which session of a
process read it first depends on how sessions are spread over processes, on which no row may depend. So the names that a
handler's own source spells out count as read by all its sessions; and where it reads by a name that it puts together, or
gives the whole environment away, so do all names (`environment_reads`). A library may read by itself: that counts in its
process from then on, before which nothing there can have shown it.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

from voicelab.runtime.environment_reads import ANY, ENDINGS
from voicelab.runtime.isolation import SCOPE, SharedPatches

SHORTEST = 12
"""Values with fewer characters are switches and names rather than keys."""


_told: ContextVar[Callable[[str], None] | None] = ContextVar("voicelab_told_of_secrets", default=None)


def _is_secret(name: str, value: str) -> bool:
    return len(value) >= SHORTEST and name.upper().endswith(ENDINGS)


def _tell(value: str) -> None:
    told = _told.get()
    if told is not None:
        told(value)
    scope = SCOPE.get()
    if scope is not None:
        scope.read_secret(value)


class _ToldOf(os._Environ):  # type: ignore[type-arg]
    """An environment that tells of secrets that are read or set."""

    def __getitem__(self, key: Any) -> Any:
        value = super().__getitem__(key)
        if _is_secret(os.fsdecode(key), os.fsdecode(value)):
            _tell(os.fsdecode(value))
        return value

    def __contains__(self, key: Any) -> bool:
        try:
            super().__getitem__(key)
        except KeyError:
            return False
        return True

    def __setitem__(self, key: Any, value: Any) -> None:
        super().__setitem__(key, value)
        self[key]  # whoever sets a value has it

    def __repr__(self) -> str:
        dict(self)  # the text of all of it holds all values
        return super().__repr__()

    __hash__ = None  # type: ignore[assignment]


@contextlib.contextmanager
def _telling() -> Iterator[None]:
    environments = [found for name in ("environ", "environb") if type(found := getattr(os, name, None)) is os._Environ]
    for environment in environments:
        environment.__class__ = _ToldOf
    try:
        yield
    finally:
        for environment in environments:
            environment.__class__ = os._Environ


_process = SharedPatches(lambda: (_telling(),))


def telling() -> contextlib.AbstractContextManager[None]:
    """Have sessions be told of secrets that they read, meanwhile; nests and overlaps freely."""
    return _process.applied()


@contextlib.contextmanager
def telling_to(take: Callable[[str], None]) -> Iterator[None]:
    """Have the code that runs meanwhile, in this thread and Task, tell of the values of secrets that it reads."""
    with telling():
        token = _told.set(take)
        try:
            yield
        finally:
            _told.reset(token)


def values_now(names: tuple[str, ...]) -> list[str]:
    """Return the values that the environment has now for names of secrets, or for `ANY` of them."""
    there = _secrets_now()
    return list(there.values()) if names == ANY else [there[name] for name in names if name in there]


def values_within(texts: Iterable[str]) -> list[str]:
    """Return the values of the environment's secrets that are in texts: what a notebook's variable holds was read before."""
    texts = list(texts)
    return [value for value in _secrets_now().values() if any(value in text for text in texts)]


def _secrets_now() -> dict[str, str]:
    # Untold: to look is not to read.
    named = ((name, os._Environ.__getitem__(os.environ, name)) for name in list(os.environ))
    return {name: value for name, value in named if _is_secret(name, value)}
