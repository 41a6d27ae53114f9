/** The speaker by itself: plays what the kernel sends, or says it with the page's own voice. */

import { allow, button, freshId, glyph, keepKeys, make, setText } from "./dom.js";
import { createPlayback } from "./playback.js";
import { voiceNames } from "./voices.js";

function createSpeaker(model) {
  const id = freshId("speaker");
  const listeners = new Set();
  const state = { playing: null, text: "", trouble: "", volume: 1 };
  const texts = new Map();

  const playback = createPlayback({
    started: (row) => tell({ k: "started", row }),
    ended: (row) => tell({ k: "ended", row }),
    stopped: (row, played_s) => tell({ k: "stopped", row, played_s }),
    changed: (row) => show({ playing: row, text: texts.get(row) ?? "" }),
    trouble: (trouble) => show({ trouble }),
  });

  function show(values) {
    Object.assign(state, values);
    for (const listen of listeners) listen();
  }

  function tell(message) {
    try {
      model.send({ ...message, engine: id }, undefined, []);
    } catch {
      // The kernel is gone: what is being played is played on, and nobody needs to know.
    }
  }

  const hello = () => tell({ k: "hello", voices: voiceNames() });
  model.on("msg:custom", (message, buffers = []) => {
    if (message.engine && message.engine !== id) return;
    if (message.text !== undefined) texts.set(message.row, message.text);
    if (message.k === "audio") playback.audio(message, buffers[0]);
    if (message.k === "speak") playback.speak(message);
    if (message.k === "clear") playback.clear();
    show({ trouble: playback.asleep ? "The browser plays no sound before you click: click here." : "" });
  });
  return {
    state, playback, hello,
    volume(value) {
      playback.volume(value);
      show({ volume: value });
    },
    wake() {
      if (!playback.busy) return;
      playback.wake();
      show({ trouble: "" });
    },
    close: () => playback.close(),
    subscribe(listen) {
      listeners.add(listen);
      return () => listeners.delete(listen);
    },
  };
}

function showSpeaker(speaker, place) {
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
  let speaker = null;
  function begin(model) {
    if (!speaker) {
      speaker = createSpeaker(model);
      speaker.hello();
    }
    return speaker;
  }
  return {
    initialize({ model }) {
      begin(model);
      return () => speaker?.close();
    },
    render: ({ model, el }) => showSpeaker(begin(model), el),
  };
};
