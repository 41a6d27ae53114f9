// @ts-check

/** What it listens and speaks with, how loud and how fast; events by hand; the session as files. */

import { allow, button, freshId, keepKeys, make, setText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { SpeechEngine } from "./protocol.d.ts" */
/** @import { View } from "./types.d.ts" */

const SPEEDS = [1, 2, 5, 10, 30, 60];
/** @type {["echo_cancellation" | "noise_suppression" | "auto_gain", string][]} */
const SWITCHES = [["echo_cancellation", "Echo cancellation"], ["noise_suppression", "Noise suppression"], ["auto_gain", "Automatic gain"]];

/**
 * Make the foot of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function devicesView(engine) {
  const parts = [pickersOf(engine), deviceOf(engine), filesOf(engine), moreOf(engine)];
  const [pickers, device, files, more] = parts;
  const element = make("footer", { class: "vl-footer" },
    make("div", { class: "vl-row" }, ...pickers.elements, ...device.elements, make("span", { class: "vl-space" }), ...files.elements),
    ...more.elements);
  return {
    element,
    update(names) {
      for (const part of parts) part.update(names);
    },
  };
}

/** @typedef {{ elements: HTMLElement[], update: View["update"] }} Part A few controls that stand side by side. */

/** @returns {Part} */
function pickersOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const stt = picker("Listens", () => engine.set("stt", stt.select.value));
  const tts = picker("Speaks", () => engine.set("tts", tts.select.value));
  for (const { select } of [stt, tts]) keepKeys(select);
  stt.element.title = "What makes words of your voice";
  tts.element.title = "What reads the agent's words aloud";
  return {
    elements: [stt.element, tts.element],
    update(names) {
      if (!anyOf(names, "settings", "engines", "lost")) return;
      const { settings, engines } = store.state;
      fill(stt.select, engines.stt.map(optionOf), settings.stt);
      fill(tts.select, engines.tts.map(optionOf), settings.tts);
      for (const { select } of [stt, tts]) select.disabled = store.local.lost;
    },
  };
}

/** @returns {Part} */
function deviceOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const device = picker("Microphone", () => engine.device(device.select.value));
  const volume = make("input", { type: "range", min: "0", max: "1", step: "0.05", id: freshId("volume") });
  volume.addEventListener("input", () => engine.set("volume", volume.valueAsNumber));
  for (const each of [device.select, volume]) keepKeys(each);
  device.select.addEventListener("pointerdown", () => engine.listDevices());
  device.select.addEventListener("focus", () => engine.listDevices());
  return {
    elements: [device.element, make("label", { class: "vl-pick", for: volume.id }, make("span", {}, "Volume"), volume)],
    update(names) {
      const { devices, device: id } = store.local;
      const choices = [{ value: "", text: "default" }, ...devices.map(({ id: value, label }) => ({ value, text: label }))];
      if (anyOf(names, "devices", "device")) fill(device.select, choices, id);
      if (names.has("lost")) device.select.disabled = volume.disabled = store.local.lost;
      if (names.has("settings") && document.activeElement !== volume) volume.value = String(store.state.settings.volume ?? 1);
    },
  };
}

/** @returns {Part} */
function filesOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const script = button("Copy as script", () => engine.ask({ k: "script", engine: engine.id }), { title: "What the caller did, as a list of inputs for vl.run, as a text script, and the transcript" });
  const json = button("JSON", () => engine.ask({ k: "download", what: "json" }), { "aria-label": "Download JSON", title: "Download all of the session: events, outcomes, metrics" }, "↓");
  const wav = button("WAV", () => engine.ask({ k: "download", what: "wav" }), { "aria-label": "Download WAV", title: "Download its sound: the caller on the left, the agent on the right" }, "↓");
  return {
    elements: [script, json, wav],
    update(names) {
      if (!anyOf(names, "phase", "lost", "ask")) return;
      const { phase, ask } = store.state;
      allow(script, phase !== "idle" && !store.local.lost);
      for (const each of [json, wav]) allow(each, phase === "ended" && !store.local.lost && !ask);
    },
  };
}

/** @returns {Part} */
function moreOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const speed = picker("Speed of time", () => engine.set("speed", Number(speed.select.value)));
  const switches = SWITCHES.map(([name, label]) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => engine.set(name, box.checked));
    return { name, box, element: make("label", { class: "vl-choice" }, box, ` ${label}`) };
  });
  const byHand = eventForm(engine);
  keepKeys(speed.select);
  speed.element.title = "How many times as fast as real ones the seconds pass, where no voice is used";
  const where = make("span", { class: "vl-where" });
  const more = make("details", { class: "vl-more-controls" }, make("summary", {}, "More: events by hand, speed of time, echo", where),
    make("div", { class: "vl-row" }, ...switches.map(({ element }) => element), speed.element), byHand.element);
  return {
    elements: [more],
    update(names) {
      if (!anyOf(names, "settings", "engines", "log", "phase", "lost")) return;
      const { settings, phase } = store.state;
      setText(where, whereText(engine));
      fill(speed.select, speedsWith(settings.speed), String(settings.speed ?? 1));
      speed.select.disabled = store.local.lost;
      for (const { name, box } of switches) {
        box.checked = settings[name] !== false;
        box.disabled = store.local.lost;
      }
      byHand.allow(phase === "live" && !store.local.lost);
    },
  };
}

// Where sound and text go, and where the sessions are kept.
function whereText(/** @type {Engine} */ { store }) {
  const { settings, engines, log } = store.state;
  const [ears, voice] = [chosen(engines.stt, settings.stt), chosen(engines.tts, settings.tts)];
  return [ears && `listens: ${place(ears)}`, voice && `speaks: ${place(voice)}`, log ? `logged in ${log}` : "not logged"].filter(Boolean).join(" · ");
}

// The engine of a name; one that the kernel doesn't list stands under its name.
function chosen(/** @type {SpeechEngine[]} */ engines, /** @type {string | undefined} */ name) {
  if (!name) return null;
  return engines.find((each) => each.name === name) ?? { name, label: name, note: "", offline: false };
}

function picker(/** @type {string} */ label, /** @type {() => void} */ change) {
  const select = make("select", { id: freshId("pick"), onchange: change });
  return { select, element: make("label", { class: "vl-pick", for: select.id }, make("span", {}, label), select) };
}

/** @typedef {{ value: string, text: string, title?: string, group?: string, disabled?: boolean }} Option */

/** @returns {Option} */
function optionOf(/** @type {SpeechEngine} */ { name, label, installed, offline, note }) {
  const group = !installed ? "not installed" : offline ? "on this machine" : "online: what is said leaves this machine";
  const text = installed || !note ? label ?? name : `${label ?? name}, ${note.replace("not installed: ", "")}`;
  return { value: name, text, title: note, group, disabled: installed === false };
}

function place(/** @type {Omit<SpeechEngine, "installed">} */ { name, label, offline, note }) {
  return `${label ?? name}${note ? ` (${note})` : offline ? " (offline)" : ""}`;
}

/** @returns {Option[]} */
function speedsWith(/** @type {number | undefined} */ now) {
  const speeds = !now || SPEEDS.includes(now) ? SPEEDS : [...SPEEDS, now].sort((a, b) => a - b);
  return speeds.map((value) => ({ value: String(value), text: `${value}×` }));
}

// Options under the names of their groups, in the order in which these come first.
function grouped(/** @type {Option[]} */ options) {
  const made = (/** @type {Option} */ { value, text, title, disabled }) => make("option", { value, title, disabled }, text);
  const names = [...new Set(options.map(({ group }) => group))];
  return names.flatMap((name) => {
    const its = options.filter(({ group }) => group === name).map(made);
    return name ? [make("optgroup", { label: name }, ...its)] : its;
  });
}

// Options are replaced only where they differ: an open list would close.
function fill(/** @type {HTMLSelectElement} */ select, /** @type {Option[]} */ options, /** @type {string | undefined} */ value) {
  const looks = JSON.stringify(options);
  if (select.dataset.looks !== looks) {
    select.dataset.looks = looks;
    select.replaceChildren(...grouped(options));
  }
  if (value === undefined || select.value === value) return;
  if (![...select.options].some((option) => option.value === value)) select.append(make("option", { value }, value));
  select.value = value;
}

function eventForm(/** @type {Engine} */ engine) {
  const name = make("input", { type: "text", id: freshId("name"), placeholder: "name", autocomplete: "off" });
  const data = make("input", { type: "text", id: freshId("data"), placeholder: '{"key": "value"}', autocomplete: "off" });
  const problem = make("span", { class: "vl-problem", role: "alert" });
  const send = make("button", { type: "submit" }, "Send event");
  const timeout = button("Send timeout", () => engine.ask({ k: "timeout" }), { title: "Tell the handler of a silence, at once" });
  const element = make("form", { class: "vl-row" }, make("span", { class: "vl-pair" }, make("label", { for: name.id }, "Event name"), name), make("span", { class: "vl-pair" }, make("label", { for: data.id }, "Event data"), data), send, timeout, problem);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-disabled") === "true") return;
    const { value, trouble } = readObject(data.value);
    setText(problem, name.value.trim() ? trouble : "Give the event a name.");
    if (!problem.textContent) engine.ask({ k: "event", name: name.value.trim(), data: value });
  });
  keepKeys(element);
  return {
    element,
    allow(/** @type {boolean} */ live) {
      for (const each of [send, timeout]) allow(each, live);
    },
  };
}

// Numbers that would reach the handler as others.
function exact(/** @type {string} */ key, /** @type {unknown} */ value) {
  const changed = typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)));
  if (changed) throw new RangeError(`The number of ${JSON.stringify(key)} is too large to be sent exactly: write it as text.`);
  return value;
}

function readObject(/** @type {string} */ text) {
  if (!text.trim()) return { value: {}, trouble: "" };
  try {
    const value = JSON.parse(text, exact);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return { value, trouble: isObject ? "" : "The data must be a JSON object, such as {\"order\": 7}." };
  } catch (error) {
    return { value: {}, trouble: error instanceof SyntaxError ? `The data is no JSON: ${error.message}` : String(/** @type {Error} */ (error).message) };
  }
}
