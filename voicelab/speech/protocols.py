"""What an engine is: two small protocols, and what one of somebody's own must give back."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

from voicelab.base.errors import SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.transcript import Transcript


@runtime_checkable
class TextToSpeech(Protocol):
    """Speaks.

    Attributes:
        name: Stands in the log beside all that it says.
    """

    name: str

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound.

        Args:
            text: The words.
            voice: A name of the platform such as "nova", or of the engine itself.
            language: Such as "en" or "de-DE".
            speed: Pace, 1 for normal.

        Raises:
            SpeechError: it can't be spoken; never silence in place of words.
        """


@runtime_checkable
class SpeechToText(Protocol):
    """Recognises.

    Attributes:
        name: Stands in the log beside all that it hears.
    """

    name: str

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound; an empty text where there are none.

        Args:
            audio: The sound.
            phrases: What is expected to be said.
            language: Such as "en" or "de-DE".

        Raises:
            SpeechError: it can't be recognised.
        """


TextToSpeechLike: TypeAlias = str | TextToSpeech
"""What speaks: a name of `speech.engines()`, `auto`, or an engine of one's own."""
SpeechToTextLike: TypeAlias = str | SpeechToText
"""What recognises: a name of `speech.engines()`, `auto`, or an engine of one's own."""


def checked_sound(engine: TextToSpeech, given: object) -> Audio:
    """Return what an engine spoke, if it is sound.

    Raises:
        SpeechError: it is something else.
    """
    if isinstance(given, Audio):
        return given
    raise SpeechError(f"{engine.name}'s synthesize() returned {given!r:.60}, must be a speech.Audio(samples, rate).")


def checked_transcript(engine: SpeechToText, given: object) -> Transcript:
    """Return what an engine heard, if it is a transcript.

    Raises:
        SpeechError: it is something else, or its text or confidence is.
    """
    text: object = getattr(given, "text", "")
    sure: object = getattr(given, "confidence", None)
    if not isinstance(given, Transcript):
        wrong = f"{given!r:.60}, must be a speech.Transcript(text, confidence)"
    elif not isinstance(text, str):
        wrong = f"a transcript whose text is {text!r:.60}, must be the words; '' where there are none"
    elif not _is_share(sure):
        wrong = f"a transcript whose confidence is {sure!r:.60}, must be from 0 to 1, or None"
    else:
        return given
    raise SpeechError(f"{engine.name}'s transcribe() returned {wrong}.")


def _is_share(given: object) -> bool:
    # A number of numpy's is none of Python's own to `isinstance`, but has the method that makes it one.
    return given is None or (hasattr(given, "__float__") and 0 <= float(given) <= 1)
