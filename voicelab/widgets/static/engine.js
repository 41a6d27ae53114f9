/**
 * The engine of one console: one per widget however many views show it. It speaks with the kernel, holds what is known,
 * and owns microphone and playback. It knows nothing of turn-taking, except that a caller who begins to speak is not
 * spoken over: then it stops playback by itself, before the kernel knows.
 */

import { bytesOf, saveFile } from "./dom.js";
import { LOST } from "./lost.js";
import { createMicrophone, microphoneTrouble } from "./microphone.js";
import { createPlayback } from "./playback.js";
import { canRecognise, createRecognition } from "./recognition.js";
import { createStore } from "./store.js";
import { voiceNames } from "./voices.js";

const UNUSED_MS = 30_000;
// How many times louder than the room a voice must be: more while the agent speaks, for what is left of its echo.
const MARGIN = { quiet: 3.2, spoken_over: 4.5 };

/** Make the engine of a widget's model. */
export function createEngine(model) {
  const id = Math.random().toString(36).slice(2) + Date.now().toString(36);
  const store = createStore();
  let views = 0;
  let closed = false;
  let sent = 0;
  let held = false; // The kernel knows that push-to-talk is held: what is heard from now on is meant for it.
  let unused = 0;
  let wanted = null; // The opening of the microphone that is under way.

  const playback = createPlayback({
    started: (row) => send({ k: "started", row, engine: id }),
    ended: (row) => send({ k: "ended", row, engine: id }),
    stopped: (row, played_s) => send({ k: "stopped", row, played_s, engine: id }),
    changed: (row) => {
      store.set({ speaking: row, silent: playback.asleep });
      microphone.margin(row === null ? MARGIN.quiet : MARGIN.spoken_over);
    },
    trouble: (text) => store.set({ trouble: text }),
  });
  const microphone = createMicrophone({
    piece: ({ pcm, t }) => listening() && !byBrowser() && sendPiece(pcm, t),
    onset: ({ t }) => {
      store.set({ speech: true });
      if (handsFree() && listening()) interrupt(t);
    },
    offset: () => store.set({ speech: false }),
    level: (level) => store.set({ level: store.state.settings.muted ? 0 : level }),
    closed: (reason) => {
      store.set({ trouble: reason });
      stopListening();
    },
  });
  const recognition = createRecognition({
    heard: (text, final) => !store.state.settings.muted && send({ k: "heard", text, final, engine: id }),
    trouble: (text) => store.set({ trouble: text }),
  });

  // Where the page's own recognition listens, the kernel gets its words and no sound. What is chosen while a session
  // runs counts from the next one on.
  const byBrowser = () => store.state.uses.stt === "browser";
  const handsFree = () => store.state.settings.mode === "hands_free";
  const listening = () => !store.state.settings.muted && (handsFree() || held);

  // --- with the kernel ---

  function send(message, buffer) {
    if (closed || store.local.lost) return false;
    try {
      model.send(message, undefined, buffer ? [buffer] : []);
      return true;
    } catch {
      lose();
      return false;
    }
  }

  function lose() {
    if (store.local.lost) return;
    store.set({ lost: true, partial: "" });
    stopListening();
    playback.clear();
  }

  function hello() {
    const hears = window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
    send({ k: "hello", engine: id, secure: window.isSecureContext, microphone: hears, voices: voiceNames(), recognition: canRecognise() });
  }

  function receive(message, buffers = []) {
    const forAnother = message.engine !== undefined && message.engine !== null && message.engine !== id;
    if (store.local.lost) store.set({ lost: false });
    if (FOR_ONE[message.k]) return forAnother ? undefined : FOR_ONE[message.k](message, buffers[0]);
    FOR_ALL[message.k]?.(message, buffers[0]);
  }

  const FOR_ONE = {
    ping: () => send({ k: "pong", engine: id }),
    audio: (message, buffer) => {
      playback.audio(message, buffer);
      store.set({ silent: playback.asleep });
    },
    speak: (message) => playback.speak(message),
    clear: () => playback.clear(),
    replay: (message, buffer) => {
      const clock = playback.replay(message, buffer, () => store.set({ replay: null }));
      store.set({ replay: clock });
    },
  };
  const FOR_ALL = {
    all: ({ state, events, now_s }) => {
      store.forget();
      store.merge(state);
      const last_s = events.reduce((latest, event) => Math.max(latest, event.time_s), 0);
      store.take(events, now_s ?? last_s);
      follow(state);
    },
    state: ({ state }) => {
      store.merge(state);
      follow(state);
    },
    events: ({ events, now_s }) => store.take(events, now_s),
    partial: ({ text }) => store.set({ partial: text || "" }),
    file: ({ name, mime }, buffer) => saveFile(name, mime, bytesOf(buffer)),
  };

  // The kernel's state decides what the devices do: a session that ended leaves no microphone open.
  function follow(state) {
    if ("settings" in state) {
      playback.volume(state.settings.volume ?? 1);
      if (microphone.isOpen && handsFree()) recognise();
    }
    if (state.phase && state.phase !== "live") {
      stopListening();
      if (state.phase === "ended") playback.endReplay();
    }
    if ("engine" in state && state.engine && state.engine !== id) {
      stopListening();
      playback.clear();
    }
    const news = ["phase", "engine", "settings"].some((name) => name in state);
    if (news && store.state.phase === "live" && handsFree() && (store.state.engine ?? id) === id && views) openMicrophone();
  }

  // --- the microphone ---

  function sendPiece(pcm, t) {
    send({ k: "pcm", seq: sent, t: Math.round(t * 1e4) / 1e4, engine: id }, pcm);
    sent += 1;
    return true;
  }

  function interrupt(t) {
    const playing = cut();
    send({ k: "onset", t: Math.round(t * 1e4) / 1e4, playing, engine: id });
  }

  // What may not be interrupted is played on; the kernel holds the input back until then.
  function cut() {
    const may = playback.interruptible && store.state.gate?.open !== false;
    if (may) playback.clear();
    return may;
  }

  function openMicrophone(device = store.local.device) {
    clearTimeout(unused);
    if (microphone.isOpen) return Promise.resolve(true);
    wanted ??= begin(device).finally(() => { wanted = null; });
    return wanted;
  }

  async function begin(device) {
    store.set({ microphone: "opening", trouble: "" });
    try {
      const label = await microphone.open({ ...store.state.settings, device });
      store.set({ microphone: "on", devices: await microphone.devices() });
      send({ k: "microphone", on: true, engine: id, error: null, device: label });
      if (!views) stopListening();
      else if (handsFree()) recognise();
      return true;
    } catch (error) {
      if (error?.name === "Cancelled") return false;
      const text = microphoneTrouble(error);
      store.set({ microphone: "off", trouble: text, talking: false, level: 0 });
      send({ k: "microphone", on: false, engine: id, error: text, device: null });
      if (handsFree()) set("mode", "push");
      return false;
    }
  }

  // Have the page's own recognition listen hands-free, or stop: it hears the microphone by itself, muted or not.
  function recognise() {
    if (byBrowser() && !store.state.settings.muted) recognition.begin(true);
    else recognition.end();
  }

  function stopListening() {
    clearTimeout(unused);
    recognition.end();
    const open = store.local.microphone !== "off";
    microphone.close();
    if (held) send({ k: "talk", on: false, engine: id });
    held = false;
    store.set({ microphone: "off", talking: false, level: 0, speech: false });
    if (open) send({ k: "microphone", on: false, engine: id, error: null, device: null });
  }

  function set(name, value) {
    store.merge({ settings: { ...store.state.settings, [name]: value } });
    follow({ settings: store.state.settings });
    send({ k: "set", name, value });
    if (["echo_cancellation", "noise_suppression", "auto_gain"].includes(name)) reopen();
  }

  function reopen() {
    if (!microphone.isOpen) return;
    microphone.close();
    openMicrophone();
  }

  function leave() {
    stopListening();
    playback.clear();
  }

  // --- what views call ---

  const engine = {
    id, store, playback, microphone, hello, set,

    /** Send a message that carries nothing but itself and its engine. */
    ask: (k, fields = {}) => send({ k, ...fields }),

    /** Start, renew: both begin on a click, so that the browser allows sound from here on. */
    connect(k = "connect") {
      playback.wake();
      playback.endReplay();
      playback.clear();
      store.set({ trouble: "" });
      send({ k, engine: id });
    },

    hangUp() {
      stopListening();
      playback.clear();
      send({ k: "hang_up", engine: id });
    },

    say(text) {
      if (store.state.phase === "idle") engine.connect();
      cut();
      return send({ k: "say", text });
    },

    key(digit) {
      cut();
      send({ k: "key", digit });
    },

    /** Push-to-talk is held. The microphone stays open for half a minute after its release, sending nothing. */
    async talk(on) {
      if (on === store.local.talking || (on && store.state.phase !== "live")) return;
      if (on) {
        store.set({ talking: true });
        if (!(await openMicrophone()) || !store.local.talking) return;
        interrupt(performance.now() / 1000);
        if (byBrowser()) return recognition.begin(false);
        send({ k: "talk", on: true, engine: id });
        held = true;
        for (const { pcm, t } of microphone.before()) sendPiece(pcm, t);
      } else {
        await microphone.flush();
        recognition.end();
        if (!store.local.talking) return;
        store.set({ talking: false });
        held = false;
        if (!byBrowser()) send({ k: "talk", on: false, engine: id });
        clearTimeout(unused);
        unused = setTimeout(() => !handsFree() && stopListening(), UNUSED_MS);
      }
    },

    async handsFree(on) {
      if (on && store.state.phase === "live" && !(await openMicrophone())) return;
      set("mode", on ? "hands_free" : "push");
      if (!on) stopListening();
    },

    device(id) {
      store.set({ device: id });
      reopen();
    },

    async listDevices() {
      store.set({ devices: await microphone.devices() });
    },

    replay() {
      playback.wake();
      if (store.local.replay) playback.endReplay();
      else send({ k: "replay", engine: id });
    },

    /** A view begins to show the engine; returns what ends that. At none, nothing listens and nothing speaks. */
    attach() {
      views += 1;
      follow({ phase: store.state.phase });
      let attached = true;
      return () => {
        if (!attached) return;
        attached = false;
        views -= 1;
        if (views) return;
        stopListening();
        // A notebook that moves an output shows it anew at once: only then the voice goes on.
        setTimeout(() => !views && playback.clear(), 400);
      };
    },

    close() {
      if (closed) return;
      stopListening();
      playback.close();
      window.removeEventListener("pagehide", leave);
      closed = true;
    },
  };

  model.on("msg:custom", receive);
  model.on("comm:close", lose);
  // A connection that came back answers; one that is gone throws at the first word.
  model.on("comm_live_update", hello);
  window.addEventListener("pagehide", leave);
  return engine;
}
