"""Hostile values, and mutations of documents that keep most of their shape: what is refused at once finds nothing.

A document is JSON's types. What can't stand in them, or would make a case unreadable, is a marker, which `text_of` writes
out: `{"$raw": "1e999"}` a token as it is, `{"$deep": ["[", "]", 5000]}` nesting, `{"$long": ["x", 100000]}` a long text,
`{"$packed": value}` JSON packed in text, `{"$digits": 5000}` a number of so many, `{"$twice": [key, a, b]}` an object that has a key twice.
"""

import copy
import json
import random
import sys
from typing import Any

PLANTED = "vlx"
"""Name of elements, attributes, modules, tables and files that nobody but an attacker would have."""
MARKUP = [
    "<vlx>", "<vlx onvlx=1>", "'><vlx onvlx='1", '"><vlx onvlx="1', "</title><vlx>", "</script><script>vlx()</script>",
    "--><vlx>", "]]><vlx>", "</text></svg><vlx>", "' onvlx='1", '" onvlx="1', "<img src=x onerror=vlx()>",
    "javascript:vlx()", "&lt;vlx&gt;", "<vlx", "\\u003cvlx\\u003e", "data:text/html,<vlx>",
]  # fmt: skip
CODE = [
    "'; DROP TABLE sessions; --", "x' OR '1'='1", '"; SELECT * FROM read_csv(\'/etc/passwd\') --', "{0.__class__}",
    "{message.__class__.__mro__}", "%s%n%x", "$(touch vlx)", "`touch vlx`", "${vlx}", "__import__('vlx')",
    "{{vlx}}", "$x^{vlx}$", "\\frac{vlx}{", "$\\vlx$", "a.b[0]", "$.data", "=vlx()", "+vlx|' /C calc'!A0",
]  # fmt: skip
NAMES = [
    "__class__", "__proto__", "__init__", "constructor", "$ref", "$where", "self", "None", "session_id", "sessionId",
    "testing", "tests", "tests.a", "a=b", "a, b", "outcome.booked", "variant.greeting", "_index", "index", "(none)",
    "../../vlx", "/tmp/vlx", "..\\vlx", "CON", ".", "", " ", "\t", "Ⅷ", "ſ", "İ", "ﬀ",
]  # fmt: skip
TEXTS = [
    "a\ud800", "\udc00\ud800", "\x00", "a\x00b", "\x1b[31mred\x1b[0m", "\x1b]0;vlx\x07", "\u202evlx", "\ufeff", "\u2028", "\r\n\x85",
    "e\u0301" * 40, "𝔘𐍈🙂‍👩", "\x7f\x80", "  ", "\\", "'", '"', "%", "null", "true", "NaN", "inf", "-1", "1e999",
    "１２３", "1_000", "0x10", "2026-02-30T99:99:99Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "20260301",
    "2026-03-01T10:00:00Z", "-271821-04-20", "data:audio/wav;base64," + "A" * 200, "[" * 200_000,
]  # fmt: skip
NUMBERS = [
    0, -1, 1, 7, 2**31 - 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**400, 0.1, -0.0, 1e-320, 1e15,
    1e17, 1.7e308, -1.7e308, 253402300800, -62135596801, 8.64e15,
]  # fmt: skip
MARKED = [
    {"$raw": "NaN"}, {"$raw": "Infinity"}, {"$raw": "-Infinity"}, {"$raw": "1e999"}, {"$raw": "-0"}, {"$raw": "01"},
    {"$deep": ["[", "]", 40]}, {"$deep": ["[", "]", 900]}, {"$deep": ['{"a":', "}", 60]}, {"$deep": ['{"a":', "}", 5000]},
    {"$deep": ["[", "", 100_000]}, {"$long": ["x", 50_000]}, {"$long": ["<vlx>", 5000]}, {"$long": ["9", 6000]},
    {"$packed": {"testing": {"tests": {}}}}, {"$packed": [1, {"$packed": {"a": "\ud800"}}]}, {"$packed": {"$deep": ["[", "]", 3000]}},
    {"$digits": 5000}, {"$twice": ["id", "a", "b"]}, {"$twice": ["name", None, {}]},
]  # fmt: skip
PLAIN = [None, True, False, [], {}, [[]], [None], {"": ""}, {"a": {"b": {"c": []}}}, ["a", 1, None, {}]]
VALUES: list[Any] = [*MARKUP, *CODE, *NAMES, *TEXTS, *NUMBERS, *MARKED, *PLAIN]

Path = tuple[Any, ...]


def some(rng: random.Random) -> Any:
    """Return a hostile value; markers and plain ones as often as texts, of which there are more."""
    # A copy: the next mutation may hit what stands in it, and a case follows from its seed alone.
    return copy.deepcopy(rng.choice(rng.choice([MARKUP, CODE, NAMES, TEXTS, NUMBERS, MARKED, PLAIN])))


def some_text(rng: random.Random) -> str:
    """Return a hostile text."""
    return rng.choice(rng.choice([MARKUP, CODE, NAMES, TEXTS]))


def paths_in(value: Any, path: Path = ()) -> list[Path]:
    """Return where everything in a document stands: keys and positions from the outside inwards."""
    found = [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found += paths_in(item, (*path, key))
    return found


def at(document: Any, path: Path) -> Any:
    """Return what stands at a path."""
    for key in path:
        document = document[key]
    return document


def mutated(rng: random.Random, document: Any) -> Any:
    """Return a document with one to four mutations."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice([1, 1, 2, 3, 4])):
        document = _once(rng, document)
    return document


def _once(rng: random.Random, document: Any) -> Any:
    paths = paths_in(document)
    path = rng.choice(paths)
    if not path:
        return document if rng.random() < 0.9 else rng.choice([some(rng), [document], {"data": document}])
    parent, key = at(document, path[:-1]), path[-1]
    value = parent[key]
    how = rng.choice(
        ["replace", "replace", "replace", "replace", "drop", "double", "retag", "retype", "nest", "move", "more"]
    )
    if how == "replace":
        parent[key] = some(rng)
    elif how == "drop":
        del parent[key]
    elif how == "double" and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), value)
    elif how == "retag" and isinstance(parent, dict):
        _retag(rng, parent, key)
    elif how == "retype":
        parent[key] = _of_another_type(rng, value)
    elif how == "nest":
        parent[key] = rng.choice([[value], {"value": value}, {"data": value}, {"$packed": value}])
    elif how == "move":
        parent[key] = json.loads(json.dumps(at(document, rng.choice(paths))))
    elif how == "more" and isinstance(parent, dict):
        parent[some_text(rng)] = some(rng)
    return document


def _retag(rng: random.Random, parent: dict[str, Any], key: str) -> None:
    again = {
        "upper": key.upper(),
        "camel": key.title().replace("_", ""),
        "hostile": some_text(rng),
        "space": f" {key} ",
    }
    name = again[rng.choice(list(again))]
    # In its place: the order of keys is something that code depends on.
    items = [(name if own == key else own, value) for own, value in parent.items()]
    parent.clear()
    parent.update(items)


def _of_another_type(rng: random.Random, value: Any) -> Any:
    if isinstance(value, bool) or value is None:
        return rng.choice([str(value), 0, [value], {}])
    if isinstance(value, int | float):
        return rng.choice(
            [str(value), -value, value * 10**300 if isinstance(value, int) else value * 1e300, [value], bool(value)]
        )
    if isinstance(value, str):
        return rng.choice(
            [
                [value],
                list(value[:5]),
                len(value),
                {"value": value},
                value.encode("utf-8", "replace").hex(),
                value * 500,
            ]
        )
    return rng.choice([len(value), str(value)[:200], {str(n): v for n, v in enumerate(value)}, list(value)])


_MOST_LETTERS = 100_000_000


# --- as text ---------------------------------------------------------------------------------------------------------


def text_of(document: Any) -> str:
    """Return a document as JSON text, its markers written out."""
    if isinstance(document, list):
        return "[" + ", ".join(map(text_of, document)) + "]"
    if not isinstance(document, dict):
        return json.dumps(document)
    if len(document) == 1:
        (key, value), *_ = document.items()
        if (text := _marked(key, value)) is not None:
            return text
    return "{" + ", ".join(f"{json.dumps(str(key))}: {text_of(value)}" for key, value in document.items()) + "}"


def _marked(key: str, value: Any) -> str | None:
    if key == "$raw" and isinstance(value, str):
        return value
    if key == "$digits" and isinstance(value, int) and value < sys.maxsize // 2**40:
        return "1" * value  # more than Python reads or writes unasked
    if key == "$packed":
        return json.dumps(text_of(value))
    if key == "$deep" and _is_like(value, str, str, int):
        times = _as_often(value[2], value[0] + value[1])
        return value[0] * times + ("1" if value[1] == "}" else "") + value[1] * times
    if key == "$long" and _is_like(value, str, int):
        return json.dumps(value[0] * _as_often(value[1], value[0]))
    if key == "$twice" and isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        name = json.dumps(value[0])
        return f"{{{name}: {text_of(value[1])}, {name}: {text_of(value[2])}}}"
    return None


def _as_often(times: int, text: str) -> int:
    """Return how often a text is repeated: a marker may itself have been changed, and more would fill the memory here."""
    return min(times, _MOST_LETTERS // max(1, len(text)))


def _is_like(value: Any, *types: type) -> bool:
    return isinstance(value, list) and len(value) == len(types) and all(map(isinstance, value, types))


# --- files -----------------------------------------------------------------------------------------------------------

OPERATIONS = [
    "bom",
    "utf16",
    "utf16be",
    "latin1",
    "crlf",
    "cut",
    "repeat",
    "gzip",
    "zip",
    "flip",
    "nul",
    "prefix",
    "lines",
    "bytes",
]


def some_operations(rng: random.Random, share: float = 0.25) -> list[list[Any]]:
    """Return what happens to a file as a whole, mostly nothing."""
    if rng.random() > share:
        return []
    return [[rng.choice(OPERATIONS), rng.random()] for _ in range(rng.choice([1, 1, 2]))]


def as_bytes(text: str, operations: list[list[Any]]) -> bytes:
    """Return a file's bytes, after the operations."""
    data = text.encode("utf-8", "surrogatepass")
    for name, where in operations:
        data = _operated(data, name, where)
    return data


def _operated(data: bytes, name: str, where: float) -> bytes:
    import gzip
    import io
    import zipfile

    place = int(where * len(data))
    if name in {"utf16", "utf16be", "latin1"}:
        encoding = {"utf16": "utf-16", "utf16be": "utf-16-be", "latin1": "latin-1"}[name]
        text = data.decode("utf-8", "replace")
        return (b"\xfe\xff" if name == "utf16be" else b"") + text.encode(encoding, "replace")
    if name == "gzip":
        return gzip.compress(data if where < 0.8 else b"[" + b" " * 10_000_000 + b"]")
    if name == "zip":
        held = io.BytesIO()
        with zipfile.ZipFile(held, "w") as file:
            file.writestr("a.json", data)
        return held.getvalue()
    return {
        "bom": b"\xef\xbb\xbf" + data,
        "crlf": data.replace(b", ", b",\r\n"),
        "cut": data[:place],
        "repeat": data + data,
        "flip": data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :] if data else data,
        "nul": data[:place] + b"\0" + data[place:],
        "prefix": b")]}',\n" + data,
        "lines": data.strip(b"[]").replace(b"}, {", b"}\n{"),
        "bytes": bytes((int(where * 1e9) * (n + 1) * 2654435761 >> 16) % 256 for n in range(200)),
    }[name]
