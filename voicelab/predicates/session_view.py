"""What a predicate sees of a session: the platform's session view, made of the rows that voicelab keeps.

turn_count        completed turns: events named `turn_end`
duration_seconds  0 while the session has not ended
direction         inbound, outbound
origin            simulation, debugger; of exports phone, web, ...
tags              an array of text
environment       an array: on the platform id and name, here the one of them that is known
events            in the order of arrival, each {name, data, timestamp}; here the timestamp is in seconds since the start

A view holds what is looked at and no more: most predicates ask of two or three names of events, and to read the others'
data would be most of the work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from voicelab.base.records import RUNNING, Event, SessionRows, column
from voicelab.predicates.predicate import AskedOfEvents, Predicate

View = Mapping[str, Any]

FIELDS: dict[str, tuple[str, ...] | None] = {
    "turn_count": None,
    "duration_seconds": None,
    "direction": None,
    "origin": None,
    "tags": None,
    "environment": None,
    "events": ("name", "data", "timestamp"),
}
"""The fields of a session, and those of an event."""
TURN_END = "turn_end"
_COLUMNS = {
    "duration_seconds": ("duration_s", "status"),
    "direction": ("direction",),
    "origin": ("origin",),
    "tags": ("tags",),
    "environment": ("environment",),
}
_AT = {name: column("sessions", name) for names in _COLUMNS.values() for name in names}


@dataclass(frozen=True)
class Looked:
    """What predicates look at in a session.

    Attributes:
        fields: Fields of the session.
        names: Names of events that can match; None for all.
        data: Whether the events' data is looked at.
        asked: What is asked of single events; nothing where the list of events is looked at as a whole.
    """

    fields: frozenset[str]
    names: frozenset[str] | None
    data: bool
    asked: tuple[AskedOfEvents, ...] = ()

    @classmethod
    def at_by(cls, predicates: Sequence[Predicate]) -> Self:
        """Return what some predicates look at, all in all."""
        fields = frozenset[str]().union(*(predicate.fields for predicate in predicates))
        if "" in fields:
            return cls(frozenset(FIELDS), None, data=True)
        names: frozenset[str] | None = frozenset()
        data = False
        every: list[AskedOfEvents] = []
        for asked in (predicate.asks_of_events() for predicate in predicates):
            if asked is None:
                return cls(fields, None, data=True)
            every += asked
            for one in asked:
                names = None if names is None or one.names is None else names | one.names
                data = data or one.data
        return cls(fields, names, data, tuple(every))

    @property
    def columns(self) -> list[str]:
        """Columns of the table of sessions that are looked at."""
        return [name for field in _COLUMNS if field in self.fields for name in _COLUMNS[field]]


def view_of(looked: Looked, facts: Mapping[str, Any], turn_count: int, events: list[dict[str, Any]]) -> View:
    """Return the view of a session, as far as it is looked at.

    Args:
        looked: What is looked at.
        facts: The columns of `looked.columns`.
        turn_count: Completed turns.
        events: Those that can match.
    """
    view: dict[str, Any] = {}
    for field in looked.fields:
        if field == "turn_count":
            view[field] = turn_count
        elif field == "duration_seconds":
            view[field] = 0 if facts["status"] in RUNNING else facts["duration_s"]
        elif field == "tags":
            view[field] = orjson.loads(facts["tags"] or "[]")
        elif field == "environment":
            view[field] = [facts["environment"]]
        elif field == "events":
            view[field] = events
        elif field in _COLUMNS:
            view[field] = facts[field]
    return view


def seen_event(name: str, data: Any, time_s: float) -> dict[str, Any]:
    """Return an event as a predicate sees it."""
    return {"name": name, "data": data, "timestamp": time_s}


def view_of_rows(looked: Looked, rows: SessionRows) -> View:
    """Return the view of a session that has just ended."""
    facts = {name: rows.session[at] for name, at in _AT.items()}
    turn_count = sum(label[1] == TURN_END for _time_s, _turn, label, _data in rows.events)
    events = [
        seen_event(label[1], orjson.loads(data) if looked.data else None, time_s)
        for time_s, _turn, label, data in (rows.events if "events" in looked.fields else ())
        if looked.names is None or label[1] in looked.names
    ]
    return view_of(looked, facts, turn_count, events)


def view_of_events(looked: Looked, facts: Mapping[str, Any], events: Iterable[Event]) -> View:
    """Return the view of a session whose events are decoded."""
    known = list(events)
    turn_count = sum(event.name == TURN_END for event in known)
    return view_of(looked, facts, turn_count, [seen_event(e.name, e.data, e.time_s) for e in known])
