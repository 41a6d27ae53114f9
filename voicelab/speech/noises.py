"""Noises of places, made of chance: nothing is recorded, so nothing has a licence of its own."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Random = np.random.Generator


def _white(n: int, rate: int, rng: Random) -> Floats:
    del rate
    return rng.standard_normal(n)


def _shaped(n: int, rate: int, rng: Random, weight: Callable[[Floats], Floats]) -> Floats:
    """Return noise whose spectrum has a weight at each frequency."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    return np.fft.irfft(spectrum * weight(np.maximum(np.fft.rfftfreq(n, 1 / rate), 1.0)), n)


def _pink(n: int, rate: int, rng: Random) -> Floats:
    return _shaped(n, rate, rng, lambda hz: 1 / np.sqrt(hz))


def _car(n: int, rate: int, rng: Random) -> Floats:
    """Return the rumble of an engine: most of it below 200 Hz, with the wheels' hiss on top."""
    return _shaped(n, rate, rng, lambda hz: 1 / (1 + (hz / 120) ** 2) + 0.01)


def _babble(n: int, rate: int, rng: Random) -> Floats:
    """Return many voices at once: the spectrum of speech, swelling at the pace of syllables."""
    voices = np.zeros(n)
    times = np.arange(n) / rate
    for _ in range(8):
        voice = _shaped(n, rate, rng, lambda hz: np.exp(-((np.log2(hz / 500) / 1.3) ** 2)))
        pace, phase = rng.uniform(2.5, 5.0), rng.uniform(0, 2 * np.pi)
        voices += voice * (0.55 + 0.45 * np.sin(2 * np.pi * pace * times + phase))
    return voices


def _street(n: int, rate: int, rng: Random) -> Floats:
    """Return traffic: a rumble that swells as cars pass, with voices far away."""
    times = np.arange(n) / rate
    passing = 0.6 + 0.4 * np.sin(2 * np.pi * times / rng.uniform(3, 7) + rng.uniform(0, 2 * np.pi))
    rumble = _shaped(n, rate, rng, lambda hz: 1 / (1 + (hz / 300) ** 1.5))
    far = _babble(n, rate, rng)
    street: Floats = rumble / max(rumble.std(), 1e-12) * passing + 0.3 * far / max(far.std(), 1e-12)
    return street


NOISES: dict[str, Callable[[int, int, Random], Floats]] = {
    "white": _white,
    "pink": _pink,
    "babble": _babble,
    "street": _street,
    "car": _car,
}
