"""Whether a message is what the table of messages says: its fields, and what stands in them."""

import re
from typing import Any

from voicelab.live.page_messages import Message
from voicelab.live.page_records import RECORDS

_RECORDS = {record.name: {name: kind for name, (kind, _) in record.fields.items()} for record in RECORDS}
_PLAIN = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "unknown": lambda value: True,
    "Data": lambda value: isinstance(value, dict),
}


def wrong(table: dict[str, Message], message: dict[str, Any], buffer: bytes | None = None) -> list[str]:
    """Return what a message has that the table doesn't, what it lacks, and what is of another type."""
    known = table.get(message.get("k"))
    if known is None:
        return [f"no message {message.get('k')!r} in the table"]
    found = _fields({name: value for name, value in message.items() if name != "k"}, known.all_fields, known.k)
    if (buffer is not None) != bool(known.buffer):
        found.append(f"{known.k}: a buffer where there is none in the table, or none where there is one")
    return found


def _fields(given: dict[str, Any], wanted: dict[str, str], where: str, *, partial: bool = False) -> list[str]:
    names = {name.removesuffix("?"): kind for name, kind in wanted.items()}
    needed = set() if partial else {name for name in wanted if not name.endswith("?")}
    found = [f"{where}.{name}: not in the table" for name in given if name not in names]
    found += [f"{where}.{name}: missing" for name in sorted(needed - given.keys())]
    for name, value in given.items():
        if name in names:
            found += _value(value, names[name], f"{where}.{name}")
    return found


def _value(value: Any, kind: str, where: str) -> list[str]:
    if " | " in kind:
        alternatives = [_value(value, each, where) for each in kind.split(" | ")]
        return [] if [] in alternatives else max(alternatives, key=len)
    if kind in _PLAIN:
        return [] if _PLAIN[kind](value) else [f"{where}: {value!r} is no {kind}"]
    if kind in _RECORDS:
        return _fields(value, _RECORDS[kind], where) if isinstance(value, dict) else [f"{where}: no {kind}"]
    if kind.startswith('"'):
        return [] if value == kind.strip('"') else [f"{where}: {value!r} is not {kind}"]
    if kind.endswith("[]"):
        each = kind.removesuffix("[]")
        return [problem for item in value for problem in _value(item, each, f"{where}[]")]
    inner = re.fullmatch(r"(Record<string, |Partial<|keyof )(\w+)>?", kind)
    assert inner, f"{where}: the type {kind} can't be read"
    if inner[1] == "keyof ":
        return [] if value in _RECORDS[inner[2]] else [f"{where}: {value!r} is no field of {inner[2]}"]
    if inner[1] == "Partial<":
        return _fields(value, _RECORDS[inner[2]], where, partial=True)
    return [problem for item in value.values() for problem in _value(item, inner[2], f"{where}{{}}")]
