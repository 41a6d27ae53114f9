"""`patches={"module.function": replacement}`: replaces what a handler uses, for its own sessions.

A function is replaced once by one that asks whose code is calling, as everything in `isolation` is: in a session it calls
that session's replacement, elsewhere the original. A class or a plain value can't ask; it is replaced in the whole process
while sessions that replace it are hosted, and sessions that would replace it by something else meanwhile are refused.
"""

import contextlib
import functools
import importlib
import inspect
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown

Replacements = Mapping[str, Any]
PATCHED: ContextVar[Replacements] = ContextVar("voicelab_patches", default={})  # noqa: B039 - never changed
_MISSING: Any = object()


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


def refuse_misfit(target: PatchTarget, replacement: Any) -> None:
    """Refuse what can't be called in the place of an `async def`: it would fail at a line of the handler's, far from here.

    Raises:
        InputError: the original yields or is awaited, and the replacement is of another kind.
    """
    # While another run has it replaced, something else stands in its place.
    original = _plain(_places.original(target).value)
    yields, awaited = inspect.isasyncgenfunction(original), inspect.iscoroutinefunction(original)
    if not (yields or awaited) or _fits(_plain(replacement), yields=yields):
        return
    what = "an `async def` that yields" if yields else "an `async def`"
    must = (
        "an `async def` too, one that yields or one that is awaited"
        if yields
        else "an `async def` without a `yield`, or a plain function that returns what is awaited"
    )
    raise InputError(f"patches: {target.name!r} is {what}, and its replacement, {_kind(replacement)}, must be {must}.")


def _fits(replacement: Any, *, yields: bool) -> bool:
    while isinstance(replacement, functools.partial):
        replacement = replacement.func
    if not callable(replacement):
        return False
    if not yields:  # what a plain function returns is awaited in its place
        return not inspect.isasyncgenfunction(replacement)
    # What an object or a class makes when it is called isn't known beforehand.
    is_plain = inspect.isroutine(replacement)
    return not is_plain or inspect.isasyncgenfunction(replacement) or inspect.iscoroutinefunction(replacement)


def _kind(replacement: Any) -> str:
    if inspect.isasyncgenfunction(replacement):
        return "an `async def` that yields"
    if getattr(replacement, "__name__", "") == "<lambda>":
        return "a lambda"
    return "a plain function" if callable(replacement) else f"{shown(replacement)}"


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


@dataclass
class _Place:
    """A place where something is replaced now.

    Attributes:
        target: What is replaced, with the original.
        names: How runs spell it, as often as they use it.
        value: What stands there: what asks for the session's own, or the replacement itself.
        asks: Whether it asks.
    """

    target: PatchTarget
    names: list[str]
    value: Any
    asks: bool


class _Places:
    """The places where something is replaced now, each once for however many runs, with what stood there before all."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._places: dict[tuple[int, str], _Place] = {}

    def original(self, target: PatchTarget) -> PatchTarget:
        """Return a target with what stands there when nothing is replaced."""
        place = self._places.get((id(target.owner), target.attribute))
        return target if place is None else replace(target, value=place.target.value)

    def has(self, owner: Any, attribute: str) -> bool:
        """Return whether something is replaced there now."""
        return (id(owner), attribute) in self._places

    @contextlib.contextmanager
    def replaced(self, target: PatchTarget, replacement: Any) -> Iterator[None]:
        """Have something replaced meanwhile: a function by what asks for the session's own, all else as it is.

        Raises:
            InputError: another run has replaced it by something else, and it can't ask.
        """
        original, key = _plain(target.value), (id(target.owner), target.attribute)
        asks = callable(original) and not inspect.isclass(original) and callable(replacement)
        with self.lock:
            place = self._places.get(key)
            if place is None:
                names: list[str] = []
                place = _Place(target, names, _asking(names, target.value) if asks else replacement, asks)
                target.set(place.value)
                self._places[key] = place
            elif place.asks != asks or not (asks or _is_same(place.value, replacement)):
                raise InputError(
                    f"patches: {target.name!r} is replaced by something else in another run that goes on now. A class or a "
                    "value holds for the whole process: wait for that run or end its session, or replace a function."
                )
            place.names.append(target.name)
        try:
            yield
        finally:
            with self.lock:
                place.names.remove(target.name)
                if not place.names:
                    del self._places[key]
                    target.set(place.target.value)


_places = _Places()


def is_in_place(owner: Any, attribute: str) -> bool:
    """Return whether an attribute is what some run has replaced it by, which takes that back itself."""
    return _places.has(owner, attribute)


def _is_same(one: Any, other: Any) -> bool:
    # Only plain values are compared: `==` of others may be anything (an array's is an array).
    return one is other or (type(one) is type(other) and isinstance(one, str | int | float) and one == other)


def _asking(names: list[str], original: Any) -> Any:
    """Return what stands in for a function, a method, or one of its kinds.

    Args:
        names: How runs spell it, now and later.
        original: The function.
    """
    if isinstance(original, staticmethod | classmethod):
        return type(original)(_asking(names, original.__func__))

    def now() -> Any:
        patches = PATCHED.get()
        for name in names:
            if name in patches:
                return patches[name]
        return original

    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def stand_in_async(*args: Any, **kwargs: Any) -> Any:
            made = now()(*args, **kwargs)
            # A plain function may replace an `async def`: what it returns is what is awaited.
            return await made if inspect.isawaitable(made) else made

        return stand_in_async

    def stand_in(*args: Any, **kwargs: Any) -> Any:
        return now()(*args, **kwargs)

    with contextlib.suppress(AttributeError, TypeError):
        functools.update_wrapper(stand_in, original)
    return stand_in


@contextlib.contextmanager
def patched(replacements: Replacements, handler: Callable[..., Any]) -> Iterator[None]:
    """Have replacements in place meanwhile, for the sessions that `PATCHED` gives them to.

    Args:
        replacements: By target.
        handler: The handler's function.

    Raises:
        InputError: a target doesn't exist, or is a class or value that another run replaces by something else.
    """
    own: dict[str, Any] = getattr(inspect.unwrap(handler), "__globals__", {})
    with contextlib.ExitStack() as stack:
        with _places.lock:
            for name, replacement in replacements.items():
                target = _places.original(patch_target(name, handler))
                # A name of the handler's own that is given itself has a replacement of its own.
                aliases = [alias for alias in _aliases(target, own) if alias.attribute not in replacements]
                for place in (target, *aliases):
                    stack.enter_context(_places.replaced(place, replacement))
        yield


def _plain(value: Any) -> Any:
    return value.__func__ if isinstance(value, staticmethod | classmethod) else value


def _aliases(target: PatchTarget, own: dict[str, Any]) -> list[PatchTarget]:
    """Return the handler's own names for it: `from shop import charge` has bound one."""
    if target.owner is own or isinstance(target.value, str | int | float | bool | None):
        return []

    places = (_places.original(PatchTarget(target.name, own, name, value)) for name, value in list(own.items()))
    return [place for place in places if place.value is target.value]


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
