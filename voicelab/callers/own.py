"""A caller from whatever the user has: a list of inputs, a caller of this package, or an object of the user's own."""

import random
from collections.abc import Iterable, Sequence
from typing import Any, cast

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.callers.actions import At, Input, as_input, in_order
from voicelab.callers.protocol import CallerLike, Heard, KnownCaller, OwnCaller, OwnConversation
from voicelab.callers.script import Script


def as_caller(given: CallerLike) -> KnownCaller:
    """Return a caller: a list becomes a script; anything with a `name` and `begin(rng)` is one.

    Raises:
        InputError: it is none.
    """
    if isinstance(given, str):
        raise InputError(f"The caller is the text {given!r}; a script is a list, e.g. [{given!r}].")
    if isinstance(given, list | tuple):
        return Script(given)
    if isinstance(given, KnownCaller):
        return given
    if callable(getattr(given, "begin", None)) and isinstance(getattr(given, "name", None), str):
        return WrappedCaller(cast("OwnCaller", given))
    raise InputError(
        f"{given!r} is no caller. Give a list of inputs, vl.Script(), vl.Persona(), vl.mix(), or an object with a "
        "`name` and `begin(rng)`."
    )


class WrappedCaller(KnownCaller):
    """A caller of the user's: what it says may be plain text, or an event, and it need not know of interruptions."""

    def __init__(self, caller: OwnCaller) -> None:
        self.caller = caller
        self.name: str = caller.name

    @property
    def phrases(self) -> Sequence[str]:
        """What its attribute `phrases` holds, if it has one."""
        return [str(phrase) for phrase in getattr(self.caller, "phrases", ())]

    def begin(self, rng: random.Random) -> "_OwnCall":
        """Return a conversation of the caller's that may answer in plain text."""
        return _OwnCall(self.caller.begin(rng))


class _OwnCall:
    def __init__(self, conversation: OwnConversation) -> None:
        self._conversation = conversation
        self._interrupts_after = getattr(conversation, "interrupts_after", None)
        self.timed = _timed(getattr(conversation, "timed", ()))

    def reply(self, heard: Heard) -> Input | None:
        reply = self._conversation.reply(heard)
        return None if reply is None else as_input(reply)

    def interrupts_after(self) -> float | None:
        after = None if self._interrupts_after is None else self._interrupts_after()
        return None if after is None else checks.seconds("interrupts_after()", after)


def _timed(given: Given) -> tuple[At, ...]:
    items: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    for item in items:
        if not isinstance(item, At):
            raise InputError(
                f"The caller's `timed` holds {item!r}, must be a list of vl.at(), e.g. [vl.at(5, 'hello')]."
            )
    return in_order(items)
