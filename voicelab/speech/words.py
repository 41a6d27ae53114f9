"""How many words a recogniser got wrong."""

import re
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")


def normalized(text: str) -> list[str]:
    """Return a text's words in lower case, without punctuation."""
    return [word.replace("’", "'") for word in _WORD.findall(text.lower())]


def word_errors(reference: str, heard: str) -> int:
    """Return the fewest words to insert, delete or replace that turn one text into the other (Levenshtein)."""
    wanted, got = normalized(reference), normalized(heard)
    row = list(range(len(got) + 1))
    for at, word in enumerate(wanted, start=1):
        before, row = row, [at]
        for (diagonal, above), other in zip(pairwise(before), got, strict=True):
            row.append(min(diagonal + (word != other), above + 1, row[-1] + 1))
    return row[-1]


def word_error_rate(reference: str, heard: str) -> float:
    """Return word errors over the words of the reference; 0 for right, above 1 where more was heard than was said.

    Args:
        reference: What was said.
        heard: What was recognised.
    """
    words = len(normalized(reference))
    errors = word_errors(reference, heard)
    return errors / words if words else float(errors > 0)
