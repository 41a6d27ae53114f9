"""The session that has ended last: what its person is still asked, its record, its place in the log, its files."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError, VoicelabError
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.live.call import Call
from voicelab.live.rating import Rating, rating_of
from voicelab.live.recording import RATE
from voicelab.log.append import LiveLog
from voicelab.record.session_record import SessionRecord

FileMessage = tuple[dict[str, Any], bytes]
"""A message to the front end, and what comes with it."""


class LastSession:
    """Keeps the last session; one that waits for its rating is neither logged nor told of, which would give it away.

    Args:
        agent: The agent's name.
        log: Takes each session; None for none.
        blind: Whether the person is asked for the outcome.
        keep_audio: Whether the log takes what each session sounded like.
        on_ended: Takes each session's record.
        on_error: Takes a sentence about what could not be logged.

    Attributes:
        call: The session.
        rows: Its rows; None before the first.
        open_rating: What its person is asked, until it is answered.
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
        self.call: Call
        self.rows: SessionRows | None = None
        self.open_rating: Rating | None = None
        self.record: SessionRecord | None = None

    def store(self, call: Call, rows: SessionRows) -> None:
        """Take a session that has just ended."""
        self.call, self.rows = call, _with_source(rows, call.source)
        self.open_rating = rating_of(rows) if self._blind else None
        if self.open_rating is None:
            self._publish(self.rows)

    def rate(self, value: Json, note: str) -> None:
        """Take the person's verdict; None for no verdict.

        Raises:
            InputError: a value of another type than was asked for.
        """
        if self.open_rating is None or self.rows is None:
            return
        if value is not None:
            self.rows = _with_source(self.open_rating.rated(self.rows, value, note), "rated")
        self.close_rating()

    def close_rating(self) -> None:
        """Ask no longer: keep the session as it is."""
        if self.open_rating is not None and self.rows is not None:
            self.open_rating = None
            self._publish(self.rows)

    def _publish(self, rows: SessionRows) -> None:
        self.record = SessionRecord.from_rows(rows, self.call.notes)
        try:
            self._add_to_log(rows)
        except VoicelabError as error:
            self._on_error(f"The session is not logged: {error} It is still in console.record.")
        self._on_ended(self.record)

    def _add_to_log(self, rows: SessionRows) -> None:
        if self._log is None:
            return
        facts = dict(zip(SESSIONS, rows.session, strict=True))
        self._log.add(facts["session_index"], rows)
        if self._keep_audio and not self.call.recording.empty:
            self._log.keep_audio(facts["session_id"], self.call.recording.wav())

    # --- files ---

    def as_file(self, what: str) -> FileMessage:
        """Return the session as a file: `json`, or `wav` with the caller left and the agent right.

        Raises:
            InputError: there is no session yet, it waits for its rating, or it has no such file.
        """
        record = self._tellable_record()
        name = f"{self._agent}-{record.session_id}"
        if what == "json":
            return {"k": "file", "name": f"{name}.json", "mime": "application/json"}, record.to_json().encode()
        if self.call.recording.empty:
            raise InputError("This session had no sound to download. Its JSON has all of it.")
        return {"k": "file", "name": f"{name}.wav", "mime": "audio/wav"}, self.call.recording.wav()

    def as_sound(self) -> FileMessage:
        """Return the session's sound, to be played along its timeline.

        Raises:
            InputError: there is no session yet, or it waits for its rating.
        """
        duration_s = self._tellable_record().duration_s
        return {"k": "replay", "rate": RATE, "duration_s": duration_s}, self.call.recording.stereo().tobytes()

    def _tellable_record(self) -> SessionRecord:
        if self.open_rating is not None:
            raise InputError("Rate the conversation first: what you ask for would tell you the variant.")
        if self.record is None:
            raise InputError("There is no conversation yet. Press Connect, and hang up when you are done.")
        return self.record


def _with_source(rows: SessionRows, source: str) -> SessionRows:
    session = [source if name == "source" else value for name, value in zip(SESSIONS, rows.session, strict=True)]
    return replace(rows, session=tuple(session))
