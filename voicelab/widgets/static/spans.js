/** From events to what the timeline draws: spans and marks in lanes, all in seconds of the session. */

export const LANES = ["caller", "agent", "tasks", "gate", "log"];
export const LANE_NAMES = { caller: "Caller", agent: "Agent", tasks: "Tasks", gate: "Gate", log: "Log" };
const PLAYED = new Set(["text_to_speech", "audio", "silence"]);
const MOST_TASK_ROWS = 4;

/**
 * Return `{items, turns, end_s, taskRows}`.
 *
 * An item is `{lane, row, from, to, kind, tone, label, detail, event}`: `to` is null while it goes on; kind is `span` or
 * `mark`; `tone` names its colour; `detail` is what is read out. `events` are in order of their numbers.
 */
export function timelineOf(events, gateNow) {
  const items = [];
  const turns = new Map();
  const tasks = new Map();
  const spoken = callerSpeech(events);
  let end_s = 0;
  for (const event of events) {
    end_s = Math.max(end_s, event.time_s, event.end_s ?? 0);
    if (!event.background && !turns.has(event.turn)) turns.set(event.turn, event.time_s);
    if (event.task_name) addTask(tasks, event);
    else items.push(itemOf(event, spoken));
  }
  const taskRows = layTasks(tasks, items);
  items.push(...gateOf(events, end_s, gateNow));
  items.sort((a, b) => a.from - b.from || a.event.seq - b.event.seq);
  return { items, turns: [...turns].map(([turn, time_s]) => ({ turn, time_s })), end_s, taskRows };
}

function itemOf(event, spoken) {
  const { name, kind, data, time_s } = event;
  const point = { row: 0, from: time_s, to: time_s, kind: "mark", event };
  if (name === "error") return { ...point, lane: "agent", tone: "error", label: "error", detail: `error: ${data.message ?? ""}` };
  if (kind === "output" && PLAYED.has(name) && data.spoken !== false) return playedItem(event, point);
  if (kind === "input") return inputItem(event, point, spoken);
  if (kind === "output") return { ...point, lane: "agent", tone: toneOf(name), label: name.replaceAll("_", " "), detail: outputText(event) };
  if (name === "turn_interrupted") return { ...point, lane: "agent", tone: "cut", label: "", detail: "the caller interrupts the agent" };
  return { ...point, lane: "log", tone: kind === "metric" ? "metric" : kind === "log" ? "note" : "system", label: kind === "system" ? "" : logLabel(event), detail: `${name}: ${logLabel(event)}` };
}

function playedItem(event, point) {
  const { data, name, time_s } = event;
  const text = name === "text_to_speech" ? String(data.text ?? "") : name === "audio" ? `plays ${data.path ?? "audio"}` : "pause";
  const to = event.end_s ?? (data.interrupted ? time_s + (data.played_s ?? 0) : null);
  const item = { ...point, lane: "agent", to, kind: "span", tone: name === "silence" ? "quiet" : name === "audio" ? "audio" : "agent", label: text, detail: text };
  if (!data.interrupted) return item;
  const cut = cutText(event);
  return { ...item, cut, detail: `${text} (${cut})` };
}

/** How much of a row the caller didn't let it say. What the kernel doesn't know is estimated from the letters. */
function cutText({ data }) {
  const played_s = data.played_s ?? 0;
  if (data.duration_s > played_s) return `cut ${(data.duration_s - played_s).toFixed(1)} s`;
  const lost = String(data.text ?? "").length - String(data.heard ?? "").length;
  const lost_s = (0.06 * lost) / (data.speed || 1);
  return lost_s > 0.05 ? `cut ≈${lost_s.toFixed(1)} s` : "cut";
}

function inputItem(event, point, spoken) {
  const { name, data } = event;
  const item = { ...point, lane: "caller" };
  if (name === "text") {
    const text = String(data.said ?? data.text ?? "");
    const speech = spoken.get(event.seq);
    if (speech) return { ...item, ...speech, kind: "span", tone: "caller", label: text, detail: text };
    return { ...item, tone: "caller", label: text, detail: `${text} (typed)` };
  }
  if (name === "dtmf") return { ...item, tone: "key", label: `key ${data.digits}`, detail: `key ${data.digits}` };
  if (name === "timeout") return { ...item, tone: "timeout", label: `silence ${data.count ?? ""}`.trim(), detail: `silence, count ${data.count ?? ""}` };
  return { ...item, tone: name === "start" || name === "stop" ? "system" : "custom", label: name, detail: name };
}

// Where the caller's words were spoken: a recognition says how long the sound was, the turn's latency when it ended.
function callerSpeech(events) {
  const latency = new Map();
  for (const { name, turn, data } of events) if (name === "latency") latency.set(turn, data);
  const spoken = new Map();
  let heard = null;
  let cut_s = null;
  for (const event of events) {
    if (event.name === "recognition") heard = event;
    if (event.name === "turn_interrupted") cut_s = event.time_s;
    if (event.kind !== "input" || event.name !== "text") continue;
    const audio_s = heard?.data.audio_s;
    if (audio_s) {
      // The sound that was recognised ends with the silence that ended the turn: that is no speech.
      const parts = latency.get(event.turn);
      const known_s = event.time_s - (parts ? parts.recognition_ms / 1000 : heard.data.recognition_s ?? 0);
      const from = Math.max(0, known_s - audio_s);
      spoken.set(event.seq, { from, to: Math.max(from, known_s - (parts?.end_of_turn_ms ?? 0) / 1000) });
    } else if (event.data.source === "speech" && cut_s !== null && cut_s < event.time_s) {
      spoken.set(event.seq, { from: cut_s, to: event.time_s });
    }
    heard = null;
    cut_s = null;
  }
  return spoken;
}

function toneOf(name) {
  return name === "stop" || name.startsWith("transfer") ? "end" : "output";
}

function outputText({ name, data }) {
  return `${name.replaceAll("_", " ")} ${data.closing_speech ?? data.message ?? data.phone_number ?? ""}`.trim();
}

function logLabel({ name, data }) {
  return String(data?.message ?? data?.content ?? data?.metric ?? data?.name ?? name);
}

// --- tasks ---

// The same name may run again in a later turn: that is another task, with a span of its own.
function addTask(tasks, event) {
  const key = `${event.task_name}\u0000${event.turn}`;
  const task = tasks.get(key);
  const to = event.end_s ?? event.time_s;
  if (!task) return tasks.set(key, { name: event.task_name, from: event.time_s, to, events: [event] });
  task.to = Math.max(task.to, to);
  task.from = Math.min(task.from, event.time_s);
  task.events.push(event);
  return tasks;
}

function layTasks(tasks, items) {
  const free = [];
  for (const task of [...tasks.values()].sort((a, b) => a.from - b.from)) {
    let row = free.findIndex((busy_s) => busy_s < task.from);
    if (row < 0) row = Math.min(free.length, MOST_TASK_ROWS - 1);
    free[row] = Math.max(free[row] ?? 0, task.to);
    const [first] = task.events;
    const n = task.events.length;
    items.push({ lane: "tasks", row, from: task.from, to: task.to, kind: "span", tone: "task", label: task.name, detail: `task ${task.name}, ${n} event${n === 1 ? "" : "s"}`, event: first });
    for (const event of task.events) {
      const failed = event.name === "error";
      const text = String(event.data?.message ?? event.data?.text ?? event.name);
      items.push({ lane: "tasks", row, from: event.time_s, to: event.time_s, kind: "tick", tone: failed ? "error" : "task", label: failed ? "error" : "", detail: `${task.name}: ${text}`, event });
    }
  }
  return Math.max(1, Math.min(free.length, MOST_TASK_ROWS));
}

// --- the gate ---

// Closed while something plays that may not be interrupted, and from InputAllowedEvent(False) until it is taken back
// or the handler has finished.
function gateOf(events, end_s, gateNow) {
  const items = [];
  const closed = [];
  let shut = null;
  for (const event of events) {
    const { name, kind, data, time_s } = event;
    if (kind === "output" && PLAYED.has(name) && data.interruptible === false && data.spoken !== false) {
      closed.push({ from: time_s, to: event.end_s ?? null, reason: "the speech may not be interrupted", event });
    }
    const opens = (name === "input_allowed" && data.allowed) || name === "turn_end" || (kind === "input" && name !== "start");
    if (shut && opens) {
      closed.push({ ...shut, to: time_s });
      shut = null;
    }
    if (name === "input_allowed" && !data.allowed && !shut) shut = { from: time_s, reason: "the agent lets no input in", event };
    if (name === "input_gate") items.push({ lane: "gate", row: 0, from: time_s, to: time_s, kind: "tick", tone: "held", label: "", detail: `input waits: ${data.reason ?? ""}`, event });
  }
  if (shut) closed.push({ ...shut, to: gateNow?.open === false ? null : end_s });
  for (const { from, to, reason, event } of closed) {
    items.push({ lane: "gate", row: 0, from, to, kind: "span", tone: "closed", label: `closed: ${reason}`, detail: `gate closed: ${reason}`, event });
  }
  return items;
}
