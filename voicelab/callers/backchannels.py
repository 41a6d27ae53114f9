"""What a caller's sound over the agent's words is: an interruption, or a sign of listening that stops nobody.

The one rule, for the console and for simulations. People say "mm-hm" and "okay" while somebody speaks, once in ten seconds
or so, and mean: go on. It goes by length and words: what lasts longer than a second is no such sign, nor are other words.
In the agent's last second "okay" may be an answer already, so it counts as one.
"""

LONGEST_S = 1.0
"""A sign of listening, or a cough, takes no longer than this, in seconds."""
ANSWER_S = 1.0
"""So shortly before the agent has finished a word that can be an answer is one, in seconds."""
_MOST_WORDS = 3

# Said by who listens, in any language; and in English words that can be an answer as well.
_SOUNDS = frozenset(
    {
        *("mm", "mhm", "hm", "hmm", "mmm", "mmhm", "mhmm", "uh", "huh"),
        *("uhhuh", "um", "ah", "aha", "oh", "er", "eh", "ooh"),
        # What recognisers of open speech make of "mm-hm": they look for words with a meaning.
        *("mama", "mamma", "mom", "mum", "homer", "heh", "ha", "haha"),
    }
)
_WORDS = frozenset(["yeah", "yep", "yup", "ok", "okay", "right", "sure", "alright", "gotcha"])
_PHRASES = frozenset({"i see", "got it", "all right", "of course", "go on", "oh i see", "okay i see"})


def interrupts(seconds: float, text: str | None, left_s: float) -> bool | None:
    """Return whether sound over the agent's words stops the agent; None while that can't be known yet.

    Args:
        seconds: How long it has lasted.
        text: What was recognised; empty if no words were found, None if that isn't known yet.
        left_s: How long the agent would have gone on, from its first sound, in seconds.
    """
    if seconds > LONGEST_S:
        return True
    if text is None:
        return None
    words = _words(text)
    if len(words) > _MOST_WORDS:
        return True
    if all(word in _SOUNDS for word in words):
        return False
    listens = all(word in _SOUNDS | _WORDS for word in words) or " ".join(words) in _PHRASES
    return not listens or left_s <= ANSWER_S


def _words(text: str) -> list[str]:
    return "".join(c if c.isalnum() else " " for c in text.casefold().replace("'", "")).split()
