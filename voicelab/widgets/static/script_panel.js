// @ts-check

/** The session as text to be copied: a Python list of inputs, a file of messages, what was said. */

import { button, make, setAttribute, setText } from "./dom.js";

/** @import { Engine } from "./engine.js" */
/** @import { Script, View } from "./types.d.ts" */

/** @type {[form: keyof Script, name: string, help: string][]} */
const FORMS = [
  ["python", "Python list", "The inputs for vl.run(handler, […]) and vl.Script([…])."],
  ["messages", "Text script", "A JSON file of what was said, for vl.Script.load(…) and the VoiceRun CLI; keys and silences have no place in it."],
  ["transcript", "Transcript", "What was said, by whom, when."],
];

/**
 * Make the panel of one view; it is there once a script was asked for.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function scriptPanelView(engine) {
  const { store } = engine;
  /** @type {keyof Script} */
  let form = "python";
  const choices = FORMS.map(([its, name]) => button(name, () => choose(its), { "aria-pressed": "false" }));
  const help = make("p", { class: "vl-dim" });
  const text = make("pre", { tabindex: "0", "aria-label": "Script" });
  const told = make("span", { class: "vl-dim", role: "status" });
  const copy = button("Copy", copyText, { class: "vl-primary" });
  const close = button("Close", () => store.set({ script: null }));
  const element = make("section", { class: "vl-script", "aria-label": "Script of the session", hidden: true },
    make("div", { class: "vl-row" }, ...choices, make("span", { class: "vl-space" }), told, copy, close), help, text);
  element.addEventListener("keydown", (event) => event.key === "Escape" && store.set({ script: null }));

  function choose(/** @type {keyof Script} */ to) {
    form = to;
    draw();
  }

  async function copyText() {
    const { script } = store.local;
    if (!script) return;
    try {
      await navigator.clipboard.writeText(script[form]);
      setText(told, "Copied.");
    } catch {
      // Without https there is no clipboard for a page: the text is selected, and the keyboard copies it.
      getSelection()?.selectAllChildren(text);
      setText(told, "Selected: press Ctrl or ⌘ and C.");
    }
  }

  function draw() {
    const { script } = store.local;
    element.hidden = !script;
    if (!script) return;
    FORMS.forEach(([its, , its_help], i) => {
      setAttribute(choices[i], "aria-pressed", its === form);
      if (its === form) setText(help, its_help);
    });
    setText(text, script[form]);
    setText(told, "");
  }

  return {
    element,
    update(names) {
      if (!names.has("script")) return;
      const opens = element.hidden && store.local.script;
      draw();
      if (!opens) return;
      element.scrollIntoView({ block: "nearest" }); // the notebook may be scrolled past where it stands
      copy.focus({ preventScroll: true });
    },
  };
}
