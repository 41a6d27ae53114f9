"""When the caller spoke the words that reached the agent: the log has the moment at which they arrived."""

from dataclasses import dataclass
from typing import Any

from voicelab.base.pace import speech_seconds
from voicelab.base.records import Event


@dataclass(slots=True)
class _Words:
    event: Event
    recognition: Event | None
    cut_in_s: float | None
    latency: dict[str, Any] | None = None


class CallerSpeech:
    """Places the caller's words between the rows that tell of them.

    A recognition, in front of the words, says how long the sound was; a latency, behind them, when it ended; where there
    is neither, they began where they interrupted the agent, or as long ago as speaking them takes.
    """

    def __init__(self) -> None:
        self._words: dict[int, _Words] = {}
        self._turns: dict[int, int] = {}
        self._recognition: Event | None = None
        self._cut_in_s: float | None = None

    def take(self, event: Event) -> set[int]:
        """Take an event; return which words it places anew, by seq."""
        if event.name == "recognition":
            self._recognition = event
        elif event.name == "turn_interrupted":
            self._cut_in_s = event.time_s
        elif event.kind == "input" and event.name == "dtmf":
            self._cut_in_s = None  # it was keys that interrupted
        elif event.name == "latency" and event.turn in self._turns:
            seq = self._turns[event.turn]
            self._words[seq].latency = event.data
            return {seq}
        elif event.kind == "input" and event.name == "text":
            self._words[event.seq] = _Words(event, self._recognition, self._cut_in_s)
            self._turns[event.turn] = event.seq
            self._recognition = self._cut_in_s = None
        return set()

    def heard(self, seq: int) -> tuple[float, float] | None:
        """Return when words were spoken, from and to; None for typed ones."""
        words = self._words.get(seq)
        if words is None or words.event.data.get("source") != "speech":
            return None
        event, recognition = words.event, words.recognition
        if recognition is not None and recognition.data.get("audio_s"):
            return _recognised(event.time_s, recognition.data, words.latency)
        if event.data.get("audio_s"):
            # The silence that ended the turn is no speech.
            ended_s = max(0.0, event.time_s - float(event.data.get("end_of_turn_s") or 0.0))
            took_s = event.data.get("speech_s")
            return max(
                0.0, (event.time_s - float(event.data["audio_s"])) if took_s is None else ended_s - took_s
            ), ended_s
        if words.cut_in_s is not None and words.cut_in_s < event.time_s:
            spoken_s = event.time_s - words.cut_in_s
        else:
            spoken_s = speech_seconds(str(event.data.get("said", event.data.get("text", ""))))
        return max(0.0, event.time_s - spoken_s), event.time_s


def _recognised(arrived_s: float, recognition: dict[str, Any], latency: dict[str, Any] | None) -> tuple[float, float]:
    began_s, ended_s = recognition.get("began_s"), recognition.get("ended_s")
    if began_s is not None and ended_s is not None:
        return began_s, max(began_s, ended_s)
    # In a log of an earlier version: the sound that was recognised ends with the silence that ended the turn: that is no speech.
    latency = latency or {}
    took_ms = latency.get("recognition_ms")
    took_s = took_ms / 1000 if took_ms is not None else recognition.get("recognition_s") or 0.0
    silence_s = (latency.get("end_of_turn_ms") or 0.0) / 1000
    sound_ended_s = arrived_s - took_s
    began_s = max(0.0, sound_ended_s - float(recognition["audio_s"]))
    return began_s, max(began_s, sound_ended_s - silence_s)
