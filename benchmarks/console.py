"""The console's browser half in Chromium: how soon playback stops, how smooth a long session scrolls.

`python benchmarks/console.py [ROUNDS]` prints medians beside their bounds. Barge-in: from the first loud sample that
the microphone gave the page until playback had stopped. Scrolling: from a turn of the wheel until the next frame is
drawn, with 10,000 events in the session. A long talk: hundreds of turns with sound, after which the page should
hold little more than their events.
"""

import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
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

BOUNDS_MS = {"barge-in: onset to silence": 60, "scrolling 10,000 events: frame": 50}
QUIET_S = 1.2
N_EVENTS = 10_000

SCROLL = """async () => {
  const stage = document.querySelector('.vl-stage');
  const times = [];
  for (let i = 0; i < 120; i++) {
    const began = performance.now();
    const wheel = i % 3 ? { deltaX: i % 2 ? 400 : -250 } : { deltaY: i % 2 ? 120 : -110, ctrlKey: true };
    stage.dispatchEvent(new WheelEvent('wheel', { ...wheel, clientX: 600, bubbles: true, cancelable: true }));
    await new Promise(requestAnimationFrame);
    await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
    times.push(performance.now() - began);
  }
  return times;
}"""
ADD = """async (event) => {
  const times = [];
  for (let i = 0; i < 40; i++) {
    const began = performance.now();
    widget.tell({ k: 'events', events: [{ ...event, seq: 10000 + i, time_s: 4000 + i }], now_s: 4000 + i });
    await new Promise(requestAnimationFrame);
    await new Promise((done) => { const { port1, port2 } = new MessageChannel(); port1.onmessage = done; port2.postMessage(0); });
    times.push(performance.now() - began);
  }
  return times;
}"""

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


def new_page(browser, url):
    page = browser.new_context(viewport={"width": 1264, "height": 900}).new_page()
    page.goto(f"{url}/console.html")
    page.wait_for_function("window.ready")
    return page


def barge_in_ms(browser, url) -> float:
    """Return the time from the first loud sample until playback had stopped."""
    page = new_page(browser, url)
    state = live(recorded_session()[0])
    plain = {"echo_cancellation": False, "noise_suppression": False, "auto_gain": False, "mode": "hands_free"}
    state["settings"] = {**state["settings"], **plain}
    page.evaluate("state => { widget.tell({ k: 'all', state, events: [] }); widget.tone(3, 8); }", state)
    page.wait_for_function("widget.sent.some(message => message.k === 'onset')", timeout=15_000)
    page.wait_for_timeout(400)
    sent = page.evaluate("widget.sent")
    heard = np.concatenate([np.asarray(piece) for piece in page.evaluate("widget.audio.map(a => Array.from(a))")])
    pieces = [message["t"] for message in sent if message["k"] == "pcm"]
    loud = int(np.argmax(np.abs(heard) > 400))
    began_ms = 1000 * (pieces[loud // 1600] + loud % 1600 / RATE)
    stopped_ms = next(message["at"] for message in sent if message["k"] == "stopped")
    page.context.close()
    return stopped_ms - began_ms


def long_talk_mb(browser, url) -> tuple[float, float]:
    """Return how much more memory a page holds after 300 turns than after 100, and after 500 than after 300, in MB."""
    page = new_page(browser, url)
    page.evaluate("state => widget.tell({ k: 'all', state, events: [] })", live(recorded_session()[0]))
    event = many_events(1)[0]
    held = [page.evaluate(TALK, [event, 100 * n, 100]) for n in range(5)]
    page.context.close()
    return held[2] - held[0], held[4] - held[2]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url, sync_playwright() as playwright:
        wav = write_wav(Path(folder) / "spoken.wav", np.concatenate([np.zeros(int(QUIET_S * RATE)), speech_like(4.0)]))
        browser = launch(
            playwright, FAKE_MICROPHONE, ALLOW_MICROPHONE, f"--use-file-for-fake-audio-capture={wav}%noloop",
            "--js-flags=--expose-gc", "--enable-precise-memory-info",
        )  # fmt: skip
        cut = [barge_in_ms(browser, url) for _ in range(rounds)]
        page = new_page(browser, url)
        events = many_events(N_EVENTS)
        page.evaluate(
            "([state, events]) => widget.tell({ k: 'all', state, events })", [live(recorded_session()[0]), events]
        )
        page.wait_for_timeout(1000)
        scrolled = page.evaluate(SCROLL)
        added = page.evaluate(ADD, events[0])
        nodes = page.evaluate("document.querySelectorAll('.vl-console *').length")
        heap = page.evaluate("performance.memory ? performance.memory.usedJSHeapSize / 1e6 : null")
        earlier, later = long_talk_mb(browser, url)
        browser.close()
    rows = {"barge-in: onset to silence": cut, "scrolling 10,000 events: frame": scrolled}
    for name, times in rows.items():
        worst = f"worst {max(times):.0f} ms of {len(times)}"
        print(f"{name:<34} median {statistics.median(times):6.1f} ms   required {BOUNDS_MS[name]} ms   {worst}")
    print(f"{'an event more, at 10,000':<34} median {statistics.median(added):6.1f} ms   worst {max(added):.0f} ms")
    print(f"{'200 turns with sound':<34} {earlier:.2f} MB more memory, the next 200 {later:.2f} MB")
    print(f"{'page with 10,000 events':<34} {nodes} elements, {heap:.0f} MB of JavaScript memory")


if __name__ == "__main__":
    main()
