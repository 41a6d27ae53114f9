"""A script as text to be copied: for `vl.run` and `vl.simulate`, or as a file of the VoiceRun CLI."""

import json
from collections.abc import Iterable

from voicelab.callers.actions import (
    Action,
    At,
    Custom,
    HangUp,
    Input,
    Interrupt,
    Press,
    Say,
    SdkEvent,
    Send,
    Silence,
    texts_of,
)


def python_of(script: Iterable[Input]) -> str:
    """Return a script as the Python list that `vl.run(handler, [...])` takes."""
    inputs = [_expression(action) for action in script]
    return "[" + "".join(f"\n    {each}," for each in inputs) + ("\n]" if inputs else "]")


def messages_of(script: Iterable[Action]) -> str:
    """Return a script as `vl.Script.load` and the VoiceRun CLI read it: a JSON array of what is said.

    Keys, silences and events have no place in it and are left out.
    """
    return json.dumps(texts_of(script), ensure_ascii=False, indent=2)


def _expression(action: Input) -> str:
    if isinstance(action, Say):
        text = _quoted(action.text)
        return text if action.source == "text" else f'vl.sdk.TextEvent(source="speech", text={text})'
    if isinstance(action, Interrupt):
        return f"vl.interrupt({_quoted(action.text)}, after_s={action.after_s:g})"
    if isinstance(action, Press):
        return f"vl.press({_quoted(action.digits)})"
    if isinstance(action, Silence):
        return "vl.silence()" if action.seconds is None else f"vl.silence({action.seconds:g})"
    if isinstance(action, Custom):
        return f"vl.sdk.CustomEvent(name={_quoted(action.name)}, data={dict(action.data)!r})"
    if isinstance(action, HangUp):
        return "vl.hang_up()"
    if isinstance(action, At):
        return f"vl.at({action.time_s:g}, {_expression(action.input)})"
    return _of_sdk(action.event) if isinstance(action, Send) else repr(action)


def _of_sdk(event: SdkEvent) -> str:
    """Return an input event of the SDK as what makes it."""
    if event.name == "timeout":
        return f"vl.sdk.TimeoutEvent({event.data.get('count', 1)!r}, {event.data.get('ms_since_input', 0)!r})"
    if event.name == "text":
        return f"vl.sdk.TextEvent(**{event.data!r})"
    return f"vl.sdk.CustomEvent(name={_quoted(event.name)}, data={event.data!r})"


def _quoted(text: str) -> str:
    # JSON writes text as Python does in double quotes.
    return json.dumps(text, ensure_ascii=False)
