"""Moonshine: open speech in English without a network, its weights in a package (an extra)."""

import threading
import time
from collections.abc import Sequence

from voicelab.speech.audio import Audio
from voicelab.speech.heard import voiced_pieces
from voicelab.speech.languages import choose
from voicelab.speech.moonshine_model import VERSION, MoonshineModel, moonshine_weights
from voicelab.speech.transcript import Transcript


class Moonshine:
    """Recognises open English speech with Moonshine base, on one thread, without a network.

    The same sound gives the same words in every process, whatever it heard before. What is expected makes no difference.

    Raises:
        MissingEngineError: its weights or onnxruntime aren't installed.
        SpeechError: the weights are damaged, or of another version than the one known here.
    """

    name = "moonshine"
    version = VERSION
    offline = True
    # It takes a fraction of a sound's length, so it may be asked in vain.
    early = True

    def __init__(self) -> None:
        self._model = MoonshineModel()
        # Asked from several threads it would take as many cores.
        self._lock = threading.Lock()

    @staticmethod
    def check() -> None:
        """Find its weights and compare them with what is known of them, without loading them.

        Raises:
            MissingEngineError: they aren't installed.
            SpeechError: they are damaged, or of another version.
        """
        moonshine_weights()

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound, and how sure they are: the mean probability of their parts.

        Raises:
            SpeechError: no audio, two minutes or more, a language other than English.
        """
        del phrases
        choose(self.name, language, {"en": True})
        began = time.perf_counter()
        pieces = voiced_pieces(self.name, audio)
        with self._lock:
            found = [self._model.words(piece) for piece in pieces]
        text = " ".join(words for words, _ in found if words)
        confidence = min((sure for words, sure in found if words), default=None)
        return Transcript(text, confidence, (), self.name, time.perf_counter() - began)
