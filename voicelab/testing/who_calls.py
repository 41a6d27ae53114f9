"""Who calls in a scenario, as files write it: a list of inputs, a script's file, personas by name, a caller in Python, a log."""

import importlib.util
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.paths import path_of
from voicelab.callers import CallerLike, Script, as_caller, mix, personas
from voicelab.callers.written_input import written_input
from voicelab.change.replay import Replay

Beside = Callable[[str], Path]
"""Returns a path as seen from the file that names it."""


class _InputAtError(InputError):
    """An entry of a list can't be meant.

    Args:
        message: What is wrong with it.
        at: Its place in the list.
    """

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = (at,)


def _inputs(given: Given, beside: Beside) -> CallerLike:
    del beside
    if not isinstance(given, list):
        raise InputError(f"inputs is {shown(given)}, must be a list of what the caller does, e.g. [hello, silence: 6].")
    made = []
    for at, entry in enumerate(given):
        try:
            made.append(written_input(entry))
        except InputError as error:
            raise _InputAtError(str(error), at) from None
    return Script(made) if made else ()


def _script(given: Given, beside: Beside) -> CallerLike:
    if not isinstance(given, str):
        raise InputError(f"script is {shown(given)}, must be the path of a JSON array of texts.")
    return Script.load(beside(given))


def _callers(given: Given, beside: Beside) -> CallerLike:
    if isinstance(given, str) and ".py:" in given:
        file, _, name = given.rpartition(":")
        return _in_python(beside(file), name)
    shares = {given: 1.0} if isinstance(given, str) else given
    if isinstance(shares, list):
        shares = (
            {name: 1.0 for name in shares if isinstance(name, str)} if all(isinstance(n, str) for n in shares) else None
        )
    if not isinstance(shares, Mapping) or not shares:
        raise InputError(
            f"callers is {shown(given)}, must be a persona's name, shares by name such as {{cooperative: 0.7, hesitant: 0.3}}, "
            "or a caller in Python such as callers.py:angry."
        )
    return mix(*((_persona(name, beside), share) for name, share in shares.items()))


def _persona(name: Given, beside: Beside) -> CallerLike:
    if isinstance(name, str) and ".py:" in name:
        return _callers(name, beside)
    names = [persona.name for persona in personas]
    if name not in names:
        raise InputError(
            f"There is no persona {shown(name)}.{did_you_mean(str(name), names)} There are: {', '.join(names)}."
        )
    return next(persona for persona in personas if persona.name == name)


def _replay(given: Given, beside: Beside) -> CallerLike:
    arguments = {"log": given} if isinstance(given, str) else given
    if not isinstance(arguments, Mapping) or not isinstance(arguments.get("log"), str):
        raise InputError(f"replay is {shown(given)}, must be the folder of a log, or a map with log and on_difference.")
    known = ("log", "on_difference", "sessions")
    for key in arguments:
        if key not in known:
            raise InputError(
                f"replay has no key {shown(key)}.{did_you_mean(str(key), known)} It has: {', '.join(known)}."
            )
    then = arguments.get("on_difference", "keep")
    return Replay(
        beside(arguments["log"]),
        then if then in ("keep", "stop") else _callers(then, beside),
        arguments.get("sessions"),
    )


def _in_python(file: Path, name: str) -> CallerLike:
    """Return a caller that a Python file defines."""
    if not path_of("callers", file, "callers.py:angry").is_file():
        raise InputError(f"There is no file {str(file)!r}.")
    module = _loaded(file)
    if not hasattr(module, name):
        there = [each for each in vars(module) if not each.startswith("_")]
        raise InputError(f"{file.name} has no {name!r}.{did_you_mean(name, there)}")
    return as_caller(getattr(module, name))


def _loaded(file: Path) -> ModuleType:
    name = f"voicelab callers in {file}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file.name} can't be read as Python.")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise InputError(f"{file.name} can't be imported: {type(error).__name__}: {error}.") from error
    return module


_KINDS: dict[str, Callable[[Any, Beside], Any]] = {
    "inputs": _inputs,
    "script": _script,
    "callers": _callers,
    "replay": _replay,
}
WHO_CALLS = tuple(_KINDS)
"""The keys of a scenario that say who calls, of which it has one."""


def caller_by(key: str, given: Given, beside: Beside) -> CallerLike:
    """Return who calls.

    Args:
        key: One of `WHO_CALLS`.
        given: What stands there.
        beside: Returns a path as seen from the file.

    Raises:
        InputError: it is no caller.
    """
    made: CallerLike = _KINDS[key](given, beside)
    return made


__all__ = ["WHO_CALLS", "caller_by"]
