"""gTTS: Google's voice of the translator, online."""

from voicelab.base.errors import SpeechError, did_you_mean
from voicelab.base.pace import pace
from voicelab.speech import cache
from voicelab.speech.audio import Audio
from voicelab.speech.deadline import DEADLINE_S, tell_once, within
from voicelab.speech.languages import plain_language
from voicelab.speech.text import sentences

_ASKS_AT_ONCE = 100


class GTTS:
    """Speaks through Google's translator; the text leaves the machine. Voices are one a language.

    Args:
        deadline_s: Seconds within which a sentence must be there.
    """

    name = "gtts"
    version = "1"
    offline = False

    def __init__(self, deadline_s: float = DEADLINE_S) -> None:
        self._deadline_s = deadline_s

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound.

        Raises:
            SpeechError: the service can't be reached in time, sends something else, or doesn't have the language.
        """
        del voice
        pieces = sentences(text, _ASKS_AT_ONCE)
        if not pieces:
            raise SpeechError("There is nothing to say: the text is empty.")
        tell_once(
            self.name, "gTTS sends what is spoken to Google's translator, over https. Use tts='pico' to keep it here."
        )
        wanted, slow = plain_language(language), pace(speed) < 0.8  # noqa: PLR2004 - it has two speeds
        return Audio.join([self._piece(piece, wanted, slow=slow) for piece in pieces])

    def _piece(self, text: str, language: str, *, slow: bool) -> Audio:
        name = cache.key(self.name, self.version, language, str(slow), text)
        return cache.audio(
            name, lambda: within(self._deadline_s, lambda: self._ask(text, language, slow=slow), _failed)
        )

    def _ask(self, text: str, language: str, *, slow: bool) -> Audio:
        from gtts import gTTS

        # Each chunk is an mp3 of its own: a decoder takes the first of several joined ones alone.
        chunks = [
            chunk for chunk in gTTS(text, lang=_known(language), slow=slow, timeout=self._deadline_s).stream() if chunk
        ]
        if not chunks:
            raise SpeechError(_failed("an answer of 0 bytes, as a network's login page gives"))
        return Audio.join([Audio.load(chunk) for chunk in chunks])


def _known(language: str) -> str:
    from gtts.lang import tts_langs

    languages = tts_langs()
    by_lower = {name.lower(): name for name in languages}
    for name in (language.lower(), language.lower().partition("-")[0]):
        if name in by_lower:
            return str(by_lower[name])
    raise SpeechError(
        f"gTTS doesn't have the language {language!r}; e.g. en, de, es, fr.{did_you_mean(language, languages)}"
    )


def _failed(what: str) -> str:
    return (
        f"gTTS needs the internet and could not reach its service ({what}). Nothing was spoken. Use tts='pico' "
        "(works offline) or reconnect."
    )
