"""What an agent said, compared word by word with what it had said: as words are said, not as they are written."""

from collections.abc import Sequence

from voicelab.speech.words import normalized, words_and_errors


def same_words(one: str, other: str) -> bool:
    """Return whether two texts are the same words."""
    return one == other or (normalized(one) == normalized(other) or words_and_errors(one, other)[1] == 0)


def may_become(begun: str, whole: str) -> bool:
    """Return whether one of two texts is how the other begins: while somebody speaks, no more can be known."""
    one, other = normalized(begun), normalized(whole)
    n = min(len(one), len(other))
    return one[:n] == other[:n]


def share_that_differs(pairs: Sequence[tuple[str, str]]) -> float:
    """Return the share of words that differ, of pairs of what was said before and now: 0 for the same, 1 for nothing in common.

    Word errors (the fewest words to insert, delete or replace) over the words of the longer side.
    """
    errors = longer = 0
    for before, now in pairs:
        n_before, n_errors = words_and_errors(before, now)
        errors += n_errors
        longer += max(n_before, words_and_errors(now, now)[0])
    return errors / longer if longer else 0.0
