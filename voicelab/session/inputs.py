"""What is put before a handler: what the caller does, the start of the session, and silence."""

from dataclasses import dataclass

from voicelab.callers.actions import Action, Recognised


@dataclass(frozen=True, slots=True)
class Timeout:
    """The silence that the handler is told of.

    Attributes:
        count: How many in a row.
        ms_since_input: Milliseconds since the caller's last input, or since the session began.
    """

    count: int
    ms_since_input: int


class Start:
    """The first input of every session: the call has been taken."""


START = Start()
"""The one that every session begins with."""

Given = Action | Recognised | Timeout | Start
"""An input on its way to the handler."""
