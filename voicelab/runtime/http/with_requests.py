"""requests in a session: its adapter asks the session's exchange in place of a pool of connections."""

import io
from collections.abc import Iterable
from contextlib import AbstractContextManager
from email.message import Message
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import requests
import urllib3
from requests.adapters import HTTPAdapter

from voicelab.runtime.http.exchange import HttpAnswer, HttpRequest, exchange_for, failure_of, led


def _sending(original: Any) -> Any:
    def send(self: HTTPAdapter, request: Any, stream: bool = False, timeout: Any = None, **options: Any) -> Any:
        exchange = exchange_for(request.method, request.url)
        if exchange is None:
            return original(self, request, stream=stream, timeout=timeout, **options)
        body = request.body or b""
        sent = body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b""
        asked = HttpRequest(request.method, request.url, request.headers, sent)
        if exchange.is_real:
            exchange.note_blocking(asked)
            call = exchange.outgoing(asked)
            with call.watched(requests.ConnectionError, requests.Timeout):
                response = original(self, request, stream=stream, timeout=timeout, **options)
                received = response.content
            call.answered(response.status_code, response.headers.items(), received)
            return response
        answer = exchange.answer(asked, _read_timeout(timeout))
        exchange.block(asked, answer)
        kind, error = failure_of(answer)
        if error is not None:
            raise _failure(kind, error, request)
        return self.build_response(request, _raw(answer, request.method))

    return send


def _read_timeout(given: Any) -> float | None:
    if isinstance(given, tuple):
        return given[1]  # type: ignore[no-any-return]
    return given.read_timeout if isinstance(given, urllib3.Timeout) else given


def _failure(kind: str, error: BaseException, request: Any) -> BaseException:
    if kind == "connection":
        return requests.ConnectionError(str(error), request=request)
    if kind == "timeout":
        return requests.ReadTimeout(str(error), request=request)
    return error


def _raw(answer: HttpAnswer, method: str) -> urllib3.HTTPResponse:
    response = urllib3.HTTPResponse(
        body=io.BytesIO(answer.body),
        headers=urllib3.HTTPHeaderDict(list(answer.headers)),
        status=answer.status,
        reason=HTTPStatus(answer.status).phrase if answer.status in _KNOWN else "",
        preload_content=False,
        decode_content=False,
        request_method=method,
    )
    message = Message()  # where requests looks for cookies
    for name, value in answer.headers:
        message[name] = value
    original: Any = SimpleNamespace(msg=message, isclosed=lambda: True, close=lambda: None)
    response._original_response = original
    return response


_KNOWN = frozenset(HTTPStatus)


def requests_patches() -> Iterable[AbstractContextManager[None]]:
    """Return what leads requests to the sessions' exchanges."""
    return (led("requests", HTTPAdapter, send=_sending),)
