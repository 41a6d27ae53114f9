/** The page's own voices: what speaks where no engine is installed in the kernel. */

const VOICE_PATIENCE_MS = 3000;
const SENTENCE_CHARS = 220;

/** Names of the page's voices; the first question has some browsers load them, so that there are none yet. */
export function voiceNames() {
  return (window.speechSynthesis?.getVoices() ?? []).map((voice) => voice.name);
}

// Browsers stall at long texts, so that sentences are given one at a time.
function sentencesOf(text) {
  const parts = text.match(/[^.!?;:\n]+[.!?;:\n]*\s*/g) ?? [];
  return parts.flatMap((part) => part.match(new RegExp(`[^]{1,${SENTENCE_CHARS}}(?:\\s|$)|[^]{1,${SENTENCE_CHARS}}`, "g")) ?? []);
}

function voiceFor(name, language) {
  const voices = window.speechSynthesis.getVoices();
  const wanted = (language || "").toLowerCase();
  return voices.find((voice) => voice.name === name) ?? voices.find((voice) => wanted && voice.lang.toLowerCase().startsWith(wanted)) ?? null;
}

/**
 * Say a text; returns `stop()`, after which none of the listeners is called.
 *
 * `on.started()` at the first sound, `on.ended(trouble)` once at the end; `trouble` says why nothing was heard.
 */
export function speakText({ text, voice, language, speed, volume }, on) {
  const synthesis = window.speechSynthesis;
  const sentences = sentencesOf(text || "");
  let live = true;
  let begun = false;
  let timer = 0;
  const held = []; // browsers forget an utterance that nobody holds, and its end is then never told

  function finish(trouble) {
    if (!live) return;
    live = false;
    clearTimeout(timer);
    on.ended(trouble ?? "");
  }

  function begin() {
    if (!live || begun) return;
    begun = true;
    clearTimeout(timer);
    on.started();
  }

  if (!synthesis || !sentences.length) {
    queueMicrotask(() => {
      begin();
      finish(synthesis ? "" : "This browser has no voice of its own: the agent's words are shown as text.");
    });
  } else {
    timer = setTimeout(() => {
      begin();
      synthesis.cancel();
      finish("This browser has no voice that speaks: the agent's words are shown as text.");
    }, VOICE_PATIENCE_MS);
    sentences.forEach((sentence, i) => {
      const words = new SpeechSynthesisUtterance(sentence);
      words.voice = voiceFor(voice, language);
      words.lang = words.voice?.lang || language || "";
      words.rate = Math.min(4, Math.max(0.25, speed || 1));
      words.volume = volume;
      words.onstart = begin;
      words.onend = () => i === sentences.length - 1 && (begin(), finish());
      words.onerror = (event) => {
        if (event.error === "canceled" || event.error === "interrupted") return;
        begin();
        finish(`The page's voice failed (${event.error}): the agent's words are shown as text.`);
      };
      held.push(words);
      synthesis.speak(words);
    });
  }

  return function stop() {
    if (!live) return;
    live = false;
    clearTimeout(timer);
    synthesis?.cancel();
  };
}
