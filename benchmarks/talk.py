"""How soon a spoken agent answers in a real JupyterLab: `python benchmarks/talk.py [TURNS] [--quick]`.

A fake microphone says a sentence every few seconds, hands-free; a handler answers each with a new sentence. Nobody told the
recogniser what to expect: it is what `auto` takes for open speech, and the voice is `natural`. A turn's whole time runs from the
end of the caller's last word, as the microphone heard it, until the page plays the answer. The silence that ends a turn, the
recogniser's and the voice's own time are known of each turn: the rest is voicelab's, the kernel's and the browser's. Medians.

All this is real time: the yardstick is how much longer a computation takes meanwhile than its CPU time, because other programs
run. Times without the silence are divided by it.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import soundfile
from figures import Figures, arguments
from playwright.sync_api import sync_playwright
from speech_ears import EXPECTED, SENTENCES

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from browser_page import ALLOW_MICROPHONE, FAKE_MICROPHONE, launch, write_wav
from jupyter_page import Notebook, Window, jupyter

from voicelab import speech
from voicelab.speech.endpointer import FRAME, SILENCE_S

RATE = 16_000
PERIOD_S, FIRST_S = 8.0, 6.0
# So much softer than the loudest moment is the end of a word.
WORDS_DB = 40
# A recogniser whose words had been there before was not waited for: what that takes is the news of the end.
NEWS_MS = 10.0
PARTS = ("end_of_turn", "recognition", "handler", "synthesis", "playback")
SETUP = """
import json, time, warnings
warnings.simplefilter("ignore")
import voicelab as vl
from voicelab import speech

class Timed:
    name, version, offline, spent = "natural", "1", True, []
    voice = speech.text_to_speech("natural")
    def synthesize(self, text, *args, **kwargs):
        began = time.perf_counter()
        sound = self.voice.synthesize(text, *args, **kwargs)
        if text.startswith("Certainly"):  # the first sentence
            self.spent.append(1000 * (time.perf_counter() - began))
        return sound

speech.speech_to_text("auto").warm_up()  # unpacks its weights, once a cache
n = 0
async def handler(event, context):
    global n
    if event.name == "text":
        n += 1
        yield vl.sdk.TextToSpeechEvent(text=f"Certainly, that was number {n}. Shall I book it?", voice="nova")
console = vl.Console(handler, tts=Timed(), seed=1, log="LOG", keep_audio=True)
console
"""
READ = """
rows = [e for e in console.record.events if e.name in {"latency", "recognition"}]
print(json.dumps({"latency": [e.data for e in rows if e.name == "latency"], "says_ms": Timed.spent,
    "hears_ms": [1000 * e.data["recognition_s"] for e in rows if e.name == "recognition" and e.data["text"]]}))
"""


def spoken(turns: int) -> np.ndarray:
    """Return what the microphone hears: a quiet room, and a sentence in each period."""
    room = np.random.default_rng(0)
    heard = room.integers(-20, 20, int(RATE * (PERIOD_S * turns + FIRST_S))).astype(np.int16)
    mouth, sentences = speech.text_to_speech("natural"), SENTENCES[len(EXPECTED) :]
    for turn in range(turns):
        words = mouth.synthesize(sentences[turn % len(sentences)], voice="brooke").resampled(RATE).pcm16()
        at = int(RATE * (PERIOD_S * turn + FIRST_S))
        heard[at : at + len(words)] += words
    return heard


class Computation:
    """A little work again and again: `slowdown` is the time that it took over its CPU time."""

    def __init__(self) -> None:
        self._wall = self._cpu = 0.0
        self._stop = threading.Event()

    def __enter__(self):
        threading.Thread(target=self._work, daemon=True).start()
        return self

    def _work(self) -> None:
        while not self._stop.wait(0.2):
            wall, cpu = time.perf_counter(), time.thread_time()
            while time.thread_time() < cpu + 0.02:
                pass
            self._wall += time.perf_counter() - wall
            self._cpu += time.thread_time() - cpu

    def __exit__(self, *_):
        self._stop.set()

    @property
    def slowdown(self) -> float:
        return self._wall / self._cpu


def late_ms(sound: np.ndarray) -> list[float]:
    """Return for each turn of what the microphone heard how much later than its last word the detector hears its end."""
    found = []
    for event in speech.Endpointer(SILENCE_S).feed(sound):
        if event.audio is not None:
            # Half of the silence, of whole frames, is part of the turn's sound.
            frames = round(SILENCE_S * RATE / FRAME)
            voice_s = event.audio.duration_s - (frames - frames // 2) * FRAME / RATE
            tens = event.audio.floats()[: len(event.audio.samples) // 160 * 160].reshape(-1, 160)
            levels = np.sqrt(np.mean(tens**2, axis=1))
            words_s = (np.flatnonzero(levels > levels.max() * 10 ** (-WORDS_DB / 20))[-1] + 1) * 160 / RATE
            found.append(1000 * (voice_s - words_s))
    return found


def measured(turns: int) -> dict:
    """Hold the conversation and return what the record says of it."""
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        (folder / "books").mkdir()
        capture = write_wav(folder / "spoken.wav", spoken(turns))
        flags = FAKE_MICROPHONE, ALLOW_MICROPHONE, f"--use-file-for-fake-audio-capture={capture}%noloop"
        with jupyter(folder / "books", folder / "voices") as address:
            browser = launch(playwright, *flags)
            context = browser.new_context(viewport={"width": 1400, "height": 1250})
            context.grant_permissions(["microphone"], origin=address)
            setup = SETUP.replace("LOG", str(folder / "talks"))
            book = Notebook(Window(context, address), folder / "books", [setup, READ], "lab")
            book.run(0)
            book.connect()
            book.button("Hands-free").click()
            book.page.wait_for_timeout(1000 * (PERIOD_S * turns + FIRST_S))
            book.hang_up()
            found = book.value(1)
            browser.close()
        [kept] = (folder / "talks" / "audio").glob("*.wav")
        sound, _ = soundfile.read(kept, dtype="int16")
    return found | {"late_ms": late_ms(sound[:, 0])}


def own_ms(latency: dict, hears_ms: float, says_ms: float) -> float:
    """Return what is voicelab's, the kernel's and the browser's of a turn's time."""
    waited = latency["recognition_ms"]
    # The recogniser begins in the silence: what is waited for its words then is the rest of its time, or nothing but the news.
    engine = min(waited, hears_ms) if waited > NEWS_MS else 0.0
    return latency["total_ms"] - 1000 * SILENCE_S - engine - says_ms


def main() -> int:
    given = arguments(__doc__, "turns", 16, 4)
    with Computation() as computation:
        found = measured(given.turns)
    turns = list(zip(*(found[name] for name in ("latency", "hears_ms", "says_ms", "late_ms")), strict=False))
    figures = Figures(given.quick)
    figures.at_least("sentences that were answered, of those said", len(turns) / given.turns, 0.75, target=1.0)
    # The first answer waits for engines that start; it is no measure of the others.
    rows = turns[1:]
    if not rows:
        return figures.exit_code()  # a machine that can't keep up with speech
    figures.shown("the detector hears a last word's end later by", statistics.median(late for *_, late in rows), "ms")
    for part in PARTS:
        figures.shown(f"   {part}", statistics.median(latency[f"{part}_ms"] for latency, *_ in rows), "ms")
    figures.shown("the recogniser's own time", statistics.median(hears for _, hears, *_ in rows), "ms")
    figures.shown("the voice's own time, first sentence", statistics.median(says for *_, says, _ in rows), "ms")
    figures.shown("a computation beside, over its CPU time", computation.slowdown)
    whole = statistics.median(latency["total_ms"] + late for latency, *_, late in rows)
    own = statistics.median(own_ms(*row[:3]) for row in rows)
    silence = 1000 * SILENCE_S
    figures.shown("end of the last word to first sound", whole, "ms")
    free = silence + (whole - silence) / computation.slowdown
    figures.at_most("   all but the silence over the computation", free, 900, "ms")
    figures.shown("   without silence and engines", own, "ms")
    figures.at_most("   that over the computation", own / computation.slowdown, 60, "ms")
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
