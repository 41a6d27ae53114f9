"""A session log that may grow while it is read: opened anew when its files have changed, and not before.

Sessions of a log have no date of their own: time begins in each anew. Served, one begins when the one before has ended,
so that the order of their ends, in which a test is decided, is that of the log. The first begins when an imported one
did, when a console's log was made, and on the lab's own day where the time was virtual.
"""

import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError
from voicelab.log import Log, open_log
from voicelab.record.debugger_rows import BEGAN_S
from voicelab.record.session_record import SessionRecord
from voicelab.serving.asked import NotThereError

_KEPT_RECORDS = 8
_WATCHED = ("manifest.json", "sessions", "late")

BEGAN = """
began AS (
    SELECT session_id, session_index, status, environment, caller, direction, origin,
        $first_s + coalesce(sum(duration_s) OVER (
            ORDER BY session_index ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS began_s, duration_s
    FROM sessions
)
"""
"""SQL of the sessions with their beginnings, in seconds since 1970; `$first_s` is that of the first."""


class FollowedLog:
    """A log, as it is now. Threads may ask it at once.

    Args:
        log: The log as it was opened.
    """

    def __init__(self, log: Log) -> None:
        # It may have a temporary folder, which is there as long as it is.
        self._first = self._log = log
        self._lock = threading.Lock()
        self._seen = _state(log.path)
        self._records: OrderedDict[str, SessionRecord] = OrderedDict()
        self._kept: dict[Any, Any] = {}

    @property
    def now(self) -> Log:
        """The log with all sessions that it has by now.

        Raises:
            LogError: it can't be read any more.
        """
        with self._lock:
            seen = _state(self._log.path)
            if seen != self._seen:
                self._log = open_log(self._log.path, strict=not self._first.n_missing)
                self._seen = seen
                self._records.clear()
                self._kept.clear()
            return self._log

    def query(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows of a query over the log's tables, of which `BEGAN` may be one.

        Args:
            sql: The query.
            values: Its values.
        """
        values |= {"first_s": self.first_s} if "$first_s" in sql else {}
        return self.now.rows(sql, values)

    @property
    def first_s(self) -> float:
        """When the first session began, in seconds since 1970."""
        manifest = self.now.manifest
        said = manifest.get("began_at") or (manifest.get("created_at") if manifest.get("live") else None)
        try:
            return datetime.fromisoformat(str(said)).timestamp() if said else BEGAN_S
        except ValueError:
            return BEGAN_S

    def record(self, session_id: str) -> SessionRecord:
        """Return a session; the last ones are kept, since their pages are asked for one after the other.

        Raises:
            NotThereError: there is none.
        """
        log = self.now
        with self._lock:
            if session_id in self._records:
                self._records.move_to_end(session_id)
                return self._records[session_id]
        try:
            record = log.session(session_id)
        except InputError:
            raise NotThereError(f"Session not found: {session_id}") from None
        with self._lock:
            self._records[session_id] = record
            if len(self._records) > _KEPT_RECORDS:
                self._records.popitem(last=False)
        return record

    def began_s(self, session_index: int) -> float:
        """Return when a session began, in seconds since 1970."""
        found = self.now.rows(
            "SELECT coalesce(sum(duration_s), 0) AS before_s FROM sessions WHERE session_index < $at",
            {"at": session_index},
        )
        return float(self.first_s + found[0]["before_s"])

    def kept(self, key: Any, make: Any) -> Any:
        """Return what was made of the log as it is, made now if it wasn't.

        Args:
            key: What it is.
            make: Makes it of a log.
        """
        log = self.now
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        made = make(log)
        with self._lock:
            if self._log is log:
                self._kept[key] = made
        return made


def _state(path: Path) -> tuple[Any, ...]:
    return tuple(_changed(path / name) for name in _WATCHED)


def _changed(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
