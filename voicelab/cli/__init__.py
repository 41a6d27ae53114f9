"""The `voicelab` command.

In comes a command line; out go text, or with `--json` a document, and an exit code.

- `session_commands` has `demo`, `run` and `simulate`, `decision_commands` `analyze`, `compare_command` `compare`,
  `platform_commands` `import`, `pull` and `call`, `evaluate_command` has `evaluate`, `export_command` `export`,
  `serve_command` `serve`, `test_command` `test`, `doctor_command` `doctor`, `log_commands` the group `log`.
- `failure_commands` has `failures` and `shrink`.
- `say_command` has `say`, a conversation of one turn a command; `conversation_file` is the file that keeps it.
- `arguments` is what they have in common, `what_sessions_meet` has options of theirs; `output` prints text, or with `--json`
  one document; `doctor_report` shows what the doctor found, `sound_devices` are this machine's.
"""

import argparse
import contextlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any, NoReturn

from voicelab.base.errors import GuideCompatWarning, VoicelabError, did_you_mean
from voicelab.base.printable import printable, shortened
from voicelab.base.version import __version__
from voicelab.cli.compare_command import add_compare
from voicelab.cli.decision_commands import add_analyze
from voicelab.cli.doctor_command import add_doctor
from voicelab.cli.evaluate_command import add_evaluate
from voicelab.cli.export_command import add_export
from voicelab.cli.failure_commands import add_failures, add_shrink
from voicelab.cli.log_commands import add_log
from voicelab.cli.output import json_alone, let_go, say_error
from voicelab.cli.platform_commands import add_call, add_import, add_pull
from voicelab.cli.say_command import add_say
from voicelab.cli.serve_command import add_serve
from voicelab.cli.session_commands import add_demo, add_run, add_simulate
from voicelab.cli.test_command import add_test

EXAMPLES = """examples:
  voicelab demo
  voicelab run clinic --say "hello" --say "yes please"
  voicelab say talk.json "hello" --handler clinic
  voicelab run handler.py --script data/scripts/booking.json --variant greeting=formal
  voicelab simulate clinic -n 10000 --seed 7 --log runs/clinic
  voicelab analyze runs/clinic --outcome booked --outcome duration_s --html result.html
  voicelab analyze runs/clinic greeting
  voicelab simulate my-agent --spec rendered.json --caller cooperative --log runs/spec
  voicelab test scenarios/ --junit report.xml
  voicelab compare HEAD~1:agents/clinic agents/clinic --max-drop booked=0.01
  voicelab evaluate runs/clinic my-agent/.voicerun/templates/evaluator.yaml
  voicelab failures runs/clinic --failure 'booked < 1'
  voicelab shrink clinic runs/clinic 12 --failure 'booked < 1' --test tests/test_booking.py
  voicelab log check runs/clinic
  voicelab pull AGENT_ID exports/ --log runs/live
  voicelab call AGENT_ID +14155550123
  voicelab serve handler.py --port 8080 --log runs/talks
  voicelab doctor
"""

# Exit codes: 0 done, 1 a stated error, 2 the command line is off (argparse), 130 stopped by Ctrl-C.
_LONGEST = 500
FAILED, MISUSED, INTERRUPTED = 1, 2, 130
# As argparse lets it be shortened: stdout is kept for the document before anything is parsed.
_JSON = frozenset({"--j", "--js", "--jso", "--json"})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code.

    Args:
        arguments: The command line after the program's name; None for the process's own.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    before = given[: given.index("--")] if "--" in given else given
    as_json = not _JSON.isdisjoint(before)
    with json_alone() if as_json else contextlib.nullcontext():
        return _run(given, as_json=as_json)


def _run(given: list[str], *, as_json: bool) -> int:
    parser = parser_of_commands()
    if not given:
        parser.print_help(sys.stderr)
        return MISUSED
    try:
        options, unknown = parser.parse_known_args(given)
        if unknown:
            options.parser.error(_unknown(options.parser, unknown))
    except MisuseError as error:
        if as_json:
            say_error(error, str(error), MISUSED)
        else:
            error.parser.print_usage(sys.stderr)
            sys.stderr.write(f"{error.parser.prog}: error: {error}\n")
        raise SystemExit(MISUSED) from None
    try:
        with warnings.catch_warnings():
            # The commands count portability notes themselves, and list them where that is asked for.
            warnings.simplefilter("ignore", GuideCompatWarning)
            options.command(options)
    except VoicelabError as error:
        message = " ".join(str(error).split())
        if as_json:
            say_error(error, message, FAILED)
        else:
            sys.stderr.write(f"voicelab: {message}\n")
        return FAILED
    except KeyboardInterrupt as error:
        if as_json:
            say_error(error, "Stopped by Ctrl-C.", INTERRUPTED)
        return INTERRUPTED
    except BrokenPipeError:  # of what others print, such as pytest: whether all is well isn't known
        let_go(sys.stdout)
        return FAILED
    return 0


class MisuseError(Exception):
    """A command line that is off.

    Args:
        parser: Of the command.
        message: What is wrong with it.
    """

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """A parser that says of an unknown command which is the nearest, whatever it is that was typed."""

    def error(self, message: str) -> NoReturn:
        raise MisuseError(self, shortened(printable(message), _LONGEST))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            near = did_you_mean(value, action.choices)
            self.error(f"there is no command {value!r}.{near} There are {', '.join(action.choices)}.")
        super()._check_value(action, value)


def parser_of_commands() -> argparse.ArgumentParser:
    """Return what reads a command line, with every command in it."""
    parser: argparse.ArgumentParser = _Parser(
        prog="voicelab",
        description="The notebook lab for VoiceRun voice agents.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"voicelab {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_demo(commands)
    add_run(commands)
    add_say(commands)
    add_simulate(commands)
    add_test(commands)
    add_analyze(commands)
    add_compare(commands)
    add_evaluate(commands)
    add_export(commands)
    add_import(commands)
    add_pull(commands)
    add_call(commands)
    add_serve(commands)
    add_failures(commands)
    add_shrink(commands)
    add_log(commands)
    add_doctor(commands)
    return parser


def _unknown(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> str:
    """Return what is wrong with arguments that a command doesn't know, with the nearest that it does."""
    options = [option for action in parser._actions for option in action.option_strings]
    near = next((hint for a in arguments if a.startswith("-") if (hint := did_you_mean(a, options))), "")
    late = " What has no name stands before the options." if any(not a.startswith("-") for a in arguments) else ""
    return f"there is no {' '.join(arguments)}.{near or late}"
