// @ts-check

/**
 * The engine of one console: one per widget however many views show it. It holds what is known, and does what views ask
 * for and what the kernel's state asks for. It knows nothing of turn-taking.
 */

import { bytesOf, saveFile } from "./dom.js";
import { KernelLink } from "./kernel_link.js";
import { Listening } from "./listening.js";
import { Playback } from "./playback.js";
import { Store } from "./store.js";
import { loadVoices } from "./voices.js";

/** @import { Handlers } from "./kernel_link.js" */
/** @import { ConsoleToKernel, ConsoleToPage, Settings, State } from "./protocol.d.ts" */
/** @import { Known, Model } from "./types.d.ts" */

const MOVED_MS = 400;
/** @type {(keyof Settings)[]} */
const OF_THE_DEVICE = ["echo_cancellation", "noise_suppression", "auto_gain"];

/** What all views of one console share. */
export class Engine {
  #views = 0;
  /** @type {string[]} */
  #typed = [];
  #closed = false;
  #leave = () => this.#hush();

  constructor(/** @type {Model<ConsoleToKernel, ConsoleToPage>} */ model) {
    const store = new Store();
    const link = new KernelLink(model, store, () => this.#hush());
    const playback = new Playback({
      started: (row) => link.send({ k: "started", row, engine: link.id }),
      ended: (row) => link.send({ k: "ended", row, engine: link.id }),
      stopped: (row, played_s) => link.send({ k: "stopped", row, played_s, engine: link.id }),
      changed: (row) => {
        store.set({ speaking: row, silent: playback.asleep });
        this.listening.besides(row !== null);
      },
      trouble: (text) => store.set({ trouble: text }),
    });
    this.store = store;
    this.link = link;
    this.playback = playback;
    this.listening = new Listening({
      store, link, playback, isShown: () => this.#views > 0, setMode: (mode) => this.set("mode", mode),
    });
    link.listen(this.#handlers());
    window.addEventListener("pagehide", this.#leave);
  }

  get id() { return this.link.id; }
  get microphone() { return this.listening.microphone; }

  /** Greet the kernel. */
  hello() {
    loadVoices();
    this.link.hello();
  }

  // --- what views ask for ---

  /** Send a message that has no other effect here; returns whether that was possible. */
  ask(/** @type {ConsoleToKernel} */ message) {
    return this.link.send(message);
  }

  /** Start, or renew: both begin on a click, so that the browser allows sound from here on. */
  connect(/** @type {"connect" | "new"} */ k = "connect") {
    this.playback.wake();
    this.playback.endReplay();
    this.playback.clear();
    this.store.set({ trouble: "" });
    this.link.send({ k, engine: this.id });
  }

  hangUp() {
    this.#hush();
    this.link.send({ k: "hang_up" });
  }

  /** Say something typed: the kernel has it wait until the agent has spoken, unless typing interrupts. */
  say(/** @type {string} */ text) {
    const { phase, settings } = this.store.state;
    if (phase !== "live") this.connect(phase === "idle" ? "connect" : "new");
    if (settings.typing_interrupts) this.listening.cut();
    const sent = this.link.send({ k: "say", text });
    if (sent) this.#typed.push(text);
    return sent;
  }

  /** Say words that wait now, over the agent's. */
  sayNow(/** @type {number} */ number) {
    this.listening.cut();
    this.link.send({ k: "say_now", number });
  }

  /** Put a text into the message box, to be changed and said. */
  draft(/** @type {string} */ text) {
    this.store.set({ draft: { text } });
  }

  /** What was said in the session, in order, behind what was typed here and isn't in it. */
  said() {
    const events = [...this.store.events.values()].filter(({ kind, name }) => kind === "input" && name === "text");
    const said = events.sort((a, b) => a.seq - b.seq).map(({ data }) => String(data.said ?? data.text ?? ""));
    return [...this.#typed.filter((text) => !said.includes(text)).slice(-50), ...said];
  }

  /** Show a session that has ended, and play it where that is asked for. */
  open(/** @type {number} */ session, replays = false) {
    this.playback.endReplay();
    this.link.send({ k: "open", session });
    if (replays) this.replay();
  }

  key(/** @type {string} */ digit) {
    this.listening.cut();
    this.link.send({ k: "key", digit });
  }

  /**
   * Change a setting, here at once.
   *
   * @template {keyof Settings} N
   * @param {N} name
   * @param {Settings[N]} value
   */
  set(name, value) {
    this.store.merge({ settings: { ...this.store.state.settings, [name]: value } });
    this.#follow({ settings: this.store.state.settings });
    this.link.send({ k: "set", name, value });
    if (OF_THE_DEVICE.includes(name)) this.listening.reopen();
  }

  device(/** @type {string} */ id) {
    this.store.set({ device: id });
    this.listening.reopen();
  }

  async listDevices() {
    this.store.set({ devices: await this.microphone.devices() });
  }

  replay() {
    this.playback.wake();
    if (this.store.local.replay) this.playback.endReplay();
    else this.link.send({ k: "replay", engine: this.id });
  }

  /** A view begins to show the engine; returns what ends that. At none, nothing listens and nothing speaks. */
  attach() {
    this.#views += 1;
    this.#follow({ phase: this.store.state.phase });
    let attached = true;
    return () => {
      if (!attached) return;
      attached = false;
      this.#views -= 1;
      if (this.#views) return;
      this.listening.stop();
      // A notebook that moves an output shows it anew at once: only then the voice goes on.
      setTimeout(() => !this.#views && this.playback.clear(), MOVED_MS);
    };
  }

  close() {
    if (this.#closed) return;
    this.#closed = true;
    this.listening.stop();
    this.playback.close();
    window.removeEventListener("pagehide", this.#leave);
    this.link.close();
  }

  // --- what the kernel asks for ---

  /** @returns {Handlers} */
  #handlers() {
    const { store, playback, link } = this;
    return {
      ping: () => link.send({ k: "pong", engine: link.id }),
      audio: (message, buffer) => {
        playback.audio(message, buffer);
        store.set({ silent: playback.asleep });
      },
      speak: (message) => playback.speak(message),
      clear: () => playback.clear(),
      duck: ({ on }) => playback.duck(on),
      replay: (message, buffer) => {
        store.set({ replay: playback.replay(message, buffer, () => store.set({ replay: null })) });
      },
      all: (message) => this.#takeAll(message),
      state: ({ state }) => {
        store.merge(state);
        this.#follow(state);
      },
      events: ({ events, now_s }) => store.take(events, now_s),
      script: ({ python, messages, transcript }) => store.set({ script: { python, messages, transcript } }),
      partial: ({ text }) => store.set({ partial: text }),
      file: ({ name, mime }, buffer) => saveFile(name, mime, bytesOf(buffer)),
    };
  }

  #takeAll(/** @type {Extract<ConsoleToPage, { k: "all" }>} */ { state, events, now_s }) {
    this.store.forget();
    this.store.merge(state);
    const last_s = events.reduce((latest, event) => Math.max(latest, event.time_s), 0);
    this.store.take(events, now_s ?? last_s);
    this.#follow(state);
  }

  // The kernel's state decides what the devices do: a session that ended leaves no microphone open.
  #follow(/** @type {Partial<Known> | Partial<State>} */ news) {
    const { listening, playback } = this;
    const { state } = this.store;
    if (news.settings) {
      playback.volume(news.settings.volume ?? 1);
      if (listening.microphone.isOpen && listening.isHandsFree) listening.recognise();
    }
    if (news.phase && news.phase !== "live") {
      listening.stop();
      if (news.phase === "ended") playback.endReplay();
    }
    if (news.engine && news.engine !== this.id) this.#hush();
    const concerns = "phase" in news || "engine" in news || "settings" in news;
    const mine = (state.engine ?? this.id) === this.id;
    if (concerns && mine && state.phase === "live" && listening.isHandsFree && this.#views) listening.open();
  }

  // Nothing listens and nothing speaks.
  #hush() {
    this.listening.stop();
    this.playback.clear();
  }
}
