"""A front end's messages, and what each asks of the console (the table is in `voicelab.live.page_messages`)."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from voicelab.base.accepted_types import Json
from voicelab.live.call import Call
from voicelab.live.page_check import known_message
from voicelab.live.page_messages import CONSOLE

Message = dict[str, Any]


class PageRequests(Protocol):
    """What a front end can ask for."""

    def hello(self, engine: str) -> None:
        """Show a page everything."""

    def pong(self, engine: str) -> None:
        """Learn that a page is still there."""

    def connect(self, engine: str) -> None:
        """Start a session, heard and spoken on a page."""

    def renew(self, engine: str) -> None:
        """End the running session and start another."""

    def hang_up(self) -> None:
        """End the running session as the caller."""

    def say(self, text: Json) -> None:
        """Say something typed."""

    def say_now(self, number: int) -> None:
        """Say words that wait at once."""

    def take_back(self, number: int) -> None:
        """Don't say words that wait."""

    def press(self, digit: str) -> None:
        """Press a key."""

    def custom(self, name: Json, data: Json) -> None:
        """Send a custom event."""

    def timeout(self) -> None:
        """Tell the handler of a silence."""

    def force(self, test: str, variant: str | None) -> None:
        """Force a variant in the next session."""

    def write_next(self, name: str, text: str) -> None:
        """Give the next session's parameters or input data."""

    def set_variable(self, name: str, value: str | None) -> None:
        """Give a variable for the next session."""

    def open(self, number: int) -> None:
        """Show a session that has ended."""

    def script(self, engine: str) -> None:
        """Send a page what the caller did, as scripts."""

    def set(self, name: str, value: Json) -> None:
        """Change a setting."""

    def rate(self, value: Json, note: str) -> None:
        """Take the person's verdict on a blind session."""

    def download(self, what: str) -> None:
        """Send the last session as a file."""

    def replay(self, engine: str) -> None:
        """Send a page the last session's sound."""

    def microphone(self, error: str | None, *, on: bool) -> None:
        """Be told that the microphone is open or closed."""


def dispatch(
    console: PageRequests, call: Call | None, engine: str | None, message: Message, buffers: list[bytes]
) -> None:
    """Do what a message asks for; one that nobody knows asks for nothing.

    Args:
        console: Does it.
        call: The running session, which takes the sound; what comes when none runs is not missed.
        engine: The page that has the sound: what another one says of sound is not taken.
        message: The message.
        buffers: What came with it.

    Raises:
        VoicelabError: it asks for what isn't possible, or can't be read.
    """
    known = known_message(CONSOLE.to_kernel, message)
    if known is None or (known.of_sound and message.get("engine", engine) != engine):
        return
    if known.k in _FOR_CONSOLE:
        _FOR_CONSOLE[known.k](console, message)
    elif call is not None:
        _FOR_CALL[known.k](call, message, buffers)


def _add_sound(call: Call, _: Message, buffers: list[bytes]) -> None:
    data = buffers[0] if buffers else b""
    samples = np.frombuffer(data[: len(data) // 2 * 2], np.dtype("<i2"))
    if len(samples):
        call.listening.add_sound(samples)


_FOR_CONSOLE: dict[str, Callable[[PageRequests, Message], None]] = {
    "hello": lambda it, m: it.hello(str(m["engine"])),
    "pong": lambda it, m: it.pong(str(m["engine"])),
    "connect": lambda it, m: it.connect(str(m["engine"])),
    "new": lambda it, m: it.renew(str(m["engine"])),
    "hang_up": lambda it, _: it.hang_up(),
    "say": lambda it, m: it.say(m["text"]),
    "say_now": lambda it, m: it.say_now(int(m["number"])),
    "take_back": lambda it, m: it.take_back(int(m["number"])),
    "key": lambda it, m: it.press(str(m["digit"])),
    "event": lambda it, m: it.custom(m["name"], m.get("data") or {}),
    "timeout": lambda it, _: it.timeout(),
    "force": lambda it, m: it.force(str(m["test"]), None if m["variant"] is None else str(m["variant"])),
    "next": lambda it, m: it.write_next(str(m["name"]), str(m["text"])),
    "variable": lambda it, m: it.set_variable(str(m["name"]), None if m["value"] is None else str(m["value"])),
    "open": lambda it, m: it.open(int(m["session"])),
    "script": lambda it, m: it.script(str(m["engine"])),
    "set": lambda it, m: it.set(str(m["name"]), m["value"]),
    "rate": lambda it, m: it.rate(m.get("value"), str(m.get("note") or "")),
    "download": lambda it, m: it.download(str(m["what"])),
    "replay": lambda it, m: it.replay(str(m["engine"])),
    "microphone": lambda it, m: it.microphone(m.get("error"), on=bool(m["on"])),
}
_FOR_CALL: dict[str, Callable[[Call, Message, list[bytes]], None]] = {
    "pcm": _add_sound,
    "talk": lambda call, m, _: call.listening.hold_to_talk(on=bool(m["on"])),
    "onset": lambda call, *_: call.listening.sound_begins(),
    "heard": lambda call, m, _: call.listening.add_page_words(str(m["text"]), final=bool(m["final"])),
    "started": lambda call, m, _: call.speaking.row_started(int(m["row"])),
    "ended": lambda call, m, _: call.speaking.row_ended(int(m["row"])),
    "stopped": lambda call, m, _: call.speaking.row_stopped(int(m["row"]), float(m["played_s"])),
}
