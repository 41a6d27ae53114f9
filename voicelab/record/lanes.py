"""The timeline of a session as spans in lanes: the one derivation, which the card and the console's page both draw.

`Lanes` is told of each event as it comes, and again when it is amended (a row of the log says more once it has been
played); it says which events' spans have changed, so that a console sends no more than these. `spans_of` is the same for
a whole session: what a running one shows in the end is what its record shows.

Every span belongs to one event. Most events have one span; one may have none, or several: the first event of a task
carries the task's bar.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

from voicelab.base.pace import speech_seconds
from voicelab.base.records import Event
from voicelab.callers.gate import in_words
from voicelab.record.caller_speech import CallerSpeech
from voicelab.record.gate_times import GateTimes
from voicelab.record.lines import shown_value
from voicelab.record.readable import readable
from voicelab.record.task_rows import TaskRows

LaneName = Literal["caller", "agent", "tasks", "gate", "log", "turns"]
LANES: tuple[LaneName, ...] = ("caller", "agent", "tasks", "gate", "log")
"""The lanes from top to bottom; `turns` is none of them: its marks stand across all."""

_PLAYED = frozenset({"text_to_speech", "audio", "silence"})
_MOST_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Span:
    """One thing of the timeline; all times in seconds of the session.

    Attributes:
        lane: Where it stands.
        kind: `span` (takes time), `mark` (a moment), `tick` (a moment on something that takes time) or `turn`.
        tone: What it means, by which a drawing chooses its colour.
        start_s: When it begins.
        end_s: When it ends; None while it goes on.
        label: What stands in it or beside it.
        detail: What is read out.
        row: The row within its lane, from 0: tasks that run at the same time stand below each other.
        cut: How much of it was not heard, in words; empty where all of it was.
    """

    lane: LaneName
    kind: Literal["span", "mark", "tick", "turn"]
    tone: str
    start_s: float
    end_s: float | None
    label: str = ""
    detail: str = ""
    row: int = 0
    cut: str = ""


class Lanes:
    """The spans of one session, kept up as its events come.

    Args:
        live: Whether the session runs: what plays has no end yet where nobody has measured it. Else it has the length
            that is assumed.
    """

    def __init__(self, *, live: bool = False) -> None:
        self._live = live
        self._events: dict[int, Event] = {}
        self._changed: set[int] = set()
        self._turns: dict[int, int] = {}
        self._speech = CallerSpeech()
        self._tasks = TaskRows()
        self._gate = GateTimes()

    def take(self, event: Event) -> None:
        """Take an event that is new, or has been amended."""
        event = readable(event)
        known = event.seq in self._events
        self._events[event.seq] = event
        self._changed.add(event.seq)
        if event.task_name:
            self._tasks.take(event)
        if known:
            return  # only what was played is amended, and that is all that depends on it
        if not event.background:
            self._turns.setdefault(event.turn, event.seq)
        self._changed |= self._speech.take(event)
        self._changed |= self._gate.take(event)

    def end(self, time_s: float) -> None:
        """Take the end of the session: nothing goes on any more."""
        if self._live:
            unknown = [event for event in self._events.values() if is_played(event) and self.end_s(event) is None]
            self._live = False
            for event in unknown:
                self.take(event)
        self._changed |= self._gate.end(time_s)

    def changed(self) -> list[int]:
        """Return which events' spans are new or have changed since this was asked last, by seq."""
        changed = self._changed | self._tasks.laid()
        self._changed = set()
        return sorted(changed)

    def event(self, seq: int) -> Event:
        """Return an event as it was taken last."""
        return self._events[seq]

    def spans(self, seq: int) -> list[Span]:
        """Return the spans of an event."""
        event = self._events[seq]
        found = list(self._of_event(event))
        if self._turns.get(event.turn) == seq:
            found.append(Span("turns", "turn", "turn", event.time_s, event.time_s, f"T{event.turn}"))
        for start_s, end_s, reason in self._gate.closed(seq):
            words = in_words(reason)
            found.append(Span("gate", "span", "closed", start_s, end_s, f"closed: {words}", f"gate closed: {words}"))
        return [replace(span, label=_short(span.label), detail=_short(span.detail)) for span in found]

    def __iter__(self) -> Iterator[Span]:
        """Yield all spans, in order of their events."""
        self.changed()
        for seq in sorted(self._events):
            yield from self.spans(seq)

    def end_s(self, event: Event) -> float | None:
        """Return when an output has been played, or was cut, in seconds; None while it plays and nobody knows."""
        data, start_s = event.data, event.time_s
        if data.get("spoken") is False:
            return start_s
        known_s = _seconds(data, "played_s")
        if known_s is None:
            known_s = _seconds(data, "duration_s")
        if known_s is None:
            known_s = None if self._live else _assumed_s(event)
        return None if known_s is None else start_s + known_s

    def _of_event(self, event: Event) -> Iterator[Span]:
        played = is_played(event)
        if event.task_name:
            yield from self._of_task(event)
            if not played:
                return
        if played:
            yield self._playing(event)
        elif event.kind == "input":
            yield _input(event, self._speech.heard(event.seq))
        elif event.name != "input_gate":  # whose span is the time in which it is closed
            yield _moment(event)

    def _of_task(self, event: Event) -> Iterator[Span]:
        task = self._tasks.of(event)
        if event.seq == task.first:
            detail = f"task {task.name}, {len(task.times)} event{'' if len(task.times) == 1 else 's'}"
            yield Span("tasks", "span", "task", task.start_s, task.end_s, task.name, detail, task.row)
        text = str(event.data.get("message") or event.data.get("text") or event.name)
        tone, label = ("error", "error") if event.name == "error" else ("task", "")
        detail = f"{task.name}: {text}"
        yield Span("tasks", "tick", tone, event.time_s, event.time_s, label, detail, task.row)

    def _playing(self, event: Event) -> Span:
        data, name = event.data, event.name
        text = {"audio": f"plays {shown_value(data.get('path') or 'audio')}", "silence": "pause"}.get(name)
        label = str(data.get("text", "")) if text is None else text
        tone = {"audio": "audio", "silence": "quiet"}.get(name, "agent")
        cut = _cut(event) if data.get("interrupted") else ""
        detail = f"{_short(label)} ({cut})" if cut else label
        return Span("agent", "span", tone, event.time_s, self.end_s(event), label, detail, cut=cut)


def spans_of(events: Iterable[Event], duration_s: float) -> list[Span]:
    """Return the spans of a whole session.

    Args:
        events: Its events, in order.
        duration_s: Its length.
    """
    lanes = Lanes()
    for event in events:
        lanes.take(event)
    lanes.end(duration_s)
    return list(lanes)


def is_played(event: Event) -> bool:
    """Return whether an event is an output that takes time, and was played."""
    return event.kind == "output" and event.name in _PLAYED and event.data.get("spoken") is not False


def _seconds(data: dict[str, Any], key: str) -> float | None:
    value = data.get(key)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _assumed_s(event: Event) -> float:
    if event.name == "silence":
        return (_seconds(event.data, "duration") or 0.0) / 1000
    return speech_seconds(str(event.data.get("text") or ""), event.data.get("speed"))


def _cut(event: Event) -> str:
    """Return how much of an output the caller didn't let the agent say; about, where nobody measured all of it."""
    played_s, whole_s, about = _seconds(event.data, "played_s") or 0.0, _seconds(event.data, "duration_s"), ""
    if whole_s is None or whole_s <= played_s:
        whole_s, about = _assumed_s(event), "≈"
    lost_s = whole_s - played_s
    return f"cut {about}{lost_s:.1f} s" if lost_s >= 0.05 else "cut"  # noqa: PLR2004 - less would read 0.0


def _input(event: Event, heard: tuple[float, float] | None) -> Span:
    name, data, time_s = event.name, event.data, event.time_s
    if name == "text":
        text = str(data.get("said", data.get("text", "")))
        if heard is not None:
            return Span("caller", "span", "caller", *heard, text, text)
        return Span("caller", "mark", "caller", time_s, time_s, text, f"{_short(text)} (typed)")
    if name == "dtmf":
        tone, label = "key", f"key {data.get('digits', '')}"
    elif name == "timeout":
        tone, label = "timeout", f"silence {data.get('count', '')}".strip()
    else:
        tone, label = ("system" if name in {"start", "stop"} else "custom"), name
    detail = f"silence, count {data.get('count', '')}" if name == "timeout" else label
    return Span("caller", "mark", tone, time_s, time_s, label, detail)


def _moment(event: Event) -> Span:
    """Return the mark of anything that neither is played nor comes from the caller."""
    name, data, time_s = event.name, event.data, event.time_s
    words = name.replace("_", " ")
    if name == "error":
        return Span("agent", "mark", "error", time_s, time_s, "error", f"error: {data.get('message', '')}")
    if name == "input_held":
        return Span("gate", "tick", "held", time_s, time_s, "", f"input waits: {in_words(str(data.get('reason', '')))}")
    if event.kind == "output":
        more = data.get("closing_speech") or data.get("message") or data.get("phone_number") or ""
        if name in _PLAYED:
            more = f"not spoken: {shown_value(data.get('text') or data.get('path') or '')}"
        tone = "end" if name == "stop" or name.startswith("transfer") else "output"
        return Span("agent", "mark", tone, time_s, time_s, words, f"{words} {more}".strip())
    if name == "turn_interrupted":
        return Span("agent", "mark", "cut", time_s, time_s, "", "the caller interrupts the agent")
    said = str(data.get("message") or data.get("content") or data.get("metric") or data.get("name") or name)
    tone = {"metric": "metric", "log": "note"}.get(event.kind, "system")
    return Span("log", "mark", tone, time_s, time_s, "" if event.kind == "system" else said, f"{name}: {said}")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
