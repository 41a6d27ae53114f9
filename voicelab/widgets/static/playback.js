/**
 * Playback: rows of sound, one after the other, each in pieces that arrive in order.
 *
 * A row is audio (pieces of PCM, scheduled without a gap on the audio clock) or a text for the page's own voice. It is
 * reported when it starts, and when it has been played to its end or was cut, with the seconds that were heard.
 */

import { floatsOf } from "./dom.js";
import { speakText } from "./voices.js";

const LEAD_S = 0.015;

/**
 * Make a player.
 *
 * @param {object} on - `started(row)`, `ended(row)`, `stopped(row, played_s)`, `changed(row or null)`, `trouble(text)`.
 */
export function createPlayback(on) {
  let context = null;
  let gain = null;
  let rows = [];
  let next_s = 0;
  let volume = 1;
  let replaying = null;

  function ready() {
    if (context) return context;
    context = new AudioContext();
    gain = context.createGain();
    gain.gain.value = volume;
    gain.connect(context.destination);
    return context;
  }

  // Give the audio clock everything that may be played: up to the first row that isn't complete, or that a voice speaks.
  function pump() {
    for (const row of rows) {
      if (row.text !== undefined) {
        if (row === rows[0] && !row.stop) speak(row);
        return;
      }
      while (row.waiting.length) schedule(row, row.waiting.shift());
      if (!row.last) return;
      if (!row.pieces.length) {
        if (row !== rows[0]) return;
        begin(row);
        return finish(row);
      }
    }
  }

  function schedule(row, samples) {
    const at = Math.max(next_s, context.currentTime + LEAD_S);
    const buffer = context.createBuffer(1, samples.length, row.rate);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(gain);
    const piece = { source, at, length_s: buffer.duration, over: false };
    source.onended = () => {
      piece.over = true;
      settle(row);
    };
    source.start(at);
    next_s = at + buffer.duration;
    row.pieces.push(piece);
    if (row.pieces.length === 1) row.timer = setTimeout(() => begin(row), Math.max(0, (at - context.currentTime) * 1000));
  }

  function speak(row) {
    row.stop = speakText({ ...row, volume }, {
      started: () => begin(row),
      ended: (trouble) => {
        if (trouble) on.trouble(trouble);
        finish(row);
      },
    });
  }

  function begin(row) {
    if (row.begun || !rows.includes(row)) return;
    if (rows[0] !== row) {
      // The clock is ahead of the news that the row before has ended.
      row.due = true;
      return;
    }
    if (row.text === undefined && context.state === "suspended") {
      // No sound is heard before the page has been touched; the row begins when it is.
      row.timer = setTimeout(() => begin(row), 100);
      return;
    }
    row.begun = true;
    row.began_ms = performance.now();
    on.started(row.row);
    on.changed(row.row);
  }

  function settle(row) {
    if (row.last && !row.waiting.length && row.pieces.every((piece) => piece.over)) finish(row);
  }

  function finish(row) {
    if (rows[0] !== row) return;
    begin(row);
    clearTimeout(row.timer);
    rows.shift();
    on.ended(row.row);
    if (!rows.length) on.changed(null);
    else if (rows[0].due) begin(rows[0]);
    pump();
  }

  function playedSeconds(row) {
    if (row.text !== undefined) return row.begun ? (performance.now() - row.began_ms) / 1000 : 0;
    const now = context.currentTime;
    return row.pieces.reduce((sum, { at, length_s }) => sum + Math.min(length_s, Math.max(0, now - at)), 0);
  }

  function find(row, make) {
    const known = rows.find((other) => other.row === row);
    if (known) return known;
    const added = { row, pieces: [], waiting: [], last: false, begun: false, timer: 0, ...make };
    rows.push(added);
    return added;
  }

  return {
    /** Open the audio device; called on a click, before which browsers allow no sound. */
    wake() {
      if (ready().state === "suspended") context.resume();
    },

    /** Whether sound waits for the user's first click on the page. */
    get asleep() { return context?.state === "suspended" && rows.length > 0; },

    /** Whether something is being played, or waits to be. */
    get busy() { return rows.length > 0; },

    /** Whether what is played may be cut by the caller. */
    get interruptible() { return rows.length > 0 && rows[0].interruptible !== false; },

    /** The node that everything is played through, and its clock: for a meter or a recorder. */
    get output() { return gain; },

    /** Add a piece of a row's audio: PCM16. */
    audio({ row, rate, interruptible, last }, buffer) {
      ready();
      const target = find(row, { rate, interruptible });
      const samples = floatsOf(buffer);
      if (samples.length) target.waiting.push(samples);
      target.last = target.last || last !== false;
      pump();
      settle(target);
    },

    /** Add a row that the page's own voice speaks. */
    speak({ row, text, voice, language, speed, interruptible }) {
      find(row, { text: text ?? "", voice, language, speed, interruptible });
      pump();
    },

    /** Stop, forget what waits, and report how much of each row was played. */
    clear() {
      const cut = rows;
      rows = [];
      next_s = 0;
      for (const row of cut) {
        const played_s = row.begun ? playedSeconds(row) : 0;
        clearTimeout(row.timer);
        row.stop?.();
        for (const { source } of row.pieces) silence(source);
        on.stopped(row.row, Math.round(played_s * 1000) / 1000);
      }
      if (cut.length) on.changed(null);
    },

    /** Set how loud it plays, 0 to 1. */
    volume(value) {
      volume = Math.min(1, Math.max(0, value));
      if (gain) gain.gain.setTargetAtTime(volume, context.currentTime, 0.01);
    },

    /** Play a whole session, the caller left and the agent right; `done` is called at its end. Returns its clock. */
    replay({ rate, duration_s }, buffer, done) {
      ready();
      this.endReplay();
      const both = floatsOf(buffer);
      const length = both.length >> 1;
      const started_ms = performance.now();
      let source = null;
      if (length) {
        const sound = context.createBuffer(2, length, rate);
        for (const side of [0, 1]) {
          const channel = sound.getChannelData(side);
          for (let i = 0; i < length; i++) channel[i] = both[2 * i + side];
        }
        source = context.createBufferSource();
        source.buffer = sound;
        source.connect(gain);
        source.start();
      }
      const total_s = Math.max(duration_s || 0, length / rate);
      const clock = { at_s: () => Math.min(total_s, (performance.now() - started_ms) / 1000), total_s };
      const timer = setTimeout(() => this.endReplay(), total_s * 1000 + 200);
      replaying = () => {
        clearTimeout(timer);
        if (source) silence(source);
        done();
      };
      return clock;
    },

    /** End a replay. */
    endReplay() {
      const end = replaying;
      replaying = null;
      end?.();
    },

    /** Stop and let the audio device go. */
    close() {
      this.endReplay();
      this.clear();
      if (context && context.state !== "closed") context.close();
      context = null;
      gain = null;
    },
  };
}

function silence(source) {
  source.onended = null;
  try {
    source.stop();
  } catch {
    // It was never started.
  }
  source.disconnect();
}
