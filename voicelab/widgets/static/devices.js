/** What it listens and speaks with, how loud and how fast; events by hand; downloads and replay. */

import { allow, button, freshId, glyph, keepKeys, make, setText } from "./dom.js";

const SPEEDS = [1, 2, 5, 10, 30, 60];
const SWITCHES = [["echo_cancellation", "Echo cancellation"], ["noise_suppression", "Noise suppression"], ["auto_gain", "Automatic gain"]];

/** Make the foot of one view: `{element, update(names)}`. */
export function devicesView(engine) {
  const { store } = engine;
  const stt = picker("Listens", () => engine.set("stt", stt.select.value));
  const tts = picker("Speaks", () => engine.set("tts", tts.select.value));
  const device = picker("Microphone", () => engine.device(device.select.value));
  const speed = picker("Speed of time", () => engine.set("speed", Number(speed.select.value)));
  const volume = make("input", { type: "range", min: "0", max: "1", step: "0.05", id: freshId("volume") });
  volume.addEventListener("input", () => engine.set("volume", volume.valueAsNumber));
  const switches = SWITCHES.map(([name, label]) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => engine.set(name, box.checked));
    return { name, box, element: make("label", { class: "vl-choice" }, box, ` ${label}`) };
  });
  const where = make("p", { class: "vl-where" });
  const json = button("Download JSON", () => engine.ask("download", { what: "json" }), {}, "↓");
  const wav = button("Download WAV", () => engine.ask("download", { what: "wav" }), { title: "The caller on the left, the agent on the right" }, "↓");
  const replay = button("Replay", () => engine.replay(), { "aria-pressed": "false" });
  const byHand = eventForm(engine);
  const more = make("details", { class: "vl-more-controls" }, make("summary", {}, "More"),
    make("div", { class: "vl-row" }, ...switches.map(({ element }) => element), speed.element), byHand.element);
  const element = make("footer", { class: "vl-footer" },
    make("div", { class: "vl-row" }, stt.element, tts.element, device.element,
      make("label", { class: "vl-pick", for: volume.id }, make("span", {}, "Volume"), volume),
    ), make("div", { class: "vl-row" }, where, make("span", { class: "vl-space" }), json, wav, replay), more);

  for (const { select } of [stt, tts, device, speed]) keepKeys(select);
  keepKeys(volume);
  device.select.addEventListener("pointerdown", () => engine.listDevices());
  device.select.addEventListener("focus", () => engine.listDevices());

  function draw() {
    const { settings, engines, phase, log } = store.state;
    fill(stt.select, (engines?.stt ?? []).map(optionOf), settings.stt);
    fill(tts.select, (engines?.tts ?? []).map(optionOf), settings.tts);
    fill(speed.select, speedsWith(settings.speed), String(settings.speed ?? 1));
    if (document.activeElement !== volume) volume.value = String(settings.volume ?? 1);
    for (const { name, box } of switches) box.checked = settings[name] !== false;
    const [ears, voice] = [chosen("stt"), chosen("tts")];
    setText(where, [
      ears && `listens: ${place(ears)}`, voice && `speaks: ${place(voice)}`, log ? `logged in ${log}` : "not logged",
    ].filter(Boolean).join(" · "));
    const past = phase === "ended" && !store.local.lost && !store.state.ask;
    for (const each of [json, wav, replay]) allow(each, past);
    byHand.allow(phase === "live" && !store.local.lost);
  }

  function chosen(kind) {
    const name = store.state.settings[kind];
    return name && (store.state.engines?.[kind]?.find((each) => each.name === name) ?? { name, label: name, note: "" });
  }

  function drawDevices() {
    const { devices, device: id } = store.local;
    fill(device.select, [{ value: "", text: "the system's choice" }, ...devices.map(({ id: value, label }) => ({ value, text: label }))], id);
  }

  function drawReplay() {
    const on = Boolean(store.local.replay);
    replay.setAttribute("aria-pressed", String(on));
    replay.replaceChildren(glyph(on ? "■" : "▶"), on ? " Stop replay" : " Replay");
  }

  draw();
  drawDevices();
  drawReplay();
  return {
    element,
    update(names) {
      if (["settings", "engines", "phase", "log", "lost", "ask"].some((key) => names.has(key))) draw();
      if (names.has("devices") || names.has("device")) drawDevices();
      if (names.has("replay")) drawReplay();
    },
  };
}

function picker(label, change) {
  const select = make("select", { id: freshId("pick"), onchange: change });
  return { select, element: make("label", { class: "vl-pick", for: select.id }, make("span", {}, label), select) };
}

function optionOf({ name, label, installed, offline, note }) {
  const remark = !installed ? note || "not installed" : offline ? (name === "off" ? "" : "offline") : "see below";
  return { value: name, text: [label ?? name, remark].filter(Boolean).join(", "), disabled: installed === false };
}

function place({ name, label, offline, note }) {
  return `${label ?? name}${note ? ` (${note})` : offline ? " (offline)" : ""}`;
}

function speedsWith(now) {
  const speeds = SPEEDS.includes(now) || !now ? SPEEDS : [...SPEEDS, now].sort((a, b) => a - b);
  return speeds.map((value) => ({ value: String(value), text: `${value}×` }));
}

// Options are replaced only where they differ: an open list would close.
function fill(select, options, value) {
  const looks = JSON.stringify(options);
  if (select.dataset.looks !== looks) {
    select.dataset.looks = looks;
    select.replaceChildren(...options.map((option) => make("option", { value: option.value, disabled: option.disabled }, option.text)));
  }
  if (value !== undefined && value !== null && select.value !== String(value)) {
    if (![...select.options].some((option) => option.value === String(value))) select.append(make("option", { value }, String(value)));
    select.value = String(value);
  }
}

function eventForm(engine) {
  const name = make("input", { type: "text", id: freshId("name"), placeholder: "name", autocomplete: "off" });
  const data = make("input", { type: "text", id: freshId("data"), placeholder: '{"key": "value"}', autocomplete: "off" });
  const problem = make("span", { class: "vl-problem", role: "alert" });
  const send = make("button", { type: "submit" }, "Send event");
  const timeout = button("Send timeout", () => engine.ask("timeout"), { title: "Tell the handler of a silence, at once" });
  const element = make("form", { class: "vl-row" }, make("label", { for: name.id }, "Event name"), name, make("label", { for: data.id }, "Event data"), data, send, timeout, problem);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    if (send.getAttribute("aria-disabled") === "true") return;
    const { value, trouble } = readObject(data.value);
    setText(problem, name.value.trim() ? trouble : "Give the event a name.");
    if (!problem.textContent) engine.ask("event", { name: name.value.trim(), data: value });
  });
  keepKeys(element);
  return { element, allow: (live) => [send, timeout].forEach((each) => allow(each, live)) };
}

// Numbers that would reach the handler as others.
function exact(key, value) {
  const changed = typeof value === "number" && (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)));
  if (changed) throw new RangeError(`The number of ${JSON.stringify(key)} is too large to be sent exactly: write it as text.`);
  return value;
}

function readObject(text) {
  if (!text.trim()) return { value: {}, trouble: "" };
  try {
    const value = JSON.parse(text, exact);
    const isObject = value !== null && typeof value === "object" && !Array.isArray(value);
    return { value, trouble: isObject ? "" : "The data must be a JSON object, such as {\"order\": 7}." };
  } catch (error) {
    return { value: null, trouble: error instanceof SyntaxError ? `The data is no JSON: ${error.message}` : error.message };
  }
}
