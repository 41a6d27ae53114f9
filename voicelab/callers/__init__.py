"""Synthetic callers: scripts, personas, mixtures of them, and callers of one's own.

A caller is any object with a `name` and `begin(rng)` that returns a conversation; `voicelab.session.caller_side` states
the protocol. What is random in a caller comes from `rng`, so that a session can be repeated.
"""

import random
from collections.abc import Iterable
from typing import Any

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.weighted import Choice
from voicelab.callers.actions import At, Input, Interrupt, Say, as_input, in_order
from voicelab.callers.heard import Heard
from voicelab.callers.persona import Persona, personas
from voicelab.callers.script import Script

__all__ = ["Mix", "Persona", "Script", "as_caller", "mix", "personas", "phrases_of"]


class Mix:
    """Callers in given proportions; each session draws one.

    Args:
        choice: The callers and their weights.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self.callers: tuple[Any, ...] = choice.items
        self.name = " + ".join(caller.name for caller in self.callers)

    def draw(self, rng: random.Random) -> Any:
        """Return the caller of a session."""
        return self._choice.pick(rng)

    def __repr__(self) -> str:
        return f"mix of {self.name}"


def mix(*weighted: tuple[Any, float]) -> Mix:
    """Return a mixture of callers, e.g. `vl.mix((vl.personas.impatient, .3), (vl.Script(["hello"]), .7))`.

    Args:
        weighted: Pairs of a caller and its weight; weights are relative.

    Raises:
        InputError: no pairs, a weight that is not above 0, or something that is no caller.
    """
    pairs = []
    for pair in weighted:
        if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise InputError(
                f"vl.mix() takes pairs (caller, weight), e.g. vl.mix((vl.personas.hesitant, 0.5)); not {pair!r}."
            )
        if isinstance(pair[0], Mix):
            raise InputError(
                "vl.mix() takes callers, not mixtures: give the callers of the inner one with their own weights."
            )
        pairs.append((as_caller(pair[0]), pair[1]))
    return Mix(Choice(pairs, "vl.mix()"))


def as_caller(given: Any) -> Any:
    """Return a caller: a list becomes a script; anything with a `name` and `begin(rng)` is one.

    Raises:
        InputError: it is none.
    """
    if isinstance(given, str):
        raise InputError(f"The caller is the text {given!r}; a script is a list, e.g. [{given!r}].")
    if isinstance(given, list | tuple):
        return Script(given)
    if isinstance(given, Script | Persona | Mix | _OwnCaller):
        return given
    if callable(getattr(given, "begin", None)) and isinstance(getattr(given, "name", None), str):
        return _OwnCaller(given)
    raise InputError(
        f"{given!r} is no caller. Give a list of inputs, vl.Script(), vl.Persona(), vl.mix(), or an object with a "
        "`name` and `begin(rng)`."
    )


class _OwnCaller:
    """A caller of the user's: what it says may be plain text, or an event, and it need not know of interruptions."""

    def __init__(self, caller: Any) -> None:
        self.caller = caller
        self.name: str = caller.name

    def begin(self, rng: random.Random) -> "_OwnCall":
        return _OwnCall(self.caller.begin(rng))


class _OwnCall:
    def __init__(self, conversation: Any) -> None:
        self._conversation = conversation
        self._interrupts_after = getattr(conversation, "interrupts_after", None)
        self.timed = _timed(getattr(conversation, "timed", ()))

    def reply(self, heard: Heard) -> Input | None:
        reply = self._conversation.reply(heard)
        return None if reply is None else as_input(reply)

    def interrupts_after(self) -> float | None:
        after = None if self._interrupts_after is None else self._interrupts_after()
        return None if after is None else checks.seconds("interrupts_after()", after)


def _timed(given: Any) -> tuple[At, ...]:
    items: list[Any] = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    for item in items:
        if not isinstance(item, At):
            raise InputError(
                f"The caller's `timed` holds {item!r}, must be a list of vl.at(), e.g. [vl.at(5, 'hello')]."
            )
    return in_order(items)


def phrases_of(caller: Any) -> list[str]:
    """Return what a caller may say, as far as it is known beforehand: what a recogniser is told to expect.

    A caller of one's own may have an attribute `phrases`.

    Args:
        caller: Any caller.
    """
    if isinstance(caller, Script):
        given: list[Any] = [*caller.inputs, *(at.input for at in caller.timed)]
    elif isinstance(caller, Persona):
        given = list(caller.replies.items)
        given += [item for choice in (caller.opening, caller.otherwise) if choice is not None for item in choice.items]
    else:
        return [str(phrase) for phrase in getattr(caller, "phrases", ())]
    return [action.text for action in given if isinstance(action, Say | Interrupt)]
