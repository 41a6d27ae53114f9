"""httpx in a session: its transports ask the session's exchange, and build no TLS context unless a request goes out.

The transports (`HTTPTransport`, `AsyncHTTPTransport`) are the place where every request of a client passes that has no
transport of its own: redirects, cookies, authentication and hooks work as ever above it. Most requests need none of that,
and go the short way of `quick_httpx`.
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any

import httpx

from voicelab.runtime.http.exchange import (
    Exchange,
    HttpAnswer,
    HttpRequest,
    Outgoing,
    exchange_for,
    failure_of,
    led,
    stands_in,
)
from voicelab.runtime.http.quick_httpx import ANSWER, quick_httpx_patches


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
        exchange = _exchange_for(request)
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
        answer = request.extensions.pop(ANSWER, None) or exchange.answer(asked, _timeout_s(request))
        exchange.block(asked, answer)
        return _answered(answer, request)

    return handle_request


def _handling_async(original: Any) -> Any:
    async def handle_async_request(self: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        exchange = _exchange_for(request)
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
        answer = request.extensions.pop(ANSWER, None) or exchange.answer(asked, _timeout_s(request))
        await exchange.wait(answer)
        return _answered(answer, request)

    return handle_async_request


def _exchange_for(request: httpx.Request) -> Exchange | None:
    # Of another address than these the library itself says what is wrong.
    return exchange_for(request.method, str(request.url)) if request.url.scheme in {"http", "https"} else None


def _asked(request: httpx.Request) -> HttpRequest:
    return HttpRequest(request.method, str(request.url), request.headers, request.content)


def _timeout_s(request: httpx.Request) -> float | None:
    return request.extensions.get("timeout", {}).get("read")  # type: ignore[no-any-return]


def _answered(answer: HttpAnswer, request: httpx.Request) -> httpx.Response:
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


def httpx_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what leads httpx to the sessions' exchanges."""
    return (
        led("httpx", httpx.HTTPTransport, __init__=_lazily, handle_request=_handling),
        led("httpx", httpx.AsyncHTTPTransport, __init__=_lazily, handle_async_request=_handling_async),
        *quick_httpx_patches(),
    )
