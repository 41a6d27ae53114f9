"""The command that decides: `analyze`."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from voicelab.base.errors import InputError
from voicelab.cli.arguments import add_json, command, say, weights
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands
    from voicelab.decision.guardrails import Guardrail


def add_analyze(commands: "Commands") -> None:
    """Add `analyze`."""
    parser = command(
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
        "--guardrail",
        metavar="NAME[=MARGIN]",
        action="append",
        default=[],
        help="outcome that no variant may harm, and by how much it may be worse (dead_air_s=0.5; booked=-0.01 may fall by that); "
        "may be repeated",
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
    add_json(parser)


def _analyze(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.plots.to_file import plot_to_file

    log = vl.open_log(options.log)
    asked = {
        "outcome": options.outcome,
        "by": options.by,
        "guardrails": _guardrails(options.guardrail),
        "unit": options.unit,
    }
    asked["weights"] = weights(options)
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
    if options.json:
        say_json(result.to_json())
    else:
        say(str(result))


def _guardrails(given: list[str]) -> "list[Guardrail]":
    """Return the guardrails that are asked for: a number after the last = is a margin, anything else part of the name."""
    from voicelab.decision.guardrails import Guardrail, read_guardrails

    found: list[Guardrail] = []
    for text in given:
        name, _, end = text.rpartition("=")
        margin = _number(end) if name else None
        found += read_guardrails([text] if margin is None else {name: margin})
    return found


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
