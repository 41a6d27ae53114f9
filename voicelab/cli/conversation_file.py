"""A conversation in a file: what it began with and what the caller did, so that the next command can run it all again.

Nothing stays alive between two commands. The session is virtual, so that to run it from its start takes milliseconds; and
the handler is read anew each time, so that an edited one meets the same caller.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError, LogError
from voicelab.base.printable import printable, shortened
from voicelab.callers.actions import Input
from voicelab.callers.written_input import written_input
from voicelab.log import disk
from voicelab.log.lock import BRIEFLY_S, hold

FORMAT = 1
_FORMAT, _HANDLER, _OPTIONS, _INPUTS, _HEARD = "voicelab_conversation", "handler", "options", "inputs", "agent"
_NOT_ONE = "holds no conversation of `voicelab say`"
_BEGIN = "Begin one in another file: voicelab say STATE --handler HANDLER."


@dataclass
class Conversation:
    """What a file holds.

    Attributes:
        handler: Path or name of the handler.
        options: What it began with, by the command's names: seed, parameters, variants, ...
        inputs: What the caller did, one dict each: `{"say": "hello"}`.
        heard: What the agent said when it was run last, to be compared with what it says now.
    """

    handler: str
    options: dict[str, Any]
    inputs: list[dict[str, Any]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def actions(self) -> list[Input]:
        """Return what the caller did, as a script has it.

        Raises:
            InputError: an entry is none.
        """
        return [written_input(entry) for entry in self.inputs]


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other commands from the file meanwhile, or wait until they are done with it.

    Raises:
        InputError: its folder isn't there or can't be written, or somebody else holds it for long.
    """
    if not path.parent.is_dir():
        raise InputError(f"There is no folder {str(path.parent)!r} for {path.name}.")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(hold(path.parent, f"voicelab say {path.name}", BRIEFLY_S))
        except LogError as error:
            raise InputError(f"{path.name} is not free: {error}") from None
        yield


def is_empty(path: Path) -> bool:
    """Return whether a file is one without anything in it, as `mktemp` makes them."""
    return path.is_file() and path.stat().st_size == 0


def read_conversation(path: Path) -> Conversation:
    """Return the conversation in a file.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    if not path.exists():
        raise InputError(
            f"There is no conversation {str(path)!r} yet. Begin it: voicelab say {path} --handler HANDLER."
        )
    if not path.is_file():
        raise InputError(f"{str(path)!r} {_NOT_ONE}: it is no file. {_BEGIN}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{str(path)!r} {_NOT_ONE}, or is damaged: {error}. {_BEGIN}") from None
    if not isinstance(found, dict) or _FORMAT not in found:
        raise InputError(f"{str(path)!r} {_NOT_ONE}. {_BEGIN}")
    if found[_FORMAT] != FORMAT:
        raise InputError(
            f"{str(path)!r} has the format {shortened(printable(repr(found[_FORMAT])), 40)}, and this version of voicelab "
            f"reads {FORMAT}. {_BEGIN}"
        )
    parts = [found.get(name) for name in (_HANDLER, _OPTIONS, _INPUTS, _HEARD)]
    if not all(map(isinstance, parts, (str, dict, list, list))):
        raise InputError(f"{str(path)!r} is damaged: a part of the conversation is missing. {_BEGIN}")
    conversation = Conversation(*parts)  # type: ignore[arg-type]  # looked at above
    try:
        conversation.actions()
    except InputError as error:
        raise InputError(f"{str(path)!r} is damaged: {error} {_BEGIN}") from None
    return conversation


def write_conversation(path: Path, conversation: Conversation) -> None:
    """Write a conversation, whole or not at all.

    Raises:
        InputError: it can't be written there.
    """
    state = {
        _FORMAT: FORMAT,
        _HANDLER: conversation.handler,
        _OPTIONS: conversation.options,
        _INPUTS: conversation.inputs,
        _HEARD: conversation.heard,
    }
    text = json.dumps(state, indent=1, ensure_ascii=False)
    try:
        disk.write_whole(path, text.encode("utf-8", "surrogatepass"), f"{path.name}.tmp")
    except OSError as error:
        raise InputError(f"{str(path)!r} can't be written: {error.strerror}.") from None
