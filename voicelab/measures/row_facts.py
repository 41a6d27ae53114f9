"""What the measures need of the data of a row. The same texts come in many sessions: what is read of one is kept."""

from functools import lru_cache
from math import isfinite
from typing import Any, NamedTuple

import orjson

from voicelab.base.pace import speech_seconds
from voicelab.speech.words import normalized, words_and_errors

_KEPT = 4_096
_LARGEST_S = 1e9


class Speech(NamedTuple):
    """What is known of something that the agent plays.

    Attributes:
        seconds: How long it was heard.
        whole_s: How long all of it takes.
        cut: Whether it was cut.
        words: Its words, in lower case; empty for a sound without.
        heard: Those of them that were heard.
    """

    seconds: float
    whole_s: float
    cut: bool
    words: tuple[str, ...]
    heard: tuple[str, ...]


class Said(NamedTuple):
    """What is known of something that the caller says.

    Attributes:
        text: What was said, where that is known, else what was recognised.
        aloud: Whether it was spoken.
        assumed_s: How long saying it takes by its length.
        audio_s: How long its sound is; None where nobody measured it.
        silence_s: How much silence ends that sound.
        n_words: Words that were said; None for a part of something whose words are counted at its end.
        n_errors: How many of them were recognised wrongly; None where nobody knows.
        words: The words in lower case.
        interrupts: Whether the row itself says that it interrupts the agent.
    """

    text: str
    aloud: bool
    assumed_s: float
    audio_s: float | None
    silence_s: float
    n_words: int | None
    n_errors: int | None
    words: tuple[str, ...]
    interrupts: bool


@lru_cache(maxsize=_KEPT)
def speech_of(name: str, data: str) -> Speech | None:
    """Return what is known of an output that is played; None if it wasn't.

    Args:
        name: `text_to_speech`, `audio` or `silence`.
        data: The row's data as JSON text.
    """
    facts = data_of(data)
    if facts.get("spoken") is False:
        return None
    text = _text(facts, "text") if name == "text_to_speech" else ""
    whole_s, played_s = row_number(facts, "duration_s"), row_number(facts, "played_s")
    if whole_s is None:
        if name == "silence":
            whole_s = (row_number(facts, "duration") or 0.0) / 1000
        else:
            whole_s = speech_seconds(text, facts.get("speed"))
    cut = facts.get("interrupted") is True
    words = words_of(text)
    heard = words_of(_text(facts, "heard")) if cut and "heard" in facts else words
    seconds = whole_s if played_s is None else played_s
    return Speech(max(0.0, seconds), max(whole_s, seconds), cut, words, heard)


@lru_cache(maxsize=_KEPT)
def read_said(data: str, exact: bool) -> Said:
    """Return what is known of words that reached the agent, or a sound that it took for none.

    Args:
        data: The row's data as JSON text.
        exact: Whether words of which nothing else is said were recognised as they were said.
    """
    facts = data_of(data)
    heard = _text(facts, "text")
    text = _text(facts, "said") if "said" in facts else heard
    audio_s = row_number(facts, "audio_s")
    n_words, n_errors = _counts(facts, text, heard, exact)
    return Said(
        text,
        facts.get("source", "speech") == "speech",
        speech_seconds(text),
        audio_s or None,
        row_number(facts, "end_of_turn_s") or 0.0,
        n_words,
        n_errors,
        words_of(text),
        facts.get("previous_turn_interrupted") is True,
    )


def _counts(facts: dict[str, Any], text: str, heard: str, exact: bool) -> tuple[int | None, int | None]:
    words, errors = row_number(facts, "words"), row_number(facts, "word_errors")
    if words is not None and errors is not None:
        return int(words), int(errors)
    language = facts.get("language") if isinstance(facts.get("language"), str) else None
    if "said" in facts:
        return words_and_errors(text, heard, language)
    if "engine" in facts and "audio_s" in facts:
        return None, None
    n_words, _ = words_and_errors(text, text, language)
    return n_words, 0 if exact and "engine" not in facts else None


@lru_cache(maxsize=_KEPT)
def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text in lower case, without punctuation."""
    return tuple(normalized(text))


def data_of(data: str) -> dict[str, Any]:
    """Return the data of a row; nothing where it is no object."""
    try:
        facts = orjson.loads(data)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}


def row_number(facts: dict[str, Any], key: str) -> float | None:
    """Return a number of a row's data; None if there is none, or one that nobody can have measured."""
    value = facts.get(key)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if -_LARGEST_S <= value <= _LARGEST_S and isfinite(value) else None


def _text(facts: dict[str, Any], key: str) -> str:
    value = facts.get(key)
    return value if isinstance(value, str) else ""
