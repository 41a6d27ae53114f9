/** What one says and presses: the message box, push-to-talk, hands-free, the level, mute and the keypad. */

import { allow, allowed, button, glyph, keepKeys, make, setAttribute, setText, takesText } from "./dom.js";
import { meterView } from "./meter.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** Make the controls of one view: `{element, update(names), watch(root)}`. */
export function controlsView(engine) {
  const { store } = engine;
  const message = make("input", { type: "text", "aria-label": "Message", autocomplete: "off", placeholder: "Type what the caller says …", class: "vl-message" });
  const form = make("form", { class: "vl-say" }, message, make("button", { type: "submit", class: "vl-primary" }, "Send"));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = message.value.trim();
    if (!text || !sayable()) return;
    if (engine.say(text) !== false) message.value = "";
  });

  const talk = make("button", { type: "button", class: "vl-talk-button", "aria-pressed": "false" }, glyph("●"), " Push to talk");
  const handsFree = button("Hands-free", () => engine.handsFree(store.state.settings.mode !== "hands_free"), { "aria-pressed": "false", title: "The microphone listens all the time; speak to interrupt" });
  const mute = button("Mute", () => engine.set("muted", !store.state.settings.muted), { "aria-pressed": "false", title: "Send nothing of what the microphone hears" });
  const meter = meterView("Microphone level");
  const hint = make("p", { class: "vl-hint" }, "Hold the button to talk, or hold the space bar while the focus is in the console but not on a box or a button.");
  const pad = make("div", { class: "vl-keypad", role: "group", "aria-label": "Keypad" }, ...KEYS.map((digit) => button(digit, () => engine.key(digit))));
  const element = make("div", { class: "vl-controls" }, form,
    make("div", { class: "vl-row" }, talk, handsFree, meter.element, mute), make("div", { class: "vl-row" }, pad, hint));

  const hold = (event) => {
    event.preventDefault();
    if (allowed(talk)) engine.talk(true);
  };
  const release = () => engine.talk(false);
  talk.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    talk.setPointerCapture(event.pointerId);
    talk.focus();
    hold(event);
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture", "blur"]) talk.addEventListener(type, release);
  for (const element of [message, form]) keepKeys(element);

  function sayable() {
    return !store.local.lost && store.state.phase !== "ended";
  }

  function draw() {
    const { phase, settings, engine: heard } = store.state;
    const { talking, lost } = store.local;
    const live = phase === "live" && !lost;
    const mine = !heard || heard === engine.id;
    allow(talk, live && mine && !settings.muted);
    setAttribute(talk, "aria-pressed", talking);
    talk.classList.toggle("vl-on", talking);
    setAttribute(handsFree, "aria-pressed", settings.mode === "hands_free");
    allow(handsFree, !lost && mine);
    setAttribute(mute, "aria-pressed", Boolean(settings.muted));
    message.placeholder = lost ? "not connected" : phase === "ended" ? "The session has ended: begin a New session" : "Type what the caller says …";
    for (const key of pad.children) allow(key, live);
    setText(hint, settings.mode === "hands_free"
      ? "Hands-free: the microphone listens while the session runs; begin to speak and the agent stops."
      : "Hold the button to talk, or hold the space bar while the focus is in the console but not on a box or a button.");
  }

  function drawLevel() {
    const { level, microphone, speech } = store.local;
    meter.show(level, microphone === "on" && !store.state.settings.muted, speech);
  }

  draw();
  return {
    element,
    update(names) {
      if (["phase", "settings", "engine", "talking", "lost"].some((key) => names.has(key))) draw();
      if (["level", "microphone", "speech", "settings"].some((key) => names.has(key))) drawLevel();
    },

    /** Take the space bar as push-to-talk in all of the console, except where a key means something else. */
    watch(root) {
      const elsewhere = (event) => takesText(event.target) || event.target.closest?.("button, a, summary, input");
      const isTalk = (event) => event.code === "Space" && (event.target === talk || !elsewhere(event));
      root.addEventListener("keydown", (event) => {
        const key = isTalk(event) || (event.target === talk && event.key === "Enter");
        if (!key) return;
        event.preventDefault();
        if (!event.repeat) hold(event);
      });
      root.addEventListener("keyup", (event) => {
        if (!isTalk(event) && !(event.target === talk && event.key === "Enter")) return;
        event.preventDefault();
        release();
      });
      root.addEventListener("focusout", (event) => store.local.talking && !root.contains(event.relatedTarget) && release());
    },
  };
}
