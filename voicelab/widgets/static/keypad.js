// @ts-check

/** A telephone's keypad. Its keys interrupt the agent, as on a telephone. */

import { allow, button, keepKeys, make } from "./dom.js";

/** @import { Engine } from "./engine.js" */
/** @import { View } from "./types.d.ts" */

/** @type {[string, string][]} */
const KEYS = [
  ["1", ""], ["2", "ABC"], ["3", "DEF"], ["4", "GHI"], ["5", "JKL"], ["6", "MNO"],
  ["7", "PQRS"], ["8", "TUV"], ["9", "WXYZ"], ["*", ""], ["0", "+"], ["#", ""],
];

/**
 * Make the keypad of one view.
 *
 * @param {Engine} engine
 * @returns {View}
 */
export function keypadView(engine) {
  const { store } = engine;
  const keys = KEYS.map(([digit, letters]) => {
    const key = button(digit, () => engine.key(digit));
    key.append(make("span", { class: "vl-letters", "aria-hidden": "true" }, letters));
    return key;
  });
  const element = make("div", { class: "vl-keypad", role: "group", "aria-label": "Keypad", title: "Keys interrupt the agent, as on a telephone" }, ...keys);
  element.addEventListener("keydown", ({ key, ctrlKey, metaKey, altKey }) => {
    const at = KEYS.findIndex(([digit]) => digit === key);
    if (at >= 0 && !ctrlKey && !metaKey && !altKey) keys[at].click();
  });
  keepKeys(element);
  return {
    element,
    update(names) {
      if (!names.has("phase") && !names.has("lost")) return;
      for (const key of keys) allow(key, store.state.phase === "live" && !store.local.lost);
    },
  };
}
