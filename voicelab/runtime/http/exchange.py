"""What a session's requests meet: a stand-in that answers them, a recording that keeps them, or a refusal.

The adapters of the four libraries (`with_httpx` and its kin) turn a request of theirs into an `HttpRequest`, ask the
session's `Exchange`, and turn its `HttpAnswer` into a response or an error of theirs. Which session is asked follows from
the ContextVar `EXCHANGE`, as everything does that belongs to one session (see `voicelab.runtime.isolation`).
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit

from voicelab.base.errors import NoReplyError, VirtualTimeError
from voicelab.base.masking import Masker
from voicelab.base.secret_names import body_without_secrets, is_secret, secrets_in, secrets_of_header, without_secrets
from voicelab.runtime.isolation import SCOPE, Scope, replaced

_LONGEST_SHOWN = 300
"""Characters of a body that a row of the log shows."""
_real_s = time.monotonic
_really_sleep = time.sleep  # of the process, not the session's: this module is loaded before any session is hosted

Headers = tuple[tuple[str, str], ...]


class HttpRequest:
    """A request of a handler, as a function that replies to it gets it.

    Args:
        method: `GET`, `POST`, ...
        url: The whole address.
        headers: The headers that the handler's own code has set, and its client's.
        body: What is sent.

    Attributes:
        headers: The headers, by name in small letters.
        state: What the stand-in keeps for the session: a dict that every function of the session shares.
        match: The match of the pattern that was found, with its groups; None where the address stood there as it is.
    """

    __slots__ = ("body", "headers", "match", "method", "state", "url")

    def __init__(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> None:
        self.method = method
        self.url = url
        self.headers = {str(name).lower(): str(value) for name, value in headers.items()}
        self.body = body
        self.state: dict[str, Any] = {}
        self.match: Any = None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> Any:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def form(self) -> dict[str, str]:
        """The body as the fields of a form, and of several with one name the last."""
        return dict(parse_qsl(self.text, keep_blank_values=True))

    @property
    def query(self) -> dict[str, str]:
        """The parameters in the address, and of several with one name the last."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))

    @property
    def path(self) -> str:
        """The path in the address, such as `/orders/7`."""
        return urlsplit(self.url).path or "/"

    def __repr__(self) -> str:
        return f"HttpRequest({self.method} {without_secrets(self.url)})"


class HttpAnswer(NamedTuple):
    """What comes back for a request.

    Attributes:
        status: The status, such as 200; 0 where an error comes instead.
        headers: The headers.
        body: The body.
        latency_s: From the request to the answer, in seconds.
        error: What is raised in place of an answer. A `ConnectionError` and a `TimeoutError` of Python's own become
            those of the library that asks.
        is_plain: Whether nothing follows from it for the client: no error, no other address to go to, no cookie to keep.
    """

    status: int
    headers: Headers = ()
    body: bytes = b""
    latency_s: float = 0.0
    error: BaseException | None = None
    is_plain: bool = False


class StandIn(Protocol):
    """What answers the requests of one session; see `voicelab.world.http`."""

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Answer a request."""


class TrafficKeeper(Protocol):
    """What keeps the requests of sessions and what really answered them."""

    def keep(self, request: HttpRequest, answer: HttpAnswer, masker: Masker) -> None:
        """Keep a request and its answer, masked."""


class Exchange:
    """The traffic of one session.

    Args:
        stand_in: Answers in the services' place; None where they answer themselves.
        recording: Keeps what really goes over the network; None where nothing does.
        scope: The session.
        asked: Takes the data of a row of the log for each request.
        hide: Takes secrets that were found, to be masked wherever they turn up from then on.
        masker: Masks the values of the handler's variables.
    """

    __slots__ = ("_asked", "_hide", "_masker", "_recording", "_scope", "_secrets", "_stand_in")

    def __init__(
        self,
        stand_in: StandIn | None,
        recording: TrafficKeeper | None,
        scope: Scope,
        asked: Callable[[dict[str, Any]], None],
        hide: Callable[[frozenset[str]], None],
        masker: Masker,
    ) -> None:
        self._stand_in = stand_in
        self._recording = recording
        self._scope = scope
        self._asked = asked
        self._hide = hide
        self._masker = masker
        self._secrets: frozenset[str] = frozenset()

    @property
    def is_real(self) -> bool:
        """Whether requests go out, and are recorded."""
        return self._stand_in is None

    def answer(self, request: HttpRequest, timeout_s: float | None) -> HttpAnswer:
        """Return what the stand-in answers, and log it.

        Args:
            request: The request.
            timeout_s: How long the client would wait; None for ever.

        Raises:
            NoReplyError: no pattern of the stand-in matches.
        """
        assert self._stand_in is not None  # noqa: S101 - is_real was asked before
        try:
            answer = self._stand_in.answer(request)
        except Exception as error:
            self._log(request, HttpAnswer(0, error=error))
            if isinstance(error, NoReplyError):
                self._scope.unanswered(f"{request.method} {_place(request.url)}")
            raise
        if timeout_s is not None and answer.latency_s > timeout_s:
            answer = HttpAnswer(0, latency_s=timeout_s, error=TimeoutError(f"no answer within {timeout_s:g} s"))
        self._log(request, answer)
        return answer

    def outgoing(self, request: HttpRequest) -> "Outgoing":
        """Return a request that goes out now."""
        return Outgoing(self, request)

    def keep(self, request: HttpRequest, answer: HttpAnswer) -> None:
        """Log what a service really answered, and record it."""
        self._log(request, answer)
        if self._recording is not None:
            self._recording.keep(request, answer, self._masker.also(self._secrets))

    async def wait(self, answer: HttpAnswer) -> None:
        """Let the answer's latency pass."""
        if answer.latency_s:
            await asyncio.sleep(answer.latency_s)

    def block(self, request: HttpRequest, answer: HttpAnswer) -> None:
        """Let the answer's latency pass as a call does that blocks, and note it."""
        self.note_blocking(request)
        if not self._scope.virtual:
            _really_sleep(answer.latency_s)
        else:
            self._scope.advance(answer.latency_s)

    def note_blocking(self, request: HttpRequest) -> None:
        """Note that a call waits for its answer without being awaited."""
        self._scope.blocked(f"{request.method} {_place(request.url)}", sys._getframe(1))

    def _log(self, request: HttpRequest, answer: HttpAnswer) -> None:
        status, latency_s, error = answer.status, answer.latency_s, answer.error
        row, found = _row(request.method, request.url, status, request.body, answer.body, answer.headers)
        for name, value in request.headers.items():
            if is_secret(name):
                found = found.union(secrets_of_header(value))
        if found and not found <= self._secrets:
            self._secrets |= found
            self._hide(self._secrets)
        data = row.copy()
        data["message"] += f"{latency_s:.2f} s" if error is None else _what_went_wrong(error)
        data["latency_s"] = round(latency_s, 3)
        self._asked(data)


class Outgoing:
    """A request that goes out to its service, on the watch.

    Args:
        exchange: Takes what comes back.
        request: The request.
    """

    __slots__ = ("_exchange", "_request", "_started_s")

    def __init__(self, exchange: Exchange, request: HttpRequest) -> None:
        self._exchange, self._request = exchange, request
        self._started_s = _real_s()

    def answered(self, status: int, headers: Iterable[tuple[str, str]], body: bytes) -> None:
        """Keep what the service answered; the body as it is behind any compression."""
        # What the body said of its own form on the way is no longer true of it.
        kept = tuple((name, value) for name, value in headers if name.lower() not in _OF_THE_WAY)
        self._exchange.keep(self._request, HttpAnswer(status, kept, body, _real_s() - self._started_s))

    @contextlib.contextmanager
    def watched(self, connection: type[Exception], timeout: type[Exception]) -> Iterator[None]:
        """Keep the errors that come instead of an answer.

        Args:
            connection: What the library raises where it can't connect.
            timeout: What it raises where no answer comes in time.
        """
        try:
            yield
        except (connection, timeout) as error:
            kept = TimeoutError(str(error)) if isinstance(error, timeout) else ConnectionError(str(error))
            self._exchange.keep(self._request, HttpAnswer(0, latency_s=_real_s() - self._started_s, error=kept))
            raise


_OF_THE_WAY = frozenset({"content-encoding", "content-length", "transfer-encoding", "connection", "keep-alive"})
EXCHANGE: ContextVar[Exchange | None] = ContextVar("voicelab_http", default=None)


def exchange_for(method: str, url: str) -> Exchange | None:
    """Return what a request of the calling code meets; None outside sessions, and where it may just go out.

    Raises:
        VirtualTimeError: the session is in virtual time and has no stand-in.
    """
    exchange = EXCHANGE.get()
    if exchange is None:
        scope = SCOPE.get()
        if scope is not None and scope.virtual:
            row, _ = _row(method, url, 0, b"", b"", ())
            said = f"{row['message']}no reply: nothing can be reached in virtual time"
            scope.unanswered(f"{method} {_place(url)}", {**row, "message": said})
            raise VirtualTimeError(
                f"{method} {without_secrets(url)} was called in virtual time, where nothing can be reached: a reply "
                f"would take real time. Let a stand-in answer: http=vl.Http({{{line_to_add(method, url)}}}); or call "
                "the service itself with vl.run(..., clock='wall')."
            )
    return exchange


def stands_in() -> bool:
    """Return whether the calling code belongs to a session whose requests never go out."""
    exchange = EXCHANGE.get()
    if exchange is not None:
        return not exchange.is_real
    scope = SCOPE.get()
    return scope is not None and scope.virtual


def led(library: str, owner: Any, **makers: Callable[[Any], Any]) -> contextlib.AbstractContextManager[None]:
    """Replace functions of a library by what leads its requests to the sessions' exchanges.

    What a test has put in their place (`unittest.mock`, respx, responses) is left alone: it answers as it did before.

    Args:
        library: The library's name.
        owner: A class of the library's.
        makers: For each function, what makes the other of it.
    """
    originals = {name: getattr(owner, name) for name in makers}
    own = {name: function for name, function in originals.items() if _module_of(function).partition(".")[0] == library}
    return replaced(owner, **{name: makers[name](function) for name, function in own.items()})


def _module_of(function: Any) -> str:
    return str(getattr(function, "__module__", ""))


def line_to_add(method: str, url: str) -> str:
    """Return the pattern, with a reply to be replaced, that would answer a request."""
    return f'"{method} {_place(url)}": {{"ok": True}}'


def _what_went_wrong(error: BaseException) -> str:
    return "no reply: it meets no pattern" if isinstance(error, NoReplyError) else f"{type(error).__name__}: {error}"


def _place(url: str) -> str:
    return without_secrets(url).partition("?")[0]


@lru_cache(maxsize=1024)  # the same few in every session
def _row(
    method: str, url: str, status: int, sent: bytes, received: bytes, headers: Headers
) -> tuple[dict[str, Any], frozenset[str]]:
    """Return the data of a row as far as they don't change from time to time, and the secrets that were found."""
    address, texts = without_secrets(url), (_text(sent), _text(received))
    row: dict[str, Any] = {
        "message": f"{method} {address}: {f'{status} after ' if status else ''}",
        "method": method,
        "address": address,
        "status": status or None,
        "latency_s": 0.0,
    }
    for name, text in zip(("request", "response"), texts, strict=True):
        if text:
            row[name] = _shortened(body_without_secrets(text))
    found = [secret for name, value in headers if is_secret(name) for secret in secrets_of_header(value)]
    return row, frozenset([*found, *secrets_in(url, *texts)])


def _text(body: bytes) -> str:
    if not body:
        return ""
    try:
        return body.decode()
    except UnicodeDecodeError:
        return f"{len(body)} bytes"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def failure_of(answer: HttpAnswer) -> tuple[str, BaseException | None]:
    """Return what kind of error comes for an answer (`connection`, `timeout`, `other`, or nothing), and the error."""
    error: Any = answer.error
    if error is None:
        return "", None
    if type(error) is ConnectionError:
        return "connection", error
    if type(error) is TimeoutError:
        return "timeout", error
    return "other", error


__all__ = [
    "EXCHANGE",
    "Exchange",
    "Headers",
    "HttpAnswer",
    "HttpRequest",
    "Outgoing",
    "StandIn",
    "TrafficKeeper",
    "exchange_for",
    "failure_of",
    "led",
    "line_to_add",
    "stands_in",
]
