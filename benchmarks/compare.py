"""What two versions on the same callers cost, and what the pairs save.

`python benchmarks/compare.py [--quick]`. The shipped example is compared, the clinic and what was made of it, and the clinic
with itself: there the run goes through all pairs, so that its processor time is that of pairs and nothing else. How many
sessions an unpaired test needs is counted by voicelab's own, `vl.Monitor` without a horizon, on sessions of the same two logs
in random order, each seen in one version alone. Everything is seeded.
"""

import argparse
import resource
import statistics
import sys
import warnings

import loky
import numpy as np
from figures import Figures

import voicelab as vl
from voicelab.change.paired_values import PairedLogs
from voicelab.decision.stats.paired import PairedDifferences

OUTCOME = "booked"


def callers():
    """Return who calls the clinic."""
    return vl.mix((vl.personas.cooperative, 0.5), (vl.personas.hesitant, 0.3), (vl.personas.impatient, 0.2))


def cpu_s():
    """Return the processor time of this process and of all that it has started, which have to end for that."""
    loky.get_reusable_executor().shutdown(wait=True)
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def cost_of_pairs(n):
    """Return how many times the processor time of one run a comparison of as many pairs takes."""
    begun = cpu_s()
    vl.simulate("clinic", callers(), n, seed=1, stopping=False, progress=False)
    ran = cpu_s()
    compared = vl.compare("clinic", "clinic", callers(), n, seed=1, outcome=OUTCOME, progress=False)
    cost = (cpu_s() - ran) / (ran - begun)
    assert compared.n_pairs == compared.divergence.n_same == n
    return cost


def sessions_needed(rounds, n):
    """Return the median number of sessions until the example is decided: in pairs, and without."""
    logs = [
        vl.simulate(handler, callers(), n, seed=3, stopping=False, progress=False)
        for handler in ("clinic", "clinic_next")
    ]
    values = PairedLogs(*logs, [OUTCOME], n).pairs(OUTCOME, [])
    rng = np.random.default_rng(1)
    paired, unpaired = [], []
    for _ in range(rounds):
        order = rng.permutation(n)
        old, new = values.old[order], values.new[order]
        found = PairedDifferences(new - old, "binary")
        paired.append(2 * first(np.minimum(found.above(), found.below()) <= 0.05))
        arms = (rng.random(n) < 0.5).astype(np.int64)
        monitor = vl.Monitor(vl.StopRule(max_confidence=95), {"old": 0.5, "new": 0.5}, kind="binary", test="version")
        everything = np.ones(n, dtype=bool)
        at = monitor.extend(arms, np.where(arms, new, old), everything, ~everything, np.arange(n))
        # Beyond all sessions it would have gone on: so many at least.
        unpaired.append(n if at is None else at + 1)
    return statistics.median(paired), statistics.median(unpaired)


def first(decided):
    """Return after how many pairs it was decided."""
    return int(np.argmax(decided)) + 1 if decided.any() else len(decided)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    figures = Figures(quick)
    vl.simulate("clinic", callers(), 50, progress=False)  # what is loaded once
    figures.at_most("pairs against one run", cost_of_pairs(1500 if quick else 6000), 2.1, "times")
    paired, unpaired = sessions_needed(5 if quick else 21, 6000 if quick else 12000)
    figures.shown("sessions until decided, in pairs", paired)
    figures.shown("sessions until decided, unpaired", unpaired)
    figures.at_most("sessions in pairs against unpaired", paired / unpaired, 1 / 3)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
