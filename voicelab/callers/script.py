"""A caller that follows a list of inputs."""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.paths import path_of
from voicelab.callers.actions import Action, At, Input, InputLike, Interrupt, as_input, in_order, texts_of
from voicelab.callers.protocol import Heard, KnownCaller


class Script(KnownCaller):
    """A caller that goes through a list, whatever the agent says.

    Each entry is given when the agent has finished answering the one before.

    Args:
        inputs: Texts, SDK events, `vl.silence()`, `vl.press()`, `vl.interrupt()`, `vl.hang_up()`, `vl.at()`.
        name: Stands in the log's column `caller`.

    Raises:
        InputError: the script is empty, or an entry is no input, or the name is no text.
    """

    def __init__(self, inputs: Sequence[InputLike], name: str = "script") -> None:
        if isinstance(inputs, str) or not isinstance(inputs, Iterable):
            raise InputError(f"A script is a list of inputs, e.g. vl.Script(['hello', 'book it']); this is {inputs!r}.")
        given = [as_input(item) for item in inputs]
        if not given:
            raise InputError("The script is empty. Give at least one input, e.g. vl.Script(['hello']).")
        self.name = checks.name("name", name)
        self.timed = in_order(i for i in given if isinstance(i, At))
        self.inputs = tuple(i for i in given if not isinstance(i, At))
        # For each entry, and after the last: how far into the agent's speech it comes, None if it waits for the end.
        self._cuts_in = (*(i.after_s if isinstance(i, Interrupt) else None for i in self.inputs), None)

    @classmethod
    def load(cls, path: str | Path) -> "Script":
        """Return the script in a file: a JSON array of strings, one message a turn, as the VoiceRun CLI reads it.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        path = path_of("path", path, "booking.json")
        if not path.exists():
            raise InputError(f"There is no script file {str(path)!r}.")
        if not path.is_file():  # a folder, or a device that can be read without end
            raise InputError(f"{str(path)!r} is no file. Give a JSON array of strings in one.")
        try:
            messages = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path.name} can't be read as a script: {error}.") from None
        if not isinstance(messages, list) or not messages or not all(isinstance(m, str) for m in messages):
            raise InputError(f'{path.name} must hold a JSON array of strings with at least one, e.g. ["hello", "bye"].')
        return cls(messages, name=path.stem)

    @property
    def phrases(self) -> Sequence[str]:
        """What it says."""
        return texts_of([*self.inputs, *(at.input for at in self.timed)])

    def begin(self, rng: random.Random) -> "_ScriptReading":
        """Return the script, to be read from its start."""
        del rng
        return _ScriptReading(self.inputs, self._cuts_in, self.timed)

    def __repr__(self) -> str:
        return f"Script({len(self.inputs) + len(self.timed)} inputs, name={self.name!r})"


class _ScriptReading:
    __slots__ = ("_cuts_in", "_inputs", "_next", "timed")

    def __init__(self, inputs: tuple[Action, ...], cuts_in: tuple[float | None, ...], timed: tuple[At, ...]) -> None:
        self._inputs = inputs
        self._cuts_in = cuts_in
        self._next = 0
        self.timed = timed

    def reply(self, heard: Heard) -> Input | None:
        """Return the next entry, or None at the end."""
        del heard
        at = self._next
        if at == len(self._inputs):
            return None
        self._next = at + 1
        return self._inputs[at]

    def interrupts_after(self) -> float | None:
        """Return when the next entry interrupts, if it does."""
        return self._cuts_in[self._next]
