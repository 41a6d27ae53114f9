"""Requests that only read, asked again where that may help: a rate that the platform bears, and waits that grow.

An answer is JSON, or there is nothing at that path (404), or it is an error; which of these may pass is known by its status.
What is being waited for is told by `sleep`, so that tests don't wait.
"""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from voicelab.base.errors import PullError
from voicelab.voicerun.answers import elsewhere, looks_like, parsed, said_in, wait_of
from voicelab.voicerun.api_key import WHERE, ApiKey
from voicelab.voicerun.call_exchange import NoReply, Reply, exchange

TRIES = 6
"""How often something is asked, in all."""
_LONGEST_WAIT_S = 60.0
_MOST_PATIENCE_S = 600.0
"""A Retry-After beyond is told, not waited for."""
_MOST_BYTES = 500_000_000
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_NOT_THERE = {404, 410}


class PatientRequests:
    """Asks the platform, one request after the other.

    Args:
        base_url: Scheme and host.
        key: The API key.
        deadline_s: How long one request may take in all, in seconds.
        per_second: The most requests a second.

    Attributes:
        sleep: Waits so many seconds.
        clock: Says how late it is, in seconds.
    """

    def __init__(self, base_url: str, key: ApiKey, deadline_s: float, per_second: float) -> None:
        self._base_url = base_url
        self._key = key
        self._deadline_s = deadline_s
        self._every_s = 1.0 / per_second
        self._next_s = -math.inf
        self.sleep: Callable[[float], None] = time.sleep
        self.clock: Callable[[], float] = time.monotonic

    @property
    def host(self) -> str:
        """The host that answers."""
        return urlsplit(self._base_url).netloc

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """Return what the platform says, the key masked; None if there is nothing at this path.

        Raises:
            PullError: it doesn't say it, asked again and again where that may help.
        """
        asked = f"{path}?{urlencode(query, safe='[]$')}" if query else path
        why, status = "", None
        for tried in range(TRIES):
            self._keep_to_the_rate()
            got = exchange("GET", self._base_url, asked, {}, self._key, None, self._deadline_s, _MOST_BYTES)
            if isinstance(got, Reply) and got.status in _NOT_THERE and isinstance(parsed(got.body), dict):
                return None
            if isinstance(got, Reply) and got.status == 200:  # noqa: PLR2004 - HTTP's number
                found = self._document(got)
                if found is not None:
                    return found
            why, status = self._why(got), getattr(got, "status", None)
            wait_s = self._wait_s(got, tried)
            if wait_s is None:
                raise PullError(f"{why} What was fetched before stays.", status)
            if tried + 1 < TRIES:
                self.sleep(wait_s)
        raise PullError(f"{why} That was asked {TRIES} times. What was fetched before stays; try again later.", status)

    def _keep_to_the_rate(self) -> None:
        now_s = self.clock()
        if now_s < self._next_s:
            self.sleep(self._next_s - now_s)
        self._next_s = max(now_s, self._next_s) + self._every_s

    def _document(self, got: Reply) -> dict[str, Any] | None:
        try:
            found = self._key.masked_document(got.body.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def _wait_s(self, got: Reply | NoReply, tried: int) -> float | None:
        """Return how long to wait before asking again; None if that is of no use."""
        grown_s = min(2.0**tried, _LONGEST_WAIT_S)
        if isinstance(got, NoReply):
            return grown_s
        # What is no JSON may have been cut on the way; a web page comes again and again.
        if got.status == 200:  # noqa: PLR2004 - HTTP's number
            return None if "web page" in looks_like(got) else grown_s
        if got.status not in _PASSING:
            return None
        said_s = wait_of(got.headers.get("retry-after"))
        if said_s is None:
            return grown_s
        return max(said_s, 0.1) if said_s <= _MOST_PATIENCE_S else None

    def _why(self, got: Reply | NoReply) -> str:
        if isinstance(got, NoReply):
            return f"{got.reason}."
        status, said = got.status, said_in(parsed(got.body), self._key)
        if 200 < status < 300:  # noqa: PLR2004 - HTTP's range
            return f"{self.host} answered with HTTP {status}, where 200 and JSON were due."
        if status == 200:  # noqa: PLR2004 - HTTP's number
            what = "JSON that is no object" if parsed(got.body) is not None else looks_like(got)
            return f"{self.host} answered with {what} (HTTP 200)."
        if 300 <= status < 400:  # noqa: PLR2004 - HTTP's range
            return (
                f"{self.host} points to another address{elsewhere(got, self._key)}, which is not followed, since the API key "
                f"would go there: give the right base_url (HTTP {status})."
            )
        wait_s = wait_of(got.headers.get("retry-after"))
        when = "" if wait_s is None else f": ask again in {wait_s:,.0f} s"
        if status == 429:  # noqa: PLR2004 - HTTP's number
            return f"{self.host} says that there are too many requests{when} (HTTP 429).{said}"
        sentence = {
            401: f"The platform doesn't accept the API key. {WHERE}.",
            403: "The API key may not read this: use one of the account that it belongs to.",
            404: f"{self.host} answers with a page in place of JSON, so it is not the platform: is base_url right?",
        }.get(status, f"{self.host} failed{when}." if status >= 500 else f"{self.host} refused the request.")  # noqa: PLR2004
        return f"{sentence}{said} (HTTP {status})"
