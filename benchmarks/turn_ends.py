"""Where turns end: cut-offs against waiting time, with people's recordings: `python benchmarks/turn_ends.py FOLDER [--quick]`.

FOLDER holds WAV files of one utterance each (docs/speech.md says which were taken). People who think pause longer and more
often than those who read aloud: so each utterance is heard with its own pauses, and again with more of them put where
its voice is softest, of lengths as people pause (a lognormal with a median of .6 s). A cut-off is a pause inside in which
a turn ended; waiting is from the last sound until the end of the turn was known. Everything is seeded.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from figures import Figures

from voicelab.speech import Audio, Endpointer
from voicelab.speech.endpointer import FRAME, RATE, detector

ROUNDS = 3
LEAST_PAUSE_S = 0.16
SILENCES = (0.3, 0.5, 0.7, 1.0)
LONGEST = (1.0, 1.5, 2.0)


def voiced(samples):
    """Return for each frame whether it holds a voice."""
    found = detector("silero")
    return np.array([found.probability(frame) >= 0.35 for frame in samples.reshape(-1, FRAME)])


def utterance(samples, rng, more):
    """Return an utterance with quiet around it, when its voice ends (s), and its pauses (s), its own and those put in."""
    samples = samples[: len(samples) // FRAME * FRAME]
    voice = voiced(samples)
    first, last = np.flatnonzero(voice)[[0, -1]]
    levels = np.abs(samples.reshape(-1, FRAME)).mean(axis=1)
    room_level = max(1e-4, float(np.percentile(levels, 5)))

    def room(seconds):
        return (rng.standard_normal(int(seconds * RATE)) * room_level).astype(np.float32)

    silent = np.flatnonzero(np.diff(np.r_[True, voice[first : last + 1], True])).reshape(-1, 2)
    own = [(end - begin) * FRAME / RATE for begin, end in silent if (end - begin) * FRAME / RATE >= LEAST_PAUSE_S]
    parts, put, begin = [room(1.0)], [], first
    window = round(1.5 * RATE / FRAME)
    while more and begin + window < last - 15:
        # Where the voice is softest in the next second and a half, and not within half a second of what was said last.
        softest = begin + 15 + int(np.argmin(levels[begin + 15 : begin + window]))
        put.append(float(np.clip(rng.lognormal(np.log(0.6), 0.6), 0.2, 3.0)))
        parts += [samples[begin * FRAME : softest * FRAME], room(put[-1])]
        begin = softest
    parts.append(samples[begin * FRAME : (last + 1) * FRAME])
    end_s = sum(map(len, parts)) / RATE
    return np.concatenate([*parts, room(3.5)]), end_s, own + put


class Known:
    """A detector that has heard the stream already: every endpointer goes by the same probabilities."""

    def __init__(self, samples):
        found = detector("silero")
        self._all = [found.probability(frame) for frame in samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)]
        self.reset()

    def reset(self):
        self._coming = iter(self._all)

    def probability(self, _):
        return next(self._coming)


def measured(ear, cases, known):
    """Return how many pauses inside ended a turn, and the waiting time after each utterance."""
    cut, waited = 0, []
    for (samples, end_s, _), heard in zip(cases, known, strict=True):
        ear._detector = heard
        ear.reset()
        ends = [event for event in ear.feed(samples) if event.name == "speech_ended"]
        inside = [event for event in ends if event.time_s < end_s - 0.15]
        cut += len(inside)
        if len(ends) > len(inside):
            waited.append(ends[-1].known_s - end_s)
    return cut, np.array(waited)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    rng, figures = np.random.default_rng(1), Figures(given.quick)
    files = sorted(given.folder.glob("*.wav"))[: 3 if given.quick else None]
    sounds = [Audio.load(file).resampled(RATE).floats() for file in files]
    cases = [utterance(sound, rng, more) for more in range(ROUNDS) for sound in sounds]
    pauses = np.array([pause for *_, own in cases for pause in own])
    figures.shown("utterances", len(cases))
    figures.shown("   pauses inside", len(pauses))
    figures.shown("   their median", float(np.median(pauses)), "s")
    figures.shown("   longer than .7 s", int((pauses > 0.7).sum()))
    known = [Known(samples) for samples, *_ in cases]
    ears = {f"silence {s:g} s": Endpointer(silence_s=s, detector="silero") for s in SILENCES}
    ears |= {f"smart, at most {s:g} s": Endpointer(silence_s=s, detector="smart") for s in LONGEST}
    for name, ear in ears.items():
        cut, waited = measured(ear, cases, known)
        share = cut / len(pauses)
        error = 1.96 * np.sqrt(share * (1 - share) / len(pauses))
        figures.shown(f"{name}: pauses that were cut off", share)
        figures.shown("   95 %, give or take", float(error))
        figures.shown("   waiting, median", float(np.median(waited)), "s")
        figures.shown("   waiting, mean", float(waited.mean()), "s")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
