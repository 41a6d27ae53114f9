"""The commands that show how a log's sessions failed, and that make one of them as short as it can be: `failures`, `shrink`."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.cli.arguments import add_json, command, refuse_nowhere
from voicelab.cli.output import say, say_json

if TYPE_CHECKING:
    from voicelab.cli.arguments import Commands
    from voicelab.record.failure import FailureLike

_FAILURE = "an exception, 'status == hangup', 'booked < 1', the name or file of an evaluator, or a predicate as JSON"


def add_failures(commands: "Commands") -> None:
    """Add `failures`."""
    parser = command(
        commands,
        "failures",
        _failures,
        "Show how the sessions of a log failed, by cause, the commonest first.",
        "voicelab failures runs/first --failure errors --failure 'booked < 1'",
    )
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument(
        "--failure",
        metavar="FAILURE",
        action="append",
        default=[],
        help=f"what is one: errors, {_FAILURE}; may be repeated (default: errors, early ends, evaluators)",
    )
    add_json(parser)


def _failures(options: argparse.Namespace) -> None:
    import voicelab as vl

    log = vl.open_log(options.log)
    frame = log.failures(*map(_asked, options.failure))
    if options.json:
        say_json({"log": options.log, "failures": frame.astype(object).to_dict("records")})
        return
    if frame.empty:
        say("No session failed.")
    for row in frame.to_dict("records"):
        say("\n".join(_described(row)))


def _described(row: "dict[Any, Any]") -> list[str]:
    """Return lines on a cause: how many sessions, who they are, and one of them."""
    lines = [f"{row['n_sessions']:>8,} ({row['share']:.1%})  {row['failure']}  {row['cause']}"]
    if row["by_variant"]:
        lines.append(f"          variants: {_counts(row['by_variant'])}")
    lines.append(f"          callers: {_counts(row['by_caller'])}")
    message = " ".join(str(row["message"]).split())
    lines.append(f"          session {row['session_index']} ({row['session_id']}), row {row['seq']}: {message}")
    return lines


def _counts(by: "dict[str, int]") -> str:
    return ", ".join(f"{name} {n:,}" for name, n in by.items())


def add_shrink(commands: "Commands") -> None:
    """Add `shrink`."""
    parser = command(
        commands,
        "shrink",
        _shrink,
        "Find the shortest conversation that still fails as a session of a log did.",
        "voicelab shrink handler.py runs/first 1204 --test tests/test_refund.py",
    )
    parser.add_argument("handler", metavar="HANDLER", help="a handler.py or a project folder")
    parser.add_argument("log", metavar="LOG", help="folder of the log")
    parser.add_argument("session", metavar="SESSION", help="id or index of the session")
    parser.add_argument("--failure", metavar="FAILURE", help=f"what it failed by: errors, {_FAILURE}")
    parser.add_argument("--test", metavar="FILE", help="write a pytest there that fails while the bug is there")
    parser.add_argument(
        "--max-runs", metavar="N", type=int, default=2_000, help="the most sessions to run (default 2000)"
    )
    parser.add_argument("--variables", metavar="FILE", help="a .env file")
    parser.add_argument("--environment", metavar="NAME", help="picks values.<NAME>.yaml (default: that of the session)")
    parser.add_argument("--tenant", metavar="NAME", help="lays the values in .voicerun/tenants/<NAME>/ on top")
    add_json(parser)


def _shrink(options: argparse.Namespace) -> None:
    import voicelab as vl

    refuse_nowhere("--test", options.test)
    session = vl.open_log(options.log).session(_session(options.session))
    handler = vl.load_handler(
        options.handler,
        variables=options.variables,
        environment=options.environment or session.environment or "development",
        tenant=options.tenant,
    )
    failure = None if options.failure is None else _asked(options.failure)
    shrunk = session.shrink(failure, handler=handler, max_runs=options.max_runs)
    if options.test:
        shrunk.to_test(options.test)
    if options.json:
        say_json({**shrunk.to_json(), "test": options.test})
        return
    say(f"{shrunk}\n\n{shrunk.to_call()}")
    if options.test:
        say(f"\n{options.test} fails while the bug is there.")


def _session(given: str) -> str | int:
    """Return a session's index, or its id: sixteen hexadecimal digits, which may all be figures."""
    return int(given) if given.isdigit() and len(given) < 16 else given  # noqa: PLR2004 - as ids are made


def _asked(given: str) -> "FailureLike":
    if not given.lstrip().startswith("{"):
        return given
    try:
        predicate: dict[str, Any] = json.loads(given)
        return predicate
    except ValueError as error:
        raise InputError(f"The predicate is no JSON: {error}.") from None
