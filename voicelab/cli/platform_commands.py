"""The commands that have to do with the platform: `import` its exports, `call` somebody."""

import argparse
import json
import warnings
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.cli.arguments import add_json, command, parameters, say, weights
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands


def add_import(commands: "Commands") -> None:
    """Add `import`."""
    parser = command(
        commands, "import", _import, "Read exports of VoiceRun into a log.", "voicelab import exports/ --log runs/live"
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="export, folder of exports or glob")
    parser.add_argument("--log", metavar="FOLDER", required=True, help="folder of the log to be written")
    parser.add_argument(
        "--weights", metavar="JSON", help='where no export says them: \'{"greeting": {"a": 0.5, "b": 0.5}}\''
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a log that is there")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    add_json(parser)


def add_pull(commands: "Commands") -> None:
    """Add `pull`."""
    parser = command(
        commands,
        "pull",
        _pull,
        "Fetch an agent's sessions from VoiceRun into a folder of exports; again, only what is new.",
        "voicelab pull AGENT_ID exports/ --from 2026-03-01T00:00:00Z --log runs/live",
    )
    parser.add_argument("agent", metavar="AGENT", help="the agent's id")
    parser.add_argument("folder", metavar="FOLDER", help="folder of the exports")
    parser.add_argument("--log", metavar="LOG", help="read them into this log, too")
    parser.add_argument("--overwrite", action="store_true", help="replace a log that is there")
    parser.add_argument("--status", metavar="STATUS", help="only sessions with this status, such as completed")
    parser.add_argument("--direction", metavar="DIRECTION", help="only inbound or outbound ones")
    parser.add_argument("--track", metavar="NAME", help="only those of a release track")
    parser.add_argument("--from", dest="since", metavar="TIME", help="only those that began then or later")
    parser.add_argument("--to", dest="until", metavar="TIME", help="only those that began then or before")
    parser.add_argument("--base-url", metavar="URL", help="where the platform is (default: VOICERUN_API_URL)")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    add_json(parser)


def _pull(options: argparse.Namespace) -> None:
    from voicelab import voicerun

    # The key has no option of its own: the list of processes and the shell's history would show it.
    client = voicerun.Client(base_url=options.base_url)
    names = ("status", "direction", "track", "since", "until")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said below
        folder = client.pull(
            options.agent,
            options.folder,
            progress=not options.quiet,
            **{name: getattr(options, name) for name in names},
        )
    options.files, options.weights = [str(folder)], None
    if options.json:
        imported = _imported(options) if options.log else None
        say_json({"exports": folder, "notes": [str(note) for note in client.notes], "import": imported})
        return
    for note in client.notes:
        say(f"! {note}")
    say(f"exports in {folder}")
    if options.log:
        _say_imported(_imported(options))


def _import(options: argparse.Namespace) -> None:
    imported = _imported(options)
    if options.json:
        say_json(imported)
    else:
        _say_imported(imported)


def _imported(options: argparse.Namespace) -> dict[str, Any]:
    """Read exports into a log, and return what came of it."""
    from voicelab import voicerun

    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        log = voicerun.read(
            options.files,
            options.log,
            weights=weights(options),
            overwrite=options.overwrite,
            progress=not options.quiet,
        )
    return {
        "log": options.log,
        "sessions": log.manifest["sessions"],
        "files": len(log.manifest["imports"]),
        "exposures": dict(log.manifest["exposures"]),
        "notes": [str(warning.message) for warning in noted],
    }


def _say_imported(imported: dict[str, Any]) -> None:
    for note in imported["notes"]:
        say(f"! {note}")
    counts = ", ".join(f"{n:,} {assignment}" for assignment, n in imported["exposures"].items()) or "no test"
    say(f"{imported['sessions']:,} sessions from {imported['files']:,} files in {imported['log']} ({counts})")


def add_call(commands: "Commands") -> None:
    """Add `call`."""
    parser = command(
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
    parser.add_argument(
        "--journal",
        metavar="FILE",
        help="where calls are noted (default voicerun-calls.jsonl in the working directory)",
    )
    parser.add_argument(
        "--call-id",
        metavar="ID",
        help="an id of your own: the same one is called once per journal, so give --journal where the folder changes",
    )
    parser.add_argument("--base-url", metavar="URL", help="where the platform is (default: VOICERUN_API_URL)")
    parser.add_argument("--curl", action="store_true", help="print the request as curl, and send nothing")
    parser.add_argument("--yes", action="store_true", help="call without asking")
    add_json(parser)


def _call(options: argparse.Namespace) -> None:
    from voicelab import voicerun
    from voicelab.voicerun.asking import can_ask

    # The key has no option of its own: the list of processes and the shell's history would show it.
    named = {"environment": options.environment} if options.environment is not None else {}
    call = voicerun.outbound_call(
        None if options.entrypoint else options.agent,
        options.number,
        parameters=parameters(options),
        base_url=options.base_url,
        entrypoint_id=options.agent if options.entrypoint else None,
        track=options.track,
        release_id=options.release,
        journal=options.journal,
        call_id=options.call_id,
        **named,
    )
    if options.curl:
        if options.json:
            say_json({"curl": call.curl})
        else:
            say(call.curl)
        return
    if options.json:
        answer = call.send(confirmed=True) if options.yes else None
        say_json({"call": str(call), "sent": options.yes, "answer": answer})
        if not options.yes:
            raise InputError("Nothing was sent: with --json nobody is asked. Add --yes to call.")
        return
    say(f"{call}\n")
    if options.yes or can_ask():
        say(f"{json.dumps(call.send(confirmed=options.yes), indent=2, ensure_ascii=False)}")
    else:
        raise InputError("Nothing was sent: nobody can be asked here. Add --yes to call.")
