"""What every session of a run is made of: one frozen record, checked once at the door of `vl.run` and its kin.

A new option is a field of `SessionOptions` and its check, the signatures that offer it, and the place that uses it: the
fingerprint, the manifest and what goes to worker processes follow from the fields, by name.
"""

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import orjson

from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import hiding, shown, without_hidden
from voicelab.base.session_limits import Limits, checked_limits
from voicelab.callers import CallerLike, KnownCaller, as_caller
from voicelab.handlers import Handler, HandlerLike, VariablesLike, load_handler, set_outcomes
from voicelab.predicates import Evaluators, checked_evaluators
from voicelab.runs.drawn_rows import DrawnRows, rows_of
from voicelab.runtime import patching, sdk
from voicelab.world.http import HttpLike, as_http
from voicelab.world.model import Model, as_model
from voicelab.world.world import World

if TYPE_CHECKING:
    import pandas as pd

    from voicelab.world.telephone import Telephone

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""When sessions begin unless `start=` says otherwise: a Monday at nine."""

DIRECTIONS = ("inbound", "outbound")
"""Who calls: the caller, or the agent."""
Rows = Sequence[Mapping[str, Any]]
"""Parameters of single sessions, one dict each."""
Parameters = Mapping[str, Any] | Callable[[int], Mapping[str, Any]] | Rows | DrawnRows
ParametersLike: TypeAlias = "Mapping[str, Any] | Callable[[int], Mapping[str, Any]] | pd.DataFrame | DrawnRows | None"
"""Parameters as they are given: one dict for all sessions or none, a function of the index, or a frame with a row a session."""


def checked_dict(what: str, given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return a dict of data for the handler, or None.

    Raises:
        InputError: it is no dict with text keys.
    """
    if given is None or (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
        return given
    raise InputError(f"{what} is {shown(given)}, must be a dict whose keys are text, e.g. {{'order': 17}}.")


def forced_variants(variants: Mapping[str, str] | None) -> dict[str, str]:
    """Return forced variants as text.

    Raises:
        InputError: they are no dict.
    """
    if variants is None:
        return {}
    if not isinstance(variants, Mapping):
        raise InputError(f"variants is {shown(variants)}, must be {{test: variant}} or 'each'.")
    return {str(test): str(variant) for test, variant in variants.items()}


def _checked_configuration(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    known = inspect.signature(sdk.Configuration).parameters
    named = isinstance(given, Mapping) and all(isinstance(key, str) for key in given)
    for key in given if named and given else ():
        if key not in known:
            raise InputError(
                f"configuration has the key {shown(key)}, which the SDK's Configuration doesn't know.{did_you_mean(key, known)} "
                f"Its keys: {', '.join(known)}."
            )
    try:
        sdk.Configuration(**(given or {}))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"configuration is {shown(given)}, must be a dict of arguments of the SDK's Configuration, e.g. "
            f"{{'timeout': 8}}: {without_hidden(str(error))}"
        ) from None
    timeout_s = (given or {}).get("timeout", 1)
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, int | float) or not 0 < timeout_s < float("inf"):
        raise InputError(
            f"configuration has the timeout {shown(timeout_s)}, must be seconds of silence above 0, e.g. 8."
        )
    return dict(given or {})


def _start_of(start: datetime | str | None) -> datetime:
    if start is None:
        return EPOCH
    try:
        date = datetime.fromisoformat(start) if isinstance(start, str) else start
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, AttributeError):
        raise InputError(f"start is {shown(start)}, must be a datetime or text such as '2026-01-05T09:00'.") from None


def _checked_world(world: World | None) -> World | None:
    if world is not None and not isinstance(world, World):
        raise InputError(f"world is {shown(world)}, must be vl.World(...).")
    return world


def _checked_patches(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(name, str) and name for name in given):
        raise InputError(f"patches is {shown(given)}, must be {{'module.function': replacement}}.")
    return dict(given)


def _checked_direction(given: str) -> str:
    if given not in DIRECTIONS:
        raise InputError(f"direction is {shown(given)}, must be {' or '.join(map(repr, DIRECTIONS))}.")
    return given


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "seed": checks.seed,
    "variants": forced_variants,
    "world": _checked_world,
    "start": _start_of,
    "direction": _checked_direction,
    "configuration": _checked_configuration,
    "input_data": partial(checked_dict, "input_data"),
    "model": as_model,
    "shared_data": partial(checked_dict, "shared_data"),
    "http": as_http,
    "patches": _checked_patches,
    "limits": checked_limits,
    "evaluators": checked_evaluators,
}
"""What makes an option of the argument with its name, or refuses it."""
_SPOKEN_CPU_S = 120.0
"""What a session that is spoken may usually compute: its engines work in its thread, half a second for each utterance."""


@dataclass(frozen=True)
class SessionOptions:
    """What every session of a run is made of; it can be pickled.

    Attributes:
        handler: The handler, with its variables and its environment.
        callers: A caller, or a mixture of them; None where a person calls.
        parameters: What the handler reads with `get_data`: a dict, a function of the session's index, a tuple with a
            dict for each session, or rows to draw from.
        run_test: The SDK's `runTest`: False for a test that has stopped.
        telephone: Makes sound of the callers' words; None where they are text.
        seed: Everything random in the run follows from it.
        variants: Variants chosen by a person, by test.
        world: What lies between caller and agent; None for nothing.
        start: Date and time that sessions begin at.
        direction: Who calls whom: `inbound`, or `outbound` where the agent calls.
        configuration: Arguments of the SDK's Configuration.
        input_data: What the handler reads as `context.input_data`.
        model: Answers the handler's completion requests; None where nothing does.
        shared_data: What the handler reads with `primfunctions.shared_data`; None where there is no such store.
        http: Answers the handler's requests over HTTP, or records them; None where nothing does.
        patches: What stands in the place of functions that it uses, by name.
        limits: How much each session may take.
        evaluators: What is asked of each session when it has ended.
    """

    handler: Handler
    callers: Any
    parameters: Parameters | None = None
    run_test: Mapping[str, bool] = field(default_factory=dict)
    telephone: "Telephone | None" = None
    seed: int = 0
    variants: Mapping[str, str] = field(default_factory=dict)
    world: World | None = None
    start: datetime = EPOCH
    direction: str = DIRECTIONS[0]
    configuration: Mapping[str, Any] = field(default_factory=dict)
    input_data: Mapping[str, Any] | None = None
    model: Model | None = None
    shared_data: Mapping[str, Any] | None = None
    http: HttpLike | None = None
    patches: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    evaluators: Evaluators = field(default_factory=Evaluators)

    @classmethod
    def checked(
        cls,
        handler: HandlerLike,
        callers: CallerLike | None,
        *,
        variables: VariablesLike | None = None,
        environment: str | None = None,
        parameters: ParametersLike = None,
        run_test: Mapping[str, bool] | None = None,
        sessions: int | None = None,
        telephone: "Telephone | None" = None,
        **given: Any,
    ) -> Self:
        """Return the options that a public function was given.

        Args:
            handler: A handler, or what `vl.load_handler` takes.
            callers: A caller, or a list of inputs; None where a person calls.
            variables: On top of the handler's own; a dict or a .env file.
            environment: In place of "development".
            parameters: A dict, or rows to draw from; with `sessions` also a frame with one row a session, or a function of
                the index.
            run_test: `{test: False}` for a test that has stopped.
            sessions: How many sessions the run has; None for one.
            telephone: Makes sound of the callers' words.
            given: Every other option by its name; those left out have their defaults.

        Raises:
            InputError: an option is not allowed.
            HandlerError: the handler can't be loaded.
        """
        loaded = with_variables(handler, variables, environment)
        with hiding(loaded.secrets):  # in what errors quote of the other arguments
            shared, run_test = _checked_parameters(parameters, run_test, sessions)
            if telephone is not None and given.get("limits") is None:
                given["limits"] = Limits(cpu_s=_SPOKEN_CPU_S)
            caller = None if callers is None else as_caller(callers)
            if caller is not None and caller.n_callers is not None:
                _check_logged(caller, sessions, set_outcomes(loaded.sources))
            options = cls(
                handler=loaded,
                callers=caller,
                parameters=shared,
                run_test=run_test,
                telephone=telephone,
                **{name: _CHECKS[name](value) for name, value in given.items()},
            )
            for name, replacement in options.patches.items():
                patching.refuse_misfit(patching.patch_target(name, loaded.function), replacement)
            if options.evaluators:
                options.evaluators.refuse_names(set_outcomes(loaded.sources))
            return options

    def parameters_of(self, index: int) -> tuple[Mapping[str, Any] | None, Mapping[str, bool]]:
        """Return what the handler of a session reads, and the SDK's `runTest` for it."""
        if self.parameters is None:
            return None, self.run_test
        if isinstance(self.parameters, DrawnRows):
            return self.split(self.parameters.at(self.seed, index))
        if callable(self.parameters):
            return self.split(parameters_at(self.parameters, index))
        if isinstance(self.parameters, Sequence):
            return self.split(self.parameters[index])
        return self.parameters, self.run_test  # split when they were checked

    def split(self, parameters: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, bool]]:
        """Return a session's own parameters without the SDK's `runTest`, and that on top of the run's."""
        own, tests = _split(parameters, None)
        return own, {**self.run_test, **tests}


def _check_logged(caller: KnownCaller, sessions: int | None, outcomes: Collection[str]) -> None:
    """Refuse more sessions than callers were logged, and outcomes that the handler sets as well."""
    n = caller.n_callers or 0
    if sessions is None and n != 1:
        raise InputError(
            f"{caller!r} has {n:,} callers, and this is one session: name it, e.g. vl.Replay(log, sessions=0)."
        )
    if sessions is not None and sessions > n:
        raise InputError(
            f"sessions is {sessions:,}, and {caller!r} has {n:,} callers: give at most as many, or leave it out."
        )
    if taken := sorted({*caller.outcome_names} & {*outcomes}):
        raise InputError(
            f"The handler sets the outcome {taken[0]!r}, which every session of a replay gets: call its own by another name."
        )


def with_variables(handler: HandlerLike, variables: VariablesLike | None, environment: str | None) -> Handler:
    """Return the loaded handler with variables and environment on top of its own."""
    if environment is not None and (not isinstance(environment, str) or not environment):
        raise InputError(f"environment is {shown(environment)}, must be the name of an environment, e.g. 'production'.")
    return load_handler(handler, variables=variables, environment=environment or "development")


# --- parameters ------------------------------------------------------------------------------------------------------


def parameters_at(parameters: Callable[[int], Any], index: int) -> Mapping[str, Any]:
    """Return what a function of the session's index gives a session.

    Raises:
        InputError: it returned no dict.
    """
    made = parameters(index)
    if not isinstance(made, Mapping):
        raise InputError(f"parameters({index}) returned {shown(made)}, must return a dict, e.g. {{'plan': 'gold'}}.")
    return made


def _checked_parameters(
    given: ParametersLike, run_test: Mapping[str, bool] | None, sessions: int | None
) -> tuple[Parameters | None, dict[str, bool]]:
    """Return parameters as the options hold them, and the tests that have stopped.

    Raises:
        InputError: they are no dict with text keys, hold `functionId`, or a `runTest` of another shape; or there are
            not as many rows as sessions.
    """
    if isinstance(given, DrawnRows):
        _check_own_keys(given.rows)
        return given, _run_tests("run_test", run_test or {})
    if sessions is None or given is None or isinstance(given, Mapping):
        return _split(given, run_test)
    if callable(given):
        parameters_at(given, 0)  # a mistake is better found here than in the first shard
        return given, _run_tests("run_test", run_test or {})
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        return _rows(given, sessions), _run_tests("run_test", run_test or {})
    raise InputError(
        f"parameters is {type(given).__name__}, must be a dict, a DataFrame with one row a session, vl.draw_rows(frame), or "
        "a function of the session's index."
    )


def _rows(frame: "pd.DataFrame", sessions: int) -> tuple[dict[str, Any], ...]:
    if len(frame) != sessions:
        raise InputError(
            f"parameters has {len(frame):,} rows and sessions is {sessions:,}: give one row a session, or "
            "parameters=vl.draw_rows(frame), which draws a row for each session (how='cycle' takes them in order)."
        )
    rows = rows_of(frame)
    _check_own_keys(rows)
    return rows


def _check_own_keys(rows: Rows) -> None:
    """Refuse rows that hold a key of the SDK's own which can't be meant."""
    if {"runTest", "functionId"} & set(rows[0] if rows else ()):
        for row in rows:
            _split(row, None)


def _split(
    parameters: ParametersLike, run_test: Mapping[str, bool] | None
) -> tuple[Mapping[str, Any] | None, dict[str, bool]]:
    """Return parameters without the SDK's own keys, and the tests that have stopped."""
    tests = _run_tests("run_test", run_test or {})
    if parameters is None:
        return None, tests
    if not isinstance(parameters, Mapping) or not all(isinstance(key, str) for key in parameters):
        raise InputError(f"parameters is {shown(parameters)}, must be a dict whose keys are text.")
    if "functionId" in parameters:
        raise InputError("parameters has the key 'functionId', which the SDK takes for itself and removes. Rename it.")
    rest = dict(parameters)
    given = rest.pop("runTest", None)
    if given is not None:
        tests = _run_tests("parameters['runTest']", given) | tests
    return rest, tests


def _run_tests(what: str, given: Mapping[str, bool] | str) -> dict[str, bool]:
    tests: Any = given
    if isinstance(given, str):
        try:
            tests = orjson.loads(given)
        except orjson.JSONDecodeError:
            tests = None
    if not isinstance(tests, Mapping) or not all(isinstance(v, bool) for v in tests.values()):
        raise InputError(f"{what} is {shown(given)}, must be {{test: True or False}}, e.g. {{'greeting': False}}.")
    return dict(tests)
