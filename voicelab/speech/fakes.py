"""Engines for tests and demonstrations: the words are written into the sound itself, as tones, and read back from it.

A text becomes one tone of 40 ms a byte between two tones that frame it; whatever passes the sound on (another rate, a
microphone, a little noise) passes the words on.
"""

import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.transcript import Transcript

_RATE = 16_000
_SYMBOL_S = 0.04
_LOWEST_HZ, _STEP_HZ = 500.0, 11.0
_FRAME_HZ = 400.0
_SYMBOL = int(_RATE * _SYMBOL_S)
# The middle of a symbol, where no neighbour is heard.
_MARGIN = _SYMBOL // 6
_LOUD = 0.3
_PURE = 0.35


class FakeTextToSpeech:
    """Writes the words into the sound; voice and language are ignored, speed makes it shorter no less than 1."""

    name = "fake"
    version = "1"
    offline = True

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as tones, 16 kHz."""
        del voice, language, speed
        if not text.strip():
            raise SpeechError("There is nothing to say: the text is empty.")
        tones = [_FRAME_HZ, *(_LOWEST_HZ + _STEP_HZ * byte for byte in text.encode()), _FRAME_HZ]
        times = np.arange(_SYMBOL) / _RATE
        # Soft edges, so that neighbours don't click.
        edge = np.minimum(1.0, np.minimum(np.arange(_SYMBOL), np.arange(_SYMBOL)[::-1]) / 40)
        waves = [np.sin(2 * np.pi * hz * times) * edge for hz in tones]
        return Audio((np.concatenate(waves) * 0.4).astype(np.float32), _RATE)


class FakeSpeechToText:
    """Reads the words of `FakeTextToSpeech` from the sound's own samples; anything else has no words."""

    name = "fake"
    version = "1"
    offline = True
    detector = "energy"

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words that were written into a sound."""
        del phrases, language
        began = time.perf_counter()
        samples = audio.resampled(_RATE).floats()
        words = [text for start in _frames(samples) if (text := _read(samples, start))]
        return Transcript(" ".join(words), 1.0 if words else None, (), self.name, time.perf_counter() - began)


def _tone(samples: npt.NDArray[np.float32], start: int) -> float:
    """Return the frequency of the symbol that begins at a sample, 0 where there is no clear tone."""
    piece = samples[start + _MARGIN : start + _SYMBOL - _MARGIN].astype(np.float64)
    if len(piece) < _SYMBOL - 2 * _MARGIN:
        return 0.0
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), _RATE)) ** 2
    peak = int(spectrum.argmax())
    width = _RATE // len(piece) + 1
    pure = spectrum[max(0, peak - 2 * width) : peak + 2 * width].sum() / max(spectrum.sum(), 1e-30)
    return float(peak) if pure > _PURE and peak >= _FRAME_HZ / 2 else 0.0


def _frames(samples: npt.NDArray[np.float32]) -> list[int]:
    """Return where the words begin: behind each first of two framing tones."""
    loudness = np.abs(samples)
    if not len(samples) or loudness.max() < 1e-3:  # noqa: PLR2004 - nothing but the noise of a converter
        return []
    loud = np.flatnonzero(loudness > _LOUD * loudness.max())
    begins = loud[np.diff(loud, prepend=-_SYMBOL) >= _SYMBOL]
    return [start for begin in begins if (start := _aligned(samples, int(begin))) is not None]


def _aligned(samples: npt.NDArray[np.float32], begin: int) -> int | None:
    for shift in (0, -8, -24, 8):
        start = max(0, begin + shift)
        if abs(_tone(samples, start) - _FRAME_HZ) < _STEP_HZ / 2:
            return start + _SYMBOL
    return None


def _read(samples: npt.NDArray[np.float32], start: int) -> str:
    data = bytearray()
    while start + _SYMBOL - _MARGIN <= len(samples):
        hz = _tone(samples, start)
        if not hz or abs(hz - _FRAME_HZ) < _STEP_HZ / 2:
            break
        byte = round((hz - _LOWEST_HZ) / _STEP_HZ)
        if not 0 <= byte <= 255:  # noqa: PLR2004 - a byte
            break
        data.append(byte)
        start += _SYMBOL
    return data.decode(errors="replace")
