"""Pico: a small voice that works offline, six languages, in 6 ms an utterance."""

import contextlib
import ctypes
import sys
import threading
from collections.abc import Iterator

import numpy as np

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.base.pace import pace
from voicelab.speech import cache
from voicelab.speech.audio import Audio
from voicelab.speech.languages import choose, has
from voicelab.speech.text import is_latin, paused, sentences, speakable
from voicelab.speech.voices import local_voice

LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": ("en-US", "en-GB"),
    "en-US": ("en-US",),
    "en-GB": ("en-GB",),
    "de": ("de-DE",),
    "es": ("es-ES",),
    "fr": ("fr-FR",),
    "it": ("it-IT",),
}
_RATE = 16_000
_SPEEDS = (0.25, 4.0)
_QUIET = 3
# M_PERTURB of glibc's mallopt(): new memory is filled with the complement of the given byte.
_PERTURB = -6


class Pico:
    """Speaks with SVOX Pico, without a network.

    Raises:
        MissingEngineError: it isn't installed.
    """

    name = "pico"
    version = "2"
    offline = True

    def __init__(self) -> None:
        try:
            from py_nanotts import NanoTTS
        except ImportError:
            raise MissingEngineError(
                "The voice 'pico' isn't installed. Install it by: pip install py-nanotts (Linux and Windows), or use "
                "tts='espeak' after: pip install 'voicelab[espeak]'."
            ) from None
        self._engine = NanoTTS()
        # The library keeps state of its own: one text at a time.
        self._lock = threading.Lock()

    def speaks(self, text: str, language: str | None) -> bool:
        """Return whether it has a text's language and script."""
        return has(language, LANGUAGES) and is_latin(text)

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound, 16 kHz.

        The same text, voice and speed give the same samples; a speed that isn't from 0.25 to 4 counts as 1.

        Raises:
            SpeechError: empty text, text in another script, a language that it doesn't have.
        """
        pieces = [speakable(piece, self.name) for piece in sentences(text)]
        if not pieces:
            raise SpeechError(f"There is nothing to say: {text!r} has no words.")
        local = local_voice(voice, choose(self.name, language, LANGUAGES))
        speed = min(max(pace(speed) * local.speed, _SPEEDS[0]), _SPEEDS[1])
        return Audio.join(paused(pieces, (self._piece(piece, local.language, local.pitch, speed) for piece in pieces)))

    def _piece(self, text: str, language: str, pitch: float, speed: float) -> Audio:
        key = cache.key(self.name, self.version, language, f"{pitch:.3f}", f"{speed:.3f}", text)
        return cache.audio(key, lambda: self._spoken(text, language, pitch, speed))

    def _spoken(self, text: str, language: str, pitch: float, speed: float) -> Audio:
        with self._lock, _cleared_memory():
            data = self._engine.speak(text, voice=language, speed=speed, pitch=pitch)
        samples = np.frombuffer(data, np.dtype("<i2")).astype(np.int16)
        if not len(samples) or np.abs(samples).max() <= _QUIET:
            raise SpeechError(
                f"pico can't say {text[:60]!r} in {language}: it gave no sound. Use another engine, such as "
                "tts='espeak' (pip install 'voicelab[espeak]') or tts='gtts' (online)."
            )
        # Pico leaves half a second of silence behind: it would make each answer late.
        return Audio(samples, _RATE).trimmed(46, keep_s=0.06)


@contextlib.contextmanager
def _cleared_memory() -> Iterator[None]:
    """Have the C library hand out memory that is all zero, meanwhile.

    Pico reads memory that it never wrote, so that the same text would sound a little different each time, by what was
    there before. Only glibc can do this; elsewhere the cache keeps the samples equal.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        yield
        return
    mallopt(_PERTURB, 0xFF)
    try:
        yield
    finally:
        mallopt(_PERTURB, 0)
