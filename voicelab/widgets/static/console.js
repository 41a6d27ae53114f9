// @ts-check

/** The console: one engine for a widget, and any number of views of it. */

import { keepKeys, make } from "./dom.js";
import { controlsView } from "./controls.js";
import { conversationView } from "./conversation.js";
import { devicesView } from "./devices.js";
import { Engine } from "./engine.js";
import { headerView } from "./header.js";
import { eventListView } from "./event_list.js";
import { nextSessionView } from "./next_session.js";
import { notesView, overviewView, stateView } from "./panes.js";
import { ratingView } from "./rating.js";
import { scriptPanelView } from "./script_panel.js";
import { sessionListView } from "./session_list.js";
import { tabsView } from "./tabs.js";
import { timelineView } from "./timeline.js";

/** @import { ConsoleToKernel, ConsoleToPage } from "./protocol.d.ts" */
/** @import { Model, View, Widget } from "./types.d.ts" */

/** @typedef {Model<ConsoleToKernel, ConsoleToPage>} ConsoleModel */

/** Show an engine in an element; returns what takes it away again. */
function showConsole(/** @type {Engine} */ engine, /** @type {ConsoleModel} */ model, /** @type {HTMLElement} */ place) {
  const detach = engine.attach();
  const header = headerView(engine);
  const conversation = conversationView(engine);
  const rating = ratingView(engine);
  const controls = controlsView(engine);
  const events = eventListView(engine);
  const tabs = tabsOf(engine, events);
  const script = scriptPanelView(engine);
  const timeline = timelineView(engine, (event, back) => {
    tabs.show("Events");
    events.open(event, back);
  });
  const devices = devicesView(engine);
  /** @type {View[]} */
  const views = [header, conversation, rating, controls, tabs, script, timeline, devices];
  const root = make("div", { class: "vl-console", tabindex: "-1", role: "group", "aria-label": "Voice console" },
    header.element,
    make("div", { class: "vl-main" },
      make("section", { class: "vl-conversation", "aria-label": "Conversation" }, conversation.element, rating.element, controls.element),
      tabs.element, script.element),
    timeline.element, devices.element);

  controls.watch(root);
  keepKeys(root); // keys pressed here are not the notebook's
  wakeOnTouch(root, engine);
  const unsubscribe = engine.store.subscribe((names) => {
    if (names.has("lost")) root.classList.toggle("vl-is-lost", engine.store.local.lost);
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

// What stands beside the conversation.
function tabsOf(/** @type {Engine} */ engine, /** @type {View} */ events) {
  const { store } = engine;
  return tabsView("About the session", [
    { name: "Overview", view: overviewView(engine) },
    { name: "State", view: stateView(engine) },
    { name: "Events", view: events, count: () => store.events.size, wide: true },
    { name: "Sessions", view: sessionListView(engine), count: () => store.state.sessions.length },
    { name: "Next session", view: nextSessionView(engine), count: () => (Object.keys(store.state.next.problems).length ? "!" : "") },
    { name: "Notes", view: notesView(engine), count: () => store.state.notes.length },
  ]);
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
