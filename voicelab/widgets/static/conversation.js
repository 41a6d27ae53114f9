/** The conversation: a bubble for what was said, struck where it was not heard, and rows for tasks, errors and notes. */

import { button, clockText, glyph, longText, make, setText } from "./dom.js";

// So many lines stand in the page at once; earlier ones are a click away.
const SHOWN_LINES = 200;
const SIGNS = { task: "↻", error: "✗", note: "·" };

/** Make the conversation of one view: `{element, update(names)}`. */
export function conversationView(engine) {
  const { store } = engine;
  const shown = new Map(); // Key of a line -> its element and what it shows.
  let earlier = 0;

  const more = button("Show earlier lines", () => {
    earlier += SHOWN_LINES;
    draw(false);
  }, { class: "vl-more", hidden: true });
  const log = make("div", { class: "vl-log", role: "log", "aria-live": "polite", "aria-relevant": "additions", "aria-label": "What is said" });
  const partial = make("div", { class: "vl-line vl-caller vl-partial", hidden: true });
  const empty = make("div", { class: "vl-empty" });
  const scroller = make("div", { class: "vl-scroller", tabindex: "0", role: "group", "aria-label": "Conversation so far" }, more, log, partial, empty);
  const element = make("div", { class: "vl-talk" }, scroller);

  function draw(stick = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < 80) {
    const lines = linesOf(store.events.values());
    const first = Math.max(0, lines.length - SHOWN_LINES - earlier);
    const visible = lines.slice(first);
    more.hidden = first === 0;
    const keys = new Set(visible.map((line) => line.key));
    for (const [key, { node }] of shown) {
      if (keys.has(key)) continue;
      node.remove();
      shown.delete(key);
    }
    let before = null;
    for (let i = visible.length - 1; i >= 0; i--) {
      const node = nodeOf(visible[i]);
      if (node.nextSibling !== before || node.parentNode !== log) log.insertBefore(node, before);
      before = node;
    }
    drawEnd(lines.length);
    if (stick) scroller.scrollTop = scroller.scrollHeight;
  }

  // A line that was amended is drawn anew in its place; all others keep their elements.
  function nodeOf(line) {
    const known = shown.get(line.key);
    const looks = JSON.stringify([line.text, line.lost, line.label, line.time_s, line.played_s]);
    if (known?.looks === looks) return known.node;
    const node = drawLine(line);
    if (known) known.node.replaceWith(node);
    shown.set(line.key, { node, looks });
    return node;
  }

  function drawEnd(count) {
    const { phase, agent, status, duration_s } = store.state;
    empty.hidden = phase === "live" && count > 0;
    if (phase === "ended") {
      empty.hidden = !status;
      empty.className = "vl-end";
      setText(empty, `${status ?? "ended"} after ${clockText(duration_s)}`);
    } else {
      empty.className = "vl-empty";
      empty.replaceChildren(...(phase === "live" ? ["Waiting for the agent's first words …"] : [
        make("b", {}, `Talk to ${agent ?? "the agent"}`),
        "Press Connect, or just type. Speak with the button held down, or hands-free: headphones keep the agent from hearing itself.",
      ]));
    }
  }

  function drawPartial() {
    const { partial: text } = store.local;
    partial.hidden = !text;
    if (!text) return;
    partial.replaceChildren(make("div", { class: "vl-words" }, text), make("div", { class: "vl-meta" }, "caller · listening"));
    scroller.scrollTop = scroller.scrollHeight;
  }

  function markPlaying() {
    const { speaking } = store.local;
    for (const node of log.querySelectorAll(".vl-playing")) node.classList.remove("vl-playing");
    if (speaking !== null) log.querySelector(`[data-seq="${Number(speaking)}"].vl-agent`)?.classList.add("vl-playing");
  }

  draw();
  return {
    element,
    update(names) {
      if (names.has("session")) earlier = 0;
      if (["events", "phase", "agent", "status", "session"].some((name) => names.has(name))) draw();
      if (names.has("partial")) drawPartial();
      if (names.has("speaking") || names.has("events")) markPlaying();
    },
  };
}

function linesOf(events) {
  const lines = [];
  for (const event of events) {
    (event.lines ?? []).forEach((line, i) => lines.push({
      ...line, key: `${event.seq}.${i}`, seq: event.seq, played_s: event.data?.interrupted ? event.data.played_s : undefined,
      source: event.data?.source, voice: event.data?.voice,
    }));
  }
  return lines.sort((a, b) => a.time_s - b.time_s || a.seq - b.seq);
}

function drawLine(line) {
  const who = ["agent", "caller", "task", "error"].includes(line.who) ? line.who : "note";
  const words = make("div", { class: "vl-words" });
  if (SIGNS[who]) words.append(glyph(SIGNS[who]), " ");
  if (who === "task" && line.label) words.append(make("b", { class: "vl-task-name" }, line.label), " ");
  if (who === "error") words.append(make("b", {}, line.label ? `Error in ${line.label}: ` : "Error: "));
  if (line.text) words.append(longText(line.text));
  if (line.lost) {
    words.append(line.text ? " " : "", make("span", { class: "vl-hidden" }, "(not heard: "));
    words.append(longText(line.lost, { class: "vl-lost", title: "not heard" }), make("span", { class: "vl-hidden" }, ")"));
  }
  return make("div", { class: `vl-line vl-${who}`, "data-seq": line.seq }, words, make("div", { class: "vl-meta" }, metaOf(line, who)));
}

function metaOf(line, who) {
  if (who === "task" || who === "error" || who === "note") return clockText(line.time_s);
  const cut = line.played_s !== undefined && line.lost;
  const label = cut ? (line.played_s ? `interrupted after ${line.played_s.toFixed(1)} s` : "never heard") : line.label;
  const how = who === "caller" ? { speech: "spoken", text: "typed" }[line.source] ?? "" : line.voice;
  const says = label === "interrupts" ? "interrupts the agent" : label;
  return [who, how, clockText(line.time_s), says].filter(Boolean).join(" · ");
}
