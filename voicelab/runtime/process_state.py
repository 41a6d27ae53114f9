"""Notices what a session's code has replaced in its process, and puts it back: `json.loads`, `random`, builtins, SDK classes.

What the engine relies on is compared by identity, attribute by attribute: some forty microseconds for 2,000 of them, so it
is done once every so many sessions. Then the process is as it was, whatever happened to it in between; sessions that ran
meanwhile may not be.

This module uses nothing that may have been replaced: its own names for builtins come before the process's.
"""

import asyncio
import builtins
import contextlib
import datetime as dt
import functools
import gc
import heapq
import json
import operator
import pickle
import random
import re
import signal
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import orjson

from voicelab.runtime import clock, patching, sdk

# By names of this module's own: a replaced one must not be met here.
_all, _isinstance, _len, _map, _str = all, isinstance, len, map, str
_is_same, _set, _delete, _partial = operator.is_, setattr, delattr, functools.partial
_ModuleType, _qualname = types.ModuleType, type.__dict__["__qualname__"].__get__

_MODULES = (
    builtins,
    asyncio,
    asyncio.events,
    asyncio.base_events,
    asyncio.tasks,
    asyncio.futures,
    contextlib,
    dt,
    heapq,
    json,
    json.decoder,
    json.encoder,
    orjson,
    pickle,
    random,
    re,
    threading,
    time,
)
_CLASSES = (
    asyncio.BaseEventLoop,
    asyncio.Handle,
    asyncio.TimerHandle,
    clock.VirtualLoop,
    json.JSONEncoder,
    json.JSONDecoder,
    random.Random,
    threading.Thread,
    threading.Event,
)
_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGXCPU") if hasattr(signal, name)
)
"""Those that the timers of a process end in."""


_getsignal = getattr(signal.getsignal, "__wrapped__", signal.getsignal)  # without the look for an enum's member


def _handlers() -> list[Any]:
    return [_getsignal(number) for number in _SIGNALS]


def _set_handlers(handlers: list[Any]) -> None:
    with contextlib.suppress(ValueError):  # this is not the main thread: then it wasn't a session here that set one
        for number, handler in zip(_SIGNALS, handlers, strict=True):
            if handler is not None:  # None: it wasn't set by Python, and can't be
                signal.signal(number, handler)


def _timers() -> list[bool]:
    # Whether they run: what is left of one changes all the time.
    return [signal.getitimer(which)[0] > 0 for which in (0, 1, 2)] if _SIGNALS else []


def _end_timers(before: list[bool]) -> None:
    for which, was_on in enumerate(before):
        if not was_on:
            signal.setitimer(which, 0)


_Switch = tuple[str, Callable[[], Any], Callable[[Any], Any]]
_SWITCHES: tuple[_Switch, ...] = (
    ("sys.settrace", sys.gettrace, sys.settrace),
    ("sys.setprofile", sys.getprofile, sys.setprofile),
    ("sys.setrecursionlimit", sys.getrecursionlimit, sys.setrecursionlimit),
    ("sys.setswitchinterval", sys.getswitchinterval, sys.setswitchinterval),
    ("sys.set_int_max_str_digits", sys.get_int_max_str_digits, sys.set_int_max_str_digits),
    ("gc.disable", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
    ("gc.set_threshold", gc.get_threshold, lambda values: gc.set_threshold(*values)),
    ("gc.set_debug", gc.get_debug, gc.set_debug),
    ("gc.callbacks", gc.callbacks.copy, lambda before: operator.setitem(gc.callbacks, slice(None), before)),
    ("signal.setitimer", _timers, _end_timers),
    ("signal.signal", _handlers, _set_handlers),
)
"""What is set by a function, with what reads it; trace and profile are those of the calling thread."""
# Set anew by Python itself as it goes along.
_PASSING = frozenset(
    {"_", "__warningregistry__", "__abstractmethods__", "_abc_impl", "__annotations__", "__doc__", "__slotnames__"}
)
# Where libraries written in C++ by way of pybind11 (scipy, onnxruntime) keep what they share, from the first that is imported.
_SHARED_BY_LIBRARIES = "__pybind11_internals"


@functools.cache
def _owners() -> tuple[Any, ...]:
    """Return the modules and classes that are watched."""
    own = (*sdk.event_classes(), sdk.Context, sdk.Experiment)
    return tuple({id(owner): owner for owner in (*_MODULES, *_CLASSES, *own)}.values())


class ProcessState:
    """What the engine relies on in this process, as it is now; taken while sessions are hosted.

    Args:
        switches: Whether the interpreter's switches count as well; not where a person goes on working in the process
            meanwhile, who sets them in another cell.
    """

    def __init__(self, *, switches: bool = True) -> None:
        self._owners = [(owner, owner.__dict__, owner.__dict__.copy()) for owner in _owners()]
        self._switches = [(switch, switch[1]()) for switch in _SWITCHES if switches]
        self._finders = [finder for finder in sys.meta_path if not _is_own(finder)]

    def changed(self) -> list[str]:
        """Return the names of what has been replaced since, such as `json.loads`."""
        return [name for name, _ in self._differences()]

    def restore(self) -> list[str]:
        """Put back what has been replaced since, and return its names."""
        names = []
        for name, put_back in self._differences():
            put_back()
            names.append(name)
        return names

    def _differences(self) -> list[tuple[str, Callable[[], object]]]:
        found: list[tuple[str, Callable[[], object]]] = []
        for owner, now, before in self._owners:
            if _len(now) != _len(before) or not _all(_map(_is_same, now.values(), before.values())):
                found += _differences_of(owner, now, before)
        for (name, read, write), value in self._switches:
            if (here := read()) is not value and here != value:
                found.append((name, _partial(write, value)))
        # One more is what some packages add as they are imported; one less, and nothing is found any more.
        if lost := [finder for finder in self._finders if finder not in sys.meta_path]:
            found.append(("sys.meta_path", _partial(sys.meta_path.extend, lost)))
        return found


def _is_own(finder: Any) -> bool:
    return _str(type(finder).__module__).startswith("voicelab.")  # another run's, which takes it back itself


_missing: Any = object()


def _differences_of(owner: Any, now: Any, before: dict[str, Any]) -> list[tuple[str, Callable[[], object]]]:
    found: list[tuple[str, Callable[[], object]]] = []
    for name in {**before, **now}:
        was, here = before.get(name, _missing), now.get(name, _missing)
        # A submodule that is imported later stands in its package from then on.
        if was is here or name in _PASSING or (was is _missing and _isinstance(here, _ModuleType)):
            continue
        if was is _missing and name.startswith(_SHARED_BY_LIBRARIES):
            continue
        if patching.is_in_place(owner, name):  # another run's, which takes it back itself
            continue
        put_back = _partial(_delete, owner, name) if was is _missing else _partial(_set, owner, name, was)
        found.append((f"{_name(owner)}.{name}", put_back))
    return found


def _name(owner: Any) -> str:
    # Of a class not by its attribute, which may be what was replaced.
    if _isinstance(owner, type):
        return f"{owner.__module__}.{_qualname(owner)}"
    return _str(owner.__dict__.get("__name__", "a module"))
