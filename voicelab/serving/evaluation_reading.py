"""What evaluators came to, session by session, as the platform lists it."""

import json
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from voicelab.serving.answer import Answer
from voicelab.serving.asked import NotThereError, filters_of, iso, page_of
from voicelab.serving.followed_log import BEGAN, FollowedLog

FOUND_OUT = ("evaluation",)
"""Names of events that imported rulings have become."""
_FILTERS = ("status", "evalType", "evaluatorId", "sessionId")
# Rulings that were imported keep all that the platform says of them; those that were asked here are outcomes by name.
_ALL = f"""
WITH {BEGAN}, imported AS (
    SELECT b.session_index, e.seq AS place, e.session_id, e.data, NULL AS evaluator, NULL AS value, b.began_s, b.duration_s
    FROM events e JOIN began b USING (session_id) WHERE e.name = 'evaluation'
), own AS (
    SELECT b.session_index, 0 AS place, b.session_id, NULL AS data, o.outcome AS evaluator, o.value, b.began_s, b.duration_s
    FROM (
        SELECT session_id, outcome, value FROM outcomes UNION ALL SELECT session_id, outcome, value FROM late
    ) o JOIN began b USING (session_id)
    WHERE list_contains($evaluators, o.outcome)
), found AS (SELECT * FROM imported UNION ALL SELECT * FROM own)
"""
_COLUMNS = {
    "status": "coalesce(data ->> '$.status', CASE WHEN value IS NULL THEN 'skipped' ELSE 'complete' END)",
    "evalType": "coalesce(data ->> '$.evalType', data ->> '$.eval_type', 'deterministic')",
    "evaluatorId": "coalesce(data ->> '$.evaluatorId', data ->> '$.evaluator_id', evaluator)",
    "sessionId": "session_id",
}


class EvaluationReading:
    """What is answered of evaluations.

    Args:
        log: The log.
    """

    def __init__(self, log: FollowedLog) -> None:
        self._log = log

    def page(self, query: Mapping[str, str], session_id: str | None = None) -> Answer:
        """Answer a page of all evaluations, or of those of one session.

        Raises:
            InputError: a filter or the page is none.
            NotThereError: there is no such session.
        """
        page = page_of(query)
        parts: list[str] = []
        values: dict[str, Any] = {}
        for at, (name, operator, value) in enumerate(filters_of(query, _FILTERS)):
            parts.append(f"{_COLUMNS[name]} {operator} $v{at}")
            values[f"v{at}"] = value
        if session_id is not None:
            parts.append("session_id = $session")
            values["session"] = self._log.record(session_id).session_id
        where = "WHERE " + " AND ".join(parts) if parts else ""
        values["evaluators"] = self._evaluators()
        (counted,) = self._log.query(f"{_ALL} SELECT count(*) AS total FROM found {where}", **values)
        rows = self._log.query(
            f"{_ALL} SELECT * FROM found {where} ORDER BY session_index, place, evaluator "
            f"LIMIT {page.limit} OFFSET {page.offset}",
            **values,
        )
        return page.answer([_evaluation(row) for row in rows], counted["total"])

    def one(self, evaluation_id: str) -> Answer:
        """Answer an evaluation.

        Raises:
            NotThereError: there is none of this id.
        """
        for row in self._with_id(evaluation_id):
            found = _evaluation(row)
            if found["id"] == evaluation_id:
                return Answer(200, {"data": found})
        raise NotThereError(f"Evaluation not found: {evaluation_id}")

    def _with_id(self, evaluation_id: str) -> Iterator[dict[str, Any]]:
        session_id = evaluation_id.rpartition(".")[0]
        yield from self._log.query(
            f"{_ALL} SELECT * FROM found WHERE session_id = $session OR data ->> '$.id' = $id",
            session=session_id,
            id=evaluation_id,
            evaluators=self._evaluators(),
        )

    def _evaluators(self) -> list[str]:
        """Return the evaluators of the log: asked while it ran, and afterwards."""
        manifest = self._log.now.manifest
        return sorted({*manifest.get("evaluators", ()), *manifest.get("evaluated", ())})


def _evaluation(row: Mapping[str, Any]) -> dict[str, Any]:
    if row["data"] is not None:
        known: dict[str, Any] = {"sessionId": row["session_id"], **json.loads(row["data"])}
        return known
    success = None if row["value"] is None else bool(row["value"])
    ended = iso(row["began_s"] + row["duration_s"])
    # An id that stands in an address as it is, whatever the evaluator's name holds.
    digest = blake2b(row["evaluator"].encode(errors="replace"), digest_size=6).hexdigest()
    return {
        "id": f"{row['session_id']}.{digest}",
        "sessionId": row["session_id"],
        "evaluatorId": row["evaluator"],
        "evalType": "deterministic",
        "status": "skipped" if success is None else "complete",
        "trigger": "session_end",
        "success": success,
        "details": None if success is None else {"matched": success},
        "skipReason": "its precondition isn't met" if success is None else None,
        "createdAt": ended,
        "updatedAt": ended,
    }
