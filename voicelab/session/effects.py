"""Performs what turn-taking decides: inputs for the handler, and rows of the log.

The methods are those of `voicelab.session.turns.Effects`; the runner adds the ones that stop the handler.
"""

from collections.abc import Mapping
from typing import Any

from voicelab.callers.actions import Custom, Interrupt, Press, Recognised, Say, Unheard
from voicelab.runtime import sdk
from voicelab.session.caller_side import CallerSide
from voicelab.session.early_end import MayEndEarly
from voicelab.session.inputs import Given, Start, Timeout
from voicelab.session.utterance import Utterance

START = Start()
"""The first input of every session."""

# Labels of the events that the engine records.
_TEXT = ("input", "text", False, None)
_TRANSCRIPT = ("system", "transcript_part", False, None)
_TURN_END = ("system", "turn_end", False, None)
_TURN_INTERRUPTED = ("system", "turn_interrupted", False, None)
_INPUT_GATE = ("system", "input_gate", False, None)
_UNHEARD = ("system", "unheard", False, None)
_BACKCHANNEL = ("system", "backchannel", False, None)
_INPUT_DROPPED = ("system", "input_dropped", False, None)
_LONG = 10_000
"""Text of so many characters is looked at before it is written: of 100 million the encoder would crash."""


class SessionEffects(MayEndEarly):
    """A session as its turn-taking sees it."""

    __slots__ = ("_caller", "_inbox", "_transcript")

    _caller: CallerSide
    _inbox: list[sdk.Event]
    """Inputs that the handler has not taken yet."""
    _transcript: list[dict[str, Any]]
    """The context's transcript, as the SDK keeps it."""

    def deliver(self, time_s: float, turn: int, given: Given, heard: str | None) -> None:
        """Record an input and put it before the handler."""
        if type(given) is Say:
            event, known = sdk.TextEvent(given.source, given.text), None
        else:
            event, known = _event_of(given)
        event.turn = turn
        data = event.data
        if heard is not None:
            data |= {
                "previous_turn_interrupted": True,
                "previous_turn_agent_transcript": heard,
                "transcript_prev_assistant": heard,
                "transcript_prev_interrupted": True,
            }
        record = self.recorder.add
        if event.name == "text":
            text = data["text"]
            short = len(text) < _LONG
            if known is None:
                record(time_s, turn, _TEXT, data, flat=short)
            else:
                record(time_s, turn, _TEXT, data | known)
            record(time_s, turn, _TRANSCRIPT, {"role": "user", "content": text}, flat=short)
            self._transcript.append({"role": "user", "content": text, "interrupted": False})
        else:
            record(time_s, turn, ("input", event.name, bool(event.background), None), data)
        self._inbox.append(event)

    def said(self, time_s: float, turn: int, text: str, interrupted: bool) -> None:
        """Record what was heard of the agent."""
        part: dict[str, Any] = {"role": "agent", "content": text}
        if interrupted:
            part["interrupted"] = True
        self.recorder.add(time_s, turn, _TRANSCRIPT, part, flat=len(text) < _LONG)
        self._transcript.append({"role": "assistant", "content": text, "interrupted": interrupted})
        self._caller.heard.append(text)
        self._caller.answered = True

    def turn_end(self, time_s: float, turn: int, duration_s: float) -> None:
        """Record the end of a turn."""
        self.recorder.events.append((time_s, turn, _TURN_END, f'{{"duration":{round(duration_s * 1000)}}}'))

    def turn_interrupted(self, time_s: float, turn: int) -> None:
        """Record that the caller spoke over the agent."""
        self.recorder.add(time_s, turn, _TURN_INTERRUPTED, {})

    def held(self, time_s: float, turn: int, reason: str) -> None:
        """Record that the caller's input waits."""
        self.recorder.add(time_s, turn, _INPUT_GATE, {"allowed": False, "reason": reason}, flat=True)

    def opened(self, time_s: float) -> None:
        """Record that the end of the handler lets the caller's input in again, which it had not been."""
        self.recorder.add(time_s, self.turn, _INPUT_GATE, {"allowed": True}, flat=True)

    def unheard(self, time_s: float, what: Unheard) -> None:
        """Record sound in which no words were found, or a sign of listening: the handler hears of neither."""
        label = _BACKCHANNEL if what.facts.get("backchannel") else _UNHEARD
        self.recorder.add(time_s, self.turn, label, {k: v for k, v in what.facts.items() if k != "backchannel"})

    def dropped(self, time_s: float, turn: int, given: Given) -> None:
        """Record an input that nobody will hear."""
        data = {"reason": "the session has ended", "input": str(given)}
        self.recorder.add(time_s, turn, _INPUT_DROPPED, data)

    def cut(self, time_s: float, turn: int, cut: list[tuple[Utterance, float]]) -> None:
        """Note at the rows of what was cut how much of it was played and heard."""
        del turn
        if self.voice is not None:
            self.voice.clear()
        for utterance, played_s in cut:
            facts: dict[str, Any] = {"interrupted": True, "played_s": played_s}
            if not played_s:
                facts["spoken"] = False
            elif utterance.text is not None:
                facts["heard"] = utterance.heard_by(time_s)
            self.recorder.amend(utterance.row, facts)

    def cancel_tasks(self, time_s: float, turn: int) -> None:
        """Cancel the interruptible background tasks."""
        del time_s, turn
        self.context.cancel_interruptible_tasks()


def _event_of(given: Given) -> tuple[sdk.Event, Mapping[str, Any] | None]:
    """Return the SDK's event for an input, and what the log says besides: what was said if it was misheard."""
    if isinstance(given, Interrupt):
        return sdk.TextEvent(given.source, given.text), None
    if isinstance(given, Recognised):
        said: dict[str, Any] = {} if given.said == given.text else {"said": given.said}
        return sdk.TextEvent(given.source, given.text), said | dict(given.facts)
    if given is START:
        return sdk.start_event(), None
    if isinstance(given, Timeout):
        return sdk.TimeoutEvent(given.count, given.ms_since_input), None
    if isinstance(given, Press):
        return sdk.DTMFEvent(given.digits), None
    if isinstance(given, Custom):
        return sdk.CustomEvent(given.name, dict(given.data)), None
    return sdk.deliverable(given.event), None  # type: ignore[union-attr]
