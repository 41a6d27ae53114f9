// @ts-check

/** The page's own voices: what speaks where no engine is installed in the kernel. */

const VOICE_PATIENCE_MS = 3000;
const SENTENCE_CHARS = 220;

/**
 * What is to be said.
 *
 * @typedef {{ text: string, voice?: string | null, language?: string | null, speed?: number | null }} Speech
 */

/**
 * What is told of it: its first sound; once its end, with what there is to say if nothing was heard.
 *
 * @typedef {{ started: () => void, ended: (trouble: string) => void }} Speaking
 */

/** Have the browser load its voices: some have none before the first question. */
export function loadVoices() {
  window.speechSynthesis?.getVoices();
}

// Browsers stall at long texts, so that sentences are given one at a time.
function sentencesOf(/** @type {string} */ text) {
  const parts = text.match(/[^.!?;:\n]+[.!?;:\n]*\s*/g) ?? [];
  return parts.flatMap((part) => part.match(new RegExp(`[^]{1,${SENTENCE_CHARS}}(?:\\s|$)|[^]{1,${SENTENCE_CHARS}}`, "g")) ?? []);
}

function voiceFor(/** @type {Speech} */ { voice: name, language }) {
  const voices = window.speechSynthesis.getVoices();
  const wanted = (language || "").toLowerCase();
  return voices.find((voice) => voice.name === name) ?? voices.find((voice) => wanted && voice.lang.toLowerCase().startsWith(wanted)) ?? null;
}

/** One text that is being said. */
class Saying {
  #live = true;
  #begun = false;
  #timer = 0;
  /** @type {SpeechSynthesisUtterance[]} */
  #held = []; // browsers forget an utterance that nobody holds, and its end is then never told
  #on;

  constructor(/** @type {Speaking} */ on) {
    this.#on = on;
  }

  say(/** @type {Speech} */ speech, /** @type {number} */ volume) {
    const synthesis = window.speechSynthesis;
    const sentences = sentencesOf(speech.text || "");
    if (!synthesis || !sentences.length) {
      queueMicrotask(() => this.#finish(synthesis ? "" : "This browser has no voice of its own: the agent's words are shown as text."));
      return;
    }
    this.#timer = setTimeout(() => {
      this.#begin();
      synthesis.cancel();
      this.#finish("This browser has no voice that speaks: the agent's words are shown as text.");
    }, VOICE_PATIENCE_MS);
    for (const sentence of sentences) this.#held.push(this.#utterance(sentence, speech, volume));
    for (const utterance of this.#held) synthesis.speak(utterance);
  }

  stop() {
    if (!this.#live) return;
    this.#live = false;
    clearTimeout(this.#timer);
    window.speechSynthesis?.cancel();
  }

  #utterance(/** @type {string} */ sentence, /** @type {Speech} */ speech, /** @type {number} */ volume) {
    const utterance = new SpeechSynthesisUtterance(sentence);
    utterance.voice = voiceFor(speech);
    utterance.lang = utterance.voice?.lang || speech.language || "";
    utterance.rate = Math.min(4, Math.max(0.25, speech.speed || 1));
    utterance.volume = volume;
    utterance.onstart = () => this.#begin();
    utterance.onend = () => utterance === this.#held.at(-1) && this.#finish("");
    utterance.onerror = ({ error }) => {
      if (error === "canceled" || error === "interrupted") return;
      this.#finish(`The page's voice failed (${error}): the agent's words are shown as text.`);
    };
    return utterance;
  }

  #begin() {
    if (!this.#live || this.#begun) return;
    this.#begun = true;
    clearTimeout(this.#timer);
    this.#on.started();
  }

  #finish(/** @type {string} */ trouble) {
    this.#begin();
    if (!this.#live) return;
    this.#live = false;
    clearTimeout(this.#timer);
    this.#on.ended(trouble);
  }
}

/**
 * Say a text; returns what stops it, after which none of the listeners is called.
 *
 * @param {Speech} speech
 * @param {number} volume
 * @param {Speaking} on
 */
export function speakText(speech, volume, on) {
  const saying = new Saying(on);
  saying.say(speech, volume);
  return () => saying.stop();
}
