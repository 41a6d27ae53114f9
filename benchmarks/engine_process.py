"""A process that runs sessions by one version of voicelab, and tells the CPU time that they took.

It uses nothing of a version but the class `Engine` and the number `SESSIONS` of its own `benchmarks/engine.py`, and the
handlers beside it: how sessions are run has changed since, and each version knows its own way.
"""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path


class EngineProcess:
    """One version in a process of its own, until the end of a `with`.

    Args:
        folder: Holds the version's `voicelab`, `benchmarks` and `data`.
    """

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", __file__, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *_) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def cpu_us(self, what: str, sessions: int) -> float:
        """Run sessions of one of the handlers and write their log; return the CPU time of one in microseconds."""
        print(json.dumps([what, sessions]), file=self._process.stdin, flush=True)
        return json.loads(self._process.stdout.readline())


def main() -> None:
    """Run what is asked for until nothing is any more."""
    folder = Path(sys.argv[1])
    sys.path[:1] = [str(folder / "benchmarks"), str(folder)]  # in the place of this file's own folder
    warnings.simplefilter("ignore")
    import engine
    import handlers

    from voicelab.simulation.worker import collect_seldom

    collect_seldom()
    made = {
        "five turns": handlers.five_turns,
        "background task": handlers.five_turns_and_a_task,
        "clinic agent": folder / "data/agents/clinic",
    }
    engines = {name: engine.Engine(handler) for name, handler in made.items()}
    for line in sys.stdin:
        what, engine.SESSIONS = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            began = time.process_time()
            engines[what].run_and_write(Path(folder))
            print(json.dumps((time.process_time() - began) / engine.SESSIONS * 1e6), flush=True)


if __name__ == "__main__":
    main()
