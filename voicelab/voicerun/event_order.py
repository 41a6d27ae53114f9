"""Puts the events of one session in order: what several files say twice is taken once, and every event gets its time."""

import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from voicelab.base.plain_json import encode
from voicelab.voicerun import shapes
from voicelab.voicerun.entries import INPUTS, LEAST_EPOCH, SPAN, Entry
from voicelab.voicerun.gather import Draft


@dataclass(frozen=True)
class OrderedEvents:
    """The events of a session in order.

    Attributes:
        entries: The events.
        times: Seconds since the first event, one an event.
        turns: Turn of each event.
        start_s: When the first one was, in seconds since 1970; None if no event says it.
    """

    entries: list[Entry]
    times: list[float]
    turns: list[int]
    start_s: float | None

    @property
    def length_s(self) -> float | None:
        """From the first event to the last, in seconds; None without times."""
        timed = any(entry.client_s is not None or entry.wall_s is not None for entry in self.entries)
        return self.times[-1] if timed else None


def events_in_order(draft: Draft) -> OrderedEvents:
    """Return the events of a session in order; what several files hold is taken once, and counted in their reports."""
    entries = _merged(draft)
    offset = _offset(entries)
    at = [
        entry.wall_s if entry.client_s is None else entry.client_s + (offset or 0.0) + entry.begins_s
        for entry in entries
    ]
    filled = _carried(at)
    # A session begins with its first event, whatever a trace's clock says.
    first = min((time for entry, time in zip(entries, filled, strict=True) if entry.name != SPAN), default=0.0)
    filled = [max(first, time) for time in filled] if any(entry.name == SPAN for entry in entries) else filled
    order = sorted(range(len(entries)), key=filled.__getitem__)
    ordered = [entries[i] for i in order]
    start = filled[order[0]] if order else None
    times = [filled[i] - (start or 0.0) for i in order]
    anchored = any(entry.wall_s is not None for entry in entries) or offset is not None
    known = anchored and any(time is not None for time in at)
    return OrderedEvents(ordered, times, _turns(ordered), start if known else None)


def _merged(draft: Draft) -> list[Entry]:
    """Return the events of all files of a session; each that several kinds of file hold once."""
    streams = [kind for kind in shapes.STREAMS if draft.streams.get(kind)]
    merged: list[Entry] = list(draft.streams[streams[0]]) if streams else []
    for kind in streams[1:]:
        known: dict[Any, deque[Entry]] = {}
        for entry in merged:
            known.setdefault(_key(entry, kind), deque()).append(entry)
        names = {entry.name for entry in merged}
        for entry in draft.streams.get(kind, []):
            # This export sums up: one row for all values of a metric.
            summed_up = kind == shapes.METRICS and entry.name in names
            same = known.get(_key(entry, kind))
            if summed_up or same:
                if entry.report is not None:
                    entry.report.merged += 1
                if same:
                    _complete(same.popleft(), entry)
            else:
                merged.append(entry)
    said = any(entry.name == "transcript_part" for entry in merged)
    return merged + ([] if said else _context_transcript(draft))


def _key(entry: Entry, kind: str) -> Any:
    if entry.name == "transcript_part":
        return (entry.name, entry.data.get("role"), entry.data.get("content"))
    if kind == shapes.TRANSCRIPT:
        return None
    data = {key: entry.data[key] for key in sorted(entry.data) if key != "extra"}
    return (entry.name, encode(data))


def _complete(entry: Entry, other: Entry) -> None:
    """Take from the second row of the same event what the first doesn't say."""
    if entry.wall_s is None:
        entry.wall_s = other.wall_s
    for key, value in other.data.items():
        entry.data.setdefault(key, value)


def _context_transcript(draft: Draft) -> list[Entry]:
    """Return what the session's context holds as its transcript, where no other file does."""
    parts = draft.tests.context.get("transcript")
    roles = {"assistant": "agent"}
    return [
        Entry(
            "transcript_part",
            "system",
            {
                **part,
                "role": roles.get(str(part.get("role")), part.get("role")),
                "content": str(part.get("content", "")),
            },
        )
        for part in (parts if isinstance(parts, list) else [])
        if isinstance(part, dict)
    ]


def _offset(entries: Sequence[Entry]) -> float | None:
    """Return what has to be added to `_clientTime` to get seconds since 1970; None if nothing says it."""
    both = [e.wall_s - e.client_s for e in entries if e.wall_s is not None and e.client_s is not None]
    if both:
        return statistics.median(both)
    clients = [entry.client_s for entry in entries if entry.client_s is not None]
    walls = [entry.wall_s for entry in entries if entry.wall_s is not None]
    if clients and min(clients) > LEAST_EPOCH:
        return 0.0
    return min(walls) - min(clients) if clients and walls else None


def _carried(at: Sequence[float | None]) -> list[float]:
    """Return times without gaps: an event that says none happens with the one before it."""
    last = next((time for time in at if time is not None), 0.0)
    filled = []
    for time in at:
        last = last if time is None else time
        filled.append(last)
    return filled


def _turns(entries: Sequence[Entry]) -> list[int]:
    """Return turns: as the rows say, else one more with each input that is delivered."""
    turn = 0
    turns = []
    for entry in entries:
        if entry.turn is not None:
            turn = entry.turn if not entry.background else turn
        elif entry.kind == "input" and entry.name in INPUTS - {"start", "stop"} and not entry.background:
            turn += 1
        turns.append(turn if entry.turn is None else entry.turn)
    return turns
