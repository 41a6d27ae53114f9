"""The commands `voicelab log info | check | compact | redact`."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from voicelab.base.errors import LogError
from voicelab.base.paths import path_of
from voicelab.cli.arguments import add_json, say
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands


def add_log(commands: "Commands") -> None:
    """Add the group of commands.

    Args:
        commands: The commands of `voicelab`.
    """
    description = "See what stands in a log, check it, compact it, redact it."
    group = commands.add_parser("log", help=description, description=description)
    of_log = group.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add(of_log, "info", _info, "Say what stands in a log: sessions, statuses, tables and their sizes, tests.")
    _add(of_log, "check", _check, "Compare every byte of a log with its checksums; exit with 1 if it is damaged.")
    _add(of_log, "compact", _compact, "Join a log's many files to few; what stands in them stays the same.")
    parser = _add(
        of_log, "redact", _redact, "Write a copy of a log in which what a pattern finds is masked, without recordings."
    )
    parser.add_argument("copy", metavar="COPY", help="folder of the copy; the log itself stays as it is")
    parser.add_argument(
        "--pattern",
        metavar="REGEX",
        action="append",
        required=True,
        help=r"regular expression of what is masked, such as '\+?[0-9][0-9 ]{5,}'; may be repeated",
    )


def _add(
    commands: "Commands", name: str, function: Callable[[argparse.Namespace], None], description: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=description, description=description)
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    add_json(parser)
    parser.set_defaults(command=function, parser=parser)
    return parser


def _info(options: argparse.Namespace) -> None:
    from voicelab.log.info import describe_log, facts_of_log

    root = path_of("LOG", options.log, "runs/greeting")
    if options.json:
        say_json(facts_of_log(root))
    else:
        say(describe_log(root))


def _check(options: argparse.Namespace) -> None:
    from voicelab.log.manifest import read_manifest
    from voicelab.log.verify import read_through

    root = path_of("LOG", options.log, "runs/greeting")
    found = read_through(root, read_manifest(root))
    if options.json:
        damage = [
            {
                name: getattr(damaged, name)
                for name in ("file", "problem", "first_session", "last_session", "n_sessions")
            }
            for damaged in found.damage
        ]
        facts = {"sound": found.sound, "checksums": found.checksums, "files": found.n_files, "bytes": found.n_bytes}
        say_json({"log": root, **facts, "damage": damage})
    else:
        say(str(found))
    if not found.sound:
        raise LogError(f"{root} is damaged.")


def _compact(options: argparse.Namespace) -> None:
    from voicelab.log.compact import compact

    before, after = compact(path_of("LOG", options.log, "runs/greeting"))
    if options.json:
        say_json({"log": options.log, "files_before": before, "files": after})
    else:
        say(f"{options.log}: {after:,} files a table, of {before:,}.")


def _redact(options: argparse.Namespace) -> None:
    from voicelab.log.redact import redact

    root, copy = path_of("LOG", options.log, "runs/greeting"), path_of("COPY", options.copy, "runs/greeting")
    counts = redact(root, copy, options.pattern)
    left_out = any((root / "audio").glob("*.wav"))
    if options.json:
        say_json({"log": root, "copy": copy, "masked": dict(sorted(counts.items())), "recordings_left_out": left_out})
        return
    masked = (
        ", ".join(f"{n:,} in {column}" for column, n in sorted(counts.items())) or "none: the patterns find nothing"
    )
    say(f"{copy}: texts masked: {masked}.")
    if left_out:
        say("Its recordings are left out: a pattern finds nothing in a voice.")
