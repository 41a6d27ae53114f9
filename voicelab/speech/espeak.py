"""eSpeak NG: about a hundred languages, offline, robotic (an extra; GPL-3)."""

import ctypes
import threading
from typing import Any

import numpy as np

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.base.pace import pace
from voicelab.speech import cache
from voicelab.speech.audio import Audio
from voicelab.speech.languages import plain_language
from voicelab.speech.voices import local_voice

_SYNCHRONOUS = 2
# Without it a wrong path of the library's data ends the whole process.
_DONT_EXIT = 0x8000
_UTF8 = 1
_RATE, _PITCH = 1, 3
_WORDS_A_MINUTE = 175
_VARIANTS = ("", "+f2", "+m3", "+f4", "+m7", "+f5")


class Espeak:
    """Speaks with eSpeak NG.

    Raises:
        MissingEngineError: it isn't installed.
    """

    name = "espeak"
    version = "1"
    offline = True
    # The library is one for the whole process.
    _library: Any = None
    _rate_hz = 22_050
    _lock = threading.Lock()

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError:
            raise MissingEngineError(
                "The voice 'espeak' isn't installed (GPL-3). Install it by: pip install 'voicelab[espeak]'"
            ) from None
        with Espeak._lock:
            if Espeak._library is None:
                Espeak._open(str(espeakng_loader.get_library_path()), str(espeakng_loader.get_data_path()))

    @classmethod
    def _open(cls, library: str, data: str) -> None:
        loaded = ctypes.cdll.LoadLibrary(library)
        rate = loaded.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), _DONT_EXIT)
        if rate <= 0:
            raise SpeechError(f"eSpeak NG could not be started: its data are not at {data}. Install it again.")
        cls._library, cls._rate_hz = loaded, rate

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound, 22,050 Hz.

        Raises:
            SpeechError: empty text, or a language that it doesn't have.
        """
        if not text.strip():
            raise SpeechError("There is nothing to say: the text is empty.")
        tongue = plain_language(language)
        local = local_voice(voice, tuple(f"{tongue}{variant}" for variant in _VARIANTS))
        speed = pace(speed)
        key = cache.key(self.name, self.version, local.language, f"{local.pitch:.3f}", f"{speed:.3f}", text)
        return cache.audio(key, lambda: self._spoken(text, local.language, local.pitch, speed * local.speed))

    def _spoken(self, text: str, voice: str, pitch: float, speed: float) -> Audio:
        pieces: list[bytes] = []

        @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
        def keep(samples: Any, count: int, _: Any) -> int:
            if samples and count:
                pieces.append(ctypes.string_at(samples, count * 2))
            return 0

        with Espeak._lock:
            library = Espeak._library
            if library.espeak_SetVoiceByName(voice.encode()) != 0:
                raise SpeechError(
                    f"espeak doesn't have the language {voice.partition('+')[0]!r}; e.g. en, de, pt, ru, zh."
                )
            library.espeak_SetSynthCallback(keep)
            library.espeak_SetParameter(_RATE, round(min(max(_WORDS_A_MINUTE * speed, 80), 450)), 0)
            library.espeak_SetParameter(_PITCH, round(min(max(50 * pitch, 0), 99)), 0)
            data = text.encode()
            library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
            library.espeak_Synchronize()
        joined = np.frombuffer(b"".join(pieces), np.int16)
        if not len(joined):
            raise SpeechError(f"espeak gave no sound for {text[:60]!r}.")
        return Audio(joined, self._rate_hz)
