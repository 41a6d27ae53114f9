"""A bare page on localhost that shows a widget's browser half with a stub in the kernel's place, in headless Chromium."""

import contextlib
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from voicelab.base.records import Event
from voicelab.live.page_data import event_view
from voicelab.record.lanes import Lanes
from voicelab.widgets.esm import STATIC, css, esm

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--autoplay-policy=no-user-gesture-required",
]  # fmt: skip
PATIENCE_MS = 120_000
"""How long a page is waited for: on a busy machine everything takes longer, and nothing else goes wrong."""
FAKE_MICROPHONE = "--use-fake-device-for-media-stream"
ALLOW_MICROPHONE = "--use-fake-ui-for-media-stream"
RATE = 16_000
VIEWPORT = {"width": 1264, "height": 900}
CLINIC = Path(__file__).parent.parent / "data" / "agents" / "clinic"

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

# In the microphone's place a person who is silent until the test says `speak`, and then says the words again and again,
# with pauses, until the test says `hush`. A file that plays from when the microphone is asked for doesn't wait for the
# test: on a slow machine its words are over before anything listens. Only the device is replaced: what it gives is a
# stream as any other.
PERSON = """([samples, rate, pause_s]) => {
  const room = new AudioContext();
  const air = room.createMediaStreamDestination();
  const words = room.createBuffer(1, samples.length + pause_s * rate, rate);
  words.copyToChannel(Float32Array.from(samples, (sample) => sample / 32768), 0);
  let voice = null;
  window.person = {
    speak() {
      voice = new AudioBufferSourceNode(room, { buffer: words, loop: true });
      voice.connect(air);
      voice.start();
    },
    hush: () => voice?.stop(),
    leave() {
      delete navigator.mediaDevices.getUserMedia;
      return room.close();
    },
  };
  // A copy, because whoever has asked for the microphone ends the stream.
  navigator.mediaDevices.getUserMedia = async () => air.stream.clone();
  return room.resume();
}"""


CHROMIUMS = [
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
]


def find_chromium():
    """Return the path of Chromium; without one the tests are skipped, in CI they fail."""
    for name in CHROMIUMS:
        if path := shutil.which(name):
            return path
    if os.environ.get("CI"):
        pytest.fail("There is no Chromium on PATH, and in CI the widgets are tested in one: see .ci/run.")
    pytest.skip("There is no Chromium on PATH: install it to test the widgets (apt-get install chromium).")


@contextlib.contextmanager
def served(folder: Path):
    """Serve a folder with all widgets' pages on localhost, and yield its address."""
    for entry in ("console", "microphone_widget", "speaker_widget"):
        (folder / f"{entry}.js").write_text(esm(entry), encoding="utf-8")
        for theme, body in {"": "", "-dark": 'data-jp-theme-light="false" style="background:#0b0e13"'}.items():
            text = HTML % {"entry": entry, "body": body}
            (folder / f"{entry}{theme}.html").write_text(text, encoding="utf-8")
    (folder / "style.css").write_text(css(), encoding="utf-8")
    (folder / "favicon.ico").write_bytes(b"")
    shutil.copytree(STATIC, folder / "static")
    # A process of its own, without coverage: in the tests' process a thread of the server once ended before it had
    # answered, and the page waited for the answer.
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(folder)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
    quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True, "env": environment}
    with subprocess.Popen(command, **quiet) as server:
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            yield f"http://localhost:{port}"
        finally:
            server.terminate()


def launch(playwright, *flags: str):
    """Launch Chromium without a window, and with what is played playing."""
    return playwright.chromium.launch(
        executable_path=find_chromium(), args=[*FLAGS, *flags], ignore_default_args=["--mute-audio"]
    )


def new_tab(browser):
    """Return a tab with cookies and permissions of its own, which costs a process."""
    page = browser.new_context(viewport=VIEWPORT).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    return page


def open_page(page, address: str, name: str = "console"):
    """Open a widget's page in a tab, where everything of the page before it ends, and wait until it is there."""
    page.goto(f"{address}/{name}.html")
    page.wait_for_function("window.ready")
    return page


def exchanged(page, function: str, given=None):
    """Call a function of the page with something large, and return what it returns, both as JSON in one piece.

    Playwright hands over what isn't text value by value, which takes seconds for sound.
    """
    call = f"async (given) => JSON.stringify((await ({function})(JSON.parse(given))) ?? null)"
    return json.loads(page.evaluate(call, json.dumps(given)))


@contextlib.contextmanager
def lent(page):
    """Lend the tab of a module to a test, see that nothing went wrong in it, and take it back as it was."""
    page.errors.clear()
    yield page
    page.evaluate("() => { localStorage.clear(); sessionStorage.clear(); }")
    page.context.clear_permissions()
    page.set_viewport_size(VIEWPORT)
    assert not page.errors


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


@functools.cache
def recorded():
    """Return the record of a session of the example clinic."""
    import voicelab as vl

    caller = [
        "I'd like to book something", vl.interrupt("another day please!", 1.4), "not sure", vl.silence(7), vl.press("1"),
        "yes, that is fine, book it",
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return vl.run(vl.load_handler(CLINIC), caller, seed=1)


def recorded_session():
    """Return that session as the kernel sends it: its state and its events."""
    record = recorded()
    parts = ["end of turn", "recognition", "handler", "synthesis", "playback"]
    times = [(1, [120, 88, 27, 133, 21]), (2, [118, 140, 31, 163, 22]), (3, [121, 96, 9, 96, 18])]
    state = {
        "phase": "ended", "session": 1, "waiting": [], "phrases": ["yes please", "no thank you"],
        "sessions": [entry(1, record), entry(2, record)],
        "next": {"parameters": '{"caller_name": "Ada"}', "input_data": "", "changed": [], "problems": {}}, "agent": "clinic", "log": "runs/talks", "blind": False,
        "tests": [
            {"test": test, "variants": declared["variants"], "variant": record.variants[test], "assignment": "random", "forced": None}
            for test, declared in record.declarations.items()
        ],
        "outcomes": record.outcomes, "metrics": [{"type": "gauge", "name": "handle_time_s", "value": 22.62, "time_s": 22.6}],
        "data": record.data, "output_data": {"slot": record.data.get("slot")}, "parameters": {"caller_name": "Ada"},
        "variables": {"OPENAI_API_KEY": "••••••"},
        "notes": [{"line": 31, "rule": "unnamed_task", "text": "create_task() has no name; the SDK: create_task(..., name='lookup')"}],
        "settings": {
            "stt": "sphinx", "tts": "pico", "mode": "push", "typing_interrupts": False, "speed": 1, "volume": 0.8, "muted": False,
            "echo_cancellation": True, "noise_suppression": True, "auto_gain": True,
        },
        "engines": {
            "stt": [engine("sphinx"), engine("whisper", installed=False, note="not installed: pip install faster-whisper"), engine("off")],
            "tts": [engine("pico"), engine("browser", offline=False, note="the page's own voices"), engine("off")],
        },
        "gate": {"open": True, "reason": ""},
        "latency": [
            {"turn": turn, "total_ms": sum(ms), "parts": [{"name": name, "ms": part} for name, part in zip(parts, ms, strict=True)]}
            for turn, ms in times
        ],
        "status": record.status, "duration_s": record.duration_s, "ask": None, "message": None,
    }  # fmt: skip
    return state, as_messages(record.events, record.duration_s)


def entry(number, record):
    """Return a session as an entry of the console's list."""
    variants = [f"{test} {variant}" for test, variant in record.variants.items()]
    return {
        "number": number, "began_ms": 1_764_000_000_000 + 60_000 * number, "status": record.status, "variants": variants,
        "duration_s": record.duration_s, "n_turns": record.n_turns, "n_errors": 0, "opening": "hello", "has_sound": True,
    }  # fmt: skip


def as_messages(events, ended_s=None):
    """Return events as the kernel sends them; of a session that still runs, unless it says when it ended."""
    lanes = Lanes(live=True)
    for event in events:
        lanes.take(event)
    if ended_s is not None:
        lanes.end(ended_s)
    return [event_view(lanes.event(seq), lanes.spans(seq), f"Why event {seq} came.") for seq in lanes.changed()]


def engine(name, *, offline=True, installed=True, note=""):
    return {"name": name, "label": name, "offline": offline, "installed": installed, "note": note}


def live(state, **changes):
    """Return the state of a session that has just begun."""
    begun = {"phase": "live", "status": None, "duration_s": None, "outcomes": {}, "metrics": [], "latency": []}
    whole = {**state, **begun, **changes}
    settings = whole["settings"]
    pace = settings["speed"] if settings["tts"] == "off" else 1
    return {"uses": {"stt": settings["stt"], "tts": settings["tts"], "pace": pace}, **whole}


def said(seq, time_s, text, who="agent", **data):
    """Return an event of speech as the kernel sends it."""
    return as_messages([_said(seq, time_s, text, who, duration_s=1.0, **data)])[0]


def _said(seq, time_s, text, who, **data):
    kind, name = ("output", "text_to_speech") if who == "agent" else ("input", "text")
    return Event(seq, time_s, seq, kind, name, {"text": text, **data})


def many_events(seqs: range):
    """Return events of a very long session: what two people say, tasks, metrics, logs."""
    events = []
    for seq in seqs:
        turn, part = divmod(seq, 5)
        event = replace(_said(seq, turn * 2.0 + 0.3 * part, f"line {seq}", "agent" if part else "caller"), turn=turn)
        if part == 2:
            event = replace(
                event,
                kind="log",
                name="log",
                background=True,
                task_name=f"task {turn % 7}",
                data={"message": "at work"},
            )
        elif part > 2:
            event = replace(event, kind="metric", name="metric", data={"name": "n", "value": seq})
        events.append(event)
    return as_messages(events)
