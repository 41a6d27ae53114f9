"""The console without its widget: takes a front end's messages, runs sessions, sends what there is to see and hear.

Everything happens on one loop in one thread of its own; `receive` and `close` may be called from any other.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from voicelab.base import checks
from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError
from voicelab.base.paths import path_of
from voicelab.base.version import __version__
from voicelab.callers import actions as inputs
from voicelab.handlers import HandlerLike
from voicelab.live import page_data
from voicelab.live.call import Call
from voicelab.live.dispatch import dispatch
from voicelab.live.ended_sessions import EndedSessions
from voicelab.live.engines import GivenEngine
from voicelab.live.loop import LoopThread
from voicelab.live.newest_handler import NewestHandler
from voicelab.live.next_session import NextSession
from voicelab.live.page_messages import CONSOLE
from voicelab.live.page_updates import PageUpdates, Send, ShownSession
from voicelab.live.settings import Settings
from voicelab.live.variants import Variants
from voicelab.log.append import LiveLog
from voicelab.record.session_record import SessionRecord
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.runtime import sdk
from voicelab.speech import Endpointer
from voicelab.speech.endpointer import SILENCE_S
from voicelab.speech.line import endpointer_of

_TAKE_OVER_S = 1.0


class Talk:
    """Sessions between one handler and one person, one after the other.

    Args:
        source: The handler, or what `vl.load_handler` takes.
        send: Sends a message and its buffer to the front end.
        on_ended: Called with each finished session's record.
        log: Folder of a log that the sessions are added to.
        blind: Hide the variant, and ask for the outcome after hanging up.
        stt: Name of the recogniser, or an engine.
        tts: Name of the voice's engine, or an engine.
        endpointing: What ends a turn that is spoken hands-free: seconds of silence, or a `speech.Endpointer`.
        phrases: What the recogniser is told to expect; the page offers them to be said with a click.
        keep_audio: Keep each session's sound beside the log.
        seed: Everything random follows from it; drawn where it is not given.
        thread: What it runs on; a thread of its own by default.
        options: What the sessions are made of besides, as `SessionOptions.checked` takes it.

    Raises:
        VoicelabError: an argument is not allowed.
    """

    def __init__(
        self,
        source: HandlerLike,
        send: Send,
        on_ended: Callable[[SessionRecord], None] = lambda _: None,
        *,
        log: str | Path | None = None,
        blind: bool = False,
        stt: GivenEngine = "auto",
        tts: GivenEngine = "auto",
        endpointing: float | Endpointer = SILENCE_S,
        phrases: Sequence[str] | None = None,
        keep_audio: bool = False,
        seed: int | None = None,
        thread: LoopThread | None = None,
        **options: Any,
    ) -> None:
        if checks.switch("keep_audio", keep_audio) and log is None:
            raise InputError("keep_audio=True keeps sound beside the log: give log='runs/talks' too.")
        if isinstance(phrases, str):
            raise InputError(f"phrases is {phrases!r}, must be a list of phrases, e.g. ['yes please', 'no thanks'].")
        drawn = secrets.randbits(63) if seed is None else seed
        checked = SessionOptions.checked(source, None, seed=drawn, **options)
        self._next = NextSession(checked)
        self._newest_handler = NewestHandler(source, options.get("variables"), options.get("environment"))
        self.name = checked.handler.name
        self._notes = checked.handler.note_list
        self._variants = Variants(checked.variants)
        self._blind = checks.switch("blind", blind)
        self._send_as_it_is = send
        self._phrases = tuple(inputs.words(phrase) for phrase in phrases or ())
        self._endpointer = endpointer_of(endpointing)
        self._settings = Settings(stt, tts, self._phrases)
        self._run_id = f"{checked.seed:016x}"
        self._log = (
            None
            if log is None
            else LiveLog(path_of("log", log, "runs/talks"), self._run_id, _manifest_facts(self.name))
        )
        self._sessions = EndedSessions(
            self.name,
            log=self._log,
            blind=blind,
            keep_audio=keep_audio,
            on_ended=on_ended,
            on_error=partial(self._show_message, "error"),
        )
        self._call: Call | None = None
        self._number = 0
        self._engine: str | None = None
        self._page_answered = True
        self._message: dict[str, str] | None = None
        self._refusal: dict[str, str] | None = None
        self._thread = thread or LoopThread(f"voicelab console {self.name}")
        self._updates = PageUpdates(self, self._thread, send)
        if self._settings.remark:
            self._show_message("info", self._settings.remark)

    @property
    def record(self) -> SessionRecord | None:
        """The last conversation as data; of a blind session only when it has been rated, or the question was left."""
        return self._sessions.record

    # --- from any thread ---

    def receive(self, message: Json, buffers: Sequence[Any] = ()) -> None:
        """Take a message of the front end."""
        if isinstance(message, dict):
            self._thread.post(self._receive, message, [bytes(buffer) for buffer in buffers])

    def show(self, record: SessionRecord) -> None:
        """Show a session from elsewhere, such as one of a simulation."""
        self._thread.post(self._show, record)

    def close(self) -> None:
        """End the running session, log it, and stop."""
        self._thread.close(self._end_everything)

    def _receive(self, message: dict[str, Any], buffers: list[bytes]) -> None:
        try:
            dispatch(self, self._call, self._engine, message, buffers)
        except VoicelabError as error:
            self._show_message("error", str(error))
            if message.get("k") in {"connect", "new"}:
                self._refusal = self._message
        self._updates.send_soon()

    # --- the page ---

    def hello(self, engine: str) -> None:
        """Show a page everything; one that was loaded anew, or a second tab, may take the sound over."""
        self._updates.send_all()
        if self._call is not None and engine != self._engine:
            # It takes over if the page that has the sound doesn't answer.
            self._page_answered = False
            self._send({"k": "ping"})
            asyncio.get_running_loop().call_later(_TAKE_OVER_S * self._call.media.pace, self._take_over, engine)

    def pong(self, engine: str) -> None:
        """Learn that a page is still there."""
        self._page_answered = self._page_answered or engine == self._engine

    def _take_over(self, engine: str) -> None:
        if not self._page_answered:
            self._engine = engine
            self._updates.send_soon()

    def microphone(self, error: str | None, *, on: bool) -> None:
        """Be told that the microphone is open, or is closed: what was being said is over then."""
        if self._call is not None and not on:
            self._call.listening.pause()
        if error:
            self._show_message("warning", str(error))

    # --- sessions ---

    def connect(self, engine: str) -> None:
        """Start a session, heard and spoken on a page."""
        if self._call is not None:
            return
        self._sessions.close_rating()
        self._engine, self._message = engine, None
        options = self._next.options(self._newest_handler.load())
        job = Job(
            replace(options, variants=dict(self._variants.forced)),
            run_id=self._log.run_id if self._log else self._run_id,
            source="typed",
        )
        index = self._log.claim() if self._log else self._number
        media = replace(self._settings.media(), endpointer=self._endpointer)
        self._thread.loop.set_pace(media.pace)
        self._updates.forget_events()
        self._variants.begin_session(options.handler)
        self._call = Call(
            job,
            index,
            media,
            self._send,
            warn=partial(self._show_message, "warning"),
            on_change=self._updates.event_changed,
            on_waiting=self._updates.send_soon,
            watching=self._thread.watching,
        )
        self._call.listening.set_mode(hands_free=self._settings.hands_free, muted=self._settings.muted)
        self._number += 1
        self._began_ms = time.time_ns() // 10**6
        self._task = asyncio.get_running_loop().create_task(self._converse(self._call))

    def renew(self, engine: str) -> None:
        """End the running session and start another."""
        if self._call is None:
            self.connect(engine)
        else:
            self.hang_up()
            self._task.add_done_callback(lambda _: self._begin_again(engine))

    def _begin_again(self, engine: str) -> None:
        if self._sessions.open_rating is None:
            self._receive({"k": "connect", "engine": engine}, [])
        else:
            self._show_message("info", "Rate the conversation first, or skip the question; then press Connect.")

    def hang_up(self) -> None:
        """End the running session as the caller."""
        if self._call is not None:
            self._call.act(inputs.HangUp())

    async def _converse(self, call: Call) -> None:
        rows = None
        try:
            rows = await call.run()
        except VoicelabError as error:
            self._show_message("error", str(error))
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - shown; the console goes on
            self._show_message("error", f"The session could not go on: {type(error).__name__}: {error}")
        self._thread.loop.set_pace(1.0)
        self._call = None
        if rows is None:
            self._updates.send_all()  # the session that was shown before is shown again
            return
        self._sessions.store(call, rows, self._number, self._began_ms)
        remark = self._variants.remark(rows.exposures)
        if remark and (self._message or {}).get("level") != "error":
            self._show_message("warning", remark)
        elif call.waiting and self._message is None:
            unsaid = ", ".join(f"“{words['text']}”" for words in call.waiting.view())
            self._show_message("info", f"Not said, for the conversation ended first: {unsaid}")
        self._updates.send_soon()

    def rate(self, value: Json, note: str) -> None:
        """Take the person's verdict on a blind session; None for no verdict."""
        self._sessions.rate(value, note)
        self._updates.send_all()

    def _show(self, record: SessionRecord) -> None:
        try:
            self._be_between_sessions()
            self._sessions.add(record, self._number + 1, time.time_ns() // 10**6)
        except VoicelabError as error:
            self._show_message("error", str(error))
        else:
            self._number += 1
        self._updates.send_all()

    def open(self, number: int) -> None:
        """Show a session that has ended.

        Raises:
            InputError: there is none of that number, or another one runs, or waits for its rating.
        """
        self._be_between_sessions()
        self._sessions.open(number)
        self._updates.send_all()

    def _be_between_sessions(self) -> None:
        if self._call is not None:
            raise InputError("A session is running: hang up first, then open another one.")
        self._message = None

    def _end_everything(self) -> None:
        """End everything: the running session is cut off where it is, and logged."""
        self.hang_up()
        self._sessions.close_rating()

    # --- what the person does ---

    def say(self, text: Json) -> None:
        """Say something typed: as soon as the agent has spoken, or at once where typing interrupts."""
        if self._call is None and self._message is not None and self._message is self._refusal:
            return  # typed to begin a session: why it could not begin stands there already
        self._running().say(inputs.words(text), interrupts=self._settings.typing_interrupts)

    def say_now(self, number: int) -> None:
        """Say words that wait at once, over the agent's."""
        self._running().say_now(number)

    def take_back(self, number: int) -> None:
        """Don't say words that wait."""
        self._running().waiting.take(number)

    def press(self, digit: str) -> None:
        """Press a key."""
        self._act(inputs.press(digit))

    def custom(self, name: Json, data: Json) -> None:
        """Send a custom event."""
        if not isinstance(name, str) or not name.strip() or not isinstance(data, dict):
            raise InputError(f"A custom event needs a name and a JSON object as data; got {name!r} and {data!r}.")
        try:
            orjson.dumps([name, data])
        except TypeError as error:
            raise InputError(f"The custom event {name!r} can't be written as JSON: {error}.") from None
        self._act(inputs.Custom(name.strip(), data))

    def timeout(self) -> None:
        """Tell the handler of a silence, at once."""
        session = self._running().session
        silent_ms = round(1000 * session.silent_s)
        self._act(inputs.Send(sdk.TimeoutEvent(session.timeouts + 1, silent_ms)))

    def force(self, test: str, variant: str | None) -> None:
        """Force a variant in the next session; None draws it."""
        self._variants.force(test, variant)

    def write_next(self, name: str, text: str) -> None:
        """Give the next session's `parameters` or `input_data` as the text of a JSON object."""
        self._next.write(name, text)

    def set_variable(self, name: str, value: str | None) -> None:
        """Give a variable for the next session; None takes back what was given here."""
        self._next.set_variable(name, value)

    def set(self, name: str, value: Json) -> None:
        """Change a setting."""
        self._message = None
        try:
            remark = self._settings.set(name, value, live=self._call is not None)
        except VoicelabError:
            self._updates.send_anew("settings")  # the page has obeyed already
            raise
        if remark:
            self._show_message("info", remark)
        if self._call is not None:
            self._call.listening.set_mode(hands_free=self._settings.hands_free, muted=self._settings.muted)

    def _act(self, action: inputs.Action) -> None:
        self._running().act(action)

    def _running(self) -> Call:
        if self._call is None:
            raise InputError("No session is running. Press Connect first.")
        return self._call

    # --- files ---

    def download(self, what: str) -> None:
        """Send the last session as a file: `json`, or `wav` with the caller left and the agent right."""
        self._send_as_it_is(*self._sessions.as_file(what))

    def replay(self, engine: str) -> None:
        """Send a page the last session's sound, to be played along its timeline."""
        message, sound = self._sessions.as_sound()
        self._send_as_it_is(message | {"engine": engine}, sound)

    def script(self, engine: str) -> None:
        """Send a page what the caller did in the session that is shown, as scripts, and all that was said as text."""
        shown = self.shown
        if shown is None:
            raise InputError("There is no conversation yet. Press Connect, and say something.")
        status = "" if self._sessions.shown is None or self._call else self._sessions.shown.facts["status"]
        self._send_as_it_is({"k": "script", **page_data.script_view(shown.events, status), "engine": engine}, None)

    # --- what is shown ---

    @property
    def shown(self) -> ShownSession | None:
        """The running session, else the one that was opened last, at first that which has ended last."""
        return self._call or self._sessions.shown

    @property
    def hidden(self) -> bool:
        """Whether the variant is not to be known now: in a blind session until it is rated."""
        return self._blind and (self._call is not None or self._sessions.open_rating is not None)

    def state(self) -> dict[str, Any]:
        """Return the whole state, as `voicelab.live.page_messages` lists it."""
        call, ended = self._call, self._sessions.shown
        shown = self.shown
        return {
            **self._session_state(),
            "notes": page_data.notes_view(self._notes if shown is None else shown.known_notes),
            "phase": "live" if call else "idle" if ended is None else "ended",
            "session": self._number if call else 0 if ended is None else ended.number,
            "sessions": self._sessions.view(),
            "waiting": [] if call is None else call.waiting.view(),
            "phrases": list(self._phrases),
            "next": self._next.view(),
            "engine": self._engine,
            "agent": self.name,
            "log": None if self._log is None else self._log.folder.name,
            "blind": self._blind,
            "tests": self._variants.view(None if shown is None else shown.exposures, live=call, hidden=self.hidden),
            "variables": self._next.variables_view(),
            "settings": self._settings.view(),
            "uses": self._settings.uses() if call is None else call.media.view(),
            "engines": self._settings.engines,
            "ask": None if self._sessions.open_rating is None or call else self._sessions.open_rating.question(),
            "message": self._message,
        }

    def _session_state(self) -> dict[str, Any]:
        if self._call is not None and self._call.begun:
            return page_data.session_view(self._call.session, self._call.events, hidden=self.hidden)
        ended = None if self._call else self._sessions.shown
        return page_data.no_session() if ended is None else page_data.rows_view(ended.rows, hidden=self.hidden)

    def _show_message(self, level: str, text: str) -> None:
        self._message = {"level": level, "text": self._next.masked(text)}
        self._updates.send_now("message", self._message)

    def _send(self, message: dict[str, Any], buffer: bytes | None = None) -> None:
        if CONSOLE.to_page[message["k"]].of_sound:
            message = {**message, "engine": self._engine}
        self._send_as_it_is(message, buffer)


def _manifest_facts(handler: str) -> dict[str, Any]:
    return {"handler": handler, "callers": "person", "world": None, "versions": {"voicelab": __version__}}
