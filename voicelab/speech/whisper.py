"""Whisper through faster-whisper: better recognition, offline once its model is on the machine (an extra)."""

import time
from collections.abc import Sequence
from pathlib import Path

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.speech.audio import Audio
from voicelab.speech.transcript import Transcript

_RATE = 16_000


class Whisper:
    """Recognises with a Whisper model.

    Args:
        model: Folder of a model in CTranslate2's format, or its name, such as "tiny.en"; a name that isn't on this
            machine already is an error: nothing is downloaded.

    Raises:
        MissingEngineError: faster-whisper isn't installed.
        SpeechError: there is no such model here.
    """

    name = "whisper"
    version = "1"
    offline = True

    def __init__(self, model: str | Path = "tiny.en") -> None:
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise MissingEngineError(
                "The recogniser 'whisper' isn't installed. Install it by: pip install 'voicelab[whisper]'"
            ) from None
        try:
            self._model = WhisperModel(str(model), device="cpu", compute_type="int8", local_files_only=True)
        except Exception as error:  # noqa: BLE001 - the library raises of every kind
            raise SpeechError(
                f"There is no Whisper model {str(model)!r} on this machine ({type(error).__name__}). Give the folder of "
                "one: stt=speech.speech_to_text('whisper', model='path/to/faster-whisper-tiny.en')."
            ) from None

    def transcribe(self, audio: Audio, phrases: Sequence[str] | None = None, language: str | None = None) -> Transcript:
        """Return the words in a sound; phrases are given to the model as what was said before."""
        if not len(audio.samples):
            raise SpeechError("There is nothing to recognise: the audio is empty.")
        began = time.perf_counter()
        prompt = None if not phrases else ". ".join(phrases)[:800]
        spoken = None if language is None else language.partition("-")[0]
        segments, _ = self._model.transcribe(
            audio.resampled(_RATE).floats(), language=spoken, initial_prompt=prompt, beam_size=1, vad_filter=False
        )
        text = " ".join(segment.text.strip() for segment in segments)
        return Transcript(text.strip(), None, (), self.name, time.perf_counter() - began)
