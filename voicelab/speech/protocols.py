"""What an engine is: two small protocols."""

from collections.abc import Sequence
from typing import Protocol, TypeAlias, runtime_checkable

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
