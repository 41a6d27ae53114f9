"""What the measures need of the data of a row. The same texts come in many sessions: what is read of one is kept."""

import re
from functools import lru_cache
from math import inf, isfinite
from typing import Any, NamedTuple

import orjson

from voicelab.base.pace import speech_seconds
from voicelab.callers.backchannels import ANSWER_S, interrupts
from voicelab.speech.words import normalized, words_and_errors

_KEPT = 4_096
_LARGEST_S = 1e9
_AGAIN = re.compile(
    r"\b(pardon|come again|say (that|it) again|repeat (that|it)|once more|what did you say|what was that|didn.?t (hear|catch))\b"
    r"|^\W*(sorry|what|excuse me)\W*$",
    re.IGNORECASE,
)
"""Asks in English to hear something again."""


class Speech(NamedTuple):
    """What is known of something that the agent plays.

    Attributes:
        seconds: How long it was heard.
        n_heard: How many of its words were heard.
        key: Its words in one form; empty for a sound without.
        n_words: How many there are.
        whole_s: How long all of it takes.
        cut: Whether it was cut.
        heard: What was heard of its words.
    """

    seconds: float
    n_heard: int
    key: str
    n_words: int
    whole_s: float
    cut: bool
    heard: str


class Said(NamedTuple):
    """What is known of something that the caller says.

    Attributes:
        aloud: Whether it was spoken.
        assumed_s: How long saying it takes by its length.
        n_words: Words that were said; None for a part of something whose words are counted at its end.
        n_errors: How many of them were recognised wrongly; None where the row doesn't say.
        unheard_of: Whether a recogniser heard them of which nobody knows what it should have heard.
        key: The words in one form.
        asks_again: Whether it asks to hear something again.
        interrupts: Whether the row itself says that it interrupts the agent.
        listens_above_s: From how many seconds on that the agent would have gone on it is a sign of listening.
        speech_s: How long speaking it took, without what is around it in its sound; None where nobody measured it.
        audio_s: How long its sound is; None where nobody measured it.
        silence_s: How much silence ends that sound.
    """

    aloud: bool
    assumed_s: float
    n_words: int | None
    n_errors: int | None
    unheard_of: bool
    key: str
    asks_again: bool
    interrupts: bool
    listens_above_s: float
    speech_s: float | None
    audio_s: float | None
    silence_s: float


@lru_cache(maxsize=_KEPT)
def read_speech(data: str) -> Speech | None:
    """Return what is known of speech, from its row's data as JSON text; None if it wasn't played."""
    facts = data_of(data)
    text = _text(facts, "text")
    return _played(facts, speech_seconds(text, facts.get("speed")), text)


@lru_cache(maxsize=_KEPT)
def read_file(data: str) -> Speech | None:
    """Return what is known of a file that is played, as `read_speech`."""
    return _played(data_of(data), 0.0, "")


@lru_cache(maxsize=_KEPT)
def read_pause(data: str) -> Speech | None:
    """Return what is known of a silence that is played, as `read_speech`."""
    facts = data_of(data)
    return _played(facts, (row_number(facts, "duration") or 0.0) / 1000, "")


def _played(facts: dict[str, Any], assumed_s: float, text: str) -> Speech | None:
    if facts.get("spoken") is False:
        return None
    whole_s, played_s = row_number(facts, "duration_s"), row_number(facts, "played_s")
    whole_s = max(0.0, assumed_s if whole_s is None else whole_s)
    seconds = whole_s if played_s is None else max(0.0, played_s)
    cut = facts.get("interrupted") is True
    heard = _text(facts, "heard") if cut and "heard" in facts else text
    words = words_of(text)
    return Speech(seconds, len(words_of(heard)), " ".join(words), len(words), max(whole_s, seconds), cut, heard)


@lru_cache(maxsize=_KEPT)
def read_said(data: str) -> Said:
    """Return what is known of words that reached the agent, or a sound that it took for none, from its row's data."""
    facts = data_of(data)
    heard = _text(facts, "text")
    text = _text(facts, "said") if "said" in facts else heard
    n_words, n_errors = _counts(facts, text, heard)
    return Said(
        facts.get("source", "speech") == "speech",
        speech_seconds(text),
        n_words,
        n_errors,
        n_errors is None and n_words is not None and "engine" in facts,
        " ".join(words_of(text)),
        bool(_AGAIN.search(text)),
        facts.get("previous_turn_interrupted") is True,
        _listens_above_s(text),
        row_number(facts, "speech_s"),
        row_number(facts, "audio_s") or None,
        row_number(facts, "end_of_turn_s") or 0.0,
    )


def _listens_above_s(text: str) -> float:
    if interrupts(0.0, text, inf):
        return inf
    return ANSWER_S if interrupts(0.0, text, 0.0) else -inf


def _counts(facts: dict[str, Any], text: str, heard: str) -> tuple[int | None, int | None]:
    words, errors = row_number(facts, "words"), row_number(facts, "word_errors")
    if words is not None and errors is not None:
        return int(words), int(errors)
    given = facts.get("language")
    language = given if isinstance(given, str) else None
    if "said" in facts:
        return words_and_errors(text, heard, language)
    if "engine" in facts and "audio_s" in facts:
        return None, None
    return words_and_errors(text, "", language)[0], None


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
