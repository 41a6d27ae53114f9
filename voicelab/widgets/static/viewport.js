// @ts-check

/** Which part of the session's time the timeline shows: zoom, pan, and keeping up with the present. */

const LEAST_SPAN_S = 0.25;
const FIRST_SPAN_S = 20;

/**
 * @typedef {object} SessionClock What is asked of the session.
 * @property {() => number} now_s
 * @property {() => number} end_s until when there is something to see
 * @property {() => boolean} live
 *
 * @typedef {ReturnType<typeof createViewport>} Viewport
 */

/**
 * Make the viewport of one timeline.
 *
 * @param {SessionClock} clock
 * @param {() => void} changed called when another part is to be seen
 */
export function createViewport(clock, changed) {
  const viewport = {
    from_s: 0,
    span_s: FIRST_SPAN_S,
    follow: true,

    /** Show the beginning of a new session. */
    begin() {
      Object.assign(viewport, { from_s: 0, span_s: FIRST_SPAN_S, follow: true });
    },

    /** @param {{ from_s?: number, span_s?: number, follow?: boolean }} values */
    set(values) {
      Object.assign(viewport, values);
      const end_s = clock.end_s();
      viewport.span_s = Math.min(Math.max(viewport.span_s, LEAST_SPAN_S), Math.max(FIRST_SPAN_S, end_s * 1.15));
      viewport.from_s = Math.min(Math.max(0, viewport.from_s), Math.max(0, end_s - 0.1 * viewport.span_s));
      changed();
    },

    /**
     * @param {number} factor above 1: more time is seen
     * @param {number} at what stays where it is, as a share of the window
     */
    zoom(factor, at = 0.5) {
      const span_s = viewport.span_s * factor;
      const from_s = viewport.from_s + at * (viewport.span_s - span_s);
      viewport.set(viewport.follow && clock.live() ? { span_s } : { span_s, from_s, follow: false });
    },

    /** @param {number} share of the window; below 0: earlier */
    pan(share) {
      viewport.set({ from_s: viewport.from_s + share * viewport.span_s, follow: false });
    },

    /** Show all of it. */
    fit() {
      viewport.set({ from_s: 0, span_s: Math.max(2, clock.end_s() * 1.07), follow: false });
    },

    /** @param {number} time_s shown if it isn't */
    reveal(time_s) {
      const at = time_s - viewport.from_s;
      if (at < 0 || at > viewport.span_s) viewport.set({ from_s: time_s - 0.4 * viewport.span_s, follow: false });
    },

    /** Keep the present at nine tenths of the window; before it is reached there, nothing moves. */
    keepUp() {
      if (viewport.follow) viewport.from_s = Math.max(0, clock.now_s() - 0.9 * viewport.span_s);
    },
  };
  return viewport;
}
