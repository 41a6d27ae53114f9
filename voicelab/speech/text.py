"""Texts as engines can say them: sentence by sentence, so that a long reply starts as fast as a short one."""

import re
import unicodedata
from collections.abc import Iterator

from voicelab.base.errors import SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.protocols import TextToSpeech

_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+")
_CLAUSE = re.compile(r"(?<=[,;:])\s+")
LONGEST = 300
"""Characters that are given to an engine at once: more is cut at clauses, words, and in the end anywhere."""
_LONGEST_WORD = 40


def sentences(text: str, longest: int = LONGEST) -> list[str]:
    """Return a text in pieces that an engine can say at once.

    Args:
        text: The text.
        longest: The most characters of a piece.
    """
    pieces: list[str] = []
    for sentence in _SENTENCE.split(text.strip()):
        pieces += _cut(sentence.strip(), longest)
    return [piece for piece in pieces if piece]


def _cut(text: str, longest: int) -> list[str]:
    if len(text) <= longest:
        return [text]
    for separator in (_CLAUSE, re.compile(r"\s+")):
        parts = separator.split(text)
        if len(parts) > 1:
            return [piece for line in _filled(parts, longest) for piece in _cut(line, longest)]
    return [text[at : at + longest] for at in range(0, len(text), longest)]


def _filled(parts: list[str], longest: int) -> list[str]:
    """Return parts joined to lines that are as long as they may be."""
    lines = [parts[0]]
    for part in parts[1:]:
        if len(lines[-1]) + 1 + len(part) <= longest:
            lines[-1] += f" {part}"
        else:
            lines.append(part)
    # Nothing was joined, so cutting here again would not end: the next separator is tried on what is left too long.
    return lines


def speakable(text: str, engine: str) -> str:
    """Return a text that an engine of Latin script says to its end.

    Such an engine is silent about other scripts, and takes minutes for a word of thousands of letters.

    Args:
        text: What is to be said.
        engine: The engine's name, for the message.

    Raises:
        SpeechError: the text is in another script.
    """
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if "LATIN" not in unicodedata.name(letter, "")]
    if len(foreign) > len(letters) / 2:
        raise SpeechError(
            f"{engine} speaks Latin script alone and can't say {text[:40]!r}. Use tts='espeak' "
            "(pip install 'voicelab[espeak]') or tts='gtts' (online)."
        )
    return re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: " ".join(_parts(word[0])), text)


def _parts(word: str) -> list[str]:
    return [word[at : at + _LONGEST_WORD] for at in range(0, len(word), _LONGEST_WORD)]


def synthesize_sentences(
    engine: TextToSpeech, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0
) -> Iterator[Audio]:
    """Yield a text's sound sentence by sentence.

    Args:
        engine: What speaks.
        text: The text.
        voice: As for `TextToSpeech.synthesize`.
        language: The same.
        speed: The same.

    Raises:
        SpeechError: there is nothing to say, or the engine can't say it.
    """
    pieces = sentences(text)
    if not pieces:
        raise SpeechError("There is nothing to say: the text is empty.")
    for piece in pieces:
        yield engine.synthesize(piece, voice=voice, language=language, speed=speed)
