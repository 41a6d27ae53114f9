"""One live session: the engine's session with a person at its other end, watched for every row it logs."""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from voicelab.base.records import PortabilityNote, Row, SessionRows
from voicelab.callers.actions import Action, Say, Silence
from voicelab.callers.protocol import Heard, KnownCaller
from voicelab.live.answer_times import AnswerTimes
from voicelab.live.engines import OFF
from voicelab.live.listening import Listening
from voicelab.live.recording import Recording
from voicelab.live.speaking import Send, Speaking
from voicelab.live.waiting import Waiting
from voicelab.runs.jobs import Job, hosting
from voicelab.runtime.clock import WallClock
from voicelab.runtime.cpu_limit import cpu_limited
from voicelab.runtime.portability import make_note
from voicelab.runtime.process_state import ProcessState
from voicelab.session.engine import let_go, run_session
from voicelab.session.finished_rows import rows_so_far
from voicelab.session.live_end import LiveEnd
from voicelab.session.rows import ToldRows
from voicelab.speech import Endpointer, SpeechToText, TextToSpeech

AddNote = Callable[[PortabilityNote], None]


class Person(KnownCaller):
    """The caller of a live session: somebody else acts for it, and it says what they have typed ahead.

    Args:
        waiting: The words that wait until the agent has spoken.
    """

    name = "person"

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting

    def begin(self, rng: random.Random) -> "Person":
        """Return itself: there is nothing to draw."""
        del rng
        return self

    def reply(self, heard: Heard) -> Say | Silence:
        """Say the first words that wait, now that the agent has spoken; what the person does else comes by itself."""
        del heard
        text = self._waiting.take()
        return Silence() if text is None else Say(text)

    def interrupts_after(self) -> None:
        """Interrupt by acting, not by plan."""


@dataclass(frozen=True)
class Media:
    """What a session hears and speaks with.

    Attributes:
        tts: Synthesises speech; None for the page's own voices or for none.
        stt: Recognises speech; None for the page's own recognition or for none.
        speaks: Name of what speaks: of the engine, `browser` or another front end's, or `off`.
        listens: Name of what listens.
        pace: How many times as fast as real ones the session's seconds pass.
        phrases: What the recogniser is told to expect.
        endpointer: What ends a turn that is spoken hands-free.
    """

    tts: TextToSpeech | None
    stt: SpeechToText | None
    speaks: str
    listens: str
    pace: float = 1.0
    phrases: tuple[str, ...] = ()
    endpointer: Endpointer = field(default_factory=Endpointer)

    @property
    def elsewhere(self) -> str | None:
        """Name of what speaks at the front end by itself; None where an engine does, or nothing."""
        return None if self.tts is not None or self.speaks == OFF else self.speaks

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
        warn: Takes a sentence for the person.
        on_change: Told that an event is new or has changed.
        on_waiting: Told that other typed words wait now.
        watching: Names calls that hold the loop up, meanwhile.

    Attributes:
        waiting: Typed words that wait until the agent has spoken.
        session_id: The session's id.
    """

    def __init__(
        self,
        job: Job,
        index: int,
        media: Media,
        send: Send,
        warn: Callable[[str], None],
        on_change: Callable[[int], None],
        on_waiting: Callable[[], None],
        watching: Callable[[AddNote], contextlib.AbstractContextManager[None]],
    ) -> None:
        self._watching = watching
        self._warn = warn
        self.notes: list[PortabilityNote] = []
        self.media = media
        self.begun = False
        self._before_begin: list[Action] = []
        self.waiting = Waiting(on_waiting)
        self._job = replace(job, options=replace(job.options, callers=Person(self.waiting)))
        self._on_change = on_change
        self._clock = WallClock(asyncio.get_running_loop())
        self._settings = self._job.settings(self._add_note)
        self.recording, self._answer_times = Recording(), AnswerTimes()
        self.speaking = Speaking(
            media.tts,
            elsewhere=media.elsewhere,
            send=send,
            recording=self.recording,
            answer_times=self._answer_times,
            warn=warn,
        )
        self.events = ToldRows(self._row_changed)
        self._session = self._job.session(self._settings, self._clock, index, voice=self.speaking, events=self.events)
        self.session_id = self._session.session_id
        self.session = self.speaking.session = LiveEnd(self._session)
        self.listening = Listening(
            self.session,
            media.stt,
            endpointer=media.endpointer,
            phrases=media.phrases,
            pace=media.pace,
            answer_times=self._answer_times,
            recording=self.recording,
            show_partial=lambda text: send({"k": "partial", "text": text}),
            duck=lambda on: send({"k": "duck", "on": on}),
            warn=warn,
        )

    async def run(self) -> SessionRows:
        """Run the session to its end and return its rows.

        Raises:
            ForcedVariantError: a variant is forced that the test doesn't have.
        """
        loop = asyncio.get_running_loop()
        speaking = loop.create_task(self.speaking.run())
        try:
            with (
                hosting(self._job.options),
                self._watching(self._add_note),
                cpu_limited(self._job.options.limits.cpu_s, whole=False),
                contextlib.closing(self._clock),
                self._unchanged_process(),
            ):
                session = loop.create_task(run_session(self._session))
                await asyncio.sleep(0)  # now it has begun
                for action in self._before_begin:
                    self.session.act(action)
                self.begun = True
                rows = await session
                let_go(self._session)
                return rows
        finally:
            speaking.cancel()
            self.listening.close()

    @contextlib.contextmanager
    def _unchanged_process(self) -> Iterator[None]:
        before = ProcessState(switches=False)
        try:
            yield
        finally:
            for name in before.restore():
                self._add_note(make_note("process_changed", None, name=name))

    def act(self, action: Action) -> None:
        """Do what the person does now; what comes before the session has begun is done as soon as it has."""
        if self.begun:
            self.session.act(action)
        else:
            self._before_begin.append(action)

    def say(self, text: str, *, interrupts: bool) -> None:
        """Say something typed.

        A person who types hasn't heard the agent out, and often sees its words before they are spoken: so the words
        wait until it has spoken, unless they are to interrupt. Each waits for an answer to those before it.
        """
        if interrupts or (self.begun and self.session.idle and not self.waiting):
            self.act(Say(text))
        else:
            self.waiting.add(text)
            if self.begun:
                self.session.ask_caller_again()

    def say_now(self, number: int) -> None:
        """Say words that wait at once, over the agent's."""
        text = self.waiting.take(number)
        if text is not None:
            self.act(Say(text))

    @property
    def now_s(self) -> float:
        """The session's time."""
        return self.session.now()

    @property
    def ended_s(self) -> float | None:
        """When the session ended; its cleanup may still go on. None while it runs."""
        return self.session.ended_s

    @property
    def exposures(self) -> Sequence[Row]:
        """The tests that the session has reached, and their variants."""
        return self.session.exposures

    @property
    def rows_so_far(self) -> SessionRows:
        """Its rows as they are now, without a status."""
        return rows_so_far(self._session)

    @property
    def known_notes(self) -> list[PortabilityNote]:
        """The portability notes of the handler and of this session."""
        known = self._job.options.handler.note_list
        return [*known, *(note for note in self.notes if note not in known)]

    @property
    def source(self) -> str:
        """`spoken` if the person spoke at least once, else `typed`."""
        return "spoken" if self.listening.spoken else "typed"

    def _add_note(self, note: PortabilityNote) -> None:
        self.notes.append(note)
        self._job.options.handler.add_note(note)
        if note.rule == "blocking_call":
            self._warn(str(note))  # now: the page hears of nothing else until the call returns

    def _row_changed(self, seq: int) -> None:
        time_s, turn, (kind, name, *_), data = self.events[seq]
        if kind == "input":
            self._answer_times.words_delivered(turn, time_s)
        elif name == "stt_update_settings":
            self.listening.apply_settings(orjson.loads(data))
        self._on_change(seq)
