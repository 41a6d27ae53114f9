"""Whisper through faster-whisper: open speech in many languages, offline, its weights in packages or in a folder (an extra)."""

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.heard import voiced_pieces
from voicelab.speech.languages import plain_language
from voicelab.speech.transcript import Transcript
from voicelab.speech.whisper_weights import base_halves, has_base, has_tiny, whisper_base, whisper_tiny

_EARS = "pip install 'voicelab[ears]'"
# What it says of itself where it made something up: its own thresholds (faster-whisper, after OpenAI's whisper).
_NO_SPEECH, _UNLIKELY, _REPEATS = 0.6, -1.0, 2.4


class Whisper:
    """Recognises with a Whisper model, on one thread, the same words for the same sound in every process.

    Args:
        model: Folder of a model in CTranslate2's format, or its name, such as "tiny.en"; a name that isn't on this
            machine already is an error: nothing is downloaded. None for those that are installed as packages: tiny.en for
            English, base for other languages.

    Raises:
        MissingEngineError: faster-whisper isn't installed, or no weights are.
        SpeechError: there is no such model here, or its weights are damaged.
    """

    name = "whisper"
    version = "2"
    offline = True

    def __init__(self, model: str | Path | None = None) -> None:
        try:
            import faster_whisper
        except ImportError:
            raise MissingEngineError(
                f"The recogniser 'whisper' isn't installed. Install it by: {_EARS}, or by: "
                "pip install 'voicelab[whisper]' if you have a model of your own."
            ) from None
        self._library = faster_whisper
        self._models: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._given = None if model is None else str(model)
        if self._given is not None:
            self._models[self._given] = self._load(self._given)
        else:
            self.check()

    @staticmethod
    def check() -> None:
        """Find the weights that are installed and compare them with what is known of them, without loading them.

        Raises:
            MissingEngineError: there are none.
            SpeechError: they are damaged, or of another version.
        """
        if not has_tiny() and not has_base():
            raise MissingEngineError(
                f"The recogniser 'whisper' has no weights here. Install some by: {_EARS}, or give the folder of a "
                "model: speech.speech_to_text('whisper', model='path/to/faster-whisper-tiny.en')."
            )
        if has_tiny():
            whisper_tiny()
        if has_base():
            base_halves()

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound, and how sure they are; phrases are given to the model as what was said before.

        Raises:
            SpeechError: no audio, two minutes or more, a language that the model doesn't know.
        """
        began = time.perf_counter()
        pieces = voiced_pieces(self.name, audio)
        with self._lock:
            model, spoken = self._model(language)
            found = [said for piece in pieces for said in self._said(model, piece, spoken, phrases)]
        text = " ".join(words for words, _ in found)
        confidence = min((sure for _, sure in found), default=None)
        return Transcript(text, confidence, (), self.name, time.perf_counter() - began)

    def _said(
        self, model: Any, piece: Any, spoken: str | None, phrases: Sequence[str] | None
    ) -> list[tuple[str, float]]:
        prompt = None if not phrases else ". ".join(phrases)[:800]
        # Without its retries at higher temperatures, which draw by chance; without what it said before, or one error makes
        # the next.
        segments, _ = model.transcribe(
            piece, language=spoken, initial_prompt=prompt, beam_size=1, temperature=0.0, vad_filter=False,
            condition_on_previous_text=False, without_timestamps=True, no_speech_threshold=_NO_SPEECH,
            log_prob_threshold=_UNLIKELY,
        )  # fmt: skip
        return [
            (words, math.exp(min(0.0, segment.avg_logprob)))
            for segment in segments
            if (words := segment.text.strip()) and segment.compression_ratio <= _REPEATS
        ]

    def _model(self, language: str | None) -> tuple[Any, str | None]:
        """Return the model for a language, and the language as the model names it."""
        spoken = None if language is None else plain_language(language).partition("-")[0]
        if self._given is not None:
            key = self._given
        else:
            spoken = spoken or "en"
            key = "tiny" if spoken == "en" and has_tiny() else "base"
            if key not in self._models:
                found = whisper_tiny() if key == "tiny" else whisper_base()
                self._models[key] = self._load(str(found))
        model = self._models[key]
        known = model.supported_languages
        if spoken is not None and spoken not in known:
            few = ", ".join(known[:12])
            raise SpeechError(
                f"whisper's model doesn't have the language {language!r}; it has {few}{' …' if len(known) > 12 else ''}."  # noqa: PLR2004
            )
        return model, spoken

    def _load(self, model: str) -> Any:
        try:
            # One thread: two workers share two cores, and sums are made in the same order everywhere.
            return self._library.WhisperModel(
                model, device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
            )
        except Exception as error:  # noqa: BLE001 - the library raises of every kind
            raise SpeechError(
                f"There is no Whisper model {model!r} on this machine ({type(error).__name__}). Give the folder of "
                "one: stt=speech.speech_to_text('whisper', model='path/to/faster-whisper-tiny.en')."
            ) from None
