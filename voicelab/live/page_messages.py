"""The messages between the kernel and the pages of the widgets: the one table that both sides are held to.

The page's types (`widgets/static/protocol.d.ts`) and the tables of docs/console-protocol.md are written from it by
`make format`. Tests hold what the kernel sends and reads to it, the type checker what the page sends and reads.

Types are written as the page has them: `string`, `number`, `boolean`, `unknown`, `null`, a text in quotes, a record's
name, `X[]`, `Record<string, X>`, `Partial<X>`, and alternatives with ` | `. A `?` after a field's name: it may be missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Message:
    """A message from the kernel to a page, or from a page to the kernel.

    Attributes:
        k: What kind of message it is, its field `k`.
        meaning: What it says, or asks for.
        fields: Its other fields and their types.
        buffer: What comes with it in binary; empty for nothing.
        of_sound: Whether only the page that has the sound takes it, or is believed: it carries that page's `engine`.
    """

    k: str
    meaning: str
    fields: Mapping[str, str] = field(default_factory=dict)
    buffer: str = ""
    of_sound: bool = False

    @property
    def all_fields(self) -> dict[str, str]:
        """Return the fields and their types, `engine` among them where it carries it."""
        return dict(self.fields) | ({"engine": "string | null"} if self.of_sound else {})


@dataclass(frozen=True)
class Widget:
    """What one widget and its pages say to each other.

    Attributes:
        name: The widget's name.
        to_page: The kernel's messages, by kind.
        to_kernel: The page's messages, by kind.
    """

    name: str
    to_page: Mapping[str, Message]
    to_kernel: Mapping[str, Message]


def _by_kind(*messages: Message) -> dict[str, Message]:
    return {message.k: message for message in messages}


_ENGINE = {"engine": "string"}
_PCM16 = "PCM16 mono"

CONSOLE = Widget(
    "Console",
    _by_kind(
        Message(
            "all",
            "everything, on `hello`: after a page reload, or for a second view; `now_s` is a running session's clock",
            {"state": "State", "events": "Event[]", "now_s?": "number"},
        ),
        Message("state", "these keys have new values, whole", {"state": "Partial<State>"}),
        Message(
            "events",
            "new events, or known ones (same `seq`) that have been amended",
            {"events": "Event[]", "now_s": "number"},
        ),
        Message("partial", "what the recogniser has so far; empty text removes it", {"text": "string"}),
        Message(
            "audio",
            "a piece of the audio of the event with `seq == row`; pieces of a row come in order, and rows are played one "
            "after the other",
            {"row": "number", "rate": "number", "interruptible": "boolean", "last": "boolean"},
            _PCM16,
            of_sound=True,
        ),
        Message(
            "speak",
            "say it with the page's own speechSynthesis",
            {
                "row": "number",
                "text": "string",
                "voice": "string | null",
                "language": "string | null",
                "speed": "number | null",
                "interruptible": "boolean",
            },
            of_sound=True,
        ),
        Message(
            "ping",
            "a page came during a session: answer with `pong`; if the page that has the sound doesn't, the new one gets it",
            of_sound=True,
        ),
        Message("clear", "stop playback and forget what is queued", of_sound=True),
        Message("file", "save it on the user's disk", {"name": "string", "mime": "string"}, "the file"),
        Message(
            "script",
            "what the caller did as a Python list of inputs and as a JSON array of messages, and what was said as text; "
            "for the page that asked",
            {"python": "string", "messages": "string", "transcript": "string", **_ENGINE},
        ),
        Message(
            "replay",
            "play it and move the timeline's cursor with it; for the page that asked",
            {"rate": "number", "duration_s": "number"},
            "PCM16 stereo (caller left, agent right), may be empty",
            of_sound=True,
        ),
    ),
    _by_kind(
        Message("hello", "on `initialize`, and when the kernel comes back: `engine` is a random id", _ENGINE),
        Message("pong", "answer to `ping`", _ENGINE),
        Message("connect", "start a session, heard and spoken on this page", _ENGINE),
        Message("new", "end the running session and start another", _ENGINE),
        Message("hang_up", "end the session"),
        Message(
            "say",
            "typed: said as soon as the agent has spoken, or over its words where `typing_interrupts`",
            {"text": "string"},
        ),
        Message("say_now", "say these words of `waiting` at once, over the agent's", {"number": "number"}),
        Message("take_back", "don't say these words of `waiting`", {"number": "number"}),
        Message("key", "keypad: it interrupts, as on a phone", {"digit": "string"}),
        Message("event", "a custom event", {"name": "string", "data": "Record<string, unknown>"}),
        Message("timeout", "a timeout by hand"),
        Message("force", "for the next session; null draws it", {"test": "string", "variant": "string | null"}),
        Message(
            "next",
            "the text of a JSON object that the next session gets; what is wrong with it comes back in `next`",
            {"name": '"parameters" | "input_data"', "text": "string"},
        ),
        Message(
            "variable",
            "a variable's value for the next session; null takes back what was given here",
            {"name": "string", "value": "string | null"},
        ),
        Message("open", "show a session of `sessions`, where none runs", {"session": "number"}),
        Message("set", "one of `settings`", {"name": "keyof Settings", "value": "unknown"}),
        Message("rate", "answer to `ask`; value null: no answer", {"value": "unknown", "note": "string"}),
        Message("download", "ask for a `file`", {"what": '"json" | "wav"'}),
        Message("script", "ask for `script`", _ENGINE),
        Message("replay", "ask for `replay`", _ENGINE),
        Message(
            "microphone",
            "it was opened, closed, or could not be opened, with a sentence that says why: what was being said is over",
            {"on": "boolean", "error": "string | null"},
            of_sound=True,
        ),
        Message("pcm", "while the microphone is on", {}, "PCM16 mono 16 kHz, 100 ms", of_sound=True),
        Message("talk", "push-to-talk: held, released", {"on": "boolean"}, of_sound=True),
        Message(
            "onset",
            "the worklet's detector hears the caller begin (hands-free), or push-to-talk is pressed; playback that may be "
            "interrupted has been stopped already",
            of_sound=True,
        ),
        Message("started", "playback of a row began", {"row": "number"}, of_sound=True),
        Message("ended", "it was played to its end", {"row": "number"}, of_sound=True),
        Message(
            "stopped",
            "it was cut, after so many seconds; rows behind it: `played_s` 0",
            {"row": "number", "played_s": "number"},
            of_sound=True,
        ),
        Message("heard", "by the page's own recognition", {"text": "string", "final": "boolean"}, of_sound=True),
    ),
)

MICROPHONE = Widget(
    "Microphone",
    _by_kind(
        Message("record", "begin to record; for so long, or until `stop`", {"seconds": "number | null", **_ENGINE}),
        Message("stop", "end the recording, and switch the microphone off", {"engine?": "string"}),
    ),
    _by_kind(
        Message("hello", "the page shows the widget", _ENGINE),
        Message("bye", "it no longer does", _ENGINE),
        Message("recording", "the microphone is on", _ENGINE),
        Message("trouble", "it could not be opened, and why", {"text": "string", **_ENGINE}),
        Message("piece", "of a recording that has ended, from its sample `at` on", {"at": "number", **_ENGINE}, _PCM16),
        Message("done", "these were all pieces", {"rate": "number", "samples": "number", **_ENGINE}),
    ),
)

SPEAKER = Widget(
    "Speaker",
    _by_kind(
        Message(
            "audio",
            "a piece of a row's audio; `text` is shown while it plays",
            {
                "row": "number",
                "rate": "number",
                "text": "string",
                "interruptible": "boolean",
                "last": "boolean",
                **_ENGINE,
            },
            _PCM16,
        ),
        Message(
            "speak",
            "say it with the page's own speechSynthesis",
            {"row": "number", "text": "string", "interruptible": "boolean", **_ENGINE},
        ),
        Message("clear", "stop, and forget what waits", _ENGINE),
    ),
    _by_kind(Message("hello", "the page shows the widget: the last one that did is heard", _ENGINE)),
)

WIDGETS = (CONSOLE, MICROPHONE, SPEAKER)


@dataclass(frozen=True)
class Record:
    """What stands in a message's fields.

    Attributes:
        name: Its name among the types.
        meaning: What it is.
        fields: Its fields: type, and meaning.
    """

    name: str
    meaning: str
    fields: Mapping[str, tuple[str, str]]


_ANY = "Record<string, unknown>"

RECORDS = (
    Record(
        "State",
        "What there is to know of the console, key by key.",
        {
            "phase": ('"idle" | "live" | "ended"', "`idle`: no session yet"),
            "session": (
                "number",
                "number of the session that is shown, from 1; when it changes, conversation and timeline begin anew",
            ),
            "sessions": ("SessionEntry[]", "those that have ended, in order"),
            "waiting": ("WaitingWords[]", "typed words that wait until the agent has spoken, in order"),
            "phrases": ("string[]", "what the caller is expected to say"),
            "next": ("NextSession", "what the next session is given"),
            "agent": ("string", "the handler's name"),
            "log": ("string | null", "name of the log's folder"),
            "blind": ("boolean", "whether the variant is hidden until the session has been rated"),
            "tests": ("Test[]", ""),
            "outcomes": (_ANY, "by name"),
            "metrics": ("Metric[]", ""),
            "data": (_ANY, "what the handler keeps in its context"),
            "output_data": (_ANY, ""),
            "parameters": (_ANY, "what the session was given"),
            "variables": ("Record<string, string>", "by name, each masked"),
            "notes": ("Note[]", "portability notes"),
            "engine": ("string | null", "id of the page that has the sound"),
            "settings": ("Settings", ""),
            "uses": (
                "Uses",
                "what the running session hears with and how time passes in it, else the next one: what is set while a "
                "session runs counts from the next one on",
            ),
            "engines": ("Engines", "to choose from"),
            "gate": ("Gate", "whether the caller's words reach the agent now"),
            "latency": ("Latency[]", "of the turns"),
            "status": ("string | null", "of the ended session"),
            "duration_s": ("number | null", "of the ended session"),
            "ask": ("Question | null", "after a blind session, what its person is asked"),
            "message": ("Notice | null", "one sentence for the user"),
        },
    ),
    Record(
        "Settings",
        "What the person can set.",
        {
            "stt": ("string", "name of what listens: an engine, `off` or `browser`"),
            "tts": ("string", "name of what speaks"),
            "mode": ('"push" | "hands_free"', ""),
            "typing_interrupts": ("boolean", "typed words cut the agent off; else they wait until it has spoken"),
            "speed": ("number", "how many times as fast as real ones a session's seconds pass, where nothing speaks"),
            "volume": ("number", "0 to 1"),
            "muted": ("boolean", ""),
            "echo_cancellation": ("boolean", ""),
            "noise_suppression": ("boolean", ""),
            "auto_gain": ("boolean", ""),
        },
    ),
    Record(
        "SessionEntry",
        "A session that has ended, as an entry of a list.",
        {
            "number": ("number", "its number, from 1"),
            "began_ms": ("number", "when it began, in milliseconds since 1970"),
            "status": ("string", ""),
            "duration_s": ("number", ""),
            "n_turns": ("number", ""),
            "n_errors": ("number", ""),
            "variants": ("string[]", "each test with its variant; empty until a blind session has been rated"),
            "opening": ("string", "the beginning of what the caller said first"),
            "has_sound": ("boolean", "whether its sound is still kept"),
        },
    ),
    Record("WaitingWords", "", {"number": ("number", "tells them from others"), "text": ("string", "")}),
    Record(
        "NextSession",
        "What is edited for the next session. Values of variables come in, and are never sent out.",
        {
            "parameters": ("string", "text of a JSON object, as it stands in its box"),
            "input_data": ("string", "the same"),
            "changed": ("string[]", "names of the variables whose values were given here"),
            "problems": ("Record<string, string>", "what is wrong, by `parameters`, `input_data` and `variables`"),
        },
    ),
    Record(
        "Uses",
        "What a session hears with.",
        {
            "stt": ("string", "name of what listens"),
            "pace": ("number", "how many times as fast as real ones its seconds pass"),
        },
    ),
    Record("Engines", "What can listen and speak.", {"stt": ("SpeechEngine[]", ""), "tts": ("SpeechEngine[]", "")}),
    Record(
        "SpeechEngine",
        "One of them.",
        {
            "name": ("string", ""),
            "label": ("string", ""),
            "offline": ("boolean", ""),
            "installed": ("boolean", ""),
            "note": ("string", "what to install, or where audio goes"),
        },
    ),
    Record(
        "Test",
        "An A/B test that the session reached.",
        {
            "test": ("string", ""),
            "variants": ("Record<string, number>", "weight by name"),
            "variant": ("string | null", "null until drawn, in blind mode until it may be shown"),
            "assignment": ("string | null", "how it was drawn"),
            "forced": ("string | null", "the variant forced for the next session"),
        },
    ),
    Record(
        "Metric",
        "What the handler measured.",
        {"type": ("string", ""), "name": ("string", ""), "value": ("unknown", "")},
    ),
    Record(
        "Note",
        "A portability note.",
        {"line": ("number | null", ""), "rule": ("string", ""), "text": ("string", "")},
    ),
    Record("Gate", "", {"open": ("boolean", ""), "reason": ("string", "why not")}),
    Record(
        "Latency",
        "How long a turn's answer took.",
        {"turn": ("number", ""), "total_ms": ("number", "the sum of the parts"), "parts": ("Part[]", "")},
    ),
    Record("Part", "", {"name": ("string", ""), "ms": ("number", "")}),
    Record(
        "Question",
        "The outcome that the person of a blind session is asked for.",
        {"test": ("string", ""), "outcome": ("string", ""), "type": ('"boolean" | "number" | "text"', "")},
    ),
    Record("Notice", "", {"level": ('"info" | "warning" | "error"', ""), "text": ("string", "")}),
    Record(
        "Event",
        "The record's event, and what the page needs to show it.",
        {
            "seq": ("number", "its number; an amended event comes again under it"),
            "time_s": ("number", ""),
            "turn": ("number", ""),
            "kind": ("string", ""),
            "name": ("string", ""),
            "data": ("Data", "the record's data, an object: what is in it follows from the name"),
            "background": ("boolean", ""),
            "task_name": ("string | null", ""),
            "lines": ("Line[]", "the lines of conversation that it makes"),
            "spans": (
                "Span[]",
                "what it draws on the timeline; an event whose spans change is sent again, though its data is the same",
            ),
        },
    ),
    Record(
        "Line",
        "A line of conversation.",
        {
            "who": ("string", "`agent`, `caller`, `task`, `error` or `note`"),
            "text": ("string", ""),
            "lost": ("string", "what was not heard"),
            "label": ("string", ""),
            "time_s": ("number", ""),
        },
    ),
    Record(
        "Span",
        "One thing of the timeline, times in seconds of the session. The kernel derives spans, for the console as for the "
        "saved card; the page only draws them.",
        {
            "lane": ('"caller" | "agent" | "tasks" | "gate" | "log" | "turns"', "`turns`: a mark across all lanes"),
            "kind": ('"span" | "mark" | "tick" | "turn"', "`tick`: a moment on something that takes time"),
            "tone": ("string", "what it means, and so its colour"),
            "start_s": ("number", ""),
            "end_s": ("number | null", "null while it goes on: it grows with the page's clock until its end is sent"),
            "label": ("string", "what stands in it or beside it"),
            "detail": ("string", "what is read out"),
            "row": ("number", "its row in the lane, from 0"),
            "cut": ("string", "how much of it was not heard, in words; empty where all of it was"),
        },
    ),
)
