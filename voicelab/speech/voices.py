"""A local voice for each of the platform's voice names: the same one every time, and different ones for different names."""

from dataclasses import dataclass
from hashlib import blake2b

# The platform's own names, so that they differ from each other by more than chance.
NAMES = ("nova", "brooke", "alloy", "echo", "fable", "onyx", "shimmer", "kore", "puck", "charon", "aoede", "zephyr")

N_CALLERS = 24
"""How many callers' voices there are; each differs from all others in height, resonances and pace."""
_CALLER = "caller-"
_PITCHES = (1.0, 0.82, 1.16, 0.9, 1.08, 0.76)


@dataclass(frozen=True)
class LocalVoice:
    """How an engine speaks as somebody.

    Attributes:
        language: Which of the engine's voices: a language such as "en-US".
        pitch: Pitch over the voice's own.
        speed: Pace over the voice's own.
        tract: Frequencies of the vocal tract's resonances over the voice's own: above 1 for a smaller person.
    """

    language: str
    pitch: float
    speed: float
    tract: float = 1.0


def local_voice(name: str | None, languages: tuple[str, ...]) -> LocalVoice:
    """Return the local voice of a name.

    Args:
        name: A voice of the platform, one of `caller_voice`, a provider's identifier, or None for the plain voice.
        languages: The engine's voices that speak the wanted language.
    """
    if not name:
        return LocalVoice(languages[0], 1.0, 1.0)
    known = name.strip().lower()
    if (number := _caller_number(known)) is not None:
        # Such an engine's voices sound best near their own height; its own voices are what differs in timbre.
        person = _caller(number)
        return LocalVoice(languages[number % len(languages)], 0.5 + 0.53 * person.pitch, 1 + (person.speed - 1) / 3)
    at = (
        NAMES.index(known) if known in NAMES else int.from_bytes(blake2b(known.encode(), digest_size=4).digest(), "big")
    )
    pitch = _PITCHES[at // len(languages) % len(_PITCHES)]
    speed = 1.0 + 0.04 * (at % 3 - 1) if at else 1.0
    return LocalVoice(languages[at % len(languages)], pitch, speed)


# Height, resonances and pace of each name over the natural voice's own, which is a woman's of 190 Hz.
_NATURAL = {
    "nova": (1.0, 1.0, 1.0),
    "brooke": (1.08, 1.05, 1.03),
    "alloy": (0.84, 0.94, 1.0),
    "echo": (0.62, 0.87, 1.02),
    "fable": (0.68, 0.9, 0.96),
    "onyx": (0.5, 0.83, 0.94),
    "shimmer": (1.16, 1.04, 0.95),
    "kore": (0.93, 0.98, 1.06),
    "puck": (0.72, 0.92, 1.08),
    "charon": (0.55, 0.85, 0.98),
    "aoede": (1.05, 0.98, 0.92),
    "zephyr": (1.25, 1.1, 1.05),
}


def caller_voice(chance: float) -> str:
    """Return the name of a caller's voice: a person of an audio simulation, and not one of the platform's voices.

    Args:
        chance: Uniform from 0 to below 1; each of the `N_CALLERS` is as likely.
    """
    return f"{_CALLER}{int(chance * N_CALLERS) + 1}"


def natural_voice(name: str | None) -> LocalVoice:
    """Return how the natural voice speaks as a name.

    Args:
        name: A voice of the platform, one of `caller_voice`, a provider's identifier, or None for the plain voice.
    """
    if not name:
        return LocalVoice("en-US", 1.0, 1.0)
    known = name.strip().lower()
    if (number := _caller_number(known)) is not None:
        return _caller(number)
    if known not in _NATURAL:
        digest = int.from_bytes(blake2b(known.encode(), digest_size=4).digest(), "big")
        known = NAMES[digest % len(NAMES)]
    pitch, tract, speed = _NATURAL[known]
    return LocalVoice("en-US", pitch, speed, tract)


def _caller_number(name: str) -> int | None:
    number = name.removeprefix(_CALLER)
    return int(number) if number != name and number.isdecimal() and 1 <= int(number) <= N_CALLERS else None


def _caller(number: int) -> LocalVoice:
    """Return the voice of a caller, by its number from 1 on: odd ones are women, even ones men.

    Heights and vocal tracts are those of grown people: about 165 to 240 Hz and 95 to 150 Hz. A tract goes with a height as
    it does in people, loosely. Each number takes the place that its predecessors left free (golden ratios), so that two
    voices are never near in all three.
    """
    height, size, haste = ((number * ratio) % 1.0 for ratio in (0.6180339887, 0.7548776662, 0.5698402910))
    low, high, tract = (0.87, 1.26, 1.0) if number % 2 else (0.5, 0.79, 0.87)
    pitch = low + (high - low) * height
    return LocalVoice("en-US", pitch, 0.88 + 0.3 * haste, tract - 0.05 + 0.06 * height + 0.05 * size)
