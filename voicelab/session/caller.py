"""The caller's side of a session: what the caller plans, does and says, and how that becomes an input of the handler.

The caller itself is asked by the protocol of `callers/protocol.py`, whenever the agent has finished. What it does happens
at once, or later: words that are spoken reach the agent when they have been said (`Session.saying`), a plan waits for its
moment in the agent's silence (`plan`), some things have a fixed time (`timed`), and some cut in on the agent's speech
(`cut_in_at`).
"""

from collections.abc import Callable, Mapping
from typing import Any

from voicelab.base.pace import speech_seconds
from voicelab.callers.actions import (
    BEGINS,
    Action,
    Again,
    At,
    Custom,
    HangUp,
    Interrupt,
    Press,
    Recognised,
    Say,
    Send,
    Silence,
    Unheard,
)
from voicelab.callers.backchannels import interrupts
from voicelab.callers.protocol import Heard
from voicelab.runtime import sdk
from voicelab.session import rows
from voicelab.session.inputs import Given, Start, Timeout
from voicelab.session.playback import speaks_for
from voicelab.session.rows import add_flat_row, add_row
from voicelab.session.session_state import Session
from voicelab.session.surroundings import Surroundings
from voicelab.session.turns import end_conversation, first_sound, is_idle, no_words, offer
from voicelab.session.utterance import NEVER, joined

_WORDS = (Say, Interrupt)
_Words = Say | Interrupt | Recognised | Unheard
_Reaches = Action | Recognised | Unheard | None


def caller_moves(s: Session, now: float) -> bool:
    """Do the next thing that the caller does at this time; return whether there was any."""
    if s.saying and s.saying[0][0] <= now:
        arrives(s, now, s.saying.pop(0)[1])
        return True
    if s.cut_in_at <= now:
        return _cut_in(s, now)
    if s.timed and s.timed[0][0] <= now:
        return _act(s, now, s.timed.pop(0)[1])
    if s.running or s.queue or s.saying or s.ended is not None:
        return False
    if s.plan_at == NEVER:
        return s.answered and _ask(s, now)
    if now < s.plan_at:
        return False
    plan, s.plan, s.plan_at = s.plan, None, NEVER
    # Without a plan, what was waited for is the end of a silence of fixed length.
    return _ask(s, now) if plan is None else _act(s, now, plan)


def agent_begins(s: Session, now: float) -> None:
    """Have the caller decide, as the agent begins to speak, whether to cut in."""
    after_s = s.interrupts_after()
    if after_s is not None and not s.saying:
        s.cut_in_at = min(s.cut_in_at, now + after_s)


def caller_leaves(s: Session) -> None:
    """Let go of whatever the caller had planned: the conversation is over."""
    s.plan, s.plan_at, s.cut_in_at = None, NEVER, NEVER
    s.saying.clear()
    s.timed.clear()


def act_now(s: Session, now: float, action: Action | Recognised) -> None:
    """Do what a live caller does at this moment; words are complete when they come."""
    if isinstance(action, Say | Recognised):
        s.heard.clear()
        offer(s, now, action, speech=True)
    else:
        _act(s, now, action)


# --- the caller is asked, and does something -------------------------------------------------------------------------


def _ask(s: Session, now: float) -> bool:
    s.answered = False
    s.cut_in_at = NEVER  # the agent was faster: it had finished before the caller cut in
    heard = Heard(s.heard[0] if len(s.heard) == 1 else joined(s.heard), s.timeouts, False, now)
    action = s.reply(heard)
    if type(action) is Say and not action.after_s:  # nearly always
        _say(s, now, action)
        return True
    while isinstance(action, At):
        timed: tuple[float, Action] = (max(now, action.time_s), action.input)  # type: ignore[assignment]
        s.timed = sorted([*s.timed, timed], key=_due_at)
        action = s.reply(heard)
    if action is None:
        if not s.timed:
            end_conversation(s, now, "completed")
        return not s.timed
    if isinstance(action, Silence):
        s.plan_at = NEVER if action.seconds is None else now + action.seconds
        return False
    if isinstance(action, Again):
        s.plan, s.plan_at = action, action.at_s
        return now >= action.at_s and caller_moves(s, now)
    after_s = 0.0 if isinstance(action, Interrupt) else action.after_s
    if not after_s:
        return _act(s, now, action)
    s.plan, s.plan_at = action, now + after_s
    return False


def _due_at(timed: tuple[float, Action]) -> float:
    return timed[0]


def _cut_in(s: Session, now: float) -> bool:
    s.cut_in_at = NEVER
    if is_idle(s):  # the agent was faster; the caller is asked as usual
        return caller_moves(s, now)
    heard = joined([*s.heard, *([s.queue[0].heard_by(now)] if s.queue else [])])
    action = s.reply(Heard(heard.strip(), s.timeouts, True, now))
    if action is None or isinstance(action, At | Silence):
        return False
    return _act(s, now, action)


def _act(s: Session, now: float, action: Action) -> bool:
    if isinstance(action, _WORDS):
        _say(s, now, action)
    elif isinstance(action, HangUp):
        end_conversation(s, now, "hangup")
    elif isinstance(action, Press):
        s.heard.clear()
        offer(s, now, action, speech=True)
    elif isinstance(action, Again):
        action.do(now)
    else:
        offer(s, now, action, speech=False)
    return True


def _say(s: Session, now: float, words: Say | Interrupt) -> None:
    s.plan, s.plan_at = None, NEVER
    if s.is_plain and words.source == "text":  # nearly always
        s.heard.clear()
        offer(s, now, words, speech=True)
        return
    if s.telephone is not None:
        s.heard.clear()
        # Sound reaches the agent as a beginning, and what was recognised a while later.
        s.saying += [(now + at_s, what) for at_s, what in s.telephone.say(words.text)]
        if s.saying[0][0] <= now:
            caller_moves(s, now)
        return
    what = words if s.surroundings is None else _heard_in(s.surroundings, words)
    if words.source == "speech":
        speak(s, now, now + speech_seconds(words.text), what)
    else:
        s.heard.clear()
        arrives(s, now, what)


def speak(s: Session, now: float, arrives_s: float, what: _Words) -> None:
    """Begin to say what reaches the agent at a time."""
    seconds = arrives_s - now - float(getattr(what, "facts", {}).get("end_of_turn_s", 0.0))
    if listens := _sign_of_listening(s, now, what, seconds):
        s.saying.append((arrives_s, listens))
        return
    begin_words(s, now, arrives_s, what)


def begin_words(s: Session, now: float, arrives_s: float, what: _Words) -> None:
    """Take the floor with words that reach the agent at a time."""
    s.heard.clear()
    s.saying.append((arrives_s, what))
    first_sound(s, now)


def _heard_in(surroundings: Surroundings, said: Say | Interrupt) -> Say | Interrupt | Recognised | Unheard:
    """Return the caller's words as the world's recogniser gives them to the agent."""
    if not surroundings.mishears:
        return said
    text = surroundings.recognised(said.text)
    if text == said.text:
        return said
    return Recognised(text, said.text, {}, said.source) if text else Unheard({"said": said.text})


# --- what was said reaches the agent ---------------------------------------------------------------------------------


def arrives(s: Session, now: float, what: _Reaches) -> None:
    """Take what reaches the agent of what the caller does."""
    if what is BEGINS:
        _begins(s, now)
    elif isinstance(what, Unheard):
        no_words(s, now)
        unheard(s, now, what)
    else:
        offer(s, now, what, speech=True)


def _begins(s: Session, now: float) -> None:
    """Take the floor with a first sound, unless it turns out to be a sign of listening.

    A real agent lowers its voice until it knows, and stops then; what it has said meanwhile counts as not heard.
    """
    at_s, what = s.saying[0]
    seconds = at_s - now
    if isinstance(what, Recognised | Unheard):
        seconds -= float(what.facts.get("end_of_turn_s", 0.0))
        if listens := _sign_of_listening(s, now, what, seconds):
            s.saying[0] = (at_s, listens)
            return
    first_sound(s, now)


def _sign_of_listening(s: Session, now: float, what: _Reaches, seconds: float) -> Unheard | None:
    """Return words over the agent's as a sign of listening, if they are one."""
    left_s = speaks_for(s, now)
    text = getattr(what, "text", "")
    if left_s is None or interrupts(seconds, text, left_s):
        return None
    if isinstance(what, Unheard):
        return what
    facts = dict(what.facts) if isinstance(what, Recognised) else {}
    said = {"said": what.said} if isinstance(what, Recognised) and what.said != text else {}
    return Unheard({**facts, **said} | ({"text": text, "backchannel": True} if text else {}))


def unheard(s: Session, now: float, what: Unheard) -> None:
    """Record sound in which no words were found, or a sign of listening: the handler hears of neither."""
    label = rows.BACKCHANNEL if what.facts.get("backchannel") else rows.UNHEARD
    add_row(s, now, s.turn, label, {k: v for k, v in what.facts.items() if k != "backchannel"})


# --- an input is put before the handler ------------------------------------------------------------------------------


def put_before_handler(s: Session, now: float, given: Given, heard: str | None) -> None:
    """Record an input and put it before the handler (`Session.deliver`).

    Args:
        s: The session.
        now: The time.
        given: The input.
        heard: What was heard of the turn that it interrupted, or None.
    """
    if type(given) is Say:  # nearly always
        event, known = sdk.text_event(given.source, given.text), None
    else:
        event, known = _EVENTS[type(given)](given)
    turn = event.turn = s.turn
    data = event.data
    if heard is not None:
        data |= {
            "previous_turn_interrupted": True,
            "previous_turn_agent_transcript": heard,
            "transcript_prev_assistant": heard,
            "transcript_prev_interrupted": True,
        }
    if event.name == "text":
        text = data["text"]
        add = add_flat_row if len(text) < rows.LONG else add_row
        if known is None:
            add(s, now, turn, rows.TEXT, data)
        else:
            add_row(s, now, turn, rows.TEXT, data | known)
        add(s, now, turn, rows.TRANSCRIPT, {"role": "user", "content": text})
        s.transcript.append({"role": "user", "content": text, "interrupted": False})
    else:
        add_row(s, now, turn, ("input", event.name, bool(event.background), None), data)
    s.inbox.append(event)


_Made = tuple[sdk.Event, Mapping[str, Any] | None]
"""The SDK's event for an input, and what the log says besides: what was said if it was misheard."""


def _recognised(given: Recognised) -> _Made:
    said: dict[str, Any] = {} if given.said == given.text else {"said": given.said}
    return sdk.text_event(given.source, given.text), said | dict(given.facts)


_EVENTS: dict[type, Callable[[Any], _Made]] = {
    Say: lambda given: (sdk.text_event(given.source, given.text), None),
    Interrupt: lambda given: (sdk.text_event(given.source, given.text), None),
    Recognised: _recognised,
    Start: lambda _: (sdk.start_event(), None),
    Timeout: lambda given: (sdk.TimeoutEvent(given.count, given.ms_since_input), None),
    Press: lambda given: (sdk.DTMFEvent(given.digits), None),
    Custom: lambda given: (sdk.CustomEvent(given.name, dict(given.data)), None),
    Send: lambda given: (sdk.deliverable(given.event), None),
}
