"""What a caller can do, as data: say something, press keys, stay silent, interrupt, hang up.

A script is a list of these; plain text stands for `Say(text)`, and any input event of the SDK is allowed as it is.
The session engine turns them into the SDK's events.
"""

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError
from voicelab.base.plain_json import has_half_a_character


@runtime_checkable
class SdkEvent(Protocol):
    """The shape of the SDK's events, so that modules below `sdk` can hold one without importing the SDK."""

    name: str
    data: dict[str, Any]
    timestamp: str


@dataclass(frozen=True, slots=True)
class Say:
    """The caller says or types something.

    Attributes:
        text: The words.
        source: `text` (typed: arrives at once) or `speech` (spoken: takes time, arrives when it has been said).
        after_s: Seconds between the agent falling silent and the caller's first word.
    """

    text: str
    source: Literal["text", "speech"] = "text"
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Press:
    """The caller presses keys."""

    digits: str
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Silence:
    """The caller says nothing.

    Attributes:
        seconds: How long, from the moment that the agent has finished; None: until the agent has spoken again or the
            handler was told of the silence.
    """

    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The caller speaks `after_s` seconds after the agent began to speak its next answer."""

    text: str
    after_s: float = 1.0
    source: Literal["text", "speech"] = "speech"


@dataclass(frozen=True, slots=True)
class HangUp:
    """The caller leaves."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, repr=False)
class Send:
    """Something other than the caller sends the handler an event: a custom event, a timeout, a voicemail detection.

    Attributes:
        event: An input event of the SDK; it is copied, and dated, at each delivery.
    """

    event: SdkEvent
    after_s: float = 0.0

    def __repr__(self) -> str:
        # Not the event's own, which says where in this process it lies: this stands in logs, which are the same each time.
        return f"Send({type(self.event).__name__}({self.event.name!r}, {self.event.data!r}), after_s={self.after_s!r})"


@dataclass(frozen=True, slots=True)
class Custom:
    """A custom event reaches the handler."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Recognised:
    """Spoken words as a recogniser gives them to the agent.

    Attributes:
        text: What was recognised.
        said: What was said, where that is known; else the same.
        facts: What the log says besides: engine, confidence, words and word_errors.
        source: As for `Say`.
    """

    text: str
    said: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    source: Literal["text", "speech"] = "speech"


@dataclass(frozen=True, slots=True)
class Unheard:
    """Sound in which no words were found.

    Attributes:
        facts: What the log says of it.
    """

    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Again:
    """What a caller of a log did, done again: it knows how, since more reached the agent than words.

    Attributes:
        do: Does it, given the time.
        at_s: When, in seconds since the session began: not before the agent has finished.
    """

    do: Callable[[float], None]
    at_s: float = 0.0


BEGINS = None
"""The first sound of words that are not known yet."""
Sound = tuple[float, Recognised | Unheard | None]
"""Seconds, and what reaches the agent then; None for the caller's first sound."""


@dataclass(frozen=True, slots=True)
class At:
    """An input at a fixed time of the session, whatever the agent is doing then.

    Attributes:
        time_s: Seconds since the session began.
        input: What happens then.
    """

    time_s: float
    input: "Input"


Action = Say | Press | Silence | Interrupt | HangUp | Send | Custom | Again
Input = Action | At
InputLike: TypeAlias = str | SdkEvent | Input
"""An input as people write it: text, an input event of the SDK, or what `vl.silence()` and its like return."""


def silence(seconds: float | None = None) -> Silence:
    """Return a silence of the caller, for a script.

    Args:
        seconds: Length in seconds, counted from the end of the agent's speech; None waits until the agent has spoken
            again or has been told of the silence.

    Raises:
        InputError: seconds is negative or no number.
    """
    return Silence(None if seconds is None else checks.seconds("seconds", seconds))


def press(digits: str) -> Press:
    """Return a press of keys, for a script.

    Args:
        digits: One or more of `0123456789*#`.

    Raises:
        InputError: another character, or none.
    """
    text = str(digits)
    if not text or set(text) - set("0123456789*#"):
        raise InputError(f"digits is {digits!r}, must be one or more of 0-9, * and #, e.g. vl.press('1').")
    return Press(text)


def interrupt(text: str, after_s: float = 1.0) -> Interrupt:
    """Return an interruption: the caller speaks while the agent's next answer is being played.

    Args:
        text: The caller's words.
        after_s: Seconds from the start of the agent's speech to the caller's first word.

    Raises:
        InputError: empty text, or after_s is negative or no number.
    """
    return Interrupt(words(text), checks.seconds("after_s", after_s))


def hang_up() -> HangUp:
    """Return the caller's leaving, for a script."""
    return HangUp()


def at(time_s: float, input: InputLike) -> At:
    """Return an input that happens at a fixed time of the session, whatever the agent is doing then.

    Args:
        time_s: Seconds since the session began.
        input: Text, an SDK event or one of the inputs of this module.

    Raises:
        InputError: time_s is negative or no number, or the input is none.
    """
    action = as_input(input)
    if isinstance(action, At | Silence):
        raise InputError(
            f"vl.at({time_s}, {input!r}): give text, an event, vl.press(), vl.interrupt() or vl.hang_up()."
        )
    return At(checks.seconds("time_s", time_s), action)


def as_input(given: InputLike) -> Input:
    """Return what was given as an input: text becomes `Say`, an event of the SDK what it stands for.

    Raises:
        InputError: it is no input.
    """
    if isinstance(given, Say | Press | Silence | Interrupt | HangUp | Send | Custom | At):
        return given
    if isinstance(given, str):
        return Say(words(given))
    if isinstance(given, SdkEvent):
        return _from_event(given)
    raise InputError(
        f"{given!r} is no input. Give text, an SDK event such as DTMFEvent('1'), or vl.silence(), vl.press(), "
        "vl.interrupt(), vl.hang_up(), vl.at()."
    )


def texts_of(actions: Iterable[Input]) -> list[str]:
    """Return the texts among what callers do."""
    return [action.text for action in actions if isinstance(action, Say | Interrupt)]


def in_order(timed: Iterable[At]) -> tuple[At, ...]:
    """Return inputs at fixed times by their times; those of one time stay as they were given."""
    return tuple(sorted(timed, key=lambda at: at.time_s))


def words(text: Given) -> str:
    """Return the text if a caller can say it.

    Raises:
        InputError: it is no text, or blank.
    """
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"The caller's words are {text!r}; give some text, or vl.silence() for none.")
    if has_half_a_character(text):
        raise InputError(f"The caller's words hold half a character, {text!r}: leave it out.")
    return text


def _from_event(event: SdkEvent) -> Action:
    if event.name == "text" and set(event.data) <= {"source", "text", "language"} and not event.data.get("language"):
        source = "speech" if event.data.get("source") == "speech" else "text"
        return Say(words(event.data.get("text")), source)  # type: ignore[arg-type]
    if event.name == "stop":
        return HangUp()
    if event.name == "start":
        raise InputError("StartEvent is sent by the session itself, once and first; leave it out.")
    undated = copy.copy(event)
    undated.timestamp = ""  # of the script's own making; two runs of one script are one run
    return Send(undated)
