"""The agent's own voice in the microphone: `python benchmarks/echo.py [--quick]`.

Made-up rooms: reverberation and attenuation of the echo vary, its delay is drawn. Counted are beginnings of speech that the
detector finds where nobody spoke (false interruptions), and callers over the agent who aren't found within a second (missed
ones), with and without the echo taken out. Everything is seeded.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from figures import Figures

from voicelab import speech
from voicelab.speech import Endpointer
from voicelab.speech.echo import EARLIEST_S, RATE, EchoRemover, reference_s

SENTENCES = json.loads((Path(__file__).parent.parent / "data/phrases/phone_calls.json").read_text(encoding="utf-8"))
CALLER_AT_S, PIECE = 3.0, 1600


def room(seconds, rng):
    n = int(seconds * RATE)
    answer = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
    answer[:20] = 0.0
    answer *= 0.7 / np.sqrt((answer**2).sum())
    answer[0] = 1.0
    return answer / np.sqrt((answer**2).sum())


def cleaned(heard, played):
    remover, pieces, took = EchoRemover(), [], time.process_time()
    needed, ahead = round(reference_s() * RATE), round(-EARLIEST_S * RATE)
    whole = np.concatenate([np.zeros(needed), played, np.zeros(RATE)]).astype(np.float32)
    for at in range(0, len(heard) - PIECE + 1, PIECE):
        end = needed + at + PIECE + ahead
        pieces.append(remover.clean(heard[at : at + PIECE], whole[end - needed : end]))
    return np.concatenate(pieces), (time.process_time() - took) / len(pieces)


def beginnings(sound):
    return [event.time_s for event in Endpointer(detector="silero").feed(sound) if event.audio is None]


def main():
    quick = "--quick" in sys.argv
    figures, mouth = Figures(quick), speech.text_to_speech("pico")
    said = [mouth.synthesize(text, voice="nova").resampled(RATE).floats() for text in SENTENCES[:6]]
    agent = np.concatenate(said)
    agent *= 0.45 / np.abs(agent).max()
    caller = mouth.synthesize("no stop please I want to talk to a person", voice="brooke").resampled(RATE).floats()
    caller *= 0.05 / np.sqrt(np.mean(caller**2))
    rooms = [(length, db) for length in (0.2, 0.4, 0.6) for db in (-6, -18, -30)][: 2 if quick else None]
    false, raw, late, missed, costs = 0, 0, 0, 0, []
    for length, attenuation_db in rooms:
        rng = np.random.default_rng(int(length * 10))
        delay = np.zeros(int(rng.uniform(0.02, 0.5) * RATE))
        echo = np.convolve(agent, room(length, rng))[: len(agent)] * 10 ** (attenuation_db / 20)
        echo = np.concatenate([delay, echo])[: len(agent)] + rng.standard_normal(len(agent)) * 1e-3
        echo = echo.astype(np.float32)
        left, cost = cleaned(echo, agent)
        raw, false = raw + bool(beginnings(echo)), false + len(beginnings(left))
        at = int(CALLER_AT_S * RATE)
        echo[at : at + len(caller)] += caller
        left, _ = cleaned(echo, agent)
        found = [time_s - CALLER_AT_S for time_s in beginnings(left) if time_s > CALLER_AT_S - 0.1]
        missed, late = missed + (not found or found[0] > 1.0), late + bool(found and found[0] > 0.3)
        costs.append(cost)
    figures.shown("rooms", len(rooms))
    figures.shown("   in which the echo alone is taken for a caller, as it is", raw)
    figures.shown("   false beginnings when it is taken out", false)
    figures.at_most("   callers over the agent that are missed", missed, 0)
    figures.shown("   callers found more than .3 s late", late)
    figures.shown("   CPU a piece of 100 ms", 1000 * float(np.median(costs)), "ms")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
