"""What a caller is: whom the engine asks, what it is told, and what callers of this package have besides.

A caller is any object with a `name` and `begin(rng)`, which returns a conversation: an object with `reply(heard)`, asked
whenever the agent has finished, and `interrupts_after()`, asked whenever the agent begins to speak.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from voicelab.base.seeds import Seeds
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


@dataclass(frozen=True)
class LoggedFacts:
    """What stood around a caller that was logged, and does again unless the run says otherwise.

    Attributes:
        parameters: What the handler read with `get_data`.
        input_data: What it read as `context.input_data`; None where the log doesn't know.
        environment: The environment's name; None where the log doesn't know.
        direction: Who called whom; None where the log doesn't know.
    """

    parameters: Mapping[str, Any] = field(default_factory=dict)
    input_data: Mapping[str, Any] | None = None
    environment: str | None = None
    direction: str | None = None


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

    def of_session(self, index: int, seeds: Seeds) -> "KnownCaller":
        """Return who calls in a session: this caller, unless it stands for several.

        Args:
            index: The session's index.
            seeds: Its streams of chance.
        """
        del index, seeds
        return self

    def prepare(self, indexes: range) -> None:
        """Be told which sessions come next, while nothing limits what may be read for them."""

    def stream_index(self, index: int) -> int:
        """Return which session's streams of chance a session has: its own, unless it repeats another."""
        return index

    def refuse_folder(self, folder: Path) -> None:
        """Refuse to be simulated into a folder that the caller itself is read from."""

    def repeats(self, run: Mapping[str, Any]) -> "tuple[KnownCaller, str] | None":
        """Return the caller and the id of a run that a run does again, to the last bit; None where it does none again.

        Args:
            run: What must be equal: seed, stopping, sessions, fingerprint_version, and options by name.
        """
        del run
        return None

    def told(self, options: Mapping[str, str]) -> Mapping[str, Any]:
        """Return what a log's manifest says of the caller besides its name, given the run's options by name."""
        del options
        return {}

    @property
    def identity(self) -> Any:
        """What the caller is made of: the same makes the same run."""
        return self

    outcome_names: Sequence[str] = ()
    """Outcomes that its sessions get by it."""
    n_callers: int | None = None
    """How many sessions there may be at most; None for any number."""
    logged: "LoggedFacts | None" = None
    """What is known of the session that a caller was logged in; None of one that was not."""


CallerLike: TypeAlias = KnownCaller | OwnCaller | Sequence[InputLike]
"""Who calls: `vl.Script(...)`, a persona, `vl.mix(...)`, a caller of one's own, or a list of inputs."""
