"""PocketSphinx: recognition without a network; sure of phrases that it was told to expect, poor at anything else."""

import functools
import threading
import time
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import MissingEngineError, SpeechError, SpeechWarning
from voicelab.speech.audio import Audio
from voicelab.speech.heard import checked_length, checked_phrases
from voicelab.speech.languages import choose
from voicelab.speech.transcript import Transcript
from voicelab.speech.words import normalized

if TYPE_CHECKING:
    from pocketsphinx import Decoder

_RATE = 16_000

_MOST_PHRASES = 5000
# Each takes half a megabyte, and an agent may expect something else in each session.
_MOST_GRAMMARS = 50
# Measured on short phrases over the telephone: with silence around them and less noise one word in eight was wrong, so
# one in ninety.
_QUIET_DB, _KEPT_S = 32, 0.05
_DITHER = 40.0
# The estimate of the noise gets better as it hears: so often it hears a sound before the words are looked for. At none
# a phrase in thirty was wrong on the quiet telephone, at two none or one; a third changes nothing.
_HEARINGS = 2
# What is searched for meanwhile: one word, as nothing costs less.
_NOISE = "noise"
_FREE_FORM = (
    "sphinx was told no phrases to expect: in free form about one word in five of clear speech is wrong, and half of "
    "them on the telephone. Give phrases=[...], or install an engine for open speech: pip install 'voicelab[ears]'."
)


class Sphinx:
    """Recognises English with PocketSphinx, without a network.

    Told what to expect it recognises that, whole phrases or joined ones, down to about 20 dB of signal over noise; told
    nothing it warns once how good it is.

    Raises:
        MissingEngineError: it isn't installed.
    """

    name = "sphinx"
    version = "1"
    offline = True

    def __init__(self) -> None:
        try:
            import pocketsphinx
        except ImportError:
            raise MissingEngineError(
                "The recogniser 'sphinx' isn't installed. Install it by: pip install pocketsphinx"
            ) from None
        # Its log goes to the terminal unless it is told otherwise.
        self._make = functools.partial(pocketsphinx.Decoder, loglevel="FATAL")
        self._decoder: Decoder | None = None
        self._grammars: dict[tuple[str, ...], str] = {}
        self._made = 0
        self._unknown: set[str] = set()
        self._known: set[str] = set()
        self._lock = threading.Lock()
        self._warned = False

    def warm_up(self) -> None:
        """Load the model now, which the first recognition would wait for."""
        with self._lock:
            self._ready()

    def knows(self, phrases: Sequence[str]) -> bool:
        """Return whether it can expect all of these phrases: its dictionary has their words, and they are not too many."""
        if len(phrases) > _MOST_PHRASES:
            return False
        with self._lock:
            decoder = self._ready()
            new = {word for phrase in phrases for word in normalized(phrase)} - self._known
            self._known.update(word for word in new if decoder.lookup_word(word) is not None)
            return new <= self._known

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound.

        What it heard before makes no difference: its running mean of the channel and its estimate of the noise begin
        anew each time.

        Raises:
            InputError: the audio is none, or the phrases are no list.
            SpeechError: it is empty or longer than two minutes, or the language is another than English.
        """
        choose(self.name, language, {"en": True, "en-US": True, "en-GB": True})
        checked_length(self.name, audio)
        began = time.perf_counter()
        samples = _dithered(audio.resampled(_RATE).trimmed(_QUIET_DB, _KEPT_S).pcm16())
        with self._lock:
            text, confidence = self._decode(samples, checked_phrases(phrases))
        return Transcript(text, confidence, (), self.name, time.perf_counter() - began)

    def _decode(self, samples: npt.NDArray[np.int16], phrases: tuple[str, ...]) -> tuple[str, float | None]:
        decoder, data = self._ready(), samples.tobytes()
        decoder.reinit_feat()
        decoder.activate_search(_NOISE)
        for _ in range(_HEARINGS):
            _hear(decoder, data)
        written = self._activate(decoder, phrases)
        _hear(decoder, data)
        found = decoder.hyp()
        if found is None or not found.hypstr.strip():
            return "", None
        confidence = float(np.clip(decoder.get_logmath().exp(found.prob), 0.0, 1.0)) if written is None else None
        return _as_written(found.hypstr, written or {}), confidence

    def _ready(self) -> "Decoder":
        if self._decoder is None:
            self._decoder = self._make()
            self._decoder.add_jsgf_string(_NOISE, "#JSGF V1.0; grammar noise; public <noise> = a ;")
        return self._decoder

    def _activate(self, decoder: "Decoder", phrases: tuple[str, ...]) -> dict[str, str] | None:
        """Choose the grammar of the phrases, or free form; return the phrases as they were written, by their words."""
        if not phrases:
            if not self._warned:
                self._warned = True
                warnings.warn(_FREE_FORM, SpeechWarning, stacklevel=5)
            decoder.activate_search("_default")
            return None
        if len(phrases) > _MOST_PHRASES:
            raise SpeechError(f"{len(phrases)} phrases are more than sphinx can expect; give at most {_MOST_PHRASES}.")
        written = self._speakable(decoder, phrases)
        if not written:
            decoder.activate_search("_default")
            return None
        lines = tuple(sorted(written))
        name = self._grammars.pop(lines, None)
        if name is None:
            self._made += 1
            name = f"phrases{self._made}"
            decoder.add_jsgf_string(name, _grammar(lines))
        self._grammars[lines] = name  # the one used last stands last
        decoder.activate_search(name)
        if len(self._grammars) > _MOST_GRAMMARS:
            decoder.remove_search(self._grammars.pop(next(iter(self._grammars))))
        return written

    def _speakable(self, decoder: "Decoder", phrases: tuple[str, ...]) -> dict[str, str]:
        """Return the phrases that the dictionary has all words of, by those words; the others are said once."""
        written: dict[str, str] = {}
        for phrase in phrases:
            words = normalized(phrase)
            missing = [word for word in words if decoder.lookup_word(word) is None]
            if missing:
                self._say_unknown(phrase, missing)
            elif words:
                written.setdefault(" ".join(words), phrase)
        return written

    def _say_unknown(self, phrase: str, missing: list[str]) -> None:
        new = [word for word in missing if word not in self._unknown]
        self._unknown.update(new)
        if new:
            warnings.warn(
                f"sphinx doesn't know how {', '.join(map(repr, new))} sounds, so it can't expect {phrase!r}. "
                "Write numbers as words, or use another recogniser.",
                SpeechWarning,
                stacklevel=6,
            )


def _hear(decoder: "Decoder", data: bytes) -> None:
    decoder.start_utt()
    decoder.process_raw(data, full_utt=True)
    decoder.end_utt()


def _grammar(lines: tuple[str, ...]) -> str:
    # One phrase or several in a row, as people say "yes, Tuesday please".
    return "#JSGF V1.0; grammar phrases; public <said> = <phrase>+ ; <phrase> = " + " | ".join(lines) + " ;"


def _as_written(heard: str, written: dict[str, str]) -> str:
    """Return recognised words in the spelling of the phrases that they are.

    Behind whole phrases the first words of another are what the recogniser makes of a breath or a click: they are left
    out. Where there is no whole phrase, the words stay as they are.
    """
    if heard in written:
        return written[heard]
    words, parts = heard.split(), []
    while words:
        for count in range(len(words), 0, -1):
            if (text := written.get(" ".join(words[:count]))) is not None:
                parts.append(text)
                words = words[count:]
                break
        else:
            break
    return " ".join(parts) or heard


def _dithered(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.int16]:
    """Return samples with a little noise: digital silence, which no microphone gives, ruins the recogniser."""
    noise = np.random.default_rng(len(samples)).standard_normal(len(samples)) * _DITHER
    dithered: npt.NDArray[np.int16] = np.clip(np.rint(samples + noise), -32768, 32767).astype(np.int16)
    return dithered
