"""A session taken apart: what it was made of, as a list of parts each of which can be left out; and played from them again.

The caller's inputs are parts in their order. What the world did is made explicit: a fault of it is a part in front of the input
whose call it hits, and goes with it as others are left out; misheard words are what the agent heard. Parameters, forced
variants and whatever else differs from what `vl.run` does by itself are parts as well.
"""

import copy
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from voicelab.base.errors import VoicelabError
from voicelab.base.seeds import Seeds
from voicelab.callers import as_caller
from voicelab.predicates import Evaluators
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job, opening_alone, play
from voicelab.runs.options import SessionOptions
from voicelab.runs.origin import Origin
from voicelab.session.surroundings import Surroundings
from voicelab.world.http import Http
from voicelab.world.model import Model
from voicelab.world.world import World

INPUT, FAULT, DELAY, TRUTH, WORLD, CHANCE, SILENT_FAULTS = (
    *("input", "fault", "delay", "truth", "world", "chance", "faults of"),
)
"""Kinds of parts: an input, a call that the world fails, its delay, its effects, a world as it was, seed and index of the
streams of chance, and the faults of what stands in for a service."""
ENTRIES = ("parameters", "input_data", "variants", "run_test", "configuration", "shared_data", "patches")
"""Options that are dicts: each entry is a part, of the kind of its option's name."""
WHOLE = ("model", "http", "telephone", "limits", "start", "direction")
"""Options that are one part each, of the kind `option`."""
_DEFAULTS: dict[str, Any] = {
    field.name: field.default for field in fields(SessionOptions) if field.name in ("start", "direction")
}


@dataclass(frozen=True)
class Removable:
    """Something that a session was made of, and that can be left out.

    Attributes:
        kind: `input`, `fault`, ..., or the name of an option.
        name: What of it: the key of an entry, the name of an option.
        value: What it is; of a fault how many calls after those of the inputs before it.
        calls: Of an input: how often it has the handler, or a task, called.
    """

    kind: str
    name: str = ""
    value: Any = None
    calls: int = 1

    @property
    def key(self) -> tuple[str, str, str]:
        """What tells it from others."""
        return self.kind, self.name, repr(self.value)


Removables: TypeAlias = tuple[Removable, ...]


@dataclass(frozen=True)
class Bench:
    """Where sessions are played again, from parts.

    Attributes:
        options: Of the run that the session belongs to.
        opening_calls: How often the opening has the handler, or a task, called.
    """

    options: SessionOptions
    opening_calls: int = 1

    def play(self, parts: Removables) -> SessionRecord | None:
        """Return the record of a session that is made of some parts; None where it can't be played."""
        options = self.options_of(parts)
        index = next((part.value[1] for part in parts if part.kind == CHANCE), 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return play(Job(options), index)
            except VoicelabError:
                return None

    def options_of(self, parts: Removables) -> SessionOptions:
        """Return the options of a run whose session is made of some parts."""
        inputs = [part.value for part in parts if part.kind == INPUT]
        chosen: dict[str, Any] = {name: entries_of(parts, name) for name in ENTRIES}
        chosen |= {name: chosen[name] or None for name in ("parameters", "input_data", "shared_data")}
        whole = {part.name: part.value for part in parts if part.kind == "option"}
        return replace(
            self.options,
            **chosen,
            **{name: whole.get(name, _default(name)) for name in WHOLE if name not in {"model", "http"}},
            model=_with_faults(whole.get("model"), parts, "model"),
            http=_with_faults(whole.get("http"), parts, "http"),
            callers=as_caller(opening_alone(inputs)),
            world=self.world_of(parts),
            seed=next((part.value[0] for part in parts if part.kind == CHANCE), 0),
            evaluators=Evaluators(),
        )

    def world_of(self, parts: Removables) -> World | None:
        """Return the world that some parts make, None where nothing lies between caller and agent."""
        found = {part.kind: part.value for part in parts if part.kind in {WORLD, DELAY, TRUTH}}
        if WORLD in found:
            world: World = found[WORLD]
            return world
        made = {
            "handler_faults": self.faults_of(parts),
            "handler_delay_s": found.get(DELAY, 0.0),
            "truth": found.get(TRUTH),
        }
        return World(**{name: value for name, value in made.items() if value}) if any(made.values()) else None

    def faults_of(self, parts: Removables) -> list[int]:
        """Return which calls the world fails, counted from 0."""
        found, calls = [], self.opening_calls
        for part in parts:
            if part.kind == INPUT:
                calls += part.calls
            elif part.kind == FAULT:
                found.append(part.value if part.name == "opening" else calls + part.value)
        return found


def entries_of(parts: Removables, kind: str) -> dict[str, Any]:
    """Return the entries of an option that is a dict."""
    return {part.name: part.value for part in parts if part.kind == kind}


def parts_of_options(origin: Origin, record: SessionRecord) -> list[Removable]:
    """Return the parts that a session's options make, but for its inputs and its world; those without which it runs as well."""
    options = origin.options
    own, tests = options.parameters_of(origin.index)
    entries: dict[str, Mapping[str, Any] | None] = {
        "parameters": own,
        "input_data": options.input_data,
        "variants": {**options.variants, **record.variants},
        # Those whose variant is forced are forced to what a stopped test serves.
        "run_test": {test: runs for test, runs in {**tests, **origin.run_tests}.items() if test not in record.variants},
        "configuration": options.configuration,
        "shared_data": options.shared_data,
        "patches": options.patches,
    }
    found = [
        Removable(kind, str(name), value) for kind, given in entries.items() for name, value in (given or {}).items()
    ]
    for name in WHOLE:
        value = getattr(options, name)
        if value is not None and value != _default(name) and name != "telephone":
            found.append(Removable("option", name, value))
    services = ("model", "http")
    found += [Removable(SILENT_FAULTS, name) for name in services if getattr(getattr(options, name), "faults", 0)]
    if options.world is not None and options.world.truth:
        found.append(Removable(TRUTH, value=options.world.truth))
    return [*found, Removable(CHANCE, value=(options.seed, origin.index))]


def _default(name: str) -> Any:
    from voicelab.base.session_limits import Limits

    return Limits() if name == "limits" else _DEFAULTS.get(name)


def _with_faults(service: Any, parts: Removables, name: str) -> Any:
    """Return what stands in for a service, without its faults where they were left out."""
    if not isinstance(service, Model | Http) or not service.faults:
        return service
    if any(part.kind == SILENT_FAULTS and part.name == name for part in parts):
        return service
    calm = copy.copy(service)
    calm.faults = 0.0
    return calm


# --- what the world did ----------------------------------------------------------------------------------------------


class WatchedWorld:
    """A world that remembers what it did in the one session that it is in.

    Args:
        world: The world.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self.truth = world.truth
        self.mishears = world.mishears
        self.delays_s: list[float] = []
        self.calls: list[list[bool]] = []  # for each call of the handler: whether it was hit, and each task begun since

    def begin(self, seeds: Seeds) -> "_Watched":
        """Return the world of the session."""
        return _Watched(self, self._world.begin(seeds))

    @property
    def n_faults(self) -> int:
        """How many calls it has failed."""
        return sum(map(sum, self.calls))


class _Watched:
    def __init__(self, watch: WatchedWorld, world: Surroundings) -> None:
        self._watch, self._world = watch, world
        self.mishears = world.mishears
        self.recognised = world.recognised
        self.outcomes = world.outcomes

    def delay_s(self) -> float:
        self._watch.delays_s.append(self._world.delay_s())
        self._watch.calls.append([])
        return self._watch.delays_s[-1]

    def fault(self, where: str) -> BaseException | None:
        found = self._world.fault(where)
        if not self._watch.calls:
            self._watch.calls.append([])
        self._watch.calls[-1].append(found is not None)
        return found


def with_faults(inputs: Sequence[tuple[Removable, int]], calls: Sequence[Sequence[bool]]) -> list[Removable]:
    """Return inputs with the faults of the world among them, each in front of the input whose call it hit.

    Args:
        inputs: The inputs, and how many calls of the handler each made.
        calls: For each call of the handler, from the opening's on, whether it was hit, and each task begun by it.
    """
    waiting: Iterator[Sequence[bool]] = iter(calls)
    found = [Removable(FAULT, "opening", at) for at, hit in enumerate(next(waiting, ())) if hit]
    for part, n in inputs:
        own = [hit for _ in range(n) for hit in next(waiting, ())]
        found += [Removable(FAULT, part.key[2], at) for at, hit in enumerate(own) if hit]
        found.append(replace(part, calls=len(own)))
    rest = [hit for hits in waiting for hit in hits]
    return [*found, *(Removable(FAULT, "end", at) for at, hit in enumerate(rest) if hit)]


def without_kinds(parts: Iterable[Removable], kinds: Iterable[str]) -> list[Removable]:
    """Return the parts that are of none of some kinds."""
    left = set(kinds)
    return [part for part in parts if part.kind not in left]
