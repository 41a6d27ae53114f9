/** The timeline: lanes to scale, zoom and pan, by pointer, wheel, keys and buttons; Enter or a click opens an event. */

import { button, clockText, freshId, make, setAttribute, setText, shortText } from "./dom.js";
import { GUTTER, coloursOf, drawTimeline, layoutOf, plotOf } from "./drawing.js";
import { LANES, LANE_NAMES, timelineOf } from "./spans.js";

const LEAST_SPAN_S = 0.25;
const FIRST_SPAN_S = 20;

/** Make the timeline of one view: `{element, update(names), remove()}`; `open(event)` shows an event. */
export function timelineView(engine, open) {
  const { store } = engine;
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const optionId = freshId("event");
  let timeline = timelineOf([], null);
  let stale = true;
  let hits = [];
  let view = { from_s: 0, span_s: FIRST_SPAN_S, follow: true };
  let active = null;
  let planned = 0;
  let drag = null;
  let width = 0;

  const canvas = make("canvas", { "aria-hidden": "true" });
  const option = make("div", { id: optionId, role: "option", "aria-selected": "true", class: "vl-hidden" }, "no events yet");
  const stage = make("div", {
    class: "vl-stage", tabindex: "0", role: "listbox", "aria-label": "Events in order of time", "aria-activedescendant": optionId,
  }, canvas, option);
  const readout = make("div", { class: "vl-readout", "aria-hidden": "true" });
  const follow = button("Follow", () => setView({ follow: !view.follow }), { "aria-pressed": "true", title: "Keep the present in view" });
  const tools = make("div", { class: "vl-tools", role: "group", "aria-label": "Timeline view" },
    button("−", () => zoom(1.6), { "aria-label": "Zoom out", title: "Zoom out (−)" }),
    button("+", () => zoom(1 / 1.6), { "aria-label": "Zoom in", title: "Zoom in (+)" }),
    button("◂", () => pan(-0.5), { "aria-label": "Earlier", title: "Earlier (Page Up)" }),
    button("▸", () => pan(0.5), { "aria-label": "Later", title: "Later (Page Down)" }),
    button("Fit", fit, { title: "Show all of it (0)" }), follow);
  const head = make("div", { class: "vl-head" }, make("h4", {}, "Timeline"), readout, tools);
  const element = make("section", { class: "vl-timeline", "aria-label": "Timeline" }, head, stage);

  // --- what is seen ---

  function rebuild() {
    stale = false;
    const events = [...store.events.values()].sort((a, b) => a.seq - b.seq);
    const seq = active?.event.seq;
    timeline = timelineOf(events, store.state.gate);
    active = seq === undefined ? null : timeline.items.find((item) => item.event.seq === seq && item.kind === active.kind) ?? null;
    if (!active) setText(option, timeline.items.length ? `${timeline.items.length} events: arrow keys go from one to the next` : "no events yet");
  }

  function end() {
    return Math.max(timeline.end_s, store.now());
  }

  function draw() {
    planned = 0;
    if (!element.isConnected) return;
    if (stale) rebuild();
    const size = stage.clientWidth;
    if (!size) return;
    const { height } = layoutOf(timeline.taskRows);
    const dots = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(size * dots) || canvas.height !== Math.round(height * dots)) {
      canvas.width = Math.round(size * dots);
      canvas.height = Math.round(height * dots);
      canvas.style.height = `${height}px`;
    }
    width = size;
    const live = store.state.phase === "live";
    if (view.follow) keepUp(live || Boolean(store.local.replay));
    const context = canvas.getContext("2d");
    context.setTransform(dots, 0, 0, dots, 0, 0);
    hits = drawTimeline(context, {
      ...timeline, ...view, width, now_s: live || store.local.replay ? store.now() : end(), live, replay: store.local.replay, active,
    }, coloursOf(element));
    setAttribute(follow, "aria-pressed", view.follow);
  }

  // The present stands at nine tenths of the window; before it is reached there, nothing moves.
  function keepUp(live) {
    if (!live) return;
    view.from_s = Math.max(0, store.now() - 0.9 * view.span_s);
  }

  function plan() {
    if (!planned) planned = requestAnimationFrame(draw);
  }

  function setView(values) {
    view = { ...view, ...values };
    view.span_s = Math.min(Math.max(view.span_s, LEAST_SPAN_S), Math.max(FIRST_SPAN_S, end() * 1.15));
    view.from_s = Math.min(Math.max(0, view.from_s), Math.max(0, end() - 0.1 * view.span_s));
    plan();
  }

  function zoom(factor, at = 0.5) {
    const span_s = view.span_s * factor;
    const from_s = view.from_s + at * (view.span_s - span_s);
    setView(view.follow && store.state.phase === "live" ? { span_s } : { span_s, from_s, follow: false });
  }

  function pan(share) {
    setView({ from_s: view.from_s + share * view.span_s, follow: false });
  }

  function fit() {
    setView({ from_s: 0, span_s: Math.max(2, end() * 1.04), follow: false });
  }

  // --- events, one by one ---

  function activate(item, reveal = true) {
    active = item;
    if (!item) return;
    setText(option, `${LANE_NAMES[item.lane]}: ${describe(item)}`);
    setText(readout, describe(item));
    const at = item.from - view.from_s;
    if (reveal && (at < 0 || at > view.span_s)) setView({ from_s: item.from - 0.4 * view.span_s, follow: false });
    plan();
  }

  function describe(item) {
    const until = item.to !== null && item.to > item.from ? ` to ${clockText(item.to)}` : "";
    return `${clockText(item.from)}${until} · ${shortText(item.detail.replace(/\s+/g, " "), 140)}`;
  }

  function step(by) {
    if (stale) rebuild();
    const { items } = timeline;
    if (!items.length) return;
    const at = active ? items.indexOf(active) : by > 0 ? -1 : items.length;
    activate(items[Math.min(items.length - 1, Math.max(0, at + by))]);
  }

  function changeLane(by) {
    if (!active) return step(1);
    for (let i = LANES.indexOf(active.lane) + by; i >= 0 && i < LANES.length; i += by) {
      const others = timeline.items.filter((item) => item.lane === LANES[i]);
      if (!others.length) continue;
      return activate(others.reduce((best, item) => (Math.abs(item.from - active.from) < Math.abs(best.from - active.from) ? item : best)));
    }
  }

  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => changeLane(1), ArrowUp: () => changeLane(-1),
    Home: () => step(-Infinity), End: () => step(Infinity), PageUp: () => pan(-0.8), PageDown: () => pan(0.8),
    "+": () => zoom(1 / 1.6), "=": () => zoom(1 / 1.6), "-": () => zoom(1.6), 0: fit,
    Enter: () => active && open(active.event, stage),
  };
  stage.addEventListener("keydown", (event) => {
    const act = keys[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });

  // --- the pointer ---

  function hitAt(event) {
    const box = canvas.getBoundingClientRect();
    const px = event.clientX - box.left;
    const py = event.clientY - box.top;
    const inside = hits.filter(({ x0, x1, y0, y1 }) => px >= x0 && px <= x1 && py >= y0 && py <= y1);
    // The narrowest is what lies on top: a tick on a task's bar.
    return inside.sort((a, b) => a.x1 - a.x0 - (b.x1 - b.x0))[0]?.item ?? null;
  }

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, from_s: view.from_s, moved: false };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) {
      const item = hitAt(event);
      setText(readout, item ? describe(item) : active ? describe(active) : "");
      stage.style.cursor = item ? "pointer" : "";
      return;
    }
    const moved = event.clientX - drag.x;
    if (Math.abs(moved) > 4) drag.moved = true;
    if (drag.moved) setView({ from_s: drag.from_s - (moved / plotOf(width)) * view.span_s, follow: false });
  });
  stage.addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved;
    drag = null;
    const item = clicked ? hitAt(event) : null;
    if (!item) return;
    activate(item, false);
    open(item.event, stage);
  });
  stage.addEventListener("pointercancel", () => { drag = null; });
  // A plain wheel scrolls the notebook, until one has clicked into the timeline.
  stage.addEventListener("wheel", (event) => {
    const zooms = event.ctrlKey || event.metaKey || event.altKey || document.activeElement === stage;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      event.preventDefault();
      pan(sideways / plotOf(width));
    } else if (zooms) {
      event.preventDefault();
      const at = (event.clientX - canvas.getBoundingClientRect().left - GUTTER) / plotOf(width);
      zoom(Math.exp(event.deltaY * 0.0022), Math.min(1, Math.max(0, at)));
    }
  }, { passive: false });

  const sizes = new ResizeObserver(plan);
  sizes.observe(stage);
  const themes = new MutationObserver(plan);
  for (const place of [document.body, document.documentElement]) themes.observe(place, { attributes: true });
  const ticking = setInterval(() => {
    if ((store.state.phase === "live" && !store.local.lost) || store.local.replay) plan();
  }, calm.matches ? 500 : 66);

  return {
    element,
    update(names) {
      if (names.has("session")) {
        view = { from_s: 0, span_s: FIRST_SPAN_S, follow: true };
        active = null;
        setText(readout, "");
      }
      if (["events", "session", "gate"].some((name) => names.has(name))) stale = true;
      if (names.has("phase") && store.state.phase === "ended") {
        rebuild();
        fit();
      }
      if (names.has("replay")) view.follow = Boolean(store.local.replay) || view.follow;
      plan();
    },
    remove() {
      clearInterval(ticking);
      cancelAnimationFrame(planned);
      sizes.disconnect();
      themes.disconnect();
    },
  };
}
