"""What `vl.run`, `vl.simulate` and `vl.Console` are given, checked at the door."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from voicelab.base.errors import InputError
from voicelab.base.masking import shown, without_hidden
from voicelab.handlers import Handler, HandlerLike, load_handler
from voicelab.runtime import sdk
from voicelab.world.world import World

EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
"""When sessions begin unless `start=` says otherwise: a Monday at nine."""


def with_options(
    handler: HandlerLike, variables: Mapping[str, str] | str | Path | None, environment: str | None
) -> Handler:
    """Return the loaded handler with variables and environment on top of its own."""
    if environment is not None and (not isinstance(environment, str) or not environment):
        raise InputError(f"environment is {shown(environment)}, must be the name of an environment, e.g. 'production'.")
    return load_handler(handler, variables=variables, environment=environment or "development")


def split_parameters(
    parameters: Any, run_test: Mapping[str, bool] | None
) -> tuple[Mapping[str, Any] | None, dict[str, bool]]:
    """Return parameters without the SDK's own keys, and the tests that have stopped.

    Raises:
        InputError: parameters are no dict with text keys, or hold `functionId`, or a `runTest` of another shape.
    """
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


def checked_dict(what: str, given: Any) -> Mapping[str, Any] | None:
    """Return a dict of data for the handler, or None.

    Raises:
        InputError: it is no dict with text keys.
    """
    if given is None or (isinstance(given, Mapping) and all(isinstance(key, str) for key in given)):
        return given
    raise InputError(f"{what} is {shown(given)}, must be a dict whose keys are text, e.g. {{'order': 17}}.")


def checked_configuration(given: Any) -> Mapping[str, Any]:
    """Return arguments of the SDK's Configuration.

    Raises:
        InputError: it takes no such arguments.
    """
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


def _run_tests(what: str, given: Any) -> dict[str, bool]:
    tests = given
    if isinstance(given, str):
        try:
            tests = orjson.loads(given)
        except orjson.JSONDecodeError:
            tests = None
    if not isinstance(tests, Mapping) or not all(isinstance(v, bool) for v in tests.values()):
        raise InputError(f"{what} is {shown(given)}, must be {{test: True or False}}, e.g. {{'greeting': False}}.")
    return dict(tests)


def forced_variants(variants: Any) -> dict[str, str]:
    """Return forced variants as text.

    Raises:
        InputError: they are no dict.
    """
    if not isinstance(variants, Mapping):
        raise InputError(f"variants is {shown(variants)}, must be {{test: variant}} or 'each'.")
    return {str(test): str(variant) for test, variant in variants.items()}


def start_of(start: datetime | str | None) -> datetime:
    """Return when sessions begin; a date without a time zone counts as UTC.

    Raises:
        InputError: it is no date.
    """
    if start is None:
        return EPOCH
    try:
        date = datetime.fromisoformat(start) if isinstance(start, str) else start
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    except (ValueError, AttributeError):
        raise InputError(f"start is {shown(start)}, must be a datetime or text such as '2026-01-05T09:00'.") from None


def checked_world(world: Any) -> World | None:
    """Return the world.

    Raises:
        InputError: it is none.
    """
    if world is not None and not isinstance(world, World):
        raise InputError(f"world is {shown(world)}, must be vl.World(...).")
    return world
