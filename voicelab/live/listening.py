"""The caller's sound in a live session: where a turn begins and ends, and what words it holds."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from voicelab.base.errors import VoicelabError
from voicelab.callers.actions import Recognised
from voicelab.callers.backchannels import interrupts
from voicelab.live.answer_times import AnswerTimes
from voicelab.live.recording import RATE, Recording
from voicelab.session.live_end import LiveEnd
from voicelab.speech import Audio, Endpointer, SpeechEvent, SpeechToText
from voicelab.speech.echo import EARLIEST_S, WINDOW_S, EchoRemover, reference_s
from voicelab.speech.protocols import checked_transcript

Samples = npt.NDArray[np.int16]

_LAST_CHUNK_S = 0.15
"""How long after the release of push-to-talk its last piece of sound may still arrive."""
_FALSE_ONSET_S = 1.5
"""A first sound after which no speech was found within this time was none."""
_LONGEST_TURN_S = 60.0
"""A turn is ended after so long in any case, whatever silence an agent asks for."""
_LONGEST_PIECE = round(WINDOW_S * RATE)


@dataclass
class _Early:
    """Words that are looked for before a turn is known to be over, in what is its sound if no more is said.

    Attributes:
        time_s: When the turn ends then, in seconds of the stream.
        n_samples: Length of its sound.
        words: What the engine makes of it.
    """

    time_s: float
    n_samples: int
    words: asyncio.Future[Any]


class Listening:
    """Turns the microphone's sound into what the caller says.

    Args:
        session: The session.
        engine: Recognises speech; None for the page's own recognition, or for none.
        endpointer: What ends a turn that is spoken hands-free.
        phrases: What the recogniser is told to expect.
        answer_times: Takes when speech ended.
        recording: Takes the sound.
        pace: How many times as fast as real ones the session's seconds pass: sound takes real ones.
        show_partial: Shows what the recogniser has so far.
        duck: Lowers the agent's voice, or raises it again.
        warn: Takes a sentence about what can't be heard.
    """

    def __init__(
        self,
        session: LiveEnd,
        engine: SpeechToText | None,
        *,
        endpointer: Endpointer,
        phrases: Sequence[str],
        answer_times: AnswerTimes,
        recording: Recording,
        pace: float,
        show_partial: Callable[[str], None],
        duck: Callable[[bool], None],
        warn: Callable[[str], None],
    ) -> None:
        self.spoken = False
        self._session = session
        self._engine = engine
        self._phrases = list(phrases)
        self._language: str | None = None
        self._answer_times = answer_times
        self._recording = recording
        self._pace = pace
        self._hands_free = self._muted = False
        self._show_partial = show_partial
        self._duck = duck
        self._warn = warn
        self._echo = EchoRemover()
        # Since when, in seconds of the stream, the caller sounds over the agent, and how long the agent would have gone on.
        self._over: tuple[float, float] | None = None
        # An engine may say what finds the beginning and end of what it understands: tones are no voice to a detector.
        self._detector: str = getattr(engine, "detector", "auto")
        self._endpointer = endpointer.anew(self._detector)
        self._began_s = 0.0
        self._fed_s = 0.0
        self._held: list[Samples] | None = None
        self._release: asyncio.TimerHandle | None = None
        self._released_s = 0.0
        self._speaking = False
        self._early: _Early | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="voicelab listening")
        self._work: set[asyncio.Task[None]] = set()
        warm_up = getattr(engine, "warm_up", None)
        if warm_up is not None:
            self._pool.submit(warm_up)

    def apply_settings(self, data: dict[str, Any]) -> None:
        """Take the agent's STTUpdateSettingsEvent: language, words to expect, and the silence that ends a turn."""
        self._forget_early()
        self._language = data.get("language") or self._language
        if data.get("prompt"):
            self._phrases.append(str(data["prompt"]))
        silence_ms = data.get("endpointing")
        # Above 3 it is a silence in milliseconds; 0 to 3 are degrees of eagerness of a detector that isn't here.
        if isinstance(silence_ms, int | float) and not isinstance(silence_ms, bool) and silence_ms > 3:  # noqa: PLR2004
            self._end_turn()
            silence_s = min(silence_ms / 1000, _LONGEST_TURN_S)
            self._endpointer = Endpointer(silence_s=silence_s, detector=self._detector)
            self._fed_s = 0.0

    def set_mode(self, *, hands_free: bool, muted: bool) -> None:
        """Take how the person wants to be heard; where that changes, what was being said is over."""
        if (hands_free, muted) != (self._hands_free, self._muted):
            self.pause()
        self._hands_free, self._muted = hands_free, muted

    def pause(self) -> None:
        """Hear nothing for now: what was being said counts as said."""
        if self._held is not None:
            self._finish_held()
        self._end_turn()
        self._endpointer.reset()
        self._fed_s = 0.0
        self._over = None
        if self._speaking:
            self._speaking = False
            self._show_partial("")
            self._duck(False)
            self._session.hush()

    def add_sound(self, samples: Samples) -> None:
        """Take a piece of sound, 16 kHz, that ends now."""
        now = self._session.now()
        self._recording.add_caller(now, samples)
        # A page that was held up sends more at once than the echo is looked for in.
        for at in range(0, len(samples), _LONGEST_PIECE):
            piece = samples[at : at + _LONGEST_PIECE]
            self._take_sound(now - (len(samples) - at - len(piece)) / RATE * self._pace, piece)

    def hold_to_talk(self, *, on: bool) -> None:
        """Push-to-talk is held, or released."""
        if on:
            if self._release is not None:
                self._finish_held()
            if self._held is None:
                self._held = []
                self._begin()
        elif self._held is not None and self._release is None:
            self._released_s = self._session.now()
            self._release = self._later(_LAST_CHUNK_S, self._finish_held)

    def sound_begins(self) -> None:
        """The front end heard the caller begin, before the detector here is sure."""
        if self._hands_free and not self._speaking:
            if self._agent_goes_on_for() is None:
                self._session.speak()
            self._later(_FALSE_ONSET_S, self._check_onset)

    def add_page_words(self, text: str, *, final: bool) -> None:
        """Take what the page's own recognition has so far, or in the end."""
        left_s = self._agent_goes_on_for()
        listens = not self._speaking and self._hands_free and left_s is not None and not interrupts(0.0, text, left_s)
        if not self._speaking and not listens:
            self._begin()
        if final:
            self._speaking = False
            self._show_partial("")
            now = self._session.now()
            self._answer_times.speech_ended(now, now)
            self._say(text.strip(), {"engine": "browser"}, listens=listens)
        else:
            self._show_partial(text)

    def close(self) -> None:
        """Stop listening; what push-to-talk still waits for comes to nobody."""
        if self._release is not None:
            self._release.cancel()
        self._forget_early()
        for task in self._work:
            task.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    # --- inside ---

    def _begin(self) -> None:
        self._speaking = True
        self._session.speak()

    def _later(self, seconds: float, function: Callable[[], None]) -> asyncio.TimerHandle:
        """Call a function after so many real seconds."""
        return asyncio.get_running_loop().call_later(seconds * self._pace, function)

    def _take_sound(self, now: float, samples: Samples) -> None:
        samples = self._without_echo(now, samples)
        if self._held is not None:
            self._held.append(samples)
        elif self._hands_free:
            self._fed_s += len(samples) / RATE
            for event in self._endpointer.feed(samples):
                self._take_detected(event)
            self._take_floor()
            self._recognise_early()

    def _end_turn(self) -> None:
        """Take what was being said for complete."""
        ended = self._endpointer.finish()
        if ended is not None:
            self._take_detected(ended)

    def _take_detected(self, event: SpeechEvent) -> None:
        if event.audio is None:
            self._detected(event.time_s)
        else:
            over, self._over = self._over, None
            seconds = 0.0 if over is None else event.time_s - over[0]
            ended_s = self._session.now() - (self._fed_s - event.time_s) * self._pace
            began_s = max(0.0, ended_s - (event.time_s - self._began_s) * self._pace)
            words = self._early_words(event.time_s, event.audio)
            self._recognise(event.audio, (began_s, ended_s), None if over is None else (seconds, over[1]), words)

    def _agent_goes_on_for(self) -> float | None:
        return self._session.goes_on_for_s

    def _detected(self, time_s: float) -> None:
        """Begin a turn; over the agent's words it lowers its voice until it is known whether they are interrupted."""
        self._began_s = time_s
        left_s = self._agent_goes_on_for()
        if left_s is None:
            self._begin()
            return
        self._speaking, self._over = True, (time_s, left_s)
        self._duck(True)

    def _take_floor(self) -> None:
        """Interrupt the agent, if the caller has sounded over it for longer than a sign of listening does.

        The pause that will end the turn is no part of that: with it every "mm-hm" would be too long.
        """
        if self._over is not None and interrupts(self._endpointer.last_voice_s - self._over[0], None, self._over[1]):
            self._over = None
            self._begin()

    def _without_echo(self, now: float, samples: Samples) -> Samples:
        """Return the microphone's sound without what it hears of the loudspeaker."""
        if self._detector != "auto":
            return samples  # tones are alike whoever makes them
        played = self._recording.agent_until(now - EARLIEST_S, reference_s())
        if not played.any():
            return samples
        scale = np.float32(32768)
        cleaned = self._echo.clean(samples.astype(np.float32) / scale, played.astype(np.float32) / scale)
        whole: Samples = np.clip(np.rint(cleaned * scale), -32768, 32767).astype(np.int16)
        return whole

    def _finish_held(self) -> None:
        held, self._held = self._held, None
        released_s = self._session.now() if self._release is None else self._released_s
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if held:
            audio = Audio(np.concatenate(held), RATE)
            self._recognise(audio, (max(0.0, released_s - audio.duration_s * self._pace), released_s))
        else:
            self._speaking = False
            self._session.hush()
            self._warn("No sound came from the microphone while you held the button.")

    def _check_onset(self) -> None:
        if not self._speaking:
            self._duck(False)
            self._session.hush()

    def _recognise_early(self) -> None:
        """Look for the words of a turn in the silence that will end it: when it does, nobody waits for them.

        What was looked for is thrown away if the caller was only pausing, so it is left to engines that are quick.
        """
        if self._engine is None or not getattr(self._engine, "early", False):
            return
        if self._early is not None and self._early.time_s == self._endpointer.last_voice_s:
            return
        turn = self._endpointer.expected()
        if turn is not None and turn.audio is not None:
            self._forget_early()
            words = self._words_in(turn.audio, self._engine)
            words.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody else may ask
            self._early = _Early(turn.time_s, len(turn.audio.samples), words)

    def _early_words(self, time_s: float, audio: Audio) -> asyncio.Future[Any] | None:
        """Return the words that are being looked for in the very sound of a turn, or None; the others are forgotten."""
        early = self._early
        if early is not None and (early.time_s, early.n_samples) == (time_s, len(audio.samples)):
            self._early = None
            return early.words
        self._forget_early()
        return None

    def _forget_early(self) -> None:
        if self._early is not None:
            self._early.words.cancel()
            self._early = None

    def _words_in(self, audio: Audio, engine: SpeechToText) -> asyncio.Future[Any]:
        phrases, language = self._phrases.copy() or None, self._language
        transcribe = partial(engine.transcribe, audio, phrases=phrases, language=language)
        return asyncio.get_running_loop().run_in_executor(self._pool, transcribe)

    def _recognise(
        self,
        audio: Audio,
        spoken_s: tuple[float, float],
        over: tuple[float, float] | None = None,
        words: asyncio.Future[Any] | None = None,
    ) -> None:
        self._speaking = False
        self._answer_times.speech_ended(spoken_s[1], self._session.now())
        if self._engine is None:
            self._duck(False)
            self._session.hush()
            self._warn("You were heard, but there is no recogniser: type, or choose one under 'Listens'.")
            return
        self._show_partial("…")
        words = words or self._words_in(audio, self._engine)
        task = asyncio.get_running_loop().create_task(self._transcribe(self._engine, audio, spoken_s, over, words))
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _transcribe(
        self,
        engine: SpeechToText,
        audio: Audio,
        spoken_s: tuple[float, float],
        over: tuple[float, float] | None,
        words: asyncio.Future[Any],
    ) -> None:
        began_s, ended_s = (round(time_s, 3) for time_s in spoken_s)
        facts: dict[str, Any] = {"engine": engine.name, "audio_s": round(audio.duration_s, 3)}
        facts |= {"began_s": began_s, "ended_s": ended_s}
        try:
            transcript = checked_transcript(engine, await words)
            # Which of several it was, where the engine chooses among them.
            facts |= {"engine": transcript.engine or engine.name, "confidence": transcript.confidence}
            facts["recognition_s"] = round(transcript.duration_s, 4)
            text = transcript.text.strip()
        except Exception as error:  # noqa: BLE001 - whatever an engine raises must not end the conversation
            reason = str(error) if isinstance(error, VoicelabError) else f"{type(error).__name__}: {error}"
            facts["error"], text = reason, ""
            self._warn(f"{engine.name} could not recognise that: {reason}")
        self._show_partial("")
        # What came over the agent's words, if it still went on, and how long it lasted, tell what they are.
        listens = over is not None and "error" not in facts and not interrupts(over[0], text, over[1])
        self._say(text, facts, listens=listens)

    def _say(self, text: str, facts: dict[str, Any], *, listens: bool = False) -> None:
        session = self._session
        if session.ended_s is not None:
            return
        session.record(_RECOGNITION, session.turn, facts | {"text": text})
        if listens:
            said = facts | ({"text": text, "backchannel": True} if text else {})
            session.listens(said)
        elif text:
            self.spoken = True
            session.act(Recognised(text, text, {"engine": facts["engine"]}))
        else:
            if not self._speaking:
                session.hush()
            if "error" not in facts:
                self._warn(f"{facts['engine']} heard sound, but no words. Say it again, or type.")
        # Also after words that interrupt: where the agent had finished by itself, its answer would be as soft.
        if self._over is None:
            self._duck(False)


_RECOGNITION = ("system", "recognition", False, None)
