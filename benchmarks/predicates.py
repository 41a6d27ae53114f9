"""The cost of predicates over a log: `python benchmarks/predicates.py [--quick]`.

100,000 simulated sessions of the sample agent (4,000 in a quick run) are asked three predicates: of the sessions alone,
of the names of events, and of what is said. The figures are the processor time of `log.evaluate`, medians of three rounds,
for 100,000 sessions: the work is that of each part of the log, one after the other.
"""

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

from figures import Figures

import voicelab as vl

SESSIONS, QUICK = 100_000, 4_000
ROUNDS = 3
REQUIRED_S = 5.0
PREDICATES = {
    "of the sessions": {"turn_count": {"$gte": 3}, "direction": "inbound", "duration_seconds": {"$lt": 60}},
    "of the names of events": {"events": {"$any": {"name": "timeout"}}},
    "of what is said": {
        "events": {"$any": {"name": "transcript_part", "data.role": "agent", "data.content": {"$icontains": "sorry"}}}
    },
}


def cpu_s(log, predicate) -> float:
    """Return the processor time of asking a predicate of all sessions."""
    started = time.process_time()
    log.evaluate(predicate)
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    sessions = QUICK if quick else SESSIONS
    figures = Figures(quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        log = vl.simulate(
            "clinic", vl.personas.cooperative, sessions=sessions, seed=7, log=Path(folder) / "log", progress=False
        )
        events = log.sql("SELECT count(*) AS n FROM events")["n"].item()
        print(f"{sessions:,} sessions, {events:,} events\n")
        for name, predicate in PREDICATES.items():
            rounds = [cpu_s(log, predicate) for _ in range(ROUNDS)]
            figures.at_most(name, statistics.median(rounds) * SESSIONS / sessions, REQUIRED_S, "s of CPU")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
