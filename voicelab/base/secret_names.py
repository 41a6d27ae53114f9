r"""Secrets in traffic over HTTP, found by the names that they go by: headers, parameters of addresses, fields of bodies.

The values of a handler's variables are masked everywhere (`masking`). A key may also stand in the handler's own text,
or come in a reply; then only its name tells: `Authorization`, `api_key=`, `"access_token":`.

A body is masked within its text and never parsed and written anew: what is replayed has the very numbers and spaces of
what was recorded, and what no parser takes (`NaN`, lines of JSON, events of a stream, half an answer) is masked too.
"""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, unquote_plus

from voicelab.base.masking import MASK, SHORTEST

# Part of a name, in words of small letters with a line between them: X-Api-Key is x_api_key, accessToken access_token.
_PARTS = (
    r"auth(?!or(?!i[sz]))|(?:api|access|private|card)_?(?:key|number)|token(?!i[sz])|secret(?!ar)|passw|pwd|pass_?phrase"
    r"|pass_?code|signature|credential|cookie|jwt|bearer|session_?id|account_?sid|code_verifier"
    r"|(?:access|device|user|verification|security|one_time|login|otp|mfa)_?code"
)
# Names by themselves, or the last word of one, but part of too many others.
_WORDS = "key|sig|pin|pin_code|cvv|cvc|iban|ssn|otp|totp|pass"
_NAMED = re.compile(rf"{_PARTS}|(?:^|_)(?:{_WORDS})$|^(?:connect_)?sid$")
# Named alike, and no secrets: counts of tokens, places in a list, kinds, and keys that sort or find.
_HARMLESS = re.compile(
    r"(?:max|min|total|prompt|completion|input|output|cached|reasoning|used|num|n|new|of)_tokens$|tokens?_(?:type|count|limit"
    r"|usage|used|details|budget|per_\w+)$|(?:page|next|continuation|sync|pagination|cursor)_token$|_tokens_details$"
    r"|(?:public|primary|foreign|sort|partition|cache|idempotency|range|row|translation|message|group|search)_key$"
)
# A text without any of them has no such name.
_MENTIONED = re.compile(
    r"auth|token|secret|pass|pwd|signature|credential|cookie|jwt|bearer|session|sid|code|key|number|sig|pin|cvv|cvc|iban|ssn"
    r"|otp|://|%[0-9a-f]{2}|\\u",
    re.IGNORECASE,
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NO_WORD = re.compile(r"[^A-Za-z0-9]+")
_SCHEME = re.compile(r"^(?:Bearer|Basic|Token|Digest|ApiKey|Api-Key)\s+", re.IGNORECASE)
# `code` is one of OAuth's where one of these stands beside it.
_OAUTH = re.compile(r"\b(?:grant_type|client_id|redirect_uri|code_verifier)\b")
_DEEPEST = 4
"""Addresses in addresses and JSON in JSON are followed so far."""


@lru_cache(maxsize=2048)
def is_secret(name: str) -> bool:
    """Return whether what goes by a name is a secret."""
    words = _NO_WORD.sub("_", _HUMP.sub("_", name)).strip("_").lower()
    return _NAMED.search(words) is not None and _HARMLESS.search(words) is None


def is_secret_field(name: str) -> bool:
    """Return whether a field of JSON is a secret by its name: a `key` is half of a pair more often."""
    return is_secret(name) and name.lower() != "key"


@lru_cache(maxsize=512)  # the same few addresses and bodies come in every session
def without_secrets(url: str) -> str:
    """Return an address whose user, password and secret parameters are masked, those behind its `#` too."""
    return _masked_address(url, [], _IN_ADDRESS)


@lru_cache(maxsize=512)
def body_without_secrets(text: str) -> str:
    """Return the text of a body (JSON, a form, XML) whose secret fields are masked."""
    return _body(text)[0]


def headers_without_secrets(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers whose secrets are masked."""
    return [
        (name, MASK if is_secret(name) else _masked_address(value, [], _IN_TEXT, is_url=False))
        for name, value in headers
    ]


def source_without_secrets(line: str) -> str:
    """Return a line of code as an error quotes it: what is written there behind the name of a secret is masked."""
    masked = _masked_address(line, [], _IN_TEXT, is_url=False)
    return _ASSIGNED.sub(lambda found: f"{found[1]}{MASK}" if is_secret(found[2]) else found[0], masked)


def secrets_of_header(value: str) -> list[str]:
    """Return the secrets in the value of a header that is one: itself, and what stands behind `Bearer`."""
    return _long([value, _SCHEME.sub("", value)])


def secrets_in(url: str, *bodies: str) -> list[str]:
    """Return the secret values of an exchange: wherever else they turn up, they are to be masked as well.

    Args:
        url: The address.
        bodies: Texts of what was sent and what came back.
    """
    found: list[str] = []
    _masked_address(url, found, _IN_ADDRESS)
    for body in bodies:
        found.extend(value for value in _body(body)[1] if _looks_secret(value))
    return _long(found)


def _long(values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if len(value) >= SHORTEST and MASK not in value]


def _looks_secret(value: str) -> bool:
    """Return whether a field's value is masked wherever else it turns up: a word such as "Bearer" is not."""
    return " " not in value and any(char.isdigit() for char in value)


def _looks_like_key(value: str) -> bool:
    return len(value) >= 16 and _looks_secret(value)  # noqa: PLR2004 - shorter ones are names


# --- addresses and forms ---------------------------------------------------------------------------------------------

_USER = re.compile(r"(?<=://)([^/?#\s\"'<>]*)@")
# A `;` is part of a value unless another parameter follows. In text (`<https://...>; rel=next`) an address has an end.
_IN_ADDRESS = re.compile(r"([?&;#])([^=&;?#]+)=((?:[^&;#]|;(?![^=&;#]+=))*)")
_IN_TEXT = re.compile(r"([?&;#])([^=&;?#\s<>\"']+)=([^&;#\s<>\"']*)")
_FORM = re.compile(r"(^|&)([^=&]+)=([^&]*)")
_IS_FORM = re.compile(r"\s*[^\s=&\"'<>{}:]+=[^\r\n]*+\s*\Z")
_ASSIGNED = re.compile(r"""(([\w-]+)["']?\]?\s*[:=]\s*[rbuf]?(["']))((?:(?!\3).)+)""", re.IGNORECASE)


def _masked_address(
    text: str, found: list[str], parameter: re.Pattern[str], depth: int = 0, *, is_url: bool = True
) -> str:
    if "@" in text and "://" in text:
        text = _USER.sub(lambda user: _masked_user(user[1], found), text)
    if "=" not in text or (is_url and "?" not in text and "#" not in text and ";" not in text):
        return text
    return _masked_parameters(text, found, parameter, depth)


def _masked_user(user: str, found: list[str]) -> str:
    name, _, password = user.partition(":")
    found.extend(filter(None, (unquote(password), password)))
    if name and (not password or _looks_like_key(name)):  # a key stands in the name's place
        found.extend((unquote(name), name))
    return f"{MASK}@" if user else "@"


def _masked_parameters(text: str, found: list[str], parameter: re.Pattern[str], depth: int = 0) -> str:
    is_oauth = _OAUTH.search(text) is not None or (parameter is not _FORM and "state=" in text)

    def masked(match: re.Match[str]) -> str:
        before, name, value = match[1], match[2], match[3]
        plain = unquote_plus(name).strip()
        if value and value != MASK and (is_secret(plain) or (is_oauth and plain == "code")):
            found.extend((unquote_plus(value), value))
            return f"{before}{name}={MASK}"
        if "%" in value and depth < _DEEPEST:
            inner, n_times = unquote(value), 1
            while "=" not in inner and "%" in inner and n_times < _DEEPEST:
                inner, n_times = unquote(inner), n_times + 1
            hidden = _masked_address(inner, found, _IN_ADDRESS, depth + 1)
            hidden = _masked_json(hidden, found, depth + 1) if '"' in hidden else hidden
            if hidden != inner:
                for _ in range(n_times):
                    hidden = quote(hidden, safe="")
                return f"{before}{name}={hidden}"
        return match[0]

    return parameter.sub(masked, text)


# --- bodies ----------------------------------------------------------------------------------------------------------

_XML = re.compile(r"(<(?:[\w.-]+:)?([\w.-]+)(?:\s[^<>]*)?>\s*+(?:<!\[CDATA\[)?)([^<>]*[^<>\s])(?=\s*(?:\]\]>\s*)?</)")
_ATTRIBUTE = re.compile(r"""(\s(?:[\w.-]+:)?([\w.-]+)\s*=\s*(["']))([^"'<>]+)(?=\3)""")
_TAG = re.compile(r"<[A-Za-z][^<>]*=[^<>]*>")
_MULTIPART = re.compile(
    r"(\bname=\"?([^\"\r\n;]+)\"?[^\r\n]*\r?\n(?:[^\r\n]+\r?\n){0,9}\r?\n)(.*?)(?=\r?\n--|\Z)",
    re.DOTALL | re.IGNORECASE,
)


@lru_cache(maxsize=512)
def _body(text: str, depth: int = 0) -> tuple[str, tuple[str, ...]]:
    """Return the text of a body, masked, and the secrets in it."""
    if _MENTIONED.search(text) is None:
        return text, ()
    found: list[str] = []
    if _IS_FORM.match(text):
        text = _masked_parameters(text, found, _FORM)

    def masked(match: re.Match[str]) -> str:
        name, value = match[2], match[match.lastindex or 3]
        if not is_secret_field(name):
            return match[0]
        found.append(value)
        return f"{match[1]}{MASK}"

    if "</" in text or "/>" in text:
        text = _XML.sub(masked, _TAG.sub(lambda tag: _ATTRIBUTE.sub(masked, tag[0]), text))
    if "form-data" in text:
        text = _MULTIPART.sub(masked, text)
    if '"' in text:
        text = _masked_json(text, found, depth)
    return text, tuple(found)


_TOKEN = re.compile(
    r'"(?P<text>(?:[^"\\]|\\.)*+)(?P<end>"(?P<colon>\s*:)?|\\?\Z)|(?P<mark>[{}\[\],])|(?P<number>-?\d[\w.+-]*)',
    re.DOTALL,
)


_NAME = re.compile(r'"([^"\\]*)"\s*:')
_ADDRESS_WITH_MORE = re.compile(r'://[^"\s=@]*[=@]')


class _Inside(NamedTuple):
    """What a place in JSON is inside of."""

    is_list: bool
    is_secret: bool


def _masked_json(text: str, found: list[str], depth: int) -> str:
    """Return text with JSON in it whose secret fields are masked, with all that is below them.

    Token by token: it needn't be JSON as a whole.
    """
    # Most bodies have no secret, and this costs a tenth of what follows.
    is_oauth = _OAUTH.search(text) is not None
    may_hide = is_oauth or "\\" in text or any(map(is_secret, _NAME.findall(text))) or _ADDRESS_WITH_MORE.search(text)
    if not may_hide:
        return text
    pieces: list[str] = []
    at = 0
    inside, secret, name = [_Inside(is_list=False, is_secret=False)], False, ""
    for token in _TOKEN.finditer(text):
        mark, value = token["mark"], token["text"]
        if mark is not None:
            if mark in "{[":
                inside.append(_Inside(mark == "[", secret))
                name = name if mark == "[" else ""
            elif mark in "}]" and len(inside) > 1:
                inside.pop()
            secret = inside[-1].is_secret
            continue
        if token["colon"] is not None:
            name = _unescaped(value)
            secret = inside[-1].is_secret or is_secret_field(name) or (is_oauth and name == "code")
            continue
        hidden = None
        if value is None:
            if secret and not name.lower().endswith("tokens"):  # a number of tokens
                found.append(token["number"])
                hidden = f'"{MASK}"'
        elif value:
            hidden = _hidden(_unescaped(value), value, name, found, depth, is_secret=secret)
            hidden = None if hidden is None else f'"{hidden}{token["end"].strip(chr(92))}'
        if hidden is not None:
            pieces += (text[at : token.start()], hidden)
            at = token.end()
        if not inside[-1].is_list:
            secret = inside[-1].is_secret
    return "".join((*pieces, text[at:])) if pieces else text


def _hidden(plain: str, written: str, name: str, found: list[str], depth: int, *, is_secret: bool) -> str | None:
    """Return what stands in place of a text in JSON; None if it may stay."""
    if is_secret or (name.lower() == "key" and _looks_like_key(plain)):
        found.append(plain)
        return MASK
    masked = plain
    if "\\" in written and depth < _DEEPEST:
        masked, more = _body(plain, depth + 1)
        found.extend(more)
    if masked == plain and "://" in plain:
        masked = _masked_address(plain, found, _IN_TEXT)
    return json.dumps(masked, ensure_ascii=False)[1:-1] if masked != plain else None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return text
