"""How long speech takes where there is no sound to measure: the one place that says so, for agents and callers alike."""

SECONDS_PER_CHARACTER = 0.06
"""0.06 s a character, about 165 words a minute."""


def pace(speed: float | None) -> float:
    """Return how many times as fast as usual something is spoken: a number from 0.25 to 4, the SDK's range, else 1."""
    if isinstance(speed, int | float) and not isinstance(speed, bool) and 0.25 <= speed <= 4:  # noqa: PLR2004 - as above
        return float(speed)
    return 1.0


def speech_seconds(text: str, speed: float | None = 1.0) -> float:
    """Return how long a text takes to say, in seconds.

    Args:
        text: The words.
        speed: As of `pace`.
    """
    seconds = len(text) * SECONDS_PER_CHARACTER
    return (
        seconds if speed == 1.0 else seconds / pace(speed)
    )  # nearly always 1: every speech of a simulation passes here
