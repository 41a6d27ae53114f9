"""The command that compares two versions of a handler: `compare`."""

import argparse
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError, VoicelabError
from voicelab.cli.arguments import add_json, callers, command, make_reports_folder, parameters, refuse_nowhere, variants
from voicelab.cli.output import say, say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands
    from voicelab.decision.guardrails import Direction

_DIRECTIONS: "dict[str, Direction]" = {"max_drop": "maximize", "max_rise": "minimize"}


def add_compare(commands: "Commands") -> None:
    """Add `compare`."""
    parser = command(
        commands,
        "compare",
        _compare,
        "Run two versions of a handler on the same callers; exit with 1 unless the new one is shown not to be worse.",
        "voicelab compare HEAD~1:agents/clinic agents/clinic --max-drop booked=0.01 --junit out.xml",
    )
    parser.add_argument("old", metavar="OLD", help="a handler.py, a project folder, or REVISION:PATH of git")
    parser.add_argument("new", metavar="NEW", help="the version that is to replace it, in the same forms")
    parser.add_argument("-n", "--sessions", type=int, help="pairs, declared (default: until decided, 10000 at most)")
    parser.add_argument("--seed", type=int, default=0, help="everything random follows from it (default 0)")
    parser.add_argument("--outcome", metavar="NAME", help="what decides (default: the first that is allowed to change)")
    for option, words in (("drop", "fall"), ("rise", "grow")):
        parser.add_argument(
            f"--max-{option}",
            metavar="NAME=MARGIN",
            action="append",
            default=[],
            help=f"an outcome that may {words} by so much at most, in its own units; may be repeated",
        )
    _add_how(parser)


def _add_how(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--caller", metavar="NAME[=WEIGHT]", action="append", default=[], help="a stock persona; may be repeated"
    )
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts that each caller goes through")
    parser.add_argument(
        "--evaluator", metavar="FILE", action="append", default=[], help="asked of each session; may be repeated"
    )
    parser.add_argument("--environment", metavar="NAME", help="picks values.<NAME>.yaml (default development)")
    parser.add_argument("--variables", metavar="FILE", help="a .env file")
    parser.add_argument("--parameters", metavar="JSON", help='what get_data reads, e.g. \'{"customerName": "Alice"}\'')
    parser.add_argument(
        "--variant", metavar="TEST=VARIANT", action="append", default=[], help="force a variant in both"
    )
    parser.add_argument(
        "--log", metavar="FOLDER", help="keep both logs there, in old/ and new/ (default: a temporary one)"
    )
    parser.add_argument("--workers", type=int, help="child processes (default: one a processor)")
    parser.add_argument("--resume", action="store_true", help="go on with unfinished logs")
    parser.add_argument("--overwrite", action="store_true", help="replace other logs")
    parser.add_argument("--junit", metavar="FILE", help="write JUnit XML there")
    parser.add_argument("--html", metavar="FILE", help="write the card there, as a page of its own")
    add_json(parser)
    parser.add_argument("--quiet", action="store_true", help="no progress line, and of the result the verdict alone")


def _compare(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.change.junit import write_junit

    refuse_nowhere("--html", options.html)
    if options.junit:
        make_reports_folder(options.junit)
    compared = vl.compare(
        options.old,
        options.new,
        callers(options),
        sessions=options.sessions,
        seed=options.seed,
        parameters=parameters(options),
        variables=options.variables,
        environment=options.environment,
        variants=variants(options),
        evaluators=options.evaluator or None,
        log=options.log,
        workers=options.workers,
        progress=not (options.quiet or options.json),
        resume=options.resume,
        overwrite=options.overwrite,
        **_judged_by(options),
    )
    if options.junit:
        write_junit(compared, options.junit)
    if options.html:
        compared.to_html(options.html)
    if options.json:
        say_json(compared.to_json())
    else:
        if not options.quiet:
            say(f"{compared}\n")
        say(f"{'PASS' if compared.passed else 'FAIL'}: {compared.decision.sentence}")
    if not compared.passed:
        raise VoicelabError(f"The comparison failed: {'; '.join(compared.failures)}.")


def _judged_by(options: argparse.Namespace) -> dict[str, Any]:
    """Return outcome, margin, direction and guardrails, as `vl.compare` takes them."""
    import voicelab as vl

    allowed = [
        (*_allowed(f"--{option.replace('_', '-')}", given), direction)
        for option, direction in _DIRECTIONS.items()
        for given in getattr(options, option)
    ]
    names = [name for name, _, _ in allowed]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{twice[0]} is named twice: one of --max-drop and --max-rise, once, for each outcome.")
    # The one that decides: as named, else the first.
    outcome = options.outcome or (allowed[0][0] if allowed else None)
    own = next(((margin, direction) for name, margin, direction in allowed if name == outcome), (0.0, None))
    return {
        "outcome": outcome,
        "margin": own[0],
        "direction": own[1],
        "guardrails": [
            vl.Guardrail(name, margin=margin, direction=direction)
            for name, margin, direction in allowed
            if name != outcome
        ],
    }


def _allowed(option: str, given: str) -> tuple[str, float]:
    name, equals, text = given.rpartition("=")
    try:
        margin = float(text)
    except ValueError:
        margin = -1.0
    if not (name and equals and margin >= 0):
        raise InputError(f"{option} {given}: write NAME=MARGIN, e.g. booked=0.01, which of a rate is one point.")
    return name, margin
