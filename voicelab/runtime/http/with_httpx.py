"""httpx in a session: its transports ask the session's exchange, and build no TLS context unless a request goes out.

Two levels. The transports (`HTTPTransport`, `AsyncHTTPTransport`) are the place where every request of a client passes
that has no transport of its own: redirects, cookies, authentication and hooks work as ever above it. That alone would
be slow: httpx takes some .4 ms for a client and a request, as long as a whole session takes. So clients and requests of
the usual kind (no cookies, hooks, authentication or files) go a short way: the client keeps its arguments and becomes
itself when somebody looks (`_Deferred`), and its response is one of httpx that fills itself in when somebody looks.
"""

import logging
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import lru_cache
from json import JSONEncoder
from typing import Any, NamedTuple

import httpx
from httpx._client import BaseClient, ClientState

from voicelab.base.accepted_types import Given
from voicelab.runtime.http.exchange import Answer, HttpRequest, Outgoing, exchange_for, failure_of, stands_in
from voicelab.runtime.isolation import replaced

_log = logging.getLogger("httpx")
_LATER = "_voicelab_arguments"
_ANSWER = "voicelab_answer"
# Arguments of a client that change nothing of what a request is, or that the short way knows how to follow.
_SIMPLE_CLIENT = frozenset({"base_url", "headers", "timeout", "params", "verify", "limits", "http1", "trust_env"})
_UNSET = httpx.USE_CLIENT_DEFAULT


# --- transports ------------------------------------------------------------------------------------------------------


class _UnopenedPool:
    """Stands where a transport keeps its connections, and makes them when a request really goes out."""

    def __init__(self, transport: Any, make: Any) -> None:
        self._transport, self._make = transport, make

    def __enter__(self) -> "_UnopenedPool":
        return self

    async def __aenter__(self) -> "_UnopenedPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Do nothing: nothing is open."""

    async def aclose(self) -> None:
        """Do nothing: nothing is open."""

    def __getattr__(self, name: str) -> Any:
        self._make()
        return getattr(self._transport._pool, name)


def _lazily(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if stands_in():
            self._pool = _UnopenedPool(self, lambda: original(self, *args, **kwargs))
        else:
            original(self, *args, **kwargs)

    return __init__


def _handling(original: Any) -> Any:
    def handle_request(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        exchange = exchange_for(request.method, str(request.url))
        if exchange is None:
            return original(self, request)  # type: ignore[no-any-return]
        request.read()
        asked = _asked(request)
        if exchange.is_real:
            exchange.note_blocking(asked)
            call = exchange.outgoing(asked)
            with call.watched(httpx.NetworkError, httpx.TimeoutException):
                response = original(self, request)
                body = b"".join(response.stream)
            return _kept(call, response, body)
        answer = request.extensions.pop(_ANSWER, None) or exchange.answer(asked, _timeout_s(request))
        exchange.block(asked, answer)
        return _answered(answer, request)

    return handle_request


def _handling_async(original: Any) -> Any:
    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        exchange = exchange_for(request.method, str(request.url))
        if exchange is None:
            return await original(self, request)  # type: ignore[no-any-return]
        await request.aread()
        asked = _asked(request)
        if exchange.is_real:
            call = exchange.outgoing(asked)
            with call.watched(httpx.NetworkError, httpx.TimeoutException):
                response = await original(self, request)
                body = b"".join([chunk async for chunk in response.stream])
            await response.stream.aclose()
            return _kept(call, response, body)
        answer = request.extensions.pop(_ANSWER, None) or exchange.answer(asked, _timeout_s(request))
        await exchange.wait(answer)
        return _answered(answer, request)

    return handle_async_request


def _asked(request: httpx.Request) -> HttpRequest:
    return HttpRequest(request.method, str(request.url), request.headers, request.content)


def _timeout_s(request: httpx.Request) -> float | None:
    return request.extensions.get("timeout", {}).get("read")  # type: ignore[no-any-return]


def _answered(answer: Answer, request: httpx.Request) -> httpx.Response:
    kind, error = failure_of(answer)
    if error is None:
        headers = [*answer.headers, ("content-length", str(len(answer.body)))]
        stream = httpx.ByteStream(answer.body)
        return httpx.Response(answer.status, headers=headers, stream=stream, request=request)
    raise _failure(kind, error, request)


def _failure(kind: str, error: BaseException, request: httpx.Request) -> BaseException:
    if kind == "connection":
        return httpx.ConnectError(str(error), request=request)
    if kind == "timeout":
        return httpx.ReadTimeout(str(error), request=request)
    return error


def _kept(call: Outgoing, response: httpx.Response, body: bytes) -> httpx.Response:
    """Keep what a service answered, and return it to be read again."""
    headers = response.headers
    whole = httpx.Response(response.status_code, headers=headers, content=body)  # decompresses
    call.answered(response.status_code, headers.multi_items(), whole.content)
    stream = httpx.ByteStream(body)
    return httpx.Response(response.status_code, headers=headers, stream=stream, extensions=response.extensions)


# --- the short way ---------------------------------------------------------------------------------------------------


def _become_itself(self: Any, name: str) -> Any:
    """Return an attribute of a client that was made by the short way: now it is made whole."""
    later = self.__dict__.pop(_LATER, None) if name in _ATTRIBUTES else None
    if later is None:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    state = self.__dict__.get("_state")
    later[0](self, **later[1])
    if state is not None:
        self._state = state
    return getattr(self, name)


def _deferring(original: Any) -> Any:
    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if type(self) in _CLIENTS and _SIMPLE_CLIENT.issuperset(kwargs) and stands_in():
            self.__dict__.update({_LATER: (original, kwargs), "_state": ClientState.UNOPENED})
        else:
            original(self, **kwargs)

    return __init__


_CLIENTS = (httpx.Client, httpx.AsyncClient)
_TRANSPORTS = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
_NOWHERE = httpx.MockTransport(lambda _: httpx.Response(200))
_ATTRIBUTES = frozenset(vars(httpx.Client(transport=_NOWHERE)))
# For good: a client that a session has made may be looked at when no session is there any more.
BaseClient.__getattr__ = _become_itself  # type: ignore[attr-defined]


class _Facts(NamedTuple):
    """What of a client its requests follow from."""

    base_url: str
    params: Any
    headers: Mapping[str, str]
    timeout: Any


def _facts(client: Any) -> _Facts | None:
    """Return the facts of a client of the usual kind; None where more follows from it, or it is closed."""
    known = client.__dict__
    later = known.get(_LATER)
    if known["_state"] is ClientState.CLOSED:
        return None
    if later is not None:
        given = later[1]
        named = _named(given.get("headers"))
        return _Facts(str(given.get("base_url", "")), given.get("params"), named, given.get("timeout", 5.0))
    if (
        type(client) not in _CLIENTS
        or client._auth is not None
        or client._cookies
        or any(client._event_hooks.values())
        or type(client._transport) not in _TRANSPORTS
        or client._mounts
    ):
        return None
    return _Facts(str(client._base_url), client._params, client._headers, client._timeout)


class _Asking:
    """A request by the short way, as far as it is made."""

    __slots__ = ("answer", "arguments", "asked", "client", "exchange", "url")

    def __init__(self, client: Any, facts: _Facts, method: str, url: Given, arguments: Mapping[str, Any]) -> None:
        self.client, self.arguments = client, arguments
        self.url = _address(facts.base_url, str(url), _pairs(facts.params), _pairs(arguments.get("params")))
        self.exchange: Any = exchange_for(method, self.url)
        headers = {**facts.headers, **_named(arguments.get("headers"))}
        body = _body(arguments)
        if arguments.get("json") is not None:
            headers.setdefault("content-type", "application/json")
        self.asked = HttpRequest(method.upper(), self.url, headers, body)
        timeout = arguments.get("timeout", _UNSET)
        self.answer: Answer = self.exchange.answer(
            self.asked, _read_timeout(facts.timeout if timeout is _UNSET else timeout)
        )

    def response(self) -> httpx.Response:
        """Return the response to a plain answer."""
        return _Response(self)

    def request(self) -> httpx.Request:
        """Return the request as httpx makes it."""
        given = {name: self.arguments.get(name) for name in ("content", "json", "headers")}
        request: httpx.Request = self.client.build_request(self.asked.method, self.url, **given)
        return request


class _Response(httpx.Response):
    """A response that fills itself in when somebody looks at more than its status and its body."""

    def __init__(self, asking: _Asking) -> None:
        # Without the base's `__init__`: `__getattr__` calls it when an attribute is missing.
        answer = asking.answer
        self._asking: _Asking | None = asking
        self.status_code = answer.status
        self._content = answer.body
        self.is_closed = self.is_stream_consumed = True

    def __getattr__(self, name: str) -> Any:
        asking = self.__dict__.pop("_asking", None)
        if asking is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        whole = httpx.Response(
            asking.answer.status,
            headers=list(asking.answer.headers),
            content=asking.answer.body,
            request=asking.request(),
            extensions={"http_version": b"HTTP/1.1"},
        )
        self.__dict__.update(whole.__dict__)
        self._elapsed = timedelta(seconds=asking.answer.latency_s)
        return getattr(self, name)

    def raise_for_status(self) -> httpx.Response:
        """Raise for an error status, else return the response."""
        return self if 200 <= self.status_code < 300 else super().raise_for_status()  # noqa: PLR2004 - success


_Response.__name__ = _Response.__qualname__ = "Response"
_SHORT_ARGUMENTS = frozenset({"content", "json", "params", "headers", "timeout", "follow_redirects"})


def _by_short_way(client: Any, arguments: Mapping[str, Any]) -> _Facts | None:
    """Return the facts of a client whose request can go the short way."""
    if not stands_in() or _log.isEnabledFor(logging.INFO):
        return None
    for name, value in arguments.items():
        if value is not None and value is not _UNSET and name not in _SHORT_ARGUMENTS:
            return None
    return _facts(client) if isinstance(arguments.get("content"), str | bytes | None) else None


def _requesting(original: Any) -> Any:
    def request(self: httpx.Client, method: str, url: Any, **arguments: Any) -> httpx.Response:
        facts = _by_short_way(self, arguments)
        if facts is None:
            return original(self, method, url, **arguments)  # type: ignore[no-any-return]
        asking = _Asking(self, facts, method, url, arguments)
        if asking.answer.is_plain:
            asking.exchange.block(asking.asked, asking.answer)
            return asking.response()
        return original(self, method, url, **_handing_over(asking))  # type: ignore[no-any-return]

    return request


def _requesting_async(original: Any) -> Any:
    async def request(self: httpx.AsyncClient, method: str, url: Any, **arguments: Any) -> httpx.Response:
        facts = _by_short_way(self, arguments)
        if facts is None:
            return await original(self, method, url, **arguments)  # type: ignore[no-any-return]
        asking = _Asking(self, facts, method, url, arguments)
        if asking.answer.is_plain:
            await asking.exchange.wait(asking.answer)
            return asking.response()
        return await original(self, method, url, **_handing_over(asking))  # type: ignore[no-any-return]

    return request


def _handing_over(asking: _Asking) -> dict[str, Any]:
    """Return the arguments of a request whose answer is drawn already: redirects and cookies are httpx's own matter."""
    return {**asking.arguments, "extensions": {_ANSWER: asking.answer}}


def _body(arguments: Mapping[str, Any]) -> bytes:
    content, data = arguments.get("content"), arguments.get("json")
    if content is not None:
        return content.encode() if isinstance(content, str) else content  # type: ignore[no-any-return]
    # As httpx writes it: what JSON can't hold is an error here too.
    return b"" if data is None else _json(data).encode()


_json = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _named(headers: Any) -> Mapping[str, str]:
    return headers if type(headers) is dict else {} if headers is None else httpx.Headers(headers)


def _pairs(params: Any) -> str:
    return "" if not params else str(httpx.QueryParams(params))


@lru_cache(maxsize=1024)
def _address(base_url: str, url: str, ours: str, theirs: str) -> str:
    """Return the address as a client makes it from its base, what is asked for, and the parameters of both."""
    with httpx.Client(base_url=base_url, params=ours, transport=_NOWHERE, trust_env=False) as client:
        return str(client.build_request("GET", url, params=theirs or None).url)


def _read_timeout(given: Any) -> float | None:
    return given if isinstance(given, int | float) or given is None else httpx.Timeout(given).read


def _entering(original: Any) -> Any:
    def __enter__(self: Any) -> Any:  # noqa: N807 - it is one
        if _LATER not in self.__dict__ or self._state is not ClientState.UNOPENED:
            return original(self)
        self._state = ClientState.OPENED
        return self

    return __enter__


def _entering_async(original: Any) -> Any:
    async def __aenter__(self: Any) -> Any:  # noqa: N807 - it is one
        if _LATER not in self.__dict__ or self._state is not ClientState.UNOPENED:
            return await original(self)
        self._state = ClientState.OPENED
        return self

    return __aenter__


def _closing(original: Any) -> Any:
    def close(self: Any, *args: Any) -> None:
        if _LATER in self.__dict__:
            self._state = ClientState.CLOSED
        else:
            original(self, *args)

    return close


def _closing_async(original: Any) -> Any:
    async def close(self: Any, *args: Any) -> None:
        if _LATER in self.__dict__:
            self._state = ClientState.CLOSED
        else:
            await original(self, *args)

    return close


def patches() -> Iterable[AbstractContextManager[None]]:
    """Return what leads httpx to the sessions' exchanges."""
    sync, later = httpx.HTTPTransport, httpx.AsyncHTTPTransport
    one, other = httpx.Client, httpx.AsyncClient
    return (
        replaced(sync, __init__=_lazily(sync.__init__), handle_request=_handling(sync.handle_request)),
        replaced(
            later, __init__=_lazily(later.__init__), handle_async_request=_handling_async(later.handle_async_request)
        ),
        replaced(
            one,
            __init__=_deferring(one.__init__),
            request=_requesting(one.request),
            __enter__=_entering(one.__enter__),
            __exit__=_closing(one.__exit__),
            close=_closing(one.close),
        ),
        replaced(
            other,
            __init__=_deferring(other.__init__),
            request=_requesting_async(other.request),
            __aenter__=_entering_async(other.__aenter__),
            __aexit__=_closing_async(other.__aexit__),
            aclose=_closing_async(other.aclose),
        ),
    )
