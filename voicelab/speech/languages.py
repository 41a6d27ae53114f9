"""Languages as people write them, and the ones that an engine has."""

from collections.abc import Mapping
from typing import TypeVar

from voicelab.base.errors import SpeechError, did_you_mean

T = TypeVar("T")


def choose(engine: str, language: str | None, known: Mapping[str, T], default: str = "en") -> T:
    """Return what an engine has for a language, the region first: "en-GB", else "en".

    Args:
        engine: The engine's name, for the message.
        language: Such as "en", "en-GB", "en_US"; None for the default.
        known: What it has by language.
        default: The language where none is given.

    Raises:
        SpeechError: it doesn't have the language.
    """
    asked = _asked(language, default)
    name = _name(asked, known)
    if name is not None:
        return known[name]
    raise SpeechError(
        f"{engine} doesn't have the language {language!r}; it has {', '.join(known)}.{did_you_mean(asked, known)}"
    )


def has(language: str | None, known: Mapping[str, T], default: str = "en") -> bool:
    """Return whether an engine has a language: see `choose`."""
    return _name(_asked(language, default), known) is not None


def _asked(language: str | None, default: str) -> str:
    return (language or default).replace("_", "-").lower()


def _name(asked: str, known: Mapping[str, T]) -> str | None:
    by_lower = {name.lower(): name for name in known}
    return by_lower.get(asked, by_lower.get(asked.partition("-")[0]))
