// @ts-check

/** What the next session is given: parameters and input data as JSON, values of variables, which only go in. */

import { allow, button, freshId, keepKeys, make, setAttribute, setText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { View } from "./types.d.ts" */

const PAUSE_MS = 400;

/**
 * Make the form of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function nextSessionView(engine) {
  const parts = [
    jsonBoxOf(engine, "parameters", "Parameters", "What the handler reads with context.get_data(…)", '{"customerName": "Ada"}'),
    jsonBoxOf(engine, "input_data", "Input data", "What it reads as context.input_data", '{"orderId": 17}'),
    variablesOf(engine),
  ];
  const hint = make("p", { class: "vl-dim" }, "It counts from the next session on. Variants are forced under Overview.");
  const element = make("div", { class: "vl-sections" }, hint, ...parts.map((part) => part.element));
  keepKeys(element);
  return {
    element,
    update(names) {
      if (!anyOf(names, "next", "variables", "lost")) return;
      for (const part of parts) part.draw();
    },
  };
}

/**
 * A box for a JSON object. The kernel reads it, so that numbers stay exact, and says what is wrong with it.
 *
 * @param {Engine} engine
 * @param {"parameters" | "input_data"} name
 * @param {string} title
 * @param {string} help
 * @param {string} example
 */
function jsonBoxOf(engine, name, title, help, example) {
  const { store } = engine;
  const id = freshId(name);
  const box = make("textarea", { id, rows: "4", spellcheck: "false", placeholder: example, class: "vl-json", "aria-label": title, "aria-describedby": `${id}-problem` });
  const problem = make("p", { class: "vl-problem", id: `${id}-problem`, role: "alert" });
  let timer = 0;
  let sent = "";

  function send() {
    clearTimeout(timer);
    if (box.value === sent) return;
    sent = box.value;
    engine.ask({ k: "next", name, text: box.value });
  }
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(send, PAUSE_MS);
  });
  box.addEventListener("change", send);

  return {
    element: make("section", { class: "vl-pane", "aria-label": title }, make("label", { for: id, class: "vl-label" }, make("b", {}, title), " ", make("span", { class: "vl-dim" }, help)), box, problem),
    draw() {
      const trouble = store.state.next.problems[name] ?? "";
      setText(problem, trouble);
      setAttribute(box, "aria-invalid", Boolean(trouble));
      box.readOnly = store.local.lost;
      if (document.activeElement === box) return; // what is being written isn't written over
      box.value = sent = store.state.next[name];
    },
  };
}

function variablesOf(/** @type {Engine} */ engine) {
  const { store } = engine;
  const rows = make("ul", { class: "vl-variables", "aria-label": "Variables" });
  const problem = make("p", { class: "vl-problem", role: "alert" });
  const name = make("input", { type: "text", "aria-label": "Name of the variable", placeholder: "NAME", autocomplete: "off", spellcheck: "false" });
  const value = make("input", { type: "password", "aria-label": "Value of the variable", placeholder: "value", autocomplete: "new-password" });
  const set = make("button", { type: "submit" }, "Set");
  const form = make("form", { class: "vl-row" }, name, value, set);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!engine.ask({ k: "variable", name: name.value, value: value.value }) || !name.value.trim() || !value.value) return;
    name.value = value.value = "";
  });

  function draw() {
    const { variables, next } = store.state;
    rows.replaceChildren(...Object.entries(variables).map(([key, mask]) => rowOfVariable(key, mask)));
    rows.hidden = !rows.children.length;
    setText(problem, next.problems.variables ?? "");
    for (const each of [name, value]) each.readOnly = store.local.lost;
    allow(set, !store.local.lost);
  }

  function rowOfVariable(/** @type {string} */ key, /** @type {string} */ mask) {
    const changed = store.state.next.changed.includes(key);
    const change = button("Change", () => {
      name.value = key;
      value.focus();
    }, { class: "vl-link", "aria-label": `Change ${key}` });
    const back = changed ? button("Undo", () => engine.ask({ k: "variable", name: key, value: null }), { class: "vl-link", "aria-label": `Undo ${key}`, title: "Take back what was set here" }) : "";
    return make("li", {}, make("code", {}, key), make("span", {}, mask, changed ? make("span", { class: "vl-dim" }, " set here") : ""), make("span", {}, change, back));
  }

  return {
    element: make("section", { class: "vl-pane", "aria-label": "Variables" },
      make("p", { class: "vl-label" }, make("b", {}, "Variables"), " ", make("span", { class: "vl-dim" }, "What it reads with context.variables: secrets, which are never shown")), rows, form, problem),
    draw,
  };
}
