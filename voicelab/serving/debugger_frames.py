"""What VoiceRun's debugger and a session say to each other: frames of text, each a JSON object.

From the debugger: `{"start": {...}}` first, with what the session is given; then `{"event": "text"}`, a line that was
typed, `{"event": "media"}`, a piece of the microphone's sound, and `{"event": "mark"}`, whenever all that came before a mark
has been played. There is no frame for hanging up: the debugger closes the connection.

To the debugger: rows of the session, sound and marks, `clear` where what it hasn't played yet is not to be heard, and when
the agent begins and ends to speak.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from voicelab.base.records import Event
from voicelab.record.debugger_rows import debugger_row

BROKEN, REFUSED, FAILED, GOING_AWAY, COMPLETE, TRY_LATER, UNSUPPORTED = 1007, 1008, 1011, 1001, 1000, 1013, 1003
"""Codes that a connection is closed with (RFC 6455)."""
_IDENTITY = frozenset({"agentId", "environment", "inputType", "origin", "functionId"})
"""Parameters of the platform's own, which no handler reads."""


class FrameError(Exception):
    """A frame that no debugger sends.

    Args:
        code: What the connection is closed with.
        reason: Why, in words.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


@dataclass(frozen=True)
class Opening:
    """The first frame.

    Attributes:
        stream: The debugger's name for the stream, which sound and marks bear.
        environment: The environment that was asked for; empty for none.
        parameters: What the handler reads with `get_data`.
    """

    stream: str
    environment: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Typed:
    """A line that was typed, or stood in a script."""

    text: str


@dataclass(frozen=True)
class Played:
    """All that came before a mark has been played, or will not be."""

    mark: str


@dataclass(frozen=True)
class MicrophoneSound:
    """A piece of the microphone's sound: mu-law (ITU-T G.711), 16,000 bytes a second."""

    mulaw: bytes


FromDebugger = Opening | Typed | Played | MicrophoneSound


def read_frame(text: str | bytes) -> FromDebugger | None:
    """Return what a frame says; None for one that asks for nothing.

    Raises:
        FrameError: it is no JSON object, or holds something else than it should.
    """
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise FrameError(BROKEN, "a frame is no JSON") from None
    if not isinstance(frame, dict):
        raise FrameError(BROKEN, "a frame is no JSON object")
    if "start" in frame:
        return _start(_dict(frame, "start"))
    match frame.get("event"):
        case "text":
            return Typed(_text(frame, "text"))
        case "mark":
            return Played(_text(_dict(frame, "mark"), "name"))
        case "media":
            return MicrophoneSound(_sound(_text(_dict(frame, "media"), "payload")))
        case _:
            return None


def _start(start: dict[str, Any]) -> Opening:
    given = start.get("customParameters") or {}
    if not isinstance(given, dict):
        raise FrameError(REFUSED, "customParameters is no JSON object")
    environment = given.get("environment") or ""
    parameters = {key: value for key, value in given.items() if key not in _IDENTITY}
    return Opening(str(start.get("streamSid") or ""), environment if isinstance(environment, str) else "", parameters)


def _dict(frame: dict[str, Any], key: str) -> dict[str, Any]:
    value = frame.get(key)
    if not isinstance(value, dict):
        raise FrameError(REFUSED, f"{key} is no JSON object")
    return value


def _text(frame: dict[str, Any], key: str) -> str:
    value = frame.get(key)
    if not isinstance(value, str):
        raise FrameError(REFUSED, f"{key} is no text")
    return value


def _sound(payload: str) -> bytes:
    try:
        return base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise FrameError(REFUSED, "the sound is no base64") from None


# --- to the debugger -------------------------------------------------------------------------------------------------


def as_sent(frame: Mapping[str, Any]) -> str:
    """Return a frame as text."""
    return orjson.dumps(frame).decode()


def row(session_id: str, event: Event, began_s: float) -> dict[str, Any]:
    """Return an event as a row of the debugger's timeline.

    Args:
        session_id: Of its session.
        event: The event.
        began_s: When the session began, in seconds since 1970.
    """
    return debugger_row(session_id, event) | {"timestamp": round(began_s + event.time_s, 6)}


def told(text: str, level: str = "warning") -> dict[str, Any]:
    """Return a sentence for whoever looks at the debugger; it is no event of the session."""
    return {"event": "debug", "type": "log", "name": "log", "data": {"message": text, "level": level}}


def speaking(*, on: bool) -> dict[str, Any]:
    """Return that the agent begins to speak, or has spoken."""
    return {"label": "rtvi-ai", "type": "bot-started-speaking" if on else "bot-stopped-speaking"}


def sound(stream: str, pcm16: bytes) -> dict[str, Any]:
    """Return a piece of sound to be played: 16 bits, 24,000 samples a second."""
    return {"event": "media", "streamSid": stream, "media": {"payload": base64.b64encode(pcm16).decode()}}


def mark(stream: str, name: str) -> dict[str, Any]:
    """Return a mark, of which the debugger tells when all before it has been played."""
    return {"event": "mark", "streamSid": stream, "mark": {"name": name}}


CLEAR = {"event": "clear"}
