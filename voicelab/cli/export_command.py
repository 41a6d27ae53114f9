"""The command that hands a session over: `export`."""

import argparse
from typing import TYPE_CHECKING

from voicelab.cli.arguments import add_json, command, say
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands


def add_export(commands: "Commands") -> None:
    """Add `export`."""
    parser = command(
        commands,
        "export",
        _export,
        "Write a session of a log as VoiceRun's debugger exports one: its Import opens it.",
        "voicelab export runs/first --session 17 --output session.json",
    )
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument("--session", metavar="ID", required=True, help="id of the session, or its index")
    parser.add_argument("--output", metavar="FILE", help="where to (default: print it)")
    add_json(parser)


def _export(options: argparse.Namespace) -> None:
    import voicelab as vl
    from voicelab.base.errors import InputError
    from voicelab.record.debugger_rows import rows_as_json

    log = vl.open_log(options.log)
    try:
        record = log.session(options.session)
    except InputError:
        if not options.session.isdecimal():
            raise
        record = log.session(int(options.session))
    if options.output:
        path = record.to_debugger(options.output)
        if options.json:
            say_json({"session": record.session_id, "file": path})
        else:
            say(str(path))
    else:
        # An export is JSON as it stands.
        say(rows_as_json(record.debugger_rows()).rstrip("\n"))
