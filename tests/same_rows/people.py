"""Who calls, and how, drawn by chance: JSON of which `settings` makes callers."""

import random
from typing import Any

from same_rows.steps import seconds, some

_WORDS = [
    "hello there",
    "yes please",
    "no, wait",
    "book it",
    "what times do you have, and what does it cost?",
    "mm-hm",
    "ok",
]
_PATTERNS = ["moment", "today|day", "thank", r"\?", "key", "good bye"]
_PERSONAS = ["cooperative", "impatient", "hesitant", "silent", "interrupter", "wrong_number"]


def _said(rng: random.Random) -> list[Any]:
    """Return something that a caller does, now or at a time."""
    return rng.choice(  # type: ignore[no-any-return]
        [
            ["say", rng.choice(_WORDS)],
            ["say", rng.choice(_WORDS)],
            ["speak", rng.choice(_WORDS)],
            ["press", rng.choice(["1", "12", "*#0"])],
            ["custom", rng.choice(["signal", "paid"]), {"n": 1}],
            ["interrupt", rng.choice(_WORDS), rng.choice([0.0, 0.5, 0.54, 1.0, seconds(rng)])],
        ]
    )


def one_input(rng: random.Random) -> list[Any]:
    """Return one entry of a script."""
    chance = rng.random()
    if chance < 0.15:
        return ["silence", rng.choice([None, 0, 1, 5, 5.0, 6, 12, 25, seconds(rng)])]
    if chance < 0.35:
        return [
            "at",
            rng.choice([0, 0.54, 1.5, 5, 9, seconds(rng) * 2]),
            ["hang up"] if rng.random() < 0.15 else _said(rng),
        ]
    if chance < 0.4:
        return ["hang up"]
    if chance < 0.44:
        return rng.choice([["timeout"], ["voicemail"], ["stop"], ["language", "hola"], ["event", "other"]])  # type: ignore[no-any-return]
    return _said(rng)


def _crowd(rng: random.Random) -> list[list[Any]]:
    """Return inputs at times near each other: more than one waits, or comes while another is taken."""
    begin, step = rng.choice([0.1, 1, 5, seconds(rng)]), rng.choice([0, 0.1, 0.5])
    return [["at", round(begin + n * step, 3), _said(rng)] for n in range(rng.randint(2, 4))]


def _replies(rng: random.Random) -> Any:
    return rng.choice(
        [
            ["say", rng.choice(_WORDS)],
            ["press", "1"],
            ["function", rng.choice(["echo", "draws", "silent"])],
            ["weighted", [[["say", word], rng.randint(1, 3)] for word in rng.sample(_WORDS, 3)]],
            ["silence", 2],
            ["hang up"],
        ]
    )


def _persona(rng: random.Random) -> dict[str, Any]:
    options = some(
        rng,
        patience=[1, 3],
        max_turns=[1, 3, 6],
        reaction_s=[[0, 0], [0.1, 3], [1, 1]],
        barge_in=[0.3, 1.0],
        max_repeats=[0, 1, None],
    )
    made = {"kind": "persona", "options": options, "replies": {p: _replies(rng) for p in rng.sample(_PATTERNS, 2)}}
    for name in ("opening", "otherwise"):
        if rng.random() < 0.6:
            made[name] = _replies(rng)
    return made


def caller(rng: random.Random) -> dict[str, Any]:
    """Return a caller."""
    chance = rng.random()
    if chance < 0.6:
        inputs = [one_input(rng) for _ in range(rng.randint(1, 7))]
        return {"kind": "script", "inputs": [*inputs, *(_crowd(rng) if rng.random() < 0.3 else ())]}
    if chance < 0.75:
        return {"kind": "stock", "name": rng.choice(_PERSONAS)}
    if chance < 0.88:
        return _persona(rng)
    if chance < 0.92:
        return {"kind": "mix", "of": [["stock", rng.choice(_PERSONAS)], ["script", [_said(rng) for _ in range(3)]]]}
    inputs = [one_input(rng) for _ in range(rng.randint(1, 5))]
    return {"kind": "own", "inputs": inputs, "cuts in": rng.random() < 0.4, "fails": rng.random() < 0.1}
