"""Languages as people write them, and the ones that an engine has."""

from collections.abc import Mapping
from typing import TypeVar

from voicelab.base.errors import InputError, SpeechError, did_you_mean
from voicelab.base.masking import shown

T = TypeVar("T")


def choose(engine: str, language: str | None, known: Mapping[str, T], default: str = "en") -> T:
    """Return what an engine has for a language, the region first: "en-GB", else "en".

    Args:
        engine: The engine's name, for the message.
        language: Such as "en", "en-GB", "en_US"; None for the default.
        known: What it has by language.
        default: The language where none is given.

    Raises:
        InputError: the language is no text.
        SpeechError: it doesn't have the language.
    """
    asked = plain_language(language, default)
    name = _name(asked, known)
    if name is not None:
        return known[name]
    raise SpeechError(
        f"{engine} doesn't have the language {language!r}; it has {', '.join(known)}.{did_you_mean(asked, known)}"
    )


def has(language: str | None, known: Mapping[str, T], default: str = "en") -> bool:
    """Return whether an engine has a language: see `choose`."""
    return _name(plain_language(language, default), known) is not None


def is_english(language: str | None) -> bool:
    """Return whether a language is English, of whatever region; it is where none is given.

    Raises:
        InputError: it is no text.
    """
    return plain_language(language).partition("-")[0] == "en"


def plain_language(language: str | None, default: str = "en") -> str:
    """Return a language in small letters with its region behind a hyphen, as in "en-gb".

    Raises:
        InputError: it is no text.
    """
    if language is not None and not isinstance(language, str):
        raise InputError(f"language is {shown(language)}, must be a text such as 'en' or 'en-GB', or None.")
    return (language or default).replace("_", "-").lower()


def _name(asked: str, known: Mapping[str, T]) -> str | None:
    by_lower = {name.lower(): name for name in known}
    return by_lower.get(asked, by_lower.get(asked.partition("-")[0]))
