"""The half of benchmarks/speech.py that recognises: word errors by engine, voice and line with intervals, words out of nothing.

All sentences are heard by `auto`. What is slow is measured on fewer, and each figure says on how many: whisper and sphinx hear
every tenth sentence, beside what `auto` made of the same ones. Two processes share the work.
"""

import json
import multiprocessing
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import voicelab as vl
from voicelab import speech
from voicelab.speech import Audio, PhoneLine
from voicelab.speech.noises import NOISES
from voicelab.speech.words import word_counts

_PHRASES = Path(__file__).parent.parent / "data/phrases"
EXPECTED = json.loads((_PHRASES / "phone_calls.json").read_text(encoding="utf-8"))
SENTENCES = EXPECTED + json.loads((_PHRASES / "open_speech.json").read_text(encoding="utf-8"))
LINES = {"clean": None, "telephone": PhoneLine(), "car, 15 dB": PhoneLine(noise="car", snr_db=15)}
REQUIRED = {"clean": 0.06, "telephone": 0.08, "car, 15 dB": 0.20}
VOICES = {"natural nova": ("natural", "nova"), "natural onyx": ("natural", "onyx"), "pico nova": ("pico", "nova")}
OTHERS = ("whisper", "sphinx")
NOISY = {
    "car, 10 dB": PhoneLine(noise="car", snr_db=10),
    "white, 15 dB": PhoneLine(noise="white", snr_db=15),
    "pink, 10 dB": PhoneLine(noise="pink", snr_db=10),
}
_COMPARED = 10
_CALLERS = 24
_DRAWS = 2000
_FALSE_S, _CUT_S = 600, 10
_engines = {}


def installed():
    """Return the names of the voices and recognisers that are installed, of those that are compared."""
    have = set(speech.engines().query("installed")["name"])
    return {name: voice for name, voice in VOICES.items() if voice[0] in have}, [n for n in OTHERS if n in have]


def heard(cell):
    """Return for each sentence of a cell its words, those that are wrong, and what was heard; and CPU over sound."""
    ear, voice, line, sentences, phrases = cell
    warnings.simplefilter("ignore")
    engine, spoken_by = VOICES.get(voice, ("natural", voice))
    for kind, name in (("stt", ear), ("tts", engine)):
        if (kind, name) not in _engines:
            _engines[kind, name] = speech.speech_to_text(name) if kind == "stt" else speech.text_to_speech(name)
    mouth, rng, line = _engines["tts", engine], np.random.default_rng(1), {**LINES, **NOISY}[line]
    rows, cpu, seconds = [], 0.0, 0.0
    for sentence in sentences:
        sound = mouth.synthesize(sentence, voice=spoken_by)
        sound = sound if line is None else line.apply(sound, rng)
        began = time.process_time()
        text = _engines["stt", ear].transcribe(sound, phrases=phrases, language="en").text
        cpu, seconds = cpu + time.process_time() - began, seconds + sound.duration_s
        counts = word_counts(sentence, text)
        rows.append((counts["words"], counts["word_errors"], sentence, text))
    return rows, cpu / seconds


def rate(rows):
    """Return the share of words that are wrong, with an interval of 95 %: sentences drawn anew, 2,000 times."""
    words, errors = (np.array([row[at] for row in rows], float) for at in (0, 1))
    drawn = np.random.default_rng(1).integers(0, len(rows), (_DRAWS, len(rows)))
    rates = errors[drawn].sum(axis=1) / words[drawn].sum(axis=1)
    return errors.sum() / words.sum(), *np.quantile(rates, [0.025, 0.975])


def open_speech(figures, sentences):
    """Measure open speech: `auto` on all sentences, the others on some of them."""
    voices, others = installed()
    some = sentences[:: _COMPARED if len(sentences) > 2 * _COMPARED else 1]
    cells = [("auto", voice, line, sentences, None) for line in LINES for voice in voices]
    cells += [(ear, voice, line, some, None) for line in LINES for voice in voices for ear in others]
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        found = dict(zip([cell[:3] for cell in cells], pool.map(heard, cells), strict=True))
    for line in LINES:
        for voice in voices:
            rows, cpu = found["auto", voice, line]
            wrong, low, high = rate(rows)
            name = f"open speech: auto, {voice}, {line}"
            if voice.startswith("natural"):
                figures.at_most(name, wrong, REQUIRED[line])
            else:
                figures.shown(name, wrong)
            print(f"   {len(rows)} sentences, 95 % from {low:.3f} to {high:.3f}, CPU over the sound's length {cpu:.2f}")
            same = [row for row in rows if row[2] in set(some)]
            if others:
                print(f"   of these {len(same)}, which others heard too: {rate(same)[0]:.3f}")
            for ear in others:
                rows, cpu = found[ear, voice, line]
                wrong, low, high = rate(rows)
                print(
                    f"   {ear}: {wrong:.3f} ({low:.3f} to {high:.3f}) of {len(rows)} sentences, CPU {cpu:.2f}",
                    flush=True,
                )
                if ear == "sphinx" and "sphinx for open" not in speech.speech_to_text("auto").why:
                    figures.at_most(f"   auto over sphinx, {voice}, {line}", rate(same)[0] / max(wrong, 1e-9), 0.999)
    return found


def expected_phrases(figures, sentences):
    """Measure phrases that `auto` was told to expect: in quiet, of 24 callers, and in noise beside sphinx alone."""
    voices = installed()[0]
    for line in ("clean", "telephone"):
        for voice in voices:
            rows, _ = heard(("auto", voice, line, sentences, sentences))
            figures.at_most(f"expected phrases: auto, {voice}, {line}", rate(rows)[0], 0.005)
            print(f"   {len(rows)} phrases, 95 % to {rate(rows)[2]:.3f}")
    some = sentences[:: max(1, len(sentences) // 8)][:8]
    if "natural nova" in voices:
        for line in ("clean", "telephone"):
            rows = [
                row
                for number in range(1, _CALLERS + 1)
                for row in heard(("auto", f"caller-{number}", line, some[number % 4 :: 4], sentences))[0]
            ]
            figures.at_most(f"expected phrases: auto, {_CALLERS} natural callers, {line}", rate(rows)[0], 0.005)
            print(f"   {len(rows)} phrases, 95 % to {rate(rows)[2]:.3f}")
    for line in NOISY:
        for voice in voices:
            (rows, _), (alone, _) = (heard((ear, voice, line, some, sentences)) for ear in ("auto", "sphinx"))
            difference = rate(rows)[0] - rate(alone)[0]
            print(
                f"   expected phrases, {voice}, {line}: auto {rate(rows)[0]:.3f}, sphinx {rate(alone)[0]:.3f}, n {len(rows)}"
            )
            figures.at_most("   auto less sphinx", difference, 0.0)


def music(n, rng):
    """Return chords over a bass, struck and fading, two a second."""
    times, beat = np.arange(n) / 16_000, 8_000
    sound = np.zeros(n)
    for at in range(0, n, beat):
        root = 110 * 2 ** (rng.integers(0, 12) / 12)
        since = times[at : at + beat] - times[at]
        for ratio in (1, 2, 2.52, 3, 4):
            for harmonic in (1, 2, 3):
                wave = np.sin(2 * np.pi * root * ratio * harmonic * since + rng.uniform(0, 6)) / harmonic
                sound[at : at + beat] += wave * np.exp(-3 * since)
    return sound


def false_words(figures, seconds):
    """Count the words that `auto` hears in noises, music and silence, in pieces of ten seconds."""
    rng, ear, words, n = np.random.default_rng(3), speech.speech_to_text("auto"), [], _CUT_S * 16_000
    kinds = [*NOISES, "music", "silence"]
    for at in range(seconds // _CUT_S):
        kind = kinds[at % len(kinds)]
        sound = np.zeros(n) if kind == "silence" else music(n, rng) if kind == "music" else NOISES[kind](n, 16_000, rng)
        level = 10 ** (rng.uniform(-50, -15) / 20)
        sound = sound / max(np.sqrt(np.mean(sound**2)), 1e-9) * level
        words += ear.transcribe(Audio(np.clip(sound, -1, 1).astype(np.float32), 16_000)).text.split()
    figures.at_most(f"words out of {seconds / 60:.0f} minutes of noise, music, silence", len(words), 2)
    if words:
        print(f"   {' '.join(words)}")


def ears(figures, n, *, quick):
    """Measure all of it, with at most so many sentences."""
    try:
        print(speech.speech_to_text("auto").why)
    except vl.VoicelabError as error:
        print(error)
        return
    found = open_speech(figures, SENTENCES[:: max(1, len(SENTENCES) // n)])
    expected_phrases(figures, EXPECTED[: 8 if quick else len(EXPECTED)])
    false_words(figures, 120 if quick else _FALSE_S)
    wrong = [
        row
        for (ear, voice, _), (rows, _) in found.items()
        if ear == "auto" and voice != "pico nova"
        for row in rows
        if row[1]
    ]
    print(f"what auto got wrong of natural voices, {min(len(wrong), 10)} of {len(wrong)}:")
    for _, _, said, text in wrong[:: max(1, len(wrong) // 10)][:10]:
        print(f"   {said} | {text}")
