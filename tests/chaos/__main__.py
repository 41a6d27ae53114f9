"""Runs schedules: `python -m chaos --seed 0 --n 100`, with `tests` on the path; see `make chaos`."""

import argparse
import importlib
import signal
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from chaos.schedule import Schedule, shortened

KINDS = ("in_process", "real")
_MOST_SHORTENED = 10
"""Failures that are shortened, each by running it up to sixty times; one defect makes many."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the schedules of some seeds, and return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="make chaos")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first schedule; each next has the next one")
    parser.add_argument("--n", type=int, default=20, help="how many of each kind")
    parser.add_argument("--kind", default="", choices=["", *KINDS], help="one kind alone")
    parser.add_argument("--keep", default="", help="numbers of the steps that are kept, by commas")
    given = parser.parse_args(arguments)
    keep = [int(number) for number in given.keep.split(",") if number]
    return max(_run_kind(kind, given, keep) for kind in ([given.kind] if given.kind else KINDS))


def _run_kind(name: str, given: argparse.Namespace, keep: list[int]) -> int:
    kind: Any = importlib.import_module(f"chaos.{name}")
    if hasattr(kind, "offers"):
        print(kind.offers(), flush=True)
    began, failed = time.monotonic(), list[Schedule]()
    for number, seed in enumerate(range(given.seed, given.seed + given.n)):
        schedule = kind.draw(seed)
        if keep:
            schedule = schedule.only(keep)
        try:
            kind.run(schedule)
        except Exception as error:
            failed.append(schedule)
            _report(kind, schedule, error, shorten=len(failed) <= _MOST_SHORTENED)
        _progress(name, number + 1, given.n, len(failed), time.monotonic() - began)
    if failed:
        print("\n".join(["", "What failed is run again by", *(schedule.command for schedule in failed)]), flush=True)
    return 1 if failed else 0


def _report(kind: Any, schedule: Schedule, error: Exception, *, shorten: bool) -> None:
    print(f"\nFAILED: {type(error).__name__}: {error}\n{schedule}", flush=True)
    where = traceback.extract_tb(error.__traceback__)
    print("".join(traceback.format_list(where[-8:])), flush=True)
    shorter = shortened(schedule, kind.run) if shorten else schedule
    if shorter.steps != schedule.steps:
        print(f"Fewer steps fail too:\n{shorter}\n", flush=True)


def _progress(name: str, done: int, of: int, failed: int, seconds: float) -> None:
    last = done == of
    if last or done % max(of // 20, 1) == 0:
        print(
            f"{name}: {done:,} of {of:,} schedules, {failed} failed, {1000 * seconds / done:,.0f} ms each", flush=True
        )


def _terminated(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # `timeout` sends it twice
    sys.exit(128 + number)


if __name__ == "__main__":
    # Terminated as by Ctrl-C: a schedule under way ends its processes, some of which may be stopped, and unmounts its disk.
    signal.signal(signal.SIGTERM, _terminated)
    sys.exit(main())
