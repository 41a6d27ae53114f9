"""`Speaker`: what the kernel says and plays, heard in the notebook's page."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anywidget

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError
from voicelab.widgets.esm import css, esm

if TYPE_CHECKING:
    from pathlib import Path

    from voicelab.speech import Audio, TextToSpeech
    from voicelab.speech.protocols import TextToSpeechLike

_PIECE_S = 10.0
_BROWSER = "browser"


class Speaker(anywidget.AnyWidget):
    """Say and play in the browser that shows the notebook.

    Args:
        tts: What speaks: `auto` (an engine that works offline, else the page's own voices), the name of an engine, an
            engine, or `browser`.

    Raises:
        VoicelabError: there is no such engine, or it isn't installed.

    Example:
        spk = Speaker()
        spk                          # shown
        spk.say("Good morning!")
        spk.play(mic.audio)
    """

    _esm = esm("speaker_widget")
    _css = css()

    def __init__(self, tts: "TextToSpeechLike" = "auto") -> None:
        super().__init__()
        self._engine = _engine(tts)
        self._page: str | None = None
        self._row = 0
        self._waiting: list[tuple[dict[str, Any], bytes | None]] = []
        self.on_msg(self._receive)

    @property
    def tts(self) -> str:
        """The name of what speaks."""
        return _BROWSER if self._engine is None else str(self._engine.name)

    def say(self, text: str) -> None:
        """Say a text after what is being played.

        Args:
            text: What to say.

        Raises:
            InputError: there is nothing to say.
            VoicelabError: the engine can't say it.
        """
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"text is {text!r}, must be some words.")
        if self._engine is None:
            self._row += 1
            self._tell({"k": "speak", "row": self._row, "text": text, "interruptible": True})
        else:
            from voicelab.speech.protocols import checked_sound

            self._play(checked_sound(self._engine, self._engine.synthesize(text)), text)

    def play(self, audio: "Audio | str | Path | bytes") -> None:
        """Play audio after what is being played.

        Args:
            audio: A `voicelab.speech.Audio`, the path of a sound file, or a file's bytes.

        Raises:
            InputError: it is no sound.
        """
        from voicelab.speech import Audio

        if isinstance(audio, Audio):
            sound = audio
        elif hasattr(audio, "__fspath__") or isinstance(audio, str | bytes):
            sound = Audio.load(audio)
        else:
            raise InputError(
                f"audio is a {type(audio).__name__}, must be an Audio, the path of a sound file, or its bytes."
            )
        self._play(sound, "")

    def stop(self) -> None:
        """Stop, and forget what waits."""
        self._waiting.clear()
        self._tell({"k": "clear"})

    def _play(self, audio: "Audio", text: str) -> None:
        self._row += 1
        samples, size = audio.pcm16(), max(1, round(_PIECE_S * audio.rate))
        for at in range(0, max(len(samples), 1), size):
            head = {"k": "audio", "row": self._row, "rate": audio.rate, "text": text, "interruptible": True}
            last = at + size >= len(samples)
            self._tell({**head, "last": last}, samples[at : at + size].astype("<i2").tobytes())

    def _tell(self, message: dict[str, Any], buffer: bytes | None = None) -> None:
        # Nobody hears before the page has said hello: what was said until then is heard when the widget is shown.
        if self._page is None:
            self._waiting.append((message, buffer))
        else:
            self.send({**message, "engine": self._page}, None if buffer is None else [buffer])

    def _receive(self, _: anywidget.AnyWidget, content: Json, buffers: Sequence[memoryview]) -> None:
        del buffers
        # A page that can't say who it is can't be spoken to either.
        if isinstance(content, dict) and content.get("k") == "hello" and isinstance(content.get("engine"), str):
            # The page that was opened last is the one that is heard, so that a second tab doesn't double it.
            self._page = content["engine"]
            waiting, self._waiting = self._waiting, []
            for message, buffer in waiting:
                self._tell(message, buffer)

    def __repr__(self) -> str:
        return f"Speaker(tts={self.tts!r})"


def _engine(tts: "TextToSpeechLike") -> "TextToSpeech | None":
    if tts == _BROWSER:
        return None
    from voicelab.speech import text_to_speech

    try:
        return text_to_speech(tts)
    except VoicelabError:
        if tts != "auto":
            raise
        return None  # No engine works offline here: the page's own voices speak.
