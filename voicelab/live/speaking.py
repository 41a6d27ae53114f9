"""The agent's voice in a live session: speech is synthesised sentence by sentence and sent to be played.

The front end plays what it is sent and says when a row began and ended; where it says nothing (its page was closed) the
session goes on by the length of the audio.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from voicelab.base.errors import VoicelabError
from voicelab.base.pace import pace, speech_seconds
from voicelab.live.answer_times import AnswerTimes
from voicelab.live.recording import Recording
from voicelab.runtime import sdk
from voicelab.session.audio_length import audio_seconds
from voicelab.speech import Audio, TextToSpeech, cache, synthesize_sentences
from voicelab.speech.auto_voice import who_speaks
from voicelab.speech.text import streamed

if TYPE_CHECKING:
    from voicelab.session.live_end import LiveEnd

Send = Callable[..., None]
"""Sends a message to the front end: `send(message, buffer=None)`."""

_SILENCE_RATE = 8000
_AHEAD_S = 60.0
_SLACK = 1.5
"""What speaks at the front end may take so many times the assumed length, before the session goes on without its word."""


@dataclass(frozen=True)
class _Output:
    """An output that is to be played."""

    row: int
    turn: int
    event: sdk.Event
    generation: int

    @property
    def interruptible(self) -> bool:
        return self.event.data.get("interruptible") is not False


@dataclass
class _Playing:
    turn: int
    start_s: float
    duration_s: float


class Speaking:
    """Plays the outputs of one session, one after the other.

    Args:
        engine: Synthesises speech; None where the front end speaks, or nothing does.
        elsewhere: Name of what speaks at the front end by itself, such as the page's own voices; None where nothing does.
        send: Sends a message to the front end.
        recording: Takes what is played.
        answer_times: Takes when it was ready and heard.
        warn: Takes a sentence about what can't be spoken.
    """

    def __init__(
        self,
        engine: TextToSpeech | None,
        *,
        elsewhere: str | None,
        send: Send,
        recording: Recording,
        answer_times: AnswerTimes,
        warn: Callable[[str], None],
    ) -> None:
        self.session: LiveEnd
        self._engine = engine
        self._elsewhere = elsewhere
        self._send = send
        self._recording = recording
        self._answer_times = answer_times
        self._warn = warn
        self._waiting: asyncio.Queue[_Output] = asyncio.Queue()
        self._generation = 0
        self._cut = asyncio.Event()
        self._playing: dict[int, _Playing] = {}
        # One thread: engines keep state, and sentences are needed in order.
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="voicelab speaking")

    # --- what the session asks ---

    def play(self, row: int, turn: int, event: sdk.Event) -> None:
        """Play an event of the agent when everything before it has been synthesised."""
        self._answer_times.output_yielded(turn, self.session.now())
        self._waiting.put_nowait(_Output(row, turn, event, self._generation))

    def clear(self) -> None:
        """Stop, and forget what waits."""
        self._generation += 1
        self._cut.set()
        now = self.session.now()
        self._recording.silence_agent(now)
        self._playing.clear()
        self._send({"k": "clear"})

    # --- what the front end says ---

    def row_started(self, row: int) -> None:
        """Playback of a row began now."""
        playing = self._playing.get(row)
        if playing is None:
            return
        now = self.session.now()
        queued = self.session.playing(row, now, now + playing.duration_s)
        if queued is not None:
            playing.start_s = queued.start_s
            self._recording.move(row, queued.start_s)
            self._report_first_sound(playing.turn)

    def row_ended(self, row: int) -> None:
        """A row has been played to its end now."""
        playing = self._playing.pop(row, None)
        if playing is not None:
            self.session.playing(row, playing.start_s, self.session.now())

    def row_stopped(self, row: int, played_s: float) -> None:
        """The front end cut a row after so many seconds: by itself, before the words that interrupt it, or as it was told."""
        if not 0 <= played_s <= self.session.now():
            return
        playing = self._playing.get(row)
        if playing is None:
            self.session.stopped(row, played_s)
            return
        # What was heard is reckoned from when it began: the page knows that to the millisecond.
        start_s = self.session.now() - played_s
        queued = self.session.playing(row, start_s, start_s + playing.duration_s)
        if queued is not None:
            playing.start_s = queued.start_s
            self._recording.move(row, queued.start_s)

    # --- one output after the other ---

    async def run(self) -> None:
        """Play what is given, in order, until cancelled."""
        try:
            while True:
                item = await self._waiting.get()
                if item.generation == self._generation:
                    await self._play(item)
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)

    async def _play(self, item: _Output) -> None:
        data = item.event.data
        if item.event.name == "silence":
            self._play_silence(item, float(data["duration"]) / 1000)
        elif item.event.name == "audio":
            await self._play_file(item)
        elif self._elsewhere is not None:
            self._speak_elsewhere(item, self._elsewhere)
        elif self._engine is None or not str(data["text"]).strip():
            self._show_text_only(item, speech_seconds(str(data["text"]), data.get("speed")))
        else:
            await self._speak(item, self._engine)

    async def _speak(self, item: _Output, engine: TextToSpeech) -> None:
        data = item.event.data
        text, speed = str(data["text"]), pace(data.get("speed"))
        engine = who_speaks(engine, text, data.get("language"))
        sounds = synthesize_sentences(engine, text, voice=data.get("voice"), language=data.get("language"), speed=speed)
        loop, next_sound = asyncio.get_running_loop(), partial(_next_sound, sounds, kept=data.get("cache") is not False)
        n_left, spoken_s, last = len(streamed(text)), 0.0, False
        try:
            # Each is sent as soon as it is made: nobody waits for what comes later.
            while (sound := await loop.run_in_executor(self._pool, next_sound)) is not None:
                if item.generation != self._generation:
                    return
                n_left, spoken_s = n_left - 1, spoken_s + sound.duration_s
                last = n_left == 0
                whole_s = spoken_s if last else max(spoken_s, speech_seconds(text, speed))
                self._send_audio(item, sound, whole_s, last=last, engine=engine.name)
                await self._hold_back(item, spoken_s)
        except Exception as error:  # noqa: BLE001 - whatever an engine raises must not end the conversation
            self._show_unspoken(item, engine.name, error, spoken_s)
        if spoken_s and not last and item.generation == self._generation:
            self._send_audio(item, Audio.silence(0, _SILENCE_RATE), spoken_s, engine=engine.name)

    async def _hold_back(self, item: _Output, spoken_s: float) -> None:
        """Wait while more of a row has been made than is soon heard, or until it is cut: most of a long one never is."""
        playing = self._playing.get(item.row)
        ahead_s = 0.0 if playing is None else playing.start_s + spoken_s - self.session.now() - _AHEAD_S
        if ahead_s > 0 and item.generation == self._generation:
            self._cut.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cut.wait(), ahead_s)

    def _show_unspoken(self, item: _Output, engine: str, error: Exception, spoken_s: float) -> None:
        """Show the words as text, and say why they are not spoken."""
        reason = _reason(error)
        self._warn(f"{engine} could not say this: {reason}")
        if not spoken_s:
            self._show_text_only(item, 0.0, engine=engine)
        self.session.amend(item.row, {"remark": f"not spoken: {reason}"})

    async def _play_file(self, item: _Output) -> None:
        path = str(item.event.data.get("path"))
        try:
            audio = await asyncio.get_running_loop().run_in_executor(self._pool, _load, path)
        except Exception as error:  # noqa: BLE001 - whatever is in the file must not end the conversation
            self._warn(f"{path[:80]} can't be played: {_reason(error)}")
            audio = None
        if audio is None:
            self._play_silence(item, audio_seconds(path)[0])
        else:
            self._send_audio(item, audio, audio.duration_s)

    def _play_silence(self, item: _Output, seconds: float) -> None:
        self._send_audio(item, Audio.silence(seconds, _SILENCE_RATE), seconds)

    def _show_text_only(self, item: _Output, seconds: float, **facts: str) -> None:
        self._set_times(item, seconds, **facts)
        self._report_first_sound(item.turn)

    def _speak_elsewhere(self, item: _Output, engine: str) -> None:
        data = item.event.data
        self._set_times(item, speech_seconds(str(data["text"]), data.get("speed")) * _SLACK, engine=engine)
        words = {key: data.get(key) for key in ("text", "voice", "language", "speed")}
        words["text"] = self.session.masked(str(words["text"]))  # a page must not get it, even to say it
        self._send({"k": "speak", "row": item.row, "interruptible": item.interruptible, **words})

    def _send_audio(self, item: _Output, audio: Audio, seconds: float, *, last: bool = True, **facts: str) -> None:
        """Send a piece of a row's audio; `seconds` is how long the whole row plays, as far as that is known."""
        self._set_times(item, seconds, **facts)
        playing = self._playing.get(item.row)
        if playing is None:
            return
        self._recording.add_agent(item.row, playing.start_s, audio)
        head = {"row": item.row, "rate": audio.rate, "interruptible": item.interruptible, "last": last}
        self._send({"k": "audio", **head}, audio.pcm16().tobytes())

    def _set_times(self, item: _Output, seconds: float, **facts: str) -> None:
        """Let a row play from now on, or as soon as those before it have been played."""
        now = self.session.now()
        known = self._playing.get(item.row)
        start_s = known.start_s if known else now
        queued = self.session.playing(item.row, start_s, start_s + seconds, **facts)
        if queued is not None:
            self._playing[item.row] = _Playing(item.turn, queued.start_s, queued.end_s - queued.start_s)
            self._answer_times.sound_ready(item.turn, now)

    def _report_first_sound(self, turn: int) -> None:
        now = self.session.now()
        latency = self._answer_times.sound_heard(turn, now)
        if latency is not None:
            self.session.record(_LATENCY, turn, latency)


_LATENCY = ("system", "latency", False, None)


def _next_sound(sounds: Iterator[Audio], *, kept: bool) -> Audio | None:
    with contextlib.nullcontext() if kept else cache.bypassed():
        return next(sounds, None)


def _load(path: str) -> Audio | None:
    """Return audio of a file or a data URI; None for a URL, which is not fetched, and for a file that isn't there."""
    if path.startswith("data:"):
        return Audio.from_data_uri(path)
    return Audio.load(path) if Path(path).is_file() else None


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, VoicelabError) else f"{type(error).__name__}: {error}"
