"""What a stand-in answers to a request: replies in all their forms, made ready once; and which pattern a request meets."""

import inspect
import json
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from voicelab.base import checks
from voicelab.base.accepted_types import Given
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.weighted import Choice
from voicelab.runtime.http import HttpAnswer, HttpRequest

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_PORTS = {"http": 80, "https": 443}


class HttpReply:
    """A reply with a status, headers or a latency of its own: `vl.HttpReply({"error": "sold out"}, status=409)`.

    Args:
        body: Text, bytes, or anything else that JSON can hold.
        status: The status, 100 to 599.
        headers: Headers, on top of the content type that follows from the body.
        latency_s: Seconds until it comes, or (shortest, longest); None for what `vl.Http` says.

    Raises:
        InputError: the body can't be JSON, or another argument is out of range.
    """

    def __init__(
        self,
        body: Any = "",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        latency_s: float | tuple[float, float] | None = None,
    ) -> None:
        kind, self.body = _as_body(body, "HttpReply: body")
        self.status = _status("HttpReply: status", status)
        self.headers = ((("content-type", kind),) if self.body else ()) + _headers(headers)
        if headers and any(name.lower() == "content-type" for name in headers):
            self.headers = _headers(headers)
        self.latency_s = None if latency_s is None else checks.span("HttpReply: latency_s", latency_s)
        self._is_plain = is_plain(self.status, self.headers)

    def __repr__(self) -> str:
        return f"HttpReply(status {self.status}, {len(self.body)} bytes)"


ReplyFunction: TypeAlias = Callable[[HttpRequest], Any]
"""Returns the reply to a request."""


def as_reply(given: Given, what: str) -> Choice:
    """Return the choice among the replies that were given in one of the forms of `vl.Http`.

    Raises:
        InputError: it is in none of them.
    """
    pairs = given if isinstance(given, tuple) else ((given, 1.0),)
    if not pairs or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004 - a pair
        raise InputError(
            f"{what} is {shown(given)}: a tuple is a choice, and must be ((reply, weight), ...), e.g. ((201, 9), (503, 1)). "
            "Write a list for JSON."
        )
    return Choice([(_single(reply, what), weight) for reply, weight in pairs], what)


def _single(given: Any, what: str) -> "HttpReply | ReplyFunction | BaseException":
    if isinstance(given, HttpReply | Exception):
        return given
    if isinstance(given, type) and issubclass(given, Exception):
        return _raised(given, what)
    if isinstance(given, int) and not isinstance(given, bool):
        return HttpReply(status=_status(what, given))
    if inspect.iscoroutinefunction(given):
        raise InputError(f"{what} is an `async def`, must be a plain function of the request.")
    if callable(given):
        return _taking_a_request(given, what)
    if isinstance(given, str | bytes | list | Mapping | float | bool | None):
        try:
            return HttpReply(given)
        except InputError as error:
            raise InputError(str(error).replace("HttpReply: body", what)) from None
    raise InputError(
        f"{what} is {shown(given)}, which is no reply.{_of_numpy(given)} Give JSON (a dict or list), text, bytes, a status, "
        "vl.HttpReply(...), an exception, a function of the request, or ((reply, weight), ...)."
    )


def _taking_a_request(function: Any, what: str) -> ReplyFunction:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # one that is written in C doesn't say what it takes
        return function  # type: ignore[no-any-return]
    try:
        signature.bind("request")
    except TypeError as error:
        raise InputError(
            f"{what} is a function that takes {signature}, must take the request, e.g. lambda request: ... ({error})."
        ) from None
    return function  # type: ignore[no-any-return]


_SAID: Mapping[Any, str] = {
    ConnectionError: "the stand-in refuses the connection",
    TimeoutError: "the stand-in doesn't answer",
}


def _raised(given: type[Exception], what: str) -> Exception:
    try:
        return given(_SAID[given]) if given in _SAID else given()
    except TypeError as error:
        raise InputError(
            f"{what} is the class {given.__name__}, and {given.__name__}() says: {error}. Give one."
        ) from None


def _status(what: str, given: Given) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 100 <= given <= 599:  # noqa: PLR2004 - as HTTP has it
        raise InputError(
            f"{what} is {shown(given)}, must be a status from 100 to 599; for JSON give vl.HttpReply({given!r})."
        )
    return given


def _headers(given: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    if given is None:
        return ()
    if not isinstance(given, Mapping) or not all(
        isinstance(part, str) and part.isascii() for pair in given.items() for part in pair
    ):
        raise InputError(f"HttpReply: headers is {shown(given)}, must be {{name: value}} in text of ASCII characters.")
    return tuple(given.items())


def _as_body(given: Any, what: str) -> tuple[str, bytes]:
    if isinstance(given, str):
        try:
            return "text/plain; charset=utf-8", given.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{what} is {shown(given)}, whose character {error.start} is half of a pair and can't be sent: leave it out, or "
                "give bytes."
            ) from None
    if isinstance(given, bytes):
        return "application/octet-stream", given
    for key in _wrong_keys(given):
        raise InputError(
            f"{what} has the key {key!r}, and keys of JSON are text. For a choice by weight write ((reply, weight), ...)."
        )
    try:
        return "application/json", json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} is {shown(given)}, which can't be JSON: {error}.{_of_numpy(given)}") from None


def _of_numpy(given: Any, depth: int = 0) -> str:
    """Return what to do with a number or an array of NumPy's, which JSON doesn't know; an empty string where there is none."""
    if depth > 50:  # noqa: PLR2004 - it holds itself
        return ""
    dtype = None if isinstance(given, float | str) else getattr(given, "dtype", None)
    if dtype is not None and type(given).__module__ == "numpy":
        by = ".tolist()" if getattr(given, "ndim", 0) else ""
        plain = {"i": "int", "u": "int", "f": "float", "b": "bool"}.get(dtype.kind, "str")
        return f" It holds NumPy's {type(given).__name__}: write {f'value{by}' if by else f'{plain}(value)'}."
    items = given.values() if isinstance(given, Mapping) else given if isinstance(given, list | tuple) else ()
    return next((hint for item in items if (hint := _of_numpy(item, depth + 1))), "")


def _wrong_keys(given: Any, depth: int = 0) -> Iterable[Any]:
    if depth > 50:  # noqa: PLR2004 - it holds itself: json says so
        return
    if isinstance(given, Mapping):
        for key, item in given.items():
            if not isinstance(key, str):
                yield key
            yield from _wrong_keys(item, depth + 1)
    elif isinstance(given, list | tuple):
        for item in given:
            yield from _wrong_keys(item, depth + 1)


def answer_of(reply: Any, request: HttpRequest, rng: random.Random, latency_s: float, pattern: "Pattern") -> HttpAnswer:
    """Return the answer that a reply of a choice makes.

    Args:
        reply: The reply.
        request: The request that a function gets.
        rng: Draws among what a function returns.
        latency_s: How long it takes, unless the reply says so itself.
        pattern: Whose reply it is.

    Raises:
        InputError: a function returned no reply.
    """
    if type(reply) is not HttpReply:
        if not isinstance(reply, BaseException):
            reply = _returned(reply, request, rng, pattern)
        if isinstance(reply, BaseException):
            # The same object raised again and again would collect the tracebacks of all sessions.
            return HttpAnswer(0, latency_s=latency_s, error=_again(reply))
    if reply.latency_s is not None:
        low, high = reply.latency_s
        latency_s = low + (high - low) * rng.random() if high > low else low
    return HttpAnswer(reply.status, reply.headers, reply.body, latency_s, None, reply._is_plain)


def _returned(
    function: Any, request: HttpRequest, rng: random.Random, pattern: "Pattern"
) -> "HttpReply | BaseException":
    what = f"what the function of {pattern.text!r} returned"
    returned = function(request)
    reply = as_reply(returned, what).pick(rng)
    # A function may return a choice, but no function: that would be a second way to write one.
    if not isinstance(reply, HttpReply | BaseException):
        raise InputError(f"{what} is {shown(returned)}, must be no function.")
    return reply


def is_plain(status: int, headers: Iterable[tuple[str, str]]) -> bool:
    """Return whether nothing follows from a reply for the client: no other address to go to, no cookie to keep."""
    return not (300 <= status < 400 or any(name.lower() == "set-cookie" for name, _ in headers))  # noqa: PLR2004 - redirects


def _again(error: BaseException) -> BaseException:
    try:
        made = type(error)(*error.args)
    except Exception:  # noqa: BLE001 - it needs more than its arguments: then it is raised itself
        return error.with_traceback(None)
    made.__dict__.update(error.__dict__)
    return made


# --- patterns --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Pattern:
    """A pattern and what is replied to it.

    Attributes:
        text: As it was written.
        method: `GET`, `POST`, ...; None for every method.
        address: The address, as far as it is one.
        regex: The address as a regular expression.
        choice: The replies.
    """

    text: str
    method: str | None
    address: str
    regex: re.Pattern[str]
    choice: Choice


class Patterns:
    """What is replied to what.

    An address that stands there as it is comes first, then regular expressions in their order, each matching the whole
    address, with or without its parameters.

    Args:
        replies: `{"METHOD address or regular expression": reply}`.

    Raises:
        InputError: they are no dict, a pattern is no regular expression, or a reply is none.
    """

    def __init__(self, replies: Mapping[str, Any]) -> None:
        if not isinstance(replies, Mapping):
            raise InputError(
                f"Http: replies is {shown(replies)}, must be {{pattern: reply}}, e.g. "
                '{"GET https://api.example/menu": ["pizza"]}.'
            )
        self.items = tuple(_pattern(key, reply) for key, reply in replies.items())

    def __repr__(self) -> str:
        return f"{len(self.items)} pattern{'' if len(self.items) == 1 else 's'}"

    def advice(self, method: str, url: str) -> str:
        """Return what a message says of the patterns that are nearest to a request that none matches."""
        return (
            did_you_mean(f"{method} {url}", [item.text for item in self.items])
            .replace("Did you mean", "The nearest is")
            .replace("?", ".")
        )


@lru_cache(maxsize=1024)  # the same few addresses in every session
def found_in(patterns: Patterns, method: str, url: str) -> tuple[Pattern, re.Match[str] | None] | None:
    """Return the pattern that a request meets, and its match if it is a regular expression; None for no pattern."""
    forms = _forms(url)
    items = [item for item in patterns.items if item.method in {None, method}]
    for form in forms:
        for item in items:
            if item.address == form:
                return item, None
    for item in items:
        for form in forms:
            if match := item.regex.fullmatch(form):
                return item, match
    return None


def _forms(url: str) -> tuple[str, ...]:
    """Return an address as patterns may write it: whole, without parameters, and its path alone."""
    whole = plain_address(url)
    bare = whole.partition("?")[0]
    path = urlsplit(bare).path
    forms = [whole, bare, bare.removesuffix("/") if path == "/" else bare]
    forms += [whole[whole.index(path, whole.index("://") + 3) :] if path else "/", path] if "://" in whole else []
    return tuple(dict.fromkeys(forms))


def plain_address(url: str) -> str:
    """Return an address in the one form that all libraries' forms of it have in common."""
    parts = urlsplit(url)
    if not parts.netloc:
        return url
    scheme, host = parts.scheme.lower(), (parts.hostname or "").lower()
    try:
        port = parts.port
    except ValueError:  # part of a regular expression
        return url
    place = host if port in {None, _PORTS.get(scheme)} else f"{host}:{port}"
    return f"{scheme}://{place}{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"


def _pattern(key: Given, reply: Given) -> Pattern:
    if not isinstance(key, str) or not key.strip():
        raise InputError(f'Http: the pattern {shown(key)} must be text, e.g. "GET https://api.example/menu".')
    first, space, rest = key.strip().partition(" ")
    method, address = (first.upper(), rest.strip()) if space else (None, first)
    if method is not None and method not in _METHODS:
        raise InputError(
            f"Http: the pattern {shown(key)} begins with {first!r}, which is no method of HTTP ({', '.join(_METHODS)})."
            + did_you_mean(method, _METHODS)
            + " Leave it out for every method."
        )
    try:
        regex = re.compile(address)
    except re.error as error:
        raise InputError(
            f"Http: the pattern {shown(key)} is no regular expression: {error}. For an address as it stands write "
            f'"{first} " + re.escape(...).'
        ) from None
    return Pattern(key, method, plain_address(address), regex, as_reply(reply, f"Http: the reply to {key!r}"))
