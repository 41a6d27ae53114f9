"""urllib in a session: its handler of HTTP asks the session's exchange in place of a connection."""

import io
import socket
from collections.abc import Iterable
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.client import HTTPResponse
from typing import Any
from urllib.error import URLError
from urllib.request import AbstractHTTPHandler, Request

from voicelab.runtime.http.exchange import HttpAnswer, HttpRequest, exchange_for, failure_of, led


def _opening(original: Any) -> Any:
    def do_open(self: AbstractHTTPHandler, http_class: Any, req: Request, **options: Any) -> HTTPResponse:
        method = req.get_method()
        exchange = exchange_for(method, req.full_url)
        if exchange is None:
            return original(self, http_class, req, **options)  # type: ignore[no-any-return]
        data: Any = req.data or b""
        sent = data if isinstance(data, bytes) else b""
        asked = HttpRequest(method, req.full_url, {**req.unredirected_hdrs, **req.headers}, sent)
        if exchange.is_real:
            exchange.note_blocking(asked)
            call = exchange.outgoing(asked)
            with call.watched(URLError, TimeoutError):
                response = original(self, http_class, req, **options)
                received = response.read()
            answer = HttpAnswer(response.status, tuple(response.getheaders()), received)
            call.answered(answer.status, answer.headers, received)
        else:
            answer = exchange.answer(asked, _timeout_s(req))
            exchange.block(asked, answer)
        kind, error = failure_of(answer)
        if error is not None:
            raise _failure(kind, error)
        return _response(answer, method, req.full_url)

    return do_open


def _timeout_s(req: Any) -> float | None:
    timeout = getattr(req, "timeout", None)
    return timeout if isinstance(timeout, int | float) else socket.getdefaulttimeout()


def _failure(kind: str, error: BaseException) -> BaseException:
    return URLError(ConnectionRefusedError(111, str(error))) if kind == "connection" else error


class _Sock:
    """As much of a socket as a response reads."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def makefile(self, *_: object) -> io.BytesIO:
        """Return what has arrived."""
        return io.BytesIO(self._raw)


_OF_THE_WAY = frozenset({"content-length", "transfer-encoding", "connection"})


def _response(answer: HttpAnswer, method: str, url: str) -> HTTPResponse:
    reason = HTTPStatus(answer.status).phrase if answer.status in _KNOWN else ""
    headers = [(name, value) for name, value in answer.headers if name.lower() not in _OF_THE_WAY]
    head = "".join(f"{name}: {value}\r\n" for name, value in (*headers, ("Content-Length", str(len(answer.body)))))
    raw = f"HTTP/1.1 {answer.status} {reason}\r\n{head}\r\n".encode("latin-1", "replace") + answer.body
    sock: Any = _Sock(raw)
    response: Any = HTTPResponse(sock, method=method, url=url)
    response.begin()
    response.url, response.msg = url, response.reason  # as `do_open` leaves it
    return response  # type: ignore[no-any-return]


_KNOWN = frozenset(HTTPStatus)


def urllib_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what leads urllib to the sessions' exchanges."""
    return (led("urllib", AbstractHTTPHandler, do_open=_opening),)
