"""Callers that answer what they hear, each in its own way, and six that make sense against any agent."""

import random
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, TypeAlias

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.weighted import Choice, Replies, weighted
from voicelab.callers.actions import Action, At, HangUp, Input, InputLike, Press, Say, Silence, as_input, texts_of
from voicelab.callers.protocol import Heard, KnownCaller

RepliesLike: TypeAlias = InputLike | Mapping[Any, float]
"""One reply, or `{reply: weight}`, where each reply is an input."""

_CUTS_IN_S = (0.3, 2.0)
"""Earliest and latest time at which a persona cuts in, in seconds into the agent's speech."""


class Persona(KnownCaller):
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
        opening: RepliesLike | None = None,
        replies: Mapping[str, RepliesLike] | None = None,
        otherwise: RepliesLike | None = None,
        patience: int = 2,
        max_turns: int = 20,
        reaction_s: tuple[float, float] = (0.4, 1.2),
        barge_in: float = 0.0,
    ) -> None:
        self.name = checks.name("name", name)
        self.opening = None if opening is None else weighted(opening, f"{name}: opening", _reply)
        self.replies = Replies(replies, name, _reply, "what it heard")
        self.otherwise = None if otherwise is None else weighted(otherwise, f"{name}: otherwise", _reply)
        self.patience = checks.whole(f"{name}: patience", patience)
        self.max_turns = checks.whole(f"{name}: max_turns", max_turns)
        self.reaction_s = checks.span(f"{name}: reaction_s", reaction_s)
        self.barge_in = checks.probability(f"{name}: barge_in", barge_in)

    @property
    def phrases(self) -> Sequence[str]:
        """What it may say."""
        choices = [choice for choice in (self.opening, self.otherwise) if choice is not None]
        return texts_of([*self.replies.items, *(item for choice in choices for item in choice.items)])

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
        # When to cut in has been drawn by `interrupts_after`; it doesn't think about it twice.
        after_s = 0.0 if heard.interrupted else low + (high - low) * self._rng.random()
        return _delayed(choice.pick(self._rng), after_s)

    def interrupts_after(self) -> float | None:
        """Return when to cut into the agent's answer, or None to hear it out."""
        persona = self._persona
        # Nothing is drawn for who never cuts in: its stream of chance is as long as its replies are many.
        if not persona.barge_in or self._rng.random() >= persona.barge_in:
            return None
        earliest, latest = _CUTS_IN_S
        return earliest + (latest - earliest) * self._rng.random()

    def _choose(self, text: str) -> Choice | None:
        persona = self._persona
        # Patterns before the opening: an agent that begins with a question gets its answer, and the opening is not said
        # later, out of place.
        choice = persona.replies.to(text)
        if choice is not None:
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


def _reply(given: InputLike, what: str) -> Action:
    action = as_input(given)
    if isinstance(action, At):
        raise InputError(f"{what}: vl.at() is for scripts; a persona answers when the agent has finished.")
    return action


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
