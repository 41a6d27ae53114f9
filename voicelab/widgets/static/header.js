// @ts-check

/** The head of the console: whose agent, what was drawn, how the session stands, and the buttons that begin and end it. */

import { allow, button, clockText, make, setText } from "./dom.js";
import { LOST } from "./lost.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { Test } from "./protocol.d.ts" */
/** @import { View } from "./types.d.ts" */

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
  const gate = make("span", { class: "vl-gate", hidden: true });
  const connect = button("Connect", () => engine.connect(), { class: "vl-primary" });
  const hangUp = button("Hang up", () => engine.hangUp(), { class: "vl-stop" });
  const renew = button("New session", ({ detail }) => detail > 1 || engine.connect("new"), { title: "End the session and begin another" });
  const bar = make("header", { class: "vl-header" }, name, chips, status, time, gate, make("span", { class: "vl-buttons" }, connect, hangUp, renew));
  const banners = bannersOf(engine);
  const element = make("div", {}, bar, banners.alert, banners.notice);

  function draw() {
    const { agent, phase, status: end, tests, blind, gate: gateNow } = store.state;
    const { lost, microphone } = store.local;
    const live = phase === "live" && !lost;
    setText(name, agent || "console");
    chips.replaceChildren(...tests.filter((test) => test.variant !== null || (blind && phase !== "idle")).map(chip));
    setText(status, lost ? "connection lost" : phase === "ended" ? end ?? "ended" : phase === "live" ? "live" : "not connected");
    status.className = `vl-status vl-phase-${lost ? "lost" : phase}`;
    const shut = live && !gateNow.open;
    gate.hidden = !shut;
    if (shut) setText(gate, `gate closed: ${gateNow.reason}`);
    const open = microphone === "on" && live;
    if (open) status.append(make("span", { class: "vl-recording" }, store.local.talking || store.state.settings.mode === "hands_free" ? "microphone on" : "microphone ready"));
    allow(connect, !live && !lost);
    allow(hangUp, live);
    allow(renew, !lost && phase !== "idle");
    bar.classList.toggle("vl-is-live", live);
  }

  const tick = () => setText(time, store.state.phase === "idle" ? "" : clockText(store.now()).replace(/\.\d$/, ""));
  const ticking = setInterval(tick, 250);
  draw();
  banners.draw();
  return {
    element,
    update(names) {
      if (anyOf(names, "agent", "phase", "status", "tests", "blind", "gate", "lost", "microphone", "talking", "settings")) draw();
      if (anyOf(names, "message", "lost", "trouble", "silent", "engine", "phase")) banners.draw();
      tick();
    },
    remove: () => clearInterval(ticking),
  };
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
      message && message.level !== "error" && !lost ? message.text : "",
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
  return make("span", { class: "vl-chip" }, `${test} `, make("b", {}, variant ?? "hidden"), variant && assignment === "forced" ? " forced" : "");
}
