"""`Microphone`: a recording made in the notebook's page, as samples in the kernel."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import anywidget
import numpy as np

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError
from voicelab.live.page_check import known_message
from voicelab.live.page_messages import MICROPHONE
from voicelab.widgets.esm import css, esm

if TYPE_CHECKING:
    from voicelab.speech import Audio

_LONGEST_S = 3600.0


class Microphone(anywidget.AnyWidget):
    """Record the microphone of the browser that shows the notebook, or take a sound file where there is none.

    The widget has a button to record, and one to upload a file; `record` does the same from a cell. It has to be shown
    (as the last line of a cell) before it can hear anything.

    Example:
        mic = Microphone()
        mic               # shown; press Record, or:
        mic.record(3)     # for three seconds
        mic.audio.text()  # in a later cell
    """

    _esm = esm("microphone_widget")
    _css = css()

    def __init__(self) -> None:
        super().__init__()
        self._audio: Audio | None = None
        self._error = ""
        # The pages that show it, the last used one last: that one records when a cell asks for it.
        self._pages: list[str] = []
        self._waiting: dict[str, Any] | None = None
        self._pieces: dict[str, list[tuple[int, bytes]]] = {}
        self.on_msg(self._receive)

    @property
    def audio(self) -> "Audio":
        """The last recording: `.samples`, `.rate`, `.save(path)`, `.text()`.

        Raises:
            VoicelabError: nothing was recorded yet; the message says why.
        """
        if self._audio is None:
            raise VoicelabError(
                self._error or "Nothing has been recorded yet: show the microphone in a cell and press Record."
            )
        return self._audio

    def record(self, seconds: float | None = None) -> None:
        """Begin to record; what was recorded before is replaced when the recording ends.

        Args:
            seconds: How long; None records until `stop()` or the button.

        Raises:
            InputError: no time that can be recorded.
        """
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if seconds is not None and not (number and 0 < seconds <= _LONGEST_S):
            raise InputError(f"seconds is {seconds!r}, must be a number above 0 and up to {_LONGEST_S:g}, or None.")
        self._tell({"k": "record", "seconds": seconds})

    def stop(self) -> None:
        """End the recording; `audio` is there when the page has handed it over."""
        self._tell({"k": "stop"})

    def close(self) -> None:
        """Switch the microphone off and take the widget away."""
        if self._pages:
            self.send({"k": "stop"})
        super().close()

    def _tell(self, message: dict[str, Any]) -> None:
        # Nobody listens before the page has said hello: what was asked last is done then.
        if self._pages:
            self.send(message | {"engine": self._pages[-1]})
        else:
            self._waiting = message

    def _receive(self, _: anywidget.AnyWidget, content: Json, buffers: Sequence[memoryview]) -> None:
        try:
            if isinstance(content, dict) and known_message(MICROPHONE.to_kernel, content):
                self._take(content, buffers)
        except InputError as error:
            self._error = str(error)

    def _take(self, content: dict[str, Any], buffers: Sequence[memoryview]) -> None:
        """Take a message that the table has."""
        kind, page = content["k"], content["engine"]
        if kind in {"hello", "recording", "bye"}:
            self._pages = [other for other in self._pages if other != page] + [page] * (kind != "bye")
        if kind == "hello" and self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._tell(waiting)
        elif kind == "recording":
            self._error = ""
        elif kind == "trouble":
            self._error = content["text"]
        elif kind == "piece" and buffers:
            pieces = self._pieces.setdefault(page, [])
            if content["at"] == 0:
                pieces.clear()
            pieces.append((int(content["at"]), bytes(buffers[0])))
        elif kind == "done":
            pieces = self._pieces.pop(page, [])
            self._finish(pieces, int(content["rate"]), int(content["samples"]))

    def _finish(self, pieces: list[tuple[int, bytes]], rate: int, n_samples: int) -> None:
        from voicelab.speech import Audio

        sound = b"".join(piece for _, piece in sorted(pieces))
        samples = np.frombuffer(sound[: len(sound) // 2 * 2], np.dtype("<i2"))
        if len(samples) != n_samples:
            self._audio = None
            self._error = f"Only {len(samples)} of {n_samples} samples arrived from the page. Record again."
        else:
            self._audio = Audio(samples.astype(np.int16), rate)

    def __repr__(self) -> str:
        return f"Microphone({'nothing recorded' if self._audio is None else repr(self._audio)})"
