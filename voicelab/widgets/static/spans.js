// @ts-check

/** The spans that the kernel sends with its events, in order of time: the page derives nothing, it only draws them. */

/** @import { Event } from "./protocol.d.ts" */
/** @import { Lane, Timeline } from "./types.d.ts" */

/** @type {Lane[]} */
export const LANES = ["caller", "agent", "tasks", "gate", "log"];
/** @type {Record<Lane, string>} */
export const LANE_NAMES = { caller: "Caller", agent: "Agent", tasks: "Tasks", gate: "Gate", log: "Log" };

/**
 * Lay the spans of all events out for drawing.
 *
 * @param {Iterable<Event>} events
 * @returns {Timeline}
 */
export function timelineOf(events) {
  /** @type {Timeline} */
  const timeline = { items: [], turns: [], end_s: 0, taskRows: 1 };
  for (const event of events) {
    for (const span of event.spans) {
      timeline.end_s = Math.max(timeline.end_s, span.end_s ?? span.start_s);
      if (span.lane === "turns") timeline.turns.push(span);
      else timeline.items.push({ ...span, lane: span.lane, event });
      if (span.lane === "tasks") timeline.taskRows = Math.max(timeline.taskRows, span.row + 1);
    }
  }
  timeline.items.sort((a, b) => a.start_s - b.start_s || a.event.seq - b.event.seq);
  timeline.turns.sort((a, b) => a.start_s - b.start_s);
  return timeline;
}
