"""Whether text sessions in the ready worlds mishear as the recogniser did: `python benchmarks/worlds.py [SESSIONS] [--quick]`.

Each spoken utterance of data/worlds is held out once: a world is fitted without its sentence, wherever it was said, and text
sessions say it in that world. What they come to is compared with what was heard, beside its interval of 95 % (callers drawn
anew).
"""

import json
import sys
import time
import warnings
import zlib
from difflib import SequenceMatcher

import numpy as np
from figures import Figures, arguments

import voicelab as vl
from voicelab import worlds
from voicelab.base.seeds import Seeds
from voicelab.handlers.samples import sample
from voicelab.speech.spoken_english import as_said
from voicelab.world.world import World
from voicelab.worlds.__main__ import listening
from voicelab.worlds.world_file import WorldFile

FOLDS = 5
DRAWS = 1000


class Again:
    """A caller who says what one of the spoken sessions said."""

    name = "again"

    def __init__(self, sessions):
        self.sessions = [[said for said, _ in session] for session in sessions if session]

    def begin(self, rng):
        return Saying(list(rng.choice(self.sessions)))


class Saying:
    def __init__(self, sentences):
        self.left = sentences[::-1]

    def reply(self, heard):
        return self.left.pop() if self.left else None


def fold(said):
    return zlib.crc32(said.encode()) % FOLDS


def simulated(world, sessions, n):
    """Return what was said and heard, session by session, in text sessions of a world."""
    log = vl.simulate(listening, Again(sessions), sessions=n, seed=3, world=world, progress=False, workers=1)
    found = {}
    rows = log.sql(
        "SELECT session_id, seq, data FROM events WHERE name IN ('text', 'unheard') ORDER BY session_id, seq"
    )
    for session, data in zip(rows["session_id"], rows["data"], strict=True):
        facts = json.loads(data)
        found.setdefault(session, []).append((facts.get("said", facts.get("text")), facts.get("text", "")))
    return list(found.values())


def counts(pair):
    """Return of an utterance: words, errors, words replaced, left out, put in, 1, whether right, nothing, numbers and wrong ones."""
    said, heard = map(as_said, pair)
    replaced = left_out = put_in = wrong_numbers = 0
    for kind, a, b, c, d in SequenceMatcher(None, said, heard, autojunk=False).get_opcodes():
        if kind != "equal":
            both = min(b - a, d - c)
            replaced, left_out, put_in = replaced + both, left_out + b - a - both, put_in + d - c - both
            wrong_numbers += sum(word[0].isdigit() for word in said[a:b])
    errors = replaced + left_out + put_in
    numbers = sum(word[0].isdigit() for word in said)
    return len(said), errors, replaced, left_out, put_in, 1, not errors, not heard, numbers, wrong_numbers, errors**2


def measures(rows):
    """Return the figures of sessions, each a sum of `counts`."""
    words, errors, replaced, left_out, put_in, n, right, nothing, numbers, wrong, squares = rows.sum(axis=0)
    by_caller = rows[:, 1] - rows[:, 0] * errors / words
    return {
        "word error rate": errors / words,
        "utterances without an error": right / n,
        "utterances unheard": nothing / n,
        "words replaced": replaced / words,
        "words left out": left_out / words,
        "words put in": put_in / words,
        "numbers misheard": wrong / numbers,
        "errors of an utterance that has some": errors / (n - right),
        "spread between sessions, over chance": (by_caller**2).sum() / squares,
    }


def compared(figures, name, n):
    """Compare text sessions with the spoken utterances of a ready world, held out."""
    spoken = WorldFile.read(sample(f"worlds/{name}.json")).sessions
    true, text = [], []
    for held in range(FOLDS):
        rest = [[pair for pair in session if fold(pair[0]) != held] for session in spoken]
        world = World.fit(WorldFile({}, rest))
        out = [[pair for pair in session if fold(pair[0]) == held] for session in spoken]
        true += [np.sum([counts(pair) for pair in session], axis=0) for session in out if session]
        text += [np.sum([counts(pair) for pair in session], axis=0) for session in simulated(world, out, n)]
    true, text = np.array(true, float), np.array(text, float)
    rng = np.random.default_rng(1)
    drawn = [measures(true[rng.integers(0, len(true), len(true))]) for _ in range(DRAWS)]
    there = measures(text)
    for what, value in measures(true).items():
        low, high = np.quantile([draw[what] for draw in drawn], [0.025, 0.975])
        # What is drawn lies in the interval 19 times of 20; a world's own error is allowed as much again.
        off = max(there[what] - value, 0) / max(high - value, 0.002) + max(value - there[what], 0) / max(
            value - low, 0.002
        )
        print(f"   {what}: spoken {value:.4f} ({low:.4f} to {high:.4f}), text {there[what]:.4f}")
        figures.at_most(f"{name}: {what}, off, in half intervals", off, 2.0)


def speed(figures, n):
    """Measure what mishearing costs a text session."""
    began = time.process_time()
    for index in range(n):
        there = worlds.mobile.begin(Seeds(1, index))
        for _ in range(5):
            there.recognised("I would like to book a table for two on Friday.")
    figures.shown("mishearing, CPU a session of five utterances", (time.process_time() - began) / n * 1e6, "us")


def main():
    given = arguments(__doc__, "sessions", 4000, 400)
    figures = Figures(given.quick)
    warnings.simplefilter("ignore")
    for name in worlds.NAMES:
        compared(figures, name, given.sessions)
    speed(figures, 2000)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
