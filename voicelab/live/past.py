"""The session that has ended last: what its person is still asked, its record, its place in the log, its files."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from voicelab.base.errors import InputError, VoicelabError
from voicelab.base.records import SESSIONS, SessionRows
from voicelab.live.call import Call
from voicelab.live.rating import Rating, rating_of
from voicelab.live.tape import RATE
from voicelab.log.append import LiveLog
from voicelab.record.session_record import SessionRecord

File = tuple[dict[str, Any], bytes]
"""A message to the front end, and what comes with it."""


class Past:
    """Keeps the last session; one that waits for its rating is neither logged nor told of, which would give it away.

    Args:
        agent: The agent's name.
        log: Takes each session; None for none.
        blind: Whether the person is asked for the outcome.
        keep_audio: Whether the log takes what each session sounded like.
        told: Takes each session's record.
        trouble: Takes a sentence about what could not be logged.

    Attributes:
        call: The session.
        rows: Its rows; None before the first.
        asks: What its person is asked, until it is answered.
        record: The last session's record, once it may be known.
    """

    def __init__(
        self,
        agent: str,
        *,
        log: LiveLog | None,
        blind: bool,
        keep_audio: bool,
        told: Callable[[SessionRecord], None],
        trouble: Callable[[str], None],
    ) -> None:
        self._agent = agent
        self._log = log
        self._blind = blind
        self._keep_audio = keep_audio
        self._told = told
        self._trouble = trouble
        self.call: Call
        self.rows: SessionRows | None = None
        self.asks: Rating | None = None
        self.record: SessionRecord | None = None

    def take(self, call: Call, rows: SessionRows) -> None:
        """Take a session that has just ended."""
        self.call, self.rows = call, _with(rows, source=call.source)
        self.asks = rating_of(rows) if self._blind else None
        if self.asks is None:
            self._keep(self.rows)

    def rate(self, value: Any, note: str) -> None:
        """Take the person's verdict; None for no verdict.

        Raises:
            InputError: a value of another type than was asked for.
        """
        if self.asks is None or self.rows is None:
            return
        if value is not None:
            self.rows = _with(self.asks.rated(self.rows, value, note), source="rated")
        self.settle()

    def settle(self) -> None:
        """Ask no longer: keep the session as it is."""
        if self.asks is not None and self.rows is not None:
            self.asks = None
            self._keep(self.rows)

    def _keep(self, rows: SessionRows) -> None:
        self.record = SessionRecord.from_rows(rows, self.call.notes)
        try:
            self._add_to_log(rows)
        except VoicelabError as error:
            self._trouble(f"The session is not logged: {error} It is still in console.record.")
        self._told(self.record)

    def _add_to_log(self, rows: SessionRows) -> None:
        if self._log is None:
            return
        facts = dict(zip(SESSIONS, rows.session, strict=True))
        self._log.add(facts["session_index"], rows)
        if self._keep_audio and not self.call.tape.empty:
            self._log.keep_audio(facts["session_id"], self.call.tape.wav())

    # --- files ---

    def file(self, what: str) -> File:
        """Return the session as a file: `json`, or `wav` with the caller left and the agent right.

        Raises:
            InputError: there is no session yet, it waits for its rating, or it has no such file.
        """
        record = self._known()
        name = f"{self._agent}-{record.session_id}"
        if what == "json":
            return {"k": "file", "name": f"{name}.json", "mime": "application/json"}, record.to_json().encode()
        if self.call.tape.empty:
            raise InputError("This session had no sound to download. Its JSON has all of it.")
        return {"k": "file", "name": f"{name}.wav", "mime": "audio/wav"}, self.call.tape.wav()

    def sound(self) -> File:
        """Return the session's sound, to be played along its timeline.

        Raises:
            InputError: there is no session yet, or it waits for its rating.
        """
        duration_s = self._known().duration_s
        return {"k": "replay", "rate": RATE, "duration_s": duration_s}, self.call.tape.stereo().tobytes()

    def _known(self) -> SessionRecord:
        if self.asks is not None:
            raise InputError("Rate the conversation first: what you ask for would tell you the variant.")
        if self.record is None:
            raise InputError("There is no conversation yet. Press Connect, and hang up when you are done.")
        return self.record


def _with(rows: SessionRows, **values: Any) -> SessionRows:
    session = [values.get(name, value) for name, value in zip(SESSIONS, rows.session, strict=True)]
    return replace(rows, session=tuple(session))
