// @ts-check

/** What is known of the session: the kernel's state and events, and what only this page knows. Views read it. */

/** @import { Event } from "./protocol.d.ts" */
/** @import { Changed, Key, Known, Local } from "./types.d.ts" */

// Older events of a very long session are dropped: the kernel's record has them all.
const MOST_EVENTS = 20_000;

/** Whether one of these has changed. */
export function anyOf(/** @type {Changed} */ names, /** @type {Key[]} */ ...wanted) {
  return wanted.some((name) => names.has(name));
}

/** What all views of one console share. */
export class Store {
  /** @type {Set<(names: Changed) => void>} */
  #listeners = new Set();
  /** @type {Set<Key>} */
  #changed = new Set();
  #planned = false;

  /** @type {Known} */
  state = {
    phase: "idle", session: 0, sessions: [], waiting: [], phrases: [],
    next: { parameters: "", input_data: "", changed: [], problems: {} }, agent: "", log: null, blind: false, tests: [], outcomes: {}, metrics: [], data: {}, output_data: {},
    parameters: {}, variables: {}, notes: [], engine: null, settings: {}, uses: {}, engines: { stt: [], tts: [] },
    gate: { open: true, reason: "" }, latency: [], status: null, duration_s: null, ask: null, message: null,
  };
  /** @type {Local} */
  local = {
    lost: false, partial: "", microphone: "off", level: 0, speech: false, talking: false, device: "",
    devices: [], trouble: "", speaking: null, silent: false, replay: null, draft: null, script: null,
  };
  /** @type {Map<number, Event>} */
  events = new Map();
  clock = { now_s: 0, at: 0 };

  /** Call `listen(names)` after changes, once a frame, with the names of what changed; returns what ends that. */
  subscribe(/** @type {(names: Changed) => void} */ listen) {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  /** The names of all there is to know: for a view that begins. */
  get names() {
    return /** @type {Key[]} */ ([...Object.keys(this.state), ...Object.keys(this.local), "events"]);
  }

  /** Merge new values of the state; a new session number begins everything anew. */
  merge(/** @type {Partial<Known>} */ state) {
    if ("session" in state && state.session !== this.state.session) this.forget();
    Object.assign(this.state, state);
    this.#touch(/** @type {Key[]} */ (Object.keys(state)));
  }

  /**
   * Take events that are new or have been amended.
   *
   * @param {Event[]} events
   * @param {number} [now_s] The session's time now.
   */
  take(events, now_s) {
    for (const event of events) this.events.set(event.seq, event);
    if (this.events.size > MOST_EVENTS * 1.1) {
      const oldest = [...this.events.keys()].sort((a, b) => a - b).slice(0, this.events.size - MOST_EVENTS);
      for (const seq of oldest) this.events.delete(seq);
    }
    if (now_s !== undefined && now_s !== null) this.clock = { now_s, at: performance.now() };
    this.#touch(["events"]);
  }

  /** Forget the events of the session before. */
  forget() {
    this.events.clear();
    this.clock = { now_s: 0, at: performance.now() };
    Object.assign(this.local, { partial: "", replay: null, script: null });
    this.#touch(["events", "partial", "replay", "script"]);
  }

  /** Set values that only this page knows. */
  set(/** @type {Partial<Local>} */ values) {
    const names = /** @type {(keyof Local)[]} */ (Object.keys(values)).filter((name) => this.local[name] !== values[name]);
    if (!names.length) return;
    Object.assign(this.local, values);
    this.#touch(names);
  }

  /** The session's time now: while it is live, time goes on between messages. */
  now() {
    const { now_s, at } = this.clock;
    if (this.local.replay) return this.local.replay.at_s();
    if (this.state.phase !== "live") return Math.max(this.state.duration_s ?? 0, now_s);
    const pace = this.state.uses.pace || 1;
    return this.local.lost ? now_s : now_s + (pace * (performance.now() - at)) / 1000;
  }

  #touch(/** @type {Key[]} */ names) {
    for (const name of names) this.#changed.add(name);
    if (this.#planned) return;
    this.#planned = true;
    // A page in the background gets no frames; what it missed is shown with the first one.
    requestAnimationFrame(() => {
      this.#planned = false;
      const news = this.#changed;
      this.#changed = new Set();
      for (const listen of [...this.#listeners]) listen(news);
    });
  }
}
