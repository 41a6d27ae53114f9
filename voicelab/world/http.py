"""Stand-ins for the services that a handler calls over HTTP: by pattern, in time, or as they were recorded."""

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, NoReplyError
from voicelab.base.masking import Masker, shown
from voicelab.base.secret_names import without_secrets
from voicelab.runtime.http import HttpAnswer, HttpRequest, StandIn, line_to_add
from voicelab.world.http_replies import HttpReply, Patterns, answer_of, found_in
from voicelab.world.traffic import Traffic, TrafficRecorder

_FAULT = "a fault of the stand-in (vl.Http(faults=...)): connection refused"


class Http:
    """Answers what a handler asks services over HTTP for, in their place, whichever library it asks with.

    httpx, aiohttp, requests and urllib are known, with and without `await`; nothing leaves the process. A pattern is a
    method and an address, or a regular expression of the whole address: `r"GET .*/orders/(?P<id>\\d+)"`; without a method
    it is for all of them. An address that stands there as it is comes first, then regular expressions in their order.
    Parameters (`?page=2`) need only be written where they matter. A request that meets no pattern is an error.

    A reply is JSON (a dict or a list), text, bytes, a status (`404`), `vl.HttpReply(...)` for all of these together, an
    exception to be raised (`TimeoutError` and `ConnectionError` as the library's own), a choice
    (`((reply, weight), ...)`), or a function that gets the request and returns one of these. The request has `method`,
    `url`, `path`, `query`, `headers`, `body`, `text`, `json`, `match` and `state`, a dict that lasts for the session.

    Args:
        replies: `{pattern: reply}`.
        latency_s: Time from a request to its reply, drawn evenly: (shortest, longest) or one number, in seconds. A client
            whose timeout is shorter gets the error of its library.
        faults: Probability that a request fails as if the connection had been refused.

    Raises:
        InputError: a pattern is no regular expression, a reply is none, or a value is out of range.

    Example:
        >>> import voicelab as vl
        >>> http = vl.Http(
        ...     {
        ...         "POST https://api.pizza.example/orders": {"id": 7, "eta_min": 20},
        ...         r"GET .*/menu": (([{"name": "Margherita"}], 9), (503, 1)),
        ...     },
        ...     latency_s=(0.2, 0.8),
        ... )
    """

    def __init__(
        self,
        replies: Mapping[str, Any],
        latency_s: float | tuple[float, float] = (0.1, 0.4),
        faults: float = 0.0,
    ) -> None:
        self.patterns = Patterns(replies)
        self.latency_s = checks.span("Http: latency_s", latency_s)
        self.faults = checks.probability("Http: faults", faults)
        self.traffic: Traffic | None = None

    @staticmethod
    def record(path: str | Path, *, overwrite: bool = False) -> TrafficRecorder:
        """Return what lets requests go out, in real time, and records them with their answers: `http=vl.Http.record(path)`.

        For `vl.Console` and `vl.run(clock="wall")`. Values of variables, and what goes by a name such as `Authorization`
        or `api_key`, are masked in the file.

        Args:
            path: The file to be written, one exchange a line.
            overwrite: Replace a recording that is there.

        Raises:
            InputError: there is a file already, or it can't be written.
        """
        return TrafficRecorder(path, overwrite=overwrite)

    @classmethod
    def replay(
        cls, path: str | Path, latency_s: float | tuple[float, float] | None = None, faults: float = 0.0
    ) -> "Http":
        """Return a stand-in that answers as a recording did.

        The answers to one request come in the order of the recording, in each session anew, and the last of them for
        every further request. Where the recording has the request with this very body, that is the one.

        Args:
            path: A file that `vl.Http.record` wrote.
            latency_s: In place of the latencies as they were recorded.
            faults: Probability that a request fails as if the connection had been refused.

        Raises:
            InputError: there is no such file, or it is torn, or of another version.
        """
        made = cls({}, 0.0 if latency_s is None else latency_s, faults)
        made.traffic = Traffic.read(path, keeps_latency=latency_s is None)
        return made

    def begin(self, rng: random.Random, masker: Masker) -> StandIn:
        """Return the stand-in of one session.

        Args:
            rng: What it draws from.
            masker: Masks the values of the handler's variables, as in a recording.
        """
        return _HttpInSession(self, rng, masker)

    def __repr__(self) -> str:
        return f"Http({self.patterns!r})" if self.traffic is None else f"Http({self.traffic!r})"


HttpLike: TypeAlias = Http | TrafficRecorder
"""What a handler's requests over HTTP meet: a stand-in, or what records the real services."""


def as_http(given: Given) -> HttpLike | None:
    """Return what a handler's requests meet.

    Raises:
        InputError: it is something else.
    """
    if given is None or isinstance(given, Http | TrafficRecorder):
        return given
    if isinstance(given, Mapping):
        raise InputError("http is a dict, must be vl.Http({...}): write vl.Http around it.")
    raise InputError(
        f"http is {shown(given)}, must be vl.Http({{pattern: reply}}), vl.Http.replay(path) or vl.Http.record(path)."
    )


def refuse_recording(http: HttpLike | None, instead: str) -> None:
    """Refuse to record where there is nothing to record.

    Raises:
        InputError: `http` is a recorder.
    """
    if isinstance(http, TrafficRecorder):
        raise InputError(
            f"http=vl.Http.record(...) records real services, which sessions in virtual time can't reach. {instead}"
        )


class _HttpInSession:
    """A stand-in as one session meets it."""

    __slots__ = ("_http", "_masker", "_positions", "_rng", "_state")

    def __init__(self, http: Http, rng: random.Random, masker: Masker) -> None:
        self._http, self._rng, self._masker = http, rng, masker
        self._state: dict[str, Any] = {}
        self._positions: dict[Any, int] = {}

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request.

        Raises:
            NoReplyError: there is no reply to it.
            InputError: the function that replies returned something else.
        """
        http, rng = self._http, self._rng
        low, high = http.latency_s
        latency_s = low + (high - low) * rng.random() if high > low else low
        if http.traffic is not None:
            recorded = http.traffic.answer(request, self._masker, self._positions, latency_s)
            if recorded is None:
                raise NoReplyError(
                    f"{request.method} {without_secrets(request.url)} isn't in {http.traffic!r}. Record it there with "
                    f"vl.Http.record, or answer by patterns: vl.Http({{{line_to_add(request.method, request.url)}}})."
                )
            return (http.faults and self._fault(recorded.latency_s)) or recorded
        found = found_in(http.patterns, request.method, request.url)
        if found is None:
            raise NoReplyError(
                f"{request.method} {without_secrets(request.url)} meets none of the {http.patterns!r} "
                f"of vl.Http. Add a line to them: {line_to_add(request.method, request.url)}."
                + http.patterns.advice(request.method, without_secrets(request.url))
            )
        pattern, request.match = found
        request.state = self._state
        if http.faults and (fault := self._fault(latency_s)):
            return fault
        return answer_of(pattern.choice.pick(rng), request, rng, latency_s, pattern)

    def _fault(self, latency_s: float) -> HttpAnswer | None:
        if self._rng.random() < self._http.faults:
            return HttpAnswer(0, latency_s=latency_s, error=ConnectionError(_FAULT))
        return None


__all__ = ["Http", "HttpLike", "HttpReply", "as_http", "refuse_recording"]
