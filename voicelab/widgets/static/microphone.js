// @ts-check

/** The microphone: opened on request, heard in pieces of at most 100 ms, closed without a trace. */

import { WORKLET_SOURCE } from "./worklet.js";

/** @import { Heard, Order } from "./capture.js" */
/** @import { Settings } from "./protocol.d.ts" */
/** @import { Device } from "./types.d.ts" */

const PATIENCE_MS = 20_000;
const AWAKE_MS = 500;
const FLUSHED_MS = 120;
// .3 s of PCM16 at 16 kHz.
const KEPT_BYTES = 9600;

/**
 * One sentence for each way in which a microphone can't be had, with what to do.
 *
 * @param {any} error
 * @param {{ protocol: string, hostname?: string, port?: string }} where
 */
export function microphoneTrouble(error, where = location) {
  if (/^vscode/.test(where.protocol) || /\bVSCode|\bCode\//.test(navigator.userAgent)) {
    return "VS Code's notebooks can't open a microphone: type, upload a sound file, or open this notebook in JupyterLab on localhost.";
  }
  if (!canHear()) {
    const port = where.port || "8888";
    return `Browsers open a microphone only on https or on localhost: use https, or an ssh tunnel (ssh -L ${port}:localhost:${port} ${where.hostname || "HOST"}) and open http://localhost:${port}.`;
  }
  return SENTENCES[error?.name] ?? `The microphone could not be opened: ${error?.message || error}. Typing works without it.`;
}

/** @type {Record<string, string>} */
const SENTENCES = {
  NotAllowedError: "The browser did not allow the microphone: allow it at the sign beside the page's address, then press again.",
  SecurityError: "This page may not use a microphone: open the notebook in a tab of its own, or type.",
  NotFoundError: "No microphone was found: plug one in or switch it on, then press again. Typing works without one.",
  NotReadableError: "The microphone is there but gives no sound, perhaps because another program holds it: close that program, then press again.",
  AbortError: "The microphone stopped while it was being opened: press again, or choose another one.",
  OverconstrainedError: "The microphone that was chosen is gone: choose another one under “Microphone”.",
  TimeoutError: `The browser did not answer within ${PATIENCE_MS / 1000} s: look for its question about the microphone beside the address, then press again.`,
};

/**
 * What is told of what is heard.
 *
 * @typedef {object} Hearing
 * @property {(pcm: ArrayBuffer) => boolean} piece Takes a piece; returns whether it was used.
 * @property {() => void} onset The caller begins to speak.
 * @property {() => void} offset
 * @property {(rms: number) => void} level
 * @property {(reason: string) => void} closed The device went away.
 */

/** @typedef {Partial<Pick<Settings, "echo_cancellation" | "noise_suppression" | "auto_gain">> & { device?: string }} Options */
/** @typedef {{ stream: MediaStream, context: AudioContext, node: AudioWorkletNode | null }} Parts */
/** @typedef {{ cancelled: boolean }} Ticket */

/** Opens one microphone at a time. */
export class Microphone {
  /** @type {Parts | null} */
  #open = null;
  /** @type {Ticket | null} */
  #opening = null;
  /** @type {ArrayBuffer[]} */
  #kept = [];
  /** @type {(() => void) | null} */
  #flushed = null;
  #on;

  constructor(/** @type {Hearing} */ on) {
    this.#on = on;
  }

  get isOpen() { return this.#open !== null; }

  /** Open it; rejects with what `microphoneTrouble` explains. */
  async open(/** @type {Options} */ options = {}) {
    this.close();
    if (!canHear()) throw failure("Insecure", "insecure");
    /** @type {Ticket} */
    const ticket = { cancelled: false };
    this.#opening = ticket;
    try {
      const stream = await inTime(navigator.mediaDevices.getUserMedia({ audio: constraintsOf(options) }), ticket);
      await this.#hear({ stream, context: new AudioContext(), node: null }, ticket);
    } finally {
      if (this.#opening === ticket) this.#opening = null;
    }
  }

  /** Close it, and stop a request that is still waiting for its answer. */
  close() {
    if (this.#opening) this.#opening.cancelled = true;
    this.#opening = null;
    this.#kept = [];
    if (this.#open) release(this.#open);
    this.#open = null;
    this.#flushed?.();
  }

  /** The last pieces before now that nobody used, so that a word's beginning isn't lost to a slow finger. */
  before() {
    return this.#kept.splice(0);
  }

  /** Have what is heard so far handed over, though it is no whole piece. */
  flush() {
    if (!this.#open) return Promise.resolve();
    return /** @type {Promise<void>} */ (new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#flushed = null;
        resolve();
      };
      const timer = setTimeout(done, FLUSHED_MS);
      this.#flushed = done;
      this.#order({ k: "flush" });
    }));
  }

  /** Know whether the agent speaks, whose echo may be heard. */
  agentSpeaks(/** @type {boolean} */ speaks) {
    this.#order({ k: "agent", speaks });
  }

  /**
   * The input devices; labels are blank until a microphone was allowed.
   *
   * @returns {Promise<Device[]>}
   */
  async devices() {
    if (!navigator.mediaDevices?.enumerateDevices) return [];
    const all = await navigator.mediaDevices.enumerateDevices();
    const inputs = all.filter((device) => device.kind === "audioinput" && device.deviceId);
    return inputs.map(({ deviceId, label }, i) => ({ id: deviceId, label: label || `Microphone ${i + 1}` }));
  }

  async #hear(/** @type {Parts} */ parts, /** @type {Ticket} */ ticket) {
    const { stream, context } = parts;
    try {
      if (context.state === "suspended") await Promise.race([context.resume(), wait(AWAKE_MS)]);
      const address = URL.createObjectURL(new Blob([WORKLET_SOURCE], { type: "text/javascript" }));
      await context.audioWorklet.addModule(address);
      URL.revokeObjectURL(address);
      if (ticket.cancelled) throw failure("Cancelled", "closed");
      parts.node = new AudioWorkletNode(context, "voicelab-capture", { numberOfOutputs: 0 });
      parts.node.port.onmessage = ({ data }) => this.#heard(data);
      context.createMediaStreamSource(stream).connect(parts.node);
      for (const track of stream.getAudioTracks()) track.onended = () => this.#gone(parts);
      this.#open = parts;
    } catch (error) {
      release(parts);
      throw error;
    }
  }

  #heard(/** @type {Heard} */ heard) {
    if (heard.k === "onset") this.#on.onset();
    if (heard.k === "offset") this.#on.offset();
    if (heard.k !== "piece") return;
    this.#on.level(heard.level);
    if (heard.pcm.byteLength) this.#kept = this.#on.piece(heard.pcm) ? [] : lastOf([...this.#kept, heard.pcm]);
    if (heard.flushed) this.#flushed?.();
  }

  #order(/** @type {Order} */ order) {
    this.#open?.node?.port.postMessage(order);
  }

  #gone(/** @type {Parts} */ parts) {
    if (this.#open !== parts) return;
    this.close();
    this.#on.closed("The microphone was unplugged or taken away.");
  }
}

/** As many of the last pieces as are kept. */
function lastOf(/** @type {ArrayBuffer[]} */ pieces) {
  let first = pieces.length;
  for (let bytes = 0; first > 0 && bytes < KEPT_BYTES; bytes += pieces[first].byteLength) first -= 1;
  return pieces.slice(first);
}

function canHear() {
  return window.isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia);
}

/** @returns {MediaTrackConstraints} */
function constraintsOf(/** @type {Options} */ options) {
  return {
    channelCount: 1,
    echoCancellation: options.echo_cancellation ?? true,
    noiseSuppression: options.noise_suppression ?? true,
    autoGainControl: options.auto_gain ?? true,
    ...(options.device ? { deviceId: { exact: options.device } } : {}),
  };
}

/**
 * The promise of getUserMedia may never settle, and it can settle after one has given up: then it is let go at once.
 *
 * @param {Promise<MediaStream>} promise
 * @param {Ticket} ticket
 * @returns {Promise<MediaStream>}
 */
function inTime(promise, ticket) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      ticket.cancelled = true;
      reject(failure("TimeoutError", "no answer"));
    }, PATIENCE_MS);
    promise.then((stream) => {
      clearTimeout(timer);
      if (!ticket.cancelled) return resolve(stream);
      for (const track of stream.getTracks()) track.stop();
      reject(failure("Cancelled", "closed"));
    }, (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}

function release(/** @type {Parts} */ { stream, context, node }) {
  node?.port.postMessage(/** @type {Order} */ ({ k: "stop" }));
  node?.disconnect();
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
  if (context.state !== "closed") context.close();
}

function failure(/** @type {string} */ name, /** @type {string} */ message) {
  return Object.assign(new Error(message), { name });
}

function wait(/** @type {number} */ ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
