"""Piper: a neural voice, offline, whose voice file is given by its path (an extra)."""

from pathlib import Path

from voicelab.base.errors import MissingEngineError, SpeechError
from voicelab.base.pace import pace
from voicelab.speech import cache
from voicelab.speech.audio import Audio


class Piper:
    """Speaks with a Piper voice.

    Args:
        model: Path of the voice's .onnx file; its .json lies beside it.

    Raises:
        MissingEngineError: piper-tts isn't installed.
        SpeechError: there is no such voice.
    """

    name = "piper"
    version = "1"
    offline = True

    def __init__(self, model: str | Path = "") -> None:
        try:
            from piper import PiperVoice
        except ImportError:
            raise MissingEngineError(
                "The voice 'piper' isn't installed (GPL-3). Install it by: pip install 'voicelab[piper]'"
            ) from None
        path = Path(model)
        if not path.is_file():
            raise SpeechError(
                f"There is no Piper voice at {str(model)!r}. Give the path of an .onnx file: "
                "tts=speech.text_to_speech('piper', model='voices/en_US-lessac-medium.onnx')."
            )
        self._path = path
        self._voice = PiperVoice.load(path)

    def synthesize(self, text: str, voice: str | None = None, language: str | None = None, speed: float = 1.0) -> Audio:
        """Return a text as sound; a Piper file is one voice in one language."""
        del voice, language
        if not text.strip():
            raise SpeechError("There is nothing to say: the text is empty.")
        speed = pace(speed)
        key = cache.key(self.name, self.version, self._path.name, f"{speed:.3f}", text)
        return cache.audio(key, lambda: self._spoken(text, speed))

    def _spoken(self, text: str, speed: float) -> Audio:
        from piper import SynthesisConfig

        chunks = list(self._voice.synthesize(text, syn_config=SynthesisConfig(length_scale=1 / speed)))
        if not chunks:
            raise SpeechError(f"piper gave no sound for {text[:60]!r}.")
        return Audio.join([Audio(chunk.audio_int16_array, chunk.sample_rate) for chunk in chunks])
