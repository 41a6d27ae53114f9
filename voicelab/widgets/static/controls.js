// @ts-check

/** What one says and presses: the message box, push-to-talk, hands-free, the level, mute and the keypad. */

import { allow, allowed, button, glyph, make, setAttribute, setText, takesText } from "./dom.js";
import { keypadView } from "./keypad.js";
import { interruptsSwitch, messageBoxView } from "./message_box.js";
import { meterView } from "./meter.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { View } from "./types.d.ts" */

const HINTS = {
  push: "Hold the button, or the space bar, to talk.",
  hands_free: "The microphone listens while the session runs: speak, and the agent stops.",
};
const DEAF = "“Listens” is off, so nothing hears what you say: type, or choose an engine there for the next session.";
const HANDS_FREE_HELP = "The microphone listens all the time; speak to interrupt";
const SPACE_HELP = "The space bar talks while the focus is in the console, but in no box and on no button";

/**
 * Make the controls of one view.
 *
 * @param {Engine} engine
 * @returns {View & { watch(root: HTMLElement): void }}
 */
export function controlsView(engine) {
  const { store } = engine;
  const typing = messageBoxView(engine);
  const keypad = keypadView(engine);
  const voice = voiceOf(engine);
  const element = make("div", { class: "vl-controls" }, make("div", { class: "vl-say-area" }, typing.element, voice.element), keypad.element);
  return {
    element,
    update(names) {
      typing.update(names);
      keypad.update(names);
      voice.update(names);
    },
    remove: typing.remove,
    watch: (root) => watchSpace(root, { ...voice.talk, isTalking: () => store.local.talking }),
  };
}

// The row that one speaks with.
function voiceOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const talk = talkButton(engine);
  const handsFree = button("Hands-free", () => engine.listening.handsFree(store.state.settings.mode !== "hands_free"), { "aria-pressed": "false", title: HANDS_FREE_HELP });
  const mute = button("Mute", () => engine.set("muted", !store.state.settings.muted), { "aria-pressed": "false", title: "Send nothing of what the microphone hears" });
  const meter = meterView("Microphone level");
  const hint = make("p", { class: "vl-hint", title: SPACE_HELP }, HINTS.push);
  const interrupts = interruptsSwitch(engine);
  const element = make("div", {}, make("div", { class: "vl-row" }, talk.talk, handsFree, meter.element, mute), make("div", { class: "vl-row vl-small" }, interrupts.element, hint));

  function draw() {
    const { phase, settings, uses, engine: heard } = store.state;
    const { talking, lost } = store.local;
    const deaf = uses.stt === "off";
    const mine = !heard || heard === engine.id;
    allow(talk.talk, phase === "live" && !lost && mine && !settings.muted && !deaf);
    setAttribute(talk.talk, "title", deaf ? DEAF : HINTS.push);
    setAttribute(talk.talk, "aria-pressed", talking);
    talk.talk.classList.toggle("vl-on", talking);
    setAttribute(handsFree, "aria-pressed", settings.mode === "hands_free");
    // What is on already can be switched off.
    allow(handsFree, !lost && mine && (!deaf || settings.mode === "hands_free"));
    setAttribute(handsFree, "title", deaf ? DEAF : HANDS_FREE_HELP);
    setAttribute(mute, "aria-pressed", Boolean(settings.muted));
    allow(mute, !lost);
    setText(hint, deaf ? "Type: “Listens” is off." : HINTS[settings.mode ?? "push"]);
    interrupts.draw();
  }

  function drawLevel() {
    const { level, microphone, speech } = store.local;
    meter.show(level, microphone === "on" && !store.state.settings.muted, speech);
  }

  draw();
  return {
    element, talk,
    update(/** @type {import("./types.d.ts").Changed} */ names) {
      if (anyOf(names, "phase", "settings", "uses", "engine", "talking", "lost")) draw();
      if (anyOf(names, "level", "microphone", "speech", "settings")) drawLevel();
    },
  };
}

function talkButton(/** @type {Engine} */ engine) {
  const talk = make("button", { type: "button", class: "vl-talk-button", "aria-pressed": "false", title: HINTS.push }, glyph("●"), " Push to talk");
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
