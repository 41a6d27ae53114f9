/**
 * What runs on the audio thread, as text: an AudioWorklet is loaded from an address, and a Blob's needs no server.
 *
 * It lowers the rate to 16 kHz behind a low-pass (a windowed sinc, so that nothing above 8 kHz folds down), cuts mono
 * PCM16 pieces of 100 ms, and detects by energy where the caller begins, on frames of 8 ms.
 */
export const WORKLET_SOURCE = `
const RATE = 16000, PIECE = 1600, FRAME = 128, TAPS = 64, PHASES = 128;
const QUIET_FRAMES = 38, LEAST_RMS = 0.012;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.step = sampleRate / RATE;
    this.filters = this.design();
    this.past = new Float32Array(TAPS);
    this.next = 0;
    this.piece = new Int16Array(PIECE);
    this.filled = 0;
    this.pieceAt = null;
    this.sum = 0;
    this.count = 0;
    this.floor = 0.004;
    this.loud = 0;
    this.quiet = 0;
    this.speech = false;
    this.beganAt = 0;
    this.margin = 3.2;
    this.running = true;
    this.port.onmessage = ({ data }) => {
      if (data.k === "flush") { this.post(true); }
      if (data.k === "margin") { this.margin = data.value; }
      if (data.k === "stop") { this.running = false; }
    };
  }

  // One filter for each fraction of an input sample that an output sample can fall on.
  design() {
    const cutoff = Math.min(7200, 0.45 * sampleRate) / sampleRate;
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

  process([input]) {
    // A device that pauses gives nothing: as silence it keeps its place in time.
    const channels = input || [];
    const size = channels.length ? channels[0].length : 128;
    const joined = new Float32Array(TAPS + size);
    joined.set(this.past);
    for (const channel of channels) for (let i = 0; i < size; i++) joined[TAPS + i] += channel[i] / channels.length;
    while (this.next < size) {
      const whole = Math.floor(this.next);
      const taps = this.filters[Math.min(PHASES - 1, Math.floor((this.next - whole) * PHASES))];
      let value = 0;
      for (let i = 0; i < TAPS; i++) value += taps[i] * joined[whole + 1 + i];
      this.sample(value, currentTime + whole / sampleRate);
      this.next += this.step;
    }
    this.next -= size;
    this.past = joined.slice(size);
    return this.running;
  }

  sample(value, at) {
    if (this.pieceAt === null) this.pieceAt = at;
    this.piece[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32768)));
    this.sum += value * value;
    this.count += 1;
    if (this.count === FRAME) this.frame(at);
    if (this.filled === PIECE) this.post(false);
  }

  // Three loud frames of 8 ms in a row are an onset; 300 ms of quiet ones end it.
  frame(at) {
    const rms = Math.sqrt(this.sum / FRAME);
    this.sum = 0;
    this.count = 0;
    const loud = rms > Math.max(LEAST_RMS, this.margin * this.floor);
    this.level = Math.max(rms, (this.level || 0) * 0.8);
    if (loud) {
      this.loud += 1;
      this.quiet = 0;
      if (this.loud === 1) this.beganAt = at - FRAME / RATE;
      if (this.loud === 3 && !this.speech) {
        this.speech = true;
        this.port.postMessage({ k: "onset", at: this.beganAt });
      }
    } else {
      this.floor += (rms - this.floor) * (rms < this.floor ? 0.2 : 0.02);
      this.loud = 0;
      this.quiet += 1;
      if (this.speech && this.quiet === QUIET_FRAMES) {
        this.speech = false;
        this.port.postMessage({ k: "offset", at });
      }
    }
  }

  post(flushed) {
    const pcm = this.piece.slice(0, this.filled).buffer;
    this.port.postMessage({ k: "piece", at: this.pieceAt, level: this.level || 0, pcm, flushed }, [pcm]);
    this.filled = 0;
    this.pieceAt = null;
  }
}

registerProcessor("voicelab-capture", Capture);
`;
