/** After a blind session: the question for the outcome, whose variant stays hidden until it is answered. */

import { button, freshId, make } from "./dom.js";

/** Make the form of one view: `{element, update(names)}`; it is there only while something is asked. */
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
    element.replaceChildren(...(ask ? [form(ask)] : []));
    if (ask) element.querySelector("input, textarea")?.focus({ preventScroll: true });
  }

  function form({ test, outcome, type }) {
    const id = freshId("rate");
    const problem = make("p", { class: "vl-problem", role: "alert" });
    const note = make("input", { type: "text", id: `${id}-note`, autocomplete: "off" });
    const { field, read } = FIELDS[type]?.(id, outcome) ?? FIELDS.text(id, outcome);
    const save = () => {
      const value = read();
      if (value === null) problem.textContent = type === "number" ? "Enter a number first." : "Answer first, or skip.";
      else engine.ask("rate", { value, note: note.value.trim() });
    };
    const element = make("form", {},
      make("p", { class: "vl-asked" }, make("b", {}, "How did it go?"), ` You were in the test “${test}”; which variant you heard is shown when you have answered.`),
      field,
      make("div", { class: "vl-row" }, make("label", { for: `${id}-note` }, "Note"), note, make("button", { type: "submit", class: "vl-primary" }, "Save rating"), button("Skip", () => engine.ask("rate", { value: null, note: "" }))),
      problem);
    element.addEventListener("submit", (event) => {
      event.preventDefault();
      save();
    });
    return element;
  }

  return { element, update: (names) => names.has("ask") && draw() };
}

const FIELDS = {
  boolean(id, outcome) {
    const choice = (label, value) => make("label", { class: "vl-choice" }, make("input", { type: "radio", name: id, value }), ` ${label}`);
    const field = make("fieldset", {}, make("legend", {}, outcome), choice("Yes", "yes"), choice("No", "no"));
    const read = () => {
      const chosen = field.querySelector("input:checked");
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
