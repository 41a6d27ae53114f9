"""The agent's side of a session: what the handler and its tasks yield, recorded, queued for playback, and acted on."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from voicelab.base.errors import HandlerError, InputError
from voicelab.base.plain_json import class_name, repr_of, whole_characters
from voicelab.callers.pace import speech_seconds
from voicelab.runtime import sdk
from voicelab.runtime.tracebacks import users_line
from voicelab.session.audio_length import audio_seconds
from voicelab.session.caller_side import CallerSide
from voicelab.session.early_end import MayEndEarly
from voicelab.session.turns import NEVER, TurnTaking

Stream = AsyncIterator[object] | None
"""What yielded an event: the handler's generator or a task's; None where the context itself sends it."""


class AgentSide:
    """Records, queues and does what the handler and its tasks yield.

    Args:
        host: The session.
        turns: Its turn-taking.
        caller: The caller's side, which is told when the agent begins to speak.
    """

    __slots__ = ("_caller", "_host", "_now", "_recorder", "_turns")

    def __init__(self, host: MayEndEarly, turns: TurnTaking, caller: CallerSide) -> None:
        self._host = host
        self._turns = turns
        self._caller = caller
        self._now = host.now
        self._recorder = host.recorder

    def perform(self, event: object, stream: Stream, turn: int, task: str | None = None) -> None:
        """Do what one event asks for.

        Args:
            event: What was yielded.
            stream: The generator that yielded it, to name its line if it is no event.
            turn: The turn it belongs to.
            task: Name of the background task, None for the handler itself.

        Raises:
            HandlerError: it is no event.
            InputError: an event that can't be played.
        """
        if not isinstance(event, sdk.Event):
            raise HandlerError(_no_event_text(event, stream))
        host, name = self._host, event.name
        if type(name) is not str or not name.isascii() or type(event.data) is not dict:
            _refuse_misfit(event, stream)
        host.outputs_left -= 1
        if host.outputs_left < 0:
            host.too_much("outputs", users_line(getattr(stream, "ag_frame", None)), task)
        if host.terminal:
            self._after_end(event, stream, turn, task)
        elif type(event) is sdk.TextToSpeechEvent:  # nearly always
            self._speech(event, turn, task)
        else:
            if isinstance(event, sdk.AudioEvent) and not str(event.data.get("path")).startswith(_REMOTE):
                frame = getattr(stream, "ag_frame", None)
                self._host.note("audio_needs_url", frame, path=event.data.get("path"))
            _action_of(type(event))(self, event, turn, task)
        if self._recorder.trouble:
            host.look_into(users_line(getattr(stream, "ag_frame", None)), task)

    def _after_end(self, event: sdk.Event, stream: Stream, turn: int, task: str | None) -> None:
        data = event.data
        if event.name.startswith("metrics."):
            self._host.note("metric_after_end", getattr(stream, "ag_frame", None), name=event.name)
        elif event.name not in _CLEANUP_NAMES:
            data = data | {"spoken": False}
        elif data.get("after_speech"):  # the platform would wait for speech that nobody speaks any more
            data = data | {"spoken": False, "dropped": "the session has ended"}
        self._record(self._now(), turn, event, task, data)

    def _record(
        self, time_s: float, turn: int, event: sdk.Event, task: str | None, data: dict[str, Any] | None = None
    ) -> None:
        data = event.data if data is None else data
        if isinstance(event, sdk.ErrorEvent):
            self._recorder.add_error(time_s, turn, data, task)
            return
        kind = "log" if isinstance(event, sdk.LogEvent) else "output"
        self._recorder.add(time_s, turn, (kind, event.name, task is not None, task), data)

    def _set_recogniser(self, event: sdk.Event, turn: int, task: str | None) -> None:
        if self._caller.telephone is not None:
            self._caller.telephone.settings(event.data)
        self._record_only(event, turn, task)

    def _custom(self, event: sdk.Event, turn: int, task: str | None) -> None:
        """Record a custom event. The handler's own are for the debugger; a task that yields one expects it to arrive."""
        if task is None:
            self._record_only(event, turn, task)
        else:
            self._recorder.tell("unreceived", event.name, task)
            self._record(self._now(), turn, event, task, event.data | {"received": False})

    def _record_only(self, event: sdk.Event, turn: int, task: str | None) -> None:
        self._record(self._now(), turn, event, task)

    def _speech(self, event: sdk.Event, turn: int, task: str | None) -> None:
        data = event.data
        text = data["text"]
        if not isinstance(text, str):
            raise InputError(f"TextToSpeechEvent(text={text!r}): the text must be a str, is {type(text).__name__}.")
        if data.get("replace"):
            self._turns.clear(self._now())
        telephone = self._caller.telephone
        if telephone is None:
            seconds = speech_seconds(text, data.get("speed"))
        else:
            seconds = telephone.agent_seconds(data)
            data = data | {"duration_s": round(seconds, 3)}  # of its sound, which the letters don't tell
        self._play(event, turn, task, text, seconds, data.get("interruptible") is not False, data)

    def _audio(self, event: sdk.Event, turn: int, task: str | None) -> None:
        path = str(event.data.get("path"))
        seconds, remark = audio_seconds(path)
        data = event.data | {"duration_s": seconds}
        if remark:
            data["remark"] = remark
        self._play(event, turn, task, None, seconds, event.data.get("interruptible") is not False, data)

    def _silence(self, event: sdk.Event, turn: int, task: str | None) -> None:
        duration = event.data.get("duration")
        if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 <= duration < float("inf"):
            raise InputError(f"SilenceEvent(duration={duration!r}): give milliseconds from 0 on, e.g. 2000 for 2 s.")
        self._play(event, turn, task, None, duration / 1000, True, event.data)

    def _play(
        self,
        event: sdk.Event,
        turn: int,
        task: str | None,
        text: str | None,
        seconds: float,
        interruptible: bool,
        data: dict[str, Any],
    ) -> None:
        now, turns, recorder = self._now(), self._turns, self._recorder
        if turns.queue:
            turns.advance(now)
        row, voice = len(recorder.events), self._host.voice
        start_s = turns.enqueue(now, turn, text, seconds if voice is None else NEVER, interruptible, row)
        if start_s is None:
            self._record(now, turn, event, task, data | {"spoken": False})
            return
        label = _SPEECH if text is not None and task is None else ("output", event.name, task is not None, task)
        recorder.add(start_s if voice is None else now, turn, label, data)
        if len(turns.queue) == 1:
            self._caller.agent_begins(now)
        if voice is not None:
            voice.play(row, turn, event)

    def _end(self, event: sdk.Event, turn: int, task: str | None) -> None:
        """Take a yielded StopEvent or TransferSessionEvent: speak what is queued and the closing words, then end."""
        data = event.data
        if data.get("clear_speech"):
            self._turns.clear(self._now())
        self._record(self._now(), turn, event, task)
        if data.get("closing_speech"):
            speech = sdk.TextToSpeechEvent(
                data["closing_speech"],
                data.get("voice") or "nova",
                speed=data.get("speed") or 1.0,
                language=data.get("language"),
                interruptible=False,
            )
            self._speech(speech, turn, task)
        self._turns.stop("completed" if isinstance(event, sdk.StopEvent) else "transferred")

    def _interrupt(self, event: sdk.Event, turn: int, task: str | None) -> None:
        self._record(self._now(), turn, event, task)
        self._turns.clear(self._now())

    def _input_allowed(self, event: sdk.Event, turn: int, task: str | None) -> None:
        self._record(self._now(), turn, event, task)
        self._turns.allow(self._now(), bool(event.data.get("allowed")))


_CLEANUP_NAMES = frozenset({"context_patch", "context", "external_event", "log", "error", "debug"})
"""What the platform lets through after the session has ended; anything else is recorded as not spoken."""
_SPEECH = ("output", "text_to_speech", False, None)
_REMOTE = ("http://", "https://", "data:")
_Action = Callable[[AgentSide, sdk.Event, int, str | None], None]
# By class, not by name: the name of an event is an attribute that a handler can set.
_ACTIONS: Mapping[type[sdk.Event], _Action] = {
    sdk.TextToSpeechEvent: AgentSide._speech,
    sdk.AudioEvent: AgentSide._audio,
    sdk.SilenceEvent: AgentSide._silence,
    sdk.StopEvent: AgentSide._end,
    sdk.TransferSessionEvent: AgentSide._end,
    sdk.InterruptEvent: AgentSide._interrupt,
    sdk.InputAllowedEvent: AgentSide._input_allowed,
    sdk.CustomEvent: AgentSide._custom,
    sdk.STTUpdateSettingsEvent: AgentSide._set_recogniser,
}


def _action_of(kind: type[sdk.Event]) -> _Action:
    """Return what a class of events does, or the nearest of the classes that it is derived from."""
    return next((_ACTIONS[base] for base in kind.__mro__ if base in _ACTIONS), AgentSide._record_only)


def _no_event_text(given: object, stream: Stream) -> str:
    return (
        f"{_at(stream)}the handler yielded {repr_of(given)} ({class_name(given)}), which is no event. "
        "Yield events of the SDK, e.g. TextToSpeechEvent(text=...)."
    )


def _refuse_misfit(event: sdk.Event, stream: Stream) -> None:
    """Refuse an event whose attributes no row can hold; in a name, halves of characters are replaced."""
    if not isinstance(event.name, str) or not isinstance(event.data, dict):
        raise HandlerError(
            f"{_at(stream)}the handler yielded {class_name(event)} with the name {repr_of(event.name)} and the data "
            f"{repr_of(event.data)}: an event's name is some text, and its data a dict."
        )
    event.name = whole_characters(event.name)


def _at(stream: Stream) -> str:
    line = users_line(getattr(stream, "ag_frame", None))
    return "" if line is None else f"{line}: "
