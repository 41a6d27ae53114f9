"""The cases: which surfaces there are, the case of a number, and the cases that are kept."""

import importlib
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz.judge import Verdict, judged

SHARES = {
    "exports": 30,
    "logs": 10,
    "frames": 20,
    "projects": 15,
    "scripts": 8,
    "paths": 5,
    "commands": 4,
    "console": 8,
}
"""The surfaces, each a module, and how many of 100 cases are theirs."""
KEPT = Path(__file__).parent.parent / "samples" / "hostile"
"""The minimal cases of what was found, one file each."""


def of_number(seed: int, surface: str, number: int) -> Any:
    """Return a case; the same one for the same seed, surface and number."""
    return importlib.import_module(f"fuzz.{surface}").draw(random.Random(f"{seed}/{surface}/{number}"))


def run(surface: str, case: Any, *, depth: int) -> Verdict:
    """Return what comes of a case."""
    return judged(importlib.import_module(f"fuzz.{surface}").walk, case, depth=depth)


def depth_of(number: int) -> int:
    """Return how far the walk over a case goes: to analysis and pictures, which take longest, with one in a hundred."""
    return 3 if number % 96 == 0 else 1 if number % 12 == 0 else 0


def shares_of(n: int, surfaces: list[str]) -> dict[str, int]:
    """Return how many of so many cases are each surface's."""
    total = sum(SHARES[surface] for surface in surfaces)
    return {surface: max(1, round(n * SHARES[surface] / total)) for surface in surfaces}


def kept() -> Iterator[tuple[str, str, Any, int]]:
    """Yield the cases that are kept: name, surface, case, and how far the walk goes: to pictures where those failed."""
    for path in sorted(KEPT.glob("*.json")):
        told = json.loads(path.read_text(encoding="utf-8"))
        yield path.stem, told["surface"], told["case"], 3 if "picture" in told["what"] else 2


def keep(folder: Path, name: str, surface: str, case: Any, what: str) -> Path:
    """Write a case down, and return where."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"surface": surface, "what": what, "case": case}, indent=1) + "\n", encoding="utf-8")
    return path
