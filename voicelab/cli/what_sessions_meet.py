"""What a session meets, on the command line: options of a run that are JSON, in the command line or in a file."""

import argparse
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.cli.arguments import from_json

_JSON = {
    "world": (
        "NAME|JSON|FILE",
        "what lies between caller and agent: mobile, landline, or '{\"recognition_errors\": 0.05}'",
    ),
    "http": ("JSON|FILE", 'replies to requests over HTTP, by pattern: \'{"GET .*/orders": {"ok": true}}\''),
    "input_data": ("JSON|FILE", "what it reads as context.input_data"),
    "shared_data": ("JSON|FILE", "what it reads with primfunctions.shared_data, by key"),
    "limits": ("JSON|FILE", "how much one session may take: '{\"cpu_s\": 60}'"),
}
"""By the option's name as the functions have it: what is given, and what for."""


def add_surroundings(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what a session meets."""
    parser.add_argument("--start", metavar="TIME", help="date and time at which every session begins: 2026-03-02T09:30")
    for name, (metavar, what) in _JSON.items():
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=what)


def surroundings(options: argparse.Namespace) -> dict[str, Any]:
    """Return these options as `vl.run` and `vl.simulate` take them: those that are given.

    Raises:
        InputError: one is no JSON, or isn't allowed.
    """
    from voicelab.testing.scenario_file import checked_option

    found = {} if options.start is None else {"start": options.start}
    for name in _JSON:
        given = getattr(options, name)
        if given is not None:
            value = _value(f"--{name.replace('_', '-')}", given, may_be_a_name=name == "world")
            found[name] = checked_option(name, value)
    return found


def _value(option: str, given: str, *, may_be_a_name: bool) -> Any:
    text = given
    if not given.lstrip().startswith(("{", "[")):
        path = path_of(option, given, "options.json")
        if may_be_a_name and not path.suffix:
            return given
        if not path.is_file():
            raise InputError(f"{option} {given}: there is no such file, and JSON begins with {{.")
        try:
            text = path.read_text(encoding="utf-8-sig")
        except (OSError, ValueError) as error:
            raise InputError(f"{option} {given}: it can't be read: {error}.") from None
    return from_json(option, text)
