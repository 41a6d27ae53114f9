"""What may be answered to a prompt: what it offers or asks for, then what the handler listens for, then anything."""

import re
from collections.abc import Sequence

from voicelab.callers.actions import Action, HangUp, Press, Say, Silence
from voicelab.fitting.prompts import Prompt, n_digits, offered

Answer = Action

_SAMPLES: dict[str, tuple[str, ...]] = {
    "yes or no": ("yes", "no", "yes please", "no thank you", "yes, that's right", "sure"),
    "number": ("2", "two", "1", "3"),
    "code": ("12345", "123456", "1234", "A17"),
    "name": ("Maria Lopez", "John Smith", "Ann"),
    "phone": ("555 123 4567", "5551234567"),
    "email": ("maria@example.com", "maria at example dot com"),
    "address": ("12 Main Street", "12 Main Street, Springfield"),
    "postcode": ("90210", "12345"),
    "date": ("tomorrow", "Friday", "Monday", "May 4th", "2026-01-09", "01/09/1985"),
    "time": ("10 am", "noon", "3 pm", "10:00"),
    "size": ("large", "medium", "small"),
    "colour": ("blue", "red", "black"),
    "city": ("Springfield", "Berlin"),
    "birth": ("May 4th 1985", "05/04/1985", "1985-05-04"),
    "open": ("I would like an appointment", "I'd like some help please", "it's about something I bought"),
}
_ANYWAY = ("yes", "no", "hello", "help", "2", "Maria Lopez", "tomorrow", "okay")
_OPEN_TO_OFFERS = frozenset({"open", "size", "colour", "city", "date", "time"})
_FEW_WORDS = 3
_AGES = ("42", "thirty five", "67")
_IS_POLISHED = re.compile(r"^(yes|no|um|i|it|sure)\b|\bplease\b", re.IGNORECASE)
_FEW_VOCABULARY = 12
"""Words of the vocabulary that are tried where the prompt itself says what it wants."""


ASKED, NAMED, LISTENED_FOR, ANYTHING = 0, 1, 2, 3
"""How natural an answer is: what the prompt asks for, names, what the handler listens for, or anything else."""


def candidates(prompt: Prompt, vocabulary: Sequence[str]) -> dict[Answer, int]:
    """Return what is worth trying and how natural it is, the likeliest first."""
    asked = _typed(prompt)
    if prompt.kind in _OPEN_TO_OFFERS:
        asked = [*map(Say, offered(prompt.heard)), *asked]
    if prompt.also:
        # "For how many people, and on which day?"
        both = ", ".join(_SAMPLES[kind][0] for kind in (prompt.kind, *prompt.also))
        asked = [Say(both), *asked]
    words = [word for word in vocabulary if _about(word, prompt)] + [
        word for word in vocabulary if not _about(word, prompt)
    ]
    if prompt.kind == "farewell":
        return dict.fromkeys((HangUp(), Silence(), Say("thank you, bye")), ASKED)
    if prompt.kind == "wait":
        asked, words = [Silence()], ["okay"]
    elif prompt.kind == "statement":
        asked = [Silence(), Say("okay"), Say("yes")]
    elif prompt.kind != "open":
        words = words[:_FEW_VOCABULARY]
    ranked = [(answer, ASKED) for answer in asked]
    if prompt.kind == "choice":
        # "Would you like a small or a large one?" may also be answered by yes.
        ranked += [
            (Say(word), LISTENED_FOR) for word in (*(choice.split()[0] for choice in prompt.choices), "yes", "no")
        ]
    ranked += [
        (Say(word), LISTENED_FOR if not _about(word, prompt) else ASKED if prompt.kind in {"open", "code"} else NAMED)
        for word in words
    ]
    if prompt.kind not in {"wait", "statement"}:
        ranked += [(Say(word), ANYTHING) for word in _ANYWAY]
    found: dict[Answer, int] = {}
    for answer, rank in ranked:
        found.setdefault(answer, rank)
    return found


def polished(answer: Answer) -> list[Answer]:
    """Return other ways of saying an answer of a few words, in a polite and in a hesitant voice."""
    if not isinstance(answer, Say) or len(answer.text.split()) > _FEW_WORDS or _IS_POLISHED.search(answer.text):
        return []
    return [Say(f"{answer.text} please"), Say(f"um, {answer.text}"), Say(f"I think {answer.text}")]


def is_hedged(answer: Answer) -> bool:
    """Return whether an answer is said in a hesitant voice."""
    return isinstance(answer, Say) and answer.text.startswith(("um, ", "I think "))


def answer_in_words(answer: Answer) -> str:
    """Return an answer as people read it."""
    if isinstance(answer, Say):
        return answer.text
    if isinstance(answer, Press):
        return f"presses {answer.digits}"
    return "says nothing" if isinstance(answer, Silence) else "hangs up"


def _typed(prompt: Prompt) -> list[Answer]:
    choices = prompt.choices
    if prompt.kind == "keypad":
        return [Press(key) for key in choices]
    if prompt.kind == "digits":
        n, *end = choices
        number = _digits(int(n))
        # Some take the key that ends them only by itself, after the digits.
        return [Press(f"{number}{''.join(end)}"), Press(number), Press(f"{number}#"), *map(Press, end), Say(number)]
    if prompt.kind == "scale":
        low, high = sorted(map(int, choices))
        numbers = [str(number) for number in (high, high - 1, (low + high) // 2, low) if low <= number <= high]
        keys = [Press(number) for number in numbers if len(number) == 1]
        said: list[Answer] = [Say(number) for number in numbers]
        by_key = re.search(r"\b(press|dial|keypad|enter)\b", prompt.text, re.IGNORECASE)
        return [*keys, *said] if by_key else [*said, *keys]
    length = n_digits(prompt.text)
    if prompt.kind == "code" and length:
        return [Say(_digits(length)), Press(_digits(length))]
    if prompt.kind == "choice":
        return [*map(Say, choices)]
    if prompt.kind == "number" and re.search(r"\b(how old|age)\b", prompt.text, re.IGNORECASE):
        return [*map(Say, _AGES)]
    return [Say(text) for text in _SAMPLES.get(prompt.kind, ())]


def _digits(n: int) -> str:
    return ("1234567890" * n)[:n]


def _about(word: str, prompt: Prompt) -> bool:
    """Return whether the agent has just named a word, or asks for a number and the word is one."""
    named = re.search(rf"\b{re.escape(word)}\b", prompt.heard, re.IGNORECASE)
    return bool(named) or (prompt.kind in {"code", "digits"} and any(map(str.isdigit, word)))
