"""Secrets in traffic over HTTP, found by the names that they go by: headers, query parameters, fields of a body.

The values of a handler's variables are masked everywhere (`masking`). A key may also stand in the handler's own text,
or come in a reply; then only its name tells: `Authorization`, `api_key=`, `"access_token":`.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

import orjson

from voicelab.base.accepted_types import Json
from voicelab.base.masking import MASK, SHORTEST

# Part of a name: X-Api-Key, client_secret, accessToken.
_PARTS = (
    r"auth(?!or(?!i[sz]))|(?:api|access|private|card)[-_ ]?(?:key|number)|token|secret|passw|pwd|passphrase|signature"
    r"|credential|cookie|jwt|bearer|session[-_ ]?id|account[-_ ]?sid"
)
# Names by themselves, or the last word of one, but part of too many others.
_WORDS = "key|sig|pin|cvv|cvc|iban|ssn"
_NAMED = re.compile(rf"{_PARTS}|(?:^|[-_])(?:{_WORDS})$", re.IGNORECASE)
# A text without any of them has no such name.
_MENTIONED = re.compile(f"{_PARTS}|{_WORDS}", re.IGNORECASE)
_SCHEME = re.compile(r"^(?:Bearer|Basic|Token|Digest|ApiKey|Api-Key)\s+", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;]|^)([^=&;?#]+)=([^&;#]*)")


@lru_cache(maxsize=512)
def is_secret(name: str) -> bool:
    """Return whether what goes by a name is a secret."""
    return _NAMED.search(name) is not None


@lru_cache(maxsize=512)  # the same few addresses and bodies come in every session
def without_secrets(url: str) -> str:
    """Return an address whose password and secret query parameters are masked."""
    if "?" not in url and "@" not in url:
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    place = f"{MASK}@{host}" if at and user else parts.netloc
    return urlunsplit((parts.scheme, place, parts.path, _masked_form(parts.query), parts.fragment))


@lru_cache(maxsize=512)
def body_without_secrets(text: str) -> str:
    """Return the text of a body, JSON or a form, whose secret fields are masked."""
    if _MENTIONED.search(text) is None:
        return text
    try:
        return orjson.dumps(_masked(orjson.loads(text))).decode()
    except orjson.JSONDecodeError:
        return _masked_form(text) if _PARAMETER.match(text) else text


def headers_without_secrets(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return headers whose secrets are masked."""
    return [(name, MASK if is_secret(name) else without_secrets(value)) for name, value in headers]


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
    if "?" in url or "@" in url:
        parts = urlsplit(url)
        found.append(parts.password or "")
        found.extend(_form_secrets(parts.query))
    for body in bodies:
        found.extend(value for value in _body_secrets(body) if _looks_secret(value))
    return _long(found)


def _long(values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if len(value) >= SHORTEST and value != MASK]


def _is_secret_field(name: str) -> bool:
    # In JSON a `key` is half of a pair more often than a secret.
    return is_secret(name) and name.lower() != "key"


def _looks_secret(value: str) -> bool:
    """Return whether a field's value is masked wherever else it turns up: a word such as "Bearer" is not."""
    return " " not in value and any(char.isdigit() for char in value)


def _masked(value: Json) -> Any:
    if isinstance(value, Mapping):
        return {
            name: MASK if _is_secret_field(name) and isinstance(item, str) and item else _masked(item)
            for name, item in value.items()
        }
    return [_masked(item) for item in value] if isinstance(value, list) else value


def _masked_form(text: str) -> str:
    return _PARAMETER.sub(
        lambda found: f"{found[1]}{found[2]}={MASK if found[3] and is_secret(found[2]) else found[3]}", text
    )


def _form_secrets(text: str) -> list[str]:
    return [unquote_plus(value) for _, name, value in _PARAMETER.findall(text) if is_secret(name)]


@lru_cache(maxsize=512)
def _body_secrets(text: str) -> list[str]:
    if _MENTIONED.search(text) is None:
        return []
    try:
        return list(_fields(orjson.loads(text)))
    except orjson.JSONDecodeError:
        return _form_secrets(text) if _PARAMETER.match(text) else []


def _fields(value: Json) -> Iterable[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, str):
                if _is_secret_field(name):
                    yield item
            else:
                yield from _fields(item)
    elif isinstance(value, list):
        for item in value:
            yield from _fields(item)
