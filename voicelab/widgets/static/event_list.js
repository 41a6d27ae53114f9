// @ts-check

/** All events of the session, filtered by what they are and by text; why the chosen one came, and its JSON, stand beside them. */

import { button, clockText, fadeEdges, longText, make, setAttribute, setText, shortText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { Event } from "./protocol.d.ts" */
/** @import { OpenEvent, View } from "./types.d.ts" */

// So many rows stand in the page at once; earlier ones are a click away.
const SHOWN_ROWS = 150;
/** @type {[name: string, holds: (event: Event) => boolean][]} */
const FILTERS = [
  ["All", () => true], ["Caller", ({ kind }) => kind === "input"],
  ["Agent", ({ kind, name, background }) => kind === "output" && name !== "log" && !background],
  ["Tasks", ({ background, task_name }) => background || Boolean(task_name)],
  ["Logs", ({ kind }) => kind === "log"], ["Metrics", ({ kind }) => kind === "metric"],
  ["System", ({ kind }) => kind === "system"], ["Errors", ({ name }) => name === "error"],
];

/**
 * Make the list of one view.
 *
 * @param {Engine} engine
 * @returns {View & { open: OpenEvent }}
 */
export function eventListView(engine) {
  const { store } = engine;
  const chosen = { seq: /** @type {number | null} */ (null), from: /** @type {HTMLElement | null} */ (null) };
  const detail = detailView(() => choose(null));
  const rows = rowsView((seq) => choose(seq));
  const filter = filterView(() => draw());
  const unfades = [rows.element, detail.body].map(fadeEdges);
  const element = make("section", { class: "vl-events", "aria-label": "Events" }, filter.element, make("div", { class: "vl-split" }, rows.element, detail.element));

  function draw() {
    const all = [...store.events.values()].sort((a, b) => a.time_s - b.time_s || a.seq - b.seq);
    const found = all.filter(filter.holds);
    filter.count(found.length, all.length);
    rows.draw(found, chosen.seq);
    const event = chosen.seq === null ? null : store.events.get(chosen.seq) ?? null;
    detail.draw(event);
    element.classList.toggle("vl-has-detail", event !== null);
  }

  function choose(/** @type {number | null} */ seq) {
    chosen.seq = seq;
    draw();
    if (seq === null) chosen.from?.focus({ preventScroll: true });
  }

  return {
    element,
    update(names) {
      if (names.has("session")) Object.assign(chosen, { seq: null, from: null });
      if (anyOf(names, "events", "session") && element.offsetParent) draw(); // what nobody sees isn't drawn
    },
    shown: draw,
    remove: () => unfades.forEach((unfade) => { unfade(); }),
    open(event, back) {
      if (!filter.holds(event)) filter.clear();
      chosen.from = back;
      choose(event.seq);
      rows.reveal(event.seq);
      detail.focus();
    },
  };
}

function filterView(/** @type {() => void} */ changed) {
  let now = FILTERS[0];
  const texts = new WeakMap();
  const words = make("input", { type: "search", placeholder: "Filter by text", "aria-label": "Filter events by text", autocomplete: "off" });
  const counted = make("span", { class: "vl-dim vl-counted" });
  const kinds = FILTERS.map((each) => button(each[0], () => set(each), { "aria-pressed": String(each === now) }));
  words.addEventListener("input", changed);

  function set(/** @type {typeof FILTERS[number]} */ to) {
    now = to;
    for (const [i, kind] of kinds.entries()) setAttribute(kind, "aria-pressed", FILTERS[i] === now);
    changed();
  }

  function textOf(/** @type {Event} */ event) {
    if (!texts.has(event)) texts.set(event, `${event.name} ${event.task_name ?? ""} ${JSON.stringify(event.data)}`.toLowerCase());
    return texts.get(event);
  }

  return {
    element: make("div", { class: "vl-filter" }, make("div", { class: "vl-kinds", role: "group", "aria-label": "Filter events by kind" }, ...kinds), make("div", { class: "vl-row" }, words, counted)),
    holds: (/** @type {Event} */ event) => now[1](event) && (!words.value.trim() || textOf(event).includes(words.value.trim().toLowerCase())),
    clear() {
      words.value = "";
      set(FILTERS[0]);
    },
    count: (/** @type {number} */ found, /** @type {number} */ all) => setText(counted, found === all ? `${all} events` : `${found} of ${all}`),
  };
}

function rowsView(/** @type {(seq: number) => void} */ choose) {
  let earlier = 0;
  /** @type {[Event[], number | null]} */
  let drawn = [[], null];
  const more = button("Show earlier events", () => {
    earlier += SHOWN_ROWS;
    draw(...drawn);
  }, { class: "vl-more" });
  const list = make("div", { role: "listbox", "aria-label": "Events", tabindex: "0", class: "vl-event-rows" });
  const none = make("p", { class: "vl-dim" }, "No events: connect, or filter otherwise.");
  const element = make("div", { class: "vl-event-scroller" }, more, list, none);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const [events, seq] = drawn;
    if (!step || !events.length) return;
    event.preventDefault();
    const at = events.findIndex((each) => each.seq === seq);
    const to = events[Math.min(events.length - 1, Math.max(0, at < 0 ? events.length - 1 : at + step))];
    choose(to.seq);
    reveal(to.seq);
  });

  function draw(/** @type {Event[]} */ events, /** @type {number | null} */ seq) {
    const stick = element.scrollHeight - element.scrollTop - element.clientHeight < 40;
    drawn = [events, seq];
    const first = Math.max(0, events.length - SHOWN_ROWS - earlier);
    more.hidden = first === 0;
    none.hidden = events.length > 0;
    list.hidden = !events.length;
    list.replaceChildren(...events.slice(first).map((event) => rowOf(event, event.seq === seq, () => choose(event.seq))));
    if (stick && seq === null) element.scrollTop = element.scrollHeight;
  }

  function reveal(/** @type {number} */ seq) {
    const at = drawn[0].findIndex((event) => event.seq === seq);
    const hidden = drawn[0].length - SHOWN_ROWS - earlier;
    if (at >= 0 && at < hidden) {
      earlier = drawn[0].length - SHOWN_ROWS - at;
      draw(...drawn);
    }
    const row = /** @type {HTMLElement | null} */ (list.querySelector(`[data-seq="${seq}"]`));
    if (row) element.scrollTop = row.offsetTop - element.clientHeight / 2;
  }

  return { element, draw, reveal };
}

function rowOf(/** @type {Event} */ event, /** @type {boolean} */ chosen, /** @type {() => void} */ choose) {
  const tone = event.name === "error" ? "error" : event.background ? "task" : event.kind;
  const row = make("div", { role: "option", "aria-selected": String(chosen), class: `vl-event-row vl-kind-${tone}`, "data-seq": event.seq },
    make("span", { class: "vl-time" }, clockText(event.time_s)), make("b", {}, event.name), make("span", {}, shortText(summaryOf(event), 90)));
  row.addEventListener("click", choose);
  return row;
}

function summaryOf(/** @type {Event} */ { data, lines, task_name }) {
  const line = lines[0];
  const words = line ? line.text || line.lost : data.message ?? data.content ?? data.text;
  const text = typeof words === "string" && words ? words : JSON.stringify(data);
  return `${task_name && line?.who !== "task" ? `${task_name}: ` : ""}${text === "{}" ? "" : text}`.replace(/\s+/g, " ");
}

function detailView(/** @type {() => void} */ hide) {
  const title = make("h4", {});
  const why = make("p", { class: "vl-why" });
  const body = make("pre", { tabindex: "0", "aria-label": "JSON of the event" });
  const close = button("Close", hide, { class: "vl-link" });
  const element = make("section", { class: "vl-event", "aria-label": "Event", hidden: true }, make("div", { class: "vl-event-head" }, title, make("span", { class: "vl-space" }), close), why, body);
  element.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  let looks = "";
  return {
    element, body,
    draw(/** @type {Event | null} */ event) {
      element.hidden = !event;
      if (!event) return;
      const { lines: _lines, spans: _spans, why: reason, ...facts } = event;
      const text = JSON.stringify(facts, null, 2);
      setText(title, shortText(`${event.name} at ${clockText(event.time_s)}`, 60));
      setText(why, reason);
      if (text !== looks) body.replaceChildren(longText(text));
      looks = text;
    },
    focus: () => close.focus({ preventScroll: true }),
  };
}
