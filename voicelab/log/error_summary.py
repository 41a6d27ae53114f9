"""Which sessions of a log had errors, and the commonest of these: what is said of it after a run, and wherever it is shown."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

SERIOUS = 0.01
"""Share of sessions with an error above which it is said wherever the log is shown."""
_MOST_CHARACTERS = 200

_SESSIONS = "SELECT count(*), count(*) FILTER (n_errors > 0) FROM sessions"
# By line of code, since messages hold what was different each time; by message where no line is known.
_COMMONEST = """
SELECT arg_min(message, session_index) AS message, any_value(place) AS place, count(DISTINCT session_index) AS n,
    min(session_index)
FROM (
    SELECT session_index, data ->> '$.message' AS message,
        (data ->> '$.file') || ':' || (data ->> '$.line') AS place
    FROM events JOIN (SELECT session_id, session_index FROM sessions WHERE n_errors > 0) USING (session_id)
    WHERE name = 'error'
) GROUP BY coalesce(place, message) ORDER BY n DESC, min(session_index) LIMIT 1
"""


@dataclass(frozen=True)
class ErrorSummary:
    """The sessions of a log that had an error of the handler, of a task, or of the session itself.

    Attributes:
        sessions: How many had one.
        of: Sessions in all.
        message: The commonest error: what the first such session says of it, shortened.
        place: Its file and line; empty where none is known.
        n_commonest: Sessions that had it.
        session_index: The first of these.
    """

    sessions: int
    of: int
    message: str
    place: str
    n_commonest: int
    session_index: int

    @property
    def serious(self) -> bool:
        """Whether more than 1 % of the sessions had an error."""
        return self.sessions > SERIOUS * self.of

    @property
    def sentence(self) -> str:
        """What there is to say, with what to do."""
        often = "" if self.n_commonest == self.sessions else f"most often ({self.n_commonest:,}) "
        return (
            f"{self.sessions:,} of {self.of:,} sessions ({self._share}) had an error, {often}{self._error}. "
            f"Look at one: log.session({self.session_index})."
        )

    @property
    def in_short(self) -> str:
        """The same in a few words."""
        if not self.serious:
            return f"{self.sessions:,} with errors"
        return f"{self.sessions:,} with errors ({self._share}): {self._error}, e.g. log.session({self.session_index})"

    @property
    def _error(self) -> str:
        told = not self.place or self.place in self.message
        return self.message if told else f"{self.message} ({self.place})"

    @property
    def _share(self) -> str:
        share = 100 * self.sessions / self.of
        return f"{share:.0f} %" if share >= 10 or share == round(share) else f"{share:.1f} %"  # noqa: PLR2004 - two digits do


def summarize_errors(query: Callable[[str], Any]) -> ErrorSummary | None:
    """Return what errors the sessions of a log had, or None if none had any.

    Args:
        query: Runs a query over the log's tables.
    """
    of, failed = query(_SESSIONS).fetchone()
    if not failed:
        return None
    row = query(_COMMONEST).fetchone() or ("an error that no row tells of", "", failed, 0)
    message, place, n, first = row
    message = " ".join(str(message or "").split()).rstrip(".")
    if len(message) > _MOST_CHARACTERS:
        message = f"{message[: _MOST_CHARACTERS - 1]}…"
    return ErrorSummary(failed, of, message, place or "", n, first)
