"""The sessions that a console has had: the one that is shown, its record and files; the last one's rating and logging."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import orjson

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError
from voicelab.base.records import SESSIONS, EventRow, PortabilityNote, Row, SessionRows, column
from voicelab.live.call import Call
from voicelab.live.rating import Rating, rating_of
from voicelab.live.recording import RATE, Recording
from voicelab.log.append import LiveLog
from voicelab.record.session_record import SessionRecord

FileMessage = tuple[dict[str, Any], bytes]
"""A message to the front end, and what comes with it."""

_MOST = 100
"""So many sessions are kept; earlier ones are in the log, where there is one."""
_MOST_SOUND_S = 1800.0
"""So many seconds of sessions' sound are kept, of the last ones: half an hour takes up to 120 MB."""
_TEST, _VARIANT = (column("exposures", name) for name in ("test", "variant"))
_OPENING_CHARS = 80


@dataclass(frozen=True)
class EndedSession:
    """A session that has ended.

    Attributes:
        number: Its number in the console, from 1.
        began_ms: When it began, in milliseconds since 1970.
        rows: Its rows.
        notes: The portability notes of this session, and those known of its handler.
        recording: What it sounded like; None where that isn't kept any more.
    """

    number: int
    began_ms: int
    rows: SessionRows
    notes: tuple[Sequence[PortabilityNote], Sequence[PortabilityNote]]
    recording: Recording | None

    @property
    def events(self) -> list[EventRow]:
        """Its events."""
        return self.rows.events

    @property
    def exposures(self) -> list[Row]:
        """The tests it reached, and their variants."""
        return self.rows.exposures

    @property
    def facts(self) -> dict[str, Any]:
        """Its row in the table of sessions, by column."""
        return dict(zip(SESSIONS, self.rows.session, strict=True))

    @property
    def now_s(self) -> float:
        """When it ended, in seconds."""
        return float(self.facts["duration_s"])

    ended_s = now_s

    @property
    def known_notes(self) -> Sequence[PortabilityNote]:
        """The portability notes that were known at its end."""
        return self.notes[1]

    def record(self) -> SessionRecord:
        """Return its record."""
        return SessionRecord.from_rows(self.rows, self.notes[0])

    def view(self, *, hidden: bool) -> dict[str, Any]:
        """Return it as an entry of a list; of a blind one without its variants."""
        return {**self._entry, "variants": [] if hidden else self._entry["variants"]}

    @cached_property
    def _entry(self) -> dict[str, Any]:
        facts = self.facts
        said = (row[3] for row in self.events if row[2][:2] == ("input", "text"))
        return {
            "number": self.number,
            "began_ms": self.began_ms,
            "status": facts["status"],
            "duration_s": facts["duration_s"],
            "n_turns": facts["n_turns"],
            "n_errors": facts["n_errors"],
            "variants": [f"{row[_TEST]} {row[_VARIANT]}" for row in self.exposures],
            "opening": _opening(next(said, None)),
            "has_sound": self.recording is not None and not self.recording.empty,
        }


class EndedSessions:
    """Keeps the sessions; one that waits for its rating is neither logged nor told of, which would give it away.

    Args:
        agent: The agent's name.
        log: Takes each session; None for none.
        blind: Whether the person is asked for the outcome.
        keep_audio: Whether the log takes what each session sounded like.
        on_ended: Takes each session's record.
        on_error: Takes a sentence about what could not be logged.

    Attributes:
        shown: The session that is looked at; None before the first.
        open_rating: What the person of the last session is asked, until it is answered.
        record: The last session's record, once it may be known.
    """

    def __init__(
        self,
        agent: str,
        *,
        log: LiveLog | None,
        blind: bool,
        keep_audio: bool,
        on_ended: Callable[[SessionRecord], None],
        on_error: Callable[[str], None],
    ) -> None:
        self._agent = agent
        self._log = log
        self._blind = blind
        self._keep_audio = keep_audio
        self._on_ended = on_ended
        self._on_error = on_error
        self._sessions: list[EndedSession] = []
        self.shown: EndedSession | None = None
        self.open_rating: Rating | None = None
        self.record: SessionRecord | None = None

    def store(self, call: Call, rows: SessionRows, number: int, began_ms: int) -> None:
        """Take a session that has just ended; it is the one that is shown."""
        rows = _with_source(rows, call.source)
        notes = (tuple(call.notes), tuple(call.known_notes))
        # A plain list: the session's own tells the call of changes, and so would keep it.
        rows = replace(rows, events=list(rows.events))
        self._sessions.append(EndedSession(number, began_ms, rows, notes, call.recording))
        self._let_go()
        self.shown = self._sessions[-1]
        self.open_rating = rating_of(rows) if self._blind else None
        if self.open_rating is None:
            self._publish()

    def add(self, record: SessionRecord, number: int, began_ms: int) -> None:
        """Take a session from elsewhere, and show it; it is neither logged nor the person's own.

        Raises:
            InputError: the last session waits for its rating.
        """
        self._be_rated()
        notes = tuple(record.notes)
        self._sessions.append(EndedSession(number, began_ms, record.rows(), (notes, notes), None))
        self._let_go()
        self.shown = self._sessions[-1]

    def open(self, number: int) -> None:
        """Show another session.

        Raises:
            InputError: there is none of that number, or the last one waits for its rating.
        """
        self._be_rated()
        found = next((session for session in self._sessions if session.number == number), None)
        if found is None:
            kept = f" The last {_MOST} are kept." if self._sessions else ""
            raise InputError(f"There is no session {number} to open.{kept}")
        self.shown = found

    def view(self) -> list[dict[str, Any]]:
        """Return the list of sessions, as plain data."""
        last = self._sessions[-1] if self._sessions else None
        return [session.view(hidden=session is last and self.open_rating is not None) for session in self._sessions]

    def rate(self, value: Json, note: str) -> None:
        """Take the person's verdict; None for no verdict.

        Raises:
            InputError: a value of another type than was asked for.
        """
        if self.open_rating is None:
            return
        if value is not None:
            last = self._sessions[-1]
            rows = _with_source(self.open_rating.rated(last.rows, value, note), "rated")
            self.shown = self._sessions[-1] = replace(last, rows=rows)
        self.close_rating()

    def close_rating(self) -> None:
        """Ask no longer: keep the session as it is."""
        if self.open_rating is not None:
            self.open_rating = None
            self._publish()

    def _publish(self) -> None:
        last = self._sessions[-1]
        self.record = last.record()
        try:
            self._add_to_log(last)
        except VoicelabError as error:
            self._on_error(f"The session is not logged: {error} It is still in the record.")
        self._on_ended(self.record)

    def _add_to_log(self, last: EndedSession) -> None:
        if self._log is None:
            return
        facts = last.facts
        self._log.add(facts["session_index"], last.rows)
        if self._keep_audio and last.recording is not None and not last.recording.empty:
            self._log.keep_audio(facts["session_id"], last.recording.wav())

    def _let_go(self) -> None:
        """Let go of the earliest sessions and sounds, so that a console that is open for weeks doesn't grow for ever."""
        del self._sessions[:-_MOST]
        left_s = _MOST_SOUND_S
        for at in range(len(self._sessions) - 2, -1, -1):  # the last one keeps its sound, however long
            session = self._sessions[at]
            left_s -= self._sessions[at + 1].now_s
            if session.recording is not None and session.now_s > left_s:
                self._sessions[at] = replace(session, recording=None)

    # --- files of the session that is shown ---

    def as_file(self, what: str) -> FileMessage:
        """Return the session as a file: `json`, or `wav` with the caller left and the agent right.

        Raises:
            InputError: there is no session yet, it waits for its rating, or it has no such file.
        """
        session = self._tellable()
        name = f"{self._agent}-{session.facts['session_id']}"
        if what == "json":
            text = session.record().to_json()
            return {"k": "file", "name": f"{name}.json", "mime": "application/json"}, text.encode()
        if session.recording is None:
            raise InputError("The sound of this session isn't kept any more. Its JSON has all else of it.")
        if session.recording.empty:
            raise InputError("This session had no sound to download. Its JSON has all of it.")
        return {"k": "file", "name": f"{name}.wav", "mime": "audio/wav"}, session.recording.wav()

    def as_sound(self) -> FileMessage:
        """Return the session's sound, to be played along its timeline.

        Raises:
            InputError: there is no session yet, or it waits for its rating.
        """
        session = self._tellable()
        sound = b"" if session.recording is None else session.recording.stereo().tobytes()
        return {"k": "replay", "rate": RATE, "duration_s": session.now_s}, sound

    def _tellable(self) -> EndedSession:
        self._be_rated()
        if self.shown is None:
            raise InputError("There is no conversation yet. Press Connect, and hang up when you are done.")
        return self.shown

    def _be_rated(self) -> None:
        if self.open_rating is not None:
            raise InputError("Rate the conversation first: what you ask for would tell you the variant.")


def _with_source(rows: SessionRows, source: str) -> SessionRows:
    session = [source if name == "source" else value for name, value in zip(SESSIONS, rows.session, strict=True)]
    return replace(rows, session=tuple(session))


def _opening(data: str | None) -> str:
    """Return the beginning of what the caller said first."""
    text = "" if data is None else str(orjson.loads(data).get("text", ""))
    return text if len(text) <= _OPENING_CHARS else f"{text[: _OPENING_CHARS - 1]}…"
