"""What voicelab adds to the time until the agent answers, in a real JupyterLab: `python benchmarks/talk.py [TURNS] [--quick]`.

A fake microphone says a sentence every few seconds, hands-free; a handler answers each with a new sentence. A turn's
whole time runs from the caller's last sound until the page plays the answer. The silence that ends a turn, the
recogniser's and the voice's own time are subtracted, measured in the same turn: the rest is voicelab's, the kernel's and
the browser's. Medians. All this is real time: the yardstick is how much longer a computation takes meanwhile than its
CPU time, because other programs run.
"""

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from figures import Figures, arguments
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from browser_page import ALLOW_MICROPHONE, FAKE_MICROPHONE, launch, write_wav
from jupyter_page import Notebook, jupyter

from voicelab import speech

RATE = 16_000
PERIOD_S = 7.0
SILENCE_MS = 700
SETUP = """
import json, time, warnings
warnings.simplefilter("ignore")
import voicelab as vl
from voicelab import speech

class Timed:
    name, version, offline, spent = "pico", "1", True, []
    voice = speech.text_to_speech("pico")
    def synthesize(self, *args, **kwargs):
        began = time.perf_counter()
        sound = self.voice.synthesize(*args, **kwargs)
        self.spent.append(time.perf_counter() - began)
        return sound

n = 0
async def handler(event, context):
    global n
    if event.name == "text":
        n += 1
        yield vl.sdk.TextToSpeechEvent(text=f"That was number {n}.", voice="nova")
console = vl.Console(handler, tts=Timed(), stt="sphinx", phrases=["I want to buy it", "tell me more"], seed=1)
console
"""
READ = """
rows = [e for e in console.record.events if e.name in {"latency", "recognition"}]
print(json.dumps({"latency": [e.data for e in rows if e.name == "latency"], "spent": Timed.spent,
    "recognition": [e.data["recognition_s"] for e in rows if e.name == "recognition" and e.data["text"]]}))
"""


def spoken(turns: int) -> np.ndarray:
    """Return what the microphone hears: a quiet room, and a sentence in each period."""
    room = np.random.default_rng(0)
    words = speech.text_to_speech("pico").synthesize("I want to buy it", voice="brooke").pcm16()
    heard = room.integers(-20, 20, int(RATE * PERIOD_S * (turns + 1))).astype(np.int16)
    for turn in range(turns):
        at = int(RATE * (PERIOD_S * turn + 4))
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
            book = Notebook(context, address, folder / "books", "talk", [SETUP, READ])
            book.run(0)
            book.connect()
            book.button("Hands-free").click()
            book.page.wait_for_timeout(1000 * PERIOD_S * (turns + 1))
            book.hang_up()
            found = book.value(1)
            browser.close()
    return found


def main() -> int:
    given = arguments(__doc__, "turns", 12, 4)
    with Computation() as computation:
        found = measured(given.turns)
    turns = list(zip(found["latency"], found["recognition"], found["spent"], strict=False))
    figures = Figures(given.quick)
    figures.at_least("sentences that were answered, of those said", len(turns) / given.turns, 0.75, target=1.0)
    # The first answer waits for engines that start; it is no measure of the others.
    rows = turns[1:]
    if not rows:
        return figures.exit_code()  # a machine that can't keep up with speech
    for part in ("end_of_turn", "recognition", "handler", "synthesis", "playback"):
        figures.shown(f"   {part}", statistics.median(latency[part + "_ms"] for latency, _, _ in rows), "ms")
    whole = [latency["total_ms"] for latency, _, _ in rows]
    own = [latency["total_ms"] - SILENCE_MS - 1000 * (hears + says) for latency, hears, says in rows]
    figures.shown("end of speech to first audio", statistics.median(whole), "ms")
    figures.shown("a computation beside, over its CPU time", computation.slowdown)
    figures.shown("without silence and engines", statistics.median(own), "ms")
    figures.at_most("   over the computation", statistics.median(own) / computation.slowdown, 225, "ms", target=150)
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
