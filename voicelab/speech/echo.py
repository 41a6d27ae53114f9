"""The loudspeaker's sound in the microphone: known by what is being played, and taken out.

Without headphones the microphone hears the agent too: later, softer, and blurred by the room. What is played is known, so
in each band of frequencies the microphone's sound is explained, by least squares, by what was played at that moment and
shortly before. What is explained is the echo; what is left is the caller, also while both speak. The delay is found first:
it is where the two sounds correlate best.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

RATE = 16_000
WINDOW_S = 1.0
"""So much of the microphone's sound is looked at, up to now: long enough to tell an echo from a voice that resembles it."""
EARLIEST_S, LATEST_S = -0.1, 0.9
"""An echo is heard so long after its sound was said to begin: the browser and the way to the kernel take their time."""
_SIZE, _HOP = 512, 256
# Frames that one frame's echo is made of: .11 s of the room's answer; what comes later is 10 dB softer in a living room.
_TAPS = 7
# A peak so many times as high as chance makes the highest of as many values is one.
_CORRELATES = 1.6
_EXPLAINED = 0.5
# So much of any sound is explained by another: there are 7 weights for 62 frames.
_BY_CHANCE = 0.2
_AUDIBLE = 10 ** (-65 / 20)


class EchoRemover:
    """Takes out of a microphone's sound what is an echo of what is being played.

    Attributes:
        explained: Share of the last piece's energy that was an echo, from 0 to 1.
        delay_s: How much later the echo is heard, where one was found.
    """

    def __init__(self) -> None:
        self.explained = 0.0
        self.delay_s: float | None = None
        self._heard = np.zeros(round(WINDOW_S * RATE), np.float32)

    def clean(self, piece: Floats, played: Floats) -> Floats:
        """Return a piece of the microphone's sound without the echo.

        Args:
            piece: What the microphone hears, shape (n,), at most a second; 16 kHz, from -1 to 1.
            played: What was played, shape (m,): it ends `-EARLIEST_S` after the piece does, and is long enough for the
                window and the latest echo (`reference_s` seconds).
        """
        self._heard = np.concatenate([self._heard, piece])[-len(self._heard) :]
        self.explained = 0.0
        if _level(played) < _AUDIBLE or _level(piece) < _AUDIBLE:
            return piece
        self._find_delay(played)
        if self.delay_s is None:
            return piece
        end = len(played) - round((self.delay_s - EARLIEST_S) * RATE)
        # A little earlier, so that the room's first answer is never before the sound that it answers.
        end = min(len(played), end + _HOP // 2)
        past = played[max(0, end - len(self._heard) - _TAPS * _HOP) : end]
        if len(past) < len(self._heard) + _TAPS * _HOP:
            past = np.pad(past, (len(self._heard) + _TAPS * _HOP - len(past), 0))
        echo = _explained_by(self._heard, past)[-len(piece) :]
        left = piece - echo
        energy = float(np.sum(piece.astype(np.float64) ** 2))
        self.explained = max(0.0, 1.0 - float(np.sum(left.astype(np.float64) ** 2)) / energy)
        if self.explained < _BY_CHANCE:
            return piece
        # What the room blurs beyond the model is left, and still sounds like a voice: an echo that is sure is silenced.
        return left * np.float32(0.03) if self.explained >= _EXPLAINED else left

    def _find_delay(self, played: Floats) -> None:
        """Find where the two sounds correlate best, the phases alone counting: a room's colour doesn't move the peak."""
        heard = self._heard
        size = 1 << (len(played) + len(heard)).bit_length()
        spectrum = np.fft.rfft(played, size) * np.conj(np.fft.rfft(heard, size))
        power = np.abs(spectrum)
        whitened = np.fft.irfft(spectrum / (power + 0.01 * power.max() + 1e-12), size)
        latest_start = len(played) - len(heard)
        lags = whitened[: latest_start + 1]
        # `lags[k]` is for a window that began k samples into what was played.
        best = int(np.argmax(np.abs(lags)))
        by_chance = np.sqrt(np.mean(lags**2)) * np.sqrt(2 * np.log(len(lags)))
        share = float(np.abs(lags[best]) / (by_chance + 1e-12))
        if share > _CORRELATES:
            self.delay_s = (latest_start - best) / RATE + EARLIEST_S


def reference_s() -> float:
    """Return how many seconds of what was played `EchoRemover.clean` looks at."""
    return WINDOW_S + LATEST_S - EARLIEST_S + _TAPS * _HOP / RATE


def _level(samples: Floats) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0


def _explained_by(heard: Floats, played: Floats) -> Floats:
    """Return the part of a sound that another explains; `played` begins `_TAPS` hops earlier and ends with it."""
    window = np.sqrt(np.hanning(_SIZE + 1)[:-1])
    ours = _frames(np.pad(heard, (_SIZE - _HOP, _SIZE)), window)
    theirs = _frames(np.pad(played, (_SIZE - _HOP, _SIZE)), window)
    n = len(ours)
    taps = np.stack([theirs[_TAPS - tap : _TAPS - tap + n] for tap in range(_TAPS)], axis=-1)  # (n, bands, taps)
    matrix = np.einsum("nbi,nbj->bij", np.conj(taps), taps)
    right = np.einsum("nbi,nb->bi", np.conj(taps), ours)
    # A little of the mean energy on the diagonal: a band in which hardly anything was played explains nothing.
    floor = 1e-3 * np.trace(matrix, axis1=1, axis2=2).real.mean() / _TAPS + 1e-9
    weights = np.linalg.solve(matrix + floor * np.eye(_TAPS), right[..., np.newaxis])[..., 0]
    echo = np.fft.irfft(np.einsum("nbi,bi->nb", taps, weights), _SIZE, axis=1) * window
    whole = np.zeros((n + 1) * _HOP)
    for at in range(n):
        whole[at * _HOP : at * _HOP + _SIZE] += echo[at]
    return whole[_SIZE - _HOP : _SIZE - _HOP + len(heard)].astype(np.float32)


def _frames(samples: npt.NDArray[np.float32], window: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    return np.fft.rfft(np.lib.stride_tricks.sliding_window_view(samples, _SIZE)[::_HOP] * window, axis=1)
