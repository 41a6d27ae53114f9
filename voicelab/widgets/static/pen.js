// @ts-check

/** What everything on the timeline's canvas is drawn with: where lanes and times stand, colours, the few shapes. */

import { LANES } from "./spans.js";

/** @import { Item, Lane, Timeline } from "./types.d.ts" */

export const GUTTER = 58;
export const TOP = 18;
export const CHAR_PX = 6.2;
const PAD = 8; // so that a mark at the beginning isn't cut in half
const AXIS = 20;
/** @type {Record<Lane, number>} */
const LANE_HEIGHT = { caller: 26, agent: 36, tasks: 24, gate: 22, log: 18 };
const COLOURS = /** @type {const} */ (["bg", "panel", "ink", "dim", "line", "caller", "agent", "task", "task-bg", "task-ink", "cut", "gate", "test", "key", "timeout", "focus"]);

/**
 * @typedef {Record<typeof COLOURS[number] | "font", string>} Colours
 *
 * @typedef {{ lanes: Record<Lane, { y: number, height: number }>, bottom: number, height: number }} Layout
 *
 * @typedef {object} Window What is seen of the session, and how.
 * @property {number} from_s
 * @property {number} span_s
 * @property {number} width in pixels
 * @property {number} now_s until where what goes on has grown
 * @property {boolean} live
 * @property {boolean} replay
 * @property {Item | null} active
 *
 * @typedef {Timeline & Window} Scene
 *
 * @typedef {{ x0: number, x1: number, y0: number, y1: number, item: Item }} Hit
 *
 * @typedef {object} Pen
 * @property {CanvasRenderingContext2D} context
 * @property {Scene} scene
 * @property {Colours} colours
 * @property {Layout} layout
 * @property {(time_s: number) => number} x
 * @property {Hit[]} hits what can be clicked
 */

/**
 * Make the pen for one picture.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Colours} colours
 * @returns {Pen}
 */
export function penOf(context, scene, colours) {
  const plot = plotOf(scene.width);
  const x = (/** @type {number} */ time_s) => GUTTER + PAD + ((time_s - scene.from_s) / scene.span_s) * plot;
  return { context, scene, colours, layout: layoutOf(scene.taskRows), x, hits: [] };
}

/**
 * How many pixels the window's seconds have.
 *
 * @param {number} width
 */
export function plotOf(width) {
  return Math.max(1, width - GUTTER - 2 * PAD);
}

/**
 * Where each lane stands, and how high the canvas is.
 *
 * @param {number} taskRows
 * @returns {Layout}
 */
export function layoutOf(taskRows) {
  const lanes = /** @type {Layout["lanes"]} */ ({});
  let y = TOP;
  for (const lane of LANES) {
    const height = LANE_HEIGHT[lane] * (lane === "tasks" ? taskRows : 1);
    lanes[lane] = { y, height };
    y += height;
  }
  return { lanes, bottom: y, height: y + AXIS };
}

/**
 * The theme's colours as the style sheet has them now.
 *
 * @param {Element} element
 */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const colours = /** @type {Colours} */ ({ font: style.fontFamily });
  for (const name of COLOURS) colours[name] = style.getPropertyValue(`--vl-${name}`).trim() || "gray";
  return colours;
}

/**
 * The row that an item stands in: its top and its height.
 *
 * @param {Pen} pen
 * @param {Item} item
 */
export function slotOf({ layout, scene }, { lane, row }) {
  const { y, height } = layout.lanes[lane];
  const slot = lane === "tasks" ? height / scene.taskRows : height;
  return { top: y + row * slot, slot };
}

/**
 * Draw the frame around the item that is looked at.
 *
 * @param {Pen} pen
 * @param {Item} item
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} tall
 */
export function outline({ context, scene, colours }, item, left, top, width, tall) {
  if (scene.active !== item) return;
  context.strokeStyle = colours.focus;
  context.lineWidth = 2;
  context.strokeRect(left - 2, top - 2, width + 4, tall + 4);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} left
 * @param {number} top
 * @param {number} width
 * @param {number} height
 */
export function roundedRect(context, left, top, width, height) {
  context.beginPath();
  context.roundRect(left, top, width, height, Math.min(4, width / 2));
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} at
 * @param {number} middle
 * @param {string} colour
 */
export function cross(context, at, middle, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2.4;
  context.beginPath();
  context.moveTo(at - 4, middle - 4);
  context.lineTo(at + 4, middle + 4);
  context.moveTo(at + 4, middle - 4);
  context.lineTo(at - 4, middle + 4);
  context.stroke();
}
