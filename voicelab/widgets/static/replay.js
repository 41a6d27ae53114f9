// @ts-check

/** A session's sound, played once more along its timeline. */

import { floatsOf } from "./dom.js";

/** @import { Bytes, ReplayClock } from "./types.d.ts" */

const AFTER_MS = 200;

/**
 * Play PCM16 stereo, the caller left and the agent right; without sound only time passes.
 *
 * @param {AudioNode} output
 * @param {{ rate: number, duration_s: number }} message
 * @param {Bytes | undefined} buffer
 * @param {() => void} over Called when it has been played.
 * @returns {{ clock: ReplayClock, end: () => void }} Where it is; and what stops it.
 */
export function playStereo(output, { rate, duration_s }, buffer, over) {
  const both = floatsOf(buffer);
  const length = both.length >> 1;
  const source = length ? start(output, both, rate) : null;
  const started_ms = performance.now();
  const total_s = Math.max(duration_s || 0, length / rate);
  const timer = setTimeout(over, total_s * 1000 + AFTER_MS);
  return {
    clock: { at_s: () => Math.min(total_s, (performance.now() - started_ms) / 1000), total_s },
    end() {
      clearTimeout(timer);
      if (source) silence(source);
    },
  };
}

/** Stop what plays, without a word. */
export function silence(/** @type {AudioBufferSourceNode} */ source) {
  source.onended = null;
  try {
    source.stop();
  } catch {
    // It was never started.
  }
  source.disconnect();
}

function start(/** @type {AudioNode} */ output, /** @type {Float32Array} */ both, /** @type {number} */ rate) {
  const { context } = output;
  const length = both.length >> 1;
  const sound = context.createBuffer(2, length, rate);
  for (const side of [0, 1]) {
    const channel = sound.getChannelData(side);
    for (let i = 0; i < length; i++) channel[i] = both[2 * i + side];
  }
  const source = context.createBufferSource();
  source.buffer = sound;
  source.connect(output);
  source.start();
  return source;
}
