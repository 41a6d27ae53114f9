// @ts-check

/** A level meter on a scale of decibels: -60 dB is empty, 0 dB is full. */

import { make, setAttribute } from "./dom.js";

/** Make a meter of what `label` says. */
export function meterView(/** @type {string} */ label) {
  const bar = make("i");
  const element = make("span", {
    class: "vl-meter", role: "meter", "aria-label": label, "aria-valuemin": "0", "aria-valuemax": "100", "aria-valuenow": "0", "aria-valuetext": "off",
  }, bar);
  return {
    element,
    /** @type {(rms: number, on: boolean, speech: boolean) => void} */
    show(rms, on, speech) {
      const share = on && rms > 0 ? Math.round(Math.min(100, Math.max(0, 100 + (20 * Math.log10(rms) * 100) / 60))) : 0;
      bar.style.width = `${share}%`;
      setAttribute(element, "aria-valuenow", share);
      setAttribute(element, "aria-valuetext", !on ? "off" : speech ? `${share} of 100, speech` : `${share} of 100`);
      element.classList.toggle("vl-speech", on && speech);
    },
  };
}
