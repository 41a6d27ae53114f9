"""Text that any screen and any file can take, whatever it was made of: for messages, which quote what strangers gave.

A lone half of a character can't be written at all, a control character moves a terminal's cursor or colours its text, and a
mark of direction lets a name read as another one. Each is shown as Python writes it, such as `\\x1b`.
"""

import re

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text whose unprintable characters are written out; line breaks and tabs stay."""
    return _UNPRINTABLE.sub(_written_out, text)


def shortened(text: str, most: int) -> str:
    """Return a text of so many characters at most: what is cut out stands in the middle, where least is said."""
    if len(text) <= most:
        return text
    end = most // 3
    return f"{text[: most - end - 3]} … {text[-end:]}"


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two digits or four
