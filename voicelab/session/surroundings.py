"""What may stand around a session: a world between caller and agent, sound in the place of text, a voice that plays."""

from collections.abc import Mapping
from typing import Any, Protocol

from voicelab.callers.actions import Sound
from voicelab.runtime import sdk


class Surroundings(Protocol):
    """What lies between caller and agent in one session; see `voicelab.world.world`."""

    @property
    def mishears(self) -> bool:
        """Whether `recognised` may return anything but the words themselves."""

    def recognised(self, text: str) -> str:
        """Return what the recogniser makes of the caller's words; an empty text where it hears nothing."""

    def delay_s(self) -> float:
        """Return the seconds before the handler gets its next input."""

    def fault(self, where: str) -> BaseException | None:
        """Return an exception to raise in the handler or a task, or None."""

    def outcomes(self, variants: Mapping[str, str]) -> list[tuple[str, Any]]:
        """Return the true outcomes of the session, given its variants."""


class SoundPath(Protocol):
    """The way of the caller's words as sound; see `voicelab.world.telephone`."""

    def say(self, text: str) -> list[Sound]:
        """Return what reaches the agent when the caller says something, and when: seconds from its first word."""

    def agent_seconds(self, data: Mapping[str, Any]) -> float:
        """Return how long the agent's speech takes, in seconds."""

    def settings(self, data: Mapping[str, Any]) -> None:
        """Take the agent's settings of the recogniser."""


class Voice(Protocol):
    """Plays what the agent says, in a session that somebody listens to."""

    def play(self, row: int, turn: int, event: sdk.Event) -> None:
        """Play an event of the agent: speech, audio or silence; then tell the session by `LiveEnd.playing` when."""

    def clear(self) -> None:
        """Stop, and forget what waits."""
