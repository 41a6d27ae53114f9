// @ts-check

/** Draws moments: what comes in, errors, logs, and ticks on what takes time; one of many that share a pixel. */

import { shortText } from "./dom.js";
import { CHAR_PX, cross, outline, slotOf } from "./pen.js";

/** @import { Colours, Pen } from "./pen.js" */
/** @import { Item } from "./types.d.ts" */

/**
 * Draw a mark of a lane.
 *
 * @param {Pen} pen
 * @param {Item} item
 * @param {number} room pixels for its label
 */
export function drawMark(pen, item, room) {
  const { context, colours, layout } = pen;
  const { y, height } = layout.lanes[item.lane];
  const at = pen.x(item.start_s);
  const middle = y + (item.lane === "agent" ? 28 : height / 2);
  drawShape(pen, item, at, middle);
  pen.hits.push({ x0: at - 6, x1: at + 6, y0: y, y1: y + height, item });
  const chars = Math.floor((Math.min(room, 260) - 14) / CHAR_PX);
  if (item.label && chars >= Math.min(4, item.label.length)) {
    context.fillStyle = item.tone === "error" ? colours.cut : colours.dim;
    context.fillText(shortText(item.label, chars), at + 9, middle + 0.5);
  }
  outline(pen, item, at - 7, middle - 10, 14, 20);
}

/**
 * Draw a tick: an event of a task on its bar, words that wait at the gate.
 *
 * @param {Pen} pen
 * @param {Item} item
 */
export function drawTick(pen, item) {
  const { context, colours } = pen;
  const { top, slot } = slotOf(pen, item);
  const at = pen.x(item.start_s);
  if (item.tone === "error") cross(context, at, top + slot / 2, colours.cut);
  else if (item.tone === "task") {
    context.fillStyle = colours.task;
    context.fillRect(at - 1, top + 2, 2, 5); // on the bar's upper edge: its name stands below
  } else {
    context.fillStyle = colours.gate;
    context.fillRect(at - 1, top + 5, 2, slot - 10);
  }
  pen.hits.push({ x0: at - 4, x1: at + 4, y0: top, y1: top + slot, item });
  outline(pen, item, at - 5, top + 2, 10, slot - 4);
}

/**
 * Thousands of moments fall on one pixel when all of a long session is in view: leave one of them.
 *
 * @param {Pen} pen
 * @param {Item[]} items
 */
export function toldApart({ x }, items) {
  const taken = new Set();
  return items.filter(({ kind, lane, row, tone, start_s }) => {
    const pixel = `${lane}${row} ${Math.round(x(start_s) / 2)} ${tone === "error"}`;
    if (kind === "span") return true;
    if (taken.has(pixel)) return false;
    taken.add(pixel);
    return true;
  });
}

/**
 * @param {Pen} pen
 * @param {Item} item
 * @param {number} at
 * @param {number} middle
 */
function drawShape({ context, colours, layout }, item, at, middle) {
  const { y, height } = layout.lanes[item.lane];
  const size = item.lane === "log" ? 3 : item.lane === "agent" ? 4 : 5;
  context.fillStyle = markColour(item.tone, colours);
  context.beginPath();
  if (item.tone === "error") {
    cross(context, at, middle, colours.cut);
  } else if (item.tone === "caller") {
    context.roundRect(at - 2, middle - 8, 4, 16, 2);
    context.fill();
  } else if (item.tone === "cut") {
    context.fillRect(at - 1, y + 1, 2, height - 2);
  } else {
    context.moveTo(at, middle - size);
    context.lineTo(at + size, middle);
    context.lineTo(at, middle + size);
    context.lineTo(at - size, middle);
    context.fill();
  }
}

/**
 * @param {string} tone
 * @param {Colours} colours
 */
function markColour(tone, colours) {
  /** @type {Record<string, string>} */
  const named = {
    caller: colours.caller, key: colours.key, timeout: colours.timeout, cut: colours.cut, end: colours.test,
    output: colours.agent, metric: colours.gate, custom: colours.test,
  };
  return named[tone] ?? colours.dim;
}
