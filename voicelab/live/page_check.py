"""Whether a page's message is one that the table has: a page is a stranger's, whatever the kernel has sent it."""

from collections.abc import Callable, Mapping
from typing import Any

from voicelab.base.accepted_types import Given, Json
from voicelab.base.checks import is_number
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.live.page_messages import Message

_PLAIN: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": is_number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "unknown": lambda _: True,
    "Record<string, unknown>": lambda value: isinstance(value, Mapping),
}


def known_message(table: Mapping[str, Message], message: Json) -> Message | None:
    """Return which of a table's messages one is; None for one that nobody knows, which asks for nothing.

    Args:
        table: What the page may send, by kind.
        message: What it has sent.

    Raises:
        InputError: a field is missing, or is of another type; the message names it.
    """
    kind = message.get("k") if isinstance(message, Mapping) else None
    known = table.get(kind) if isinstance(kind, str) else None
    if known is None or not isinstance(message, Mapping):
        return None
    for field, type_ in known.fields.items():
        name = field.removesuffix("?")
        value = message.get(name)
        if value is None and field.endswith("?"):
            continue
        # Null is a value of some fields: what isn't there is not.
        if name not in message or not _fits(value, type_):
            found = shown(value) if name in message else "missing"
            raise InputError(
                f"The page sent a message that can't be read: {name!r} of {kind!r} is {found}, must be {type_}. Load the page "
                "again."
            )
    return known


def _fits(value: Given, type_: str) -> bool:
    """Return whether a value is of a type, as the table writes them; what stands in quotes or in a record, its reader checks."""
    if " | " in type_ and not type_.startswith('"'):
        return any(_fits(value, each) for each in type_.split(" | "))
    return _PLAIN.get(type_, _PLAIN["string"])(value)
