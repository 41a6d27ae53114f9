"""A conversation under test: a `Talk` in virtual time, and a front end that plays what it is sent."""

import asyncio
import contextlib
from typing import Any

import numpy as np
from protocol_check import wrong

from voicelab import speech
from voicelab.live.page_messages import CONSOLE
from voicelab.live.talk import Talk
from voicelab.runtime.clock import VirtualLoop

CHUNK = 1600


def played_until(event: dict) -> float | None:
    """Return when an output has been played, as the timeline shows it; None while it plays."""
    return next(span["end_s"] for span in event["spans"] if (span["lane"], span["kind"]) == ("agent", "span"))


class ManualLoop:
    """Stands in for `LoopThread`: nothing happens until the test lets time pass."""

    def __init__(self) -> None:
        self.loop = VirtualLoop()
        self.loop.set_pace = self._set_pace  # type: ignore[attr-defined]
        self.pace = 1.0

    def _set_pace(self, pace: float) -> None:
        self.pace = pace

    def post(self, function, *args) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon(function, *args)

    def watching(self, add_note):
        return contextlib.nullcontext()

    def close(self, first=lambda: None) -> None:
        self.post(first)
        self.run(0.1)
        while tasks := asyncio.all_tasks(self.loop):
            self.loop.run_until_complete(asyncio.wait(tasks))
        self.loop.close()

    def run(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


class Page:
    """A front end: keeps what it is told, and plays audio in order as a browser does."""

    def __init__(self, handler: Any, *, plays: bool = True, engine: str = "page", **options: Any) -> None:
        self.sent: list[tuple[dict, bytes | None]] = []
        self.wrong: list[str] = []
        self.records = []
        self.engine = engine
        self._plays = plays
        self.manual = ManualLoop()
        options = {"tts": "fake", "stt": "fake", "seed": 1} | options
        self.talk = Talk(handler, self._take, self.records.append, thread=self.manual, **options)
        self.state: dict[str, Any] = {}
        self.events: dict[int, dict] = {}
        self._queue: list[tuple[int, float]] = []
        self._ends = 0.0
        self.give(k="hello")
        self.run(0.1)

    # what the browser does

    def give(self, *buffers: bytes, **message: Any) -> None:
        self.talk.receive({"engine": self.engine, **message}, list(buffers))

    def run(self, seconds: float) -> None:
        self.manual.run(seconds)

    def connect(self, seconds: float = 0.2) -> "Page":
        self.give(k="connect")
        self.run(seconds)
        return self

    def say(self, text: str, seconds: float = 0.2) -> None:
        self.give(k="say", text=text)
        self.run(seconds)

    def let_typing_interrupt(self) -> "Page":
        self.give(k="set", name="typing_interrupts", value=True)
        return self

    def speak(self, text: str, then_s: float = 1.5) -> None:
        """Speak into the microphone, in real-time chunks, and then be silent."""
        samples = speech.FakeTextToSpeech().synthesize(text).resampled(16000).pcm16()
        self.sound(np.concatenate([samples, np.zeros(int(then_s * 16000), np.int16)]))

    def sound(self, samples: np.ndarray) -> None:
        for at in range(0, len(samples), CHUNK):
            self.run(len(samples[at : at + CHUNK]) / 16000)
            self.give(samples[at : at + CHUNK].astype("<i2").tobytes(), k="pcm")
        self.run(0.05)

    def hang_up(self) -> None:
        self.give(k="hang_up")
        self.run(31)

    def close(self) -> None:
        self.talk.close()
        assert self.wrong == [], "the kernel sent what the table of messages doesn't have"

    # what the browser is told

    def _take(self, message: dict, buffer: bytes | None = None) -> None:
        self.wrong += wrong(CONSOLE.to_page, message, buffer)
        self.sent.append((message, buffer))
        kind = message["k"]
        if kind in {"all", "state"}:
            self.state |= message["state"]
        if kind == "all":
            self.events = {}
        if kind in {"all", "events"}:
            self.events |= {event["seq"]: event for event in message["events"]}
        if self._plays and kind == "audio" and message["engine"] == self.engine:
            self._play(message, buffer or b"")
        if kind == "clear":
            self._queue.clear()
            self._ends = 0.0

    def _play(self, message: dict, buffer: bytes) -> None:
        loop, row = self.manual.loop, message["row"]
        start = max(loop.time() + 0.02, self._ends)
        self._ends = start + len(buffer) / 2 / message["rate"]
        token = (row, start)
        if row not in [queued for queued, _ in self._queue]:
            loop.call_at(start, self._tell, "started", token)
        self._queue.append(token)
        if message["last"]:
            loop.call_at(self._ends, self._tell, "ended", token)

    def _tell(self, kind: str, token: tuple[int, float]) -> None:
        if token in self._queue:
            self.give(k=kind, row=token[0])

    def kinds(self, kind: str) -> list[dict]:
        return [message for message, _ in self.sent if message["k"] == kind]

    def lines(self, who: str) -> list[str]:
        return [
            line["text"] for _, event in sorted(self.events.items()) for line in event["lines"] if line["who"] == who
        ]

    def named(self, name: str) -> list[dict]:
        return [event for _, event in sorted(self.events.items()) if event["name"] == name]

    @property
    def message(self) -> str:
        return (self.state["message"] or {}).get("text", "")
