"""Runs a simulation of the platform's here, with a caller in the place of its language model."""

import inspect
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.template_documents import keys_in
from voicelab.callers import CallerLike, KnownCaller, Mix, as_caller, mix, under_conditions
from voicelab.callers.own import WrappedCaller
from voicelab.handlers import Handler, HandlerLike, load_handler
from voicelab.handlers.placeholders import filled_in, known_in_environment, way_out
from voicelab.predicates import Evaluators, EvaluatorsLike, read_evaluators
from voicelab.runs.findings import tell
from voicelab.simulation.simulating import simulate
from voicelab.speech import PhoneLine
from voicelab.voicerun.simulation_spec import SimulationSpec, SpecLike, project_of, read_spec, templates_beside

if TYPE_CHECKING:
    from voicelab.log.read import Log

_OF_HANDLER = ("variables", "environment", "tenant")
_OF_SPEC = ("input_data", "direction", "language")


def run_spec(
    spec: SpecLike,
    handler: HandlerLike | None,
    caller: CallerLike | None,
    *,
    name: str | None,
    sessions: int | None,
    seed: int | None,
    log: str | Path | None,
    audio: bool | PhoneLine,
    evaluators: EvaluatorsLike,
    options: dict[str, Any],
) -> "Log":
    """Run a simulation and return its log; arguments and errors are those of `voicerun.simulation`."""
    read = read_spec(spec, name)
    if caller is None:
        raise InputError(
            f"The simulation {read.name!r} has a systemPrompt, by which a language model plays the caller on the platform. "
            "Here somebody has to call: give caller=, e.g. vl.personas.cooperative, vl.personas.fit(handler), "
            "vl.Script([...]), or an object of your own with a language model, whose begin(rng, spec) reads "
            "spec.system_prompt."
        )
    known = {*inspect.signature(simulate).parameters, *_OF_HANDLER} - {"handler", "callers"}
    if taken := [option for option in _OF_SPEC if option in options]:
        raise InputError(f"{taken[0]}= is the spec's own: change it there.")
    if unknown := [option for option in options if option not in known]:
        raise InputError(f"There is no option {unknown[0]!r}.{did_you_mean(unknown[0], known)}")
    loaded = _loaded(spec, handler, {key: options.pop(key) for key in _OF_HANDLER if key in options})
    notes = [*read.notes, *_of_text(read, audio)]
    given = as_caller(caller)
    if not any(map(_reads_spec, _each(given))):
        notes.append(f"spec.systemPrompt isn't read: {given.name} says what it says.")
    loaded, input_data = _with_secrets(loaded, read.input_data, notes)
    asked = _evaluators_of(spec, notes) if evaluators is None else evaluators
    tell(f"{read.name}: {note}" for note in notes)
    return simulate(
        loaded,
        under_conditions(_told(given, read), read.conditions),
        sessions=read.sessions if sessions is None else sessions,
        seed=read.seed if seed is None else seed,
        log=log,
        audio=_line(read, audio),
        evaluators=asked,
        input_data=input_data,
        direction=read.direction,
        language=read.language if audio else None,
        **options,
    )


def _loaded(spec: SpecLike, handler: HandlerLike | None, options: Mapping[str, Any]) -> Handler:
    source = project_of(spec) if handler is None else handler
    if source is None:
        raise InputError("handler is missing: the simulation lies in no project. Give the handler, or its project.")
    environment = options.get("environment") or "development"
    return load_handler(source, **{**options, "environment": environment})


def _line(spec: SimulationSpec, audio: bool | PhoneLine) -> PhoneLine | None:
    if isinstance(audio, PhoneLine):
        return audio
    if not isinstance(audio, bool):
        raise InputError(f"audio is {shown(audio)}, must be True for the spec's line, or vl.PhoneLine(...).")
    return (spec.line or PhoneLine()) if audio else None


def _of_text(spec: SimulationSpec, audio: bool | PhoneLine) -> Iterator[str]:
    """Yield what has no effect without sound, or in place of another line."""
    if isinstance(audio, PhoneLine) and spec.line is not None:
        yield f"The line of spec.realism, {spec.line}, gives way to the one of audio=."
    if not audio and spec.line is not None:
        yield f"spec.realism describes a line, which has no effect on callers in text: audio=True for {spec.line}."
    if not audio and spec.language is not None:
        yield f"spec.language {spec.language} has no effect on callers in text: they say what they say."


# --- the caller is told of the spec ----------------------------------------------------------------------------------


class _ToldOfSpec(KnownCaller):
    """A caller of the user's that is given the simulation as it begins."""

    def __init__(self, caller: Any, spec: SimulationSpec) -> None:
        self._wrapped = WrappedCaller(_Beginning(caller, spec))
        self.name = caller.name

    @property
    def phrases(self) -> Sequence[str]:
        return self._wrapped.phrases

    def begin(self, rng: random.Random) -> Any:
        return self._wrapped.begin(rng)


class _Beginning:
    def __init__(self, caller: Any, spec: SimulationSpec) -> None:
        self._caller = caller
        self._spec = spec
        self.name: str = caller.name
        self.phrases = getattr(caller, "phrases", ())

    def begin(self, rng: random.Random) -> Any:
        return self._caller.begin(rng, spec=self._spec)


def _each(caller: KnownCaller) -> Sequence[KnownCaller]:
    return caller.callers if isinstance(caller, Mix) else [caller]


def _reads_spec(caller: KnownCaller) -> bool:
    if not isinstance(caller, WrappedCaller):
        return False
    try:
        return "spec" in inspect.signature(caller.caller.begin).parameters
    except (TypeError, ValueError):  # one that is written in C doesn't say what it takes
        return False


def _told(caller: KnownCaller, spec: SimulationSpec) -> KnownCaller:
    """Return a caller that is given the simulation, if it takes it; of a mixture each."""
    if isinstance(caller, Mix):
        return mix(*((_told(one, spec), weight) for one, weight in caller.weights))
    return _ToldOfSpec(caller.caller, spec) if isinstance(caller, WrappedCaller) and _reads_spec(caller) else caller


# --- secrets, evaluators ---------------------------------------------------------------------------------------------


def _with_secrets(
    handler: Handler, input_data: Mapping[str, Any] | None, notes: list[str]
) -> tuple[Handler, Mapping[str, Any] | None]:
    """Return input data with the organization's secrets in it, and the handler with what is to be masked of them."""
    texts = list(_texts(input_data))
    if not any(map(keys_in, texts)):
        return handler, input_data

    def filled(value: Any) -> Any:
        if isinstance(value, str):
            return filled_in(value, handler.variables)
        if isinstance(value, Mapping):
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, list) else value

    made = filled(input_data)
    notes += [
        f"spec.inputData holds the placeholder of the secret {key}, which is not known here: give {way_out(key)}."
        for key in dict.fromkeys(key for text in _texts(made) for key in keys_in(text))
    ]
    masking = handler.derived(
        variables=handler.variables,
        strict=handler.strict,
        environment=handler.environment,
        tenant=handler.tenant,
        read=known_in_environment(texts),
    )
    return masking, made


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _evaluators_of(spec: SpecLike, notes: list[str]) -> EvaluatorsLike:
    """Return the evaluators beside a simulation, as far as they can be asked here; the others are noted."""
    path = templates_beside(spec)
    if path is None:
        return None
    try:
        found = read_evaluators(path)
    except InputError as error:
        if "no evaluator" not in str(error):
            notes.append(f"The evaluators beside it are not asked: {error}")
        return None
    notes += [f"{evaluator.why_not_run}." for evaluator in found if not evaluator.runs]
    return Evaluators([evaluator for evaluator in found if evaluator.runs])
