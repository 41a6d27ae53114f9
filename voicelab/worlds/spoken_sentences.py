"""What callers of a ready world say: written sentences, short answers, and patterns filled with names, numbers and times."""

import json
import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from voicelab.base.errors import InputError
from voicelab.callers.protocol import Heard
from voicelab.handlers.samples import sample

# How often each comes up: calls are full of short answers.
_SHORT, _WRITTEN = 0.15, 0.35
_A_SESSION = 10
"""Sentences that one caller says."""


class SentenceCaller:
    """A caller who says sentences, whatever the agent says, ten a session.

    Args:
        given: Sentences to draw from; None for those of data/phrases, of which every second is made of a pattern.
    """

    name = "sentences"

    def __init__(self, given: Sequence[str] | None = None) -> None:
        self._given = None if given is None else list(given)
        if self._given is None:
            self._written = [s for name in ("phone_calls", "open_speech") for s in _json(f"{name}.json")]
            made = _json("patterns.json")
            self._short, self._patterns, self._slots = made["short"], made["patterns"], made["slots"]

    def begin(self, rng: random.Random) -> "_Saying":
        """Return a caller with sentences of its own."""
        return _Saying([self._drawn(rng) for _ in range(_A_SESSION)])

    def _drawn(self, rng: random.Random) -> str:
        if self._given is not None:
            return rng.choice(self._given)
        kind = rng.random()
        if kind < _SHORT:
            return str(rng.choice(self._short))
        if kind < _SHORT + _WRITTEN:
            return str(rng.choice(self._written))
        return re.sub(r"\{(\w+)\}", lambda slot: str(rng.choice(self._slots[slot[1]])), rng.choice(self._patterns))


class _Saying:
    def __init__(self, sentences: list[str]) -> None:
        self._left = sentences[::-1]

    def reply(self, heard: Heard) -> str | None:
        """Return the next sentence."""
        del heard
        return self._left.pop() if self._left else None


def sessions_for(utterances: int) -> int:
    """Return how many sessions hold so many utterances."""
    return -(-utterances // _A_SESSION)


def sentences_of(path: str | Path) -> list[str]:
    """Return the sentences in a file of text, one a line.

    Raises:
        InputError: there is no such file, or it holds none.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(
            f"{str(path)!r} can't be read as sentences: {error}. Give a file of text, one a line."
        ) from None
    said = [line.strip() for line in lines if line.strip()]
    if not said:
        raise InputError(f"{str(path)!r} holds no sentences. Give a file of text, one a line.")
    return said


def _json(name: str) -> Any:
    return json.loads(sample(f"phrases/{name}").read_text(encoding="utf-8"))
