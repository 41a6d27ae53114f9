"""One live session: the engine's session with a person's voice and ears attached, and an eye on every row it logs."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from voicelab.base.records import EventRow, PortabilityNote, SessionRows
from voicelab.callers.actions import Action, Silence
from voicelab.live.ears import Ears
from voicelab.live.marks import Marks
from voicelab.live.tape import Tape
from voicelab.live.voice import LiveVoice, Send
from voicelab.runs.jobs import Job, hosting
from voicelab.runtime.clock import WallClock
from voicelab.speech import SpeechToText, TextToSpeech

if TYPE_CHECKING:
    from voicelab.session.runner import Session


AddNote = Callable[[PortabilityNote], None]


class Person:
    """The caller of a live session: somebody else acts for it."""

    name = "person"

    def begin(self, rng: Any) -> "Person":
        """Return itself: there is nothing to draw."""
        del rng
        return self

    def reply(self, heard: Any) -> Silence:
        """Wait: what the person does comes by itself."""
        del heard
        return Silence()

    def interrupts_after(self) -> None:
        """Interrupt by acting, not by plan."""


class _WatchedRows(list[EventRow]):
    """The events of a session; tells of each that is new or has changed."""

    def __init__(self, rows: Iterable[EventRow], told: Callable[[int], None]) -> None:
        super().__init__(rows)
        self._told = told

    def append(self, row: EventRow) -> None:
        super().append(row)
        self._told(len(self) - 1)

    def __setitem__(self, seq: Any, row: Any) -> None:
        super().__setitem__(seq, row)
        self._told(seq)


@dataclass(frozen=True)
class Media:
    """What a session hears and speaks with.

    Attributes:
        tts: Synthesises speech; None for the page's own voices or for none.
        stt: Recognises speech; None for the page's own recognition or for none.
        speaks: Name of what speaks: of the engine, `browser` or `off`.
        listens: Name of what listens.
        pace: How many times as fast as real ones the session's seconds pass.
        phrases: What the recogniser is told to expect.
    """

    tts: TextToSpeech | None
    stt: SpeechToText | None
    speaks: str
    listens: str
    pace: float = 1.0
    phrases: tuple[str, ...] = ()

    def view(self) -> dict[str, Any]:
        """Return what listens, by name, and the pace."""
        return {"stt": self.listens, "pace": self.pace}


class Call:
    """A session that runs now; made and used on the loop that it runs on.

    Args:
        job: What the session is made of.
        index: Its index.
        media: What it hears and speaks with.
        send: Sends a message to the front end.
        trouble: Takes a sentence for the person.
        changed: Told that an event is new or has changed.
        watching: Names calls that hold the loop up, meanwhile.
    """

    def __init__(
        self,
        job: Job,
        index: int,
        media: Media,
        send: Send,
        trouble: Callable[[str], None],
        changed: Callable[[int], None],
        watching: Callable[[AddNote], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._watching = watching
        self._trouble = trouble
        self.notes: list[PortabilityNote] = []
        self.media = media
        self.begun = False
        self._early: list[Action] = []
        self._job = replace(job, options=replace(job.options, callers=Person()))
        self._changed = changed
        self._clock = WallClock(asyncio.get_running_loop())
        self._settings = self._job.settings(self._add_note)
        self.session: Session = self._job.session(self._settings, self._clock, index)
        self.tape, marks = Tape(), Marks()
        self._marks = marks
        self.voice = LiveVoice(
            media.tts, by_browser=media.speaks == "browser", send=send, tape=self.tape, marks=marks, trouble=trouble
        )
        self.voice.session = self.session
        self.session.voice = self.voice
        self.ears = Ears(
            self.session,
            media.stt,
            phrases=media.phrases,
            pace=media.pace,
            marks=marks,
            tape=self.tape,
            partial=lambda text: send({"k": "partial", "text": text}),
            trouble=trouble,
        )
        recorder = self.session.recorder
        recorder.events = self.events = _WatchedRows(recorder.events, self._told)

    async def run(self) -> SessionRows:
        """Run the session to its end and return its rows.

        Raises:
            ForcedVariantError: a variant is forced that the test doesn't have.
        """
        loop = asyncio.get_running_loop()
        voice = loop.create_task(self.voice.run())
        try:
            with (
                hosting(self._job.options.handler),
                self._watching(self._add_note),
                contextlib.closing(self._clock),
            ):
                session = loop.create_task(self.session.run())
                await asyncio.sleep(0)  # now it has begun
                for action in self._early:
                    self.session.act(action)
                self.begun = True
                return await session
        finally:
            voice.cancel()
            self.ears.close()

    def act(self, action: Action) -> None:
        """Do what the person does now; what comes before the session has begun is done as soon as it has."""
        if self.begun:
            self.session.act(action)
        else:
            self._early.append(action)

    @property
    def known_notes(self) -> list[PortabilityNote]:
        """The portability notes of the handler and of this session."""
        known = self._job.options.handler.note_list
        return [*known, *(note for note in self.notes if note not in known)]

    @property
    def source(self) -> str:
        """`spoken` if the person spoke at least once, else `typed`."""
        return "spoken" if self.ears.spoken else "typed"

    def _add_note(self, note: PortabilityNote) -> None:
        self.notes.append(note)
        self._job.options.handler.add_note(note)
        if note.rule == "blocking_call":
            self._trouble(str(note))  # now: the page hears of nothing else until the call returns

    def _told(self, seq: int) -> None:
        time_s, turn, (kind, name, *_), data = self.events[seq]
        if kind == "input":
            self._marks.delivered(turn, time_s)
        elif name == "stt_update_settings":
            self.ears.settings(orjson.loads(data))
        self._changed(seq)
