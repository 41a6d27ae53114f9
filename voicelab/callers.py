"""Synthetic callers: scripts, personas, mixtures of them.

A caller is any object with a `name` and `begin(rng)` that returns a conversation; `voicelab.session.caller_side` states
the protocol. What is random in a caller comes from `rng`, so that a session can be repeated.
"""

import bisect
import itertools
import json
import random
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

from voicelab import checks
from voicelab.errors import InputError
from voicelab.inputs import Action, At, HangUp, Input, Interrupt, Press, Say, Silence, as_input


class Heard(Protocol):
    """What a caller has heard since its last input; see `voicelab.session.caller_side.Heard`."""

    text: str
    timeouts: int
    interrupted: bool
    time_s: float


# --- scripts ---------------------------------------------------------------------------------------------------------


class Script:
    """A caller that goes through a list, whatever the agent says.

    Each entry is given when the agent has finished answering the one before.

    Args:
        inputs: Texts, SDK events, `vl.silence()`, `vl.press()`, `vl.interrupt()`, `vl.hang_up()`, `vl.at()`.
        name: Stands in the log's column `caller`.

    Raises:
        InputError: the script is empty, or an entry is no input.
    """

    def __init__(self, inputs: Sequence[Any], name: str = "script") -> None:
        if isinstance(inputs, str) or not isinstance(inputs, Iterable):
            raise InputError(f"A script is a list of inputs, e.g. vl.Script(['hello', 'book it']); this is {inputs!r}.")
        given = [as_input(item) for item in inputs]
        if not given:
            raise InputError("The script is empty. Give at least one input, e.g. vl.Script(['hello']).")
        self.name = name
        self.timed = tuple(sorted((i for i in given if isinstance(i, At)), key=lambda at: at.time_s))
        self.inputs = tuple(i for i in given if not isinstance(i, At))

    @classmethod
    def load(cls, path: str | Path) -> "Script":
        """Return the script in a file: a JSON array of strings, one message a turn, as the VoiceRun CLI reads it.

        Raises:
            InputError: there is no such file, or it holds something else.
        """
        path = Path(path)
        try:
            messages = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"There is no script file {str(path)!r}.") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path.name} can't be read as a script: {error}.") from None
        if not isinstance(messages, list) or not messages or not all(isinstance(m, str) for m in messages):
            raise InputError(f'{path.name} must hold a JSON array of strings with at least one, e.g. ["hello", "bye"].')
        return cls(messages, name=path.stem)

    def begin(self, rng: random.Random) -> "_ScriptReading":
        """Return the script, to be read from its start."""
        del rng
        return _ScriptReading(self.inputs, self.timed)

    def __repr__(self) -> str:
        return f"Script({len(self.inputs) + len(self.timed)} inputs, name={self.name!r})"


class _ScriptReading:
    __slots__ = ("_inputs", "_next", "timed")

    def __init__(self, inputs: tuple[Action, ...], timed: tuple[At, ...]) -> None:
        self._inputs = inputs
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
        upcoming = self._inputs[self._next] if self._next < len(self._inputs) else None
        return upcoming.after_s if type(upcoming) is Interrupt else None


# --- personas --------------------------------------------------------------------------------------------------------


class Choice:
    """A choice among weighted items, by one random number.

    Args:
        weights: The items and their weights; pairs, where an item may stand twice.
        what: What is chosen, for messages.

    Raises:
        InputError: no items, or a weight that is not above 0.
    """

    __slots__ = ("_bounds", "items")

    def __init__(self, weights: Mapping[Any, float] | Sequence[tuple[Any, float]], what: str) -> None:
        pairs = list(weights.items()) if isinstance(weights, Mapping) else list(weights)
        if not pairs:
            raise InputError(f"{what}: there is nothing to choose from.")
        for item, weight in pairs:
            checks.weight(f"{what}: the weight of {item!r}", weight)
        self.items = tuple(item for item, _ in pairs)
        self._bounds = list(itertools.accumulate(weight for _, weight in pairs))

    def pick(self, rng: random.Random) -> Any:
        """Return one item."""
        if len(self.items) == 1:
            return self.items[0]
        at = bisect.bisect_right(self._bounds, rng.random() * self._bounds[-1])
        return self.items[min(at, len(self.items) - 1)]


class Persona:
    """A caller that answers what it hears, by patterns and weights.

    It hears everything said since its last input. The first pattern that is found in it (`re.search`, ignoring case)
    gives the reply. It speaks, so its words take time, and arrive when they have been said.

    Args:
        name: Stands in the log's column `caller`.
        opening: What it says before it has heard anything that matches; None to let the patterns decide from the start.
        replies: `{pattern: {reply: weight}}`, or `{pattern: reply}`. A reply is text or any input.
        otherwise: `{reply: weight}` or a reply, for what no pattern matches; None to stay silent.
        patience: Timeouts in a row after which it hangs up.
        max_turns: Replies after which it hangs up.
        reaction_s: Shortest and longest time from the end of the agent's speech to its first word, in seconds.
        barge_in: Probability that it cuts into an answer of the agent.

    Raises:
        InputError: a pattern is no regular expression, or a value is out of range.
    """

    def __init__(
        self,
        name: str,
        opening: Any = None,
        replies: Mapping[str, Any] | None = None,
        otherwise: Any = None,
        patience: int = 2,
        max_turns: int = 20,
        reaction_s: tuple[float, float] = (0.4, 1.2),
        barge_in: float = 0.0,
    ) -> None:
        if not isinstance(name, str) or not name:
            raise InputError(f"name is {name!r}, must be some text.")
        self.name = name
        self.opening = None if opening is None else _choice(opening, f"{name}: opening")
        self.replies = [
            (_pattern(name, pattern), _choice(choice, f"{name}: the replies to {pattern!r}"))
            for pattern, choice in (replies or {}).items()
        ]
        self.otherwise = None if otherwise is None else _choice(otherwise, f"{name}: otherwise")
        self.patience = checks.whole(f"{name}: patience", patience)
        self.max_turns = checks.whole(f"{name}: max_turns", max_turns)
        self.reaction_s = checks.span(f"{name}: reaction_s", reaction_s)
        self.barge_in = checks.probability(f"{name}: barge_in", barge_in)

    def begin(self, rng: random.Random) -> "_PersonaCall":
        """Return a call of this persona."""
        return _PersonaCall(self, rng)

    def __repr__(self) -> str:
        return f"Persona({self.name!r}, {len(self.replies)} patterns)"


class _PersonaCall:
    """One call of a persona.

    Attributes:
        n_replies: Replies given.
        n_otherwise: Those of them that no pattern matched: many mean that the persona doesn't fit the agent.
    """

    __slots__ = ("_opened", "_persona", "_rng", "n_otherwise", "n_replies")

    def __init__(self, persona: Persona, rng: random.Random) -> None:
        self._persona = persona
        self._rng = rng
        self._opened = False
        self.n_replies = 0
        self.n_otherwise = 0

    def reply(self, heard: Heard) -> Input | None:
        """Return what the persona does, given what it has heard."""
        persona = self._persona
        if heard.timeouts >= persona.patience or self.n_replies >= persona.max_turns:
            return HangUp()
        choice = self._choose(heard.text)
        if choice is None:
            return Silence()
        self.n_replies += 1
        low, high = persona.reaction_s
        after_s = 0.0 if heard.interrupted else low + (high - low) * self._rng.random()
        return _delayed(choice.pick(self._rng), after_s)

    def interrupts_after(self) -> float | None:
        """Return when to cut into the agent's answer, or None to hear it out."""
        persona = self._persona
        if not persona.barge_in or self._rng.random() >= persona.barge_in:
            return None
        return 0.3 + 1.7 * self._rng.random()

    def _choose(self, text: str) -> Choice | None:
        persona = self._persona
        for pattern, choice in persona.replies:
            if pattern.search(text):
                self._opened = True
                return choice
        if not self._opened and persona.opening is not None:
            self._opened = True
            return persona.opening
        if persona.otherwise is None or not text:
            return None  # nothing was said since: wait for the agent
        self._opened = True
        self.n_otherwise += 1
        return persona.otherwise


def _delayed(action: Action, after_s: float) -> Action:
    if isinstance(action, Say):
        return Say(action.text, "speech", after_s)
    if isinstance(action, Press):
        return Press(action.digits, after_s)
    if isinstance(action, HangUp):
        return HangUp(after_s)
    return action


def _choice(given: Any, what: str) -> Choice:
    weights = given if isinstance(given, Mapping) else {given: 1.0}
    actions = [(as_input(reply), weight) for reply, weight in weights.items()]
    for action, _ in actions:
        if isinstance(action, At):
            raise InputError(f"{what}: vl.at() is for scripts; a persona answers when the agent has finished.")
    return Choice(actions, what)


def _pattern(name: str, pattern: Any) -> re.Pattern[str]:
    if not isinstance(pattern, str):
        raise InputError(f"{name}: the pattern {pattern!r} must be text, a regular expression.")
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise InputError(f"{name}: the pattern {pattern!r} is no regular expression: {error}.") from None


def phrases_of(caller: Any) -> list[str]:
    """Return what a caller may say, as far as it is known beforehand: what a recogniser is told to expect.

    A caller of one's own may have an attribute `phrases`.

    Args:
        caller: Any caller.
    """
    if isinstance(caller, Script):
        given: list[Any] = [*caller.inputs, *(at.input for at in caller.timed)]
    elif isinstance(caller, Persona):
        choices = [choice for _, choice in caller.replies]
        choices += [choice for choice in (caller.opening, caller.otherwise) if choice is not None]
        given = [item for choice in choices for item in choice.items]
    else:
        return [str(phrase) for phrase in getattr(caller, "phrases", ())]
    return [action.text for action in given if isinstance(action, Say | Interrupt)]


# --- mixtures --------------------------------------------------------------------------------------------------------


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
        self.timed = tuple(getattr(conversation, "timed", ()))

    def reply(self, heard: Heard) -> Input | None:
        reply = self._conversation.reply(heard)
        return None if reply is None else as_input(reply)

    def interrupts_after(self) -> float | None:
        after = None if self._interrupts_after is None else self._interrupts_after()
        return None if after is None else checks.seconds("interrupts_after()", after)


# --- stock personas --------------------------------------------------------------------------------------------------

_QUESTION = r"\?\s*$|how (can|may) i|what (can|would)|tell me"
_WANTS = {"I'd like some help please": 2.0, "I have a question about my account": 1.0, "I want to buy something": 1.0}
_YES_NO = r"\b(is that|would you|do you|shall i|should i|can i|may i|are you|did you|correct|right)\b[^?]*\?"

personas = SimpleNamespace(
    cooperative=Persona(
        "cooperative",
        opening=_WANTS,
        replies={
            r"\b(goodbye|bye|take care)\b": HangUp(),
            _YES_NO: {"yes please": 4.0, "no thank you": 1.0},
            _QUESTION: {"yes, that one": 1.0, "I'd like to buy it": 1.0, "whatever is soonest": 1.0},
            r"thank|booked|confirmed|processed|done": {"great, thank you, bye": 2.0, HangUp(): 1.0},
        },
        otherwise={"okay": 3.0, "thank you": 1.0, "go on": 1.0},
        max_turns=8,
    ),
    impatient=Persona(
        "impatient",
        opening={"just give me a person": 1.0, "I want to buy it, quickly": 1.0},
        replies={_YES_NO: {"yes yes": 3.0, "no": 1.0}, _QUESTION: {"I already told you": 1.0, "yes": 1.0}},
        otherwise={"come on": 1.0, "I don't have all day": 1.0, HangUp(): 1.0},
        patience=1,
        max_turns=5,
        reaction_s=(0.1, 0.4),
        barge_in=0.4,
    ),
    hesitant=Persona(
        "hesitant",
        opening={"um, hello": 1.0, "hi, I'm not sure who to ask": 1.0},
        replies={
            _YES_NO: {"I think so": 2.0, "I'm not sure": 2.0, "yes": 1.0},
            _QUESTION: {"let me think": 1.0, "hm": 1.0},
        },
        otherwise={"okay, um": 2.0, Silence(): 1.0, "could you say that again?": 1.0},
        patience=3,
        max_turns=10,
        reaction_s=(1.5, 4.5),
    ),
    silent=Persona("silent", patience=2),
    interrupter=Persona(
        "interrupter",
        opening={"yes hello, listen": 1.0},
        replies={_YES_NO: {"yes, and another thing": 1.0, "no wait": 1.0}},
        otherwise={"hold on": 1.0, "no, listen": 1.0, "right, right": 1.0},
        max_turns=8,
        reaction_s=(0.1, 0.5),
        barge_in=0.9,
    ),
    wrong_number=Persona(
        "wrong_number",
        opening={"is this the pizza place?": 1.0, "hello, Maria?": 1.0},
        otherwise={"oh, sorry, wrong number": 2.0, HangUp(): 1.0},
        patience=1,
        max_turns=2,
    ),
)
"""Six stock personas that make sense against any agent."""
