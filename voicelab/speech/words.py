"""How many words a recogniser got wrong: as people compare them, where "3" is "three", and as they are written."""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.speech.languages import is_english, plain_language
from voicelab.speech.spoken_english import as_said

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def normalized(text: str) -> list[str]:
    """Return a text's words in lower case, without punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def word_counts(reference: str, heard: str, language: str | None = None) -> Mapping[str, int]:
    """Return how many words were said and how many of them are wrong, both ways of counting: see `word_error_rate`.

    Args:
        reference: What was said.
        heard: What was recognised.
        language: As `word_error_rate`; None for English.
    """
    written = normalized(reference)
    words, errors = words_and_errors(reference, heard, language)
    return {
        "words": words,
        "word_errors": errors,
        "words_as_written": len(written),
        "word_errors_as_written": _edits(written, normalized(heard)),
    }


def words_and_errors(reference: str, heard: str, language: str | None = None) -> tuple[int, int]:
    """Return how many words were said, and how many of them are wrong, compared as they are said.

    Args:
        reference: What was said.
        heard: What was recognised.
        language: As `word_error_rate`; None for English.
    """
    said = _said(reference, language)
    return len(said), _edits(said, _said(heard, language))


def word_error_rate(reference: str, heard: str, *, language: str = "en", as_written: bool = False) -> float:
    """Return word errors over the words of the reference; 0 for right, above 1 where more was heard than was said.

    Errors are the fewest words to insert, delete or replace that turn one text into the other (Levenshtein). Words are
    compared as they are said: numbers, times, money, ordinals, contractions and spellings of the same sound are the same,
    and hesitations count for nothing.

    Args:
        reference: What was said.
        heard: What was recognised.
        language: Such as "en" or "en-GB". In other languages than English words are compared as they are written.
        as_written: Whether to compare them so in English too: "3" is not "three" then.

    Raises:
        InputError: what was said, what was heard, or the language is no text.
    """
    for name, text in {"reference": reference, "heard": heard}.items():
        checked_text(name, text)
    plain_language(language)
    counts = word_counts(reference, heard, language)
    ending = "_as_written" if as_written else ""
    words, errors = counts[f"words{ending}"], counts[f"word_errors{ending}"]
    return errors / words if words else float(errors > 0)


@lru_cache(maxsize=20_000)  # phrases that are expected are compared with every turn
def _said(text: str, language: str | None) -> list[str]:
    return as_said(text) if is_english(language) else normalized(text)


def checked_text(name: str, given: Any) -> str:
    """Return a text.

    Raises:
        InputError: it is none.
    """
    if not isinstance(given, str):
        raise InputError(f"{name} is {shown(given)}, must be a text, e.g. 'yes please'.")
    return given


def _edits(wanted: Sequence[str], got: Sequence[str]) -> int:
    """Return the fewest words to insert, delete or replace that turn one list into the other."""
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, start=1):
        before, row = row, [at]
        for (diagonal, above), other in zip(pairwise(before), got, strict=True):
            row.append(min(diagonal + (word != other), above + 1, row[-1] + 1))
    return row[-1]
