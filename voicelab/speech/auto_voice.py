"""The voice `auto`: of what is installed and works offline, for each text the first that speaks its language and script."""

import warnings
from collections.abc import Callable, Sequence

from voicelab.base.errors import SpeechError, SpeechWarning
from voicelab.speech.audio import Audio
from voicelab.speech.protocols import TextToSpeech


class AutoVoice:
    """Several voices as one.

    Args:
        voices: What speaks, the best first; at least one.
    """

    version = "1"
    offline = True

    def __init__(self, voices: Sequence[TextToSpeech]) -> None:
        self._voices = tuple(voices)
        # The best one's; a row of a console's log has the name of the one that spoke it.
        self.name = self._voices[0].name

    def speaker(self, text: str, language: str | None) -> TextToSpeech:
        """Return the one that speaks a text: the first that can, else the first, which says what is the matter."""
        return next((voice for voice in self._voices if _can(voice, text, language)), self._voices[0])

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound, of the first voice that can say it.

        Raises:
            SpeechError: none can.
        """
        return self.speaker(text, language).synthesize(text, voice=voice, language=language, speed=speed)


def who_speaks(engine: TextToSpeech, text: str, language: str | None) -> TextToSpeech:
    """Return the engine that says a text: itself, or the one that `auto` takes for it."""
    return engine.speaker(text, language) if isinstance(engine, AutoVoice) else engine


def first_that_starts(makers: Sequence[Callable[[], TextToSpeech]]) -> TextToSpeech:
    """Return the voices that start as one; one that doesn't is said, and left out.

    Args:
        makers: Each makes one that is installed, the best first.

    Raises:
        SpeechError: none starts.
    """
    voices, troubles = [], []
    for make in makers:
        try:
            voices.append(make())
        except SpeechError as error:
            troubles.append(str(error))
    if not voices:
        raise SpeechError(" ".join(troubles))
    for trouble in troubles:
        warnings.warn(f"{trouble} Until then {voices[0].name!r} speaks.", SpeechWarning, stacklevel=4)
    return voices[0] if len(voices) == 1 else AutoVoice(voices)


def _can(voice: TextToSpeech, text: str, language: str | None) -> bool:
    speaks = getattr(voice, "speaks", None)
    return speaks is None or bool(speaks(text, language))
