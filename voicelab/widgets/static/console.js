// @ts-check

/** The console: one engine for a widget, and any number of views of it. */

import { keepKeys, make } from "./dom.js";
import { controlsView } from "./controls.js";
import { conversationView } from "./conversation.js";
import { devicesView } from "./devices.js";
import { Engine } from "./engine.js";
import { headerView } from "./header.js";
import { eventView, panesView } from "./panes.js";
import { ratingView } from "./rating.js";
import { timelineView } from "./timeline.js";

/** @import { ConsoleToKernel, ConsoleToPage } from "./protocol.d.ts" */
/** @import { Model, View, Widget } from "./types.d.ts" */

/** @typedef {Model<ConsoleToKernel, ConsoleToPage>} ConsoleModel */

/** Show an engine in an element; returns what takes it away again. */
function showConsole(/** @type {Engine} */ engine, /** @type {ConsoleModel} */ model, /** @type {HTMLElement} */ place) {
  const detach = engine.attach();
  const event = eventView();
  const header = headerView(engine);
  const conversation = conversationView(engine);
  const rating = ratingView(engine);
  const controls = controlsView(engine);
  const panes = panesView(engine);
  const timeline = timelineView(engine, event.open);
  const devices = devicesView(engine);
  /** @type {View[]} */
  const views = [header, conversation, rating, controls, panes, timeline, devices];
  const root = make("div", { class: "vl-console", tabindex: "-1", role: "group", "aria-label": "Voice console" },
    header.element,
    make("div", { class: "vl-main" },
      make("section", { class: "vl-conversation", "aria-label": "Conversation" }, conversation.element, rating.element, controls.element),
      panes.element),
    timeline.element, event.element, devices.element);

  controls.watch(root);
  keepKeys(root); // keys pressed here are not the notebook's
  wakeOnTouch(root, engine);
  const unsubscribe = engine.store.subscribe((names) => {
    if (names.has("session")) event.hide();
    for (const view of views) view.update(names);
  });
  place.append(root);
  for (const view of views) view.update(new Set(engine.store.names));
  const uncover = coverStatic(model);
  Object.assign(root, { voicelab: engine }); // for whoever looks into the page, as the tests do

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

// The first touch of a page is what lets it play sound.
function wakeOnTouch(/** @type {HTMLElement} */ root, /** @type {Engine} */ engine) {
  const wake = () => {
    if (!engine.playback.busy) return;
    engine.playback.wake();
    engine.store.set({ silent: false });
  };
  for (const type of ["pointerdown", "keydown"]) root.addEventListener(type, wake, true);
}

// A saved notebook keeps a static copy of the conversation: it is hidden while the live one stands beside it.
function coverStatic(/** @type {ConsoleModel} */ model) {
  const key = model.get("key");
  if (typeof key !== "string" || !key) return () => {};
  const style = make("style", {}, `.vl-static-${CSS.escape(key)} { display: none; }`);
  document.head.append(style);
  return () => style.remove();
}

export default () => {
  /** @type {Engine | null} */
  let engine = null;

  function start(/** @type {ConsoleModel} */ model) {
    if (!engine) {
      engine = new Engine(model);
      engine.hello();
    }
    return engine;
  }

  /** @type {Widget<ConsoleModel>} */
  const widget = {
    initialize({ model }) {
      start(model);
      return () => {
        engine?.close();
        engine = null;
      };
    },
    render: ({ model, el }) => showConsole(start(model), model, el),
  };
  return widget;
};
