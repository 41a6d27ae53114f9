"""Callers, worlds, services and all other options of a run, out of a case's JSON."""

import random
from datetime import UTC, datetime
from typing import Any

from primfunctions import events as sdk

import voicelab as vl
from same_rows.handlers import AGENTS, handler_of
from same_rows.steps import SECRET
from voicelab.predicates import checked_evaluators

Json = dict[str, Any]


def input_of(given: list[Any]) -> Any:
    """Return an input of a caller."""
    kind, *rest = given
    return {
        "say": lambda text: text,
        "speak": lambda text: sdk.TextEvent("speech", text),
        "language": lambda text: _sent(sdk.TextEvent("text", text, "es")),
        "press": vl.press,
        "custom": lambda name, data: _sent(sdk.CustomEvent(name, data)),
        "event": lambda name: _sent(sdk.Event(name, {})),
        "timeout": lambda: _sent(sdk.TimeoutEvent()),
        "voicemail": lambda: _sent(sdk.VoicemailDetectionEvent()),
        "stop": sdk.StopEvent,
        "interrupt": vl.interrupt,
        "silence": vl.silence,
        "hang up": vl.hang_up,
        "at": lambda time_s, then: vl.at(time_s, input_of(then)),
    }[kind](*rest)


def _sent(event: sdk.Event) -> sdk.Event:
    """Return an event that was made outside of its session, on a day of the real world: here always the same."""
    event.data["sent"] = True
    event.timestamp = "2026-01-01T00:00:00+00:00"
    return event


def _echo(heard: Any) -> Any:
    return f"You said {heard.text[:20]}" if heard.text.strip() else "hello?"


def _draws(heard: Any, rng: random.Random) -> Any:
    return rng.choice(["small", "large", vl.press("1"), None])


_FUNCTIONS = {"echo": _echo, "draws": _draws, "silent": lambda heard: None}


def _replies(given: list[Any]) -> Any:
    kind, *rest = given
    if kind == "function":
        return _FUNCTIONS[rest[0]]
    if kind == "weighted":
        return {input_of(reply): weight for reply, weight in rest[0]}
    return input_of(given)


class Own:
    """A caller of the user's own: says what its list holds, and now and then cuts in.

    Args:
        given: Its JSON.
    """

    name = "own"

    def __init__(self, given: Json) -> None:
        self._given = given

    def begin(self, rng: random.Random) -> "_OwnCall":
        """Begin a conversation."""
        return _OwnCall(self._given, rng)


class _OwnCall:
    def __init__(self, given: Json, rng: random.Random) -> None:
        self._rng = rng
        self._cuts_in, self._fails = given["cuts in"], given["fails"]
        inputs = [input_of(one) for one in given["inputs"]]
        self._left = [one for one, of in zip(inputs, given["inputs"], strict=True) if of[0] != "at"]
        self.timed = [one for one, of in zip(inputs, given["inputs"], strict=True) if of[0] == "at"]

    def reply(self, heard: Any) -> Any:
        if not self._left:
            if self._fails:
                raise RuntimeError("the caller fails")
            return None
        if self._rng.random() < 0.2:  # what it has heard shows in what it says
            return f"{len(heard.text)} {heard.timeouts} {heard.interrupted} {heard.time_s:.6f}"
        return self._left.pop(0)

    def interrupts_after(self) -> float | None:
        return self._rng.uniform(0, 2) if self._cuts_in and self._rng.random() < 0.6 else None


def caller_of(given: Json) -> Any:
    """Return a caller."""
    kind = given["kind"]
    if kind == "stock":
        return getattr(vl.personas, given["name"])
    if kind == "own":
        return Own(given)
    if kind == "mix":
        return vl.mix(*((caller_of(_of_mix(one)), 0.5) for one in given["of"]))
    if kind == "persona":
        spoken = {name: _replies(given[name]) for name in ("opening", "otherwise") if name in given}
        replies = {pattern: _replies(reply) for pattern, reply in given["replies"].items()}
        options = {name: tuple(v) if isinstance(v, list) else v for name, v in given["options"].items()}
        return vl.Persona("drawn", replies=replies, **spoken, **options)
    return {"script": lambda: [input_of(one) for one in given["inputs"]]}[kind]()


def _of_mix(given: list[Any]) -> Json:
    kind, what = given
    return {"kind": kind, "name": what} if kind == "stock" else {"kind": kind, "inputs": what}


def _of_request(request: Any) -> Any:
    return {"seen": request.url, "key": SECRET}


def options_of(given: Json) -> Json:
    """Return the options of a run, as `vl.run` and `vl.simulate` both take them."""
    options = dict(given.get("options", {}))
    if "world" in options:
        world = options["world"]
        options["world"] = vl.World(**{n: tuple(v) if isinstance(v, list) else v for n, v in world.items()})
    if "limits" in options:
        options["limits"] = vl.Limits(**options["limits"])
    if options.pop("services", None):
        options["model"] = vl.Model(
            replies={"book": "It is booked.", "story": {"Once.": 1, "Twice.": 2}}, latency_s=(0.1, 2)
        )
        options["http"] = vl.Http({"orders": {"id": 7}, "example": _of_request}, latency_s=(0.1, 1), faults=0.1)
        options["shared_data"] = {"menu": ["soup", SECRET]}
    return options


def handler(given: Json) -> Any:
    """Return the handler, loaded."""
    if given["agent"] in AGENTS:
        return vl.load_handler(given["agent"])
    variables = {"API_KEY": SECRET, "PLACE": "Bonn"}
    function = handler_of(given["program"], given["shape"])
    return vl.load_handler(function, strict=given.get("strict", False), variables=variables)


def checked(options: Json) -> Json:
    """Return options as what runs a session takes them, behind the door of `vl.run`."""
    options = dict(options)
    if "evaluators" in options:
        options["evaluators"] = checked_evaluators(options["evaluators"])
    if "start" in options:
        options["start"] = datetime.fromisoformat(options["start"]).astimezone(UTC)
    if "parameters" in options:
        own = options["parameters"] = dict(options["parameters"])
        options["run_test"] = own.pop("runTest", {})
    return options


def telephone() -> Any:
    """Return a telephone whose engines write words into the sound as tones, and read them back."""
    from voicelab.speech import FakeSpeechToText, FakeTextToSpeech, PhoneLine
    from voicelab.world.telephone import Telephone

    return Telephone(PhoneLine(), FakeTextToSpeech(), FakeSpeechToText())
