"""`voicerun.simulation`: the door to simulations of a project's templates."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from voicelab.predicates import EvaluatorsLike

if TYPE_CHECKING:
    from voicelab.callers import CallerLike
    from voicelab.handlers import HandlerLike
    from voicelab.log.read import Log
    from voicelab.speech import PhoneLine
    from voicelab.voicerun.simulation_spec import SpecLike


def simulation(
    spec: "SpecLike",
    handler: "HandlerLike | None" = None,
    caller: "CallerLike | None" = None,
    *,
    name: str | None = None,
    sessions: int | None = None,
    seed: int | None = None,
    log: str | Path | None = None,
    audio: "bool | PhoneLine" = False,
    evaluators: EvaluatorsLike = None,
    **options: Any,
) -> "Log":
    """Run a simulation of the platform's, `kind: Simulation`, here.

    On the platform a language model plays the caller, told by the spec's `systemPrompt`. Here somebody else has to: a
    persona, a script, a mixture, or an object of yours that asks a language model. A caller whose `begin` takes `spec`
    besides `rng` is given the simulation, and reads `spec.system_prompt`, `spec.language`, `spec.direction` and
    `spec.input_data`.

    All else is as the spec says: how many sessions, the seed, direction, input data, when somebody picks up and what is
    heard until then, how the caller cuts in; with `audio` also its language and the line that it speaks over. What has no
    effect is told, a sentence each.

    Args:
        spec: The path of a template, of a project, or of what `vr render -q -o json` prints; or that text, or a dict.
        handler: As of `vl.simulate`; None for the project that the template lies in.
        caller: Who calls.
        name: The simulation's name, where there are several.
        sessions: How many, in place of the spec's `numberOfSimulations`.
        seed: In place of the spec's `varietySeed`.
        log: Folder of the log; None for a temporary one.
        audio: True for callers that really speak, over the spec's line; or a line, `vl.PhoneLine(...)`.
        evaluators: As of `vl.simulate`; None for those beside the simulation that can be asked here.
        options: Every other option of `vl.simulate` by its name, and `tenant` of `vl.load_handler`.

    Returns:
        The log of its sessions.

    Raises:
        InputError: there is no caller or no such simulation; the spec can't be run as it is written, or holds Helm's
            placeholders; an option is not allowed, or is the spec's own.

    Example:
        >>> import voicelab as vl
        >>> from voicelab import voicerun
        >>> log = voicerun.simulation(
        ...     {"systemPrompt": "You want an appointment.", "numberOfSimulations": 3},
        ...     "clinic",
        ...     vl.personas.cooperative,
        ...     progress=False,
        ... )
        >>> len(log.sessions())
        3
    """
    from voicelab.voicerun.specified_run import (
        run_spec,  # the SDK and all that hosts it: a second, which no export needs
    )

    return run_spec(
        spec,
        handler,
        caller,
        name=name,
        sessions=sessions,
        seed=seed,
        log=log,
        audio=audio,
        evaluators=evaluators,
        options=options,
    )
