"""False stops, intervals and power of every kind of test: `python benchmarks/calibration.py [REPLICATIONS] [--quick]`.

About a hundred settings ("cells", see `calibration_cells`), in each of which so many tests are played through the
`Monitor` that decides them, with a look after every session. Everything is seeded: the same number of replications finds
the same, on any number of cores. A cell fails that is beyond its bound by more than three Monte-Carlo errors. A whole run
writes docs/calibration.md and its picture.
"""

import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a process a core; before numpy is loaded

from calibration_cells import CELLS, Cell, monte_carlo_error
from calibration_report import WHOLE, Measured, write
from calibration_runs import counts_of
from figures import Figures, arguments

QUICK = 60
OF_EFFECTS = 4
"""Tests without a difference for each with one: of power less precision is needed, since one look at the same sessions is
the yardstick."""
OF_KNOWN = 2
"""The same where the yardstick is a figure that was measured before."""
CHUNK = 50
"""Tests that a process plays at once."""

HELD = 94.0
"""Percent of tests whose interval holds at every look, at least."""
FLOOR = 0.9
"""Power, as a share of that of one look at all sessions."""
NEAR = 1.0
"""Points that power may lie below what statistics.md says."""
ERRORS = 3.0
"""Monte-Carlo errors beyond a bound that are put down to chance."""
MEDIAN = (45.0, 55.0)
"""Percent of estimates at the stop that lie above the truth."""

Task = tuple[int, bool, int, int]


def tasks(cells: Sequence[Cell], replications: int) -> Iterator[Task]:
    """Yield what is to be played: the cell, whether with its effect, how many tests, and which portion this is."""
    for number, cell in enumerate(cells):
        kinds = [(False, replications)] if cell.null is not cell.effect else []
        if cell.effect is not None:
            parts = 1 if cell.null is cell.effect else OF_EFFECTS if cell.known is None else OF_KNOWN
            kinds.append((True, max(1, replications // parts)))
        for with_effect, n in kinds:
            for chunk, at in enumerate(range(0, n, CHUNK)):
                yield number, with_effect, min(CHUNK, n - at), chunk


def play(task: Task) -> tuple[int, bool, "Counter[str]"]:
    """Play one portion."""
    number, with_effect, n, chunk = task
    return number, with_effect, counts_of(CELLS[number], with_effect, n, chunk)


def measured_on_all_cores(replications: int) -> Iterator[Measured]:
    """Yield what each cell came to, in order, as they are done."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        at, counts = 0, {False: Counter(), True: Counter()}
        for number, with_effect, counted in pool.imap(play, list(tasks(CELLS, replications))):
            if number != at:
                yield measured(CELLS[at], counts[False], counts[True])
                at, counts = number, {False: Counter(), True: Counter()}
            counts[with_effect].update(counted)
        yield measured(CELLS[at], counts[False], counts[True])
        pool.close()
        pool.join()


def measured(cell: Cell, null: "Counter[str]", effect: "Counter[str]") -> Measured:
    """Return what a cell came to; where one draw has both, it stands for both."""
    return Measured(cell, null or effect, effect)


def judge(figures: Figures, found: Measured) -> Measured:
    """Print a cell's figures beside what is required of them; return it with what it missed."""
    cell, before = found.cell, len(figures.missed)
    print(f"\n{cell.group}: {cell.name}")
    _judge_stops(figures, found)
    if found.is_approximate:
        figures.shown("false, doubted ones as well", found.share("wrong"), "%")
        figures.shown("interval held", found.share("held", "intervals"), "%")
    else:
        _judge_interval(figures, found, effect=False)
        if found.effect is not found.null:
            _judge_interval(figures, found, effect=True)
        _judge_estimate(figures, found)
    if found.effect:
        _judge_power(figures, found)
    missed = tuple(figures.missed[before:])
    figures.missed[before:] = [f"{cell.group}: {cell.name}: {what}" for what in missed]
    return replace(found, missed=missed)


def _judge_stops(figures: Figures, found: Measured) -> None:
    cell, n = found.cell, found.null["tests"]
    bound = cell.bound_percent
    allowed = bound + ERRORS * 100 * monte_carlo_error(bound / 100, n)
    figures.at_most("false", found.share(found.kept), allowed, "%", target=bound)
    if cell.exact:
        figures.at_most("doubted", found.share("marked"), 0.0, "%")
    else:
        figures.shown("doubted", found.share("marked"), "%")
    figures.shown("sessions, mean", found.null["sessions"] / n)


def _judge_interval(figures: Figures, found: Measured, *, effect: bool) -> None:
    counts, when = (found.effect, ", with the effect") if effect else (found.null, "")
    if counts["intervals"]:
        allowed = HELD - ERRORS * 100 * monte_carlo_error(HELD / 100, counts["intervals"])
        figures.at_least(f"interval held{when}", found.share("held", "intervals", effect), allowed, "%", target=HELD)


def _judge_estimate(figures: Figures, found: Measured) -> None:
    n, above = found.effect["estimates"], found.share("above", "estimates", effect=True)
    if n and found.cell.has_median(found.cell.effect):
        error = ERRORS * 100 * monte_carlo_error(0.5, n)
        figures.at_least("estimate too high", above, MEDIAN[0] - error, "%", target=MEDIAN[0])
        figures.at_most("estimate too high", above, MEDIAN[1] + error, "%", target=MEDIAN[1])
    elif n:
        figures.shown("estimate too high", above, "%")
    if found.effect["its intervals"]:
        figures.shown("its interval held", found.share("its interval held", "its intervals", effect=True), "%")


def _judge_power(figures: Figures, found: Measured) -> None:
    cell, effect = found.cell, found.effect
    n, right, one_look = effect["tests"], effect["right"] / effect["tests"], effect["by one look"] / effect["tests"]
    if cell.known is not None:
        required = cell.known - NEAR
        allowed = required - ERRORS * 100 * monte_carlo_error(cell.known / 100, n)
    else:
        required = 100 * FLOOR * one_look
        # Of the difference to the floor, in the same tests: where both find the same, it hardly varies.
        squares = right - 2 * FLOOR * effect["by both"] / n + FLOOR**2 * one_look
        allowed = required - ERRORS * 100 * max(0.0, (squares - (right - FLOOR * one_look) ** 2) / n) ** 0.5
    if cell.reached is not None:
        allowed = cell.reached - NEAR - ERRORS * 100 * monte_carlo_error(cell.reached / 100, n)
    figures.at_least("found", 100 * right, allowed, "%", target=required)
    figures.shown("by one look", 100 * one_look, "%")
    if cell.claims == "winner" and cell.rule.criterion != "any_difference":
        wrong = 0.2 if cell.known is not None else cell.bound_percent
        allowed = wrong + ERRORS * 100 * monte_carlo_error(wrong / 100, n)
        figures.at_most("another one named", 100 * effect["wrong"] / n, allowed, "%", target=wrong)


def cpu_seconds() -> float:
    """Return what the processes took that have ended; 0 where the system doesn't say."""
    try:
        import resource
    except ImportError:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> int:
    given = arguments(__doc__, "replications", WHOLE, QUICK)
    figures, start = Figures(), time.perf_counter()
    found = [judge(figures, cell) for cell in measured_on_all_cores(given.replications)]
    print(
        f"\n{len(found)} cells, {given.replications:,} replications of each, {time.perf_counter() - start:.0f} s, {cpu_seconds():.0f} s of CPU"
    )
    if not given.quick:
        write(found, given.replications)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
