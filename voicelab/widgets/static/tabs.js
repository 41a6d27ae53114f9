// @ts-check

/** Tabs beside the conversation: one panel at a time, so that each has room for whole lines. */

import { fadeEdges, freshId, make, setAttribute, setText } from "./dom.js";

/** @import { Changed, View } from "./types.d.ts" */

/**
 * A tab: its name, what it shows, and a number beside its name.
 *
 * @typedef {{ name: string, view: View, count?: () => number | string, wide?: boolean }} Tab
 */

/**
 * Make tabs; the first one is shown.
 *
 * @param {string} label
 * @param {Tab[]} tabs `wide`: its view scrolls by itself.
 * @returns {View & { show(name: string): void }}
 */
export function tabsView(label, tabs) {
  const shown = tabs.map(partOf);
  const list = make("div", { class: "vl-tabs", role: "tablist", "aria-label": label }, ...shown.map(({ tab }) => tab));
  const element = make("aside", { class: "vl-side", "aria-label": label }, list, ...shown.map(({ panel }) => panel));
  const unfades = shown.filter((_, i) => !tabs[i].wide).map(({ panel }) => fadeEdges(panel));

  function show(/** @type {string} */ name, focus = false) {
    for (const { tab, panel, name: its } of shown) {
      const on = its === name;
      setAttribute(tab, "aria-selected", on);
      setAttribute(tab, "tabindex", on ? 0 : -1);
      panel.hidden = !on;
      if (on && focus) tab.focus();
    }
    tabs.find((each) => each.name === name)?.view.shown?.();
  }

  for (const { tab, name } of shown) tab.addEventListener("click", () => show(name));
  list.addEventListener("keydown", (event) => {
    const at = shown.findIndex(({ tab }) => tab.getAttribute("aria-selected") === "true");
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: shown.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(shown[(to + shown.length) % shown.length].name, true);
  });
  show(tabs[0].name);
  return {
    element, show,
    update(/** @type {Changed} */ names) {
      shown.forEach(({ count }, i) => {
        tabs[i].view.update(names);
        const text = tabs[i].count?.();
        count.hidden = !text;
        setText(count, String(text ?? ""));
      });
    },
    remove() {
      for (const unfade of unfades) unfade();
      for (const { view } of tabs) view.remove?.();
    },
  };
}

function partOf(/** @type {Tab} */ { name, view, wide }) {
  const id = freshId("tab");
  const count = make("span", { class: "vl-count", hidden: true });
  const tab = make("button", { type: "button", role: "tab", id, "aria-controls": `${id}-panel` }, name, count);
  const panel = make("div", { class: wide ? "vl-panel vl-wide" : "vl-panel", role: "tabpanel", id: `${id}-panel`, "aria-labelledby": id, tabindex: wide ? undefined : "0" }, view.element);
  return { name, tab, panel, count };
}
