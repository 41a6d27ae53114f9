"""One session as a person reads it: `vl.run` returns it, `log.session(id)` opens it."""

import operator
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import orjson

from voicelab.base.errors import InputError
from voicelab.base.html_page import write_page
from voicelab.base.masking import shown
from voicelab.base.plain_json import encode
from voicelab.base.records import (
    EXPOSURES,
    METRICS,
    OUTCOMES,
    SESSIONS,
    Event,
    EventKind,
    EventRow,
    PortabilityNote,
    Row,
    SessionRows,
    event_rows,
)
from voicelab.base.upper_rooms import of_an_upper_room
from voicelab.measures import MEASURES, measures_of
from voicelab.predicates import Evaluation, EvaluatorLike, as_evaluators
from voicelab.predicates.session_view import view_of_events
from voicelab.record.caller_as_script import script_of
from voicelab.record.debugger_rows import debugger_rows, write_rows
from voicelab.record.failure import FailureLike
from voicelab.record.html import card, cards_side_by_side
from voicelab.record.lines import Line, lines_in_order, text_line
from voicelab.record.readable import readable
from voicelab.record.svg import seconds_drawn, svg
from voicelab.record.why import explained

if TYPE_CHECKING:
    import pandas as pd


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
        self._measured: Row | None = None
        self.notes = list(notes)
        self.origin: Callable[[], Any] | None = None
        """Returns what the session can be played from again (`voicelab.runs.origin`); None where nobody here knows that."""
        self.manifest: Mapping[str, Any] = {}
        """Of a session of a log: the log's manifest."""
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
        record = cls(
            dict(zip(SESSIONS, rows.session, strict=True)),
            events_from(rows.events),
            [dict(zip(EXPOSURES, row, strict=True)) for row in rows.exposures],
            [dict(zip(OUTCOMES, row, strict=True)) for row in rows.outcomes],
            [dict(zip(METRICS, row, strict=True)) for row in rows.metrics],
            notes,
        )
        record._measured = rows.measures
        return record

    def rows(self) -> SessionRows:
        """Return the session's rows, as `from_rows` takes them."""
        return SessionRows(
            tuple(map(self._facts.get, SESSIONS)),
            [(e.time_s, e.turn, (e.kind, e.name, e.background, e.task_name), encode(e.data)) for e in self.events],
            exposures=[tuple(map(row.get, EXPOSURES)) for row in self._exposures],
            outcomes=[tuple(map(row.get, OUTCOMES)) for row in self._outcomes],
            metrics=[tuple(map(row.get, METRICS)) for row in self._metrics],
        )

    # --- data ---

    @property
    def facts(self) -> Mapping[str, Any]:
        """The session's row, by column of the table `sessions`."""
        return self._facts

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
    def measures(self) -> dict[str, float | None]:
        """What the conversation was like, by measure (`docs/measures.md`); None where there was no chance for it."""
        measured = self._measured or measures_of(self.rows())
        return dict(zip(MEASURES, measured[1:], strict=True))

    @cached_property
    def transcript(self) -> list[dict[str, Any]]:
        """What was said and heard: role (user or agent), content, interrupted, time_s, turn."""
        return [
            {
                "role": event.data.get("role", "unknown"),
                "content": event.data.get("content", ""),
                "interrupted": event.data.get("interrupted", False),
                "time_s": event.time_s,
                "turn": event.turn,
            }
            for event in map(readable, self.events)
            if event.name == "transcript_part"
        ]

    def explain(self, seq: SupportsIndex) -> str:
        """Return, in words, why a row came when it did: which input, which deadline, which gate.

        Args:
            seq: The row's number, as `events` and `to_frame()` have it.

        Raises:
            InputError: the session has no such row.

        Example:
            >>> import voicelab as vl
            >>> async def handler(event, context):
            ...     if event.name == "start":
            ...         yield vl.sdk.TextToSpeechEvent(text="Hello!")
            >>> vl.run(handler, ["hi"]).explain(0)
            'The session began: the handler gets its StartEvent, once and first.'
        """
        try:
            at = -1 if isinstance(seq, bool) else operator.index(seq)  # numpy's whole numbers too, as a frame has them
        except TypeError:
            at = -1
        if not 0 <= at < len(self.events):
            there = f"0 to {len(self.events) - 1}" if self.events else "it has none"
            raise InputError(f"seq is {shown(seq)}, must be the number of one of the session's rows: {there}.")
        return explained(self.events, at, self.status)

    def evaluate(self, evaluator: EvaluatorLike) -> Evaluation:
        """Return what an evaluator comes to in this session: status, success, failed_path, reason.

        Args:
            evaluator: A predicate of the platform's language, such as `{"turn_count": {"$gte": 3}}`, or the path of an
                evaluator.

        Raises:
            InputError: it is none, or there are several in the file.
        """
        asked = as_evaluators(evaluator)
        if len(asked) > 1:
            names = ", ".join(one.name for one in asked)
            raise InputError(
                f"{evaluator} holds {len(asked)} evaluators: {names}. Give one of voicerun.evaluators({str(evaluator)!r})."
            )
        for remark in asked[0].remarks:
            warnings.warn(remark, stacklevel=2)
        measures = self.measures if asked.looked.names_any(MEASURES) else {}
        return asked.of(view_of_events(asked.looked, self._facts, self.events, self.outcomes, measures))[0]

    def shrink(
        self,
        failure: FailureLike | None = None,
        *,
        handler: Any = None,
        max_runs: int = 2_000,
        **options: Any,
    ) -> Any:
        """Find the shortest conversation that still fails the same way, by running it again and again.

        What the caller did, what the world did to it, parameters and whatever else the session was given is left out as far as
        the failure stays, and what stays is made simpler: fewer words, round times, plain text in place of an interruption. The
        failure stays the same one: the same exception at the same line, the same path of a predicate; where a session without
        any input would fail as well, the same last words of the agent. The same call gives the same conversation.

        Args:
            failure: As of `log.failures`; None for the session's first error, or the status or evaluator that it failed by.
            handler: The handler, for a session whose log was opened from its folder: what `vl.load_handler` takes.
            max_runs: The most sessions to run.
            options: With `handler`: other arguments of `vl.run` that the session was run with, such as `model=`.

        Returns:
            A `Shrunk`: `.inputs`, `.arguments` (of `vl.run`), `.record`, `.failure`, `.n_runs`, `.to_script()`, `.to_test()`
            (a pytest), `.to_frame()`.

        Raises:
            InputError: the session doesn't fail so, or can't be run here; the message names what is needed.
            NotRepeatedError: run again, it doesn't fail; the message says what differed.

        Example:
            >>> import voicelab as vl
            >>> async def handler(event, context):
            ...     if event.name == "text" and "refund" in event.data["text"]:
            ...         raise KeyError("refund")
            ...     yield vl.sdk.TextToSpeechEvent(text="Yes?")
            >>> vl.run(handler, ["hello", "I want a refund please", "bye"]).shrink().inputs
            ['refund']
        """
        return of_an_upper_room("voicelab.change.shrinking", "shrink")(
            self, failure, handler=handler, max_runs=max_runs, options=options
        )

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
        return script_of(self.events, self.status)

    def to_html(self, path: str | Path) -> Path:
        """Write conversation and timeline as a page of its own, and return its path.

        Args:
            path: Where to, such as `call.html`; a file that is there is replaced.

        Raises:
            InputError: it can't be written there.
        """
        return write_page(path, f"Session {self.session_id}", self._repr_html_())

    def to_debugger(self, path: str | Path) -> Path:
        """Write the session as VoiceRun's debugger exports one, and return the path: its Import opens it.

        `voicerun.read` gives the session back, but for what the platform has no form for: events stand in the order of
        their times, as `imported`, and begin at a date of the lab's own.

        Args:
            path: Where to, such as `session.json`; a file that is there is replaced.

        Raises:
            InputError: it can't be written there.
        """
        return write_rows(path, self.debugger_rows())

    def debugger_rows(self) -> list[dict[str, Any]]:
        """Return the session as the rows of such an export."""
        return debugger_rows(self._facts, self.events, self._exposures, self._outcomes)

    # --- display ---

    def lines(self) -> Iterator[Line]:
        """Yield the conversation, line by line in order of time."""
        yield from lines_in_order(self.events)

    @property
    def summary(self) -> dict[str, str]:
        """What stands below a conversation, by name: tests, outcomes, output data, and how the session ended."""
        forced = {test: " (forced)" for test, how in self.assignments.items() if how == "forced"}
        specified = {
            event.data.get("outcome"): f", as specified; the handler had set {event.data.get('handler')}"
            for event in map(readable, self.events)
            if event.name == "outcome_specified"
        }
        parts = {
            "tests": ", ".join(f"{test} = {variant}{forced.get(test, '')}" for test, variant in self.variants.items()),
            "outcomes": ", ".join(
                f"{name} = {value}{specified.get(name, '')}" for name, value in self.outcomes.items()
            ),
            "output": "" if not self.output_data else encode(self.output_data),
            "ended": f"{self.status} after {self.duration_s:.1f} s, {_turns(self.n_turns)}, {_errors(self.n_errors)}",
        }
        return {name: text for name, text in parts.items() if text}

    def __repr__(self) -> str:
        variants = "".join(f", {test}={variant}" for test, variant in self.variants.items())
        return f"SessionRecord({self.status}, {_turns(self.n_turns)}, {self.duration_s:.1f} s{variants})"

    def __str__(self) -> str:
        rows = [text_line(line) for line in self.lines()]
        return "\n".join([*rows, "", *(f"{name:>9}  {text}" for name, text in self.summary.items())])

    def card_parts(self, *, length_s: float | None = None) -> tuple[Iterator[Line], dict[str, str], str]:
        """Return what the card is made of: conversation, facts and timeline, on an axis of some length in seconds."""
        return self.lines(), self.summary, svg(self.events, self.duration_s, length_s=length_s)

    def _repr_html_(self) -> str:
        return card(*self.card_parts())


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

    def to_html(self, path: str | Path) -> Path:
        """Write the records side by side as a page of their own, and return its path; as `SessionRecord.to_html`."""
        return write_page(path, f"Each variant: {', '.join(self._records)}", self._repr_html_())

    def _repr_html_(self) -> str:
        records = self._records.values()
        longest_s = max((seconds_drawn(record.events, record.duration_s) for record in records), default=0.0)
        return cards_side_by_side(
            {variant: record.card_parts(length_s=longest_s) for variant, record in self._records.items()}
        )


def events_from(rows: Iterable[EventRow]) -> list[Event]:
    """Return events of their rows, as a person reads them."""
    return [_event(*row) for row in event_rows(rows)]


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


def _turns(count: int) -> str:
    return "1 turn" if count == 1 else f"{count} turns"


def _errors(count: int) -> str:
    return "no errors" if not count else "1 error" if count == 1 else f"{count} errors"
