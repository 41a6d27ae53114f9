"""The command `serve`: a handler, or a log, served to VoiceRun's own command line and debugger until Ctrl-C."""

import argparse
import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from voicelab.cli.arguments import add_json, callers, command, parameters, say, variants
from voicelab.cli.output import say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands


def add_serve(commands: "Commands") -> None:
    """Add `serve`."""
    parser = command(
        commands,
        "serve",
        _serve,
        "Serve a handler, or a log, to VoiceRun's own command line and debugger on this machine.",
        "voicelab serve handler.py --port 8080 --log runs/talks",
    )
    parser.add_argument(
        "handler",
        metavar="HANDLER",
        nargs="?",
        help="a handler.py or a project folder; none to read a log alone (--log)",
    )
    parser.add_argument("--port", type=int, default=0, help="the port (default: one that is free)")
    parser.add_argument("--host", default="127.0.0.1", help="what to listen on (default 127.0.0.1: this machine alone)")
    parser.add_argument("--log", metavar="FOLDER", help="the log that sessions are added to, or that is read")
    parser.add_argument("--seed", type=int, help="everything random follows from it (default: drawn)")
    parser.add_argument(
        "--environment", metavar="NAME", help="picks values.<NAME>.yaml, unless a request names another"
    )
    parser.add_argument("--variables", metavar="FILE", help="a .env file")
    parser.add_argument("--parameters", metavar="JSON", help='what get_data reads, e.g. \'{"customerName": "Alice"}\'')
    parser.add_argument(
        "--variant", metavar="TEST=VARIANT", action="append", default=[], help="force a variant; may be repeated"
    )
    parser.add_argument(
        "--caller",
        metavar="NAME[=WEIGHT]",
        action="append",
        default=[],
        help="who picks up outbound calls: a stock persona; may be repeated (default: cooperative)",
    )
    parser.add_argument("--script", metavar="FILE", help="a JSON array of texts that whoever picks up goes through")
    parser.add_argument(
        "--stt", metavar="NAME", default="auto", help="what listens to the debugger's microphone (default auto)"
    )
    parser.add_argument(
        "--tts", metavar="NAME", default="auto", help="what speaks in the debugger's window (default auto)"
    )
    parser.add_argument(
        "--keep-audio", action="store_true", help="keep what spoken sessions sounded like beside the log"
    )
    add_json(parser)


def _serve(options: argparse.Namespace) -> None:
    import voicelab as vl

    server = vl.serve(
        options.handler,
        port=options.port,
        log=options.log,
        host=options.host,
        caller=callers(options),
        seed=options.seed,
        environment=options.environment,
        variables=options.variables,
        parameters=parameters(options),
        variants=variants(options),
        stt=options.stt,
        tts=options.tts,
        keep_audio=options.keep_audio,
    )
    with server, _told_to_end() as end:
        if options.json:
            # At once: who starts it has to know where it listens.
            say_json({"url": server.url, "log": options.log, "pid": os.getpid()})
        else:
            say(f"{server}\n\nCtrl-C ends it.")
        # In short steps: on Windows a signal is looked at between two of them only.
        while not end.wait(0.5):
            pass
    if not options.json:
        say(f"{server!r}")


@contextlib.contextmanager
def _told_to_end() -> Iterator[threading.Event]:
    """Have an event that Ctrl-C sets, or whoever tells the process to end: who talks then is hung up, and logged."""
    end = threading.Event()

    def set_end(*_: Any) -> None:
        end.set()

    before = {number: signal.signal(number, set_end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield end
    finally:
        # A second Ctrl-C doesn't wait for a handler's cleanup.
        for number, handler in before.items():
            signal.signal(number, handler)
