"""The case of a number: a handler, a caller, a world, limits, and by which road it is played; JSON's types, drawn by chance."""

import random
from typing import Any

from same_rows import people, steps
from same_rows.handlers import AGENTS

SHARES = {"run": 40, "worker": 57, "speak": 2, "simulate": 1}
"""The roads, and how many of 100 cases take them: `vl.run`; several sessions one after another as a worker process plays them,
which costs least; the same on a simulated telephone; and `vl.simulate` to the end, with a log on the disk."""
_SESSIONS = {"worker": 6, "speak": 1, "simulate": 6}


def case_of(seed: int, number: int) -> dict[str, Any]:
    """Return a case; the same for the same seed and number."""
    rng = random.Random(f"{seed}/{number}")
    road = rng.choices(list(SHARES), list(SHARES.values()))[0]
    case: dict[str, Any] = {
        "road": road,
        "agent": rng.choice(AGENTS) if rng.random() < 0.04 else None,
        "shape": rng.choices(["generator", "coroutine", "function"], [18, 1, 1])[0],
        "program": steps.program(rng),
        "caller": people.caller(rng),
        "options": _options(rng, road),
    }
    if rng.random() < 0.1:
        case["strict"] = True
    if road in _SESSIONS:
        case["sessions"] = rng.randint(1, _SESSIONS[road])
    return case


def _options(rng: random.Random, road: str) -> dict[str, Any]:
    options: dict[str, Any] = {"seed": rng.randrange(1000)}
    if rng.random() < 0.3:
        options["world"] = steps.some(
            rng,
            recognition_errors=[0.2, 0.6],
            handler_delay_s=[0.5, [0, 0.5], [1, 3]],
            handler_faults=[0.1, 0.5],
            truth=[{"greeting": {"booked": {"formal": 0.5, "a": 1.0, "casual": 0.1}, "made up": {"casual": 1.0}}}],
            confusions=[{"hello there": {"hello": 1, "": 1, "yellow bear": 2}, "yes please": {"": 1}}],
        )
    if rng.random() < 0.12:
        options["limits"] = steps.some(
            rng, conversation_s=[0.5, 5, 20], outputs=[1, 3, 10, 30], text_chars=[100, 1000, 5000]
        )
    if rng.random() < 0.25:
        options["configuration"] = {"timeout": rng.choice([0.5, 1, 2, 3.5, 12])}
    if rng.random() < 0.3:
        options["services"] = True
    if rng.random() < 0.2:
        options["parameters"] = {"customer": rng.choice(["Ann", steps.SECRET]), "plan": {"name": "gold"}}
        if rng.random() < 0.3:
            options["parameters"]["runTest"] = {rng.choice(steps.TESTS): False}
    options |= (
        steps.some(rng, variants=[{"greeting": "formal"}, {"greeting": "a", "tempo": "one"}])
        if rng.random() < 0.3
        else {}
    )
    options |= steps.some(
        rng,
        input_data=[{"from": "crm"}],
        start=["2026-03-29T00:59:58", "2025-12-31T23:59:50.5+02:00"],
        evaluators=[{"short": {"turn_count": {"$lte": 3}}}],
    )
    return options
