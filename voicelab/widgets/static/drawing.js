/** Draws the timeline on a canvas: only what falls into the window, and one of many marks that share a pixel. */

import { shortText } from "./dom.js";
import { LANES, LANE_NAMES } from "./spans.js";

export const GUTTER = 58;
const PAD = 8; // so that a mark at the beginning isn't cut in half
const TOP = 18;
const LANE_HEIGHT = { caller: 26, agent: 36, tasks: 24, gate: 22, log: 18 };
const AXIS = 20;
const CHAR_PX = 6.2;
const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600];
const COLOURS = ["bg", "panel", "ink", "dim", "line", "caller", "agent", "task", "task-bg", "task-ink", "cut", "gate", "test", "key", "timeout", "focus"];

/** How many pixels the window's seconds have. */
export function plotOf(width) {
  return Math.max(1, width - GUTTER - 2 * PAD);
}

/** Where each lane stands, and how high the canvas is. */
export function layoutOf(taskRows) {
  const lanes = {};
  let y = TOP;
  for (const lane of LANES) {
    const height = LANE_HEIGHT[lane] * (lane === "tasks" ? taskRows : 1);
    lanes[lane] = { y, height };
    y += height;
  }
  return { lanes, bottom: y, height: y + AXIS };
}

/** The theme's colours as the style sheet has them now. */
export function coloursOf(element) {
  const style = getComputedStyle(element);
  const colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--vl-${name}`).trim() || "gray"]));
  return { ...colours, font: style.fontFamily };
}

/**
 * Draw, and return what can be clicked: `{x0, x1, y0, y1, item}`.
 *
 * `scene` has `items, turns, taskRows` (of `timelineOf`), `from_s, span_s, width, now_s, live, gate, active, replay`.
 */
export function drawTimeline(context, scene, colours) {
  const layout = layoutOf(scene.taskRows);
  const plot = plotOf(scene.width);
  const x = (time_s) => GUTTER + PAD + ((time_s - scene.from_s) / scene.span_s) * plot;
  const pen = { context, scene, colours, layout, x, hits: [], mark: {} };
  context.clearRect(0, 0, scene.width, layout.height);
  context.font = `11px ${colours.font}`;
  context.textBaseline = "middle";
  drawGround(pen);
  context.save();
  context.beginPath();
  context.rect(GUTTER, 0, scene.width - GUTTER, layout.height);
  context.clip();
  drawOpenGate(pen);
  const to_s = scene.from_s + scene.span_s;
  const visible = scene.items.filter((item) => item.from <= to_s && (item.to ?? scene.now_s) >= scene.from_s);
  const spans = visible.filter((item) => item.kind === "span");
  const others = visible.filter((item) => item.kind !== "span");
  for (let i = 0; i < spans.length; i++) drawSpan(pen, spans[i]);
  const rooms = roomsOf(pen, visible);
  for (const item of others) item.kind === "tick" ? drawTick(pen, item) : drawMark(pen, item, rooms.get(item));
  drawTurns(pen);
  drawNow(pen);
  context.restore();
  return pen.hits;
}

// The room for an item's label, in pixels: up to what comes next in the same lane.
function roomsOf(pen, items) {
  const ahead = {};
  const rooms = new Map();
  for (let i = items.length - 1; i >= 0; i--) {
    const { lane, row, from } = items[i];
    const at = pen.x(from);
    rooms.set(items[i], (ahead[lane + row] ?? Infinity) - at);
    ahead[lane + row] = at;
  }
  return rooms;
}

function drawGround({ context, scene, colours, layout, x }) {
  for (const lane of LANES) {
    const { y, height } = layout.lanes[lane];
    context.fillStyle = colours.dim;
    context.fillText(LANE_NAMES[lane], 8, y + Math.min(height, 26) / 2);
    context.fillStyle = colours.line;
    context.fillRect(0, y + height - 0.5, scene.width, 1);
  }
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

function axisText(time_s, step) {
  const minutes = Math.floor(time_s / 60 + 1e-9);
  const rest = Math.max(0, time_s - 60 * minutes);
  const digits = step < 1 ? 1 : 0;
  return `${minutes}:${rest.toFixed(digits).padStart(digits ? 4 : 2, "0")}`;
}

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

function drawSpan(pen, item) {
  const { context, scene, colours, layout, x } = pen;
  const { y, height } = layout.lanes[item.lane];
  const left = x(item.from);
  const width = Math.max(2, x(item.to ?? Math.max(scene.now_s, item.from)) - left);
  const slot = item.lane === "tasks" ? height / scene.taskRows : height;
  const top = y + (item.lane === "tasks" ? item.row * slot : 0) + 4;
  const tall = item.lane === "agent" ? 18 : slot - 8;
  const shown = { from: Math.max(left, GUTTER), to: Math.min(left + width, scene.width) };
  pen.hits.push({ x0: left, x1: left + width, y0: top - 3, y1: top + tall + 3, item });
  const style = spanStyle(item, colours);
  context.fillStyle = style.fill;
  round(context, left, top, width, tall);
  context.fill();
  if (style.stroke) {
    context.strokeStyle = style.stroke;
    context.lineWidth = 1.6;
    context.stroke();
  }
  if (item.cut) drawCut(pen, item, left, width, top, tall);
  labelSpan(pen, item, style.ink, shown, top + tall / 2 + 0.5);
  outline(pen, item, left, top, width, tall);
}

// Inside where there is room; what says why the gate is closed, and whose task it is, also stands beside.
function labelSpan({ context, scene, colours }, item, ink, shown, middle) {
  const chars = Math.floor((shown.to - shown.from - (item.cut ? 26 : 12)) / CHAR_PX);
  const named = item.lane === "tasks" || item.tone === "closed";
  context.fillStyle = ink;
  if (named && chars < item.label.length) {
    context.fillStyle = item.lane === "tasks" ? colours["task-ink"] : colours.dim;
    const length = item.label.length * CHAR_PX;
    const left = shown.to + 6 + length > scene.width;
    context.textAlign = left ? "right" : "left";
    context.fillText(item.label, left ? shown.from - 6 : shown.to + 6, middle);
    context.textAlign = "left";
  } else if (chars >= 4) {
    context.fillText(shortText(item.label, chars), shown.from + 6, middle);
  }
}

// Red where the caller cut in: the last part of what was played, a bar across the lane, and how much was lost in words.
function drawCut({ context, colours }, item, left, width, top, tall) {
  const red = Math.min(width, 14);
  context.save();
  round(context, left, top, width, tall);
  context.clip();
  context.fillStyle = colours.cut;
  context.fillRect(left + width - red, top, red, tall);
  context.restore();
  context.fillStyle = colours.cut;
  context.fillRect(left + width - 1, top - 3, 2, tall + 15);
  context.textAlign = "right";
  context.fillText(item.cut, left + width - 5, top + tall + 7);
  context.textAlign = "left";
}

function spanStyle({ tone }, colours) {
  if (tone === "task") return { fill: colours["task-bg"], stroke: colours.task, ink: colours["task-ink"] };
  if (tone === "quiet") return { fill: colours.panel, stroke: colours.dim, ink: colours.dim };
  const fill = { caller: colours.caller, agent: colours.agent, audio: colours.test, closed: colours.gate }[tone] ?? colours.dim;
  return { fill, stroke: null, ink: colours.bg };
}

function drawMark(pen, item, room) {
  const { context, colours, layout, x } = pen;
  const { y, height } = layout.lanes[item.lane];
  const at = x(item.from);
  const middle = y + (item.lane === "agent" ? 28 : height / 2);
  // Thousands of marks fall on one pixel when all of a long session is in view: one of them is drawn.
  const pixel = `${item.lane} ${Math.round(at / 2)} ${item.tone === "error"}`;
  if (pen.mark[pixel]) return;
  pen.mark[pixel] = true;
  context.fillStyle = markColour(item.tone, colours);
  const size = item.lane === "log" ? 3 : item.lane === "agent" ? 4 : 5;
  context.beginPath();
  if (item.tone === "error") {
    cross(context, at, middle, colours.cut);
  } else if (item.tone === "caller") {
    round(context, at - 2, middle - 8, 4, 16);
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
  pen.hits.push({ x0: at - 6, x1: at + 6, y0: y, y1: y + height, item });
  const chars = Math.floor((Math.min(room, 260) - 14) / CHAR_PX);
  if (item.label && chars >= Math.min(4, item.label.length)) {
    context.fillStyle = item.tone === "error" ? colours.cut : colours.dim;
    context.fillText(shortText(item.label, chars), at + 9, middle + 0.5);
  }
  outline(pen, item, at - 7, middle - 10, 14, 20);
}

function drawTick(pen, item) {
  const { context, colours, layout, scene, x } = pen;
  const { y, height } = layout.lanes[item.lane];
  const slot = item.lane === "tasks" ? height / scene.taskRows : height;
  const top = y + item.row * slot;
  const at = x(item.from);
  const pixel = `${item.lane}${item.row} ${Math.round(at / 2)} ${item.tone === "error"}`;
  if (pen.mark[pixel]) return;
  pen.mark[pixel] = true;
  if (item.tone === "error") cross(context, at, top + slot / 2, colours.cut);
  else {
    context.fillStyle = item.tone === "task" ? colours.task : colours.gate;
    context.fillRect(at - 1, top + 5, 2, slot - 10);
  }
  pen.hits.push({ x0: at - 4, x1: at + 4, y0: top, y1: top + slot, item });
  outline(pen, item, at - 5, top + 2, 10, slot - 4);
}

function markColour(tone, colours) {
  const named = { caller: "caller", key: "key", timeout: "timeout", cut: "cut", end: "test", output: "agent", metric: "gate", custom: "test" }[tone];
  return colours[named ?? "dim"];
}

function drawTurns({ context, scene, colours, layout, x }) {
  context.strokeStyle = colours.dim;
  context.lineWidth = 1;
  context.setLineDash([3, 4]);
  let edge = -Infinity;
  for (const { turn, time_s } of scene.turns) {
    const at = x(time_s);
    if (at < GUTTER - 1 || at > scene.width || at - edge < 3) continue;
    context.globalAlpha = 0.5;
    context.beginPath();
    context.moveTo(at, 4);
    context.lineTo(at, layout.bottom);
    context.stroke();
    context.globalAlpha = 1;
    context.fillStyle = colours.dim;
    if (at - edge > 26) {
      context.fillText(`T${turn}`, at + 4, 9);
      edge = at;
    }
  }
  context.setLineDash([]);
}

function drawNow({ context, scene, colours, layout, x }) {
  if (!scene.live && !scene.replay) return;
  const at = x(scene.now_s);
  context.fillStyle = scene.replay ? colours.focus : colours.cut;
  context.fillRect(at - 0.75, 4, 1.5, layout.bottom - 4);
  const word = scene.replay ? "replay" : "now";
  const left = at + 5 + word.length * CHAR_PX > scene.width;
  context.fillText(word, left ? at - 5 - word.length * CHAR_PX : at + 5, 9);
}

function outline({ context, scene, colours }, item, left, top, width, tall) {
  if (scene.active !== item) return;
  context.strokeStyle = colours.focus;
  context.lineWidth = 2;
  context.strokeRect(left - 2, top - 2, width + 4, tall + 4);
}

function round(context, left, top, width, height) {
  context.beginPath();
  context.roundRect(left, top, width, height, Math.min(4, width / 2));
}

function cross(context, at, middle, colour) {
  context.strokeStyle = colour;
  context.lineWidth = 2.4;
  context.beginPath();
  context.moveTo(at - 4, middle - 4);
  context.lineTo(at + 4, middle + 4);
  context.moveTo(at + 4, middle - 4);
  context.lineTo(at - 4, middle + 4);
  context.stroke();
}
