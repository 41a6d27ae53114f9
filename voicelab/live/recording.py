"""What both sides of a session sounded like, in one stretch of time."""

import io
import wave
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from voicelab.speech import Audio

RATE = 16_000
"""Samples a second of the recording."""

Samples = npt.NDArray[np.int16]


@dataclass
class _Piece:
    """Sound of one side: of the caller one recording, of the agent what was played of an event.

    It is brought to the recording's rate when that is asked for: nothing is computed while people talk.
    """

    start_s: float
    parts: list[Audio]
    silenced_s: float = float("inf")
    _joined: Samples | None = None

    def joined(self) -> Samples:
        """Return all of it, at the recording's rate; computed anew when more has come."""
        n = sum(round(part.duration_s * RATE) for part in self.parts)
        if self._joined is None or abs(len(self._joined) - n) > len(self.parts):
            self._joined = np.concatenate([part.resampled(RATE).pcm16() for part in self.parts])
        return self._joined

    def samples(self) -> Samples:
        joined = self.joined()
        heard_s = self.silenced_s - self.start_s
        return joined if heard_s * RATE >= len(joined) else joined[: max(0, int(heard_s * RATE))]


@dataclass
class Recording:
    """A recording in two tracks; pieces are laid down where they were heard."""

    _caller: list[_Piece] = field(default_factory=list)
    _agent: dict[int, _Piece] = field(default_factory=dict)
    _caller_end_s: float = -1.0

    def add_caller(self, now: float, samples: Samples) -> None:
        """Lay down a piece of the microphone's sound (16 kHz) that ends now; pieces that follow each other join."""
        length_s = len(samples) / RATE
        start_s = now - length_s
        # Messages come in bursts; what was recorded without a gap is played without one.
        if abs(start_s - self._caller_end_s) < _SLACK_S:
            start_s = self._caller_end_s
        self._caller.append(_Piece(start_s, [Audio(samples, RATE)]))
        self._caller_end_s = start_s + length_s

    def add_agent(self, row: int, start_s: float, audio: Audio) -> None:
        """Lay down what is played of an event, in one piece or several; by its row it is moved to where it really plays."""
        self._agent.setdefault(row, _Piece(start_s, [])).parts.append(audio)

    def move(self, row: int, start_s: float) -> None:
        """Move an event's piece to where it really began."""
        if row in self._agent:
            self._agent[row].start_s = start_s

    def silence_agent(self, now: float) -> None:
        """Silence the agent from now on: what was laid down beyond was not heard."""
        for piece in self._agent.values():
            piece.silenced_s = min(piece.silenced_s, now)

    def agent_until(self, end_s: float, seconds: float) -> Samples:
        """Return what the agent's track holds of the seconds before a time: what the loudspeaker played."""
        played, begin = np.zeros(round(seconds * RATE), np.int16), round((end_s - seconds) * RATE)
        for piece in self._agent.values():
            at = round(piece.start_s * RATE) - begin
            if at < len(played) and piece.start_s < end_s:
                samples = piece.samples()
                heard = samples[max(0, -at) : max(0, len(played) - at)]
                played[max(0, at) : max(0, at) + len(heard)] = heard
        return played

    @property
    def empty(self) -> bool:
        """Whether there was no sound at all."""
        return not self._caller and not self._agent

    def stereo(self) -> Samples:
        """Return both tracks, int16 of shape (n, 2): caller left, agent right."""
        tracks = [(0, piece) for piece in self._caller] + [(1, piece) for piece in self._agent.values()]
        pieces = [(track, round(piece.start_s * RATE), piece.samples()) for track, piece in tracks]
        mixed = np.zeros((max((at + len(samples) for _, at, samples in pieces), default=0), 2), np.int16)
        for track, at, samples in pieces:
            heard = samples[max(0, -at) :]
            mixed[max(0, at) : max(0, at) + len(heard), track] = heard
        return mixed

    def wav(self) -> bytes:
        """Return both tracks as a WAV file: caller left, agent right."""
        file = io.BytesIO()
        with wave.open(file, "wb") as out:
            out.setnchannels(2)
            out.setsampwidth(2)
            out.setframerate(RATE)
            out.writeframes(self.stereo().tobytes())
        return file.getvalue()


_SLACK_S = 0.5
