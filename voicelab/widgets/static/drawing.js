// @ts-check

/** Draws the timeline on a canvas, lane by lane: only what falls into the window. */

import { drawMark, drawTick, toldApart } from "./drawn_marks.js";
import { drawSpan } from "./drawn_spans.js";
import { CHAR_PX, GUTTER, TOP, penOf, plotOf } from "./pen.js";
import { LANES, LANE_NAMES } from "./spans.js";

/** @import { Colours, Pen, Scene } from "./pen.js" */
/** @import { Item } from "./types.d.ts" */

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];

/**
 * Draw, and return what can be clicked.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {Scene} scene
 * @param {Colours} colours
 */
export function drawTimeline(context, scene, colours) {
  const pen = penOf(context, scene, colours);
  const { layout } = pen;
  context.clearRect(0, 0, scene.width, layout.height);
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  drawLanes(pen);
  drawAxis(pen);
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, scene.width - GUTTER, layout.height);
  context.clip();
  drawOpenGate(pen);
  drawItems(pen);
  drawTurns(pen);
  drawNow(pen);
  context.restore();
  return pen.hits;
}

/** @param {Pen} pen */
function drawItems(pen) {
  const { scene } = pen;
  const to_s = scene.from_s + scene.span_s;
  const inWindow = scene.items.filter(({ start_s, end_s }) => start_s <= to_s && (end_s ?? scene.now_s) >= scene.from_s);
  const visible = toldApart(pen, inWindow);
  const spans = visible.filter(({ kind }) => kind === "span");
  const beside = roomsOf(pen, spans);
  for (const item of spans) drawSpan(pen, item, beside.get(item) ?? Infinity);
  const rooms = roomsOf(pen, visible);
  for (const item of visible) {
    if (item.kind === "tick") drawTick(pen, item);
    else if (item.kind === "mark") drawMark(pen, item, rooms.get(item) ?? 0);
  }
}

/**
 * The room for an item's label, in pixels: up to what comes next in the same row.
 *
 * @param {Pen} pen
 * @param {Item[]} items
 */
function roomsOf(pen, items) {
  /** @type {Record<string, number>} */
  const ahead = {};
  /** @type {Map<Item, number>} */
  const rooms = new Map();
  for (const item of [...items].reverse()) {
    const at = pen.x(item.start_s);
    rooms.set(item, (ahead[item.lane + item.row] ?? Infinity) - at);
    ahead[item.lane + item.row] = at;
  }
  return rooms;
}

/** @param {Pen} pen */
function drawLanes({ context, scene, colours, layout }) {
  for (const lane of LANES) {
    const { y, height } = layout.lanes[lane];
    context.fillStyle = colours.dim;
    context.fillText(LANE_NAMES[lane], 8, y + Math.min(height, 26) / 2);
    context.fillStyle = colours.line;
    context.fillRect(0, y + height - 0.5, scene.width, 1);
  }
}

/** @param {Pen} pen */
function drawAxis({ context, scene, colours, layout, x }) {
  const step = STEPS_S.find((size) => (size / scene.span_s) * plotOf(scene.width) >= 64) ?? 7200;
  context.textAlign = "center";
  for (let k = Math.max(0, Math.ceil(scene.from_s / step)); k * step <= scene.from_s + scene.span_s; k++) {
    const at = x(k * step);
    context.fillStyle = colours.line;
    context.fillRect(at - 0.5, TOP, 1, layout.bottom - TOP + 4);
    context.fillStyle = colours.dim;
    if (at > GUTTER + 8 && at < scene.width - 16) context.fillText(axisText(k * step, step), at, layout.bottom + 11);
  }
  context.textAlign = "left";
}

/**
 * @param {number} time_s
 * @param {number} step
 */
function axisText(time_s, step) {
  const minutes = Math.floor(time_s / 60 + 1e-9);
  const rest = Math.max(0, time_s - 60 * minutes);
  const digits = step < 1 ? 1 : 0;
  return `${minutes}:${rest.toFixed(digits).padStart(digits ? 4 : 2, "0")}`;
}

/** @param {Pen} pen */
function drawOpenGate({ context, scene, colours, layout, x }) {
  const { y, height } = layout.lanes.gate;
  const left = Math.max(GUTTER, x(0));
  const right = x(scene.now_s);
  if (right <= left) return;
  context.globalAlpha = 0.18;
  context.fillStyle = colours.gate;
  context.fillRect(left, y + 6, right - left, height - 12);
  context.globalAlpha = 1;
  context.fillStyle = colours.dim;
  if (right - left > 60) context.fillText("open", left + 5, y + height / 2);
}

/** @param {Pen} pen */
function drawTurns({ context, scene, colours, layout, x }) {
  context.strokeStyle = colours.dim;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  let edge = -Infinity;
  for (const { label, start_s } of scene.turns) {
    const at = x(start_s);
    if (at < GUTTER - 1 || at > scene.width || at - edge < 3) continue;
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(at, 4);
    context.lineTo(at, layout.bottom);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colours.dim;
    if (at - edge > 26) {
      context.fillText(label, at + 4, 9);
      edge = at;
    }
  }
  context.setLineDash([]);
}

/** @param {Pen} pen */
function drawNow({ context, scene, colours, layout, x }) {
  if (!scene.live && !scene.replay) return;
  const at = x(scene.now_s);
  context.fillStyle = scene.replay ? colours.focus : colours.cut;
  context.fillRect(at - 0.75, 4, 1.5, layout.bottom - 4);
  // The line says it too: where the name of a turn stands, no word is written over it.
  if (scene.turns.some(({ start_s }) => Math.abs(x(start_s) - at) < 34)) return;
  const word = scene.replay ? "replay" : "now";
  const left = at + 5 + word.length * CHAR_PX > scene.width;
  context.fillText(word, left ? at - 5 - word.length * CHAR_PX : at + 5, 9);
}
