// @ts-check

/**
 * How one console's page hears the caller: the microphone held open or hands-free, or the page's own recognition.
 *
 * It stops playback by itself when the caller begins to speak, before the kernel knows.
 */

import { Microphone, microphoneTrouble } from "./microphone.js";
import { Recognition } from "./recognition.js";

/** @import { KernelLink } from "./kernel_link.js" */
/** @import { Playback } from "./playback.js" */
/** @import { Settings } from "./protocol.d.ts" */
/** @import { Store } from "./store.js" */

const UNUSED_MS = 30_000;

/**
 * What it works with.
 *
 * @typedef {object} Parts
 * @property {Store} store
 * @property {KernelLink} link
 * @property {Playback} playback
 * @property {() => boolean} isShown Whether a view shows the console: else nothing listens.
 * @property {(mode: Settings["mode"]) => void} setMode Changes how it listens.
 */

/** Opens the microphone, sends what it hears, and closes it. */
export class Listening {
  #parts;
  #held = false; // The kernel knows that push-to-talk is held: what is heard from now on is meant for it.
  #unused = 0;
  /** @type {Promise<boolean> | null} */
  #opening = null;

  constructor(/** @type {Parts} */ parts) {
    this.#parts = parts;
    const { store, link } = parts;
    const trouble = (/** @type {string} */ text) => store.set({ trouble: text });
    this.microphone = new Microphone({
      piece: (pcm) => this.#takes && !this.#byBrowser && this.#sendPiece(pcm),
      onset: () => {
        store.set({ speech: true });
        if (this.isHandsFree && this.#takes) this.#soundsOver();
      },
      offset: () => store.set({ speech: false }),
      level: (level) => store.set({ level: store.state.settings.muted ? 0 : level }),
      closed: (reason) => {
        trouble(reason);
        this.stop();
      },
    });
    this.recognition = new Recognition({
      heard: (text, final) => {
        if (!store.state.settings.muted) link.send({ k: "heard", text, final, engine: link.id });
      },
      trouble,
    });
  }

  /** Whether the microphone listens all the time. */
  get isHandsFree() {
    return this.#parts.store.state.settings.mode === "hands_free";
  }

  // Where the page's own recognition listens, the kernel gets its words and no sound. What is chosen while a session
  // runs counts from the next one on.
  get #byBrowser() {
    return this.#parts.store.state.uses.stt === "browser";
  }

  // Whether what is heard is meant for the kernel.
  get #takes() {
    return !this.#parts.store.state.settings.muted && (this.isHandsFree || this.#held);
  }

  /** Open the microphone; resolves with whether it is open. */
  open() {
    clearTimeout(this.#unused);
    if (this.microphone.isOpen) return Promise.resolve(true);
    this.#opening ??= this.#begin().finally(() => { this.#opening = null; });
    return this.#opening;
  }

  /** Close it: what was being said is over. */
  stop() {
    const { store, link } = this.#parts;
    clearTimeout(this.#unused);
    this.recognition.end();
    const open = store.local.microphone !== "off";
    this.microphone.close();
    if (this.#held) link.send({ k: "talk", on: false, engine: link.id });
    this.#held = false;
    store.set({ microphone: "off", talking: false, level: 0, speech: false });
    if (open) link.send({ k: "microphone", on: false, error: null, engine: link.id });
  }

  /** Open it anew with other settings, or on another device. */
  reopen() {
    if (!this.microphone.isOpen) return;
    this.microphone.close();
    this.open();
  }

  /** Push-to-talk is held or released. The microphone stays open for half a minute after that, sending nothing. */
  async talk(/** @type {boolean} */ on) {
    const { store } = this.#parts;
    if (on === store.local.talking || (on && store.state.phase !== "live")) return;
    if (on) await this.#hold();
    else await this.#release();
  }

  /** Listen all the time, or no longer. */
  async handsFree(/** @type {boolean} */ on) {
    const { store, setMode } = this.#parts;
    if (on && store.state.phase === "live" && !(await this.open())) return;
    setMode(on ? "hands_free" : "push");
    if (!on) this.stop();
  }

  /** Stop what is being said, where it may be: what may not be interrupted is played on, and the kernel holds the input back. */
  cut() {
    const { store, playback } = this.#parts;
    if (playback.interruptible && store.state.gate.open) playback.clear();
  }

  /** Be told that the agent begins or ends to speak. */
  besides(/** @type {boolean} */ speech) {
    this.microphone.agentSpeaks(speech);
  }

  /** Have the page's own recognition listen hands-free, or stop: it hears the microphone by itself, muted or not. */
  recognise() {
    if (this.#byBrowser && !this.#parts.store.state.settings.muted) this.recognition.begin(true);
    else this.recognition.end();
  }

  async #begin() {
    const { store, link, isShown } = this.#parts;
    store.set({ microphone: "opening", trouble: "" });
    try {
      await this.microphone.open({ ...store.state.settings, device: store.local.device });
      store.set({ microphone: "on", devices: await this.microphone.devices() });
      link.send({ k: "microphone", on: true, error: null, engine: link.id });
      if (!isShown()) this.stop();
      else if (this.isHandsFree) this.recognise();
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === "Cancelled") return false;
      this.#refused(microphoneTrouble(error));
      return false;
    }
  }

  #refused(/** @type {string} */ reason) {
    const { store, link, setMode } = this.#parts;
    store.set({ microphone: "off", trouble: reason, talking: false, level: 0 });
    link.send({ k: "microphone", on: false, error: reason, engine: link.id });
    if (this.isHandsFree) setMode("push");
  }

  async #hold() {
    const { store, link } = this.#parts;
    store.set({ talking: true });
    if (!(await this.open()) || !store.local.talking) return;
    this.#interrupt();
    if (this.#byBrowser) return this.recognition.begin(false);
    link.send({ k: "talk", on: true, engine: link.id });
    this.#held = true;
    for (const pcm of this.microphone.before()) this.#sendPiece(pcm);
  }

  async #release() {
    const { store, link } = this.#parts;
    await this.microphone.flush();
    this.recognition.end();
    if (!store.local.talking) return;
    store.set({ talking: false });
    this.#held = false;
    if (!this.#byBrowser) link.send({ k: "talk", on: false, engine: link.id });
    clearTimeout(this.#unused);
    this.#unused = setTimeout(() => !this.isHandsFree && this.stop(), UNUSED_MS);
  }

  // A cough or "mm-hm" doesn't stop the agent: the kernel knows soon whether this does, and lowers or stops it.
  #soundsOver() {
    const { store, link, playback } = this.#parts;
    if (playback.interruptible && store.state.gate.open) playback.duck(true);
    link.send({ k: "onset", engine: link.id });
  }

  // First playback, so that the kernel knows what was heard before it hears of the interruption.
  #interrupt() {
    const { link } = this.#parts;
    this.cut();
    link.send({ k: "onset", engine: link.id });
  }

  #sendPiece(/** @type {ArrayBuffer} */ pcm) {
    const { link } = this.#parts;
    link.send({ k: "pcm", engine: link.id }, pcm);
    return true;
  }
}
