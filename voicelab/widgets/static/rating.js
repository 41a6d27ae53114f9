// @ts-check

/** After a blind session: the question for the outcome, whose variant stays hidden until it is answered. */

import { button, freshId, make } from "./dom.js";

/** @import { Engine } from "./engine.js" */
/** @import { Question } from "./protocol.d.ts" */
/** @import { View } from "./types.d.ts" */

/**
 * Make the form of one view; it is there only while something is asked.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function ratingView(engine) {
  const { store } = engine;
  const element = make("section", { class: "vl-rating", "aria-label": "Rating", hidden: true });

  let shown = "null";

  // Drawn anew only for another question: a half-written answer stays when a second page comes.
  function draw() {
    const { ask } = store.state;
    if (JSON.stringify(ask) === shown) return;
    shown = JSON.stringify(ask);
    element.hidden = !ask;
    element.replaceChildren(...(ask ? [formOf(engine, ask)] : []));
    const first = /** @type {HTMLElement | null} */ (element.querySelector("input, textarea"));
    first?.focus({ preventScroll: true });
  }

  return {
    element,
    update(names) {
      if (names.has("ask")) draw();
    },
  };
}

function formOf(/** @type {Engine} */ engine, /** @type {Question} */ { test, outcome, type }) {
  const id = freshId("rate");
  const problem = make("p", { class: "vl-problem", role: "alert" });
  const note = make("input", { type: "text", id: `${id}-note`, autocomplete: "off" });
  const { field, read } = FIELDS[type](id, outcome);
  const save = () => {
    const value = read();
    if (value === null) problem.textContent = type === "number" ? "Enter a number first." : "Answer first, or skip.";
    else engine.ask({ k: "rate", value, note: note.value.trim() });
  };
  const element = make("form", {},
    make("p", { class: "vl-asked" }, make("b", {}, "How did it go?"), ` You were in the test “${test}”; which variant you heard is shown when you have answered.`),
    field,
    make("div", { class: "vl-row" }, make("label", { for: `${id}-note` }, "Note"), note, make("button", { type: "submit", class: "vl-primary" }, "Save rating"), button("Skip", () => engine.ask({ k: "rate", value: null, note: "" }))),
    problem);
  element.addEventListener("submit", (event) => {
    event.preventDefault();
    save();
  });
  return element;
}


/**
 * A field for each type of answer, and what reads it: null while there is none.
 *
 * @type {Record<Question["type"], (id: string, outcome: string) => { field: HTMLElement, read: () => unknown }>}
 */
const FIELDS = {
  boolean(id, outcome) {
    const choice = (/** @type {string} */ label, /** @type {string} */ value) => make("label", { class: "vl-choice" }, make("input", { type: "radio", name: id, value }), ` ${label}`);
    const field = make("fieldset", {}, make("legend", {}, outcome), choice("Yes", "yes"), choice("No", "no"));
    const read = () => {
      const chosen = /** @type {HTMLInputElement | null} */ (field.querySelector("input:checked"));
      return chosen ? chosen.value === "yes" : null;
    };
    return { field, read };
  },
  number(id, outcome) {
    const input = make("input", { type: "number", id, step: "any" });
    const read = () => (input.value.trim() === "" || Number.isNaN(input.valueAsNumber) ? null : input.valueAsNumber);
    return { field: make("div", { class: "vl-field" }, make("label", { for: id }, outcome), input), read };
  },
  text(id, outcome) {
    const input = make("textarea", { id, rows: "2" });
    const read = () => input.value.trim() || null;
    return { field: make("div", { class: "vl-field" }, make("label", { for: id }, outcome), input), read };
  },
};
