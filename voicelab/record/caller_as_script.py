"""A session's caller as a script again: what it said, pressed and kept silent, to be played to another handler."""

from collections.abc import Sequence
from typing import Literal

from voicelab.base.records import Event
from voicelab.callers.actions import Action, Custom, HangUp, Interrupt, Press, Say, Silence
from voicelab.record.readable import readable


def script_of(events: Sequence[Event], status: str) -> list[Action]:
    """Return the caller's side of a session as a script for `vl.run` and `vl.simulate`."""
    events = [readable(event) for event in events]
    script: list[Action] = []
    fell_silent_s: float | None = None
    timeouts = False
    for event in events:
        if event.name == "turn_end" and not timeouts:
            fell_silent_s = event.time_s
        if event.kind != "input" or event.name in {"start", "stop"}:
            continue
        if event.name == "timeout":
            timeouts = True
            continue
        if timeouts and fell_silent_s is not None:
            script.append(Silence(round(event.time_s - fell_silent_s, 3)))
        timeouts = False
        script.append(_as_input(events, event))
    if timeouts and fell_silent_s is not None:
        # Without it the copy would end before the agent could ask into the silence.
        script.append(Silence(round(events[-1].time_s - fell_silent_s, 3)))
    return [*script, HangUp()] if status == "hangup" else script


def _as_input(events: Sequence[Event], event: Event) -> Action:
    data = event.data
    if event.name == "text":
        text = data.get("said", data.get("text", ""))
        source: Literal["text", "speech"] = "text" if data.get("source") == "text" else "speech"
        if data.get("previous_turn_interrupted"):
            return Interrupt(text, _cut_after_s(events, event), source)
        return Say(text, source)
    if event.name == "dtmf":
        return Press(data.get("digits", ""))
    return Custom(event.name, {key: value for key, value in data.items() if key != "custom"})


def _cut_after_s(events: Sequence[Event], event: Event) -> float:
    """Return how far into the agent's speech an interruption came."""
    cuts = [e for e in events[: event.seq] if e.name == "turn_interrupted"]
    if not cuts:  # another system's log may not say when
        return 0.0
    cut = cuts[-1]
    spoken = [e.time_s for e in events if e.turn == cut.turn and e.name == "text_to_speech"]
    return round(max(0.0, cut.time_s - min(spoken, default=cut.time_s)), 3)
