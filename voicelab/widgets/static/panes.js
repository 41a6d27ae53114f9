// @ts-check

/** What a session is known by: answer time, tests, outcomes and metrics; the handler's state; portability notes. */

import { lengthText, longText, make, setText, valueText } from "./dom.js";
import { anyOf } from "./store.js";

/** @import { Engine } from "./engine.js" */
/** @import { Latency, Metric, Test } from "./protocol.d.ts" */
/** @import { Key, View } from "./types.d.ts" */

const SHOWN_TURNS = 5;
const PART_TONES = ["caller", "key", "gate", "agent", "test"];
/** @type {Record<string, string>} */
const PART_HELP = {
  "end of turn": "from the caller's last sound until the turn counts as over: a silence, or the button released; 0 for what is typed",
  recognition: "until the words are recognised",
  handler: "until your handler yields its first speech",
  synthesis: "until the first sound of it is made",
  playback: "until this page plays it",
};

/**
 * What a pane shows now: its nodes are made anew when `key` differs.
 *
 * @typedef {{ key: string, nodes: () => (Node | string)[] }} Content
 */

/** How the session goes: answer time, tests, outcomes and metrics. */
export function overviewView(/** @type {Engine} */ engine) {
  return together([
    pane(engine, "Answer time", ["latency"], latencyOf), pane(engine, "Tests", ["tests", "phase", "blind", "lost"], testsOf),
    pane(engine, "Outcomes and metrics", ["outcomes", "metrics"], outcomesOf),
  ]);
}

/** What the handler keeps, and was given. */
export function stateView(/** @type {Engine} */ engine) {
  return together([pane(engine, "State", ["data", "output_data", "parameters", "variables"], stateOf)]);
}

/** Where the handler is written otherwise than the platform's SDK has it. */
export function notesView(/** @type {Engine} */ engine) {
  return together([pane(engine, "Portability", ["notes"], notesOf)]);
}

/** @returns {View} */
function together(/** @type {View[]} */ views) {
  return {
    element: make("div", { class: "vl-sections" }, ...views.map(({ element }) => element)),
    update(names) {
      for (const view of views) view.update(names);
    },
  };
}

/**
 * Make a pane.
 *
 * @param {Engine} engine
 * @param {string} title
 * @param {Key[]} needs What it shows.
 * @param {(engine: Engine, heading: HTMLElement) => Content} contentOf
 * @returns {View}
 */
function pane(engine, title, needs, contentOf) {
  const body = make("div", { class: "vl-pane-body" });
  const heading = make("h4", {}, title);
  const section = make("section", { class: "vl-pane", "aria-label": title }, heading, body);
  let looks = "";
  return {
    element: section,
    update(names) {
      if (!anyOf(names, ...needs)) return;
      const { key, nodes } = contentOf(engine, heading);
      // A control that has the focus isn't replaced by the same one.
      if (key === looks) return;
      looks = key;
      keepFocus(body, () => body.replaceChildren(...nodes()));
    },
  };
}

function keepFocus(/** @type {HTMLElement} */ body, /** @type {() => void} */ replace) {
  const { activeElement } = document;
  const label = activeElement && body.contains(activeElement) ? activeElement.getAttribute("aria-label") : null;
  replace();
  if (!label) return;
  const named = /** @type {NodeListOf<HTMLElement>} */ (body.querySelectorAll("[aria-label]"));
  for (const element of named) if (element.getAttribute("aria-label") === label) return element.focus();
}

// --- answer time ---

/** @returns {Content} */
function latencyOf(/** @type {Engine} */ { store }, /** @type {HTMLElement} */ heading) {
  const turns = store.state.latency.filter((turn) => Number.isFinite(turn.total_ms));
  const last = turns.at(-1);
  setText(heading, last ? `Answer time, last turn: ${lengthText(last.total_ms)}` : "Answer time");
  const longest = Math.max(1, ...turns.slice(-SHOWN_TURNS).map((turn) => turn.total_ms));
  return { key: JSON.stringify(turns), nodes: () => last ? [
    ...turns.slice(-SHOWN_TURNS).map((turn) => turnRow(turn, longest)), legendOf(last),
    make("p", { class: "vl-dim", title: "Turns without an answer, such as a key that the agent ignores, are left out" }, `From the end of the caller's words to the agent's first sound. Median of ${turns.length} answer${turns.length === 1 ? "" : "s"}: ${lengthText(median(turns))}.`),
  ] : [quiet("From the end of the caller's words to the agent's first sound; shown with the first answer.")] };
}

function turnRow(/** @type {Latency} */ { turn, total_ms, parts }, /** @type {number} */ longest) {
  const bars = parts.map(({ name, ms }, i) => ms > 0 ? make("i", {
    style: `width:${(100 * ms) / longest}%;background:var(--vl-${PART_TONES[i % PART_TONES.length]})`, title: `${name} ${lengthText(ms)}: ${PART_HELP[name] ?? ""}`,
  }) : null);
  const words = parts.map(({ name, ms }) => `${name} ${lengthText(ms)}`).join(", ");
  return make("div", { class: "vl-turn" }, make("span", { class: "vl-dim", title: "A turn is one input of the caller and all that the agent does about it; turn 0 is the opening" }, `Turn ${turn}`),
    make("div", { class: "vl-strip", role: "img", "aria-label": `Turn ${turn}: ${lengthText(total_ms)}: ${words}` }, ...bars),
    make("span", { class: "vl-number" }, lengthText(total_ms)));
}

function legendOf(/** @type {Latency} */ { parts, total_ms }) {
  const legend = make("p", { class: "vl-legend" });
  parts.forEach(({ name, ms }, i) => {
    const dot = make("i", { style: `background:var(--vl-${PART_TONES[i % PART_TONES.length]})`, "aria-hidden": "true" });
    legend.append(make("span", { title: PART_HELP[name] }, dot, `${name} ${Math.round(ms)}`), i < parts.length - 1 ? " + " : "");
  });
  legend.append(` = ${lengthText(total_ms)}`);
  return legend;
}

function median(/** @type {Latency[]} */ turns) {
  const sorted = turns.map((turn) => turn.total_ms).sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// --- tests ---

/** @returns {Content} */
function testsOf(/** @type {Engine} */ engine) {
  const { tests, phase, blind } = engine.store.state;
  const nodes = () => tests.length ? tests.map((test) => testCard(engine, test)) : [quiet("Tests appear here when the handler declares them.")];
  return { key: JSON.stringify([tests, phase, blind, engine.store.local.lost]), nodes };
}

function testCard(/** @type {Engine} */ engine, /** @type {Test} */ { test, variants, variant, assignment, forced }) {
  const { phase, blind } = engine.store.state;
  const total = Object.values(variants).reduce((sum, weight) => sum + Number(weight || 0), 0) || 1;
  const drawn = variant ?? (blind && phase !== "idle" ? "hidden until you have rated" : "not drawn yet");
  const how = variant && assignment && assignment !== "random" ? ` ${assignment.replaceAll("_", " ")}` : "";
  const bars = Object.entries(variants).map(([name, weight]) => {
    const share = (100 * Number(weight || 0)) / total;
    return make("li", { class: name === variant ? "vl-drawn" : null },
      make("span", {}, name === variant ? "✓ " : "", name), make("span", { class: "vl-weight", "aria-hidden": "true" }, make("i", { style: `width:${share}%` })),
      make("span", { class: "vl-number" }, `${Math.round(share * 10) / 10} %`));
  });
  const card = make("div", { class: "vl-test" },
    make("div", { class: "vl-test-head" }, make("b", {}, test), make("span", { class: variant ? "vl-chip" : "vl-chip vl-unknown" }, drawn, how)),
    make("ul", { "aria-label": `Weights of ${test}` }, ...bars));
  if (!blind) card.append(forceControl(engine, test, variants, forced));
  return card;
}

function forceControl(/** @type {Engine} */ engine, /** @type {string} */ test, /** @type {Test["variants"]} */ variants, /** @type {Test["forced"]} */ forced) {
  const select = make("select", { "aria-label": `Force ${test}` }, make("option", { value: "" }, "drawn at random"),
    ...Object.keys(variants).map((name) => make("option", { value: `=${name}` }, `forced: ${name}`)));
  select.value = forced === null || forced === undefined ? "" : `=${forced}`;
  select.disabled = engine.store.local.lost;
  select.addEventListener("change", () => engine.ask({ k: "force", test, variant: select.value ? select.value.slice(1) : null }));
  return make("label", { class: "vl-force" }, "Next session ", select);
}

// --- facts ---

/** @returns {Content} */
function outcomesOf(/** @type {Engine} */ { store }) {
  const { outcomes, metrics } = store.state;
  /** @type {Fact[]} */
  const rows = [
    ...Object.entries(outcomes).map(([name, value]) => factOf(name, value === null ? "not set" : value)),
    ...latest(metrics).map(({ type, name, value }) => factOf(name, value, type)),
  ];
  return { key: JSON.stringify(rows), nodes: () => [rows.length ? table(rows, "Outcomes and metrics") : quiet("Outcomes and metrics appear here when the handler sets them.")] };
}

/** @typedef {[name: string, value: string, remark: string]} Fact */

/** @returns {Fact} */
function factOf(/** @type {string} */ name, /** @type {unknown} */ value, remark = "") {
  return [name, valueText(value), remark];
}

// A metric that is reported often is one row: its last value.
function latest(/** @type {Metric[]} */ metrics) {
  return [...new Map(metrics.map((metric) => [`${metric.type} ${metric.name}`, metric])).values()].slice(-100);
}

/** @returns {Content} */
function stateOf(/** @type {Engine} */ { store }) {
  const { data, output_data, parameters, variables } = store.state;
  const groups = Object.entries({ data, output_data, parameters, variables }).filter(([, values]) => Object.keys(values).length);
  const nodes = () => groups.length
    ? groups.map(([name, values]) => make("div", { class: "vl-group" }, make("h5", {}, name), table(Object.entries(values).map(([key, value]) => factOf(key, value)), name)))
    : [quiet("What the handler keeps in its context appears here.")];
  return { key: JSON.stringify(groups), nodes };
}

function table(/** @type {Fact[]} */ rows, /** @type {string} */ name) {
  return make("table", { "aria-label": name }, make("tbody", {}, ...rows.map(([key, value, remark]) => make("tr", {},
    make("th", { scope: "row" }, key), make("td", {}, longText(value), remark ? make("span", { class: "vl-dim" }, ` ${remark}`) : "")))));
}

/** @returns {Content} */
function notesOf(/** @type {Engine} */ { store }) {
  const { notes } = store.state;
  const nodes = () => notes.map(({ line, rule, text }) => make("p", { class: "vl-note-card" },
    make("b", {}, line === null || line === undefined ? rule : `line ${line}, ${rule}`), " ", longText(text)));
  const none = [quiet("Nothing in the handler is written otherwise than the platform's SDK has it.")];
  return { key: JSON.stringify(notes), nodes: () => notes.length ? nodes() : none };
}

function quiet(/** @type {string} */ text) {
  return make("p", { class: "vl-dim" }, text);
}
