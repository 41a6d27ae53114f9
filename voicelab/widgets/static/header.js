// @ts-check

/** The head of the console: whose agent, what was drawn, how the session stands, and the buttons that begin and end it. */

import { allow, button, clockText, make, setText, statusText } from "./dom.js";
import { LOST } from "./lost.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { Test } from "./protocol.d.ts" */
/** @import { View } from "./types.d.ts" */

const GATE_HELP = "The gate: while it is closed, what the caller says doesn't reach the agent. It waits until the agent has finished.";

/**
 * Make the header of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function headerView(engine) {
  const { store } = engine;
  const name = make("span", { class: "vl-name" });
  const chips = make("span", { class: "vl-chips" });
  const status = make("span", { class: "vl-status" });
  const time = make("span", { class: "vl-clock", "aria-hidden": "true" });
  const gate = make("span", { class: "vl-gate", hidden: true, title: GATE_HELP });
  const actions = actionsOf(engine);
  const bar = make("header", { class: "vl-header" }, name, chips, status, time, gate, actions.element);
  const banners = bannersOf(engine);
  const element = make("div", {}, bar, banners.alert, banners.notice);

  function draw() {
    const { agent, phase, tests, blind, gate: gateNow } = store.state;
    const { lost } = store.local;
    const live = phase === "live" && !lost;
    setText(name, agent || "console");
    chips.replaceChildren(...tests.filter((test) => test.variant !== null || (blind && phase !== "idle")).map(chip));
    setText(status, statusOf(engine));
    status.className = `vl-status vl-phase-${lost ? "lost" : phase}`;
    gate.hidden = !live || gateNow.open;
    if (!gate.hidden) setText(gate, `The caller's words wait: ${gateNow.reason}`);
    const recording = recordingOf(engine);
    if (recording) status.append(make("span", { class: "vl-recording" }, recording));
    actions.draw();
    bar.classList.toggle("vl-is-live", live);
  }

  const tick = () => setText(time, store.state.phase === "idle" ? "" : clockText(store.now()).replace(/\.\d$/, ""));
  const ticking = setInterval(tick, 250);
  draw();
  banners.draw();
  return {
    element,
    update(names) {
      if (anyOf(names, "agent", "phase", "session", "sessions", "status", "tests", "blind", "gate", "lost", "microphone", "talking", "settings", "ask")) draw();
      if (anyOf(names, "message", "lost", "trouble", "silent", "engine", "phase")) banners.draw();
      tick();
    },
    remove: () => clearInterval(ticking),
  };
}

// One button begins, one ends: what can't be done now isn't there.
function actionsOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const connect = button("Connect", () => engine.connect(), { class: "vl-primary vl-call", title: "Begin a session: the agent speaks first" });
  const hangUp = button("Hang up", () => engine.hangUp(), { class: "vl-stop vl-call", title: "End the session as the caller" });
  const renew = button("New session", ({ detail }) => detail > 1 || engine.connect("new"));

  function draw() {
    const { phase, ask } = store.state;
    const { lost } = store.local;
    connect.hidden = phase !== "idle";
    hangUp.hidden = phase !== "live";
    renew.hidden = phase === "idle";
    renew.title = phase === "live" ? "Hang up and begin another session; this one stays under Sessions" : "Begin another session; this one stays under Sessions";
    renew.classList.toggle("vl-primary", phase === "ended" && !ask);
    for (const each of [connect, hangUp, renew]) allow(each, !lost);
  }

  return { element: make("span", { class: "vl-buttons" }, connect, hangUp, renew), draw };
}

function statusOf(/** @type {Engine} */ { store }) {
  const { phase, status, session, sessions } = store.state;
  if (store.local.lost) return "connection lost";
  if (phase === "live") return "live";
  if (phase === "idle") return "not connected";
  const which = sessions.length > 1 ? `session ${session} · ` : "";
  return `${which}${statusText(status)}`;
}

function recordingOf(/** @type {Engine} */ { store }) {
  const { lost, microphone, talking } = store.local;
  const { phase, settings } = store.state;
  if (lost || phase !== "live" || microphone !== "on") return "";
  return talking || settings.mode === "hands_free" ? "microphone on" : "microphone ready";
}

// What must be read stands in one place: the lost connection first, then errors, then hints.
function bannersOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const alert = make("div", { class: "vl-banner vl-error-banner", role: "alert", hidden: true });
  const notice = make("div", { class: "vl-banner", role: "status", hidden: true });

  function draw() {
    const { message, phase, engine: heard } = store.state;
    const { lost, trouble, silent } = store.local;
    const elsewhere = phase === "live" && heard && heard !== engine.id;
    const error = lost ? LOST : message?.level === "error" ? message.text : trouble;
    const hints = [
      // The kernel says what the page told it of its microphone to every page: this one says it already.
      message && message.level !== "error" && !lost && message.text !== error ? message.text : "",
      elsewhere ? "The sound of this session is in another tab; typing and keys work here too." : "",
      silent ? "The browser plays no sound before you click: click anywhere in the console." : "",
    ].filter(Boolean);
    alert.hidden = !error;
    setText(alert, error);
    notice.hidden = !hints.length;
    notice.classList.toggle("vl-warning-banner", message?.level === "warning");
    setText(notice, hints.join(" "));
  }

  return { alert, notice, draw };
}

function chip(/** @type {Test} */ { test, variant, assignment }) {
  return make("span", { class: "vl-chip", title: `The variant of the test ${test} that this session has` },
    `${test} `, make("b", {}, variant ?? "hidden"), variant && assignment === "forced" ? " forced" : "");
}
