"""What it takes to make a failing session short: `python benchmarks/shrink.py [--quick]`.

Sessions of a plain handler with twenty inputs and a fault that needs two, or five, of them; and the failures of a log of 100,000
sessions (4,000 in a quick run), by their causes. The figures are processor time, medians of several rounds: the shortest
conversation has to be found in 2 s.
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

ROUNDS = 5
REQUIRED_S = 2.0
SESSIONS, QUICK = 100_000, 4_000
REQUIRED_LOG_S = 5.0
"""For all sessions of the log, whatever is asked of them."""


def plain(words):
    """Return a handler that answers each text, and fails once all words have been said, in order."""

    async def handler(event, context):
        if event.name != "text":
            return
        said = context.get_data("said", 0)
        if words[said] in event.data["text"]:
            context.set_data("said", said + 1)
            if said + 1 == len(words):
                raise KeyError("refund")
        yield vl.sdk.TextToSpeechEvent(text=f"I see, {event.data['text']}. What else can I do for you?")

    return handler


def twenty(words) -> list[str]:
    """Return twenty inputs of ten words, with some words spread over them."""
    inputs = [f"number {at} of what I would like to say today" for at in range(20)]
    for at, word in enumerate(words):
        inputs[2 + 4 * at] = f"and would you please do {word} for me at last"
    return inputs


def cpu_s(work) -> float:
    """Return the median of the processor time of some work."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        times.append(time.process_time() - started)
    return statistics.median(times)


def failing(words):
    """Return the record of a session that fails by some words in order."""
    return vl.run(plain(words), twenty(words), parameters={"name": "Ann", "plan": "gold"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    warnings.simplefilter("ignore")
    figures = Figures(quick=quick)
    for words in (("refund",), ("refund", "now"), ("a1", "b2", "c3", "d4", "e5")):
        record = failing(words)
        shrunk = record.shrink()
        if len(shrunk.inputs) != len(words) or not shrunk.finished:
            raise AssertionError(f"{words} were shrunk to {shrunk.inputs}")
        figures.at_most(
            f"20 inputs to {len(words)}, in {shrunk.n_runs} sessions", cpu_s(record.shrink), REQUIRED_S, "s of CPU"
        )
    sessions = QUICK if quick else SESSIONS
    with tempfile.TemporaryDirectory() as folder:
        log = vl.simulate(
            "clinic",
            vl.personas.cooperative,
            sessions=sessions,
            seed=7,
            log=Path(folder) / "log",
            world=vl.World(handler_faults=0.02),
            progress=False,
        )
        for failure in ("errors", "booked < 1", "status == completed", {"turn_count": {"$gte": 4}}):
            took_s = cpu_s(lambda failure=failure: log.failures(failure))
            figures.at_most(f"failures of {sessions:,} sessions: {failure}", took_s, REQUIRED_LOG_S, "s of CPU")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
