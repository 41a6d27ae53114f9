"""What a handler does, drawn by chance: steps as JSON, a list each whose first item names it (see `handlers`)."""

import random
from collections.abc import Callable
from typing import Any

Step = list[Any]

SECRET = "s3cr3t-0f-th3-l4b"
"""The value of a variable of every handler: wherever it is said or stored, it is masked."""
TESTS = ["greeting", "tempo"]
OUTCOMES = ["booked", "score", "note"]
TASKS = ["watch", "look up", "tidy"]
KEYS = ["name", "count", "plan", "absent"]

_TEXTS = [
    "Good day.",
    "What can I do for you today?",
    "One moment please, I am looking it up for you, it takes a little while, and a little more.",
    "Thank you",
    "",
    " ",
    "Größe? Ça va 😀",
    f"Your key is {SECRET}, keep it",
    "half \ud800 of a character",
]
_LONG = "It goes on and on. " * 600


def text(rng: random.Random) -> str:
    """Return something to say or to log."""
    return _LONG if rng.random() < 0.004 else rng.choice(_TEXTS[:3] if rng.random() < 0.7 else _TEXTS)


def some(rng: random.Random, **options: list[Any]) -> dict[str, Any]:
    """Return some of the options, each with one of its values; most are left out."""
    return {name: rng.choice(values) for name, values in options.items() if rng.random() < 0.25}


def seconds(rng: random.Random) -> float:
    """Return how long something takes: often so long as something else, that both fall due at once."""
    if rng.random() < 0.5:
        return rng.choice([0, 0.1, 0.2, 0.5, 0.54, 1, 1.5, 2, 5, 7, 29.9, 30, 31])
    return round(rng.uniform(0, 8), 3)


# --- what is yielded ---


def _speech(rng: random.Random) -> Step:
    options = some(
        rng,
        replace=[True, False],
        interruptible=[False, False, True, None],
        voice=["nova", "alloy", {"provider": "openai", "identifier": "marin"}],
        speed=[0.5, 1.0, 2.0, 1, None, 0, "fast"] if rng.random() < 0.1 else [0.5, 1.5, 2.0],
        language=["de", "en", None],
        cache=[False],
        stream=[True, False],
        instructions=["calm"],
        model=["tts-1-hd"],
    )
    if rng.random() < 0.02:
        options["interruptable"] = rng.random() < 0.5
    words = rng.choice([None, 5, ["a"]]) if rng.random() < 0.004 else text(rng)
    return ["speech", words, options]


def _audio(rng: random.Random) -> Step:
    path = rng.choice(
        ["https://example.com/tune.mp3", "https://example.com/tune.mp3", "missing.wav", "data:audio/wav;base64,AAAA"]
    )
    return ["audio", path, some(rng, interruptible=[False, True], loop=[True])]


def _silence(rng: random.Random) -> Step:
    return [
        "silence",
        rng.choice([0, 500, 800, 2000, 2500.5, 60_000] if rng.random() < 0.95 else [-1, "2", True, None]),
    ]


def _ending(rng: random.Random) -> dict[str, Any]:
    return some(
        rng,
        closing_speech=["Good bye to you", "", _LONG[:400], f"{SECRET} it was"],
        voice=["alloy", None],
        speed=[2.0, 0.5, None],
        language=["de", None],
        clear_speech=[True],
    )


def _stop(rng: random.Random) -> Step:
    return ["stop", _ending(rng)]


def _transfer(rng: random.Random) -> Step:
    return ["transfer", {"phone_number": "+15550100"} | _ending(rng)]


def _event(rng: random.Random) -> Step:
    return rng.choice(
        [
            ["event", "external_event", {"name": "crm", "after_speech": rng.random() < 0.5}],
            ["event", "context_patch", {"a": 1}],
            ["event", "metrics.count.calls", {"value": 1}],
            ["event", "start_recording", {}],
            ["event", "debug", {"x": [1, 2.5, None]}],
            ["event", "text", {"source": "text", "text": "an input, yielded"}],
            ["event", "no such event", {"s": SECRET}],
            ["event", "half \ud800", {}],
            ["event", None, {}],
            ["event", "data", None],
            ["event", "data", {"when": "object"}],
            ["event", "turn_end", {"duration": 3}],
        ]
    )


_YIELDS: dict[Callable[[random.Random], Step], float] = {
    _speech: 16,
    _audio: 2,
    _silence: 2,
    _stop: 1.2,
    _transfer: 0.6,
    _event: 1.2,
    lambda rng: ["interrupt"]: 1.5,
    lambda rng: ["allow", rng.random() < 0.4]: 3,
    lambda rng: ["listen", some(rng, language=["de", "multi"], endpointing=[100, 3, 700], prompt=["names"])]: 0.7,
    lambda rng: ["custom", rng.choice(["shown", "clicked"]), {"n": rng.randint(0, 3)}]: 1.5,
    lambda rng: ["log", text(rng), some(rng, location=["main.py:1", ""], attributes=[{"a": 1}, {"key": SECRET}])]: 2,
    lambda rng: ["error", text(rng)]: 0.5,
    lambda rng: ["sees"]: 5,
    lambda rng: ["subclass", text(rng)]: 0.4,
    lambda rng: ["no event", rng.choice(["some text", 7, None, {"name": "text"}])]: 0.5,
    lambda rng: ["flood", rng.choice([3, 20, 100])]: 0.3,
}

# --- what it asks the context for, and prints, and measures ---


def _value(rng: random.Random) -> Any:
    return rng.choice([True, False, 1, 0, 3.5, 1e300, "fine", "", None, SECRET, [1, {"a": 2}], "object"])


def _experiment(rng: random.Random) -> Step:
    variants = rng.choice([{"formal": 0.5, "casual": 0.5}, {"a": 1, "b": 2, "c": 0}, {"one": 1}, {"a": 0.2, "b": 0.2}])
    if rng.random() < 0.05:
        variants = rng.choice([{}, {"a": -1}, {"a": 0}])
    stop = rng.choice(
        [
            None,
            {"max_iterations": 100, "target_outcome": "booked", "default": next(iter(variants), "a")},
            {"max_confidence": 95, "target_metric": "calls", "default": "nobody"},
            {"min_iterations": 10, "unknown": 1}
            if rng.random() < 0.1
            else {"stop_on": 2, "max_iterations": 5, "default": "b"},
        ]
    )
    if rng.random() < 0.5:
        return ["experiment", rng.choice(TESTS), variants, rng.choice([None, ["calls"], ["calls", "score"]]), stop]
    return ["add test", rng.choice(TESTS), variants, stop]


_CONTEXT: dict[Callable[[random.Random], Step], float] = {
    lambda rng: ["set", rng.choice(KEYS), _value(rng)]: 2,
    lambda rng: ["get", rng.choice([*KEYS, "customer"])]: 2,
    lambda rng: ["output", rng.choice([{"a": 1}, {"key": SECRET}, {"b": [1, 2]}])]: 0.5,
    _experiment: 3,
    lambda rng: ["variant", rng.choice(TESTS)]: 1,
    lambda rng: [
        "add outcome",
        rng.choice(OUTCOMES),
        rng.choice(["boolean", "count", "float", "string", "integer"]),
    ]: 1,
    lambda rng: ["set outcome", rng.choice(OUTCOMES), _value(rng)]: 2,
    lambda rng: ["trigger", rng.choice(OUTCOMES)]: 1,
    lambda rng: ["reset", rng.choice(OUTCOMES)]: 0.4,
    lambda rng: ["outcome", rng.choice(OUTCOMES)]: 0.6,
    lambda rng: ["counter", rng.choice(["calls", "score"]), rng.choice([1, 2.5]), rng.choice([None, {"k": "v"}])]: 1.5,
    lambda rng: ["gauge", "load", rng.choice([0, -1.5, float(10**20)])]: 0.5,
    lambda rng: ["histogram", "latency", 12.5]: 0.5,
    lambda rng: [
        "logger",
        rng.choice(["debug", "info", "warn", "error"]),
        text(rng),
        rng.choice([None, {"a": [1]}]),
    ]: 1,
    lambda rng: ["tool", rng.choice([2, SECRET])]: 0.6,
    lambda rng: ["print", rng.choice(["a line\n", "two\nlines\n", "no end", f"{SECRET}\n", "a\n\nb"])]: 1,
    lambda rng: ["chance"]: 1,
    lambda rng: ["transcript"]: 1,
    lambda rng: ["complete", rng.choice(["book it", "what?", "a story"])]: 0.6,
    lambda rng: [
        "http",
        rng.choice(["https://api.example.com/orders", "https://example.com/none"]),
        rng.choice(["httpx", "urllib"]),
    ]: 0.4,
    lambda rng: ["shared", rng.choice(["menu", "nothing"])]: 0.3,
    lambda rng: ["message", text(rng)]: 0.5,
}

# --- what takes its time, and what fails ---


_ERRORS = ["ValueError"] * 5 + ["KeyError", "TimeoutError", "CancelledError", "StopAsyncIteration", "GeneratorExit"]
_ERRORS += ["SystemExit", "OwnError", "RuntimeError", "GroupError"]

_FLOW: dict[Callable[[random.Random], Step], float] = {
    lambda rng: ["wait", seconds(rng)]: 10,
    lambda rng: ["block", rng.choice([0.1, 0.5, 3])]: 1,
    lambda rng: ["thread", rng.choice([0.1, 0.5, 3])]: 0.3,
    lambda rng: ["raise", rng.choice(_ERRORS)]: 1.5,
    lambda rng: ["return"]: 1,
    lambda rng: ["never"]: 0.7,
    lambda rng: ["stubborn", rng.choice([1, 2, 3, 50]), seconds(rng)]: 0.7,
    lambda rng: ["cancels itself"]: 0.3,
    lambda rng: ["cancel task", rng.choice(TASKS)]: 0.7,
    lambda rng: ["cancel tasks"]: 0.2,
    lambda rng: ["wait for tasks"]: 0.3,
    lambda rng: ["leaves a task", seconds(rng)]: 0.3,
}


def _at_the_end(rng: random.Random, depth: int) -> Step:
    return ["try", steps(rng, depth + 1, 2), steps(rng, depth + 1, 2)]


def _task(rng: random.Random, depth: int) -> Step:
    options = some(rng, name=TASKS, interruptible=[True, True, False], timeout=[0.5, 3, 30, None, 0])
    if rng.random() < 0.03:
        options = some(rng, timeout=["soon", -1], background_task_name=["guide"])
    return ["task", options, rng.choice(["generator", "generator", "coroutine"]), steps(rng, depth + 1, 4)]


_NESTED: dict[Callable[[random.Random, int], Step], float] = {
    _at_the_end: 2,
    _task: 4,
    lambda rng, depth: ["swallow", steps(rng, depth + 1, 2)]: 1,
    lambda rng, depth: ["catch", steps(rng, depth + 1, 2)]: 1,
    lambda rng, depth: ["within", seconds(rng), steps(rng, depth + 1, 2)]: 1,
    lambda rng, depth: ["abandon", steps(rng, depth + 1, 3)]: 0.5,
    lambda rng, depth: ["late", rng.randint(1, 4), steps(rng, depth + 1, 2)]: 2,
    lambda rng, depth: ["beside", seconds(rng), seconds(rng)]: 0.5,
}
_DEEPEST = 3
_KINDS = {"yields": 10, "flow": 4, "context": 4, "nested": 3}


def _one_of(rng: random.Random, choices: dict[Any, float]) -> Any:
    return rng.choices(list(choices), list(choices.values()))[0]


def step(rng: random.Random, depth: int = 0) -> Step:
    """Return a step."""
    kind = _one_of(rng, _KINDS)
    if kind == "nested":
        return _one_of(rng, _NESTED)(rng, depth) if depth < _DEEPEST else ["wait", seconds(rng)]  # type: ignore[no-any-return]
    return _one_of(rng, {"yields": _YIELDS, "flow": _FLOW, "context": _CONTEXT}[kind])(rng)  # type: ignore[no-any-return]


def steps(rng: random.Random, depth: int, most: int) -> list[Step]:
    """Return a few steps, at a depth of steps within steps."""
    return [step(rng, depth) for _ in range(rng.randint(0 if depth else 1, most))]


EVENTS = ["start", "text", "timeout", "dtmf", "custom", "stop"]


def program(rng: random.Random) -> dict[str, list[list[Step]]]:
    """Return what a handler does: for each event one or several answers, which it gives in turn.

    Most begin by speaking; the others are rarer on the platform, and as easily wrong.
    """
    made = {event: [steps(rng, 0, 4) for _ in range(rng.randint(1, 3))] for event in EVENTS}
    if rng.random() < 0.7:
        made["start"][0].insert(0, ["speech", text(rng), {"interruptible": False} if rng.random() < 0.3 else {}])
    if rng.random() < 0.6:
        made["stop"] = [steps(rng, 1, 2)]
    return made
