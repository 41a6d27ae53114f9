"""The person's own verdict on a blind session, written as the outcome that its test is decided by."""

from dataclasses import dataclass, replace

import orjson

from voicelab.base.accepted_types import Json
from voicelab.base.errors import InputError
from voicelab.base.plain_json import encode
from voicelab.base.records import SessionRows, column, table_row
from voicelab.decision.asked_outcome import parse_outcome

_TEST, _DECLARATION = (column("exposures", name) for name in ("test", "declaration"))
_NAME, _TYPE = (column("outcomes", name) for name in ("outcome", "type"))
_KINDS = {"boolean": "boolean", "integer": "number", "float": "number", "string": "text"}


@dataclass(frozen=True)
class Rating:
    """What is asked after a session.

    Attributes:
        test: The test.
        outcome: Its target outcome.
        type: `boolean`, `number` or `text`.
    """

    test: str
    outcome: str
    type: str

    def question(self) -> dict[str, str]:
        """Return what the front end asks."""
        return {"test": self.test, "outcome": self.outcome, "type": self.type}

    def rated(self, rows: SessionRows, value: Json, note: str) -> SessionRows:
        """Return the session's rows with the person's verdict as the outcome's value.

        Args:
            rows: Of the session.
            value: True or False, a number, or text.
            note: What the person says besides; it stands in the events.

        Raises:
            InputError: a value of another type.
        """
        index = rows.session[column("sessions", "session_index")]
        kind, number, words = self._written(value)
        outcomes = [row for row in rows.outcomes if row[_NAME] != self.outcome]
        row = table_row(
            "outcomes", session_index=index, outcome=self.outcome, type=kind, value=number, text=words, written=True
        )
        time_s, turn, *_ = rows.events[-1] if rows.events else (0.0, 0)
        text = encode({"outcome": self.outcome, "value": value, "note": note})
        return replace(rows, outcomes=[*outcomes, row], events=[*rows.events, (time_s, turn, _RATING, text)])

    def _written(self, value: Json) -> tuple[str, float | None, str | None]:
        if self.type == "boolean" and isinstance(value, bool):
            return "boolean", float(value), None
        number = None if isinstance(value, bool) or not isinstance(value, int | float) else value
        if self.type == "number" and number is not None and abs(number) < float("inf"):
            return ("integer" if isinstance(number, int) else "float"), float(number), None
        if self.type == "text" and isinstance(value, str) and value.strip():
            return "string", None, value.strip()
        allowed = {"boolean": "yes or no", "number": "a number", "text": "some text"}[self.type]
        raise InputError(f"{self.outcome} is {value!r}, must be {allowed}.")


def rating_of(rows: SessionRows) -> Rating | None:
    """Return what to ask after a session, or None if it reached no test with an outcome.

    The outcome is the stop rule's target; where the test names none, the first one that the session declared.
    """
    declared = {row[_NAME]: row[_TYPE] for row in rows.outcomes}
    for row in rows.exposures:
        declaration = orjson.loads(row[_DECLARATION])
        stop = declaration.get("stop") or {}
        target = stop.get("target_outcome") or stop.get("target_metric")
        target = target or next(iter([*declaration.get("conversion_metrics", []), *declared]), None)
        # Of a quantile it is what it is of; a ratio of two is nothing that a person rates.
        asked = parse_outcome(target) if target else None
        target = None if asked is None or asked.form == "ratio" else asked.name
        if target:
            return Rating(row[_TEST], target, _KINDS.get(declared.get(target, "boolean"), "boolean"))
    return None


_RATING = ("system", "rating", False, None)
