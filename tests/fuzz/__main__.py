"""`make fuzz SEED= N=`: runs cases, counts what came of them, and writes the minimal case of each crash that is new."""

import argparse
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from fuzz import cases
from fuzz.judge import Verdict
from fuzz.shrink import shrunk

_EVERY_S = 10.0
_MOST_MEMORY = 12 << 30


def main() -> int:
    """Run the command and return its exit code: 1 if anything crashed."""
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, default=10_000, help="cases in all")
    parser.add_argument("--surface", action="append", choices=list(cases.SHARES), help="only these")
    parser.add_argument("--from", dest="first", type=int, default=0, help="number of the first case of each surface")
    parser.add_argument("--case", help="run one again, as a failure names it: surface/number")
    parser.add_argument("--folder", type=Path, default=Path("fuzz-failures"), help="where minimal cases are written")
    options = parser.parse_args()
    _limit_memory()
    if options.case:
        surface, _, number = options.case.partition("/")
        verdict = _run(options.seed, surface, int(number))[1]
        print(f"{verdict.kind}: {verdict.what}\n{verdict.trace}")
        return int(verdict.kind == "crash")
    return _run_all(options)


def _limit_memory() -> None:
    """Let what would fill the machine's memory fail instead."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _run_all(options: argparse.Namespace) -> int:
    counts: Counter[tuple[str, str]] = Counter()
    found: dict[str, int] = {}
    last = time.monotonic()
    shares = cases.shares_of(options.n, options.surface or list(cases.SHARES))
    for surface, n in shares.items():
        for number in range(options.first, options.first + n):
            case, verdict = _run(options.seed, surface, number)
            counts[surface, verdict.kind] += 1
            if verdict.kind == "crash":
                found[verdict.where] = found.get(verdict.where, 0) + 1
                if found[verdict.where] == 1:
                    _tell(options, surface, number, case, verdict)
            if time.monotonic() - last > _EVERY_S:
                last = time.monotonic()
                print(f"… {surface} {number - options.first + 1:,} of {n:,}", file=sys.stderr, flush=True)
        told = ", ".join(f"{counts[surface, kind]:,} {word}" for kind, word in _WORDS.items())
        print(f"{surface}: {n:,} cases: {told}", flush=True)
    for where, n in sorted(found.items(), key=lambda item: -item[1]):
        print(f"  {n:5,} × {where}")
    return int(bool(found))


_WORDS = {"accepted": "accepted and used to the end", "refused": "refused with a message", "crash": "crashed"}


def _run(seed: int, surface: str, number: int) -> tuple[Any, Verdict]:
    case = cases.of_number(seed, surface, number)
    return case, cases.run(surface, case, depth=cases.depth_of(number))


def _tell(options: argparse.Namespace, surface: str, number: int, case: Any, verdict: Verdict) -> None:
    """Say what crashed, and write down the smallest case that does the same."""
    depth = cases.depth_of(number)

    def same(smaller: Any) -> bool:
        return cases.run(surface, smaller, depth=depth).where == verdict.where

    small = shrunk(case, same)
    name = re.sub("[^a-z0-9]+", "_", f"{surface}_{verdict.where}".lower())[:80].strip("_")
    path = cases.keep(options.folder, f"{name}_{number}", surface, small, verdict.where)
    print(
        f"\nCRASH SEED={options.seed} CASE={surface}/{number}: {verdict.what}\n  {verdict.where}\n  minimal case: {path}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
