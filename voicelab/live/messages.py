"""A front end's messages, and what each asks of the conversation (docs/console-protocol.md)."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from voicelab.live.talk import Talk

Message = dict[str, Any]


def take(talk: "Talk", engine: str | None, message: Message, buffers: list[bytes]) -> None:
    """Do what a message asks for; one that nobody knows asks for nothing.

    Args:
        talk: The conversation.
        engine: The page that has the sound: another one's sound is not taken.
        message: The message.
        buffers: What came with it.

    Raises:
        VoicelabError: it asks for what isn't possible.
        KeyError, TypeError, ValueError: it can't be read.
    """
    kind = message.get("k")
    if kind in _SOUND and message.get("engine", engine) == engine:
        _SOUND[kind](talk, message, buffers)
    elif kind in _ASKS:
        _ASKS[kind](talk, message)


def _samples(buffers: list[bytes]) -> npt.NDArray[np.int16]:
    data = buffers[0] if buffers else b""
    return np.frombuffer(data[: len(data) // 2 * 2], np.dtype("<i2"))


_ASKS: dict[str, Callable[["Talk", Message], None]] = {
    "hello": lambda talk, m: talk.hello(str(m["engine"])),
    "pong": lambda talk, m: talk.pong(str(m["engine"])),
    "connect": lambda talk, m: talk.connect(str(m["engine"])),
    "new": lambda talk, m: talk.renew(str(m["engine"])),
    "hang_up": lambda talk, _: talk.hang_up(),
    "say": lambda talk, m: talk.say(m["text"]),
    "key": lambda talk, m: talk.press(str(m["digit"])),
    "event": lambda talk, m: talk.custom(m["name"], m.get("data") or {}),
    "timeout": lambda talk, _: talk.timeout(),
    "force": lambda talk, m: talk.force(str(m["test"]), None if m["variant"] is None else str(m["variant"])),
    "set": lambda talk, m: talk.set(str(m["name"]), m["value"]),
    "rate": lambda talk, m: talk.rate(m.get("value"), str(m.get("note") or "")),
    "download": lambda talk, m: talk.download(str(m["what"])),
    "replay": lambda talk, m: talk.replay(str(m["engine"])),
}
_SOUND: dict[str, Callable[["Talk", Message, list[bytes]], None]] = {
    "microphone": lambda talk, m, _: talk.microphone(m.get("error"), on=bool(m["on"])),
    "pcm": lambda talk, _, buffers: talk.hears(_samples(buffers)),
    "talk": lambda talk, m, _: talk.holds(bool(m["on"])),
    "onset": lambda talk, *_: talk.onset(),
    "heard": lambda talk, m, _: talk.heard(str(m["text"]), bool(m["final"])),
    "started": lambda talk, m, _: talk.started(int(m["row"])),
    "ended": lambda talk, m, _: talk.played(int(m["row"])),
}
