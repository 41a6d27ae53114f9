"""The `voicelab` command."""

import argparse
import dataclasses
import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from voicelab.base.errors import GuideCompatWarning, InputError, VoicelabError
from voicelab.base.version import __version__
from voicelab.log.command import add_log

if TYPE_CHECKING:
    from voicelab.base.accepted_types import LogLike
    from voicelab.callers import CallerLike

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """examples:
  voicelab demo
  voicelab run data/agents/clinic --say "hello" --say "yes please"
  voicelab run handler.py --script data/scripts/booking.json --variant greeting=formal
  voicelab simulate data/agents/clinic -n 10000 --seed 7 --log runs/clinic
  voicelab analyze runs/clinic greeting
  voicelab log check runs/clinic
"""

# Exit codes: 0 done, 1 a stated error, 2 the command line is off (argparse), 130 stopped by Ctrl-C.
FAILED, INTERRUPTED = 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line after the program's name; None for the process's own.
    """
    options = _parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # The command `run` lists portability notes by itself, after the conversation.
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
    add_log(commands)
    return parser


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
    parser.set_defaults(command=function)
    return parser


def _add_handler(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("handler", metavar="HANDLER", help="a handler.py or a project folder")
    parser.add_argument("--seed", type=int, default=0, help="everything random follows from it (default 0)")
    parser.add_argument("--strict", action="store_true", help="refuse what only the lab tolerates")
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


def sample(name: str) -> Path:
    """Return the path of a sample that comes with voicelab.

    Args:
        name: Its path under data/.

    Raises:
        InputError: this installation has no samples.
    """
    package = Path(__file__).resolve().parent
    for data in (package / "_data", package.parent / "data"):
        if (data / name).exists():
            return data / name
    raise InputError(f"The sample {name!r} isn't part of this installation; give the path of a handler of your own.")


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
    parser.add_argument("--json", action="store_true", help="print the events as JSON lines")


def _run(options: argparse.Namespace) -> None:
    import voicelab as vl

    if options.say and options.script:
        raise InputError("Give --say or --script, not both.")
    record = vl.run(
        vl.load_handler(options.handler, strict=options.strict),
        vl.Script.load(options.script) if options.script else options.say,
        seed=options.seed,
        parameters=_parameters(options),
        variables=options.variables,
        environment=options.environment,
        variants=_variants(options),
    )
    if options.json:
        for event in record.events:  # type: ignore[union-attr]  # one record, since no variants='each' is asked for
            _say(json.dumps(asdict(event), default=str, ensure_ascii=False))
    else:
        _say(str(record))
        for note in record.notes:  # type: ignore[union-attr]  # as above
            _say(f"    note  {note}")


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
    parser.add_argument("--quiet", action="store_true", help="no progress line")


def _simulate(options: argparse.Namespace) -> None:
    import voicelab as vl

    log = vl.simulate(
        vl.load_handler(options.handler, strict=options.strict),
        _callers(options),
        sessions=options.sessions,
        seed=options.seed,
        log=options.log,
        parameters=_parameters(options),
        variables=options.variables,
        environment=options.environment,
        variants=_variants(options),
        stopping=not options.no_stopping,
        workers=options.workers,
        resume=options.resume,
        overwrite=options.overwrite,
        progress=not options.quiet,
    )
    _say(f"{log!r}\n{_counts(log)}")


def _callers(options: argparse.Namespace) -> "CallerLike":
    import voicelab as vl

    if options.script and options.caller:
        raise InputError("Give --caller or --script, not both.")
    if options.script:
        return vl.Script.load(options.script)
    pairs = []
    for given in options.caller or ["cooperative"]:
        name, _, weight = given.partition("=")
        persona = getattr(vl.personas, name, None)
        if persona is None:
            raise InputError(f"--caller {name}: there is no such persona. There are: {', '.join(vars(vl.personas))}.")
        pairs.append((persona, _number(f"--caller {given}", weight) if weight else 1.0))
    return vl.mix(*pairs)


# --- analyze ---------------------------------------------------------------------------------------------------------


def _add_analyze(commands: "Commands") -> None:
    parser = _command(
        commands, "analyze", _analyze, "Decide a test of a log.", "voicelab analyze runs/first greeting_variant"
    )
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument("test", metavar="TEST", help="name of the test")
    parser.add_argument("--outcome", metavar="NAME", help="outcome to judge by (default: the test's own target)")
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
    parser.add_argument("--html", metavar="FILE", help="write the result card there")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def _analyze(options: argparse.Namespace) -> None:
    import voicelab as vl

    log = vl.open_log(options.log)
    asked = {"outcome": options.outcome, "by": options.by, "guardrails": options.guardrail, "unit": options.unit}
    result = vl.analyze(log, options.test, **asked)
    if options.method != "auto":
        result = vl.analyze(log, options.test, rule=dataclasses.replace(result.rule, method=options.method), **asked)
    if options.html:
        page = f'<!doctype html><meta charset="utf-8"><title>{options.test}</title>{result._repr_html_()}'
        try:
            Path(options.html).write_text(page, encoding="utf-8")
        except OSError as error:
            raise InputError(f"--html {options.html} can't be written: {error.strerror or error}.") from None
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

    try:
        weights = None if options.weights is None else json.loads(options.weights)
    except ValueError as error:
        raise InputError(f"--weights is no JSON: {error}.") from None
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        log = voicerun.read(options.files, options.log, weights=weights, overwrite=options.overwrite)
    for warning in noted:
        _say(f"! {warning.message}")
    counts = ", ".join(f"{n:,} {assignment}" for assignment, n in log.manifest["exposures"].items()) or "no test"
    _say(
        f"{log.manifest['sessions']:,} sessions from {len(log.manifest['imports']):,} files in {options.log} ({counts})"
    )


# --- helpers ---------------------------------------------------------------------------------------------------------


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{what}: {text!r} is no number.") from None


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
