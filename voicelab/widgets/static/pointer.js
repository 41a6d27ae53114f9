// @ts-check

/** The pointer on the timeline: point at an item, click it, drag the time along, zoom and pan with the wheel. */

import { GUTTER, plotOf } from "./pen.js";

/** @import { Hit } from "./pen.js" */
/** @import { Item } from "./types.d.ts" */
/** @import { Viewport } from "./viewport.js" */

/**
 * @typedef {object} Pointed What the pointer works on.
 * @property {HTMLElement} stage
 * @property {HTMLCanvasElement} canvas
 * @property {Viewport} viewport
 * @property {() => Hit[]} hits what was drawn, and where
 * @property {(item: Item | null) => void} over called with what the pointer is over
 * @property {(item: Item) => void} click
 */

/** @param {Pointed} pointed */
export function watchPointer(pointed) {
  watchDrag(pointed);
  pointed.stage.addEventListener("wheel", (event) => turnWheel(pointed, event), { passive: false });
}

/** @param {Pointed} pointed */
function watchDrag(pointed) {
  const { stage, canvas, viewport } = pointed;
  /** @type {{ x: number, from_s: number, moved: boolean } | null} */
  let drag = null;

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, from_s: viewport.from_s, moved: false };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) {
      const item = hitAt(pointed, event);
      stage.style.cursor = item ? "pointer" : "";
      pointed.over(item);
      return;
    }
    const moved = event.clientX - drag.x;
    if (Math.abs(moved) > 4) drag.moved = true;
    const from_s = drag.from_s - (moved / plotOf(canvas.clientWidth)) * viewport.span_s;
    if (drag.moved) viewport.set({ from_s, follow: false });
  });
  stage.addEventListener("pointerup", (event) => {
    const item = drag && !drag.moved ? hitAt(pointed, event) : null;
    drag = null;
    if (item) pointed.click(item);
  });
  stage.addEventListener("pointercancel", () => { drag = null; });
}

/**
 * @param {Pointed} pointed
 * @param {PointerEvent} event
 */
function hitAt({ canvas, hits }, event) {
  const box = canvas.getBoundingClientRect();
  const px = event.clientX - box.left;
  const py = event.clientY - box.top;
  const inside = hits().filter(({ x0, x1, y0, y1 }) => px >= x0 && px <= x1 && py >= y0 && py <= y1);
  // The narrowest is what lies on top: a tick on a task's bar.
  return inside.sort((a, b) => a.x1 - a.x0 - (b.x1 - b.x0))[0]?.item ?? null;
}

/**
 * A plain wheel scrolls the notebook, until one has clicked into the timeline.
 *
 * @param {Pointed} pointed
 * @param {WheelEvent} event
 */
function turnWheel({ stage, canvas, viewport }, event) {
  const plot = plotOf(canvas.clientWidth);
  const zooms = event.ctrlKey || event.metaKey || event.altKey || document.activeElement === stage;
  const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
  if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
    event.preventDefault();
    viewport.pan(sideways / plot);
  } else if (zooms) {
    event.preventDefault();
    const at = (event.clientX - canvas.getBoundingClientRect().left - GUTTER) / plot;
    viewport.zoom(Math.exp(event.deltaY * 0.0022), Math.min(1, Math.max(0, at)));
  }
}
