"""Files of scenarios: YAML, each key read and checked where it stands, so that a mistake is named with file and line.

A file is one scenario, or holds several under `scenarios`; what stands beside these holds for each of them:

    handler: ../agents/clinic
    scenarios:
      - name: books the slot that it is offered
        inputs: [hello, silence: 6, yes please]
        expect:
          - said: You are booked
          - outcome: {booked: true}
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import yaml

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, VoicelabError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.paths import path_of
from voicelab.base.printable import printable
from voicelab.base.session_limits import Limits
from voicelab.base.template_documents import read_template
from voicelab.testing.expectations import Expectation
from voicelab.testing.file_endings import ENDINGS
from voicelab.testing.scenario import OPTIONS, Scenario, checked_pass_rate
from voicelab.testing.scenario_result import as_seen_from_here
from voicelab.testing.who_calls import WHO_CALLS, caller_by
from voicelab.world.http import Http
from voicelab.world.world import World

_MADE_IN_PYTHON = ("model", "patches")
"""Options that a file can't write down."""
_OWN = ("name", "handler", *WHO_CALLS, "expect", "runs", "least_pass_rate", "seed")
KEYS = (*_OWN, *(option for option in OPTIONS if option not in _MADE_IN_PYTHON))
"""What a scenario can say."""
_LIST = "scenarios"
At = tuple[str | int, ...]
"""Where something stands in a document: keys and places in lists, from the outside in."""


def read_scenarios(path: str | Path) -> list[Scenario]:
    """Return the scenarios of a file.

    Args:
        path: Such as `tests/booking.scenario.yaml`.

    Raises:
        InputError: there is no such file, or something in it can't be meant; the message names file and line.
    """
    file = path_of("path", path, f"booking{ENDINGS[0]}")
    if not file.is_file():
        raise InputError(f"There is no file of scenarios {str(path)!r}.")
    return _Reading(file).scenarios()


class _Reading:
    """Reads one file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines = _lines(file)

    def scenarios(self) -> list[Scenario]:
        documents = read_template(self._file).documents
        if len(documents) != 1:
            self._refuse((), f"The file holds {len(documents) or 'no'} maps, must hold one: a scenario, or {_LIST}.")
        document = documents[0]
        if _LIST not in document:
            return [self._scenario({}, document, (), self._stem)]
        shared = {key: value for key, value in document.items() if key != _LIST}
        self._refuse_unknown(shared, (), (*KEYS, _LIST))
        if "name" in shared:
            self._refuse(("name",), "name stands beside scenarios: give each its own.")
        listed = document[_LIST]
        if not isinstance(listed, list) or not listed or not all(isinstance(one, Mapping) for one in listed):
            self._refuse((_LIST,), f"{_LIST} is {shown(listed)}, must be a list of scenarios.")
        return list(self._each(shared, listed))

    @property
    def _stem(self) -> str:
        return next(self._file.name.removesuffix(e) for e in (*ENDINGS, "") if self._file.name.endswith(e))

    def _each(self, shared: Mapping[Any, Any], listed: list[Mapping[Any, Any]]) -> Iterator[Scenario]:
        seen: set[str] = set()
        for at, own in enumerate(listed):
            if "name" not in own:
                self._refuse((_LIST, at), "A scenario has no name, by which it is found and run again.")
            scenario = self._scenario(shared, own, (_LIST, at), "")
            if scenario.name in seen:
                self._refuse((_LIST, at, "name"), f"There are two scenarios {scenario.name!r}: give each its own name.")
            seen.add(scenario.name)
            yield scenario

    def _scenario(self, shared: Mapping[Any, Any], own: Mapping[Any, Any], at: At, name: str) -> Scenario:
        self._refuse_unknown(own, at, KEYS)
        callers = [key for key in WHO_CALLS if key in own]
        if len(callers) > 1:
            self._refuse((*at, callers[1]), f"{' and '.join(callers)} stand there: who calls is said by one of them.")
        # A key of the scenario's own stands in the place of the file's, and so does who calls, by whichever key.
        given: dict[str, tuple[Any, At]] = {
            key: (value, (key,)) for key, value in shared.items() if not (callers and key in WHO_CALLS)
        } | {key: (value, (*at, key)) for key, value in own.items()}
        if "handler" not in given:
            self._refuse(at, "handler is missing: the path of a handler.py or a project, as seen from this file.")
        expected = self._expected(shared, ()) + self._expected(own, at)
        if not expected:
            self._refuse(
                at, "expect is missing: nothing would be asked of the session, e.g. expect: [no_errors: true]."
            )
        made = {key: self._read(key, *place) for key, place in given.items() if key != "expect"}
        calling = [made.pop(key) for key in WHO_CALLS if key in made]
        place = f"{self._file.absolute()}:{self._line(at)}"
        return Scenario(callers=calling[0] if calling else (), expect=expected, place=place, **{"name": name, **made})

    def _expected(self, given: Mapping[Any, Any], at: At) -> list[Expectation]:
        listed, place = given.get("expect"), (*at, "expect")
        if listed is None:
            return []
        if not isinstance(listed, list):
            self._refuse(place, f"expect is {shown(listed)}, must be a list: begin each expectation with a dash.")
        return [self._checked((*place, i), self._expectation, one) for i, one in enumerate(listed)]

    def _expectation(self, written: Given) -> Expectation:
        if isinstance(written, Mapping) and isinstance(path := written.get("predicate"), str):
            written = {**written, "predicate": str(self._beside(path))}
        return Expectation.read(written)

    def _read(self, key: str, value: Given, at: At) -> Any:
        return self._checked(at, self._value, key, value)

    def _value(self, key: str, value: Any) -> Any:
        """Return what a key stands for."""
        if key in WHO_CALLS:
            return caller_by(key, value, self._beside)
        if key in _CHECKS:
            return _CHECKS[key](value)
        if key == "handler" and isinstance(value, str):
            return self._handler(value)
        if key == "variables" and isinstance(value, str):
            return self._beside(value)
        if key == "evaluators" and isinstance(value, list):
            return [str(self._beside(one)) if isinstance(one, str) else one for one in value]
        return value

    def _handler(self, given: str) -> str:
        beside = self._beside(given)
        try:
            return str(beside) if beside.exists() else given
        except OSError:  # a name too long for any file: a handler's text
            return given

    def _beside(self, path: str) -> Path:
        return self._file.absolute().parent / Path(path).expanduser()

    # --- where mistakes are ---

    def _checked(self, at: At, read: Callable[..., Any], *given: Any) -> Any:
        try:
            return read(*given)
        except VoicelabError as error:
            deepest = getattr(error, "at", ())
            self._refuse((*at, *deepest), str(error))

    def _refuse_unknown(self, given: Mapping[Any, Any], at: At, known: tuple[str, ...]) -> None:
        for key in given:
            if key in _MADE_IN_PYTHON:
                self._refuse((*at, key), f"{key} can't be written in a file: make the Scenario in Python.")
            if key not in known:
                near = did_you_mean(str(key), known)
                self._refuse((*at, key), f"A scenario has no key {shown(key)}.{near} It can have: {', '.join(known)}.")

    def _line(self, at: At) -> int:
        return next((self._lines[at[:n]] for n in range(len(at), -1, -1) if at[:n] in self._lines), 1)

    def _refuse(self, at: At, message: str) -> NoReturn:
        raise InputError(f"{as_seen_from_here(self._file)}:{self._line(at)}: {message}")


# --- values ----------------------------------------------------------------------------------------------------------


def _arguments(what: str, made_by: Callable[..., Any], given: Given, without: tuple[str, ...] = ()) -> Any:
    """Return what a map of arguments makes."""
    known = [name for name in inspect.signature(made_by).parameters if name not in without]
    if not isinstance(given, Mapping):
        raise InputError(f"{what} is {shown(given)}, must be a map of {', '.join(known)}.")
    for key in given:
        if key not in known:
            raise InputError(
                f"{what} has no key {shown(key)}.{did_you_mean(str(key), known)} It has: {', '.join(known)}."
            )
    return made_by(**{key: tuple(value) if isinstance(value, list) else value for key, value in given.items()})


def _world(given: Given) -> World:
    from voicelab import worlds

    if isinstance(given, str):
        if given not in worlds.NAMES:
            near = did_you_mean(given, worlds.NAMES)
            raise InputError(f"There is no world {given!r}.{near} There are: {', '.join(worlds.NAMES)}.")
        ready: World = getattr(worlds, given)
        return ready
    made: World = _arguments("world", World, given, ("truth",))
    return made


def _http(given: Given) -> Http:
    if not isinstance(given, Mapping):
        raise InputError(f"http is {shown(given)}, must be replies by pattern, e.g. {{'GET .*/orders': {{ok: true}}}}.")
    return Http(given)


def _name(given: Given) -> str:
    name = checks.name("name", given)
    if "::" in name or "\n" in name or printable(name) != name:
        raise InputError(
            f"name is {shown(given)}, must be a line of printable characters without `::`, which divides file and name."
        )
    return name


def _runs(given: Given) -> int:
    if given == 0 and given is not False:
        raise InputError("runs is 0: nothing would be known. Write 1, or more to tell flaky from broken, e.g. 50.")
    return checks.whole("runs", given)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": _name,
    "runs": _runs,
    "least_pass_rate": checked_pass_rate,
    "seed": checks.seed,
    "strict": partial(checks.switch, "strict"),
    "tenant": partial(checks.name, "tenant"),
    "environment": partial(checks.name, "environment"),
    "world": _world,
    "http": _http,
    "limits": lambda given: _arguments("limits", Limits, given),
}


def checked_option(name: str, given: Given) -> Any:
    """Return an option of a run as it is made of what a file, or a command line, can hold.

    Args:
        name: Its name: `world`, `http`, `limits`; others stay as they are.
        given: Its value, of JSON's types.

    Raises:
        InputError: it isn't allowed.
    """
    return _CHECKS[name](given) if name in _CHECKS else given


# --- lines -----------------------------------------------------------------------------------------------------------


def _lines(file: Path) -> dict[At, int]:
    """Return the line of each key and of each entry of a list; nothing where the file is no YAML, which is said elsewhere."""
    try:
        node = yaml.compose(file.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, OSError, ValueError, RecursionError):
        return {}
    found: dict[At, int] = {}
    _add_lines(node, (), found, set())
    return found


def _add_lines(node: Any, at: At, found: dict[At, int], seen: set[int]) -> None:
    if node is None:
        return
    found.setdefault(at, node.start_mark.line + 1)
    if (
        id(node) in seen
    ):  # YAML may refer to a part again and again, or from inside itself: its lines are those of the first
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for place, item in enumerate(node.value):
            _add_lines(item, (*at, place), found, seen)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                found[*at, key.value] = key.start_mark.line + 1
                _add_lines(value, (*at, key.value), found, seen)


__all__ = ["KEYS", "read_scenarios"]
