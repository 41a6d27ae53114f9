"""The agent's side of a session: what each event does that the handler or a task yields, in one table by its class."""

from collections.abc import AsyncIterable, Callable, Mapping
from types import FrameType
from typing import Any

from voicelab.base.errors import HandlerError, InputError
from voicelab.base.pace import speech_seconds
from voicelab.base.plain_json import class_name, repr_of, whole_characters
from voicelab.runtime import sdk
from voicelab.runtime.portability import make_note
from voicelab.runtime.tracebacks import is_users, users_frame, users_line
from voicelab.session import rows
from voicelab.session.audio_length import audio_seconds
from voicelab.session.caller import agent_begins
from voicelab.session.early_end import look_into, too_much
from voicelab.session.playback import enqueue, tell_gate
from voicelab.session.rows import add_error, add_row, tell_aside
from voicelab.session.session_state import Session
from voicelab.session.turns import advance, allow, clear_speech, end_when_played
from voicelab.session.utterance import NEVER

Stream = AsyncIterable[object] | None
"""What yielded an event: the handler's generator or a task's; None where the context itself sends it."""


def perform(s: Session, stream: Stream, turn: int, task: str | None, event: object) -> bool:
    """Do what one event asks for; return whether its stream is listened to no more, so that nothing was done.

    Args:
        s: The session.
        stream: The generator that yielded it, to name its line if it is no event.
        turn: The turn it belongs to.
        task: Name of the background task, None for the handler itself.
        event: What was yielded.

    Raises:
        HandlerError: it is no event.
        InputError: an event that can't be played.
    """
    if s.cut and stream is s.stream:
        return True
    act = ACTIONS.get(type(event)) or _action_of(event, stream)
    name = event.name  # type: ignore[attr-defined]
    if type(name) is not str or not name.isascii() or type(event.data) is not dict:  # type: ignore[attr-defined]
        _refuse_misfit(event, stream)
    s.outputs_left -= 1
    if s.outputs_left < 0:
        too_much(s, "outputs", users_line(_frame_of(stream)), task)
    if s.terminal:
        act = _after_end
    act(s, event, stream, turn, task)
    if s.trouble:
        look_into(s, users_line(_frame_of(stream)), task)
    if not s.is_virtual:
        s.clock.changed()  # a real clock is told when something else is due now; a virtual one asks
    return False


def pass_note_on(s: Session, rule: str, frame: FrameType | None, **facts: Any) -> None:
    """Pass a portability note on, once for each line of code."""
    # A frame's code is asked for once, and its `id` never: each time raises an audit event, which costs more than all else.
    code = None if frame is None else frame.f_code
    if code is not None and not is_users(code):
        frame = users_frame(frame)
        code = None if frame is None else frame.f_code
    noted = s.settings.noted
    if frame is None or code is None:
        key: tuple[object, ...] = (rule, *facts.values())
    else:
        key = (rule, code.co_filename, code.co_firstlineno, code.co_qualname, frame.f_lasti)
    if key not in noted:
        noted.add(key)
        shown = {name: s.masker.text(fact) if isinstance(fact, str) else fact for name, fact in facts.items()}
        s.settings.add_note(make_note(rule, frame, **shown))


# --- what is played --------------------------------------------------------------------------------------------------


def _speech(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    del stream
    data = event.data
    text = data["text"]
    if not isinstance(text, str):
        raise InputError(f"TextToSpeechEvent(text={text!r}): the text must be a str, is {type(text).__name__}.")
    if data.get("replace"):
        clear_speech(s, s.now())
    if s.telephone is None:
        seconds = speech_seconds(text, data.get("speed"))
    else:
        seconds = s.telephone.agent_seconds(data)
        data = data | {"duration_s": round(seconds, 3)}  # of its sound, which the letters don't tell
    _say(s, event, turn, task, text, seconds, data.get("interruptible") is not False, data)


def _audio(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    path = str(event.data.get("path"))
    if not path.startswith(_REMOTE):
        pass_note_on(s, "audio_needs_url", _frame_of(stream), path=event.data.get("path"))
    seconds, remark = audio_seconds(path)
    data = event.data | {"duration_s": seconds}
    if remark:
        data["remark"] = remark
    _say(s, event, turn, task, None, seconds, data.get("interruptible") is not False, data)


def _silence(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    del stream
    duration = event.data.get("duration")
    if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration < NEVER:
        raise InputError(f"SilenceEvent(duration={duration!r}): give milliseconds from 0 on, e.g. 2000 for 2 s.")
    _say(s, event, turn, task, None, duration / 1000, True, event.data)


def _say(
    s: Session,
    event: sdk.Event,
    turn: int,
    task: str | None,
    text: str | None,
    seconds: float,
    interruptible: bool,
    data: dict[str, Any],
) -> None:
    """Queue what takes time, and record it with the time at which it begins to play."""
    now, voice = s.now(), s.voice
    if s.queue:
        advance(s, now)
    row = len(s.events)
    start_s = enqueue(s, now, turn, text, seconds if voice is None else NEVER, interruptible, row)
    if start_s is None:
        _record(s, now, turn, event, task, data | {"spoken": False})
        return
    label = rows.SPEECH if text is not None and task is None else ("output", event.name, task is not None, task)
    add_row(s, start_s if voice is None else now, turn, label, data)
    if not interruptible:
        tell_gate(s, now)
    if len(s.queue) == 1:
        agent_begins(s, now)
    if voice is not None:
        voice.play(row, turn, event)


# --- what happens at once --------------------------------------------------------------------------------------------


def _end(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    """Take a yielded StopEvent or TransferSessionEvent: speak what is queued and the closing words, then end."""
    data = event.data
    if data.get("clear_speech"):
        clear_speech(s, s.now())
    _record_only(s, event, stream, turn, task)
    if data.get("closing_speech"):
        speech = sdk.TextToSpeechEvent(
            data["closing_speech"],
            data.get("voice") or "nova",
            speed=data.get("speed") or 1.0,
            language=data.get("language"),
            interruptible=False,
        )
        _speech(s, speech, stream, turn, task)
    end_when_played(s, "completed" if isinstance(event, sdk.StopEvent) else "transferred")


def _interrupt(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    _record_only(s, event, stream, turn, task)
    clear_speech(s, s.now())


def _input_allowed(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    _record_only(s, event, stream, turn, task)
    allow(s, s.now(), bool(event.data.get("allowed")))


def _set_recogniser(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    if s.telephone is not None:
        s.telephone.settings(event.data)
    _record_only(s, event, stream, turn, task)


def _custom(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    """Record a custom event. The handler's own are for the debugger; a task that yields one expects it to arrive."""
    if task is None:
        _record_only(s, event, stream, turn, task)
    else:
        tell_aside(s, "unreceived", event.name, task)
        _record(s, s.now(), turn, event, task, event.data | {"received": False})


def _record_only(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    del stream
    _record(s, s.now(), turn, event, task, event.data)


def _after_end(s: Session, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
    data = event.data
    if event.name.startswith("metrics."):
        pass_note_on(s, "metric_after_end", _frame_of(stream), name=event.name)
    elif event.name not in _CLEANUP_NAMES:
        data = data | {"spoken": False}
    elif data.get("after_speech"):  # the platform would wait for speech that nobody speaks any more
        data = data | {"spoken": False, "dropped": "the session has ended"}
    _record(s, s.now(), turn, event, task, data)


def _record(s: Session, time_s: float, turn: int, event: sdk.Event, task: str | None, data: dict[str, Any]) -> None:
    if isinstance(event, sdk.ErrorEvent):
        add_error(s, time_s, turn, data, task)
        return
    kind = "log" if isinstance(event, sdk.LogEvent) else "output"
    add_row(s, time_s, turn, (kind, event.name, task is not None, task), data)


_CLEANUP_NAMES = frozenset({"context_patch", "context", "external_event", "log", "error", "debug"})
"""What the platform lets through after the session has ended; anything else is recorded as not spoken."""
_REMOTE = ("http://", "https://", "data:")

Act = Callable[[Session, Any, Stream, int, str | None], None]
# By class, not by name: the name of an event is an attribute that a handler can set.
ACTIONS: Mapping[type, Act] = {
    sdk.TextToSpeechEvent: _speech,
    sdk.AudioEvent: _audio,
    sdk.SilenceEvent: _silence,
    sdk.StopEvent: _end,
    sdk.TransferSessionEvent: _end,
    sdk.InterruptEvent: _interrupt,
    sdk.InputAllowedEvent: _input_allowed,
    sdk.CustomEvent: _custom,
    sdk.STTUpdateSettingsEvent: _set_recogniser,
}
"""What the events do that do anything besides standing in the log."""


def _action_of(event: object, stream: Stream) -> Act:
    """Return what an event does whose class isn't in the table: as the nearest of the classes that it is derived from."""
    if not isinstance(event, sdk.Event):
        raise HandlerError(
            f"{_at(stream)}the handler yielded {repr_of(event)} ({class_name(event)}), which is no event. "
            "Yield events of the SDK, e.g. TextToSpeechEvent(text=...)."
        )
    return next((ACTIONS[base] for base in type(event).__mro__ if base in ACTIONS), _record_only)


def _refuse_misfit(event: Any, stream: Stream) -> None:
    """Refuse an event whose attributes no row can hold; in a name, halves of characters are replaced."""
    if not isinstance(event.name, str) or not isinstance(event.data, dict):
        raise HandlerError(
            f"{_at(stream)}the handler yielded {class_name(event)} with the name {repr_of(event.name)} and the data "
            f"{repr_of(event.data)}: an event's name is some text, and its data a dict."
        )
    event.name = whole_characters(event.name)


def _frame_of(stream: Stream) -> FrameType | None:
    frame: FrameType | None = getattr(stream, "ag_frame", None)
    return frame


def _at(stream: Stream) -> str:
    line = users_line(_frame_of(stream))
    return "" if line is None else f"{line}: "
