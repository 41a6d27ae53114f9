"""Texts as engines can say them: sentence by sentence, so that a long reply starts as fast as a short one."""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from voicelab.base.errors import SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.protocols import TextToSpeech, checked_sound

_SENTENCE = re.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+")
_CLAUSE = re.compile(r"(?<=[,;:])\s+")
# What has a full stop without being the end of a sentence, where a name or a number follows.
_SHORT = re.compile(
    r"(?:^|[\s(\"'])(?:dr|mrs?|ms|mx|prof|st|jr|sr|rev|gen|sgt|capt|vs|approx|ext|e\.g|i\.e|[A-Z])\.$",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\b(?:nos?|approx|pp?|tel)\.$", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z!][^<>]*>")
_ITEM = re.compile(r"(?<=\w)[ \t]*\n(?=\s*(?:\n|[-*+•]\s|\d+[.)]\s))")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARK = re.compile(r"^\s*(?:#{1,6}|[-*+•]|>)\s+|[*`~]{1,3}|(?<!\w)_{1,3}(?=\S)|(?<=\S)_{1,3}(?!\w)", re.MULTILINE)
LONGEST = 300
"""Characters that are given to an engine at once: more is cut at clauses, words, and in the end anywhere."""
_LONGEST_WORD = 40
# The first piece of a reply is what somebody waits for: 80 characters are about five seconds of speech.
_OPENING, _SHORTEST_OPENING = 80, 8
_BREATHS = (re.compile(r"(?<=[,;:—])\s+"), re.compile(r"\s+(?=(?:and|but|so|because|which|that|when|if|while)\s)"))
PAUSE_S = 0.2
"""Silence between two sentences, besides what an engine leaves around each."""


def sentences(text: str, longest: int = LONGEST) -> list[str]:
    """Return a text in pieces that an engine can say at once: sentences, without markup, each with a word in it.

    Args:
        text: The text.
        longest: The most characters of a piece.
    """
    pieces: list[str] = []
    for sentence in _sentences(without_markup(text)):
        pieces += _cut(sentence.strip(), longest)
    return [piece for piece in pieces if any(map(str.isalnum, piece))]


def _sentences(text: str) -> list[str]:
    found, start = [], 0
    for gap in _SENTENCE.finditer(text):
        before, after = text[max(start, gap.start() - 8) : gap.start()], text[gap.end() : gap.end() + 1]
        if after.islower() or _SHORT.search(before) or (after.isdigit() and _NUMBER.search(before)):
            continue
        found.append(text[start : gap.end()])
        start = gap.end()
    return [*found, text[start:]]


def streamed(text: str) -> list[str]:
    """Return a text in the pieces in which it is spoken: sentences, and of a long first one its first clause apart.

    An engine takes as long for a piece as it is long; so the first sound of a long reply comes as soon as that of a short
    one.

    Args:
        text: The text.
    """
    pieces = sentences(text)
    if not pieces or len(pieces[0]) <= _OPENING:
        return pieces
    first = pieces[0]
    # Where it takes a breath; else before such a word as begins a clause; else between two words.
    at = next((gap for breath in _BREATHS for gap in breath.finditer(first) if _fits(first, gap)), None)
    at = at or next((gap for gap in reversed(list(re.finditer(r"\s+", first))) if _fits(first, gap)), None)
    return [first[: at.start()], first[at.end() :], *pieces[1:]] if at else pieces


def _fits(text: str, gap: re.Match[str]) -> bool:
    """Return whether a text may be cut at a gap: early, and with something to say on either side."""
    sides = text[: gap.start()], text[gap.end() :]
    return _SHORTEST_OPENING <= gap.start() <= _OPENING and all(any(map(str.isalnum, side)) for side in sides)


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


def without_markup(text: str) -> str:
    """Return what is said of a text that was written to be shown: without tags, Markdown and pictures.

    Args:
        text: The text.
    """
    text = _ITEM.sub(".\n", text)
    text = _LINK.sub(r"\1", html.unescape(_TAG.sub(" ", text)))
    text = _MARK.sub("", text)
    said = "".join(" " if _is_unsaid(letter) else letter for letter in text)
    return " ".join(said.split())


def _is_unsaid(letter: str) -> bool:
    """Return whether a character is a picture, or none that is written: controls, halves of pairs, private ones."""
    kind = unicodedata.category(letter)
    return kind[0] == "C" or (kind in {"So", "Sk"} and letter >= _PICTURES)


_PICTURES = "\u2190"


def speakable(text: str, engine: str) -> str:
    """Return a text that an engine of Latin script says to its end.

    Such an engine is silent about other scripts, and takes minutes for a word of thousands of letters.

    Args:
        text: What is to be said.
        engine: The engine's name, for the message.

    Raises:
        SpeechError: the text is in another script.
    """
    if not is_latin(text):
        raise SpeechError(
            f"{engine} speaks Latin script alone and can't say {text[:40]!r}. Use tts='espeak' "
            "(pip install 'voicelab[espeak]') or tts='gtts' (online)."
        )
    return re.sub(rf"\S{{{_LONGEST_WORD},}}", lambda word: " ".join(_parts(word[0])), text)


def is_latin(text: str) -> bool:
    """Return whether at least half of a text's letters are of Latin script."""
    letters = [letter for letter in text if letter.isalpha()]
    foreign = [letter for letter in letters if "LATIN" not in unicodedata.name(letter, "")]
    return len(foreign) <= len(letters) / 2


def _parts(word: str) -> list[str]:
    return [word[at : at + _LONGEST_WORD] for at in range(0, len(word), _LONGEST_WORD)]


def synthesize_sentences(
    engine: TextToSpeech, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0
) -> Iterator[Audio]:
    """Yield a text's sound piece by piece: the first as soon as it is made, while nothing of the others is.

    A piece is a sentence; of a long first sentence its first clause is a piece of its own. The pieces played one after the
    other are the whole: between sentences lies a short silence, which comes with the later one.

    Args:
        engine: What speaks.
        text: The text.
        voice: As for `TextToSpeech.synthesize`.
        language: The same.
        speed: The same.

    Raises:
        SpeechError: there is nothing to say, or the engine can't say it.
    """
    pieces = streamed(text)
    if not pieces:
        raise SpeechError("There is nothing to say: the text is empty.")
    sounds = (engine.synthesize(piece, voice=voice, language=language, speed=speed) for piece in pieces)
    yield from paused(pieces, (checked_sound(engine, sound) for sound in sounds))


def paused(pieces: Sequence[str], sounds: Iterable[Audio]) -> Iterator[Audio]:
    """Yield the sounds of pieces, each with the silence before it that the end of a sentence asks for."""
    before = ""
    for piece, sound in zip(pieces, sounds, strict=True):
        yield Audio.silence(PAUSE_S, sound.rate) + sound if _ended(before) else sound
        before = piece


def _ended(piece: str) -> bool:
    return piece.rstrip("\"'”’)]").endswith((".", "!", "?", "…", "。", "！", "？"))
