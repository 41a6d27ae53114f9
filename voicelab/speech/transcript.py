"""What a recogniser returns."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Transcript:
    """What a recogniser made of some audio.

    Attributes:
        text: The words; empty where it heard none.
        confidence: From 0 to 1, where the engine says it.
        alternatives: Other readings, the likeliest first.
        engine: The engine's name.
        duration_s: Seconds that the engine took.
    """

    text: str
    confidence: float | None = None
    alternatives: tuple[str, ...] = ()
    engine: str = ""
    duration_s: float = 0.0
