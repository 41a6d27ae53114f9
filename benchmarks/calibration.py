"""False stops and power beside their bounds, looks after every session: `python benchmarks/calibration.py [REPLICATIONS] [--quick]`.

At 2,000 replications the Monte-Carlo error is about half a point at a rate of 5 %; bounds are wider by two such errors,
those of power by three. Everything is seeded: the same number of replications finds the same.
"""

import math
import sys
import time

import numpy as np
from figures import Figures, arguments

from voicelab.decision.monitor import Monitor
from voicelab.decision.rules import StopRule
from voicelab.decision.stats.sample_ratio import SampleRatio

EVEN, SKEWED, THREE = (0.5, 0.5), (0.9, 0.1), (0.33, 0.33, 0.34)


def rates(*levels):
    return lambda rng, arms: rng.random(len(arms)) < np.array(levels)[arms]


FLOATS = {
    "normal": lambda rng, arms: rng.normal(size=len(arms)),
    "lognormal, sigma 1.5": lambda rng, arms: rng.lognormal(0, 1.5, len(arms)),
    "95 % zeros": lambda rng, arms: (rng.random(len(arms)) < 0.05) * rng.lognormal(0, 1, len(arms)),
    "unequal variances": lambda rng, arms: rng.normal(0, np.where(arms, 1.0, 3.0)),
}


def settings():
    """Yield name, rule, weights, draw, kind, length, bound in percent (at most, or at least for power)."""

    def horizon(m):
        return StopRule(max_iterations=m, max_confidence=95)

    for base in (0.05, 0.3, 0.5):
        for m in (500, 1_000, 10_000):
            for weights in (EVEN, SKEWED):
                yield (
                    f"A/A binary {base}, M = {m:,}, {weights}",
                    horizon(m),
                    weights,
                    rates(base, base),
                    "binary",
                    m,
                    6.0,
                )
    yield "A/A three tied, best", horizon(1_000), THREE, rates(0.3, 0.3, 0.3), "binary", 1_000, 3.0
    yield "two tied best of three", horizon(1_000), THREE, rates(0.3, 0.4, 0.4), "binary", 1_000, 7.0
    for name, draw in FLOATS.items():
        for weights in (EVEN, SKEWED):
            yield f"A/A {name}, {weights}", horizon(1_000), weights, draw, "float", 1_000, 7.0
    free = StopRule(max_confidence=95)
    for base in (0.05, 0.3, 0.5):
        for weights in (EVEN, SKEWED):
            yield f"A/A no horizon, binary {base}, {weights}", free, weights, rates(base, base), "binary", 3_000, 5.0
    yield "A/A no horizon, three tied", free, THREE, rates(0.3, 0.3, 0.3), "binary", 3_000, 5.0
    for name, draw in FLOATS.items():
        yield f"A/A no horizon, {name}, {SKEWED}", free, SKEWED, draw, "float", 3_000, 5.0


POWER = (
    # levels, M, percent that the method found when it was measured
    ((0.30, 0.36), 500, 27.0), ((0.30, 0.36), 1_000, 47.0), ((0.30, 0.36), 1_926, 77.0), ((0.30, 0.40), 500, 61.0),
    ((0.30, 0.40), 712, 74.0), ((0.05, 0.07), 1_000, 23.0), ((0.05, 0.07), 4_426, 78.0),
    ((0.30, 0.30, 0.40), 500, 25.5), ((0.30, 0.30, 0.40), 1_000, 57.6), ((0.30, 0.30, 0.40), 3_000, 99.1),
)  # fmt: skip


def runs(rule, weights, draw, kind, length, replications, seed):
    """Yield the decision of each run."""
    rng = np.random.default_rng(seed)
    names = [f"v{arm}" for arm in range(len(weights))]
    everywhere = np.ones(length, dtype=np.bool_)
    for _ in range(replications):
        monitor = Monitor(rule, dict(zip(names, weights, strict=True)), test="t")
        monitor.know(kind)
        arms = rng.choice(len(weights), length, p=np.array(weights) / sum(weights))
        values = np.asarray(draw(rng, arms), dtype=np.float64)
        monitor.extend(arms, values, everywhere, ~everywhere, np.arange(length))
        yield monitor.decision


def error_of(percent, replications):
    """Return the Monte-Carlo error of a rate, in percent."""
    return 100 * math.sqrt(percent / 100 * (1 - percent / 100) / replications)


def false_share(figures, name, share, bound, replications):
    """Print a share of false alarms, in percent."""
    figures.at_most(name, 100 * share, bound + 2 * error_of(bound, replications), "%", target=bound)


def false_stops(figures, replications):
    for seed, (name, rule, weights, draw, kind, length, bound) in enumerate(settings()):
        found = [d.winner for d in runs(rule, weights, draw, kind, length, replications, seed)]
        false_share(figures, f"false: {name}", sum(w is not None for w in found) / replications, bound, replications)


def changed_weights(figures, replications):
    rng = np.random.default_rng(99)
    half = np.ones(500, dtype=np.bool_)
    stops = 0
    for _ in range(replications):
        monitor = Monitor(StopRule(max_iterations=1_000, max_confidence=95), {"a": 0.5, "b": 0.5}, test="t")
        monitor.know("binary")
        monitor.extend(rng.choice(2, 500), (rng.random(500) < 0.3) * 1.0, half, ~half, np.arange(500))
        monitor.new_weights({"a": 0.1, "b": 0.9})
        arms = rng.choice(2, 500, p=[0.1, 0.9])
        monitor.extend(arms, (rng.random(500) < 0.5) * 1.0, half, ~half, np.arange(500, 1_000))
        stops += monitor.decision.winner is not None
    name = "false: weights .5/.5 to .1/.9, the rate .3 to .5"
    false_share(figures, name, stops / replications, 7.0, replications)


def sample_ratio(figures, replications):
    rng = np.random.default_rng(98)
    alarms = 0
    for _ in range(replications):
        ratio = SampleRatio(np.array([0.2, 0.3, 0.5]))
        ratio.extend(rng.choice(3, 3_000, p=[0.2, 0.3, 0.5]))
        alarms += ratio.p_value <= 0.05
    false_share(figures, "false: sequential sample ratio at 5 %", alarms / replications, 5.0, replications)


def power(figures, replications):
    for seed, (levels, m, before) in enumerate(POWER):
        weights = EVEN if len(levels) == 2 else (1 / 3, 1 / 3, 1 / 3)
        rule = StopRule(max_iterations=m, max_confidence=95)
        decisions = list(runs(rule, weights, rates(*levels), "binary", m, replications, 1_000 + seed))
        best, name = f"v{len(levels) - 1}", f"{' / '.join(f'{level:.2f}' for level in levels)}, M = {m:,}"
        won = 100 * sum(d.winner == best for d in decisions) / replications
        figures.at_least(f"power: {name}", won, before - 3 * error_of(before, replications), "%", target=before)
        figures.shown(
            "   wrong winners", 100 * sum(d.winner not in {None, best} for d in decisions) / replications, "%"
        )
        figures.shown("   sessions, mean", float(np.mean([d.sessions for d in decisions])))


def main():
    replications = arguments(__doc__, "replications", 2_000, 100).replications
    figures, start = Figures(), time.perf_counter()
    false_stops(figures, replications)
    changed_weights(figures, replications)
    sample_ratio(figures, replications)
    power(figures, replications)
    print(f"{replications:,} replications of each, {time.perf_counter() - start:.0f} s")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
