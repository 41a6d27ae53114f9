"""One session with VoiceRun's debugger: a live session on a thread of its own, told in the debugger's frames.

A live session speaks to a front end (`voicelab.live.speaking`): play this row; and wants to hear when a row began and has
been played. The debugger knows rows by marks: behind the sound of each row one is sent, and comes back when the sound before
it has been played. So a row has been played when its mark is back, and the next one begins then. A debugger without a
loudspeaker, as the command line's is, sends marks back at once: its sessions go as fast as the handler answers.
"""

import asyncio
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from voicelab.base.errors import VoicelabError
from voicelab.base.records import EXPOSURES, OUTCOMES, SESSIONS, Event, SessionRows
from voicelab.callers import actions
from voicelab.live.call import Call
from voicelab.live.loop import LoopThread
from voicelab.live.page_data import event_of
from voicelab.record.debugger_rows import debugger_context
from voicelab.serving import debugger_frames as frames
from voicelab.serving.debugger_frames import FromDebugger, MicrophoneSound, Opening, Played, Typed
from voicelab.serving.debugger_sound import MicrophoneFrames, pieces_to_play, warm_up
from voicelab.serving.served_agent import ServedAgent

_SILENT_S = 0.4
"""A microphone from which nothing came for so long has been switched off: what was being said is over."""
_NO_EARS = (
    "Sound comes from a microphone, and nothing listens: this server takes words that are typed. Serve with stt='auto' for "
    "VoiceRun's debugger with its window, or name an engine, e.g. vl.serve(handler, stt='sphinx')."
)


@dataclass(frozen=True)
class Closing:
    """How the connection of a session is closed when it has ended.

    Attributes:
        code: The code (RFC 6455).
        reason: Why, in words.
    """

    code: int
    reason: str


class DebugSession:
    """A session with a debugger; its methods may be called from any thread.

    Args:
        agent: Makes the session, and logs it.
        start: What the debugger said first.
        send: Takes a frame for the debugger, from any thread.
        on_ended: Told, on the session's thread, when the session has ended and is logged.
        has_sound: Whether the debugger has a loudspeaker and a microphone.
    """

    def __init__(
        self,
        agent: ServedAgent,
        start: Opening,
        send: Callable[[Mapping[str, Any]], None],
        on_ended: Callable[[Closing], None],
        *,
        has_sound: bool,
    ) -> None:
        self._agent = agent
        self._start = start
        self._send = send
        self._on_ended = on_ended
        self._has_sound = has_sound
        self._call: Call | None = None
        self._began_s = time.time()
        self._n_rows = 0
        self._context: dict[str, Any] = {}
        self._to_play: list[int] = []
        self._n_marks = 0
        self._marked: dict[str, int] = {}
        self._microphone = MicrophoneFrames()
        self._switched_off: asyncio.TimerHandle | None = None
        self._told: set[str] = set()
        self._thread = LoopThread(f"voicelab served {agent.name}")
        self._thread.post(self._begin)

    # --- from any thread ---

    def take(self, frame: FromDebugger) -> None:
        """Take a frame of the debugger."""
        self._thread.post(self._take, frame)

    def hang_up(self) -> None:
        """End the session as the caller; it is logged as `hangup`, if it hasn't ended by itself."""
        self._thread.post(self._hang_up)

    def after_all_taken(self, function: Callable[[], object]) -> None:
        """Call a function on the session's thread when everything that was given before has been taken."""
        self._thread.post(function)

    # --- the session ---

    def _begin(self) -> None:
        if self._has_sound:
            warm_up()  # before the session begins, whose first words would come late
        try:
            job, index = self._agent.begin(self._start.parameters, self._start.environment)
            self._call = Call(
                job,
                index,
                self._agent.media(has_sound=self._has_sound),
                self._play,
                warn=self._warn,
                on_change=self._row_changed,
                on_waiting=lambda: None,
                watching=self._thread.watching,
            )
            self._call.listening.set_mode(hands_free=True, muted=False)
        except VoicelabError as error:
            self._fail(str(error))
        except BaseException as error:  # noqa: BLE001 - whatever a stranger's module does while it loads
            self._fail(f"The session can't begin: {type(error).__name__}: {error}")
        else:
            self._task = asyncio.get_running_loop().create_task(self._converse(self._call))

    async def _converse(self, call: Call) -> None:
        try:
            rows = await call.run()
        except VoicelabError as error:
            self._fail(str(error))
        except (Exception, KeyboardInterrupt, SystemExit) as error:  # noqa: BLE001 - told to the debugger
            self._fail(f"The session could not go on: {type(error).__name__}: {error}")
        else:
            self._stop_listening()
            self._agent.store(call, rows, round(1000 * self._began_s), self._warn_both)
            self._send_context(rows, call.now_s)
            facts = _cells(SESSIONS, rows.session)
            self._end(Closing(frames.COMPLETE, f"the session has ended: {facts['status']}"))

    def _fail(self, why: str) -> None:
        why = self._agent.masked(why)
        self._send(frames.told(why, "error"))
        self._end(Closing(frames.FAILED, why))

    def _end(self, closing: Closing) -> None:
        self._call = None
        self._on_ended(closing)
        self._thread.close()

    def _hang_up(self) -> None:
        if self._call is not None:
            self._call.act(actions.HangUp())

    # --- what the session says ---

    def _row_changed(self, seq: int) -> None:
        """Send a row that is new; the debugger can't be told that one has changed."""
        call = self._call
        if call is None or seq < self._n_rows:
            return
        self._n_rows = seq + 1
        event = event_of(seq, call.events[seq])
        self._send(frames.row(call.session_id, event, self._began_s))
        if event.name == "turn_end":
            self._send_context(call.rows_so_far, event.time_s)

    def _send_context(self, rows: SessionRows, now_s: float) -> None:
        """Send the session's context with its tests and outcomes, where it has changed: an export is read back by it."""
        facts = _cells(SESSIONS, rows.session)
        context = debugger_context(
            facts,
            [_cells(EXPOSURES, row) for row in rows.exposures],
            [_cells(OUTCOMES, row) for row in rows.outcomes],
        )
        if context != self._context:
            self._context = context
            event = Event(len(rows.events), now_s, facts["n_turns"] - 1, "system", "context_update", context)
            self._send(frames.row(facts["session_id"], event, self._began_s))

    def _warn(self, text: str) -> None:
        self._send(frames.told(self._agent.masked(text)))

    def _warn_both(self, text: str) -> None:
        """Warn whoever runs the server, too: the debugger may be gone."""
        self._warn(text)
        warnings.warn(self._agent.masked(text), stacklevel=2)

    def _warn_once(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._warn(text)

    # --- what is played ---

    def _play(self, message: Mapping[str, Any], pcm16: bytes | None = None) -> None:
        """Take what a live session sends to be played."""
        kind, row = message["k"], message.get("row")
        if kind == "clear":
            self._forget_playing()
            self._send(frames.CLEAR)
        elif kind == "speak" and row is not None:
            self._begin_row(row)
            self._mark(row)
        elif kind == "audio" and row is not None:
            self._begin_row(row)
            if self._has_sound and pcm16:
                for piece in pieces_to_play(pcm16, message["rate"]):
                    self._send(frames.sound(self._start.stream, piece))
            if message["last"]:
                self._mark(row)

    def _begin_row(self, row: int) -> None:
        if row in self._to_play:
            return
        if not self._to_play:
            self._send(frames.speaking(on=True))
        self._to_play.append(row)
        if len(self._to_play) == 1 and self._call is not None:
            self._call.speaking.row_started(row)

    def _mark(self, row: int) -> None:
        self._n_marks += 1
        name = f"played-{self._n_marks}"
        self._marked[name] = row
        self._send(frames.mark(self._start.stream, name))

    def _row_played(self, name: str) -> None:
        """Take a mark that is back: all up to its row has been played."""
        row = self._marked.pop(name, None)
        if row is None or self._call is None or row not in self._to_play:
            return  # it was cleared meanwhile
        for played in self._to_play[: self._to_play.index(row) + 1]:
            self._to_play.remove(played)
            self._call.speaking.row_ended(played)
        if self._to_play:
            self._call.speaking.row_started(self._to_play[0])
        else:
            self._send(frames.speaking(on=False))

    def _forget_playing(self) -> None:
        self._marked.clear()
        if self._to_play:
            self._to_play.clear()
            self._send(frames.speaking(on=False))

    # --- what the debugger says ---

    def _take(self, frame: FromDebugger) -> None:
        if self._call is None:
            return
        try:
            match frame:
                case Typed(text):
                    self._call.say(actions.words(text), interrupts=True)
                case Played(mark):
                    self._row_played(mark)
                case MicrophoneSound(mulaw):
                    self._hear(self._call, mulaw)
        except VoicelabError as error:
            self._warn(str(error))

    def _hear(self, call: Call, mulaw: bytes) -> None:
        if call.media.stt is None:
            self._warn_once(_NO_EARS)
            return
        self._stop_listening()
        self._switched_off = asyncio.get_running_loop().call_later(_SILENT_S, self._hear_rest, call)
        samples = self._microphone.add(mulaw)
        if samples is not None:
            call.listening.add_sound(samples)

    def _hear_rest(self, call: Call) -> None:
        """Take the microphone for switched off."""
        samples = self._microphone.rest()
        if len(samples):
            call.listening.add_sound(samples)
        call.listening.pause()

    def _stop_listening(self) -> None:
        if self._switched_off is not None:
            self._switched_off.cancel()


def _cells(columns: Mapping[str, str], row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(columns, row, strict=True))
