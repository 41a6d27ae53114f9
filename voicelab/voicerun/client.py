"""`voicerun.Client`: the platform's sessions over HTTPS, into a folder of exports that `voicerun.read` takes."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from voicelab.base import checks
from voicelab.base.errors import InputError, PullError
from voicelab.base.masking import shown
from voicelab.base.paths import path_of
from voicelab.base.progress_line import progress_line
from voicelab.base.records import RUNNING
from voicelab.log import Log
from voicelab.voicerun.api_key import ApiKey, asked_for, from_environment, hidden
from voicelab.voicerun.call_request import checked_base_url
from voicelab.voicerun.import_exports import read
from voicelab.voicerun.patient_requests import PatientRequests
from voicelab.voicerun.pulled_folder import PulledFolder

_PAGE, _LONG_PAGE = 100, 1_000
"""Rows that are asked for at once: of sessions, and of what a session has."""
_MOST_NOTES = 5
Moment = str | datetime


class Client:
    """Fetches sessions from the platform; it only reads.

    Args:
        api_key: The API key; None for the environment variable `VOICERUN_API_KEY`, else it is asked for, hidden.
        base_url: Where the platform is; None for the environment variable `VOICERUN_API_URL`, else its own address. Plain HTTP
            is for this machine alone (`vl.serve`).
        deadline_s: How long one request may take in all, in seconds.
        per_second: The most requests a second.

    Attributes:
        notes: What the last fetching met that needs care, a sentence each.
        sleep: Waits so many seconds between requests; a test puts its own here.
        clock: Says how late it is, in seconds.

    Raises:
        InputError: an argument can't be what it is meant for, or there is no key.

    Example:
        >>> from voicelab import voicerun
        >>> client = voicerun.Client("a-key", "http://127.0.0.1:8080")
        >>> client
        Client(http://127.0.0.1:8080)
    """

    def __init__(
        self,
        api_key: str | ApiKey | None = None,
        base_url: str | None = None,
        *,
        deadline_s: float = 60.0,
        per_second: float = 5.0,
    ) -> None:
        key = hidden(api_key)
        del api_key  # a traceback with local variables would show it
        checks.seconds("deadline_s", deadline_s)
        if not checks.is_number(per_second) or not 0 < per_second <= 1000:  # noqa: PLR2004 - a rate
            raise InputError(f"per_second is {shown(per_second)}, must be a number above 0, of requests a second.")
        self._base_url = checked_base_url(base_url)
        key = key.checked("api_key") if key is not None else from_environment() or asked_for()
        self._requests = PatientRequests(self._base_url, key, float(deadline_s), float(per_second))
        self.notes: list[str] = []

    @property
    def sleep(self) -> Callable[[float], None]:
        """Waits so many seconds between requests."""
        return self._requests.sleep

    @sleep.setter
    def sleep(self, sleep: Callable[[float], None]) -> None:
        self._requests.sleep = sleep

    @property
    def clock(self) -> Callable[[], float]:
        """Says how late it is, in seconds."""
        return self._requests.clock

    @clock.setter
    def clock(self, clock: Callable[[], float]) -> None:
        self._requests.clock = clock

    def sessions(
        self,
        agent: str,
        *,
        status: str | None = None,
        direction: str | None = None,
        track: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield the records of an agent's sessions as the platform lists them, page by page, each session once.

        Args:
            agent: The agent's id.
            status: Only sessions with this status, such as `completed`.
            direction: Only `inbound` or `outbound` ones.
            track: Only those of a release track.
            since: Only those that began then or later: a date and time with a zone, such as `2026-03-01T00:00:00Z`.
            until: Only those that began then or before.

        Raises:
            InputError: an argument is not allowed.
            PullError: the platform doesn't answer, or refuses.
        """
        query = _filters(status, direction, track, since, until)
        path = f"/v1/agents/{_quoted(checks.name('agent', agent))}/sessions"
        seen: set[str] = set()
        page = None
        for page in self._pages(path, query, _PAGE):
            for row in page.rows:
                session_id = row.get("id") if isinstance(row, dict) else None
                if not isinstance(session_id, str) or not session_id:
                    self._note("The list of sessions has rows without an id: left out.")
                elif session_id not in seen:
                    seen.add(session_id)
                    yield row
        if page is None:
            raise PullError(f"{self._requests.host} knows no agent {agent!r}, or none that the API key may see.", 404)
        if page.total is not None and len(seen) < page.total:
            self._note(
                f"The list of sessions says that there are {page.total:,}, and has {len(seen):,} of them on its pages."
            )

    def pull(
        self,
        agent: str,
        folder: str | Path,
        *,
        status: str | None = None,
        direction: str | None = None,
        track: str | None = None,
        since: Moment | None = None,
        until: Moment | None = None,
        progress: bool = True,
    ) -> Path:
        """Fetch an agent's sessions into a folder of exports: records, events, transcripts, metrics, traces, rulings, tests.

        What is there already is not asked for again, but for the list and for sessions that had not ended: stopped by an
        error, Ctrl-C or a loss of power, the same call goes on. What needs care is a warning, and stands in `notes`.

        Args:
            agent: The agent's id.
            folder: Where to; made if it isn't there.
            status: As of `sessions`, and so all others up to `until`.
            direction: See there.
            track: See there.
            since: See there.
            until: See there.
            progress: Show how far it is.

        Returns:
            The folder, for `voicerun.read`.

        Raises:
            InputError: an argument is not allowed, or the folder holds another agent's.
            PullError: the platform doesn't answer, or refuses; what was fetched before stays.
            LogError: the folder can't be written.
        """
        path = path_of("folder", folder, "exports")
        checks.switch("progress", progress)
        self.notes = []
        pulled = PulledFolder(path, {"agent": checks.name("agent", agent), "base_url": self._base_url})
        listed = {
            row["id"]: row
            for row in self.sessions(agent, status=status, direction=direction, track=track, since=since, until=until)
        }
        records = pulled.records() | listed
        pulled.write("sessions", _whole(list(records.values())))
        left = [row for row in listed.values() if row["id"] not in pulled.done]
        line = progress_line(len(listed), len(listed) - len(left), "sessions") if progress else None
        try:
            for row in left:
                self._pull_session(row, pulled)
                if line is not None:
                    line.update(1)
        finally:
            if line is not None:
                line.close()
        self._pull_tests(agent, pulled)
        if self.notes:
            more = (
                f" And {len(self.notes) - _MOST_NOTES:,} more: client.notes." if len(self.notes) > _MOST_NOTES else ""
            )
            warnings.warn(" ".join(self.notes[:_MOST_NOTES]) + more, stacklevel=2)
        return path

    def log(
        self,
        agent: str,
        log: str | Path,
        *,
        folder: str | Path | None = None,
        weights: Mapping[str, Mapping[str, float]] | None = None,
        overwrite: bool = False,
        progress: bool = True,
        **filters: Any,
    ) -> Log:
        """Fetch an agent's sessions and read them into a session log.

        Args:
            agent: The agent's id.
            log: Folder of the log to be written.
            folder: Folder of the exports; `<log>-exports` unless given. Kept, so that the next time only what is new is asked
                for.
            weights: As of `voicerun.read`.
            overwrite: Replace a log that is there.
            progress: Show how far it is.
            filters: As of `pull`.

        Returns:
            The log.

        Raises:
            InputError: an argument is not allowed, or there is no session.
            PullError: the platform doesn't answer, or refuses.
            LogError: there is a log already, or it can't be written.
        """
        target = path_of("log", log, "runs/live")
        exports = target.with_name(f"{target.name}-exports") if folder is None else folder
        return read(
            self.pull(agent, exports, progress=progress, **filters),
            target,
            weights=weights,
            overwrite=overwrite,
            progress=progress,
        )

    def __repr__(self) -> str:
        return f"Client({self._base_url})"

    # --- inside ---

    def _pull_session(self, record: Mapping[str, Any], pulled: PulledFolder) -> None:
        """Fetch all that there is of a session."""
        session_id = record["id"]
        path = f"/v1/sessions/{_quoted(session_id)}"
        events = self._rows(f"{path}/events")
        if events is None:
            self._note(f"The session {session_id} was deleted meanwhile: its events are missing.")
        else:
            own = {"session_id": session_id}
            pulled.write(f"{session_id}_events", events | own)
            if transcript := self._rows(f"{path}/transcript"):
                pulled.write(f"{session_id}_transcript", transcript | own)
            metrics = self._requests.get(f"/v1/custom-metrics/sessions/{_quoted(session_id)}")
            if metrics and isinstance(metrics.get("data"), dict) and metrics["data"].get("result"):
                pulled.write(f"{session_id}_metrics", metrics["data"] | own)
            if trace := self._trace(f"{path}/trace"):
                pulled.write(f"{session_id}_trace", trace | own)
        if str(record.get("status")).lower() not in RUNNING:
            pulled.finished(session_id)

    def _trace(self, path: str) -> dict[str, Any] | None:
        """Return a session's trace with the spans of all its pages; None if it has none."""
        pages = list(self._pages(path, {}, _LONG_PAGE, under="spans"))
        if not pages:
            return None
        return {"data": {"trace": pages[0].facts.get("trace") or {}, "spans": [s for page in pages for s in page.rows]}}

    def _pull_tests(self, agent: str, pulled: PulledFolder) -> None:
        """Fetch what the platform says of all sessions together; it may be another thing each time."""
        if evaluations := self._rows(f"/v1/agents/{_quoted(agent)}/evaluations"):
            pulled.write("evaluations", evaluations)
        query = {"agentId": agent}
        listed = (self._requests.get("/v1/experiments", query) or {}).get("data")
        if not isinstance(listed, list | None):
            self._note("The platform's numbers of tests are missing: it answers with no list of tests.")
            listed = None
        names = [row["name"] for row in listed or () if isinstance(row, dict) and isinstance(row.get("name"), str)]
        for name in names:
            try:
                test = self._requests.get(f"/v1/experiments/{_quoted(name)}", query)
            except PullError as error:
                if error.status in {401, 403, 429, None}:
                    raise
                self._note(f"The platform's numbers of the test {name!r} are missing: {error}")
                continue
            if test and isinstance(test.get("data"), dict):
                pulled.write(f"experiment_{name}", test["data"])

    def _rows(self, path: str) -> dict[str, Any] | None:
        """Return the rows of all pages as one export; None if there is nothing at that path."""
        rows: list[Any] | None = None
        total: int | None = None
        for page in self._pages(path, {}, _LONG_PAGE):
            rows = [*(rows or ()), *page.rows]
            total = page.total if total is None else total
        return None if rows is None else _whole(rows, total)

    def _pages(self, path: str, query: Mapping[str, Any], limit: int, under: str | None = None) -> Iterator["_Page"]:
        """Yield the pages of a list; none if there is nothing at that path. The last one may be empty.

        The counts that the platform gives end nothing by themselves: what it says is too little where a page is full, and too
        much where one is empty, or repeats one before.

        Args:
            path: The list.
            query: Its filters.
            limit: Rows a page.
            under: Key of the rows, where `data` is an object.
        """
        before: dict[bytes, int] = {}
        n_rows, number = 0, 1
        while True:
            document = self._requests.get(path, {**query, "page": number, "limit": limit})
            if document is None:
                return
            data = document.get("data")
            facts: dict[str, Any] = data if isinstance(data, dict) else {}
            rows = facts.get(under) if under else data
            if not isinstance(rows, list):
                raise PullError(
                    f"{self._requests.host} answers {path} with no list of rows: is base_url the platform's? What was fetched "
                    "before stays."
                )
            metadata = document.get("metadata")
            said: dict[str, Any] = metadata if isinstance(metadata, dict) else {}
            total, own_limit = _count(said.get("total")), _count(said.get("limit"))
            digest = blake2b(json.dumps(rows).encode(), digest_size=16).digest()
            if rows and digest in before:
                self._note(f"{path}: page {number} repeats page {before[digest]}; what follows is missing.")
                rows = []
            before[digest] = number
            yield _Page(rows, total, facts)
            n_rows += len(rows)
            short = len(rows) < min(limit, own_limit or limit)
            if not rows or (short and (total is None or n_rows >= total)):
                return
            number += 1

    def _note(self, sentence: str) -> None:
        if sentence not in self.notes:
            self.notes.append(sentence)


class _Page(NamedTuple):
    """A page of a list.

    Attributes:
        rows: Its rows.
        total: How many rows the platform says that all pages have; None if it doesn't.
        facts: What stands beside the rows.
    """

    rows: list[Any]
    total: int | None
    facts: dict[str, Any]


def _whole(rows: list[Any], total: int | None = None) -> dict[str, Any]:
    """Return rows as the only page of an export."""
    total = len(rows) if total is None else total
    return {"data": rows, "metadata": {"page": 1, "limit": max(total, len(rows)), "total": total}}


def _quoted(name: str) -> str:
    """Return a name as a part of a path, whatever it holds."""
    return quote(name, safe="", errors="replace")


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _filters(
    status: str | None, direction: str | None, track: str | None, since: Moment | None, until: Moment | None
) -> dict[str, str]:
    """Return filters as the platform's query has them.

    Raises:
        InputError: one can't be what it is meant for.
    """
    given = {"status": status, "direction": direction, "track": track}
    query = {f"filters[{name}]": checks.name(name, value) for name, value in given.items() if value is not None}
    times = {}
    for name, operator, value in (("since", "$gte", since), ("until", "$lte", until)):
        if value is not None:
            times[name] = _moment(name, value)
            query[f"filters[createdAt][{operator}]"] = times[name].astimezone(UTC).isoformat().replace("+00:00", "Z")
    if len(times) > 1 and times["since"] >= times["until"]:
        raise InputError(f"since is {since}, must be earlier than until, {until}.")
    return query


def _moment(name: str, given: Moment) -> datetime:
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except (TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:
        raise InputError(
            f"{name} is {shown(given)}, must be a date and time with a zone, such as '2026-03-01T00:00:00Z'."
        )
    return found
