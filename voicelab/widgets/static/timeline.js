// @ts-check

/** The timeline: lanes to scale, zoom and pan, by pointer, wheel, keys and buttons; Enter or a click opens an event. */

import { allow, button, freshId, glyph, make, setAttribute, setText } from "./dom.js";
import { drawTimeline } from "./drawing.js";
import { GUTTER, TOP, coloursOf, layoutOf } from "./pen.js";
import { watchPointer } from "./pointer.js";
import { createSelection, describe } from "./selection.js";
import { LANES, LANE_HELP, LANE_NAMES, TURN_HELP, timelineOf } from "./spans.js";
import { createViewport } from "./viewport.js";

/** @import { Engine } from "./engine.js" */
/** @import { Hit } from "./pen.js" */
/** @import { Selection } from "./selection.js" */
/** @import { Store } from "./store.js" */
/** @import { Changed, Item, OpenEvent, Timeline } from "./types.d.ts" */
/** @import { Viewport } from "./viewport.js" */

/**
 * Make the timeline of one view.
 *
 * @param {Engine} engine
 * @param {OpenEvent} open
 */
export function timelineView(engine, open) {
  const { store } = engine;
  let timeline = timelineOf([]);
  let stale = true;
  let planned = 0;
  /** @type {Hit[]} */
  let hits = [];

  const end_s = () => Math.max(timeline.end_s, store.now());
  const plan = () => { planned ||= requestAnimationFrame(draw); };
  const viewport = createViewport({ now_s: () => store.now(), end_s, live: () => store.state.phase === "live" }, plan);
  const selection = createSelection((item, reveal) => {
    parts.name(item);
    if (reveal) viewport.reveal(item.start_s);
    plan();
  });
  const replay = replayButton(engine);
  const parts = partsOf(viewport, replay.element);

  function rebuild() {
    stale = false;
    timeline = timelineOf(store.events.values());
    selection.update(timeline.items);
    if (!selection.active) parts.count(timeline.items.length);
  }

  function draw() {
    planned = 0;
    if (!parts.element.isConnected) return;
    if (stale) rebuild();
    hits = drawOn(parts, timeline, viewport, selection.active, store) ?? hits;
  }

  const show = (/** @type {Item} */ item) => open(item.event, parts.stage);
  watchKeys(parts.stage, viewport, selection, () => stale && rebuild(), show);
  watchClicks(parts, viewport, selection, () => hits, show);
  explain(parts.stage, () => timeline.taskRows);
  const unwatch = watchLooks(parts.stage, store, plan);

  return {
    element: parts.element,
    /** @param {Changed} names */
    update(names) {
      replay.update(names);
      if (names.has("session")) {
        viewport.begin();
        selection.active = null;
        parts.read(null);
      }
      if (names.has("events") || names.has("session")) stale = true;
      if (names.has("phase") && store.state.phase === "ended") {
        rebuild();
        viewport.fit();
      }
      if (names.has("replay")) viewport.follow = Boolean(store.local.replay) || viewport.follow;
      plan();
    },
    remove() {
      cancelAnimationFrame(planned);
      unwatch();
    },
  };
}

// Plays the session that is shown along its timeline.
function replayButton(/** @type {Engine} */ engine) {
  const { store } = engine;
  const element = button("Replay", () => engine.replay(), { "aria-pressed": "false", class: "vl-replay", title: "Play the session along its timeline" });
  return {
    element,
    update(/** @type {Changed} */ names) {
      if (names.has("phase") || names.has("lost") || names.has("ask")) allow(element, store.state.phase === "ended" && !store.local.lost && !store.state.ask);
      if (!names.has("replay")) return;
      const on = Boolean(store.local.replay);
      setAttribute(element, "aria-pressed", on);
      element.replaceChildren(glyph(on ? "■" : "▶"), on ? " Stop replay" : " Replay");
    },
  };
}

// What a lane is, and what T1 means, is told to whoever points at their names.
function explain(/** @type {HTMLElement} */ stage, /** @type {() => number} */ taskRows) {
  stage.addEventListener("pointermove", ({ offsetX, offsetY }) => {
    const { lanes } = layoutOf(taskRows());
    const lane = LANES.find((name) => offsetY >= lanes[name].y && offsetY < lanes[name].y + lanes[name].height);
    const help = offsetX < GUTTER && lane ? LANE_HELP[lane] : offsetY < TOP ? TURN_HELP : "";
    if (stage.title !== help) stage.title = help;
  });
}

/** @typedef {ReturnType<typeof partsOf>} Parts */

/**
 * Make the elements of a timeline.
 *
 * @param {Viewport} viewport
 * @param {HTMLElement} replay
 */
function partsOf(viewport, replay) {
  const id = freshId("event");
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", { "aria-hidden": "true" }));
  const option = make("div", { id, role: "option", "aria-selected": "true", class: "vl-hidden" }, "no events yet");
  const stage = make("div", {
    class: "vl-stage", tabindex: "0", role: "listbox", "aria-label": "Events in order of time", "aria-activedescendant": id,
  }, canvas, option);
  const readout = make("div", { class: "vl-readout", "aria-hidden": "true" });
  const follow = button("Follow", () => viewport.set({ follow: !viewport.follow }), { "aria-pressed": "true", title: "Keep the present in view" });
  const tools = make("div", { class: "vl-tools", role: "group", "aria-label": "Timeline view" },
    button("−", () => viewport.zoom(1.6), { "aria-label": "Zoom out", title: "Zoom out (−)" }),
    button("+", () => viewport.zoom(1 / 1.6), { "aria-label": "Zoom in", title: "Zoom in (+)" }),
    button("◂", () => viewport.pan(-0.5), { "aria-label": "Earlier", title: "Earlier (Page Up)" }),
    button("▸", () => viewport.pan(0.5), { "aria-label": "Later", title: "Later (Page Down)" }),
    button("Fit", () => viewport.fit(), { title: "Show all of it (0)" }), follow);
  const head = make("div", { class: "vl-head" }, make("h4", {}, "Timeline"), replay, readout, tools);
  return {
    canvas, stage,
    element: make("section", { class: "vl-timeline", "aria-label": "Timeline" }, head, stage),
    /** @param {boolean} on */
    following: (on) => setAttribute(follow, "aria-pressed", on),
    /** @param {Item | null} item */
    read: (item) => setText(readout, item ? describe(item) : ""),
    /** @param {Item} item */
    name(item) {
      setText(option, `${LANE_NAMES[item.lane]}: ${describe(item)}`);
      setText(readout, describe(item));
    },
    /** @param {number} n */
    count: (n) => setText(option, n ? `${n} events: arrow keys go from one to the next` : "no events yet"),
  };
}

/**
 * Draw what the viewport shows; returns what can be clicked, or null while there is no place to draw.
 *
 * @param {Parts} parts
 * @param {Timeline} timeline
 * @param {Viewport} viewport
 * @param {Item | null} active
 * @param {Store} store
 */
function drawOn(parts, timeline, viewport, active, store) {
  const width = parts.stage.clientWidth;
  const context = parts.canvas.getContext("2d");
  if (!width || !context) return null;
  const dots = fitCanvas(parts.canvas, width, layoutOf(timeline.taskRows).height);
  const live = store.state.phase === "live";
  const replay = Boolean(store.local.replay);
  if (live || replay) viewport.keepUp();
  parts.following(viewport.follow);
  const now_s = live || replay ? store.now() : Math.max(timeline.end_s, store.now());
  context.setTransform(dots, 0, 0, dots, 0, 0);
  const { from_s, span_s } = viewport;
  return drawTimeline(context, { ...timeline, from_s, span_s, width, now_s, live, replay, active }, coloursOf(parts.element));
}

/**
 * Give a canvas as many dots as the screen has for it; returns how many stand for a pixel.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
function fitCanvas(canvas, width, height) {
  const dots = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * dots) || canvas.height !== Math.round(height * dots)) {
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(height * dots);
    canvas.style.height = `${height}px`;
  }
  return dots;
}

/**
 * @param {HTMLElement} stage
 * @param {Viewport} viewport
 * @param {Selection} selection
 * @param {() => void} ready called before a key chooses an item
 * @param {(item: Item) => void} show
 */
function watchKeys(stage, viewport, selection, ready, show) {
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowRight: () => selection.step(1), ArrowLeft: () => selection.step(-1),
    ArrowDown: () => selection.changeLane(1), ArrowUp: () => selection.changeLane(-1),
    Home: () => selection.step(-Infinity), End: () => selection.step(Infinity),
    PageUp: () => viewport.pan(-0.8), PageDown: () => viewport.pan(0.8),
    "+": () => viewport.zoom(1 / 1.6), "=": () => viewport.zoom(1 / 1.6), "-": () => viewport.zoom(1.6), 0: () => viewport.fit(),
    Enter: () => selection.active && show(selection.active),
  };
  stage.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    ready();
    act();
  });
}

/**
 * @param {Parts} parts
 * @param {Viewport} viewport
 * @param {Selection} selection
 * @param {() => Hit[]} hits
 * @param {(item: Item) => void} show
 */
function watchClicks({ stage, canvas, read }, viewport, selection, hits, show) {
  watchPointer({
    stage, canvas, viewport, hits,
    over: (item) => read(item ?? selection.active),
    click(item) {
      selection.choose(item, false);
      show(item);
    },
  });
}

/**
 * Have the timeline drawn anew when its place, the theme or the present changes; returns what ends that.
 *
 * @param {HTMLElement} stage
 * @param {Store} store
 * @param {() => void} plan
 */
function watchLooks(stage, store, plan) {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const sizes = new ResizeObserver(plan);
  sizes.observe(stage);
  const themes = new MutationObserver(plan);
  for (const place of [document.body, document.documentElement]) themes.observe(place, { attributes: true });
  const ticking = setInterval(() => {
    if ((store.state.phase === "live" && !store.local.lost) || store.local.replay) plan();
  }, calm.matches ? 500 : 66);
  return () => {
    clearInterval(ticking);
    sizes.disconnect();
    themes.disconnect();
  };
}
