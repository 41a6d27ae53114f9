"""aiohttp in a session: its connectors hand out a connection to the session's exchange, without a socket.

A request of aiohttp goes three steps: a connector gives a connection, the request writes itself to it (`send`), and the
response reads itself from it (`start`). With a `_Connection` of ours the last two go another way; everything around
them (addresses, cookies, redirects, authentication, timeouts) is aiohttp's own. Most requests need none of that, and go
the short way of `quick_aiohttp`.
"""

import asyncio
import functools
import inspect
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import aiohttp
from aiohttp.client_reqrep import ClientRequest
from aiohttp.helpers import TimerNoop
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from voicelab.runtime.http.exchange import (
    EXCHANGE,
    Exchange,
    HttpAnswer,
    HttpRequest,
    Outgoing,
    exchange_for,
    failure_of,
    led,
)
from voicelab.runtime.http.libraries import GOES_OUT
from voicelab.runtime.http.quick_aiohttp import DRAWN, quick_aiohttp_patches, reason_of, stream_of, timeout_s

_CALL = "_voicelab_call"
_LIMIT = 2**16


class _Connection:
    """Stands in for a connection, and for the protocol behind it."""

    transport = None
    _reading_paused = False

    def __init__(self, exchange: Exchange, timeout_s: float | None) -> None:
        self.exchange, self.timeout_s = exchange, timeout_s
        self.protocol = self
        self.answer: HttpAnswer

    def set_response_params(self, **_: object) -> None:
        """Be told how to read; there is nothing to be read."""

    def pause_reading(self, **_: object) -> None:
        """Do nothing: everything is there."""

    def resume_reading(self, **_: object) -> None:
        """Do nothing: everything is there."""

    def close(self) -> None:
        """Do nothing: nothing is open."""

    release = close


def _connecting(original: Any) -> Any:
    async def connect(self: Any, req: ClientRequest, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        exchange = None if getattr(self, GOES_OUT, False) else exchange_for(req.method, str(req.url))
        if exchange is None:
            return await original(self, req, traces, timeout)
        if exchange.is_real:
            with exchange.outgoing(_asked(req)).watched(aiohttp.ClientConnectionError, asyncio.TimeoutError):
                return await original(self, req, traces, timeout)
        return _Connection(exchange, timeout_s(timeout))

    return connect


def _sending(original: Any) -> Any:
    async def send(self: ClientRequest, conn: Any) -> aiohttp.ClientResponse:
        if isinstance(conn, _Connection):
            drawn = DRAWN.get()
            DRAWN.set(None)
            conn.answer = drawn or conn.exchange.answer(_asked(self), conn.timeout_s)
            await conn.exchange.wait(conn.answer)
            kind, error = failure_of(conn.answer)
            if error is not None:
                raise _failure(kind, error, self)
            return _response_to(self.method, self.original_url, self.request_info, self._session, self.response_class)
        exchange = EXCHANGE.get()
        asked = None if exchange is None or not exchange.is_real else _asked(self)
        response: aiohttp.ClientResponse = await original(self, conn)
        if exchange is not None and asked is not None and not getattr(_connector(self), GOES_OUT, False):
            setattr(response, _CALL, exchange.outgoing(asked))
        return response

    return send


def _starting(original: Any) -> Any:
    async def start(self: aiohttp.ClientResponse, connection: Any) -> aiohttp.ClientResponse:
        if isinstance(connection, _Connection):
            _fill(self, connection.answer)
            return self
        call: Outgoing | None = getattr(self, _CALL, None)
        if call is None:
            return await original(self, connection)  # type: ignore[no-any-return]
        with call.watched(aiohttp.ClientConnectionError, asyncio.TimeoutError):
            await original(self, connection)
            body = await self.read()
        self.content = stream_of(body, self._loop)
        call.answered(self.status, self.headers.items(), body)
        return self

    return start


def _connector(request: ClientRequest) -> Any:
    return getattr(getattr(request, "_session", None), "connector", None)


def _asked(request: ClientRequest) -> HttpRequest:
    body: Any = getattr(request.body, "_value", request.body)
    sent = body.encode() if isinstance(body, str) else bytes(body) if isinstance(body, bytes | bytearray) else b""
    return HttpRequest(request.method, str(request.url), request.headers, sent)


def _failure(kind: str, error: BaseException, request: ClientRequest) -> BaseException:
    if kind == "connection":
        return aiohttp.ClientConnectorError(request.connection_key, ConnectionRefusedError(111, str(error)))
    if kind == "timeout":
        return aiohttp.ServerTimeoutError(str(error))
    return error


@functools.cache
def _arguments_of(made: type[aiohttp.ClientResponse]) -> frozenset[str]:
    return frozenset(inspect.signature(made.__init__).parameters)


_NO_TIMER = TimerNoop()
_SENT = SimpleNamespace(output_size=0)


def _response_to(method: str, url: URL, info: aiohttp.RequestInfo, session: Any, made: Any) -> aiohttp.ClientResponse:
    """Return a response without anything in it, as the request would make it; versions differ in what they tell it."""
    facts: Mapping[str, Any] = {
        "writer": None,
        "continue100": None,
        "timer": _NO_TIMER,
        "request_info": info,
        "traces": [],
        "loop": session._loop,
        "session": session,
        "stream_writer": _SENT,
    }
    known = _arguments_of(made)
    response: aiohttp.ClientResponse = made(
        method, url, **{name: fact for name, fact in facts.items() if name in known}
    )
    return response


def _fill(response: Any, answer: HttpAnswer) -> None:
    headers = CIMultiDict(answer.headers)
    response.version = aiohttp.HttpVersion11
    response.status, response.reason = answer.status, reason_of(answer.status)
    response._headers = CIMultiDictProxy(headers)
    response._raw_headers = tuple((name.encode(), value.encode()) for name, value in answer.headers)
    response.content = stream_of(answer.body, response._loop)
    response._body = answer.body  # read already; the stream is for who reads it piece by piece
    cookies = headers.getall("Set-Cookie", ())
    if cookies:
        response._raw_cookie_headers = tuple(cookies)


def aiohttp_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what leads aiohttp to the sessions' exchanges."""
    return (
        led("aiohttp", aiohttp.BaseConnector, connect=_connecting),
        led("aiohttp", ClientRequest, send=_sending),
        led("aiohttp", aiohttp.ClientResponse, start=_starting),
        *quick_aiohttp_patches(),
    )
