"""Language models that answer a handler's completion requests without the platform: canned, drawn by weight, in time."""

import inspect
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

from voicelab.base import checks
from voicelab.base.errors import InputError
from voicelab.base.masking import shown
from voicelab.base.weighted import Replies, weighted
from voicelab.runtime.context import Completion, ToolCall, last_message

_FAULT = "a fault of the simulated language model"

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
    ) -> None:
        self.replies = Replies(replies, "Model", _reply, "the last message")
        self.otherwise = weighted(otherwise, "Model: otherwise", _reply)
        self.latency_s = checks.span("Model: latency_s", latency_s)
        self.words_per_s = checks.weight("Model: words_per_s", words_per_s)
        self.faults = checks.probability("Model: faults", faults)

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
        low, high = model.latency_s
        latency_s = low + (high - low) * rng.random() if high else 0.0
        if model.faults and rng.random() < model.faults:
            return Completion(latency_s=latency_s, error=_FAULT)
        reply = (model.replies.to(last_message(request)) or model.otherwise).pick(rng)
        if callable(reply):
            reply = reply(request)
            if inspect.isawaitable(reply):
                reply = await reply
        texts, calls = _parts(reply)
        return Completion(" ".join(texts) if texts else None, tuple(calls), latency_s, model.words_per_s)


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
