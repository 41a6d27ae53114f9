"""Natural: a voice like a person's, English, offline, whose weights come inside a package (an extra).

For each 12.5 ms the model says how high the voice is and, apart from that, what the mouth makes of it: a spectrum. So one
voice's weights speak as many people: pitch is a factor of the one, the length of the vocal tract a factor along the
frequencies of the other, pace the model's own; none of them touches the words.
"""

import functools
import importlib.metadata
import threading
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import AudioError, MissingEngineError, SpeechError
from voicelab.base.pace import pace, speech_seconds
from voicelab.speech import cache
from voicelab.speech.audio import LONGEST_S, Audio
from voicelab.speech.languages import choose, has
from voicelab.speech.text import is_latin, paused, sentences, speakable
from voicelab.speech.voices import LocalVoice, natural_voice
from voicelab.speech.weights import checked_folder

LANGUAGES = {"en": "en-US", "en-US": "en-US"}
_PACKAGE, _VERSION = "hibari-tts", "0.2.1"
_INSTALL = "pip install 'voicelab[voices]'"
_RATE = 24_000
_SPEEDS = (0.25, 4.0)
# The model takes less for a frame without voice.
_VOICED_HZ = 40.0
_LOWEST_HZ = 50.0
# The model speaks softly, with peaks that are left below full scale: from `_BENDS` on they are bent.
_GAIN, _BENDS = 2.0, 0.7
_NEAR = (0.75, 1.33)
_FADE = _RATE // 200
_FILES = {
    "assets/hibari.onnx": "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8",
    "assets/lexicon_us_gold.json.gz": "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2",
    "assets/lexicon_us_silver.json.gz": "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3",
    "assets/normalize.json": "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8",
    "assets/oov.json": "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c",
    "assets/oov.onnx": "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76",
    "assets/tagger.json.gz": "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb",
    "assets/tokenizer_exceptions.json": "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a",
    "assets/vocab.json": "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d",
}


class Natural:
    """Speaks with hibari's voice (Apache-2.0, distilled from Kokoro's "heart"), without a network, on one thread.

    Raises:
        MissingEngineError: it isn't installed.
        SpeechError: its weights are damaged, or of another version.
    """

    name = "natural"
    version = "2"
    offline = True
    # One for the whole process: it takes a second to load, and 170 MB.
    _model: Any = None
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._loaded()

    @classmethod
    def _loaded(cls) -> Any:
        """Return the model; an engine that was sent to another process finds none there yet."""
        with cls._lock:
            if cls._model is None:
                cls._model = _load()
        return cls._model

    def speaks(self, text: str, language: str | None) -> bool:
        """Return whether it has a text's language and script."""
        return has(language, LANGUAGES) and is_latin(text)

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound, 24 kHz.

        The same text, voice and speed give the same samples in every process; a speed that isn't from 0.25 to 4 counts
        as 1.

        Raises:
            SpeechError: empty text, text in another script, a language that it doesn't have.
            AudioError: the sound would be longer than an hour.
        """
        choose(self.name, language, LANGUAGES)
        pieces = [speakable(piece, self.name) for piece in sentences(text)]
        if not pieces:
            raise SpeechError(f"There is nothing to say: {text[:60]!r} has no words.")
        local = natural_voice(voice)
        speed = min(max(pace(speed) * local.speed, _SPEEDS[0]), _SPEEDS[1])
        if speech_seconds(text, speed) > LONGEST_S:
            raise AudioError(
                f"{len(text):,} characters take longer than an hour to say. Say them in parts: speech.synthesize_sentences "
                "gives the sound sentence by sentence."
            )
        return Audio.join(paused(pieces, (self._piece(piece, local, speed) for piece in pieces)))

    def _piece(self, text: str, local: LocalVoice, speed: float) -> Audio:
        who = f"{local.pitch:.3f} {local.tract:.3f}"
        key = cache.key(self.name, self.version, _made_by(), who, f"{speed:.3f}", text)
        return cache.audio(key, lambda: self._spoken(text, local, speed))

    def _spoken(self, text: str, local: LocalVoice, speed: float) -> Audio:
        from hibari import dsp

        # The breath in a voice is noise: drawn anew for each text, and the same each time.
        rng = np.random.default_rng(int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big"))
        waves, model = [], self._loaded()
        with Natural._lock:
            for phonemes in model.phonemize(text):
                ids = np.asarray([model.ids(phonemes)], np.int64)
                waves.append(dsp.synth(*_as_somebody(_parts(model, ids, speed), local), rng))
        samples = np.concatenate(waves) if waves else np.zeros(0, np.float32)
        if not len(samples) or not np.isfinite(samples).all():
            raise SpeechError(
                f"natural can't say {text[:60]!r}: it gave no sound. Use another engine, such as tts='pico'."
            )
        # Silence before or behind would make each answer late.
        return _faded(Audio(_louder(samples), _RATE).trimmed(46, keep_s=0.06))


@functools.cache  # it is read from a file
def _made_by() -> str:
    """Return what computes the samples: the last bits of its numbers depend on it."""
    return f"{_VERSION}+{importlib.metadata.version('onnxruntime')}"


def _load() -> Any:
    """Return the model, whose weights are the ones that are known.

    Raises:
        MissingEngineError: it isn't installed.
        SpeechError: its weights aren't the ones that are known.
    """
    checked_folder("natural", _PACKAGE, _VERSION, "hibari", _FILES)
    try:
        from hibari import Hibari
    except ImportError as error:
        raise MissingEngineError(
            f"The voice 'natural' can't be loaded on this machine ({error}). Use tts='pico', or install it again by: "
            f"{_INSTALL}"
        ) from None
    model = Hibari(threads=1)  # more would take the cores of the other workers
    model.phonemize("ready")  # loads its dictionaries now, and not when somebody waits for the first word
    return model


def _parts(model: Any, ids: npt.NDArray[np.int64], speed: float) -> list[npt.NDArray[np.float32]]:
    """Return what the model says of a sentence at a pace: see `_as_somebody`.

    The model rounds the length of each sound to its frames, so that a pace near 1 changes nothing and twice the pace is a
    half more: it says how long the sentence is at its own pace, and frames are left out or said twice for the rest.
    """

    def said(pace: float) -> list[npt.NDArray[np.float32]]:
        found = model.sess.run(None, {"ids": ids, "speed": np.asarray([pace], np.float32)})
        return [part[0] for part in found]

    parts = own = said(1.0)
    if not _NEAR[0] <= speed <= _NEAR[1]:
        parts = said(speed)
    frames = max(1, round(own[-1].shape[0] / speed))
    at = np.rint(np.linspace(0, parts[-1].shape[0] - 1, frames)).astype(np.intp)
    return [part[..., at] for part in parts]


def _louder(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return samples as loud as a telephone's, and none of them beyond full scale."""
    size = np.abs(samples) * np.float32(_GAIN)
    over = np.maximum(size - _BENDS, 0.0) / (1 - _BENDS)
    return (np.sign(samples) * np.where(size > _BENDS, _BENDS + (1 - _BENDS) * np.tanh(over), size)).astype(np.float32)


def _faded(audio: Audio) -> Audio:
    """Return sound that begins and ends in nothing, so that what is cut or joined there doesn't click."""
    samples = audio.floats().copy()
    ramp = np.linspace(0, 1, min(_FADE, len(samples) // 2), dtype=np.float32)
    samples[: len(ramp)] *= ramp
    samples[len(samples) - len(ramp) :] *= ramp[::-1]
    return Audio(Audio(samples, audio.rate).pcm16(), audio.rate)


def _as_somebody(parts: list[npt.NDArray[np.float32]], local: LocalVoice) -> list[npt.NDArray[np.float32]]:
    """Return what the model says of a sentence as another person would say it.

    Args:
        parts: Five arrays of shape (frequencies, frames): logarithm of the spectrum of the voice, its phase, logarithm of
            the noise, logarithm of what is neither and its phase; and the height in Hz, shape (frames,).
        local: The person.
    """
    voice, turn, noise, rest, phase, height = parts
    if local.tract != 1.0:
        bins = len(voice)
        # A vocal tract that is shorter by a factor has its resonances higher by it: each frequency takes what was lower.
        source = np.minimum(np.arange(bins, dtype=np.float32) / np.float32(local.tract), bins - 1)
        low = source.astype(np.intp)
        share = (source - low)[:, None].astype(np.float32)
        high = np.minimum(low + 1, bins - 1)
        voice, noise, rest = (part[low] * (1 - share) + part[high] * share for part in (voice, noise, rest))
        # Phases turn round and can't be averaged: the nearest one is taken.
        nearest = np.rint(source).astype(np.intp)
        turn = turn[nearest]
        # Of a phase that counts from the frame's first sample: from its middle, or what is sudden would move in time.
        sign = np.float32(np.pi) * (np.arange(bins) % 2).astype(np.float32)[:, None]
        phase = (phase + sign)[nearest] - sign
    if local.pitch != 1.0:
        height = np.where(height > _VOICED_HZ, np.maximum(height * np.float32(local.pitch), _LOWEST_HZ), height)
        # A lower voice has more harmonics, each as loud as before.
        voice = voice + np.float32(0.5 * np.log(local.pitch))
    return [voice, turn, noise, rest, phase, height]
