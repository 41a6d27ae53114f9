"""The `voicelab` command."""

import argparse
import dataclasses
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from voicelab.base.errors import GuideCompatWarning, InputError, VoicelabError, did_you_mean
from voicelab.base.version import __version__
from voicelab.handlers.notes import count_of

if TYPE_CHECKING:
    from voicelab.base.accepted_types import LogLike
    from voicelab.base.records import PortabilityNote
    from voicelab.callers import CallerLike

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  voicelab demo
  voicelab run data/agents/clinic --say "hello" --say "yes please"
  voicelab run handler.py --script data/scripts/booking.json --variant greeting=formal
  voicelab simulate data/agents/clinic -n 10000 --seed 7 --log runs/clinic
  voicelab analyze runs/clinic --outcome booked --outcome duration_s --html result.html
  voicelab analyze runs/clinic greeting
  voicelab call AGENT_ID +14155550123
"""

# Exit codes: 0 done, 1 a stated error, 2 the command line is off (argparse), 130 stopped by Ctrl-C.
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line after the program's name; None for the process's own.
    """
    options, unknown = _parser().parse_known_args(arguments)
    if unknown:
        options.parser.error(_unknown(options.parser, unknown))
    try:
        with warnings.catch_warnings():
            # The commands count portability notes themselves, and list them where that is asked for.
            warnings.simplefilter("ignore", GuideCompatWarning)
            options.command(options)
    except VoicelabError as error:
        message = " ".join(str(error).split())
        sys.stderr.write(f"voicelab: {message}\n")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voicelab",
        description="The notebook lab for VoiceRun voice agents.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"voicelab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_demo(commands)
    _add_run(commands)
    _add_simulate(commands)
    _add_analyze(commands)
    _add_import(commands)
    _add_call(commands)
    return parser


def _unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str:
    """Return what is wrong with arguments that a command doesn't know, with the nearest that it does."""
    options = [option for action in parser._actions for option in action.option_strings]
    near = next((hint for a in arguments if a.startswith("-") if (hint := did_you_mean(a, options))), "")
    return f"there is no {' '.join(arguments)}.{near}"


def _command(
    commands: "Commands", name: str, function: Callable[[argparse.Namespace], None], description: str, example: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


def _add_handler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("handler", metavar="HANDLER", help="a handler.py or a project folder")
    parser.add_argument("--seed", type=int, default=0, help="everything random follows from it (default 0)")
    parser.add_argument("--strict", action="store_true", help="refuse what only the lab tolerates")
    parser.add_argument("--notes", action="store_true", help="list what the SDK spells differently, line by line")
    parser.add_argument("--environment", metavar="NAME", help="picks values.<NAME>.yaml (default development)")
    parser.add_argument("--variables", metavar="FILE", help="a .env file")
    parser.add_argument("--parameters", metavar="JSON", help='what get_data reads, e.g. \'{"customerName": "Alice"}\'')
    parser.add_argument(
        "--variant", metavar="TEST=VARIANT", action="append", default=[], help="force a variant; may be repeated"
    )


# --- demo ------------------------------------------------------------------------------------------------------------


def _add_demo(commands: "Commands") -> None:
    parser = _command(
        commands, "demo", _demo, "Talk to a sample agent, simulate its callers, decide its test.", "voicelab demo"
    )
    parser.add_argument("-n", "--sessions", type=int, default=10_000, help="sessions to simulate (default 10000)")
    parser.add_argument("--log", metavar="FOLDER", help="keep the log there (default: a temporary folder)")


def _demo(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.handlers.samples import sample

    # The sample itself, also where somebody has a folder of that name.
    handler = vl.load_handler(sample("agents/clinic"))
    _say(f"1. A conversation with {handler.name}\n")
    _say(f"{vl.run(handler, ['hello', vl.silence(6), 'I would like an appointment', 'yes please'], seed=1)}\n")
    callers = vl.mix((vl.personas.cooperative, 0.5), (vl.personas.hesitant, 0.3), (vl.personas.impatient, 0.2))
    _say(f"2. {options.sessions:,} sessions with three kinds of caller: {callers.name}\n")
    log = vl.simulate(
        handler,
        callers,
        sessions=options.sessions,
        seed=7,
        log=options.log,
        world=vl.World(recognition_errors=0.05, truth={"greeting": {"booked": DEMO_TRUTH}}),
        overwrite=options.log is not None,
    )
    _say(f"\n{_counts(log)}\n")
    _say("3. Its test\n")
    _say(f"{vl.analyze(log, 'greeting')}")


DEMO_TRUTH = {"formal": 0.30, "casual": 0.36, "friendly": 0.30}


def _counts(log: "LogLike") -> str:
    sessions = log.sessions()
    by_caller = sessions.groupby("caller", observed=True).agg(
        sessions=("session_id", "size"),
        turns=("n_turns", "mean"),
        seconds=("duration_s", "mean"),
        errors=("n_errors", "sum"),
    )
    statuses = ", ".join(f"{n:,} {status}" for status, n in sessions["status"].value_counts().items())
    return f"{by_caller.round(1).to_string()}\n{statuses}"


# --- run -------------------------------------------------------------------------------------------------------------


def _add_run(commands: "Commands") -> None:
    parser = _command(
        commands, "run", _run, "Run one conversation and print it.", 'voicelab run handler.py --say "hello" --say "bye"'
    )
    _add_handler(parser)
    parser.add_argument("--say", metavar="TEXT", action="append", default=[], help="a caller's text; may be repeated")
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts")
    parser.add_argument("--html", metavar="FILE", help="write conversation and timeline there, as a page of its own")
    parser.add_argument("--json", action="store_true", help="print the events as JSON lines")


def _run(options: argparse.Namespace) -> None:
    import voicelab as vl

    if options.say and options.script:
        raise InputError("Give --say or --script, not both.")
    handler = vl.load_handler(options.handler, strict=options.strict)
    record = vl.run(
        handler,
        vl.Script.load(options.script) if options.script else options.say,
        seed=options.seed,
        parameters=_parameters(options),
        variables=options.variables,
        environment=options.environment,
        variants=_variants(options),
    )
    if options.html:
        record.to_html(options.html)
    if options.json:
        for event in record.events:  # type: ignore[union-attr]  # one record, since no variants='each' is asked for
            _say(json.dumps(asdict(event), default=str, ensure_ascii=False))
    else:
        _say(str(record))
        _say_notes(record.notes, options)  # type: ignore[union-attr]  # as above


def _say_notes(notes: "Sequence[PortabilityNote]", options: argparse.Namespace) -> None:
    if not notes:
        return
    _say(f"    note  {count_of(notes)}{'' if options.notes else ' (--notes lists them)'}")
    for note in notes if options.notes else ():
        _say(f"          {note}")


# --- simulate --------------------------------------------------------------------------------------------------------


def _add_simulate(commands: "Commands") -> None:
    parser = _command(
        commands,
        "simulate",
        _simulate,
        "Simulate sessions and log them.",
        "voicelab simulate handler.py -n 10000 --seed 7 --log runs/first",
    )
    _add_handler(parser)
    parser.add_argument("-n", "--sessions", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--log", metavar="FOLDER", required=True, help="folder of the log")
    parser.add_argument(
        "--caller",
        metavar="NAME[=WEIGHT]",
        action="append",
        default=[],
        help="a stock persona; may be repeated (default: cooperative)",
    )
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts that each caller goes through")
    parser.add_argument("--workers", type=int, help="child processes (default: one a processor)")
    parser.add_argument("--no-stopping", action="store_true", help="let tests run on past their own stop")
    parser.add_argument("--resume", action="store_true", help="go on with an unfinished log")
    parser.add_argument("--overwrite", action="store_true", help="replace another log")
    parser.add_argument("--html", metavar="FILE", help="write the log's facts and pictures there, as a page of its own")
    parser.add_argument("--quiet", action="store_true", help="no progress line")


def _simulate(options: argparse.Namespace) -> None:
    import voicelab as vl

    handler = vl.load_handler(
        options.handler,
        strict=options.strict,
        variables=options.variables,
        environment=options.environment or "development",
    )
    log = vl.simulate(
        handler,
        _callers(options),
        sessions=options.sessions,
        seed=options.seed,
        log=options.log,
        parameters=_parameters(options),
        variants=_variants(options),
        stopping=not options.no_stopping,
        workers=options.workers,
        resume=options.resume,
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    _say(f"{log!r}\n{_counts(log)}")
    _say_notes(handler.note_list, options)
    if options.html:
        log.to_html(options.html)


def _callers(options: argparse.Namespace) -> "CallerLike":
    import voicelab as vl

    if options.script and options.caller:
        raise InputError("Give --caller or --script, not both.")
    if options.script:
        return vl.Script.load(options.script)
    pairs = []
    for given in options.caller or ["cooperative"]:
        name, _, weight = given.partition("=")
        persona = next((persona for persona in vl.personas if persona.name == name), None)
        if persona is None:
            names = [persona.name for persona in vl.personas]
            raise InputError(
                f"--caller {name}: there is no such persona. There are: {', '.join(names)}.{did_you_mean(name, names)}"
            )
        pairs.append((persona, _number(f"--caller {given}", weight) if weight else 1.0))
    return vl.mix(*pairs)


# --- analyze ---------------------------------------------------------------------------------------------------------


def _add_analyze(commands: "Commands") -> None:
    parser = _command(
        commands, "analyze", _analyze, "Decide a test of a log.", "voicelab analyze runs/first greeting_variant"
    )
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument(
        "test", metavar="TEST", nargs="?", help="name of the test; may be left out if there is only one"
    )
    parser.add_argument(
        "--outcome",
        metavar="NAME",
        action="append",
        help="outcome to judge by (default: the test's own target); repeated, the first decides and the others are reported",
    )
    parser.add_argument(
        "--method",
        choices=["auto", "horizon", "e-process", "fixed"],
        default="auto",
        help="auto holds at every look; fixed holds for one look alone",
    )
    parser.add_argument("--by", metavar="COLUMN", help="report segments of a column of the sessions")
    parser.add_argument(
        "--guardrail", metavar="COLUMN", action="append", default=[], help="must not grow; may be repeated"
    )
    parser.add_argument("--unit", metavar="NAME", help="what sessions belong to, such as caller_id, if some call again")
    parser.add_argument("--html", metavar="FILE", help="write the result card there, as a page of its own")
    parser.add_argument(
        "--plot",
        metavar="KIND=FILE",
        action="append",
        default=[],
        help="draw the result (confidence=way.png, difference, variants, shares, ...); may be repeated",
    )
    parser.add_argument("--weights", metavar="JSON", help='where the log doesn\'t say them: \'{"a": 0.5, "b": 0.5}\'')
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _analyze(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.plots.to_file import plot_to_file

    log = vl.open_log(options.log)
    asked = {"outcome": options.outcome, "by": options.by, "guardrails": options.guardrail, "unit": options.unit}
    asked["weights"] = _weights(options)
    result = vl.analyze(log, options.test, **asked)
    if options.method != "auto":
        result = vl.analyze(log, options.test, rule=dataclasses.replace(result.rule, method=options.method), **asked)
    if options.html:
        result.to_html(options.html)
    for given in options.plot:
        kind, equals, path = given.partition("=")
        if not equals or not path:
            raise InputError(f"--plot {given}: must be KIND=FILE, e.g. confidence=confidence.png.")
        plot_to_file(result, kind, path)
    _say(json.dumps(result.to_json(), indent=2) if options.json else str(result))


def _add_import(commands: "Commands") -> None:
    parser = _command(
        commands, "import", _import, "Read exports of VoiceRun into a log.", "voicelab import exports/ --log runs/live"
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="export, folder of exports or glob")
    parser.add_argument("--log", metavar="FOLDER", required=True, help="folder of the log to be written")
    parser.add_argument(
        "--weights", metavar="JSON", help='where no export says them: \'{"greeting": {"a": 0.5, "b": 0.5}}\''
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a log that is there")


def _import(options: argparse.Namespace) -> None:
    from voicelab import voicerun

    weights = _weights(options)
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        log = voicerun.read(options.files, options.log, weights=weights, overwrite=options.overwrite)
    for warning in noted:
        _say(f"! {warning.message}")
    counts = ", ".join(f"{n:,} {assignment}" for assignment, n in log.manifest["exposures"].items()) or "no test"
    _say(
        f"{log.manifest['sessions']:,} sessions from {len(log.manifest['imports']):,} files in {options.log} ({counts})"
    )


# --- call ------------------------------------------------------------------------------------------------------------


def _add_call(commands: "Commands") -> None:
    parser = _command(
        commands,
        "call",
        _call,
        "Preview an outbound phone call; place it once it is confirmed.",
        'voicelab call AGENT_ID +14155550123 --parameters \'{"customerName": "Alice"}\'',
    )
    parser.add_argument("agent", metavar="AGENT", help="the agent's id")
    parser.add_argument("number", metavar="NUMBER", help="the number to dial, e.g. +14155550123")
    parser.add_argument(
        "--environment", metavar="NAME", help="the environment to run the agent in (default production)"
    )
    parser.add_argument("--parameters", metavar="JSON", help='what get_data reads, e.g. \'{"customerName": "Alice"}\'')
    parser.add_argument("--entrypoint", action="store_true", help="AGENT is the id of an entrypoint")
    parser.add_argument("--track", metavar="NAME", help="release track of an entrypoint")
    parser.add_argument("--release", metavar="ID", help="release of an entrypoint")
    parser.add_argument("--journal", metavar="FILE", help="where calls are noted (default voicerun-calls.jsonl)")
    parser.add_argument("--call-id", metavar="ID", help="an id of your own: the same one is never called twice")
    parser.add_argument("--base-url", metavar="URL", help="where the platform is (default: VOICERUN_API_URL)")
    parser.add_argument("--curl", action="store_true", help="print the request as curl, and send nothing")
    parser.add_argument("--yes", action="store_true", help="call without asking")


def _call(options: argparse.Namespace) -> None:
    from voicelab import voicerun
    from voicelab.voicerun.asking import can_ask

    # The key has no option of its own: the list of processes and the shell's history would show it.
    named = {"environment": options.environment} if options.environment is not None else {}
    call = voicerun.outbound_call(
        None if options.entrypoint else options.agent,
        options.number,
        parameters=_parameters(options),
        base_url=options.base_url,
        entrypoint_id=options.agent if options.entrypoint else None,
        track=options.track,
        release_id=options.release,
        journal=options.journal,
        call_id=options.call_id,
        **named,
    )
    if options.curl:
        _say(call.curl)
        return
    _say(f"{call}\n")
    if options.yes or can_ask():
        _say(f"{json.dumps(call.send(confirmed=options.yes), indent=2, ensure_ascii=False)}")
    else:
        _say("Nothing was sent: nobody can be asked here. Add --yes to call.")


# --- helpers ---------------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{what}: {text!r} is no number.") from None


def _weights(options: argparse.Namespace) -> Any:
    try:
        return None if options.weights is None else json.loads(options.weights)
    except ValueError as error:
        raise InputError(f"--weights is no JSON: {error}.") from None


def _parameters(options: argparse.Namespace) -> dict[str, Any] | None:
    if options.parameters is None:
        return None
    try:
        parameters = json.loads(options.parameters)
    except ValueError as error:
        raise InputError(f"--parameters is no JSON: {error}.") from None
    if not isinstance(parameters, dict):
        raise InputError('--parameters must be a JSON object, e.g. {"customerName": "Alice"}.')
    return parameters


def _variants(options: argparse.Namespace) -> dict[str, str] | None:
    pairs = [given.partition("=") for given in options.variant]
    for test, equals, variant in pairs:
        if not (test and equals and variant):
            raise InputError(f"--variant {test}{equals}{variant}: write TEST=VARIANT, e.g. greeting=formal.")
    return {test: variant for test, _, variant in pairs} or None
