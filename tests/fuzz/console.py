"""Messages of a hostile page: any that JSON can hold, in any order, with any sound."""

import asyncio
import json
import random
from typing import Any

from page import Page

from fuzz import hostile
from fuzz.judge import Walk, check_message
from voicelab import sdk
from voicelab.live.page_messages import CONSOLE, MICROPHONE, SPEAKER
from voicelab.widgets import Microphone, Speaker

_USUAL = ["connect", "say", "hello", "event", "key", "hang_up", "set", "started", "ended"]
_VALUES: dict[str, list[Any]] = {
    "engine": ["page", "other"], "text": ["hello", "{}"], "digit": ["1"], "name": ["order", "hands_free", "muted", "typing_interrupts", "parameters", "stt", "tts", "voice"], "data": [{"item": "pizza"}],
    "number": [0, 1, 2], "test": ["greeting"], "variant": ["warm", None], "value": [True, "fake", None, 1], "session": [1], "note": ["good"], "what": ["json", "wav"], "on": [True, False],
    "error": [None, "no microphone"], "row": [0, 1, 2, 3], "played_s": [0, 0.5], "final": [True, False], "at": [0], "rate": [48000], "samples": [4], "seconds": [1],
}  # fmt: skip
_SOUND = ["", "00", "0000", "ff7f" * 1600, "0080" * 50]


async def _greeter(event: Any, context: Any) -> Any:
    if event.name == "start":
        context.add_outcome("liked", "boolean")
        stop = {"max_iterations": 100, "target_outcome": "liked", "default": "warm"}
        context.add_test("greeting", {"warm": 0.5, "cold": 0.5}, stop=stop)
        yield sdk.TextToSpeechEvent(text="Hello.", voice="nova")
    elif event.name == "text":
        context.set_data("last", event.data["text"])
        yield sdk.TextToSpeechEvent(text=f"You said {event.data['text']}.", voice="nova")
    else:
        context.set_data("event", dict(event.data))


def draw(rng: random.Random) -> dict[str, Any]:
    """Return a case: messages with their sound, and how long the page waits after each."""
    widget = rng.choice(["console"] * 8 + ["microphone", "speaker"])
    table = {"console": CONSOLE, "microphone": MICROPHONE, "speaker": SPEAKER}[widget].to_kernel
    steps = []
    for _ in range(rng.randrange(3, 14)):
        kind = rng.choice(_USUAL) if widget == "console" and rng.random() < 0.5 else rng.choice(list(table))
        message: Any = {"k": kind} | {
            name.rstrip("?"): rng.choice(_VALUES.get(name.rstrip("?"), [1]))
            for name in getattr(table.get(kind), "all_fields", {})
        }
        if rng.random() < 0.4:
            message = hostile.mutated(rng, message)
        steps.append([message, rng.choice(_SOUND), rng.choice([0.0, 0.1, 1.5])])
    return {"widget": widget, "steps": steps, "blind": rng.random() < 0.2}


def walk(it: Walk, case: dict[str, Any]) -> None:
    """Send the messages, and look at what the kernel says and keeps."""
    steps = [(_message(step[0]), bytes.fromhex(step[1]), float(step[2])) for step in case["steps"]]
    if case["widget"] == "console":
        _converse(it, steps, blind=case.get("blind", False))
        return
    widget = Microphone() if case["widget"] == "microphone" else Speaker(tts="browser")
    for message, sound, _ in steps:
        widget._receive(widget, message, [sound])
    it.text(repr(widget))
    widget.close()


def _message(value: Any) -> Any:
    """Return a message as it comes: what a page's JSON can't hold does not."""
    try:
        return json.loads(hostile.text_of(value).replace("\\ud800", "\\ufffd"), parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None


def _converse(it: Walk, steps: list[tuple[Any, bytes, float]], *, blind: bool) -> None:
    page = Page(_greeter, blind=blind, log=it.folder / "log", keep_audio=False)
    broken: list[str] = []
    page.manual.loop.set_exception_handler(lambda _, told: broken.append(repr(told.get("exception") or told)))
    try:
        for message, sound, wait_s in steps:
            page.talk.receive(message, [sound] if sound else [])
            page.run(wait_s)
        page.give(k="hello")
        page.hang_up()
        page.run(1)
    finally:
        asyncio.get_event_loop_policy()
        page.talk.close()
    it.check(not broken, f"on the loop: {broken[:1]}")
    it.check(not page.wrong, f"wrong messages: {page.wrong[:1]}")
    for message, _ in page.sent:
        it.json(json.dumps(message))
        told = (message.get("state") or {}).get("message") or {}
        if told.get("level") == "error":
            check_message(told["text"])
    for record in page.records:
        it.text(f"{record!r}{record}")
        it.html(record._repr_html_())
        it.json(record.to_json())
        record.to_script()
