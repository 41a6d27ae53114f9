"""Two tests of the same sessions: false stops of one while the other does what it does, and the interaction between them.

`python benchmarks/two_tests.py [--quick]`. Every session draws a variant of both tests; a false stop is a test whose own
variants don't differ and that names a winner, looked at after every session. An interaction is false where there is none,
at any of 40 looks. Everything is seeded.
"""

import argparse
import sys

import numpy as np
from figures import Figures

import voicelab as vl
from voicelab.decision.stats import eprocess
from voicelab.decision.stats.interaction import interaction

HORIZON = 1000
LOOKS = 40
# Rate of each cell: first test's variant, then the other's.
OTHERS = {
    "does nothing": ((0.30, 0.30), (0.30, 0.30)),
    "adds 20 points": ((0.30, 0.50), (0.30, 0.50)),
    "turns the first one's effect round": ((0.30, 0.40), (0.40, 0.30)),
}


def two_tests(rng, n, share):
    """Return the variants of both tests in each of n sessions; the second variants have a share each."""
    return (rng.random((2, n)) < np.array(share)[:, None]).astype(np.int64)


def stops_falsely(rng, rates, *, other_stops):
    """Return whether a test whose variants have the same rate on average names a winner."""
    first, other = two_tests(rng, HORIZON, (0.5, 0.5))
    luck = rng.random(HORIZON)
    if other_stops:
        # After the session that makes the other test sure its default is served: the rate changes for both variants.
        at = shown(monitor_of("other", HORIZON), other, luck < np.array(rates)[first, other])
        other = np.where(np.arange(HORIZON) > (HORIZON if at is None else at), 0, other)
    booked = luck < np.array(rates)[first, other]
    monitor = monitor_of("first", HORIZON)
    shown(monitor, first, booked)
    return monitor.decision.winner is not None


def monitor_of(test, horizon):
    """Return what watches a test of two variants."""
    rule = vl.StopRule(max_iterations=horizon, max_confidence=95, default="a")
    return vl.Monitor(rule, {"a": 0.5, "b": 0.5}, kind="binary", test=test)


def shown(monitor, arms, booked):
    """Have a monitor take sessions; return the position of the one that stops it."""
    everything = np.ones(len(arms), dtype=bool)
    return monitor.extend(arms, booked.astype(np.float64), everything, ~everything, np.arange(len(arms)))


def draw_rate(rng, first, other, by):
    """Return outcomes of a rate: main effects of both tests, and an interaction."""
    return (rng.random(len(first)) < 0.30 + 0.05 * first + 0.10 * other + by * first * other).astype(np.float64)


def draw_rare(rng, first, other, by):
    """Return outcomes of a rare rate."""
    return (rng.random(len(first)) < 0.05 + by * first * other).astype(np.float64)


def draw_skewed(rng, first, other, by):
    """Return seconds with a long tail: a lognormal with sigma 1.2."""
    return rng.lognormal(4, 1.2, len(first)) + 20 * first + by * first * other


def draw_counts(rng, first, other, by):
    """Return numbers of questions."""
    return rng.poisson(2 + 0.3 * first + 0.5 * other + by * first * other).astype(np.float64)


def found(rng, draw, kind, n, share, by=0.0):
    """Return whether an interaction is found at any look, and whether the last interval holds what is true."""
    first, other = two_tests(rng, n, share)
    values, epochs = draw(rng, first, other, by), np.zeros(n, dtype=np.int64)
    ever = False
    for end in np.linspace(n / LOOKS, n, LOOKS).astype(int):
        seen = interaction(values[:end], first[:end], other[:end], epochs[:end], kind, eprocess.EXPECTED_STOP)
        if seen.difference is not None and not seen.lower <= by <= seen.upper:
            ever = True
    detected = seen.p_value is not None and seen.p_value <= 0.05
    return ever, detected


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    times = 200 if quick else 1000
    figures = Figures(quick=quick)
    print(
        f"false stops of a test without a difference, {times:,} tests of {HORIZON:,} sessions, looked at after every one\n"
    )
    for name, rates in OTHERS.items():
        rng = np.random.default_rng(1)
        share = np.mean([stops_falsely(rng, rates, other_stops=False) for _ in range(times)])
        figures.at_most(f"the other {name}", 100 * share, 6.5, "%")
    rng = np.random.default_rng(1)
    share = np.mean([stops_falsely(rng, OTHERS["adds 20 points"], other_stops=True) for _ in range(times)])
    figures.at_most("the other adds 20 points, and stops", 100 * share, 6.5, "%")

    print(f"\nintervals of an interaction that miss what is true at any of {LOOKS} looks, {times:,} times\n")
    kinds = (
        ("rates, halves", draw_rate, "binary", 2000, (0.5, 0.5)),
        ("rates of 5 %, tenths", draw_rare, "binary", 5000, (0.1, 0.1)),
        ("seconds with a long tail, tenths", draw_skewed, "float", 5000, (0.1, 0.1)),
        ("counts, halves", draw_counts, "count", 2000, (0.5, 0.5)),
    )
    for name, draw, kind, n, shares in kinds:
        rng = np.random.default_rng(2)
        share = np.mean([found(rng, draw, kind, n, shares)[0] for _ in range(times)])
        figures.at_most(name, 100 * share, 6.5, "%")

    print(f"\ninteractions of rates that are found, halves, {times // 2:,} times\n")
    for by, n in ((0.10, 2000), (0.10, 5000), (0.20, 2000)):
        rng = np.random.default_rng(3)
        share = np.mean([found(rng, draw_rate, "binary", n, (0.5, 0.5), by)[1] for _ in range(times // 2)])
        figures.shown(f"{100 * by:.0f} points, {n:,} sessions", 100 * share, "%")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
