"""The widgets' sound in headless Chromium: a fake microphone plays a generated file, and what is played is recorded."""

import browser_page
import numpy as np
import pytest
from browser_page import (
    ALLOW_MICROPHONE,
    FAKE_MICROPHONE,
    RATE,
    exchanged,
    launch,
    lent,
    live,
    new_tab,
    open_page,
    recorded_session,
    served,
    speech_like,
    write_wav,
)
from playwright import sync_api

PLAIN = {"echo_cancellation": False, "noise_suppression": False, "auto_gain": False}
QUIET_S, SPEECH_S = 1.5, 5.0
_BETWEEN = 8
CONSOLE = "document.querySelector('.vl-console').voicelab"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    browser_page.find_chromium()
    with served(tmp_path_factory.mktemp("page")) as url:
        yield url


@pytest.fixture(scope="module")
def playwright(address):
    with sync_api.sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def spoken():
    """What the fake microphone plays, again and again: it begins when the microphone is asked for, and on a slow machine
    its first round is over before anything listens. Silence first, so that the onset is known."""
    quiet = np.zeros(int(QUIET_S * RATE), np.int16)
    return np.concatenate([quiet, speech_like(SPEECH_S), quiet])


@pytest.fixture(scope="module")
def browser(playwright, spoken, tmp_path_factory):
    wav = write_wav(tmp_path_factory.mktemp("wav") / "spoken.wav", spoken)
    flags = [FAKE_MICROPHONE, ALLOW_MICROPHONE, f"--use-file-for-fake-audio-capture={wav}"]
    browser = launch(playwright, *flags)
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def the_tab(browser):
    return new_tab(browser)


@pytest.fixture
def page(the_tab, address):
    with lent(the_tab) as page:
        yield open_page(page, address)


def begin(page, **settings):
    state, _ = recorded_session()
    state = live(state, settings={**state["settings"], **PLAIN, **settings})
    exchanged(page, "state => widget.tell({ k: 'all', state, events: [] })", state)


def sent(page, *kinds):
    return page.evaluate("kinds => widget.sent.filter(message => kinds.includes(message.k))", list(kinds))


def captured(page):
    return np.concatenate(
        [np.asarray(piece, np.int16) for piece in exchanged(page, "() => widget.audio.map(a => Array.from(a))")]
    )


def is_open(page):
    return page.evaluate(f"{CONSOLE}.microphone.isOpen")


def best_match(needle, haystack):
    """Return the highest correlation of a piece with any place of a sound, places between samples among them.

    The page's samples lie anywhere between the sound's: half a sample beside them, white sound would correlate by .94.
    """
    size = len(haystack) + len(needle)
    spectrum = np.fft.rfft(haystack, size) * np.conj(np.fft.rfft(needle, size))
    product = _BETWEEN * np.fft.irfft(spectrum, _BETWEEN * size)[: _BETWEEN * len(haystack)]
    energy = np.concatenate([[0.0], np.cumsum(haystack.astype(float) ** 2)])
    ends = np.minimum(np.arange(len(haystack)) + len(needle), len(haystack))
    norm = np.linalg.norm(needle.astype(float))
    local = np.maximum(np.sqrt(energy[ends] - energy[: len(haystack)]), norm / 10)  # quiet places don't match
    return float((product / np.repeat(local, _BETWEEN) / norm).max())


def hears_itself(page, act, until):
    """Do something, and return all that was played until a condition held, as floats at the page's own rate."""
    # On the audio thread, which misses nothing however busy the page is.
    page.evaluate(f"""async () => {{
      const engine = {CONSOLE};
      engine.playback.wake();
      const gain = engine.playback.output;
      const source = `registerProcessor("tap", class extends AudioWorkletProcessor {{
        process([input]) {{ this.port.postMessage([currentTime, input[0]?.slice() ?? []]); return true; }}
      }});`;
      await gain.context.audioWorklet.addModule(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
      window.tap = [];
      const node = new AudioWorkletNode(gain.context, "tap", {{ numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" }});
      node.port.onmessage = ({{ data: [time_s, samples] }}) => {{ tap.push(Array.from(samples)); window.tapped_s = time_s; }};
      gain.connect(node);
      window.tapRate = gain.context.sampleRate;
    }}""")
    page.evaluate(act)
    page.wait_for_function(until)
    # The audio thread's news can be late: all of it until now.
    now_s = page.evaluate(f"{CONSOLE}.playback.output.context.currentTime")
    page.wait_for_function("now_s => tapped_s > now_s", arg=now_s)
    return np.asarray(exchanged(page, "() => tap.flat()")), page.evaluate("tapRate")


def keep_audio_times(page):
    """Open the sound device, and note what time its clock had with each message, and before playback was stopped."""
    page.evaluate(f"""() => {{
      const {{ playback }} = {CONSOLE};
      playback.wake();
      const push = widget.sent.push.bind(widget.sent);
      widget.sent.push = (message) => push({{ ...message, audio_s: playback.output.context.currentTime }});
      const clear = playback.clear.bind(playback);
      playback.clear = () => {{
        window.stopping_s ??= playback.output.context.currentTime;
        clear();
      }};
    }}""")


def assert_heard(page, started, stopped):
    """Hold what a row was heard by the clock that played it, whatever the machine did meanwhile."""
    # A row begins up to 15 ms after it was scheduled, and its news can be late, never early.
    least_s = page.evaluate("stopping_s") - started["audio_s"] - 0.02
    assert least_s <= stopped["played_s"] <= stopped["audio_s"] + 0.001


# --- the microphone ---


def test_hands_free_sends_what_is_heard_without_a_gap(page, spoken):
    begin(page, mode="hands_free")
    # One round of what is played and a little more, from wherever it is heard: most of its seconds are loud.
    n_seconds = int(2 * QUIET_S + SPEECH_S) + 1
    page.wait_for_function(f"widget.audio.reduce((n, piece) => n + piece.length, 0) >= {n_seconds * RATE}")
    heard = captured(page)
    seconds = heard[: n_seconds * RATE].astype(float).reshape(n_seconds, 10, -1)
    loud = seconds[(np.abs(seconds).max(axis=2) > 400).all(axis=1)].reshape(-1, RATE)
    assert len(loud) >= SPEECH_S - 2
    matches = sorted(best_match(second, spoken.astype(float)) for second in loud)
    # A gap between pieces would stand in every second; a busy machine's sound device may stumble in one.
    assert matches[1] > 0.99
    on = [message for message in sent(page, "microphone") if message["on"]]
    assert len(on) == 1
    assert on[0]["error"] is None
    assert page.evaluate(f"{CONSOLE}.store.local.devices.length") > 0
    assert page.get_by_text("microphone on").count() == 1


def test_an_onset_lowers_playback_here_until_the_kernel_knows_what_it_was(page):
    keep_audio_times(page)
    page.evaluate("widget.tone(3, 60)")
    page.wait_for_function("widget.sent.some(message => message.k === 'started')")
    begin(page, mode="hands_free")
    page.wait_for_function("widget.sent.some(message => message.k === 'onset')")
    assert sent(page, "stopped") == []
    page.wait_for_function(f"{CONSOLE}.playback.output.gain.value < 0.3")
    page.evaluate("widget.tell({ k: 'duck', on: false })")
    page.wait_for_function(f"{CONSOLE}.playback.output.gain.value > 0.7")
    page.evaluate("widget.tell({ k: 'clear' })")
    (started,), (stopped,) = sent(page, "started"), sent(page, "stopped")
    assert stopped["row"] == 3
    assert_heard(page, started, stopped)


def test_what_is_captured_has_no_gap_and_the_onset_is_where_it_is_loud(page, spoken):
    heard = exchanged(
        page,
        """async (samples) => {
          const { Capture } = await import("./static/capture.js");
          const rate = 48000, told = [];
          const capture = new Capture(rate, (message) => told.push(message.k === "piece" ? { pcm: Array.from(new Int16Array(message.pcm)) } : message));
          const sound = Float32Array.from({ length: samples.length * 3 }, (_, i) => samples[Math.floor(i / 3)] / 32768);
          for (let at = 0; at + 128 <= sound.length; at += 128) capture.process([sound.subarray(at, at + 128)], at / rate);
          capture.obey({ k: "flush" });
          return told;
        }""",
        spoken.tolist(),
    )
    pieces = [message["pcm"] for message in heard if "pcm" in message]
    ends_s = np.cumsum([len(piece) for piece in pieces]) / RATE
    pause_s = QUIET_S + SPEECH_S + 0.3, QUIET_S + SPEECH_S + 1.2
    for piece, end_s in zip(pieces[:-1], ends_s, strict=False):
        if pause_s[0] < end_s < pause_s[1]:
            assert len(piece) == RATE // 25, "the end of a turn is known sooner"
        elif not pause_s[0] - 0.3 < end_s < pause_s[1] + 0.3:
            assert len(piece) == RATE // 10
    whole = np.concatenate(pieces)
    assert abs(len(whole) - len(spoken)) <= 128 / 3
    for start in np.arange(QUIET_S + 0.5, QUIET_S + SPEECH_S - 1, 1.0):
        piece = whole[int(start * RATE) : int((start + 1) * RATE)].astype(float)
        assert best_match(piece, spoken.astype(float)) > 0.99
    onset, *_, offset = [message for message in heard if "pcm" not in message]
    loud_s = int(np.argmax(np.abs(spoken) > 400)) / RATE
    assert (onset["k"], offset["k"]) == ("onset", "offset")
    assert onset["at"] == pytest.approx(loud_s, abs=0.05)
    assert offset["at"] == pytest.approx(QUIET_S + SPEECH_S + 0.3, abs=0.1)


def test_what_may_not_be_interrupted_is_played_on(page):
    begin(page, mode="hands_free")
    page.evaluate("widget.tone(3, 60, { interruptible: false })")
    page.wait_for_function("widget.sent.some(message => message.k === 'onset')")
    assert page.evaluate(f"{CONSOLE}.playback.busy"), "it is played on"
    assert sent(page, "stopped") == []


def test_push_to_talk_is_held_by_the_button_and_by_the_space_bar(page):
    begin(page)
    talk = page.get_by_role("button", name="Push to talk", exact=True)
    box = talk.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.wait_for_function("widget.audio.length >= 6")
    assert talk.get_attribute("aria-pressed") == "true"
    page.mouse.up()
    page.wait_for_function("widget.sent.some(message => message.k === 'talk' && !message.on)")
    n_pieces = len(sent(page, "pcm"))
    page.wait_for_timeout(300)
    assert len(sent(page, "pcm")) == n_pieces, "nothing is sent after the release"
    page.get_by_role("group", name="Conversation so far").focus()
    page.keyboard.down("Space")
    page.wait_for_function(f"widget.audio.length > {n_pieces + 3}")
    page.keyboard.up("Space")
    page.wait_for_function("widget.sent.filter(message => message.k === 'talk').length === 4")
    assert [message["on"] for message in sent(page, "talk")] == [True, False, True, False]
    order = [message["k"] for message in sent(page, "talk", "pcm")]
    assert order[0] == "talk"
    assert order[-1] == "talk"
    page.get_by_role("textbox", name="Message").focus()
    page.keyboard.press("Space")
    assert len(sent(page, "talk")) == 4, "a space in the box is a space"


def test_mute_sends_nothing(page):
    begin(page, mode="hands_free")
    page.wait_for_function("widget.audio.length >= 2")
    page.get_by_role("button", name="Mute", exact=True).click()
    n_pieces = len(sent(page, "pcm"))
    page.wait_for_timeout(400)
    assert len(sent(page, "pcm")) <= n_pieces + 1


@pytest.mark.parametrize(
    "leave",
    [
        "widget.tell({ k: 'state', state: { phase: 'ended' } })",
        "removeView()",
        "(widget.lost = true, widget.emit('comm_live_update'))",
        "widget.emit('comm:close')",
        "widget.gone()",
        "widget.tell({ k: 'state', state: { engine: 'another' } })",
    ],
)
def test_no_microphone_is_left_on(page, leave):
    page.evaluate(f"window.engine = {CONSOLE}")
    begin(page, mode="hands_free")
    page.wait_for_function("widget.audio.length >= 2")
    page.evaluate(f"(async () => {{ {leave} }})()")
    page.wait_for_function("!engine.microphone.isOpen")
    page.wait_for_timeout(200)
    n_pieces = len(sent(page, "pcm"))
    page.wait_for_timeout(300)
    assert len(sent(page, "pcm")) == n_pieces


def test_a_microphone_that_never_answers_or_answers_too_late_is_let_go(page):
    page.evaluate("""() => {
      window.tracks = [];
      const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wanted) => {
        await new Promise((done) => { window.answer = done; });
        const stream = await ask(wanted);
        tracks.push(...stream.getTracks());
        return stream;
      };
    }""")
    begin(page, mode="hands_free")
    page.wait_for_function("window.answer !== undefined")
    page.get_by_role("button", name="Hang up").click()
    page.evaluate("answer()")
    page.wait_for_function("tracks.length === 1 && tracks[0].readyState === 'ended'")
    assert not is_open(page)


@pytest.mark.parametrize(
    ("flags", "words"),
    [([FAKE_MICROPHONE], "The browser did not allow the microphone"), ([ALLOW_MICROPHONE], "No microphone was found")],
    ids=["denied", "missing"],
)
def test_a_microphone_that_cannot_be_had_is_explained(playwright, address, flags, words):
    browser = launch(playwright, *flags)
    page = open_page(new_tab(browser), address)
    begin(page)
    talk = page.get_by_role("button", name="Push to talk", exact=True)
    talk.focus()
    page.keyboard.down("Space")
    page.get_by_role("alert").filter(has_text=words).wait_for()
    page.keyboard.up("Space")
    report = sent(page, "microphone")[-1]
    assert report["on"] is False
    assert words in report["error"]
    page.get_by_role("textbox", name="Message").fill("typing still works")
    page.keyboard.press("Enter")
    assert len(sent(page, "say")) == 1
    assert not page.errors
    browser.close()


def test_each_error_has_its_own_sentence(page):
    names = [
        "NotAllowedError",
        "SecurityError",
        "NotFoundError",
        "NotReadableError",
        "AbortError",
        "OverconstrainedError",
        "TimeoutError",
        "Other",
    ]
    sentences = page.evaluate(
        """async (names) => {
          const { microphoneTrouble } = await import("./static/microphone.js");
          const all = names.map((name) => microphoneTrouble({ name, message: "x" }));
          all.push(microphoneTrouble({ name: "TypeError" }, { protocol: "vscode-webview:", hostname: "x" }));
          Object.defineProperty(window, "isSecureContext", { value: false });
          all.push(microphoneTrouble({ name: "TypeError" }, { protocol: "http:", hostname: "lab.example", port: "8889" }));
          return all;
        }""",
        names,
    )
    assert len(set(sentences)) == len(names) + 2
    assert "JupyterLab" in sentences[-2]
    assert "https" in sentences[-1]
    assert "ssh -L 8889:localhost:8889 lab.example" in sentences[-1]


# --- playback ---


def test_rows_are_played_in_order_and_without_a_gap(page):
    begin(page)
    samples = speech_like(3.0, seed=3)
    exchanged(page, "samples => { window.pieces = samples; }", samples.tolist())
    act = """() => {
      const size = 8000;
      for (let at = 0; at < pieces.length; at += size) {
        widget.tell({ k: 'audio', row: 5, rate: 16000, interruptible: true, last: at + size >= pieces.length }, pieces.slice(at, at + size));
      }
      widget.tone(6, 0.3);
    }"""
    played, rate = hears_itself(page, act, "widget.sent.some(message => message.k === 'ended' && message.row === 6)")
    told = [(message["k"], message["row"]) for message in sent(page, "started", "ended", "stopped")]
    assert told == [("started", 5), ("ended", 5), ("started", 6), ("ended", 6)]
    times = np.arange(0, 3.0, 1 / rate)
    wanted = np.interp(times, np.arange(len(samples)) / RATE, samples / 32768)
    for start in np.arange(0.0, 2.5, 0.5):
        piece = wanted[int(start * rate) : int((start + 0.5) * rate)]
        assert best_match(piece, played) > 0.97


def test_clear_stops_and_reports_what_was_heard(page):
    begin(page)
    keep_audio_times(page)
    page.evaluate("() => { widget.tone(7, 60); widget.tone(8, 2); }")
    begun_s = "widget.sent.find(message => message.k === 'started')?.audio_s"
    page.wait_for_function(f"{CONSOLE}.playback.output.context.currentTime > {begun_s} + 0.3")
    page.evaluate("widget.tell({ k: 'clear' })")
    started, stopped, behind = sent(page, "started", "stopped")
    assert (stopped["row"], behind["row"]) == (7, 8)
    assert_heard(page, started, stopped)
    assert stopped["played_s"] > 0.25
    assert behind["played_s"] == 0
    page.evaluate("widget.tone(9, 0.2)")
    page.wait_for_function("widget.sent.some(message => message.k === 'ended' && message.row === 9)")
    assert sent(page, "ended")[0]["row"] == 9


def test_volume_nothing_to_play_and_odd_bytes(page):
    begin(page, volume=0.0)
    played, _ = hears_itself(
        page, "() => widget.tone(1, 0.3)", "widget.sent.some(message => message.k === 'ended' && message.row === 1)"
    )
    assert np.abs(played).max() < 0.2, "the volume of the settings counts"
    page.evaluate("widget.tell({ k: 'audio', row: 2, rate: 16000, last: true }, [])")
    page.wait_for_function("widget.sent.some(message => message.k === 'ended' && message.row === 2)")
    page.evaluate(
        "widget.emit('msg:custom', { k: 'audio', row: 3, rate: 16000, last: true }, [new DataView(new ArrayBuffer(3))])"
    )
    page.wait_for_function("widget.sent.some(message => message.k === 'ended' && message.row === 3)")


def test_the_pages_own_voice_takes_its_turn_and_can_be_cut(page):
    # Headless Chromium has no voice: this one tells what a voice would.
    page.evaluate("""() => {
      window.spoken = [];
      let saying = null;
      const voice = {
        getVoices: () => [], addEventListener() {}, removeEventListener() {},
        speak(words) {
          saying = words;
          spoken.push(words.text);
          setTimeout(() => words.onstart?.(), 20);
          // What is to be cut must not be over before a slow machine cuts it.
          if (!words.text.startsWith('Never')) setTimeout(() => words.onend?.(), 150);
        },
        cancel() { spoken.push('cancelled'); saying?.onend?.(); },
      };
      Object.defineProperty(window, 'speechSynthesis', { value: voice });
    }""")
    begin(page, tts="browser")
    page.evaluate("""() => {
      widget.tone(1, 0.2);
      widget.tell({ k: 'speak', row: 2, text: 'Hello there.', voice: 'nova', language: 'en', speed: 1, interruptible: true });
      widget.tone(3, 0.2);
    }""")
    page.wait_for_function("widget.sent.some(message => message.k === 'ended' && message.row === 3)")
    told = [(message["k"], message["row"]) for message in sent(page, "started", "ended")]
    assert told == [(k, row) for row in (1, 2, 3) for k in ("started", "ended")]
    page.evaluate("widget.tell({ k: 'speak', row: 4, text: 'Never to be heard to its end.', interruptible: true })")
    page.wait_for_function("widget.sent.some(message => message.k === 'started' && message.row === 4)")
    page.evaluate("widget.tell({ k: 'clear' })")
    assert sent(page, "stopped")[-1]["row"] == 4
    page.wait_for_timeout(300)
    assert page.evaluate("spoken.at(-1)") == "cancelled"
    assert not [message for message in sent(page, "ended") if message["row"] == 4]


def test_a_page_without_a_voice_says_so_and_goes_on(page):
    begin(page, tts="browser")
    page.evaluate("widget.tell({ k: 'speak', row: 1, text: 'Hello.', interruptible: true })")
    page.wait_for_function("widget.sent.some(message => message.k === 'ended')")
    assert sent(page, "ended")[0]["row"] == 1


# --- the two small widgets ---


def test_the_microphone_widget_records_and_hands_over(page, address, spoken):
    open_page(page, address, "microphone_widget")
    page.evaluate("""() => {
      window.pieces = [];
      const emit = widget.sent.push.bind(widget.sent);
      widget.sent.push = (message) => emit(message);
    }""")
    page.evaluate("widget.tell({ k: 'record', seconds: 3, engine: 'another page' })")
    page.wait_for_timeout(200)
    assert sent(page, "recording") == []
    page.evaluate("widget.tell({ k: 'record', seconds: 3, engine: widget.sent[0].engine })")
    page.wait_for_function("widget.sent.some(message => message.k === 'done')")
    [recording], [done] = sent(page, "recording"), sent(page, "done")
    assert done["rate"] == RATE
    taken_s = (done["at"] - recording["at"]) / 1000
    assert taken_s > 2.9, "it recorded for the three seconds that were asked for"
    assert 0 < done["samples"] / RATE < taken_s + 0.2
    assert [message["k"] for message in sent(page, "hello", "recording", "piece", "done")] == [
        "hello",
        "recording",
        "piece",
        "done",
    ]
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Stop").wait_for()
    page.wait_for_timeout(300)
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("widget.sent.filter(message => message.k === 'done').length === 2")
    assert page.get_by_label("What was recorded").is_visible()


def test_the_microphone_widget_takes_a_file(page, address, spoken, tmp_path):
    open_page(page, address, "microphone_widget")
    page.locator("input[type=file]").set_input_files(write_wav(tmp_path / "a.wav", spoken))
    page.wait_for_function("widget.sent.some(message => message.k === 'done')")
    assert abs(sent(page, "done")[0]["samples"] - len(spoken)) <= 1
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no sound")
    page.locator("input[type=file]").set_input_files(bad)
    page.get_by_role("alert").filter(has_text="bad.wav can't be read as sound").wait_for()
    empty = tmp_path / "empty.wav"
    empty.write_bytes(b"")
    page.locator("input[type=file]").set_input_files(empty)
    page.get_by_role("alert").filter(has_text="the file is empty").wait_for()


def test_the_speaker_widget_plays_and_stops(page, address):
    open_page(page, address, "speaker_widget")
    page.evaluate(
        "() => { widget.tone(1, 0.2, { text: 'Good morning!' }); widget.tone(2, 60, { text: 'A long story' }); }"
    )
    page.get_by_text("A long story").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("silent").wait_for()
    assert [message["k"] for message in sent(page, "hello", "started", "ended", "stopped")] == ["hello"]


def test_the_pages_own_recognition_sends_words_and_no_sound(page):
    page.evaluate("""() => {
      window.SpeechRecognition = class {
        start() { window.listener = this; }
        stop() { this.onend?.(); }
      };
    }""")
    begin(page, stt="browser")
    page.get_by_role("button", name="Push to talk", exact=True).focus()
    page.keyboard.down("Space")
    page.wait_for_function("window.listener !== undefined")
    page.evaluate("""() => {
      const say = (transcript, isFinal) => listener.onresult({ resultIndex: 0, results: [Object.assign([{ transcript }], { isFinal })] });
      say("yes", false);
      say("yes please", true);
    }""")
    page.keyboard.up("Space")
    page.wait_for_timeout(300)
    assert [(message["text"], message["final"]) for message in sent(page, "heard")] == [
        ("yes", False),
        ("yes please", True),
    ]
    assert sent(page, "pcm", "talk") == []


def test_mute_ends_the_pages_own_recognition_until_it_is_lifted(page):
    page.evaluate("""() => {
      window.SpeechRecognition = class {
        start() { this.on = true; window.listener = this; }
        stop() { this.on = false; this.onend?.(); }
      };
      window.say = (transcript) => listener.onresult({ resultIndex: 0, results: [Object.assign([{ transcript }], { isFinal: true })] });
    }""")
    begin(page, stt="browser", mode="hands_free")
    page.wait_for_function("window.listener?.on")
    page.get_by_role("button", name="Mute", exact=True).click()
    assert page.evaluate("listener.on") is False
    page.evaluate("say('not for the agent')")  # what it had heard before comes late
    page.get_by_role("button", name="Mute", exact=True).click()
    page.wait_for_function("listener.on")
    page.evaluate("say('for the agent')")
    assert [message["text"] for message in sent(page, "heard")] == ["for the agent"]
