"""What a caller is: whom the engine asks, what it is told, and what callers of this package have besides.

A caller is any object with a `name` and `begin(rng)`, which returns a conversation: an object with `reply(heard)`, asked
whenever the agent has finished, and `interrupts_after()`, asked whenever the agent begins to speak.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from voicelab.callers.actions import Input, InputLike


@dataclass(slots=True)
class Heard:
    """What a caller has heard since its last input.

    Attributes:
        text: Everything the agent said, joined; the heard part alone where the caller cuts in.
        timeouts: How many times in a row the agent was told of the caller's silence.
        interrupted: Whether the caller is cutting in now.
        time_s: Seconds since the session began.
    """

    text: str
    timeouts: int
    interrupted: bool
    time_s: float


class Conversation(Protocol):
    """One caller in one session.

    It may have an attribute `timed`: inputs `vl.at(...)` in order of time, which happen whatever the agent does then.
    """

    def reply(self, heard: Heard) -> Input | None:
        """Return what the caller does next, or None when it has nothing more to do: the session is then completed.

        Asked when the agent has finished an answer (also an empty one), and at the moment of an interruption.
        """

    def interrupts_after(self) -> float | None:
        """Return how many seconds into the agent's speech the caller cuts in, or None to hear it out.

        Asked when the agent begins to speak after a silence.
        """


class Caller(Protocol):
    """Somebody who can call, any number of times.

    Attributes:
        name: Stands in the log's column `caller`.
    """

    name: str

    def begin(self, rng: random.Random) -> Conversation:
        """Return a new conversation that draws from `rng` alone, so that it can be repeated."""


class OwnConversation(Protocol):
    """What a caller of the user's own begins; it need not know of interruptions, nor of `timed`."""

    def reply(self, heard: Heard) -> InputLike | None:
        """Return what the caller does next, or None when it has nothing more to do."""


class OwnCaller(Protocol):
    """A caller of the user's own."""

    @property
    def name(self) -> str:
        """Stands in the log's column `caller`."""

    def begin(self, rng: random.Random) -> OwnConversation:
        """Return a new conversation that draws from `rng` alone, so that it can be repeated."""


class KnownCaller:
    """A caller of this package: it is asked as it is, where one of the user's is wrapped first (see `own`).

    Attributes:
        name: Stands in the log's column `caller`.
    """

    name: str

    @property
    def phrases(self) -> Sequence[str]:
        """What the caller may say, as far as it is known beforehand: what a recogniser is told to expect."""
        return ()


CallerLike: TypeAlias = KnownCaller | OwnCaller | Sequence[InputLike]
"""Who calls: `vl.Script(...)`, a persona, `vl.mix(...)`, a caller of one's own, or a list of inputs."""
