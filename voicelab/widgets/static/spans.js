// @ts-check

/** The spans that the kernel sends with its events, in order of time: the page derives nothing, it only draws them. */

/** @import { Event } from "./protocol.d.ts" */
/** @import { Lane, Timeline } from "./types.d.ts" */

/** @type {Lane[]} */
export const LANES = ["caller", "agent", "tasks", "gate", "log"];
/** @type {Record<Lane, string>} */
export const LANE_NAMES = { caller: "Caller", agent: "Agent", tasks: "Tasks", gate: "Gate", log: "Log" };
/** @type {Record<Lane, string>} */
export const LANE_HELP = {
  caller: "Caller: what the caller says, presses and sends",
  agent: "Agent: its speech, as wide as it was played; red where the caller cut it off",
  tasks: "Tasks: what the handler does in the background",
  gate: "Gate: while it is closed the caller's words don't reach the agent and wait",
  log: "Log: log messages, prints, metrics and what the session notes by itself",
};
export const TURN_HELP = "T0, T1, …: turns. One begins with each input that reaches the agent; T0 is the opening";

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
