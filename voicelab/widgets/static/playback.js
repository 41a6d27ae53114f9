// @ts-check

/**
 * Playback: rows of sound, one after the other, each in pieces that arrive in order.
 *
 * A row is audio (pieces of PCM, scheduled without a gap on the audio clock) or a text for the page's own voice. It is
 * reported when it starts, and when it has been played to its end or was cut, with the seconds that were heard.
 */

import { floatsOf } from "./dom.js";
import { playStereo, silence } from "./replay.js";
import { speakText } from "./voices.js";

/** @import { Bytes, ReplayClock } from "./types.d.ts" */
/** @import { Speech } from "./voices.js" */

/**
 * What is told of the rows.
 *
 * @typedef {object} Listeners
 * @property {(row: number) => void} [started]
 * @property {(row: number) => void} [ended]
 * @property {(row: number, played_s: number) => void} [stopped]
 * @property {(row: number | null) => void} changed What is being played now.
 * @property {(text: string) => void} trouble
 */

/**
 * A piece of a row's audio that the audio clock has been given.
 *
 * @typedef {{ source: AudioBufferSourceNode, at: number, length_s: number, over: boolean }} Piece
 */

/**
 * A row that is played, or waits to be.
 *
 * @typedef {object} Row
 * @property {number} row
 * @property {boolean} interruptible
 * @property {number} rate
 * @property {Speech | null} speech What the page's own voice says; null for audio.
 * @property {Piece[]} pieces
 * @property {Float32Array<ArrayBuffer>[]} waiting Pieces that the clock has not been given yet.
 * @property {boolean} last Whether all pieces have come.
 * @property {boolean} begun
 * @property {boolean} due Whether its time has come before the news that the row in front has ended.
 * @property {number} began_ms
 * @property {number} timer
 * @property {(() => void) | null} stop Ends the page's own voice.
 */

const LEAD_S = 0.015;
const ASLEEP_MS = 100;
// How loud it plays while the caller sounds over it, and how long it takes to become so.
const DUCKED = 0.2;
const DUCKS_S = 0.03;

/** Plays rows. */
export class Playback {
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {GainNode | null} */
  #gain = null;
  /** @type {Row[]} */
  #rows = [];
  #next_s = 0;
  #volume = 1;
  #ducked = false;
  /** @type {(() => void) | null} */
  #endReplay = null;
  #on;

  constructor(/** @type {Listeners} */ on) {
    this.#on = on;
  }

  /** Open the audio device; called on a click, before which browsers allow no sound. */
  wake() {
    const { context } = this.#ready();
    if (context.state === "suspended") context.resume();
  }

  /** Whether sound waits for the user's first click on the page. */
  get asleep() { return this.#context?.state === "suspended" && this.busy; }

  /** Whether something is being played, or waits to be. */
  get busy() { return this.#rows.length > 0; }

  /** Whether what is played may be cut by the caller. */
  get interruptible() { return this.#rows[0]?.interruptible ?? false; }

  /** The node that everything is played through, and its clock: for a meter or a recorder. */
  get output() { return this.#gain; }

  /**
   * Add a piece of a row's audio: PCM16.
   *
   * @param {{ row: number, rate: number, interruptible: boolean, last: boolean }} message
   * @param {Bytes} [buffer]
   */
  audio({ row, rate, interruptible, last }, buffer) {
    this.#ready();
    const target = this.#find(row, { rate, interruptible: interruptible !== false });
    const samples = floatsOf(buffer);
    if (samples.length) target.waiting.push(samples);
    target.last = target.last || last !== false;
    this.#pump();
    this.#settle(target);
  }

  /** Add a row that the page's own voice speaks. */
  speak(/** @type {{ row: number, interruptible: boolean } & Speech} */ { row, interruptible, ...speech }) {
    this.#find(row, { speech, interruptible: interruptible !== false });
    this.#pump();
  }

  /** Stop, forget what waits, and report how much of each row was played. */
  clear() {
    const cut = this.#rows;
    this.duck(false);
    this.#rows = [];
    this.#next_s = 0;
    for (const row of cut) {
      const played_s = row.begun ? this.#playedSeconds(row) : 0;
      clearTimeout(row.timer);
      row.stop?.();
      for (const { source } of row.pieces) silence(source);
      this.#on.stopped?.(row.row, Math.round(played_s * 1000) / 1000);
    }
    if (cut.length) this.#on.changed(null);
  }

  /** Play softly, or as before. */
  duck(/** @type {boolean} */ on) {
    if (this.#ducked === on) return;
    this.#ducked = on;
    if (this.#context && this.#gain) this.#gain.gain.setTargetAtTime(this.#loudness, this.#context.currentTime, DUCKS_S);
  }

  get #loudness() { return this.#volume * (this.#ducked ? DUCKED : 1); }

  /** Set how loud it plays, 0 to 1. */
  volume(/** @type {number} */ value) {
    this.#volume = Math.min(1, Math.max(0, value));
    this.#gain?.gain.setTargetAtTime(this.#loudness, this.#gain.context.currentTime, 0.01);
  }

  /**
   * Play a whole session, the caller left and the agent right.
   *
   * @param {{ rate: number, duration_s: number }} message
   * @param {Bytes | undefined} buffer
   * @param {() => void} done Called at its end.
   * @returns {ReplayClock}
   */
  replay(message, buffer, done) {
    this.endReplay();
    const { clock, end } = playStereo(this.#ready().gain, message, buffer, () => this.endReplay());
    this.#endReplay = () => {
      end();
      done();
    };
    return clock;
  }

  /** End a replay. */
  endReplay() {
    const end = this.#endReplay;
    this.#endReplay = null;
    end?.();
  }

  /** Stop and let the audio device go. */
  close() {
    this.endReplay();
    this.clear();
    if (this.#context && this.#context.state !== "closed") this.#context.close();
    this.#context = null;
    this.#gain = null;
  }

  #ready() {
    if (this.#context && this.#gain) return { context: this.#context, gain: this.#gain };
    const context = new AudioContext();
    const gain = context.createGain();
    gain.gain.value = this.#loudness;
    gain.connect(context.destination);
    this.#context = context;
    this.#gain = gain;
    return { context, gain };
  }

  #find(/** @type {number} */ row, /** @type {Partial<Row>} */ given) {
    const known = this.#rows.find((other) => other.row === row);
    if (known) return known;
    /** @type {Row} */
    const added = {
      row, interruptible: true, rate: 0, speech: null, pieces: [], waiting: [], last: false, begun: false, due: false,
      began_ms: 0, timer: 0, stop: null, ...given,
    };
    this.#rows.push(added);
    return added;
  }

  // Give the audio clock everything that may be played: up to the first row that isn't complete, or that a voice speaks.
  #pump() {
    for (const row of this.#rows) {
      if (row.speech) {
        if (row === this.#rows[0] && !row.stop) this.#say(row, row.speech);
        return;
      }
      for (const samples of row.waiting.splice(0)) this.#schedule(row, samples);
      if (!row.last) return;
      if (!row.pieces.length) {
        if (row !== this.#rows[0]) return;
        this.#begin(row);
        return this.#finish(row);
      }
    }
  }

  #schedule(/** @type {Row} */ row, /** @type {Float32Array<ArrayBuffer>} */ samples) {
    const { context, gain } = this.#ready();
    const at = Math.max(this.#next_s, context.currentTime + LEAD_S);
    const buffer = context.createBuffer(1, samples.length, row.rate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(gain);
    /** @type {Piece} */
    const piece = { source, at, length_s: buffer.duration, over: false };
    source.onended = () => {
      piece.over = true;
      this.#settle(row);
    };
    source.start(at);
    this.#next_s = at + buffer.duration;
    row.pieces.push(piece);
    if (row.pieces.length === 1) row.timer = setTimeout(() => this.#begin(row), Math.max(0, (at - context.currentTime) * 1000));
  }

  #say(/** @type {Row} */ row, /** @type {Speech} */ speech) {
    row.stop = speakText(speech, this.#volume, {
      started: () => this.#begin(row),
      ended: (trouble) => {
        if (trouble) this.#on.trouble(trouble);
        this.#finish(row);
      },
    });
  }

  #begin(/** @type {Row} */ row) {
    if (row.begun || !this.#rows.includes(row)) return;
    if (this.#rows[0] !== row) {
      row.due = true;
      return;
    }
    if (!row.speech && this.#ready().context.state === "suspended") {
      // No sound is heard before the page has been touched; the row begins when it is.
      row.timer = setTimeout(() => this.#begin(row), ASLEEP_MS);
      return;
    }
    row.begun = true;
    row.began_ms = performance.now();
    this.#on.started?.(row.row);
    this.#on.changed(row.row);
  }

  #settle(/** @type {Row} */ row) {
    if (row.last && !row.waiting.length && row.pieces.every((piece) => piece.over)) this.#finish(row);
  }

  #finish(/** @type {Row} */ row) {
    if (this.#rows[0] !== row) return;
    this.#begin(row);
    clearTimeout(row.timer);
    this.#rows.shift();
    this.#on.ended?.(row.row);
    const next = this.#rows[0];
    if (!next) this.#on.changed(null);
    else if (next.due) this.#begin(next);
    this.#pump();
  }

  #playedSeconds(/** @type {Row} */ row) {
    if (row.speech) return (performance.now() - row.began_ms) / 1000;
    const now = this.#ready().context.currentTime;
    return row.pieces.reduce((sum, { at, length_s }) => sum + Math.min(length_s, Math.max(0, now - at)), 0);
  }
}
