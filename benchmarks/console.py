"""The console's browser half in Chromium, and many consoles in a kernel: `python benchmarks/console.py [ROUNDS] [--quick]`.

How soon the agent is played softly, how smooth a long session scrolls: medians. Barge-in: from the first loud sample that the
microphone gave the page until then. Scrolling: from a turn of the wheel until the next frame is drawn,
with 10,000 events in the session, over a frame without. A long talk: turns with sound, after which the page should hold
little more than their events. Many consoles: each is made, shown, talked to through the kernel's messages and dropped, in a
cell each, and then the kernel's memory, threads and descriptors are looked at.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from figures import Figures, arguments
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from browser_page import (
    ALLOW_MICROPHONE,
    FAKE_MICROPHONE,
    RATE,
    launch,
    live,
    many_events,
    recorded_session,
    served,
    speech_like,
    write_wav,
)

QUIET_S = 1.2
N_EVENTS = 10_000

# Each returns how long frames take without anything, and with something done before; in turn, so that whatever else the
# machine does slows both.
FRAMES = """const frame = async (work) => {
  const began = performance.now();
  work();
  await new Promise(requestAnimationFrame);
  await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
  return performance.now() - began;
};
const beside = async (n, work) => {
  const still = [], times = [];
  for (let i = 0; i < n; i++) {
    still.push(await frame(() => {}));
    times.push(await frame(() => work(i)));
  }
  return [still, times];
};"""
SCROLL = f"""async () => {{
  {FRAMES}
  const stage = document.querySelector('.vl-stage');
  return beside(120, (i) => {{
    const wheel = i % 3 ? {{ deltaX: i % 2 ? 400 : -250 }} : {{ deltaY: i % 2 ? 120 : -110, ctrlKey: true }};
    stage.dispatchEvent(new WheelEvent('wheel', {{ ...wheel, clientX: 600, bubbles: true, cancelable: true }}));
  }});
}}"""
ADD = f"""async (event) => {{
  {FRAMES}
  return beside(40, (i) =>
    widget.tell({{ k: 'events', events: [{{ ...event, seq: 10000 + i, time_s: 4000 + i }}], now_s: 4000 + i }}));
}}"""

# Each turn has two events and a sound, which is over before the next one; what the stub keeps itself is forgotten.
TALK = """async ([event, from, turns]) => {
  for (let i = from; i < from + turns; i++) {
    widget.tell({ k: 'events', events: [{ ...event, seq: 2 * i, time_s: 6 * i }, { ...event, seq: 2 * i + 1, time_s: 6 * i + 3 }], now_s: 6 * i + 3 });
    widget.tone(2 * i + 1, 0.05);
    while (!widget.sent.some((message) => message.k === 'ended' && message.row === 2 * i + 1)) await new Promise((done) => setTimeout(done, 5));
    widget.sent.length = 0;
  }
  await new Promise((done) => setTimeout(done, 300));
  gc(); gc();
  return performance.memory.usedJSHeapSize / 1e6;
}"""


# One that is shown is ended when eight more have been; what `Out` names would stay.
SETUP = """
import gc, os, threading, warnings
warnings.simplefilter("ignore")
import voicelab as vl

async def handler(event, context):
    if event.name == "text":
        yield vl.sdk.TextToSpeechEvent(text=f"You said {event.data['text']}.", voice="nova")

def held():
    gc.collect()
    pages = int(open("/proc/self/statm").read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, threading.active_count(), len(os.listdir("/proc/self/fd"))
"""
MAKE = "console = vl.Console(handler, tts='off', stt='off', seed=1); display(console); print('ID', console.model_id)"


class Kernel:
    """A Python kernel, and the page's side of its consoles."""

    def __init__(self) -> None:
        self._manager, self._client = start_new_kernel()

    def __enter__(self) -> "Kernel":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def run(self, code: str) -> str:
        """Run a cell and return what it printed."""
        sent, printed = self._client.execute(code), ""
        while True:
            message = self._client.get_iopub_msg(timeout=120)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") == sent:
                printed += content["text"] if kind == "stream" else ""
                if kind == "error":
                    raise RuntimeError("\n".join(content["traceback"]))
                if kind == "status" and content["execution_state"] == "idle":
                    return printed

    def talk(self, console: str) -> None:
        """Connect, say something, hear the answer, hang up."""
        self._send(console, k="hello")
        self._send(console, k="connect")
        self._await(console, lambda said: (said.get("state") or {}).get("phase") == "live")
        self._send(console, k="say", text="hello")
        self._await(console, lambda said: "You said" in str(said.get("events", "")))
        self._send(console, k="hang_up")
        self._await(console, lambda said: (said.get("state") or {}).get("phase") == "ended")

    def _send(self, console: str, **content: str) -> None:
        data = {"method": "custom", "content": {"engine": "page", **content}}
        message = self._client.session.msg("comm_msg", {"comm_id": console, "data": data})
        self._client.shell_channel.send(message)

    def _await(self, console: str, there) -> None:
        while True:
            content = self._client.get_iopub_msg(timeout=120)["content"]
            if content.get("comm_id") == console and there(content["data"].get("content") or {}):
                return


def many_consoles(count: int) -> list[tuple[float, int, int]]:
    """Return memory (MB), threads and descriptors of a kernel after 20 consoles and after all of them."""
    held = []
    with Kernel() as kernel:
        kernel.run(SETUP)
        for number in range(1, count + 1):
            kernel.talk(kernel.run(MAKE).split("ID ")[1].strip())
            kernel.run("del console")
            if number in {20, count}:
                kernel.run("held()")  # the first look itself takes something
                held.append(tuple(json.loads(kernel.run("import json; print(json.dumps(held()))"))))
    return held


def new_page(browser, url):
    page = browser.new_context(viewport={"width": 1264, "height": 900}).new_page()
    page.goto(f"{url}/console.html")
    page.wait_for_function("window.ready")
    return page


def barge_in_ms(browser, url) -> float:
    """Return the time from the first loud sample until the agent is played softly: the kernel decides whether it stops."""
    page = new_page(browser, url)
    state = live(recorded_session()[0])
    plain = {"echo_cancellation": False, "noise_suppression": False, "auto_gain": False, "mode": "hands_free"}
    state["settings"] = {**state["settings"], **plain}
    page.evaluate("state => { widget.tell({ k: 'all', state, events: [] }); widget.tone(3, 8); }", state)
    page.wait_for_function("widget.sent.some(message => message.k === 'onset')", timeout=15_000)
    page.wait_for_timeout(400)
    sent = page.evaluate("widget.sent")
    pieces = [np.asarray(piece) for piece in page.evaluate("widget.audio.map(a => Array.from(a))")]
    heard = np.concatenate(pieces)
    # The pieces follow each other without a gap: the one that came with the least delay tells when the first began.
    ends_ms = [message["at"] for message in sent if message["k"] == "pcm"]
    lengths_ms = 1000 * np.cumsum([len(piece) for piece in pieces]) / RATE
    first_ms = min(end_ms - length_ms for end_ms, length_ms in zip(ends_ms, lengths_ms, strict=False))
    loud = int(np.argmax(np.abs(heard) > 400))
    began_ms = first_ms + 1000 * loud / RATE
    softened_ms = next(message["at"] for message in sent if message["k"] == "onset")  # said in the same step
    page.context.close()
    return softened_ms - began_ms


def long_talk_mb(browser, url, turns: int) -> tuple[float, float]:
    """Return how much more memory a page holds after three times so many turns than after them, and after five, in MB."""
    page = new_page(browser, url)
    page.evaluate("state => widget.tell({ k: 'all', state, events: [] })", live(recorded_session()[0]))
    event = many_events(range(1))[0]
    held = [page.evaluate(TALK, [event, turns * n, turns]) for n in range(5)]
    page.context.close()
    return held[2] - held[0], held[4] - held[2]


def main() -> int:
    given = arguments(__doc__, "rounds", 5, 3)
    turns = 10 if given.quick else 100
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url, sync_playwright() as playwright:
        wav = write_wav(Path(folder) / "spoken.wav", np.concatenate([np.zeros(int(QUIET_S * RATE)), speech_like(4.0)]))
        browser = launch(
            playwright, FAKE_MICROPHONE, ALLOW_MICROPHONE, f"--use-file-for-fake-audio-capture={wav}%noloop",
            "--js-flags=--expose-gc", "--enable-precise-memory-info",
        )  # fmt: skip
        cut = [barge_in_ms(browser, url) for _ in range(given.rounds)]
        page = new_page(browser, url)
        events = many_events(range(N_EVENTS))
        page.evaluate(
            "([state, events]) => widget.tell({ k: 'all', state, events })", [live(recorded_session()[0]), events]
        )
        page.wait_for_timeout(1000)
        scrolled = page.evaluate(SCROLL)
        added = page.evaluate(ADD, events[0])
        nodes = page.evaluate("document.querySelectorAll('.vl-console *').length")
        heap = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1e6 : null")
        earlier, later = long_talk_mb(browser, url, turns)
        browser.close()
    figures = Figures(given.quick)
    # In real time no yardstick runs beside it: the best of the rounds is the one that nothing else held up.
    figures.at_most("barge-in: onset to soft playback, at best", min(cut), 80, "ms", target=60)
    figures.shown("   median", statistics.median(cut), "ms")
    for name, (still, worked), most in (
        ("scrolling 10,000 events", scrolled, 2.0),
        ("an event more at 10,000", added, 2.5),
    ):
        figures.shown(f"{name}: frame", statistics.median(worked), "ms")
        figures.at_most("   over a frame beside", statistics.median(worked) / statistics.median(still), most)
    figures.at_most(f"memory of {2 * turns} turns more, after {3 * turns}", later, 1.0, "MB")
    figures.shown(f"memory of {2 * turns} turns more, after {turns}", earlier, "MB")
    figures.at_most("elements of a page with 10,000 events", nodes, 2_500)
    figures.shown("JavaScript memory of that page", heap, "MB")
    count = 60 if given.quick else 500
    (first_mb, *first), (last_mb, *last) = many_consoles(count)
    figures.at_most(f"memory of a kernel after {count} consoles, over 20", last_mb - first_mb, 20, "MB")
    figures.at_most("   threads more", last[0] - first[0], 0)
    figures.at_most(
        "   descriptors more", last[1] - first[1], 24
    )  # the kernel's own and the last shown consoles' come and go
    return figures.exit_code()


if __name__ == "__main__":
    sys.exit(main())
