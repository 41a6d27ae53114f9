"""Callers that answer what they hear, each in its own way."""

import inspect
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.weighted import Choice, Replies, weighted
from voicelab.callers.actions import Action, At, HangUp, Input, InputLike, Press, Say, Silence, as_input, texts_of
from voicelab.callers.protocol import Heard, KnownCaller

ReplyFunction: TypeAlias = Callable[..., InputLike | None]
"""Returns a reply, given `heard`, or `heard` and `rng`."""
RepliesLike: TypeAlias = InputLike | ReplyFunction | Mapping[Any, float]
"""One reply or a function that returns it, or `{reply: weight}` of such."""

_CUTS_IN_S = (0.3, 2.0)
"""Earliest and latest time at which a persona cuts in, in seconds into the agent's speech."""


class Persona(KnownCaller):
    """A caller that answers what it hears, by patterns and weights.

    It hears everything said since its last input. The first pattern that is found in it (`re.search`, ignoring case)
    gives the reply. It speaks, so its words take time, and arrive when they have been said.

    A reply is text, any input (`vl.press("1")`, `vl.silence()`, `vl.hang_up()`, an event of the SDK), or a function. A
    function is called with `heard` each time that it is to reply: `heard.text` is what was heard, `heard.timeouts` how
    many times in a row the agent was told of its silence, `heard.interrupted` whether it cuts in now, `heard.time_s` the
    seconds since the session began. If it has a parameter `rng` it gets the caller's own `random.Random`, seeded for the
    session. It returns text or an input, or None to stay silent.

    It doesn't repeat itself like a machine. Asked the same thing again, word for word, it says what it hasn't said yet, if
    there is something; where no pattern matches, it doesn't say twice running what it has just said. After `max_repeats`
    it gives up and leaves.

    Args:
        name: Stands in the log's column `caller`.
        opening: What it says before it has heard anything that matches; None to let the patterns decide from the start.
        replies: `{pattern: {reply: weight}}`, or `{pattern: reply}`.
        otherwise: `{reply: weight}` or a reply, for what no pattern matches; None to stay silent.
        patience: Timeouts in a row after which it hangs up.
        max_turns: Replies after which it hangs up.
        reaction_s: Shortest and longest time from the end of the agent's speech to its first word, in seconds.
        barge_in: Probability that it cuts into an answer of the agent.
        max_repeats: How often it lets the agent say the same again, word for word, before it hangs up; None for ever.

    Raises:
        InputError: a pattern is no regular expression, a function takes other arguments, or a value is out of range.

    Example:
        >>> import voicelab as vl
        >>> eager = vl.Persona("eager", replies={"size": lambda heard, rng: rng.choice(["small", "large"])}, otherwise="yes")
    """

    unanswered: Sequence[str] | None = None
    """Of a persona that was fitted to an agent (`vl.personas.fit`): what the agent asks and it has no answer to."""

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
        max_repeats: int | None = 3,
    ) -> None:
        self.name = checks.name("name", name)
        self.opening = None if opening is None else weighted(opening, f"{name}: opening", _reply)
        self.replies = Replies(replies, name, _reply, "what it heard")
        self.otherwise = None if otherwise is None else weighted(otherwise, f"{name}: otherwise", _reply)
        self.patience = checks.whole(f"{name}: patience", patience)
        self.max_turns = checks.whole(f"{name}: max_turns", max_turns)
        self.reaction_s = checks.span(f"{name}: reaction_s", reaction_s)
        self.barge_in = checks.probability(f"{name}: barge_in", barge_in)
        self.max_repeats = None if max_repeats is None else checks.whole(f"{name}: max_repeats", max_repeats, least=0)

    @property
    def phrases(self) -> Sequence[str]:
        """What it may say, as far as no function says it."""
        choices = [choice for choice in (self.opening, self.otherwise) if choice is not None]
        return texts_of([*self.replies.items, *(item for choice in choices for item in choice.items)])

    def begin(self, rng: random.Random) -> "_PersonaCall":
        """Return a call of this persona."""
        return _PersonaCall(self, rng)

    def __repr__(self) -> str:
        return f"Persona({self.name!r}, {len(self.replies)} pattern{'' if len(self.replies) == 1 else 's'})"


class _PersonaCall:
    """One call of a persona.

    Attributes:
        n_replies: Replies given.
        n_otherwise: Those to what it had heard to its end, and none of its patterns matched: many mean that the persona
            doesn't fit the agent.
    """

    __slots__ = ("_answered", "_last", "_opened", "_persona", "_rng", "n_otherwise", "n_replies")

    def __init__(self, persona: Persona, rng: random.Random) -> None:
        self._persona = persona
        self._rng = rng
        self._opened = False
        # What it has replied to each text so far: it notices when the agent repeats itself, as people do.
        self._answered: dict[str, list[Action | _Function]] = {}
        self._last: Action | _Function | None = None
        self.n_replies = 0
        self.n_otherwise = 0

    def reply(self, heard: Heard) -> Input | None:
        """Return what the persona does, given what it has heard."""
        persona = self._persona
        if heard.timeouts >= persona.patience or self.n_replies >= persona.max_turns:
            return HangUp()
        choice = self._choose(heard)
        if choice is None:
            return Silence()
        said_to_it = self._answered.setdefault(heard.text, [])
        # A beginning that was heard of an answer is often the same without the agent repeating itself.
        if persona.max_repeats is not None and not heard.interrupted and len(said_to_it) > persona.max_repeats:
            return HangUp()
        self.n_replies += 1
        low, high = persona.reaction_s
        # When to cut in has been drawn by `interrupts_after`; it doesn't think about it twice.
        after_s = 0.0 if heard.interrupted else low + (high - low) * self._rng.random()
        return _delayed(self._pick(choice, said_to_it, heard), after_s)

    def interrupts_after(self) -> float | None:
        """Return when to cut into the agent's answer, or None to hear it out."""
        persona = self._persona
        # Nothing is drawn for who never cuts in: its stream of chance is as long as its replies are many.
        if not persona.barge_in or self._rng.random() >= persona.barge_in:
            return None
        earliest, latest = _CUTS_IN_S
        return earliest + (latest - earliest) * self._rng.random()

    def _choose(self, heard: Heard) -> Choice | None:
        persona = self._persona
        # Patterns before the opening: an agent that begins with a question gets its answer, and the opening is not said
        # later, out of place.
        choice = persona.replies.to(heard.text)
        if choice is not None:
            self._opened = True
            return choice
        if not self._opened and persona.opening is not None:
            self._opened = True
            return persona.opening
        if persona.otherwise is None or not heard.text:
            return None  # nothing was said since: wait for the agent
        self._opened = True
        # Who has no patterns, or cuts in before it has heard the question, isn't one that doesn't fit.
        if len(persona.replies) and not heard.interrupted:
            self.n_otherwise += 1
        return persona.otherwise

    def _pick(self, choice: Choice, said_to_it: "list[Action | _Function]", heard: Heard) -> Action:
        avoided = said_to_it
        if choice is self._persona.otherwise and self._last is not None:
            avoided = [*said_to_it, self._last]
        picked = choice.pick_another(self._rng, avoided) if avoided else choice.pick(self._rng)
        self._last = picked
        said_to_it.append(picked)
        return picked(heard, self._rng) if isinstance(picked, _Function) else picked


@dataclass(frozen=True)
class _Function:
    """A reply that a function of the user's gives.

    Attributes:
        function: The function.
        what: What it belongs to, for messages.
        takes_rng: Whether it wants to draw.
    """

    function: ReplyFunction
    what: str
    takes_rng: bool

    def __call__(self, heard: Heard, rng: random.Random) -> Action:
        given = self.function(heard, rng=rng) if self.takes_rng else self.function(heard)
        if given is None:
            return Silence()
        try:
            return _action(given, self.what)
        except InputError:
            raise InputError(
                f"{self.what}: the function {_name(self.function)} returned {given!r}, must return text, an input such as "
                "vl.press('1') or vl.hang_up(), or None to stay silent."
            ) from None


def _delayed(action: Action, after_s: float) -> Action:
    if isinstance(action, Say):
        return Say(action.text, "speech", after_s)
    if isinstance(action, Press):
        return Press(action.digits, after_s)
    if isinstance(action, HangUp):
        return HangUp(after_s)
    return action


def _reply(given: InputLike | ReplyFunction, what: str) -> Action | _Function:
    if callable(given) and not isinstance(given, type):
        return _function(given, what)
    return _action(given, what)  # type: ignore[arg-type]  # what is no input is refused there


def _action(given: InputLike, what: str) -> Action:
    action = as_input(given)
    if isinstance(action, At):
        raise InputError(f"{what}: vl.at() is for scripts; a persona answers when the agent has finished.")
    return action


def _function(function: ReplyFunction, what: str) -> _Function:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise InputError(f"{what}: {_name(function)} is an `async def`; a caller's function is a plain one.")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one that is written in C doesn't say what it takes
        return _Function(function, what, takes_rng=False)
    takes_rng = "rng" in signature.parameters
    try:
        signature.bind("heard", **({"rng": None} if takes_rng else {}))
    except TypeError as error:
        raise InputError(
            f"{what}: the function {_name(function)} takes {signature}, must take `heard`, or `heard` and `rng` ({error})."
        ) from None
    return _Function(function, what, takes_rng)


def _name(function: Given) -> str:
    return getattr(function, "__name__", None) or type(function).__name__
