"""The debugger's sound: mu-law at 16 kHz comes in, 16 bits at 24 kHz go out."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from voicelab.speech import Audio
from voicelab.speech.g711 import mulaw_decode

RATE = 24_000
"""Samples a second that the debugger plays."""
_PIECE_BYTES = RATE // 5 * 2
_GATHERED = 1_600
"""Samples of the microphone that are listened to at once: a tenth of a second, five frames."""


class MicrophoneFrames:
    """Gathers the microphone's frames of 20 ms into pieces that are worth listening to."""

    def __init__(self) -> None:
        self._mulaw = bytearray()

    def add(self, mulaw: bytes) -> npt.NDArray[np.int16] | None:
        """Take a frame; return the samples of a whole piece, 16 kHz, or None while there are few."""
        self._mulaw += mulaw
        return self.rest() if len(self._mulaw) >= _GATHERED else None

    def rest(self) -> npt.NDArray[np.int16]:
        """Return the samples of what has been gathered so far."""
        samples = mulaw_decode(np.frombuffer(bytes(self._mulaw), np.uint8))
        self._mulaw.clear()
        return samples


def pieces_to_play(pcm16: bytes, rate: int) -> Iterator[bytes]:
    """Yield sound as the debugger takes it, a fifth of a second a piece.

    Args:
        pcm16: 16-bit samples, little-endian.
        rate: How many a second.
    """
    samples = np.frombuffer(pcm16, np.dtype("<i2")).astype(np.int16)
    sent = Audio(samples, rate).resampled(RATE).pcm16().astype("<i2").tobytes()
    for at in range(0, len(sent), _PIECE_BYTES):
        yield sent[at : at + _PIECE_BYTES]


def warm_up() -> None:
    """Load what brings sound to another rate, before anybody waits for it."""
    Audio.silence(0.1, RATE // 3 * 2).resampled(RATE)
