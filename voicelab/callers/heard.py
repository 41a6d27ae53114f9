"""What a caller is told."""

from typing import Protocol


class Heard(Protocol):
    """What a caller has heard since its last input; see `voicelab.session.caller_side.Heard`."""

    text: str
    timeouts: int
    interrupted: bool
    time_s: float
