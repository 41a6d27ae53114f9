/** The microphone: opened on request, heard in pieces of 100 ms, closed without a trace. */

import { WORKLET_SOURCE } from "./worklet.js";

const PATIENCE_MS = 20_000;
const KEPT_PIECES = 3;

/** One sentence for each way in which a microphone can't be had, with what to do. */
export function microphoneTrouble(error, where = location) {
  if (/^vscode/.test(where.protocol) || /\bVSCode|\bCode\//.test(navigator.userAgent)) {
    return "VS Code's notebooks can't open a microphone: type, upload a sound file, or open this notebook in JupyterLab on localhost.";
  }
  if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) {
    const port = where.port || "8888";
    return `Browsers open a microphone only on https or on localhost: use https, or an ssh tunnel (ssh -L ${port}:localhost:${port} ${where.hostname || "HOST"}) and open http://localhost:${port}.`;
  }
  const sentences = {
    NotAllowedError: "The browser did not allow the microphone: allow it at the sign beside the page's address, then press again.",
    SecurityError: "This page may not use a microphone: open the notebook in a tab of its own, or type.",
    NotFoundError: "No microphone was found: plug one in or switch it on, then press again. Typing works without one.",
    NotReadableError: "The microphone is there but gives no sound, perhaps because another program holds it: close that program, then press again.",
    AbortError: "The microphone stopped while it was being opened: press again, or choose another one.",
    OverconstrainedError: "The microphone that was chosen is gone: choose another one under “Microphone”.",
    TimeoutError: `The browser did not answer within ${PATIENCE_MS / 1000} s: look for its question about the microphone beside the address, then press again.`,
  };
  return sentences[error?.name] ?? `The microphone could not be opened: ${error?.message || error}. Typing works without it.`;
}

/**
 * Make a microphone.
 *
 * @param {object} on - What is heard goes to `piece({pcm, t})`, which returns whether it was used, and to `onset({t})`,
 *   `offset()`, `level(rms)`; times are seconds on the page's clock. `closed(reason)` is called when the device went away.
 */
export function createMicrophone(on) {
  let open = null;
  let opening = null;
  let kept = [];
  let flushed = null;

  async function begin(options) {
    if (!window.isSecureContext || !navigator.mediaDevices?.getUserMedia) throw Object.assign(new Error("insecure"), { name: "Insecure" });
    const ticket = { cancelled: false };
    opening = ticket;
    const constraints = {
      audio: {
        channelCount: 1,
        echoCancellation: options.echo_cancellation ?? true,
        noiseSuppression: options.noise_suppression ?? true,
        autoGainControl: options.auto_gain ?? true,
        ...(options.device ? { deviceId: { exact: options.device } } : {}),
      },
    };
    const stream = await inTime(navigator.mediaDevices.getUserMedia(constraints), ticket);
    const context = new AudioContext();
    const parts = { stream, context, node: null };
    try {
      if (context.state === "suspended") await Promise.race([context.resume(), wait(500)]);
      const address = URL.createObjectURL(new Blob([WORKLET_SOURCE], { type: "text/javascript" }));
      await context.audioWorklet.addModule(address);
      URL.revokeObjectURL(address);
      if (ticket.cancelled) throw Object.assign(new Error("closed"), { name: "Cancelled" });
      const node = new AudioWorkletNode(context, "voicelab-capture", { numberOfOutputs: 0 });
      const clock = performance.now() / 1000 - context.currentTime;
      node.port.onmessage = ({ data }) => hear(data, clock);
      context.createMediaStreamSource(stream).connect(node);
      parts.node = node;
      for (const track of stream.getAudioTracks()) track.onended = () => open === parts && (close(), on.closed("The microphone was unplugged or taken away."));
      open = parts;
    } catch (error) {
      release(parts);
      throw error;
    } finally {
      if (opening === ticket) opening = null;
    }
    return stream.getAudioTracks()[0]?.label || "microphone";
  }

  // The promise of getUserMedia may never settle, and it can settle after one has given up: then it is let go at once.
  function inTime(promise, ticket) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        ticket.cancelled = true;
        if (opening === ticket) opening = null;
        reject(Object.assign(new Error("no answer"), { name: "TimeoutError" }));
      }, PATIENCE_MS);
      promise.then((stream) => {
        clearTimeout(timer);
        if (!ticket.cancelled) return resolve(stream);
        for (const track of stream.getTracks()) track.stop();
        reject(Object.assign(new Error("closed"), { name: "Cancelled" }));
      }, (error) => {
        clearTimeout(timer);
        if (opening === ticket) opening = null;
        reject(error);
      });
    });
  }

  function hear(data, clock) {
    if (data.k === "onset") on.onset({ t: data.at + clock });
    if (data.k === "offset") on.offset();
    if (data.k !== "piece") return;
    on.level(data.level);
    if (data.pcm.byteLength) {
      const piece = { pcm: data.pcm, t: data.at + clock };
      kept = on.piece(piece) ? [] : [...kept, piece].slice(-KEPT_PIECES);
    }
    if (data.flushed && flushed) flushed();
  }

  function release({ stream, context, node }) {
    node?.port.postMessage({ k: "stop" });
    node?.disconnect();
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
    }
    if (context.state !== "closed") context.close();
  }

  /** Close it, and stop a request that is still waiting for its answer. */
  function close() {
    if (opening) opening.cancelled = true;
    opening = null;
    kept = [];
    if (open) release(open);
    open = null;
    flushed?.();
  }

  return {
    close,
    get isOpen() { return open !== null; },

    /** Open it; resolves with the device's name, rejects with what `microphoneTrouble` explains. */
    async open(options = {}) {
      close();
      return begin(options);
    },

    /** The last pieces before now that nobody used, so that a word's beginning isn't lost to a slow finger. */
    before() {
      const pieces = kept;
      kept = [];
      return pieces;
    },

    /** Have what is heard so far handed over, though it is no whole piece. */
    flush() {
      if (!open) return Promise.resolve();
      return new Promise((resolve) => {
        const timer = setTimeout(done, 120);
        function done() {
          clearTimeout(timer);
          flushed = null;
          resolve();
        }
        flushed = done;
        open.node.port.postMessage({ k: "flush" });
      });
    },

    /** How many times louder than the room a voice must be; more while the agent speaks, whose echo may remain. */
    margin(value) {
      open?.node.port.postMessage({ k: "margin", value });
    },

    /** The input devices: id and label; labels are blank until a microphone was allowed. */
    async devices() {
      if (!navigator.mediaDevices?.enumerateDevices) return [];
      const all = await navigator.mediaDevices.enumerateDevices();
      const inputs = all.filter((device) => device.kind === "audioinput" && device.deviceId);
      return inputs.map(({ deviceId, label }, i) => ({ id: deviceId, label: label || `Microphone ${i + 1}` }));
    },
  };
}

function wait(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
