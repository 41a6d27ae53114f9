"""A session drawn to scale: lanes of caller, agent, tasks and gate on an axis of time, as SVG without scripts."""

import html
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from voicelab.base.records import Event
from voicelab.callers.pace import speech_seconds

LANES = ("Caller", "Agent", "Tasks", "Gate")
PLAYED = {"text_to_speech", "audio", "silence"}

_WIDTH, _LEFT, _RIGHT = 1000, 62, 12
_LANE_HEIGHT, _TOP, _BAR = 26, 16, 14
_COLOURS = {"caller": "#2f6fde", "agent": "#0f8f6c", "cut": "#d6453d", "task": "#f59e0b", "gate": "#0e7490"}
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
_MOST_TICKS = 12
_PIXELS_A_LETTER = 6.2


@dataclass(frozen=True)
class Span:
    """One bar of the timeline.

    Attributes:
        lane: Index in `LANES`.
        start_s: Where it begins.
        end_s: Where it ends.
        look: `caller`, `agent`, `cut`, `task` or `gate`.
        title: What it stands for, shown on pointing at it.
        text: What stands beside it, or in it.
    """

    lane: int
    start_s: float
    end_s: float
    look: str
    title: str
    text: str = ""


def end_s(event: Event) -> float:
    """Return when an output has been played, or was cut, in seconds; assumed by its length where nobody measured it."""
    data = event.data
    if data.get("spoken") is False:
        return event.time_s
    if "played_s" in data:
        return event.time_s + float(data["played_s"])
    return event.time_s + _length_s(event)


def _length_s(event: Event) -> float:
    data = event.data
    if "duration_s" in data:
        return float(data["duration_s"])
    if event.name == "silence":
        return float(data.get("duration") or 0) / 1000
    return speech_seconds(str(data.get("text") or ""), data.get("speed"))


def spans(events: Sequence[Event]) -> Iterator[Span]:
    """Yield the bars of a session."""
    tasks: dict[str, list[float]] = {}
    heard_s: dict[int, float] = {}
    for event in events:
        if event.name == "recognition":
            heard_s[event.turn + 1] = float(event.data.get("audio_s") or 0)
        if event.task_name:
            tasks.setdefault(event.task_name, []).append(event.time_s)
        if event.kind == "input" and event.name in {"text", "dtmf"}:
            yield _said(event, heard_s.get(event.turn))
        elif event.kind == "output" and event.name in PLAYED:
            yield from _played(event)
        elif event.name == "input_gate":
            yield Span(3, event.time_s, event.time_s, "gate", f"input waits: {event.data.get('reason')}", "waits")
        elif event.name == "error":
            yield Span(
                2 if event.task_name else 1, event.time_s, event.time_s, "cut", str(event.data.get("message")), "✗"
            )
    for task, times in tasks.items():
        yield Span(2, min(times), max(times), "task", f"background task {task}", task)


def _said(event: Event, measured_s: float | None) -> Span:
    data = event.data
    if event.name == "dtmf":
        return Span(0, event.time_s, event.time_s, "caller", f"keys {data.get('digits')}", str(data.get("digits")))
    seconds = measured_s
    if seconds is None:
        seconds = speech_seconds(data.get("said", data["text"])) if data.get("source") == "speech" else 0.0
    return Span(0, max(0.0, event.time_s - seconds), event.time_s, "caller", str(data["text"]))


def _played(event: Event) -> Iterator[Span]:
    data, end = event.data, end_s(event)
    if end <= event.time_s:
        return
    title = str(data.get("text") or event.name)
    if data.get("interruptible") is False:
        yield Span(3, event.time_s, end, "gate", "the agent may not be interrupted")
    if event.name == "silence":
        return
    yield Span(1, event.time_s, end, "agent", title)
    if data.get("interrupted"):
        lost_s = max(0.0, event.time_s + _length_s(event) - end)
        yield Span(1, max(event.time_s, end - 0.35), end, "cut", f"interrupted: {title}", f"cut {lost_s:.1f} s")


def svg(events: Sequence[Event], duration_s: float) -> str:
    """Return the timeline of a session as an SVG element; an empty text where nothing happened.

    Args:
        events: The session's events.
        duration_s: Its length.
    """
    bars = list(spans(events))
    if not bars:
        return ""
    length_s = max([duration_s, *(bar.end_s for bar in bars)]) or 1.0
    scale = (_WIDTH - _LEFT - _RIGHT) / length_s
    height = _TOP + len(LANES) * _LANE_HEIGHT + 18
    parts = [*_lanes(), *_axis(length_s, scale, height), *_turns(events, scale, height)]
    parts += [_rectangle(bar, scale) for bar in bars]
    parts += [_text(bar, scale) for bar in bars if bar.text]
    label = f"Timeline of the session, {duration_s:.1f} seconds: {', '.join(LANES)}"
    return (
        f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' aria-label='{label}' "
        "style='width:100%;height:auto;display:block;margin-top:10px;font:11px var(--jp-ui-font-family,system-ui,sans-serif)'"
        f" fill='currentColor'>{''.join(parts)}</svg>"
    )


def _lanes() -> Iterator[str]:
    for at, lane in enumerate(LANES):
        y = _TOP + at * _LANE_HEIGHT
        yield f"<text x='2' y='{y + 15}' opacity='.65'>{lane}</text>"
        yield f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y + 20}' y2='{y + 20}' stroke='currentColor' opacity='.12'/>"


def _axis(length_s: float, scale: float, height: int) -> Iterator[str]:
    step = next((tick for tick in _TICKS if length_s / tick <= _MOST_TICKS), math.ceil(length_s / _MOST_TICKS))
    for n in range(int(length_s / step) + 1):
        x = _LEFT + n * step * scale
        yield f"<text x='{x:.1f}' y='{height - 4}' text-anchor='middle' opacity='.55'>{n * step:g} s</text>"


def _turns(events: Sequence[Event], scale: float, height: int) -> Iterator[str]:
    begins = [event for event in events if event.kind == "input" and event.name != "stop"]
    style = "stroke='currentColor' stroke-dasharray='3 4' opacity='.3'"
    labelled = 0.0
    for event in begins:
        x = _LEFT + event.time_s * scale
        yield f"<line x1='{x:.1f}' x2='{x:.1f}' y1='10' y2='{height - 16}' {style}/>"
        if x >= labelled:
            labelled = x + 3 * _PIXELS_A_LETTER
            yield f"<text x='{x:.1f}' y='9' opacity='.55'>T{event.turn}</text>"


def _place(bar: Span, scale: float) -> tuple[float, int, float]:
    return _LEFT + bar.start_s * scale, _TOP + bar.lane * _LANE_HEIGHT + 4, max(3.0, (bar.end_s - bar.start_s) * scale)


def _rectangle(bar: Span, scale: float) -> str:
    x, y, width = _place(bar, scale)
    colour = _COLOURS[bar.look]
    fill = f"fill='{colour}'"
    if bar.look == "task":
        fill = f"fill='{colour}' fill-opacity='.2' stroke='{colour}' stroke-width='1.5'"
    title = f"<title>{bar.start_s:.2f} s: {html.escape(bar.title[:300])}</title>"
    return f"<rect x='{x:.1f}' y='{y}' width='{width:.1f}' height='{_BAR}' rx='3' {fill}>{title}</rect>"


def _text(bar: Span, scale: float) -> str:
    x, y, width = _place(bar, scale)
    inside = bar.look == "task" and width > len(bar.text) * _PIXELS_A_LETTER + 8
    at, anchor = (x + 5 if inside else x + width + 4), "start"
    if at + len(bar.text) * _PIXELS_A_LETTER > _WIDTH:
        at, anchor = x - 4, "end"
    return f"<text x='{at:.1f}' y='{y + 11}' text-anchor='{anchor}'>{html.escape(bar.text)}</text>"
