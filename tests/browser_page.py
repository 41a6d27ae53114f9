"""A bare page on localhost that shows a widget's browser half with a stub in the kernel's place, in headless Chromium."""

import contextlib
import functools
import http.server
import os
import shutil
import threading
import wave
from pathlib import Path

import numpy as np
import pytest

from voicelab.conversation import _lines_of
from voicelab.widgets.esm import css, esm

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
FAKE_MICROPHONE = "--use-fake-device-for-media-stream"
ALLOW_MICROPHONE = "--use-fake-ui-for-media-stream"
RATE = 16_000

# `tell` plays the kernel; `sent` is what the widget said to it. `lost` makes a send throw, as a dead kernel does.
HTML = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>voicelab</title>
<link rel="stylesheet" href="style.css"><style>body { margin: 12px }</style></head>
<body %(body)s><main></main><script type="module">
import factory from "./%(entry)s.js";
window.makeWidget = async (key) => {
  const listeners = new Map();
  const widget = { sent: [], audio: [], lost: false, values: { key }, seen: factory() };
  const model = {
    get: (name) => widget.values[name],
    set: (name, value) => { widget.values[name] = value; },
    save_changes() {},
    on(name, listen) { listeners.set(name, [...(listeners.get(name) ?? []), listen]); },
    off() {},
    send(content, callbacks, buffers) {
      if (widget.lost) throw new Error("comm is closed");
      widget.sent.push({ ...content, at: performance.now() });
      if (content.k === "pcm") widget.audio.push(new Int16Array(buffers[0].slice(0)));
      if (content.k === "recording") widget.recording = buffers[0];
    },
  };
  widget.emit = (name, ...values) => (listeners.get(name) ?? []).forEach((listen) => listen(...values));
  // As in a notebook, a buffer is a view into a larger one.
  widget.tell = (content, samples) => {
    let views = [];
    if (samples) {
      const whole = new Int16Array(samples.length + 4);
      whole.set(samples, 4);
      views = [new DataView(whole.buffer, 8)];
    }
    widget.emit("msg:custom", content, views);
  };
  widget.tone = (row, seconds, more = {}) => {
    const rate = 24000;
    const samples = Int16Array.from({ length: seconds * rate }, (_, i) => 9000 * Math.sin(i / 8));
    widget.tell({ k: "audio", row, rate, interruptible: true, last: true, ...more }, samples);
  };
  widget.show = async () => {
    const el = document.createElement("div");
    document.querySelector("main").append(el);
    return widget.seen.render({ model, el });
  };
  widget.gone = await widget.seen.initialize({ model, signal: new AbortController().signal });
  return widget;
};
window.widget = await window.makeWidget("one");
window.removeView = await window.widget.show();
window.ready = true;
</script></body></html>"""


def find_chromium():
    """Return the path of Chromium; without one the tests are skipped, in CI they fail."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("There is no Chromium on PATH, and in CI the widgets are tested in one: see .ci/run.")
    pytest.skip("There is no Chromium on PATH: install it to test the widgets (apt-get install chromium).")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def served(folder: Path):
    """Serve a folder with all widgets' pages on localhost, and yield its address."""
    for entry in ("console", "microphone_widget", "speaker_widget"):
        (folder / f"{entry}.js").write_text(esm(entry), encoding="utf-8")
        for theme, body in {"": "", "-dark": 'data-jp-theme-light="false" style="background:#0b0e13"'}.items():
            text = HTML % {"entry": entry, "body": body}
            (folder / f"{entry}{theme}.html").write_text(text, encoding="utf-8")
    (folder / "style.css").write_text(css(), encoding="utf-8")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def chromium(*flags: str):
    """Launch Chromium without a window, and with what is played playing."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=[*FLAGS, *flags], ignore_default_args=["--mute-audio"]
        )
        try:
            yield browser
        finally:
            browser.close()


def write_wav(path: Path, samples) -> Path:
    """Write mono PCM16 at 16 kHz."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.asarray(samples, np.int16).tobytes())
    return path


def speech_like(seconds: float, seed: int = 7):
    """Return sound that is never the same twice, in the band of speech: so that a shift in time shows."""
    rng = np.random.default_rng(seed)
    noise = np.fft.rfft(rng.standard_normal(int(seconds * RATE)))
    hertz = np.fft.rfftfreq(int(seconds * RATE), 1 / RATE)
    noise[(hertz < 200) | (hertz > 3000)] = 0
    wave_form = np.fft.irfft(noise)
    swell = 0.35 + 0.65 * np.abs(np.sin(2 * np.pi * 1.7 * np.arange(len(wave_form)) / RATE))
    return (9000 * swell * wave_form / np.abs(wave_form).max() * 2).clip(-32000, 32000).astype(np.int16)


def message_events(record):
    """Return a record's events as the console's messages carry them."""
    return [
        {
            "seq": event.seq, "time_s": event.time_s, "turn": event.turn, "kind": event.kind, "name": event.name,
            "data": event.data, "background": event.background, "task_name": event.task_name,
            "lines": [vars_of(line) for line in _lines_of(event)],
            **({"end_s": _end_s(event)} if event.name in {"text_to_speech", "audio", "silence"} else {}),
        }
        for event in record.events
    ]  # fmt: skip


def vars_of(line):
    return {name: getattr(line, name) for name in ("who", "text", "lost", "label", "time_s")}


def _end_s(event):
    data = event.data
    return event.time_s + data.get("played_s", 0.06 * len(str(data.get("text", ""))) / (data.get("speed") or 1))
