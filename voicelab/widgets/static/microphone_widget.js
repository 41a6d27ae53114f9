// @ts-check

/** The microphone by itself: records, or takes a sound file, and hands the samples to the kernel piece by piece. */

import { allow, button, clockText, freshId, glyph, keepKeys, make, setAttribute, setText } from "./dom.js";
import { LOST } from "./lost.js";
import { meterView } from "./meter.js";
import { Microphone, microphoneTrouble } from "./microphone.js";
import { samplesOf, wavOf } from "./wav.js";

/** @import { MicrophoneToKernel, MicrophoneToPage } from "./protocol.d.ts" */
/** @import { Device, Model, Widget } from "./types.d.ts" */

const SAMPLE_RATE = 16_000;
// Jupyter takes messages of up to 10 MB; a piece of half a minute is one.
const PIECE_SAMPLES = 30 * SAMPLE_RATE;

/** @typedef {Model<MicrophoneToKernel, MicrophoneToPage>} MicrophoneModel */

/**
 * What its views show.
 *
 * @typedef {object} Recording
 * @property {boolean} recording
 * @property {boolean} opening
 * @property {string} trouble
 * @property {number} level
 * @property {boolean} speech
 * @property {Int16Array<ArrayBuffer> | null} samples The last recording.
 * @property {Device[]} devices
 * @property {string} device
 * @property {number} began When the recording began, in milliseconds.
 */

class Recorder {
  /** @type {Recording} */
  state = { recording: false, opening: false, trouble: "", level: 0, speech: false, samples: null, devices: [], device: "", began: 0 };
  id = freshId("microphone");
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Int16Array<ArrayBuffer>[]} */
  #pieces = [];
  #timer = 0;
  #lost = false;
  #model;
  #microphone;

  constructor(/** @type {MicrophoneModel} */ model) {
    this.#model = model;
    this.#microphone = new Microphone({
      piece: (pcm) => this.state.recording && this.#pieces.push(new Int16Array(pcm)) > 0,
      onset: () => this.#show({ speech: true }),
      offset: () => this.#show({ speech: false }),
      level: (level) => this.#show({ level }),
      closed: (reason) => this.stop().then(() => this.#show({ trouble: reason })),
    });
    model.on("msg:custom", (message) => {
      if (message.k === "record" && message.engine === this.id) this.record(message.seconds);
      if (message.k === "stop") this.stop();
    });
    model.on("comm:close", () => this.#lose());
    window.addEventListener("pagehide", () => {
      this.#microphone.close();
      this.#send({ k: "bye", engine: this.id });
    });
  }

  hello() {
    this.#send({ k: "hello", engine: this.id });
  }

  /** Record, for so many seconds or until `stop`. */
  async record(/** @type {number | null} */ seconds) {
    if (this.state.opening) return;
    if (this.state.recording) await this.stop();
    this.#show({ opening: true, trouble: "" });
    try {
      await this.#microphone.open({ device: this.state.device });
      this.#pieces = [];
      this.#show({ recording: true, opening: false, began: performance.now(), devices: await this.#microphone.devices() });
      this.#send({ k: "recording", engine: this.id });
      if (seconds) this.#timer = setTimeout(() => this.stop(), seconds * 1000);
      if (!this.#listeners.size) await this.stop();
    } catch (error) {
      const trouble = microphoneTrouble(error);
      this.#show({ opening: false, recording: false, trouble });
      this.#send({ k: "trouble", text: trouble, engine: this.id });
    }
  }

  async stop() {
    clearTimeout(this.#timer);
    if (!this.state.recording) return this.close();
    await this.#microphone.flush();
    this.close();
    this.#show({ recording: false, level: 0, speech: false });
    this.#give(joined(this.#pieces));
  }

  async upload(/** @type {File} */ file) {
    try {
      this.#show({ trouble: "" });
      this.#give(await samplesOf(file, SAMPLE_RATE));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#show({ trouble: `${file.name} can't be read as sound (${reason}): choose a WAV, MP3, OGG, FLAC or M4A file.` });
    }
  }

  device(/** @type {string} */ device) {
    this.#show({ device });
  }

  close() {
    this.#microphone.close();
  }

  /** Call `listen` after changes; returns what ends that. Without a view nothing is recorded. */
  subscribe(/** @type {() => void} */ listen) {
    this.#listeners.add(listen);
    return () => {
      this.#listeners.delete(listen);
      if (!this.#listeners.size) this.stop();
    };
  }

  // A recording goes up in pieces; the last message says how many samples there are.
  #give(/** @type {Int16Array<ArrayBuffer>} */ samples) {
    this.#show({ samples });
    for (let at = 0; at < samples.length; at += PIECE_SAMPLES) {
      this.#send({ k: "piece", at, engine: this.id }, samples.slice(at, at + PIECE_SAMPLES).buffer);
    }
    this.#send({ k: "done", rate: SAMPLE_RATE, samples: samples.length, engine: this.id });
  }

  #show(/** @type {Partial<Recording>} */ values) {
    Object.assign(this.state, values);
    for (const listen of this.#listeners) listen();
  }

  /**
   * @param {MicrophoneToKernel} message
   * @param {ArrayBuffer} [buffer]
   */
  #send(message, buffer) {
    if (this.#lost) return;
    try {
      this.#model.send(message, undefined, buffer ? [buffer] : []);
    } catch {
      this.#lose();
    }
  }

  #lose() {
    this.#lost = true;
    this.close();
    this.#show({ recording: false, trouble: LOST });
  }
}

function joined(/** @type {Int16Array<ArrayBuffer>[]} */ pieces) {
  const whole = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

function showMicrophone(/** @type {Recorder} */ recorder, /** @type {HTMLElement} */ place) {
  const { state } = recorder;
  const record = button("Record", () => (state.recording ? recorder.stop() : recorder.record(null)), { class: "vl-record", "aria-pressed": "false" });
  const meter = meterView("Microphone level");
  const time = make("span", { class: "vl-number vl-dim" });
  const pick = devicePicker(recorder);
  const player = playerOf(recorder);
  const alert = make("div", { class: "vl-banner vl-error-banner", role: "alert", hidden: true });
  const root = make("div", { class: "vl-device", role: "group", "aria-label": "Microphone" },
    make("div", { class: "vl-row" }, record, meter.element, time, make("span", { class: "vl-space" }), pick.element, ...uploadControls(recorder)),
    player.element, alert);
  keepKeys(root);

  function draw() {
    allow(record, !state.opening);
    setAttribute(record, "aria-pressed", state.recording);
    record.replaceChildren(glyph(state.recording ? "■" : "●"), state.recording ? " Stop" : state.opening ? " Opening …" : " Record");
    meter.show(state.level, state.recording, state.speech);
    const recorded = state.samples ? clockText(state.samples.length / SAMPLE_RATE) : "";
    setText(time, state.recording ? clockText((performance.now() - state.began) / 1000) : recorded);
    pick.draw();
    alert.hidden = !state.trouble;
    setText(alert, state.trouble);
    player.draw();
  }

  place.append(root);
  draw();
  const unsubscribe = recorder.subscribe(draw);
  return () => {
    unsubscribe();
    player.remove();
    root.remove();
  };
}

function devicePicker(/** @type {Recorder} */ recorder) {
  const element = make("select", { "aria-label": "Microphone device" });
  element.addEventListener("change", () => recorder.device(element.value));
  return {
    element,
    draw() {
      const names = JSON.stringify(recorder.state.devices);
      if (element.dataset.names === names) return;
      element.dataset.names = names;
      const options = recorder.state.devices.map(({ id, label }) => make("option", { value: id }, label));
      element.replaceChildren(make("option", { value: "" }, "the system's choice"), ...options);
    },
  };
}

function uploadControls(/** @type {Recorder} */ recorder) {
  const file = make("input", { type: "file", accept: "audio/*,.wav,.mp3,.ogg,.flac,.m4a", class: "vl-hidden", tabindex: "-1", "aria-hidden": "true" });
  file.addEventListener("change", () => {
    const chosen = file.files?.[0];
    if (chosen) recorder.upload(chosen);
    file.value = "";
  });
  return [button("Upload a sound file", () => file.click()), file];
}

function playerOf(/** @type {Recorder} */ recorder) {
  const element = make("audio", { controls: true, "aria-label": "What was recorded", hidden: true });
  /** @type {Int16Array | null} */
  let shown = null;

  function remove() {
    if (element.src) URL.revokeObjectURL(element.src);
  }

  function draw() {
    const { samples } = recorder.state;
    if (samples === shown || !samples) return;
    shown = samples;
    remove();
    element.src = URL.createObjectURL(wavOf(samples, SAMPLE_RATE));
    element.hidden = false;
  }

  return { element, draw, remove };
}

export default () => {
  /** @type {Recorder | null} */
  let recorder = null;

  function begin(/** @type {MicrophoneModel} */ model) {
    if (!recorder) {
      recorder = new Recorder(model);
      recorder.hello();
    }
    return recorder;
  }

  /** @type {Widget<MicrophoneModel>} */
  const widget = {
    initialize({ model }) {
      begin(model);
      return () => recorder?.close();
    },
    render: ({ model, el }) => showMicrophone(begin(model), el),
  };
  return widget;
};
