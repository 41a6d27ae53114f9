"""The short way of httpx's requests: what they cost otherwise is more than all the rest of a session.

httpx takes .4 ms for a client and a request. Clients and requests of the usual kind (no cookies, hooks, authentication or
files) therefore do as little as they can: a client keeps its arguments and becomes itself when somebody looks, and its
response is one of httpx that fills itself in when somebody looks. What is answered is the same on both ways.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import lru_cache
from json import JSONDecoder, JSONEncoder, encoder
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from httpx._client import BaseClient, ClientState

from voicelab.base.accepted_types import Given
from voicelab.runtime.http.exchange import EXCHANGE, Exchange, HttpAnswer, HttpRequest, led, stands_in

ANSWER = "voicelab_answer"
"""Extension of a request that holds its answer, where it is drawn already."""
JSON_FIRST = (("content-type", "application/json"),)
"""How the headers of a reply in JSON begin: its body is UTF-8, which needn't be found out."""
decode_json = JSONDecoder().decode
_log = logging.getLogger("httpx")
_LATER = "_voicelab_arguments"
# Arguments of a client that change nothing of what a request is, or that the short way knows how to follow.
_SIMPLE_CLIENT = frozenset({"base_url", "headers", "timeout", "params", "verify", "limits", "http1", "trust_env"})
_UNSET = httpx.USE_CLIENT_DEFAULT


def _become_itself(self: Any, name: str) -> Any:
    """Return an attribute of a client that was made by the short way: now it is made whole."""
    later = self.__dict__.pop(_LATER, None) if name in _ATTRIBUTES else None
    if later is None:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    since = dict(self.__dict__)  # whether it is open, and what was set: `client.timeout = 3`
    later[0](self, **later[1])
    self.__dict__.update(since)
    return getattr(self, name)


def _deferring(original: Any) -> Any:
    def __init__(self: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        if type(self) in _CLIENTS and _SIMPLE_CLIENT.issuperset(kwargs) and stands_in():
            named, timeout = _named(kwargs.get("headers")), kwargs.get("timeout", 5.0)
            facts = _Facts(str(kwargs.get("base_url", "")), kwargs.get("params"), named, timeout)
            self.__dict__.update({_LATER: (original, kwargs, facts), "_state": ClientState.UNOPENED})
        else:
            original(self, **kwargs)

    return __init__


_CLIENTS = (httpx.Client, httpx.AsyncClient)
_TRANSPORTS = (httpx.HTTPTransport, httpx.AsyncHTTPTransport)
_N_DEFERRED = 2
"""Attributes of a client that is not itself yet, and of which none has been set since."""
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
    if later is not None and len(known) == _N_DEFERRED:
        facts: _Facts = later[2]
        return facts
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
    """A request by the short way, and what it is answered."""

    __slots__ = ("_arguments", "_client", "answer", "asked", "exchange")

    def __init__(
        self,
        client: Any,
        facts: _Facts,
        address: str,
        method: str,
        content: str | bytes | None,
        json: Given,
        headers: Any,
        timeout: Any,
    ) -> None:
        self._client, self._arguments = client, {"content": content, "json": json, "headers": headers}
        exchange: Any = EXCHANGE.get()
        # First, so that another one that is given comes on top.
        kind = {} if json is None else {"content-type": "application/json"}
        sent = {**kind, **facts.headers, **_named(headers)}
        body = content if content is not None else b"" if json is None else _json(json)
        self.asked = HttpRequest(method.upper(), address, sent, body.encode() if isinstance(body, str) else body)
        waits_s = _read_timeout(facts.timeout if timeout is _UNSET else timeout)
        self.exchange: Exchange = exchange
        self.answer: HttpAnswer = exchange.answer(self.asked, waits_s)

    def request(self) -> httpx.Request:
        """Return the request as httpx makes it."""
        request: httpx.Request = self._client.build_request(self.asked.method, self.asked.url, **self._arguments)
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

    def json(self, **options: Any) -> Any:
        """Return the body as JSON."""
        asking = self.__dict__.get("_asking")
        if options or asking is None or asking.answer.headers[:1] != JSON_FIRST:
            return super().json(**options)
        return decode_json(self._content.decode())

    def raise_for_status(self) -> httpx.Response:
        """Raise for an error status, else return the response."""
        return self if 200 <= self.status_code < 300 else super().raise_for_status()  # noqa: PLR2004 - success


_Response.__name__ = _Response.__qualname__ = "Response"


def _short(client: Any, url: Given, params: Any, content: Any, long: Iterable[Any]) -> tuple[_Facts, str] | None:
    """Return the facts of a client whose request can go the short way, and the whole address.

    Args:
        client: The client.
        url: What is asked for.
        params: Parameters of the address.
        content: The body.
        long: Arguments with which it can't.
    """
    for value in long:
        if value is not None and value is not _UNSET:
            return None
    exchange = EXCHANGE.get()
    if (
        exchange is None
        or exchange.is_real
        or not isinstance(content, str | bytes | None)
        or _log.isEnabledFor(logging.INFO)
    ):
        return None
    facts = _facts(client)
    if facts is None:
        return None
    address = _address(facts.base_url, str(url), _pairs(facts.params), _pairs(params))
    # A name and a password in the address become a header, by httpx itself.
    has_user = "@" in address and "@" in urlsplit(address).netloc
    return (facts, address) if address.startswith(("http://", "https://")) and not has_user else None


_NAMES = ("content", "data", "files", "json", "params", "headers", "cookies", "auth", "timeout", "extensions")


def _by_name(given: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(_NAMES, given, strict=True))


def _requesting(original: Any) -> Any:
    def request(
        self: httpx.Client,
        method: str,
        url: Any,
        *,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        auth: Any = _UNSET,
        timeout: Any = _UNSET,
        extensions: Any = None,
        **options: Any,
    ) -> httpx.Response:
        short = _short(self, url, params, content, (data, files, cookies, auth, extensions))
        if short is not None:
            asking = _Asking(self, *short, method, content, json, headers, timeout)
            if asking.answer.is_plain:
                asking.exchange.block(asking.asked, asking.answer)
                return _Response(asking)
            extensions = {ANSWER: asking.answer}  # redirects and cookies are httpx's own matter
        given = (content, data, files, json, params, headers, cookies, auth, timeout, extensions)
        return original(self, method, url, **_by_name(given), **options)  # type: ignore[no-any-return]

    return request


def _requesting_async(original: Any) -> Any:
    async def request(
        self: httpx.AsyncClient,
        method: str,
        url: Any,
        *,
        content: Any = None,
        data: Any = None,
        files: Any = None,
        json: Any = None,
        params: Any = None,
        headers: Any = None,
        cookies: Any = None,
        auth: Any = _UNSET,
        timeout: Any = _UNSET,
        extensions: Any = None,
        **options: Any,
    ) -> httpx.Response:
        short = _short(self, url, params, content, (data, files, cookies, auth, extensions))
        if short is not None:
            asking = _Asking(self, *short, method, content, json, headers, timeout)
            if asking.answer.is_plain:
                await asyncio.sleep(asking.answer.latency_s)
                return _Response(asking)
            extensions = {ANSWER: asking.answer}
        given = (content, data, files, json, params, headers, cookies, auth, timeout, extensions)
        return await original(self, method, url, **_by_name(given), **options)  # type: ignore[no-any-return]

    return request


def _json_encoder() -> Callable[[Any], str]:
    """Return what encodes JSON as httpx does, and makes its encoder once."""
    whole = JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    make: Any = getattr(encoder, "c_make_encoder", None)
    if make is None:
        return whole.encode
    # `whole.encode` makes this anew for each call, with a memory of what it is in: without one, what holds itself is too deep.
    pieces: Any = make(None, whole.default, encoder.encode_basestring, None, ":", ",", False, False, False)

    def encode(data: Any) -> str:
        try:
            return "".join(pieces(data, 0))
        except RecursionError:
            return whole.encode(data)  # which says so

    return encode


_json = _json_encoder()


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


_WITHOUT_BODY = ("get", "head", "options", "delete")
_OF_A_BODY = frozenset({"content", "data", "files", "json"})


def _asking_by(method: str) -> Callable[[Any], Any]:
    """Return what makes the function of a method, which hands on what it is given and no defaults besides."""
    refused = _OF_A_BODY if method in _WITHOUT_BODY else frozenset()

    def make(original: Any) -> Any:
        def by_method(self: Any, url: Any, **arguments: Any) -> Any:
            if not refused.isdisjoint(arguments):
                return original(self, url, **arguments)  # which says so
            return self.request(method.upper(), url, **arguments)

        return by_method

    return make


_METHODS: Mapping[str, Any] = {name: _asking_by(name) for name in (*_WITHOUT_BODY, "post", "put", "patch")}


def quick_httpx_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what takes requests the short way."""
    return (
        led(
            "httpx",
            httpx.Client,
            __init__=_deferring,
            request=_requesting,
            **_METHODS,
            __enter__=_entering,
            __exit__=_closing,
            close=_closing,
        ),
        led(
            "httpx",
            httpx.AsyncClient,
            __init__=_deferring,
            request=_requesting_async,
            **_METHODS,
            __aenter__=_entering_async,
            __aexit__=_closing_async,
            aclose=_closing_async,
        ),
    )
