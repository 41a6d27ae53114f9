"""What a logged caller did reaches the agent again: words, keys, signals, and the end."""

import orjson

from voicelab.base.records import EventRow
from voicelab.callers.actions import Custom, HangUp, Press, Send, Unheard
from voicelab.record.caller_acts import CallerAct
from voicelab.runtime import sdk
from voicelab.session import rows
from voicelab.session.caller import arrives, begin_words, speak
from voicelab.session.session_state import Session
from voicelab.session.turns import end_conversation, offer


def do_again(s: Session, now: float, act: CallerAct, arrives_s: float, logged: EventRow | None = None) -> None:
    """Do again what a caller did, with what reached the agent of it; in step, as the logged row tells."""
    reached = act.reached
    if reached is None or isinstance(reached, HangUp):
        end_conversation(s, now, "completed" if reached is None else "hangup")
    elif isinstance(reached, Custom):
        offer(s, now, _signal(act, reached, is_logged=logged is not None), speech=False)
    elif isinstance(reached, Press):
        s.heard.clear()
        offer(s, now, reached, speech=True)
    elif act.arrives_s > act.begins_s and logged is not None and logged[2] in {rows.TEXT, rows.INPUT_HELD}:
        begin_words(s, now, arrives_s, reached)  # known to be no sign of listening
    elif act.arrives_s > act.begins_s and logged is not None and logged[2] == rows.BACKCHANNEL:
        s.saying.append((arrives_s, Unheard({**orjson.loads(logged[3]), "backchannel": True})))
    elif act.arrives_s > act.begins_s:
        speak(s, now, arrives_s, reached)
    else:
        s.heard.clear()
        arrives(s, now, reached)


def _signal(act: CallerAct, reached: Custom, *, is_logged: bool) -> Custom | Send:
    """Return what sends a signal again; one that came to nobody is the one that its row names."""
    if is_logged and act.dropped_as:
        if not act.dropped_as.startswith("Send("):
            return reached
        kind = act.dropped_as.removeprefix("Send(").partition("(")[0]
        return Send(type(kind, (sdk.Event,), {})(reached.name, dict(reached.data)))
    if "custom" in reached.data or not reached.data:
        return reached
    return Send(sdk.Event(reached.name, dict(reached.data), background=act.background))
