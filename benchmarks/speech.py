"""Recognition, end of turn and cost of the speech engines: `python benchmarks/speech.py [--quick] [--whisper MODEL]`.

Word error rates are of 35 phone-call sentences; the cost is CPU time over the length of the sound. Everything is
seeded. Bounds stand beside what they bound.
"""

import argparse
import json
import resource
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

import voicelab as vl
from voicelab import speech
from voicelab.runs.jobs import Job
from voicelab.runs.options import SessionOptions
from voicelab.simulation.worker import ShardTask, run_sessions
from voicelab.speech import Audio, Endpointer, PhoneLine, cache, synthesize_sentences
from voicelab.speech.endpointer import FRAME, RATE, detector
from voicelab.speech.words import normalized, word_errors
from voicelab.world.telephone import Telephone, _studio

SENTENCES = json.loads((Path(__file__).parent.parent / "data/phrases/phone_calls.json").read_text(encoding="utf-8"))
LINES = {
    "clean": None,
    "telephone": PhoneLine(),
    **{f"telephone, {snr} dB": PhoneLine(noise="pink", snr_db=snr) for snr in (20, 15, 10, 5)},
}
BOUND = 0.03


def voices():
    pico = speech.text_to_speech("pico")
    found = {"pico nova": (pico, "nova"), "pico brooke": (pico, "brooke")}
    try:
        found["espeak"] = (speech.text_to_speech("espeak"), None)
    except vl.VoicelabError as error:
        print(error)
    return found


def recognition(name, ear, phrases, sentences):
    """Print word error rate and whole sentences right, by voice and line."""
    for voice, (mouth, as_whom) in voices().items():
        sounds = [mouth.synthesize(sentence, voice=as_whom) for sentence in sentences]
        for line_name, line in LINES.items():
            rng = np.random.default_rng(1)
            heard_as, cpu, seconds = [], 0.0, 0.0
            for sound in sounds:
                passed = sound if line is None else line.apply(sound, rng)
                began = time.process_time()
                heard_as.append(ear.transcribe(passed, phrases).text)
                cpu += time.process_time() - began
                seconds += passed.duration_s
            pairs = list(zip(sentences, heard_as, strict=True))
            rate = sum(word_errors(*pair) for pair in pairs) / sum(len(normalized(sentence)) for sentence in sentences)
            whole = np.mean([normalized(said) == normalized(heard) for said, heard in pairs])
            bounded = phrases and voice.startswith("pico") and line_name in {"clean", "telephone"}
            bound = f"  at most {BOUND}" + ("" if rate <= BOUND else "  MISSED") if bounded else ""
            print(f"{name:22} {voice:12} {line_name:18} {rate:6.3f} {whole:6.2f}   {cpu / seconds:6.3f}{bound}")


def speaking(sentences):
    print("\nsynthesis, CPU seconds a second of sound (median)")
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
        print(f"{name:10} {statistics.median(shares):.4f}")
    pico, first = speech.text_to_speech("pico"), {1: [], 15: []}
    for n in range(20):
        for length, times in first.items():
            said = " ".join(f"Parcel {n} of order {n * 100 + length + i} is on its way." for i in range(length))
            began = time.perf_counter()
            next(synthesize_sentences(pico, said))
            times.append(1000 * (time.perf_counter() - began))
    one, many = (statistics.median(times) for times in first.values())
    print(f"first sound of a reply (median): of one sentence after {one:.0f} ms, of fifteen after {many:.0f} ms")


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


def ends_of_turn(sentences):
    print(
        "\nend of turn            recall  false alarms   us a frame   turns found   delay after the last sound, s (median)"
    )
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
            delay = f"{statistics.median(delays):.2f}" if delays else "none"
            level = "clean" if snr_db is None else f"{snr_db} dB"
            print(
                f"{name:10} {level:10} {said[voiced].mean():8.2f} {said[~voiced].mean():13.2f} {cost:12.0f}   "
                f"{turns:3} of {len(ends):3}        {delay}"
            )


def simulation(sessions):
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
    studio.endpointer.feed = timed(studio.endpointer.feed)
    job = Job(SessionOptions(vl.load_handler(receptionist), vl.Script(SENTENCES[:5]), telephone=telephone))
    began = time.process_time()
    with vl.sdk.hosted():
        n = len(run_sessions(job, ShardTask(Path(), 0, "all", 0, sessions, {}), []))
    whole = time.process_time() - began
    times = whole / spent[0]
    print(
        f"\n{n} five-turn sessions through audio: {whole / n:.3f} s of CPU each, {times:.2f} times the engines' own  at most 1.25"
    )


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


def scaling(few, many):
    """Print what a second worker brings, start-up left out, and what memory a worker gains with its sessions."""
    rates = {}
    for workers in (1, 2):
        short, long = seconds(few, workers), seconds(many, workers)
        rates[workers] = (many - few) / (long - short)
    print(f"two workers: {rates[2] / rates[1]:.2f} times the sessions a second of one (text: at least 1.8)")
    telephone = Telephone(PhoneLine(), "pico", "sphinx")
    job = Job(SessionOptions(vl.load_handler(receptionist), vl.Script(SENTENCES[:5]), telephone=telephone))
    held = []
    with vl.sdk.hosted():
        for first in range(0, 3 * many, many):
            run_sessions(job, ShardTask(Path(), 0, "all", first, first + many, {}), [])
            held.append(int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6)
    print(f"memory after {many}, {2 * many}, {3 * many} sessions: " + ", ".join(f"{mb:.0f} MB" for mb in held))


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="eight sentences")
    arguments.add_argument("--whisper", metavar="MODEL", help="folder of a faster-whisper model")
    given = arguments.parse_args()
    sentences = SENTENCES[:8] if given.quick else SENTENCES
    warnings.simplefilter("ignore")
    print(f"{'recogniser':22} {'voice':12} {'line':18} {'errors':>6} {'whole':>6}   {'CPU':>6}")
    recognition("sphinx, expected", speech.speech_to_text("sphinx"), sentences, sentences)
    recognition("sphinx, free", speech.speech_to_text("sphinx"), None, sentences)
    if given.whisper:
        recognition("whisper", speech.speech_to_text("whisper", model=given.whisper), None, sentences)
    with cache.bypassed():
        speaking(sentences)
    ends_of_turn(sentences)
    simulation(5 if given.quick else 40)
    scaling(*((20, 40) if given.quick else (40, 200)))


if __name__ == "__main__":
    main()
