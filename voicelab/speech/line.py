"""The telephone between caller and agent: codec, noise, lost packets, a muffled or loud voice, a room."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from voicelab.base import checks
from voicelab.base.errors import InputError, did_you_mean
from voicelab.speech.audio import Audio
from voicelab.speech.endpointer import SILENCE_S, Endpointer
from voicelab.speech.g711 import mulaw_decode, mulaw_encode
from voicelab.speech.noises import NOISES, Floats, Random

_LINE_HZ = 8000
_PACKET_S = 0.02


@dataclass(frozen=True)
class PhoneLine:
    """What a caller's voice passes on its way to the recogniser, in this order: room, gain, clipping, noise, muffle,
    codec, lost packets, dropouts.

    Attributes:
        codec: `g711` (mu-law, 8 kHz) or None for a wide line of 16 kHz.
        noise: Name of a noise: `white`, `pink`, `babble`, `street`, `car`; None for none.
        snr_db: Speech over noise in decibels.
        noise_dbfs: Level of the noise in decibels below full scale, where `snr_db` isn't given.
        packet_loss: Share of packets of 20 ms that are lost, 0 to 1.
        dropouts: Gaps, on average so many a minute.
        dropout_s: Shortest and longest gap, in seconds.
        gain_db: Louder or softer.
        clipping: How much of the voice's peaks is cut flat, 0 to 1.
        muffle: How muffled, 0 to 1: the highest tone that passes falls from 4,000 to 500 Hz.
        room: How much the room resounds, 0 to 1.
        brightness: Tones above 2,000 Hz louder (to 1) or softer (to -1), by 12 dB at most.
        events: Sudden noises such as a door, on average so many a minute.
        endpointing: What ends a caller's turn at the far end: seconds of silence, or an `Endpointer`.

    Raises:
        InputError: a value outside its range, or both `snr_db` and `noise_dbfs`.

    Example:
        >>> PhoneLine(noise="car", snr_db=15)
        PhoneLine(codec='g711', noise='car', snr_db=15)
    """

    codec: str | None = "g711"
    noise: str | None = None
    snr_db: float | None = None
    noise_dbfs: float | None = None
    packet_loss: float = 0.0
    dropouts: float = 0.0
    dropout_s: tuple[float, float] = (0.1, 0.5)
    gain_db: float = 0.0
    clipping: float = 0.0
    muffle: float = 0.0
    room: float = 0.0
    brightness: float = 0.0
    events: float = 0.0
    endpointing: float | Endpointer = SILENCE_S

    def __post_init__(self) -> None:
        if self.codec not in {"g711", None}:
            raise InputError(f"codec is {self.codec!r}, must be 'g711' or None.")
        if self.noise is not None and self.noise not in tuple(NOISES):
            raise InputError(
                f"noise is {self.noise!r}, must be one of {', '.join(NOISES)}.{did_you_mean(str(self.noise), NOISES)}"
            )
        if self.snr_db is not None and self.noise_dbfs is not None:
            raise InputError("Give snr_db or noise_dbfs, not both: each says how loud the noise is.")
        if self.noise is None and (self.snr_db is not None or self.noise_dbfs is not None):
            object.__setattr__(self, "noise", "white")
        for name, (lowest, highest) in _RANGES.items():
            _check(name, getattr(self, name), lowest, highest)
        object.__setattr__(self, "dropout_s", checks.span("dropout_s", self.dropout_s))
        endpointer_of(self.endpointing)

    @classmethod
    def from_realism(cls, realism: Mapping[str, Any]) -> "PhoneLine":
        """Return the line of the `realism` settings of a VoiceRun simulation.

        Args:
            realism: background {profile, levelDbfs, eventsPerMin}, impairments {packetLossPct, dropoutsPerMin,
                dropoutMs, clipping}, effects {muffle, brightness, room, gainDb}. `seed` and `bargeIn` are not the line's: give
                them to `vl.simulate` and to the caller.

        Raises:
            InputError: a field that is none of these, or a value outside its range.
        """
        values: dict[str, Any] = {}
        for group, settings in realism.items():
            if group in {"seed", "bargeIn"}:
                continue
            known = _REALISM.get(group)
            if known is None or not isinstance(settings, Mapping):
                raise InputError(
                    f"realism has {group!r}: {settings!r}, must be {{field: value}} under {', '.join(_REALISM)}."
                )
            for name, value in settings.items():
                if name not in known:
                    raise InputError(
                        f"realism.{group} has the field {name!r}, must be one of {', '.join(known)}.{did_you_mean(name, known)}"
                    )
                values[known[name]] = value
        if "packet_loss" in values:
            values["packet_loss"] = _check("packetLossPct", values["packet_loss"], 0.0, 100.0) / 100
        if "dropout_s" in values:
            shortest, longest = checks.span("dropoutMs", values["dropout_s"])
            values["dropout_s"] = (shortest / 1000, longest / 1000)
        if "noise" in values:
            values["noise"] = _PROFILES.get(str(values["noise"]).lower(), values["noise"])
            if values["noise"] is None:
                values.pop("noise_dbfs", None)  # of no noise there is no level
        return cls(**values)

    def apply(self, audio: Audio, rng: Random) -> Audio:
        """Return what arrives of a sound.

        Args:
            audio: What is said.
            rng: Draws noise and losses.
        """
        rate = _LINE_HZ if self.codec == "g711" else 16_000
        samples = audio.resampled(rate).floats().astype(np.float64)
        for effect in (self._room, self._voice, self._noise, self._bangs, self._tone):
            samples = effect(samples, rate, rng)
        samples = np.clip(samples, -1.0, 1.0)
        if self.codec == "g711":
            pcm = np.rint(samples * 32767).astype(np.int16)
            samples = mulaw_decode(mulaw_encode(pcm)).astype(np.float64) / 32767
        samples = self._gaps(samples, rate, rng)
        return Audio(np.rint(np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16), rate)

    # --- effects ---

    def _room(self, samples: Floats, rate: int, rng: Random) -> Floats:
        if not self.room or not len(samples):
            return samples
        from scipy.signal import fftconvolve

        length = int(rate * (0.1 + 0.5 * self.room))
        echoes = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
        echoes[0] = 0.0
        echoes *= self.room / max(np.sqrt(np.sum(echoes**2)), 1e-12)
        wet: Floats = samples + fftconvolve(samples, echoes)[: len(samples)]
        return wet

    def _voice(self, samples: Floats, rate: int, rng: Random) -> Floats:
        del rate, rng
        louder = samples * 10 ** (self.gain_db / 20)
        if not self.clipping or not len(samples):
            return louder
        ceiling = min(1.0, float(np.abs(louder).max())) * (1 - 0.95 * self.clipping)
        return np.clip(louder, -ceiling, ceiling)

    def _noise(self, samples: Floats, rate: int, rng: Random) -> Floats:
        if self.noise is None or not len(samples):
            return samples
        noise = NOISES[self.noise](len(samples), rate, rng)
        noise /= max(np.sqrt(np.mean(noise**2)), 1e-12)
        if self.noise_dbfs is not None:
            level = 10 ** (self.noise_dbfs / 20)
        else:
            level = _speech_level(samples) * 10 ** (-(20.0 if self.snr_db is None else self.snr_db) / 20)
        return samples + noise * level

    def _bangs(self, samples: Floats, rate: int, rng: Random) -> Floats:
        if not self.events:
            return samples
        samples = samples.copy()
        for _ in range(rng.poisson(self.events * len(samples) / rate / 60)):
            start, length = int(rng.random() * len(samples)), int(rate * rng.uniform(0.08, 0.4))
            bang = rng.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length) * rng.uniform(0.1, 0.4)
            hit = samples[start : start + length]
            hit += bang[: len(hit)]
        return samples

    def _tone(self, samples: Floats, rate: int, rng: Random) -> Floats:
        del rng
        from scipy.signal import butter, sosfilt

        if self.brightness:
            high = np.asarray(sosfilt(butter(2, 2000, "high", fs=rate, output="sos"), samples))
            samples = samples + (10 ** (12 * self.brightness / 20) - 1) * high
        if self.muffle:
            highest = min(4000 * (500 / 4000) ** self.muffle, 0.49 * rate)
            samples = np.asarray(sosfilt(butter(4, highest, fs=rate, output="sos"), samples))
        return samples

    def _gaps(self, samples: Floats, rate: int, rng: Random) -> Floats:
        if not self.packet_loss and not self.dropouts:
            return samples
        samples = samples.copy()
        size = int(_PACKET_S * rate)
        n = -(-len(samples) // size)
        for packet in np.flatnonzero(rng.random(n) < self.packet_loss):
            # A lost packet is filled with the one before, softer, as telephones do.
            start = int(packet) * size
            before = samples[max(0, start - size) : start]
            hole = samples[start : start + size]
            hole[:] = 0.5 * before[: len(hole)] if len(before) >= len(hole) else 0.0
        for _ in range(rng.poisson(self.dropouts * len(samples) / rate / 60)):
            start = int(rng.random() * len(samples))
            samples[start : start + int(rate * rng.uniform(*self.dropout_s))] = 0.0
        return samples

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if f.name == "codec" or getattr(self, f.name) != f.default]
        return f"PhoneLine({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"


def _speech_level(samples: Floats) -> float:
    """Return the level of the loud half of the sound: pauses don't count as speech."""
    size = 160
    frames = samples[: len(samples) // size * size].reshape(-1, size)
    power = np.mean(frames**2, axis=1) if len(frames) else np.mean(samples**2, keepdims=True)
    loud = power[power >= 0.1 * power.max(initial=0.0)]
    return float(np.sqrt(loud.mean())) if len(loud) else 0.0


# --- checks ----------------------------------------------------------------------------------------------------------

_RANGES = {
    "snr_db": (-20.0, 80.0),
    "noise_dbfs": (-100.0, 0.0),
    "packet_loss": (0.0, 1.0),
    "dropouts": (0.0, 600.0),
    "gain_db": (-60.0, 60.0),
    "clipping": (0.0, 1.0),
    "muffle": (0.0, 1.0),
    "room": (0.0, 1.0),
    "brightness": (-1.0, 1.0),
    "events": (0.0, 600.0),
}
_REALISM = {
    "background": {"profile": "noise", "levelDbfs": "noise_dbfs", "eventsPerMin": "events"},
    "impairments": {
        "packetLossPct": "packet_loss",
        "dropoutsPerMin": "dropouts",
        "dropoutMs": "dropout_s",
        "clipping": "clipping",
    },
    "effects": {"muffle": "muffle", "brightness": "brightness", "room": "room", "gainDb": "gain_db"},
}
# Names of places for the noise that they have here.
_PROFILES = {
    "none": None,
    "hiss": "white",
    "cafe": "babble",
    "office": "babble",
    "restaurant": "babble",
    "crowd": "babble",
    "traffic": "street",
    "outdoors": "street",
    "vehicle": "car",
}


def endpointer_of(given: float | Endpointer) -> Endpointer:
    """Return what ends turns, from seconds of silence or an endpointer.

    Raises:
        InputError: it is neither.
    """
    if isinstance(given, Endpointer):
        return given
    shortest, longest = _SILENCES
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not shortest <= given <= longest:
        milliseconds = number and longest < given <= 1000 * longest
        meant = f" Did you mean {given / 1000:g}? It is in seconds." if milliseconds else ""
        raise InputError(
            f"endpointing is {given!r}, must be seconds of silence from {shortest:g} to {longest:g}, or a "
            f"speech.Endpointer(...).{meant}"
        )
    return Endpointer(silence_s=given)


_SILENCES = (0.05, 10.0)


def _check(name: str, value: float | None, lowest: float, highest: float) -> float:
    if value is None and name in {"snr_db", "noise_dbfs"}:
        return 0.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
        raise InputError(f"{name} is {value!r}, must be a number from {lowest:g} to {highest:g}.")
    return float(value)
