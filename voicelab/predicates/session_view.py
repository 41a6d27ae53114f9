"""What a predicate sees of a session: the platform's session view, made of the rows that voicelab keeps.

turn_count        completed turns: events named `turn_end`
duration_seconds  0 while the session has not ended
direction         inbound, outbound
origin            simulation, debugger; of exports phone, web, ...
tags              an array of text
environment       an array: on the platform id and name, here the one of them that is known
outcomes          by name, whatever the session has a value of: what it wrote, what was evaluated or added late, its measures,
                  and the numbers of its row; voicelab's own, which the platform has not
events            in the order of arrival, each {name, data, timestamp}; here the timestamp is in seconds since the start

A view holds what is looked at and no more: most predicates ask of two or three names of events, and to read the others'
data would be most of the work.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import orjson

from voicelab.base.named_numbers import COLUMNS
from voicelab.base.records import MEASURES, RUNNING, Event, SessionRows, column
from voicelab.predicates.predicate import AskedOfEvents, Predicate

View = Mapping[str, Any]

FIELDS: dict[str, tuple[str, ...] | None] = {
    "turn_count": None,
    "duration_seconds": None,
    "direction": None,
    "origin": None,
    "tags": None,
    "environment": None,
    "outcomes": None,
    "events": ("name", "data", "timestamp"),
}
"""The fields of a session, and those of an event."""
BY_NAME = "outcomes"
"""The field that holds values by name."""
TURN_END = "turn_end"
_COLUMNS = {
    "duration_seconds": ("duration_s", "status"),
    "direction": ("direction",),
    "origin": ("origin",),
    "tags": ("tags",),
    "environment": ("environment",),
}
_AT = {name: column("sessions", name) for names in (*_COLUMNS.values(), COLUMNS) for name in names}
_OUTCOME, _TYPE, _VALUE, _TEXT = (column("outcomes", name) for name in ("outcome", "type", "value", "text"))


@dataclass(frozen=True)
class Looked:
    """What predicates look at in a session.

    Attributes:
        fields: Fields of the session.
        names: Names of events that can match; None for all.
        data: Whether the events' data is looked at.
        asked: What is asked of single events; nothing where the list of events is looked at as a whole.
        outcomes: Names of outcomes; None for all.
    """

    fields: frozenset[str]
    names: frozenset[str] | None
    data: bool
    asked: tuple[AskedOfEvents, ...] = ()
    outcomes: frozenset[str] | None = frozenset()

    @classmethod
    def at_by(cls, predicates: Sequence[Predicate]) -> Self:
        """Return what some predicates look at, all in all."""
        fields = frozenset[str]().union(*(predicate.fields for predicate in predicates))
        every_name = [predicate.names_in(BY_NAME) for predicate in predicates]
        outcomes = None if None in every_name else frozenset[str]().union(*(names or () for names in every_name))
        if "" in fields:
            return cls(frozenset(FIELDS), None, data=True, outcomes=None)
        names: frozenset[str] | None = frozenset()
        data = False
        every: list[AskedOfEvents] = []
        for asked in (predicate.asks_of_events() for predicate in predicates):
            if asked is None:
                return cls(fields, None, data=True, outcomes=outcomes)
            every += asked
            for one in asked:
                names = None if names is None or one.names is None else names | one.names
                data = data or one.data
        return cls(fields, names, data, tuple(every), outcomes)

    def names_any(self, names: Iterable[str]) -> bool:
        """Return whether one of some names of outcomes is looked at."""
        return BY_NAME in self.fields and (self.outcomes is None or not self.outcomes.isdisjoint(names))

    @property
    def columns(self) -> list[str]:
        """Columns of the table of sessions that are looked at."""
        asked = [name for field in _COLUMNS if field in self.fields for name in _COLUMNS[field]]
        return list(dict.fromkeys([*asked, *(name for name in COLUMNS if self.names_any([name]))]))


def view_of(
    looked: Looked,
    facts: Mapping[str, Any],
    turn_count: int,
    events: list[dict[str, Any]],
    outcomes: Mapping[str, Any] = MappingProxyType({}),
) -> View:
    """Return the view of a session, as far as it is looked at.

    Args:
        looked: What is looked at.
        facts: The columns of `looked.columns`.
        turn_count: Completed turns.
        events: Those that can match.
        outcomes: What `named_values` makes of them.
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
        elif field == BY_NAME:
            view[field] = outcomes
        elif field in _COLUMNS:
            view[field] = facts[field]
    return view


def named_values(
    looked: Looked, facts: Mapping[str, Any], written: Mapping[str, Any], measures: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the outcomes of a session by name, as far as they are looked at; without those that have no value.

    Args:
        looked: What is looked at.
        facts: Its row in the table of sessions.
        written: What it wrote, and what was evaluated or added late: it comes before measures and numbers of its name.
        measures: What it was measured by.
    """
    if BY_NAME not in looked.fields:
        return {}
    found = {name: facts.get(name) for name in COLUMNS} | dict(measures) | dict(written)
    return {
        name: value
        for name, value in found.items()
        if value is not None and (looked.outcomes is None or name in looked.outcomes)
    }


def outcome_value(type_: str, value: float | None, text: str | None) -> bool | int | float | str | None:
    """Return the value of a row of the table of outcomes, None for none."""
    if value is None:
        return text
    return bool(value) if type_ == "boolean" else int(value) if type_ == "integer" else value


def seen_event(name: str, data: Any, time_s: float) -> dict[str, Any]:
    """Return an event as a predicate sees it."""
    return {"name": name, "data": data, "timestamp": time_s}


def view_of_rows(looked: Looked, rows: SessionRows) -> View:
    """Return the view of a session that has just ended."""
    facts = {name: rows.session[at] for name, at in _AT.items()}
    written = {row[_OUTCOME]: outcome_value(row[_TYPE], row[_VALUE], row[_TEXT]) for row in rows.outcomes}
    measures = dict(zip(MEASURES, rows.measures, strict=True)) if rows.measures is not None else {}
    turn_count = sum(label[1] == TURN_END for _time_s, _turn, label, _data in rows.events)
    events = [
        seen_event(label[1], orjson.loads(data) if looked.data else None, time_s)
        for time_s, _turn, label, data in (rows.events if "events" in looked.fields else ())
        if looked.names is None or label[1] in looked.names
    ]
    return view_of(looked, facts, turn_count, events, named_values(looked, facts, written, measures))


def view_of_events(
    looked: Looked,
    facts: Mapping[str, Any],
    events: Iterable[Event],
    written: Mapping[str, Any] = MappingProxyType({}),
    measures: Mapping[str, Any] = MappingProxyType({}),
) -> View:
    """Return the view of a session whose events are decoded; of outcomes see `named_values`."""
    known = list(events)
    turn_count = sum(event.name == TURN_END for event in known)
    seen = [seen_event(e.name, e.data, e.time_s) for e in known]
    return view_of(looked, facts, turn_count, seen, named_values(looked, facts, written, measures))
