"""The live end of a session: what a person, a microphone and a voice see of it and do with it, on the session's own loop.

A front end holds this and nothing else of a session. What it sees it can't change; what it does is what a caller does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from voicelab.base.records import Label, Row
from voicelab.callers.actions import Action, Recognised, Unheard
from voicelab.session import rows
from voicelab.session.caller import act_now, unheard
from voicelab.session.finished_rows import outcome_rows
from voicelab.session.playback import gate, retime, settle_heard, speaks_for
from voicelab.session.rows import add_row, masked_json
from voicelab.session.session_state import Session
from voicelab.session.turns import first_sound, is_idle, no_words
from voicelab.session.utterance import Utterance


class LiveEnd:
    """A session as whoever takes part in it live sees it.

    Args:
        session: The session.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._exposures = session.exposures
        self._metrics = session.metrics
        self.now = session.now

    # --- what there is to see ---

    @property
    def turn(self) -> int:
        """The present turn."""
        return self._session.turn

    @property
    def ended_s(self) -> float | None:
        """When the conversation ended; its cleanup may still go on. None while it runs."""
        return None if self._session.ended is None else self._session.ended_s

    @property
    def idle(self) -> bool:
        """Whether the handler doesn't work and the agent has finished."""
        return is_idle(self._session)

    @property
    def gate(self) -> str:
        """Why the caller's words can't reach the agent now (see `voicelab.callers.gate`), or an empty string."""
        return gate(self._session, self.now())

    @property
    def goes_on_for_s(self) -> float | None:
        """For how many seconds the agent goes on speaking; None if it doesn't speak, or can't be interrupted."""
        return speaks_for(self._session, self.now())

    @property
    def silent_s(self) -> float:
        """Seconds since the caller's last input, or since the session began."""
        return self.now() - self._session.last_input_s

    @property
    def timeouts(self) -> int:
        """Silences in a row that the handler was told of."""
        return self._session.timeouts

    @property
    def exposures(self) -> Sequence[Row]:
        """The tests that the session has reached, and their variants, as rows."""
        return self._exposures

    @property
    def metrics(self) -> Sequence[Row]:
        """The metrics so far, as rows."""
        return self._metrics

    @property
    def outcomes(self) -> Sequence[Row]:
        """The outcomes as they are now, as rows."""
        return outcome_rows(self._session, self._session.context)

    def data(self) -> dict[str, Any]:
        """Return what the session holds now, as plain data with secrets masked: data, output_data, parameters."""
        context = self._session.context
        held = {"data": context.data, "output_data": context.output_data, "parameters": self._session.parameters}
        return {name: orjson.loads(masked_json(self._session, value or {})) for name, value in held.items()}

    def masked(self, text: str) -> str:
        """Return a text as it may leave the session."""
        return self._session.masker.text(text)

    # --- what a live caller does ---

    def act(self, action: Action | Recognised) -> None:
        """Do what the caller does now: words (complete as they come), keys, a custom event, hanging up."""
        if self._session.ended is None:
            act_now(self._session, self.now(), action)
            self._look_again()

    def speak(self) -> None:
        """Take the caller's first sound, before its words are known."""
        if self._session.ended is None:
            first_sound(self._session, self.now())
            self._look_again()

    def hush(self) -> None:
        """Take back a first sound that turned out to be no words."""
        if self._session.ended is None:
            no_words(self._session, self.now())
            self._look_again()

    def listens(self, facts: Mapping[str, Any]) -> None:
        """Note a sign of listening, or sound without words, that stops nothing; `facts` is what the log says of it."""
        unheard(self._session, self.now(), Unheard(facts))

    def ask_caller_again(self) -> None:
        """Have a caller that waits be asked once more as soon as the agent has finished: it has something to say now."""
        self._session.answered = True
        self._look_again()

    # --- what a voice says of what it plays ---

    def playing(self, row: int, start_s: float, end_s: float, **facts: str | float) -> Utterance | None:
        """Be told when an event plays; return it as it is queued now, or None if it has been cut.

        Args:
            row: The event's seq.
            start_s: When it begins to play.
            end_s: When it has been played.
            facts: What else the event's data shall say, such as the engine that spoke.
        """
        if self._session.ended is not None:
            return None
        item = retime(self._session, self.now(), row, start_s, end_s)
        if item is not None:
            facts["duration_s"] = round(item.end_s - item.start_s, 3)
            rows.amend(self._session, row, facts, time_s=item.start_s)
            self._look_again()
        return item

    def stopped(self, row: int, played_s: float) -> None:
        """Be told how much of an event was really played that has been cut: that much of it was heard."""
        settle_heard(self._session, row, played_s)

    def record(self, label: Label, turn: int, data: Mapping[str, Any]) -> None:
        """Record what happened at this end, as an event of the session."""
        add_row(self._session, self.now(), turn, label, data)

    def amend(self, row: int, facts: Mapping[str, Any]) -> None:
        """Add to what the log says of an event."""
        rows.amend(self._session, row, facts)

    def _look_again(self) -> None:
        self._session.clock.changed()
        self._session.clock.wake()
