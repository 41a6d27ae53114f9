"""Sound as data: one channel of samples at a rate, in and out of files, heard in a notebook."""

import base64
import io
import wave
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import AudioError
from voicelab.speech.heard_sound import HeardSound
from voicelab.speech.transcript import Transcript
from voicelab.speech.words import checked_text

Samples = npt.NDArray[np.int16] | npt.NDArray[np.float32]

LONGEST_S = 3600.0
"""The longest audio that is taken, in seconds."""
_RATES = (1_000, 384_000)
_FULL_SCALE = 32767
_INAUDIBLE = 0.001
# Of the drawn waveform: columns across, and units from its middle up.
_COLUMNS, _UP = 400, 28


@dataclass(frozen=True, eq=False)
class Audio:
    """One channel of sound.

    Attributes:
        samples: Shape (n,), int16, or float32 from -1 to 1; other numbers are converted.
        rate: Samples a second, in Hz.

    Raises:
        AudioError: samples of another shape, not finite, over an hour, or a rate that no sound has.

    Example:
        >>> import numpy as np
        >>> Audio(np.zeros(8000, np.int16), 8000)
        Audio(1.00 s, 8000 Hz, silent)
    """

    samples: Samples
    rate: int

    def __post_init__(self) -> None:
        rate = self.rate
        if isinstance(rate, bool) or not isinstance(rate, int) or not _RATES[0] <= rate <= _RATES[1]:
            raise AudioError(
                f"rate is {rate!r}, must be a whole number of Hz from {_RATES[0]} to {_RATES[1]}, e.g. 16000."
            )
        object.__setattr__(self, "samples", _one_channel(self.samples))
        if len(self.samples) > LONGEST_S * rate:
            raise AudioError(
                f"The audio is {len(self.samples) / rate / 60:.0f} minutes long; at most an hour is taken. Cut it."
            )

    # --- in ---

    @classmethod
    def load(cls, source: str | Path | bytes) -> "Audio":
        """Return the sound of a file: wav, flac, ogg or mp3; several channels are mixed down to one.

        Args:
            source: Its path, or its bytes.

        Raises:
            AudioError: there is no such file, or it holds no sound that can be read.
        """
        import soundfile

        name = "The audio" if isinstance(source, bytes) else str(source)
        if isinstance(source, bytes):
            opened: Any = io.BytesIO(source)
            size = len(source)
        else:
            path = Path(source)
            if not path.is_file():
                raise AudioError(f"There is no file {path}.")
            opened, size = str(path), path.stat().st_size
        if not size:
            raise AudioError(f"{name} is empty (0 bytes).")
        try:
            with soundfile.SoundFile(opened) as file:
                if file.frames > LONGEST_S * file.samplerate:
                    raise AudioError(
                        f"{name} is {file.frames / file.samplerate / 60:.0f} minutes long; at most an hour is taken."
                    )
                # What is written in 16 bits is read as it was, to the bit.
                exact = file.channels == 1 and file.subtype == "PCM_16"
                samples = file.read(dtype="int16" if exact else "float32", always_2d=True)
                return cls(samples[:, 0] if exact else samples.mean(axis=1), file.samplerate)
        except (RuntimeError, TypeError, ValueError) as error:
            if isinstance(error, AudioError):
                raise
            # The library's own words mislead: of a damaged mp3 it says that there is no such file.
            raise AudioError(
                f"{name} holds no sound that can be read (wav, flac, ogg, mp3): it is damaged or of another kind. "
                "Convert it to WAV."
            ) from None

    @classmethod
    def from_data_uri(cls, uri: str) -> "Audio":
        """Return the sound of a `data:` URI.

        Raises:
            AudioError: it is none, or holds no sound that can be read.
        """
        head, _, body = uri.partition(",")
        if not head.startswith("data:") or not head.endswith(";base64"):
            raise AudioError(f"{uri[:40]!r} is no data URI of audio; it begins like data:audio/wav;base64,")
        try:
            return cls.load(base64.b64decode(body, validate=True))
        except ValueError as error:
            if isinstance(error, AudioError):
                raise
            raise AudioError(f"The data URI is not valid base64: {error}.") from None

    @classmethod
    def silence(cls, seconds: float, rate: int = 16_000) -> "Audio":
        """Return silence of some seconds."""
        return cls(np.zeros(max(0, round(seconds * rate)), np.int16), rate)

    @classmethod
    def join(cls, parts: Iterable["Audio"]) -> "Audio":
        """Return parts one after the other, at the rate of the first.

        Raises:
            AudioError: there is none.
        """
        parts = list(parts)
        if not parts:
            raise AudioError("There is no audio to join; give at least one part.")
        rate = parts[0].rate
        return cls(np.concatenate([part.resampled(rate).pcm16() for part in parts]), rate)

    def __add__(self, other: "Audio") -> "Audio":
        return Audio.join([self, other])

    # --- out ---

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / self.rate

    @property
    def level_dbfs(self) -> float:
        """Its mean level in decibels below full scale; minus infinity for silence."""
        power = float(np.mean(self.floats().astype(np.float64) ** 2)) if len(self.samples) else 0.0
        return 10 * np.log10(power) if power > 0 else float("-inf")

    def pcm16(self) -> npt.NDArray[np.int16]:
        """Return the samples as int16; what is beyond full scale is clipped."""
        if self.samples.dtype == np.int16:
            return self.samples  # type: ignore[return-value]
        scaled: npt.NDArray[np.int16] = np.rint(np.clip(self.samples, -1.0, 1.0) * _FULL_SCALE).astype(np.int16)
        return scaled

    def floats(self) -> npt.NDArray[np.float32]:
        """Return the samples as float32 from -1 to 1."""
        if self.samples.dtype == np.float32:
            return self.samples  # type: ignore[return-value]
        return (self.samples / np.float32(_FULL_SCALE)).astype(np.float32)

    def resampled(self, rate: int) -> "Audio":
        """Return the same sound at another rate, low-passed where that is needed."""
        if rate == self.rate or not len(self.samples):
            return Audio(self.samples, rate)
        from scipy.signal import resample_poly

        common = gcd(rate, self.rate)
        up, down = rate // common, self.rate // common
        return Audio(resample_poly(self.floats(), up, down, window=_low_pass(max(up, down))).astype(np.float32), rate)

    def part(self, start_s: float, end_s: float) -> "Audio":
        """Return what lies between two times, in seconds."""
        return Audio(self.samples[max(0, round(start_s * self.rate)) : max(0, round(end_s * self.rate))], self.rate)

    def trimmed(self, below_db: float, keep_s: float) -> "Audio":
        """Return it without the quiet before its first and behind its last sound.

        Args:
            below_db: Frames of 10 ms that are softer than the loudest by so many decibels count as quiet.
            keep_s: How much of the quiet stays on both sides, in seconds.
        """
        start_s, end_s = self.loud_part(below_db)
        return self.part(start_s - keep_s, end_s + keep_s)

    def loud_part(self, below_db: float) -> tuple[float, float]:
        """Return when its first sound begins and its last one ends, in seconds; all of it where there is nothing but quiet.

        Args:
            below_db: As for `trimmed`.
        """
        size = max(1, self.rate // 100)
        frames = self.floats()[: len(self.samples) // size * size].reshape(-1, size).astype(np.float64)
        levels = np.sqrt(np.mean(frames**2, axis=1)) if len(frames) else np.zeros(0)
        loud = np.flatnonzero(levels > max(levels.max(initial=0.0) * 10 ** (-below_db / 20), _INAUDIBLE))
        if not len(loud):
            return 0.0, self.duration_s
        return loud[0] * size / self.rate, (loud[-1] + 1) * size / self.rate

    def wav(self) -> bytes:
        """Return it as a WAV file, 16 bits."""
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(self.rate)
            out.writeframes(self.pcm16().astype("<i2").tobytes())
        return file.getvalue()

    def save(self, path: str | Path) -> Path:
        """Write it to a file; the name's ending says what kind: wav, flac, ogg or mp3.

        Raises:
            AudioError: another ending, or the file can't be written.
        """
        import soundfile

        path = Path(path)
        try:
            if path.suffix.lower() == ".wav":
                path.write_bytes(self.wav())
            else:
                soundfile.write(str(path), self.floats(), self.rate)
        except (OSError, RuntimeError, TypeError, ValueError) as error:
            raise AudioError(f"{path} can't be written: {error}. Known endings: .wav, .flac, .ogg, .mp3.") from None
        return path

    def text(self, engine: Any = "auto", phrases: Iterable[str] | None = None) -> str:
        """Return the words that an engine recognises in it.

        Args:
            engine: Name of a recogniser, or one.
            phrases: What it is told to expect.
        """
        return self.transcript(engine, phrases).text

    def transcript(self, engine: Any = "auto", phrases: Iterable[str] | None = None) -> Transcript:
        """Return what an engine recognises in it, with all that it says about that."""
        if phrases is not None and not isinstance(phrases, str):  # a text, which the engine refuses
            phrases = list(phrases)
        return _recognise(self, engine, phrases)

    def heard(self, said: str | None = None, engine: Any = "auto", phrases: Iterable[str] | None = None) -> HeardSound:
        """Return it with the words that an engine recognises in it: a notebook shows its waveform and the words under it.

        Args:
            said: What is said in it: then misheard words are red, with what they were.
            engine: Name of a recogniser, or one.
            phrases: What it is told to expect.

        Raises:
            InputError: what was said is no text, or there is no such engine.
            SpeechError: the engine can't take the sound.
        """
        if said is not None:
            checked_text("said", said)
        return HeardSound(self, self.transcript(engine, phrases), said)

    def __repr__(self) -> str:
        level = self.level_dbfs
        loud = "silent" if level == float("-inf") else f"{level:.0f} dBFS"
        return f"Audio({self.duration_s:.2f} s, {self.rate} Hz, {loud})"

    def _repr_html_(self) -> str:
        return f"<div style='max-width:640px'>{self.waveform()}{self.player()}</div>"

    def player(self) -> str:
        """Return HTML that plays it."""
        data = base64.b64encode(self.wav()).decode()
        return f"<audio controls src='data:audio/wav;base64,{data}' style='height:32px;width:100%'></audio>"

    def waveform(self) -> str:
        """Return a drawing of how loud it is over time, in the colour of the page's letters."""
        if not len(self.samples):
            return ""
        columns = np.array_split(self.floats(), min(_COLUMNS, len(self.samples)))
        # The line that joins the highest and the lowest sample of each column, as editors of sound draw it.
        path = "".join(f"M{x} {_UP * (1 - c.max()):.1f}V{_UP * (1 - c.min()) + 1:.1f}" for x, c in enumerate(columns))
        return (
            f"<svg viewBox='0 0 {len(columns)} {2 * _UP + 1}' preserveAspectRatio='none' role='img' "
            f"aria-label='waveform, {self.duration_s:.1f} s' style='width:100%;height:56px;display:block'>"
            f"<path d='{path}' stroke='currentColor' stroke-opacity='.55' fill='none'/></svg>"
        )


@lru_cache(maxsize=8)
def _low_pass(factor: int) -> npt.NDArray[np.float32]:
    """Return the filter that `resample_poly` designs by itself, anew for each sound: that takes as long as its use on a word."""
    from scipy.signal import firwin

    designed: npt.NDArray[np.float32] = firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0)).astype(np.float32)
    return designed


def _one_channel(samples: npt.ArrayLike) -> Samples:
    array = np.asarray(samples)
    if array.ndim != 1:
        raise AudioError(
            f"samples has shape {array.shape}, must be one channel: (n,). Mix channels down by .mean(axis=1)."
        )
    if array.dtype == np.int16:
        return array
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise AudioError("samples holds NaN or infinite values; sound is made of finite numbers.")
        return array.astype(np.float32, copy=False)
    raise AudioError(f"samples is of {array.dtype}, must be int16, or float from -1 to 1.")


Recognise = Callable[[Audio, Any, Any], Transcript]
"""Recognises audio by an engine, given by its name or itself, that is told to expect phrases."""
_recognise: Recognise


def recognise_by(recognise: Recognise) -> None:
    """Take what recognises sound: the registry of engines says it, since engines are built upon this module."""
    global _recognise  # noqa: PLW0603 - said once, when the package is imported
    _recognise = recognise
