"""Schedules without processes, thousands in minutes: what may happen, drawn from a seed; `world` is what it happens to."""

import random
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chaos.patches import MEMORY, patched, undisturbed
from chaos.schedule import Schedule, Step
from chaos.world import ENDS, TROUBLES, VISITS, World

if TYPE_CHECKING:
    from collections.abc import Callable

KIND = "in_process"
_LATEST = 330
"""Steps of a whole run, about: a fault comes before one of them."""


def draw(seed: int) -> Schedule:
    """Return the schedule of a seed."""
    chance = random.Random(f"in process {seed}")
    others: dict[str, tuple[float, Callable[[random.Random], dict[str, Any]]]] = {
        "run": (6, _run),
        "damage": (3, _damage),
        "compact": (1.5, _fault),
        "late": (0.8, _fault),
        "orphans": (1, lambda _: {}),
        "clock": (0.7, lambda chance: {"hours": chance.choice([-90_000, -25, -1, 1, 25, 90_000])}),
        "power": (0.7, lambda chance: {"chance": chance.getrandbits(32)}),
        "look": (0.2, lambda _: {}),
        "redact": (0.2, _fault),
    }
    names = chance.choices(list(others), [weight for weight, _ in others.values()], k=chance.choice([0, 1, 2, 3, 5]))
    steps = [Step("run", _run(chance, first=True)), *(Step(name, others[name][1](chance)) for name in names)]
    return Schedule(KIND, seed, tuple(steps))


def run(schedule: Schedule) -> None:
    """Run a schedule.

    Raises:
        Failed: the log, or an error, isn't as it has to be.
    """
    runs = undisturbed()
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder, patched() as patch:
        World(Path(folder), patch, runs).run(schedule)


def _run(chance: random.Random, *, first: bool = False) -> dict[str, Any]:
    other = not first and chance.random() < 0.12
    rates = {what: chance.choice([0.0, 0.0, 0.0, 0.1, 0.3]) for what in ("dies", "refuses", "repeats")}
    how = {
        "which": "second" if other else "first",
        "resume": other or first or chance.random() < 0.9,
        "overwrite": other or chance.random() < 0.08,
        "workers": chance.choice([1, 1, 2, 3]),
        "foreign": chance.random() < 0.4,
        "chance": chance.getrandbits(32),
        "rates": {what: rate for what, rate in rates.items() if rate},
    }
    return {**how, **_fault(chance)}


def _fault(chance: random.Random) -> dict[str, Any]:
    kind = chance.choice([None, *ENDS, *ENDS, *TROUBLES, *VISITS])
    if kind is None:
        return {}
    # Early steps come in every run, late ones in those alone that do much.
    at = 1 + int(chance.random() ** 1.5 * _LATEST)
    return {"fault": kind, "at": at, **({"times": chance.choice([1, 3, 10_000])} if kind in TROUBLES else {})}


def _damage(chance: random.Random) -> dict[str, Any]:
    return {
        # Without its manifest nobody knows what a log is.
        "manifest": chance.random() < 0.1,
        "files": chance.choice([1, 1, 2, 4]),
        "how": chance.choice(["flipped", "flipped", "cut", "zeros", "garbage", "removed"]),
        "chance": chance.getrandbits(32),
    }
