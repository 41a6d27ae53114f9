"""What the platform's command line reads, answered from a session log: simulated, spoken or imported."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from voicelab.base.errors import InputError, LogError
from voicelab.log import Log
from voicelab.serving.answer import Answer
from voicelab.serving.asked import NotThereError, page_of
from voicelab.serving.evaluation_reading import EvaluationReading
from voicelab.serving.experiment_reading import ExperimentReading
from voicelab.serving.followed_log import FollowedLog
from voicelab.serving.metric_reading import MetricReading
from voicelab.serving.session_reading import SessionReading
from voicelab.serving.turn_spans import span_of, trace_of

_EMPTY_LISTS: dict[str, Any] = {"tags": {}, "timeseries": {"result": []}}


class Reading:
    """Answers requests that only read.

    All sessions of the log are the agent's, whichever agent a project or a script names.

    Args:
        log: The log that is read, as it grows; None where there is none, and every list is empty.
        agent_id: Id of the agent whose sessions they are.
        agent_name: Its name.
    """

    def __init__(self, log: Log | None, agent_id: str, agent_name: str) -> None:
        self.agent_name = agent_name
        self._log = None if log is None else FollowedLog(log)
        if self._log is not None:
            self._sessions = SessionReading(self._log, agent_id)
            self._metrics = MetricReading(self._log)
            self._experiments = ExperimentReading(self._log)
            self._evaluations = EvaluationReading(self._log)

    def answer(self, path: str, query: Mapping[str, str]) -> Answer | None:
        """Return what a request is answered; None if nothing can be read at this path.

        Args:
            path: The path, such as `/v1/sessions/ab12`.
            query: The query, decoded: `{"filters[status]": "completed", "page": "2"}`.
        """
        parts = [unquote(part) for part in path.strip("/").split("/")]
        if parts[0] != "v1" or len(parts) < 2:  # noqa: PLR2004 - /v1/what
            return None
        try:
            return self._answered(parts[1:], query)
        except NotThereError as error:
            return Answer(404, {"error": str(error)})
        except InputError as error:
            return Answer(400, {"error": str(error)})
        except LogError as error:
            return Answer(500, {"error": str(error)})

    def _answered(self, parts: list[str], query: Mapping[str, str]) -> Answer | None:
        match parts:
            case ["agents", _, "sessions" | "evaluations" as what]:
                return self._listed(what, query)
            case ["sessions", session_id, *rest]:
                return self._of_session(session_id, rest, query)
            case ["evaluations", evaluation_id]:
                if self._log is None:
                    raise NotThereError(f"Evaluation not found: {evaluation_id}")
                return self._evaluations.one(evaluation_id)
            case ["custom-metrics", *rest]:
                return self._of_metrics(rest, query)
            case ["experiments", *rest]:
                return self._of_experiments(rest, query)
        return None

    def _listed(self, what: str, query: Mapping[str, str]) -> Answer:
        if self._log is None:
            return page_of(query).of([])
        return self._sessions.page(query) if what == "sessions" else self._evaluations.page(query)

    def _of_session(self, session_id: str, rest: list[str], query: Mapping[str, str]) -> Answer | None:
        if len(rest) > 1 + (rest[:1] == ["span"]):
            return None
        if self._log is None:
            raise NotThereError(f"Session not found: {session_id}")
        match rest:
            case []:
                return self._sessions.one(session_id)
            case ["events"]:
                return self._sessions.events(session_id, query)
            case ["transcript"]:
                return self._sessions.transcript(session_id, query)
            case ["recording"]:
                return self._sessions.recording(session_id)
            case ["evaluations"]:
                return self._evaluations.page(query, session_id)
            case ["trace"] | ["span", _]:
                record = self._log.record(session_id)
                began_s = self._log.began_s(record.session_index)
                if rest == ["trace"]:
                    return trace_of(record, began_s, page_of(query))
                return span_of(record, began_s, rest[1])
        return None

    def _of_metrics(self, rest: list[str], query: Mapping[str, str]) -> Answer | None:
        if self._log is None:
            return None if rest[:1] == ["sessions"] or len(rest) != 1 else _nothing(rest[0])
        match rest:
            case ["names"]:
                return self._metrics.names()
            case ["tags"]:
                return self._metrics.tags(query)
            case ["timeseries"]:
                return self._metrics.timeseries(query)
            case ["sessions", session_id]:
                return self._metrics.of_session(session_id)
        return None

    def _of_experiments(self, rest: list[str], query: Mapping[str, str]) -> Answer | None:
        if self._log is None:
            if rest:
                raise NotThereError(f"Experiment not found: {rest[0]}")
            return Answer(200, {"data": []})
        match rest:
            case []:
                return self._experiments.all()
            case [test]:
                return self._experiments.describe(test)
            case [test, "funnel"]:
                return self._experiments.funnel(test)
            case [test, "timeseries"]:
                return self._experiments.timeseries(test, query)
        return None


def _nothing(what: str) -> Answer | None:
    return Answer(200, {"data": _EMPTY_LISTS.get(what, [])}) if what in {"names", *_EMPTY_LISTS} else None
