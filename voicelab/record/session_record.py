"""One session as a person reads it: `vl.run` returns it, `log.session(id)` opens it."""

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import orjson

from voicelab.base.records import (
    EXPOSURES,
    METRICS,
    OUTCOMES,
    SESSIONS,
    Event,
    EventKind,
    PortabilityNote,
    SessionRows,
    event_rows,
)
from voicelab.callers.actions import Custom, HangUp, Interrupt, Press, Say, Silence
from voicelab.record import timeline

if TYPE_CHECKING:
    import pandas as pd


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


class SessionRecord:
    """The record of one session.

    Args:
        facts: The session's row, by column.
        events: Its events.
        exposures: Its exposures, by column.
        outcomes: Its outcomes, by column.
        metrics: Its metrics, by column.
        notes: Portability notes of its handler.
    """

    def __init__(
        self,
        facts: Mapping[str, Any],
        events: Sequence[Event],
        exposures: Sequence[Mapping[str, Any]],
        outcomes: Sequence[Mapping[str, Any]],
        metrics: Sequence[Mapping[str, Any]],
        notes: Sequence[PortabilityNote] = (),
    ) -> None:
        self._facts = facts
        self.events = list(events)
        self._exposures = exposures
        self._outcomes = outcomes
        self._metrics = metrics
        self.notes = list(notes)
        self.session_id: str = facts["session_id"]
        self.session_index: int = facts["session_index"]
        self.status: str = facts["status"]
        self.caller: str = facts["caller"]
        self.source: str = facts["source"]
        self.n_turns: int = facts["n_turns"]
        self.n_errors: int = facts["n_errors"]
        self.duration_s: float = facts["duration_s"]
        self.environment: str = facts["environment"]
        self.data: dict[str, Any] = orjson.loads(facts["data"])
        self.output_data: dict[str, Any] = orjson.loads(facts["output_data"])
        self.parameters: dict[str, Any] = orjson.loads(facts["parameters"])

    @classmethod
    def from_rows(cls, rows: SessionRows, notes: Sequence[PortabilityNote] = ()) -> "SessionRecord":
        """Return the record of a session's rows."""
        events = [_event(*row) for row in event_rows(rows.events)]
        return cls(
            dict(zip(SESSIONS, rows.session, strict=True)),
            events,
            [dict(zip(EXPOSURES, row, strict=True)) for row in rows.exposures],
            [dict(zip(OUTCOMES, row, strict=True)) for row in rows.outcomes],
            [dict(zip(METRICS, row, strict=True)) for row in rows.metrics],
            notes,
        )

    # --- data ---

    @property
    def variants(self) -> dict[str, str]:
        """The variant of each test that the session reached."""
        return {row["test"]: row["variant"] for row in self._exposures}

    @property
    def assignments(self) -> dict[str, str]:
        """How each variant was assigned: random, forced, default_after_stop."""
        return {row["test"]: row["assignment"] for row in self._exposures}

    @property
    def declared_variants(self) -> dict[str, list[str]]:
        """All variants of each test that the session reached, as the handler declared them."""
        return {test: list(declared["variants"]) for test, declared in self.declarations.items()}

    @property
    def declarations(self) -> dict[str, dict[str, Any]]:
        """The declaration of each test that the session reached: variants, stop, conversion_metrics."""
        return {row["test"]: orjson.loads(row["declaration"]) for row in self._exposures}

    @property
    def outcomes(self) -> dict[str, Any]:
        """The outcomes that were declared or set, with their values at the end."""
        return {row["outcome"]: _value(row) for row in self._outcomes}

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The metrics, in order: seq, time_s, turn, type, metric, value, tags."""
        return [{**row, "tags": orjson.loads(row["tags"])} for row in self._metrics]

    @property
    def errors(self) -> list[Event]:
        """The errors of the handler and its tasks; their data has message, file, line and traceback."""
        return [event for event in self.events if event.name == "error"]

    @cached_property
    def transcript(self) -> list[dict[str, Any]]:
        """What was said and heard: role (user or agent), content, interrupted, time_s, turn."""
        return [
            {
                "role": event.data["role"],
                "content": event.data["content"],
                "interrupted": event.data.get("interrupted", False),
                "time_s": event.time_s,
                "turn": event.turn,
            }
            for event in self.events
            if event.name == "transcript_part"
        ]

    def to_frame(self) -> "pd.DataFrame":
        """Return the events as a DataFrame: seq, time_s, turn, kind, name, data (a dict), background, task_name."""
        import pandas as pd

        names = list(Event.__dataclass_fields__)
        return pd.DataFrame([[getattr(event, name) for name in names] for event in self.events], columns=names)

    def to_json(self) -> str:
        """Return everything as JSON text: the session's facts, events, exposures, outcomes, metrics and notes."""
        record = {
            "session": dict(self._facts),
            "events": [asdict(event) for event in self.events],
            "exposures": [dict(row) for row in self._exposures],
            "outcomes": [dict(row) for row in self._outcomes],
            "metrics": self.metrics,
            "notes": [asdict(note) for note in self.notes],
        }
        return orjson.dumps(record, option=orjson.OPT_INDENT_2).decode()

    def to_script(self) -> list[Any]:
        """Return the caller's side as a script for `vl.run` and `vl.simulate`."""
        script: list[Any] = []
        fell_silent_s: float | None = None
        timeouts = False
        for event in self.events:
            if event.name == "turn_end" and not timeouts:
                fell_silent_s = event.time_s
            if event.kind != "input" or event.name in {"start", "stop"}:
                continue
            if event.name == "timeout":
                timeouts = True
                continue
            if timeouts and fell_silent_s is not None:
                script.append(Silence(round(event.time_s - fell_silent_s, 3)))
            timeouts = False
            script.append(self._as_input(event))
        return [*script, HangUp()] if self.status == "hangup" else script

    def _as_input(self, event: Event) -> Any:
        data = event.data
        if event.name == "text":
            text = data.get("said", data["text"])
            if data.get("previous_turn_interrupted"):
                return Interrupt(text, self._cut_after_s(event), data["source"])
            return Say(text, data["source"])
        if event.name == "dtmf":
            return Press(data["digits"])
        return Custom(event.name, {key: value for key, value in data.items() if key != "custom"})

    def _cut_after_s(self, event: Event) -> float:
        """Return how far into the agent's speech an interruption came."""
        cut = [e for e in self.events[: event.seq] if e.name == "turn_interrupted"][-1]
        spoken = [e.time_s for e in self.events if e.turn == cut.turn and e.name == "text_to_speech"]
        return round(max(0.0, cut.time_s - min(spoken, default=cut.time_s)), 3)

    # --- display ---

    def lines(self) -> Iterator[Line]:
        """Yield the conversation, line by line in order of time."""
        yield from sorted((line for event in self.events for line in lines_of(event)), key=lambda line: line.time_s)

    @property
    def _summary(self) -> dict[str, str]:
        forced = {test: " (forced)" for test, how in self.assignments.items() if how == "forced"}
        parts = {
            "tests": ", ".join(f"{test} = {variant}{forced.get(test, '')}" for test, variant in self.variants.items()),
            "outcomes": ", ".join(f"{name} = {value}" for name, value in self.outcomes.items()),
            "output": "" if not self.output_data else orjson.dumps(self.output_data).decode(),
            "ended": f"{self.status} after {self.duration_s:.1f} s, {self.n_turns} turns, {_errors(self.n_errors)}",
        }
        return {name: text for name, text in parts.items() if text}

    def __repr__(self) -> str:
        variants = "".join(f", {test}={variant}" for test, variant in self.variants.items())
        return f"SessionRecord({self.status}, {self.n_turns} turns, {self.duration_s:.1f} s{variants})"

    def __str__(self) -> str:
        rows = [_text_line(line) for line in self.lines()]
        return "\n".join([*rows, "", *(f"{name:>9}  {text}" for name, text in self._summary.items())])

    def _repr_html_(self) -> str:
        return _html(self)


class SideBySide(Mapping[str, SessionRecord]):
    """Records of the same caller with each variant.

    Args:
        records: The records by variant.
    """

    def __init__(self, records: Mapping[str, SessionRecord]) -> None:
        self._records = dict(records)

    def __getitem__(self, variant: str) -> SessionRecord:
        return self._records[variant]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def __repr__(self) -> str:
        return f"SideBySide({', '.join(self._records)})"

    def __str__(self) -> str:
        return "\n\n".join(f"── {variant} ──\n{record}" for variant, record in self._records.items())

    def _repr_html_(self) -> str:
        columns = "".join(
            f"<div style='flex:1 1 260px;min-width:0'><b>{html.escape(variant)}</b>{_html(record)}</div>"
            for variant, record in self._records.items()
        )
        return f"<div style='display:flex;flex-wrap:wrap;gap:16px;align-items:flex-start'>{columns}</div>"


def _event(
    seq: int, time_s: float, turn: int, kind: EventKind, name: str, data: str, background: bool, task: str | None
) -> Event:
    return Event(seq, time_s, turn, kind, name, orjson.loads(data), background, task)


def _value(row: Mapping[str, Any]) -> Any:
    if row["type"] == "string":
        return row["text"]
    if row["value"] is None:
        return None
    return {"boolean": bool, "integer": int}.get(row["type"], float)(row["value"])


def _errors(count: int) -> str:
    return "no errors" if not count else "1 error" if count == 1 else f"{count} errors"


# --- lines -----------------------------------------------------------------------------------------------------------


def lines_of(event: Event) -> Iterator[Line]:
    """Yield the lines of conversation that an event makes: none, or one."""
    data, time_s, task = event.data, event.time_s, event.task_name or ""
    if event.name == "text_to_speech":
        yield _spoken(event)
    elif event.name == "text" and event.kind == "input":
        said = data.get("said", data["text"])
        misheard = f"heard as {data['text']!r}" if said != data["text"] else ""
        label = ", ".join(filter(None, [_source(data), misheard]))
        yield Line(time_s, "caller", said, label=label)
    elif event.name == "error":
        where = f" ({data['file']}:{data['line']})" if "line" in data else ""
        yield Line(time_s, "error", f"{data['message']}{where}", label=task)
    elif task:
        yield Line(time_s, "task", str(data.get("message", f"{event.name} {data}")), label=task)
    elif event.kind == "input" and event.name in {"start", "stop"}:
        return  # they are in every session
    elif event.name in _NOTES:
        yield Line(time_s, "note", _NOTES[event.name].format(**_Shown(data)))
    elif event.kind in {"log", "output", "input"}:
        yield Line(time_s, "note", f"{event.name} {data.get('message') or orjson.dumps(data).decode()}")


_NOTES = {
    "unheard": "the agent hears no words: {said}",
    "timeout": "silence: the agent is told, count {count}",
    "dtmf": "the caller presses {digits}",
    "silence": "pause of {duration} ms",
    "audio": "plays {path}",
    "stop": "the agent ends the session",
    "transfer_session": "the agent transfers the call",
    "input_gate": "the caller's input waits: {reason}",
    "print": "{message}",
    "completion": "{model} is asked {asked!r}: {message}",
}


class _Shown(dict[str, Any]):
    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        # Audio given in the event itself is no text for people.
        return f"{value[:24]}…" if isinstance(value, str) and value.startswith("data:") else value

    def __missing__(self, key: str) -> str:
        return ""


def _source(data: Mapping[str, Any]) -> str:
    return "interrupts" if data.get("previous_turn_interrupted") else ""


def _spoken(event: Event) -> Line:
    data, text = event.data, str(event.data["text"])
    who = "agent" if not event.task_name else "task"
    if data.get("spoken") is False:
        return Line(event.time_s, who, "", text, label=event.task_name or "not spoken")
    heard = data.get("heard", "" if data.get("interrupted") else text)
    lost = text.removeprefix(heard).strip() if heard != text else ""
    return Line(event.time_s, who, heard, lost, label=event.task_name or ("interrupted" if lost else ""))


def _text_line(line: Line) -> str:
    lost = f" [not heard: {line.lost}]" if line.lost else ""
    label = f" ({line.label})" if line.label else ""
    mark = {"task": "↻ ", "error": "✗ "}.get(line.who, "")
    return f"{_clock(line.time_s):>8}  {line.who:<6} {mark}{line.text}{lost}{label}".rstrip()


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60)
    return f"{int(minutes)}:{seconds:04.1f}"


# --- HTML ------------------------------------------------------------------------------------------------------------

_INK = "var(--jp-ui-font-color1, CanvasText)"
_DIM = "opacity:.65;font-size:85%"
_STYLES = {
    "agent": "align-self:flex-start;background:rgba(15,143,108,.13);border-radius:12px 12px 12px 3px;max-width:85%",
    "caller": "align-self:flex-end;background:rgba(47,111,222,.15);border-radius:12px 12px 3px 12px;max-width:85%",
    # Orange background and border, as the platform's debugger marks background tasks; the name stands there as text.
    "task": "align-self:stretch;background:rgba(245,158,11,.16);border:1px solid rgb(245,158,11);border-radius:8px",
    "error": "align-self:stretch;background:rgba(214,69,61,.10);border-left:3px solid rgb(214,69,61)",
    "note": "align-self:stretch;opacity:.7",
}


def _html(record: SessionRecord) -> str:
    rows = "".join(_html_line(line) for line in record.lines())
    facts = "".join(
        f"<div><span style='{_DIM}'>{html.escape(name)}</span> {html.escape(text)}</div>"
        for name, text in record._summary.items()
    )
    return (
        f"<div style='font-family:var(--jp-ui-font-family,system-ui,sans-serif);color:{_INK};max-width:900px'>"
        f"<div role='log' style='display:flex;flex-direction:column;gap:6px'>{rows}</div>"
        f"{timeline.svg(record.events, record.duration_s)}"
        f"<div style='margin-top:8px'>{facts}</div></div>"
    )


def _html_line(line: Line) -> str:
    name = f"<b>{html.escape(line.label)}</b> " if line.who == "task" else ""
    label = "" if line.who == "task" else line.label
    lost = (
        f" <span title='not heard' style='text-decoration:line-through;opacity:.6'>{html.escape(line.lost)}</span>"
        if line.lost
        else ""
    )
    meta = " · ".join(filter(None, [line.who, _clock(line.time_s), html.escape(label)]))
    return (
        f"<div class='vl-{line.who}' style='padding:5px 10px;{_STYLES[line.who]}'>{name}{html.escape(line.text)}{lost}"
        f"<div style='{_DIM}'>{meta}</div></div>"
    )
