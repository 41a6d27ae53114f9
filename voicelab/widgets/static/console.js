/** The console: one engine for a widget, and any number of views of it. */

import { make } from "./dom.js";
import { controlsView } from "./controls.js";
import { conversationView } from "./conversation.js";
import { devicesView } from "./devices.js";
import { createEngine } from "./engine.js";
import { headerView } from "./header.js";
import { eventView, panesView } from "./panes.js";
import { ratingView } from "./rating.js";
import { timelineView } from "./timeline.js";

/** Show an engine in an element; returns what takes it away again. */
function showConsole(engine, model, place) {
  const detach = engine.attach();
  const event = eventView();
  const header = headerView(engine);
  const conversation = conversationView(engine);
  const rating = ratingView(engine);
  const controls = controlsView(engine);
  const panes = panesView(engine);
  const timeline = timelineView(engine, event.open);
  const devices = devicesView(engine);
  const views = [header, conversation, rating, controls, panes, timeline, devices];
  const root = make("div", { class: "vl-console", tabindex: "-1", role: "group", "aria-label": "Voice console" },
    header.element,
    make("div", { class: "vl-main" },
      make("section", { class: "vl-conversation", "aria-label": "Conversation" }, conversation.element, rating.element, controls.element),
      panes.element),
    timeline.element, event.element, devices.element);

  controls.watch(root);
  // Keys pressed here are not the notebook's; and the first touch of the page is what lets it play sound.
  for (const type of ["keydown", "keyup", "keypress"]) root.addEventListener(type, (pressed) => pressed.stopPropagation());
  for (const type of ["pointerdown", "keydown"]) root.addEventListener(type, wake, true);
  function wake() {
    if (!engine.playback.busy) return;
    engine.playback.wake();
    engine.store.set({ silent: false });
  }

  const unsubscribe = engine.store.subscribe((names) => {
    if (names.has("session")) event.hide();
    for (const view of views) view.update(names);
  });
  place.append(root);
  for (const view of views) view.update(new Set([...Object.keys(engine.store.state), ...Object.keys(engine.store.local), "events"]));
  const uncover = coverStatic(model);
  root.voicelab = engine;

  let shown = true;
  return function remove() {
    if (!shown) return;
    shown = false;
    unsubscribe();
    uncover();
    for (const view of views) view.remove?.();
    root.remove();
    detach();
  };
}

// A saved notebook keeps a static copy of the conversation: it is hidden while the live one stands beside it.
function coverStatic(model) {
  const key = model.get("key");
  if (!key) return () => {};
  const style = make("style", {}, `.vl-static-${CSS.escape(key)} { display: none; }`);
  document.head.append(style);
  return () => style.remove();
}

export default () => {
  let engine = null;

  function start(model) {
    if (!engine) {
      engine = createEngine(model);
      engine.hello();
    }
    return engine;
  }

  return {
    initialize({ model }) {
      start(model);
      return () => {
        engine?.close();
        engine = null;
      };
    },
    render({ model, el }) {
      return showConsole(start(model), model, el);
    },
  };
};
