"""The commands that hold sessions: `demo`, `run`, `simulate`."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.cli.arguments import add_handler_options, add_json, callers, command, parameters, replayed, say, variants
from voicelab.cli.output import say_json
from voicelab.cli.what_sessions_meet import add_surroundings, surroundings
from voicelab.handlers.notes import count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from voicelab.base.accepted_types import LogLike
    from voicelab.base.records import PortabilityNote
    from voicelab.cli.arguments import Commands
    from voicelab.handlers import Handler
    from voicelab.log.read import Log
    from voicelab.record.session_record import SessionRecord, SideBySide

_DEFAULT_SESSIONS = 10_000


def add_demo(commands: "Commands") -> None:
    """Add `demo`."""
    parser = command(
        commands, "demo", _demo, "Talk to a sample agent, simulate its callers, decide its test.", "voicelab demo"
    )
    parser.add_argument("-n", "--sessions", type=int, default=10_000, help="sessions to simulate (default 10000)")
    parser.add_argument("--log", metavar="FOLDER", help="keep the log there (default: a temporary folder)")
    add_json(parser)


def _demo(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.handlers.samples import sample

    # The sample itself, also where somebody has a folder of that name.
    handler = vl.load_handler(sample("agents/clinic"))
    record = vl.run(handler, ["hello", vl.silence(6), "I would like an appointment", "yes please"], seed=1)
    callers = vl.mix((vl.personas.cooperative, 0.5), (vl.personas.hesitant, 0.3), (vl.personas.impatient, 0.2))
    if not options.json:
        say(f"1. A conversation with {handler.name}\n")
        say(f"{record}\n")
        say(f"2. {options.sessions:,} sessions with three kinds of caller: {callers.name}\n")
    log = vl.simulate(
        handler,
        callers,
        sessions=options.sessions,
        seed=7,
        log=options.log,
        world=vl.World(recognition_errors=0.05, truth={"greeting": {"booked": DEMO_TRUTH}}),
        overwrite=options.log is not None,
    )
    result = vl.analyze(log, "greeting")
    if options.json:
        say_json({"conversation": _of_session(record), "simulation": _of_log(log, []), "result": result.to_json()})
        return
    say(f"\n{_counts(log)}\n")
    say("3. Its test\n")
    say(f"{result}")


DEMO_TRUTH = {"formal": 0.30, "casual": 0.36, "friendly": 0.30}


def add_run(commands: "Commands") -> None:
    """Add `run`."""
    parser = command(
        commands, "run", _run, "Run one conversation and print it.", 'voicelab run handler.py --say "hello" --say "bye"'
    )
    _add_handler(parser)
    parser.add_argument("--say", metavar="TEXT", action="append", default=[], help="a caller's text; may be repeated")
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts")
    parser.add_argument("--html", metavar="FILE", help="write conversation and timeline there, as a page of its own")
    add_json(parser)


def _run(options: argparse.Namespace) -> None:
    import voicelab as vl

    if options.say and options.script:
        raise InputError("Give --say or --script, not both.")
    handler = vl.load_handler(options.handler, strict=options.strict, tenant=options.tenant)
    record = vl.run(
        handler,
        vl.Script.load(options.script) if options.script else options.say,
        seed=options.seed or 0,
        parameters=parameters(options),
        variables=options.variables,
        environment=options.environment,
        variants=variants(options),
        **surroundings(options),
    )
    if options.html:
        record.to_html(options.html)
    if options.json:
        say_json(_of_session(record))
    else:
        say(str(record))
        _say_notes(record.notes, options)  # type: ignore[union-attr]  # one record, since no variants='each' is asked for


def add_simulate(commands: "Commands") -> None:
    """Add `simulate`."""
    parser = command(
        commands,
        "simulate",
        _simulate,
        "Simulate sessions and log them.",
        "voicelab simulate handler.py -n 10000 --seed 7 --log runs/first",
    )
    _add_handler(parser)
    parser.add_argument(
        "-n", "--sessions", type=int, help="how many (default 10000, as the spec says, or all of the log)"
    )
    parser.add_argument(
        "--spec", metavar="FILE", help="a simulation of VoiceRun's: a template, or what `vr render -q -o json` prints"
    )
    parser.add_argument("--name", metavar="NAME", help="which simulation of the spec's file")
    parser.add_argument("--audio", action="store_true", help="with --spec: the callers really speak, over its line")
    parser.add_argument("--log", metavar="FOLDER", required=True, help="folder of the log")
    parser.add_argument(
        "--caller",
        metavar="NAME[=WEIGHT]",
        action="append",
        default=[],
        help="a stock persona; may be repeated (default: cooperative)",
    )
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts that each caller goes through")
    parser.add_argument("--replay", metavar="LOG", help="the callers of a log, one a session, in place of --caller")
    parser.add_argument(
        "--on-difference",
        metavar="keep|stop|NAME",
        help="with --replay, where the agent's words differ: go on (default), stop, or let a stock persona take over",
    )
    parser.add_argument(
        "--evaluator",
        metavar="FILE",
        action="append",
        default=[],
        help="an evaluator, asked of each session as it ends; may be repeated",
    )
    parser.add_argument("--workers", type=int, help="child processes (default: one a processor)")
    parser.add_argument("--no-stopping", action="store_true", help="let tests run on past their own stop")
    parser.add_argument(
        "--check", action="store_true", help="run one session in a hundred again, and say what differs and why"
    )
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished log")
    parser.add_argument("--overwrite", action="store_true", help="replace another log")
    parser.add_argument("--html", metavar="FILE", help="write the log's facts and pictures there, as a page of its own")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    add_json(parser)


def _simulate(options: argparse.Namespace) -> None:
    import voicelab as vl

    handler = vl.load_handler(
        options.handler,
        strict=options.strict,
        variables=options.variables,
        environment=options.environment or "development",
        tenant=options.tenant,
    )
    how: dict[str, Any] = {
        "log": options.log,
        "parameters": parameters(options),
        "variants": variants(options),
        "stopping": not options.no_stopping,
        "workers": options.workers,
        "check": options.check,
        "resume": options.resume,
        "overwrite": options.overwrite,
        "progress": not options.quiet,
        **surroundings(options),
    }
    if options.replay is None and options.on_difference:
        raise InputError("--on-difference is for the callers of a log: give --replay LOG.")
    if options.replay is not None:
        replay = replayed(options)
        log = vl.simulate(
            handler,
            replay,
            sessions=options.sessions,
            seed=replay.seed if options.seed is None else options.seed,
            evaluators=options.evaluator,
            **how,
        )
    elif options.spec is not None:
        log = _simulate_spec(handler, options, how)
    elif options.name or options.audio:
        raise InputError("--name and --audio are for a simulation of VoiceRun's: give --spec FILE.")
    else:
        log = vl.simulate(
            handler,
            callers(options),
            sessions=_DEFAULT_SESSIONS if options.sessions is None else options.sessions,
            seed=options.seed or 0,
            evaluators=options.evaluator,
            **how,
        )
    if options.html:
        log.to_html(options.html)
    if options.json:
        say_json(_of_log(log, handler.note_list))
        return
    say(f"{log!r}\n{_counts(log)}")
    _say_notes(handler.note_list, options)


def _simulate_spec(handler: "Handler", options: argparse.Namespace, how: "Mapping[str, Any]") -> "Log":
    from voicelab import voicerun

    if not (options.caller or options.script):
        raise InputError(
            "The systemPrompt of a simulation needs a language model, and somebody has to call here: give --caller NAME or "
            "--script FILE."
        )
    return voicerun.simulation(
        options.spec,
        handler,
        callers(options),
        name=options.name,
        sessions=options.sessions,
        seed=options.seed,
        audio=options.audio,
        evaluators=options.evaluator or None,
        **how,
    )


def _add_handler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("handler", metavar="HANDLER", help="a handler.py or a project folder")
    add_handler_options(parser)
    add_surroundings(parser)
    parser.add_argument("--notes", action="store_true", help="list what the SDK spells differently, line by line")


def _of_session(record: "SessionRecord | SideBySide") -> dict[str, Any]:
    """Return the document of a session: its rows, and the conversation as it is read."""
    from voicelab.record.session_record import SessionRecord

    assert isinstance(record, SessionRecord)  # noqa: S101 - no variants='each' is asked for
    return {**json.loads(record.to_json()), "conversation": [asdict(line) for line in record.lines()]}


def _of_log(log: "Log", notes: "Sequence[PortabilityNote]") -> dict[str, Any]:
    """Return the document of a simulation: where its log is, and what it comes to."""
    manifest, by_caller = log.manifest, _by_caller(log)
    return {
        "log": log.path,
        "sessions": manifest["sessions"],
        "seed": manifest["seed"],
        "handler": manifest["handler"],
        "statuses": manifest["statuses"],
        "n_errors": manifest["n_errors"],
        "callers": by_caller.reset_index().astype(object).to_dict("records"),
        "tests": manifest.get("decisions", {}),
        "remarks": manifest["remarks"],
        "notes": [asdict(note) for note in notes],
    }


def _by_caller(log: "LogLike") -> "pd.DataFrame":
    return (
        log.sessions()
        .groupby("caller", observed=True)
        .agg(
            sessions=("session_id", "size"),
            turns=("n_turns", "mean"),
            seconds=("duration_s", "mean"),
            errors=("n_errors", "sum"),
        )
    )


def _counts(log: "LogLike") -> str:
    statuses = ", ".join(f"{n:,} {status}" for status, n in log.sessions()["status"].value_counts().items())
    return f"{_by_caller(log).round(1).to_string()}\n{statuses}"


def _say_notes(notes: "Sequence[PortabilityNote]", options: argparse.Namespace) -> None:
    if not notes:
        return
    say(f"    note  {count_of(notes)}{'' if options.notes else ' (--notes lists them)'}")
    for note in notes if options.notes else ():
        say(f"          {note}")
