"""A session as a conversation, line by line: what was heard, lost and noted, for the card, the console and plain text."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from voicelab.base.plain_json import encode
from voicelab.base.records import Event
from voicelab.callers.gate import in_words
from voicelab.record.readable import readable


@dataclass(frozen=True)
class Line:
    """One line of a conversation as it is shown.

    Attributes:
        time_s: When it began.
        who: `agent`, `caller`, `task`, `error` or `note`.
        text: What was heard, or happened.
        lost: What was not heard of it.
        label: The task's name, or how the input came.
    """

    time_s: float
    who: str
    text: str
    lost: str = ""
    label: str = ""


def lines_of(event: Event) -> Iterator[Line]:
    """Yield the lines of conversation that an event makes: none, or one.

    Rows of other systems may lack what ours have: then the line lacks it too.
    """
    event = readable(event)
    data, time_s, task = event.data, event.time_s, event.task_name or ""
    if event.name == "text_to_speech":
        yield _spoken(event)
    elif event.name == "text" and event.kind == "input":
        yield _said(event)
    elif event.name == "error":
        message, where = str(data.get("message", "")), _where(data)
        yield Line(time_s, "error", message if where.strip(" ()") in message else f"{message}{where}", label=task)
    elif task:
        yield Line(time_s, "task", str(data["message"]) if "message" in data else _note(event), label=task)
    elif event.kind == "input" and event.name in {"start", "stop"}:
        return  # they are in every session
    elif event.name in _NOTES or event.kind in {"log", "output", "input"}:
        yield Line(time_s, "note", _note(event))


def lines_in_order(events: Iterable[Event]) -> list[Line]:
    """Return the lines of a conversation in the order in which they are read.

    By time; but the agent ends a session once it has said what it said before, which begins later where a voice needs
    time to be made.

    Args:
        events: The session's events, in order.
    """
    found: list[tuple[float, Line]] = []
    latest_s = 0.0
    for event in events:
        ends = event.kind == "output" and (event.name == "stop" or event.name.startswith("transfer"))
        for line in lines_of(event):
            found.append((max(latest_s, line.time_s) if ends else line.time_s, line))
            latest_s = max(latest_s, line.time_s)
    return [line for _, line in sorted(found, key=itemgetter(0))]


_NOTES = {
    "unheard": "the agent hears no words: {said}",
    "backchannel": "said while the agent speaks, which goes on: {text}",
    "timeout": "the caller stays silent, the agent is told ({count} in a row)",
    "dtmf": "the caller presses {digits}",
    "silence": "pause of {duration} ms",
    "audio": "plays {path}",
    "stop": "the agent ends the session",
    "transfer_session": "the agent transfers the call",
    "input_held": "the caller's input waits: {reason}",
    "print": "{message}",
    "completion": "{model} is asked {asked!r}: {message}",
    "decision": "{model} decides {asked}: {message}",
    "http": "{message}",
}


class _Shown(dict[str, Any]):
    """An event's data as a sentence shows it."""

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return in_words(value) if key == "reason" and isinstance(value, str) else shown_value(value)

    def __missing__(self, key: str) -> str:
        return "?"


def shown_value(value: Any) -> Any:
    """Return a value as people read it: of sound that stands in the event itself, its beginning alone."""
    return f"{value[:24]}…" if isinstance(value, str) and value.startswith("data:") else value


def _note(event: Event) -> str:
    data = event.data
    if event.name in _NOTES:
        # Not `format(**...)`, which copies into a plain dict and so asks neither for what is missing nor for what is long.
        return _NOTES[event.name].format_map(_Shown(data))
    facts = {key: shown_value(value) for key, value in data.items() if key != "received"}
    lost = " (nobody receives it)" if data.get("received") is False else ""
    return f"{event.name} {data.get('message') or encode(facts)}{lost}"


def _where(data: Mapping[str, Any]) -> str:
    if "line" not in data:
        return ""
    return f" ({data['file']}:{data['line']})" if "file" in data else f" (line {data['line']})"


def _said(event: Event) -> Line:
    data = event.data
    text = str(data.get("text", ""))
    said = str(data.get("said", text))
    misheard = f"heard as {text!r}" if said != text else ""
    return Line(event.time_s, "caller", said, label=", ".join(filter(None, [_source(data), misheard])))


def _source(data: Mapping[str, Any]) -> str:
    return "interrupts" if data.get("previous_turn_interrupted") else ""


def _spoken(event: Event) -> Line:
    data, text = event.data, str(event.data.get("text", ""))
    who = "agent" if not event.task_name else "task"
    if data.get("spoken") is False:
        return Line(event.time_s, who, "", text, label=event.task_name or "not spoken")
    heard = data.get("heard", "" if data.get("interrupted") else text)
    lost = text.removeprefix(heard).strip() if heard != text else ""
    return Line(event.time_s, who, heard, lost, label=event.task_name or ("interrupted" if lost else ""))


def text_line(line: Line) -> str:
    """Return a line as plain text."""
    lost = f" [not heard: {line.lost}]" if line.lost else ""
    label = f" ({line.label})" if line.label else ""
    mark = {"task": "↻ ", "error": "✗ "}.get(line.who, "")
    return f"{clock_text(line.time_s):>8}  {line.who:<6} {mark}{line.text}{lost}{label}".rstrip()


def clock_text(time_s: float) -> str:
    """Return seconds as minutes and seconds, such as 0:04.2."""
    minutes, seconds = divmod(time_s, 60)
    return f"{int(minutes)}:{seconds:04.1f}"
