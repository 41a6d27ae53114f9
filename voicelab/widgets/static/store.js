/** What is known of the session: the kernel's state and events, and what only this page knows. Views read it. */

// Older events of a very long session are dropped: the kernel's record has them all.
const MOST_EVENTS = 20_000;

/** Make the store that all views of one console share. */
export function createStore() {
  const listeners = new Set();
  let changed = new Set();
  let planned = false;

  const store = {
    state: { phase: "idle", session: 0, tests: [], settings: {}, uses: {}, ask: null, engines: { stt: [], tts: [] }, latency: [], notes: [] },
    local: {
      lost: false, partial: "", microphone: "off", level: 0, speech: false, talking: false, device: "",
      devices: [], trouble: "", speaking: null, silent: false, replay: null,
    },
    events: new Map(),
    clock: { now_s: 0, at: 0 },

    /** Call `listen(names)` after changes, once a frame, with the names of what changed. */
    subscribe(listen) {
      listeners.add(listen);
      return () => listeners.delete(listen);
    },

    /** Merge new values of the state; a new session number begins everything anew. */
    merge(state) {
      if ("session" in state && state.session !== store.state.session) store.forget();
      Object.assign(store.state, state);
      touch(...Object.keys(state));
    },

    /** Take events that are new or have been amended. */
    take(events, now_s) {
      for (const event of events) store.events.set(event.seq, event);
      if (store.events.size > MOST_EVENTS * 1.1) {
        const oldest = [...store.events.keys()].sort((a, b) => a - b).slice(0, store.events.size - MOST_EVENTS);
        for (const seq of oldest) store.events.delete(seq);
      }
      if (now_s !== undefined && now_s !== null) store.clock = { now_s, at: performance.now() };
      touch("events");
    },

    /** Forget the events of the session before. */
    forget() {
      store.events.clear();
      store.clock = { now_s: 0, at: performance.now() };
      Object.assign(store.local, { partial: "", replay: null });
      touch("events", "partial", "replay");
    },

    /** Set values that only this page knows. */
    set(values) {
      const names = Object.keys(values).filter((name) => store.local[name] !== values[name]);
      if (!names.length) return;
      Object.assign(store.local, values);
      touch(...names);
    },

    /** The session's time now: while it is live, time goes on between messages. */
    now() {
      const { now_s, at } = store.clock;
      if (store.local.replay) return store.local.replay.at_s();
      if (store.state.phase !== "live") return Math.max(store.state.duration_s ?? 0, now_s);
      const pace = store.state.uses.pace || 1;
      return store.local.lost ? now_s : now_s + (pace * (performance.now() - at)) / 1000;
    },
  };

  function touch(...names) {
    for (const name of names) changed.add(name);
    if (planned) return;
    planned = true;
    // A page in the background gets no frames; what it missed is shown with the first one.
    requestAnimationFrame(() => {
      planned = false;
      const news = changed;
      changed = new Set();
      for (const listen of [...listeners]) listen(news);
    });
  }

  return store;
}
