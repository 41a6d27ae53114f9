// @ts-check

/** What is typed: phrases to be said with a click, the message box, and whether typing interrupts. */

import { allow, allowed, button, fadeEdges, keepKeys, make } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { View } from "./types.d.ts" */

const INTERRUPTS_HELP = "On: what you type cuts the agent off, as if you spoke over it. Off: it waits until the agent has spoken.";

/**
 * Make the message box of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function messageBoxView(engine) {
  const { store } = engine;
  const { form, box, send } = sayFormOf(engine);
  const phrases = make("div", { class: "vl-phrases", role: "group", "aria-label": "Phrases to say" });
  const unfade = fadeEdges(phrases);
  const element = make("div", { class: "vl-typing" }, phrases, form);

  function drawPhrases() {
    phrases.hidden = !store.state.phrases.length;
    phrases.replaceChildren(...store.state.phrases.map((phrase) => button(phrase, () => engine.say(phrase), { class: "vl-phrase", title: "Say this" })));
    draw();
  }

  function draw() {
    const possible = canSay(engine);
    box.placeholder = placeholderOf(engine);
    allow(send, possible);
    for (const phrase of phrases.children) allow(phrase, possible);
  }

  function take() {
    const { draft } = store.local;
    if (!draft) return;
    box.value = draft.text;
    box.focus({ preventScroll: true });
    box.setSelectionRange(box.value.length, box.value.length);
  }

  drawPhrases();
  return {
    element,
    update(names) {
      if (names.has("phrases")) drawPhrases();
      if (anyOf(names, "phase", "lost", "ask", "waiting", "agent", "settings")) draw();
      if (names.has("draft")) take();
    },
    remove: unfade,
  };
}

/** The switch that has typing interrupt. */
export function interruptsSwitch(/** @type {Engine} */ engine) {
  const { store } = engine;
  const box = make("input", { type: "checkbox" });
  box.addEventListener("change", () => engine.set("typing_interrupts", box.checked));
  const element = make("label", { class: "vl-choice vl-interrupts", title: INTERRUPTS_HELP }, box, " Typing interrupts");
  return {
    element,
    draw() {
      box.checked = store.state.settings.typing_interrupts === true;
      box.disabled = store.local.lost;
    },
  };
}

function sayFormOf(/** @type {Engine} */ engine) {
  const box = make("input", { type: "text", "aria-label": "Message", autocomplete: "off", class: "vl-message" });
  const send = make("button", { type: "submit", class: "vl-primary" }, "Send");
  const form = make("form", { class: "vl-say" }, box, send);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (text && allowed(send) && engine.say(text)) box.value = "";
  });
  watchHistory(engine, box);
  keepKeys(form);
  return { form, box, send };
}

// As in a shell: the arrows bring back what was said before, to be changed and said again.
function watchHistory(/** @type {Engine} */ engine, /** @type {HTMLInputElement} */ box) {
  let back = 0;
  let shown = "";
  box.addEventListener("keydown", (event) => {
    const step = event.key === "ArrowUp" ? 1 : event.key === "ArrowDown" ? -1 : 0;
    if (!step || (box.value && box.value !== shown)) return;
    const said = engine.said();
    back = box.value ? Math.min(said.length, Math.max(0, back + step)) : step > 0 ? Math.min(1, said.length) : 0;
    shown = back ? said[said.length - back] : "";
    box.value = shown;
    event.preventDefault();
  });
}

function canSay(/** @type {Engine} */ { store }) {
  return !store.local.lost && !store.state.ask;
}

function placeholderOf(/** @type {Engine} */ { store }) {
  const { phase, ask, settings } = store.state;
  if (store.local.lost) return "not connected";
  if (ask) return "Rate the conversation first";
  if (phase === "ended") return "Type to begin a new session …";
  if (phase === "idle") return "Type: it is said after the agent's greeting …";
  return settings.typing_interrupts ? "Type to interrupt the agent …" : "Type what the caller says …";
}
