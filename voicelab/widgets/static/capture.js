// @ts-check

/**
 * What is made of the microphone's samples: pieces to send, and where the caller begins to speak.
 *
 * It lowers the rate to 16 kHz behind a low-pass (a windowed sinc, so that nothing above 8 kHz folds down), cuts mono
 * PCM16 pieces of 100 ms, and detects by energy where the caller begins, on frames of 8 ms. In a pause that may end a turn
 * pieces are of 40 ms, so that the kernel knows its end sooner; all the time that would keep the page busy.
 */

/**
 * What is told of it; times are seconds of the audio clock.
 *
 * @typedef {{ k: "piece", pcm: ArrayBuffer, level: number, flushed: boolean } | { k: "onset", at: number } | { k: "offset", at: number }} Heard
 */

/**
 * What it is told.
 *
 * @typedef {{ k: "flush" } | { k: "stop" } | { k: "agent", speaks: boolean }} Order
 */

/** Hears one microphone. It runs on the audio thread, where its text alone is taken (worklet.js): it uses nothing else. */
export class Capture {
  static RATE = 16000;
  static PIECE = 1600;
  static SHORT_PIECE = 640;
  static FRAME = 128;
  static TAPS = 64;
  static PHASES = 128;
  static QUIET_FRAMES = 38;
  // From .2 to 1.3 s of quiet.
  static PAUSE_FRAMES = [25, 163];
  static LEAST_RMS = 0.012;
  // How many times louder than the room a voice must be: more while the agent speaks, for what is left of its echo.
  static MARGIN = { quiet: 3.2, spoken_over: 4.5 };

  /**
   * @param {number} rate Samples a second of what is given.
   * @param {(heard: Heard, owned?: ArrayBuffer[]) => void} tell
   */
  constructor(rate, tell) {
    this.rate = rate;
    this.tell = tell;
    this.filters = this.design();
    this.past = new Float32Array(Capture.TAPS);
    this.next = 0;
    this.piece = new Int16Array(Capture.PIECE);
    this.filled = 0;
    this.sum = 0;
    this.count = 0;
    this.floor = 0.004;
    this.loud = 0;
    this.quiet = Capture.PAUSE_FRAMES[1]; // Nothing was said yet that could end.
    this.level = 0;
    this.speech = false;
    this.beganAt = 0;
    this.agentSpeaks = false;
    this.running = true;
  }

  /** Do what the page asks. */
  obey(/** @type {Order} */ order) {
    if (order.k === "flush") this.post(true);
    if (order.k === "agent") this.agentSpeaks = order.speaks;
    if (order.k === "stop") this.running = false;
  }

  /**
   * Take what the device gives, one array a channel; returns whether to go on.
   *
   * @param {Float32Array[]} channels
   * @param {number} now_s When it begins.
   */
  process(channels, now_s) {
    const { TAPS, PHASES, RATE } = Capture;
    // A device that pauses gives nothing: as silence it keeps its place in time.
    const size = channels.length ? channels[0].length : 128;
    const joined = new Float32Array(TAPS + size);
    joined.set(this.past);
    for (const channel of channels) for (let i = 0; i < size; i++) joined[TAPS + i] += channel[i] / channels.length;
    while (this.next < size) {
      const whole = Math.floor(this.next);
      const taps = this.filters[Math.min(PHASES - 1, Math.floor((this.next - whole) * PHASES))];
      let value = 0;
      for (let i = 0; i < TAPS; i++) value += taps[i] * joined[whole + 1 + i];
      this.sample(value, now_s + whole / this.rate);
      this.next += this.rate / RATE;
    }
    this.next -= size;
    this.past = joined.slice(size);
    return this.running;
  }

  // One filter for each fraction of an input sample that an output sample can fall on.
  design() {
    const { TAPS, PHASES } = Capture;
    const cutoff = Math.min(7200, 0.45 * this.rate) / this.rate;
    return Array.from({ length: PHASES }, (_, phase) => {
      const taps = new Float32Array(TAPS);
      let sum = 0;
      for (let i = 0; i < TAPS; i++) {
        const x = i - TAPS / 2 + 1 - phase / PHASES;
        const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
        const edge = x / (TAPS / 2);
        const wave = Math.abs(edge) >= 1 ? 0 : 0.42 + 0.5 * Math.cos(Math.PI * edge) + 0.08 * Math.cos(2 * Math.PI * edge);
        taps[i] = sinc * wave;
        sum += taps[i];
      }
      return taps.map((tap) => tap / sum);
    });
  }

  sample(/** @type {number} */ value, /** @type {number} */ at) {
    this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.sum += value * value;
    this.count += 1;
    if (this.count === Capture.FRAME) this.frame(at);
    if (this.filled >= (this.pauses ? Capture.SHORT_PIECE : Capture.PIECE)) this.post(false);
  }

  // Not while the agent speaks: its echo is told from a voice by whole pieces.
  get pauses() {
    const [first, last] = Capture.PAUSE_FRAMES;
    return !this.agentSpeaks && this.quiet >= first && this.quiet < last;
  }

  // Three loud frames of 8 ms in a row are an onset; 300 ms of quiet ones end it.
  frame(/** @type {number} */ at) {
    const { FRAME, RATE, LEAST_RMS, MARGIN, QUIET_FRAMES } = Capture;
    const margin = this.agentSpeaks ? MARGIN.spoken_over : MARGIN.quiet;
    const rms = Math.sqrt(this.sum / FRAME);
    this.sum = 0;
    this.count = 0;
    this.level = Math.max(rms, this.level * 0.8);
    if (rms > Math.max(LEAST_RMS, margin * this.floor)) {
      this.loud += 1;
      this.quiet = 0;
      if (this.loud === 1) this.beganAt = at - FRAME / RATE;
      if (this.loud === 3 && !this.speech) {
        this.speech = true;
        this.tell({ k: "onset", at: this.beganAt });
      }
    } else {
      this.floor += (rms - this.floor) * (rms < this.floor ? 0.2 : 0.02);
      this.loud = 0;
      this.quiet += 1;
      if (this.speech && this.quiet === QUIET_FRAMES) {
        this.speech = false;
        this.tell({ k: "offset", at });
      }
    }
  }

  post(/** @type {boolean} */ flushed) {
    const pcm = this.piece.slice(0, this.filled).buffer;
    this.tell({ k: "piece", level: this.level, pcm, flushed }, [pcm]);
    this.filled = 0;
  }
}
