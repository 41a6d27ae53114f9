// @ts-check

/** Draws what takes time: speech and what is lost of it, tasks, the closed gate. */

import { shortText } from "./dom.js";
import { CHAR_PX, GUTTER, outline, roundedRect, slotOf } from "./pen.js";

/** @import { Colours, Pen } from "./pen.js" */
/** @import { Item } from "./types.d.ts" */

/** @typedef {{ left: number, top: number, width: number, tall: number }} Box */

/**
 * Draw a span; one that goes on reaches to the present.
 *
 * @param {Pen} pen
 * @param {Item} item
 * @param {number} room pixels from its beginning to that of the next one
 */
export function drawSpan(pen, item, room) {
  const { context, scene, colours } = pen;
  const box = boxOf(pen, item);
  const { left, top, width, tall } = box;
  pen.hits.push({ x0: left, x1: left + width, y0: top - 3, y1: top + tall + 3, item });
  const style = spanStyle(item, colours);
  context.fillStyle = style.fill;
  roundedRect(context, left, top, width, tall);
  context.fill();
  if (style.stroke) {
    context.strokeStyle = style.stroke;
    context.lineWidth = 1.6;
    context.stroke();
  }
  if (item.cut) drawCut(pen, item.cut, box);
  const shown = { from: Math.max(left, GUTTER), to: Math.min(left + width, scene.width), next: left + room };
  labelSpan(pen, item, style.ink, shown, top + tall / 2 + 0.5);
  outline(pen, item, left, top, width, tall);
}

/**
 * @param {Pen} pen
 * @param {Item} item
 * @returns {Box}
 */
function boxOf(pen, item) {
  const { top, slot } = slotOf(pen, item);
  const left = pen.x(item.start_s);
  const end_s = item.end_s ?? Math.max(pen.scene.now_s, item.start_s);
  return { left, top: top + 4, width: Math.max(2, pen.x(end_s) - left), tall: item.lane === "agent" ? 18 : slot - 8 };
}

/**
 * Write inside where there is room; what says why the gate is closed, and whose task it is, else stands beside.
 *
 * @param {Pen} pen
 * @param {Item} item
 * @param {string} ink
 * @param {{ from: number, to: number, next: number }} shown the part of it that is in the window, and where the next begins
 * @param {number} middle
 */
function labelSpan({ context, scene, colours }, item, ink, shown, middle) {
  const chars = Math.floor((shown.to - shown.from - (item.cut ? 26 : 12)) / CHAR_PX);
  const named = item.lane === "tasks" || item.lane === "gate";
  context.fillStyle = ink;
  if (named && chars < item.label.length) {
    const left = shown.next === Infinity && shown.to + 6 + item.label.length * CHAR_PX > scene.width;
    const fits = shown.next === Infinity ? item.label.length : Math.floor((shown.next - shown.to - 10) / CHAR_PX);
    context.fillStyle = item.lane === "tasks" ? colours["task-ink"] : colours.dim;
    context.textAlign = left ? "right" : "left";
    if (fits >= 4) context.fillText(shortText(item.label, fits), left ? shown.from - 6 : shown.to + 6, middle);
    context.textAlign = "left";
  } else if (chars >= 4) {
    context.fillText(shortText(item.label, chars), shown.from + 6, middle);
  }
}

/**
 * Red where the caller cut in: the last part of what was played, a bar across the lane, and how much was lost in words.
 *
 * @param {Pen} pen
 * @param {string} words
 * @param {Box} box
 */
function drawCut({ context, scene, colours }, words, { left, top, width, tall }) {
  const red = Math.min(width, 14);
  context.save();
  roundedRect(context, left, top, width, tall);
  context.clip();
  context.fillStyle = colours.cut;
  context.fillRect(left + width - red, top, red, tall);
  context.restore();
  context.fillStyle = colours.cut;
  context.fillRect(left + width - 1, top - 3, 2, tall + 15);
  // To the left of the bar, as far as there is room: at the beginning of the window to its right, so that no letter is lost.
  const wide = context.measureText(words).width;
  const right = left + width - 5 - wide < GUTTER && left + width + 5 + wide < scene.width;
  context.textAlign = right ? "left" : "right";
  context.fillText(words, right ? left + width + 5 : left + width - 5, top + tall + 7);
  context.textAlign = "left";
}

/**
 * @param {Item} item
 * @param {Colours} colours
 * @returns {{ fill: string, stroke: string | null, ink: string }}
 */
function spanStyle({ tone }, colours) {
  if (tone === "task") return { fill: colours["task-bg"], stroke: colours.task, ink: colours["task-ink"] };
  if (tone === "quiet") return { fill: colours.panel, stroke: colours.dim, ink: colours.dim };
  /** @type {Record<string, string>} */
  const fills = { caller: colours.caller, agent: colours.agent, audio: colours.test, closed: colours.gate };
  return { fill: fills[tone] ?? colours.dim, stroke: null, ink: colours.bg };
}
