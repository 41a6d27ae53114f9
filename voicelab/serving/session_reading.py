"""Sessions as the platform lists and shows them: records, events, transcripts, recordings."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from voicelab.record.debugger_rows import exported_s
from voicelab.record.lanes import Lanes
from voicelab.record.session_record import SessionRecord
from voicelab.serving.answer import Answer
from voicelab.serving.asked import NotThereError, filters_of, iso, moment, page_of
from voicelab.serving.evaluation_reading import FOUND_OUT
from voicelab.serving.followed_log import BEGAN, FollowedLog
from voicelab.serving.turn_spans import TRACED

# What the platform's command line filters by, and the column that it is here.
_FILTERS = {
    "status": "status",
    "direction": "direction",
    "origin": "origin",
    "track": "caller",
    "environmentId": "environment",
    "createdAt": "began_s",
}
_FAILED = {"error": "failed", "failed": "error"}
_OUTSIDE = {*FOUND_OUT, *TRACED}
"""Events of imported sessions that the platform doesn't list among them."""


class SessionReading:
    """What is answered of sessions.

    Args:
        log: The log.
        agent_id: The agent whose they are.
    """

    def __init__(self, log: FollowedLog, agent_id: str) -> None:
        self._log = log
        self._agent_id = agent_id

    def page(self, query: Mapping[str, str]) -> Answer:
        """Answer a page of the list of sessions, in the order of the log.

        Raises:
            InputError: a filter or the page is none.
        """
        page = page_of(query)
        where, values = _conditions(query)
        (counted,) = self._log.query(f"WITH {BEGAN} SELECT count(*) AS total FROM began {where}", **values)
        # What is wide is read for the page alone.
        rows = self._log.query(
            f"WITH {BEGAN}, page AS (SELECT session_id, began_s FROM began {where} ORDER BY session_index "
            f"LIMIT {page.limit} OFFSET {page.offset}) "
            "SELECT s.*, page.began_s FROM sessions s JOIN page USING (session_id) ORDER BY session_index",
            **values,
        )
        return page.answer([self._facts(row, row["began_s"]) for row in rows], counted["total"])

    def one(self, session_id: str) -> Answer:
        """Answer a session's record, with the seconds that the agent spoke."""
        record = self._log.record(session_id)
        (row,) = self._log.query("SELECT * FROM sessions WHERE session_index = $at", at=record.session_index)
        facts = self._facts(row, self._log.began_s(record.session_index))
        facts["usage"]["ttsDuration"] = round(1000 * sum(_spoken(record)))
        return Answer(200, {"data": facts})

    def events(self, session_id: str, query: Mapping[str, str]) -> Answer:
        """Answer a page of a session's events; the last one is its context, with tests and outcomes."""
        page, record = page_of(query), self._log.record(session_id)
        shift_s = self._log.began_s(record.session_index) - exported_s(record.session_index)
        rows = [row for row in record.debugger_rows() if row["name"] not in _OUTSIDE]
        return page.of([_event(row, shift_s) for row in rows])

    def transcript(self, session_id: str, query: Mapping[str, str]) -> Answer:
        """Answer a page of what was said and heard in a session."""
        page, record = page_of(query), self._log.record(session_id)
        began_s = self._log.began_s(record.session_index)
        said = sorted((e for e in record.events if e.name == "transcript_part"), key=lambda event: event.time_s)
        return page.of([{"timestamp": iso(began_s + event.time_s), "data": event.data} for event in said])

    def recording(self, session_id: str) -> Answer:
        """Answer what a session sounded like, where it was kept.

        Raises:
            NotThereError: there is no such session, or it was not recorded.
        """
        record = self._log.record(session_id)  # an id of the log, and so the name of a file at most
        folder = self._log.now.path / "audio"
        path = folder / f"{record.session_id}.wav"
        if path.parent != folder or not path.is_file():
            raise NotThereError(f"No recording of session {session_id}")
        return Answer(200, path.read_bytes(), "audio/wav")

    def _facts(self, row: Mapping[str, Any], began_s: float) -> dict[str, Any]:
        ended = iso(began_s + row["duration_s"])
        return {
            "id": row["session_id"],
            "agentId": self._agent_id,
            "environmentId": row["environment"],
            "releaseId": None,
            "status": _FAILED.get(row["status"], row["status"]),
            "direction": row["direction"],
            "origin": row["origin"],
            "track": row["caller"],
            "entrypointId": None,
            "usage": {"sessionDuration": 1000 * row["duration_s"]},
            "tags": json.loads(row["tags"]),
            "inputData": json.loads(row["parameters"]),
            "outputData": json.loads(row["output_data"]),
            "telephonyCallId": None,
            "createdAt": iso(began_s),
            "endedAt": ended,
            "updatedAt": ended,
        }


def _conditions(query: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """Return the filters as a condition of SQL, and its values."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for at, (name, operator, text) in enumerate(filters_of(query, _FILTERS)):
        value: str | float = text
        if name == "createdAt":
            # Beginnings are told to the microsecond: what was told must be found by it.
            value = moment("createdAt", text) + (5e-7 if operator == "<=" else -5e-7 if operator == ">=" else 0.0)
        elif name == "status":
            value = _FAILED.get(text, text)
        parts.append(f"{_FILTERS[name]} {operator} $v{at}")
        values[f"v{at}"] = value
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


def _event(row: Mapping[str, Any], shift_s: float) -> dict[str, Any]:
    """Return a row of the debugger as one of the list of events; kind, turn and task stand beside what the platform has."""
    event = {"timestamp": iso(row["_clientTime"] + shift_s), "name": row["name"], "data": row["data"]}
    more = {key: row[key] for key in ("type", "turn", "background", "background_task_name") if key in row}
    return event | more


def _spoken(record: SessionRecord) -> Iterator[float]:
    """Yield how many seconds each of the agent's speeches was played."""
    lanes = Lanes()
    for event in record.events:
        if event.name == "text_to_speech":
            yield (lanes.end_s(event) or event.time_s) - event.time_s
