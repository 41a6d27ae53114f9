/** What the modules of the page give each other, beside the messages (protocol.d.ts). */

import type { Event, Settings, Span, State } from "./protocol.d.ts";

/** A message's buffer: in a notebook a view into a larger one. */
export type Bytes = ArrayBuffer | ArrayBufferView<ArrayBuffer>;

/** The widget's model, as anywidget hands it over. */
export interface Model<Sent, Received> {
  get(name: string): unknown;
  send(message: Sent, callbacks: undefined, buffers: ArrayBuffer[]): void;
  on(name: "msg:custom", listen: (message: Received, buffers?: Bytes[]) => void): void;
  on(name: "comm:close" | "comm_live_update", listen: () => void): void;
}

/** What anywidget asks of a widget's module. */
export interface Widget<M> {
  initialize(given: { model: M }): () => void;
  render(given: { model: M; el: HTMLElement }): () => void;
}

/** The state as far as the page knows it: before the kernel's first word there are no settings. */
export type Known = Omit<State, "settings" | "uses"> & { settings: Partial<Settings>; uses: Partial<State["uses"]> };

/** An input device. */
export interface Device { id: string; label: string }

/** Where a replay is, and how long it is. */
export interface ReplayClock { at_s(): number; total_s: number }

/** What only this page knows. */
export interface Local {
  lost: boolean; // the kernel is gone
  partial: string;
  microphone: "off" | "opening" | "on";
  level: number;
  speech: boolean;
  talking: boolean;
  device: string;
  devices: Device[];
  trouble: string;
  speaking: number | null; // the row that is being played
  silent: boolean; // sound waits for the first click on the page
  replay: ReplayClock | null;
  draft: { text: string } | null; // what the message box is to hold
  script: Script | null; // the session as text to be copied
}

/** A session as text to be copied. */
export interface Script { python: string; messages: string; transcript: string }

/** What can change: views name what they show. */
export type Key = keyof State | keyof Local | "events";
export type Changed = ReadonlySet<Key>;

/** A part of the console. */
export interface View {
  element: HTMLElement;
  update(names: Changed): void;
  remove?(): void;
  shown?(): void; // called when it comes to be seen
}

/** Opens the viewer of an event; `back` gets the focus when it is closed. */
export type OpenEvent = (event: Event, back: HTMLElement) => void;

/** What spans of the timeline stand in. */
export type Lane = Exclude<Span["lane"], "turns">;

/** A span in its lane, and the event that it belongs to. */
export type Item = Span & { lane: Lane; event: Event };

/** A session as the timeline draws it. */
export interface Timeline {
  items: Item[]; // in order of time
  turns: Span[]; // in order of time
  end_s: number;
  taskRows: number;
}
