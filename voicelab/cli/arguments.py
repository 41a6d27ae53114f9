"""What several commands have in common: how a command is added, options that are JSON, who calls."""

import argparse
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.paths import path_of
from voicelab.cli.output import say

if TYPE_CHECKING:
    from voicelab.callers import CallerLike, Persona
    from voicelab.change.replay import Replay

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


def command(
    commands: "Commands", name: str, function: Callable[[argparse.Namespace], None], description: str, example: str
) -> argparse.ArgumentParser:
    """Add a command and return its parser.

    Args:
        commands: The commands of `voicelab`.
        name: Its name.
        function: What it does with the options.
        description: What it does, in a sentence.
        example: A command line.
    """
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=description,
        description=description,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=function, parser=parser)
    return parser


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add `--json`, which every command takes: `cli/output` keeps stdout for that one document."""
    parser.add_argument(
        "--json", action="store_true", help="print one JSON document and nothing else (docs/agents.md has its fields)"
    )


def add_handler_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of a handler and of its sessions."""
    parser.add_argument("--seed", type=int, help="everything random follows from it (default 0)")
    parser.add_argument("--strict", action="store_true", help="refuse what only the lab tolerates")
    parser.add_argument("--environment", metavar="NAME", help="picks values.<NAME>.yaml (default development)")
    parser.add_argument("--tenant", metavar="NAME", help="lays the values in .voicerun/tenants/<NAME>/ on top")
    parser.add_argument("--variables", metavar="FILE", help="a .env file")
    parser.add_argument("--parameters", metavar="JSON", help='what get_data reads, e.g. \'{"customerName": "Alice"}\'')
    parser.add_argument(
        "--variant", metavar="TEST=VARIANT", action="append", default=[], help="force a variant; may be repeated"
    )


def from_json(option: str, text: str) -> Any:
    """Return what an option says as JSON, which has no number that is none or without end.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(text, parse_constant=_finite, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{option} is no JSON: {error}.") from None


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number of it")
    return number


def weights(options: argparse.Namespace) -> Any:
    """Return what `--weights` says as JSON, or None.

    Raises:
        InputError: it is no JSON.
    """
    return None if options.weights is None else from_json("--weights", options.weights)


def parameters(options: argparse.Namespace) -> dict[str, Any] | None:
    """Return what `--parameters` says, or None.

    Raises:
        InputError: it is no JSON object.
    """
    if options.parameters is None:
        return None
    parameters = from_json("--parameters", options.parameters)
    if not isinstance(parameters, dict):
        raise InputError('--parameters must be a JSON object, e.g. {"customerName": "Alice"}.')
    return parameters


def callers(options: argparse.Namespace) -> "CallerLike":
    """Return who calls, by `--caller` and `--script`; without either a cooperative persona.

    Raises:
        InputError: there is no such persona, or both are given.
    """
    import voicelab as vl

    if options.script and options.caller:
        raise InputError("Give --caller or --script, not both.")
    if options.script:
        return vl.Script.load(options.script)
    pairs = []
    for given in options.caller or ["cooperative"]:
        name, _, weight = given.partition("=")
        pairs.append((_persona("--caller", name), _number(f"--caller {given}", weight) if weight else 1.0))
    return vl.mix(*pairs)


def _persona(option: str, name: str, *, besides: Sequence[str] = ()) -> "Persona":
    import voicelab as vl

    persona = next((persona for persona in vl.personas if persona.name == name), None)
    if persona is None:
        names = [*besides, *(persona.name for persona in vl.personas)]
        what = "no such persona" if not besides else "no such way"
        raise InputError(f"{option} {name}: there is {what}. There are: {', '.join(names)}.{did_you_mean(name, names)}")
    return persona


def replayed(options: argparse.Namespace) -> "Replay":
    """Return the callers of the log that `--replay` names.

    Raises:
        InputError: other callers are given as well, or `--on-difference` is none.
    """
    import voicelab as vl

    if options.caller or options.script or options.spec or options.name or options.audio:
        raise InputError("Give --replay LOG, or --caller, --script or --spec, not both.")
    then = options.on_difference or "keep"
    ways = ("keep", "stop")
    return vl.Replay(options.replay, then if then in ways else _persona("--on-difference", then, besides=ways))


def variants(options: argparse.Namespace) -> dict[str, str] | None:
    """Return the variants that `--variant` forces, by test, or None.

    Raises:
        InputError: one is not written TEST=VARIANT.
    """
    pairs = [given.partition("=") for given in options.variant]
    for test, equals, variant in pairs:
        if not (test and equals and variant):
            raise InputError(f"--variant {test}{equals}{variant}: write TEST=VARIANT, e.g. greeting=formal.")
    return {test: variant for test, _, variant in pairs} or None


def _number(what: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{what}: {text!r} is no number.") from None


def make_reports_folder(report: str) -> None:
    """Make the folder that `--junit` names, as pytest does, before anything is run.

    Raises:
        InputError: the report can't be written there.
    """
    path = path_of("--junit", report, "report.xml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        why = "it is a folder" if path.is_dir() else ""
    except OSError as error:
        why = str(error.strerror)
    if why:
        raise InputError(f"The report {str(path)!r} can't be written: {why}.")


def refuse_nowhere(option: str, file: str | None) -> None:
    """Refuse a file whose folder isn't there before anything is run, which may take long."""
    folder = None if file is None else Path(file).absolute().parent
    if folder is not None and not folder.is_dir():
        raise InputError(f"{option} {file}: there is no folder {str(folder)!r}. Make it first.")


__all__ = [
    "Commands",
    "add_handler_options",
    "add_json",
    "callers",
    "command",
    "from_json",
    "make_reports_folder",
    "parameters",
    "refuse_nowhere",
    "say",
    "variants",
    "weights",
]
