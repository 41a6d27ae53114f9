"""`vl.compare`: two versions of a handler on the same callers, decided as soon as it can be."""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.session_limits import Limits
from voicelab.callers import CallerLike, KnownCaller, as_caller
from voicelab.change.paired_run import HowToRun, run_pairs
from voicelab.change.version_comparison import AskedComparison, VersionComparison, compared_versions
from voicelab.decision.guardrails import Guardrail, read_guardrails
from voicelab.handlers import HandlerLike, VariablesLike
from voicelab.handlers.revisions import at_revision
from voicelab.log import Log
from voicelab.predicates import EvaluatorsLike
from voicelab.runs.options import ParametersLike, SessionOptions
from voicelab.simulation.executors import Executor, accepted, default_workers
from voicelab.simulation.log_folder import log_folder
from voicelab.simulation.simulating import tell_of
from voicelab.world.http import HttpLike, refuse_recording
from voicelab.world.model import ModelLike
from voicelab.world.world import World

if TYPE_CHECKING:
    from distributed import Client

MOST_PAIRS = 10_000
"""Pairs after which an undecided comparison ends where no number was declared."""


def compare(
    old: HandlerLike,
    new: HandlerLike,
    callers: CallerLike,
    sessions: int | None = None,
    seed: int = 0,
    outcome: str | None = None,
    guardrails: Sequence[str | Guardrail] | Mapping[str, float] = (),
    margin: float = 0.0,
    world: World | None = None,
    log: str | Path | None = None,
    direction: Literal["maximize", "minimize"] | None = None,
    parameters: ParametersLike = None,
    variables: VariablesLike | None = None,
    environment: str | None = None,
    variants: Mapping[str, str] | None = None,
    start: datetime | str | None = None,
    executor: "Executor | Client | None" = None,
    workers: int | None = None,
    progress: bool = True,
    resume: bool = False,
    overwrite: bool = False,
    configuration: Mapping[str, Any] | None = None,
    input_data: Mapping[str, Any] | None = None,
    model: ModelLike | None = None,
    shared_data: Mapping[str, Any] | None = None,
    http: HttpLike | None = None,
    patches: Mapping[str, Any] | None = None,
    limits: Limits | None = None,
    evaluators: EvaluatorsLike = None,
) -> VersionComparison:
    """Run two versions of a handler on the same callers, and decide which is better.

    Each session is run twice, once by each version, with the same caller, world and draws. What is judged is the difference in
    each pair, watched after every pair; the run ends by itself when it is decided. Tests inside the handlers draw their
    variants alike in both versions, and their own stop rules are off.

    Args:
        old: The version that there is: a handler, what `vl.load_handler` takes, or what it was at a revision of git,
            `"HEAD~1:agents/clinic"`.
        new: The version that is to replace it, in the same forms.
        callers: A caller, a mixture of them, or a list of inputs.
        sessions: Pairs that are declared beforehand, at most: then the comparison is most sensitive towards their end. None
            for as many as a decision takes, 10,000 at most.
        seed: Everything random follows from it, in both.
        outcome: What decides: an outcome that the handlers write or evaluators come to, or a number of each session
            (duration_s, n_turns, n_errors). None for what their tests are judged by, or their only outcome.
        guardrails: Outcomes that must not be harmed: names, margins by name (`{"duration_s": 2, "booked": -0.01}`, below 0
            where it may fall by so much), or `vl.Guardrail`s. With margins the run goes on until they are known too.
        margin: By how much the new version may be worse, in the outcome's units: it is then enough that it is not worse by
            more than that.
        world: What lies between caller and agent.
        log: Folder of both logs, `old/` and `new/` in it; None for a temporary one that lives as long as the result.
        direction: `maximize` where more of the outcome is better, `minimize` where less is. None for less of a number that
            every session has (`duration_s`, `n_errors`, measures), and more of what handlers write or evaluators come to.
        parameters: What the handler reads with `context.get_data`, as `vl.simulate` takes it.
        variables: What it reads with `context.variables`; a dict or a .env file. Masked wherever they would show.
        environment: What it reads as `context.environment`.
        variants: `{test: variant}` forces variants, in both versions.
        start: Date and time at which every session begins.
        executor: Where shards run, as `vl.simulate` takes it; None for child processes.
        workers: Child processes; None for one a processor.
        progress: Show the progress line.
        resume: Go on with unfinished logs, or start new ones.
        overwrite: Replace logs of other sessions.
        configuration: Arguments of the SDK's `Configuration`, such as `{"timeout": 8}`.
        input_data: What the handler reads as `context.input_data`: what the caller of an entrypoint passed in.
        model: What answers its completion requests: `vl.Model(...)`, or a function of the request.
        shared_data: What it reads with `primfunctions.shared_data`, by key.
        http: What answers its requests over HTTP: `vl.Http({pattern: reply})`, or `vl.Http.replay(path)`.
        patches: `{"module.function": replacement}` for whatever else it uses and shall not.
        limits: How much one session may take: `vl.Limits(cpu_s=60)`; None for the usual limits.
        evaluators: What is asked of each session when it has ended: paths of the platform's evaluators, or predicates by name.

    Returns:
        The comparison: `.decision`, `.differences`, `.diverging`, `.session(17)` side by side.

    Raises:
        InputError: an argument is not allowed, or neither version has the outcome.
        HandlerError: a version can't be loaded.
        LogError: `log` holds something else; the message names `resume=True` or `overwrite=True`.
        SimulationError: the run can't go on; what was logged stays, and `resume=True` goes on from there.

    Example:
        >>> import voicelab as vl
        >>> def version(words):
        ...     async def handler(event, context):
        ...         if event.name == "start":
        ...             yield vl.sdk.TextToSpeechEvent(text=words)
        ...         elif event.name == "text":
        ...             context.set_outcome("agreed", "yes" in event.data["text"])
        ...     return handler
        >>> old, new = version("Shall I?"), version("Shall I, please?")
        >>> compared = vl.compare(old, new, ["yes"], sessions=40, margin=0.2, progress=False)
        >>> len(compared.diverging)
        1
    """
    if sessions is not None:
        checks.whole("sessions", sessions)
    for name, value in {"progress": progress, "resume": resume, "overwrite": overwrite}.items():
        checks.switch(name, value)
    if workers is not None:
        checks.whole("workers", workers)
    caller = as_caller(callers)
    most = sessions or _most(caller, parameters)
    asked = _asked(sessions, most, outcome, guardrails, margin, direction)
    remote = None if executor is None else accepted(executor, workers)
    with contextlib.ExitStack() as kept:
        options = {
            side: SessionOptions.checked(
                at_revision(handler, side, kept),
                caller,
                sessions=most,
                seed=seed,
                world=world,
                parameters=parameters,
                variables=variables,
                environment=environment,
                variants=variants,
                start=start,
                configuration=configuration,
                input_data=input_data,
                model=model,
                shared_data=shared_data,
                http=http,
                patches=patches,
                limits=limits,
                evaluators=evaluators,
            )
            for side, handler in (("old", old), ("new", new))
        }
        for own in options.values():
            refuse_recording(
                own.http, "Record with vl.Console or vl.run(..., clock='wall'), then http=vl.Http.replay(path)."
            )
        folder, temporary = log_folder(log)
        how = HowToRun(folder, most, remote, workers or default_workers(), progress, resume, overwrite)

        def look(old_log: Log, new_log: Log) -> str | None:
            return compared_versions(old_log, new_log, asked, checks=False).wants_more

        logs = run_pairs(options, how, temporary, look)
        for side, own_log in zip(options, logs, strict=True):
            options[side].handler.tell_notes()
            tell_of(own_log, side)
        # Sessions may be run again from the result: what a revision was taken out to goes with it.
        return compared_versions(*logs, asked, kept.pop_all())


def _most(caller: KnownCaller, parameters: ParametersLike) -> int:
    """Return how many pairs are run at most where no number is declared."""
    if hasattr(parameters, "columns"):
        return len(parameters)  # type: ignore[arg-type]
    return min(MOST_PAIRS, caller.n_callers or MOST_PAIRS)


def _asked(
    sessions: int | None,
    most: int,
    outcome: str | None,
    guardrails: Sequence[str | Guardrail] | Mapping[str, float],
    margin: float,
    direction: Literal["maximize", "minimize"] | None,
) -> AskedComparison:
    if outcome is not None:
        checks.name("outcome", outcome)
    if not checks.is_number(margin) or margin < 0:
        raise InputError(
            f"margin is {shown(margin)}, must be a number from 0 on, in the outcome's own units: 0.01 of a rate is one point."
        )
    if direction not in {None, "maximize", "minimize"}:
        raise InputError(f"direction is {shown(direction)}, must be 'maximize', 'minimize' or None.")
    found = read_guardrails(guardrails)
    if outcome in {guardrail.outcome for guardrail in found}:
        raise InputError(f"{outcome!r} is the outcome that decides: it needs no guardrail, give margin= for it.")
    return AskedComparison(outcome, direction, float(margin), tuple(found), sessions, most)


__all__ = ["MOST_PAIRS", "compare"]
