"""Simulations of callers who really speak: `python benchmarks/spoken_sessions.py [SESSIONS] [--quick]`, a thousand unless given.

Two workers; the voice `natural`, and the recogniser that `auto` chooses: half of the callers say phrases that are known
beforehand, the others open speech. The run is made twice, each time with nothing kept from before, and its logs compared byte by
byte. Measured are the CPU time of driver and workers together over that of the engines (voices, recognisers, and the model that
finds where a turn ends; their loading included), and the memory of each worker on the way.
"""

import hashlib
import json
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import ClassVar

from figures import Figures, arguments
from scale import cpu_s, resident_mb
from speech_ears import EXPECTED, SENTENCES

import voicelab as vl
from voicelab import speech
from voicelab.speech.endpointer import SileroDetector

TURNS, WORKERS, SEED = 3, 2, 1
NOTED = "SPOKEN_SESSIONS_NOTED"
"""The variable that tells every process the folder of the notes: an argument would be part of the run, and differ."""
OPEN = SENTENCES[len(EXPECTED) :]


class Spent:
    """The CPU time that this process has spent in engines, in seconds, by what they do; one engine may use another."""

    by_kind: ClassVar = dict.fromkeys(("tts", "stt", "detector"), 0.0)
    _within = False

    @classmethod
    def on(cls, kind, work):
        """Return what some work returns, its time noted."""
        if cls._within:
            return work()
        cls._within, began = True, time.process_time()
        try:
            return work()
        finally:
            cls.by_kind[kind] += time.process_time() - began
            cls._within = False


class Counted:
    """An engine whose CPU time is noted in a file of each process's own, a line a turn.

    Args:
        kind: `tts` or `stt`.
        name: Of the engine.
    """

    def __init__(self, kind, name):
        self.given = kind, name
        make = speech.text_to_speech if kind == "tts" else speech.speech_to_text
        self.engine = Spent.on(kind, lambda: make(name))
        self.name = name
        if kind == "stt":
            count_detector()

    def __reduce__(self):
        return Counted, self.given

    def __repr__(self):
        return f"Counted{self.given}"

    def synthesize(self, *args, **kwargs):
        return Spent.on("tts", lambda: self.engine.synthesize(*args, **kwargs))

    def transcribe(self, *args, **kwargs):
        heard = Spent.on("stt", lambda: self.engine.transcribe(*args, **kwargs))
        facts = {**Spent.by_kind, "mb": resident_mb(), "engine": heard.engine}
        with (Path(os.environ[NOTED]) / str(os.getpid())).open("a") as file:
            print(json.dumps(facts), file=file)
        return heard


def count_detector():
    """Count the model that finds where a turn ends among the engines."""
    plain = SileroDetector.probability
    if plain.__name__ == "probability":
        SileroDetector.probability = lambda self, frame: Spent.on("detector", lambda: plain(self, frame))


class OpenCaller:
    """Says a few sentences that nobody was told of."""

    name = "open speech"

    def begin(self, rng):
        return OpenCall(rng.sample(OPEN, TURNS))


class OpenCall:
    def __init__(self, sentences):
        self.sentences = sentences

    def reply(self, heard):
        del heard
        return self.sentences.pop() if self.sentences else None


async def receptionist(event, context):
    if event.name in {"start", "text"}:
        yield vl.sdk.TextToSpeechEvent(text="Certainly. What else can I do for you?", voice="nova")


def simulated(sessions, folder):
    """Run the simulation, with a cache of its own; return its CPU time, what the processes noted, hashes and utterances."""
    os.environ["VOICELAB_CACHE"] = str(folder / "cache")
    os.environ[NOTED] = str(folder / "noted")
    (folder / "noted").mkdir(parents=True)
    Spent.by_kind = dict.fromkeys(Spent.by_kind, 0.0)
    began = cpu_s()
    engines = {"tts": Counted("tts", "natural"), "stt": Counted("stt", "auto")}
    log = vl.simulate(
        receptionist, vl.mix((vl.Script(EXPECTED[:TURNS]), 0.5), (OpenCaller(), 0.5)), sessions=sessions, seed=SEED,
        workers=WORKERS, audio=vl.PhoneLine(), progress=False, log=folder / "log", **engines,
    )  # fmt: skip
    spent = cpu_s() - began
    workers = [[json.loads(line) for line in path.read_text().splitlines()] for path in (folder / "noted").iterdir()]
    hashes = {
        path.relative_to(log.path).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(log.path).rglob("*.parquet"))
    }
    return spent, workers, hashes, log.utterances()


def growth(lines):
    """Return the memory of a worker in the last tenth of its turns over that in the third one, when all is loaded."""
    tenth = max(1, len(lines) // 10)
    held = [line["mb"] for line in lines]
    return statistics.mean(held[-tenth:]) / statistics.mean(held[2 * tenth : 3 * tenth])


def main():
    given = arguments(__doc__, "sessions", 1000, 24)
    figures = Figures(given.quick)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        spent, workers, hashes, utterances = simulated(given.sessions, Path(name) / "first")
        took = time.perf_counter() - began
        _, _, again, _ = simulated(given.sessions, Path(name) / "second")
    kinds = {kind: sum(lines[-1][kind] for lines in workers) + Spent.by_kind[kind] for kind in Spent.by_kind}
    engines = sum(kinds.values())
    chosen = [line["engine"] for lines in workers for line in lines]
    figures.shown("spoken sessions", given.sessions)
    figures.shown("   workers", len(workers))
    figures.shown("   turns recognised", len(chosen))
    for ear in sorted(set(chosen)):
        figures.shown(f"      by {ear}", chosen.count(ear))
    figures.shown("   words wrong, of those said", utterances["word_errors"].sum() / utterances["words"].sum())
    figures.shown("   CPU a session", spent / given.sessions, "s")
    figures.shown("   time it took", took, "s")
    for kind, seconds in kinds.items():
        figures.shown(f"   CPU in the {kind}, of all", seconds / spent)
    figures.at_most("CPU of spoken sessions, over that of the engines", spent / engines, 1.25)
    figures.shown("   over voices and recognisers alone", spent / (engines - kinds["detector"]))
    for lines in workers:
        figures.shown("memory of a worker, at most", max(line["mb"] for line in lines), "MB")
        figures.at_most("   its last tenth, over its third", growth(lines), 1.1)
    differ = len(hashes.items() ^ again.items())
    figures.shown("files of the log", len(hashes))
    figures.at_most("   that differ when the run is repeated", differ if hashes else float("nan"), 0)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
