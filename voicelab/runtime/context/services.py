"""Stands in for the services that a handler calls: the platform's (language models, shared data), and its own.

The SDK's clients speak to the platform over connections of aiohttp. Here are such connections as far as the clients use
them, for each session its own, without a socket: what they answer comes from the run's model and from a dict.
"""

import asyncio
import copy
import itertools
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote

from voicelab.base.masking import Masker
from voicelab.runtime import sdk
from voicelab.runtime.http import EXCHANGE, Exchange, StandIn, TrafficKeeper
from voicelab.runtime.isolation import Scope
from voicelab.runtime.patching import PATCHED, Replacements

_WORD = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True, eq=False)
class ToolCall:
    """A call of one of the handler's tools, as a language model asks for it; made by `vl.tool_call`.

    Attributes:
        name: Name of the tool.
        arguments: Its arguments.
    """

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{name}={value!r}' for name, value in self.arguments.items())})"


@dataclass(frozen=True)
class Completion:
    """What a language model answers.

    Attributes:
        text: What it says; None if it only calls tools.
        tool_calls: The tools that it calls.
        latency_s: From the request to its first word, in seconds.
        words_per_s: Words a second from then on.
        error: What went wrong, if it gives no answer.
    """

    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    latency_s: float = 0.0
    words_per_s: float = float("inf")
    error: str | None = None

    def __str__(self) -> str:
        return self.error or " ".join(filter(None, [self.text, *map(str, self.tool_calls)]))


@dataclass(frozen=True)
class Decisions:
    """What a language model answers to questions of `primfunctions.decisions`.

    Attributes:
        answers: By the question's name, in the platform's form.
        latency_s: From the request to the answers, in seconds.
        error: What went wrong, if it gives none.
        status: The status of the response over HTTP.
        error_type: What the platform calls the error.
    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    latency_s: float = 0.0
    error: str | None = None
    status: int = 200
    error_type: str | None = None


class LanguageModel(Protocol):
    """What answers a handler's requests in one session; see `voicelab.world.model`."""

    async def answer(self, request: Mapping[str, Any]) -> Completion:
        """Answer a request in the platform's form: provider, model, messages, tools, ..."""

    async def decide(self, request: Mapping[str, Any]) -> Decisions:
        """Answer questions in the platform's form: provider, model, state, questions."""


class ServiceClient(Scope, Protocol):
    """The session that services answer."""

    def asked(self, data: Mapping[str, Any]) -> None:
        """Be told of a request to a language model."""

    def requested(self, data: Mapping[str, Any]) -> None:
        """Be told of a request over HTTP."""

    def hide(self, secrets: frozenset[str]) -> None:
        """Mask secrets that were found, from now on."""


@dataclass
class Services:
    """What answers in the place of services in one session.

    Attributes:
        model: Answers completion requests; None if the session has no language model.
        shared_data: What third parties have left for the session, by key; None if there is no such store.
        stand_in: Answers requests over HTTP; None where nothing does.
        recording: Keeps requests over HTTP that really go out; None where nothing does.
        patches: What the session's code finds in place of functions.
        masker: Masks the values of the handler's variables.
    """

    model: LanguageModel | None = None
    shared_data: Mapping[str, Any] | None = None
    stand_in: StandIn | None = None
    recording: TrafficKeeper | None = None
    patches: Replacements = field(default_factory=dict)
    masker: Masker = field(default_factory=Masker)

    def open(self, client: ServiceClient) -> None:
        """Serve the calling context and the tasks that it makes.

        Args:
            client: The session.
        """
        model, data = self.model, self.shared_data
        if model is not None or data is not None:
            sdk.serve_clients(
                completions=None if model is None else _Completions(model, client.asked),
                shared_data=None if data is None else _SharedData(data),
            )
        if self.stand_in is not None or self.recording is not None:
            exchange = Exchange(self.stand_in, self.recording, client, client.requested, client.hide, self.masker)
            EXCHANGE.set(exchange)
        if self.patches:
            PATCHED.set(self.patches)


class _SharedData:
    """What the SDK's client of shared data takes for its connection."""

    def __init__(self, stored: Mapping[str, Any]) -> None:
        self._stored = stored

    def get(self, url: str, **_: Any) -> "_Exchange":
        """Look a key up."""
        key = unquote(url.partition("/v1/shared-data/")[2])
        if key not in self._stored:
            return _Exchange(partial(_response, 404, {}))
        found = {"key": key, "data": copy.deepcopy(self._stored[key])}
        return _Exchange(partial(_response, 200, {"data": found}))


class _Completions:
    """What the SDK's client of language models takes for its connection."""

    def __init__(self, model: LanguageModel, asked: Callable[[dict[str, Any]], None]) -> None:
        self.asked = asked
        self._model = model
        self._numbers = itertools.count(1)

    def post(self, url: str, *, json: Mapping[str, Any], **_: Any) -> "_Exchange":
        """Send a request."""
        if url.endswith("/v1/completions"):
            return _Exchange(partial(self._complete, json))
        if url.endswith("/v1/warm"):
            return _Exchange(partial(_response, 200, {}))
        if url.endswith("/v1/decisions"):
            return _Exchange(partial(self._decide, json))
        error = f"{url} has no stand-in: only completions, decisions and shared data can be called here."
        return _Exchange(partial(_response, 501, {"error": error, "error_type": "NotSimulated"}))

    async def _complete(self, given: Mapping[str, Any]) -> "_Response":
        body = json.loads(json.dumps(given))  # as it would arrive: what JSON can't hold is an error here too
        for attempt in ({}, *body.pop("fallbacks", ())):
            request = {**body, **attempt}
            number = next(self._numbers)
            completion = await self._answer(request)
            if completion.error is None:
                break
        if completion.error is not None:
            return await _response(503, {"error": completion.error, "error_type": "ProviderError"})
        final = _final(request, completion, number)
        if request.get("streaming"):
            return _Response(200, final, _stream(completion, final, request.get("stream_options")))
        await asyncio.sleep(len(_words(completion)) / completion.words_per_s)
        return _Response(200, final)

    async def _decide(self, given: Mapping[str, Any]) -> "_Response":
        body = json.loads(json.dumps(given))  # as in `_complete`
        tried = []
        for attempt in ({}, *(body.pop("fallbacks", None) or ())):
            request = {**body, **attempt}
            tried.append(request.get("provider"))
            for _ in range(1 + (request.get("max_retries") or 0)):
                decisions = await self._model.decide(request)
                self.asked(_told(request, decisions))
                await asyncio.sleep(decisions.latency_s)
                if decisions.error is None:
                    who = {name: request.get(name) for name in ("provider", "model")}
                    number = f"request_{next(self._numbers)}"
                    return _Response(
                        200, {"request_id": number, "answers": dict(decisions.answers), "usage": {}, **who}
                    )
        failed: dict[str, Any] = {"error": decisions.error, "error_type": decisions.error_type}
        if len(tried) > 1:
            last = {"error_type": "FallbackExhaustedError", "last_error_type": decisions.error_type}
            failed |= {"providers_tried": tried, **last}
        return _Response(decisions.status, failed)

    async def _answer(self, request: Mapping[str, Any]) -> Completion:
        completion = await self._model.answer(request)
        self.asked(
            {
                "message": str(completion),
                "asked": last_message(request),
                "provider": request.get("provider"),
                "model": request.get("model"),
                "latency_s": round(completion.latency_s, 3),
            }
        )
        await asyncio.sleep(completion.latency_s)
        return completion


def _told(request: Mapping[str, Any], decisions: Decisions) -> dict[str, Any]:
    """Return what the log holds of a request for decisions."""
    questions = request.get("questions") or {}
    return {
        "message": decisions.error or json.dumps(decisions.answers, ensure_ascii=False),
        "asked": ", ".join(map(str, questions)),
        "provider": request.get("provider"),
        "model": request.get("model"),
        "latency_s": round(decisions.latency_s, 3),
        "state": request.get("state"),
        "questions": questions,
        "answers": dict(decisions.answers),
    }


def last_message(request: Mapping[str, Any]) -> str:
    """Return the text of the last message of a request; what a tool returned is written as JSON."""
    messages = request.get("messages") or [{}]
    content = messages[-1].get("content") or ""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _words(completion: Completion) -> list[str]:
    return _WORD.findall(completion.text or "")


def _final(request: Mapping[str, Any], completion: Completion, number: int) -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{number}_{index}",
            "type": "function",
            "index": index,
            "function": {"name": call.name, "arguments": dict(call.arguments)},
        }
        for index, call in enumerate(completion.tool_calls)
    ]
    return {
        "type": "response",
        "message": {"role": "assistant", "content": completion.text, "tool_calls": calls},
        "finish_reason": "tool_calls" if calls else "stop",
        "provider": request.get("provider"),
        "model": request.get("model"),
        "request_id": f"request_{number}",
    }


async def _stream(
    completion: Completion, final: Mapping[str, Any], options: Mapping[str, Any] | None
) -> AsyncGenerator[bytes, None]:
    """Yield the lines of a streamed answer, each when it is there.

    Deltas or sentences, as the options say; both without options, since the SDK's own example reads sentences then.
    """
    by_sentence = None if options is None else bool(options.get("stream_sentences"))
    pause_s = 0.0  # the first word comes at once
    for word, sentence in sdk.in_sentences(_words(completion), options or {}):
        if pause_s and word:
            await asyncio.sleep(pause_s)
        pause_s = 1 / completion.words_per_s
        if word and by_sentence is not True:
            yield _line({"type": "content_delta", "content": word})
        if sentence and by_sentence is not False:
            yield _line({"type": "content_sentence", "sentence": sentence})
    for call in final["message"]["tool_calls"]:
        yield _line({"type": "tool_call", "tool_call": call})
    yield _line({"type": "finish_reason", "finish_reason": final["finish_reason"]})
    yield _line(final)


def _line(chunk: Mapping[str, Any]) -> bytes:
    return json.dumps(chunk).encode()


class _Response:
    """A response as the SDK's clients read it."""

    def __init__(self, status: int, data: dict[str, Any], content: AsyncGenerator[bytes, None] | None = None) -> None:
        self.status = status
        self.content = content
        self._data = data

    async def json(self, **_: Any) -> dict[str, Any]:
        """Return the data."""
        return self._data


async def _response(status: int, data: dict[str, Any]) -> _Response:
    return _Response(status, data)


class _Exchange:
    """A request and its response, as `async with` takes them."""

    def __init__(self, respond: Callable[[], Awaitable[_Response]]) -> None:
        self._respond = respond
        self._response: _Response | None = None

    async def __aenter__(self) -> _Response:
        self._response = await self._respond()
        return self._response

    async def __aexit__(self, *_: object) -> None:
        if self._response is not None and self._response.content is not None:
            await self._response.content.aclose()
