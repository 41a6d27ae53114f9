"""A session's timeline as SVG without scripts: the spans of `lanes`, drawn to scale as the console's page draws them."""

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from voicelab.base.records import Event
from voicelab.record.lanes import LANES, LaneName, Lanes, Span, spans_of
from voicelab.record.why import Reasons

_WIDTH, _LEFT, _RIGHT, _TOP, _AXIS = 1000, 62, 36, 16, 20
"""Pixels; on the right there is room for `stop` beside the end of a session."""
_HEIGHTS: dict[LaneName, int] = {"caller": 26, "agent": 36, "tasks": 24, "gate": 22, "log": 18}
_COLOURS = {
    "caller": "#2f6fde", "agent": "#0f8f6c", "audio": "#7c4dd6", "task": "#f59e0b", "closed": "#0e7490", "held": "#0e7490",
    "cut": "#d6453d", "error": "#d6453d", "key": "#5b5bd6", "timeout": "#b45309", "end": "#7c4dd6", "custom": "#7c4dd6",
    "output": "#0f8f6c", "metric": "#0e7490",
}  # fmt: skip
_TICKS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600)
_MOST_TICKS = 12
_PIXELS_A_LETTER = 6.2
_LEAST_LETTERS = 4
_LEAST_WIDTH = 2.0
_LEAST_SHOWN = 720
"""Pixels below which the picture scrolls rather than shrinks: its letters would be too small to read."""
_ALWAYS: tuple[LaneName, ...] = ("caller", "agent")
"""Lanes that are drawn empty too; the others where they hold something."""
_OF_A_CROSS = 8
"""Pixels from the middle of a cross to what may stand beside it."""


@dataclass(frozen=True)
class _Scene:
    """Where things stand: pixels of a time, of a lane, and of the errors in each row of a lane; and why they stand there."""

    scale: float
    lanes: dict[LaneName, tuple[int, int]]
    rows: int
    bottom: int
    crosses: dict[tuple[LaneName, int], list[float]]
    why: dict[int, str]

    def x(self, time_s: float) -> float:
        return _LEFT + time_s * self.scale

    def slot(self, span: Span) -> tuple[float, float]:
        """Return the top and the height of the row that a span stands in."""
        y, height = self.lanes[span.lane]
        slot = height / self.rows if span.lane == "tasks" else height
        return y + span.row * slot, slot


def svg(events: Sequence[Event], duration_s: float, *, length_s: float | None = None) -> str:
    """Return the timeline of a session as an SVG element; an empty text where nothing happened.

    Args:
        events: The session's events.
        duration_s: Its length.
        length_s: Length of the axis, such as that of the longest of several sessions below each other; by default the
            session's own.
    """
    spans, why = _explained(events, duration_s)
    if not spans:
        return ""
    own_s = _seconds_drawn(spans, duration_s)
    length_s = max(own_s, length_s or 0.0) or 1.0
    scene = _scene(spans, length_s, why)
    drawn = list(_told_apart(spans, scene))
    timed = sorted((span for span in drawn if span.kind == "span"), key=lambda span: span.start_s)
    moments = [span for span in drawn if span.kind in {"mark", "tick"}]
    rooms = _rooms([*timed, *moments], scene)
    parts = [*_ground(scene, own_s), *_axis(scene, length_s), *_turns(drawn, scene)]
    beside = _rooms(timed, scene)
    for span in timed:
        parts += _bar(span, scene, beside[id(span)])
    for span in moments:
        parts += _moment(span, scene, rooms[id(span)])
    height = scene.bottom + _AXIS
    lanes = ", ".join(lane.capitalize() for lane in scene.lanes)
    return (
        "<div style='overflow-x:auto;margin-top:10px'>"
        f"<svg viewBox='0 0 {_WIDTH} {height}' role='img' "
        f"aria-label='Timeline of the session, {duration_s:.1f} seconds: {lanes}' "
        f"style='width:100%;min-width:{_LEAST_SHOWN}px;height:auto;display:block;"
        "font:11px var(--jp-ui-font-family,system-ui,sans-serif)'"
        f" fill='currentColor'>{''.join(parts)}</svg></div>"
    )


def seconds_drawn(events: Sequence[Event], duration_s: float) -> float:
    """Return how long a session's timeline is; tasks may go on after the session's end."""
    return _seconds_drawn(spans_of(events, duration_s), duration_s)


def _seconds_drawn(spans: Iterable[Span], duration_s: float) -> float:
    return max([duration_s, *(span.end_s or span.start_s for span in spans)])


def _explained(events: Sequence[Event], duration_s: float) -> tuple[list[Span], dict[int, str]]:
    """Return a session's spans, and by the `id` of each why its event came when it did."""
    lanes, reasons = Lanes(), Reasons()
    spans: list[Span] = []
    why: dict[int, str] = {}
    for event in events:
        lanes.take(event)
        reasons.take(event)
    lanes.end(duration_s)
    for event in events:
        own = lanes.spans(event.seq)
        spans += own
        why |= dict.fromkeys(map(id, own), reasons.why(event.seq))
    return spans, why


def _scene(spans: Sequence[Span], length_s: float, why: dict[int, str]) -> _Scene:
    rows = 1 + max((span.row for span in spans), default=0)
    used = {span.lane for span in spans}.union(_ALWAYS)
    lanes: dict[LaneName, tuple[int, int]] = {}
    y = _TOP
    for lane in LANES:
        if lane in used:
            height = _HEIGHTS[lane] * (rows if lane == "tasks" else 1)
            lanes[lane] = (y, height)
            y += height
    scale = (_WIDTH - _LEFT - _RIGHT) / length_s
    crosses: dict[tuple[LaneName, int], list[float]] = {}
    for span in spans:
        if span.tone == "error" and span.kind != "span":
            crosses.setdefault((span.lane, span.row), []).append(_LEFT + span.start_s * scale)
    return _Scene(scale, lanes, rows, y, crosses, why)


def _told_apart(spans: Sequence[Span], scene: _Scene) -> Iterator[Span]:
    """Yield spans, of those that would fall on one another the first alone: a long session has thousands."""
    drawn: set[tuple[str, str, int, int, bool]] = set()
    for span in spans:
        left, right = scene.x(span.start_s), scene.x(span.start_s if span.end_s is None else span.end_s)
        place = (span.lane, span.kind, span.row, round(left / 2), span.tone in {"error", "cut"})
        if right - left > _LEAST_WIDTH or place not in drawn:
            drawn.add(place)
            yield span


# --- what stands behind ---


def _ground(scene: _Scene, own_s: float) -> Iterator[str]:
    for lane, (y, height) in scene.lanes.items():
        yield f"<text x='2' y='{y + height / 2 + 4:g}' opacity='.65'>{lane.capitalize()}</text>"
        yield f"<path d='M{_LEFT} {y + height}H{_WIDTH - _RIGHT}' stroke='currentColor' opacity='.12'/>"
    if "gate" not in scene.lanes:
        return
    y, height = scene.lanes["gate"]
    width = own_s * scene.scale
    yield f"<rect x='{_LEFT}' y='{y + 6}' width='{width:.1f}' height='{height - 12}' fill='{_COLOURS['closed']}' opacity='.18'/>"
    yield f"<text x='{_LEFT + 5}' y='{y + 15}' opacity='.65'>open</text>"


def _axis(scene: _Scene, length_s: float) -> Iterator[str]:
    step = next((tick for tick in _TICKS if length_s / tick <= _MOST_TICKS), math.ceil(length_s / _MOST_TICKS))
    for n in range(int(length_s / step) + 1):
        x, y = scene.x(n * step), scene.bottom + _AXIS - 4
        yield f"<text x='{x:.1f}' y='{y}' text-anchor='middle' opacity='.55'>{n * step:g} s</text>"


def _turns(spans: Sequence[Span], scene: _Scene) -> Iterator[str]:
    style = "stroke='currentColor' stroke-dasharray='3 4' opacity='.3'"
    labelled = 0.0
    for span in spans:
        if span.kind != "turn":
            continue
        x = scene.x(span.start_s)
        yield f"<line x1='{x:.1f}' x2='{x:.1f}' y1='10' y2='{scene.bottom}' {style}/>"
        if x >= labelled:
            labelled = x + 3 * _PIXELS_A_LETTER
            yield f"<text x='{x:.1f}' y='9' opacity='.55'>{span.label}</text>"


# --- what takes time ---


def _bar(span: Span, scene: _Scene, room: float) -> Iterator[str]:
    y, slot = scene.slot(span)
    x, end_s = scene.x(span.start_s), span.start_s if span.end_s is None else span.end_s
    width, height = max(_LEAST_WIDTH, scene.x(end_s) - x), 18 if span.lane == "agent" else slot - 8
    place = f"x='{x:.1f}' y='{y + 4:g}' width='{width:.1f}' height='{height:g}' rx='3'"
    yield f"<rect {place} {_fill(span)}>{_title(span, scene)}</rect>"
    if span.cut:
        red = min(width, 14.0)
        colour = _COLOURS["cut"]
        yield f"<rect x='{x + width - red:.1f}' y='{y + 4:g}' width='{red:.1f}' height='{height:g}' fill='{colour}'/>"
        yield f"<text x='{x + width - 3:.1f}' y='{y + 33:g}' text-anchor='end' fill='{colour}'>{span.cut}</text>"
    yield from _bar_label(span, scene, x, width - (14 if span.cut else 0), y + 4 + height / 2 + 4, room)


def _fill(span: Span) -> str:
    if span.tone == "quiet":
        return "fill='none' stroke='currentColor' stroke-opacity='.5'"
    colour = _COLOURS[span.tone]
    if span.tone == "task":
        return f"fill='{colour}' fill-opacity='.2' stroke='{colour}' stroke-width='1.5'"
    return f"fill='{colour}'"


def _bar_label(span: Span, scene: _Scene, x: float, width: float, y: float, room: float) -> Iterator[str]:
    """Write in a bar where there is room; whose task it is, and why the gate is closed, else stands beside it."""
    inset = _inset(span, scene, x, width)
    letters = int((width - inset - 5) / _PIXELS_A_LETTER)
    ink = "" if span.tone in {"task", "quiet"} else " fill='#fff'"
    at = f"x='{x + inset:.1f}'{ink}"
    # Of a reason less than its first word says nothing.
    least = len(span.label.split(":")[0]) + 1 if span.lane == "gate" else _LEAST_LETTERS
    if span.lane in {"tasks", "gate"} and letters < len(span.label):
        beside = max(width + 5, inset)
        left = x + beside + len(span.label) * _PIXELS_A_LETTER > _WIDTH and room == math.inf
        there = len(span.label) if room == math.inf else int((room - beside - 3) / _PIXELS_A_LETTER)
        if there > letters:
            at = f"x='{x - _OF_A_CROSS:.1f}' text-anchor='end'" if left else f"x='{x + beside:.1f}'"
            letters = there
    if letters >= least and span.label:
        yield f"<text {at} y='{y:g}' pointer-events='none'>{_shortened(span.label, letters)}</text>"


def _inset(span: Span, scene: _Scene, x: float, width: float) -> float:
    """Return how far from its beginning a bar's label begins: behind the crosses that would stand on it."""
    inset = 5.0
    if span.lane != "tasks":
        return inset  # an agent's crosses stand below its bars
    end = x + max(width, len(span.label) * _PIXELS_A_LETTER)
    for cross in sorted(scene.crosses.get((span.lane, span.row), [])):
        if x - _OF_A_CROSS <= cross <= end and cross - _OF_A_CROSS < x + inset + len(span.label) * _PIXELS_A_LETTER:
            inset = max(inset, cross + _OF_A_CROSS - x)
    return inset


# --- moments ---


def _rooms(spans: Sequence[Span], scene: _Scene) -> dict[int, float]:
    """Return the pixels from each span's beginning to that of the next one in its row."""
    rooms: dict[int, float] = {}
    ahead: dict[tuple[LaneName, int], float] = {}
    # Of what begins at the same time the last has the room: what takes time, before it, is labelled inside.
    in_time = sorted(spans, key=lambda span: span.start_s)
    for span in reversed(in_time):
        x = scene.x(span.start_s)
        rooms[id(span)] = ahead.get((span.lane, span.row), math.inf) - x
        ahead[span.lane, span.row] = x - _left_of(span, x, rooms[id(span)])
    return rooms


def _left_of(span: Span, x: float, room: float) -> float:
    """Return the pixels that a moment's label takes on the left, where the picture ends too soon on the right."""
    wide = _OF_A_CROSS + len(span.label) * _PIXELS_A_LETTER
    return wide if span.kind == "mark" and span.label and room == math.inf and x + wide > _WIDTH else 0.0


def _moment(span: Span, scene: _Scene, room: float) -> Iterator[str]:
    y, slot = scene.slot(span)
    x = scene.x(span.start_s)
    middle = y + (29 if span.lane == "agent" else slot / 2)
    fill = f"fill='{_COLOURS[span.tone]}'" if span.tone in _COLOURS else "opacity='.5'"
    letters = int((min(room, 260) - 14) / _PIXELS_A_LETTER)
    labelled = span.kind == "mark" and bool(span.label) and letters >= min(_LEAST_LETTERS, len(span.label))
    left = labelled and _left_of(span, x, room) > 0
    if labelled and span.tone == "caller":
        # Typed words take no time: a tag of their own width shows them as what the caller says, all the same.
        wide = min(len(span.label), letters) * _PIXELS_A_LETTER + 16
        yield (
            f"<rect x='{x - wide if left else x:.1f}' y='{y + 4:g}' width='{wide:.1f}' height='{slot - 8:g}' rx='3' "
            f"{fill} fill-opacity='.18'/>"
        )
    yield f"<path d='{_shape(span, x, middle, y, slot)}' {fill}>{_title(span, scene)}</path>"
    if labelled:
        ink = f"fill='{_COLOURS['error']}'" if span.tone == "error" else "opacity='.75'"
        at = f"x='{x - 8:.1f}' text-anchor='end'" if left else f"x='{x + 8:.1f}'"
        yield f"<text {at} y='{middle + 4:g}' {ink}>{_shortened(span.label, letters)}</text>"


def _shape(span: Span, x: float, middle: float, y: float, slot: float) -> str:
    """Return the outline of a moment: a cross for an error, a stroke for what belongs to something, else a diamond."""
    if span.tone == "error":
        across = "l1.2 1.2 -2.8 2.8 2.8 2.8 -1.2 1.2 -2.8 -2.8 -2.8 2.8 -1.2 -1.2 2.8 -2.8 -2.8 -2.8 1.2 -1.2 2.8 2.8z"
        return f"M{x + 2.8:.1f} {middle - 4:.1f}{across}"
    if span.lane == "tasks":
        return f"M{x - 1:.1f} {y + 2:g}h2v5h-2z"  # on the bar's upper edge: its name stands below
    if span.kind == "tick" or span.tone == "cut":
        return f"M{x - 1:.1f} {y + 5:g}h2v{slot - 10:g}h-2z"
    if span.tone == "caller":
        return f"M{x - 2:.1f} {middle - 8:g}h4v16h-4z"
    size = 3 if span.lane == "log" else 4
    return f"M{x:.1f} {middle - size:g}l{size} {size} -{size} {size} -{size} -{size}z"


def _title(span: Span, scene: _Scene) -> str:
    return f"<title>{span.start_s:.2f} s: {html.escape(span.detail)}\n{html.escape(scene.why[id(span)])}</title>"


def _shortened(text: str, letters: int) -> str:
    return html.escape(text if len(text) <= letters else f"{text[: letters - 1]}…")
