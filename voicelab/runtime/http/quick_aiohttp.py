"""The short way of aiohttp's requests, as `quick_httpx` has one: a session that becomes itself, a response that fills itself in.

aiohttp takes .2 ms for a session and a request, half of what a whole session of the lab takes.
"""

import asyncio
import json
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import cache, lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

import aiohttp
from aiohttp.helpers import TimerNoop
from aiohttp.streams import StreamReader
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from voicelab.base.accepted_types import Given
from voicelab.runtime.http.exchange import EXCHANGE, HttpAnswer, HttpRequest, led, stands_in

DRAWN: ContextVar[HttpAnswer | None] = ContextVar("voicelab_aiohttp", default=None)
"""The answer to a request that goes the long way, where it is drawn already."""
_LATER = "_voicelab_arguments"
_LIMIT = 2**16
_SIMPLE_SESSION = frozenset({"headers", "timeout"})
_SHORT_ARGUMENTS = frozenset({"data", "json", "headers", "timeout", "allow_redirects", "ssl"})
_N_DEFERRED = 3
"""Attributes of a session that is not itself yet, and of which none has been set since."""
_TIMEOUT = aiohttp.ClientTimeout(total=300)


# --- sessions --------------------------------------------------------------------------------------------------------


class _NoConnector:
    """Stands where a session keeps its connector."""

    closed = False


def _deferring(original: Any) -> Any:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it is one
        usual = type(self) is aiohttp.ClientSession and not args and _SIMPLE_SESSION.issuperset(kwargs)
        if usual and isinstance(kwargs.get("timeout", _TIMEOUT), aiohttp.ClientTimeout) and stands_in():
            loop = asyncio.get_running_loop()
            facts = _Facts(_lowered(kwargs.get("headers")), kwargs.get("timeout", _TIMEOUT), json.dumps)
            self.__dict__.update({_LATER: (original, kwargs, facts), "_connector": _NoConnector, "_loop": loop})
        else:
            original(self, *args, **kwargs)

    return __init__


def _become_itself(self: Any, name: str) -> Any:
    """Return an attribute of a session that was made by the short way: now it is made whole."""
    later = None if name.startswith("__") or name == _LATER else self.__dict__.pop(_LATER, None)
    if later is None or self._connector is None:
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
    since = {key: value for key, value in self.__dict__.items() if key not in {"_connector", "_loop"}}
    later[0](self, loop=self._loop, **later[1])
    self.__dict__.update(since)  # what was set meanwhile
    return getattr(self, name)


# For good: what a session of the lab has made may be looked at when it is over.
aiohttp.ClientSession.__getattr__ = _become_itself  # type: ignore[attr-defined]


def _closing(original: Any) -> Any:
    async def close(self: Any) -> None:
        if _LATER in self.__dict__:
            self._connector = None
        else:
            await original(self)

    return close


class _Facts(NamedTuple):
    """What of a session its requests follow from."""

    headers: Mapping[str, str]
    timeout: aiohttp.ClientTimeout
    as_json: Any


def _facts(session: Any) -> _Facts | None:
    """Return the facts of a session of the usual kind; None where more follows from it, or it is closed."""
    if session._connector is None or session._connector.closed:
        return None
    later = session.__dict__.get(_LATER)
    if later is not None and len(session.__dict__) == _N_DEFERRED:
        facts: _Facts = later[2]
        return facts
    unusual = (
        session._default_auth
        or session._trace_configs
        or getattr(session, "_middlewares", ())
        or session._raise_for_status
        or session._trust_env
        or session._base_url
        or len(session._cookie_jar)
        or type(session) is not aiohttp.ClientSession
        or type(session._connector) is not aiohttp.TCPConnector
    )
    if unusual:
        return None
    return _Facts(_lowered(session._default_headers), session._timeout, session._json_serialize)


def _lowered(headers: Any) -> Mapping[str, str]:
    return {name.lower(): value for name, value in CIMultiDict(headers).items()} if headers else _NO_HEADERS


_NO_HEADERS: Mapping[str, str] = {}


def _requesting(original: Any) -> Any:
    async def _request(self: Any, method: str, str_or_url: Any, **arguments: Any) -> aiohttp.ClientResponse:
        exchange = EXCHANGE.get()
        usual = exchange is not None and not exchange.is_real
        asked = _asked(self, method, str_or_url, arguments) if usual else None
        if exchange is not None and asked is not None:
            request, timeout = asked
            answer = exchange.answer(request, timeout_s(timeout))
            if answer.is_plain:
                await asyncio.sleep(answer.latency_s)
                return _Response(self, request, answer)
            drawn = DRAWN.set(answer)  # redirects, cookies and errors are aiohttp's own matter
            try:
                return await original(self, method, str_or_url, **arguments)  # type: ignore[no-any-return]
            finally:
                DRAWN.reset(drawn)
        return await original(self, method, str_or_url, **arguments)  # type: ignore[no-any-return]

    return _request


def _asked(
    session: Any, method: str, address_given: Given, arguments: Mapping[str, Any]
) -> tuple[HttpRequest, Any] | None:
    """Return a request that can go the short way, and its timeout; None for any other."""
    data, sent = arguments.get("data"), arguments.get("json")
    facts = _facts(session) if _SHORT_ARGUMENTS.issuperset(arguments) and isinstance(data, bytes | str | None) else None
    address = _address(str(address_given))
    if facts is None or address is None:
        return None
    # First, so that another one that is given comes on top.
    kind = {} if sent is None else {"content-type": "application/json"}
    headers = {**kind, **facts.headers, **_lowered(arguments.get("headers"))}
    if sent is not None:
        data = facts.as_json(sent)
    body = data.encode() if isinstance(data, str) else data or b""
    request = HttpRequest(method.upper(), address, headers, body)
    return request, arguments.get("timeout", facts.timeout)


@lru_cache(maxsize=1024)
def _address(given: str) -> str | None:
    """Return an address as aiohttp writes it; None if there is more to it than an address."""
    try:
        url = URL(given)
    except ValueError:
        return None
    return str(url) if url.scheme in {"http", "https"} and url.host and url.user is None else None


def timeout_s(timeout: Any) -> float | None:
    """Return how long a request would wait for its answer; None for ever."""
    if not isinstance(timeout, aiohttp.ClientTimeout):
        return timeout  # type: ignore[no-any-return]
    limits = [limit for limit in (timeout.total, timeout.sock_read) if limit]
    return min(limits, default=None)


# --- responses -------------------------------------------------------------------------------------------------------


class _Response(aiohttp.ClientResponse):
    """A response to a plain answer that fills itself in when somebody looks at more than its status and its JSON."""

    version = aiohttp.HttpVersion11

    def __init__(self, session: Any, asked: HttpRequest, answer: HttpAnswer) -> None:
        # Without the base's `__init__`, whose attributes `__getattr__` makes when they are missing.
        self.method, self.status = asked.method, answer.status
        self._body = answer.body
        self._made_from = (session._loop, asked, answer)

    def __getattr__(self, name: str) -> Any:
        made_from = self.__dict__.get("_made_from")
        if made_from is None or "_url" in self.__dict__:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        loop, asked, _ = made_from
        self._url = self._real_url = url = URL(asked.url)
        self._loop, self._cache, self._timer, self._traces = loop, {}, TimerNoop(), []
        headers = CIMultiDictProxy(CIMultiDict(asked.headers))
        self._request_info = aiohttp.RequestInfo(url, asked.method, headers, url)
        return getattr(self, name)

    @property
    def _headers(self) -> CIMultiDictProxy[str]:  # type: ignore[override]
        return CIMultiDictProxy(CIMultiDict(self._made_from[2].headers))

    @property
    def _raw_headers(self) -> Any:  # type: ignore[override]
        return tuple((name.encode(), value.encode()) for name, value in self._made_from[2].headers)

    @property
    def reason(self) -> str:  # type: ignore[override]
        """The phrase of the status."""
        return reason_of(self.status)

    @property
    def content(self) -> StreamReader:  # type: ignore[override]
        """The body, to be read piece by piece."""
        stream = self.__dict__.get("_stream")
        if stream is None:
            stream = self._stream = stream_of(self._made_from[2].body, self._made_from[0])
        return stream

    async def json(self, **options: Any) -> Any:
        """Return the body as JSON."""
        _, _, answer = self._made_from
        if options or answer.headers[:1] != _JSON or not answer.body:
            return await super().json(**options)
        return json.loads(answer.body)

    def release(self) -> Any:
        """Do nothing: there is no connection to give back."""
        self._released = True
        return _DONE


class _Done:
    """What can be awaited, and is done."""

    def __await__(self) -> Iterable[None]:
        return iter(())


_DONE = _Done()
_JSON = (("content-type", "application/json"),)
_Response.__name__ = _Response.__qualname__ = "ClientResponse"


def stream_of(body: bytes, loop: asyncio.AbstractEventLoop) -> StreamReader:
    """Return a body to be read piece by piece."""
    protocol: Any = _NOBODY
    stream = StreamReader(protocol, _LIMIT, loop=loop)
    if body:
        stream.feed_data(body)
    stream.feed_eof()
    return stream


@cache
def reason_of(status: int) -> str:
    """Return the phrase of a status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""


class _Reader:
    """Who reads a stream in which everything is there already: it is only asked to pause."""

    transport = None
    _reading_paused = False

    def pause_reading(self, **_: object) -> None:
        """Do nothing."""

    def resume_reading(self, **_: object) -> None:
        """Do nothing."""


_NOBODY: Any = _Reader()


def quick_aiohttp_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what takes requests the short way."""
    return (led("aiohttp", aiohttp.ClientSession, __init__=_deferring, _request=_requesting, close=_closing),)
