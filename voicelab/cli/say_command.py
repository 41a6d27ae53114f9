"""The command `say`: a conversation of one turn a command. `conversation_file` keeps what was said and what it began with.

Each command runs the conversation from its start, without its newest input and with it; what differs is what happened since.
Where the agent says other words than it said last time, the handler has changed, and that is told as well.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import voicelab as vl
from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.cli.arguments import add_handler_options, add_json, command, parameters, say, variants
from voicelab.cli.conversation_file import Conversation, held, is_empty, read_conversation, write_conversation
from voicelab.cli.output import say_json
from voicelab.record.lines import clock_text, lines_in_order, text_line
from voicelab.record.session_record import SessionRecord
from voicelab.runs.findings import Findings, tell
from voicelab.runs.jobs import Job, opening_alone, play
from voicelab.runs.options import SessionOptions

if TYPE_CHECKING:
    from voicelab.base.records import Event
    from voicelab.cli.arguments import Commands
    from voicelab.record.lines import Line

_TRANSFER = "transfer"
# What a conversation begins with, and keeps.
_KEPT = ("seed", "strict", "environment", "tenant", "variables", "parameters", "variant")


def add_say(commands: "Commands") -> None:
    """Add `say`."""
    parser = command(
        commands,
        "say",
        _say,
        "Hold a conversation one turn a command: STATE keeps it, and each command runs it again from its start.",
        'voicelab say talk.json "hello" --handler handler.py --seed 7\n  voicelab say talk.json "yes please"',
    )
    parser.add_argument("state", metavar="STATE", help="file of the conversation (JSON)")
    parser.add_argument("text", metavar="TEXT", nargs="?", help="what the caller says now")
    parser.add_argument("--press", metavar="KEYS", help="the caller presses keys, such as 1 or 42#")
    parser.add_argument("--silence", metavar="SECONDS", type=float, help="the caller stays silent")
    parser.add_argument("--interrupt", metavar="TEXT", help="the caller speaks into the agent's last answer")
    parser.add_argument(
        "--after-s", metavar="SECONDS", type=float, help="with --interrupt: after so much of the answer (default 1)"
    )
    parser.add_argument("--hang-up", action="store_true", help="the caller leaves")
    parser.add_argument("--undo", action="store_true", help="take the last input back")
    parser.add_argument("--show", action="store_true", help="show the whole conversation")
    parser.add_argument(
        "--handler", metavar="HANDLER", help="begin a conversation with a handler.py or a project folder"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="with --handler: in the place of the one that is there"
    )
    add_handler_options(parser)
    add_json(parser)


def _say(options: argparse.Namespace) -> None:
    path = path_of("STATE", options.state, "talk.json")
    if path.is_symlink():  # the file that it leads to is the conversation, and stays where it is
        path = path.resolve()
    entry = _entry(options)
    with held(path):
        conversation = _begun(path, options) if options.handler is not None else _gone_on(path, options)
        if options.undo and not conversation.inputs:
            raise InputError(f"There is nothing to take back in {str(path)!r}: the caller has done nothing yet.")
        runner = _Runner(conversation)
        before = runner.run(len(conversation.inputs))
        differs = None if options.handler is not None else _differs(conversation, before)
        if entry is not None and before.ended:
            raise InputError(
                f"The conversation has ended ({before.ended}). --undo takes the last input back, --show shows it all."
            )
        if options.undo:
            conversation.inputs.pop()
        if entry is not None:
            conversation.inputs.append(entry)
            conversation.actions()
        now = before if not (entry or options.undo) else runner.run(len(conversation.inputs))
        conversation.heard = now.agent
        write_conversation(path, conversation)
    shown_all = options.show or options.handler is not None or options.undo
    _tell(
        options,
        conversation,
        now,
        [] if shown_all else now.since(before) if entry else [],
        differs,
        all_of_it=shown_all,
    )
    tell(remark for remark in now.remarks if options.handler is not None or (entry and remark not in before.remarks))


# --- what is asked ---


def _entry(options: argparse.Namespace) -> dict[str, Any] | None:
    """Return the input that a command line gives, as the file has it; None if it gives none.

    Raises:
        InputError: there are two, or what doesn't go together.
    """
    given = {
        "say": options.text,
        "press": options.press,
        "silence": options.silence,
        "interrupt": options.interrupt,
        "hang_up": options.hang_up or None,
    }
    entries = {kind: value for kind, value in given.items() if value is not None}
    asked = [*entries, *(name for name in ("undo", "show") if getattr(options, name))]
    if len(asked) > 1:
        raise InputError(f"Give one of {', '.join(asked)}: a command is one turn.")
    if options.after_s is not None and "interrupt" not in entries:
        raise InputError("--after-s says when an interruption comes: give --interrupt TEXT with it.")
    if not asked and options.handler is None:
        raise InputError(
            "Give what the caller does: TEXT, --press, --silence, --interrupt or --hang-up; or --undo, or --show."
        )
    if entries and options.after_s is not None:
        entries["after_s"] = options.after_s
    if entries:
        Conversation("", {}, [entries]).actions()
    return entries or None


def _begun(path: Path, options: argparse.Namespace) -> Conversation:
    if options.undo or options.show:
        raise InputError("--handler begins a conversation: give --undo and --show without it.")
    if path.exists() and not options.overwrite:
        raise InputError(
            f"{str(path)!r} is there already. --overwrite begins anew in its place; without --handler it goes on."
        )
    if path.exists() and not is_empty(path):
        read_conversation(path)  # what is no conversation stays
    kept = {name: value for name in _KEPT if (value := getattr(options, name)) not in (None, False, [])}
    kept |= {"parameters": parameters(options)} if options.parameters else {}
    kept |= {"variant": variants(options)} if options.variant else {}
    if options.variables:
        kept["variables"] = str(Path(options.variables).absolute())
    # The next command may be given in another folder.
    handler = Path(options.handler)
    return Conversation(str(handler.absolute()) if handler.exists() else options.handler, kept)


def _gone_on(path: Path, options: argparse.Namespace) -> Conversation:
    conversation = read_conversation(path)
    begins = [name for name in (*_KEPT, "overwrite") if getattr(options, name) not in (None, False, [])]
    if begins:
        raise InputError(
            f"--{begins[0]} is given when a conversation begins. Begin another: voicelab say STATE --handler "
            f"{conversation.handler} --{begins[0]} ..."
        )
    return conversation


# --- what comes of it ---


@dataclass(frozen=True)
class _Heard:
    """A conversation up to some input.

    Attributes:
        record: The session.
        events: Its events, without what its end brings that isn't one yet.
        lines: The conversation that they are.
        ended: How and when it has ended; empty if the caller can go on.
        remarks: What is to be said of the session.
    """

    record: SessionRecord
    events: "Sequence[Event]"
    lines: "Sequence[Line]"
    ended: str
    remarks: Sequence[str]

    @property
    def agent(self) -> list[str]:
        return [f"{line.text} {line.lost}".strip() for line in self.lines if line.who in {"agent", "error"}]

    def since(self, before: "_Heard") -> "Sequence[Line]":
        """Return what happened since, or happened otherwise: words that an interruption has cut off."""
        n_same = next(
            (n for n, (one, other) in enumerate(zip(before.lines, self.lines, strict=False)) if one != other),
            min(len(before.lines), len(self.lines)),
        )
        return self.lines[n_same:]


class _Runner:
    """Runs the first inputs of a conversation, as the handler is now.

    Args:
        conversation: The conversation.
    """

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        given = dict(conversation.options)
        unknown = next((name for name in given if name not in _KEPT), None)
        if unknown is not None:
            raise InputError(f"The conversation's file is damaged: it begins with {unknown!r}, which is no option.")
        handler = vl.load_handler(
            conversation.handler,
            strict=checks.switch("strict", given.pop("strict", False)),
            tenant=given.pop("tenant", None),
        )
        named = {"variants": given.pop("variant", None), "parameters": given.pop("parameters", None)}
        self._options = SessionOptions.checked(handler, opening_alone([]), **given, **named)

    def run(self, n_inputs: int) -> _Heard:
        actions = self._conversation.actions()[:n_inputs]
        caller = vl.Script(actions) if actions else self._options.callers
        options, findings = replace(self._options, callers=caller), Findings()
        record = play(Job(options), findings=findings)
        ended = _ended(record)
        events = record.events if ended else list(_until_it_pauses(record.events))
        return _Heard(record, events, lines_in_order(events), ended, findings.remarks(options))


def _ended(record: SessionRecord) -> str:
    """Return how a session has ended, or nothing where it was only that the caller has no more to do yet."""
    for event in record.events:
        if event.kind == "output" and (event.name == "stop" or event.name.startswith(_TRANSFER)):
            how = "the agent transferred the call" if event.name.startswith(_TRANSFER) else "the agent ended it"
            return f"{how} at {clock_text(record.duration_s)}"
    if record.status == "completed":
        return ""
    return f"{record.status} at {clock_text(record.duration_s)}"


def _until_it_pauses(events: "Sequence[Event]") -> "Iterator[Event]":
    for event in events:
        if event.kind == "input" and event.name == "stop":
            return
        yield event


def _differs(conversation: Conversation, now: _Heard) -> dict[str, Any] | None:
    """Return where the agent says something else than last time: the handler was changed, or can't be repeated."""
    before = conversation.heard
    for n in range(max(len(before), len(now.agent))):
        was, here = (words[n] if n < len(words) else None for words in (before, now.agent))
        if was != here:
            return {"answer": n, "before": was, "now": here}
    return None


def _tell(
    options: argparse.Namespace,
    conversation: Conversation,
    now: _Heard,
    since: "Sequence[Line]",
    differs: dict[str, Any] | None,
    *,
    all_of_it: bool,
) -> None:
    lines = now.lines if all_of_it else since
    record = now.record
    if options.json:
        say_json(
            {
                "state": os.fspath(options.state),
                "handler": conversation.handler,
                "inputs": conversation.inputs,
                "lines": [asdict(line) for line in lines],
                "ended": now.ended or None,
                "status": record.status if now.ended else None,
                "time_s": record.duration_s,
                "variants": record.variants,
                "outcomes": record.outcomes,
                "errors": [event.data for event in now.events if event.name == "error"],
                "differs": differs,
            }
        )
        return
    if differs is not None:
        was, here = (differs[name] or "(nothing)" for name in ("before", "now"))
        say(f"  differs  the agent's answer {differs['answer'] + 1} was {was!r} and is now {here!r}")
    for line in lines:
        say(text_line(line))
    if now.ended:
        say(f"    ended  {now.ended}")
        if record.outcomes:
            say(f" outcomes  {', '.join(f'{name} = {value}' for name, value in record.outcomes.items())}")
