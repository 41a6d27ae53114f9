// @ts-check

/** The speaker by itself: plays what the kernel sends, or says it with the page's own voice. */

import { allow, button, freshId, glyph, keepKeys, make, setText } from "./dom.js";
import { Playback } from "./playback.js";
import { loadVoices } from "./voices.js";

/** @import { SpeakerToKernel, SpeakerToPage } from "./protocol.d.ts" */
/** @import { Bytes, Model, Widget } from "./types.d.ts" */

/** @typedef {Model<SpeakerToKernel, SpeakerToPage>} SpeakerModel */

class Speaker {
  state = { playing: /** @type {number | null} */ (null), text: "", trouble: "", volume: 1 };
  id = freshId("speaker");
  /** @type {Set<() => void>} */
  #listeners = new Set();
  /** @type {Map<number, string>} */
  #texts = new Map();
  #model;

  constructor(/** @type {SpeakerModel} */ model) {
    this.#model = model;
    this.playback = new Playback({
      changed: (row) => this.#show({ playing: row, text: (row !== null && this.#texts.get(row)) || "" }),
      trouble: (trouble) => this.#show({ trouble }),
    });
    model.on("msg:custom", (message, buffers = []) => this.#take(message, buffers[0]));
  }

  hello() {
    loadVoices();
    try {
      this.#model.send({ k: "hello", engine: this.id }, undefined, []);
    } catch {
      // The kernel is gone: there is nothing to play, and nobody to tell.
    }
  }

  volume(/** @type {number} */ volume) {
    this.playback.volume(volume);
    this.#show({ volume });
  }

  wake() {
    if (!this.playback.busy) return;
    this.playback.wake();
    this.#show({ trouble: "" });
  }

  close() {
    this.playback.close();
  }

  /** Call `listen` after changes; returns what ends that. */
  subscribe(/** @type {() => void} */ listen) {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  #take(/** @type {SpeakerToPage} */ message, /** @type {Bytes | undefined} */ buffer) {
    if (message.engine && message.engine !== this.id) return;
    if ("text" in message) this.#texts.set(message.row, message.text);
    if (message.k === "audio") this.playback.audio(message, buffer);
    if (message.k === "speak") this.playback.speak(message);
    if (message.k === "clear") this.playback.clear();
    this.#show({ trouble: this.playback.asleep ? "The browser plays no sound before you click: click here." : "" });
  }

  #show(/** @type {Partial<Speaker["state"]>} */ values) {
    Object.assign(this.state, values);
    for (const listen of this.#listeners) listen();
  }
}

function showSpeaker(/** @type {Speaker} */ speaker, /** @type {HTMLElement} */ place) {
  const { state } = speaker;
  const now = make("span", { role: "status", class: "vl-readout" });
  const stop = button("Stop", () => speaker.playback.clear(), {}, "■");
  const volume = make("input", { type: "range", min: "0", max: "1", step: "0.05", value: "1", "aria-label": "Volume" });
  volume.addEventListener("input", () => speaker.volume(volume.valueAsNumber));
  const alert = make("div", { class: "vl-banner", role: "alert", hidden: true });
  const root = make("div", { class: "vl-device", role: "group", "aria-label": "Speaker" },
    make("div", { class: "vl-row" }, glyph("♪"), now, stop, make("label", { class: "vl-pick" }, make("span", { "aria-hidden": "true" }, "Volume"), volume)), alert);
  keepKeys(root);
  root.addEventListener("pointerdown", () => speaker.wake(), true);

  function draw() {
    const playing = state.playing !== null;
    setText(now, playing ? state.text || "playing" : "silent");
    allow(stop, playing);
    alert.hidden = !state.trouble;
    setText(alert, state.trouble);
  }

  place.append(root);
  draw();
  const unsubscribe = speaker.subscribe(draw);
  return () => {
    unsubscribe();
    root.remove();
  };
}

export default () => {
  /** @type {Speaker | null} */
  let speaker = null;

  function begin(/** @type {SpeakerModel} */ model) {
    if (!speaker) {
      speaker = new Speaker(model);
      speaker.hello();
    }
    return speaker;
  }

  /** @type {Widget<SpeakerModel>} */
  const widget = {
    initialize({ model }) {
      begin(model);
      return () => speaker?.close();
    },
    render: ({ model, el }) => showSpeaker(begin(model), el),
  };
  return widget;
};
