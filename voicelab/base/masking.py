r"""The values of variables, found in every form that programs write text in, and masked.

A handler's variables are keys and passwords. They reach a log not only as they are: `json.dumps` and `repr` put
backslashes before quotes, once for each time that text is packed in text; addresses hold `%2B` for a plus; markup holds
`&quot;`; a header of basic authentication holds base64. None of these touches ASCII letters and digits, so a value is
looked for as its letters and digits with, for every other character between them, all the ways to write it:

    pa"ss    pa (backslashes, then " or u0022 or x22; or %22; or &quot; or &#34;) ss

Which text holds anything is decided first by the longest run of letters and digits of each value, at the price of one
search for plain text each; the pattern, one alternation with the longest value first, is made when one is found.
"""

import base64
import contextlib
import re
from collections.abc import Collection, Iterable, Iterator
from contextvars import ContextVar
from functools import cached_property, lru_cache
from html.entities import codepoint2name

import orjson

from voicelab.base.accepted_types import Given, Json
from voicelab.base.plain_json import encode, whole_characters

MASK = "••••••"
SHORTEST = 6
"""Values with fewer characters stand in too many texts by chance."""
_HEAD = 128
"""Characters of a value that the pattern finds. A whole prompt in a pattern would take a minute to compile; what follows is
compared character by character where its head is found."""

_PLAIN_RUN = re.compile("[A-Za-z0-9]+")
# The part before a backslash-escaped character: however many backslashes packing has made of one, also within an address.
_BACKSLASH = r"(?:\\|%(?:25)*5[Cc])"
_ESCAPES = {"\a": "a", "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", "\v": "v"}
_PERCENT = "%(?:25)*"
# Markup's own characters, as an address may hold them again.
_AMPERSAND = f"(?:&|{_PERCENT}26)"
_SEMICOLON = f"(?:;|{_PERCENT}3[Bb])"


class Masker:
    """Masks the values of variables; false where there is nothing to mask.

    Args:
        values: The values; those of fewer than six characters stay as they are.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        secrets = {value for value in map(str, values) if len(value) >= SHORTEST}
        self._secrets = sorted(secrets, key=lambda value: (-len(value), value))
        forms = [form for secret in self._secrets for form in (secret, *_base64_cores(secret))]
        self.name = lru_cache(maxsize=1024)(self.text)  # for names of events and tasks, which repeat
        self._needles = tuple(dict.fromkeys(max(_PLAIN_RUN.findall(form), key=len, default="") for form in forms))

    def __bool__(self) -> bool:
        return bool(self._secrets)

    @property
    def values(self) -> list[str]:
        """What is masked."""
        return self._secrets

    def also(self, values: Iterable[str]) -> "Masker":
        """Return what masks more values besides; itself if there are no more."""
        more = {value for value in values if len(value) >= SHORTEST}.difference(self._secrets)
        return Masker([*self._secrets, *more]) if more else self

    def text(self, text: str) -> str:
        """Return a text as a file may hold it: whole characters, masked."""
        text = whole_characters(text)
        if not self._may_hold_one(text):
            return text
        return self._masked(text) if self._long else self._pattern.sub(MASK, text)

    def json(self, text: str, names: Collection[str] = (), *, numbers: bool = True) -> str:
        """Return JSON text whose texts, keys and numbers are masked, so that it stays JSON.

        Args:
            text: The JSON text.
            names: Keys that stay: those that readers go by, which are nobody's secret.
            numbers: Whether numbers are masked too.
        """
        if not self._may_hold_one(text) or not self._pattern.search(text):
            return text
        return encode(self._data(orjson.loads(text), names, numbers=numbers))

    def _may_hold_one(self, text: str) -> bool:
        for needle in self._needles:  # noqa: SIM110 - `any` takes twice the time
            if needle in text:
                return True
        return False

    def _data(self, value: Json, names: Collection[str], *, numbers: bool) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {
                key if key in names else self.text(key): self._data(item, names, numbers=numbers)
                for key, item in value.items()
            }
        if isinstance(value, list):
            return [self._data(item, names, numbers=numbers) for item in value]
        return MASK if numbers and self._is_secret_number(value) else value

    def _masked(self, text: str) -> str:
        """Mask a text where there are values that the pattern finds only the head of."""
        pieces, at = [], 0
        while found := self._pattern.search(text, at):
            pieces += [text[at : found.start()], MASK]
            # Of several values that begin alike it is the one that goes furthest.
            at = max(found.end(), *(_end(head, rest, text, found.start()) for head, rest in self._long))
        return "".join([*pieces, text[at:]])

    def _is_secret_number(self, value: Json) -> bool:
        if type(value) not in {int, float}:
            return False
        # A PIN that a program has read as a number may stand there as 482913.0.
        return any(self._pattern.fullmatch(text) for text in (repr(value), repr(value).removesuffix(".0")))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms = (form for secret in self._secrets for form in _forms(secret))
        return re.compile("|".join("".join(form[:_HEAD]) for form in forms))

    @cached_property
    def _long(self) -> list[tuple[re.Pattern[str], list[str]]]:
        """The values that are longer than their head: its pattern, and those of the characters behind it."""
        forms = (form for secret in self._secrets if len(secret) > _HEAD // 2 for form in _forms(secret))
        return [(re.compile("".join(form[:_HEAD])), form[_HEAD:]) for form in forms if len(form) > _HEAD]


_hidden: ContextVar[Masker] = ContextVar("hidden", default=Masker())  # noqa: B039 - it is never changed
_LONGEST_SHOWN = 120


@contextlib.contextmanager
def hiding(values: Iterable[str]) -> Iterator[None]:
    """Mask the values of a handler's variables in what errors quote meanwhile (see `shown`)."""
    token = _hidden.set(Masker(values))
    try:
        yield
    finally:
        _hidden.reset(token)


def hide_more(values: Iterable[str]) -> None:
    """Mask more values within `hiding`, until its end."""
    _hidden.set(_hidden.get().also(values))


def shown(value: Given) -> str:
    """Return a wrong argument as an error quotes it: on one line, masked, and then cut to a length that can be read."""
    text = _hidden.get().text(repr(value))
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"


def without_hidden(text: str) -> str:
    """Return a line of source or another error's message as an error quotes it, masked."""
    return _hidden.get().text(text)


def is_hidden_in(text: str) -> bool:
    """Return whether a text holds what is masked now."""
    return without_hidden(text) != text


def _end(head: re.Pattern[str], rest: list[str], text: str, at: int) -> int:
    """Return where a long value ends that begins somewhere in a text, be it cut off; or where it would begin."""
    found = head.match(text, at)
    if found is None:
        return at
    at = found.end()
    for pattern in rest:
        found = _compiled(pattern).match(text, at)
        if found is None:
            break
        at = found.end()
    return at


_compiled = lru_cache(maxsize=1024)(re.compile)


def _forms(secret: str) -> list[list[str]]:
    """Return patterns of a secret: as text, and as base64 at each of the three places where bytes can begin.

    Each is the patterns of its characters, one after the other.
    """
    return [_written(secret), *(_base64_pattern(core) for core in _base64_cores(secret))]


def _written(secret: str) -> list[str]:
    # A run of backslashes belongs to the character after it: packing adds to it, and the escape's own joins it.
    tokens = re.findall(r"(\\*)([^\\]|\Z)", secret, re.DOTALL)
    # A match begins with the first of several backslashes, so that none stays behind to escape the mask.
    ahead = "" if _is_plain(secret[0]) else r"(?<!\\)"
    first, *others = [_character(len(backslashes), char) for backslashes, char in tokens if backslashes or char]
    return [ahead + first, *others]


def _is_plain(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _character(n_backslashes: int, char: str) -> str:
    """Return the pattern of a character after backslashes (possessive: long runs of them are passed only once)."""
    once = "" if char == "%" else "+"  # a percent sign may begin what looks like an encoded backslash
    before = f"{_BACKSLASH}{{{n_backslashes},}}{once}"
    if not char:
        return before
    if _is_plain(char):
        return (before if n_backslashes else "") + char
    escaped, direct = "|".join(_escaped(char)), "|".join(_direct(char))
    if n_backslashes:
        return f"{before}(?:{escaped}|{direct})"
    return f"(?:{_BACKSLASH}++(?:{escaped})|{before}(?:{direct}))"


def _escaped(char: str) -> list[str]:
    """Return what stands for a character after a backslash, in JSON and in Python's `repr` and `ascii`."""
    code = ord(char)
    utf8 = char.encode("utf-8", "surrogatepass")
    utf16 = char.encode("utf-16-be", "surrogatepass")
    units = [utf16[at : at + 2].hex() for at in range(0, len(utf16), 2)]
    forms = [_hex("U", [f"{code:08x}"]), _hex("u", units), _hex("x", [f"{byte:02x}" for byte in utf8])]
    forms += [_hex("x", [f"{code:02x}"])] if 0x80 <= code <= 0xFF else []  # noqa: PLR2004 - Latin-1
    forms += [_ESCAPES[char]] if char in _ESCAPES else []
    return forms + [f"u0026{rest}" for rest in _markup(char)]  # JSON for a page writes `&` so


def _direct(char: str) -> list[str]:
    """Return a character as it is, percent-encoded and as markup, each as often as one likes."""
    utf8 = char.encode("utf-8", "surrogatepass")
    percent = "".join(_hex(_PERCENT, [f"{byte:02x}"]) for byte in utf8)
    itself = _PERCENT if char == "%" else re.escape(whole_characters(char))
    spaces = [r"\+", f"{_PERCENT}2[Bb]"] if char == " " else []
    return [itself, percent, *spaces, *(_AMPERSAND + rest for rest in _markup(char))]


def _markup(char: str) -> list[str]:
    """Return what stands for a character after the ampersand of markup."""
    code = ord(char)
    again = f"(?:amp{_SEMICOLON})*"
    number = f"{again}(?:#|{_PERCENT}23)"
    forms = [f"{number}0*{code}{_SEMICOLON}", f"{number}[xX]{_hex('0*', [f'{code:x}'])}{_SEMICOLON}"]
    if name := "apos" if char == "'" else codepoint2name.get(code):
        forms.append(f"{again}{name}{_SEMICOLON}")
    return [*forms, again] if char == "&" else forms


def _hex(letter: str, codes: list[str]) -> str:
    """Return hexadecimal codes in either case, each after its letter."""
    digits = ("".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code) for code in codes)
    return f"{_BACKSLASH}++".join(letter + code for code in digits)


def _base64_cores(secret: str) -> list[str]:
    """Return the characters of base64 that a secret alone decides, with 0, 1 or 2 other bytes before it."""
    secret_bytes = secret.encode("utf-8", "surrogatepass")
    cores = []
    for n_before in range(3):
        encoded = base64.b64encode(bytes(n_before) + secret_bytes).decode()
        first, end = -(-n_before * 8 // 6), (n_before + len(secret_bytes)) * 8 // 6
        cores.append(encoded[first:end])
    return cores


def _base64_pattern(core: str) -> list[str]:
    """Return the patterns of the characters of a core, in both alphabets; a last one that others share and padding go too."""
    either = {"+": "-", "/": "_"}
    chars = [char if char not in either else f"(?:{_character(0, char)}|{either[char]})" for char in core]
    return [*chars, f"[A-Za-z0-9+/_-]?(?:=|{_PERCENT}3[Dd])*"]
