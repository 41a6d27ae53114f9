// @ts-check

/** The sessions of this console that have ended: each can be opened, and replayed. */

import { allow, button, clockText, make, statusText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { SessionEntry } from "./protocol.d.ts" */
/** @import { View } from "./types.d.ts" */

/**
 * Make the list of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function sessionListView(engine) {
  const { store } = engine;
  const hint = make("p", { class: "vl-dim" });
  const list = make("ol", { class: "vl-sessions", "aria-label": "Sessions that have ended" });
  const element = make("section", { class: "vl-pane", "aria-label": "Sessions" }, hint, list);

  function draw() {
    const { sessions, phase, ask } = store.state;
    const possible = phase === "ended" && !store.local.lost && !ask;
    hint.textContent = hintOf(engine);
    list.replaceChildren(...[...sessions].reverse().map((entry) => itemOf(engine, entry, possible)));
  }

  draw();
  return {
    element,
    update(names) {
      if (anyOf(names, "sessions", "session", "phase", "lost", "ask")) draw();
    },
  };
}

function hintOf(/** @type {Engine} */ { store }) {
  const { sessions, phase, ask } = store.state;
  if (!sessions.length) return "Sessions appear here when they have ended: none is lost by beginning another.";
  if (ask) return "Rate the last session first, or skip the question.";
  return phase === "live" ? "Hang up to open an earlier session." : "Open a session to see its conversation, timeline, events and state again.";
}

function itemOf(/** @type {Engine} */ engine, /** @type {SessionEntry} */ entry, /** @type {boolean} */ possible) {
  const { session, phase } = engine.store.state;
  const { number, status, duration_s, n_turns, n_errors, variants, opening, has_sound, began_ms } = entry;
  const shown = phase === "ended" && number === session;
  const began = new Date(began_ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const open = button(`Session ${number}`, () => engine.open(number), { class: "vl-link", "aria-label": `Open session ${number}` });
  const replay = button("Replay", () => engine.open(number, true), { "aria-label": `Replay session ${number}`, title: has_sound ? "Play its sound along the timeline" : "It has no sound any more, or had none: the timeline's cursor runs" }, "▶");
  for (const each of [open, replay]) allow(each, possible);
  return make("li", { class: shown ? "vl-session vl-shown" : "vl-session", "aria-current": shown ? "true" : undefined },
    make("div", {},
      make("div", { class: "vl-session-head" }, open, make("span", { class: "vl-dim" }, began), ...variants.map((variant) => make("span", { class: "vl-chip" }, variant))),
      make("div", { class: "vl-dim" }, `${statusText(status)} after ${clockText(duration_s)} · ${n_turns} turn${n_turns === 1 ? "" : "s"}`,
        n_errors ? make("b", { class: "vl-problem" }, ` · ${n_errors} error${n_errors === 1 ? "" : "s"}`) : ""),
      opening ? make("div", { class: "vl-opening" }, `“${opening}”`) : ""),
    replay);
}
