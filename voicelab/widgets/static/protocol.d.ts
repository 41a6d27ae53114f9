/** The messages between kernel and page. Written from page_messages.py and page_records.py in voicelab/live: change those, and `make format`. */

/** An event's data: what is in it follows from the event's name. */
// biome-ignore lint/suspicious/noExplicitAny: events of handlers carry what they like
export type Data = Record<string, any>;

/** What there is to know of the console, key by key. */
export interface State {
  phase: "idle" | "live" | "ended"; // `idle`: no session yet
  session: number; // number of the session that is shown, from 1; when it changes, conversation and timeline begin anew
  sessions: SessionEntry[]; // those that have ended, in order
  waiting: WaitingWords[]; // typed words that wait until the agent has spoken, in order
  phrases: string[]; // what the caller is expected to say
  next: NextSession; // what the next session is given
  agent: string; // the handler's name
  log: string | null; // name of the log's folder
  blind: boolean; // whether the variant is hidden until the session has been rated
  tests: Test[];
  outcomes: Record<string, unknown>; // by name
  metrics: Metric[];
  data: Record<string, unknown>; // what the handler keeps in its context
  output_data: Record<string, unknown>;
  parameters: Record<string, unknown>; // what the session was given
  variables: Record<string, string>; // by name, each masked
  notes: Note[]; // portability notes
  engine: string | null; // id of the page that has the sound
  settings: Settings;
  uses: Uses; // what the running session hears with and how time passes in it, else the next one: what is set while a session runs counts from the next one on
  engines: Engines; // to choose from
  gate: Gate; // whether the caller's words reach the agent now
  latency: Latency[]; // of the turns
  status: string | null; // of the ended session
  duration_s: number | null; // of the ended session
  ask: Question | null; // after a blind session, what its person is asked
  message: Notice | null; // one sentence for the user
}

/** What the person can set. */
export interface Settings {
  stt: string; // name of what listens: an engine, `off` or `browser`
  tts: string; // name of what speaks
  mode: "push" | "hands_free";
  typing_interrupts: boolean; // typed words cut the agent off; else they wait until it has spoken
  speed: number; // how many times as fast as real ones a session's seconds pass, where nothing speaks
  volume: number; // 0 to 1
  muted: boolean;
  echo_cancellation: boolean;
  noise_suppression: boolean;
  auto_gain: boolean;
}

/** A session that has ended, as an entry of a list. */
export interface SessionEntry {
  number: number; // its number, from 1
  began_ms: number; // when it began, in milliseconds since 1970
  status: string;
  duration_s: number;
  n_turns: number;
  n_errors: number;
  variants: string[]; // each test with its variant; empty until a blind session has been rated
  opening: string; // the beginning of what the caller said first
  has_sound: boolean; // whether its sound is still kept
}

export interface WaitingWords {
  number: number; // tells them from others
  text: string;
}

/** What is edited for the next session. Values of variables come in, and are never sent out. */
export interface NextSession {
  parameters: string; // text of a JSON object, as it stands in its box
  input_data: string; // the same
  changed: string[]; // names of the variables whose values were given here
  problems: Record<string, string>; // what is wrong, by `parameters`, `input_data` and `variables`
}

/** What a session hears with. */
export interface Uses {
  stt: string; // name of what listens
  pace: number; // how many times as fast as real ones its seconds pass
}

/** What can listen and speak. */
export interface Engines {
  stt: SpeechEngine[];
  tts: SpeechEngine[];
}

/** One of them. */
export interface SpeechEngine {
  name: string;
  label: string;
  offline: boolean;
  installed: boolean;
  note: string; // what to install, or where audio goes
}

/** An A/B test that the session reached. */
export interface Test {
  test: string;
  variants: Record<string, number>; // weight by name
  variant: string | null; // null until drawn, in blind mode until it may be shown
  assignment: string | null; // how it was drawn
  forced: string | null; // the variant forced for the next session
}

/** What the handler measured. */
export interface Metric {
  type: string;
  name: string;
  value: unknown;
}

/** A portability note. */
export interface Note {
  line: number | null;
  rule: string;
  text: string;
}

export interface Gate {
  open: boolean;
  reason: string; // why not
}

/** How long a turn's answer took. */
export interface Latency {
  turn: number;
  total_ms: number; // the sum of the parts
  parts: Part[];
}

export interface Part {
  name: string;
  ms: number;
}

/** The outcome that the person of a blind session is asked for. */
export interface Question {
  test: string;
  outcome: string;
  type: "boolean" | "number" | "text";
}

export interface Notice {
  level: "info" | "warning" | "error";
  text: string;
}

/** The record's event, and what the page needs to show it. */
export interface Event {
  seq: number; // its number; an amended event comes again under it
  time_s: number;
  turn: number;
  kind: string;
  name: string;
  data: Data; // the record's data, an object: what is in it follows from the name
  background: boolean;
  task_name: string | null;
  lines: Line[]; // the lines of conversation that it makes
  spans: Span[]; // what it draws on the timeline; an event whose spans change is sent again, though its data is the same
  why: string; // why it came when it did, in words
}

/** A line of conversation. */
export interface Line {
  who: string; // `agent`, `caller`, `task`, `error` or `note`
  text: string;
  lost: string; // what was not heard
  label: string;
  time_s: number;
}

/** One thing of the timeline, times in seconds of the session. The kernel derives spans, for the console as for the saved card; the page only draws them. */
export interface Span {
  lane: "caller" | "agent" | "tasks" | "gate" | "log" | "turns"; // `turns`: a mark across all lanes
  kind: "span" | "mark" | "tick" | "turn"; // `tick`: a moment on something that takes time
  tone: string; // what it means, and so its colour
  start_s: number;
  end_s: number | null; // null while it goes on: it grows with the page's clock until its end is sent
  label: string; // what stands in it or beside it
  detail: string; // what is read out
  row: number; // its row in the lane, from 0
  cut: string; // how much of it was not heard, in words; empty where all of it was
}

export type ConsoleToPage =
  | { k: "all"; state: State; events: Event[]; now_s?: number }
  | { k: "state"; state: Partial<State> }
  | { k: "events"; events: Event[]; now_s: number }
  | { k: "partial"; text: string }
  | { k: "audio"; row: number; rate: number; interruptible: boolean; last: boolean; engine: string | null }
  | { k: "speak"; row: number; text: string; voice: string | null; language: string | null; speed: number | null; interruptible: boolean; engine: string | null }
  | { k: "ping"; engine: string | null }
  | { k: "clear"; engine: string | null }
  | { k: "duck"; on: boolean; engine: string | null }
  | { k: "file"; name: string; mime: string }
  | { k: "script"; python: string; messages: string; transcript: string; engine: string }
  | { k: "replay"; rate: number; duration_s: number; engine: string | null };

export type ConsoleToKernel =
  | { k: "hello"; engine: string }
  | { k: "pong"; engine: string }
  | { k: "connect"; engine: string }
  | { k: "new"; engine: string }
  | { k: "hang_up" }
  | { k: "say"; text: string }
  | { k: "say_now"; number: number }
  | { k: "take_back"; number: number }
  | { k: "key"; digit: string }
  | { k: "event"; name: string; data: Record<string, unknown> }
  | { k: "timeout" }
  | { k: "force"; test: string; variant: string | null }
  | { k: "next"; name: "parameters" | "input_data"; text: string }
  | { k: "variable"; name: string; value: string | null }
  | { k: "open"; session: number }
  | { k: "set"; name: keyof Settings; value: unknown }
  | { k: "rate"; value: unknown; note: string }
  | { k: "download"; what: "json" | "wav" }
  | { k: "script"; engine: string }
  | { k: "replay"; engine: string }
  | { k: "microphone"; on: boolean; error: string | null; engine: string | null }
  | { k: "pcm"; engine: string | null }
  | { k: "talk"; on: boolean; engine: string | null }
  | { k: "onset"; engine: string | null }
  | { k: "started"; row: number; engine: string | null }
  | { k: "ended"; row: number; engine: string | null }
  | { k: "stopped"; row: number; played_s: number; engine: string | null }
  | { k: "heard"; text: string; final: boolean; engine: string | null };

export type MicrophoneToPage =
  | { k: "record"; seconds: number | null; engine: string }
  | { k: "stop"; engine?: string };

export type MicrophoneToKernel =
  | { k: "hello"; engine: string }
  | { k: "bye"; engine: string }
  | { k: "recording"; engine: string }
  | { k: "trouble"; text: string; engine: string }
  | { k: "piece"; at: number; engine: string }
  | { k: "done"; rate: number; samples: number; engine: string };

export type SpeakerToPage =
  | { k: "audio"; row: number; rate: number; text: string; interruptible: boolean; last: boolean; engine: string }
  | { k: "speak"; row: number; text: string; interruptible: boolean; engine: string }
  | { k: "clear"; engine: string };

export type SpeakerToKernel =
  | { k: "hello"; engine: string };
