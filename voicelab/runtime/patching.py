"""`patches={"module.function": replacement}`: replaces what a handler uses, for its own sessions.

A function is replaced once by one that asks whose code is calling, as everything in `isolation` is: in a session it calls
that session's replacement, elsewhere the original. A class or a plain value can't ask; it is replaced in the whole process
while sessions that replace it are hosted.
"""

import contextlib
import functools
import importlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from voicelab.base.errors import InputError, did_you_mean

Replacements = Mapping[str, Any]
PATCHED: ContextVar[Replacements] = ContextVar("voicelab_patches", default={})  # noqa: B039 - never changed
_MISSING: Any = object()
_NAME = "_voicelab_patch"
"""Attribute of what stands in for a function, with the name that it is patched by."""


@dataclass(frozen=True)
class PatchTarget:
    """What is to be replaced.

    Attributes:
        name: As it was given.
        owner: The module or class that has it, or the handler's own names.
        attribute: Its name there.
        value: What stands there.
    """

    name: str
    owner: Any
    attribute: str
    value: Any

    def set(self, value: Any) -> None:
        """Put something in its place."""
        if isinstance(self.owner, dict):
            self.owner[self.attribute] = value
        else:
            setattr(self.owner, self.attribute, value)


def patch_target(name: str, handler: Callable[..., Any]) -> PatchTarget:
    """Return what a target of `patches` names, seen from a handler: its own names, its project's modules, all others.

    Args:
        name: `module.function`, `module.Class.method`, or the name of something in the handler's own file.
        handler: The handler's function.

    Raises:
        InputError: there is no such module or attribute.
    """
    own: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
    parts = name.split(".")
    if len(parts) == 1:
        return _own(name, own)
    import_ = _importing(own)
    for length in range(len(parts) - 1, 0, -1):
        module = _imported(".".join(parts[:length]), import_)
        if module is not None:
            return _inside(name, module, parts[length:])
    if parts[0] in own:
        return _inside(name, own[parts[0]], parts[1:])
    raise InputError(
        f"patches: there is no module {parts[0]!r} for {name!r}.{did_you_mean(parts[0], _modules_of(own))} Give "
        "{'module.function': replacement}; what stands in the handler's own file goes by its name alone."
    )


def _own(name: str, own: dict[str, Any]) -> PatchTarget:
    if name not in own:
        known = [known for known in own if not known.startswith("_")]
        raise InputError(
            f"patches: the handler's file has no {name!r}.{did_you_mean(name, known)} Give 'module.function' for what is "
            "elsewhere."
        )
    return PatchTarget(name, own, name, own[name])


def _modules_of(own: Mapping[str, Any]) -> list[str]:
    return [name for name, value in own.items() if isinstance(value, ModuleType)]


def _importing(own: Mapping[str, Any]) -> Callable[[str], Any]:
    # A project's own modules are found by the `__import__` that its code has.
    builtins = own.get("__builtins__")
    found = builtins.get("__import__") if isinstance(builtins, dict) else None
    return importlib.import_module if found is None else lambda name: found(name, own, None, ("__name__",), 0)


def _imported(name: str, import_: Callable[[str], Any]) -> Any:
    try:
        return import_(name)
    except ImportError as error:
        if error.name is not None and not f"{name}.".startswith(f"{error.name}."):
            raise InputError(f"patches: the module {name!r} can't be imported: {error}.") from None
        return None
    except Exception as error:  # noqa: BLE001 - whatever a stranger's module does while it loads
        raise InputError(f"patches: the module {name!r} can't be imported: {type(error).__name__}: {error}.") from None


def _inside(name: str, owner: Any, path: list[str]) -> PatchTarget:
    for at, attribute in enumerate(path):
        value = inspect.getattr_static(owner, attribute, _MISSING)
        if value is _MISSING:
            value = getattr(owner, attribute, _MISSING)
        if value is _MISSING:
            where = getattr(owner, "__name__", type(owner).__name__)
            known = [known for known in dir(owner) if not known.startswith("_")]
            raise InputError(f"patches: {where!r} has no {attribute!r} for {name!r}.{did_you_mean(attribute, known)}")
        if at == len(path) - 1:
            return PatchTarget(name, owner, attribute, value)
        owner = value
    raise AssertionError(path)


# --- in place --------------------------------------------------------------------------------------------------------


class _Places:
    """The functions that are replaced now, each once for however many runs."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users: dict[tuple[int, str], tuple[int, Any, Any]] = {}

    @contextlib.contextmanager
    def led(self, target: PatchTarget) -> Iterator[None]:
        """Have a function ask for the session's own meanwhile."""
        key = (id(target.owner), target.attribute)
        with self._lock:
            users, original, stand_in = self._users.get(key, (0, target.value, None))
            if users == 0:
                stand_in = _asking(target.name, original)
                target.set(stand_in)
            self._users[key] = (users + 1, original, stand_in)
        try:
            yield
        finally:
            with self._lock:
                users, original, stand_in = self._users.pop(key)
                if users > 1:
                    self._users[key] = (users - 1, original, stand_in)
                else:
                    target.set(original)


_places = _Places()


def _asking(name: str, original: Any) -> Any:
    """Return what stands in for a function, a method, or one of its kinds."""
    if isinstance(original, staticmethod | classmethod):
        return type(original)(_asking(name, original.__func__))

    def now() -> Any:
        return PATCHED.get().get(name, original)

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def stand_in_async(*args: Any, **kwargs: Any) -> Any:
            made = now()(*args, **kwargs)
            # A plain function may replace an `async def`: what it returns is what is awaited.
            return await made if inspect.isawaitable(made) else made

        setattr(stand_in_async, _NAME, name)
        return stand_in_async

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return now()(*args, **kwargs)

    with contextlib.suppress(AttributeError, TypeError):
        functools.update_wrapper(stand_in, original)
    setattr(stand_in, _NAME, name)
    return stand_in


@contextlib.contextmanager
def _replaced(target: PatchTarget, value: Any) -> Iterator[None]:
    target.set(value)
    try:
        yield
    finally:
        target.set(target.value)


@contextlib.contextmanager
def patched(replacements: Replacements, handler: Callable[..., Any]) -> Iterator[None]:
    """Have replacements in place meanwhile, for the sessions that `PATCHED` gives them to.

    Args:
        replacements: By target.
        handler: The handler's function.

    Raises:
        InputError: a target doesn't exist.
    """
    own: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
    with contextlib.ExitStack() as stack:
        for name, replacement in replacements.items():
            target = patch_target(name, handler)
            for place in (target, *_aliases(target, own)):
                is_function = (
                    callable(_plain(place.value)) and not inspect.isclass(place.value) and callable(replacement)
                )
                stack.enter_context(_places.led(place) if is_function else _replaced(place, replacement))
        yield


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _aliases(target: PatchTarget, own: dict[str, Any]) -> list[PatchTarget]:
    """Return the handler's own names for it: `from shop import charge` has bound one."""
    if target.owner is own or isinstance(target.value, str | int | float | bool | None):
        return []

    def is_one(value: Any) -> bool:
        return value is target.value or (inspect.isfunction(value) and vars(value).get(_NAME) == target.name)

    return [PatchTarget(target.name, own, name, value) for name, value in list(own.items()) if is_one(value)]


def replaced_by_mock() -> list[str]:
    """Return the names of what `unittest.mock` replaces in this process now, which no other process knows of."""
    import gc
    import sys

    mock = sys.modules.get("unittest.mock")
    if mock is None:
        return []
    # The module keeps no list of what `with patch(...)` has replaced; while one is in force it holds the original.
    active = [
        held for held in gc.get_referrers(mock._patch) if type(held) is mock._patch and "temp_original" in vars(held)
    ]
    return sorted({f"{_full_name(held.target)}.{held.attribute}" for held in active})


def _full_name(owner: Any) -> str:
    """Return the name of a module, or of a class with its module, as `patches=` takes it."""
    if hasattr(owner, "__qualname__"):
        return f"{owner.__module__}.{owner.__qualname__}"
    return str(getattr(owner, "__name__", owner))
