"""The recognisers of the package SpeechRecognition, most of them online."""

import time
from collections.abc import Sequence
from typing import Any

from voicelab.base.errors import InputError, SpeechError, did_you_mean
from voicelab.base.masking import Masker
from voicelab.speech.audio import Audio
from voicelab.speech.deadline import DEADLINE_S, tell_once, within
from voicelab.speech.languages import plain_language
from voicelab.speech.transcript import Transcript

# Name here -> the method's name there.
RECOGNISERS = {
    "google": "google",
    "google_cloud": "google_cloud",
    "wit": "wit",
    "azure": "azure",
    "houndify": "houndify",
    "ibm": "ibm",
    "assemblyai": "assemblyai",
    "openai": "openai",
    "groq": "groq",
}
_LEAVES = {
    "google": "SpeechRecognition's 'google' sends the caller's audio to Google unencrypted (plain http, with a key that "
    "all its users share)."
}
_LONGEST_S = 60.0


class OnlineRecogniser:
    """Recognises through a service; the audio leaves the machine.

    Args:
        service: One of `RECOGNISERS`.
        deadline_s: Seconds within which the answer must be there.
        options: What the service needs besides, such as `key=`; see SpeechRecognition's own documentation.

    Raises:
        InputError: there is no such service.
    """

    version = "1"
    offline = False

    def __init__(self, service: str = "google", deadline_s: float = DEADLINE_S, **options: Any) -> None:
        if service not in RECOGNISERS:
            raise InputError(
                f"{service!r} is no recogniser of SpeechRecognition, must be one of {', '.join(RECOGNISERS)}."
                + did_you_mean(service, RECOGNISERS)
            )
        self.name = service
        self._deadline_s = deadline_s
        self._options = options

    def __repr__(self) -> str:
        # Options hold keys: they are never shown.
        return f"OnlineRecogniser({self.name!r})"

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound.

        Raises:
            SpeechError: the service can't be reached in time, or refuses.
        """
        del phrases
        if not len(audio.samples):
            raise SpeechError("There is nothing to recognise: the audio is empty.")
        if audio.duration_s > _LONGEST_S:
            raise SpeechError(
                f"The audio is {audio.duration_s:.0f} s long; {self.name} takes {_LONGEST_S:.0f} s. Cut it into turns."
            )
        plain_language(language)  # which no service could read, if it is no text
        leaves = _LEAVES.get(self.name, f"The recogniser {self.name!r} sends the caller's audio to a service.")
        tell_once(self.name, f"{leaves} Use stt='sphinx' to keep it here.")
        began = time.perf_counter()
        text = within(self._deadline_s, lambda: self._ask(audio, language), self._failed)
        return Transcript(text, None, (), self.name, time.perf_counter() - began)

    def _ask(self, audio: Audio, language: str | None) -> str:
        import speech_recognition

        recogniser = speech_recognition.Recognizer()
        recogniser.operation_timeout = self._deadline_s
        sound = speech_recognition.AudioData(audio.resampled(16_000).pcm16().tobytes(), 16_000, 2)
        options = dict(self._options)
        if language:
            options["language"] = language
        try:
            heard = getattr(recogniser, f"recognize_{RECOGNISERS[self.name]}")(sound, **options)
        except speech_recognition.UnknownValueError:
            return ""  # it heard no words
        return str(heard[0] if isinstance(heard, tuple) else heard)

    def _failed(self, what: str) -> str:
        what = Masker(map(str, self._options.values())).text(what)
        return (
            f"The recogniser {self.name!r} needs the internet and could not reach its service ({what}). Nothing was "
            "recognised. Use stt='sphinx' (works offline) or reconnect."
        )
