"""A local voice for each of the platform's voice names: the same one every time, and different ones for different names."""

from dataclasses import dataclass
from hashlib import blake2b

# The platform's own names, so that they differ from each other by more than chance.
NAMES = ("nova", "brooke", "alloy", "echo", "fable", "onyx", "shimmer", "kore", "puck", "charon", "aoede", "zephyr")

_PITCHES = (1.0, 0.82, 1.16, 0.9, 1.08, 0.76)


@dataclass(frozen=True)
class LocalVoice:
    """How an engine speaks as somebody.

    Attributes:
        language: Which of the engine's voices: a language such as "en-US".
        pitch: Pitch over the voice's own.
        speed: Pace over the voice's own.
    """

    language: str
    pitch: float
    speed: float


def local_voice(name: str | None, languages: tuple[str, ...]) -> LocalVoice:
    """Return the local voice of a name.

    Args:
        name: A voice of the platform, a provider's identifier, or None for the plain voice.
        languages: The engine's voices that speak the wanted language.
    """
    if not name:
        return LocalVoice(languages[0], 1.0, 1.0)
    known = name.strip().lower()
    at = (
        NAMES.index(known) if known in NAMES else int.from_bytes(blake2b(known.encode(), digest_size=4).digest(), "big")
    )
    pitch = _PITCHES[at // len(languages) % len(_PITCHES)]
    speed = 1.0 + 0.04 * (at % 3 - 1) if at else 1.0
    return LocalVoice(languages[at % len(languages)], pitch, speed)
