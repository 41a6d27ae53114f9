"""What a session's caller did, and when: each of its acts read off the rows, with what it had heard by then.

The log has the moment at which words reached the agent. When they began, what the agent was at just then, and what the caller
had heard since it last did something, is what tells the same caller's part in another conversation.
"""

import ast
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from voicelab.base.pace import speech_seconds
from voicelab.base.records import Event
from voicelab.callers.actions import Custom, HangUp, Interrupt, Press, Recognised, Say, Unheard
from voicelab.record.agent_activity import AgentActivity
from voicelab.record.caller_speech import CallerSpeech
from voicelab.record.readable import readable

Reached = Say | Interrupt | Recognised | Unheard | Press | Custom | HangUp
"""What reaches the agent of an act; of the caller's leaving, that."""
During = Literal["silence", "speech", "work"]
"""What the agent is at: nothing, speaking, or working without a sound."""

OF_AN_INTERRUPTION = frozenset(
    {
        "previous_turn_interrupted",
        "previous_turn_agent_transcript",
        "transcript_prev_assistant",
        "transcript_prev_interrupted",
    }
)
"""What an input's row says of the turn that it interrupted: that is no part of the input."""
_ROUNDING_S = 1e-9
_OF_A_TIMEOUT = frozenset({"count", "ms_since_input"})
_HELD = {"Say": Say, "Interrupt": Interrupt, "Recognised": Recognised, "Press": Press, "Custom": Custom}


@dataclass(frozen=True, slots=True)
class CallerAct:
    """Something that a caller did.

    Attributes:
        reached: What reached the agent of it; None: the caller had nothing more to do, and the session ended.
        begins_s: When it began: the first sound, the key.
        arrives_s: When it reached the agent.
        during: What the agent was at as it began.
        since_s: Since when: the end of its last words or work, the beginning of its speech, or of its work.
        rests: How often the agent had finished since the act before.
        timeouts: How many silences the agent was told of since then.
        heard: What the caller heard of the agent since then.
        background: Whether what reached the agent is an event of the background.
        dropped_as: How the row of what came to nobody names it.
        seq: The row that tells of it.
    """

    reached: Reached | None
    begins_s: float
    arrives_s: float
    during: During = "silence"
    since_s: float = 0.0
    rests: int = 0
    timeouts: int = 0
    heard: str = ""
    background: bool = False
    dropped_as: str = ""
    seq: int = 0


def acts_of(events: Sequence[Event], status: str, ended_s: float) -> tuple[list[CallerAct], CallerAct]:
    """Return what a caller did, in order, and an act that never came: what it heard, and how often, after its last.

    Args:
        events: The session's events.
        status: How it ended.
        ended_s: When, in seconds.
    """
    events = [readable(event) for event in events]
    times = sorted({event.time_s for event in events})
    found = [_at_once_with_a_row(act, times) for act in _found(events, status, ended_s)]
    found = _as_they_began(found, events, ended_s)
    found.sort(key=lambda act: (act.begins_s, _first_sound_at(act, events)))
    activity = AgentActivity(events)
    acts: list[CallerAct] = []
    before = CallerAct(None, 0.0, 0.0, seq=-1)
    for act in [*found, CallerAct(None, float("inf"), float("inf"), seq=len(events))]:
        interrupts = any(
            event.name == "turn_interrupted" and event.time_s == act.begins_s
            for event in events[max(before.seq, 0) if before.seq < act.seq else 0 : act.seq]
        )
        leaves = isinstance(act.reached, HangUp)
        during, since_s = activity.at(act.begins_s, act.seq, interrupts=interrupts, leaves=leaves)
        if act.reached is None:
            during = "silence"
        elif during == "silence" and act.begins_s == act.arrives_s and _is_held(events, act.seq):
            during = "work"  # or speaks on without a turn of its own: it was no moment to answer in
        if during == "work" and since_s <= before.begins_s:
            since_s = before.begins_s
        rests, timeouts, heard = activity.between(before.begins_s, before.seq, act.begins_s, act.seq)
        acts.append(replace(act, during=during, since_s=since_s, rests=rests, timeouts=timeouts, heard=heard))
        before = act
    return acts[:-1], acts[-1]


def _is_held(events: Sequence[Event], seq: int) -> bool:
    return seq < len(events) and events[seq].name == "input_held"


def _found(events: Sequence[Event], status: str, ended_s: float) -> Iterator[CallerAct]:
    speech = CallerSpeech()
    for event in events:
        speech.take(event)
    typed = {str(e.data.get("source")) for e in events if e.kind == "input" and e.name == "text"} == {"text"}
    waiting: list[tuple[str, Reached]] = []
    cut_in_s: float | None = None
    for event in events:
        data = event.data
        if event.name == "turn_interrupted":
            cut_in_s = event.time_s
        elif event.name in {"input_held", "input_dropped"} and event.kind == "system":
            if (held := _held(event, waiting)) is not None:
                dropped_as = str(event.data.get("input", "")) if event.name == "input_dropped" else ""
                yield replace(_act(event, held, cut_in_s, None, typed=typed), dropped_as=dropped_as)
        elif event.name in {"unheard", "backchannel"} and event.kind == "system":
            yield _act(event, _unheard(event), cut_in_s, None, typed=typed)
            cut_in_s = None
        elif event.kind == "input" and event.name not in {"start", "stop"}:
            if event.name == "timeout" and data.keys() <= _OF_A_TIMEOUT:
                continue
            if waiting and _says(waiting[0][1], event):
                waiting.pop(0)
                continue
            act = _act(event, reached_by(event), cut_in_s, speech.heard(event.seq), typed=typed)
            yield replace(act, background=True) if event.background else act
            cut_in_s = None
    end = _end_of(events)
    if status == "hangup":
        yield CallerAct(HangUp(), ended_s, ended_s, seq=end)
    elif status != "transferred" and not any(_ends(event, status, ended_s) for event in events[:end]):
        yield CallerAct(None, ended_s, ended_s, seq=end)


def _held(event: Event, waiting: list[tuple[str, Reached]]) -> Reached | None:
    """Return what was done that had to wait, or came to nobody; None where it is known from when it began to wait."""
    told = str(event.data.get("input", ""))
    if event.name == "input_dropped" and waiting and waiting[0][0] == told:
        waiting.pop(0)
        return None
    held = _told(told)
    if held is not None and event.name == "input_held":
        waiting.append((told, held))
    return held


def _ends(event: Event, status: str, ended_s: float) -> bool:
    """Return whether an event ends its session: the agent's own end, or an error of the last moment."""
    if event.kind != "output" or event.data.get("spoken") is False:
        return False
    return event.name == "stop" or (status != "completed" and event.name == "error" and event.time_s == ended_s)


def _end_of(events: Sequence[Event]) -> int:
    stops = [event.seq for event in events if event.kind == "input" and event.name == "stop"]
    return stops[-1] if stops else len(events)


def _act(
    event: Event, reached: Reached, cut_in_s: float | None, heard: tuple[float, float] | None, *, typed: bool
) -> CallerAct:
    """Return the act that a row tells of; words have begun some time before they arrived."""
    arrived_s = event.time_s
    text = said_of(reached)
    if text is None or getattr(reached, "source", "speech") == "text" or (isinstance(reached, Unheard) and typed):
        return CallerAct(reached, arrived_s, arrived_s, seq=event.seq)
    facts = getattr(reached, "facts", {})
    seconds = speech_seconds(text)
    if facts.get("audio_s") and heard is not None:
        begins_s = heard[0]
    elif facts.get("audio_s"):
        begins_s = arrived_s - float(facts["audio_s"])
    elif cut_in_s is not None and facts.get("engine"):
        begins_s = cut_in_s
    else:
        begins_s = arrived_s - seconds
    if cut_in_s is not None and facts.get("audio_s"):
        begins_s = cut_in_s
    return CallerAct(reached, max(0.0, begins_s), arrived_s, seq=event.seq)


def _at_once_with_a_row(act: CallerAct, times: Sequence[float]) -> CallerAct:
    """Return words as beginning at the very time of a row, where they may: a difference of floats is off by the last bit."""
    near = bisect_left(times, act.begins_s - _ROUNDING_S)
    if act.begins_s < act.arrives_s and near < len(times) and times[near] <= act.begins_s + _ROUNDING_S:
        return replace(act, begins_s=times[near])
    return act


def _as_they_began(acts: Sequence[CallerAct], events: Sequence[Event], ended_s: float) -> list[CallerAct]:
    """Return acts with the beginnings of what had to wait: for the words before, or, a signal, for the handler."""
    found: list[CallerAct] = []
    spoken: CallerAct | None = None
    for act in sorted(acts, key=lambda act: act.seq):
        if act.arrives_s > act.begins_s:
            if spoken is not None and spoken.arrives_s == act.arrives_s:
                act = replace(act, begins_s=spoken.begins_s)  # it was said while the words before were
            elif found and isinstance(found[-1].reached, Custom) and found[-1].arrives_s == act.arrives_s:
                # Words that are complete come before a signal of the same time.
                found[-1] = _since_the_last_input(found[-1], events)
            spoken = act
        elif isinstance(act.reached, Custom) and _is_left_over(events, act.seq, ended_s):
            before_the_end = [event for event in events[: act.seq] if event.time_s < ended_s]
            act = _since_the_last_input(act, before_the_end)
        elif isinstance(act.reached, Custom) and _is_before_words(events, act.seq):
            act = _since_the_last_input(act, events)
        found.append(act)
    return found


def _first_sound_at(act: CallerAct, events: Sequence[Event]) -> int:
    """Return the row at which an act began, among those of its time: words that didn't interrupt began before the agent did."""
    is_said = said_of(act.reached) is not None and act.begins_s < act.arrives_s
    if not is_said or (act.seq < len(events) and events[act.seq].name == "backchannel"):
        return act.seq
    own = [event for event in events[: act.seq] if event.time_s == act.begins_s]
    cuts = [event.seq for event in own if event.name == "turn_interrupted"]
    for cut in cuts:
        after = next((e for e in own if e.seq > cut and e.kind == "input"), None)
        if after is None or after.name not in {"text", "dtmf"}:
            return cut
    done = [event.seq for event in own if event.kind == "input" and event.name in {"text", "dtmf"}]
    if done and any(event.name == "turn_end" and event.seq > done[-1] for event in own):
        return act.seq  # the agent had answered at once
    return cuts[-1] if cuts else done[0] - 1 if done else act.seq


def _since_the_last_input(act: CallerAct, events: Sequence[Event]) -> CallerAct:
    inputs = [event for event in events[: act.seq] if event.kind == "input"]
    return replace(act, begins_s=inputs[-1].time_s, seq=inputs[-1].seq + 1) if inputs else act


def _is_before_words(events: Sequence[Event], seq: int) -> bool:
    """Return whether an input came as a turn had ended of which the words are written down later: the caller wasn't asked yet."""
    if not seq or events[seq - 1].name != "turn_end" or events[seq - 1].time_s != events[seq].time_s:
        return False
    after = (e for e in events[seq:] if e.name == "transcript_part" and e.data.get("role") == "agent")
    part = next(after, None)
    told = part is not None and any(
        e.name == "text_to_speech" and e.data.get("text") and str(part.data.get("content")).startswith(e.data["text"])
        for e in events[:seq]
        if e.turn == events[seq - 1].turn
    )
    return told and part is not None and part.turn == events[seq - 1].turn


def _is_left_over(events: Sequence[Event], seq: int, ended_s: float) -> bool:
    """Return whether a row tells of an input that still waited when the session had ended."""
    first = seq
    while first >= 0 and events[first].name == "input_dropped" and events[first].time_s == ended_s:
        first -= 1
    return first not in {seq, -1} and events[first].name == "turn_end" and events[first].time_s == ended_s


def said_of(reached: Reached | None) -> str | None:
    """Return the caller's words in what reached the agent; None of what isn't said."""
    if isinstance(reached, Say | Interrupt):
        return reached.text
    if isinstance(reached, Recognised):
        return reached.said
    if isinstance(reached, Unheard):
        return str(reached.facts.get("said", reached.facts.get("text", "")))
    return None


def reached_by(event: Event) -> Reached:
    """Return what an input's row says that has reached the agent."""
    data = {key: value for key, value in event.data.items() if key not in OF_AN_INTERRUPTION}
    if event.name == "dtmf":
        return Press(str(data.get("digits", "")))
    if event.name != "text" or data.get("language"):
        return Custom(event.name, data)
    source: Literal["text", "speech"] = "text" if data.get("source") == "text" else "speech"
    text = str(data.get("text", ""))
    facts = {key: value for key, value in data.items() if key not in {"text", "source", "said", "language"}}
    said = str(data.get("said", text))
    return Say(text, source) if said == text and not facts else Recognised(text, said, facts, source)


def _unheard(event: Event) -> Reached:
    data = event.data
    if event.name == "unheard":
        return Unheard(dict(data))
    text = str(data.get("text", ""))
    facts = {key: value for key, value in data.items() if key not in {"text", "said"}}
    said = str(data.get("said", text))
    if not text:
        return Unheard(dict(data))
    return Say(text, "speech") if said == text and not facts else Recognised(text, said, facts, "speech")


def _says(held: Reached, event: Event) -> bool:
    """Return whether an input's row tells of words, or keys, that have waited until then."""
    if isinstance(held, Press):
        return event.name == "dtmf" and event.data.get("digits") == held.digits
    return event.name == "text" and event.data.get("text") == getattr(held, "text", None)


def _told(text: str) -> Reached | None:
    """Return what a row of held or dropped input tells of; None where it can't be read."""
    try:
        call = ast.parse(text, mode="eval").body
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            return None
        if call.func.id == "Send" and isinstance(call.args[0], ast.Call):
            name, data = map(ast.literal_eval, call.args[0].args)
            return Custom(name, _with_text(data))
        values: Mapping[str, Any] = {str(k.arg): ast.literal_eval(k.value) for k in call.keywords}
        return HangUp() if call.func.id == "HangUp" else _HELD[call.func.id](**values)
    except (ValueError, SyntaxError, KeyError, TypeError, IndexError, RecursionError, MemoryError):
        return None


def _with_text(data: Any) -> dict[str, Any]:
    return {str(key): value for key, value in data.items()} if isinstance(data, dict) else {}
