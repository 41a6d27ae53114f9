// @ts-check

/** Sound as a WAV file in the page's memory, and a sound file as samples. */

/**
 * Return mono PCM16 samples as a WAV file.
 *
 * @param {Int16Array} samples
 * @param {number} rate
 */
export function wavOf(samples, rate) {
  const bytes = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const words = (/** @type {number} */ at, /** @type {string} */ text) => {
    for (let i = 0; i < text.length; i++) bytes.setUint8(at + i, text.charCodeAt(i));
  };
  words(0, "RIFF");
  bytes.setUint32(4, 36 + 2 * samples.length, true);
  words(8, "WAVEfmt ");
  bytes.setUint32(16, 16, true);
  bytes.setUint16(20, 1, true);
  bytes.setUint16(22, 1, true);
  bytes.setUint32(24, rate, true);
  bytes.setUint32(28, 2 * rate, true);
  bytes.setUint16(32, 2, true);
  bytes.setUint16(34, 16, true);
  words(36, "data");
  bytes.setUint32(40, 2 * samples.length, true);
  for (let i = 0; i < samples.length; i++) bytes.setInt16(44 + 2 * i, samples[i], true);
  return new Blob([bytes.buffer], { type: "audio/wav" });
}

/**
 * Return a sound file's samples, mono PCM16 at a rate. Rejects what the browser can't read.
 *
 * @param {File} file
 * @param {number} rate
 */
export async function samplesOf(file, rate) {
  const bytes = await file.arrayBuffer();
  if (!bytes.byteLength) throw new Error("the file is empty");
  const decoded = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  const context = new OfflineAudioContext(1, Math.max(1, Math.round(decoded.duration * rate)), rate);
  const source = context.createBufferSource();
  source.buffer = decoded;
  source.connect(context.destination);
  source.start();
  const floats = (await context.startRendering()).getChannelData(0);
  return Int16Array.from(floats, (value) => Math.max(-32768, Math.min(32767, Math.round(value * 32768))));
}
