// @ts-check

/** Which item of the timeline is looked at: from one to the next in time, and from lane to lane. */

import { clockText, shortText } from "./dom.js";
import { LANES } from "./spans.js";

/** @import { Item } from "./types.d.ts" */
/** @typedef {ReturnType<typeof createSelection>} Selection */

/**
 * An item in words.
 *
 * @param {Item} item
 */
export function describe({ start_s, end_s, detail }) {
  const until = end_s !== null && end_s > start_s ? ` to ${clockText(end_s)}` : "";
  return `${clockText(start_s)}${until} · ${shortText(detail.replace(/\s+/g, " "), 140)}`;
}

/**
 * Make the selection of one timeline.
 *
 * @param {(item: Item, reveal: boolean) => void} chosen called with each item that is looked at
 */
export function createSelection(chosen) {
  /** @type {Item[]} */
  let items = [];

  const selection = {
    /** @type {Item | null} */
    active: null,

    /**
     * Take the items as they are now; the active one stays, if it is still there.
     *
     * @param {Item[]} now
     */
    update(now) {
      items = now;
      const { active } = selection;
      if (active) selection.active = items.find((item) => item.event.seq === active.event.seq && item.kind === active.kind && item.lane === active.lane) ?? null;
    },

    /**
     * @param {Item} item
     * @param {boolean} reveal whether to move the window there
     */
    choose(item, reveal = true) {
      selection.active = item;
      chosen(item, reveal);
    },

    /** @param {number} by how many items further; an infinite number: to the first or last */
    step(by) {
      if (!items.length) return;
      const at = selection.active ? items.indexOf(selection.active) : by > 0 ? -1 : items.length;
      selection.choose(items[Math.min(items.length - 1, Math.max(0, at + by))]);
    },

    /** @param {1 | -1} by down or up, to the nearest item in time */
    changeLane(by) {
      const { active } = selection;
      if (!active) return selection.step(1);
      for (let i = LANES.indexOf(active.lane) + by; i >= 0 && i < LANES.length; i += by) {
        const others = items.filter((item) => item.lane === LANES[i]);
        if (others.length) return selection.choose(nearest(others, active.start_s));
      }
    },
  };
  return selection;
}

/**
 * @param {Item[]} items
 * @param {number} time_s
 */
function nearest(items, time_s) {
  return items.reduce((best, item) => (Math.abs(item.start_s - time_s) < Math.abs(best.start_s - time_s) ? item : best));
}
