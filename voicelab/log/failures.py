"""How sessions of a log failed, by cause: the frame of `Log.failures`.

Which sessions fail is a query; by what, and who they are, is asked of those alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from voicelab.base.errors import InputError
from voicelab.base.named_numbers import COLUMNS
from voicelab.log.queries import quoted
from voicelab.predicates import Evaluators
from voicelab.record.failure import Cause, Failure, FailureLike, cause_of_error, last_words

if TYPE_CHECKING:
    import pandas as pd

SHOWN = (
    *(
        "failure",
        "cause",
        "n_sessions",
        "share",
        "by_variant",
        "by_caller",
        "session_id",
        "session_index",
        "seq",
        "message",
    ),
)
_ERRORS = """
SELECT s.session_index, e.seq, data ->> '$.message' AS message, data ->> '$.file' AS file,
    data ->> '$.line' AS line
FROM events e JOIN (SELECT session_id, session_index FROM sessions WHERE n_errors > 0) s USING (session_id)
WHERE name = 'error' ORDER BY s.session_index, e.seq
"""
# The last turn of which something was heard; what else a session said needn't be read.
_LAST_WORDS = """
SELECT s.session_index, e.data ->> '$.content' AS heard FROM (
    SELECT session_id, max(seq) AS seq FROM events
    WHERE name = 'transcript_part' AND contains(data, '"agent"') AND data ->> '$.role' = 'agent' AND data ->> '$.content' <> ''
        AND session_id IN (SELECT session_id FROM sessions WHERE session_index IN (SELECT unnest($failed)))
    GROUP BY session_id
) JOIN events e USING (session_id, seq) JOIN sessions s USING (session_id)
"""
_WHO = """
SELECT session_index, session_id, caller, n_turns FROM sessions WHERE session_index IN (SELECT unnest($failed))
"""
_VARIANTS = """
SELECT session_index, test || '=' || variant AS variant FROM exposures
WHERE session_index IN (SELECT unnest($failed)) ORDER BY session_index, test
"""
_ENDS = """
SELECT session_index, max(seq) AS seq FROM events JOIN sessions USING (session_id)
WHERE session_index IN (SELECT unnest($failed)) GROUP BY session_index
"""


@dataclass(frozen=True)
class FailureSource:
    """What is asked of a log.

    Attributes:
        ask: Runs a query over its tables.
        sessions: Returns columns of its frame of sessions.
        evaluate: Returns what evaluators come to, one row a session.
        n_sessions: Sessions in all.
    """

    ask: Callable[[str, Mapping[str, Any]], Any]
    sessions: Callable[..., "pd.DataFrame"]
    evaluate: Callable[[Evaluators], "pd.DataFrame"]
    n_sessions: int

    def query(self, sql: str, values: Mapping[str, Any] | None = None) -> "pd.DataFrame":
        """Return what a query finds."""
        found: pd.DataFrame = self.ask(sql, values or {}).df()
        return found

    def values_of(self, name: str) -> "pd.DataFrame":
        """Return session_index and value of an outcome, or of a number that each session has."""
        table = "sessions" if name in COLUMNS else "measures"
        column = f"outcome.{name}"
        try:
            return self.sessions(columns=["session_index", column]).rename(columns={column: "value"})
        except InputError:  # nobody has written it: it is a number of every session's
            return self.query(f"SELECT session_index, {quoted(name)} AS value FROM {table}")  # noqa: S608 - a name of our own


def asked_failures(given: Sequence[FailureLike], outcomes: Sequence[str], evaluators: Sequence[str]) -> list[Failure]:
    """Return what is a failure: what was given, or what is one by itself.

    Args:
        given: What was given.
        outcomes: Names of the outcomes that sessions have.
        evaluators: Names of those that are evaluators'.

    Raises:
        InputError: one is none, or no session has such an outcome.
    """
    asked = [Failure.parse(failure) for failure in given]
    for failure in asked:
        failure.check_name(outcomes)
    statuses = [Failure("status", bound=status) for status in ("error", "timeout")]
    by_name = [Failure("outcome", name) for name in dict.fromkeys(evaluators) if name in outcomes]
    return asked or [Failure("errors"), *statuses, *by_name]


def failures_frame(failures: Sequence[Failure], source: FailureSource) -> "pd.DataFrame":
    """Return one row a cause, the commonest first.

    Args:
        failures: What makes a session a failed one. A session that fails by errors isn't counted again by its status.
        source: The log.
    """
    import pandas as pd

    rows = pd.concat([_of_failure(failure, source) for failure in failures], ignore_index=True)
    by_errors = set(rows.loc[rows["kind"].eq("errors"), "session_index"])
    again = rows["kind"].eq("status") & rows["session_index"].isin(by_errors)
    rows = rows[~again].drop_duplicates(["failure", "cause", "session_index"])
    return pd.DataFrame(columns=list(SHOWN)) if rows.empty else _grouped(rows, source)


def _of_failure(failure: Failure, source: FailureSource) -> "pd.DataFrame":
    """Return session_index, seq, cause and message of the sessions that fail, with the failure and its kind."""
    rows = _by_error(failure, source) if failure.kind == "errors" else _at_their_end(failure, source)
    return rows.assign(failure=str(failure), kind=failure.kind)


def _by_error(failure: Failure, source: FailureSource) -> "pd.DataFrame":
    rows = source.query(_ERRORS)
    known = lru_cache(maxsize=None)(cause_of_error)
    texts = zip(*(map(_text, rows[name].astype(object)) for name in ("message", "file", "line")), strict=True)
    causes = [known(message or "", file, line) for message, file, line in texts]
    wanted = [failure.names(cause) for cause in causes]
    rows = rows.assign(cause=list(map(str, causes)))
    return rows.loc[wanted, ["session_index", "seq", "cause", "message"]]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _at_their_end(failure: Failure, source: FailureSource) -> "pd.DataFrame":
    """Return the sessions that fail by what is known of them at their end, by the agent's last words."""
    rows = _failing(failure, source)
    if rows.empty:
        return rows.assign(seq=-1, cause="")
    failed = rows["session_index"].tolist()
    heard = source.query(_LAST_WORDS, {"failed": failed}).set_index("session_index")["heard"]
    known = lru_cache(maxsize=None)(last_words)
    said = [known(text) if isinstance(text, str) else "" for text in rows["session_index"].map(heard).astype(object)]
    causes = [str(Cause(path=path, last_words=words)) for words, path in zip(said, rows["path"].tolist(), strict=True)]
    return rows.assign(seq=-1, cause=causes)[["session_index", "seq", "cause", "message"]]


def _failing(failure: Failure, source: FailureSource) -> "pd.DataFrame":
    """Return session_index, path and message."""
    if failure.kind == "status":
        sql = "SELECT session_index, status FROM sessions WHERE (status = $status) = $is"
        found = source.query(sql, {"status": failure.bound, "is": failure.operator == "=="})
        return found.assign(path="", message="its status is " + found["status"].astype(str)).drop(columns="status")
    if failure.kind == "evaluator":
        found = source.evaluate(Evaluators([failure.evaluator] if failure.evaluator else []))
        found = found[found["success"].eq(False)]
        return found.assign(path=found["failed_path"].fillna(""), message=found["reason"].fillna(""))[
            ["session_index", "path", "message"]
        ]
    found = source.values_of(failure.name)
    found = found[[failure.fails_by(_cell(value)) for value in found["value"]]]
    texts = [f"{failure.name} is {_said(_cell(value))}" for value in found["value"]]
    return found.assign(path="", message=texts)[["session_index", "path", "message"]]


def _cell(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - as above
        return None
    return value if isinstance(value, str) else float(value)


def _said(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _grouped(rows: "pd.DataFrame", source: FailureSource) -> "pd.DataFrame":
    import pandas as pd

    failed = {"failed": rows["session_index"].drop_duplicates().tolist()}
    rows = rows.merge(source.query(_WHO, failed), on="session_index")
    rows["caller"] = rows["caller"].astype(str)
    variants = rows[["failure", "cause", "session_index"]].merge(source.query(_VARIANTS, failed), on="session_index")
    by_variant, by_caller = _counted(variants, "variant"), _counted(rows, "caller")
    # The shortest of them, the first of these: one is to be looked at.
    groups = rows.sort_values(["n_turns", "session_index"]).groupby(["failure", "cause"], sort=False)
    one = groups.first().reset_index()
    one["n_sessions"] = groups.size().to_numpy()
    one["share"] = one["n_sessions"] / source.n_sessions
    keys = list(zip(one["failure"], one["cause"], strict=True))
    one["by_variant"] = pd.Series([by_variant.get(key, {}) for key in keys], dtype=object)
    one["by_caller"] = pd.Series([by_caller.get(key, {}) for key in keys], dtype=object)
    one = one.sort_values(["n_sessions", "failure", "cause"], ascending=[False, True, True], kind="stable")
    unknown = one.loc[one["seq"] < 0, "session_index"].tolist()
    if unknown:
        ends = source.query(_ENDS, {"failed": unknown}).set_index("session_index")["seq"]
        one["seq"] = one["seq"].where(one["seq"] >= 0, one["session_index"].map(ends)).astype(int)
    return one[list(SHOWN)].reset_index(drop=True)


def _counted(rows: "pd.DataFrame", column: str) -> dict[tuple[str, str], dict[str, int]]:
    """Return sessions by what stands in a column, the commonest first, for each failure and cause."""
    counts = rows.groupby(["failure", "cause", column], sort=True, observed=True).size()
    found: dict[tuple[str, str], dict[str, int]] = {}
    for (failure, cause, name), n in counts.sort_values(ascending=False, kind="stable").items():
        found.setdefault((failure, cause), {})[str(name)] = int(n)
    return found
