// @ts-check

/** Elements, times and long texts. Text goes in as text nodes only: markup in it stays visible as text. */

/** @import { Bytes } from "./types.d.ts" */

const SHOWN_CHARS = 1500;
/** @type {Record<string, string>} */
const STATUSES = { completed: "completed", hangup: "you hung up", transferred: "transferred", timeout: "stopped at the time limit", error: "failed" };

/** @typedef {string | number | boolean | null | undefined | ((event: any) => void)} Attribute */
/** @typedef {Node | string | null | undefined} Child */

/**
 * Make an element. Functions are listeners, of names that begin with `on`; null, undefined and false leave an attribute away.
 *
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, Attribute>} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child !== null && child !== undefined && child !== "") element.append(child);
  return element;
}

/** A glyph that means nothing to a screen reader: a name stands beside it. */
export function glyph(/** @type {string} */ sign) {
  return make("span", { class: "vl-glyph", "aria-hidden": "true" }, sign);
}

/**
 * Write an attribute only where it changes, so that a screen reader isn't told of it again.
 *
 * @param {Element} element
 * @param {string} name
 * @param {string | number | boolean} value
 */
export function setAttribute(element, name, value) {
  const text = String(value);
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** Write a text only where it changes. */
export function setText(/** @type {Element} */ element, /** @type {string} */ text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Switch a button on or off; it keeps the focus, which `disabled` would take away. */
export function allow(/** @type {Element} */ button, /** @type {boolean} */ allowed) {
  setAttribute(button, "aria-disabled", allowed ? "false" : "true");
}

/** Whether a button may be used now. */
export function allowed(/** @type {Element} */ button) {
  return button.getAttribute("aria-disabled") !== "true";
}

/**
 * A button whose listener runs only while it is allowed.
 *
 * @param {string} label
 * @param {(event: MouseEvent) => void} press
 * @param {Record<string, Attribute>} attributes
 * @param {string} sign A glyph before the label.
 */
export function button(label, press, attributes = {}, sign = "") {
  const element = make("button", { type: "button", ...attributes }, sign && glyph(sign), sign ? " " : "", label);
  element.addEventListener("click", (event) => {
    if (allowed(element)) press(event);
  });
  return element;
}

/** Seconds as 0:04.2. */
export function clockText(/** @type {number | null | undefined} */ seconds) {
  const tenths = Math.max(0, Math.round((seconds || 0) * 10));
  const rest = tenths % 600;
  return `${Math.floor(tenths / 600)}:${String(Math.floor(rest / 10)).padStart(2, "0")}.${rest % 10}`;
}

/** Milliseconds as 340 ms or 1.24 s. */
export function lengthText(/** @type {number} */ ms) {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}

/** How a session ended, in plain words. */
export function statusText(/** @type {string | null} */ status) {
  return STATUSES[status ?? ""] ?? status ?? "ended";
}

/** A value as a person reads it: text as it is, everything else as JSON. */
export function valueText(/** @type {unknown} */ value) {
  if (typeof value === "string") return value;
  if (typeof value === "number" && !Number.isInteger(value)) return String(Math.round(value * 1e4) / 1e4);
  return JSON.stringify(value) ?? "";
}

/** The beginning of a text, for places that have one line. */
export function shortText(/** @type {string} */ text, /** @type {number} */ chars) {
  return text.length > chars ? `${text.slice(0, chars - 1)}…` : text;
}

/**
 * A text that shows its beginning and a button for the rest, so that a huge one doesn't hold the page up.
 *
 * @param {string} text
 * @param {Record<string, Attribute>} attributes
 */
export function longText(text, attributes = {}) {
  const part = make("span", attributes);
  if (text.length <= SHOWN_CHARS) {
    part.textContent = text;
    return part;
  }
  const words = document.createTextNode(`${text.slice(0, SHOWN_CHARS)}… `);
  const size = text.length.toLocaleString("en-US");
  const toggle = button(`show all ${size} characters`, () => {
    const open = toggle.getAttribute("aria-expanded") === "true";
    words.data = open ? `${text.slice(0, SHOWN_CHARS)}… ` : `${text} `;
    setAttribute(toggle, "aria-expanded", !open);
    toggle.textContent = open ? `show all ${size} characters` : "show less";
  }, { class: "vl-link", "aria-expanded": "false" });
  part.append(words, toggle);
  return part;
}

/** Keep keys typed in a place from the notebook, whose `d d` would delete the cell. */
export function keepKeys(/** @type {Element} */ element) {
  for (const type of ["keydown", "keyup", "keypress"]) {
    element.addEventListener(type, (event) => event.stopPropagation());
  }
}

/**
 * Whether typing goes into an element, so that keys there are no commands.
 *
 * @param {EventTarget | null} element
 */
export function takesText(element) {
  return element instanceof Element && element.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
}

/** Let the edge of what scrolls fade where there is more, so that no line looks cut off; returns what ends that. */
export function fadeEdges(/** @type {HTMLElement} */ scroller) {
  const look = () => {
    const below = scroller.scrollHeight - scroller.clientHeight - scroller.scrollTop;
    scroller.classList.toggle("vl-above", scroller.scrollTop > 4);
    scroller.classList.toggle("vl-below", below > 4);
    scroller.classList.toggle("vl-beside", scroller.scrollWidth - scroller.clientWidth - scroller.scrollLeft > 4);
  };
  const sizes = new ResizeObserver(look);
  sizes.observe(scroller);
  const contents = new MutationObserver(look);
  contents.observe(scroller, { childList: true, subtree: true, characterData: true });
  scroller.addEventListener("scroll", look, { passive: true });
  return () => {
    sizes.disconnect();
    contents.disconnect();
  };
}

let lastId = 0;

/** An id that no other view on the page has. */
export function freshId(/** @type {string} */ stem) {
  lastId += 1;
  return `vl-${stem}-${lastId}-${Math.random().toString(36).slice(2, 7)}`;
}

/**
 * Save bytes on the user's disk.
 *
 * @param {string} name
 * @param {string} mime
 * @param {Uint8Array<ArrayBuffer>} bytes
 */
export function saveFile(name, mime, bytes) {
  const url = URL.createObjectURL(new Blob([bytes], { type: mime }));
  const link = make("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The bytes of a message's buffer, which arrives as a view into a larger one. */
export function bytesOf(/** @type {Bytes | undefined} */ buffer) {
  if (!buffer) return new Uint8Array(0);
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer);
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** PCM16 as floats; a last odd byte is left out. */
export function floatsOf(/** @type {Bytes | undefined} */ buffer) {
  const bytes = bytesOf(buffer);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const samples = new Float32Array(bytes.byteLength >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = view.getInt16(2 * i, true) / 32768;
  return samples;
}
