// @ts-check

/** What one says and presses: the message box, push-to-talk, hands-free, the level, mute and the keypad. */

import { allow, allowed, button, glyph, keepKeys, make, setAttribute, setText, takesText } from "./dom.js";
import { meterView } from "./meter.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { View } from "./types.d.ts" */

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const TYPE_HERE = "Type what the caller says …";
const HINTS = {
  push: "Hold the button to talk, or hold the space bar while the focus is in the console but not on a box or a button.",
  hands_free: "Hands-free: the microphone listens while the session runs; begin to speak and the agent stops.",
};

/**
 * Make the controls of one view.
 *
 * @param {Engine} engine
 * @returns {View & { watch(root: HTMLElement): void }}
 */
export function controlsView(engine) {
  const { store } = engine;
  const { message, form } = messageForm(engine);
  const { talk, hold, release } = talkButton(engine);
  const handsFree = button("Hands-free", () => engine.listening.handsFree(store.state.settings.mode !== "hands_free"), { "aria-pressed": "false", title: "The microphone listens all the time; speak to interrupt" });
  const mute = button("Mute", () => engine.set("muted", !store.state.settings.muted), { "aria-pressed": "false", title: "Send nothing of what the microphone hears" });
  const meter = meterView("Microphone level");
  const hint = make("p", { class: "vl-hint" }, HINTS.push);
  const pad = make("div", { class: "vl-keypad", role: "group", "aria-label": "Keypad" }, ...KEYS.map((digit) => button(digit, () => engine.key(digit))));
  const element = make("div", { class: "vl-controls" }, form,
    make("div", { class: "vl-row" }, talk, handsFree, meter.element, mute), make("div", { class: "vl-row" }, pad, hint));

  function draw() {
    const { phase, settings, engine: heard } = store.state;
    const { talking, lost } = store.local;
    const live = phase === "live" && !lost;
    const mine = !heard || heard === engine.id;
    const invites = phase === "ended" ? "The session has ended: begin a New session" : TYPE_HERE;
    allow(talk, live && mine && !settings.muted);
    setAttribute(talk, "aria-pressed", talking);
    talk.classList.toggle("vl-on", talking);
    setAttribute(handsFree, "aria-pressed", settings.mode === "hands_free");
    allow(handsFree, !lost && mine);
    setAttribute(mute, "aria-pressed", Boolean(settings.muted));
    message.placeholder = lost ? "not connected" : invites;
    for (const key of pad.children) allow(key, live);
    setText(hint, HINTS[settings.mode ?? "push"]);
  }

  function drawLevel() {
    const { level, microphone, speech } = store.local;
    meter.show(level, microphone === "on" && !store.state.settings.muted, speech);
  }

  draw();
  return {
    element,
    update(names) {
      if (anyOf(names, "phase", "settings", "engine", "talking", "lost")) draw();
      if (anyOf(names, "level", "microphone", "speech", "settings")) drawLevel();
    },
    watch: (root) => watchSpace(root, { talk, hold, release, isTalking: () => store.local.talking }),
  };
}

function messageForm(/** @type {Engine} */ engine) {
  const { store } = engine;
  const message = make("input", { type: "text", "aria-label": "Message", autocomplete: "off", placeholder: TYPE_HERE, class: "vl-message" });
  const form = make("form", { class: "vl-say" }, message, make("button", { type: "submit", class: "vl-primary" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = message.value.trim();
    if (!text || store.local.lost || store.state.phase === "ended") return;
    if (engine.say(text)) message.value = "";
  });
  keepKeys(form);
  return { message, form };
}

function talkButton(/** @type {Engine} */ engine) {
  const talk = make("button", { type: "button", class: "vl-talk-button", "aria-pressed": "false" }, glyph("●"), " Push to talk");
  const hold = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (allowed(talk)) engine.listening.talk(true);
  };
  const release = () => { engine.listening.talk(false); };
  talk.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    talk.setPointerCapture(event.pointerId);
    talk.focus();
    hold(event);
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) talk.addEventListener(type, release);
  return { talk, hold, release };
}

/**
 * Take the space bar as push-to-talk in all of the console, except where a key means something else.
 *
 * @param {HTMLElement} root
 * @param {{ talk: HTMLElement, hold: (event: Event) => void, release: () => void, isTalking: () => boolean }} button
 */
function watchSpace(root, { talk, hold, release, isTalking }) {
  const isTalk = (/** @type {KeyboardEvent} */ { code, key, target }) => {
    const elsewhere = takesText(target) || (target instanceof Element && target.closest("button, a, summary, input"));
    return (code === "Space" && (target === talk || !elsewhere)) || (target === talk && key === "Enter");
  };
  root.addEventListener("keydown", (event) => {
    if (!isTalk(event)) return;
    event.preventDefault();
    if (!event.repeat) hold(event);
  });
  root.addEventListener("keyup", (event) => {
    if (!isTalk(event)) return;
    event.preventDefault();
    release();
  });
  root.addEventListener("focusout", ({ relatedTarget }) => {
    if (isTalking() && !(relatedTarget instanceof Node && root.contains(relatedTarget))) release();
  });
}
