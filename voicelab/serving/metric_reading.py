"""Custom metrics as the platform lists them: names, tags, series over time, and those of one session."""

import json
from collections.abc import Mapping
from typing import Any

from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.serving.answer import Answer
from voicelab.serving.asked import Steps, needed, steps_of
from voicelab.serving.followed_log import BEGAN, FollowedLog

# Counters add up; what a gauge or a histogram shows is an average. One alone, within one session, its last value.
_SERIES = f"""
WITH {BEGAN}
SELECT m.type, floor((b.began_s + m.time_s - $start_s) / $step_s) AS step,
    CASE WHEN m.type = 'counter' THEN sum(m.value) ELSE avg(m.value) END AS value
FROM metrics m JOIN began b USING (session_id)
WHERE m.metric = $metric AND b.began_s + m.time_s BETWEEN $start_s AND $end_s {{more}}
GROUP BY 1, 2, m.type ORDER BY 1, 2
"""


class MetricReading:
    """What is answered of custom metrics.

    Args:
        log: The log.
    """

    def __init__(self, log: FollowedLog) -> None:
        self._log = log

    def names(self) -> Answer:
        """Answer the names of all metrics."""
        rows = self._log.query("SELECT DISTINCT metric FROM metrics ORDER BY metric")
        return Answer(200, {"data": [row["metric"] for row in rows]})

    def tags(self, query: Mapping[str, str]) -> Answer:
        """Answer the tags of a metric, or of all, each with its values."""
        where = "WHERE metric = $metric" if query.get("metricName") else ""
        values = {"metric": query["metricName"]} if where else {}
        found: dict[str, set[str]] = {}
        for row in self._log.query(f"SELECT DISTINCT tags FROM metrics {where}", **values):
            for tag, value in json.loads(row["tags"]).items():
                found.setdefault(tag, set()).add(_text(value))
        return Answer(200, {"data": {tag: sorted(found[tag]) for tag in sorted(found)}})

    def timeseries(self, query: Mapping[str, str]) -> Answer:
        """Answer a metric over time: a value a step in which it was written.

        Raises:
            InputError: metric or time are missing, or none.
        """
        metric, steps = needed(query, "metricName"), steps_of(query)
        values: dict[str, Any] = {"metric": metric, **vars(steps)}
        more = []
        if query.get("environmentId"):
            more.append("AND b.environment = $environment")
            values["environment"] = query["environmentId"]
        for at, (tag, value) in enumerate(_tags_asked(query).items()):
            more.append(f"AND json_extract_string(m.tags, $tag{at}) = $value{at}")
            values |= {f"tag{at}": f'$."{tag}"', f"value{at}": _text(value)}
        series: dict[str, list[list[Any]]] = {}
        for row in self._log.query(_SERIES.format(more=" ".join(more)), **values):
            series.setdefault(row["type"], []).append([at_step(steps, row["step"]), f"{row['value']:.15g}"])
        result = [
            {"metric": {"metric_name": metric, "metric_type": kind}, "values": points}
            for kind, points in series.items()
        ]
        return Answer(200, {"data": {"resultType": "matrix", "result": result}})

    def of_session(self, session_id: str) -> Answer:
        """Answer the metrics of a session: counters summed, of the others the last value."""
        record = self._log.record(session_id)
        began_s = self._log.began_s(record.session_index)
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for row in record.metrics:
            key = (row["metric"], row["type"], json.dumps(row["tags"], sort_keys=True))
            before = found[key]["value"] if key in found and row["type"] == "counter" else 0.0
            found[key] = row | {"value": before + row["value"]}
        result = [
            {
                "metric": {**row["tags"], "metric_name": row["metric"], "metric_type": row["type"]},
                "value": [round(began_s + row["time_s"], 3), f"{row['value']:.15g}"],
            }
            for row in found.values()
        ]
        return Answer(200, {"data": {"resultType": "vector", "result": result}})


def at_step(steps: Steps, step: float) -> float:
    """Return when a step begins, in seconds since 1970."""
    return steps.start_s + step * steps.step_s


def _tags_asked(query: Mapping[str, str]) -> dict[str, Any]:
    given = query.get("tags")
    try:
        tags = json.loads(given) if given else {}
    except (ValueError, RecursionError):
        tags = None
    if not isinstance(tags, dict) or any('"' in tag or "\\" in tag for tag in tags):
        raise InputError(f'tags is {shown(given)}, must be JSON such as {{"channel": "phone"}}.')
    return tags


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
