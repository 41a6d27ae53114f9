/** The microphone by itself: records, or takes a sound file, and hands the samples to the kernel piece by piece. */

import { allow, button, clockText, freshId, glyph, keepKeys, make, setAttribute, setText } from "./dom.js";
import { LOST } from "./lost.js";
import { meterView } from "./meter.js";
import { createMicrophone, microphoneTrouble } from "./microphone.js";
import { samplesOf, wavOf } from "./wav.js";

const SAMPLE_RATE = 16_000;
// Jupyter takes messages of up to 10 MB; a piece of half a minute is one.
const PIECE_SAMPLES = 30 * SAMPLE_RATE;

function createRecorder(model) {
  const listeners = new Set();
  const id = freshId("microphone");
  const state = { recording: false, opening: false, trouble: "", level: 0, speech: false, samples: null, devices: [], device: "", began: 0 };
  let pieces = [];
  let views = 0;
  let timer = 0;
  let lost = false;

  const microphone = createMicrophone({
    piece: ({ pcm }) => state.recording && pieces.push(new Int16Array(pcm.slice(0))),
    onset: () => show({ speech: true }),
    offset: () => show({ speech: false }),
    level: (level) => show({ level }),
    closed: (reason) => stop().then(() => show({ trouble: reason })),
  });

  function show(values) {
    Object.assign(state, values);
    for (const listen of listeners) listen();
  }

  function send(message, buffer) {
    if (lost) return;
    try {
      model.send({ ...message, engine: id }, undefined, buffer ? [buffer] : []);
    } catch {
      lost = true;
      microphone.close();
      show({ recording: false, trouble: LOST });
    }
  }

  async function record(seconds) {
    if (state.opening) return;
    if (state.recording) await stop();
    show({ opening: true, trouble: "" });
    try {
      await microphone.open({ device: state.device });
      pieces = [];
      show({ recording: true, opening: false, began: performance.now(), devices: await microphone.devices() });
      send({ k: "recording" });
      if (seconds) timer = setTimeout(stop, seconds * 1000);
      if (!views) await stop();
    } catch (error) {
      const trouble = microphoneTrouble(error);
      show({ opening: false, recording: false, trouble });
      send({ k: "trouble", text: trouble });
    }
  }

  async function stop() {
    clearTimeout(timer);
    if (!state.recording) return microphone.close();
    await microphone.flush();
    microphone.close();
    show({ recording: false, level: 0, speech: false });
    give(joined(pieces));
  }

  // A recording goes up in pieces; the last message says how many samples there are.
  function give(samples) {
    show({ samples });
    for (let at = 0; at < samples.length; at += PIECE_SAMPLES) {
      send({ k: "piece", at }, samples.slice(at, at + PIECE_SAMPLES).buffer);
    }
    send({ k: "done", rate: SAMPLE_RATE, samples: samples.length });
  }

  async function upload(file) {
    try {
      show({ trouble: "" });
      give(await samplesOf(file, SAMPLE_RATE));
    } catch (error) {
      show({ trouble: `${file.name} can't be read as sound (${error.message}): choose a WAV, MP3, OGG, FLAC or M4A file.` });
    }
  }

  model.on("msg:custom", ({ k, seconds, engine }) => {
    if (k === "record" && engine === id) record(seconds);
    if (k === "stop") stop();
  });
  model.on("comm:close", () => {
    lost = true;
    microphone.close();
    show({ recording: false, trouble: LOST });
  });
  window.addEventListener("pagehide", () => {
    microphone.close();
    send({ k: "bye" });
  });
  return {
    state, record, stop, upload,
    hello: () => send({ k: "hello" }),
    close: () => microphone.close(),
    device(name) { show({ device: name }); },
    subscribe(listen) {
      listeners.add(listen);
      views += 1;
      return () => {
        listeners.delete(listen);
        views -= 1;
        if (!views) stop();
      };
    },
  };
}

function joined(pieces) {
  const whole = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function showMicrophone(recorder, place) {
  const { state } = recorder;
  const record = button("Record", () => (state.recording ? recorder.stop() : recorder.record(null)), { class: "vl-record", "aria-pressed": "false" });
  const meter = meterView("Microphone level");
  const time = make("span", { class: "vl-number vl-dim" });
  const pick = make("select", { "aria-label": "Microphone device" });
  pick.addEventListener("change", () => recorder.device(pick.value));
  const file = make("input", { type: "file", accept: "audio/*,.wav,.mp3,.ogg,.flac,.m4a", class: "vl-hidden", tabindex: "-1", "aria-hidden": "true" });
  file.addEventListener("change", () => {
    if (file.files[0]) recorder.upload(file.files[0]);
    file.value = "";
  });
  const upload = button("Upload a sound file", () => file.click());
  const player = make("audio", { controls: true, "aria-label": "What was recorded", hidden: true });
  const alert = make("div", { class: "vl-banner vl-error-banner", role: "alert", hidden: true });
  const root = make("div", { class: "vl-device", role: "group", "aria-label": "Microphone" },
    make("div", { class: "vl-row" }, record, meter.element, time, make("span", { class: "vl-space" }), pick, upload, file), player, alert);
  keepKeys(root);
  let shown = null;

  function draw() {
    allow(record, !state.opening);
    setAttribute(record, "aria-pressed", state.recording);
    record.replaceChildren(glyph(state.recording ? "■" : "●"), state.recording ? " Stop" : state.opening ? " Opening …" : " Record");
    meter.show(state.level, state.recording, state.speech);
    setText(time, state.recording ? clockText((performance.now() - state.began) / 1000) : state.samples ? clockText(state.samples.length / SAMPLE_RATE) : "");
    const names = JSON.stringify(state.devices);
    if (pick.dataset.names !== names) {
      pick.dataset.names = names;
      pick.replaceChildren(make("option", { value: "" }, "the system's choice"), ...state.devices.map(({ id, label }) => make("option", { value: id }, label)));
    }
    alert.hidden = !state.trouble;
    setText(alert, state.trouble);
    if (state.samples === shown) return;
    shown = state.samples;
    if (player.src) URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(wavOf(shown, SAMPLE_RATE));
    player.hidden = false;
  }

  place.append(root);
  draw();
  const unsubscribe = recorder.subscribe(draw);
  return () => {
    unsubscribe();
    if (player.src) URL.revokeObjectURL(player.src);
    root.remove();
  };
}

export default () => {
  let recorder = null;
  function begin(model) {
    if (!recorder) {
      recorder = createRecorder(model);
      recorder.hello();
    }
    return recorder;
  }
  return {
    initialize({ model }) {
      begin(model);
      return () => recorder?.close();
    },
    render: ({ model, el }) => showMicrophone(begin(model), el),
  };
};
