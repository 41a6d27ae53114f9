"""The API key of an account: where it is from, and how it is kept out of everything that shows itself.

A key leaks where nobody looks: in the locals that a verbose traceback prints, in a pickle, in a message of the server
that repeats it. So the text stands in one object whose `repr` is a mask, a function that takes the text drops it in its
first line, and no function that holds the text in a local variable raises anything.
"""

import json
import os
from typing import Any, Self

from voicelab.base.accepted_types import Given, Json
from voicelab.base.errors import InputError
from voicelab.base.masking import MASK, Masker
from voicelab.base.plain_json import encode
from voicelab.voicerun import asking

VARIABLE = "VOICERUN_API_KEY"
WHERE = "Issue one in the Prim Voices dashboard, Profile > API Keys"


class ApiKey:
    """An API key that shows itself as a mask.

    Args:
        value: The key; blanks around it, such as the end of a file's line, are dropped.
        wrong: Why it is none, for `checked`.
    """

    __slots__ = ("_masker", "_value", "_wrong")

    def __init__(self, value: str, wrong: str = "") -> None:
        self._wrong = wrong
        self._value = value.strip()
        self._masker = Masker([self._value])

    def __repr__(self) -> str:
        return MASK

    def __reduce__(self) -> Any:
        raise TypeError("An API key is not pickled: whoever loads it gives the key again.")

    def reveal(self) -> str:
        """Return the key itself: only where it is written into the request."""
        return self._value

    def masked(self, text: str) -> str:
        """Return a text in which the key is masked, however the text writes it."""
        return self._masker.text(text)

    def masked_answer(self, answer: Json) -> Any:
        """Return JSON's types in which the key is masked."""
        return json.loads(self._masker.json(encode(answer)))

    def masked_document(self, text: str) -> Any:
        """Return what a text of JSON says, the key masked in it.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self._masker.json(text))

    def checked(self, source: str) -> Self:
        """Return the key.

        Args:
            source: What it was given by, for the message.

        Raises:
            InputError: it can't be a key. The message doesn't show it.
        """
        problem = self._problem()
        if problem:
            raise InputError(f"{source} {problem}. {WHERE}.")
        return self

    def _problem(self) -> str:
        if self._wrong:
            return self._wrong
        if not self._value:
            return "is empty, must be an API key"
        if self._value.startswith("<") and self._value.endswith(">"):
            return "is the guide's placeholder, must be an API key"
        # What stands in a header is one line of visible ASCII: anything else would be a header of its own.
        if not all("!" <= char <= "~" for char in self._value):
            return "holds blanks, line breaks or letters that no API key has: it was cut or joined when it was copied"
        return ""


def hidden(given: "str | ApiKey | None") -> ApiKey | None:
    """Return a key as it was given, as an object that hides it; None for none.

    Nothing is raised, whatever it is: in the frame of whoever calls, the key still stands as text. `checked` comes next,
    once the caller has dropped the text.
    """
    if given is None or isinstance(given, ApiKey):
        return given
    return ApiKey(given) if isinstance(given, str) else ApiKey("", f"is of type {type(given).__name__}, must be text")


def from_environment() -> ApiKey | None:
    """Return the key of the variable `VOICERUN_API_KEY`; None if it isn't set.

    Raises:
        InputError: it can't be a key.
    """
    if not os.environ.get(VARIABLE, "").strip():
        return None
    return ApiKey(os.environ[VARIABLE]).checked(VARIABLE)


def asked_for() -> ApiKey:
    """Return the key that a person types, hidden.

    Raises:
        InputError: there is nobody to ask, or nothing was typed.
    """
    key = hidden_answer() if asking.can_ask() else None
    if key is None:
        raise InputError(
            f"There is no API key. {WHERE}, and give it by the environment variable {VARIABLE} or by api_key=."
        )
    return key.checked("What was typed")


def hidden_answer() -> ApiKey | None:
    """Return what a person types, hidden; None for nothing."""
    typed: Given = asking.hidden_text("VoiceRun API key (Prim Voices dashboard, Profile > API Keys), hidden: ")
    return ApiKey(typed) if isinstance(typed, str) and typed.strip() else None
