/** The spans that the kernel sends with its events, in order of time: the page derives nothing, it only draws them. */
// @ts-check

/**
 * @typedef {"caller" | "agent" | "tasks" | "gate" | "log"} Lane
 *
 * @typedef {object} Span As `voicelab/record/lanes.py` makes it; all times in seconds of the session.
 * @property {Lane | "turns"} lane
 * @property {"span" | "mark" | "tick" | "turn"} kind
 * @property {string} tone what it means, by which it is coloured
 * @property {number} start_s
 * @property {number | null} end_s null while it goes on
 * @property {string} label what stands in it or beside it
 * @property {string} detail what is read out
 * @property {number} row the row within its lane
 * @property {string} cut how much of it was not heard, or empty
 *
 * @typedef {{ seq: number, time_s: number, spans?: Span[] }} SpannedEvent
 *
 * @typedef {Omit<Span, "lane"> & { lane: Lane, event: SpannedEvent }} Item
 *
 * @typedef {object} Timeline
 * @property {Item[]} items in order of time
 * @property {{ start_s: number, label: string }[]} turns
 * @property {number} end_s
 * @property {number} taskRows
 */

/** @type {Lane[]} */
export const LANES = ["caller", "agent", "tasks", "gate", "log"];
/** @type {Record<Lane, string>} */
export const LANE_NAMES = { caller: "Caller", agent: "Agent", tasks: "Tasks", gate: "Gate", log: "Log" };

/**
 * Lay the spans of all events out for drawing.
 *
 * @param {Iterable<SpannedEvent>} events
 * @returns {Timeline}
 */
export function timelineOf(events) {
  /** @type {Timeline} */
  const timeline = { items: [], turns: [], end_s: 0, taskRows: 1 };
  for (const event of events) {
    for (const span of event.spans ?? []) {
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
