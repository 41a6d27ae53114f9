"""Recognition, end of turn and cost of the speech engines: `python benchmarks/speech.py [SENTENCES] [--quick]`.

Word error rates are of phone-call sentences, in the voices that are installed (`speech_ears.py`); the cost is CPU time over the
length of the sound. Everything is seeded.
"""

import resource
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from figures import Figures, arguments
from speech_ears import EXPECTED as SENTENCES
from speech_ears import SENTENCES as ALL
from speech_ears import ears

import voicelab as vl
from voicelab import speech
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation.worker import ShardTask, run_sessions
from voicelab.speech import Audio, Endpointer, PhoneLine, cache, synthesize_sentences
from voicelab.speech.endpointer import FRAME, RATE, detector
from voicelab.world.telephone import Telephone, _studio


def speaking(figures, sentences):
    for name in ("pico", "espeak"):
        try:
            engine = speech.text_to_speech(name)
        except vl.VoicelabError as error:
            print(error)
            continue
        shares = []
        for n, sentence in enumerate(sentences):
            began = time.process_time()
            sound = engine.synthesize(f"{sentence} {n}", speed=1.01)
            shares.append((time.process_time() - began) / sound.duration_s)
        figures.shown(f"synthesis: {name}, CPU over the length of the sound", statistics.median(shares))
    pico, first = speech.text_to_speech("pico"), {1: [], 15: []}
    for n in range(20):
        for length, times in first.items():
            said = " ".join(f"Parcel {n} of order {n * 100 + length + i} is on its way." for i in range(length))
            began = time.process_time()
            next(synthesize_sentences(pico, said))
            times.append(time.process_time() - began)
    one, many = (statistics.median(times) for times in first.values())
    figures.at_most("first sound of fifteen sentences, over that of one", many / one, 1.5)


def stream(sentences, snr_db, seed):
    """Return sound with speech in it, 16 kHz, and for each frame whether it holds a voice."""
    mouth, rng = speech.text_to_speech("pico"), np.random.default_rng(seed)
    parts, truth, ends = [], [], []
    for n, sentence in enumerate(sentences):
        quiet = np.zeros(int(RATE * rng.uniform(1.2, 2.5)), np.float32)
        said = mouth.synthesize(sentence, voice=("nova", "brooke")[n % 2]).trimmed(40, 0.0).floats()
        parts += [quiet, said]
        truth += [np.zeros(len(quiet), bool), np.ones(len(said), bool)]
        ends.append(sum(map(len, parts)) / RATE)
    parts.append(np.zeros(2 * RATE, np.float32))
    truth.append(np.zeros(2 * RATE, bool))
    samples, voiced = np.concatenate(parts), np.concatenate(truth)
    level = np.sqrt(np.mean(samples[voiced] ** 2)) * 10 ** (-(60 if snr_db is None else snr_db) / 20)
    noisy = samples + rng.standard_normal(len(samples)) * level
    n = len(samples) // FRAME
    return noisy.astype(np.float32), voiced[: n * FRAME].reshape(n, FRAME).mean(axis=1) > 0.5, ends


def ends_of_turn(figures, sentences):
    for name in ("silero", "energy"):
        for snr_db in (None, 10, 5):
            samples, voiced, ends = stream(sentences, snr_db, 3)
            frames = samples[: len(voiced) * FRAME].reshape(-1, FRAME)
            found = detector(name)
            began = time.process_time()
            said = np.array([found.probability(frame) for frame in frames]) >= 0.5
            cost = (time.process_time() - began) / len(frames) * 1e6
            ear, delays, turns = Endpointer(detector=name), [], 0
            for at in range(0, len(samples), 1600):
                for event in ear.feed(Audio(samples[at : at + 1600], RATE).samples):
                    if event.name == "speech_ended":
                        turns += 1
                        now = (at + 1600) / RATE
                        delays.append(now - min(ends, key=lambda end: abs(end + 0.7 - now)))
            case = f"{name}, {'clean' if snr_db is None else f'{snr_db} dB'}"
            if snr_db is None:
                figures.at_least(f"end of turn: {case}, turns found of those said", turns / len(ends), 0.95)
                figures.at_most(
                    "   delay after the last sound (median)", statistics.median(delays or [np.inf]), 1.0, "s"
                )
            else:
                figures.shown(f"end of turn: {case}, turns found of those said", turns / len(ends))
            figures.shown("   frames with a voice that are found", said[voiced].mean())
            figures.shown("   frames without that are taken for one", said[~voiced].mean())
            figures.shown("   CPU a frame", cost, "us")


def simulation(figures, sessions):
    """Print the CPU time of a simulation through audio over that of its engines alone."""
    telephone = Telephone(PhoneLine(), "pico", "sphinx")
    studio, spent = _studio(telephone), [0.0]

    def timed(function):
        def call(*args, **kwargs):
            began = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                spent[0] += time.process_time() - began

        return call

    studio.stt.transcribe = timed(studio.stt.transcribe)
    studio.tts.synthesize = timed(studio.tts.synthesize)
    ear = studio.endpointer(telephone.line)
    ear.feed = timed(ear.feed)
    job = Job(SessionOptions(vl.load_handler(receptionist), vl.Script(SENTENCES[:5]), telephone=telephone))
    began = time.process_time()
    with vl.sdk.hosted():
        n = len(run_sessions(job, ShardTask(Path(), 0, "all", 0, sessions, {}), []).rows)
    whole = time.process_time() - began
    times = whole / spent[0]
    figures.shown("a session through audio, CPU", whole / n, "s")
    figures.at_most("a session through audio, over its engines alone", times, 1.25)


async def receptionist(event, context):
    if event.name in {"start", "text"}:
        yield vl.sdk.TextToSpeechEvent(text="Certainly. What else can I do for you?", voice="nova")


def seconds(sessions, workers):
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        vl.simulate(
            receptionist, vl.Script(SENTENCES[:5]), sessions=sessions, workers=workers, audio=PhoneLine(),
            progress=False, log=Path(folder) / "log",
        )  # fmt: skip
        return time.perf_counter() - began


def second_worker(figures, few, many):
    """Print what a second worker brings, start-up left out."""
    rates = {}
    for workers in (1, 2):
        short, long = seconds(few, workers), seconds(many, workers)
        rates[workers] = (many - few) / (long - short)
    figures.shown("two workers over one, through audio", rates[2] / rates[1])


def memory(figures, sessions):
    """Print what memory a worker gains with its sessions."""
    telephone = Telephone(PhoneLine(), "pico", "sphinx")
    job = Job(SessionOptions(vl.load_handler(receptionist), vl.Script(SENTENCES[:5]), telephone=telephone))
    held = []
    with vl.sdk.hosted():
        for first in range(0, 3 * sessions, sessions):
            run_sessions(job, ShardTask(Path(), 0, "all", first, first + sessions, {}), [])
            held.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6)
    figures.at_most("memory of a worker after thrice the sessions, over once", held[-1] / held[0], 1.15)


def main():
    given = arguments(__doc__, "sentences", len(ALL), 8)
    sentences, figures = SENTENCES[: given.sentences], Figures(given.quick)
    warnings.simplefilter("ignore")
    ears(figures, given.sentences, quick=given.quick)
    if not given.quick:  # nothing is required of it, and it takes its time
        second_worker(figures, 40, 200)
    with cache.bypassed():
        speaking(figures, sentences)
    ends_of_turn(figures, sentences)
    simulation(figures, 5 if given.quick else 40)
    memory(figures, 5 if given.quick else 100)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
