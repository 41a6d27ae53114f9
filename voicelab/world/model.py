"""Language models that answer a handler's completion requests without the platform: canned, drawn by weight, in time."""

import inspect
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.weighted import Replies, weighted
from voicelab.runtime.context import Completion, Decisions, ToolCall, last_message
from voicelab.world.decisions import TYPES, VerdictsLike, answer_to, question_text, undecided, verdicts

_FAULT = "a fault of the simulated language model"
_DECIDES_NOTHING = (
    "/v1/decisions: the model decides nothing. Say what it answers, by pattern, e.g. "
    "vl.Model(decisions={'wants a quote': 0.9})."
)

Reply: TypeAlias = str | ToolCall | Sequence[str | ToolCall]
"""What a model answers: text, a call of a tool, or several of these."""
ReplyFunction: TypeAlias = Callable[[dict[str, Any]], Reply | Awaitable[Reply]]
"""Returns the reply to a request: a dict of provider, model, messages, tools, ..."""
RepliesLike: TypeAlias = str | ToolCall | ReplyFunction | Mapping[Any, float]
"""One reply or a function that returns it, or `{reply: weight}` of such."""


class Model:
    """A language model that answers by patterns and weights what a handler asks `primfunctions.completions` for.

    The first pattern that is found in the request's last message (`re.search`, ignoring case) gives the reply; what a
    tool returned is searched as JSON. A reply is text, `vl.tool_call(...)`, or a function that gets the request (a dict
    of provider, model, messages, tools, ...) and returns text, a tool call or a list of them; in real time
    (`vl.Console`, `vl.run(clock="wall")`) it may be an `async def` that asks a real model.

    Args:
        replies: `{pattern: {reply: weight}}`, or `{pattern: reply}`.
        otherwise: `{reply: weight}` or a reply, for what no pattern matches.
        latency_s: Time from a request to the first word, drawn evenly: (shortest, longest) or one number, in seconds.
        words_per_s: Words a second from then on.
        faults: Probability that an attempt fails as a provider's error does; a request's fallbacks are tried then.
        decisions: What it answers to questions of `primfunctions.decisions`, in the same way: `{pattern: {answer: weight}}`,
            or `{pattern: answer}`. A pattern is searched in `name: what is asked | state`, on one line. An answer is a
            probability, True or False; an option, or `(option, probability)`; a level of a score, from 0; None for a
            refusal; or a function of the question (name, type, instructions, criteria, state). What no pattern matches is
            undecided: every option as likely as any other. None: the model decides nothing, and says so.

    Raises:
        InputError: a pattern is no regular expression, a reply is none, or a value is out of range.

    Example:
        >>> import voicelab as vl
        >>> model = vl.Model(
        ...     replies={"book": vl.tool_call("book", day="Tuesday"), "price": {"It is $20.": 2, "Twenty dollars.": 1}},
        ...     otherwise="How can I help?",
        ... )
    """

    def __init__(
        self,
        replies: Mapping[str, RepliesLike] | None = None,
        otherwise: RepliesLike = "I see. How can I help you with that?",
        latency_s: float | tuple[float, float] = (0.3, 0.9),
        words_per_s: float = 40.0,
        faults: float = 0.0,
        decisions: Mapping[str, VerdictsLike] | None = None,
    ) -> None:
        self.replies = Replies(replies, "Model", _reply, "the last message")
        self.otherwise = weighted(otherwise, "Model: otherwise", _reply)
        self.latency_s = checks.span("Model: latency_s", latency_s)
        self.words_per_s = checks.weight("Model: words_per_s", words_per_s)
        self.faults = checks.probability("Model: faults", faults)
        self.decisions = None if decisions is None else verdicts(decisions)

    def begin(self, rng: random.Random) -> "_ModelInSession":
        """Return the model of one session, which draws from `rng` alone."""
        return _ModelInSession(self, rng)

    def __repr__(self) -> str:
        return f"Model({len(self.replies)} pattern{'' if len(self.replies) == 1 else 's'})"


ModelLike: TypeAlias = Model | ReplyFunction
"""What answers a handler's completion requests: a model, or a function of the request."""


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """Return a reply of a language model that calls one of the handler's tools.

    Args:
        name: Name of the tool.
        arguments: What the model passes to it.

    Raises:
        InputError: the name is no text.
    """
    return ToolCall(checks.name("tool_call()", name), arguments)


def as_model(given: ModelLike | None) -> Model | None:
    """Return what stands in for the language models; a function becomes a model that takes no time of its own.

    Raises:
        InputError: it is neither.
    """
    if given is None or isinstance(given, Model):
        return given
    if callable(given):
        return Model(otherwise=given, latency_s=0.0, words_per_s=1e9)
    raise InputError(
        f"model is {shown(given)}, must be vl.Model(...) or a function that gets the request and returns the reply."
    )


class _ModelInSession:
    """A model as one session meets it."""

    __slots__ = ("_model", "_rng")

    def __init__(self, model: Model, rng: random.Random) -> None:
        self._model = model
        self._rng = rng

    async def answer(self, request: Mapping[str, Any]) -> Completion:
        """Return the answer to a request.

        Raises:
            InputError: the function that replies returned something else.
        """
        model, rng = self._model, self._rng
        latency_s, failed = self._drawn()
        if failed:
            return Completion(latency_s=latency_s, error=_FAULT)
        reply = (model.replies.to(last_message(request)) or model.otherwise).pick(rng)
        if callable(reply):
            reply = reply(request)
            if inspect.isawaitable(reply):
                reply = await reply
        texts, calls = _parts(reply)
        return Completion(" ".join(texts) if texts else None, tuple(calls), latency_s, model.words_per_s)

    async def decide(self, request: Mapping[str, Any]) -> Decisions:
        """Return the answers to questions.

        Raises:
            InputError: a question can't be answered as the model does.
        """
        if self._model.decisions is None:
            return Decisions(error=_DECIDES_NOTHING, status=501, error_type="NotSimulated")
        questions = request.get("questions")
        wrong = _wrong_in(questions)
        if wrong or not isinstance(questions, Mapping):
            return Decisions(error=wrong, status=422, error_type="DecisionValidationError")
        latency_s, failed = self._drawn()
        if failed:
            return Decisions(latency_s=latency_s, error=_FAULT, status=503, error_type="DecisionProviderError")
        answers = {}
        for name, asked in questions.items():
            question = {**asked, "name": name, "state": request.get("state")}
            choice = self._model.decisions.to(question_text(question))
            if choice is None:
                answers[name] = undecided(question)
                continue
            verdict = choice.pick(self._rng)
            answers[name] = answer_to(question, verdict(question) if callable(verdict) else verdict)
        return Decisions(answers, latency_s)

    def _drawn(self) -> tuple[float, bool]:
        """Return how long an answer takes, and whether it fails."""
        model, rng = self._model, self._rng
        low, high = model.latency_s
        latency_s = low + (high - low) * rng.random() if high else 0.0
        return latency_s, bool(model.faults) and rng.random() < model.faults


def _wrong_in(questions: Any) -> str | None:
    """Return what the platform would refuse of questions."""
    if not isinstance(questions, Mapping) or not questions:
        return "questions must be {name: predicate(...), choice(...) or score(...)}, and not empty."
    for name, question in questions.items():
        if not isinstance(question, Mapping) or question.get("type") not in TYPES:
            return f"The question {name!r} is none: make it by predicate(...), choice(...) or score(...)."
        if question["type"] != "predicate" and not question.get("criteria"):
            return f"The question {name!r} has nothing to choose from."
    return None


def _reply(given: str | ToolCall | ReplyFunction, what: str) -> Any:
    if isinstance(given, str | ToolCall) or callable(given):
        return given
    raise InputError(f"{what}: {shown(given)} is no reply. Give text, vl.tool_call(...), or a function of the request.")


def _parts(reply: Reply) -> tuple[list[str], list[ToolCall]]:
    parts = reply if isinstance(reply, list | tuple) else [reply]
    for part in parts:
        if not isinstance(part, str | ToolCall):
            raise InputError(
                f"The model's function returned {shown(reply)}, must return text, vl.tool_call(...), or a list of them."
            )
    return [part for part in parts if isinstance(part, str)], [part for part in parts if isinstance(part, ToolCall)]
