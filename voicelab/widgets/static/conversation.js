// @ts-check

/** The conversation: a bubble for what was said, struck where it was not heard, and rows for tasks, errors and notes. */

import { allow, button, clockText, fadeEdges, glyph, lengthText, longText, make, setText, statusText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { Event, Latency, Line } from "./protocol.d.ts" */
/** @import { Known, View } from "./types.d.ts" */

const WAITS_HELP = "It is said as soon as the agent has spoken. Say it now: it cuts the agent off.";

// So many lines stand in the page at once; earlier ones are a click away.
const SHOWN_LINES = 200;
/** @type {Record<string, string>} */
const SIGNS = { task: "↻", error: "✗", note: "·" };

/**
 * A line as it is shown: `key` tells it from all others.
 *
 * @typedef {Line & { key: string, seq: number, order_s: number, played_s?: number, source?: string, voice?: string, answer_ms?: number }} Shown
 */

/**
 * Make the conversation of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function conversationView(engine) {
  const { store } = engine;
  const lines = shownLines((text) => engine.draft(text));
  let earlier = 0;

  const more = button("Show earlier lines", () => {
    earlier += SHOWN_LINES;
    draw(false);
  }, { class: "vl-more", hidden: true });
  const { log } = lines;
  const partial = make("div", { class: "vl-line vl-caller vl-partial", hidden: true });
  const waiting = waitingView(engine);
  const empty = make("div", { class: "vl-empty" });
  const scroller = make("div", { class: "vl-scroller", tabindex: "0", role: "group", "aria-label": "Conversation so far" }, more, log, partial, waiting.element, empty);
  const unfade = fadeEdges(scroller);
  const unstick = keepAtEnd(scroller);
  const element = make("div", { class: "vl-talk" }, scroller);

  function draw(stick = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80) {
    const all = linesOf(store.events.values(), store.state.latency);
    const first = Math.max(0, all.length - SHOWN_LINES - earlier);
    more.hidden = first === 0;
    lines.draw(all.slice(first));
    waiting.draw();
    drawEnd(empty, store.state, all.length);
    if (stick) scroller.scrollTop = scroller.scrollHeight;
  }

  function drawPartial() {
    const { partial: text } = store.local;
    partial.hidden = !text;
    if (!text) return;
    partial.replaceChildren(make("div", { class: "vl-words" }, text), make("div", { class: "vl-meta" }, "caller · listening"));
    scroller.scrollTop = scroller.scrollHeight;
  }

  function markPlaying() {
    const { speaking } = store.local;
    for (const node of log.querySelectorAll(".vl-playing")) node.classList.remove("vl-playing");
    if (speaking !== null) log.querySelector(`[data-seq="${Number(speaking)}"].vl-agent`)?.classList.add("vl-playing");
  }

  draw();
  return {
    element,
    update(names) {
      if (names.has("session")) earlier = 0;
      if (anyOf(names, "events", "phase", "agent", "status", "session", "latency", "settings")) draw();
      if (anyOf(names, "waiting", "lost")) draw(names.has("waiting") || undefined);
      if (names.has("partial")) drawPartial();
      if (anyOf(names, "speaking", "events")) markPlaying();
    },
    remove() {
      unfade();
      unstick();
    },
  };
}

// Who reads the last line goes on reading it when there is less room for it; returns what ends that.
function keepAtEnd(/** @type {HTMLElement} */ scroller) {
  let atEnd = true;
  scroller.addEventListener("scroll", () => { atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80; }, { passive: true });
  const sizes = new ResizeObserver(() => { if (atEnd) scroller.scrollTop = scroller.scrollHeight; });
  sizes.observe(scroller);
  return () => sizes.disconnect();
}

// The lines that stand in the page: one that was amended is drawn anew in its place; all others keep their elements.
function shownLines(/** @type {(text: string) => void} */ edit) {
  const log = make("div", { class: "vl-log", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": "What is said" });
  /** @type {Map<string, { node: HTMLElement, looks: string }>} */
  const shown = new Map();

  function nodeOf(/** @type {Shown} */ line) {
    const known = shown.get(line.key);
    const looks = JSON.stringify([line.text, line.lost, line.label, line.time_s, line.played_s, line.answer_ms]);
    if (known?.looks === looks) return known.node;
    const node = drawLine(line, edit);
    if (known) known.node.replaceWith(node);
    shown.set(line.key, { node, looks });
    return node;
  }

  function draw(/** @type {Shown[]} */ lines) {
    const keys = new Set(lines.map((line) => line.key));
    for (const [key, { node }] of shown) {
      if (keys.has(key)) continue;
      node.remove();
      shown.delete(key);
    }
    /** @type {HTMLElement | null} */
    let before = null;
    for (const line of lines.toReversed()) {
      const node = nodeOf(line);
      if (node.nextSibling !== before || node.parentNode !== log) log.insertBefore(node, before);
      before = node;
    }
  }

  return { log, draw };
}

// Typed words that wait until the agent has spoken.
function waitingView(/** @type {Engine} */ engine) {
  const { store } = engine;
  const element = make("div", { class: "vl-waiting", role: "group", "aria-label": "Waiting to be said" });

  function entry(/** @type {{ number: number, text: string }} */ { number, text }) {
    const now = button("Say it now", () => engine.sayNow(number), { class: "vl-link" });
    const edit = button("Edit", () => {
      engine.draft(text);
      engine.ask({ k: "take_back", number });
    }, { class: "vl-link" });
    const back = button("Take back", () => engine.ask({ k: "take_back", number }), { class: "vl-link" });
    for (const each of [now, edit, back]) allow(each, !store.local.lost);
    return make("div", { class: "vl-line vl-caller vl-waits", title: WAITS_HELP },
      make("div", { class: "vl-words" }, longText(text)),
      make("div", { class: "vl-meta" }, "waits until the agent has spoken · ", now, " · ", edit, " · ", back));
  }

  return {
    element,
    draw() {
      const { waiting } = store.state;
      element.hidden = !waiting.length;
      element.replaceChildren(...waiting.map(entry));
    },
  };
}

// What stands below the lines: how it ended, or what to do.
function drawEnd(/** @type {HTMLElement} */ place, /** @type {Known} */ { phase, agent, status, duration_s, settings }, /** @type {number} */ count) {
  if (phase === "ended") {
    place.hidden = !status;
    place.className = "vl-end";
    setText(place, `${statusText(status)} after ${clockText(duration_s)}`);
    return;
  }
  place.hidden = phase === "live" && count > 0;
  place.className = "vl-empty";
  place.replaceChildren(...(phase === "live" ? ["Waiting for the agent's first words …"] : [
    make("b", {}, `Talk to ${agent || "the agent"}`),
    make("p", {}, "Press Connect, or just type: the agent greets you first, then your words are said."),
    make("p", {}, "Speak with the button held down, or hands-free; headphones keep the agent from hearing itself."),
    settings.tts && settings.tts !== "off" ? make("p", {}, "For text alone, whose time can pass faster, choose “off” under Speaks.") : "",
  ]));
}

/**
 * @param {Iterable<Event>} events
 * @param {Latency[]} latency
 */
function linesOf(events, latency) {
  const answers = new Map(latency.map(({ turn, total_ms }) => [turn, total_ms]));
  /** @type {Shown[]} */
  const lines = [];
  let latest_s = 0;
  for (const { seq, turn, kind, name, data, lines: its } of [...events].sort((a, b) => a.seq - b.seq)) {
    // As in `lines_in_order`: the agent ends the session once it has said what it said before, however long a voice took.
    const ends = kind === "output" && /^(stop$|transfer)/.test(name);
    its.forEach((line, i) => {
      const answer_ms = line.who === "agent" ? answers.get(turn) : undefined;
      if (answer_ms !== undefined) answers.delete(turn); // the first sound of a turn is its answer
      const order_s = ends ? Math.max(latest_s, line.time_s) : line.time_s;
      latest_s = Math.max(latest_s, line.time_s);
      lines.push({ ...line, key: `${seq}.${i}`, seq, order_s, answer_ms, played_s: data.interrupted ? data.played_s : undefined, source: data.source, voice: data.voice });
    });
  }
  return lines.sort((a, b) => a.order_s - b.order_s || a.seq - b.seq);
}

/**
 * @param {Shown} line
 * @param {(text: string) => void} edit Puts a text into the message box.
 */
function drawLine(line, edit) {
  const who = ["agent", "caller", "task", "error"].includes(line.who) ? line.who : "note";
  const words = make("div", { class: "vl-words" });
  if (SIGNS[who]) words.append(glyph(SIGNS[who]), " ");
  if (who === "task" && line.label) words.append(make("b", { class: "vl-task-name" }, line.label), " ");
  if (who === "error") words.append(make("b", {}, line.label ? `Error in ${line.label}: ` : "Error: "));
  if (line.text) words.append(longText(line.text));
  if (line.lost) {
    words.append(line.text ? " " : "", make("span", { class: "vl-hidden" }, "(not heard: "));
    words.append(longText(line.lost, { class: "vl-lost", title: "not heard" }), make("span", { class: "vl-hidden" }, ")"));
  }
  const meta = make("div", { class: "vl-meta" }, metaOf(line, who));
  if (who === "caller") {
    meta.append(button("✎", () => edit(line.text), { class: "vl-link vl-edit", "aria-label": "Edit and say again", title: "Edit and say again" }));
  }
  return make("div", { class: `vl-line vl-${who}`, "data-seq": line.seq }, words, meta);
}

/** @type {Record<string, string>} */
const SOURCES_OF_WORDS = { speech: "spoken", text: "typed" };

function metaOf(/** @type {Shown} */ line, /** @type {string} */ who) {
  if (who === "task" || who === "error" || who === "note") return clockText(line.time_s);
  const { played_s } = line;
  const cut = played_s !== undefined && line.lost;
  const label = cut ? (played_s ? `interrupted after ${played_s.toFixed(1)} s` : "never heard") : line.label;
  const how = who === "caller" ? SOURCES_OF_WORDS[line.source ?? ""] ?? "" : line.voice;
  const says = label === "interrupts" ? "interrupts the agent" : label;
  const answered = line.answer_ms === undefined ? "" : `answered in ${lengthText(line.answer_ms)}`;
  return [who, how, clockText(line.time_s), answered, says].filter(Boolean).join(" · ");
}
