"""What a simulated language model answers to questions of `primfunctions.decisions`: whether, which, how much.

An answer is as short as it can be said, and is made here into what the platform returns, with a probability for each
option or level: of what is left over, each of the others gets the same.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from voicelab.base.accepted_types import Given
from voicelab.base.checks import is_number
from voicelab.base.errors import InputError, did_you_mean
from voicelab.base.masking import shown
from voicelab.base.weighted import Replies

Verdict: TypeAlias = bool | float | str | tuple[str, float] | None
"""What a question is answered: a probability, or True or False; an option, or (option, its probability); the level of a
score, from 0; None for a refusal."""
VerdictFunction: TypeAlias = Callable[[dict[str, Any]], Verdict]
"""Returns the answer to a question: a dict of name, type, instructions, criteria, state."""
VerdictsLike: TypeAlias = Verdict | VerdictFunction | Mapping[Any, float]
"""One answer or a function that returns it, or `{answer: weight}` of such."""

TYPES = ("predicate", "choice", "score")
_REFUSAL = {"type": "refusal"}


def verdicts(given: Mapping[str, VerdictsLike]) -> Replies:
    """Return what is answered to what.

    Raises:
        InputError: a pattern is no regular expression, or no question can be answered so.
    """
    if isinstance(given, Mapping):  # a pair is one answer, not several without weights
        given = {pattern: {one: 1.0} if isinstance(one, tuple) else one for pattern, one in given.items()}
    return Replies(given, "Model: decisions", _as_verdict, "question and state")


def _as_verdict(given: Given, what: str) -> Any:
    """Return an answer as it was given; what it is an answer to is known when it is asked."""
    pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str) and _is_share(given[1])  # noqa: PLR2004 - a pair
    if given is None or isinstance(given, bool | str) or is_number(given) or callable(given) or pair:
        return given
    raise InputError(
        f"{what}: {shown(given)} is no answer. Give a probability or True or False, an option or (option, probability), a "
        "level from 0 on, None for a refusal, or a function of the question."
    )


def question_text(question: Mapping[str, Any]) -> str:
    """Return what patterns are searched in, on one line: the question's name, what it asks, and the state."""
    state, asks = (
        part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, default=str)
        for part in (question["state"], question.get("instructions"))
    )
    return " ".join(f"{question['name']}: {asks} | {state}".split())


def undecided(question: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer of a model that doesn't know: every option as likely as any other."""
    if question["type"] == "predicate":
        return {"type": "predicate", "probability": 0.5}
    options = _options(question)
    shares = dict.fromkeys(options, 1 / len(options))
    if question["type"] == "choice":
        return {"type": "choice", "choice": options[0], "probabilities": shares, "confidence": 1 / len(options)}
    return {
        "type": "score",
        "score": (len(options) - 1) / 2,
        "probabilities": dict(enumerate(shares.values())),
        "confidence": 1 / len(options),
    }


def answer_to(question: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    """Return an answer as the platform returns it.

    Args:
        question: name, type, instructions, criteria, state.
        verdict: The answer.

    Raises:
        InputError: the question can't be answered so.
    """
    if verdict is None:
        return dict(_REFUSAL)
    if question["type"] == "predicate":
        if not isinstance(verdict, bool) and not _is_share(verdict):
            raise _misfit(question, verdict, "a probability from 0 to 1, or True or False")
        return {"type": "predicate", "probability": float(verdict)}  # type: ignore[arg-type]  # checked above
    return _choice(question, verdict) if question["type"] == "choice" else _score(question, verdict)


def _choice(question: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    options = _options(question)
    option, share = verdict if isinstance(verdict, tuple) else (verdict, 1.0)
    if option not in options:
        near = did_you_mean(str(option), options)
        raise _misfit(question, verdict, f"one of its options, {', '.join(options)}", near)
    rest = (1 - share) / max(len(options) - 1, 1)
    shares = {name: share if name == option else rest for name in options}
    return {"type": "choice", "choice": option, "probabilities": shares, "confidence": share}


def _score(question: Mapping[str, Any], verdict: Verdict) -> dict[str, Any]:
    top = len(_options(question)) - 1
    if not is_number(verdict) or not 0 <= verdict <= top:
        raise _misfit(question, verdict, f"a level from 0 to {top}")
    low = min(math.floor(verdict), max(top - 1, 0))
    shares = dict.fromkeys(range(top + 1), 0.0)
    shares[low] = low + 1 - verdict if top else 1.0
    if top:
        shares[low + 1] = verdict - low
    return {"type": "score", "score": float(verdict), "probabilities": shares, "confidence": max(shares.values())}


def _options(question: Mapping[str, Any]) -> list[str]:
    return list(map(str, question.get("criteria") or ["unknown"]))


def _is_share(value: Given) -> bool:
    return is_number(value) and 0 <= value <= 1


def _misfit(question: Mapping[str, Any], verdict: Verdict, wanted: str, hint: str = "") -> InputError:
    return InputError(
        f"The model answers the {question['type']} {question['name']!r} by {shown(verdict)}, must be {wanted}.{hint}"
    )
