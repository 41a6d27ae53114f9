"""What several commands have in common: how a command is added, options that are JSON, and printing."""

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from voicelab.base.errors import InputError

if TYPE_CHECKING:
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


def say(text: str) -> None:
    """Print a text at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def weights(options: argparse.Namespace) -> Any:
    """Return what `--weights` says as JSON, or None.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return None if options.weights is None else json.loads(options.weights)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--weights is no JSON: {error}.") from None


def parameters(options: argparse.Namespace) -> dict[str, Any] | None:
    """Return what `--parameters` says, or None.

    Raises:
        InputError: it is no JSON object.
    """
    if options.parameters is None:
        return None
    try:
        parameters = json.loads(options.parameters)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--parameters is no JSON: {error}.") from None
    if not isinstance(parameters, dict):
        raise InputError('--parameters must be a JSON object, e.g. {"customerName": "Alice"}.')
    return parameters
