"""A simulation as a project's templates write it (`kind: Simulation`): read, checked, and in voicelab's own terms.

What is unknown, or has no effect here, is noted; what can't be meant is refused.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.template_documents import Template, name_of_document, read_template, refuse_helm, template_in
from voicelab.callers import BargeIn, BeforePickup, CallConditions
from voicelab.runs.options import DIRECTIONS
from voicelab.speech import PhoneLine

SpecLike = Mapping[str, Any] | str | Path
"""A simulation as a dict, as text, or the path of a file, of a project or of a folder of templates."""
Where = tuple[Mapping[str, Any], str, bool]
"""A document, the file that it stands in, and whether Helm decides on that file's lines."""

KIND = "Simulation"
_FIELDS = (
    *(
        "systemPrompt",
        "direction",
        "mode",
        "toNumber",
        "sipHeaders",
        "inputData",
        "numberOfSimulations",
        "provider",
        "model",
    ),
    *("voice", "language", "phases", "loopPhases", "humanPickupAfterSecs", "varietySeed", "realism"),
)
_MODES = ("direct", "telephony", "pstn")
_TECHNIQUES = ("nudge", "clip", "both")
_PHASES = ("ring", "holdMusic", "message")
_REALISM = {
    "seed": None,
    "bargeIn": ("technique", "probability", "afterAgentSpeechMs", "cooldownSecs", "maxPerCall", "atSecs"),
    "background": ("profile", "levelDbfs", "eventsPerMin", "events"),
    "impairments": ("packetLossPct", "dropoutsPerMin", "dropoutMs", "clipping"),
    "effects": ("muffle", "brightness", "room", "gainDb"),
}
_OF_THE_LINE = ("background", "impairments", "effects")
_NO_EFFECT = {
    "provider": "the caller that you give speaks, and no provider's model",
    "model": "the caller that you give speaks, and no provider's model",
    "voice": "callers have voices of the lab's own, with audio= alone",
    "toNumber": "nobody is called",
    "sipHeaders": "nobody is called",
}
_SAFE = 2**53 - 1
"""The greatest whole number that JavaScript holds exactly, which the platform's seeds are."""
_RING_S, _MUSIC_S = 6.0, 30.0


@dataclass(frozen=True)
class SimulationSpec:
    """A simulation of a project; a caller whose `begin` takes `spec` besides `rng` is given it.

    Attributes:
        name: Its name.
        system_prompt: What the platform tells the language model that plays the caller.
        sessions: How many sessions it has, `numberOfSimulations`.
        seed: `varietySeed`, or that of `realism`; 0 where neither is there.
        direction: `inbound` or `outbound`.
        input_data: What the handler reads as `context.input_data`; None where there is none.
        language: What the caller speaks; None where it doesn't say.
        line: The line that the caller speaks over, with sound; None for a plain telephone.
        conditions: When the caller picks up, and how it cuts in.
        notes: What is unknown or has no effect here, a sentence each.
    """

    name: str
    system_prompt: str
    sessions: int = 1
    seed: int = 0
    direction: str = DIRECTIONS[0]
    input_data: Mapping[str, Any] | None = None
    language: str | None = None
    line: PhoneLine | None = None
    conditions: CallConditions = field(default_factory=CallConditions)
    notes: tuple[str, ...] = ()


def read_spec(given: SpecLike, name: str | None = None) -> SimulationSpec:
    """Return a simulation.

    Args:
        given: A dict, text, or a path.
        name: Its name, where there are several.

    Raises:
        InputError: there is none, or none of that name; or it can't be run as it is written.
    """
    found = list(_simulations(given))
    if name is None and len(found) == 1:
        return _read(*found[0])
    names = [name_of_document(document) for document, _, _ in found]
    once = [one for one in names if one and names.count(one) == 1]
    if name is None:
        shown_names = ", ".join(one or "one without a name" for one in names)
        way_out = (
            f"Choose one: name={once[0]!r}" if once else "Give one of them alone, or each a `metadata.name` of its own"
        )
        raise InputError(f"There are {len(found)} simulations: {shown_names}. {way_out}.")
    if names.count(name) > 1:
        raise InputError(f"There are {names.count(name)} simulations {name!r}: give each a `metadata.name` of its own.")
    if name not in names:
        raise InputError(f"There is no simulation {name!r}.{did_you_mean(name, names)} There are: {', '.join(names)}.")
    return _read(*found[names.index(name)])


def project_of(given: SpecLike) -> Path | None:
    """Return the project's folder that a simulation lies in, if it does."""
    if isinstance(given, Mapping) or _is_text(given):
        return None
    path = Path(given).expanduser().absolute()
    folders = [path, *path.parents]
    return next((folder for folder in folders if (folder / ".voicerun").is_dir() and folder.name != ".voicerun"), None)


def templates_beside(given: SpecLike) -> Path | None:
    """Return where the evaluators of a simulation's project are: its folder of templates, or its own file."""
    if isinstance(given, Mapping) or _is_text(given):
        return None
    path = Path(given).expanduser()
    return path.parent if path.is_file() and path.suffix != ".json" else path


# --- documents -------------------------------------------------------------------------------------------------------


def _is_text(given: Given) -> bool:
    return isinstance(given, str) and (given.lstrip()[:1] in {"{", "["} or "\n" in given)


def _simulations(given: SpecLike) -> Iterator[Where]:
    """Yield the simulations of what was given, of which there is one at least."""
    if isinstance(given, Mapping):
        # A spec by itself is as good: there is nothing else in a dict that it could be.
        document = given if "kind" in given else {"kind": KIND, "spec": given}
        templates = [("the simulation", Template([document], unsettled=False))]
    elif _is_text(given):
        templates = [("the simulation", template_in(str(given), "the simulation"))]
    elif isinstance(given, str | Path) and str(given).strip():
        templates = [(str(file), read_template(file)) for file in _files(Path(given).expanduser())]
    else:
        raise InputError(f"spec is {shown(given)}, must be the path of a template, a rendered document or a dict.")
    found = [
        (document, where, template.unsettled)
        for where, template in templates
        for document in template.documents
        if document.get("kind") == KIND
    ]
    if not found:
        kinds = {str(doc["kind"]) for _, template in templates for doc in template.documents if doc.get("kind")}
        of_what = f"it holds {', '.join(sorted(kinds))}" if kinds else "nothing in it has a `kind`"
        shown_where = str(given) if isinstance(given, str | Path) and not _is_text(given) else "The document"
        raise InputError(f"{shown_where} is no simulation: {of_what}. One has `kind: Simulation` and a `spec`.")
    yield from found


def _files(path: Path) -> list[Path]:
    try:
        path.stat()
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise InputError(f"spec {shown(str(path))} can't be read as a path: {why}.") from None
    if path.is_dir():
        templates = path / ".voicerun" / "templates"
        folder = templates if templates.is_dir() else path
        return sorted(file for ending in ("*.yaml", "*.yml") for file in folder.rglob(ending))
    if not path.is_file():
        near = did_you_mean(path.name, [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else [])
        raise InputError(f"There is no simulation {str(path)!r}: no such file.{near}")
    return [path]


# --- one document ----------------------------------------------------------------------------------------------------


def _read(document: Mapping[str, Any], where: str, unsettled: bool) -> SimulationSpec:
    name, spec = name_of_document(document) or "simulation", document.get("spec")
    if not isinstance(spec, Mapping):
        raise InputError(f"{where}: the simulation {name!r} has no `spec`.")
    refuse_helm({"metadata.name": name, **spec}, where, unsettled=unsettled)
    try:
        return _Reading(spec).settled(name)
    except InputError as error:
        raise InputError(f"{where}: {name}: {error}") from None


class _Reading:
    """Reads the spec of a simulation, and notes what is left of it."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self._spec = spec
        self._notes: list[str] = []

    def settled(self, name: str) -> SimulationSpec:
        self._note_unknown("spec", self._spec, _FIELDS)
        for key, why in _NO_EFFECT.items():
            if self._spec.get(key) is not None:
                self._notes.append(f"spec.{key} has no effect here: {why}.")
        prompt = self._spec.get("systemPrompt")
        if not isinstance(prompt, str) or not prompt.strip():
            raise InputError(f"spec.systemPrompt is {shown(prompt)}, must be text: it says who calls, and what for.")
        direction = self._one_of("direction", DIRECTIONS)
        self._mode(direction)
        realism = self._realism()
        line = {group: realism[group] for group in _OF_THE_LINE if realism.get(group)}
        return SimulationSpec(
            name=name,
            system_prompt=prompt,
            sessions=checks.whole("spec.numberOfSimulations", self._of("numberOfSimulations", 1)),
            seed=self._seed(realism),
            direction=direction,
            input_data=self._input_data(),
            language=self._language(),
            line=PhoneLine.from_realism(line) if line else None,
            conditions=CallConditions(
                barge_in=self._barge_in(realism.get("bargeIn")),
                waiting=self._waiting(direction),
                greets=direction == "outbound",
            ),
            notes=tuple(self._notes),
        )

    # --- fields ---

    def _of(self, key: str, default: Any) -> Any:
        value = self._spec.get(key)
        return default if value is None else value

    def _one_of(self, key: str, allowed: Sequence[str]) -> str:
        value = self._of(key, allowed[0])
        if value not in allowed:
            raise InputError(
                f"spec.{key} is {shown(value)}, must be {', '.join(allowed)}.{did_you_mean(str(value), allowed)}"
            )
        return str(value)

    def _mode(self, direction: str) -> None:
        mode = self._one_of("mode", _MODES)
        if mode == _MODES[0]:
            return
        if direction == "outbound":
            raise InputError(f"spec.mode {mode} and spec.direction outbound exclude each other, as on the platform.")
        self._notes.append(f"spec.mode {mode} has no effect here: nobody is called, and sessions run as by direct.")

    def _seed(self, realism: Mapping[str, Any]) -> int:
        variety, noise = self._spec.get("varietySeed"), realism.get("seed")
        for key, value in (("varietySeed", variety), ("realism.seed", noise)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or abs(value) > _SAFE):
                raise InputError(f"spec.{key} is {shown(value)}, must be a whole number, at most 2^53 - 1.")
        if None not in (variety, noise) and variety != noise:
            self._notes.append("spec.realism.seed has no effect here: everything random follows from varietySeed.")
        return int(next((seed for seed in (variety, noise) if seed is not None), 0))

    def _input_data(self) -> Mapping[str, Any] | None:
        given = self._spec.get("inputData")
        if given is None:
            return None
        if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
            raise InputError(f"spec.inputData is {shown(given)}, must be a map of names to values.")
        try:
            # Of its own, and of JSON's types: YAML may refer to a value from inside itself.
            made: Mapping[str, Any] = json.loads(json.dumps(given, allow_nan=False))
        except (TypeError, ValueError, RecursionError) as error:
            raise InputError(f"spec.inputData can't be sent as JSON: {error}.") from None
        return made

    def _language(self) -> str | None:
        given = self._spec.get("language")
        return None if given is None else checks.name("spec.language", given)

    # --- what comes before somebody picks up ---

    def _waiting(self, direction: str) -> BeforePickup | None:
        phases, after = self._spec.get("phases"), self._spec.get("humanPickupAfterSecs")
        seconds = None if after is None else checks.seconds("spec.humanPickupAfterSecs", after)
        if not phases:
            return BeforePickup(seconds) if seconds else None
        if direction == "outbound":
            raise InputError("spec.phases and spec.direction outbound exclude each other, as on the platform.")
        if not isinstance(phases, list):
            raise InputError(
                f"spec.phases is {shown(phases)}, must be a list such as [{{type: ring, durationSecs: 8}}]."
            )
        heard = tuple(self._phase(f"spec.phases[{at}]", phase) for at, phase in enumerate(phases))
        if not all(isinstance(what, str) for what in heard):
            self._notes.append("Ringing and hold music are quiet here: of spec.phases the agent hears the messages.")
        return BeforePickup(seconds, heard, checks.switch("spec.loopPhases", self._of("loopPhases", True)))

    def _phase(self, what: str, phase: Given) -> float | str:
        if not isinstance(phase, Mapping) or phase.get("type") not in _PHASES:
            kind = phase.get("type") if isinstance(phase, Mapping) else phase
            raise InputError(
                f"{what} is of the type {shown(kind)}, must be {', '.join(_PHASES)}.{did_you_mean(str(kind), _PHASES)}"
            )
        self._note_unknown(what, phase, ("type", "durationSecs", "text"))
        if phase["type"] == "message":
            return checks.name(f"{what}.text", phase.get("text"))
        default = _RING_S if phase["type"] == "ring" else _MUSIC_S
        if phase.get("durationSecs") is None:
            self._notes.append(f"{what} has no durationSecs: it takes {default:g} s here.")
        return self._number(f"{what}.durationSecs", phase.get("durationSecs", default), (0.02, 3600.0))

    # --- realism ---

    def _realism(self) -> dict[str, Any]:
        """Return the known settings of realism: groups of fields."""
        given = self._of("realism", {})
        if not isinstance(given, Mapping):
            raise InputError(f"spec.realism is {shown(given)}, must be a map with {', '.join(_REALISM)}.")
        self._note_unknown("spec.realism", given, tuple(_REALISM))
        realism: dict[str, Any] = {"seed": given.get("seed")}
        for group, fields in _REALISM.items():
            settings = given.get(group)
            if fields is None or settings is None:
                continue
            if not isinstance(settings, Mapping):
                raise InputError(f"spec.realism.{group} is {shown(settings)}, must be a map with {', '.join(fields)}.")
            self._note_unknown(f"spec.realism.{group}", settings, fields)
            realism[group] = {key: settings[key] for key in fields if settings.get(key) is not None}
        if realism.get("background", {}).pop("events", None):
            self._notes.append(
                "spec.realism.background.events has no effect here: noises at fixed times. eventsPerMin has some at random."
            )
        return realism

    def _barge_in(self, given: Mapping[str, Any] | None) -> BargeIn | None:
        if given is None:
            return None
        technique = given.get("technique", BargeIn.technique)
        if technique not in _TECHNIQUES:
            raise InputError(
                f"spec.realism.bargeIn.technique is {shown(technique)}, must be {', '.join(_TECHNIQUES)}."
                f"{did_you_mean(str(technique), _TECHNIQUES)}"
            )
        number = partial(self._of_barge_in, given)
        times = given.get("atSecs", [])
        times = times if isinstance(times, list) else [times]
        at_s = tuple(sorted(self._number("spec.realism.bargeIn.atSecs", at, (0.0, 86400.0)) for at in times))
        most = given.get("maxPerCall", BargeIn.most)
        return BargeIn(
            technique=technique,
            # Times alone are what a test that is to be repeatable asks for.
            probability=number("probability", 0.0 if at_s else BargeIn.probability, (0.0, 1.0)),
            after_s=number("afterAgentSpeechMs", 1000 * BargeIn.after_s, (0.0, 3.6e6)) / 1000,
            cooldown_s=number("cooldownSecs", BargeIn.cooldown_s, (0.0, 3600.0)),
            most=checks.whole("spec.realism.bargeIn.maxPerCall", most, least=0),
            at_s=at_s,
        )

    def _of_barge_in(self, given: Mapping[str, Any], key: str, default: float, limits: tuple[float, float]) -> float:
        return self._number(f"spec.realism.bargeIn.{key}", given.get(key, default), limits)

    # --- checks ---

    def _number(self, what: str, value: Given, limits: tuple[float, float]) -> float:
        if not checks.is_number(value) or not limits[0] <= value <= limits[1]:
            raise InputError(f"{what} is {shown(value)}, must be a number from {limits[0]:g} to {limits[1]:g}.")
        return float(value)

    def _note_unknown(self, what: str, given: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in given:
            if key not in known:
                near = did_you_mean(str(key), known)
                self._notes.append(f"{what}.{key} is unknown, and has no effect.{near}")
