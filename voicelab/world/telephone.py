"""Callers that really speak: their words become sound, pass a line, and are recognised on the agent's side."""

import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from voicelab.base.errors import InputError, SpeechWarning
from voicelab.base.pace import pace, speech_seconds
from voicelab.base.seeds import Seeds
from voicelab.callers.actions import BEGINS, Recognised, Sound, Unheard
from voicelab.speech import Audio, Endpointer, PhoneLine, SpeechToText, TextToSpeech, speech_to_text, text_to_speech
from voicelab.speech.endpointer import RATE, SMART, SpeechEvent
from voicelab.speech.line import endpointer_of
from voicelab.speech.protocols import SpeechToTextLike, TextToSpeechLike, checked_sound, checked_transcript
from voicelab.speech.voices import caller_voice
from voicelab.speech.words import normalized, word_counts

_BEFORE_S, _AFTER_S = 0.3, 0.3
# As much of what was said lately as takes 20 MB at 16 kHz, 30 at 24: ten phrases in each of the callers' voices.
_MOST_KEPT_S = 600.0
_PROMPT_WORDS = 200


@dataclass
class Telephone:
    """What every session of an audio simulation has in common; it can be pickled.

    Attributes:
        line: What lies between caller and recogniser.
        tts: Name of what speaks, or an engine: the caller's voice, and the agent's, whose length it gives.
        stt: Name of what recognises, or an engine.
        phrases: What the recogniser is told to expect besides what the caller says of itself.
        language: What the callers speak, and the recogniser listens for until the agent says otherwise; None for the
            engines' own.
    """

    line: PhoneLine = field(default_factory=PhoneLine)
    tts: TextToSpeechLike = "auto"
    stt: SpeechToTextLike = "auto"
    phrases: tuple[str, ...] = ()
    language: str | None = None

    def begin(self, seeds: Seeds, phrases: Sequence[str]) -> "PhoneCall":
        """Return one session's call.

        Args:
            seeds: The session's streams of chance.
            phrases: What its caller may say.
        """
        return PhoneCall(self, _studio(self), seeds, [*self.phrases, *phrases])


class _Studio:
    """The engines of a process: they are slow to start, and keep what they have said."""

    def __init__(self, telephone: Telephone) -> None:
        self.tts: TextToSpeech = text_to_speech(telephone.tts)
        self.stt: SpeechToText = speech_to_text(telephone.stt)
        # Now: else a process's first session would use up its own processor time for it (`limits.cpu_s`), and no other would.
        getattr(self.stt, "warm_up", lambda: None)()
        self._endpointers: dict[float | Endpointer, Endpointer] = {}
        self._spoken: OrderedDict[tuple[Any, ...], Audio] = OrderedDict()
        self._kept_s = 0.0

    def endpointer(self, line: PhoneLine) -> Endpointer:
        """Return what ends turns on a line; runs that compare several share the engines, which take the memory."""
        given = line.endpointing
        if given not in self._endpointers:
            # An engine may say what finds the beginning and end of what it understands: tones are no voice to a detector.
            self._endpointers[given] = endpointer_of(given).anew(getattr(self.stt, "detector", None))
        return self._endpointers[given]

    def speak(self, text: str, voice: str | None, language: str | None, speed: float) -> Audio:
        """Return a text as sound; what was said lately is kept."""
        key = (text, voice, language, speed)
        audio = self._spoken.get(key)
        if audio is None:
            made = self.tts.synthesize(text, voice=voice, language=language, speed=speed)
            audio = self._spoken[key] = checked_sound(self.tts, made)
            self._kept_s += audio.duration_s
            while self._kept_s > _MOST_KEPT_S:
                self._kept_s -= self._spoken.popitem(last=False)[1].duration_s
        else:
            self._spoken.move_to_end(key)
        return audio


# By what a telephone names and not by the object, which comes to a worker process anew with each shard.
_studios: dict[str, _Studio] = {}


def _studio(telephone: Telephone) -> _Studio:
    """Return the engines for a telephone, made once a process."""
    key = repr((telephone.tts, telephone.stt))
    if key not in _studios:
        _studios[key] = _Studio(telephone)
    return _studios[key]


class PhoneCall:
    """One session on the telephone.

    Args:
        telephone: The line and its engines.
        studio: The engines, started.
        seeds: The session's streams of chance.
        phrases: What the recogniser is told to expect.
    """

    def __init__(self, telephone: Telephone, studio: _Studio, seeds: Seeds, phrases: Sequence[str]) -> None:
        self._telephone = telephone
        self._studio = studio
        self._endpointer = studio.endpointer(telephone.line)
        self._phrases = list(dict.fromkeys(phrases))
        self._language = telephone.language
        self._voice = caller_voice(seeds.uniform("caller_voice"))
        self._rng = np.random.default_rng(seeds.seed("line"))

    def settings(self, data: Mapping[str, Any]) -> None:
        """Take the agent's STTUpdateSettingsEvent: its language, and words to expect."""
        self._language = data.get("language") or self._language
        if data.get("prompt"):
            self._phrases.append(" ".join(str(data["prompt"]).split()[:_PROMPT_WORDS]))

    def agent_seconds(self, data: Mapping[str, Any]) -> float:
        """Return how long the agent's speech takes, in seconds, by its own sound."""
        text = str(data["text"])
        if not normalized(text):
            return speech_seconds(text, data.get("speed"))
        return self._studio.speak(text, data.get("voice"), data.get("language"), pace(data.get("speed"))).duration_s

    def say(self, text: str) -> list[Sound]:
        """Return what reaches the agent when the caller says something, and when: seconds from its first word.

        The sound passes the line, is cut into turns by the end-of-turn detector, and each turn is recognised.
        """
        if not normalized(text):
            return [(0.0, BEGINS), (speech_seconds(text), Recognised(text, text, {"engine": "none"}))]
        studio = self._studio
        clean = studio.speak(text, self._voice, self._telephone.language, 1.0)
        ear = self._endpointer
        before, after = (
            Audio.silence(_BEFORE_S, clean.rate),
            Audio.silence(ear.silence_s + _AFTER_S, clean.rate),
        )
        heard = self._telephone.line.apply(before + clean + after, self._rng).resampled(RATE)
        ear.reset()  # it serves all sessions of the process, and goes by what it heard before
        found = ear.feed(heard.pcm16())
        # Noise may keep a turn open after the last word; the words are heard all the same.
        if (rest := ear.finish()) is not None:
            found.append(rest)
        sounds: list[Sound] = []
        began_s = 0.0
        for event in found:
            if event.audio is None:
                began_s = event.time_s
                sounds.append((max(0.0, event.time_s - _BEFORE_S), BEGINS))
            else:
                known_s = max(0.0, event.known_s - _BEFORE_S)
                sounds.append((known_s, self._recognised(event, event.audio, text, began_s)))
        if not sounds:
            # The detector missed all of it: the agent hears nothing.
            sounds = [
                (
                    clean.duration_s + ear.silence_s,
                    Unheard(self._unheard(text)),
                )
            ]
        return _attributed(sounds, text, self._language)

    def _unheard(self, said: str) -> dict[str, Any]:
        counts = word_counts(said, "", self._language)
        return {"engine": self._studio.stt.name, "voice": self._voice, **counts, "said": said}

    def _recognised(self, event: SpeechEvent, audio: Audio, said: str, began_s: float) -> Recognised | Unheard:
        stt = self._studio.stt
        heard = stt.transcribe(audio, phrases=self._phrases or None, language=self._language)
        transcript = checked_transcript(stt, heard)
        facts = {
            "engine": transcript.engine or stt.name,  # which of several it was, where the engine chooses among them
            "voice": self._voice,
            "audio_s": round(audio.duration_s, 3),
            "speech_s": round(event.time_s - began_s, 3),
            "end_of_turn_s": round(event.known_s - event.time_s, 3),
        }
        if self._endpointer.detector == SMART:
            facts["endpointing"] = _FLATTERED
        if transcript.confidence is not None:
            facts["confidence"] = round(transcript.confidence, 4)
        text = transcript.text.strip()
        return Recognised(text, said, facts) if text else Unheard(facts)


_FLATTERED = "smart; synthetic voices flatter it"


def _attributed(sounds: list[Sound], said: str, language: str | None) -> list[Sound]:
    """Return sounds with the errors of the whole utterance counted at its last turn: pauses may cut it into several."""
    heard = " ".join(what.text for _, what in sounds if isinstance(what, Recognised))
    counts = word_counts(said, heard, language)
    last = max(at for at, (_, what) in enumerate(sounds) if what is not BEGINS)
    counted: list[Sound] = []
    for at, (at_s, what) in enumerate(sounds):
        if isinstance(what, Recognised):
            whole = what.said if at == last else what.text
            counted.append((at_s, Recognised(what.text, whole, {**what.facts, **(counts if at == last else {})})))
        elif isinstance(what, Unheard):
            counted.append((at_s, Unheard({**what.facts, **(counts if at == last else {}), "said": said})))
        else:
            counted.append((at_s, what))
    return counted


def checked(
    audio: PhoneLine,
    tts: TextToSpeechLike,
    stt: SpeechToTextLike,
    phrases: Sequence[str] | None,
    language: str | None,
    *,
    mishears: bool,
) -> Telephone:
    """Return the telephone of an audio simulation.

    Raises:
        InputError: it is no line, or the world would change the words a second time.
        VoicelabError: an engine isn't there.
    """
    if not isinstance(audio, PhoneLine):
        raise InputError(f"audio is {audio!r}, must be vl.PhoneLine(...), e.g. vl.PhoneLine(noise='car', snr_db=15).")
    if mishears:
        raise InputError(
            "World(recognition_errors=..., confusions=...) stands for a recogniser, and audio=... has a real one: leave "
            "one of them out."
        )
    if isinstance(phrases, str):
        raise InputError(f"phrases is {phrases!r}, must be a list of phrases, e.g. ['yes please', 'no thanks'].")
    if language is not None and (not isinstance(language, str) or not language):
        raise InputError(f"language is {language!r}, must be text such as 'en' or 'de-DE'.")
    telephone = Telephone(audio, tts, stt, tuple(phrases or ()), language)
    studio = _studio(telephone)  # an engine that isn't there is said now, not in a worker
    if language is not None:
        studio.speak("1", None, language, 1.0)  # and so is a language that it doesn't speak
    if studio.endpointer(audio).detector == SMART:
        warnings.warn(
            "Endpointer(detector='smart') was made of people's voices and takes synthetic ones for finished too easily: in "
            "this simulation it looks better than it is. Compare it with people at the console.",
            SpeechWarning,
            stacklevel=2,
        )
    return telephone
